/* Who is answered when not all can be: whole overloads played through on a clock of our own. */
#include "api/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS          1000000LL
#define SECOND      1000000000LL
#define PATIENCE_NS (250 * MS)
#define MOST        4

/* A campaign and those who ask it: one request each `every_ns`. */
struct player {
    int64_t floor, every_ns, cost_ns, from_ns;
    unsigned lines; /* its connections are on the first so many threads */
    /* what came of requests asked since the warm-up */
    uint64_t asked, answered, refused;
    int64_t longest_ns;
    /* what was answered since then */
    uint64_t served;
    int64_t busy_ns;
    /* */
    struct od_account *account;
    int64_t next_ns;
    unsigned turn;
};

struct request {
    struct od_line_item item; /* first */
    struct player *player;
    bool counts;
};

struct machine {
    struct od_capacity *capacity;
    struct od_line lines[2];
    int64_t now_ns[2]; /* of each thread */
    unsigned threads;
    struct player *players;
    size_t player_count;
    int64_t warm_ns;
};

static struct od_str name_of(size_t i)
{
    static const char *const names[MOST] = {"arn:b", "arn:a", "arn:d", "arn:c"};
    return od_str_c(names[i]);
}

static void open_machine(struct machine *m, unsigned threads, struct player *players, size_t count)
{
    *m = (struct machine){.capacity = od_capacity_new(threads),
                          .threads = threads,
                          .players = players,
                          .player_count = count,
                          .warm_ns = 2 * SECOND};
    assert_non_null(m->capacity);
    for (unsigned t = 0; t < threads; t++)
        m->lines[t].thread = t;
    for (size_t i = 0; i < count; i++) {
        assert_non_null(od_capacity_add(m->capacity, name_of(i), players[i].floor, 0));
        players[i].account = od_capacity_find(m->capacity, name_of(i));
        players[i].next_ns = players[i].from_ns;
        if (!players[i].lines)
            players[i].lines = 1;
    }
}

static void ask(struct machine *m, struct player *p, int64_t at_ns)
{
    struct request *r = calloc(1, sizeof *r);
    assert_non_null(r);
    r->player = p;
    r->counts = at_ns >= m->warm_ns;
    r->item.account = p->account;
    r->item.since_ns = at_ns;
    p->asked += r->counts;
    od_line_add(&m->lines[p->turn++ % p->lines], &r->item);
}

/* All that is asked up to now, oldest first. */
static void arrive(struct machine *m, int64_t now_ns)
{
    for (;;) {
        struct player *first = NULL;
        for (size_t i = 0; i < m->player_count; i++)
            if (!first || m->players[i].next_ns < first->next_ns)
                first = &m->players[i];
        if (first->next_ns > now_ns)
            return;
        ask(m, first, first->next_ns);
        first->next_ns += first->every_ns;
    }
}

static void refuse(struct od_line_item *list)
{
    while (list) {
        struct request *r = (struct request *)list;
        list = list->next;
        r->player->refused += r->counts;
        free(r);
    }
}

/* The requests of one campaign, answered one after the other. */
static void serve(struct machine *m, unsigned t, struct od_line_item **items, size_t count)
{
    struct od_account *account = items[0]->account;
    int64_t begun_ns = m->now_ns[t], charged_ns = 0;
    size_t charged = 0;
    for (size_t i = 0; i < count; i++) {
        struct request *r = (struct request *)items[i];
        struct player *p = r->player;
        m->now_ns[t] += p->cost_ns;
        charged += !r->item.reserved;
        charged_ns += r->item.charged_ns;
        if (m->now_ns[t] >= m->warm_ns) {
            p->served++;
            p->busy_ns += p->cost_ns;
        }
        p->answered += r->counts;
        if (r->counts && m->now_ns[t] - r->item.since_ns > p->longest_ns)
            p->longest_ns = m->now_ns[t] - r->item.since_ns;
        free(r);
    }
    od_line_settle(account, count, charged, charged_ns, m->now_ns[t] - begun_ns);
}

static void play_round(struct machine *m, unsigned t)
{
    struct od_line_item *items[OD_LINE_BATCH];
    arrive(m, m->now_ns[t]);
    size_t count = od_line_take(&m->lines[t], m->now_ns[t], items);
    refuse(od_line_expire(&m->lines[t], m->now_ns[t], PATIENCE_NS));
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && items[end]->account == items[i]->account; end++)
            ;
        serve(m, t, &items[i], end - i);
    }
    if (!count)
        m->now_ns[t] += MS / 10;
}

static void close_machine(struct machine *m)
{
    for (unsigned t = 0; t < m->threads; t++) {
        struct od_line_item *list = od_line_clear(&m->lines[t]);
        while (list) {
            struct request *r = (struct request *)list;
            list = list->next;
            r->player->asked -= r->counts;
            free(r);
        }
        assert_int_equal(m->lines[t].length, 0);
    }
    for (size_t i = 0; i < m->player_count; i++) {
        assert_int_equal(m->players[i].asked, m->players[i].answered + m->players[i].refused);
        assert_int_equal(atomic_load(&m->players[i].account->waiting), 0);
        od_account_unref(m->players[i].account);
    }
    od_capacity_free(m->capacity);
}

/* Seconds of overload after two of warm-up; what still waits at the end counts as never asked. */
static void play(unsigned threads, struct player *players, size_t count, int seconds)
{
    struct machine m;
    open_machine(&m, threads, players, count);
    int64_t end_ns = m.warm_ns + seconds * SECOND;
    for (;;) {
        unsigned t = threads == 2 && m.now_ns[1] < m.now_ns[0];
        if (m.now_ns[t] >= end_ns)
            break;
        play_round(&m, t);
    }
    close_machine(&m);
}

static void assert_near(double value, double expected, double share)
{
    if (value < expected * (1 - share) || value > expected * (1 + share))
        fail_msg("%g is not near %g", value, expected);
}

/* --- the tests --- */

static void who_asks_no_more_than_its_floor_is_always_answered(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 100, .every_ns = SECOND / 100, .cost_ns = MS},
                         {.floor = 1, .every_ns = SECOND / 10000, .cost_ns = MS}};
    play(1, p, 2, 10);
    assert_int_equal(p[0].refused, 0);
    assert_true(p[0].answered >= 999);
    assert_true(p[0].longest_ns < 12 * MS); /* the helping before it, and its own */
    assert_near((double)p[1].served, 9000, 0.01);
    assert_true(p[1].refused > 80000);
}

static void spare_capacity_is_shared_evenly_whatever_the_floors(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 300, .every_ns = SECOND / 5000, .cost_ns = MS},
                         {.floor = 100, .every_ns = SECOND / 5000, .cost_ns = MS}};
    play(1, p, 2, 10);
    assert_near((double)p[0].served, 6000, 0.02); /* 300 + 600 / 2 a second */
    assert_near((double)p[1].served, 4000, 0.02);
}

static void unequal_costs_have_equal_time(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 1, .every_ns = SECOND / 3000, .cost_ns = MS / 2},
                         {.floor = 1, .every_ns = SECOND / 3000, .cost_ns = 2 * MS},
                         {.floor = 1, .every_ns = SECOND / 3000, .cost_ns = 8 * MS}};
    play(1, p, 3, 30);
    for (size_t i = 0; i < 3; i++)
        assert_near((double)p[i].busy_ns, 10.0 * SECOND, 0.03);
}

static void whoever_wants_less_than_its_share_has_it_and_others_the_rest(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 1, .every_ns = SECOND / 100, .cost_ns = MS},
                         {.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS},
                         {.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS}};
    play(1, p, 3, 10);
    assert_int_equal(p[0].refused, 0);
    assert_near((double)p[1].served, 4500, 0.02);
    assert_near((double)p[2].served, 4500, 0.02);
}

static void a_campaign_on_one_thread_has_as_much_as_one_on_both(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS, .lines = 1},
                         {.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS, .lines = 2}};
    play(2, p, 2, 10);
    assert_near((double)p[0].served, 10000, 0.03);
    assert_near((double)p[1].served, 10000, 0.03);
}

static void idleness_is_not_saved_up(void **state)
{
    (void)state;
    struct player p[] = {
        {.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS},
        {.floor = 1, .every_ns = SECOND / 5000, .cost_ns = MS, .from_ns = 10 * SECOND}};
    play(1, p, 2, 10); /* two of them together */
    assert_near((double)p[0].served, 8000 + 1000, 0.03);
    assert_near((double)p[1].served, 1000, 0.05);
}

static void floors_that_are_too_much_together_are_late_but_not_refused(void **state)
{
    (void)state;
    struct player p[] = {{.floor = 800, .every_ns = SECOND / 800, .cost_ns = MS},
                         {.floor = 800, .every_ns = SECOND / 800, .cost_ns = MS}};
    play(1, p, 2, 4);
    assert_int_equal(p[0].refused + p[1].refused, 0);
    assert_true(p[0].longest_ns > SECOND);
}

static void what_waited_too_long_is_refused_unless_it_has_a_token(void **state)
{
    (void)state;
    struct machine m;
    struct player p[] = {{.floor = 2}};
    struct od_line_item *items[OD_LINE_BATCH];
    open_machine(&m, 1, p, 1);
    m.warm_ns = 0;
    for (int i = 0; i < 5; i++)
        ask(&m, p, i * MS);
    assert_null(od_line_expire(&m.lines[0], PATIENCE_NS, PATIENCE_NS)); /* just not */
    refuse(od_line_expire(&m.lines[0], PATIENCE_NS + 3 * MS, PATIENCE_NS));
    assert_int_equal(p[0].refused, 1); /* the first two keep tokens, the last two are young */
    assert_int_equal(od_line_take(&m.lines[0], PATIENCE_NS + 4 * MS, items), 4);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(items[i]->since_ns, (i < 2 ? i : i + 1) * MS); /* in order of arrival */
        assert_int_equal(items[i]->reserved, i < 2);
        p[0].answered++;
        free(items[i]);
    }
    close_machine(&m);
}

static void a_helping_is_bounded_in_number_and_work(void **state)
{
    (void)state;
    struct machine m;
    struct player p[] = {{.floor = 1000, .cost_ns = MS / 1000}, {.floor = 1, .cost_ns = 4 * MS}};
    struct od_line_item *items[OD_LINE_BATCH];
    open_machine(&m, 1, p, 2);
    m.warm_ns = 0;
    od_line_settle(p[0].account, 1, 0, 0, p[0].cost_ns);
    od_line_settle(p[1].account, 1, 0, 0, p[1].cost_ns);
    for (int i = 0; i < 2 * OD_LINE_BATCH; i++)
        ask(&m, &p[0], 0);
    assert_int_equal(od_line_take(&m.lines[0], 0, items), OD_LINE_BATCH);
    serve(&m, 0, items, OD_LINE_BATCH);
    assert_int_equal(od_line_take(&m.lines[0], 0, items), OD_LINE_BATCH);
    serve(&m, 0, items, OD_LINE_BATCH);
    assert_int_equal(od_line_take(&m.lines[0], 0, items), 0);
    for (int i = 0; i < 9; i++)
        ask(&m, &p[1], 0);
    assert_int_equal(od_line_take(&m.lines[0], 0, items), 2); /* the second ends it */
    serve(&m, 0, items, 2);
    atomic_store(&p[1].account->shares, true); /* 4 ms count as half a one */
    for (int i = 0; i < 5; i++)
        ask(&m, &p[1], 0);
    assert_int_equal(od_line_take(&m.lines[0], 0, items), 10); /* of the 12 that wait */
    serve(&m, 0, items, 10);
    close_machine(&m);
}

static void those_of_one_campaign_lie_side_by_side(void **state)
{
    (void)state;
    struct machine m;
    struct player p[] = {{.floor = 9}, {.floor = 9}, {.floor = 9}};
    struct od_line_item *items[OD_LINE_BATCH];
    open_machine(&m, 1, p, 3);
    m.warm_ns = 0;
    for (int i = 0; i < 9; i++)
        ask(&m, &p[i % 3], i);
    assert_int_equal(od_line_take(&m.lines[0], SECOND, items), 9);
    for (int i = 0; i < 9; i++) {
        assert_ptr_equal(items[i]->account, items[i / 3 * 3]->account);
        if (i % 3)
            assert_int_equal(items[i]->since_ns, items[i - 1]->since_ns + 3);
    }
    serve(&m, 0, items, 3);
    serve(&m, 0, items + 3, 3);
    serve(&m, 0, items + 6, 3);
    close_machine(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_asks_no_more_than_its_floor_is_always_answered),
        cmocka_unit_test(spare_capacity_is_shared_evenly_whatever_the_floors),
        cmocka_unit_test(unequal_costs_have_equal_time),
        cmocka_unit_test(whoever_wants_less_than_its_share_has_it_and_others_the_rest),
        cmocka_unit_test(a_campaign_on_one_thread_has_as_much_as_one_on_both),
        cmocka_unit_test(idleness_is_not_saved_up),
        cmocka_unit_test(floors_that_are_too_much_together_are_late_but_not_refused),
        cmocka_unit_test(what_waited_too_long_is_refused_unless_it_has_a_token),
        cmocka_unit_test(a_helping_is_bounded_in_number_and_work),
        cmocka_unit_test(those_of_one_campaign_lie_side_by_side),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
