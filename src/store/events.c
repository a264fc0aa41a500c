/* Writing the event log.
 *
 * An event is stored once: its identity (identity.c) is unique in its dataset, and a second one is
 * ignored by the database itself, so a client may send again whatever it is not sure of. The caller
 * groups the batches of many requests into one transaction; one commit then pays for all.
 *
 * Sessions. The first history of a visitor is anonymous: a session id and no user. An event that
 * has both links the session to the user, from then on and for what came before (data.md section
 * 13). A session that several users went through (a shared device) belongs to the most recent one:
 * the link is replaced. Events stored with a user of their own keep it. An event ignored as already
 * stored changes no link: a late repetition must not hand a session back. */
#include "store/internal.h"

#include <math.h>

/* Everything the caller can be blamed for is found before the first row is written. */
static enum od_status check(const struct od_event *events, size_t count, struct od_error *err)
{
    for (size_t i = 0; i < count; i++)
        if (events[i].has_value && !isfinite(events[i].value))
            return od_fail(err, OD_INVALID_INPUT,
                           "eventList[%zu].eventValue: %g is not a finite number.", i,
                           events[i].value);
    return OD_OK;
}

static enum od_status insert(struct od_store *store, int64_t dataset, const struct od_event *event,
                             bool *out_new, struct od_error *err)
{
    struct od_str identity;
    struct od_sql_stmt *stmt;
    enum od_status s = od_identity_of(store->identity, event, &identity, err);
    if (s == OD_OK)
        s = od_store_change(store,
                            "INSERT INTO event (dataset, identity, person, session, item, "
                            "event_type, time_s, arrived_ms, event_value, body) "
                            "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10) "
                            "ON CONFLICT (dataset, identity) DO NOTHING",
                            &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    od_sql_blob(stmt, 2, identity);
    od_sql_text(stmt, 3, event->user);
    od_sql_text(stmt, 4, event->session);
    od_sql_text(stmt, 5, event->item);
    od_sql_text(stmt, 6, event->type);
    od_sql_i64(stmt, 7, event->time_s);
    od_sql_i64(stmt, 8, event->arrived_ms);
    if (event->has_value)
        od_sql_double(stmt, 9, event->value);
    else
        od_sql_null(stmt, 9);
    od_sql_text_or_empty(stmt, 10, event->body);
    int64_t changes;
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK)
        *out_new = changes > 0;
    return s;
}

static enum od_status link_session(struct od_store *store, int64_t dataset,
                                   const struct od_event *event, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "INSERT INTO session_link (dataset, session, person) VALUES ($1, $2, $3) "
                        "ON CONFLICT (dataset, session) DO UPDATE SET person = excluded.person "
                        "WHERE session_link.person <> excluded.person",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    od_sql_text(stmt, 2, event->session);
    od_sql_text(stmt, 3, event->user);
    return od_store_run(store, stmt, NULL, err);
}

static bool same_link(const struct od_event *a, const struct od_event *b)
{
    return od_str_eq(a->session, b->session) && od_str_eq(a->user, b->user);
}

enum od_status od_events_append(struct od_store *store, struct od_str dataset,
                                const struct od_event *events, size_t count, bool *out_new,
                                struct od_error *err)
{
    int64_t id;
    enum od_status s = check(events, count, err);
    if (s == OD_OK)
        s = od_store_dataset_add(store, dataset, &id, err);
    if (s != OD_OK)
        return s;
    const struct od_event *linked = NULL; /* the last one: a request is one user's one session */
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        const struct od_event *event = &events[i];
        s = insert(store, id, event, &out_new[i], err);
        if (s != OD_OK || !out_new[i] || !event->user.ptr || !event->session.ptr)
            continue;
        if (!linked || !same_link(linked, event))
            s = link_session(store, id, event, err);
        linked = event;
    }
    if (s != OD_OK)
        store->failed = true; /* whatever it was, a part of the batch may be in */
    return s;
}

static enum od_status delete_from(struct od_store *store, const char *text, int64_t dataset,
                                  struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_store_change(store, text, &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, dataset);
    return od_store_run(store, stmt, NULL, err);
}

enum od_status od_events_delete(struct od_store *store, struct od_str dataset, struct od_error *err)
{
    static const char *const deletes[] = {
        "DELETE FROM event WHERE dataset = $1",
        "DELETE FROM session_link WHERE dataset = $1",
        "DELETE FROM record WHERE dataset = $1",
    };
    int64_t id = 0;
    enum od_status s = od_store_dataset_find(store->sql, dataset, &id, err);
    for (size_t i = 0; s == OD_OK && i < sizeof deletes / sizeof *deletes; i++)
        s = delete_from(store, deletes[i], id, err);
    return s;
}
