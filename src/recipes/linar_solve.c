/* The two ways from normal equations to rows, and the tail.
 *
 * Dense: factor G + Lambda, substitute C's columns, cut and encode the rows of the solution.
 *
 * Sparse: invert G + Lambda to P; a row of the solution is f -> sum over g of P(f, g) C(g, .).
 * Sixteen rows are made together: for each entry (g, j) of C, sixteen neighbours of P's row g (P is
 * symmetric, so these are P(f .. f+15, g), contiguous) go to sixteen neighbours of the accumulator
 * of column j. The solution as a whole never exists: each panel is cut to its largest entries and
 * encoded at once, so a catalogue of 100,000 items needs no matrix of that size.
 *
 * Tail items, outside the joint solution, solve their own K x K block of the same equations,
 *     B_i = (G_ii + lambda)^-1 C_i,
 * block-diagonal ridge: what follows the item, decayed, over its own mass plus lambda, which is a
 * co-occurrence kNN with shrinkage in the same units as the joint rows.
 *
 * The constant has (almost) no ridge, so that the scores of an empty state are the plain shares of
 * the items among all targets. */
#include <stdlib.h>
#include <string.h>

#include "math/ridge.h"
#include "os/parallel.h"
#include "recipes/linar_fit.h"

static enum od_status factor(struct od_linar_fit *fit, struct od_matrix *g,
                             const struct od_work *work, struct od_error *err)
{
    float *ridge = malloc(g->rows * sizeof *ridge);
    if (!ridge)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i + 1 < g->rows; i++)
        ridge[i] = fit->config.lambda;
    ridge[g->rows - 1] = 1;
    enum od_status st = od_ridge_factor(g, ridge, work, &fit->ridge_scale, err);
    free(ridge);
    return st;
}

struct rows_job {
    struct od_linar_fit *fit;
    const struct od_linar_problem *problem;
    const struct od_matrix *solution, *inverse; /* dense; sparse */
    const struct od_linar_sparse *targets;
    const float *constant; /* C's row of the constant */
    const struct od_kernels *vector;
    struct od_linar_scratch **scratch; /* [threads] */
    float **panel; /* of the sparse way [threads]: [threads] accumulators: [items][OD_PANEL], and
                      one row */
    pthread_t owner;
};

static bool scratch_open(struct rows_job *job, unsigned thread)
{
    if (!job->scratch[thread])
        job->scratch[thread] = od_linar_scratch_new(&job->fit->rows);
    size_t items = job->problem->events->item_count;
    if (job->scratch[thread] && job->inverse && !job->panel[thread])
        job->panel[thread] = malloc((items + 1) * (OD_PANEL + 1) * sizeof(float));
    return job->scratch[thread] && (!job->inverse || job->panel[thread]);
}

static void scratch_close(struct rows_job *job, unsigned threads)
{
    for (unsigned t = 0; t < threads; t++) {
        free(job->scratch[t]);
        free(job->panel[t]);
    }
    free(job->scratch);
    free(job->panel);
}

/* Runs part over count indexes with a scratch for each thread. */
static enum od_status run(struct rows_job *job, size_t count,
                          enum od_status (*part)(void *, size_t, unsigned), struct od_error *err)
{
    unsigned threads = job->problem->work->threads ? job->problem->work->threads : od_cpu_count();
    job->vector = od_kernels_best();
    job->owner = pthread_self();
    job->scratch = calloc(threads, sizeof(*job->scratch));
    job->panel = calloc(threads, sizeof(*job->panel));
    enum od_status st = OD_NO_MEMORY;
    if (job->scratch && job->panel) {
        st = od_parallel(threads, count, part, job);
        scratch_close(job, threads);
    } else {
        free(job->scratch);
        free(job->panel);
    }
    if (st == OD_INVALID_INPUT)
        return od_fail(err, st, "The interactions give a model whose numbers are not finite.");
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status tick(const struct rows_job *job, double fraction)
{
    const struct od_work *work = job->problem->work;
    if (!work->tick || !pthread_equal(pthread_self(), job->owner))
        return OD_OK;
    return work->tick(work->context, fraction);
}

/* Sets the row of a feature, or the constant's. */
static enum od_status put_feature(struct rows_job *job, size_t feature, const float *value,
                                  unsigned thread)
{
    struct od_linar_fit *fit = job->fit;
    const struct od_linar_head *head = job->problem->head;
    uint32_t kernels = fit->config.kernels;
    if (feature == (size_t)head->count * kernels) {
        memcpy(fit->constant, value, fit->rows.items * sizeof *value);
        return OD_OK;
    }
    uint64_t row = (uint64_t)head->item[feature / kernels] * kernels + feature % kernels;
    return od_linar_rows_put(&fit->rows, row, NULL, value, fit->rows.items, job->scratch[thread]);
}

static enum od_status take_row(void *context, size_t index, unsigned thread)
{
    struct rows_job *job = context;
    if (!scratch_open(job, thread))
        return OD_NO_MEMORY;
    enum od_status st =
        put_feature(job, index, job->solution->at + index * job->solution->ld, thread);
    return st == OD_OK ? tick(job, .95 + .05 * (double)index / (double)job->solution->rows) : st;
}

enum od_status od_linar_solve_dense(struct od_linar_fit *fit,
                                    const struct od_linar_problem *problem, struct od_matrix *g,
                                    struct od_matrix *c, struct od_error *err)
{
    double f = (double)g->rows, n = (double)c->columns;
    double split = .95 * (f / 3) / (f / 3 + 2 * n);
    struct od_linar_share share[2] = {{problem->work, 0, split}, {problem->work, split, .95}};
    struct od_work part[2] = {od_linar_share_work(&share[0]), od_linar_share_work(&share[1])};
    enum od_status st = factor(fit, g, &part[0], err);
    if (st != OD_OK)
        return st;
    st = od_cholesky_solve(g, c, &part[1]);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    struct rows_job job = {.fit = fit, .problem = problem, .solution = c};
    return run(&job, g->rows, take_row, err);
}

/* Sixteen rows of the solution. */
static enum od_status take_panel(void *context, size_t index, unsigned thread)
{
    struct rows_job *job = context;
    const struct od_linar_head *head = job->problem->head;
    const struct od_matrix *p = job->inverse;
    uint32_t items = job->fit->rows.items, kernels = job->fit->config.kernels;
    if (!scratch_open(job, thread))
        return OD_NO_MEMORY;
    float *panel = job->panel[thread], *row = panel + (size_t)items * OD_PANEL;
    size_t first = index * OD_PANEL;
    const float *x = p->at + (p->rows - 1) * p->ld + first;
    for (uint32_t j = 0; j < items; j++)
        for (size_t l = 0; l < OD_PANEL; l++)
            panel[(size_t)j * OD_PANEL + l] = job->constant[j] * x[l];
    for (uint32_t h = 0; h < head->count; h++) {
        const struct od_linar_sparse *t = &job->targets[head->item[h]];
        for (uint32_t k = 0; k < kernels; k++)
            job->vector->spread(panel, t->column, t->value + (size_t)k * t->count, t->count,
                                p->at + ((size_t)h * kernels + k) * p->ld + first);
    }
    for (size_t l = 0; l < OD_PANEL && first + l < p->rows; l++) {
        for (uint32_t j = 0; j < items; j++)
            row[j] = panel[(size_t)j * OD_PANEL + l];
        enum od_status st = put_feature(job, first + l, row, thread);
        if (st != OD_OK)
            return st;
    }
    return tick(job, .7 + .3 * (double)first / (double)p->rows);
}

/* x := (own + lambda I)^-1 x for each column of the item's C, in double: K is at most 3 and the
 * matrix symmetric positive definite, so elimination needs no pivots. */
static void solve_own(const struct od_linar_sparse *t, uint32_t kernels, double lambda, float *out)
{
    double a[OD_LINAR_KERNELS][OD_LINAR_KERNELS], x[OD_LINAR_KERNELS];
    for (uint32_t c = 0; c < t->count; c++) {
        for (uint32_t i = 0; i < kernels; i++) {
            x[i] = (double)t->value[(size_t)i * t->count + c];
            for (uint32_t j = 0; j < kernels; j++)
                a[i][j] = t->own[i][j] + (i == j ? lambda : 0);
        }
        for (uint32_t i = 0; i < kernels; i++)
            for (uint32_t r = i + 1; r < kernels; r++) {
                double m = a[r][i] / a[i][i];
                for (uint32_t j = i; j < kernels; j++)
                    a[r][j] -= m * a[i][j];
                x[r] -= m * x[i];
            }
        for (uint32_t i = kernels; i-- > 0;) {
            for (uint32_t j = i + 1; j < kernels; j++)
                x[i] -= a[i][j] * x[j];
            x[i] /= a[i][i];
            out[(size_t)i * t->count + c] = (float)x[i];
        }
    }
}

static enum od_status take_tail(void *context, size_t item, unsigned thread)
{
    struct rows_job *job = context;
    struct od_linar_fit *fit = job->fit;
    const struct od_linar_sparse *t = &job->targets[item];
    if (job->problem->head->of[item] != OD_NO_CODE)
        return OD_OK;
    uint32_t kernels = fit->config.kernels;
    float *solved = malloc(((size_t)t->count * kernels + 1) * sizeof *solved);
    if (!solved || !scratch_open(job, thread)) {
        free(solved);
        return OD_NO_MEMORY;
    }
    solve_own(t, kernels, OD_LINAR_TAIL_LAMBDA, solved);
    enum od_status st = OD_OK;
    for (uint32_t k = 0; k < kernels && st == OD_OK; k++)
        st = od_linar_rows_put(&fit->rows, (uint64_t)item * kernels + k, t->column,
                               solved + (size_t)k * t->count, t->count, job->scratch[thread]);
    free(solved);
    return st;
}

enum od_status od_linar_solve_sparse(struct od_linar_fit *fit,
                                     const struct od_linar_problem *problem, struct od_matrix *g,
                                     const struct od_linar_sparse *targets, struct od_error *err)
{
    struct od_linar_share share[2] = {{problem->work, 0, .25}, {problem->work, .25, .7}};
    struct od_work part[2] = {od_linar_share_work(&share[0]), od_linar_share_work(&share[1])};
    enum od_status st = factor(fit, g, &part[0], err);
    if (st != OD_OK)
        return st;
    st = od_cholesky_invert(g, &part[1]);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    float *constant = malloc(((size_t)fit->rows.items + 1) * sizeof *constant);
    if (!constant)
        return od_fail(err, OD_NO_MEMORY, NULL);
    (void)od_linar_constant(problem->events, constant);
    struct rows_job job = {
        .fit = fit, .problem = problem, .inverse = g, .targets = targets, .constant = constant};
    st = run(&job, (g->rows + OD_PANEL - 1) / OD_PANEL, take_panel, err);
    free(constant);
    return st;
}

enum od_status od_linar_solve_tail(struct od_linar_fit *fit, const struct od_linar_problem *problem,
                                   const struct od_linar_sparse *targets, struct od_error *err)
{
    struct rows_job job = {.fit = fit, .problem = problem, .targets = targets};
    if (problem->head->count == fit->rows.items)
        return OD_OK;
    return run(&job, fit->rows.items, take_tail, err);
}
