/* The explicit inverse from a Cholesky factor, in place, tiled: X = L^-1, then A^-1 = X' X.
 *
 * X by block columns from the last to the first. When the blocks right of column block j are
 * inverted, X_below,j = -X_below,below L_below,j L_jj^-1. The old panel L_below,j is copied first
 * (n * 512 floats, the only extra memory), so its row tiles can be overwritten independently, each
 * by products with a long inner dimension.
 *
 * A^-1 by block rows from the first to the last. Tile (i, j), j <= i, is the sum over k >= i of
 * X_ki' X_kj, and later rows need only rows k > i of X; so row i may be overwritten once X_ii is
 * copied aside. Only the lower triangle is computed; the upper is its mirror.
 *
 * Bytes as in cholesky.c: the same products for any number of threads. */
#include <cblas.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "math/tiles.h"
#include "os/parallel.h"

/* LAPACK, column-major: the upper triangle there is our row-major lower one. */
extern void strtri_(const char *uplo, const char *diag, const int *n, float *a, const int *lda,
                    int *info);

size_t od_tile_count(size_t n)
{
    return (n + OD_TILE - 1) / OD_TILE;
}

size_t od_tile_span(size_t n, size_t first)
{
    return n - first < OD_TILE ? n - first : OD_TILE;
}

struct step {
    struct od_matrix *a;
    float *copy; /* of a column panel or of a diagonal tile, in rows of OD_TILE floats */
    size_t at;   /* first row and column of this step's diagonal tile */
    const struct od_work *work;
    pthread_t owner;
    double done, share; /* of the whole inversion */
    size_t parts;
};

static void copy_tile(float *to, size_t to_ld, const float *from, size_t from_ld, size_t rows,
                      size_t columns)
{
    for (size_t r = 0; r < rows; r++)
        memcpy(to + r * to_ld, from + r * from_ld, columns * sizeof(float));
}

/* X_i,j for a row tile i below the diagonal tile j; the longest products go first. */
static enum od_status invert_tile(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct step *s = context;
    struct od_matrix *a = s->a;
    size_t below = s->at + OD_TILE, i = below + (s->parts - 1 - index) * OD_TILE;
    blasint rows = (blasint)od_tile_span(a->rows, i), ld = (blasint)a->ld;
    float *to = a->at + i * a->ld + s->at;
    copy_tile(to, a->ld, s->copy + (i - below) * OD_TILE, OD_TILE, (size_t)rows, OD_TILE);
    cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, rows, OD_TILE, -1,
                a->at + i * a->ld + i, ld, to, ld);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, rows, OD_TILE, (blasint)(i - below), -1,
                a->at + i * a->ld + below, ld, s->copy, OD_TILE, 1, to, ld);
    cblas_strmm(CblasRowMajor, CblasRight, CblasLower, CblasNoTrans, CblasNonUnit, rows, OD_TILE, 1,
                a->at + s->at * a->ld + s->at, ld, to, ld);
    return od_tick_from(s->work, s->owner, s->done + s->share * (double)index / (double)s->parts);
}

static enum od_status invert_triangle(struct step *s)
{
    size_t n = s->a->rows, tiles = od_tile_count(n);
    for (size_t j = tiles; j-- > 0;) {
        s->at = j * OD_TILE;
        s->parts = tiles - 1 - j;
        double x = (double)s->parts / (double)tiles, y = x + 1 / (double)tiles;
        s->done = .5 * x * x * (3 - 2 * x);
        s->share = .5 * y * y * (3 - 2 * y) - s->done;
        int width = (int)od_tile_span(n, s->at), ld = (int)s->a->ld, info = 0;
        float *diagonal = s->a->at + s->at * s->a->ld + s->at;
        strtri_("U", "N", &width, diagonal, &ld, &info);
        size_t below = s->at + OD_TILE;
        if (s->parts == 0)
            continue;
        copy_tile(s->copy, OD_TILE, s->a->at + below * s->a->ld + s->at, s->a->ld, n - below,
                  OD_TILE);
        enum od_status st = od_parallel(s->work->threads, s->parts, invert_tile, s);
        if (st != OD_OK)
            return st;
    }
    return OD_OK;
}

/* Tile (i, j) of X' X, j = index * OD_TILE <= i. */
static enum od_status product_tile(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct step *s = context;
    struct od_matrix *a = s->a;
    size_t n = a->rows, j = index * OD_TILE, below = s->at + od_tile_span(n, s->at);
    blasint rows = (blasint)od_tile_span(n, s->at), width = (blasint)od_tile_span(n, j);
    blasint ld = (blasint)a->ld;
    float *to = a->at + s->at * a->ld + j;
    if (j == s->at)
        copy_tile(to, a->ld, s->copy, OD_TILE, (size_t)rows, (size_t)rows);
    cblas_strmm(CblasRowMajor, CblasLeft, CblasLower, CblasTrans, CblasNonUnit, rows, width, 1,
                s->copy, OD_TILE, to, ld);
    if (below < n)
        cblas_sgemm(CblasRowMajor, CblasTrans, CblasNoTrans, rows, width, (blasint)(n - below), 1,
                    a->at + below * a->ld + s->at, ld, a->at + below * a->ld + j, ld, 1, to, ld);
    return od_tick_from(s->work, s->owner, s->done + s->share * (double)index / (double)s->parts);
}

static enum od_status multiply_triangle(struct step *s)
{
    size_t n = s->a->rows, tiles = od_tile_count(n);
    for (size_t i = 0; i < tiles; i++) {
        s->at = i * OD_TILE;
        s->parts = i + 1;
        double x = (double)i / (double)tiles, y = x + 1 / (double)tiles;
        s->done = .5 + .5 * x * x * (3 - 2 * x);
        s->share = .5 + .5 * y * y * (3 - 2 * y) - s->done;
        size_t rows = od_tile_span(n, s->at);
        copy_tile(s->copy, OD_TILE, s->a->at + s->at * s->a->ld + s->at, s->a->ld, rows, rows);
        for (size_t r = 0; r < rows; r++)
            memset(s->copy + r * OD_TILE + r + 1, 0, (rows - r - 1) * sizeof(float));
        enum od_status st = od_parallel(s->work->threads, s->parts, product_tile, s);
        if (st != OD_OK)
            return st;
    }
    return OD_OK;
}

enum od_status od_cholesky_invert(struct od_matrix *a, const struct od_work *work)
{
    struct step s = {.a = a, .work = work, .owner = pthread_self()};
    size_t copy_rows = a->rows > OD_TILE ? a->rows : OD_TILE;
    s.copy = malloc(copy_rows * OD_TILE * sizeof(float));
    if (!s.copy)
        return OD_NO_MEMORY;
    enum od_status st = invert_triangle(&s);
    if (st == OD_OK)
        st = multiply_triangle(&s);
    free(s.copy);
    return st == OD_OK ? od_matrix_mirror(a, false, work) : st;
}
