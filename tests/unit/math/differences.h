/* Gradients against central differences of the loss. */
#ifndef OD_TESTS_MATH_DIFFERENCES_H
#define OD_TESTS_MATH_DIFFERENCES_H

#include <math.h>

#include "base/random.h"

typedef double loss_fn(void *context);

/* Moves each of x[count] by h both ways; |difference quotient - gradient| <= bound (1 +
 * |gradient|).
 */
static inline void check_gradient(const char *what, loss_fn *loss, void *context, float *x,
                                  const float *gradient, size_t count, double bound)
{
    const float h = 1e-2f;
    for (size_t i = 0; i < count; i++) {
        float kept = x[i];
        x[i] = kept + h;
        double above = loss(context), step = (double)x[i];
        x[i] = kept - h;
        double below = loss(context);
        step -= (double)x[i];
        x[i] = kept;
        double slope = (above - below) / step, g = (double)gradient[i];
        if (!(fabs(slope - g) <= bound * (1 + fabs(g))))
            fail_msg("%s, entry %zu: gradient %g, difference quotient %g", what, i, g, slope);
    }
}

static inline void fill_normal(float *x, size_t count, double deviation, struct od_random *rng)
{
    for (size_t i = 0; i < count; i++)
        x[i] = (float)(deviation * od_random_normal(rng));
}

/* sum of c[i] y[i]: a loss whose gradient by y is c. */
static inline double weighed(const float *c, const float *y, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (double)c[i] * (double)y[i];
    return sum;
}

#endif
