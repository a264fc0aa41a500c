/* Who is answered next.
 *
 * While the machine keeps up this hardly matters: whatever waits at the end of a round is answered
 * in it. Under overload the order is:
 *
 *   1. Floors. A campaign has tokens at the rate of its floor, up to a second's worth. While the
 *      campaign that waits has one, its oldest request is answered with it; among campaigns the
 *      oldest request goes first. So a campaign that asks for no more than its floor is served
 *      as if it were alone, however much others ask. (When all floors together are more than the
 *      machine can do, these requests wait longest first, and none is refused.)
 *   2. Spare capacity, by time and not by number: an account has a virtual time, the service time
 *      its requests beyond the floor have had; the campaign with the least is next. A model that
 *      costs ten times as much answers a tenth as often, and takes no more of the machine. This is
 *      what deficit round robin does for packets, whose length is known beforehand. Here cost is
 *      known afterwards, so a request is charged by its campaign's average first, and the
 *      difference is settled when it was answered. Floors are not charged: they are reserved, not
 *      spare, and what is spare is shared evenly whatever the floors.
 *   3. Refusal. A request that has waited too long and gets no token of its floor now goes with
 *      ThrottlingException: the client hears it while it still waits, and the line never holds more
 *      than a moment's worth of work. If it gets one it is within the floor, keeps the token
 *      and will be answered.
 *
 * Virtual times are shared by all threads, so that a campaign whose connections happen to be on one
 * thread, and one whose are on all, have equal parts of the machine. A campaign that comes back
 * starts at the virtual time at which others were last served: idleness is not saved up.
 *
 * The line needs no bound of its own: a connection has one request in it at most, and connections
 * are bounded. Choosing looks at each campaign that waits on this thread, once a request. */
#include "api/line.h"

#include <assert.h>
#include <stdlib.h>

#define GUESS_NS 200000 /* of a campaign that has not answered yet */
#define MEMORY   8      /* requests that the average looks back on, about */
#define SHARING  8      /* requests of one pass count as one, so that there are enough for it */

static struct od_capacity *shared(const struct od_lane *lane)
{
    return lane->account->capacity;
}

static void raise_to(_Atomic int64_t *value, int64_t least)
{
    int64_t now = atomic_load_explicit(value, memory_order_relaxed);
    while (now < least && !atomic_compare_exchange_weak_explicit(
                              value, &now, least, memory_order_relaxed, memory_order_relaxed))
        ;
}

void od_line_add(struct od_line *line, struct od_line_item *item)
{
    struct od_lane *lane = &item->account->lanes[line->thread];
    if (atomic_fetch_add_explicit(&item->account->waiting, 1, memory_order_relaxed) == 0)
        raise_to(&item->account->spare_ns,
                 atomic_load_explicit(&shared(lane)->spare_ns, memory_order_relaxed));
    if (!lane->head) {
        lane->next = line->first;
        if (lane->next)
            lane->next->link = &lane->next;
        lane->link = &line->first;
        line->first = lane;
    }
    item->next = NULL;
    item->reserved = false;
    item->charged_ns = 0;
    *lane->tail = item;
    lane->tail = &item->next;
    line->length++;
}

/* Takes *at, an item of the lane, out of it. */
static struct od_line_item *take_out(struct od_line *line, struct od_lane *lane,
                                     struct od_line_item **at)
{
    struct od_line_item *item = *at;
    *at = item->next;
    if (lane->tail == &item->next)
        lane->tail = at;
    if (!lane->head) {
        *lane->link = lane->next;
        if (lane->next)
            lane->next->link = lane->link;
    }
    item->next = NULL;
    line->length--;
    atomic_fetch_sub_explicit(&item->account->waiting, 1, memory_order_relaxed);
    return item;
}

/* The lane whose oldest request is within its floor, and the oldest of those; NULL: none is. */
static struct od_lane *next_of_floors(const struct od_line *line, int64_t now_ns)
{
    struct od_lane *best = NULL;
    for (struct od_lane *lane = line->first; lane; lane = lane->next)
        if ((!best || lane->head->since_ns < best->head->since_ns) &&
            (lane->head->reserved || od_bucket_has(&lane->account->floor, now_ns)))
            best = lane;
    return best;
}

static struct od_lane *next_of_spare(const struct od_line *line)
{
    struct od_lane *best = line->first;
    int64_t least = atomic_load_explicit(&best->account->spare_ns, memory_order_relaxed);
    for (struct od_lane *lane = best->next; lane; lane = lane->next) {
        int64_t spare = atomic_load_explicit(&lane->account->spare_ns, memory_order_relaxed);
        if (spare < least || (spare == least && lane->head->since_ns < best->head->since_ns)) {
            best = lane;
            least = spare;
        }
    }
    return best;
}

static int64_t cost_of(const struct od_account *account)
{
    int64_t cost = atomic_load_explicit(&account->cost_ns, memory_order_relaxed);
    return cost ? cost : GUESS_NS;
}

static struct od_line_item *take_next(struct od_line *line, int64_t now_ns)
{
    struct od_lane *lane;
    while ((lane = next_of_floors(line, now_ns))) {
        struct od_line_item *head = lane->head;
        if (head->reserved || od_bucket_take(&lane->account->floor, now_ns)) {
            head->reserved = true;
            return take_out(line, lane, &lane->head);
        }
    } /* another thread took the token: look again */
    lane = next_of_spare(line);
    struct od_account *account = lane->account;
    raise_to(&shared(lane)->spare_ns, atomic_load(&account->spare_ns));
    lane->head->charged_ns = cost_of(account);
    atomic_fetch_add_explicit(&account->spare_ns, lane->head->charged_ns, memory_order_relaxed);
    return take_out(line, lane, &lane->head);
}

/* By campaign; those of one stay in order. Insertion: the batch is short. */
static void group(struct od_line_item **items, size_t count)
{
    for (size_t i = 1; i < count; i++) {
        struct od_line_item *item = items[i];
        size_t at = i;
        while (at > 0 && (uintptr_t)items[at - 1]->account > (uintptr_t)item->account) {
            items[at] = items[at - 1];
            at--;
        }
        items[at] = item;
    }
}

size_t od_line_take(struct od_line *line, int64_t now_ns, struct od_line_item **out)
{
    size_t count = 0;
    int64_t work_ns = 0;
    while (line->length && count < OD_LINE_BATCH && (!count || work_ns < OD_LINE_BUDGET_NS)) {
        out[count] = take_next(line, now_ns);
        work_ns +=
            cost_of(out[count]->account) /
            (atomic_load_explicit(&out[count]->account->shares, memory_order_relaxed) ? SHARING
                                                                                      : 1);
        count++;
    }
    group(out, count);
    return count;
}

struct od_line_item *od_line_expire(struct od_line *line, int64_t now_ns, int64_t patience_ns)
{
    struct od_line_item *list = NULL;
    for (struct od_lane *lane = line->first, *next; lane; lane = next) {
        next = lane->next;
        struct od_line_item **at = &lane->head;
        while (*at && now_ns - (*at)->since_ns > patience_ns) {
            struct od_line_item *item = *at;
            if (!item->reserved)
                item->reserved = od_bucket_take(&lane->account->floor, now_ns);
            if (item->reserved) {
                at = &item->next;
            } else {
                item = take_out(line, lane, at);
                item->next = list;
                list = item;
            }
        }
    }
    return list;
}

struct od_line_item *od_line_clear(struct od_line *line)
{
    struct od_line_item *list = NULL;
    while (line->first) {
        struct od_line_item *item = take_out(line, line->first, &line->first->head);
        item->next = list;
        list = item;
    }
    return list;
}

void od_line_settle(struct od_account *account, size_t count, size_t charged_count,
                    int64_t charged_ns, int64_t busy_ns)
{
    assert(count && charged_count <= count);
    int64_t each = busy_ns / (int64_t)count;
    int64_t cost = atomic_load_explicit(&account->cost_ns, memory_order_relaxed);
    int64_t weight = count < MEMORY ? (int64_t)count : MEMORY;
    int64_t average = cost ? cost + (each - cost) * weight / MEMORY : each;
    atomic_store_explicit(&account->cost_ns, average > 0 ? average : 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&account->spare_ns, each * (int64_t)charged_count - charged_ns,
                              memory_order_relaxed);
}
