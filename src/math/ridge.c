/* See ridge.h. G survives a failed attempt because the factor never touches the strict upper
 * triangle; the diagonal, which both share, is kept aside. After success the upper triangle still
 * holds G without its diagonal. */
#include "math/ridge.h"

#include <stdlib.h>

enum { SCALED = 3, ATTEMPTS = 7 };
#define LEAST_SHARE 1e-7F

enum od_status od_ridge_factor(struct od_matrix *g, const float *ridge, const struct od_work *work,
                               float *out_scale, struct od_error *err)
{
    size_t n = g->rows, step = g->ld + 1;
    float *diagonal = malloc((n ? n : 1) * sizeof *diagonal);
    if (!diagonal)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < n; i++)
        diagonal[i] = g->at[i * step];
    enum od_status st = OD_OK;
    float scale = 1, share = 0, most = 0;
    bool definite = false;
    for (size_t i = 0; i < n; i++)
        most = diagonal[i] > most ? diagonal[i] : most;
    for (int attempt = 0; attempt < ATTEMPTS && st == OD_OK && !definite; attempt++) {
        scale = attempt && attempt < SCALED ? scale * 10 : scale;
        share = attempt < SCALED ? 0 : attempt == SCALED ? LEAST_SHARE : share * 10;
        st = od_matrix_mirror(g, true, work);
        for (size_t i = 0; i < n; i++)
            g->at[i * step] = diagonal[i] + scale * ridge[i] + share * most;
        if (st == OD_OK)
            st = od_cholesky_factor(g, work, &definite);
    }
    free(diagonal);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    if (!definite)
        return od_fail(err, OD_INVALID_INPUT,
                       "The model's system of %zu equations is singular even with %g times its "
                       "ridge and %g of its largest entry: the interactions are too few or too "
                       "extreme to learn from.",
                       n, (double)scale, (double)share);
    *out_scale = scale;
    return OD_OK;
}
