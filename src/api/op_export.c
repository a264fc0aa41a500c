/* Dataset export jobs: CreateDatasetExportJob, and preparing the worker that does it
 * (jobs/export.c). The files go to <path>/<jobName>/part-00000.csv and so on (data.md section 10):
 * the location of an import that takes them back is <path>/<jobName>/. */
#include "api/encryption.h"
#include "api/prepare.h"
#include "api/quota.h"
#include "api/runner.h"

#define ARENA_MAX (256u << 20)

/* Where the files go. */
static struct od_str folder_of(struct od_arena *arena, struct od_str path, struct od_str job_name)
{
    while (path.len && path.ptr[path.len - 1] == '/')
        path.len--;
    return od_arena_printf(arena, "%.*s/%.*s/", OD_STR_ARG(path), OD_STR_ARG(job_name));
}

static enum od_status check_destination(struct od_call *call, struct od_str job_name,
                                        const struct od_personalize_s3_data_config *destination)
{
    enum od_status s =
        od_encryption_written(call, "jobOutput.s3DataDestination.kmsKeyArn", destination);
    if (s != OD_OK)
        return s;
    struct od_str folder = folder_of(call->arena, destination->path, job_name);
    return folder.ptr ? od_objects_check(call->app->objects, folder, &call->err)
                      : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

static enum od_status
check_request(struct od_call *call,
              const struct od_personalize_create_dataset_export_job_request *in,
              struct od_resource *dataset)
{
    enum od_status s = od_resource_get(call, &od_kind_dataset, in->dataset_arn, dataset);
    if (s == OD_OK)
        s = od_resource_active(call, dataset);
    return s == OD_OK ? check_destination(call, in->job_name, in->job_output->s3_data_destination)
                      : s;
}

/* Resource and job row in one transaction: neither without the other. */
static enum od_status insert(struct od_call *call,
                             const struct od_personalize_dataset_export_job *value,
                             struct od_resource *resource, int64_t *job)
{
    const struct od_personalize_create_dataset_export_job_request *in =
        OD_IN(call, create_dataset_export_job_request);
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_resource_insert(call, &od_kind_export_job, value, &in->tags, resource);
    if (s == OD_OK)
        s = od_runner_add(call, "export", resource->arn, job);
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_create_dataset_export_job(struct od_call *call)
{
    const struct od_personalize_create_dataset_export_job_request *in =
        OD_IN(call, create_dataset_export_job_request);
    struct od_resource dataset;
    struct od_resource resource = {
        .name = in->job_name,
        .arn = od_call_arn(call, &od_kind_export_job, in->job_name, OD_STR_NONE),
        .parent = in->dataset_arn,
        .status = OD_STR("CREATE PENDING")};
    enum od_status s = od_resource_absent(call, &od_kind_export_job, resource.arn);
    if (s == OD_OK)
        s = check_request(call, in, &dataset);
    if (s != OD_OK)
        return s;
    resource.group = dataset.group;
    struct od_personalize_dataset_export_job value = {
        .job_name = in->job_name,
        .dataset_export_job_arn = resource.arn,
        .dataset_arn = in->dataset_arn,
        .ingestion_mode = in->ingestion_mode.ptr ? in->ingestion_mode : OD_STR("PUT"),
        .role_arn = in->role_arn,
        .job_output = in->job_output,
    };
    int64_t job;
    s = insert(call, &value, &resource, &job);
    if (s == OD_OK)
        od_runner_go(call->app, job, "export", resource.arn);
    OD_OUT(call, create_dataset_export_job_response)->dataset_export_job_arn = resource.arn;
    return s;
}

/* ---- preparing ---- */

struct export_facts {
    struct od_arena *arena;
    struct od_str arn;
    struct od_personalize_dataset_export_job value;
    struct dataset_sources sources;
};

static enum od_status read_facts(struct od_app *app, void *context, struct od_error *err)
{
    struct export_facts *facts = context;
    struct od_call call;
    struct od_resource job, dataset;
    od_call_internal(&call, app, facts->arena);
    enum od_status s = od_catalog_get(app->store, facts->arn, facts->arena, &job, &call.err);
    if (s == OD_OK)
        s = od_resource_read(&call, &od_kind_export_job, &job, &facts->value);
    if (s == OD_OK)
        s = od_catalog_get(app->store, job.parent, facts->arena, &dataset, &call.err);
    if (s == OD_OK)
        s = od_dataset_info(&call, &dataset, &facts->sources.info);
    if (s == OD_OK)
        s = od_bulk_list(app->store, dataset.arn, facts->arena, &facts->sources.bulk,
                         &facts->sources.bulk_count, &call.err);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static enum od_status write_spec(struct od_app *app, int64_t job_id,
                                 const struct export_facts *facts, struct od_buf *spec,
                                 struct od_error *err)
{
    const struct od_personalize_dataset_export_job *value = &facts->value;
    enum od_which_rows which = od_str_eq_c(value->ingestion_mode, "BULK")  ? OD_BULK_ROWS
                               : od_str_eq_c(value->ingestion_mode, "PUT") ? OD_PUT_ROWS
                                                                           : OD_ALL_ROWS;
    struct od_str path = value->job_output->s3_data_destination->path, folder;
    struct od_str location = folder_of(facts->arena, path, value->job_name);
    struct od_str scratch = od_app_path(app, facts->arena, "work/%lld/keys", (long long)job_id);
    struct od_error cause;
    if (!location.ptr || !scratch.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_objects_output(app->objects, location, facts->arena, &folder, &cause);
    if (s != OD_OK)
        return od_fail(err, s, "Failed to create a data export job for %s dataset. %s",
                       od_dataset_type_name(facts->sources.info.type), cause.message);
    od_buf_printf(spec, "{\"kind\":\"export\",\"newest\":%s,\"folder\":",
                  which == OD_ALL_ROWS ? "true" : "false");
    od_buf_json(spec, folder);
    od_buf_puts(spec, ",\"scratch\":");
    od_buf_json(spec, scratch);
    od_encryption_add(spec, value->job_output->s3_data_destination);
    s = od_prepare_rows(app, job_id, &facts->sources, which, facts->arena, spec, err);
    od_buf_char(spec, '}');
    if (s == OD_OK && od_buf_status(spec) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    return s;
}

enum od_status od_prepare_export(struct od_app *app, int64_t job_id, struct od_str arn,
                                 struct od_buf *spec, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, ARENA_MAX);
    struct export_facts facts = {.arena = &arena, .arn = arn};
    enum od_status s = od_app_on_store(app, read_facts, &facts, err);
    if (s == OD_OK)
        s = write_spec(app, job_id, &facts, spec, err);
    od_arena_done(&arena);
    return s;
}
