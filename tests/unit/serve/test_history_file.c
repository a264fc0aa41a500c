/* Files of histories: whatever is folded, and whenever, nobody can tell. */
#include "serve/fixture.inc"

#include <malloc.h>

#include "base/hash.h"
#include "base/limits.h"
#include "base/random.h"
#include "serve/history_file.h"
#include "serve/history_layout.h"

#define STAMP 7u
enum { OPS = 6000, PEOPLE = 60, ITEMS = 50 };

/* ---- a log of events ---- */

struct op {
    char user[16], session[16], item[16], type[8], shown[2][16];
    bool has_user, has_session, has_shown;
    int64_t time;
};

static void make_ops(struct op *ops, size_t count, uint64_t seed)
{
    struct od_random random;
    od_random_init(&random, seed);
    for (size_t i = 0; i < count; i++) {
        struct op *op = &ops[i];
        /* Users and sessions share names, so that chains and circles come about. */
        uint64_t skew =
            od_random_below(&random, PEOPLE) * od_random_below(&random, PEOPLE) / PEOPLE;
        snprintf(op->user, sizeof op->user, "p%u", (unsigned)skew);
        snprintf(op->session, sizeof op->session, "%c%u", od_random_below(&random, 8) ? 's' : 'p',
                 (unsigned)od_random_below(&random, 2 * PEOPLE));
        snprintf(op->item, sizeof op->item, "i%u", (unsigned)od_random_below(&random, ITEMS));
        snprintf(op->type, sizeof op->type, "t%u", (unsigned)od_random_below(&random, 5));
        for (int k = 0; k < 2; k++)
            snprintf(op->shown[k], sizeof op->shown[k], "i%u",
                     (unsigned)od_random_below(&random, ITEMS));
        op->has_user = od_random_below(&random, 4) > 0;
        op->has_session = !op->has_user || od_random_below(&random, 10) == 0;
        op->has_shown = od_random_below(&random, 3) == 0;
        op->time = 1000000 + (int64_t)i / 4 - (int64_t)od_random_below(&random, 3) * 50;
    }
}

static struct od_live_event event_of_op(const struct op *op, struct od_str shown[2])
{
    shown[0] = od_str_c(op->shown[0]);
    shown[1] = od_str_c(op->shown[1]);
    return (struct od_live_event){.user = op->has_user ? od_str_c(op->user) : OD_STR_NONE,
                                  .session = op->has_session ? od_str_c(op->session) : OD_STR_NONE,
                                  .item = od_str_c(op->item),
                                  .type = od_str_c(op->type),
                                  .time_s = op->time,
                                  .impression = op->has_shown ? shown : NULL,
                                  .impression_count = op->has_shown ? 2 : 0};
}

/* ---- worlds ---- */

struct world {
    struct od_serve *serve;
    struct od_live *live;
};

/* With all items, since an impression of an item that nobody named before counts for nothing. A
 * restart may meet them in another order, so that rows differ. */
static struct world new_world(bool backwards)
{
    char item[16];
    uint32_t row;
    struct od_error err;
    struct world w = {od_serve_new(&od_io_real), NULL};
    assert_int_equal(od_serve_group_add(w.serve, GROUP, &err), OD_OK);
    assert_int_equal(od_serve_dataset_set(w.serve, GROUP, OD_INTERACTIONS,
                                          od_str_c(INTERACTIONS_SCHEMA), OD_DOMAIN_NONE, &err),
                     OD_OK);
    w.live = od_serve_live(w.serve, GROUP);
    for (int i = 0; i < ITEMS; i++) {
        snprintf(item, sizeof item, "i%d", backwards ? ITEMS - 1 - i : i);
        assert_int_equal(od_table_row(w.live->items, od_str_c(item), &row), OD_OK);
    }
    return w;
}

static void free_world(struct world *w)
{
    od_live_unref(w->live);
    od_serve_free(w->serve);
}

static void apply(struct world *w, const struct op *op)
{
    struct od_str shown[2];
    struct od_live_event event = event_of_op(op, shown);
    assert_int_equal(od_serve_event(w->serve, GROUP, &event), OD_OK);
}

/* What the loader does: the file as far as it goes, then the log; written again and swapped in. */
static void fold(struct world *w, const char *path, const struct op *ops, size_t count, bool write)
{
    struct od_reload *reload;
    struct od_error err;
    int64_t from = 0;
    assert_int_equal(od_reload_begin(w->serve, GROUP, OD_INTERACTIONS, &reload, &err), OD_OK);
    enum od_status status = od_reload_resume(reload, path, STAMP, &from, &err);
    assert_true(status == OD_OK || status == OD_NOT_FOUND);
    for (size_t i = (size_t)from; i < count; i++) {
        struct od_str shown[2];
        struct od_live_event event = event_of_op(&ops[i], shown);
        assert_int_equal(od_reload_event(reload, &event), OD_OK);
    }
    if (write)
        assert_int_equal(od_reload_fold(reload, path, STAMP, (int64_t)count, &err), OD_OK);
    assert_int_equal(od_reload_commit(reload, &err), OD_OK);
}

static void expect_same_history(const struct world *a, const struct world *b, const char *name)
{
    const struct od_histories *ha = a->live->activity->histories;
    const struct od_histories *hb = b->live->activity->histories;
    struct od_history_event ea[OD_HISTORY_EVENTS], eb[OD_HISTORY_EVENTS];
    uint32_t na = od_histories_find(ha, od_str_c(name)), nb = od_histories_find(hb, od_str_c(name));
    assert_int_equal(na == OD_NO_CODE, nb == OD_NO_CODE);
    if (na == OD_NO_CODE)
        return;
    assert_true(od_str_eq(od_histories_text(hb, nb), od_str_c(name)));
    assert_true(od_str_eq(od_histories_text(ha, od_histories_owner(ha, na)),
                          od_histories_text(hb, od_histories_owner(hb, nb))));
    uint32_t count = od_histories_length(ha, na);
    assert_int_equal(od_histories_length(hb, nb), count);
    od_histories_copy(ha, na, count, ea);
    od_histories_copy(hb, nb, count, eb);
    for (uint32_t i = 0; i < count; i++) {
        assert_int_equal(ea[i].time, eb[i].time);
        assert_true(od_str_eq(od_table_id(a->live->items, ea[i].item_row),
                              od_table_id(b->live->items, eb[i].item_row)));
        assert_true(od_str_eq(a->live->types.texts[ea[i].type], b->live->types.texts[eb[i].type]));
    }
    if (count > 3) { /* the newest alone */
        od_histories_copy(hb, nb, 3, eb);
        assert_int_equal(ea[count - 3].time, eb[0].time);
    }
}

static struct od_item_facts facts_of(const struct world *w, const char *item)
{
    uint32_t row = od_table_find(w->live->items, od_str_c(item));
    const struct od_activity *a = w->live->activity;
    return row == OD_NO_ROW || row >= a->fact_count ? (struct od_item_facts){0} : a->facts[row];
}

static void expect_same(const struct world *a, const struct world *b)
{
    char name[16];
    for (int i = 0; i < 2 * PEOPLE; i++) {
        snprintf(name, sizeof name, "p%d", i);
        expect_same_history(a, b, name);
        snprintf(name, sizeof name, "s%d", i);
        expect_same_history(a, b, name);
    }
    for (int i = 0; i < ITEMS; i++) {
        snprintf(name, sizeof name, "i%d", i);
        struct od_item_facts fa = facts_of(a, name), fb = facts_of(b, name);
        assert_int_equal(fa.interactions, fb.interactions);
        assert_int_equal(fa.impressions, fb.impressions);
        assert_int_equal(fa.chosen, fb.chosen);
        assert_true(fa.interactions == 0 || fa.first_time == fb.first_time);
    }
    const struct od_activity *x = a->live->activity, *y = b->live->activity;
    assert_int_equal(x->latest_time, y->latest_time);
    assert_int_equal(x->impressions, y->impressions);
    assert_int_equal(x->chosen, y->chosen);
    assert_int_equal(x->changes, y->changes);
    assert_int_equal(od_histories_count(x->histories), od_histories_count(y->histories));
    assert_int_equal(od_histories_events(x->histories), od_histories_events(y->histories));
}

static void make_path(char *path, size_t size)
{
    char folder[] = "/tmp/ondol-history-XXXXXX";
    assert_non_null(mkdtemp(folder));
    snprintf(path, size, "%s/1.hist", folder);
}

static void remove_path(char *path)
{
    struct od_error err;
    *strrchr(path, '/') = '\0';
    assert_int_equal(od_io_remove_tree(&od_io_real, path, &err), OD_OK);
}

/* ---- tests ---- */

static void histories_are_the_same_whenever_they_are_folded_and_after_a_restart(void **state)
{
    (void)state;
    struct op *ops = calloc(OPS, sizeof *ops);
    for (uint64_t seed = 1; seed <= 4; seed++) {
        char path[64];
        struct od_random random;
        struct world plain = new_world(false), folded = new_world(false);
        make_path(path, sizeof path);
        make_ops(ops, OPS, seed);
        od_random_init(&random, seed + 100);
        uint64_t most_evicted = 0;
        for (size_t i = 0; i < OPS; i++) {
            apply(&plain, &ops[i]);
            apply(&folded, &ops[i]);
            if (od_random_below(&random, 500) == 0) {
                fold(&folded, path, ops, i + 1, true);
                uint64_t evicted = od_histories_evicted(folded.live->activity->histories);
                most_evicted = evicted > most_evicted ? evicted : most_evicted;
                assert_int_equal(evicted, od_histories_count(folded.live->activity->histories));
                expect_same(&plain, &folded);
            }
        }
        assert_true(most_evicted > PEOPLE);
        expect_same(&plain, &folded);
        struct world again = new_world(true);
        fold(&again, path, ops, OPS, false);
        assert_true(od_histories_evicted(again.live->activity->histories) > 0);
        expect_same(&plain, &again);
        free_world(&plain);
        free_world(&folded);
        free_world(&again);
        remove_path(path);
    }
    free(ops);
}

static void facts_that_only_live_events_told_of_stay_through_a_fold(void **state)
{
    (void)state;
    char path[64];
    struct op op = {.user = "u", .item = "i1", .type = "t", .has_user = true, .time = 5};
    struct world w = new_world(false);
    struct od_str shown[] = {OD_STR("i1"), OD_STR("i2")};
    struct od_str unused[2];
    make_path(path, sizeof path);
    struct od_live_event event = event_of_op(&op, unused);
    event.impression = shown; /* by recommendation id: the log does not say it */
    event.impression_count = 1;
    assert_int_equal(od_serve_event(w.serve, GROUP, &event), OD_OK);
    struct od_reload *reload;
    struct od_error err;
    assert_int_equal(od_reload_begin(w.serve, GROUP, OD_INTERACTIONS, &reload, &err), OD_OK);
    struct od_live_event replayed = event_of_op(&op, unused);
    assert_int_equal(od_reload_event(reload, &replayed), OD_OK);
    assert_int_equal(od_reload_fold(reload, path, STAMP, 1, &err), OD_OK);
    od_reload_same(reload);
    assert_int_equal(od_reload_commit(reload, &err), OD_OK);
    assert_int_equal(facts_of(&w, "i1").impressions, 1);
    assert_int_equal(facts_of(&w, "i1").chosen, 1);
    assert_int_equal(facts_of(&w, "i1").interactions, 1);
    free_world(&w);
    remove_path(path);
}

static void a_file_of_another_state_or_a_damaged_one_is_not_used(void **state)
{
    (void)state;
    enum { COUNT = 300 };
    char path[64];
    struct op *ops = calloc(COUNT, sizeof *ops);
    struct world w = new_world(false);
    struct od_error err;
    struct od_buf good;
    make_path(path, sizeof path);
    make_ops(ops, COUNT, 9);
    fold(&w, path, ops, COUNT, true);
    od_buf_init(&good, 1u << 24);
    assert_int_equal(od_io_read_file(&od_io_real, path, &good, &err), OD_OK);
    struct od_history_file *file;
    struct od_history_mark mark;
    assert_int_equal(od_history_file_open(&od_io_real, path, STAMP + 1, &file, &mark, &err),
                     OD_NOT_FOUND);
    for (size_t i = 0; i < good.len; i += 1 + i / 61) {
        char *bad = malloc(good.len);
        memcpy(bad, good.ptr, good.len);
        bad[i] ^= 0x10;
        assert_int_equal(od_io_write_file(&od_io_real, path, (struct od_str){bad, good.len}, &err),
                         OD_OK);
        enum od_status status = od_history_file_open(&od_io_real, path, STAMP, &file, &mark, &err);
        assert_true(status == OD_CORRUPT || status == OD_NOT_FOUND);
        free(bad);
    }
    for (size_t len = 0; len < good.len; len += 1 + len / 5) {
        assert_int_equal(od_io_write_file(&od_io_real, path, (struct od_str){good.ptr, len}, &err),
                         OD_OK);
        assert_int_equal(od_history_file_open(&od_io_real, path, STAMP, &file, &mark, &err),
                         OD_CORRUPT);
    }
    od_buf_done(&good);
    free_world(&w);
    remove_path(path);
    free(ops);
}

static void adding_in_bulk_leaves_what_adding_one_by_one_leaves(void **state)
{
    (void)state;
    struct od_random random;
    struct od_histories *one = od_histories_new(), *many = od_histories_new();
    uint32_t a, b;
    od_random_init(&random, 3);
    for (int round = 0; round < 20; round++) {
        for (int i = 0; i < 3000; i++) {
            char id[16];
            snprintf(id, sizeof id, "u%u",
                     (unsigned)(od_random_below(&random, 40) * od_random_below(&random, 40) / 40));
            uint64_t kind = od_random_below(&random, 12); /* one in twelve is rare */
            struct od_history_event e = {.time =
                                             (int64_t)od_random_below(&random, 500) + round * 300,
                                         .item_row = (uint32_t)od_random_below(&random, 6),
                                         .type = kind > 1 ? 0 : (uint16_t)(kind * (i % 5))};
            struct od_str text = od_str_c(id);
            assert_int_equal(od_histories_name(one, text, &a), OD_OK);
            assert_int_equal(od_histories_name_many(many, &text, 1, &b), OD_OK);
            assert_int_equal(a, b);
            assert_int_equal(od_histories_add(one, a, &e), OD_OK);
            assert_int_equal(od_histories_add_later(many, b, &e), OD_OK);
        }
        assert_int_equal(od_histories_settle(many), OD_OK);
        assert_int_equal(od_histories_events(one), od_histories_events(many));
        for (uint32_t name = 0; name < od_histories_count(one); name++) {
            struct od_history_event x[OD_HISTORY_EVENTS], y[OD_HISTORY_EVENTS];
            uint32_t count = od_histories_length(one, name);
            assert_int_equal(od_histories_length(many, name), count);
            od_histories_copy(one, name, count, x);
            od_histories_copy(many, name, count, y);
            for (uint32_t i = 0; i < count; i++) {
                assert_int_equal(x[i].time, y[i].time);
                assert_int_equal(x[i].item_row, y[i].item_row);
                assert_int_equal(x[i].type, y[i].type);
            }
        }
    }
    od_histories_free(one);
    od_histories_free(many);
}

/* The formula of docs/memory.md, against what the allocator handed out. */
static void memory_is_what_the_formula_says(void **state)
{
    (void)state;
#ifdef SANITIZED
    skip(); /* its allocator tells nothing */
#endif
    enum { USERS = 20000 };
    static const int lengths[] = {1, 5, 20, 200};
    for (size_t l = 0; l < sizeof lengths / sizeof *lengths; l++) {
        struct mallinfo2 before = mallinfo2();
        struct od_histories *histories = od_histories_new();
        for (int n = 0; n < lengths[l]; n++)
            for (int u = 0; u < USERS; u++) {
                char id[24];
                uint32_t name;
                struct od_history_event e = {.time = n};
                snprintf(id, sizeof id, "user-%011d", u); /* 16 characters */
                assert_int_equal(od_histories_name(histories, od_str_c(id), &name), OD_OK);
                assert_int_equal(od_histories_add(histories, name, &e), OD_OK);
            }
        struct mallinfo2 after = mallinfo2();
        double taken =
            (double)(after.uordblks + after.hblkhd) - (double)(before.uordblks + before.hblkhd);
        double told = (double)od_histories_bytes(histories);
        assert_true(taken > .9 * told && taken < 1.1 * told);
        /* a user: entry 24, dictionary 16 + up to 43, text 32; a ring: 16 and 16 a place */
        double ring = 4;
        while (ring < lengths[l])
            ring *= 2;
        ring = ring < OD_HISTORY_EVENTS ? ring : OD_HISTORY_EVENTS;
        assert_true(told >= USERS * (24 + 16 + 21 + 16 + 16 + 16 * ring));
        assert_true(told <= USERS * (2 * 24 + 2 * 16 + 43 + 32 + 16 + 16 * ring) + 4096);
        od_histories_free(histories);
    }
}

int main(void)
{
    (void)setup, (void)teardown; /* of the fixture: its worlds are not needed here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(histories_are_the_same_whenever_they_are_folded_and_after_a_restart),
        cmocka_unit_test(facts_that_only_live_events_told_of_stay_through_a_fold),
        cmocka_unit_test(a_file_of_another_state_or_a_damaged_one_is_not_used),
        cmocka_unit_test(adding_in_bulk_leaves_what_adding_one_by_one_leaves),
        cmocka_unit_test(memory_is_what_the_formula_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
