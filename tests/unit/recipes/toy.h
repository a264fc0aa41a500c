/* Training sets for tests, from a few numbers. */
#ifndef OD_TESTS_RECIPES_TOY_H
#define OD_TESTS_RECIPES_TOY_H

#include <stdio.h>
#include <stdlib.h>

#include "base/random.h"
#include "data/training_subset.h"
#include "recipes/split.h"

/* Adds user u<user>, item i<item> at time. */
static inline void toy_add(struct od_training_builder *b, unsigned user, unsigned item,
                           int64_t time)
{
    char u[16], i[16];
    snprintf(u, sizeof u, "u%05u", user);
    snprintf(i, sizeof i, "i%05u", item);
    assert_int_equal(
        od_training_add_event(b, od_str_c(u), od_str_c(i), OD_STR_NONE, time, false, 0), OD_OK);
}

static inline struct od_training *toy_finish(struct od_training_builder *b)
{
    struct od_training *t = NULL;
    assert_int_equal(od_training_finish(b, &t, NULL), OD_OK);
    od_training_builder_free(b);
    return t;
}

/* users users with 2 to 2 + spread events among items items, popular ones more likely. */
static inline struct od_training *toy_random(unsigned users, unsigned items, unsigned spread,
                                             uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (unsigned u = 0; u < users; u++) {
        unsigned n = 2 + (unsigned)od_random_below(&rng, spread);
        for (unsigned k = 0; k < n; k++) {
            double x = od_random_double(&rng);
            toy_add(b, u, (unsigned)(x * x * items), (int64_t)(1000 * u + k));
        }
    }
    return toy_finish(b);
}

/* Every user with three events or more is asked for the last one; training has all but the last
 * two. */
static inline void toy_leave_one_out(const struct od_training *t, struct od_split *out)
{
    uint64_t *keep = calloc(t->user_count, sizeof *keep);
    *out = (struct od_split){.full = t,
                             .test_user = calloc(t->user_count, sizeof *out->test_user),
                             .input_end = calloc(t->user_count, sizeof *out->input_end)};
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t n = t->user_start[u + 1] - t->user_start[u];
        keep[u] = n < 3 ? n : n - 2;
        out->most_events = n > out->most_events ? n : out->most_events;
        if (n < 3)
            continue;
        out->test_user[out->test_count] = u;
        out->input_end[out->test_count++] = t->user_start[u + 1] - 1;
    }
    assert_int_equal(od_training_subset(t, keep, &out->train, &out->item_map, NULL), OD_OK);
    free(keep);
}

#endif
