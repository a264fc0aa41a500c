/* The young items of a campaign's group: what exploration may show (recipes.md section 7). */
#ifndef OD_SERVE_YOUNG_H
#define OD_SERVE_YOUNG_H

#include "serve/live.h"

struct od_young_item {
    uint32_t row;
    float doubt; /* (0, 1]: how little is known of it */
    /* Its appeal, the rate at which it is chosen when shown over that of all items, is distributed
     * as Gamma(shape, rate); shape >= 1. */
    float shape, rate;
};
struct od_young {
    atomic_uint refs;
    uint64_t items_epoch, items_version, activity_epoch, activity_changes; /* made from */
    int64_t built_ms;
    bool ahead; /* of now is the latest interaction: the list changes with time alone */
    uint32_t count;
    struct od_young_item list[]; /* [count] by row */
};
struct od_young_place {
    pthread_mutex_t lock;
    struct od_young *current; /* NULL before the first query */
    bool building;
};

bool od_young_init(struct od_young_place *place);
void od_young_done(struct od_young_place *place);
/* A reference to the list, made anew when the group changed and the last one is older than
 * OD_YOUNG_REFRESH_MS; NULL when there is none (then nothing is explored). With the group's lock
 * held. An item is young when its age is at most cutoff_s back from the latest interaction. */
struct od_young *od_young_get(struct od_young_place *place, const struct od_live *live,
                              int64_t cutoff_s, int64_t now_ms);
void od_young_unref(struct od_young *young);

#endif
