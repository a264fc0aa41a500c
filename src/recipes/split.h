/* Splits of a training set: what a model learns from and what it is asked.
 *
 * A split borrows the full set, which must outlive it, and owns the training part. Read-only after
 * it is made, so threads share it. */
#ifndef OD_RECIPES_SPLIT_H
#define OD_RECIPES_SPLIT_H

#include "data/training.h"
#include "recipes/recipe.h"

/* What a query says the time is. A server knows when it is asked, but the moment of the next event
 * tells much about it, so whoever evaluates has to say that it is told. */
enum od_clock {
    OD_CLOCK_LAST_INPUT, /* the time of the last input event */
    OD_CLOCK_TARGET      /* the time of the first event to be predicted */
};

struct od_split {
    enum od_clock clock; /* of od_split_query; the makers set OD_CLOCK_LAST_INPUT */
    const struct od_training *full;
    struct od_training *train;
    uint32_t *item_map;   /* [full->item_count] codes of the training part */
    uint32_t *test_user;  /* [test_count] codes in full, ascending */
    uint64_t *input_end;  /* [test_count] event index in full: input is before, relevant after */
    uint32_t test_count;  /* users that have input and a relevant event */
    uint32_t skipped;     /* test users left out because they have too few events */
    uint64_t most_events; /* of one test user */
};

/* recipes.md 9.1: a tenth of the users (rounded down, at least one), chosen by seed, are kept out
 * of training. Of their n events the oldest 9n/10 (rounded down) are input, the others relevant;
 * users without input (one event) are skipped. */
enum od_status od_split_users(const struct od_training *full, uint64_t seed, struct od_split *out,
                              struct od_error *err) OD_MUST_USE;

void od_split_done(struct od_split *split);

/* The query of test user number index: events filled from input_end backwards (all of them), item
 * = the last input item, the time as split->clock says. Items are coded by item_map
 * [full->item_count], split->item_map or that of a scorer who knows more (metrics.h). events has
 * room for split->most_events. Context and record are not given: od_query_at adds them. */
void od_split_query(const struct od_split *split, const uint32_t *item_map, uint32_t index,
                    struct od_past_event *events, struct od_query *out);
/* The event whose context the query has, for od_query_at: the one whose time it has. */
uint64_t od_split_context(const struct od_split *split, uint32_t index);

/* Gives a query the context of an event of the set and the record of its user, as a request at that
 * moment would carry them. What is not borrowed from the set lives in arena. */
enum od_status od_query_at(const struct od_training *training, uint32_t user, uint64_t event,
                           struct od_arena *arena, struct od_query *query) OD_MUST_USE;

#endif
