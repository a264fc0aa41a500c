/* What makes two events the same one, as bytes that are unique in a dataset.
 *
 *   01 id                    an event with an event id: the id decides, whatever the event says,
 * and the first one counts (data.md section 12.2) 02 time[8] hash[16]      any other: its whole
 * content but the time of arrival, so that a request sent twice is stored once; time is time_s with
 * its sign bit turned, big end first, hash is the first half of a SHA-256
 *
 * The bytes are the key of an index that a busy server touches for every event, so their order
 * matters: with the time in front, the events of now lie on the few pages of now, and with an id as
 * it is, so do ids that grow (counters, ULIDs, UUIDv7). A bare hash would touch a page of its own
 * for every event; so do random UUIDs, which is their price.
 *
 * Why a cryptographic hash: an event that collides with another is dropped without a word, and
 * events are written by strangers, who must not be able to aim. Each text goes into it with its
 * presence and length, so no two different events spell the same bytes. */
#include "store/internal.h"

#include <openssl/evp.h>
#include <stdlib.h>

#define EVENT_BYTES (16u << 20) /* far above what a request may carry */
#define HASH_BYTES  16

enum { NAMED_BY_ID = 1, NAMED_BY_CONTENT = 2 };

struct od_identity {
    EVP_MD *method;
    EVP_MD_CTX *digest;
    struct od_buf content, bytes;
};

struct od_identity *od_identity_new(void)
{
    struct od_identity *identity = calloc(1, sizeof *identity);
    if (!identity)
        return NULL;
    od_buf_init(&identity->content, EVENT_BYTES);
    od_buf_init(&identity->bytes, EVENT_BYTES);
    identity->method = EVP_MD_fetch(NULL, "SHA256", NULL);
    identity->digest = EVP_MD_CTX_new();
    if (!identity->method || !identity->digest) {
        od_identity_free(identity);
        return NULL;
    }
    return identity;
}

void od_identity_free(struct od_identity *identity)
{
    if (!identity)
        return;
    EVP_MD_CTX_free(identity->digest);
    EVP_MD_free(identity->method);
    od_buf_done(&identity->content);
    od_buf_done(&identity->bytes);
    free(identity);
}

static void put_text(struct od_buf *bytes, struct od_str text)
{
    uint64_t len = text.ptr ? text.len : UINT64_MAX; /* absent differs from empty */
    od_buf_put(bytes, &len, sizeof len);
    if (text.ptr)
        od_buf_str(bytes, text);
}

static void put_content(struct od_buf *bytes, const struct od_event *event)
{
    put_text(bytes, event->user);
    put_text(bytes, event->session);
    put_text(bytes, event->item);
    put_text(bytes, event->type);
    od_buf_char(bytes, event->has_value);
    double value = event->has_value ? event->value + 0.0 : 0.0; /* -0 and 0 are one value */
    od_buf_put(bytes, &value, sizeof value);
    put_text(bytes, event->body.len ? event->body : OD_STR(""));
}

static enum od_status name_by_content(struct od_identity *identity, const struct od_event *event)
{
    od_buf_clear(&identity->content);
    put_content(&identity->content, event);
    enum od_status s = od_buf_status(&identity->content);
    if (s != OD_OK)
        return s;
    uint8_t hash[EVP_MAX_MD_SIZE];
    if (EVP_DigestInit_ex2(identity->digest, identity->method, NULL) != 1 ||
        EVP_DigestUpdate(identity->digest, identity->content.ptr, identity->content.len) != 1 ||
        EVP_DigestFinal_ex(identity->digest, hash, NULL) != 1)
        return OD_INTERNAL;
    uint64_t time = __builtin_bswap64((uint64_t)event->time_s ^ (UINT64_C(1) << 63));
    od_buf_char(&identity->bytes, NAMED_BY_CONTENT);
    od_buf_put(&identity->bytes, &time, sizeof time);
    od_buf_put(&identity->bytes, hash, HASH_BYTES);
    return od_buf_status(&identity->bytes);
}

enum od_status od_identity_of(struct od_identity *identity, const struct od_event *event,
                              struct od_str *out, struct od_error *err)
{
    enum od_status s;
    od_buf_clear(&identity->bytes);
    if (event->event_id.ptr) {
        od_buf_char(&identity->bytes, NAMED_BY_ID);
        od_buf_str(&identity->bytes, event->event_id);
        s = od_buf_status(&identity->bytes);
    } else {
        s = name_by_content(identity, event);
    }
    if (s == OD_TOO_LARGE)
        return od_fail(err, s, "The event is larger than %u bytes.", EVENT_BYTES);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    *out = od_buf_view(&identity->bytes);
    return OD_OK;
}

struct od_str od_identity_event_id(struct od_str identity)
{
    if (!identity.len || identity.ptr[0] != NAMED_BY_ID)
        return OD_STR_NONE;
    return od_str_sub(identity, 1, identity.len);
}
