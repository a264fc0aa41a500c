/* optimizationObjective (recipes.md section 3): items whose attribute is high are put forward.
 *
 * The score of an item becomes score + temperature * beta * z. z is the item's attribute less the
 * mean of the model's items over its standard deviation, within 3 either way (0: no record). The
 * temperature is the model's (1 when it has none), since two trainings on nearly the same data may
 * differ in the scale of their scores. beta is the largest under which accuracy, NDCG at 25 on
 * users kept out of training and of the final metrics, falls by no more than the sensitivity
 * allows: LOW 1 %, MEDIUM 3 %, HIGH 10 %; where too few users can be asked,
 * beta is ten times that share. The
 * image holds beta * z as "objective", float [items]; the server multiplies it by the temperature
 * when it opens a model (serve/campaign.c). */
#ifndef OD_JOBS_OBJECTIVE_H
#define OD_JOBS_OBJECTIVE_H

#include "jobs/train_inner.h"
#include "recipes/split.h"

/* Whether the spec has an objective that is not OFF. */
bool od_objective_is_set(const struct od_run *run);

struct od_objective {
    struct od_str attribute;
    double most_loss; /* share of the accuracy */
    double beta;      /* od_objective_calibrate */
    double kept;      /* accuracy with it over that without, on the users it was chosen by;
                         NAN: too few to choose by */
};
/* Reads the spec: OD_INVALID_INPUT when the Items have no such numbers. */
enum od_status od_objective_read(struct od_run *run, struct od_objective *out) OD_MUST_USE;
/* z of every item of a dictionary (by od_dict text), [count], to be freed with free. */
enum od_status od_objective_values(struct od_run *run, const struct od_objective *objective,
                                   const struct od_dict *items, float **out) OD_MUST_USE;
/* Trains on users that no final metric tests and sets beta and kept. */
enum od_status od_objective_calibrate(struct od_run *run, const struct od_train_input *input,
                                      struct od_objective *objective) OD_MUST_USE;
/* The metrics of the objective at work: those of the recipe, and average_rewards_at_k. */
enum od_status od_objective_measure(struct od_run *run, const struct od_train_input *input,
                                    const struct od_objective *objective,
                                    struct od_metrics *metrics) OD_MUST_USE;

/* average_rewards_at_k of one user (recipes.md 9.2): the reward of the relevant items among the
 * first 25 ranked over the reward of all of them, those that no list can have included; NAN when
 * that is 0. relevant are codes of items, ranked what item_map makes of such; reward[code] >= 0. */
double od_objective_reward(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                           size_t relevant_count, const uint32_t *item_map, const float *reward);

#endif
