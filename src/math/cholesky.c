/* Tiled Cholesky factorisation and solve.
 *
 * The factor is left-looking by block columns: column block j takes all earlier ones off in one
 * product per row tile, A_ij -= L_i,0..j L_j,0..j', whose inner dimension grows with j. Long inner
 * dimensions are what BLAS is fastest at, each tile is written once, and the row tiles of a block
 * column are independent, which gives the parts for our threads; only the 512-wide diagonal factor
 * is serial (1/400 of the work at n = 10,000).
 *
 * The solve runs forward and backward substitution on panels of right-hand sides, a panel a part.
 *
 * Bytes: the tile grid depends on n alone and every product is one single-threaded call, so the
 * sums are the same whoever computes them (style rule 20). Threads: the caller's and those
 * od_parallel starts. */
#include "math/cholesky.h"

#include <cblas.h>
#include <pthread.h>

#include "math/tiles.h"
#include "os/parallel.h"

/* LAPACK, column-major: its upper factor U'U of the transposed view is our row-major lower L L'. */
extern void spotrf_(const char *uplo, const int *n, float *a, const int *lda, int *info);

void od_math_init(void)
{
    openblas_set_num_threads(1);
}

enum od_status od_tick(const struct od_work *work, double fraction)
{
    return work->tick ? work->tick(work->context, fraction) : OD_OK;
}

enum od_status od_tick_from(const struct od_work *work, pthread_t owner, double fraction)
{
    return pthread_equal(pthread_self(), owner) ? od_tick(work, fraction) : OD_OK;
}

struct column {
    struct od_matrix *a;
    size_t j; /* first column of the block */
    const struct od_work *work;
    pthread_t owner;
    double done, share; /* of the whole factorisation */
    size_t parts;
};

static enum od_status update_tile(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct column *c = context;
    struct od_matrix *a = c->a;
    size_t i = c->j + index * OD_TILE;
    blasint rows = (blasint)od_tile_span(a->rows, i), width = (blasint)od_tile_span(a->rows, c->j);
    float *to = a->at + i * a->ld + c->j;
    const float *left = a->at + i * a->ld, *right = a->at + c->j * a->ld;
    if (i == c->j)
        cblas_ssyrk(CblasRowMajor, CblasLower, CblasNoTrans, rows, (blasint)c->j, -1, left,
                    (blasint)a->ld, 1, to, (blasint)a->ld);
    else
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, rows, width, (blasint)c->j, -1, left,
                    (blasint)a->ld, right, (blasint)a->ld, 1, to, (blasint)a->ld);
    return od_tick_from(c->work, c->owner, c->done + c->share * (double)index / (double)c->parts);
}

static enum od_status scale_tile(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct column *c = context;
    struct od_matrix *a = c->a;
    size_t i = c->j + (index + 1) * OD_TILE;
    cblas_strsm(CblasRowMajor, CblasRight, CblasLower, CblasTrans, CblasNonUnit,
                (blasint)od_tile_span(a->rows, i), (blasint)od_tile_span(a->rows, c->j), 1,
                a->at + c->j * a->ld + c->j, (blasint)a->ld, a->at + i * a->ld + c->j,
                (blasint)a->ld);
    return OD_OK;
}

/* Share of the factorisation done when the block columns before j are. */
static double factored(size_t n, size_t j)
{
    double x = (double)j / (double)n;
    return x * x * (3 - 2 * x);
}

enum od_status od_cholesky_factor(struct od_matrix *a, const struct od_work *work,
                                  bool *out_definite)
{
    size_t n = a->rows;
    for (size_t j = 0; j < n; j += OD_TILE) {
        size_t parts = od_tile_count(n - j);
        struct column c = {a, j, work, pthread_self(), factored(n, j), 0, parts};
        c.share = factored(n, j + od_tile_span(n, j)) - c.done;
        enum od_status s = OD_OK;
        if (j > 0)
            s = od_parallel(work->threads, parts, update_tile, &c);
        if (s != OD_OK)
            return s;
        int width = (int)od_tile_span(n, j), lda = (int)a->ld, info = 0;
        spotrf_("U", &width, a->at + j * a->ld + j, &lda, &info);
        if (info != 0) {
            *out_definite = false;
            return OD_OK;
        }
        s = od_parallel(work->threads, parts - 1, scale_tile, &c);
        if (s != OD_OK)
            return s;
    }
    *out_definite = true;
    return OD_OK;
}

enum { SOLVE_COLUMNS = 256 }; /* right-hand sides of a part: 14 parts on a catalogue of 3,416 */

struct solve {
    const struct od_matrix *l;
    struct od_matrix *b;
    const struct od_work *work;
    pthread_t owner;
    size_t parts;
};

static enum od_status solve_panel(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct solve *s = context;
    size_t first = index * SOLVE_COLUMNS, width = s->b->columns - first;
    if (width > SOLVE_COLUMNS)
        width = SOLVE_COLUMNS;
    float *b = s->b->at + first;
    size_t n = s->l->rows, ld = s->l->ld;
    for (size_t i = 0; i < n; i += OD_TILE) { /* L y = b */
        blasint rows = (blasint)od_tile_span(n, i);
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, (blasint)width, (blasint)i, -1,
                    s->l->at + i * ld, (blasint)ld, b, (blasint)s->b->ld, 1, b + i * s->b->ld,
                    (blasint)s->b->ld);
        cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rows,
                    (blasint)width, 1, s->l->at + i * ld + i, (blasint)ld, b + i * s->b->ld,
                    (blasint)s->b->ld);
        enum od_status st = od_tick_from(
            s->work, s->owner, ((double)index + .5 * (double)i / (double)n) / (double)s->parts);
        if (st != OD_OK)
            return st;
    }
    for (size_t i = (od_tile_count(n) - 1) * OD_TILE;; i -= OD_TILE) { /* L' x = y */
        size_t below = i + od_tile_span(n, i);
        blasint rows = (blasint)od_tile_span(n, i);
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, (blasint)width,
                    (blasint)(n - below), -1, s->l->at + below * ld + i, (blasint)ld,
                    b + below * s->b->ld, (blasint)s->b->ld, 1, b + i * s->b->ld,
                    (blasint)s->b->ld);
        cblas_strsm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, rows,
                    (blasint)width, 1, s->l->at + i * ld + i, (blasint)ld, b + i * s->b->ld,
                    (blasint)s->b->ld);
        enum od_status st = od_tick_from(
            s->work, s->owner, ((double)index + 1 - .5 * (double)i / (double)n) / (double)s->parts);
        if (st != OD_OK || i == 0)
            return st;
    }
}

enum od_status od_cholesky_solve(const struct od_matrix *l, struct od_matrix *b,
                                 const struct od_work *work)
{
    size_t parts = (b->columns + SOLVE_COLUMNS - 1) / SOLVE_COLUMNS;
    struct solve s = {l, b, work, pthread_self(), parts};
    return od_parallel(work->threads, parts, solve_panel, &s);
}

struct mirror {
    struct od_matrix *a;
    bool to_lower;
};

static enum od_status mirror_rows(void *context, size_t index, unsigned thread)
{
    (void)thread;
    enum { SIDE = 32 }; /* 4 KB of each triangle at a time: both stay in the level-1 cache */
    struct mirror *m = context;
    float *at = m->a->at;
    size_t ld = m->a->ld, first = index * OD_TILE, last = first + od_tile_span(m->a->rows, first);
    for (size_t i = first; i < last; i += SIDE)
        for (size_t j = 0; j <= i; j += SIDE)
            for (size_t r = i; r < i + SIDE && r < last; r++)
                for (size_t c = j; c < j + SIDE && c < r; c++) {
                    if (m->to_lower)
                        at[r * ld + c] = at[c * ld + r];
                    else
                        at[c * ld + r] = at[r * ld + c];
                }
    return OD_OK;
}

enum od_status od_matrix_mirror(struct od_matrix *a, bool to_lower, const struct od_work *work)
{
    struct mirror m = {a, to_lower};
    return od_parallel(work->threads, od_tile_count(a->rows), mirror_rows, &m);
}
