/* An export: segments to CSV files (runs in a worker process; data.md section 10).
 *
 * Rows keep their order of arrival, so that an import of the files says what the segments say. Rows
 * equal in all fields appear once; with `newest`, of each item, user or action only the row that
 * arrived last. The files are part-00000.csv, part-00001.csv, ... in a folder, each with a header.
 * They are written beside their names and take them when all are whole, after those of an earlier
 * attempt are gone: the folder never shows parts of two attempts. Other files there stay. */
#ifndef OD_JOBS_EXPORT_H
#define OD_JOBS_EXPORT_H

#include "data/schema.h"
#include "os/io.h"

#define OD_EXPORT_PART_BYTES (256u << 20) /* a part ends with the row that passes this */

struct od_export_spec {
    struct od_str schema_text; /* of the dataset now; segments may be older and have fewer fields */
    enum od_domain domain;
    const struct od_str *segments; /* paths, in order of arrival */
    size_t segment_count;
    bool newest;
    struct od_str folder;  /* exists */
    struct od_str scratch; /* path of a file for sorting: distinct.h */
    uint64_t part_bytes;   /* 0: OD_EXPORT_PART_BYTES */
    size_t run_rows;       /* 0: distinct.h's */
    /* As in od_import_spec. */
    enum od_status (*progress)(void *context, double fraction);
    void *progress_context;
};

struct od_export_result {
    uint64_t rows, bytes;
    unsigned files;
};

/* Memory: a chunk of a segment, 100 MB for sorting, 1 bit a row. */
enum od_status od_export_run(const struct od_export_spec *spec, const struct od_io *io,
                             struct od_export_result *out, struct od_error *err) OD_MUST_USE;

#endif
