/* Histories: one ring of events a name, and a forest that says which names are one person.
 *
 * A ring is an array of 16-byte events whose oldest sits at head. It grows 4, 8, ... 128, 200 and
 * wraps only when full at 200, so that growing is a plain realloc. A new event goes in at the back
 * and is moved forward past later ones: events come nearly in order, so this is one comparison. Of
 * one event too many, the oldest of the type that more than half of them have goes, or else the
 * oldest: whatever the order of arrival, what stays is what history.h says.
 *
 * Sessions join users by union-find: each name refers to a node, each node to its parent, the root
 * holds the ring. The higher tree wins, so no chain of names exceeds log2(names), whatever a client
 * links to what (a user id may be used as a session id and the other way round; joining twice, or
 * in a circle, changes nothing). A session that moves to another user only changes the node that
 * its name refers to.
 *
 * The file. A group whose histories outgrew their memory has them in a mapped file
 * (history_file.h). Names of the file come first and keep their numbers. What is asked of a name is
 * read from the file; what changes it first copies its entry and its events here
 * (od_history_touch), and from then on the copy holds. So users who come back are in memory, idle
 * ones are not, and nothing has to be brought back for a query: it reads the mapped page as it
 * reads a mapped model. The next file is written from both, and everything leaves memory.
 *
 * What is in memory takes the bytes that docs/memory.md says.
 *
 * Invariants: 1 ring is NULL unless the node is a root; 2 event times never fall from head on;
 * 3 events is the sum of counts of all roots, here or in the file; 4 a name of the file without a
 * copy refers to nodes as the file says, whose own entries may be copies. */
#include "serve/history_inner.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "data/training.h"

static_assert(OD_HISTORY_EVENTS <= 255, "counts are bytes");
static_assert(sizeof(struct od_history_event) == 16, "an event takes 16 bytes");

#define RING_OVERHEAD 16u /* of an allocation, on average */

struct od_histories *od_histories_new(void)
{
    struct od_histories *histories = calloc(1, sizeof *histories);
    if (histories && !(histories->names = od_dict_new())) {
        free(histories);
        return NULL;
    }
    return histories;
}

struct od_histories *od_histories_new_from(struct od_history_file *file)
{
    struct od_histories *histories = od_histories_new();
    if (!histories) {
        od_history_file_close(file);
        return NULL;
    }
    histories->file = file;
    histories->filed = od_history_file_names(file);
    histories->events = od_history_file_event_count(file);
    return histories;
}

void od_histories_free(struct od_histories *histories)
{
    if (!histories)
        return;
    for (uint32_t i = 0, n = od_dict_count(histories->names); i < n && i < histories->own_cap; i++)
        free(histories->own[i].ring);
    for (uint32_t i = 0; i < histories->copy_count; i++)
        free(histories->copies[i].ring);
    free(histories->own);
    free(histories->copies);
    free(histories->slots);
    free(histories->pending);
    od_dict_free(histories->names);
    od_history_file_close(histories->file);
    free(histories);
}

/* ---- entries ---- */

static struct od_history_slot *probe(const struct od_histories *histories, uint32_t name)
{
    uint32_t mask = histories->slot_count - 1, i = (uint32_t)od_hash_mix(name, 0) & mask;
    while (histories->slots[i].name != OD_NO_CODE && histories->slots[i].name != name)
        i = (i + 1) & mask;
    return &histories->slots[i];
}

const struct od_history_entry *od_history_entry_of(const struct od_histories *histories,
                                                   uint32_t name)
{
    if (name >= histories->filed)
        return &histories->own[name - histories->filed];
    if (!histories->slot_count)
        return NULL;
    const struct od_history_slot *slot = probe(histories, name);
    return slot->name == name ? &histories->copies[slot->at] : NULL;
}

/* Room for one more copy, at most half of the slots used. */
static enum od_status reserve_copy(struct od_histories *histories)
{
    if (histories->copy_count == histories->copy_cap) {
        size_t cap = histories->copy_cap ? (size_t)histories->copy_cap * 2 : 64;
        struct od_history_entry *copies =
            cap <= UINT32_MAX / 4 ? realloc(histories->copies, cap * sizeof *copies) : NULL;
        if (!copies)
            return OD_NO_MEMORY;
        histories->copies = copies;
        histories->copy_cap = (uint32_t)cap;
    }
    if (histories->copy_count < histories->slot_count / 2)
        return OD_OK;
    uint32_t count = histories->slot_count ? histories->slot_count * 2 : 128;
    struct od_history_slot *old = histories->slots, *slots = malloc(count * sizeof *slots);
    uint32_t old_count = histories->slot_count;
    if (!slots)
        return OD_NO_MEMORY;
    memset(slots, 0xFF, count * sizeof *slots);
    histories->slots = slots;
    histories->slot_count = count;
    for (uint32_t i = 0; i < old_count; i++)
        if (old[i].name != OD_NO_CODE)
            *probe(histories, old[i].name) = old[i];
    free(old);
    return OD_OK;
}

/* The events of a node of the file, in a ring of their own. */
static enum od_status copy_ring(struct od_histories *histories, uint32_t name,
                                struct od_history_entry *entry, uint32_t count)
{
    if (count == 0)
        return OD_OK;
    uint32_t cap = od_history_ring_size(count);
    struct od_history_event *ring = malloc(cap * sizeof *ring);
    if (!ring)
        return OD_NO_MEMORY;
    od_history_file_events(histories->file, name, 0, count, ring);
    od_history_set_ring(histories, entry, ring, cap, count);
    return OD_OK;
}

enum od_status od_history_touch(struct od_histories *histories, uint32_t name,
                                struct od_history_entry **out)
{
    const struct od_history_entry *known = od_history_entry_of(histories, name);
    if (known) {
        *out = (struct od_history_entry *)known;
        return OD_OK;
    }
    enum od_status status = reserve_copy(histories);
    if (status != OD_OK)
        return status;
    struct od_history_filed filed = od_history_file_entry(histories->file, name);
    struct od_history_entry *entry = &histories->copies[histories->copy_count];
    *entry = (struct od_history_entry){
        .node = filed.node, .parent = filed.parent, .owner = filed.owner, .rank = filed.rank};
    status = copy_ring(histories, name, entry, filed.count);
    if (status != OD_OK)
        return status;
    *probe(histories, name) = (struct od_history_slot){name, histories->copy_count++};
    *out = entry;
    return OD_OK;
}

static uint32_t parent_of(const struct od_histories *histories, uint32_t node)
{
    const struct od_history_entry *entry = od_history_entry_of(histories, node);
    return entry ? entry->parent : od_history_file_entry(histories->file, node).parent;
}

uint32_t od_history_root(const struct od_histories *histories, uint32_t name)
{
    const struct od_history_entry *entry = od_history_entry_of(histories, name);
    uint32_t node = entry ? entry->node : od_history_file_entry(histories->file, name).node;
    for (uint32_t parent; (parent = parent_of(histories, node)) != node;)
        node = parent;
    return node;
}

/* ---- names ---- */

/* Room for some more entries, before the dictionary gets their names: the two never disagree. */
static enum od_status reserve(struct od_histories *histories, uint32_t more)
{
    uint64_t count = (uint64_t)od_dict_count(histories->names) + more;
    if (count <= histories->own_cap)
        return OD_OK;
    if (count + histories->filed >= OD_NO_CODE)
        return OD_LIMIT;
    uint64_t cap = histories->own_cap ? histories->own_cap : 64;
    while (cap < count)
        cap *= 2;
    cap = cap < UINT32_MAX ? cap : UINT32_MAX;
    struct od_history_entry *own = realloc(histories->own, cap * sizeof *own);
    if (!own)
        return OD_NO_MEMORY;
    histories->own = own;
    histories->own_cap = (uint32_t)cap;
    return OD_OK;
}

/* Entries of names that the dictionary got since it had count. */
static void begin_entries(struct od_histories *histories, uint32_t count)
{
    for (uint32_t i = count, n = od_dict_count(histories->names); i < n; i++) {
        uint32_t name = histories->filed + i;
        histories->own[i] = (struct od_history_entry){.node = name, .parent = name, .owner = name};
    }
}

enum od_status od_histories_name(struct od_histories *histories, struct od_str id,
                                 uint32_t *out_name)
{
    uint32_t code = histories->file ? od_history_file_find(histories->file, id) : OD_NO_CODE;
    if (code != OD_NO_CODE) {
        *out_name = code;
        return OD_OK;
    }
    uint32_t count = od_dict_count(histories->names);
    enum od_status status = reserve(histories, 1);
    if (status == OD_OK)
        status = od_dict_add(histories->names, id, &code);
    if (status != OD_OK)
        return status;
    begin_entries(histories, count);
    *out_name = histories->filed + code;
    return OD_OK;
}

enum od_status od_histories_name_many(struct od_histories *histories, const struct od_str *ids,
                                      uint32_t count, uint32_t *out_names)
{
    enum od_status status = OD_OK;
    for (uint32_t i = 0; i < count && status == OD_OK && histories->file; i++)
        status = od_histories_name(histories, ids[i], &out_names[i]);
    if (histories->file || status != OD_OK)
        return status;
    uint32_t before = od_dict_count(histories->names);
    status = reserve(histories, count);
    if (status == OD_OK)
        status = od_dict_add_many(histories->names, ids, count, out_names);
    begin_entries(histories, before < histories->own_cap ? before : histories->own_cap);
    return status;
}

uint32_t od_histories_find(const struct od_histories *histories, struct od_str id)
{
    uint32_t code = od_dict_find(histories->names, id);
    if (code != OD_NO_CODE)
        return histories->filed + code;
    return histories->file ? od_history_file_find(histories->file, id) : OD_NO_CODE;
}

struct od_str od_histories_text(const struct od_histories *histories, uint32_t name)
{
    return name < histories->filed ? od_history_file_text(histories->file, name)
                                   : od_dict_text(histories->names, name - histories->filed);
}

/* ---- rings ---- */

struct od_history_event *od_history_at(const struct od_history_entry *entry, uint32_t index)
{
    uint32_t slot = entry->head + index;
    return &entry->ring[slot >= entry->cap ? slot - entry->cap : slot];
}

uint32_t od_history_ring_size(uint32_t count)
{
    uint32_t size = 4;
    while (size < count)
        size *= 2;
    return size < OD_HISTORY_EVENTS ? size : OD_HISTORY_EVENTS;
}

void od_history_set_ring(struct od_histories *histories, struct od_history_entry *entry,
                         struct od_history_event *ring, uint32_t cap, uint32_t count)
{
    histories->slots_of_rings = histories->slots_of_rings + cap - entry->cap;
    histories->rings += (ring != NULL) - (entry->ring != NULL);
    free(entry->ring);
    entry->ring = ring;
    entry->cap = (uint8_t)cap;
    entry->count = (uint8_t)count;
    entry->head = 0;
}

static enum od_status grow(struct od_histories *histories, struct od_history_entry *entry)
{
    assert(entry->head == 0);
    uint32_t cap = od_history_ring_size(entry->count + 1u);
    struct od_history_event *ring = realloc(entry->ring, cap * sizeof *ring);
    if (!ring)
        return OD_NO_MEMORY;
    histories->slots_of_rings += cap - entry->cap;
    histories->rings += entry->ring == NULL;
    entry->ring = ring;
    entry->cap = (uint8_t)cap;
    return OD_OK;
}

uint16_t od_history_value(bool has_value, double value)
{
    float kept = od_training_value(has_value, value);
    return isnan(kept) ? 0 : (uint16_t)(1 + od_hash(&kept, sizeof kept, 0) % UINT16_MAX);
}

bool od_history_same(const struct od_history_event *a, const struct od_history_event *b)
{
    return a->time == b->time && a->item_row == b->item_row && a->type == b->type &&
           a->value == b->value;
}

bool od_history_holds(const struct od_history_entry *entry, const struct od_history_event *event)
{
    uint32_t low = 0, high = entry->count; /* where those later than event begin */
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (od_history_at(entry, middle)->time > event->time)
            high = middle;
        else
            low = middle + 1;
    }
    bool same = false;
    while (!same && low > 0 && od_history_at(entry, low - 1)->time == event->time)
        same = od_history_same(od_history_at(entry, --low), event);
    return same;
}

/* The type that more than half of a full ring and one more event have, OD_NO_CODE: none. */
static uint32_t common_type(const struct od_history_entry *entry,
                            const struct od_history_event *more)
{
    uint32_t type = more->type, lead = 1, count = 0; /* the vote of Boyer and Moore */
    for (uint32_t i = 0; i < entry->count; i++) {
        uint16_t other = od_history_at(entry, i)->type;
        if (lead == 0)
            type = other;
        lead += other == type ? 1 : -1u;
    }
    for (uint32_t i = 0; i < entry->count; i++)
        count += od_history_at(entry, i)->type == type;
    count += more->type == type;
    return 2 * count > entry->count + 1u ? type : OD_NO_CODE;
}

/* Takes an event out of a full ring for one more; false: that one is what has to go. */
static bool make_room(struct od_history_entry *entry, const struct od_history_event *more)
{
    uint32_t type = common_type(entry, more), gone = 0;
    while (type != OD_NO_CODE && gone < entry->count && od_history_at(entry, gone)->type != type)
        gone++;
    bool counts = type == OD_NO_CODE || more->type == type;
    if (counts && (gone == entry->count || more->time < od_history_at(entry, gone)->time))
        return false;
    for (; gone > 0; gone--)
        *od_history_at(entry, gone) = *od_history_at(entry, gone - 1);
    entry->head = (uint8_t)(entry->head + 1 == entry->cap ? 0 : entry->head + 1);
    entry->count--;
    return true;
}

/* Whether the newest of each type have it, counted from the newest event of all on. */
static bool is_of_newest(const struct od_history_event *event, uint8_t *seen)
{
    if (seen[event->type] == OD_HISTORY_EVENTS / 2)
        return false;
    seen[event->type]++;
    return true;
}

static void forget(const struct od_history_event *events, uint32_t count, uint8_t *seen)
{
    for (uint32_t i = 0; i < count; i++)
        seen[events[i].type] = 0;
}

uint32_t od_history_keep(struct od_history_event *events, uint32_t count, uint8_t *seen)
{
    uint32_t newest = 0, at = count, room = OD_HISTORY_EVENTS;
    if (count <= OD_HISTORY_EVENTS)
        return count;
    for (uint32_t i = count; i > 0; i--)
        newest += is_of_newest(&events[i - 1], seen);
    forget(events, count, seen);
    uint32_t others = newest < OD_HISTORY_EVENTS ? OD_HISTORY_EVENTS - newest : 0;
    for (uint32_t i = count; i > 0 && room > 0; i--) {
        bool of_newest = is_of_newest(&events[i - 1], seen);
        if (!of_newest && others == 0)
            continue;
        others -= !of_newest;
        events[--at] = events[i - 1];
        room--;
    }
    forget(events, count, seen);
    memmove(events, events + at, (count - at) * sizeof *events);
    return count - at;
}

enum od_status od_histories_add(struct od_histories *histories, uint32_t name,
                                const struct od_history_event *event)
{
    assert(histories->pending_count == 0);
    struct od_history_entry *entry;
    enum od_status status = od_history_touch(histories, od_history_root(histories, name), &entry);
    if (status != OD_OK)
        return status;
    if (od_history_holds(entry, event))
        return OD_OK;
    if (entry->count == OD_HISTORY_EVENTS) {
        if (!make_room(entry, event))
            return OD_OK;
        histories->events--;
    } else if (entry->count == entry->cap) {
        status = grow(histories, entry);
        if (status != OD_OK)
            return status;
    }
    uint32_t i = entry->count++;
    histories->events++;
    for (; i > 0 && od_history_at(entry, i - 1)->time > event->time; i--)
        *od_history_at(entry, i) = *od_history_at(entry, i - 1);
    *od_history_at(entry, i) = *event;
    return OD_OK;
}

/* ---- joining ---- */

/* The events of both in order; of equal times the second entry's count as later. Returns how many
 * they are. */
static uint32_t merge(const struct od_history_entry *first, const struct od_history_entry *second,
                      struct od_history_event *out)
{
    uint32_t a = 0, b = 0, count = 0;
    while (a < first->count || b < second->count) {
        bool from_first =
            a < first->count &&
            (b == second->count || od_history_at(first, a)->time <= od_history_at(second, b)->time);
        const struct od_history_event *event =
            from_first ? od_history_at(first, a++) : od_history_at(second, b++);
        if (from_first || !od_history_holds(first, event))
            out[count++] = *event;
    }
    return count;
}

/* The entries of two names, both in memory. */
static enum od_status touch_both(struct od_histories *histories, uint32_t a, uint32_t b,
                                 struct od_history_entry **out_a, struct od_history_entry **out_b)
{
    enum od_status status = od_history_touch(histories, a, out_a);
    if (status == OD_OK)
        status = od_history_touch(histories, b, out_b);
    return status == OD_OK ? od_history_touch(histories, a, out_a) : status; /* it may have moved */
}

/* Two roots become one tree; the events of both go to the new root. */
static enum od_status unite(struct od_histories *histories, uint32_t user_root,
                            uint32_t session_root)
{
    struct od_history_entry *user, *session;
    enum od_status status = touch_both(histories, user_root, session_root, &user, &session);
    if (status != OD_OK)
        return status;
    bool user_wins = user->rank >= session->rank;
    struct od_history_entry *winner = user_wins ? user : session;
    struct od_history_entry *loser = user_wins ? session : user;
    if (loser->count > 0) {
        struct od_history_event merged[2 * OD_HISTORY_EVENTS];
        uint32_t total = (uint32_t)user->count + session->count;
        uint8_t *seen = calloc(OD_MAX_EVENT_TYPES + 1, 1);
        if (!seen)
            return OD_NO_MEMORY;
        uint32_t count = od_history_keep(merged, merge(user, session, merged), seen);
        free(seen);
        uint32_t cap = od_history_ring_size(count);
        struct od_history_event *ring = malloc(cap * sizeof *ring);
        if (!ring)
            return OD_NO_MEMORY;
        memcpy(ring, merged, count * sizeof *ring);
        histories->events -= total - count;
        od_history_set_ring(histories, winner, ring, cap, count);
    }
    od_history_set_ring(histories, loser, NULL, 0, 0);
    loser->parent = user_wins ? user_root : session_root;
    if (winner->rank == loser->rank)
        winner->rank++;
    return OD_OK;
}

enum od_status od_histories_link(struct od_histories *histories, uint32_t user, uint32_t session)
{
    assert(histories->pending_count == 0);
    if (user == session)
        return OD_OK;
    uint32_t to = od_history_root(histories, user), from = od_history_root(histories, session);
    uint32_t owner = od_histories_owner(histories, session);
    if (owner == user && to == from)
        return OD_OK; /* the usual case: nothing of an idle session has to come to memory */
    struct od_history_entry *entry;
    enum od_status status = OD_OK;
    if (owner == session && to != from)
        status = unite(histories, to, from);
    if (status == OD_OK)
        status = od_history_touch(histories, session, &entry);
    if (status != OD_OK)
        return status;
    if (owner != session)
        entry->node = to;
    entry->owner = user;
    return OD_OK;
}

uint32_t od_histories_owner(const struct od_histories *histories, uint32_t name)
{
    const struct od_history_entry *entry = od_history_entry_of(histories, name);
    return entry ? entry->owner : od_history_file_entry(histories->file, name).owner;
}

/* ---- reading ---- */

uint32_t od_histories_length(const struct od_histories *histories, uint32_t name)
{
    assert(histories->pending_count == 0);
    uint32_t root = od_history_root(histories, name);
    const struct od_history_entry *entry = od_history_entry_of(histories, root);
    return entry ? entry->count : od_history_file_entry(histories->file, root).count;
}

void od_histories_copy(const struct od_histories *histories, uint32_t name, uint32_t count,
                       struct od_history_event *out)
{
    uint32_t root = od_history_root(histories, name);
    const struct od_history_entry *entry = od_history_entry_of(histories, root);
    if (!entry) {
        uint32_t all = od_history_file_entry(histories->file, root).count;
        assert(count <= all);
        od_history_file_events(histories->file, root, all - count, count, out);
        return;
    }
    assert(count <= entry->count);
    for (uint32_t i = 0; i < count; i++)
        out[i] = *od_history_at(entry, entry->count - count + i);
}

uint32_t od_histories_count(const struct od_histories *histories)
{
    return histories->filed + od_dict_count(histories->names);
}

uint64_t od_histories_events(const struct od_histories *histories)
{
    return histories->events + histories->pending_count;
}

uint64_t od_histories_evicted(const struct od_histories *histories)
{
    return histories->filed - histories->copy_count;
}

uint64_t od_histories_evictable(const struct od_histories *histories)
{
    uint64_t entries = (uint64_t)histories->own_cap + histories->copy_cap;
    return histories->slots_of_rings * sizeof(struct od_history_event) +
           histories->rings * RING_OVERHEAD + entries * sizeof(struct od_history_entry) +
           (uint64_t)histories->slot_count * sizeof(struct od_history_slot) +
           od_dict_bytes(histories->names);
}

uint64_t od_histories_bytes(const struct od_histories *histories)
{
    return od_histories_evictable(histories) +
           (histories->pending ? OD_HISTORY_PENDING * sizeof *histories->pending : 0) +
           (histories->file ? od_history_file_heap(histories->file) : 0);
}
