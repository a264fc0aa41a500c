/* The default configuration adapts by itself.
 *
 * A sample of users (all, when their events are few; the judges' first) is fitted, and each
 * candidate is judged by where it ranks the held-out events of the judges, sampled or not, for
 * asking costs little beside fitting and few judges would let chance choose: mean of weight /
 * log2(1 + rank) over ranks up to 25 (weight: of the event's type), i.e. NDCG@25 of one relevant
 * item. Past items of the user take no part in the ranking unless users of this data do return to
 * items (one held-out event in a hundred).
 *
 * The search walks one coordinate at a time: kernels, the rest that a pause counts for, ridge,
 * head, fading. Alpha is judged for free with every fit, since it changes scores and not the fit.
 * A step must gain more than a standard error of the paired differences to be taken, so noise does
 * not choose. Effort is bounded
 * by counts (events, head items), never by the clock: same data, same choice (style rule 20). A
 * held-out event is asked for at its own time, so a pause before it counts as in serving.
 *
 * The best ridge does not grow with the data (it is noise over signal variance of a coefficient),
 * and the least count of a head item is one of events actually fitted, so both carry over from the
 * sample to the whole. */
#include "recipes/linar_pick.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/parallel.h"
#include "recipes/judges.h"

enum {
    SAMPLE_EVENTS = 150000, /* of the sample, about */
    SAMPLE_HEAD = 1200,     /* most head items of a trial */
    MOST_JUDGES = 5000,     /* asked about a trial, and fewer where there are many items */
    FEWEST_JUDGES = 800,
    LEAST_JUDGES = 20, /* fewer cannot choose */
    ALPHAS = 3,
    USUAL_ALPHA = 1,
    TOP = 25,
    BLOCK = 16 /* judges of a part */
};

#define MOST_SCORES 40000000u /* judges times items */

/* What a change must gain to be believed: standard errors of the differences, judge by judge, and a
 * share of the score; an alpha, tried with every fit, only the latter. */
#define STEP_ERRORS 1
#define STEP_GAIN   1.003
#define ALPHA_GAIN  1.01

static const float alphas[ALPHAS] = {0, .1f, .2f};

static const struct {
    uint32_t count;
    float gamma[OD_LINAR_KERNELS];
} kernel_sets[] = {
    {2, {.3f, .9f}},     {1, {.8f}},       {2, {.5f, .95f}}, {3, {0, .7f, .95f}},
    {3, {0, .6f, .85f}}, {2, {.8f, .99f}}, /* FAR_SET: of parts with a horizon, not walked */
};
enum { KERNEL_SETS = sizeof kernel_sets / sizeof *kernel_sets - 1, FAR_SET = KERNEL_SETS };
static const float lambdas[] = {15, 40, 100, 250, 600, 1500, 4000};
enum { LAMBDAS = sizeof lambdas / sizeof *lambdas, MIDDLE_LAMBDA = 3 };
static const uint32_t least_counts[] = {32, 96, 256};
enum { LEAST_COUNTS = sizeof least_counts / sizeof *least_counts, MIDDLE_COUNT = 1 };

static const uint32_t rests[] = {0, 5, 15};
enum { RESTS = sizeof rests / sizeof *rests };

/* A point of the search: indexes into the tables above. */
struct point {
    size_t kernels, lambda, least_count;
    enum od_linar_fade fade;
    size_t rest;
};

struct pick {
    const struct od_training *training;
    const struct od_linar_shape *shape;
    uint64_t memory_bytes;
    const struct od_work *work;
    uint64_t *end; /* of the sample */
    struct od_judge *judges;
    size_t judge_count;
    bool returns;      /* users return to items */
    float *damp;       /* [ALPHAS][items] */
    double *gain;      /* [judge_count][ALPHAS] */
    double *best_gain; /* [judge_count] of the best point under its alpha */
    unsigned trials;
    struct point best;
    size_t best_alpha;
};

static void configure(const struct point *point, size_t alpha, struct od_linar_config *out)
{
    *out = (struct od_linar_config){.kernels = kernel_sets[point->kernels].count,
                                    .lambda = lambdas[point->lambda],
                                    .alpha = alphas[alpha],
                                    .least_count = least_counts[point->least_count],
                                    .fade = point->fade,
                                    .rest = rests[point->rest]};
    memcpy(out->gamma, kernel_sets[point->kernels].gamma, sizeof out->gamma);
}

/* --- the sample --- */

/* An even choice of the task's judges. */
static void choose_judges(struct pick *pick, const struct od_part_task *task)
{
    size_t most = MOST_SCORES / ((size_t)pick->training->item_count + 1);
    most = most < FEWEST_JUDGES ? FEWEST_JUDGES : most < MOST_JUDGES ? most : MOST_JUDGES;
    pick->judge_count = od_judges_even(task->judges, task->judge_count, most, pick->judges);
    pick->returns = od_judges_return(pick->training, pick->judges, pick->judge_count);
}

/* Cuts end to a sample of about SAMPLE_EVENTS events: judges' users as long as they are enough,
 * the others by chance, evenly. Judges are in the order of their users. */
static void sample(struct pick *pick, const struct od_part_task *task)
{
    const uint64_t *start = pick->training->user_start;
    uint64_t judged = 0, other = 0;
    for (size_t u = 0; u < pick->training->user_count; u++)
        other += task->end[u] - start[u];
    for (size_t j = 0; j < task->judge_count; j++)
        judged += task->judges[j].end - task->judges[j].start;
    other -= judged;
    double judge_share = judged > SAMPLE_EVENTS ? (double)SAMPLE_EVENTS / (double)judged : 1;
    uint64_t rest = judged < SAMPLE_EVENTS ? SAMPLE_EVENTS - judged : 0;
    double share = other > rest ? (double)rest / (double)other : 1;
    struct od_random rng;
    od_random_init2(&rng, task->input->seed, 0x6c696e6172); /* "linar" */
    for (size_t u = 0, j = 0; u < pick->training->user_count; u++) {
        bool judge = j < task->judge_count && task->judges[j].start == start[u];
        bool in = od_random_double(&rng) < (judge ? judge_share : share);
        pick->end[u] = in ? task->end[u] : start[u];
        j += judge;
    }
}

/* Popularity is that of all events but the held-out ones. */
static enum od_status damp_planes(struct pick *pick)
{
    size_t n = pick->training->item_count;
    uint64_t *count = calloc(n + 1, sizeof *count);
    if (!count)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; e < pick->training->event_count; e++)
        count[pick->training->item[e]]++;
    for (size_t j = 0; j < pick->judge_count; j++)
        count[pick->training->item[pick->judges[j].end]]--;
    for (size_t a = 0; a < ALPHAS; a++)
        for (size_t i = 0; i < n; i++)
            pick->damp[a * n + i] = (float)pow((double)count[i] + 10, -(double)alphas[a]);
    free(count);
    return OD_OK;
}

/* --- judging a fit --- */

struct bench {
    struct pick *pick;
    const struct od_linar_fit *fit;
    const struct od_kernels *vector;
    float **scores; /* [threads] */
};

/* Items that could be placed before the target under any alpha, found by the fast scan: damping
 * multiplies a positive score by at most 10^-alpha. */
static float could_beat(const float *mine)
{
    float least = INFINITY;
    for (size_t a = 0; a < ALPHAS; a++) {
        float s = mine[a] * powf(10, alphas[a]);
        least = s < least ? s : least;
    }
    return least > 0 ? least * .9999f : -INFINITY; /* rounding, and ties count */
}

/* Places of the held-out item for every alpha, from 0; past items are -INFINITY. scores has room
 * for whole blocks. */
static void place(const struct bench *bench, float *scores, uint32_t target, size_t *out)
{
    const struct pick *pick = bench->pick;
    size_t n = pick->training->item_count, blocks = (n + OD_SCAN_BLOCK - 1) / OD_SCAN_BLOCK;
    float mine[ALPHAS];
    uint64_t mask = 0;
    for (size_t i = n; i < blocks * OD_SCAN_BLOCK; i++)
        scores[i] = -INFINITY;
    for (size_t a = 0; a < ALPHAS; a++) {
        mine[a] = scores[target] > 0 ? scores[target] * pick->damp[a * n + target] : scores[target];
        out[a] = 0;
    }
    float limit = could_beat(mine);
    for (size_t b = 0; (b = bench->vector->above(scores, b, blocks, limit, NULL, &mask)) < blocks;
         b++)
        for (; mask; mask &= mask - 1) {
            size_t i = b * OD_SCAN_BLOCK + (size_t)__builtin_ctzll(mask);
            for (size_t a = 0; a < ALPHAS; a++) {
                float s = scores[i] > 0 ? scores[i] * pick->damp[a * n + i] : scores[i];
                out[a] += s > mine[a] || (s >= mine[a] && i < target);
            }
        }
}

static void ask(const struct bench *bench, const struct od_judge *judge, float *scores,
                double *gain)
{
    enum { MOST = OD_LINAR_REACH * OD_LINAR_KERNELS };
    const struct pick *pick = bench->pick;
    const struct od_training *training = pick->training;
    const struct od_linar_kernels *k = &bench->fit->kernels;
    const uint32_t *item = training->item;
    uint64_t row[MOST];
    float weight[MOST], factor[MOST];
    const uint16_t *pointer[MOST];
    size_t n = 0, places[ALPHAS];
    uint32_t d = 0;
    int64_t later = pick->training->time[judge->end];
    for (uint64_t e = judge->end; e-- > judge->start && d < OD_LINAR_REACH; d++) {
        d += od_linar_pause(pick->training->time[e], later, bench->fit->config.rest);
        later = pick->training->time[e];
        for (uint32_t a = 0; a < k->count; a++)
            if (d < k->reach[a]) {
                row[n] = (uint64_t)item[e] * k->count + a;
                weight[n++] = k->power[a][d];
            }
    }
    memcpy(scores, bench->fit->constant, pick->training->item_count * sizeof *scores);
    od_linar_rows_add(&bench->fit->rows, bench->vector, row, weight, n, pointer, factor, scores);
    uint32_t target = item[judge->end];
    for (uint64_t e = judge->start; e < judge->end && !pick->returns; e++)
        if (item[e] != target)
            scores[item[e]] = -INFINITY;
    place(bench, scores, target, places);
    double worth = (double)od_training_weight(training, judge->end);
    for (size_t a = 0; a < ALPHAS; a++)
        gain[a] = places[a] < TOP ? worth / log2((double)places[a] + 2) : 0;
}

static enum od_status ask_block(void *context, size_t index, unsigned thread)
{
    struct bench *bench = context;
    struct pick *pick = bench->pick;
    if (!bench->scores[thread])
        bench->scores[thread] =
            malloc(((size_t)pick->training->item_count + OD_SCAN_BLOCK) * sizeof(float));
    if (!bench->scores[thread])
        return OD_NO_MEMORY;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < pick->judge_count; j++)
        ask(bench, &pick->judges[j], bench->scores[thread], pick->gain + j * ALPHAS);
    return OD_OK;
}

/* The best alpha of a fit. */
static enum od_status judge_fit(struct pick *pick, const struct od_linar_fit *fit,
                                size_t *out_alpha)
{
    unsigned threads = pick->work->threads ? pick->work->threads : od_cpu_count();
    struct bench bench = {pick, fit, od_kernels_best(), calloc(threads, sizeof(float *))};
    if (!bench.scores)
        return OD_NO_MEMORY;
    size_t parts = (pick->judge_count + BLOCK - 1) / BLOCK;
    enum od_status st = od_parallel(threads, parts, ask_block, &bench);
    for (unsigned t = 0; t < threads; t++)
        free(bench.scores[t]);
    free(bench.scores);
    double sum[ALPHAS] = {0};
    for (size_t j = 0; j < pick->judge_count && st == OD_OK; j++)
        for (size_t a = 0; a < ALPHAS; a++)
            sum[a] += pick->gain[j * ALPHAS + a];
    size_t best = USUAL_ALPHA;
    for (size_t a = 0; a < ALPHAS; a++)
        if (sum[a] > sum[USUAL_ALPHA] * ALPHA_GAIN && sum[a] > sum[best])
            best = a;
    *out_alpha = best;
    return st;
}

/* Whether the judged fit is better than the best point for more than chance; if so it is now the
 * best one's gain. */
static bool gains(struct pick *pick, size_t alpha)
{
    struct od_paired d = od_paired(pick->gain + alpha, ALPHAS, pick->best_gain, pick->judge_count);
    if (pick->trials > 1 &&
        !(d.mean > STEP_ERRORS * d.error && d.mean > (STEP_GAIN - 1) * d.before))
        return false;
    for (size_t j = 0; j < pick->judge_count; j++)
        pick->best_gain[j] = pick->gain[j * ALPHAS + alpha];
    return true;
}

/* --- the walk --- */

enum { EXPECTED_TRIALS = 10 }; /* for progress */

/* Fits and judges a point; *out_better when it becomes the best so far. */
static enum od_status try(struct pick *pick, struct point point, bool *out_better,
                          struct od_error *err)
{
    struct od_linar_config config;
    struct od_linar_events events = {0};
    struct od_linar_fit fit = {0};
    struct od_linar_plan plan;
    double done = pick->trials < EXPECTED_TRIALS ? pick->trials : EXPECTED_TRIALS - 1;
    struct od_linar_share share = {pick->work, done / EXPECTED_TRIALS,
                                   (done + 1) / EXPECTED_TRIALS};
    struct od_work work = od_linar_share_work(&share);
    configure(&point, 0, &config);
    pick->trials++;
    enum od_status st =
        od_linar_events_init(&events, pick->training, pick->end, point.fade, config.rest, err);
    if (st == OD_OK)
        st = od_linar_plan_make(&events, &config, pick->shape, SAMPLE_HEAD, pick->memory_bytes,
                                &plan, err);
    if (st == OD_OK)
        st = od_linar_fit_init(&fit, &events, &config, pick->shape, &plan, &work, err);
    size_t alpha = 0;
    if (st == OD_OK && judge_fit(pick, &fit, &alpha) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    od_linar_fit_done(&fit);
    od_linar_events_done(&events);
    if (st != OD_OK)
        return st;
    *out_better = gains(pick, alpha);
    if (*out_better) {
        pick->best = point;
        pick->best_alpha = alpha;
    }
    return OD_OK;
}

/* Steps from the best point along the ridge, in one direction while it gains. */
static enum od_status climb_lambda(struct pick *pick, int step, bool *out_moved,
                                   struct od_error *err)
{
    *out_moved = false;
    for (bool better = true; better;) {
        struct point next = pick->best;
        if ((step < 0 && next.lambda == 0) || (step > 0 && next.lambda + 1 == LAMBDAS))
            break;
        next.lambda = step < 0 ? next.lambda - 1 : next.lambda + 1;
        enum od_status st = try(pick, next, &better, err);
        if (st != OD_OK)
            return st;
        *out_moved |= better;
    }
    return OD_OK;
}

static enum od_status walk(struct pick *pick, struct od_error *err)
{
    bool moved = false, near = !(pick->shape->horizon > 0);
    enum od_status st = try(pick, pick->best, &moved, err);
    for (size_t k = 1; near && k < KERNEL_SETS && st == OD_OK; k++) {
        struct point next = pick->best;
        next.kernels = k;
        st = try(pick, next, &moved, err);
    }
    moved = near;
    for (size_t r = 1; r < RESTS && moved && st == OD_OK; r++) { /* longer only while it gains */
        struct point next = pick->best;
        next.rest = r;
        st = try(pick, next, &moved, err);
    }
    if (st == OD_OK)
        st = climb_lambda(pick, 1, &moved, err);
    if (st == OD_OK && !moved)
        st = climb_lambda(pick, -1, &moved, err);
    for (size_t c = 0; near && c < LEAST_COUNTS && st == OD_OK; c++) {
        struct point next = pick->best;
        next.least_count = c;
        if (c != MIDDLE_COUNT)
            st = try(pick, next, &moved, err);
    }
    for (enum od_linar_fade f = OD_LINAR_SLOW; near && f < OD_LINAR_FADES && st == OD_OK; f++) {
        struct point next = pick->best;
        next.fade = f;
        if (pick->shape->recent_first)
            st = try(pick, next, &moved, err);
    }
    return st;
}

enum od_status od_linar_pick(const struct od_part_task *task, const struct od_linar_shape *shape,
                             uint64_t memory_bytes, const struct od_work *work,
                             struct od_linar_config *out, struct od_error *err)
{
    const struct od_training *training = task->input->training;
    size_t n = (size_t)training->item_count, judges = task->judge_count + 1;
    bool far = shape->horizon > 0;
    struct pick pick = {.training = training,
                        .shape = shape,
                        .memory_bytes = memory_bytes,
                        .work = work,
                        .end = malloc(((size_t)training->user_count + 1) * sizeof *pick.end),
                        .judges = malloc(judges * sizeof *pick.judges),
                        .damp = malloc((n + 1) * ALPHAS * sizeof *pick.damp),
                        .gain = malloc(judges * ALPHAS * sizeof *pick.gain),
                        .best_gain = calloc(judges, sizeof *pick.best_gain),
                        .best = {far ? FAR_SET : 0, MIDDLE_LAMBDA, MIDDLE_COUNT,
                                 shape->recent_first && !far ? OD_LINAR_USER : OD_LINAR_EVEN, 0},
                        .best_alpha = USUAL_ALPHA};
    enum od_status st = OD_NO_MEMORY;
    if (pick.end && pick.judges && pick.damp && pick.gain && pick.best_gain) {
        sample(&pick, task);
        choose_judges(&pick, task);
        st = damp_planes(&pick);
    }
    if (st != OD_OK)
        st = od_fail(err, st, NULL);
    else if (pick.judge_count >= LEAST_JUDGES)
        st = walk(&pick, err);
    if (st == OD_OK)
        configure(&pick.best, pick.best_alpha, out);
    free(pick.end);
    free(pick.judges);
    free(pick.damp);
    free(pick.gain);
    free(pick.best_gain);
    return st;
}
