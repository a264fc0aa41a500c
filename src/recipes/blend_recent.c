/* See blend_recent.h. Ages are sorted by two passes of a counting sort over 16 bits each, stable,
 * so events of one second stay in the order of their users. */
#include "recipes/blend_recent.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

static const uint32_t window_s[OD_RECENT_WINDOWS] = {86400, 7 * 86400, 30 * 86400};

/* One pass by the 16 bits from shift on. */
static void sort_pass(uint32_t *const from[2], uint32_t *const to[2], size_t count, unsigned shift,
                      size_t *place)
{
    memset(place, 0, 65537 * sizeof *place);
    for (size_t i = 0; i < count; i++)
        place[(from[0][i] >> shift & 65535) + 1]++;
    for (size_t d = 0; d < 65535; d++)
        place[d + 1] += place[d];
    for (size_t i = 0; i < count; i++) {
        size_t at = place[from[0][i] >> shift & 65535]++;
        to[0][at] = from[0][i];
        to[1][at] = from[1][i];
    }
}

enum od_status od_recent_make(const struct od_training *training, struct od_recent *out,
                              struct od_error *err)
{
    uint64_t events = training->event_count;
    uint32_t stride = (uint32_t)((events + OD_RECENT_EVENTS - 1) / OD_RECENT_EVENTS);
    stride = stride ? stride : 1;
    size_t most = (size_t)(events / stride) + 1, count = 0;
    uint32_t *memory = malloc(most * 2 * sizeof *memory), *spare = malloc(most * 2 * sizeof *spare);
    size_t *place = malloc(65537 * sizeof *place);
    if (!memory || !spare || !place) {
        free(memory);
        free(spare);
        free(place);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    uint32_t *kept[2] = {memory, memory + most}, *other[2] = {spare, spare + most};
    for (uint64_t from = 0; from < events; from += stride) {
        /* one of every so many by chance: histories of one length have no place never looked at */
        uint64_t e = from + (stride > 1 ? od_hash_mix(from, 0x7265) % stride : 0);
        if (e >= events)
            break;
        uint64_t age = (uint64_t)training->last_time - (uint64_t)training->time[e];
        if (age > UINT32_MAX)
            continue;
        kept[0][count] = (uint32_t)age;
        kept[1][count++] = training->item[e];
    }
    sort_pass(kept, other, count, 0, place);
    sort_pass(other, kept, count, 16, place);
    free(spare);
    free(place);
    *out = (struct od_recent){.count = (uint32_t)count,
                              .stride = stride,
                              .last_time = training->last_time,
                              .age = kept[0],
                              .item = kept[1],
                              .memory = memory};
    return OD_OK;
}

void od_recent_done(struct od_recent *recent)
{
    free(recent->memory);
    *recent = (struct od_recent){0};
}

/* The first place whose age is at least `age`. */
static uint32_t place_of(const struct od_recent *recent, uint64_t age)
{
    uint32_t low = 0, high = recent->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        if (recent->age[middle] < age)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

/* Before time: ages from this on. */
static uint64_t youngest_before(const struct od_recent *recent, int64_t time)
{
    return time > recent->last_time ? 0 : (uint64_t)recent->last_time - (uint64_t)time + 1;
}

void od_recent_count(const struct od_recent *recent, int64_t time, uint32_t item_count,
                     uint32_t *counts)
{
    memset(counts, 0, (size_t)item_count * OD_RECENT_WINDOWS * sizeof *counts);
    uint64_t youngest = youngest_before(recent, time);
    uint32_t at = place_of(recent, youngest);
    for (int w = 0; w < OD_RECENT_WINDOWS; w++) {
        uint32_t *c = counts + (size_t)w * item_count;
        uint32_t behind = place_of(recent, youngest + window_s[w]);
        if (w)
            memcpy(c, c - item_count, (size_t)item_count * sizeof *c);
        for (; at < behind; at++)
            c[recent->item[at]] += recent->stride;
    }
}

enum od_status od_recent_walk_init(struct od_recent_walk *walk, const struct od_recent *recent,
                                   uint32_t item_count)
{
    *walk =
        (struct od_recent_walk){.recent = recent, .items = item_count, .entered = recent->count};
    for (int w = 0; w < OD_RECENT_WINDOWS; w++)
        walk->left[w] = recent->count;
    walk->counts = calloc((OD_RECENT_WINDOWS + 1) * walk->items + 1, sizeof *walk->counts);
    return walk->counts ? OD_OK : OD_NO_MEMORY;
}

void od_recent_walk_done(struct od_recent_walk *walk)
{
    free(walk->counts);
    *walk = (struct od_recent_walk){0};
}

void od_recent_walk_to(struct od_recent_walk *walk, int64_t time)
{
    const struct od_recent *recent = walk->recent;
    uint64_t youngest = youngest_before(recent, time);
    for (; walk->entered > 0 && recent->age[walk->entered - 1] >= youngest; walk->entered--)
        for (size_t w = 0; w <= OD_RECENT_WINDOWS; w++) {
            walk->counts[w * walk->items + recent->item[walk->entered - 1]]++;
            walk->sum[w]++;
        }
    for (size_t w = 0; w < OD_RECENT_WINDOWS; w++) {
        uint32_t *at = &walk->left[w];
        for (; *at > walk->entered && recent->age[*at - 1] >= youngest + window_s[w]; --*at) {
            walk->counts[w * walk->items + recent->item[*at - 1]]--;
            walk->sum[w]--;
        }
    }
}

static int by_size(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

bool od_recent_real(const struct od_training *training)
{
    enum { LOOKED_AT = 20000 };
    int64_t *step = malloc(LOOKED_AT * sizeof *step);
    size_t count = 0, most = 0;
    uint64_t stride = training->event_count / LOOKED_AT + 1;
    if (!step)
        return false;
    for (uint32_t u = 0; u < training->user_count; u++) {
        uint64_t start = training->user_start[u], end = training->user_start[u + 1];
        for (uint64_t e = start + 1 + (stride - start % stride) % stride;
             e < end && count < LOOKED_AT; e += stride)
            if (!__builtin_sub_overflow(training->time[e], training->time[e - 1], &step[count]) &&
                step[count] != 0) /* one basket */
                count++;
    }
    qsort(step, count, sizeof *step, by_size);
    for (size_t i = 0, first = 0; i < count; i++) {
        if (step[i] != step[first])
            first = i;
        most = i - first + 1 > most ? i - first + 1 : most;
    }
    free(step);
    return most * 5 < count * 4;
}
