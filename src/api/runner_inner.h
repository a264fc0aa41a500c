/* What runner.c, ending.c and landing.c share. */
#ifndef OD_API_RUNNER_INNER_H
#define OD_API_RUNNER_INNER_H

#include "api/attribution.h"
#include "api/load.h"
#include "api/runner.h"

/* How a job ended, on its way to the store thread. */
struct ending {
    int64_t id;
    struct od_str arn;
    enum od_status status;        /* OD_OK, OD_STOPPED, or a failure */
    struct od_error err;          /* why */
    const struct od_json *result; /* of a training */
    struct od_bulk bulk;          /* of an import; path absent: none */
    struct od_loading *loading;   /* its new live data, swapped in after the commit; NULL for types
                                     of datasets that are not served */
    bool replace_all;
    struct od_attribution_import *attribution; /* what an import counts; NULL: nothing */
    bool *waits; /* NULL: this attempt is the last. Set when it failed for the disk before its
                    commit, and gave nothing up: try again */
};

/* Whether an ending that came to s, before or with its commit, is left as it is; says so. */
bool od_ending_waits(const struct ending *end, enum od_status s);

/* Commits an ending. Store thread. */
enum od_status od_job_end_on_store(struct od_app *app, void *ending,
                                   struct od_error *err) OD_MUST_USE;
/* Of a kind with an ending of its own: the resource, when it changed, and the end of the job row in
 * one commit. Store thread. */
enum od_status od_job_commit(struct od_call *call, const struct ending *end, bool changed,
                             struct od_resource *resource) OD_MUST_USE;
/* The same as od_job_end_on_store from any other thread. While the disk fails (is full, is
 * read-only) it is tried again and again; when the server stops meanwhile, the job row is there and
 * the job is taken up at the next start. */
void od_job_end(struct od_app *app, struct ending *end);
void od_job_fail(struct od_app *app, int64_t id, struct od_str arn, enum od_status status,
                 const struct od_error *err);

/* What a version says of its training. Store thread. */
enum od_status od_training_outcome(struct od_call *call, const struct ending *end,
                                   struct od_resource *version) OD_MUST_USE;

/* The extra of what was trained: where the image is, metrics, and of before how far the data had
 * come. Store thread. */
enum od_status od_training_extra(struct od_call *call, const struct od_json *before,
                                 const struct od_json *result, int64_t job_id,
                                 struct od_str *out) OD_MUST_USE;
/* Hooks of automatic updates (job_kind.h): auto_update.c, and the whole ending. */
enum od_status od_update_began(struct od_call *call, int64_t job_id, struct od_resource *version,
                               bool *out_go) OD_MUST_USE;
enum od_status od_update_end(struct od_call *call, const struct ending *end,
                             struct od_resource *version) OD_MUST_USE;

/* A job on its way through the loader thread. */
struct job_task {
    struct od_task task;
    int64_t id;
    char kind[16];
    struct od_str arn; /* owned */
    char *result_text; /* landing: the worker's result, owned */
};

struct job_task *od_job_task_new(int64_t id, const char *kind, struct od_str arn,
                                 void (*run)(struct od_app *app, struct od_task *task));
void od_job_task_free(struct job_task *task);
void od_job_prepare(struct od_app *app, struct od_task *task); /* resource to spec to supervisor */
void od_job_land(struct od_app *app, struct od_task *task);    /* an import's result to live data */

/* Takes a job off the list of what runs. Any thread. */
void od_runner_forget(struct od_app *app, int64_t id);

#endif
