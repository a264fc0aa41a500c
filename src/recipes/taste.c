/* See taste.h.
 *
 * Columns: of the fields that are not text the BASE most frequent values and bins, their PAIRS most
 * frequent pairs (a family film of the nineties is more than family and nineties), and the WORDS
 * most frequent words. Values and pairs count 1, words as features.h weighs them. */
#include "recipes/taste.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/kernels.h"
#include "math/ridge.h"
#include "recipes/seqtrain.h"

enum {
    BASE = 256,
    WORDS = 128,
    PAIRS = 512,
    LEAST_PAIR = 10, /* rows that a pair must be on */
    VERSION = 1
};
#define RIDGE 30.0f /* items' worth of doubt in every feature; 10 to 100 differ little */
#define DECAY .9f   /* of an older event's weight in `lately` */
#define FLOOR .02f  /* of the multiple: what is less says no more */

_Static_assert(BASE + WORDS + PAIRS < OD_TASTE_COLUMNS, "features fit");

struct header {
    uint32_t version, items, columns;
    float learnt;
};

struct pair {
    uint32_t count, a, b; /* base columns, a < b */
};

struct plan {
    const struct od_features *from;
    uint32_t *base; /* [from->columns] new column of a value or bin, OD_NO_CODE: not taken */
    uint32_t *word; /* likewise of a word */
    uint32_t *pair; /* [BASE * BASE] likewise of a pair */
    uint32_t columns;
};

static void plan_done(struct plan *p)
{
    free(p->base);
    free(p->word);
    free(p->pair);
}

static int by_count(const void *x, const void *y)
{
    const struct pair *a = x, *b = y;
    if (a->count != b->count)
        return a->count < b->count ? 1 : -1;
    if (a->a != b->a)
        return a->a > b->a ? 1 : -1;
    return (a->b > b->b) - (a->b < b->b);
}

/* Gives the most frequent columns of fields of a kind their places; returns how many. */
static enum od_status take_columns(struct plan *p, bool text, uint32_t most, uint32_t *place)
{
    const struct od_features *f = p->from;
    struct pair *seen = calloc((size_t)f->columns + 1, sizeof *seen);
    if (!seen)
        return OD_NO_MEMORY;
    for (uint32_t c = 0; c < f->columns; c++)
        seen[c] = (struct pair){.a = c};
    for (uint64_t e = 0; e < f->at[f->rows]; e++)
        seen[f->column[e]].count++;
    for (uint32_t i = 0; i < f->field_count; i++)
        for (uint32_t c = 0; c < f->fields[i].column_count && f->fields[i].text != text; c++)
            seen[f->fields[i].first + c].count = 0;
    qsort(seen, f->columns, sizeof *seen, by_count);
    for (uint32_t c = 0; c < f->columns; c++)
        place[seen[c].a] = c < most && seen[c].count ? p->columns++ : OD_NO_CODE;
    free(seen);
    return OD_OK;
}

/* Base columns of a row; returns how many. */
static uint32_t base_of(const struct plan *p, uint32_t row, uint32_t *out)
{
    uint32_t n = 0;
    for (uint64_t e = p->from->at[row]; e < p->from->at[row + 1] && n < BASE; e++)
        if (p->base[p->from->column[e]] != OD_NO_CODE)
            out[n++] = p->base[p->from->column[e]];
    return n;
}

static uint32_t *pair_place(const struct plan *p, uint32_t x, uint32_t y)
{
    return &p->pair[x < y ? x * BASE + y : y * BASE + x];
}

static enum od_status take_pairs(struct plan *p)
{
    struct pair *list = malloc((size_t)BASE * BASE * sizeof *list);
    uint32_t mine[BASE], count = 0;
    if (!list)
        return OD_NO_MEMORY;
    for (uint32_t r = 0; r < p->from->rows; r++) {
        uint32_t n = base_of(p, r, mine);
        for (uint32_t i = 0; i < n; i++)
            for (uint32_t k = 0; k < i; k++)
                ++*pair_place(p, mine[i], mine[k]);
    }
    for (uint32_t a = 0; a < BASE; a++)
        for (uint32_t b = a + 1; b < BASE; b++) {
            uint32_t *seen = pair_place(p, a, b);
            if (*seen >= LEAST_PAIR)
                list[count++] = (struct pair){*seen, a, b};
            *seen = OD_NO_CODE;
        }
    qsort(list, count, sizeof *list, by_count);
    for (uint32_t i = 0; i < count && i < PAIRS; i++)
        *pair_place(p, list[i].a, list[i].b) = p->columns++;
    free(list);
    return OD_OK;
}

static enum od_status plan_init(struct plan *p, const struct od_features *from)
{
    *p = (struct plan){.from = from};
    p->base = malloc(((size_t)from->columns + 1) * sizeof *p->base);
    p->word = malloc(((size_t)from->columns + 1) * sizeof *p->word);
    p->pair = calloc((size_t)BASE * BASE, sizeof *p->pair);
    enum od_status st = p->base && p->word && p->pair ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK)
        st = take_columns(p, false, BASE, p->base);
    if (st == OD_OK)
        st = take_pairs(p);
    if (st == OD_OK)
        st = take_columns(p, true, WORDS, p->word);
    if (st != OD_OK)
        plan_done(p);
    p->columns++; /* the constant */
    return st;
}

/* --- rows --- */

struct rows {
    uint64_t *at;
    uint32_t *column;
    float *value;
    uint64_t count, room;
};

static void rows_done(struct rows *r)
{
    free(r->at);
    free(r->column);
    free(r->value);
}

static bool put(struct rows *r, uint32_t column, float value)
{
    if (r->count == r->room) {
        uint64_t room = 2 * r->room + 1024;
        uint32_t *c = realloc(r->column, room * sizeof *c);
        r->column = c ? c : r->column;
        float *v = realloc(r->value, room * sizeof *v);
        r->value = v ? v : r->value;
        if (!c || !v)
            return false;
        r->room = room;
    }
    r->column[r->count] = column;
    r->value[r->count++] = value;
    return true;
}

static bool add_row(const struct plan *p, uint32_t row, struct rows *to)
{
    uint32_t mine[BASE], n = base_of(p, row, mine);
    bool good = true;
    for (uint32_t i = 0; i < n; i++) {
        good = good && put(to, mine[i], 1);
        for (uint32_t k = 0; k < i; k++) {
            uint32_t place = *pair_place(p, mine[i], mine[k]);
            good = good && (place == OD_NO_CODE || put(to, place, 1));
        }
    }
    for (uint64_t e = p->from->at[row]; e < p->from->at[row + 1]; e++)
        if (p->word[p->from->column[e]] != OD_NO_CODE)
            good = good && put(to, p->word[p->from->column[e]], p->from->value[e]);
    return good && put(to, p->columns - 1, 1);
}

static enum od_status make_rows(const struct plan *p, struct rows *out)
{
    *out = (struct rows){.at = calloc((size_t)p->from->rows + 1, sizeof *out->at)};
    bool good = out->at;
    for (uint32_t r = 0; r < p->from->rows && good; r++) {
        good = add_row(p, r, out);
        out->at[r + 1] = out->count;
    }
    return good ? OD_OK : OD_NO_MEMORY;
}

/* --- the inverse --- */

static enum od_status invert(const struct plan *p, const struct rows *rows, const bool *learn,
                             const struct od_work *work, struct od_matrix *out,
                             struct od_error *err)
{
    float ridge[OD_TASTE_COLUMNS], scale;
    *out = od_matrix_new(p->columns, p->columns);
    if (!out->at)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t c = 0; c < p->columns; c++)
        ridge[c] = RIDGE;
    for (uint32_t r = 0; r < p->from->rows; r++)
        for (uint64_t a = rows->at[r]; learn[r] && a < rows->at[r + 1]; a++)
            for (uint64_t b = rows->at[r]; b < rows->at[r + 1]; b++)
                if (rows->column[b] >= rows->column[a])
                    out->at[rows->column[a] * out->ld + rows->column[b]] +=
                        rows->value[a] * rows->value[b];
    enum od_status st = od_ridge_factor(out, ridge, work, &scale, err);
    if (st != OD_OK)
        return st;
    st = od_cholesky_invert(out, work);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status write(const struct header *header, struct rows *rows,
                            const struct od_matrix *inverse, struct od_image_writer *image)
{
    size_t n = header->columns;
    float *packed = malloc(n * n * sizeof *packed);
    if (!packed)
        return OD_NO_MEMORY;
    for (size_t r = 0; r < n; r++)
        memcpy(packed + r * n, inverse->at + r * inverse->ld, n * sizeof *packed);
    enum od_status st = od_image_give(image, "taste.inverse", packed, n * n * sizeof *packed);
    if (st == OD_OK)
        st = od_image_add(image, "taste", header, sizeof *header, false);
    if (st == OD_OK)
        st = od_image_add(image, "taste.at", rows->at, (header->items + 1) * sizeof *rows->at,
                          false);
    if (st == OD_OK)
        st = od_image_add(image, "taste.column", rows->column, rows->count * sizeof *rows->column,
                          false);
    if (st == OD_OK)
        st = od_image_add(image, "taste.value", rows->value, rows->count * sizeof *rows->value,
                          false);
    return st;
}

enum od_status od_taste_fit(const struct od_features *items, const bool *learn,
                            const struct od_work *work, struct od_image_writer *image,
                            bool *out_any, struct od_error *err)
{
    struct plan plan;
    struct rows rows = {0};
    struct od_matrix inverse = {0};
    struct header header = {.version = VERSION, .items = items->rows};
    *out_any = false;
    for (uint32_t r = 0; r < items->rows; r++)
        header.learnt += (float)learn[r];
    if (!items->columns || !(header.learnt > 0))
        return OD_OK;
    enum od_status st = plan_init(&plan, items);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    header.columns = plan.columns;
    if (make_rows(&plan, &rows) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = invert(&plan, &rows, learn, work, &inverse, err);
    if (st == OD_OK && write(&header, &rows, &inverse, image) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    *out_any = st == OD_OK;
    od_matrix_free(&inverse);
    rows_done(&rows);
    plan_done(&plan);
    return st;
}

/* --- in the server --- */

static enum od_status check(const struct od_taste_view *v, struct od_error *err)
{
    bool good = v->at[0] == 0;
    for (uint32_t i = 0; i < v->items && good; i++)
        good = v->at[i] <= v->at[i + 1];
    for (uint64_t e = 0; good && e < v->at[v->items]; e++)
        good = v->column[e] < v->columns && isfinite(v->value[e]);
    for (size_t k = 0; good && k < (size_t)v->columns * v->columns; k++)
        good = isfinite(v->inverse[k]);
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Sections taste are not valid.");
}

enum od_status od_taste_open(const struct od_image *image, uint32_t items,
                             struct od_taste_view *out, struct od_error *err)
{
    struct od_str section, entries;
    struct header header;
    const void *p;
    *out = (struct od_taste_view){0};
    if (!od_image_section(image, "taste", &section))
        return OD_OK;
    enum od_status st = od_image_array(image, "taste", 1, sizeof header, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&header, p, sizeof header);
    if (header.version != VERSION || header.items != items || header.columns == 0 ||
        header.columns > OD_TASTE_COLUMNS || !(header.learnt > 0) || !isfinite(header.learnt) ||
        !od_image_section(image, "taste.column", &entries))
        return od_fail(err, OD_CORRUPT, "Section taste is not valid.");
    struct od_taste_view v = {.items = items, .columns = header.columns, .learnt = header.learnt};
    const void *at, *column, *value, *inverse;
    uint64_t count = entries.len / sizeof *v.column, n = v.columns;
    st = od_image_array(image, "taste.at", (uint64_t)items + 1, sizeof *v.at, &at, err);
    if (st == OD_OK)
        st = od_image_array(image, "taste.column", count, sizeof *v.column, &column, err);
    if (st == OD_OK)
        st = od_image_array(image, "taste.value", count, sizeof *v.value, &value, err);
    if (st == OD_OK)
        st = od_image_array(image, "taste.inverse", n * n, sizeof *v.inverse, &inverse, err);
    if (st != OD_OK)
        return st;
    v.at = at;
    v.column = column;
    v.value = value;
    v.inverse = inverse;
    if (v.at[items] != count)
        return od_fail(err, OD_CORRUPT, "Sections taste are not valid.");
    st = check(&v, err);
    if (st == OD_OK)
        *out = v;
    return st;
}

/* Adds an item's features to both sums. */
static void add_item(const struct od_taste_view *v, uint32_t item, float weight, float *always,
                     float *lately)
{
    for (uint64_t e = v->at[item]; e < v->at[item + 1]; e++) {
        always[v->column[e]] += v->value[e];
        lately[v->column[e]] += weight * v->value[e];
    }
}

/* out[j] := log of learnt x_j (inverse sum) / total. */
static void answer(const struct od_taste_view *v, const float *sum, float total, float *z,
                   float *out)
{
    const struct od_kernels *kernels = od_kernels_best();
    memset(z, 0, v->columns * sizeof *z);
    for (uint32_t c = 0; c < v->columns; c++)
        if (fabsf(sum[c]) > 0)
            kernels->axpy(z, v->inverse + (size_t)c * v->columns, sum[c] * v->learnt / total,
                          v->columns);
    for (uint32_t i = 0; i < v->items; i++) {
        float multiple = 0;
        for (uint64_t e = v->at[i]; e < v->at[i + 1]; e++)
            multiple += v->value[e] * z[v->column[e]];
        out[i] = logf(multiple > FLOOR ? multiple : FLOOR);
    }
}

enum od_status od_taste_score(const struct od_taste_view *v, const struct od_query *query,
                              struct od_arena *scratch, float *always, float *lately, bool *out_any)
{
    float *sum = OD_NEW_ARRAY(scratch, float, 3 * (size_t)v->columns);
    uint64_t *seen = OD_NEW_ARRAY(scratch, uint64_t, od_bitmap_words(v->items) + 1);
    if (!sum || !seen)
        return OD_NO_MEMORY;
    memset(sum, 0, 2 * (size_t)v->columns * sizeof *sum);
    memset(seen, 0, (od_bitmap_words(v->items) + 1) * sizeof *seen);
    float weight = 1, count = 0, total = 0;
    size_t least = query->event_count > OD_SEQ_HISTORY ? query->event_count - OD_SEQ_HISTORY : 0;
    for (size_t e = query->event_count; e-- > least;) {
        uint32_t item = query->events[e].item;
        if (item >= v->items || od_bitmap_get(seen, item))
            continue;
        od_bitmap_set(seen, item);
        add_item(v, item, weight, sum, sum + v->columns);
        total += weight;
        count += 1;
        weight *= DECAY;
    }
    *out_any = count > 0;
    if (!*out_any)
        return OD_OK;
    answer(v, sum, count, sum + 2 * (size_t)v->columns, always);
    if (lately)
        answer(v, sum + v->columns, total, sum + 2 * (size_t)v->columns, lately);
    return OD_OK;
}
