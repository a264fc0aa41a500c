/* Texts that lose what they quote of a user, and names that change inside of a resource. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "api/deletion.h"

static struct od_arena arena;

static int set_up(void **state)
{
    (void)state;
    od_arena_init(&arena, 1u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

static void assert_redacted(const char *text, const char *expect)
{
    struct od_str got = od_deletion_redact(&arena, od_str_c(text));
    if (!od_str_eq_c(got, expect))
        fail_msg("got \"%.*s\", not \"%s\"", OD_STR_ARG(got), expect);
}

static void reasons_lose_what_they_quote(void **state)
{
    (void)state;
    assert_redacted("", "");
    assert_redacted("No CSV files found.", "No CSV files found.");
    assert_redacted("x Invalid value 'ann' for column USER_ID at line 3: rule.",
                    "x Invalid value '(removed)' for column USER_ID at line 3: rule.");
    assert_redacted("Invalid value 'a' for column B' for column USER_ID at line 3",
                    "Invalid value '(removed)' for column USER_ID at line 3");
    assert_redacted("Invalid value 'cut off", "Invalid value '(removed)");
    assert_redacted("The stored record of \"ann\" does not fit its schema: AGE: rule.",
                    "The stored record of \"(removed)\" does not fit its schema: AGE: rule.");
    assert_redacted("Invalid value '(removed)' for column A",
                    "Invalid value '(removed)' for column A");
}

static void names_are_changed_whole(void **state)
{
    (void)state;
    struct od_str got = od_deletion_rename(
        &arena,
        OD_STR(
            "{\"image\":\"images/4.image\",\"base\":\"images/4.image\",\"x\":\"aimages/4.image\"}"),
        OD_STR("images/4.image"), OD_STR("images/9-4.image"));
    assert_true(od_str_eq_c(got, "{\"image\":\"images/9-4.image\",\"base\":\"images/9-4.image\","
                                 "\"x\":\"aimages/4.image\"}"));
}

static void files_belong_to_the_job_their_name_begins_with(void **state)
{
    (void)state;
    int64_t jobs[] = {12, 7};
    struct od_deletion_facts facts = {.jobs = jobs, .job_count = 2};
    static const char *const live[] = {"12.seg", "12.seg.tmp", "7-3.image.tmp", "7"};
    static const char *const gone[] = {"1.seg", "123.seg", "x12",
                                       "",      "-7",      "99999999999999999999.seg"};
    for (size_t i = 0; i < 4; i++)
        assert_true(od_deletion_of_live_job(&facts, od_str_c(live[i])));
    for (size_t i = 0; i < 6; i++)
        assert_false(od_deletion_of_live_job(&facts, od_str_c(gone[i])));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(reasons_lose_what_they_quote),
        T(names_are_changed_whole),
        T(files_belong_to_the_job_their_name_begins_with),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
