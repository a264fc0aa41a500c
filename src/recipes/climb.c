/* Choosing a configuration by judges: see climb.h. */
#include "recipes/climb.h"

#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"

enum { MOST_JUDGES = 4000 };
#define STEP_GAIN   1.003     /* less is chance */
#define MOST_SCORES 60000000u /* judges times items of a trial */

struct climber {
    const struct od_climb *climb;
    struct od_judge *judges;
    size_t judge_count;
    double *gain;
    bool returns;
    void *best;
    double best_score;
    unsigned trials;
};

static enum od_status ask(struct climber *c, const void *config, double *out_sum,
                          struct od_error *err)
{
    const struct od_climb *climb = c->climb;
    const struct od_train_input *input = climb->task->input;
    struct od_judging judging = {.training = input->training,
                                 .threads = input->threads,
                                 .judges = c->judges,
                                 .returns = c->returns,
                                 .newest = climb->newest,
                                 .facts = climb->facts,
                                 .score = climb->score};
    enum od_status st = climb->make(climb->context, config, &judging.model, err);
    if (st != OD_OK)
        return st;
    st = od_judges_ask(&judging, 0, c->judge_count, c->gain);
    *out_sum = 0;
    for (size_t j = 0; j < c->judge_count && st == OD_OK; j++)
        *out_sum += c->gain[j];
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status try(struct climber *c, const void *config, bool *out_better,
                          struct od_error *err)
{
    unsigned expected = c->climb->expected, done = c->trials < expected ? c->trials : expected;
    double sum = 0;
    enum od_status st = od_progress_report(&c->climb->task->input->progress,
                                           (double)done / expected, c->climb->stage, err);
    if (st == OD_OK)
        st = ask(c, config, &sum, err);
    *out_better = st == OD_OK && (c->trials == 0 || sum > c->best_score * STEP_GAIN);
    if (*out_better) {
        memmove(c->best, config, c->climb->config_bytes);
        c->best_score = sum;
    }
    c->trials++;
    return st;
}

static enum od_status search(struct climber *c, struct od_error *err)
{
    bool better;
    enum od_status st = try(c, c->best, &better, err);
    for (size_t i = 0; i < c->climb->choice_count; i++) {
        const struct od_choice *choice = &c->climb->choices[i];
        bool moved = false;
        for (int step = 1; step >= -1 && !moved; step -= 2) {
            better = true;
            for (size_t k = choice->start + (size_t)step;
                 k < choice->count && better && st == OD_OK; k += (size_t)step) {
                char next[OD_CLIMB_BYTES];
                memcpy(next, c->best, c->climb->config_bytes);
                memcpy(next + choice->offset, &choice->value[k], sizeof(float));
                st = try(c, next, &better, err);
                moved |= better;
            }
        }
    }
    return st;
}

enum od_status od_climb(const struct od_climb *climb, void *config, struct od_error *err)
{
    const struct od_part_task *task = climb->task;
    const struct od_training *training = task->input->training;
    if (task->judge_count < OD_CLIMB_JUDGES)
        return OD_OK;
    size_t most = MOST_SCORES / ((size_t)training->item_count + 1);
    most = most > MOST_JUDGES ? MOST_JUDGES : most < OD_CLIMB_JUDGES ? OD_CLIMB_JUDGES : most;
    struct climber c = {.climb = climb,
                        .judges = malloc(most * sizeof *c.judges),
                        .gain = malloc(most * sizeof *c.gain),
                        .best = config};
    enum od_status st = OD_NO_MEMORY;
    if (c.judges && c.gain) {
        c.judge_count = od_judges_even(task->judges, task->judge_count, most, c.judges);
        c.returns = od_judges_return(training, c.judges, c.judge_count);
        st = search(&c, err);
    } else {
        od_fail(err, st, NULL);
    }
    free(c.judges);
    free(c.gain);
    return st;
}
