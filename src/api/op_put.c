/* PutEvents, PutItems, PutUsers, PutActions: every rule about a record, on the HTTP thread (data.md
 * section 12). */
#include "api/put_read.h"
#include "api/puts.h"
#include "api/resource.h"
#include "base/limits.h"
#include "wire/arn.h"

#define EVENT_BYTES_MAX 10240u /* (AWS) one event */

/* ---- events ---- */

/* Fields with a member of their own in the request. */
static const char *const own_members[] = {
    "USER_ID",     "ITEM_ID",    "TIMESTAMP",         "EVENT_TYPE",
    "EVENT_VALUE", "IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE",
    NULL};

static enum od_status read_body(struct od_call *call, const struct od_schema *schema,
                                const struct od_events_event *in, struct od_event *out)
{
    struct od_buf body;
    od_buf_init(&body, OD_PUT_BODY_BYTES);
    enum od_status s = od_put_fields(call, schema, own_members, in->properties.value, &body);
    struct od_str shown = OD_STR_NONE, source = OD_STR_NONE;
    if (in->impression.items)
        shown = od_put_join(call, &in->impression);
    if (in->impression.items && !shown.ptr && s == OD_OK)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (in->metric_attribution)
        source = in->metric_attribution->event_attribution_source;
    if (s == OD_OK)
        s = od_put_text(call, schema, "IMPRESSION", shown, &body);
    if (s == OD_OK)
        s = od_put_text(call, schema, "RECOMMENDATION_ID", in->recommendation_id, &body);
    if (s == OD_OK)
        s = od_put_text(call, schema, "EVENT_ATTRIBUTION_SOURCE", source, &body);
    out->body = od_put_finish_body(call, &body);
    return s == OD_OK && !out->body.ptr ? od_fail(&call->err, OD_NO_MEMORY, NULL) : s;
}

static enum od_status read_item(struct od_call *call, const struct od_schema *schema,
                                const struct od_events_event *in, struct od_event *out)
{
    struct od_value value = {.kind = OD_VALUE_NULL};
    size_t f = od_schema_find(schema, OD_STR("ITEM_ID"));
    const struct od_json *json =
        f == SIZE_MAX ? NULL : od_put_property(schema, f, in->properties.value);
    out->item = in->item_id;
    if (!out->item.ptr && json && json->kind != OD_JSON_NULL) {
        enum od_status s = od_put_field(call, schema, f, in->properties.value, &value);
        if (s != OD_OK)
            return s;
        out->item = value.text;
    }
    if (!out->item.len)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "An event needs an itemId, in the event or in its properties.");
    return od_put_check_id(call, "itemId", out->item);
}

static enum od_status read_value(struct od_call *call, const struct od_schema *schema,
                                 const struct od_events_event *in, struct od_event *out)
{
    size_t f = od_schema_find(schema, OD_STR("EVENT_VALUE"));
    struct od_value value = {.kind = OD_VALUE_NULL};
    enum od_status s = OD_OK;
    if (f == SIZE_MAX)
        return OD_OK;
    if (in->event_value.set)
        value = (struct od_value){.kind = OD_VALUE_REAL, .real = in->event_value.value};
    else
        s = od_put_field(call, schema, f, in->properties.value, &value);
    out->has_value = value.kind != OD_VALUE_NULL;
    out->value = value.kind == OD_VALUE_INTEGER ? (double)value.integer : value.real;
    return s;
}

static enum od_status read_event(struct od_call *call, const struct od_schema *schema,
                                 const struct od_events_event *in, struct od_event *out)
{
    const struct od_events_put_events_request *request = call->in;
    size_t bytes = in->properties.text.len + in->item_id.len + in->event_type.len;
    for (size_t i = 0; i < in->impression.count; i++)
        bytes += in->impression.items[i].len;
    if (bytes > EVENT_BYTES_MAX)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "An event has %zu bytes; at most %u are allowed.", bytes, EVENT_BYTES_MAX);
    bool typed = od_schema_find(schema, OD_STR("EVENT_TYPE")) != SIZE_MAX;
    *out = (struct od_event){.user = request->user_id,
                             .session = request->session_id,
                             .type = typed ? in->event_type : OD_STR(""),
                             .event_id = in->event_id,
                             .time_s = in->sent_at.value / 1000 - (in->sent_at.value % 1000 < 0)};
    enum od_status s = od_put_check_keys(call, in->properties.value);
    if (s == OD_OK)
        s = od_put_check_id(call, "eventType", in->event_type);
    if (s == OD_OK)
        s = od_put_check_id(call, "eventId", in->event_id);
    if (s == OD_OK)
        s = read_item(call, schema, in, out);
    if (s == OD_OK)
        s = read_value(call, schema, in, out);
    return s == OD_OK ? read_body(call, schema, in, out) : s;
}

static enum od_status read_events(struct od_call *call, struct od_target *target,
                                  struct od_put *put)
{
    const struct od_events_put_events_request *in = call->in;
    put->count = in->event_list.count;
    put->events = OD_NEW_ARRAY(call->arena, struct od_event, put->count);
    put->is_new = OD_NEW_ARRAY(call->arena, bool, put->count);
    if (!put->events || !put->is_new)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_put_check_id(call, "userId", in->user_id);
    if (s == OD_OK)
        s = od_put_check_id(call, "sessionId", in->session_id);
    for (size_t i = 0; s == OD_OK && i < put->count; i++)
        s = read_event(call, &target->schema, &in->event_list.items[i], &put->events[i]);
    return s;
}

enum od_status od_op_put_events(struct od_call *call)
{
    const struct od_events_put_events_request *in = call->in;
    struct od_put put = {.target = od_targets_find(call->app->targets, in->tracking_id)};
    if (!put.target || put.target->type != OD_INTERACTIONS) {
        od_target_unref(put.target);
        od_targets_count_unknown(call->app->targets, in->event_list.count);
        return od_fail(&call->err, OD_INVALID_INPUT, "Unknown trackingId %.*s.",
                       OD_STR_ARG(in->tracking_id));
    }
    enum od_status s = OD_OK;
    if (!put.target->dataset.ptr)
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "The dataset group of this event tracker has no Interactions dataset.");
    if (s == OD_OK)
        s = read_events(call, put.target, &put);
    if (s == OD_OK)
        return od_puts_queue(call, &put);
    od_target_count(put.target, OD_EVENT_INVALID, in->event_list.count);
    od_target_unref(put.target);
    return s;
}

/* ---- items, users and actions ---- */

/* Behind the last slash: the type, in the ARN of a dataset. */
static struct od_str last_part(struct od_str arn)
{
    size_t at = arn.len;
    while (at > 0 && arn.ptr[at - 1] != '/')
        at--;
    return od_str_sub(arn, at, arn.len - at);
}

static enum od_status find_dataset(struct od_call *call, struct od_str arn,
                                   enum od_dataset_type type, struct od_target **out)
{
    struct od_arn parsed;
    struct od_target *target = od_targets_find(call->app->targets, arn);
    if (target && target->type == type) {
        *out = target;
        return OD_OK;
    }
    bool other_type =
        target || (od_arn_parse(arn, &parsed) && od_str_eq_c(parsed.kind, "dataset") &&
                   !od_str_eq_c(last_part(arn), od_dataset_type_name(type)));
    od_target_unref(target);
    if (other_type)
        return od_fail(&call->err, OD_INVALID_INPUT, "%.*s is not a dataset of type %s.",
                       OD_STR_ARG(arn), od_dataset_type_name(type));
    if (od_arn_check(call, arn, "dataset", "dataset") != OD_OK)
        return call->err.code;
    return od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
}

static enum od_status read_record(struct od_call *call, const struct od_target *target,
                                  const char *id_field, struct od_str id,
                                  const struct od_json *properties, struct od_put *put)
{
    const struct od_schema *schema = &target->schema;
    struct od_value *values = OD_NEW_ARRAY(call->arena, struct od_value, schema->field_count);
    struct od_buf body;
    enum od_status s = values ? od_put_check_id(call, "The record's id", id)
                              : od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_init(&body, OD_PUT_BODY_BYTES);
    for (size_t f = 0; s == OD_OK && f < schema->field_count; f++) {
        if (od_str_eq_c(schema->fields[f].name, id_field)) {
            values[f] = (struct od_value){.kind = OD_VALUE_TEXT, .text = id};
            continue;
        }
        s = od_put_field(call, schema, f, properties, &values[f]);
        if (s == OD_OK)
            od_body_add(&body, schema->fields[f].name, &values[f]);
    }
    struct od_str text = od_put_finish_body(call, &body);
    if (s == OD_OK && !text.ptr)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    put->records[put->count] = (struct od_record){.id = id, .body = text};
    put->values[put->count++] = values;
    return s;
}

static enum od_status begin_records(struct od_call *call, size_t count, struct od_put *put)
{
    put->records = OD_NEW_ARRAY(call->arena, struct od_record, count);
    put->values = OD_NEW_ARRAY(call->arena, const struct od_value *, count);
    return put->records && put->values ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static enum od_status end_records(struct od_call *call, enum od_status s, const struct od_put *put)
{
    if (s == OD_OK)
        return od_puts_queue(call, put);
    od_target_unref(put->target);
    return s;
}

enum od_status od_op_put_items(struct od_call *call)
{
    const struct od_events_put_items_request *in = call->in;
    struct od_put put = {0};
    enum od_status s = find_dataset(call, in->dataset_arn, OD_ITEMS, &put.target);
    if (s != OD_OK)
        return s;
    s = begin_records(call, in->items.count, &put);
    for (size_t i = 0; s == OD_OK && i < in->items.count; i++)
        s = read_record(call, put.target, "ITEM_ID", in->items.items[i].item_id,
                        in->items.items[i].properties.value, &put);
    return end_records(call, s, &put);
}

enum od_status od_op_put_users(struct od_call *call)
{
    const struct od_events_put_users_request *in = call->in;
    struct od_put put = {0};
    enum od_status s = find_dataset(call, in->dataset_arn, OD_USERS, &put.target);
    if (s != OD_OK)
        return s;
    s = begin_records(call, in->users.count, &put);
    for (size_t i = 0; s == OD_OK && i < in->users.count; i++)
        s = read_record(call, put.target, "USER_ID", in->users.items[i].user_id,
                        in->users.items[i].properties.value, &put);
    return end_records(call, s, &put);
}

enum od_status od_op_put_actions(struct od_call *call)
{
    const struct od_events_put_actions_request *in = call->in;
    struct od_put put = {0};
    enum od_status s = find_dataset(call, in->dataset_arn, OD_ACTIONS, &put.target);
    if (s != OD_OK)
        return s;
    s = begin_records(call, in->actions.count, &put);
    for (size_t i = 0; s == OD_OK && i < in->actions.count; i++)
        s = read_record(call, put.target, "ACTION_ID", in->actions.items[i].action_id,
                        in->actions.items[i].properties.value, &put);
    return end_records(call, s, &put);
}
