/* Keys of AWS's Key Management Service that requests name. There is no such service here, so a key
 * is taken only where something is encrypted:
 *
 *   objects of an S3 endpoint   the endpoint is asked to encrypt what a job writes with the key
 *                               (x-amz-server-side-encryption: aws:kms); so it is told with each
 *                               object, and whether it can is its affair
 *   this server's own disk      only when the operator said with --encrypted-disk that the file
 *                               systems of --data and --objects are encrypted: the key is kept and
 *                               returned, and the disk's own key is the one that is used
 *   inputs                      reading needs no key: kept and returned
 *
 * Anywhere else it is refused: what somebody wanted encrypted must not lie there in the clear. */
#ifndef OD_API_ENCRYPTION_H
#define OD_API_ENCRYPTION_H

#include "api/call.h"

/* A key for what the server keeps; an absent one is fine. member: its name in messages. */
enum od_status od_encryption_kept(struct od_call *call, const char *member,
                                  struct od_str key) OD_MUST_USE;
/* A key for the files that a job of its own process writes to destination. */
enum od_status
od_encryption_written(struct od_call *call, const char *member,
                      const struct od_personalize_s3_data_config *destination) OD_MUST_USE;
/* Tells the worker of such a job: a member of its spec, nothing without a key. */
void od_encryption_add(struct od_buf *spec,
                       const struct od_personalize_s3_data_config *destination);

#endif
