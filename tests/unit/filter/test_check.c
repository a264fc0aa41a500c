/* Expressions that are filters, and expressions that are not, each for its own reason and at its
 * own place. The first two tables are the examples of the documentation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "filter/shop.h"

static const char *const good[] = {
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"click\", \"stream\")",
    "INCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"click\")",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
    "INCLUDE ItemID WHERE Interactions.event_type IN ('watched','favorited')",
    "EXCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY)",
    "EXCLUDE ItemID WHERE Items.CATEGORY_L1 IN (\"shoe\") AND Items.CATEGORY_L2 NOT IN (\"boot\")",
    "EXCLUDE ItemID WHERE Items.out_of_stock IN ('yes')",
    "INCLUDE ItemID WHERE Items.PRICE <= $PRICE",
    "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP < $DATE",
    "INCLUDE ItemID WHERE Items.CREATION_TIMESTAMP > 1633240824",
    "INCLUDE ItemID WHERE Items.YEAR >= 1970 AND Items.YEAR < 1980",
    "INCLUDE ItemID WHERE Items.GENRE IN ($GENRE)",
    "INCLUDE ItemID WHERE ITEMS.CATEGORY_L1 IN ($CATEGORIES)",
    "INCLUDE ItemID WHERE Items.GENRE IN CurrentItem.GENRE",
    "INCLUDE ItemID WHERE Items.PRICE < CurrentItem.PRICE AND Items.GENRE IN CurrentItem.GENRE",
    "EXCLUDE ItemID WHERE Items.GENRE IN ($GENRE) IF CurrentUser.AGE = $AGE",
    ("INCLUDE ItemID WHERE Items.CATEGORY IN (\"watch\") AND Items.DESCRIPTION IN (\"luxury\") IF "
     "CurrentUser.AGE > 18"),
    ("INCLUDE ItemID WHERE Items.CATEGORY IN ($CATEGORY) | INCLUDE ItemID WHERE "
     "Interactions.EVENT_TYPE IN (\"favorite\")"),
    ("INCLUDE ItemID WHERE Items.GENRE IN ($GENRE) | EXCLUDE ItemID WHERE Interactions.EVENT_TYPE "
     "IN (\"click\", \"stream\")"),
    "INCLUDE ItemID WHERE Items.OWNER IN (\"in-house\")",
    "INCLUDE ItemID WHERE Items.CATEGORY IN (\"clothing\") AND Items.AVAILABLE IN (\"True\")",
    "INCLUDE UserID WHERE Users.MEMBERSHIP_STATUS IN ($MEMBERSHIP)",
    "EXCLUDE UserID WHERE Users.AGE < $AGE",
    "INCLUDE UserID WHERE Interactions.EVENT_TYPE IN (\"click\", \"rating\")",
    "EXCLUDE UserID WHERE Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
    "exclude UserId where users.country in (\"England\", \"Japan購入\")",
    "INCLUDE ActionID WHERE Action_Interactions.EVENT_TYPE IN ($EVENT_TYPE)",
    "EXCLUDE ActionID WHERE Actions.VALUE < ($VALUE) IF CurrentUser.MEMBERSHIP = $PREMIUM",
};

/* Not in the documentation, but by its grammar. */
static const char *const more_good[] = {
    "\r\n\tInclude  ITEMID\nwHeRe items . year=1970",
    "INCLUDE ItemID WHERE Items.PRICE > \"10\"",
    "INCLUDE ItemID WHERE Items.PRICE>-.5 OR Items.PRICE<=+1.50",
    "INCLUDE ItemID WHERE Items.YEAR IN (1, 2,3) AND Items.YEAR NOT  IN (4)",
    "INCLUDE ItemID WHERE Items.YEAR NOT IN CurrentItem.YEAR",
    "INCLUDE ItemID WHERE Items.OWNER != $OWNER AND Items.OWNER = \"a \\\"b\\\" \\\\ c\"",
    "INCLUDE ItemID WHERE Items.PRICE < ((CurrentItem.WEIGHT))",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE NOT IN (*)",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE = $T OR Interactions.EVENT_TYPE = \"x\"",
    "EXCLUDE ItemID WHERE Items.ITEM_ID IN ($IDS)",
    ("INCLUDE ItemID WHERE Items.YEAR = 1 IF CurrentUser.AGE > 1 AND CurrentUser.COUNTRY NOT IN "
     "(\"x\") AND CurrentUser.SCORE != 0.5"),
    "INCLUDE ActionID WHERE ActionInteractions.EVENT_TYPE IN (\"Taken\")",
};

struct bad {
    const char *expression;
    const char *fault;  /* what the carets stand under */
    const char *reason; /* part of the message */
};

static const struct bad documented_bad[] = {
    {"EXCLUDE ItemID WHERE Items.GENRE NOT IN ($GENRE)", "$GENRE",
     "Could not create filter. Invalid input symbol: $GENRE. Placeholders are not allowed with "
     "NOT_IN operator."},
    {"EXCLUDE ItemID WHERE Items.GENRE IN (\"a\") AND Interactions.EVENT_TYPE IN (\"b\")",
     "Interactions", "all on one dataset"},
    {"INCLUDE ItemID WHERE Items.IS_NEW = true", "Items.IS_NEW", "boolean"},
    {"INCLUDE ItemID WHERE Items.DESCRIPTION_TEXT IN (\"x\")", "Items.DESCRIPTION_TEXT", "textual"},
    {"INCLUDE ItemID WHERE Interactions.DEVICE IN (\"x\")", "Interactions.DEVICE",
     "only EVENT_TYPE"},
    {"INCLUDE ItemID WHERE Items.NO_SUCH_FIELD IN (\"x\")", "Items.NO_SUCH_FIELD",
     "has no field NO_SUCH_FIELD"},
};

#define ITEM "INCLUDE ItemID WHERE "
static const struct bad more_bad[] = {
    /* words and order */
    {" ", "", "INCLUDE or EXCLUDE is expected, but the expression ends"},
    {"SELECT ItemID", "SELECT", "INCLUDE or EXCLUDE"},
    {"INCLUDE Item WHERE", "Item", "ItemID, UserID or ActionID"},
    {"INCLUDE ItemID Items.YEAR = 1", "Items", "WHERE"},
    {ITEM, "", "a condition"},
    {ITEM "Shops.YEAR = 1", "Shops", "no dataset"},
    {ITEM "Items = 1", "=", "'.' and a field"},
    {ITEM "Items.\"YEAR\" = 1", "\"YEAR\"", "a field"},
    {ITEM "Items.YEAR 1", "1", "IN, NOT IN, ="},
    {ITEM "Items.YEAR NOT = 1", "=", "IN is expected"},
    {ITEM "Items.YEAR =", "", "a value"},
    {ITEM "Items.YEAR = (1", "", "')'"},
    {ITEM "Items.YEAR = 1)", ")", "AND, OR, IF, '|' or the end"},
    {ITEM "Items.YEAR IN 1", "1", "'(' or CurrentItem"},
    {ITEM "Items.GENRE IN $G", "$G", "'('"},
    {ITEM "Items.YEAR IN ()", ")", "a value"},
    {ITEM "Items.YEAR IN (1,)", ")", "a value"},
    {ITEM "Items.YEAR IN (1 2)", "2", "',' or ')'"},
    {ITEM "Items.YEAR IN ((1))", "(", "a value"},
    {ITEM "Items.YEAR = 1 AND", "", "a condition"},
    {ITEM "Items.YEAR = 1 |", "", "INCLUDE or EXCLUDE"},
    {ITEM "(Items.YEAR = 1)", "(", "a condition"},
    {ITEM "CurrentUser.AGE = 1", "CurrentUser", "after IF"},
    {ITEM "Items.YEAR = 1 IF", "", "CurrentUser"},
    {ITEM "Items.YEAR = 1 IF Items.YEAR = 2", "Items", "CurrentUser"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.AGE = 1 OR CurrentUser.AGE = 2", "OR", "AND only"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.AGE = 1 IF CurrentUser.AGE = 2", "IF", "once"},
    {ITEM "Items.GENRE IN CurrentItem", "", "'.'"},
    /* characters */
    {ITEM "Items.OWNER = \"abc", "\"", "never closed"},
    {ITEM "Items.OWNER = 'abc\\'", "'", "never closed"},
    {ITEM "Items.OWNER = \u201Cabc\u201D", "\u201C", "straight quotes"},
    {ITEM "Items.\u00DCBER = 1", "\u00DC", "no meaning"},
    {ITEM "Items.YEAR == 1", "==", "write ="},
    {ITEM "Items.YEAR <> 1", "<>", "write !="},
    {ITEM "Items.YEAR ! 1", "!", "an = is expected"},
    {ITEM "Items.YEAR = 12abc", "12abc", "not a number"},
    {ITEM "Items.YEAR = 1.2.3", "1.2.3", "not a number"},
    {ITEM "Items.YEAR = 1e999", "1e999", "not a number"},
    {ITEM "Items.YEAR = $", "$", "parameter name"},
    /* names, types, rules */
    {ITEM "Interactions.NOPE IN (\"x\")", "Interactions.NOPE", "only EVENT_TYPE"},
    {ITEM "Users.AGE > 1", "Users", "ItemID is filtered by Items and Interactions, not by Users"},
    {"INCLUDE UserID WHERE Items.YEAR = 1", "Items", "UserID is filtered by Users"},
    {"INCLUDE ActionID WHERE Users.AGE = 1", "Users", "ActionID is filtered by Actions"},
    {"INCLUDE ActionID WHERE Actions.REPEAT_FREQUENCY = 1", "Actions.REPEAT_FREQUENCY", "cannot"},
    {"INCLUDE ActionID WHERE Actions.expiration_timestamp = 1", "Actions.expiration_timestamp",
     "cannot"},
    {"INCLUDE UserID WHERE Users.AGE = 1 IF CurrentUser.AGE = 1", "CurrentUser", "takes no IF"},
    {ITEM "Items.YEAR = 1 | EXCLUDE UserID WHERE Users.AGE = 1", "UserID", "same target"},
    {ITEM "Items.GENRE < \"a\"", "<", "need a numeric field"},
    {ITEM "Interactions.EVENT_TYPE >= \"a\"", ">=", "need a numeric field"},
    {ITEM "Items.GENRE = 5", "5", "is text and cannot be compared with a number"},
    {ITEM "Items.YEAR = \"cheap\"", "\"cheap\"", "is numeric and cannot be compared with text"},
    {ITEM "Items.GENRE = comedy", "comedy", "write \"comedy\", or $comedy"},
    {ITEM "Items.GENRE IN ($A,$B)", "$A", "one $PARAMETER"},
    {ITEM "Items.GENRE IN (\"x\",$B)", "$B", "one $PARAMETER"},
    {ITEM "Items.GENRE IN (*)", "*", "any event type"},
    {ITEM "Items.GENRE IN (\"*\")", "\"*\"", "any event type"},
    {ITEM "Interactions.EVENT_TYPE IN (\"*\",\"a\")", "\"*\"", "stands alone"},
    {ITEM "Interactions.EVENT_TYPE = \"*\"", "\"*\"", "stands alone"},
    {ITEM "Interactions.EVENT_TYPE IN CurrentItem.GENRE", "CurrentItem.GENRE", "fields of Items"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.AGE = CurrentItem.YEAR", "CurrentItem.YEAR",
     "fields of Items"},
    {ITEM "Items.GENRE IN CurrentItem.YEAR", "CurrentItem.YEAR", "one is text"},
    {ITEM "Items.GENRE IN CurrentItem.IS_NEW", "CurrentItem.IS_NEW", "boolean"},
    {ITEM "Items.GENRE IN CurrentItem.NOPE", "CurrentItem.NOPE", "no field NOPE"},
    {ITEM "Items.GENRE IN (CurrentItem.GENRE, \"x\")", "CurrentItem.GENRE", "whole list"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.NOPE = 1", "CurrentUser.NOPE", "Users has no field NOPE"},
};

/* Beyond AWS: each is refused in AWS's language, with its words at its place, and accepted beyond
 * it. */
#define EVENT "Interactions.EVENT_TYPE IN (\"a\")"
static const struct bad only_extended[] = {
    {"EXCLUDE ItemID WHERE Items.GENRE NOT IN ($GENRE)", "$GENRE", "Placeholders are not allowed"},
    {"EXCLUDE ItemID WHERE Items.GENRE IN (\"a\") AND Interactions.EVENT_TYPE IN (\"b\")",
     "Interactions", "all on one dataset"},
    {ITEM "Items.IS_NEW = true", "Items.IS_NEW", "boolean"},
    {ITEM "Items.IS_NEW IN (TRUE, 'false')", "Items.IS_NEW", "boolean"},
    {ITEM "Items.IS_NEW != $NEW", "Items.IS_NEW", "boolean"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.VIP = true", "CurrentUser.VIP", "boolean"},
    {ITEM "Items.IS_NEW = CurrentItem.IS_NEW", "Items.IS_NEW", "boolean"},
    {ITEM "(Items.YEAR = 1)", "(", "a condition"},
    {ITEM "Items.YEAR = 1 AND (Items.YEAR = (2) OR NOT Items.YEAR = 3)", "(", "a condition"},
    {ITEM "NOT Items.YEAR = 1", "NOT", "no dataset"},
    {ITEM "NOT NOT (" EVENT " AND Items.YEAR = 1)", "NOT", "no dataset"},
    {ITEM "CurrentUser.AGE > 18 OR Items.YEAR = 1", "CurrentUser", "come after IF"},
    {ITEM EVENT " WITHIN 30 DAYS", "WITHIN", "the end of the expression"},
    {ITEM EVENT " within 1 week OR Items.YEAR = 1", "within", "the end of the expression"},
    {ITEM EVENT " WITHIN ALL", "WITHIN", "the end of the expression"},
    {ITEM "Interactions.EVENT_TYPE = $T WITHIN 3 HOURS", "WITHIN", "the end of the expression"},
    {ITEM "Items.CREATION_TIMESTAMP > $NOW - 30 DAYS", "-", "not a number"},
    {ITEM "Items.CREATION_TIMESTAMP > $NOW-30 DAYS", "-30", "the end of the expression"},
    {ITEM "Items.CREATION_TIMESTAMP > ($NOW + 0 SECONDS)", "+", "not a number"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.AGE < $NOW - 2 weeks", "-", "not a number"},
    {"INCLUDE UserID WHERE Users.AGE > 1 OR " EVENT, "Interactions", "all on one dataset"},
    {"INCLUDE ActionID WHERE Actions.VALUE > 1 AND NOT Action_Interactions.EVENT_TYPE IN "
     "(\"Taken\")",
     "NOT", "no dataset"},
};

/* Refused beyond AWS as well. */
static const struct bad extended_bad[] = {
    {ITEM "()", ")", "a condition"},
    {ITEM "(Items.YEAR = 1", "", "AND, OR or ')'"},
    {ITEM "(Items.YEAR = 1 IF CurrentUser.AGE = 1)", "IF", "AND, OR or ')'"},
    {ITEM "Items.YEAR = 1)", ")", "AND, OR, IF, '|' or the end"},
    {ITEM "NOT", "", "a condition"},
    {ITEM "NOT IN (1)", "IN", "no dataset"},
    {ITEM "Items.YEAR = 1 NOT Items.YEAR = 2", "NOT", "AND, OR, IF"},
    {ITEM "Items.IS_NEW = 1", "1", "write true or false"},
    {ITEM "Items.IS_NEW = \"*\"", "\"*\"", "write true or false"},
    {ITEM "Items.IS_NEW IN (*)", "*", "any event type"},
    {ITEM "Items.IS_NEW = yes", "yes", "write true or false"},
    {ITEM "Items.IS_NEW > false", ">", "is boolean; <, <=, > and >= need a numeric field"},
    {ITEM "Items.IS_NEW = CurrentItem.YEAR", "CurrentItem.YEAR", "only one is boolean"},
    {ITEM "Items.GENRE IN CurrentItem.IS_NEW", "CurrentItem.IS_NEW", "only one is boolean"},
    {ITEM "Items.OWNER = true", "true", "write \"true\""},
    {ITEM "Users.AGE > 1", "Users", "CurrentUser is the user of the request"},
    {ITEM "Actions.VALUE = 1", "Actions", "not by Actions."},
    {"INCLUDE UserID WHERE CurrentUser.AGE = 1", "CurrentUser", "write Users.AGE"},
    {"INCLUDE UserID WHERE Items.YEAR = 1", "Items", "UserID is filtered by Users"},
    {ITEM "Interactions.DEVICE IN (\"x\")", "Interactions.DEVICE", "keep no other column"},
    {ITEM "Interactions.TIMESTAMP > 1", "Interactions.TIMESTAMP", "WITHIN 30 DAYS"},
    {ITEM "Items.DESCRIPTION_TEXT IN (\"x\")", "Items.DESCRIPTION_TEXT", "textual"},
    {ITEM "Items.YEAR = 1 WITHIN 3 DAYS", "WITHIN", "after conditions on events, not on Items"},
    {ITEM "Items.YEAR = 1 IF CurrentUser.AGE = 1 WITHIN ALL", "WITHIN", "not on CurrentUser"},
    {ITEM EVENT " WITHIN", "", "a whole number"},
    {ITEM EVENT " WITHIN 3", "", "SECONDS, MINUTES, HOURS, DAYS or WEEKS"},
    {ITEM EVENT " WITHIN 3 YEARS", "YEARS", "SECONDS, MINUTES"},
    {ITEM EVENT " WITHIN 0 DAYS", "0", "more than 0"},
    {ITEM EVENT " WITHIN -3 DAYS", "-3", "more than 0"},
    {ITEM EVENT " WITHIN 1.5 DAYS", "1.5", "a whole number"},
    {ITEM EVENT " WITHIN 1000000001 SECONDS", "1000000001", "up to 1000000000"},
    {ITEM EVENT " WITHIN $N DAYS", "$N", "a whole number"},
    {ITEM EVENT " WITHIN 3 DAYS WITHIN ALL", "WITHIN", "AND, OR, IF"},
    {ITEM "Items.OWNER = $NOW - 1 DAY", "$NOW", "not numeric"},
    {ITEM "Items.YEAR IN ($NOW - 1 DAY)", "$NOW", "not by a list"},
    {ITEM "Items.YEAR > $NOW -", "-", "not a number"},
    {ITEM "Items.YEAR > $NOW - ", "", "a whole number"},
    {ITEM "Items.YEAR > $NOW - -3 DAYS", "-3", "without a sign"},
    {ITEM "Items.YEAR > $NOW - 3", "", "SECONDS, MINUTES"},
    {ITEM "Items.YEAR > $now - 3 DAYS", "-", "AND, OR, IF"},
    {ITEM "Items.YEAR > - 3", "-", "a value"},
};

static void expect_good_in(const char *expression, const struct od_filter_schemas *schemas)
{
    struct od_filter *filter = NULL;
    struct od_error err = {.code = OD_OK};
    enum od_status status =
        od_filter_new(od_str_c(expression), schemas, OD_MAX_FILTER_FIELDS, &filter, &err);
    if (status != OD_OK)
        print_error("%s\n%s\n", expression, err.message);
    assert_int_equal(status, OD_OK);
    od_filter_free(filter);
}

/* What AWS accepts is accepted beyond it too. */
static void expect_good(const char *expression)
{
    expect_good_in(expression, &shop_schemas);
    expect_good_in(expression, &extended_shop);
}

/* What the carets of a message stand under, the text being one column a character; NULL when the
 * message has another form. */
static const char *marked(const char *message)
{
    static char fault[256];
    const char *text = strchr(message, '\n'), *carets = text ? strchr(text + 1, '\n') : NULL;
    size_t len = 0;
    if (!carets || strchr(carets + 1, '\n') || strspn(carets + 1, " ^") != strlen(carets + 1))
        return NULL;
    for (carets++, text++; *carets; carets++) {
        do {
            if (*carets == '^' && *text != '\n' && len < sizeof fault - 1)
                fault[len++] = *text;
            text += *text != '\n';
        } while (((unsigned char)*text & 0xC0) == 0x80);
    }
    fault[len] = '\0';
    return fault;
}

static void expect_bad_in(const struct bad *bad, const struct od_filter_schemas *schemas)
{
    struct od_filter *filter = NULL;
    struct od_error err = {.code = OD_OK};
    enum od_status status =
        od_filter_new(od_str_c(bad->expression), schemas, OD_MAX_FILTER_FIELDS, &filter, &err);
    if (status == OD_OK)
        print_error("accepted: %s\n", bad->expression);
    assert_int_equal(status, OD_INVALID_INPUT);
    assert_null(filter);
    const char *fault = marked(err.message);
    if (!fault || strcmp(fault, bad->fault) != 0 || !strstr(err.message, bad->reason))
        print_error("%s\n%s\nexpected %s %s\n", bad->expression, err.message, bad->fault,
                    bad->reason);
    assert_non_null(fault);
    assert_string_equal(fault, bad->fault);
    assert_non_null(strstr(err.message, bad->reason));
    assert_int_equal(strncmp(err.message, "Could not create filter. ", 25), 0);
    assert_in_range(err.column, 1, strlen(bad->expression) + 1);
    assert_int_equal(strncmp(bad->expression + err.column - 1, bad->fault, strlen(bad->fault)), 0);
}

static void expect_bad(const struct bad *bad)
{
    expect_bad_in(bad, &shop_schemas);
}

static void accepts_the_documented_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        expect_good(good[i]);
    assert_int_equal(sizeof good / sizeof good[0], 29);
}

static void accepts_the_rest_of_the_grammar(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof more_good / sizeof more_good[0]; i++)
        expect_good(more_good[i]);
}

static void refuses_the_documented_examples(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof documented_bad / sizeof documented_bad[0]; i++)
        expect_bad(&documented_bad[i]);
}

static void refuses_everything_else_at_the_right_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof more_bad / sizeof more_bad[0]; i++)
        expect_bad(&more_bad[i]);
}

static void what_is_beyond_aws_is_accepted_only_there(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof only_extended / sizeof only_extended[0]; i++) {
        expect_bad(&only_extended[i]);
        expect_good_in(only_extended[i].expression, &extended_shop);
    }
}

static void what_is_wrong_beyond_aws_is_told_at_its_place(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof extended_bad / sizeof extended_bad[0]; i++)
        expect_bad_in(&extended_bad[i], &extended_shop);
}

/* A parameter called NOW is one on AWS, so it is one here. */
static void now_alone_is_a_parameter(void **state)
{
    (void)state;
    struct od_filter *filter = NULL;
    assert_int_equal(od_filter_new(OD_STR(ITEM "Items.YEAR < $NOW OR Items.PRICE > ($NOW)"),
                                   &extended_shop, 0, &filter, NULL),
                     OD_OK);
    assert_int_equal(od_filter_param_count(filter), 1);
    assert_false(od_filter_uses_now(filter));
    od_filter_free(filter);
    assert_int_equal(
        od_filter_new(OD_STR(ITEM "Items.YEAR < $NOW + 1 DAY"), &extended_shop, 0, &filter, NULL),
        OD_OK);
    assert_int_equal(od_filter_param_count(filter), 0);
    assert_true(od_filter_uses_now(filter));
    od_filter_free(filter);
}

static void brackets_around_conditions_are_bounded(void **state)
{
    (void)state;
    struct od_error err;
    char text[400];
    for (unsigned depth = OD_MAX_FILTER_BRACKETS; depth <= OD_MAX_FILTER_BRACKETS + 1; depth++) {
        struct od_filter *filter = NULL;
        struct od_buf out;
        od_buf_init(&out, sizeof text);
        od_buf_puts(&out, ITEM);
        for (unsigned i = 0; i < depth; i++)
            od_buf_puts(&out, "NOT (Items.YEAR=1 OR ");
        od_buf_puts(&out, "Items.YEAR=2");
        for (unsigned i = 0; i < depth; i++)
            od_buf_puts(&out, ")");
        enum od_status status = od_filter_new(od_buf_view(&out), &extended_shop, 0, &filter, &err);
        bool fits = depth <= OD_MAX_FILTER_BRACKETS;
        assert_int_equal(status, fits ? OD_OK : OD_INVALID_INPUT);
        od_filter_free(filter);
        od_buf_done(&out);
    }
    assert_non_null(strstr(err.message, "16 deep"));
}

static enum od_status try(struct od_str expression, size_t max_fields, struct od_error *err)
{
    struct od_filter *filter = NULL;
    enum od_status status = od_filter_new(expression, &shop_schemas, max_fields, &filter, err);
    od_filter_free(filter);
    return status;
}

static void every_prefix_is_refused_or_a_filter(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        for (size_t len = 0; len < strlen(good[i]); len++) {
            char *copy = malloc(len + 1); /* exact, so that a sanitizer sees a byte too far */
            memcpy(copy, good[i], len);
            struct od_error err = {.code = OD_OK};
            enum od_status status = try((struct od_str){copy, len}, 0, &err);
            assert_true(status == OD_OK || (status == OD_INVALID_INPUT && err.message[0]));
            free(copy);
        }
    }
}

static void length_is_counted_in_characters(void **state)
{
    (void)state;
    struct od_error err;
    static char text[4 * OD_MAX_FILTER_CHARS + 100];
    int head = snprintf(text, sizeof text, "%s", ITEM "Items.OWNER = \"");
    size_t at = (size_t)head;
    for (int chars = head; chars < (int)OD_MAX_FILTER_CHARS - 1; chars++, at += 4)
        memcpy(text + at, "\U0001F600", 4);
    text[at++] = '"';
    assert_int_equal(try((struct od_str){text, at}, 0, &err), OD_OK);
    text[at++] = ' ';
    assert_int_equal(try((struct od_str){text, at}, 0, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "2501 characters; 1 to 2500"));
    assert_int_equal(try(OD_STR(""), 0, &err), OD_INVALID_INPUT);
    assert_int_equal(try(OD_STR_NONE, 0, &err), OD_INVALID_INPUT);
}

static void ill_formed_utf8_is_refused_with_its_place(void **state)
{
    (void)state;
    struct od_error err;
    assert_int_equal(try(OD_STR(ITEM "Items.OWNER = \"\xC3(\""), 0, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "not valid UTF-8"));
    assert_int_equal(err.column, strlen(ITEM "Items.OWNER = \"") + 1);
    assert_int_equal(try(OD_STR(ITEM "Items.OWNER = 1\0"), 0, &err), OD_INVALID_INPUT);
}

static void long_expressions_are_shown_in_part(void **state)
{
    (void)state;
    struct od_error err;
    static char text[2600];
    int at = snprintf(text, sizeof text, "%s", ITEM);
    for (int i = 0; i < 100; i++)
        at += snprintf(text + at, sizeof text - (size_t)at, "Items.OWNER=\"購入\" OR ");
    size_t place = (size_t)at;
    snprintf(text + at, sizeof text - (size_t)at, "Items.NOPE=\"購入購入購入購入\"");
    assert_int_equal(try(od_str_c(text), 0, &err), OD_INVALID_INPUT);
    assert_int_equal(err.column, place + 1);
    assert_non_null(strstr(err.message, "OR Items.NOPE=\""));
    assert_string_equal(strchr(err.message, '^'), "^^^^^^^^^^");
    assert_true(strlen(err.message) < 400);
    struct od_str shown = od_str_c(err.message);
    assert_int_equal(od_utf8_check(shown), shown.len);
}

/* East Asian characters take two columns of a terminal, an accented one takes one. */
static void carets_stand_under_the_fault(void **state)
{
    (void)state;
    struct od_error err;
    assert_int_equal(try(OD_STR(ITEM "Items.OWNER=\"購é\" OR Items.NOPE=1"), 0, &err),
                     OD_INVALID_INPUT);
    assert_string_equal(strchr(err.message, '\n'),
                        "\n...UDE ItemID WHERE Items.OWNER=\"購é\" OR Items.NOPE=1\n"
                        "                                         ^^^^^^^^^^");
    assert_int_equal(try(OD_STR(ITEM "Items.OWNER\n= \"a\""
                                     "\tOR"),
                         0, &err),
                     OD_INVALID_INPUT);
    assert_string_equal(strchr(err.message, '\n'), "\nINCLUDE ItemID WHERE Items.OWNER = \"a\" OR\n"
                                                   "                                         ^");
}

static void brackets_are_bounded(void **state)
{
    (void)state;
    struct od_error err;
    char text[400];
    for (unsigned depth = OD_MAX_FILTER_DEPTH; depth <= OD_MAX_FILTER_DEPTH + 1; depth++) {
        int at = snprintf(text, sizeof text, ITEM "Items.YEAR = ");
        memset(text + at, '(', depth);
        text[at + (int)depth] = '1';
        memset(text + at + depth + 1, ')', depth);
        struct od_str expression = {text, (size_t)at + 2 * depth + 1};
        bool fits = depth <= OD_MAX_FILTER_DEPTH;
        assert_int_equal(try(expression, 0, &err), fits ? OD_OK : OD_INVALID_INPUT);
    }
    assert_non_null(strstr(err.message, "64 deep"));
}

static void distinct_fields_are_limited(void **state)
{
    (void)state;
    struct od_error err;
    struct od_str three = OD_STR(ITEM "Items.YEAR = 1 AND Items.year = CurrentItem.PRICE IF "
                                      "CurrentUser.AGE = 1 AND CurrentUser.age > 2");
    assert_int_equal(try(three, 3, &err), OD_OK);
    assert_int_equal(try(three, 2, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "at most 2 different fields"));
    assert_non_null(marked(err.message));
    assert_string_equal(marked(err.message), "CurrentUser.AGE");
}

static void parameters_are_limited_and_counted_once(void **state)
{
    (void)state;
    struct od_error err;
    char text[2500];
    for (unsigned params = OD_MAX_FILTER_VALUES; params <= OD_MAX_FILTER_VALUES + 1; params++) {
        int at = snprintf(text, sizeof text, ITEM "Items.YEAR = $p0");
        for (unsigned i = 0; i < params; i++)
            at += snprintf(text + at, sizeof text - (size_t)at, " OR Items.YEAR = $p%u", i);
        bool fits = params <= OD_MAX_FILTER_VALUES;
        assert_int_equal(try(od_str_c(text), 0, &err), fits ? OD_OK : OD_INVALID_INPUT);
    }
    assert_non_null(strstr(err.message, "at most 25 parameters"));
    snprintf(text, sizeof text, ITEM "Items.YEAR = $%050d", 0);
    assert_int_equal(try(od_str_c(text), 0, &err), OD_OK);
    snprintf(text, sizeof text, ITEM "Items.YEAR = $%051d", 0);
    assert_int_equal(try(od_str_c(text), 0, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "at most 50 characters; this one has 51"));
}

static void datasets_must_exist(void **state)
{
    (void)state;
    static const struct {
        const char *expression;
        enum od_dataset_type missing;
    } cases[] = {{ITEM "Items.YEAR = 1", OD_ITEMS},
                 {ITEM "Interactions.EVENT_TYPE IN (\"x\")", OD_INTERACTIONS},
                 {ITEM "Items.YEAR = 1 IF CurrentUser.AGE = 1", OD_USERS}};
    for (size_t i = 0; i < 3; i++) {
        struct od_filter_schemas schemas = shop_schemas;
        struct od_filter *filter = NULL;
        struct od_error err;
        schemas.by_type[cases[i].missing] = NULL;
        assert_int_equal(od_filter_new(od_str_c(cases[i].expression), &schemas, 0, &filter, &err),
                         OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, "the dataset group has no "));
    }
    struct od_schema bare = shop[OD_INTERACTIONS];
    bare.field_count = 3; /* without EVENT_TYPE */
    struct od_filter_schemas schemas = shop_schemas;
    schemas.by_type[OD_INTERACTIONS] = &bare;
    struct od_filter *filter = NULL;
    struct od_error err;
    assert_int_equal(od_filter_new(od_str_c(cases[1].expression), &schemas, 0, &filter, &err),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "has no field EVENT_TYPE"));
}

static void tells_what_it_uses(void **state)
{
    (void)state;
    struct od_filter *filter = NULL;
    assert_int_equal(od_filter_new(OD_STR(ITEM "Items.YEAR < $b OR Items.YEAR = $a OR Items.YEAR "
                                               "> $b | EXCLUDE ItemID WHERE Items.PRICE = "
                                               "CurrentItem.PRICE IF CurrentUser.AGE = $c"),
                                   &shop_schemas, 0, &filter, NULL),
                     OD_OK);
    assert_int_equal(od_filter_target(filter), OD_TARGET_ITEM);
    assert_true(od_filter_uses_current_item(filter));
    assert_true(od_filter_uses_current_user(filter));
    assert_false(od_filter_uses_interactions(filter));
    assert_int_equal(od_filter_param_count(filter), 3);
    assert_true(od_str_eq_c(od_filter_param_name(filter, 0), "b"));
    assert_true(od_str_eq_c(od_filter_param_name(filter, 1), "a"));
    assert_true(od_str_eq_c(od_filter_param_name(filter, 2), "c"));
    od_filter_free(filter);
    assert_int_equal(od_filter_new(OD_STR("INCLUDE UserID WHERE Interactions.EVENT_TYPE IN (*)"),
                                   &shop_schemas, 0, &filter, NULL),
                     OD_OK);
    assert_int_equal(od_filter_target(filter), OD_TARGET_USER);
    assert_false(od_filter_uses_current_item(filter));
    assert_false(od_filter_uses_current_user(filter));
    assert_true(od_filter_uses_interactions(filter));
    assert_int_equal(od_filter_param_count(filter), 0);
    od_filter_free(filter);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accepts_the_documented_examples),
        cmocka_unit_test(accepts_the_rest_of_the_grammar),
        cmocka_unit_test(refuses_the_documented_examples),
        cmocka_unit_test(refuses_everything_else_at_the_right_place),
        cmocka_unit_test(what_is_beyond_aws_is_accepted_only_there),
        cmocka_unit_test(what_is_wrong_beyond_aws_is_told_at_its_place),
        cmocka_unit_test(now_alone_is_a_parameter),
        cmocka_unit_test(brackets_around_conditions_are_bounded),
        cmocka_unit_test(every_prefix_is_refused_or_a_filter),
        cmocka_unit_test(length_is_counted_in_characters),
        cmocka_unit_test(ill_formed_utf8_is_refused_with_its_place),
        cmocka_unit_test(long_expressions_are_shown_in_part),
        cmocka_unit_test(carets_stand_under_the_fault),
        cmocka_unit_test(brackets_are_bounded),
        cmocka_unit_test(distinct_fields_are_limited),
        cmocka_unit_test(parameters_are_limited_and_counted_once),
        cmocka_unit_test(datasets_must_exist),
        cmocka_unit_test(tells_what_it_uses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
