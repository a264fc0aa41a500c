/* libFuzzer: any XML document.
 *
 * Beyond not crashing: a refusal has a message; texts of a document that is taken are UTF-8, and
 * what is written of one reads back as itself. */
#include <stdint.h>
#include <stdlib.h>

#include "s3/xml.h"

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(const struct od_xml *element, struct od_arena *arena)
{
    struct od_buf out;
    struct od_xml *again;
    CHECK(element->name.len > 0);
    CHECK(od_utf8_check(element->text) == element->text.len);
    od_buf_init(&out, 8 * element->text.len + 100);
    od_xml_put(&out, "a", element->text);
    CHECK(od_xml_parse(arena, od_buf_view(&out), &again, NULL) == OD_OK);
    CHECK(od_str_eq(again->text, element->text));
    od_buf_done(&out);
    for (const struct od_xml *child = element->first; child; child = child->next)
        check(child, arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_arena arena;
    struct od_error err = {0};
    struct od_xml *root;
    od_arena_init(&arena, 256u << 20);
    enum od_status s = od_xml_parse(&arena, (struct od_str){(const char *)data, size}, &root, &err);
    CHECK(s == OD_OK || (s == OD_INVALID_INPUT && err.message[0]));
    if (s == OD_OK)
        check(root, &arena);
    od_arena_done(&arena);
    return 0;
}
