/* Every instruction set against the reference, on odd sizes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/kernels.h"

enum { MOST = 1100 };
static const size_t sizes[] = {0, 1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 63, 64, 65, 127, 500, 1027};
enum { SIZES = sizeof sizes / sizeof sizes[0] };

static size_t tables(const struct od_kernels *out[2])
{
    size_t n = 0;
    if (od_kernels_avx2())
        out[n++] = od_kernels_avx2();
    if (od_kernels_avx512())
        out[n++] = od_kernels_avx512();
    return n;
}

static void fill(struct od_random *rng, float *x, size_t count)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)od_random_normal(rng);
}

static void near(const float *a, const float *b, size_t count, float bound)
{
    for (size_t i = 0; i < count; i++)
        if (!(fabsf(a[i] - b[i]) <= bound))
            fail_msg("entry %zu: %g against %g", i, (double)a[i], (double)b[i]);
}

static void axpy_and_dot_agree(void **state)
{
    (void)state;
    const struct od_kernels *t[2], *ref = &od_kernels_reference;
    struct od_random rng;
    od_random_init(&rng, 1);
    float x[MOST], y[MOST], z[MOST];
    for (size_t k = tables(t); k-- > 0;)
        for (size_t s = 0; s < SIZES; s++) {
            fill(&rng, x, MOST);
            fill(&rng, y, MOST);
            memcpy(z, y, sizeof y);
            t[k]->axpy(y, x, 1.7f, sizes[s]);
            ref->axpy(z, x, 1.7f, sizes[s]);
            near(y, z, MOST, 2e-6f); /* entries past the size too: nothing is written there */
            float a = t[k]->dot(x, y, sizes[s]), b = ref->dot(x, y, sizes[s]);
            near(&a, &b, 1, 4e-3f); /* sums of some 1,800 */
        }
}

static void halves_are_exact_both_ways(void **state)
{
    (void)state;
    for (uint32_t h = 0; h < 65536; h++) {
        float x = od_f16_decode((uint16_t)h);
        if (isnan(x))
            assert_true(isnan(od_f16_decode(od_f16_encode(x))));
        else
            assert_int_equal(od_f16_encode(x), h);
    }
    assert_int_equal(od_f16_encode(1.0f), 0x3c00);
    assert_int_equal(od_f16_encode(1.0f + 0x1p-11f), 0x3c00); /* tie goes to even */
    assert_int_equal(od_f16_encode(1.0f + 0x1.8p-10f), 0x3c02);
    assert_int_equal(od_f16_encode(65519.0f), 0x7bff);
    assert_int_equal(od_f16_encode(65520.0f), 0x7c00);
    assert_int_equal(od_f16_encode(-0x1p-25f), 0x8000);
    assert_int_equal(od_f16_encode(0x1.8p-25f), 0x0001);
}

static void encoding_agrees_exactly(void **state)
{
    (void)state;
    const struct od_kernels *t[2];
    struct od_random rng;
    od_random_init(&rng, 2);
    float x[MOST];
    uint16_t a[MOST], b[MOST];
    for (size_t k = tables(t); k-- > 0;)
        for (size_t round = 0; round < 200; round++) {
            for (size_t i = 0; i < MOST; i++) {
                uint32_t bits = (uint32_t)od_random_u64(&rng); /* any float but NaN */
                if ((bits & 0x7f800000u) == 0x7f800000u)
                    bits &= ~0x40000000u;
                memcpy(&x[i], &bits, sizeof bits);
                if (round % 2)
                    x[i] = (float)od_random_normal(&rng) * 1e-5f;
            }
            size_t n = sizes[round % SIZES];
            memset(a, 7, sizeof a);
            memset(b, 7, sizeof b);
            t[k]->encode_f16(a, x, n);
            od_kernels_reference.encode_f16(b, x, n);
            assert_memory_equal(a, b, sizeof a);
        }
}

static void half_rows_agree(void **state)
{
    (void)state;
    enum { ROWS = 11 };
    const struct od_kernels *t[2], *ref = &od_kernels_reference;
    struct od_random rng;
    od_random_init(&rng, 3);
    float x[MOST], y[MOST], z[MOST], weight[ROWS];
    uint16_t store[ROWS][MOST];
    const uint16_t *rows[ROWS];
    uint32_t col[MOST];
    for (size_t r = 0; r < ROWS; r++) {
        fill(&rng, x, MOST);
        ref->encode_f16(store[r], x, MOST);
        rows[r] = store[r];
    }
    fill(&rng, weight, ROWS);
    for (size_t i = 0; i < MOST; i++)
        col[i] = (uint32_t)((i * 7 + 3) % MOST); /* 7 does not divide 1100: distinct */
    for (size_t k = tables(t); k-- > 0;)
        for (size_t s = 0; s < SIZES; s++)
            for (size_t n = 0; n <= ROWS; n++) {
                fill(&rng, y, MOST);
                memcpy(z, y, sizeof y);
                t[k]->rows_f16(y, rows, weight, n, sizes[s]);
                ref->rows_f16(z, rows, weight, n, sizes[s]);
                near(y, z, MOST, 3e-5f);
                t[k]->scatter_f16(y, col, store[0], -1.3f, sizes[s]);
                ref->scatter_f16(z, col, store[0], -1.3f, sizes[s]);
                near(y, z, MOST, 3e-5f);
            }
}

static void spread_agrees(void **state)
{
    (void)state;
    enum { COLUMNS = 50, ENTRIES = 33 };
    const struct od_kernels *t[2];
    struct od_random rng;
    od_random_init(&rng, 4);
    float a[COLUMNS * OD_PANEL], b[COLUMNS * OD_PANEL];
    float values[OD_SPREAD_ROWS][ENTRIES], lines[OD_SPREAD_ROWS][OD_PANEL];
    const float *value[OD_SPREAD_ROWS], *x[OD_SPREAD_ROWS];
    uint32_t col[ENTRIES];
    for (size_t i = 0; i < ENTRIES; i++)
        col[i] = (uint32_t)od_random_below(&rng, COLUMNS); /* repeats allowed */
    for (size_t r = 0; r < OD_SPREAD_ROWS; r++) {
        fill(&rng, values[r], ENTRIES);
        fill(&rng, lines[r], OD_PANEL);
        value[r] = values[r];
        x[r] = lines[r];
    }
    for (size_t k = tables(t); k-- > 0;)
        for (size_t rows = 0; rows <= OD_SPREAD_ROWS; rows++) {
            fill(&rng, a, COLUMNS * OD_PANEL);
            memcpy(b, a, sizeof a);
            t[k]->spread(a, col, value, x, rows, ENTRIES);
            od_kernels_reference.spread(b, col, value, x, rows, ENTRIES);
            near(a, b, COLUMNS * OD_PANEL, 1e-5f);
            /* one row after the other, which is how rows add up */
            for (size_t r = 0; r < rows; r++)
                t[k]->spread(a, col, value + r, x + r, 1, ENTRIES);
            t[k]->spread(b, col, value, x, rows, ENTRIES);
            near(a, b, COLUMNS * OD_PANEL, 1e-5f);
        }
}

static void beyond_finds_the_same_lines(void **state)
{
    (void)state;
    enum { LINES = 40 };
    const struct od_kernels *t[2];
    struct od_random rng;
    od_random_init(&rng, 6);
    float panel[LINES * OD_PANEL], limit[OD_PANEL];
    for (size_t k = tables(t); k-- > 0;)
        for (size_t round = 0; round < 300; round++) {
            fill(&rng, panel, LINES * OD_PANEL);
            for (size_t l = 0; l < OD_PANEL; l++)
                limit[l] =
                    round % 4 ? fabsf(panel[(round + l * 7) % (LINES * OD_PANEL)]) : INFINITY;
            if (round % 3 == 0)
                panel[round % (LINES * OD_PANEL)] = round % 2 ? NAN : -INFINITY;
            uint32_t m1 = 0, m2 = 0;
            for (size_t j = 0; j <= LINES; j++) {
                size_t at = t[k]->beyond(panel, j, LINES, limit, &m1);
                assert_int_equal(at, od_kernels_reference.beyond(panel, j, LINES, limit, &m2));
                assert_true(at == LINES || m1 == m2);
            }
        }
}

static void beyond_takes_what_is_larger_and_what_is_no_number(void **state)
{
    (void)state;
    float panel[2 * OD_PANEL] = {0}, limit[OD_PANEL];
    uint32_t mask = 0;
    for (size_t l = 0; l < OD_PANEL; l++)
        limit[l] = 2;
    assert_int_equal(od_kernels_reference.beyond(panel, 0, 2, limit, &mask), 2);
    panel[0] = 2;
    panel[OD_PANEL + 1] = -2.5f;
    panel[OD_PANEL + 3] = NAN;
    panel[OD_PANEL + 15] = INFINITY;
    assert_int_equal(od_kernels_reference.beyond(panel, 0, 2, limit, &mask), 1);
    assert_int_equal(mask, 1u << 1 | 1u << 3 | 1u << 15);
}

static void above_finds_the_same_blocks(void **state)
{
    (void)state;
    enum { BLOCKS = 9 };
    const struct od_kernels *t[2];
    struct od_random rng;
    od_random_init(&rng, 5);
    float s[BLOCKS * OD_SCAN_BLOCK];
    uint64_t keep[BLOCKS];
    for (size_t k = tables(t); k-- > 0;)
        for (size_t round = 0; round < 300; round++) {
            fill(&rng, s, BLOCKS * OD_SCAN_BLOCK);
            s[round % (BLOCKS * OD_SCAN_BLOCK)] = round % 3 ? NAN : INFINITY;
            for (size_t b = 0; b < BLOCKS; b++)
                keep[b] = od_random_u64(&rng) & od_random_u64(&rng);
            const uint64_t *bits = round % 2 ? keep : NULL;
            float limit = (float)(round % 5);
            uint64_t m1 = 0, m2 = 0;
            for (size_t b = 0; b <= BLOCKS; b++) {
                size_t at = t[k]->above(s, b, BLOCKS, limit, bits, &m1);
                assert_int_equal(at, od_kernels_reference.above(s, b, BLOCKS, limit, bits, &m2));
                assert_true(at == BLOCKS || m1 == m2);
            }
        }
}

static void shrunk_agrees_exactly(void **state)
{
    (void)state;
    enum { COUNT = 37 };
    const struct od_kernels *t[2];
    struct od_random rng;
    od_random_init(&rng, 5);
    uint64_t counter[COUNT];
    float weight[COUNT], a[COUNT], b[COUNT];
    fill(&rng, weight, COUNT);
    for (size_t i = 0; i < COUNT; i++) {
        uint64_t common = i % 3 ? od_random_below(&rng, 1u << 31) : i;
        counter[i] = common << 32 | od_random_below(&rng, 1u << 31);
    }
    od_kernels_reference.shrunk(b, counter, weight, COUNT, .25f, 10, 7);
    for (size_t i = 0; i < COUNT; i += 3)
        if (i < 7)
            assert_true(isinf(b[i]) && b[i] < 0);
        else
            assert_float_equal(
                b[i], (float)(uint32_t)counter[i] * .25f * weight[i] * (float)i / ((float)i + 10),
                fabsf(b[i]) * 1e-6f);
    for (size_t k = tables(t); k-- > 0;) {
        t[k]->shrunk(a, counter, weight, COUNT, .25f, 10, 7);
        assert_memory_equal(a, b, sizeof a);
    }
}

static void best_is_one_of_the_tables(void **state)
{
    (void)state;
    const struct od_kernels *t[2], *best = od_kernels_best();
    size_t n = tables(t);
    assert_ptr_equal(best, n ? t[n - 1] : &od_kernels_reference);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(axpy_and_dot_agree),
        cmocka_unit_test(halves_are_exact_both_ways),
        cmocka_unit_test(encoding_agrees_exactly),
        cmocka_unit_test(half_rows_agree),
        cmocka_unit_test(spread_agrees),
        cmocka_unit_test(above_finds_the_same_blocks),
        cmocka_unit_test(beyond_finds_the_same_lines),
        cmocka_unit_test(beyond_takes_what_is_larger_and_what_is_no_number),
        cmocka_unit_test(shrunk_agrees_exactly),
        cmocka_unit_test(best_is_one_of_the_tables),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
