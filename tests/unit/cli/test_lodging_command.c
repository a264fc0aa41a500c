/* ondol generate lodging as a command: its options, its exit status, its one line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli/cli.h"
#include "lodging_read.inc"

#define MOST_WORDS 16

struct said {
    int status;
    char out[4096], err[4096];
};

static void read_back(int fd, char *to, size_t size)
{
    ssize_t len = pread(fd, to, size - 1, 0);
    assert_true(len >= 0);
    to[len] = '\0';
    close(fd);
}

static int to_file(FILE *stream, int *out_kept)
{
    char path[] = "/tmp/ondol-said-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    unlink(path);
    fflush(stream);
    *out_kept = dup(fileno(stream));
    assert_true(dup2(fd, fileno(stream)) >= 0);
    return fd;
}

static void give_back(FILE *stream, int kept)
{
    fflush(stream);
    assert_true(dup2(kept, fileno(stream)) >= 0);
    close(kept);
}

/* words: what follows "ondol generate", ended by NULL. */
static void run(struct said *said, char *const *words)
{
    static char verb[] = "generate";
    char *argv[MOST_WORDS] = {verb};
    int argc = 1, kept_out, kept_err;
    for (; words[argc - 1]; argc++)
        argv[argc] = words[argc - 1];
    int out = to_file(stdout, &kept_out), err = to_file(stderr, &kept_err);
    said->status = od_cmd_generate(argc, argv);
    give_back(stdout, kept_out);
    give_back(stderr, kept_err);
    read_back(out, said->out, sizeof said->out);
    read_back(err, said->err, sizeof said->err);
}
#define RUN(said, ...) run((said), (char *[]){__VA_ARGS__, NULL})

static void expect_refusal(struct said *said, const char *words)
{
    assert_int_equal(said->status, 2);
    assert_string_equal(said->out, "");
    if (!strstr(said->err, words))
        fail_msg("\"%s\" does not say \"%s\"", said->err, words);
}

static void writes_what_was_asked(void **state)
{
    (void)state;
    char folder[64];
    struct said said;
    struct read_data data;
    make_folder(folder);
    RUN(&said, "lodging", "--users", "12", "--items=34", "--days", "30", "--end", "2026-05-01",
        "--seed", "5", "--out", folder);
    assert_int_equal(said.status, 0);
    assert_string_equal(said.err, "");
    assert_non_null(strstr(said.out, "12 users, 34 items, "));
    assert_non_null(strstr(said.out, " interactions/s\n"));
    read_data(folder, &data);
    assert_int_equal(data.users, 12);
    assert_int_equal(data.item_count, 34);
    for (size_t i = 0; i < data.event_count; i++) /* April 2026 */
        assert_in_range(data.events[i].time, 1777593600 - 30 * 86400, 1777593600 - 1);
    free_data(&data);
    remove_folder(folder);
}

static void ends_may_have_a_time(void **state)
{
    (void)state;
    char folder[64];
    struct said said;
    struct read_data data;
    make_folder(folder);
    RUN(&said, "lodging", "--users", "50", "--items", "5", "--days", "1", "--end",
        "2026-05-01T09:00:00+09:00", "--out", folder);
    assert_int_equal(said.status, 0);
    read_data(folder, &data);
    for (size_t i = 0; i < data.event_count; i++)
        assert_in_range(data.events[i].time, 1777593600 - 86400, 1777593600 - 1);
    free_data(&data);
    remove_folder(folder);
}

static void wrong_words_are_refused(void **state)
{
    (void)state;
    struct said said;
    RUN(&said, NULL);
    expect_refusal(&said, "usage: ondol generate lodging");
    RUN(&said, "movies");
    expect_refusal(&said, "usage: ondol generate lodging");
    RUN(&said, "lodging", "more");
    expect_refusal(&said, "not \"more\"");
    RUN(&said, "lodging", "--colour", "red");
    expect_refusal(&said, "--colour");
    RUN(&said, "lodging");
    expect_refusal(&said, "--out DIR is needed");
    RUN(&said, "lodging", "--out", "/tmp/x", "--users", "0");
    expect_refusal(&said, "--users must be a whole number between 1 and 1000000000, not \"0\"");
    RUN(&said, "lodging", "--out", "/tmp/x", "--items", "ten");
    expect_refusal(&said, "not \"ten\"");
    RUN(&said, "lodging", "--out", "/tmp/x", "--seed", "-1");
    expect_refusal(&said, "--seed");
    RUN(&said, "lodging", "--out", "/tmp/x", "--end", "2026-02-30");
    expect_refusal(&said, "--end must be a date such as 2026-11-01");
    RUN(&said, "lodging", "--out", "/tmp/x", "--end", "soon");
    expect_refusal(&said, "not \"soon\"");
    RUN(&said, "lodging", "--out", "/tmp/x", "--end", "1999-12-31");
    expect_refusal(&said, "the years 2000 to 2099");
}

static void failures_exit_with_1(void **state)
{
    (void)state;
    struct said said;
    RUN(&said, "lodging", "--users", "3", "--items", "3", "--out", "/dev/null/x");
    assert_int_equal(said.status, 1);
    assert_string_equal(said.out, "");
    assert_non_null(strstr(said.err, "/dev/null"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_what_was_asked),
        cmocka_unit_test(ends_may_have_a_time),
        cmocka_unit_test(wrong_words_are_refused),
        cmocka_unit_test(failures_exit_with_1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
