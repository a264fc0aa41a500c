/* Sums by period, metric and source, in memory: what one commit or one import adds to the counts
 * of a metric attribution. One owner at a time. */
#ifndef OD_API_ATTRIBUTION_TALLY_H
#define OD_API_ATTRIBUTION_TALLY_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct od_tally_cell {
    int64_t period_s;
    uint32_t metric, source; /* the owner's numbers; metric is below UINT32_MAX */
    double value;
};

struct od_tally {
    struct od_tally_cell *slots; /* open addressing; NULL before the first cell */
    size_t slot_count;           /* a power of two */
    size_t count, max;
};

void od_tally_init(struct od_tally *tally, size_t max_cells);
void od_tally_done(struct od_tally *tally);
void od_tally_clear(struct od_tally *tally); /* keeps small memory */
/* Sums stay finite: what grows beyond a double's range stays at its end. OD_LIMIT when a new cell
 * would be one too many; nothing has changed then. */
enum od_status od_tally_add(struct od_tally *tally, int64_t period_s, uint32_t metric,
                            uint32_t source, double value) OD_MUST_USE;
/* The cells by period, metric, source, at the front of slots: until clear, nothing may be added. */
const struct od_tally_cell *od_tally_sort(struct od_tally *tally);

/* a + b within the range of a double. */
double od_tally_sum(double a, double b);

#endif
