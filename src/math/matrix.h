/* Big row-major float matrices: memory in huge pages where the kernel gives them, because the
 * solver and the Gram matrix walk gigabytes and would otherwise wait for page tables.
 *
 * Owner: the caller, from new to free. ld is the distance of rows in floats: a multiple of 16, and
 * never of 256, so that tiles of one column do not fall into the same cache sets. */
#ifndef OD_MATH_MATRIX_H
#define OD_MATH_MATRIX_H

#include <stddef.h>
#include <stdint.h>

struct od_matrix {
    float *at; /* at[row * ld + column] */
    size_t rows, columns, ld;
};

/* Zeroed memory as matrices have theirs, for what is written all over: zeroed memory of the
 * allocator would fault twice a page, and the second fault stops the other cores. NULL when out of
 * memory or for no bytes; free with the same number of bytes. */
void *od_pages_new(uint64_t bytes);
void od_pages_free(void *pages, uint64_t bytes); /* NULL is allowed */

/* Bytes that od_matrix_new would take; UINT64_MAX when that does not fit. */
uint64_t od_matrix_bytes(size_t rows, size_t columns);
/* Zeroed. at is NULL when out of memory. */
struct od_matrix od_matrix_new(size_t rows, size_t columns);
void od_matrix_free(struct od_matrix *matrix); /* also of a zeroed struct; empties it */

#endif
