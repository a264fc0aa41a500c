/* The chunks of a segment file, in order, one in memory at a time. One thread. */
#ifndef OD_JOBS_SEGMENT_WALK_H
#define OD_JOBS_SEGMENT_WALK_H

#include "data/segment.h"
#include "os/io.h"

/* Calls each for every chunk; chunk and its texts are borrowed for the call. A status other than
 * OD_OK ends the walk and is returned; each has then filled err, which it has from its context. */
enum od_status od_segment_walk(const struct od_io *io, struct od_str path,
                               enum od_status (*each)(void *context,
                                                      const struct od_segment *segment,
                                                      const struct od_chunk *chunk),
                               void *context, struct od_error *err) OD_MUST_USE;

/* The same for a segment that is open. */
enum od_status od_segment_chunks(const struct od_segment *segment,
                                 enum od_status (*each)(void *context,
                                                        const struct od_segment *segment,
                                                        const struct od_chunk *chunk),
                                 void *context, struct od_error *err) OD_MUST_USE;

/* For each field of `to` the place of the same field in a segment's schema, SIZE_MAX where the
 * segment is older than the field: its rows are null there (data.md section 9). OD_CORRUPT when
 * a field has another type. */
enum od_status od_segment_match(const struct od_schema *from, const struct od_schema *to,
                                size_t *out_places, struct od_error *err) OD_MUST_USE;
/* A row by such places: values has one entry a field of the other schema. */
void od_segment_row(const struct od_chunk *chunk, uint32_t row, const size_t *places, size_t count,
                    struct od_value *values);

#endif
