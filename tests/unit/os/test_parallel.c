/* Parts over threads: each once, the lowest failure, arenas of their own. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "os/parallel.h"

enum { PARTS = 1000 };

struct counted {
    unsigned done[PARTS];
    size_t fails_from; /* this part and later ones */
    bool empty[PARTS];
};

static enum od_status count_part(void *context, size_t index, unsigned thread)
{
    struct counted *c = context;
    assert_true(thread < 4);
    c->done[index]++;
    return index < c->fails_from ? OD_OK : index == c->fails_from ? OD_CORRUPT : OD_NO_MEMORY;
}

static enum od_status use_arena(void *context, size_t index, struct od_arena *arena)
{
    struct counted *c = context;
    c->empty[index] = arena->used == 0;
    char *bytes = OD_NEW_ARRAY(arena, char, 100 + index);
    if (!bytes)
        return OD_NO_MEMORY;
    memset(bytes, 1, 100 + index);
    c->done[index]++;
    return index < c->fails_from ? OD_OK : OD_CORRUPT;
}

static void every_part_is_done_once(void **state)
{
    (void)state;
    static const unsigned threads[] = {1, 2, 4};
    for (size_t i = 0; i < sizeof threads / sizeof *threads; i++) {
        struct counted c = {.fails_from = PARTS};
        assert_int_equal(od_parallel(threads[i], PARTS, count_part, &c), OD_OK);
        for (size_t p = 0; p < PARTS; p++)
            assert_int_equal(c.done[p], 1);
    }
}

static void the_lowest_failure_is_told(void **state)
{
    (void)state;
    for (unsigned threads = 1; threads <= 4; threads++) {
        struct counted c = {.fails_from = 300};
        assert_int_equal(od_parallel(threads, PARTS, count_part, &c), OD_CORRUPT);
        for (size_t p = 0; p < 300; p++)
            assert_int_equal(c.done[p], 1);
        assert_true(threads > 1 || c.done[301] == 0);
    }
}

static void every_part_has_an_empty_arena(void **state)
{
    (void)state;
    struct counted c = {.fails_from = PARTS};
    assert_int_equal(od_parallel_arenas(2, PARTS, use_arena, &c), OD_OK);
    for (size_t p = 0; p < PARTS; p++)
        assert_true(c.done[p] == 1 && c.empty[p]);
    struct counted bad = {.fails_from = 0};
    assert_int_equal(od_parallel_arenas(1, PARTS, use_arena, &bad), OD_CORRUPT);
    assert_int_equal(bad.done[1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_part_is_done_once),
        cmocka_unit_test(the_lowest_failure_is_told),
        cmocka_unit_test(every_part_has_an_empty_arena),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
