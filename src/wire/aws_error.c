/* Errors on the wire: see aws_error.h. */
#include "wire/aws_error.h"

void od_aws_error_render(const struct od_error *err, bool control_plane, int *out_http_status,
                         const char **out_type, struct od_buf *body)
{
    const struct od_status_info *info = od_status_info(err->code);
    const char *message = err->message[0] ? err->message : info->text;
    *out_type = info->aws_exception;
    *out_http_status = control_plane ? info->http_control : info->http_rest;
    if (info->aws_exception[0] == '\0') {
        *out_type = "InternalServerException";
        *out_http_status = 500;
        message = od_status_info(OD_INTERNAL)->text;
    }
    if (err->code == OD_IO && !od_str_starts(od_str_c(message), OD_STR(OD_DISK_TEXT)))
        message = info->text; /* it may name a path */
    od_buf_puts(body, "{\"__type\":");
    od_buf_json(body, od_str_c(*out_type));
    od_buf_puts(body, ",\"message\":");
    od_buf_json(body, od_str_c(message));
    od_buf_char(body, '}');
}
