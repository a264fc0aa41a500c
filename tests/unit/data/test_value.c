/* Cells: text and JSON to checked values. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/value.h"

static struct od_field field(const char *name, enum od_field_type type, bool nullable)
{
    return (struct od_field){.name = od_str_c(name), .type = type, .nullable = nullable};
}

static struct od_value good(struct od_field f, struct od_str cell)
{
    struct od_value v = {0};
    struct od_error err = {0};
    if (od_value_from_text(&f, cell, &v, &err) != OD_OK)
        fail_msg("%.*s: %s", OD_STR_ARG(cell), err.message);
    return v;
}

static void bad(struct od_field f, struct od_str cell, const char *part)
{
    struct od_value v;
    struct od_error err = {0};
    if (od_value_from_text(&f, cell, &v, &err) != OD_INVALID_INPUT)
        fail_msg("%.*s was accepted", OD_STR_ARG(cell));
    if (!strstr(err.message, part))
        fail_msg("\"%s\" lacks \"%s\"", err.message, part);
}

static void whole_numbers_keep_their_range(void **state)
{
    (void)state;
    struct od_field i = field("A", OD_FIELD_INT, false), l = field("A", OD_FIELD_LONG, false);
    assert_int_equal(good(i, OD_STR("2147483647")).integer, 2147483647);
    assert_int_equal(good(i, OD_STR("-2147483648")).integer, -2147483648LL);
    assert_int_equal(good(l, OD_STR("0")).integer, 0);
    assert_int_equal(good(l, OD_STR("007")).integer, 7);
    assert_int_equal(good(l, OD_STR("1553631760")).kind, OD_VALUE_INTEGER);
    assert_int_equal(good(l, OD_STR("999999999999999999")).integer, 999999999999999999);
    assert_int_equal(good(l, OD_STR("9223372036854775807")).integer, INT64_MAX);
    assert_int_equal(good(l, OD_STR("-9223372036854775808")).integer, INT64_MIN);
    assert_int_equal(good(l, OD_STR("1700000000000")).integer, 1700000000000); /* milliseconds */
    bad(i, OD_STR("2147483648"), "type int");
    bad(l, OD_STR("9223372036854775808"), "64 bits");
    static const char *const wrong[] = {"12.0",  "1e3", " 1",  "1 ", "-",  "+",  "0x10",
                                        "1,000", "--1", "abc", "1a", "\t", "1\r"};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
        bad(l, od_str_c(wrong[k]), "whole number");
}

static void decimals_equal_strtod(void **state)
{
    (void)state;
    struct od_field d = field("A", OD_FIELD_DOUBLE, false), f = field("A", OD_FIELD_FLOAT, false);
    static const char *const right[] = {"0",
                                        "-0",
                                        "3.5",
                                        ".5",
                                        "5.",
                                        "1e10",
                                        "-1E-7",
                                        "+2.5",
                                        "0.1",
                                        "1e22",
                                        "123456.789012345678901",
                                        "1e308",
                                        "4e-324"};
    for (size_t k = 0; k < sizeof right / sizeof right[0]; k++)
        assert_true(good(d, od_str_c(right[k])).real == strtod(right[k], NULL));
    struct od_random rng;
    od_random_init(&rng, 5);
    for (int k = 0; k < 200000; k++) {
        char text[64];
        int digits = (int)od_random_below(&rng, 12);
        snprintf(text, sizeof text, "%.*f", digits,
                 (od_random_double(&rng) - 0.5) * pow(10, (double)od_random_below(&rng, 9)));
        struct od_value v = good(d, od_str_c(text));
        assert_int_equal(v.kind, OD_VALUE_REAL);
        if (v.real != strtod(text, NULL))
            fail_msg("%s", text);
    }
    assert_true(good(f, OD_STR("3.4e38")).real == 3.4e38);
    bad(f, OD_STR("3.5e38"), "type float");
    static const char *const wrong[] = {"nan", "inf", "-Infinity", "1e999", "1.2.3", ".",
                                        "1,5", " 1",  "x",         "0x1p3", "e5",    "1e"};
    for (size_t k = 0; k < sizeof wrong / sizeof wrong[0]; k++)
        bad(d, od_str_c(wrong[k]), "decimal number");
}

static void booleans_are_lower_case_words(void **state)
{
    (void)state;
    struct od_field b = field("A", OD_FIELD_BOOLEAN, true);
    assert_int_equal(good(b, OD_STR("true")).integer, 1);
    assert_int_equal(good(b, OD_STR("false")).integer, 0);
    assert_int_equal(good(b, OD_STR("false")).kind, OD_VALUE_BOOLEAN);
    bad(b, OD_STR("True"), "true or false");
    bad(b, OD_STR("1"), "true or false");
}

static void empty_is_null_where_null_may_be(void **state)
{
    (void)state;
    for (int t = OD_FIELD_STRING; t <= OD_FIELD_BOOLEAN; t++) {
        assert_int_equal(good(field("A", (enum od_field_type)t, true), OD_STR("")).kind,
                         OD_VALUE_NULL);
        bad(field("A", (enum od_field_type)t, false), OD_STR(""), "may not be null");
    }
}

static void text_of(char *to, size_t chars, const char *one)
{
    size_t len = strlen(one);
    for (size_t i = 0; i < chars; i++)
        memcpy(to + i * len, one, len);
    to[chars * len] = '\0';
}

static void lengths_are_counted_in_characters(void **state)
{
    (void)state;
    static char text[100000];
    struct od_field id = field("USER_ID", OD_FIELD_STRING, false);
    struct od_field plain = field("NAME", OD_FIELD_STRING, false);
    struct od_field set = plain;
    set.categorical = true;
    text_of(text, 256, "\xed\x95\x9c"); /* Hangul, three bytes each */
    assert_int_equal(good(id, od_str_c(text)).text.len, 768);
    text_of(text, 257, "\xed\x95\x9c");
    bad(id, od_str_c(text), "Length cannot be more than 256 characters for USER_ID");
    bad(field("ITEM_ID", OD_FIELD_STRING, false), od_str_c(text), "256");
    text_of(text, 1000, "x");
    assert_int_equal(good(plain, od_str_c(text)).text.len, 1000);
    text_of(text, 1001, "x");
    bad(plain, od_str_c(text), "Length cannot be more than 1000 characters for NAME");
    bad(set, od_str_c(text), "1000 characters");
    bad(field("IMPRESSION", OD_FIELD_STRING, true), od_str_c(text), "for IMPRESSION");
}

static void textual_cells_are_cut_on_a_character(void **state)
{
    (void)state;
    static char text[100000];
    struct od_field f = field("DESCRIPTION", OD_FIELD_STRING, true);
    f.textual = true;
    text_of(text, 20001, "\xc3\xa9");
    struct od_value v = good(f, od_str_c(text));
    assert_int_equal(v.text.len, 40000);
    assert_int_equal(od_utf8_count(v.text), 20000);
    text_of(text, 20000, "\xc3\xa9");
    assert_int_equal(good(f, od_str_c(text)).text.len, 40000);
}

static void ill_formed_text_is_refused(void **state)
{
    (void)state;
    struct od_field f = field("NAME", OD_FIELD_STRING, true);
    bad(f, OD_STR("a\xff"), "UTF-8");
    bad(f, OD_STR("\xc3"), "UTF-8");
    bad(f, OD_STR("\xed\xa0\x80"), "UTF-8");
    char text[40];
    for (size_t len = 1; len <= 20; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', len);
            assert_int_equal(good(f, (struct od_str){text, len}).text.len, len);
            text[at] = '\0';
            bad(f, (struct od_str){text, len}, "NUL");
            text[at] = '\x80';
            bad(f, (struct od_str){text, len}, "UTF-8");
        }
    }
}

static struct od_arena arena;

static enum od_status from_json(struct od_field f, const char *text, struct od_value *out,
                                struct od_error *err)
{
    struct od_json json;
    assert_int_equal(od_json_parse(&arena, od_str_c(text), &json, NULL), OD_OK);
    return od_value_from_json(&f, &json, &arena, out, err);
}

static void json_values_are_converted_to_the_type(void **state)
{
    (void)state;
    struct od_value v;
    struct od_field s = field("S", OD_FIELD_STRING, true), i = field("I", OD_FIELD_INT, true);
    struct od_field l = field("L", OD_FIELD_LONG, true), d = field("D", OD_FIELD_DOUBLE, true);
    struct od_field b = field("B", OD_FIELD_BOOLEAN, true);
    assert_int_equal(from_json(i, "12", &v, NULL), OD_OK);
    assert_int_equal(v.integer, 12);
    assert_int_equal(from_json(i, "\"12\"", &v, NULL), OD_OK);
    assert_int_equal(v.integer, 12);
    assert_int_equal(from_json(l, "3e2", &v, NULL), OD_OK);
    assert_int_equal(v.integer, 300);
    assert_int_equal(from_json(d, "4", &v, NULL), OD_OK);
    assert_true(v.real == 4.0);
    assert_int_equal(from_json(d, "\"4.25\"", &v, NULL), OD_OK);
    assert_true(v.real == 4.25);
    assert_int_equal(from_json(s, "196", &v, NULL), OD_OK);
    assert_true(od_str_eq_c(v.text, "196"));
    assert_int_equal(from_json(s, "0.5", &v, NULL), OD_OK);
    assert_true(od_str_eq_c(v.text, "0.5"));
    assert_int_equal(from_json(s, "true", &v, NULL), OD_OK);
    assert_true(od_str_eq_c(v.text, "true"));
    assert_int_equal(from_json(s, "\"Horror|Action\"", &v, NULL), OD_OK);
    assert_true(od_str_eq_c(v.text, "Horror|Action"));
    assert_int_equal(from_json(b, "true", &v, NULL), OD_OK);
    assert_int_equal(v.integer, 1);
    assert_int_equal(from_json(b, "\"false\"", &v, NULL), OD_OK);
    assert_int_equal(v.integer, 0);
    assert_int_equal(from_json(i, "null", &v, NULL), OD_OK);
    assert_int_equal(v.kind, OD_VALUE_NULL);
}

static void json_values_that_do_not_fit_are_refused(void **state)
{
    (void)state;
    struct od_value v;
    struct od_error err;
    static const struct {
        enum od_field_type type;
        const char *json, *part;
    } cases[] = {
        {OD_FIELD_INT, "1.5", "whole"},           {OD_FIELD_INT, "3000000000", "type int"},
        {OD_FIELD_LONG, "1e300", "whole"},        {OD_FIELD_LONG, "true", "number or a string"},
        {OD_FIELD_STRING, "[1]", "not a list"},   {OD_FIELD_STRING, "{}", "object"},
        {OD_FIELD_BOOLEAN, "1", "true or false"}, {OD_FIELD_FLOAT, "1e39", "type float"},
        {OD_FIELD_FLOAT, "\"x\"", "decimal"},     {OD_FIELD_STRING, "null", "null"},
        {OD_FIELD_STRING, "\"\"", "null"},        {OD_FIELD_STRING, "\"a\\u0000b\"", "NUL"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        enum od_status s = from_json(field("A", cases[i].type, false), cases[i].json, &v, &err);
        if (s != OD_INVALID_INPUT || !strstr(err.message, cases[i].part))
            fail_msg("%s: %s", cases[i].json, err.message);
    }
}

static void excerpts_end_between_characters(void **state)
{
    (void)state;
    struct od_str text = OD_STR("a\xed\x95\x9c\xc3\xa9");
    assert_int_equal(od_value_excerpt(text, 6).len, 6);
    assert_int_equal(od_value_excerpt(text, 5).len, 4);
    assert_int_equal(od_value_excerpt(text, 4).len, 4);
    assert_int_equal(od_value_excerpt(text, 3).len, 1);
    assert_int_equal(od_value_excerpt(text, 0).len, 0);
}

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whole_numbers_keep_their_range),
        cmocka_unit_test(decimals_equal_strtod),
        cmocka_unit_test(booleans_are_lower_case_words),
        cmocka_unit_test(empty_is_null_where_null_may_be),
        cmocka_unit_test(lengths_are_counted_in_characters),
        cmocka_unit_test(textual_cells_are_cut_on_a_character),
        cmocka_unit_test(ill_formed_text_is_refused),
        cmocka_unit_test(json_values_are_converted_to_the_type),
        cmocka_unit_test(json_values_that_do_not_fit_are_refused),
        cmocka_unit_test(excerpts_end_between_characters),
    };
    return cmocka_run_group_tests_name("value", tests, set_up, tear_down);
}
