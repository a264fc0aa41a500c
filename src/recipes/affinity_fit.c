/* A closed-form sequence model in a subspace: ridge regression from a history, projected, to the
 * next event's item. It is LinAR (linar.h) with its N^2 weights held to the form projection x
 * response', so that it costs dim^2 an event and dim floats an item, whatever the catalogue.
 *
 * Predictions are summed in blocks: each state of a block goes to a place of its own (parallel by
 * user), then each stripe of the Gram matrix and each item's cross moment is added to by one thread
 * in the order of the block, so the sums are the same for any number of threads. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"
#include "math/ridge.h"
#include "os/parallel.h"
#include "recipes/affinity.h"

#define BLOCK_ROWS  65536 /* predictions at a time */
#define USER_EVENTS 200   /* newest predictions of a user that are learnt from */
#define STRIPE      32    /* rows of the Gram matrix of one part */
#define ITEM_PARTS  16    /* threads that add to cross moments; each owns items of a remainder */
#define USER_PART   64

struct piece { /* predictions of one user in a block */
    uint32_t user;
    uint64_t start, from, to; /* history begins at start; events [from, to) are predicted */
    uint32_t row;             /* of from */
};

struct job {
    struct od_affinity_moments *m;
    const struct od_training *training;
    const float *projection;
    const struct od_kernels *kernels;
    struct piece *pieces;
    uint32_t piece_count, row_count;
    float *rows;      /* [BLOCK_ROWS * width] */
    uint32_t *target; /* [BLOCK_ROWS] */
};

/* The states of one user: running sums, each event adds its projection to what is left of the
 * others; divided by the root of the running sum of weights, as in affinity_states.c. */
static void fill_piece(const struct job *job, const struct piece *piece)
{
    size_t dim = job->m->dim, width = job->m->width;
    float sum[OD_AFFINITY_KERNELS][OD_AFFINITY_DIM] = {0};
    double mass[OD_AFFINITY_KERNELS] = {0};
    for (uint64_t e = piece->start; e + 1 < piece->to; e++) {
        const float *x = job->projection + job->training->item[e] * dim;
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
            float decay = (float)od_affinity_decay[k];
            mass[k] = mass[k] * od_affinity_decay[k] + 1;
            for (size_t d = 0; d < dim; d++)
                sum[k][d] = sum[k][d] * decay + x[d];
        }
        if (e + 1 < piece->from)
            continue;
        size_t row = piece->row + (e + 1 - piece->from);
        float *z = job->rows + row * width;
        z[0] = 1;
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
            float factor = 1 / sqrtf((float)mass[k]);
            for (size_t d = 0; d < dim; d++)
                z[1 + (size_t)k * dim + d] = sum[k][d] * factor;
        }
        job->target[row] = job->training->item[e + 1];
    }
}

static enum od_status fill_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *job = context;
    size_t end = (part + 1) * USER_PART;
    for (size_t p = part * USER_PART; p < end && p < job->piece_count; p++)
        fill_piece(job, &job->pieces[p]);
    return OD_OK;
}

static enum od_status gram_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *job = context;
    size_t width = job->m->width, first = part * STRIPE;
    size_t some = width - first < STRIPE ? width - first : STRIPE;
    cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, (int)some, (int)(width - first),
                (int)job->row_count, 1, job->rows + first, (int)width, job->rows + first,
                (int)width, 1, job->m->gram + first * width + first, (int)width);
    return OD_OK;
}

static enum od_status cross_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct job *job = context;
    size_t width = job->m->width;
    for (uint32_t r = 0; r < job->row_count; r++)
        if (job->target[r] % ITEM_PARTS == part)
            job->kernels->axpy(job->m->cross + job->target[r] * width, job->rows + r * width, 1,
                               width);
    return OD_OK;
}

static enum od_status add_block(struct job *job, unsigned threads)
{
    size_t stripes = (job->m->width + STRIPE - 1) / STRIPE;
    enum od_status s =
        od_parallel(threads, (job->piece_count + USER_PART - 1) / USER_PART, fill_part, job);
    if (s == OD_OK)
        s = od_parallel(threads, stripes, gram_part, job);
    if (s == OD_OK)
        s = od_parallel(threads, ITEM_PARTS, cross_part, job);
    job->m->count += job->row_count;
    job->piece_count = job->row_count = 0;
    return s;
}

static enum od_status add_all(struct job *job, const uint64_t *end, unsigned threads)
{
    const struct od_training *t = job->training;
    enum od_status s = OD_OK;
    for (uint32_t u = 0; s == OD_OK && u < t->user_count; u++) {
        uint64_t n = end[u] - t->user_start[u];
        if (n < 2)
            continue;
        uint64_t some = n - 1 < USER_EVENTS ? n - 1 : USER_EVENTS;
        if (job->row_count + some > BLOCK_ROWS)
            s = add_block(job, threads);
        uint64_t from = end[u] - some, start = t->user_start[u];
        if (from - start > OD_AFFINITY_EVENTS)
            start = from - OD_AFFINITY_EVENTS;
        job->pieces[job->piece_count++] = (struct piece){u, start, from, end[u], job->row_count};
        job->row_count += (uint32_t)some;
    }
    return s == OD_OK && job->row_count ? add_block(job, threads) : s;
}

enum od_status od_affinity_moments_init(struct od_affinity_moments *out,
                                        const struct od_training *training, const uint64_t *end,
                                        const float *projection, uint32_t dim, unsigned threads)
{
    struct od_affinity_moments m = {.item_count = training->item_count, .dim = dim};
    m.width = 1 + OD_AFFINITY_KERNELS * dim;
    struct job job = {&m, training, projection, od_kernels_best(), NULL, 0, 0, NULL, NULL};
    m.gram = calloc((size_t)m.width * m.width, sizeof *m.gram);
    m.cross = calloc((size_t)m.width * ((size_t)m.item_count + 1), sizeof *m.cross);
    job.pieces = malloc(BLOCK_ROWS * sizeof *job.pieces);
    job.rows = malloc((size_t)BLOCK_ROWS * m.width * sizeof *job.rows);
    job.target = malloc(BLOCK_ROWS * sizeof *job.target);
    enum od_status s = OD_NO_MEMORY;
    if (m.gram && m.cross && job.pieces && job.rows && job.target)
        s = add_all(&job, end, threads);
    free(job.pieces);
    free(job.rows);
    free(job.target);
    if (s == OD_OK)
        *out = m;
    else
        od_affinity_moments_done(&m);
    return s;
}

void od_affinity_moments_done(struct od_affinity_moments *moments)
{
    free(moments->gram);
    free(moments->cross);
    *moments = (struct od_affinity_moments){0};
}

/* --- solving --- */

/* (G + ridge)^-1, where the ridge of a direction is relative to the mean of the diagonal. */
static enum od_status invert(const struct od_affinity_moments *m, double ridge,
                             const struct od_work *work, struct od_matrix *a, struct od_error *err)
{
    size_t width = m->width;
    float *penalty = malloc(width * sizeof *penalty), scale;
    double mean = 0;
    if (!penalty)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < width; i++) {
        memcpy(a->at + i * a->ld, m->gram + i * width, width * sizeof(float));
        mean += i ? (double)m->gram[i * width + i] : 0;
    }
    mean /= width > 1 ? (double)(width - 1) : 1;
    for (size_t i = 0; i < width; i++)
        penalty[i] = (float)(ridge * mean + 1e-6);
    penalty[0] = 1e-3f;
    enum od_status s = od_ridge_factor(a, penalty, work, &scale, err);
    free(penalty);
    if (s == OD_OK && (s = od_cholesky_invert(a, work)) != OD_OK)
        od_fail(err, s, NULL);
    return s;
}

struct respond {
    const struct od_affinity_moments *m;
    const struct od_matrix *inverse;
    float *response;
};

static enum od_status respond_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct respond *r = context;
    size_t width = r->m->width, first = part * 512;
    size_t some = r->m->item_count - first < 512 ? r->m->item_count - first : 512;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)some, (int)width, (int)width, 1,
                r->m->cross + first * width, (int)width, r->inverse->at, (int)r->inverse->ld, 0,
                r->response + first * width, (int)width);
    return OD_OK;
}

enum od_status od_affinity_solve(const struct od_affinity_moments *m, double ridge,
                                 unsigned threads, float **out_response, struct od_error *err)
{
    struct od_work work = {.threads = threads};
    struct od_matrix a = od_matrix_new(m->width, m->width);
    float *response = malloc((size_t)m->width * ((size_t)m->item_count + 1) * sizeof *response);
    enum od_status s =
        a.at && response ? invert(m, ridge, &work, &a, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK) {
        struct respond r = {m, &a, response};
        s = od_parallel(threads, ((size_t)m->item_count + 511) / 512, respond_part, &r);
    }
    od_matrix_free(&a);
    if (s == OD_OK)
        *out_response = response;
    else
        free(response);
    return s;
}
