/* The kinds of jobs: see job_kind.h. */
#include "api/job_kind.h"

#include "api/batch.h"
#include "api/deletion.h"
#include "api/prepare.h"
#include "api/recommender.h"

static enum od_status prepare_training(struct od_app *app, int64_t job_id, struct od_str arn,
                                       struct od_buf *spec, struct od_error *err)
{
    return od_prepare_training(app, job_id, arn, false, spec, err);
}

static enum od_status prepare_update(struct od_app *app, int64_t job_id, struct od_str arn,
                                     struct od_buf *spec, struct od_error *err)
{
    return od_prepare_training(app, job_id, arn, true, spec, err);
}

#define CREATES .running = "CREATE IN_PROGRESS", .ready = "ACTIVE", .failed = "CREATE FAILED"

static const struct od_job_kind kinds[] = {
    {.name = "import", CREATES, .prepare = od_prepare_import, .land = od_job_land},
    {.name = "export", CREATES, .prepare = od_prepare_export},
    {.name = OD_DELETION_KIND,
     .running = "IN_PROGRESS",
     .ready = "COMPLETED",
     .failed = "FAILED",
     .prepare = od_prepare_deletion,
     .land = od_deletion_land,
     .outcome = od_deletion_outcome},
    {.name = "train", CREATES, .prepare = prepare_training, .outcome = od_training_outcome},
    {.name = "batch", CREATES, .prepare = od_prepare_batch_inference},
    {.name = "segment", CREATES, .prepare = od_prepare_batch_segment},
    {.name = "update", /* of what is ACTIVE */
     .prepare = prepare_update,
     .began = od_update_began,
     .end = od_update_end},
    {.name = "recommend",
     .prepare = prepare_training,
     .began = od_recommender_began,
     .end = od_recommender_end},
};

const struct od_job_kind *od_job_kind(struct od_str name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (od_str_eq_c(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}
