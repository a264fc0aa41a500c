/* Segments: the users most likely to interact with an item, or with the items of some attributes
 * (serving.md section 14).
 *
 * The model answers in codes of its own. Its items are met by the group's item rows, as for
 * campaigns, so an attribute means what the catalogue says now; its users get rows in the group's
 * Users table, one without a record where there is none, so a filter sees every user the model can
 * list. A segment is asked for once, by a batch job, so nothing is cached: a filter is evaluated
 * for each question, in time linear in users and their distinct event types. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/state.h"

struct od_segments {
    struct od_campaign *campaign; /* a reference: image, model, item map */
    const struct od_image_dict *users;
    struct od_serve_filter *filter; /* a reference; NULL: none */
    struct od_table *own_users;     /* where the group has no Users dataset */
    uint32_t *row_of;               /* [users] row in the Users table */
    struct od_filter_people people; /* with the group's lock for reading */
    uint32_t *event_row;            /* what people points to */
    uint16_t *event_type;
    int64_t *event_s;
    size_t event_cap;
};

void od_segments_close(struct od_segments *segments)
{
    if (!segments)
        return;
    od_filters_unref(segments->filter);
    od_campaign_unref(segments->campaign);
    od_table_free(segments->own_users);
    free(segments->row_of);
    free(segments->event_row);
    free(segments->event_type);
    free(segments->event_s);
    free(segments);
}

/* ---- opening ---- */

static enum od_status give_rows(struct od_segments *s, struct od_table *table)
{
    enum od_status status = OD_OK;
    for (uint32_t u = 0; u < s->users->count && status == OD_OK; u++)
        status = od_table_row(table, od_image_dict_text(s->users, u), &s->row_of[u]);
    s->people.users = table;
    return status;
}

static enum od_status add_event(struct od_segments *s, uint32_t row, uint16_t type, int64_t time_s)
{
    size_t count = s->people.event_count;
    if (count == s->event_cap) {
        size_t cap = s->event_cap ? s->event_cap * 2 : 1024;
        uint32_t *rows = realloc(s->event_row, cap * sizeof *rows);
        if (rows)
            s->event_row = rows;
        uint16_t *types = realloc(s->event_type, cap * sizeof *types);
        if (types)
            s->event_type = types;
        int64_t *times = realloc(s->event_s, cap * sizeof *times);
        if (times)
            s->event_s = times;
        if (!rows || !types || !times)
            return OD_NO_MEMORY;
        s->event_cap = cap;
    }
    s->event_row[count] = row;
    s->event_type[count] = type;
    s->event_s[count] = time_s;
    s->people.event_count++;
    return OD_OK;
}

/* Which user has events of which type, each pair once, by its newest event: last[type] is the user
 * seen last, plus 1. */
static enum od_status note_events(struct od_segments *s, const struct od_live *live, uint32_t *last)
{
    const struct od_histories *histories = live->activity->histories;
    enum od_status status = OD_OK;
    for (uint32_t u = 0; u < s->users->count && status == OD_OK; u++) {
        struct od_history_event events[OD_HISTORY_EVENTS];
        uint32_t name = od_histories_find(histories, od_image_dict_text(s->users, u));
        uint32_t count = name == OD_NO_CODE ? 0 : od_histories_length(histories, name);
        if (count)
            od_histories_copy(histories, name, count, events);
        for (uint32_t e = count; e-- > 0 && status == OD_OK;) {
            if (last[events[e].type] == u + 1)
                continue;
            last[events[e].type] = u + 1;
            status = add_event(s, s->row_of[u], events[e].type, events[e].time);
        }
    }
    s->people.types = live->types.texts;
    s->people.type_count = live->types.count;
    s->people.event_row = s->event_row;
    s->people.event_type = s->event_type;
    s->people.event_s = s->event_s;
    return status;
}

/* With the group's lock held for writing: rows are added. */
static enum od_status prepare(struct od_segments *s, struct od_live *live, struct od_error *err)
{
    const struct od_serve_filter *filter = s->filter;
    if (filter && !filter->compiled)
        return od_error_copy(err, &filter->broken);
    if (filter && od_filter_target(filter->compiled) != OD_TARGET_USER)
        return od_fail(err, OD_INVALID_INPUT,
                       "Filter %.*s selects items or actions; segments need a filter on UserID.",
                       OD_STR_ARG(filter->arn));
    if (!live->users && !(s->own_users = od_table_new(NULL)))
        return od_fail(err, OD_NO_MEMORY, NULL);
    s->row_of = malloc(((size_t)s->users->count + 1) * sizeof *s->row_of);
    uint32_t *last = calloc((size_t)live->types.count + 1, sizeof *last);
    enum od_status status = s->row_of && last ? OD_OK : OD_NO_MEMORY;
    if (status == OD_OK)
        status = give_rows(s, live->users ? live->users : s->own_users);
    if (status == OD_OK && filter && od_filter_uses_interactions(filter->compiled))
        status = note_events(s, live, last);
    free(last);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

static enum od_status open_model(struct od_segments *s, struct od_serve *serve,
                                 struct od_live *live, const char *image_path,
                                 struct od_str filter_arn, struct od_error *err)
{
    const struct od_campaign_setup setup = {
        .campaign_arn = OD_STR("segments"), .group_arn = live->arn, .image_path = image_path};
    enum od_status status = od_campaign_open(serve->io, live, &setup, serve->find_recipe,
                                             serve->find_spec, &s->campaign, err);
    if (status != OD_OK)
        return status;
    if (!s->campaign->recipe->segment || !s->campaign->recipe->users)
        return od_fail(err, OD_INVALID_INPUT, "Recipe %s has no segments.",
                       s->campaign->spec->name);
    s->users = s->campaign->recipe->users(s->campaign->model);
    if (!filter_arn.ptr)
        return OD_OK;
    s->filter = od_serve_filter(serve, filter_arn);
    return s->filter ? OD_OK
                     : od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                               OD_STR_ARG(filter_arn));
}

enum od_status od_segments_open(struct od_serve *serve, struct od_str group_arn,
                                const char *image_path, struct od_str filter_arn,
                                struct od_segments **out, struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(group_arn));
    struct od_segments *s = calloc(1, sizeof *s);
    enum od_status status = s ? open_model(s, serve, live, image_path, filter_arn, err)
                              : od_fail(err, OD_NO_MEMORY, NULL);
    if (status == OD_OK) {
        pthread_rwlock_wrlock(&live->lock);
        status = prepare(s, live, err);
        pthread_rwlock_unlock(&live->lock);
    }
    od_live_unref(live);
    if (status == OD_OK)
        *out = s;
    else
        od_segments_close(s);
    return status;
}

/* ---- asking ---- */

static enum od_status item_of(const struct od_segments *s, const struct od_segment_ask *ask,
                              uint64_t *items, struct od_error *err)
{
    uint32_t code = od_image_dict_find(s->campaign->items, ask->item);
    if (ask->item.len == 0 || od_utf8_count(ask->item) > OD_MAX_ID_CHARS)
        return od_fail(err, OD_INVALID_INPUT, "itemId must have 1 to %d characters.",
                       OD_MAX_ID_CHARS);
    if (code == OD_NO_CODE)
        return od_fail(err, OD_INVALID_INPUT, "The solution version does not know this itemId.");
    od_bitmap_set(items, code);
    return OD_OK;
}

static enum od_status items_with(const struct od_segments *s, struct od_str attributes,
                                 struct od_arena *arena, uint64_t *items, struct od_error *err)
{
    const struct od_live *live = s->campaign->group;
    const struct od_item_map *map = &s->campaign->map;
    struct od_filter_schemas schemas = {.extended = false};
    struct od_filter *filter;
    const struct od_filter_values *none;
    for (int type = 0; type < OD_DATASET_TYPES; type++)
        schemas.by_type[type] = live->datasets[type] ? &live->datasets[type]->schema : NULL;
    enum od_status status =
        od_filter_new_attributes(attributes, &schemas, OD_MAX_FILTER_FIELDS, &filter, err);
    if (status != OD_OK)
        return status;
    struct od_filter_context context = {
        .items = live->items, .user_row = OD_NO_ROW, .current_item_row = OD_NO_ROW};
    uint64_t *rows =
        OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(od_table_row_count(live->items)));
    status = rows ? od_filter_bind(filter, NULL, 0, arena, &none, err)
                  : od_fail(err, OD_NO_MEMORY, NULL);
    if (status == OD_OK)
        status = od_filter_eval(filter, none, &context, arena, rows, err);
    od_filter_free(filter);
    bool any = false;
    for (uint32_t i = 0; i < map->item_count && status == OD_OK; i++) {
        if (!od_bitmap_get(rows, map->row_of[i]))
            continue;
        od_bitmap_set(items, i);
        any = true;
    }
    if (status == OD_OK && !any)
        status = od_fail(err, OD_INVALID_INPUT,
                         "The solution version knows no item with these itemAttributes.");
    return status;
}

static enum od_status items_of(const struct od_segments *s, const struct od_segment_ask *ask,
                               struct od_arena *arena, uint64_t *items, struct od_error *err)
{
    bool by_attribute =
        od_str_eq_c(od_str_c(s->campaign->spec->name), "aws-item-attribute-affinity");
    if (by_attribute && !ask->attributes.ptr)
        return od_fail(err, OD_INVALID_INPUT, "itemAttributes is required for this recipe.");
    if (!by_attribute && !ask->item.ptr)
        return od_fail(err, OD_INVALID_INPUT, "itemId is required for this recipe.");
    return by_attribute ? items_with(s, ask->attributes, arena, items, err)
                        : item_of(s, ask, items, err);
}

/* *out stays NULL without a filter. */
static enum od_status users_kept(const struct od_segments *s, const struct od_segment_ask *ask,
                                 struct od_arena *arena, uint64_t **out, struct od_error *err)
{
    const struct od_filter_values *bound;
    *out = NULL;
    if (!s->filter)
        return ask->filter_value_count == 0
                   ? OD_OK
                   : od_fail(err, OD_INVALID_INPUT, "filterValues need a filterArn.");
    if (!s->filter->compiled)
        return od_error_copy(err, &s->filter->broken);
    uint64_t *rows =
        OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(od_table_row_count(s->people.users)));
    uint64_t *users = OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(s->users->count));
    if (!rows || !users)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status = od_filter_bind(s->filter->compiled, ask->filter_values,
                                           ask->filter_value_count, arena, &bound, err);
    struct od_filter_people people = s->people;
    people.now_s = ask->now_ms / 1000;
    if (status == OD_OK)
        status = od_filter_eval_users(s->filter->compiled, bound, &people, arena, rows, err);
    for (uint32_t u = 0; u < s->users->count && status == OD_OK; u++)
        if (od_bitmap_get(rows, s->row_of[u]))
            od_bitmap_set(users, u);
    *out = users;
    return status;
}

enum od_status od_segments_find(const struct od_segments *segments,
                                const struct od_segment_ask *ask, struct od_arena *arena,
                                struct od_str **out, size_t *out_count, struct od_error *err)
{
    const struct od_campaign *campaign = segments->campaign;
    struct od_live *live = campaign->group;
    uint32_t most = ask->most < segments->users->count ? ask->most : segments->users->count;
    uint64_t *items = OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(campaign->map.item_count)),
             *kept;
    struct od_segment_user *best = OD_NEW_ARRAY(arena, struct od_segment_user, (size_t)most + 1);
    struct od_str *ids = OD_NEW_ARRAY(arena, struct od_str, (size_t)most + 1);
    if (!items || !best || !ids)
        return od_fail(err, OD_NO_MEMORY, NULL);
    pthread_rwlock_rdlock(&live->lock);
    enum od_status status = items_of(segments, ask, arena, items, err);
    if (status == OD_OK)
        status = users_kept(segments, ask, arena, &kept, err);
    pthread_rwlock_unlock(&live->lock);
    if (status != OD_OK)
        return status;
    uint32_t count;
    const struct od_segment_query query = {items, kept, most};
    status = campaign->recipe->segment(campaign->model, &query, arena, best, &count, err);
    for (uint32_t i = 0; i < count && status == OD_OK; i++)
        ids[i] = od_image_dict_text(segments->users, best[i].user);
    if (status != OD_OK)
        return status;
    *out = ids;
    *out_count = count;
    return OD_OK;
}
