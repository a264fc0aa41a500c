/* What the records of items (or users) say, as a sparse matrix a model can learn from.
 *
 * One row an id of the training set, one column a feature: a value of a categorical field, a bin of
 * a numeric one, a word or character n-gram of a text (textual fields and the item name; other
 * strings and booleans are not learnt from: data.md section 2). Built from the table whose rows are
 * found by id; an id without a record, or a null, has no entry. Values of a row's field sum to 1 in
 * square, so that fields weigh alike however many values they have. Reserved columns follow
 * data.md: CREATION_TIMESTAMP is no feature. A text field that holds the numbers of an embedding
 * (vectors.h) is no text. */
#ifndef OD_RECIPES_FEATURES_H
#define OD_RECIPES_FEATURES_H

#include "base/dict.h"
#include "data/image.h"
#include "data/table.h"

struct od_feature_options {
    bool categorical, numeric, text; /* which kinds of fields */
    bool grams;            /* of text in scripts with spaces; the others always have theirs */
    uint32_t bins;         /* of a numeric field, by quantiles over the ids */
    uint32_t least_rows;   /* a value or word on fewer rows is left out */
    double most_share;     /* a word on a larger share of the rows that have the text is left out */
    uint32_t most_words;   /* columns kept of each field, the most frequent first */
    uint64_t most_entries; /* of text in the whole matrix: bounds it at 8 bytes an entry. Rows keep
                              their strongest words, at least 8 and at most 256 of a field */
    unsigned threads;      /* as od_parallel; never changes the result */
};
/* Categorical, numeric in 10 bins, and text; fits most catalogues. */
struct od_feature_options od_feature_options_default(void);

struct od_feature_field {
    struct od_str name;           /* of the schema's field; points into the table's schema */
    uint32_t first, column_count; /* its columns, those on most rows first (bins in their order) */
    bool text;
};
struct od_features {
    uint32_t rows, columns;
    uint64_t *at;                    /* [rows + 1] */
    uint32_t *column;                /* [at[rows]] ascending within a row */
    float *value;                    /* [at[rows]] */
    struct od_feature_field *fields; /* those with a column, in the schema's order */
    uint32_t field_count;
    struct od_dict *names; /* [columns] "FIELD=value", "FIELD in [a, b)", "FIELD~word",
                              "FIELD~*gram"; the last bin of a field ends in ] */
};

/* ids: row i is the record of code i. table may be NULL: no columns. Same table, same result.
 * Memory besides the result: 4 bytes an id, the tables of vocabulary.h, and once more the entries
 * while they are put together. */
enum od_status od_features_make(const struct od_table *table, const struct od_dict *ids,
                                const struct od_feature_options *options, struct od_features *out,
                                struct od_error *err) OD_MUST_USE;
void od_features_done(struct od_features *features);

#endif
