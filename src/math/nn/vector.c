/* Which loops this CPU runs: see vector.h and math/kernels.c. */
#include "math/nn/vector.h"

const struct od_nn_vector *od_nn_vector_best(void)
{
    const struct od_nn_vector *v = od_nn_vector_avx2();
    return v ? v : &od_nn_vector_reference;
}
