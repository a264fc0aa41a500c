/* libFuzzer: any query or form.
 *
 * Beyond not crashing: what is taken is UTF-8 without NUL, and encoded again it decodes to itself.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/form.h"

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(struct od_str text, struct od_arena *arena)
{
    struct od_buf encoded;
    struct od_str again;
    CHECK(od_utf8_check(text) == text.len && !memchr(text.ptr, '\0', text.len));
    od_buf_init(&encoded, 3 * text.len + 1);
    od_percent_encode(&encoded, text, "/");
    CHECK(od_buf_status(&encoded) == OD_OK);
    struct od_str view = encoded.ptr ? od_buf_view(&encoded) : OD_STR("");
    CHECK(od_percent_decode(view, true, arena, &again, NULL) == OD_OK && od_str_eq(again, text));
    od_buf_done(&encoded);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_arena arena;
    struct od_error err = {0};
    struct od_form form;
    od_arena_init(&arena, 256u << 20);
    struct od_str text = {size ? (const char *)data : "", size};
    enum od_status s = od_form_parse(text, &arena, &form, &err);
    CHECK(s == OD_OK || (s == OD_INVALID_INPUT && err.message[0]));
    for (size_t i = 0; s == OD_OK && i < form.count; i++) {
        check(form.fields[i].name, &arena);
        check(form.fields[i].value, &arena);
    }
    od_arena_done(&arena);
    return 0;
}
