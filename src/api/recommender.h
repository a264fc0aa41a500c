/* Recommenders: a domain recipe trained and served as one resource (docs/life-of-a-training.md).
 *
 * A recommender is its own solution version: the resource's "extra" holds what a version's does
 * (image, card, metrics, how far the data had come), and training and automatic updates read it as
 * a version by od_version_read. Beside that, extra has "begun_ms" of the training whose model it
 * is, "columns" that it read (recommender_columns.c), "tried_ms" of a later one that failed, and
 * "training": {"job", "event_seq", "record_seq", "begun_ms", "columns"} while one is under way. An
 * ending of any other job than that changes nothing. Store thread. */
#ifndef OD_API_RECOMMENDER_H
#define OD_API_RECOMMENDER_H

#include "api/runner_inner.h"
#include "api/solution.h"

/* extra, parsed. */
enum od_status od_recommender_extra(struct od_call *call, const struct od_resource *resource,
                                    struct od_json *out) OD_MUST_USE;
/* The update that is being trained for; NULL: none is under way. */
struct od_personalize_recommender_update_summary *
od_recommender_updating(const struct od_personalize_recommender *value);

/* Inside a transaction: a job that trains the recommender on columns (JSON), noted in
 * resource->extra. The caller writes the resource and, after the commit, lets the job go
 * (od_recommender_go). */
enum od_status od_recommender_train(struct od_call *call, struct od_resource *resource,
                                    struct od_str columns, int64_t *out_job) OD_MUST_USE;
void od_recommender_go(struct od_call *call, const struct od_resource *resource, int64_t job);
/* Takes "training" and the marks of an automatic update under way out of extra and stops the
 * worker: what it still says is not heard. */
enum od_status od_recommender_forget_training(struct od_call *call,
                                              struct od_resource *resource) OD_MUST_USE;
/* Whether there is a model to serve. */
bool od_recommender_has_model(struct od_call *call, const struct od_resource *resource);
/* Serves the model under the settings that the resource has. */
enum od_status od_recommender_attach(struct od_call *call,
                                     const struct od_resource *resource) OD_MUST_USE;
/* One of the group's recommenders that is being trained; arn absent: none. */
enum od_status od_recommender_training(struct od_call *call, struct od_str group,
                                       struct od_resource *out) OD_MUST_USE;

/* recommender_columns.c: the columns that a training of the use case with this trainingDataConfig
 * (NULL: none) would read now, as JSON; */
enum od_status od_columns_now(struct od_call *call, struct od_str group,
                              const struct od_recipe_spec *spec,
                              struct od_personalize_training_data_config *config,
                              struct od_str *out) OD_MUST_USE;
/* whether they are the same as others (NULL: not known, so no); */
enum od_status od_columns_same(struct od_call *call, const struct od_json *before,
                               struct od_str after, bool *out) OD_MUST_USE;
/* and a trainingDataConfig that asks for just them. */
enum od_status od_columns_config(struct od_call *call, const struct od_json *columns,
                                 struct od_personalize_training_data_config **out) OD_MUST_USE;
/* Those of the recommender's model; NULL: it has none. */
enum od_status od_recommender_columns(struct od_call *call, const struct od_resource *resource,
                                      const struct od_json **out) OD_MUST_USE;

/* Hooks of the job kind "recommend" (job_kind.h). */
enum od_status od_recommender_began(struct od_call *call, int64_t job_id,
                                    struct od_resource *resource, bool *out_go) OD_MUST_USE;
enum od_status od_recommender_end(struct od_call *call, const struct ending *end,
                                  struct od_resource *resource) OD_MUST_USE;

/* recommender_weekly.c, every tick, for each ACTIVE recommender: trains it anew when a week has
 * passed. */
enum od_status od_recommender_look(struct od_call *call, struct od_resource *resource) OD_MUST_USE;

/* Fills modelMetrics (kinds.c). */
enum od_status od_recommender_decorate(struct od_call *call, const struct od_resource *resource,
                                       void *value);

#endif
