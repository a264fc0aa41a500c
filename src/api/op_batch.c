/* Batch jobs: CreateBatchInferenceJob and CreateBatchSegmentJob, and what keeps filters and groups
 * while they run. A worker process answers the lines (batch/batch.h); what it is told is written in
 * prepare_batch.c. */
#include "api/batch.h"
#include "api/encryption.h"
#include "api/quota.h"
#include "api/runner.h"
#include "api/solution.h"
#include "api/attach.h"
#include "base/limits.h"
#include "filter/filter.h"

/* What both kinds of job are asked with. */
struct request {
    struct od_str version_arn, filter_arn;
    struct od_opt_i64 results;
    const struct od_personalize_s3_data_config *from, *to;
    bool segments;
};

/* ---- locations ---- */

/* The words of errors.md section 4 in place of those of imports. */
static enum od_status check_location(struct od_call *call, const char *which,
                                     const struct od_personalize_s3_data_config *config)
{
    static const char said[] = "Invalid Data location. ";
    struct od_error why;
    if (!config)
        return od_fail(&call->err, OD_INVALID_INPUT, "Invalid S3 %s path", which);
    if (od_objects_check(call->app->objects, config->path, &why) == OD_OK)
        return OD_OK;
    struct od_str reason = od_str_c(why.message);
    if (od_str_starts(reason, od_str_c(said)))
        reason = od_str_sub(reason, sizeof said - 1, reason.len);
    return od_fail(&call->err, OD_INVALID_INPUT, "Invalid S3 %s path. %.*s", which,
                   OD_STR_ARG(reason));
}

static struct od_str without_slash(struct od_str path)
{
    return od_str_ends(path, OD_STR("/")) ? od_str_sub(path, 0, path.len - 1) : path;
}

static enum od_status check_locations(struct od_call *call, const struct request *ask)
{
    enum od_status s = check_location(call, "input", ask->from);
    if (s == OD_OK)
        s = check_location(call, "output", ask->to);
    if (s == OD_OK && od_str_eq(without_slash(ask->from->path), without_slash(ask->to->path)))
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "Invalid S3 output path. The output must not be the input.");
    if (s == OD_OK)
        s = od_encryption_written(call, "jobOutput.s3DataDestination.kmsKeyArn", ask->to);
    return s;
}

/* ---- recipe and numbers ---- */

static enum od_status check_recipe(struct od_call *call, const struct od_recipe_spec *spec,
                                   bool segments)
{
    bool lists_users = spec->type == OD_USER_SEGMENTATION;
    bool has_batch = spec->type != OD_POPULAR_ITEMS && spec->type != OD_PERSONALIZED_ACTIONS;
    if (lists_users == segments && has_batch)
        return OD_OK;
    if (segments)
        return od_fail(
            &call->err, OD_INVALID_INPUT,
            "Batch segment jobs need a recipe of type USER_SEGMENTATION; recipe %s is of "
            "type %s.",
            spec->name, spec->type_name);
    return od_fail(&call->err, OD_INVALID_INPUT, "Recipe %s cannot be used for batch inference%s.",
                   spec->name, lists_users ? "; it is for batch segment jobs" : "");
}

static enum od_status check_results(struct od_call *call, const struct request *ask)
{
    int64_t most = ask->segments ? OD_MAX_BATCH_USERS : OD_MAX_RESULTS;
    if (!ask->results.set || (ask->results.value >= 1 && ask->results.value <= most))
        return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT, "numResults must be %s %lld, not %lld.",
                   ask->results.value < 1 ? "at least 1 and at most" : "at most", (long long)most,
                   (long long)ask->results.value);
}

/* ---- filter ---- */

static enum od_status check_use(struct od_call *call, const struct od_filter *filter,
                                struct od_str arn, const struct od_recipe_spec *spec, bool segments)
{
    if (od_filter_target(filter) != (segments ? OD_TARGET_USER : OD_TARGET_ITEM))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Filter %.*s is not over %s, as this job needs.", OD_STR_ARG(arn),
                       segments ? "UserID" : "ItemID");
    if (od_filter_uses_current_item(filter) && spec->type != OD_RELATED_ITEMS)
        return od_fail(
            &call->err, OD_INVALID_INPUT,
            "Filter %.*s uses CurrentItem, which only recipes of type RELATED_ITEMS have.",
            OD_STR_ARG(arn));
    if (segments && od_filter_uses_interactions(filter) &&
        od_str_eq_c(od_str_c(spec->name), "aws-item-attribute-affinity"))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Filter %.*s uses Interactions, which recipe %s does not support.",
                       OD_STR_ARG(arn), spec->name);
    return OD_OK;
}

/* As its group's schemas are now: a filter may name a column that is gone. */
static enum od_status compile(struct od_call *call, struct od_str group, struct od_str expression,
                              struct od_filter **out)
{
    struct od_filter_schemas schemas = {.extended = true};
    enum od_status s = OD_OK;
    for (int t = OD_INTERACTIONS; s == OD_OK && t < OD_DATASET_TYPES; t++) {
        struct od_dataset_info info;
        s = od_group_dataset(call, group, (enum od_dataset_type)t, &info);
        schemas.by_type[t] = s == OD_OK && info.arn.ptr ? info.schema : NULL;
    }
    return s == OD_OK ? od_filter_new(expression, &schemas, OD_MAX_FILTER_FIELDS, out, &call->err)
                      : s;
}

static enum od_status check_filter(struct od_call *call, const struct request *ask,
                                   const struct od_resource *version,
                                   const struct od_recipe_spec *spec)
{
    struct od_resource resource;
    struct od_personalize_filter value = {0};
    struct od_filter *filter = NULL;
    if (!ask->filter_arn.ptr)
        return OD_OK;
    enum od_status s = od_resource_get(call, &od_kind_filter, ask->filter_arn, &resource);
    if (s == OD_OK)
        s = od_resource_active(call, &resource);
    if (s == OD_OK && !od_str_eq(resource.group, version->group))
        s = od_fail(&call->err, OD_INVALID_INPUT,
                    "Filter %.*s belongs to another dataset group than solution version %.*s.",
                    OD_STR_ARG(ask->filter_arn), OD_STR_ARG(version->arn));
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_filter, &resource, &value);
    if (s == OD_OK)
        s = compile(call, version->group, value.filter_expression, &filter);
    if (s == OD_OK)
        s = check_use(call, filter, ask->filter_arn, spec, ask->segments);
    od_filter_free(filter);
    return s;
}

/* ---- both ---- */

static enum od_status check(struct od_call *call, const struct request *ask,
                            struct od_resource *version)
{
    struct od_personalize_solution_version value = {0};
    const struct od_recipe_spec *spec = NULL;
    enum od_status s = od_version_find(call, ask->version_arn, false, version);
    if (s == OD_OK)
        s = check_locations(call, ask);
    if (s == OD_OK)
        s = check_results(call, ask);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_solution_version, version, &value);
    if (s == OD_OK)
        s = od_recipe_by_arn(call, value.recipe_arn, &spec);
    if (s == OD_OK)
        s = check_recipe(call, spec, ask->segments);
    return s == OD_OK ? check_filter(call, ask, version, spec) : s;
}

/* Resource and job row in one transaction: neither without the other. */
static enum od_status insert(struct od_call *call, const struct od_kind *kind, const char *job_kind,
                             const void *value, const struct od_personalize_tags *tags,
                             struct od_resource *resource)
{
    int64_t job;
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_resource_insert(call, kind, value, tags, resource);
    if (s == OD_OK)
        s = od_runner_add(call, job_kind, resource->arn, &job);
    if (s != OD_OK) {
        od_store_rollback(call->app->store);
        return s;
    }
    s = od_store_commit(call->app->store, &call->err);
    if (s == OD_OK)
        od_runner_go(call->app, job, job_kind, resource->arn);
    return s;
}

/* numResults as given: a ranking is cut to it, but not to its default. */
static enum od_status fill(struct od_call *call, const struct request *ask,
                           const struct od_resource *version, struct od_resource *resource)
{
    resource->parent = version->arn;
    resource->group = version->group;
    resource->status = OD_STR("CREATE PENDING");
    if (!ask->results.set)
        return OD_OK;
    resource->extra =
        od_arena_printf(call->arena, "{\"results\":%lld}", (long long)ask->results.value);
    return resource->extra.ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static struct od_opt_i64 results_or_default(const struct request *ask)
{
    return (struct od_opt_i64){true, ask->results.set ? ask->results.value : OD_DEFAULT_RESULTS};
}

/* ---- inference ---- */

static enum od_status
check_inference(struct od_call *call,
                const struct od_personalize_create_batch_inference_job_request *in,
                const struct od_resource *version)
{
    if (in->batch_inference_job_config == NULL)
        return OD_OK;
    const struct od_personalize_campaign_config config = {
        .item_exploration_config = in->batch_inference_job_config->item_exploration_config,
        .ranking_influence = in->batch_inference_job_config->ranking_influence};
    return od_campaign_config_check(call, version, &config);
}

static enum od_status check_mode(struct od_call *call,
                                 const struct od_personalize_create_batch_inference_job_request *in)
{
    if (od_str_eq_c(in->batch_inference_job_mode, "THEME_GENERATION"))
        return od_fail(
            &call->err, OD_INVALID_INPUT,
            "batchInferenceJobMode THEME_GENERATION is not supported: themes are written "
            "by a large language model, which this server does not have. "
            "BATCH_INFERENCE gives the same items without a theme.");
    if (in->theme_generation_config)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "themeGenerationConfig is only for batchInferenceJobMode THEME_GENERATION.");
    return OD_OK;
}

enum od_status od_op_create_batch_inference_job(struct od_call *call)
{
    const struct od_personalize_create_batch_inference_job_request *in =
        OD_IN(call, create_batch_inference_job_request);
    const struct od_kind *kind = &od_kind_batch_inference_job;
    const struct request ask = {.version_arn = in->solution_version_arn,
                                .filter_arn = in->filter_arn,
                                .results = in->num_results,
                                .from = in->job_input->s3_data_source,
                                .to = in->job_output->s3_data_destination};
    struct od_resource version;
    struct od_resource resource = {.name = in->job_name,
                                   .arn = od_call_arn(call, kind, in->job_name, OD_STR_NONE)};
    enum od_status s = od_resource_absent(call, kind, resource.arn);
    if (s == OD_OK)
        s = check(call, &ask, &version);
    if (s == OD_OK)
        s = check_mode(call, in);
    if (s == OD_OK)
        s = check_inference(call, in, &version);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_BATCH_INFERENCE_JOBS, OD_STR_NONE);
    if (s == OD_OK)
        s = fill(call, &ask, &version, &resource);
    if (s != OD_OK)
        return s;
    const struct od_personalize_batch_inference_job value = {
        .job_name = in->job_name,
        .batch_inference_job_arn = resource.arn,
        .filter_arn = in->filter_arn,
        .solution_version_arn = version.arn,
        .num_results = results_or_default(&ask),
        .job_input = in->job_input,
        .job_output = in->job_output,
        .batch_inference_job_config = in->batch_inference_job_config,
        .role_arn = in->role_arn,
        .batch_inference_job_mode = OD_STR("BATCH_INFERENCE"),
    };
    s = insert(call, kind, "batch", &value, &in->tags, &resource);
    OD_OUT(call, create_batch_inference_job_response)->batch_inference_job_arn = resource.arn;
    return s;
}

/* ---- segments ---- */

enum od_status od_op_create_batch_segment_job(struct od_call *call)
{
    const struct od_personalize_create_batch_segment_job_request *in =
        OD_IN(call, create_batch_segment_job_request);
    const struct od_kind *kind = &od_kind_batch_segment_job;
    const struct request ask = {.version_arn = in->solution_version_arn,
                                .filter_arn = in->filter_arn,
                                .results = in->num_results,
                                .from = in->job_input->s3_data_source,
                                .to = in->job_output->s3_data_destination,
                                .segments = true};
    struct od_resource version;
    struct od_resource resource = {.name = in->job_name,
                                   .arn = od_call_arn(call, kind, in->job_name, OD_STR_NONE)};
    enum od_status s = od_resource_absent(call, kind, resource.arn);
    if (s == OD_OK)
        s = check(call, &ask, &version);
    if (s == OD_OK)
        s = od_quota_check(call, OD_QUOTA_BATCH_SEGMENT_JOBS, OD_STR_NONE);
    if (s == OD_OK)
        s = fill(call, &ask, &version, &resource);
    if (s != OD_OK)
        return s;
    const struct od_personalize_batch_segment_job value = {
        .job_name = in->job_name,
        .batch_segment_job_arn = resource.arn,
        .filter_arn = in->filter_arn,
        .solution_version_arn = version.arn,
        .num_results = results_or_default(&ask),
        .job_input = in->job_input,
        .job_output = in->job_output,
        .role_arn = in->role_arn,
    };
    s = insert(call, kind, "segment", &value, &in->tags, &resource);
    OD_OUT(call, create_batch_segment_job_response)->batch_segment_job_arn = resource.arn;
    return s;
}

/* ---- what others ask ---- */

static const struct od_kind *const kinds[] = {&od_kind_batch_inference_job,
                                              &od_kind_batch_segment_job};

static bool is_unfinished(const struct od_resource *job)
{
    return od_str_eq_c(job->status, "CREATE PENDING") ||
           od_str_eq_c(job->status, "CREATE IN_PROGRESS");
}

/* The filter of a job of either kind; absent: none. */
static enum od_status filter_of(struct od_call *call, const struct od_kind *kind,
                                const struct od_resource *job, struct od_str *out)
{
    struct od_personalize_batch_inference_job inference = {0};
    struct od_personalize_batch_segment_job segment = {0};
    bool infers = kind == &od_kind_batch_inference_job;
    enum od_status s =
        od_resource_read(call, kind, job, infers ? (void *)&inference : (void *)&segment);
    *out = infers ? inference.filter_arn : segment.filter_arn;
    return s;
}

enum od_status od_batch_filter_free(struct od_call *call, const struct od_resource *filter)
{
    enum od_status s = OD_OK;
    for (size_t k = 0; s == OD_OK && k < sizeof kinds / sizeof *kinds; k++) {
        struct od_resource *jobs;
        size_t count;
        s = od_resource_list(call, kinds[k], OD_STR_NONE, filter->group, OD_STR_NONE, &jobs,
                             &count);
        for (size_t i = 0; s == OD_OK && i < count; i++) {
            struct od_str used = OD_STR_NONE;
            if (!is_unfinished(&jobs[i]))
                continue;
            s = filter_of(call, kinds[k], &jobs[i], &used);
            if (s == OD_OK && used.ptr && od_str_eq(used, filter->arn))
                s = od_fail(&call->err, OD_IN_USE, "Filter %.*s is used by %s %.*s.",
                            OD_STR_ARG(filter->arn), kinds[k]->title, OD_STR_ARG(jobs[i].arn));
        }
    }
    return s;
}
