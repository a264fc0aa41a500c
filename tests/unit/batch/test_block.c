/* Blocks: how many lines, how much text and how much memory at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "batch/block.h"

static struct od_batch_size size_of(int64_t results, bool segments, bool ranking, unsigned threads)
{
    struct od_batch_job job = {.results = results, .segments = segments};
    struct od_batch_size size = od_batch_size(&job, ranking, threads);
    assert_true(size.parts * size.part_lines >= size.lines);
    assert_true((size.parts - 1) * size.part_lines < size.lines);
    assert_true(size.parts * size.kept_bytes <= OD_BATCH_KEPT_BYTES);
    return size;
}

static void a_block_has_as_many_results_whatever_numResults_is(void **state)
{
    (void)state;
    assert_int_equal(size_of(-1, false, false, 1).lines, 8000);
    assert_int_equal(size_of(100, false, false, 1).lines, 2000);
    assert_int_equal(size_of(1, false, false, 1).lines, 8192);
}

static void a_ranking_counts_as_its_longest_list(void **state)
{
    (void)state;
    assert_int_equal(size_of(-1, false, true, 1).lines, 400);
    assert_int_equal(size_of(10, false, true, 1).lines, 8192);
}

static void every_core_has_a_part(void **state)
{
    (void)state;
    assert_int_equal(size_of(500, false, false, 64).parts, 64);
    assert_int_equal(size_of(OD_MAX_BATCH_USERS, true, false, 7).parts, 7);
    assert_int_equal(size_of(OD_MAX_BATCH_USERS, true, false, 7).lines, 7);
}

static void empty_lines_are_counted_and_not_given(void **state)
{
    (void)state;
    struct od_batch_reader reader = {.rest = OD_STR("a\r\n\n  \nb\n\nc"), .file_seed = 5};
    struct od_batch_text lines[4];
    assert_int_equal(od_batch_read(&reader, lines, 2), 2);
    assert_true(od_str_eq_c(lines[0].text, "a") && lines[0].number == 1);
    assert_true(od_str_eq_c(lines[1].text, "b") && lines[1].number == 4);
    assert_true(lines[0].seed != lines[1].seed);
    assert_int_equal(od_batch_read(&reader, lines, 4), 1);
    assert_true(od_str_eq_c(lines[0].text, "c") && lines[0].number == 6);
    assert_int_equal(od_batch_read(&reader, lines, 4), 0);
}

static void text_ends_a_block(void **state)
{
    (void)state;
    size_t count = 40, len = 1u << 20;
    char *text = malloc(count * len);
    struct od_batch_text lines[64];
    assert_non_null(text);
    memset(text, 'x', count * len);
    for (size_t i = 1; i <= count; i++)
        text[i * len - 1] = '\n';
    struct od_batch_reader reader = {.rest = {text, count * len}};
    assert_int_equal(od_batch_read(&reader, lines, 64), 17); /* one byte each is the line's end */
    assert_int_equal(od_batch_read(&reader, lines, 64), 17);
    assert_int_equal(lines[0].number, 18);
    assert_int_equal(od_batch_read(&reader, lines, 64), 6);
    assert_int_equal(od_batch_read(&reader, lines, 64), 0);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_has_as_many_results_whatever_numResults_is),
        cmocka_unit_test(a_ranking_counts_as_its_longest_list),
        cmocka_unit_test(every_core_has_a_part),
        cmocka_unit_test(empty_lines_are_counted_and_not_given),
        cmocka_unit_test(text_ends_a_block),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
