/* Preparing a job: from its resource to the spec a worker process reads (jobs.h). Loader thread. */
#ifndef OD_API_PREPARE_H
#define OD_API_PREPARE_H

#include "api/attach.h"
#include "api/prepare_inner.h"

/* What the catalogue knows of an import job; everything lives in arena. */
struct od_import_facts {
    struct od_arena *arena; /* given, as is arn */
    struct od_str arn;
    struct od_resource job;
    struct od_personalize_dataset_import_job value;
    struct od_dataset_info info; /* of its dataset */
    struct od_bulk *bulk;        /* what the dataset has now */
    size_t bulk_count;
};
/* For od_app_on_store; context is the facts. */
enum od_status od_import_facts_read(struct od_app *app, void *facts,
                                    struct od_error *err) OD_MUST_USE;

/* Appends "data":{"schema", "domain", "segments"} to the spec of a job: the dataset's rows in order
 * of arrival, what came by Put* folded into segments of the job's work folder. Anonymous events of
 * sessions without a user are left out. */
enum od_status od_prepare_rows(struct od_app *app, int64_t job_id,
                               const struct dataset_sources *dataset, enum od_which_rows which,
                               struct od_arena *arena, struct od_buf *spec,
                               struct od_error *err) OD_MUST_USE;

/* Writes the spec. Failures that the user can act on (no such object) are the text of
 * failureReason. */
enum od_status od_prepare_import(struct od_app *app, int64_t job_id, struct od_str arn,
                                 struct od_buf *spec, struct od_error *err) OD_MUST_USE;
enum od_status od_prepare_training(struct od_app *app, int64_t job_id, struct od_str arn,
                                   bool in_place, struct od_buf *spec,
                                   struct od_error *err) OD_MUST_USE;
enum od_status od_prepare_export(struct od_app *app, int64_t job_id, struct od_str arn,
                                 struct od_buf *spec, struct od_error *err) OD_MUST_USE;

#endif
