/* What solutions, their versions and campaigns share. Store thread. */
#ifndef OD_API_SOLUTION_H
#define OD_API_SOLUTION_H

#include "api/resource.h"
#include "recipes/recipe.h"

/* What was trained and is served: a solution version, or a recommender read as one
 * (recommender.c). in_place: the model that there is, for an automatic update of it; otherwise what
 * is to be trained. */
enum od_status od_version_read(struct od_call *call, const struct od_resource *resource,
                               bool in_place,
                               struct od_personalize_solution_version *out) OD_MUST_USE;
/* "metrics" of such a resource's extra. */
enum od_status od_training_metrics(struct od_call *call, const struct od_json *extra,
                                   struct od_api_double_map *out) OD_MUST_USE;
/* Whether a training of the version leaves a column of a dataset ("ITEMS") out. */
bool od_training_leaves_out(const struct od_personalize_solution_version *value, const char *type,
                            struct od_str column);
/* How far the logs of the group's Interactions and Items have come. */
enum od_status od_data_marks(struct od_call *call, struct od_str group, int64_t *out_event_seq,
                             int64_t *out_record_seq) OD_MUST_USE;
/* Sets *out when anything is new in the group's dataset of a type since a moment and a place of its
 * log; *out_seq: the place now. */
enum od_status od_dataset_news(struct od_call *call, struct od_str group, enum od_dataset_type type,
                               int64_t since_ms, int64_t since_seq, int64_t *out_seq,
                               bool *out) OD_MUST_USE;

/* "arn:aws:personalize:::recipe/<name>" to its row; OD_NOT_FOUND when there is no such recipe. */
enum od_status od_recipe_by_arn(struct od_call *call, struct od_str arn,
                                const struct od_recipe_spec **out) OD_MUST_USE;

/* Every rule about solutionConfig that does not need the data (recipes.md sections 2 and 3). */
enum od_status od_solution_check(struct od_call *call,
                                 const struct od_personalize_create_solution_request *in,
                                 const struct od_recipe_spec *spec) OD_MUST_USE;
/* trainingDataConfig of such a request alone. */
enum od_status
od_training_data_check(struct od_call *call,
                       const struct od_personalize_create_solution_request *in) OD_MUST_USE;
/* itemExplorationConfig of a campaign or recommender. */
enum od_status od_exploration_check(struct od_call *call, const struct od_api_string_map *map,
                                    const struct od_recipe_spec *spec) OD_MUST_USE;
/* solution_events.c: eventType, eventValueThreshold and eventsConfig. */
enum od_status od_solution_events_check(struct od_call *call,
                                        const struct od_personalize_create_solution_request *in,
                                        const struct od_recipe_spec *spec) OD_MUST_USE;
enum od_status od_events_config_check(struct od_call *call, struct od_str group,
                                      const struct od_personalize_events_config *config,
                                      const struct od_recipe_spec *spec) OD_MUST_USE;
/* Whether events are chosen by a column of Interactions (EVENT_TYPE, EVENT_VALUE). */
bool od_solution_needs_column(struct od_str event_type,
                              const struct od_personalize_solution_config *config,
                              struct od_str column);
/* solution_tuning.c: hpoConfig and autoMLConfig. */
enum od_status od_hpo_check(struct od_call *call, const struct od_personalize_hpo_config *config,
                            const struct od_recipe_spec *spec) OD_MUST_USE;
enum od_status od_automl_check(struct od_call *call,
                               const struct od_personalize_auto_ml_config *config) OD_MUST_USE;
/* Whether a recipe takes part in AutoML when no list is given. */
bool od_automl_may_try(const struct od_recipe_spec *spec);
/* The "extra" of the newest version of the solution that was tuned less than 90 days ago, with its
 * members "tuned", "tuned_ms" and "recipe". */
enum od_status od_tuning_to_reuse(struct od_call *call, const struct od_resource *solution,
                                  struct od_json *out, bool *out_found) OD_MUST_USE;
enum od_status od_schedule_check(struct od_call *call,
                                 const struct od_personalize_auto_training_config *config,
                                 int64_t *out_days) OD_MUST_USE; /* absent: 7 days */

/* Fills latestSolutionVersion (kinds.c). */
enum od_status od_solution_decorate(struct od_call *call, const struct od_resource *resource,
                                    void *value);

/* Begins a training of the solution: the version's resource and job. type: MANUAL or AUTOMATIC.
 * base: the version whose model is brought up to date (trainingMode UPDATE); NULL: FULL. */
enum od_status od_solution_train(struct od_call *call, const struct od_resource *solution,
                                 struct od_str name, const char *training_type,
                                 const struct od_resource *base,
                                 const struct od_personalize_tags *tags,
                                 struct od_str *out_arn) OD_MUST_USE;

/* Every minute: starts the automatic trainings that are due. */
void od_training_tick(struct od_app *app);

/* auto_training.c: calls each for every ACTIVE resource of a kind; what fails is told to the log as
 * a failed `what`, and is no reason to leave the others. */
void od_for_each_active(struct od_app *app, const struct od_kind *kind, const char *what,
                        enum od_status (*each)(struct od_call *call, struct od_resource *resource));

/* auto_update.c: the newest ACTIVE version trained in full; arn absent: none. Every tick: begins
 * the automatic updates that are due. */
enum od_status od_solution_newest_full(struct od_call *call, struct od_str solution,
                                       struct od_resource *out) OD_MUST_USE;
void od_update_tick(struct od_app *app);
/* What an automatic update notes in extra when it is begun; ends in NULL. */
extern const char *const od_update_marks[];
/* Whether the update that this extra notes has not ended. */
enum od_status od_update_under_way(struct od_call *call, const struct od_json *extra,
                                   bool *out) OD_MUST_USE;
/* Serves a version's image anew in the campaigns that serve it, or a recommender's own: it was
 * updated. */
enum od_status od_campaigns_reopen(struct od_call *call,
                                   const struct od_resource *version) OD_MUST_USE;

/* The ACTIVE version that an ARN names: itself, or the newest of the solution before "/$LATEST".
 * OD_NOT_FOUND for a bare solution, OD_IN_USE when it is not ACTIVE. follow: it must be the latter.
 */
enum od_status od_version_find(struct od_call *call, struct od_str arn, bool follow,
                               struct od_resource *out) OD_MUST_USE;
/* Whether the version's recipe can be served with a configuration (may be NULL). */
enum od_status
od_campaign_config_check(struct od_call *call, const struct od_resource *version,
                         const struct od_personalize_campaign_config *config) OD_MUST_USE;

/* Deploys a version that became ACTIVE to the campaigns that follow their solution. */
enum od_status od_campaigns_follow(struct od_call *call,
                                   const struct od_resource *version) OD_MUST_USE;

#endif
