/* Reports of metric attributions: how numbers and texts are spelled, and that a file is there whole
 * or not at all. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <float.h>
#include <ftw.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/attribution_csv.h"

static void assert_number(double value, const char *expect)
{
    struct od_buf text;
    od_buf_init(&text, 1000);
    od_attribution_csv_number(&text, value);
    assert_int_equal(od_buf_status(&text), OD_OK);
    assert_string_equal(text.ptr, expect);
    od_buf_done(&text);
}

static void numbers_have_a_digit_after_the_point_and_no_exponent(void **state)
{
    (void)state;
    assert_number(0, "0.0");
    assert_number(-0.0, "0.0");
    assert_number(12, "12.0");
    assert_number(-12.5, "-12.5");
    assert_number(0.1, "0.1");
    assert_number(1e-7, "0.0000001");
    assert_number(-1.25e-9, "-0.00000000125");
    assert_number(1e21, "1000000000000000000000.0");
    assert_number(1.5e22, "15000000000000000000000.0");
    assert_number(123456789012345680, "123456789012345680.0");
    assert_number(NAN, "0.0");
}

static void every_number_reads_back(void **state)
{
    (void)state;
    static const double values[] = {DBL_MAX, -DBL_MAX, DBL_MIN, 4.9e-324, 1.0 / 3, 2e20, 9.99e15};
    for (size_t i = 0; i < sizeof values / sizeof *values; i++) {
        struct od_buf text;
        od_buf_init(&text, 1000);
        od_attribution_csv_number(&text, values[i]);
        assert_null(strchr(text.ptr, 'e'));
        assert_non_null(strchr(text.ptr, '.'));
        assert_true(strtod(text.ptr, NULL) == values[i]);
        od_buf_done(&text);
    }
    assert_number(INFINITY,
                  "179769313486231570000000000000000000000000000000000000000000000000000000"
                  "00000000000000000000000000000000000000000000000000000000000000000000000"
                  "00000000000000000000000000000000000000000000000000000000000000000000000"
                  "00000000000000000000000000000000000000000000000000000000000000000000000"
                  "000000000000000000000000.0");
}

struct fixture {
    char folder[200];
    struct od_objects *objects;
    struct od_error err;
};

static int begin(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    assert_non_null(f);
    const char *tmp = getenv("TMPDIR");
    snprintf(f->folder, sizeof f->folder, "%s/ondol-report-XXXXXX", tmp ? tmp : "/tmp");
    assert_non_null(mkdtemp(f->folder));
    assert_int_equal(od_objects_new(&od_io_real, f->folder, NULL, 0, &f->objects, &f->err), OD_OK);
    *state = f;
    return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *walk)
{
    (void)st, (void)kind, (void)walk;
    return remove(path);
}

static int end(void **state)
{
    struct fixture *f = *state;
    od_objects_free(f->objects);
    nftw(f->folder, remove_one, 8, FTW_DEPTH | FTW_PHYS);
    free(f);
    return 0;
}

static bool exists(const struct fixture *f, const char *name)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s", f->folder, name);
    return access(path, F_OK) == 0;
}

static void open_report(struct fixture *f, struct od_attribution_csv *csv)
{
    assert_int_equal(od_attribution_csv_open(csv, &od_io_real, f->objects, OD_STR("s3://bucket/r"),
                                             "PutEvents", 1666925124, &f->err),
                     OD_OK);
}

#define NAME "bucket/r/AggregatedAttributionMetrics - PutEvents - 1666925124.csv"

static void report_appears_when_closed_and_quotes_what_needs_it(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_csv csv;
    struct od_buf text;
    char path[512];
    const struct od_attribution_cell cell = {.period_s = 900,
                                             .metric = OD_STR("clicks, all"),
                                             .event_type = OD_STR("click"),
                                             .math_function = OD_STR("samplecount"),
                                             .source = OD_STR("the \"Mail\""),
                                             .value = 3};
    open_report(f, &csv);
    assert_int_equal(od_attribution_csv_row(&csv, &cell, &f->err), OD_OK);
    assert_false(exists(f, NAME));
    assert_int_equal(od_attribution_csv_close(&csv, &f->err), OD_OK);
    assert_false(exists(f, NAME ".tmp"));
    snprintf(path, sizeof path, "%s/%s", f->folder, NAME);
    od_buf_init(&text, 1000);
    assert_int_equal(od_io_read_file(&od_io_real, path, &text, &f->err), OD_OK);
    assert_string_equal(
        text.ptr, "METRIC_NAME,EVENT_TYPE,VALUE,MATH_FUNCTION,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP\n"
                  "\"CLICKS, ALL\",CLICK,3.0,samplecount,\"the \"\"Mail\"\"\",900\n");
    od_buf_done(&text);
}

static void many_rows_are_all_in_the_file(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_csv csv;
    struct od_buf text;
    char path[512], source[32];
    open_report(f, &csv);
    for (int i = 0; i < 20000; i++) {
        snprintf(source, sizeof source, "source-%d", i);
        const struct od_attribution_cell cell = {.source = od_str_c(source), .value = i};
        assert_int_equal(od_attribution_csv_row(&csv, &cell, &f->err), OD_OK);
    }
    assert_int_equal(od_attribution_csv_close(&csv, &f->err), OD_OK);
    snprintf(path, sizeof path, "%s/%s", f->folder, NAME);
    od_buf_init(&text, 4 << 20);
    assert_int_equal(od_io_read_file(&od_io_real, path, &text, &f->err), OD_OK);
    size_t lines = 0;
    for (size_t i = 0; i < text.len; i++)
        lines += text.ptr[i] == '\n';
    assert_int_equal(lines, 20001);
    assert_non_null(strstr(text.ptr, ",,19999.0,,source-19999,0\n"));
    od_buf_done(&text);
}

static void report_given_up_leaves_nothing(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_csv csv;
    open_report(f, &csv);
    assert_true(exists(f, NAME ".tmp"));
    od_attribution_csv_abort(&csv);
    assert_false(exists(f, NAME ".tmp"));
    assert_false(exists(f, NAME));
}

static void location_that_cannot_be_a_folder_is_refused(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_csv csv;
    assert_int_equal(od_attribution_csv_open(&csv, &od_io_real, f->objects, OD_STR("s3://b/../x"),
                                             "FULL", 1, &f->err),
                     OD_INVALID_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_have_a_digit_after_the_point_and_no_exponent),
        cmocka_unit_test(every_number_reads_back),
        cmocka_unit_test_setup_teardown(report_appears_when_closed_and_quotes_what_needs_it, begin,
                                        end),
        cmocka_unit_test_setup_teardown(many_rows_are_all_in_the_file, begin, end),
        cmocka_unit_test_setup_teardown(report_given_up_leaves_nothing, begin, end),
        cmocka_unit_test_setup_teardown(location_that_cannot_be_a_folder_is_refused, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
