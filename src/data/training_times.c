/* Times that are no times of this data.
 *
 * Milliseconds where seconds belong, a 0 for "unknown", a clock in 2107: one such event would be
 * the newest or the oldest, and everything that goes by the age of events (what is popular lately,
 * weights by date, trends) would find all others equally old. They get the time of the newest or
 * oldest event that is none of them, which leaves every user's order as it is.
 *
 * Outlying is what lies further from the middle 98 % of a sample of the times than FAR times what
 * these span (270 days around 90 days of data) and than 30 days: times may be mere places in an
 * order. Only the events themselves are changed, not what is stored; the model card tells how
 * many. */
#include <stdlib.h>

#include "base/hash.h"
#include "data/training_build.h"

enum { SAMPLE = 65536, LEAST = 100, FAR = 3, TIME_SALT = 0x74696d65, LEAST_FAR_S = 30 * 86400 };

static int compare_times(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* The time of the sample's place `per_cent`. */
static int64_t sampled(const int64_t *sample, uint64_t count, uint64_t per_cent)
{
    return sample[(count - 1) * per_cent / 100];
}

static bool is_between(int64_t time, double low, double high)
{
    return (double)time >= low && (double)time <= high;
}

enum od_status od_training_bound_times(struct od_training_owned *o)
{
    uint64_t n = o->user_start[o->view.user_count], count = n < SAMPLE ? n : SAMPLE;
    if (n < LEAST)
        return OD_OK;
    int64_t *sample = malloc(count * sizeof *sample);
    if (!sample)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < count; i++) {
        uint64_t from = i * (n / count), width = n / count;
        sample[i] = o->time[from + od_hash_mix(i, TIME_SALT) % width];
    }
    qsort(sample, count, sizeof *sample, compare_times);
    int64_t low = sampled(sample, count, 1), high = sampled(sample, count, 99);
    free(sample);
    double far = FAR * ((double)high - (double)low);
    if (far <= 0)
        return OD_OK;
    far = far > LEAST_FAR_S ? far : LEAST_FAR_S;
    double least = (double)low - far, most = (double)high + far;
    int64_t first = low, last = high;
    for (uint64_t i = 0; i < n; i++)
        if (is_between(o->time[i], least, most)) {
            first = o->time[i] < first ? o->time[i] : first;
            last = o->time[i] > last ? o->time[i] : last;
        }
    for (uint64_t i = 0; i < n; i++)
        if (!is_between(o->time[i], least, most)) {
            o->time[i] = o->time[i] < low ? first : last;
            o->view.outlying_times++;
        }
    return OD_OK;
}
