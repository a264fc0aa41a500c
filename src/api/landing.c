/* What the loader thread does for jobs: preparing them, and landing imports whose worker is done.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/job_kind.h"
#include "api/prepare.h"

#define SPEC_MAX  (64u << 20)
#define ARENA_MAX (256u << 20)

struct job_task *od_job_task_new(int64_t id, const char *kind, struct od_str arn,
                                 void (*run)(struct od_app *app, struct od_task *task))
{
    struct job_task *t = calloc(1, sizeof *t);
    char *copy = t ? strndup(arn.ptr, arn.len) : NULL;
    if (!copy) {
        free(t);
        return NULL;
    }
    t->task.run = run;
    t->id = id;
    snprintf(t->kind, sizeof t->kind, "%s", kind);
    t->arn = (struct od_str){copy, arn.len};
    return t;
}

void od_job_task_free(struct job_task *t)
{
    free((char *)t->arn.ptr);
    free(t->result_text);
    free(t);
}

void od_job_prepare(struct od_app *app, struct od_task *task)
{
    struct job_task *t = (struct job_task *)task;
    struct od_buf spec;
    struct od_error err;
    od_buf_init(&spec, SPEC_MAX);
    if (!atomic_load(&app->draining)) {
        const struct od_job_kind *kind = od_job_kind(od_str_c(t->kind));
        enum od_status s =
            kind ? kind->prepare(app, t->id, t->arn, &spec, &err)
                 : od_fail(&err, OD_INTERNAL, "There is no kind of job \"%s\".", t->kind);
        if (s == OD_OK)
            od_app_add_remote(app, t->id, &spec);
        if (s == OD_OK && od_buf_status(&spec) != OD_OK)
            s = od_fail(&err, od_buf_status(&spec), NULL);
        if (s == OD_OK && od_jobs_submit(app->jobs, t->id, od_buf_view(&spec)) != OD_OK)
            s = od_fail(&err, OD_NO_MEMORY, NULL);
        if (s == OD_OK)
            od_runner_submitted(app, t->id);
        /* A server that stops breaks off what it asks of endpoints: the job is taken up again. */
        if (s != OD_OK && !atomic_load(&app->draining))
            od_job_fail(app, t->id, t->arn, s, &err);
    }
    od_buf_done(&spec);
    od_job_task_free(t);
}

/* Bulk data as they will be once this import has landed. */
static enum od_status future_bulk(struct od_import_facts *f, const struct od_bulk *added,
                                  bool replace_all, struct od_bulk **out, size_t *out_count,
                                  struct od_error *err)
{
    size_t kept = replace_all ? 0 : f->bulk_count;
    struct od_bulk *list = OD_NEW_ARRAY(f->arena, struct od_bulk, kept + 1);
    if (!list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (kept)
        memcpy(list, f->bulk, kept * sizeof *list);
    list[kept] = *added;
    *out = list;
    *out_count = kept + 1;
    return OD_OK;
}

static enum od_status land(struct od_app *app, struct job_task *t, struct od_arena *arena,
                           struct ending *end, struct od_loading *loading, struct od_error *err)
{
    struct od_json result;
    struct od_import_facts facts = {.arena = arena, .arn = t->arn};
    struct od_bulk *bulk = NULL;
    size_t count = 0;
    enum od_status s = od_json_parse(arena, od_str_c(t->result_text), &result, err);
    if (s == OD_OK)
        s = od_app_on_store(app, od_import_facts_read, &facts, err);
    if (s != OD_OK)
        return s;
    end->replace_all = od_str_eq_c(facts.value.import_mode, "FULL");
    end->bulk = (struct od_bulk){
        .dataset = facts.info.arn,
        .path = od_arena_printf(arena, "segments/%lld.seg", (long long)t->id),
        .rows = (uint64_t)od_json_get_i64(&result, "rows", 0),
        .arrived_ms = app->io->now_ms(app->io),
        .job = t->arn,
    };
    if (!end->bulk.path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = future_bulk(&facts, &end->bulk, end->replace_all, &bulk, &count, err);
    if (s != OD_OK)
        return s;
    s = od_load_begin(app, &facts.info, bulk, count, arena, loading, err);
    if (s != OD_OK)
        return s;
    if (facts.info.type == OD_INTERACTIONS)
        s = od_attribution_import(app, t->arn, end->bulk.path, arena, &end->attribution, err);
    if (s == OD_OK)
        end->loading = loading;
    else
        od_load_abort(loading);
    return s;
}

/* An import whose worker is done: new live data beside the old, then one commit makes both true. */
void od_job_land(struct od_app *app, struct od_task *task)
{
    struct job_task *t = (struct job_task *)task;
    struct od_arena arena;
    struct od_loading loading;
    struct ending end = {.id = t->id, .arn = t->arn};
    od_arena_init(&arena, ARENA_MAX);
    end.status = land(app, t, &arena, &end, &loading, &end.err);
    od_job_end(app, &end);
    od_arena_done(&arena);
    od_job_task_free(t);
}
