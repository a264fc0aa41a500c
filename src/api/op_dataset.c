/* Datasets: one of each type in a group, named by the group and the type. */
#include "api/attach.h"
#include "api/files.h"
#include "api/fold.h"
#include "api/ids.h"
#include "api/recommender.h"
#include "api/targets.h"
#include "jobs/worker.h"

static enum od_status check_schema(struct od_call *call,
                                   const struct od_personalize_create_dataset_request *in,
                                   enum od_dataset_type type, struct od_str group_domain)
{
    struct od_resource resource;
    struct od_personalize_dataset_schema value = {0};
    struct od_schema schema;
    enum od_status s = od_resource_get(call, &od_kind_schema, in->schema_arn, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_schema, &resource, &value);
    if (s != OD_OK)
        return s;
    if (!od_str_eq(value.domain, group_domain))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Schema domain does not match the dataset group domain.");
    s = od_schema_parse(call->arena, value.schema, od_spec_domain(value.domain), &schema,
                        &call->err);
    if (s == OD_OK && schema.type != type)
        s = od_fail(&call->err, OD_INVALID_INPUT, "Schema %.*s does not match dataset type %s.",
                    OD_STR_ARG(in->schema_arn), od_dataset_type_name(type));
    return s;
}

static enum od_status check_request(struct od_call *call, enum od_dataset_type *type,
                                    struct od_resource *group)
{
    const struct od_personalize_create_dataset_request *in = OD_IN(call, create_dataset_request);
    struct od_personalize_dataset_group value = {0};
    if (!od_dataset_type_parse(in->dataset_type, type))
        return od_fail(&call->err, OD_INVALID_INPUT, "%.*s is not a supported dataset type.",
                       OD_STR_ARG(in->dataset_type));
    enum od_status s = od_resource_get(call, &od_kind_dataset_group, in->dataset_group_arn, group);
    if (s == OD_OK)
        s = od_resource_active(call, group);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_dataset_group, group, &value);
    if (s == OD_OK && value.domain.ptr && *type > OD_USERS)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "A dataset of type %s needs a dataset group without domain.",
                    od_dataset_type_name(*type));
    return s == OD_OK ? check_schema(call, in, *type, value.domain) : s;
}

static enum od_status remove_data(struct od_call *call, struct od_str arn);

/* A dataset that cannot be made live (no memory) is none: its name stays free for another try. */
static enum od_status create(struct od_call *call, const struct od_personalize_dataset *value,
                             const struct od_personalize_tags *tags, enum od_dataset_type type,
                             struct od_resource *resource)
{
    enum od_status s = od_resource_create(call, &od_kind_dataset, value, tags, resource);
    if (s != OD_OK)
        return s;
    s = od_attach_dataset(call, resource);
    if (s == OD_OK)
        return OD_OK;
    struct od_error why = call->err;
    od_serve_dataset_remove(call->app->serve, resource->group, type);
    if (remove_data(call, resource->arn) == OD_OK)
        call->err = why;
    return s;
}

enum od_status od_op_create_dataset(struct od_call *call)
{
    const struct od_personalize_create_dataset_request *in = OD_IN(call, create_dataset_request);
    enum od_dataset_type type;
    struct od_resource group;
    enum od_status s = check_request(call, &type, &group);
    if (s != OD_OK)
        return s;
    struct od_resource resource = {.name = in->name,
                                   .arn = od_call_arn(call, &od_kind_dataset, group.name,
                                                      od_str_c(od_dataset_type_name(type))),
                                   .group = group.arn,
                                   .status = OD_STR("ACTIVE")};
    struct od_personalize_dataset value = {.name = in->name,
                                           .dataset_arn = resource.arn,
                                           .dataset_group_arn = group.arn,
                                           .dataset_type = od_str_c(od_dataset_type_name(type)),
                                           .schema_arn = in->schema_arn};
    if (type == OD_ACTION_INTERACTIONS)
        value.tracking_id = od_new_uuid(call->app->io, call->arena);
    s = od_resource_absent(call, &od_kind_dataset, resource.arn);
    if (s == OD_OK)
        s = create(call, &value, &in->tags, type, &resource);
    OD_OUT(call, create_dataset_response)->dataset_arn = resource.arn;
    return s;
}

/* Not while something reads or changes it: an import, an export, or in the group a training (api.md
 * section 10) or a deletion of users. */
static enum od_status check_idle(struct od_call *call, const struct od_resource *dataset)
{
    static const struct {
        const struct od_kind *kind;
        bool of_group;
    } users[] = {{&od_kind_import_job, false},
                 {&od_kind_export_job, false},
                 {&od_kind_solution_version, true},
                 {&od_kind_deletion_job, true}};
    const struct od_resource *busy = NULL;
    struct od_resource recommender = {0};
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && !busy && i < sizeof users / sizeof *users; i++)
        s = od_resource_unfinished(call, users[i].kind,
                                   users[i].of_group ? OD_STR_NONE : dataset->arn,
                                   users[i].of_group ? dataset->group : OD_STR_NONE, &busy);
    if (s == OD_OK && !busy)
        s = od_recommender_training(call, dataset->group, &recommender);
    if (s == OD_OK && recommender.arn.ptr)
        busy = &recommender;
    if (s == OD_OK && busy)
        s = od_fail(&call->err, OD_IN_USE, "Dataset %.*s is used by %.*s.",
                    OD_STR_ARG(dataset->arn), OD_STR_ARG(busy->arn));
    return s;
}

static enum od_status remove_jobs(struct od_call *call, const struct od_kind *kind,
                                  struct od_str dataset)
{
    struct od_resource *jobs;
    size_t count;
    enum od_status s =
        od_resource_list(call, kind, dataset, OD_STR_NONE, OD_STR_NONE, &jobs, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = od_catalog_delete(call->app->store, jobs[i].arn, &call->err);
    return s;
}

/* The dataset, its data, and its jobs, whose names become free (api.md section 8). */
static enum od_status remove_data(struct od_call *call, struct od_str arn)
{
    struct od_store *store = call->app->store;
    enum od_status s = od_store_begin(store, &call->err);
    if (s != OD_OK)
        return s;
    s = remove_jobs(call, &od_kind_import_job, arn);
    if (s == OD_OK)
        s = remove_jobs(call, &od_kind_export_job, arn);
    if (s == OD_OK)
        s = od_bulk_delete(store, arn, &call->err);
    if (s == OD_OK)
        s = od_events_delete(store, arn, &call->err);
    if (s == OD_OK)
        s = od_catalog_delete(store, arn, &call->err);
    if (s == OD_OK)
        return od_store_commit(store, &call->err);
    od_store_rollback(store);
    return s;
}

enum od_status od_op_delete_dataset(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_dataset_request)->dataset_arn;
    struct od_resource dataset;
    struct od_dataset_info info;
    enum od_status s = od_resource_get(call, &od_kind_dataset, arn, &dataset);
    if (s == OD_OK)
        s = check_idle(call, &dataset);
    if (s == OD_OK)
        s = od_dataset_info(call, &dataset, &info);
    if (s == OD_OK)
        s = od_fold_remove(call->app, info.seq, &call->err);
    if (s == OD_OK)
        s = remove_data(call, arn);
    if (s != OD_OK)
        return s;
    od_targets_remove(call->app->targets, od_dataset_target(&info));
    od_serve_dataset_remove(call->app->serve, info.group, info.type);
    od_files_collect(call);
    od_files_trim(call->app);
    return info.type == OD_INTERACTIONS ? od_attach_group_tracker(call, info.group) : OD_OK;
}
