/* A segment file written row by row: temporary, then synced and renamed. One thread. */
#ifndef OD_JOBS_SEGMENT_FILE_H
#define OD_JOBS_SEGMENT_FILE_H

#include "data/segment.h"
#include "os/io.h"

struct od_segment_file;
/* schema must stay until the end. The file begun is given also after a failure: end it. NULL: out
 * of memory. */
enum od_status od_segment_file_begin(const struct od_io *io, const struct od_schema *schema,
                                     struct od_str path, struct od_segment_file **out,
                                     struct od_error *err) OD_MUST_USE;
/* values: one a schema field, checked. */
enum od_status od_segment_file_add(struct od_segment_file *file, const struct od_value *values,
                                   struct od_error *err) OD_MUST_USE;
/* s OD_OK and any rows: the file appears whole at its path. Otherwise nothing is left, and s is
 * returned. Frees file (may be NULL). */
enum od_status od_segment_file_end(struct od_segment_file *file, enum od_status s,
                                   uint64_t *out_rows, struct od_error *err) OD_MUST_USE;

#endif
