/* Loading live data: see load.h. */
#include "api/load.h"

#include "data/segment.h"

struct feed {
    struct od_loading *loading;
    struct od_app *app;
    struct od_error *err;
};

static enum od_status feed_event(void *context, const struct od_event *event)
{
    struct feed *f = context;
    struct od_live_event live = {.user = event->user,
                                 .session = event->session,
                                 .item = event->item,
                                 .action = f->loading->info.type == OD_ACTION_INTERACTIONS,
                                 .type = event->type,
                                 .time_s = event->time_s};
    enum od_status s = od_reload_event(f->loading->reload, &live);
    if (s == OD_LIMIT) /* one event type too many: it was not live when it arrived either */
        return OD_OK;
    return s == OD_OK ? OD_OK : od_fail(f->err, s, NULL);
}

static enum od_status feed_record(void *context, const struct od_value *values)
{
    struct feed *f = context;
    enum od_status s = od_reload_record(f->loading->reload, values);
    return s == OD_OK ? OD_OK : od_fail(f->err, s, NULL);
}

static enum od_status feed_segment(struct feed *f, struct od_str path)
{
    struct od_arena arena;
    struct od_io_map map = {0};
    struct od_segment segment;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str full = od_app_path(f->app, &arena, "%.*s", OD_STR_ARG(path));
    enum od_status s =
        full.ptr ? f->app->io->map(f->app->io, full.ptr, &map, f->err) : OD_NO_MEMORY;
    if (s != OD_OK) {
        od_arena_done(&arena);
        return s;
    }
    s = od_segment_open(&arena, (struct od_str){map.ptr, map.bytes}, &segment, f->err);
    for (size_t i = 0; s == OD_OK && i < segment.chunk_count; i++) {
        struct od_arena piece;
        struct od_chunk chunk;
        od_arena_init(&piece, SIZE_MAX);
        s = od_segment_chunk(&segment, i, &piece, &chunk, f->err);
        if (s == OD_OK) {
            s = od_reload_chunk(f->loading->reload, &segment.schema, &chunk);
            if (s != OD_OK)
                od_fail(f->err, s, "cannot load %.*s", OD_STR_ARG(path));
        }
        od_arena_done(&piece);
    }
    f->app->io->unmap(f->app->io, &map);
    od_arena_done(&arena);
    return s;
}

/* Interactions and action interactions: every segment, then the log. */
static enum od_status feed_events(struct feed *f, const struct od_bulk *bulk, size_t bulk_count)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < bulk_count; i++)
        s = feed_segment(f, bulk[i].path);
    if (s == OD_OK && f->loading->event_mark)
        s = od_events_read(f->app->reader, f->loading->info.arn, 0, f->loading->event_mark,
                           feed_event, f, f->err);
    return s;
}

/* Items, users and actions: segments and put records as they arrived. */
static enum od_status feed_table(struct feed *f, const struct od_bulk *bulk, size_t bulk_count,
                                 struct od_arena *arena)
{
    struct od_source *plan;
    size_t count;
    const struct od_dataset_info *info = &f->loading->info;
    enum od_status s = od_sources_plan(f->app->reader, info->arn, bulk, bulk_count,
                                       f->loading->record_mark, arena, &plan, &count, f->err);
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        if (plan[i].segment.ptr)
            s = feed_segment(f, plan[i].segment);
        else if (f->loading->record_mark)
            s = od_sources_records(f->app->reader, info->arn, &plan[i], 0, f->loading->record_mark,
                                   info->schema, feed_record, f, f->err);
    }
    return s;
}

void od_load_abort(struct od_loading *loading)
{
    if (loading->reload)
        od_reload_abort(loading->reload);
    loading->reload = NULL;
}

enum od_status od_load_begin(struct od_app *app, const struct od_dataset_info *info,
                             const struct od_bulk *bulk, size_t bulk_count, struct od_arena *arena,
                             struct od_loading *out, struct od_error *err)
{
    struct od_loading loading = {.info = *info, .begun_ms = app->io->now_ms(app->io)};
    struct feed feed = {&loading, app, err};
    enum od_status s =
        od_events_last_seq(app->reader, info->arn, &loading.event_mark, &loading.record_mark, err);
    if (s == OD_OK)
        s = od_reload_begin(app->serve, info->group, info->type, &loading.reload, err);
    if (s == OD_OK && od_dataset_of_events(info->type))
        s = feed_events(&feed, bulk, bulk_count);
    else if (s == OD_OK)
        s = feed_table(&feed, bulk, bulk_count, arena);
    if (s == OD_OK)
        *out = loading;
    else
        od_load_abort(&loading);
    return s;
}

enum od_status od_load_end(struct od_app *app, struct od_loading *loading, struct od_error *err)
{
    struct feed feed = {loading, app, err};
    struct od_store_reader *reader = od_store_as_reader(app->store);
    struct od_source all = {.after_ms = INT64_MIN, .upto_ms = INT64_MAX};
    int64_t event_end, record_end;
    struct od_reload *reload = loading->reload;
    bool of_events = od_dataset_of_events(loading->info.type);
    enum od_status s = od_events_last_seq(reader, loading->info.arn, &event_end, &record_end, err);
    if (s == OD_OK && of_events && event_end > loading->event_mark)
        s = od_events_read(reader, loading->info.arn, loading->event_mark, 0, feed_event, &feed,
                           err);
    else if (s == OD_OK && !of_events && record_end > loading->record_mark)
        s = od_sources_records(reader, loading->info.arn, &all, loading->record_mark, 0,
                               loading->info.schema, feed_record, &feed, err);
    if (s != OD_OK) {
        od_load_abort(loading);
        return s;
    }
    loading->reload = NULL;
    return od_reload_commit(reload, err);
}
