/* The two ways from normal equations to rows, and the tail.
 *
 * Dense: factor G + Lambda, substitute C's columns, cut and encode the rows of the solution.
 *
 * Sparse: invert G + Lambda to P; a row of the solution is f -> sum over g of P(f, g) C(g, .).
 * Sixteen rows are made together: for each entry (g, j) of C, sixteen neighbours of P's row g (P is
 * symmetric, so these are P(f .. f+15, g), contiguous) go to sixteen neighbours of the accumulator
 * of column j. Accumulators of all columns do not fit into a core's cache; COLUMNS of them do, so
 * C's entries are laid out and taken block by block, and of each block only what is among the
 * largest entries of its row so far is kept (linar_sieve.h): neither the solution as a whole nor a
 * row of it ever exists.
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
#include "recipes/linar_sieve.h"

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

enum { COLUMNS = 4096 }; /* of a block: 256 KiB of accumulators */
_Static_assert(OD_LINAR_KERNELS <= OD_SPREAD_ROWS, "kernels of an entry are added at once");

/* C's entries of head items, cut into cells of a block of columns and an item, block by block. */
struct cut {
    size_t blocks, head;
    size_t *begin;    /* [blocks * head + 1], entries; one more while it is filled */
    uint32_t *column; /* [entries] within the block */
    float *value[OD_LINAR_KERNELS];
};

struct rows_job {
    struct od_linar_fit *fit;
    const struct od_linar_problem *problem;
    const struct od_matrix *solution, *inverse; /* dense; sparse */
    const struct od_linar_sparse *targets;
    const float *constant; /* C's row of the constant */
    struct cut cut;        /* of the sparse way */
    const struct od_kernels *vector;
    struct od_linar_scratch **scratch; /* [threads] */
    struct panel *panel;               /* of the sparse way [threads] */
    pthread_t owner;
};

/* What sixteen rows are made in; each line of OD_PANEL is a cache line. */
struct panel {
    float *sum;   /* [COLUMNS] lines */
    float *lines; /* [features] of the inverse */
    struct od_linar_sieve sieve;
};

static bool panel_open(struct panel *p, const struct rows_job *job)
{
    const struct od_linar_rows *rows = &job->fit->rows;
    size_t line = OD_PANEL * sizeof(float);
    if (p->sieve.memory)
        return true;
    if (!p->sum)
        p->sum = aligned_alloc(line, (COLUMNS + job->inverse->rows) * line);
    if (!p->sum)
        return false;
    p->lines = p->sum + COLUMNS * OD_PANEL;
    return od_linar_sieve_init(&p->sieve, rows->items, rows->keep) == OD_OK;
}

static bool scratch_open(struct rows_job *job, unsigned thread)
{
    if (!job->scratch[thread])
        job->scratch[thread] = od_linar_scratch_new(&job->fit->rows);
    return job->scratch[thread] && (!job->inverse || panel_open(&job->panel[thread], job));
}

static void scratch_close(struct rows_job *job, unsigned threads)
{
    for (unsigned t = 0; t < threads; t++) {
        free(job->scratch[t]);
        free(job->panel[t].sum);
        od_linar_sieve_done(&job->panel[t].sieve);
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

/* The constant's feature, behind those of the head. */
static size_t constant_of(const struct rows_job *job)
{
    return (size_t)job->problem->head->count * job->fit->config.kernels;
}

static uint64_t row_of(const struct rows_job *job, size_t feature)
{
    uint32_t kernels = job->fit->config.kernels;
    return (uint64_t)job->problem->head->item[feature / kernels] * kernels + feature % kernels;
}

static enum od_status take_row(void *context, size_t index, unsigned thread)
{
    struct rows_job *job = context;
    struct od_linar_rows *rows = &job->fit->rows;
    const float *value = job->solution->at + index * job->solution->ld;
    enum od_status st = OD_OK;
    if (!scratch_open(job, thread))
        return OD_NO_MEMORY;
    if (index == constant_of(job))
        memcpy(job->fit->constant, value, rows->items * sizeof *value);
    else
        st = od_linar_rows_put(rows, row_of(job, index), NULL, value, rows->items,
                               job->scratch[thread]);
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

/* --- C's entries of the head, by blocks of columns --- */

static bool cut_open(struct cut *cut, const struct rows_job *job)
{
    const struct od_linar_head *head = job->problem->head;
    size_t kernels = job->fit->config.kernels, entries = 0;
    *cut =
        (struct cut){.head = head->count, .blocks = (job->fit->rows.items + COLUMNS - 1) / COLUMNS};
    for (uint32_t h = 0; h < head->count; h++)
        entries += job->targets[head->item[h]].count;
    cut->begin = calloc(cut->blocks * cut->head + 2, sizeof *cut->begin);
    cut->column = malloc((entries + 1) * sizeof *cut->column);
    bool good = cut->begin && cut->column;
    for (size_t k = 0; k < kernels; k++) {
        cut->value[k] = malloc((entries + 1) * sizeof *cut->value[k]);
        good = good && cut->value[k];
    }
    return good;
}

static void cut_done(struct cut *cut)
{
    free(cut->begin);
    free(cut->column);
    for (size_t k = 0; k < OD_LINAR_KERNELS; k++)
        free(cut->value[k]);
}

/* Copies the targets' entries: block by block, there item by item. */
static void cut_fill(struct cut *cut, const struct rows_job *job)
{
    const struct od_linar_head *head = job->problem->head;
    size_t kernels = job->fit->config.kernels, *begin = cut->begin;
    for (size_t h = 0; h < cut->head; h++) {
        const struct od_linar_sparse *t = &job->targets[head->item[h]];
        for (uint32_t i = 0; i < t->count; i++)
            begin[t->column[i] / COLUMNS * cut->head + h + 2]++;
    }
    for (size_t c = 2; c < cut->blocks * cut->head + 2; c++)
        begin[c] += begin[c - 1];
    for (size_t h = 0; h < cut->head; h++) {
        const struct od_linar_sparse *t = &job->targets[head->item[h]];
        for (uint32_t i = 0; i < t->count; i++) { /* which moves each begin to the next one's */
            size_t at = begin[t->column[i] / COLUMNS * cut->head + h + 1]++;
            cut->column[at] = t->column[i] % COLUMNS;
            for (size_t k = 0; k < kernels; k++)
                cut->value[k][at] = t->value[k * t->count + i];
        }
    }
}

/* P(first .. first + live, .), the other lanes 0. */
static void take_lines(const struct od_matrix *p, size_t first, size_t live, float *lines)
{
    for (size_t f = 0; f < p->rows; f++, lines += OD_PANEL) {
        memcpy(lines, p->at + f * p->ld + first, live * sizeof *lines);
        memset(lines + live, 0, (OD_PANEL - live) * sizeof *lines);
    }
}

/* A block of the columns of P C. */
static void make_block(const struct rows_job *job, size_t block, size_t columns,
                       const struct panel *panel)
{
    const struct cut *cut = &job->cut;
    const float *constant = job->constant + block * COLUMNS;
    const float *last = panel->lines + (job->inverse->rows - 1) * OD_PANEL;
    size_t kernels = job->fit->config.kernels;
    for (size_t j = 0; j < columns; j++)
        for (size_t l = 0; l < OD_PANEL; l++)
            panel->sum[j * OD_PANEL + l] = constant[j] * last[l];
    for (size_t h = 0; h < cut->head; h++) {
        const size_t *begin = cut->begin + block * cut->head + h;
        const float *value[OD_LINAR_KERNELS], *x[OD_LINAR_KERNELS];
        for (size_t k = 0; k < kernels; k++) {
            value[k] = cut->value[k] + begin[0];
            x[k] = panel->lines + (h * kernels + k) * OD_PANEL;
        }
        job->vector->spread(panel->sum, cut->column + begin[0], value, x, kernels,
                            begin[1] - begin[0]);
    }
}

/* Sixteen rows of the solution, the constant's as it is. */
static enum od_status take_panel(void *context, size_t index, unsigned thread)
{
    struct rows_job *job = context;
    const struct od_matrix *p = job->inverse;
    size_t items = job->fit->rows.items, first = index * OD_PANEL, last = constant_of(job);
    size_t live = p->rows - first < OD_PANEL ? p->rows - first : OD_PANEL;
    size_t rows = last - first < live ? last - first : live;
    if (!scratch_open(job, thread))
        return OD_NO_MEMORY;
    const struct panel *panel = &job->panel[thread];
    struct od_linar_sieve *sieve = &job->panel[thread].sieve;
    enum od_status st = OD_OK;
    take_lines(p, first, live, panel->lines);
    od_linar_sieve_reset(sieve, rows);
    for (size_t b = 0; b < job->cut.blocks && st == OD_OK; b++) {
        size_t from = b * COLUMNS, columns = items - from < COLUMNS ? items - from : COLUMNS;
        make_block(job, b, columns, panel);
        st = od_linar_sieve_add(sieve, (uint32_t)from, panel->sum, columns);
        for (size_t j = 0; j < columns && rows < live; j++)
            job->fit->constant[from + j] = panel->sum[j * OD_PANEL + rows];
    }
    for (size_t l = 0; l < rows && st == OD_OK; l++)
        st = od_linar_rows_put(&job->fit->rows, row_of(job, first + l),
                               sieve->column + l * sieve->room, sieve->value + l * sieve->room,
                               sieve->count[l], job->scratch[thread]);
    return st == OD_OK ? tick(job, .7 + .3 * (double)first / (double)p->rows) : st;
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
    if (od_linar_constant(problem->events, constant) < 0) {
        free(constant);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    struct rows_job job = {
        .fit = fit, .problem = problem, .inverse = g, .targets = targets, .constant = constant};
    if (cut_open(&job.cut, &job)) {
        cut_fill(&job.cut, &job);
        st = run(&job, (g->rows + OD_PANEL - 1) / OD_PANEL, take_panel, err);
    } else {
        st = od_fail(err, OD_NO_MEMORY, NULL);
    }
    cut_done(&job.cut);
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
