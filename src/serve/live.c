/* The group in memory: see live.h.
 *
 * Who writes: the store thread (events, records, schemas, swaps) and, for ids alone, loader threads
 * building a replacement. Everything that can be long happens outside the lock or in slices of
 * SLICE ids: a PutEvents that waits for a loader waits microseconds. */
#include "serve/live.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "serve/filters.h"
#include "serve/types.h"

#define SLICE 1024u

static bool add_nameless(struct od_table *table)
{
    uint32_t row;
    return table && od_table_row(table, OD_STR(""), &row) == OD_OK && row == OD_NAMELESS_ROW;
}

static bool start(struct od_live *live, struct od_str arn)
{
    pthread_rwlockattr_t attr;
    if (pthread_rwlockattr_init(&attr) != 0)
        return false;
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    bool made = pthread_rwlock_init(&live->lock, &attr) == 0;
    pthread_rwlockattr_destroy(&attr);
    if (!made)
        return false;
    atomic_init(&live->refs, 1);
    char *text = malloc(arn.len + 1);
    if (text)
        memcpy(text, arn.ptr, arn.len);
    live->arn = (struct od_str){text, arn.len};
    live->items = od_table_new(NULL);
    live->actions = od_table_new(NULL);
    live->activity = od_activity_new();
    live->action_activity = od_activity_new();
    return od_event_types_init(&live->types) == OD_OK && text && live->activity &&
           live->action_activity && add_nameless(live->items) && add_nameless(live->actions);
}

struct od_live *od_live_new(struct od_str arn)
{
    struct od_live *live = calloc(1, sizeof *live);
    if (live && !start(live, arn)) {
        atomic_init(&live->refs, 1);
        od_live_unref(live);
        return NULL;
    }
    return live;
}

struct od_live *od_live_ref(struct od_live *live)
{
    atomic_fetch_add_explicit(&live->refs, 1, memory_order_relaxed);
    return live;
}

void od_live_unref(struct od_live *live)
{
    if (!live || atomic_fetch_sub_explicit(&live->refs, 1, memory_order_acq_rel) != 1)
        return;
    assert(live->filter_count == 0);
    free(live->filters);
    for (int type = 0; type < OD_DATASET_TYPES; type++)
        od_dataset_unref(live->datasets[type]);
    od_table_free(live->items);
    od_table_free(live->users);
    od_table_free(live->actions);
    od_event_types_done(&live->types);
    od_activity_free(live->activity);
    od_activity_free(live->action_activity);
    pthread_rwlock_destroy(&live->lock);
    free((char *)live->arn.ptr);
    free(live);
}

static struct od_table **table_place(struct od_live *live, enum od_dataset_type type)
{
    if (type == OD_USERS)
        return &live->users;
    return type == OD_ITEMS || type == OD_INTERACTIONS ? &live->items : &live->actions;
}

struct od_table *od_live_table(const struct od_live *live, enum od_dataset_type type)
{
    return *table_place((struct od_live *)live, type);
}

enum od_status od_live_type(struct od_live *live, struct od_str type, uint16_t *out_code)
{
    return od_event_types_code(&live->types, type, out_code);
}

void od_live_swap_dataset(struct od_live *live, enum od_dataset_type type,
                          struct od_live_swap *swap)
{
    struct od_dataset *dataset = live->datasets[type];
    live->datasets[type] = swap->dataset;
    swap->dataset = dataset;
    if (!od_dataset_of_events(type)) {
        struct od_table **place = table_place(live, type);
        struct od_table *table = *place;
        *place = swap->table;
        swap->table = table;
        live->items_epoch += type == OD_ITEMS;
        live->actions_epoch += type == OD_ACTIONS;
    }
    if (swap->activity) {
        struct od_activity **place =
            type == OD_INTERACTIONS ? &live->activity : &live->action_activity;
        struct od_activity *activity = *place;
        *place = swap->activity;
        swap->activity = activity;
        live->activity_epoch += type == OD_INTERACTIONS;
    }
    for (size_t i = 0; i < live->filter_count && live->datasets[type] != swap->dataset; i++)
        od_filters_recompile(live->filters[i]);
}

void od_live_swap_done(struct od_live_swap *swap)
{
    od_table_free(swap->table);
    od_activity_free(swap->activity);
    od_dataset_unref(swap->dataset);
    *swap = (struct od_live_swap){NULL, NULL, NULL};
}

/* Rows of one slice: found under the read lock, and only when some are new added under the write
 * lock. */
static enum od_status slice_rows(struct od_live *live, enum od_dataset_type type,
                                 const struct od_str *ids, size_t count, uint32_t *out_rows)
{
    enum od_status status = OD_OK;
    size_t unknown = 0;
    pthread_rwlock_rdlock(&live->lock);
    od_table_find_many(od_live_table(live, type), ids, (uint32_t)count, out_rows);
    for (size_t i = 0; i < count; i++) {
        if (!ids[i].ptr)
            out_rows[i] = OD_NO_ROW;
        unknown += ids[i].ptr && out_rows[i] == OD_NO_ROW;
    }
    pthread_rwlock_unlock(&live->lock);
    if (unknown == 0)
        return OD_OK;
    pthread_rwlock_wrlock(&live->lock);
    for (size_t i = 0; i < count && status == OD_OK; i++) {
        if (ids[i].ptr && out_rows[i] == OD_NO_ROW)
            status = od_table_row(od_live_table(live, type), ids[i], &out_rows[i]);
    }
    pthread_rwlock_unlock(&live->lock);
    return status;
}

enum od_status od_live_rows(struct od_live *live, enum od_dataset_type type,
                            const struct od_str *ids, size_t count, uint32_t *out_rows)
{
    enum od_status status = OD_OK;
    for (size_t from = 0; from < count && status == OD_OK; from += SLICE) {
        size_t some = count - from < SLICE ? count - from : SLICE;
        status = slice_rows(live, type, ids + from, some, out_rows + from);
    }
    return status;
}

enum od_status od_live_follow_locked(const struct od_live *live, enum od_dataset_type type,
                                     struct od_table *table, uint32_t most)
{
    enum od_status status = OD_OK;
    const struct od_table *leader = od_live_table(live, type);
    uint32_t from = od_table_row_count(table), to = od_table_row_count(leader), row;
    assert(from <= to);
    if (to - from > most)
        to = from + most;
    for (uint32_t i = from; i < to && status == OD_OK; i++) {
        status = od_table_row(table, od_table_id(leader, i), &row);
        assert(status != OD_OK || row == i);
    }
    return status;
}

enum od_status od_live_follow(struct od_live *live, enum od_dataset_type type,
                              struct od_table *table)
{
    for (bool more = true; more;) {
        pthread_rwlock_rdlock(&live->lock);
        enum od_status status = od_live_follow_locked(live, type, table, SLICE);
        more = od_table_row_count(table) < od_table_row_count(od_live_table(live, type));
        pthread_rwlock_unlock(&live->lock);
        if (status != OD_OK)
            return status;
    }
    return OD_OK;
}

/* With the lock held for writing. shown has room for OD_MAX_RESULTS rows; impressions of items that
 * nobody has ever named otherwise tell nothing and are left out. */
static enum od_status resolve_locked(struct od_live *live, const struct od_live_event *event,
                                     uint32_t *shown, struct od_activity_event *out)
{
    if (event->item.len == 0 || (event->user.len == 0 && event->session.len == 0) ||
        event->impression_count > OD_MAX_RESULTS)
        return OD_INVALID_INPUT;
    struct od_table *table = event->action ? live->actions : live->items;
    struct od_activity_event resolved = {.user = event->user,
                                         .session = event->session,
                                         .shown = shown,
                                         .out_joined = event->out_joined};
    enum od_status status = od_live_type(live, event->type, &resolved.event.type);
    if (status == OD_OK)
        status = od_table_row(table, event->item, &resolved.event.item_row);
    if (status != OD_OK)
        return status;
    resolved.event.time = event->time_s;
    resolved.event.value = od_history_value(event->has_value, event->value);
    for (size_t i = 0; i < event->impression_count; i++) {
        uint32_t row = od_table_find(table, event->impression[i]);
        if (row != OD_NO_ROW)
            shown[resolved.shown_count++] = row;
    }
    *out = resolved;
    return OD_OK;
}

enum od_status od_live_resolve(struct od_live *live, const struct od_live_event *event,
                               uint32_t *shown, struct od_activity_event *out)
{
    pthread_rwlock_wrlock(&live->lock);
    enum od_status status = resolve_locked(live, event, shown, out);
    pthread_rwlock_unlock(&live->lock);
    return status;
}

enum od_status od_live_event(struct od_live *live, const struct od_live_event *event)
{
    uint32_t shown[OD_MAX_RESULTS];
    struct od_activity_event resolved;
    pthread_rwlock_wrlock(&live->lock);
    enum od_status status = resolve_locked(live, event, shown, &resolved);
    if (status == OD_OK)
        status = od_activity_add(event->action ? live->action_activity : live->activity, &resolved);
    pthread_rwlock_unlock(&live->lock);
    return status;
}

enum od_status od_live_record(struct od_live *live, enum od_dataset_type type,
                              const struct od_value *values)
{
    if (od_dataset_of_events(type))
        return OD_INVALID_INPUT;
    enum od_status status = OD_NOT_FOUND;
    pthread_rwlock_wrlock(&live->lock);
    if (live->datasets[type])
        status = od_table_put(od_live_table(live, type), values);
    pthread_rwlock_unlock(&live->lock);
    return status;
}
