/* The sequence network: forward, backward, and one event at a time.
 *
 * Row t of a user is an event; x_t = sqrt(d) v(item) + gap(time since the event before) +
 * type(event). A layer (pre-norm, residual; N is RMSNorm with a gain) is
 *
 *     [v g z] = W_in N(x)              z += bias + gap table(time since the event before)
 *     a = sigmoid(z)                   decays, a channel and an event its own
 *     h_t = a_t h_(t-1) + (1 - a_t) v_t
 *     x = x + W_out (h silu(g))
 *     x = x + W_down (silu(W_g N(x)) W_u N(x))                       (SwiGLU, Shazeer 2020)
 *
 * Unrolled, h is a mix of earlier values with weights that fall exponentially in order (the bias:
 * at the start from half an event to a hundred over the channels), by time (the gap table: a long
 * pause may empty fast channels and leave slow ones), and by content (W_in): the time-kernel, the
 * position-kernel and the linear-recurrence mixes of FuXi-linear in one recurrence, with the gates
 * of HGRN (Qin et al. 2023). There is no attention: state is d numbers a layer whatever the length
 * of the history, and a new event is one step (od_seq_step).
 *
 * After the last layer the question is looked at (seq_ask.h): with S and T the sums of its entries'
 * two rows, h = N(x) (1 + S) + T + bias (FiLM; Perez et al. 2018), and an item's score is h . v.
 * The last entry of h is 1 and that of an item's vector no input: it is the item's bias, and starts
 * from its popularity (od_seq_plan.bias), so that the first steps are not spent on learning that.
 *
 * Measured: MovieLens-1M, leave one out, every third user, time not told, three epochs of width 64:
 * hit rate@10 .321, NDCG@10 .189 in 203 s of one core's time (published, on a GPU: .316, .186).
 * Blocks compared on MovieLens-100K, each given one minute of a core in PyTorch from random
 * vectors: GRU .236 and .132, this one .201 and .109, SASRec's attention .196 and .106; in this
 * trainer, from neighbourhoods, validation NDCG of a GRU .079 and of this one .077. So attention is
 * not missed, and a GRU is the closest rival; aws-hrnn has it.
 *
 * Invariants: the same rows and key give the same bytes; with key 0 nothing is dropped; questions
 * whose asking time is the newest event's say nothing of time; in training half of the questions
 * (by chance) keep the time to themselves and a quarter what has a name, so that the network
 * answers with and without. */
#include "recipes/seq_net.h"

#include <math.h>
#include <string.h>

#include "math/kernels.h"
#include "math/nn/layers.h"
#include "recipes/seq_layer.h"

/* The tensors before the layers'. */
enum { UNKNOWN, GAP, TYPE, QUESTION, END_GAIN, END_BIAS, FIRST_LAYER };
enum { DROP_INPUT = 3, DROP_END, TOLD, STRANGE };
#define STRANGE_ONE_OF 64 /* items are heard as unknown while learning */

#define LAYER_NAMES(n)                                                                             \
    {                                                                                              \
        "norm1." n, "in." n, "decay." n, "decay_gap." n, "out." n, "norm2." n, "up." n, "down." n  \
    }
static const char *const layer_name[OD_SEQ_LAYERS][OD_SEQ_PER_LAYER] = {
    LAYER_NAMES("0"), LAYER_NAMES("1"), LAYER_NAMES("2"), LAYER_NAMES("3")};

/* --- parameters --- */

static uint32_t list_tensors(const struct od_seq_shape *s, struct od_nn_tensor *out)
{
    uint32_t d = s->width, f = s->hidden, n = FIRST_LAYER;
    uint32_t gaps = s->times ? OD_SEQ_GAPS : 0;
    out[UNKNOWN] = (struct od_nn_tensor){"unknown", 1, d, false};
    out[GAP] = (struct od_nn_tensor){"gap", gaps, d, false};
    out[TYPE] = (struct od_nn_tensor){"type", s->types, d, false};
    out[QUESTION] = (struct od_nn_tensor){"question", s->columns, 2 * d, false};
    out[END_GAIN] = (struct od_nn_tensor){"end_gain", 1, d, false};
    out[END_BIAS] = (struct od_nn_tensor){"end_bias", 1, d, false};
    const uint32_t shape[OD_SEQ_PER_LAYER][2] = {{1, d}, {3 * d, d}, {1, d},     {gaps, d},
                                                 {d, d}, {1, d},     {2 * f, d}, {d, f}};
    for (uint32_t l = 0; l < s->layers; l++)
        for (uint32_t t = 0; t < OD_SEQ_PER_LAYER; t++)
            out[n++] = (struct od_nn_tensor){layer_name[l][t], shape[t][0], shape[t][1],
                                             shape[t][0] > 1 && t != OD_SEQ_DECAY_GAP};
    return n;
}

static uint32_t tensor_of(uint32_t layer, uint32_t tensor)
{
    return FIRST_LAYER + layer * OD_SEQ_PER_LAYER + tensor;
}

static struct od_seq_weights layer_of(const struct od_nn_params *params, float *buffer,
                                      uint32_t layer)
{
    struct od_seq_weights w;
    for (uint32_t t = 0; t < OD_SEQ_PER_LAYER; t++)
        w.tensor[t] = od_nn_in(params, buffer, tensor_of(layer, t));
    return w;
}

/* Decays over the channels, from 1 - 1/e of nearly nothing kept to a hundred events. */
static void fill_decays(float *bias, uint32_t width)
{
    const float fast = -1, slow = 4.6f;
    for (uint32_t i = 0; i < width; i++)
        bias[i] = fast + (slow - fast) * (float)i / (float)(width > 1 ? width - 1 : 1);
}

static void fill_layer(const struct od_seq_shape *s, struct od_nn_params *p, uint32_t l,
                       struct od_random *rng)
{
    double in = 1 / sqrt((double)s->width), mid = 1 / sqrt((double)s->hidden);
    double out = 1 / sqrt(2.0 * s->layers);
    od_nn_fill(p, tensor_of(l, OD_SEQ_NORM1), 1);
    od_nn_fill(p, tensor_of(l, OD_SEQ_NORM2), 1);
    od_nn_fill_normal(p, tensor_of(l, OD_SEQ_IN), in, rng);
    od_nn_fill_normal(p, tensor_of(l, OD_SEQ_OUT), in * out, rng);
    od_nn_fill_normal(p, tensor_of(l, OD_SEQ_UP), in, rng);
    od_nn_fill_normal(p, tensor_of(l, OD_SEQ_DOWN), mid * out, rng);
    fill_decays(od_nn_in(p, p->value, tensor_of(l, OD_SEQ_DECAY)), s->width);
    /* the decays begin with the bias' alone, all but a tenth of what the content says */
    float *z = od_nn_in(p, p->value, tensor_of(l, OD_SEQ_IN)) + 2 * (size_t)s->width * s->width;
    for (size_t i = 0; i < (size_t)s->width * s->width; i++)
        z[i] *= .1f;
}

enum od_status od_seq_net_init(const struct od_seq_shape *s, uint64_t seed,
                               struct od_nn_params *out)
{
    struct od_nn_tensor tensors[FIRST_LAYER + OD_SEQ_LAYERS * OD_SEQ_PER_LAYER];
    struct od_nn_params p;
    struct od_random rng;
    enum od_status st = od_nn_params_init(&p, tensors, list_tensors(s, tensors));
    if (st != OD_OK)
        return st;
    od_random_init2(&rng, seed, 0x5e9);
    od_nn_fill_normal(&p, UNKNOWN, .1, &rng);
    od_nn_fill(&p, END_GAIN, 1);
    for (uint32_t l = 0; l < s->layers; l++)
        fill_layer(s, &p, l, &rng);
    *out = p;
    return OD_OK;
}

/* --- the input --- */

/* k: od_kernels_best asks the CPU at every call, so loops ask once before. */
static void add_row(const struct od_kernels *k, float *x, const float *table, uint32_t row,
                    size_t width)
{
    if (row != OD_NN_NO_ROW)
        k->axpy(x, table + row * width, 1, width);
}

/* The event's class among those of the network. */
static uint32_t type_row(const struct od_seq_shape *s, uint32_t type)
{
    return type < s->types ? type : OD_NN_NO_ROW;
}

static void make_input(const struct od_kernels *k, const struct od_seq_shape *s,
                       const struct od_nn_params *params, const float *v, uint32_t gap,
                       uint32_t type, float *x)
{
    const float root = sqrtf((float)s->width);
    size_t d = s->width;
    for (size_t i = 0; v && i < d; i++)
        x[i] = i + 1 < d ? root * v[i] : 0;
    if (!v)
        memcpy(x, od_nn_of(params, UNKNOWN), d * sizeof *x);
    add_row(k, x, od_nn_of(params, GAP), gap, d);
    add_row(k, x, od_nn_of(params, TYPE), type, d);
}

/* In training every so many items are heard as unknown: their vector serves for those that came
 * later, and nothing else would teach it. */
static bool is_unknown(const struct od_seq_rows *rows, uint32_t r)
{
    return rows->item[r] == OD_NO_CODE ||
           (rows->key && od_nn_key(rows->key, STRANGE, r, 0) % STRANGE_ONE_OF == 0);
}

/* gap and type of each row. */
static void classify(const struct od_seq_net_of *net, const struct od_seq_rows *rows, uint32_t *gap,
                     uint32_t *type)
{
    const uint32_t *at = rows->packed.at;
    const uint16_t *types = net->ask.training->type;
    for (uint32_t t = 0; t < rows->packed.steps; t++)
        for (uint32_t r = at[t]; r < at[t + 1]; r++) {
            bool gapped = t && net->shape.times;
            gap[r] = gapped ? od_seq_gap(rows->time[at[t - 1] + (r - at[t])], rows->time[r])
                            : OD_NN_NO_ROW;
            type[r] = type_row(&net->shape, types[rows->event[r]]);
        }
}

/* --- the end --- */

/* The sums of a question's rows: out [2 width] is S and T. */
static void sum_entries(const struct od_kernels *k, const float *table, const struct od_word *entry,
                        size_t count, size_t width, float *out)
{
    memset(out, 0, 2 * width * sizeof *out);
    for (size_t i = 0; i < count; i++)
        k->axpy(out, table + entry[i].column * 2 * width, entry[i].value, 2 * width);
}

/* h from the normed word n; may be n. */
static void film(const float *n, const float *st, const float *bias, size_t width, float *h)
{
    for (size_t i = 0; i < width; i++)
        h[i] = n[i] * (1 + st[i]) + st[width + i] + bias[i];
}

void od_seq_answer(const struct od_seq_shape *shape, const struct od_nn_params *params,
                   const float *word, const struct od_word *entry, size_t count, float *out)
{
    const struct od_kernels *k = od_kernels_best();
    const float *table = od_nn_of(params, QUESTION), *bias = od_nn_of(params, END_BIAS);
    const float *gain = od_nn_of(params, END_GAIN);
    size_t d = shape->width;
    float inverse = 1 / sqrtf(k->dot(word, word, d) / (float)d + OD_NN_NORM_EPSILON);
    for (size_t i = 0; i < d; i++) {
        float n = gain[i] * word[i] * inverse, s = 0, t = 0;
        for (size_t e = 0; e < count; e++) {
            const float *row = table + entry[e].column * 2 * d;
            s += entry[e].value * row[i];
            t += entry[e].value * row[d + i];
        }
        out[i] = n * (1 + s) + t + bias[i];
    }
    out[d - 1] = 1;
}

static size_t entries_of(const struct od_seq_net_of *net, const struct od_seq_rows *rows,
                         uint32_t r, struct od_word *out)
{
    uint64_t chance = od_nn_key(rows->key, TOLD, r, 0);
    unsigned see = OD_SEQ_SEE_TIME | OD_SEQ_SEE_NAMED;
    if (rows->key)
        see = (chance & 1 ? OD_SEQ_SEE_TIME : 0) | (chance & 6 ? OD_SEQ_SEE_NAMED : 0);
    return od_seq_ask_row(&net->ask, rows, r, see, out);
}

/* --- a batch part's memory --- */

struct batch {
    const struct od_seq_net_of *net;
    const struct od_nn_params *params;
    const struct od_seq_rows *rows;
    struct od_seq_pass pass;
    struct od_seq_kept kept[OD_SEQ_LAYERS];
    uint32_t *gap, *type;
    float *word;            /* [rows][d] of the last layer */
    float *inverse, *n, *h; /* [rows], [rows][d] twice */
    float *film;            /* [2 d] */
    float *rest;
};

/* Where nothing is learnt, no way back needs what a layer saw, nor outputs but the last. */
static size_t batch_floats(const struct od_seq_shape *s, size_t rows, bool learns)
{
    size_t d = s->width, kept = od_seq_kept_floats(s->width, s->hidden);
    return learns ? rows * (3 + 3 * d + s->layers * kept) + 2 * d : rows * (2 + d + kept);
}

static float *take(float **work, size_t floats)
{
    float *p = *work;
    *work += floats;
    return p;
}

static void batch_init(struct batch *b, const struct od_seq_net_of *net,
                       const struct od_nn_params *params, const struct od_seq_rows *rows,
                       bool learns, float *work)
{
    size_t n = rows->rows, d = net->shape.width;
    *b = (struct batch){.net = net, .params = params, .rows = rows};
    b->gap = (uint32_t *)(void *)take(&work, n);
    b->type = (uint32_t *)(void *)take(&work, n);
    b->word = take(&work, n * d);
    if (learns) {
        b->inverse = take(&work, n);
        b->n = take(&work, n * d);
        b->h = take(&work, n * d);
        b->film = take(&work, 2 * d);
    }
    for (uint32_t l = 0; l < net->shape.layers; l++)
        b->kept[l] = l && !learns ? b->kept[0]
                                  : od_seq_kept_at(&work, net->shape.width, net->shape.hidden, n);
    b->rest = work;
    b->pass = (struct od_seq_pass){net->shape.width, net->shape.hidden, rows->rows, rows->packed,
                                   b->gap,           net->dropout,      rows->key};
}

static size_t workspace(const void *context, uint32_t rows, uint32_t sequences, uint32_t candidates)
{
    const struct od_seq_net_of *net = context;
    const struct od_seq_shape *s = &net->shape;
    (void)sequences;
    if (!candidates)
        return batch_floats(s, rows, false);
    size_t loss = od_seq_loss_floats(rows, candidates, s->width);
    size_t back = rows * od_seq_back_floats(s->width, s->hidden);
    return batch_floats(s, rows, true) + (size_t)rows * s->width + (loss > back ? loss : back);
}

/* --- forward --- */

static void forward(struct batch *b)
{
    const struct od_seq_shape *s = &b->net->shape;
    const struct od_seq_rows *rows = b->rows;
    const struct od_kernels *k = od_kernels_best();
    size_t d = s->width;
    float *x = b->kept[0].x;
    classify(b->net, rows, b->gap, b->type);
    for (uint32_t r = 0; r < rows->rows; r++)
        make_input(k, s, b->params,
                   is_unknown(rows, r) ? NULL : rows->v + (size_t)rows->item[r] * d, b->gap[r],
                   b->type[r], x + r * d);
    if (rows->key)
        od_nn_dropout(x, rows->rows * d, b->net->dropout, od_nn_key(rows->key, DROP_INPUT, 0, 0));
    for (uint32_t l = 0; l < s->layers; l++) {
        struct od_seq_weights w = layer_of(b->params, b->params->value, l);
        od_seq_layer(&b->pass, &w, &b->kept[l], l, NULL,
                     l + 1 < s->layers ? b->kept[l + 1].x : b->word);
    }
}

static void end_forward(struct batch *b)
{
    const struct od_kernels *k = od_kernels_best();
    const struct od_nn_params *p = b->params;
    size_t d = b->net->shape.width;
    struct od_word entry[OD_SEQ_ENTRIES];
    od_nn_rms_norm(b->n, b->inverse, b->word, od_nn_of(p, END_GAIN), b->rows->rows, d);
    for (uint32_t r = 0; r < b->rows->rows; r++) {
        size_t count = entries_of(b->net, b->rows, r, entry);
        sum_entries(k, od_nn_of(p, QUESTION), entry, count, d, b->film);
        film(b->n + r * d, b->film, od_nn_of(p, END_BIAS), d, b->h + r * d);
    }
    if (b->rows->key)
        od_nn_dropout(b->h, b->rows->rows * d, b->net->dropout,
                      od_nn_key(b->rows->key, DROP_END, 0, 0));
    for (uint32_t r = 0; r < b->rows->rows; r++)
        b->h[r * d + d - 1] = 1;
}

/* --- backward --- */

/* dh [rows][d] becomes the gradient of the last layer's word. */
static void end_back(struct batch *b, float *gradient, float *dh)
{
    const struct od_kernels *k = od_kernels_best();
    const struct od_nn_params *p = b->params;
    size_t d = b->net->shape.width;
    float *dquestion = od_nn_in(p, gradient, QUESTION), *dbias = od_nn_in(p, gradient, END_BIAS);
    struct od_word entry[OD_SEQ_ENTRIES];
    for (uint32_t r = 0; r < b->rows->rows; r++)
        dh[r * d + d - 1] = 0;
    if (b->rows->key)
        od_nn_dropout(dh, b->rows->rows * d, b->net->dropout,
                      od_nn_key(b->rows->key, DROP_END, 0, 0));
    for (uint32_t r = 0; r < b->rows->rows; r++) {
        float *down = dh + r * d, *n = b->n + r * d;
        size_t count = entries_of(b->net, b->rows, r, entry);
        sum_entries(k, od_nn_of(p, QUESTION), entry, count, d, b->film);
        k->axpy(dbias, down, 1, d);
        for (size_t i = 0; i < d; i++)
            n[i] *= down[i];
        for (size_t e = 0; e < count; e++) {
            k->axpy(dquestion + entry[e].column * 2 * d, n, entry[e].value, d);
            k->axpy(dquestion + entry[e].column * 2 * d + d, down, entry[e].value, d);
        }
        for (size_t i = 0; i < d; i++)
            down[i] *= 1 + b->film[i];
    }
    od_nn_rms_norm_back(dh, false, od_nn_in(p, gradient, END_GAIN), dh, b->word, b->inverse,
                        od_nn_of(p, END_GAIN), b->rows->rows, d);
}

static void input_back(struct batch *b, float *gradient, float *dv, float *dx)
{
    const struct od_kernels *k = od_kernels_best();
    const struct od_nn_params *p = b->params;
    const struct od_seq_rows *rows = b->rows;
    size_t d = b->net->shape.width;
    const float root = sqrtf((float)d);
    if (rows->key)
        od_nn_dropout(dx, rows->rows * d, b->net->dropout, od_nn_key(rows->key, DROP_INPUT, 0, 0));
    od_nn_scatter_add(od_nn_in(p, gradient, GAP), dx, b->gap, rows->rows, d);
    od_nn_scatter_add(od_nn_in(p, gradient, TYPE), dx, b->type, rows->rows, d);
    for (uint32_t r = 0; r < rows->rows; r++)
        if (is_unknown(rows, r))
            k->axpy(od_nn_in(p, gradient, UNKNOWN), dx + r * d, 1, d);
        else
            k->axpy(dv + (size_t)rows->item[r] * d, dx + r * d, root, d - 1);
}

static double learn(const void *context, const struct od_nn_params *params,
                    const struct od_seq_rows *rows, float *gradient, float *dv, float *work)
{
    const struct od_seq_net_of *net = context;
    const struct od_seq_shape *s = &net->shape;
    struct batch b;
    batch_init(&b, net, params, rows, true, work);
    float *dx = take(&b.rest, (size_t)rows->rows * s->width);
    forward(&b);
    end_forward(&b);
    double loss = od_seq_loss(rows, s->width, 1, rows->v, b.h, dx, dv, b.rest);
    end_back(&b, gradient, dx);
    for (uint32_t l = s->layers; l-- > 0;) {
        struct od_seq_weights w = layer_of(params, params->value, l);
        struct od_seq_weights g = layer_of(params, gradient, l);
        od_seq_layer_back(&b.pass, &w, &g, &b.kept[l], l, dx, b.rest);
    }
    input_back(&b, gradient, dv, dx);
    return loss;
}

static void states(const void *context, const struct od_nn_params *params,
                   const struct od_seq_rows *rows, float *out, float *work)
{
    const struct od_seq_net_of *net = context;
    size_t d = net->shape.width;
    struct batch b;
    struct od_word entry[OD_SEQ_ENTRIES];
    batch_init(&b, net, params, rows, false, work);
    forward(&b);
    for (uint32_t s = 0; s < rows->sequences; s++) {
        size_t count = entries_of(net, rows, rows->last[s], entry);
        od_seq_answer(&net->shape, params, b.word + rows->last[s] * d, entry, count, out + s * d);
    }
}

const struct od_seq_net od_seq_net_functions = {
    .workspace = workspace, .learn = learn, .states = states};

/* --- one event at a time --- */

size_t od_seq_step_floats(const struct od_seq_shape *s, size_t events)
{
    return 1 + events * (2 + s->width + od_seq_kept_floats(s->width, s->hidden));
}

void od_seq_step(const struct od_seq_shape *s, const struct od_nn_params *params,
                 struct od_seq_state *state, const struct od_seq_event *events, size_t count,
                 float *out, float *work)
{
    const struct od_kernels *k = od_kernels_best();
    size_t d = s->width;
    uint32_t *gap = (uint32_t *)(void *)take(&work, count);
    uint32_t *at = (uint32_t *)(void *)take(&work, count + 1);
    float *x = take(&work, count * d);
    for (uint32_t r = 0; r < count; r++) {
        bool gapped = s->times && state->begun;
        gap[r] = gapped ? od_seq_gap(state->time, events[r].time) : OD_NN_NO_ROW;
        make_input(k, s, params, events[r].v, gap[r], type_row(s, events[r].type), x + r * d);
        state->time = events[r].time;
        state->begun = true;
        at[r] = r;
    }
    at[count] = (uint32_t)count;
    struct od_seq_pass pass = {s->width, s->hidden, (uint32_t)count, {(uint32_t)count, at}, gap,
                               0,        0};
    struct od_seq_kept kept = od_seq_kept_at(&work, s->width, s->hidden, count);
    for (uint32_t l = 0; l < s->layers; l++) {
        struct od_seq_weights w = layer_of(params, params->value, l);
        memcpy(kept.x, x, count * d * sizeof *x);
        od_seq_layer(&pass, &w, &kept, l, state->at + l * d, x);
        memcpy(state->at + l * d, kept.h + (count - 1) * d, d * sizeof *x);
    }
    memcpy(out, x + (count - 1) * d, d * sizeof *out);
}
