/* What filters keep: the meaning of serving.md section 7, case by case on a small catalogue. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "data/table.h"
#include "filter/reason.h"
#include "filter/shop.h"

static struct od_table *items, *users;
static struct od_arena arena;

/* The fields by their place in the schema of shop.h. */
enum { ITEM_ID, GENRE, CATEGORY, OWNER = 5, PRICE = 9, YEAR, CREATED, WEIGHT, ITEM_FIELDS = 15 };
enum { USER_ID, AGE, MEMBERSHIP, COUNTRY = 4, SCORE, VIP, USER_FIELDS };

static void put_item(const char *id, const char *genre, const char *owner, const int *year,
                     const double *price)
{
    struct od_value values[ITEM_FIELDS] = {
        [ITEM_ID] = {.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
        [GENRE] = {.kind = genre ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = od_str_c(genre)},
        [OWNER] = {.kind = owner ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = od_str_c(owner)},
        [YEAR] = {.kind = year ? OD_VALUE_INTEGER : OD_VALUE_NULL, .integer = year ? *year : 0},
        [PRICE] = {.kind = price ? OD_VALUE_REAL : OD_VALUE_NULL, .real = price ? *price : 0},
        [WEIGHT] = {.kind = price ? OD_VALUE_REAL : OD_VALUE_NULL, .real = price ? *price : 0},
    };
    assert_int_equal(od_table_put(items, values), OD_OK);
}

static void put_user(const char *id, const int *age, const char *country)
{
    struct od_value values[USER_FIELDS] = {
        [USER_ID] = {.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
        [AGE] = {.kind = age ? OD_VALUE_INTEGER : OD_VALUE_NULL, .integer = age ? *age : 0},
        [COUNTRY] = {.kind = country ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = od_str_c(country)},
        [SCORE] = {.kind = OD_VALUE_REAL, .real = 0.1},
        [VIP] = {.kind = age ? OD_VALUE_BOOLEAN : OD_VALUE_NULL, .integer = 1},
    };
    assert_int_equal(od_table_put(users, values), OD_OK);
}

static int make_shop(void **state)
{
    (void)state;
    static const int y1970 = 1970, y1980 = 1980, y1990 = 1990, a20 = 20;
    static const double cheap = 0.1, fair = 10, dear = 99.5;
    uint32_t row;
    od_arena_init(&arena, 1 << 20);
    items = od_table_new(&shop[OD_ITEMS]);
    users = od_table_new(&shop[OD_USERS]);
    put_item("a", "Drama|Comedy", "in-house", &y1970, &cheap);       /* row 0 */
    put_item("b", "Comedy", "Salt, pepper", &y1980, &fair);          /* row 1 */
    put_item("c", "Action", "Salt", &y1990, &dear);                  /* row 2 */
    put_item("d", NULL, NULL, NULL, NULL);                           /* row 3: all null */
    assert_int_equal(od_table_row(items, OD_STR("e"), &row), OD_OK); /* row 4: no record */
    put_user("u20", &a20, "Japan|Korea");
    put_user("unknown age", NULL, NULL);
    assert_int_equal(od_table_row(users, OD_STR("seen only"), &row), OD_OK);
    return 0;
}

static int drop_shop(void **state)
{
    (void)state;
    od_table_free(items);
    od_table_free(users);
    od_arena_done(&arena);
    return 0;
}

static const struct od_filter_event events[] = {
    {1, OD_STR("Click"), 500},
    {2, OD_STR("view"), 400},
    {1, OD_STR("view"), 300},
    {0, OD_STR(""), 200},
    {99, OD_STR("click"), 100} /* no such row */
};

struct ask {
    const char *value; /* of parameter V; NULL: none */
    uint32_t user_row, current_item_row;
    bool no_events, no_users;
};

/* The rows kept, as letters. */
static const char *keep_for(const char *expression, const struct ask *ask)
{
    static char letters[16];
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_error err = {.message = ""};
    struct od_filter_value value = {OD_STR("V"), od_str_c(ask->value)};
    struct od_filter_context context = {.items = items,
                                        .users = ask->no_users ? NULL : users,
                                        .user_row = ask->user_row,
                                        .current_item_row = ask->current_item_row,
                                        .events = events,
                                        .event_count = ask->no_events ? 0 : 5,
                                        .now_s = 500};
    uint64_t keep[1] = {~0ULL};
    if (od_filter_new(od_str_c(expression), &extended_shop, 0, &filter, &err) != OD_OK ||
        od_filter_bind(filter, &value, ask->value ? 1 : 0, &arena, &values, &err) != OD_OK ||
        od_filter_eval(filter, values, &context, &arena, keep, &err) != OD_OK)
        print_error("%s: %s\n", expression, err.message);
    od_filter_free(filter);
    assert_string_equal(err.message, "");
    size_t n = 0;
    for (unsigned row = 0; row < 5; row++) {
        if (od_bitmap_get(keep, row))
            letters[n++] = (char)('a' + row);
    }
    letters[n] = '\0';
    assert_int_equal(keep[0] >> 5, 0);
    return letters;
}

static const char *keep(const char *expression)
{
    return keep_for(expression, &(struct ask){.user_row = 0, .current_item_row = OD_NO_ROW});
}

static void a_report_tells_which_clause_dropped_what(void **state)
{
    (void)state;
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_error err = {.message = ""};
    struct od_filter_report report;
    const uint64_t rows = 0x1F;
    struct od_filter_context context = {.items = items,
                                        .users = users,
                                        .user_row = 0,
                                        .current_item_row = OD_NO_ROW,
                                        .events = events,
                                        .event_count = 5,
                                        .now_s = 500};
    assert_int_equal(
        od_filter_new(
            OD_STR(" EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"view\") WITHIN 150 "
                   "SECONDS OR Items.YEAR = $V | INCLUDE ItemID WHERE NOT  "
                   "(Interactions.EVENT_TYPE = \"\") | EXCLUDE ItemID WHERE Items.YEAR = $V "
                   "| EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (*) | EXCLUDE ItemID "
                   "WHERE Items.YEAR = 1 IF CurrentUser.AGE > 20 "),
            &extended_shop, 0, &filter, &err),
        OD_OK);
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, &err), OD_OK);
    assert_int_equal(od_filter_explain(filter, values, &context, &rows, &arena, &report, &err),
                     OD_OK);
    assert_int_equal(report.rows, 5);
    assert_int_equal(report.outside, 1); /* a has an event without a type */
    assert_int_equal(report.kept, 2);
    assert_int_equal(report.step_count, 5);
    assert_int_equal(report.steps[0].effect, OD_EFFECT_NO_VALUE);
    assert_true(report.steps[1].include);
    assert_int_equal(report.steps[1].matches, 4);
    assert_true(od_str_eq_c(report.steps[1].text,
                            "INCLUDE ItemID WHERE NOT  (Interactions.EVENT_TYPE = \"\")"));
    assert_int_equal(report.steps[1].condition_count, 1);
    assert_true(od_str_eq_c(report.steps[1].conditions[0].text, "Interactions.EVENT_TYPE = \"\""));
    assert_int_equal(report.steps[1].conditions[0].holds, 1);
    assert_int_equal(report.steps[3].effect, OD_EFFECT_COUNTS);
    assert_int_equal(report.steps[3].matches, 3);
    assert_int_equal(report.steps[3].drops, 2);
    assert_int_equal(report.steps[4].effect, OD_EFFECT_IF_FALSE);
    assert_true(od_str_eq_c(report.steps[4].text,
                            "EXCLUDE ItemID WHERE Items.YEAR = 1 IF CurrentUser.AGE > 20"));
    od_filter_free(filter);
}

#define IN  "INCLUDE ItemID WHERE "
#define OUT "EXCLUDE ItemID WHERE "

static void multi_values_match_by_any(void **state)
{
    (void)state;
    assert_string_equal(keep(IN "Items.GENRE IN (\"Comedy\")"), "ab");
    assert_string_equal(keep(IN "Items.GENRE IN (\"Drama\", \"Action\")"), "ac");
    assert_string_equal(keep(IN "Items.GENRE = \"Drama\""), "a");
    assert_string_equal(keep(IN "Items.GENRE = \"Drama|Comedy\""), ""); /* values, not cells */
    assert_string_equal(keep(IN "Items.GENRE != \"Comedy\""), "cde");
    assert_string_equal(keep(IN "Items.GENRE NOT IN (\"Comedy\", \"x\")"), "cde");
    assert_string_equal(keep(OUT "Items.GENRE IN (\"Comedy\")"), "cde");
    assert_string_equal(keep(IN "Items.GENRE IN (\"comedy\")"), ""); /* values are exact */
    assert_string_equal(keep(IN "Items.GENRE IN (\"nothing has this\")"), "");
    assert_string_equal(keep(IN "Items.ITEM_ID IN (\"a\",\"c\",\"e\")"), "ac");
}

static void nulls_fail_all_but_the_negations(void **state)
{
    (void)state;
    assert_string_equal(keep(IN "Items.YEAR = 1970"), "a");
    assert_string_equal(keep(IN "Items.YEAR != 1970"), "bcde");
    assert_string_equal(keep(IN "Items.YEAR < 9999"), "abc");
    assert_string_equal(keep(IN "Items.YEAR >= 0"), "abc"); /* a null is not 0 */
    assert_string_equal(keep(IN "Items.YEAR NOT IN (1970, 1980)"), "cde");
    assert_string_equal(keep(OUT "Items.YEAR NOT IN (1970, 1980)"), "ab");
}

static void numbers_compare_in_the_fields_type(void **state)
{
    (void)state;
    assert_string_equal(keep(IN "Items.PRICE = 0.1"), "a");
    assert_string_equal(keep(IN "Items.WEIGHT = \"0.1\""), "a");
    assert_string_equal(keep(IN "Items.PRICE > 0.1"), "bc");
    assert_string_equal(keep(IN "Items.PRICE <= 10 AND Items.PRICE > 0.09999"), "ab");
    assert_string_equal(keep(IN "Items.YEAR < 1970.5"), "a");
    assert_string_equal(keep(IN "Items.YEAR = 1970.5"), "");
    assert_string_equal(keep(IN "Items.YEAR < 99999999999999999999"), "abc");
    assert_string_equal(keep(IN "Items.YEAR IN (1, 2, 3, 4, 1980, 1990.0, 1970.5)"), "bc");
    assert_string_equal(keep(IN "Items.PRICE IN (1, 2, 3, 4, 0.1, 99.5)"), "ac");
    assert_string_equal(keep(IN "Items.YEAR IN (1.5, 2.5, 3.5, 4.5, 5.5)"), "");
}

static void and_binds_before_or(void **state)
{
    (void)state;
    assert_string_equal(keep(IN "Items.YEAR = 1990 OR Items.YEAR > 0 AND Items.GENRE = \"Drama\""),
                        "ac");
    assert_string_equal(keep(IN "Items.YEAR > 0 AND Items.GENRE = \"Drama\" OR Items.YEAR = 1990"),
                        "ac");
    assert_string_equal(keep(IN "Items.YEAR = 1 AND Items.YEAR = 2 OR Items.YEAR = 3"), "");
}

static void expressions_combine_as_sets_in_any_order(void **state)
{
    (void)state;
    assert_string_equal(keep(IN "Items.YEAR = 1970 | " IN "Items.YEAR = 1980"), "ab");
    assert_string_equal(keep(OUT "Items.YEAR = 1970 | " OUT "Items.YEAR = 1980"), "cde");
    assert_string_equal(keep(OUT "Items.YEAR = 1970 | " IN "Items.GENRE = \"Comedy\""), "b");
    assert_string_equal(keep(IN "Items.GENRE = \"Comedy\" | " OUT "Items.YEAR = 1970"), "b");
    assert_string_equal(keep(IN "Items.YEAR > 1 | " OUT "Interactions.EVENT_TYPE IN (\"click\")"),
                        "ac");
}

static void event_types_are_the_users_own_in_any_case(void **state)
{
    (void)state;
    assert_string_equal(keep(OUT "Interactions.EVENT_TYPE IN (\"*\")"), "de");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE IN (*)"), "abc");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE IN (\"CLICK\")"), "b");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE IN ('click','VIEW')"), "bc");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE = \"view\""), "bc");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE NOT IN (\"click\")"), "acde");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE != \"view\""), "ade");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE IN (\"\")"), "a");
    assert_string_equal(keep(IN "Interactions.EVENT_TYPE = 'click' AND Interactions.EVENT_TYPE = "
                                "'view'"),
                        "b");
    struct ask stranger = {.user_row = OD_NO_ROW, .no_events = true};
    assert_string_equal(keep_for(OUT "Interactions.EVENT_TYPE IN (\"*\")", &stranger), "abcde");
    assert_string_equal(keep_for(IN "Interactions.EVENT_TYPE IN (\"*\")", &stranger), "");
}

static void the_newest_hundred_of_a_type_count(void **state)
{
    (void)state;
    struct od_filter_event many[2 * OD_FILTER_EVENTS_PER_TYPE + 1];
    static const char *const names[] = {"click", "CLICK"};
    size_t count = sizeof many / sizeof many[0];
    for (size_t i = 0; i + 1 < count; i++) /* click and view take turns */
        many[i] =
            (struct od_filter_event){1, i % 2 ? OD_STR("view") : od_str_c(names[i / 2 % 2]), 0};
    many[count - 1] = (struct od_filter_event){2, OD_STR("click"), 0}; /* the 101st click */
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_filter_context context = {.items = items, .events = many, .event_count = count};
    uint64_t kept[1];
    assert_int_equal(od_filter_new(OD_STR(IN "Interactions.EVENT_TYPE IN (\"click\")"),
                                   &shop_schemas, 0, &filter, NULL),
                     OD_OK);
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, NULL), OD_OK);
    assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, NULL), OD_OK);
    assert_int_equal(kept[0], 1 << 1);
    context.events++; /* without the newest click it is the 100th */
    context.event_count--;
    assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, NULL), OD_OK);
    assert_int_equal(kept[0], 1 << 1 | 1 << 2);
    od_filter_free(filter);
}

static void a_false_if_takes_the_expression_out(void **state)
{
    (void)state;
    assert_string_equal(keep(OUT "Items.YEAR = 1970 IF CurrentUser.AGE = 20"), "bcde");
    assert_string_equal(keep(OUT "Items.YEAR = 1970 IF CurrentUser.AGE > 20"), "abcde");
    assert_string_equal(keep(IN "Items.YEAR = 1970 IF CurrentUser.AGE > 20"), "abcde");
    assert_string_equal(
        keep(IN "Items.YEAR = 1970 IF CurrentUser.AGE > 20 | " IN "Items.YEAR = 1980"), "b");
    assert_string_equal(keep(IN "Items.YEAR = 1970 IF CurrentUser.AGE = 20 AND "
                                "CurrentUser.COUNTRY IN (\"Korea\") AND CurrentUser.SCORE = 0.1"),
                        "a");
    assert_string_equal(keep(IN "Items.YEAR = 1970 IF CurrentUser.COUNTRY NOT IN (\"Korea\")"),
                        "abcde");
    assert_string_equal(keep(IN "Items.YEAR = 1970 IF CurrentUser.AGE IN (1,2,3,4,5,20)"), "a");
}

static void an_unknown_user_or_null_makes_every_if_false(void **state)
{
    (void)state;
    static const char *const rules[] = {IN "Items.YEAR = 1970 IF CurrentUser.AGE < 99",
                                        IN "Items.YEAR = 1970 IF CurrentUser.AGE != 5",
                                        IN
                                        "Items.YEAR = 1970 IF CurrentUser.COUNTRY NOT IN (\"x\")"};
    struct ask asks[] = {{.user_row = 1},
                         {.user_row = 2},
                         {.user_row = OD_NO_ROW},
                         {.user_row = 3},
                         {.user_row = 0, .no_users = true}};
    for (size_t r = 0; r < 3; r++) {
        for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++)
            assert_string_equal(keep_for(rules[r], &asks[i]), "abcde");
        assert_string_equal(keep(rules[r]), "a");
    }
}

static void the_current_item_stands_for_its_values(void **state)
{
    (void)state;
    struct ask a = {.current_item_row = 0}, d = {.current_item_row = 3},
               none = {.current_item_row = OD_NO_ROW};
    assert_string_equal(keep_for(IN "Items.GENRE IN CurrentItem.GENRE", &a), "ab");
    assert_string_equal(keep_for(IN "Items.GENRE = CurrentItem.GENRE", &a), "ab");
    assert_string_equal(keep_for(IN "Items.GENRE NOT IN CurrentItem.GENRE", &a), "cde");
    assert_string_equal(keep_for(IN "Items.PRICE > CurrentItem.PRICE", &a), "bc");
    assert_string_equal(keep_for(IN "Items.YEAR > CurrentItem.PRICE", &a), "abc");
    assert_string_equal(keep_for(IN "Items.YEAR IN CurrentItem.YEAR", &a), "a");
    const struct ask *nulls[] = {&d, &none};
    for (size_t i = 0; i < 2; i++) {
        assert_string_equal(keep_for(IN "Items.GENRE IN CurrentItem.GENRE", nulls[i]), "");
        assert_string_equal(keep_for(IN "Items.GENRE NOT IN CurrentItem.GENRE", nulls[i]), "abcde");
        assert_string_equal(keep_for(IN "Items.PRICE <= CurrentItem.PRICE", nulls[i]), "");
        assert_string_equal(keep_for(IN "Items.PRICE != CurrentItem.PRICE", nulls[i]), "abcde");
    }
}

static void one_quoted_value_with_commas_is_the_whole_or_its_parts(void **state)
{
    (void)state;
    struct ask whole = {.value = "\"Salt, pepper\"", .user_row = 0};
    struct ask parts = {.value = "\"Salt, in-house\"", .user_row = 0};
    struct ask country = {.value = "\"Korea, Japan\"", .user_row = 0};
    struct ask types = {.value = "\"click, nothing\"", .user_row = 0};
    assert_string_equal(keep_for(IN "Items.OWNER IN ($V)", &whole),
                        "b"); /* an item has the whole */
    assert_string_equal(keep_for(IN "Items.OWNER IN ($V)", &parts), "ac");
    assert_string_equal(keep_for(IN "Items.OWNER = $V", &parts), "");
    assert_string_equal(keep_for(IN "Items.YEAR = 1970 IF CurrentUser.COUNTRY IN ($V)", &country),
                        "a");
    assert_string_equal(keep_for(IN "Interactions.EVENT_TYPE IN ($V)", &types), "b");
}

static void an_exclude_without_its_value_is_skipped(void **state)
{
    (void)state;
    assert_string_equal(keep(OUT "Items.YEAR = 1970 OR Items.GENRE IN ($V)"), "abcde");
    assert_string_equal(keep(OUT "Items.YEAR = 1970 IF CurrentUser.AGE = $V"), "abcde");
    assert_string_equal(
        keep(IN "Items.YEAR < 1990 | " OUT "Items.GENRE IN ($V) | " OUT "Items.YEAR = 1980"), "a");
}

static void other_targets_are_refused(void **state)
{
    (void)state;
    static const char *const expressions[] = {"EXCLUDE UserID WHERE Users.AGE < 3",
                                              "INCLUDE ActionID WHERE Actions.VALUE > 3"};
    for (size_t i = 0; i < 2; i++) {
        struct od_filter *filter = NULL;
        const struct od_filter_values *values = NULL;
        struct od_filter_context context = {.items = items};
        struct od_error err;
        uint64_t kept[1];
        assert_int_equal(od_filter_new(od_str_c(expressions[i]), &shop_schemas, 0, &filter, &err),
                         OD_OK);
        assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, &err), OD_OK);
        assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, &err),
                         OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, i ? "ActionID" : "UserID"));
        od_filter_free(filter);
    }
}

/* A filter over actions on a table of four: a to d of value 1 to 4, d without a record, for a user
 * who did things with them, newest first. */
static const char *keep_actions(const char *expression, const struct od_filter_event *done,
                                size_t count)
{
    static char letters[8];
    struct od_table *actions = od_table_new(&shop[OD_ACTIONS]);
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_error err = {.message = ""};
    struct od_filter_context context = {
        .target = OD_TARGET_ACTION, .items = actions, .users = users, .user_row = 0};
    uint64_t kept[1];
    uint32_t row;
    for (int i = 0; i < 3; i++) {
        char id[2] = {(char)('a' + i), '\0'};
        struct od_value cells[4] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                    {.kind = OD_VALUE_INTEGER, .integer = i + 1},
                                    {.kind = OD_VALUE_NULL},
                                    {.kind = OD_VALUE_NULL}};
        assert_int_equal(od_table_put(actions, cells), OD_OK);
    }
    assert_int_equal(od_table_row(actions, OD_STR("d"), &row), OD_OK);
    context.events = done;
    context.event_count = count;
    if (od_filter_new(od_str_c(expression), &extended_shop, 0, &filter, &err) != OD_OK ||
        od_filter_bind(filter, NULL, 0, &arena, &values, &err) != OD_OK ||
        od_filter_eval(filter, values, &context, &arena, kept, &err) != OD_OK)
        fail_msg("%s: %s", expression, err.message);
    size_t n = 0;
    for (uint32_t i = 0; i < 4; i++)
        if (kept[0] >> i & 1)
            letters[n++] = (char)('a' + i);
    letters[n] = '\0';
    od_filter_free(filter);
    od_table_free(actions);
    return letters;
}

static void actions_are_filtered_like_items(void **state)
{
    (void)state;
    static const struct od_filter_event done[] = {{0, OD_STR("NOT_TAKEN"), 0},
                                                  {1, OD_STR("Not Taken"), 0},
                                                  {2, OD_STR("taken"), 0},
                                                  {3, OD_STR("Viewed"), 0}};
#define EVENTS "ActionID WHERE Action_Interactions.EVENT_TYPE "
    static const char *const cases[][2] = {
        {"INCLUDE ActionID WHERE Actions.VALUE >= 2", "bc"},
        {"EXCLUDE ActionID WHERE Actions.VALUE < 2", "bcd"},
        {"EXCLUDE ActionID WHERE Actions.VALUE < 9 IF CurrentUser.AGE = 20", "d"},
        {"EXCLUDE ActionID WHERE Actions.VALUE < 9 IF CurrentUser.AGE = 21", "abcd"},
        {"INCLUDE " EVENTS "IN (\"not taken\")", "ab"},
        {"INCLUDE " EVENTS "IN (\"NotTaken\", \"_Taken \")", "abc"},
        {"INCLUDE " EVENTS "IN (\"tak en\")", "c"},
        {"INCLUDE " EVENTS "IN (\"take\", \"takens\", \"\")", ""},
        {"EXCLUDE " EVENTS "IN (*)", ""},
        {"INCLUDE " EVENTS "NOT IN (\"Taken\")", "abd"},
        {"INCLUDE " EVENTS "IN (*) | EXCLUDE ActionID WHERE Actions.VALUE = 1", "bcd"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_string_equal(keep_actions(cases[i][0], done, 4), cases[i][1]);
}

static void the_newest_300_action_interactions_of_a_type_count(void **state)
{
    (void)state;
    struct od_filter_event done[302];
    for (uint32_t i = 0; i < 302; i++)
        done[i] = (struct od_filter_event){0, OD_STR("Viewed"), 0};
    done[299].item_row = 1;
    done[301].item_row = 2;
    assert_string_equal(keep_actions("INCLUDE " EVENTS "IN (*)", done, 302), "ab");
    done[301].type = OD_STR("Taken");
    assert_string_equal(keep_actions("INCLUDE " EVENTS "IN (*)", done, 302), "abc");
}

static void another_table_is_null_or_refused(void **state)
{
    (void)state;
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_error err;
    uint64_t kept[1];
    uint32_t row;
    struct od_table *bare = od_table_new(NULL);
    assert_int_equal(od_table_row(bare, OD_STR("x"), &row), OD_OK);
    assert_int_equal(
        od_filter_new(OD_STR(IN "Items.YEAR NOT IN (1)"), &shop_schemas, 0, &filter, &err), OD_OK);
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, &err), OD_OK);
    struct od_filter_context context = {.items = bare};
    assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, &err), OD_OK);
    assert_int_equal(kept[0], 1); /* no columns: null everywhere */
    context.items = users;
    assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, &err), OD_INTERNAL);
    assert_non_null(strstr(err.message, "YEAR"));
    struct od_table *empty = od_table_new(&shop[OD_ITEMS]);
    context.items = empty;
    assert_int_equal(od_filter_eval(filter, values, &context, &arena, kept, &err), OD_OK);
    od_table_free(empty);
    od_table_free(bare);
    od_filter_free(filter);
}

static void out_of_memory_is_a_status(void **state)
{
    (void)state;
    struct od_filter *filter = NULL;
    const struct od_filter_values *values = NULL;
    struct od_filter_context context = {.items = items, .current_item_row = 0};
    uint64_t kept[1];
    assert_int_equal(od_filter_new(OD_STR(IN "Items.GENRE IN CurrentItem.GENRE AND Items.YEAR IN "
                                             "(1,1970) AND Items.YEAR NOT IN (1,2,3,4,5)"),
                                   &shop_schemas, 0, &filter, NULL),
                     OD_OK);
    assert_int_equal(od_filter_bind(filter, NULL, 0, &arena, &values, NULL), OD_OK);
    for (size_t max = 0;; max += 16) {
        struct od_arena tight;
        od_arena_init(&tight, max);
        enum od_status status = od_filter_eval(filter, values, &context, &tight, kept, NULL);
        od_arena_done(&tight);
        if (status == OD_OK)
            break;
        assert_int_equal(status, OD_NO_MEMORY);
        assert_true(max < 4096);
    }
    assert_int_equal(kept[0], 1);
    od_filter_free(filter);
}

/* Why a row is dropped: "clause: condition; condition / clause: ...". */
static const char *why(const char *expression, const char *value, uint32_t row)
{
    static char text[500];
    struct od_filter_value bound = {OD_STR("V"), od_str_c(value)};
    struct od_filter_context context = {.items = items,
                                        .users = users,
                                        .user_row = 0,
                                        .current_item_row = OD_NO_ROW,
                                        .events = events,
                                        .event_count = 5};
    uint32_t rows[2] = {row, row};
    struct od_filter_reason reasons[2];
    struct od_error err = {.message = ""};
    struct od_buf out;
    if (od_filter_reasons(od_str_c(expression), &shop_schemas, &bound, value ? 1 : 0, &context,
                          rows, 2, &arena, reasons, &err) != OD_OK)
        fail_msg("%s: %s", expression, err.message);
    od_buf_init(&out, sizeof text);
    for (size_t c = 0; c < reasons[1].clause_count; c++) {
        const struct od_filter_drop *clause = &reasons[1].clauses[c];
        assert_true(od_str_eq(clause->text, reasons[0].clauses[c].text));
        od_buf_printf(&out, "%s%.*s:", c ? " / " : "", OD_STR_ARG(clause->text));
        for (size_t i = 0; i < clause->condition_count; i++)
            od_buf_printf(&out, " <%.*s>", OD_STR_ARG(clause->conditions[i]));
    }
    snprintf(text, sizeof text, "%.*s", OD_STR_ARG(od_buf_view(&out)));
    od_buf_done(&out);
    return text;
}

static void a_dropped_row_names_what_drops_it(void **state)
{
    (void)state;
    static const char both[] = IN "Items.GENRE IN (\"Comedy\", \"x|y OR z\") AND Items.YEAR > 1975";
    assert_string_equal(why(both, NULL, 1), "");
    assert_string_equal(why(both, NULL, 0), IN "Items.GENRE IN (\"Comedy\", \"x|y OR z\") AND "
                                               "Items.YEAR > 1975: <Items.YEAR > 1975>");
    static const char or_and[] = OUT "Items.YEAR < 1975 AND Items.PRICE < 5 or Items.GENRE IN ($V)";
    assert_string_equal(why(or_and, "\"x\"", 0),
                        OUT "Items.YEAR < 1975 AND Items.PRICE < 5 or Items.GENRE IN ($V): "
                            "<Items.YEAR < 1975 AND Items.PRICE < 5>");
    assert_string_equal(why(or_and, "\"Action\"", 2),
                        OUT "Items.YEAR < 1975 AND Items.PRICE < 5 or Items.GENRE IN ($V): "
                            "<Items.GENRE IN ($V)>");
    assert_string_equal(why(or_and, NULL, 0), ""); /* without its value it does not count */
    assert_string_equal(why(or_and, "\"x\"", 4), "");
}

static void clauses_that_do_not_count_drop_nothing(void **state)
{
    (void)state;
    static const char unions[] = IN "Items.YEAR < 1975 | " IN "Items.YEAR > 1985 | " OUT
                                    "Interactions.EVENT_TYPE IN (\"click\")";
    assert_string_equal(why(unions, NULL, 0), "");
    assert_string_equal(why(unions, NULL, 3), IN "Items.YEAR < 1975: <Items.YEAR < 1975> / " IN
                                                 "Items.YEAR > 1985: <Items.YEAR > 1985>");
    assert_string_equal(why(unions, NULL, 1), IN "Items.YEAR < 1975: <Items.YEAR < 1975> / " IN
                                                 "Items.YEAR > 1985: <Items.YEAR > 1985> / " OUT
                                                 "Interactions.EVENT_TYPE IN (\"click\"): "
                                                 "<Interactions.EVENT_TYPE IN (\"click\")>");
    static const char only_if[] = IN "Items.YEAR < 1975 IF CurrentUser.AGE > 50 | " IN
                                     "Items.YEAR > 1985 IF CurrentUser.AGE = 20";
    assert_string_equal(why(only_if, NULL, 0), IN "Items.YEAR > 1985 IF CurrentUser.AGE = 20: "
                                                  "<Items.YEAR > 1985>");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(multi_values_match_by_any),
        cmocka_unit_test(a_report_tells_which_clause_dropped_what),
        cmocka_unit_test(nulls_fail_all_but_the_negations),
        cmocka_unit_test(numbers_compare_in_the_fields_type),
        cmocka_unit_test(and_binds_before_or),
        cmocka_unit_test(expressions_combine_as_sets_in_any_order),
        cmocka_unit_test(event_types_are_the_users_own_in_any_case),
        cmocka_unit_test(the_newest_hundred_of_a_type_count),
        cmocka_unit_test(a_false_if_takes_the_expression_out),
        cmocka_unit_test(an_unknown_user_or_null_makes_every_if_false),
        cmocka_unit_test(the_current_item_stands_for_its_values),
        cmocka_unit_test(one_quoted_value_with_commas_is_the_whole_or_its_parts),
        cmocka_unit_test(an_exclude_without_its_value_is_skipped),
        cmocka_unit_test(other_targets_are_refused),
        cmocka_unit_test(actions_are_filtered_like_items),
        cmocka_unit_test(the_newest_300_action_interactions_of_a_type_count),
        cmocka_unit_test(another_table_is_null_or_refused),
        cmocka_unit_test(out_of_memory_is_a_status),
        cmocka_unit_test(a_dropped_row_names_what_drops_it),
        cmocka_unit_test(clauses_that_do_not_count_drop_nothing),
    };
    return cmocka_run_group_tests(tests, make_shop, drop_shop);
}
