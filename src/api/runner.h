/* The runner: from a job row in the store to a finished resource.
 *
 * A job passes four hands. prepare (loader thread) gathers what the worker needs and submits it;
 * started (supervisor) marks it running; the worker works; finished (supervisor) hands the result
 * to the store thread, for an import by way of the loader, which builds the new live data first.
 *
 * 1. Until the commit that makes the resource ACTIVE or CREATE FAILED, the job row exists; that
 * commit removes it. A crash in between leaves the row, and the next start takes the job up again.
 * 2. A job during which the server ended OD_MAX_JOB_ATTEMPTS times, however, is failed instead,
 * ends in good order not counted.
 * 3. A data deletion job never overlaps with another job of its dataset group: it waits for those
 * asked for before it, and those asked for after it wait for it.
 * 4. An import's rows become visible, and its resource ACTIVE, in one commit. */
#ifndef OD_API_RUNNER_H
#define OD_API_RUNNER_H

#include "api/resource.h"

struct od_runner;
/* Starts the supervisor; app->jobs is set. */
enum od_status od_runner_start(struct od_app *app, struct od_error *err) OD_MUST_USE;

/* Inside a transaction: writes the job row for a resource; *out_id for od_runner_go. Store thread.
 */
enum od_status od_runner_add(struct od_call *call, const char *kind, struct od_str arn,
                             int64_t *out_id) OD_MUST_USE;
/* After the commit: lets the job begin. Store thread. */
void od_runner_go(struct od_app *app, int64_t id, const char *kind, struct od_str arn);
/* Takes up every job of the store (at start). */
enum od_status od_runner_resume(struct od_call *call) OD_MUST_USE;
/* Whether a resource has a job that waits or runs. Any thread. */
bool od_runner_has(struct od_app *app, struct od_str arn);
/* Stops the jobs of a resource that are queued or running, or still prepared. Store thread. */
void od_runner_stop(struct od_app *app, struct od_str arn);
/* The supervisor has the job now: stops it if that was asked for while it was prepared. */
void od_runner_submitted(struct od_app *app, int64_t id);

/* Progress of all jobs as JSON: [{"arn":...,"kind":...,"progress":0.5,"stage":"...","seconds":8.1,
 * "secondsLeft":8.1}]. seconds counts from the start of its worker; secondsLeft is absent while too
 * little is done to tell. Any thread. */
void od_runner_progress(struct od_app *app, struct od_buf *out);
/* Appends ',"job":{...}' when the resource has a job. Any thread. */
void od_runner_progress_of(struct od_app *app, struct od_str arn, struct od_buf *out);
void od_runner_counts(struct od_app *app, unsigned *out_waiting, unsigned *out_running);
void od_runner_free(struct od_app *app);

#endif
