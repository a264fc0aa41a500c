/* The metrics registry: the text Prometheus reads, label bounds, counting from many threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/metrics.h"

static struct od_registry_series *of1(struct od_registry_counter *counter, const char *value)
{
    struct od_str values[] = {od_str_c(value)};
    return od_registry_counter_of(counter, values);
}

static void text_of(struct od_registry *registry, struct od_buf *out)
{
    od_buf_clear(out);
    od_registry_write(registry, out);
    assert_int_equal(od_buf_status(out), OD_OK);
}

static double half(void *context)
{
    return *(double *)context;
}

static void the_text_is_in_the_exposition_format(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct od_registry_counter *plain = od_registry_counter_new(r, "a_total", "Plain.", "");
    struct od_registry_counter *two =
        od_registry_counter_new(r, "b_total", "Help with \\ and\nline.", "op,result");
    double value = 0.5;
    assert_true(od_registry_gauge(r, "c", "A gauge.", half, &value));
    const double bounds[] = {0.001, 0.25, 2};
    struct od_registry_histogram *h =
        od_registry_histogram_new(r, "d_seconds", "Time.", "op", bounds, 3);
    struct od_str zeta[] = {OD_STR("zeta"), OD_STR("ok")};
    struct od_str odd[] = {OD_STR("a\"b\\c\nd\xff"), OD_STR("")};
    struct od_str get[] = {OD_STR("Get")};
    od_registry_add(od_registry_counter_of(plain, NULL), 3);
    od_registry_add(od_registry_counter_of(two, zeta), 1);
    od_registry_add(od_registry_counter_of(two, odd), 2);
    od_registry_add(od_registry_counter_of(two, zeta), 4);
    struct od_registry_series *s = od_registry_histogram_of(h, get);
    static const int64_t seen[] = {0, 1000000, 1000001, 250000000, 2000000001, -5};
    for (size_t i = 0; i < sizeof seen / sizeof *seen; i++)
        od_registry_observe_ns(s, seen[i]);
    struct od_buf text;
    od_buf_init(&text, 1 << 20);
    text_of(r, &text);
    assert_string_equal(text.ptr, "# HELP a_total Plain.\n"
                                  "# TYPE a_total counter\n"
                                  "a_total 3\n"
                                  "# HELP b_total Help with \\\\ and\\nline.\n"
                                  "# TYPE b_total counter\n"
                                  "b_total{op=\"a\\\"b\\\\c\\nd\xEF\xBF\xBD\",result=\"\"} 2\n"
                                  "b_total{op=\"zeta\",result=\"ok\"} 5\n"
                                  "# HELP c A gauge.\n"
                                  "# TYPE c gauge\n"
                                  "c 0.5\n"
                                  "# HELP d_seconds Time.\n"
                                  "# TYPE d_seconds histogram\n"
                                  "d_seconds_bucket{op=\"Get\",le=\"0.001\"} 3\n"
                                  "d_seconds_bucket{op=\"Get\",le=\"0.25\"} 5\n"
                                  "d_seconds_bucket{op=\"Get\",le=\"2\"} 5\n"
                                  "d_seconds_bucket{op=\"Get\",le=\"+Inf\"} 6\n"
                                  "d_seconds_sum{op=\"Get\"} 2.252000002\n"
                                  "d_seconds_count{op=\"Get\"} 6\n");
    static const struct {
        double value;
        const char *text;
    } gauges[] = {{NAN, "c NaN\n"}, {INFINITY, "c +Inf\n"}, {-INFINITY, "c -Inf\n"}, {7, "c 7\n"}};
    for (size_t i = 0; i < sizeof gauges / sizeof *gauges; i++) {
        value = gauges[i].value;
        text_of(r, &text);
        assert_non_null(strstr(text.ptr, gauges[i].text));
    }
    od_buf_done(&text);
    od_registry_free(r);
}

static void an_empty_family_has_its_head_and_a_plain_one_its_zero(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct od_buf text;
    od_buf_init(&text, 1 << 20);
    text_of(r, &text);
    assert_int_equal(text.len, 0);
    od_registry_counter_new(r, "a_total", "A.", "");
    od_registry_counter_new(r, "b_total", "B.", "op");
    text_of(r, &text);
    assert_string_equal(text.ptr, "# HELP a_total A.\n# TYPE a_total counter\na_total 0\n"
                                  "# HELP b_total B.\n# TYPE b_total counter\n");
    od_buf_done(&text);
    od_registry_free(r);
}

static void the_same_labels_give_the_same_member(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct od_registry_counter *c = od_registry_counter_new(r, "a_total", "A.", "x,y");
    struct od_str ab[] = {OD_STR("a"), OD_STR("b")}, ba[] = {OD_STR("b"), OD_STR("a")},
                  joined[] = {OD_STR("ab"), OD_STR("")}, none[] = {OD_STR_NONE, OD_STR("")},
                  empty[] = {OD_STR(""), OD_STR("")};
    assert_ptr_equal(od_registry_counter_of(c, ab), od_registry_counter_of(c, ab));
    assert_ptr_not_equal(od_registry_counter_of(c, ab), od_registry_counter_of(c, ba));
    assert_ptr_not_equal(od_registry_counter_of(c, ab), od_registry_counter_of(c, joined));
    assert_ptr_equal(od_registry_counter_of(c, none), od_registry_counter_of(c, empty));
    od_registry_free(r);
}

static void members_are_bounded_and_nothing_is_lost(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct od_registry_counter *c = od_registry_counter_new(r, "a_total", "A.", "op");
    for (int i = 0; i < OD_MAX_METRIC_SERIES + 500; i++) {
        char name[32];
        snprintf(name, sizeof name, "n%d", i);
        od_registry_add(of1(c, name), 1);
    }
    struct od_buf text;
    od_buf_init(&text, 1 << 24);
    text_of(r, &text);
    size_t lines = 0;
    for (const char *at = text.ptr; (at = strstr(at, "a_total{")); at++)
        lines++;
    assert_int_equal(lines, OD_MAX_METRIC_SERIES);
    /* "other" has a place of its own, so 501 of the names had none. */
    assert_non_null(strstr(text.ptr, "a_total{op=\"other\"} 501\n"));
    od_buf_done(&text);
    od_registry_free(r);
}

static void long_values_are_cut_between_characters(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct od_registry_counter *c = od_registry_counter_new(r, "a_total", "A.", "op");
    char value[OD_MAX_LABEL_CHARS + 64] = "";
    for (int i = 0; i < OD_MAX_LABEL_CHARS - 1; i++)
        strncat(value, "x", 2);
    strncat(value, "\xec\xa0\x9c tail", 16); /* begins on the last byte allowed */
    od_registry_add(of1(c, value), 1);
    struct od_buf text;
    od_buf_init(&text, 1 << 20);
    text_of(r, &text);
    assert_null(strstr(text.ptr, "tail"));
    assert_null(strstr(text.ptr, "\xec"));
    assert_null(strstr(text.ptr, "\xEF\xBF\xBD"));
    const char *from = strstr(text.ptr, "op=\"");
    assert_non_null(from);
    assert_int_equal(strspn(from + 4, "x"), OD_MAX_LABEL_CHARS - 1);
    od_buf_done(&text);
    od_registry_free(r);
}

struct worker {
    struct od_registry_counter *counter;
    struct od_registry_histogram *histogram;
};

static void *count(void *context)
{
    struct worker *w = context;
    for (int i = 0; i < 5000; i++) {
        char name[8];
        snprintf(name, sizeof name, "k%d", i % 10);
        struct od_str values[] = {od_str_c(name)};
        od_registry_add(od_registry_counter_of(w->counter, values), 1);
        od_registry_observe_ns(od_registry_histogram_of(w->histogram, values), i * 1000);
    }
    return NULL;
}

static void threads_count_while_the_text_is_written(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    struct worker w = {od_registry_counter_new(r, "a_total", "A.", "op"),
                       od_registry_histogram_new(r, "b_seconds", "B.", "op", NULL, 0)};
    pthread_t threads[4];
    struct od_buf text;
    od_buf_init(&text, 1 << 20);
    for (int i = 0; i < 4; i++)
        pthread_create(&threads[i], NULL, count, &w);
    for (int i = 0; i < 20; i++)
        text_of(r, &text);
    for (int i = 0; i < 4; i++)
        pthread_join(threads[i], NULL);
    text_of(r, &text);
    for (int i = 0; i < 10; i++) {
        char line[64];
        snprintf(line, sizeof line, "a_total{op=\"k%d\"} 2000\n", i);
        assert_non_null(strstr(text.ptr, line));
        snprintf(line, sizeof line, "b_seconds_count{op=\"k%d\"} 2000\n", i);
        assert_non_null(strstr(text.ptr, line));
        snprintf(line, sizeof line, "b_seconds_bucket{op=\"k%d\",le=\"10\"} 2000\n", i);
        assert_non_null(strstr(text.ptr, line));
    }
    od_buf_done(&text);
    od_registry_free(r);
}

static void a_full_buffer_is_reported_not_overrun(void **state)
{
    (void)state;
    struct od_registry *r = od_registry_new();
    od_registry_histogram_new(r, "b_seconds", "B.", "", NULL, 0);
    struct od_buf text;
    od_buf_init(&text, 40);
    od_registry_write(r, &text);
    assert_int_equal(od_buf_status(&text), OD_TOO_LARGE);
    assert_true(text.len <= 40);
    od_buf_done(&text);
    od_registry_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_text_is_in_the_exposition_format),
        cmocka_unit_test(an_empty_family_has_its_head_and_a_plain_one_its_zero),
        cmocka_unit_test(the_same_labels_give_the_same_member),
        cmocka_unit_test(members_are_bounded_and_nothing_is_lost),
        cmocka_unit_test(long_values_are_cut_between_characters),
        cmocka_unit_test(threads_count_while_the_text_is_written),
        cmocka_unit_test(a_full_buffer_is_reported_not_overrun),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
