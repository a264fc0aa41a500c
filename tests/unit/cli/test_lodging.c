/* What docs/lodging.md says is planted, measured in the written files. One data set of 4,000 users
 * and 1,500 lodgings serves all tests; bands are several standard deviations wide. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "lodging_read.inc"

#define USERS   4000
#define ITEMS   1500
#define DAYS    90
#define START_S (END_S - DAYS * 86400LL)

struct made {
    char folder[64];
    struct od_lodging_config config;
    struct od_lodging_summary summary;
    struct read_data data;
    struct od_lodging_world world; /* the same again, for who a user is */
};

static int set_up(void **state)
{
    struct made *m = calloc(1, sizeof *m);
    struct od_error err;
    make_folder(m->folder);
    m->config = config_for(m->folder, USERS, ITEMS);
    assert_int_equal(od_lodging_generate(&od_io_real, &m->config, &m->summary, &err), OD_OK);
    read_data(m->folder, &m->data);
    assert_int_equal(od_lodging_world_init(&m->world, &m->config, &err), OD_OK);
    *state = m;
    return 0;
}

static int tear_down(void **state)
{
    struct made *m = *state;
    remove_folder(m->folder);
    od_lodging_world_done(&m->world);
    free_data(&m->data);
    free(m);
    return 0;
}

static void assert_band(double value, double low, double high)
{
    if (!(value >= low && value <= high))
        fail_msg("%g is not in [%g, %g]", value, low, high);
}

static struct od_lodging_user user_of(const struct made *m, uint32_t user)
{
    struct od_random rng;
    struct od_lodging_user out;
    od_lodging_user_draw(&m->world, user, &rng, &out);
    return out;
}

static void counts_are_exact(void **state)
{
    struct made *m = *state;
    assert_int_equal(m->data.users, USERS);
    assert_int_equal(m->data.item_count, ITEMS);
    assert_int_equal(m->data.event_count, m->summary.interactions);
    uint64_t expected = 0;
    uint32_t *count = calloc(USERS, sizeof *count);
    for (size_t i = 0; i < m->data.event_count; i++)
        count[m->data.events[i].user]++;
    for (uint32_t u = 0; u < USERS; u++) {
        assert_int_equal(count[u], user_of(m, u).events);
        assert_true(count[u] > 0);
        expected += count[u];
    }
    free(count);
    assert_int_equal(expected, m->summary.interactions);
    assert_band((double)expected / USERS, 27, 33); /* --events-per-user 30 */
}

static void ids_read_well(void **state)
{
    struct made *m = *state;
    assert_true(od_str_eq_c(od_dict_text(m->data.user_ids, 0), "U0000001"));
    assert_true(od_str_eq_c(od_dict_text(m->data.user_ids, USERS - 1), "U0004000"));
    /* numbers of a region are 1..count */
    assert_int_not_equal(od_dict_find(m->data.item_ids, OD_STR("jeju-00001")), OD_NO_CODE);
    assert_int_not_equal(od_dict_find(m->data.item_ids, OD_STR("jeju-00210")), OD_NO_CODE);
    assert_int_equal(od_dict_find(m->data.item_ids, OD_STR("jeju-00211")), OD_NO_CODE);
}

static void regions_have_their_shares(void **state)
{
    struct made *m = *state;
    size_t count[OD_REGIONS] = {0}, loved[OD_REGIONS] = {0}, seen[OD_REGIONS] = {0}, all = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        count[m->data.items[i].region]++;
        loved[m->data.items[i].region] += m->data.items[i].rating >= 90;
        all += m->data.items[i].rating >= 90;
    }
    for (size_t i = 0; i < m->data.event_count; i++)
        seen[m->data.items[m->data.events[i].item].region]++;
    for (int r = 0; r < OD_REGIONS; r++) {
        assert_int_equal(count[r], ITEMS * od_lodging_regions[r].share / 100);
        assert_band((double)loved[r] / (double)count[r], 0.1, 0.6);
        assert_band((double)seen[r] / (double)m->data.event_count, 0.01, 0.2);
    }
    assert_band((double)all / ITEMS, 0.27, 0.38);
}

static void lodgings_have_several_facilities(void **state)
{
    struct made *m = *state;
    size_t several = 0, inland_view = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        const struct read_item *item = &m->data.items[i];
        enum od_lodging_kind kind = od_lodging_regions[item->region].kind;
        assert_true(item->facilities != 0);
        several += (item->facilities & (item->facilities - 1)) != 0;
        inland_view +=
            (kind == OD_LAND_CITY || kind == OD_LAND_MOUNTAIN) && (item->facilities >> 6 & 1);
    }
    assert_band((double)several / ITEMS, 0.75, 0.97);
    assert_int_equal(inland_view, 0); /* no sea, no view of it */
}

static void events_keep_their_times(void **state)
{
    struct made *m = *state;
    for (size_t i = 0; i < m->data.event_count; i++) {
        const struct read_event *e = &m->data.events[i];
        assert_true(e->time >= START_S && e->time < END_S);
        assert_true(e->time >= m->data.items[e->item].created);
        assert_true(e->time >= START_S + user_of(m, e->user).start);
        if (i > 0 && m->data.events[i - 1].user == e->user)
            assert_true(e->time >= m->data.events[i - 1].time);
        else if (i > 0)
            assert_true(e->user == m->data.events[i - 1].user + 1);
    }
}

static void new_lodgings_and_users_appear(void **state)
{
    struct made *m = *state;
    size_t new_items = 0, new_users = 0, new_looks = 0;
    for (size_t i = 0; i < ITEMS; i++) {
        assert_true(m->data.items[i].created < END_S);
        new_items += m->data.items[i].created >= START_S;
    }
    for (uint32_t u = 0; u < USERS; u++)
        new_users += user_of(m, u).start > 0;
    for (size_t i = 0; i < m->data.event_count; i++)
        new_looks += m->data.items[m->data.events[i].item].created >= START_S;
    assert_band((double)new_items / ITEMS, 0.09, 0.15);
    assert_band((double)new_users / USERS, 0.17, 0.23);
    assert_band((double)new_looks / (double)m->data.event_count, 0.03, 0.10);
}

/* Calls back with each session: events of a user with no gap over half an hour. */
static void each_session(const struct made *m,
                         void (*call)(void *to, const struct made *m, size_t from, size_t end),
                         void *to)
{
    size_t from = 0;
    for (size_t i = 1; i <= m->data.event_count; i++) {
        const struct read_event *e = &m->data.events[i];
        if (i == m->data.event_count || e->user != e[-1].user || e->time - e[-1].time > 1800) {
            call(to, m, from, i);
            from = i;
        }
    }
}

struct coherence {
    double sum;
    size_t count, events, sessions;
};

static void measure_coherence(void *to, const struct made *m, size_t from, size_t end)
{
    struct coherence *c = to;
    size_t by_region[OD_REGIONS] = {0}, most = 0;
    c->sessions++;
    c->events += end - from;
    if (end - from < 4)
        return;
    for (size_t i = from; i < end; i++)
        by_region[m->data.items[m->data.events[i].item].region]++;
    for (int r = 0; r < OD_REGIONS; r++)
        most = by_region[r] > most ? by_region[r] : most;
    c->sum += (double)most / (double)(end - from);
    c->count++;
}

static void sessions_stay_in_one_region(void **state)
{
    struct made *m = *state;
    struct coherence c = {0};
    each_session(m, measure_coherence, &c);
    assert_band(c.sum / (double)c.count, 0.94, 0.985);
    assert_band((double)c.events / (double)c.sessions, 5, 10);
}

static void users_travel_to_several_regions(void **state)
{
    struct made *m = *state;
    size_t busy = 0, several = 0;
    for (size_t i = 0; i < m->data.event_count;) {
        uint32_t user = m->data.events[i].user;
        size_t by_region[OD_REGIONS] = {0}, count = 0, regions = 0;
        for (; i < m->data.event_count && m->data.events[i].user == user; i++, count++)
            by_region[m->data.items[m->data.events[i].item].region]++;
        for (int r = 0; r < OD_REGIONS; r++)
            regions += by_region[r] >= 5;
        busy += count >= 60;
        several += count >= 60 && regions >= 2;
    }
    assert_true(busy > 200);
    assert_band((double)several / (double)busy, 0.95, 1);
}

static void bookings_follow_a_look(void **state)
{
    struct made *m = *state;
    size_t booked = 0, wished = 0, looks = 0;
    uint32_t *seen_by = calloc(ITEMS, sizeof *seen_by); /* last user that looked, plus one */
    for (size_t i = 0; i < m->data.event_count; i++) {
        const struct read_event *e = &m->data.events[i];
        if (e->type == VIEW)
            seen_by[e->item] = e->user + 1;
        else
            assert_int_equal(seen_by[e->item], e->user + 1);
        booked += e->type == BOOK;
        wished += e->type == WISH;
        looks += e->type == VIEW;
        if (e->type == WISH) /* at once */
            assert_true(e[-1].item == e->item && e[-1].type == VIEW);
    }
    free(seen_by);
    assert_band((double)booked / (double)m->data.event_count, 0.03, 0.05);
    assert_band((double)wished / (double)looks, 0.05, 0.10);
}

static void loved_lodgings_are_booked_again(void **state)
{
    struct made *m = *state;
    size_t booked = 0, again = 0;
    for (size_t i = 0; i < m->data.event_count; i++) {
        const struct read_event *e = &m->data.events[i];
        if (e->type != BOOK)
            continue;
        booked++;
        for (size_t k = i; k-- > 0 && m->data.events[k].user == e->user;)
            if (m->data.events[k].type == BOOK && m->data.events[k].item == e->item) {
                again++;
                break;
            }
    }
    /* by chance two trips of a user would meet in one of ~100 lodgings of a region */
    assert_band((double)again / (double)booked, 0.015, 0.08);
}

static void weekends_holidays_and_evenings_are_busy(void **state)
{
    struct made *m = *state;
    double by_day[DAYS + 2] = {0}, by_hour[24] = {0}, free_sum = 0, work_sum = 0;
    int64_t first = (START_S + OD_KST_S) / 86400;
    int free_days = 0, work_days = 0;
    for (size_t i = 0; i < m->data.event_count; i++) {
        int64_t local = m->data.events[i].time + OD_KST_S;
        by_day[local / 86400 - first]++;
        by_hour[local % 86400 / 3600]++;
    }
    double chuseok = by_day[20721 - first]; /* 2026-09-25, a Friday */
    for (int d = 1; d < DAYS; d++) {        /* whole days alone */
        int weekday = (int)((first + d + 4) % 7);
        bool is_free = weekday == 0 || weekday == 6 || od_lodging_holiday(first + d);
        free_sum += is_free ? by_day[d] : 0;
        work_sum += is_free ? 0 : by_day[d];
        free_days += is_free;
        work_days += !is_free;
    }
    double work = work_sum / work_days;
    assert_band(free_sum / free_days / work, 1.3, 1.8);
    assert_band(chuseok / work, 1.3, 2.3);
    assert_true(by_hour[21] > 1.6 * by_hour[15] && by_hour[15] > 5 * by_hour[4]);
}

static int down(const void *a, const void *b)
{
    const double *x = a, *y = b;
    return (*x < *y) - (*x > *y);
}

static void popularity_is_a_power_law(void **state)
{
    struct made *m = *state;
    double *count = calloc(ITEMS, sizeof *count), top = 0, sum = 0;
    double sx = 0, sy = 0, sxx = 0, sxy = 0, n = 0;
    for (size_t i = 0; i < m->data.event_count; i++)
        count[m->data.events[i].item]++;
    qsort(count, ITEMS, sizeof *count, down);
    for (size_t i = 0; i < ITEMS; i++) {
        top += i < ITEMS / 100 ? count[i] : 0;
        sum += count[i];
        if (i >= 10 && i < ITEMS / 4) {
            double x = log((double)i + 1), y = log(count[i]);
            sx += x, sy += y, sxx += x * x, sxy += x * y, n++;
        }
    }
    free(count);
    assert_band(top / sum, 0.08, 0.20);
    assert_band((n * sxy - sx * sy) / (n * sxx - sx * sx), -1.0, -0.5);
}

static void activity_has_a_long_tail(void **state)
{
    struct made *m = *state;
    double count[USERS] = {0}, top = 0, sum = 0;
    for (size_t i = 0; i < m->data.event_count; i++)
        count[m->data.events[i].user]++;
    qsort(count, USERS, sizeof *count, down);
    for (size_t i = 0; i < USERS; i++) {
        top += i < USERS / 100 ? count[i] : 0;
        sum += count[i];
    }
    assert_band(top / sum, 0.08, 0.22);
    assert_band(count[USERS / 2], 8, 18); /* median far under the mean of 30 */
    assert_true(count[0] <= 20 * 30 * 1.3);
}

static void tastes_show(void **state)
{
    struct made *m = *state;
    double preferred = 0, chance = 0, wanted = 0, wanted_chance = 0;
    double grade_share[OD_GRADES] = {0}, facility_share[OD_FACILITIES] = {0};
    double dear[OD_TIERS] = {0}, by_tier[OD_TIERS] = {0};
    double n = (double)m->data.event_count;
    for (size_t i = 0; i < m->data.event_count; i++) {
        const struct read_item *item = &m->data.items[m->data.events[i].item];
        grade_share[item->grade] += 1 / n;
        for (int f = 0; f < OD_FACILITIES; f++)
            facility_share[f] += (item->facilities >> f & 1) / n;
    }
    for (size_t i = 0; i < m->data.event_count; i++) {
        const struct read_item *item = &m->data.items[m->data.events[i].item];
        struct od_lodging_user user = user_of(m, m->data.events[i].user);
        assert_int_equal(user.tier, m->data.tiers[m->data.events[i].user]);
        preferred += item->grade == user.grade;
        chance += grade_share[user.grade];
        wanted += (item->facilities & user.wants[0]) != 0;
        wanted_chance += facility_share[__builtin_ctz(user.wants[0])];
        dear[user.tier] += item->grade >= 3;
        by_tier[user.tier]++;
    }
    assert_band(preferred / chance, 1.4, 2.5);
    assert_band(wanted / wanted_chance, 1.15, 2);
    for (int t = 1; t < OD_TIERS; t++)
        assert_true(dear[t] / by_tier[t] > dear[t - 1] / by_tier[t - 1]);
}

/* Spearman's idea with halves: lodgings with more FAVORITE than the median are looked at more. */
static void favorite_goes_with_popularity(void **state)
{
    struct made *m = *state;
    double favorite[ITEMS], above = 0, below = 0;
    double *looks = calloc(ITEMS, sizeof *looks);
    for (size_t i = 0; i < m->data.event_count; i++)
        looks[m->data.events[i].item]++;
    for (size_t i = 0; i < ITEMS; i++)
        favorite[i] = (double)m->data.items[i].favorite;
    qsort(favorite, ITEMS, sizeof *favorite, down);
    for (size_t i = 0; i < ITEMS; i++)
        *((double)m->data.items[i].favorite > favorite[ITEMS / 2] ? &above : &below) += looks[i];
    free(looks);
    assert_band(above / below, 2, 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_exact),
        cmocka_unit_test(ids_read_well),
        cmocka_unit_test(regions_have_their_shares),
        cmocka_unit_test(lodgings_have_several_facilities),
        cmocka_unit_test(events_keep_their_times),
        cmocka_unit_test(new_lodgings_and_users_appear),
        cmocka_unit_test(sessions_stay_in_one_region),
        cmocka_unit_test(users_travel_to_several_regions),
        cmocka_unit_test(bookings_follow_a_look),
        cmocka_unit_test(loved_lodgings_are_booked_again),
        cmocka_unit_test(weekends_holidays_and_evenings_are_busy),
        cmocka_unit_test(popularity_is_a_power_law),
        cmocka_unit_test(activity_has_a_long_tail),
        cmocka_unit_test(tastes_show),
        cmocka_unit_test(favorite_goes_with_popularity),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
