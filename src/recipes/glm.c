/* Newton's method for the two regressions of glm.h.
 *
 * A step solves H d = -g by Cholesky and is halved until the objective falls. It ends when the
 * Newton decrement, g' H^-1 g / 2, which estimates the distance to the minimum (Boyd and
 * Vandenberghe, Convex Optimization, 9.5.1), is small against the objective. */
#include "recipes/glm.h"

#include <assert.h>
#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "os/parallel.h"

#define PART_ROWS  4096 /* of one accumulator */
#define BLOCK_ROWS 128  /* multiplied at a time: 64 KB at 64 columns */
#define STEPS      50   /* Newton needs 5 to 10; separable data a few more */
#define HALVINGS   30
#define PRECISE    1e-9

/* --- small dense systems --- */

bool od_small_factor(double *a, size_t n)
{
    for (size_t j = 0; j < n; j++) {
        double d = a[j * n + j];
        for (size_t k = 0; k < j; k++)
            d -= a[j * n + k] * a[j * n + k];
        if (!(d > 0) || !isfinite(d))
            return false;
        a[j * n + j] = sqrt(d);
        for (size_t i = j + 1; i < n; i++) {
            double s = a[i * n + j];
            for (size_t k = 0; k < j; k++)
                s -= a[i * n + k] * a[j * n + k];
            a[i * n + j] = s / a[j * n + j];
        }
    }
    return true;
}

void od_small_forward(const double *l, size_t n, double *b)
{
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < i; k++)
            b[i] -= l[i * n + k] * b[k];
        b[i] /= l[i * n + i];
    }
}

void od_small_backward(const double *l, size_t n, double *b)
{
    for (size_t i = n; i-- > 0;) {
        for (size_t k = i + 1; k < n; k++)
            b[i] -= l[k * n + i] * b[k];
        b[i] /= l[i * n + i];
    }
}

/* --- the objective --- */

struct sums {
    const struct od_glm *glm;
    const double *beta;
    bool derive;  /* gradient and Hessian too */
    double *each; /* [parts * stride]: value, gradient, lower triangle of the Hessian */
    size_t stride;
};

static double linear(const float *x, const double *beta, size_t width, double offset)
{
    double eta = offset;
    for (size_t j = 0; j < width; j++)
        eta += (double)x[j] * beta[j];
    return fmin(fmax(eta, -OD_GLM_ETA), OD_GLM_ETA);
}

/* hessian's lower triangle += the waiting rows' products with themselves. */
static void add_squares(const double *block, size_t *waiting, size_t width, double *hessian)
{
    int n = (int)width;
    cblas_dsyrk(CblasRowMajor, CblasLower, CblasTrans, n, (int)*waiting, 1, block, n, 1, hessian,
                n);
    *waiting = 0;
}

static enum od_status sum_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    const struct sums *s = context;
    const struct od_glm *g = s->glm;
    double *value = s->each + part * s->stride, *gradient = value + 1;
    double *hessian = gradient + g->width;
    size_t end = (part + 1) * PART_ROWS < g->count ? (part + 1) * PART_ROWS : g->count;
    double *block = s->derive ? malloc(BLOCK_ROWS * g->width * sizeof *block) : NULL;
    size_t waiting = 0;
    if (s->derive && !block)
        return OD_NO_MEMORY;
    for (size_t r = part * PART_ROWS; r < end; r++) {
        const float *x = g->x + r * g->stride;
        double w = g->weight ? (double)g->weight[r] : 1, y = (double)g->y[r];
        double eta = linear(x, s->beta, g->width, g->offset ? (double)g->offset[r] : 0);
        double e = exp(eta), mean = g->link == OD_GLM_POISSON ? e : e / (1 + e);
        *value += w * ((g->link == OD_GLM_POISSON ? e : log1p(e)) - y * eta);
        if (!s->derive)
            continue;
        double slope = w * (mean - y);
        double root = sqrt(w * (g->link == OD_GLM_POISSON ? mean : mean * (1 - mean)));
        double *scaled = block + waiting++ * g->width;
        for (size_t j = 0; j < g->width; j++) {
            gradient[j] += slope * (double)x[j];
            scaled[j] = root * (double)x[j];
        }
        if (waiting == BLOCK_ROWS || r + 1 == end)
            add_squares(block, &waiting, g->width, hessian);
    }
    free(block);
    return OD_OK;
}

static void add_penalty(const struct od_glm *g, const double *beta, double *value, double *gradient,
                        double *hessian)
{
    for (size_t j = 0; j < g->width; j++) {
        double off = beta[j] - (g->prior ? g->prior[j] : 0);
        *value += 0.5 * g->ridge[j] * off * off;
        if (gradient)
            gradient[j] += g->ridge[j] * off;
        if (hessian)
            hessian[j * g->width + j] += g->ridge[j];
    }
}

static void gather(const struct sums *s, size_t parts, double *gradient, double *hessian)
{
    size_t n = s->glm->width;
    for (size_t p = 0; p < parts; p++) {
        const double *from = s->each + p * s->stride + 1;
        for (size_t j = 0; gradient && j < n; j++)
            gradient[j] += from[j];
        for (size_t j = 0; hessian && j < n * n; j++)
            hessian[j] += from[n + j];
    }
    for (size_t j = 0; hessian && j < n; j++)
        for (size_t k = 0; k < j; k++)
            hessian[k * n + j] = hessian[j * n + k];
}

enum od_status od_glm_value(const struct od_glm *glm, const double *beta, double *out_value,
                            double *gradient, double *hessian)
{
    size_t n = glm->width, parts = (glm->count + PART_ROWS - 1) / PART_ROWS;
    assert(n > 0 && n <= OD_GLM_WIDTH);
    bool derive = gradient || hessian;
    od_math_init();
    struct sums s = {glm, beta, derive, NULL, derive ? 1 + n + n * n : 1};
    s.each = calloc(parts * s.stride + 1, sizeof *s.each);
    if (!s.each)
        return OD_NO_MEMORY;
    enum od_status st = od_parallel(glm->threads, parts, sum_part, &s);
    double value = 0;
    for (size_t p = 0; p < parts; p++)
        value += s.each[p * s.stride];
    if (gradient)
        memset(gradient, 0, n * sizeof *gradient);
    if (hessian)
        memset(hessian, 0, n * n * sizeof *hessian);
    gather(&s, derive ? parts : 0, gradient, hessian);
    free(s.each);
    add_penalty(glm, beta, &value, gradient, hessian);
    *out_value = value;
    return st;
}

/* --- Newton --- */

/* step := -H^-1 g; the result is the decrement. NAN when H is not positive definite. */
static double newton_step(double *h, const double *g, double *step, size_t n)
{
    if (!od_small_factor(h, n))
        return (double)NAN;
    double decrement = 0;
    for (size_t j = 0; j < n; j++)
        step[j] = -g[j];
    od_small_forward(h, n, step);
    for (size_t j = 0; j < n; j++)
        decrement += step[j] * step[j] / 2;
    od_small_backward(h, n, step);
    return decrement;
}

/* Moves beta along step as far as the objective falls; *moved false when it does nowhere. */
static enum od_status descend(const struct od_glm *glm, double *beta, const double *step,
                              double from, double *trial, bool *moved)
{
    double scale = 1, value;
    *moved = false;
    for (int i = 0; i < HALVINGS && !*moved; i++, scale /= 2) {
        for (size_t j = 0; j < glm->width; j++)
            trial[j] = beta[j] + scale * step[j];
        enum od_status s = od_glm_value(glm, trial, &value, NULL, NULL);
        if (s != OD_OK)
            return s;
        *moved = value < from;
    }
    if (*moved)
        memcpy(beta, trial, glm->width * sizeof *beta);
    return OD_OK;
}

enum od_status od_glm_fit(const struct od_glm *glm, double *beta, double *hessian)
{
    size_t n = glm->width;
    double *work = calloc(n * n + 3 * n, sizeof *work);
    if (!work)
        return OD_NO_MEMORY;
    double *h = work, *gradient = h + n * n, *step = gradient + n, *trial = step + n, value;
    enum od_status s = OD_OK;
    bool moved = true;
    for (int i = 0; s == OD_OK && moved && i < STEPS; i++) {
        s = od_glm_value(glm, beta, &value, gradient, h);
        double decrement = s == OD_OK ? newton_step(h, gradient, step, n) : 0;
        moved = decrement > PRECISE * (1 + fabs(value)); /* false for NAN */
        if (s == OD_OK && moved)
            s = descend(glm, beta, step, value, trial, &moved);
    }
    if (s == OD_OK && hessian)
        s = od_glm_value(glm, beta, &value, gradient, hessian);
    free(work);
    return s;
}
