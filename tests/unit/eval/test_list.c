/* One list: metrics against values computed by hand, ties, candidates. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/random.h"
#include "eval/list.h"

#define assert_close(a, b, most) assert_true(fabs((a) - (b)) <= (most))

static void rank(const float *scores, uint32_t count, const uint64_t *keep,
                 const uint32_t *relevant, uint32_t relevant_count, struct od_list *out)
{
    uint64_t *scratch = malloc(od_topk_scratch(OD_LIST_MOST) * sizeof *scratch);
    float *held = malloc((relevant_count + 1) * sizeof *held);
    float *copy = malloc((count + 1) * sizeof *copy);
    struct od_list_ranker ranker = {od_kernels_best(), scratch};
    for (uint32_t i = 0; i < count; i++)
        copy[i] = scores[i];
    od_list_rank(&ranker, copy, count, keep, relevant, relevant_count, held, out);
    for (uint32_t r = 0; r < relevant_count; r++)
        assert_true(copy[relevant[r]] == -INFINITY);
    free(scratch);
    free(held);
    free(copy);
}

static double metric(enum od_list_metric_kind kind, uint32_t k, const struct od_list *list,
                     uint32_t relevant)
{
    struct od_list_metric m = {.kind = kind, .k = k};
    return od_list_metric(&m, list, relevant);
}

/* Hits at places 2 and 5, as in Amazon's documentation (recipes.md 9.3). */
static const struct od_list two_hits = {
    .count = 6, .item = {9, 1, 8, 7, 2, 6}, .hit = {false, true, false, false, true, false}};

static void metrics_are_as_computed_by_hand(void **state)
{
    (void)state;
    assert_close(metric(OD_LIST_PRECISION, 5, &two_hits, 4), 0.4, 1e-12);
    assert_close(metric(OD_LIST_PRECISION, 25, &two_hits, 4), 2.0 / 25, 1e-12);
    assert_close(metric(OD_LIST_MRR, 25, &two_hits, 4), 0.5, 1e-12);
    assert_close(metric(OD_LIST_RECALL, 5, &two_hits, 4), 0.5, 1e-12);
    assert_close(metric(OD_LIST_RECALL, 4, &two_hits, 4), 0.25, 1e-12);
    assert_close(metric(OD_LIST_HIT, 10, &two_hits, 4), 1, 0);
    assert_close(metric(OD_LIST_HIT, 1, &two_hits, 4), 0, 0);
    assert_close(metric(OD_LIST_MRR, 1, &two_hits, 4), 0, 0);
}

static void the_two_ndcgs_differ_by_their_ideal(void **state)
{
    (void)state;
    double gain = 1 / log2(3) + 1 / log2(6);
    double two = 1 + 1 / log2(3), four = two + 1 / log2(4) + 1 / log2(5);
    assert_close(metric(OD_LIST_NDCG_AWS, 5, &two_hits, 4), 0.6241, 5e-5);
    assert_close(metric(OD_LIST_NDCG_AWS, 5, &two_hits, 4), gain / two, 1e-12);
    assert_close(metric(OD_LIST_NDCG, 5, &two_hits, 4), gain / four, 1e-12);
    assert_close(metric(OD_LIST_NDCG, 5, &two_hits, 2), gain / two, 1e-12);
    /* the ideal of hits found counts only those within k */
    assert_close(metric(OD_LIST_NDCG_AWS, 2, &two_hits, 4), 1 / log2(3), 1e-12);
    assert_close(metric(OD_LIST_NDCG_AWS, 1, &two_hits, 4), 0, 0);
    /* k bounds the standard ideal */
    assert_close(metric(OD_LIST_NDCG, 2, &two_hits, 9), (1 / log2(3)) / two, 1e-12);
}

static void a_tie_counts_against_the_relevant_item(void **state)
{
    (void)state;
    const float scores[] = {1, 3, 3, 3, 2, -INFINITY, NAN};
    const uint32_t relevant[] = {1, 5, 6};
    struct od_list list;
    rank(scores, 7, NULL, relevant, 3, &list);
    assert_int_equal(list.count, 5); /* -INFINITY and NAN are in no list */
    const uint32_t order[] = {2, 3, 1, 4, 0};
    for (uint32_t i = 0; i < 5; i++) {
        assert_int_equal(list.item[i], order[i]);
        assert_int_equal(list.hit[i], order[i] == 1);
    }
}

static void only_candidates_are_ranked(void **state)
{
    (void)state;
    const float scores[] = {5, 4, 3, 2, 1};
    const uint32_t relevant[] = {0, 3};
    const uint64_t keep[] = {0x1a}; /* 1, 3, 4 */
    struct od_list list;
    rank(scores, 5, keep, relevant, 2, &list);
    assert_int_equal(list.count, 3);
    assert_int_equal(list.item[0], 1);
    assert_int_equal(list.item[1], 3);
    assert_true(list.hit[1]);
    assert_int_equal(list.item[2], 4);
}

/* What the definition says: place of an item = 1 + those above it, relevant ones last of equals. */
static uint32_t place_of(const float *scores, uint32_t count, const bool *relevant, uint32_t item)
{
    uint32_t place = 1;
    for (uint32_t i = 0; i < count; i++) {
        bool above = scores[i] > scores[item];
        if (scores[i] == scores[item] && i != item)
            above = relevant[item] ? !relevant[i] || i < item : !relevant[i] && i < item;
        place += above;
    }
    return place;
}

static void lists_are_those_of_the_definition_on_random_scores(void **state)
{
    (void)state;
    enum { ITEMS = 200 };
    struct od_random rng;
    od_random_init(&rng, 5);
    for (int round = 0; round < 200; round++) {
        float scores[ITEMS];
        bool is[ITEMS];
        uint32_t relevant[ITEMS], count = 0;
        uint64_t levels = 1 + od_random_below(&rng, 60); /* few: many ties */
        uint64_t share = 1 + od_random_below(&rng, 10);  /* up to all relevant */
        for (uint32_t i = 0; i < ITEMS; i++) {
            scores[i] = (float)od_random_below(&rng, levels);
            is[i] = od_random_below(&rng, 10) < share;
            if (is[i])
                relevant[count++] = i;
        }
        struct od_list list;
        rank(scores, ITEMS, NULL, relevant, count, &list);
        assert_int_equal(list.count, OD_LIST_MOST);
        for (uint32_t i = 0; i < list.count; i++) {
            assert_int_equal(place_of(scores, ITEMS, is, list.item[i]), i + 1);
            assert_int_equal(list.hit[i], is[list.item[i]]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(metrics_are_as_computed_by_hand),
        cmocka_unit_test(the_two_ndcgs_differ_by_their_ideal),
        cmocka_unit_test(a_tie_counts_against_the_relevant_item),
        cmocka_unit_test(only_candidates_are_ranked),
        cmocka_unit_test(lists_are_those_of_the_definition_on_random_scores),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
