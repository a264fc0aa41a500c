/* Loading live data: see load.h.
 *
 * Events come from the dataset's file of histories, if it is of these segments, and the log behind
 * it; else from the segments and the whole log. While they are read, and at the end, what outgrows
 * --history-memory moves to the file, and so does what took long to read from the log. */
#include "api/load.h"

#include <stdio.h>

#include "api/fold.h"
#include "base/limits.h"
#include "data/segment.h"

struct feed {
    struct od_loading *loading;
    struct od_app *app;
    struct od_arena arena; /* of one event */
    struct od_error *err;
};

/* What was shown with an event: told explicitly, or, by recommendationId, while that is known. */
static enum od_status read_impression(struct feed *f, struct od_str body,
                                      struct od_live_event *live)
{
    struct od_json json;
    struct od_str id, rest, *shown;
    od_arena_reset(&f->arena);
    shown = OD_NEW_ARRAY(&f->arena, struct od_str, OD_MAX_RESULTS);
    if (!shown)
        return OD_NO_MEMORY;
    if (od_json_parse(&f->arena, body, &json, NULL) != OD_OK)
        return OD_OK; /* none of ours */
    rest = od_json_get_str(&json, "IMPRESSION", OD_STR_NONE);
    while (live->impression_count < OD_MAX_RESULTS && od_str_cut(&rest, '|', &id))
        shown[live->impression_count++] = id;
    live->impression = shown;
    struct od_str answer = od_json_get_str(&json, "RECOMMENDATION_ID", OD_STR_NONE);
    struct od_impression_list list;
    if (live->impression_count || !answer.ptr ||
        od_serve_impressions(f->app->serve, f->loading->info.group, answer, &f->arena, &list) !=
            OD_OK ||
        list.actions != live->action)
        return OD_OK;
    live->impression = list.items;
    live->impression_count = list.count;
    return OD_OK;
}

/* Memory is for those who come back: what was read so far moves to the file. Where that fails (a
 * full disk) memory has to do. */
static void spill(struct feed *f, uint64_t stamp)
{
    struct od_error err;
    struct od_loading *l = f->loading;
    bool partial = stamp == OD_FOLD_PARTIAL;
    if (od_fold_write(f->app, &l->info, l->reload, stamp, l->event_mark, &err) == OD_OK) {
        l->folded = !partial;
        l->spilt = partial;
        return;
    }
    fprintf(stderr, "ondol: %.*s: histories stay in memory: %s\n", OD_STR_ARG(l->info.arn),
            err.message);
    l->in_memory = true;
}

static void spill_when_large(struct feed *f)
{
    if (!f->loading->in_memory &&
        od_reload_evictable(f->loading->reload) > f->app->config.history_bytes)
        spill(f, OD_FOLD_PARTIAL);
}

static enum od_status feed_event(void *context, const struct od_event *event)
{
    struct feed *f = context;
    struct od_live_event live = {.user = event->user,
                                 .session = event->session,
                                 .item = event->item,
                                 .action = f->loading->info.type == OD_ACTION_INTERACTIONS,
                                 .type = event->type,
                                 .time_s = event->time_s,
                                 .has_value = event->has_value,
                                 .value = event->value};
    enum od_status s = event->body.len ? read_impression(f, event->body, &live) : OD_OK;
    if (s == OD_OK)
        s = od_reload_event(f->loading->reload, &live);
    if (++f->loading->read % OD_CHUNK_ROWS == 0)
        spill_when_large(f);
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
            f->loading->read += chunk.row_count;
        }
        od_arena_done(&piece);
        spill_when_large(f);
    }
    f->app->io->unmap(f->app->io, &map);
    od_arena_done(&arena);
    return s;
}

/* Interactions and action interactions: the file or every segment, then the log. */
static enum od_status feed_events(struct feed *f, const struct od_bulk *bulk, size_t bulk_count)
{
    struct od_loading *l = f->loading;
    int64_t from = 0;
    l->stamp = od_fold_stamp(&l->info, bulk, bulk_count);
    enum od_status s = od_fold_read(f->app, l, &from, f->err);
    bool resumed = s == OD_OK;
    if (s == OD_NOT_FOUND)
        s = OD_OK;
    for (size_t i = 0; s == OD_OK && !resumed && i < bulk_count; i++)
        s = feed_segment(f, bulk[i].path);
    if (s == OD_OK && l->event_mark > from)
        s = od_events_replay(f->app->reader, l->info.arn, from, l->event_mark, feed_event, f,
                             f->err);
    if (s == OD_OK && !l->in_memory &&
        (l->spilt || l->read >= OD_HISTORY_START_EVENTS ||
         od_reload_evictable(l->reload) > f->app->config.history_bytes))
        spill(f, l->stamp);
    return s;
}

enum od_status od_load_fold(struct od_app *app, struct od_loading *loading, struct od_error *err)
{
    if (loading->folded)
        return OD_OK;
    return od_fold_write(app, &loading->info, loading->reload, loading->stamp, loading->event_mark,
                         err);
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
    struct feed feed = {.loading = &loading, .app = app, .err = err};
    od_arena_init(&feed.arena, 1u << 24);
    enum od_status s =
        od_events_last_seq(app->reader, info->arn, &loading.event_mark, &loading.record_mark, err);
    if (s == OD_OK)
        s = od_reload_begin(app->serve, info->group, info->type, &loading.reload, err);
    if (s == OD_OK && od_dataset_of_events(info->type))
        s = feed_events(&feed, bulk, bulk_count);
    else if (s == OD_OK)
        s = feed_table(&feed, bulk, bulk_count, arena);
    od_arena_done(&feed.arena);
    if (s == OD_OK)
        *out = loading;
    else
        od_load_abort(&loading);
    return s;
}

enum od_status od_load_end(struct od_app *app, struct od_loading *loading, struct od_error *err)
{
    struct feed feed = {.loading = loading, .app = app, .err = err};
    struct od_store_reader *reader = od_store_as_reader(app->store);
    struct od_source all = {.after_ms = INT64_MIN, .upto_ms = INT64_MAX};
    int64_t event_end, record_end;
    od_arena_init(&feed.arena, 1u << 24);
    struct od_reload *reload = loading->reload;
    loading->in_memory = true; /* the store thread writes no files of histories */
    bool of_events = od_dataset_of_events(loading->info.type);
    enum od_status s = od_events_last_seq(reader, loading->info.arn, &event_end, &record_end, err);
    if (s == OD_OK && of_events && event_end > loading->event_mark)
        s = od_events_replay(reader, loading->info.arn, loading->event_mark, 0, feed_event, &feed,
                             err);
    else if (s == OD_OK && !of_events && record_end > loading->record_mark)
        s = od_sources_records(reader, loading->info.arn, &all, loading->record_mark, 0,
                               loading->info.schema, feed_record, &feed, err);
    od_arena_done(&feed.arena);
    if (s != OD_OK) {
        od_load_abort(loading);
        return s;
    }
    loading->reload = NULL;
    return od_reload_commit(reload, err);
}
