/* libFuzzer: any operation, any body.
 *
 * Byte 0 picks the operation, byte 1 its input or output shape and binding or loading; the rest is
 * the body. Beyond not crashing: a refusal always has a message; what was bound can be written, and
 * what was written binds again and writes the same bytes. */
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "wire/gen/api_shapes.h"

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

typedef enum od_status (*reader)(const struct od_shape *, const struct od_json *, struct od_arena *,
                                 void *, struct od_error *);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_error(enum od_status status, const struct od_error *err)
{
    CHECK(status == OD_INVALID_INPUT || status == OD_SERIALIZATION || status == OD_NO_MEMORY);
    CHECK(err->code == status);
    CHECK(err->message[0] != '\0');
    struct od_str message = od_str_c(err->message);
    CHECK(od_utf8_check(message) == message.len);
}

static void write_and_read_back(const struct od_shape *shape, const void *value, reader read,
                                struct od_arena *arena)
{
    struct od_buf first, second;
    struct od_json json;
    struct od_error err;
    void *again = od_arena_alloc(arena, shape->size);
    od_buf_init(&first, 64u << 20);
    od_buf_init(&second, 64u << 20);
    od_api_write(shape, value, &first);
    CHECK(od_buf_status(&first) == OD_OK);
    CHECK(od_json_parse(arena, od_buf_view(&first), &json, &err) == OD_OK);
    CHECK(again && read(shape, &json, arena, again, &err) == OD_OK);
    od_api_write(shape, again, &second);
    CHECK(od_str_eq(od_buf_view(&first), od_buf_view(&second)));
    od_buf_done(&first);
    od_buf_done(&second);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_arena arena;
    struct od_error err = {0};
    struct od_json json;
    if (size < 2)
        return 0;
    const struct od_operation *op = &od_operations[data[0] % OD_OP_COUNT];
    const struct od_shape *shape = (data[1] & 1) && op->output ? op->output : op->input;
    reader read = data[1] & 2 ? od_api_load : od_api_bind;
    struct od_str body = {(const char *)data + 2, size - 2};
    od_arena_init(&arena, 256u << 20);
    enum od_status status = od_json_parse(&arena, body, &json, &err);
    void *value = od_arena_alloc(&arena, shape->size);
    if (status == OD_OK && value) {
        status = read(shape, &json, &arena, value, &err);
        if (status == OD_OK)
            write_and_read_back(shape, value, read, &arena);
        else
            check_error(status, &err);
    }
    od_arena_done(&arena);
    return 0;
}
