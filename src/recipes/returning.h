/* What people take who come back after a long pause, by the records of what they took before.
 *
 * The bilinear model of content.h, learnt from the steps to the first event after such a pause
 * alone, of histories brought to length 1, and with weights d in proportion to items' events: S
 * then tells density ratios (Sugiyama, Suzuki, Kanamori: Density Ratio Estimation in Machine
 * Learning, 2012, chapter 6: least squares),
 *
 *     h' S x_j  ~  p(j | what the user took) / p(j),
 *
 * so that who comes back is answered with what everybody takes times that. After a night people may
 * go on where they stopped, which models of the next event know; after a month they want the same
 * kind and grade elsewhere, which these do not learn, as they learn to stay where the visit is. */
#ifndef OD_RECIPES_RETURNING_H
#define OD_RECIPES_RETURNING_H

#include "recipes/content.h"

#define OD_RETURNING_LEAST_S (10 * 86400) /* of a long pause */

struct od_returning_task {
    const struct od_training *training;
    const uint64_t *end;   /* [users] of the events that are learnt from */
    uint64_t memory_bytes; /* what reading records may take; 0: no bound */
    unsigned threads;
};
/* The least pause of the steps to learn from, 30 or 10 days: the first under which sqrt p (likely
 * items count more than under log p, as they do in ranks) of returns after such pauses is larger
 * than under p(j) alone, each of users that S was not learnt from: every other user tells what the
 * rest take. 0 when it is not for more than chance, without records that tell items apart, and with
 * too few returns. *out_gain: the share by which it is larger. */
enum od_status od_returning_choose(const struct od_returning_task *task, int64_t *out_pause_s,
                                   float *out_gain, struct od_error *err) OD_MUST_USE;

struct od_returning {
    struct od_content_rows rows;
    float *map; /* [columns][columns] S; NULL: nothing */
};
/* map stays NULL when pause_s is 0 or nothing tells items apart. */
enum od_status od_returning_fit(struct od_returning *out, const struct od_returning_task *task,
                                int64_t pause_s, struct od_error *err) OD_MUST_USE;
void od_returning_done(struct od_returning *returning);
/* What answers read, borrowed; columns 0: nothing. */
struct od_content_model od_returning_model(const struct od_returning *returning);

/* out[items] := multiples of usual[items] (shares, sum 1) for who has such a history and comes back
 * at the query's time: none less than a sixth, 1 in the mean over usual. *out_any false, and all 1,
 * after less than OD_RETURNING_LEAST_S, when nothing of the history has a record or the model says
 * nothing of it. */
enum od_status od_returning_rates(const struct od_content_model *model,
                                  const struct od_query *query, const float *usual,
                                  struct od_arena *scratch, float *out, bool *out_any) OD_MUST_USE;

/* Sections returning, returning.at, ... as content's. */
enum od_status od_returning_write(const struct od_content_model *model,
                                  struct od_image_writer *image) OD_MUST_USE;
enum od_status od_returning_read(const struct od_image *image, uint32_t item_count,
                                 struct od_content_model *out, struct od_error *err) OD_MUST_USE;

#endif
