/* The worker process: reads one job from its input, does it, reports, exits.
 *
 * It runs at low priority, so that serving keeps its pace; under the memory cap it was given, so
 * that a training that needs too much fails by itself; and it dies with the server that started it.
 * The progress report doubles as the question whether anybody still listens: when the pipe is
 * closed the job ends. */
#include "jobs/worker.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "jobs/batch.h"
#include "jobs/deletion.h"
#include "jobs/export.h"
#include "jobs/import.h"
#include "jobs/jobs.h"
#include "jobs/report.h"
#include "jobs/train.h"
#include "s3/remote.h"

#define SPEC_MAX       (64u << 20)   /* thousands of files in a folder import */
#define PROGRESS_STEP  0.002         /* smaller steps are not reported */
#define DEFAULT_MEMORY (16ULL << 30) /* what recipes may use when the server set no cap */
#define LOW_PRIORITY   10

struct worker {
    const struct od_io *io;
    int out_fd;
    uint64_t memory_bytes;
    double last_fraction;
    char last_stage[160];
    struct od_arena arena;
    struct od_remote *remote; /* NULL: s3:// locations are files, resolved before */
};

enum od_domain od_spec_domain(struct od_str name)
{
    if (od_str_eq_c(name, "ECOMMERCE"))
        return OD_ECOMMERCE;
    if (od_str_eq_c(name, "VIDEO_ON_DEMAND"))
        return OD_VIDEO_ON_DEMAND;
    return OD_DOMAIN_NONE;
}

static enum od_status tell_progress(void *context, double fraction, const char *stage)
{
    struct worker *w = context;
    bool same_stage = strncmp(stage, w->last_stage, sizeof w->last_stage - 1) == 0;
    double moved = fraction - w->last_fraction;
    if (same_stage && moved > -PROGRESS_STEP && moved < PROGRESS_STEP)
        return OD_OK;
    w->last_fraction = fraction;
    snprintf(w->last_stage, sizeof w->last_stage, "%s", stage);
    return od_report_progress(w->out_fd, fraction, stage);
}

static enum od_status tell_import_progress(void *context, double fraction)
{
    return tell_progress(context, fraction, "importing");
}

/* A list of texts; none when absent. */
static enum od_status texts_of(struct worker *w, const struct od_json *spec, const char *key,
                               const struct od_str **out, size_t *out_count, struct od_error *err)
{
    const struct od_json *from = od_json_get(spec, od_str_c(key));
    size_t count = from && from->kind == OD_JSON_ARRAY ? from->count : 0;
    struct od_str *list = OD_NEW_ARRAY(&w->arena, struct od_str, count);
    if (!list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++)
        list[i] = from->items[i].text;
    *out = list;
    *out_count = count;
    return OD_OK;
}

static enum od_status run_import(struct worker *w, const struct od_json *spec,
                                 struct od_buf *result, struct od_error *err)
{
    struct od_import_spec job = {
        .schema_text = od_json_get_str(spec, "schema", OD_STR("")),
        .domain = od_spec_domain(od_json_get_str(spec, "domain", OD_STR(""))),
        .segment_path = od_json_get_str(spec, "segment", OD_STR("")),
        .report_path = od_json_get_str(spec, "report", OD_STR("")),
        .minimum_rows = (uint64_t)od_json_get_i64(spec, "minimum_rows", 0),
        .threads = (unsigned)od_json_get_i64(spec, "threads", 0),
        .progress = tell_import_progress,
        .progress_context = w,
    };
    if (!od_dataset_type_parse(od_json_get_str(spec, "type", OD_STR("")), &job.type))
        return od_fail(err, OD_INTERNAL, "The import names no dataset type.");
    enum od_status s = texts_of(w, spec, "files", &job.files, &job.file_count, err);
    struct od_import_result done;
    if (s == OD_OK)
        s = od_import_run(&job, w->io, &done, err);
    if (s == OD_OK)
        od_buf_printf(result, "{\"rows\":%llu,\"bytes\":%llu,\"seconds\":%.3f}",
                      (unsigned long long)done.rows, (unsigned long long)done.bytes, done.seconds);
    return s;
}

static enum od_status tell_export_progress(void *context, double fraction)
{
    return tell_progress(context, fraction, "exporting");
}

static enum od_status run_export(struct worker *w, const struct od_json *spec,
                                 struct od_buf *result, struct od_error *err)
{
    const struct od_json *data = od_json_get(spec, OD_STR("data"));
    struct od_export_spec job = {
        .schema_text = od_json_get_str(data, "schema", OD_STR("")),
        .domain = od_spec_domain(od_json_get_str(data, "domain", OD_STR(""))),
        .newest = od_json_get_bool(spec, "newest", false),
        .folder = od_json_get_str(spec, "folder", OD_STR("")),
        .scratch = od_json_get_str(spec, "scratch", OD_STR("")),
        .progress = tell_export_progress,
        .progress_context = w,
    };
    struct od_export_result done;
    enum od_status s = texts_of(w, data, "segments", &job.segments, &job.segment_count, err);
    if (s == OD_OK)
        s = od_export_run(&job, w->io, &done, err);
    if (s == OD_OK)
        od_buf_printf(result, "{\"rows\":%llu,\"bytes\":%llu,\"files\":%u}",
                      (unsigned long long)done.rows, (unsigned long long)done.bytes, done.files);
    return s;
}

static enum od_status tell_deletion_progress(void *context, double fraction)
{
    return tell_progress(context, fraction, "deleting");
}

static enum od_status run_deletion(struct worker *w, const struct od_json *spec,
                                   struct od_buf *result, struct od_error *err)
{
    return od_deletion_run(w->io, spec, result, tell_deletion_progress, w, err);
}

static enum od_status run_train(struct worker *w, const struct od_json *spec, struct od_buf *result,
                                struct od_error *err)
{
    struct od_progress progress = {tell_progress, w};
    struct od_train_result done;
    enum od_status s = od_train_run(w->io, spec, w->memory_bytes, &progress, &w->arena, &done, err);
    if (s != OD_OK)
        return s;
    od_buf_puts(result, "{\"metrics\":{");
    for (size_t i = 0; i < done.metrics.count; i++) {
        od_buf_puts(result, i ? "," : "");
        od_buf_json(result, od_str_c(done.metrics.list[i].name));
        od_buf_char(result, ':');
        od_buf_double(result, done.metrics.list[i].value);
    }
    od_buf_printf(
        result, "},\"seconds\":%.3f,\"hash\":\"%016llx\",\"events\":%llu,\"users\":%u,\"items\":%u",
        done.seconds, (unsigned long long)done.hash, (unsigned long long)done.events, done.users,
        done.items);
    od_buf_printf(result, ",\"recipe\":\"%.*s\"", OD_STR_ARG(done.recipe));
    if (done.tuned.ptr)
        od_buf_printf(result, ",\"tuned\":%.*s", OD_STR_ARG(done.tuned));
    if (done.search.ptr)
        od_buf_printf(result, ",\"search\":%.*s", OD_STR_ARG(done.search));
    od_buf_char(result, '}');
    return OD_OK;
}

static enum od_status run_batch(struct worker *w, const struct od_json *spec, struct od_buf *result,
                                struct od_error *err)
{
    struct od_progress progress = {tell_progress, w};
    return od_batch_job_run(w->io, spec, &progress, &w->arena, result, err);
}

static enum od_status read_spec(struct worker *w, int in_fd, struct od_json *out,
                                struct od_error *err)
{
    struct od_buf text;
    od_buf_init(&text, SPEC_MAX);
    ssize_t n = 1;
    while (n > 0) {
        char *room = od_buf_reserve(&text, 65536);
        if (!room)
            break;
        n = read(in_fd, room, 65536);
        if (n > 0)
            od_buf_commit(&text, (size_t)n);
    }
    enum od_status s = od_buf_status(&text);
    if (s != OD_OK)
        od_fail(err, s, "The job's description is larger than %u bytes.", SPEC_MAX);
    else
        s = od_json_parse(&w->arena, od_buf_view(&text), out, err);
    od_buf_done(&text);
    return s;
}

static const struct work {
    const char *kind;
    enum od_status (*run)(struct worker *w, const struct od_json *spec, struct od_buf *result,
                          struct od_error *err);
} works[] = {{"import", run_import},
             {"export", run_export},
             {"deletion", run_deletion},
             {"train", run_train},
             {"batch", run_batch}};

static const struct work *find_work(struct od_str kind)
{
    for (size_t i = 0; i < sizeof works / sizeof *works; i++)
        if (od_str_eq_c(kind, works[i].kind))
            return &works[i];
    return NULL;
}

/* With an endpoint, paths s3://bucket/key are its objects, for every kind of work. */
static enum od_status open_remote(struct worker *w, const struct od_json *spec,
                                  struct od_error *err)
{
    const struct od_json *s3 = od_json_get(spec, OD_STR("s3"));
    struct od_str kms_key = od_json_get_str(spec, "kms_key", OD_STR_NONE);
    if (!s3)
        return OD_OK;
    const struct od_s3_endpoint endpoint = {.url = od_json_get_str(s3, "endpoint", OD_STR("")),
                                            .region = od_json_get_str(s3, "region", OD_STR("")),
                                            .key_id = od_json_get_str(s3, "key_id", OD_STR("")),
                                            .secret = od_json_get_str(s3, "secret", OD_STR("")),
                                            .ca = od_json_get_str(s3, "ca", OD_STR("")),
                                            .virtual_host =
                                                od_json_get_bool(s3, "virtual_host", false)};
    struct od_str staging = od_arena_str(&w->arena, od_json_get_str(s3, "staging", OD_STR("")));
    /* What an earlier run of this job left there when it was killed is of no use. */
    enum od_status s =
        staging.ptr ? od_io_remove_tree(w->io, staging.ptr, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_remote_new(w->io, &endpoint, staging.ptr, &w->remote, err);
    if (s == OD_OK && kms_key.ptr)
        s = od_remote_encrypt(w->remote, kms_key, err);
    if (s == OD_OK)
        w->io = od_remote_io(w->remote);
    return s;
}

static enum od_status do_job(struct worker *w, int in_fd, struct od_buf *result,
                             struct od_error *err)
{
    struct od_json spec;
    enum od_status s = read_spec(w, in_fd, &spec, err);
    if (s != OD_OK)
        return s;
    s = open_remote(w, &spec, err);
    if (s != OD_OK)
        return s;
    struct od_str kind = od_json_get_str(&spec, "kind", OD_STR(""));
    const struct work *work = find_work(kind);
    if (!work)
        return od_fail(err, OD_INTERNAL, "Unknown kind of job \"%.*s\".", OD_STR_ARG(kind));
    s = work->run(w, &spec, result, err);
    if (s == OD_OK && od_buf_status(result) != OD_OK)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    return s;
}

static void be_a_good_child(uint64_t memory_bytes)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGPIPE, SIG_IGN);
    (void)setpriority(PRIO_PROCESS, 0, LOW_PRIORITY);
    if (memory_bytes) {
        struct rlimit cap = {memory_bytes, memory_bytes};
        (void)setrlimit(RLIMIT_DATA, &cap);
    }
}

int od_worker_main(const struct od_io *io, int in_fd, int out_fd, uint64_t memory_bytes)
{
    be_a_good_child(memory_bytes);
    fcntl(out_fd, F_SETFD, FD_CLOEXEC);
    struct worker w = {
        .io = io, .out_fd = out_fd, .memory_bytes = memory_bytes ? memory_bytes : DEFAULT_MEMORY};
    struct od_buf result;
    struct od_error err = {0};
    od_arena_init(&w.arena, SIZE_MAX);
    od_buf_init(&result, OD_REPORT_LINE_MAX / 2);
    /* a server that died before be_a_good_child had its word is noticed by its closed pipe */
    enum od_status told = od_report_progress(out_fd, 0, "starting");
    enum od_status s = told == OD_OK ? do_job(&w, in_fd, &result, &err) : told;
    if (told == OD_OK)
        told = s == OD_OK ? od_report_result(out_fd, od_buf_view(&result))
                          : od_report_error(out_fd, &err);
    od_remote_free(w.remote);
    od_buf_done(&result);
    od_arena_done(&w.arena);
    return s == OD_OK && told == OD_OK ? 0 : 1;
}
