/* Batch jobs in the server: what other resources ask about them, and what a worker is told. */
#ifndef OD_API_BATCH_H
#define OD_API_BATCH_H

#include "api/resource.h"

/* OD_IN_USE when a batch job that uses the filter has not ended. Store thread. */
enum od_status od_batch_filter_free(struct od_call *call,
                                    const struct od_resource *filter) OD_MUST_USE;

/* prepare_batch.c: see job_kind.h. */
enum od_status od_prepare_batch_inference(struct od_app *app, int64_t job_id, struct od_str arn,
                                          struct od_buf *spec, struct od_error *err) OD_MUST_USE;
enum od_status od_prepare_batch_segment(struct od_app *app, int64_t job_id, struct od_str arn,
                                        struct od_buf *spec, struct od_error *err) OD_MUST_USE;

#endif
