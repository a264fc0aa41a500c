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
