/* Learning of the hierarchical recurrent network: forward with everything kept, then
 * backpropagation through time across sessions.
 *
 * Rows that end a session are numbered in the order of steps ("pauses"); what the user's recurrence
 * did at them lies in arrays by that number, and those of one step lie together. The way back walks
 * the steps downwards carrying two gradients a sequence: of the state the next event begins with,
 * and of the user's state. At steps that are multiples of bptt nothing goes further back. */
#include <string.h>

#include "math/nn/layers.h"
#include "math/nn/vector.h"
#include "recipes/gru_inner.h"

/* R rows, S sequences; pauses are at most R. */
struct pass {
    const struct od_gru_net *net;
    const struct od_nn_params *params;
    const struct od_seq_rows *rows;
    float *gradient;
    float *x, *xw;            /* [R][width], [R][3 hidden]; xw becomes its gradient */
    float *before, *h, *s;    /* [R][hidden] state before, after, and as asked */
    float *kept;              /* [R][4 hidden] */
    float *hu;                /* [R][3 hidden]; a step's scratch, then gradients of all */
    float *c;                 /* [S][hidden] users' states; on the way back their gradients */
    float *first;             /* [S][hidden] users' states before any event */
    float *start;             /* [S][hidden] the states they give */
    uint32_t *paused_at;      /* [steps + 1] pauses before each step */
    uint32_t *paused;         /* [pauses] sequence */
    float *ux, *ubefore, *uc; /* [pauses][hidden] the user's input, state before and after */
    float *uxw, *uhu, *ukept; /* [pauses][3], [3], [4 hidden] */
    float *o, *dout;          /* [R][width] */
    float *ds;                /* [R][hidden] s as the output sees it, then gradients */
    float *gs, *gc;           /* [R][hidden] scratch of a step's pauses */
    float *dh;                /* [pauses][hidden] */
    float *loss;
};

size_t od_gru_learn_floats(const struct od_gru_net *net, uint32_t rows, uint32_t sequences,
                           uint32_t candidates)
{
    size_t h = net->hidden, w = net->width;
    return rows * (3 * w + 30 * h + 2) + sequences * 3 * h + 2 +
           od_seq_loss_floats(rows, candidates, net->width);
}

static float *take(float **work, size_t floats)
{
    float *p = *work;
    *work += floats;
    return p;
}

static uint32_t *take_codes(float **work, size_t count)
{
    return (uint32_t *)(void *)take(work, count);
}

static void lay_out(struct pass *p, float *work)
{
    size_t r = p->rows->rows, s = p->rows->sequences, h = p->net->hidden, w = p->net->width;
    p->x = take(&work, r * w);
    p->xw = take(&work, r * 3 * h);
    p->before = take(&work, r * h);
    p->h = take(&work, r * h);
    p->s = take(&work, r * h);
    p->kept = take(&work, r * 4 * h);
    p->hu = take(&work, r * 3 * h);
    p->c = take(&work, s * h);
    p->first = take(&work, s * h);
    p->start = take(&work, s * h);
    p->ux = take(&work, r * h);
    p->ubefore = take(&work, r * h);
    p->uc = take(&work, r * h);
    p->uxw = take(&work, r * 3 * h);
    p->uhu = take(&work, r * 3 * h);
    p->ukept = take(&work, r * 4 * h);
    p->o = take(&work, r * w);
    p->dout = take(&work, r * w);
    p->ds = take(&work, r * h);
    p->gs = take(&work, r * h);
    p->gc = take(&work, r * h);
    p->dh = take(&work, r * h);
    p->paused = take_codes(&work, r);
    p->paused_at = take_codes(&work, r + 2);
    p->loss = work;
}

static void number_pauses(struct pass *p)
{
    uint32_t n = 0;
    for (uint32_t t = 0; t < p->rows->packed.steps; t++) {
        uint32_t at = p->rows->packed.at[t];
        p->paused_at[t] = n;
        for (uint32_t r = at; r < p->rows->packed.at[t + 1]; r++)
            if (od_gru_pause(p->rows, r))
                p->paused[n++] = r - at;
    }
    p->paused_at[p->rows->packed.steps] = n;
}

/* Whether the output of row r is made without knowing when it is asked for. */
static bool kept_from(const struct pass *p, size_t r)
{
    return p->rows->key && od_nn_key(p->rows->key, r, 0, 3) % 4 == 0;
}

static uint32_t gap_after(const struct pass *p, size_t r)
{
    return kept_from(p, r) ? 0 : od_gru_gap(p->rows->time[r], p->rows->asked[r]);
}

/* --- forward --- */

static void end_sessions(struct pass *p, uint32_t step)
{
    struct od_nn_gru user = od_gru_user(p->net, p->params);
    size_t h = p->net->hidden, at = p->rows->packed.at[step];
    size_t from = p->paused_at[step], n = p->paused_at[step + 1] - from;
    if (!n)
        return;
    const uint32_t *list = p->paused + from;
    od_nn_gather(p->ux + from * h, p->h + at * h, list, n, h);
    od_nn_gather(p->ubefore + from * h, p->c, list, n, h);
    od_nn_gru_inputs(&user, p->uxw + from * 3 * h, p->ux + from * h, n);
    od_nn_gru_step(&user, p->uc + from * h, p->ukept + from * 4 * h, p->uxw + from * 3 * h,
                   p->ubefore + from * h, p->uhu + from * 3 * h, n);
    float *s = p->uhu + from * 3 * h; /* scratch until the way back */
    od_gru_start(p->net, p->params, p->uc + from * h, n, s);
    for (size_t i = 0; i < n; i++) {
        memcpy(p->c + list[i] * h, p->uc + (from + i) * h, h * sizeof *s);
        memcpy(p->s + (at + list[i]) * h, s + i * h, h * sizeof *s);
    }
}

static void forward(struct pass *p)
{
    const struct od_seq_rows *rows = p->rows;
    struct od_nn_gru session = od_gru_session(p->net, p->params);
    size_t h = p->net->hidden, w = p->net->width, n = rows->sequences;
    number_pauses(p);
    od_gru_inputs(p->net, p->params, rows, p->x);
    if (rows->key)
        od_nn_dropout(p->x, rows->rows * w, p->net->dropout, rows->key);
    od_nn_gru_inputs(&session, p->xw, p->x, rows->rows);
    od_gru_begin(p->net, p->params, rows, p->first);
    memcpy(p->c, p->first, n * h * sizeof *p->c);
    od_gru_start(p->net, p->params, p->first, n, p->start);
    for (uint32_t t = 0; t < rows->packed.steps; t++) {
        size_t at = rows->packed.at[t], count = rows->packed.at[t + 1] - at;
        const float *from = t ? p->s + rows->packed.at[t - 1] * h : p->start;
        memcpy(p->before + at * h, from, count * h * sizeof *from);
        od_nn_gru_step(&session, p->h + at * h, p->kept + at * 4 * h, p->xw + at * 3 * h,
                       p->before + at * h, p->hu, count);
        memcpy(p->s + at * h, p->h + at * h, count * h * sizeof *from);
        end_sessions(p, t);
    }
}

/* Where the output saw h and not the s of a pause, its gradient waits in dh for the step. */
static void set_apart(struct pass *p)
{
    const struct od_nn_packed *packed = &p->rows->packed;
    size_t h = p->net->hidden;
    for (uint32_t t = 0; t < packed->steps; t++)
        for (size_t i = p->paused_at[t]; i < p->paused_at[t + 1]; i++) {
            size_t r = packed->at[t] + p->paused[i];
            memset(p->dh + i * h, 0, h * sizeof *p->dh);
            if (!kept_from(p, r))
                continue;
            memcpy(p->dh + i * h, p->ds + r * h, h * sizeof *p->dh);
            memset(p->ds + r * h, 0, h * sizeof *p->ds);
        }
}

/* Returns the loss; ds becomes the gradient of s. */
static double output(struct pass *p, float *dv)
{
    const struct od_seq_rows *rows = p->rows;
    size_t h = p->net->hidden, w = p->net->width, n = rows->rows;
    const float *m = od_nn_of(p->params, GRU_OUT_W), *scale = od_nn_of(p->params, GRU_GAP_SCALE);
    float *dscale = od_nn_in(p->params, p->gradient, GRU_GAP_SCALE);
    float *dshift = od_nn_in(p->params, p->gradient, GRU_GAP_SHIFT);
    for (size_t r = 0; r < n; r++)
        memcpy(p->ds + r * h, (kept_from(p, r) ? p->h : p->s) + r * h, h * sizeof *p->ds);
    if (rows->key)
        od_nn_dropout(p->ds, n * h, p->net->dropout, rows->key + 1);
    od_nn_linear(p->dout, p->ds, m, od_nn_of(p->params, GRU_OUT_B), n, h, w);
    memcpy(p->o, p->dout, n * w * sizeof *p->o);
    for (size_t r = 0; r < n; r++)
        od_gru_finish(p->net, p->params, gap_after(p, r), p->o + r * w);
    double loss = od_seq_loss(rows, (uint32_t)w, 1, rows->v, p->o, p->o, dv, p->loss);
    for (size_t r = 0; r < n; r++) {
        size_t gap = gap_after(p, r) * w;
        float *d = p->o + r * w, *y = p->dout + r * w; /* M s + m, then its gradient */
        d[w - 1] = 0;
        for (size_t i = 0; i < w; i++) {
            dscale[gap + i] += d[i] * y[i];
            dshift[gap + i] += d[i];
            y[i] = d[i] * (1 + scale[gap + i]);
        }
    }
    od_nn_linear_back(NULL, false, od_nn_in(p->params, p->gradient, GRU_OUT_W),
                      od_nn_in(p->params, p->gradient, GRU_OUT_B), p->dout, p->ds, m, n, h, w);
    od_nn_linear_back(p->ds, false, NULL, NULL, p->dout, NULL, m, n, h, w);
    if (rows->key)
        od_nn_dropout(p->ds, n * h, p->net->dropout, rows->key + 1);
    set_apart(p);
    return loss;
}

/* --- the way back --- */

/* ds of states s = tanh(W c + b) to dc; the parameters' gradients added. ds is spoilt. */
static void start_back(struct pass *p, float *ds, const float *s, const float *c, size_t rows,
                       float *dc)
{
    size_t h = p->net->hidden;
    for (size_t i = 0; i < rows * h; i++)
        ds[i] *= 1 - s[i] * s[i];
    od_nn_linear_back(dc, false, od_nn_in(p->params, p->gradient, GRU_START_W),
                      od_nn_in(p->params, p->gradient, GRU_START_B), ds, c,
                      od_nn_of(p->params, GRU_START_W), rows, h, h);
}

static void end_sessions_back(struct pass *p, uint32_t step)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    struct od_nn_gru user = od_gru_user(p->net, p->params);
    size_t h = p->net->hidden, at = p->rows->packed.at[step];
    size_t from = p->paused_at[step], n = p->paused_at[step + 1] - from;
    if (!n)
        return;
    const uint32_t *list = p->paused + from;
    float *s = p->uhu + from * 3 * h;
    od_nn_gather(p->gs, p->ds + at * h, list, n, h);
    od_nn_gather(s, p->s + at * h, list, n, h);
    start_back(p, p->gs, s, p->uc + from * h, n, p->gc);
    for (size_t i = 0; i < n; i++)
        k->axpy(p->gc + i * h, p->c + list[i] * h, 1, h);
    od_nn_gru_step_back(&user, p->uxw + from * 3 * h, p->uhu + from * 3 * h, p->gc, p->gc,
                        p->ukept + from * 4 * h, p->ubefore + from * h, n);
    od_nn_linear_back(p->gs, false, NULL, NULL, p->uxw + from * 3 * h, NULL, user.w, n, h, 3 * h);
    for (size_t i = 0; i < n; i++) {
        memcpy(p->c + list[i] * h, p->gc + i * h, h * sizeof *p->c);
        memcpy(p->ds + (at + list[i]) * h, p->gs + i * h, h * sizeof *p->ds);
        k->axpy(p->ds + (at + list[i]) * h, p->dh + (from + i) * h, 1, h);
    }
}

/* From ds of all rows to the gradients of both recurrences' products; at the end ds of step 0 is
 * the gradient of the starts, c that of the users' states before any event. */
static void through_time(struct pass *p)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const struct od_nn_packed *packed = &p->rows->packed;
    struct od_nn_gru session = od_gru_session(p->net, p->params);
    size_t h = p->net->hidden;
    memset(p->c, 0, p->rows->sequences * h * sizeof *p->c);
    for (uint32_t t = packed->steps; t-- > 0;) {
        size_t at = packed->at[t], count = packed->at[t + 1] - at;
        end_sessions_back(p, t);
        od_nn_gru_step_back(&session, p->xw + at * 3 * h, p->hu + at * 3 * h, p->ds + at * h,
                            p->ds + at * h, p->kept + at * 4 * h, p->before + at * h, count);
        if (t && t % p->net->bptt)
            k->axpy(p->ds + packed->at[t - 1] * h, p->ds + at * h, 1, count * h);
        else if (t)
            memset(p->c, 0, p->rows->sequences * h * sizeof *p->c);
    }
}

static struct od_nn_gru_grad grads(const struct pass *p, uint32_t first)
{
    return (struct od_nn_gru_grad){
        od_nn_in(p->params, p->gradient, first), od_nn_in(p->params, p->gradient, first + 1),
        od_nn_in(p->params, p->gradient, first + 2), od_nn_in(p->params, p->gradient, first + 3)};
}

static void begin_back(struct pass *p)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const struct od_features *f = p->net->users;
    size_t h = p->net->hidden, n = p->rows->sequences;
    float *person = od_nn_in(p->params, p->gradient, GRU_PERSON);
    start_back(p, p->ds, p->start, p->first, n, p->gc);
    k->axpy(p->c, p->gc, 1, n * h);
    for (size_t s = 0; f && s < n; s++) {
        uint32_t user = p->rows->user[s];
        if (user != OD_NO_CODE)
            for (uint64_t e = f->at[user]; e < f->at[user + 1]; e++)
                k->axpy(person + f->column[e] * h, p->c + s * h, f->value[e], h);
    }
}

static void inputs_back(struct pass *p, float *dv)
{
    const struct od_nn_vector *k = od_nn_vector_best();
    const struct od_seq_rows *rows = p->rows;
    struct od_nn_gru session = od_gru_session(p->net, p->params);
    struct od_nn_gru user = od_gru_user(p->net, p->params);
    struct od_nn_gru_grad of_session = grads(p, GRU_W), of_user = grads(p, GRU_USER_W);
    size_t w = p->net->width;
    float *dx = p->o, *dgap = od_nn_in(p->params, p->gradient, GRU_GAP_IN);
    od_nn_gru_collect(&session, &of_session, dx, false, p->xw, p->hu, p->x, p->before, rows->rows);
    od_nn_gru_collect(&user, &of_user, NULL, false, p->uxw, p->uhu, p->ux, p->ubefore,
                      p->paused_at[rows->packed.steps]);
    if (rows->key)
        od_nn_dropout(dx, rows->rows * w, p->net->dropout, rows->key);
    for (uint32_t t = 0; t < rows->packed.steps; t++)
        for (size_t r = rows->packed.at[t]; r < rows->packed.at[t + 1]; r++)
            k->axpy(dgap + od_gru_gap_before(rows, t, r) * w, dx + r * w, 1, w);
    od_nn_scatter_add(dv, dx, rows->item, rows->rows, w);
}

double od_gru_learn(const void *net, const struct od_nn_params *params,
                    const struct od_seq_rows *rows, float *gradient, float *dv, float *work)
{
    struct pass p = {.net = net, .params = params, .rows = rows, .gradient = gradient};
    lay_out(&p, work);
    forward(&p);
    double loss = output(&p, dv);
    through_time(&p);
    begin_back(&p);
    inputs_back(&p, dv);
    return loss;
}
