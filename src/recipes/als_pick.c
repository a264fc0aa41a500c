/* Choosing the weight of what did not occur, the ridge, and between factors and EASE.
 *
 * A trial fits TRIAL_DIMS factors in TRIAL_SWEEPS sweeps to a sample of users, and is judged by the
 * places of the judges' events: mean of 1 / log2(1 + place) over the first 20 places, past items
 * taking no part. The user of a judge is folded in, as in serving, so judges need not be among the
 * sample. The weight is tried as a multiple of 1 / items, because what it means to a user is
 * unobserved * items against the length of the history (Rendle et al. 2022, section 4.3). Both
 * numbers are then used for all the factors of the final fit and all users: the ridge grows with
 * the pairs of a row, so a sample may stand for all. That the choice for few
 * factors is the best for many is assumed, not measured.
 *
 * The walk: weights outwards from the middle while they gain, then ridges likewise, then EASE with
 * its ridges where the catalogue is small. Effort is bounded by counts, never by the clock. */
#include "recipes/als.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/judges.h"
#include "recipes/metrics.h"

enum {
    TRIAL_DIMS = 64,
    TRIAL_SWEEPS = 6,
    SAMPLE_EVENTS = 400000,
    MOST_JUDGES = 3000,
    LEAST_JUDGES = 50,
    EXPECTED_TRIALS = 8
};
#define STEP_GAIN   1.003
#define MOST_SCORES 100000000u /* judges times items of a trial */

static const float weights[] = {50, 150, 400, 1000, 2500}; /* over the number of items */
static const float ridges[] = {.0003f, .001f, .003f, .01f, .03f};
static const float ease_ridges[] = {100, 300, 1000};
enum { WEIGHTS = 5, RIDGES = 5, EASES = 3, MIDDLE = 2 };

struct pick {
    const struct od_part_task *task;
    struct od_als_matrix matrix;
    struct od_judge *judges;
    size_t judge_count;
    double *gain;
    struct od_als_config best;
    double best_score;
    unsigned trials;
};

/* --- judging --- */

static enum od_status score(const void *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_any)
{
    return od_als_score(model, query, scratch, scores, out_any);
}

/* Judges a model, which becomes the best when it gains enough. */
static enum od_status judge(struct pick *pick, const struct od_als_model *model, bool *out_better)
{
    struct od_judging judging = {.training = pick->task->input->training,
                                 .threads = pick->task->input->threads,
                                 .judges = pick->judges,
                                 .newest = OD_ALS_HISTORY,
                                 .nothing = -INFINITY,
                                 .model = model,
                                 .score = score};
    enum od_status st = od_judges_ask(&judging, 0, pick->judge_count, pick->gain);
    double sum = 0;
    for (size_t j = 0; j < pick->judge_count && st == OD_OK; j++)
        sum += pick->gain[j];
    *out_better = st == OD_OK && (pick->trials == 1 || sum > pick->best_score * STEP_GAIN);
    if (*out_better)
        pick->best_score = sum;
    return st;
}

/* --- trials --- */

static enum od_status announce(struct pick *pick, struct od_error *err)
{
    double done = pick->trials < EXPECTED_TRIALS ? pick->trials : EXPECTED_TRIALS;
    pick->trials++;
    return od_progress_report(&pick->task->input->progress, done / EXPECTED_TRIALS,
                              "choosing factors", err);
}

static enum od_status try_factors(struct pick *pick, float unobserved, float ridge,
                                  bool *out_better, struct od_error *err)
{
    struct od_train_input input = *pick->task->input;
    struct od_als_config next = pick->best;
    next.kind = OD_ALS_FACTORS;
    next.unobserved = unobserved;
    next.ridge = ridge;
    struct od_als_config trial = next;
    trial.dims = trial.dims < TRIAL_DIMS ? trial.dims : TRIAL_DIMS;
    trial.sweeps = TRIAL_SWEEPS;
    input.progress = (struct od_progress){0};
    struct od_als_fit fit;
    struct od_als_model model = {0};
    enum od_status st = announce(pick, err);
    if (st == OD_OK)
        st = od_als_train(&pick->matrix, &trial, &input, &fit, err);
    if (st != OD_OK)
        return st;
    st = od_als_model_of_factors(&fit, input.threads, &model);
    od_als_fit_done(&fit);
    if (st == OD_OK)
        st = judge(pick, &model, out_better);
    od_als_model_done(&model);
    if (st == OD_OK && *out_better)
        pick->best = next;
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status try_ease(struct pick *pick, float ridge, bool *out_better,
                               struct od_error *err)
{
    struct od_als_config next = pick->best;
    next.kind = OD_ALS_EASE;
    next.ease_ridge = ridge;
    struct od_matrix b;
    struct od_als_model model = {0};
    enum od_status st = announce(pick, err);
    if (st == OD_OK)
        st = od_ease_fit(&pick->matrix, ridge, pick->task->input->threads, &b, err);
    if (st != OD_OK)
        return st;
    st = od_als_model_of_ease(&b, &next, &model);
    od_matrix_free(&b);
    if (st == OD_OK)
        st = judge(pick, &model, out_better);
    od_als_model_done(&model);
    if (st == OD_OK && *out_better)
        pick->best = next;
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

/* Along one list from its middle: upwards while it gains, else downwards. */
static enum od_status climb(struct pick *pick, const float *list, int count, float per, bool weight,
                            struct od_error *err)
{
    enum od_status st = OD_OK;
    bool moved = false;
    for (int step = 1; step >= -1 && !moved && st == OD_OK; step -= 2) {
        bool better = true;
        for (int k = MIDDLE + step; k >= 0 && k < count && better && st == OD_OK; k += step) {
            struct od_als_config now = pick->best;
            st = weight ? try_factors(pick, list[k] / per, now.ridge, &better, err)
                        : try_factors(pick, now.unobserved, list[k], &better, err);
            moved |= better;
        }
    }
    return st;
}

static enum od_status walk(struct pick *pick, struct od_error *err)
{
    const struct od_train_input *input = pick->task->input;
    float items = (float)input->training->item_count;
    bool better = false;
    enum od_status st = try_factors(pick, weights[MIDDLE] / items, ridges[MIDDLE], &better, err);
    if (st == OD_OK)
        st = climb(pick, weights, WEIGHTS, items, true, err);
    if (st == OD_OK)
        st = climb(pick, ridges, RIDGES, 1, false, err);
    uint64_t square = (uint64_t)input->training->item_count * input->training->item_count;
    bool small = input->training->item_count <= OD_EASE_ITEMS &&
                 (!input->memory_bytes || 12 * square <= input->memory_bytes);
    for (int k = 0; k < EASES && small && st == OD_OK; k++)
        st = try_ease(pick, ease_ridges[k], &better, err);
    return st;
}

/* --- what is judged --- */

/* Every k-th user, so that about SAMPLE_EVENTS events remain. */
static enum od_status sample(struct pick *pick, struct od_error *err)
{
    const struct od_training *t = pick->task->input->training;
    uint64_t *end = malloc(((size_t)t->user_count + 1) * sizeof *end), total = 0;
    if (!end)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t u = 0; u < t->user_count; u++)
        total += pick->task->end[u] - t->user_start[u];
    uint64_t every = total / SAMPLE_EVENTS + 1;
    for (uint32_t u = 0; u < t->user_count; u++)
        end[u] = u % every == 0 ? pick->task->end[u] : t->user_start[u];
    enum od_status st = od_als_matrix_init(&pick->matrix, t, end, err);
    free(end);
    return st;
}

/* Evenly spread ones whose event is not in their past: the others are not what factors rank. */
static void choose_judges(struct pick *pick)
{
    const struct od_part_task *task = pick->task;
    const struct od_training *t = task->input->training;
    size_t most = MOST_SCORES / ((size_t)t->item_count + 1), able = task->judge_count;
    most = most > MOST_JUDGES ? MOST_JUDGES : most < LEAST_JUDGES ? LEAST_JUDGES : most;
    most = able < most ? able : most;
    for (size_t j = 0; j < able; j++) {
        const struct od_judge *judge = &task->judges[j];
        bool past = j * most / able == (j + 1) * most / able;
        for (uint64_t e = judge->start; e < judge->end && !past; e++)
            past = t->item[e] == t->item[judge->end];
        if (!past)
            pick->judges[pick->judge_count++] = *judge;
    }
}

enum od_status od_als_pick(const struct od_part_task *task, struct od_als_config *config,
                           struct od_error *err)
{
    struct pick pick = {.task = task,
                        .best = *config,
                        .judges = malloc(MOST_JUDGES * sizeof *pick.judges),
                        .gain = malloc(MOST_JUDGES * sizeof *pick.gain)};
    enum od_status st = OD_OK;
    if (!pick.judges || !pick.gain)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    else
        choose_judges(&pick);
    if (st == OD_OK && pick.judge_count >= LEAST_JUDGES) {
        st = sample(&pick, err);
        if (st == OD_OK)
            st = walk(&pick, err);
        if (st == OD_OK)
            *config = pick.best;
    }
    od_als_matrix_done(&pick.matrix);
    free(pick.judges);
    free(pick.gain);
    return st;
}
