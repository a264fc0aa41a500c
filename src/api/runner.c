/* The runner: see runner.h for the path of a job and its invariants. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/attach.h"
#include "api/job_kind.h"
#include "base/limits.h"
#include "jobs/report.h"

#define ARENA_MAX (256u << 20)

/* What a job is doing, for people who wait. */
struct running {
    struct running *next;
    int64_t id;
    char kind[16];
    char *arn, *group; /* group: ARN of its dataset group, "" when it has none */
    bool held;         /* waits for another job of the group: see must_wait */
    bool stop;         /* asked to stop, perhaps before the supervisor has it */
    double fraction;
    char stage[160];    /* networks tell epoch, loss and validation NDCG here */
    int64_t started_ns; /* monotonic; 0: waits or is prepared */
};

struct od_runner {
    struct od_app *app;
    pthread_mutex_t lock; /* guards the list */
    struct running *list;
};

/* ---- the list of what runs ---- */

/* A deletion of users has its dataset group to itself: it waits for the jobs asked for before it,
 * and those asked for after it wait for it. So no import or training that began with a user's data
 * ends after they were deleted. Imports land in the order they were asked for: a FULL one that
 * ended late would take away what later ones brought. Job ids say the order, hence two never wait
 * for each other. */
static bool keeps_order(const struct running *earlier, const struct running *r)
{
    return strcmp(r->kind, OD_DELETION_KIND) == 0 || strcmp(earlier->kind, OD_DELETION_KIND) == 0 ||
           (strcmp(r->kind, "import") == 0 && strcmp(earlier->kind, "import") == 0);
}

static bool must_wait(const struct running *list, const struct running *r)
{
    for (const struct running *o = list; o; o = o->next)
        if (o->id < r->id && r->group[0] && strcmp(o->group, r->group) == 0 && keeps_order(o, r))
            return true;
    return false;
}

static void running_free(struct running *r)
{
    free(r->arn);
    free(r->group);
    free(r);
}

static bool note(struct od_app *app, int64_t id, const char *kind, struct od_str arn,
                 struct od_str group, bool *out_held)
{
    struct running *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    r->id = id;
    r->arn = strndup(arn.ptr, arn.len);
    r->group = strndup(group.ptr ? group.ptr : "", group.len);
    if (!r->arn || !r->group) {
        running_free(r);
        return false;
    }
    snprintf(r->kind, sizeof r->kind, "%s", kind);
    pthread_mutex_lock(&app->runner->lock);
    r->held = *out_held = must_wait(app->runner->list, r);
    snprintf(r->stage, sizeof r->stage, "%s",
             r->held ? "waiting for another job of the dataset group" : "waiting");
    r->next = app->runner->list;
    app->runner->list = r;
    pthread_mutex_unlock(&app->runner->lock);
    return true;
}

static void drop(struct od_runner *runner, int64_t id)
{
    for (struct running **at = &runner->list; *at; at = &(*at)->next) {
        struct running *r = *at;
        if (r->id != id)
            continue;
        *at = r->next;
        running_free(r);
        return;
    }
}

void od_runner_forget(struct od_app *app, int64_t id)
{
    struct job_task *free_now = NULL;
    pthread_mutex_lock(&app->runner->lock);
    drop(app->runner, id);
    bool go_on = !atomic_load(&app->draining); /* else they are taken up at the next start */
    for (struct running *r = app->runner->list; go_on && r; r = r->next) {
        if (!r->held || must_wait(app->runner->list, r))
            continue;
        struct job_task *t = od_job_task_new(r->id, r->kind, od_str_c(r->arn), od_job_prepare);
        if (!t)
            break; /* tried again when the next job ends */
        r->held = false;
        t->task.next = (struct od_task *)free_now;
        free_now = t;
    }
    pthread_mutex_unlock(&app->runner->lock);
    while (free_now) {
        struct job_task *next = (struct job_task *)free_now->task.next;
        od_queue_post(&app->loader_queue, &free_now->task);
        free_now = next;
    }
}

/* Fractions below say too little of the whole to tell a time by. */
#define LEAST_FRACTION 0.02

static void write_progress(const struct running *r, int64_t now_ns, struct od_buf *out)
{
    double seconds = r->started_ns ? (double)(now_ns - r->started_ns) * 1e-9 : 0;
    od_buf_puts(out, "{\"arn\":");
    od_buf_json(out, od_str_c(r->arn));
    od_buf_printf(out, ",\"kind\":\"%s\",\"progress\":%.4f,\"stage\":", r->kind, r->fraction);
    od_buf_json(out, od_str_c(r->stage));
    od_buf_printf(out, ",\"seconds\":%.1f", seconds);
    if (r->started_ns && r->fraction >= LEAST_FRACTION)
        od_buf_printf(out, ",\"secondsLeft\":%.1f", seconds * (1 - r->fraction) / r->fraction);
    od_buf_char(out, '}');
}

void od_runner_progress(struct od_app *app, struct od_buf *out)
{
    int64_t now_ns = app->io->monotonic_ns(app->io);
    od_buf_char(out, '[');
    pthread_mutex_lock(&app->runner->lock);
    for (const struct running *r = app->runner->list; r; r = r->next) {
        od_buf_puts(out, r == app->runner->list ? "" : ",");
        write_progress(r, now_ns, out);
    }
    pthread_mutex_unlock(&app->runner->lock);
    od_buf_char(out, ']');
}

void od_runner_progress_of(struct od_app *app, struct od_str arn, struct od_buf *out)
{
    int64_t now_ns = app->io->monotonic_ns(app->io);
    pthread_mutex_lock(&app->runner->lock);
    for (const struct running *r = app->runner->list; r; r = r->next)
        if (od_str_eq_c(arn, r->arn)) {
            od_buf_puts(out, ",\"job\":");
            write_progress(r, now_ns, out);
            break;
        }
    pthread_mutex_unlock(&app->runner->lock);
}

void od_runner_counts(struct od_app *app, unsigned *out_waiting, unsigned *out_running)
{
    *out_waiting = od_jobs_waiting(app->jobs, out_running);
}

/* ---- what the supervisor calls ---- */

struct start_question {
    int64_t id;
    bool go;
};

/* The job's resource as it is while the worker works; arn absent: it does not change. */
static enum od_status begin_work(struct od_call *call, const struct od_job *job,
                                 struct od_resource *resource, bool *out_go)
{
    const struct od_job_kind *kind = od_job_kind(job->kind);
    *out_go = true;
    if (!kind || (!kind->running && !kind->began))
        return OD_OK;
    enum od_status s =
        od_catalog_get(call->app->store, job->arn, call->arena, resource, &call->err);
    if (s != OD_OK)
        return s;
    if (kind->began)
        return kind->began(call, job->id, resource, out_go);
    *out_go = !od_str_eq_c(resource->status, "CREATE STOPPED") &&
              !od_str_eq_c(resource->status, "CREATE STOPPING");
    resource->status = od_str_c(kind->running);
    resource->updated_ms = call->now_ms;
    return OD_OK;
}

/* The resource's words and the attempt, in one commit. */
static enum od_status note_attempt(struct od_call *call, int64_t id,
                                   const struct od_resource *resource)
{
    struct od_store *store = call->app->store;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    if (resource->arn.ptr)
        s = od_catalog_update(store, resource, &call->err);
    if (s == OD_OK)
        s = od_jobs_begin(store, id, &call->err);
    if (s == OD_OK)
        return od_store_commit(store, &call->err);
    od_store_rollback(store);
    return s;
}

static enum od_status mark_running(struct od_app *app, void *context, struct od_error *err)
{
    struct start_question *q = context;
    struct od_arena arena;
    struct od_call call;
    struct od_job *jobs;
    size_t count;
    od_arena_init(&arena, ARENA_MAX);
    od_call_internal(&call, app, &arena);
    enum od_status s = od_jobs_list(app->store, &arena, &jobs, &count, &call.err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_resource resource = {0};
        if (jobs[i].id != q->id)
            continue;
        s = begin_work(&call, &jobs[i], &resource, &q->go);
        if (s == OD_OK && q->go)
            s = note_attempt(&call, q->id, &resource);
        break;
    }
    if (s != OD_OK)
        od_error_copy(err, &call.err);
    od_arena_done(&arena);
    return s;
}

/* The ARN of a job in the list of what runs, copied into text. */
static bool arn_of(struct od_app *app, int64_t id, char *text, size_t size, char kind[16])
{
    bool found = false;
    pthread_mutex_lock(&app->runner->lock);
    for (const struct running *r = app->runner->list; r && !found; r = r->next) {
        found = r->id == id;
        if (found) {
            snprintf(text, size, "%s", r->arn);
            memcpy(kind, r->kind, 16);
        }
    }
    pthread_mutex_unlock(&app->runner->lock);
    return found;
}

static void note_start(struct od_app *app, int64_t id)
{
    pthread_mutex_lock(&app->runner->lock);
    for (struct running *r = app->runner->list; r; r = r->next)
        if (r->id == id)
            r->started_ns = app->io->monotonic_ns(app->io);
    pthread_mutex_unlock(&app->runner->lock);
}

static bool on_started(void *context, int64_t job_id)
{
    struct od_app *app = context;
    struct od_error err;
    struct start_question q = {.id = job_id};
    char arn[512], kind[16];
    enum od_status s = od_app_on_store_patiently(app, mark_running, &q, &err);
    if (s == OD_OK && q.go) {
        note_start(app, job_id);
        return true;
    }
    if (s == OD_OK)
        s = od_fail(&err, OD_STOPPED, "The job was stopped.");
    if (arn_of(app, job_id, arn, sizeof arn, kind))
        od_job_fail(app, job_id, od_str_c(arn), s, &err);
    return false;
}

static void on_progress(void *context, int64_t job_id, double fraction, struct od_str stage)
{
    struct od_app *app = context;
    pthread_mutex_lock(&app->runner->lock);
    for (struct running *r = app->runner->list; r; r = r->next)
        if (r->id == job_id) {
            r->fraction = fraction;
            snprintf(r->stage, sizeof r->stage, "%.*s", OD_STR_ARG(stage));
        }
    pthread_mutex_unlock(&app->runner->lock);
}

/* The worker's result is gone when this returns: what the loader needs is written again as text. */
static void pass_to_loader(struct od_app *app, int64_t job_id, const struct od_job_kind *kind,
                           struct od_str arn, const struct od_json *result)
{
    struct od_buf text;
    struct od_error err;
    struct job_task *t = od_job_task_new(job_id, kind->name, arn, kind->land);
    od_buf_init(&text, OD_REPORT_LINE_MAX);
    od_json_write(result, &text);
    if (t && od_buf_status(&text) == OD_OK) {
        t->result_text = text.ptr;
        od_queue_post(&app->loader_queue, &t->task);
        return;
    }
    od_buf_done(&text);
    if (t)
        od_job_task_free(t);
    od_fail(&err, OD_NO_MEMORY, NULL);
    od_job_fail(app, job_id, arn, OD_NO_MEMORY, &err);
}

static void on_finished(void *context, int64_t job_id, enum od_status status,
                        const struct od_json *result, const struct od_error *err)
{
    struct od_app *app = context;
    char arn[512], kind[16];
    if (!arn_of(app, job_id, arn, sizeof arn, kind))
        return;
    const struct od_job_kind *row = od_job_kind(od_str_c(kind));
    if (status == OD_OK && row && row->land) {
        pass_to_loader(app, job_id, row, od_str_c(arn), result);
        return;
    }
    struct ending end = {.id = job_id, .arn = od_str_c(arn), .status = status, .result = result};
    od_error_copy(&end.err, err);
    od_job_end(app, &end);
}

/* ---- the rest of runner.h ---- */

enum od_status od_runner_start(struct od_app *app, struct od_error *err)
{
    struct od_runner *runner = calloc(1, sizeof *runner);
    if (!runner)
        return od_fail(err, OD_NO_MEMORY, NULL);
    runner->app = app;
    pthread_mutex_init(&runner->lock, NULL);
    app->runner = runner;
    struct od_jobs_config config = {
        .io = app->io,
        .at_once = app->config.jobs_at_once,
        .memory_bytes = app->config.worker_memory_bytes,
        .started = on_started,
        .progress = on_progress,
        .finished = on_finished,
        .context = app,
    };
    return od_jobs_new(&config, &app->jobs, err);
}

void od_runner_free(struct od_app *app)
{
    struct od_runner *runner = app->runner;
    while (runner && runner->list)
        od_runner_forget(app, runner->list->id);
    if (runner)
        pthread_mutex_destroy(&runner->lock);
    free(runner);
    app->runner = NULL;
}

enum od_status od_runner_add(struct od_call *call, const char *kind, struct od_str arn,
                             int64_t *out_id)
{
    struct od_job job = {
        .kind = od_str_c(kind), .arn = arn, .spec = OD_STR("{}"), .created_ms = call->now_ms};
    return od_jobs_insert(call->app->store, &job, out_id, &call->err);
}

void od_runner_go(struct od_app *app, int64_t id, const char *kind, struct od_str arn)
{
    struct od_arena arena;
    struct od_resource resource = {0};
    bool held = false;
    od_arena_init(&arena, ARENA_MAX);
    enum od_status s = od_catalog_get(app->store, arn, &arena, &resource, NULL);
    struct job_task *t = od_job_task_new(id, kind, arn, od_job_prepare);
    bool noted = t && note(app, id, kind, arn, s == OD_OK ? resource.group : OD_STR_NONE, &held);
    od_arena_done(&arena);
    if (noted && !held)
        od_queue_post(&app->loader_queue, &t->task);
    else if (t) /* not noted: the job row stays, and is taken up at the next start */
        od_job_task_free(t);
}

enum od_status od_runner_resume(struct od_call *call)
{
    struct od_job *jobs;
    size_t count;
    enum od_status s = od_jobs_list(call->app->store, call->arena, &jobs, &count, &call->err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (jobs[i].attempts < OD_MAX_JOB_ATTEMPTS) {
            struct od_str kind = od_arena_str(call->arena, jobs[i].kind);
            od_runner_go(call->app, jobs[i].id, kind.ptr ? kind.ptr : "", jobs[i].arn);
            continue;
        }
        struct ending end = {.id = jobs[i].id, .arn = jobs[i].arn, .status = OD_INTERNAL};
        od_fail(&end.err, OD_INTERNAL,
                "The server ended %d times while this job was running; it is not tried again.",
                jobs[i].attempts);
        if (od_job_end_on_store(call->app, &end, &call->err) != OD_OK) /* tried at the next start */
            fprintf(stderr, "ondol: job %lld could not be ended: %s\n", (long long)jobs[i].id,
                    call->err.message);
    }
    return s;
}

bool od_runner_has(struct od_app *app, struct od_str arn)
{
    bool found = false;
    pthread_mutex_lock(&app->runner->lock);
    for (const struct running *r = app->runner->list; r && !found; r = r->next)
        found = od_str_eq_c(arn, r->arn);
    pthread_mutex_unlock(&app->runner->lock);
    return found;
}

void od_runner_stop(struct od_app *app, struct od_str arn)
{
    int64_t ids[4]; /* one that was stopped may not have ended yet when the next begins */
    size_t count = 0;
    pthread_mutex_lock(&app->runner->lock);
    for (struct running *r = app->runner->list; r && count < 4; r = r->next)
        if (od_str_eq_c(arn, r->arn)) {
            r->stop = true;
            ids[count++] = r->id;
        }
    pthread_mutex_unlock(&app->runner->lock);
    for (size_t i = 0; i < count; i++)
        od_jobs_stop(app->jobs, ids[i]);
}

void od_runner_submitted(struct od_app *app, int64_t id)
{
    bool stop = false;
    pthread_mutex_lock(&app->runner->lock);
    for (const struct running *r = app->runner->list; r; r = r->next)
        stop |= r->id == id && r->stop;
    pthread_mutex_unlock(&app->runner->lock);
    if (stop)
        od_jobs_stop(app->jobs, id);
}
