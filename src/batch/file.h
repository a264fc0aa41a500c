/* One file of a batch job: lines in, lines out, in the order they came. */
#ifndef OD_BATCH_FILE_H
#define OD_BATCH_FILE_H

#include "batch/answer.h"

struct od_batch_work {
    const struct od_batch_group *group;
    const struct od_batch_job *job;
    const struct od_io *io;
    uint64_t bytes_done, all_bytes; /* of all input files, for progress */
    double from;                    /* progress at which answering began */
    struct od_batch_result *result;
};

/* Answers file number index into a new file at path, synced and closed. What is left of it after a
 * failure is the caller's to remove. */
enum od_status od_batch_file(struct od_batch_work *work, size_t index, const char *path,
                             struct od_error *err) OD_MUST_USE;

#endif
