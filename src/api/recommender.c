/* The training life of a recommender: see recommender.h.
 *
 * The job kind "recommend" serves the first training, the one that an update with other columns
 * asks for, and the weekly one (recipes.md section 10). Which it is follows from the resource: one
 * that is being created becomes ACTIVE or CREATE FAILED; an update under way gets that status in
 * latestRecommenderUpdate, while the old model serves on; otherwise a failure is only told to the
 * log, and tried again a week later. */
#include "api/recommender.h"

#include <stdio.h>

#include "api/attach.h"
#include "api/files.h"

#define EXTRA_MAX (1u << 20)

static bool is_being_created(const struct od_resource *resource)
{
    return od_str_eq_c(resource->status, "CREATE PENDING") ||
           od_str_eq_c(resource->status, "CREATE IN_PROGRESS");
}

struct od_personalize_recommender_update_summary *
od_recommender_updating(const struct od_personalize_recommender *value)
{
    struct od_personalize_recommender_update_summary *update = value->latest_recommender_update;
    bool under_way = update && (od_str_eq_c(update->status, "CREATE PENDING") ||
                                od_str_eq_c(update->status, "CREATE IN_PROGRESS"));
    return under_way ? update : NULL;
}

enum od_status od_recommender_extra(struct od_call *call, const struct od_resource *resource,
                                    struct od_json *out)
{
    return od_json_parse(call->arena, resource->extra.len ? resource->extra : OD_STR("{}"), out,
                         &call->err);
}

/* The text that ends up in extra; OD_NO_MEMORY when it did not fit. */
static enum od_status take_extra(struct od_call *call, struct od_buf *text,
                                 struct od_resource *resource)
{
    enum od_status s = od_buf_status(text);
    if (s == OD_OK)
        resource->extra = od_arena_str(call->arena, od_buf_view(text));
    od_buf_done(text);
    return s == OD_OK && resource->extra.ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

/* ---- a recommender as a version ---- */

static enum od_status as_version(struct od_call *call, const struct od_resource *resource,
                                 bool in_place, struct od_personalize_solution_version *out)
{
    struct od_personalize_recommender value = {0};
    const struct od_recipe_spec *spec;
    struct od_json extra;
    struct od_personalize_solution_config *config =
        OD_NEW(call->arena, struct od_personalize_solution_config);
    if (!config)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_resource_read(call, &od_kind_recommender, resource, &value);
    if (s == OD_OK)
        s = od_recipe_by_arn(call, value.recipe_arn, &spec);
    if (s == OD_OK)
        s = od_recommender_extra(call, resource, &extra);
    if (s != OD_OK)
        return s;
    const struct od_json *training = in_place ? NULL : od_json_get(&extra, OD_STR("training"));
    const struct od_json *columns = od_json_get(training ? training : &extra, OD_STR("columns"));
    if (columns)
        s = od_columns_config(call, columns, &config->training_data_config);
    if (s != OD_OK)
        return s;
    *out = (struct od_personalize_solution_version){
        .name = value.name,
        .solution_version_arn = resource->arn,
        .recipe_arn = value.recipe_arn,
        .event_type = od_str_c(spec->event),
        .dataset_group_arn = value.dataset_group_arn,
        .solution_config = config,
        .training_mode = OD_STR("FULL"),
    };
    return OD_OK;
}

enum od_status od_version_read(struct od_call *call, const struct od_resource *resource,
                               bool in_place, struct od_personalize_solution_version *out)
{
    if (od_str_eq_c(resource->kind, od_kind_recommender.name))
        return as_version(call, resource, in_place, out);
    return od_resource_read(call, &od_kind_solution_version, resource, out);
}

/* ---- beginning ---- */

static const char *const training_key[] = {"training", NULL};

enum od_status od_recommender_train(struct od_call *call, struct od_resource *resource,
                                    struct od_str columns, int64_t *out_job)
{
    struct od_json extra;
    struct od_buf text;
    int64_t events, records;
    enum od_status s = od_recommender_extra(call, resource, &extra);
    if (s == OD_OK)
        s = od_data_marks(call, resource->group, &events, &records);
    if (s == OD_OK)
        s = od_runner_add(call, "recommend", resource->arn, out_job);
    if (s != OD_OK)
        return s;
    od_buf_init(&text, EXTRA_MAX);
    od_buf_printf(&text,
                  "{\"training\":{\"job\":%lld,\"event_seq\":%lld,\"record_seq\":%lld,"
                  "\"begun_ms\":%lld,\"columns\":%.*s}",
                  (long long)*out_job, (long long)events, (long long)records,
                  (long long)call->now_ms, OD_STR_ARG(columns));
    od_json_write_others(&extra, training_key, &text);
    od_buf_char(&text, '}');
    return take_extra(call, &text, resource);
}

void od_recommender_go(struct od_call *call, const struct od_resource *resource, int64_t job)
{
    od_runner_go(call->app, job, "recommend", resource->arn);
}

enum od_status od_recommender_forget_training(struct od_call *call, struct od_resource *resource)
{
    const char *left_out[16] = {"training", "tried_ms"};
    struct od_json extra;
    struct od_buf text;
    bool updating;
    enum od_status s = od_recommender_extra(call, resource, &extra);
    if (s == OD_OK)
        s = od_update_under_way(call, &extra, &updating);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; updating && od_update_marks[i]; i++)
        left_out[2 + i] = od_update_marks[i];
    od_runner_stop(call->app, resource->arn); /* one not yet started sees that it is void */
    od_buf_init(&text, EXTRA_MAX);
    od_buf_printf(&text, "{\"tried_ms\":%lld", (long long)od_json_get_i64(&extra, "tried_ms", 0));
    od_json_write_others(&extra, left_out, &text);
    od_buf_char(&text, '}');
    return take_extra(call, &text, resource);
}

/* The job whose ending the recommender waits for; -1: none. */
static int64_t awaited_job(const struct od_json *extra)
{
    return od_json_get_i64(od_json_get(extra, OD_STR("training")), "job", -1);
}

enum od_status od_recommender_began(struct od_call *call, int64_t job_id,
                                    struct od_resource *resource, bool *out_go)
{
    struct od_json extra;
    struct od_personalize_recommender value = {0};
    enum od_status s = od_recommender_extra(call, resource, &extra);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_recommender, resource, &value);
    if (s != OD_OK)
        return s;
    *out_go = awaited_job(&extra) == job_id;
    if (!*out_go)
        return OD_OK;
    struct od_personalize_recommender_update_summary *update = od_recommender_updating(&value);
    if (is_being_created(resource)) {
        resource->status = OD_STR("CREATE IN_PROGRESS");
        resource->updated_ms = call->now_ms;
    } else if (update) {
        update->status = OD_STR("CREATE IN_PROGRESS");
        update->last_updated_date_time = (struct od_opt_i64){true, call->now_ms};
    }
    return od_resource_pack(call, &od_kind_recommender, &value, resource);
}

enum od_status od_recommender_training(struct od_call *call, struct od_str group,
                                       struct od_resource *out)
{
    struct od_resource *list;
    size_t count;
    *out = (struct od_resource){0};
    enum od_status s = od_resource_list(call, &od_kind_recommender, OD_STR_NONE, group, OD_STR_NONE,
                                        &list, &count);
    for (size_t i = 0; s == OD_OK && i < count && !out->arn.ptr; i++) {
        struct od_json extra;
        s = od_recommender_extra(call, &list[i], &extra);
        if (s == OD_OK && awaited_job(&extra) >= 0)
            *out = list[i];
    }
    return s;
}

/* ---- ending ---- */

/* extra once a training has succeeded. */
static enum od_status note_success(struct od_call *call, const struct ending *end,
                                   const struct od_json *training, struct od_resource *resource)
{
    struct od_str text;
    struct od_json trained;
    struct od_buf extra;
    enum od_status s = od_training_extra(call, training, end->result, end->id, &text);
    if (s == OD_OK)
        s = od_json_parse(call->arena, text, &trained, &call->err);
    if (s != OD_OK)
        return s;
    od_buf_init(&extra, EXTRA_MAX);
    od_buf_printf(&extra, "{\"begun_ms\":%lld,\"columns\":",
                  (long long)od_json_get_i64(training, "begun_ms", call->now_ms));
    od_json_write(od_json_get(training, OD_STR("columns")), &extra);
    od_json_write_others(&trained, (const char *const[]){NULL}, &extra);
    od_buf_char(&extra, '}');
    return take_extra(call, &extra, resource);
}

static void close_update(struct od_call *call, struct od_personalize_recommender *value,
                         const struct ending *end)
{
    struct od_personalize_recommender_update_summary *update = od_recommender_updating(value);
    if (!update)
        return;
    update->last_updated_date_time = (struct od_opt_i64){true, call->now_ms};
    if (end->status == OD_OK) {
        update->status = OD_STR("ACTIVE");
        value->recommender_config = update->recommender_config;
    } else {
        update->status = OD_STR("CREATE FAILED");
        update->failure_reason = od_str_c(end->err.message);
    }
}

/* extra without the training, and when it was tried. */
static enum od_status note_failure(struct od_call *call, const struct od_json *extra,
                                   struct od_resource *resource)
{
    const struct od_json *training = od_json_get(extra, OD_STR("training"));
    struct od_buf text;
    od_buf_init(&text, EXTRA_MAX);
    od_buf_printf(&text, "{\"tried_ms\":%lld",
                  (long long)od_json_get_i64(training, "begun_ms", call->now_ms));
    od_json_write_others(extra, (const char *const[]){"training", "tried_ms", NULL}, &text);
    od_buf_char(&text, '}');
    return take_extra(call, &text, resource);
}

/* The recommender as the ending leaves it. */
static enum od_status set_outcome(struct od_call *call, const struct ending *end,
                                  const struct od_json *extra, struct od_resource *resource)
{
    struct od_personalize_recommender value = {0};
    enum od_status s = od_resource_read(call, &od_kind_recommender, resource, &value);
    if (s != OD_OK)
        return s;
    bool first = is_being_created(resource), update = od_recommender_updating(&value) != NULL;
    close_update(call, &value, end);
    if (end->status == OD_OK) {
        s = note_success(call, end, od_json_get(extra, OD_STR("training")), resource);
        resource->status = OD_STR("ACTIVE");
        resource->failure_reason = OD_STR_NONE;
    } else {
        s = note_failure(call, extra, resource);
        if (first) {
            resource->status = OD_STR("CREATE FAILED");
            resource->failure_reason = od_str_c(end->err.message);
        } else if (!update) {
            fprintf(stderr, "ondol: the weekly training of %.*s failed: %s\n", OD_STR_ARG(end->arn),
                    end->err.message);
        }
    }
    resource->updated_ms = call->now_ms;
    return s == OD_OK ? od_resource_pack(call, &od_kind_recommender, &value, resource) : s;
}

/* A model that cannot be opened is a training that failed: who had a model before goes on with it.
 */
static enum od_status serve_or_fail(struct od_call *call, const struct ending *end,
                                    const struct od_json *extra, const struct od_resource *before,
                                    struct od_resource *resource)
{
    struct ending failed = *end;
    failed.status = od_recommender_attach(call, resource);
    if (failed.status == OD_OK)
        return OD_OK;
    failed.err = call->err;
    *resource = *before;
    enum od_status s = set_outcome(call, &failed, extra, resource);
    if (!od_recommender_has_model(call, resource))
        od_detach_campaign(call->app, resource->arn);
    return s == OD_OK ? od_resource_save(call, resource) : s;
}

enum od_status od_recommender_end(struct od_call *call, const struct ending *end,
                                  struct od_resource *resource)
{
    struct od_json extra;
    struct od_resource before = *resource;
    bool awaited = false;
    enum od_status s = OD_OK;
    if (resource->arn.ptr) {
        s = od_recommender_extra(call, resource, &extra);
        awaited = s == OD_OK && awaited_job(&extra) == end->id;
    }
    if (awaited)
        s = set_outcome(call, end, &extra, resource);
    if (s == OD_OK)
        s = od_job_commit(call, end, awaited, resource);
    if (od_ending_waits(end, s))
        return s;
    od_runner_forget(call->app, end->id);
    if (s == OD_OK && awaited && end->status == OD_OK)
        s = serve_or_fail(call, end, &extra, &before, resource);
    od_files_collect(call);
    return s;
}

/* ---- serving ---- */

bool od_recommender_has_model(struct od_call *call, const struct od_resource *resource)
{
    struct od_json extra;
    return od_recommender_extra(call, resource, &extra) == OD_OK &&
           od_json_get_str(&extra, "image", OD_STR("")).len > 0;
}

enum od_status od_recommender_attach(struct od_call *call, const struct od_resource *resource)
{
    struct od_personalize_recommender value = {0};
    struct od_personalize_campaign_config config = {0};
    int64_t least = 1;
    enum od_status s = od_resource_read(call, &od_kind_recommender, resource, &value);
    if (s != OD_OK)
        return s;
    if (value.recommender_config) {
        const struct od_personalize_recommender_config *from = value.recommender_config;
        config.item_exploration_config = from->item_exploration_config;
        config.enable_metadata_with_recommendations = from->enable_metadata_with_recommendations;
        if (from->min_recommendation_requests_per_second.set)
            least = from->min_recommendation_requests_per_second.value;
    }
    return od_attach_campaign(call, resource->arn, resource->group, resource, &config, least);
}

enum od_status od_recommender_decorate(struct od_call *call, const struct od_resource *resource,
                                       void *value)
{
    struct od_personalize_recommender *recommender = value;
    struct od_json extra;
    enum od_status s = od_recommender_extra(call, resource, &extra);
    return s == OD_OK ? od_training_metrics(call, &extra, &recommender->model_metrics) : s;
}
