/* The search for hyperparameters and recipes (performHPO, performAutoML): trainings with values
 * drawn from ranges, compared by the recipe's own offline metric.
 *
 * Data: the users that the final metrics test are taken out first, as od_split_users with the
 * training's seed does; a tenth of the others judge the trials. So no choice has seen a user that
 * GetSolutionMetrics reports on.
 *
 * Method: of a recipe's jobs the first has the values given or the defaults, the others a Latin
 * hypercube over the ranges (McKay, Beckman, Conover 1979). With SEARCH_HALVED jobs or more, three
 * quarters of them train on a third of the users, and the best of those again on all (successive
 * halving: Jamieson, Talwalkar 2016). Same training set, ranges and seed: same trials and choice,
 * whatever runs beside whatever. */
#ifndef OD_JOBS_SEARCH_H
#define OD_JOBS_SEARCH_H

#include "os/io.h"
#include "recipes/recipe.h"

/* A parameter that is searched. */
struct od_search_range {
    size_t param;    /* of the recipe's spec */
    double min, max; /* integer, continuous */
    size_t choice_count;
    const struct od_str *choices; /* categorical and boolean: the values as text */
};

/* A recipe that takes part. */
struct od_search_entry {
    const struct od_recipe *recipe;
    const struct od_recipe_spec *spec;
    const struct od_param_value *fixed; /* [spec->param_count] values where nothing is searched */
    const struct od_search_range *ranges;
    size_t range_count;
    unsigned jobs; /* at most so many trainings; at least 1 */
};

struct od_search_trial {
    size_t entry;
    struct od_param_value *params; /* [param_count] of the entry's spec */
    double share;                  /* of the users it trained on: 1 or less */
    double value;                  /* of the metric; -INFINITY: it could not be trained */
    double seconds;
};

struct od_search_ask {
    const struct od_train_input
        *input; /* the whole training set, seed, threads, memory, progress */
    const struct od_search_entry *entries;
    size_t entry_count;
    const char *metric;     /* greater is better */
    unsigned parallel;      /* trials at a time: they share threads and memory */
    const struct od_io *io; /* clock */
};

struct od_search_result {
    struct od_search_trial *trials; /* in order: entries, and of each the smaller shares first */
    size_t count;
    size_t best; /* a trial of share 1 */
};

/* Results live in arena. Fails when no trial can be trained (with the reason of the first), and
 * with OD_STOPPED. */
enum od_status od_search(const struct od_search_ask *ask, struct od_arena *arena,
                         struct od_search_result *out, struct od_error *err) OD_MUST_USE;

/* search_space.c: trial values of an entry, count of them: the first is the fixed one moved into
 * the ranges. Fewer when the ranges hold no more. *out [count]. */
enum od_status od_search_draw(const struct od_search_entry *entry, size_t count, uint64_t seed,
                              struct od_arena *arena, struct od_param_value ***out,
                              size_t *out_count, struct od_error *err) OD_MUST_USE;
/* The range of a parameter as its spec has it. In arena. */
enum od_status od_search_range_of(const struct od_recipe_spec *spec, size_t param,
                                  struct od_arena *arena, struct od_search_range *out) OD_MUST_USE;

#endif
