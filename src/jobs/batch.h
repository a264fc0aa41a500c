/* The batch job of a worker process: from its spec (jobs.h) to batch/batch.h and back. */
#ifndef OD_JOBS_BATCH_H
#define OD_JOBS_BATCH_H

#include "base/json.h"
#include "os/io.h"
#include "recipes/recipe.h"

/* Appends the result object to result. spec lives as long as the call; arena keeps what is made of
 * it. */
enum od_status od_batch_job_run(const struct od_io *io, const struct od_json *spec,
                                const struct od_progress *progress, struct od_arena *arena,
                                struct od_buf *result, struct od_error *err) OD_MUST_USE;

#endif
