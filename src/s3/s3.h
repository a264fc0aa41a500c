/* The S3 subset: buckets and objects over HTTP, stored as plain files.
 *
 * s3://bucket/key is <root>/bucket/key, the same file that an import reads. Beside the buckets,
 * <root>/.ondol holds what is no object: bodies on their way, multipart uploads, what is known of
 * an object besides its bytes. The layout is in docs/formats/objects.md.
 *
 * A body goes to a temporary file piece by piece on the HTTP thread; everything else runs on a few
 * threads of this room, so that a slow disk delays no recommendation. */
#ifndef OD_S3_S3_H
#define OD_S3_S3_H

#include "os/io.h"
#include "wire/http.h"
#include "wire/sigv4.h"

struct od_s3;

struct od_s3_config {
    const struct od_io *io;
    const char *root;          /* the objects folder; must exist */
    struct od_sigv4 *verifier; /* borrowed */
    od_sigv4_lookup lookup;    /* for presigned URLs of the older kind */
    void *lookup_context;
    bool no_auth;        /* unsigned requests are served */
    bool encrypted_disk; /* objects may be asked to be encrypted: the operator says they are */
    const char *region;  /* of the server, for buckets made without one */
    const char *account;
};
/* Opens the folder; what a crash left half done in <root>/.ondol is removed. */
enum od_status od_s3_new(const struct od_s3_config *config, struct od_s3 **out,
                         struct od_error *err) OD_MUST_USE;
/* After the door has stopped. NULL is allowed. */
void od_s3_free(struct od_s3 *s3);

/* Is the request one of S3's: signed for it, or unsigned and of its form? known: it is one of the
 * operations or pages this server has besides. */
bool od_s3_claims(const struct od_http_request *request, bool known);
/* For the door's begin and handle, of a request that od_s3_claims. */
enum od_http_intake od_s3_begin(struct od_s3 *s3, struct od_http_exchange *exchange);
bool od_s3_handle(struct od_s3 *s3, struct od_http_exchange *exchange);

#endif
