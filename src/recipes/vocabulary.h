/* The words of one text field: which tokens of a column of texts become features, and a text's
 * TF-IDF row over them. Inner to features.c and to recipes that read text alone. */
#ifndef OD_RECIPES_VOCABULARY_H
#define OD_RECIPES_VOCABULARY_H

#include "recipes/text.h"

/* The texts: text(context, row) is absent for a row without one. Called from several threads. */
struct od_texts {
    uint32_t rows;
    struct od_str (*text)(const void *context, uint32_t row);
    const void *context;
};

struct od_vocabulary_rule {
    bool grams;
    uint32_t least_rows;
    double most_share;
    uint32_t most_tokens;
};

struct od_vocabulary {
    uint32_t count; /* tokens kept: those on most rows first, then by hash */
    bool grams;
    float *idf;           /* [count] ln((1 + texts) / (1 + rows)) + 1 */
    struct od_buf names;  /* the tokens' texts one after another */
    uint64_t *name_at;    /* [count + 1] */
    uint64_t *slot_key;   /* [slot_mask + 1] hash of a token, 0: free */
    uint32_t *slot_token; /* [slot_mask + 1] */
    uint64_t slot_mask;
};

/* Tokens on rule->least_rows to rule->most_share of the rows that have a text. Counting is exact
 * while a column has fewer than OD_VOCABULARY_COUNTED distinct tokens; beyond, the rarest so far
 * are forgotten as rows pass (lossy counting: Manku, Motwani 2002). Memory: 96 MB for the counts
 * and 32 MB a thread, more only for text in which hardly a token repeats. Same texts, same
 * vocabulary, for any number of threads. */
#define OD_VOCABULARY_COUNTED (3u << 20)
enum od_status od_vocabulary_make(const struct od_texts *texts,
                                  const struct od_vocabulary_rule *rule, unsigned threads,
                                  struct od_vocabulary *out, struct od_error *err) OD_MUST_USE;
void od_vocabulary_done(struct od_vocabulary *vocabulary);
/* A token's text, with * before a gram's; valid as long as the vocabulary. */
struct od_str od_vocabulary_token(const struct od_vocabulary *vocabulary, uint32_t token);

/* A text's row: at most `most` tokens, those of the largest weight (1 + ln tf) idf, columns
 * ascending, squares summing to 1. Returns how many; scratch is one thread's own. */
struct od_vocabulary_scratch {
    uint32_t *token; /* grown as needed */
    size_t count, cap;
    const struct od_vocabulary *vocabulary;
    bool failed; /* out of memory */
};
void od_vocabulary_scratch_done(struct od_vocabulary_scratch *scratch);
enum od_status od_vocabulary_row(const struct od_vocabulary *vocabulary, struct od_str text,
                                 uint32_t most, struct od_vocabulary_scratch *scratch,
                                 uint32_t *out_token, float *out_value,
                                 uint32_t *out_count) OD_MUST_USE;

#endif
