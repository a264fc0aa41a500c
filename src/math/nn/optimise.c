/* Optimisers: see optimise.h.
 *
 * A step is two passes over fixed pieces of the parameters: the first sums a piece's gradients over
 * the parts and its squares in double; the squares are added in piece order, which gives the
 * length and the clipping factor; the second steps. Pieces never cross a tensor, since weight decay
 * is a tensor's property. */
#include "math/nn/optimise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/nn/vector.h"
#include "os/parallel.h"

#define EPSILON 1e-8f
enum { PIECE = 1 << 15 }; /* floats: 128 KB of each array, a level-2 cache's share */

struct od_nn_adam od_nn_adam_at(float rate, float beta1, float beta2, float decay, uint64_t t)
{
    double n = (double)t;
    return (struct od_nn_adam){
        .rate = rate,
        .beta1 = beta1,
        .beta2 = beta2,
        .epsilon = EPSILON,
        .decay = decay,
        .scale = 1,
        .correct1 = (float)(1 / (1 - pow((double)beta1, n))),
        .correct2 = (float)(1 / (1 - pow((double)beta2, n))),
    };
}

float od_nn_cosine(uint64_t t, uint64_t steps, uint64_t warm, float last)
{
    if (t < warm)
        return (float)(t + 1) / (float)(warm + 1);
    if (t >= steps || steps <= warm)
        return last;
    double done = (double)(t - warm) / (double)(steps - warm);
    return last + (1 - last) * (float)(.5 * (1 + cos(done * 3.14159265358979)));
}

enum od_status od_nn_state_init(struct od_nn_state *state, const struct od_nn_params *params,
                                enum od_nn_rule rule)
{
    *state = (struct od_nn_state){0};
    state->second = od_nn_buffer(params);
    if (rule == OD_NN_ADAM)
        state->first = od_nn_buffer(params);
    if (state->second && (state->first || rule != OD_NN_ADAM))
        return OD_OK;
    od_nn_state_done(state);
    return OD_NO_MEMORY;
}

void od_nn_state_done(struct od_nn_state *state)
{
    free(state->first);
    free(state->second);
    *state = (struct od_nn_state){0};
}

struct piece {
    size_t at, count;
    bool decays;
    double square;
};

struct stepping {
    struct od_nn_params *params;
    struct od_nn_state *state;
    float *const *gradients;
    uint32_t parts;
    const struct od_nn_step *step;
    const struct od_nn_vector *vector;
    struct piece *piece;
    float factor; /* scale and clipping together */
    bool finite;
};

static enum od_status sum_piece(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct stepping *s = context;
    struct piece *p = &s->piece[index];
    float *sum = s->gradients[0] + p->at;
    for (uint32_t g = 1; g < s->parts; g++) {
        s->vector->axpy(sum, s->gradients[g] + p->at, 1, p->count);
        memset(s->gradients[g] + p->at, 0, p->count * sizeof *sum);
    }
    p->square = 0;
    for (size_t i = 0; i < p->count; i += 1024) {
        size_t count = p->count - i < 1024 ? p->count - i : 1024;
        p->square += (double)s->vector->dot(sum + i, sum + i, count);
    }
    return OD_OK;
}

static enum od_status step_piece(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct stepping *s = context;
    const struct piece *p = &s->piece[index];
    const struct od_nn_step *step = s->step;
    float *w = s->params->value + p->at, *g = s->gradients[0] + p->at;
    if (s->finite && step->rule == OD_NN_ADAM) {
        struct od_nn_adam adam = od_nn_adam_at(step->rate, step->beta1, step->beta2,
                                               p->decays ? step->decay : 0, s->state->steps + 1);
        adam.scale = s->factor;
        s->vector->adam(w, s->state->first + p->at, s->state->second + p->at, g, p->count, &adam);
    } else if (s->finite) {
        for (size_t i = 0; i < p->count; i++)
            g[i] *= s->factor;
        if (p->decays && step->decay > 0)
            for (size_t i = 0; i < p->count; i++)
                w[i] -= step->rate * step->decay * w[i];
        s->vector->adagrad(w, s->state->second + p->at, g, p->count, step->rate, EPSILON);
    }
    memset(g, 0, p->count * sizeof *g);
    return OD_OK;
}

/* The pieces of all tensors; returns how many. piece NULL: only counts. */
static size_t cut(const struct od_nn_params *params, struct piece *piece)
{
    size_t n = 0;
    for (uint32_t t = 0; t < params->count; t++) {
        size_t size = od_nn_size(params, t);
        for (size_t i = 0; i < size; i += PIECE, n++)
            if (piece)
                piece[n] = (struct piece){params->at[t] + i, size - i < PIECE ? size - i : PIECE,
                                          params->tensor[t].decays, 0};
    }
    return n;
}

enum od_status od_nn_sum(const struct od_nn_params *params, float *const *gradients, uint32_t parts,
                         unsigned threads)
{
    size_t pieces = cut(params, NULL);
    struct stepping s = {.gradients = gradients, .parts = parts, .vector = od_nn_vector_best()};
    s.piece = malloc((pieces + 1) * sizeof *s.piece);
    if (!s.piece)
        return OD_NO_MEMORY;
    cut(params, s.piece);
    enum od_status st = od_parallel(threads, pieces, sum_piece, &s);
    free(s.piece);
    return st;
}

enum od_status od_nn_step(struct od_nn_params *params, struct od_nn_state *state,
                          float *const *gradients, uint32_t parts, const struct od_nn_step *step,
                          double *out_norm)
{
    size_t pieces = cut(params, NULL);
    struct stepping s = {params,
                         state,
                         gradients,
                         parts,
                         step,
                         od_nn_vector_best(),
                         malloc((pieces + 1) * sizeof *s.piece),
                         step->scale,
                         true};
    if (!s.piece)
        return OD_NO_MEMORY;
    cut(params, s.piece);
    enum od_status st = od_parallel(step->threads, pieces, sum_piece, &s);
    double square = 0;
    for (size_t i = 0; i < pieces; i++)
        square += s.piece[i].square;
    double norm = sqrt(square) * (double)step->scale;
    s.finite = isfinite(norm);
    if (step->clip > 0 && norm > (double)step->clip)
        s.factor = (float)((double)step->scale * (double)step->clip / norm);
    if (st == OD_OK)
        st = od_parallel(step->threads, pieces, step_piece, &s);
    free(s.piece);
    if (st == OD_OK) {
        state->steps += s.finite;
        *out_norm = norm;
    }
    return st;
}

void od_nn_rows_step(const struct od_nn_rows *table, const uint32_t *row, const float *gradient,
                     size_t touched, const struct od_nn_step *step)
{
    size_t n = table->width;
    const struct od_nn_vector *k = od_nn_vector_best();
    for (size_t i = 0; i < touched; i++) {
        const float *g = gradient + i * n;
        float *w = table->w + row[i] * n, *first = table->first + row[i] * n;
        float *second = &table->second[row[i]];
        float square = k->dot(g, g, n) * step->scale * step->scale / (float)n;
        if (!isfinite(square))
            continue;
        uint32_t t = ++table->count[row[i]];
        struct od_nn_adam a = od_nn_adam_at(step->rate, step->beta1, step->beta2, 0, t);
        *second += (1 - step->beta2) * (square - *second);
        float by = step->rate * a.correct1 / (sqrtf(*second * a.correct2) + EPSILON);
        for (size_t c = 0; c < n; c++) {
            first[c] += (1 - step->beta1) * (g[c] * step->scale - first[c]);
            w[c] -= by * first[c] + step->rate * step->decay * w[c];
        }
    }
}
