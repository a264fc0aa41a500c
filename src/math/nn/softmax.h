/* Cross entropy over many items: full softmax, or a sample of it with logQ correction.
 *
 * logit of row r and item c = scale h_r . v_c + bias_c. Logits are made, used and dropped a block
 * of rows at a time, small enough to stay in cache, so memory does not grow with rows x items.
 * Operations: 6 rows items width. Single-threaded.
 *
 * Sampled softmax is the same function over the candidates alone. If candidate c is in the sample
 * with probability q_c, e^logit / q_c estimates its share of the whole sum without bias (importance
 * sampling: Bengio, Senecal 2008; Jean et al. 2015, section 3), so offset_c = -log q_c is added to
 * its logit where it is not the target; the target is certain to be there and gets none. */
#ifndef OD_MATH_SOFTMAX_H
#define OD_MATH_SOFTMAX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct od_nn_softmax {
    uint32_t items, width;
    const float *v;      /* [items][width] */
    const float *bias;   /* [items], NULL: 0 */
    const float *offset; /* [items], NULL: 0; not added to a row's own target */
    float scale;         /* 1 / temperature */
};

/* Floats of scratch that a call needs. */
size_t od_nn_softmax_scratch(uint32_t items);

/* Returns the sum over rows of weight (log sum exp - logit of target). target[r] < items.
 * dh [rows][width] overwritten; dv [items][width] and dbias [items] (NULL: not asked) added to. */
double od_nn_softmax_loss(const struct od_nn_softmax *softmax, const float *h,
                          const uint32_t *target, const float *weight, size_t rows, float *dh,
                          float *dv, float *dbias, float *scratch);

/* Logits without a loss: out[rows][items]; offset is not added. */
void od_nn_softmax_logits(const struct od_nn_softmax *softmax, const float *h, size_t rows,
                          float *out);

/* --- the sample --- */
/* Candidates for rows of the given targets: every distinct target, in order of first appearance,
 * then further items drawn uniformly, until `most` or all items are reached (never less than the
 * distinct targets). The draw follows from key alone.
 * probability[i] is item i's share of all targets, for offset = -log(1 - (1 - u)(1 - p_i)^rows),
 * u being the uniform draw's share of the items. out_item, out_offset: room for
 * od_nn_sample_most(most, rows, items). place [items] must be OD_NN_NO_ROW everywhere; on return it
 * holds each candidate's place in out_item, and od_nn_sample_forget makes it as before. */
uint32_t od_nn_sample_most(uint32_t most, size_t rows, uint32_t items);
uint32_t od_nn_sample(const uint32_t *target, size_t rows, uint32_t items, uint32_t most,
                      const float *probability, uint64_t key, uint32_t *place, uint32_t *out_item,
                      float *out_offset);
void od_nn_sample_forget(const uint32_t *item, uint32_t count, uint32_t *place);

#endif
