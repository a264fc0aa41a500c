/* A world whose propensities are known, for next-best-action.
 *
 * Users have tastes in four kinds of items, which their item interactions show, and a segment,
 * which their record tells. Actions have a type, which they share most of their appeal with, and an
 * appeal of their own. P(taken) = sigmoid(base + appeal . taste + by segment - fatigue), where
 * fatigue grows with each refusal of the same action in the last 30 days. Some actions are new in
 * week NEW_WEEK. Everything follows from the seed. */
#ifndef OD_TESTS_QUALITY_NBA_WORLD_H
#define OD_TESTS_QUALITY_NBA_WORLD_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "recipes/registry.h"

enum {
    USERS = 3000,
    KINDS = 4,
    ITEMS = 80,
    ACTIONS = 16,
    OLD_ACTIONS = 12,
    TYPES = 4,
    SEGMENTS = 3,
    NEW_WEEK = 8,
    WEEKS = 20,
    RANDOM_WEEKS = 4
};
#define WEEK_S  (7 * 86400ll)
#define START_S 1700000000ll

struct world {
    double taste[USERS][KINDS];
    unsigned segment[USERS], age[USERS];
    double base[ACTIONS], appeal[ACTIONS][KINDS], by_segment[ACTIONS][SEGMENTS];
    unsigned value[ACTIONS];
};

static inline void world_init(struct world *w, uint64_t seed)
{
    struct od_random rng;
    double type_appeal[TYPES][KINDS];
    od_random_init(&rng, seed);
    for (int u = 0; u < USERS; u++) {
        int main_kind = (int)od_random_below(&rng, KINDS);
        double sum = 0;
        for (int k = 0; k < KINDS; k++)
            sum += w->taste[u][k] = 0.15 * od_random_exponential(&rng) + (k == main_kind);
        for (int k = 0; k < KINDS; k++)
            w->taste[u][k] /= sum;
        w->segment[u] = (unsigned)od_random_below(&rng, SEGMENTS);
        w->age[u] = 18 + (unsigned)od_random_below(&rng, 60);
    }
    for (int t = 0; t < TYPES; t++)
        for (int k = 0; k < KINDS; k++)
            type_appeal[t][k] = 1.5 * od_random_normal(&rng);
    for (int a = 0; a < ACTIONS; a++) {
        w->base[a] = -1.6 + 0.4 * od_random_normal(&rng);
        w->value[a] = 1 + (unsigned)od_random_below(&rng, 10);
        for (int k = 0; k < KINDS; k++)
            w->appeal[a][k] = type_appeal[a % TYPES][k] + 0.8 * od_random_normal(&rng);
        for (int s = 0; s < SEGMENTS; s++)
            w->by_segment[a][s] = 0.5 * od_random_normal(&rng);
    }
}

/* --- what has happened --- */

struct happened {
    uint32_t user, thing; /* item or action */
    uint16_t type;        /* od_action_event */
    int64_t time;
};
struct past {
    struct happened *list;
    size_t count, cap;
};
struct history { /* of each user, oldest first */
    struct past of[USERS];
};

static inline void happen(struct history *history, struct happened what)
{
    struct past *h = &history->of[what.user];
    if (h->count == h->cap) {
        h->cap = h->cap ? h->cap * 2 : 16;
        h->list = realloc(h->list, h->cap * sizeof *h->list);
        if (!h->list)
            abort();
    }
    h->list[h->count++] = what;
}

/* Item interactions of a week: users with an active week look at one to four items. */
static inline void live_week(const struct world *w, uint64_t seed, int week, struct history *items)
{
    struct od_random rng;
    od_random_init2(&rng, seed, (uint64_t)week);
    for (uint32_t u = 0; u < USERS; u++) {
        unsigned n = od_random_double(&rng) < 0.7 ? 1 + (unsigned)od_random_below(&rng, 4) : 0;
        int64_t time = START_S + week * WEEK_S + (int64_t)od_random_below(&rng, WEEK_S / 2);
        for (unsigned i = 0; i < n; i++) {
            double x = od_random_double(&rng);
            uint32_t kind = 0;
            while (kind + 1 < KINDS && x >= w->taste[u][kind])
                x -= w->taste[u][kind++];
            uint32_t item = kind * (ITEMS / KINDS) + (uint32_t)od_random_below(&rng, ITEMS / KINDS);
            happen(items, (struct happened){u, item, 0, time + i * 60});
        }
    }
}

static inline void history_free(struct history *history)
{
    for (int u = 0; history && u < USERS; u++)
        free(history->of[u].list);
    free(history);
}

static inline double fatigue(const struct history *actions, uint32_t user, uint32_t action,
                             int64_t now)
{
    const struct past *h = &actions->of[user];
    double sum = 0;
    for (size_t i = h->count; i-- > 0 && now - h->list[i].time < 30 * 86400;)
        sum += h->list[i].thing == action && h->list[i].type == OD_ACTION_NOT_TAKEN;
    return 0.4 * sum;
}

static inline double propensity(const struct world *w, const struct history *actions, uint32_t user,
                                uint32_t action, int64_t now)
{
    double eta = w->base[action] + w->by_segment[action][w->segment[user]] -
                 fatigue(actions, user, action, now);
    for (int k = 0; k < KINDS; k++)
        eta += w->appeal[action][k] * w->taste[user][k];
    return 1 / (1 + exp(-eta));
}

#endif
