/* The plan of a training, from the data alone.
 *
 * Width 128, two layers: a prediction costs about 5 million operations, of which the softmax over a
 * sample is a third. HR@10 and NDCG@10 by width, leave one out, in the blend (aws-user-
 * personalization-v2, the same candidates: all of MovieLens, else a sample):
 *
 *     width            64             128             256
 *     Amazon Toys      .1192 .0726    .1214 .0740     .1218 .0738
 *     Amazon Beauty    .1045 .0619    .1068 .0629
 *     Amazon Sports    .0678 .0390    .0705 .0406
 *     MovieLens-1M     .3626 .2185    .3765 .2279
 *
 * One layer of width 64 gave Toys .1164 .0714, three of width 128 .1202 .0730. Histories of ten
 * events (Amazon's) are learnt by heart unless half of every layer is dropped; those of a hundred
 * want a fifth (models.md 2.2; Klenitskiy, Vasilev 2023). Between, the share goes by the logarithm.
 *
 * A training takes STEPS steps whatever the data, small sets in more epochs of smaller batches, at
 * a rate that falls by half a cosine and reaches its end with the last of them.
 *
 * Effort is bounded by counting operations, not seconds, so that the same data gives the same
 * bytes on any machine: OPERATIONS in the search for the best weights, and half as many, or one
 * pass, after it. That much later than one pass was worth HR@10 .115 to .117 on Amazon Toys, and as
 * much as the search .1195. Where not even one pass fits in, the width is halved once, and if that
 * is not enough users are left out, evenly by their code: a network of a few million parameters
 * learns little more from the next ten million histories.
 *
 * Memory: 16 bytes an item and unit of width while training (vectors, gradients, moments, the best
 * so far), as many in the lesson and the image together: 4 GB for a million items of width 128. An
 * allowance that is too small for that halves the width, down to LEAST_WIDTH, and so do vectors
 * of more than TABLE_BYTES.
 *
 * Events weigh by what eventsConfig says of their type and, with apply_recency_bias, by age:
 * exp(-age / span of the data), so that the oldest count a third of the newest. Where times are
 * made up there is no age. */
#include "recipes/seq_plan.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 128, HASTY_WIDTH = 64, LEAST_WIDTH = 16, LAYERS = 2, UNIT_BYTES = 32 };
enum { WINDOW = 150, CONTEXT = OD_SEQ_HISTORY - WINDOW };
enum { LEAST_BATCH = 128, MOST_BATCH = 6400, BATCHES = 300 };
enum { STEPS = 2400, MOST_EPOCHS = 60, PATIENCE = 12 };
#define TABLE_BYTES ((uint64_t)1 << 30)
#define OPERATIONS  2.5e13 /* four minutes of two cores at 100 GFLOP/s */

double od_seq_cost(const struct od_seq_shape *s, const struct od_seq_plan *plan, uint32_t items)
{
    double d = s->width, seen = 1 + (double)plan->context / plan->window;
    double candidates = plan->candidates && plan->candidates < items ? plan->candidates : items;
    double layer = 4 * d * d + 3 * d * s->hidden;
    return 6 * d * candidates + 6 * s->layers * layer * seen;
}

static uint64_t count_predictions(const struct od_training *t, const uint64_t *end)
{
    uint64_t n = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        n += end[u] > t->user_start[u] + 1 ? end[u] - t->user_start[u] - 1 : 0;
    return n;
}

/* Leaves one user of every so many, when all would be too many predictions; the first one stays. */
static void leave_out(const struct od_training *t, uint64_t *end, double share)
{
    double taken = 1 - share;
    for (uint32_t u = 0; u < t->user_count; u++) {
        if (end[u] < t->user_start[u] + 2)
            continue;
        taken += share;
        if (taken < 1)
            end[u] = t->user_start[u];
        else
            taken -= 1;
    }
}

static bool wants_recency(const struct od_train_input *input)
{
    static const struct od_str name = {"apply_recency_bias", 18};
    if (od_recipe_param_find(input->spec, OD_PARAM_ALGORITHM, name) == SIZE_MAX)
        return false;
    return od_recipe_param(input->spec, input->params, "apply_recency_bias")->number > 0;
}

/* *out stays NULL when every event weighs 1. */
static enum od_status weigh(const struct od_train_input *input, bool times, float **out)
{
    const struct od_training *t = input->training;
    double span = (double)t->last_time - (double)t->first_time;
    bool aged = times && span > 0 && wants_recency(input);
    if (!aged && !t->type_weight)
        return OD_OK;
    float *weight = malloc(((size_t)t->event_count + 1) * sizeof *weight);
    if (!weight)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; e < t->event_count; e++) {
        double age = (double)t->last_time - (double)t->time[e];
        weight[e] = (float)(aged ? exp(-age / span) : 1) * od_training_weight(t, e);
    }
    *out = weight;
    return OD_OK;
}

static float dropout_for(double events)
{
    const float sparse = .5f, dense = .2f;
    float x =
        (float)(log2(events > 10 ? events / 10 : 1) / log2(10)); /* 0 at ten, 1 at a hundred */
    return x >= 1 ? dense : sparse + (dense - sparse) * x;
}

static uint32_t batch_for(uint64_t predictions)
{
    uint64_t rows = predictions / BATCHES;
    return rows < LEAST_BATCH ? LEAST_BATCH : rows > MOST_BATCH ? MOST_BATCH : (uint32_t)rows;
}

/* An allowance of 0 means that nobody set one. */
static uint32_t width_for(uint32_t items, uint64_t memory_bytes)
{
    uint32_t width = WIDTH;
    uint64_t most = TABLE_BYTES / sizeof(float);
    if (memory_bytes && memory_bytes / UNIT_BYTES < most)
        most = memory_bytes / UNIT_BYTES;
    while (width > LEAST_WIDTH && (uint64_t)items * width > most)
        width /= 2;
    return width;
}

static struct od_seq_plan plan_for(const struct od_train_input *input, uint64_t predictions)
{
    uint32_t items = input->training->item_count;
    return (struct od_seq_plan){.width = width_for(items, input->memory_bytes),
                                .window = WINDOW,
                                .context = CONTEXT,
                                .batch_rows = batch_for(predictions),
                                .candidates = od_seq_candidates(items),
                                .patience = PATIENCE,
                                .refresh = .5f,
                                .refresh_rate = .5f,
                                .rule = OD_NN_ADAM,
                                .rate = 4e-3f,
                                .clip = 1,
                                .fall = 1,
                                .last = .05f,
                                .bias = true,
                                .start = true};
}

/* STEPS in all, as far as room goes; the rate's half cosine ends with the last one. */
static uint32_t epochs_for(const struct od_seq_plan *plan, uint64_t predictions, double room)
{
    double n = predictions ? (double)predictions : 1;
    double epochs = STEPS * (double)plan->batch_rows / n;
    epochs = epochs < MOST_EPOCHS ? epochs : MOST_EPOCHS;
    epochs = epochs < room / n ? epochs : room / n;
    return epochs > 1 ? (uint32_t)(epochs + .5) : 1;
}

/* Returns how many predictions there is room for. */
static double set_width(struct od_seq_setting *s, uint32_t width, uint32_t items)
{
    s->plan.width = s->shape.width = width;
    s->shape.hidden = (width * 8 / 3 + 7) / 8 * 8;
    return OPERATIONS / od_seq_cost(&s->shape, &s->plan, items);
}

enum od_status od_seq_setting_make(const struct od_part_task *task, const struct od_seq_wish *wish,
                                   struct od_seq_setting *out, struct od_error *err)
{
    const struct od_training *t = task->input->training;
    struct od_seq_setting s = {.end = malloc(((size_t)t->user_count + 1) * sizeof *s.end)};
    enum od_status st = s.end ? weigh(task->input, wish->times, &s.weight) : OD_NO_MEMORY;
    if (st != OD_OK) {
        od_seq_setting_done(&s);
        return od_fail(err, st, NULL);
    }
    memcpy(s.end, task->end, t->user_count * sizeof *s.end);
    uint64_t predictions = count_predictions(t, s.end), users = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        users += s.end[u] > t->user_start[u] + 1;
    s.plan = plan_for(task->input, predictions);
    s.plan.weight = s.weight;
    s.shape = (struct od_seq_shape){
        .layers = LAYERS,
        .types = t->type_count > 1 ? t->type_count : 0,
        .columns = wish->columns,
        .times = wish->times,
    };
    double room = set_width(&s, wish->width ? wish->width : s.plan.width, t->item_count);
    if ((double)predictions > room && s.plan.width > HASTY_WIDTH && !wish->width)
        room = set_width(&s, s.plan.width / 2, t->item_count);
    s.plan.epochs = epochs_for(&s.plan, predictions, room);
    s.dropout = dropout_for(users ? (double)predictions / (double)users + 1 : 0);
    if ((double)predictions > room)
        leave_out(t, s.end, room / (double)predictions);
    *out = s;
    return OD_OK;
}

void od_seq_setting_done(struct od_seq_setting *setting)
{
    free(setting->weight);
    free(setting->end);
    *setting = (struct od_seq_setting){0};
}
