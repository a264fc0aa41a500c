/* Memory of big matrices: see matrix.h. Anonymous mappings come zeroed and lazily, so a matrix
 * costs memory only where it is touched. */
#include "math/matrix.h"

#include <sys/mman.h>

static size_t leading(size_t columns)
{
    size_t ld = (columns + 15) / 16 * 16;
    return ld % 256 == 0 && ld > 256 ? ld + 16 : ld;
}

uint64_t od_matrix_bytes(size_t rows, size_t columns)
{
    uint64_t bytes;
    if (columns > SIZE_MAX / 8 ||
        __builtin_mul_overflow((uint64_t)rows, (uint64_t)leading(columns), &bytes) ||
        __builtin_mul_overflow(bytes, sizeof(float), &bytes))
        return UINT64_MAX;
    return bytes;
}

void *od_pages_new(uint64_t bytes)
{
    if (bytes == 0 || bytes > SIZE_MAX / 2)
        return NULL;
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED)
        return NULL;
    if (bytes >= 4u << 20)
        (void)madvise(p, bytes, MADV_HUGEPAGE); /* advice: without it only speed is lost */
    return p;
}

void od_pages_free(void *pages, uint64_t bytes)
{
    if (pages)
        (void)munmap(pages, bytes);
}

struct od_matrix od_matrix_new(size_t rows, size_t columns)
{
    struct od_matrix m = {0};
    void *p = od_pages_new(od_matrix_bytes(rows, columns));
    if (p)
        m = (struct od_matrix){p, rows, columns, leading(columns)};
    return m;
}

void od_matrix_free(struct od_matrix *matrix)
{
    od_pages_free(matrix->at, od_matrix_bytes(matrix->rows, matrix->columns));
    *matrix = (struct od_matrix){0};
}
