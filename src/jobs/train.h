/* A training job: segments to a model image (runs in a worker process). */
#ifndef OD_JOBS_TRAIN_H
#define OD_JOBS_TRAIN_H

#include "base/json.h"
#include "os/io.h"
#include "recipes/recipe.h"

struct od_train_result {
    struct od_metrics metrics;
    double seconds;
    uint64_t hash; /* of the training set */
    uint64_t events;
    uint32_t users, items;
    /* In the caller's arena. */
    struct od_str recipe;        /* the one trained: AutoML chooses it */
    struct od_str tuned, search; /* JSON objects, absent when nothing was tuned: values by name;
                                    metric, best trial and trials */
};

/* spec: the "train" object of jobs.h. The image file appears whole (temporary, sync, rename) or not
 * at all. Too little data and the like is OD_INVALID_INPUT with the text for failureReason.
 * memory_bytes: what the job may use; the recipe gets what its data leave of it. */
enum od_status od_train_run(const struct od_io *io, const struct od_json *spec,
                            uint64_t memory_bytes, const struct od_progress *progress,
                            struct od_arena *arena, struct od_train_result *out,
                            struct od_error *err) OD_MUST_USE;

#endif
