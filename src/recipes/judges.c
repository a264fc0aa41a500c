/* What the choices of several parts do with judges: see judges.h. */
#include "recipes/judges.h"

#include <math.h>

size_t od_judges_even(const struct od_judge *judges, size_t count, size_t most,
                      struct od_judge *out)
{
    size_t chosen = 0;
    most = count < most ? count : most;
    for (size_t j = 0; j < count; j++)
        if (j * most / count != (j + 1) * most / count)
            out[chosen++] = judges[j];
    return chosen;
}

static bool is_return(const struct od_training *training, const struct od_judge *judge)
{
    for (uint64_t e = judge->start; e < judge->end; e++)
        if (training->item[e] == training->item[judge->end])
            return true;
    return false;
}

bool od_judges_return(const struct od_training *training, const struct od_judge *judges,
                      size_t count)
{
    size_t returns = 0;
    for (size_t j = 0; j < count; j++)
        returns += is_return(training, &judges[j]);
    return returns * 100 >= count;
}

struct od_paired od_paired(const double *now, size_t stride, const double *before, size_t count)
{
    double sum = 0, square = 0, base = 0, n = (double)count;
    for (size_t j = 0; j < count; j++) {
        double d = now[j * stride] - before[j];
        sum += d;
        square += d * d;
        base += before[j];
    }
    double mean = sum / n;
    return (struct od_paired){mean, sqrt(fmax(square / n - mean * mean, 0) / n), base / n};
}
