/* The training set: canonical codes, order, filters, repeats, and what must be refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "data/training.h"
#include "data/training_ids.h"
#include "data/training_subset.h"

/* --- a chunk made by hand --- */

struct text_cells {
    const char *const *words;
    uint32_t count;
    const uint16_t *codes;
};

struct hand_chunk {
    struct od_field fields[5];
    struct od_schema schema;
    struct od_chunk_column columns[5];
    struct od_chunk chunk;
    uint32_t offsets[3][16];
    char bytes[3][256];
};

static void text_column(struct hand_chunk *h, size_t at, size_t slot, struct text_cells cells)
{
    h->offsets[slot][0] = 0;
    for (uint32_t i = 0; i < cells.count; i++) {
        size_t len = strlen(cells.words[i]);
        memcpy(h->bytes[slot] + h->offsets[slot][i], cells.words[i], len);
        h->offsets[slot][i + 1] = h->offsets[slot][i] + (uint32_t)len;
    }
    h->columns[at] = (struct od_chunk_column){
        .type = OD_FIELD_STRING,
        .codes = cells.codes,
        .dict_count = cells.count,
        .dict_offsets = h->offsets[slot],
        .dict_bytes = h->bytes[slot],
    };
}

/* Columns USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE, EVENT_VALUE. */
static void make_chunk(struct hand_chunk *h, uint32_t rows, struct text_cells users,
                       struct text_cells items, const int64_t *times, struct text_cells types,
                       const double *values)
{
    memset(h, 0, sizeof *h);
    h->fields[0] = (struct od_field){.name = OD_STR("USER_ID"), .type = OD_FIELD_STRING};
    h->fields[1] = (struct od_field){.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING};
    h->fields[2] = (struct od_field){.name = OD_STR("TIMESTAMP"), .type = OD_FIELD_LONG};
    h->fields[3] = (struct od_field){.name = OD_STR("EVENT_TYPE"), .type = OD_FIELD_STRING};
    h->fields[4] = (struct od_field){.name = OD_STR("EVENT_VALUE"), .type = OD_FIELD_FLOAT};
    h->schema = (struct od_schema){.type = OD_INTERACTIONS, .field_count = 5, .fields = h->fields};
    text_column(h, 0, 0, users);
    text_column(h, 1, 1, items);
    h->columns[2] = (struct od_chunk_column){.type = OD_FIELD_LONG, .integers = times};
    text_column(h, 3, 2, types);
    h->columns[4] = (struct od_chunk_column){.type = OD_FIELD_FLOAT, .reals = values};
    h->chunk = (struct od_chunk){.row_count = rows, .column_count = 5, .columns = h->columns};
}

static const char *const user_words[] = {"zoe", "ann", "unused"};
static const char *const item_words[] = {"t9", "t10", "t1"};
static const char *const type_words[] = {"view", "book"};
static const uint16_t user_codes[] = {0, 1, 0, 0, 1, 0};
static const uint16_t item_codes[] = {0, 1, 1, 2, 0, 0};
static const uint16_t type_codes[] = {0, 1, 0, 0, 0, 1};
static const int64_t times[] = {50, 10, 20, 20, 5, 30};
static const double values[] = {1, 2, 3, 4, 5, 6};

static void make_small(struct hand_chunk *h)
{
    make_chunk(h, 6, (struct text_cells){user_words, 3, user_codes},
               (struct text_cells){item_words, 3, item_codes}, times,
               (struct text_cells){type_words, 2, type_codes}, values);
}

static struct od_training *finish(struct od_training_builder *builder)
{
    struct od_training *t = NULL;
    struct od_error err = {0};
    assert_int_equal(od_training_finish(builder, &t, &err), OD_OK);
    od_training_builder_free(builder);
    return t;
}

static const char *item_at(const struct od_training *t, uint64_t at)
{
    return od_dict_text(t->items, t->item[at]).ptr; /* dictionary texts end in a zero */
}

static void chunk_becomes_canonical_columns(void **state)
{
    (void)state;
    struct hand_chunk h;
    make_small(&h);
    uint64_t nulls[1] = {1ull << 4};
    h.columns[3].nulls = nulls;
    h.columns[4].nulls = nulls;
    struct od_training_builder *b = od_training_builder_new(NULL);
    assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, NULL), OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 6);
    assert_int_equal(t->user_count, 2); /* "unused" has no row */
    assert_string_equal(od_dict_text(t->users, 0).ptr, "ann");
    assert_string_equal(od_dict_text(t->users, 1).ptr, "zoe");
    assert_string_equal(od_dict_text(t->items, 0).ptr, "t1");
    assert_string_equal(od_dict_text(t->items, 1).ptr, "t10");
    assert_string_equal(od_dict_text(t->items, 2).ptr, "t9");
    assert_int_equal(t->type_count, 3);
    assert_int_equal(od_dict_text(t->types, 0).len, 0);
    assert_string_equal(od_dict_text(t->types, 1).ptr, "book");
    assert_int_equal(t->user_start[1], 2);
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++)
            assert_int_equal(od_training_user_of(t, e), u);
    const char *const want_item[] = {"t9", "t10", "t10", "t1", "t9", "t9"};
    const int64_t want_time[] = {5, 10, 20, 20, 30, 50};
    const uint16_t want_type[] = {0, 1, 2, 2, 1, 2};
    const float want_value[] = {NAN, 2, 3, 4, 6, 1};
    for (int i = 0; i < 6; i++) {
        assert_string_equal(item_at(t, i), want_item[i]);
        assert_int_equal(t->time[i], want_time[i]);
        assert_int_equal(t->type[i], want_type[i]);
        assert_true(isnan(want_value[i]) ? isnan(t->value[i]) : t->value[i] == want_value[i]);
    }
    assert_int_equal(t->first_time, 5);
    assert_int_equal(t->last_time, 50);
    od_training_free(t);
}

static void rule_keeps_one_type_and_enough_value(void **state)
{
    (void)state;
    struct hand_chunk h;
    make_small(&h);
    struct od_event_rule view = {
        .type = OD_STR("view"), .has_threshold = true, .threshold = 3, .weight = 1};
    struct od_training_rule rule = {.events = &view, .event_count = 1};
    struct od_training_builder *b = od_training_builder_new(&rule);
    assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, NULL), OD_OK);
    struct od_str u = OD_STR("new"), i = OD_STR("t1");
    assert_int_equal(od_training_add_event(b, u, i, OD_STR("View"), 1, true, 9), OD_OK);
    assert_int_equal(od_training_add_event(b, u, i, OD_STR("view"), 1, false, 9), OD_OK);
    assert_int_equal(od_training_add_event(b, u, i, OD_STR_NONE, 1, true, 9), OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 3); /* values 3, 4, 5 of type view */
    assert_int_equal(t->user_count, 2);
    assert_int_equal(t->value[0], 5);
    od_training_free(t);
}

static void a_rule_for_any_case_takes_every_spelling(void **state)
{
    (void)state;
    struct od_event_rule view = {.type = OD_STR("View"), .any_case = true, .weight = 1};
    struct od_training_rule rule = {.events = &view, .event_count = 1};
    struct od_training_builder *b = od_training_builder_new(&rule);
    static const char *const types[] = {"View", "VIEW", "view", "Viewed", "buy"};
    for (size_t i = 0; i < 5; i++)
        assert_int_equal(od_training_add_event(b, OD_STR("u"), OD_STR("i"), od_str_c(types[i]),
                                               (int64_t)i, false, 0),
                         OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 3);
    od_training_free(t);
}

static void a_list_of_rules_keeps_its_types_and_weighs_them(void **state)
{
    (void)state;
    struct hand_chunk h;
    make_small(&h);
    struct od_event_rule rules[] = {
        {.type = OD_STR("book"), .weight = 0.3},
        {.type = OD_STR("view"), .has_threshold = true, .threshold = 4, .weight = 0.1}};
    struct od_training_rule rule = {.events = rules, .event_count = 2, .weighted = true};
    struct od_training_builder *b = od_training_builder_new(&rule);
    assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, NULL), OD_OK);
    assert_int_equal(
        od_training_add_event(b, OD_STR("u"), OD_STR("t1"), OD_STR("click"), 1, true, 9), OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 4); /* both book, view of 4 and 5; 1 and 3 are too small */
    assert_int_equal(t->type_count, 3);
    assert_true(t->type_weight[0] == 0);
    assert_true(fabsf(t->type_weight[1] - 1.5f) < 1e-6f); /* the documented 0.3 and 0.1 */
    assert_true(fabsf(t->type_weight[2] - 0.5f) < 1e-6f);
    uint64_t hash = t->hash;
    od_training_free(t);

    rules[0].weight = 0.2;
    b = od_training_builder_new(&rule);
    assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, NULL), OD_OK);
    t = finish(b);
    assert_true(t->hash != hash); /* weights are part of what is learnt from */
    od_training_free(t);

    struct od_event_rule valuable = {.has_threshold = true, .threshold = 4, .weight = 1};
    rule = (struct od_training_rule){.events = &valuable, .event_count = 1};
    b = od_training_builder_new(&rule);
    assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, NULL), OD_OK);
    t = finish(b);
    assert_int_equal(t->event_count, 3); /* of every type */
    assert_null(t->type_weight);
    od_training_free(t);
}

static void equal_events_are_kept_once_and_others_are_not(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_str u = OD_STR("u"), x = OD_STR("x"), y = OD_STR("y"), v = OD_STR("view");
    for (int round = 0; round < 3; round++) {
        assert_int_equal(od_training_add_event(b, u, y, v, 7, true, -0.0), OD_OK);
        assert_int_equal(od_training_add_event(b, u, x, v, 7, true, 0.0), OD_OK);
        assert_int_equal(od_training_add_event(b, u, y, v, 7, true, 0.0), OD_OK);
        assert_int_equal(od_training_add_event(b, u, x, v, 7, false, 0), OD_OK);
        assert_int_equal(od_training_add_event(b, u, x, OD_STR_NONE, 7, true, 0), OD_OK);
        assert_int_equal(od_training_add_event(b, u, x, v, 8, true, 0), OD_OK);
    }
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 5);
    assert_string_equal(item_at(t, 0), "y"); /* order of arrival within a second */
    assert_string_equal(item_at(t, 1), "x");
    assert_true(isnan(t->value[2]));
    assert_int_equal(t->type[3], 0);
    assert_int_equal(t->time[4], 8);
    od_training_free(t);
}

static void a_second_full_of_events_keeps_first_arrivals(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    char item[16];
    for (int i = 0; i < 3000; i++) {
        snprintf(item, sizeof item, "i%d", (i * 7) % 1000);
        assert_int_equal(
            od_training_add_event(b, OD_STR("u"), od_str_c(item), OD_STR_NONE, 1, false, 0), OD_OK);
    }
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 1000);
    assert_null(t->value);
    for (int i = 0; i < 1000; i++) {
        snprintf(item, sizeof item, "i%d", (i * 7) % 1000);
        assert_string_equal(item_at(t, i), item);
    }
    od_training_free(t);
}

/* Days 0 to 89 of 2023 for one user each, and one user's events of other times. */
static struct od_training *ninety_days(const int64_t *more, int count)
{
    const int64_t start = 1672531200, day = 86400;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (int i = 0; i < 900; i++) {
        char user[16], item[16];
        (void)snprintf(user, sizeof user, "u%d", i % 90);
        (void)snprintf(item, sizeof item, "i%d", i % 7);
        assert_int_equal(od_training_add_event(b, od_str_c(user), od_str_c(item), OD_STR_NONE,
                                               start + i % 90 * day + i, false, 0),
                         OD_OK);
    }
    for (int i = 0; i < count; i++)
        assert_int_equal(
            od_training_add_event(b, OD_STR("odd"), OD_STR("i0"), OD_STR_NONE, more[i], false, 0),
            OD_OK);
    return finish(b);
}

static void times_that_are_none_are_bounded_by_the_others(void **state)
{
    (void)state;
    struct od_training *plain = ninety_days(NULL, 0);
    assert_int_equal(plain->outlying_times, 0);
    const int64_t first = plain->first_time, last = plain->last_time;
    od_training_free(plain);

    const int64_t odd[] = {INT64_MIN, 0, 1672531200500, INT64_MAX, 4332700800, 1672600000};
    struct od_training *t = ninety_days(odd, 6);
    assert_int_equal(t->outlying_times, 5);
    assert_int_equal(t->first_time, first);
    assert_int_equal(t->last_time, last);
    uint32_t user = od_dict_find(t->users, OD_STR("odd"));
    const int64_t want[] = {first, first, 1672600000, last, last, last};
    assert_int_equal(t->user_start[user + 1] - t->user_start[user], 6);
    for (int i = 0; i < 6; i++)
        assert_int_equal(t->time[t->user_start[user] + (uint64_t)i], want[i]);
    od_training_free(t);

    const int64_t early[] = {first - 200 * (int64_t)86400, last + 200 * (int64_t)86400};
    t = ninety_days(early, 2); /* half a year off is still somebody's past */
    assert_int_equal(t->outlying_times, 0);
    assert_int_equal(t->first_time, early[0]);
    assert_int_equal(t->last_time, early[1]);
    od_training_free(t);
}

static void order_of_import_does_not_change_the_set(void **state)
{
    (void)state;
    enum { N = 5000 };
    struct od_training *sets[2];
    for (int way = 0; way < 2; way++) {
        struct od_training_builder *b = od_training_builder_new(NULL);
        for (int k = 0; k < N; k++) {
            int e = way ? N - 1 - k : k;
            struct od_random rng;
            od_random_init2(&rng, 3, e);
            char user[24], item[24];
            snprintf(user, sizeof user, "user-%d", (int)od_random_below(&rng, 90));
            snprintf(item, sizeof item, "%d", (int)od_random_below(&rng, 400));
            assert_int_equal(od_training_add_event(b, od_str_c(user), od_str_c(item), OD_STR_NONE,
                                                   1000 + e, true, e % 5),
                             OD_OK);
        }
        sets[way] = finish(b);
    }
    assert_int_equal(sets[0]->event_count, N);
    assert_true(sets[0]->hash == sets[1]->hash);
    assert_memory_equal(sets[0]->item, sets[1]->item, N * sizeof *sets[0]->item);
    assert_memory_equal(sets[0]->time, sets[1]->time, N * sizeof *sets[0]->time);
    for (uint32_t i = 1; i < sets[0]->item_count; i++)
        assert_true(
            od_str_cmp(od_dict_text(sets[0]->items, i - 1), od_dict_text(sets[0]->items, i)) < 0);
    for (uint32_t u = 0; u < sets[0]->user_count; u++)
        for (uint64_t i = sets[0]->user_start[u] + 1; i < sets[0]->user_start[u + 1]; i++)
            assert_true(sets[0]->time[i - 1] <= sets[0]->time[i]);
    od_training_free(sets[0]);
    od_training_free(sets[1]);
}

static void hash_tells_sets_apart(void **state)
{
    (void)state;
    uint64_t hashes[4];
    for (int k = 0; k < 4; k++) {
        struct od_training_builder *b = od_training_builder_new(NULL);
        assert_int_equal(od_training_add_event(b, OD_STR("u"), k == 1 ? OD_STR("j") : OD_STR("i"),
                                               OD_STR_NONE, k == 2 ? 6 : 5, k == 3, 1),
                         OD_OK);
        struct od_training *t = finish(b);
        hashes[k] = t->hash;
        od_training_free(t);
        for (int j = 0; j < k; j++)
            assert_true(hashes[j] != hashes[k]);
    }
}

static void times_far_apart_are_kept_exactly(void **state)
{
    (void)state;
    const int64_t far[] = {100, INT64_MAX, 0, INT64_MIN, -5, 5000000000};
    const int64_t want[] = {INT64_MIN, -5, 0, 100, 5000000000, INT64_MAX};
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (int i = 0; i < 6; i++)
        assert_int_equal(
            od_training_add_event(b, OD_STR("u"), OD_STR("i"), OD_STR_NONE, far[i], false, 0),
            OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 6);
    for (int i = 0; i < 6; i++)
        assert_true(t->time[i] == want[i]);
    od_training_free(t);
}

static void values_arriving_late_leave_earlier_ones_null(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_str u = OD_STR("u"), i = OD_STR("i");
    assert_int_equal(od_training_add_event(b, u, i, OD_STR_NONE, 1, false, 0), OD_OK);
    assert_int_equal(od_training_add_event(b, u, i, OD_STR_NONE, 2, true, 1e300), OD_OK);
    struct od_training *t = finish(b);
    assert_true(isnan(t->value[0]));
    assert_true(isfinite(t->value[1]) && t->value[1] > 3e38f);
    od_training_free(t);
}

static void nothing_added_gives_an_empty_set(void **state)
{
    (void)state;
    struct od_training *t = finish(od_training_builder_new(NULL));
    assert_int_equal(t->event_count, 0);
    assert_int_equal(t->user_count, 0);
    assert_int_equal(t->user_start[0], 0);
    od_training_free(t);
}

static void builder_can_be_used_again(void **state)
{
    (void)state;
    struct od_event_rule view = {.type = OD_STR("view"), .weight = 1};
    struct od_training_rule rule = {.events = &view, .event_count = 1};
    struct od_training_builder *b = od_training_builder_new(&rule);
    struct od_training *t = NULL;
    for (int round = 1; round <= 2; round++) {
        for (int k = 0; k < round; k++)
            assert_int_equal(
                od_training_add_event(b, OD_STR("u"), OD_STR("i"), OD_STR("view"), k, false, 0),
                OD_OK);
        assert_int_equal(
            od_training_add_event(b, OD_STR("u"), OD_STR("i"), OD_STR("book"), 9, false, 0), OD_OK);
        assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
        assert_int_equal(t->event_count, round);
        od_training_free(t);
    }
    od_training_builder_free(b);
}

static void damaged_chunks_are_refused(void **state)
{
    (void)state;
    struct hand_chunk h;
    struct od_error err = {0};
    uint64_t nulls[1] = {2};
    for (int what = 0; what < 5; what++) {
        make_small(&h);
        uint16_t bad[6] = {0, 1, 9, 0, 0, 0};
        if (what == 0)
            h.columns[0].nulls = nulls;
        if (what == 1)
            h.columns[1].codes = bad;
        if (what == 2)
            h.columns[2].nulls = nulls;
        if (what == 3)
            h.fields[1].name = OD_STR("ITEM");
        if (what == 4)
            h.columns[3].codes = bad;
        struct od_training_builder *b = od_training_builder_new(NULL);
        assert_int_equal(od_training_add_chunk(b, &h.schema, &h.chunk, &err), OD_CORRUPT);
        assert_true(strlen(err.message) > 0);
        od_training_builder_free(b);
    }
}

/* Through the real writer and reader: the columns are found by name, whatever their order. */
static void an_imported_segment_becomes_the_set(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 1 << 20);
    struct od_schema schema;
    struct od_error err = {0};
    struct od_str text =
        OD_STR("{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"n\","
               "\"version\":\"1.0\",\"fields\":[{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
               "{\"name\":\"EVENT_VALUE\",\"type\":[\"null\",\"float\"]},"
               "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"
               "{\"name\":\"USER_ID\",\"type\":\"string\"}]}");
    assert_int_equal(od_schema_parse(&arena, text, OD_DOMAIN_NONE, &schema, &err), OD_OK);
    struct od_chunk_writer *writer = od_chunk_writer_new(&schema);
    struct od_value row[4] = {{.kind = OD_VALUE_INTEGER, .integer = 9},
                              {.kind = OD_VALUE_NULL},
                              {.kind = OD_VALUE_TEXT, .text = OD_STR("x")},
                              {.kind = OD_VALUE_TEXT, .text = OD_STR("u")}};
    assert_int_equal(od_chunk_writer_add(writer, row), OD_OK);
    row[0].integer = 3;
    row[1] = (struct od_value){.kind = OD_VALUE_REAL, .real = 2.5};
    row[2].text = OD_STR("a");
    assert_int_equal(od_chunk_writer_add(writer, row), OD_OK);
    struct od_buf file;
    od_buf_init(&file, 1 << 20);
    assert_int_equal(od_segment_head(&schema, &file), OD_OK);
    struct od_chunk_place place = {.offset = file.len, .rows = 2};
    assert_int_equal(od_chunk_writer_finish(writer, &file), OD_OK);
    place.bytes = file.len - place.offset;
    assert_int_equal(od_segment_tail(&place, 1, file.len, &file), OD_OK);
    struct od_segment segment;
    struct od_chunk chunk;
    assert_int_equal(od_segment_open(&arena, od_buf_view(&file), &segment, &err), OD_OK);
    assert_int_equal(od_segment_chunk(&segment, 0, &arena, &chunk, &err), OD_OK);
    struct od_training_builder *b = od_training_builder_new(NULL);
    assert_int_equal(od_training_add_chunk(b, &segment.schema, &chunk, &err), OD_OK);
    struct od_training *t = finish(b);
    assert_int_equal(t->event_count, 2);
    assert_string_equal(item_at(t, 0), "a");
    assert_int_equal(t->time[0], 3);
    assert_true(t->value[0] == 2.5f && isnan(t->value[1]));
    od_training_free(t);
    od_chunk_writer_free(writer);
    od_buf_done(&file);
    od_arena_done(&arena);
}

static void too_many_event_types_are_refused(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    enum od_status s = OD_OK;
    int k = 0;
    for (; s == OD_OK && k < 70000; k++) {
        char type[16];
        snprintf(type, sizeof type, "t%d", k);
        s = od_training_add_event(b, OD_STR("u"), OD_STR("i"), od_str_c(type), k, false, 0);
    }
    assert_int_equal(s, OD_LIMIT);
    assert_int_equal(k, 65535); /* the empty type is one of them */
    od_training_builder_free(b);
}

static void a_subset_is_the_set_built_from_the_oldest_events(void **state)
{
    (void)state;
    struct od_training_builder *all = od_training_builder_new(NULL);
    struct od_training_builder *old = od_training_builder_new(NULL);
    const uint64_t keep[] = {2, 0, 5, 1};
    for (int u = 0; u < 4; u++)
        for (int k = 0; k < 5; k++) {
            char user[16], item[16];
            const char *type = k == 4 ? "book" : k % 2 ? "view" : "";
            snprintf(user, sizeof user, "u%d", u);
            snprintf(item, sizeof item, "i%d", u * 2 + k);
            for (int which = 0; which < 2; which++)
                if (which == 0 || (uint64_t)k < keep[u])
                    assert_int_equal(od_training_add_event(which ? old : all, od_str_c(user),
                                                           od_str_c(item), od_str_c(type), k, true,
                                                           u + k),
                                     OD_OK);
        }
    struct od_training *whole = finish(all), *want = finish(old), *got = NULL;
    uint32_t *map = NULL;
    assert_int_equal(od_training_subset(whole, keep, &got, &map, NULL), OD_OK);
    assert_true(got->hash == want->hash);
    assert_int_equal(got->event_count, 8);
    assert_int_equal(got->user_count, 3);
    assert_int_equal(got->first_time, want->first_time);
    for (uint32_t i = 0; i < whole->item_count; i++)
        assert_int_equal(map[i], od_dict_find(want->items, od_dict_text(whole->items, i)));
    free(map);
    od_training_free(whole);
    od_training_free(want);
    od_training_free(got);
}

static void hidden_items_leave_no_event(void **state)
{
    (void)state;
    struct od_training_builder *all = od_training_builder_new(NULL);
    struct od_training_builder *some = od_training_builder_new(NULL);
    for (int e = 0; e < 60; e++) {
        char user[16], item[16];
        snprintf(user, sizeof user, "u%d", e % 7);
        snprintf(item, sizeof item, "i%d", e % 11);
        for (int which = 0; which < 2; which++) /* i3 and i4 are hidden */
            if (which == 0 || (e % 11 != 3 && e % 11 != 4))
                assert_int_equal(
                    od_training_add_event(which ? some : all, od_str_c(user), od_str_c(item),
                                          e % 2 ? OD_STR("view") : OD_STR_NONE, e, e % 3 == 0, e),
                    OD_OK);
    }
    struct od_training *whole = finish(all), *want = finish(some), *got = NULL;
    bool hidden[11] = {false};
    hidden[od_dict_find(whole->items, OD_STR("i3"))] = true;
    hidden[od_dict_find(whole->items, OD_STR("i4"))] = true;
    assert_int_equal(od_training_hide(whole, hidden, &got, NULL), OD_OK);
    assert_true(got->hash == want->hash && got->hash != whole->hash);
    assert_int_equal(got->item_count, 9);
    assert_int_equal(got->event_count, want->event_count);
    od_training_free(whole);
    od_training_free(want);
    od_training_free(got);
}

static void ids_with_long_common_prefixes_sort_by_bytes(void **state)
{
    (void)state;
    struct od_dict *from = od_dict_new();
    char id[80];
    uint32_t code;
    for (int i = 0; i < 3000; i++) {
        int len = snprintf(id, sizeof id, "hotel/kr/jeju/%0*d", i % 3 ? 9 : 24, (i * 7919) % 3000);
        assert_int_equal(od_dict_add(from, (struct od_str){id, (size_t)len}, &code), OD_OK);
    }
    for (size_t len = 0; len < 40; len++) { /* texts that differ only in how many zeros end them */
        char zeros[40] = {0};
        assert_int_equal(od_dict_add(from, (struct od_str){zeros, len}, &code), OD_OK);
    }
    struct od_dict *to;
    uint32_t *map;
    assert_int_equal(od_training_sort_ids(from, &to, &map), OD_OK);
    assert_int_equal(od_dict_count(to), od_dict_count(from));
    for (uint32_t i = 0; i < od_dict_count(from); i++)
        assert_true(od_str_eq(od_dict_text(from, i), od_dict_text(to, map[i])));
    for (uint32_t i = 1; i < od_dict_count(to); i++)
        assert_true(od_str_cmp(od_dict_text(to, i - 1), od_dict_text(to, i)) < 0);
    od_dict_free(from);
    od_dict_free(to);
    free(map);
}

/* Each event's columns and each id count; what is not there does not. */
static void bytes_are_those_of_what_is_held(void **state)
{
    (void)state;
    uint64_t bytes[3];
    for (size_t k = 0; k < 3; k++) {
        struct od_training_builder *b = od_training_builder_new(NULL);
        struct od_training *t;
        for (unsigned e = 0; e < (k == 1 ? 20000u : 10000u); e++) {
            char user[16];
            snprintf(user, sizeof user, "u%u", e % 10);
            assert_int_equal(
                od_training_add_event(b, od_str_c(user), OD_STR("i"), OD_STR_NONE, e, k == 2, 1.5),
                OD_OK);
        }
        assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
        od_training_builder_free(b);
        bytes[k] = od_training_bytes(t);
        od_training_free(t);
    }
    assert_int_equal(bytes[1] - bytes[0], 10000 * (4 + 8 + 2));
    assert_int_equal(bytes[2] - bytes[0], 10000 * 4);
    assert_true(bytes[0] > 10000 * (4 + 8 + 2) && bytes[0] < 10000 * (4 + 8 + 2) + 10000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_those_of_what_is_held),
        cmocka_unit_test(chunk_becomes_canonical_columns),
        cmocka_unit_test(rule_keeps_one_type_and_enough_value),
        cmocka_unit_test(a_rule_for_any_case_takes_every_spelling),
        cmocka_unit_test(a_list_of_rules_keeps_its_types_and_weighs_them),
        cmocka_unit_test(equal_events_are_kept_once_and_others_are_not),
        cmocka_unit_test(a_second_full_of_events_keeps_first_arrivals),
        cmocka_unit_test(times_that_are_none_are_bounded_by_the_others),
        cmocka_unit_test(order_of_import_does_not_change_the_set),
        cmocka_unit_test(hash_tells_sets_apart),
        cmocka_unit_test(times_far_apart_are_kept_exactly),
        cmocka_unit_test(values_arriving_late_leave_earlier_ones_null),
        cmocka_unit_test(nothing_added_gives_an_empty_set),
        cmocka_unit_test(builder_can_be_used_again),
        cmocka_unit_test(damaged_chunks_are_refused),
        cmocka_unit_test(an_imported_segment_becomes_the_set),
        cmocka_unit_test(too_many_event_types_are_refused),
        cmocka_unit_test(a_subset_is_the_set_built_from_the_oldest_events),
        cmocka_unit_test(hidden_items_leave_no_event),
        cmocka_unit_test(ids_with_long_common_prefixes_sort_by_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
