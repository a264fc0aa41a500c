/* Automatic training (recipes.md section 4): a solution with performAutoTraining gets its first
 * version within the hour after its creation unless somebody trains it by hand before, then one
 * each interval since the last, if interactions came in meanwhile. Another rate begins its interval
 * with a training.
 *
 * Looked at every TICK by the store thread; nothing is remembered but what the catalogue says, so a
 * restart changes nothing. A failed version counts as a training, for its reason will not go away
 * by trying every minute; but what it was to learn from stays news. Versions of trainingMode UPDATE
 * train nothing, so they do not count. Recommenders train anew each week (recommender.c). */
#include <stdio.h>

#include "api/attach.h"
#include "api/recommender.h"

#define ARENA_MAX      (64u << 20)
#define HOUR_MS        (3600 * 1000LL)
#define DAY_MS         (24 * HOUR_MS)
#define FIRST_AFTER_MS (HOUR_MS / 2) /* leaves time to train by hand, and keeps within the hour */

/* Did anything reach the Interactions dataset after the last training that went well began? */
static enum od_status has_news(struct od_call *call, const struct od_resource *solution, bool *out)
{
    struct od_resource version;
    struct od_json extra;
    int64_t seq;
    enum od_status s = od_solution_newest_full(call, solution->arn, &version);
    *out = s == OD_OK && !version.arn.ptr; /* none did: all is news */
    if (s == OD_OK && version.arn.ptr)
        s = od_json_parse(call->arena, version.extra, &extra, &call->err);
    return s == OD_OK && version.arn.ptr
               ? od_dataset_news(call, version.group, OD_INTERACTIONS, version.created_ms,
                                 od_json_get_i64(&extra, "event_seq", 0), &seq, out)
               : s;
}

/* When the last training began, however it ended; 0: there was none. */
static enum od_status last_tried(struct od_call *call, const struct od_resource *versions,
                                 size_t count, int64_t *out_ms)
{
    enum od_status s = OD_OK;
    *out_ms = 0;
    for (size_t i = count; s == OD_OK && i-- > 0 && *out_ms == 0;) {
        struct od_personalize_solution_version value = {0};
        s = od_resource_read(call, &od_kind_solution_version, &versions[i], &value);
        if (s == OD_OK && !od_str_eq_c(value.training_mode, "UPDATE"))
            *out_ms = versions[i].created_ms;
    }
    return s;
}

static bool is_over(struct od_str status)
{
    return od_str_eq_c(status, "ACTIVE") || od_str_eq_c(status, "CREATE FAILED") ||
           od_str_eq_c(status, "CREATE STOPPED");
}

static enum od_status is_due(struct od_call *call, const struct od_resource *solution,
                             const struct od_personalize_solution *value, bool *out)
{
    struct od_resource *versions;
    size_t count;
    int64_t days;
    *out = false;
    if (!value->perform_auto_training.value)
        return OD_OK;
    enum od_status s = od_schedule_check(
        call, value->solution_config ? value->solution_config->auto_training_config : NULL, &days);
    if (s == OD_OK)
        s = od_resource_list(call, &od_kind_solution_version, solution->arn, OD_STR_NONE,
                             OD_STR_NONE, &versions, &count);
    if (s != OD_OK)
        return s;
    if (count == 0) {
        *out = call->now_ms - solution->created_ms >= FIRST_AFTER_MS;
        return OD_OK;
    }
    if (!is_over(versions[count - 1].status))
        return OD_OK;
    struct od_json extra = {0};
    int64_t tried_ms = 0;
    s = od_json_parse(call->arena, solution->extra.len ? solution->extra : OD_STR("{}"), &extra,
                      &call->err);
    if (s == OD_OK)
        s = last_tried(call, versions, count, &tried_ms);
    if (s != OD_OK)
        return s;
    *out = od_json_get_i64(&extra, "rate_ms", 0) > tried_ms;
    if (*out || call->now_ms - tried_ms < days * DAY_MS)
        return OD_OK;
    return has_news(call, solution, out);
}

static enum od_status look_at(struct od_call *call, struct od_resource *solution)
{
    struct od_personalize_solution value = {0};
    struct od_str arn;
    bool due = false;
    enum od_status s = od_resource_read(call, &od_kind_solution, solution, &value);
    if (s == OD_OK)
        s = is_due(call, solution, &value, &due);
    return s == OD_OK && due
               ? od_solution_train(call, solution, OD_STR_NONE, "AUTOMATIC", NULL, NULL, &arn)
               : s;
}

void od_for_each_active(struct od_app *app, const struct od_kind *kind, const char *what,
                        enum od_status (*each)(struct od_call *call, struct od_resource *resource))
{
    struct od_arena arena, one;
    struct od_call call;
    struct od_resource *list;
    size_t count;
    od_arena_init(&arena, ARENA_MAX);
    od_arena_init(&one, ARENA_MAX);
    od_call_internal(&call, app, &arena);
    enum od_status s =
        od_resource_list(&call, kind, OD_STR_NONE, OD_STR_NONE, OD_STR("ACTIVE"), &list, &count);
    if (s != OD_OK)
        count = 0;
    call.arena = &one;
    for (size_t i = 0; i < count; i++) {
        if (each(&call, &list[i]) != OD_OK)
            fprintf(stderr, "ondol: %s of %.*s: %s\n", what, OD_STR_ARG(list[i].arn),
                    call.err.message);
        od_arena_reset(&one);
    }
    od_arena_done(&one);
    od_arena_done(&arena);
}

void od_training_tick(struct od_app *app)
{
    od_for_each_active(app, &od_kind_solution, "automatic training", look_at);
    od_for_each_active(app, &od_kind_recommender, "weekly training", od_recommender_look);
}
