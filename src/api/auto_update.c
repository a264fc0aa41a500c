/* Automatic updates (recipes.md section 4): every two hours (--auto-update) the newest version of a
 * solution that was trained in full and is deployed in a campaign takes in what came since, without
 * a new version and without new metrics. New items become part of the model (recipes/updated.h);
 * aws-trending-now is counted anew, at its own interval, and aws-next-best-action, whose items are
 * actions and whose model is small, is fitted anew to both kinds of interactions.
 *
 * Looked at with every tick of automatic training, on the store thread. When an update is begun,
 * how far the data had come is written into the version's "extra" (update_ms, update_seq), so one
 * that fails is not tried again before something new comes in. One that is given up (its
 * recommender is stopped or trained anew) leaves no mark: it is made up for later. Its job is void
 * once "update_job" does not name it. */
#include <stdio.h>

#include "api/attach.h"
#include "api/runner_inner.h"
#include "api/solution.h"

#define ARENA_MAX (64u << 20)

enum od_status od_dataset_news(struct od_call *call, struct od_str group, enum od_dataset_type type,
                               int64_t since_ms, int64_t since_seq, int64_t *out_seq, bool *out)
{
    struct od_dataset_info info;
    struct od_bulk *bulk;
    size_t count;
    int64_t event_seq, record_seq;
    enum od_status s = od_group_dataset(call, group, type, &info);
    *out_seq = since_seq;
    if (s != OD_OK || !info.arn.ptr)
        return s;
    s = od_bulk_list(call->app->store, info.arn, call->arena, &bulk, &count, &call->err);
    for (size_t i = 0; s == OD_OK && i < count; i++)
        *out |= bulk[i].arrived_ms > since_ms;
    if (s == OD_OK)
        s = od_events_last_seq(od_store_as_reader(call->app->store), info.arn, &event_seq,
                               &record_seq, &call->err);
    if (s != OD_OK)
        return s;
    *out_seq = od_dataset_of_events(type) ? event_seq : record_seq;
    *out |= *out_seq > since_seq;
    return OD_OK;
}

/* The datasets whose news count, and where the version notes how far their logs had come: in
 * "event_seq" when it was trained, in "update_event_seq" when it was last updated. */
enum { MARKS = 4 };
static const struct {
    enum od_dataset_type type;
    const char *trained, *updated;
    bool of_actions;
} noted[MARKS] = {
    {OD_INTERACTIONS, "event_seq", "update_event_seq", false},
    {OD_ITEMS, "record_seq", "update_record_seq", false},
    {OD_ACTION_INTERACTIONS, "action_event_seq", "update_action_event_seq", true},
    {OD_ACTIONS, "action_record_seq", "update_action_record_seq", true},
};
struct marks {
    int64_t seq[MARKS];
};

const char *const od_update_marks[] = {"update_ms",
                                       "update_job",
                                       "update_event_seq",
                                       "update_record_seq",
                                       "update_action_event_seq",
                                       "update_action_record_seq",
                                       NULL};

enum od_status od_update_under_way(struct od_call *call, const struct od_json *extra, bool *out)
{
    int64_t id = od_json_get_i64(extra, "update_job", -1);
    struct od_job *jobs;
    size_t count;
    enum od_status s = od_jobs_list(call->app->store, call->arena, &jobs, &count, &call->err);
    *out = false;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        *out |= jobs[i].id == id;
    return s;
}

enum od_status od_update_began(struct od_call *call, int64_t job_id, struct od_resource *version,
                               bool *out_go)
{
    struct od_json extra;
    enum od_status s = od_json_parse(call->arena, version->extra, &extra, &call->err);
    if (s == OD_OK)
        *out_go = od_json_get_i64(&extra, "update_job", -1) == job_id;
    return s;
}

static enum od_status has_news(struct od_call *call, const struct od_recipe_spec *spec,
                               const struct od_resource *version, const struct od_json *extra,
                               struct marks *marks, bool *out)
{
    int64_t begun = od_json_get_i64(extra, "begun_ms", version->created_ms);
    int64_t since = od_json_get_i64(extra, "update_ms", begun);
    enum od_status s = OD_OK;
    *out = false;
    for (int i = 0; s == OD_OK && i < MARKS; i++) {
        int64_t before =
            od_json_get_i64(extra, noted[i].updated, od_json_get_i64(extra, noted[i].trained, 0));
        marks->seq[i] = before;
        if (!noted[i].of_actions || spec->needs_actions)
            s = od_dataset_news(call, version->group, noted[i].type, since, before, &marks->seq[i],
                                out);
    }
    return s;
}

/* How long a version of the recipe may stay as it is; 0: for ever. */
static int64_t interval_ms(const struct od_app *app, const struct od_recipe_spec *spec,
                           const struct od_personalize_solution_version *value)
{
    static const struct {
        const char *name;
        int64_t ms;
    } frequencies[] = {{"3 hours", 3 * 3600000LL}, {"1 day", 24 * 3600000LL}};
    const int64_t half_hour = 1800000;
    int64_t least = (int64_t)app->config.auto_update_s * 1000;
    if (spec->incremental_update && value->perform_incremental_update.value)
        return least < half_hour ? least : half_hour;
    if (!spec->auto_update && !spec->auto_recount)
        return 0;
    const struct od_api_string_map *params =
        value->solution_config ? &value->solution_config->feature_transformation_parameters : NULL;
    for (size_t i = 0; spec->auto_recount && params && i < params->count; i++)
        for (size_t f = 0; f < 2; f++)
            if (od_str_eq_c(params->items[i].value, frequencies[f].name))
                return frequencies[f].ms > least ? frequencies[f].ms : least;
    return least;
}

static enum od_status is_due(struct od_call *call, const struct od_resource *version,
                             const struct od_json *extra, struct marks *marks, bool *out)
{
    struct od_personalize_solution_version value = {0};
    const struct od_recipe_spec *spec;
    *out = false;
    enum od_status s = od_version_read(call, version, true, &value);
    if (s != OD_OK || !od_str_eq_c(value.training_mode, "FULL"))
        return s;
    s = od_recipe_by_arn(call, value.recipe_arn, &spec);
    if (s != OD_OK)
        return s;
    int64_t interval = interval_ms(call->app, spec, &value);
    int64_t last = od_json_get_i64(extra, "update_ms", version->updated_ms);
    if (interval == 0 || call->now_ms - last < interval)
        return OD_OK;
    return has_news(call, spec, version, extra, marks, out);
}

/* The version's extra with the marks of the update now begun. */
static struct od_str marked(struct od_call *call, const struct od_json *extra,
                            const struct marks *marks, int64_t job)
{
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    od_buf_printf(&text, "{\"update_ms\":%lld,\"update_job\":%lld", (long long)call->now_ms,
                  (long long)job);
    for (int i = 0; i < MARKS; i++)
        od_buf_printf(&text, ",\"%s\":%lld", noted[i].updated, (long long)marks->seq[i]);
    od_json_write_others(extra, od_update_marks, &text);
    od_buf_char(&text, '}');
    struct od_str out =
        od_buf_status(&text) == OD_OK ? od_arena_str(call->arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return out;
}

static enum od_status begin(struct od_call *call, struct od_resource *version,
                            const struct od_json *extra, const struct marks *marks)
{
    int64_t job;
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_runner_add(call, "update", version->arn, &job);
    if (s == OD_OK) {
        version->extra = marked(call, extra, marks, job);
        s = version->extra.ptr ? od_catalog_update(call->app->store, version, &call->err)
                               : od_fail(&call->err, OD_NO_MEMORY, NULL);
    }
    if (s == OD_OK)
        s = od_store_commit(call->app->store, &call->err);
    else
        od_store_rollback(call->app->store);
    if (s == OD_OK)
        od_runner_go(call->app, job, "update", version->arn);
    return s;
}

/* The newest ACTIVE version of a solution that was trained in full; arn absent: none. */
enum od_status od_solution_newest_full(struct od_call *call, struct od_str solution,
                                       struct od_resource *out)
{
    struct od_resource *versions;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_solution_version, solution, OD_STR_NONE,
                                        OD_STR("ACTIVE"), &versions, &count);
    *out = (struct od_resource){0};
    for (size_t i = count; s == OD_OK && i-- > 0 && !out->arn.ptr;) {
        struct od_personalize_solution_version value = {0};
        s = od_resource_read(call, &od_kind_solution_version, &versions[i], &value);
        if (s == OD_OK && od_str_eq_c(value.training_mode, "FULL"))
            *out = versions[i];
    }
    return s;
}

/* What is served and may have aged. */
static enum od_status update_if_due(struct od_call *call, struct od_resource *version)
{
    struct od_json extra;
    struct marks marks;
    bool due;
    if (od_runner_has(call->app, version->arn))
        return OD_OK;
    enum od_status s = od_json_parse(call->arena, version->extra, &extra, &call->err);
    if (s == OD_OK)
        s = is_due(call, version, &extra, &marks, &due);
    return s == OD_OK && due ? begin(call, version, &extra, &marks) : s;
}

static enum od_status look_at(struct od_call *call, struct od_resource *campaign)
{
    struct od_personalize_campaign value = {0};
    struct od_resource newest;
    enum od_status s = od_resource_read(call, &od_kind_campaign, campaign, &value);
    if (s == OD_OK)
        s = od_solution_newest_full(call, campaign->parent, &newest);
    if (s != OD_OK || !newest.arn.ptr || !od_str_eq(newest.arn, value.solution_version_arn))
        return s;
    return update_if_due(call, &newest);
}

void od_update_tick(struct od_app *app)
{
    if (app->config.auto_update_s == 0)
        return;
    od_for_each_active(app, &od_kind_campaign, "automatic update", look_at);
    od_for_each_active(app, &od_kind_recommender, "automatic update", update_if_due);
}
