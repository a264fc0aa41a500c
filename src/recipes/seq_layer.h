/* One layer of the sequence network and its way back: seq_net.c says what it computes.
 *
 * Arrays are the caller's; gradients of parameters are added to. Single-threaded. */
#ifndef OD_RECIPES_SEQ_LAYER_H
#define OD_RECIPES_SEQ_LAYER_H

#include "math/nn/packed.h"
#include "recipes/seq_net.h"

/* Tensors of a layer, in order. */
enum od_seq_tensor {
    OD_SEQ_NORM1,     /* [1][d] */
    OD_SEQ_IN,        /* [3d][d] values, gates, decays */
    OD_SEQ_DECAY,     /* [1][d] decays' bias */
    OD_SEQ_DECAY_GAP, /* [OD_SEQ_GAPS][d] decays by the time since the event before */
    OD_SEQ_OUT,       /* [d][d] */
    OD_SEQ_NORM2,     /* [1][d] */
    OD_SEQ_UP,        /* [2 hidden][d] */
    OD_SEQ_DOWN,      /* [d][hidden] */
    OD_SEQ_PER_LAYER
};

/* A layer's parameters or gradients: pointers into an array laid out like params. */
struct od_seq_weights {
    float *tensor[OD_SEQ_PER_LAYER];
};

/* What all layers share of a batch. */
struct od_seq_pass {
    uint32_t width, hidden, rows;
    struct od_nn_packed packed;
    const uint32_t *gap; /* [rows] class, OD_NN_NO_ROW: none */
    float dropout;
    uint64_t key; /* 0: no dropout */
};

/* What a layer keeps for its way back, each [rows][...]. */
struct od_seq_kept {
    float *x;                  /* [d] input */
    float *inverse1, *normal1; /* [1], [d] */
    float *vgz;                /* [3d] values, gates, decays before the sigmoid */
    float *a, *h, *y;          /* [d] decays, recurrence, gated recurrence */
    float *middle;             /* [d] after the first half */
    float *inverse2, *normal2;
    float *up;  /* [2 hidden] */
    float *mid; /* [hidden] */
};
/* Floats a layer keeps of a row; od_seq_kept_at lays them out from *work on and moves it. */
size_t od_seq_kept_floats(uint32_t width, uint32_t hidden);
struct od_seq_kept od_seq_kept_at(float **work, uint32_t width, uint32_t hidden, size_t rows);

/* kept->x is filled by the caller; out [rows][d] may be the next layer's x. state [sequences][d]:
 * the recurrence before the first row, NULL: 0. layer tells dropouts apart. */
void od_seq_layer(const struct od_seq_pass *pass, const struct od_seq_weights *w,
                  const struct od_seq_kept *kept, uint32_t layer, const float *state, float *out);

/* dx [rows][d]: in, the gradient of out; out, that of kept->x. Spoils kept. scratch: room for
 * od_seq_back_floats a row. */
size_t od_seq_back_floats(uint32_t width, uint32_t hidden);
void od_seq_layer_back(const struct od_seq_pass *pass, const struct od_seq_weights *w,
                       const struct od_seq_weights *gradient, const struct od_seq_kept *kept,
                       uint32_t layer, float *dx, float *scratch);

#endif
