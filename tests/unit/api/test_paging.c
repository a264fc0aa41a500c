/* Page tokens and fresh identifiers: what they look like, and what is not one of ours. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "api/ids.h"
#include "api/resource.h"

#define SALT OD_STR("arn:group")

static struct od_call call_of(struct od_arena *arena, enum od_op_id op)
{
    return (struct od_call){.arena = arena, .op = &od_operations[op]};
}

static void expect_refused(struct od_call *call, struct od_str token, struct od_str salt)
{
    int64_t after = 77;
    assert_int_equal(od_page_open(call, token, salt, &after), OD_BAD_TOKEN);
    assert_string_equal(call->err.message, "The token is not valid.");
    assert_int_equal(after, 77);
}

static void list_without_token_begins_at_the_start(void **state)
{
    (void)state;
    struct od_arena arena;
    int64_t after = 77;
    od_arena_init(&arena, 1u << 16);
    struct od_call call = call_of(&arena, OD_OP_LIST_DATASETS);
    assert_int_equal(od_page_open(&call, OD_STR_NONE, SALT, &after), OD_OK);
    assert_int_equal(after, 0);
    expect_refused(&call, OD_STR(""), SALT); /* given, and none of ours */
    od_arena_done(&arena);
}

static void token_opens_at_its_place(void **state)
{
    (void)state;
    static const int64_t places[] = {1, 100, INT64_C(1) << 40, INT64_MAX};
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_call call = call_of(&arena, OD_OP_LIST_DATASETS);
    for (size_t i = 0; i < 4; i++) {
        int64_t after;
        struct od_str token = od_page_token(&call, SALT, places[i]);
        assert_int_equal(od_page_open(&call, token, SALT, &after), OD_OK);
        assert_int_equal(after, places[i]);
    }
    od_arena_done(&arena);
}

static void token_of_another_question_is_refused(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_call call = call_of(&arena, OD_OP_LIST_DATASETS);
    struct od_call other = call_of(&arena, OD_OP_LIST_FILTERS);
    struct od_str token = od_page_token(&call, SALT, 5);
    expect_refused(&other, token, SALT);
    expect_refused(&call, token, OD_STR("arn:other"));
    expect_refused(&call, token, OD_STR_NONE);
    od_arena_done(&arena);
}

static void changed_token_is_refused_whichever_character_is_changed(void **state)
{
    (void)state;
    struct od_arena arena;
    char text[33];
    od_arena_init(&arena, 1u << 16);
    struct od_call call = call_of(&arena, OD_OP_LIST_DATASETS);
    struct od_str token = od_page_token(&call, SALT, 5);
    assert_int_equal(token.len, 32);
    for (size_t i = 0; i < 32; i++) {
        memcpy(text, token.ptr, 33);
        text[i] = text[i] == '0' ? '1' : '0';
        expect_refused(&call, od_str_c(text), SALT);
        text[i] = 'G';
        expect_refused(&call, od_str_c(text), SALT);
    }
    expect_refused(&call, od_str_sub(token, 0, 31), SALT);
    od_arena_done(&arena);
}

static void uuid_has_the_form_of_version_4(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    for (int n = 0; n < 50; n++) {
        struct od_str id = od_new_uuid(&od_io_real, &arena);
        assert_int_equal(id.len, 36);
        for (size_t i = 0; i < 36; i++) {
            bool dash = i == 8 || i == 13 || i == 18 || i == 23;
            assert_non_null(memchr(dash ? "-" : "0123456789abcdef", id.ptr[i], dash ? 1 : 16));
        }
        assert_int_equal(id.ptr[14], '4');
        assert_non_null(memchr("89ab", id.ptr[19], 4));
    }
    od_arena_done(&arena);
}

static enum od_status no_random(const struct od_io *io, void *out, size_t len)
{
    (void)io, (void)out, (void)len;
    return OD_IO;
}

static void no_identifier_without_randomness(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_io dull = od_io_real;
    dull.random = no_random;
    od_arena_init(&arena, 1u << 16);
    assert_null(od_new_uuid(&dull, &arena).ptr);
    assert_null(od_new_hex8(&dull, &arena).ptr);
    struct od_str a = od_new_hex8(&od_io_real, &arena), b = od_new_hex8(&od_io_real, &arena);
    assert_int_equal(a.len, 8);
    assert_false(od_str_eq(a, b)); /* one in four billion */
    od_arena_done(&arena);
}

static void tags_are_counted_and_their_keys_checked(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_call call = call_of(&arena, OD_OP_TAG_RESOURCE);
    struct od_personalize_tag list[51];
    for (int i = 0; i < 51; i++)
        list[i] = (struct od_personalize_tag){od_arena_printf(&arena, "k%d", i), OD_STR("v")};
    struct od_personalize_tag_resource_request in = {.tags = {list, 50}};
    call.in = &in;
    assert_int_equal(od_tags_check(&call), OD_OK);
    in.tags.count = 51;
    assert_int_equal(od_tags_check(&call), OD_TOO_MANY_TAGS);
    in.tags.count = 2;
    list[1].tag_key = OD_STR("k0");
    assert_int_equal(od_tags_check(&call), OD_INVALID_INPUT);
    list[1].tag_key = OD_STR("K0"); /* keys are case-sensitive */
    assert_int_equal(od_tags_check(&call), OD_OK);
    list[1].tag_key = OD_STR("AWS:x");
    assert_int_equal(od_tags_check(&call), OD_INVALID_INPUT);
    in.tags.count = 0;
    assert_int_equal(od_tags_check(&call), OD_OK);
    struct od_personalize_list_schemas_request untagged = {0};
    struct od_call other = call_of(&arena, OD_OP_LIST_SCHEMAS);
    other.in = &untagged;
    assert_int_equal(od_tags_check(&other), OD_OK);
    od_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(list_without_token_begins_at_the_start),
        cmocka_unit_test(token_opens_at_its_place),
        cmocka_unit_test(token_of_another_question_is_refused),
        cmocka_unit_test(changed_token_is_refused_whichever_character_is_changed),
        cmocka_unit_test(uuid_has_the_form_of_version_4),
        cmocka_unit_test(no_identifier_without_randomness),
        cmocka_unit_test(tags_are_counted_and_their_keys_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
