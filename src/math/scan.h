/* The best items by inner product, exactly, from one byte a number.
 *
 * An item is a vector of halves and, for the scan, the same vector in whole numbers of 8 bits; a
 * query is a vector of floats. The answer is that of the *float ranking*:
 *
 *   score of item i = od_scan_scores' s[i]: float32, products and sums rounded one by one (nothing
 *   fused), in 16 partial sums, number d to sum d mod 16, then halved: l + (l + 8), l + (l + 4),
 *   l + (l + 2), l + (l + 1). The same bits with every table.
 *   order = od_topk's: higher first, equal ones by lower index, NaN and -INFINITY never.
 *
 * How it is found without looking at every float, and why nothing is lost: scan.c.
 *
 * Everything here is immutable or the caller's; any thread may scan. */
#ifndef OD_MATH_SCAN_H
#define OD_MATH_SCAN_H

#include <stdbool.h>

#include "base/arena.h"
#include "math/kernels.h"

#define OD_SCAN_DIMS  4096 /* most numbers of a vector */
#define OD_SCAN_GROUP 32   /* items computed together */
#define OD_SCAN_QUAD  4    /* numbers of an item side by side: what one dot instruction sums */
#define OD_SCAN_LANES 16   /* partial sums of a score; rows of halves are padded to these */
#define OD_SCAN_ZERO  128  /* the cell of number 0 */
#define OD_SCAN_MOST  31   /* largest number of a query, see scan_kernels.h */

/* What bounds the error of 64 items: the largest of each over them, rounded up. INFINITY where the
 * 8-bit numbers say nothing (an item is not finite). */
struct od_scan_bound {
    float residual; /* |v - center - q / steps| */
    float spread;   /* |v - center| */
};

/* n items of d numbers. Words: 64 items; the last one is filled up with zeros. */
struct od_scan_matrix {
    uint32_t items, dims;
    /* 128 + q, q in [-127, 127]: [2 words][quads][OD_SCAN_GROUP][OD_SCAN_QUAD] */
    const uint8_t *cells;
    const float *steps;                 /* [words] > 0: v = center + q / steps, nearly */
    const float *center;                /* [dims] about the mean of all v */
    const struct od_scan_bound *bounds; /* [words] */
    const uint16_t *rows;               /* [items][width] halves, zeros past dims */
    const uint32_t *item;               /* [items] rising, of a subset: whose row; NULL: its own */
};
/* Sizes, in elements. */
size_t od_scan_words(uint32_t items);
size_t od_scan_quads(uint32_t dims);
size_t od_scan_width(uint32_t dims);
size_t od_scan_cells(uint32_t items, uint32_t dims);

/* Everything but rows, computed from them. Arrays from malloc; _done frees them, never rows. Same
 * input, same bytes. */
struct od_scan_made {
    uint8_t *cells;
    float *steps, *center;
    struct od_scan_bound *bounds;
};
enum od_status od_scan_make(const uint16_t *rows, uint32_t items, uint32_t dims,
                            struct od_scan_made *out) OD_MUST_USE;
void od_scan_made_done(struct od_scan_made *made);
struct od_scan_matrix od_scan_view(const struct od_scan_made *made, const uint16_t *rows,
                                   uint32_t items, uint32_t dims);
/* Whether bounds, steps and center are numbers that can be such; a matrix from strangers must
 * pass. */
bool od_scan_valid(const struct od_scan_matrix *matrix);

/* Some items of a matrix as a matrix of their own, whose rows and center it shares: a scan of it
 * reads nothing of the others. Made a few words at a time; then immutable. */
struct od_scan_subset {
    struct od_scan_matrix matrix;
    struct od_scan_made made;
    uint32_t *item;
    size_t words; /* that are made */
};
/* What count items take. */
size_t od_scan_subset_bytes(uint32_t count, uint32_t dims);
/* Of the items whose bits are set in keep and (unless NULL) with. NULL: no memory. */
struct od_scan_subset *od_scan_subset_new(const struct od_scan_matrix *of, const uint64_t *keep,
                                          const uint64_t *with);
/* Makes so many words more; true when it is whole and can be scanned. */
bool od_scan_subset_grow(struct od_scan_subset *subset, size_t words);
void od_scan_subset_free(struct od_scan_subset *subset);

struct od_scan_kernels; /* scan_kernels.h */
/* The widest table this CPU runs; asks the CPU, keeps no state. */
const struct od_scan_kernels *od_scan_kernels_best(void);

/* s[items] := the float scores of all items of a matrix that is no subset. */
void od_scan_scores(const struct od_scan_kernels *kernels, const struct od_scan_matrix *matrix,
                    const float *vector, float *s);

struct od_scan_query {
    const float *vector;  /* [dims], any numbers */
    const uint64_t *keep; /* bitmap of the candidates (bits past the last item are 0), of a subset's
                           * by their place in it; NULL: all */
    uint32_t k;
    uint32_t *out;  /* room for min(k, items): the best, best first; of a subset whose rows */
    uint32_t found; /* how many */
};
/* Answers all queries in one pass over the items, a stretch that fits the cache at a time. Each
 * answer is what it would be alone. Scratch: 4 KiB and about 40 k bytes a query, freed by the
 * caller. */
enum od_status od_scan_best(const struct od_scan_kernels *kernels,
                            const struct od_scan_matrix *matrix, struct od_scan_query *queries,
                            size_t count, struct od_arena *scratch) OD_MUST_USE;

#endif
