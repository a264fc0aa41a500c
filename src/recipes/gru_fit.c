/* Fitting the recurrent network: what the hyperparameters mean, and the sections of the image.
 *
 *   hidden_dimension   states are 64 larger (43: 112 with rounding to whole vectors of the CPU),
 *                      vectors of items 32 and three quarters of it (43: 64): the smallest sizes
 *                      allowed already have room for a catalogue of thousands;
 *   bptt               as in gru_net.h;
 *   recency_mask       a prediction weighs (7 + 3 * 0.9^n) / 10, n predictions of the same user
 *                      being newer, times 1/2 + 1/2 * 2^(-age / half the data's span).
 *
 * Effort is bounded by counting, so that the same data gives the same bytes on any machine: a
 * search sees no more than ALL_ROWS predictions and takes no more than OPERATIONS, but for the one
 * epoch that everything gets.
 *
 * Sections, N items, W width:
 *     gru          struct od_gru_header
 *     gru.params   the network's tensors (od_nn_params_write)
 *     gru.in       half[N][W], vectors as inputs
 *     gru.out      half[W][N], the same for scoring: a score is W rows added
 *     gru.person.* names of the users' columns, where they are used */
#include "recipes/gru_fit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/kernels.h"
#include "recipes/gru_model.h"

enum {
    LANES = 8,
    WINDOW = 64,
    CONTEXT = 32,
    STEPS = 64, /* of an epoch at least, if batches then are not too small */
    LEAST_BATCH = 256,
    SMALL_BATCH = 2048,
    MOST_BATCH = 8192, /* of millions of events */
    ALL_STEPS = 4000,  /* of a training, about */
    ALL_ROWS = 24000000,
    LEAST_EPOCHS = 8,
    MOST_EPOCHS = 24
};
#define OPERATIONS 4e13 /* five minutes of two cores at 130 GFLOP/s */

struct od_gru_wish od_gru_wish_of(const struct od_train_input *input)
{
    struct od_gru_wish wish = {.hidden_dimension = 128, .bptt = 32, .recency = true};
    for (size_t i = 0; i < input->spec->param_count; i++) {
        const char *name = input->spec->params[i].name;
        double value = input->params[i].number;
        if (strcmp(name, "hidden_dimension") == 0)
            wish.hidden_dimension = (uint32_t)value;
        else if (strcmp(name, "bptt") == 0)
            wish.bptt = (uint32_t)value;
        else if (strcmp(name, "recency_mask") == 0)
            wish.recency = value > 0;
    }
    return wish;
}

static float *make_weights(const struct od_part_task *task)
{
    const struct od_training *t = task->input->training;
    float *weight = malloc((t->event_count + 1) * sizeof *weight);
    double span = (double)t->last_time - (double)t->first_time;
    for (uint32_t u = 0; weight && u < t->user_count; u++) {
        double newer = 1;
        for (uint64_t e = t->user_start[u + 1]; e-- > t->user_start[u];) {
            double age = span > 0 ? ((double)t->last_time - (double)t->time[e]) / span : 0;
            weight[e] = (float)((.7 + .3 * newer) * (.5 + .5 * exp2(-2 * age)));
            if (e < task->end[u])
                newer *= .9;
        }
    }
    return weight;
}

static uint32_t within(uint64_t x, uint32_t least, uint32_t most)
{
    return x < least ? least : x > most ? most : (uint32_t)x;
}

static uint32_t whole_lanes(uint32_t floats)
{
    return (floats + LANES - 1) / LANES * LANES;
}

/* Of item vectors: the softmax over all items costs in proportion, so they are narrower than the
 * states, whose products are cheap beside it. */
static uint32_t width_of(const struct od_gru_wish *wish)
{
    return whole_lanes(32 + wish->hidden_dimension * 3 / 4);
}

static uint32_t hidden_of(const struct od_gru_wish *wish)
{
    return whole_lanes(64 + wish->hidden_dimension);
}

/* Floating point operations of one prediction while training, about: the recurrence within a
 * session, the output and the softmax, forward and twice as many back. */
static double cost_of(const struct od_gru_wish *wish, uint32_t items)
{
    double h = hidden_of(wish), w = width_of(wish);
    uint32_t sample = od_seq_candidates(items);
    return 6 * (3 * h * (h + w) + h * w + w * (sample ? sample : items));
}

static struct od_seq_plan plan_of(const struct od_gru_wish *wish, const struct od_training *t)
{
    uint64_t events = t->event_count;
    double room = OPERATIONS / cost_of(wish, t->item_count);
    uint64_t rows = room < ALL_ROWS ? (uint64_t)room : ALL_ROWS;
    uint32_t most = within(events / 512, SMALL_BATCH, MOST_BATCH);
    uint32_t batch = within(events / STEPS, LEAST_BATCH, most);
    uint32_t epochs = within(ALL_STEPS / (events / batch + 1), LEAST_EPOCHS, MOST_EPOCHS);
    epochs = within(rows / (events + 1), 1, epochs);
    return (struct od_seq_plan){
        .width = width_of(wish),
        .window = WINDOW,
        .context = CONTEXT,
        .batch_rows = batch,
        .candidates = od_seq_candidates(t->item_count),
        .epochs = epochs,
        .patience = 5,
        .refresh = .01f, /* one epoch */
        .refresh_rate = .3f,
        .rule = OD_NN_ADAM,
        .rate = .003f,
        .decay = .01f,
        .clip = 5,
        .fall = .7f,
        .last = .05f,
        .bias = true,
        .start = true,
        .features = wish->items,
        .kappa = 10,
        .met_only = wish->cold,
        .id_dropout = wish->cold ? .3f : 0,
    };
}

static enum od_status write_vectors(const struct od_seq_model *model, const float *v,
                                    struct od_image_writer *image)
{
    size_t n = model->items, w = model->width;
    uint16_t *in = malloc(n * w * sizeof *in + 1), *out = malloc(n * w * sizeof *out + 1);
    if (!in || !out) {
        free(in);
        free(out);
        return OD_NO_MEMORY;
    }
    od_kernels_best()->encode_f16(in, v, n * w);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < w; k++)
            out[k * n + i] = in[i * w + k];
    enum od_status st = od_image_give(image, "gru.in", in, n * w * sizeof *in);
    if (st != OD_OK) {
        free(out);
        return st;
    }
    return od_image_give(image, "gru.out", out, n * w * sizeof *out);
}

static enum od_status write_params(const struct od_nn_params *params, struct od_image_writer *image)
{
    struct od_buf bytes;
    od_buf_init(&bytes, SIZE_MAX / 2);
    od_nn_params_write(params, &bytes);
    enum od_status st = od_buf_status(&bytes);
    if (st == OD_OK)
        st = od_image_add(image, "gru.params", bytes.ptr, bytes.len, false);
    od_buf_done(&bytes);
    return st;
}

static uint32_t *count_items(const struct od_part_task *task)
{
    const struct od_training *t = task->input->training;
    uint32_t *seen = calloc((size_t)t->item_count + 1, sizeof *seen);
    for (uint32_t u = 0; seen && u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < task->end[u]; e++)
            seen[t->item[e]]++;
    return seen;
}

static enum od_status write_model(const struct od_part_task *task, const struct od_seq_model *model,
                                  const struct od_seq_plan *plan, const struct od_gru_net *net,
                                  struct od_image_writer *image)
{
    struct od_gru_header header = {
        .version = OD_GRU_VERSION,
        .items = model->items,
        .hidden = net->hidden,
        .width = net->width,
        .bptt = net->bptt,
        .user_columns = net->user_columns,
        .epochs = model->epochs,
        .ndcg = model->ndcg,
    };
    uint32_t *seen = count_items(task);
    float *v = malloc((size_t)model->items * model->width * sizeof *v + 1);
    enum od_status st = seen && v ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK) {
        od_seq_vectors(model, plan, seen, v);
        st = od_image_add(image, "gru", &header, sizeof header, false);
    }
    if (st == OD_OK)
        st = write_params(&model->params, image);
    if (st == OD_OK)
        st = write_vectors(model, v, image);
    if (st == OD_OK && net->user_columns)
        st = od_image_add_dict(image, "gru.person", net->users->names);
    free(seen);
    free(v);
    return st;
}

/* What a training takes at most, about: see seqtrain.h. */
static uint64_t bytes_needed(const struct od_seq_plan *plan, const struct od_gru_net *net,
                             const struct od_training *t, size_t params)
{
    uint64_t row = (uint64_t)plan->width * sizeof(float), h = net->hidden;
    uint64_t table = t->item_count * row, all = plan->candidates == 0;
    uint64_t columns = plan->features ? plan->features->columns * row : 0;
    uint64_t rows = (uint64_t)plan->batch_rows * 2; /* with context */
    uint64_t counted = t->event_count < OD_SEQ_START_EVENTS ? t->event_count : OD_SEQ_START_EVENTS;
    uint64_t pass = (30 * h + 6 * plan->width) * sizeof(float);
    return table * (all ? 6 + OD_SEQ_PARTS : 6) + columns * 5 +
           params * sizeof(float) * (4 + OD_SEQ_PARTS) + rows * pass + t->event_count * 32 +
           counted * 150 + OD_SEQ_PARTS * (uint64_t)t->item_count * 4;
}

static enum od_status check_memory(const struct od_part_task *task, const struct od_seq_plan *plan,
                                   const struct od_gru_net *net, size_t params,
                                   struct od_error *err)
{
    const struct od_training *t = task->input->training;
    uint64_t limit = task->input->memory_bytes, bytes = bytes_needed(plan, net, t, params);
    if (!limit || bytes <= limit)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT,
                   "Training on %llu interactions with %u items needs %llu MB of memory; the limit "
                   "is %llu MB.",
                   (unsigned long long)t->event_count, t->item_count,
                   (unsigned long long)(bytes >> 20), (unsigned long long)(limit >> 20));
}

enum od_status od_gru_fit(const struct od_part_task *task, const struct od_gru_wish *wish,
                          struct od_image_writer *image, struct od_buf *out_lesson,
                          struct od_error *err)
{
    struct od_seq_plan plan = plan_of(wish, task->input->training);
    struct od_gru_net net = {.hidden = hidden_of(wish),
                             .width = plan.width,
                             .bptt = wish->bptt,
                             .dropout = .2f,
                             .user_columns = wish->users ? wish->users->columns : 0,
                             .users = wish->users};
    struct od_nn_params params;
    struct od_seq_model model;
    float *weight = NULL;
    if (wish->recency && !(weight = make_weights(task)))
        return od_fail(err, OD_NO_MEMORY, NULL);
    plan.weight = weight;
    enum od_status st = od_gru_params_init(&net, task->input->seed, &params);
    if (st != OD_OK) {
        free(weight);
        return od_fail(err, st, NULL);
    }
    st = check_memory(task, &plan, &net, params.size, err);
    if (st != OD_OK)
        od_nn_params_done(&params);
    else
        st = od_seq_train(task, &plan, &od_gru_functions, &net, &params, &model, out_lesson, err);
    if (st == OD_OK) {
        st = write_model(task, &model, &plan, &net, image);
        if (st != OD_OK)
            od_fail(err, st, NULL);
        od_seq_model_done(&model);
    }
    free(weight);
    return st;
}
