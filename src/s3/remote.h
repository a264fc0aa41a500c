/* The objects of a real S3 endpoint as files: a struct od_io that also knows paths s3://bucket/key,
 * and hands every other path to the one it was made on.
 *
 *   reading   open asks for size and ETag; read_at gets exactly that range, tried again and gone on
 *             with where it broke off; an object that changes meanwhile is an error, not a mixture.
 *             Nothing is downloaded as a whole: memory and disk stay as they are. map reads it all.
 *   writing   a file opened for writing is a local one in the staging folder; rename to its final
 *             s3:// name uploads it, in parts when it is large, and is atomic as S3 is: the object
 *             appears whole or not at all. So od_io_write_file and every "temporary, sync, rename"
 *             work unchanged. Removing what was never renamed removes the local file.
 *   folders   make_folder does nothing; list gives the entries right below a prefix.
 *
 * Thread-safe. OD_OPEN_APPEND, and renaming an object that is there already, are OD_INTERNAL:
 * nobody here needs them. */
#ifndef OD_S3_REMOTE_H
#define OD_S3_REMOTE_H

#include "s3/client.h"

struct od_remote;
/* staging: a local folder, made when missing. Call before there are other threads. */
enum od_status od_remote_new(const struct od_io *base, const struct od_s3_endpoint *endpoint,
                             const char *staging, struct od_remote **out,
                             struct od_error *err) OD_MUST_USE;
/* Objects written from now on are encrypted with a key of the endpoint's Key Management Service.
 * Call before there are other threads. */
enum od_status od_remote_encrypt(struct od_remote *remote, struct od_str kms_key,
                                 struct od_error *err) OD_MUST_USE;
void od_remote_free(struct od_remote *remote);
/* Lives as long as the remote. */
const struct od_io *od_remote_io(const struct od_remote *remote);

#endif
