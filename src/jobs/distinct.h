/* Which of many rows are repetitions, in bounded memory.
 *
 * Each row is given by a key of 16 bytes (half a SHA-256 of what makes rows the same: nobody can
 * aim at a collision) and counted from 0. Of rows with equal keys one is kept, the first or the
 * last; the others are marked. Sorted runs of keys go to a scratch file and are merged at the end,
 * so that memory is two runs and a bit a row, however many rows there are. One thread. */
#ifndef OD_JOBS_DISTINCT_H
#define OD_JOBS_DISTINCT_H

#include "os/io.h"

#define OD_DISTINCT_KEY 16

struct od_distinct;
/* scratch: path of a file that is made when one run is not enough, and removed by free.
 * run_rows: rows of a run; 0: 2 million, 48 MB. NULL when out of memory. */
struct od_distinct *od_distinct_new(const struct od_io *io, struct od_str scratch, bool keep_last,
                                    size_t run_rows);
void od_distinct_free(struct od_distinct *distinct);
enum od_status od_distinct_add(struct od_distinct *distinct, const uint8_t key[OD_DISTINCT_KEY],
                               struct od_error *err) OD_MUST_USE;
/* After the last row: a bitmap over rows, bit set = not kept. Lives as long as distinct. */
enum od_status od_distinct_finish(struct od_distinct *distinct, const uint64_t **out_dropped,
                                  struct od_error *err) OD_MUST_USE;

#endif
