/* Writing segments by rows: see segment_file.h; the format is docs/formats/segment.md. */
#include "jobs/segment_file.h"

#include <stdlib.h>

#define CHUNK_BYTES_MAX (1ull << 30)
#define CHUNK_TEXT      (64ull << 20) /* a chunk of long texts ends here, before its rows are full */

struct od_segment_file {
    const struct od_io *io;
    const struct od_schema *schema;
    struct od_arena arena; /* the paths */
    struct od_str path, temporary;
    int fd;
    uint64_t at; /* bytes written */
    uint64_t rows;
    uint64_t text; /* bytes of text in the chunk under construction */
    struct od_chunk_writer *writer;
    struct od_chunk_place *places;
    size_t place_count, place_cap;
    struct od_buf bytes;
};

static enum od_status flush(struct od_segment_file *f, struct od_error *err)
{
    enum od_status s = od_buf_status(&f->bytes);
    if (s == OD_OK)
        s = f->io->write_at(f->io, f->fd, f->bytes.ptr, f->bytes.len, f->at, err);
    else
        od_fail(err, s, NULL);
    if (s == OD_OK)
        f->at += f->bytes.len;
    od_buf_clear(&f->bytes);
    return s;
}

static enum od_status finish_chunk(struct od_segment_file *f, struct od_error *err)
{
    if (f->place_count == f->place_cap) {
        size_t cap = f->place_cap ? 2 * f->place_cap : 16;
        struct od_chunk_place *grown = realloc(f->places, cap * sizeof *grown);
        if (!grown)
            return od_fail(err, OD_NO_MEMORY, NULL);
        f->places = grown;
        f->place_cap = cap;
    }
    uint32_t rows = od_chunk_writer_rows(f->writer);
    enum od_status s = od_chunk_writer_finish(f->writer, &f->bytes);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    f->text = 0;
    f->places[f->place_count++] = (struct od_chunk_place){f->at, f->bytes.len, rows};
    return flush(f, err);
}

enum od_status od_segment_file_begin(const struct od_io *io, const struct od_schema *schema,
                                     struct od_str path, struct od_segment_file **out,
                                     struct od_error *err)
{
    struct od_segment_file *f = calloc(1, sizeof *f);
    *out = f;
    if (!f)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *f = (struct od_segment_file){.io = io, .schema = schema, .fd = -1};
    od_buf_init(&f->bytes, CHUNK_BYTES_MAX);
    od_arena_init(&f->arena, 1u << 20);
    f->path = od_arena_str(&f->arena, path);
    f->temporary = od_arena_printf(&f->arena, "%.*s.tmp", OD_STR_ARG(path));
    f->writer = od_chunk_writer_new(schema);
    if (!f->path.ptr || !f->temporary.ptr || !f->writer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = io->open(io, f->temporary.ptr, OD_OPEN_CREATE, &f->fd, err);
    if (s == OD_OK)
        s = od_segment_head(schema, &f->bytes);
    return s == OD_OK ? flush(f, err) : s;
}

enum od_status od_segment_file_add(struct od_segment_file *f, const struct od_value *values,
                                   struct od_error *err)
{
    enum od_status s = od_chunk_writer_add(f->writer, values);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    f->rows++;
    for (size_t i = 0; i < f->schema->field_count; i++)
        f->text += values[i].kind == OD_VALUE_TEXT ? values[i].text.len : 0;
    bool full = od_chunk_writer_rows(f->writer) == OD_CHUNK_ROWS || f->text >= CHUNK_TEXT;
    return full ? finish_chunk(f, err) : OD_OK;
}

static enum od_status write_end(struct od_segment_file *f, struct od_error *err)
{
    enum od_status s = od_chunk_writer_rows(f->writer) ? finish_chunk(f, err) : OD_OK;
    if (s == OD_OK)
        s = od_segment_tail(f->places, f->place_count, f->at, &f->bytes);
    if (s == OD_OK)
        s = flush(f, err);
    return s == OD_OK ? f->io->sync(f->io, f->fd, err) : s;
}

enum od_status od_segment_file_end(struct od_segment_file *f, enum od_status s, uint64_t *out_rows,
                                   struct od_error *err)
{
    if (!f)
        return s;
    if (s == OD_OK && f->rows)
        s = write_end(f, err);
    if (f->fd >= 0)
        f->io->close(f->io, f->fd);
    if (s == OD_OK && f->rows)
        s = f->io->rename(f->io, f->temporary.ptr, f->path.ptr, err);
    if (f->fd >= 0 && (s != OD_OK || !f->rows))
        (void)f->io->remove(f->io, f->temporary.ptr, NULL);
    if (s == OD_OK)
        *out_rows = f->rows;
    od_chunk_writer_free(f->writer);
    od_buf_done(&f->bytes);
    od_arena_done(&f->arena);
    free(f->places);
    free(f);
    return s;
}
