/* What the sequence network's training is like for a training set: one rule for all data.
 * Internal to seq_*.c. */
#ifndef OD_RECIPES_SEQ_PLAN_H
#define OD_RECIPES_SEQ_PLAN_H

#include "recipes/seq_net.h"

struct od_seq_setting {
    struct od_seq_shape shape;
    struct od_seq_plan plan; /* features are not set */
    float dropout;
    float *weight; /* [event_count], plan.weight; NULL: all 1 */
    uint64_t *end; /* [user_count] the task's, shortened to what the budget has room for */
};

struct od_seq_wish {
    uint32_t columns; /* of questions */
    uint32_t width;   /* 0: as the data, memory and effort want it */
    bool times;       /* are real */
};

/* Owns weight and end. */
enum od_status od_seq_setting_make(const struct od_part_task *task, const struct od_seq_wish *wish,
                                   struct od_seq_setting *out, struct od_error *err) OD_MUST_USE;
void od_seq_setting_done(struct od_seq_setting *setting);

/* Floating point operations of learning from one prediction: the way forward and back. */
double od_seq_cost(const struct od_seq_shape *shape, const struct od_seq_plan *plan,
                   uint32_t items);

#endif
