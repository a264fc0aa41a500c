/* Folding: what came by Put* written as a segment, chunk by chunk, so that a worker process reads
 * files and never the database. See sources.h; the format is docs/formats/segment.md. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "data/segment.h"
#include "jobs/sources.h"

#define CHUNK_BYTES_MAX (1ull << 30)
#define CHUNK_TEXT      (64ull << 20) /* a chunk of long texts ends here, before its rows are full */
#define EVENT_ARENA     (1u << 20)

struct fold {
    const struct od_io *io;
    const struct od_schema *schema;
    struct od_str temporary;
    int fd;
    uint64_t at; /* bytes written */
    uint64_t rows;
    uint64_t text; /* bytes of text in the chunk under construction */
    struct od_chunk_writer *writer;
    struct od_chunk_place *places;
    size_t place_count, place_cap;
    struct od_buf bytes;
    struct od_arena arena; /* one event's values */
    struct od_error *err;
};

static enum od_status flush(struct fold *f)
{
    enum od_status s = od_buf_status(&f->bytes);
    if (s == OD_OK)
        s = f->io->write_at(f->io, f->fd, f->bytes.ptr, f->bytes.len, f->at, f->err);
    else
        od_fail(f->err, s, NULL);
    if (s == OD_OK)
        f->at += f->bytes.len;
    od_buf_clear(&f->bytes);
    return s;
}

static enum od_status finish_chunk(struct fold *f)
{
    if (f->place_count == f->place_cap) {
        size_t cap = f->place_cap ? 2 * f->place_cap : 16;
        struct od_chunk_place *grown = realloc(f->places, cap * sizeof *grown);
        if (!grown)
            return od_fail(f->err, OD_NO_MEMORY, NULL);
        f->places = grown;
        f->place_cap = cap;
    }
    uint32_t rows = od_chunk_writer_rows(f->writer);
    enum od_status s = od_chunk_writer_finish(f->writer, &f->bytes);
    if (s != OD_OK)
        return od_fail(f->err, s, NULL);
    f->text = 0;
    f->places[f->place_count++] = (struct od_chunk_place){f->at, f->bytes.len, rows};
    return flush(f);
}

static enum od_status add_row(void *context, const struct od_value *values)
{
    struct fold *f = context;
    enum od_status s = od_chunk_writer_add(f->writer, values);
    if (s != OD_OK)
        return od_fail(f->err, s, NULL);
    f->rows++;
    for (size_t i = 0; i < f->schema->field_count; i++)
        f->text += values[i].kind == OD_VALUE_TEXT ? values[i].text.len : 0;
    bool full = od_chunk_writer_rows(f->writer) == OD_CHUNK_ROWS || f->text >= CHUNK_TEXT;
    return full ? finish_chunk(f) : OD_OK;
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
 * session's, and a session with a user is joined to it. */
static const char activity_schema[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"ondol\",\"fields\":["
    "{\"name\":\"USER_ID\",\"type\":\"string\"},{\"name\":\"ITEM_ID\",\"type\":\"string\"},"
    "{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"
    "{\"name\":\"EVENT_TYPE\",\"type\":[\"null\",\"string\"]},"
    "{\"name\":\"SESSION_ID\",\"type\":[\"null\",\"string\"]}],\"version\":\"1.0\"}";

static struct od_value text_or_null(struct od_str text)
{
    if (!text.ptr || !text.len)
        return (struct od_value){.kind = OD_VALUE_NULL};
    return (struct od_value){.kind = OD_VALUE_TEXT, .text = text};
}

static enum od_status add_activity(void *context, const struct od_event *event)
{
    bool known = event->user.ptr && event->user.len;
    struct od_value values[] = {
        text_or_null(known ? event->user : event->session),   text_or_null(event->item),
        {.kind = OD_VALUE_INTEGER, .integer = event->time_s}, text_or_null(event->type),
        text_or_null(known ? event->session : OD_STR_NONE),
    };
    if (values[0].kind == OD_VALUE_NULL || values[1].kind == OD_VALUE_NULL)
        return OD_OK;
    return add_row(context, values);
}

static enum od_status begin(struct fold *f, struct od_str path)
{
    od_buf_init(&f->bytes, CHUNK_BYTES_MAX);
    od_arena_init(&f->arena, EVENT_ARENA);
    f->fd = -1;
    struct od_buf name;
    od_buf_init(&name, 4096);
    od_buf_str(&name, path);
    od_buf_puts(&name, ".tmp");
    f->writer = od_chunk_writer_new(f->schema);
    if (od_buf_status(&name) != OD_OK || !f->writer) {
        od_buf_done(&name);
        return od_fail(f->err, OD_NO_MEMORY, NULL);
    }
    f->temporary = (struct od_str){name.ptr, name.len}; /* freed by end() */
    enum od_status s = f->io->open(f->io, f->temporary.ptr, OD_OPEN_CREATE, &f->fd, f->err);
    if (s == OD_OK)
        s = od_segment_head(f->schema, &f->bytes);
    return s == OD_OK ? flush(f) : s;
}

static enum od_status write_end(struct fold *f)
{
    enum od_status s = od_chunk_writer_rows(f->writer) ? finish_chunk(f) : OD_OK;
    if (s == OD_OK)
        s = od_segment_tail(f->places, f->place_count, f->at, &f->bytes);
    if (s == OD_OK)
        s = flush(f);
    return s == OD_OK ? f->io->sync(f->io, f->fd, f->err) : s;
}

/* Makes the file whole and visible, or removes what there is of it. */
static enum od_status end(struct fold *f, enum od_status s, struct od_str path, uint64_t *out_rows)
{
    if (s == OD_OK && f->rows)
        s = write_end(f);
    if (f->fd >= 0)
        f->io->close(f->io, f->fd);
    if (s == OD_OK && f->rows)
        s = f->io->rename(f->io, f->temporary.ptr, path.ptr, f->err);
    if (f->fd >= 0 && (s != OD_OK || !f->rows))
        (void)f->io->remove(f->io, f->temporary.ptr, NULL);
    if (s == OD_OK)
        *out_rows = f->rows;
    od_chunk_writer_free(f->writer);
    od_buf_done(&f->bytes);
    od_arena_done(&f->arena);
    free(f->places);
    free((char *)f->temporary.ptr);
    return s;
}

enum od_status od_fold_events(const struct od_io *io, struct od_store_reader *reader,
                              struct od_str dataset, int64_t upto_seq,
                              const struct od_schema *schema, struct od_str path,
                              uint64_t *out_rows, struct od_error *err)
{
    struct fold f = {.io = io, .schema = schema, .err = err};
    enum od_status s = begin(&f, path);
    if (s == OD_OK && upto_seq > 0)
        s = od_events_read(reader, dataset, 0, upto_seq, add_event, &f, err);
    return end(&f, s, path, out_rows);
}

enum od_status od_fold_records(const struct od_io *io, struct od_store_reader *reader,
                               struct od_str dataset, const struct od_source *span,
                               int64_t upto_seq, const struct od_schema *schema, struct od_str path,
                               uint64_t *out_rows, struct od_error *err)
{
    struct fold f = {.io = io, .schema = schema, .err = err};
    enum od_status s = begin(&f, path);
    if (s == OD_OK)
        s = od_sources_records(reader, dataset, span, 0, upto_seq, schema, add_row, &f, err);
    return end(&f, s, path, out_rows);
}

enum od_status od_fold_activity(const struct od_io *io, struct od_store_reader *reader,
                                struct od_str dataset, int64_t upto_seq, struct od_str path,
                                uint64_t *out_rows, struct od_error *err)
{
    struct od_arena arena;
    struct od_schema schema;
    od_arena_init(&arena, EVENT_ARENA);
    struct fold f = {.io = io, .schema = &schema, .err = err};
    enum od_status s =
        od_schema_parse(&arena, od_str_c(activity_schema), OD_DOMAIN_NONE, &schema, err);
    if (s == OD_OK) {
        s = begin(&f, path);
        if (s == OD_OK && upto_seq > 0)
            s = od_events_read(reader, dataset, 0, upto_seq, add_activity, &f, err);
        s = end(&f, s, path, out_rows);
    }
    od_arena_done(&arena);
    return s;
}
