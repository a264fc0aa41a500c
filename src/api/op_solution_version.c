/* Solution versions: trainings, begun by hand or by schedule, stopped, and their metrics. */
#include "api/attach.h"
#include "api/ids.h"
#include "api/quota.h"
#include "api/runner.h"
#include "api/solution.h"

/* *out_base: the version to bring up to date; arn absent: the mode is FULL. */
static enum od_status check_mode(struct od_call *call, const struct od_resource *solution,
                                 struct od_str mode, struct od_resource *out_base)
{
    const struct od_recipe_spec *spec = NULL;
    struct od_personalize_solution_version value = {0};
    *out_base = (struct od_resource){0};
    if (!mode.ptr || od_str_eq_c(mode, "FULL"))
        return OD_OK;
    if (od_str_eq_c(mode, "AUTOTRAIN"))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "trainingMode AUTOTRAIN cannot be asked for; use FULL.");
    enum od_status s = od_solution_newest_full(call, solution->arn, out_base);
    if (s == OD_OK && out_base->arn.ptr)
        s = od_resource_read(call, &od_kind_solution_version, out_base, &value);
    if (s == OD_OK && out_base->arn.ptr)
        s = od_recipe_by_arn(call, value.recipe_arn, &spec);
    if (s == OD_OK && (!spec || !spec->supports_update))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "UPDATE needs an active solution version trained with FULL and a recipe "
                       "that supports it.");
    return s;
}

/* Of the version that an update starts from: its image, metrics and tuned values. */
static enum od_status note_base(struct od_call *call, const struct od_resource *base,
                                struct od_buf *extra)
{
    static const char *const kept[] = {"metrics", "tuned", "tuned_ms"};
    struct od_json json;
    enum od_status s = od_json_parse(call->arena, base->extra, &json, &call->err);
    if (s != OD_OK)
        return s;
    struct od_str image = od_json_get_str(&json, "image", OD_STR(""));
    od_buf_puts(extra, ",\"from\":{\"image\":");
    od_buf_json(extra, od_json_get_str(&json, "base", image));
    for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
        const struct od_json *value = od_json_get(&json, od_str_c(kept[i]));
        if (!value)
            continue;
        od_buf_printf(extra, ",\"%s\":", kept[i]);
        od_json_write(value, extra);
    }
    od_buf_char(extra, '}');
    return OD_OK;
}

/* What the training takes over of an earlier one: the recipe and values that were found. */
static enum od_status take_over(struct od_call *call, const struct od_resource *solution,
                                struct od_buf *extra)
{
    struct od_json earlier;
    bool found;
    enum od_status s = od_tuning_to_reuse(call, solution, &earlier, &found);
    if (s != OD_OK || !found)
        return s;
    od_buf_puts(extra, ",\"reuse\":{\"recipe\":");
    od_buf_json(extra, od_json_get_str(&earlier, "recipe", OD_STR("")));
    od_buf_printf(extra, ",\"tuned_ms\":%lld,\"tuned\":",
                  (long long)od_json_get_i64(&earlier, "tuned_ms", 0));
    od_json_write(od_json_get(&earlier, OD_STR("tuned")), extra);
    od_buf_char(extra, '}');
    return OD_OK;
}

/* Where the log of a group's dataset ends; 0 without the dataset. */
static enum od_status last_seq(struct od_call *call, struct od_str group, enum od_dataset_type type,
                               int64_t *out)
{
    struct od_dataset_info info;
    int64_t event_seq, record_seq;
    *out = 0;
    enum od_status s = od_group_dataset(call, group, type, &info);
    if (s != OD_OK || !info.arn.ptr)
        return s;
    s = od_events_last_seq(od_store_as_reader(call->app->store), info.arn, &event_seq, &record_seq,
                           &call->err);
    if (s == OD_OK)
        *out = od_dataset_of_events(type) ? event_seq : record_seq;
    return s;
}

enum od_status od_data_marks(struct od_call *call, struct od_str group, int64_t *out_event_seq,
                             int64_t *out_record_seq)
{
    enum od_status s = last_seq(call, group, OD_INTERACTIONS, out_event_seq);
    if (s == OD_OK)
        s = last_seq(call, group, OD_ITEMS, out_record_seq);
    return s;
}

/* How far the event log had come, which tells automatic training later what is new; and, for an
 * automatic training that would be tuned, what to reuse. */
static enum od_status note_progress(struct od_call *call, const struct od_resource *solution,
                                    bool may_reuse, const struct od_resource *base,
                                    struct od_resource *resource)
{
    static const struct {
        enum od_dataset_type type;
        const char *name;
    } noted[] = {{OD_INTERACTIONS, "event_seq"},
                 {OD_ITEMS, "record_seq"},
                 {OD_ACTION_INTERACTIONS, "action_event_seq"},
                 {OD_ACTIONS, "action_record_seq"}};
    struct od_buf extra;
    enum od_status s = OD_OK;
    od_buf_init(&extra, 1u << 20);
    for (size_t i = 0; s == OD_OK && i < sizeof noted / sizeof *noted; i++) {
        int64_t seq;
        s = last_seq(call, resource->group, noted[i].type, &seq);
        od_buf_printf(&extra, "%c\"%s\":%lld", i ? ',' : '{', noted[i].name, (long long)seq);
    }
    if (s != OD_OK) {
        od_buf_done(&extra);
        return s;
    }
    if (base)
        s = note_base(call, base, &extra);
    else if (may_reuse)
        s = take_over(call, solution, &extra);
    od_buf_char(&extra, '}');
    resource->extra = od_arena_str(call->arena, od_buf_view(&extra));
    if (s == OD_OK && (od_buf_status(&extra) != OD_OK || !resource->extra.ptr))
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_done(&extra);
    return s;
}

/* Version and job row in one transaction. */
static enum od_status insert(struct od_call *call,
                             const struct od_personalize_solution_version *value,
                             const struct od_personalize_tags *tags, struct od_resource *resource,
                             int64_t *job)
{
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_resource_insert(call, &od_kind_solution_version, value, tags, resource);
    if (s == OD_OK)
        s = od_runner_add(call, "train", resource->arn, job);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_solution_train(struct od_call *call, const struct od_resource *solution,
                                 struct od_str name, const char *training_type,
                                 const struct od_resource *base,
                                 const struct od_personalize_tags *tags, struct od_str *out_arn)
{
    struct od_personalize_solution from = {0};
    struct od_personalize_solution_version value = {0};
    enum od_status s = od_resource_read(call, &od_kind_solution, solution, &from);
    if (s != OD_OK)
        return s;
    struct od_str id = od_new_hex8(call->app->io, call->arena);
    struct od_resource resource = {
        .name = od_arena_printf(call->arena, "%.*s/%.*s", OD_STR_ARG(solution->name),
                                OD_STR_ARG(name.ptr ? name : id)),
        .arn = od_arena_printf(call->arena, "%.*s/%.*s", OD_STR_ARG(solution->arn), OD_STR_ARG(id)),
        .parent = solution->arn,
        .group = solution->group,
        .status = OD_STR("CREATE PENDING"),
    };
    if (!id.ptr || !resource.name.ptr || !resource.arn.ptr)
        return od_fail(&call->err, OD_INTERNAL, "No fresh identifier could be made.");
    od_api_copy(od_kind_solution_version.shape, &value, od_kind_solution.shape, &from);
    value.name = resource.name;
    value.solution_version_arn = resource.arn;
    value.training_mode = base ? OD_STR("UPDATE") : OD_STR("FULL");
    value.training_type = od_str_c(training_type);
    int64_t job;
    bool tunes = from.perform_hpo.value || from.perform_auto_ml.value;
    bool automatic = od_str_eq_c(value.training_type, "AUTOMATIC");
    s = note_progress(call, solution, tunes && automatic, base, &resource);
    if (s == OD_OK && base) {
        struct od_personalize_solution_version before = {0};
        s = od_resource_read(call, &od_kind_solution_version, base, &before);
        value.recipe_arn = before.recipe_arn;
    }
    if (s == OD_OK)
        s = insert(call, &value, tags, &resource, &job);
    if (s != OD_OK)
        return s;
    od_runner_go(call->app, job, "train", resource.arn);
    *out_arn = resource.arn;
    return OD_OK;
}

/* A caller's name may serve one version of the solution only. */
static enum od_status check_name(struct od_call *call, const struct od_resource *solution,
                                 struct od_str name)
{
    struct od_resource *versions;
    size_t count;
    struct od_str full =
        od_arena_printf(call->arena, "%.*s/%.*s", OD_STR_ARG(solution->name), OD_STR_ARG(name));
    enum od_status s = name.ptr ? od_resource_list(call, &od_kind_solution_version, solution->arn,
                                                   OD_STR_NONE, OD_STR_NONE, &versions, &count)
                                : OD_OK;
    for (size_t i = 0; name.ptr && s == OD_OK && i < count; i++)
        if (od_str_eq(versions[i].name, full))
            s = od_fail(&call->err, OD_EXISTS,
                        "Another solution version with Arn %.*s already exists.",
                        OD_STR_ARG(versions[i].arn));
    return s;
}

enum od_status od_op_create_solution_version(struct od_call *call)
{
    const struct od_personalize_create_solution_version_request *in =
        OD_IN(call, create_solution_version_request);
    struct od_resource solution, base;
    enum od_status s = od_resource_get(call, &od_kind_solution, in->solution_arn, &solution);
    if (s == OD_OK)
        s = od_resource_active(call, &solution);
    if (s == OD_OK)
        s = check_mode(call, &solution, in->training_mode, &base);
    if (s == OD_OK)
        s = check_name(call, &solution, in->name);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_SOLUTION_VERSIONS, OD_STR_NONE);
    if (s == OD_OK)
        s = od_solution_train(
            call, &solution, in->name, "MANUAL", base.arn.ptr ? &base : NULL, &in->tags,
            &OD_OUT(call, create_solution_version_response)->solution_version_arn);
    return s;
}

enum od_status od_op_stop_solution_version_creation(struct od_call *call)
{
    struct od_str arn = OD_IN(call, stop_solution_version_creation_request)->solution_version_arn;
    struct od_resource version;
    enum od_status s = od_resource_get(call, &od_kind_solution_version, arn, &version);
    if (s != OD_OK)
        return s;
    bool pending = od_str_eq_c(version.status, "CREATE PENDING");
    if (!pending && !od_str_eq_c(version.status, "CREATE IN_PROGRESS"))
        return od_fail(&call->err, OD_IN_USE, "%.*s is in %.*s state.", OD_STR_ARG(arn),
                       OD_STR_ARG(version.status));
    version.status = pending ? OD_STR("CREATE STOPPED") : OD_STR("CREATE STOPPING");
    s = od_resource_save(call, &version);
    if (s == OD_OK)
        od_runner_stop(call->app, arn); /* a job not yet submitted sees the status when it starts */
    return s;
}

enum od_status od_training_metrics(struct od_call *call, const struct od_json *extra,
                                   struct od_api_double_map *out)
{
    const struct od_json *metrics = od_json_get(extra, OD_STR("metrics"));
    size_t count = metrics && metrics->kind == OD_JSON_OBJECT ? metrics->count : 0;
    if (!metrics)
        return OD_OK;
    out->items = OD_NEW_ARRAY(call->arena, struct od_api_double_entry, count);
    if (!out->items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    out->count = count;
    for (size_t i = 0; i < count; i++)
        out->items[i] =
            (struct od_api_double_entry){metrics->members[i].key, metrics->members[i].value.number};
    return OD_OK;
}

enum od_status od_op_get_solution_metrics(struct od_call *call)
{
    struct od_str arn = OD_IN(call, get_solution_metrics_request)->solution_version_arn;
    struct od_personalize_get_solution_metrics_response *out =
        OD_OUT(call, get_solution_metrics_response);
    struct od_resource version;
    struct od_json extra;
    enum od_status s = od_resource_get(call, &od_kind_solution_version, arn, &version);
    if (s == OD_OK)
        s = od_resource_active(call, &version);
    if (s == OD_OK)
        s = od_json_parse(call->arena, version.extra, &extra, &call->err);
    if (s != OD_OK)
        return s;
    out->solution_version_arn = arn;
    return od_training_metrics(call, &extra, &out->metrics);
}
