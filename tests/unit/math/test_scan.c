/* The 8-bit scan: every table's whole numbers and scores against plain C, and its answers against
 * the ranking of all float scores, over sizes, scales, ties, masks and hostile numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "math/scan_kernels.h"
#include "math/topk.h"

enum { TABLES = 5, BATCH = 5, MOST_K = 600 };

static const struct od_scan_kernels *table(size_t i)
{
    switch (i) {
    case 0:
        return &od_scan_kernels_reference;
    case 1:
        return od_scan_kernels_avx2();
    case 2:
        return od_scan_kernels_avx512();
    case 3:
        return od_scan_kernels_neon();
    default:
        return od_scan_kernels_neon_dot();
    }
}

enum kind { NORMAL, TIES, HEAVY, ALIKE, ZEROS, WILD_ITEMS, KINDS };

struct sample {
    uint32_t items, dims;
    uint16_t *rows;
    struct od_scan_made made;
    struct od_scan_matrix matrix;
    float *query; /* [BATCH][dims] */
    uint64_t *keep;
};

static float number(struct od_random *rng, enum kind kind)
{
    float x = (float)od_random_normal(rng);
    switch (kind) {
    case TIES:
        return rintf(x);
    case HEAVY:
        return x * x * x * x * x;
    case ALIKE:
        return 1 + x * 0x1p-12f;
    case ZEROS:
        return od_random_below(rng, 4) ? 0 : x;
    default:
        return x;
    }
}

static void fill_row(struct sample *s, uint32_t i, struct od_random *rng, enum kind kind)
{
    uint16_t *row = s->rows + i * od_scan_width(s->dims);
    bool copy = i > 0 && kind != NORMAL && od_random_below(rng, 3) == 0;
    uint32_t from = copy ? (uint32_t)od_random_below(rng, i) : 0;
    float size = kind == ALIKE ? 1 : exp2f((float)od_random_below(rng, 9) - 6);
    for (uint32_t d = 0; d < s->dims; d++) {
        float x = size * number(rng, kind);
        if (kind == WILD_ITEMS && od_random_below(rng, 40 * s->dims) == 0)
            x = od_random_below(rng, 2) ? INFINITY : NAN;
        row[d] = copy ? s->rows[from * od_scan_width(s->dims) + d] : od_f16_encode(x);
    }
}

static void open_sample(struct sample *s, uint32_t items, uint32_t dims, struct od_random *rng,
                        enum kind kind)
{
    *s = (struct sample){.items = items, .dims = dims};
    s->rows = calloc(items * od_scan_width(dims) + 1, sizeof *s->rows);
    s->query = calloc(BATCH * dims + 1, sizeof *s->query);
    s->keep = calloc(od_bitmap_words(items) + 1, sizeof *s->keep);
    for (uint32_t i = 0; i < items; i++)
        fill_row(s, i, rng, kind);
    for (uint32_t d = 0; d < BATCH * dims; d++)
        s->query[d] = number(rng, kind == ALIKE ? NORMAL : kind);
    assert_int_equal(od_scan_make(s->rows, items, dims, &s->made), OD_OK);
    s->matrix = od_scan_view(&s->made, s->rows, items, dims);
}

static void close_sample(struct sample *s)
{
    od_scan_made_done(&s->made);
    free(s->rows);
    free(s->query);
    free(s->keep);
}

/* --- the loops --- */

/* What a table marks, alone and in pairs, against plain C. */
static void compare_looks(const struct sample *s, const struct od_scan_kernels *kernels,
                          const struct od_scan_ready *ready, struct od_random *rng)
{
    struct od_scan_look expected[OD_SCAN_PAIR], got[OD_SCAN_PAIR];
    const struct od_scan_next next = {s->matrix.cells, 100};
    size_t words = od_scan_words(s->items);
    for (size_t from = 0, end; from < words; from = end) {
        end = from + 1 + od_random_below(rng, OD_SCAN_FEW);
        end = end < words ? end : words;
        size_t count = 1 + od_random_below(rng, OD_SCAN_PAIR);
        for (size_t n = 0; n < count; n++) {
            expected[n] = (struct od_scan_look){
                .query = &ready[n],
                .keep = od_random_below(rng, 2) ? s->keep : NULL,
            };
            for (size_t w = 0; w < OD_SCAN_FEW; w++)
                expected[n].least[w] =
                    od_random_below(rng, 3) ? -(1 << 30) : (int32_t)od_random_below(rng, 4000);
            got[n] = expected[n];
        }
        table(0)->look(&s->matrix, from, end, expected, count, &next);
        kernels->look(&s->matrix, from, end, got, count, &next);
        for (size_t n = 0; n < count; n++)
            for (size_t w = 0; w < end - from; w++) {
                assert_true(expected[n].mask[w] == got[n].mask[w]);
                for (uint64_t left = got[n].mask[w]; left; left &= left - 1)
                    assert_int_equal(expected[n].dots[w][__builtin_ctzll(left)],
                                     got[n].dots[w][__builtin_ctzll(left)]);
            }
    }
}

static void whole_numbers_and_scores_are_the_same_with_every_table(void **state)
{
    (void)state;
    static const uint32_t sizes[][2] = {{1, 1},   {31, 3},   {64, 4},    {65, 5},    {97, 64},
                                        {128, 1}, {200, 17}, {300, 100}, {66, 1000}, {35, 4096}};
    struct od_random rng;
    od_random_init(&rng, 3);
    for (size_t z = 0; z < sizeof sizes / sizeof *sizes; z++)
        for (enum kind kind = NORMAL; kind < KINDS; kind++) {
            struct sample s;
            open_sample(&s, sizes[z][0], sizes[z][1], &rng, kind);
            static int8_t p[OD_SCAN_PAIR][OD_SCAN_DIMS + 4];
            struct od_scan_ready ready[OD_SCAN_PAIR];
            memset(p, 0, sizeof p);
            for (size_t n = 0; n < OD_SCAN_PAIR; n++) {
                ready[n] = (struct od_scan_ready){.numbers = p[n]};
                for (uint32_t d = 0; d < s.dims; d++) {
                    p[n][d] =
                        (int8_t)((int)od_random_below(&rng, 2 * OD_SCAN_MOST + 1) - OD_SCAN_MOST);
                    if (z % 3 == 0)
                        p[n][d] = (d + n) % 2 ? OD_SCAN_MOST : -OD_SCAN_MOST; /* the ends */
                    ready[n].zero += OD_SCAN_ZERO * p[n][d];
                }
            }
            for (uint32_t i = 0; i < s.items; i++) /* with words and halves of which none counts */
                if (i % 192 >= 32 && i % 192 < 128 && od_random_below(&rng, 2))
                    od_bitmap_set(s.keep, i);
            float *expected = calloc(s.items, sizeof(float)), *got = calloc(s.items, sizeof(float));
            od_scan_scores(table(0), &s.matrix, s.query, expected);
            for (size_t t = 1; t < TABLES; t++) {
                if (!table(t))
                    continue;
                od_scan_scores(table(t), &s.matrix, s.query, got);
                for (uint32_t i = 0; i < s.items; i++)
                    assert_true((isnan(got[i]) && isnan(expected[i])) ||
                                memcmp(&got[i], &expected[i], sizeof *got) == 0);
                compare_looks(&s, table(t), ready, &rng);
            }
            free(expected);
            free(got);
            close_sample(&s);
        }
}

/* The largest sums that cells and numbers can make. */
static void nothing_saturates(void **state)
{
    (void)state;
    enum { ITEMS = 64, DIMS = OD_SCAN_DIMS };
    uint16_t *rows = calloc(ITEMS * (size_t)DIMS, sizeof *rows);
    int8_t *p = malloc(DIMS);
    struct od_scan_made made;
    for (size_t i = 0; i < ITEMS * (size_t)DIMS; i++)
        rows[i] = od_f16_encode(i / DIMS % 2 ? 1 : -1);
    assert_int_equal(od_scan_make(rows, ITEMS, DIMS, &made), OD_OK);
    struct od_scan_matrix m = od_scan_view(&made, rows, ITEMS, DIMS);
    for (int sign = -1; sign <= 1; sign += 2) {
        memset(p, (uint8_t)(sign * OD_SCAN_MOST), DIMS);
        struct od_scan_ready ready = {.numbers = p,
                                      .zero = OD_SCAN_ZERO * sign * OD_SCAN_MOST * DIMS};
        for (size_t t = 0; t < TABLES; t++) {
            struct od_scan_look looks[OD_SCAN_PAIR];
            const struct od_scan_next next = {NULL, 0};
            if (!table(t))
                continue;
            for (size_t n = 0; n < OD_SCAN_PAIR; n++)
                looks[n] = (struct od_scan_look){.query = &ready, .least = {-(1 << 30)}};
            table(t)->look(&m, 0, 1, looks, OD_SCAN_PAIR, &next);
            for (size_t n = 0; n < OD_SCAN_PAIR; n++) {
                assert_true(looks[n].mask[0] == UINT64_MAX);
                for (size_t i = 0; i < ITEMS; i++)
                    assert_int_equal(looks[n].dots[0][i],
                                     (i % 2 ? 1 : -1) * sign * 127 * OD_SCAN_MOST * DIMS);
            }
        }
    }
    od_scan_made_done(&made);
    free(rows);
    free(p);
}

/* (1 + 2^-10)^2 = 1 + 2^-9 + 2^-20 as a product is 2^-24 too long for a float beside 2^4: fused,
 * the sum would be another one. */
static void nothing_is_fused(void **state)
{
    (void)state;
    uint16_t row[32] = {0};
    float u[32] = {0}, a = 1 + 0x1p-10f, b = 1 + 0x1p-23f;
    row[0] = od_f16_encode(1);
    row[16] = od_f16_encode(a);
    u[0] = -(1 + 0x1p-10f);
    u[16] = b;
    volatile float product = a * b;
    volatile float expected = u[0] + product;
    assert_true(expected != fmaf(a, b, u[0]));
    for (size_t t = 0; t < TABLES; t++) {
        float s[1];
        if (!table(t))
            continue;
        table(t)->scores(row, 1, 32, u, s);
        assert_true(s[0] == expected);
    }
}

/* --- the answers --- */

static uint32_t rank_all(const struct sample *s, const float *query, const uint64_t *keep,
                         uint32_t k, uint32_t *out)
{
    float *scores = calloc(s->items + 1, sizeof *scores);
    od_scan_scores(&od_scan_kernels_reference, &s->matrix, query, scores);
    uint32_t n = (uint32_t)od_topk_reference(scores, s->items, keep, k, out);
    free(scores);
    return n;
}

static void check(const struct sample *s, const uint32_t *ks, bool masked)
{
    uint32_t expected[MOST_K], got[BATCH][MOST_K];
    for (size_t t = 0; t < TABLES; t++) {
        struct od_scan_query queries[BATCH];
        struct od_arena arena;
        if (!table(t))
            continue;
        od_arena_init(&arena, SIZE_MAX);
        for (size_t q = 0; q < BATCH; q++)
            queries[q] = (struct od_scan_query){.vector = s->query + q * s->dims,
                                                .keep = masked && q % 2 == 0 ? s->keep : NULL,
                                                .k = ks[q],
                                                .out = got[q]};
        assert_int_equal(od_scan_best(table(t), &s->matrix, queries, BATCH, &arena), OD_OK);
        for (size_t q = 0; q < BATCH; q++) {
            uint32_t n = rank_all(s, queries[q].vector, queries[q].keep, ks[q], expected);
            assert_int_equal(queries[q].found, n);
            assert_memory_equal(got[q], expected, n * sizeof *expected);
            queries[q].found = 0;
            assert_int_equal(od_scan_best(table(t), &s->matrix, &queries[q], 1, &arena), OD_OK);
            assert_int_equal(queries[q].found, n);
            assert_memory_equal(got[q], expected, n * sizeof *expected);
        }
        od_arena_done(&arena);
    }
}

static void answers_are_those_of_all_float_scores(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 7);
    for (unsigned round = 0; round < 240; round++) {
        struct sample s;
        uint32_t dims = 1 + (uint32_t)od_random_below(&rng, round % 12 ? 80 : 700);
        uint32_t items = 1 + (uint32_t)od_random_below(&rng, round % 9 ? 300 : 5000);
        open_sample(&s, items, dims, &rng, (enum kind)(round % KINDS));
        unsigned part = (unsigned)od_random_below(&rng, 6);
        for (uint32_t i = 0; i < items; i++)
            if (part == 5 || od_random_below(&rng, 100) < part * part * 4)
                od_bitmap_set(s.keep, i);
        uint32_t ks[BATCH] = {25, 1, 0, 1 + (uint32_t)od_random_below(&rng, MOST_K - 1), 10};
        check(&s, ks, true);
        close_sample(&s);
    }
}

/* A subset has the answers of its matrix under the mask it was made of, with and without one more.
 */
static void subsets_answer_like_masks(void **state)
{
    (void)state;
    struct od_random rng;
    od_random_init(&rng, 8);
    for (unsigned round = 0; round < 120; round++) {
        struct sample s;
        uint32_t dims = (uint32_t)od_random_below(&rng, 70), expected[MOST_K], got[MOST_K];
        uint32_t items = (uint32_t)od_random_below(&rng, round % 9 ? 400 : 5000), kept = 0;
        open_sample(&s, items, dims, &rng, (enum kind)(round % KINDS));
        uint64_t *with = calloc(od_bitmap_words(items) + 1, sizeof *with), *both, *places;
        both = calloc(od_bitmap_words(items) + 1, sizeof *both);
        places = calloc(od_bitmap_words(items) + 1, sizeof *places);
        for (uint32_t i = 0; i < items; i++) {
            if (od_random_below(&rng, 1 + round % 7) == 0)
                od_bitmap_set(s.keep, i);
            if (od_random_below(&rng, 4))
                od_bitmap_set(with, i);
            if (!od_bitmap_get(s.keep, i) || (round % 2 && !od_bitmap_get(with, i)))
                continue;
            if (od_random_below(&rng, 3)) { /* of the third mask */
                od_bitmap_set(both, i);
                od_bitmap_set(places, kept);
            }
            kept++;
        }
        struct od_scan_subset *subset =
            od_scan_subset_new(&s.matrix, s.keep, round % 2 ? with : NULL);
        assert_non_null(subset);
        assert_int_equal(subset->matrix.items, kept);
        size_t steps = 1;
        while (!od_scan_subset_grow(subset, 2))
            steps++;
        assert_int_equal(steps, kept ? (od_scan_words(kept) + 1) / 2 : 1);
        assert_true(od_scan_valid(&subset->matrix));
        for (size_t t = 0; t < TABLES; t++)
            for (size_t q = 0; q < BATCH && table(t); q++) {
                struct od_arena arena;
                struct od_scan_query query = {.vector = s.query + q * dims,
                                              .keep = q % 2 ? places : NULL,
                                              .k = 25 + 9 * (uint32_t)q};
                query.out = got;
                od_arena_init(&arena, SIZE_MAX);
                assert_int_equal(od_scan_best(table(t), &subset->matrix, &query, 1, &arena), OD_OK);
                const uint64_t *mask = q % 2 ? both : s.keep;
                for (size_t w = 0; round % 2 && q % 2 == 0 && w < od_bitmap_words(items); w++)
                    with[w] &= s.keep[w];
                mask = round % 2 && q % 2 == 0 ? with : mask;
                uint32_t n = rank_all(&s, query.vector, mask, query.k, expected);
                assert_int_equal(query.found, n);
                assert_memory_equal(got, expected, n * sizeof *expected);
                od_arena_done(&arena);
            }
        od_scan_subset_free(subset);
        free(with);
        free(both);
        free(places);
        close_sample(&s);
    }
}

/* Nothing but ties: the list of kept items fills again and again. */
static void ties_beyond_the_list_are_settled_by_index(void **state)
{
    (void)state;
    struct od_random rng;
    struct sample s;
    uint32_t ks[BATCH] = {25, 1, 100, 7, 40};
    od_random_init(&rng, 9);
    open_sample(&s, 4000, 8, &rng, ZEROS);
    for (uint32_t i = 0; i < s.items; i++)
        memcpy(s.rows + i * od_scan_width(8), s.rows, 8 * sizeof *s.rows);
    od_scan_made_done(&s.made);
    assert_int_equal(od_scan_make(s.rows, s.items, s.dims, &s.made), OD_OK);
    s.matrix = od_scan_view(&s.made, s.rows, s.items, s.dims);
    check(&s, ks, false);
    close_sample(&s);
}

/* Scores that rise with the index, by less than the error: every item is kept when it is seen. */
static void rising_scores_are_followed(void **state)
{
    (void)state;
    struct od_random rng;
    struct sample s;
    uint32_t ks[BATCH] = {25, 1, 100, 7, 40};
    od_random_init(&rng, 10);
    open_sample(&s, 2000, 20, &rng, ALIKE);
    for (uint32_t i = 0; i < s.items; i++)
        s.rows[i * od_scan_width(20)] = (uint16_t)(od_f16_encode(1) + i / 4);
    for (size_t q = 0; q < BATCH; q++)
        s.query[q * 20] = 2;
    od_scan_made_done(&s.made);
    assert_int_equal(od_scan_make(s.rows, s.items, s.dims, &s.made), OD_OK);
    s.matrix = od_scan_view(&s.made, s.rows, s.items, s.dims);
    check(&s, ks, false);
    close_sample(&s);
}

/* Nothing is lost in 8 bits here, and whole numbers beyond 2^24 are not all floats: 124 and 125
 * more than a multiple of 128 are the same score, so the first of them comes first. */
static void what_floats_round_is_part_of_the_error(void **state)
{
    (void)state;
    enum { DIMS = 2100 };
    struct od_random rng;
    struct sample s;
    uint32_t ks[BATCH] = {3, 1, 2, 20, 120};
    od_random_init(&rng, 11);
    open_sample(&s, 256, DIMS, &rng, ZEROS);
    for (uint32_t i = 0; i < s.items; i++)
        for (uint32_t d = 0; d < DIMS; d++) {
            float x = d ? 127 : (float)(i % 128);
            s.rows[i * od_scan_width(DIMS) + d] = od_f16_encode(i < 128 ? x : -x);
        }
    for (uint32_t d = 0; d < BATCH * DIMS; d++)
        s.query[d] = d % DIMS ? 64 : 1;
    od_scan_made_done(&s.made);
    assert_int_equal(od_scan_make(s.rows, s.items, s.dims, &s.made), OD_OK);
    s.matrix = od_scan_view(&s.made, s.rows, s.items, s.dims);
    assert_true(s.made.bounds[0].residual == 0);
    check(&s, ks, false);
    close_sample(&s);
}

static void hostile_queries_are_answered(void **state)
{
    (void)state;
    struct od_random rng;
    struct sample s;
    uint32_t ks[BATCH] = {25, 5, 25, 25, 25};
    od_random_init(&rng, 12);
    open_sample(&s, 700, 12, &rng, NORMAL);
    float *q = s.query;
    for (uint32_t d = 0; d < 12; d++) {
        q[d] *= 1e-42f;     /* below the smallest normal float */
        q[12 + d] *= 3e37f; /* scores overflow */
        q[24 + d] = d ? 1 : NAN;
        q[36 + d] = d ? 1 : INFINITY;
        q[48 + d] = 0;
    }
    s.matrix = od_scan_view(&s.made, s.rows, s.items, s.dims);
    check(&s, ks, false);
    close_sample(&s);
}

static void vectors_of_no_number_tie(void **state)
{
    (void)state;
    struct od_random rng;
    struct sample s;
    uint32_t ks[BATCH] = {3, 1, 0, 500, 2};
    od_random_init(&rng, 13);
    open_sample(&s, 130, 0, &rng, NORMAL);
    check(&s, ks, false);
    close_sample(&s);
    open_sample(&s, 0, 5, &rng, NORMAL);
    check(&s, ks, false);
    close_sample(&s);
}

static void claims_that_cannot_be_are_not_valid(void **state)
{
    (void)state;
    struct od_random rng;
    struct sample s;
    od_random_init(&rng, 14);
    open_sample(&s, 100, 6, &rng, NORMAL);
    assert_true(od_scan_valid(&s.matrix));
    s.made.bounds[1].spread = NAN;
    assert_false(od_scan_valid(&s.matrix));
    s.made.bounds[1].spread = 1;
    s.made.steps[1] = INFINITY;
    assert_false(od_scan_valid(&s.matrix));
    s.made.steps[1] = 0;
    assert_false(od_scan_valid(&s.matrix));
    s.made.steps[1] = 1;
    s.made.center[5] = INFINITY;
    assert_false(od_scan_valid(&s.matrix));
    s.made.center[5] = 1;
    assert_true(od_scan_valid(&s.matrix));
    s.made.bounds[0].residual = -1;
    assert_false(od_scan_valid(&s.matrix));
    close_sample(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_and_scores_are_the_same_with_every_table),
        cmocka_unit_test(nothing_saturates),
        cmocka_unit_test(nothing_is_fused),
        cmocka_unit_test(answers_are_those_of_all_float_scores),
        cmocka_unit_test(subsets_answer_like_masks),
        cmocka_unit_test(ties_beyond_the_list_are_settled_by_index),
        cmocka_unit_test(rising_scores_are_followed),
        cmocka_unit_test(what_floats_round_is_part_of_the_error),
        cmocka_unit_test(hostile_queries_are_answered),
        cmocka_unit_test(vectors_of_no_number_tie),
        cmocka_unit_test(claims_that_cannot_be_are_not_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
