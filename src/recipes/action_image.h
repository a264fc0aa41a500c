/* The sections of a next-best-action model, written by action_train.c and read by action_model.c:
 *   items, action.items, action.record   dictionaries: actions, items, columns of records
 *   action.about                         struct od_action_about
 *   action.period                        int64_t, seconds that an offer is open; absent: 0
 *   action.projection                    float [items * tastes]
 *   action.scale                         float [2 * width]: mean, 1 / deviation of x
 *   action.theta, action.factor          float [actions * width], [actions * width * width]
 *   action.rules                         struct od_action_rule [actions] */
#ifndef OD_RECIPES_ACTION_IMAGE_H
#define OD_RECIPES_ACTION_IMAGE_H

#include "recipes/action.h"

struct od_action_about {
    uint32_t tastes, record_count, width, learnt; /* learnt 0: no action interactions */
    struct od_action_calibration calibration;
};

struct od_action_rule {
    int64_t expires_s; /* these three as in od_action_fact; a query may bring those of now */
    float value;
    float repeat_days;
    uint32_t scored; /* enough events: its probability is printed */
    uint32_t zero;
};

#endif
