/* The largest entries of rows whose columns come one after the other: against sorting them all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/topk.h"
#include "recipes/linar_sieve.h"

enum { COLUMNS = 700, LIVE = 13 };

static float panel[COLUMNS * OD_PANEL];

/* Few different numbers, so that many are equal. */
static void fill(uint64_t seed, unsigned different)
{
    struct od_random rng;
    od_random_init(&rng, seed);
    for (size_t i = 0; i < COLUMNS * OD_PANEL; i++)
        panel[i] = (float)od_random_below(&rng, different) - (float)(different / 2);
}

static void add_in_pieces(struct od_linar_sieve *s, size_t piece)
{
    for (size_t from = 0; from < COLUMNS; from += piece) {
        size_t lines = COLUMNS - from < piece ? COLUMNS - from : piece;
        assert_int_equal(od_linar_sieve_add(s, (uint32_t)from, panel + from * OD_PANEL, lines),
                         OD_OK);
    }
}

/* The first keep by size of a row are among the candidates; those are in order and as they were. */
static void assert_holds_largest(const struct od_linar_sieve *s, size_t row, uint32_t keep)
{
    float size[COLUMNS];
    uint32_t best[COLUMNS], *column = s->column + row * s->room;
    for (size_t j = 0; j < COLUMNS; j++)
        size[j] =
            fabsf(panel[j * OD_PANEL + row]) > 0 ? fabsf(panel[j * OD_PANEL + row]) : -INFINITY;
    size_t n = od_topk_reference(size, COLUMNS, NULL, keep, best);
    assert_true(s->count[row] >= n && s->count[row] <= s->room);
    for (uint32_t i = 0; i < s->count[row]; i++) {
        assert_true(i == 0 || column[i] > column[i - 1]);
        assert_true(s->value[row * s->room + i] == panel[column[i] * OD_PANEL + row]);
    }
    for (size_t b = 0; b < n; b++) {
        uint32_t i = 0;
        while (i < s->count[row] && column[i] != best[b])
            i++;
        assert_true(i < s->count[row]);
    }
}

static void the_largest_are_held(void **state)
{
    (void)state;
    static const uint32_t keeps[] = {1, 2, 31, 349, 350, 351, COLUMNS};
    static const size_t pieces[] = {1, 64, 99, COLUMNS};
    for (size_t k = 0; k < sizeof keeps / sizeof *keeps; k++)
        for (size_t p = 0; p < sizeof pieces / sizeof *pieces; p++) {
            struct od_linar_sieve s;
            assert_int_equal(od_linar_sieve_init(&s, COLUMNS, keeps[k]), OD_OK);
            for (unsigned different = 1; different < 100000; different *= 9) {
                fill(k * 4 + p, different);
                od_linar_sieve_reset(&s, LIVE);
                add_in_pieces(&s, pieces[p]);
                for (size_t row = 0; row < LIVE; row++)
                    assert_holds_largest(&s, row, keeps[k]);
                for (size_t row = LIVE; row < OD_PANEL; row++)
                    assert_int_equal(s.count[row], 0);
            }
            od_linar_sieve_done(&s);
        }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const float bad[] = {NAN, INFINITY, -INFINITY};
    struct od_linar_sieve s;
    assert_int_equal(od_linar_sieve_init(&s, COLUMNS, 3), OD_OK);
    for (size_t i = 0; i < 3; i++) {
        fill(1, 1000);
        panel[500 * OD_PANEL + 2] = bad[i];
        od_linar_sieve_reset(&s, 3);
        assert_int_equal(od_linar_sieve_add(&s, 0, panel, COLUMNS), OD_INVALID_INPUT);
    }
    od_linar_sieve_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_largest_are_held),
        cmocka_unit_test(what_is_no_number_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
