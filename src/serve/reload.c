/* Replacing bulk data: built beside the serving tables, swapped in by the store thread.
 *
 * Row numbers of items and of actions are the one thing the two sides share. They are always given
 * out by the live table: a chunk's new ids are first added there (a short write lock), then the
 * replacement takes over the live table's ids up to there, in the same order, and only then is
 * filled. Ids that live events add meanwhile come over the same way, the last of them under the
 * commit's write lock. So the replacement is at every moment a prefix of the live table, a row
 * means the same item before and after, and histories and campaigns need no translation. An aborted
 * reload leaves ids without records behind, which nothing can recommend and filters see as null.
 *
 * Histories are rebuilt from nothing: od_activity is the same code that live events go through, and
 * its items and types are numbered by the live group too.
 *
 * A reload of events may rest on a file of histories (history_file.h): it begins with one, or moves
 * into one whenever its memory is needed. Items of the file get rows like those of a chunk.
 *
 * A reload belongs to one thread at a time: the loader until the last chunk, then the store thread.
 * If the dataset was removed or got another schema meanwhile, commit refuses: what was built no
 * longer fits. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "serve/bulk.h"
#include "serve/history_file.h"
#include "serve/state.h"

struct od_reload {
    const struct od_io *io;
    struct od_live *live; /* a reference */
    enum od_dataset_type type;
    struct od_dataset *dataset;   /* a reference: schema of the table */
    struct od_table *table;       /* of records */
    struct od_activity *activity; /* of events */
    bool same;                    /* as what is live */
};

/* The group's dataset of a type, as a reference; NULL when it has none. */
static struct od_dataset *take_dataset(struct od_live *live, enum od_dataset_type type)
{
    pthread_rwlock_rdlock(&live->lock);
    struct od_dataset *dataset = od_dataset_ref(live->datasets[type]);
    pthread_rwlock_unlock(&live->lock);
    return dataset;
}

/* Whether the table's rows are those that histories and campaigns speak of. */
static bool has_rows(const struct od_reload *reload)
{
    return reload->table && reload->type != OD_USERS;
}

static enum od_status build(struct od_reload *reload, struct od_error *err)
{
    enum od_status status = OD_OK;
    reload->dataset = take_dataset(reload->live, reload->type);
    if (!reload->dataset)
        return od_fail(err, OD_NOT_FOUND, "Dataset group %.*s has no %s dataset.",
                       OD_STR_ARG(reload->live->arn), od_dataset_type_name(reload->type));
    if (od_dataset_of_events(reload->type))
        reload->activity = od_activity_new();
    else
        reload->table = od_table_new(&reload->dataset->schema);
    if (!reload->activity && !reload->table)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (has_rows(reload))
        status = od_live_follow(reload->live, reload->type, reload->table);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

enum od_status od_reload_begin(struct od_serve *serve, struct od_str group_arn,
                               enum od_dataset_type type, struct od_reload **out,
                               struct od_error *err)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(group_arn));
    struct od_reload *reload = calloc(1, sizeof *reload);
    if (!reload) {
        od_live_unref(live);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    reload->io = serve->io;
    reload->live = live;
    reload->type = type;
    enum od_status status = build(reload, err);
    if (status == OD_OK)
        *out = reload;
    else
        od_reload_abort(reload);
    return status;
}

void od_reload_abort(struct od_reload *reload)
{
    if (!reload)
        return;
    od_activity_free(reload->activity);
    od_table_free(reload->table);
    od_dataset_unref(reload->dataset);
    od_live_unref(reload->live);
    free(reload);
}

enum od_status od_reload_chunk(struct od_reload *reload, const struct od_schema *schema,
                               const struct od_chunk *chunk)
{
    if (schema->type != reload->type)
        return OD_CORRUPT;
    if (reload->activity)
        return od_bulk_interactions(reload->live, reload->activity, schema, chunk);
    if (has_rows(reload)) {
        enum od_status status = od_bulk_number(reload->live, schema, chunk);
        if (status == OD_OK)
            status = od_live_follow(reload->live, reload->type, reload->table);
        if (status != OD_OK)
            return status;
    }
    return od_bulk_records(reload->table, schema, chunk);
}

enum od_status od_reload_event(struct od_reload *reload, const struct od_live_event *event)
{
    uint32_t shown[OD_MAX_RESULTS];
    struct od_activity_event resolved;
    if (!reload->activity || event->action != (reload->type == OD_ACTION_INTERACTIONS))
        return OD_INVALID_INPUT;
    enum od_status status = od_live_resolve(reload->live, event, shown, &resolved);
    return status == OD_OK ? od_activity_add(reload->activity, &resolved) : status;
}

enum od_status od_reload_record(struct od_reload *reload, const struct od_value *values)
{
    enum od_status status = OD_OK;
    if (reload->activity)
        return OD_INVALID_INPUT;
    if (has_rows(reload)) {
        size_t id =
            od_schema_find(&reload->dataset->schema,
                           reload->type == OD_ITEMS ? OD_STR("ITEM_ID") : OD_STR("ACTION_ID"));
        uint32_t row;
        if (id == SIZE_MAX || values[id].kind != OD_VALUE_TEXT)
            return OD_INVALID_INPUT;
        if (od_table_find(reload->table, values[id].text) == OD_NO_ROW) {
            status = od_live_rows(reload->live, reload->type, &values[id].text, 1, &row);
            if (status == OD_OK)
                status = od_live_follow(reload->live, reload->type, reload->table);
        }
    }
    return status == OD_OK ? od_table_put(reload->table, values) : status;
}

/* ---- files of histories ---- */

#define SLICE 1024u

static enum od_status number_items(struct od_reload *reload, const struct od_history_file *file,
                                   uint32_t *rows)
{
    struct od_str ids[SLICE];
    uint32_t count = od_history_file_items(file);
    enum od_status status = OD_OK;
    for (uint32_t from = 0; from < count && status == OD_OK; from += SLICE) {
        uint32_t some = count - from < SLICE ? count - from : SLICE;
        for (uint32_t i = 0; i < some; i++)
            ids[i] = od_history_file_item(file, from + i);
        status = od_live_rows(reload->live, reload->type, ids, some, rows + from);
    }
    return status;
}

static enum od_status number_types(struct od_reload *reload, const struct od_history_file *file,
                                   uint16_t *types)
{
    enum od_status status = OD_OK;
    pthread_rwlock_wrlock(&reload->live->lock);
    for (uint32_t i = 0; i < od_history_file_types(file) && status == OD_OK; i++)
        status = od_live_type(reload->live, od_history_file_type(file, i), &types[i]);
    pthread_rwlock_unlock(&reload->live->lock);
    return status;
}

/* Takes the file, also on failure. */
static enum od_status go_on_from(struct od_reload *reload, struct od_history_file *file)
{
    uint32_t *rows = malloc(((size_t)od_history_file_items(file) + 1) * sizeof *rows);
    uint16_t *types = malloc(((size_t)od_history_file_types(file) + 1) * sizeof *types);
    enum od_status status = rows && types ? number_items(reload, file, rows) : OD_NO_MEMORY;
    if (status == OD_OK)
        status = number_types(reload, file, types);
    od_history_file_number(file, rows, types);
    if (status != OD_OK) {
        od_history_file_close(file);
        return status;
    }
    struct od_activity *activity = od_activity_new_from(file);
    if (!activity)
        return OD_NO_MEMORY;
    od_activity_free(reload->activity);
    reload->activity = activity;
    return OD_OK;
}

enum od_status od_reload_resume(struct od_reload *reload, const char *path, uint64_t stamp,
                                int64_t *out_event, struct od_error *err)
{
    struct od_history_file *file;
    struct od_history_mark mark;
    if (!reload->activity)
        return od_fail(err, OD_NOT_FOUND, "Only events have histories.");
    enum od_status status = od_history_file_open(reload->io, path, stamp, &file, &mark, err);
    if (status != OD_OK)
        return status;
    status = go_on_from(reload, file);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    *out_event = mark.event;
    return OD_OK;
}

/* Texts of rows, copied: the table may be replaced as soon as the lock is given back. */
struct row_texts {
    struct od_reload *reload;
    struct od_arena arena;
};

static enum od_status texts_of_rows(void *context, uint32_t first, uint32_t count,
                                    struct od_str *out)
{
    struct row_texts *texts = context;
    struct od_live *live = texts->reload->live;
    enum od_status status = OD_OK;
    od_arena_reset(&texts->arena);
    pthread_rwlock_rdlock(&live->lock);
    const struct od_table *table = od_live_table(live, texts->reload->type);
    for (uint32_t i = 0; i < count && status == OD_OK; i++) {
        if (first + i >= od_table_row_count(table)) { /* facts have room for more */
            out[i] = OD_STR("");
            continue;
        }
        out[i] = od_arena_str(&texts->arena, od_table_id(table, first + i));
        status = out[i].ptr ? OD_OK : OD_NO_MEMORY;
    }
    pthread_rwlock_unlock(&live->lock);
    return status;
}

/* Event types as they are now; their texts never move. From malloc; NULL when out of memory. */
static struct od_str *copy_types(struct od_live *live, uint32_t *out_count)
{
    pthread_rwlock_rdlock(&live->lock);
    struct od_str *types = malloc(((size_t)live->types.count + 1) * sizeof *types);
    *out_count = live->types.count;
    if (types)
        memcpy(types, live->types.texts, live->types.count * sizeof *types);
    pthread_rwlock_unlock(&live->lock);
    return types;
}

enum od_status od_reload_fold(struct od_reload *reload, const char *path, uint64_t stamp,
                              int64_t event, struct od_error *err)
{
    struct row_texts rows = {.reload = reload};
    struct od_history_texts texts = {.rows = texts_of_rows, .context = &rows};
    struct od_history_mark mark = {stamp, event};
    struct od_history_file *file = NULL;
    if (!reload->activity)
        return od_fail(err, OD_INVALID_INPUT, "Only events have histories.");
    struct od_str *types = copy_types(reload->live, &texts.type_count);
    if (!types)
        return od_fail(err, OD_NO_MEMORY, NULL);
    texts.types = types;
    od_arena_init(&rows.arena, SIZE_MAX);
    enum od_status status =
        od_history_file_write(reload->io, path, reload->activity, &texts, &mark, err);
    if (status == OD_OK)
        status = od_history_file_open(reload->io, path, stamp, &file, &mark, err);
    if (status == OD_OK && (status = go_on_from(reload, file)) != OD_OK)
        od_fail(err, status, NULL);
    od_arena_done(&rows.arena);
    free(types);
    return status;
}

uint64_t od_reload_evictable(const struct od_reload *reload)
{
    return reload->activity ? od_activity_evictable(reload->activity) : 0;
}

void od_reload_same(struct od_reload *reload)
{
    reload->same = true;
}

/* With the group's lock held for writing. */
static enum od_status land(struct od_reload *reload, struct od_live_swap *swap,
                           struct od_error *err)
{
    struct od_live *live = reload->live;
    if (live->removed || live->datasets[reload->type] != reload->dataset)
        return od_fail(err, OD_IN_USE,
                       "The %s dataset of %.*s was changed or removed while its data was loaded.",
                       od_dataset_type_name(reload->type), OD_STR_ARG(live->arn));
    if (has_rows(reload)) {
        enum od_status status =
            od_live_follow_locked(live, reload->type, reload->table, UINT32_MAX);
        if (status != OD_OK)
            return od_fail(err, status, NULL);
    }
    struct od_activity *now =
        reload->type == OD_INTERACTIONS ? live->activity : live->action_activity;
    if (reload->activity && reload->same)
        od_activity_swap_facts(now, reload->activity);
    *swap = (struct od_live_swap){reload->dataset, reload->table, reload->activity};
    reload->dataset = NULL;
    reload->table = NULL;
    reload->activity = NULL;
    od_live_swap_dataset(live, reload->type, swap);
    return OD_OK;
}

enum od_status od_reload_commit(struct od_reload *reload, struct od_error *err)
{
    struct od_live_swap swap = {NULL, NULL, NULL};
    enum od_status status =
        reload->activity ? od_histories_settle(reload->activity->histories) : OD_OK;
    if (has_rows(reload))
        status = od_live_follow(reload->live, reload->type, reload->table);
    if (status != OD_OK) {
        od_reload_abort(reload);
        return od_fail(err, status, NULL);
    }
    pthread_rwlock_wrlock(&reload->live->lock);
    status = land(reload, &swap, err);
    pthread_rwlock_unlock(&reload->live->lock);
    od_live_swap_done(&swap);
    od_reload_abort(reload);
    return status;
}
