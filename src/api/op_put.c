/* PutEvents, PutItems, PutUsers: every rule about a record, on the HTTP thread (data.md section
 * 12). */
#include <string.h>

#include "api/puts.h"
#include "api/resource.h"
#include "base/limits.h"
#include "wire/arn.h"

#define EVENT_BYTES_MAX 10240u /* (AWS) one event */
#define BODY_MAX        (256u * 1024)

/* Keys that properties may not have, in any case: they have members of their own. */
static const char *const forbidden[] = {"userId",    "sessionId",        "eventType",
                                        "timestamp", "recommendationId", "impression"};

static enum od_status check_keys(struct od_call *call, const struct od_json *properties)
{
    for (size_t i = 0; properties && i < properties->count; i++)
        for (size_t f = 0; f < sizeof forbidden / sizeof *forbidden; f++)
            if (od_str_eq_nocase(properties->members[i].key, od_str_c(forbidden[f])))
                return od_fail(&call->err, OD_INVALID_INPUT,
                               "properties may not contain the key %s.", forbidden[f]);
    return OD_OK;
}

/* The property of a field, by the matching rule of data.md 12.1; the last of equal keys counts. */
static const struct od_json *property_of(const struct od_schema *schema, size_t field,
                                         const struct od_json *properties)
{
    for (size_t i = properties ? properties->count : 0; i-- > 0;)
        if (od_schema_find_property(schema, properties->members[i].key) == field)
            return &properties->members[i].value;
    return NULL;
}

/* A field's value from properties, null when there is none. */
static enum od_status read_field(struct od_call *call, const struct od_schema *schema, size_t f,
                                 const struct od_json *properties, struct od_value *out)
{
    const struct od_field *field = &schema->fields[f];
    const struct od_json *json = property_of(schema, f, properties);
    *out = (struct od_value){.kind = OD_VALUE_NULL};
    if (json && json->kind != OD_JSON_NULL) {
        struct od_error err;
        enum od_status s = od_value_from_json(field, json, call->arena, out, &err);
        if (s != OD_OK)
            return od_fail(&call->err, s, "Invalid value for field %.*s: %s",
                           OD_STR_ARG(field->name), err.message);
    }
    if (out->kind == OD_VALUE_NULL && !field->nullable)
        return od_fail(&call->err, OD_INVALID_INPUT, "Field %.*s is required by the schema.",
                       OD_STR_ARG(field->name));
    return OD_OK;
}

/* The model sees to lengths; a NUL is refused as in files: it ends texts in too many programs. */
static enum od_status check_id(struct od_call *call, const char *member, struct od_str id)
{
    if (id.ptr && memchr(id.ptr, '\0', id.len))
        return od_fail(&call->err, OD_INVALID_INPUT, "%s holds a NUL character.", member);
    return OD_OK;
}

static struct od_str finish_body(struct od_call *call, struct od_buf *body)
{
    struct od_str text = OD_STR("");
    if (body->len) {
        od_buf_char(body, '}');
        text = od_buf_status(body) == OD_OK ? od_arena_str(call->arena, od_buf_view(body))
                                            : OD_STR_NONE;
    }
    od_buf_done(body);
    return text;
}

/* ---- events ---- */

static struct od_str join_impression(struct od_call *call, const struct od_api_strings *list)
{
    struct od_buf text;
    od_buf_init(&text, BODY_MAX);
    for (size_t i = 0; i < list->count; i++) {
        od_buf_puts(&text, i ? "|" : "");
        od_buf_str(&text, list->items[i]);
    }
    struct od_str joined =
        od_buf_status(&text) == OD_OK ? od_arena_str(call->arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return joined;
}

/* A text with a member of its own in the request. What the schema has a field for must be a value
 * of that field: a training reads it as one, and a single event that it cannot read would fail all
 * trainings to come. */
static enum od_status add_text(struct od_call *call, const struct od_schema *schema,
                               const char *name, struct od_str text, struct od_buf *body)
{
    size_t f = od_schema_find(schema, od_str_c(name));
    struct od_value value = {.kind = text.ptr ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = text};
    struct od_error err;
    if (f != SIZE_MAX && !text.ptr && !schema->fields[f].nullable)
        return od_fail(&call->err, OD_INVALID_INPUT, "Field %s is required by the schema.", name);
    if (f != SIZE_MAX && text.ptr &&
        od_value_from_text(&schema->fields[f], text, &value, &err) != OD_OK)
        return od_fail(&call->err, OD_INVALID_INPUT, "Invalid value for field %s: %s", name,
                       err.message);
    od_body_add(body, od_str_c(name), &value);
    return OD_OK;
}

/* Fields with a member of their own in the request. */
static bool is_own_member(struct od_str name)
{
    static const char *const own[] = {
        "USER_ID",     "ITEM_ID",    "TIMESTAMP",         "EVENT_TYPE",
        "EVENT_VALUE", "IMPRESSION", "RECOMMENDATION_ID", "EVENT_ATTRIBUTION_SOURCE"};
    for (size_t i = 0; i < sizeof own / sizeof *own; i++)
        if (od_str_eq_c(name, own[i]))
            return true;
    return false;
}

static enum od_status read_body(struct od_call *call, const struct od_schema *schema,
                                const struct od_events_event *in, struct od_event *out)
{
    struct od_buf body;
    struct od_value value;
    enum od_status s = OD_OK;
    od_buf_init(&body, BODY_MAX);
    for (size_t f = 0; s == OD_OK && f < schema->field_count; f++) {
        if (is_own_member(schema->fields[f].name))
            continue;
        s = read_field(call, schema, f, in->properties.value, &value);
        if (s == OD_OK)
            od_body_add(&body, schema->fields[f].name, &value);
    }
    struct od_str shown = OD_STR_NONE, source = OD_STR_NONE;
    if (in->impression.items)
        shown = join_impression(call, &in->impression);
    if (in->impression.items && !shown.ptr && s == OD_OK)
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    if (in->metric_attribution)
        source = in->metric_attribution->event_attribution_source;
    if (s == OD_OK)
        s = add_text(call, schema, "IMPRESSION", shown, &body);
    if (s == OD_OK)
        s = add_text(call, schema, "RECOMMENDATION_ID", in->recommendation_id, &body);
    if (s == OD_OK)
        s = add_text(call, schema, "EVENT_ATTRIBUTION_SOURCE", source, &body);
    out->body = finish_body(call, &body);
    return s == OD_OK && !out->body.ptr ? od_fail(&call->err, OD_NO_MEMORY, NULL) : s;
}

static enum od_status read_item(struct od_call *call, const struct od_schema *schema,
                                const struct od_events_event *in, struct od_event *out)
{
    struct od_value value = {.kind = OD_VALUE_NULL};
    size_t f = od_schema_find(schema, OD_STR("ITEM_ID"));
    const struct od_json *json =
        f == SIZE_MAX ? NULL : property_of(schema, f, in->properties.value);
    out->item = in->item_id;
    if (!out->item.ptr && json && json->kind != OD_JSON_NULL) {
        enum od_status s = read_field(call, schema, f, in->properties.value, &value);
        if (s != OD_OK)
            return s;
        out->item = value.text;
    }
    if (!out->item.len)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "An event needs an itemId, in the event or in its properties.");
    return check_id(call, "itemId", out->item);
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
        s = read_field(call, schema, f, in->properties.value, &value);
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
    enum od_status s = check_keys(call, in->properties.value);
    if (s == OD_OK)
        s = check_id(call, "eventType", in->event_type);
    if (s == OD_OK)
        s = check_id(call, "eventId", in->event_id);
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
    enum od_status s = check_id(call, "userId", in->user_id);
    if (s == OD_OK)
        s = check_id(call, "sessionId", in->session_id);
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
    od_target_unref(put.target);
    return s;
}

/* ---- items and users ---- */

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
                   !od_str_ends(arn, od_str_c(od_dataset_type_name(type))));
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
    enum od_status s =
        values ? check_id(call, "The record's id", id) : od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_init(&body, BODY_MAX);
    for (size_t f = 0; s == OD_OK && f < schema->field_count; f++) {
        if (od_str_eq_c(schema->fields[f].name, id_field)) {
            values[f] = (struct od_value){.kind = OD_VALUE_TEXT, .text = id};
            continue;
        }
        s = read_field(call, schema, f, properties, &values[f]);
        if (s == OD_OK)
            od_body_add(&body, schema->fields[f].name, &values[f]);
    }
    struct od_str text = finish_body(call, &body);
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
