/* Repetitions among rows: the same answer whether they fit into one run or not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "jobs/distinct.h"

#define ROWS 5000
#define KEYS 700

static char scratch[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/od-distinct-XXXXXX");
    int fd = mkstemp(scratch);
    if (fd >= 0)
        close(fd);
    return fd >= 0 && unlink(scratch) == 0 ? 0 : 1;
}

/* keys[i] of row i; expect by the plain rule. */
static void check(const uint32_t *keys, size_t count, bool keep_last, size_t run_rows)
{
    struct od_error err = {0};
    struct od_distinct *d = od_distinct_new(&od_io_real, od_str_c(scratch), keep_last, run_rows);
    const uint64_t *dropped;
    assert_non_null(d);
    for (size_t i = 0; i < count; i++) {
        uint8_t key[OD_DISTINCT_KEY] = {0};
        memcpy(key + 12, &keys[i], sizeof keys[i]);
        assert_int_equal(od_distinct_add(d, key, &err), OD_OK);
    }
    assert_int_equal(od_distinct_finish(d, &dropped, &err), OD_OK);
    for (size_t i = 0; i < count; i++) {
        bool repeated = false;
        for (size_t j = 0; j < count && !repeated; j++)
            repeated = keys[j] == keys[i] && (keep_last ? j > i : j < i);
        assert_int_equal(od_bitmap_get(dropped, i), repeated);
    }
    assert_int_equal(access(scratch, F_OK) == 0, run_rows && count > run_rows);
    od_distinct_free(d);
    assert_int_not_equal(access(scratch, F_OK), 0);
}

static void one_row_of_each_key_is_kept(void **state)
{
    (void)state;
    static uint32_t keys[ROWS];
    static const size_t runs[] = {0, ROWS, ROWS - 1, 997, 64, 7, 1};
    struct od_random random;
    od_random_init(&random, 5);
    for (size_t i = 0; i < ROWS; i++)
        keys[i] = (uint32_t)od_random_below(&random, KEYS);
    for (size_t r = 0; r < sizeof runs / sizeof *runs; r++) {
        check(keys, ROWS, false, runs[r]);
        check(keys, ROWS, true, runs[r]);
    }
}

static void none_and_all_the_same(void **state)
{
    (void)state;
    static const uint32_t same[100];
    check(same, 0, false, 3);
    check(same, 1, false, 3);
    check(same, 100, false, 3);
    check(same, 100, true, 3);
    check(same, 99, true, 33);
}

static void a_full_disk_is_told(void **state)
{
    (void)state;
    struct od_error err = {0};
    struct od_distinct *d =
        od_distinct_new(&od_io_real, OD_STR("/nonexistent/folder/keys"), false, 2);
    uint8_t key[OD_DISTINCT_KEY] = {0};
    assert_int_equal(od_distinct_add(d, key, &err), OD_OK);
    assert_int_equal(od_distinct_add(d, key, &err), OD_OK);
    assert_int_not_equal(od_distinct_add(d, key, &err), OD_OK);
    assert_non_null(strstr(err.message, "/nonexistent/folder/keys"));
    od_distinct_free(d);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_row_of_each_key_is_kept, set_up),
        cmocka_unit_test_setup(none_and_all_the_same, set_up),
        cmocka_unit_test_setup(a_full_disk_is_told, set_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
