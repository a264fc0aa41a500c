/* POST /ondol/explain: why an answer is what it is (an extension beside the API).
 *
 * The request is GetRecommendations' with a few members more, the answer is told in
 * docs/explain.md. A thread of its own works on one explanation at a time, so that none delays an
 * answer. */
#ifndef OD_API_EXPLAIN_H
#define OD_API_EXPLAIN_H

#include "api/call.h"
#include "serve/explain.h"

/* Appends the answer to a request, or fails with call->err. Asks the store thread, so not from it.
 */
enum od_status od_explain(struct od_call *call, const struct od_json *body,
                          struct od_buf *out) OD_MUST_USE;

/* What is known of the model that was asked, for the answer: explain_model.c. */
struct od_explain_model {
    struct od_str version; /* ARN, a recommender's for recommenders; absent: replaced just now */
    int64_t trained_ms;
    struct od_str card; /* the card's JSON; absent: none */
};
enum od_status od_explain_model(struct od_call *call, struct od_str served, struct od_str image,
                                struct od_explain_model *out) OD_MUST_USE;
/* The answer: explain_write.c. */
struct od_explain_told {
    struct od_str arn_member, arn;
    const struct od_recommend_query *query;
    const struct od_explanation *explanation;
    const struct od_explain_model *model;
};
enum od_status od_explain_write(struct od_call *call, const struct od_explain_told *told,
                                struct od_buf *out) OD_MUST_USE;

/* op_runtime.c: a bound GetRecommendations request as a query. */
enum od_status od_runtime_query(struct od_call *call,
                                const struct od_runtime_get_recommendations_request *in,
                                struct od_recommend_query *out) OD_MUST_USE;

#endif
