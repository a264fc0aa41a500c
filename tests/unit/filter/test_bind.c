/* filterValues: every spelling clients use, and those that are refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "filter/compiled.h"
#include "filter/shop.h"

static struct od_arena arena;

static int start(void **state)
{
    (void)state;
    od_arena_init(&arena, 1 << 20);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

static struct od_filter *filter_of(const char *expression)
{
    struct od_filter *filter = NULL;
    assert_int_equal(od_filter_new(od_str_c(expression), &shop_schemas, 0, &filter, NULL), OD_OK);
    return filter;
}

/* The bound values as text: parts skipped as "-", sets as [a][b], numbers too. */
static void show(const struct od_filter *filter, const struct od_filter_values *values, char *out,
                 size_t max)
{
    out[0] = '\0';
    for (size_t t = 0; t < filter->test_count; t++) {
        const struct od_filter_set *set = &values->sets[t];
        for (size_t i = 0; i < set->count; i++) {
            size_t at = strlen(out);
            if (set->texts)
                snprintf(out + at, max - at, "[%.*s]", OD_STR_ARG(set->texts[i]));
            else
                snprintf(out + at, max - at, "[%g]", set->numbers[i].real);
        }
        size_t at = strlen(out);
        snprintf(out + at, max - at, "%s%s", set->any ? "*" : "", set->whole_or_parts ? "?" : "");
    }
}

static const struct {
    const char *expression;
    const char *text;  /* of parameter V */
    const char *bound; /* NULL: refused */
    const char *reason;
} spellings[] = {
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"comedy\",\"drama\"", "[comedy][drama]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"halloween\"", "[halloween]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", " \"a\" , \"b\" ", "[a][b]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "'a','b'", "[a][b]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "comedy, drama ", "[comedy][drama]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "comedy,\"drama, dark\",x",
     "[comedy][drama, dark][x]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"value1, value2\"",
     "[value1, value2][value1][value2]?", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a, b\",\"c\"", "[a, b][c]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\",\"", "[,]?", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"\"", "[]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a \\\"b\\\" \\\\ \\c\"", "[a \"b\" \\ \\c]",
     NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "Japan購入", "[Japan購入]", NULL},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "*", "[*]", NULL},
    {"INCLUDE ItemID WHERE Items.OWNER = $V", "\"a, b\"", "[a, b]", NULL},
    {"INCLUDE ItemID WHERE Items.OWNER = $V", "O'Brien", "[O'Brien]", NULL},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", "10", "[10]", NULL},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", "\"10.5\"", "[10.5]", NULL},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", " \" -3 \" ", "[-3]", NULL},
    {"INCLUDE ItemID WHERE Items.YEAR IN ($V)", "1990,\"1991\", 1992", "[1990][1991][1992]", NULL},
    {"INCLUDE ItemID WHERE Items.YEAR IN ($V)", "\"1990, 1991\"", "[1990][1991]", NULL},
    {"INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($V)", "\"*\"", "[*]*", NULL},
    {"INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($V)", "\"view, book\"",
     "[view, book][view][book]?", NULL},
    {"INCLUDE ItemID WHERE Interactions.EVENT_TYPE = $V", "*", "[*]", NULL},

    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "", NULL, "empty value"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", " ", NULL, "empty value"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "a,,b", NULL, "empty value"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a\",", NULL, "empty value"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a", NULL, "never closed"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a\\\"", NULL, "never closed"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "\"a\" \"b\"", NULL, "lacks a comma"},
    {"INCLUDE ItemID WHERE Items.GENRE IN ($V)", "[\"a\",\"b\"]", NULL, "quote inside"},
    {"INCLUDE ItemID WHERE Items.OWNER = $V", "\"a\",\"b\"", NULL,
     "has 2 values, but OWNER is compared with one"},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", "1,2", NULL, "has 2 values"},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", "\"1,5\"", NULL, "'1,5' of filter parameter V"},
    {"INCLUDE ItemID WHERE Items.PRICE < $V", "cheap", NULL,
     "'cheap' of filter parameter V is not a number, but PRICE is numeric"},
    {"INCLUDE ItemID WHERE Items.YEAR IN ($V)", "1990,soon", NULL, "'soon'"},
    {"INCLUDE ItemID WHERE Items.YEAR = 1 IF CurrentUser.AGE = $V", "old", NULL, "'old'"},
};

static void binds_every_spelling(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof spellings / sizeof spellings[0]; i++) {
        struct od_filter *filter = filter_of(spellings[i].expression);
        struct od_filter_value value = {OD_STR("V"), od_str_c(spellings[i].text)};
        const struct od_filter_values *values = NULL;
        struct od_error err = {.message = ""};
        char shown[200];
        enum od_status status = od_filter_bind(filter, &value, 1, &arena, &values, &err);
        if (spellings[i].bound) {
            if (status != OD_OK)
                print_error("%s: %s\n", spellings[i].text, err.message);
            assert_int_equal(status, OD_OK);
            show(filter, values, shown, sizeof shown);
            assert_string_equal(shown, spellings[i].bound);
        } else {
            assert_int_equal(status, OD_INVALID_INPUT);
            if (!strstr(err.message, spellings[i].reason))
                print_error("%s: %s\n", spellings[i].text, err.message);
            assert_non_null(strstr(err.message, spellings[i].reason));
            assert_null(values);
        }
        od_filter_free(filter);
    }
}

static void include_needs_its_values_and_exclude_is_skipped_without(void **state)
{
    (void)state;
    struct od_filter *filter =
        filter_of("INCLUDE ItemID WHERE Items.GENRE IN ($G) | EXCLUDE ItemID WHERE Items.YEAR < $Y "
                  "OR Items.YEAR = 3 | EXCLUDE ItemID WHERE Items.YEAR = 1 IF CurrentUser.AGE = $A "
                  "| EXCLUDE ItemID WHERE Items.YEAR = 2");
    struct od_filter_value value = {OD_STR("G"), OD_STR("x")};
    const struct od_filter_values *values = NULL;
    struct od_error err;
    assert_int_equal(od_filter_bind(filter, &value, 1, &arena, &values, &err), OD_OK);
    const bool skipped[] = {false, true, true, false};
    for (size_t i = 0; i < 4; i++)
        assert_int_equal(values->skipped[i], skipped[i]);
    values = NULL;
    value.name = OD_STR("Y");
    value.text = OD_STR("5");
    assert_int_equal(od_filter_bind(filter, &value, 1, &arena, &values, &err), OD_INVALID_INPUT);
    assert_string_equal(err.message, "Missing value for filter parameter G.");
    assert_null(values);
    od_filter_free(filter);
    filter = filter_of("INCLUDE ItemID WHERE Items.YEAR = 1 IF CurrentUser.AGE = $A");
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, &err), OD_INVALID_INPUT);
    od_filter_free(filter);
}

static void one_parameter_serves_text_and_numbers(void **state)
{
    (void)state;
    struct od_filter *filter = filter_of(
        "INCLUDE ItemID WHERE Items.GENRE IN ($V) OR Items.YEAR IN ($V) OR Items.PRICE < $V");
    struct od_filter_value value = {OD_STR("V"), OD_STR("\"7\"")};
    const struct od_filter_values *values = NULL;
    char shown[100];
    assert_int_equal(od_filter_bind(filter, &value, 1, &arena, &values, NULL), OD_OK);
    show(filter, values, shown, sizeof shown);
    assert_string_equal(shown, "[7][7][7]");
    od_filter_free(filter);
}

static void names_are_case_sensitive_and_known(void **state)
{
    (void)state;
    struct od_filter *filter = filter_of("EXCLUDE ItemID WHERE Items.GENRE IN ($Genre)");
    struct od_filter_value value = {OD_STR("GENRE"), OD_STR("x")};
    const struct od_filter_values *values = NULL;
    struct od_error err;
    assert_int_equal(od_filter_bind(filter, &value, 1, &arena, &values, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "no parameter GENRE"));
    od_filter_free(filter);
}

static void literals_need_no_values(void **state)
{
    (void)state;
    struct od_filter *filter =
        filter_of("INCLUDE ItemID WHERE Items.YEAR IN (1, \"2\") AND Items.OWNER = 'a\\'b' | "
                  "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*)");
    const struct od_filter_values *values = NULL;
    char shown[100];
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, NULL), OD_OK);
    show(filter, values, shown, sizeof shown);
    assert_string_equal(shown, "[1][2][a'b][*]*");
    od_filter_free(filter);
}

static void out_of_memory_is_a_status(void **state)
{
    (void)state;
    struct od_filter *filter = filter_of("INCLUDE ItemID WHERE Items.GENRE IN ($V)");
    struct od_filter_value value = {OD_STR("V"), OD_STR("\"a, b\"")};
    for (size_t max = 0;; max += 16) {
        struct od_arena tight;
        const struct od_filter_values *values = NULL;
        od_arena_init(&tight, max);
        enum od_status status = od_filter_bind(filter, &value, 1, &tight, &values, NULL);
        od_arena_done(&tight);
        if (status == OD_OK)
            break;
        assert_int_equal(status, OD_NO_MEMORY);
        assert_null(values);
        assert_true(max < 4096);
    }
    od_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(binds_every_spelling),
        cmocka_unit_test(include_needs_its_values_and_exclude_is_skipped_without),
        cmocka_unit_test(one_parameter_serves_text_and_numbers),
        cmocka_unit_test(names_are_case_sensitive_and_known),
        cmocka_unit_test(literals_need_no_values),
        cmocka_unit_test(out_of_memory_is_a_status),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
