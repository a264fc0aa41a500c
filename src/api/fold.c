/* Files of histories: see fold.h.
 *
 * A fold is a reload of what is live already: the loader reads the last file and the log behind it,
 * writes the next file from both and has the store thread put it in place of what is in memory,
 * with the events that came meanwhile. Queries and events go on all the time, and whatever goes
 * wrong (a full disk, a crash) leaves memory as it was: nothing is taken from it before the file is
 * whole, synced and open. Users who come back afterwards are copied from the file by their next
 * event.
 *
 * The order of threads is that of an import: what is read on the loader thread can only be
 * overtaken by the removal of the dataset, which makes the landing fail. */
#include "api/fold.h"

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/resource.h"
#include "base/hash.h"
#include "base/limits.h"

#define ARENA_MAX (64u << 20)

static struct od_str path_of(const struct od_app *app, struct od_arena *arena, int64_t seq)
{
    return od_app_path(app, arena, "histories/%lld.hist", (long long)seq);
}

uint64_t od_fold_stamp(const struct od_dataset_info *info, const struct od_bulk *bulk,
                       size_t bulk_count)
{
    uint64_t stamp = od_hash_mix((uint64_t)info->seq, bulk_count);
    stamp = od_hash(info->schema_text.ptr, info->schema_text.len, stamp);
    for (size_t i = 0; i < bulk_count; i++)
        stamp = od_hash(bulk[i].path.ptr, bulk[i].path.len, stamp);
    return stamp == OD_FOLD_PARTIAL ? 1 : stamp;
}

enum od_status od_fold_read(struct od_app *app, struct od_loading *loading, int64_t *out_from,
                            struct od_error *err)
{
    struct od_arena arena;
    int64_t from = 0;
    od_arena_init(&arena, 1u << 16);
    struct od_str path = path_of(app, &arena, loading->info.seq);
    enum od_status s = path.ptr
                           ? od_reload_resume(loading->reload, path.ptr, loading->stamp, &from, err)
                           : od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_done(&arena);
    if (s == OD_OK && from > loading->event_mark) { /* of a log that is gone: begin again */
        od_reload_abort(loading->reload);
        loading->reload = NULL;
        s = od_reload_begin(app->serve, loading->info.group, loading->info.type, &loading->reload,
                            err);
        return s == OD_OK ? OD_NOT_FOUND : s;
    }
    if (s == OD_OK)
        *out_from = from;
    if (s == OD_OK || s == OD_NOT_FOUND || s == OD_NO_MEMORY)
        return s;
    fprintf(stderr, "ondol: %s It is made again.\n", err->message);
    return OD_NOT_FOUND;
}

enum od_status od_fold_write(struct od_app *app, const struct od_dataset_info *info,
                             struct od_reload *reload, uint64_t stamp, int64_t event_mark,
                             struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_str path = path_of(app, &arena, info->seq);
    enum od_status s = path.ptr ? od_reload_fold(reload, path.ptr, stamp, event_mark, err)
                                : od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_done(&arena);
    return s;
}

enum od_status od_fold_remove(struct od_app *app, int64_t seq, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_str path = path_of(app, &arena, seq);
    struct od_str unfinished = od_arena_printf(&arena, "%.*s.tmp", OD_STR_ARG(path));
    enum od_status s = path.ptr && unfinished.ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK && od_io_exists(app->io, path.ptr))
        s = app->io->remove(app->io, path.ptr, err);
    if (s == OD_OK && od_io_exists(app->io, unfinished.ptr))
        s = app->io->remove(app->io, unfinished.ptr, err);
    od_arena_done(&arena);
    return s;
}

void od_fold_collect(struct od_call *call)
{
    const struct od_io *io = call->app->io;
    struct od_resource *datasets;
    struct od_io_entry *files;
    size_t dataset_count, file_count;
    struct od_str folder = od_app_path(call->app, call->arena, "histories");
    if (!folder.ptr ||
        od_resource_list(call, &od_kind_dataset, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE, &datasets,
                         &dataset_count) != OD_OK ||
        io->list(io, folder.ptr, call->arena, &files, &file_count, NULL) != OD_OK)
        return;
    for (size_t i = 0; i < file_count; i++) {
        bool used = false;
        for (size_t d = 0; d < dataset_count && !used; d++) {
            char name[32];
            snprintf(name, sizeof name, "%lld.hist", (long long)datasets[d].seq);
            used = od_str_eq_c(files[i].name, name);
        }
        if (atomic_load(&call->app->ready) && od_str_ends(files[i].name, OD_STR(".tmp")))
            continue; /* the loader may be writing it */
        struct od_str path =
            od_arena_printf(call->arena, "%s/%.*s", folder.ptr, OD_STR_ARG(files[i].name));
        if (!used && path.ptr && io->remove(io, path.ptr, NULL) != OD_OK)
            return; /* tried again at the next start */
    }
}

/* ---- folding what is live ---- */

struct candidate {
    struct od_dataset_info info;
    struct od_bulk *bulk;
    size_t bulk_count;
};

struct plan {
    struct od_arena arena;
    struct candidate *list;
    size_t count;
};

/* Datasets that hold a good part of the memory: the others would cost a file and free little. */
static enum od_status make_plan(struct od_app *app, void *context, struct od_error *err)
{
    struct plan *plan = context;
    struct od_call call;
    struct od_resource *list;
    size_t count;
    uint64_t most = 0; /* of one dataset: those far below it are not worth a file yet */
    od_call_internal(&call, app, &plan->arena);
    enum od_status s = od_resource_list(&call, &od_kind_dataset, OD_STR_NONE, OD_STR_NONE,
                                        OD_STR_NONE, &list, &count);
    plan->list = s == OD_OK ? OD_NEW_ARRAY(&plan->arena, struct candidate, count) : NULL;
    for (size_t i = 0; s == OD_OK && plan->list && i < count; i++) {
        struct od_dataset_info info;
        s = od_dataset_info(&call, &list[i], &info);
        uint64_t bytes = s == OD_OK ? od_serve_evictable(app->serve, info.group, info.type) : 0;
        most = bytes > most ? bytes : most;
    }
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct candidate *c = &plan->list[plan->count];
        s = plan->list ? od_dataset_info(&call, &list[i], &c->info)
                       : od_fail(&call.err, OD_NO_MEMORY, NULL);
        if (s != OD_OK ||
            od_serve_evictable(app->serve, c->info.group, c->info.type) < most / 16 + 1)
            continue;
        s = od_bulk_list(app->store, c->info.arn, &plan->arena, &c->bulk, &c->bulk_count,
                         &call.err);
        plan->count++;
    }
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

static enum od_status land(struct od_app *app, void *loading, struct od_error *err)
{
    return od_load_end(app, loading, err);
}

static enum od_status fold_one(struct od_app *app, const struct candidate *c,
                               struct od_arena *arena, struct od_error *err)
{
    struct od_loading loading;
    enum od_status s = od_load_begin(app, &c->info, c->bulk, c->bulk_count, arena, &loading, err);
    if (s != OD_OK)
        return s;
    s = od_load_fold(app, &loading, err);
    if (s != OD_OK) {
        od_load_abort(&loading);
        return s;
    }
    od_reload_same(loading.reload);
    return od_app_on_store(app, land, &loading, err);
}

static void fold(struct od_app *app, struct od_task *task)
{
    struct plan plan = {.count = 0};
    struct od_error err;
    od_arena_init(&plan.arena, ARENA_MAX);
    enum od_status s = OD_OK;
    if (!atomic_load(&app->draining))
        s = od_app_on_store(app, make_plan, &plan, &err);
    for (size_t i = 0; s == OD_OK && i < plan.count && !atomic_load(&app->draining); i++) {
        enum od_status one = fold_one(app, &plan.list[i], &plan.arena, &err);
        if (one != OD_OK) /* a dataset that went away, a full disk: memory stays as it is */
            fprintf(stderr, "ondol: %.*s: histories stay in memory: %s\n",
                    OD_STR_ARG(plan.list[i].info.arn), err.message);
    }
    od_arena_done(&plan.arena);
    free(task);
#ifdef __GLIBC__
    malloc_trim(0); /* millions of small pieces were freed: the system shall have them back */
#endif
    atomic_store(&app->fold_after_ns,
                 app->io->monotonic_ns(app->io) + OD_HISTORY_FOLD_PAUSE_S * 1000000000LL);
    atomic_store(&app->folding, false);
}

void od_fold_tick(struct od_app *app)
{
    int64_t now = app->io->monotonic_ns(app->io);
    struct od_serve_counts counts;
    if (atomic_load(&app->folding) || now < atomic_load(&app->fold_after_ns) ||
        !app->loader_running)
        return;
    atomic_store(&app->fold_after_ns, now + 1000000000LL); /* looking takes every group's lock */
    od_serve_counts(app->serve, &counts);
    if (counts.history_evictable <= app->config.history_bytes)
        return;
    struct od_task *task = calloc(1, sizeof *task);
    if (!task)
        return;
    task->run = fold;
    atomic_store(&app->folding, true);
    od_queue_post(&app->loader_queue, task);
}
