/* Recommenders: the use cases of a domain, trained and served as one resource. What happens around
 * a training is in recommender.c; here is what a client may ask for, and when (api.md section 10).
 *
 * Starting, stopping and an update that trains nothing are done when they are answered, as with
 * campaigns. */
#include "api/attach.h"
#include "api/capacity.h"
#include "api/files.h"
#include "api/quota.h"
#include "api/recommender.h"

/* ---- what may be asked for ---- */

static enum od_status check_recipe(struct od_call *call, struct od_str recipe_arn,
                                   struct od_str group_domain, const struct od_recipe_spec **spec)
{
    enum od_status s = od_recipe_by_arn(call, recipe_arn, spec);
    if (s != OD_OK)
        return s;
    if (!(*spec)->domain || !od_str_eq_c(group_domain, (*spec)->domain))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Recipe %.*s cannot be used here. A recommender needs a recipe of the "
                       "domain of its dataset group.",
                       OD_STR_ARG(recipe_arn));
    return OD_OK;
}

static enum od_status check_config(struct od_call *call, struct od_str group,
                                   const struct od_recipe_spec *spec,
                                   const struct od_personalize_recommender_config *config)
{
    if (!config)
        return OD_OK;
    /* EVENT_TYPE tells what the use case learns from: its columns are checked as those of a
     * solution that names an event type */
    struct od_personalize_solution_config training = {.training_data_config =
                                                          config->training_data_config};
    struct od_personalize_create_solution_request as_solution = {
        .dataset_group_arn = group,
        .event_type = od_str_c(spec->event),
        .solution_config = &training,
    };
    enum od_status s = od_exploration_check(call, &config->item_exploration_config, spec);
    return s == OD_OK ? od_training_data_check(call, &as_solution) : s;
}

static struct od_personalize_training_data_config *
training_data(const struct od_personalize_recommender_config *config)
{
    return config ? config->training_data_config : NULL;
}

/* *out_columns: what it is trained on. */
static enum od_status check_create(struct od_call *call, struct od_str arn,
                                   struct od_str *out_columns)
{
    const struct od_personalize_create_recommender_request *in =
        OD_IN(call, create_recommender_request);
    const struct od_recipe_spec *spec;
    struct od_resource group;
    struct od_personalize_dataset_group value = {0};
    enum od_status s = od_resource_absent(call, &od_kind_recommender, arn);
    if (s == OD_OK)
        s = od_resource_get(call, &od_kind_dataset_group, in->dataset_group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_dataset_group, &group, &value);
    if (s == OD_OK)
        s = check_recipe(call, in->recipe_arn, value.domain, &spec);
    if (s == OD_OK)
        s = check_config(call, group.arn, spec, in->recommender_config);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_RECOMMENDERS, group.arn);
    return s == OD_OK ? od_columns_now(call, group.arn, spec, training_data(in->recommender_config),
                                       out_columns)
                      : s;
}

/* ---- create ---- */

/* Resource and job row in one transaction: neither without the other. */
static enum od_status insert(struct od_call *call, const struct od_personalize_recommender *value,
                             struct od_str columns, struct od_resource *resource, int64_t *job)
{
    const struct od_personalize_tags *tags = &OD_IN(call, create_recommender_request)->tags;
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_recommender_train(call, resource, columns, job);
    if (s == OD_OK)
        s = od_resource_insert(call, &od_kind_recommender, value, tags, resource);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_create_recommender(struct od_call *call)
{
    const struct od_personalize_create_recommender_request *in =
        OD_IN(call, create_recommender_request);
    struct od_personalize_recommender_config usual = {
        .min_recommendation_requests_per_second = {true, 1}};
    struct od_resource resource = {
        .name = in->name,
        .arn = od_call_arn(call, &od_kind_recommender, in->name, OD_STR_NONE),
        .group = in->dataset_group_arn,
        .status = OD_STR("CREATE PENDING")};
    struct od_personalize_recommender value = {
        .recommender_arn = resource.arn,
        .dataset_group_arn = in->dataset_group_arn,
        .name = in->name,
        .recipe_arn = in->recipe_arn,
        .recommender_config = in->recommender_config ? in->recommender_config : &usual,
    };
    struct od_str columns;
    int64_t job;
    enum od_status s = check_create(call, resource.arn, &columns);
    if (s == OD_OK)
        s = insert(call, &value, columns, &resource, &job);
    if (s == OD_OK)
        od_recommender_go(call, &resource, job);
    OD_OUT(call, create_recommender_response)->recommender_arn = resource.arn;
    return s;
}

/* ---- update ---- */

/* *out_columns: what the recommender is to be trained on anew; absent: its model stays. One that
 * has no model, or none that can be opened, is trained in any case. */
static enum od_status needs_training(struct od_call *call, const struct od_resource *resource,
                                     const struct od_personalize_recommender *value,
                                     const struct od_personalize_recommender_config *config,
                                     struct od_str *out_columns)
{
    const struct od_recipe_spec *spec;
    const struct od_json *before = NULL;
    struct od_str after = OD_STR_NONE;
    bool active = od_str_eq_c(resource->status, "ACTIVE"), same = false;
    *out_columns = OD_STR_NONE;
    if (active && !training_data(config) && !training_data(value->recommender_config))
        return OD_OK; /* nothing is said of columns, then and now */
    enum od_status s = od_recipe_by_arn(call, value->recipe_arn, &spec);
    if (s == OD_OK)
        s = od_columns_now(call, resource->group, spec, training_data(config), &after);
    if (s == OD_OK && active)
        s = od_recommender_columns(call, resource, &before);
    if (s == OD_OK && active)
        s = od_columns_same(call, before, after, &same);
    if (s == OD_OK && !same)
        *out_columns = after;
    return s;
}

/* Writes the update, and the job of a training on columns when there are any. */
static enum od_status save_update(struct od_call *call,
                                  const struct od_personalize_recommender *value,
                                  struct od_str columns, struct od_resource *resource,
                                  int64_t *out_job)
{
    bool trains = columns.ptr != NULL;
    enum od_status s = trains ? od_recommender_forget_training(call, resource) : OD_OK;
    if (s == OD_OK)
        s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    if (trains)
        s = od_recommender_train(call, resource, columns, out_job);
    resource->updated_ms = call->now_ms;
    if (s == OD_OK)
        s = od_resource_pack(call, &od_kind_recommender, value, resource);
    if (s == OD_OK)
        s = od_catalog_update(call->app->store, resource, &call->err);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

/* Serves what was just saved; what cannot be opened leaves the recommender as it was. */
static enum od_status serve_or_restore(struct od_call *call, const struct od_resource *resource,
                                       struct od_resource *before)
{
    enum od_status s = od_recommender_attach(call, resource);
    struct od_error why = call->err;
    if (s != OD_OK && od_resource_save(call, before) == OD_OK)
        call->err = why;
    return s;
}

static enum od_status apply_update(struct od_call *call, struct od_resource *resource,
                                   struct od_personalize_recommender *value)
{
    struct od_personalize_recommender_config *config =
        OD_IN(call, update_recommender_request)->recommender_config;
    struct od_personalize_recommender_update_summary update = {
        .recommender_config = config,
        .creation_date_time = {true, call->now_ms},
        .last_updated_date_time = {true, call->now_ms},
        .status = OD_STR("CREATE PENDING"),
    };
    struct od_resource before = *resource;
    struct od_str columns;
    int64_t job;
    enum od_status s = needs_training(call, resource, value, config, &columns);
    if (s != OD_OK)
        return s;
    value->latest_recommender_update = &update;
    if (!columns.ptr) {
        update.status = OD_STR("ACTIVE");
        value->recommender_config = config;
    }
    s = save_update(call, value, columns, resource, &job);
    if (s == OD_OK && columns.ptr)
        od_recommender_go(call, resource, job);
    else if (s == OD_OK)
        s = serve_or_restore(call, resource, &before);
    return s;
}

enum od_status od_op_update_recommender(struct od_call *call)
{
    const struct od_personalize_update_recommender_request *in =
        OD_IN(call, update_recommender_request);
    struct od_resource resource;
    struct od_personalize_recommender value = {0};
    const struct od_recipe_spec *spec;
    enum od_status s = od_resource_get(call, &od_kind_recommender, in->recommender_arn, &resource);
    if (s == OD_OK && !od_str_eq_c(resource.status, "CREATE FAILED"))
        s = od_resource_active(call, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_recommender, &resource, &value);
    if (s == OD_OK && od_recommender_updating(&value))
        s = od_fail(&call->err, OD_IN_USE, "Recommender %.*s has an update in progress.",
                    OD_STR_ARG(resource.arn));
    if (s == OD_OK)
        s = od_recipe_by_arn(call, value.recipe_arn, &spec);
    if (s == OD_OK)
        s = check_config(call, resource.group, spec, in->recommender_config);
    if (s == OD_OK)
        s = apply_update(call, &resource, &value);
    OD_OUT(call, update_recommender_response)->recommender_arn = in->recommender_arn;
    return s;
}

/* ---- stop, start, delete ---- */

enum od_status od_op_stop_recommender(struct od_call *call)
{
    struct od_str arn = OD_IN(call, stop_recommender_request)->recommender_arn;
    struct od_resource resource;
    struct od_personalize_recommender value = {0};
    enum od_status s = od_resource_get(call, &od_kind_recommender, arn, &resource);
    if (s == OD_OK)
        s = od_resource_active(call, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_recommender, &resource, &value);
    if (s == OD_OK && od_recommender_updating(&value))
        s = od_fail(&call->err, OD_IN_USE, "Recommender %.*s has an update in progress.",
                    OD_STR_ARG(arn));
    if (s == OD_OK)
        s = od_recommender_forget_training(call, &resource);
    resource.status = OD_STR("INACTIVE");
    if (s == OD_OK)
        s = od_resource_save(call, &resource);
    if (s == OD_OK) { /* it is stopped from here on, whatever becomes of its account */
        s = od_capacity_pause(call, arn);
        od_detach_campaign(call->app, arn);
    }
    OD_OUT(call, stop_recommender_response)->recommender_arn = arn;
    return s;
}

enum od_status od_op_start_recommender(struct od_call *call)
{
    struct od_str arn = OD_IN(call, start_recommender_request)->recommender_arn;
    struct od_resource resource;
    enum od_status s = od_resource_get(call, &od_kind_recommender, arn, &resource);
    if (s == OD_OK && !od_str_eq_c(resource.status, "INACTIVE"))
        s = od_fail(&call->err, OD_IN_USE, "%.*s is in %.*s state.", OD_STR_ARG(arn),
                    OD_STR_ARG(resource.status));
    if (s != OD_OK)
        return s;
    struct od_resource before = resource;
    resource.status = OD_STR("ACTIVE");
    s = od_resource_save(call, &resource);
    if (s == OD_OK)
        s = serve_or_restore(call, &resource, &before);
    OD_OUT(call, start_recommender_response)->recommender_arn = arn;
    return s;
}

enum od_status od_op_delete_recommender(struct od_call *call)
{
    static const char *const may_go[] = {"ACTIVE", "INACTIVE", "CREATE FAILED"};
    struct od_str arn = OD_IN(call, delete_recommender_request)->recommender_arn;
    struct od_resource resource;
    bool may = false;
    enum od_status s = od_resource_get(call, &od_kind_recommender, arn, &resource);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; i < sizeof may_go / sizeof *may_go; i++)
        may |= od_str_eq_c(resource.status, may_go[i]);
    if (!may)
        return od_fail(&call->err, OD_IN_USE, "%.*s is in %.*s state.", OD_STR_ARG(arn),
                       OD_STR_ARG(resource.status));
    s = od_resource_remove(call, arn);
    if (s != OD_OK)
        return s;
    od_runner_stop(call->app, arn); /* its ending finds nobody; files go with it then */
    od_detach_campaign(call->app, arn);
    od_files_collect(call);
    return OD_OK;
}
