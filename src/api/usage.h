/* What a campaign was used for: TPS-hours by AWS's rule, and the last five minutes.
 *
 * TPS-hours. "If your traffic is above minProvisionedTPS you are charged for it": time is cut into
 * windows of five minutes; a window counts the larger of minProvisionedTPS and the average TPS
 * within it, times its length. Windows begin at multiples of five minutes of the clock (UTC); the
 * first begins when the campaign becomes ACTIVE, and a change of minProvisionedTPS ends the running
 * one, so that each has one floor. The total follows from three numbers at any time while nothing
 * is asked, so a campaign that is idle needs no writing down.
 *
 * Nothing here locks; the account does (capacity.h). Times are milliseconds of the wall clock. One
 * that steps back counts nothing until it has caught up. */
#ifndef OD_API_USAGE_H
#define OD_API_USAGE_H

#include <stdbool.h>
#include <stdint.h>

#define OD_USAGE_WINDOW_MS 300000

struct od_tps_hours {
    int64_t until_ms; /* all before is in total */
    int64_t floor;    /* minProvisionedTPS since; 0 while a recommender is stopped */
    double total;     /* TPS-hours */
    uint64_t count;   /* answered in the running window, since until_ms */
};

/* Closes the windows that have ended. True: one of them had more than its floor, so that floor and
 * time no longer tell the total. */
bool od_tps_hours_advance(struct od_tps_hours *hours, int64_t now_ms);
/* Closes the running window too; from now on the floor is another. */
void od_tps_hours_set_floor(struct od_tps_hours *hours, int64_t floor, int64_t now_ms);
/* The total if the running window ended now. After advance. */
double od_tps_hours_now(const struct od_tps_hours *hours, int64_t now_ms);

/* The last five minutes in slots of ten seconds. */
#define OD_RECENT_SLOT_MS 10000
#define OD_RECENT_SLOTS   31 /* the running one beside thirty whole ones */
struct od_recent {
    int64_t since_ms; /* when counting began */
    struct od_recent_slot {
        int64_t number; /* of slots since 1970 */
        uint32_t answers;
        int64_t busy_ns;
    } slots[OD_RECENT_SLOTS];
};

void od_recent_init(struct od_recent *recent, int64_t now_ms);
void od_recent_add(struct od_recent *recent, int64_t now_ms, uint32_t answers, int64_t busy_ns);
/* Answers a second, and the part of one core's time, over the last five minutes or since counting
 * began (a second at least). */
void od_recent_read(const struct od_recent *recent, int64_t now_ms, double *out_tps,
                    double *out_busy);

#endif
