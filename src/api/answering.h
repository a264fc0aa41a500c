/* Answering runtime requests: those that wait on an HTTP thread, at the end of its round. */
#ifndef OD_API_ANSWERING_H
#define OD_API_ANSWERING_H

#include "api/call.h"
#include "api/line.h"

/* A request that was checked and bound. In the call's arena; all on the HTTP thread that got it. */
struct od_ask_call {
    struct od_line_item item; /* first */
    struct od_call *call;
    enum od_status (*one)(struct od_serve *serve, const struct od_recommend_query *query,
                          struct od_arena *arena, struct od_recommend_answer *out,
                          struct od_error *err); /* NULL: od_serve_recommend_many */
    /* The answer into call->out. */
    enum od_status (*fill)(struct od_call *call, const struct od_recommend_answer *answer);
    struct od_recommend_query query;
    struct od_recommend_answer answer;
    enum od_status status;
};

/* Puts it in line: OD_OK, and the call must not be touched any more (OD_PLACE_LINE); or says why it
 * is not answered. */
enum od_status od_answering_wait(struct od_ask_call *ask) OD_MUST_USE;

/* For od_http_config; context is the app. */
bool od_answering_settle(void *app, unsigned thread, bool closing);

#endif
