/* The store: everything that must not be lost, in SQL behind one small driver interface (sql.h).
 *
 * One thread owns a struct od_store and makes every call on it (docs/locks.md: the store thread);
 * it holds the one connection that writes and checkpoints. Other threads that only read the event
 * log open a struct od_store_reader. Strings going in are borrowed for the call; strings coming out
 * live in the arena given. */
#ifndef OD_STORE_STORE_H
#define OD_STORE_STORE_H

#include "base/arena.h"
#include "os/io.h"

struct od_store;

/* Opens or creates <folder>/ondol.db (SQLite, WAL, synchronous=FULL) and brings its tables to this
 * version. Takes an exclusive lock on <folder>/lock first: OD_IN_USE names the folder and the pid
 * that holds it. */
enum od_status od_store_open(const struct od_io *io, const char *folder, struct od_store **out,
                             struct od_error *err) OD_MUST_USE;
void od_store_close(struct od_store *store); /* checkpoints, releases the lock */

/* Transactions: every change happens inside one (OD_INTERNAL outside). Durable when commit has
 * returned OD_OK; after a failed commit everything in it is undone and the store stays usable.
 * OD_EXISTS, OD_NOT_FOUND and OD_INVALID_INPUT of a change leave the transaction as it was; after
 * any other failure it cannot be committed any more. */
enum od_status od_store_begin(struct od_store *store, struct od_error *err) OD_MUST_USE;
enum od_status od_store_commit(struct od_store *store, struct od_error *err) OD_MUST_USE;
void od_store_rollback(struct od_store *store);

/* Whether the last attempt to change something failed for the disk (OD_IO), and how many such there
 * were since the store was opened; and what it holds. Any thread. */
struct od_store_health {
    bool failing;
    uint64_t failures;
    uint64_t memory_bytes; /* pages of the database kept, of all connections of the process */
};
struct od_store_health od_store_health(const struct od_store *store);
/* What the last failure for the disk said. */
const char *od_store_disk_error(const struct od_store *store);
/* Commits something small of its own, to see whether the disk takes it again. */
enum od_status od_store_probe(struct od_store *store, int64_t now_ms,
                              struct od_error *err) OD_MUST_USE;

/* ---- the catalogue: resources ---- */

/* One resource. The columns are the truth for what they hold; body is a JSON object with the other
 * members of the resource's API shape. Absent strings are stored as "". */
struct od_resource {
    struct od_str arn;
    struct od_str kind; /* "campaign", "dataset-group", ... : the ARN path's first word;
                           a solution version's is "solution-version" */
    struct od_str name;
    struct od_str
        parent; /* ARN of what it is listed under: solution of a version, dataset of a job */
    struct od_str group;  /* ARN of its dataset group, "" for schemas and groups */
    struct od_str status; /* "ACTIVE", "CREATE PENDING", ... */
    struct od_str failure_reason;
    int64_t created_ms, updated_ms;
    struct od_str body;
    struct od_str extra; /* JSON of our own that never reaches a client: image paths, metrics */
    int64_t seq;         /* order of creation, never used again; set by get and list */
};

enum od_status od_catalog_insert(struct od_store *store, const struct od_resource *resource,
                                 struct od_error *err) OD_MUST_USE; /* OD_EXISTS */
/* OD_NOT_FOUND: "Resource Arn <arn> does not exist." */
enum od_status od_catalog_get(struct od_store *store, struct od_str arn, struct od_arena *arena,
                              struct od_resource *out, struct od_error *err) OD_MUST_USE;
/* All but arn, kind, seq, created_ms. OD_NOT_FOUND. */
enum od_status od_catalog_update(struct od_store *store, const struct od_resource *resource,
                                 struct od_error *err) OD_MUST_USE;
/* Its tags too. OD_NOT_FOUND. */
enum od_status od_catalog_delete(struct od_store *store, struct od_str arn,
                                 struct od_error *err) OD_MUST_USE;

struct od_catalog_query {
    struct od_str kind;   /* "" or absent: any */
    struct od_str parent; /* "" or absent: any */
    struct od_str group;  /* "" or absent: any */
    struct od_str status; /* "" or absent: any */
    int64_t after_seq;    /* only resources with a greater seq (paging); 0: from the start */
    size_t limit;         /* 0: all */
    bool newest_first;    /* descending by seq, after_seq gives those with a smaller one */
};
/* Ascending by seq, or as asked. */
enum od_status od_catalog_list(struct od_store *store, const struct od_catalog_query *query,
                               struct od_arena *arena, struct od_resource **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;
enum od_status od_catalog_count(struct od_store *store, const struct od_catalog_query *query,
                                size_t *out, struct od_error *err) OD_MUST_USE;

/* ---- tags: of a resource in the catalogue, OD_NOT_FOUND otherwise; listed by key ---- */
struct od_tag {
    struct od_str key, value;
};
enum od_status od_tags_put(struct od_store *store, struct od_str arn, const struct od_tag *tags,
                           size_t count, struct od_error *err) OD_MUST_USE;
enum od_status od_tags_remove(struct od_store *store, struct od_str arn, const struct od_str *keys,
                              size_t count, struct od_error *err) OD_MUST_USE;
enum od_status od_tags_list(struct od_store *store, struct od_str arn, struct od_arena *arena,
                            struct od_tag **out, size_t *out_count,
                            struct od_error *err) OD_MUST_USE;

/* ---- jobs: work that survives a restart; an unknown id is OD_NOT_FOUND ---- */
struct od_job {
    int64_t id;         /* never used again; insert gives it, whatever is set here */
    struct od_str kind; /* "import", "train", ... */
    struct od_str arn;  /* the resource it works for */
    struct od_str spec; /* JSON */
    bool running;       /* false: waiting */
    int attempts;       /* times it was started */
    int64_t created_ms;
};
enum od_status od_jobs_insert(struct od_store *store, const struct od_job *job, int64_t *out_id,
                              struct od_error *err) OD_MUST_USE;
enum od_status od_jobs_begin(struct od_store *store, int64_t id,
                             struct od_error *err) OD_MUST_USE; /* runs from now on; an attempt */
enum od_status od_jobs_put_back(struct od_store *store,
                                struct od_error *err) OD_MUST_USE; /* none runs: as before begin */
enum od_status od_jobs_set_spec(struct od_store *store, int64_t id, struct od_str spec,
                                struct od_error *err) OD_MUST_USE;
enum od_status od_jobs_delete(struct od_store *store, int64_t id, struct od_error *err) OD_MUST_USE;
enum od_status od_jobs_list(struct od_store *store, struct od_arena *arena, struct od_job **out,
                            size_t *out_count, struct od_error *err) OD_MUST_USE; /* by id */

/* ---- access keys ---- */
struct od_key {
    struct od_str id;     /* "OD" and 18 upper-case letters and digits: 20 characters like AWS's */
    struct od_str secret; /* 40 characters; shown once, stored because SigV4 needs it */
    struct od_str note;
    int64_t created_ms;
    int64_t revoked_ms; /* 0: valid */
};
enum od_status od_keys_create(struct od_store *store, struct od_str note, int64_t now_ms,
                              struct od_arena *arena, struct od_key *out,
                              struct od_error *err) OD_MUST_USE;
enum od_status od_keys_list(struct od_store *store, struct od_arena *arena, struct od_key **out,
                            size_t *out_count, struct od_error *err) OD_MUST_USE;
/* OD_NOT_FOUND. A key revoked before keeps its time. */
enum od_status od_keys_revoke(struct od_store *store, struct od_str id, int64_t now_ms,
                              struct od_error *err) OD_MUST_USE;

/* ---- settings: small named texts (account id, counters) ---- */
enum od_status od_settings_get(struct od_store *store, struct od_str name, struct od_arena *arena,
                               struct od_str *out,
                               struct od_error *err) OD_MUST_USE; /* absent: OD_STR_NONE */
enum od_status od_settings_set(struct od_store *store, struct od_str name, struct od_str value,
                               struct od_error *err) OD_MUST_USE;
/* Absent is success. */
enum od_status od_settings_delete(struct od_store *store, struct od_str name,
                                  struct od_error *err) OD_MUST_USE;
/* Values of the names that start with prefix and are greater than after, by name. limit 0: all. */
enum od_status od_settings_list(struct od_store *store, struct od_str prefix, struct od_str after,
                                size_t limit, struct od_arena *arena, struct od_str **out,
                                size_t *out_count, struct od_error *err) OD_MUST_USE;

/* ---- what metric attributions counted (docs/attribution.md) ----
 * A cell is what one metric counted of one source in one period. Cells are open until a report is
 * made of them; the report is an order to write a file, and goes with its cells when it is written.
 * Totals are never reported away. attribution: the seq of the resource. */
struct od_attribution_cell {
    int64_t period_s; /* where the period begins */
    struct od_str metric, source;
    struct od_str event_type, math_function;
    double value; /* finite when added; a sum may be infinite when read */
};
struct od_attribution_report {
    int64_t id;
    int64_t attribution;
    struct od_str location; /* a folder, as the client wrote it */
    int64_t stamp_s;        /* in the file's name; no two reports of a store share one */
};
/* Adds to the total of the cell's metric and source and, when open, to the open cell itself. */
enum od_status od_attribution_add(struct od_store *store, int64_t attribution,
                                  const struct od_attribution_cell *cell, bool open,
                                  struct od_error *err) OD_MUST_USE;
/* Totals by metric and source: period, event type and function stay empty. */
enum od_status od_attribution_totals(struct od_store *store, int64_t attribution,
                                     struct od_arena *arena, struct od_attribution_cell **out,
                                     size_t *out_count, struct od_error *err) OD_MUST_USE;
enum od_status od_attribution_drop_totals(struct od_store *store, int64_t attribution,
                                          struct od_str metric, /* absent: of all metrics */
                                          struct od_error *err) OD_MUST_USE;
/* A stamp later than all before: now, or a second more than the last. */
enum od_status od_attribution_stamp(struct od_store *store, int64_t now_s, int64_t *out_stamp_s,
                                    struct od_error *err) OD_MUST_USE;
/* Makes a report of the open cells; nothing when there are none. */
enum od_status od_attribution_seal(struct od_store *store, int64_t attribution,
                                   struct od_str location, int64_t now_s,
                                   struct od_error *err) OD_MUST_USE;
/* Forgets a report and its cells. An unknown id changes nothing. */
enum od_status od_attribution_written(struct od_store *store, const struct od_attribution_report *r,
                                      struct od_error *err) OD_MUST_USE;

/* ---- bulk data: the segments of each dataset ---- */
struct od_bulk {
    int64_t id;            /* order of adding; add gives it */
    struct od_str dataset; /* ARN */
    struct od_str path;    /* relative to the data folder */
    uint64_t rows;
    int64_t arrived_ms; /* when it became visible: puts and segments are ordered by it */
    struct od_str job;  /* import job ARN */
};
enum od_status
od_bulk_add(struct od_store *store, const struct od_bulk *bulk, bool replace_all,
            struct od_error *err) OD_MUST_USE; /* replace_all: FULL, drops the older rows */
/* By id. dataset absent: of all datasets. */
enum od_status od_bulk_list(struct od_store *store, struct od_str dataset, struct od_arena *arena,
                            struct od_bulk **out, size_t *out_count,
                            struct od_error *err) OD_MUST_USE;
/* Another file for a segment that stays what and where it is in order; without rows it is no
 * segment any more. OD_NOT_FOUND. */
enum od_status od_bulk_replace(struct od_store *store, int64_t id, struct od_str path,
                               uint64_t rows, struct od_error *err) OD_MUST_USE;
enum od_status od_bulk_delete(struct od_store *store, struct od_str dataset,
                              struct od_error *err) OD_MUST_USE;

/* ---- the event log and put records ---- */

/* One interaction that came through PutEvents. */
struct od_event {
    int64_t seq;        /* order of arrival, set on reading */
    struct od_str user; /* absent: anonymous */
    struct od_str session;
    struct od_str item;
    struct od_str type;
    struct od_str event_id; /* absent: identity is the whole content */
    int64_t time_s;
    int64_t arrived_ms;
    bool has_value;
    double value;       /* finite */
    struct od_str body; /* JSON object: further schema fields by field name, impression,
                           recommendationId, attribution source; "" when none */
};
/* Appends inside the current transaction. An event whose id (or whole content but arrived_ms, when
 * it has none) is already in the dataset's log is ignored: out_new[i] tells. A session seen with a
 * user in an event that is not ignored is linked to that user, instead of an earlier one. */
enum od_status od_events_append(struct od_store *store, struct od_str dataset,
                                const struct od_event *events, size_t count, bool *out_new,
                                struct od_error *err) OD_MUST_USE;
/* A whole record of an item or user, replacing any earlier put of the same id. A replaced record
 * gets a new seq. */
struct od_record {
    int64_t seq;
    struct od_str id;
    struct od_str body; /* JSON object by field name */
    int64_t arrived_ms;
};
enum od_status od_records_put(struct od_store *store, struct od_str dataset,
                              const struct od_record *records, size_t count,
                              struct od_error *err) OD_MUST_USE;
/* Everything Put* into the dataset is removed: events, session links, records. */
enum od_status od_events_delete(struct od_store *store, struct od_str dataset,
                                struct od_error *err) OD_MUST_USE;

/* ---- deleting users: inside one transaction begin, add each user, delete from each dataset, end
 * ---- A user's events are those with the user and the anonymous ones of sessions joined to the
 * user; the links of these sessions go too. of_users: the dataset is one of users, whose records
 * go. */
struct od_deleted {
    int64_t events, links, records; /* rows that are gone */
};
enum od_status od_doomed_begin(struct od_store *store, struct od_error *err) OD_MUST_USE;
enum od_status od_doomed_add(struct od_store *store, struct od_str user,
                             struct od_error *err) OD_MUST_USE;
enum od_status od_doomed_delete(struct od_store *store, struct od_str dataset, bool of_users,
                                struct od_deleted *out, struct od_error *err) OD_MUST_USE;
enum od_status od_doomed_end(struct od_store *store, struct od_error *err) OD_MUST_USE;
/* After the commit, outside of transactions: writes the database's files again, so that they hold
 * nothing that was deleted, and are no larger than what is left. Takes time and free space in
 * proportion to the database, in its folder and in the one for temporary files. OD_UNAVAILABLE
 * while a reader reads: then the log still holds old pages; try again. */
enum od_status od_store_scrub(struct od_store *store, struct od_error *err) OD_MUST_USE;
/* The same when more than half of the file is free, so that the work is less than what it frees;
 * what is free otherwise is used again before the file grows. */
enum od_status od_store_trim(struct od_store *store, struct od_error *err) OD_MUST_USE;

/* ---- reading the log from another thread: own read-only connection ---- */
struct od_store_reader;
enum od_status od_store_reader_open(const struct od_io *io, const char *folder,
                                    struct od_store_reader **out, struct od_error *err) OD_MUST_USE;
void od_store_reader_close(struct od_store_reader *reader);
/* Between the two, every read sees the database as it was at the first of them. Records need that,
 * which are replaced where they stand: by pages, one that is put meanwhile is in none. It keeps the
 * write-ahead log from being reset, so not for long. */
enum od_status od_store_reader_hold(struct od_store_reader *reader,
                                    struct od_error *err) OD_MUST_USE;
void od_store_reader_release(struct od_store_reader *reader);
/* Events with seq in (after_seq, up_to_seq] in order (up_to_seq 0: to the end, as it is now). user
 * is the user, or the user linked to the session, or absent when it was never linked. Views die
 * when the callback returns; it stops the read by a status other than OD_OK, which is then
 * returned, with what it wrote into the same err, if anything. The callback makes no call on the
 * same reader, nor on the store it belongs to. */
enum od_status od_events_read(struct od_store_reader *reader, struct od_str dataset,
                              int64_t after_seq, int64_t up_to_seq,
                              enum od_status (*each)(void *context, const struct od_event *event),
                              void *context, struct od_error *err) OD_MUST_USE;
/* The same for whoever replays what happened: user and session as the event said them, so that
 * sessions are joined in the order in which they were; of the body nothing unless it tells what was
 * shown, by a list or by the id of an answer. No ids. */
enum od_status od_events_replay(struct od_store_reader *reader, struct od_str dataset,
                                int64_t after_seq, int64_t up_to_seq,
                                enum od_status (*each)(void *context, const struct od_event *event),
                                void *context, struct od_error *err) OD_MUST_USE;
/* Records likewise, as they were at one moment. */
enum od_status od_records_read(struct od_store_reader *reader, struct od_str dataset,
                               int64_t after_seq, int64_t up_to_seq,
                               enum od_status (*each)(void *context,
                                                      const struct od_record *record),
                               void *context, struct od_error *err) OD_MUST_USE;
/* Reports that wait to be written, oldest first, and the cells of one by period, metric, source.
 * A report's cells never change, so they are read a period at a time. each: as in od_events_read.
 */
enum od_status od_attribution_reports(struct od_store_reader *reader, struct od_arena *arena,
                                      struct od_attribution_report **out, size_t *out_count,
                                      struct od_error *err) OD_MUST_USE;
enum od_status
od_attribution_cells(struct od_store_reader *reader, const struct od_attribution_report *report,
                     enum od_status (*each)(void *context, const struct od_attribution_cell *cell),
                     void *context, struct od_error *err) OD_MUST_USE;
/* Greatest seq of events and of records in the dataset (0 when empty). */
enum od_status od_events_last_seq(struct od_store_reader *reader, struct od_str dataset,
                                  int64_t *out_event_seq, int64_t *out_record_seq,
                                  struct od_error *err) OD_MUST_USE;
/* The store owner may use its own connection for the same reads. Valid until od_store_close. */
struct od_store_reader *od_store_as_reader(struct od_store *store);

#endif
