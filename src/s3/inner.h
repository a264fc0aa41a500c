/* What the files of the S3 subset share; nobody outside of the room includes this. Overview: s3.h.
 */
#ifndef OD_S3_INNER_H
#define OD_S3_INNER_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/json.h"
#include "base/limits.h"
#include "s3/checksum.h"
#include "s3/chunked.h"
#include "s3/form.h"
#include "s3/s3.h"
#include "s3/xml.h"

enum od_s3_code {
#define X(name, code, status, text) OD_S3_##name,
#include "s3/codes.def"
#undef X
    OD_S3_CODES
};

struct od_s3_call;

struct od_s3 {
    struct od_s3_config config;
    const struct od_io *io;
    struct od_crc_tables *tables;
    /* Held while what is visible in the tree changes: a name made, replaced or removed together
     * with what is known of it. A leaf; syncing a folder happens under it. */
    pthread_mutex_t tree_lock;
    pthread_mutex_t lock; /* guards the list of calls */
    pthread_cond_t changed;
    struct od_s3_call *head, **tail;
    bool quit;
    pthread_t threads[OD_S3_THREADS];
    unsigned thread_count;
};

/* ---- bodies on their way (intake.c) ---- */

enum od_s3_target { OD_S3_NOWHERE, OD_S3_TO_MEMORY, OD_S3_TO_FILE };

struct od_s3_intake {
    struct od_http_sink sink; /* first */
    struct od_s3_call *call;
    enum od_s3_target target;
    bool in_chunks;
    struct od_chunked decoder;
    uint64_t bytes, max_bytes; /* of the object, decoded */
    uint64_t announced;        /* UINT64_MAX: not said */
    struct od_buf memory;
    int fd;                  /* -1: none */
    struct od_str temporary; /* absent: none, or given away */
    struct od_checksum md5, sha256, sum;
    struct od_str want_sha256; /* hex; absent: not signed */
    struct od_str want_md5;    /* base64; absent: none */
    struct od_str want_sum;    /* base64; absent: none, or it comes in the trailer */
    bool sum_in_trailer;
    struct od_buf trailer; /* lines "name:value\n", for their signature */
    char md5_hex[33];      /* after od_s3_intake_end */
    unsigned char md5_bytes[OD_CHECKSUM_MAX_BYTES];
    char sum_text[OD_CHECKSUM_TEXT]; /* "" when none was computed */
};

void od_s3_intake_init(struct od_s3_call *call); /* gives the exchange its sink */
/* Reads the headers that say how the body comes and what it must add up to, and opens where it
 * goes. */
enum od_status od_s3_intake_begin(struct od_s3_call *call, enum od_s3_target target,
                                  uint64_t max_bytes) OD_MUST_USE;
/* The whole body has come: is it whole, and what it was said to be? A file is synced. */
enum od_status od_s3_intake_end(struct od_s3_call *call) OD_MUST_USE;
/* A new name below .ondol/tmp. */
struct od_str od_s3_temporary(struct od_s3 *s3, struct od_arena *arena);

/* ---- a call ---- */

struct od_s3_operation {
    const char *name; /* as in AWS's documentation */
    const char *method;
    bool on_key;        /* of an object; else of a bucket, or of none for ListBuckets */
    const char *marker; /* the query parameter that tells it; "" for none */
    const char *header; /* a request header that tells it; NULL: none */
    enum od_s3_target target;
    uint64_t max_bytes;
    enum od_status (*run)(struct od_s3_call *call);
};

struct od_s3_call {
    struct od_s3_call *next; /* in the list */
    struct od_s3 *s3;
    const struct od_io *io;
    struct od_http_exchange *exchange;
    const struct od_http_request *request;
    struct od_http_response *response;
    struct od_arena *arena;
    const struct od_s3_operation *op; /* NULL until found */
    struct od_str bucket, key;        /* decoded; absent: not given */
    struct od_form query;
    bool is_signed;
    struct od_sigv4_chain chain; /* wiped with the call */
    struct od_s3_intake intake;
    bool failed;
    enum od_s3_code code;
    char message[512];
    struct od_http_header *headers; /* of the response; grows in the arena */
    size_t header_count, header_room;
};

#define OD_S3_FOLDER_KEY "A key that ends in '/' stands for a folder here and can hold no bytes."

/* Notes the error of the answer; returns a status that is not OD_OK. fmt NULL: the code's text. */
OD_PRINTF(3, 4)
enum od_status od_s3_fail(struct od_s3_call *call, enum od_s3_code code, const char *fmt, ...);
const char *od_s3_code_text(enum od_s3_code code); /* "NoSuchKey" */
/* A failure of ours: told to standard error, and to the client as InternalError. */
enum od_status od_s3_internal(struct od_s3_call *call, const struct od_error *err);
enum od_status od_s3_no_memory(struct od_s3_call *call);
/* The error as the response. */
void od_s3_write_error(struct od_s3_call *call);
/* A header of the response; value is copied. False: out of memory. */
void od_s3_header(struct od_s3_call *call, const char *name, struct od_str value);
void od_s3_answer_headers(struct od_s3_call *call); /* the last thing before an answer leaves */
/* The response's body, begun as an XML document. */
struct od_buf *od_s3_xml(struct od_s3_call *call, const char *root);
void od_s3_xml_end(struct od_s3_call *call, const char *root);
struct od_str od_s3_request_header(const struct od_s3_call *call, const char *name);
struct od_str od_s3_param(const struct od_s3_call *call, const char *name);
/* The body as an XML document whose root has this name. */
enum od_status od_s3_read_xml(struct od_s3_call *call, const char *root,
                              const struct od_xml **out) OD_MUST_USE;

enum od_status od_s3_split(struct od_s3_call *call) OD_MUST_USE; /* sets bucket, key, query */
enum od_status od_s3_authenticate(struct od_s3_call *call) OD_MUST_USE;
enum od_status od_s3_find_operation(struct od_s3_call *call) OD_MUST_USE; /* sets op */
/* The rules of names (key.c). */
enum od_status od_s3_check_bucket(struct od_s3_call *call, struct od_str bucket) OD_MUST_USE;
enum od_status od_s3_check_key(struct od_s3_call *call, struct od_str key) OD_MUST_USE;
/* Headers that ask for what is not done here are refused, not ignored. */
enum od_status od_s3_check_headers(struct od_s3_call *call) OD_MUST_USE;

/* ---- what is known of an object besides its bytes (meta.c) ---- */

struct od_s3_meta {
    uint64_t bytes; /* these three say which file it is about */
    int64_t modified_ns;
    uint64_t inode;
    struct od_str etag;             /* without quotes */
    struct od_http_header *headers; /* given with the object: Content-Type, x-amz-meta-... */
    size_t header_count;
    enum od_checksum_kind sum_kind;
    struct od_str sum; /* base64, "-N" behind it when composite; "" for none */
    bool sum_of_parts; /* COMPOSITE */
};
/* The headers of the request that are kept with an object. */
enum od_status od_s3_meta_of_request(struct od_s3_call *call, struct od_s3_meta *out) OD_MUST_USE;
void od_s3_meta_write(const struct od_s3_meta *meta, struct od_buf *out); /* JSON */
enum od_status od_s3_meta_read(struct od_s3_call *call, const struct od_json *json,
                               struct od_s3_meta *out) OD_MUST_USE;
/* What is stored about the file at key that is as stat says; a file that somebody put there by hand
 * gets an ETag of its size, time and inode, with "-0" behind it. */
enum od_status od_s3_meta_find(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                               const struct od_io_stat *stat, struct od_s3_meta *out) OD_MUST_USE;
/* Stores meta beside what describes the file that is there now (now: NULL when none), so that
 * whichever of the two a crash leaves at key is known. */
enum od_status od_s3_meta_put(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                              const struct od_s3_meta *meta,
                              const struct od_io_stat *now) OD_MUST_USE;
void od_s3_meta_forget(struct od_s3_call *call, struct od_str bucket, struct od_str key);

/* ---- objects as files (tree.c) ---- */

struct od_s3_object {
    struct od_str path;
    struct od_s3_meta meta;
    bool is_marker; /* a folder that was put as the object "name/" */
};
/* NO_SUCH_BUCKET. */
enum od_status od_s3_need_bucket(struct od_s3_call *call, struct od_str bucket) OD_MUST_USE;
/* NO_SUCH_KEY. */
enum od_status od_s3_find(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object *out) OD_MUST_USE;
/* NULL in *out when there is none. */
enum od_status od_s3_look(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object **out) OD_MUST_USE;
/* Makes the synced file at temporary the object call->bucket/call->key, atomically, if the
 * request's If-Match and If-None-Match allow. meta's identity is filled in. temporary "" puts a
 * marker. */
enum od_status od_s3_put(struct od_s3_call *call, struct od_str temporary,
                         struct od_s3_meta *meta) OD_MUST_USE;
/* Absent is success. */
enum od_status od_s3_delete(struct od_s3_call *call, struct od_str bucket,
                            struct od_str key) OD_MUST_USE;
/* Are all the folders above the key folders, and no links? *out_blocker: the first thing in the
 * way, absent when none; *out_missing: a folder that is not there. */
enum od_status od_s3_walk_parents(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                                  struct od_str *out_blocker, bool *out_missing) OD_MUST_USE;
/* Parts of <root>/.ondol: "tmp", "meta/<bucket>", "uploads", "buckets". */
struct od_str od_s3_hidden(const struct od_s3 *s3, struct od_arena *arena, const char *part,
                           struct od_str name);
/* The names in a folder survive a crash after this. */
enum od_status od_s3_sync(struct od_s3_call *call, struct od_str folder) OD_MUST_USE;
struct od_str od_s3_path(const struct od_s3 *s3, struct od_arena *arena, struct od_str bucket,
                         struct od_str key);

/* ---- reading objects (op_object.c) ---- */

/* Opens the object that was found at key and looks again: object then describes the very file that
 * is open, also when the key is put anew at this moment. */
enum od_status od_s3_open(struct od_s3_call *call, struct od_str bucket, struct od_str key,
                          struct od_s3_object *object, int *out_fd) OD_MUST_USE;

enum od_s3_range { OD_S3_WHOLE, OD_S3_PART, OD_S3_OUTSIDE };
/* "bytes=a-b", "a-", "-n" against a size; anything else is the whole, as RFC 9110 wants. */
enum od_s3_range od_s3_parse_range(struct od_str text, uint64_t size, uint64_t *out_from,
                                   uint64_t *out_len);
/* The If- headers of a read, with this prefix ("" or "x-amz-copy-source-"). */
enum od_status od_s3_check_read(struct od_s3_call *call, const struct od_s3_meta *meta,
                                const char *prefix, bool *out_not_modified) OD_MUST_USE;
bool od_s3_etag_matches(struct od_str list, struct od_str etag); /* "*", or tags with commas */
void od_s3_etag_header(struct od_s3_call *call, struct od_str etag);
void od_s3_sum_header(struct od_s3_call *call, const struct od_s3_meta *meta);
void od_s3_put_time(struct od_buf *out, const char *element, int64_t ns);

/* Copies len bytes of a file from a place to the end of another, through the checksums given. */
enum od_status od_s3_copy_bytes(struct od_s3_call *call, int from, uint64_t at, uint64_t len,
                                int to, uint64_t to_at, struct od_checksum *md5,
                                struct od_checksum *sum) OD_MUST_USE;

/* ---- operations ---- */
enum od_status od_s3_list_buckets(struct od_s3_call *call);
enum od_status od_s3_create_bucket(struct od_s3_call *call);
enum od_status od_s3_head_bucket(struct od_s3_call *call);
enum od_status od_s3_delete_bucket(struct od_s3_call *call);
enum od_status od_s3_get_location(struct od_s3_call *call);
enum od_status od_s3_get_versioning(struct od_s3_call *call);
enum od_status od_s3_get_policy(struct od_s3_call *call);
enum od_status od_s3_put_policy(struct od_s3_call *call);
enum od_status od_s3_delete_policy(struct od_s3_call *call);
enum od_status od_s3_list_objects(struct od_s3_call *call);
enum od_status od_s3_list_objects_v2(struct od_s3_call *call);
enum od_status od_s3_get_object(struct od_s3_call *call);
enum od_status od_s3_head_object(struct od_s3_call *call);
enum od_status od_s3_put_object(struct od_s3_call *call);
enum od_status od_s3_copy_object(struct od_s3_call *call);
enum od_status od_s3_delete_object(struct od_s3_call *call);
enum od_status od_s3_delete_objects(struct od_s3_call *call);
enum od_status od_s3_create_upload(struct od_s3_call *call);
enum od_status od_s3_upload_part(struct od_s3_call *call);
enum od_status od_s3_upload_part_copy(struct od_s3_call *call);
enum od_status od_s3_complete_upload(struct od_s3_call *call);
enum od_status od_s3_abort_upload(struct od_s3_call *call);
enum od_status od_s3_list_parts(struct od_s3_call *call);
enum od_status od_s3_list_uploads(struct od_s3_call *call);

#endif
