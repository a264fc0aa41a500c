/* Boosted trees: derivatives against pairs worked out by hand, splits against what was planted,
 * the same bytes for any number of threads, and arrays from a stranger's file. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/boost.h"

static void assert_near(double got, double wanted, double error)
{
    if (!(fabs(got - wanted) <= error))
        fail_msg("%.9g is not %.9g", got, wanted);
}

struct sheet {
    struct od_boost_set set;
    float *value;
    uint8_t *grade;
    size_t *start;
};

/* Lists of `list` rows; the wanted row is the one with the largest planted worth. Feature 2 is
 * noise, feature 3 is mostly missing and, when there, decides. */
static double worth_of(const float *x)
{
    if (!isnan(x[3]))
        return 10 + (double)x[3];
    return x[0] > .5f ? (double)x[1] : -(double)x[1];
}

static struct sheet sheet_new(size_t groups, size_t list, uint64_t seed)
{
    enum { FEATURES = 4 };
    struct sheet s = {.value = malloc(groups * list * FEATURES * sizeof(float)),
                      .grade = calloc(groups * list, 1),
                      .start = malloc((groups + 1) * sizeof(size_t))};
    struct od_random rng;
    od_random_init(&rng, seed);
    for (size_t g = 0; g < groups; g++) {
        size_t best = g * list;
        s.start[g] = g * list;
        for (size_t r = g * list; r < (g + 1) * list; r++) {
            float *x = s.value + r * FEATURES;
            for (size_t f = 0; f < FEATURES; f++)
                x[f] = (float)od_random_double(&rng);
            if (od_random_double(&rng) < .95)
                x[3] = NAN;
            if (worth_of(x) > worth_of(s.value + best * FEATURES))
                best = r;
        }
        s.grade[best] = 1;
    }
    s.start[groups] = groups * list;
    s.set = (struct od_boost_set){groups * list, FEATURES, s.value, groups, s.start, s.grade};
    return s;
}

static void sheet_free(struct sheet *s)
{
    free(s->value);
    free(s->grade);
    free(s->start);
}

static void derivatives_of_three_rows(void **state)
{
    (void)state;
    const uint8_t grade[3] = {0, 2, 1};
    const float score[3] = {1, .5f, -1};
    double lambda[3] = {0}, second[3] = {0};
    uint32_t order[3];
    od_boost_lambdas(grade, score, 3, 3, order, lambda, second);
    double d0 = 1, d1 = 1 / log2(3), d2 = .5, best = 3 * d0 + 1 * d1;
    double rho10 = 1 / (1 + exp(-.5)), rho20 = 1 / (1 + exp(-2.0)), rho12 = 1 / (1 + exp(1.5));
    double w10 = 3 * (d0 - d1) / best, w20 = 1 * (d0 - d2) / best, w12 = 2 * (d1 - d2) / best;
    assert_near(lambda[1], w10 * rho10 + w12 * rho12, 1e-6);
    assert_near(lambda[2], w20 * rho20 - w12 * rho12, 1e-6);
    assert_near(lambda[0], -w10 * rho10 - w20 * rho20, 1e-6);
    assert_near(second[0], w10 * rho10 * (1 - rho10) + w20 * rho20 * (1 - rho20), 1e-6);
    memset(lambda, 0, sizeof lambda); /* only the first place counts: the pair behind it does not */
    od_boost_lambdas(grade, score, 3, 1, order, lambda, second);
    assert_near(lambda[1], 3 * (d0 - 0) / 3 * rho10, 1e-6);
    assert_near(lambda[2], 1 * (d0 - 0) / 3 * rho20, 1e-6);
}

static void a_list_without_grades_pulls_nowhere(void **state)
{
    (void)state;
    const uint8_t grade[2] = {0, 0};
    const float score[2] = {1, 2};
    double lambda[2] = {0}, second[2] = {0};
    uint32_t order[2];
    od_boost_lambdas(grade, score, 2, 10, order, lambda, second);
    assert_true(lambda[0] == 0 && lambda[1] == 0 && second[0] == 0);
}

static void ndcg_by_hand(void **state)
{
    (void)state;
    const uint8_t grade[5] = {0, 1, 0, 0, 1};
    const size_t start[3] = {0, 3, 5};
    struct od_boost_set set = {5, 1, NULL, 2, start, grade};
    const float score[5] = {3, 2, 1, 1, 1};
    double got = 0;
    assert_int_equal(od_boost_ndcg(&set, score, 10, &got), OD_OK);
    assert_near(got, 1 / log2(3), 1e-9); /* second place in both: ties keep the rows' order */
    assert_int_equal(od_boost_ndcg(&set, NULL, 1, &got), OD_OK);
    assert_near(got, 0, 1e-9);
}

static void learns_what_was_planted(void **state)
{
    (void)state;
    struct sheet train = sheet_new(600, 10, 1), validation = sheet_new(200, 10, 2),
                 test = sheet_new(200, 10, 3);
    struct od_boost_options options = od_boost_options_default();
    struct od_work work = {2, NULL, NULL};
    struct od_boost boost = {0};
    struct od_error err = {0};
    double ndcg = 0, asked = 0, chance = 0;
    options.trees = 200;
    options.rate = .1f;
    assert_int_equal(
        od_boost_fit(&train.set, &validation.set, &options, &work, &boost, &ndcg, &err), OD_OK);
    float *score = malloc(test.set.rows * sizeof *score);
    for (size_t r = 0; r < test.set.rows; r++)
        score[r] = od_boost_score(&boost, test.value + r * 4);
    assert_int_equal(od_boost_ndcg(&test.set, score, 10, &asked), OD_OK);
    assert_int_equal(od_boost_ndcg(&test.set, NULL, 10, &chance), OD_OK);
    assert_true(chance < .6);
    assert_true(asked > .93);
    assert_true(fabs(asked - ndcg) < .05);
    assert_true(od_boost_valid(&boost, boost.node_at[boost.trees],
                               boost.node_at[boost.trees] + boost.trees));
    float there[4] = {.1f, .1f, .5f, .9f}, missing[4] = {.1f, .1f, .5f, NAN};
    assert_true(od_boost_score(&boost, there) > od_boost_score(&boost, missing));
    free(score);
    od_boost_done(&boost);
    sheet_free(&train);
    sheet_free(&validation);
    sheet_free(&test);
}

static void same_trees_for_any_thread_count(void **state)
{
    (void)state;
    struct sheet train = sheet_new(1200, 12, 4);
    struct od_boost_options options = od_boost_options_default();
    struct od_boost first = {0}, second = {0};
    options.trees = 12;
    struct od_work one = {1, NULL, NULL}, three = {3, NULL, NULL};
    assert_int_equal(od_boost_fit(&train.set, NULL, &options, &one, &first, NULL, NULL), OD_OK);
    assert_int_equal(od_boost_fit(&train.set, NULL, &options, &three, &second, NULL, NULL), OD_OK);
    uint32_t nodes = first.node_at[first.trees];
    assert_int_equal(first.trees, 12);
    assert_int_equal(second.trees, 12);
    assert_true(nodes > 12 * 10);
    assert_memory_equal(first.node_at, second.node_at, 13 * sizeof *first.node_at);
    assert_memory_equal(first.node, second.node, nodes * sizeof *first.node);
    assert_memory_equal(first.leaf, second.leaf, (nodes + 12) * sizeof *first.leaf);
    od_boost_done(&first);
    od_boost_done(&second);
    sheet_free(&train);
}

static void nothing_to_learn_keeps_no_tree(void **state)
{
    (void)state;
    struct sheet train = sheet_new(60, 5, 5), validation = sheet_new(60, 5, 6);
    for (size_t r = 0; r < train.set.rows; r++) /* the wanted row always comes first already */
        train.grade[r] = r % 5 == 0;
    for (size_t r = 0; r < validation.set.rows; r++)
        validation.grade[r] = r % 5 == 0;
    struct od_boost_options options = od_boost_options_default();
    struct od_work work = {1, NULL, NULL};
    struct od_boost boost = {0};
    double ndcg = 0;
    options.trees = 20;
    assert_int_equal(
        od_boost_fit(&train.set, &validation.set, &options, &work, &boost, &ndcg, NULL), OD_OK);
    assert_int_equal(boost.trees, 0);
    assert_near(ndcg, 1, 1e-9);
    assert_near((double)od_boost_score(&boost, train.value), 0, 0);
    od_boost_done(&boost);
    sheet_free(&train);
    sheet_free(&validation);
}

static enum od_status stop_at_once(void *context, double fraction)
{
    (void)context;
    (void)fraction;
    return OD_STOPPED;
}

static void bad_options_and_stops(void **state)
{
    (void)state;
    struct sheet train = sheet_new(10, 5, 7);
    struct od_boost_options options = od_boost_options_default();
    struct od_work work = {1, NULL, NULL}, stopping = {1, stop_at_once, NULL};
    struct od_boost boost = {0};
    struct od_error err = {0};
    assert_int_equal(od_boost_fit(&train.set, NULL, &options, &stopping, &boost, NULL, &err),
                     OD_STOPPED);
    options.leaves = OD_BOOST_LEAVES + 1;
    assert_int_equal(od_boost_fit(&train.set, NULL, &options, &work, &boost, NULL, &err),
                     OD_INVALID_INPUT);
    options.leaves = 2;
    train.grade[3] = 16;
    assert_int_equal(od_boost_fit(&train.set, NULL, &options, &work, &boost, NULL, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "Row 3 has the grade 16"));
    sheet_free(&train);
}

static void files_of_strangers(void **state)
{
    (void)state;
    uint32_t at[3] = {0, 2, 2};
    struct od_boost_node node[2] = {{.5f, 1, ~2, 0, 0}, {.2f, ~0, ~1, 1, 1}};
    float leaf[4] = {1, 2, 3, 4};
    struct od_boost good = {2, 2, at, node, leaf, NULL};
    float x[2] = {.4f, NAN};
    assert_true(od_boost_valid(&good, 2, 4));
    assert_near((double)od_boost_score(&good, x), 1 + 4, 0);
    assert_false(od_boost_valid(&good, 3, 4));
    assert_false(od_boost_valid(&good, 2, 3));
    node[1].left = 0; /* a loop */
    assert_false(od_boost_valid(&good, 2, 4));
    node[1].left = ~3; /* a leaf of another tree */
    assert_false(od_boost_valid(&good, 2, 4));
    node[1].left = ~0;
    node[0].feature = 2;
    assert_false(od_boost_valid(&good, 2, 4));
    node[0].feature = 0;
    leaf[2] = INFINITY;
    assert_false(od_boost_valid(&good, 2, 4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_of_three_rows),
        cmocka_unit_test(a_list_without_grades_pulls_nowhere),
        cmocka_unit_test(ndcg_by_hand),
        cmocka_unit_test(learns_what_was_planted),
        cmocka_unit_test(same_trees_for_any_thread_count),
        cmocka_unit_test(nothing_to_learn_keeps_no_tree),
        cmocka_unit_test(bad_options_and_stops),
        cmocka_unit_test(files_of_strangers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
