/* Metric expressions: what is understood, and what is refused with which reason. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "data/metric_expression.h"

static struct od_metric_expression parse(const char *text)
{
    struct od_metric_expression e;
    struct od_error err;
    assert_int_equal(od_metric_expression_parse(od_str_c(text), &e, &err), OD_OK);
    return e;
}

static void samplecount_is_read_in_any_case_and_with_blanks(void **state)
{
    (void)state;
    static const char *const texts[] = {"SAMPLECOUNT()", "samplecount()", " SampleCount ( ) ",
                                        "SAMPLECOUNT(\t)\n"};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        assert_int_equal(parse(texts[i]).function, OD_METRIC_SAMPLECOUNT);
}

static void sum_names_dataset_and_column(void **state)
{
    (void)state;
    struct od_metric_expression e = parse("SUM(Items.PRICE)");
    assert_int_equal(e.function, OD_METRIC_SUM);
    assert_int_equal(e.type, OD_ITEMS);
    assert_true(od_str_eq_c(e.column, "PRICE"));
    e = parse("sum( INTERACTIONS . event_value2 )");
    assert_int_equal(e.type, OD_INTERACTIONS);
    assert_true(od_str_eq_c(e.column, "event_value2"));
    assert_int_equal(parse("SUM(ITEMS.MARGIN)").type, OD_ITEMS);
}

static void everything_else_is_refused_with_its_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"", "must begin with"},
        {"COUNT()", "must begin with"},
        {"SUMM(Items.X)", "must begin with"},
        {"SUM", "a '(' must follow"},
        {"SUM()", "a column of Items or of Interactions"},
        {"SUM(Users.AGE)", "a column of Items or of Interactions"},
        {"SUM(PRICE)", "a column of Items or of Interactions"},
        {"SUM(Items PRICE)", "a '.' must follow"},
        {"SUM(Items.)", "a column's name must follow"},
        {"SUM(Items.PRICE", "a ')' is missing"},
        {"SUM(Items.PRICE+1)", "a ')' is missing"},
        {"SUM(Items.A.B)", "a ')' is missing"},
        {"SUM(Items.PRICE))", "nothing may follow"},
        {"SAMPLECOUNT(Items.PRICE)", "a ')' is missing"},
        {"SAMPLECOUNT() + 1", "nothing may follow"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_metric_expression e = {.column = OD_STR("untouched")};
        struct od_error err;
        assert_int_equal(od_metric_expression_parse(od_str_c(cases[i].text), &e, &err),
                         OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, cases[i].reason));
        assert_true(od_str_eq_c(e.column, "untouched"));
    }
}

static void bytes_that_are_no_text_are_refused_unquoted(void **state)
{
    (void)state;
    struct od_metric_expression e;
    struct od_error err;
    char longer[300];
    memset(longer, ' ', sizeof longer);
    assert_int_equal(od_metric_expression_parse(OD_STR("SUM(Items.\xFF)"), &e, &err),
                     OD_INVALID_INPUT);
    assert_null(strchr(err.message, '\xFF'));
    assert_int_equal(od_metric_expression_parse((struct od_str){longer, sizeof longer}, &e, &err),
                     OD_INVALID_INPUT);
    assert_int_equal(od_metric_expression_parse(OD_STR("SAMPLECOUNT()\0"), &e, &err),
                     OD_INVALID_INPUT);
}

static void only_numbers_can_be_added_up(void **state)
{
    (void)state;
    static const bool numbers[] = {
        [OD_FIELD_STRING] = false, [OD_FIELD_INT] = true,    [OD_FIELD_LONG] = true,
        [OD_FIELD_FLOAT] = true,   [OD_FIELD_DOUBLE] = true, [OD_FIELD_BOOLEAN] = false};
    for (int type = OD_FIELD_STRING; type <= OD_FIELD_BOOLEAN; type++) {
        struct od_field field = {.type = (enum od_field_type)type};
        assert_int_equal(od_metric_field_is_number(&field), numbers[type]);
    }
    assert_true(od_str_eq_c(od_metric_function_name(OD_METRIC_SUM), "sum"));
    assert_true(od_str_eq_c(od_metric_function_name(OD_METRIC_SAMPLECOUNT), "samplecount"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samplecount_is_read_in_any_case_and_with_blanks),
        cmocka_unit_test(sum_names_dataset_and_column),
        cmocka_unit_test(everything_else_is_refused_with_its_reason),
        cmocka_unit_test(bytes_that_are_no_text_are_refused_unquoted),
        cmocka_unit_test(only_numbers_can_be_added_up),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
