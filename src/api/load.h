/* Loading: live data from the store, at start and after an import, and the sources of a training.
 * Loader thread (at start: the main thread), except where said. */
#ifndef OD_API_LOAD_H
#define OD_API_LOAD_H

#include "api/attach.h"
#include "jobs/sources.h"

/* A dataset's live data under construction. Strings belong to the arena of the call that began it.
 */
struct od_loading {
    struct od_dataset_info info;
    struct od_reload *reload;
    int64_t event_mark, record_mark; /* what of the log is in it */
    uint64_t stamp;                  /* of the bulk data in it */
    uint64_t read;                   /* events that were in no file of histories */
    bool folded;                     /* events: all of it is in their file */
    bool spilt;                      /* a part is, so that it is to be written again */
    bool in_memory;                  /* no (more) file is to be tried */
    int64_t begun_ms;
};

/* Builds the replacement from bulk (in order of arrival) and the log. bulk NULL with count 0: none.
 */
enum od_status od_load_begin(struct od_app *app, const struct od_dataset_info *info,
                             const struct od_bulk *bulk, size_t bulk_count, struct od_arena *arena,
                             struct od_loading *out, struct od_error *err) OD_MUST_USE;
/* Events: moves what was built to the dataset's file of histories (fold.h), so that it needs no
 * memory and the next start need not read the log. Done by begin where it is worth it. */
enum od_status od_load_fold(struct od_app *app, struct od_loading *loading,
                            struct od_error *err) OD_MUST_USE;
/* Adds what arrived meanwhile and swaps it in. Store thread. */
enum od_status od_load_end(struct od_app *app, struct od_loading *loading,
                           struct od_error *err) OD_MUST_USE;
void od_load_abort(struct od_loading *loading);

/* Everything the catalogue knows, at start, before any thread runs. A resource that cannot be made
 * live (a damaged image) is marked CREATE FAILED with the reason rather than stopping the start,
 * and ACTIVE at the next one at which it can. */
enum od_status od_load_all(struct od_call *call) OD_MUST_USE;

#endif
