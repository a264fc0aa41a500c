/* The course of a training: epochs, judging at each half, patience, the best weights, the
 * refreshing pass.
 *
 * The rate is constant after a short warm-up and falls whenever half an epoch brought no better
 * validation NDCG: the network then goes on from where it is. plan->patience such halves in a row
 * end the search. The refreshing pass starts from the best weights with fresh moments, at a rate
 * that falls to nothing, over all events that may be learnt from, held-out ones included: it brings
 * in the newest events, which matter most.
 *
 * Progress: after d half epochs, the best of which was the b-th, the share d / (b + patience) of
 * the search is done, at most; so the fraction never falls, and time left is as told by it. */
#include "recipes/seqtrain.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "math/nn/layers.h"
#include "recipes/metrics.h"
#include "recipes/seqtrain_batch.h"

enum { WARM_STEPS = 50, LEAST_JUDGES = 200, MOST_JUDGES = 4000, STAGE = 128 };
#define SEARCH_SHARE 0.85 /* of the progress, when a refreshing pass follows */
#define LEAST_NEWS   0.002
#define MOST_SCORES  1000000000u /* of judges at once: fewer where there are very many items */

struct course {
    const struct od_part_task *task;
    const struct od_seq_plan *plan;
    const struct od_seq_net *functions;
    const void *net;
    const uint64_t *end;
    struct od_judge *judges; /* ours: chosen among the task's, or held out by us */
    size_t judge_count;
    uint64_t *shortened; /* [users] ends without the events that we hold out */
    struct od_nn_params *params;
    struct od_nn_state state;
    struct od_seq_items items;
    struct od_seq_batch batch;
    float *best_params, *best_table, *best_columns;
    double best;
    uint32_t best_half, halves;
    uint64_t steps, learnt;
    uint32_t warm; /* steps with rising rates */
    float rate;
    double loss;           /* mean of the last half epoch */
    double from, to, said; /* progress */
    struct od_error *err;
};

uint32_t od_seq_candidates(uint32_t items)
{
    enum { SAMPLE = 2048 };
    return items <= 2 * SAMPLE ? 0 : SAMPLE;
}

void od_seq_model_done(struct od_seq_model *model)
{
    od_nn_params_done(&model->params);
    free(model->table);
    free(model->columns);
    *model = (struct od_seq_model){0};
}

/* --- judges --- */

/* At most MOST_JUDGES of the task's, evenly spread. */
static enum od_status take_judges(struct course *c)
{
    size_t have = c->task->judge_count, n = have < MOST_JUDGES ? have : MOST_JUDGES;
    c->judges = malloc((n + 1) * sizeof *c->judges);
    if (!c->judges)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        c->judges[i] = c->task->judges[i * have / n];
    c->judge_count = n;
    return OD_OK;
}

/* The newest event of up to MOST_JUDGES users with three, fewer where the items are millions. */
static enum od_status hold_out(struct course *c)
{
    const struct od_training *t = c->task->input->training;
    size_t users = t->user_count, able = 0, seen = 0;
    c->judges = malloc((MOST_JUDGES + 1) * sizeof *c->judges);
    c->shortened = malloc((users + 1) * sizeof *c->shortened);
    if (!c->judges || !c->shortened)
        return OD_NO_MEMORY;
    for (size_t u = 0; u < users; u++)
        able += c->end[u] >= t->user_start[u] + 3;
    size_t most = MOST_SCORES / ((size_t)t->item_count + 1);
    most = most < LEAST_JUDGES ? LEAST_JUDGES : most < MOST_JUDGES ? most : MOST_JUDGES;
    size_t n = able < most ? able : most;
    for (size_t u = 0; u < users; u++) {
        uint64_t start = t->user_start[u];
        c->shortened[u] = c->end[u];
        if (c->end[u] < start + 3)
            continue;
        if (c->judge_count < n && c->judge_count * able / n == seen) {
            c->shortened[u]--;
            c->judges[c->judge_count++] = (struct od_judge){start, c->shortened[u]};
        }
        seen++;
    }
    return OD_OK;
}

/* --- weights --- */

static void save_best(struct course *c)
{
    const struct od_seq_items *items = &c->items;
    memcpy(c->best_params, c->params->value, c->params->size * sizeof(float));
    memcpy(c->best_table, items->table.value, items->table.size * sizeof(float));
    memcpy(c->best_columns, items->columns.value, items->columns.size * sizeof(float));
}

static void restore_best(struct course *c)
{
    struct od_seq_items *items = &c->items;
    memcpy(c->params->value, c->best_params, c->params->size * sizeof(float));
    memcpy(items->table.value, c->best_table, items->table.size * sizeof(float));
    memcpy(items->columns.value, c->best_columns, items->columns.size * sizeof(float));
}

/* --- epochs --- */

static enum od_status say(struct course *c, double fraction, uint32_t epoch, uint32_t epochs)
{
    char stage[STAGE], ndcg[16] = "";
    double whole = c->from + (c->to - c->from) * (fraction < 1 ? fraction : 1);
    if (whole < c->said + LEAST_NEWS)
        return OD_OK;
    c->said = whole;
    if (c->best >= 0 && c->judge_count)
        snprintf(ndcg, sizeof ndcg, "%.4f", c->best);
    if (c->loss > 0 && *ndcg)
        snprintf(stage, sizeof stage, "epoch %u of %u, loss %.3f, validation NDCG@10 %s", epoch,
                 epochs, c->loss, ndcg + (*ndcg == '0')); /* .1712 */
    else if (c->loss > 0)
        snprintf(stage, sizeof stage, "epoch %u of %u, loss %.3f", epoch, epochs, c->loss);
    else
        snprintf(stage, sizeof stage, "epoch %u of %u", epoch, epochs);
    return od_progress_report(&c->task->input->progress, whole, stage, c->err);
}

/* Learns from windows[from, to); fraction of progress goes from `begin` to `done`. */
static enum od_status learn_some(struct course *c, const struct od_seq_windows *w, size_t from,
                                 size_t to, uint64_t epoch_key, float rate_end, double begin,
                                 double done, uint32_t epoch, uint32_t epochs)
{
    const struct od_seq_plan *plan = c->plan;
    double loss = 0, weight = 0, rate_begin = c->rate;
    for (size_t at = from; at < to;) {
        size_t count = 0;
        uint64_t predictions = 0;
        for (; at + count < to && predictions < plan->batch_rows; count++)
            predictions += w->list[at + count].to - w->list[at + count].learn;
        double share = (double)(at - from) / (double)(to - from), batch_loss, batch_weight;
        float warm = c->steps < c->warm ? (float)(c->steps + 1) / (float)c->warm : 1;
        float rate = (float)(rate_begin + ((double)rate_end - rate_begin) * share);
        struct od_nn_step step = {.rule = plan->rule,
                                  .rate = rate * warm,
                                  .beta1 = .9f,
                                  .beta2 = .98f,
                                  .decay = plan->decay,
                                  .clip = plan->clip};
        enum od_status st =
            od_seq_batch_step(&c->batch, w->list + at, count, od_nn_key(epoch_key, at, 0, 0), &step,
                              &batch_loss, &batch_weight);
        if (st != OD_OK)
            return od_fail(c->err, st, NULL);
        c->steps++;
        c->learnt += predictions;
        at += count;
        loss += batch_loss;
        weight += batch_weight;
        share = (double)(at - from) / (double)(to - from);
        st = say(c, begin + (done - begin) * share, epoch, epochs);
        if (st != OD_OK)
            return st;
    }
    c->rate = rate_end;
    if (weight > 0)
        c->loss = loss / weight;
    return OD_OK;
}

static enum od_status judge(struct course *c)
{
    struct od_seq_judging judging = {
        c->task->input->training, c->judges, c->judge_count, c->functions, c->net,
        c->batch.threads};
    double ndcg = 0;
    enum od_status st = od_seq_judge(&judging, c->params, &c->items, &ndcg);
    if (st != OD_OK)
        return od_fail(c->err, st, NULL);
    if (ndcg > c->best || !c->judge_count) {
        c->best = ndcg;
        c->best_half = c->halves;
        save_best(c);
    } else {
        c->rate *= c->plan->fall;
    }
    return OD_OK;
}

static bool enough(const struct course *c)
{
    const struct od_seq_plan *plan = c->plan;
    return c->halves >= 2 * plan->epochs || c->halves >= c->best_half + plan->patience ||
           (plan->most_rows && c->learnt >= plan->most_rows);
}

static double searched(const struct course *c, uint32_t halves)
{
    double limit = c->best_half + c->plan->patience, most = 2.0 * c->plan->epochs;
    return halves / (limit < most ? limit : most);
}

/* The schedule after some half epochs, without what was lost to patience. */
static float planned(const struct course *c, uint32_t halves)
{
    const struct od_seq_plan *plan = c->plan;
    return plan->last > 0 ? od_nn_cosine(halves, 2 * (uint64_t)plan->epochs, 0, plan->last) : 1;
}

/* Steps with rising rates: WARM_STEPS, or a tenth of a shorter pass. */
static uint32_t warm_up(const struct course *c, const uint64_t *end, uint32_t epochs)
{
    const struct od_training *t = c->task->input->training;
    uint64_t rows = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        rows += end[u] > t->user_start[u] ? end[u] - t->user_start[u] - 1 : 0;
    uint64_t steps = (rows / c->plan->batch_rows + 1) * epochs / 10;
    return steps < 1 ? 1 : steps < WARM_STEPS ? (uint32_t)steps : WARM_STEPS;
}

static enum od_status search(struct course *c, const uint64_t *end)
{
    const struct od_training *t = c->task->input->training;
    uint64_t seed = c->task->input->seed;
    enum od_status st = OD_OK;
    c->rate = c->plan->rate;
    c->warm = warm_up(c, end, c->plan->epochs);
    for (uint32_t epoch = 0; st == OD_OK && !enough(c); epoch++) {
        struct od_seq_windows w;
        st = od_seq_windows_make(t, end, c->plan, seed, epoch, &w);
        if (st != OD_OK)
            return od_fail(c->err, st, NULL);
        for (uint32_t half = 0; st == OD_OK && half < 2 && !enough(c); half++) {
            double begin = searched(c, c->halves), done = searched(c, c->halves + 1);
            st = learn_some(c, &w, half * w.count / 2, (half + 1) * w.count / 2,
                            od_nn_key(seed, epoch, half, 7),
                            c->rate * planned(c, c->halves + 1) / planned(c, c->halves), begin,
                            done, epoch + 1, c->plan->epochs);
            c->halves++;
            if (st == OD_OK)
                st = judge(c);
        }
        od_seq_windows_done(&w);
    }
    if (st == OD_OK)
        restore_best(c);
    return st;
}

/* From the weights there are, over everything, with fresh moments, to a rate of 0. */
static enum od_status refresh(struct course *c, uint32_t found)
{
    const struct od_training *t = c->task->input->training;
    uint64_t seed = c->task->input->seed;
    double share = (double)c->plan->refresh * found;
    uint32_t epochs = share > 1 ? (uint32_t)(share + .5) : c->plan->refresh > 0;
    enum od_status st = OD_OK;
    double from = (double)(c->plan->refresh_rate * c->plan->rate);
    od_seq_batch_fresh(&c->batch);
    c->steps = 0;
    c->warm = warm_up(c, c->end, epochs);
    for (uint32_t epoch = 0; st == OD_OK && epoch < epochs; epoch++) {
        struct od_seq_windows w;
        st = od_seq_windows_make(t, c->end, c->plan, seed ^ 0x9e37u, epoch, &w);
        if (st != OD_OK)
            return od_fail(c->err, st, NULL);
        c->rate = (float)(from * (epochs - epoch) / epochs);
        st = learn_some(c, &w, 0, w.count, od_nn_key(seed, epoch, 0, 9),
                        (float)(from * (epochs - epoch - 1) / epochs), (double)epoch / epochs,
                        (epoch + 1.0) / epochs, epoch + 1, epochs);
        od_seq_windows_done(&w);
    }
    return st;
}

/* --- all of it --- */

static enum od_status check_events(const struct course *c)
{
    const struct od_training *t = c->task->input->training;
    for (uint32_t u = 0; u < t->user_count; u++)
        if (c->end[u] > t->user_start[u] + 1)
            return OD_OK;
    return od_fail(c->err, OD_INVALID_INPUT,
                   "No user has two interactions: there is no order to learn from.");
}

static enum od_status begin(struct course *c)
{
    const struct od_train_input *input = c->task->input;
    enum od_status st = od_seq_items_init(&c->items, input->training, c->end, c->plan, input->seed);
    if (st == OD_OK)
        st = od_nn_state_init(&c->state, c->params, c->plan->rule);
    if (st == OD_OK)
        st = od_seq_batch_init(&c->batch, input->training, c->functions, c->net, c->params,
                               &c->items, input->threads);
    c->batch.state = &c->state;
    c->best_params = od_nn_buffer(c->params);
    if (st == OD_OK) {
        c->best_table = od_nn_buffer(&c->items.table);
        c->best_columns = od_nn_buffer(&c->items.columns);
    }
    if (st == OD_OK && (!c->best_params || !c->best_table || !c->best_columns))
        st = OD_NO_MEMORY;
    return st == OD_OK ? OD_OK : od_fail(c->err, st, NULL);
}

static struct od_seq_names names_of(const struct course *c)
{
    const struct od_features *f = c->plan->features;
    struct od_seq_names names = {.items = c->task->input->training->items,
                                 .columns = f ? f->names : NULL};
    if (c->functions->row_names)
        names.rows = c->functions->row_names(c->net, &names.tensor);
    return names;
}

static enum od_status run(struct course *c, uint32_t *out_epochs)
{
    struct od_str lesson = c->task->lesson;
    struct od_seq_names names = names_of(c);
    bool judged = c->task->judge_count > 0;
    enum od_status st;
    if (lesson.len) {
        st = od_seq_lesson_read(lesson, c->params, &c->items, &names, out_epochs, &c->best, c->err);
        c->to = 1;
        return st == OD_OK ? refresh(c, *out_epochs) : st;
    }
    st = judged ? take_judges(c) : hold_out(c);
    if (st != OD_OK)
        return od_fail(c->err, st, NULL);
    if (c->plan->start)
        st = od_seq_items_start(&c->items, c->task->input, judged ? c->end : c->shortened, c->err);
    if (st != OD_OK)
        return st;
    c->to = judged ? 1 : SEARCH_SHARE;
    st = search(c, judged ? c->end : c->shortened);
    *out_epochs = (c->best_half + 1) / 2;
    if (st == OD_OK && !judged && c->plan->refresh > 0) {
        c->from = SEARCH_SHARE;
        c->to = 1;
        st = refresh(c, *out_epochs);
    }
    return st;
}

static void give(struct course *c, uint32_t epochs, struct od_seq_model *out)
{
    *out = (struct od_seq_model){
        .params = *c->params,
        .table = c->items.table.value,
        .columns = c->items.column_count ? c->items.columns.value : NULL,
        .items = c->items.count,
        .width = c->items.width,
        .column_count = c->items.column_count,
        .ndcg = c->judge_count || c->task->lesson.len ? c->best : (double)NAN,
        .epochs = epochs,
    };
    c->items.table.value = NULL;
    if (out->columns)
        c->items.columns.value = NULL;
    *c->params = (struct od_nn_params){0};
}

enum od_status od_seq_train(const struct od_part_task *task, const struct od_seq_plan *plan,
                            const struct od_seq_net *functions, const void *net,
                            struct od_nn_params *params, struct od_seq_model *out,
                            struct od_buf *out_lesson, struct od_error *err)
{
    struct course c = {.task = task,
                       .plan = plan,
                       .functions = functions,
                       .net = net,
                       .end = task->end,
                       .params = params,
                       .best = -1,
                       .err = err};
    uint32_t epochs = 0;
    od_math_init();
    enum od_status st = check_events(&c);
    if (st == OD_OK)
        st = begin(&c);
    if (st == OD_OK)
        st = run(&c, &epochs);
    if (st == OD_OK && out_lesson) {
        struct od_seq_names names = names_of(&c);
        od_seq_lesson_write(params, &c.items, &names, epochs, c.best, out_lesson);
        st = od_buf_status(out_lesson);
        if (st != OD_OK)
            od_fail(err, st, NULL);
    }
    od_seq_batch_done(&c.batch);
    if (st == OD_OK)
        give(&c, epochs, out);
    od_nn_params_done(params);
    od_seq_items_done(&c.items);
    od_nn_state_done(&c.state);
    free(c.judges);
    free(c.shortened);
    free(c.best_params);
    free(c.best_table);
    free(c.best_columns);
    return st;
}

void od_seq_vectors(const struct od_seq_model *model, const struct od_seq_plan *plan,
                    const uint32_t *seen, float *out)
{
    const struct od_features *f = plan->features;
    size_t w = model->width;
    for (size_t i = 0; i < model->items; i++, out += w) {
        float n = seen ? (float)seen[i] : 0, share = f ? n / (n + plan->kappa) : 1;
        for (size_t k = 0; k < w; k++)
            out[k] = share * model->table[i * w + k];
        for (uint64_t e = f ? f->at[i] : 0; f && e < f->at[i + 1]; e++)
            for (size_t k = 0; k < w; k++)
                out[k] += f->value[e] * model->columns[f->column[e] * w + k];
    }
}
