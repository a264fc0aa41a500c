/* Multipart uploads on disk. */
#ifndef OD_S3_UPLOAD_H
#define OD_S3_UPLOAD_H

#include "s3/inner.h"

/* An upload that was begun and neither completed nor aborted. */
struct od_s3_upload {
    struct od_str id, folder;
    struct od_str bucket, key;
    int64_t created_ms;
    struct od_s3_meta meta; /* the headers of the object to be; sum_kind is the parts' */
    bool full_sum;          /* FULL_OBJECT: the checksum is over all bytes; else over the parts' */
};
struct od_s3_part {
    unsigned number;
    uint64_t bytes;
    int64_t modified_ms;
    struct od_str etag, sum;
};

enum od_status od_s3_upload_new(struct od_s3_call *call, struct od_s3_upload *upload) OD_MUST_USE;
/* The one that the request's uploadId names; NO_SUCH_UPLOAD when it is not of this key. */
enum od_status od_s3_upload_find(struct od_s3_call *call, struct od_s3_upload *out) OD_MUST_USE;
/* All of the bucket, by key and id. */
enum od_status od_s3_upload_list(struct od_s3_call *call, struct od_s3_upload **out,
                                 size_t *out_count) OD_MUST_USE;
/* Keeps the synced file at temporary as a part, in place of an earlier one of that number. */
enum od_status od_s3_upload_add(struct od_s3_call *call, const struct od_s3_upload *upload,
                                struct od_str temporary, const struct od_s3_part *part) OD_MUST_USE;
/* By number. */
enum od_status od_s3_upload_parts(struct od_s3_call *call, const struct od_s3_upload *upload,
                                  struct od_s3_part **out, size_t *out_count) OD_MUST_USE;
struct od_str od_s3_upload_part_path(struct od_s3_call *call, const struct od_s3_upload *upload,
                                     const struct od_s3_part *part);
/* Ends it; its files go. Only the first of two that end the same upload succeeds. */
enum od_status od_s3_upload_end(struct od_s3_call *call,
                                const struct od_s3_upload *upload) OD_MUST_USE;

#endif
