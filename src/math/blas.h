/* OpenBLAS on CPUs that are younger than it. */
#ifndef OD_MATH_BLAS_H
#define OD_MATH_BLAS_H

#include <stdbool.h>

/* What OPENBLAS_CORETYPE should be on a CPU with these instructions that OpenBLAS takes for `name`,
 * NULL where that is right. Versions before 0.3.25 take an Intel CPU whose number they do not know
 * for a Prescott, and one by AMD for a Barcelona: without AVX, and two to five times slower. */
const char *od_blas_core(const char *name, bool avx2, bool avx512);

/* Runs the program again with OPENBLAS_CORETYPE told, where that mends something: OpenBLAS reads it
 * before main. Returns where nothing is to be mended, somebody has told it, or the program cannot
 * be found or was started through the loader: that is slower, not wrong. To be called first. */
void od_blas_know_cpu(char **argv);

#endif
