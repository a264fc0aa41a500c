/* The subspace in which histories are looked at: the leading right singular vectors of the matrix
 * of histories with its columns scaled by item, found by randomised subspace iteration (Halko,
 * Martinsson, Tropp, "Finding structure with randomness", SIAM Review 53, 2011, algorithm 4.4).
 *
 * Only the span matters, since a ridge regression follows that is the same in every orthonormal
 * basis; so the last rotation to singular vectors is left out. Orthonormal by Cholesky QR in
 * double, twice (Yamamoto et al., "Roundoff error analysis of the CholeskyQR2 algorithm", ETNA 44,
 * 2015), with a shift so that the first pass cannot fail.
 *
 * Rows of both products are sums in a fixed order, so threads change nothing. */
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/kernels.h"
#include "os/parallel.h"
#include "recipes/affinity.h"

#define ROUNDS      4      /* of multiplying by A'A */
#define USERS_MOST  200000 /* whose histories are used: enough for 256 directions */
#define PART_ROWS   256
#define GRAM_ROWS   2048
#define SCALE_POWER -0.25f /* of an item's weight in all histories */
#define SHIFT       1e-9   /* of the trace: above double's error, below what changes the span */

struct sparse {
    uint32_t rows;
    uint64_t *at;
    uint32_t *column;
    float *value;
};

struct product {
    const struct sparse *a;
    const float *x;
    float *y;
    size_t dim;
    const struct od_kernels *kernels;
};

static enum od_status product_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct product *p = context;
    size_t end = (part + 1) * PART_ROWS;
    for (size_t r = part * PART_ROWS; r < end && r < p->a->rows; r++) {
        float *y = p->y + r * p->dim;
        memset(y, 0, p->dim * sizeof *y);
        for (uint64_t k = p->a->at[r]; k < p->a->at[r + 1]; k++)
            p->kernels->axpy(y, p->x + (size_t)p->a->column[k] * p->dim, p->a->value[k], p->dim);
    }
    return OD_OK;
}

static enum od_status multiply(const struct sparse *a, const float *x, float *y, size_t dim,
                               unsigned threads)
{
    struct product p = {a, x, y, dim, od_kernels_best()};
    return od_parallel(threads, (a->rows + PART_ROWS - 1) / PART_ROWS, product_part, &p);
}

/* --- the matrix --- */

static void sparse_done(struct sparse *a)
{
    free(a->at);
    free(a->column);
    free(a->value);
}

static bool sparse_init(struct sparse *a, uint32_t rows, uint64_t entries)
{
    *a = (struct sparse){.rows = rows};
    a->at = calloc((size_t)rows + 2, sizeof *a->at);
    a->column = malloc((entries + 1) * sizeof *a->column);
    a->value = malloc((entries + 1) * sizeof *a->value);
    return a->at && a->column && a->value;
}

/* Users evenly spread when there are too many. Columns are scaled by a power of
 * the item's weight in all histories: without that, the leading directions are those of the most
 * popular items alone; with -1/2 (cosine) those of the rarest. Measured by held-out likelihood. */
static enum od_status build(const struct od_affinity_states *states, uint32_t items,
                            struct sparse *by_user, float *scale)
{
    uint32_t rows = states->user_count < USERS_MOST ? states->user_count : USERS_MOST;
    if (!sparse_init(by_user, rows, states->at[states->user_count]))
        return OD_NO_MEMORY;
    uint64_t at = 0;
    memset(scale, 0, items * sizeof *scale);
    for (uint32_t r = 0; r < rows; r++) {
        uint32_t u = (uint32_t)((uint64_t)r * states->user_count / rows);
        for (uint64_t k = states->at[u]; k < states->at[u + 1]; k++, at++) {
            by_user->column[at] = states->item[k];
            by_user->value[at] = sqrtf(states->weight[1][k]);
            scale[states->item[k]] += states->weight[1][k];
        }
        by_user->at[r + 1] = at;
    }
    for (uint32_t i = 0; i < items; i++)
        scale[i] = scale[i] > 0 ? powf(scale[i] + 0.1f, SCALE_POWER) : 0;
    for (uint64_t k = 0; k < at; k++)
        by_user->value[k] *= scale[by_user->column[k]];
    return OD_OK;
}

static enum od_status transpose(const struct sparse *from, uint32_t columns, struct sparse *to)
{
    uint64_t entries = from->at[from->rows];
    if (!sparse_init(to, columns, entries))
        return OD_NO_MEMORY;
    for (uint64_t k = 0; k < entries; k++)
        to->at[from->column[k] + 2]++;
    for (uint32_t i = 0; i < columns; i++)
        to->at[i + 2] += to->at[i + 1];
    for (uint32_t r = 0; r < from->rows; r++)
        for (uint64_t k = from->at[r]; k < from->at[r + 1]; k++) {
            uint64_t place = to->at[from->column[k] + 1]++;
            to->column[place] = r;
            to->value[place] = from->value[k];
        }
    return OD_OK;
}

/* --- orthonormal columns --- */

static void widen(double *to, const float *from, size_t count)
{
    for (size_t i = 0; i < count; i++)
        to[i] = (double)from[i];
}

/* y := y R^-1 with R'R = y'y + shift. block has GRAM_ROWS * dim doubles, gram dim * dim. */
static enum od_status orthonormalise(float *y, size_t rows, size_t dim, double *block, double *gram)
{
    int n = (int)dim;
    memset(gram, 0, dim * dim * sizeof *gram);
    for (size_t r = 0; r < rows; r += GRAM_ROWS) {
        size_t some = rows - r < GRAM_ROWS ? rows - r : GRAM_ROWS;
        widen(block, y + r * dim, some * dim);
        cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, n, (int)some, 1, block, n, 1, gram, n);
    }
    double trace = 0;
    for (size_t j = 0; j < dim; j++)
        trace += gram[j * dim + j];
    for (size_t j = 0; j < dim; j++)
        gram[j * dim + j] += SHIFT * trace + 1e-300;
    for (size_t j = 0; j < dim; j++) { /* Cholesky, lower */
        for (size_t i = j; i < dim; i++) {
            double s = gram[i * dim + j] - cblas_ddot((int)j, gram + i * dim, 1, gram + j * dim, 1);
            gram[i * dim + j] = i == j ? sqrt(fmax(s, 1e-300)) : s / gram[j * dim + j];
        }
    }
    for (size_t r = 0; r < rows; r += GRAM_ROWS) {
        size_t some = rows - r < GRAM_ROWS ? rows - r : GRAM_ROWS;
        widen(block, y + r * dim, some * dim);
        cblas_dtrsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit, (int)some, n,
                    1, gram, n, block, n);
        for (size_t i = 0; i < some * dim; i++)
            y[r * dim + i] = (float)block[i];
    }
    return OD_OK;
}

static void fill_random(float *x, uint32_t rows, size_t dim, uint64_t seed)
{
    for (uint32_t r = 0; r < rows; r++) {
        struct od_random rng;
        od_random_init2(&rng, seed, r);
        for (size_t d = 0; d < dim; d++)
            x[r * dim + d] = (float)od_random_normal(&rng);
    }
}

struct space {
    struct sparse by_user, by_item;
    float *scale, *users, *items; /* [items], [rows * dim], [items * dim] */
    double *block, *gram;
};

static enum od_status iterate(struct space *s, size_t dim, uint64_t seed, unsigned threads)
{
    uint32_t items = s->by_item.rows;
    fill_random(s->items, items, dim, seed);
    enum od_status st = OD_OK;
    for (int i = 0; st == OD_OK && i < ROUNDS; i++) {
        st = multiply(&s->by_user, s->items, s->users, dim, threads);
        if (st == OD_OK)
            st = multiply(&s->by_item, s->users, s->items, dim, threads);
        for (int pass = 0; st == OD_OK && pass < 2; pass++)
            st = orthonormalise(s->items, items, dim, s->block, s->gram);
    }
    return st;
}

/* Histories come unscaled to the projection, so it carries the items' scale. */
static void scale_rows(struct space *s, size_t dim)
{
    for (uint32_t i = 0; i < s->by_item.rows; i++)
        for (size_t d = 0; d < dim; d++)
            s->items[i * dim + d] *= s->scale[i];
}

enum od_status od_affinity_subspace(const struct od_affinity_states *states, uint32_t item_count,
                                    uint32_t dim, uint64_t seed, unsigned threads,
                                    float **out_projection)
{
    struct space s = {0};
    s.scale = malloc(((size_t)item_count + 1) * sizeof *s.scale);
    enum od_status st = s.scale ? build(states, item_count, &s.by_user, s.scale) : OD_NO_MEMORY;
    if (st == OD_OK)
        st = transpose(&s.by_user, item_count, &s.by_item);
    if (st == OD_OK) {
        s.users = malloc(((size_t)s.by_user.rows + 1) * dim * sizeof *s.users);
        s.items = malloc(((size_t)item_count + 1) * dim * sizeof *s.items);
        s.block = malloc((size_t)GRAM_ROWS * dim * sizeof *s.block);
        s.gram = malloc((size_t)dim * dim * sizeof *s.gram);
        st = s.users && s.items && s.block && s.gram ? iterate(&s, dim, seed, threads)
                                                     : OD_NO_MEMORY;
    }
    if (st == OD_OK) {
        scale_rows(&s, dim);
        *out_projection = s.items;
        s.items = NULL;
    }
    sparse_done(&s.by_user);
    sparse_done(&s.by_item);
    free(s.scale);
    free(s.users);
    free(s.items);
    free(s.block);
    free(s.gram);
    return st;
}
