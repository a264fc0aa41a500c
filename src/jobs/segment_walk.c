/* Walking through segments: see segment_walk.h. */
#include "jobs/segment_walk.h"

enum od_status od_segment_chunks(const struct od_segment *segment,
                                 enum od_status (*each)(void *context,
                                                        const struct od_segment *segment,
                                                        const struct od_chunk *chunk),
                                 void *context, struct od_error *err)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < segment->chunk_count; i++) {
        struct od_arena arena;
        struct od_chunk chunk;
        od_arena_init(&arena, SIZE_MAX);
        s = od_segment_chunk(segment, i, &arena, &chunk, err);
        if (s == OD_OK)
            s = each(context, segment, &chunk);
        od_arena_done(&arena);
    }
    return s;
}

enum od_status od_segment_walk(const struct od_io *io, struct od_str path,
                               enum od_status (*each)(void *context,
                                                      const struct od_segment *segment,
                                                      const struct od_chunk *chunk),
                               void *context, struct od_error *err)
{
    struct od_arena arena;
    struct od_io_map map;
    struct od_segment segment;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str name = od_arena_str(&arena, path); /* NUL-terminated */
    enum od_status s =
        name.ptr ? io->map(io, name.ptr, &map, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = od_segment_open(&arena, (struct od_str){map.ptr, map.bytes}, &segment, err);
        if (s == OD_OK)
            s = od_segment_chunks(&segment, each, context, err);
        io->unmap(io, &map);
    }
    od_arena_done(&arena);
    return s;
}

enum od_status od_segment_match(const struct od_schema *from, const struct od_schema *to,
                                size_t *out_places, struct od_error *err)
{
    for (size_t f = 0; f < to->field_count; f++) {
        size_t at = od_schema_find(from, to->fields[f].name);
        if (at != SIZE_MAX && from->fields[at].type != to->fields[f].type)
            return od_fail(err, OD_CORRUPT, "Field %.*s of a segment has another type.",
                           OD_STR_ARG(to->fields[f].name));
        out_places[f] = at;
    }
    return OD_OK;
}

void od_segment_row(const struct od_chunk *chunk, uint32_t row, const size_t *places, size_t count,
                    struct od_value *values)
{
    for (size_t f = 0; f < count; f++) {
        if (places[f] == SIZE_MAX)
            values[f] = (struct od_value){.kind = OD_VALUE_NULL};
        else
            od_chunk_value(chunk, places[f], row, &values[f]);
    }
}
