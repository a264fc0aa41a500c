/* Errors as the AWS clients read them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "wire/aws_error.h"

static struct od_buf body;
static int status;
static const char *type;

static int setup(void **state)
{
    (void)state;
    od_buf_init(&body, 1u << 16);
    status = 0;
    type = NULL;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    od_buf_done(&body);
    return 0;
}

static void a_code_has_a_status_a_kind_of_service(void **state)
{
    (void)state;
    struct od_error err;
    od_fail(&err, OD_NOT_FOUND, "Resource Arn %s does not exist.", "arn:x");
    od_aws_error_render(&err, true, &status, &type, &body);
    assert_int_equal(status, 400);
    assert_string_equal(type, "ResourceNotFoundException");
    assert_string_equal(body.ptr, "{\"__type\":\"ResourceNotFoundException\",\"message\":"
                                  "\"Resource Arn arn:x does not exist.\"}");
    od_buf_clear(&body);
    od_aws_error_render(&err, false, &status, &type, &body);
    assert_int_equal(status, 404);
    od_fail(&err, OD_IN_USE, NULL);
    od_buf_clear(&body);
    od_aws_error_render(&err, false, &status, &type, &body);
    assert_int_equal(status, 409);
    assert_string_equal(body.ptr, "{\"__type\":\"ResourceInUseException\",\"message\":\"The "
                                  "resource is in use.\"}");
}

static void messages_are_escaped_and_never_empty(void **state)
{
    (void)state;
    struct od_error err;
    od_fail(&err, OD_INVALID_INPUT, "a \"b\" \\ \n \xC3\xA4");
    od_aws_error_render(&err, true, &status, &type, &body);
    assert_string_equal(body.ptr, "{\"__type\":\"InvalidInputException\",\"message\":\"a \\\"b\\\" "
                                  "\\\\ \\n \xC3\xA4\"}");
    memset(&err, 0, sizeof err);
    err.code = OD_LIMIT;
    od_buf_clear(&body);
    od_aws_error_render(&err, true, &status, &type, &body);
    assert_string_equal(body.ptr, "{\"__type\":\"LimitExceededException\",\"message\":\"A limit is "
                                  "exceeded.\"}");
}

static void what_is_inside_stays_inside(void **state)
{
    (void)state;
    const enum od_status codes[] = {OD_NO_MEMORY, OD_CORRUPT, OD_STOPPED, OD_INTERNAL, OD_OK};
    struct od_error err;
    for (size_t i = 0; i < sizeof codes / sizeof codes[0]; i++) {
        od_fail(&err, codes[i], "cannot open /secret/file: line 7");
        od_buf_clear(&body);
        od_aws_error_render(&err, i % 2 == 0, &status, &type, &body);
        assert_int_equal(status, 500);
        assert_string_equal(type, "InternalServerException");
        assert_string_equal(body.ptr, "{\"__type\":\"InternalServerException\",\"message\":\"An "
                                      "internal error occurred.\"}");
    }
    od_fail(&err, OD_IO, "cannot open /secret/file: line 7");
    od_buf_clear(&body);
    od_aws_error_render(&err, true, &status, &type, &body);
    assert_int_equal(status, 503);
    assert_null(strstr(body.ptr, "secret"));
    od_fail(&err, OD_IO, OD_DISK_TEXT " is full.");
    od_buf_clear(&body);
    od_aws_error_render(&err, false, &status, &type, &body);
    assert_string_equal(type, "ServiceUnavailableException");
    assert_non_null(strstr(body.ptr, "The server's disk is full."));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_code_has_a_status_a_kind_of_service, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_are_escaped_and_never_empty, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_inside_stays_inside, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
