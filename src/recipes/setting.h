/* What who asks, and in what setting, says of the next choice: users' records and the context of
 * the request. It needs no history, so it speaks of newcomers too.
 *
 * With w_t the words of event t (a value of a context column or of the user's record each,
 * words.h), s_j item j's share of the events, w the words of a question and G the sum over t of
 * w_t w_t', item j's rate, the multiple of its share that such people take of it, is
 *     rate_j(w) = 1 + w . B_j,
 *     B_j = (s_j G + shrink I)^-1 (sum over t of w_t ([t is on j] - s_j)).
 * That is ridge regression, with weights s_j, of how far j's events exceed its share; for a single
 * word it is the gamma-Poisson estimate (seen + shrink) / (expected + shrink). Words that come
 * together share what they explain, and items of few events stay at their usual rate. All items
 * have the eigenvectors of G in common, so an item costs 4 words^2 operations.
 *
 * The files: setting_fit (sums and rates), setting_score (a query, sections), setting_part (choice,
 * part). */
#ifndef OD_RECIPES_SETTING_H
#define OD_RECIPES_SETTING_H

#include "recipes/part.h"
#include "recipes/seq_ask.h"

#define OD_SETTING_WORDS  256u        /* most: those of most users */
#define OD_SETTING_LEAST  20          /* users of a word: of fewer it would be their own past */
#define OD_SETTING_VALUES 32u         /* most words of an item: those that say most */
#define OD_SETTING_FAINT  (1.0f / 64) /* a change of the rate by less is not kept */
#define OD_SETTING_SLOW   (1.0f / 16) /* the least rate */
/* Events that a fit hears, about: beyond it those of every so many users only. */
#define OD_SETTING_EVENTS 8000000u

struct od_setting_config {
    float shrink; /* events; above 0 */
};
struct od_setting_config od_setting_config_default(void);

/* What rates are made of. */
struct od_setting_sums {
    struct od_seq_ask ask;
    struct od_words names; /* its columns are the words */
    uint32_t *word;        /* [named columns of ask] OD_NO_CODE: left out */
    uint32_t *field;       /* [words] the first word of the same field */
    uint32_t items, words;
    uint32_t stride;        /* every so many users are heard */
    uint64_t *at;           /* [items + 1] the item's events among those heard */
    uint32_t *event, *user; /* [at[items]] */
    float *share;           /* [items] s_j */
    double *mass;           /* [words] sum over t of w_t */
    float *turn, *value;    /* [words][words] eigenvectors of G in rows, [words] eigenvalues */
    const struct od_training *training;
};
/* Of the users' events up to end[u]. The same bytes for any number of threads. */
enum od_status od_setting_sums_init(struct od_setting_sums *out, const struct od_training *training,
                                    const uint64_t *end, unsigned threads,
                                    struct od_error *err) OD_MUST_USE;
void od_setting_sums_done(struct od_setting_sums *sums);

/* B, by words: the items of word w are entries at[w] .. at[w + 1] - 1. */
struct od_setting_rates {
    uint64_t *at;   /* [words + 1] */
    uint32_t *item; /* ascending in a word */
    float *value;
};
enum od_status od_setting_rates_init(struct od_setting_rates *out,
                                     const struct od_setting_sums *sums, float shrink,
                                     unsigned threads) OD_MUST_USE;
void od_setting_rates_done(struct od_setting_rates *rates);

/* What scoring reads. Borrows it all, of a fit or an image; any thread may score. */
struct od_setting_model {
    uint32_t items, words;
    const struct od_words *names; /* whose columns are the words */
    const uint64_t *at;
    const uint32_t *item;
    const float *value;
    const float *share; /* [items] above 0: shares with half an event more for each item */
};
/* out[items] := rates, at least OD_SETTING_SLOW; *out_any false, and all 1, when no word of the
 * query is known. */
void od_setting_score_rates(const struct od_setting_model *model, const struct od_query *query,
                            float *out, bool *out_any);
/* Rates times shares: near the probability that such people take the item next. What shrink is
 * chosen by. */
void od_setting_score(const struct od_setting_model *model, const struct od_query *query,
                      float *scores, bool *out_any);

/* Sections setting, setting.names, setting.at, setting.item, setting.value, setting.share. */
enum od_status od_setting_write(const struct od_setting_model *model,
                                struct od_image_writer *image) OD_MUST_USE;
/* OD_CORRUPT unless all that scoring reads is there and in its range. Borrows the image and names,
 * which become those of the section. */
enum od_status od_setting_read(const struct od_image *image, uint32_t item_count,
                               struct od_words *names, struct od_setting_model *out,
                               struct od_error *err) OD_MUST_USE;
/* out[items] above 0. */
void od_setting_shares(const struct od_setting_sums *sums, float *out);

#endif
