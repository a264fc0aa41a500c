/* The inner loops of the CSV reader, one version an instruction set. Internal to csv_*.c.
 *
 * csv_kernel_ref.c is plain C and the oracle; the others must agree with it on every input. No
 * version reads beyond bytes + len. */
#ifndef OD_DATA_CSV_KERNEL_H
#define OD_DATA_CSV_KERNEL_H

#include <stddef.h>
#include <stdint.h>

#define OD_CSV_INDEX_SLACK 64 /* entries of index that a kernel may write beyond its count */

struct od_csv_kernel {
    const char *name;
    /* Offsets of every , " and \n of bytes, in order; returns how many. index has room for len +
     * OD_CSV_INDEX_SLACK. *out_plain is 0 when a byte is NUL or above 0x7F, else 1. len < 2^32. */
    size_t (*index)(const char *bytes, size_t len, uint32_t *index, int *out_plain);
    uint64_t (*count_newlines)(const char *bytes, size_t len);
};

extern const struct od_csv_kernel od_csv_kernel_ref;
/* Those this machine can run, the best first; NULL behind the last. */
const struct od_csv_kernel *od_csv_kernel(size_t rank);

#endif
