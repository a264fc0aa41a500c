/* Scoring every item, beside what memory and arithmetic allow.
 *
 * First the two floors of this machine: bytes a second read from an array far larger than the
 * caches, and single-precision multiply-adds a second in registers. Then the loops that scoring
 * spends its time in, on models of believable size. Each reads so many bytes of the model and makes
 * so many multiply-adds for one user, so it can take no less than
 *     max(bytes / bandwidth, operations / peak),
 * the roofline (Williams, Waterman, Patterson, "Roofline: an insightful visual performance model",
 * CACM 2009); "of it" is that time over the measured one. Halves are converted on the way, which
 * the floors do not have to do. What lies in a cache may exceed the floor of memory: small models
 * are told apart. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "floors.inc"
#include "math/topk.h"
#include "recipes/als.h"

enum { DIMS = 128, HISTORY = 50, TOP = 25 };

struct model {
    uint32_t items, entries;
    struct od_als_model factors;
    uint16_t *rectangle; /* [items][items] */
    uint32_t *column;    /* [items][entries], ascending in a row */
    uint16_t *value;
    float *scores; /* [items] of nobody */
};

struct job {
    const struct model *model;
    enum od_status (*one)(const struct model *, struct od_random *, struct od_arena *, float *);
    size_t asked;
    float *sink; /* [asked] */
};

static void *need(size_t bytes)
{
    void *p = malloc(bytes + 64);
    if (p)
        return p;
    fprintf(stderr, "bench: out of memory\n");
    exit(1);
}

/* --- what is scored --- */

static uint32_t any(struct od_random *rng, uint32_t below)
{
    return (uint32_t)od_random_below(rng, below);
}

static enum od_status by_factors(const struct model *m, struct od_random *rng,
                                 struct od_arena *arena, float *scores)
{
    float w[DIMS];
    const uint16_t *row[DIMS];
    (void)arena;
    for (size_t d = 0; d < DIMS; d++)
        w[d] = (float)od_random_double(rng);
    memset(scores, 0, m->items * sizeof *scores);
    const struct od_kernels *vector = od_kernels_best();
    for (size_t i = 0; i < m->items; i += OD_ALS_PANEL) {
        for (size_t d = 0; d < DIMS; d++)
            row[d] = m->factors.panel + i * DIMS + d * OD_ALS_PANEL;
        vector->rows_f16(scores + i, row, w, DIMS,
                         m->items - i < OD_ALS_PANEL ? m->items - i : OD_ALS_PANEL);
    }
    return OD_OK;
}

static enum od_status by_rectangle(const struct model *m, struct od_random *rng,
                                   struct od_arena *arena, float *scores)
{
    const uint16_t *row[HISTORY];
    float weight[HISTORY];
    (void)arena;
    for (size_t r = 0; r < HISTORY; r++) {
        row[r] = m->rectangle + (size_t)any(rng, m->items) * m->items;
        weight[r] = (float)od_random_double(rng);
    }
    memset(scores, 0, m->items * sizeof *scores);
    od_kernels_best()->rows_f16(scores, row, weight, HISTORY, m->items);
    return OD_OK;
}

static enum od_status by_sparse_rows(const struct model *m, struct od_random *rng,
                                     struct od_arena *arena, float *scores)
{
    (void)arena;
    memset(scores, 0, m->items * sizeof *scores);
    for (size_t r = 0; r < HISTORY; r++) {
        size_t at = (size_t)any(rng, m->items) * m->entries;
        od_kernels_best()->scatter_f16(scores, m->column + at, m->value + at,
                                       (float)od_random_double(rng), m->entries);
    }
    return OD_OK;
}

static enum od_status best_items(const struct model *m, struct od_random *rng,
                                 struct od_arena *arena, float *scores)
{
    uint32_t best[TOP];
    (void)rng;
    uint64_t *scratch = OD_NEW_ARRAY(arena, uint64_t, od_topk_scratch(TOP));
    if (!scratch)
        return OD_NO_MEMORY;
    size_t n = od_topk(od_kernels_best(), m->scores, m->items, NULL, TOP, scratch, best);
    scores[0] = n ? (float)best[0] : 0;
    return OD_OK;
}

enum { BATCH = 8 };

static enum od_status ask_batch(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct job *job = context;
    struct od_random rng;
    struct od_arena arena;
    float *scores = need(job->model->items * sizeof *scores);
    od_arena_init(&arena, SIZE_MAX);
    od_random_init2(&rng, 1, index);
    enum od_status st = OD_OK;
    for (size_t q = 0; q < BATCH && st == OD_OK; q++) {
        od_arena_reset(&arena);
        st = job->one(job->model, &rng, &arena, scores);
        job->sink[index] += scores[0];
    }
    od_arena_done(&arena);
    free(scores);
    return st;
}

static void measure(const char *what, const struct model *m, struct job job, double bytes,
                    double adds, unsigned threads, const struct floors *floors)
{
    job.model = m;
    job.sink = calloc(job.asked, sizeof *job.sink);
    if (!job.sink)
        exit(1);
    double each = best_of(threads, job.asked, ask_batch, &job) / (double)(job.asked * BATCH);
    double least = bytes / floors->bandwidth > adds / floors->peak ? bytes / floors->bandwidth
                                                                   : adds / floors->peak;
    free(job.sink);
    printf("%-34s %9u %7u %10.1f us %7.1f GB/s %7.1f GFLOP/s %6.0f %%\n", what, m->items, threads,
           each * 1e6, bytes / each * 1e-9, 2 * adds / each * 1e-9, 100 * least / each);
}

/* --- models --- */

static void make_factors(struct model *m, struct od_random *rng)
{
    size_t count = ((size_t)m->items + OD_ALS_PANEL) * DIMS;
    uint16_t *panel = need(count * sizeof *panel);
    for (size_t i = 0; i < count; i++)
        panel[i] = (uint16_t)(0x3000 + any(rng, 0x800)); /* .125 to .5 */
    m->factors = (struct od_als_model){
        .config = {.dims = DIMS}, .items = m->items, .scale = 1, .panel = panel};
    m->scores = need(m->items * sizeof *m->scores);
    for (uint32_t i = 0; i < m->items; i++)
        m->scores[i] = (float)od_random_double(rng);
}

static void make_rectangle(struct model *m, struct od_random *rng)
{
    size_t count = (size_t)m->items * m->items;
    m->rectangle = need(count * sizeof *m->rectangle);
    for (size_t i = 0; i < count; i++)
        m->rectangle[i] = (uint16_t)(0x3000 + any(rng, 0x800));
}

static void make_sparse(struct model *m, struct od_random *rng)
{
    size_t count = (size_t)m->items * m->entries;
    uint32_t step = m->items / m->entries;
    m->column = need(count * sizeof *m->column);
    m->value = need(count * sizeof *m->value);
    for (size_t i = 0; i < count; i++) {
        m->column[i] = (uint32_t)(i % m->entries) * step + any(rng, step);
        m->value[i] = (uint16_t)(0x3000 + any(rng, 0x800));
    }
}

static void done(struct model *m)
{
    free((void *)(uintptr_t)m->factors.panel);
    free(m->rectangle);
    free(m->column);
    free(m->value);
    free(m->scores);
    *m = (struct model){0};
}

static void bench(unsigned threads, const struct floors *floors)
{
    struct od_random rng;
    od_random_init(&rng, 1);
    const uint32_t sizes[] = {10000, 100000, 1000000};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++) {
        struct model m = {.items = sizes[s]};
        double n = m.items;
        make_factors(&m, &rng);
        measure("128 factors", &m, (struct job){.one = by_factors, .asked = s == 2 ? 8 : 64},
                n * DIMS * 2, n * DIMS, threads, floors);
        measure("the best 25 of all scores", &m, (struct job){.one = best_items, .asked = 64},
                n * sizeof(float), 0, threads, floors);
        done(&m);
    }
    struct model m = {.items = 12000};
    make_rectangle(&m, &rng);
    measure("LinAR, whole rows, 50 events", &m, (struct job){.one = by_rectangle, .asked = 64},
            HISTORY * 2.0 * m.items, (double)HISTORY * m.items, threads, floors);
    done(&m);
    m = (struct model){.items = 100000, .entries = 500};
    make_sparse(&m, &rng);
    measure("LinAR, rows of 500, 50 events", &m, (struct job){.one = by_sparse_rows, .asked = 256},
            HISTORY * 6.0 * m.entries + m.items * (double)sizeof(float),
            (double)HISTORY * m.entries, threads, floors);
    done(&m);
}

int main(void)
{
    printf("kernels: %s\n", od_kernels_best()->name);
    unsigned all = od_cpu_count();
    for (unsigned threads = 1; threads <= all; threads += all > 1 ? all - 1 : 1) {
        struct floors floors = measure_floors(threads);
        printf("\n%u thread%s: memory %.1f GB/s, arithmetic %.1f GFLOP/s\n", threads,
               threads == 1 ? "" : "s", floors.bandwidth * 1e-9, 2 * floors.peak * 1e-9);
        printf("%-34s %9s %7s %13s %12s %15s %8s\n", "", "items", "threads", "a user", "read",
               "arithmetic", "of it");
        bench(threads, &floors);
    }
    return 0;
}
