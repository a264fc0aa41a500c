/* The client of an S3 endpoint, over libcurl: see client.h.
 *
 * The signature is our own (wire/sigv4.h), because libcurl's of Debian 12 leaves out
 * x-amz-content-sha256, without which S3 answers nothing. The SHA-256 of a body is always sent, so
 * a byte that changes on its way is noticed, also without TLS.
 *
 * Trying again. A request is repeated after a lost connection or an answer that says "later", with
 * pauses that double from OD_S3_FIRST_PAUSE_MS and vary, so that many workers do not come back at
 * one moment. All requests made here may be repeated: reads, whole PUTs, parts by number; a
 * repeated completion that finds its upload gone is told apart by remote.c. */
#include "s3/client.h"

#include <curl/curl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/limits.h"
#include "base/time.h"
#include "s3/checksum.h"
#include "s3/form.h"
#include "s3/xml.h"
#include "wire/sigv4.h"

#define POOLED            8
#define CONNECT_TIMEOUT_S 15L
#define SLOW_BYTES_S      1024L /* slower than this for SLOW_S counts as lost */
#define SLOW_S            30L
#define MAX_ERROR_BYTES   (64u * 1024)
#define ENCRYPTION        "x-amz-server-side-encryption"
#define ENCRYPTION_KEY    "x-amz-server-side-encryption-aws-kms-key-id"
#define HASH_BLOCK        (1u << 20)
#define EMPTY_SHA256      "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

struct od_s3_client {
    const struct od_io *io;
    struct od_arena arena; /* of the endpoint's texts */
    struct od_s3_endpoint endpoint;
    struct od_str scheme, host;
    pthread_mutex_t lock; /* guards the pool */
    CURL *pool[POOLED];
    unsigned pooled;
};

/* ---- making one ---- */

static enum od_status split_url(struct od_s3_client *c, struct od_error *err)
{
    struct od_str url = c->endpoint.url;
    bool tls = od_str_starts(url, OD_STR("https://"));
    if (!tls && !od_str_starts(url, OD_STR("http://")))
        return od_fail(err, OD_INVALID_INPUT,
                       "The S3 endpoint must begin with http:// or https://, not \"%.*s\".",
                       OD_STR_ARG(url));
    c->scheme = tls ? OD_STR("https://") : OD_STR("http://");
    c->host = od_str_sub(url, c->scheme.len, url.len);
    if (od_str_ends(c->host, OD_STR("/")))
        c->host = od_str_sub(c->host, 0, c->host.len - 1);
    bool good = c->host.len > 0 && c->host.len <= 255;
    for (size_t i = 0; good && i < c->host.len; i++) {
        char h = c->host.ptr[i], low = (char)(h | 0x20);
        good = (low >= 'a' && low <= 'z') || (h >= '0' && h <= '9') || strchr(".-:[]", h);
    }
    return good ? OD_OK
                : od_fail(err, OD_INVALID_INPUT,
                          "The S3 endpoint must be a host and maybe a port, without a path: "
                          "\"%.*s\".",
                          OD_STR_ARG(url));
}

static enum od_status keep(struct od_s3_client *c, const struct od_s3_endpoint *endpoint,
                           struct od_error *err)
{
    const struct od_str given[] = {endpoint->url, endpoint->region, endpoint->key_id,
                                   endpoint->secret, endpoint->ca};
    struct od_str *const kept[] = {&c->endpoint.url, &c->endpoint.region, &c->endpoint.key_id,
                                   &c->endpoint.secret, &c->endpoint.ca};
    c->endpoint.virtual_host = endpoint->virtual_host;
    c->endpoint.tries = endpoint->tries ? endpoint->tries : OD_S3_TRIES;
    c->endpoint.stop = endpoint->stop;
    for (size_t i = 0; i < sizeof given / sizeof *given; i++) {
        *kept[i] = od_arena_str(&c->arena, given[i]);
        if (!kept[i]->ptr && given[i].ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (!endpoint->key_id.len || endpoint->key_id.len > OD_MAX_KEY_ID_CHARS ||
        !endpoint->secret.len || endpoint->secret.len > OD_MAX_SECRET_CHARS)
        return od_fail(err, OD_INVALID_INPUT,
                       "The S3 endpoint needs a key id and a secret of 1 to %d characters.",
                       OD_MAX_SECRET_CHARS);
    if (endpoint->ca.len && !od_io_exists(c->io, c->endpoint.ca.ptr))
        return od_fail(err, OD_INVALID_INPUT,
                       "The file of the S3 endpoint's certificates cannot be read: \"%.*s\".",
                       OD_STR_ARG(endpoint->ca));
    return split_url(c, err);
}

enum od_status od_s3_client_new(const struct od_io *io, const struct od_s3_endpoint *endpoint,
                                struct od_s3_client **out, struct od_error *err)
{
    struct od_s3_client *c = calloc(1, sizeof *c);
    if (!c || curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(c);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    c->io = io;
    od_arena_init(&c->arena, 1u << 16);
    pthread_mutex_init(&c->lock, NULL);
    enum od_status s = keep(c, endpoint, err);
    if (s == OD_OK)
        *out = c;
    else
        od_s3_client_free(c);
    return s;
}

void od_s3_client_free(struct od_s3_client *client)
{
    if (!client)
        return;
    for (unsigned i = 0; i < client->pooled; i++)
        curl_easy_cleanup(client->pool[i]);
    pthread_mutex_destroy(&client->lock);
    od_arena_done(&client->arena);
    free(client);
    curl_global_cleanup();
}

static CURL *take_handle(struct od_s3_client *c)
{
    CURL *curl = NULL;
    pthread_mutex_lock(&c->lock);
    if (c->pooled)
        curl = c->pool[--c->pooled];
    pthread_mutex_unlock(&c->lock);
    return curl ? curl : curl_easy_init();
}

static void give_handle(struct od_s3_client *c, CURL *curl)
{
    curl_easy_reset(curl); /* keeps the connection */
    pthread_mutex_lock(&c->lock);
    bool room = c->pooled < POOLED;
    if (room)
        c->pool[c->pooled++] = curl;
    pthread_mutex_unlock(&c->lock);
    if (!room)
        curl_easy_cleanup(curl);
}

/* ---- one try ---- */

struct attempt {
    struct od_s3_client *client;
    const struct od_s3_ask *ask;
    struct od_s3_answer *answer;
    struct od_arena *arena;
    uint64_t sent;       /* of the body */
    struct od_buf error; /* the body of an answer that is no success */
    struct od_str host, path;
    struct curl_slist *headers;
    CURL *curl;
};

static size_t on_header(char *bytes, size_t size, size_t count, void *context)
{
    struct attempt *a = context;
    struct od_str line = od_str_trim((struct od_str){bytes, size * count}), name;
    struct od_str value = line;
    od_str_cut(&value, ':', &name);
    value = value.ptr ? od_str_trim(value) : OD_STR("");
    if (od_str_eq_nocase(name, OD_STR("etag")))
        snprintf(a->answer->etag, sizeof a->answer->etag, "%.*s", OD_STR_ARG(value));
    else if (od_str_eq_nocase(name, OD_STR("content-length")))
        (void)od_str_to_u64(value, &a->answer->content_length);
    return size * count;
}

static size_t on_body(char *bytes, size_t size, size_t count, void *context)
{
    struct attempt *a = context;
    struct od_s3_answer *answer = a->answer;
    size_t len = size * count;
    long status = 0;
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    if (status < 200 || status > 299) {
        od_buf_put(&a->error, bytes, len);
        return len; /* what is too long for the message is let go */
    }
    if (!answer->to) {
        if (answer->body)
            od_buf_put(answer->body, bytes, len);
        return !answer->body || od_buf_status(answer->body) == OD_OK ? len : 0;
    }
    /* An endpoint that knows no ranges answers 200 with everything. */
    if (status != 206 || len > a->ask->len - answer->got)
        return 0;
    memcpy(answer->to + answer->got, bytes, len);
    answer->got += len;
    return len;
}

static size_t on_read(char *to, size_t size, size_t count, void *context)
{
    struct attempt *a = context;
    const struct od_s3_upload_body *body = a->ask->body;
    size_t room = size * count, got = 0;
    if (room > body->len - a->sent)
        room = (size_t)(body->len - a->sent);
    if (!body->io) {
        memcpy(to, body->text.ptr + a->sent, room);
        got = room;
    } else if (body->io->read_at(body->io, body->fd, to, room, body->at + a->sent, &got, NULL) !=
                   OD_OK ||
               got < room) {
        return CURL_READFUNC_ABORT;
    }
    a->sent += got;
    return got;
}

static int on_seek(void *context, curl_off_t at, int origin)
{
    struct attempt *a = context;
    if (origin != SEEK_SET || at < 0)
        return CURL_SEEKFUNC_FAIL;
    a->sent = (uint64_t)at;
    return CURL_SEEKFUNC_OK;
}

static bool is_stopped(const struct od_s3_client *c)
{
    return c->endpoint.stop && atomic_load(c->endpoint.stop);
}

/* Called about once a second, also while nothing moves. */
static int on_progress(void *context, curl_off_t down, curl_off_t got, curl_off_t up,
                       curl_off_t sent)
{
    (void)down;
    (void)got;
    (void)up;
    (void)sent;
    return is_stopped(context);
}

static bool add_header(struct attempt *a, const char *name, struct od_str value)
{
    struct od_str line = od_arena_printf(a->arena, "%s: %.*s", name, OD_STR_ARG(value));
    struct curl_slist *longer = line.ptr ? curl_slist_append(a->headers, line.ptr) : NULL;
    if (longer)
        a->headers = longer;
    return longer != NULL;
}

static enum od_status name_target(struct attempt *a)
{
    const struct od_s3_client *c = a->client;
    const struct od_s3_ask *ask = a->ask;
    struct od_buf path;
    od_buf_init(&path, 8192);
    od_buf_char(&path, '/');
    if (!c->endpoint.virtual_host) {
        od_percent_encode(&path, ask->bucket, "");
        if (ask->key.ptr)
            od_buf_char(&path, '/');
    }
    if (ask->key.ptr)
        od_percent_encode(&path, ask->key, "/");
    a->path =
        od_buf_status(&path) == OD_OK ? od_arena_str(a->arena, od_buf_view(&path)) : OD_STR_NONE;
    od_buf_done(&path);
    a->host =
        c->endpoint.virtual_host
            ? od_arena_printf(a->arena, "%.*s.%.*s", OD_STR_ARG(ask->bucket), OD_STR_ARG(c->host))
            : c->host;
    return a->path.ptr && a->host.ptr ? OD_OK : OD_NO_MEMORY;
}

static enum od_status sign(struct attempt *a, const char *sha256, struct od_error *err)
{
    const struct od_s3_client *c = a->client;
    char date[OD_TIME_TEXT];
    struct od_buf authorization;
    od_time_format_basic(c->io->now_ms(c->io) / 1000, date);
    const struct od_http_header headers[] = {
        {OD_STR("host"), a->host},
        {OD_STR("x-amz-content-sha256"), od_str_c(sha256)},
        {OD_STR("x-amz-date"), od_str_c(date)},
        {OD_STR(ENCRYPTION), OD_STR("aws:kms")},
        {OD_STR(ENCRYPTION_KEY), a->ask->kms_key},
    };
    size_t header_count = sizeof headers / sizeof *headers - (a->ask->kms_key.ptr ? 0 : 2);
    struct od_http_request request = {.method = od_str_c(a->ask->method),
                                      .path = a->path,
                                      .query = od_str_c(a->ask->query),
                                      .headers = headers,
                                      .header_count = header_count};
    struct od_sigv4_signer signer = {c->endpoint.key_id, c->endpoint.secret, c->endpoint.region,
                                     OD_STR("s3")};
    od_buf_init(&authorization, 8192);
    enum od_status s = od_sigv4_sign_s3(&signer, &request, &authorization, err);
    bool added = s == OD_OK;
    for (size_t i = 0; added && i < header_count; i++)
        added = add_header(a, headers[i].name.ptr, headers[i].value);
    added = added && add_header(a, "Authorization", od_buf_view(&authorization)) &&
            add_header(a, "Content-Type", OD_STR("")) && add_header(a, "Expect", OD_STR(""));
    if (added && a->ask->if_match.len)
        added = add_header(a, "If-Match", a->ask->if_match);
    if (added && a->ask->len)
        added = add_header(a, "Range",
                           od_arena_printf(a->arena, "bytes=%llu-%llu",
                                           (unsigned long long)(a->ask->from + a->answer->got),
                                           (unsigned long long)(a->ask->from + a->ask->len - 1)));
    od_buf_done(&authorization);
    return s == OD_OK && !added ? od_fail(err, OD_NO_MEMORY, NULL) : s;
}

static void set_method(struct attempt *a)
{
    const char *method = a->ask->method;
    if (strcmp(method, "HEAD") == 0) {
        curl_easy_setopt(a->curl, CURLOPT_NOBODY, 1L);
    } else if (a->ask->body) {
        curl_easy_setopt(a->curl, CURLOPT_UPLOAD, 1L);
        curl_easy_setopt(a->curl, CURLOPT_INFILESIZE_LARGE, (curl_off_t)a->ask->body->len);
        curl_easy_setopt(a->curl, CURLOPT_READFUNCTION, on_read);
        curl_easy_setopt(a->curl, CURLOPT_READDATA, a);
        curl_easy_setopt(a->curl, CURLOPT_SEEKFUNCTION, on_seek);
        curl_easy_setopt(a->curl, CURLOPT_SEEKDATA, a);
        curl_easy_setopt(a->curl, CURLOPT_CUSTOMREQUEST, method);
    } else {
        curl_easy_setopt(a->curl, CURLOPT_CUSTOMREQUEST, method);
    }
}

static CURLcode perform(struct attempt *a, struct od_str url)
{
    CURL *curl = a->curl;
    curl_easy_setopt(curl, CURLOPT_URL, url.ptr);
    curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, SLOW_S);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, a->headers);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, a);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, a);
    curl_easy_setopt(curl, CURLOPT_FILETIME, 1L);
    if (a->client->endpoint.stop) {
        curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
        curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
        curl_easy_setopt(curl, CURLOPT_XFERINFODATA, a->client);
    }
    if (a->client->endpoint.ca.len)
        curl_easy_setopt(curl, CURLOPT_CAINFO, a->client->endpoint.ca.ptr);
    curl_easy_setopt(curl, CURLOPT_PROXY, ""); /* an endpoint is named, not found by environment */
    set_method(a);
    return curl_easy_perform(curl);
}

/* The object of an ask in messages. */
#define TARGET(ask) OD_STR_ARG((ask)->bucket), (ask)->key.ptr ? "/" : "", OD_STR_ARG((ask)->key)

/* What an answer that is no success says, as S3's XML where it is. */
static enum od_status refuse(struct attempt *a, struct od_error *err)
{
    struct od_xml *error = NULL;
    int status = a->answer->status;
    struct od_str code = OD_STR_NONE, message = OD_STR_NONE;
    if (a->error.len && od_xml_parse(a->arena, od_buf_view(&a->error), &error, NULL) == OD_OK) {
        code = od_xml_text(error, "Code");
        message = od_xml_text(error, "Message");
    }
    return od_fail(err,
                   status == 403 || status == 404 ? OD_NOT_FOUND
                   : status == 412                ? OD_IN_USE
                                                  : OD_IO,
                   "s3://%.*s%s%.*s: the S3 endpoint answered %d %.*s%s%.*s", TARGET(a->ask),
                   status, OD_STR_ARG(od_str_sub(code, 0, 100)), message.len ? ": " : "",
                   OD_STR_ARG(od_str_sub(message, 0, 300)));
}

/* *out_again: another try may do better. */
static enum od_status try_once(struct attempt *a, const char *sha256, bool *out_again,
                               struct od_error *err)
{
    long status = 0;
    *out_again = false;
    a->sent = 0;
    a->answer->content_length = 0;
    enum od_status s = sign(a, sha256, err);
    struct od_str url = od_arena_printf(a->arena, "%.*s%.*s%.*s%s%s", OD_STR_ARG(a->client->scheme),
                                        OD_STR_ARG(a->host), OD_STR_ARG(a->path),
                                        *a->ask->query ? "?" : "", a->ask->query);
    if (s != OD_OK || !url.ptr)
        return s != OD_OK ? s : od_fail(err, OD_NO_MEMORY, NULL);
    CURLcode code = perform(a, url);
    curl_easy_getinfo(a->curl, CURLINFO_RESPONSE_CODE, &status);
    curl_off_t modified = -1;
    curl_easy_getinfo(a->curl, CURLINFO_FILETIME_T, &modified);
    a->answer->status = (int)status;
    a->answer->modified_ms = modified > 0 ? (int64_t)modified * 1000 : 0;
    bool success = status >= 200 && status <= 299;
    if (code == CURLE_OK && success) {
        if (!a->answer->to || a->answer->got == a->ask->len)
            return OD_OK;
        *out_again = true;
        return od_fail(err, OD_IO, "s3://%.*s%s%.*s: the S3 endpoint sent %zu bytes of %llu",
                       TARGET(a->ask), a->answer->got, (unsigned long long)a->ask->len);
    }
    if (code == CURLE_OK) {
        *out_again = status == 429 || status >= 500;
        return refuse(a, err);
    }
    *out_again = code != CURLE_ABORTED_BY_CALLBACK && code != CURLE_URL_MALFORMAT &&
                 code != CURLE_PEER_FAILED_VERIFICATION && code != CURLE_SSL_CACERT_BADFILE;
    return od_fail(err, OD_IO, "s3://%.*s%s%.*s: the S3 endpoint cannot be reached: %s",
                   TARGET(a->ask), curl_easy_strerror(code));
}

/* ---- tries ---- */

static void pause_before(struct od_s3_client *c, unsigned tries)
{
    uint16_t random = 0;
    uint64_t ms = (uint64_t)OD_S3_FIRST_PAUSE_MS << (tries - 1);
    if (c->io->random(c->io, &random, sizeof random) == OD_OK)
        ms = ms / 2 + ms * random / 65536; /* half to one and a half */
    struct timespec nap = {(time_t)(ms / 1000), (long)(ms % 1000) * 1000000L};
    nanosleep(&nap, NULL);
}

/* The SHA-256 of a body in hex. */
static enum od_status hash_body(const struct od_s3_upload_body *body, char out[65],
                                struct od_error *err)
{
    if (!body || !body->len) {
        snprintf(out, 65, "%s", EMPTY_SHA256);
        return OD_OK;
    }
    if (!body->io) {
        od_sha256_hex(body->text, out);
        return OD_OK;
    }
    struct od_checksum sum;
    unsigned char bytes[OD_CHECKSUM_MAX_BYTES];
    char *block = malloc(HASH_BLOCK);
    enum od_status s = od_checksum_init(&sum, OD_CHECKSUM_SHA256, NULL);
    if (s != OD_OK || !block)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t at = 0; s == OD_OK && at < body->len;) {
        size_t want = body->len - at < HASH_BLOCK ? (size_t)(body->len - at) : HASH_BLOCK, got = 0;
        s = body->io->read_at(body->io, body->fd, block, want, body->at + at, &got, err);
        if (s == OD_OK && got < want)
            s = od_fail(err, OD_IO, "A file became shorter while it was sent.");
        od_checksum_add(&sum, block, got);
        at += got;
    }
    od_checksum_end(&sum, bytes);
    od_hex(bytes, 32, out);
    free(block);
    return s;
}

static enum od_status try_often(struct attempt *a, const char *sha256, struct od_error *err)
{
    enum od_status s;
    bool again;
    unsigned tries = 0;
    size_t got;
    do {
        if (tries)
            pause_before(a->client, tries);
        got = a->answer->got;
        a->curl = take_handle(a->client);
        if (!a->curl)
            return od_fail(err, OD_NO_MEMORY, NULL);
        od_buf_clear(&a->error);
        if (a->answer->body)
            od_buf_clear(a->answer->body);
        s = try_once(a, sha256, &again, err);
        give_handle(a->client, a->curl);
        curl_slist_free_all(a->headers);
        a->headers = NULL;
        /* A range that went on is no failure to count. */
        tries = a->answer->got > got ? 1 : tries + 1;
    } while (s != OD_OK && again && tries < a->client->endpoint.tries && !is_stopped(a->client));
    return s;
}

enum od_status od_s3_ask(struct od_s3_client *client, const struct od_s3_ask *ask,
                         struct od_s3_answer *answer, struct od_error *err)
{
    struct od_arena arena;
    char sha256[65];
    struct attempt a = {.client = client, .ask = ask, .answer = answer, .arena = &arena};
    od_arena_init(&arena, 4u << 20);
    od_buf_init(&a.error, MAX_ERROR_BYTES);
    answer->got = 0;
    enum od_status s = hash_body(ask->body, sha256, err);
    if (s == OD_OK && name_target(&a) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = try_often(&a, sha256, err);
    od_buf_done(&a.error);
    od_arena_done(&arena);
    return s;
}
