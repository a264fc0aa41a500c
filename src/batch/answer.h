/* A line of input to its line of output. */
#ifndef OD_BATCH_ANSWER_H
#define OD_BATCH_ANSWER_H

#include "batch/group.h"
#include "batch/line.h"

struct od_batch_text {
    struct od_str text; /* without white space around it, not empty */
    uint64_t number;    /* line of its file, from 1 */
    uint64_t seed;      /* of the answer's chance */
};

/* Appends one line, "\n" included: the answer, or an error line (*out_error). scratch is empty when
 * this is called. Fails only for what is not the line's fault. Thread-safe. */
enum od_status od_batch_answer(const struct od_batch_group *group, const struct od_batch_job *job,
                               const struct od_batch_text *line, struct od_arena *scratch,
                               struct od_buf *out, bool *out_error,
                               struct od_error *err) OD_MUST_USE;

#endif
