/* Starting and stopping the server: see app.h. */
#include "api/app.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/answering.h"
#include "api/attribution.h"
#include "api/control.h"
#include "api/door.h"
#include "api/files.h"
#include "api/load.h"
#include "api/runner.h"
#include "api/targets.h"
#include "os/parallel.h"
#include "s3/remote.h"
#include "s3/s3.h"
#include "wire/metrics.h"

#define DRAIN_MS        10000
#define START_ARENA_MAX (1u << 30)

struct od_str od_app_path(const struct od_app *app, struct od_arena *arena, const char *fmt, ...)
{
    struct od_buf path;
    char tail[1024];
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(tail, sizeof tail, fmt, ap);
    va_end(ap);
    if (n < 0 || n >= (int)sizeof tail)
        return OD_STR_NONE;
    od_buf_init(&path, 8192);
    od_buf_printf(&path, "%s/%s", app->config.data_folder, tail);
    struct od_str kept =
        od_buf_status(&path) == OD_OK ? od_arena_str(arena, od_buf_view(&path)) : OD_STR_NONE;
    od_buf_done(&path);
    return kept;
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "localhost") == 0 ||
           strcmp(host, "::1") == 0 || strcmp(host, "[::1]") == 0;
}

static enum od_status make_folders(struct od_app *app, struct od_error *err)
{
    static const char *const folders[] = {"", "segments", "images", "work", "reports", "histories"};
    struct od_arena arena;
    enum od_status s = OD_OK;
    od_arena_init(&arena, 1u << 20);
    for (size_t i = 0; s == OD_OK && i < sizeof folders / sizeof *folders; i++) {
        struct od_str path = od_app_path(app, &arena, "%s", folders[i]);
        s = path.ptr ? app->io->make_folder(app->io, path.ptr, err)
                     : od_fail(err, OD_NO_MEMORY, NULL);
    }
    if (s == OD_OK)
        s = app->io->make_folder(app->io, app->config.objects_folder, err);
    od_arena_done(&arena);
    return s;
}

/* Files that were to be uploaded when an earlier run ended are of no use. */
static enum od_status open_remote(struct od_app *app, struct od_error *err)
{
    const struct od_app_config *c = &app->config;
    const struct od_s3_endpoint endpoint = {.url = od_str_c(c->s3_endpoint),
                                            .region = od_str_c(c->s3_region),
                                            .key_id = od_str_c(c->s3_key_id),
                                            .secret = od_str_c(c->s3_secret),
                                            .ca = od_str_c(c->s3_ca),
                                            .virtual_host = c->s3_virtual_host,
                                            .tries = OD_S3_SERVER_TRIES,
                                            .stop = &app->draining};
    struct od_arena arena;
    if (!c->s3_endpoint || !*c->s3_endpoint)
        return OD_OK;
    od_arena_init(&arena, 1u << 16);
    struct od_str staging = od_app_path(app, &arena, "staging");
    enum od_status s = staging.ptr ? od_io_remove_tree(app->io, staging.ptr, err)
                                   : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_remote_new(app->io, &endpoint, staging.ptr, &app->remote, err);
    if (s == OD_OK)
        app->io = od_remote_io(app->remote);
    od_arena_done(&arena);
    return s;
}

void od_app_add_remote(const struct od_app *app, int64_t job_id, struct od_buf *spec)
{
    const struct od_app_config *c = &app->config;
    const char *const names[] = {"endpoint", "region", "key_id", "secret", "ca"};
    const char *const values[] = {c->s3_endpoint, c->s3_region, c->s3_key_id, c->s3_secret,
                                  c->s3_ca};
    if (!app->remote || !spec->len)
        return;
    spec->len--; /* the brace that closes it */
    od_buf_printf(spec, ",\"s3\":{\"virtual_host\":%s", c->s3_virtual_host ? "true" : "false");
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        od_buf_printf(spec, ",\"%s\":", names[i]);
        od_buf_json(spec, od_str_c(values[i]));
    }
    od_buf_puts(spec, ",\"staging\":");
    struct od_buf staging;
    od_buf_init(&staging, 8192);
    od_buf_printf(&staging, "%s/work/%lld/staging", c->data_folder, (long long)job_id);
    od_buf_json(spec, od_buf_view(&staging));
    od_buf_done(&staging);
    od_buf_puts(spec, "}}");
}

static enum od_status open_s3(struct od_app *app, struct od_error *err)
{
    struct od_s3_config config = {
        .io = app->io,
        .root = app->config.objects_folder,
        .verifier = app->sigv4,
        .lookup = od_app_find_key,
        .lookup_context = app,
        .no_auth = app->config.no_auth,
        .encrypted_disk = app->config.encrypted_disk,
        .region = app->config.region,
        .account = app->config.account,
    };
    return od_s3_new(&config, &app->s3, err);
}

static enum od_status open_parts(struct od_app *app, struct od_error *err)
{
    const struct od_app_config *c = &app->config;
    enum od_status s = make_folders(app, err);
    if (s == OD_OK)
        s = open_remote(app, err);
    if (s == OD_OK)
        s = od_store_open(app->io, c->data_folder, &app->store, err);
    if (s == OD_OK)
        s = od_store_reader_open(app->io, c->data_folder, &app->reader, err);
    if (s == OD_OK)
        s = od_objects_new(app->io, c->objects_folder, c->file_folders, c->file_folder_count,
                           &app->objects, err);
    if (s != OD_OK)
        return s;
    app->serve = od_serve_new(app->io);
    app->capacity = od_capacity_new(c->threads);
    app->lines = calloc(c->threads, sizeof *app->lines);
    app->targets = od_targets_new();
    app->attributions = od_attributions_new();
    app->sigv4 = od_sigv4_new(od_app_find_key, app);
    for (unsigned i = 0; app->lines && i < c->threads; i++)
        app->lines[i].thread = i;
    if (!app->serve || !app->capacity || !app->lines || !app->targets || !app->attributions ||
        !app->sigv4)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = od_door_metrics_init(app, err);
    if (app->remote)
        od_objects_set_remote(app->objects);
    return s == OD_OK && !app->remote ? open_s3(app, err) : s;
}

/* The first start of a folder makes one key, so that there is something to sign with: last, so that
 * a start that fails (port taken) leaves no key that nobody was shown. It is kept apart from
 * app->keys, which the control thread may replace before the caller shows it. */
static enum od_status first_key(struct od_app *app, void *context, struct od_error *err)
{
    const struct od_key **out = context;
    if (app->key_count || app->config.no_auth)
        return OD_OK;
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    s = od_keys_create(app->store, OD_STR("admin, made at the first start"),
                       app->io->now_ms(app->io), &app->first_key_arena, &app->first_key, err);
    if (s == OD_OK)
        s = od_store_commit(app->store, err);
    else
        od_store_rollback(app->store);
    if (s == OD_OK)
        s = od_app_reload_keys(app, err);
    if (s == OD_OK)
        *out = &app->first_key;
    return s;
}

static enum od_status open_door(struct od_app *app, struct od_error *err)
{
    struct od_http_config config = {
        .host = app->config.host,
        .port = app->config.port,
        .threads = app->config.threads,
        .io = app->io,
        .handle = od_door_handle,
        .begin = od_door_begin,
        .settle = od_answering_settle,
        .context = app,
    };
    return od_http_start(&config, &app->http, err);
}

static enum od_status resume(struct od_app *app, void *context, struct od_error *err)
{
    struct od_arena arena;
    struct od_call call;
    (void)context;
    od_arena_init(&arena, START_ARENA_MAX);
    od_call_internal(&call, app, &arena);
    od_files_collect(&call);
    enum od_status s = od_runner_resume(&call);
    if (s != OD_OK)
        od_error_copy(err, &call.err);
    od_arena_done(&arena);
    return s;
}

static enum od_status load(struct od_app *app, struct od_error *err)
{
    struct od_arena arena;
    struct od_call call;
    od_arena_init(&arena, START_ARENA_MAX);
    od_call_internal(&call, app, &arena);
    enum od_status s = od_load_all(&call);
    if (s != OD_OK)
        od_error_copy(err, &call.err);
    od_arena_done(&arena);
    return s;
}

/* Until its thread runs, this thread owns the store. */
static enum od_status start_work(struct od_app *app, struct od_error *err)
{
    enum od_status s = load(app, err);
    if (s != OD_OK)
        return s;
    app->store_running = od_queue_start(&app->store_queue, od_store_thread, app) == OD_OK;
    app->loader_running =
        app->store_running && od_queue_start(&app->loader_queue, od_loader_thread, app) == OD_OK;
    app->explain_running =
        app->loader_running && od_queue_start(&app->explain_queue, od_explain_thread, app) == OD_OK;
    if (!app->explain_running)
        return od_fail(err, OD_NO_MEMORY, "cannot start a thread");
    s = od_runner_start(app, err);
    return s == OD_OK ? od_app_on_store(app, resume, NULL, err) : s;
}

enum od_status od_app_start(const struct od_app_config *config, struct od_app **out,
                            const struct od_key **out_first_key, struct od_error *err)
{
    if (config->no_auth && !is_loopback(config->host))
        return od_fail(err, OD_INVALID_INPUT,
                       "--no-auth is allowed on loopback addresses only, not on %s.", config->host);
    struct od_app *app = calloc(1, sizeof *app);
    if (!app)
        return od_fail(err, OD_NO_MEMORY, NULL);
    *out_first_key = NULL;
    app->config = *config;
    app->io = config->io;
    if (!app->config.threads)
        app->config.threads = od_cpu_count();
    pthread_rwlock_init(&app->keys_lock, NULL);
    od_arena_init(&app->keys_arena, 0);
    od_arena_init(&app->first_key_arena, 1u << 20);
    enum od_status s = open_parts(app, err);
    if (s == OD_OK)
        s = od_app_reload_keys(app, err);
    if (s == OD_OK)
        s = open_door(app, err);
    if (s == OD_OK)
        s = start_work(app, err);
    if (s == OD_OK)
        s = od_control_start(app, &app->control, err);
    if (s == OD_OK)
        s = od_app_on_store(app, first_key, out_first_key, err);
    if (s == OD_OK) {
        atomic_store(&app->ready, true);
        *out = app;
    } else {
        od_app_stop(app);
    }
    return s;
}

/* Waits until the loader has done all that was posted before. */
struct barrier {
    struct od_task task;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached;
};

static void reach(struct od_app *app, struct od_task *task)
{
    struct barrier *b = (struct barrier *)task;
    (void)app;
    pthread_mutex_lock(&b->lock);
    b->reached = true;
    pthread_cond_signal(&b->changed);
    pthread_mutex_unlock(&b->lock);
}

static void wait_for_loader(struct od_app *app)
{
    struct barrier b = {.task.run = reach};
    pthread_mutex_init(&b.lock, NULL);
    pthread_cond_init(&b.changed, NULL);
    od_queue_post(&app->loader_queue, &b.task);
    pthread_mutex_lock(&b.lock);
    while (!b.reached)
        pthread_cond_wait(&b.changed, &b.lock);
    pthread_mutex_unlock(&b.lock);
    pthread_cond_destroy(&b.changed);
    pthread_mutex_destroy(&b.lock);
}

/* After the last request: what capacity is owed to it. The data folder may be gone: then the
 * running window is lost, as by a crash. */
static enum od_status last_words(struct od_app *app, void *context, struct od_error *err)
{
    (void)context;
    return od_capacity_save(app, true, err);
}

/* What runs now will run again, and whoever stops a server in good order takes none of its
 * attempts. By now the store is this thread's alone. */
static void put_back_jobs(struct od_app *app)
{
    struct od_error err;
    enum od_status s = od_store_begin(app->store, &err);
    if (s == OD_OK) {
        s = od_jobs_put_back(app->store, &err);
        if (s == OD_OK)
            s = od_store_commit(app->store, &err);
        else
            od_store_rollback(app->store);
    }
    if (s != OD_OK)
        fprintf(stderr, "ondol: %s\n", err.message);
}

/* The order matters: no new work, then no new jobs, then no children, then the queues that their
 * ends were posted to. What the door left on the store queue, abandoned by its clients, is done
 * before the supervisor goes, which it may want to stop a job; and draining keeps the loader from
 * submitting afterwards. */
void od_app_stop(struct od_app *app)
{
    atomic_store(&app->draining, true);
    od_control_stop(app->control);
    if (app->http)
        od_http_stop(app->http, DRAIN_MS);
    od_s3_free(app->s3);
    if (app->explain_running)
        od_queue_stop(&app->explain_queue); /* it asks the store thread */
    struct od_error err;
    if (app->store_running && od_app_on_store(app, last_words, NULL, &err) != OD_OK)
        fprintf(stderr, "ondol: %s\n", err.message);
    if (app->loader_running)
        wait_for_loader(app);
    od_jobs_free(app->jobs);
    if (app->loader_running)
        od_queue_stop(&app->loader_queue);
    if (app->store_running) {
        od_queue_stop(&app->store_queue);
        put_back_jobs(app);
    }
    od_runner_free(app);
    if (app->serve)
        od_serve_free(app->serve);
    od_capacity_free(app->capacity);
    free(app->lines);
    od_targets_free(app->targets);
    od_attributions_free(app->attributions);
    if (app->sigv4)
        od_sigv4_free(app->sigv4);
    if (app->registry)
        od_registry_free(app->registry);
    free(app->door_metrics);
    if (app->objects)
        od_objects_free(app->objects);
    if (app->reader)
        od_store_reader_close(app->reader);
    if (app->store)
        od_store_close(app->store);
    od_remote_free(app->remote);
    od_arena_done(&app->keys_arena);
    od_arena_done(&app->first_key_arena);
    pthread_rwlock_destroy(&app->keys_lock);
    free(app);
}
