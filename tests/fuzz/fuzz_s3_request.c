/* libFuzzer: one request of the S3 subset, from its head to the operation, its names, its headers
 * and its document.
 *
 * The input is as head.inc says. Beyond not crashing: a key that is let through names a file below
 * its bucket and nothing else; a range that is read lies in the object; what is refused says so as
 * an XML error. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/inner.h"
#include "wire/http_guard.h"

#define OBJECT_BYTES 1000
#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#include "head.inc"

static void check_key(struct od_str key)
{
    struct od_str rest = key, part;
    while (od_str_cut(&rest, '/', &part)) {
        CHECK(part.len <= 255 && !od_str_eq_c(part, ".") && !od_str_eq_c(part, ".."));
        CHECK(part.len > 0 || !rest.ptr); /* only the last may be empty: a folder */
        for (size_t i = 0; i < part.len; i++)
            CHECK((unsigned char)part.ptr[i] >= 0x20 && part.ptr[i] != 0x7F);
    }
}

static void read_head(struct od_s3_call *call)
{
    struct od_s3_meta meta;
    uint64_t from = 0, len = 0;
    bool unmodified;
    struct od_str range = od_s3_request_header(call, "range");
    if (range.ptr && od_s3_parse_range(range, OBJECT_BYTES, &from, &len) == OD_S3_PART)
        CHECK(len > 0 && from < OBJECT_BYTES && len <= OBJECT_BYTES - from);
    if (od_s3_meta_of_request(call, &meta) != OD_OK)
        return;
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    meta.etag = OD_STR("d41d8cd98f00b204e9800998ecf8427e");
    od_s3_meta_write(&meta, &text);
    struct od_json json;
    struct od_error err;
    if (od_buf_status(&text) == OD_OK)
        CHECK(od_json_parse(call->arena, od_buf_view(&text), &json, &err) == OD_OK);
    od_buf_done(&text);
    (void)(od_s3_check_read(call, &meta, "", &unmodified) == OD_OK);
}

static void read_document(struct od_s3_call *call, struct od_str body)
{
    const struct od_xml *root;
    od_buf_init(&call->intake.memory, OD_MAX_S3_DOCUMENT);
    od_buf_str(&call->intake.memory, body);
    const char *const roots[] = {"Delete", "CompleteMultipartUpload", "CreateBucketConfiguration"};
    for (size_t i = 0; i < sizeof roots / sizeof *roots; i++)
        if (od_s3_read_xml(call, roots[i], &root) == OD_OK)
            CHECK(root);
    od_buf_done(&call->intake.memory);
}

static void take(const struct od_http_request *request, struct od_str body)
{
    struct od_arena arena;
    struct od_s3 s3 = {.config = {.root = "/objects", .region = "us-east-1", .account = "1"}};
    struct od_http_response response = {0};
    od_arena_init(&arena, 64u << 20);
    od_buf_init(&response.body, 1u << 20);
    struct od_s3_call call = {
        .s3 = &s3, .request = request, .response = &response, .arena = &arena};
    enum od_status s = od_s3_split(&call);
    if (s == OD_OK)
        s = od_s3_find_operation(&call);
    if (s == OD_OK) {
        CHECK(call.op && call.op->run);
        if (call.key.ptr)
            check_key(call.key);
        read_head(&call);
        read_document(&call, body);
    } else {
        CHECK(call.failed && call.message[0]);
        od_s3_write_error(&call);
        CHECK(response.status >= 400 && response.status < 600);
    }
    od_buf_done(&response.body);
    od_arena_done(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_http_header headers[MAX_HEADERS];
    struct od_http_head head;
    struct od_str body;
    struct od_http_checked checked;
    struct od_error err;
    if (!cut_head(data, size, headers, &head, &body) || od_http_guard(&head, &checked, &err) != 0)
        return 0;
    struct od_http_request request = {.method = head.method,
                                      .path = checked.path,
                                      .query = checked.query,
                                      .headers = headers,
                                      .header_count = head.header_count};
    take(&request, body);
    return 0;
}
