/* Training in order: a model of nine tenths of the users chooses its configuration, is asked for
 * the metrics by the other tenth, and gives the temperature; then the same configuration is fitted
 * on everybody. So metrics and temperature come from users no fit has seen, and what is deployed
 * has seen all.
 *
 * What the hyperparameters mean here:
 *   hidden_dimension   the model's capacity: 8 times as many entries are kept of each row, the
 *                      largest by magnitude (149: 1,192; catalogues smaller than that are kept
 *                      whole);
 *   bptt               how far a prediction looks back, in training and in serving: 3 times as many
 *                      steps (32: 96, beyond which the slowest kernel weighs under a hundredth);
 *   recency_mask       predictions weigh by age, as linar_events.c says; false: all the same;
 *   min/max_user_history_length_percentile   users outside are not learnt from. They still count
 *                      for popularity, and are served like anybody.
 * Kernels, rests, ridge, head, fading and debias are chosen from the data (linar_pick.c). */
#include "recipes/linar_train.h"

#include <stdlib.h>

#include "recipes/linar_model.h"
#include "recipes/linar_pick.h"

enum { KEEP_PER_DIMENSION = 8, STEPS_PER_BPTT = 3 };

static double param(const struct od_train_input *input, const char *name)
{
    return od_recipe_param(input->spec, input->params, name)->number;
}

struct od_linar_shape od_linar_shape_of(const struct od_train_input *input)
{
    return (struct od_linar_shape){
        .rule = {param(input, "min_user_history_length_percentile"),
                 param(input, "max_user_history_length_percentile")},
        .recent_first = param(input, "recency_mask") > 0,
        .window = STEPS_PER_BPTT * (uint32_t)param(input, "bptt"),
        .keep = KEEP_PER_DIMENSION * (uint32_t)param(input, "hidden_dimension"),
    };
}

/* What a fit may take: an allowance of 0 means that nobody set one. */
static uint64_t allowance(const struct od_train_input *input)
{
    return input->memory_bytes ? input->memory_bytes : UINT64_MAX;
}

/* --- progress: fractions of a stage to fractions of the whole --- */

struct stage {
    const struct od_progress *progress;
    double from, to;
    const char *name;
    double said; /* fraction last reported */
};

#define LEAST_NEWS 0.003 /* of a stage: a report may be a write to a pipe */

static enum od_status stage_tick(void *context, double fraction)
{
    struct stage *stage = context;
    if (!stage->progress->report || (fraction < stage->said + LEAST_NEWS && stage->said > 0))
        return OD_OK;
    stage->said = fraction;
    return stage->progress->report(stage->progress->context,
                                   stage->from + (stage->to - stage->from) * fraction,
                                   stage->name) == OD_OK
               ? OD_OK
               : OD_STOPPED;
}

static struct od_work stage_work(const struct od_train_input *input, struct stage *stage)
{
    return (struct od_work){input->threads, stage_tick, stage};
}

/* --- one fit into an image --- */

static uint64_t *count_items(const struct od_training *training)
{
    uint64_t *count = calloc((size_t)training->item_count + 1, sizeof *count);
    for (uint64_t e = 0; count && e < training->event_count; e++)
        count[training->item[e]]++;
    return count;
}

static enum od_status write_image(const struct od_train_input *input, struct od_linar_fit *fit,
                                  float temperature, struct od_image_writer *image,
                                  struct od_error *err)
{
    uint64_t *popularity = count_items(input->training);
    enum od_status st = popularity ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK)
        st = od_image_add_dict(image, "items", input->training->items);
    if (st == OD_OK)
        st = od_linar_write(fit, od_linar_shape_of(input).window, temperature, popularity, image);
    free(popularity);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

/* Fits config to the users that end leaves and writes the image. */
static enum od_status fit_config(const struct od_train_input *input, const uint64_t *end,
                                 const struct od_linar_config *config, float temperature,
                                 const struct od_work *work, struct od_image_writer *image,
                                 struct od_error *err)
{
    struct od_linar_shape shape = od_linar_shape_of(input);
    struct od_linar_events events = {0};
    struct od_linar_fit fit = {0};
    struct od_linar_plan plan;
    enum od_status st =
        od_linar_events_init(&events, input->training, end, config->fade, config->rest, err);
    if (st == OD_OK)
        st = od_linar_plan_make(&events, config, &shape, UINT32_MAX, allowance(input), &plan, err);
    if (st == OD_OK)
        st = od_linar_fit_init(&fit, &events, config, &shape, &plan, work, err);
    if (st == OD_OK)
        st = write_image(input, &fit, temperature, image, err);
    od_linar_fit_done(&fit);
    od_linar_events_done(&events);
    return st;
}

static enum od_status pick_config(const struct od_train_input *input, const uint64_t *end,
                                  double to, struct od_linar_config *out, struct od_error *err)
{
    struct od_linar_shape shape = od_linar_shape_of(input);
    struct stage stage = {&input->progress, 0, to, "choosing a configuration", 0};
    struct od_work work = stage_work(input, &stage);
    return od_linar_pick(input->training, end, &shape, input->seed, allowance(input), &work, out,
                         err);
}

/* od_fit of the model that is asked: chooses, then fits. */
static enum od_status fit_first(const struct od_train_input *input, struct od_image_writer *image,
                                struct od_error *err)
{
    const double chosen = .4;
    struct od_linar_rule rule = od_linar_shape_of(input).rule;
    struct od_linar_config config;
    struct stage stage = {&input->progress, chosen, 1, "training for metrics", 0};
    struct od_work work = stage_work(input, &stage);
    uint64_t *end = malloc(((size_t)input->training->user_count + 1) * sizeof *end);
    enum od_status st = end ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        st = od_linar_ends(input->training, &rule, end, err);
    if (st == OD_OK)
        st = pick_config(input, end, chosen, &config, err);
    if (st == OD_OK)
        st = fit_config(input, end, &config, OD_LINAR_TEMPERATURE, &work, image, err);
    free(end);
    return st;
}

/* --- all of it --- */

struct lesson {
    struct od_linar_config config;
    float temperature;
};

static struct od_linar_config config_of(const struct od_linar_header *header)
{
    struct od_linar_config config = {.kernels = header->kernels,
                                     .lambda = header->lambda,
                                     .alpha = header->alpha,
                                     .least_count = header->least_count,
                                     .fade = (enum od_linar_fade)header->fade,
                                     .rest = header->rest};
    for (size_t k = 0; k < OD_LINAR_KERNELS; k++)
        config.gamma[k] = header->gamma[k];
    return config;
}

/* Trains on the split's training part, asks the others. metrics may be NULL. */
static enum od_status learn_from_split(const struct od_recipe *recipe,
                                       const struct od_train_input *part,
                                       const struct od_split *split, struct od_metrics *metrics,
                                       struct lesson *out, struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_recipe_scorer scorer = {0};
    enum od_status st = od_memory_model_fit(recipe, fit_first, part, &model, err);
    if (st == OD_OK)
        st = od_progress_report(&part->progress, 1, "evaluating", err);
    if (st == OD_OK)
        st = od_recipe_scorer_init(&scorer, recipe, model.model, split, err);
    if (st == OD_OK) {
        struct od_scorer ask = od_recipe_scorer_of(&scorer);
        if (metrics)
            st = od_evaluate(&ask, split, part->threads, metrics, err);
        if (st == OD_OK)
            st = od_linar_heat(&ask, split, part->threads, &out->temperature, err);
        out->config = config_of(od_linar_header_of(model.model));
    }
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&model);
    return st;
}

static enum od_status learn(const struct od_recipe *recipe, const struct od_train_input *input,
                            const uint64_t *end, struct od_metrics *metrics, struct lesson *out,
                            struct od_error *err)
{
    const double learnt = .65;
    struct od_split split;
    enum od_status st = od_split_users(input->training, input->seed, &split, err);
    if (st != OD_OK)
        return st;
    struct od_progress_scale scale;
    struct od_train_input part = *input;
    part.training = split.train;
    part.progress = od_progress_scaled(&scale, input->progress, 0, learnt);
    out->temperature = OD_LINAR_TEMPERATURE;
    if (split.test_count)
        st = learn_from_split(recipe, &part, &split, metrics, out, err);
    else
        st = pick_config(input, end, learnt, &out->config, err);
    od_split_done(&split);
    return st;
}

enum od_status od_linar_train(const struct od_recipe *recipe, const struct od_train_input *input,
                              struct od_image_writer *image, struct od_metrics *metrics,
                              struct od_error *err)
{
    struct lesson lesson = {0};
    struct stage stage = {&input->progress, .65, 1, "training", 0};
    struct od_work work = stage_work(input, &stage);
    struct od_linar_rule rule = od_linar_shape_of(input).rule;
    od_math_init();
    enum od_status st = od_recipe_params_check(input->spec, input->params, err);
    if (st != OD_OK)
        return st;
    uint64_t *end = malloc(((size_t)input->training->user_count + 1) * sizeof *end);
    if (!end)
        return od_fail(err, OD_NO_MEMORY, NULL);
    st = od_linar_ends(input->training, &rule, end, err);
    if (st == OD_OK)
        st = learn(recipe, input, end, metrics, &lesson, err);
    if (st == OD_OK)
        st = fit_config(input, end, &lesson.config, lesson.temperature, &work, image, err);
    free(end);
    return st;
}
