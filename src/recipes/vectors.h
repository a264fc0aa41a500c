/* Vectors the user supplies: a text column that holds the numbers of an embedding.
 *
 * A textual column (or the item name) is one when its first OD_VECTOR_PROBES cells that are not
 * null each hold at least OD_VECTOR_LEAST numbers and nothing else, separated by blanks, commas or
 * semicolons, in brackets or not: "0.12 -0.3 ...", "[0.12, -0.3, ...]". From then on every cell
 * must have as many numbers as the first. */
#ifndef OD_RECIPES_VECTORS_H
#define OD_RECIPES_VECTORS_H

#include "base/dict.h"
#include "data/table.h"

#define OD_VECTOR_LEAST  8
#define OD_VECTOR_MOST   4096 /* numbers; what 20,000 characters can hold is fewer */
#define OD_VECTOR_PROBES 100

struct od_vectors {
    uint32_t rows, dimension;
    float *at;         /* [rows * dimension], of length 1; zeros where absent */
    uint64_t *present; /* bitmap over rows */
};

/* The numbers of a text, at most `most`; false when it holds anything else, more, or none. */
bool od_vectors_parse(struct od_str text, uint32_t most, float *out, uint32_t *out_count);
/* Whether the table's column holds vectors. */
bool od_vectors_is_column(const struct od_table *table, size_t column);
/* The first such column of the table, SIZE_MAX when there is none (or table is NULL). */
size_t od_vectors_find(const struct od_table *table);
/* Row i is the vector of the record of code i, scaled to length 1; a null or a vector of zeros is
 * absent. OD_INVALID_INPUT names the record, the column and the rule. */
enum od_status od_vectors_read(const struct od_table *table, size_t column,
                               const struct od_dict *ids, struct od_vectors *out,
                               struct od_error *err) OD_MUST_USE;
void od_vectors_done(struct od_vectors *vectors);

#endif
