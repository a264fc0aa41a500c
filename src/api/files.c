/* Collecting unreferenced files: see files.h. */
#include "api/files.h"

#include <stdio.h>
#include <stdlib.h>

#include "api/fold.h"
#include "api/resource.h"

/* The card beside an image: what it says of comparisons is told again after updates. */
static struct od_str card_of(struct od_call *call, struct od_str image)
{
    struct od_str end = OD_STR(".image");
    return od_str_ends(image, end) ? od_arena_printf(call->arena, "%.*s.card.json",
                                                     (int)(image.len - end.len), image.ptr)
                                   : OD_STR("");
}

/* The images and cards of what was trained. */
static enum od_status collect_images(struct od_call *call, const struct od_kind *kind,
                                     struct od_dict *used)
{
    static const char *const files[] = {"image", "card", "base"};
    struct od_resource *list;
    size_t count;
    uint32_t code;
    enum od_status s =
        od_resource_list(call, kind, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE, &list, &count);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        struct od_json extra;
        s = od_json_parse(call->arena, list[i].extra.len ? list[i].extra : OD_STR("{}"), &extra,
                          &call->err);
        for (size_t f = 0; s == OD_OK && f < sizeof files / sizeof *files; f++)
            s = od_dict_add(used, od_json_get_str(&extra, files[f], OD_STR("")), &code);
        struct od_str base = od_json_get_str(&extra, "base", OD_STR(""));
        if (s == OD_OK)
            s = od_dict_add(used, card_of(call, base), &code);
    }
    return s;
}

enum od_status od_files_used(struct od_call *call, struct od_dict *used)
{
    static const struct od_kind *const trained[] = {&od_kind_solution_version,
                                                    &od_kind_recommender};
    struct od_bulk *bulk;
    size_t bulk_count;
    uint32_t code;
    enum od_status s =
        od_bulk_list(call->app->store, OD_STR_NONE, call->arena, &bulk, &bulk_count, &call->err);
    for (size_t i = 0; s == OD_OK && i < bulk_count; i++)
        s = od_dict_add(used, bulk[i].path, &code);
    for (size_t i = 0; s == OD_OK && i < 2; i++)
        s = collect_images(call, trained[i], used);
    return s;
}

/* The reports of the jobs there are: of imports, and of deletions their receipts. */
static enum od_status collect_reports(struct od_call *call, struct od_dict *used)
{
    static const struct {
        const struct od_kind *kind;
        const char *form;
    } reports[] = {{&od_kind_import_job, "reports/%.*s.txt"},
                   {&od_kind_deletion_job, "reports/%.*s.deletion.json"}};
    enum od_status s = OD_OK;
    for (size_t k = 0; s == OD_OK && k < 2; k++) {
        struct od_resource *jobs;
        size_t count;
        uint32_t code;
        s = od_resource_list(call, reports[k].kind, OD_STR_NONE, OD_STR_NONE, OD_STR_NONE, &jobs,
                             &count);
        for (size_t i = 0; s == OD_OK && i < count; i++) {
            char name[128];
            snprintf(name, sizeof name, reports[k].form, OD_STR_ARG(jobs[i].name));
            s = od_dict_add(used, od_str_c(name), &code);
        }
    }
    return s;
}

static void collect_folder(struct od_call *call, const char *folder, const struct od_dict *used)
{
    const struct od_io *io = call->app->io;
    struct od_str path = od_app_path(call->app, call->arena, "%s", folder);
    struct od_io_entry *list;
    size_t count;
    if (!path.ptr || io->list(io, path.ptr, call->arena, &list, &count, NULL) != OD_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        struct od_str name =
            od_arena_printf(call->arena, "%s/%.*s", folder, OD_STR_ARG(list[i].name));
        struct od_str full = od_app_path(call->app, call->arena, "%.*s", OD_STR_ARG(name));
        if (!name.ptr || !full.ptr || od_dict_find(used, name) != OD_NO_CODE)
            continue;
        enum od_status s = list[i].is_folder ? od_io_remove_tree(io, full.ptr, NULL)
                                             : io->remove(io, full.ptr, NULL);
        if (s != OD_OK)
            return; /* tried again at the next call */
    }
}

void od_files_collect(struct od_call *call)
{
    struct od_job *jobs;
    size_t job_count;
    if (od_jobs_list(call->app->store, call->arena, &jobs, &job_count, NULL) != OD_OK || job_count)
        return;
    struct od_dict *used = od_dict_new();
    if (used && od_files_used(call, used) == OD_OK && collect_reports(call, used) == OD_OK) {
        collect_folder(call, "reports", used);
        collect_folder(call, "segments", used);
        collect_folder(call, "images", used);
        collect_folder(call, "work", used);
        od_fold_collect(call);
    }
    od_dict_free(used);
}

static enum od_status trim_on_store(struct od_app *app, void *context, struct od_error *err)
{
    (void)context;
    return od_store_trim(app->store, err);
}

static void trim(struct od_app *app, struct od_task *task)
{
    struct od_error err;
    if (!atomic_load(&app->draining) &&
        od_app_on_store(app, trim_on_store, NULL, &err) != OD_OK) /* tried again at the next call */
        fprintf(stderr, "ondol: the database keeps its free space: %s\n", err.message);
    free(task);
}

void od_files_trim(struct od_app *app)
{
    struct od_task *task = calloc(1, sizeof *task);
    if (!task)
        return; /* space is returned after another deletion */
    task->run = trim;
    od_queue_post(&app->loader_queue, task);
}
