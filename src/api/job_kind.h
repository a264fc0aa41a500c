/* The kinds of jobs, a row each: what happens to a resource around the worker's part (runner.h). */
#ifndef OD_API_JOB_KIND_H
#define OD_API_JOB_KIND_H

#include "api/runner_inner.h"

#define OD_DELETION_KIND "deletion" /* the kind that has its group to itself: runner.c */

struct od_job_kind {
    const char *name;            /* of the job row; at most 15 bytes */
    const char *running, *ready; /* the resource's status while it works and after; NULL: the
                                    resource keeps its own */
    const char *failed;
    /* Writes what the worker reads (jobs.h). Failures that the user can act on are the text of
     * failureReason. Loader thread. */
    enum od_status (*prepare)(struct od_app *app, int64_t job_id, struct od_str arn,
                              struct od_buf *spec, struct od_error *err);
    /* What the resource says of the result besides its status; NULL: nothing. Before the commit
     * that ends the job. Store thread. */
    enum od_status (*outcome)(struct od_call *call, const struct ending *end,
                              struct od_resource *resource);
    /* For a kind that keeps the resource's status to itself (running NULL); both NULL: the resource
     * does not say that it is worked on. began: what it says once the worker starts; *out_go false:
     * the job is void. end: the whole ending, with its commit and what follows; resource->arn is
     * absent when it is gone. Store thread. */
    enum od_status (*began)(struct od_call *call, int64_t job_id, struct od_resource *resource,
                            bool *out_go);
    enum od_status (*end)(struct od_call *call, const struct ending *end,
                          struct od_resource *resource);
    /* The worker's result passes over the loader thread, which makes it true and ends the job;
     * NULL: there is nothing more to do than outcome. */
    void (*land)(struct od_app *app, struct od_task *task);
};

/* NULL when there is no such kind. */
const struct od_job_kind *od_job_kind(struct od_str name);

#endif
