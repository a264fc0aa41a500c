/* What deletion_land.c and deletion_commit.c share. */
#ifndef OD_API_DELETION_INNER_H
#define OD_API_DELETION_INNER_H

#include "api/deletion.h"
#include "jobs/deletion.h"

struct od_deletion_step {
    struct od_deletion_facts *facts; /* read again by the commit: resources may have changed */
    const struct od_json *result;    /* of the worker */
    struct od_str ids;               /* the worker's list: od_deletion_next_id */
};
/* Takes the users out, in one commit. Store thread; context is the step. */
enum od_status od_deletion_commit(struct od_app *app, void *step, struct od_error *err) OD_MUST_USE;
/* Lets campaigns with a model that was rewritten serve the new file. Store thread; context is the
 * facts, read after the commit. */
enum od_status od_deletion_reopen(struct od_app *app, void *facts,
                                  struct od_error *err) OD_MUST_USE;

#endif
