/* Records of users in serving: see gru_person.h.
 *
 * Names are parsed once at open: "FIELD=value" is looked up by its whole text, "FIELD in [a, b)"
 * (or "b]" for a field's last bin) keeps its bounds. A query has a dozen values and a model some
 * dozens of bins, so bins are looked through one by one. */
#include "recipes/gru_person.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 8192, MOST_VALUES = 64 }; /* of a cell: 1,000 characters hold no more */

struct bin {
    struct od_str field;
    double from, to;
    bool closed;
    uint32_t column;
};

struct od_gru_people {
    struct od_image_dict names; /* in the image */
    struct od_dict *find;
    struct bin *bins;
    uint32_t bin_count;
};

/* "FIELD in [a, b)" */
static bool parse_bin(struct od_str name, struct bin *out)
{
    static const char middle[] = " in [";
    size_t len = sizeof middle - 1;
    if (name.len < len + 4)
        return false;
    char end = name.ptr[name.len - 1];
    if (end != ')' && end != ']')
        return false;
    for (size_t i = name.len - len; i-- > 0;) {
        if (memcmp(name.ptr + i, middle, len) != 0)
            continue;
        struct od_str bounds = od_str_sub(name, i + len, name.len - i - len - 1), from;
        out->field = od_str_sub(name, 0, i);
        out->closed = end == ']';
        return od_str_cut(&bounds, ',', &from) && od_str_to_double(od_str_trim(from), &out->from) &&
               od_str_to_double(od_str_trim(bounds), &out->to);
    }
    return false;
}

static enum od_status read_names(struct od_gru_people *p, uint32_t columns, struct od_error *err)
{
    if (p->names.count != columns)
        return od_fail(err, OD_CORRUPT, "Section gru.person has %u names, not %u.", p->names.count,
                       columns);
    p->find = od_dict_new();
    p->bins = calloc((size_t)columns + 1, sizeof *p->bins);
    if (!p->find || !p->bins)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t c = 0; c < columns; c++) {
        struct od_str name = od_image_dict_text(&p->names, c);
        uint32_t code;
        enum od_status st = od_dict_add(p->find, name, &code);
        if (st != OD_OK)
            return od_fail(err, st, NULL);
        if (code != c)
            return od_fail(err, OD_CORRUPT, "Section gru.person names a column twice.");
        if (parse_bin(name, &p->bins[p->bin_count]))
            p->bins[p->bin_count++].column = c;
    }
    return OD_OK;
}

enum od_status od_gru_people_open(const struct od_image *image, uint32_t columns,
                                  struct od_gru_people **out, struct od_error *err)
{
    struct od_gru_people *p = calloc(1, sizeof *p);
    if (!p)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_image_dict_open(image, "gru.person", &p->names, err);
    if (st == OD_OK)
        st = read_names(p, columns, err);
    if (st == OD_OK)
        *out = p;
    else
        od_gru_people_close(p);
    return st;
}

void od_gru_people_close(struct od_gru_people *people)
{
    if (!people)
        return;
    od_dict_free(people->find);
    free(people->bins);
    free(people);
}

/* Columns of one value of the record; returns how many, at most MOST_VALUES. */
static size_t columns_of(const struct od_gru_people *p, const struct od_query_value *value,
                         struct od_buf *name, uint32_t *column)
{
    size_t n = 0;
    struct od_str rest = value->value, one;
    while (n < MOST_VALUES && od_str_cut(&rest, '|', &one)) {
        od_buf_clear(name);
        od_buf_str(name, value->name);
        od_buf_char(name, '=');
        od_buf_str(name, od_str_trim(one));
        uint32_t code =
            od_buf_status(name) == OD_OK ? od_dict_find(p->find, od_buf_view(name)) : OD_NO_CODE;
        if (code != OD_NO_CODE)
            column[n++] = code;
    }
    double x;
    if (n || !od_str_to_double(value->value, &x))
        return n;
    for (uint32_t b = 0; b < p->bin_count; b++) {
        const struct bin *bin = &p->bins[b];
        bool inside = x >= bin->from && (x < bin->to || (bin->closed && x <= bin->to));
        if (inside && od_str_eq(bin->field, value->name)) {
            column[0] = bin->column;
            return 1;
        }
    }
    return 0;
}

enum od_status od_gru_person_of(const struct od_gru_people *people, const struct od_query *query,
                                struct od_arena *scratch, struct od_gru_person *out,
                                struct od_error *err)
{
    *out = (struct od_gru_person){0};
    if (!people || !query->user_value_count)
        return OD_OK;
    size_t most = query->user_value_count * MOST_VALUES, n = 0;
    uint32_t *column = OD_NEW_ARRAY(scratch, uint32_t, most);
    float *value = OD_NEW_ARRAY(scratch, float, most);
    if (!column || !value)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_buf name;
    od_buf_init(&name, NAME_MAX_BYTES);
    for (size_t i = 0; i < query->user_value_count; i++) {
        size_t found = columns_of(people, &query->user[i], &name, column + n);
        for (size_t k = 0; k < found; k++)
            value[n + k] = (float)(1 / sqrt((double)found));
        n += found;
    }
    od_buf_done(&name);
    *out = (struct od_gru_person){column, value, n};
    return OD_OK;
}
