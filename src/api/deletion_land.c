/* A data deletion job whose worker is done: see deletion.h. Loader thread, which alone reads the
 * log through a connection of its own: while it is here, nobody does. */
#include <stdlib.h>
#include <time.h>

#include "api/deletion_inner.h"

#define ARENA_MAX     (256u << 20)
#define SCRUB_TRIES   10
#define SCRUB_WAIT_MS 100

/* ---- the commit ---- */

static enum od_status take_out(struct od_app *app, struct od_deletion_facts *facts,
                               const struct od_json *result, struct od_error *err)
{
    struct od_io_map map;
    struct od_str path = od_deletion_ids_path(app, facts);
    if (!path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = app->io->map(app->io, path.ptr, &map, err);
    if (s != OD_OK)
        return s;
    struct od_deletion_step step = {facts, result, {map.ptr, map.bytes}};
    s = od_app_on_store(app, od_deletion_commit, &step, err);
    app->io->unmap(app->io, &map);
    return s;
}

/* ---- live data, again from the store ---- */

static enum od_status swap_in(struct od_app *app, void *loading, struct od_error *err)
{
    return od_load_end(app, loading, err);
}

static enum od_status reload(struct od_app *app, struct od_deletion_facts *facts,
                             struct od_error *err)
{
    enum od_status s = od_app_on_store(app, od_deletion_reopen, facts, err);
    for (size_t d = 0; s == OD_OK && d < facts->dataset_count; d++) {
        const struct dataset_sources *of = &facts->datasets[d];
        struct od_loading loading;
        s = od_load_begin(app, &of->info, of->bulk, of->bulk_count, facts->arena, &loading, err);
        if (s == OD_OK)
            s = od_app_on_store(app, swap_in, &loading, err);
    }
    return s;
}

/* ---- what is left on the disk ---- */

static enum od_status remove_file(struct od_app *app, const struct od_deletion_facts *facts,
                                  struct od_str name, struct od_error *err)
{
    struct od_str path = od_app_path(app, facts->arena, "%.*s", OD_STR_ARG(name));
    if (!path.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return od_io_exists(app->io, path.ptr) ? app->io->remove(app->io, path.ptr, err) : OD_OK;
}

/* Of jobs that are gone, killed ones too: work folders, and files that were never finished. */
static enum od_status sweep(struct od_app *app, const struct od_deletion_facts *facts,
                            const char *folder, const char *tail, struct od_error *err)
{
    struct od_io_entry *list;
    size_t count;
    struct od_str path = od_app_path(app, facts->arena, "%s", folder);
    enum od_status s = path.ptr ? app->io->list(app->io, path.ptr, facts->arena, &list, &count, err)
                                : od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (!od_str_ends(list[i].name, od_str_c(tail)) ||
            od_deletion_of_live_job(facts, list[i].name))
            continue;
        struct od_str one =
            od_arena_printf(facts->arena, "%s/%.*s", path.ptr, OD_STR_ARG(list[i].name));
        if (!one.ptr)
            s = od_fail(err, OD_NO_MEMORY, NULL);
        else
            s = list[i].is_folder ? od_io_remove_tree(app->io, one.ptr, err)
                                  : app->io->remove(app->io, one.ptr, err);
    }
    return s;
}

static enum od_status scrub(struct od_app *app, void *context, struct od_error *err)
{
    (void)context;
    return od_store_scrub(app->store, err);
}

/* Readers are gone in a moment, should there ever be another than this thread. */
static enum od_status scrub_database(struct od_app *app, struct od_error *err)
{
    enum od_status s = OD_UNAVAILABLE;
    for (int i = 0; s == OD_UNAVAILABLE && i < SCRUB_TRIES; i++) {
        struct timespec pause = {.tv_nsec = SCRUB_WAIT_MS * 1000000L};
        if (i)
            nanosleep(&pause, NULL);
        s = od_app_on_store(app, scrub, NULL, err);
    }
    return s;
}

static enum od_status clean(struct od_app *app, const struct od_deletion_facts *facts,
                            struct od_error *err)
{
    const struct od_json *old = od_json_get(&facts->spec, OD_STR("old"));
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && old && i < old->count; i++)
        s = remove_file(app, facts, old->items[i].text, err);
    if (s == OD_OK)
        s = sweep(app, facts, "work", "", err);
    if (s == OD_OK)
        s = sweep(app, facts, "segments", ".tmp", err);
    if (s == OD_OK)
        s = sweep(app, facts, "images", ".tmp", err);
    return s == OD_OK ? scrub_database(app, err) : s;
}

static enum od_status write_receipt(struct od_app *app, const struct od_deletion_facts *facts,
                                    struct od_error *err)
{
    struct od_buf text;
    struct od_str path =
        od_app_path(app, facts->arena, "reports/%.*s.deletion.json", OD_STR_ARG(facts->job.name));
    od_buf_init(&text, 32u << 20);
    od_json_write(od_json_get(&facts->spec, OD_STR("receipt")), &text);
    od_buf_char(&text, '\n');
    enum od_status s = path.ptr && od_buf_status(&text) == OD_OK
                           ? od_io_write_file(app->io, path.ptr, od_buf_view(&text), err)
                           : od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_done(&text);
    return s;
}

/* ---- the whole ---- */

static enum od_status land(struct od_app *app, const struct job_task *t,
                           struct od_deletion_facts *facts, struct od_error *err)
{
    struct od_json result;
    struct od_error why;
    enum od_status s = od_json_parse(facts->arena, od_str_c(t->result_text), &result, err);
    if (s == OD_OK)
        s = od_app_on_store(app, od_deletion_facts_read, facts, err);
    if (s == OD_OK && facts->spec.count == 0) {
        s = take_out(app, facts, &result, err);
        if (s == OD_OK)
            s = od_app_on_store(app, od_deletion_facts_again, facts, err);
    }
    if (s != OD_OK)
        return s;
    s = reload(app, facts, &why);
    if (s == OD_OK)
        s = clean(app, facts, &why);
    if (s == OD_OK)
        s = write_receipt(app, facts, &why);
    if (s != OD_OK)
        od_fail(err, s,
                "The users' data is deleted, but traces of it may be left on the disk; repeat the "
                "deletion with a new job. %s",
                why.message);
    return s;
}

void od_deletion_land(struct od_app *app, struct od_task *task)
{
    struct job_task *t = (struct job_task *)task;
    struct od_arena arena;
    od_arena_init(&arena, ARENA_MAX);
    struct od_deletion_facts facts = {.arena = &arena, .arn = t->arn, .job_id = t->id};
    struct ending end = {.id = t->id, .arn = t->arn};
    end.status = land(app, t, &facts, &end.err);
    end.result = &facts.spec;
    od_job_end(app, &end);
    od_deletion_facts_done(&facts);
    od_arena_done(&arena);
    od_job_task_free(t);
}

enum od_status od_deletion_outcome(struct od_call *call, const struct ending *end,
                                   struct od_resource *resource)
{
    struct od_personalize_data_deletion_job value = {0};
    enum od_status s = od_resource_read(call, &od_kind_deletion_job, resource, &value);
    if (s != OD_OK)
        return s;
    value.num_deleted =
        (struct od_opt_i64){.set = true, .value = od_json_get_i64(end->result, "deleted", 0)};
    return od_resource_pack(call, &od_kind_deletion_job, &value, resource);
}
