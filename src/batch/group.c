/* A dataset group made from files, by the calls with which the server makes its own (serve.h): bulk
 * segments in order of arrival, then what came by Put*, which the server folded into segments
 * before the job began.
 *
 * Events are a segment of their own form (jobs/fold.c): with sessions, which training does not
 * need, and serving does, because what a session did belongs to the user it was joined to. */
#include "batch/group.h"

#include "base/bitmap.h"
#include "base/limits.h"

struct loading {
    const struct od_batch_job *job;
    const struct od_io *io;
    struct od_batch_group *group;
    struct od_reload *reload;
    uint64_t rows, all_rows; /* fed, and of all datasets */
    double to;
    struct od_error *err;
};

static enum od_status tell(struct loading *l, uint32_t rows)
{
    const struct od_progress *progress = &l->job->progress;
    l->rows += rows;
    double part = l->all_rows ? (double)l->rows / (double)l->all_rows : 1;
    return progress->report ? progress->report(progress->context, l->to * (part < 1 ? part : 1),
                                               "loading histories and catalogue")
                            : OD_OK;
}

/* ---- events ---- */

struct event_columns {
    size_t user, session, item, type, value, time, shown;
};

static bool find_columns(const struct od_schema *schema, struct event_columns *out)
{
    out->user = od_schema_find(schema, OD_STR("USER_ID"));
    out->value = od_schema_find(schema, OD_STR("EVENT_VALUE"));
    out->session = od_schema_find(schema, OD_STR("SESSION_ID"));
    out->item = od_schema_find(schema, OD_STR("ITEM_ID"));
    out->type = od_schema_find(schema, OD_STR("EVENT_TYPE"));
    out->time = od_schema_find(schema, OD_STR("TIMESTAMP"));
    out->shown = od_schema_find(schema, OD_STR("IMPRESSION"));
    return out->user != SIZE_MAX && out->session != SIZE_MAX && out->item != SIZE_MAX &&
           out->type != SIZE_MAX && out->value != SIZE_MAX && out->time != SIZE_MAX &&
           out->shown != SIZE_MAX;
}

static struct od_str text_at(const struct od_chunk *chunk, size_t column, uint32_t row)
{
    struct od_value value;
    od_chunk_value(chunk, column, row, &value);
    return value.kind == OD_VALUE_TEXT ? value.text : OD_STR_NONE;
}

static enum od_status feed_events(struct loading *l, const struct od_schema *schema,
                                  const struct od_chunk *chunk)
{
    struct event_columns at;
    if (!find_columns(schema, &at))
        return od_fail(l->err, OD_CORRUPT, "The folded events have not the columns they should.");
    for (uint32_t row = 0; row < chunk->row_count; row++) {
        struct od_value time, value;
        od_chunk_value(chunk, at.time, row, &time);
        od_chunk_value(chunk, at.value, row, &value);
        struct od_str type = text_at(chunk, at.type, row), shown = text_at(chunk, at.shown, row);
        struct od_str list[OD_MAX_RESULTS];
        size_t count = 0;
        while (count < OD_MAX_RESULTS && od_str_cut(&shown, '|', &list[count]))
            count++;
        struct od_live_event event = {.user = text_at(chunk, at.user, row),
                                      .session = text_at(chunk, at.session, row),
                                      .item = text_at(chunk, at.item, row),
                                      .type = type.ptr ? type : OD_STR(""),
                                      .impression = count ? list : NULL,
                                      .impression_count = count,
                                      .time_s = time.integer,
                                      .has_value = value.kind == OD_VALUE_REAL,
                                      .value = value.real};
        enum od_status s = od_reload_event(l->reload, &event);
        if (s != OD_OK && s != OD_LIMIT) /* one event type too many: as at the server's start */
            return od_fail(l->err, s, NULL);
    }
    return OD_OK;
}

/* ---- segments ---- */

static enum od_status feed_chunks(struct loading *l, const struct od_segment *segment,
                                  struct od_str path, bool events)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < segment->chunk_count; i++) {
        struct od_arena piece;
        struct od_chunk chunk;
        od_arena_init(&piece, SIZE_MAX);
        s = od_segment_chunk(segment, i, &piece, &chunk, l->err);
        if (s == OD_OK && events) {
            s = feed_events(l, &segment->schema, &chunk);
        } else if (s == OD_OK) {
            s = od_reload_chunk(l->reload, &segment->schema, &chunk);
            if (s != OD_OK)
                od_fail(l->err, s, "cannot load %.*s", OD_STR_ARG(path));
        }
        if (s == OD_OK && (s = tell(l, chunk.row_count)) != OD_OK)
            od_fail(l->err, s, NULL);
        od_arena_done(&piece);
    }
    return s;
}

/* Opens a segment and feeds it; all_rows given: only counts its rows. */
static enum od_status with_segment(struct loading *l, struct od_str path, bool events,
                                   uint64_t *all_rows)
{
    struct od_arena arena;
    struct od_io_map map = {0};
    struct od_segment segment;
    od_arena_init(&arena, SIZE_MAX);
    struct od_str name = od_arena_str(&arena, path);
    enum od_status s =
        name.ptr ? l->io->map(l->io, name.ptr, &map, l->err) : od_fail(l->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        s = od_segment_open(&arena, (struct od_str){map.ptr, map.bytes}, &segment, l->err);
        if (s == OD_OK && all_rows)
            *all_rows += segment.row_count;
        else if (s == OD_OK)
            s = feed_chunks(l, &segment, path, events);
        l->io->unmap(l->io, &map);
    }
    od_arena_done(&arena);
    return s;
}

static enum od_status walk(struct loading *l, const struct od_batch_dataset *d, uint64_t *all_rows)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < d->segment_count; i++)
        s = with_segment(l, d->segments[i], false, all_rows);
    return s == OD_OK && d->events.ptr ? with_segment(l, d->events, true, all_rows) : s;
}

static enum od_status load_dataset(struct loading *l, enum od_dataset_type type)
{
    const struct od_batch_dataset *d = &l->job->datasets[type];
    struct od_serve *serve = l->group->serve;
    enum od_status s = od_reload_begin(serve, l->job->group_arn, type, &l->reload, l->err);
    if (s != OD_OK)
        return s;
    s = walk(l, d, NULL);
    if (s == OD_OK)
        return od_reload_commit(l->reload, l->err);
    od_reload_abort(l->reload);
    return s;
}

static enum od_status load(struct loading *l)
{
    const struct od_batch_job *job = l->job;
    enum od_status s = od_serve_group_add(l->group->serve, job->group_arn, l->err);
    for (int t = OD_INTERACTIONS; s == OD_OK && t <= OD_USERS; t++) {
        if (!job->datasets[t].schema_text.ptr)
            continue;
        s = od_serve_dataset_set(l->group->serve, job->group_arn, (enum od_dataset_type)t,
                                 job->datasets[t].schema_text, job->datasets[t].domain, l->err);
        if (s == OD_OK)
            s = walk(l, &job->datasets[t], &l->all_rows);
    }
    /* events name items in lists of what was shown, so the records come first */
    static const enum od_dataset_type order[] = {OD_ITEMS, OD_USERS, OD_INTERACTIONS};
    for (size_t i = 0; s == OD_OK && i < sizeof order / sizeof *order; i++)
        if (job->datasets[order[i]].schema_text.ptr)
            s = load_dataset(l, order[i]);
    return s;
}

/* ---- filter and model ---- */

/* The recipe's name is in the image; it is asked for once more here, because lines are read by it.
 */
static enum od_status find_spec(struct od_batch_group *group, const struct od_batch_job *job,
                                const struct od_io *io, const char *path, struct od_error *err)
{
    struct od_io_map map = {0};
    struct od_image image;
    enum od_status s = io->map(io, path, &map, err);
    if (s != OD_OK)
        return s;
    s = od_image_open((struct od_str){map.ptr, map.bytes}, false, &image, err);
    if (s == OD_OK) {
        group->spec = od_recipe_spec_find(image.recipe);
        if (!group->spec)
            s = od_fail(err, OD_CORRUPT, "The model image of %.*s is of an unknown recipe.",
                        OD_STR_ARG(job->name));
    }
    io->unmap(io, &map);
    return s;
}

static enum od_status open_model(struct od_batch_group *group, const struct od_batch_job *job,
                                 const char *path, struct od_error *err)
{
    if (job->segments)
        return od_segments_open(group->serve, job->group_arn, path, job->filter_arn,
                                &group->segments, err);
    const struct od_campaign_setup setup = {
        .campaign_arn = job->name,
        .group_arn = job->group_arn,
        .image_path = path,
        .exploration_weight = job->exploration_weight,
        .exploration_cutoff_days = job->exploration_cutoff_days,
        .popularity_influence = job->popularity_influence,
        .freshness_influence = job->freshness_influence,
    };
    enum od_status s = od_serve_campaign_set(group->serve, &setup, err);
    return s == OD_OK ? od_serve_warm(group->serve, job->name, job->now_ms, err) : s;
}

static enum od_status open_all(struct od_batch_group *group, const struct od_batch_job *job,
                               const struct od_io *io, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 20);
    struct od_str path = od_arena_str(&arena, job->image);
    enum od_status s = path.ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK && job->filter_arn.ptr)
        s = od_serve_filter_add(group->serve, job->filter_arn, job->group_arn,
                                job->filter_expression, true, err);
    if (s == OD_OK)
        s = find_spec(group, job, io, path.ptr, err);
    if (s == OD_OK)
        s = open_model(group, job, path.ptr, err);
    od_arena_done(&arena);
    return s;
}

enum od_status od_batch_group_init(struct od_batch_group *out, const struct od_batch_job *job,
                                   const struct od_io *io, double to, struct od_error *err)
{
    *out = (struct od_batch_group){.serve = od_serve_new(io)};
    if (!out->serve)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct loading l = {.job = job, .io = io, .group = out, .to = to, .err = err};
    enum od_status s = load(&l);
    if (s == OD_OK)
        s = open_all(out, job, io, err);
    if (s != OD_OK)
        od_batch_group_done(out);
    return s;
}

void od_batch_group_done(struct od_batch_group *group)
{
    od_segments_close(group->segments);
    od_serve_free(group->serve);
    *group = (struct od_batch_group){0};
}
