/* The sequence network of the v2 recipes: gated recurrences whose decays are learnt over order and
 * over time, and channels of their own. What it is and why is said in seq_net.c.
 *
 * The item vectors are the trainer's (seqtrain.h); here are the other parameters, the way forward,
 * the way back, and a state that one event more moves in one step. */
#ifndef OD_RECIPES_SEQ_NET_H
#define OD_RECIPES_SEQ_NET_H

#include "recipes/seq_ask.h"
#include "recipes/seqtrain.h"

#define OD_SEQ_LAYERS     4    /* most layers: tensors have static names */
#define OD_SEQ_MOST_WIDTH 1024 /* that an image or a lesson may ask for */

struct od_seq_shape {
    uint32_t width;   /* d, of item vectors, states and channels */
    uint32_t layers;  /* 1 to OD_SEQ_LAYERS */
    uint32_t hidden;  /* of the middle of a layer's second half */
    uint32_t types;   /* event types told apart; 0: they are not looked at */
    uint32_t columns; /* of the question, seq_ask.h */
    uint32_t times;   /* 1: times are real; 0: order alone is looked at */
};

/* The network for functions of od_seq_net. Constant while in use, shared by threads. */
struct od_seq_net_of {
    struct od_seq_shape shape;
    float dropout;
    struct od_seq_ask ask; /* what a question says besides its events */
};

/* Adds the tensors of a shape and their first values, drawn from seed. */
enum od_status od_seq_net_init(const struct od_seq_shape *shape, uint64_t seed,
                               struct od_nn_params *out) OD_MUST_USE;

extern const struct od_seq_net od_seq_net_functions; /* net: struct od_seq_net_of */

/* A state between events: what everything up to now comes to. at points to layers * width floats,
 * zero before the first event; time is the newest event's. */
struct od_seq_state {
    float *at;
    int64_t time;
    bool begun; /* an event was seen */
};
/* One row as od_seq_step sees it. v: the item's vector, NULL for an item the model does not know;
 * type: OD_NO_TYPE for none of the training set's. */
struct od_seq_event {
    const float *v;
    int64_t time;
    uint16_t type;
};
/* Floats of workspace that od_seq_step needs for up to `events` events. */
size_t od_seq_step_floats(const struct od_seq_shape *shape, size_t events);
/* Moves the state over events (at least 1, oldest first) and gives what the last layer says after
 * the newest of them: out[width]. The same as with all events at once, to rounding. */
void od_seq_step(const struct od_seq_shape *shape, const struct od_nn_params *params,
                 struct od_seq_state *state, const struct od_seq_event *events, size_t count,
                 float *out, float *work);
/* From the last layer's word and a question's entries to what items are scored by: out[width], may
 * be word. */
void od_seq_answer(const struct od_seq_shape *shape, const struct od_nn_params *params,
                   const float *word, const struct od_word *entry, size_t count, float *out);

#endif
