/* Files in the data folder that nothing refers to any more. Store thread. */
#ifndef OD_API_FILES_H
#define OD_API_FILES_H

#include "api/call.h"
#include "base/dict.h"

/* Adds every segment, image and card that the store refers to, as paths relative to the data
 * folder.
 */
enum od_status od_files_used(struct od_call *call, struct od_dict *used) OD_MUST_USE;

/* Removes segments no dataset has, images no solution version has, work folders and reports
 * of jobs that are gone. Does nothing while any job exists (a worker may be about to open what it
 * was given). What cannot be removed now is tried again at the next call. */
void od_files_collect(struct od_call *call);
/* Gives the database's free space back when it is most of the file, in a moment (on the loader
 * thread, which alone reads beside the store thread). */
void od_files_trim(struct od_app *app);

#endif
