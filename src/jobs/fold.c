/* Folding: what came by Put* written as a segment, so that a worker process reads files and never
 * the database. See sources.h. */
#include "base/limits.h"
#include "jobs/segment_file.h"
#include "jobs/sources.h"

#define EVENT_ARENA (1u << 20)

struct fold {
    const struct od_schema *schema;
    struct od_segment_file *file;
    struct od_arena arena; /* one event's values */
    struct od_error *err;
};

static enum od_status add_row(void *context, const struct od_value *values)
{
    struct fold *f = context;
    return od_segment_file_add(f->file, values, f->err);
}

static enum od_status add_event(void *context, const struct od_event *event)
{
    struct fold *f = context;
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    if (!event->user.ptr)
        return OD_OK;
    od_arena_reset(&f->arena);
    enum od_status s = od_event_values(event, f->schema, &f->arena, values, f->err);
    return s == OD_OK ? add_row(f, values) : s;
}

/* What serving hears of an event, which is more than training does: an event of nobody known is its
 * session's, and a session with a user is joined to it, and what was shown with it. */
static const char activity_schema[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"ondol\",\"fields\":["
    "{\"name\":\"USER_ID\",\"type\":\"string\"},{\"name\":\"ITEM_ID\",\"type\":\"string\"},"
    "{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
    "{\"name\":\"EVENT_TYPE\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"EVENT_VALUE\",\"type\":[\"null\",\"float\"]},"
    "{\"name\":\"SESSION_ID\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"IMPRESSION\",\"type\":[\"null\",\"string\"]}],\"version\":\"1.0\"}";

static struct od_value text_or_null(struct od_str text)
{
    if (!text.ptr || !text.len)
        return (struct od_value){.kind = OD_VALUE_NULL};
    return (struct od_value){.kind = OD_VALUE_TEXT, .text = text};
}

static enum od_status add_activity(void *context, const struct od_event *event)
{
    struct fold *f = context;
    struct od_json body;
    struct od_str shown = OD_STR_NONE;
    bool known = event->user.ptr && event->user.len;
    od_arena_reset(&f->arena);
    if (event->body.len && od_json_parse(&f->arena, event->body, &body, NULL) == OD_OK)
        shown = od_json_get_str(&body, "IMPRESSION", OD_STR_NONE);
    struct od_value values[] = {
        {.kind = OD_VALUE_TEXT, .text = known ? event->user : OD_STR("")}, /* nobody known */
        text_or_null(event->item),
        {.kind = OD_VALUE_INTEGER, .integer = event->time_s},
        text_or_null(event->type),
        {.kind = event->has_value ? OD_VALUE_REAL : OD_VALUE_NULL, .real = event->value},
        text_or_null(event->session),
        text_or_null(shown),
    };
    bool anybody = known || values[5].kind != OD_VALUE_NULL;
    if (!anybody || values[1].kind == OD_VALUE_NULL)
        return OD_OK;
    return add_row(f, values);
}

enum od_status od_fold_events(const struct od_io *io, struct od_store_reader *reader,
                              struct od_str dataset, int64_t upto_seq,
                              const struct od_schema *schema, struct od_str path,
                              uint64_t *out_rows, struct od_error *err)
{
    struct fold f = {.schema = schema, .err = err};
    od_arena_init(&f.arena, EVENT_ARENA);
    enum od_status s = od_segment_file_begin(io, schema, path, &f.file, err);
    if (s == OD_OK && upto_seq > 0)
        s = od_events_read(reader, dataset, 0, upto_seq, add_event, &f, err);
    od_arena_done(&f.arena);
    return od_segment_file_end(f.file, s, out_rows, err);
}

enum od_status od_fold_records(const struct od_io *io, struct od_store_reader *reader,
                               struct od_str dataset, const struct od_source *span,
                               int64_t upto_seq, const struct od_schema *schema, struct od_str path,
                               uint64_t *out_rows, struct od_error *err)
{
    struct fold f = {.schema = schema, .err = err};
    enum od_status s = od_segment_file_begin(io, schema, path, &f.file, err);
    if (s == OD_OK)
        s = od_sources_records(reader, dataset, span, 0, upto_seq, schema, add_row, &f, err);
    return od_segment_file_end(f.file, s, out_rows, err);
}

enum od_status od_fold_activity(const struct od_io *io, struct od_store_reader *reader,
                                struct od_str dataset, int64_t upto_seq, struct od_str path,
                                uint64_t *out_rows, struct od_error *err)
{
    struct od_schema schema;
    struct fold f = {.schema = &schema, .err = err};
    od_arena_init(&f.arena, EVENT_ARENA);
    enum od_status s =
        od_schema_parse(&f.arena, od_str_c(activity_schema), OD_DOMAIN_NONE, &schema, err);
    if (s == OD_OK) {
        s = od_segment_file_begin(io, &schema, path, &f.file, err);
        if (s == OD_OK && upto_seq > 0)
            s = od_events_replay(reader, dataset, 0, upto_seq, add_activity, &f, err);
        s = od_segment_file_end(f.file, s, out_rows, err);
    }
    od_arena_done(&f.arena);
    return s;
}
