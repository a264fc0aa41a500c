/* A body on its way to where it goes, checked against everything that was said of it.
 *
 *     HTTP pieces ─▶ aws-chunked decoder ─▶ MD5, SHA-256, checksum ─▶ temporary file or memory
 *                    (when it is one)
 *
 * What a body can be said to be: x-amz-content-sha256 is its SHA-256, or names one of the streaming
 * forms, whose chunks may be signed (wire/sigv4.h) and whose trailer may hold a checksum;
 * Content-MD5; one x-amz-checksum- header. All of it is checked before anything is visible.
 *
 * The HTTP thread writes, a thread of this room ends, never both at once. */
#include "s3/inner.h"

#include <stdio.h>
#include <string.h>

#define MAX_TRAILER_BYTES (8u * 1024)
#define STREAMING         "STREAMING-"

struct od_str od_s3_temporary(struct od_s3 *s3, struct od_arena *arena)
{
    unsigned char random[16];
    char name[33];
    if (s3->io->random(s3->io, random, sizeof random) != OD_OK)
        return OD_STR_NONE;
    od_hex(random, sizeof random, name);
    return od_s3_hidden(s3, arena, "tmp", od_str_c(name));
}

static bool is_hex(struct od_str s, size_t len)
{
    for (size_t i = 0; i < s.len; i++)
        if (!((s.ptr[i] >= '0' && s.ptr[i] <= '9') || (s.ptr[i] >= 'a' && s.ptr[i] <= 'f')))
            return false;
    return s.len == len;
}

/* ---- what comes ---- */

static enum od_status take_data(void *context, const char *bytes, size_t len, struct od_error *err)
{
    struct od_s3_intake *in = context;
    struct od_s3_call *call = in->call;
    if (len > in->max_bytes - in->bytes)
        return od_s3_fail(call, OD_S3_TOO_LARGE, NULL);
    od_checksum_add(&in->md5, bytes, len);
    od_checksum_add(&in->sha256, bytes, len);
    od_checksum_add(&in->sum, bytes, len);
    if (in->target == OD_S3_TO_MEMORY) {
        od_buf_put(&in->memory, bytes, len);
        if (od_buf_status(&in->memory) != OD_OK)
            return od_s3_no_memory(call);
    } else if (in->target == OD_S3_TO_FILE &&
               call->io->write_at(call->io, in->fd, bytes, len, in->bytes, err) != OD_OK) {
        return od_s3_internal(call, err);
    }
    in->bytes += len;
    return OD_OK;
}

static enum od_status take_chunk(void *context, const char sha256[65], struct od_str signature,
                                 struct od_error *err)
{
    struct od_s3_intake *in = context;
    if (!in->call->is_signed)
        return OD_OK; /* --no-auth: nobody's signature is checked */
    if (od_sigv4_chain_check(&in->call->chain, false, sha256, signature, err) == OD_OK)
        return OD_OK;
    return od_s3_fail(in->call, OD_S3_BAD_SIGNATURE, NULL);
}

static enum od_status take_trailer(void *context, struct od_str name, struct od_str value,
                                   struct od_error *err)
{
    struct od_s3_intake *in = context;
    struct od_s3_call *call = in->call;
    if (od_str_eq_nocase(name, OD_STR("x-amz-trailer-signature"))) {
        char sha256[65];
        od_sha256_hex(od_buf_view(&in->trailer), sha256);
        if (call->is_signed &&
            od_sigv4_chain_check(&call->chain, true, sha256, value, err) != OD_OK)
            return od_s3_fail(call, OD_S3_BAD_SIGNATURE, NULL);
        od_buf_clear(&in->trailer);
        return OD_OK;
    }
    od_buf_printf(&in->trailer, "%.*s:%.*s\n", OD_STR_ARG(name), OD_STR_ARG(value));
    if (od_buf_status(&in->trailer) != OD_OK)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST, "The trailer is too long.");
    if (in->sum_in_trailer && !in->want_sum.ptr &&
        od_str_eq_nocase(name, od_str_c(od_checksum_header(in->sum.kind)))) {
        in->want_sum = od_arena_str(call->arena, value);
        if (!in->want_sum.ptr)
            return od_s3_no_memory(call);
    }
    return OD_OK;
}

static bool take(struct od_http_sink *sink, const char *bytes, size_t len)
{
    struct od_s3_intake *in = (struct od_s3_intake *)sink;
    struct od_s3_call *call = in->call;
    struct od_error err;
    enum od_status s = in->in_chunks ? od_chunked_feed(&in->decoder, bytes, len, &err)
                                     : take_data(in, bytes, len, &err);
    if (s == OD_OK)
        return true;
    if (!call->failed)
        od_s3_fail(call, OD_S3_INCOMPLETE, "%s", err.message);
    od_s3_write_error(call);
    od_s3_answer_headers(call);
    return false;
}

static void done(struct od_http_sink *sink)
{
    struct od_s3_intake *in = (struct od_s3_intake *)sink;
    const struct od_io *io = in->call->io;
    if (in->fd >= 0)
        io->close(io, in->fd);
    if (in->temporary.len && io->remove(io, in->temporary.ptr, NULL) != OD_OK)
        in->temporary = OD_STR_NONE; /* the next start collects it */
    od_chunked_done(&in->decoder);
    od_checksum_done(&in->md5);
    od_checksum_done(&in->sha256);
    od_checksum_done(&in->sum);
    od_buf_done(&in->memory);
    od_buf_done(&in->trailer);
    od_sigv4_chain_done(&in->call->chain);
}

/* ---- what is said of it ---- */

static enum od_status read_form(struct od_s3_call *call, bool *out_chunks_signed,
                                bool *out_has_trailer)
{
    struct od_s3_intake *in = &call->intake;
    struct od_str said = od_s3_request_header(call, "x-amz-content-sha256");
    *out_chunks_signed = *out_has_trailer = false;
    if (!said.ptr || od_str_eq(said, OD_STR("UNSIGNED-PAYLOAD"))) {
        in->in_chunks = false;
    } else if (od_str_starts(said, OD_STR(STREAMING))) {
        struct od_str form = od_str_sub(said, sizeof STREAMING - 1, said.len);
        *out_has_trailer = od_str_ends(form, OD_STR("-TRAILER"));
        if (*out_has_trailer)
            form.len -= 8;
        *out_chunks_signed = od_str_eq(form, OD_STR("AWS4-HMAC-SHA256-PAYLOAD"));
        in->in_chunks = true;
        if (!*out_chunks_signed &&
            !(*out_has_trailer && od_str_eq(form, OD_STR("UNSIGNED-PAYLOAD"))))
            return od_s3_fail(call, OD_S3_NOT_IMPLEMENTED,
                              "x-amz-content-sha256: %.*s is not supported.",
                              OD_STR_ARG(od_str_sub(said, 0, 80)));
    } else if (is_hex(said, 64)) {
        in->want_sha256 = said;
    } else {
        return od_s3_fail(call, OD_S3_INVALID_ARGUMENT,
                          "x-amz-content-sha256 must be UNSIGNED-PAYLOAD, a STREAMING- form, or a "
                          "SHA-256 in hexadecimal digits.");
    }
    return OD_OK;
}

static enum od_status read_length(struct od_s3_call *call)
{
    struct od_s3_intake *in = &call->intake;
    struct od_str decoded = od_s3_request_header(call, "x-amz-decoded-content-length");
    in->announced = call->request->chunked ? UINT64_MAX : call->request->content_length;
    if (in->in_chunks) {
        if (!od_str_to_u64(decoded, &in->announced))
            return od_s3_fail(call, OD_S3_LENGTH,
                              "x-amz-decoded-content-length must tell how long the object is.");
    }
    if (in->announced != UINT64_MAX && in->announced > in->max_bytes)
        return od_s3_fail(call, OD_S3_TOO_LARGE, NULL);
    return OD_OK;
}

/* The one checksum header or trailer. */
static enum od_status read_checksum(struct od_s3_call *call, enum od_checksum_kind *out)
{
    struct od_s3_intake *in = &call->intake;
    struct od_str trailer = od_s3_request_header(call, "x-amz-trailer");
    struct od_str sdk = od_s3_request_header(call, "x-amz-sdk-checksum-algorithm");
    struct od_str plain = od_s3_request_header(call, "x-amz-checksum-algorithm");
    struct od_str asked = sdk.ptr ? sdk : plain;
    *out = OD_CHECKSUM_NONE;
    for (int k = OD_CHECKSUM_CRC32; k <= OD_CHECKSUM_SHA256; k++) {
        const char *header = od_checksum_header((enum od_checksum_kind)k);
        struct od_str value = od_s3_request_header(call, header);
        bool trails = trailer.ptr && od_str_eq_nocase(trailer, od_str_c(header));
        if (call->op->run == od_s3_complete_upload)
            value = OD_STR_NONE; /* said of the object, not of the document that is the body */
        if (!value.ptr && !trails)
            continue;
        unsigned char room[OD_CHECKSUM_MAX_BYTES];
        if (*out)
            return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                              "Expecting a single x-amz-checksum- header.");
        if (!trails && !od_base64_read(value, room, od_checksum_bytes((enum od_checksum_kind)k)))
            return od_s3_fail(call, OD_S3_INVALID_REQUEST, "Value for %s header is invalid.",
                              header);
        *out = (enum od_checksum_kind)k;
        in->want_sum = trails ? OD_STR_NONE : value;
        in->sum_in_trailer = trails;
    }
    if (trailer.ptr && !in->sum_in_trailer)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                          "x-amz-trailer: %.*s is not one of the checksums known here.",
                          OD_STR_ARG(od_str_sub(trailer, 0, 80)));
    if (!*out && asked.ptr) {
        *out = od_checksum_named(asked);
        if (!*out)
            return od_s3_fail(call, OD_S3_INVALID_REQUEST,
                              "Checksum algorithm '%.*s' is not one of CRC32, CRC32C, CRC64NVME, "
                              "SHA1 and SHA256.",
                              OD_STR_ARG(od_str_sub(asked, 0, 80)));
    }
    return OD_OK;
}

static enum od_status open_target(struct od_s3_call *call)
{
    struct od_s3_intake *in = &call->intake;
    struct od_error err;
    if (in->target != OD_S3_TO_FILE)
        return OD_OK;
    struct od_str path = od_s3_temporary(call->s3, call->arena);
    if (!path.ptr)
        return od_s3_no_memory(call);
    if (call->io->open(call->io, path.ptr, OD_OPEN_EXCLUSIVE, &in->fd, &err) != OD_OK) {
        in->fd = -1;
        return od_s3_internal(call, &err);
    }
    in->temporary = path;
    return OD_OK;
}

enum od_status od_s3_intake_begin(struct od_s3_call *call, enum od_s3_target target,
                                  uint64_t max_bytes)
{
    struct od_s3_intake *in = &call->intake;
    bool chunks_signed, has_trailer;
    unsigned char room[16];
    enum od_checksum_kind kind = OD_CHECKSUM_NONE;
    const struct od_crc_tables *tables = call->s3->tables;
    in->target = target;
    in->max_bytes = max_bytes;
    in->want_md5 = od_s3_request_header(call, "content-md5");
    if (in->want_md5.ptr && !od_base64_read(in->want_md5, room, sizeof room))
        return od_s3_fail(call, OD_S3_DIGEST, NULL);
    enum od_status s = read_form(call, &chunks_signed, &has_trailer);
    if (s == OD_OK)
        s = read_length(call);
    if (s == OD_OK)
        s = read_checksum(call, &kind);
    if (s != OD_OK)
        return s;
    struct od_chunked_events events = {take_data, take_chunk, take_trailer, in};
    bool md5 = target == OD_S3_TO_FILE || in->want_md5.ptr;
    if (od_checksum_init(&in->md5, md5 ? OD_CHECKSUM_MD5 : OD_CHECKSUM_NONE, tables) != OD_OK ||
        od_checksum_init(&in->sha256, in->want_sha256.ptr ? OD_CHECKSUM_SHA256 : OD_CHECKSUM_NONE,
                         tables) != OD_OK ||
        od_checksum_init(&in->sum, kind, tables) != OD_OK ||
        (in->in_chunks &&
         od_chunked_init(&in->decoder, chunks_signed, has_trailer, events) != OD_OK))
        return od_s3_no_memory(call);
    return open_target(call);
}

/* A sink that takes nothing until begun. */
void od_s3_intake_init(struct od_s3_call *call)
{
    call->intake = (struct od_s3_intake){.sink = {take, done}, .call = call, .fd = -1};
    od_buf_init(&call->intake.memory, OD_MAX_S3_DOCUMENT);
    od_buf_init(&call->intake.trailer, MAX_TRAILER_BYTES);
    od_http_set_sink(call->exchange, &call->intake.sink);
}

static enum od_status compare(struct od_s3_call *call)
{
    struct od_s3_intake *in = &call->intake;
    unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
    char hex[65], md5[OD_CHECKSUM_TEXT];
    enum od_checksum_kind kind = in->sum.kind;
    size_t len = od_checksum_end(&in->sum, bytes);
    if (len)
        od_base64(bytes, len, in->sum_text);
    od_checksum_end(&in->md5, in->md5_bytes);
    od_hex(in->md5_bytes, 16, in->md5_hex);
    od_base64(in->md5_bytes, 16, md5);
    od_checksum_end(&in->sha256, bytes);
    od_hex(bytes, 32, hex);
    if (in->want_sha256.ptr && !od_str_eq_c(in->want_sha256, hex))
        return od_s3_fail(call, OD_S3_BAD_SHA256, NULL);
    if (in->want_md5.ptr && !od_str_eq_c(in->want_md5, md5))
        return od_s3_fail(call, OD_S3_BAD_DIGEST,
                          "The Content-MD5 you specified did not match what we received.");
    if (in->sum_in_trailer && !in->want_sum.ptr)
        return od_s3_fail(call, OD_S3_INVALID_REQUEST, "The trailer %s did not come.",
                          od_checksum_header(kind));
    if (in->want_sum.ptr && !od_str_eq_c(in->want_sum, in->sum_text))
        return od_s3_fail(call, OD_S3_BAD_DIGEST,
                          "The %s you specified did not match the calculated checksum.",
                          od_checksum_name(kind));
    return OD_OK;
}

enum od_status od_s3_intake_end(struct od_s3_call *call)
{
    struct od_s3_intake *in = &call->intake;
    struct od_error err;
    if (in->in_chunks && !od_chunked_complete(&in->decoder))
        return od_s3_fail(call, OD_S3_INCOMPLETE, "The aws-chunked body ended before its end.");
    if (in->announced != UINT64_MAX && in->bytes != in->announced)
        return od_s3_fail(call, OD_S3_INCOMPLETE, NULL);
    if (in->trailer.len && call->is_signed && in->decoder.is_signed)
        return od_s3_fail(call, OD_S3_BAD_SIGNATURE, "The trailer is not signed.");
    enum od_status s = compare(call);
    if (s != OD_OK || in->target != OD_S3_TO_FILE)
        return s;
    s = call->io->sync(call->io, in->fd, &err);
    call->io->close(call->io, in->fd);
    in->fd = -1;
    return s == OD_OK ? OD_OK : od_s3_internal(call, &err);
}
