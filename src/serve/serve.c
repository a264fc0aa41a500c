/* What ARNs name, and changing it.
 *
 * Three small maps under one rwlock, held only to look a name up and take a reference. Everything a
 * change needs to build (a table with another schema, an open image, a compiled filter) is built
 * before the name is put in, so a query sees the old or the new, never a part. A thing taken out of
 * its map lives until the last query that holds it ends. */
#include <stdlib.h>
#include <string.h>

#include "serve/bulk.h"
#include "serve/state.h"

struct od_serve *od_serve_new(const struct od_io *io)
{
    struct od_serve *serve = calloc(1, sizeof *serve);
    if (!serve)
        return NULL;
    serve->io = io;
    serve->find_recipe = od_recipe_find;
    serve->find_spec = od_recipe_spec_find;
    serve->kernels = od_kernels_best();
    serve->scan = od_scan_kernels_best();
    pthread_rwlockattr_t attr;
    bool made = pthread_rwlockattr_init(&attr) == 0;
    if (made) {
        pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
        made = pthread_rwlock_init(&serve->lock, &attr) == 0;
        pthread_rwlockattr_destroy(&attr);
    }
    if (made && !od_shown_init(&serve->shown)) {
        pthread_rwlock_destroy(&serve->lock);
        made = false;
    }
    if (!made) {
        free(serve);
        return NULL;
    }
    return serve;
}

void od_serve_free(struct od_serve *serve)
{
    if (!serve)
        return;
    for (size_t i = 0; i < serve->campaigns.count; i++)
        od_place_unref(serve->campaigns.list[i].value);
    for (size_t i = 0; i < serve->filters.count; i++) {
        od_filters_retire(serve->filters.list[i].value);
        od_filters_unref(serve->filters.list[i].value);
    }
    od_shown_done(&serve->shown);
    for (size_t i = 0; i < serve->groups.count; i++)
        od_live_unref(serve->groups.list[i].value);
    od_names_done(&serve->campaigns);
    od_names_done(&serve->filters);
    od_names_done(&serve->groups);
    pthread_rwlock_destroy(&serve->lock);
    free(serve);
}

struct od_live *od_serve_live(struct od_serve *serve, struct od_str group_arn)
{
    pthread_rwlock_rdlock(&serve->lock);
    struct od_live *live = od_names_find(&serve->groups, group_arn);
    if (live)
        od_live_ref(live);
    pthread_rwlock_unlock(&serve->lock);
    return live;
}

struct od_serve_filter *od_serve_filter(struct od_serve *serve, struct od_str filter_arn)
{
    pthread_rwlock_rdlock(&serve->lock);
    struct od_serve_filter *filter = od_names_find(&serve->filters, filter_arn);
    if (filter)
        od_filters_ref(filter);
    pthread_rwlock_unlock(&serve->lock);
    return filter;
}

static enum od_status put(struct od_serve *serve, struct od_names *names, struct od_str name,
                          void *value, void **out_old)
{
    pthread_rwlock_wrlock(&serve->lock);
    enum od_status status = od_names_put(names, name, value, out_old);
    pthread_rwlock_unlock(&serve->lock);
    return status;
}

static void *take(struct od_serve *serve, struct od_names *names, struct od_str name)
{
    pthread_rwlock_wrlock(&serve->lock);
    void *value = od_names_take(names, name);
    pthread_rwlock_unlock(&serve->lock);
    return value;
}

static enum od_status unknown(struct od_error *err, struct od_str arn)
{
    return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
}

/* ---- groups and datasets ---- */

enum od_status od_serve_group_add(struct od_serve *serve, struct od_str group_arn,
                                  struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (live) {
        od_live_unref(live);
        return OD_OK;
    }
    void *old;
    live = od_live_new(group_arn);
    enum od_status status = live ? put(serve, &serve->groups, live->arn, live, &old) : OD_NO_MEMORY;
    if (status == OD_OK)
        return OD_OK;
    od_live_unref(live);
    return od_fail(err, status, NULL);
}

void od_serve_group_remove(struct od_serve *serve, struct od_str group_arn)
{
    struct od_live *live = take(serve, &serve->groups, group_arn);
    if (!live)
        return;
    pthread_rwlock_wrlock(&live->lock);
    live->removed = true;
    pthread_rwlock_unlock(&live->lock);
    od_shown_forget(&serve->shown, live);
    od_live_unref(live);
}

/* The table that goes with a dataset: for items and actions always one with every id, for users one
 * that holds the records, NULL for events and for no users. */
static enum od_status make_table(struct od_live *live, enum od_dataset_type type,
                                 const struct od_dataset *dataset, struct od_table **out)
{
    *out = NULL;
    if (od_dataset_of_events(type) || (type == OD_USERS && !dataset))
        return OD_OK;
    struct od_table *table = od_table_new(dataset ? &dataset->schema : NULL);
    enum od_status status = table ? OD_OK : OD_NO_MEMORY;
    if (table && type != OD_USERS)
        status = od_live_follow(live, type, table);
    if (status == OD_OK && dataset)
        status = od_bulk_copy(live, type, table);
    if (status == OD_OK)
        *out = table;
    else
        od_table_free(table);
    return status;
}

/* Takes the reference to dataset. */
static enum od_status swap_dataset(struct od_live *live, enum od_dataset_type type,
                                   struct od_dataset *dataset)
{
    struct od_live_swap swap = {dataset, NULL, NULL};
    enum od_status status = make_table(live, type, dataset, &swap.table);
    if (status == OD_OK && od_dataset_of_events(type) && !dataset)
        status = (swap.activity = od_activity_new()) ? OD_OK : OD_NO_MEMORY;
    if (status == OD_OK) {
        pthread_rwlock_wrlock(&live->lock);
        if (swap.table && type != OD_USERS)
            status = od_live_follow_locked(live, type, swap.table, UINT32_MAX);
        if (status == OD_OK)
            od_live_swap_dataset(live, type, &swap);
        pthread_rwlock_unlock(&live->lock);
    }
    od_live_swap_done(&swap);
    return status;
}

enum od_status od_serve_dataset_set(struct od_serve *serve, struct od_str group_arn,
                                    enum od_dataset_type type, struct od_str schema_text,
                                    enum od_domain domain, struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return unknown(err, group_arn);
    struct od_dataset *dataset;
    enum od_status status = od_dataset_new(schema_text, domain, &dataset, err);
    if (status == OD_OK && dataset->schema.type != type) {
        status = od_fail(err, OD_INVALID_INPUT, "Schema %.*s does not match dataset type %s.",
                         OD_STR_ARG(dataset->schema.name), od_dataset_type_name(type));
        od_dataset_unref(dataset);
    } else if (status == OD_OK) {
        status = swap_dataset(live, type, dataset);
        if (status != OD_OK)
            status = od_fail(err, status, NULL);
    }
    od_live_unref(live);
    return status;
}

void od_serve_dataset_remove(struct od_serve *serve, struct od_str group_arn,
                             enum od_dataset_type type)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return;
    if (swap_dataset(live, type, NULL) != OD_OK && (type == OD_ITEMS || type == OD_ACTIONS)) {
        /* No memory for a table of ids alone: empty the columns of the one there is. */
        pthread_rwlock_wrlock(&live->lock);
        od_table_clear(od_live_table(live, type));
        pthread_rwlock_unlock(&live->lock);
    }
    od_live_unref(live);
}

/* ---- live changes ---- */

enum od_status od_serve_event(struct od_serve *serve, struct od_str group_arn,
                              const struct od_live_event *event)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    enum od_status status = live ? od_live_event(live, event) : OD_NOT_FOUND;
    od_live_unref(live);
    return status;
}

enum od_status od_serve_record(struct od_serve *serve, struct od_str group_arn,
                               enum od_dataset_type type, const struct od_value *values)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    enum od_status status = live ? od_live_record(live, type, values) : OD_NOT_FOUND;
    od_live_unref(live);
    return status;
}

/* ---- filters and campaigns ---- */

static void retire_filter(struct od_serve_filter *filter)
{
    if (filter)
        od_filters_retire(filter);
    od_filters_unref(filter);
}

enum od_status od_serve_filter_add(struct od_serve *serve, struct od_str filter_arn,
                                   struct od_str group_arn, struct od_str expression, bool extended,
                                   struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return unknown(err, group_arn);
    struct od_serve_filter *filter;
    void *old = NULL;
    enum od_status status = od_filters_new(live, filter_arn, expression, extended, &filter, err);
    od_live_unref(live);
    if (status != OD_OK)
        return status;
    status = put(serve, &serve->filters, filter->arn, filter, &old);
    retire_filter(status == OD_OK ? old : filter);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

void od_serve_filter_remove(struct od_serve *serve, struct od_str filter_arn)
{
    retire_filter(take(serve, &serve->filters, filter_arn));
}

enum od_status od_serve_campaign_set(struct od_serve *serve, const struct od_campaign_setup *setup,
                                     struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, setup->group_arn);
    if (!live)
        return unknown(err, setup->group_arn);
    struct od_campaign *campaign;
    void *old = NULL;
    enum od_status status = od_campaign_open(serve->io, live, setup, serve->find_recipe,
                                             serve->find_spec, &campaign, err);
    if (status == OD_OK) {
        struct od_place *place =
            od_place_new(setup, live, campaign, serve->io->monotonic_ns(serve->io));
        if (!place)
            od_campaign_unref(campaign);
        status = place ? put(serve, &serve->campaigns, place->arn, place, &old) : OD_NO_MEMORY;
        od_place_unref(status == OD_OK ? old : place);
        if (status != OD_OK)
            status = od_fail(err, status, NULL);
    }
    od_live_unref(live);
    return status;
}

void od_serve_campaign_remove(struct od_serve *serve, struct od_str campaign_arn)
{
    od_place_unref(take(serve, &serve->campaigns, campaign_arn));
}

/* ---- figures ---- */

static void count_group(struct od_live *live, struct od_serve_counts *out)
{
    pthread_rwlock_rdlock(&live->lock);
    out->users += od_histories_count(live->activity->histories);
    out->items += od_table_row_count(live->items) - 1; /* without the nameless */
    out->history_events += od_histories_events(live->activity->histories) +
                           od_histories_events(live->action_activity->histories);
    const struct od_activity *const all[] = {live->activity, live->action_activity};
    for (size_t i = 0; i < 2; i++) {
        out->history_bytes += od_activity_bytes(all[i]);
        out->history_evictable += od_activity_evictable(all[i]);
        out->histories_evicted += od_histories_evicted(all[i]->histories);
    }
    pthread_rwlock_unlock(&live->lock);
}

uint64_t od_serve_evictable(struct od_serve *serve, struct od_str group_arn,
                            enum od_dataset_type type)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return 0;
    pthread_rwlock_rdlock(&live->lock);
    uint64_t bytes = type == OD_INTERACTIONS          ? od_activity_evictable(live->activity)
                     : type == OD_ACTION_INTERACTIONS ? od_activity_evictable(live->action_activity)
                                                      : 0;
    pthread_rwlock_unlock(&live->lock);
    od_live_unref(live);
    return bytes;
}

void od_serve_counts(struct od_serve *serve, struct od_serve_counts *out)
{
    *out = (struct od_serve_counts){.shown_bytes = od_shown_bytes(&serve->shown)};
    pthread_rwlock_rdlock(&serve->lock);
    out->groups = serve->groups.count;
    out->campaigns = serve->campaigns.count;
    for (size_t i = 0; i < serve->campaigns.count; i++)
        out->asleep += !((const struct od_place *)serve->campaigns.list[i].value)->open;
    out->filters = serve->filters.count;
    size_t count = serve->groups.count;
    struct od_live **groups = calloc(count + 1, sizeof(struct od_live *));
    for (size_t i = 0; groups && i < count; i++)
        groups[i] = od_live_ref(serve->groups.list[i].value);
    pthread_rwlock_unlock(&serve->lock);
    for (size_t i = 0; groups && i < count; i++) {
        count_group(groups[i], out);
        od_live_unref(groups[i]);
    }
    free(groups);
}
