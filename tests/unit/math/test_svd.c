/* The truncated SVD against exact ones: by construction, by one-sided Jacobi, by size. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/svd.h"

struct csr {
    uint64_t *at;
    uint32_t *column;
    float *value;
    struct od_sparse view;
};

/* The non-zeros of a dense matrix. */
static struct csr csr_of(const double *a, uint32_t rows, uint32_t columns)
{
    struct csr m = {malloc((rows + 1) * sizeof *m.at),
                    malloc((rows * columns + 1) * sizeof(uint32_t)),
                    malloc((rows * columns + 1) * sizeof(float)),
                    {0}};
    uint64_t n = 0;
    for (uint32_t r = 0; r < rows; r++) {
        m.at[r] = n;
        for (uint32_t c = 0; c < columns; c++)
            if (a[r * columns + c] != 0) {
                m.column[n] = c;
                m.value[n++] = (float)a[r * columns + c];
            }
    }
    m.at[rows] = n;
    m.view = (struct od_sparse){rows, columns, m.at, m.column, m.value};
    return m;
}

static void csr_free(struct csr *m)
{
    free(m->at);
    free(m->column);
    free(m->value);
}

static struct od_svd solve(const struct csr *m, uint32_t k, unsigned threads)
{
    struct od_work work = {.threads = threads};
    struct od_svd svd;
    od_math_init();
    assert_int_equal(od_svd_sparse(&m->view, k, 5, &work, &svd, NULL), OD_OK);
    return svd;
}

/* Singular values of a dense matrix, falling, by rotating pairs of columns until they are
 * orthogonal (Hestenes 1958). a is overwritten. */
static void jacobi(double *a, uint32_t rows, uint32_t columns, double *sigma)
{
    for (int sweep = 0; sweep < 60; sweep++)
        for (uint32_t p = 0; p < columns; p++)
            for (uint32_t q = p + 1; q < columns; q++) {
                double alpha = 0, beta = 0, gamma = 0;
                for (uint32_t r = 0; r < rows; r++) {
                    double x = a[r * columns + p], y = a[r * columns + q];
                    alpha += x * x;
                    beta += y * y;
                    gamma += x * y;
                }
                if (fabs(gamma) < 1e-14)
                    continue;
                double zeta = (beta - alpha) / (2 * gamma);
                double t = (zeta > 0 ? 1 : -1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
                double c = 1 / sqrt(1 + t * t), s = c * t;
                for (uint32_t r = 0; r < rows; r++) {
                    double x = a[r * columns + p], y = a[r * columns + q];
                    a[r * columns + p] = c * x - s * y;
                    a[r * columns + q] = s * x + c * y;
                }
            }
    for (uint32_t c = 0; c < columns; c++) {
        sigma[c] = 0;
        for (uint32_t r = 0; r < rows; r++)
            sigma[c] += a[r * columns + c] * a[r * columns + c];
        sigma[c] = sqrt(sigma[c]);
    }
    for (uint32_t i = 1; i < columns; i++)
        for (uint32_t j = i; j > 0 && sigma[j] > sigma[j - 1]; j--) {
            double swap = sigma[j];
            sigma[j] = sigma[j - 1];
            sigma[j - 1] = swap;
        }
}

static double *sparse_random(uint32_t rows, uint32_t columns, double density, uint64_t seed)
{
    struct od_random rng;
    od_random_init(&rng, seed);
    double *a = calloc((size_t)rows * columns, sizeof *a);
    for (size_t i = 0; i < (size_t)rows * columns; i++)
        if (od_random_double(&rng) < density)
            a[i] = od_random_normal(&rng) / (1 + (double)(i % columns));
    return a;
}

static void check_orthonormal(const struct od_matrix *m, uint32_t rank)
{
    for (uint32_t a = 0; a < rank; a++)
        for (uint32_t b = a; b < rank; b++) {
            double sum = 0;
            for (size_t r = 0; r < m->rows; r++)
                sum += (double)m->at[r * m->ld + a] * m->at[r * m->ld + b];
            assert_true(fabs(sum - (a == b)) < 2e-5);
        }
}

/* |A - U diag(s) V'|, Frobenius. */
static double rest(const struct csr *m, const struct od_svd *svd)
{
    double square = 0;
    for (uint32_t r = 0; r < m->view.rows; r++) {
        double *row = calloc(m->view.columns, sizeof *row);
        for (uint64_t k = m->at[r]; k < m->at[r + 1]; k++)
            row[m->column[k]] = m->value[k];
        for (uint32_t c = 0; c < m->view.columns; c++) {
            for (uint32_t i = 0; i < svd->rank; i++)
                row[c] -= (double)svd->left.at[r * svd->left.ld + i] * svd->sigma[i] *
                          svd->right.at[c * svd->right.ld + i];
            square += row[c] * row[c];
        }
        free(row);
    }
    return sqrt(square);
}

static void leading_values_are_the_exact_ones(void **state)
{
    (void)state;
    const uint32_t shapes[][3] = {{60, 40, 8}, {40, 60, 8}, {33, 7, 7}, {200, 50, 20}, {5, 90, 3}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint32_t rows = shapes[i][0], columns = shapes[i][1], k = shapes[i][2];
        double *a = sparse_random(rows, columns, 0.3, i + 1), sigma[90] = {0};
        struct csr m = csr_of(a, rows, columns);
        struct od_svd svd = solve(&m, k, 1);
        jacobi(a, rows, columns, sigma);
        assert_int_equal(svd.rank, k);
        double tail = 0;
        for (uint32_t c = 0; c < k; c++)
            assert_true(fabs(svd.sigma[c] - sigma[c]) < 1e-4 * sigma[0]);
        for (uint32_t c = k; c < columns; c++)
            tail += sigma[c] * sigma[c];
        check_orthonormal(&svd.left, k);
        check_orthonormal(&svd.right, k);
        /* Eckart, Young: no approximation of rank k has a smaller rest */
        assert_true(rest(&m, &svd) < sqrt(tail) * 1.001 + 1e-4 * sigma[0]);
        od_svd_done(&svd);
        csr_free(&m);
        free(a);
    }
}

static void a_low_rank_is_found(void **state)
{
    (void)state;
    double a[30 * 20];
    for (int r = 0; r < 30; r++)
        for (int c = 0; c < 20; c++)
            a[r * 20 + c] = (r + 1) * 0.1 * (c % 3) + (r % 2) * (c % 5);
    struct csr m = csr_of(a, 30, 20);
    struct od_svd svd = solve(&m, 10, 1);
    assert_int_equal(svd.rank, 2);
    assert_true(rest(&m, &svd) < 1e-3);
    check_orthonormal(&svd.left, 2);
    od_svd_done(&svd);
    csr_free(&m);
}

static void nothing_has_rank_nothing(void **state)
{
    (void)state;
    double zeros[12] = {0};
    const uint32_t shapes[][2] = {{4, 3}, {0, 3}, {3, 0}, {0, 0}};
    for (int i = 0; i < 4; i++) {
        struct csr m = csr_of(zeros, shapes[i][0], shapes[i][1]);
        struct od_svd svd = solve(&m, 2, 1);
        assert_int_equal(svd.rank, 0);
        od_svd_done(&svd);
        csr_free(&m);
    }
    struct csr m = csr_of(zeros, 4, 3);
    struct od_work work = {.threads = 1};
    struct od_svd svd;
    assert_int_equal(od_svd_sparse(&m.view, 0, 1, &work, &svd, NULL), OD_INVALID_INPUT);
    assert_int_equal(od_svd_sparse(&m.view, OD_SVD_MOST + 1, 1, &work, &svd, NULL),
                     OD_INVALID_INPUT);
    csr_free(&m);
}

static void threads_do_not_change_a_byte(void **state)
{
    (void)state;
    double *a = sparse_random(3000, 70, 0.05, 9);
    struct csr m = csr_of(a, 3000, 70);
    struct od_svd one = solve(&m, 12, 1), two = solve(&m, 12, 2);
    assert_int_equal(one.rank, two.rank);
    assert_memory_equal(one.sigma, two.sigma, one.rank * sizeof *one.sigma);
    assert_memory_equal(one.left.at, two.left.at, 3000 * one.left.ld * sizeof(float));
    assert_memory_equal(one.right.at, two.right.at, 70 * one.right.ld * sizeof(float));
    for (uint32_t c = 0; c < one.rank; c++) {
        float largest = 0;
        for (uint32_t r = 0; r < 70; r++)
            if (fabsf(one.right.at[r * one.right.ld + c]) > fabsf(largest))
                largest = one.right.at[r * one.right.ld + c];
        assert_true(largest > 0);
    }
    od_svd_done(&one);
    od_svd_done(&two);
    csr_free(&m);
    free(a);
}

static enum od_status refuse(void *context, double fraction)
{
    (void)context;
    (void)fraction;
    return OD_STOPPED;
}

static void a_stop_is_heard(void **state)
{
    (void)state;
    double a[6] = {1, 2, 3, 4, 5, 7};
    struct csr m = csr_of(a, 2, 3);
    struct od_work work = {.threads = 1, .tick = refuse};
    struct od_svd svd;
    assert_int_equal(od_svd_sparse(&m.view, 1, 1, &work, &svd, NULL), OD_STOPPED);
    csr_free(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(leading_values_are_the_exact_ones),
        cmocka_unit_test(a_low_rank_is_found),
        cmocka_unit_test(nothing_has_rank_nothing),
        cmocka_unit_test(threads_do_not_change_a_byte),
        cmocka_unit_test(a_stop_is_heard),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
