/* What segment jobs ask of the filter language: attributes of items, and filters over users. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "filter/shop.h"

static struct od_table *users;
static struct od_arena arena;

enum { USER_ID, AGE, COUNTRY = 4, USER_FIELDS = 7 };

static int make_users(void **state)
{
    static const int64_t ages[] = {20, 30, 40};
    static const char *const countries[] = {"Japan|Korea", "Korea", "Peru"};
    uint32_t row;
    (void)state;
    od_arena_init(&arena, 1u << 20);
    users = od_table_new(&shop[OD_USERS]);
    for (int i = 0; i < 3; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        struct od_value values[USER_FIELDS] = {
            [USER_ID] = {.kind = OD_VALUE_TEXT, .text = {id, 1}},
            [AGE] = {.kind = OD_VALUE_INTEGER, .integer = ages[i]},
            [COUNTRY] = {.kind = OD_VALUE_TEXT, .text = od_str_c(countries[i])}};
        assert_int_equal(od_table_put(users, values), OD_OK);
    }
    assert_int_equal(od_table_row(users, OD_STR("d"), &row), OD_OK); /* no record */
    return 0;
}

static int drop_users(void **state)
{
    (void)state;
    od_table_free(users);
    od_arena_done(&arena);
    return 0;
}

/* The users kept, as letters. */
static const char *kept(const char *expression, const char *value)
{
    static const struct od_str types[] = {OD_STR(""), OD_STR("view"), OD_STR("Buy")};
    static const uint32_t rows[] = {0, 0, 1, 3};
    static const uint16_t codes[] = {1, 2, 1, 0};
    static char letters[8];
    static const int64_t times[] = {900, 1000, 100, 500};
    const struct od_filter_people people = {users, types, 3, rows, codes, times, 4, 1000};
    const struct od_filter_value given = {OD_STR("V"), od_str_c(value)};
    const struct od_filter_values *values;
    struct od_filter *filter = NULL;
    struct od_error err = {.message = ""};
    uint64_t keep[1] = {~0ULL};
    if (od_filter_new(od_str_c(expression), &extended_shop, 0, &filter, &err) != OD_OK ||
        od_filter_bind(filter, &given, value ? 1 : 0, &arena, &values, &err) != OD_OK ||
        od_filter_eval_users(filter, values, &people, &arena, keep, &err) != OD_OK)
        print_error("%s: %s\n", expression, err.message);
    od_filter_free(filter);
    assert_string_equal(err.message, "");
    size_t n = 0;
    for (size_t row = 0; row < 4; row++)
        if (od_bitmap_get(keep, row))
            letters[n++] = (char)('a' + row);
    letters[n] = '\0';
    return letters;
}

static void users_are_kept_by_their_record(void **state)
{
    (void)state;
    assert_string_equal(kept("INCLUDE UserID WHERE Users.AGE > 20", NULL), "bc");
    assert_string_equal(kept("EXCLUDE UserID WHERE Users.AGE < $V", "30"), "bcd");
    assert_string_equal(kept("exclude UserId where users.country in (\"Korea\")", NULL), "cd");
    assert_string_equal(kept("INCLUDE UserID WHERE Users.COUNTRY NOT IN (\"Korea\")", NULL), "cd");
    assert_string_equal(kept("INCLUDE UserID WHERE Users.AGE = 20 OR Users.AGE = 40", NULL), "ac");
}

static void users_are_kept_by_any_event_of_a_type(void **state)
{
    (void)state;
    assert_string_equal(kept("INCLUDE UserID WHERE Interactions.EVENT_TYPE IN (\"VIEW\")", NULL),
                        "ab");
    assert_string_equal(kept("INCLUDE UserID WHERE Interactions.EVENT_TYPE IN ($V)", "\"buy\""),
                        "a");
    assert_string_equal(
        kept("EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN (\"buy\", \"x\")", NULL), "bcd");
    assert_string_equal(kept("INCLUDE UserID WHERE Interactions.EVENT_TYPE IN (\"*\")", NULL),
                        "abd");
    assert_string_equal(
        kept("INCLUDE UserID WHERE Interactions.EVENT_TYPE IN (\"view\") | EXCLUDE UserID "
             "WHERE Users.AGE = 20",
             NULL),
        "b");
}

static void beyond_aws_datasets_mix_and_events_have_a_time(void **state)
{
    (void)state;
#define OVER "INCLUDE UserID WHERE "
    assert_string_equal(kept(OVER "Users.AGE > 20 AND Interactions.EVENT_TYPE IN (\"view\")", NULL),
                        "b");
    assert_string_equal(
        kept(OVER "NOT (Users.AGE > 20 OR Interactions.EVENT_TYPE = \"buy\")", NULL), "d");
    assert_string_equal(kept(OVER "Interactions.EVENT_TYPE IN (\"view\") WITHIN 100 SECONDS", NULL),
                        "a");
    assert_string_equal(kept(OVER "Interactions.EVENT_TYPE IN (\"view\") WITHIN 99 SECONDS", NULL),
                        "");
    assert_string_equal(kept(OVER "Interactions.EVENT_TYPE IN (*) WITHIN 10 MINUTES", NULL), "ad");
    assert_string_equal(kept(OVER "Interactions.EVENT_TYPE NOT IN ($V) WITHIN ALL", "\"view\""),
                        "cd");
    assert_string_equal(kept(OVER "Users.AGE = $NOW - 960 SECONDS", NULL), "c");
}

static void a_filter_over_items_is_none_over_users(void **state)
{
    (void)state;
    struct od_filter *filter;
    struct od_error err = {.message = ""};
    const struct od_filter_values *values;
    const struct od_filter_people people = {.users = users};
    uint64_t keep[1];
    assert_int_equal(od_filter_new(OD_STR("INCLUDE ItemID WHERE Items.YEAR > 1"), &shop_schemas, 0,
                                   &filter, &err),
                     OD_OK);
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, &err), OD_OK);
    assert_int_equal(od_filter_eval_users(filter, values, &people, &arena, keep, &err),
                     OD_INVALID_INPUT);
    od_filter_free(filter);
}

static void attributes_are_equalities_joined_by_and(void **state)
{
    (void)state;
    static const char *const good[] = {
        "ITEMS.GENRE = \"Comedy\"",
        "Items.genre = 'Comedy' AND items.GENRE=\"Action\" AND Items.YEAR = 1990",
        "Items.PRICE = \"1.5\""};
    static const struct {
        const char *text, *words;
    } bad[] = {
        {"", "characters"},
        {"ITEMS.GENRE = \"a\" OR ITEMS.GENRE = \"b\"", "AND only"},
        {"ITEMS.GENRE IN (\"a\")", "= only"},
        {"ITEMS.YEAR > 3", "= only"},
        {"ITEMS.GENRE = $G", "a \"text\" or a number"},
        {"ITEMS.GENRE = CurrentItem.GENRE", "a \"text\" or a number"},
        {"USERS.AGE = 3", "fields of Items"},
        {"Interactions.EVENT_TYPE = \"a\"", "fields of Items"},
        {"ITEMS.GENRE = \"a\" IF CurrentUser.AGE = 3", "end of the expression"},
        {"ITEMS.GENRE = \"a\" | INCLUDE ItemID WHERE Items.YEAR = 1", "end of the expression"},
        {"(ITEMS.GENRE = \"a\")", "a condition"},
        {"NOT ITEMS.GENRE = \"a\"", "NOT"},
        {"ITEMS.YEAR = $NOW - 1 DAY", "not a number"},
        {"ITEMS.NONE = \"a\"", "NONE"},
        {"ITEMS.DESCRIPTION_TEXT = \"a\"", "textual"},
        {"ITEMS.YEAR = \"a\"", "numeric"},
        {"\"a\"", "At byte 1"},
    };
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        struct od_filter *filter;
        struct od_error err;
        if (od_filter_new_attributes(od_str_c(good[i]), &shop_schemas, 0, &filter, &err) != OD_OK)
            fail_msg("%s: %s", good[i], err.message);
        assert_int_equal(od_filter_target(filter), OD_TARGET_ITEM);
        od_filter_free(filter);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct od_filter *filter;
        struct od_error err = {.message = ""};
        assert_int_equal(
            od_filter_new_attributes(od_str_c(bad[i].text), &shop_schemas, 0, &filter, &err),
            OD_INVALID_INPUT);
        assert_true(od_str_starts(od_str_c(err.message), OD_STR("Invalid itemAttributes. ")));
        if (!strstr(err.message, bad[i].words))
            fail_msg("%s: \"%s\" lacks \"%s\"", bad[i].text, err.message, bad[i].words);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_users, drop_users)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(users_are_kept_by_their_record),
        TEST(users_are_kept_by_any_event_of_a_type),
        TEST(beyond_aws_datasets_mix_and_events_have_a_time),
        TEST(a_filter_over_items_is_none_over_users),
        TEST(attributes_are_equalities_joined_by_and),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
