/* The list of targets, for the files that make up targets.h. */
#ifndef OD_API_TARGETS_INNER_H
#define OD_API_TARGETS_INNER_H

#include <pthread.h>

#include "api/targets.h"

struct od_targets {
    pthread_rwlock_t lock; /* guards the list */
    struct od_target *first;
    atomic_uint_fast64_t unknown; /* events for tracking ids that nobody has */
};

#endif
