/* Reading data. A CSV row becomes checked values by the schema guessed for its file; interactions
 * then go through chunks of a segment in memory, because that is how a training set takes them, and
 * an imported segment is taken as it is. */
#include "eval/load.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "eval/infer.h"

#define VALUE_SHOWN     60           /* bytes of a bad value repeated in a message */
#define CHUNK_BYTES_MAX (4ull << 30) /* of one encoded chunk: a column's text is bounded so */

/* Users, and how many events each had in all files so far. */
struct clock {
    struct od_dict *users;
    int64_t *events;
    size_t cap;
};

/* What is read goes to. */
struct into {
    struct od_training_builder *builder; /* interactions */
    struct clock clock;                  /* likewise */
    struct od_table **table;             /* items, users */
    struct od_loaded *out;
};

/* One file being read. */
struct reader {
    const char *name;
    const struct od_schema *schema;
    const struct od_csv_header *header;
    size_t *cell; /* [field_count] its cell, SIZE_MAX: the file has none */
    struct od_value *values;
    /* interactions */
    struct od_chunk_writer *writer;
    struct od_training_builder *builder;
    struct clock *clock; /* without TIMESTAMP; else NULL */
    /* items, users */
    struct od_table *table;
};

/* --- chunks --- */

static enum od_status add_chunks(struct od_training_builder *builder, struct od_str bytes,
                                 struct od_error *err)
{
    struct od_arena arena;
    struct od_segment segment;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = od_segment_open(&arena, bytes, &segment, err);
    if (s == OD_OK && segment.schema.type != OD_INTERACTIONS)
        s = od_fail(err, OD_INVALID_INPUT, "It is a segment of %s, not of INTERACTIONS.",
                    od_dataset_type_name(segment.schema.type));
    for (size_t c = 0; s == OD_OK && c < segment.chunk_count; c++) {
        struct od_arena piece;
        struct od_chunk chunk;
        od_arena_init(&piece, SIZE_MAX);
        s = od_segment_chunk(&segment, c, &piece, &chunk, err);
        if (s == OD_OK)
            s = od_training_add_chunk(builder, &segment.schema, &chunk, err);
        od_arena_done(&piece);
    }
    od_arena_done(&arena);
    return s;
}

/* Gives what the writer holds to the builder. */
static enum od_status flush(struct reader *reader, struct od_error *err)
{
    struct od_buf bytes;
    struct od_chunk_place place = {.rows = od_chunk_writer_rows(reader->writer)};
    if (place.rows == 0)
        return OD_OK;
    od_buf_init(&bytes, CHUNK_BYTES_MAX);
    enum od_status s = od_segment_head(reader->schema, &bytes);
    place.offset = bytes.len;
    if (s == OD_OK)
        s = od_chunk_writer_finish(reader->writer, &bytes);
    place.bytes = bytes.len - place.offset;
    if (s == OD_OK)
        s = od_segment_tail(&place, 1, bytes.len, &bytes);
    if (s == OD_OK)
        s = add_chunks(reader->builder, od_buf_view(&bytes), err);
    else
        od_fail(err, s, NULL);
    od_buf_done(&bytes);
    return s;
}

/* --- rows --- */

static enum od_status read_cells(struct reader *reader, const struct od_str *cells,
                                 struct od_error *err)
{
    for (size_t f = 0; f < reader->schema->field_count; f++) {
        const struct od_field *field = &reader->schema->fields[f];
        struct od_error inner = {0};
        reader->values[f] = (struct od_value){.kind = OD_VALUE_NULL};
        if (reader->cell[f] == SIZE_MAX)
            continue;
        struct od_str cell = cells[reader->cell[f]];
        enum od_status s = od_value_from_text(field, cell, &reader->values[f], &inner);
        if (s != OD_OK)
            return od_fail(err, s, "column %.*s, value \"%.*s\": %s", OD_STR_ARG(field->name),
                           OD_STR_ARG(od_value_excerpt(cell, VALUE_SHOWN)), inner.message);
    }
    return OD_OK;
}

/* Where nothing tells the time, a user's events are a second apart. */
static enum od_status tell_time(struct reader *reader)
{
    struct clock *clock = reader->clock;
    size_t user = od_schema_find(reader->schema, OD_STR("USER_ID"));
    size_t time = od_schema_find(reader->schema, OD_STR("TIMESTAMP"));
    uint32_t code;
    enum od_status s = od_dict_add(clock->users, reader->values[user].text, &code);
    if (s != OD_OK)
        return s;
    if (code >= clock->cap) {
        size_t cap = clock->cap ? clock->cap * 2 : 1024;
        int64_t *bigger = reallocarray(clock->events, cap, sizeof *bigger);
        if (!bigger)
            return OD_NO_MEMORY;
        memset(bigger + clock->cap, 0, (cap - clock->cap) * sizeof *bigger);
        clock->events = bigger;
        clock->cap = cap;
    }
    reader->values[time] =
        (struct od_value){.kind = OD_VALUE_INTEGER, .integer = clock->events[code]++};
    return OD_OK;
}

static enum od_status take_event(void *context, const struct od_str *cells, struct od_error *err)
{
    struct reader *reader = context;
    enum od_status s = read_cells(reader, cells, err);
    if (s != OD_OK)
        return s;
    s = reader->clock ? tell_time(reader) : OD_OK;
    if (s == OD_OK)
        s = od_chunk_writer_add(reader->writer, reader->values);
    if (s == OD_LIMIT) {
        s = flush(reader, err);
        if (s != OD_OK)
            return s;
        s = od_chunk_writer_add(reader->writer, reader->values);
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

static enum od_status take_record(void *context, const struct od_str *cells, struct od_error *err)
{
    struct reader *reader = context;
    enum od_status s = read_cells(reader, cells, err);
    if (s != OD_OK)
        return s;
    s = od_table_put(reader->table, reader->values);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* --- files --- */

static enum od_status reader_init(struct reader *reader, const struct od_schema *schema,
                                  const struct od_csv_header *header, struct od_arena *arena)
{
    reader->schema = schema;
    reader->header = header;
    reader->cell = OD_NEW_ARRAY(arena, size_t, schema->field_count);
    reader->values = OD_NEW_ARRAY(arena, struct od_value, schema->field_count);
    if (!reader->cell || !reader->values)
        return OD_NO_MEMORY;
    for (size_t f = 0; f < schema->field_count; f++) {
        reader->cell[f] = SIZE_MAX;
        for (size_t c = 0; c < header->column_count; c++)
            if (od_str_eq(header->columns[c], schema->fields[f].name))
                reader->cell[f] = c;
    }
    return OD_OK;
}

static enum od_status read_event_rows(struct reader *reader, struct od_str bytes,
                                      struct od_error *err)
{
    reader->writer = od_chunk_writer_new(reader->schema);
    enum od_status s = OD_NO_MEMORY;
    if (reader->writer)
        s = od_csv_walk(bytes, reader->name, reader->header, take_event, reader, err);
    else
        od_fail(err, s, NULL);
    if (s == OD_OK)
        s = flush(reader, err);
    od_chunk_writer_free(reader->writer);
    return s;
}

static enum od_status read_csv(struct od_str bytes, const char *name, enum od_dataset_type type,
                               struct into *into, struct od_error *err)
{
    struct od_arena arena;
    struct od_schema schema;
    struct od_csv_header header;
    struct reader reader = {.name = name, .builder = into->builder};
    size_t dropped;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = od_infer_schema(&arena, bytes, name, type, &schema, &dropped, err);
    if (s == OD_OK)
        s = od_csv_header(&arena, bytes, &header, err);
    if (s == OD_OK && reader_init(&reader, &schema, &header, &arena) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK && type == OD_INTERACTIONS) {
        size_t time = od_schema_find(&schema, OD_STR("TIMESTAMP"));
        bool has_time = reader.cell[time] != SIZE_MAX;
        into->out->dropped_columns = dropped;
        into->out->has_time = into->out->has_time && has_time;
        reader.clock = has_time ? NULL : &into->clock;
        s = read_event_rows(&reader, bytes, err);
    } else if (s == OD_OK) {
        reader.table = *into->table = od_table_new(&schema);
        s = reader.table ? od_csv_walk(bytes, name, &header, take_record, &reader, err)
                         : od_fail(err, OD_NO_MEMORY, NULL);
    }
    od_arena_done(&arena);
    return s;
}

static enum od_status read_segment(struct od_str bytes, enum od_dataset_type type,
                                   struct into *into, struct od_error *err)
{
    struct od_arena arena;
    struct od_segment segment;
    struct od_table **table = into->table;
    if (type == OD_INTERACTIONS)
        return add_chunks(into->builder, bytes, err);
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = od_segment_open(&arena, bytes, &segment, err);
    if (s == OD_OK && segment.schema.type != type)
        s = od_fail(err, OD_INVALID_INPUT, "It is a segment of %s, not of %s.",
                    od_dataset_type_name(segment.schema.type), od_dataset_type_name(type));
    if (s == OD_OK && !(*table = od_table_new(&segment.schema)))
        s = od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t c = 0; s == OD_OK && c < segment.chunk_count; c++) {
        struct od_chunk chunk;
        s = od_segment_chunk(&segment, c, &arena, &chunk, err);
        if (s == OD_OK && (s = od_table_put_chunk(*table, &chunk)) != OD_OK)
            od_fail(err, s, NULL);
    }
    od_arena_done(&arena);
    return s;
}

/* CSV or segment, by the first bytes. */
static enum od_status read_file(const char *path, enum od_dataset_type type, const struct od_io *io,
                                struct into *into, struct od_error *err)
{
    struct od_io_map map;
    struct od_error inner = {0};
    enum od_status s = io->map(io, path, &map, err);
    if (s != OD_OK)
        return s;
    struct od_str bytes = {map.ptr, map.bytes};
    if (type != OD_INTERACTIONS)
        into->out->records = od_hash(bytes.ptr, bytes.len, into->out->records + type);
    if (od_str_starts(bytes, OD_STR("\x1f\x8b"))) {
        s = od_fail(err, OD_INVALID_INPUT, "%s is compressed with gzip; unpack it first.", path);
    } else if (od_str_starts(bytes, OD_STR("ONDOLSEG"))) {
        s = read_segment(bytes, type, into, &inner);
        if (s != OD_OK)
            od_fail(err, s, "%s: %s", path, inner.message);
    } else {
        s = read_csv(bytes, path, type, into, err);
    }
    io->unmap(io, &map);
    return s;
}

static enum od_status read_interactions(const struct od_load_files *files, const struct od_io *io,
                                        struct od_loaded *out, struct od_error *err)
{
    struct od_training_builder *builder = od_training_builder_new(&files->rule);
    struct into into = {.builder = builder, .clock = {.users = od_dict_new()}, .out = out};
    enum od_status s = builder && into.clock.users ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    out->has_time = true;
    for (size_t i = 0; s == OD_OK && i < files->interactions_count; i++)
        s = read_file(files->interactions[i], OD_INTERACTIONS, io, &into, err);
    if (s == OD_OK)
        s = od_training_finish(builder, &out->training, err);
    od_training_builder_free(builder);
    od_dict_free(into.clock.users);
    free(into.clock.events);
    if (s == OD_OK && out->training->event_count == 0)
        s = od_fail(err, OD_INVALID_INPUT, "%s has no interactions%s.", files->interactions[0],
                    files->rule.event_count ? " that --event-type and --event-value let pass" : "");
    return s;
}

enum od_status od_load(const struct od_load_files *files, const struct od_io *io,
                       struct od_loaded *out, struct od_error *err)
{
    *out = (struct od_loaded){0};
    enum od_status s = OD_OK;
    if (files->items)
        s = read_file(files->items, OD_ITEMS, io, &(struct into){.table = &out->items, .out = out},
                      err);
    if (s == OD_OK && files->users)
        s = read_file(files->users, OD_USERS, io, &(struct into){.table = &out->users, .out = out},
                      err);
    if (s == OD_OK)
        s = read_interactions(files, io, out, err);
    if (s == OD_OK) {
        out->training->item_table = out->items;
        out->training->user_table = out->users;
    } else {
        od_loaded_done(out);
    }
    return s;
}

void od_loaded_done(struct od_loaded *loaded)
{
    od_training_free(loaded->training);
    od_table_free(loaded->items);
    od_table_free(loaded->users);
    *loaded = (struct od_loaded){0};
}
