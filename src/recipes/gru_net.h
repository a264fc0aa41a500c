/* The hierarchical recurrent network of aws-hrnn: a recurrence within sessions, another across.
 *
 * Quadrana, Karatzoglou, Hidasi, Cremonesi 2017 ("Personalizing session-based recommendations with
 * hierarchical recurrent neural networks", HRNN Init), equations 2 to 5, with gaps of time as in
 * Ma, Narayanaswamy, Lin, Ding 2020 ("Temporal-contextual recommendation in real-time"):
 *
 *   x_r = v(item) + A[gap since the event before]          h_r = GRU_session(x_r, s_(r-1))
 *   at a pause of more than 30 minutes before the next event or the request, with user state c:
 *       c' = GRU_user(h_r, c),  s_r = tanh(W c' + b);      else s_r = h_r
 *   o_r = (M s_r + m) (1 + B[gap to the request]) + C[gap to the request],  score = o_r . v(item)
 *
 * A request at the very time of the newest event says nothing about a pause, so its bucket is that
 * of the unknown gap; while learning, the gap (and the end of a session) is kept from the output of
 * a random quarter of the rows, which teaches it what to expect then. Events within a second are
 * learnt by a bucket of their own: they are half of some sets, and no sample of unknown gaps.
 *
 * with c = D(the user's record) and s = tanh(W c + b) at the start. The last entry of o is 1, so
 * the last entry of an item's vector is its bias. Losses look back bptt events. */
#ifndef OD_RECIPES_GRU_NET_H
#define OD_RECIPES_GRU_NET_H

#include "recipes/seqtrain.h"

#define OD_GRU_SESSION_GAP_S 1800 /* the paper's session: half an hour of pause ends it */
#define OD_GRU_GAPS          32   /* buckets: none, 0 s, and powers of two */

/* What a user's record says, as columns of its features. */
struct od_gru_person {
    const uint32_t *column;
    const float *value;
    size_t count;
};

struct od_gru_net {
    uint32_t hidden, width;
    uint32_t bptt;
    float dropout;                      /* of inputs and of states before the output */
    uint32_t user_columns;              /* 0: records of users are not used */
    const struct od_features *users;    /* rows by the training set's codes; NULL in serving */
    const struct od_gru_person *person; /* in serving: of the one sequence; may be NULL */
};

/* The tensors of a network, initialised from seed. */
enum od_status od_gru_params_init(const struct od_gru_net *net, uint64_t seed,
                                  struct od_nn_params *out) OD_MUST_USE;

extern const struct od_seq_net od_gru_functions;

/* The bucket of a pause: 0 is kept for "no event before". */
uint32_t od_gru_gap(int64_t from_s, int64_t to_s);

#endif
