/* The parts of an import. Internal to import*.c.
 *
 * Blocks of all files are numbered through in order. Threads take them in that order and pass two
 * gates, each in the order of the blocks: the survey gate, where a block learns in which state and
 * at which line it begins, and the output gate, where its rows get their place in the segment. A
 * thread waits at a gate only for blocks taken earlier, which wait for none after them. */
#ifndef OD_JOBS_IMPORT_INNER_H
#define OD_JOBS_IMPORT_INNER_H

#include <pthread.h>

#include "base/limits.h"
#include "data/csv.h"
#include "data/segment.h"
#include "jobs/import.h"

#define OD_IMPORT_VALUE_BYTES 80 /* of a bad value that are shown */

/* A column of a file that the schema knows. */
struct od_import_column {
    size_t cell;
    size_t field;
};

struct od_import_file {
    const char *path;
    struct od_str name;     /* the path's last part */
    struct od_io_stat seen; /* before it was read */
    uint64_t size;
    uint64_t data_at; /* behind the header */
    uint64_t data_line;
    size_t first_block, block_count;
    size_t column_count;
    struct od_str *columns; /* as the header names them */
    struct od_import_column *used;
    size_t used_count;
    size_t *ignored; /* cells of columns that the schema lacks */
    size_t ignored_count;
};

enum od_import_bad_kind { OD_BAD_CELL, OD_BAD_LENGTH, OD_BAD_RECORD };

/* A bad row, as messages need it. */
struct od_import_bad {
    enum od_import_bad_kind kind;
    const struct od_import_file *file;
    uint64_t line;
    struct od_str column;                  /* "" when no column is to blame */
    char value[8 * OD_IMPORT_VALUE_BYTES]; /* shortened and escaped */
    char rule[512];
};

struct od_import_findings {
    uint64_t rows; /* good ones */
    uint64_t bad_rows;
    uint64_t listed; /* lines in list */
    struct od_import_bad first;
    struct od_buf list; /* report lines of the first OD_MAX_REPORTED_ROWS bad rows */
};

/* What one thread owns. */
struct od_import_worker {
    char *bytes; /* block_bytes + OD_MAX_CSV_RECORD_BYTES */
    struct od_csv *csv;
    size_t csv_columns;
    struct od_chunk_writer *writer;
    struct od_value *batch; /* rows not yet given to the writer: see od_chunk_writer_add_batch */
    uint32_t batch_rows;
    struct od_buf out;             /* encoded chunks of the present block */
    struct od_chunk_place *places; /* offsets count from the block's first byte of out */
    size_t place_count, place_cap;
    struct od_import_findings found;
};

struct od_import {
    const struct od_import_spec *spec;
    const struct od_io *io;
    struct od_arena arena;
    struct od_schema schema;
    struct od_import_file *files;
    size_t file_count, block_count;
    size_t block_bytes;
    uint64_t data_bytes; /* of all files, without headers */
    struct od_import_worker *workers;
    unsigned worker_count;
    int fd; /* of the temporary segment, -1 when not open */

    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t turn;  /* a gate moved on, or failed was set */
    bool failed;
    size_t failed_block;
    struct od_error err; /* of the lowest block that failed */
    size_t survey_next;  /* the block whose turn it is at the survey gate */
    enum od_csv_state state;
    uint64_t line;
    size_t output_next;
    uint64_t offset; /* where the next chunk goes */
    uint64_t bytes_done;
    double told; /* the fraction reported last */
    struct od_chunk_place *places;
    size_t place_count, place_cap;
    struct od_import_findings found;
};

/* --- import_files.c --- */
/* Sizes, headers and blocks of all files. */
enum od_status od_import_plan(struct od_import *im, struct od_error *err);
/* After the last block: OD_IO when another file has taken a planned one's place, of which some
 * blocks may have been read. */
enum od_status od_import_unchanged(const struct od_import *im, struct od_error *err);
const struct od_import_file *od_import_file_of(const struct od_import *im, size_t block);
/* "Failed to create a data import job for <TYPE> dataset. <text>" */
OD_PRINTF(4, 5)
enum od_status od_import_fail(const struct od_import *im, struct od_error *err, enum od_status code,
                              const char *fmt, ...);

/* --- import_block.c --- */
/* One block, start to end: the part function of od_parallel. */
enum od_status od_import_block(void *context, size_t block, unsigned thread);
void od_import_worker_done(struct od_import_worker *worker);

/* --- import_report.c --- */
/* Takes a bad row into findings. value is the raw text at fault. */
OD_PRINTF(7, 8)
void od_import_note(struct od_import_findings *found, enum od_import_bad_kind kind,
                    const struct od_import_file *file, uint64_t line, struct od_str column,
                    struct od_str value, const char *rule, ...);
/* Adds the findings of the next block in order and empties them. */
void od_import_merge(struct od_import_findings *to, struct od_import_findings *from);
void od_import_findings_init(struct od_import_findings *found);
/* Writes the report and fails with the message for the user. */
enum od_status od_import_refuse(const struct od_import *im, struct od_error *err);

#endif
