/* Adding many events at once, as at a start.
 *
 * Events of a file come by time, neighbours of different users: added one by one, each would wait
 * for the memory of an entry and of a ring, and grow the ring in small steps. So they are
 * collected, OD_HISTORY_PENDING at a time (48 MiB while a group is loaded), brought into the order
 * of names by a counting sort, which keeps the order of arrival, and each user's are merged into
 * the ring at once. The result is what adding them one by one leaves: of events sorted by time,
 * those of equal time in order of arrival, each once, what od_history_keep keeps. */
#include "serve/history_inner.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

/* Sorts by time, keeping the order of equal times: they are nearly always in order. Long runs out
 * of order go to a merge sort, so that a hostile file costs no square. */
static void sort_events(struct od_history_event *events, uint32_t count,
                        struct od_history_event *scratch)
{
    if (count <= 16) {
        for (uint32_t i = 1; i < count; i++) {
            struct od_history_event event = events[i];
            uint32_t at = i;
            for (; at > 0 && events[at - 1].time > event.time; at--)
                events[at] = events[at - 1];
            events[at] = event;
        }
        return;
    }
    uint32_t half = count / 2, a = 0, b = half;
    sort_events(events, half, scratch);
    sort_events(events + half, count - half, scratch);
    if (events[half - 1].time <= events[half].time)
        return;
    memcpy(scratch, events, count * sizeof *events);
    for (uint32_t i = 0; i < count; i++) {
        bool second = a == half || (b < count && scratch[b].time < scratch[a].time);
        events[i] = second ? scratch[b++] : scratch[a++];
    }
}

/* Those of the ring and events, which are in order and count as later. */
static void merge(const struct od_history_entry *entry, const struct od_history_event *events,
                  uint32_t count, struct od_history_event *out)
{
    uint32_t a = entry->count, b = count;
    for (uint32_t i = a + b; i > 0; i--) {
        bool later = b > 0 && (a == 0 || events[b - 1].time >= od_history_at(entry, a - 1)->time);
        out[i - 1] = later ? events[--b] : *od_history_at(entry, --a);
    }
}

/* Keeps, of events in order of time, those that are neither in the entry nor before. */
static uint32_t keep_new(const struct od_history_entry *entry, struct od_history_event *events,
                         uint32_t count)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t from = kept;
        bool known = od_history_holds(entry, &events[i]);
        while (!known && from > 0 && kept - from < OD_HISTORY_EVENTS &&
               events[from - 1].time == events[i].time)
            known = od_history_same(&events[--from], &events[i]);
        if (!known)
            events[kept++] = events[i];
    }
    return kept;
}

static enum od_status add_sorted(struct od_histories *histories, uint32_t name,
                                 struct od_history_event *events, uint32_t count, uint8_t *seen)
{
    struct od_history_entry *entry;
    enum od_status status = od_history_touch(histories, od_history_root(histories, name), &entry);
    if (status != OD_OK || (count = keep_new(entry, events, count)) == 0)
        return status;
    uint32_t before = entry->count, total = before + count;
    bool behind = before == 0 || events[0].time >= od_history_at(entry, before - 1)->time;
    if (behind && entry->head == 0 && total <= entry->cap) {
        memcpy(entry->ring + before, events, count * sizeof *events);
        entry->count = (uint8_t)total;
        histories->events += count;
        return OD_OK;
    }
    struct od_history_event *ring =
        malloc((total > OD_HISTORY_EVENTS ? total : od_history_ring_size(total)) * sizeof *ring);
    if (!ring)
        return OD_NO_MEMORY;
    merge(entry, events, count, ring);
    uint32_t kept = od_history_keep(ring, total, seen), cap = od_history_ring_size(kept);
    if (total > OD_HISTORY_EVENTS) {
        struct od_history_event *fitting = realloc(ring, cap * sizeof *ring);
        ring = fitting ? fitting : ring;
    }
    histories->events = histories->events + kept - before;
    od_history_set_ring(histories, entry, ring, cap, kept);
    return OD_OK;
}

/* [name - first] where the name's events end, after this where they start. */
static void sort_by_name(const struct od_history_pending *pending, uint32_t count, uint32_t first,
                         uint32_t names, uint32_t *at, struct od_history_event *out)
{
    memset(at, 0, ((size_t)names + 1) * sizeof *at);
    for (uint32_t i = 0; i < count; i++)
        at[pending[i].name - first + 1]++;
    for (uint32_t n = 0; n < names; n++)
        at[n + 1] += at[n];
    for (uint32_t i = 0; i < count; i++)
        out[at[pending[i].name - first]++] = pending[i].event;
}

static enum od_status flush(struct od_histories *histories)
{
    const struct od_history_pending *pending = histories->pending;
    uint32_t count = histories->pending_count, first = UINT32_MAX, last = 0, from = 0;
    if (count == 0)
        return OD_OK;
    for (uint32_t i = 0; i < count; i++) {
        first = pending[i].name < first ? pending[i].name : first;
        last = pending[i].name > last ? pending[i].name : last;
    }
    uint32_t names = last - first + 1;
    uint32_t *at = malloc(((size_t)names + 1) * sizeof *at);
    struct od_history_event *events = malloc(2 * (size_t)count * sizeof *events);
    uint8_t *seen = calloc(OD_MAX_EVENT_TYPES + 1, 1);
    enum od_status status = at && events && seen ? OD_OK : OD_NO_MEMORY;
    if (status == OD_OK)
        sort_by_name(pending, count, first, names, at, events);
    for (uint32_t n = 0; n < names && status == OD_OK; n++) {
        uint32_t end = at[n];
        if (end == from)
            continue;
        sort_events(events + from, end - from, events + count);
        status = add_sorted(histories, first + n, events + from, end - from, seen);
        from = end;
    }
    histories->pending_count = 0;
    free(at);
    free(events);
    free(seen);
    return status;
}

enum od_status od_histories_add_later(struct od_histories *histories, uint32_t name,
                                      const struct od_history_event *event)
{
    if (!histories->pending) {
        histories->pending = malloc(OD_HISTORY_PENDING * sizeof *histories->pending);
        if (!histories->pending)
            return OD_NO_MEMORY;
    }
    histories->pending[histories->pending_count++] = (struct od_history_pending){*event, name};
    return histories->pending_count == OD_HISTORY_PENDING ? flush(histories) : OD_OK;
}

enum od_status od_histories_settle(struct od_histories *histories)
{
    if (!histories->pending)
        return OD_OK;
    enum od_status status = flush(histories);
    free(histories->pending);
    histories->pending = NULL;
    return status;
}
