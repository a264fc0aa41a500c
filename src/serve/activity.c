/* Activity: see activity.h. A live event and a replayed one take the same path, so that a restart
 * which feeds all events in order of arrival ends in the same state. */
#include "serve/activity.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "serve/history_file.h"

struct od_activity *od_activity_new(void)
{
    struct od_activity *activity = calloc(1, sizeof *activity);
    if (activity && !(activity->histories = od_histories_new())) {
        free(activity);
        return NULL;
    }
    return activity;
}

struct od_activity *od_activity_new_from(struct od_history_file *file)
{
    struct od_activity *activity = calloc(1, sizeof *activity);
    if (!activity) {
        od_history_file_close(file);
        return NULL;
    }
    activity->histories = od_histories_new_from(file);
    if (!activity->histories || od_history_file_facts(file, activity) != OD_OK) {
        od_activity_free(activity);
        return NULL;
    }
    return activity;
}

void od_activity_swap_facts(struct od_activity *a, struct od_activity *b)
{
    struct od_activity was = *a;
    struct od_histories *of_a = a->histories, *of_b = b->histories;
    *a = *b;
    *b = was;
    a->histories = of_a;
    b->histories = of_b;
}

void od_activity_free(struct od_activity *activity)
{
    if (!activity)
        return;
    od_histories_free(activity->histories);
    free(activity->facts);
    free(activity);
}

enum od_status od_activity_reserve(struct od_activity *activity, uint32_t row)
{
    if (row < activity->fact_count)
        return OD_OK;
    size_t count = activity->fact_count ? activity->fact_count : 64;
    while (count <= row)
        count *= 2;
    if (count > UINT32_MAX)
        count = UINT32_MAX;
    if (count <= row)
        return OD_LIMIT;
    struct od_item_facts *facts = realloc(activity->facts, count * sizeof *facts);
    if (!facts)
        return OD_NO_MEMORY;
    memset(facts + activity->fact_count, 0, (count - activity->fact_count) * sizeof *facts);
    activity->facts = facts;
    activity->fact_count = (uint32_t)count;
    return OD_OK;
}

void od_activity_interaction(struct od_activity *activity, uint32_t row, int64_t time)
{
    assert(row < activity->fact_count);
    struct od_item_facts *facts = &activity->facts[row];
    if (facts->interactions == 0 || time < facts->first_time)
        facts->first_time = time;
    if (facts->interactions < UINT32_MAX)
        facts->interactions++;
    if (!activity->any || time > activity->latest_time)
        activity->latest_time = time;
    activity->any = true;
    activity->changes++;
}

void od_activity_shown(struct od_activity *activity, uint32_t row, uint32_t count)
{
    assert(row < activity->fact_count);
    uint32_t *shown = &activity->facts[row].impressions;
    *shown = count < UINT32_MAX - *shown ? *shown + count : UINT32_MAX;
    activity->impressions += count;
    activity->changes++;
}

void od_activity_chosen(struct od_activity *activity, uint32_t row)
{
    assert(row < activity->fact_count);
    uint32_t *chosen = &activity->facts[row].chosen;
    *chosen += *chosen < UINT32_MAX;
    activity->chosen++;
    activity->changes++;
}

/* A session's name: a byte that no id may have, and its id. */
struct session_key {
    char text[1 + 4 * OD_MAX_ID_CHARS];
};

static struct od_str key_of(struct od_str session, struct session_key *key)
{
    if (session.len >= sizeof key->text)
        return OD_STR_NONE;
    key->text[0] = '\0';
    memcpy(key->text + 1, session.ptr, session.len);
    return (struct od_str){key->text, session.len + 1};
}

uint32_t od_activity_name(const struct od_activity *activity, struct od_str id)
{
    struct session_key key;
    uint32_t name = od_histories_find(activity->histories, id);
    struct od_str session = name == OD_NO_CODE ? key_of(id, &key) : OD_STR_NONE;
    return session.ptr ? od_histories_find(activity->histories, session) : name;
}

/* The name the event belongs to, its session joined to its user when it has both. */
static enum od_status resolve(struct od_histories *histories, const struct od_activity_event *event,
                              uint32_t *out_name)
{
    uint32_t user, session;
    struct session_key key;
    struct od_str of_session = event->session.len > 0 ? key_of(event->session, &key) : OD_STR_NONE;
    if (event->session.len > 0 && !of_session.ptr)
        return OD_INVALID_INPUT;
    if (event->user.len == 0)
        return of_session.ptr ? od_histories_name(histories, of_session, out_name)
                              : OD_INVALID_INPUT;
    enum od_status status = od_histories_name(histories, event->user, &user);
    if (status == OD_OK && of_session.ptr) {
        status = od_histories_name(histories, of_session, &session);
        bool joins = status == OD_OK && od_histories_owner(histories, session) != user;
        if (status == OD_OK)
            status = od_histories_link(histories, user, session);
        if (status == OD_OK && joins && event->out_joined)
            *event->out_joined = true;
    }
    if (status == OD_OK)
        *out_name = user;
    return status;
}

enum od_status od_activity_add(struct od_activity *activity, const struct od_activity_event *event)
{
    uint32_t highest = event->event.item_row, name;
    for (size_t i = 0; i < event->shown_count; i++)
        highest = event->shown[i] > highest ? event->shown[i] : highest;
    enum od_status status = od_activity_reserve(activity, highest);
    if (status == OD_OK)
        status = od_histories_settle(activity->histories); /* of a reload */
    if (status == OD_OK)
        status = resolve(activity->histories, event, &name);
    if (status == OD_OK)
        status = od_histories_add(activity->histories, name, &event->event);
    if (status != OD_OK)
        return status;
    od_activity_interaction(activity, event->event.item_row, event->event.time);
    for (size_t i = 0; i < event->shown_count; i++) {
        od_activity_shown(activity, event->shown[i], 1);
        if (event->shown[i] == event->event.item_row)
            od_activity_chosen(activity, event->event.item_row);
    }
    return OD_OK;
}

uint64_t od_activity_evictable(const struct od_activity *activity)
{
    return od_histories_evictable(activity->histories);
}

uint64_t od_activity_bytes(const struct od_activity *activity)
{
    return od_histories_bytes(activity->histories) +
           (uint64_t)activity->fact_count * sizeof(struct od_item_facts);
}
