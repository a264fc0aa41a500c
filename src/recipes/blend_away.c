/* How the shares of the sources that answer after a pause are fitted.
 *
 * A judge who came back tells how likely each source held what was taken in the visit to be: a list
 * serves all of it, and what a visit begins with is more often of the past than the rest. The sum
 * over judges of the mean over their items of log sum over sources of share_k p_k, less a ridge on
 * the gates, is climbed: with r the posterior shares, s the shares and f = (1, pause, length), the
 * gradient is the sum of (r - s) f', and the sum of (diag s - s s') times f f' stands in for the
 * negative second derivative, as it is that of the maximisation in expectation maximisation
 * (Jordan, Jacobs: Neural Computation 6(2), 1994); steps are made longer while that gains. The
 * source that is the blend itself is what the others are compared with: its gate stays 0.
 *
 * The blend's logits shrink with the pause, and so say little of what they rank well. Likelihood
 * would mend that by mixing in other sources, which spoils the order; so the blend is made sharper
 * first, as long as that is likelier.
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
    PASSES = 60,
    VISIT = 20, /* events of one that are asked for */
    UNKNOWN = (OD_BLEND_SOURCES - 1) * OD_BLEND_GATE,
};
#define RIDGE  .1   /* of gates: a tenth of a judge */
#define SETTLE 1e-7 /* gain of the mean log p that is none */
#define ERRORS 2    /* standard errors of the likelihood that are a gain */

static const float sharps[] = {1, 1.25f, 1.5f, 1.75f, 2, 2.5f}; /* that are tried */
#define SHARPS (sizeof sharps / sizeof *sharps)

/* --- asking judges --- */

/* What the sources say of an item that is taken in the visit. */
struct answer {
    size_t judge;
    double weight; /* those of a judge's answers sum to 1 */
    double p[OD_BLEND_SOURCES];
    double own[SHARPS];      /* what p[OD_BLEND_OWN] may be */
    double f[OD_BLEND_GATE]; /* 1, pause, length */
};

struct asking {
    const struct od_blend_facts *facts;
    const struct od_model *model;
    float temperature;
    const struct od_judge *judges; /* those who come back */
    size_t longest;                /* history of theirs */
    struct answer *answers;        /* [judges * VISIT], weight 0: none */
};

int64_t od_blend_stale(int64_t time, size_t j)
{
    enum { STALE_S = 7 * 86400 }; /* age of a version that serves */
    double part = (double)((uint64_t)j * 0x9E3779B97F4A7C15u >> 11) * 0x1p-53; /* golden ratio */
    int64_t gap = (int64_t)(part * STALE_S);
    return time < INT64_MIN + gap ? INT64_MIN : time - gap;
}

/* Items that are taken in the visit that begins with event e; returns how many. */
static size_t visit(const struct od_training *t, uint64_t e, uint32_t out[VISIT])
{
    uint64_t first = e, end = t->user_start[od_training_user_of(t, e) + 1];
    size_t count = 0;
    end = end - e > VISIT ? e + VISIT : end;
    for (; e < end &&
           (e == first || od_blend_pause_between(t->time[e - 1], t->time[e]) < OD_BLEND_RETURNS);
         e++)
        if (od_training_weight(t, e) > 0)
            out[count++] = t->item[e];
    return count;
}

/* What one judge is asked with, [items] each but for popular and lately. */
struct bench {
    float *scores; /* of the blend */
    float *sure;   /* probabilities of the blend, made sharper */
    float *past, *tilt, *popular;
    uint32_t *lately;
    struct od_past_event *events;
};

static bool bench_open(struct bench *b, const struct asking *a, struct od_arena *arena)
{
    const size_t items = a->facts->training->item_count;
    b->scores = OD_NEW_ARRAY(arena, float, items);
    b->sure = OD_NEW_ARRAY(arena, float, items);
    b->past = OD_NEW_ARRAY(arena, float, items);
    b->tilt = OD_NEW_ARRAY(arena, float, items);
    b->popular = OD_NEW_ARRAY(arena, float, OD_BLEND_COMMON *items);
    b->lately = OD_NEW_ARRAY(arena, uint32_t, OD_RECENT_WINDOWS * items);
    b->events = OD_NEW_ARRAY(arena, struct od_past_event, a->longest);
    return b->scores && b->sure && b->past && b->tilt && b->popular && b->lately && b->events;
}

/* What the sources say of taken[count]. */
static void answer(const struct asking *a, size_t j, const struct od_query *query,
                   const struct bench *b, const uint32_t *taken, size_t count)
{
    const size_t items = a->facts->training->item_count;
    struct answer *to = &a->answers[j * VISIT];
    float total[OD_BLEND_COMMON];
    od_blend_totals(b->popular, b->tilt, (uint32_t)items, total);
    for (size_t v = 0; v < count; v++) {
        uint32_t i = taken[v];
        to[v].judge = j;
        to[v].weight = 1 / (double)count;
        to[v].f[0] = 1;
        to[v].f[1] = (double)od_blend_pause(query);
        to[v].f[2] = (double)od_blend_length(query->event_count);
        to[v].p[OD_BLEND_OF_PAST] = (double)b->past[i];
        for (size_t k = 0; k < OD_BLEND_COMMON; k++)
            to[v].p[OD_BLEND_OF_DAY + k] =
                (double)(b->popular[items * k + i] * b->tilt[i] / total[k]);
    }
    for (size_t s = 0; s < SHARPS; s++) {
        memcpy(b->sure, b->scores, items * sizeof *b->sure);
        float sum = od_blend_exponentials(b->sure, items, a->temperature / sharps[s]);
        for (size_t v = 0; v < count; v++)
            to[v].own[s] = (double)(b->sure[taken[v]] / sum);
    }
}

static enum od_status ask(void *context, size_t j, struct od_arena *arena)
{
    const struct asking *a = context;
    const struct od_blend_facts *facts = a->facts;
    const struct od_judge *judge = &a->judges[j];
    uint32_t n = facts->training->item_count, taken[VISIT];
    struct bench b;
    struct od_query query;
    bool personal;
    if (!bench_open(&b, a, arena))
        return OD_NO_MEMORY;
    enum od_status st = od_blend_query(facts->training, judge, b.events, arena, &query);
    if (st == OD_OK)
        st = od_blend_score(a->model, &query, arena, b.scores, &personal, NULL);
    if (st != OD_OK)
        return st;
    od_recent_count(facts->recent, od_blend_stale(query.now_s, j), n, b.lately);
    od_blend_popular_shares(facts->count, b.lately, n, b.popular);
    st = od_blend_tilt(facts->returning, &query, b.popular, n, arena, b.past, b.tilt);
    if (st == OD_OK)
        answer(a, j, &query, &b, taken, visit(facts->training, judge->end, taken));
    return st;
}

/* Judges who come back, evenly chosen from all of them; returns how many went to out. */
static size_t choose(const struct od_blend_facts *facts, struct od_judge *out)
{
    const int64_t *time = facts->training->time;
    size_t count = 0;
    for (size_t j = 0; j < facts->judge_count; j++) {
        uint64_t end = facts->judges[j].end;
        if (od_blend_pause_between(time[end - 1], time[end]) >= OD_BLEND_RETURNS)
            out[count++] = facts->judges[j];
    }
    for (size_t j = 0; j < facts->return_count; j++)
        out[count++] = facts->returns[j];
    size_t most = od_blend_asked(facts->training->item_count, OD_RETURNS);
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

/* Judges are taken by twos, for every other one is asked about the longest pause (blend_judges.c).
 */
enum which { EVEN, ODD, BOTH };

static enum which which_of(size_t judge)
{
    return judge / 2 % 2 ? ODD : EVEN;
}

struct fold {
    const struct answer *answers;
    size_t count;
    enum which which;
};

static bool in_fold(const struct fold *f, size_t j)
{
    return f->which == BOTH || which_of(f->answers[j].judge) == f->which;
}

static double height(const struct fold *f, const struct od_blend_away *away)
{
    float share[OD_BLEND_SOURCES];
    double sum = 0;
    for (size_t j = 0; j < f->count; j++)
        if (in_fold(f, j))
            sum += f->answers[j].weight * log(likelihood(&f->answers[j], away, share));
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
        double sk = (double)s[k], fi = a->weight * a->f[i % OD_BLEND_GATE];
        step[i] += sk * (a->p[k] / p - 1) * fi;
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

/* Returns how high it is. */
static double fit(const struct answer *answers, size_t count, enum which which,
                  struct od_blend_away *away)
{
    const struct fold f = {answers, count, which};
    memset(away->gate, 0, sizeof away->gate);
    double now = height(&f, away), before = -INFINITY;
    for (int pass = 0; pass < PASSES && now > before + SETTLE * (double)count; pass++) {
        before = now;
        now = climb(&f, now, away);
    }
    return now;
}

static void sharpen(struct answer *answers, size_t count, size_t sharp)
{
    for (size_t j = 0; j < count; j++)
        answers[j].p[OD_BLEND_OWN] = answers[j].own[sharp];
}

/* The shares, and how sharp the blend is: steps up from 1 while they gain. */
static void fit_all(struct answer *answers, size_t count, struct od_blend_away *away)
{
    size_t best = 0;
    sharpen(answers, count, best);
    double highest = fit(answers, count, BOTH, away);
    for (size_t next = 1; next < SHARPS; next++) {
        struct od_blend_away now = *away;
        sharpen(answers, count, next);
        double height = fit(answers, count, BOTH, &now);
        if (!(height > highest))
            break;
        highest = height;
        *away = now;
        best = next;
    }
    sharpen(answers, count, best);
    away->sharp = sharps[best];
}

static double gain_of(const struct answer *a, const struct od_blend_away *away)
{
    float share[OD_BLEND_SOURCES];
    double own = a->own[0] + (double)OD_BLEND_LEAST_SHARE * a->p[OD_BLEND_OF_ALL];
    return a->weight * log(likelihood(a, away, share) / own);
}

/* Whether judges are likelier under shares that others were asked for, with the sharpness of all;
 * *out_gain: by how much, the mean of the logarithm. */
static bool gains(const struct answer *answers, size_t count, float *out_gain)
{
    double sum = 0, squares = 0, n = 0;
    struct od_blend_away of[2] = {{0}, {0}};
    fit(answers, count, ODD, &of[EVEN]);
    fit(answers, count, EVEN, &of[ODD]);
    for (size_t j = 0; j < count; n++) {
        size_t judge = answers[j].judge;
        double gain = 0;
        for (; j < count && answers[j].judge == judge; j++)
            gain += gain_of(&answers[j], &of[which_of(judge)]);
        sum += gain;
        squares += gain * gain;
    }
    double mean = sum / n, error = sqrt((squares / n - mean * mean) / n);
    *out_gain = (float)mean;
    return mean > ERRORS * error;
}

/* Those that say something, in their order; returns how many. */
static size_t close_up(struct answer *answers, size_t count)
{
    size_t n = 0;
    for (size_t j = 0; j < count; j++)
        if (answers[j].weight > 0)
            answers[n++] = answers[j];
    return n;
}

enum od_status od_blend_away_fit(const struct od_blend_facts *facts, const struct od_model *model,
                                 float temperature, unsigned threads, struct od_blend_away *out,
                                 struct od_error *err)
{
    out->serves = 0;
    out->sharp = 1;
    size_t most = facts->judge_count + facts->return_count;
    struct od_judge *judges = malloc((most + 1) * sizeof *judges);
    struct answer *answers = calloc((most + 1) * VISIT, sizeof *answers);
    enum od_status st = judges && answers ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK && od_recent_real(facts->training)) {
        size_t count = choose(facts, judges);
        struct asking a = {facts, model, temperature, judges, 0, answers};
        for (size_t j = 0; j < count; j++)
            if (judges[j].end - judges[j].start > a.longest)
                a.longest = judges[j].end - judges[j].start;
        float gain = 0;
        if (count >= LEAST_ASKED)
            st = od_parallel_arenas(threads, count, ask, &a);
        size_t answered = close_up(answers, count * VISIT);
        struct od_blend_away fitted = *out;
        if (count >= LEAST_ASKED && st == OD_OK) {
            fit_all(answers, answered, &fitted);
            fitted.serves = gains(answers, answered, &gain);
        }
        if (fitted.serves)
            *out = fitted;
        out->judges = (uint32_t)count;
        out->gain = gain;
    }
    free(judges);
    free(answers);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}
