/* Keys of requests: see encryption.h. */
#include "api/encryption.h"

enum od_status od_encryption_kept(struct od_call *call, const char *member, struct od_str key)
{
    if (!key.ptr || call->app->config.encrypted_disk)
        return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT,
                   "%s: this server has no Key Management Service and would write in the clear. "
                   "Leave the key out, or start the server with --encrypted-disk if its disk is "
                   "encrypted.",
                   member);
}

enum od_status od_encryption_written(struct od_call *call, const char *member,
                                     const struct od_personalize_s3_data_config *destination)
{
    bool is_object = od_str_starts(destination->path, OD_STR("s3://"));
    return call->app->remote && is_object
               ? OD_OK
               : od_encryption_kept(call, member, destination->kms_key_arn);
}

void od_encryption_add(struct od_buf *spec, const struct od_personalize_s3_data_config *destination)
{
    if (!destination->kms_key_arn.ptr)
        return;
    od_buf_puts(spec, ",\"kms_key\":");
    od_buf_json(spec, destination->kms_key_arn);
}
