/* What the records of items say of the next choice: a bilinear model from the features of the items
 * of a history to those of the next item.
 *
 * With x_i the features of item i (content_rows.c), h_t = sum over the events up to t, k of them
 * newer, of decay^k x_i, and d_j = n_j^(1/2) / mean (n_j: events of item j), S minimises
 *
 *     sum over t, j of d_j (h_t' S x_j - [j follows t] / d_j)^2
 *
 * with a ridge on both sides, towards the multiple a I that alone fits best: with
 *     C = sum over t of h_t x_next(t)',   D = sum over j of d_j x_j x_j',   a = tr C / tr H'H D,
 *     S = a I + (H'H + past I)^-1 (C - a H'H D) (D + next I)^-1   and   score(j) = h' S x_j.
 * So what is seldom seen goes on as it went before (the same kind, brand or place), and what is
 * seen often goes where it is seen to go. That is LinAR (linar.h) between features instead of
 * items: ridge regression from decayed histories in closed form; the right-hand factor is the
 * least-squares way back from features to items. Weighing by 1 / d makes it near the multiple of an
 * item's usual share, so that popularity is left to others. What few events say of an item, those
 * of all items of its kind, brand or place say too: it helps most where items have few events each.
 *
 * The files: content_rows (features), content_fit (S), content_score (a query, sections),
 * content_part (choice, part). */
#ifndef OD_RECIPES_CONTENT_H
#define OD_RECIPES_CONTENT_H

#include "math/cholesky.h"
#include "recipes/part.h"

#define OD_CONTENT_COLUMNS 2048u /* most features: those on most items */
#define OD_CONTENT_VALUES  64u   /* most of an item: its strongest */
/* Less than this weight of an event is not heard, in answers and where a fit goes step by step. */
#define OD_CONTENT_FAINT (1.0f / 256)
/* Additions to C of a fit, and of one that judges ask (six times as many to H'H where that does
 * not follow from C): beyond it every so many events, or pieces of histories, only. */
#define OD_CONTENT_WORK       1e9
#define OD_CONTENT_TRIAL_WORK 2e8

struct od_content_config {
    float decay; /* [0, .97] */
    float next;  /* ridge */
};
struct od_content_config od_content_config_default(void);
#define OD_CONTENT_MOST_DECAY .97f
#define OD_CONTENT_HISTORY    200 /* events that may be heard: the oldest faint even so */

/* Rows of features: 1 in length, or empty. */
struct od_content_rows {
    uint32_t items, columns;
    uint64_t *at;     /* [items + 1] */
    uint16_t *column; /* [at[items]] ascending in a row */
    float *value;
};
/* Of the training set's Items table (columns 0 without one, or when it tells nothing), of at most
 * so many columns, OD_CONTENT_COLUMNS or less. Values of a field weigh log(items with a record /
 * items that have the value). memory_bytes (0: no bound): what texts may take while they are read,
 * though at least 8 words of each item are. */
enum od_status od_content_rows_init(struct od_content_rows *out, const struct od_training *training,
                                    uint32_t columns, uint64_t memory_bytes, unsigned threads,
                                    struct od_error *err) OD_MUST_USE;
void od_content_rows_done(struct od_content_rows *rows);

/* The steps from a history to the next event that S is made of. */
struct od_content_steps {
    float decay;
    bool unit;             /* histories are brought to length 1 */
    int64_t least_pause_s; /* only steps after such a pause; 0: all */
    double work;           /* OD_CONTENT_WORK */
};
struct od_content_sums {
    struct od_matrix past; /* H'H */
    struct od_matrix step; /* C', [next][past] */
};
/* Of the users' events up to end[u]. The same bytes for any number of threads; eight times the
 * size of both while it is made. */
enum od_status od_content_sums_init(struct od_content_sums *out, const struct od_content_rows *rows,
                                    const struct od_training *training, const uint64_t *end,
                                    const struct od_content_steps *steps,
                                    unsigned threads) OD_MUST_USE;
void od_content_sums_done(struct od_content_sums *sums);
/* D: sum over j of d_j x_j x_j', whole, d_j being (n_j + 1)^power over the mean of that. */
enum od_status od_content_spread(const struct od_content_rows *rows,
                                 const struct od_training *training, const uint64_t *end,
                                 float power, struct od_matrix *out) OD_MUST_USE;
/* a, and sums->step := the product of (C - a H'H D)' with (H'H + past I)^-1, [next][past];
 * sums->past is used up. */
enum od_status od_content_regress(struct od_content_sums *sums, const struct od_matrix *spread,
                                  float past, const struct od_work *work, float *out_same,
                                  struct od_error *err) OD_MUST_USE;
/* out[past][next] := S, from same = a and the other two. */
enum od_status od_content_map(float same, const struct od_matrix *regressed,
                              const struct od_matrix *spread, float next,
                              const struct od_work *work, float *out,
                              struct od_error *err) OD_MUST_USE;

/* What scoring reads. Borrows rows and map, of a fit or an image; any thread may score. */
struct od_content_model {
    uint32_t items, columns;
    float decay;
    bool unit; /* as in od_content_steps */
    const uint64_t *at;
    const uint16_t *column;
    const float *value;
    const float *map; /* [columns][columns] S */
};
struct od_content_model od_content_model_of(const struct od_content_rows *rows, const float *map,
                                            float decay);
/* scores[items]; *out_any false, and all 0, when nothing of the history has a feature. Scratch: two
 * rows of columns. */
enum od_status od_content_score(const struct od_content_model *model, const struct od_query *query,
                                struct od_arena *scratch, float *scores, bool *out_any) OD_MUST_USE;

/* Sections NAME, NAME.at, NAME.column, NAME.value, NAME.map; of the part, NAME is "content". */
enum od_status od_content_write(const struct od_content_model *model, const char *name,
                                struct od_image_writer *image) OD_MUST_USE;
/* OD_CORRUPT unless all that scoring reads is there and in its range. Borrows the image. unit is
 * the reader's to set. */
enum od_status od_content_read(const struct od_image *image, const char *name, uint32_t item_count,
                               struct od_content_model *out, struct od_error *err) OD_MUST_USE;

#endif
