/* The place of a campaign: what its ARN names, whether the campaign is open or asleep.
 *
 * A campaign that nobody has asked for a while is closed: its mapping, the maps between items and
 * rows, what its recipe keeps beside the image, its caches. What stays is this place, some hundred
 * bytes. The next query opens it again, which is mapping the file and building what was dropped;
 * the checksums were verified when it was put in, and are not again. Queries that hold the campaign
 * when it is closed keep it until they end.
 *
 * A campaign whose opening takes longer than OD_MAX_WAKE_NS would make its first client wait too
 * long. It stays open, and gives back its pages of the file alone, which come back as they are
 * touched.
 *
 * Opening anew is the one thing on the way of a query that may read a file. It happens on the HTTP
 * thread that wants the campaign; others that want it too wait for that one. */
#ifndef OD_SERVE_PLACE_H
#define OD_SERVE_PLACE_H

#include "serve/campaign.h"
#include "serve/names.h"

struct od_place {
    atomic_uint refs;
    struct od_str arn;
    struct od_campaign_setup setup; /* its texts are the place's */
    struct od_live *group;          /* a reference */
    struct od_campaign *open;       /* a reference; NULL: asleep. od_serve.lock */
    _Atomic int64_t used_ns;        /* monotonic: the last query, or the opening */
    int64_t cooled_ns;              /* used_ns when its pages were given back; -1: they were not */
    pthread_mutex_t waking;         /* held while it is opened anew */
    char texts[];
};

/* A reference; takes the one to campaign. NULL: no memory, and campaign is not taken. */
struct od_place *od_place_new(const struct od_campaign_setup *setup, struct od_live *group,
                              struct od_campaign *campaign, int64_t now_ns);
struct od_place *od_place_ref(struct od_place *place);
void od_place_unref(struct od_place *place);

#endif
