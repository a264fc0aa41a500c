/* Attaching: making what the catalogue says live in memory, when it is created and at every start.
 * All functions: store thread (at start: the main thread, before threads run). */
#ifndef OD_API_ATTACH_H
#define OD_API_ATTACH_H

#include "api/resource.h"
#include "data/schema.h"

/* What is needed to work with a dataset; strings in the call's arena. */
struct od_dataset_info {
    struct od_str arn, group, schema_text;
    struct od_str tracking_id; /* of an Action interactions dataset, else absent */
    struct od_str domain_name; /* "" for a custom group */
    enum od_domain domain;
    enum od_dataset_type type;
    const struct od_schema *schema;
    int64_t seq; /* of the resource: this dataset and no other of its name */
};
enum od_status od_dataset_info(struct od_call *call, const struct od_resource *dataset,
                               struct od_dataset_info *out) OD_MUST_USE;
/* The group's dataset of a type; out->arn absent when there is none. */
enum od_status od_group_dataset(struct od_call *call, struct od_str group,
                                enum od_dataset_type type, struct od_dataset_info *out) OD_MUST_USE;

/* The name by which Put* calls find the dataset: its own tracking id for action interactions, else
 * its ARN (interactions are found by their group's tracker). */
struct od_str od_dataset_target(const struct od_dataset_info *info);

enum od_status od_attach_dataset(struct od_call *call,
                                 const struct od_resource *dataset) OD_MUST_USE;
enum od_status od_attach_tracker(struct od_call *call,
                                 const struct od_resource *tracker) OD_MUST_USE;
/* Points the group's tracker at its Interactions dataset, or at none. */
enum od_status od_attach_group_tracker(struct od_call *call, struct od_str group) OD_MUST_USE;
enum od_status od_attach_filter(struct od_call *call, const struct od_resource *filter) OD_MUST_USE;
/* config: the configuration to serve with; version: the solution version's resource. */
enum od_status od_attach_campaign(struct od_call *call, struct od_str campaign_arn,
                                  struct od_str group, const struct od_resource *version,
                                  const struct od_personalize_campaign_config *config,
                                  int64_t min_tps) OD_MUST_USE;
/* The opposite: it is served no more. */
void od_detach_campaign(struct od_app *app, struct od_str campaign_arn);

/* What a configuration (may be NULL) says of exploration and influence, into a setup. Any thread.
 */
void od_attach_config(const struct od_personalize_campaign_config *config,
                      struct od_campaign_setup *setup);

/* A call of the server's own: no exchange, no input; for start and background work. */
void od_call_internal(struct od_call *call, struct od_app *app, struct od_arena *arena);

#endif
