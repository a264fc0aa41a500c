/* Files of histories: where they are, of what they are, and when memory moves to them.
 *
 * A dataset of events has at most one, DATA/histories/SEQ.hist (docs/formats/history.md), a copy of
 * what its segments and its log say up to a mark. The stamp says which dataset and which segments;
 * a deletion of users takes the file away before it is committed. */
#ifndef OD_API_FOLD_H
#define OD_API_FOLD_H

#include "api/load.h"

#define OD_FOLD_PARTIAL 0u /* the stamp of a file that is of no whole state of the data */

uint64_t od_fold_stamp(const struct od_dataset_info *info, const struct od_bulk *bulk,
                       size_t bulk_count);
/* Begins loading->reload from the file: *out_from is the log's seq that is in it. OD_NOT_FOUND
 * where there is none that fits, or it is damaged, which is told on standard error. Loader thread.
 */
enum od_status od_fold_read(struct od_app *app, struct od_loading *loading, int64_t *out_from,
                            struct od_error *err) OD_MUST_USE;
enum od_status od_fold_write(struct od_app *app, const struct od_dataset_info *info,
                             struct od_reload *reload, uint64_t stamp, int64_t event_mark,
                             struct od_error *err) OD_MUST_USE;
/* No file of the dataset is left, whatever was there. Store thread, before a commit that takes
 * events away. */
enum od_status od_fold_remove(struct od_app *app, int64_t seq, struct od_error *err) OD_MUST_USE;
/* Takes away the files of datasets that are not there, and what a crash left unfinished. */
void od_fold_collect(struct od_call *call);

/* Once in a while: has the loader fold, when histories are over --history-memory. Store thread. */
void od_fold_tick(struct od_app *app);

#endif
