/* What every figure is shown beside: popularity of all time and of the last 7 days, and chance.
 *
 * Popularity counts distinct users, as aws-popularity-count does; items without an event in the
 * training part are never listed. Of the last 7 days: events of the training part in the 7 days up
 * to the question's time, so nobody is told of a fashion that came later; items with equally many
 * events follow in order of popularity of all time. Where all training events lie within 7 days
 * (sets that know order alone), it is popularity of all time. */
#ifndef OD_EVAL_POPULAR_H
#define OD_EVAL_POPULAR_H

#include "eval/ask.h"

#define OD_POPULAR_WINDOW_S (7 * 86400)

struct od_popular;
enum od_status od_popular_new(const struct od_exam *exam, struct od_popular **out,
                              struct od_error *err) OD_MUST_USE;
void od_popular_free(struct od_popular *popular);
/* exam and popular must outlive them. */
struct od_answerer od_popular_ever(struct od_popular *popular);
struct od_answerer od_popular_lately(struct od_popular *popular);

/* Another order for each question, by seed. */
struct od_chance {
    const struct od_exam *exam;
    uint64_t seed;
};
struct od_answerer od_chance_of(struct od_chance *chance);

#endif
