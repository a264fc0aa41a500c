/* AWS's query protocol: sts:GetCallerIdentity and the part of IAM that scripts need before they
 * create a dataset import job. A form in, XML out. */
#ifndef OD_API_QUERY_H
#define OD_API_QUERY_H

#include "api/app.h"
#include "s3/form.h"

/* Is the request signed for IAM or STS, or, unsigned, a form? */
bool od_query_claims(const struct od_http_request *request);
/* For the door's handler: true when the answer is ready, false when it comes later. */
bool od_query_handle(struct od_app *app, struct od_http_exchange *exchange);
/* Answers with an error of the house instead. */
void od_query_refuse(struct od_app *app, struct od_http_exchange *exchange,
                     const struct od_error *why);

/* A call of the query protocol; lives in the exchange's arena. */
struct od_query {
    struct od_task task; /* first */
    struct od_app *app;
    struct od_http_exchange *exchange;
    struct od_arena *arena;
    struct od_form form;
    struct od_str service, action;
    struct od_str key_id; /* of the signature; "none" with --no-auth */
    struct od_buf result; /* the XML inside of <ActionResult> */
    const char *code;     /* of the error; NULL: none yet */
    int http_status;
    struct od_error err;
};
/* Notes the error of the answer; returns a status that is not OD_OK. */
OD_PRINTF(4, 5)
enum od_status od_query_fail(struct od_query *query, int http_status, const char *code,
                             const char *fmt, ...);

/* IAM's operations run on the store thread (iam.c); NULL: unknown. */
enum od_status (*od_iam_find(struct od_str action))(struct od_query *query);

#endif
