/* Exploration, by its statistics: how much, of what, and when not at all. */
#include "serve/fixture.inc"

#include "base/random.h"

#include <math.h>

enum { ITEMS = 200, QUERIES = 2000 };

/* 200 old items in the model; the last 20 of them, and 10 more that no model knows, are 3 days old.
 * The newest interaction is at NOW. */
static void shop(struct fixture *f, const char *recipe, double weight)
{
    char id[16];
    for (int i = 0; i < ITEMS; i++) {
        snprintf(id, sizeof id, "i%03d", i);
        put_item(f, id, i < ITEMS - 20 ? "old" : "young", 1, NOW - (i < ITEMS - 20 ? 200 : 3) * DAY,
                 NULL);
    }
    for (int i = 0; i < 10; i++) {
        snprintf(id, sizeof id, "new%d", i);
        put_item(f, id, "new", 1, NOW - 3 * DAY, NULL);
    }
    event(f, "other", NULL, "i000", "view", NOW);
    campaign(f, recipe, ITEMS, 0.05F, 1, weight);
}

struct tally {
    int shown, young, cold, most;
    bool sorted;
};

static bool is_young(const struct od_ranked_item *item)
{
    return item->id.ptr[0] == 'n' || strtol(item->id.ptr + 1, NULL, 10) >= ITEMS - 20;
}

static struct tally count(struct fixture *f, const struct od_recommend_query *query, int queries)
{
    struct tally tally = {.sorted = true};
    for (int q = 0; q < queries; q++) {
        od_arena_reset(&f->arena);
        recommend(f, query);
        int young = 0;
        for (size_t i = 0; i < f->answer.count; i++) {
            const struct od_ranked_item *item = &f->answer.items[i];
            young += is_young(item);
            tally.cold += item->id.ptr[0] == 'n';
            tally.sorted &= i == 0 || item->score <= item[-1].score;
            for (size_t j = 0; j < i; j++)
                assert_false(od_str_eq(item->id, f->answer.items[j].id));
        }
        tally.shown += (int)f->answer.count;
        tally.young += young;
        tally.most = young > tally.most ? young : tally.most;
    }
    return tally;
}

static void the_default_gives_a_twentieth_to_a_tenth_to_young_items(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization", -1);
    struct od_recommend_query query = query_of("u", 10);
    struct tally tally = count(f, &query, QUERIES);
    double share = (double)tally.young / tally.shown;
    assert_int_equal(tally.shown, 10 * QUERIES);
    assert_true(share > 0.05 && share < 0.10);
    assert_true(tally.most <= 1); /* never a flood: 7.5 % of ten places */
    assert_true(tally.cold > QUERIES / 50);
    assert_true(tally.young - tally.cold > QUERIES / 50);
    assert_true(tally.sorted);
}

static void weight_one_explores_a_quarter_and_weight_zero_nothing(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization", 1);
    struct od_recommend_query query = query_of("u", 20);
    struct tally tally = count(f, &query, 500);
    assert_true(tally.young > 0.2 * tally.shown && tally.young < 0.26 * tally.shown);
    assert_true(tally.most <= 6);
    campaign(f, "aws-user-personalization", ITEMS, 0.05F, 1, 0);
    for (int i = 0; i < 50; i++) {
        recommend(f, &query);
        assert_string_equal(ids(f), "i000 i001 i002 i003 i004 i005 i006 i007 i008 i009 i010 i011 "
                                    "i012 i013 i014 i015 i016 i017 i018 i019");
    }
}

static void other_recipes_do_not_explore(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-popularity-count", 1);
    struct od_recommend_query query = query_of("u", 20);
    assert_int_equal(count(f, &query, 50).young, 0);
}

static void nothing_changes_when_no_item_is_young(void **state)
{
    struct fixture *f = *state;
    char id[16];
    for (int i = 0; i < 50; i++) {
        snprintf(id, sizeof id, "i%03d", i);
        put_item(f, id, "old", 1, NOW - 31 * DAY, NULL);
    }
    event(f, "other", NULL, "i000", "view", NOW);
    campaign(f, "aws-user-personalization", 50, 0.05F, 1, 1);
    struct od_recommend_query query = query_of("u", 5);
    for (int i = 0; i < 200; i++) {
        recommend(f, &query);
        assert_string_equal(ids(f), "i000 i001 i002 i003 i004");
    }
}

static void age_counts_back_from_the_latest_interaction(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization", 1);
    struct od_recommend_query query = query_of("u", 20);
    event(f, "other", NULL, "i000", "view", NOW + 40 * DAY);
    assert_true(count(f, &query, 50).young > 0); /* a clock that is wrong makes nothing old */
    query.now_ms = (NOW + 40 * DAY) * 1000;
    assert_int_equal(count(f, &query, 50).young, 0);
}

static void items_without_creation_time_count_from_their_first_interaction(void **state)
{
    struct fixture *f = *state;
    put_item(f, "i000", "x", 1, NOW - 100 * DAY, NULL);
    campaign(f, "aws-user-personalization", 60, 0.05F, 1, 1);
    event(f, "other", NULL, "i050", "view", NOW - 50 * DAY); /* old by its first interaction */
    event(f, "other", NULL, "i050", "view", NOW);
    event(f, "other", NULL, "i059", "view", NOW - 5 * DAY); /* young by it */
    struct od_recommend_query query = query_of("u", 20);
    int young = 0;
    for (int i = 0; i < 100; i++) {
        recommend(f, &query);
        young += strstr(ids(f), "i059") != NULL;
        assert_null(strstr(ids(f), "i050"));
        assert_null(strstr(ids(f), "i049")); /* only an id: neither record nor interaction */
    }
    assert_true(young > 50);
}

static void showing_and_choosing_ends_the_doubt(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization", 1);
    struct od_recommend_query query = query_of("u", 20);
    struct od_str shown[20];
    char names[20][16], item[16];
    for (int i = 0; i < 20; i++) {
        snprintf(names[i], sizeof names[i], "i%03d", ITEMS - 20 + i);
        shown[i] = od_str_c(names[i]);
    }
    int before = count(f, &query, 300).young;
    for (int i = 0; i < 2000; i++) {
        struct od_live_event live = event_of("other", NULL, "i001", "view", NOW);
        live.impression = shown;
        live.impression_count = 20;
        assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_OK);
        snprintf(item, sizeof item, "new%d", i % 10);
        event(f, "other", NULL, item, "view", NOW);
    }
    query.now_ms += 60000;
    int after = count(f, &query, 300).young;
    assert_true(after < before / 3);
}

static void filters_and_promotions_bind_exploration(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization", 1);
    struct od_recommend_query query = query_of("u", 20);
    query.filter_arn = FILTER;
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Items.GENRE IN (\"young\")");
    struct tally tally = count(f, &query, 100);
    assert_true(tally.young > 100);
    assert_int_equal(tally.young, tally.cold);
    add_filter(f, FILTER, "EXCLUDE ItemID WHERE Items.GENRE IN (\"young\", \"new\")");
    assert_int_equal(count(f, &query, 100).young, 0);
    query.filter_arn = OD_STR_NONE;
    add_filter(f, FILTER2, "INCLUDE ItemID WHERE Items.GENRE IN (\"young\")");
    struct od_promotion_query promotion = {
        .name = OD_STR("p"), .percent = 50, .filter_arn = FILTER2};
    query.promotion = &promotion;
    for (int q = 0; q < 100; q++) {
        recommend(f, &query);
        int promoted = 0;
        for (size_t i = 0; i < 20; i++) {
            promoted += f->answer.items[i].promotion.ptr != NULL;
            for (size_t j = 0; j < i; j++)
                assert_false(od_str_eq(f->answer.items[i].id, f->answer.items[j].id));
        }
        assert_int_equal(promoted, 10);
    }
}

/* Like the acceptance test: who has just looked at eight things of a kind sees that kind. */
static void a_clear_taste_is_not_drowned(void **state)
{
    struct fixture *f = *state;
    char id[16];
    shop(f, "aws-user-personalization", -1);
    for (int i = 0; i < 8; i++) {
        snprintf(id, sizeof id, "i%03d", 4 * i + 1);
        event(f, "u", NULL, id, "view", NOW);
    }
    struct od_recommend_query query = query_of("u", 10);
    for (int q = 0; q < 500; q++) {
        recommend(f, &query);
        int kind = 0;
        for (size_t i = 0; i < 10; i++)
            kind += f->answer.items[i].id.ptr[0] == 'i' &&
                    strtol(f->answer.items[i].id.ptr + 1, NULL, 10) % 4 == 1;
        assert_true(kind >= 9);
    }
}

static void the_second_version_explores_a_thousandth_and_says_so(void **state)
{
    struct fixture *f = *state;
    shop(f, "aws-user-personalization-v2", -1);
    struct od_recommend_query query = query_of("u", 50);
    int reasons = 0;
    for (int q = 0; q < 500; q++) {
        od_arena_reset(&f->arena);
        recommend(f, &query);
        for (size_t i = 0; i < f->answer.count; i++) {
            const struct od_ranked_item *item = &f->answer.items[i];
            assert_true(od_str_eq_c(item->reason, is_young(item) ? "Exploration" : "Popular item"));
            reasons += is_young(item);
        }
    }
    assert_true(reasons > 5 && reasons < 50); /* 25 expected */
}

/* --- the same chance again: a machine whose randomness is a seed --- */

static struct od_random chance;

static enum od_status seeded(const struct od_io *io, void *out, size_t len)
{
    (void)io;
    uint8_t *bytes = out;
    for (size_t i = 0; i < len; i++)
        bytes[i] = (uint8_t)od_random_below(&chance, 256);
    return OD_OK;
}

static struct od_io by_seed(uint64_t seed)
{
    struct od_io io = od_io_real;
    io.random = seeded;
    od_random_init(&chance, seed);
    return io;
}

static void the_same_seed_gives_the_same_answers(void **state)
{
    struct fixture *f = *state;
    static char first[20][8192];
    shop(f, "aws-user-personalization", 1);
    struct od_recommend_query query = query_of("u", 20);
    for (int round = 0; round < 2; round++) {
        struct od_io io = by_seed(77);
        f->serve->io = &io;
        for (int q = 0; q < 20; q++) {
            recommend(f, &query);
            if (round == 0)
                snprintf(first[q], sizeof first[q], "%s", ids(f));
            else
                assert_string_equal(first[q], ids(f));
        }
        f->serve->io = &od_io_real;
    }
    assert_string_not_equal(first[0], first[1]);
}

/* As batch jobs ask: whatever the machine's random numbers, and nobody has seen the answer. */
static void a_querys_own_seed_decides_and_is_not_remembered(void **state)
{
    struct fixture *f = *state;
    struct od_impression_list shown;
    char first[2000], second[2000];
    shop(f, "aws-user-personalization", 1);
    assert_int_equal(od_serve_warm(f->serve, CAMPAIGN, NOW * 1000, &f->err), OD_OK);
    assert_int_equal(od_serve_warm(f->serve, GROUP, NOW * 1000, &f->err), OD_NOT_FOUND);
    uint64_t seed = 7, other = 8;
    struct od_recommend_query query = query_of("u", 20);
    query.seed = &seed;
    recommend(f, &query);
    snprintf(first, sizeof first, "%s %s", f->answer.recommendation_id, ids(f));
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(f->answer.recommendation_id),
                                          &f->arena, &shown),
                     OD_NOT_FOUND);
    recommend(f, &query);
    snprintf(second, sizeof second, "%s %s", f->answer.recommendation_id, ids(f));
    assert_string_equal(first, second);
    query.seed = &other;
    recommend(f, &query);
    snprintf(second, sizeof second, "%s %s", f->answer.recommendation_id, ids(f));
    assert_string_not_equal(first, second);
}

static void propensities_are_kept_with_the_answer(void **state)
{
    struct fixture *f = *state;
    struct od_impression_list shown;
    double sum = 0;
    int explored = 0;
    shop(f, "aws-user-personalization", 0.4); /* a tenth of the places */
    struct od_recommend_query query = query_of("u", 10);
    for (int q = 0; q < 400; q++) {
        od_arena_reset(&f->arena);
        recommend(f, &query);
        assert_int_equal(od_serve_impressions(f->serve, GROUP,
                                              od_str_c(f->answer.recommendation_id), &f->arena,
                                              &shown),
                         OD_OK);
        assert_int_equal(shown.count, 10);
        for (size_t i = 0, before = 0; i < 10; i++) {
            if (!is_young(&f->answer.items[i])) {
                /* of ten places one is chosen, each as likely: those behind it, or before it */
                double stays = before ? 0.1 * (double)i : 0.9 - 0.1 * (double)i;
                assert_true(fabs((double)shown.propensities[i] - stays) < 1e-6);
                continue;
            }
            before++;
            /* 30 young ones share a tenth: the mean chance of one drawn is well below it */
            assert_true(shown.propensities[i] > 0 && shown.propensities[i] <= 0.1F);
            sum += (double)shown.propensities[i];
            explored++;
        }
    }
    assert_true(explored > 250);
    assert_true(sum / explored > 0.1 / 60 && sum / explored < 0.1 / 4);
    campaign(f, "aws-user-personalization", ITEMS, 0.05F, 1, 0);
    recommend(f, &query);
    assert_int_equal(od_serve_impressions(f->serve, GROUP, od_str_c(f->answer.recommendation_id),
                                          &f->arena, &shown),
                     OD_OK);
    for (size_t i = 0; i < 10; i++)
        assert_true(shown.propensities[i] == 1); /* nothing is left to chance */
}

/* --- learning which new items are good --- */

enum { ARMS = 30, ROUNDS = 6000 };

/* New items are chosen by these chances when shown; old ones by 0.05. */
static double arm_rate(int arm)
{
    return arm == 7 ? 0.30 : arm % 5 == 0 ? 0.10 : 0.02;
}

struct regret {
    double mean; /* of the best rate less that of the item shown */
    int shown;
};

/* Plays against the server: each answer of ten is looked at, and the first item that pleases is
 * chosen, or something else; the list is the impression either way. */
static struct regret play_server(struct fixture *f, uint64_t seed)
{
    struct od_random user;
    struct regret regret = {0};
    struct od_recommend_query query = query_of("u", 10);
    od_random_init(&user, seed);
    for (int q = 0; q < ROUNDS; q++) {
        struct od_str shown[10];
        size_t chosen = 10;
        od_arena_reset(&f->arena);
        query.now_ms += 1001; /* young items are looked for every second */
        recommend(f, &query);
        for (size_t i = 0; i < f->answer.count; i++) {
            shown[i] = f->answer.items[i].id;
            bool fresh = shown[i].ptr[0] == 'n';
            double rate = fresh ? arm_rate((int)strtol(shown[i].ptr + 3, NULL, 10)) : 0.05;
            if (fresh) {
                regret.mean += 0.30 - rate;
                regret.shown++;
            }
            if (chosen == 10 && od_random_double(&user) < rate)
                chosen = i;
        }
        struct od_live_event live = event_of("other", NULL, "i099", "view", NOW);
        if (chosen < 10)
            live.item = shown[chosen];
        live.impression = shown;
        live.impression_count = f->answer.count;
        assert_int_equal(od_serve_event(f->serve, GROUP, &live), OD_OK);
    }
    regret.mean /= regret.shown;
    return regret;
}

/* Epsilon-greedy, a tenth by chance, with as many showings, told every choice and every refusal. */
static double play_greedy(int showings, uint64_t seed)
{
    double shown[ARMS] = {0}, chosen[ARMS] = {0}, sum = 0;
    struct od_random rng;
    od_random_init(&rng, seed);
    for (int k = 0; k < showings; k++) {
        int best = (int)od_random_below(&rng, ARMS);
        bool by_chance = od_random_double(&rng) < 0.1;
        for (int a = 0; a < ARMS && !by_chance; a++)
            if (chosen[a] * (shown[best] + 1) > chosen[best] * (shown[a] + 1))
                best = a;
        shown[best]++;
        chosen[best] += od_random_double(&rng) < arm_rate(best);
        sum += 0.30 - arm_rate(best);
    }
    return sum / showings;
}

static void new_items_are_learnt_with_less_regret_than_by_epsilon_greedy(void **state)
{
    struct fixture *f = *state;
    double mine = 0, greedy = 0, by_chance = 0;
    char id[16];
    for (int i = 0; i < 100; i++) {
        snprintf(id, sizeof id, "i%03d", i);
        put_item(f, id, "old", 1, NOW - 200 * DAY, NULL);
    }
    for (int a = 0; a < ARMS; a++) {
        snprintf(id, sizeof id, "new%d", a);
        put_item(f, id, "new", 1, NOW - 3 * DAY, NULL);
        by_chance += (0.30 - arm_rate(a)) / ARMS;
    }
    event(f, "other", NULL, "i000", "view", NOW);
    campaign(f, "aws-user-personalization", 100, 0.05F, 1, 0.4); /* one place an answer */
    struct od_io io = by_seed(5);
    f->serve->io = &io;
    struct regret regret = play_server(f, 6);
    f->serve->io = &od_io_real;
    mine = regret.mean;
    for (uint64_t seed = 0; seed < 20; seed++)
        greedy += play_greedy(regret.shown, seed) / 20;
    print_message("regret a showing: %.4f, epsilon-greedy %.4f, by chance %.4f, %d showings\n",
                  mine, greedy, by_chance, regret.shown);
    assert_true(regret.shown > ROUNDS / 10);
    assert_true(mine < greedy);
    assert_true(mine < by_chance * 0.7);
}

#define CASE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(the_default_gives_a_twentieth_to_a_tenth_to_young_items),
        CASE(weight_one_explores_a_quarter_and_weight_zero_nothing),
        CASE(other_recipes_do_not_explore),
        CASE(nothing_changes_when_no_item_is_young),
        CASE(age_counts_back_from_the_latest_interaction),
        CASE(items_without_creation_time_count_from_their_first_interaction),
        CASE(showing_and_choosing_ends_the_doubt),
        CASE(filters_and_promotions_bind_exploration),
        CASE(a_clear_taste_is_not_drowned),
        CASE(the_second_version_explores_a_thousandth_and_says_so),
        CASE(the_same_seed_gives_the_same_answers),
        CASE(a_querys_own_seed_decides_and_is_not_remembered),
        CASE(propensities_are_kept_with_the_answer),
        CASE(new_items_are_learnt_with_less_regret_than_by_epsilon_greedy),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
