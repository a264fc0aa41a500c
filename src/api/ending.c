/* The end of a job: its resource ACTIVE, CREATE FAILED or CREATE STOPPED, an import's rows visible
 * and the job row gone, all in one commit (runner.h, invariants 1 and 3). */
#include <stdio.h>

#include "api/files.h"
#include "api/job_kind.h"
#include "api/solution.h"

#define ARENA_MAX (256u << 20)

/* What is kept of a training beside its version's shape: where the image is, what it learnt from,
 * its metrics, and what was tuned when. */
static void write_extra(struct od_buf *extra, const struct od_json *before,
                        const struct od_json *result, int64_t job_id, int64_t now_ms)
{
    static const char *const kept[] = {"metrics", "tuned", "search"};
    static const char *const marks[] = {"event_seq", "record_seq", "action_event_seq",
                                        "action_record_seq"};
    const struct od_json *from = od_json_get(before, OD_STR("from"));
    const struct od_json *reuse = from ? from : od_json_get(before, OD_STR("reuse"));
    od_buf_printf(extra, "{\"image\":\"images/%lld.image\",\"card\":\"images/%lld.card.json\",",
                  (long long)job_id, (long long)job_id);
    for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
        od_buf_printf(extra, "\"%s\":%lld,", marks[i],
                      (long long)od_json_get_i64(before, marks[i], 0));
    od_buf_puts(extra, "\"hash\":");
    od_buf_json(extra, od_json_get_str(result, "hash", OD_STR("")));
    od_buf_printf(extra, ",\"events\":%lld,\"users\":%lld,\"items\":%lld,\"recipe\":",
                  (long long)od_json_get_i64(result, "events", 0),
                  (long long)od_json_get_i64(result, "users", 0),
                  (long long)od_json_get_i64(result, "items", 0));
    od_buf_json(extra, od_json_get_str(result, "recipe", OD_STR("")));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct od_json *value = od_json_get(result, od_str_c(kept[i]));
        if (!value)
            continue;
        od_buf_printf(extra, ",\"%s\":", kept[i]);
        od_json_write(value, extra);
    }
    if (od_json_get(result, OD_STR("tuned")))
        od_buf_printf(extra, ",\"tuned_ms\":%lld",
                      (long long)od_json_get_i64(reuse, "tuned_ms", now_ms));
    od_buf_char(extra, '}');
}

enum od_status od_training_extra(struct od_call *call, const struct od_json *before,
                                 const struct od_json *result, int64_t job_id, struct od_str *out)
{
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    write_extra(&text, before, result, job_id, call->now_ms);
    *out = od_arena_str(call->arena, od_buf_view(&text));
    enum od_status s = od_buf_status(&text);
    od_buf_done(&text);
    return s == OD_OK && out->ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

/* tunedHPOParams from the result's "tuned". */
static enum od_status set_tuned(struct od_call *call, const struct od_json *result,
                                struct od_personalize_solution_version *value)
{
    const struct od_json *tuned = od_json_get(result, OD_STR("tuned"));
    if (!tuned || tuned->count == 0)
        return OD_OK;
    struct od_personalize_tuned_hpo_params *params =
        OD_NEW(call->arena, struct od_personalize_tuned_hpo_params);
    struct od_api_string_entry *entries =
        OD_NEW_ARRAY(call->arena, struct od_api_string_entry, tuned->count);
    if (!params || !entries)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < tuned->count; i++)
        entries[i] =
            (struct od_api_string_entry){tuned->members[i].key, tuned->members[i].value.text};
    params->algorithm_hyper_parameters.items = entries;
    params->algorithm_hyper_parameters.count = tuned->count;
    value->tuned_hpo_params = params;
    return OD_OK;
}

static enum od_status pack_training(struct od_call *call, struct od_resource *version,
                                    const struct od_json *result, int64_t job_id)
{
    struct od_personalize_solution_version value = {0};
    struct od_json before;
    enum od_status s = od_resource_read(call, &od_kind_solution_version, version, &value);
    if (s == OD_OK)
        s = od_json_parse(call->arena, version->extra, &before, &call->err);
    if (s == OD_OK)
        s = set_tuned(call, result, &value);
    if (s != OD_OK)
        return s;
    value.training_hours =
        (struct od_opt_double){true, od_json_get_double(result, "seconds", 0) / 3600};
    if (!value.recipe_arn.ptr) { /* AutoML */
        struct od_str name = od_json_get_str(result, "recipe", OD_STR(""));
        value.recipe_arn =
            od_arena_printf(call->arena, "arn:aws:personalize:::recipe/%.*s", OD_STR_ARG(name));
    }
    s = od_training_extra(call, &before, result, job_id, &version->extra);
    return s == OD_OK ? od_resource_pack(call, &od_kind_solution_version, &value, version) : s;
}

/* autoMLResult of the solution whose version chose a recipe; out->arn stays absent when there is
 * nothing to change. */
static enum od_status pack_choice(struct od_call *call, const struct od_resource *version,
                                  struct od_resource *out)
{
    struct od_personalize_solution_version value = {0};
    struct od_personalize_solution solution = {0};
    struct od_resource resource;
    enum od_status s = od_resource_read(call, &od_kind_solution_version, version, &value);
    if (s != OD_OK || !value.perform_auto_ml.value)
        return s;
    struct od_personalize_auto_ml_result *choice =
        OD_NEW(call->arena, struct od_personalize_auto_ml_result);
    if (!choice)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    choice->best_recipe_arn = value.recipe_arn;
    s = od_resource_get(call, &od_kind_solution, version->parent, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_solution, &resource, &solution);
    solution.auto_ml_result = choice;
    if (s == OD_OK)
        s = od_resource_pack(call, &od_kind_solution, &solution, &resource);
    if (s == OD_OK)
        *out = resource;
    return s;
}

enum od_status od_training_outcome(struct od_call *call, const struct ending *end,
                                   struct od_resource *version)
{
    return pack_training(call, version, end->result, end->id);
}

/* The resource as the ending leaves it. */
static enum od_status set_outcome(struct od_call *call, const struct ending *end,
                                  const struct od_job_kind *kind, struct od_resource *resource)
{
    bool stopped = od_str_eq_c(resource->status, "CREATE STOPPING") ||
                   od_str_eq_c(resource->status, "CREATE STOPPED");
    if (stopped) {
        resource->status = OD_STR("CREATE STOPPED");
        return OD_OK;
    }
    if (end->status == OD_OK) {
        resource->status = od_str_c(kind->ready);
        return kind->outcome ? kind->outcome(call, end, resource) : OD_OK;
    }
    resource->status = od_str_c(kind->failed);
    resource->failure_reason = od_str_c(end->err.message);
    return OD_OK;
}

/* ---- automatic updates: the version stays, its image is another ---- */

/* NULL: the job's row is gone. */
static enum od_status find_kind(struct od_call *call, int64_t id, const struct od_job_kind **out)
{
    struct od_job *jobs;
    size_t count;
    enum od_status s = od_jobs_list(call->app->store, call->arena, &jobs, &count, &call->err);
    *out = NULL;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        if (jobs[i].id == id)
            *out = od_job_kind(jobs[i].kind);
    return s;
}

/* The version's extra with the new image; the trained one stays its "base". */
static struct od_str updated_extra(struct od_call *call, const struct od_json *before,
                                   int64_t job_id)
{
    struct od_buf text;
    struct od_str image = od_json_get_str(before, "image", OD_STR(""));
    od_buf_init(&text, 1u << 20);
    od_buf_printf(&text, "{\"image\":\"images/%lld.image\",\"card\":\"images/%lld.card.json\",",
                  (long long)job_id, (long long)job_id);
    od_buf_puts(&text, "\"base\":");
    od_buf_json(&text, od_json_get_str(before, "base", image));
    od_json_write_others(before, (const char *const[]){"image", "card", "base", NULL}, &text);
    od_buf_char(&text, '}');
    struct od_str out =
        od_buf_status(&text) == OD_OK ? od_arena_str(call->arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return out;
}

/* Whether the version waits for this update: the one of its name may be another by now. Then its
 * extra has the new image. */
static enum od_status take_update(struct od_call *call, const struct ending *end,
                                  struct od_resource *version, bool *out_changed)
{
    struct od_json before;
    *out_changed = false;
    if (!version->arn.ptr || end->status != OD_OK)
        return OD_OK;
    enum od_status s = od_json_parse(call->arena, version->extra, &before, &call->err);
    *out_changed = s == OD_OK && od_json_get_i64(&before, "update_job", -1) == end->id;
    if (!*out_changed)
        return s;
    version->extra = updated_extra(call, &before, end->id);
    return version->extra.ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

bool od_ending_waits(const struct ending *end, enum od_status s)
{
    if (end->waits)
        *end->waits = s == OD_IO;
    return end->waits && s == OD_IO;
}

enum od_status od_job_commit(struct od_call *call, const struct ending *end, bool changed,
                             struct od_resource *resource)
{
    struct od_store *store = call->app->store;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    if (changed)
        s = od_catalog_update(store, resource, &call->err);
    if (s == OD_OK)
        s = od_jobs_delete(store, end->id, &call->err);
    if (s == OD_OK)
        return od_store_commit(store, &call->err);
    od_store_rollback(store);
    return s;
}

/* What cannot be opened leaves things as they were: the version has the image that it had, and all
 * its campaigns serve that. */
static enum od_status take_back(struct od_call *call, struct od_str before,
                                struct od_resource *version)
{
    fprintf(stderr, "ondol: the update of %.*s cannot be opened: %s\n", OD_STR_ARG(version->arn),
            call->err.message);
    version->extra = before;
    enum od_status s = od_resource_save(call, version);
    return s == OD_OK ? od_campaigns_reopen(call, version) : s;
}

enum od_status od_update_end(struct od_call *call, const struct ending *end,
                             struct od_resource *version)
{
    struct od_str before = version->extra;
    bool changed;
    if (version->arn.ptr && end->status != OD_OK && end->status != OD_STOPPED)
        fprintf(stderr, "ondol: the automatic update of %.*s failed: %s\n", OD_STR_ARG(end->arn),
                end->err.message);
    enum od_status s = take_update(call, end, version, &changed);
    if (s == OD_OK)
        s = od_job_commit(call, end, changed, version);
    if (od_ending_waits(end, s))
        return s;
    od_runner_forget(call->app, end->id);
    if (s == OD_OK && changed && (s = od_campaigns_reopen(call, version)) != OD_OK)
        s = take_back(call, before, version);
    od_files_collect(call);
    return s;
}

/* One commit: the outcome, what it says of the solution (arn absent: nothing), an import's rows,
 * and the end of the job row. */
static enum od_status commit_outcome(struct od_call *call, const struct ending *end,
                                     struct od_resource *resource, struct od_resource *solution)
{
    struct od_store *store = call->app->store;
    bool known = resource->arn.ptr != NULL;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    if (known)
        s = od_catalog_update(store, resource, &call->err);
    if (s == OD_OK && solution->arn.ptr)
        s = od_catalog_update(store, solution, &call->err);
    if (s == OD_OK && known && end->status == OD_OK && end->bulk.path.ptr)
        s = od_bulk_add(store, &end->bulk, end->replace_all, &call->err);
    if (s == OD_OK && known && end->status == OD_OK)
        s = od_attribution_import_store(call->app, end->attribution, &call->err);
    if (s == OD_OK)
        s = od_jobs_delete(store, end->id, &call->err);
    if (s == OD_OK)
        s = od_store_commit(store, &call->err);
    else
        od_store_rollback(store);
    if (known && end->status == OD_OK)
        od_attribution_import_settle(call->app, end->attribution, s == OD_OK);
    return s;
}

static enum od_status after_outcome(struct od_call *call, const struct ending *end,
                                    struct od_resource *resource)
{
    enum od_status s = OD_OK;
    if (end->loading)
        s = od_load_end(call->app, end->loading, &call->err);
    else if (od_str_eq_c(resource->kind, od_kind_solution_version.name) &&
             od_str_eq_c(resource->status, "ACTIVE"))
        s = od_campaigns_follow(call, resource);
    od_files_collect(call);
    return s;
}

enum od_status od_job_end_on_store(struct od_app *app, void *context, struct od_error *err)
{
    struct ending *end = context;
    struct od_arena arena;
    struct od_call call;
    struct od_resource resource = {0}, solution = {0};
    od_arena_init(&arena, ARENA_MAX);
    od_call_internal(&call, app, &arena);
    const struct od_job_kind *kind;
    enum od_status s = find_kind(&call, end->id, &kind);
    bool whole = kind && kind->end;
    if (s == OD_OK)
        s = od_catalog_get(app->store, end->arn, &arena, &resource, &call.err);
    if (s == OD_NOT_FOUND)
        s = OD_OK; /* deleted meanwhile: only the job row is left to remove */
    else if (s == OD_OK && kind && !whole)
        s = set_outcome(&call, end, kind, &resource);
    if (whole) {
        if (s == OD_OK)
            s = kind->end(&call, end, &resource);
        else if (!od_ending_waits(end, s))
            od_runner_forget(app, end->id); /* the row stays: taken up at the next start */
        if (s != OD_OK)
            od_error_copy(err, &call.err);
        od_arena_done(&arena);
        return s;
    }
    resource.updated_ms = call.now_ms;
    if (s == OD_OK && resource.arn.ptr && od_str_eq_c(resource.status, "ACTIVE") &&
        od_str_eq_c(resource.kind, od_kind_solution_version.name))
        s = pack_choice(&call, &resource, &solution);
    solution.updated_ms = call.now_ms;
    if (s == OD_OK)
        s = commit_outcome(&call, end, &resource, &solution);
    if (!od_ending_waits(end, s)) {
        od_runner_forget(app, end->id);
        if (s == OD_OK && resource.arn.ptr)
            s = after_outcome(&call, end, &resource);
        else if (end->loading)
            od_load_abort(end->loading);
    }
    if (s != OD_OK)
        od_error_copy(err, &call.err);
    od_arena_done(&arena);
    return s;
}

void od_job_end(struct od_app *app, struct ending *end)
{
    struct od_error err;
    bool waits = false;
    enum od_status s;
    end->waits = &waits;
    do
        s = od_app_on_store(app, od_job_end_on_store, end, &err);
    while (waits && od_app_nap(app));
    if (waits) { /* the server stops: what was prepared goes, the row stays */
        end->waits = NULL;
        s = od_app_on_store(app, od_job_end_on_store, end, &err);
    }
    if (s != OD_OK)
        fprintf(stderr, "ondol: job %lld could not be ended: %s\n", (long long)end->id,
                err.message);
}

void od_job_fail(struct od_app *app, int64_t id, struct od_str arn, enum od_status status,
                 const struct od_error *err)
{
    struct ending end = {.id = id, .arn = arn, .status = status, .err = *err};
    od_job_end(app, &end);
}
