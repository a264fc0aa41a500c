/* The door: an HTTP exchange to an operation and back. HTTP threads. */
#ifndef OD_API_DOOR_H
#define OD_API_DOOR_H

#include "api/call.h"

/* The handler given to od_http_start; context is the app. */
bool od_door_handle(void *context, struct od_http_exchange *exchange);

/* The one for when a head is complete: objects take their bodies piece by piece. */
enum od_http_intake od_door_begin(void *context, struct od_http_exchange *exchange);

/* A call with what every exchange gives; NULL: out of memory, and the response says so. */
struct od_call *od_door_call(struct od_app *app, struct od_http_exchange *exchange);

/* Counters and gauges of /metrics (door_metrics.c). */
enum od_status od_door_metrics_init(struct od_app *app, struct od_error *err) OD_MUST_USE;
void od_door_count(struct od_app *app, const struct od_operation *op, int http_status, int64_t ns);

/* Writes the page /ondol/models/<arn>: see door_models.c. Store thread, as the next. */
void od_door_model(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn);
/* Writes the page /ondol/deletions/<arn>: see door_deletions.c. */
void od_door_deletion(struct od_app *app, struct od_http_exchange *exchange, struct od_str arn);
/* POST /ondol/explain: door_explain.c. False: answered later, by the explainer. */
bool od_door_is_explain(const struct od_http_request *request);
bool od_door_explain(struct od_app *app, struct od_http_exchange *exchange);
/* An ARN in a path may be percent-encoded. In arena; absent: no memory. */
struct od_str od_door_decode(struct od_arena *arena, struct od_str text);

/* What is not an API operation: /health, /ready, /metrics, CORS, pages below /ondol/. LATER: the
 * store thread answers. */
enum od_door_page { OD_PAGE_NONE, OD_PAGE_WRITTEN, OD_PAGE_LATER };
enum od_door_page od_door_pages(struct od_app *app, struct od_http_exchange *exchange);
/* Is it one of their paths? */
bool od_door_is_page(struct od_str path);

/* Verifies the request's signature; with --no-auth takes the region a signature would have named.
 */
enum od_status od_door_verify(struct od_app *app, struct od_http_exchange *exchange,
                              struct od_str *out_region, struct od_error *err) OD_MUST_USE;

#endif
