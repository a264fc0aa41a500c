/* The model card: what a version was made of, and how good it is.
 *
 * Two parts. The lasting one is a section "card" of the image, JSON, the same for the same
 * snapshot, configuration and seed: data window and counts, fields, parameters, what was tuned,
 * which sections serve, metrics, learning curve. The file beside the image (<image without
 * ending>.card.json) has all that, and what depends on the machine or on other versions: seconds,
 * the metrics of popularity and of the version now serving, what each field contributes.
 *
 * Comparisons train again on the training part of the split that the metrics are from, once for the
 * model itself and once for each field left out. They are done where the training took
 * "card_seconds" of the job's spec at most, and stop after as long: fields not reached are listed
 * as such. */
#ifndef OD_JOBS_CARD_H
#define OD_JOBS_CARD_H

#include "jobs/train_inner.h"

/* A learning curve from the stages a training tells: "epoch 3 of 10, loss 4.1, NDCG 0.12". */
struct od_card_point {
    unsigned pass, epoch; /* a training that fits twice has two passes */
    double loss, ndcg;    /* NAN: not told */
};
#define OD_CARD_POINTS     512 /* later ones are not kept */
#define OD_MAX_CARD_FIELDS 64  /* that an ablation looks at */
/* Takes a stage into the curve if it tells an epoch. */
void od_card_note_stage(struct od_run *run, const char *stage);

/* What the card of a trained image says of its training, for the card of that model updated: the
 * objective and the learning curve go to the run. *out_to_s: the newest interaction it learnt
 * from; INT64_MAX: it does not say. */
void od_card_inherit(struct od_run *run, const struct od_image *image, int64_t *out_to_s);

/* Appends the lasting part, an object without its closing brace, so that more can follow. */
enum od_status od_card_write(struct od_run *run, const struct od_image_writer *image,
                             const struct od_metrics *metrics, struct od_buf *out) OD_MUST_USE;

/* card_compare.c: appends members ',"popularity":{...}', ',"serving":{...}', ',"ablation":{...}'.
 * input: the whole training set and what the recipe was trained with; seconds: what that took. */
enum od_status od_card_compare(struct od_run *run, const struct od_train_input *input,
                               double seconds, struct od_buf *out) OD_MUST_USE;

/* {"name":value} */
void od_card_metrics(const struct od_metrics *metrics, struct od_buf *out);

#endif
