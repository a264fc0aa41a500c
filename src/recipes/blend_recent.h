/* How popular items have been lately, as of any time of the data.
 *
 * Keeps a time-ordered sample of the interactions, newest first, so that the counts of the last
 * day, week and month can be made for a request of now and for a held-out one of the past alike,
 * without a look at what came after it. */
#ifndef OD_RECIPES_BLEND_RECENT_H
#define OD_RECIPES_BLEND_RECENT_H

#include "data/image.h"
#include "data/training.h"

enum od_recent_window { OD_RECENT_DAY, OD_RECENT_WEEK, OD_RECENT_MONTH, OD_RECENT_WINDOWS };

/* Interactions kept; of more, every n-th: 32 MB, and a month of a year's is counted in a
 * millisecond. */
#define OD_RECENT_EVENTS 4000000u

struct od_recent {
    uint32_t count;
    uint32_t stride; /* interactions that a kept one stands for */
    int64_t last_time;
    const uint32_t *age;  /* [count] seconds before last_time, ascending */
    const uint32_t *item; /* [count] */
    void *memory;         /* what is freed, NULL when borrowed */
};

/* Interactions more than 136 years (2^32 seconds) before the last are left out. */
enum od_status od_recent_make(const struct od_training *training, struct od_recent *out,
                              struct od_error *err) OD_MUST_USE;
void od_recent_done(struct od_recent *recent);

/* counts[window * item_count + item], interactions in [time - window, time), about when only a
 * sample is kept. A time after the data asks as of its end. counts is overwritten. */
void od_recent_count(const struct od_recent *recent, int64_t time, uint32_t item_count,
                     uint32_t *counts);

/* The same counts going along with time, for many times in ascending order: of each window and,
 * last, of all that happened before. In kept interactions, which stand for `stride` each. */
struct od_recent_walk {
    const struct od_recent *recent;
    size_t items;
    uint32_t *counts; /* [OD_RECENT_WINDOWS + 1][items] */
    uint64_t sum[OD_RECENT_WINDOWS + 1];
    uint32_t entered, left[OD_RECENT_WINDOWS]; /* places from which on events were, and are over */
};
enum od_status od_recent_walk_init(struct od_recent_walk *walk, const struct od_recent *recent,
                                   uint32_t item_count) OD_MUST_USE;
void od_recent_walk_done(struct od_recent_walk *walk);
void od_recent_walk_to(struct od_recent_walk *walk, int64_t time);

/* Whether times of the data say when things happened: false when four in five steps in time between
 * consecutive events of users have one and the same length, as made up times have, or when there
 * are none. Events of one moment, as those of a basket, are no step. */
bool od_recent_real(const struct od_training *training);

#endif
