/* The control socket: how `ondol keys`, `ondol jobs` and `ondol filter` speak to a running server,
 * which alone may open its database.
 *
 * A Unix socket in the data folder (mode 0600, so the folder's owner only). One JSON object a
 * connection each way, ended by a newline:
 *   {"do":"create-key","note":"..."}     {"id":"...","secret":"..."}
 *   {"do":"list-keys"}                   {"keys":[{"id":..,"note":..,"created":ms,"revoked":ms}]}
 *   {"do":"revoke-key","id":"..."}       {}
 *   {"do":"list-jobs"}                   {"jobs":[as /ondol/jobs]}; only of a running server
 *   {"do":"try-filter","filter":ARN,"user":..,"item":..,"values":{"P":".."}}, or "group" and
 *     "expression" in place of "filter"  docs/filters.md; only of a running server
 * or {"error":"..."}. */
#ifndef OD_API_CONTROL_H
#define OD_API_CONTROL_H

#include "api/app.h"

struct od_control;
enum od_status od_control_start(struct od_app *app, struct od_control **out,
                                struct od_error *err) OD_MUST_USE;
void od_control_stop(struct od_control *control);

/* What a request does, on whichever side holds the store. reply is appended to. */
enum od_status od_control_do(struct od_store *store, const struct od_io *io,
                             const struct od_json *request, struct od_buf *reply,
                             struct od_error *err) OD_MUST_USE;

/* The other side: sends request to the server of a data folder. OD_UNAVAILABLE when none listens.
 */
enum od_status od_control_ask(const char *data_folder, struct od_str request, struct od_buf *reply,
                              struct od_error *err) OD_MUST_USE;
/* The same, with the reply read; one that says "error" is that error (OD_INVALID_INPUT). reply and
 * arena hold what out points to. */
enum od_status od_control_read(const char *data_folder, struct od_str request,
                               struct od_arena *arena, struct od_buf *reply, struct od_json *out,
                               struct od_error *err) OD_MUST_USE;

#endif
