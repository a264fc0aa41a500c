/* What a policy would have earned, from what another one did with known probabilities.
 *
 * One row a decision: the propensity with which the logging policy took what it took, whether the
 * policy asked about would have taken the same, and the reward.
 *   IPS   = mean of [same] reward / propensity          (unbiased: Horvitz, Thompson, JASA 1952)
 *   SNIPS = sum [same] reward / propensity / sum [same] / propensity
 *           (Swaminathan, Joachims, NIPS 2015: a little bias, much less variance) */
#ifndef OD_TESTS_QUALITY_PROPENSITY_H
#define OD_TESTS_QUALITY_PROPENSITY_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>

struct logged {
    double propensity, reward;
    bool same;
};

static inline double ips(const struct logged *rows, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += rows[i].same ? rows[i].reward / rows[i].propensity : 0;
    return count ? sum / (double)count : 0;
}

static inline double snips(const struct logged *rows, size_t count)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < count; i++) {
        sum += rows[i].same ? rows[i].reward / rows[i].propensity : 0;
        weight += rows[i].same ? 1 / rows[i].propensity : 0;
    }
    return weight > 0 ? sum / weight : 0;
}

/* Standard error of ips. */
static inline double ips_error(const struct logged *rows, size_t count)
{
    double mean = ips(rows, count), square = 0;
    for (size_t i = 0; i < count; i++) {
        double x = (rows[i].same ? rows[i].reward / rows[i].propensity : 0) - mean;
        square += x * x;
    }
    return count > 1 ? sqrt(square / (double)(count - 1) / (double)count) : 0;
}

#endif
