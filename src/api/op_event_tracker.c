/* Event trackers: one a group; its trackingId is what PutEvents names. */
#include "api/attach.h"
#include "api/ids.h"
#include "api/targets.h"

static enum od_status check_request(struct od_call *call, struct od_str group_arn)
{
    struct od_resource group;
    const struct od_resource *tracker;
    enum od_status s = od_resource_get(call, &od_kind_dataset_group, group_arn, &group);
    if (s == OD_OK)
        s = od_resource_active(call, &group);
    if (s == OD_OK)
        s = od_resource_any(call, &od_kind_event_tracker, OD_STR_NONE, group_arn, OD_STR_NONE,
                            &tracker);
    if (s == OD_OK && tracker)
        s = od_fail(&call->err, OD_EXISTS, "%.*s already has an event tracker.",
                    OD_STR_ARG(group_arn));
    return s;
}

enum od_status od_op_create_event_tracker(struct od_call *call)
{
    const struct od_personalize_create_event_tracker_request *in =
        OD_IN(call, create_event_tracker_request);
    enum od_status s = check_request(call, in->dataset_group_arn);
    if (s != OD_OK)
        return s;
    struct od_str id = od_new_hex8(call->app->io, call->arena);
    struct od_resource resource = {.name = in->name,
                                   .arn =
                                       od_call_arn(call, &od_kind_event_tracker, id, OD_STR_NONE),
                                   .group = in->dataset_group_arn,
                                   .status = OD_STR("ACTIVE")};
    struct od_personalize_event_tracker value = {.name = in->name,
                                                 .event_tracker_arn = resource.arn,
                                                 .account_id = call->account,
                                                 .tracking_id =
                                                     od_new_uuid(call->app->io, call->arena),
                                                 .dataset_group_arn = in->dataset_group_arn};
    if (!id.ptr || !value.tracking_id.ptr)
        return od_fail(&call->err, OD_INTERNAL, "No fresh identifier could be made.");
    s = od_resource_create(call, &od_kind_event_tracker, &value, &in->tags, &resource);
    if (s == OD_OK && (s = od_attach_tracker(call, &resource)) != OD_OK) {
        struct od_error why = call->err; /* no memory: without a target it would be of no use */
        if (od_resource_remove(call, resource.arn) == OD_OK)
            call->err = why;
    }
    OD_OUT(call, create_event_tracker_response)->event_tracker_arn = resource.arn;
    OD_OUT(call, create_event_tracker_response)->tracking_id = value.tracking_id;
    return s;
}

enum od_status od_op_delete_event_tracker(struct od_call *call)
{
    struct od_str arn = OD_IN(call, delete_event_tracker_request)->event_tracker_arn;
    struct od_resource resource;
    struct od_personalize_event_tracker value = {0};
    enum od_status s = od_resource_get(call, &od_kind_event_tracker, arn, &resource);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_event_tracker, &resource, &value);
    if (s == OD_OK)
        s = od_resource_remove(call, arn);
    if (s == OD_OK)
        od_targets_remove(call->app->targets, value.tracking_id);
    return s;
}
