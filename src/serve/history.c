/* Histories: one ring of events a name, and a forest that says which names are one person.
 *
 * A ring is an array of 16-byte events whose oldest sits at head. It grows 4, 8, ... 128, 200 and
 * wraps only when full at 200, so that growing is a plain realloc. A new event goes in at the back
 * and is moved forward past later ones: events come nearly in order, so this is one comparison. An
 * event older than all of a full ring is dropped.
 *
 * Memory: 24 bytes a name, the dictionary's 16 bytes and text, up to 21 bytes of its table, and 16
 * bytes an event with rings on average three quarters full: about 21 bytes an event. A million
 * users of 20 events each take about 0.5 GB.
 *
 * Sessions join users by union-find: each name refers to a node, each node to its parent, the root
 * holds the ring. The higher tree wins, so no chain of names exceeds log2(names), whatever a client
 * links to what (a user id may be used as a session id and the other way round; joining twice, or
 * in a circle, changes nothing). A session that moves to another user only changes the node that
 * its name refers to.
 *
 * Invariants: 1 ring is NULL unless the node is a root; 2 event times never fall from head on;
 * 3 events and slots are the sums over all rings of count and cap. */
#include "serve/history.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static_assert(OD_HISTORY_EVENTS <= 255, "counts are bytes");
static_assert(sizeof(struct od_history_event) == 16, "an event takes 16 bytes");

struct entry {
    struct od_history_event *ring;
    uint32_t node;   /* of the name with this number */
    uint32_t parent; /* of the node with this number; itself: a root */
    uint32_t owner;  /* name it was joined to; itself: none */
    uint8_t count, cap, head;
    uint8_t rank; /* bound of the height of the node's tree */
};

struct od_histories {
    struct od_dict *names;
    struct entry *entries; /* [name or node] */
    uint32_t cap;
    uint64_t events; /* in all rings */
    uint64_t slots;  /* allocated for events */
};

struct od_histories *od_histories_new(void)
{
    struct od_histories *histories = calloc(1, sizeof *histories);
    if (histories && !(histories->names = od_dict_new())) {
        free(histories);
        return NULL;
    }
    return histories;
}

void od_histories_free(struct od_histories *histories)
{
    if (!histories)
        return;
    for (uint32_t i = 0, n = od_dict_count(histories->names); i < n && i < histories->cap; i++)
        free(histories->entries[i].ring);
    free(histories->entries);
    od_dict_free(histories->names);
    free(histories);
}

/* Room for one more entry, before the dictionary gets its name: the two never disagree. */
static enum od_status reserve(struct od_histories *histories)
{
    uint32_t count = od_dict_count(histories->names);
    if (count < histories->cap)
        return OD_OK;
    if (histories->cap > UINT32_MAX / 2)
        return OD_LIMIT;
    uint32_t cap = histories->cap ? histories->cap * 2 : 64;
    struct entry *entries = realloc(histories->entries, (size_t)cap * sizeof *entries);
    if (!entries)
        return OD_NO_MEMORY;
    histories->entries = entries;
    histories->cap = cap;
    return OD_OK;
}

enum od_status od_histories_name(struct od_histories *histories, struct od_str id,
                                 uint32_t *out_name)
{
    uint32_t count = od_dict_count(histories->names), name;
    enum od_status status = reserve(histories);
    if (status == OD_OK)
        status = od_dict_add(histories->names, id, &name);
    if (status != OD_OK)
        return status;
    if (name == count)
        histories->entries[name] = (struct entry){.node = name, .parent = name, .owner = name};
    *out_name = name;
    return OD_OK;
}

uint32_t od_histories_find(const struct od_histories *histories, struct od_str id)
{
    return od_dict_find(histories->names, id);
}

struct od_str od_histories_text(const struct od_histories *histories, uint32_t name)
{
    return od_dict_text(histories->names, name);
}

/* The node that holds the history of a name. */
static uint32_t root(const struct od_histories *histories, uint32_t name)
{
    uint32_t node = histories->entries[name].node;
    while (histories->entries[node].parent != node)
        node = histories->entries[node].parent;
    return node;
}

static struct od_history_event *at(const struct entry *entry, uint32_t index)
{
    uint32_t slot = entry->head + index;
    return &entry->ring[slot >= entry->cap ? slot - entry->cap : slot];
}

/* The size of ring that holds count events. */
static uint32_t ring_size(uint32_t count)
{
    uint32_t size = 4;
    while (size < count)
        size *= 2;
    return size < OD_HISTORY_EVENTS ? size : OD_HISTORY_EVENTS;
}

static enum od_status grow(struct od_histories *histories, struct entry *entry)
{
    assert(entry->head == 0);
    uint32_t cap = ring_size(entry->count + 1u);
    struct od_history_event *ring = realloc(entry->ring, cap * sizeof *ring);
    if (!ring)
        return OD_NO_MEMORY;
    histories->slots += cap - entry->cap;
    entry->ring = ring;
    entry->cap = (uint8_t)cap;
    return OD_OK;
}

enum od_status od_histories_add(struct od_histories *histories, uint32_t name,
                                const struct od_history_event *event)
{
    struct entry *entry = &histories->entries[root(histories, name)];
    if (entry->count == OD_HISTORY_EVENTS) {
        if (event->time < at(entry, 0)->time)
            return OD_OK;
        entry->head = (uint8_t)(entry->head + 1 == entry->cap ? 0 : entry->head + 1);
        entry->count--;
        histories->events--;
    } else if (entry->count == entry->cap) {
        enum od_status status = grow(histories, entry);
        if (status != OD_OK)
            return status;
    }
    uint32_t i = entry->count++;
    histories->events++;
    for (; i > 0 && at(entry, i - 1)->time > event->time; i--)
        *at(entry, i) = *at(entry, i - 1);
    *at(entry, i) = *event;
    return OD_OK;
}

/* Merges from the back: the newest survive, and of equal times the second entry's count as later.
 */
static void merge(const struct entry *first, const struct entry *second,
                  struct od_history_event *out, uint32_t count)
{
    uint32_t a = first->count, b = second->count;
    for (uint32_t i = count; i > 0; i--) {
        bool from_second = b > 0 && (a == 0 || at(second, b - 1)->time >= at(first, a - 1)->time);
        out[i - 1] = from_second ? *at(second, --b) : *at(first, --a);
    }
}

/* Two roots become one tree; the events of both go to the new root. */
static enum od_status unite(struct od_histories *histories, uint32_t user_root,
                            uint32_t session_root)
{
    struct entry *user = &histories->entries[user_root];
    struct entry *session = &histories->entries[session_root];
    bool user_wins = user->rank >= session->rank;
    struct entry *winner = user_wins ? user : session, *loser = user_wins ? session : user;
    uint32_t total = (uint32_t)user->count + session->count;
    uint32_t count = total < OD_HISTORY_EVENTS ? total : OD_HISTORY_EVENTS;
    if (loser->count > 0) {
        uint32_t cap = ring_size(count);
        struct od_history_event *ring = malloc(cap * sizeof *ring);
        if (!ring)
            return OD_NO_MEMORY;
        merge(user, session, ring, count);
        histories->slots = histories->slots + cap - winner->cap - loser->cap;
        histories->events -= total - count;
        free(winner->ring);
        free(loser->ring);
        winner->ring = ring;
        winner->cap = (uint8_t)cap;
        winner->count = (uint8_t)count;
        winner->head = 0;
    } else {
        histories->slots -= loser->cap;
        free(loser->ring);
    }
    loser->ring = NULL;
    loser->count = loser->cap = loser->head = 0;
    loser->parent = user_wins ? user_root : session_root;
    if (winner->rank == loser->rank)
        winner->rank++;
    return OD_OK;
}

enum od_status od_histories_link(struct od_histories *histories, uint32_t user, uint32_t session)
{
    if (user == session)
        return OD_OK;
    struct entry *entry = &histories->entries[session];
    uint32_t to = root(histories, user), from = root(histories, session);
    if (entry->owner != session) {
        entry->node = to;
    } else if (to != from) {
        enum od_status status = unite(histories, to, from);
        if (status != OD_OK)
            return status;
    }
    entry->owner = user;
    return OD_OK;
}

uint32_t od_histories_owner(const struct od_histories *histories, uint32_t name)
{
    return histories->entries[name].owner;
}

uint32_t od_histories_length(const struct od_histories *histories, uint32_t name)
{
    return histories->entries[root(histories, name)].count;
}

void od_histories_copy(const struct od_histories *histories, uint32_t name, uint32_t count,
                       struct od_history_event *out)
{
    const struct entry *entry = &histories->entries[root(histories, name)];
    assert(count <= entry->count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = *at(entry, entry->count - count + i);
}

uint32_t od_histories_count(const struct od_histories *histories)
{
    return od_dict_count(histories->names);
}

uint64_t od_histories_events(const struct od_histories *histories)
{
    return histories->events;
}

uint64_t od_histories_bytes(const struct od_histories *histories)
{
    return histories->slots * sizeof(struct od_history_event) +
           (uint64_t)histories->cap * sizeof(struct entry) + od_dict_bytes(histories->names);
}
