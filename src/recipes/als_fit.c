/* Sweeps of iALS++ (als.h).
 *
 * One half of a sweep solves the rows of one side while the other is fixed, so rows are independent
 * and go to all cores in parts. For a row: predictions of its pairs once; then for each block of
 * factors the gradient and the Hessian from the pairs, the fixed side's Gram matrix and the ridge,
 * one exact step, and the predictions follow. The block's columns of the pairs' factors are copied
 * together, CHUNK pairs at a time, so that a row of a million pairs needs no more scratch than the
 * one number it keeps of each pair.
 *
 * A thread's scratch: CHUNK + OD_ALS_BLOCK rows of OD_ALS_BLOCK floats, and one float a pair of the
 * longest row. The Gram matrix is summed per part of rows, and parts in order: no thread count
 * changes a byte. */
#include "recipes/als.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/small.h"
#include "os/parallel.h"
#include "recipes/metrics.h"

enum { CHUNK = 256, PART = 64, GRAM_PARTS = 16, B = OD_ALS_BLOCK };

/* --- the Gram matrix --- */

struct gram {
    const struct od_small *small;
    const float *x;
    uint32_t rows, dims;
    float *part; /* [GRAM_PARTS][dims][dims] */
};

static enum od_status gram_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct gram *g = context;
    size_t from = (size_t)g->rows * index / GRAM_PARTS;
    size_t to = (size_t)g->rows * (index + 1) / GRAM_PARTS;
    float *sum = g->part + index * g->dims * g->dims;
    for (size_t r = from; r < to; r += CHUNK)
        g->small->gram(sum, g->x + r * g->dims, to - r < CHUNK ? to - r : CHUNK, g->dims);
    return OD_OK;
}

enum od_status od_als_gram(const float *x, uint32_t rows, uint32_t dims, float scale,
                           unsigned threads, float *out)
{
    size_t square = (size_t)dims * dims;
    struct gram g = {od_small_best(), x, rows, dims, calloc(GRAM_PARTS * square, sizeof(float))};
    if (!g.part)
        return OD_NO_MEMORY;
    enum od_status st = od_parallel(threads, GRAM_PARTS, gram_part, &g);
    for (size_t k = 0; k < square && st == OD_OK; k++) {
        double sum = 0;
        for (size_t p = 0; p < GRAM_PARTS; p++)
            sum += (double)g.part[p * square + k];
        out[k] = (float)((double)scale * sum);
    }
    free(g.part);
    return st;
}

/* --- one row --- */

struct half {
    const struct od_small *small;
    const struct od_kernels *vector;
    const struct od_als_side *side;
    const struct od_als_config *config;
    const float *fixed; /* factors of the side that stands still */
    float *moving;
    float *gram; /* [dims][dims] unobserved * fixed'fixed, both triangles */
    uint32_t fixed_rows;
    struct scratch {
        float *tile, *hessian, *wrong; /* wrong: prediction - 1 of each pair */
    } * scratch;                       /* [threads] */
};

/* Copies the block's columns of pairs [first, first + count). */
static void gather(const struct half *h, const uint32_t *col, size_t count, size_t block,
                   float *tile)
{
    for (size_t k = 0; k < count; k++)
        memcpy(tile + k * B, h->fixed + (size_t)col[k] * h->config->dims + block * B,
               B * sizeof *tile);
}

static void start_block(const struct half *h, const float *row, float ridge, size_t block,
                        float *hessian, float *gradient)
{
    size_t dims = h->config->dims;
    for (size_t i = 0; i < B; i++) {
        const float *g = h->gram + (block * B + i) * dims;
        gradient[i] = h->vector->dot(g, row, dims) + ridge * row[block * B + i];
        memcpy(hessian + i * B, g + block * B, B * sizeof *hessian);
        hessian[i * B + i] += ridge;
    }
}

static bool solve_block(const struct half *h, const uint32_t *col, size_t count, float *row,
                        float ridge, size_t block, struct scratch *s)
{
    float gradient[B];
    start_block(h, row, ridge, block, s->hessian, gradient);
    for (size_t from = 0; from < count; from += CHUNK) {
        size_t n = count - from < CHUNK ? count - from : CHUNK;
        gather(h, col + from, n, block, s->tile);
        h->small->gram(s->hessian, s->tile, n, B);
        for (size_t k = 0; k < n; k++)
            h->vector->axpy(gradient, s->tile + k * B, s->wrong[from + k], B);
    }
    if (!h->small->solve(s->hessian, gradient, B))
        return false;
    for (size_t i = 0; i < B; i++)
        row[block * B + i] -= gradient[i];
    for (size_t from = 0; from < count; from += CHUNK) {
        size_t n = count - from < CHUNK ? count - from : CHUNK;
        if (count > CHUNK)
            gather(h, col + from, n, block, s->tile);
        for (size_t k = 0; k < n; k++)
            s->wrong[from + k] -= h->vector->dot(s->tile + k * B, gradient, B);
    }
    return true;
}

static float ridge_of(const struct od_als_config *c, uint64_t pairs, uint32_t others)
{
    return c->ridge * powf((float)pairs + c->unobserved * (float)others, c->power);
}

static enum od_status solve_row(const struct half *h, uint32_t r, struct scratch *s)
{
    size_t dims = h->config->dims;
    const uint32_t *col = h->side->col + h->side->at[r];
    size_t count = h->side->at[r + 1] - h->side->at[r];
    float *row = h->moving + r * dims;
    if (count == 0) {
        memset(row, 0, dims * sizeof *row);
        return OD_OK;
    }
    float ridge = ridge_of(h->config, count, h->fixed_rows);
    for (size_t k = 0; k < count; k++)
        s->wrong[k] = h->vector->dot(h->fixed + (size_t)col[k] * dims, row, dims) - 1;
    for (size_t block = 0; block < dims / B; block++)
        if (!solve_block(h, col, count, row, ridge, block, s))
            return OD_INVALID_INPUT;
    return OD_OK;
}

static enum od_status solve_part(void *context, size_t index, unsigned thread)
{
    struct half *h = context;
    uint32_t from = (uint32_t)(index * PART), rows = h->side->rows;
    uint32_t to = rows - from < PART ? rows : from + PART;
    enum od_status st = OD_OK;
    for (uint32_t r = from; r < to && st == OD_OK; r++)
        st = solve_row(h, r, &h->scratch[thread]);
    return st;
}

/* --- a half and a sweep --- */

static uint64_t longest(const struct od_als_side *side)
{
    uint64_t most = 1;
    for (uint32_t r = 0; r < side->rows; r++)
        most = side->at[r + 1] - side->at[r] > most ? side->at[r + 1] - side->at[r] : most;
    return most;
}

static bool scratch_init(struct half *h, unsigned threads)
{
    uint64_t pairs = longest(h->side);
    bool good = true;
    for (unsigned t = 0; t < threads; t++) {
        struct scratch *s = &h->scratch[t];
        s->tile = malloc((CHUNK + B) * B * sizeof *s->tile);
        s->wrong = malloc(pairs * sizeof *s->wrong);
        s->hessian = s->tile ? s->tile + CHUNK * B : NULL;
        good &= s->tile && s->wrong;
    }
    return good;
}

static void half_done(struct half *h, unsigned threads)
{
    for (unsigned t = 0; h->scratch && t < threads; t++) {
        free(h->scratch[t].tile);
        free(h->scratch[t].wrong);
    }
    free(h->scratch);
    free(h->gram);
}

static enum od_status run_half(struct half *h, unsigned threads)
{
    size_t dims = h->config->dims;
    unsigned count = threads ? threads : od_cpu_count();
    h->gram = malloc(dims * dims * sizeof *h->gram);
    h->scratch = calloc(count, sizeof *h->scratch);
    enum od_status st = OD_NO_MEMORY;
    if (h->gram && h->scratch && scratch_init(h, count))
        st = od_als_gram(h->fixed, h->fixed_rows, h->config->dims, h->config->unobserved, count,
                         h->gram);
    for (size_t i = 0; i < dims && st == OD_OK; i++)
        for (size_t j = 0; j < i; j++)
            h->gram[i * dims + j] = h->gram[j * dims + i];
    if (st == OD_OK)
        st = od_parallel(count, ((size_t)h->side->rows + PART - 1) / PART, solve_part, h);
    half_done(h, count);
    return st;
}

enum od_status od_als_sweep(struct od_als_fit *fit, const struct od_als_matrix *matrix,
                            unsigned threads)
{
    struct half users = {.small = od_small_best(),
                         .vector = od_kernels_best(),
                         .side = &matrix->users,
                         .config = &fit->config,
                         .fixed = fit->item,
                         .moving = fit->user,
                         .fixed_rows = fit->item_count};
    struct half items = users;
    items.side = &matrix->items;
    items.fixed = fit->user;
    items.moving = fit->item;
    items.fixed_rows = fit->user_count;
    enum od_status st = run_half(&users, threads);
    return st == OD_OK ? run_half(&items, threads) : st;
}

/* --- start and end --- */

struct start {
    float *x;
    uint32_t rows, dims;
    uint64_t seed;
};

/* Small factors, so that the first sweep starts near 0 predictions (Rendle et al. 2022, 4.3). */
static enum od_status random_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct start *s = context;
    double scale = .1 / sqrt((double)s->dims);
    for (size_t r = index * PART; r < (index + 1) * PART && r < s->rows; r++) {
        struct od_random rng;
        od_random_init2(&rng, s->seed, r);
        for (size_t k = 0; k < s->dims; k++)
            s->x[r * s->dims + k] = (float)(scale * od_random_normal(&rng));
    }
    return OD_OK;
}

enum od_status od_als_fit_init(struct od_als_fit *out, const struct od_als_matrix *matrix,
                               const struct od_als_config *config, uint64_t seed, unsigned threads)
{
    struct od_als_fit fit = {*config, matrix->users.rows, matrix->items.rows, NULL, NULL};
    fit.user = calloc((size_t)fit.user_count * config->dims + 1, sizeof *fit.user);
    fit.item = malloc(((size_t)fit.item_count * config->dims + 1) * sizeof *fit.item);
    enum od_status st = OD_NO_MEMORY;
    if (fit.user && fit.item) {
        struct start start = {fit.item, fit.item_count, config->dims, seed};
        st = od_parallel(threads, ((size_t)fit.item_count + PART - 1) / PART, random_part, &start);
    }
    if (st == OD_OK)
        *out = fit;
    else
        od_als_fit_done(&fit);
    return st;
}

void od_als_fit_done(struct od_als_fit *fit)
{
    free(fit->user);
    free(fit->item);
    *fit = (struct od_als_fit){0};
}

enum od_status od_als_train(const struct od_als_matrix *matrix, const struct od_als_config *config,
                            const struct od_train_input *input, struct od_als_fit *out,
                            struct od_error *err)
{
    struct od_als_fit fit = {0};
    enum od_status st = od_als_fit_init(&fit, matrix, config, input->seed, input->threads);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    for (uint32_t s = 0; s < config->sweeps && st == OD_OK; s++) {
        st = od_progress_report(&input->progress, (double)s / config->sweeps, "factors", err);
        if (st != OD_OK)
            break;
        st = od_als_sweep(&fit, matrix, input->threads);
        if (st == OD_INVALID_INPUT)
            od_fail(err, st,
                    "A system of the factor model is singular in single precision: the ridge %g is "
                    "too small for these interactions.",
                    (double)config->ridge);
        else if (st != OD_OK)
            od_fail(err, st, NULL);
    }
    if (st == OD_OK)
        *out = fit;
    else
        od_als_fit_done(&fit);
    return st;
}

/* --- the loss --- */

/* unobserved * sum over all pairs of (w v)^2 is the product of the two Gram matrices. */
static enum od_status all_pairs(const struct od_als_fit *fit, double *out)
{
    size_t dims = fit->config.dims;
    float *w = malloc(2 * dims * dims * sizeof *w), *v = w ? w + dims * dims : NULL;
    enum od_status st = OD_NO_MEMORY;
    if (w)
        st = od_als_gram(fit->user, fit->user_count, fit->config.dims, 1, 1, w);
    if (st == OD_OK)
        st = od_als_gram(fit->item, fit->item_count, fit->config.dims, 1, 1, v);
    double sum = 0;
    for (size_t i = 0; i < dims && st == OD_OK; i++)
        for (size_t j = i; j < dims; j++)
            sum += (i == j ? 1 : 2) * (double)w[i * dims + j] * (double)v[i * dims + j];
    free(w);
    *out = (double)fit->config.unobserved * sum;
    return st;
}

static double ridge_term(const struct od_als_config *c, const struct od_als_side *side,
                         const float *x, uint32_t others)
{
    double sum = 0;
    for (uint32_t r = 0; r < side->rows; r++) {
        double square = 0;
        for (size_t k = 0; k < c->dims; k++)
            square += (double)x[r * (size_t)c->dims + k] * (double)x[r * (size_t)c->dims + k];
        sum += (double)ridge_of(c, side->at[r + 1] - side->at[r], others) * square;
    }
    return sum;
}

enum od_status od_als_loss(const struct od_als_fit *fit, const struct od_als_matrix *matrix,
                           double *out)
{
    const struct od_als_side *users = &matrix->users;
    size_t dims = fit->config.dims;
    double sum = 0;
    enum od_status st = all_pairs(fit, &sum);
    for (uint32_t u = 0; u < users->rows; u++)
        for (uint64_t k = users->at[u]; k < users->at[u + 1]; k++) {
            double p = -1;
            for (size_t d = 0; d < dims; d++)
                p += (double)fit->user[u * dims + d] * (double)fit->item[users->col[k] * dims + d];
            sum += p * p;
        }
    *out = sum + ridge_term(&fit->config, users, fit->user, fit->item_count) +
           ridge_term(&fit->config, &matrix->items, fit->item, fit->user_count);
    return st;
}
