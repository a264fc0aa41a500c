/* Explaining an answer: the query is taken through as the live one is, then looked at.
 *
 * What an event did is measured, not guessed: the model is asked again by a user without that event
 * and the scores are compared (ablation). Contributions of single events need not sum to anything:
 * two events that say the same may each be dispensable. Filters and the automatic filter see the
 * whole history in any case; only the score is asked again.
 *
 * Clauses of filters are asked about after the answer was gathered, so an item that changes in that
 * very moment may be told as dropped without a clause. */
#include "serve/explain.h"

#include <math.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/ask.h"

struct search {
    struct od_ask *ask;
    struct od_pick *picks;
    struct od_ranked_item *told; /* [pick_count] */
    size_t pick_count;
    uint32_t *rows, *codes; /* [item_count] of the items explained */
    struct od_explanation *out;
    struct od_error *err;
};

static enum od_ask_operation operation_of(struct od_serve *serve, struct od_str arn)
{
    struct od_campaign *campaign = NULL;
    enum od_ask_operation operation = OD_ASK_ITEMS;
    if (od_serve_campaign(serve, arn, &campaign, NULL) == OD_OK &&
        campaign->spec->type == OD_PERSONALIZED_RANKING)
        operation = OD_ASK_RANKING;
    else if (campaign && campaign->spec->type == OD_PERSONALIZED_ACTIONS)
        operation = OD_ASK_ACTIONS;
    od_campaign_unref(campaign);
    return operation;
}

static const char *stray_member(const struct od_recommend_query *query,
                                enum od_ask_operation operation)
{
    if (operation != OD_ASK_RANKING && query->input_count)
        return "inputList";
    if (operation == OD_ASK_ITEMS)
        return NULL;
    if (query->item.ptr)
        return "itemId";
    if (operation == OD_ASK_RANKING)
        return query->num_results >= 0 ? "numResults" : NULL; /* promotions: check.c */
    return query->promotion ? "promotions" : query->context_count ? "context" : NULL;
}

static enum od_status check_members(const struct od_recommend_query *query,
                                    enum od_ask_operation operation, struct od_error *err)
{
    static const char *const names[] = {"GetRecommendations", "GetPersonalizedRanking",
                                        "GetActionRecommendations"};
    const char *stray = stray_member(query, operation);
    return stray ? od_fail(err, OD_INVALID_INPUT,
                           "%s is not a member of %s, which answers for the recipe of %.*s.", stray,
                           names[operation], OD_STR_ARG(query->campaign_arn))
                 : OD_OK;
}

static enum od_status make_answer(struct search *s)
{
    struct od_ask *ask = s->ask;
    enum od_status status = ask->ranking ? od_rank_list(ask, &s->picks, &s->pick_count, s->err)
                            : ask->actions
                                ? od_actions_list(ask, &s->picks, &s->pick_count, s->err)
                                : od_recommend_list(ask, &s->picks, &s->pick_count, s->err);
    if (status != OD_OK)
        return status;
    s->told = OD_NEW_ARRAY(ask->arena, struct od_ranked_item, s->pick_count);
    status = s->told ? od_ask_describe(ask, s->picks, s->pick_count, s->told) : OD_NO_MEMORY;
    return status == OD_OK ? OD_OK : od_fail(s->err, status, NULL);
}

/* ---- the items ---- */

static enum od_status list_items(struct search *s, const struct od_explain_query *query)
{
    struct od_explanation *out = s->out;
    out->item_count = query->item_count;
    if (out->item_count == 0)
        out->item_count =
            s->pick_count < OD_EXPLAIN_DEFAULT_ITEMS ? s->pick_count : OD_EXPLAIN_DEFAULT_ITEMS;
    out->items = OD_NEW_ARRAY(s->ask->arena, struct od_explained_item, out->item_count);
    s->rows = OD_NEW_ARRAY(s->ask->arena, uint32_t, out->item_count);
    s->codes = OD_NEW_ARRAY(s->ask->arena, uint32_t, out->item_count);
    if (!out->items || !s->rows || !s->codes)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < out->item_count; i++)
        out->items[i].id = query->item_count ? query->items[i] : s->told[i].id;
    return OD_OK;
}

static bool is_kept(const struct od_ask *ask, uint32_t row)
{
    if (row == OD_NO_ROW)
        row = OD_NAMELESS_ROW;
    return !ask->keep || (row < ask->keep->row_count && od_bitmap_get(ask->keep->rows, row));
}

static void find_place(const struct search *s, struct od_explained_item *item)
{
    for (size_t p = 0; p < s->pick_count && !item->place; p++) {
        if (!od_str_eq(s->told[p].id, item->id))
            continue;
        item->place = p + 1;
        item->promotion = s->told[p].promotion;
        item->reason = s->told[p].reason;
        item->explored = s->picks[p].explored;
        item->propensity = s->picks[p].propensity;
        item->has_probability = s->told[p].has_score;
        item->probability = s->told[p].score;
    }
}

static bool in_list(const struct od_ask *ask, struct od_str id)
{
    for (size_t i = 0; i < ask->query->input_count; i++)
        if (od_str_eq(ask->query->input_list[i], id))
            return true;
    return false;
}

/* Whether ask->scores says anything of the code. */
static bool is_scored(const struct od_ask *ask, uint32_t code)
{
    for (uint32_t i = 0; ask->list && i < ask->list_count; i++)
        if (ask->list[i] == code)
            return true;
    return !ask->list && code != OD_NO_CODE;
}

static enum od_explain_stage stage_of(const struct search *s, const struct od_explained_item *item,
                                      size_t at)
{
    const struct od_ask *ask = s->ask;
    uint32_t code = s->codes[at];
    if (item->place)
        return OD_IN_ANSWER;
    if (ask->ranking && !in_list(ask, item->id))
        return OD_NOT_IN_LIST;
    if (s->rows[at] == OD_NO_ROW && !ask->ranking)
        return OD_NOT_IN_CATALOGUE;
    if (code == OD_NO_CODE && !ask->ranking)
        return OD_NOT_IN_MODEL;
    if (item->consumed)
        return OD_AUTO_FILTERED;
    if (code != OD_NO_CODE && code == ask->model_query.item)
        return OD_ITEM_ITSELF;
    if (item->filtered)
        return OD_FILTERED;
    return is_scored(ask, code) && ask->scores[code] > -INFINITY ? OD_RANKED_BELOW
                                                                 : OD_NOT_RECOMMENDED;
}

/* With the group's lock held. */
static void look_up(struct search *s)
{
    const struct od_ask *ask = s->ask;
    const struct od_live *live = ask->campaign->group;
    const struct od_table *table = ask->actions ? live->actions : live->items;
    s->out->catalogue = od_table_row_count(table) - 1; /* but the nameless row */
    for (size_t i = 0; i < s->out->item_count; i++) {
        struct od_explained_item *item = &s->out->items[i];
        s->rows[i] = od_table_find(table, item->id);
        s->codes[i] = od_campaign_item(ask->campaign, s->rows[i]);
        item->consumed = od_ask_consumed(ask, s->rows[i]);
        item->filtered = !is_kept(ask, s->rows[i]);
        item->promotable = ask->promotion_keep && s->rows[i] < ask->promotion_keep->row_count &&
                           od_bitmap_get(ask->promotion_keep->rows, s->rows[i]);
        find_place(s, item);
        item->stage = stage_of(s, item, i);
    }
}

/* With the group's lock held. */
static enum od_status find_clauses(struct search *s, struct od_arena *scratch)
{
    struct od_ask *ask = s->ask;
    const struct od_live *live = ask->campaign->group;
    uint32_t *rows = OD_NEW_ARRAY(scratch, uint32_t, s->out->item_count);
    struct od_filter_reason *why =
        OD_NEW_ARRAY(scratch, struct od_filter_reason, s->out->item_count);
    struct od_filter_schemas schemas = {.extended = ask->filter && ask->filter->extended};
    size_t count = 0;
    if (!rows || !why)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < s->out->item_count; i++)
        if (s->out->items[i].filtered)
            rows[count++] = s->rows[i] == OD_NO_ROW ? OD_NAMELESS_ROW : s->rows[i];
    if (!ask->filter || !ask->filter->compiled || count == 0)
        return OD_OK;
    for (int type = 0; type < OD_DATASET_TYPES; type++)
        schemas.by_type[type] = live->datasets[type] ? &live->datasets[type]->schema : NULL;
    struct od_filter_context context = od_ask_filter_context(ask);
    enum od_status status = od_filter_reasons(
        ask->filter->expression, &schemas, ask->query->filter_values,
        ask->query->filter_value_count, &context, rows, count, scratch, why, s->err);
    count = 0;
    for (size_t i = 0; status == OD_OK && i < s->out->item_count; i++)
        if (s->out->items[i].filtered)
            s->out->items[i].why = why[count++];
    return status;
}

/* ---- the whole ---- */

static void count_items(struct search *s)
{
    const struct od_ask *ask = s->ask;
    struct od_explanation *out = s->out;
    out->model_items = ask->campaign->map.item_count;
    for (uint32_t i = 0; i < out->model_items; i++) {
        if (od_ask_consumed(ask, ask->campaign->map.row_of[i]))
            out->auto_filtered++;
        else if (ask->keep && !od_bitmap_get(ask->keep->items, i))
            out->filtered++;
        else if (!ask->list && !(ask->scores[i] > -INFINITY))
            out->not_recommended++;
        else
            out->eligible++;
        out->promotable += ask->promotion_keep && od_bitmap_get(ask->promotion_keep->items, i);
    }
}

/* Where a score stands among the items that the answer could have had. */
static uint64_t rank_of(const struct od_ask *ask, uint32_t code, float score)
{
    uint64_t rank = 1;
    if (ask->list) {
        for (uint32_t k = 0; k < ask->list_count; k++) {
            uint32_t i = ask->list[k];
            rank += ask->scores[i] > score || (!(ask->scores[i] < score) && i < code);
        }
        return rank;
    }
    for (uint32_t i = 0; i < ask->campaign->map.item_count; i++) {
        float other = ask->scores[i];
        if (other > -INFINITY && (other > score || (!(other < score) && i < code)) &&
            (!ask->keep || od_bitmap_get(ask->keep->items, i)))
            rank++;
    }
    return rank;
}

static bool has_record(const struct od_ask *ask)
{
    const struct od_table *users = ask->campaign->group->users;
    return users && ask->user_row != OD_NO_ROW && od_table_has_record(users, ask->user_row);
}

/* Rows of users are not those of before where an import of Users has landed since the answer. */
static void find_user_again(struct od_ask *ask)
{
    const struct od_live *live = ask->campaign->group;
    struct od_str id = ask->query->user;
    ask->user_row = OD_NO_ROW;
    if (!id.ptr)
        return;
    uint32_t name = od_activity_name(live->activity, id);
    ask->user_row = od_ask_user_row(live, id, name);
    if (ask->actions && ask->user_row == OD_NO_ROW)
        ask->user_row = od_actions_user_row(live, od_actions_name(live, id, name));
}

/* With the group's lock held. */
static void tell_user(struct search *s)
{
    const struct od_ask *ask = s->ask;
    const struct od_live *live = ask->campaign->group;
    struct od_explanation *out = s->out;
    uint32_t name =
        ask->query->user.ptr ? od_activity_name(live->activity, ask->query->user) : OD_NO_CODE;
    if (name != OD_NO_CODE)
        out->history_count = od_histories_length(live->activity->histories, name);
    if (ask->actions)
        out->history_count += ask->event_count;
    out->user_has_record = has_record(ask);
    out->user_known = out->history_count > 0 || out->user_has_record;
    out->heard_count = ask->model_query.event_count + ask->model_query.action_event_count;
    out->personal = ask->personal;
}

/* ---- scores ---- */

static void put_term(struct od_score_term term, struct od_score_terms *terms)
{
    if (terms->count < OD_SCORE_TERMS && isfinite(term.value) && fabsf(term.value) > 0)
        terms->list[terms->count++] = term;
}

/* What the score has beyond the recipe's sum: the objective's share, and what the list added. */
static void add_rest(const struct od_ask *ask, uint32_t item, float rest,
                     struct od_score_terms *terms)
{
    const float *objective = ask->campaign->objective;
    float lean = !ask->list ? rest : objective ? objective[item] : 0;
    float list = rest - lean;
    put_term((struct od_score_term){"objective", false, 1, lean, lean, lean}, terms);
    if (fabsf(list) > 1e-6F * fabsf(rest)) /* not what rounding leaves */
        put_term((struct od_score_term){"list", false, 1, list, list, list}, terms);
}

static enum od_status add_terms(struct search *s, struct od_arena *scratch)
{
    const struct od_ask *ask = s->ask;
    const struct od_campaign *campaign = ask->campaign;
    size_t n = campaign->map.item_count;
    uint32_t *codes = OD_NEW_ARRAY(scratch, uint32_t, s->out->item_count), count = 0;
    struct od_score_terms *terms = OD_NEW_ARRAY(scratch, struct od_score_terms, s->out->item_count);
    float *scores = OD_NEW_ARRAY(scratch, float, n);
    if (!codes || !terms || !scores)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < s->out->item_count; i++)
        if (s->out->items[i].has_score)
            codes[count++] = s->codes[i];
    enum od_status status = campaign->recipe->explain(campaign->model, &ask->model_query, codes,
                                                      count, scratch, scores, terms, s->err);
    count = 0;
    for (size_t i = 0; status == OD_OK && i < s->out->item_count; i++) {
        struct od_explained_item *item = &s->out->items[i];
        if (!item->has_score)
            continue;
        item->terms = terms[count++];
        add_rest(ask, s->codes[i], item->score - scores[s->codes[i]], &item->terms);
    }
    return status;
}

/* What the model says of the items, which of them it takes apart, and where they stand. */
static enum od_status add_scores(struct search *s, struct od_arena *scratch)
{
    struct od_ask *ask = s->ask;
    float *scores = OD_NEW_ARRAY(scratch, float, ask->campaign->map.item_count);
    bool personal;
    if (!scores)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    enum od_status status =
        od_ask_model(ask, &ask->model_query, scratch, scores, &personal, s->err);
    if (status != OD_OK)
        return status;
    for (size_t i = 0; i < s->out->item_count; i++) {
        struct od_explained_item *item = &s->out->items[i];
        uint32_t code = s->codes[i];
        item->has_score = is_scored(ask, code) && scores[code] > -INFINITY;
        if (!item->has_score)
            continue;
        item->score = scores[code];
        item->rank = rank_of(ask, code, item->score);
        if (item->place || !ask->campaign->has_scores || ask->ranking || ask->actions ||
            !(ask->scores[code] > -INFINITY))
            continue;
        item->has_probability = true;
        item->probability = od_softmax_printed(od_softmax(&ask->softmax, (double)item->score));
    }
    od_arena_reset(scratch);
    return ask->campaign->recipe->explain ? add_terms(s, scratch) : OD_OK;
}

/* ---- leaving events out ---- */

static enum od_status name_event(const struct od_ask *ask, const struct od_past_event *event,
                                 bool action, struct od_explained_event *out)
{
    static const char *const types[] = {"TAKEN", "NOT TAKEN", "VIEWED"};
    const struct od_campaign *campaign = ask->campaign;
    const struct od_image_dict *items = campaign->items;
    if (campaign->of_actions && !action)
        items = campaign->recipe->event_items(campaign->model);
    *out = (struct od_explained_event){.time_s = event->time, .action = action};
    out->item = od_arena_str(ask->arena, od_image_dict_text(items, event->item));
    if (action && event->type < sizeof types / sizeof *types)
        out->type = od_str_c(types[event->type]);
    else if (!action && event->type != OD_NO_TYPE)
        out->type = od_arena_str(ask->arena, od_image_dict_text(&campaign->types, event->type));
    return out->item.ptr ? OD_OK : OD_NO_MEMORY;
}

/* The query without event at of one of its lists; room for the others. */
static void leave_out(const struct od_past_event *events, size_t count, size_t at,
                      struct od_past_event *room)
{
    for (size_t i = 0, n = 0; i < count; i++)
        if (i != at)
            room[n++] = events[i];
}

static enum od_status score_without(struct search *s, bool action, size_t at, size_t event,
                                    struct od_arena *scratch)
{
    struct od_ask *ask = s->ask;
    struct od_query query = ask->model_query;
    size_t count = action ? query.action_event_count-- : query.event_count--;
    const struct od_past_event **events = action ? &query.action_events : &query.events;
    struct od_past_event *room = OD_NEW_ARRAY(scratch, struct od_past_event, count);
    float *scores = OD_NEW_ARRAY(scratch, float, ask->campaign->map.item_count);
    bool personal;
    if (!room || !scores)
        return od_fail(s->err, OD_NO_MEMORY, NULL);
    leave_out(*events, count, at, room);
    *events = room;
    enum od_status status = od_ask_model(ask, &query, scratch, scores, &personal, s->err);
    for (size_t i = 0; status == OD_OK && i < s->out->item_count; i++)
        if (s->out->items[i].has_score)
            s->out->items[i].without[event] = scores[s->codes[i]];
    return status;
}

/* Newest first, events on items and on actions in one list; not those on unknown items. */
static enum od_status ablate(struct search *s, struct od_arena *scratch)
{
    const struct od_ask *ask = s->ask;
    const struct od_query *query = &ask->model_query;
    size_t items = query->event_count, actions = query->action_event_count;
    size_t most = items + actions < OD_MAX_EXPLAIN_EVENTS ? items + actions : OD_MAX_EXPLAIN_EVENTS;
    struct od_explained_event *events = OD_NEW_ARRAY(ask->arena, struct od_explained_event, most);
    enum od_status status = events ? OD_OK : OD_NO_MEMORY;
    for (size_t i = 0; status == OD_OK && i < s->out->item_count; i++)
        if (!(s->out->items[i].without = OD_NEW_ARRAY(ask->arena, float, most)))
            status = OD_NO_MEMORY;
    size_t e = 0;
    while (status == OD_OK && e < most && items + actions) {
        bool action = items == 0 || (actions > 0 && query->action_events[actions - 1].time >
                                                        query->events[items - 1].time);
        size_t at = --*(action ? &actions : &items);
        if (!action && query->events[at].item == OD_NO_CODE)
            continue;
        status = name_event(ask, action ? &query->action_events[at] : &query->events[at], action,
                            &events[e]);
        if (status != OD_OK)
            break;
        od_arena_reset(scratch);
        status = score_without(s, action, at, e++, scratch);
        if (status != OD_OK)
            return status;
    }
    s->out->events = events;
    s->out->event_count = e;
    return status == OD_OK ? OD_OK : od_fail(s->err, status, NULL);
}

static enum od_status explain(struct search *s, const struct od_explain_query *query,
                              struct od_arena *scratch)
{
    struct od_ask *ask = s->ask;
    enum od_status status = make_answer(s);
    if (status == OD_OK)
        status = list_items(s, query);
    if (status != OD_OK)
        return status;
    pthread_rwlock_rdlock(&ask->campaign->group->lock);
    look_up(s);
    find_user_again(ask);
    tell_user(s);
    status = find_clauses(s, ask->arena);
    pthread_rwlock_unlock(&ask->campaign->group->lock);
    if (status == OD_OK)
        status = add_scores(s, scratch);
    if (status != OD_OK)
        return status;
    count_items(s);
    return ablate(s, scratch);
}

enum od_status od_serve_explain(struct od_serve *serve, const struct od_explain_query *query,
                                struct od_arena *arena, struct od_explanation *out,
                                struct od_error *err)
{
    struct od_ask ask;
    struct od_arena scratch;
    struct od_explanation made = {.recipe = OD_STR("")};
    struct search s = {.ask = &ask, .out = &made, .err = err};
    od_arena_init(&scratch, OD_MAX_REQUEST_MEMORY);
    enum od_ask_operation operation = operation_of(serve, query->ask->campaign_arn);
    enum od_status status = od_ask_open(&ask, serve, query->ask, operation, arena, err);
    if (status == OD_OK)
        status = check_members(query->ask, operation, err);
    if (status == OD_OK)
        status = explain(&s, query, &scratch);
    if (status == OD_OK) {
        const struct od_campaign *campaign = ask.campaign;
        od_rid_format(ask.rid, made.recommendation_id);
        made.recipe = od_str_c(campaign->spec->name);
        made.image = od_arena_str(arena, od_str_c(campaign->image_path));
        made.wanted = ask.wanted;
        made.answer_count = s.pick_count;
        made.ranking = ask.ranking;
        made.actions = ask.actions;
        made.has_temperature = campaign->has_scores;
        made.temperature = campaign->temperature;
        *out = made;
    }
    od_ask_close(&ask);
    od_arena_done(&scratch);
    return status;
}
