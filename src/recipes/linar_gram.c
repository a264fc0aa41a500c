/* The fast Gram matrix.
 *
 * Adding h h' at every prediction costs (entries of h)^2 each. Instead every pair of positions
 * p <= q of a user, q - p = d < reach_a, is visited once: the predictions t that see kernel a of
 * the event at p and kernel b of the event at q are t = q .. q + m - 1 with
 * m = min(reach_a - d, reach_b, predictions left), so the pair adds
 *     sum over t of w_t gamma_a^(t-p) gamma_b^(t-q)
 *   = gamma_a^d (S_ab(q) - (gamma_a gamma_b)^m S_ab(q + m))
 * at ((x_p, a), (x_q, b)), with S the suffix sums of linar_gram.h (the last term is absent when
 * the history ends before q + m). For equal weights this is the geometric sum; a test compares it
 * with the naive one. Cost: reach * K^2 additions an event, whatever the kernels' lengths.
 *
 * Work goes by item, not by user: row (i, a) collects from all positions p of item i, so its K
 * rows stay in the cache while they are filled, no two threads share a row, and the order of
 * additions is fixed. That fills A with the pairs p <= q as (row of p, column of q); pairs p = q
 * count half, and G = A + A'. */
#include "recipes/linar_gram.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"

void od_linar_kernels_init(struct od_linar_kernels *out, const float *gamma, uint32_t count,
                           uint32_t window, float horizon)
{
    *out = (struct od_linar_kernels){.count = count};
    if (window > OD_LINAR_REACH)
        window = OD_LINAR_REACH;
    for (uint32_t k = 0; k < count; k++) {
        double power = 1, aim = 0;
        out->gamma[k] = gamma[k];
        for (uint32_t d = 0; d <= OD_LINAR_REACH; d++, power *= (double)gamma[k]) {
            aim = aim * (double)horizon + power;
            out->power[k][d] = (float)power;
            out->aim[k][d] = (float)((1 - (double)horizon) * aim);
        }
        uint32_t reach = 1;
        while (reach < window && (double)out->power[k][reach] >= OD_LINAR_NEGLIGIBLE)
            reach++;
        out->reach[k] = reach;
    }
}

size_t od_linar_features(const struct od_linar_problem *problem)
{
    return (size_t)problem->head->count * problem->kernels->count + 1;
}

/* --- suffix sums --- */

struct sums_job {
    const struct od_linar_events *events;
    const struct od_linar_kernels *kernels;
    struct od_linar_sums *out;
};

/* Part index is plane (a, b), a <= b, in row order. */
static enum od_status fill_plane(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct sums_job *job = context;
    uint32_t a = 0, b = 0;
    for (size_t i = 0; i < index; i++)
        if (++b == job->kernels->count)
            b = ++a;
    float ratio = job->kernels->gamma[a] * job->kernels->gamma[b], *plane = job->out->plane[a][b];
    const struct od_linar_events *e = job->events;
    double sum = 0;
    for (uint64_t q = e->count; q-- > 0;) {
        sum = e->left[q] == 0 ? 0 : (double)e->weight[q] + (double)ratio * sum;
        plane[q] = (float)sum;
    }
    return OD_OK;
}

enum od_status od_linar_sums_init(struct od_linar_sums *out, const struct od_linar_events *events,
                                  const struct od_linar_kernels *kernels,
                                  const struct od_work *work, struct od_error *err)
{
    *out = (struct od_linar_sums){0};
    size_t planes = (size_t)kernels->count * (kernels->count + 1) / 2;
    out->memory = malloc((events->count ? events->count : 1) * planes * sizeof(float));
    if (!out->memory)
        return od_fail(err, OD_NO_MEMORY, NULL);
    float *next = out->memory;
    for (uint32_t a = 0; a < kernels->count; a++)
        for (uint32_t b = a; b < kernels->count; b++, next += events->count)
            out->plane[a][b] = out->plane[b][a] = next;
    struct sums_job job = {events, kernels, out};
    return od_parallel(work->threads, planes, fill_plane, &job);
}

void od_linar_sums_done(struct od_linar_sums *sums)
{
    free(sums->memory);
    *sums = (struct od_linar_sums){0};
}

/* --- pairs --- */

float od_linar_pair(const struct od_linar_problem *problem, uint32_t a, uint32_t b, uint64_t p,
                    uint32_t d)
{
    const struct od_linar_kernels *k = problem->kernels;
    const float *s = problem->sums->plane[a][b];
    uint64_t q = p + d;
    uint32_t m = k->reach[a] - d < k->reach[b] ? k->reach[a] - d : k->reach[b];
    float sum = s[q];
    if (m < problem->events->left[q])
        sum -= k->power[a][m] * k->power[b][m] * s[q + m];
    return k->power[a][d] * sum;
}

/* Adds kernel a's pairs (p, q >= p) to row a of item x_p; columns of head items alone. The sums of
 * od_linar_pair, written so that the inner loop has no branch on the reach: below `even` kernel b
 * ends first (m = reach_b), from there on kernel a does and q + m = p + reach_a stays. */
static void add_pairs(const struct od_linar_problem *problem, const uint32_t *column, uint32_t a,
                      uint64_t p, float *row)
{
    const struct od_linar_kernels *k = problem->kernels;
    uint32_t left = problem->events->left[p], reach_a = k->reach[a];
    uint32_t reach = reach_a < left ? reach_a : left;
    const float *power = k->power[a];
    for (uint32_t b = 0; b < k->count; b++) {
        const float *s = problem->sums->plane[a][b] + p;
        uint32_t even = reach_a > k->reach[b] ? reach_a - k->reach[b] : 0, d = 0;
        uint32_t full = left > k->reach[b] ? left - k->reach[b] : 0; /* below: q + m exists */
        if (even > reach)
            even = reach;
        if (full > even)
            full = even;
        float lost = power[k->reach[b]] * k->power[b][k->reach[b]];
        for (; d < full; d++)
            if (column[p + d] != OD_NO_CODE)
                row[column[p + d] + b] += power[d] * (s[d] - lost * s[d + k->reach[b]]);
        for (; d < even; d++)
            if (column[p + d] != OD_NO_CODE)
                row[column[p + d] + b] += power[d] * s[d];
        float end = left > reach_a ? power[reach_a] * s[reach_a] : 0;
        for (; d < reach; d++)
            if (column[p + d] != OD_NO_CODE)
                row[column[p + d] + b] += power[d] * s[d] - end * k->power[b][reach_a - d];
        if (column[p] != OD_NO_CODE) /* the pair of p with itself counts half */
            row[column[p] + b] -= .5f * od_linar_pair(problem, a, b, p, 0);
    }
}

struct gram_job {
    const struct od_linar_problem *problem;
    struct od_matrix *g, *c;
    uint32_t *column; /* [events] first feature of the position's item, OD_NO_CODE for tail */
    pthread_t owner;
};

/* Adds what follows position p to the item's row a of C; returns the weight of it all. */
static double add_targets(const struct gram_job *job, uint32_t a, uint64_t p, float *c)
{
    const struct od_linar_events *e = job->problem->events;
    const struct od_linar_kernels *k = job->problem->kernels;
    uint32_t reach = k->reach[a] < e->left[p] ? k->reach[a] : e->left[p];
    double mass = 0;
    for (uint32_t d = 0; d < reach; d++) {
        float w = e->weight[p + d];
        mass += (double)(w * k->power[a][d]);
        if (c && w > 0)
            c[e->item[p + d + 1]] += w * k->aim[a][d];
    }
    return mass;
}

uint32_t od_linar_furthest(const struct od_linar_kernels *kernels)
{
    uint32_t reach = 0;
    for (uint32_t a = 0; a < kernels->count; a++)
        reach = kernels->reach[a] > reach ? kernels->reach[a] : reach;
    return reach;
}

void od_linar_fetch(const struct od_linar_problem *problem, const uint32_t *beside, uint64_t p,
                    uint32_t reach)
{
    const struct od_linar_events *e = problem->events;
    uint32_t steps = e->left[p] < reach ? e->left[p] : reach;
    for (uint32_t d = 0; d <= steps; d += 16) {
        __builtin_prefetch(beside + p + d);
        __builtin_prefetch(e->weight + p + d);
        for (uint32_t a = 0; a < problem->kernels->count; a++)
            for (uint32_t b = a; b < problem->kernels->count; b++)
                __builtin_prefetch(problem->sums->plane[a][b] + p + d);
    }
}

/* Sums of many occurrences: what single precision has gathered is moved here before it is too large
 * to take in more. */
enum { MOVED_AFTER = 1 << 12 /* occurrences: roundings all in one direction take 6e-5 by then */ };
struct wide {
    double *sum; /* [kernels][g->columns + c->columns] */
    uint64_t moved;
};

/* Moves the item's rows into wide, or back out of it. */
static void move_rows(const struct gram_job *job, size_t index, struct wide *wide, bool back)
{
    double *to = wide->sum;
    for (uint32_t a = 0; a < job->problem->kernels->count; a++) {
        size_t row = index * job->problem->kernels->count + a;
        struct od_matrix *const matrix[2] = {job->g, job->c};
        for (size_t m = 0; m < 2; m++) {
            float *from = matrix[m]->at ? matrix[m]->at + row * matrix[m]->ld : NULL;
            for (size_t i = 0; from && i < matrix[m]->columns; i++, to++) {
                double sum = *to + (double)from[i];
                *to = back ? 0 : sum;
                from[i] = back ? (float)sum : 0;
            }
        }
    }
}

/* Rows of one head item. */
static enum od_status fill_rows(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct gram_job *job = context;
    const struct od_linar_problem *problem = job->problem;
    const struct od_linar_events *e = problem->events;
    const struct od_linar_kernels *k = problem->kernels;
    uint32_t item = problem->head->item[index], reach = od_linar_furthest(k);
    double mass[OD_LINAR_KERNELS] = {0};
    struct wide wide = {0};
    if (e->at_start[item + 1] - e->at_start[item] > MOVED_AFTER) {
        size_t row = job->g->columns + (job->c->at ? job->c->columns : 0);
        wide.sum = calloc(row * k->count, sizeof *wide.sum);
        if (!wide.sum)
            return OD_NO_MEMORY;
    }
    for (uint64_t i = e->at_start[item]; i < e->at_start[item + 1]; i++) {
        if (wide.sum && i - e->at_start[item] >= wide.moved + MOVED_AFTER) {
            move_rows(job, index, &wide, false);
            wide.moved += MOVED_AFTER;
        }
        if (i + 1 < e->at_start[item + 1])
            od_linar_fetch(problem, job->column, e->at[i + 1], reach);
        for (uint32_t a = 0; a < k->count; a++) {
            size_t row = index * k->count + a;
            add_pairs(problem, job->column, a, e->at[i], job->g->at + row * job->g->ld);
            mass[a] +=
                add_targets(job, a, e->at[i], job->c->at ? job->c->at + row * job->c->ld : NULL);
        }
    }
    if (wide.sum)
        move_rows(job, index, &wide, true);
    free(wide.sum);
    for (uint32_t a = 0; a < k->count; a++)
        job->g->at[(index * k->count + a) * job->g->ld + job->g->rows - 1] = (float)mass[a];
    if (problem->work->tick && pthread_equal(pthread_self(), job->owner))
        return problem->work->tick(problem->work->context,
                                   (double)index / (double)problem->head->count);
    return OD_OK;
}

/* G = A + A' in the upper triangle, 32 x 32 blocks at a time: a band of 32 rows a part. */
static enum od_status fold_band(void *context, size_t index, unsigned thread)
{
    (void)thread;
    enum { SIDE = 32 };
    struct od_matrix *g = ((struct gram_job *)context)->g;
    size_t n = g->rows, ld = g->ld, first = index * SIDE;
    for (size_t j = first; j < n; j += SIDE)
        for (size_t r = first; r < first + SIDE && r < n; r++)
            for (size_t c = j > r ? j : r; c < j + SIDE && c < n; c++)
                g->at[r * ld + c] += g->at[c * ld + r];
    return OD_OK;
}

static enum od_status constant_row(struct gram_job *job)
{
    const struct od_linar_problem *problem = job->problem;
    const struct od_linar_events *e = problem->events;
    size_t last = job->g->rows - 1;
    double total = 0;
    for (uint64_t p = 0; p < e->count; p++)
        total += (double)e->weight[p];
    job->g->at[last * job->g->ld + last] = (float)(total / 2);
    if (!job->c->at)
        return OD_OK;
    double *sum = calloc(job->c->columns + 1, sizeof *sum);
    if (!sum)
        return OD_NO_MEMORY;
    for (uint64_t p = 0; p < e->count; p++)
        if (e->weight[p] > 0)
            sum[e->item[p + 1]] += (double)e->weight[p];
    for (size_t i = 0; i < job->c->columns; i++)
        job->c->at[last * job->c->ld + i] = (float)sum[i];
    free(sum);
    return OD_OK;
}

enum od_status od_linar_gram(const struct od_linar_problem *problem, struct od_matrix *g,
                             struct od_matrix *c, struct od_error *err)
{
    const struct od_linar_events *e = problem->events;
    struct gram_job job = {problem, g, c, NULL, pthread_self()};
    job.column = malloc((e->count ? e->count : 1) * sizeof *job.column);
    if (!job.column)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t p = 0; p < e->count; p++) {
        uint32_t item = e->item[p], head = item == OD_NO_CODE ? item : problem->head->of[item];
        job.column[p] = head == OD_NO_CODE ? head : head * problem->kernels->count;
    }
    enum od_status st = constant_row(&job);
    if (st == OD_OK)
        st = od_parallel(problem->work->threads, problem->head->count, fill_rows, &job);
    if (st == OD_OK)
        st = od_parallel(problem->work->threads, (g->rows + 31) / 32, fold_band, &job);
    free(job.column);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}
