/* How many interactions a user will have in the next 15 days, from when it had others.
 *
 * A Poisson regression on logarithms of counts is a product of powers of them; with counts over
 * several spans and decays it comes near a Hawkes process with several time scales, at the cost of
 * one regression with twenty numbers. The cut is of the past alone: features at the begin of a
 * horizon, counts within it. Several horizons, one before the other, steady the fit and average
 * over weekdays and days of the month.
 *
 * When times are artificial (a minute apart from a common start, or all the same) horizons hold
 * everything or nothing. Then the rate is by count alone: proportional to it, shrunk to the mean,
 * which is the expectation under a Gamma prior (Poisson with Gamma rate: (n + a) / (1 + b)). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/affinity.h"
#include "recipes/glm.h"

#define DAY        86400.0
#define HORIZONS   12
#define ROWS_MOST  400000      /* of the regression, evenly spread over users: 32 MB */
#define WILD_S     (1ll << 40) /* beyond 34,000 years a time is no date: differences may overflow */
#define SPANS      3           /* horizons the data must span */
#define EVENTS     200         /* in a horizon, of users known before: fewer teach nothing */
#define RIDGE      3.0         /* on standardised features, in units of events */
#define PART_USERS 4096
#define UNTIMED_A  1.0
#define ROUNDS     4 /* of weighing and fitting again */

enum {
    CONSTANT,
    IN_1,
    IN_7,
    IN_15,
    IN_30,
    IN_90,
    ALL,
    FADE_3,
    FADE_10,
    FADE_30,
    FADE_100,
    GAP,
    GAP_SHARE,
    AGE,
    DAYS,
    DAYS_30,
    PACE,
    LATE,
    REGULAR,
    SINGLE
};
_Static_assert(SINGLE + 1 == OD_AFFINITY_FEATURES, "one place a feature");

static void count_spans(const int64_t *time, size_t count, int64_t now_s, double *f)
{
    static const double fade_days[] = {3, 10, 30, 100};
    for (size_t i = 0; i < count; i++) {
        double age = (double)(now_s - time[i]) / DAY;
        f[IN_1] += age < 1;
        f[IN_7] += age < 7;
        f[IN_15] += age < 15;
        f[IN_30] += age < 30;
        f[IN_90] += age < 90;
        for (int k = 0; k < 4; k++)
            f[FADE_3 + k] += exp(-age / fade_days[k]);
    }
    f[ALL] = (double)count;
}

/* Days with events, and the mean and variation of the gaps between them. */
static void count_days(const int64_t *time, size_t count, int64_t now_s, double *f)
{
    double sum = 0, square = 0;
    int64_t last = INT64_MIN;
    for (size_t i = 0; i < count; i++) {
        int64_t day = time[i] / 86400;
        if (day == last)
            continue;
        double gap = last == INT64_MIN ? 0 : (double)(day - last);
        sum += gap;
        square += gap * gap;
        f[DAYS]++;
        f[DAYS_30] += (double)(now_s - time[i]) < 30 * DAY;
        last = day;
    }
    double gaps = f[DAYS] - 1, gap = (double)(now_s - time[count - 1]) / DAY;
    double pace = gaps > 0 ? sum / gaps : 0;
    f[PACE] = pace;
    f[LATE] = gaps > 0 ? gap / (pace + 1) : 0;
    f[REGULAR] = gaps > 1 ? sqrt(fmax(square / gaps - pace * pace, 0)) / (pace + 1) : 0;
}

void od_affinity_features(const int64_t *time, size_t count, int64_t now_s,
                          float out[OD_AFFINITY_FEATURES])
{
    double f[OD_AFFINITY_FEATURES] = {0};
    if (count) {
        count_spans(time, count, now_s, f);
        count_days(time, count, now_s, f);
        f[GAP] = (double)(now_s - time[count - 1]) / DAY;
        f[AGE] = (double)(now_s - time[0]) / DAY;
        f[GAP_SHARE] = f[GAP] / (f[AGE] + 1);
    }
    f[SINGLE] = count == 1;
    for (int j = 0; j < OD_AFFINITY_FEATURES; j++)
        out[j] = (float)(j == GAP_SHARE || j == SINGLE ? f[j] : log1p(f[j]));
    out[CONSTANT] = 1;
}

/* --- rows of the regression --- */

struct rows {
    size_t count, cap;
    float *x, *y;
};

/* First event of user u after s. */
static uint64_t first_after(const struct od_training *t, uint64_t from, uint64_t to, int64_t s)
{
    while (from < to) {
        uint64_t middle = from + (to - from) / 2;
        if (t->time[middle] > s)
            to = middle;
        else
            from = middle + 1;
    }
    return from;
}

static uint64_t add_horizon(const struct od_training *t, const uint64_t *end, int64_t from_s,
                            int64_t to_s, uint32_t stride, struct rows *rows)
{
    uint64_t events = 0;
    for (uint32_t u = 0; u < t->user_count && rows->count < rows->cap; u += stride) {
        uint64_t start = t->user_start[u];
        uint64_t cut = first_after(t, start, end[u], from_s);
        if (cut == start)
            continue;
        uint64_t n = first_after(t, cut, end[u], to_s) - cut;
        od_affinity_features(t->time + start, cut - start, from_s,
                             rows->x + rows->count * OD_AFFINITY_FEATURES);
        rows->y[rows->count++] = (float)n;
        events += n;
    }
    return events;
}

static void standardise(struct rows *rows, struct od_affinity_rate *rate)
{
    for (int j = 0; j < OD_AFFINITY_FEATURES; j++) {
        double sum = 0, square = 0, n = (double)rows->count;
        for (size_t r = 0; r < rows->count; r++) {
            double v = (double)rows->x[r * OD_AFFINITY_FEATURES + (size_t)j];
            sum += v;
            square += v * v;
        }
        double mean = sum / n, spread = sqrt(fmax(square / n - mean * mean, 0));
        rate->mean[j] = j == CONSTANT ? 0 : mean;
        rate->scale[j] = j == CONSTANT ? 1 : spread > 1e-6 ? 1 / spread : 0;
        for (size_t r = 0; r < rows->count; r++) {
            float *v = &rows->x[r * OD_AFFINITY_FEATURES + (size_t)j];
            *v = (float)(((double)*v - rate->mean[j]) * rate->scale[j]);
        }
    }
}

/* Weights of a negative binomial regression: its score is that of the Poisson one with each row
 * over 1 + mean / size (McCullagh and Nelder, 11.2). Counts of visits are far more spread than
 * Poisson's, and without it the few users with hundreds of events decide everything. */
static void weigh(const struct rows *rows, const struct od_affinity_rate *rate, float *weight)
{
    double over = 0, square = 0;
    for (int pass = 0; pass < 2; pass++)
        for (size_t r = 0; r < rows->count; r++) {
            double eta = 0;
            for (int j = 0; j < OD_AFFINITY_FEATURES; j++)
                eta += (double)rows->x[r * OD_AFFINITY_FEATURES + (size_t)j] * rate->beta[j];
            double mean = exp(fmin(fmax(eta, -OD_GLM_ETA), OD_GLM_ETA));
            double off = (double)rows->y[r] - mean;
            if (pass == 0) { /* by moments: var = mean + mean^2 / size, each row scaled to 1 */
                over += (off * off - mean) / (mean + 1);
                square += mean * mean / (mean + 1);
            } else {
                weight[r] = (float)(1 / (1 + mean * fmax(over / square, 0)));
            }
        }
}

static enum od_status regress(struct rows *rows, unsigned threads, struct od_affinity_rate *rate)
{
    double ridge[OD_AFFINITY_FEATURES], sum = 0;
    standardise(rows, rate);
    for (size_t r = 0; r < rows->count; r++) {
        sum += (double)rows->y[r];
        rate->most = fmax(rate->most, (double)rows->y[r]);
    }
    for (int j = 0; j < OD_AFFINITY_FEATURES; j++)
        ridge[j] = j == CONSTANT ? 1e-3 : RIDGE;
    rate->beta[CONSTANT] = log(sum / (double)rows->count);
    float *weight = malloc(rows->count * sizeof *weight);
    if (!weight)
        return OD_NO_MEMORY;
    struct od_glm glm = {.link = OD_GLM_POISSON,
                         .count = rows->count,
                         .width = OD_AFFINITY_FEATURES,
                         .x = rows->x,
                         .stride = OD_AFFINITY_FEATURES,
                         .y = rows->y,
                         .ridge = ridge,
                         .threads = threads};
    enum od_status s = OD_OK;
    for (int round = 0; s == OD_OK && round < ROUNDS; round++) {
        s = od_glm_fit(&glm, rate->beta, NULL);
        weigh(rows, rate, weight);
        glm.weight = weight;
    }
    free(weight);
    return s;
}

static void span(const struct od_training *t, const uint64_t *end, int64_t *first, uint64_t *events)
{
    *first = INT64_MAX;
    *events = 0;
    for (uint32_t u = 0; u < t->user_count; u++) {
        *events += end[u] - t->user_start[u];
        if (end[u] > t->user_start[u] && t->time[t->user_start[u]] < *first)
            *first = t->time[t->user_start[u]];
    }
}

enum od_status od_affinity_rate_fit(const struct od_training *training, const uint64_t *end,
                                    int64_t last_s, unsigned threads, struct od_affinity_rate *out,
                                    struct od_error *err)
{
    struct od_affinity_rate rate = {.share = 1};
    int64_t first;
    uint64_t events;
    span(training, end, &first, &events);
    bool dated = last_s < WILD_S && first > -WILD_S;
    double spans = events && dated ? ((double)last_s - (double)first) / OD_AFFINITY_HORIZON_S : 0;
    rate.share = spans > 1 ? 1 / spans : 1; /* the past's pace */
    struct rows rows = {.cap = ROWS_MOST};
    rows.x = malloc(ROWS_MOST * OD_AFFINITY_FEATURES * sizeof *rows.x);
    rows.y = malloc(ROWS_MOST * sizeof *rows.y);
    if (!rows.x || !rows.y) {
        free(rows.x);
        free(rows.y);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    uint32_t stride = training->user_count / (ROWS_MOST / HORIZONS) + 1;
    uint64_t returned = 0;
    for (int h = 0; h < HORIZONS && spans >= SPANS && h + 1 < spans / 2; h++)
        returned += add_horizon(training, end, last_s - (h + 1) * (int64_t)OD_AFFINITY_HORIZON_S,
                                last_s - h * (int64_t)OD_AFFINITY_HORIZON_S, stride, &rows);
    rate.timed = returned >= EVENTS / stride + 1 && returned >= 20;
    enum od_status s = rate.timed ? regress(&rows, threads, &rate) : OD_OK;
    free(rows.x);
    free(rows.y);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    *out = rate;
    return OD_OK;
}

/* --- prediction --- */

struct predict {
    const struct od_affinity_rate *rate;
    const struct od_training *training;
    const uint64_t *end;
    int64_t now_s;
    float *out;
};

static double timed_rate(const struct od_affinity_rate *rate, const int64_t *time, size_t count,
                         int64_t now_s)
{
    float f[OD_AFFINITY_FEATURES];
    double eta = 0;
    od_affinity_features(time, count, now_s, f);
    for (int j = 0; j < OD_AFFINITY_FEATURES; j++)
        eta += ((double)f[j] - rate->mean[j]) * rate->scale[j] * rate->beta[j];
    return fmin(exp(fmin(eta, OD_GLM_ETA)), rate->most);
}

static enum od_status predict_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct predict *p = context;
    const struct od_training *t = p->training;
    size_t end = (part + 1) * PART_USERS;
    for (size_t u = part * PART_USERS; u < end && u < t->user_count; u++) {
        uint64_t start = t->user_start[u];
        size_t n = p->end[u] - start;
        double rate = p->rate->timed ? timed_rate(p->rate, t->time + start, n, p->now_s)
                                     : p->rate->share * ((double)n + UNTIMED_A);
        p->out[u] = n ? (float)rate : 0;
    }
    return OD_OK;
}

enum od_status od_affinity_rates(const struct od_affinity_rate *rate,
                                 const struct od_training *training, const uint64_t *end,
                                 int64_t now_s, unsigned threads, float *out)
{
    struct predict p = {rate, training, end, now_s, out};
    return od_parallel(threads, ((size_t)training->user_count + PART_USERS - 1) / PART_USERS,
                       predict_part, &p);
}
