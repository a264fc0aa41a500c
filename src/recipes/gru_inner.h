/* Places of the network's tensors. Internal to gru_net*.c. */
#ifndef OD_RECIPES_GRU_INNER_H
#define OD_RECIPES_GRU_INNER_H

#include "recipes/gru_net.h"

enum od_gru_tensor {
    GRU_W, /* session: inputs, states, biases */
    GRU_U,
    GRU_BX,
    GRU_BU,
    GRU_USER_W, /* user */
    GRU_USER_U,
    GRU_USER_BX,
    GRU_USER_BU,
    GRU_START_W, /* user state to the first state of a session */
    GRU_START_B,
    GRU_OUT_W, /* state to item vectors */
    GRU_OUT_B,
    GRU_GAP_IN, /* [gaps][width] */
    GRU_GAP_SCALE,
    GRU_GAP_SHIFT,
    GRU_PERSON, /* [user columns][hidden] */
    GRU_TENSORS
};

struct od_nn_gru od_gru_session(const struct od_gru_net *net, const struct od_nn_params *params);
struct od_nn_gru od_gru_user(const struct od_gru_net *net, const struct od_nn_params *params);

/* Whether a session ends between row r and what is asked after it. */
bool od_gru_pause(const struct od_seq_rows *rows, size_t r);
/* Bucket of the pause between row r and what is asked after it; 0: none, or not known. */
uint32_t od_gru_gap_after(const struct od_seq_rows *rows, size_t r);

/* c [sequences][hidden]: the users' states before any event. */
void od_gru_begin(const struct od_gru_net *net, const struct od_nn_params *params,
                  const struct od_seq_rows *rows, float *c);
/* s = tanh(W c + b) */
void od_gru_start(const struct od_gru_net *net, const struct od_nn_params *params, const float *c,
                  size_t rows, float *s);
/* x of all rows, without dropout. */
void od_gru_inputs(const struct od_gru_net *net, const struct od_nn_params *params,
                   const struct od_seq_rows *rows, float *x);
/* Bucket of the pause before row r. */
uint32_t od_gru_gap_before(const struct od_seq_rows *rows, uint32_t step, size_t r);
/* o from M s + m, in place. */
void od_gru_finish(const struct od_gru_net *net, const struct od_nn_params *params, uint32_t gap,
                   float *o);

size_t od_gru_learn_floats(const struct od_gru_net *net, uint32_t rows, uint32_t sequences,
                           uint32_t candidates);
double od_gru_learn(const void *net, const struct od_nn_params *params,
                    const struct od_seq_rows *rows, float *gradient, float *dv, float *work);

#endif
