/* libFuzzer: any aws-chunked body.
 *
 * The first byte says whether chunks are signed, whether a trailer is announced, and how the rest
 * is cut into pieces. Beyond not crashing: fed whole or in pieces, the same is decoded and the same
 * is said; and what is complete takes nothing more. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "s3/chunked.h"

#define CHECK(truth)                                                                               \
    do {                                                                                           \
        if (!(truth))                                                                              \
            abort();                                                                               \
    } while (0)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum od_status take_data(void *context, const char *bytes, size_t len, struct od_error *err)
{
    (void)err;
    od_buf_put(context, bytes, len);
    return OD_OK;
}

static enum od_status take_chunk(void *context, const char sha256[65], struct od_str signature,
                                 struct od_error *err)
{
    (void)err;
    od_buf_printf(context, "[%s %.*s]", sha256, OD_STR_ARG(signature));
    return OD_OK;
}

static enum od_status take_trailer(void *context, struct od_str name, struct od_str value,
                                   struct od_error *err)
{
    (void)err;
    CHECK(name.len > 0);
    od_buf_put(context, name.ptr, name.len);
    od_buf_put(context, value.ptr, value.len);
    return OD_OK;
}

static enum od_status feed(const uint8_t *data, size_t size, size_t step, uint8_t how,
                           struct od_buf *heard, bool *out_complete)
{
    struct od_chunked decoder;
    struct od_error err = {0};
    struct od_chunked_events events = {take_data, take_chunk, take_trailer, heard};
    enum od_status s = OD_OK;
    CHECK(od_chunked_init(&decoder, how & 1, how & 2, events) == OD_OK);
    for (size_t at = 0; s == OD_OK && at < size; at += step)
        s = od_chunked_feed(&decoder, (const char *)data + at, size - at < step ? size - at : step,
                            &err);
    CHECK(s == OD_OK || (s == OD_INVALID_INPUT && err.message[0]));
    *out_complete = s == OD_OK && od_chunked_complete(&decoder);
    if (*out_complete)
        CHECK(od_chunked_feed(&decoder, "x", 1, &err) == OD_INVALID_INPUT);
    od_chunked_done(&decoder);
    return s;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_buf whole, cut;
    bool whole_complete, cut_complete;
    if (!size)
        return 0;
    od_buf_init(&whole, 1u << 24);
    od_buf_init(&cut, 1u << 24);
    enum od_status a = feed(data + 1, size - 1, size, data[0], &whole, &whole_complete);
    enum od_status b = feed(data + 1, size - 1, 1 + (data[0] >> 2), data[0], &cut, &cut_complete);
    CHECK(a == b && whole_complete == cut_complete);
    if (a == OD_OK)
        CHECK(whole.len == cut.len && (!whole.len || !memcmp(whole.ptr, cut.ptr, whole.len)));
    od_buf_done(&whole);
    od_buf_done(&cut);
    return 0;
}
