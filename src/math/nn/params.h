/* The parameters of a network: a table of sizes, one allocation, pointers with shapes beside them.
 *
 * Gradients and an optimiser's moments are arrays of the same layout (od_nn_buffer), so that a sum
 * or a step runs over all at once. Tensors begin at multiples of OD_NN_ALIGN floats; the floats
 * between them are 0 and stay so. */
#ifndef OD_MATH_PARAMS_H
#define OD_MATH_PARAMS_H

#include <stdbool.h>

#include "base/random.h"
#include "base/str.h"

#define OD_NN_ALIGN   16u
#define OD_NN_TENSORS 64 /* a network has a dozen or two */

struct od_nn_tensor {
    const char *name; /* static; distinct, under 24 bytes */
    uint32_t rows, columns;
    bool decays; /* weight decay applies to it */
};

struct od_nn_params {
    struct od_nn_tensor tensor[OD_NN_TENSORS];
    size_t at[OD_NN_TENSORS]; /* where each begins, in floats */
    uint32_t count;
    size_t size;  /* floats altogether */
    float *value; /* [size], 64-byte aligned */
};

/* All zero. OD_NO_MEMORY; OD_LIMIT past OD_NN_TENSORS. */
enum od_status od_nn_params_init(struct od_nn_params *params, const struct od_nn_tensor *tensors,
                                 uint32_t count) OD_MUST_USE;
void od_nn_params_done(struct od_nn_params *params);

/* A zeroed array of params->size floats, 64-byte aligned, to be freed with free; NULL when out of
 * memory. */
float *od_nn_buffer(const struct od_nn_params *params);
/* A tensor within such an array (params->value is one). */
float *od_nn_in(const struct od_nn_params *params, float *buffer, uint32_t tensor);
const float *od_nn_of(const struct od_nn_params *params, uint32_t tensor); /* in the values */
size_t od_nn_size(const struct od_nn_params *params, uint32_t tensor);     /* rows columns */

/* Values drawn in order of place. */
void od_nn_fill_normal(struct od_nn_params *params, uint32_t tensor, double deviation,
                       struct od_random *rng);
void od_nn_fill_uniform(struct od_nn_params *params, uint32_t tensor, double bound,
                        struct od_random *rng); /* [-bound, bound) */
void od_nn_fill(struct od_nn_params *params, uint32_t tensor, float value);

/* Names, shapes and values as bytes (little-endian, self-describing), for images and lessons. */
void od_nn_params_write(const struct od_nn_params *params, struct od_buf *out);
/* Values of a table laid out like params into it. OD_CORRUPT, params untouched, when names or
 * shapes differ or a value is not finite. */
enum od_status od_nn_params_read(struct od_nn_params *params, struct od_str bytes,
                                 struct od_error *err) OD_MUST_USE;

#endif
