/* Solutions: a recipe and its configuration for a dataset group. */
#include "api/solution.h"

#include "api/attach.h"
#include "api/files.h"
#include "api/quota.h"

#define RECIPE_PREFIX "arn:aws:personalize:::recipe/"

enum od_status od_recipe_by_arn(struct od_call *call, struct od_str arn,
                                const struct od_recipe_spec **out)
{
    *out = NULL;
    enum od_status s = od_arn_check(call, arn, "recipe", "recipe");
    if (s != OD_OK)
        return s;
    if (od_str_starts(arn, OD_STR(RECIPE_PREFIX)))
        *out = od_recipe_spec_find(od_str_sub(arn, sizeof RECIPE_PREFIX - 1, arn.len));
    return *out ? OD_OK
                : od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                          OD_STR_ARG(arn));
}

static enum od_status find_recipe(struct od_call *call,
                                  const struct od_personalize_create_solution_request *in,
                                  const struct od_recipe_spec **spec)
{
    if (!in->recipe_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT, "recipeArn is required.");
    enum od_status s = od_recipe_by_arn(call, in->recipe_arn, spec);
    if (s != OD_OK)
        return s;
    if ((*spec)->domain)
        return od_fail(&call->err, OD_INVALID_INPUT, "Recipe %.*s cannot be used here.",
                       OD_STR_ARG(in->recipe_arn));
    return OD_OK;
}

/* Of solutionConfig only autoMLConfig is looked at (recipes.md section 3), and the schedule. */
static enum od_status check_auto_ml(struct od_call *call,
                                    const struct od_personalize_create_solution_request *in)
{
    const struct od_personalize_solution_config *config = in->solution_config;
    int64_t days;
    if (in->recipe_arn.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "recipeArn must be omitted when performAutoML is true.");
    enum od_status s = od_automl_check(call, config ? config->auto_ml_config : NULL);
    return s == OD_OK && config ? od_schedule_check(call, config->auto_training_config, &days) : s;
}

static enum od_status check_request(struct od_call *call,
                                    const struct od_personalize_create_solution_request *in,
                                    struct od_str arn)
{
    const struct od_recipe_spec *spec;
    struct od_resource group;
    enum od_status s = od_resource_absent(call, &od_kind_solution, arn);
    if (s == OD_OK)
        s = od_resource_get(call, &od_kind_dataset_group, in->dataset_group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s == OD_OK && in->perform_auto_ml.value)
        s = check_auto_ml(call, in);
    else if (s == OD_OK)
        s = find_recipe(call, in, &spec);
    if (s == OD_OK && !in->perform_auto_ml.value)
        s = od_solution_check(call, in, spec);
    return s == OD_OK ? od_quota_check(call, OD_QUOTA_SOLUTIONS, in->dataset_group_arn) : s;
}

/* The columns of the group's datasets now, by type: a schema's later ones are for later solutions
 * (recipes.md section 3). Kept as "columns" in extra, read by prepare.c. */
static enum od_status note_columns(struct od_call *call, struct od_resource *resource)
{
    struct od_buf text;
    enum od_status s = OD_OK;
    bool any = false;
    od_buf_init(&text, 1u << 20);
    od_buf_puts(&text, "{\"columns\":{");
    for (int t = OD_INTERACTIONS; s == OD_OK && t < OD_DATASET_TYPES; t++) {
        struct od_dataset_info info;
        s = od_group_dataset(call, resource->group, (enum od_dataset_type)t, &info);
        if (s != OD_OK || !info.schema)
            continue;
        od_buf_printf(&text, "%s\"%s\":[", any ? "," : "",
                      od_dataset_type_name((enum od_dataset_type)t));
        for (size_t f = 0; f < info.schema->field_count; f++) {
            od_buf_puts(&text, f ? "," : "");
            od_buf_json(&text, info.schema->fields[f].name);
        }
        od_buf_char(&text, ']');
        any = true;
    }
    od_buf_puts(&text, "}}");
    if (s == OD_OK && od_buf_status(&text) == OD_OK)
        resource->extra = od_arena_str(call->arena, od_buf_view(&text));
    if (s == OD_OK && !resource->extra.ptr)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_done(&text);
    return s;
}

enum od_status od_op_create_solution(struct od_call *call)
{
    const struct od_personalize_create_solution_request *in = OD_IN(call, create_solution_request);
    struct od_resource resource = {.name = in->name,
                                   .arn =
                                       od_call_arn(call, &od_kind_solution, in->name, OD_STR_NONE),
                                   .group = in->dataset_group_arn,
                                   .status = OD_STR("ACTIVE")};
    enum od_status s = check_request(call, in, resource.arn);
    if (s == OD_OK)
        s = note_columns(call, &resource);
    if (s != OD_OK)
        return s;
    struct od_personalize_solution value = {
        .name = in->name,
        .solution_arn = resource.arn,
        .perform_hpo = {true, in->perform_hpo.value},
        .perform_auto_ml = {true, in->perform_auto_ml.value},
        .perform_auto_training = {true, !in->perform_auto_training.set ||
                                            in->perform_auto_training.value},
        .perform_incremental_update = in->perform_incremental_update,
        .recipe_arn = in->recipe_arn,
        .dataset_group_arn = in->dataset_group_arn,
        .event_type = in->event_type,
        .solution_config = in->solution_config,
    };
    s = od_resource_create(call, &od_kind_solution, &value, &in->tags, &resource);
    OD_OUT(call, create_solution_response)->solution_arn = resource.arn;
    return s;
}

enum od_status od_solution_decorate(struct od_call *call, const struct od_resource *resource,
                                    void *value)
{
    struct od_personalize_solution *solution = value;
    struct od_resource *versions;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_solution_version, resource->arn, OD_STR_NONE,
                                        OD_STR_NONE, &versions, &count);
    if (s != OD_OK || count == 0)
        return s;
    struct od_personalize_solution_version full = {0};
    struct od_personalize_solution_version_summary *summary =
        OD_NEW(call->arena, struct od_personalize_solution_version_summary);
    if (!summary)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    s = od_resource_read(call, &od_kind_solution_version, &versions[count - 1], &full);
    if (s == OD_OK)
        od_api_copy(od_kind_solution_version.summary, summary, od_kind_solution_version.shape,
                    &full);
    solution->latest_solution_version = summary;
    return s;
}

/* The new settings take effect at once; the record of the update stays with the solution. */
static enum od_status apply_update(struct od_call *call,
                                   const struct od_personalize_update_solution_request *in,
                                   struct od_personalize_solution *value)
{
    struct od_personalize_solution_update_summary *update =
        OD_NEW(call->arena, struct od_personalize_solution_update_summary);
    struct od_personalize_solution_config *config =
        OD_NEW(call->arena, struct od_personalize_solution_config);
    if (!update || !config)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    *update = (struct od_personalize_solution_update_summary){
        .solution_update_config = in->solution_update_config,
        .status = OD_STR("ACTIVE"),
        .perform_auto_training = in->perform_auto_training,
        .perform_incremental_update = in->perform_incremental_update,
        .creation_date_time = {true, call->now_ms},
        .last_updated_date_time = {true, call->now_ms},
    };
    value->latest_solution_update = update;
    if (in->perform_auto_training.set)
        value->perform_auto_training = in->perform_auto_training;
    if (in->perform_incremental_update.set)
        value->perform_incremental_update = in->perform_incremental_update;
    const struct od_personalize_solution_update_config *changes = in->solution_update_config;
    if (value->solution_config)
        *config = *value->solution_config;
    if (changes && changes->auto_training_config)
        config->auto_training_config = changes->auto_training_config;
    if (changes && changes->events_config)
        config->events_config = changes->events_config;
    if (changes)
        value->solution_config = config;
    return OD_OK;
}

/* Stands for whatever AutoML chooses: it has none of the options that hang on a recipe. */
static const struct od_recipe_spec no_recipe = {.name = "AutoML"};

static enum od_status check_update(struct od_call *call,
                                   const struct od_personalize_update_solution_request *in,
                                   const struct od_personalize_solution *value)
{
    const struct od_recipe_spec *spec = &no_recipe;
    int64_t days;
    enum od_status s =
        value->recipe_arn.ptr ? od_recipe_by_arn(call, value->recipe_arn, &spec) : OD_OK;
    if (s != OD_OK)
        return s;
    if (in->perform_incremental_update.value && !spec->incremental_update)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "performIncrementalUpdate is not supported by recipe %s.", spec->name);
    const struct od_personalize_solution_update_config *changes = in->solution_update_config;
    if (changes && changes->events_config) {
        if (value->event_type.ptr ||
            (value->solution_config && value->solution_config->event_value_threshold.ptr))
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "eventsConfig cannot be used together with eventType or "
                           "eventValueThreshold.");
        s = od_events_config_check(call, value->dataset_group_arn, changes->events_config, spec);
        if (s != OD_OK)
            return s;
    }
    return in->solution_update_config
               ? od_schedule_check(call, in->solution_update_config->auto_training_config, &days)
               : OD_OK;
}

/* Notes that the training rate is another one from now on: auto_training.c. */
static enum od_status note_rate(struct od_call *call, int64_t before, int64_t days,
                                struct od_resource *resource)
{
    struct od_json old;
    struct od_buf text;
    if (before == days)
        return OD_OK;
    enum od_status s = od_json_parse(
        call->arena, resource->extra.len ? resource->extra : OD_STR("{}"), &old, &call->err);
    if (s != OD_OK)
        return s;
    od_buf_init(&text, 1u << 20);
    od_buf_printf(&text, "{\"rate_ms\":%lld", (long long)call->now_ms);
    od_json_write_others(&old, (const char *const[]){"rate_ms", NULL}, &text);
    od_buf_char(&text, '}');
    resource->extra =
        od_buf_status(&text) == OD_OK ? od_arena_str(call->arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return resource->extra.ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static enum od_status rate_of(struct od_call *call, const struct od_personalize_solution *value,
                              int64_t *out_days)
{
    const struct od_personalize_solution_config *config = value->solution_config;
    return od_schedule_check(call, config ? config->auto_training_config : NULL, out_days);
}

enum od_status od_op_update_solution(struct od_call *call)
{
    int64_t before, days;
    const struct od_personalize_update_solution_request *in = OD_IN(call, update_solution_request);
    struct od_resource resource;
    struct od_personalize_solution value = {0};
    enum od_status s = od_resource_get(call, &od_kind_solution, in->solution_arn, &resource);
    if (s == OD_OK)
        s = od_resource_active(call, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_solution, &resource, &value);
    if (s == OD_OK)
        s = check_update(call, in, &value);
    if (s == OD_OK)
        s = rate_of(call, &value, &before);
    if (s == OD_OK)
        s = apply_update(call, in, &value);
    if (s == OD_OK)
        s = rate_of(call, &value, &days);
    if (s == OD_OK)
        s = note_rate(call, before, days, &resource);
    if (s == OD_OK)
        s = od_resource_pack(call, &od_kind_solution, &value, &resource);
    if (s == OD_OK)
        s = od_resource_save(call, &resource);
    OD_OUT(call, update_solution_response)->solution_arn = in->solution_arn;
    return s;
}

static enum od_status check_unused(struct od_call *call, struct od_str arn)
{
    static const char *const states[] = {"CREATE PENDING", "CREATE IN_PROGRESS", "CREATE STOPPING"};
    const struct od_resource *user;
    enum od_status s =
        od_resource_any(call, &od_kind_campaign, arn, OD_STR_NONE, OD_STR_NONE, &user);
    if (s == OD_OK && user)
        return od_fail(&call->err, OD_IN_USE, "Solution %.*s is used by campaign %.*s.",
                       OD_STR_ARG(arn), OD_STR_ARG(user->arn));
    for (size_t i = 0; s == OD_OK && i < 3; i++) {
        s = od_resource_any(call, &od_kind_solution_version, arn, OD_STR_NONE, od_str_c(states[i]),
                            &user);
        if (s == OD_OK && user)
            return od_fail(&call->err, OD_IN_USE, "Solution %.*s has a version in %s state: %.*s.",
                           OD_STR_ARG(arn), states[i], OD_STR_ARG(user->arn));
    }
    return s;
}

static enum od_status remove_all(struct od_call *call, struct od_str arn)
{
    struct od_resource *versions;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_solution_version, arn, OD_STR_NONE,
                                        OD_STR_NONE, &versions, &count);
    if (s == OD_OK)
        s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = od_catalog_delete(call->app->store, versions[i].arn, &call->err);
    if (s == OD_OK)
        s = od_catalog_delete(call->app->store, arn, &call->err);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_delete_solution(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_solution_request)->solution_arn;
    struct od_resource solution;
    enum od_status s = od_resource_get(call, &od_kind_solution, arn, &solution);
    if (s == OD_OK)
        s = check_unused(call, arn);
    if (s == OD_OK)
        s = remove_all(call, arn);
    if (s == OD_OK)
        od_files_collect(call);
    return s;
}
