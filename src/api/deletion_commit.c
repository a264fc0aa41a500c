/* The commit that takes the users out, and the receipt it leaves: see deletion.h. Store thread. */
#include "api/deletion_inner.h"
#include "api/fold.h"
#include "api/solution.h"

#define TEXT_MAX (16u << 20)

struct removal {
    struct od_call *call;
    const struct od_deletion_facts *facts;
    const struct od_json *result; /* of the worker */
    int64_t rows, users;          /* of segments, of models */
    struct od_deleted log;
    struct od_buf segments, models, old; /* lists for the receipt, without their brackets */
};

static void next(struct od_buf *list)
{
    if (list->len)
        od_buf_char(list, ',');
}

static const struct od_json *list_of(const struct removal *r, const char *key, size_t *out_count)
{
    const struct od_json *list = od_json_get(r->result, od_str_c(key));
    *out_count = list && list->kind == OD_JSON_ARRAY ? list->count : 0;
    return list;
}

/* ---- segments ---- */

static const struct od_bulk *bulk_of(const struct od_deletion_facts *f, int64_t id)
{
    for (size_t d = 0; d < f->dataset_count; d++)
        for (size_t i = 0; i < f->datasets[d].bulk_count; i++)
            if (f->datasets[d].bulk[i].id == id)
                return &f->datasets[d].bulk[i];
    return NULL;
}

static enum od_status replace_segment(struct removal *r, const struct od_json *one)
{
    int64_t id = od_json_get_i64(one, "id", 0), rows = od_json_get_i64(one, "rows", 0);
    int64_t removed = od_json_get_i64(one, "removed", 0);
    const struct od_bulk *bulk = bulk_of(r->facts, id);
    struct od_str name = od_deletion_segment_name(r->facts, id);
    if (!bulk)
        return od_fail(&r->call->err, OD_INTERNAL, "The worker names an unknown segment %lld.",
                       (long long)id);
    if (!name.ptr)
        return od_fail(&r->call->err, OD_NO_MEMORY, NULL);
    next(&r->segments);
    od_buf_puts(&r->segments, "{\"dataset\":");
    od_buf_json(&r->segments, bulk->dataset);
    od_buf_puts(&r->segments, ",\"file\":");
    od_buf_json(&r->segments, bulk->path);
    if (rows) {
        od_buf_puts(&r->segments, ",\"rewrittenAs\":");
        od_buf_json(&r->segments, name);
    }
    od_buf_printf(&r->segments, ",\"rowsDeleted\":%lld,\"rowsLeft\":%lld}", (long long)removed,
                  (long long)rows);
    next(&r->old);
    od_buf_json(&r->old, bulk->path);
    r->rows += removed;
    return od_bulk_replace(r->call->app->store, id, name, (uint64_t)rows, &r->call->err);
}

static enum od_status replace_segments(struct removal *r)
{
    size_t count;
    const struct od_json *list = list_of(r, "segments", &count);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = replace_segment(r, &list->items[i]);
    return s;
}

/* ---- resources: new images, redacted failure reasons ---- */

static enum od_status rename_images(struct removal *r, struct od_resource *owner, bool *changed)
{
    size_t count;
    const struct od_json *list = list_of(r, "images", &count);
    for (size_t i = 0; i < count; i++) {
        struct od_str from = od_json_get_str(&list->items[i], "image", OD_STR(""));
        struct od_str to = od_json_get_str(&list->items[i], "to", OD_STR(""));
        int64_t users = od_json_get_i64(&list->items[i], "users", 0);
        struct od_str extra = od_deletion_rename(r->facts->arena, owner->extra, from, to);
        if (!extra.ptr)
            return od_fail(&r->call->err, OD_NO_MEMORY, NULL);
        if (od_str_eq(extra, owner->extra))
            continue;
        owner->extra = extra;
        *changed = true;
        next(&r->models);
        od_buf_puts(&r->models, "{\"resourceArn\":");
        od_buf_json(&r->models, owner->arn);
        od_buf_puts(&r->models, ",\"file\":");
        od_buf_json(&r->models, from);
        od_buf_puts(&r->models, ",\"rewrittenAs\":");
        od_buf_json(&r->models, to);
        od_buf_printf(&r->models, ",\"usersDeleted\":%lld}", (long long)users);
        r->users += users;
    }
    return OD_OK;
}

/* latestRecommenderUpdate has a failureReason of its own. */
static enum od_status redact_update(struct removal *r, struct od_resource *one, bool *changed)
{
    struct od_personalize_recommender value = {0};
    if (!od_str_eq_c(one->kind, od_kind_recommender.name))
        return OD_OK;
    enum od_status s = od_resource_read(r->call, &od_kind_recommender, one, &value);
    struct od_personalize_recommender_update_summary *update = value.latest_recommender_update;
    if (s != OD_OK || !update || !update->failure_reason.ptr)
        return s;
    struct od_str reason = od_deletion_redact(r->facts->arena, update->failure_reason);
    if (!reason.ptr)
        return od_fail(&r->call->err, OD_NO_MEMORY, NULL);
    if (od_str_eq(reason, update->failure_reason))
        return OD_OK;
    update->failure_reason = reason;
    *changed = true;
    return od_resource_pack(r->call, &od_kind_recommender, &value, one);
}

static enum od_status change_resources(struct removal *r)
{
    const struct od_deletion_facts *f = r->facts;
    enum od_status s = OD_OK;
    size_t count;
    const struct od_json *images = list_of(r, "images", &count);
    for (size_t i = 0; i < count; i++) {
        next(&r->old);
        od_buf_json(&r->old, od_json_get_str(&images->items[i], "image", OD_STR("")));
    }
    for (size_t i = 0; s == OD_OK && i < f->all_count; i++) {
        struct od_resource *one = &f->all[i];
        struct od_str reason = od_deletion_redact(f->arena, one->failure_reason);
        if (!reason.ptr)
            return od_fail(&r->call->err, OD_NO_MEMORY, NULL);
        bool changed = !od_str_eq(reason, one->failure_reason);
        one->failure_reason = reason;
        s = redact_update(r, one, &changed);
        if (s == OD_OK)
            s = rename_images(r, one, &changed);
        if (s == OD_OK && changed)
            s = od_catalog_update(r->call->app->store, one, &r->call->err);
    }
    return s;
}

/* ---- the log ---- */

static enum od_status delete_from_log(struct removal *r, struct od_str ids)
{
    struct od_store *store = r->call->app->store;
    struct od_str rest = ids, id;
    enum od_status s = od_doomed_begin(store, &r->call->err);
    while (s == OD_OK && od_deletion_next_id(&rest, &id))
        s = od_doomed_add(store, id, &r->call->err);
    for (size_t d = 0; s == OD_OK && d < r->facts->dataset_count; d++) {
        const struct od_dataset_info *info = &r->facts->datasets[d].info;
        struct od_deleted deleted;
        s = od_doomed_delete(store, info->arn, info->type == OD_USERS, &deleted, &r->call->err);
        if (s != OD_OK)
            break;
        r->log.events += deleted.events;
        r->log.links += deleted.links;
        r->log.records += deleted.records;
    }
    return s == OD_OK ? od_doomed_end(store, &r->call->err) : s;
}

/* ---- the receipt ---- */

/* What the job row says from now on: how many records are gone, the files to remove, and the
 * receipt, which names no user. */
static enum od_status note_done(struct removal *r)
{
    struct od_buf text;
    const struct od_deletion_facts *f = r->facts;
    int64_t total = r->rows + r->log.events + r->log.records;
    size_t count;
    const struct od_json *stale = list_of(r, "stale", &count);
    /* Jobs of other groups may be reading what was replaced meanwhile: it goes when they have ended
     * (files.c). */
    for (size_t i = 0; i < count && f->job_count == 0; i++) {
        next(&r->old);
        od_buf_json(&r->old, stale->items[i].text);
    }
    od_buf_init(&text, TEXT_MAX);
    od_buf_printf(&text, "{\"deleted\":%lld,\"old\":[%s],\"receipt\":{\"dataDeletionJobArn\":",
                  (long long)total, r->old.ptr ? r->old.ptr : "");
    od_buf_json(&text, f->job.arn);
    od_buf_puts(&text, ",\"datasetGroupArn\":");
    od_buf_json(&text, f->job.group);
    od_buf_printf(&text,
                  ",\"deletedAt\":%.3f,\"usersGiven\":%lld,\"numDeleted\":%lld,"
                  "\"importedRows\":%lld,\"events\":%lld,\"userRecords\":%lld,"
                  "\"sessionLinks\":%lld,\"usersInModels\":%lld,\"importReports\":%lld",
                  (double)r->call->now_ms / 1000, (long long)od_json_get_i64(r->result, "ids", 0),
                  (long long)total, (long long)r->rows, (long long)r->log.events,
                  (long long)r->log.records, (long long)r->log.links, (long long)r->users,
                  (long long)od_json_get_i64(r->result, "reports", 0));
    od_buf_printf(&text, ",\"segments\":[%s],\"models\":[%s],\"filesRemoved\":[%s]}}",
                  r->segments.ptr ? r->segments.ptr : "", r->models.ptr ? r->models.ptr : "",
                  r->old.ptr ? r->old.ptr : "");
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK)
        s = od_buf_status(&r->old);
    if (s == OD_OK)
        s = od_buf_status(&r->segments);
    if (s == OD_OK)
        s = od_buf_status(&r->models);
    s = s == OD_OK
            ? od_jobs_set_spec(r->call->app->store, f->job_id, od_buf_view(&text), &r->call->err)
            : od_fail(&r->call->err, s, "The receipt of the deletion is too long.");
    od_buf_done(&text);
    return s;
}

static enum od_status remove_all(struct removal *r, struct od_str ids)
{
    struct od_store *store = r->call->app->store;
    enum od_status s = od_store_begin(store, &r->call->err);
    if (s != OD_OK)
        return s;
    /* A crash before the commit costs the next start some time; one after it must find no file. */
    for (size_t d = 0; s == OD_OK && d < r->facts->dataset_count; d++)
        s = od_fold_remove(r->call->app, r->facts->datasets[d].info.seq, &r->call->err);
    if (s == OD_OK)
        s = replace_segments(r);
    if (s == OD_OK)
        s = delete_from_log(r, ids);
    if (s == OD_OK)
        s = change_resources(r);
    if (s == OD_OK)
        s = note_done(r);
    if (s == OD_OK)
        return od_store_commit(store, &r->call->err);
    od_store_rollback(store);
    return s;
}

enum od_status od_deletion_commit(struct od_app *app, void *context, struct od_error *err)
{
    struct od_deletion_step *step = context;
    struct od_call call;
    struct removal r = {.call = &call, .facts = step->facts, .result = step->result};
    od_call_internal(&call, app, step->facts->arena);
    od_buf_init(&r.segments, TEXT_MAX / 4);
    od_buf_init(&r.models, TEXT_MAX / 4);
    od_buf_init(&r.old, TEXT_MAX / 4);
    enum od_status s = od_deletion_facts_again(app, step->facts, &call.err);
    if (s == OD_OK)
        s = remove_all(&r, step->ids);
    od_buf_done(&r.segments);
    od_buf_done(&r.models);
    od_buf_done(&r.old);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

enum od_status od_deletion_reopen(struct od_app *app, void *context, struct od_error *err)
{
    const struct od_deletion_facts *f = context;
    const struct od_json *receipt = od_json_get(&f->spec, OD_STR("receipt"));
    const struct od_json *models = od_json_get(receipt, OD_STR("models"));
    struct od_call call;
    enum od_status s = OD_OK;
    od_call_internal(&call, app, f->arena);
    for (size_t i = 0; s == OD_OK && models && models->count && i < f->all_count; i++)
        if (od_str_eq_c(f->all[i].kind, od_kind_solution_version.name) ||
            od_str_eq_c(f->all[i].kind, od_kind_recommender.name))
            s = od_campaigns_reopen(&call, &f->all[i]);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}
