/* Which items each recent answer showed, by recommendation id: implicit impressions (data.md
 * section 14). Bounded by bytes and by age; the oldest go first. Any thread. */
#ifndef OD_SERVE_SHOWN_H
#define OD_SERVE_SHOWN_H

#include <pthread.h>

#include "base/arena.h"
#include "serve/live.h"

struct od_shown_list; /* one answer */

struct od_shown {
    pthread_mutex_t lock;
    struct od_shown_list *oldest, *newest;
    struct od_shown_list **slots; /* hash table of chains */
    size_t slot_count;            /* a power of two; 0 before the first list */
    size_t count;
    size_t bytes, max_bytes;
    int64_t max_age_s;
};

#define OD_RID_BYTES 16

bool od_shown_init(struct od_shown *shown);
void od_shown_done(struct od_shown *shown);
/* One place of an answer. */
struct od_shown_place {
    uint32_t row;     /* of the group's items */
    float propensity; /* the chance that the place showed this item (explore.c) */
};
/* Remembers places as shown by a campaign. Out of memory: forgets it. */
void od_shown_add(struct od_shown *shown, const uint8_t rid[OD_RID_BYTES], struct od_live *group,
                  struct od_str campaign_arn, const struct od_shown_place *places, size_t count,
                  int64_t now_s);
/* OD_NOT_FOUND when unknown. Places and ARN are copied to arena; *out_group is a reference. */
enum od_status od_shown_find(struct od_shown *shown, const uint8_t rid[OD_RID_BYTES],
                             struct od_arena *arena, struct od_live **out_group,
                             struct od_str *out_campaign, const struct od_shown_place **out_places,
                             size_t *out_count) OD_MUST_USE;
/* Forgets what belongs to a group (it was removed). */
void od_shown_forget(struct od_shown *shown, const struct od_live *group);
size_t od_shown_bytes(struct od_shown *shown);

/* "RID-" and a UUID of version 4 made from 16 random bytes (whose version bits it sets); and back:
 * false when text is not of that form. */
void od_rid_format(uint8_t rid[OD_RID_BYTES], char out[41]);
bool od_rid_parse(struct od_str text, uint8_t out[OD_RID_BYTES]);

/* Makes the second half of a random id tell which campaign answered, to whoever knows its ARN: a
 * recommendation is attributed long after the list it named was forgotten, and after a restart. */
void od_rid_sign(uint8_t rid[OD_RID_BYTES], struct od_str campaign_arn);
bool od_rid_is_of(const uint8_t rid[OD_RID_BYTES], struct od_str campaign_arn);

#endif
