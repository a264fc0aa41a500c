/* Quotas on resources: AWS's numbers under --strict, raised ones otherwise (docs/quotas.md). */
#ifndef OD_API_QUOTA_H
#define OD_API_QUOTA_H

#include "api/call.h"

enum od_quota {
    OD_QUOTA_SCHEMAS,
    OD_QUOTA_DATASET_GROUPS,
    OD_QUOTA_IMPORT_JOBS,          /* pending or in progress */
    OD_QUOTA_SOLUTION_VERSIONS,    /* pending or in progress */
    OD_QUOTA_SOLUTIONS,            /* of a group */
    OD_QUOTA_CAMPAIGNS,            /* of a group */
    OD_QUOTA_FILTERS,              /* of a group */
    OD_QUOTA_DELETION_JOBS,        /* of a group, pending or in progress */
    OD_QUOTA_BATCH_INFERENCE_JOBS, /* pending or in progress */
    OD_QUOTA_BATCH_SEGMENT_JOBS,   /* pending or in progress */
    OD_QUOTA_RECOMMENDERS          /* of a group */
};

/* OD_LIMIT when one more would exceed the quota. group: for quotas of a dataset group. Store
 * thread. */
enum od_status od_quota_check(struct od_call *call, enum od_quota quota,
                              struct od_str group) OD_MUST_USE;

#endif
