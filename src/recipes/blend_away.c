/* How the shares of the sources that answer after a pause are fitted.
 *
 * A judge who came back tells how likely each source held the item to be. The sum over judges of
 * log sum over sources of share_k p_k, less a ridge on the gates, is climbed: with r the posterior
 * shares, s the shares and f = (1, pause, length), the gradient is the sum of (r - s) f', and the
 * sum of (diag s - s s') times f f' stands in for the negative second derivative, as it is that of
 * the maximisation in expectation maximisation (Jordan, Jacobs: Neural Computation 6(2), 1994);
 * steps are made longer while that gains. The source that is the blend itself is what the others
 * are compared with: its gate stays 0.
 *
 * Two-fold: gates fitted on half of the judges are measured on the rest, and the mixture serves
 * when these are likelier with it. What is popular is counted as it was up to a week before the
 * judge's time, for that is how old the version that serves may be: popularity of the hour is the
 * best guess where news are read, and worth little days later. After long pauses it is tilted by
 * what the records of a history say, where these say something (returning.h).
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
    PASSES = 60,
    UNKNOWN = OD_BLEND_COMMON * OD_BLEND_GATE,
};
#define MOST_SCORES  40000000u /* that are looked at */
#define LEAST_SCORED 200u      /* judges, however large the catalogue */
#define RIDGE        .1        /* of gates: a tenth of a judge */
#define SETTLE       1e-7      /* gain of the mean log p that is none */
#define ERRORS       2         /* standard errors of the likelihood that are a gain */

/* --- asking judges --- */

struct answer {
    double p[OD_BLEND_SOURCES];   /* of the held-out item */
    double f[OD_BLEND_GATE];      /* 1, pause, length */
    double past[OD_BLEND_COMMON]; /* what popular sources say of all items of the judge's past */
    bool again;                   /* the held-out item is one of these */
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

/* What popular sources, times rates, say of the judge's item and of all of its past. rates and
 * mark: [items] scratch. */
static enum od_status ask_popular(const struct od_blend_facts *facts, const struct od_query *query,
                                  const float *popular, uint32_t target, struct od_arena *arena,
                                  float *rates, uint32_t *mark, struct answer *to)
{
    const uint32_t items = facts->training->item_count;
    const size_t n = items;
    const float *usual = popular + (OD_BLEND_OF_ALL - OD_BLEND_OF_DAY) * n;
    float total[OD_BLEND_COMMON];
    bool any;
    for (size_t i = 0; i < n; i++)
        rates[i] = 1;
    if (facts->returning &&
        od_returning_rates(facts->returning, query, usual, arena, rates, &any) != OD_OK)
        return OD_NO_MEMORY;
    od_blend_totals(popular, rates, items, total);
    for (size_t k = 0; k < OD_BLEND_COMMON; k++)
        to->p[OD_BLEND_OF_DAY + k] = (double)(popular[k * n + target] * rates[target] / total[k]);
    memset(mark, 0, n * sizeof *mark);
    for (size_t e = 0; e < query->event_count; e++) {
        uint32_t i = query->events[e].item;
        if (i >= items || mark[i])
            continue;
        mark[i] = 1;
        for (size_t k = 0; k < OD_BLEND_COMMON; k++)
            to->past[k] += (double)(popular[k * n + i] * rates[i] / total[k]);
    }
    to->again = mark[target];
    return OD_OK;
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
    double sum = (double)od_blend_exponentials(scores, n, a->temperature);
    to->p[OD_BLEND_OWN] = (double)scores[target] / sum;
    od_recent_count(facts->recent, od_blend_stale(query.now_s, j), n, lately);
    od_blend_popular_shares(facts->count, lately, n, popular);
    to->f[0] = 1;
    to->f[1] = (double)od_blend_pause(&query);
    to->f[2] = (double)od_blend_length(query.event_count);
    /* what the blend scored has been read */
    return ask_popular(facts, &query, popular, target, arena, scores, lately, to);
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

/* What source k says of the judge's item. */
static double source(const struct answer *a, const struct od_blend_away *away, size_t k)
{
    if (k == OD_BLEND_OWN)
        return a->p[k];
    double by = (double)away->again, past = a->past[k - OD_BLEND_OF_DAY];
    return a->p[k] * (a->again ? by : 1) / (1 + (by - 1) * past);
}

static double likelihood(const struct answer *a, const struct od_blend_away *away,
                         float share[OD_BLEND_SOURCES])
{
    double p = 0;
    od_blend_shares(away, (float)a->f[1], (float)a->f[2], share);
    for (size_t k = 0; k < OD_BLEND_SOURCES; k++)
        p += (double)share[k] * source(a, away, k);
    return p;
}

/* Judges are taken by twos, for every other one is asked about the longest pause (blend_sample.c).
 */
enum which { EVEN, ODD, BOTH };

static enum which which_of(size_t j)
{
    return j / 2 % 2 ? ODD : EVEN;
}

struct fold {
    const struct answer *answers;
    size_t count;
    enum which which;
};

static bool in_fold(const struct fold *f, size_t j)
{
    return f->which == BOTH || which_of(j) == f->which;
}

static double height(const struct fold *f, const struct od_blend_away *away)
{
    float share[OD_BLEND_SOURCES];
    double sum = 0;
    for (size_t j = 0; j < f->count; j++)
        if (in_fold(f, j))
            sum += log(likelihood(&f->answers[j], away, share));
    for (size_t k = 1; k < OD_BLEND_SOURCES; k++)
        for (size_t x = 0; x < OD_BLEND_GATE; x++)
            sum -= RIDGE / 2 * (double)(away->gate[k][x] * away->gate[k][x]);
    return sum;
}

/* Unknown i: of source 1 + i / OD_BLEND_GATE, feature i % OD_BLEND_GATE. */
static void add_judge(const struct answer *a, const struct od_blend_away *away,
                      double step[UNKNOWN], double curve[UNKNOWN][UNKNOWN])
{
    float s[OD_BLEND_SOURCES];
    double p = likelihood(a, away, s);
    for (size_t i = 0; i < UNKNOWN; i++) {
        size_t k = 1 + i / OD_BLEND_GATE;
        double sk = (double)s[k], fi = a->f[i % OD_BLEND_GATE];
        step[i] += sk * (source(a, away, k) / p - 1) * fi;
        for (size_t n = 0; n < UNKNOWN; n++) {
            size_t l = 1 + n / OD_BLEND_GATE;
            curve[i][n] += ((k == l ? sk : 0) - sk * (double)s[l]) * fi * a->f[n % OD_BLEND_GATE];
        }
    }
}

static void step_of(const struct fold *f, const struct od_blend_away *away, double step[UNKNOWN])
{
    double curve[UNKNOWN][UNKNOWN] = {{0}};
    for (size_t i = 0; i < UNKNOWN; i++) {
        step[i] = -RIDGE * (double)away->gate[1 + i / OD_BLEND_GATE][i % OD_BLEND_GATE];
        curve[i][i] = RIDGE;
    }
    for (size_t j = 0; j < f->count; j++)
        if (in_fold(f, j))
            add_judge(&f->answers[j], away, step, curve);
    od_blend_solve(curve[0], UNKNOWN, UNKNOWN, step);
}

static struct od_blend_away moved(const struct od_blend_away *away, const double step[UNKNOWN],
                                  double length)
{
    struct od_blend_away to = *away;
    for (size_t i = 0; i < UNKNOWN; i++)
        to.gate[1 + i / OD_BLEND_GATE][i % OD_BLEND_GATE] += (float)(length * step[i]);
    return to;
}

/* One step, halved until it gains, else doubled while it does; returns where it ends. */
static double climb(const struct fold *f, double now, struct od_blend_away *away)
{
    double step[UNKNOWN], length = 1;
    step_of(f, away, step);
    struct od_blend_away next = moved(away, step, length), further;
    double height_next = height(f, &next), height_further;
    for (int halving = 0; !(height_next > now) && halving < 20; halving++) {
        next = moved(away, step, length /= 2);
        height_next = height(f, &next);
    }
    if (!(height_next > now))
        return now;
    while (length >= 1) {
        further = moved(away, step, length *= 2);
        height_further = height(f, &further);
        if (!(height_further > height_next))
            break;
        next = further;
        height_next = height_further;
    }
    *away = next;
    return height_next;
}

/* How many times likelier who comes back takes an item of the past than popular sources say, by the
 * judges as far as these speak for them; half a judge of either kind says: as likely. */
static float again_of(const struct fold *f, const struct od_blend_away *away)
{
    double low = log(1e-3), high = log(1e3);
    for (int halving = 0; halving < 40; halving++) {
        double by = exp((low + high) / 2), sum = .5 - by / (1 + by);
        for (size_t j = 0; j < f->count; j++) {
            const struct answer *a = &f->answers[j];
            float share[OD_BLEND_SOURCES];
            if (!in_fold(f, j))
                continue;
            double p = likelihood(a, away, share);
            for (size_t k = OD_BLEND_OF_DAY; k < OD_BLEND_SOURCES; k++) {
                double past = a->past[k - OD_BLEND_OF_DAY];
                sum += (double)share[k] * source(a, away, k) / p *
                       (a->again - by * past / (1 + (by - 1) * past));
            }
        }
        if (sum > 0)
            low = log(by);
        else
            high = log(by);
    }
    return (float)exp((low + high) / 2);
}

static void fit(const struct answer *answers, size_t count, enum which which,
                struct od_blend_away *away)
{
    enum { ROUNDS = 4 };
    const struct fold f = {answers, count, which};
    memset(away->gate, 0, sizeof away->gate);
    away->serves = 1;
    away->again = 1;
    for (int round = 0; round < ROUNDS; round++) {
        double now = height(&f, away), before = -INFINITY;
        for (int pass = 0; pass < PASSES && now > before + SETTLE * (double)count; pass++) {
            before = now;
            now = climb(&f, now, away);
        }
        if (round + 1 < ROUNDS)
            away->again = again_of(&f, away);
    }
}

/* Whether judges are likelier under what others were asked for; *out_gain: by how much, the mean of
 * the logarithm. */
static bool gains(const struct answer *answers, size_t count, float *out_gain)
{
    double sum = 0, squares = 0, n = (double)count;
    struct od_blend_away of[2] = {{0}, {0}};
    fit(answers, count, ODD, &of[EVEN]);
    fit(answers, count, EVEN, &of[ODD]);
    for (size_t j = 0; j < count; j++) {
        float share[OD_BLEND_SOURCES];
        double own = answers[j].p[OD_BLEND_OWN] +
                     (double)OD_BLEND_LEAST_SHARE * answers[j].p[OD_BLEND_OF_ALL];
        double gain = log(likelihood(&answers[j], &of[which_of(j)], share) / own);
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
    out->serves = 0;
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
            fit(answers, count, BOTH, out);
        out->judges = (uint32_t)count;
        out->gain = gain;
    }
    free(judges);
    free(answers);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}
