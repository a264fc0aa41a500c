/* The sequence network in an image.
 *
 * Sections, N items, width d:
 *     seq                   struct header
 *     seq.weights           the network's tensors, as od_nn_params_write writes them
 *     seq.names.at, .text   the named columns of questions, in order
 *     seq.planes            half[d][N], item vectors by channel: 2 d N bytes (256 MB for a million
 *                           items of width 128), read once a request
 *
 * A request costs the newest events' way through the network, 24 d^2 layers operations each at
 * most, and d N for the scores. Half precision moves a score by less than a thousandth of its
 * largest term.
 *
 * Invariants of an opened model: shapes of the header are those of the weights; every vector and
 * weight is finite. Read-only; any thread may score. */
#include "recipes/seq_model.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"

#define VERSION 1u
enum { MOST_TYPES = 65536 };

struct header {
    uint32_t version, items, width, layers, hidden, types, times, epochs;
    double ndcg; /* of the best weights in validation, NAN: not judged */
};

struct od_seq_view {
    uint32_t items;
    struct od_seq_shape shape;
    struct od_nn_params params;
    struct od_words words;
    const uint16_t **plane; /* [width] into the image */
    const struct od_kernels *kernels;
};

/* --- writing --- */

static uint16_t *planes_of(const float *vectors, size_t items, size_t width)
{
    const struct od_kernels *k = od_kernels_best();
    uint16_t *planes = malloc(items * width * sizeof *planes + 1);
    float *channel = malloc((items + 1) * sizeof *channel);
    for (size_t c = 0; planes && channel && c < width; c++) {
        for (size_t i = 0; i < items; i++)
            channel[i] = vectors[i * width + c];
        k->encode_f16(planes + c * items, channel, items);
    }
    if (!channel) {
        free(planes);
        planes = NULL;
    }
    free(channel);
    return planes;
}

enum od_status od_seq_write(const struct od_seq_shape *s, const struct od_seq_model *model,
                            const struct od_dict *names, const float *vectors,
                            struct od_image_writer *image)
{
    struct header header = {VERSION,  model->items, s->width,      s->layers,  s->hidden,
                            s->types, s->times,     model->epochs, model->ndcg};
    struct od_buf weights;
    od_buf_init(&weights, SIZE_MAX);
    od_nn_params_write(&model->params, &weights);
    enum od_status st = od_buf_status(&weights);
    if (st == OD_OK)
        st = od_image_add(image, "seq", &header, sizeof header, false);
    if (st == OD_OK)
        st = od_image_add(image, "seq.weights", weights.ptr, weights.len, false);
    od_buf_done(&weights);
    if (st == OD_OK)
        st = od_image_add_dict(image, "seq.names", names);
    uint16_t *planes = st == OD_OK ? planes_of(vectors, model->items, s->width) : NULL;
    if (st == OD_OK && !planes)
        st = OD_NO_MEMORY;
    if (st == OD_OK)
        st = od_image_give(image, "seq.planes", planes,
                           (uint64_t)model->items * s->width * sizeof *planes);
    return st;
}

/* --- opening --- */

static enum od_status read_header(const struct od_image *image, uint32_t items,
                                  struct od_seq_shape *out, struct od_error *err)
{
    const void *p;
    struct header h;
    enum od_status st = od_image_array(image, "seq", 1, sizeof h, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(&h, p, sizeof h);
    if (h.version != VERSION)
        return od_fail(err, OD_CORRUPT, "Section seq has version %u; this program reads %u.",
                       h.version, VERSION);
    if (h.items != items || !h.width || h.width > OD_SEQ_MOST_WIDTH || !h.layers ||
        h.layers > OD_SEQ_LAYERS || !h.hidden || h.hidden > 8 * OD_SEQ_MOST_WIDTH ||
        h.types > MOST_TYPES || h.times > 1)
        return od_fail(err, OD_CORRUPT, "Section seq is not valid.");
    *out = (struct od_seq_shape){.width = h.width,
                                 .layers = h.layers,
                                 .hidden = h.hidden,
                                 .types = h.types,
                                 .times = h.times};
    return OD_OK;
}

static enum od_status open_weights(const struct od_image *image, struct od_seq_view *v,
                                   struct od_error *err)
{
    struct od_str bytes;
    if (!od_image_section(image, "seq.weights", &bytes))
        return od_fail(err, OD_CORRUPT, "Section seq.weights is missing.");
    const struct od_seq_shape *s = &v->shape;
    uint64_t d = s->width, layer = 4 * d * d + 3 * d * s->hidden;
    if ((layer * s->layers + 2 * d * s->columns) * sizeof(float) > bytes.len)
        return od_fail(err, OD_CORRUPT, "Section seq.weights is too short for its network.");
    enum od_status st = od_seq_net_init(s, 0, &v->params);
    return st == OD_OK ? od_nn_params_read(&v->params, bytes, err) : od_fail(err, st, NULL);
}

static enum od_status open_planes(const struct od_image *image, struct od_seq_view *v,
                                  struct od_error *err)
{
    const uint16_t *p;
    size_t width = v->shape.width;
    enum od_status st = od_image_halves(image, "seq.planes", v->items * width, &p, err);
    if (st != OD_OK)
        return st;
    v->plane = malloc(width * sizeof *v->plane);
    if (!v->plane)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t c = 0; c < width; c++)
        v->plane[c] = p + c * v->items;
    return OD_OK;
}

enum od_status od_seq_open(const struct od_image *image, uint32_t item_count,
                           struct od_seq_view **out, struct od_error *err)
{
    struct od_seq_view *v = calloc(1, sizeof *v);
    if (!v)
        return od_fail(err, OD_NO_MEMORY, NULL);
    v->items = item_count;
    v->kernels = od_kernels_best();
    enum od_status st = read_header(image, item_count, &v->shape, err);
    if (st == OD_OK)
        st = od_words_open(&v->words, image, "seq.names", err);
    if (st == OD_OK) {
        v->shape.columns = od_seq_ask_named(v->shape.times) + od_dict_count(v->words.names);
        st = open_weights(image, v, err);
    }
    if (st == OD_OK)
        st = open_planes(image, v, err);
    if (st == OD_OK)
        *out = v;
    else
        od_seq_close(v);
    return st;
}

void od_seq_close(struct od_seq_view *view)
{
    if (!view)
        return;
    od_words_done(&view->words);
    od_nn_params_done(&view->params);
    free(view->plane);
    free(view);
}

/* --- scoring --- */

/* The newest events as the network sees them, vectors decoded into v [count][width]; whether any
 * item is known. */
static bool see_events(const struct od_seq_view *view, const struct od_past_event *past,
                       size_t count, float *v, struct od_seq_event *out)
{
    size_t d = view->shape.width;
    bool any = false;
    for (size_t e = 0; e < count; e++, v += d) {
        bool known = past[e].item < view->items;
        any |= known;
        for (size_t c = 0; known && c < d; c++)
            v[c] = od_f16_decode(view->plane[c][past[e].item]);
        out[e] = (struct od_seq_event){known ? v : NULL, past[e].time, past[e].type};
    }
    return any;
}

static size_t ask(const struct od_seq_view *view, const struct od_query *query, struct od_word *out)
{
    size_t n = 0;
    if (view->shape.times)
        n = od_seq_ask_time(query->events[query->event_count - 1].time, query->now_s, out);
    return n + od_words_query(&view->words, query, od_seq_ask_named(view->shape.times), out + n,
                              OD_SEQ_ENTRIES - n);
}

enum od_status od_seq_score(const struct od_seq_view *view, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct od_seq_shape *s = &view->shape;
    size_t most = query->event_count, d = s->width;
    size_t count = most < OD_SEQ_HISTORY ? most : OD_SEQ_HISTORY;
    memset(scores, 0, view->items * sizeof *scores);
    *out_personal = false;
    if (!count)
        return OD_OK;
    struct od_seq_event *events = OD_NEW_ARRAY(scratch, struct od_seq_event, count);
    float *v = OD_NEW_ARRAY(scratch, float, count *d);
    float *state = OD_NEW_ARRAY(scratch, float, (s->layers + 1) * d);
    float *work = OD_NEW_ARRAY(scratch, float, od_seq_step_floats(s, count));
    if (!events || !v || !state || !work)
        return od_fail(err, OD_NO_MEMORY, NULL);
    struct od_word entry[OD_SEQ_ENTRIES];
    struct od_seq_state now = {.at = state};
    float *word = state + s->layers * d;
    *out_personal = see_events(view, query->events + most - count, count, v, events);
    if (!*out_personal)
        return OD_OK;
    od_seq_step(s, &view->params, &now, events, count, word, work);
    od_seq_answer(s, &view->params, word, entry, ask(view, query, entry), word);
    view->kernels->rows_f16(scores, view->plane, word, d, view->items);
    return OD_OK;
}
