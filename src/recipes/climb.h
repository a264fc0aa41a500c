/* The numbers of a part's configuration, chosen by judges (judges.h): lists of values, one number
 * after the other, each upwards from where the start stands while it gains, else downwards. */
#ifndef OD_RECIPES_CLIMB_H
#define OD_RECIPES_CLIMB_H

#include "recipes/judges.h"

#define OD_CLIMB_BYTES  32 /* largest configuration */
#define OD_CLIMB_JUDGES 50 /* fewer cannot choose */

struct od_choice {
    size_t offset; /* of a float of the configuration */
    float value[7];
    size_t count, start; /* value[start] is the start's */
};

struct od_climb {
    const struct od_part_task *task;
    const char *stage; /* of progress */
    unsigned expected; /* trials, for progress */
    const struct od_choice *choices;
    size_t choice_count;
    size_t config_bytes;
    /* What score asks under a configuration; the context owns it, until the next is made. */
    enum od_status (*make)(void *context, const void *config, const void **out_model,
                           struct od_error *err);
    void *context;
    size_t newest; /* od_judging */
    bool facts;    /* likewise */
    enum od_status (*score)(const void *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any);
};
/* config: where to start, and what was best. Unchanged with too few judges. */
enum od_status od_climb(const struct od_climb *climb, void *config,
                        struct od_error *err) OD_MUST_USE;

#endif
