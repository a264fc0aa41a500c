/* Making segment exams. Who came back for what is collected once as sorted pairs (item, user); the
 * users of a question are the union over its items. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "data/training_subset.h"
#include "eval/segments.h"

struct pair {
    uint32_t item, user; /* codes of the exam's catalogue, of train */
};

/* The horizon's pairs, by item: pair[at[i]] .. pair[at[i + 1]]. */
struct returns {
    struct pair *pair;
    uint64_t count;
    uint64_t *at;
};

/* While questions are listed; those of items all point into one array, so nothing is copied twice.
 */
struct making {
    struct od_segment_exam *exam;
    const struct returns *returns;
    uint64_t item_count, user_count; /* used of exam->items, exam->users */
};

void od_segment_exam_done(struct od_segment_exam *exam)
{
    od_training_free(exam->train);
    od_dict_free(exam->catalogue);
    free(exam->items);
    free(exam->users);
    free(exam->questions);
    *exam = (struct od_segment_exam){0};
}

/* --- the cut --- */

static enum od_status cut(const struct od_training *full, uint64_t *keep, struct od_training **out,
                          struct od_error *err)
{
    uint64_t kept = 0;
    int64_t moment = full->last_time;
    if (__builtin_sub_overflow(moment, (int64_t)OD_SEGMENT_HORIZON_S, &moment))
        moment = INT64_MIN;
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint64_t at = full->user_start[u], end = full->user_start[u + 1];
        while (at < end && full->time[at] <= moment)
            at++;
        keep[u] = at - full->user_start[u];
        kept += keep[u];
    }
    if (kept == 0)
        return od_fail(err, OD_INVALID_INPUT,
                       "Protocol segment holds out the last 15 days, and the interactions span no "
                       "more than that.");
    return od_training_subset(full, keep, out, NULL, err);
}

/* Recipes that list users know items by their records too, and a value is all that carry it. */
static enum od_status list_items(const struct od_training *train, bool records,
                                 struct od_dict **out)
{
    const struct od_table *table = records ? train->item_table : NULL;
    uint32_t rows = table ? od_table_row_count(table) : 0, code;
    struct od_dict *items = *out = od_dict_new();
    enum od_status s = items ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < train->item_count; i++)
        s = od_dict_add(items, od_dict_text(train->items, i), &code);
    for (uint32_t row = 0; s == OD_OK && row < rows; row++)
        if (od_table_has_record(table, row))
            s = od_dict_add(items, od_table_id(table, row), &code);
    return s;
}

static int by_item(const void *a, const void *b)
{
    const struct pair *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->user > y->user) - (x->user < y->user);
}

static uint32_t item_of(const struct od_segment_exam *exam, const struct od_training *full,
                        uint64_t event)
{
    return od_dict_find(exam->catalogue, od_dict_text(full->items, full->item[event]));
}

static void collect(const struct od_training *full, const struct od_segment_exam *exam,
                    const uint64_t *keep, struct returns *out)
{
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint32_t user = od_dict_find(exam->train->users, od_dict_text(full->users, u));
        for (uint64_t e = full->user_start[u] + keep[u];
             user != OD_NO_CODE && e < full->user_start[u + 1]; e++) {
            uint32_t item = item_of(exam, full, e);
            if (item != OD_NO_CODE)
                out->pair[out->count++] = (struct pair){item, user};
        }
    }
}

/* Users that train does not know, with an event of the horizon on an item of some question. */
static enum od_status count_strangers(const struct od_training *full, const uint64_t *keep,
                                      struct od_segment_exam *exam)
{
    uint64_t *asked = calloc(od_bitmap_words(od_dict_count(exam->catalogue)) + 1, sizeof *asked);
    if (!asked)
        return OD_NO_MEMORY;
    for (uint32_t q = 0; q < exam->question_count; q++)
        for (uint32_t i = 0; i < exam->questions[q].item_count; i++)
            od_bitmap_set(asked, exam->items[exam->questions[q].item_at + i]);
    for (uint32_t u = 0; u < full->user_count; u++) {
        uint64_t at = full->user_start[u] + keep[u], end = full->user_start[u + 1];
        bool came = false;
        if (od_dict_find(exam->train->users, od_dict_text(full->users, u)) != OD_NO_CODE)
            continue;
        for (; at < end && !came; at++) {
            uint32_t item = item_of(exam, full, at);
            came = item != OD_NO_CODE && od_bitmap_get(asked, item);
        }
        exam->unknown_users += came;
    }
    free(asked);
    return OD_OK;
}

static enum od_status find_returns(const struct od_training *full,
                                   const struct od_segment_exam *exam, const uint64_t *keep,
                                   struct returns *out)
{
    uint32_t items = od_dict_count(exam->catalogue);
    uint64_t left = full->event_count - exam->train->event_count, kept = 0;
    out->pair = malloc((left + 1) * sizeof *out->pair);
    out->at = calloc((size_t)items + 2, sizeof *out->at);
    if (!out->pair || !out->at)
        return OD_NO_MEMORY;
    collect(full, exam, keep, out);
    qsort(out->pair, out->count, sizeof *out->pair, by_item);
    for (uint64_t i = 0; i < out->count; i++)
        if (i == 0 || by_item(&out->pair[i], &out->pair[kept - 1]) != 0)
            out->pair[kept++] = out->pair[i];
    out->count = kept;
    for (uint64_t i = 0; i < kept; i++)
        out->at[out->pair[i].item + 1]++;
    for (uint32_t i = 0; i < items; i++)
        out->at[i + 1] += out->at[i];
    return OD_OK;
}

/* --- questions --- */

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t distinct(uint32_t *codes, size_t count)
{
    uint32_t kept = 0;
    qsort(codes, count, sizeof *codes, by_code);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || codes[i] != codes[i - 1])
            codes[kept++] = codes[i];
    return kept;
}

/* A question of the items just appended to exam->items; none when nobody came back for them. */
static void close_question(struct making *m, uint64_t item_at)
{
    struct od_segment_exam *exam = m->exam;
    struct od_segment_question q = {.item_at = item_at, .user_at = m->user_count};
    q.item_count = distinct(exam->items + item_at, m->item_count - item_at);
    uint64_t users = 0;
    for (uint32_t i = 0; i < q.item_count; i++) {
        uint32_t item = exam->items[item_at + i];
        for (uint64_t r = m->returns->at[item]; r < m->returns->at[item + 1]; r++)
            exam->users[q.user_at + users++] = m->returns->pair[r].user;
    }
    q.user_count = distinct(exam->users + q.user_at, users);
    if (q.user_count == 0) {
        m->item_count = item_at;
        return;
    }
    m->item_count = item_at + q.item_count;
    m->user_count += q.user_count;
    exam->questions[exam->question_count++] = q;
}

static enum od_status open_questions(struct making *m, uint64_t questions, uint64_t items,
                                     uint64_t users)
{
    m->exam->questions = malloc((questions + 1) * sizeof *m->exam->questions);
    m->exam->items = malloc((items + 1) * sizeof *m->exam->items);
    m->exam->users = malloc((users + 1) * sizeof *m->exam->users);
    return m->exam->questions && m->exam->items && m->exam->users ? OD_OK : OD_NO_MEMORY;
}

static enum od_status ask_items(struct making *m)
{
    uint32_t items = m->exam->train->item_count;
    enum od_status s = open_questions(m, items, items, m->returns->count);
    for (uint32_t i = 0; s == OD_OK && i < items; i++) {
        uint64_t at = m->item_count;
        m->exam->items[m->item_count++] = i;
        close_question(m, at);
    }
    return s;
}

/* Items that carry each value of a column, as pairs (value, item) by value. */
static enum od_status list_values(const struct od_segment_exam *exam,
                                  const struct od_table_column *column, struct pair **out,
                                  uint64_t *out_count)
{
    const struct od_table *table = exam->train->item_table;
    uint32_t items = od_dict_count(exam->catalogue);
    uint64_t count = 0, at = 0;
    for (uint32_t i = 0; i < items; i++) {
        uint32_t row = od_table_find(table, od_dict_text(exam->catalogue, i));
        count += row == OD_NO_ROW ? 0 : column->list_len[row];
    }
    struct pair *values = malloc((count + 1) * sizeof *values);
    if (!values)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < items; i++) {
        uint32_t row = od_table_find(table, od_dict_text(exam->catalogue, i));
        for (uint32_t k = 0; row != OD_NO_ROW && k < column->list_len[row]; k++)
            values[at++] = (struct pair){column->codes[column->list_at[row] + k], i};
    }
    qsort(values, count, sizeof *values, by_item);
    *out = values;
    *out_count = count;
    return OD_OK;
}

static enum od_status ask_values(struct making *m, const struct od_table_column *column)
{
    struct pair *values;
    uint64_t count, users = 0;
    enum od_status s = list_values(m->exam, column, &values, &count);
    if (s != OD_OK)
        return s;
    for (uint64_t v = 0; v < count; v++)
        users += m->returns->at[values[v].user + 1] - m->returns->at[values[v].user];
    s = open_questions(m, od_dict_count(column->dict), count, users);
    for (uint64_t v = 0; s == OD_OK && v < count;) {
        uint64_t at = m->item_count;
        uint32_t value = values[v].item;
        for (; v < count && values[v].item == value; v++)
            m->exam->items[m->item_count++] = values[v].user;
        close_question(m, at);
    }
    free(values);
    return s;
}

/* OD_INVALID_INPUT when there is no such column of texts. */
static enum od_status find_column(const struct od_training *full, struct od_str name,
                                  struct od_table_column *out, struct od_error *err)
{
    const struct od_schema *schema = full->item_table ? od_table_schema(full->item_table) : NULL;
    size_t at = schema ? od_schema_find(schema, name) : SIZE_MAX;
    if (at == SIZE_MAX)
        return od_fail(err, OD_INVALID_INPUT, "--segment-by %.*s: the items have no such column.",
                       OD_STR_ARG(name));
    od_table_column(full->item_table, at, out);
    if (!out->list_len)
        return od_fail(err, OD_INVALID_INPUT,
                       "--segment-by %.*s: the column holds numbers, not categories.",
                       OD_STR_ARG(name));
    return OD_OK;
}

static enum od_status ask(const struct od_training *full, struct od_str column,
                          const struct returns *returns, struct od_segment_exam *exam,
                          struct od_error *err)
{
    struct making m = {.exam = exam, .returns = returns};
    struct od_table_column cells;
    enum od_status s = column.ptr ? find_column(full, column, &cells, err) : OD_OK;
    if (s != OD_OK)
        return s;
    s = column.ptr ? ask_values(&m, &cells) : ask_items(&m);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    if (exam->question_count == 0)
        return od_fail(err, OD_INVALID_INPUT,
                       "No user known before the last 15 days came back in them for an item known "
                       "by then.");
    return OD_OK;
}

/* Keeps `most` questions, evenly spread. */
static void thin(struct od_segment_exam *exam, uint32_t most)
{
    exam->possible = exam->question_count;
    if (most == 0 || most >= exam->question_count)
        return;
    for (uint32_t i = 0; i < most; i++)
        exam->questions[i] = exam->questions[od_exam_spread(i, exam->possible, most)];
    exam->question_count = most;
}

enum od_status od_segment_exam_make(const struct od_training *full, struct od_str column,
                                    uint32_t most_questions, struct od_segment_exam *out,
                                    struct od_error *err)
{
    struct returns returns = {0};
    uint64_t *keep = malloc(((size_t)full->user_count + 1) * sizeof *keep);
    *out = (struct od_segment_exam){0};
    enum od_status s = keep ? cut(full, keep, &out->train, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK && (list_items(out->train, column.ptr, &out->catalogue) != OD_OK ||
                       find_returns(full, out, keep, &returns) != OD_OK))
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = ask(full, column, &returns, out, err);
    if (s == OD_OK) {
        out->most = (out->train->user_count + 99) / 100;
        thin(out, most_questions);
        if (count_strangers(full, keep, out) != OD_OK)
            s = od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s != OD_OK)
        od_segment_exam_done(out);
    free(keep);
    free(returns.pair);
    free(returns.at);
    return s;
}
