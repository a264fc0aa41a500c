/* Where the rows of a dataset come from, in order of arrival: segments of bulk imports and, between
 * them, the Put* records that arrived meanwhile (for items and users the newest arrival of an id
 * wins, data.md section 7). Interactions have no such contest: their segments come first, events
 * last. */
#ifndef OD_JOBS_SOURCES_H
#define OD_JOBS_SOURCES_H

#include "data/schema.h"
#include "data/value.h"
#include "store/store.h"

struct od_source {
    struct od_str segment;     /* path relative to the data folder; absent: put records */
    int64_t after_ms, upto_ms; /* put records with arrived_ms in (after_ms, upto_ms] */
};

/* The plan for an items or users dataset: bulk in order of arrival, non-empty spans of records
 * between. Lives in arena. */
enum od_status od_sources_plan(struct od_store_reader *reader, struct od_str dataset,
                               const struct od_bulk *bulk, size_t bulk_count,
                               int64_t record_upto_seq, struct od_arena *arena,
                               struct od_source **out, size_t *out_count,
                               struct od_error *err) OD_MUST_USE;

/* Calls each for the records of one span, as values in schema order (borrowed for the call). A
 * record whose stored body no longer fits the schema is OD_CORRUPT naming id and field. */
enum od_status od_sources_records(struct od_store_reader *reader, struct od_str dataset,
                                  const struct od_source *span, int64_t after_seq, int64_t upto_seq,
                                  const struct od_schema *schema,
                                  enum od_status (*each)(void *context,
                                                         const struct od_value *values),
                                  void *context, struct od_error *err) OD_MUST_USE;

/* One event as values in schema order; text borrowed from the event or in arena. A stored body that
 * no longer fits the schema is OD_CORRUPT naming item and field. */
enum od_status od_event_values(const struct od_event *event, const struct od_schema *schema,
                               struct od_arena *arena, struct od_value *values,
                               struct od_error *err) OD_MUST_USE;

/* Writes what came by Put* as segments, so that a worker reads segments only.
 * Events up to upto_seq, anonymous ones left out; *out_rows 0 means that no file was written. */
enum od_status od_fold_events(const struct od_io *io, struct od_store_reader *reader,
                              struct od_str dataset, int64_t upto_seq,
                              const struct od_schema *schema, struct od_str path,
                              uint64_t *out_rows, struct od_error *err) OD_MUST_USE;
/* The same for a process that serves (batch/group.c): USER_ID, ITEM_ID, TIMESTAMP, EVENT_TYPE and
 * SESSION_ID alone, anonymous events too, whose user is the session. */
enum od_status od_fold_activity(const struct od_io *io, struct od_store_reader *reader,
                                struct od_str dataset, int64_t upto_seq, struct od_str path,
                                uint64_t *out_rows, struct od_error *err) OD_MUST_USE;
enum od_status od_fold_records(const struct od_io *io, struct od_store_reader *reader,
                               struct od_str dataset, const struct od_source *span,
                               int64_t upto_seq, const struct od_schema *schema, struct od_str path,
                               uint64_t *out_rows, struct od_error *err) OD_MUST_USE;

#endif
