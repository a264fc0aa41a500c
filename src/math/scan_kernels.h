/* The inner loops of a scan, one table per instruction set (scan.h).
 *
 * Whole numbers are the same with every table: a cell c = 128 + q is in [1, 255] and a query's
 * number p in [-31, 31], so four products are at most 4 * 255 * 31 = 31,620 < 2^15 and the 16-bit
 * sums that AVX2 makes of them never overflow; a whole vector is at most 4096 * 255 * 31 < 2^25,
 * within 32 bits. (A range twice as wide would halve the query's error; the few items more that
 * must be ranked by floats cost less than the multiplications it would take.) Scores are the same
 * bits with every table because nothing is fused: the files are compiled with -ffp-contract=off. */
#ifndef OD_MATH_SCAN_KERNELS_H
#define OD_MATH_SCAN_KERNELS_H

#include "math/scan.h"

/* A query made ready. */
struct od_scan_ready {
    int8_t *numbers; /* [quads][OD_SCAN_QUAD] p, zeros past dims */
    int32_t zero;    /* 128 sum p: what the cells' 128 adds to a product */
};

/* One query's view of a few words. */
#define OD_SCAN_FEW  16
#define OD_SCAN_PAIR 2 /* queries that a loop may serve from one read of the cells */
struct od_scan_look {
    const struct od_scan_ready *query;
    const uint64_t *keep; /* [words] which items count; NULL: all, fillers of the last word too */
    int32_t least[OD_SCAN_FEW]; /* in [-2^30, 2^30] */
    /* Of the w-th word looked at: the items that count and have p . q >= least[w]; p . q of each of
     * them, the others undefined. */
    uint64_t mask[OD_SCAN_FEW];
    int32_t dots[OD_SCAN_FEW][OD_SCAN_BLOCK];
};

/* Cells to be read after these words: so many bytes of them for each word. */
struct od_scan_next {
    const uint8_t *cells;
    size_t each;
};
/* For each word looked at, by every table. */
void od_scan_fetch(const struct od_scan_next *next, size_t slot);

struct od_scan_kernels {
    const char *name; /* "reference", "avx2", "avx512vnni", "neon", "neon-dot" */
    /* Words [from, end), at most OD_SCAN_FEW, for one query or two; next: a hint. */
    void (*look)(const struct od_scan_matrix *matrix, size_t from, size_t end,
                 struct od_scan_look *looks, size_t count, const struct od_scan_next *next);
    /* s[i] = the float score of row i of `count` rows of `width` halves; u [width]. */
    void (*scores)(const uint16_t *rows, size_t count, size_t width, const float *u, float *s);
};

extern const struct od_scan_kernels od_scan_kernels_reference;
/* NULL on a machine that cannot run them. */
const struct od_scan_kernels *od_scan_kernels_avx2(void);
const struct od_scan_kernels *od_scan_kernels_avx512(void);
const struct od_scan_kernels *od_scan_kernels_neon(void);
const struct od_scan_kernels *od_scan_kernels_neon_dot(void);

#endif
