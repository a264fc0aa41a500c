/* Decoding aws-chunked: see chunked.h. Belongs to the thread that feeds it. */
#include "s3/chunked.h"

#include <string.h>

#define MAX_TRAILERS 16
#define SIGNATURE    ";chunk-signature="

enum state { SIZE, DATA, DATA_END, TRAILER, END };

enum od_status od_chunked_init(struct od_chunked *decoder, bool is_signed, bool has_trailer,
                               struct od_chunked_events events)
{
    *decoder = (struct od_chunked){
        .events = events, .is_signed = is_signed, .has_trailer = has_trailer, .state = SIZE};
    if (!is_signed)
        return OD_OK;
    decoder->sha = EVP_MD_CTX_new();
    return decoder->sha && EVP_DigestInit_ex(decoder->sha, EVP_sha256(), NULL) == 1 ? OD_OK
                                                                                    : OD_NO_MEMORY;
}

void od_chunked_done(struct od_chunked *decoder)
{
    EVP_MD_CTX_free(decoder->sha);
    decoder->sha = NULL;
}

bool od_chunked_complete(const struct od_chunked *decoder)
{
    return decoder->state == END;
}

static enum od_status bad(struct od_error *err, const char *what)
{
    return od_fail(err, OD_INVALID_INPUT, "The aws-chunked body is malformed: %s.", what);
}

static bool hex_digit(char c, unsigned *out)
{
    char low = (char)(c | 0x20);
    if (c >= '0' && c <= '9')
        *out = (unsigned)(c - '0');
    else if (low >= 'a' && low <= 'f')
        *out = (unsigned)(low - 'a' + 10);
    else
        return false;
    return true;
}

static enum od_status read_size(struct od_chunked *d, struct od_str line, struct od_error *err)
{
    size_t digits = 0;
    unsigned digit;
    uint64_t size = 0;
    for (; digits < line.len && hex_digit(line.ptr[digits], &digit); digits++)
        size = size << 4 | digit;
    if (!digits || digits > 15)
        return bad(err, "a chunk's size is not a hexadecimal number");
    struct od_str rest = od_str_sub(line, digits, line.len);
    if (d->is_signed) {
        if (!od_str_starts(rest, OD_STR(SIGNATURE)) || rest.len != sizeof SIGNATURE - 1 + 64)
            return bad(err, "a chunk has no signature of 64 digits");
        memcpy(d->signature, rest.ptr + sizeof SIGNATURE - 1, sizeof d->signature);
    } else if (rest.len) {
        return bad(err, "something follows a chunk's size");
    }
    d->left = size;
    d->state = size ? DATA : TRAILER;
    return OD_OK;
}

static enum od_status end_chunk(struct od_chunked *d, struct od_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[EVP_MAX_MD_SIZE];
    char hex[65] = {0};
    unsigned len = 0;
    if (!d->is_signed)
        return OD_OK;
    if (EVP_DigestFinal_ex(d->sha, digest, &len) != 1 ||
        EVP_DigestInit_ex(d->sha, EVP_sha256(), NULL) != 1)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    return d->events.chunk(d->events.context, hex, (struct od_str){d->signature, 64}, err);
}

static enum od_status read_trailer(struct od_chunked *d, struct od_str line, struct od_error *err)
{
    size_t colon = od_str_find(line, ':', 0);
    if (!line.len) {
        d->state = END;
        return OD_OK;
    }
    if (!d->has_trailer || ++d->trailers > MAX_TRAILERS)
        return bad(err, "a trailer that was not announced");
    if (colon == SIZE_MAX || !colon)
        return bad(err, "a trailer without a name");
    return d->events.trailer(d->events.context, od_str_sub(line, 0, colon),
                             od_str_trim(od_str_sub(line, colon + 1, line.len)), err);
}

/* A line without its end. */
static enum od_status take_line(struct od_chunked *d, struct od_str line, struct od_error *err)
{
    if (d->state == TRAILER)
        return read_trailer(d, line, err);
    if (d->state == DATA_END) {
        d->state = SIZE;
        return line.len ? bad(err, "a chunk is longer than its size") : OD_OK;
    }
    enum od_status s = read_size(d, line, err);
    return s == OD_OK && d->state == TRAILER ? end_chunk(d, err) : s;
}

static enum od_status take_data(struct od_chunked *d, const char *bytes, size_t len,
                                struct od_error *err)
{
    if (d->is_signed && EVP_DigestUpdate(d->sha, bytes, len) != 1)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = d->events.data(d->events.context, bytes, len, err);
    d->left -= len;
    if (s != OD_OK || d->left)
        return s;
    d->state = DATA_END;
    return end_chunk(d, err);
}

/* Bytes up to a line feed, or all, go to the line. */
static enum od_status take_text(struct od_chunked *d, const char *bytes, size_t len,
                                size_t *out_taken, struct od_error *err)
{
    const char *end = memchr(bytes, '\n', len);
    size_t taken = end ? (size_t)(end - bytes) + 1 : len;
    if (taken > sizeof d->line - d->line_len)
        return bad(err, "a line is too long");
    memcpy(d->line + d->line_len, bytes, taken);
    d->line_len += taken;
    *out_taken = taken;
    if (!end)
        return OD_OK;
    if (d->line_len < 2 || d->line[d->line_len - 2] != '\r')
        return bad(err, "a line does not end in CRLF");
    struct od_str line = {d->line, d->line_len - 2};
    d->line_len = 0;
    return take_line(d, line, err);
}

enum od_status od_chunked_feed(struct od_chunked *decoder, const char *bytes, size_t len,
                               struct od_error *err)
{
    enum od_status s = OD_OK;
    while (s == OD_OK && len) {
        size_t taken = len;
        if (decoder->state == END)
            return bad(err, "something follows its end");
        if (decoder->state == DATA) {
            taken = decoder->left < len ? (size_t)decoder->left : len;
            s = take_data(decoder, bytes, taken, err);
        } else {
            s = take_text(decoder, bytes, len, &taken, err);
        }
        bytes += taken;
        len -= taken;
    }
    return s;
}
