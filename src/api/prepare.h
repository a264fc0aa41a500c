/* Preparing a job: from its resource to the spec a worker process reads (jobs.h). Loader thread. */
#ifndef OD_API_PREPARE_H
#define OD_API_PREPARE_H

#include "api/call.h"

/* Writes the spec. Failures that the user can act on (no such object) are the text of
 * failureReason. */
enum od_status od_prepare_import(struct od_app *app, int64_t job_id, struct od_str arn,
                                 struct od_buf *spec, struct od_error *err) OD_MUST_USE;
enum od_status od_prepare_training(struct od_app *app, int64_t job_id, struct od_str arn,
                                   struct od_buf *spec, struct od_error *err) OD_MUST_USE;

#endif
