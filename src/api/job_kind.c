/* The kinds of jobs: see job_kind.h. */
#include "api/job_kind.h"

#include "api/batch.h"
#include "api/prepare.h"

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
    {.name = "import", CREATES, .prepare = od_prepare_import, .lands = true},
    {.name = "train", CREATES, .prepare = prepare_training, .outcome = od_training_outcome},
    {.name = "batch", CREATES, .prepare = od_prepare_batch_inference},
    {.name = "segment", CREATES, .prepare = od_prepare_batch_segment},
    {.name = "update", .prepare = prepare_update}, /* its version is ACTIVE and stays so */
};

const struct od_job_kind *od_job_kind(struct od_str name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (od_str_eq_c(name, kinds[i].name))
            return &kinds[i];
    return NULL;
}
