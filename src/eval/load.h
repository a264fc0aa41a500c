/* Data for an evaluation: CSV files with Amazon's column names, or imported segments, to a training
 * set and its tables, as the training job of the server would have them. */
#ifndef OD_EVAL_LOAD_H
#define OD_EVAL_LOAD_H

#include "data/training.h"
#include "os/io.h"

struct od_load_files {
    const char *const *interactions; /* paths, at least one */
    size_t interactions_count;
    const char *items, *users;    /* paths, NULL: none */
    struct od_training_rule rule; /* which events count */
};
struct od_loaded {
    struct od_training *training; /* item_table and user_table are items and users */
    struct od_table *items, *users;
    uint64_t records;       /* hash of what the files of items and users hold, 0: there are none */
    size_t dropped_columns; /* of interactions, more than Amazon allows */
    bool has_time;          /* false: no TIMESTAMP; events are a second apart in file order */
};

/* Failures name file, line, column and value. out is zeroed on failure. Memory: the training set,
 * the tables and one chunk of 65,536 rows. */
enum od_status od_load(const struct od_load_files *files, const struct od_io *io,
                       struct od_loaded *out, struct od_error *err) OD_MUST_USE;
void od_loaded_done(struct od_loaded *loaded);

#endif
