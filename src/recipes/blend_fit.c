/* Maximum likelihood for the weights: a multinomial logit over each judge's candidates.
 *
 * Each judge's log p(target) = w . x_target - log sum over candidates c of exp(w . x_c), times the
 * weight of its event's type, is concave in w, its gradient x_target - E_p x and its negative
 * Hessian Cov_p(x). With a small ridge Newton's method, its steps halved while they do not gain,
 * finds the maximum in a few passes. Sums are made per block of judges and added in the order of
 * the blocks, so they do not depend on the threads.
 *
 * With a focus f > 0 the sum is of p^f instead: Lq-likelihood (Ferrari and Yang, Annals of
 * Statistics 38(2), 2010, q = 1 - f). A judge then counts p^f times in the gradient, so those whose
 * item nobody could tell, who are most where data are sparse and pull the weights towards a flat
 * order, hardly count against those whose item can stand at the top of a list. What comes after a
 * pause is harder to tell than what comes next in a visit, and must not be forgotten for that:
 * judges before and after a pause are two strata, and what is maximised is the sum over strata of
 * judges * log of the power mean (mean p^f)^(1/f), which for f = 0 is the likelihood. Its negative
 * Hessian is the mean of Cov_p(x) less f times the covariance of the judges' gradients, both over
 * p^f. That need not be positive definite, for the sum is not concave; then the first of the two
 * alone gives steps that are short but go up. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "os/parallel.h"
#include "recipes/blend_train.h"

enum { BLOCK = 64, PASSES = 25, STRATA = 2, MOST = OD_BLEND_WEIGHTS, LINE = 64 / sizeof(float) };

#define RIDGE  1e-3 /* of the mean likelihood: an unused term gets no weight */
#define SETTLE 1e-6 /* gain of the mean likelihood that is none */

/* Over judges of one stratum; then, as means, over all. */
struct sums {
    double judges;
    double power;                               /* p^focus */
    double likelihood;                          /* log p */
    double gradient[MOST], hessian[MOST][MOST]; /* upper triangle, of active terms in order */
    double bend[MOST][MOST];                    /* likewise, what a focus takes from it */
};

struct fitting {
    const struct od_blend_sample *sample;
    enum od_blend_fold fold;
    double focus;
    const double *w;
    size_t term[MOST], base[MOST]; /* active weights, and the place in column of what they weigh */
    size_t terms;
    size_t column[OD_BLEND_COLUMNS]; /* that active terms are made of */
    size_t columns;
    const struct od_nn_vector *vector;
    struct sums *block; /* [blocks * STRATA] */
    struct od_blend_verdict verdict;
};

static bool in_fold(size_t j, enum od_blend_fold fold)
{
    return fold == OD_BLEND_ALL || (j % 2 == 0) == (fold == OD_BLEND_EVEN);
}

/* What a weight's term is made of, and what a judge makes of it: terms of longer histories and of
 * pauses are others times a number that is the judge's. */
static size_t column_of(size_t term)
{
    if (term == OD_BLEND_PARTS + OD_BLEND_RETURN)
        return OD_BLEND_PARTS + OD_BLEND_WEEK;
    if (term < OD_BLEND_LONGER)
        return term;
    return term < OD_BLEND_RESTED ? term - OD_BLEND_LONGER : term - OD_BLEND_RESTED;
}

static float times_of(const struct od_blend_sample *s, size_t term, size_t j)
{
    if (term == OD_BLEND_PARTS + OD_BLEND_RETURN || term >= OD_BLEND_RESTED)
        return s->pause[j];
    return term >= OD_BLEND_LONGER ? s->length[j] : 1;
}

/* Asks for a column of the fold's next judge ahead of time: each judge's lie apart, and the
 * hardware does not see them coming. */
static void fetch(const struct fitting *f, size_t j, size_t k)
{
    const struct od_blend_sample *s = f->sample;
    size_t next = j + (f->fold == OD_BLEND_ALL ? 1 : 2);
    if (next >= s->judges)
        return;
    const float *x = s->x[f->column[k]] + next * s->room;
    for (uint32_t c = 0; c < s->count[next]; c += LINE)
        __builtin_prefetch(x + c);
}

/* z = w . terms of every candidate of a judge; returns the largest. */
static float logits(const struct fitting *f, size_t j, float *z)
{
    const struct od_blend_sample *s = f->sample;
    size_t first = j * s->room;
    float weight[OD_BLEND_COLUMNS] = {0};
    for (size_t t = 0; t < f->terms; t++)
        weight[f->base[t]] += (float)f->w[f->term[t]] * times_of(s, f->term[t], j);
    memset(z, 0, s->count[j] * sizeof *z);
    for (size_t k = 0; k < f->columns; k++)
        f->vector->axpy(z, s->x[f->column[k]] + first, weight[k], s->count[j]);
    return f->vector->largest(z, s->count[j]);
}

bool od_blend_returns(const struct od_blend_sample *sample, size_t judge)
{
    return sample->real_times && sample->pause[judge] >= OD_BLEND_RETURNS;
}

/* Of a judge's columns under p = z / total: x_target - E_p x, and Cov_p(x), lower triangle. */
struct moments {
    double wrong[OD_BLEND_COLUMNS], covariance[OD_BLEND_COLUMNS][OD_BLEND_COLUMNS];
};

/* zx: room for the judge's candidates */
static void moments_of(const struct fitting *f, size_t j, const float *z, double total, float *zx,
                       struct moments *out)
{
    const struct od_blend_sample *s = f->sample;
    size_t count = s->count[j];
    const float *x[OD_BLEND_COLUMNS];
    float sum[OD_BLEND_COLUMNS];
    double mean[OD_BLEND_COLUMNS];
    for (size_t a = 0; a < f->columns; a++)
        x[a] = s->x[f->column[a]] + j * s->room;
    f->vector->dots(sum, z, x, f->columns, count);
    for (size_t a = 0; a < f->columns; a++) {
        mean[a] = (double)sum[a] / total;
        out->wrong[a] = (double)x[a][s->target[j]] - mean[a];
    }
    for (size_t a = 0; a < f->columns; a++) {
        fetch(f, j, a);
        f->vector->mul(zx, z, x[a], count);
        f->vector->dots(sum, zx, x, a + 1, count);
        for (size_t b = 0; b <= a; b++)
            out->covariance[a][b] = (double)sum[b] / total - mean[a] * mean[b];
    }
}

static void add_judge(const struct fitting *f, size_t j, float *z, struct sums *to)
{
    const struct od_blend_sample *s = f->sample;
    struct moments m;
    float most = logits(f, j, z), target = z[s->target[j]];
    double times[MOST], own[MOST], weight = (double)s->weight[j];
    double total = (double)f->vector->exp_sum(z, most, s->count[j]);
    double log_p = (double)(target - most) - log(total);
    moments_of(f, j, z, total, z + s->room, &m);
    to->judges += weight;
    to->likelihood += weight * log_p;
    weight *= exp(f->focus * log_p);
    to->power += weight;
    for (size_t a = 0; a < f->terms; a++) {
        size_t ka = f->base[a];
        times[a] = (double)times_of(s, f->term[a], j);
        own[a] = times[a] * m.wrong[ka];
        to->gradient[a] += weight * own[a];
        for (size_t b = 0; b <= a; b++) {
            size_t kb = f->base[b];
            double c = ka > kb ? m.covariance[ka][kb] : m.covariance[kb][ka];
            to->hessian[b][a] += weight * times[a] * times[b] * c;
            to->bend[b][a] += weight * own[a] * own[b];
        }
    }
}

static enum od_status add_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct fitting *f = context;
    float *z = malloc((2 * f->sample->room + 1) * sizeof *z);
    if (!z)
        return OD_NO_MEMORY;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < f->sample->judges; j++)
        if (in_fold(j, f->fold) && f->sample->target[j] != OD_NO_CODE)
            add_judge(f, j, z, &f->block[index * STRATA + od_blend_returns(f->sample, j)]);
    free(z);
    return OD_OK;
}

static size_t blocks_of(const struct od_blend_sample *sample)
{
    return (sample->judges + BLOCK - 1) / BLOCK;
}

/* Judges are added as they are, what is summed over them times so much. */
static void add_sums(const struct sums *from, double times, size_t terms, struct sums *to)
{
    to->judges += from->judges;
    to->power += from->power;
    to->likelihood += times * from->likelihood;
    for (size_t i = 0; i < terms; i++) {
        to->gradient[i] += times * from->gradient[i];
        for (size_t k = i; k < terms; k++) {
            to->hessian[i][k] += times * from->hessian[i][k];
            to->bend[i][k] += times * from->bend[i][k];
        }
    }
}

/* What is maximised and its derivatives, per judge of the fold, ridge included. */
static enum od_status evaluate(struct fitting *f, const double *w, unsigned threads,
                               struct sums *out)
{
    size_t blocks = blocks_of(f->sample);
    f->w = w;
    memset(f->block, 0, blocks * STRATA * sizeof *f->block);
    memset(out, 0, sizeof *out);
    enum od_status st = od_parallel(threads, blocks, add_block, f);
    for (size_t s = 0; s < STRATA; s++) {
        struct sums stratum = {0};
        for (size_t b = 0; b < blocks; b++)
            add_sums(&f->block[b * STRATA + s], 1, f->terms, &stratum);
        if (!(stratum.power > 0))
            continue;
        if (f->focus > 0)
            stratum.likelihood = stratum.power * log(stratum.power / stratum.judges) / f->focus;
        for (size_t i = 0; i < f->terms; i++)
            for (size_t k = i; k < f->terms; k++)
                stratum.bend[i][k] =
                    f->focus * (stratum.bend[i][k] -
                                stratum.gradient[i] * stratum.gradient[k] / stratum.power);
        add_sums(&stratum, stratum.judges / stratum.power, f->terms, out);
    }
    double n = out->judges > 0 ? out->judges : 1;
    out->likelihood /= n;
    for (size_t i = 0; i < f->terms; i++) {
        double wi = w[f->term[i]];
        out->likelihood -= RIDGE / 2 * wi * wi;
        out->gradient[i] = out->gradient[i] / n - RIDGE * wi;
        for (size_t k = i; k < f->terms; k++) {
            out->hessian[i][k] = out->hessian[i][k] / n + (i == k ? RIDGE : 0);
            out->bend[i][k] /= n;
        }
    }
    return st;
}

bool od_blend_solve(double *a, size_t stride, size_t n, double *x)
{
    bool positive = true;
    for (size_t i = 0; i < n; i++) {
        positive = positive && a[i * stride + i] > 0;
        for (size_t r = i + 1; r < n; r++) {
            double m = a[r * stride + i] / a[i * stride + i];
            for (size_t k = i; k < n; k++)
                a[r * stride + k] -= m * a[i * stride + k];
            x[r] -= m * x[i];
        }
    }
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            x[i] -= a[i * stride + k] * x[k];
        x[i] /= a[i * stride + i];
    }
    return positive;
}

/* step := (hessian - so much of bend)^-1 gradient; whether that matrix is positive definite. */
static bool solve_step(const struct sums *s, double bend, size_t n, double *step)
{
    double a[MOST][MOST];
    for (size_t i = 0; i < n; i++)
        for (size_t k = i; k < n; k++)
            a[i][k] = a[k][i] = s->hessian[i][k] - bend * s->bend[i][k];
    memcpy(step, s->gradient, n * sizeof *step);
    return od_blend_solve(a[0], MOST, n, step);
}

static void newton_step(const struct sums *s, size_t n, double *step)
{
    if (!solve_step(s, 1, n, step))
        solve_step(s, 0, n, step);
}

/* What a whole step gains where the likelihood is a parabola: half the Newton decrement's square
 * (Boyd and Vandenberghe, Convex Optimization, 9.5.1). */
static double promised(const struct sums *s, size_t n, const double *step)
{
    double gain = 0;
    for (size_t i = 0; i < n; i++)
        gain += s->gradient[i] * step[i];
    return gain / 2;
}

static enum od_status climb(struct fitting *f, unsigned threads, double *w, double *out_likelihood)
{
    struct sums now, next;
    double step[MOST], tried[OD_BLEND_WEIGHTS];
    enum od_status st = evaluate(f, w, threads, &now);
    for (int pass = 0; pass < PASSES && st == OD_OK; pass++) {
        double before = now.likelihood, length = 1;
        newton_step(&now, f->terms, step);
        if (promised(&now, f->terms, step) < SETTLE)
            break;
        for (int halving = 0; st == OD_OK; halving++, length /= 2) {
            memcpy(tried, w, sizeof tried);
            for (size_t i = 0; i < f->terms; i++)
                tried[f->term[i]] += length * step[i];
            st = evaluate(f, tried, threads, &next);
            if (next.likelihood >= before || halving == 20)
                break;
        }
        if (!(next.likelihood > before))
            break;
        memcpy(w, tried, sizeof tried);
        now = next;
        if (now.likelihood < before + SETTLE)
            break;
    }
    *out_likelihood = now.likelihood;
    return st;
}

static void list_terms(struct fitting *f, uint32_t active)
{
    size_t place[OD_BLEND_COLUMNS];
    for (size_t k = 0; k < OD_BLEND_COLUMNS; k++)
        place[k] = SIZE_MAX;
    for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++) {
        if (!(active >> t & 1))
            continue;
        size_t column = column_of(t);
        if (place[column] == SIZE_MAX) {
            place[column] = f->columns;
            f->column[f->columns++] = column;
        }
        f->base[f->terms] = place[column];
        f->term[f->terms++] = t;
    }
}

enum od_status od_blend_fit(const struct od_blend_sample *sample, uint32_t active,
                            enum od_blend_fold fold, double focus, unsigned threads, double *w,
                            double *out_likelihood)
{
    struct fitting f = {
        .sample = sample, .fold = fold, .focus = focus, .vector = od_nn_vector_best()};
    f.block = calloc(blocks_of(sample) * STRATA + 1, sizeof *f.block);
    if (!f.block)
        return OD_NO_MEMORY;
    list_terms(&f, active);
    for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++)
        if (!(active >> t & 1))
            w[t] = 0;
    enum od_status st = climb(&f, threads, w, out_likelihood);
    free(f.block);
    return st;
}

static void ask_judge(const struct fitting *f, size_t j, float *z)
{
    const struct od_blend_sample *s = f->sample;
    uint32_t target = s->target[j], place = 0;
    float most = logits(f, j, z), mine = z[target];
    for (uint32_t c = 0; c < s->count[j]; c++)
        place += z[c] > mine || (z[c] >= mine && c < target);
    double total = (double)f->vector->exp_sum(z, most, s->count[j]);
    double weight = (double)s->weight[j], gain = weight / log2((double)place + 2);
    f->verdict.first[j] = place < OD_BLEND_FIRST ? gain : 0;
    f->verdict.gain[j] = place < OD_BLEND_DEEP ? gain : 0;
    f->verdict.likelihood[j] = weight * ((double)(mine - most) - log(total));
}

static enum od_status ask_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct fitting *f = context;
    const struct od_blend_sample *s = f->sample;
    float *z = malloc((s->room + 1) * sizeof *z);
    if (!z)
        return OD_NO_MEMORY;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < s->judges; j++) {
        if (!in_fold(j, f->fold))
            continue;
        f->verdict.first[j] = f->verdict.gain[j] = f->verdict.likelihood[j] = 0;
        if (s->target[j] != OD_NO_CODE)
            ask_judge(f, j, z);
    }
    free(z);
    return OD_OK;
}

enum od_status od_blend_ask(const struct od_blend_sample *sample, const double *w,
                            enum od_blend_fold fold, unsigned threads, struct od_blend_verdict *out)
{
    struct fitting f = {
        .sample = sample, .fold = fold, .w = w, .vector = od_nn_vector_best(), .verdict = *out};
    uint32_t active = 0;
    for (size_t t = 0; t < OD_BLEND_WEIGHTS; t++)
        active |= (uint32_t)(w[t] < 0 || w[t] > 0) << t;
    list_terms(&f, active);
    return od_parallel(threads, blocks_of(sample), ask_block, &f);
}
