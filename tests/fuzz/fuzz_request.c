/* libFuzzer: one whole request of either protocol, from its head to the answer of the frame.
 *
 * The input is as head.inc says. It takes the way through the door (api/door.c): guard, signature,
 * operation by X-Amz-Target (awsJson1.1) or by method and path (rest-json), JSON, binding; only
 * that an unsigned one goes on, too. Beyond not crashing: whatever refuses it says so with a status
 * of an error, a name and a message, as JSON that reads back; the constant tables know every
 * operation that is found under the very name it was found by. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/aws_error.h"
#include "wire/gen/api_shapes.h"
#include "wire/http_guard.h"
#include "wire/sigv4.h"

#define NOW 1706745599 /* 20240131T235959Z */
#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "head.inc"

static bool no_keys(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    (void)context;
    (void)key_id;
    (void)out;
    return false;
}

/* An error as the client gets it, read as a client reads it. */
static void refuse(struct od_arena *arena, const struct od_error *err, bool control)
{
    struct od_buf body;
    struct od_json json;
    struct od_error unread;
    const char *type;
    int status;
    CHECK(err->code != OD_OK && err->message[0] != '\0');
    od_buf_init(&body, 1u << 16);
    od_aws_error_render(err, control, &status, &type, &body);
    CHECK(status >= 400 && status < 600 && type[0] != '\0');
    CHECK(od_buf_status(&body) == OD_OK);
    CHECK(od_json_parse(arena, od_buf_view(&body), &json, &unread) == OD_OK);
    CHECK(od_str_eq_c(od_json_get_str(&json, "__type", OD_STR("")), type));
    CHECK(od_json_get_str(&json, "message", OD_STR("")).len > 0);
    od_buf_done(&body);
}

static void read_body(const struct od_operation *op, struct od_str text, struct od_arena *arena,
                      bool control)
{
    struct od_json json;
    struct od_error err = {0};
    void *in = od_arena_alloc(arena, op->input->size);
    enum od_status s = od_json_parse(arena, text.len ? text : OD_STR("{}"), &json, &err);
    if (s == OD_OK && in)
        s = od_api_bind(op->input, &json, arena, in, &err);
    if (s == OD_OK)
        return;
    CHECK(s == OD_SERIALIZATION || s == OD_INVALID_INPUT || s == OD_NO_MEMORY);
    refuse(arena, &err, control);
}

static const struct od_operation *find(const struct od_http_request *request, bool *control)
{
    struct od_str target = od_http_header(request, "x-amz-target");
    const struct od_operation *op = target.ptr
                                        ? od_operation_by_target(target)
                                        : od_operation_by_path(request->method, request->path);
    *control = target.ptr != NULL;
    CHECK(!op || (op >= od_operations && op < od_operations + OD_OP_COUNT));
    CHECK(!op || !*control || od_str_ends(target, od_str_c(op->name)));
    CHECK(!op || *control || od_str_starts(request->path, od_str_c(op->uri)));
    CHECK(!op || (op->service == OD_SERVICE_PERSONALIZE) == *control);
    return op;
}

static void take(const struct od_http_head *head, struct od_str body)
{
    struct od_http_checked checked;
    struct od_arena arena;
    struct od_error err = {0};
    od_arena_init(&arena, 256u << 20);
    int status = od_http_guard(head, &checked, &err);
    if (status == 0) {
        struct od_http_request request = {.method = head->method,
                                          .path = checked.path,
                                          .query = checked.query,
                                          .headers = head->headers,
                                          .header_count = head->header_count,
                                          .body = body};
        struct od_sigv4 *verifier = od_sigv4_new(no_keys, NULL);
        struct od_sigv4_claim claim;
        bool control;
        CHECK(verifier);
        CHECK(od_sigv4_verify(verifier, &request, OD_STR("personalize"), NOW, &claim, &err) !=
              OD_OK);
        const struct od_operation *op = find(&request, &control);
        refuse(&arena, &err, control);
        if (op)
            read_body(op, body, &arena, control);
        od_sigv4_free(verifier);
    }
    od_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_http_header headers[MAX_HEADERS];
    struct od_http_head head;
    struct od_str body;
    if (cut_head(data, size, headers, &head, &body))
        take(&head, body);
    return 0;
}
