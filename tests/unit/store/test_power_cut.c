/* A sync failed, the server was killed, and later the power failed: the store still has what was
 * acknowledged before and after.
 *
 * After a failed sync the kernel takes pages for written that are not. A killed server's successor
 * reads them from memory as if they were on the disk; what it then adds behind them would be lost
 * with them. Hence the store writes again what it finds in the log (store/log_again.c). The disk is
 * that of sim/disk.h. ONDOL_TORTURE=1 tries 1,000 seeds. */
#include "store/fixture.inc"

#include "base/random.h"
#include "sim/cut.h"
#include "sim/vfs.h"

#define DATASET OD_STR("arn:dataset/limbo")
#define LIVES   3
#define COMMITS 8 /* of a life */
#define PARTS   3 /* events of a commit */
#define ALL     (LIVES * COMMITS)

struct run {
    struct fixture f;
    char folders[LIVES + 1][256]; /* one a life, and what is left after the cut */
    struct {
        size_t from, to;
        bool done;
    } commits[ALL];
    int seen[ALL][PARTS];
    size_t refused;
};

static bool commit_one(struct run *r, int number)
{
    char ids[PARTS][32], body[700];
    struct od_event events[PARTS];
    bool fresh[PARTS];
    memset(body, 'b', sizeof body);
    for (int i = 0; i < PARTS; i++) {
        snprintf(ids[i], sizeof ids[i], "%d/%d", number, i);
        events[i] = (struct od_event){.user = OD_STR("user"),
                                      .session = OD_STR("session"),
                                      .item = str(ids[i]),
                                      .type = OD_STR("view"),
                                      .event_id = str(ids[i]),
                                      .time_s = number,
                                      .arrived_ms = 1,
                                      .body = {body, (size_t)(number * 97 % 700)}};
    }
    if (od_store_begin(r->f.store, &r->f.err) != OD_OK)
        return false;
    if (od_events_append(r->f.store, DATASET, events, PARTS, fresh, &r->f.err) == OD_OK)
        return od_store_commit(r->f.store, &r->f.err) == OD_OK;
    od_store_rollback(r->f.store);
    return false;
}

static void live(struct run *r, int life, uint64_t seed)
{
    static const char *const pragmas[] = {"PRAGMA wal_autocheckpoint=3",
                                          "PRAGMA wal_autocheckpoint=20",
                                          "PRAGMA wal_autocheckpoint=8192"};
    ok(&r->f, od_store_open(&disk_io, r->folders[life], &r->f.store, &r->f.err));
    ok(&r->f, od_sql_execute(r->f.store->sql, pragmas[seed % 3], &r->f.err));
    for (int i = 0; i < COMMITS; i++) {
        int number = life * COMMITS + i;
        /* the last ones of a life meet the bad disk; the last life has a good one */
        disk.failing = life < LIVES - 1 && i >= COMMITS / 2 ? 500 : 0;
        r->commits[number].from = sim_position();
        r->commits[number].done = commit_one(r, number);
        r->commits[number].to = sim_position();
        r->refused += !r->commits[number].done;
    }
    disk.failing = 0;
}

static enum od_status see(void *context, const struct od_event *event)
{
    struct run *r = context;
    int number, part;
    if (sscanf(event->item.ptr, "%d/%d", &number, &part) != 2 || number < 0 || number >= ALL ||
        part < 0 || part >= PARTS)
        return OD_CORRUPT;
    r->seen[number][part]++;
    return OD_OK;
}

static void audit(struct run *r, size_t k, uint64_t seed)
{
    ok(&r->f, od_store_open(io, r->folders[LIVES], &r->f.store, &r->f.err));
    ok(&r->f, od_events_read(od_store_as_reader(r->f.store), DATASET, 0, 0, see, r, &r->f.err));
    for (int number = 0; number < ALL; number++)
        for (int part = 0; part < PARTS; part++) {
            int seen = r->seen[number][part];
            bool must = r->commits[number].done && r->commits[number].to <= k;
            bool may = r->commits[number].from <= k;
            if (seen > 1 || (must && !seen) || (seen && !may) || seen != r->seen[number][0])
                fail_msg("seed %llu: event %d/%d is there %d times; acknowledged %d",
                         (unsigned long long)seed, number, part, seen, must);
        }
    od_store_close(r->f.store);
    r->f.store = NULL;
}

static size_t try_seed(uint64_t seed)
{
    struct od_random rng;
    struct run *r = calloc(1, sizeof *r);
    struct od_store *dead[LIVES];
    assert_non_null(r);
    fixture_begin(&r->f);
    for (int i = 0; i <= LIVES; i++) {
        snprintf(r->folders[i], sizeof r->folders[i], "%.200s/%d", r->f.folder, i);
        assert_int_equal(mkdir(r->folders[i], 0700), 0);
    }
    od_random_init(&rng, seed);
    sim_begin(r->folders[0], seed);
    sim_vfs_on();
    for (int life = 0; life < LIVES; life++) {
        if (life)
            sim_restart(r->folders[life]);
        live(r, life, seed);
        dead[life] = r->f.store;
        r->f.store = NULL;
    }
    /* anywhere in the last life, mostly; it has no failing syncs of its own */
    size_t first = seed % 4 ? r->commits[ALL - COMMITS].to : r->commits[0].to;
    size_t k = first + (size_t)od_random_below(&rng, disk.count - first + 1);
    sim_cut(k, seed, (enum sim_style)(seed / 4 % SIM_STYLES), r->folders[LIVES]);
    for (int life = 0; life < LIVES; life++)
        od_store_close(dead[life]);
    sim_vfs_off();
    audit(r, k, seed);
    sim_end();
    size_t refused = r->refused;
    fixture_end(&r->f);
    free(r);
    return refused;
}

static void a_log_in_limbo_takes_nothing_with_it(void **state)
{
    (void)state;
    uint64_t count = getenv("ONDOL_TORTURE") ? 1000 : 60;
    size_t refused = 0;
    for (uint64_t seed = 0; seed < count; seed++)
        refused += try_seed(seed);
    print_message("%llu power cuts after failed syncs, %zu commits refused\n",
                  (unsigned long long)count, refused);
    assert_true(refused > count); /* the disk was bad indeed */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_log_in_limbo_takes_nothing_with_it)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
