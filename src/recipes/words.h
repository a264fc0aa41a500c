/* The named columns of a question: what a value of a context column or of a user's record is to a
 * model. A name is a letter (C: context, U: user's record), a colon, and features.h's name of a
 * column: "C:DEVICE=tv", "U:AGE in [18, 25)". Names are all that an image or a lesson keeps, so
 * that serving, and another training set, find the same columns. */
#ifndef OD_RECIPES_WORDS_H
#define OD_RECIPES_WORDS_H

#include "base/dict.h"
#include "recipes/recipe.h"

struct od_word {
    uint32_t column;
    float value;
};

/* A field of numbers: bins in order, one column each. */
struct od_words_bins {
    struct od_str field; /* with its letter and colon; points into names */
    uint32_t first, count;
};

struct od_words {
    struct od_dict *names; /* owned */
    struct od_words_bins *bins;
    size_t bin_count;
    double *from, *to; /* of the column with this number, if it is a bin */
};

/* Takes names, also when it fails: OD_CORRUPT where a name is none. Read-only afterwards. */
enum od_status od_words_init(struct od_words *words, struct od_dict *names,
                             struct od_error *err) OD_MUST_USE;
/* Those of an image's dictionary. */
enum od_status od_words_open(struct od_words *words, const struct od_image *image,
                             const char *section, struct od_error *err) OD_MUST_USE;
void od_words_done(struct od_words *words);

/* The column, counted among the named ones, of a field's value; OD_NO_CODE when it has none. A
 * number below the first bin is in the first, above the last in the last; between two, where a bin
 * that too few had is no column, it has none, as in training. */
uint32_t od_words_text(const struct od_words *words, char letter, struct od_str field,
                       struct od_str value);
uint32_t od_words_number(const struct od_words *words, char letter, struct od_str field,
                         double number);
/* The column for a column of another training set, by its name: a bin goes by its middle. */
uint32_t od_words_like(const struct od_words *words, struct od_str name);
/* The most categories of one value that are heard. */
#define OD_WORDS_PIECES 16
/* The entries of one value, columns counted from first: at most room. A text that has no column is
 * cut at '|', and those of its pieces that have one weigh 1 together in square. */
size_t od_words_value(const struct od_words *words, char letter, const struct od_query_value *value,
                      uint32_t first, struct od_word *out, size_t room);
/* The entries of a request's context and user record, likewise. */
size_t od_words_query(const struct od_words *words, const struct od_query *query, uint32_t first,
                      struct od_word *out, size_t room);

#endif
