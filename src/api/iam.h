/* Roles and policies as they are stored: JSON in the settings "iam/role/<name>" and
 * "iam/policy/<name>" (iam_store.c). Store thread. */
#ifndef OD_API_IAM_H
#define OD_API_IAM_H

#include "api/query.h"

struct od_iam_pair {
    struct od_str name, value;
};
#define OD_IAM_MAX_PAIRS 50 /* inline policies, tags, attached policies of one role */

struct od_iam_list {
    struct od_iam_pair *items; /* room for OD_IAM_MAX_PAIRS and one more */
    size_t count;
};

/* A role or a policy; what the other kind has not stays absent. */
struct od_iam_thing {
    bool is_policy;
    struct od_str name, path, id, arn, description, document;
    struct od_str boundary;
    int64_t created_ms, session_s;
    struct od_iam_list inline_policies; /* name, document */
    struct od_iam_list attached;        /* ARN, "" */
    struct od_iam_list tags;
};

/* *out_there false: there is none of this name (any case). */
enum od_status od_iam_load(struct od_query *query, bool is_policy, struct od_str name,
                           struct od_iam_thing *out, bool *out_there) OD_MUST_USE;
/* One after another by name, from behind after, until one of them ends it. A thing is there while
 * it is shown. */
enum od_status od_iam_each(struct od_query *query, bool is_policy, struct od_str after,
                           enum od_status (*show)(void *context, const struct od_iam_thing *thing,
                                                  bool *out_end),
                           void *context) OD_MUST_USE;
/* In a transaction of its own. */
enum od_status od_iam_save(struct od_query *query, const struct od_iam_thing *thing) OD_MUST_USE;
enum od_status od_iam_remove(struct od_query *query, const struct od_iam_thing *thing) OD_MUST_USE;

#endif
