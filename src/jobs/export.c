/* Exporting a dataset: see export.h.
 *
 * Two walks over the segments. The first hashes each row (or its id) and finds out which rows
 * repeat (distinct.h); the second writes those that do not. */
#include "jobs/export.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "data/csv_write.h"
#include "jobs/distinct.h"
#include "jobs/export_parts.h"
#include "jobs/segment_walk.h"

#define SHA256_BYTES  32
#define PROGRESS_ROWS 65536

struct export
{
    const struct od_export_spec *spec;
    struct od_arena arena;
    struct od_schema schema;
    size_t key; /* `newest`: the field of the id; else SIZE_MAX */
    struct od_buf line;
    EVP_MD_CTX *digest;
    EVP_MD *method;
    struct od_distinct *distinct;
    const uint64_t *dropped; /* NULL in the first walk */
    struct od_export_parts *parts;
    uint64_t row, rows; /* of this walk, and what each walk has */
    struct od_error *err;
};

static enum od_status tell(struct export *x)
{
    const struct od_export_spec *spec = x->spec;
    uint64_t done = x->row + (x->dropped ? x->rows : 0);
    if (!spec->progress || x->row % PROGRESS_ROWS != 0)
        return OD_OK;
    double of = x->rows ? 2 * (double)x->rows : 1;
    enum od_status s = spec->progress(spec->progress_context, (double)done / of);
    return s == OD_OK ? OD_OK : od_fail(x->err, s, NULL);
}

/* A row as bytes that only an equal row has: quicker than the line it will be. */
static void put_bytes(struct od_buf *out, const struct od_value *values, size_t count)
{
    for (size_t f = 0; f < count; f++) {
        const struct od_value *v = &values[f];
        uint64_t text_bytes = v->text.len;
        od_buf_char(out, (char)v->kind);
        if (v->kind == OD_VALUE_TEXT) {
            od_buf_put(out, &text_bytes, sizeof text_bytes);
            od_buf_str(out, v->text);
        } else if (v->kind == OD_VALUE_REAL) {
            od_buf_put(out, &v->real, sizeof v->real);
        } else if (v->kind != OD_VALUE_NULL) {
            od_buf_put(out, &v->integer, sizeof v->integer);
        }
    }
}

static enum od_status hash_row(struct export *x, const struct od_value *values)
{
    uint8_t hash[SHA256_BYTES];
    struct od_str bytes;
    if (x->key != SIZE_MAX) {
        bytes = values[x->key].text;
    } else {
        od_buf_clear(&x->line);
        put_bytes(&x->line, values, x->schema.field_count);
        if (od_buf_status(&x->line) != OD_OK)
            return od_fail(x->err, OD_NO_MEMORY, NULL);
        bytes = od_buf_view(&x->line);
    }
    if (EVP_DigestInit_ex2(x->digest, x->method, NULL) != 1 ||
        EVP_DigestUpdate(x->digest, bytes.ptr, bytes.len) != 1 ||
        EVP_DigestFinal_ex(x->digest, hash, NULL) != 1)
        return od_fail(x->err, OD_INTERNAL, "A row could not be hashed.");
    return od_distinct_add(x->distinct, hash, x->err);
}

static enum od_status write_row(struct export *x, const struct od_value *values)
{
    od_buf_clear(&x->line);
    od_csv_put_row(&x->line, &x->schema, values);
    if (od_buf_status(&x->line) != OD_OK)
        return od_fail(x->err, OD_NO_MEMORY, NULL);
    return od_export_parts_put(x->parts, od_buf_view(&x->line), x->err);
}

static enum od_status walk_chunk(void *context, const struct od_segment *segment,
                                 const struct od_chunk *chunk)
{
    struct export *x = context;
    size_t places[OD_MAX_SCHEMA_FIELDS], count = x->schema.field_count;
    struct od_value values[OD_MAX_SCHEMA_FIELDS];
    enum od_status s = od_segment_match(&segment->schema, &x->schema, places, x->err);
    for (uint32_t r = 0; s == OD_OK && r < chunk->row_count; r++) {
        s = tell(x);
        if (s != OD_OK)
            break;
        uint64_t row = x->row++;
        if (x->dropped && od_bitmap_get(x->dropped, row))
            continue;
        od_segment_row(chunk, r, places, count, values);
        s = x->dropped ? write_row(x, values) : hash_row(x, values);
    }
    return s;
}

static enum od_status count_chunk(void *context, const struct od_segment *segment,
                                  const struct od_chunk *chunk)
{
    struct export *x = context;
    (void)segment;
    x->rows += chunk->row_count;
    return OD_OK;
}

static enum od_status walk_all(struct export *x, const struct od_io *io,
                               enum od_status (*each)(void *context,
                                                      const struct od_segment *segment,
                                                      const struct od_chunk *chunk))
{
    enum od_status s = OD_OK;
    x->row = 0;
    for (size_t i = 0; s == OD_OK && i < x->spec->segment_count; i++)
        s = od_segment_walk(io, x->spec->segments[i], each, x, x->err);
    return s;
}

static enum od_status find_key(struct export *x)
{
    static const char *const ids[] = {
        [OD_ITEMS] = "ITEM_ID", [OD_USERS] = "USER_ID", [OD_ACTIONS] = "ACTION_ID"};
    bool keyed =
        x->schema.type == OD_ITEMS || x->schema.type == OD_USERS || x->schema.type == OD_ACTIONS;
    x->key = SIZE_MAX;
    if (!x->spec->newest || !keyed)
        return OD_OK;
    x->key = od_schema_find(&x->schema, od_str_c(ids[x->schema.type]));
    return x->key != SIZE_MAX
               ? OD_OK
               : od_fail(x->err, OD_CORRUPT, "The schema has no field %s.", ids[x->schema.type]);
}

static enum od_status write_parts(struct export *x, const struct od_io *io,
                                  struct od_export_result *out)
{
    struct od_buf header;
    od_buf_init(&header, 1u << 20);
    od_csv_put_header(&header, &x->schema);
    enum od_status s = od_buf_status(&header);
    if (s != OD_OK)
        s = od_fail(x->err, s, NULL);
    if (s == OD_OK)
        s = od_export_parts_begin(io, x->spec->folder, od_buf_view(&header),
                                  x->spec->part_bytes ? x->spec->part_bytes : OD_EXPORT_PART_BYTES,
                                  &x->parts, x->err);
    if (s == OD_OK)
        s = walk_all(x, io, walk_chunk);
    if (x->parts)
        s = od_export_parts_end(x->parts, s, out, x->err);
    od_buf_done(&header);
    return s;
}

static enum od_status run(struct export *x, const struct od_io *io, struct od_export_result *out)
{
    enum od_status s =
        od_schema_parse(&x->arena, x->spec->schema_text, x->spec->domain, &x->schema, x->err);
    if (s == OD_OK)
        s = find_key(x);
    if (s == OD_OK)
        s = walk_all(x, io, count_chunk);
    if (s == OD_OK)
        s = walk_all(x, io, walk_chunk);
    if (s == OD_OK)
        s = od_distinct_finish(x->distinct, &x->dropped, x->err);
    return s == OD_OK ? write_parts(x, io, out) : s;
}

enum od_status od_export_run(const struct od_export_spec *spec, const struct od_io *io,
                             struct od_export_result *out, struct od_error *err)
{
    struct export x = {.spec = spec, .err = err};
    od_arena_init(&x.arena, SIZE_MAX);
    od_buf_init(&x.line, 4 * OD_MAX_CSV_RECORD_BYTES);
    x.method = EVP_MD_fetch(NULL, "SHA256", NULL);
    x.digest = EVP_MD_CTX_new();
    x.distinct = od_distinct_new(io, spec->scratch, spec->newest, spec->run_rows);
    enum od_status s =
        x.method && x.digest && x.distinct ? run(&x, io, out) : od_fail(err, OD_NO_MEMORY, NULL);
    od_distinct_free(x.distinct);
    EVP_MD_CTX_free(x.digest);
    EVP_MD_free(x.method);
    od_buf_done(&x.line);
    od_arena_done(&x.arena);
    return s;
}
