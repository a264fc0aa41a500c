/* Reports of what PutEvents counted: see attribution.h, invariant 3.
 *
 * Every report period the store thread closes what was counted since the last report, together with
 * the order to write it, and posts the loader, which writes all files that are owed and reports
 * each back. A file that cannot be written (a full disk, a file in the way of its folder) is tried
 * again at the next tick; its counts stay in the store until then, also when the attribution is
 * deleted meanwhile. */
#include <stdio.h>

#include "api/attach.h"
#include "api/attribution_csv.h"
#include "api/attribution_inner.h"

/* ---- the loader's part ---- */

struct writing {
    struct od_attribution_csv csv;
    struct od_error *err;
};

static enum od_status write_row(void *context, const struct od_attribution_cell *cell)
{
    struct writing *w = context;
    return od_attribution_csv_row(&w->csv, cell, w->err);
}

static enum od_status write_file(struct od_app *app, const struct od_attribution_report *report,
                                 struct od_error *err)
{
    struct writing w = {.err = err};
    enum od_status s = od_attribution_csv_open(&w.csv, app->io, app->objects, report->location,
                                               "PutEvents", report->stamp_s, err);
    if (s != OD_OK)
        return s;
    s = od_attribution_cells(app->reader, report, write_row, &w, err);
    if (s == OD_OK)
        return od_attribution_csv_close(&w.csv, err);
    od_attribution_csv_abort(&w.csv);
    return s;
}

static enum od_status forget(struct od_app *app, void *context, struct od_error *err)
{
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    s = od_attribution_written(app->store, context, err);
    if (s == OD_OK)
        return od_store_commit(app->store, err);
    od_store_rollback(app->store);
    return s;
}

static void write_reports(struct od_app *app, struct od_task *task)
{
    struct od_arena arena;
    struct od_attribution_report *reports;
    struct od_error err;
    size_t count = 0;
    (void)task;
    od_arena_init(&arena, SIZE_MAX);
    if (!atomic_load(&app->draining) &&
        od_attribution_reports(app->reader, &arena, &reports, &count, &err) != OD_OK) {
        fprintf(stderr, "ondol: reports of metric attributions: %s\n", err.message);
        count = 0;
    }
    for (size_t i = 0; i < count && !atomic_load(&app->draining); i++) {
        enum od_status s = write_file(app, &reports[i], &err);
        if (s == OD_OK)
            s = od_app_on_store(app, forget, &reports[i], &err);
        if (s == OD_OK)
            continue;
        fprintf(stderr, "ondol: a report of a metric attribution waits to be written: %s\n",
                err.message);
        if (app->remote) /* one failure is minutes of trying; the next tick goes on */
            break;
    }
    od_arena_done(&arena);
    atomic_store(&app->attributions->is_writing, false);
}

/* ---- the store thread's part ---- */

void od_attribution_write_soon(struct od_app *app)
{
    struct od_attributions *attributions = app->attributions;
    if (!app->loader_running || atomic_exchange(&attributions->is_writing, true))
        return; /* what the loader does not see any more is written after the next tick */
    attributions->write.run = write_reports;
    od_queue_post(&app->loader_queue, &attributions->write);
}

/* One commit for all attributions. */
static enum od_status seal_all(struct od_app *app, int64_t now_s, struct od_error *err)
{
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    for (struct od_attribution *a = app->attributions->first; s == OD_OK && a; a = a->next)
        if (a->config.location.ptr)
            s = od_attribution_seal(app->store, a->config.id, a->config.location, now_s, err);
    if (s == OD_OK)
        return od_store_commit(app->store, err);
    od_store_rollback(app->store);
    return s;
}

static bool reports_wait(struct od_app *app)
{
    struct od_arena arena;
    struct od_attribution_report *reports;
    struct od_error err;
    size_t count = 0;
    od_arena_init(&arena, SIZE_MAX);
    if (od_attribution_reports(od_store_as_reader(app->store), &arena, &reports, &count, &err) !=
        OD_OK)
        count = 0;
    od_arena_done(&arena);
    return count > 0;
}

void od_attribution_tick(struct od_app *app)
{
    struct od_attributions *attributions = app->attributions;
    struct od_error err;
    int64_t now_s = app->io->now_ms(app->io) / 1000;
    unsigned every_s = app->config.attribution_report_s;
    if (every_s && now_s / every_s != attributions->reported_period) {
        enum od_status s = attributions->first ? seal_all(app, now_s, &err) : OD_OK;
        if (s == OD_OK)
            attributions->reported_period = now_s / every_s;
        else
            fprintf(stderr, "ondol: reports of metric attributions: %s\n", err.message);
    }
    if (reports_wait(app))
        od_attribution_write_soon(app);
}
