/* Schemas: CreateSchema, DeleteSchema. A schema belongs to the account, never changes, and has no
 * status. */
#include "api/quota.h"
#include "api/resource.h"
#include "data/schema.h"
#include "jobs/worker.h"

enum od_status od_op_create_schema(struct od_call *call)
{
    const struct od_personalize_create_schema_request *in = OD_IN(call, create_schema_request);
    struct od_schema schema;
    struct od_resource resource = {
        .name = in->name, .arn = od_call_arn(call, &od_kind_schema, in->name, OD_STR_NONE)};
    enum od_status s = od_resource_absent(call, &od_kind_schema, resource.arn);
    if (s == OD_OK)
        s = od_schema_parse(call->arena, in->schema, od_spec_domain(in->domain), &schema,
                            &call->err);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_SCHEMAS, OD_STR_NONE);
    if (s != OD_OK)
        return s;
    struct od_personalize_dataset_schema value = {
        .name = in->name, .schema_arn = resource.arn, .schema = in->schema, .domain = in->domain};
    s = od_resource_create(call, &od_kind_schema, &value, NULL, &resource);
    OD_OUT(call, create_schema_response)->schema_arn = resource.arn;
    return s;
}

enum od_status od_op_delete_schema(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_schema_request)->schema_arn;
    struct od_resource schema, *datasets;
    size_t count;
    enum od_status s = od_resource_get(call, &od_kind_schema, arn, &schema);
    if (s == OD_OK)
        s = od_resource_list(call, &od_kind_dataset, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE,
                             &datasets, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_personalize_dataset value = {0};
        s = od_resource_read(call, &od_kind_dataset, &datasets[i], &value);
        if (s == OD_OK && od_str_eq(value.schema_arn, arn))
            s = od_fail(&call->err, OD_IN_USE, "Schema %.*s is used by dataset %.*s.",
                        OD_STR_ARG(arn), OD_STR_ARG(datasets[i].arn));
    }
    return s == OD_OK ? od_resource_remove(call, arn) : s;
}
