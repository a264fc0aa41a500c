/* The kinds of resources, a row each: what Describe and List need to know (resource.h). */
#include "api/resource.h"

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

static const struct od_kind *const kinds[] = {
    &od_kind_schema,     &od_kind_dataset_group,    &od_kind_dataset,
    &od_kind_import_job, &od_kind_event_tracker,    &od_kind_filter,
    &od_kind_solution,   &od_kind_solution_version, &od_kind_campaign,
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
