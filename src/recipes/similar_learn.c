/* What aws-similar-items learns on held-out events: the weights of its prior, how much the prior
 * counts, and how pairs decay.
 *
 * A judge is a user's held-out event: the event before it asks, the event itself is the answer.
 * First the prior's weights are fitted, by maximum likelihood over the answer and SAMPLES items
 * drawn uniformly (which leaves the estimate consistent: McFadden 1978), twice: with the query
 * item's own embedding, and without it, as for an item no one has met. Then each decay and each
 * strength of the prior ranks the whole catalogue for every judge; the best mean NDCG at 10 is
 * taken. All without the popularity discount, which is a wish of the user's that learning must not
 * work against. Judges are asked in parallel and summed in their order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "os/parallel.h"
#include "recipes/part.h"
#include "recipes/similar.h"

#define SAMPLES    400 /* alternatives to the answer */
#define NEIGHBOURS 64  /* of a row, while judging: only the first places matter */
#define BLOCK      16  /* judges a part */

/* Tried, in the order of preference between equals. Longer memory with a look back suits sparse
 * histories, short memory suits dense ones. */
static const struct {
    float decay, back;
    uint32_t window;
} decays[] = {{0.7f, 0.5f, 12}, {0.5f, 0, 8}, {0.85f, 0.5f, 20}, {0.85f, 1, 20}};
enum { DECAYS = sizeof decays / sizeof *decays };
static const float priors[] = {0.25f, 1, 4, 16, 64, 256};
enum { PRIORS = sizeof priors / sizeof *priors };

static const struct od_similar_mix defaults = {
    .warm = {4, 2, 0.5f}, .cold = {0, 4, 0.5f}, .prior = 4, .decay = 0.7f, .back = 0.5f};

struct lesson {
    const struct od_training *training;
    const struct od_judge *judges;
    size_t judge_count;
    struct od_similar_view view;
    uint64_t seed;
    bool cold; /* samples as if the query item had no embedding */
    float *x;  /* [judges][1 + SAMPLES][3] */
    struct od_pairs pairs[DECAYS];
    double *ndcg; /* [judges][DECAYS][PRIORS] */
};

/* --- the prior's weights --- */

static uint32_t query_of(const struct lesson *l, size_t judge)
{
    return l->training->item[l->judges[judge].end - 1];
}

static void sample_judge(const struct lesson *l, size_t judge, const float *id,
                         const float *metadata)
{
    struct od_random rng;
    od_random_init2(&rng, l->seed, judge);
    uint32_t answer = l->training->item[l->judges[judge].end], query = query_of(l, judge);
    float *x = l->x + judge * (1 + SAMPLES) * 3;
    for (size_t s = 0; s <= SAMPLES; s++) {
        /* the query item is no alternative: the prior is one without it */
        uint32_t item = s ? (uint32_t)od_random_below(&rng, l->view.items - 1) : answer;
        item += s && item >= query;
        x[3 * s] = l->cold ? 0 : id[item];
        x[3 * s + 1] = metadata[item];
        x[3 * s + 2] = l->view.log_users[item];
    }
}

static enum od_status sample_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct lesson *l = context;
    float *work = malloc((2 * (size_t)l->view.items + 1) * sizeof *work);
    if (!work)
        return OD_NO_MEMORY;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < l->judge_count; j++) {
        od_similar_products(&l->view, query_of(l, j), work, work + l->view.items);
        sample_judge(l, j, work, work + l->view.items);
    }
    free(work);
    return OD_OK;
}

static enum od_status fit_weights(struct lesson *l, bool cold, unsigned threads,
                                  struct od_similar_weights *out)
{
    double weights[3];
    l->cold = cold;
    enum od_status s = od_parallel(threads, (l->judge_count + BLOCK - 1) / BLOCK, sample_block, l);
    if (s != OD_OK)
        return s;
    od_similar_logit(l->x, l->judge_count, 1 + SAMPLES, weights);
    *out = (struct od_similar_weights){(float)weights[0], (float)weights[1], (float)weights[2]};
    return OD_OK;
}

/* Adds one case to gradient and curvature of the log-likelihood. */
static void add_case(const float *x, size_t alternatives, const double *w, double *gradient,
                     double (*curvature)[3])
{
    double most = -INFINITY, sum = 0, mean[3] = {0}, square[3][3] = {{0}};
    for (size_t a = 0; a < alternatives; a++)
        most = fmax(most, w[0] * x[3 * a] + w[1] * x[3 * a + 1] + w[2] * x[3 * a + 2]);
    for (size_t a = 0; a < alternatives; a++) {
        const float *f = x + 3 * a;
        double p = exp(w[0] * f[0] + w[1] * f[1] + w[2] * f[2] - most);
        sum += p;
        for (int i = 0; i < 3; i++) {
            mean[i] += p * f[i];
            for (int j = 0; j <= i; j++)
                square[i][j] += p * f[i] * f[j];
        }
    }
    for (int i = 0; i < 3; i++) {
        gradient[i] += x[i] - mean[i] / sum;
        for (int j = 0; j <= i; j++)
            curvature[i][j] += square[i][j] / sum - mean[i] * mean[j] / sum / sum;
    }
}

/* step := A^-1 g for a symmetric positive definite A in its lower triangle. */
static void solve3(double (*a)[3], const double *g, double *step)
{
    double l[3][3] = {{0}}, y[3];
    for (int i = 0; i < 3; i++)
        for (int j = 0; j <= i; j++) {
            double sum = a[i][j];
            for (int k = 0; k < j; k++)
                sum -= l[i][k] * l[j][k];
            l[i][j] = i == j ? sqrt(sum) : sum / l[j][j];
        }
    for (int i = 0; i < 3; i++) {
        y[i] = g[i];
        for (int k = 0; k < i; k++)
            y[i] -= l[i][k] * y[k];
        y[i] /= l[i][i];
    }
    for (int i = 2; i >= 0; i--) {
        step[i] = y[i];
        for (int k = i + 1; k < 3; k++)
            step[i] -= l[k][i] * step[k];
        step[i] /= l[i][i];
    }
}

void od_similar_logit(const float *x, size_t cases, size_t alternatives, double *w)
{
    memset(w, 0, 3 * sizeof *w);
    for (int round = 0; round < 25; round++) {
        double gradient[3] = {-w[0], -w[1], -w[2]}, step[3]; /* ridge 1 */
        double curvature[3][3] = {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}};
        for (size_t c = 0; c < cases; c++)
            add_case(x + 3 * c * alternatives, alternatives, w, gradient, curvature);
        solve3(curvature, gradient, step);
        double largest = 0;
        for (int i = 0; i < 3; i++)
            largest = fmax(largest, fabs(step[i]));
        double scale = largest > 2 ? 2 / largest : 1; /* far from the top a full step overshoots */
        for (int i = 0; i < 3; i++)
            w[i] += scale * step[i];
        if (largest < 1e-6)
            break;
    }
}

/* --- decay and strength of the prior --- */

/* NDCG at 10 of the answer for each strength; row holds the query's pair weights. */
static void rank_answer(const struct lesson *l, uint32_t query, uint32_t answer, const float *row,
                        const float *prior, double *out)
{
    uint32_t before[PRIORS] = {0};
    float of_answer[PRIORS];
    for (int p = 0; p < PRIORS; p++)
        of_answer[p] = row[answer] + priors[p] * prior[answer];
    for (uint32_t j = 0; j < l->view.items; j++)
        for (int p = 0; p < PRIORS; p++)
            before[p] += row[j] + priors[p] * prior[j] >= of_answer[p] && j != answer && j != query;
    for (int p = 0; p < PRIORS; p++)
        out[p] = before[p] < 10 ? 1 / log2(2 + (double)before[p]) : 0;
}

static void judge_one(struct lesson *l, size_t judge, float *work)
{
    size_t items = l->view.items;
    uint32_t query = query_of(l, judge), answer = l->training->item[l->judges[judge].end];
    float *id = work, *metadata = work + items, *prior = work + 2 * items;
    od_similar_products(&l->view, query, id, metadata);
    od_similar_prior(&l->view, query, id, metadata, prior);
    float *row = id; /* the products are used up */
    for (int d = 0; d < DECAYS; d++) {
        const struct od_pairs *pairs = &l->pairs[d];
        memset(row, 0, items * sizeof *row);
        for (uint64_t k = pairs->at[query]; k < pairs->at[query + 1]; k++)
            row[pairs->item[k]] = pairs->weight[k];
        rank_answer(l, query, answer, row, prior, l->ndcg + (judge * DECAYS + (size_t)d) * PRIORS);
    }
}

static enum od_status judge_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct lesson *l = context;
    float *work = malloc((3 * (size_t)l->view.items + 1) * sizeof *work);
    if (!work)
        return OD_NO_MEMORY;
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < l->judge_count; j++)
        judge_one(l, j, work);
    free(work);
    return OD_OK;
}

static void take_best(const struct lesson *l, struct od_similar_mix *mix)
{
    double best = -1;
    for (int d = 0; d < DECAYS; d++)
        for (int p = 0; p < PRIORS; p++) {
            double sum = 0;
            for (size_t j = 0; j < l->judge_count; j++)
                sum += l->ndcg[(j * DECAYS + (size_t)d) * PRIORS + (size_t)p];
            if (sum <= best)
                continue;
            best = sum;
            mix->prior = priors[p];
            mix->decay = decays[d].decay;
            mix->back = decays[d].back;
        }
}

uint32_t od_similar_window(float decay)
{
    for (int d = 0; d < DECAYS; d++)
        if (decays[d].decay == decay)
            return decays[d].window;
    return decays[0].window;
}

static enum od_status learn(struct lesson *l, const uint64_t *end, unsigned threads,
                            struct od_error *err)
{
    struct od_similar_mix *mix = &l->view.mix;
    l->x = malloc(l->judge_count * (1 + SAMPLES) * 3 * sizeof *l->x);
    l->ndcg = calloc(l->judge_count * DECAYS * PRIORS, sizeof *l->ndcg);
    enum od_status s = l->x && l->ndcg ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK)
        s = fit_weights(l, false, threads, &mix->warm);
    if (s == OD_OK)
        s = fit_weights(l, true, threads, &mix->cold);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    for (int d = 0; s == OD_OK && d < DECAYS; d++) {
        struct od_pairs_rule rule = {.decay = decays[d].decay,
                                     .back = decays[d].back,
                                     .window = decays[d].window,
                                     .neighbours = NEIGHBOURS};
        s = od_pairs_count(l->training, end, &rule, threads, &l->pairs[d], err);
    }
    if (s == OD_OK) {
        s = od_parallel(threads, (l->judge_count + BLOCK - 1) / BLOCK, judge_block, l);
        if (s != OD_OK)
            od_fail(err, s, NULL);
    }
    if (s == OD_OK)
        take_best(l, mix);
    return s;
}

enum od_status od_similar_learn(const struct od_training *training, const uint64_t *end,
                                const struct od_judge *judges, size_t judge_count,
                                const struct od_similar_view *view, uint64_t seed, unsigned threads,
                                struct od_similar_mix *out, struct od_error *err)
{
    struct lesson l = {.training = training,
                       .judges = judges,
                       .judge_count = judge_count,
                       .view = *view,
                       .seed = seed};
    float discount = view->mix.discount;
    l.view.mix = defaults;
    l.view.mix.discount = discount;
    enum od_status s = judge_count ? learn(&l, end, threads, err) : OD_OK;
    free(l.x);
    free(l.ndcg);
    for (int d = 0; d < DECAYS; d++)
        od_pairs_done(&l.pairs[d]);
    if (s == OD_OK)
        *out = l.view.mix;
    return s;
}
