/* See eigen.h. */
#include "math/eigen.h"

#include <stdlib.h>

/* LAPACK, column-major; a symmetric matrix reads the same either way. */
extern void dsyevd_(const char *jobz, const char *uplo, const int *n, double *a, const int *lda,
                    double *w, double *work, const int *lwork, int *iwork, const int *liwork,
                    int *info);

enum { MOST = 20000 }; /* its workspace is counted in ints */

enum od_status od_eigen(double *a, size_t n, double *value)
{
    if (n == 0)
        return OD_OK;
    if (n > MOST)
        return OD_INVALID_INPUT;
    int order = (int)n, info, work_len = (int)(1 + 6 * n + 2 * n * n), int_len = (int)(3 + 5 * n);
    double *work = malloc((size_t)work_len * sizeof *work);
    int *ints = malloc((size_t)int_len * sizeof *ints);
    enum od_status st = work && ints ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK) { /* our upper triangle is LAPACK's lower one */
        dsyevd_("V", "L", &order, a, &order, value, work, &work_len, ints, &int_len, &info);
        st = info == 0 ? OD_OK : OD_INVALID_INPUT;
    }
    free(work);
    free(ints);
    return st;
}
