/* Resources in general: what all Describe, List, Create and Delete operations have in common.
 *
 * A resource is stored as the JSON of its Describe shape (body) plus the columns of struct
 * od_resource; status, dates and failureReason live in the columns alone and are laid over the
 * shape when it is read. All functions: store thread. */
#ifndef OD_API_RESOURCE_H
#define OD_API_RESOURCE_H

#include "api/call.h"

/* Whether a list's filter argument is the parent or the dataset group. */
enum od_list_by { OD_LIST_BY_NOTHING, OD_LIST_BY_PARENT, OD_LIST_BY_GROUP };

/* One row a kind of resource: kinds.c. */
struct od_kind {
    const char *name;               /* "campaign": ARN path and catalogue kind */
    const char *title;              /* "campaign", "dataset import job": in messages */
    const struct od_shape *shape;   /* Campaign */
    const struct od_shape *summary; /* CampaignSummary */
    enum od_op_id describe, list;
    const char *arn_member;  /* "campaignArn" of shape and of the Describe request */
    const char *wrapper;     /* "campaign": member of the Describe response */
    const char *list_member; /* "campaigns": member of the List response */
    const char *list_arg;    /* "solutionArn": filter argument, NULL when none */
    enum od_list_by list_by;
    bool taggable;
    /* Fills what is computed when described; NULL when nothing is. */
    enum od_status (*decorate)(struct od_call *call, const struct od_resource *resource,
                               void *value);
};

const struct od_kind *od_kind_by_name(struct od_str name); /* NULL when unknown */
const struct od_kind *od_kind_by_op(const struct od_operation *op);

extern const struct od_kind od_kind_schema, od_kind_dataset_group, od_kind_dataset,
    od_kind_import_job, od_kind_event_tracker, od_kind_filter, od_kind_solution,
    od_kind_solution_version, od_kind_campaign, od_kind_export_job, od_kind_deletion_job,
    od_kind_batch_inference_job, od_kind_batch_segment_job, od_kind_metric_attribution,
    od_kind_recommender;

/* Is the text an ARN of that kind ("campaign", "recipe")? OD_INVALID_INPUT otherwise. Any thread.
 */
enum od_status od_arn_check(struct od_call *call, struct od_str arn, const char *kind,
                            const char *title) OD_MUST_USE;
/* The resource of that ARN. OD_INVALID_INPUT when the ARN is one of another kind, OD_NOT_FOUND. */
enum od_status od_resource_get(struct od_call *call, const struct od_kind *kind, struct od_str arn,
                               struct od_resource *out) OD_MUST_USE;
/* Reads body and columns into value (a zeroed struct of kind->shape). */
enum od_status od_resource_read(struct od_call *call, const struct od_kind *kind,
                                const struct od_resource *resource, void *value) OD_MUST_USE;
/* Writes value back as the resource's body (in arena). */
enum od_status od_resource_pack(struct od_call *call, const struct od_kind *kind, const void *value,
                                struct od_resource *resource) OD_MUST_USE;

/* An ARN of this account (wire/arn.h). In arena; OD_STR_NONE: no memory. */
struct od_str od_call_arn(struct od_call *call, const struct od_kind *kind, struct od_str name,
                          struct od_str part);

/* Fails with OD_EXISTS when the ARN is taken. */
enum od_status od_resource_absent(struct od_call *call, const struct od_kind *kind,
                                  struct od_str arn) OD_MUST_USE;
/* Inserts resource (times are set to now) with tags, inside the caller's transaction. */
enum od_status od_resource_insert(struct od_call *call, const struct od_kind *kind,
                                  const void *value, const struct od_personalize_tags *tags,
                                  struct od_resource *resource) OD_MUST_USE;
/* begin, insert, commit. */
enum od_status od_resource_create(struct od_call *call, const struct od_kind *kind,
                                  const void *value, const struct od_personalize_tags *tags,
                                  struct od_resource *resource) OD_MUST_USE;
/* begin, update with updated_ms = now, commit. */
enum od_status od_resource_save(struct od_call *call, struct od_resource *resource) OD_MUST_USE;
/* begin, delete, commit. */
enum od_status od_resource_remove(struct od_call *call, struct od_str arn) OD_MUST_USE;
/* OD_IN_USE "<arn> is in <status> state." unless ACTIVE. */
enum od_status od_resource_active(struct od_call *call,
                                  const struct od_resource *resource) OD_MUST_USE;

/* Resources of a kind under a parent or group (absent: any) and with a status (absent: any). */
enum od_status od_resource_list(struct od_call *call, const struct od_kind *kind,
                                struct od_str parent, struct od_str group, struct od_str status,
                                struct od_resource **out, size_t *out_count) OD_MUST_USE;
/* The first of them, or NULL. */
enum od_status od_resource_any(struct od_call *call, const struct od_kind *kind,
                               struct od_str parent, struct od_str group, struct od_str status,
                               const struct od_resource **out) OD_MUST_USE;

/* One that is being created (CREATE PENDING or IN_PROGRESS), or NULL. */
enum od_status od_resource_unfinished(struct od_call *call, const struct od_kind *kind,
                                      struct od_str parent, struct od_str group,
                                      const struct od_resource **out) OD_MUST_USE;

/* Paging of a list: the token to the place after which it goes on. salt binds it to its question.
 * OD_BAD_TOKEN when it is not one of ours for this question. */
enum od_status od_page_open(struct od_call *call, struct od_str token, struct od_str salt,
                            int64_t *out_after) OD_MUST_USE;
struct od_str od_page_token(struct od_call *call, struct od_str salt, int64_t after);
#define OD_PAGE_DEFAULT 100 /* api.md section 13 */

#endif
