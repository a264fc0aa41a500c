/* How much arithmetic the matrix products of this process have done: for reports of what training
 * reached against what the machine can do. Only a count: nothing depends on it.
 *
 * Counted are the calls to CBLAS (sgemm, ssyrk, strsm, strmm), wherever they are made: the linker
 * hands them to operations.c first (--wrap in the Makefile), which adds the operations of their
 * definitions and passes them on. Vector kernels and LAPACK's own are not counted. Thread-safe. */
#ifndef OD_MATH_OPERATIONS_H
#define OD_MATH_OPERATIONS_H

#include <stdint.h>

/* Floating-point operations since the process began. */
uint64_t od_operations_count(void);

#endif
