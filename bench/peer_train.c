/* Training tokens per second of two sequence networks, as the trainer's steps take them: the
 * network of the v2 recipes, and a plain GRU of one layer on the same primitives.
 * bench/train_torch.py runs it, against the same in PyTorch:
 *
 *   build/bench/peer_train FILE seq|gru ITEMS SEQUENCES LENGTH BATCH WIDTH STEPS THREADS
 *
 * FILE: uint32 items, SEQUENCES rows of LENGTH. A step learns from BATCH whole sequences. Two steps
 * warm up; then STEPS are timed. Prints the rate and the mean loss of the timed steps. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "math/blas.h"
#include "math/cholesky.h"
#include "math/nn/layers.h"
#include "recipes/seq_net.h"
#include "recipes/seqtrain_batch.h"

enum { WARM = 2 };

struct sizes {
    uint32_t items, sequences, length, batch, width, steps, threads;
};

/* --- a plain GRU: x = v(item), h = GRU(x), score = h . v --- */

struct plain {
    uint32_t width;
    float dropout;
};

enum { W, U, BIAS_X, BIAS_U, TENSORS };

static size_t gru_workspace(const void *net, uint32_t rows, uint32_t sequences, uint32_t candidates)
{
    size_t d = ((const struct plain *)net)->width;
    return rows * (20 * d) + 3 * d * sequences + od_seq_loss_floats(rows, candidates, (uint32_t)d);
}

static double gru_learn(const void *net, const struct od_nn_params *p,
                        const struct od_seq_rows *rows, float *gradient, float *dv, float *work)
{
    const struct plain *plain = net;
    size_t d = plain->width, n = rows->rows;
    const struct od_nn_gru gru = {plain->width,   plain->width,        od_nn_of(p, W),
                                  od_nn_of(p, U), od_nn_of(p, BIAS_X), od_nn_of(p, BIAS_U)};
    const struct od_nn_gru_grad grad = {od_nn_in(p, gradient, W), od_nn_in(p, gradient, U),
                                        od_nn_in(p, gradient, BIAS_X),
                                        od_nn_in(p, gradient, BIAS_U)};
    float *x = work, *out = x + n * d, *before = out + n * d, *kept = before + n * d;
    float *xw = kept + 4 * n * d, *dout = xw + 3 * n * d, *dx = dout + n * d;
    float *dxw = dx + n * d, *dhu = dxw + 3 * n * d, *h = dhu + 3 * n * d;
    float *hu = h + n * d, *rest = hu + 3 * d * rows->sequences;
    od_nn_gather(x, rows->v, rows->item, n, d);
    od_nn_dropout(x, n * d, plain->dropout, od_nn_key(rows->key, 1, 0, 0));
    od_nn_gru_run(&gru, &rows->packed, x, out, before, kept, xw, hu);
    memcpy(h, out, n * d * sizeof *h);
    od_nn_dropout(h, n * d, plain->dropout, od_nn_key(rows->key, 2, 0, 0));
    double loss = od_seq_loss(rows, plain->width, 1, rows->v, h, dout, dv, rest);
    od_nn_dropout(dout, n * d, plain->dropout, od_nn_key(rows->key, 2, 0, 0));
    od_nn_gru_run_back(&gru, &grad, &rows->packed, 0, x, before, kept, dout, dx, dxw, dhu);
    od_nn_dropout(dx, n * d, plain->dropout, od_nn_key(rows->key, 1, 0, 0));
    od_nn_scatter_add(dv, dx, rows->item, n, d);
    return loss;
}

static const struct od_seq_net gru_functions = {.workspace = gru_workspace, .learn = gru_learn};

static enum od_status gru_init(uint32_t d, struct od_nn_params *out)
{
    const struct od_nn_tensor tensors[TENSORS] = {{"w", 3 * d, d, false},
                                                  {"u", 3 * d, d, false},
                                                  {"bias_x", 1, 3 * d, false},
                                                  {"bias_u", 1, 3 * d, false}};
    struct od_random rng;
    enum od_status st = od_nn_params_init(out, tensors, TENSORS);
    od_random_init(&rng, 1);
    for (uint32_t t = 0; t < TENSORS && st == OD_OK; t++)
        od_nn_fill_normal(out, t, .1, &rng);
    return st;
}

/* --- data and steps --- */

static struct od_training *read_data(const char *path, const struct sizes *s)
{
    FILE *file = fopen(path, "rb");
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_training *t = NULL;
    char user[16], item[16];
    for (uint32_t u = 0; file && u < s->sequences; u++)
        for (uint32_t k = 0; k < s->length; k++) {
            uint32_t code;
            if (fread(&code, sizeof code, 1, file) != 1)
                return NULL;
            snprintf(user, sizeof user, "u%07u", u);
            snprintf(item, sizeof item, "i%07u", code);
            if (od_training_add_event(b, od_str_c(user), od_str_c(item), OD_STR_NONE, 60 * k, false,
                                      0) != OD_OK)
                return NULL;
        }
    if (file)
        fclose(file);
    if (!file || od_training_finish(b, &t, NULL) != OD_OK)
        return NULL;
    od_training_builder_free(b);
    return t;
}

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int steps(const struct sizes *s, struct od_seq_batch *batch, const struct od_seq_windows *w)
{
    double begun = 0, losses = 0, weights = 0;
    const struct od_nn_step step = {
        .rule = OD_NN_ADAM, .rate = 1e-3f, .beta1 = .9f, .beta2 = .98f, .clip = 1};
    for (uint32_t i = 0; i < s->steps + WARM; i++) {
        size_t from = (size_t)i * s->batch % (w->count - s->batch + 1);
        double loss, weight;
        if (i == WARM)
            begun = now_s();
        if (od_seq_batch_step(batch, w->list + from, s->batch, i + 1, &step, &loss, &weight) !=
            OD_OK)
            return 1;
        losses += i < WARM ? 0 : loss;
        weights += i < WARM ? 0 : weight;
    }
    double seconds = now_s() - begun;
    printf("{\"tokens_per_second\": %.0f, \"loss\": %.4f, \"seconds\": %.3f}\n", weights / seconds,
           losses / weights, seconds);
    return 0;
}

static int run(const struct sizes *s, const struct od_training *t, bool gru)
{
    struct od_seq_plan plan = {.width = s->width, .window = s->length, .rule = OD_NN_ADAM};
    struct od_seq_items items = {0};
    struct od_seq_windows windows = {0};
    struct od_seq_batch batch = {0};
    struct od_nn_params params;
    struct od_nn_state state = {0};
    struct plain plain = {s->width, .2f};
    struct od_seq_net_of net = {.dropout = .2f};
    const uint64_t *end = t->user_start + 1;
    net.shape = (struct od_seq_shape){.width = s->width, .layers = 2};
    net.shape.hidden = (s->width * 8 / 3 + 7) / 8 * 8;
    if (od_seq_ask_init(&net.ask, t, end, false, NULL, s->threads, NULL) != OD_OK ||
        (gru ? gru_init(s->width, &params) : od_seq_net_init(&net.shape, 1, &params)) != OD_OK ||
        od_seq_items_init(&items, t, end, &plan, 1) != OD_OK ||
        od_nn_state_init(&state, &params, OD_NN_ADAM) != OD_OK ||
        od_seq_windows_make(t, end, &plan, 1, 0, &windows) != OD_OK ||
        od_seq_batch_init(&batch, t, gru ? &gru_functions : &od_seq_net_functions,
                          gru ? (const void *)&plain : &net, &params, &items, s->threads) != OD_OK)
        return 1;
    batch.state = &state;
    return steps(s, &batch, &windows);
}

int main(int argc, char **argv)
{
    od_blas_know_cpu(argv);
    struct sizes s;
    uint32_t *const number[] = {&s.items, &s.sequences, &s.length, &s.batch,
                                &s.width, &s.steps,     &s.threads};
    if (argc != 10) {
        fprintf(stderr, "usage: peer_train FILE seq|gru ITEMS SEQUENCES LENGTH BATCH WIDTH STEPS "
                        "THREADS\n");
        return 2;
    }
    for (size_t i = 0; i < sizeof number / sizeof *number; i++)
        *number[i] = (uint32_t)strtoul(argv[3 + i], NULL, 10);
    od_math_init();
    struct od_training *t = read_data(argv[1], &s);
    if (!t || s.batch > s.sequences || t->item_count > s.items) {
        fprintf(stderr, "peer_train: cannot read %s\n", argv[1]);
        return 1;
    }
    return run(&s, t, strcmp(argv[2], "gru") == 0);
}
