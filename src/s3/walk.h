/* The keys of a bucket in byte order, one by one, without holding them all.
 *
 * Only the folders on the way to the current key are held. A name that is not UTF-8, holds control
 * characters or is a symbolic link is no key. Belongs to one call. */
#ifndef OD_S3_WALK_H
#define OD_S3_WALK_H

#include "s3/inner.h"

struct od_s3_walk {
    struct od_s3_call *call;
    struct od_str bucket;
    struct od_str prefix, after, skip; /* borrowed; absent: none */
    struct od_s3_level *top;
    char key[OD_MAX_KEY_BYTES + 8]; /* of the last entry */
    size_t key_len;
};

/* Begins before the first key that starts with prefix and is greater than after. skip: as of
 * od_s3_walk_skip. All three are borrowed for the life of the walk, and may be absent. */
enum od_status od_s3_walk_init(struct od_s3_walk *walk, struct od_s3_call *call,
                               struct od_str bucket, struct od_str prefix, struct od_str after,
                               struct od_str skip) OD_MUST_USE;
void od_s3_walk_done(struct od_s3_walk *walk);
/* The next key, valid until the following call; absent after the last. */
enum od_status od_s3_walk_next(struct od_s3_walk *walk, struct od_str *out_key) OD_MUST_USE;
/* Leaves out the keys that start with prefix, as the current one does. prefix is borrowed. */
void od_s3_walk_skip(struct od_s3_walk *walk, struct od_str prefix);

#endif
