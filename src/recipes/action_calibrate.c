/* Probabilities that mean what they say. See action.h.
 *
 * Isotonic regression keeps the order of a model's probabilities and learns nothing else but their
 * size (Zadrozny, Elkan, KDD 2002). Its steps are drawn as a line through the middle of each block,
 * so that the order within a block survives. With few rows a line in the logit has less to learn
 * (Platt, 1999). */
#include <math.h>
#include <stdlib.h>

#include "recipes/action.h"
#include "recipes/glm.h"

#define ISOTONIC_ROWS 1000
#define PLATT_ROWS    30
#define CLASS_ROWS    10   /* of the rarer outcome */
#define BLOCK_ROWS    10.0 /* weight of a block of its own; smaller ones are noise */
#define LOGIT_MOST    15.0

struct block {
    double sum, weight, place; /* of y, and of the probability */
    size_t count;
};

enum od_status od_isotonic(const double *y, const double *weight, size_t count, double *fitted)
{
    struct block *blocks = malloc((count + 1) * sizeof *blocks);
    if (!blocks)
        return OD_NO_MEMORY;
    size_t n = 0;
    for (size_t i = 0; i < count; i++) {
        blocks[n++] = (struct block){.sum = y[i] * weight[i], .weight = weight[i], .count = 1};
        while (n > 1 && blocks[n - 2].sum * blocks[n - 1].weight >=
                            blocks[n - 1].sum * blocks[n - 2].weight) {
            blocks[n - 2].sum += blocks[n - 1].sum;
            blocks[n - 2].weight += blocks[n - 1].weight;
            blocks[n - 2].count += blocks[n - 1].count;
            n--;
        }
    }
    for (size_t b = 0, i = 0; b < n; b++)
        for (size_t k = 0; k < blocks[b].count; k++)
            fitted[i++] = blocks[b].sum / blocks[b].weight;
    free(blocks);
    return OD_OK;
}

void od_action_calibration_none(struct od_action_calibration *out)
{
    *out = (struct od_action_calibration){.count = 2, .x = {0, 1}, .y = {0, 1}};
}

double od_action_calibrate(const struct od_action_calibration *c, double p)
{
    uint32_t k = 1;
    while (k + 1 < c->count && p > (double)c->x[k])
        k++;
    double x0 = (double)c->x[k - 1], x1 = (double)c->x[k];
    double y0 = (double)c->y[k - 1], y1 = (double)c->y[k];
    double share = x1 > x0 ? (p - x0) / (x1 - x0) : 1;
    return y0 + (y1 - y0) * fmin(fmax(share, 0), 1);
}

/* --- isotonic --- */

struct point {
    double p, y, w;
};

static int compare_points(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? -1 : 1;
    if (x->y != y->y) /* falling, so that equal probabilities end in one block */
        return x->y > y->y ? -1 : 1;
    return (x->w > y->w) - (x->w < y->w);
}

static void add_knot(struct od_action_calibration *c, double x, double y)
{
    float fx = (float)x, fy = (float)y;
    if (fx > c->x[c->count - 1] && fy >= c->y[c->count - 1] && fx < 1 && fy <= 1) {
        c->x[c->count] = fx;
        c->y[c->count++] = fy;
    }
}

/* Blocks of equal fitted value become knots at their middle; small ones, and those for which there
 * is no room, join the next. */
static void make_knots(const struct point *points, const double *fitted, size_t count,
                       struct od_action_calibration *out)
{
    double all = 0;
    for (size_t i = 0; i < count; i++)
        all += points[i].w;
    double least = fmax(BLOCK_ROWS, all / (OD_ACTION_KNOTS - 3));
    struct block block = {0};
    *out = (struct od_action_calibration){.count = 1};
    for (size_t i = 0; i < count; i++) {
        block.sum += points[i].y * points[i].w;
        block.place += points[i].p * points[i].w;
        block.weight += points[i].w;
        bool ends = i + 1 == count || fitted[i + 1] > fitted[i];
        if (!ends || block.weight < least || out->count > OD_ACTION_KNOTS - 2)
            continue;
        /* half an event either way keeps certainty out */
        add_knot(out, block.place / block.weight, (block.sum + 0.5) / (block.weight + 1));
        block = (struct block){0};
    }
    out->x[out->count] = out->y[out->count] = 1;
    out->count++;
}

static enum od_status fit_isotonic(const double *p, const float *taken, const float *weight,
                                   size_t count, struct od_action_calibration *out)
{
    struct point *points = malloc(count * sizeof *points);
    double *work = calloc(3 * count, sizeof *work);
    if (!points || !work) {
        free(points);
        free(work);
        return OD_NO_MEMORY;
    }
    double *y = work, *w = y + count, *fitted = w + count;
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (weight[i] > 0)
            points[n++] = (struct point){p[i], (double)taken[i], (double)weight[i]};
    qsort(points, n, sizeof *points, compare_points);
    for (size_t i = 0; i < n; i++) {
        y[i] = points[i].y;
        w[i] = points[i].w;
    }
    enum od_status s = od_isotonic(y, w, n, fitted);
    if (s == OD_OK)
        make_knots(points, fitted, n, out);
    free(points);
    free(work);
    return s;
}

/* --- Platt --- */

static double logit(double p)
{
    return fmin(fmax(log(p / (1 - p)), -LOGIT_MOST), LOGIT_MOST);
}

static enum od_status fit_platt(const double *p, const float *taken, const float *weight,
                                size_t count, struct od_action_calibration *out)
{
    float *x = malloc(2 * count * sizeof *x);
    double beta[] = {0, 1}, ridge[] = {1, 1}, prior[] = {0, 1};
    if (!x)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < count; i++) {
        x[2 * i] = 1;
        x[2 * i + 1] = (float)logit(p[i]);
    }
    struct od_glm glm = {.link = OD_GLM_LOGISTIC,
                         .count = count,
                         .width = 2,
                         .x = x,
                         .stride = 2,
                         .y = taken,
                         .weight = weight,
                         .ridge = ridge,
                         .prior = prior,
                         .threads = 1};
    enum od_status s = od_glm_fit(&glm, beta, NULL);
    free(x);
    *out = (struct od_action_calibration){.count = 1};
    for (int k = 1; k < OD_ACTION_KNOTS - 1; k++) {
        double at = (double)k / (OD_ACTION_KNOTS - 1);
        add_knot(out, at, 1 / (1 + exp(-(beta[0] + fmax(beta[1], 0.01) * logit(at)))));
    }
    out->x[out->count] = out->y[out->count] = 1;
    out->count++;
    return s;
}

enum od_status od_action_calibration_fit(const double *probability, const float *taken,
                                         const float *weight, size_t count,
                                         struct od_action_calibration *out)
{
    double yes = 0, all = 0;
    for (size_t i = 0; i < count; i++) {
        yes += (double)(taken[i] * weight[i]);
        all += (double)weight[i];
    }
    od_action_calibration_none(out);
    if (all < PLATT_ROWS || yes < CLASS_ROWS || all - yes < CLASS_ROWS)
        return OD_OK;
    return all < ISOTONIC_ROWS ? fit_platt(probability, taken, weight, count, out)
                               : fit_isotonic(probability, taken, weight, count, out);
}
