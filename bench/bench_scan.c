/* The exact scan of 8-bit vectors (math/scan.h) beside what the machine can do, on one core.
 *
 *   make unit-programs && cc -O2 -std=gnu17 -D_GNU_SOURCE -Isrc bench/bench_scan.c \
 *     -o build/bench_scan build/lib/math.a build/lib/os.a build/lib/base.a -lopenblas -lcrypto -lm
 * \ -lpthread && build/bench_scan
 *
 * A pass reads each item's numbers once, whatever the queries, and multiplies them for each: the
 * floor of a query is the larger of its share of bytes over the memory's bandwidth and of what the
 * bare loop takes on items that lie in a cache. "of it" is that floor over the measured time; what
 * lies in a cache as a whole may be above it. Vectors are normal, of length 1; so are queries; 25
 * results. "floats" scores every item in floats and picks, which is what the scan replaces. */
#include <math.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "floors.inc"
#include "math/scan_kernels.h"
#include "math/topk.h"

enum { DIMS = 64, TOP = 25, BATCH_MOST = 32 };

struct model {
    uint16_t *rows;
    struct od_scan_made made;
    struct od_scan_matrix matrix;
    uint64_t *half;
    float *queries; /* [BATCH_MOST][DIMS] */
};

static void unit(struct od_random *rng, float *out)
{
    double square = 0;
    for (int d = 0; d < DIMS; d++) {
        out[d] = (float)od_random_normal(rng);
        square += (double)out[d] * out[d];
    }
    for (int d = 0; d < DIMS; d++)
        out[d] = (float)(out[d] / sqrt(square));
}

static void make_model(struct model *m, uint32_t items)
{
    struct od_random rng;
    float row[DIMS];
    od_random_init(&rng, 1);
    m->rows = malloc(items * (size_t)DIMS * sizeof *m->rows);
    m->half = calloc(od_bitmap_words(items), sizeof *m->half);
    m->queries = malloc(BATCH_MOST * DIMS * sizeof *m->queries);
    if (!m->rows || !m->half || !m->queries)
        exit(1);
    for (uint32_t i = 0; i < items; i++) {
        unit(&rng, row);
        od_kernels_best()->encode_f16(m->rows + (size_t)i * DIMS, row, DIMS);
        if (od_random_below(&rng, 2))
            od_bitmap_set(m->half, i);
    }
    for (size_t q = 0; q < BATCH_MOST; q++)
        unit(&rng, m->queries + q * DIMS);
    if (od_scan_make(m->rows, items, DIMS, &m->made) != OD_OK)
        exit(1);
    m->matrix = od_scan_view(&m->made, m->rows, items, DIMS);
}

static void done(struct model *m)
{
    od_scan_made_done(&m->made);
    free(m->rows);
    free(m->half);
    free(m->queries);
}

static void scan(const struct model *m, const uint64_t *keep, size_t batch, struct od_arena *arena)
{
    struct od_scan_query queries[BATCH_MOST];
    uint32_t out[BATCH_MOST][TOP];
    for (size_t q = 0; q < batch; q++)
        queries[q] = (struct od_scan_query){
            .vector = m->queries + q * DIMS, .keep = keep, .k = TOP, .out = out[q]};
    if (od_scan_best(od_scan_kernels_best(), &m->matrix, queries, batch, arena) != OD_OK)
        exit(1);
}

static void floats(const struct model *m, const uint64_t *keep, size_t batch,
                   struct od_arena *arena)
{
    float *scores = OD_NEW_ARRAY(arena, float, m->matrix.items);
    uint64_t *scratch = OD_NEW_ARRAY(arena, uint64_t, od_topk_scratch(TOP));
    uint32_t best[TOP];
    if (!scores || !scratch)
        exit(1);
    for (size_t q = 0; q < batch; q++) {
        od_scan_scores(od_scan_kernels_best(), &m->matrix, m->queries + q * DIMS, scores);
        od_topk(od_kernels_best(), scores, m->matrix.items, keep, TOP, scratch, best);
    }
}

/* Seconds an item of the kernel's loop for a pair of queries, items in the second-level cache. */
static double bare_loop(void)
{
    enum { ITEMS = OD_SCAN_FEW * OD_SCAN_BLOCK };
    struct model m;
    struct od_scan_look looks[OD_SCAN_PAIR];
    int8_t numbers[DIMS];
    double best = 1e9;
    make_model(&m, ITEMS);
    for (int d = 0; d < DIMS; d++)
        numbers[d] = (int8_t)(d % (2 * OD_SCAN_MOST + 1) - OD_SCAN_MOST);
    struct od_scan_ready ready = {.numbers = numbers};
    for (size_t n = 0; n < OD_SCAN_PAIR; n++) {
        looks[n] = (struct od_scan_look){.query = &ready};
        for (size_t w = 0; w < OD_SCAN_FEW; w++)
            looks[n].least[w] = 1 << 30;
    }
    for (int round = 0; round < 40000; round++) {
        double began = now_s();
        od_scan_kernels_best()->look(&m.matrix, 0, OD_SCAN_FEW, looks, OD_SCAN_PAIR,
                                     &(struct od_scan_next){NULL, 0});
        double took = now_s() - began;
        best = took < best ? took : best;
    }
    done(&m);
    return best / ITEMS / OD_SCAN_PAIR;
}

struct limits {
    double bandwidth, item; /* bytes a second; seconds an item */
};

static void measure(const struct model *m, const char *what, const uint64_t *keep, size_t batch,
                    double bytes,
                    void (*run)(const struct model *, const uint64_t *, size_t, struct od_arena *),
                    const struct limits *limits)
{
    struct od_arena arena;
    double best = 1e9;
    size_t repeat = 200000000 / (m->matrix.items * batch) + 5;
    od_arena_init(&arena, SIZE_MAX);
    for (size_t r = 0; r < repeat; r++) { /* the best of single runs: others may be interrupted */
        od_arena_reset(&arena);
        double began = now_s();
        run(m, keep, batch, &arena);
        double took = now_s() - began;
        best = took < best ? took : best;
    }
    od_arena_done(&arena);
    double each = best / (double)batch, loop = run == scan ? m->matrix.items * limits->item : 0;
    double least = fmax(bytes / limits->bandwidth / (double)batch, loop);
    printf("%8u  %-22s %5zu %10.1f us %8.1f GB/s %6.0f %%\n", m->matrix.items, what, batch,
           each * 1e6, bytes / best * 1e-9, 100 * least / each);
}

static void bench(uint32_t items, const struct limits *limits)
{
    struct model m;
    make_model(&m, items);
    double cells = (double)od_scan_cells(items, DIMS) + 4.0 * items, halves = 2.0 * DIMS * items;
    measure(&m, "floats", NULL, 1, halves, floats, limits);
    for (size_t batch = 1; batch <= BATCH_MOST; batch *= batch == 1 ? 4 : 2) {
        measure(&m, "scan", NULL, batch, cells, scan, limits);
        measure(&m, "scan, half of them", m.half, batch, cells, scan, limits);
    }
    done(&m);
}

int main(void)
{
    struct limits limits = {measure_floors(1).bandwidth, bare_loop()};
    printf("kernels: %s; memory %.1f GB/s, the bare loop %.2f ns an item\n",
           od_scan_kernels_best()->name, limits.bandwidth * 1e-9, limits.item * 1e9);
    printf("%8s  %-22s %5s %13s %13s %8s\n", "items", "", "batch", "a query", "read", "of it");
    bench(100000, &limits);
    bench(1000000, &limits);
    return 0;
}
