/* Files in the data folder that nothing refers to any more. Store thread. */
#ifndef OD_API_FILES_H
#define OD_API_FILES_H

#include "api/call.h"

/* Removes segments no dataset has, images no solution version has, and work folders of jobs that
 * are gone. Does nothing while any job exists (a worker may be about to open what it was given).
 * What cannot be removed now is tried again at the next call. */
void od_files_collect(struct od_call *call);

#endif
