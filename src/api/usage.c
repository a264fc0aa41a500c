/* See usage.h. */
#include "api/usage.h"

#include <string.h>

#define HOUR_MS 3600000.0

static int64_t window_end(int64_t ms)
{
    return (ms / OD_USAGE_WINDOW_MS + 1) * OD_USAGE_WINDOW_MS;
}

/* TPS-hours of the window from until_ms to end_ms, with what was counted in it. */
static double worth(const struct od_tps_hours *hours, int64_t end_ms)
{
    double floor = (double)hours->floor * (double)(end_ms - hours->until_ms) / HOUR_MS;
    double asked = (double)hours->count * 1000 / HOUR_MS;
    return asked > floor ? asked : floor;
}

static void close_at(struct od_tps_hours *hours, int64_t end_ms)
{
    hours->total += worth(hours, end_ms);
    hours->until_ms = end_ms;
    hours->count = 0;
}

bool od_tps_hours_advance(struct od_tps_hours *hours, int64_t now_ms)
{
    int64_t end = window_end(hours->until_ms);
    if (now_ms < end)
        return false;
    bool above =
        (double)hours->count * 1000 > (double)hours->floor * (double)(end - hours->until_ms);
    close_at(hours, end);
    close_at(hours, now_ms / OD_USAGE_WINDOW_MS * OD_USAGE_WINDOW_MS); /* empty ones, at once */
    return above;
}

void od_tps_hours_set_floor(struct od_tps_hours *hours, int64_t floor, int64_t now_ms)
{
    (void)od_tps_hours_advance(hours, now_ms);
    if (now_ms > hours->until_ms)
        close_at(hours, now_ms);
    hours->floor = floor;
}

double od_tps_hours_now(const struct od_tps_hours *hours, int64_t now_ms)
{
    return hours->total + worth(hours, now_ms > hours->until_ms ? now_ms : hours->until_ms);
}

void od_recent_init(struct od_recent *recent, int64_t now_ms)
{
    memset(recent, 0, sizeof *recent);
    recent->since_ms = now_ms;
}

void od_recent_add(struct od_recent *recent, int64_t now_ms, uint32_t answers, int64_t busy_ns)
{
    int64_t number = now_ms / OD_RECENT_SLOT_MS;
    struct od_recent_slot *slot = &recent->slots[(uint64_t)number % OD_RECENT_SLOTS];
    if (slot->number != number)
        *slot = (struct od_recent_slot){.number = number};
    slot->answers += answers;
    slot->busy_ns += busy_ns;
}

void od_recent_read(const struct od_recent *recent, int64_t now_ms, double *out_tps,
                    double *out_busy)
{
    int64_t newest = now_ms / OD_RECENT_SLOT_MS;
    int64_t oldest_ms = (newest - OD_RECENT_SLOTS + 1) * OD_RECENT_SLOT_MS;
    int64_t from_ms = recent->since_ms > oldest_ms ? recent->since_ms : oldest_ms;
    double seconds = (double)(now_ms - from_ms) / 1000, answers = 0, busy_ns = 0;
    for (size_t i = 0; i < OD_RECENT_SLOTS; i++) {
        const struct od_recent_slot *slot = &recent->slots[i];
        if (slot->number > newest - OD_RECENT_SLOTS && slot->number <= newest) {
            answers += slot->answers;
            busy_ns += (double)slot->busy_ns;
        }
    }
    if (seconds < 1)
        seconds = 1;
    *out_tps = answers / seconds;
    *out_busy = busy_ns / 1e9 / seconds;
}
