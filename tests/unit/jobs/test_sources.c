/* Where rows come from, in order of arrival, and what came by Put* folded into segments: with a
 * real store and real files. */
#include "store/fixture.inc"

#include "data/segment.h"
#include "jobs/sources.h"

#define DATASET OD_STR("arn:dataset/g/ITEMS")

static const char items_text[] =
    "{\"type\":\"record\",\"name\":\"Items\",\"namespace\":\"n\",\"version\":\"1.0\",\"fields\":["
    "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"
    "{\"name\":\"GENRE\",\"type\":[\"null\",\"string\"],\"categorical\":true},"
    "{\"name\":\"PRICE\",\"type\":[\"null\",\"int\"]}]}";
static const char events_text[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"n\",\"version\":\"1.0\","
    "\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},"
    "{\"name\":\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
    "{\"name\":\"EVENT_TYPE\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"EVENT_VALUE\",\"type\":[\"null\",\"float\"]},"
    "{\"name\":\"IMPRESSION\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"DEVICE\",\"type\":[\"null\",\"string\"],\"categorical\":true}]}";

static const char actions_text[] =
    "{\"type\":\"record\",\"name\":\"Actions\",\"namespace\":\"n\",\"version\":\"1.0\","
    "\"fields\":[{\"name\":\"ACTION_ID\",\"type\":\"string\"},"
    "{\"name\":\"ITEM_ID\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"VALUE\",\"type\":[\"null\",\"long\"]}]}";
static const char action_events_text[] =
    "{\"type\":\"record\",\"name\":\"ActionInteractions\",\"namespace\":\"n\","
    "\"version\":\"1.0\",\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},"
    "{\"name\":\"ITEM_ID\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"ACTION_ID\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
    "{\"name\":\"EVENT_TYPE\",\"type\":\"string\"}]}";

static struct od_schema *schema_of(struct fixture *f, const char *text)
{
    struct od_schema *schema = OD_NEW(&f->arena, struct od_schema);
    ok(f, od_schema_parse(&f->arena, od_str_c(text), OD_DOMAIN_NONE, schema, &f->err));
    return schema;
}

static struct od_store_reader *reader(struct fixture *f)
{
    return od_store_as_reader(f->store);
}

static void put(struct fixture *f, const char *id, const char *body, int64_t arrived_ms)
{
    struct od_record record = {.id = str(id), .body = str(body), .arrived_ms = arrived_ms};
    begin(f);
    ok(f, od_records_put(f->store, DATASET, &record, 1, &f->err));
    commit(f);
}

static void append(struct fixture *f, struct od_event event)
{
    bool fresh;
    begin(f);
    ok(f, od_events_append(f->store, DATASET, &event, 1, &fresh, &f->err));
    commit(f);
    assert_true(fresh);
}

/* The plan as text: "a.seg put b.seg ". */
static const char *plan_text(struct fixture *f, const struct od_bulk *bulk, size_t bulk_count,
                             int64_t upto_seq)
{
    struct od_source *plan;
    size_t count;
    struct od_buf text;
    ok(f, od_sources_plan(reader(f), DATASET, bulk, bulk_count, upto_seq, &f->arena, &plan, &count,
                          &f->err));
    od_buf_init(&text, 4096);
    od_buf_puts(&text, "");
    for (size_t i = 0; i < count; i++) {
        if (plan[i].segment.ptr)
            od_buf_printf(&text, "%.*s ", OD_STR_ARG(plan[i].segment));
        else
            od_buf_puts(&text, "put ");
    }
    const char *kept = od_arena_printf(&f->arena, "%s", text.ptr ? text.ptr : "").ptr;
    od_buf_done(&text);
    return kept;
}

static const struct od_bulk two[] = {{.path = {"a.seg", 5}, .arrived_ms = 100},
                                     {.path = {"b.seg", 5}, .arrived_ms = 200}};

static void records_stand_between_the_segments_they_arrived_between(void **state)
{
    struct fixture *f = *state;
    assert_string_equal(plan_text(f, two, 2, 0), "a.seg b.seg ");
    put(f, "middle", "{}", 150);
    assert_string_equal(plan_text(f, two, 2, 0), "a.seg put b.seg ");
    put(f, "late", "{}", 201);
    put(f, "early", "{}", 99);
    assert_string_equal(plan_text(f, two, 2, 0), "put a.seg put b.seg put ");
    assert_string_equal(plan_text(f, NULL, 0, 0), "put ");
}

static void record_of_a_segments_own_moment_comes_before_it(void **state)
{
    struct fixture *f = *state;
    put(f, "same", "{}", 100);
    assert_string_equal(plan_text(f, two, 2, 0), "put a.seg b.seg ");
}

static void plan_looks_no_further_than_asked(void **state)
{
    struct fixture *f = *state;
    int64_t events, records;
    put(f, "first", "{}", 150);
    ok(f, od_events_last_seq(reader(f), DATASET, &events, &records, &f->err));
    put(f, "second", "{}", 250);
    assert_string_equal(plan_text(f, two, 2, records), "a.seg put b.seg ");
}

/* Rows as text: "id:genre:price " each. */
static enum od_status note_row(void *context, const struct od_value *values)
{
    struct od_buf *out = context;
    od_buf_printf(out, "%.*s:%.*s:", OD_STR_ARG(values[0].text), OD_STR_ARG(values[1].text));
    if (values[2].kind == OD_VALUE_NULL)
        od_buf_puts(out, "null ");
    else
        od_buf_printf(out, "%lld ", (long long)values[2].integer);
    return OD_OK;
}

static enum od_status rows(struct fixture *f, int64_t after_ms, int64_t upto_ms, int64_t after_seq,
                           struct od_buf *out)
{
    struct od_source span = {.after_ms = after_ms, .upto_ms = upto_ms};
    od_buf_init(out, 4096);
    return od_sources_records(reader(f), DATASET, &span, after_seq, 0, schema_of(f, items_text),
                              note_row, out, &f->err);
}

static void span_gives_what_arrived_in_it_newest_of_each_id(void **state)
{
    struct fixture *f = *state;
    struct od_buf out;
    put(f, "i1", "{\"GENRE\":\"old\",\"PRICE\":1}", 110);
    put(f, "i2", "{\"GENRE\":\"two\"}", 120);
    put(f, "i3", "{\"PRICE\":3}", 200);
    put(f, "i4", "", 201);
    put(f, "i1", "{\"GENRE\":\"new\"}", 130);
    ok(f, rows(f, 110, 200, 0, &out));
    /* i1 once, whole as it was put last: its price is null again */
    assert_string_equal(out.ptr, "i2:two:null i3::3 i1:new:null ");
    od_buf_done(&out);
    ok(f, rows(f, INT64_MIN, INT64_MAX, 4, &out));
    assert_string_equal(out.ptr, "i1:new:null ");
    od_buf_done(&out);
}

static void stored_body_that_does_not_fit_names_record_field_and_rule(void **state)
{
    struct fixture *f = *state;
    struct od_buf out;
    put(f, "i9", "{\"PRICE\":\"cheap\"}", 1);
    assert_int_equal(rows(f, INT64_MIN, INT64_MAX, 0, &out), OD_CORRUPT);
    assert_message(f, "\"i9\"");
    assert_message(f, "PRICE");
    assert_message(f, "whole number");
    od_buf_done(&out);
}

static void stored_body_that_is_no_json_is_damage_not_the_users_input(void **state)
{
    struct fixture *f = *state;
    struct od_buf out;
    put(f, "i9", "{\"PRICE\":", 1);
    assert_int_equal(rows(f, INT64_MIN, INT64_MAX, 0, &out), OD_CORRUPT);
    assert_message(f, "\"i9\"");
    od_buf_done(&out);
}

/* ---- folding ---- */

static struct od_str path_of(struct fixture *f, const char *name)
{
    return od_arena_printf(&f->arena, "%s/%s", f->folder, name);
}

/* A segment's rows as text, columns by ':', null as '-'. */
static const char *segment_text(struct fixture *f, struct od_str path, size_t *out_chunks)
{
    struct od_io_map map;
    struct od_segment segment;
    struct od_buf out;
    ok(f, io->map(io, path.ptr, &map, &f->err));
    ok(f, od_segment_open(&f->arena, (struct od_str){map.ptr, map.bytes}, &segment, &f->err));
    od_buf_init(&out, 1u << 20);
    od_buf_puts(&out, "");
    for (size_t c = 0; c < segment.chunk_count; c++) {
        struct od_chunk chunk;
        ok(f, od_segment_chunk(&segment, c, &f->arena, &chunk, &f->err));
        for (uint32_t row = 0; row < chunk.row_count && segment.row_count < 100; row++) {
            for (size_t k = 0; k < chunk.column_count; k++) {
                struct od_value v;
                od_chunk_value(&chunk, k, row, &v);
                if (v.kind == OD_VALUE_NULL)
                    od_buf_puts(&out, "-:");
                else if (v.kind == OD_VALUE_TEXT)
                    od_buf_printf(&out, "%.*s:", OD_STR_ARG(v.text));
                else if (v.kind == OD_VALUE_REAL)
                    od_buf_printf(&out, "%g:", v.real);
                else
                    od_buf_printf(&out, "%lld:", (long long)v.integer);
            }
            od_buf_char(&out, ' ');
        }
    }
    if (out_chunks)
        *out_chunks = segment.chunk_count;
    const char *kept = od_arena_str(&f->arena, od_buf_view(&out)).ptr;
    od_buf_done(&out);
    io->unmap(io, &map);
    return kept;
}

static struct od_event event(const char *user, const char *session, const char *item,
                             int64_t time_s)
{
    return (struct od_event){.user = str(user),
                             .session = str(session),
                             .item = str(item),
                             .type = OD_STR("view"),
                             .time_s = time_s,
                             .arrived_ms = time_s * 1000};
}

static uint64_t fold_events(struct fixture *f, int64_t upto_seq, struct od_str path)
{
    uint64_t count = 77;
    ok(f, od_fold_events(io, reader(f), DATASET, upto_seq, schema_of(f, events_text), path, &count,
                         &f->err));
    return count;
}

static void events_are_folded_in_order_with_all_their_fields(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "e.seg");
    struct od_event rich = event("u1", "s1", "i1", 10);
    rich.has_value = true;
    rich.value = 2.5;
    rich.body = OD_STR("{\"DEVICE\":\"tv\",\"IMPRESSION\":\"i1|i2\",\"RECOMMENDATION_ID\":\"R\"}");
    append(f, rich);
    append(f, event("u2", "s2", "i2", 5));
    assert_int_equal(fold_events(f, 2, path), 2);
    assert_string_equal(segment_text(f, path, NULL),
                        "u1:i1:10:view:2.5:i1|i2:tv: u2:i2:5:view:-:-:-: ");
    assert_int_equal(access(path_of(f, "e.seg.tmp").ptr, F_OK), -1);
}

static void anonymous_events_are_left_out_until_their_session_is_linked(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "e.seg");
    append(f, event(NULL, "s1", "i1", 1));
    append(f, event(NULL, "s2", "i2", 2));
    assert_int_equal(fold_events(f, 2, path), 0);
    assert_int_equal(access(path.ptr, F_OK), -1); /* nothing to tell, no file */
    append(f, event("u1", "s1", "i3", 3));
    assert_int_equal(fold_events(f, 3, path), 2);
    assert_string_equal(segment_text(f, path, NULL), "u1:i1:1:view:-:-:-: u1:i3:3:view:-:-:-: ");
}

static void activity_keeps_what_events_said_of_users_and_sessions(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "a.seg");
    uint64_t count = 77;
    ok(f, od_fold_activity(io, reader(f), DATASET, 0, path, &count, &f->err));
    assert_int_equal(count, 0);
    assert_int_equal(access(path.ptr, F_OK), -1);
    append(f, event(NULL, "s1", "i1", 1));
    append(f, event(NULL, "s2", "i2", 2));
    struct od_event shown = event("u1", "s1", "i3", 3);
    shown.has_value = true;
    shown.value = 2.5;
    shown.body = OD_STR("{\"DEVICE\":\"tv\",\"IMPRESSION\":\"i3|i4\"}");
    append(f, shown);
    ok(f, od_fold_activity(io, reader(f), DATASET, 3, path, &count, &f->err));
    assert_int_equal(count, 3);
    assert_string_equal(segment_text(f, path, NULL),
                        ":i1:1:view:-:s1:-: :i2:2:view:-:s2:-: u1:i3:3:view:2.5:s1:i3|i4: ");
}

static void fold_ends_at_its_mark(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "e.seg");
    append(f, event("u1", "s1", "i1", 1));
    append(f, event("u1", "s1", "i2", 2));
    assert_int_equal(fold_events(f, 1, path), 1);
    assert_int_equal(fold_events(f, 0, path), 0); /* a log that was empty then */
}

static void event_that_does_not_fit_fails_the_fold_and_leaves_no_file(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "e.seg");
    struct od_event bad = event("u1", "s1", "i-bad", 1);
    uint64_t count = 77;
    bad.body = OD_STR("{\"DEVICE\":[\"tv\"]}");
    append(f, bad);
    assert_int_equal(
        od_fold_events(io, reader(f), DATASET, 1, schema_of(f, events_text), path, &count, &f->err),
        OD_CORRUPT);
    assert_message(f, "i-bad");
    assert_message(f, "DEVICE");
    assert_int_equal(count, 77);
    assert_int_equal(access(path.ptr, F_OK), -1);
    assert_int_equal(access(path_of(f, "e.seg.tmp").ptr, F_OK), -1);
}

static void records_of_a_span_are_folded(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "r.seg");
    struct od_source span = {.after_ms = 100, .upto_ms = 200};
    uint64_t count;
    put(f, "before", "{\"PRICE\":1}", 100);
    put(f, "inside", "{\"GENRE\":\"a|b\",\"PRICE\":-2}", 200);
    put(f, "after", "{\"PRICE\":3}", 201);
    ok(f, od_fold_records(io, reader(f), DATASET, &span, 0, schema_of(f, items_text), path, &count,
                          &f->err));
    assert_int_equal(count, 1);
    assert_string_equal(segment_text(f, path, NULL), "inside:a|b:-2: ");
}

/* The record as it was when the reading began, not none. */
static void a_record_put_while_others_are_folded_is_not_missed(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *own;
    struct od_str path = path_of(f, "r.seg");
    struct od_source span = {.upto_ms = 1000};
    int64_t event_mark, record_mark;
    uint64_t count;
    put(f, "a", "{\"PRICE\":1}", 100);
    put(f, "b", "{\"PRICE\":2}", 100);
    ok(f, od_store_reader_open(io, f->folder, &own, &f->err));
    ok(f, od_store_reader_hold(own, &f->err));
    ok(f, od_events_last_seq(own, DATASET, &event_mark, &record_mark, &f->err));
    put(f, "a", "{\"PRICE\":3}", 200);
    ok(f, od_fold_records(io, own, DATASET, &span, record_mark, schema_of(f, items_text), path,
                          &count, &f->err));
    od_store_reader_release(own);
    assert_int_equal(count, 2);
    assert_string_equal(segment_text(f, path, NULL), "a:-:1: b:-:2: ");
    od_store_reader_close(own);
}

/* The id is that of the dataset's type; another's name is a field like any. */
static void actions_and_their_events_are_folded(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "a.seg");
    struct od_source span = {.after_ms = INT64_MIN, .upto_ms = INT64_MAX};
    uint64_t count;
    struct od_event taken = event("u1", "s1", "a1", 10);
    taken.body = OD_STR("{\"ITEM_ID\":\"i7\"}");
    append(f, taken);
    ok(f, od_fold_events(io, reader(f), DATASET, 1, schema_of(f, action_events_text), path, &count,
                         &f->err));
    assert_string_equal(segment_text(f, path, NULL), "u1:i7:a1:10:view: ");
    put(f, "a1", "{\"ITEM_ID\":\"i7\",\"VALUE\":3}", 1);
    ok(f, od_fold_records(io, reader(f), DATASET, &span, 0, schema_of(f, actions_text), path,
                          &count, &f->err));
    assert_int_equal(count, 1);
    assert_string_equal(segment_text(f, path, NULL), "a1:i7:3: ");
}

static void more_events_than_a_chunk_holds_make_several(void **state)
{
    struct fixture *f = *state;
    struct od_str path = path_of(f, "e.seg");
    enum { MANY = OD_CHUNK_ROWS + 3, BATCH = 1000 };
    static struct od_event batch[BATCH];
    static bool fresh[BATCH];
    size_t chunks;
    begin(f);
    for (size_t done = 0; done < MANY; done += BATCH) {
        size_t some = MANY - done < BATCH ? MANY - done : BATCH;
        for (size_t i = 0; i < some; i++)
            batch[i] = event("u", "s", "i", (int64_t)(done + i));
        ok(f, od_events_append(f->store, DATASET, batch, some, fresh, &f->err));
    }
    commit(f);
    assert_int_equal(fold_events(f, MANY, path), MANY);
    segment_text(f, path, &chunks);
    assert_int_equal(chunks, 2);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(records_stand_between_the_segments_they_arrived_between),
        TEST(record_of_a_segments_own_moment_comes_before_it),
        TEST(plan_looks_no_further_than_asked),
        TEST(span_gives_what_arrived_in_it_newest_of_each_id),
        TEST(stored_body_that_does_not_fit_names_record_field_and_rule),
        TEST(stored_body_that_is_no_json_is_damage_not_the_users_input),
        TEST(events_are_folded_in_order_with_all_their_fields),
        TEST(anonymous_events_are_left_out_until_their_session_is_linked),
        TEST(activity_keeps_what_events_said_of_users_and_sessions),
        TEST(fold_ends_at_its_mark),
        TEST(event_that_does_not_fit_fails_the_fold_and_leaves_no_file),
        TEST(records_of_a_span_are_folded),
        TEST(a_record_put_while_others_are_folded_is_not_missed),
        TEST(actions_and_their_events_are_folded),
        TEST(more_events_than_a_chunk_holds_make_several),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
