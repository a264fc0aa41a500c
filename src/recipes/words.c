/* Names of a question's columns, read back: see words.h.
 *
 * A field's name has neither '=' nor ' ' (schemas allow letters, digits and '_'), so the first of
 * them ends it and says what follows: a value, or " in [a, b)" of a bin. */
#include "recipes/words.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST_NAME = 1200 };

struct name {
    struct od_str field; /* with letter and colon */
    bool bin;
    double from, to;
};

static bool read_edge(struct od_str text, double *out)
{
    if (od_str_eq(text, OD_STR("-inf")) || od_str_eq(text, OD_STR("inf"))) {
        *out = text.len == 3 ? (double)INFINITY : -(double)INFINITY;
        return true;
    }
    return od_str_to_double(text, out);
}

static bool read_name(struct od_str text, struct name *out)
{
    static const struct od_str between = {" in [", 5};
    size_t end = 2;
    while (end < text.len && text.ptr[end] != '=' && text.ptr[end] != ' ')
        end++;
    if (text.len < 4 || (text.ptr[0] != 'C' && text.ptr[0] != 'U') || text.ptr[1] != ':' ||
        end == text.len)
        return false;
    *out = (struct name){.field = {text.ptr, end}, .bin = text.ptr[end] == ' '};
    if (!out->bin)
        return true;
    struct od_str rest = od_str_sub(text, end, text.len), from;
    if (!od_str_starts(rest, between) || rest.len < between.len + 4)
        return false;
    rest = od_str_sub(rest, between.len, rest.len);
    rest.len--; /* the closing bracket */
    return od_str_cut(&rest, ',', &from) && rest.ptr && read_edge(od_str_trim(from), &out->from) &&
           read_edge(od_str_trim(rest), &out->to);
}

static enum od_status read_all(struct od_words *w, struct od_error *err)
{
    for (uint32_t i = 0; i < od_dict_count(w->names); i++) {
        struct name name;
        if (!read_name(od_dict_text(w->names, i), &name))
            return od_fail(err, OD_CORRUPT, "Column %u of a question has no valid name.", i);
        struct od_words_bins *last = w->bin_count ? &w->bins[w->bin_count - 1] : NULL;
        if (!name.bin)
            continue;
        if (last && last->first + last->count == i && od_str_eq(last->field, name.field)) {
            last->count++;
        } else {
            w->bins[w->bin_count++] = (struct od_words_bins){name.field, i, 1};
        }
        w->from[i] = name.from;
        w->to[i] = name.to;
    }
    return OD_OK;
}

enum od_status od_words_init(struct od_words *out, struct od_dict *names, struct od_error *err)
{
    size_t n = od_dict_count(names);
    struct od_words w = {.names = names,
                         .bins = malloc((n + 1) * sizeof *w.bins),
                         .from = malloc((n + 1) * sizeof *w.from),
                         .to = malloc((n + 1) * sizeof *w.to)};
    enum od_status st =
        w.bins && w.from && w.to ? read_all(&w, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        *out = w;
    else
        od_words_done(&w);
    return st;
}

enum od_status od_words_open(struct od_words *words, const struct od_image *image,
                             const char *section, struct od_error *err)
{
    struct od_image_dict dict;
    enum od_status st = od_image_dict_open(image, section, &dict, err);
    if (st != OD_OK)
        return st;
    struct od_dict *names = od_dict_new();
    bool twice = false;
    st = names ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0, code; i < dict.count && st == OD_OK && !twice; i++) {
        st = od_dict_add(names, od_image_dict_text(&dict, i), &code);
        twice = st == OD_OK && code != i;
    }
    if (st != OD_OK || twice) {
        od_dict_free(names);
        return twice ? od_fail(err, OD_CORRUPT, "Section %s names a column twice.", section)
                     : od_fail(err, st, NULL);
    }
    return od_words_init(words, names, err);
}

void od_words_done(struct od_words *words)
{
    od_dict_free(words->names);
    free(words->bins);
    free(words->from);
    free(words->to);
    *words = (struct od_words){0};
}

static bool is_field(struct od_str full, char letter, struct od_str field)
{
    return full.len == field.len + 2 && full.ptr[0] == letter &&
           memcmp(full.ptr + 2, field.ptr, field.len) == 0;
}

uint32_t od_words_number(const struct od_words *w, char letter, struct od_str field, double number)
{
    for (size_t b = 0; b < w->bin_count; b++) {
        const struct od_words_bins *bins = &w->bins[b];
        if (!is_field(bins->field, letter, field))
            continue;
        uint32_t bin = bins->first, last = bin + bins->count - 1;
        while (bin < last && number >= w->from[bin + 1])
            bin++;
        return bin < last && number >= w->to[bin] ? OD_NO_CODE : bin;
    }
    return OD_NO_CODE;
}

uint32_t od_words_text(const struct od_words *w, char letter, struct od_str field,
                       struct od_str value)
{
    char name[LONGEST_NAME];
    size_t len = 3 + field.len + value.len;
    if (len > sizeof name)
        return OD_NO_CODE;
    name[0] = letter;
    name[1] = ':';
    memcpy(name + 2, field.ptr, field.len);
    name[2 + field.len] = '=';
    if (value.len)
        memcpy(name + 3 + field.len, value.ptr, value.len);
    return od_dict_find(w->names, (struct od_str){name, len});
}

uint32_t od_words_like(const struct od_words *w, struct od_str text)
{
    struct name name;
    if (!read_name(text, &name))
        return OD_NO_CODE;
    if (!name.bin)
        return od_dict_find(w->names, text);
    double middle = isinf(name.from) ? name.to
                    : isinf(name.to) ? name.from
                                     : (name.from + name.to) / 2;
    return od_words_number(w, name.field.ptr[0], od_str_sub(name.field, 2, name.field.len), middle);
}

size_t od_words_value(const struct od_words *w, char letter, const struct od_query_value *value,
                      uint32_t first, struct od_word *out, size_t room)
{
    double number;
    size_t n = 0;
    uint32_t column = OD_NO_CODE;
    if (od_str_to_double(value->value,
                         &number)) /* a training set's context is in single precision */
        column =
            od_words_number(w, letter, value->name, letter == 'C' ? (double)(float)number : number);
    if (column == OD_NO_CODE)
        column = od_words_text(w, letter, value->name, value->value);
    if (column != OD_NO_CODE && room) {
        out[n++] = (struct od_word){first + column, 1};
        return n;
    }
    struct od_str rest = value->value, piece;
    while (n < room && n < OD_WORDS_PIECES && od_str_cut(&rest, '|', &piece)) {
        column = od_words_text(w, letter, value->name, piece);
        if (column != OD_NO_CODE)
            out[n++].column = first + column;
    }
    for (size_t i = 0; i < n; i++)
        out[i].value = 1 / sqrtf((float)n);
    return n;
}

size_t od_words_query(const struct od_words *w, const struct od_query *query, uint32_t first,
                      struct od_word *out, size_t room)
{
    size_t n = 0;
    for (size_t i = 0; i < query->context_count; i++)
        n += od_words_value(w, 'C', &query->context[i], first, out + n, room - n);
    for (size_t i = 0; i < query->user_value_count; i++)
        n += od_words_value(w, 'U', &query->user[i], first, out + n, room - n);
    return n;
}
