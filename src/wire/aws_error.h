/* An error as the AWS clients read it (api.md section 6). */
#ifndef OD_WIRE_AWS_ERROR_H
#define OD_WIRE_AWS_ERROR_H

#include "base/str.h"

#define OD_AWS_JSON_1_1     "application/x-amz-json-1.1" /* control plane */
#define OD_AWS_JSON         "application/json"           /* runtime and events */
#define OD_AWS_ERROR_HEADER "x-amzn-ErrorType"           /* runtime and events: value is out_type */

/* Appends {"__type":"X","message":"..."} to body. Both kinds of service carry the type in the body;
 * the rest-json ones need it in the header too. The HTTP status is errors.def's for the kind of
 * service. Codes without an AWS name become InternalServerException 500 with a text that tells
 * nothing of the inside; the caller logs err itself. *out_type is static storage. */
void od_aws_error_render(const struct od_error *err, bool control_plane, int *out_http_status,
                         const char **out_type, struct od_buf *body);

#endif
