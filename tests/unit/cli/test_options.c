/* Options from the command line, the environment and a file: which wins, and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"

#define COUNT 5

static struct od_option fresh[COUNT] = {
    {"data", "here", "a folder", "DIR", false, 0, NULL},
    {"n", "5", "a number", "N", false, 0, NULL},
    {"no-auth", "false", "a flag", NULL, false, 0, NULL},
    {"allow", "", "many", "DIR", true, 0, NULL},
    {"config", "", "a file", "FILE", false, 0, NULL},
};
static struct od_option options[COUNT];

static bool read_words(int *rest, ...)
{
    static char verb[] = "serve";
    char *argv[16] = {verb};
    int argc = 1;
    va_list ap;
    od_options_done(options, COUNT);
    memcpy(options, fresh, sizeof options);
    va_start(ap, rest);
    for (char *word; (word = va_arg(ap, char *)) != NULL; argc++)
        argv[argc] = word;
    va_end(ap);
    return od_options_read("serve", options, COUNT, argc, argv, rest);
}
#define READ(...) read_words(&rest, __VA_ARGS__, (char *)NULL)

static const char *value(const char *name)
{
    return od_option_value(options, COUNT, name);
}

/* A file with that text, as --config. */
static char *file_with(const char *text, size_t len)
{
    static char argument[64];
    char path[] = "/tmp/ondol-options-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), (ssize_t)len);
    close(fd);
    snprintf(argument, sizeof argument, "--config=%s", path);
    return argument;
}

static void forget(const char *argument)
{
    unlink(argument + strlen("--config="));
}

static void clean(void)
{
    unsetenv("ONDOL_DATA");
    unsetenv("ONDOL_NO_AUTH");
    unsetenv("ONDOL_ALLOW");
}

static void value_follows_its_name_or_an_equals_sign(void **state)
{
    (void)state;
    int rest;
    int64_t n;
    clean();
    assert_true(READ("--data", "a", "--n=7"));
    assert_string_equal(value("data"), "a");
    assert_true(od_option_number(options, COUNT, "n", 0, 10, &n));
    assert_int_equal(n, 7);
    assert_int_equal(rest, 4);
    assert_true(READ("--data=x=y"));
    assert_string_equal(value("data"), "x=y");
    assert_string_equal(value("n"), "5");
    assert_null(value("nothing"));
}

static void first_word_that_is_no_option_ends_them(void **state)
{
    (void)state;
    int rest;
    clean();
    assert_true(READ("--data", "a", "word", "--n=7"));
    assert_int_equal(rest, 3);
    assert_string_equal(value("n"), "5");
}

static void unknown_option_and_missing_value_are_refused(void **state)
{
    (void)state;
    int rest;
    clean();
    assert_false(READ("--dat", "a"));
    assert_false(READ("--datas", "a"));
    assert_false(READ("--n"));
}

static void command_line_wins_over_environment_over_file(void **state)
{
    (void)state;
    static const char text[] = "# a comment\n\n  data = from file \nn=9\n";
    int rest;
    clean();
    char *config = file_with(text, sizeof text - 1);
    assert_true(READ(config));
    assert_string_equal(value("data"), "from file");
    assert_string_equal(value("n"), "9");
    setenv("ONDOL_DATA", "from environment", 1);
    assert_true(READ(config));
    assert_string_equal(value("data"), "from environment");
    assert_true(READ(config, "--data", "from command"));
    assert_string_equal(value("data"), "from command");
    forget(config);
    clean();
}

static void option_that_may_be_repeated_joins_what_one_source_gives(void **state)
{
    (void)state;
    static const char text[] = "allow = f\nallow = g\n";
    int rest;
    clean();
    assert_true(READ("--allow", "a", "--allow=b"));
    assert_string_equal(value("allow"), "a:b");
    char *config = file_with(text, sizeof text - 1);
    assert_true(READ(config));
    assert_string_equal(value("allow"), "f:g");
    setenv("ONDOL_ALLOW", "e", 1);
    assert_true(READ(config, "--allow", "a"));
    assert_string_equal(value("allow"), "a"); /* the lesser sources are not joined to it */
    forget(config);
    clean();
}

static void flag_is_true_or_false_and_nothing_else(void **state)
{
    (void)state;
    int rest;
    clean();
    assert_true(READ("--n=1"));
    assert_false(od_option_flag(options, COUNT, "no-auth"));
    assert_true(READ("--no-auth", "--n=1")); /* takes no word after it */
    assert_true(od_option_flag(options, COUNT, "no-auth"));
    assert_string_equal(value("n"), "1");
    assert_true(READ("--no-auth=no"));
    assert_false(od_option_flag(options, COUNT, "no-auth"));
    assert_false(READ("--no-auth=on"));
    setenv("ONDOL_NO_AUTH", "1", 1);
    assert_true(READ("--n=1"));
    assert_true(od_option_flag(options, COUNT, "no-auth"));
    setenv("ONDOL_NO_AUTH", "TRUE", 1);
    assert_false(READ("--n=1"));
    clean();
}

static void number_out_of_range_or_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"--n=-1",  "--n=11", "--n=",    "--n=5x",
                                      "--n=5.0", "--n= 5", "--n=0x5", "--n=99999999999999999999"};
    int rest;
    clean();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        int64_t n = 77;
        assert_true(READ((char *)bad[i]));
        assert_false(od_option_number(options, COUNT, "n", 0, 10, &n));
        assert_int_equal(n, 77);
    }
}

static void file_with_a_bad_line_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"data\n", "dat = x\n", "= x\n", "no-auth = maybe\n"};
    static char endless[6000];
    int rest;
    clean();
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char *config = file_with(bad[i], strlen(bad[i]));
        if (READ(config))
            fail_msg("accepted: %s", bad[i]);
        forget(config);
    }
    memset(endless, ' ', sizeof endless); /* a line that would be read as two */
    memcpy(endless, "data = x", 8);
    memcpy(endless + 4096, "n = 6", 5);
    char *config = file_with(endless, sizeof endless);
    assert_false(READ(config));
    forget(config);
    assert_false(READ("--config=/nowhere/at/all"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(value_follows_its_name_or_an_equals_sign),
        cmocka_unit_test(first_word_that_is_no_option_ends_them),
        cmocka_unit_test(unknown_option_and_missing_value_are_refused),
        cmocka_unit_test(command_line_wins_over_environment_over_file),
        cmocka_unit_test(option_that_may_be_repeated_joins_what_one_source_gives),
        cmocka_unit_test(flag_is_true_or_false_and_nothing_else),
        cmocka_unit_test(number_out_of_range_or_no_number_is_refused),
        cmocka_unit_test(file_with_a_bad_line_is_refused),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    od_options_done(options, COUNT);
    return failed;
}
