/* The denominator is over all items of the model, so it costs one exp an item a request; the rest
 * of an answer needs a few hundred. exp(x) for x <= 0 is made as 2^n * 2^f with n the nearest
 * integer to x / ln 2 and 2^f from its Taylor series to f^6, f in [-1/2, 1/2]: the first term left
 * out is (f ln 2)^7 / 7! < 1.3e-7, below a float's own rounding. Blocks of constant length let the
 * compiler do several lanes at once; they are summed in block order, so the result does not depend
 * on the machine's vector width. */
#include "serve/softmax.h"

#include <math.h>
#include <stdint.h>
#include <string.h>

#define BLOCK 16
#define LOG2E 1.44269504F

static float exp_near(float x)
{
    float t = x * LOG2E;
    t = t > -126.0F ? t : -126.0F; /* also for NaN and -INFINITY */
    int32_t n = (int32_t)(t - 0.5F);
    float f = t - (float)n;
    float p = 1.5403530e-4F;
    p = p * f + 1.3333558e-3F;
    p = p * f + 9.6181291e-3F;
    p = p * f + 5.5504109e-2F;
    p = p * f + 2.4022651e-1F;
    p = p * f + 6.9314718e-1F;
    p = p * f + 1.0F;
    union {
        int32_t bits;
        float value;
    } scale = {.bits = (int32_t)((uint32_t)(n + 127) << 23)};
    return p * scale.value;
}

static float highest(const float *scores, size_t count)
{
    float lanes[BLOCK], top = -INFINITY;
    size_t i = 0;
    for (int j = 0; j < BLOCK; j++)
        lanes[j] = -INFINITY;
    for (; i + BLOCK <= count; i += BLOCK) {
        for (int j = 0; j < BLOCK; j++)
            lanes[j] = scores[i + (size_t)j] > lanes[j] ? scores[i + (size_t)j] : lanes[j];
    }
    for (; i < count; i++)
        top = scores[i] > top ? scores[i] : top;
    for (int j = 0; j < BLOCK; j++)
        top = lanes[j] > top ? lanes[j] : top;
    return top;
}

void od_softmax_init(struct od_softmax *softmax, const float *scores, size_t count,
                     float temperature)
{
    float top = highest(scores, count), scale = 1 / temperature, lanes[BLOCK];
    double total = 0;
    size_t i = 0;
    *softmax = (struct od_softmax){.top = top, .temperature = temperature};
    if (!isfinite(top))
        return;
    for (; i + BLOCK <= count; i += BLOCK) {
        float sum = 0;
        for (int j = 0; j < BLOCK; j++)
            lanes[j] = exp_near((scores[i + (size_t)j] - top) * scale);
        for (int j = 0; j < BLOCK; j++)
            sum += lanes[j];
        total += (double)sum;
    }
    for (; i < count; i++)
        total += (double)exp_near((scores[i] - top) * scale);
    softmax->total = total;
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
