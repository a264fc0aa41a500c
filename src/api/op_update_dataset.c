/* UpdateDataset: a grown schema for Items or Users (data.md section 9). Every old field stays as it
 * was and new ones may be null, so what is stored needs no rewriting: rows of older segments and
 * records simply have null in the new columns. */
#include "api/attach.h"
#include "jobs/worker.h"

static bool same_field(const struct od_field *a, const struct od_field *b)
{
    return a->type == b->type && a->nullable == b->nullable && a->categorical == b->categorical &&
           a->textual == b->textual && a->item_name == b->item_name;
}

static enum od_status incompatible(struct od_call *call, const char *reason, struct od_str field)
{
    return od_fail(&call->err, OD_INVALID_INPUT, "New schema is not compatible: field %.*s %s.",
                   OD_STR_ARG(field), reason);
}

static enum od_status check_growth(struct od_call *call, const struct od_schema *old,
                                   const struct od_schema *grown)
{
    for (size_t i = 0; i < old->field_count; i++) {
        size_t at = od_schema_find(grown, old->fields[i].name);
        if (at == SIZE_MAX)
            return incompatible(call, "is missing", old->fields[i].name);
        if (!same_field(&old->fields[i], &grown->fields[at]))
            return incompatible(call, "has another type or other attributes", old->fields[i].name);
    }
    for (size_t i = 0; i < grown->field_count; i++)
        if (od_schema_find(old, grown->fields[i].name) == SIZE_MAX && !grown->fields[i].nullable)
            return incompatible(call, "is new and must be nullable", grown->fields[i].name);
    return OD_OK;
}

static enum od_status check_idle(struct od_call *call, const struct od_resource *dataset)
{
    const struct od_resource *busy;
    enum od_status s =
        od_resource_unfinished(call, &od_kind_import_job, dataset->arn, OD_STR_NONE, &busy);
    if (s == OD_OK && !busy)
        s = od_resource_unfinished(call, &od_kind_deletion_job, OD_STR_NONE, dataset->group, &busy);
    if (s == OD_OK && busy)
        s = od_fail(&call->err, OD_IN_USE, "Dataset %.*s is used by %.*s.",
                    OD_STR_ARG(dataset->arn), OD_STR_ARG(busy->arn));
    return s;
}

static enum od_status check_schema(struct od_call *call, const struct od_dataset_info *info,
                                   struct od_str schema_arn)
{
    struct od_resource resource;
    struct od_personalize_dataset_schema value = {0};
    struct od_schema grown;
    enum od_status s = od_resource_get(call, &od_kind_schema, schema_arn, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_schema, &resource, &value);
    if (s != OD_OK)
        return s;
    if (info->type != OD_ITEMS && info->type != OD_USERS)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "New schema is not compatible: a dataset of type %s keeps its schema.",
                       od_dataset_type_name(info->type));
    if (!od_str_eq(value.domain.ptr ? value.domain : OD_STR(""), info->domain_name))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Schema domain does not match the dataset group domain.");
    s = od_schema_parse(call->arena, value.schema, info->domain, &grown, &call->err);
    if (s == OD_OK && grown.type != info->type)
        s = od_fail(&call->err, OD_INVALID_INPUT, "Schema %.*s does not match dataset type %s.",
                    OD_STR_ARG(schema_arn), od_dataset_type_name(info->type));
    return s == OD_OK ? check_growth(call, info->schema, &grown) : s;
}

static enum od_status set_schema(struct od_call *call, struct od_resource *dataset,
                                 struct od_str schema_arn)
{
    struct od_personalize_dataset value = {0};
    struct od_personalize_dataset_update_summary *update =
        OD_NEW(call->arena, struct od_personalize_dataset_update_summary);
    if (!update)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_resource_read(call, &od_kind_dataset, dataset, &value);
    if (s != OD_OK)
        return s;
    *update = (struct od_personalize_dataset_update_summary){
        .schema_arn = schema_arn,
        .status = OD_STR("ACTIVE"),
        .creation_date_time = {true, call->now_ms},
        .last_updated_date_time = {true, call->now_ms},
    };
    value.schema_arn = schema_arn;
    value.latest_dataset_update = update;
    return od_resource_pack(call, &od_kind_dataset, &value, dataset);
}

enum od_status od_op_update_dataset(struct od_call *call)
{
    const struct od_personalize_update_dataset_request *in = OD_IN(call, update_dataset_request);
    struct od_resource dataset;
    struct od_dataset_info info;
    enum od_status s = od_resource_get(call, &od_kind_dataset, in->dataset_arn, &dataset);
    if (s == OD_OK)
        s = od_resource_active(call, &dataset);
    if (s == OD_OK)
        s = od_dataset_info(call, &dataset, &info);
    if (s == OD_OK)
        s = check_schema(call, &info, in->schema_arn);
    if (s == OD_OK)
        s = check_idle(call, &dataset);
    if (s == OD_OK)
        s = set_schema(call, &dataset, in->schema_arn);
    if (s == OD_OK)
        s = od_resource_save(call, &dataset);
    if (s == OD_OK)
        s = od_attach_dataset(call, &dataset);
    OD_OUT(call, update_dataset_response)->dataset_arn = in->dataset_arn;
    return s;
}
