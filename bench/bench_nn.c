/* Training of the recurrent network: tokens a second, and what of the machine's arithmetic that is.
 *
 *     bench_nn [SECONDS] [THREADS] [ITEMS] [HIDDEN] [WIDTH]
 *
 * A generated log (users walk a ring of items with strays, 64 to 128 events each) is cut into
 * batches as the trainer does it; steps are taken for SECONDS (default 10). A token is a prediction
 * learnt from: full softmax over all items, backpropagation through 32 events. Operations are those
 * of the matrix products, forward and back; the peak beside them is what a large single-threaded
 * product reaches on the same cores at once. Prints one line of JSON. */
#include <cblas.h>
#include <stdio.h>
#include <stdlib.h>

#include "math/blas.h"
#include "math/cholesky.h"
#include "os/io.h"
#include "os/parallel.h"
#include "recipes/gru_net.h"
#include "recipes/seqtrain_batch.h"

enum { USERS = 2000, PEAK_ORDER = 768, PEAK_ROUNDS = 12 };

static double now_s(void)
{
    return (double)od_io_real.monotonic_ns(&od_io_real) * 1e-9;
}

static struct od_training *generate(uint32_t items)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_training *t = NULL;
    struct od_random rng;
    od_random_init(&rng, 1);
    enum od_status s = b ? OD_OK : OD_NO_MEMORY;
    for (unsigned u = 0; s == OD_OK && u < USERS; u++) {
        uint64_t at = od_random_below(&rng, items), n = 64 + od_random_below(&rng, 65);
        for (uint64_t k = 0; s == OD_OK && k < n; k++) {
            char user[16], item[16];
            snprintf(user, sizeof user, "u%05u", u);
            snprintf(item, sizeof item, "i%06u", (unsigned)at);
            s = od_training_add_event(b, od_str_c(user), od_str_c(item), OD_STR_NONE,
                                      (int64_t)(60 * k), false, 0);
            at = od_random_below(&rng, 4) ? (at + 1) % items : od_random_below(&rng, items);
        }
    }
    if (s == OD_OK)
        s = od_training_finish(b, &t, NULL);
    od_training_builder_free(b);
    return s == OD_OK ? t : NULL;
}

/* --- the peak: products of squares on all threads at once --- */

static enum od_status multiply(void *context, size_t index, unsigned thread)
{
    (void)thread;
    size_t square = (size_t)PEAK_ORDER * PEAK_ORDER;
    float *m = (float *)context + index * 3 * square;
    for (int i = 0; i < PEAK_ROUNDS; i++)
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, PEAK_ORDER, PEAK_ORDER, PEAK_ORDER, 1,
                    m, PEAK_ORDER, m + square, PEAK_ORDER, 0, m + 2 * square, PEAK_ORDER);
    return OD_OK;
}

static double peak_gflops(unsigned threads)
{
    size_t square = (size_t)PEAK_ORDER * PEAK_ORDER;
    float *m = calloc(threads * 3 * square, sizeof *m);
    if (!m)
        return 0;
    for (size_t i = 0; i < threads * 3 * square; i++)
        m[i] = (float)(i % 17) / 17;
    double begun = now_s();
    enum od_status s = od_parallel(threads, threads, multiply, m);
    double taken = now_s() - begun;
    free(m);
    return s == OD_OK ? 2.0 * PEAK_ORDER * (double)square * PEAK_ROUNDS * threads / taken * 1e-9
                      : 0;
}

/* --- training --- */

struct learner {
    struct od_training *training;
    struct od_seq_plan plan;
    struct od_gru_net net;
    struct od_nn_params params;
    struct od_nn_state state;
    struct od_seq_items items;
    struct od_seq_batch batch;
    uint64_t *end;
    double loss, weight;
    uint64_t tokens, rows;
};

static enum od_status learner_init(struct learner *l, unsigned threads)
{
    struct od_training *t = l->training;
    l->end = malloc((t->user_count + 1) * sizeof *l->end);
    if (!l->end)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < t->user_count; u++)
        l->end[u] = t->user_start[u + 1];
    enum od_status s = od_gru_params_init(&l->net, 1, &l->params);
    if (s == OD_OK)
        s = od_nn_state_init(&l->state, &l->params, OD_NN_ADAM);
    if (s == OD_OK)
        s = od_seq_items_init(&l->items, t, l->end, &l->plan, 1);
    if (s == OD_OK)
        s = od_seq_batch_init(&l->batch, t, &od_gru_functions, &l->net, &l->params, &l->items,
                              threads);
    l->batch.state = &l->state;
    return s;
}

/* Batches of one epoch, until the time is up. */
static enum od_status learn_epoch(struct learner *l, uint64_t epoch, double until)
{
    struct od_seq_windows w;
    enum od_status s = od_seq_windows_make(l->training, l->end, &l->plan, 1, epoch, &w);
    struct od_nn_step step = {
        .rule = OD_NN_ADAM, .rate = .003f, .beta1 = .9f, .beta2 = .98f, .clip = 5};
    for (size_t at = 0; s == OD_OK && at < w.count && now_s() < until;) {
        size_t count = 0;
        uint64_t tokens = 0;
        for (; at + count < w.count && tokens < l->plan.batch_rows; count++) {
            const struct od_seq_window *x = &w.list[at + count];
            tokens += x->to - x->learn;
            l->rows += x->to - x->from;
        }
        s = od_seq_batch_step(&l->batch, w.list + at, count, epoch << 32 | at, &step, &l->loss,
                              &l->weight);
        l->tokens += tokens;
        at += count;
    }
    od_seq_windows_done(&w);
    return s;
}

static void report(const struct learner *l, unsigned threads, double taken)
{
    double h = l->net.hidden, w = l->net.width, n = l->items.count;
    double products =
        6 * w * n * (double)l->tokens + 6 * (3 * h * (w + h) + h * w) * (double)l->rows;
    double reached = products / taken * 1e-9, peak = peak_gflops(threads);
    printf("{\"bench\": \"nn\", \"network\": \"gru\", \"threads\": %u, \"items\": %u, "
           "\"hidden\": %u, \"width\": %u, \"batch\": %u, \"seconds\": %.2f, \"tokens\": %llu, "
           "\"tokens_per_second\": %.0f, \"gflops\": %.1f, \"peak_gflops\": %.1f, "
           "\"loss\": %.3f}\n",
           threads, l->items.count, l->net.hidden, l->net.width, l->plan.batch_rows, taken,
           (unsigned long long)l->tokens, (double)l->tokens / taken, reached, peak,
           l->loss / l->weight);
}

static uint32_t argument(int argc, char **argv, int place, uint32_t otherwise)
{
    uint64_t x;
    return argc > place && od_str_to_u64(od_str_c(argv[place]), &x) && x > 0 && x < 100000000
               ? (uint32_t)x
               : otherwise;
}

int main(int argc, char **argv)
{
    od_blas_know_cpu(argv);
    uint32_t seconds = argument(argc, argv, 1, 10);
    unsigned threads = argument(argc, argv, 2, od_cpu_count());
    struct learner l = {.plan = {.window = 64, .context = 32, .batch_rows = 2048}};
    l.training = generate(argument(argc, argv, 3, 3416));
    l.net = (struct od_gru_net){.hidden = argument(argc, argv, 4, 112),
                                .width = argument(argc, argv, 5, 64),
                                .bptt = 32,
                                .dropout = .2f};
    l.plan.width = l.net.width;
    od_math_init();
    if (!l.training || learner_init(&l, threads) != OD_OK) {
        fprintf(stderr, "bench_nn: out of memory\n");
        return 1;
    }
    double begun = now_s();
    enum od_status s = OD_OK;
    for (uint64_t epoch = 0; s == OD_OK && now_s() < begun + seconds; epoch++)
        s = learn_epoch(&l, epoch, begun + seconds);
    if (s == OD_OK)
        report(&l, threads, now_s() - begun);
    od_seq_batch_done(&l.batch);
    od_seq_items_done(&l.items);
    od_nn_state_done(&l.state);
    od_nn_params_done(&l.params);
    od_training_free(l.training);
    free(l.end);
    return s != OD_OK;
}
