/* GetActionRecommendations (serving.md section 3): the actions a user is most likely to take.
 *
 * The model hears both of the user's histories, with items and with actions, so an event of either
 * kind changes the next answer. What the Actions table says now of expiry, repetition and worth
 * takes the place of what it said when the model was trained; an action without a record keeps
 * that.
 *
 * Exploration: the recipe gives an action that it has too few events of a draw from its uncertainty
 * (by a seed from the recommendation id) in place of a probability, and answers print 0 for it
 * (serving.md section 4). Drawing alone would let a hundred new actions push out all that are
 * known, for the best of a hundred draws is always high. So a new one takes the place its draw
 * gives it only while new ones have at most SHARE of the places so far (rounded by chance, as in
 * explore.c); the others come after the known ones. A list is sorted by score but for these
 * places. */
#include "base/bitmap.h"
#include "base/limits.h"
#include "recipes/action.h"
#include "recipes/action_facts.h"
#include "serve/ask.h"

#define SHARE 0.2 /* of the places of an answer: one in a list of five, the default */

/* ---- gathering, under the group's lock ---- */

uint32_t od_actions_name(const struct od_live *live, struct od_str id, uint32_t item_name)
{
    const struct od_histories *of_items = live->activity->histories;
    const struct od_histories *of_actions = live->action_activity->histories;
    uint32_t name = od_activity_name(live->action_activity, id);
    if (name != OD_NO_CODE || item_name == OD_NO_CODE)
        return name;
    return od_histories_find(of_actions,
                             od_histories_text(of_items, od_histories_owner(of_items, item_name)));
}

/* The user's newest action interactions: all for filters; for the model those on its actions. */
static enum od_status gather_history(struct od_ask *ask, uint32_t name)
{
    const struct od_live *live = ask->campaign->group;
    const struct od_histories *histories = live->action_activity->histories;
    struct od_history_event events[OD_HISTORY_EVENTS];
    uint32_t count = od_histories_length(histories, name);
    struct od_past_event *past = OD_NEW_ARRAY(ask->arena, struct od_past_event, count);
    ask->events = OD_NEW_ARRAY(ask->arena, struct od_filter_event, count);
    if (!past || !ask->events)
        return OD_NO_MEMORY;
    od_histories_copy(histories, name, count, events);
    for (uint32_t i = 0; i < count; i++) {
        struct od_str type = live->types.texts[events[i].type];
        uint32_t action = od_campaign_item(ask->campaign, events[i].item_row);
        uint8_t code = od_action_type(type);
        ask->events[count - 1 - i] =
            (struct od_filter_event){events[i].item_row, type, events[i].time};
        if (action != OD_NO_CODE && code != OD_ACTION_OTHER)
            past[ask->model_query.action_event_count++] =
                (struct od_past_event){action, code, events[i].time};
    }
    ask->event_count = count;
    ask->model_query.action_events = past;
    return OD_OK;
}

static enum od_status gather_facts(struct od_ask *ask)
{
    const struct od_campaign *campaign = ask->campaign;
    struct od_action_fact *facts =
        OD_NEW_ARRAY(ask->arena, struct od_action_fact, campaign->map.item_count);
    struct od_action_columns columns;
    if (!facts)
        return OD_NO_MEMORY;
    od_action_columns(campaign->group->actions, &columns);
    for (uint32_t i = 0; i < campaign->map.item_count; i++)
        od_action_fact(&columns, campaign->map.row_of[i], &facts[i]);
    ask->model_query.action_facts = facts;
    return OD_OK;
}

/* A session that was joined to its user by an action interaction alone has the user's record. */
uint32_t od_actions_user_row(const struct od_live *live, uint32_t name)
{
    const struct od_histories *histories = live->action_activity->histories;
    if (!live->users || name == OD_NO_CODE)
        return OD_NO_ROW;
    return od_table_find(live->users,
                         od_histories_text(histories, od_histories_owner(histories, name)));
}

enum od_status od_actions_gather(struct od_ask *ask, uint32_t item_name)
{
    uint32_t name = od_actions_name(ask->campaign->group, ask->query->user, item_name);
    ask->events = NULL; /* of items: a filter over ActionID does not look at them */
    ask->event_count = 0;
    if (ask->user_row == OD_NO_ROW)
        ask->user_row = od_actions_user_row(ask->campaign->group, name);
    enum od_status status = name == OD_NO_CODE ? OD_OK : gather_history(ask, name);
    return status == OD_OK ? gather_facts(ask) : status;
}

/* ---- answering ---- */

/* The best count of the actions that are scored, or of the others. */
static enum od_status select_kind(struct od_ask *ask, bool scored, struct od_pick *out,
                                  size_t *out_count)
{
    const struct od_campaign *campaign = ask->campaign;
    size_t words = od_bitmap_words(campaign->map.item_count);
    uint64_t *keep = OD_NEW_ARRAY(ask->arena, uint64_t, words);
    uint64_t *taken = OD_NEW_ARRAY(ask->arena, uint64_t, words);
    if (!keep || !taken)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < campaign->map.item_count; i++)
        if (campaign->recipe->scored(campaign->model, i) == scored &&
            (!ask->keep || od_bitmap_get(ask->keep->items, i)))
            od_bitmap_set(keep, i);
    enum od_status status = od_select(ask, keep, taken, ask->wanted, out, out_count);
    for (size_t i = 0; status == OD_OK && i < *out_count; i++) {
        out[i].scored = true;
        out[i].probability = scored ? (double)ask->scores[out[i].item] : 0;
        out[i].explored = !scored;
    }
    return status;
}

static enum od_status make_list(struct od_ask *ask, struct od_pick **out, size_t *out_count)
{
    struct od_pick *known = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    struct od_pick *fresh = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    struct od_pick *list = OD_NEW_ARRAY(ask->arena, struct od_pick, ask->wanted);
    size_t known_count, fresh_count, k = 0, f = 0;
    if (!known || !fresh || !list)
        return OD_NO_MEMORY;
    enum od_status status = select_kind(ask, true, known, &known_count);
    if (status == OD_OK)
        status = select_kind(ask, false, fresh, &fresh_count);
    if (status != OD_OK)
        return status;
    double start = od_random_double(&ask->rng);
    while (k + f < ask->wanted && (k < known_count || f < fresh_count)) {
        bool explore = k == known_count;
        if (k < known_count && f < fresh_count)
            explore = ask->scores[fresh[f].item] > ask->scores[known[k].item] &&
                      (double)(f + 1) <= start + SHARE * (double)(k + f + 1);
        list[k + f] = explore ? fresh[f] : known[k];
        *(explore ? &f : &k) += 1;
    }
    *out = list;
    *out_count = k + f;
    return OD_OK;
}

/* Never 0, which would mean no exploration. */
static uint64_t seed_of(struct od_ask *ask)
{
    return od_random_u64(&ask->rng) | 1;
}

enum od_status od_actions_list(struct od_ask *ask, struct od_pick **out, size_t *out_count,
                               struct od_error *err)
{
    enum od_status status = od_ask_gather(ask, err);
    ask->model_query.seed = seed_of(ask);
    if (status == OD_OK)
        status = od_ask_score(ask, err);
    if (status != OD_OK)
        return status;
    status = make_list(ask, out, out_count);
    return status == OD_OK ? OD_OK : od_fail(err, status, NULL);
}

enum od_status od_serve_actions(struct od_serve *serve, const struct od_recommend_query *query,
                                struct od_arena *arena, struct od_recommend_answer *out,
                                struct od_error *err)
{
    struct od_ask ask;
    struct od_pick *list;
    size_t count;
    enum od_status status = od_ask_open(&ask, serve, query, OD_ASK_ACTIONS, arena, err);
    if (status == OD_OK)
        status = od_actions_list(&ask, &list, &count, err);
    if (status == OD_OK)
        status = od_ask_answer(&ask, list, count, out, err);
    od_ask_close(&ask);
    return status;
}
