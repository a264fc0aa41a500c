/* ondol eval as a command: what it refuses, and that it writes what it is asked to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "cli/cli.h"
#include "os/io.h"

static char folder[] = "/tmp/ondol-eval-XXXXXX", data[64], json[64], svg[64];

static int setup(void **state)
{
    (void)state;
    struct od_random rng;
    struct od_buf text;
    if (!mkdtemp(folder))
        return -1;
    snprintf(data, sizeof data, "%s/data.csv", folder);
    snprintf(json, sizeof json, "%s/out.json", folder);
    snprintf(svg, sizeof svg, "%s/out.svg", folder);
    od_buf_init(&text, 1u << 20);
    od_random_init(&rng, 1);
    od_buf_puts(&text, "USER_ID,ITEM_ID,TIMESTAMP\n");
    for (int u = 0; u < 60; u++)
        for (int k = 0; k < 12; k++)
            od_buf_printf(&text, "u%d,i%d,%d\n", u, (int)od_random_below(&rng, 30), u + 86400 * k);
    enum od_status s = od_io_write_file(&od_io_real, data, od_buf_view(&text), NULL);
    od_buf_done(&text);
    return s == OD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    return od_io_remove_tree(&od_io_real, folder, NULL) == OD_OK ? 0 : -1;
}

/* Runs it on the data with these options and more of them. */
static int run(const char *const *more, bool with_data)
{
    char *argv[32] = {"eval"};
    int argc = 1;
    if (with_data) {
        argv[argc++] = "--interactions";
        argv[argc++] = data;
    }
    for (; *more; more++)
        argv[argc++] = (char *)*more;
    return od_cmd_eval(argc, argv);
}
#define RUN(...)     run((const char *const[]){__VA_ARGS__, NULL}, true)
#define RUN_ALONE(x) run((const char *const[]){x, NULL}, false)

static struct od_str read_text(const char *path, struct od_buf *out)
{
    od_buf_init(out, 1u << 24);
    assert_int_equal(od_io_read_file(&od_io_real, path, out, NULL), OD_OK);
    return od_buf_view(out);
}

static void it_writes_what_it_is_asked_to(void **state)
{
    (void)state;
    struct od_buf text;
    assert_int_equal(RUN("--recipe", "aws-sims", "--recipe", "aws-popularity-count", "--param",
                         "popularity_discount_factor=0.25", "--json", json, "--svg", svg,
                         "--protocol", "loo", "--threads", "2"),
                     0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"protocol\":\"loo\""));
    assert_non_null(strstr(text.ptr, "\"given\":\"popularity_discount_factor=0.25\""));
    assert_non_null(
        strstr(text.ptr, "\"name\":\"aws-popularity-count\",\"kind\":\"recipe\",\"given\":\"\""));
    assert_non_null(strstr(text.ptr, "\"questions\":60"));
    od_buf_done(&text);
    read_text(svg, &text);
    assert_non_null(strstr(text.ptr, "popularity_discount_factor=0.25"));
    od_buf_done(&text);
}

static void the_time_of_the_target_is_told_on_request_alone(void **state)
{
    (void)state;
    struct od_buf text;
    assert_int_equal(RUN("--protocol", "loo", "--json", json), 0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"target_time\":false"));
    od_buf_done(&text);
    assert_int_equal(RUN("--protocol", "loo", "--target-time", "--json", json), 0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"target_time\":true"));
    od_buf_done(&text);
}

static void wrong_options_are_refused(void **state)
{
    (void)state;
    assert_int_equal(RUN_ALONE("--list"), 0);
    assert_int_equal(RUN_ALONE("--seed=1"), 2); /* no data */
    assert_int_equal(RUN("--protocol", "guess"), 2);
    assert_int_equal(RUN("--recipe", "aws-nothing"), 2);
    assert_int_equal(RUN("--recipe", "aws-sims", "--param", "depth=3"), 2);
    assert_int_equal(RUN("--recipe", "aws-sims", "--param", "popularity_discount_factor=7"), 2);
    assert_int_equal(RUN("--recipe", "aws-sims", "--param", "popularity_discount_factor"), 2);
    assert_int_equal(RUN("--folds", "0"), 2);
    assert_int_equal(RUN("--cut", "1"), 2);
    assert_int_equal(RUN("--cut", "x"), 2);
    assert_int_equal(RUN("--threads", "-1"), 2);
    assert_int_equal(RUN("--protocol", "session"), 2); /* no --test */
    assert_int_equal(RUN("--protocol", "loo", "--test", data), 2);
    assert_int_equal(RUN("--protocol", "cold", "--target-time"), 2);
    assert_int_equal(RUN("--protocol", "loo", "--folds", "3"), 2); /* what is not used */
    assert_int_equal(RUN("--protocol", "loo", "--cut", "0.8"), 2);
    assert_int_equal(RUN("--protocol", "loo", "--segment-by", "GENRES"), 2);
    assert_int_equal(RUN("--protocol", "trend", "--folds", "200"), 1); /* less than a day behind */
    assert_int_equal(RUN("stray"), 2);
    assert_int_equal(RUN("--event-value", "many"), 1);
    assert_int_equal(RUN("--event-type", "rent"), 1);                  /* none of that type */
    assert_int_equal(RUN("--protocol", "session", "--test", data), 1); /* not such a file */
    assert_int_equal(RUN("--protocol", "segment", "--recipe", "aws-sims"), 1);
    assert_int_equal(RUN("--json", "/no/such/folder/x.json"), 1);
    const struct od_str timeless = OD_STR("USER_ID,ITEM_ID\nu,a\nu,b\n");
    assert_int_equal(od_io_write_file(&od_io_real, json, timeless, NULL), OD_OK);
    assert_int_equal(RUN("--protocol", "time", "--interactions", json), 1);
    assert_int_equal(RUN("--protocol", "loo", "--interactions", json), 0);
}

static void pairs_sorted_by_item_are_dealt_before_their_end_is_held_out(void **state)
{
    (void)state;
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    od_buf_puts(&text, "USER_ID,ITEM_ID\n");
    for (int u = 0; u < 60; u++)
        for (int k = 0; k < 12; k++)
            od_buf_printf(&text, "u%d,i%03d\n", u, k * 5 + u % 5);
    assert_int_equal(od_io_write_file(&od_io_real, svg, od_buf_view(&text), NULL), OD_OK);
    od_buf_done(&text);
    const char *const sorted[] = {"--interactions", svg, "--protocol", "loo", "--json", json, NULL};
    assert_int_equal(run(sorted, false), 0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"dealt\":true"));
    od_buf_done(&text);
    assert_int_equal(RUN("--protocol", "loo", "--json", json), 0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"dealt\":false"));
    od_buf_done(&text);
}

static void vectors_of_a_file_are_measured(void **state)
{
    (void)state;
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    for (int i = 0; i < 30; i++)
        od_buf_printf(&text, "i%d\t%d %d\n", i, 1 + i % 7, 1 + i % 5);
    assert_int_equal(od_io_write_file(&od_io_real, svg, od_buf_view(&text), NULL), OD_OK);
    od_buf_done(&text);
    char location[96];
    snprintf(location, sizeof location, "location=%s", svg);
    assert_int_equal(RUN("--protocol", "loo", "--recipe", "ondol-external-vectors", "--param",
                         location, "--json", json),
                     0);
    read_text(json, &text);
    assert_non_null(strstr(text.ptr, "\"name\":\"ondol-external-vectors\",\"kind\":\"recipe\""));
    od_buf_done(&text);
    assert_int_equal(RUN("--protocol", "loo", "--recipe", "ondol-external-vectors"), 1);
    assert_int_equal(RUN("--protocol", "loo", "--recipe", "ondol-external-vectors", "--param",
                         "location=/no/such/file"),
                     1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_writes_what_it_is_asked_to),
        cmocka_unit_test(the_time_of_the_target_is_told_on_request_alone),
        cmocka_unit_test(wrong_options_are_refused),
        cmocka_unit_test(pairs_sorted_by_item_are_dealt_before_their_end_is_held_out),
        cmocka_unit_test(vectors_of_a_file_are_measured),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
