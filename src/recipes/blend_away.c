/* Answers after a pause, and how the shares of their sources are fitted.
 *
 * A judge who came back tells how likely each source held the item to be. The sum over judges of
 * log sum over sources of share_k p_k is climbed by expectation maximisation with Boehning's bound
 * (Annals of the Institute of Statistical Mathematics 44(1), 1992): with r the posterior shares,
 * f = (1, pause, length), G_k = sum over judges of (r_k - share_k) f and F the sum of f f', the
 * steps gate_k += 2 F^-1 (G_k + sum over l of G_l) never lose. The source that is the blend itself
 * is what the others are compared with: its gate stays 0.
 *
 * Two-fold: gates fitted on every other judge are measured on the rest, and the mixture serves when
 * these are likelier with it. What is popular is counted as it was up to a week before the judge's
 * time, for that is how old the version that serves may be: popularity of the hour is the best
 * guess where news are read, and worth little days later.
 *
 * Judges answer by themselves and are summed in their order: the same for any number of threads. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "os/parallel.h"
#include "recipes/blend_train.h"
#include "recipes/judges.h"

enum {
    LEAST_ASKED = 100, /* judges, for there to be a choice */
    MOST_ASKED = 4000,
    STEPS = 300,
};
#define MOST_SCORES  40000000u /* that are looked at */
#define LEAST_SCORED 200u      /* judges, however large the catalogue */
#define RIDGE        1e-3      /* of F */
#define ERRORS       2         /* standard errors of the likelihood that are a gain */

void od_blend_shares(const struct od_blend_away *away, float pause, float length,
                     float share[OD_BLEND_SOURCES])
{
    float most = 0, sum = 0;
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++) {
        const float *g = away->gate[k];
        share[k] = g[0] + g[1] * pause + g[2] * length;
        most = share[k] > most ? share[k] : most;
    }
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        sum += share[k] = expf(share[k] - most);
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        share[k] *= (1 - OD_BLEND_LEAST_SHARE) / sum;
    share[OD_BLEND_OF_ALL] += OD_BLEND_LEAST_SHARE;
}

void od_blend_popular_shares(const uint32_t *count, const uint32_t *lately, uint32_t items,
                             float *out)
{
    const size_t n = items;
    float *all = out + (OD_BLEND_OF_ALL - OD_BLEND_OF_DAY) * n;
    double total = 0;
    for (size_t i = 0; i < n; i++)
        total += (double)count[i] + .5; /* half a count: nothing is impossible */
    for (size_t i = 0; i < n; i++)
        all[i] = (float)(((double)count[i] + .5) / total);
    for (size_t w = 0; w < OD_RECENT_WINDOWS; w++) {
        const uint32_t *c = lately + w * n;
        uint64_t sum = 0;
        for (size_t i = 0; i < n; i++)
            sum += c[i];
        if (sum == 0)
            memcpy(out + w * n, all, n * sizeof *out);
        for (size_t i = 0; i < n && sum; i++)
            out[w * n + i] = (float)((double)c[i] / (double)sum);
    }
}

/* scores := exp(scores / temperature) but for a factor; returns their sum. */
static float exponentials(float *scores, size_t count, float temperature)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    float by = 1 / temperature;
    for (size_t i = 0; i < count; i++)
        scores[i] *= by;
    return vector->exp_sum(scores, vector->largest(scores, count), count);
}

void od_blend_mix(const float share[OD_BLEND_SOURCES], const float *popular, float temperature,
                  uint32_t items, float *scores)
{
    const struct od_nn_vector *vector = od_nn_vector_best();
    const size_t n = items;
    const float *day = popular, *week = day + n, *month = week + n, *all = month + n;
    float own = share[OD_BLEND_OWN] / exponentials(scores, n, temperature);
    for (size_t i = 0; i < n; i++)
        scores[i] = own * scores[i] + share[OD_BLEND_OF_DAY] * day[i] +
                    share[OD_BLEND_OF_WEEK] * week[i] + share[OD_BLEND_OF_MONTH] * month[i] +
                    share[OD_BLEND_OF_ALL] * all[i];
    vector->log(scores, scores, temperature, n);
}

/* --- asking judges --- */

struct answer {
    double p[OD_BLEND_SOURCES]; /* of the held-out item */
    double f[OD_BLEND_GATE];
};

struct asking {
    const struct od_blend_facts *facts;
    const struct od_model *model;
    float temperature;
    const struct od_judge *judges; /* those who come back */
    size_t longest;                /* history of theirs */
    struct answer *answers;
};

int64_t od_blend_stale(int64_t time, size_t j)
{
    enum { STALE_S = 7 * 86400 }; /* age of a version that serves */
    double part = (double)((uint64_t)j * 0x9E3779B97F4A7C15u >> 11) * 0x1p-53; /* golden ratio */
    int64_t gap = (int64_t)(part * STALE_S);
    return time < INT64_MIN + gap ? INT64_MIN : time - gap;
}

static enum od_status ask(const struct asking *a, size_t j, struct od_arena *arena)
{
    const struct od_blend_facts *facts = a->facts;
    const struct od_judge *judge = &a->judges[j];
    uint32_t n = facts->training->item_count, target = facts->training->item[judge->end];
    size_t shares = (size_t)n * OD_BLEND_COMMON;
    struct od_past_event *events = OD_NEW_ARRAY(arena, struct od_past_event, a->longest);
    float *scores = OD_NEW_ARRAY(arena, float, n);
    float *popular = OD_NEW_ARRAY(arena, float, shares);
    uint32_t *lately = OD_NEW_ARRAY(arena, uint32_t, (size_t)n * OD_RECENT_WINDOWS);
    struct od_query query;
    bool personal;
    if (!events || !scores || !popular || !lately)
        return OD_NO_MEMORY;
    enum od_status st = od_blend_query(facts->training, judge, events, arena, &query);
    if (st == OD_OK)
        st = od_blend_score(a->model, &query, arena, scores, &personal, NULL);
    if (st != OD_OK)
        return st;
    struct answer *to = &a->answers[j];
    double sum = (double)exponentials(scores, n, a->temperature);
    to->p[OD_BLEND_OWN] = (double)scores[target] / sum;
    od_recent_count(facts->recent, od_blend_stale(query.now_s, j), n, lately);
    od_blend_popular_shares(facts->count, lately, n, popular);
    for (size_t k = OD_BLEND_OF_DAY; k < OD_BLEND_SOURCES; k++)
        to->p[k] = (double)popular[(k - OD_BLEND_OF_DAY) * n + target];
    to->f[0] = 1;
    to->f[1] = (double)od_blend_pause(&query);
    to->f[2] = (double)od_blend_length(query.event_count);
    return OD_OK;
}

static enum od_status ask_one(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status st = ask(context, index, &arena);
    od_arena_done(&arena);
    return st;
}

/* Judges who come back, evenly chosen from all of them; returns how many went to out. */
static size_t choose(const struct od_blend_facts *facts, struct od_judge *out)
{
    const int64_t *time = facts->training->time;
    size_t count = 0, items = facts->training->item_count;
    for (size_t j = 0; j < facts->judge_count; j++) {
        uint64_t end = facts->judges[j].end;
        if (od_blend_pause_between(time[end - 1], time[end]) >= OD_BLEND_RETURNS)
            out[count++] = facts->judges[j];
    }
    size_t most = MOST_SCORES / (items + 1);
    most = most < LEAST_SCORED ? LEAST_SCORED : most > MOST_ASKED ? MOST_ASKED : most;
    return od_judges_even(out, count, most, out);
}

/* --- fitting --- */

static double likelihood(const struct answer *a, const struct od_blend_away *away,
                         float share[OD_BLEND_SOURCES])
{
    double p = 0;
    od_blend_shares(away, (float)a->f[1], (float)a->f[2], share);
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        p += (double)share[k] * a->p[k];
    return p;
}

/* One step of the head of this file, of the judges first, first + stride, ... */
static void climb(const struct answer *answers, size_t count, size_t first, size_t stride,
                  struct od_blend_away *away)
{
    double f[OD_BLEND_GATE][OD_BLEND_GATE] = {{0}}, g[OD_BLEND_SOURCES][OD_BLEND_GATE] = {{0}};
    double sum[OD_BLEND_GATE] = {0};
    for (size_t j = first; j < count; j += stride) {
        const struct answer *a = &answers[j];
        float share[OD_BLEND_SOURCES];
        double p = likelihood(a, away, share);
        for (size_t x = 0; x < OD_BLEND_GATE; x++) {
            for (size_t k = 1; k < OD_BLEND_SOURCES; k++)
                g[k][x] += (double)share[k] * (a->p[k] / p - 1) * a->f[x];
            for (size_t y = 0; y < OD_BLEND_GATE; y++)
                f[x][y] += a->f[x] * a->f[y];
        }
    }
    for (size_t x = 0; x < OD_BLEND_GATE; x++) {
        f[x][x] += RIDGE;
        for (size_t k = 1; k < OD_BLEND_SOURCES; k++)
            sum[x] += g[k][x];
    }
    for (size_t k = 1; k < OD_BLEND_SOURCES; k++) {
        for (size_t x = 0; x < OD_BLEND_GATE; x++)
            g[k][x] += sum[x];
        double used_up[OD_BLEND_GATE][OD_BLEND_GATE];
        memcpy(used_up, f, sizeof used_up);
        od_blend_solve(used_up[0], OD_BLEND_GATE, OD_BLEND_GATE, g[k]);
        for (size_t x = 0; x < OD_BLEND_GATE; x++)
            away->gate[k][x] += (float)(2 * g[k][x]);
    }
}

static void fit(const struct answer *answers, size_t count, size_t first, size_t stride,
                struct od_blend_away *away)
{
    *away = (struct od_blend_away){.serves = 1};
    for (int s = 0; s < STEPS; s++)
        climb(answers, count, first, stride, away);
}

/* Whether judges are likelier under what others were asked for; *out_gain: by how much, the mean of
 * the logarithm. */
static bool gains(const struct answer *answers, size_t count, float *out_gain)
{
    double sum = 0, squares = 0, n = (double)count;
    struct od_blend_away of[2];
    fit(answers, count, 1, 2, &of[0]);
    fit(answers, count, 0, 2, &of[1]);
    for (size_t j = 0; j < count; j++) {
        float share[OD_BLEND_SOURCES];
        double own = answers[j].p[OD_BLEND_OWN] +
                     (double)OD_BLEND_LEAST_SHARE * answers[j].p[OD_BLEND_OF_ALL];
        double gain = log(likelihood(&answers[j], &of[j % 2], share) / own);
        sum += gain;
        squares += gain * gain;
    }
    double mean = sum / n, error = sqrt((squares / n - mean * mean) / n);
    *out_gain = (float)mean;
    return mean > ERRORS * error;
}

enum od_status od_blend_away_fit(const struct od_blend_facts *facts, const struct od_model *model,
                                 float temperature, unsigned threads, struct od_blend_away *out,
                                 struct od_error *err)
{
    *out = (struct od_blend_away){0};
    struct od_judge *judges = malloc((facts->judge_count + 1) * sizeof *judges);
    struct answer *answers = calloc(facts->judge_count + 1, sizeof *answers);
    enum od_status st = judges && answers ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK && od_recent_real(facts->training)) {
        size_t count = choose(facts, judges);
        struct asking a = {facts, model, temperature, judges, 0, answers};
        for (size_t j = 0; j < count; j++)
            if (judges[j].end - judges[j].start > a.longest)
                a.longest = judges[j].end - judges[j].start;
        float gain = 0;
        if (count >= LEAST_ASKED)
            st = od_parallel(threads ? threads : od_cpu_count(), count, ask_one, &a);
        if (count >= LEAST_ASKED && st == OD_OK && gains(answers, count, &gain))
            fit(answers, count, 0, 1, out);
        out->judges = (uint32_t)count;
        out->gain = gain;
    }
    free(judges);
    free(answers);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}
