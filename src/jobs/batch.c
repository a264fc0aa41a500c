/* Batch jobs: see batch.h. */
#include "jobs/batch.h"

#include "base/json.h"
#include "batch/batch.h"
#include "jobs/worker.h"

static enum od_status read_strings(const struct od_json *list, struct od_arena *arena,
                                   const struct od_str **out, size_t *out_count)
{
    size_t count = list && list->kind == OD_JSON_ARRAY ? list->count : 0;
    struct od_str *texts = OD_NEW_ARRAY(arena, struct od_str, count);
    for (size_t i = 0; texts && i < count; i++)
        texts[i] = list->items[i].text;
    *out = texts;
    *out_count = count;
    return texts ? OD_OK : OD_NO_MEMORY;
}

static enum od_status read_dataset(const struct od_json *spec, const char *key,
                                   struct od_arena *arena, struct od_batch_dataset *out)
{
    const struct od_json *source = od_json_get(spec, od_str_c(key));
    if (!source)
        return OD_OK;
    out->schema_text = od_json_get_str(source, "schema", OD_STR(""));
    out->domain = od_spec_domain(od_json_get_str(source, "domain", OD_STR("")));
    out->events = od_json_get_str(source, "events", OD_STR_NONE);
    return read_strings(od_json_get(source, OD_STR("segments")), arena, &out->segments,
                        &out->segment_count);
}

static enum od_status read_files(const struct od_json *spec, struct od_arena *arena,
                                 struct od_batch_job *out)
{
    const struct od_json *list = od_json_get(spec, OD_STR("files"));
    size_t count = list && list->kind == OD_JSON_ARRAY ? list->count : 0;
    struct od_batch_file *files = OD_NEW_ARRAY(arena, struct od_batch_file, count);
    for (size_t i = 0; files && i < count; i++)
        files[i] = (struct od_batch_file){od_json_get_str(&list->items[i], "in", OD_STR("")),
                                          od_json_get_str(&list->items[i], "out", OD_STR(""))};
    out->files = files;
    out->file_count = count;
    return files ? OD_OK : OD_NO_MEMORY;
}

static enum od_status read_job(const struct od_json *spec, struct od_arena *arena,
                               struct od_batch_job *out)
{
    static const char *const keys[] = {"interactions", "items", "users"};
    const struct od_json *filter = od_json_get(spec, OD_STR("filter"));
    *out = (struct od_batch_job){
        .segments = od_json_get_bool(spec, "segments", false),
        .name = od_json_get_str(spec, "job", OD_STR("")),
        .group_arn = od_json_get_str(spec, "group", OD_STR("")),
        .image = od_json_get_str(spec, "image", OD_STR("")),
        .results = od_json_get_i64(spec, "results", -1),
        .exploration_weight = od_json_get_double(spec, "exploration_weight", -1),
        .exploration_cutoff_days = od_json_get_double(spec, "exploration_cutoff_days", -1),
        .popularity_influence = od_json_get_double(spec, "popularity_influence", 0),
        .freshness_influence = od_json_get_double(spec, "freshness_influence", 0),
        .now_ms = od_json_get_i64(spec, "now_ms", 0),
        .seed = (uint64_t)od_json_get_i64(spec, "seed", 0),
        .threads = (unsigned)od_json_get_i64(spec, "threads", 0),
        .most_lines = (uint64_t)od_json_get_i64(spec, "most_lines", 0),
    };
    if (filter) {
        out->filter_arn = od_json_get_str(filter, "arn", OD_STR(""));
        out->filter_expression = od_json_get_str(filter, "expression", OD_STR(""));
    }
    enum od_status s = read_files(spec, arena, out);
    for (int t = OD_INTERACTIONS; s == OD_OK && t <= OD_USERS; t++)
        s = read_dataset(spec, keys[t], arena, &out->datasets[t]);
    return s;
}

enum od_status od_batch_job_run(const struct od_io *io, const struct od_json *spec,
                                const struct od_progress *progress, struct od_arena *arena,
                                struct od_buf *result, struct od_error *err)
{
    struct od_batch_job job;
    struct od_batch_result done;
    if (read_job(spec, arena, &job) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    job.progress = *progress;
    enum od_status s = od_batch_run(&job, io, &done, err);
    if (s == OD_OK)
        od_buf_printf(result, "{\"lines\":%llu,\"errors\":%llu,\"seconds\":%.3f}",
                      (unsigned long long)done.lines, (unsigned long long)done.errors,
                      done.seconds);
    return s;
}
