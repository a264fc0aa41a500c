/* What deletion_land.c and deletion_commit.c share. */
#ifndef OD_API_DELETION_INNER_H
#define OD_API_DELETION_INNER_H

#include "api/deletion.h"
#include "jobs/deletion.h"

struct od_deletion_step {
    const struct od_deletion_facts *facts;
    const struct od_json *result; /* of the worker */
    struct od_str ids;            /* the worker's list: od_deletion_next_id */
};
/* Takes the users out, in one commit. Store thread; context is the step. */
enum od_status od_deletion_commit(struct od_app *app, void *step, struct od_error *err) OD_MUST_USE;

#endif
