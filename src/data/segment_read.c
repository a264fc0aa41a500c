/* Reading segments: everything is checked before a pointer is handed out. See segment.h.
 *
 * A segment may come from a damaged disk or from somebody who means harm, and a checksum does not
 * stop the latter. So: (1) every offset and count is checked against the bytes that are there,
 * without sums that can overflow; (2) chunks lie end to end between head and index; (3) codes of
 * cells that are not null lie in their dictionary, and offsets of texts never fall. A reader of a
 * column then needs no check of its own. */
#include <string.h>

#include "data/schema_inner.h"
#include "data/segment_layout.h"

static enum od_status corrupt(struct od_error *err, const char *what)
{
    return od_fail(err, OD_CORRUPT, "The segment is damaged: %s.", what);
}

/* --- the file --- */

static enum od_status open_head(struct od_arena *arena, struct od_str bytes, struct od_segment *out,
                                uint64_t *out_end, struct od_error *err)
{
    struct od_segment_head head;
    if ((uintptr_t)bytes.ptr % 8 != 0)
        return od_fail(err, OD_INTERNAL, "A segment must be mapped at a multiple of 8 bytes.");
    if (bytes.len < sizeof head + sizeof(struct od_segment_foot))
        return corrupt(err, "it is too short");
    memcpy(&head, bytes.ptr, sizeof head);
    if (memcmp(head.magic, od_segment_magic, sizeof head.magic) != 0)
        return corrupt(err, "it does not begin with a segment's mark");
    if (head.version != OD_SEGMENT_VERSION)
        return od_fail(err, OD_CORRUPT,
                       "The segment has version %u; this program reads version %u.", head.version,
                       OD_SEGMENT_VERSION);
    if (head.schema_bytes > bytes.len - sizeof head - sizeof(struct od_segment_foot))
        return corrupt(err, "its schema reaches beyond its end");
    struct od_str text = od_str_sub(bytes, sizeof head, head.schema_bytes);
    if (od_segment_head_checksum(&head, text) != head.checksum)
        return corrupt(err, "the checksum of its head does not match");
    *out_end = sizeof head + od_segment_pad(head.schema_bytes);
    struct od_error inner = {0};
    enum od_status s = od_schema_read(arena, text, &out->schema, &inner);
    if (s == OD_NO_MEMORY)
        return od_fail(err, s, NULL);
    return s == OD_OK ? OD_OK
                      : od_fail(err, OD_CORRUPT, "The segment is damaged: %.600s", inner.message);
}

/* Finds the index between the last chunk and the foot. */
static enum od_status open_foot(struct od_str bytes, struct od_segment_foot *foot,
                                struct od_str *out_index, struct od_error *err)
{
    size_t foot_at = bytes.len - sizeof *foot;
    memcpy(foot, bytes.ptr + foot_at, sizeof *foot);
    if (memcmp(foot->magic, od_segment_end_magic, sizeof foot->magic) != 0)
        return corrupt(err, "it does not end with a segment's mark; it may be cut short");
    if (foot->tail_offset > foot_at || foot->tail_offset % 8 != 0)
        return corrupt(err, "its index lies outside of it");
    *out_index = od_str_sub(bytes, foot->tail_offset, foot_at - foot->tail_offset);
    if (out_index->len / sizeof(struct od_segment_entry) != foot->chunk_count ||
        out_index->len % sizeof(struct od_segment_entry) != 0)
        return corrupt(err, "its index does not have as many entries as it has chunks");
    if (od_segment_foot_checksum(foot, *out_index) != foot->checksum)
        return corrupt(err, "the checksum of its index does not match");
    return OD_OK;
}

static enum od_status open_index(struct od_arena *arena, const struct od_segment_foot *foot,
                                 struct od_str index, uint64_t first, struct od_segment *out,
                                 struct od_error *err)
{
    uint64_t at = first, rows = 0;
    out->chunk_count = foot->chunk_count;
    out->chunks = OD_NEW_ARRAY(arena, struct od_chunk_place, out->chunk_count);
    if (!out->chunks)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < out->chunk_count; i++) {
        struct od_segment_entry entry;
        memcpy(&entry, index.ptr + i * sizeof entry, sizeof entry);
        if (entry.offset != at || entry.bytes > foot->tail_offset - at || entry.bytes % 8 != 0)
            return corrupt(err, "its chunks do not lie end to end");
        if (entry.rows == 0 || entry.rows > OD_CHUNK_ROWS)
            return corrupt(err, "a chunk has no rows or too many");
        out->chunks[i] = (struct od_chunk_place){entry.offset, entry.bytes, entry.rows};
        at += entry.bytes;
        rows += entry.rows;
    }
    if (at != foot->tail_offset || rows != foot->row_count)
        return corrupt(err, "its chunks do not add up to its size");
    out->row_count = rows;
    return OD_OK;
}

enum od_status od_segment_open(struct od_arena *arena, struct od_str bytes, struct od_segment *out,
                               struct od_error *err)
{
    struct od_segment segment = {.bytes = bytes};
    struct od_segment_foot foot;
    struct od_str index;
    uint64_t first = 0;
    enum od_status s = open_head(arena, bytes, &segment, &first, err);
    if (s == OD_OK)
        s = open_foot(bytes, &foot, &index, err);
    if (s == OD_OK && foot.tail_offset < first)
        s = corrupt(err, "its index lies in its head");
    if (s == OD_OK)
        s = open_index(arena, &foot, index, first, &segment, err);
    if (s == OD_OK)
        *out = segment;
    return s;
}

/* --- a chunk --- */

/* count items of item_bytes at offset at, or NULL when they are not wholly in the chunk. */
static const void *piece(struct od_str chunk, uint64_t at, uint64_t count, size_t item_bytes)
{
    if (at % 8 != 0 || at > chunk.len || count > (chunk.len - at) / item_bytes)
        return NULL;
    return chunk.ptr + at;
}

static bool texts_in_order(const struct od_chunk_column *c, uint64_t text_bytes)
{
    bool ok = c->dict_offsets[0] == 0 && c->dict_offsets[c->dict_count] == text_bytes;
    for (uint32_t i = 0; i < c->dict_count; i++)
        ok &= c->dict_offsets[i] <= c->dict_offsets[i + 1];
    return ok;
}

static bool codes_in_range(const struct od_chunk_column *c, uint32_t rows)
{
    uint16_t most = 0;
    for (uint32_t i = 0; i < rows; i++)
        most = c->codes[i] > most ? c->codes[i] : most;
    if (c->dict_count == 0)
        return c->nulls && most == 0 && od_bitmap_count(c->nulls, rows) == rows;
    return most < c->dict_count;
}

static enum od_status open_text(struct od_str chunk, const struct od_chunk_entry *entry,
                                uint32_t rows, struct od_chunk_column *c, struct od_error *err)
{
    c->dict_count = entry->dict_count;
    if (c->dict_count > OD_CHUNK_ROWS)
        return corrupt(err, "a dictionary has more texts than its chunk may have rows");
    c->codes = piece(chunk, entry->cells_at, rows, sizeof *c->codes);
    c->dict_offsets =
        piece(chunk, entry->offsets_at, (uint64_t)c->dict_count + 1, sizeof *c->dict_offsets);
    c->dict_bytes = piece(chunk, entry->text_at, entry->text_bytes, 1);
    if (!c->codes || !c->dict_offsets || !c->dict_bytes)
        return corrupt(err, "a text column reaches beyond its chunk");
    if (!texts_in_order(c, entry->text_bytes))
        return corrupt(err, "the offsets of a dictionary are out of order");
    if (!codes_in_range(c, rows))
        return corrupt(err, "a code lies outside of its dictionary");
    return OD_OK;
}

static enum od_status open_column(struct od_str chunk, const struct od_chunk_entry *entry,
                                  enum od_field_type type, uint32_t rows,
                                  struct od_chunk_column *out, struct od_error *err)
{
    struct od_chunk_column c = {.type = type};
    if (entry->type != (uint32_t)type)
        return corrupt(err, "a column's type is not that of the schema");
    if (entry->nulls_at) {
        c.nulls = piece(chunk, entry->nulls_at, od_bitmap_words(rows), sizeof *c.nulls);
        if (!c.nulls)
            return corrupt(err, "a null bitmap reaches beyond its chunk");
        if (rows % 64 && c.nulls[rows / 64] >> (rows % 64))
            return corrupt(err, "a null bitmap has bits beyond its rows");
    }
    enum od_status s = OD_OK;
    const void *cells = NULL;
    if (type == OD_FIELD_STRING)
        s = open_text(chunk, entry, rows, &c, err);
    else if (!(cells = piece(chunk, entry->cells_at, rows, sizeof(int64_t))))
        s = corrupt(err, "a column reaches beyond its chunk");
    else if (type == OD_FIELD_FLOAT || type == OD_FIELD_DOUBLE)
        c.reals = cells;
    else
        c.integers = cells;
    if (s == OD_OK)
        *out = c;
    return s;
}

static enum od_status check_chunk_head(const struct od_segment *segment, size_t index,
                                       struct od_str chunk, struct od_error *err)
{
    struct od_chunk_head head;
    size_t columns = segment->schema.field_count;
    if (chunk.len < sizeof head + columns * sizeof(struct od_chunk_entry))
        return corrupt(err, "a chunk is too short");
    memcpy(&head, chunk.ptr, sizeof head);
    if (head.checksum !=
        od_hash(chunk.ptr + sizeof head.checksum, chunk.len - sizeof head.checksum, 0))
        return corrupt(err, "the checksum of a chunk does not match");
    if (head.row_count != segment->chunks[index].rows || head.column_count != columns)
        return corrupt(err, "a chunk has other rows or columns than the index and schema say");
    return OD_OK;
}

enum od_status od_segment_chunk(const struct od_segment *segment, size_t index,
                                struct od_arena *arena, struct od_chunk *out, struct od_error *err)
{
    if (index >= segment->chunk_count)
        return od_fail(err, OD_INTERNAL, "Chunk %zu of %zu was asked for.", index,
                       segment->chunk_count);
    const struct od_chunk_place *place = &segment->chunks[index];
    struct od_str bytes = od_str_sub(segment->bytes, place->offset, place->bytes);
    enum od_status s = check_chunk_head(segment, index, bytes, err);
    if (s != OD_OK)
        return s;
    struct od_chunk chunk = {.row_count = place->rows, .column_count = segment->schema.field_count};
    chunk.columns = OD_NEW_ARRAY(arena, struct od_chunk_column, chunk.column_count);
    if (!chunk.columns)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < chunk.column_count; i++) {
        struct od_chunk_entry entry;
        memcpy(&entry, bytes.ptr + sizeof(struct od_chunk_head) + i * sizeof entry, sizeof entry);
        s = open_column(bytes, &entry, segment->schema.fields[i].type, chunk.row_count,
                        &chunk.columns[i], err);
    }
    if (s == OD_OK)
        *out = chunk;
    return s;
}

struct od_str od_chunk_text(const struct od_chunk_column *column, uint32_t code)
{
    if (code >= column->dict_count)
        return OD_STR("");
    uint32_t from = column->dict_offsets[code];
    return (struct od_str){column->dict_bytes + from, column->dict_offsets[code + 1] - from};
}

void od_chunk_value(const struct od_chunk *chunk, size_t column, uint32_t row, struct od_value *out)
{
    const struct od_chunk_column *c = &chunk->columns[column];
    *out = (struct od_value){.kind = OD_VALUE_NULL};
    if (c->nulls && od_bitmap_get(c->nulls, row))
        return;
    switch (c->type) {
    case OD_FIELD_STRING:
        out->kind = OD_VALUE_TEXT;
        out->text = od_chunk_text(c, c->codes[row]);
        return;
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        out->kind = OD_VALUE_REAL;
        out->real = c->reals[row];
        return;
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
    case OD_FIELD_BOOLEAN:
        break;
    }
    out->kind = c->type == OD_FIELD_BOOLEAN ? OD_VALUE_BOOLEAN : OD_VALUE_INTEGER;
    out->integer = c->integers[row];
}
