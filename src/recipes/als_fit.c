/* Sweeps of iALS++ (als.h).
 *
 * One half of a sweep solves the rows of one side while the other is fixed, so rows are independent
 * and go to all cores in parts. For a row: predictions of its pairs once; then for each block of
 * factors the gradient and the Hessian from the pairs, the fixed side's Gram matrix and the ridge,
 * one exact step, and the predictions follow. The factors of a row's pairs are copied together
 * once; of a row with more than CHUNK pairs, block by block and CHUNK at a time, so that a row of a
 * million pairs needs no more scratch than the one number it keeps of each pair.
 *
 * The systems of rows with few pairs are solved sixteen at a time, one in each lane of a vector;
 * the steps of one alone wait for each other's results most of the time. Their products with the
 * Gram matrix are made together too, each of its rows being read once for all.
 *
 * A thread's scratch: CHUNK rows of factors, OD_SMALL_LANES squares of OD_ALS_BLOCK and rows of
 * factors, and one float a pair of the longest row. The Gram matrix is summed per part of rows, and
 * parts in order: no thread count changes a byte. */
#include "recipes/als.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/small.h"
#include "os/parallel.h"
#include "recipes/metrics.h"

enum { CHUNK = 1024, PART = 64, GRAM_PARTS = 16, AHEAD = 4, B = OD_ALS_BLOCK };
enum { LANES = OD_SMALL_LANES, SHORT = CHUNK / LANES };

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
        g->small->gram(sum, g->x + r * g->dims, g->dims, to - r < CHUNK ? to - r : CHUNK, g->dims);
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
    const struct od_als_side *side;
    const struct od_als_config *config;
    const float *fixed; /* factors of the side that stands still */
    float *moving;
    float *gram; /* [dims][dims] unobserved * fixed'fixed, both triangles */
    uint32_t fixed_rows;
    struct scratch {
        float *tile, *wrong;       /* wrong: prediction - 1 of each pair */
        float *hessian, *gradient; /* [LANES][B][B], [LANES][B] */
        float *across;             /* [dims][LANES] the rows solved together */
    } * scratch;                   /* [threads] */
};

/* A row being solved. */
struct row {
    const struct half *half;
    const uint32_t *col; /* [count] its pairs */
    size_t count;
    float *at; /* [dims] */
    float ridge;
    float *tile, *wrong, *hessian, *gradient; /* the row's own of the scratch */
};

/* The block's columns of pairs [first, first + count): x, and how far its rows are apart. */
static const float *block_of(const struct row *row, size_t first, size_t count, size_t block,
                             size_t *out_ld)
{
    const struct half *h = row->half;
    size_t dims = h->config->dims;
    if (row->count <= CHUNK) {
        *out_ld = dims;
        return row->tile + block * B;
    }
    for (size_t k = 0; k < count; k++)
        memcpy(row->tile + k * B, h->fixed + row->col[first + k] * dims + block * B,
               B * sizeof(float));
    *out_ld = B;
    return row->tile;
}

/* What of the gradient and the Hessian does not depend on the pairs, but for the product of the row
 * with the Gram matrix. */
static void start_block(const struct row *row, size_t block)
{
    const struct half *h = row->half;
    size_t dims = h->config->dims;
    const float *gram = h->gram + block * B;
    float *hessian = row->hessian, *gradient = row->gradient;
    for (size_t i = 0; i < B; i++) {
        gradient[i] = row->ridge * row->at[block * B + i];
        memcpy(hessian + i * B, gram + (block * B + i) * dims, B * sizeof *hessian);
        hessian[i * B + i] += row->ridge;
    }
}

/* What the pairs add to the gradient and the Hessian of a block. */
static void weigh_pairs(const struct row *row, size_t block)
{
    const struct od_small *small = row->half->small;
    size_t ld;
    for (size_t from = 0; from < row->count; from += CHUNK) {
        size_t n = row->count - from < CHUNK ? row->count - from : CHUNK;
        const float *x = block_of(row, from, n, block, &ld);
        small->gram(row->hessian, x, ld, n, B);
        small->weigh(row->gradient, x, ld, n, B, row->wrong + from);
    }
}

/* Goes the step that the gradient has become, and predictions follow. */
static void step_block(const struct row *row, size_t block)
{
    const struct od_small *small = row->half->small;
    size_t ld;
    for (size_t i = 0; i < B; i++) {
        row->at[block * B + i] -= row->gradient[i];
        row->gradient[i] = -row->gradient[i];
    }
    for (size_t from = 0; from < row->count; from += CHUNK) {
        size_t n = row->count - from < CHUNK ? row->count - from : CHUNK;
        const float *x = block_of(row, from, n, block, &ld);
        small->project(row->wrong + from, x, ld, n, B, row->gradient);
    }
}

/* wrong := prediction - 1 of every pair; the factors of a short row stay in tile. */
static void predict(const struct row *row)
{
    const struct half *h = row->half;
    size_t dims = h->config->dims;
    float *tile = row->tile;
    for (size_t from = 0; from < row->count; from += CHUNK) {
        size_t n = row->count - from < CHUNK ? row->count - from : CHUNK;
        for (size_t k = 0; k < n; k++) {
            if (k + AHEAD < n) /* rows lie anywhere; the hardware follows once within one */
                __builtin_prefetch(h->fixed + row->col[from + k + AHEAD] * dims);
            memcpy(tile + k * dims, h->fixed + row->col[from + k] * dims, dims * sizeof *tile);
            row->wrong[from + k] = -1;
        }
        h->small->project(row->wrong + from, tile, dims, n, dims, row->at);
    }
}

static float ridge_of(const struct od_als_config *c, uint64_t pairs, uint32_t others)
{
    return c->ridge * powf((float)pairs + c->unobserved * (float)others, c->power);
}

/* The row with its predictions; lane: the part of the scratch it gets. */
static void open_row(const struct half *h, uint32_t r, const struct scratch *s, size_t lane,
                     struct row *out)
{
    size_t dims = h->config->dims;
    *out = (struct row){.half = h,
                        .col = h->side->col + h->side->at[r],
                        .count = h->side->at[r + 1] - h->side->at[r],
                        .at = h->moving + r * dims,
                        .tile = s->tile + lane * SHORT * dims,
                        .wrong = s->wrong + lane * SHORT,
                        .hessian = s->hessian + lane * B * B,
                        .gradient = s->gradient + lane * B};
    out->ridge = ridge_of(h->config, out->count, h->fixed_rows);
    predict(out);
}

static enum od_status solve_long(const struct half *h, uint32_t r, const struct scratch *s)
{
    struct row row;
    open_row(h, r, s, 0, &row);
    size_t dims = h->config->dims;
    for (size_t block = 0; block < dims / B; block++) {
        start_block(&row, block);
        h->small->weigh(row.gradient, h->gram + block * B, dims, dims, B, row.at); /* symmetric */
        weigh_pairs(&row, block);
        if (!h->small->solve(row.hessian, row.gradient, B))
            return OD_INVALID_INPUT;
        step_block(&row, block);
    }
    return OD_OK;
}

/* A block's part of a row into its lane. */
static void put_across(const struct row *row, size_t block, size_t lane, float *across)
{
    for (size_t i = block * B; i < (block + 1) * B; i++)
        across[i * LANES + lane] = row->at[i];
}

/* Rows of at most SHORT pairs, at most LANES of them: their blocks are solved together. */
static enum od_status solve_short(const struct half *h, const uint32_t *r, size_t count,
                                  const struct scratch *s)
{
    struct row row[LANES];
    size_t dims = h->config->dims;
    if (count < LANES) /* what nobody reads is a number even so */
        memset(s->across, 0, dims * LANES * sizeof *s->across);
    for (size_t l = 0; l < count; l++) {
        open_row(h, r[l], s, l, &row[l]);
        for (size_t block = 0; block < dims / B; block++)
            put_across(&row[l], block, l, s->across);
    }
    for (size_t block = 0; block < dims / B; block++) {
        for (size_t l = 0; l < count; l++)
            start_block(&row[l], block);
        h->small->weigh_lanes(s->gradient, h->gram + block * B, dims, dims, s->across);
        for (size_t l = 0; l < count; l++)
            weigh_pairs(&row[l], block);
        for (size_t l = count; l < LANES; l++) { /* as good as any other */
            memcpy(s->hessian + l * B * B, s->hessian, B * B * sizeof *s->hessian);
            memcpy(s->gradient + l * B, s->gradient, B * sizeof *s->gradient);
        }
        if (!h->small->solve_lanes(s->hessian, s->gradient))
            return OD_INVALID_INPUT;
        for (size_t l = 0; l < count; l++) {
            step_block(&row[l], block);
            put_across(&row[l], block, l, s->across);
        }
    }
    return OD_OK;
}

static enum od_status solve_part(void *context, size_t index, unsigned thread)
{
    struct half *h = context;
    const struct scratch *s = &h->scratch[thread];
    uint32_t from = (uint32_t)(index * PART), rows = h->side->rows, waiting[LANES];
    uint32_t to = rows - from < PART ? rows : from + PART;
    size_t count = 0, dims = h->config->dims;
    enum od_status st = OD_OK;
    for (uint32_t r = from; r < to && st == OD_OK; r++) {
        uint64_t pairs = h->side->at[r + 1] - h->side->at[r];
        if (pairs == 0)
            memset(h->moving + r * dims, 0, dims * sizeof *h->moving);
        else if (pairs > SHORT)
            st = solve_long(h, r, s);
        else
            waiting[count++] = r;
        if (st == OD_OK && count == LANES) {
            st = solve_short(h, waiting, count, s);
            count = 0;
        }
    }
    return st == OD_OK && count ? solve_short(h, waiting, count, s) : st;
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
        size_t tile = CHUNK * (size_t)h->config->dims;
        s->tile = calloc(tile + LANES * (B * B + B + (size_t)h->config->dims), sizeof *s->tile);
        s->wrong = malloc((pairs < CHUNK ? CHUNK : pairs) * sizeof *s->wrong);
        good &= s->tile && s->wrong;
        s->hessian = s->tile ? s->tile + tile : NULL;
        s->gradient = s->tile ? s->hessian + LANES * B * B : NULL;
        s->across = s->tile ? s->gradient + LANES * B : NULL;
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

/* Small and positive: the first sweep then finds how active users and how popular items are, which
 * a start around 0 needs sweeps to find. On 560,000 pairs the loss after five sweeps was 7 % lower.
 */
static enum od_status random_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct start *s = context;
    const double scale = .01;
    for (size_t r = index * PART; r < (index + 1) * PART && r < s->rows; r++) {
        struct od_random rng;
        od_random_init2(&rng, s->seed, r);
        for (size_t k = 0; k < s->dims; k++)
            s->x[r * s->dims + k] = (float)(scale * od_random_double(&rng));
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
