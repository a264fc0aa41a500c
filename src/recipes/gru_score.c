/* The recurrent network in the server: a history to a state, a state to scores.
 *
 * The newest OD_SEQ_HISTORY events are run through the network for each query: 200 events take
 * about a millisecond, less than keeping states per user would cost in bookkeeping, and a changed
 * model needs no state to be thrown away. Scores are W rows of halves weighed by the state.
 *
 * Invariants of an opened model: shapes and finiteness were checked by open; everything is
 * read-only; any thread may score. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"
#include "recipes/gru_fit.h"
#include "recipes/gru_model.h"
#include "recipes/gru_person.h"

struct od_gru_model {
    struct od_gru_header header;
    struct od_gru_net net;
    struct od_nn_params params;
    const uint16_t *in, *out;
    const struct od_kernels *kernels;
    struct od_gru_people *people; /* NULL: records of users are not used */
};

static enum od_status read_header(const struct od_image *image, uint32_t item_count,
                                  struct od_gru_header *out, struct od_error *err)
{
    const void *p;
    enum od_status st = od_image_array(image, "gru", 1, sizeof *out, &p, err);
    if (st != OD_OK)
        return st;
    memcpy(out, p, sizeof *out);
    if (out->version != OD_GRU_VERSION)
        return od_fail(err, OD_CORRUPT, "Section gru has version %u; this program reads %u.",
                       out->version, OD_GRU_VERSION);
    if (out->items != item_count)
        return od_fail(err, OD_CORRUPT, "Section gru has %u items, the dictionary %u.", out->items,
                       item_count);
    bool good = out->hidden >= 1 && out->hidden <= OD_GRU_WIDEST && out->width >= 1 &&
                out->width <= OD_GRU_WIDEST && out->bptt >= 1;
    return good ? OD_OK : od_fail(err, OD_CORRUPT, "Section gru is not valid.");
}

static enum od_status read_arrays(const struct od_image *image, struct od_gru_model *m,
                                  struct od_error *err)
{
    uint64_t halves = (uint64_t)m->header.items * m->header.width;
    const void *p;
    enum od_status st = od_image_array(image, "gru.in", halves, sizeof *m->in, &p, err);
    if (st != OD_OK)
        return st;
    m->in = p;
    st = od_image_array(image, "gru.out", halves, sizeof *m->out, &p, err);
    m->out = p;
    for (uint64_t i = 0; st == OD_OK && i < halves; i++)
        if ((m->in[i] & 0x7c00u) == 0x7c00u || (m->out[i] & 0x7c00u) == 0x7c00u)
            return od_fail(err, OD_CORRUPT, "A vector of section gru is not finite.");
    return st;
}

static enum od_status read_model(const struct od_image *image, uint32_t item_count,
                                 struct od_gru_model *m, struct od_error *err)
{
    struct od_str weights;
    enum od_status st = read_header(image, item_count, &m->header, err);
    if (st != OD_OK)
        return st;
    m->net = (struct od_gru_net){.hidden = m->header.hidden,
                                 .width = m->header.width,
                                 .bptt = m->header.bptt,
                                 .user_columns = m->header.user_columns};
    if (m->net.user_columns) {
        st = od_gru_people_open(image, m->net.user_columns, &m->people, err);
        if (st != OD_OK)
            return st;
    }
    if (!od_image_section(image, "gru.params", &weights))
        return od_fail(err, OD_CORRUPT, "Section gru.params is missing.");
    uint64_t h = m->net.hidden, w = m->net.width;
    if ((3 * h * (h + w) + h * m->net.user_columns) * sizeof(float) > weights.len)
        return od_fail(err, OD_CORRUPT, "Section gru.params is too short for its network.");
    st = od_gru_params_init(&m->net, 0, &m->params);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    st = od_nn_params_read(&m->params, weights, err);
    return st == OD_OK ? read_arrays(image, m, err) : st;
}

enum od_status od_gru_open(const struct od_image *image, uint32_t item_count,
                           struct od_gru_model **out, struct od_error *err)
{
    struct od_gru_model *m = calloc(1, sizeof *m);
    if (!m)
        return od_fail(err, OD_NO_MEMORY, NULL);
    m->kernels = od_kernels_best();
    enum od_status st = read_model(image, item_count, m, err);
    if (st == OD_OK)
        *out = m;
    else
        od_gru_close(m);
    return st;
}

void od_gru_close(struct od_gru_model *model)
{
    if (!model)
        return;
    od_nn_params_done(&model->params);
    od_gru_people_close(model->people);
    free(model);
}

/* The newest events as rows of one sequence; v: their vectors. */
struct history {
    uint32_t at[OD_SEQ_HISTORY + 1], item[OD_SEQ_HISTORY], last, user;
    int64_t time[OD_SEQ_HISTORY], asked[OD_SEQ_HISTORY];
    struct od_seq_rows rows;
    uint32_t known;
};

static void read_history(const struct od_gru_model *m, const struct od_query *query,
                         struct history *h, float *v)
{
    size_t n = query->event_count < OD_SEQ_HISTORY ? query->event_count : OD_SEQ_HISTORY;
    const struct od_past_event *event = n ? query->events + (query->event_count - n) : NULL;
    const float one = 1;
    size_t width = m->header.width;
    for (size_t i = 0; i < n; i++) {
        bool known = event[i].item < m->header.items;
        h->at[i] = (uint32_t)i;
        h->item[i] = known ? h->known : OD_NO_CODE;
        h->time[i] = event[i].time;
        h->asked[i] = i + 1 < n ? event[i + 1].time : query->now_s;
        if (!known)
            continue;
        const uint16_t *row = m->in + event[i].item * width;
        m->kernels->rows_f16(v + h->known++ * width, &row, &one, 1, width);
    }
    h->at[n] = (uint32_t)n;
    h->last = n ? (uint32_t)n - 1 : 0;
    h->user = OD_NO_CODE;
    h->rows = (struct od_seq_rows){.packed = {(uint32_t)n, h->at},
                                   .sequences = 1,
                                   .rows = (uint32_t)n,
                                   .item = h->item,
                                   .time = h->time,
                                   .asked = h->asked,
                                   .last = &h->last,
                                   .user = &h->user,
                                   .v = v,
                                   .v_count = h->known};
}

enum od_status od_gru_score(const struct od_gru_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    size_t width = model->header.width, items = model->header.items;
    struct history *history = OD_NEW(scratch, struct history);
    float *v = OD_NEW_ARRAY(scratch, float, width *OD_SEQ_HISTORY);
    float *state = OD_NEW_ARRAY(scratch, float, width);
    const uint16_t **row = OD_NEW_ARRAY(scratch, const uint16_t *, width);
    if (!history || !v || !state || !row)
        return od_fail(err, OD_NO_MEMORY, NULL);
    read_history(model, query, history, v);
    *out_personal = history->known > 0;
    if (!history->known)
        return OD_OK;
    struct od_gru_net net = model->net;
    struct od_gru_person person;
    enum od_status st = od_gru_person_of(model->people, query, scratch, &person, err);
    if (st != OD_OK)
        return st;
    net.person = &person;
    size_t floats = od_gru_functions.workspace(&net, history->rows.rows, 1, 0);
    float *work = OD_NEW_ARRAY(scratch, float, floats);
    if (!work)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_gru_functions.states(&net, &model->params, &history->rows, state, work);
    for (size_t k = 0; k < width; k++)
        row[k] = model->out + k * items;
    memset(scores, 0, items * sizeof *scores);
    model->kernels->rows_f16(scores, row, state, width, items);
    return OD_OK;
}
