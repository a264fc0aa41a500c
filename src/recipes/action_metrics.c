/* Offline metrics of aws-next-best-action: recipes.md 9.1, 9.2.
 *
 * A tenth of the users with action interactions is kept out of training, with all they did. Of each
 * one's action interactions the oldest 90 % are input and the newest 10 % are what happened; the
 * question is asked at the time of the first of those, with the item interactions before it.
 * - NDCG: relevant are the actions taken in the held-out part, standard form; users who took one.
 * - precision, recall: an action is recommended to a user when it is among the first five; of those
 *   recommendations, and of the users who took it, the share where both hold; mean over actions.
 * - auc: of all held-out offers, one a user and action, by the probability at the time of the
 * question; taken where any event of it is; scored actions.
 * - coverage: actions in a list of 25 among all actions. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/training_subset.h"
#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/action.h"
#include "recipes/action_recipe.h"
#include "recipes/metrics.h"
#include "recipes/registry.h"

#define TEST_SHARE  10
#define RECOMMENDED 5
#define BLOCK       32

static const size_t lengths[] = {5, 10, 25};
enum { LENGTHS = 3 };

struct answer {
    double ndcg[LENGTHS];
    uint32_t listed[OD_EVAL_TOP], listed_count;
    bool took; /* an action in the held-out part */
};

/* An offer of the held-out part: outcome and probability, NAN where it is not scored. */
struct offer {
    float probability;
    bool taken;
};

struct evaluation {
    const struct od_training *full, *items; /* action and item interactions, everybody's */
    const struct od_model *model;
    uint32_t *code, *item_code; /* of full->items, items->items in the model */
    uint32_t *item_user;        /* [full->user_count] */
    uint8_t *type;
    const uint32_t *test;      /* users */
    const uint64_t *input_end; /* [test_count] */
    uint32_t test_count;
    struct answer *answers;
    struct offer *offers; /* by event index of full */
};

/* --- one user --- */

static enum od_status make_query(const struct evaluation *e, uint32_t i, struct od_arena *arena,
                                 struct od_query *out)
{
    uint32_t user = e->test[i], item_user = e->item_user[user];
    uint64_t from = e->full->user_start[user], end = e->input_end[i];
    int64_t now = e->full->time[end];
    uint64_t item_from = item_user == OD_NO_CODE ? 0 : e->items->user_start[item_user];
    uint64_t item_end = item_user == OD_NO_CODE ? 0 : e->items->user_start[item_user + 1];
    while (item_end > item_from && e->items->time[item_end - 1] >= now)
        item_end--;
    struct od_past_event *past = OD_NEW_ARRAY(arena, struct od_past_event, end - from);
    struct od_past_event *events = OD_NEW_ARRAY(arena, struct od_past_event, item_end - item_from);
    if (!past || !events)
        return OD_NO_MEMORY;
    for (uint64_t k = from; k < end; k++)
        past[k - from] = (struct od_past_event){
            .item = e->code[e->full->item[k]], .type = e->type[e->full->type[k]], e->full->time[k]};
    for (uint64_t k = item_from; k < item_end; k++)
        events[k - item_from] = (struct od_past_event){.item = e->item_code[e->items->item[k]],
                                                       .time = e->items->time[k]};
    *out = (struct od_query){.events = events,
                             .event_count = item_end - item_from,
                             .action_events = past,
                             .action_event_count = end - from,
                             .item = OD_NO_CODE,
                             .now_s = now};
    return od_action_record_read(e->items->user_table, od_dict_text(e->full->users, user), arena,
                                 out);
}

/* Actions taken from the input's end on, distinct; the result is how many, known or not. */
static size_t list_taken(const struct evaluation *e, uint32_t i, uint32_t *out)
{
    size_t count = 0;
    for (uint64_t k = e->input_end[i]; k < e->full->user_start[e->test[i] + 1]; k++) {
        bool listed = e->type[e->full->type[k]] != OD_ACTION_TAKEN;
        for (size_t j = 0; !listed && j < count; j++)
            listed = out[j] == e->code[e->full->item[k]];
        if (!listed)
            out[count++] = e->code[e->full->item[k]];
    }
    return count;
}

static enum od_status ask_user(struct evaluation *e, uint32_t i, struct od_arena *arena)
{
    struct answer *answer = &e->answers[i];
    uint32_t actions = od_action_items(e->model)->count;
    uint64_t end = e->full->user_start[e->test[i] + 1], from = e->input_end[i];
    struct od_query query;
    float *scores = OD_NEW_ARRAY(arena, float, (size_t)actions + OD_SCAN_BLOCK);
    uint64_t *topk = OD_NEW_ARRAY(arena, uint64_t, od_topk_scratch(OD_EVAL_TOP));
    uint32_t *taken = OD_NEW_ARRAY(arena, uint32_t, end - from);
    bool personal;
    if (!scores || !topk || !taken)
        return OD_NO_MEMORY;
    enum od_status s = make_query(e, i, arena, &query);
    if (s == OD_OK)
        s = od_action_score(e->model, &query, arena, scores, &personal, NULL);
    if (s != OD_OK)
        return s;
    answer->listed_count = (uint32_t)od_topk(od_kernels_best(), scores, actions, NULL, OD_EVAL_TOP,
                                             topk, answer->listed);
    size_t count = list_taken(e, i, taken);
    answer->took = count > 0;
    for (int k = 0; k < LENGTHS; k++)
        answer->ndcg[k] =
            od_metric_ndcg(answer->listed, answer->listed_count, taken, count, count, lengths[k]);
    for (uint64_t k = from; k < end; k++) {
        uint32_t action = e->code[e->full->item[k]];
        bool known = action != OD_NO_CODE && scores[action] > -INFINITY &&
                     od_action_scored(e->model, action);
        e->offers[k] = (struct offer){known ? scores[action] : NAN,
                                      e->type[e->full->type[k]] == OD_ACTION_TAKEN};
    }
    return OD_OK;
}

static enum od_status ask_block(void *context, size_t block, unsigned thread)
{
    (void)thread;
    struct evaluation *e = context;
    enum od_status s = OD_OK;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    for (uint32_t i = (uint32_t)block * BLOCK; s == OD_OK && i < (block + 1) * BLOCK; i++) {
        if (i >= e->test_count)
            break;
        od_arena_reset(&arena);
        s = ask_user(e, i, &arena);
    }
    od_arena_done(&arena);
    return s;
}

/* --- sums --- */

static int compare_offers(const void *a, const void *b)
{
    float x = ((const struct offer *)a)->probability, y = ((const struct offer *)b)->probability;
    return (x > y) - (x < y);
}

/* Area under the ROC curve: how likely a taken offer has a higher probability than one that is not
 * taken; ties count half (Mann and Whitney). Sorts list. NAN without both outcomes. */
static double area(struct offer *list, size_t count)
{
    double below = 0, sum = 0, taken_all = 0, not_all = 0;
    qsort(list, count, sizeof *list, compare_offers);
    for (size_t i = 0, end; i < count; i = end) {
        double taken = 0, not_taken = 0;
        for (end = i; end < count && list[end].probability == list[i].probability; end++)
            *(list[end].taken ? &taken : &not_taken) += 1;
        sum += taken * (below + not_taken / 2);
        below += not_taken;
        taken_all += taken;
        not_all += not_taken;
    }
    return taken_all > 0 && not_all > 0 ? sum / (taken_all * not_all) : (double)NAN;
}

/* Whether event k is the first held-out one of its user with its action, and whether any takes it.
 */
static bool first_of(const struct evaluation *e, uint32_t i, uint64_t k, bool *out_taken)
{
    uint64_t end = e->full->user_start[e->test[i] + 1];
    *out_taken = false;
    for (uint64_t j = e->input_end[i]; j < end; j++) {
        if (e->full->item[j] != e->full->item[k] || e->type[e->full->type[j]] == OD_ACTION_OTHER)
            continue;
        if (j < k)
            return false;
        *out_taken |= e->offers[j].taken;
    }
    return true;
}

static enum od_status add_area(struct evaluation *e, struct od_metrics *metrics)
{
    struct offer *list = malloc((e->full->event_count + 1) * sizeof *list);
    size_t count = 0;
    if (!list)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < e->test_count; i++)
        for (uint64_t k = e->input_end[i]; k < e->full->user_start[e->test[i] + 1]; k++)
            if (!isnan(e->offers[k].probability) && e->type[e->full->type[k]] != OD_ACTION_OTHER &&
                first_of(e, i, k, &list[count].taken))
                list[count++].probability = e->offers[k].probability;
    double auc = area(list, count);
    free(list);
    if (!isnan(auc))
        od_metrics_add(metrics, "auc", auc);
    return OD_OK;
}

/* Per action: recommended, took it, both. */
struct tally {
    uint32_t recommended, took, both;
    bool listed;
};

static void tally_user(const struct evaluation *e, uint32_t i, uint32_t *taken, struct tally *tally)
{
    const struct answer *answer = &e->answers[i];
    size_t count = list_taken(e, i, taken);
    for (size_t k = 0; k < count; k++)
        if (taken[k] != OD_NO_CODE)
            tally[taken[k]].took++;
    for (uint32_t k = 0; k < answer->listed_count; k++) {
        struct tally *t = &tally[answer->listed[k]];
        t->listed = true;
        if (k >= RECOMMENDED)
            continue;
        t->recommended++;
        for (size_t j = 0; j < count; j++)
            t->both += taken[j] == answer->listed[k];
    }
}

static void add_shares(const struct tally *tally, uint32_t actions, struct od_metrics *metrics)
{
    double precision = 0, recall = 0, recommended = 0, took = 0, listed = 0;
    for (uint32_t a = 0; a < actions; a++) {
        listed += tally[a].listed;
        if (tally[a].recommended) {
            precision += (double)tally[a].both / tally[a].recommended;
            recommended++;
        }
        if (tally[a].took) {
            recall += (double)tally[a].both / tally[a].took;
            took++;
        }
    }
    od_metrics_add(metrics, "coverage", actions ? listed / actions : 0);
    od_metrics_add(metrics, "precision", recommended > 0 ? precision / recommended : 0);
    od_metrics_add(metrics, "recall", took > 0 ? recall / took : 0);
}

static enum od_status add_metrics(struct evaluation *e, struct od_metrics *metrics)
{
    static const char *const names[] = {"normalized_discounted_cumulative_gain_at_5",
                                        "normalized_discounted_cumulative_gain_at_10",
                                        "normalized_discounted_cumulative_gain_at_25"};
    uint32_t actions = od_action_items(e->model)->count;
    struct tally *tally = calloc((size_t)actions + 1, sizeof *tally);
    uint32_t *taken = malloc(((size_t)e->full->event_count + 1) * sizeof *taken);
    double users = 0, ndcg[LENGTHS] = {0};
    enum od_status s = tally && taken ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < e->test_count; i++) {
        tally_user(e, i, taken, tally);
        users += e->answers[i].took;
        for (int k = 0; k < LENGTHS; k++)
            ndcg[k] += e->answers[i].ndcg[k];
    }
    if (s == OD_OK) {
        add_shares(tally, actions, metrics);
        s = add_area(e, metrics);
    }
    for (int k = 0; s == OD_OK && k < LENGTHS; k++)
        od_metrics_add(metrics, names[k], users > 0 ? ndcg[k] / users : 0);
    free(tally);
    free(taken);
    return s;
}

/* --- splitting --- */

struct split {
    uint32_t *test; /* users with input and something behind it */
    uint64_t *input_end, *keep, *item_keep;
    uint32_t test_count;
    struct od_training *actions, *items;
};

static void split_done(struct split *s)
{
    free(s->test);
    free(s->input_end);
    free(s->keep);
    free(s->item_keep);
    od_training_free(s->actions);
    od_training_free(s->items);
}

/* Test users by sampling without replacement, as od_split_users. */
static void choose_users(const struct od_train_input *input, struct split *s)
{
    const struct od_training *t = input->actions, *items = input->training;
    uint32_t wanted = t->user_count / TEST_SHARE;
    struct od_random rng;
    od_random_init(&rng, input->seed);
    for (uint32_t u = 0; u < items->user_count; u++)
        s->item_keep[u] = items->user_start[u + 1] - items->user_start[u];
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t n = t->user_start[u + 1] - t->user_start[u];
        s->keep[u] = n;
        if (od_random_below(&rng, t->user_count - u) >= wanted)
            continue;
        wanted--;
        s->keep[u] = 0;
        uint32_t item_user = od_dict_find(items->users, od_dict_text(t->users, u));
        if (item_user != OD_NO_CODE)
            s->item_keep[item_user] = 0;
        uint64_t end = n / 10 * 9 + n % 10 * 9 / 10;
        if (end) {
            s->test[s->test_count] = u;
            s->input_end[s->test_count++] = t->user_start[u] + end;
        }
    }
}

static enum od_status split_init(struct split *s, const struct od_train_input *input,
                                 struct od_error *err)
{
    const struct od_training *t = input->actions;
    s->test = malloc(((size_t)t->user_count + 1) * sizeof *s->test);
    s->input_end = malloc(((size_t)t->user_count + 1) * sizeof *s->input_end);
    s->keep = malloc(((size_t)t->user_count + 1) * sizeof *s->keep);
    s->item_keep = malloc(((size_t)input->training->user_count + 1) * sizeof *s->item_keep);
    if (!s->test || !s->input_end || !s->keep || !s->item_keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    choose_users(input, s);
    enum od_status st = od_training_subset(t, s->keep, &s->actions, NULL, err);
    return st == OD_OK ? od_training_subset(input->training, s->item_keep, &s->items, NULL, err)
                       : st;
}

/* --- all of it --- */

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    return od_action_write(input, image, err);
}

static uint32_t *map_codes(const struct od_dict *from, const struct od_image_dict *to)
{
    uint32_t count = od_dict_count(from), *map = malloc(((size_t)count + 1) * sizeof *map);
    for (uint32_t i = 0; map && i < count; i++)
        map[i] = od_image_dict_find(to, od_dict_text(from, i));
    return map;
}

static enum od_status evaluate(const struct od_train_input *input, const struct split *split,
                               const struct od_model *model, struct od_metrics *metrics)
{
    const struct od_training *t = input->actions;
    struct evaluation e = {.full = t,
                           .items = input->training,
                           .model = model,
                           .test = split->test,
                           .input_end = split->input_end,
                           .test_count = split->test_count};
    e.code = map_codes(t->items, od_action_items(model));
    e.item_code = map_codes(input->training->items, od_action_event_items(model));
    e.item_user = malloc(((size_t)t->user_count + 1) * sizeof *e.item_user);
    e.type = malloc((size_t)t->type_count + 1);
    e.answers = calloc((size_t)e.test_count + 1, sizeof *e.answers);
    e.offers = calloc(t->event_count + 1, sizeof *e.offers);
    enum od_status s = OD_NO_MEMORY;
    if (e.code && e.item_code && e.item_user && e.type && e.answers && e.offers) {
        od_action_types(t, e.type);
        for (uint32_t u = 0; u < t->user_count; u++)
            e.item_user[u] = od_dict_find(input->training->users, od_dict_text(t->users, u));
        s = od_parallel(input->threads, (e.test_count + BLOCK - 1) / BLOCK, ask_block, &e);
    }
    if (s == OD_OK)
        s = add_metrics(&e, metrics);
    free(e.code);
    free(e.item_code);
    free(e.item_user);
    free(e.type);
    free(e.answers);
    free(e.offers);
    return s;
}

enum od_status od_action_evaluate(const struct od_train_input *input, double to,
                                  struct od_metrics *metrics, struct od_error *err)
{
    if (!input->actions || input->actions->user_count < TEST_SHARE)
        return OD_OK;
    struct split split = {0};
    struct od_memory_model model = {0};
    struct od_progress_scale scale;
    struct od_train_input part = *input;
    enum od_status s = split_init(&split, input, err);
    part.training = split.items;
    part.actions = split.actions;
    part.progress = od_progress_scaled(&scale, input->progress, 0, to);
    if (s == OD_OK && split.test_count)
        s = od_memory_model_fit(&od_recipe_next_best_action, fit, &part, &model, err);
    if (s == OD_OK && split.test_count &&
        (s = evaluate(input, &split, model.model, metrics)) != OD_OK)
        od_fail(err, s, NULL);
    od_memory_model_done(&model);
    split_done(&split);
    return s;
}
