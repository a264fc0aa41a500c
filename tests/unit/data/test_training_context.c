/* The context of events and the lists shown with them: they follow their events through sorting,
 * dropping of repeats and cutting, whatever the chunks they came in. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/training.h"
#include "data/training_subset.h"

/* USER_ID, ITEM_ID, TIMESTAMP, DEVICE (text), PRICE (number), IMPRESSION */
enum { FIELDS = 6, MOST = 2000 };
static struct od_field fields[FIELDS] = {
    {.name = {"USER_ID", 7}, .type = OD_FIELD_STRING},
    {.name = {"ITEM_ID", 7}, .type = OD_FIELD_STRING},
    {.name = {"TIMESTAMP", 9}, .type = OD_FIELD_LONG},
    {.name = {"PRICE", 5}, .type = OD_FIELD_FLOAT, .nullable = true},
    {.name = {"DEVICE", 6}, .type = OD_FIELD_STRING, .nullable = true},
    {.name = {"IMPRESSION", 10}, .type = OD_FIELD_STRING, .nullable = true},
};
static const struct od_schema schema = {
    .name = {"Interactions", 12}, .type = OD_INTERACTIONS, .field_count = FIELDS, .fields = fields};

struct row {
    char user[16], item[16], device[16], shown[64];
    int64_t time;
    double price;
};

static void set(struct od_value *value, const char *text)
{
    *value = *text ? (struct od_value){.kind = OD_VALUE_TEXT, .text = od_str_c(text)}
                   : (struct od_value){.kind = OD_VALUE_NULL};
}

/* Rows [from, to) as one chunk of a segment. */
static void feed(struct od_training_builder *b, const struct row *rows, size_t from, size_t to)
{
    struct od_arena arena;
    struct od_buf file;
    struct od_error err = {0};
    struct od_segment segment;
    struct od_chunk chunk;
    od_arena_init(&arena, SIZE_MAX);
    od_buf_init(&file, 1u << 24);
    struct od_chunk_writer *writer = od_chunk_writer_new(&schema);
    for (size_t i = from; i < to; i++) {
        struct od_value values[FIELDS];
        set(&values[0], rows[i].user);
        set(&values[1], rows[i].item);
        values[2] = (struct od_value){.kind = OD_VALUE_INTEGER, .integer = rows[i].time};
        values[3] = isnan(rows[i].price)
                        ? (struct od_value){.kind = OD_VALUE_NULL}
                        : (struct od_value){.kind = OD_VALUE_REAL, .real = rows[i].price};
        set(&values[4], rows[i].device);
        set(&values[5], rows[i].shown);
        assert_int_equal(od_chunk_writer_add(writer, values), OD_OK);
    }
    assert_int_equal(od_segment_head(&schema, &file), OD_OK);
    struct od_chunk_place place = {.offset = file.len, .rows = (uint32_t)(to - from)};
    assert_int_equal(od_chunk_writer_finish(writer, &file), OD_OK);
    place.bytes = file.len - place.offset;
    assert_int_equal(od_segment_tail(&place, 1, file.len, &file), OD_OK);
    enum od_status s = od_segment_open(&arena, od_buf_view(&file), &segment, &err);
    if (s != OD_OK)
        print_message("%s\n", err.message);
    assert_int_equal(s, OD_OK);
    assert_int_equal(od_segment_chunk(&segment, 0, &arena, &chunk, &err), OD_OK);
    assert_int_equal(od_training_add_chunk(b, &segment.schema, &chunk, &err), OD_OK);
    od_chunk_writer_free(writer);
    od_buf_done(&file);
    od_arena_done(&arena);
}

static struct od_training *finish(struct od_training_builder *b)
{
    struct od_training *t = NULL;
    assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
    od_training_builder_free(b);
    return t;
}

/* Random rows; every (user, time) is unique, so a row is found again by them. */
static size_t make_rows(struct row *rows, uint64_t seed)
{
    static const char *const devices[] = {"phone", "", "tablet", "desk|top"};
    struct od_random rng;
    od_random_init(&rng, seed);
    for (size_t i = 0; i < MOST; i++) {
        struct row *r = &rows[i];
        memset(r, 0, sizeof *r);
        snprintf(r->user, sizeof r->user, "u%02d", (int)od_random_below(&rng, 40));
        snprintf(r->item, sizeof r->item, "i%d", (int)od_random_below(&rng, 30));
        snprintf(r->device, sizeof r->device, "%s", devices[od_random_below(&rng, 4)]);
        r->time = (int64_t)((i * 7919) % MOST);
        r->price = od_random_below(&rng, 3) ? (double)od_random_below(&rng, 100) / 4 : (double)NAN;
        if (od_random_below(&rng, 2))
            snprintf(r->shown, sizeof r->shown, "i%d|never%d|i%d|%s",
                     (int)od_random_below(&rng, 30), (int)od_random_below(&rng, 9),
                     (int)od_random_below(&rng, 30), r->item);
    }
    return MOST;
}

static const struct row *row_of(const struct row *rows, size_t count, int64_t time)
{
    for (size_t i = 0; i < count; i++)
        if (rows[i].time == time)
            return &rows[i];
    return NULL;
}

static bool list_has(const struct od_training *t, uint32_t list, uint32_t item)
{
    for (uint64_t i = t->lists->start[list]; i < t->lists->start[list + 1]; i++)
        if (t->lists->item[i] == item)
            return true;
    return false;
}

static void check_list(const struct od_training *t, uint64_t e, const struct row *r)
{
    uint32_t list = t->lists->of_event[e];
    assert_true((list == OD_NO_CODE) == (r->shown[0] == '\0'));
    if (list == OD_NO_CODE)
        return;
    struct od_str rest = od_str_c(r->shown), id;
    uint64_t known = 0;
    while (od_str_cut(&rest, '|', &id)) {
        uint32_t item = od_dict_find(t->items, id);
        if (item != OD_NO_CODE)
            assert_true(list_has(t, list, item));
    }
    for (uint64_t i = t->lists->start[list]; i < t->lists->start[list + 1]; i++, known++)
        assert_true(i == t->lists->start[list] || t->lists->item[i] > t->lists->item[i - 1]);
    assert_in_range(known, 1, 3);
}

/* Every event of t carries what its row says. */
static void check_rows(const struct od_training *t, const struct row *rows, size_t count)
{
    assert_int_equal(t->context_count, 2);
    const struct od_training_column *device = &t->context[0], *price = &t->context[1];
    assert_true(od_str_eq_c(device->name, "DEVICE") && od_str_eq_c(price->name, "PRICE"));
    assert_null(price->values);
    for (uint64_t e = 0; e < t->event_count; e++) {
        const struct row *r = row_of(rows, count, t->time[e]);
        assert_non_null(r);
        assert_true(od_str_eq_c(od_dict_text(t->items, t->item[e]), r->item));
        if (r->device[0])
            assert_true(od_str_eq_c(od_dict_text(device->values, device->code[e]), r->device));
        else
            assert_int_equal(device->code[e], OD_NO_VALUE);
        assert_true(isnan(r->price) ? isnan(price->number[e])
                                    : price->number[e] == (float)r->price);
        check_list(t, e, r);
    }
}

static void context_follows_its_events(void **state)
{
    (void)state;
    static struct row rows[MOST];
    size_t count = make_rows(rows, 7);
    struct od_training_builder *b = od_training_builder_new(NULL), *other;
    feed(b, rows, 0, count);
    feed(b, rows, 0, count); /* all repeated */
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, count);
    check_rows(t, rows, count);
    uint64_t listed = 0, counted = 0;
    for (uint64_t e = 0; e < t->event_count; e++)
        if (t->lists->of_event[e] != OD_NO_CODE)
            listed +=
                t->lists->start[t->lists->of_event[e] + 1] - t->lists->start[t->lists->of_event[e]];
    for (uint32_t i = 0; i < t->item_count; i++)
        counted += t->impressions[i];
    assert_int_equal(listed, counted);
    assert_true(counted > count / 2);
    /* other chunks, the other way round: the same set */
    other = od_training_builder_new(NULL);
    for (size_t at = count; at > 0; at -= 100)
        feed(other, rows, at - 100, at);
    struct od_training *same = finish(other);
    assert_true(same->hash == t->hash);
    od_training_free(same);
    rows[3].price = 99;
    b = od_training_builder_new(NULL);
    feed(b, rows, 0, count);
    same = finish(b);
    assert_true(same->hash != t->hash);
    od_training_free(same);
    od_training_free(t);
}

static void a_part_keeps_the_context_of_its_events(void **state)
{
    (void)state;
    static struct row rows[MOST];
    size_t count = make_rows(rows, 8);
    struct od_training_builder *b = od_training_builder_new(NULL);
    feed(b, rows, 0, count);
    struct od_training *t = finish(b), *part;
    uint64_t keep[64];
    for (uint32_t u = 0; u < t->user_count; u++)
        keep[u] = u % 3 ? (t->user_start[u + 1] - t->user_start[u]) / (u % 5 + 1) : 0;
    assert_int_equal(od_training_subset(t, keep, &part, NULL, NULL), OD_OK);
    assert_true(part->event_count > 100);
    check_rows(part, rows, count);
    od_training_free(part);
    od_training_free(t);
}

static void excluded_columns_are_left_out(void **state)
{
    (void)state;
    static struct row rows[MOST];
    size_t count = make_rows(rows, 9);
    const struct od_str names[] = {OD_STR("DEVICE"), OD_STR("IMPRESSION")};
    struct od_training_rule rule = {.excluded = names, .excluded_count = 2};
    struct od_training_builder *b = od_training_builder_new(&rule);
    feed(b, rows, 0, count);
    struct od_training *t = finish(b);
    assert_int_equal(t->context_count, 1);
    assert_true(od_str_eq_c(t->context[0].name, "PRICE"));
    assert_null(t->lists);
    assert_null(t->impressions);
    od_training_free(t);
}

static void events_without_columns_have_nulls(void **state)
{
    (void)state;
    static struct row rows[MOST];
    make_rows(rows, 10);
    struct od_training_builder *b = od_training_builder_new(NULL);
    assert_int_equal(od_training_add_event(b, OD_STR("a"), OD_STR("i1"), OD_STR_NONE, -5, false, 0),
                     OD_OK);
    feed(b, rows, 0, 10);
    assert_int_equal(
        od_training_add_event(b, OD_STR("zz"), OD_STR("i1"), OD_STR_NONE, 9999, false, 0), OD_OK);
    struct od_training *t = finish(b);
    for (uint64_t e = 0; e < t->event_count; e++)
        if (t->time[e] == -5 || t->time[e] == 9999) {
            assert_int_equal(t->context[0].code[e], OD_NO_VALUE);
            assert_true(isnan(t->context[1].number[e]));
            assert_int_equal(t->lists->of_event[e], OD_NO_CODE);
        }
    assert_int_equal(t->event_count, 12);
    od_training_free(t);
}

static void a_column_of_identifiers_is_left_out(void **state)
{
    (void)state;
    enum { COUNT = 66000 };
    struct row *rows = calloc(COUNT, sizeof *rows);
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (int i = 0; i < COUNT; i++) {
        snprintf(rows[i].user, sizeof rows[i].user, "u%d", i % 7);
        snprintf(rows[i].item, sizeof rows[i].item, "i%d", i % 5);
        snprintf(rows[i].device, sizeof rows[i].device, "d%d", i);
        rows[i].time = i;
        rows[i].price = i;
    }
    feed(b, rows, 0, 33000);
    feed(b, rows, 33000, COUNT);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, COUNT);
    assert_int_equal(t->context_count, 1); /* PRICE alone */
    for (uint64_t e = 0; e < t->event_count; e++)
        assert_true(t->context[0].number[e] == (float)t->time[e]);
    od_training_free(t);
    free(rows);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(context_follows_its_events),
        cmocka_unit_test(a_part_keeps_the_context_of_its_events),
        cmocka_unit_test(excluded_columns_are_left_out),
        cmocka_unit_test(events_without_columns_have_nulls),
        cmocka_unit_test(a_column_of_identifiers_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
