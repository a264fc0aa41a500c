/* The weekly training of recommenders (recipes.md section 10): begun a week after the last one was,
 * or was tried, when interactions or items came in since; on the columns of the model. A tick of
 * automatic training asks about each ACTIVE recommender that has nothing else to do. */
#include "api/recommender.h"

#define EXTRA_MAX (1u << 20)
#define WEEK_MS   (7 * 86400 * 1000LL)

/* Trained or tried a week ago, and something new to learn from. */
static enum od_status is_due(struct od_call *call, const struct od_resource *resource, bool *out)
{
    struct od_json extra;
    int64_t seq;
    enum od_status s = od_recommender_extra(call, resource, &extra);
    *out = false;
    if (s != OD_OK)
        return s;
    int64_t begun = od_json_get_i64(&extra, "begun_ms", resource->created_ms);
    int64_t tried = od_json_get_i64(&extra, "tried_ms", 0);
    if (call->now_ms - (tried > begun ? tried : begun) < WEEK_MS)
        return OD_OK;
    s = od_dataset_news(call, resource->group, OD_INTERACTIONS, begun,
                        od_json_get_i64(&extra, "event_seq", 0), &seq, out);
    return s == OD_OK ? od_dataset_news(call, resource->group, OD_ITEMS, begun,
                                        od_json_get_i64(&extra, "record_seq", 0), &seq, out)
                      : s;
}

/* The columns of the model once more, as text. */
static enum od_status old_columns(struct od_call *call, const struct od_resource *resource,
                                  struct od_str *out)
{
    const struct od_json *columns;
    struct od_buf text;
    enum od_status s = od_recommender_columns(call, resource, &columns);
    if (s != OD_OK)
        return s;
    od_buf_init(&text, EXTRA_MAX);
    if (columns)
        od_json_write(columns, &text);
    else
        od_buf_puts(&text, "{}");
    *out = od_arena_str(call->arena, od_buf_view(&text));
    s = od_buf_status(&text);
    od_buf_done(&text);
    return s == OD_OK && out->ptr ? OD_OK : od_fail(&call->err, OD_NO_MEMORY, NULL);
}

enum od_status od_recommender_look(struct od_call *call, struct od_resource *resource)
{
    bool due;
    int64_t job;
    struct od_str columns;
    enum od_status s = is_due(call, resource, &due);
    if (s != OD_OK || !due || od_runner_has(call->app, resource->arn))
        return s;
    s = old_columns(call, resource, &columns);
    if (s == OD_OK)
        s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_recommender_train(call, resource, columns, &job);
    if (s == OD_OK)
        s = od_catalog_update(call->app->store, resource, &call->err);
    if (s == OD_OK)
        s = od_store_commit(call->app->store, &call->err);
    else
        od_store_rollback(call->app->store);
    if (s == OD_OK)
        od_recommender_go(call, resource, job);
    return s;
}
