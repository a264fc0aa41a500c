/* Randomised truncated singular value decomposition of a sparse matrix.
 *
 * A random block is pushed through A and A' in turn, which turns it towards the leading singular
 * vectors; after each step its columns are made orthonormal, or the leading direction would drown
 * the others in float32. What is left, B = Q'A, is small: the eigenvectors of B B', in double, give
 * both sides.
 *
 * Orthonormal columns of Y come from the eigenvectors of Y'Y rather than from a triangular factor,
 * because Y may have fewer directions than columns (a matrix of low rank, few rows): directions
 * below a part in 1e10 of the first one's square are dropped instead of amplified.
 *
 * Bytes: rows are products of their own; the sums of Y'Y are taken by groups of rows fixed by the
 * row count, and reduced in their order (style rule 20). */
#include "math/svd.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/eigen.h"
#include "math/kernels.h"
#include "os/parallel.h"

#define OVERSAMPLING 16    /* columns beyond k: section 4.3 advises 5 or 10, and they are cheap */
#define ITERATIONS   2     /* of A A': enough for the slow decay of counts and texts */
#define ROWS         1024  /* a part of the row-wise products */
#define GROUPS       32    /* partial sums of Y'Y: bounds them at 32 (k + 16)^2 doubles */
#define TOLERANCE    1e-10 /* of squares: directions below are rounding */

struct svd {
    const struct od_sparse *a;
    struct od_sparse transposed;
    uint64_t *t_at;
    uint32_t *t_column;
    float *t_value;
    const struct od_kernels *kernels;
    const struct od_work *work;
    uint64_t seed;
    uint32_t width;        /* columns of a block, as allocated */
    uint32_t used;         /* that mean something */
    double *gram, *values; /* [width * width], [width] */
    double *partial;       /* [GROUPS * width * width] */
    float *turn;           /* [width * width] */
};

static enum od_status step(struct svd *svd, double fraction)
{
    return svd->work->tick ? svd->work->tick(svd->work->context, fraction) : OD_OK;
}

/* --- sparse times dense --- */

struct product {
    const struct svd *svd;
    const struct od_sparse *a;
    const struct od_matrix *x;
    struct od_matrix *y;
};

static enum od_status multiply_rows(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct product *p = context;
    size_t end = (index + 1) * ROWS < p->a->rows ? (index + 1) * ROWS : p->a->rows;
    for (size_t r = index * ROWS; r < end; r++) {
        float *y = p->y->at + r * p->y->ld;
        memset(y, 0, p->svd->width * sizeof *y);
        for (uint64_t k = p->a->at[r]; k < p->a->at[r + 1]; k++)
            p->svd->kernels->axpy(y, p->x->at + p->a->column[k] * p->x->ld, p->a->value[k],
                                  p->svd->used);
    }
    return OD_OK;
}

/* y := a x */
static enum od_status multiply(const struct svd *svd, const struct od_sparse *a,
                               const struct od_matrix *x, struct od_matrix *y)
{
    struct product p = {svd, a, x, y};
    return od_parallel(svd->work->threads, (a->rows + (size_t)ROWS - 1) / ROWS, multiply_rows, &p);
}

static enum od_status transpose(struct svd *svd)
{
    const struct od_sparse *a = svd->a;
    uint64_t count = a->at[a->rows];
    svd->t_at = calloc((size_t)a->columns + 2, sizeof *svd->t_at);
    svd->t_column = malloc((count + 1) * sizeof *svd->t_column);
    svd->t_value = malloc((count + 1) * sizeof *svd->t_value);
    if (!svd->t_at || !svd->t_column || !svd->t_value)
        return OD_NO_MEMORY;
    for (uint64_t k = 0; k < count; k++)
        svd->t_at[a->column[k] + 2]++;
    for (size_t c = 1; c <= a->columns; c++)
        svd->t_at[c + 1] += svd->t_at[c];
    for (uint32_t r = 0; r < a->rows; r++) /* t_at[c + 1] moves from the start of c to its end */
        for (uint64_t k = a->at[r]; k < a->at[r + 1]; k++) {
            uint64_t to = svd->t_at[a->column[k] + 1]++;
            svd->t_column[to] = r;
            svd->t_value[to] = a->value[k];
        }
    svd->transposed =
        (struct od_sparse){a->columns, a->rows, svd->t_at, svd->t_column, svd->t_value};
    return OD_OK;
}

/* --- dense blocks --- */

struct block {
    struct svd *svd;
    struct od_matrix *y;
    uint32_t to; /* columns after a turn */
};

static enum od_status add_group(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct block *b = context;
    size_t n = b->svd->used, rows = b->y->rows;
    double *sum = b->svd->partial + index * n * n, *copy = malloc((ROWS * n + 1) * sizeof *copy);
    if (!copy)
        return OD_NO_MEMORY;
    memset(sum, 0, n * n * sizeof *sum);
    size_t end = rows * (index + 1) / GROUPS;
    for (size_t r = rows * index / GROUPS; r < end; r += ROWS) {
        size_t count = end - r < ROWS ? end - r : ROWS;
        for (size_t i = 0; i < count; i++)
            for (size_t c = 0; c < n; c++)
                copy[i * n + c] = b->y->at[(r + i) * b->y->ld + c];
        cblas_dsyrk(CblasRowMajor, CblasUpper, CblasTrans, (blasint)n, (blasint)count, 1, copy,
                    (blasint)n, 1, sum, (blasint)n);
    }
    free(copy);
    return OD_OK;
}

/* gram := Y'Y and its eigenvectors: values rising, vectors in the rows of gram. */
static enum od_status decompose(struct svd *svd, struct od_matrix *y)
{
    struct block b = {svd, y, 0};
    size_t n = svd->used;
    enum od_status s = od_parallel(svd->work->threads, GROUPS, add_group, &b);
    if (s != OD_OK)
        return s;
    memset(svd->gram, 0, n * n * sizeof *svd->gram);
    for (size_t g = 0; g < GROUPS; g++)
        for (size_t i = 0; i < n * n; i++)
            svd->gram[i] += svd->partial[g * n * n + i];
    return od_eigen(svd->gram, n, svd->values);
}

static enum od_status turn_rows(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct block *b = context;
    size_t n = b->svd->used, m = b->to, r = index * ROWS;
    size_t count = b->y->rows - r < ROWS ? b->y->rows - r : ROWS;
    float *turned = malloc((count * m + 1) * sizeof *turned);
    if (!turned)
        return OD_NO_MEMORY;
    float *y = b->y->at + r * b->y->ld;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (blasint)count, (blasint)m, (blasint)n,
                1, y, (blasint)b->y->ld, b->svd->turn, (blasint)m, 0, turned, (blasint)m);
    for (size_t i = 0; i < count; i++) {
        memcpy(y + i * b->y->ld, turned + i * m, m * sizeof *y);
        memset(y + i * b->y->ld + m, 0, (n - m) * sizeof *y);
    }
    free(turned);
    return OD_OK;
}

/* y := y turn, turn being [used][to]; does not change svd->used. */
static enum od_status turn(struct svd *svd, struct od_matrix *y, uint32_t to)
{
    struct block b = {svd, y, to};
    if (to == 0)
        return OD_OK;
    return od_parallel(svd->work->threads, (y->rows + ROWS - 1) / ROWS, turn_rows, &b);
}

/* How many eigenvalues, from the last, are above the tolerance; at most `most`. */
static uint32_t directions(const struct svd *svd, uint32_t most)
{
    uint32_t n = svd->used, count = 0;
    double least = svd->values[n - 1] * TOLERANCE;
    while (count < n && count < most && svd->values[n - 1 - count] > least &&
           svd->values[n - 1 - count] > 0)
        count++;
    return count;
}

/* turn := the eigenvectors as columns, the largest first; column c scaled by values^power. */
static void set_turn(struct svd *svd, uint32_t to, double power)
{
    uint32_t n = svd->used;
    for (uint32_t c = 0; c < to; c++) {
        uint32_t from = n - 1 - c;
        double scale = power == 0 ? 1 : pow(svd->values[from], power);
        for (uint32_t r = 0; r < n; r++)
            svd->turn[(size_t)r * to + c] = (float)(svd->gram[(size_t)from * n + r] * scale);
    }
}

/* Columns of y made orthonormal; svd->used becomes how many there are. */
static enum od_status orthonormalise(struct svd *svd, struct od_matrix *y)
{
    if (svd->used == 0)
        return OD_OK;
    enum od_status s = decompose(svd, y);
    if (s != OD_OK)
        return s;
    uint32_t to = directions(svd, svd->used);
    set_turn(svd, to, -0.5);
    s = turn(svd, y, to);
    svd->used = to;
    return s;
}

/* --- the whole --- */

static enum od_status draw_rows(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct block *b = context;
    size_t end = (index + 1) * ROWS < b->y->rows ? (index + 1) * ROWS : b->y->rows;
    for (size_t r = index * ROWS; r < end; r++) {
        struct od_random rng;
        od_random_init2(&rng, b->svd->seed, r);
        for (uint32_t c = 0; c < b->svd->used; c++)
            b->y->at[r * b->y->ld + c] = (float)od_random_normal(&rng);
    }
    return OD_OK;
}

/* left := an orthonormal basis of what A does to a random block. */
static enum od_status find_range(struct svd *svd, struct od_matrix *left, struct od_matrix *right)
{
    struct block b = {svd, right, 0};
    enum od_status s =
        od_parallel(svd->work->threads, (right->rows + ROWS - 1) / ROWS, draw_rows, &b);
    for (int i = 0; s == OD_OK && i <= ITERATIONS; i++) {
        if (i > 0)
            s = multiply(svd, &svd->transposed, left, right);
        if (s == OD_OK && i > 0)
            s = orthonormalise(svd, right);
        if (s == OD_OK)
            s = multiply(svd, svd->a, right, left);
        if (s == OD_OK)
            s = orthonormalise(svd, left);
        if (s == OD_OK)
            s = step(svd, (i + 1.0) / (ITERATIONS + 2));
    }
    return s == OD_OK ? orthonormalise(svd, left) : s; /* twice is enough (Kahan, Parlett) */
}

/* From Q in left to U, V and sigma. right := A'Q = B', whose Gram matrix is B B'. */
static enum od_status finish(struct svd *svd, uint32_t k, struct od_matrix *left,
                             struct od_matrix *right, float *sigma, uint32_t *out_rank)
{
    *out_rank = 0;
    if (svd->used == 0)
        return OD_OK;
    enum od_status s = multiply(svd, &svd->transposed, left, right);
    if (s == OD_OK)
        s = decompose(svd, right);
    if (s != OD_OK)
        return s;
    uint32_t rank = directions(svd, k);
    for (uint32_t c = 0; c < rank; c++)
        sigma[c] = (float)sqrt(svd->values[svd->used - 1 - c]);
    set_turn(svd, rank, 0);
    s = turn(svd, left, rank);
    if (s == OD_OK) {
        set_turn(svd, rank, -0.5);
        s = turn(svd, right, rank);
    }
    *out_rank = rank;
    return s;
}

static void fix_signs(struct od_matrix *left, struct od_matrix *right, uint32_t rank)
{
    for (uint32_t c = 0; c < rank; c++) {
        float largest = 0;
        for (size_t r = 0; r < right->rows; r++)
            if (fabsf(right->at[r * right->ld + c]) > fabsf(largest))
                largest = right->at[r * right->ld + c];
        if (largest >= 0)
            continue;
        for (size_t r = 0; r < right->rows; r++)
            right->at[r * right->ld + c] = -right->at[r * right->ld + c];
        for (size_t r = 0; r < left->rows; r++)
            left->at[r * left->ld + c] = -left->at[r * left->ld + c];
    }
}

static enum od_status prepare(struct svd *svd)
{
    size_t square = (size_t)svd->width * svd->width + 1;
    svd->gram = malloc(square * sizeof *svd->gram);
    svd->turn = malloc(square * sizeof *svd->turn);
    svd->partial = malloc(GROUPS * square * sizeof *svd->partial);
    svd->values = malloc(((size_t)svd->width + 1) * sizeof *svd->values);
    if (!svd->gram || !svd->turn || !svd->partial || !svd->values)
        return OD_NO_MEMORY;
    return transpose(svd);
}

static void release(struct svd *svd)
{
    free(svd->t_at);
    free(svd->t_column);
    free(svd->t_value);
    free(svd->gram);
    free(svd->turn);
    free(svd->partial);
    free(svd->values);
}

void od_svd_done(struct od_svd *svd)
{
    od_matrix_free(&svd->left);
    od_matrix_free(&svd->right);
    free(svd->sigma);
    *svd = (struct od_svd){0};
}

enum od_status od_svd_sparse(const struct od_sparse *a, uint32_t k, uint64_t seed,
                             const struct od_work *work, struct od_svd *out, struct od_error *err)
{
    if (k == 0 || k > OD_SVD_MOST)
        return od_fail(err, OD_INVALID_INPUT,
                       "%u singular vectors were asked for; expected 1 to %d.", k, OD_SVD_MOST);
    uint32_t least = a->rows < a->columns ? a->rows : a->columns;
    struct svd svd = {.a = a, .kernels = od_kernels_best(), .work = work, .seed = seed};
    svd.width = svd.used = k + OVERSAMPLING < least ? k + OVERSAMPLING : least;
    struct od_svd result = {
        .left = od_matrix_new(a->rows, svd.width), /* of nothing: nothing */
        .right = od_matrix_new(a->columns, svd.width),
        .sigma = calloc((size_t)k + 1, sizeof *result.sigma),
    };
    bool room = (least == 0 || (result.left.at && result.right.at)) && result.sigma;
    enum od_status s = room ? prepare(&svd) : OD_NO_MEMORY;
    if (s == OD_OK && least)
        s = find_range(&svd, &result.left, &result.right);
    if (s == OD_OK && least)
        s = finish(&svd, k, &result.left, &result.right, result.sigma, &result.rank);
    release(&svd);
    if (s != OD_OK) {
        od_svd_done(&result);
        return od_fail(err, s, s == OD_STOPPED ? "The training was stopped." : NULL);
    }
    fix_signs(&result.left, &result.right, result.rank);
    *out = result;
    return OD_OK;
}
