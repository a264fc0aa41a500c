/* Neighbours: item-item similarities as aws-sims counts them, and queries against the session
 * index. bench/implicit.py sets the first beside a peer.
 *
 *   bench_knn sims FILE NEIGHBOURS THREADS     one line of JSON
 *
 * Without arguments it makes sessions and prints the rate of queries: each asks for the scores of
 * every item after a session of 1 to 8 events. */
#include "pairs.inc"

#include "os/parallel.h"
#include "recipes/knn.h"
#include "recipes/sims.h"

static void sims(const char *path, uint32_t neighbours, unsigned threads)
{
    struct od_error err = {0};
    struct od_training *t = pairs_read(path);
    struct od_sims_rule rule = {.keep = {0, 1, 0, 1}, .discount = .5, .neighbours = neighbours};
    struct od_progress nobody = {0};
    struct od_sims_lists lists;
    double began = now_s(), cpu = cpu_s();
    check(od_sims_count(t, &rule, threads, &nobody, &lists, &err), &err);
    printf("{\"seconds\": %.3f, \"cpu_seconds\": %.3f, \"kept\": %llu}\n", now_s() - began,
           cpu_s() - cpu, (unsigned long long)lists.at[t->item_count]);
    od_sims_lists_done(&lists);
    od_training_free(t);
}

/* --- queries --- */

enum { BLOCK = 64, BLOCKS = 800, MOST_EVENTS = 8 };

struct load {
    const struct od_knn_scorer *scorer;
    float *sink; /* [BLOCKS] keeps the scores from being optimised away */
};

static enum od_status ask_block(void *context, size_t block, unsigned thread)
{
    (void)thread;
    struct load *load = context;
    const struct od_knn_index *x = load->scorer->index;
    float *scores = malloc(((size_t)x->items + 1) * sizeof *scores);
    struct od_random rng;
    struct od_arena arena;
    od_random_init2(&rng, 1, block);
    od_arena_init(&arena, SIZE_MAX);
    enum od_status st = scores ? OD_OK : OD_NO_MEMORY;
    for (int q = 0; q < BLOCK && st == OD_OK; q++) {
        uint32_t session = (uint32_t)od_random_below(&rng, x->sessions), n = 0;
        struct od_past_event event[MOST_EVENTS];
        for (uint32_t e = x->start[session]; e < x->start[session + 1] && n < MOST_EVENTS; e++)
            event[n++] = (struct od_past_event){.item = x->item[e]};
        n = 1 + (uint32_t)od_random_below(&rng, n);
        struct od_query query = {.events = event, .event_count = n};
        bool any;
        od_arena_reset(&arena);
        st = od_knn_score(load->scorer, &query, &arena, scores, &any);
        load->sink[block] += scores[event[0].item];
    }
    od_arena_done(&arena);
    free(scores);
    return st;
}

static void queries(const char *path)
{
    struct od_error err = {0};
    struct od_training *t = pairs_read(path);
    struct od_knn_config config = od_knn_config_default();
    struct od_knn_index index;
    struct od_knn_scorer scorer;
    float sink[BLOCKS] = {0};
    double began = now_s();
    check(od_knn_index_init(&index, t, t->user_start + 1, false, config.sample, 0, &err), &err);
    printf("%llu events: index of %u sessions and %u items in %.3f s\n",
           (unsigned long long)t->event_count, index.sessions, index.items, now_s() - began);
    check(od_knn_scorer_init(&scorer, &index, &config), &err);
    struct load load = {&scorer, sink};
    for (unsigned threads = 1; threads <= 2; threads++) {
        began = now_s();
        double cpu = cpu_s();
        check(od_parallel(threads, BLOCKS, ask_block, &load), &err);
        printf("%u thread%s: %.0f queries a second, %.1f us of a core each\n", threads,
               threads == 1 ? "" : "s", BLOCKS * BLOCK / (now_s() - began),
               1e6 * (cpu_s() - cpu) / (BLOCKS * BLOCK));
    }
    od_knn_scorer_done(&scorer);
    od_knn_index_done(&index);
    od_training_free(t);
}

/* Sessions of 2 to 9 clicks among 43,000 items, as many as Diginetica has. */
static void make_sessions(const char *path)
{
    FILE *file = fopen(path, "wb");
    struct od_random rng;
    if (!file) {
        perror(path);
        exit(1);
    }
    od_random_init(&rng, 1);
    fprintf(file, "USER_ID,ITEM_ID,TIMESTAMP\n");
    for (unsigned s = 0; s < 180000; s++) {
        double x = od_random_double(&rng);
        unsigned n = 2 + (unsigned)od_random_below(&rng, 8), topic = (unsigned)(x * x * 430);
        for (unsigned k = 0; k < n; k++) {
            double y = od_random_double(&rng);
            fprintf(file, "%07u,%07u,%u\n", s, topic * 100 + (unsigned)(y * y * 100),
                    1500000000 + s * 10 + k);
        }
    }
    if (fclose(file) != 0) {
        perror(path);
        exit(1);
    }
}

static void run_by_itself(void)
{
    char folder[] = "bench_knn_XXXXXX", path[64];
    struct od_error err = {0};
    if (!mkdtemp(folder)) {
        perror("bench_knn");
        exit(1);
    }
    snprintf(path, sizeof path, "%s/sessions.csv", folder);
    make_sessions(path);
    queries(path);
    check(od_io_remove_tree(&od_io_real, folder, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc == 5 && strcmp(argv[1], "sims") == 0) {
        sims(argv[2], (uint32_t)strtoul(argv[3], NULL, 10), (unsigned)strtoul(argv[4], NULL, 10));
    } else if (argc == 1) {
        run_by_itself();
    } else {
        fprintf(stderr, "usage: bench_knn [sims FILE NEIGHBOURS THREADS]\n");
        return 2;
    }
    return 0;
}
