/* Deleting users: the part of it that a worker process does (data.md section 11).
 *
 * It reads the ids, and writes beside every segment and model image that holds one of them another
 * without. Nothing that the server uses changes: the server puts the new files in place of the old
 * ones in one commit (api/deletion.c). The one exception are reports of imports, whose quoted
 * values are taken out in place: that is right whatever becomes of the job. */
#ifndef OD_JOBS_DELETION_H
#define OD_JOBS_DELETION_H

#include "base/dict.h"
#include "base/json.h"
#include "os/io.h"

#define OD_DELETION_BYTES (100ull << 20) /* (AWS) of all files of a job */

/* The users of CSV files with a column USER_ID, each once. Memory: a file, and the ids.
 * OD_INVALID_INPUT says what to tell the user, without quoting an id. */
enum od_status od_deletion_read_ids(const struct od_io *io, const struct od_str *files,
                                    size_t file_count, struct od_dict *out,
                                    struct od_error *err) OD_MUST_USE;
/* The ids as a file of ours, for the server: for each 4 bytes of length and the text. */
enum od_status od_deletion_write_ids(const struct od_io *io, struct od_str path,
                                     const struct od_dict *ids, struct od_error *err) OD_MUST_USE;
/* Takes the next id off the bytes of such a file. False at its end. */
bool od_deletion_next_id(struct od_str *rest, struct od_str *out);

/* A segment without the users' rows at `to`; *out_found false: it holds none of them, and nothing
 * was written. No file either when no row is left. */
struct od_deletion_rows {
    bool found;
    uint64_t removed, left;
};
enum od_status od_deletion_segment(const struct od_io *io, struct od_str from, struct od_str to,
                                   const struct od_dict *ids, struct od_deletion_rows *out,
                                   struct od_error *err) OD_MUST_USE;
/* The same for a model image: *out_removed users, 0: nothing was written. */
enum od_status od_deletion_image(const struct od_io *io, struct od_str from, struct od_str to,
                                 const struct od_dict *ids, uint32_t *out_removed,
                                 struct od_error *err) OD_MUST_USE;
/* A report of bad rows (import_report.c) without the values it quotes. Absent: *out_changed false.
 */
enum od_status od_deletion_report(const struct od_io *io, struct od_str path, bool *out_changed,
                                  struct od_error *err) OD_MUST_USE;

/* All of it, by a spec and to a result of jobs.h. */
enum od_status od_deletion_run(const struct od_io *io, const struct od_json *spec,
                               struct od_buf *result,
                               enum od_status (*progress)(void *context, double fraction),
                               void *context, struct od_error *err) OD_MUST_USE;

#endif
