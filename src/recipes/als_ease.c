/* EASE (Steck 2019, "Embarrassingly shallow autoencoders for sparse data", equation 8):
 * with P = (X'X + ridge I)^-1, B = I - P / diag(P) by columns.
 *
 * The upper triangle of X'X is counted a row at a time, each row on its own, so rows go to all
 * cores and the counts, whole numbers below 2^24, are exact in any order. */
#include "recipes/als.h"

#include <stdlib.h>

#include "math/ridge.h"
#include "os/parallel.h"

struct count {
    const struct od_als_matrix *matrix;
    struct od_matrix *g;
};

static enum od_status count_row(void *context, size_t item, unsigned thread)
{
    (void)thread;
    const struct count *c = context;
    const struct od_als_side *users = &c->matrix->users, *items = &c->matrix->items;
    float *row = c->g->at + item * c->g->ld;
    for (uint64_t k = items->at[item]; k < items->at[item + 1]; k++) {
        uint32_t user = items->col[k];
        for (uint64_t e = users->at[user + 1]; e-- > users->at[user] && users->col[e] >= item;)
            row[users->col[e]] += 1;
    }
    return OD_OK;
}

/* From the inverse P, whole, in place. */
static enum od_status weigh_row(void *context, size_t item, unsigned thread)
{
    (void)thread;
    struct od_matrix *p = ((struct count *)context)->g;
    const float *diagonal = p->at + p->rows * p->ld; /* copied behind the square */
    float *row = p->at + item * p->ld;
    for (size_t j = 0; j < p->columns; j++)
        row[j] = j == item ? 0 : -row[j] / diagonal[j];
    return OD_OK;
}

static enum od_status solve(struct od_matrix *g, float ridge, unsigned threads,
                            struct od_error *err)
{
    size_t n = g->rows;
    struct od_work work = {.threads = threads};
    float scale, *ridges = malloc((n + 1) * sizeof *ridges);
    if (!ridges)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < n; i++)
        ridges[i] = ridge;
    enum od_status st = od_ridge_factor(g, ridges, &work, &scale, err);
    free(ridges);
    if (st == OD_OK && od_cholesky_invert(g, &work) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    return st;
}

enum od_status od_ease_fit(const struct od_als_matrix *matrix, float ridge, unsigned threads,
                           struct od_matrix *out, struct od_error *err)
{
    size_t n = matrix->items.rows;
    struct od_matrix g = od_matrix_new(n + 1, n); /* one row more for the diagonal */
    if (!g.at)
        return od_fail(err, OD_NO_MEMORY, NULL);
    g.rows = n;
    struct count count = {matrix, &g};
    od_math_init();
    enum od_status st = od_parallel(threads, n, count_row, &count);
    if (st == OD_OK)
        st = solve(&g, ridge, threads, err);
    for (size_t i = 0; i < n && st == OD_OK; i++)
        g.at[n * g.ld + i] = g.at[i * g.ld + i];
    if (st == OD_OK)
        st = od_parallel(threads, n, weigh_row, &count);
    g.rows = n + 1; /* as it was made */
    if (st == OD_OK)
        *out = g;
    else
        od_matrix_free(&g);
    return st;
}
