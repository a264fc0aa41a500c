/* The kinds of resources, a row each: what Describe and List need to know (resource.h). */
#include "api/resource.h"

#include "api/recommender.h"
#include "api/solution.h"

#define SHAPE(name) &od_shape_personalize_##name

const struct od_kind od_kind_schema = {
    .name = "schema",
    .title = "schema",
    .shape = SHAPE(dataset_schema),
    .summary = SHAPE(dataset_schema_summary),
    .describe = OD_OP_DESCRIBE_SCHEMA,
    .list = OD_OP_LIST_SCHEMAS,
    .arn_member = "schemaArn",
    .wrapper = "schema",
    .list_member = "schemas",
};
const struct od_kind od_kind_dataset_group = {
    .name = "dataset-group",
    .title = "dataset group",
    .shape = SHAPE(dataset_group),
    .summary = SHAPE(dataset_group_summary),
    .describe = OD_OP_DESCRIBE_DATASET_GROUP,
    .list = OD_OP_LIST_DATASET_GROUPS,
    .arn_member = "datasetGroupArn",
    .wrapper = "datasetGroup",
    .list_member = "datasetGroups",
    .taggable = true,
};
const struct od_kind od_kind_dataset = {
    .name = "dataset",
    .title = "dataset",
    .shape = SHAPE(dataset),
    .summary = SHAPE(dataset_summary),
    .describe = OD_OP_DESCRIBE_DATASET,
    .list = OD_OP_LIST_DATASETS,
    .arn_member = "datasetArn",
    .wrapper = "dataset",
    .list_member = "datasets",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
};
const struct od_kind od_kind_import_job = {
    .name = "dataset-import-job",
    .title = "dataset import job",
    .shape = SHAPE(dataset_import_job),
    .summary = SHAPE(dataset_import_job_summary),
    .describe = OD_OP_DESCRIBE_DATASET_IMPORT_JOB,
    .list = OD_OP_LIST_DATASET_IMPORT_JOBS,
    .arn_member = "datasetImportJobArn",
    .wrapper = "datasetImportJob",
    .list_member = "datasetImportJobs",
    .list_arg = "datasetArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_event_tracker = {
    .name = "event-tracker",
    .title = "event tracker",
    .shape = SHAPE(event_tracker),
    .summary = SHAPE(event_tracker_summary),
    .describe = OD_OP_DESCRIBE_EVENT_TRACKER,
    .list = OD_OP_LIST_EVENT_TRACKERS,
    .arn_member = "eventTrackerArn",
    .wrapper = "eventTracker",
    .list_member = "eventTrackers",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
};
const struct od_kind od_kind_filter = {
    .name = "filter",
    .title = "filter",
    .shape = SHAPE(filter),
    .summary = SHAPE(filter_summary),
    .describe = OD_OP_DESCRIBE_FILTER,
    .list = OD_OP_LIST_FILTERS,
    .arn_member = "filterArn",
    .wrapper = "filter",
    .list_member = "Filters", /* the one capital in the API */
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
};
const struct od_kind od_kind_solution = {
    .name = "solution",
    .title = "solution",
    .shape = SHAPE(solution),
    .summary = SHAPE(solution_summary),
    .describe = OD_OP_DESCRIBE_SOLUTION,
    .list = OD_OP_LIST_SOLUTIONS,
    .arn_member = "solutionArn",
    .wrapper = "solution",
    .list_member = "solutions",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
    .decorate = od_solution_decorate,
};
const struct od_kind od_kind_solution_version = {
    .name = "solution-version",
    .title = "solution version",
    .shape = SHAPE(solution_version),
    .summary = SHAPE(solution_version_summary),
    .describe = OD_OP_DESCRIBE_SOLUTION_VERSION,
    .list = OD_OP_LIST_SOLUTION_VERSIONS,
    .arn_member = "solutionVersionArn",
    .wrapper = "solutionVersion",
    .list_member = "solutionVersions",
    .list_arg = "solutionArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_campaign = {
    .name = "campaign",
    .title = "campaign",
    .shape = SHAPE(campaign),
    .summary = SHAPE(campaign_summary),
    .describe = OD_OP_DESCRIBE_CAMPAIGN,
    .list = OD_OP_LIST_CAMPAIGNS,
    .arn_member = "campaignArn",
    .wrapper = "campaign",
    .list_member = "campaigns",
    .list_arg = "solutionArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_export_job = {
    .name = "dataset-export-job",
    .title = "dataset export job",
    .shape = SHAPE(dataset_export_job),
    .summary = SHAPE(dataset_export_job_summary),
    .describe = OD_OP_DESCRIBE_DATASET_EXPORT_JOB,
    .list = OD_OP_LIST_DATASET_EXPORT_JOBS,
    .arn_member = "datasetExportJobArn",
    .wrapper = "datasetExportJob",
    .list_member = "datasetExportJobs",
    .list_arg = "datasetArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_deletion_job = {
    .name = "data-deletion-job",
    .title = "data deletion job",
    .shape = SHAPE(data_deletion_job),
    .summary = SHAPE(data_deletion_job_summary),
    .describe = OD_OP_DESCRIBE_DATA_DELETION_JOB,
    .list = OD_OP_LIST_DATA_DELETION_JOBS,
    .arn_member = "dataDeletionJobArn",
    .wrapper = "dataDeletionJob",
    .list_member = "dataDeletionJobs",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
    .newest_first = true,
};
const struct od_kind od_kind_batch_inference_job = {
    .name = "batch-inference-job",
    .title = "batch inference job",
    .shape = SHAPE(batch_inference_job),
    .summary = SHAPE(batch_inference_job_summary),
    .describe = OD_OP_DESCRIBE_BATCH_INFERENCE_JOB,
    .list = OD_OP_LIST_BATCH_INFERENCE_JOBS,
    .arn_member = "batchInferenceJobArn",
    .wrapper = "batchInferenceJob",
    .list_member = "batchInferenceJobs",
    .list_arg = "solutionVersionArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_batch_segment_job = {
    .name = "batch-segment-job",
    .title = "batch segment job",
    .shape = SHAPE(batch_segment_job),
    .summary = SHAPE(batch_segment_job_summary),
    .describe = OD_OP_DESCRIBE_BATCH_SEGMENT_JOB,
    .list = OD_OP_LIST_BATCH_SEGMENT_JOBS,
    .arn_member = "batchSegmentJobArn",
    .wrapper = "batchSegmentJob",
    .list_member = "batchSegmentJobs",
    .list_arg = "solutionVersionArn",
    .list_by = OD_LIST_BY_PARENT,
    .taggable = true,
};
const struct od_kind od_kind_metric_attribution = {
    .name = "metric-attribution",
    .title = "metric attribution",
    .shape = SHAPE(metric_attribution),
    .summary = SHAPE(metric_attribution_summary),
    .describe = OD_OP_DESCRIBE_METRIC_ATTRIBUTION,
    .list = OD_OP_LIST_METRIC_ATTRIBUTIONS,
    .arn_member = "metricAttributionArn",
    .wrapper = "metricAttribution",
    .list_member = "metricAttributions",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
};
const struct od_kind od_kind_recommender = {
    .name = "recommender",
    .title = "recommender",
    .shape = SHAPE(recommender),
    .summary = SHAPE(recommender_summary),
    .describe = OD_OP_DESCRIBE_RECOMMENDER,
    .list = OD_OP_LIST_RECOMMENDERS,
    .arn_member = "recommenderArn",
    .wrapper = "recommender",
    .list_member = "recommenders",
    .list_arg = "datasetGroupArn",
    .list_by = OD_LIST_BY_GROUP,
    .taggable = true,
    .decorate = od_recommender_decorate,
};

static const struct od_kind *const kinds[] = {
    &od_kind_schema,
    &od_kind_dataset_group,
    &od_kind_dataset,
    &od_kind_import_job,
    &od_kind_event_tracker,
    &od_kind_filter,
    &od_kind_solution,
    &od_kind_solution_version,
    &od_kind_campaign,
    &od_kind_export_job,
    &od_kind_deletion_job,
    &od_kind_batch_inference_job,
    &od_kind_batch_segment_job,
    &od_kind_metric_attribution,
    &od_kind_recommender,
};
#define KIND_COUNT (sizeof kinds / sizeof *kinds)

const struct od_kind *od_kind_by_name(struct od_str name)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (od_str_eq_c(name, kinds[i]->name))
            return kinds[i];
    return NULL;
}

const struct od_kind *od_kind_by_op(const struct od_operation *op)
{
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (op == &od_operations[kinds[i]->describe] || op == &od_operations[kinds[i]->list])
            return kinds[i];
    return NULL;
}
