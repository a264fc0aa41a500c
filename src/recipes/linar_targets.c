/* C in sparse form, one item at a time: what followed it, how soon, with what weight.
 *
 * Where every item's successors are few (shops), C is a per cent full and the sparse route of
 * linar_solve.c needs it so; it is also all that is known about items outside the joint solution.
 * Each thread keeps one accumulator over all items and clears only what it touched; an item's sums
 * for all kernels lie together, for they are what is waited for. Columns beyond most_columns are
 * the lightest by summed weight (ties: higher codes go first). */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/linar_gram.h"

enum {
    TOTAL = OD_LINAR_KERNELS, /* of a line, behind the sums of the kernels */
    LINE,
    WORD = 64, /* bits */
    AHEAD = 4  /* occurrences whose memory is asked for */
};
_Static_assert(LINE == 4, "a line that begins at a multiple of 16 bytes lies in one cache line");

struct scratch {
    float *sum;      /* [items] lines, zero between items */
    uint64_t *bits;  /* of columns in use, none between items */
    uint64_t *marks; /* of words of bits that have some */
    uint32_t *used;  /* [items] columns in use */
    float *weight;   /* [items] of these */
    uint64_t *top;   /* for od_topk */
    void *memory;
};

struct targets_job {
    const struct od_linar_problem *problem;
    const struct od_kernels *vector;
    struct od_linar_sparse *rows;
    struct scratch *scratch; /* [threads], each made by its thread */
    uint32_t most, reach;    /* the furthest of a kernel */
    bool tail_only;
    pthread_t owner;
};

static bool scratch_open(struct scratch *s, uint32_t items, uint32_t most)
{
    if (s->memory)
        return true;
    size_t top = od_topk_scratch(most), words = od_bitmap_words(items);
    size_t marks = od_bitmap_words(words);
    s->memory = calloc(1, (top + words + marks) * 8 + (size_t)items * (LINE + 2) * 4);
    if (!s->memory)
        return false;
    s->sum = s->memory; /* at a multiple of 16 bytes, as all memory begins */
    s->bits = (uint64_t *)(void *)(s->sum + (size_t)items * LINE);
    s->marks = s->bits + words;
    s->top = s->marks + marks;
    s->weight = (float *)(void *)(s->top + top);
    s->used = (uint32_t *)(void *)(s->weight + items);
    return true;
}

static void use(struct scratch *s, uint32_t column)
{
    od_bitmap_set(s->bits, column);
    od_bitmap_set(s->marks, column / WORD);
}

/* Adds up what follows position p. */
static void collect(const struct od_linar_problem *problem, struct scratch *s, uint64_t p,
                    struct od_linar_sparse *row)
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
            float *line = s->sum + (size_t)to * LINE;
            if (line[TOTAL] == 0)
                use(s, to);
            line[a] += w;
            line[TOTAL] += w;
            row->mass[a] += (double)(e->weight[p + d] * k->power[a][d]);
        }
    }
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

/* The columns in use, in order of their codes, and their weights; none is in use afterwards.
 * Returns how many. */
static uint32_t list(struct scratch *s, uint32_t items)
{
    uint32_t count = 0;
    for (uint32_t m = 0; m < od_bitmap_words(od_bitmap_words(items)); m++)
        for (; s->marks[m]; s->marks[m] &= s->marks[m] - 1) {
            uint32_t word = m * WORD + (uint32_t)__builtin_ctzll(s->marks[m]);
            for (; s->bits[word]; s->bits[word] &= s->bits[word] - 1)
                s->used[count++] = word * WORD + (uint32_t)__builtin_ctzll(s->bits[word]);
        }
    for (uint32_t i = 0; i < count; i++)
        s->weight[i] = s->sum[(size_t)s->used[i] * LINE + TOTAL];
    return count;
}

/* Keeps the heaviest of the columns in use. */
static uint32_t lighten(const struct targets_job *job, struct scratch *s)
{
    uint32_t count = list(s, job->problem->events->item_count), put = 0;
    float least;
    if (count <= job->most)
        return count;
    size_t equal = od_topk_cut(job->vector, s->weight, count, job->most, s->top, &least);
    for (uint32_t i = 0; i < count; i++)
        if (s->weight[i] > least || (s->weight[i] >= least && equal > 0 && equal--))
            s->used[put++] = s->used[i];
        else
            memset(s->sum + (size_t)s->used[i] * LINE, 0, LINE * sizeof *s->sum);
    return put;
}

static enum od_status take(const struct targets_job *job, struct scratch *s,
                           struct od_linar_sparse *row)
{
    uint32_t kernels = job->problem->kernels->count, n = lighten(job, s);
    row->column = malloc((n ? n : 1) * sizeof *row->column);
    row->value = malloc((n ? n : 1) * kernels * sizeof *row->value);
    if (!row->column || !row->value)
        return OD_NO_MEMORY;
    row->count = n;
    memcpy(row->column, s->used, n * sizeof *row->column);
    for (uint32_t i = 0; i < n; i++) {
        float *line = s->sum + (size_t)s->used[i] * LINE;
        for (uint32_t a = 0; a < kernels; a++)
            row->value[(size_t)a * n + i] = line[a];
        memset(line, 0, LINE * sizeof *line);
    }
    return OD_OK;
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
    for (uint64_t i = e->at_start[item], end = e->at_start[item + 1]; i < end; i++) {
        if (i + 2 * AHEAD < end)
            __builtin_prefetch(e->left + e->at[i + 2 * AHEAD]);
        if (i + AHEAD < end)
            od_linar_fetch(problem, e->item, e->at[i + AHEAD], job->reach);
        collect(problem, s, e->at[i], row);
        own_block(problem, e->at[i], row);
    }
    enum od_status st = take(job, s, row);
    if (st == OD_OK && problem->work->tick && pthread_equal(pthread_self(), job->owner))
        return problem->work->tick(problem->work->context, (double)item / e->item_count);
    return st;
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
                              .reach = od_linar_furthest(problem->kernels),
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
    double total = 0, *sum = calloc((size_t)events->item_count + 1, sizeof *sum);
    if (!sum)
        return -1;
    for (uint64_t p = 0; p < events->count; p++)
        if (events->weight[p] > 0) {
            sum[events->item[p + 1]] += (double)events->weight[p];
            total += (double)events->weight[p];
        }
    for (uint32_t i = 0; i < events->item_count; i++)
        out[i] = (float)sum[i];
    free(sum);
    return total;
}
