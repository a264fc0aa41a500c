/* Sources in order of arrival: see sources.h. */
#include "jobs/sources.h"

#include <string.h>

#include "base/limits.h"

#define RECORD_ARENA (4u << 20) /* one record's values; its body is at most 32,000 characters */

/* --- the plan --- */

struct span_count {
    const struct od_bulk *bulk;
    size_t bulk_count;
    uint64_t *counts; /* [bulk_count + 1]: records before bulk i, and after the last */
};

static enum od_status count_record(void *context, const struct od_record *record)
{
    struct span_count *c = context;
    size_t i = 0;
    while (i < c->bulk_count && record->arrived_ms > c->bulk[i].arrived_ms)
        i++;
    c->counts[i]++;
    return OD_OK;
}

enum od_status od_sources_plan(struct od_store_reader *reader, struct od_str dataset,
                               const struct od_bulk *bulk, size_t bulk_count,
                               int64_t record_upto_seq, struct od_arena *arena,
                               struct od_source **out, size_t *out_count, struct od_error *err)
{
    struct span_count spans = {bulk, bulk_count, OD_NEW_ARRAY(arena, uint64_t, bulk_count + 1)};
    struct od_source *list = OD_NEW_ARRAY(arena, struct od_source, 2 * bulk_count + 1);
    if (!spans.counts || !list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s =
        od_records_read(reader, dataset, 0, record_upto_seq, count_record, &spans, err);
    if (s != OD_OK)
        return s;
    size_t n = 0;
    for (size_t i = 0; i <= bulk_count; i++) {
        if (spans.counts[i])
            list[n++] = (struct od_source){
                .after_ms = i ? bulk[i - 1].arrived_ms : INT64_MIN,
                .upto_ms = i < bulk_count ? bulk[i].arrived_ms : INT64_MAX,
            };
        if (i < bulk_count)
            list[n++] = (struct od_source){.segment = bulk[i].path};
    }
    *out = list;
    *out_count = n;
    return OD_OK;
}

/* --- rows as values --- */

/* id: of the item, for the message. */
static enum od_status body_field(const struct od_field *field, const struct od_json *body,
                                 struct od_str id, struct od_arena *arena, struct od_value *out,
                                 struct od_error *err)
{
    const struct od_json *json = od_json_get(body, field->name);
    struct od_error why;
    if (!json) {
        *out = (struct od_value){.kind = OD_VALUE_NULL};
        return OD_OK;
    }
    if (od_value_from_json(field, json, arena, out, &why) == OD_OK)
        return OD_OK;
    if (why.code == OD_NO_MEMORY)
        return od_error_copy(err, &why);
    return od_fail(err, OD_CORRUPT,
                   "The stored record of \"%.*s\" does not fit its schema: %.*s: %s",
                   OD_STR_ARG(id), OD_STR_ARG(field->name), why.message);
}

/* The field that a record's id fills: that of the schema's type, so that others with such a name
 * are fields like any. */
static const char *id_field(enum od_dataset_type type)
{
    return type == OD_USERS ? "USER_ID" : type == OD_ACTIONS ? "ACTION_ID" : "ITEM_ID";
}

static void set_text(struct od_value *value, struct od_str text)
{
    *value = text.ptr && text.len ? (struct od_value){.kind = OD_VALUE_TEXT, .text = text}
                                  : (struct od_value){.kind = OD_VALUE_NULL};
}

static enum od_status parse_body(struct od_str body, struct od_str id, struct od_arena *arena,
                                 struct od_json *out, struct od_error *err)
{
    *out = (struct od_json){.kind = OD_JSON_NULL};
    enum od_status s = body.len ? od_json_parse(arena, body, out, err) : OD_OK;
    if (s != OD_SERIALIZATION)
        return s;
    return od_fail(err, OD_CORRUPT, "The stored record of \"%.*s\" is damaged: it is no JSON.",
                   OD_STR_ARG(id));
}

enum od_status od_event_values(const struct od_event *event, const struct od_schema *schema,
                               struct od_arena *arena, struct od_value *values,
                               struct od_error *err)
{
    struct od_json body;
    const char *item_field = schema->type == OD_ACTION_INTERACTIONS ? "ACTION_ID" : "ITEM_ID";
    enum od_status s = parse_body(event->body, event->item, arena, &body, err);
    for (size_t f = 0; s == OD_OK && f < schema->field_count; f++) {
        const struct od_field *field = &schema->fields[f];
        if (od_str_eq_c(field->name, "USER_ID"))
            set_text(&values[f], event->user);
        else if (od_str_eq_c(field->name, item_field))
            set_text(&values[f], event->item);
        else if (od_str_eq_c(field->name, "EVENT_TYPE"))
            set_text(&values[f], event->type);
        else if (od_str_eq_c(field->name, "TIMESTAMP"))
            values[f] = (struct od_value){.kind = OD_VALUE_INTEGER, .integer = event->time_s};
        else if (od_str_eq_c(field->name, "EVENT_VALUE"))
            values[f] = event->has_value
                            ? (struct od_value){.kind = OD_VALUE_REAL, .real = event->value}
                            : (struct od_value){.kind = OD_VALUE_NULL};
        else
            s = body_field(field, &body, event->item, arena, &values[f], err);
    }
    return s;
}

struct record_walk {
    const struct od_source *span;
    const struct od_schema *schema;
    struct od_arena arena;
    enum od_status (*each)(void *context, const struct od_value *values);
    void *context;
    struct od_error *err;
};

static enum od_status walk_record(void *context, const struct od_record *record)
{
    struct record_walk *w = context;
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    struct od_json body;
    if (record->arrived_ms <= w->span->after_ms || record->arrived_ms > w->span->upto_ms)
        return OD_OK;
    od_arena_reset(&w->arena);
    enum od_status s = parse_body(record->body, record->id, &w->arena, &body, w->err);
    for (size_t f = 0; s == OD_OK && f < w->schema->field_count; f++) {
        const struct od_field *field = &w->schema->fields[f];
        if (od_str_eq_c(field->name, id_field(w->schema->type)))
            set_text(&values[f], record->id);
        else
            s = body_field(field, &body, record->id, &w->arena, &values[f], w->err);
    }
    return s == OD_OK ? w->each(w->context, values) : s;
}

enum od_status od_sources_records(struct od_store_reader *reader, struct od_str dataset,
                                  const struct od_source *span, int64_t after_seq, int64_t upto_seq,
                                  const struct od_schema *schema,
                                  enum od_status (*each)(void *context,
                                                         const struct od_value *values),
                                  void *context, struct od_error *err)
{
    struct record_walk walk = {
        .span = span, .schema = schema, .each = each, .context = context, .err = err};
    od_arena_init(&walk.arena, RECORD_ARENA);
    enum od_status s =
        od_records_read(reader, dataset, after_seq, upto_seq, walk_record, &walk, err);
    od_arena_done(&walk.arena);
    return s;
}
