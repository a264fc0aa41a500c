/* The server's own state: what ARNs name, and what was shown. Private to this room and its tests.
 */
#ifndef OD_SERVE_STATE_H
#define OD_SERVE_STATE_H

#include "math/scan.h"
#include "math/topk.h"
#include "recipes/recipe.h"
#include "serve/campaign.h"
#include "serve/filters.h"
#include "serve/live.h"
#include "serve/names.h"
#include "serve/place.h"
#include "serve/shown.h"

struct od_serve {
    const struct od_io *io;
    /* The registry; tests put recipes of their own in. */
    const struct od_recipe *(*find_recipe)(struct od_str name);
    const struct od_recipe_spec *(*find_spec)(struct od_str name);
    const struct od_kernels *kernels;
    const struct od_scan_kernels *scan;
    pthread_rwlock_t lock; /* over the names; held to look one up and take a reference only */
    struct od_names groups, campaigns, filters; /* campaigns: their places */
    struct od_shown shown;                      /* locks by itself */
};

/* References, NULL when unknown. Any thread. */
struct od_live *od_serve_live(struct od_serve *serve, struct od_str group_arn);
struct od_serve_filter *od_serve_filter(struct od_serve *serve, struct od_str filter_arn);
/* A reference; opened anew when it was asleep. OD_NOT_FOUND; or the failure to open it. */
enum od_status od_serve_campaign(struct od_serve *serve, struct od_str campaign_arn,
                                 struct od_campaign **out, struct od_error *err) OD_MUST_USE;

#endif
