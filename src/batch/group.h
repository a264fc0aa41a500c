/* The dataset group of a batch job, in the worker's own memory. */
#ifndef OD_BATCH_GROUP_H
#define OD_BATCH_GROUP_H

#include "batch/batch.h"

struct od_batch_group {
    struct od_serve *serve;
    const struct od_recipe_spec *spec;
    struct od_segments *segments; /* of a segment job; else the campaign is named job->name */
};

/* Loads the datasets as the server does at its start, then filter and model. progress goes from 0
 * to `to`. On failure nothing is left. */
enum od_status od_batch_group_init(struct od_batch_group *out, const struct od_batch_job *job,
                                   const struct od_io *io, double to,
                                   struct od_error *err) OD_MUST_USE;
void od_batch_group_done(struct od_batch_group *group);

#endif
