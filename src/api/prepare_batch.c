/* Preparing batch jobs: from the resource to what the worker reads (jobs.h). What the catalogue
 * knows is read on the store thread at one moment; files are listed and events folded here, on the
 * loader thread. A failure is the text of failureReason. */
#include "api/batch.h"
#include "api/encryption.h"
#include "api/prepare_inner.h"
#include "base/hash.h"

#define ARENA_MAX                 (256u << 20)
#define AWS_MOST_FILES            1000u           /* of a job, under --strict */
#define AWS_MOST_BYTES            (1000000000ull) /* of all input files, under --strict */
#define AWS_MOST_LINES            50000000ull /* of a file, under --strict; segments far fewer: */
#define AWS_MOST_ITEMS_ASKED      500u
#define AWS_MOST_ATTRIBUTES_ASKED 10u

struct facts {
    struct od_arena *arena;
    struct od_str arn;
    bool segments;
    struct od_resource job, version;
    struct od_str from; /* location */
    const struct od_personalize_s3_data_config *to;
    struct od_str filter_arn, filter_expression;
    const struct od_personalize_batch_inference_job_config *config;
    const struct od_recipe_spec *recipe;
    struct od_json job_extra, version_extra;
    struct dataset_sources datasets[OD_USERS + 1];
};

/* ---- the catalogue: store thread ---- */

static enum od_status read_job(struct od_call *call, struct facts *f)
{
    struct od_personalize_batch_inference_job inference = {0};
    struct od_personalize_batch_segment_job segment = {0};
    enum od_status s =
        f->segments ? od_resource_read(call, &od_kind_batch_segment_job, &f->job, &segment)
                    : od_resource_read(call, &od_kind_batch_inference_job, &f->job, &inference);
    if (s != OD_OK)
        return s;
    f->from = f->segments ? segment.job_input->s3_data_source->path
                          : inference.job_input->s3_data_source->path;
    f->to = f->segments ? segment.job_output->s3_data_destination
                        : inference.job_output->s3_data_destination;
    f->filter_arn = f->segments ? segment.filter_arn : inference.filter_arn;
    f->config = inference.batch_inference_job_config;
    return od_json_parse(f->arena, f->job.extra.len ? f->job.extra : OD_STR("{}"), &f->job_extra,
                         &call->err);
}

static enum od_status read_version(struct od_call *call, struct facts *f)
{
    struct od_personalize_solution_version value = {0};
    enum od_status s =
        od_catalog_get(call->app->store, f->job.parent, f->arena, &f->version, &call->err);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_solution_version, &f->version, &value);
    if (s == OD_OK)
        s = od_recipe_by_arn(call, value.recipe_arn, &f->recipe);
    return s == OD_OK ? od_json_parse(f->arena, f->version.extra, &f->version_extra, &call->err)
                      : s;
}

static enum od_status read_filter(struct od_call *call, struct facts *f)
{
    struct od_resource filter;
    struct od_personalize_filter value = {0};
    if (!f->filter_arn.ptr)
        return OD_OK;
    enum od_status s =
        od_catalog_get(call->app->store, f->filter_arn, f->arena, &filter, &call->err);
    if (s == OD_OK)
        s = od_resource_read(call, &od_kind_filter, &filter, &value);
    f->filter_expression = value.filter_expression;
    return s;
}

static enum od_status read_facts(struct od_app *app, void *context, struct od_error *err)
{
    struct facts *f = context;
    struct od_call call;
    od_call_internal(&call, app, f->arena);
    enum od_status s = od_catalog_get(app->store, f->arn, f->arena, &f->job, &call.err);
    if (s == OD_OK)
        s = read_job(&call, f);
    if (s == OD_OK)
        s = read_version(&call, f);
    if (s == OD_OK)
        s = read_filter(&call, f);
    for (int t = OD_INTERACTIONS; s == OD_OK && t <= OD_USERS; t++)
        s = od_prepare_sources(&call, f->version.group, (enum od_dataset_type)t, &f->datasets[t]);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

/* ---- files: loader thread ---- */

static struct od_str name_of(struct od_str path)
{
    size_t at = path.len;
    while (at && path.ptr[at - 1] != '/')
        at--;
    return od_str_sub(path, at, path.len);
}

static enum od_status size_of(const struct od_io *io, struct od_str path, uint64_t *out,
                              struct od_error *err)
{
    int fd;
    enum od_status s = io->open(io, path.ptr, OD_OPEN_READ, &fd, err);
    if (s != OD_OK)
        return s;
    s = io->size(io, fd, out, err);
    io->close(io, fd);
    return s;
}

static enum od_status check_sizes(struct od_app *app, const struct od_str *files, size_t count,
                                  struct od_error *err)
{
    uint64_t sum = 0, one;
    if (!app->config.strict)
        return OD_OK;
    if (count > AWS_MOST_FILES)
        return od_fail(err, OD_INVALID_INPUT, "The input has %zu files; at most %u are allowed.",
                       count, AWS_MOST_FILES);
    for (size_t i = 0; i < count; i++) {
        enum od_status s = size_of(app->io, files[i], &one, err);
        if (s != OD_OK)
            return s;
        sum += one;
    }
    if (sum > AWS_MOST_BYTES)
        return od_fail(err, OD_INVALID_INPUT, "The input has %llu bytes; at most %llu are allowed.",
                       (unsigned long long)sum, AWS_MOST_BYTES);
    return OD_OK;
}

static enum od_status add_files(struct od_app *app, const struct facts *f, struct od_buf *spec,
                                struct od_error *err)
{
    struct od_str *files, folder;
    size_t count = 0;
    enum od_status s = od_objects_list_any(app->objects, f->from, f->arena, &files, &count, err);
    if (s == OD_OK)
        s = check_sizes(app, files, count, err);
    if (s == OD_OK)
        s = od_objects_output(app->objects, f->to->path, f->arena, &folder, err);
    if (s != OD_OK)
        return s;
    od_buf_puts(spec, ",\"files\":[");
    for (size_t i = 0; i < count; i++) {
        struct od_str to = od_arena_printf(f->arena, "%.*s/%.*s.out", OD_STR_ARG(folder),
                                           OD_STR_ARG(name_of(files[i])));
        if (!to.ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
        od_buf_puts(spec, i ? ",{\"in\":" : "{\"in\":");
        od_buf_json(spec, files[i]);
        od_buf_puts(spec, ",\"out\":");
        od_buf_json(spec, to);
        od_buf_char(spec, '}');
    }
    od_buf_char(spec, ']');
    return OD_OK;
}

/* ---- the spec ---- */

static uint64_t most_lines(const struct od_app *app, const struct facts *f)
{
    if (!app->config.strict)
        return 0;
    if (!f->segments)
        return AWS_MOST_LINES;
    return od_str_eq_c(od_str_c(f->recipe->name), "aws-item-affinity") ? AWS_MOST_ITEMS_ASKED
                                                                       : AWS_MOST_ATTRIBUTES_ASKED;
}

static void add_text(struct od_buf *spec, const char *key, struct od_str text)
{
    od_buf_printf(spec, ",\"%s\":", key);
    od_buf_json(spec, text);
}

static void add_real(struct od_buf *spec, const char *key, double value)
{
    od_buf_printf(spec, ",\"%s\":", key);
    od_buf_double(spec, value);
}

static void add_config(struct od_buf *spec, const struct facts *f)
{
    struct od_campaign_setup setup = {0};
    struct od_personalize_campaign_config config = {0};
    if (f->config) {
        config.item_exploration_config = f->config->item_exploration_config;
        config.ranking_influence = f->config->ranking_influence;
    }
    od_attach_config(&config, &setup);
    add_real(spec, "exploration_weight", setup.exploration_weight);
    add_real(spec, "exploration_cutoff_days", setup.exploration_cutoff_days);
    add_real(spec, "popularity_influence", setup.popularity_influence);
    add_real(spec, "freshness_influence", setup.freshness_influence);
}

static void add_filter(struct od_buf *spec, const struct facts *f)
{
    if (!f->filter_arn.ptr)
        return;
    od_buf_puts(spec, ",\"filter\":{\"arn\":");
    od_buf_json(spec, f->filter_arn);
    add_text(spec, "expression", f->filter_expression);
    od_buf_char(spec, '}');
}

static enum od_status write_spec(struct od_app *app, int64_t job_id, const struct facts *f,
                                 struct od_buf *spec, struct od_error *err)
{
    static const char *const keys[] = {"interactions", "items", "users"};
    struct segment_list list = {.app = app,
                                .arena = f->arena,
                                .spec = spec,
                                .job_id = job_id,
                                .for_serving = true,
                                .err = err};
    struct od_str image = od_app_path(
        app, f->arena, "%.*s", OD_STR_ARG(od_json_get_str(&f->version_extra, "image", OD_STR(""))));
    uint64_t seed = od_hash(f->arn.ptr, f->arn.len, 0) >> 1; /* JSON numbers are signed */
    if (!image.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_printf(spec, "{\"kind\":\"batch\",\"segments\":%s", f->segments ? "true" : "false");
    add_text(spec, "job", f->arn);
    add_text(spec, "group", f->version.group);
    add_text(spec, "image", image);
    od_buf_printf(spec, ",\"now_ms\":%lld,\"seed\":%llu,\"threads\":%u,\"most_lines\":%llu",
                  (long long)app->io->now_ms(app->io), (unsigned long long)seed,
                  app->config.worker_threads, (unsigned long long)most_lines(app, f));
    if (od_json_get(&f->job_extra, OD_STR("results")))
        od_buf_printf(spec, ",\"results\":%lld",
                      (long long)od_json_get_i64(&f->job_extra, "results", -1));
    od_encryption_add(spec, f->to);
    add_config(spec, f);
    add_filter(spec, f);
    enum od_status s = add_files(app, f, spec, err);
    for (int t = OD_INTERACTIONS; s == OD_OK && t <= OD_USERS; t++)
        s = od_prepare_dataset(&list, keys[t], &f->datasets[t]);
    od_buf_char(spec, '}');
    if (s == OD_OK && (s = od_buf_status(spec)) != OD_OK)
        od_fail(err, s, "Too many files in %.*s.", OD_STR_ARG(f->from));
    return s;
}

static enum od_status prepare(struct od_app *app, int64_t job_id, struct od_str arn, bool segments,
                              struct od_buf *spec, struct od_error *err)
{
    struct od_arena arena;
    struct od_error why = {0};
    od_arena_init(&arena, ARENA_MAX);
    struct facts facts = {.arena = &arena, .arn = arn, .segments = segments};
    struct od_str work = od_app_path(app, &arena, "work/%lld", (long long)job_id);
    enum od_status s = work.ptr ? app->io->make_folder(app->io, work.ptr, &why)
                                : od_fail(&why, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_app_on_store(app, read_facts, &facts, &why);
    if (s == OD_OK)
        s = write_spec(app, job_id, &facts, spec, &why);
    od_arena_done(&arena);
    return s == OD_OK ? OD_OK
                      : od_fail(err, s, "Failed to create a batch %s job. %s",
                                segments ? "segment" : "inference", why.message);
}

enum od_status od_prepare_batch_inference(struct od_app *app, int64_t job_id, struct od_str arn,
                                          struct od_buf *spec, struct od_error *err)
{
    return prepare(app, job_id, arn, false, spec, err);
}

enum od_status od_prepare_batch_segment(struct od_app *app, int64_t job_id, struct od_str arn,
                                        struct od_buf *spec, struct od_error *err)
{
    return prepare(app, job_id, arn, true, spec, err);
}
