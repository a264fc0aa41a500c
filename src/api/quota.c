/* Quotas: see quota.h. The numbers of AWS are api.md section 15; ours bound only what one machine
 * could not hold in memory or show in a list. */
#include "api/quota.h"

#include "api/resource.h"

static const struct {
    const struct od_kind *kind;
    size_t aws, ours;
    bool unfinished; /* counts resources being created, else all */
} quotas[] = {
    [OD_QUOTA_SCHEMAS] = {&od_kind_schema, 500, 10000, false},
    [OD_QUOTA_DATASET_GROUPS] = {&od_kind_dataset_group, 5, 1000, false},
    [OD_QUOTA_IMPORT_JOBS] = {&od_kind_import_job, 5, 1000, true},
    [OD_QUOTA_SOLUTION_VERSIONS] = {&od_kind_solution_version, 20, 1000, true},
    [OD_QUOTA_SOLUTIONS] = {&od_kind_solution, 10, 1000, false},
    [OD_QUOTA_CAMPAIGNS] = {&od_kind_campaign, 5, 1000, false},
    [OD_QUOTA_FILTERS] = {&od_kind_filter, 30, 1000, false},
    [OD_QUOTA_DELETION_JOBS] = {&od_kind_deletion_job, 5, 1000, true},
    [OD_QUOTA_BATCH_INFERENCE_JOBS] = {&od_kind_batch_inference_job, 5, 1000, true},
    [OD_QUOTA_BATCH_SEGMENT_JOBS] = {&od_kind_batch_segment_job, 5, 1000, true},
    [OD_QUOTA_RECOMMENDERS] = {&od_kind_recommender, 5, 1000, false},
};

static enum od_status count(struct od_call *call, const struct od_kind *kind, struct od_str group,
                            const char *status, size_t *sum)
{
    struct od_catalog_query query = {
        .kind = od_str_c(kind->name), .group = group, .status = od_str_c(status)};
    size_t n = 0;
    enum od_status s = od_catalog_count(call->app->store, &query, &n, &call->err);
    *sum += n;
    return s;
}

enum od_status od_quota_check(struct od_call *call, enum od_quota quota, struct od_str group)
{
    const struct od_kind *kind = quotas[quota].kind;
    size_t most = call->app->config.strict ? quotas[quota].aws : quotas[quota].ours;
    size_t n = 0;
    enum od_status s;
    if (quotas[quota].unfinished) {
        static const char *const words[] = {"CREATE PENDING", "CREATE IN_PROGRESS", "PENDING",
                                            "IN_PROGRESS"}; /* the last two: data deletion jobs */
        s = OD_OK;
        for (size_t i = 0; s == OD_OK && i < sizeof words / sizeof *words; i++)
            s = count(call, kind, group, words[i], &n);
    } else {
        s = count(call, kind, group, NULL, &n);
    }
    if (s != OD_OK || n < most)
        return s;
    if (quotas[quota].unfinished)
        return od_fail(&call->err, OD_LIMIT,
                       "More than %zu resources with PENDING or IN_PROGRESS status.", most);
    return od_fail(&call->err, OD_LIMIT,
                   "Cannot create a %s. More than %zu resources in ACTIVE state. Please delete "
                   "some and try again.",
                   kind->title, most);
}
