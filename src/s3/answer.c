/* Answers: headers, XML documents, errors as S3 words them. See inner.h. */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "s3/inner.h"

static const struct {
    const char *code;
    int status;
    const char *text;
} codes[] = {
#define X(name, code, status, text) {code, status, text},
#include "s3/codes.def"
#undef X
};

const char *od_s3_code_text(enum od_s3_code code)
{
    return codes[code].code;
}

enum od_status od_s3_fail(struct od_s3_call *call, enum od_s3_code code, const char *fmt, ...)
{
    call->failed = true;
    call->code = code;
    snprintf(call->message, sizeof call->message, "%s", codes[code].text);
    if (fmt) {
        va_list ap;
        va_start(ap, fmt);
        vsnprintf(call->message, sizeof call->message, fmt, ap);
        va_end(ap);
        size_t whole = od_utf8_check(od_str_c(call->message)); /* cut in the middle of one */
        call->message[whole] = '\0';
    }
    return OD_INVALID_INPUT;
}

enum od_status od_s3_internal(struct od_s3_call *call, const struct od_error *err)
{
    fprintf(stderr, "ondol: %s: %s\n", call->op ? call->op->name : "S3 request", err->message);
    return od_s3_fail(call, OD_S3_INTERNAL, NULL);
}

enum od_status od_s3_no_memory(struct od_s3_call *call)
{
    struct od_error err;
    (void)od_fail(&err, OD_NO_MEMORY, NULL);
    return od_s3_internal(call, &err);
}

void od_s3_header(struct od_s3_call *call, const char *name, struct od_str value)
{
    if (!value.ptr)
        return;
    if (!value.len)
        value = OD_STR(" "); /* the server library refuses an empty value; white space is none */
    if (call->header_count == call->header_room) {
        size_t room = call->header_room ? 2 * call->header_room : 16;
        struct od_http_header *grown = OD_NEW_ARRAY(call->arena, struct od_http_header, room);
        if (!grown)
            return; /* the exchange's arena is spent: the answer will not be built either */
        if (call->header_count)
            memcpy(grown, call->headers, call->header_count * sizeof *grown);
        call->headers = grown;
        call->header_room = room;
    }
    struct od_http_header *header = &call->headers[call->header_count];
    *header = (struct od_http_header){od_arena_str(call->arena, od_str_c(name)),
                                      od_arena_str(call->arena, value)};
    call->header_count += header->name.ptr && header->value.ptr;
}

void od_s3_answer_headers(struct od_s3_call *call)
{
    unsigned char random[8];
    char id[17] = "0000000000000000";
    if (call->io->random(call->io, random, sizeof random) == OD_OK)
        od_hex(random, sizeof random, id);
    od_s3_header(call, "x-amz-request-id", od_str_c(id));
    call->response->more = call->headers;
    call->response->more_count = call->header_count;
}

void od_s3_write_error(struct od_s3_call *call)
{
    struct od_http_response *response = call->response;
    od_buf_clear(&response->body);
    response->status = codes[call->code].status;
    response->content_type = OD_STR("application/xml");
    if (od_str_eq_c(call->request->method, "HEAD"))
        return; /* S3 sends none; the code is its status */
    od_buf_puts(&response->body, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error>");
    od_xml_put(&response->body, "Code", od_str_c(codes[call->code].code));
    od_xml_put(&response->body, "Message", od_str_c(call->message));
    od_xml_put(&response->body, "BucketName", call->bucket);
    od_xml_put(&response->body, "Key", call->key);
    od_xml_put(&response->body, "Resource", call->request->path);
    od_buf_puts(&response->body, "</Error>");
}

struct od_buf *od_s3_xml(struct od_s3_call *call, const char *root)
{
    struct od_buf *out = &call->response->body;
    call->response->content_type = OD_STR("application/xml");
    od_buf_printf(out,
                  "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n"
                  "<%s xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">",
                  root);
    return out;
}

void od_s3_xml_end(struct od_s3_call *call, const char *root)
{
    od_buf_printf(&call->response->body, "</%s>", root);
}

struct od_str od_s3_request_header(const struct od_s3_call *call, const char *name)
{
    struct od_str value = od_http_header(call->request, name);
    return value.ptr ? od_str_trim(value) : OD_STR_NONE;
}

struct od_str od_s3_param(const struct od_s3_call *call, const char *name)
{
    return od_form_get(&call->query, name);
}

void od_s3_etag_header(struct od_s3_call *call, struct od_str etag)
{
    od_s3_header(call, "ETag", od_arena_printf(call->arena, "\"%.*s\"", OD_STR_ARG(etag)));
}

void od_s3_sum_header(struct od_s3_call *call, const struct od_s3_meta *meta)
{
    if (!meta->sum.len)
        return;
    od_s3_header(call, od_checksum_header(meta->sum_kind), meta->sum);
    od_s3_header(call, "x-amz-checksum-type",
                 meta->sum_of_parts ? OD_STR("COMPOSITE") : OD_STR("FULL_OBJECT"));
}

void od_s3_put_time(struct od_buf *out, const char *element, int64_t ns)
{
    char text[OD_TIME_TEXT];
    od_time_format_iso(ns / 1000000, text);
    od_xml_put(out, element, od_str_c(text));
}

enum od_status od_s3_read_xml(struct od_s3_call *call, const char *root, const struct od_xml **out)
{
    struct od_error err;
    struct od_xml *read;
    enum od_status s = od_xml_parse(call->arena, od_buf_view(&call->intake.memory), &read, &err);
    if (s == OD_NO_MEMORY)
        return od_s3_no_memory(call);
    if (s != OD_OK)
        return od_s3_fail(call, OD_S3_MALFORMED_XML, "%s", err.message);
    if (!od_str_eq_c(read->name, root))
        return od_s3_fail(call, OD_S3_MALFORMED_XML, "The document must be a %s, not '%.*s'.", root,
                          OD_STR_ARG(od_str_sub(read->name, 0, 100)));
    *out = read;
    return OD_OK;
}
