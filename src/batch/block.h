/* How much of a file is answered at once: lines, and the memory their answers may keep. */
#ifndef OD_BATCH_BLOCK_H
#define OD_BATCH_BLOCK_H

#include "batch/answer.h"

struct od_batch_size {
    size_t lines;      /* of a block, at most */
    size_t part_lines; /* of a part: a run of lines with an output buffer of its own */
    size_t parts;      /* of a block of so many lines */
    size_t kept_bytes; /* of output that each part keeps room for from block to block */
};

/* threads: at least 1. */
struct od_batch_size od_batch_size(const struct od_batch_job *job, bool ranking, unsigned threads);

struct od_batch_reader {
    struct od_str rest; /* of the mapped file */
    uint64_t number;    /* of the line read last */
    uint64_t file_seed;
};

/* The next lines that are not empty, most of them at most, and no more once they have
 * OD_BATCH_BLOCK_TEXT_BYTES; 0 at the end of the file. */
size_t od_batch_read(struct od_batch_reader *reader, struct od_batch_text *out, size_t most);

#endif
