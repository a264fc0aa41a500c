/* The segment: imported rows as columns, in chunks of at most 65,536 rows.
 *
 * One import job writes one segment; it never changes afterwards. Each chunk stands alone (its own
 * dictionaries), so that cores can encode chunks independently in constant memory. Layout in
 * docs/formats/segment.md. This header works on bytes in memory; store/ does the files.
 *
 * Rows keep the order of the input. Interactions and item/user rows use the same format. */
#ifndef OD_DATA_SEGMENT_H
#define OD_DATA_SEGMENT_H

#include "base/arena.h"
#include "data/schema.h"
#include "data/value.h"

#define OD_CHUNK_ROWS 65536u

/* --- writing --- */

/* Collects the rows of one chunk. Owned by one thread. */
struct od_chunk_writer;
/* Copies the schema's shape; NULL when out of memory. */
struct od_chunk_writer *od_chunk_writer_new(const struct od_schema *schema);
void od_chunk_writer_free(struct od_chunk_writer *writer);
/* values has one entry a schema field, already checked. OD_LIMIT when the chunk is full: of rows,
 * or of a column's text (4 GiB); finish it and add again. */
enum od_status od_chunk_writer_add(struct od_chunk_writer *writer,
                                   const struct od_value *values) OD_MUST_USE;
/* The same for rows (at most OD_CHUNK_BATCH) at once, faster: the value of column c in row r is
 * values[c * OD_CHUNK_BATCH + r]. OD_LIMIT when they do not all fit; then none is added. */
#define OD_CHUNK_BATCH 256u
enum od_status od_chunk_writer_add_batch(struct od_chunk_writer *writer,
                                         const struct od_value *values, uint32_t rows) OD_MUST_USE;
uint32_t od_chunk_writer_rows(const struct od_chunk_writer *writer);
/* Appends the encoded chunk (checksummed) to out and empties the writer for the next one. Without
 * rows nothing is appended. Equal rows in equal order give equal bytes. */
enum od_status od_chunk_writer_finish(struct od_chunk_writer *writer,
                                      struct od_buf *out) OD_MUST_USE;

struct od_chunk_place {
    uint64_t offset; /* in the file */
    uint64_t bytes;
    uint32_t rows;
};
/* The bytes before the first chunk: magic, version, schema text. */
enum od_status od_segment_head(const struct od_schema *schema, struct od_buf *out) OD_MUST_USE;
/* The bytes after the last chunk: the chunk index and its checksum, and where it starts. */
enum od_status od_segment_tail(const struct od_chunk_place *chunks, size_t count,
                               uint64_t tail_offset, struct od_buf *out) OD_MUST_USE;

/* --- reading --- */

struct od_segment {
    struct od_str bytes;     /* the whole file, borrowed (mapped) */
    struct od_schema schema; /* in the arena given to open */
    uint64_t row_count;
    size_t chunk_count;
    struct od_chunk_place *chunks;
};

struct od_chunk_column {
    enum od_field_type type;
    const uint64_t *nulls;   /* bitmap, bit set = null; NULL when the chunk has none */
    const int64_t *integers; /* int, long, boolean */
    const double *reals;     /* float, double */
    const uint16_t *codes;   /* string: index into the chunk's dictionary */
    uint32_t dict_count;
    const uint32_t *dict_offsets; /* dict_count + 1 */
    const char *dict_bytes;
};

struct od_chunk {
    uint32_t row_count;
    size_t column_count;
    struct od_chunk_column *columns; /* in schema order, in the arena given to open */
};

/* Checks magic, version, index and bounds; OD_CORRUPT names what is wrong. */
enum od_status od_segment_open(struct od_arena *arena, struct od_str bytes, struct od_segment *out,
                               struct od_error *err) OD_MUST_USE;
/* Checks the chunk's checksum and bounds. All pointers reach into segment->bytes. */
enum od_status od_segment_chunk(const struct od_segment *segment, size_t index,
                                struct od_arena *arena, struct od_chunk *out,
                                struct od_error *err) OD_MUST_USE;
/* A dictionary entry of a string column; "" for a code outside of it (a null's code when the
 * dictionary is empty). */
struct od_str od_chunk_text(const struct od_chunk_column *column, uint32_t code);
/* Cell by (column, row) as a value; text borrowed from the segment. */
void od_chunk_value(const struct od_chunk *chunk, size_t column, uint32_t row,
                    struct od_value *out);

#endif
