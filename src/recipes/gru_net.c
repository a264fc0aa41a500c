/* The network's parameters and its states, as judging and serving ask for them: see gru_net.h.
 *
 * Inputs' products are one product for all rows; then each step is one product for the running
 * sequences. Nothing is kept for a way back: that is gru_learn.c. */
#include "recipes/gru_net.h"

#include <math.h>
#include <string.h>

#include "math/nn/layers.h"
#include "math/nn/vector.h"
#include "recipes/gru_inner.h"

uint32_t od_gru_gap(int64_t from_s, int64_t to_s)
{
    int64_t gap;
    if (__builtin_sub_overflow(to_s, from_s, &gap) || gap <= 0)
        return 1;
    uint32_t bits = 64 - (uint32_t)__builtin_clzll((unsigned long long)gap); /* 1 s: 1 */
    return bits + 1 < OD_GRU_GAPS ? bits + 1 : OD_GRU_GAPS - 1;
}

enum od_status od_gru_params_init(const struct od_gru_net *net, uint64_t seed,
                                  struct od_nn_params *out)
{
    uint32_t h = net->hidden, w = net->width;
    const struct od_nn_tensor tensors[GRU_TENSORS] = {
        [GRU_W] = {"session.w", 3 * h, w, true},
        [GRU_U] = {"session.u", 3 * h, h, true},
        [GRU_BX] = {"session.bias_x", 1, 3 * h, false},
        [GRU_BU] = {"session.bias_u", 1, 3 * h, false},
        [GRU_USER_W] = {"user.w", 3 * h, h, true},
        [GRU_USER_U] = {"user.u", 3 * h, h, true},
        [GRU_USER_BX] = {"user.bias_x", 1, 3 * h, false},
        [GRU_USER_BU] = {"user.bias_u", 1, 3 * h, false},
        [GRU_START_W] = {"start.w", h, h, true},
        [GRU_START_B] = {"start.bias", 1, h, false},
        [GRU_OUT_W] = {"out.w", w, h, true},
        [GRU_OUT_B] = {"out.bias", 1, w, false},
        [GRU_GAP_IN] = {"gap.in", OD_GRU_GAPS, w, false},
        [GRU_GAP_SCALE] = {"gap.scale", OD_GRU_GAPS, w, false},
        [GRU_GAP_SHIFT] = {"gap.shift", OD_GRU_GAPS, w, false},
        [GRU_PERSON] = {"person", net->user_columns, h, false},
    };
    enum od_status st = od_nn_params_init(out, tensors, GRU_TENSORS);
    if (st != OD_OK)
        return st;
    struct od_random rng;
    od_random_init2(&rng, seed, 2);
    for (uint32_t t = 0; t < GRU_TENSORS; t++)
        if (tensors[t].decays) /* Glorot, Bengio 2010, eq. 16, of one gate's square */
            od_nn_fill_uniform(out, t, sqrt(6.0 / (h + (double)tensors[t].columns)), &rng);
    od_nn_fill_normal(out, GRU_PERSON, .1, &rng);
    return OD_OK;
}

struct od_nn_gru od_gru_session(const struct od_gru_net *net, const struct od_nn_params *params)
{
    return (struct od_nn_gru){net->width,
                              net->hidden,
                              od_nn_of(params, GRU_W),
                              od_nn_of(params, GRU_U),
                              od_nn_of(params, GRU_BX),
                              od_nn_of(params, GRU_BU)};
}

struct od_nn_gru od_gru_user(const struct od_gru_net *net, const struct od_nn_params *params)
{
    return (struct od_nn_gru){net->hidden,
                              net->hidden,
                              od_nn_of(params, GRU_USER_W),
                              od_nn_of(params, GRU_USER_U),
                              od_nn_of(params, GRU_USER_BX),
                              od_nn_of(params, GRU_USER_BU)};
}

bool od_gru_pause(const struct od_seq_rows *rows, size_t r)
{
    int64_t gap;
    return !__builtin_sub_overflow(rows->asked[r], rows->time[r], &gap) &&
           gap > OD_GRU_SESSION_GAP_S;
}

uint32_t od_gru_gap_after(const struct od_seq_rows *rows, size_t r)
{
    uint32_t gap = od_gru_gap(rows->time[r], rows->asked[r]);
    return gap > 1 ? gap : 0;
}

uint32_t od_gru_gap_before(const struct od_seq_rows *rows, uint32_t step, size_t r)
{
    const uint32_t *at = rows->packed.at;
    return step ? od_gru_gap(rows->time[at[step - 1] + (r - at[step])], rows->time[r]) : 0;
}

void od_gru_begin(const struct od_gru_net *net, const struct od_nn_params *params,
                  const struct od_seq_rows *rows, float *c)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const float *person = od_nn_of(params, GRU_PERSON);
    const struct od_features *f = net->users;
    size_t h = net->hidden;
    memset(c, 0, rows->sequences * h * sizeof *c);
    for (uint32_t s = 0; f && s < rows->sequences; s++) {
        uint32_t user = rows->user[s];
        if (user != OD_NO_CODE)
            for (uint64_t e = f->at[user]; e < f->at[user + 1]; e++)
                k->axpy(c + s * h, person + f->column[e] * h, f->value[e], h);
    }
    for (size_t i = 0; net->person && i < net->person->count; i++)
        k->axpy(c, person + net->person->column[i] * h, net->person->value[i], h);
}

void od_gru_start(const struct od_gru_net *net, const struct od_nn_params *params, const float *c,
                  size_t rows, float *s)
{
    size_t h = net->hidden;
    od_nn_linear(s, c, od_nn_of(params, GRU_START_W), od_nn_of(params, GRU_START_B), rows, h, h);
    od_nn_vector_best()->tanh(s, s, rows * h);
}

void od_gru_inputs(const struct od_gru_net *net, const struct od_nn_params *params,
                   const struct od_seq_rows *rows, float *x)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const float *gap = od_nn_of(params, GRU_GAP_IN);
    size_t w = net->width;
    od_nn_gather(x, rows->v, rows->item, rows->rows, w);
    for (uint32_t t = 0; t < rows->packed.steps; t++)
        for (size_t r = rows->packed.at[t]; r < rows->packed.at[t + 1]; r++)
            k->axpy(x + r * w, gap + od_gru_gap_before(rows, t, r) * w, 1, w);
}

void od_gru_finish(const struct od_gru_net *net, const struct od_nn_params *params, uint32_t gap,
                   float *o)
{
    size_t w = net->width;
    const float *scale = od_nn_of(params, GRU_GAP_SCALE) + gap * w;
    const float *shift = od_nn_of(params, GRU_GAP_SHIFT) + gap * w;
    for (size_t i = 0; i < w; i++)
        o[i] = o[i] * (1 + scale[i]) + shift[i];
    o[w - 1] = 1;
}

static size_t states_floats(const struct od_gru_net *net, uint32_t rows, uint32_t sequences)
{
    size_t h = net->hidden;
    return rows * (net->width + 3 * h) + sequences * (20 * h + 1);
}

static size_t workspace(const void *context, uint32_t rows, uint32_t sequences, uint32_t candidates)
{
    const struct od_gru_net *net = context;
    size_t a = states_floats(net, rows, sequences);
    size_t b = candidates ? od_gru_learn_floats(net, rows, sequences, candidates) : 0;
    return a > b ? a : b;
}

/* What a step of states works with, for all sequences. */
struct walk {
    float *s, *c;                     /* [sequences][hidden] current state, user's state */
    float *h, *user, *kept, *xw, *hu; /* gathered rows of a pause; scratch of a step */
    uint32_t *paused;
};

/* Ends the sessions of a step's rows that pause. */
static void end_sessions(const struct od_gru_net *net, const struct od_nn_params *params,
                         const struct od_seq_rows *rows, uint32_t step, struct walk *w)
{
    struct od_nn_gru user = od_gru_user(net, params);
    size_t h = net->hidden, n = 0, at = rows->packed.at[step];
    for (uint32_t s = 0; s < rows->packed.at[step + 1] - at; s++)
        if (od_gru_pause(rows, at + s))
            w->paused[n++] = s;
    if (!n)
        return;
    od_nn_gather(w->h, w->s, w->paused, n, h);
    od_nn_gather(w->user, w->c, w->paused, n, h);
    od_nn_gru_inputs(&user, w->xw, w->h, n);
    od_nn_gru_step(&user, w->user, w->kept, w->xw, w->user, w->hu, n);
    od_gru_start(net, params, w->user, n, w->h);
    for (size_t i = 0; i < n; i++) {
        memcpy(w->c + w->paused[i] * h, w->user + i * h, h * sizeof(float));
        memcpy(w->s + w->paused[i] * h, w->h + i * h, h * sizeof(float));
    }
}

static void states(const void *context, const struct od_nn_params *params,
                   const struct od_seq_rows *rows, float *out, float *work)
{
    const struct od_gru_net *net = context;
    struct od_nn_gru session = od_gru_session(net, params);
    size_t h = net->hidden, n = rows->sequences;
    float *x = work, *xw = x + (size_t)rows->rows * net->width;
    float *last = xw + (size_t)rows->rows * 3 * h;
    struct walk w = {.s = last + n * h};
    w.c = w.s + n * h;
    w.h = w.c + n * h;
    w.user = w.h + n * h;
    w.kept = w.user + n * h;
    w.xw = w.kept + n * 4 * h;
    w.hu = w.xw + n * 3 * h;
    w.paused = (uint32_t *)(void *)(w.hu + n * 3 * h);
    od_gru_inputs(net, params, rows, x);
    od_nn_gru_inputs(&session, xw, x, rows->rows);
    od_gru_begin(net, params, rows, w.c);
    od_gru_start(net, params, w.c, n, w.s);
    for (uint32_t t = 0; t < rows->packed.steps; t++) {
        size_t at = rows->packed.at[t], count = rows->packed.at[t + 1] - at;
        od_nn_gru_step(&session, w.s, w.kept, xw + at * 3 * h, w.s, w.hu, count);
        end_sessions(net, params, rows, t, &w);
        for (size_t s = 0; s < count; s++)
            if (rows->last[s] == at + s)
                memcpy(last + s * h, w.s + s * h, h * sizeof *last);
    }
    od_nn_linear(out, last, od_nn_of(params, GRU_OUT_W), od_nn_of(params, GRU_OUT_B), n, h,
                 net->width);
    for (size_t s = 0; s < n; s++)
        od_gru_finish(net, params, od_gru_gap_after(rows, rows->last[s]), out + s * net->width);
}

static const struct od_dict *row_names(const void *context, uint32_t *out_tensor)
{
    const struct od_gru_net *net = context;
    *out_tensor = GRU_PERSON;
    return net->users ? net->users->names : NULL;
}

const struct od_seq_net od_gru_functions = {
    .workspace = workspace,
    .learn = od_gru_learn,
    .states = states,
    .row_names = row_names,
};
