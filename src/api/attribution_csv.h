/* A report of a metric attribution: a CSV file in a folder of the client's choice.
 *
 *     AggregatedAttributionMetrics - <ImportMethod> - <Timestamp>.csv
 *     METRIC_NAME,EVENT_TYPE,VALUE,MATH_FUNCTION,EVENT_ATTRIBUTION_SOURCE,TIMESTAMP
 *     COUNTWATCHES,WATCH,12.0,samplecount,arn:aws:...:recommender/r1,1666925124
 *
 * It appears whole or not at all: rows go to a temporary file beside it, which is synced and
 * renamed. The same report written twice is the same file. Any one thread. */
#ifndef OD_API_ATTRIBUTION_CSV_H
#define OD_API_ATTRIBUTION_CSV_H

#include "store/objects.h"
#include "store/store.h"

struct od_attribution_csv {
    const struct od_io *io;
    struct od_arena arena;
    struct od_str path, temporary;
    int fd; /* -1: not open */
    uint64_t at;
    struct od_buf text; /* rows not yet in the file */
};

/* method: "PutEvents", "FULL", "INCREMENTAL". After a failure nothing is open. */
enum od_status od_attribution_csv_open(struct od_attribution_csv *csv, const struct od_io *io,
                                       const struct od_objects *objects, struct od_str location,
                                       const char *method, int64_t stamp_s,
                                       struct od_error *err) OD_MUST_USE;
enum od_status od_attribution_csv_row(struct od_attribution_csv *csv,
                                      const struct od_attribution_cell *cell,
                                      struct od_error *err) OD_MUST_USE;
/* Puts the file in its place and closes. After a failure the file is not there. */
enum od_status od_attribution_csv_close(struct od_attribution_csv *csv,
                                        struct od_error *err) OD_MUST_USE;
void od_attribution_csv_abort(struct od_attribution_csv *csv); /* also after close */

/* A value as reports spell it: a decimal with a digit after the point and no exponent. */
void od_attribution_csv_number(struct od_buf *out, double value);

#endif
