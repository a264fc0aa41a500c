/* Writing segments: a chunk's columns, the head and the tail. See segment.h.
 *
 * The writer keeps each column as the array that the file will hold, so that finishing a chunk is
 * one copy and one checksum. Arrays grow with the rows up to OD_CHUNK_ROWS and are kept for the
 * next chunk. Same rows, same bytes: padding is zero and dictionary codes go by first arrival. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "data/schema_inner.h"
#include "data/segment_dict.h"
#include "data/segment_layout.h"

#define FIRST_ROWS 1024u
#define NULL_WORDS (OD_CHUNK_ROWS / 64)

_Static_assert(OD_CHUNK_BATCH <= OD_SEGMENT_DICT_BATCH, "a batch fits the dictionary's");

struct column {
    enum od_field_type type;
    bool any_null;
    uint64_t nulls[NULL_WORDS];
    union {
        void *any;
        int64_t *integers;
        double *reals;
        uint16_t *codes;
    } cells; /* [row_cap] */
    struct od_segment_dict dict;
};

struct od_chunk_writer {
    uint32_t rows, row_cap;
    size_t column_count;
    struct column *columns;
};

size_t od_segment_cell_bytes(enum od_field_type type)
{
    return type == OD_FIELD_STRING ? sizeof(uint16_t) : sizeof(int64_t);
}

size_t od_segment_pad(size_t bytes)
{
    return (bytes + 7) & ~(size_t)7;
}

/* --- collecting rows --- */

struct od_chunk_writer *od_chunk_writer_new(const struct od_schema *schema)
{
    struct od_chunk_writer *w = calloc(1, sizeof *w);
    struct column *columns = calloc(schema->field_count, sizeof *columns);
    if (!w || !columns) {
        free(w);
        free(columns);
        return NULL;
    }
    uint64_t seed;
    if (getrandom(&seed, sizeof seed, GRND_NONBLOCK) != sizeof seed)
        seed = (uintptr_t)w;
    w->columns = columns;
    w->column_count = schema->field_count;
    for (size_t i = 0; i < w->column_count; i++) {
        columns[i].type = schema->fields[i].type;
        od_segment_dict_init(&columns[i].dict, seed + i);
    }
    return w;
}

void od_chunk_writer_free(struct od_chunk_writer *writer)
{
    if (!writer)
        return;
    for (size_t i = 0; i < writer->column_count; i++) {
        free(writer->columns[i].cells.any);
        od_segment_dict_done(&writer->columns[i].dict);
    }
    free(writer->columns);
    free(writer);
}

uint32_t od_chunk_writer_rows(const struct od_chunk_writer *writer)
{
    return writer->rows;
}

static enum od_status grow(struct od_chunk_writer *w, uint32_t need)
{
    uint32_t cap = w->row_cap ? w->row_cap : FIRST_ROWS;
    while (cap < need)
        cap *= 4;
    for (size_t i = 0; i < w->column_count; i++) {
        struct column *c = &w->columns[i];
        void *grown = realloc(c->cells.any, cap * od_segment_cell_bytes(c->type));
        if (!grown)
            return OD_NO_MEMORY;
        c->cells.any = grown;
    }
    w->row_cap = cap;
    return OD_OK;
}

/* The cell of a null is zero, so that equal rows give equal bytes. */
static enum od_status put_cell(struct column *c, uint32_t row, const struct od_value *value)
{
    bool null = value->kind == OD_VALUE_NULL;
    uint64_t bit = 1ULL << (row % 64);
    c->nulls[row / 64] = null ? c->nulls[row / 64] | bit : c->nulls[row / 64] & ~bit;
    c->any_null |= null;
    switch (c->type) {
    case OD_FIELD_STRING:
        if (null) {
            c->cells.codes[row] = 0;
            return OD_OK;
        }
        assert(value->kind == OD_VALUE_TEXT);
        return od_segment_dict_add(&c->dict, value->text, &c->cells.codes[row]);
    case OD_FIELD_FLOAT:
    case OD_FIELD_DOUBLE:
        assert(null || value->kind == OD_VALUE_REAL);
        c->cells.reals[row] = null ? 0 : value->real;
        return OD_OK;
    case OD_FIELD_INT:
    case OD_FIELD_LONG:
    case OD_FIELD_BOOLEAN:
        break;
    }
    assert(null || value->kind == OD_VALUE_INTEGER || value->kind == OD_VALUE_BOOLEAN);
    c->cells.integers[row] = null ? 0 : value->integer;
    return OD_OK;
}

/* After a failed add: no bits may be set beyond the rows. */
static void forget_nulls(struct od_chunk_writer *w, uint32_t row)
{
    for (size_t i = 0; i < w->column_count; i++)
        w->columns[i].nulls[row / 64] &= ~(1ULL << (row % 64));
}

enum od_status od_chunk_writer_add(struct od_chunk_writer *writer, const struct od_value *values)
{
    if (writer->rows == OD_CHUNK_ROWS)
        return OD_LIMIT;
    enum od_status s = writer->rows < writer->row_cap ? OD_OK : grow(writer, writer->rows + 1);
    for (size_t i = 0; s == OD_OK && i < writer->column_count; i++)
        s = put_cell(&writer->columns[i], writer->rows, &values[i]);
    if (s == OD_OK)
        writer->rows++;
    else
        forget_nulls(writer, writer->rows);
    return s;
}

static void note_nulls(struct column *c, uint32_t from, const struct od_value *values,
                       uint32_t rows)
{
    for (uint32_t r = 0; r < rows; r++) {
        if (values[r].kind != OD_VALUE_NULL)
            continue;
        c->nulls[(from + r) / 64] |= 1ULL << ((from + r) % 64);
        c->any_null = true;
    }
}

static void put_numbers(struct column *c, uint32_t from, const struct od_value *values,
                        uint32_t rows)
{
    bool real = c->type == OD_FIELD_FLOAT || c->type == OD_FIELD_DOUBLE;
    for (uint32_t r = 0; r < rows; r++) {
        bool null = values[r].kind == OD_VALUE_NULL;
        if (real)
            c->cells.reals[from + r] = null ? 0 : values[r].real;
        else
            c->cells.integers[from + r] = null ? 0 : values[r].integer;
    }
}

/* Dictionaries first: they alone can fail, and what a failed batch leaves in them does no harm. */
enum od_status od_chunk_writer_add_batch(struct od_chunk_writer *writer,
                                         const struct od_value *values, uint32_t rows)
{
    assert(rows <= OD_CHUNK_BATCH);
    uint32_t from = writer->rows;
    if (rows == 0)
        return OD_OK; /* of columns that have no memory yet, perhaps */
    if (rows > OD_CHUNK_ROWS - from)
        return OD_LIMIT;
    enum od_status s = from + rows <= writer->row_cap ? OD_OK : grow(writer, from + rows);
    for (size_t i = 0; s == OD_OK && i < writer->column_count; i++) {
        struct column *c = &writer->columns[i];
        if (c->type == OD_FIELD_STRING)
            s = od_segment_dict_add_batch(&c->dict, values + i * OD_CHUNK_BATCH, rows,
                                          c->cells.codes + from);
    }
    for (size_t i = 0; s == OD_OK && i < writer->column_count; i++) {
        struct column *c = &writer->columns[i];
        note_nulls(c, from, values + i * OD_CHUNK_BATCH, rows);
        if (c->type != OD_FIELD_STRING)
            put_numbers(c, from, values + i * OD_CHUNK_BATCH, rows);
    }
    if (s == OD_OK)
        writer->rows += rows;
    return s;
}

/* --- encoding a chunk --- */

static size_t plan_column(const struct column *c, uint32_t rows, size_t at,
                          struct od_chunk_entry *entry)
{
    *entry = (struct od_chunk_entry){.type = c->type};
    if (c->any_null) {
        entry->nulls_at = at;
        at += od_bitmap_words(rows) * sizeof(uint64_t);
    }
    entry->cells_at = at;
    at += od_segment_pad(rows * od_segment_cell_bytes(c->type));
    if (c->type != OD_FIELD_STRING)
        return at;
    entry->dict_count = c->dict.count;
    entry->offsets_at = at;
    at += od_segment_pad(((size_t)c->dict.count + 1) * sizeof(uint32_t));
    entry->text_at = at;
    entry->text_bytes = od_segment_dict_text_bytes(&c->dict);
    return at + od_segment_pad(entry->text_bytes);
}

static void put_padded(char *chunk, uint64_t at, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(chunk + at, from, bytes);
    memset(chunk + at + bytes, 0, od_segment_pad(bytes) - bytes);
}

static void put_column(char *chunk, const struct column *c, uint32_t rows,
                       const struct od_chunk_entry *entry)
{
    static const uint32_t no_offset = 0;
    if (entry->nulls_at)
        put_padded(chunk, entry->nulls_at, c->nulls, od_bitmap_words(rows) * sizeof(uint64_t));
    put_padded(chunk, entry->cells_at, c->cells.any, rows * od_segment_cell_bytes(c->type));
    if (c->type != OD_FIELD_STRING)
        return;
    put_padded(chunk, entry->offsets_at, c->dict.count ? c->dict.offsets : &no_offset,
               ((size_t)c->dict.count + 1) * sizeof(uint32_t));
    put_padded(chunk, entry->text_at, c->dict.text, entry->text_bytes);
}

static void empty(struct od_chunk_writer *writer)
{
    for (size_t i = 0; i < writer->column_count; i++) {
        struct column *c = &writer->columns[i];
        if (c->any_null)
            memset(c->nulls, 0, sizeof c->nulls);
        c->any_null = false;
        od_segment_dict_clear(&c->dict);
    }
    writer->rows = 0;
}

enum od_status od_chunk_writer_finish(struct od_chunk_writer *writer, struct od_buf *out)
{
    if (writer->rows == 0)
        return od_buf_status(out);
    size_t table = sizeof(struct od_chunk_head);
    size_t bytes = table + writer->column_count * sizeof(struct od_chunk_entry);
    struct od_chunk_entry *entries = calloc(writer->column_count, sizeof *entries);
    if (!entries)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < writer->column_count; i++)
        bytes = plan_column(&writer->columns[i], writer->rows, bytes, &entries[i]);
    char *chunk = od_buf_reserve(out, bytes);
    if (chunk) {
        struct od_chunk_head head = {0, writer->rows, (uint32_t)writer->column_count};
        memcpy(chunk + table, entries, writer->column_count * sizeof *entries);
        for (size_t i = 0; i < writer->column_count; i++)
            put_column(chunk, &writer->columns[i], writer->rows, &entries[i]);
        memcpy(chunk, &head, sizeof head);
        head.checksum = od_hash(chunk + sizeof head.checksum, bytes - sizeof head.checksum, 0);
        memcpy(chunk, &head, sizeof head);
        od_buf_commit(out, bytes);
        empty(writer);
    }
    free(entries);
    return od_buf_status(out);
}

/* --- head and tail --- */

uint64_t od_segment_head_checksum(const struct od_segment_head *head, struct od_str schema)
{
    return od_hash(schema.ptr, schema.len,
                   od_hash(head, offsetof(struct od_segment_head, checksum), 0));
}

uint64_t od_segment_foot_checksum(const struct od_segment_foot *foot, struct od_str index)
{
    return od_hash(index.ptr, index.len,
                   od_hash(foot, offsetof(struct od_segment_foot, checksum), 0));
}

enum od_status od_segment_head(const struct od_schema *schema, struct od_buf *out)
{
    struct od_buf text;
    od_buf_init(&text, UINT32_MAX);
    od_schema_write(schema, &text);
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK) {
        static const char zeros[8];
        struct od_segment_head head = {.version = OD_SEGMENT_VERSION,
                                       .schema_bytes = (uint32_t)text.len};
        memcpy(head.magic, od_segment_magic, sizeof head.magic);
        head.checksum = od_segment_head_checksum(&head, od_buf_view(&text));
        od_buf_put(out, &head, sizeof head);
        od_buf_str(out, od_buf_view(&text));
        od_buf_put(out, zeros, od_segment_pad(text.len) - text.len);
        s = od_buf_status(out);
    }
    od_buf_done(&text);
    return s;
}

enum od_status od_segment_tail(const struct od_chunk_place *chunks, size_t count,
                               uint64_t tail_offset, struct od_buf *out)
{
    struct od_segment_foot foot = {.chunk_count = count, .tail_offset = tail_offset};
    size_t from = out->len;
    for (size_t i = 0; i < count; i++) {
        struct od_segment_entry entry = {chunks[i].offset, chunks[i].bytes, chunks[i].rows, 0};
        od_buf_put(out, &entry, sizeof entry);
        foot.row_count += chunks[i].rows;
    }
    if (od_buf_status(out) != OD_OK)
        return od_buf_status(out);
    memcpy(foot.magic, od_segment_end_magic, sizeof foot.magic);
    foot.checksum =
        od_segment_foot_checksum(&foot, od_str_sub(od_buf_view(out), from, out->len - from));
    od_buf_put(out, &foot, sizeof foot);
    return od_buf_status(out);
}
