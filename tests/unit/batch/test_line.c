/* One line of a batch job: what each recipe's line may and must have, and what is said of the rest.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "batch/line.h"

static struct od_arena arena;

static int begin(void **state)
{
    (void)state;
    od_arena_init(&arena, SIZE_MAX);
    return 0;
}

static int end(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

static enum od_status read_line(const char *recipe, struct od_str text, struct od_batch_line *out,
                                struct od_error *err)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe));
    assert_non_null(spec);
    return od_batch_line_read(text, spec, &arena, out, err);
}

static struct od_batch_line good(const char *recipe, const char *text)
{
    struct od_batch_line line;
    struct od_error err;
    if (read_line(recipe, od_str_c(text), &line, &err) != OD_OK)
        fail_msg("%s: %s", text, err.message);
    return line;
}

static void bad(const char *recipe, const char *text, const char *words)
{
    struct od_batch_line line;
    struct od_error err = {.message = ""};
    assert_int_equal(read_line(recipe, od_str_c(text), &line, &err), OD_INVALID_INPUT);
    if (!strstr(err.message, words))
        fail_msg("%s: \"%s\" lacks \"%s\"", text, err.message, words);
}

#define TEXT_IS(s, text) assert_true(od_str_eq_c((s), (text)))

static void users_have_an_id_and_may_have_context_and_values(void **state)
{
    (void)state;
    struct od_batch_line line =
        good("aws-user-personalization",
             "{\"userId\":\"7\",\"context\":{\"DEVICE\":\"tv\",\"A\":\"\"},"
             "\"filterValues\":{\"GENRES\":\"\\\"horror\\\",\\\"comedy\\\"\"}}");
    TEXT_IS(line.user, "7");
    assert_null(line.item.ptr);
    assert_int_equal(line.context_count, 2);
    TEXT_IS(line.context[0].name, "DEVICE");
    TEXT_IS(line.context[0].value, "tv");
    assert_int_equal(line.value_count, 1);
    TEXT_IS(line.values[0].text, "\"horror\",\"comedy\"");
    TEXT_IS(good("aws-popularity-count", "{\"userId\":\"a\",\"context\":null}").user, "a");
}

static void related_items_need_an_item_and_may_name_a_user(void **state)
{
    (void)state;
    TEXT_IS(good("aws-sims", "{\"itemId\":\"105\"}").item, "105");
    TEXT_IS(good("aws-similar-items", "{\"itemId\":\"1\",\"userId\":\"u\"}").user, "u");
    bad("aws-sims", "{\"userId\":\"u\"}", "itemId is required");
    bad("aws-user-personalization", "{\"userId\":\"u\",\"itemId\":\"1\"}",
        "\"itemId\" is no member");
}

static void rankings_have_a_list(void **state)
{
    (void)state;
    struct od_batch_line line =
        good("aws-personalized-ranking-v2", "{\"userId\":\"8\",\"itemList\":[\"27\",\"886\"]}");
    assert_int_equal(line.list_count, 2);
    TEXT_IS(line.list[1], "886");
    bad("aws-personalized-ranking", "{\"userId\":\"8\"}", "itemList is required");
    bad("aws-personalized-ranking", "{\"userId\":\"8\",\"itemList\":[]}", "1 to 500");
    bad("aws-personalized-ranking", "{\"userId\":\"8\",\"itemList\":[\"\"]}", "Item 1");
    bad("aws-personalized-ranking", "{\"userId\":\"8\",\"itemList\":{\"a\":\"b\"}}", "list");
    bad("aws-personalized-ranking", "{\"userId\":\"8\",\"inputList\":[\"a\"]}",
        "known: userId, itemList");
}

static void segments_name_an_item_or_attributes(void **state)
{
    (void)state;
    TEXT_IS(good("aws-item-affinity", "{\"itemId\":\"1\"}").item, "1");
    TEXT_IS(good("aws-item-attribute-affinity", "{\"itemAttributes\":\"ITEMS.a = 1\"}").attributes,
            "ITEMS.a = 1");
    bad("aws-item-affinity", "{\"itemAttributes\":\"ITEMS.a = 1\"}", "itemAttributes");
    bad("aws-item-attribute-affinity", "{\"itemId\":\"1\"}", "itemId");
    bad("aws-item-affinity", "{\"itemId\":\"1\",\"context\":{}}", "context");
}

static void what_is_no_object_of_the_right_kinds_is_told(void **state)
{
    (void)state;
    const char *recipe = "aws-user-personalization";
    bad(recipe, "x", "no JSON");
    bad(recipe, "{\"userId\":\"a\"} {}", "no JSON");
    bad(recipe, "\"a\"", "object");
    bad(recipe, "null", "object");
    bad(recipe, "{\"userId\":1}", "must be a string");
    bad(recipe, "{\"userId\":\"a\",\"userId\":\"a\"}", "twice");
    bad(recipe, "{\"userId\":\"a\",\"context\":\"x\"}", "context must be");
    bad(recipe, "{\"userId\":\"a\",\"filterValues\":{\"G\":[]}}", "\"G\" in filterValues");
    bad(recipe, "{\"userid\":\"a\"}", "\"userid\" is no member");
    bad(recipe, "{}", "userId is required");
}

static void a_line_too_long_is_not_read(void **state)
{
    (void)state;
    struct od_batch_line line;
    struct od_error err;
    size_t len = OD_MAX_BATCH_LINE_BYTES + 1;
    char *text = malloc(len);
    memset(text, ' ', len);
    memcpy(text, "{\"userId\":\"a\"}", 14);
    assert_int_equal(read_line("aws-hrnn", (struct od_str){text, len}, &line, &err), OD_TOO_LARGE);
    assert_int_equal(read_line("aws-hrnn", (struct od_str){text, len - 1}, &line, &err), OD_OK);
    free(text);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, begin, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(users_have_an_id_and_may_have_context_and_values),
        TEST(related_items_need_an_item_and_may_name_a_user),
        TEST(rankings_have_a_list),
        TEST(segments_name_an_item_or_attributes),
        TEST(what_is_no_object_of_the_right_kinds_is_told),
        TEST(a_line_too_long_is_not_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
