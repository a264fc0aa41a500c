/* An import: CSV files to one segment, every row checked (runs in a worker process).
 *
 * All rows of all files are checked before anything is decided. When all are good the segment
 * appears whole (temporary file, sync, rename); otherwise no segment is left, the bad rows are
 * listed in the report file and err says what to tell the user (errors.md section 5). The segment's
 * bytes depend on the files and the schema alone, not on the number of threads. */
#ifndef OD_JOBS_IMPORT_H
#define OD_JOBS_IMPORT_H

#include "data/schema.h"
#include "os/io.h"

#define OD_IMPORT_BLOCK_BYTES (8u << 20) /* of a file, read and parsed by one thread at a time */

struct od_import_spec {
    struct od_str schema_text;
    enum od_domain domain;
    enum od_dataset_type type;
    const struct od_str *files; /* paths */
    size_t file_count;
    struct od_str segment_path;
    struct od_str report_path;
    uint64_t minimum_rows; /* fewer fail the import; 0 still asks for one */
    unsigned threads;      /* 0: all cores */
    size_t block_bytes;    /* 0: OD_IMPORT_BLOCK_BYTES. Decides where chunks end */
    /* May be NULL. Called now and then with rising fractions, never by two threads at once; another
     * status than OD_OK stops the import, which then returns it. */
    enum od_status (*progress)(void *context, double fraction);
    void *progress_context;
};

struct od_import_result {
    uint64_t rows;
    uint64_t bytes; /* of the segment file */
    double seconds;
};

/* Memory: about 20 MiB a thread for usual rows, 160 MiB a thread at worst (110 columns of empty
 * cells), and 24 bytes a chunk; no matter how large the files are. */
enum od_status od_import_run(const struct od_import_spec *spec, const struct od_io *io,
                             struct od_import_result *out, struct od_error *err) OD_MUST_USE;

#endif
