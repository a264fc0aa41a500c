/* The fields features are made of, each with what turns a cell into columns. Inner header of
 * features.c and feature_fields.c. */
#ifndef OD_RECIPES_FEATURE_FIELDS_H
#define OD_RECIPES_FEATURE_FIELDS_H

#include "recipes/features.h"
#include "recipes/vocabulary.h"

enum od_feature_kind { OD_FEATURE_VALUES, OD_FEATURE_BINS, OD_FEATURE_WORDS };

struct od_feature_plan {
    enum od_feature_kind kind;
    struct od_table_column cells;
    uint32_t first, column_count;
    uint32_t *value_column; /* values: [dictionary] column from first on, OD_NO_CODE: none */
    double *edge;           /* bins: bin b is [edge[b], edge[b + 1]), the last one closed */
    struct od_vocabulary words;
};

/* A table with the row of each id; what every field's making reads. */
struct od_feature_source {
    const struct od_table *table;
    const struct od_feature_options *options;
    uint32_t id_count;
    uint32_t *row; /* [id_count] OD_NO_ROW without a record */
};

/* Plans one column of the table; column_count 0 when it gives no feature. names gets a text for
 * each column. */
enum od_status od_feature_plan_make(const struct od_feature_source *source, size_t column,
                                    uint32_t first, struct od_dict *names,
                                    struct od_feature_plan *out, struct od_error *err) OD_MUST_USE;
void od_feature_plan_done(struct od_feature_plan *plan);

/* The cell as a number; false for a null or one that is not finite. */
bool od_feature_number(const struct od_table_column *cells, uint32_t row, double *out);
/* The text of a string cell's first value; absent for a null. */
struct od_str od_feature_text(const struct od_table_column *cells, uint32_t row);

#endif
