/* LinAR as a part of a recipe's model: what the recipe's hyperparameters mean to it, one fit into
 * an image.
 *
 *   hidden_dimension   the model's capacity: 8 times as many entries are kept of each row, the
 *                      largest by magnitude (149: 1,192; catalogues smaller than that are kept
 *                      whole);
 *   bptt               how far a prediction looks back, in training and in serving: 3 times as many
 *                      steps (32: 96, beyond which the slowest kernel weighs under a hundredth);
 *   recency_mask, apply_recency_bias   predictions weigh by age, as linar_events.c says; false: all
 *                      the same.
 * Two parts are made so. "linar" aims at the next event. "far" aims at the next several (HORIZON),
 * from slow kernels and all that a history holds: it knows less of what comes at once and more of
 * what a user will like, and is blended in. On MovieLens-1M, asked for the newest tenth of each
 * user's events, it alone gives precision@5 .213 where kernels of the next event give .200; asked
 * for the next event it gives HR@10 .262 where they give .289.
 * A recipe without one of them gets the default of those that have it. Which users are learnt from
 * (history length percentiles) is the task's to say. Kernels, rests, ridge, head, fading and debias
 * are chosen from the data (linar_pick.c); that choice is the lesson, a struct od_linar_config. */
#include <stdlib.h>
#include <string.h>

#include "recipes/linar_model.h"
#include "recipes/linar_pick.h"

enum { KEEP_PER_DIMENSION = 8, STEPS_PER_BPTT = 3, USUAL_DIMENSION = 149, USUAL_BPTT = 32 };

struct kind {
    const char *name;
    float horizon;
    uint32_t steps_per_bptt;
};
static const struct kind near = {"linar", 0, STEPS_PER_BPTT};
static const struct kind far = {"far", .8f, 2 * STEPS_PER_BPTT};

/* The value of a parameter, or usual when the recipe has none of that name. */
static double param(const struct od_train_input *input, const char *name, double usual)
{
    size_t i = od_recipe_param_find(input->spec, OD_PARAM_ALGORITHM, od_str_c(name));
    return i == SIZE_MAX ? usual : input->params[i].number;
}

static struct od_linar_shape shape_of(const struct kind *kind, const struct od_train_input *input)
{
    return (struct od_linar_shape){
        .recent_first =
            param(input, "recency_mask", 1) > 0 && param(input, "apply_recency_bias", 1) > 0,
        .horizon = kind->horizon,
        .window = kind->steps_per_bptt * (uint32_t)param(input, "bptt", USUAL_BPTT),
        .keep = KEEP_PER_DIMENSION * (uint32_t)param(input, "hidden_dimension", USUAL_DIMENSION),
    };
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

/* --- one fit into an image --- */

/* Popularity is that of all events, also of users that are not learnt from, but those that judges
 * of the choice hold out: an item must not be debiased for the very event that is asked for. */
static enum od_status write_sections(const struct kind *kind, const struct od_part_task *task,
                                     uint32_t window, struct od_linar_fit *fit,
                                     struct od_image_writer *image, struct od_error *err)
{
    const struct od_training *training = task->input->training;
    uint64_t *popularity = calloc((size_t)training->item_count + 1, sizeof *popularity);
    if (!popularity)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t e = 0; e < training->event_count; e++)
        popularity[training->item[e]]++;
    for (size_t j = 0; j < task->judge_count; j++)
        popularity[training->item[task->judges[j].end]]--;
    enum od_status st = od_linar_write(fit, kind->name, window, popularity, image);
    free(popularity);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

/* The longest rest, at most that of the configuration, whose positions with their suffix sums take
 * no more than a third of the memory and can be numbered: on very many short sessions the empty
 * positions would be most of a fit. */
static uint32_t affordable_rest(const struct od_part_task *task,
                                const struct od_linar_config *config, uint64_t memory_bytes)
{
    const struct od_training *training = task->input->training;
    uint64_t sums = (uint64_t)config->kernels * (config->kernels + 1) * 2;
    uint32_t rest = config->rest;
    for (; rest > 0; rest /= 2) {
        uint64_t count = od_linar_positions(training, task->end, rest);
        uint64_t bytes = od_linar_events_bytes(count, training->item_count) + count * (4 + sums);
        if (bytes <= memory_bytes / 3 && count < UINT32_MAX)
            break;
    }
    return rest;
}

static enum od_status fit_config(const struct kind *kind, const struct od_part_task *task,
                                 const struct od_linar_config *config,
                                 const struct od_linar_shape *shape, uint64_t memory_bytes,
                                 const struct od_work *work, struct od_image_writer *image,
                                 struct od_error *err)
{
    const struct od_training *training = task->input->training;
    struct od_linar_config actual = *config;
    struct od_linar_events events = {0};
    struct od_linar_fit fit = {0};
    struct od_linar_plan plan;
    actual.rest = affordable_rest(task, config, memory_bytes);
    enum od_status st =
        od_linar_events_init(&events, training, task->end, actual.fade, actual.rest, err);
    if (st == OD_OK)
        st = od_linar_plan_make(&events, &actual, shape, UINT32_MAX, memory_bytes, &plan, err);
    if (st == OD_OK)
        st = od_linar_fit_init(&fit, &events, &actual, shape, &plan, work, err);
    if (st == OD_OK)
        st = write_sections(kind, task, shape->window, &fit, image, err);
    od_linar_fit_done(&fit);
    od_linar_events_done(&events);
    return st;
}

/* The lesson when there is one, else what the judges choose. */
static enum od_status configure(const struct od_part_task *task, const struct od_linar_shape *shape,
                                uint64_t memory_bytes, double to, struct od_linar_config *out,
                                struct od_error *err)
{
    struct stage stage = {&task->input->progress, 0, to, "choosing a configuration", 0};
    struct od_work work = {task->input->threads, stage_tick, &stage};
    if (task->lesson.len == sizeof *out) {
        memcpy(out, task->lesson.ptr, sizeof *out);
        return OD_OK;
    }
    return od_linar_pick(task, shape, memory_bytes, &work, out, err);
}

static enum od_status fit(const struct kind *kind, const struct od_part_task *task,
                          struct od_image_writer *image, struct od_buf *out_lesson,
                          struct od_error *err)
{
    struct od_linar_shape shape = shape_of(kind, task->input);
    /* An allowance of 0 means that nobody set one. */
    uint64_t memory = task->input->memory_bytes ? task->input->memory_bytes : UINT64_MAX;
    double chosen = task->lesson.len ? 0 : .6;
    struct stage stage = {&task->input->progress, chosen, 1, "training", 0};
    struct od_work work = {task->input->threads, stage_tick, &stage};
    struct od_linar_config config;
    memset(&config, 0, sizeof config); /* a lesson has no unset bytes */
    od_math_init();
    enum od_status st = configure(task, &shape, memory, chosen, &config, err);
    if (st == OD_OK)
        st = fit_config(kind, task, &config, &shape, memory, &work, image, err);
    if (st == OD_OK)
        od_buf_put(out_lesson, &config, sizeof config);
    return st;
}

static enum od_status fit_near(const struct od_part_task *task, struct od_image_writer *image,
                               struct od_buf *out_lesson, struct od_error *err)
{
    return fit(&near, task, image, out_lesson, err);
}

static enum od_status fit_far(const struct od_part_task *task, struct od_image_writer *image,
                              struct od_buf *out_lesson, struct od_error *err)
{
    return fit(&far, task, image, out_lesson, err);
}

static bool near_present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, near.name, &section);
}

static bool far_present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, far.name, &section);
}

static enum od_status open_kind(const struct kind *kind, const struct od_image *image,
                                uint32_t item_count, void **out, struct od_error *err)
{
    struct od_linar_model *model = NULL;
    enum od_status st = od_linar_open(image, kind->name, item_count, &model, err);
    if (st == OD_OK)
        *out = model;
    return st;
}

static enum od_status open_near(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    return open_kind(&near, image, item_count, out, err);
}

static enum od_status open_far(const struct od_image *image, uint32_t item_count, void **out,
                               struct od_error *err)
{
    return open_kind(&far, image, item_count, out, err);
}

static void close_part(void *part)
{
    od_linar_close(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    return od_linar_score(part, query, scratch, scores, out_personal, err);
}

const struct od_part od_part_linar = {
    .name = "linar",
    .length = 2,
    .fit = fit_near,
    .present = near_present,
    .open = open_near,
    .close = close_part,
    .score = score,
};
const struct od_part od_part_far = {
    .name = "far",
    .fit = fit_far,
    .present = far_present,
    .open = open_far,
    .close = close_part,
    .score = score,
};
