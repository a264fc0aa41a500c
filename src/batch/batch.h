/* Batch jobs: JSON lines in, JSON lines out (serving.md sections 13 and 14).
 *
 * A job answers each line as serving would answer it as a request: the same model image, the same
 * histories, catalogue and filter, the same code. It differs in three ways: nobody is shown the
 * answers, so none is remembered; all chance in them (exploration) comes from the job's seed and
 * the line's place, so the same job has the same output whatever the thread count; and its time is
 * that of its start.
 *
 * Memory: the dataset group as the server holds it (docs/memory.md), the mapped image, and while a
 * block of lines is answered its output and a scratch arena a thread. */
#ifndef OD_BATCH_BATCH_H
#define OD_BATCH_BATCH_H

#include "recipes/recipe.h"
#include "serve/serve.h"

/* A dataset of the group; schema_text absent: there is none. */
struct od_batch_dataset {
    struct od_str schema_text;
    enum od_domain domain;
    const struct od_str *segments; /* absolute, in order of arrival */
    size_t segment_count;
    struct od_str events; /* OD_INTERACTIONS: what came by PutEvents, folded (jobs/sources.h);
                             absent: none */
};

struct od_batch_file {
    struct od_str in, out; /* absolute */
};

struct od_batch_job {
    bool segments;      /* which users for items; otherwise which items */
    struct od_str name; /* the job's ARN */
    struct od_str group_arn;
    struct od_str image;                            /* absolute */
    struct od_batch_dataset datasets[OD_USERS + 1]; /* those that are served */
    struct od_str filter_arn, filter_expression;    /* absent: none */
    int64_t results; /* numResults; negative: 25, but the whole list of a ranking */
    double exploration_weight, exploration_cutoff_days; /* negative: the recipe's default */
    double popularity_influence, freshness_influence;
    int64_t now_ms; /* when the job began */
    uint64_t seed;
    unsigned threads;    /* 0: all cores */
    uint64_t most_lines; /* of a file; 0: any number */
    const struct od_batch_file *files;
    size_t file_count;
    struct od_progress progress;
};

struct od_batch_result {
    uint64_t lines; /* answered, errors included; empty ones are none */
    uint64_t errors;
    double seconds; /* of answering */
};

/* Answers every file, then gives all outputs their names: each appears whole, and none before the
 * last line of the last file is answered. A line that cannot be answered becomes an error line;
 * what no line can help (the image is damaged, the disk is full, no memory) fails the job, and
 * leaves no output behind. */
enum od_status od_batch_run(const struct od_batch_job *job, const struct od_io *io,
                            struct od_batch_result *out, struct od_error *err) OD_MUST_USE;

#endif
