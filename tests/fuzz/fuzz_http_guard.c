/* libFuzzer: any head of a request.
 *
 * The input is read as a request's lines, ended by line feeds: "method target version", then
 * "name:value" for each header. A first byte of '!' makes the byte counts disagree. Beyond not
 * crashing: a refusal has a status and a message; what passes has exactly the framing it should. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "wire/http_guard.h"

#define MAX_HEADERS 256
#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static size_t count_of(const struct od_http_head *head, struct od_str name)
{
    size_t count = 0;
    for (size_t i = 0; i < head->header_count; i++)
        count += od_str_eq_nocase(head->headers[i].name, name);
    return count;
}

/* What a second parser could stumble over, looked for in another way than the guard does. */
static void check_passed(const struct od_http_head *head, const struct od_http_checked *checked)
{
    static const char bad[] = "\0\r\n\v\f\x7f";
    CHECK(head->bytes_received == head->bytes_explained);
    CHECK(head->header_count <= OD_MAX_HEADER_COUNT);
    for (size_t i = 0; i < head->header_count; i++) {
        CHECK(head->headers[i].name.len > 0);
        for (size_t j = 0; j < sizeof bad - 1; j++) {
            CHECK(od_str_find(head->headers[i].value, bad[j], 0) == SIZE_MAX);
            CHECK(od_str_find(head->headers[i].name, bad[j], 0) == SIZE_MAX);
        }
        CHECK(od_str_find(head->headers[i].name, ' ', 0) == SIZE_MAX);
        CHECK(od_str_find(head->headers[i].name, ':', 0) == SIZE_MAX);
    }
    size_t lengths = count_of(head, OD_STR("Content-Length"));
    size_t encodings = count_of(head, OD_STR("Transfer-Encoding"));
    CHECK(lengths + encodings <= 1);
    CHECK(checked->chunked == (encodings == 1));
    CHECK(lengths == 1 || checked->content_length == 0);
    CHECK(count_of(head, OD_STR("Host")) <= 1);
    CHECK(count_of(head, OD_STR("Host")) == 1 || od_str_eq(head->version, OD_STR("HTTP/1.0")));
    CHECK(checked->path.len > 0 && checked->query.ptr);
    CHECK(checked->path.ptr[0] == '/' || od_str_eq(checked->path, OD_STR("*")));
    CHECK(od_str_find(checked->path, '?', 0) == SIZE_MAX);
    CHECK(od_str_find(checked->path, ' ', 0) == SIZE_MAX);
    CHECK(checked->path.len + checked->query.len <= head->target.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_http_header headers[MAX_HEADERS];
    struct od_str rest = {(const char *)data, size}, line, word;
    bool disagree = size && data[0] == '!';
    if (disagree)
        rest = od_str_sub(rest, 1, size);
    if (!od_str_cut(&rest, '\n', &line))
        return 0;
    struct od_http_head head = {.headers = headers};
    struct od_str *const words[] = {&head.method, &head.target, &head.version};
    for (size_t i = 0; i < 3; i++)
        *words[i] = od_str_cut(&line, ' ', &word) ? word : OD_STR("");
    while (head.header_count < MAX_HEADERS && od_str_cut(&rest, '\n', &line)) {
        struct od_str name = line;
        if (!od_str_cut(&line, ':', &name))
            continue;
        headers[head.header_count++] = (struct od_http_header){name, line.ptr ? line : OD_STR("")};
    }
    head.bytes_received = size;
    head.bytes_explained = size + disagree;
    struct od_http_checked checked = {.content_length = 42, .path = OD_STR("kept")};
    struct od_error err = {0};
    int status = od_http_guard(&head, &checked, &err);
    if (status) {
        CHECK(status == 400 || status == 417 || status == 431 || status == 505);
        CHECK(err.message[0] != '\0');
        CHECK(checked.content_length == 42 && od_str_eq(checked.path, OD_STR("kept")));
    } else {
        check_passed(&head, &checked);
    }
    return 0;
}
