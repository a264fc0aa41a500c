/* Writing objects to an endpoint: files are staged here and uploaded when they are renamed.
 *
 * Up to OD_S3_PART_BYTES a file is one PUT. A larger one is a multipart upload, completed when all
 * parts are there and aborted when one fails for good; the object appears with the completion,
 * whole or not at all. A completion whose answer was lost is asked about: when the upload is gone
 * and the object has its size, it was done. What a killed worker leaves is an upload that nobody
 * completes; endpoints have a rule to remove those (docs/objects.md). */
#include <stdlib.h>
#include <string.h>

#include "s3/remote_inner.h"

#define MAX_ANSWER (1u << 20)

/* ---- staging ---- */

enum od_status od_remote_stage(struct od_remote *remote, const char *path, int *out_fd,
                               struct od_error *err)
{
    unsigned char random[16];
    char local[4096];
    (void)od_remote_unstage(remote, path);
    if (remote->base->random(remote->base, random, sizeof random) != OD_OK)
        return od_fail(err, OD_IO, "There is no randomness for a file's name.");
    int n = snprintf(local, sizeof local, "%s/", remote->staging);
    for (size_t i = 0; i < sizeof random && n < (int)sizeof local - 3; i++)
        n += snprintf(local + n, sizeof local - (size_t)n, "%02x", random[i]);
    struct staged *staged = calloc(1, sizeof *staged);
    char *path_copy = strdup(path), *local_copy = strdup(local);
    enum od_status s = staged && path_copy && local_copy
                           ? remote->base->open(remote->base, local, OD_OPEN_EXCLUSIVE, out_fd, err)
                           : od_fail(err, OD_NO_MEMORY, NULL);
    if (s != OD_OK) {
        free(staged);
        free(path_copy);
        free(local_copy);
        return s;
    }
    staged->path = path_copy;
    staged->local = local_copy;
    pthread_mutex_lock(&remote->lock);
    staged->next = remote->staged;
    remote->staged = staged;
    pthread_mutex_unlock(&remote->lock);
    return OD_OK;
}

/* Takes it off the list; the caller frees. NULL: none. */
static struct staged *take_staged(struct od_remote *remote, const char *path)
{
    struct staged *found = NULL;
    pthread_mutex_lock(&remote->lock);
    for (struct staged **at = &remote->staged; *at && !found; at = found ? at : &(*at)->next)
        if (strcmp((*at)->path, path) == 0) {
            found = *at;
            *at = found->next;
            break;
        }
    pthread_mutex_unlock(&remote->lock);
    return found;
}

static void end_staged(struct od_remote *remote, struct staged *staged)
{
    (void)remote->base->remove(remote->base, staged->local, NULL);
    free(staged->path);
    free(staged->local);
    free(staged);
}

bool od_remote_unstage(struct od_remote *remote, const char *path)
{
    struct staged *staged = take_staged(remote, path);
    if (staged)
        end_staged(remote, staged);
    return staged != NULL;
}

/* ---- sending ---- */

struct sending {
    struct od_remote *remote;
    struct od_str bucket, key;
    int fd;
    uint64_t bytes;
    struct od_str id; /* of the multipart upload */
    struct od_arena arena;
    struct od_buf parts; /* the document that completes it */
    struct od_error *err;
};

static struct od_str key_of(const struct od_remote *remote)
{
    return remote->kms_key ? od_str_c(remote->kms_key) : OD_STR_NONE;
}

static enum od_status put_whole(struct sending *s)
{
    struct od_s3_upload_body body = {.io = s->remote->base, .fd = s->fd, .len = s->bytes};
    struct od_s3_ask ask = {.method = "PUT",
                            .bucket = s->bucket,
                            .key = s->key,
                            .query = "",
                            .body = &body,
                            .kms_key = key_of(s->remote)};
    struct od_s3_answer answer = {0};
    return od_s3_ask(s->remote->client, &ask, &answer, s->err);
}

/* A request of the upload itself whose answer is XML; *out is its root. */
static enum od_status ask_xml(struct sending *s, const struct od_s3_ask *ask, struct od_xml **out)
{
    struct od_buf text;
    struct od_s3_answer answer = {.body = &text};
    od_buf_init(&text, MAX_ANSWER);
    enum od_status status = od_s3_ask(s->remote->client, ask, &answer, s->err);
    /* The tree borrows from it. */
    struct od_str kept = od_arena_str(&s->arena, text.ptr ? od_buf_view(&text) : OD_STR(""));
    if (status == OD_OK && (!kept.ptr || od_xml_parse(&s->arena, kept, out, s->err) != OD_OK))
        status = od_fail(s->err, OD_IO, "The S3 endpoint's answer cannot be read.");
    od_buf_done(&text);
    return status;
}

static enum od_status begin_upload(struct sending *s)
{
    struct od_xml *answer;
    struct od_s3_upload_body body = {.text = OD_STR("")};
    struct od_s3_ask ask = {.method = "POST",
                            .bucket = s->bucket,
                            .key = s->key,
                            .query = "uploads=",
                            .body = &body,
                            .kms_key = key_of(s->remote)};
    enum od_status status = ask_xml(s, &ask, &answer);
    if (status != OD_OK)
        return status;
    s->id = od_xml_text(answer, "UploadId");
    return s->id.len ? OD_OK
                     : od_fail(s->err, OD_IO, "The S3 endpoint began an upload without an id.");
}

/* The query of the upload, with a part's number when it is not 0; in the arena. */
static const char *upload_query(struct sending *s, unsigned number)
{
    struct od_buf query;
    od_buf_init(&query, 8192);
    if (number)
        od_buf_printf(&query, "partNumber=%u&", number);
    od_buf_puts(&query, "uploadId=");
    od_percent_encode(&query, s->id, "");
    struct od_str kept =
        od_buf_status(&query) == OD_OK ? od_arena_str(&s->arena, od_buf_view(&query)) : OD_STR_NONE;
    od_buf_done(&query);
    return kept.ptr;
}

static enum od_status send_part(struct sending *s, unsigned number, uint64_t at, uint64_t len)
{
    struct od_s3_upload_body body = {.io = s->remote->base, .fd = s->fd, .at = at, .len = len};
    struct od_s3_ask ask = {.method = "PUT",
                            .bucket = s->bucket,
                            .key = s->key,
                            .query = upload_query(s, number),
                            .body = &body};
    struct od_s3_answer answer = {0};
    if (!ask.query)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status = od_s3_ask(s->remote->client, &ask, &answer, s->err);
    if (status == OD_OK && !answer.etag[0])
        status = od_fail(s->err, OD_IO, "The S3 endpoint took a part without an ETag.");
    od_buf_printf(&s->parts, "<Part><PartNumber>%u</PartNumber><ETag>", number);
    od_xml_escape(&s->parts, od_str_c(answer.etag));
    od_buf_puts(&s->parts, "</ETag></Part>");
    return status;
}

static bool is_done(struct sending *s)
{
    struct od_s3_ask ask = {.method = "HEAD", .bucket = s->bucket, .key = s->key, .query = ""};
    struct od_s3_answer answer = {0};
    return od_s3_ask(s->remote->client, &ask, &answer, NULL) == OD_OK &&
           answer.content_length == s->bytes;
}

/* S3 may answer 200 and an error behind it. */
static enum od_status complete_upload(struct sending *s)
{
    struct od_xml *answer;
    od_buf_puts(&s->parts, "</CompleteMultipartUpload>");
    struct od_s3_upload_body body = {.text = od_buf_view(&s->parts), .len = s->parts.len};
    struct od_s3_ask ask = {.method = "POST",
                            .bucket = s->bucket,
                            .key = s->key,
                            .query = upload_query(s, 0),
                            .body = &body};
    if (od_buf_status(&s->parts) != OD_OK || !ask.query)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status = ask_xml(s, &ask, &answer);
    if (status == OD_NOT_FOUND && is_done(s))
        return OD_OK;
    if (status == OD_OK && od_str_eq_c(answer->name, "Error"))
        status = od_fail(
            s->err, OD_IO, "s3://%.*s/%.*s: the S3 endpoint could not complete it: %.*s",
            OD_STR_ARG(s->bucket), OD_STR_ARG(s->key), OD_STR_ARG(od_xml_text(answer, "Code")));
    return status;
}

static void abort_upload(struct sending *s)
{
    struct od_s3_ask ask = {
        .method = "DELETE", .bucket = s->bucket, .key = s->key, .query = upload_query(s, 0)};
    struct od_s3_answer answer = {0};
    if (ask.query && od_s3_ask(s->remote->client, &ask, &answer, NULL) != OD_OK)
        return; /* the endpoint is gone; its own rule removes the parts */
}

static enum od_status put_parts(struct sending *s)
{
    uint64_t part = OD_S3_PART_BYTES;
    while (s->bytes / part >= OD_MAX_PARTS)
        part *= 2;
    enum od_status status = begin_upload(s);
    if (status != OD_OK)
        return status;
    od_buf_puts(&s->parts,
                "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">");
    unsigned number = 1;
    for (uint64_t at = 0; status == OD_OK && at < s->bytes; at += part)
        status = send_part(s, number++, at, s->bytes - at < part ? s->bytes - at : part);
    if (status == OD_OK)
        status = complete_upload(s);
    if (status != OD_OK)
        abort_upload(s);
    return status;
}

static enum od_status send_file(struct od_remote *remote, const char *local, const char *to,
                                struct od_error *err)
{
    const struct od_io *base = remote->base;
    struct sending s = {.remote = remote, .err = err};
    od_remote_split(to, &s.bucket, &s.key);
    if (!s.key.ptr)
        return od_fail(err, OD_INTERNAL, "%s names no object.", to);
    enum od_status status = base->open(base, local, OD_OPEN_READ, &s.fd, err);
    if (status != OD_OK)
        return status;
    od_arena_init(&s.arena, 8u << 20);
    od_buf_init(&s.parts, OD_MAX_S3_DOCUMENT);
    status = base->size(base, s.fd, &s.bytes, err);
    if (status == OD_OK)
        status = s.bytes <= OD_S3_PART_BYTES ? put_whole(&s) : put_parts(&s);
    od_buf_done(&s.parts);
    od_arena_done(&s.arena);
    base->close(base, s.fd);
    return status;
}

enum od_status od_remote_rename(const struct od_io *io, const char *from, const char *to,
                                struct od_error *err)
{
    struct od_remote *remote = io->state;
    const struct od_io *base = remote->base;
    bool from_s3 = od_remote_path(from), to_s3 = od_remote_path(to);
    if (!from_s3 && !to_s3)
        return base->rename(base, from, to, err);
    struct staged *staged = from_s3 ? take_staged(remote, from) : NULL;
    if (from_s3 && !staged)
        return od_fail(err, OD_INTERNAL, "Only what was just written can be renamed: %s", from);
    const char *local = staged ? staged->local : from;
    enum od_status s =
        to_s3 ? send_file(remote, local, to, err) : base->rename(base, local, to, err);
    if (staged)
        end_staged(remote, staged);
    else if (s == OD_OK)
        (void)base->remove(base, from, NULL);
    return s;
}
