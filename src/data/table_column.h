/* One column of a table: values by row, nulls, and for strings a pool of code lists. Inner header
 * of table.c, table_column.c and table_chunk.c. */
#ifndef OD_DATA_TABLE_COLUMN_H
#define OD_DATA_TABLE_COLUMN_H

#include "base/dict.h"
#include "data/schema.h"
#include "data/value.h"

struct od_code_list {
    uint32_t *codes;
    size_t count, cap;
};

struct od_column {
    const struct od_field *field;
    bool is_id;         /* codes are rows and the dictionary is the table's: see below */
    uint64_t *nulls;    /* bits past the last row are 0 */
    int64_t *integers;  /* int, long, boolean; else NULL */
    double *reals;      /* float, double; else NULL */
    uint32_t *list_at;  /* string; else NULL */
    uint32_t *list_len; /* string; else NULL */
    uint32_t *codes;    /* the pool; for the id column, list_at itself */
    size_t code_count, code_cap;
    size_t dead;                /* codes of the pool that no row names */
    struct od_code_list staged; /* of the cell being put */
    uint32_t dict_tidied; /* the dictionary is looked through for unused texts at this count */
    struct od_dict *dict; /* owned, except the id column's */
};

/* The id column holds the list {row} for each row with a record; ids is borrowed. */
bool od_column_init(struct od_column *column, const struct od_field *field, struct od_dict *ids);
void od_column_done(struct od_column *column);
/* Room for cap rows. After a failure the old room is still there. */
bool od_column_reserve(struct od_column *column, uint32_t old_cap, uint32_t cap);
void od_column_add_row(struct od_column *column, uint32_t row); /* within the room: null */
void od_column_clear(struct od_column *column, uint32_t row_count);

/* A put happens in two steps, so that a failure leaves every column as it was: stage can fail,
 * commit (of the value last staged) cannot. */
enum od_status od_column_stage(struct od_column *column, const struct od_value *value) OD_MUST_USE;
void od_column_commit(struct od_column *column, uint32_t row, const struct od_value *value);
void od_column_set_null(struct od_column *column, uint32_t row);

/* The parts below serve od_table_put_chunk. Appends the codes of text (split when categorical) to
 * *codes, growing it. */
enum od_status od_column_codes(struct od_column *column, struct od_str text,
                               struct od_code_list *out) OD_MUST_USE;
/* Room for count more codes in the pool. */
enum od_status od_column_reserve_codes(struct od_column *column, size_t count) OD_MUST_USE;
/* Within that room. count 0 makes the cell null. */
void od_column_set_codes(struct od_column *column, uint32_t row, const uint32_t *codes,
                         uint32_t count);
void od_column_set_integer(struct od_column *column, uint32_t row, int64_t value);
void od_column_set_real(struct od_column *column, uint32_t row, double value);
/* Gives back dead codes and unused texts when they outweigh the live ones; views become invalid. */
void od_column_tidy(struct od_column *column, uint32_t row_count);
size_t od_column_bytes(const struct od_column *column, uint32_t row_cap);

#endif
