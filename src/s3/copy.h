/* Copying from one object to a temporary file: CopyObject and UploadPartCopy. */
#ifndef OD_S3_COPY_H
#define OD_S3_COPY_H

#include "s3/inner.h"

struct od_s3_copy {
    struct od_str bucket, key; /* of the source */
    struct od_s3_object source;
    int from, to; /* -1: not open; a marker has no bytes to open */
};
/* Finds the source that x-amz-copy-source names, checks the request's conditions on it, and opens a
 * temporary, which is the call's intake.temporary. */
enum od_status od_s3_copy_open(struct od_s3_call *call, struct od_s3_copy *copy) OD_MUST_USE;
void od_s3_copy_close(struct od_s3_call *call, struct od_s3_copy *copy);
/* Copies len bytes from at, syncs; meta gets ETag and checksum. */
enum od_status od_s3_copy_range(struct od_s3_call *call, struct od_s3_copy *copy, uint64_t at,
                                uint64_t len, enum od_checksum_kind kind,
                                struct od_s3_meta *meta) OD_MUST_USE;
void od_s3_copy_answer(struct od_s3_call *call, const char *root, const struct od_s3_meta *meta,
                       int64_t modified_ns);

#endif
