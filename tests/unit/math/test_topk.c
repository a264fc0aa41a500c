/* Top-K against the repeated scan: odd sizes, ties, masks, hostile numbers, every table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "math/topk.h"

static const struct od_kernels *table(size_t i)
{
    if (i == 0)
        return &od_kernels_reference;
    return i == 1 ? od_kernels_avx2() : od_kernels_avx512();
}

static void check(const float *s, size_t count, const uint64_t *keep, size_t k)
{
    uint32_t *expected = malloc((k + 1) * sizeof *expected), *got = malloc((k + 1) * sizeof *got);
    uint64_t *scratch = malloc(od_topk_scratch(k) * sizeof *scratch);
    size_t n = od_topk_reference(s, count, keep, k, expected);
    for (size_t i = 0; i < 3; i++) {
        if (!table(i))
            continue;
        assert_int_equal(od_topk(table(i), s, count, keep, k, scratch, got), n);
        for (size_t j = 0; j < n; j++)
            assert_int_equal(got[j], expected[j]);
        float least = 0;
        size_t equal = keep ? 0 : od_topk_cut(table(i), s, count, k, scratch, &least);
        assert_true(keep || n == 0 || equal > 0);
        for (size_t j = 0; j < n && !keep; j++) /* the last `equal` of the list are at least's */
            assert_true((s[expected[j]] <= least) == (j >= n - equal));
    }
    free(expected);
    free(got);
    free(scratch);
}

static void agrees_on_odd_sizes(void **state)
{
    (void)state;
    static const size_t counts[] = {1, 2, 63, 64, 65, 130, 1000, 4099}, ks[] = {1, 2, 10, 63, 700};
    struct od_random rng;
    od_random_init(&rng, 11);
    float *s = malloc(4099 * sizeof *s);
    uint64_t keep[65];
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++)
        for (size_t q = 0; q < sizeof ks / sizeof ks[0]; q++)
            for (unsigned kind = 0; kind < 3; kind++) {
                for (size_t i = 0; i < counts[c]; i++) {
                    float x = (float)od_random_normal(&rng);
                    s[i] = kind == 1 ? floorf(x * 3) : x; /* many ties */
                }
                for (size_t w = 0; w < 65; w++)
                    keep[w] = od_random_u64(&rng) | od_random_u64(&rng);
                check(s, counts[c], kind == 2 ? keep : NULL, ks[q]);
            }
    free(s);
}

static void falling_and_rising_orders(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    float *s = malloc(COUNT * sizeof *s);
    for (size_t i = 0; i < COUNT; i++)
        s[i] = (float)i; /* every score beats the threshold: the buffer is cut again and again */
    check(s, COUNT, NULL, 37);
    for (size_t i = 0; i < COUNT; i++)
        s[i] = -(float)i;
    check(s, COUNT, NULL, 37);
    for (size_t i = 0; i < COUNT; i++)
        s[i] = 0;
    check(s, COUNT, NULL, 37);
    free(s);
}

static void never_takes_minus_infinity_or_nan(void **state)
{
    (void)state;
    float s[70];
    for (size_t i = 0; i < 70; i++)
        s[i] = i % 3 == 0 ? -INFINITY : i % 3 == 1 ? NAN : -(float)i;
    s[5] = INFINITY;
    s[8] = -0.0f;
    s[11] = 0.0f;
    uint64_t scratch[70 + 1024];
    uint32_t out[70];
    size_t n = od_topk(od_kernels_best(), s, 70, NULL, 70, scratch, out);
    assert_int_equal(n, 23);
    assert_int_equal(out[0], 5);
    assert_int_equal(out[1], 8); /* -0 and 0 are equal: lower index first */
    assert_int_equal(out[2], 11);
    check(s, 70, NULL, 70);
}

static void empty_inputs_give_nothing(void **state)
{
    (void)state;
    float s[3] = {1, 2, 3};
    uint64_t scratch[1100], none = 0;
    uint32_t out[3];
    assert_int_equal(od_topk(od_kernels_best(), s, 3, NULL, 0, scratch, out), 0);
    assert_int_equal(od_topk(od_kernels_best(), s, 0, NULL, 3, scratch, out), 0);
    assert_int_equal(od_topk(od_kernels_best(), s, 3, &none, 3, scratch, out), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_on_odd_sizes),
        cmocka_unit_test(falling_and_rising_orders),
        cmocka_unit_test(never_takes_minus_infinity_or_nan),
        cmocka_unit_test(empty_inputs_give_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
