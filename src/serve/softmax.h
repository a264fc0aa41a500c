/* Scores to probabilities (serving.md section 4): p_i = exp((s_i - top) / T) / total. */
#ifndef OD_SERVE_SOFTMAX_H
#define OD_SERVE_SOFTMAX_H

#include <stddef.h>

struct od_softmax {
    double top;   /* highest score; -INFINITY when there is none */
    double total; /* sum of exp((s - top) / temperature) over all scores */
    double temperature;
};
/* Scores may be -INFINITY (probability 0). The total is exact to about 1e-6 of itself. */
void od_softmax_init(struct od_softmax *softmax, const float *scores, size_t count,
                     float temperature);
double od_softmax(const struct od_softmax *softmax, double score);
/* As answers print it: to 7 decimals, halves away from zero. */
double od_softmax_printed(double probability);

#endif
