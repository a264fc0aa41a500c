/* Data deletion jobs: users out of a dataset group (data.md section 11).
 *
 * 1. prepare lists what may hold the users; the worker (jobs/deletion.h) reads their ids and writes
 *    new segments and images without them, beside the old ones.
 * 2. One commit puts the new files in place of the old ones, deletes the users' events, session
 *    links and records, takes quoted values out of failure reasons, and notes in the job row that
 *    this is done, with the receipt. What came by Put* before it is gone, what comes after it is a
 *    fresh history.
 * 3. Live data are loaded again; then old files, work folders and what the database file still
 *    holds of deleted rows are removed, the receipt is written, and the job is COMPLETED.
 * A crash before the commit repeats the job from its beginning, one after it only step 3. No other
 * job of the group runs meanwhile (runner.h), so none can bring a user back. */
#ifndef OD_API_DELETION_H
#define OD_API_DELETION_H

#include "api/job_kind.h"
#include "api/prepare.h"

/* The rows of job_kind.c. */
enum od_status od_prepare_deletion(struct od_app *app, int64_t job_id, struct od_str arn,
                                   struct od_buf *spec, struct od_error *err) OD_MUST_USE;
void od_deletion_land(struct od_app *app, struct od_task *task);
enum od_status od_deletion_outcome(struct od_call *call, const struct ending *end,
                                   struct od_resource *resource) OD_MUST_USE;

#define OD_DELETION_TYPES 3 /* INTERACTIONS, USERS, ACTION_INTERACTIONS */

/* What the catalogue knows; everything lives in arena. */
struct od_deletion_facts {
    struct od_arena *arena; /* given, as are arn and job_id */
    struct od_str arn;
    int64_t job_id;
    struct od_resource job;
    struct od_personalize_data_deletion_job value;
    struct od_json spec; /* of the job row: {} before the commit of step 2 */
    struct dataset_sources datasets[OD_DELETION_TYPES]; /* those there are that have users */
    size_t dataset_count;
    struct od_resource *all; /* every resource of the group */
    size_t all_count;
    int64_t *jobs; /* ids of all job rows but this one */
    size_t job_count;
    struct od_dict *used; /* files that the store refers to; freed by _done */
};
/* For od_app_on_store; context is the facts. */
enum od_status od_deletion_facts_read(struct od_app *app, void *facts,
                                      struct od_error *err) OD_MUST_USE;
/* The same for facts that were read before: as it is now. */
enum od_status od_deletion_facts_again(struct od_app *app, void *facts,
                                       struct od_error *err) OD_MUST_USE;
void od_deletion_facts_done(struct od_deletion_facts *facts);
/* Does a file's name ("12.seg.tmp", "12") say that it belongs to a job there is? */
bool od_deletion_of_live_job(const struct od_deletion_facts *facts, struct od_str name);

/* Where the worker puts a new file: below the data folder. In arena. */
struct od_str od_deletion_segment_name(const struct od_deletion_facts *facts, int64_t bulk_id);
struct od_str od_deletion_ids_path(const struct od_app *app, const struct od_deletion_facts *facts);

/* Text without what it quotes of a user's rows; text itself when it quotes nothing. In arena;
 * absent: no memory. */
struct od_str od_deletion_redact(struct od_arena *arena, struct od_str text);
/* Text with one file's name, quoted, in place of another's. In arena; absent: no memory. */
struct od_str od_deletion_rename(struct od_arena *arena, struct od_str text, struct od_str from,
                                 struct od_str to);

#endif
