/* Protocol segment: for recipes that list users. One moment, 15 days before the last event, cuts
 * the data; what came before is trained on. A question is an item (or a value of an item column:
 * all items that carry it) and the answer the best 1 % of the users known by then; relevant are
 * those of them that came back for it within the 15 days.
 *
 * Measures per question, K = 1 % of the users (rounded up): hits among the K, recall = hits /
 * min(K, relevant), precision = hits / K (recipes.md 9.2). Beside it: the most active users, of all
 * time and of the last 7 days before the cut, the same list for every question. */
#ifndef OD_EVAL_SEGMENTS_H
#define OD_EVAL_SEGMENTS_H

#include "eval/ask.h"

#define OD_SEGMENT_HORIZON_S (15 * 86400)

struct od_segment_question {
    uint64_t item_at, user_at; /* in the exam's items and users */
    uint32_t item_count, user_count;
};
struct od_segment_exam {
    struct od_training *train;
    struct od_dict *catalogue; /* train's items by their codes; of values, items by records too */
    uint32_t *items;           /* codes of it; of one question distinct, ascending */
    uint32_t *users;           /* codes of train; the relevant ones, distinct, ascending */
    struct od_segment_question *questions;
    uint32_t question_count, possible;
    uint32_t most;          /* K */
    uint64_t unknown_users; /* came in the horizon for some question, but were new: not counted */
};
/* column: of the item table, a string; absent: questions are items. most_questions: spread evenly;
 * 0: all. OD_INVALID_INPUT when there is nothing to ask. */
enum od_status od_segment_exam_make(const struct od_training *full, struct od_str column,
                                    uint32_t most_questions, struct od_segment_exam *out,
                                    struct od_error *err) OD_MUST_USE;
void od_segment_exam_done(struct od_segment_exam *exam);

extern const struct od_list_metric od_metrics_segment[]; /* ends with one without a name */

/* out->value[OD_LISTS_RAW] as od_metrics_segment lists; coverage: share of the users in some list.
 */
enum od_status od_segment_ask_recipe(const struct od_segment_exam *exam,
                                     const struct od_recipe *recipe, const struct od_model *model,
                                     unsigned threads, const struct od_io *io,
                                     struct od_answers *out, struct od_error *err) OD_MUST_USE;
/* The users with most events in the last window_s seconds of training; 0: of all time. */
enum od_status od_segment_ask_active(const struct od_segment_exam *exam, int64_t window_s,
                                     struct od_answers *out, struct od_error *err) OD_MUST_USE;

#endif
