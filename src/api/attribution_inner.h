/* What the files of metric attributions share. */
#ifndef OD_API_ATTRIBUTION_INNER_H
#define OD_API_ATTRIBUTION_INNER_H

#include <pthread.h>

#include "api/attribution.h"

struct od_attributions {
    pthread_mutex_t lock; /* guards the list and what /metrics shows of it */
    struct od_attribution *first;
    int64_t reported_period; /* when reports were last made, in report periods since 1970 */
    struct od_task write;    /* posted to the loader while is_writing */
    atomic_bool is_writing;
};

/* text with its ASCII letters in upper case, in room for text.len bytes. Any thread. */
struct od_str od_attribution_upper(struct od_str text, char *room);

#endif
