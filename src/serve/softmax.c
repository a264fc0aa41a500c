/* The denominator is over all items of the model, so it costs one exp an item a request; the rest
 * of an answer needs a few hundred. exp(x) for x <= 0 is made as 2^n * 2^f with n the nearest
 * integer to x / ln 2 and 2^f from its Taylor series to f^6, f in [-1/2, 1/2]: the first term left
 * out is (f ln 2)^7 / 7! < 1.3e-7, below a float's own rounding.
 *
 * Vectors of four are what every x86-64 and ARM64 has; each place of a vector has a sum of its own,
 * so the result does not depend on how the compiler does them. */
#include "serve/softmax.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define LANES 4
#define LOG2E 1.44269504F

typedef float floats __attribute__((vector_size(LANES * sizeof(float))));
typedef int32_t ints __attribute__((vector_size(LANES * sizeof(int32_t))));
typedef double doubles __attribute__((vector_size(LANES * sizeof(double))));

/* exp of up to LANES values <= 0; of -INFINITY and NaN something below 2^-125. */
static floats exp_near(floats x)
{
    floats t = x * LOG2E, least = (floats){0} - 126.0F;
    ints in_range = t > least;
    t = (floats)(((ints)t & in_range) | ((ints)least & ~in_range));
    ints n = __builtin_convertvector(t - 0.5F, ints);
    floats f = t - __builtin_convertvector(n, floats);
    floats p = f * 1.5403530e-4F + 1.3333558e-3F;
    p = p * f + 9.6181291e-3F;
    p = p * f + 5.5504109e-2F;
    p = p * f + 2.4022651e-1F;
    p = p * f + 6.9314718e-1F;
    p = p * f + 1.0F;
    return p * (floats)((n + 127) << 23);
}

/* The vector from index i on, filled up with -INFINITY past the end. */
static floats load(const float *scores, size_t i, size_t count)
{
    floats x = (floats){0} - INFINITY;
    size_t some = count - i < LANES ? count - i : LANES;
    memcpy(&x, scores + i, some * sizeof *scores);
    return x;
}

static float highest(const float *scores, size_t count)
{
    floats best = (floats){0} - INFINITY;
    float top = -INFINITY;
    for (size_t i = 0; i < count; i += LANES) {
        floats x = i + LANES <= count ? load(scores, i, i + LANES) : load(scores, i, count);
        ints more = x > best;
        best = (floats)(((ints)x & more) | ((ints)best & ~more));
    }
    for (int j = 0; j < LANES; j++)
        top = best[j] > top ? best[j] : top;
    return top;
}

void od_softmax_init(struct od_softmax *softmax, const float *scores, size_t count,
                     float temperature)
{
    float top = highest(scores, count), scale = 1 / temperature;
    doubles sums = {0};
    *softmax = (struct od_softmax){.top = (double)top, .temperature = (double)temperature};
    if (!isfinite(top))
        return;
    for (size_t i = 0; i < count; i += LANES) {
        floats x = i + LANES <= count ? load(scores, i, i + LANES) : load(scores, i, count);
        sums += __builtin_convertvector(exp_near((x - top) * scale), doubles);
    }
    for (int j = 0; j < LANES; j++)
        softmax->total += sums[j];
}

double od_softmax(const struct od_softmax *softmax, double score)
{
    if (!(softmax->total > 0) || !(score > -INFINITY))
        return 0;
    return exp((score - softmax->top) / softmax->temperature) / softmax->total;
}

double od_softmax_printed(double probability)
{
    return round(probability * 1e7) / 1e7;
}
