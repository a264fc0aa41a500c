/* The event log and the put records. */
#include "store/fixture.inc"

#include <math.h>
#include <pthread.h>
#include <stdatomic.h>

#define D1 OD_STR("arn:dataset/one")
#define D2 OD_STR("arn:dataset/two")

static struct od_event event(const char *user, const char *session, const char *item,
                             const char *event_id, int64_t time_s)
{
    return (struct od_event){.user = str(user),
                             .session = str(session),
                             .item = str(item),
                             .type = OD_STR("view"),
                             .event_id = str(event_id),
                             .time_s = time_s,
                             .arrived_ms = 1700000000000,
                             .body = OD_STR("{}")};
}

/* One event in its own transaction; was it new? */
static bool append(struct fixture *f, struct od_str dataset, struct od_event e)
{
    bool fresh;
    begin(f);
    ok(f, od_events_append(f->store, dataset, &e, 1, &fresh, &f->err));
    commit(f);
    return fresh;
}

/* What a reader saw, as "seq user item;" each, and the last event whole. */
struct seen {
    struct od_arena *arena;
    struct od_buf text;
    struct od_event last;
    size_t count;
    size_t stop_at; /* 0: never */
};

static enum od_status note(void *context, const struct od_event *e)
{
    struct seen *seen = context;
    od_buf_printf(&seen->text, "%.*s:%.*s ", OD_STR_ARG(e->user), OD_STR_ARG(e->item));
    seen->last = *e;
    seen->last.user = od_arena_str(seen->arena, e->user);
    seen->last.session = od_arena_str(seen->arena, e->session);
    seen->last.item = od_arena_str(seen->arena, e->item);
    seen->last.type = od_arena_str(seen->arena, e->type);
    seen->last.event_id = od_arena_str(seen->arena, e->event_id);
    seen->last.body = od_arena_str(seen->arena, e->body);
    return ++seen->count == seen->stop_at ? OD_STOPPED : OD_OK;
}

static struct seen read_range(struct fixture *f, struct od_str dataset, int64_t after,
                              int64_t up_to)
{
    struct seen seen = {.arena = &f->arena};
    od_buf_init(&seen.text, 1 << 20);
    ok(f,
       od_events_read(od_store_as_reader(f->store), dataset, after, up_to, note, &seen, &f->err));
    struct od_str text = od_arena_str(&f->arena, od_buf_view(&seen.text));
    od_buf_done(&seen.text);
    seen.text.ptr = (char *)text.ptr; /* in the arena from here on */
    return seen;
}

static void expect_log(struct fixture *f, struct od_str dataset, const char *expect)
{
    assert_string_equal(read_range(f, dataset, 0, 0).text.ptr, expect);
}

static void event_comes_back_whole_after_a_restart(void **state)
{
    struct fixture *f = *state;
    struct od_event e = event("u", "s", "i", "id-1", -5);
    e.has_value = true;
    e.value = 0.1;
    e.arrived_ms = 1700000000123;
    e.body = OD_STR("{\"k\":\"\xED\x95\x9C\"}");
    assert_true(append(f, D1, e));
    reopen(f);
    struct seen seen = read_range(f, D1, 0, 0);
    assert_int_equal(seen.count, 1);
    assert_text(seen.last.user, "u");
    assert_text(seen.last.session, "s");
    assert_text(seen.last.item, "i");
    assert_text(seen.last.type, "view");
    assert_text(seen.last.event_id, "id-1");
    assert_int_equal(seen.last.time_s, -5);
    assert_int_equal(seen.last.arrived_ms, 1700000000123);
    assert_true(seen.last.has_value);
    assert_true(seen.last.value == 0.1);
    assert_text(seen.last.body, "{\"k\":\"\xED\x95\x9C\"}");
    assert_int_equal(seen.last.seq, 1);
}

static void absent_stays_absent_and_empty_stays_empty(void **state)
{
    struct fixture *f = *state;
    struct od_event e = event(NULL, "s", "", NULL, 1);
    e.type = OD_STR_NONE;
    e.body = OD_STR_NONE;
    assert_true(append(f, D1, e));
    struct seen seen = read_range(f, D1, 0, 0);
    assert_null(seen.last.user.ptr);
    assert_null(seen.last.type.ptr);
    assert_null(seen.last.event_id.ptr);
    assert_false(seen.last.has_value);
    assert_text(seen.last.item, "");
    assert_text(seen.last.body, "");
    e.event_id = OD_STR(""); /* an id like any other */
    assert_true(append(f, D1, e));
    assert_false(append(f, D1, e));
    assert_non_null(read_range(f, D1, 0, 0).last.event_id.ptr);
}

/* The live history is rebuilt from it: a session that went through two users belongs to each for
 * its time, and not to the last one from the beginning. */
static void replay_tells_events_as_they_came(void **state)
{
    struct fixture *f = *state;
    struct od_event e = event(NULL, "s", "a", NULL, 1);
    e.body = OD_STR("{\"k\":\"IMPRESSION\"}");
    assert_true(append(f, D1, e));
    assert_true(append(f, D1, event("u1", "s", "b", NULL, 2)));
    e = event("u2", "s", "c", "id", 3);
    e.body = OD_STR("{\"k\":1,\"IMPRESSION\":\"x|y\"}");
    e.has_value = true;
    e.value = 2.5;
    assert_true(append(f, D1, e));
    expect_log(f, D1, "u2:a u1:b u2:c ");
    struct seen seen = {.arena = &f->arena};
    od_buf_init(&seen.text, 1 << 20);
    ok(f, od_events_replay(od_store_as_reader(f->store), D1, 0, 0, note, &seen, &f->err));
    assert_true(od_str_eq_c(od_buf_view(&seen.text), ":a u1:b u2:c "));
    assert_text(seen.last.body, "{\"k\":1,\"IMPRESSION\":\"x|y\"}");
    assert_text(seen.last.session, "s");
    assert_int_equal(seen.last.time_s, 3);
    assert_true(seen.last.has_value);
    assert_true(seen.last.value == 2.5);
    od_buf_clear(&seen.text);
    ok(f, od_events_replay(od_store_as_reader(f->store), D1, 0, 1, note, &seen, &f->err));
    assert_true(od_str_eq_c(od_buf_view(&seen.text), ":a "));
    assert_null(seen.last.body.ptr); /* it only looks like one */
    assert_false(seen.last.has_value);
    od_buf_clear(&seen.text);
    ok(f, od_events_replay(od_store_as_reader(f->store), D1, 2, 0, note, &seen, &f->err));
    assert_true(od_str_eq_c(od_buf_view(&seen.text), "u2:c "));
    e.event_id = OD_STR("id2"); /* of an answer, which knows what it showed */
    e.body = OD_STR("{\"RECOMMENDATION_ID\":\"RID-1\"}");
    assert_true(append(f, D1, e));
    ok(f, od_events_replay(od_store_as_reader(f->store), D1, 3, 0, note, &seen, &f->err));
    assert_text(seen.last.body, "{\"RECOMMENDATION_ID\":\"RID-1\"}");
    od_buf_done(&seen.text);
}

static void first_event_with_an_id_counts(void **state)
{
    struct fixture *f = *state;
    assert_true(append(f, D1, event("u", "s", "first", "id", 1)));
    assert_false(append(f, D1, event("u", "s", "second", "id", 2)));
    assert_true(append(f, D1, event("u", "s", "other", "ID", 1))); /* case counts */
    assert_true(append(f, D2, event("u", "s", "second", "id", 2)));
    expect_log(f, D1, "u:first u:other ");
    expect_log(f, D2, "u:second ");
    reopen(f);
    assert_false(append(f, D1, event("u", "s", "third", "id", 3)));
}

static void batch_tells_which_were_new(void **state)
{
    struct fixture *f = *state;
    assert_true(append(f, D1, event("u", "s", "a", "1", 1)));
    const struct od_event batch[] = {event("u", "s", "b", "2", 1),  event("u", "s", "a", "1", 1),
                                     event("u", "s", "c", "3", 1),  event("u", "s", "c", "3", 1),
                                     event("u", "s", "d", NULL, 1), event("u", "s", "d", NULL, 1)};
    bool fresh[6];
    begin(f);
    ok(f, od_events_append(f->store, D1, batch, 6, fresh, &f->err));
    commit(f);
    static const bool expect[6] = {true, false, true, false, true, false};
    assert_memory_equal(fresh, expect, sizeof fresh);
    expect_log(f, D1, "u:a u:b u:c u:d ");
}

/* Without an id, each single difference makes another event, and only the arrival does not. */
static void content_is_the_identity_without_an_id(void **state)
{
    struct fixture *f = *state;
    struct od_event base = event("u", "s", "i", NULL, 7), e;
    base.has_value = true;
    base.value = 0.0;
    assert_true(append(f, D1, base));
    e = base, e.arrived_ms++;
    assert_false(append(f, D1, e));
    e = base, e.value = -0.0;
    assert_false(append(f, D1, e));
    e = base, e.user = OD_STR("v");
    assert_true(append(f, D1, e));
    e = base, e.user = OD_STR_NONE;
    assert_true(append(f, D1, e));
    e = base, e.user = OD_STR("");
    assert_true(append(f, D1, e));
    e = base, e.session = OD_STR("t");
    assert_true(append(f, D1, e));
    e = base, e.item = OD_STR("j");
    assert_true(append(f, D1, e));
    e = base, e.type = OD_STR("buy");
    assert_true(append(f, D1, e));
    e = base, e.time_s = 8;
    assert_true(append(f, D1, e));
    e = base, e.has_value = false;
    assert_true(append(f, D1, e));
    e = base, e.value = 1;
    assert_true(append(f, D1, e));
    e = base, e.body = OD_STR("{\"x\":1}");
    assert_true(append(f, D1, e));
    e = base, e.user = OD_STR("us"), e.session = OD_STR(""); /* the same letters, cut elsewhere */
    assert_true(append(f, D1, e));
    assert_int_equal(read_range(f, D1, 0, 0).count, 12);
}

/* An id that spells another event's content bytes is still an id. */
static void ids_and_contents_do_not_meet(void **state)
{
    struct fixture *f = *state;
    struct od_str identity;
    struct od_event e = event("u", "s", "i", NULL, 7);
    ok(f, od_identity_of(f->store->identity, &e, &identity, &f->err));
    struct od_str copy = od_arena_str(&f->arena, identity);
    assert_true(append(f, D1, e));
    e.event_id = copy;
    assert_true(append(f, D1, e));
    assert_true(od_str_eq(read_range(f, D1, 0, 0).last.event_id, copy));
}

static void value_must_be_finite(void **state)
{
    struct fixture *f = *state;
    struct od_event batch[2] = {event("u", "s", "i", "1", 1), event("u", "s", "i", "2", 1)};
    bool fresh[2];
    batch[1].has_value = true;
    batch[1].value = NAN;
    begin(f);
    assert_int_equal(od_events_append(f->store, D1, batch, 2, fresh, &f->err), OD_INVALID_INPUT);
    assert_string_equal(f->err.message, "eventList[1].eventValue: nan is not a finite number.");
    batch[1].value = -INFINITY;
    assert_int_equal(od_events_append(f->store, D1, batch, 2, fresh, &f->err), OD_INVALID_INPUT);
    commit(f); /* nothing of the refused batches went in, and the transaction is whole */
    expect_log(f, D1, "");
    begin(f);
    assert_int_equal(od_events_append(f->store, OD_STR_NONE, batch, 1, fresh, &f->err),
                     OD_INVALID_INPUT);
    od_store_rollback(f->store);
}

static void session_takes_the_user_it_is_seen_with(void **state)
{
    struct fixture *f = *state;
    append(f, D1, event(NULL, "s", "a", "1", 1));
    append(f, D1, event(NULL, "other", "b", "2", 1));
    append(f, D2, event(NULL, "s", "c", "3", 1)); /* another dataset: another session */
    expect_log(f, D1, ":a :b ");
    append(f, D1, event("u", "s", "d", "4", 1));
    append(f, D1, event(NULL, "s", "e", "5", 1));
    expect_log(f, D1, "u:a :b u:d u:e ");
    expect_log(f, D2, ":c ");
    reopen(f);
    expect_log(f, D1, "u:a :b u:d u:e ");
}

static void shared_session_belongs_to_the_most_recent_user(void **state)
{
    struct fixture *f = *state;
    append(f, D1, event(NULL, "s", "a", "1", 1));
    append(f, D1, event("u", "s", "b", "2", 1));
    append(f, D1, event("v", "s", "c", "3", 1));
    expect_log(f, D1, "v:a u:b v:c ");
    assert_false(append(f, D1, event("u", "s", "b", "2", 1))); /* a late repetition */
    expect_log(f, D1, "v:a u:b v:c ");
    const struct od_event batch[] = {event("u", "s", "d", "4", 1), event("v", "s", "e", "5", 1),
                                     event("u", "s", "f", "6", 1), event("u", "t", "g", "7", 1)};
    bool fresh[4];
    begin(f);
    ok(f, od_events_append(f->store, D1, batch, 4, fresh, &f->err));
    commit(f);
    expect_log(f, D1, "u:a u:b v:c u:d v:e u:f u:g ");
}

static void read_keeps_to_its_range(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 6; i++) {
        char item[2] = {(char)('a' + i), 0};
        append(f, i % 2 ? D2 : D1, event("u", "s", item, item, 1));
    }
    assert_string_equal(read_range(f, D1, 0, 0).text.ptr, "u:a u:c u:e ");
    assert_string_equal(read_range(f, D1, 1, 0).text.ptr, "u:c u:e ");
    assert_string_equal(read_range(f, D1, 0, 3).text.ptr, "u:a u:c ");
    assert_string_equal(read_range(f, D1, 1, 4).text.ptr, "u:c ");
    assert_string_equal(read_range(f, D1, 5, 0).text.ptr, "");
    assert_string_equal(read_range(f, D1, 4, 2).text.ptr, "");
    assert_string_equal(read_range(f, D1, 0, 1000).text.ptr, "u:a u:c u:e ");
    assert_string_equal(read_range(f, OD_STR("arn:unknown"), 0, 0).text.ptr, "");
    int64_t events, records;
    ok(f, od_events_last_seq(od_store_as_reader(f->store), D2, &events, &records, &f->err));
    assert_int_equal(events, 6);
    assert_int_equal(records, 0);
}

static void callback_stops_the_read(void **state)
{
    struct fixture *f = *state;
    for (int i = 0; i < 5; i++)
        append(f, D1, event("u", "s", "i", NULL, i));
    struct seen seen = {.arena = &f->arena, .stop_at = 2};
    od_buf_init(&seen.text, 1 << 20);
    struct od_store_reader *reader = od_store_as_reader(f->store);
    assert_int_equal(od_events_read(reader, D1, 0, 0, note, &seen, &f->err), OD_STOPPED);
    assert_int_equal(f->err.code, OD_STOPPED);
    assert_int_equal(seen.count, 2);
    od_buf_done(&seen.text);
    assert_int_equal(read_range(f, D1, 0, 0).count, 5);
}

static enum od_status check_order(void *context, const struct od_event *e)
{
    int64_t *last = context;
    assert_true(e->time_s == *last + 1);
    *last = e->time_s;
    return OD_OK;
}

/* More than two pages of the reader, and the borders of one. */
static void long_logs_come_in_order_and_whole(void **state)
{
    struct fixture *f = *state;
    enum { COUNT = 4096 * 2 + 7 };
    struct od_event *batch = calloc(COUNT, sizeof *batch);
    bool *fresh = calloc(COUNT, sizeof *fresh);
    for (int i = 0; i < COUNT; i++)
        batch[i] = event("u", "s", "i", NULL, i + 1);
    static const size_t upto[] = {4095, 4096, 4097, 8192, COUNT};
    size_t done = 0;
    for (size_t i = 0; i < 5; i++) {
        begin(f);
        ok(f, od_events_append(f->store, D1, batch + done, upto[i] - done, fresh, &f->err));
        commit(f);
        done = upto[i];
        int64_t last = 0;
        ok(f, od_events_read(od_store_as_reader(f->store), D1, 0, 0, check_order, &last, &f->err));
        assert_int_equal(last, done);
    }
    free(batch);
    free(fresh);
}

static void large_bodies_come_back(void **state)
{
    struct fixture *f = *state;
    for (size_t len = 100; len <= 200000; len *= 7) {
        char *body = malloc(len);
        memset(body, 'x', len);
        struct od_event e = event("u", "s", "i", NULL, 1);
        e.body = (struct od_str){body, len};
        assert_true(append(f, D1, e));
        assert_false(append(f, D1, e));
        assert_true(od_str_eq(read_range(f, D1, 0, 0).last.body, e.body));
        free(body);
    }
}

static void batch_that_breaks_off_is_never_committed(void **state)
{
    struct fixture *f = *state;
    size_t len = 17u << 20; /* more than an event may have */
    char *body = calloc(1, len);
    struct od_event batch[2] = {event("u", "s", "fits", "1", 1), event("u", "s", "i", NULL, 1)};
    batch[1].body = (struct od_str){body, len};
    bool fresh[2];
    begin(f);
    assert_int_equal(od_events_append(f->store, D1, batch, 2, fresh, &f->err), OD_TOO_LARGE);
    assert_int_equal(od_events_append(f->store, D1, batch, 1, fresh, &f->err), OD_IO);
    assert_message(f, "given up");
    assert_int_equal(od_store_commit(f->store, &f->err), OD_IO);
    expect_log(f, D1, "");
    assert_true(append(f, D1, batch[0]));
    free(body);
}

static enum od_status note_record(void *context, const struct od_record *record)
{
    od_buf_printf(context, "%.*s=%.*s@%lld ", OD_STR_ARG(record->id), OD_STR_ARG(record->body),
                  (long long)record->seq);
    return OD_OK;
}

static void expect_records(struct fixture *f, struct od_str dataset, int64_t after, int64_t up_to,
                           const char *expect)
{
    struct od_buf text;
    od_buf_init(&text, 4096);
    od_buf_puts(&text, "");
    ok(f, od_records_read(od_store_as_reader(f->store), dataset, after, up_to, note_record, &text,
                          &f->err));
    assert_string_equal(text.ptr, expect);
    od_buf_done(&text);
}

static void put(struct fixture *f, struct od_str dataset, const char *id, const char *body)
{
    const struct od_record record = {.id = str(id), .body = str(body), .arrived_ms = 9};
    begin(f);
    ok(f, od_records_put(f->store, dataset, &record, 1, &f->err));
    commit(f);
}

static void put_replaces_the_whole_record_and_moves_it_to_the_end(void **state)
{
    struct fixture *f = *state;
    put(f, D1, "a", "1");
    put(f, D1, "b", "2");
    put(f, D2, "a", "3");
    expect_records(f, D1, 0, 0, "a=1@1 b=2@2 ");
    put(f, D1, "a", "4");
    expect_records(f, D1, 0, 0, "b=2@2 a=4@4 ");
    expect_records(f, D1, 2, 0, "a=4@4 ");
    expect_records(f, D1, 0, 3, "b=2@2 ");
    expect_records(f, D2, 0, 0, "a=3@3 ");
    const struct od_record twice[] = {{.id = OD_STR("c"), .body = OD_STR("5")},
                                      {.id = OD_STR("c"), .body = OD_STR("6")}};
    begin(f);
    ok(f, od_records_put(f->store, D1, twice, 2, &f->err));
    commit(f);
    reopen(f);
    expect_records(f, D1, 4, 0, "c=6@6 ");
    int64_t events, records;
    ok(f, od_events_last_seq(od_store_as_reader(f->store), D1, &events, &records, &f->err));
    assert_int_equal(records, 6);
    assert_int_equal(events, 0);
    const struct od_record nameless = {.body = OD_STR("{}")};
    begin(f);
    assert_int_equal(od_records_put(f->store, D1, &nameless, 1, &f->err), OD_INVALID_INPUT);
    od_store_rollback(f->store);
}

static void delete_empties_one_dataset_and_seq_goes_on(void **state)
{
    struct fixture *f = *state;
    append(f, D1, event(NULL, "s", "a", "1", 1));
    append(f, D1, event("u", "s", "b", "2", 1));
    append(f, D2, event("u", "s", "c", "3", 1));
    put(f, D1, "x", "1");
    put(f, D2, "y", "2");
    begin(f);
    ok(f, od_events_delete(f->store, D1, &f->err));
    ok(f, od_events_delete(f->store, OD_STR("arn:unknown"), &f->err));
    commit(f);
    expect_log(f, D1, "");
    expect_records(f, D1, 0, 0, "");
    expect_log(f, D2, "u:c ");
    expect_records(f, D2, 0, 0, "y=2@2 ");
    reopen(f);
    assert_true(append(f, D1, event(NULL, "s", "a", "1", 1))); /* a fresh start: no link, no id */
    struct seen seen = read_range(f, D1, 0, 0);
    assert_null(seen.last.user.ptr);
    assert_int_equal(seen.last.seq, 4);
}

static void rolled_back_events_were_never_there(void **state)
{
    struct fixture *f = *state;
    struct od_event e = event("u", "s", "lost", "1", 1);
    bool fresh;
    begin(f);
    ok(f, od_events_append(f->store, OD_STR("arn:lost"), &e, 1, &fresh, &f->err));
    od_store_rollback(f->store);
    /* The number the lost dataset had goes to another one: nothing may be mixed up. */
    append(f, D1, event("u", "s", "kept", "1", 1));
    expect_log(f, OD_STR("arn:lost"), "");
    expect_log(f, D1, "u:kept ");
    begin(f);
    ok(f, od_events_append(f->store, OD_STR("arn:lost"), &e, 1, &fresh, &f->err));
    commit(f);
    assert_true(fresh);
    expect_log(f, D1, "u:kept ");
}

/* ---- a reader beside the writer ---- */

struct follower {
    const char *folder;
    atomic_bool stop;
    int64_t last;    /* seq of the last event seen */
    int64_t next;    /* time_s the next event must have */
    size_t reads;    /* that found something */
    bool torn_batch; /* saw a part of a transaction */
    enum od_status status;
    struct od_error err;
};

static enum od_status follow_one(void *context, const struct od_event *e)
{
    struct follower *me = context;
    if (e->time_s != me->next || e->seq <= me->last)
        return OD_CORRUPT;
    me->next++;
    me->last = e->seq;
    return OD_OK;
}

static void *follow(void *context)
{
    struct follower *me = context;
    struct od_store_reader *reader;
    me->status = od_store_reader_open(io, me->folder, &reader, &me->err);
    if (me->status != OD_OK)
        return NULL;
    bool last_round = false;
    while (me->status == OD_OK) {
        last_round = atomic_load(&me->stop);
        int64_t before = me->next;
        me->status = od_events_read(reader, D1, me->last, 0, follow_one, me, &me->err);
        me->reads += me->next > before;
        me->torn_batch |= me->next % 10 != 0;
        if (last_round)
            break;
    }
    od_store_reader_close(reader);
    return NULL;
}

static void reader_on_another_thread_sees_what_is_committed(void **state)
{
    struct fixture *f = *state;
    struct follower me = {.folder = f->folder};
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, follow, &me), 0);
    for (int i = 0; i < 300; i++) {
        struct od_event batch[10];
        bool fresh[10];
        for (int k = 0; k < 10; k++)
            batch[k] = event("u", "s", "i", NULL, i * 10 + k);
        begin(f);
        ok(f, od_events_append(f->store, D1, batch, 10, fresh, &f->err));
        if (i % 7 == 3) { /* what is not committed must not show */
            od_store_rollback(f->store);
            begin(f);
            ok(f, od_events_append(f->store, D1, batch, 10, fresh, &f->err));
        }
        commit(f);
    }
    atomic_store(&me.stop, true);
    pthread_join(thread, NULL);
    if (me.status != OD_OK)
        fail_msg("%s at %lld", me.err.message, (long long)me.next);
    assert_int_equal(me.next, 3000);
    assert_false(me.torn_batch);
    assert_true(me.reads > 1);
}

static void reader_outlives_the_writer_and_leaves_the_log_alone(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    append(f, D1, event("u", "s", "a", "1", 1));
    ok(f, od_store_reader_open(io, f->folder, &reader, &f->err));
    struct seen seen = {.arena = &f->arena};
    od_buf_init(&seen.text, 4096);
    ok(f, od_events_read(reader, D1, 0, 0, note, &seen, &f->err));
    append(f, D1, event("u", "s", "b", "2", 1));
    od_store_close(f->store);
    f->store = NULL;
    ok(f, od_events_read(reader, D1, 1, 0, note, &seen, &f->err));
    assert_string_equal(seen.text.ptr, "u:a u:b ");
    od_buf_done(&seen.text);
    od_store_reader_close(reader);
    ok(f, od_store_open(io, f->folder, &f->store, &f->err));
    expect_log(f, D1, "u:a u:b ");
}

static void reader_cannot_write(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    ok(f, od_store_reader_open(io, f->folder, &reader, &f->err));
    assert_int_equal(od_sql_execute(reader->sql, "DELETE FROM event", &f->err), OD_IO);
    assert_message(f, "cannot be written");
    od_store_reader_close(reader);
}

static void reader_needs_a_store(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    od_store_close(f->store);
    f->store = NULL;
    assert_int_equal(unlink(od_arena_printf(&f->arena, "%s/ondol.db", f->folder).ptr), 0);
    assert_int_equal(od_store_reader_open(io, f->folder, &reader, &f->err), OD_IO);
    assert_message(f, "ondol.db");
    assert_int_equal(od_store_reader_open(io, "/nowhere/at/all", &reader, &f->err), OD_IO);
    assert_message(f, "/nowhere/at/all");
}

#define T(name) cmocka_unit_test_setup_teardown(name, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(event_comes_back_whole_after_a_restart),
        T(absent_stays_absent_and_empty_stays_empty),
        T(replay_tells_events_as_they_came),
        T(first_event_with_an_id_counts),
        T(batch_tells_which_were_new),
        T(content_is_the_identity_without_an_id),
        T(ids_and_contents_do_not_meet),
        T(value_must_be_finite),
        T(session_takes_the_user_it_is_seen_with),
        T(shared_session_belongs_to_the_most_recent_user),
        T(read_keeps_to_its_range),
        T(callback_stops_the_read),
        T(long_logs_come_in_order_and_whole),
        T(large_bodies_come_back),
        T(batch_that_breaks_off_is_never_committed),
        T(put_replaces_the_whole_record_and_moves_it_to_the_end),
        T(delete_empties_one_dataset_and_seq_goes_on),
        T(rolled_back_events_were_never_there),
        T(reader_on_another_thread_sees_what_is_committed),
        T(reader_outlives_the_writer_and_leaves_the_log_alone),
        T(reader_cannot_write),
        T(reader_needs_a_store),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
