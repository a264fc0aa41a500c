/* Calibrating and measuring an optimisation objective: see objective.h.
 *
 * Accuracy falls as beta grows, but for noise: beta is doubled from far below the spread of the
 * scores until accuracy has fallen too far, then the gap is halved a few times. Where fewer than
 * LEAST_USERS can be asked, or no list has what one of them took, nothing can be measured: beta
 * then is ten times the loss that is allowed, so that one deviation of the attribute multiplies
 * odds by 1.1, 1.35 or 2.7. */
#include "jobs/objective.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "math/topk.h"
#include "recipes/metrics.h"

#define VALIDATION_SALT 0x6f626aULL /* "obj" */
#define FIRST_BETA      0.001
#define DOUBLINGS       14 /* to 8, where one deviation multiplies odds by 3,000 */
#define HALVINGS        6
#define LEAST_USERS     20
#define MEASURE         "normalized_discounted_cumulative_gain_at_25"

bool od_objective_is_set(const struct od_run *run)
{
    const struct od_json *json = od_json_get(run->spec, OD_STR("objective"));
    return json && !od_str_eq_c(od_json_get_str(json, "sensitivity", OD_STR("OFF")), "OFF");
}

enum od_status od_objective_read(struct od_run *run, struct od_objective *out)
{
    const struct od_json *json = od_json_get(run->spec, OD_STR("objective"));
    struct od_str sensitivity = od_json_get_str(json, "sensitivity", OD_STR(""));
    *out = (struct od_objective){.attribute = od_json_get_str(json, "attribute", OD_STR(""))};
    out->most_loss = od_str_eq_c(sensitivity, "HIGH")     ? 0.10
                     : od_str_eq_c(sensitivity, "MEDIUM") ? 0.03
                                                          : 0.01;
    const struct od_schema *schema = run->items ? od_table_schema(run->items) : NULL;
    size_t at = schema ? od_schema_find(schema, out->attribute) : SIZE_MAX;
    struct od_table_column column;
    if (at != SIZE_MAX)
        od_table_column(run->items, at, &column);
    if (at == SIZE_MAX || (!column.integers && !column.reals))
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. optimizationObjective: the items have no numbers in column "
                       "%.*s.",
                       OD_STR_ARG(out->attribute));
    return OD_OK;
}

/* The attribute of each item, NAN without one. */
static void read_values(const struct od_run *run, const struct od_objective *objective,
                        const struct od_dict *items, float *out)
{
    struct od_table_column column;
    size_t at = od_schema_find(od_table_schema(run->items), objective->attribute);
    od_table_column(run->items, at, &column);
    for (uint32_t i = 0; i < od_dict_count(items); i++) {
        uint32_t row = od_table_find(run->items, od_dict_text(items, i));
        out[i] = NAN;
        if (row != OD_NO_ROW && !od_bitmap_get(column.nulls, row))
            out[i] = (float)(column.reals ? column.reals[row] : (double)column.integers[row]);
    }
}

enum od_status od_objective_values(struct od_run *run, const struct od_objective *objective,
                                   const struct od_dict *items, float **out)
{
    uint32_t count = od_dict_count(items);
    float *z = malloc(((size_t)count + 1) * sizeof *z);
    double sum = 0, square = 0, known = 0;
    if (!z)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    read_values(run, objective, items, z);
    for (uint32_t i = 0; i < count; i++)
        if (isfinite(z[i])) {
            sum += (double)z[i];
            known++;
        }
    double mean = known > 0 ? sum / known : 0;
    for (uint32_t i = 0; i < count; i++)
        if (isfinite(z[i]))
            square += ((double)z[i] - mean) * ((double)z[i] - mean);
    double spread = known > 0 ? sqrt(square / known) : 0;
    for (uint32_t i = 0; i < count; i++) {
        double value = isfinite(z[i]) && spread > 0 ? ((double)z[i] - mean) / spread : 0;
        z[i] = (float)(value > 3 ? 3 : value < -3 ? -3 : value);
    }
    *out = z;
    return OD_OK;
}

/* --- asking a model with an objective --- */

struct shifted {
    struct od_scorer inner;
    const float *z; /* [inner.item_count] */
    double beta, unit;
};

static enum od_status score_shifted(void *context, const struct od_query *query,
                                    struct od_arena *scratch, float *scores, struct od_error *err)
{
    const struct shifted *s = context;
    enum od_status status = s->inner.score(s->inner.context, query, scratch, scores, err);
    for (uint32_t i = 0; status == OD_OK && i < s->inner.item_count; i++)
        scores[i] += (float)(s->beta * s->unit * (double)s->z[i]);
    return status;
}

/* shifted must stay where it is. */
static struct od_scorer shifted_scorer(struct shifted *shifted)
{
    struct od_scorer scorer = shifted->inner;
    scorer.score = score_shifted;
    scorer.context = shifted;
    return scorer;
}

/* A model trained on a split's training part, ready to be asked. */
struct judged {
    struct od_memory_model model;
    struct od_recipe_scorer scorer;
    struct shifted shifted;
    float *z;
};

static enum od_status tell(void *context, double fraction, const char *stage)
{
    (void)fraction;
    (void)stage;
    return od_run_report(context, 0, "weighing the objective");
}

/* What beta counts in. */
static double unit_of(const struct od_recipe *recipe, const struct od_model *model)
{
    return recipe->temperature ? (double)recipe->temperature(model) : 1;
}

static enum od_status open_judged(struct od_run *run, const struct od_train_input *input,
                                  const struct od_objective *objective,
                                  const struct od_split *split, struct judged *out)
{
    struct od_train_input part = *input;
    *out = (struct judged){0};
    part.training = split->train;
    part.progress = (struct od_progress){tell, run};
    enum od_status s = od_memory_model_train(run->recipe, &part, &out->model, run->err);
    if (s == OD_OK)
        s = od_recipe_scorer_init(&out->scorer, run->recipe, out->model.model, split, run->err);
    if (s == OD_OK)
        s = od_objective_values(run, objective, out->scorer.items, &out->z);
    if (s == OD_OK)
        out->shifted = (struct shifted){od_recipe_scorer_of(&out->scorer), out->z, objective->beta,
                                        unit_of(run->recipe, out->model.model)};
    return s;
}

static void close_judged(struct judged *j)
{
    od_recipe_scorer_done(&j->scorer);
    od_memory_model_done(&j->model);
    free(j->z);
}

static enum od_status accuracy(struct od_run *run, struct judged *j, const struct od_split *split,
                               unsigned threads, double beta, double *out)
{
    struct od_metrics metrics = {0};
    j->shifted.beta = beta;
    struct od_scorer scorer = shifted_scorer(&j->shifted);
    enum od_status s = od_run_report(run, 0, "weighing the objective");
    if (s == OD_OK)
        s = od_evaluate(&scorer, split, threads, &metrics, run->err);
    const double *found = od_metrics_find(&metrics, MEASURE);
    *out = found ? *found : 0;
    return s;
}

static enum od_status find_beta(struct od_run *run, struct judged *j, const struct od_split *split,
                                unsigned threads, struct od_objective *objective)
{
    double plain, now, low = 0, high = FIRST_BETA, kept = 1;
    enum od_status s = accuracy(run, j, split, threads, 0, &plain);
    if (s != OD_OK || !(plain > 0))
        return s;
    double least = plain * (1 - objective->most_loss);
    bool fell = false;
    for (int k = 0; s == OD_OK && !fell && k < DOUBLINGS; k++, high *= 2) {
        s = accuracy(run, j, split, threads, high, &now);
        fell = now < least;
        if (!fell) {
            low = high;
            kept = now / plain;
        } else {
            break;
        }
    }
    for (int k = 0; s == OD_OK && fell && k < HALVINGS; k++) {
        double middle = (low + high) / 2;
        s = accuracy(run, j, split, threads, middle, &now);
        if (now < least) {
            high = middle;
        } else {
            low = middle;
            kept = now / plain;
        }
    }
    objective->beta = low;
    objective->kept = kept;
    return s;
}

enum od_status od_objective_calibrate(struct od_run *run, const struct od_train_input *input,
                                      struct od_objective *objective)
{
    struct od_split test = {0}, validation = {0};
    struct judged judged = {0};
    objective->beta = 10 * objective->most_loss;
    objective->kept = NAN;
    enum od_status s = od_split_users(input->training, input->seed, &test, run->err);
    if (s == OD_OK)
        s = od_split_users(test.train, input->seed ^ VALIDATION_SALT, &validation, run->err);
    if (s == OD_OK && validation.test_count >= LEAST_USERS) {
        s = open_judged(run, input, objective, &validation, &judged);
        if (s == OD_OK)
            s = find_beta(run, &judged, &validation, input->threads, objective);
        close_judged(&judged);
    }
    od_split_done(&validation);
    od_split_done(&test);
    return s;
}

/* --- average_rewards_at_k --- */

double od_objective_reward(const uint32_t *ranked, size_t ranked_count, const uint32_t *relevant,
                           size_t relevant_count, const uint32_t *item_map, const float *reward)
{
    double all = 0, listed = 0;
    for (size_t r = 0; r < relevant_count; r++) {
        bool found = false;
        for (size_t i = 0; i < ranked_count && i < OD_EVAL_TOP && !found; i++)
            found = ranked[i] == item_map[relevant[r]];
        all += (double)reward[relevant[r]];
        listed += found ? (double)reward[relevant[r]] : 0;
    }
    return all > 0 ? listed / all : NAN;
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The distinct held-out items. */
static size_t relevant_of(const struct od_split *split, uint32_t index, uint32_t *out)
{
    uint64_t end = split->full->user_start[split->test_user[index] + 1];
    size_t count = 0, kept = 0;
    for (uint64_t e = split->input_end[index]; e < end; e++)
        out[count++] = split->full->item[e];
    qsort(out, count, sizeof *out, compare_codes);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || out[i] != out[kept - 1])
            out[kept++] = out[i];
    return kept;
}

struct reward_bench {
    struct od_arena arena;
    float *scores;
    struct od_past_event *events;
    uint32_t *relevant, listed[OD_EVAL_TOP];
    uint64_t *topk;
};

static enum od_status reward_of(struct od_run *run, const struct judged *j,
                                const struct od_split *split, const float *reward, uint32_t index,
                                struct reward_bench *b, double *out)
{
    const struct od_scorer *inner = &j->shifted.inner;
    struct od_query query;
    od_split_query(split, inner->item_map, index, b->events, &query);
    od_arena_reset(&b->arena);
    enum od_status s = od_query_at(split->full, split->test_user[index],
                                   od_split_context(split, index), &b->arena, &query);
    if (s == OD_OK)
        s = score_shifted((void *)&j->shifted, &query, &b->arena, b->scores, run->err);
    if (s != OD_OK)
        return s;
    size_t listed = od_topk(od_kernels_best(), b->scores, inner->item_count, NULL, OD_EVAL_TOP,
                            b->topk, b->listed);
    size_t relevant = relevant_of(split, index, b->relevant);
    *out = od_objective_reward(b->listed, listed, b->relevant, relevant, inner->item_map, reward);
    return OD_OK;
}

static enum od_status add_rewards(struct od_run *run, const struct judged *j,
                                  const struct od_split *split, const float *reward,
                                  struct od_metrics *metrics)
{
    size_t items = (size_t)j->shifted.inner.item_count + 1, events = split->most_events + 1;
    struct reward_bench b = {.scores = malloc(items * sizeof(float)),
                             .events = malloc(events * sizeof *b.events),
                             .relevant = malloc(events * sizeof *b.relevant),
                             .topk = malloc(od_topk_scratch(OD_EVAL_TOP) * sizeof *b.topk)};
    double sum = 0, users = 0;
    enum od_status s = b.scores && b.events && b.relevant && b.topk
                           ? OD_OK
                           : od_fail(run->err, OD_NO_MEMORY, NULL);
    od_arena_init(&b.arena, SIZE_MAX);
    uint32_t asked = split->test_count < OD_EVAL_USERS ? split->test_count : OD_EVAL_USERS;
    for (uint32_t i = 0; s == OD_OK && i < asked; i++) {
        double mine;
        uint32_t index = (uint32_t)((uint64_t)i * split->test_count / asked);
        s = reward_of(run, j, split, reward, index, &b, &mine);
        if (s == OD_OK && !isnan(mine)) {
            sum += mine;
            users++;
        }
    }
    if (s == OD_OK)
        od_metrics_add(metrics, "average_rewards_at_k", users > 0 ? sum / users : 0);
    od_arena_done(&b.arena);
    free(b.scores);
    free(b.events);
    free(b.relevant);
    free(b.topk);
    return s;
}

/* Rewards are the attribute itself, moved up where some are below 0. */
static enum od_status make_rewards(struct od_run *run, const struct od_objective *objective,
                                   const struct od_dict *items, float **out)
{
    uint32_t count = od_dict_count(items);
    float *reward = malloc(((size_t)count + 1) * sizeof *reward), least = 0;
    if (!reward)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    read_values(run, objective, items, reward);
    for (uint32_t i = 0; i < count; i++)
        least = isfinite(reward[i]) && reward[i] < least ? reward[i] : least;
    for (uint32_t i = 0; i < count; i++)
        reward[i] = isfinite(reward[i]) ? reward[i] - least : 0;
    *out = reward;
    return OD_OK;
}

enum od_status od_objective_measure(struct od_run *run, const struct od_train_input *input,
                                    const struct od_objective *objective,
                                    struct od_metrics *metrics)
{
    struct od_split split = {0};
    struct judged judged = {0};
    float *reward = NULL;
    enum od_status s = od_split_users(input->training, input->seed, &split, run->err);
    if (s == OD_OK && split.test_count) {
        s = open_judged(run, input, objective, &split, &judged);
        struct od_scorer scorer = shifted_scorer(&judged.shifted);
        if (s == OD_OK)
            s = od_evaluate(&scorer, &split, input->threads, metrics, run->err);
        if (s == OD_OK)
            s = make_rewards(run, objective, split.full->items, &reward);
        if (s == OD_OK)
            s = add_rewards(run, &judged, &split, reward, metrics);
        close_judged(&judged);
    }
    free(reward);
    od_split_done(&split);
    return s;
}
