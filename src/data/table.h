/* A table of items or users: one row an id, columns by schema, changed in place.
 *
 * The catalogue that filters and metadata answers read. Rows are dense (0, 1, ...) and never move
 * or vanish: an id seen only in interactions has a row whose columns are all null (data.md section
 * 1). String values are coded per column; a categorical cell is a list of codes (split at |), any
 * other string a list of one. One writer at a time, readers excluded while it writes (the owner
 * locks). */
#ifndef OD_DATA_TABLE_H
#define OD_DATA_TABLE_H

#include "base/dict.h"
#include "data/schema.h"
#include "data/segment.h"
#include "data/value.h"

struct od_table;

#define OD_NO_ROW UINT32_MAX

/* The schema is copied; it may be NULL: a table of ids without columns. The id field is ITEM_ID,
 * USER_ID or ACTION_ID, a string, by the schema's type. NULL when out of memory or without it. */
struct od_table *od_table_new(const struct od_schema *schema);
void od_table_free(struct od_table *table);

/* The row of id, added (all null) when new. */
enum od_status od_table_row(struct od_table *table, struct od_str id,
                            uint32_t *out_row) OD_MUST_USE;
uint32_t od_table_find(const struct od_table *table, struct od_str id); /* OD_NO_ROW when absent */
void od_table_find_many(const struct od_table *table, const struct od_str *ids, uint32_t count,
                        uint32_t *out_rows);
struct od_str od_table_id(const struct od_table *table, uint32_t row);
uint32_t od_table_row_count(const struct od_table *table);

/* Replaces the whole record (not a merge); values has one entry a schema field, the id included.
 * OD_INVALID_INPUT when a value's kind is not its field's, or the id is null or empty. A put that
 * fails changes no cell; it may leave the id behind, without a record. */
enum od_status od_table_put(struct od_table *table, const struct od_value *values) OD_MUST_USE;
/* Puts every row of a chunk, later rows winning. The chunk's schema has the same fields. All or
 * nothing, as above; OD_CORRUPT when a code is outside its dictionary. */
enum od_status od_table_put_chunk(struct od_table *table, const struct od_chunk *chunk) OD_MUST_USE;
/* Replaces one whole number of a record (a column of int or long). OD_INVALID_INPUT for other
 * columns, and where the row has no record. */
enum od_status od_table_set_integer(struct od_table *table, size_t column, uint32_t row,
                                    int64_t value) OD_MUST_USE;
/* Makes every column null again (before a FULL import is loaded); ids stay. */
void od_table_clear(struct od_table *table);
bool od_table_has_record(const struct od_table *table,
                         uint32_t row); /* was put since the last clear */

/* --- columns --- */
struct od_table_column {
    const struct od_field *field;
    const uint64_t *nulls;    /* bitmap over rows, bit set = null; never NULL */
    const int64_t *integers;  /* int, long, boolean; else NULL */
    const double *reals;      /* float, double; else NULL */
    const uint32_t *list_at;  /* string; else NULL: where the row's codes start in codes */
    const uint32_t *list_len; /* string: how many; 0 for null */
    const uint32_t *codes;
    const struct od_dict *dict; /* string: code to text (one value, already split) */
};
size_t od_table_column_count(const struct od_table *table); /* one a schema field, in its order */
/* A view valid until the next change of the table. */
void od_table_column(const struct od_table *table, size_t index, struct od_table_column *out);
const struct od_schema *
od_table_schema(const struct od_table *table); /* NULL when without columns */
/* Changes with every put, clear or new row: caches of derived bitmaps compare it. */
uint64_t od_table_version(const struct od_table *table);
/* The cell as text for metadata answers: multi-values joined by |, numbers in decimal. False: null.
 */
bool od_table_cell_text(const struct od_table *table, size_t column, uint32_t row,
                        struct od_buf *out);
size_t od_table_bytes(const struct od_table *table);

#endif
