/* C in sparse form, one item at a time: what followed it, how soon, with what weight.
 *
 * Where every item's successors are few (shops), C is a per cent full and the sparse route of
 * linar_solve.c needs it so; it is also all that is known about items outside the joint solution.
 * Each thread keeps one accumulator over all items and clears only what it touched. Columns beyond
 * most_columns are the lightest by summed weight (ties: higher codes go first). */
#include <stdlib.h>
#include <string.h>

#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/linar_gram.h"

struct scratch {
    float *sum[OD_LINAR_KERNELS]; /* [items], zero between items */
    float *total;                 /* [items] */
    uint32_t *touched;            /* [items] columns in use */
    uint64_t *top;                /* for od_topk */
    void *memory;
};

struct targets_job {
    const struct od_linar_problem *problem;
    const struct od_kernels *vector;
    struct od_linar_sparse *rows;
    struct scratch *scratch; /* [threads], each made by its thread */
    uint32_t most;
    bool tail_only;
    pthread_t owner;
};

static bool scratch_open(struct scratch *s, uint32_t items, uint32_t most)
{
    if (s->memory)
        return true;
    size_t top = od_topk_scratch(most);
    size_t bytes = (size_t)items * (OD_LINAR_KERNELS + 2) * 4 + top * 8;
    s->memory = calloc(1, bytes);
    if (!s->memory)
        return false;
    s->top = s->memory;
    float *next = (float *)(void *)(s->top + top);
    for (size_t k = 0; k < OD_LINAR_KERNELS; k++, next += items)
        s->sum[k] = next;
    s->total = next;
    s->touched = (uint32_t *)(void *)(next + items);
    return true;
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The touched columns in order of their codes: sorted, or found by looking at all when many. */
static void order(struct scratch *s, uint32_t touched, uint32_t items)
{
    if (touched < items / 16) {
        qsort(s->touched, touched, sizeof *s->touched, by_code);
        return;
    }
    uint32_t put = 0;
    for (uint32_t c = 0; c < items; c++)
        if (s->total[c] > 0)
            s->touched[put++] = c;
}

/* Adds up what follows position p; returns the number of touched columns. */
static uint32_t collect(const struct od_linar_problem *problem, struct scratch *s, uint64_t p,
                        uint32_t touched, struct od_linar_sparse *row)
{
    const struct od_linar_events *e = problem->events;
    const struct od_linar_kernels *k = problem->kernels;
    for (uint32_t a = 0; a < k->count; a++) {
        uint32_t reach = k->reach[a] < e->left[p] ? k->reach[a] : e->left[p];
        for (uint32_t d = 0; d < reach; d++) {
            float w = e->weight[p + d] * k->aim[a][d];
            uint32_t to = e->item[p + d + 1];
            if (!(w > 0))
                continue;
            if (s->total[to] == 0)
                s->touched[touched++] = to;
            s->sum[a][to] += w;
            s->total[to] += w;
            row->mass[a] += (double)(e->weight[p + d] * k->power[a][d]);
        }
    }
    return touched;
}

/* The item's block of G, both triangles: pairs of its own positions. */
static void own_block(const struct od_linar_problem *problem, uint64_t p,
                      struct od_linar_sparse *row)
{
    const struct od_linar_kernels *k = problem->kernels;
    const struct od_linar_events *e = problem->events;
    uint32_t item = e->item[p];
    for (uint32_t a = 0; a < k->count; a++) {
        uint32_t reach = k->reach[a] < e->left[p] ? k->reach[a] : e->left[p];
        for (uint32_t d = 0; d < reach; d++)
            for (uint32_t b = 0; b < k->count && e->item[p + d] == item; b++) {
                double sum = (double)od_linar_pair(problem, a, b, p, d);
                row->own[a][b] += d ? sum : sum / 2;
                row->own[b][a] += d ? sum : sum / 2;
            }
    }
}

/* Keeps the heaviest of the touched columns, in order of their codes. */
static uint32_t lighten(const struct targets_job *job, struct scratch *s, uint32_t touched)
{
    order(s, touched, job->problem->events->item_count);
    if (touched <= job->most)
        return touched;
    float least;
    size_t equal = od_topk_cut(job->vector, s->total, job->problem->events->item_count, job->most,
                               s->top, &least);
    uint32_t put = 0;
    for (uint32_t i = 0; i < touched; i++) {
        uint32_t c = s->touched[i];
        if (s->total[c] > least || (s->total[c] >= least && equal > 0 && equal--)) {
            s->touched[put++] = c;
            continue;
        }
        s->total[c] = 0;
        for (uint32_t a = 0; a < job->problem->kernels->count; a++)
            s->sum[a][c] = 0;
    }
    return put;
}

static enum od_status one_item(void *context, size_t item, unsigned thread)
{
    struct targets_job *job = context;
    const struct od_linar_problem *problem = job->problem;
    const struct od_linar_events *e = problem->events;
    struct scratch *s = &job->scratch[thread];
    struct od_linar_sparse *row = &job->rows[item];
    if (job->tail_only && problem->head->of[item] != OD_NO_CODE)
        return OD_OK;
    if (!scratch_open(s, e->item_count, job->most))
        return OD_NO_MEMORY;
    uint32_t touched = 0;
    for (uint64_t i = e->at_start[item]; i < e->at_start[item + 1]; i++) {
        touched = collect(problem, s, e->at[i], touched, row);
        own_block(problem, e->at[i], row);
    }
    uint32_t kernels = problem->kernels->count, n = lighten(job, s, touched);
    row->column = malloc((n ? n : 1) * sizeof *row->column);
    row->value = malloc((n ? n : 1) * kernels * sizeof *row->value);
    if (!row->column || !row->value)
        return OD_NO_MEMORY;
    row->count = n;
    memcpy(row->column, s->touched, n * sizeof *row->column);
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t a = 0; a < kernels; a++) {
            row->value[(size_t)a * n + i] = s->sum[a][s->touched[i]];
            s->sum[a][s->touched[i]] = 0;
        }
        s->total[s->touched[i]] = 0;
    }
    if (problem->work->tick && pthread_equal(pthread_self(), job->owner))
        return problem->work->tick(problem->work->context, (double)item / e->item_count);
    return OD_OK;
}

enum od_status od_linar_targets(const struct od_linar_problem *problem, bool tail_only,
                                uint32_t most_columns, struct od_linar_sparse *rows,
                                struct od_error *err)
{
    uint32_t items = problem->events->item_count;
    unsigned threads = problem->work->threads ? problem->work->threads : od_cpu_count();
    uint32_t most = most_columns < items ? most_columns : items;
    struct targets_job job = {.problem = problem,
                              .vector = od_kernels_best(),
                              .rows = rows,
                              .scratch = calloc(threads, sizeof *job.scratch),
                              .most = most ? most : 1,
                              .tail_only = tail_only,
                              .owner = pthread_self()};
    memset(rows, 0, items * sizeof *rows);
    if (!job.scratch)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_parallel(threads, items, one_item, &job);
    for (unsigned t = 0; t < threads; t++)
        free(job.scratch[t].memory);
    free(job.scratch);
    if (st == OD_OK)
        return OD_OK;
    od_linar_sparse_free(rows, items);
    return od_fail(err, st, NULL);
}

void od_linar_sparse_free(struct od_linar_sparse *rows, uint32_t count)
{
    for (uint32_t i = 0; rows && i < count; i++) {
        free(rows[i].column);
        free(rows[i].value);
        rows[i] = (struct od_linar_sparse){0};
    }
}

double od_linar_constant(const struct od_linar_events *events, float *out)
{
    double total = 0;
    memset(out, 0, events->item_count * sizeof *out);
    for (uint64_t p = 0; p < events->count; p++)
        if (events->weight[p] > 0) {
            out[events->item[p + 1]] += events->weight[p];
            total += (double)events->weight[p];
        }
    return total;
}
