/* Users' records and context as a part of a model (setting.h): how much rates shrink is chosen on
 * held-out events, and is the lesson. */
#include "recipes/setting.h"

#include <stdlib.h>

#include "math/cholesky.h"
#include "math/nn/vector.h"
#include "recipes/climb.h"
#include "recipes/lesson.h"
#include "recipes/metrics.h"

struct od_setting_config od_setting_config_default(void)
{
    return (struct od_setting_config){.shrink = 100};
}

/* --- choosing --- */

struct pick {
    const struct od_setting_sums *sums;
    unsigned threads;
    const float *share;
    struct od_setting_rates rates;
    struct od_setting_model model;
};

static struct od_setting_model model_of(const struct od_setting_sums *sums,
                                        const struct od_setting_rates *rates, const float *share)
{
    return (struct od_setting_model){.items = sums->items,
                                     .words = sums->words,
                                     .names = &sums->names,
                                     .at = rates->at,
                                     .item = rates->item,
                                     .value = rates->value,
                                     .share = share};
}

static enum od_status make(void *context, const void *from, const void **out_model,
                           struct od_error *err)
{
    struct pick *pick = context;
    const struct od_setting_config *config = from;
    od_setting_rates_done(&pick->rates);
    if (od_setting_rates_init(&pick->rates, pick->sums, config->shrink, pick->threads) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    pick->model = model_of(pick->sums, &pick->rates, pick->share);
    *out_model = &pick->model;
    return OD_OK;
}

static enum od_status score_setting(const void *model, const struct od_query *query,
                                    struct od_arena *scratch, float *scores, bool *out_any)
{
    (void)scratch;
    od_setting_score(model, query, scores, out_any);
    return OD_OK;
}

static const struct od_choice choices[] = {
    {offsetof(struct od_setting_config, shrink), {3, 10, 30, 100, 300, 1000, 3000}, 7, 3},
};

static enum od_status pick_by(const struct od_part_task *task, const struct od_setting_sums *sums,
                              const float *share, struct od_setting_config *config,
                              struct od_error *err)
{
    struct pick pick = {.sums = sums, .threads = task->input->threads, .share = share};
    const struct od_climb climb = {.task = task,
                                   .stage = "choosing by users' records and context",
                                   .expected = 4,
                                   .choices = choices,
                                   .choice_count = sizeof choices / sizeof *choices,
                                   .config_bytes = sizeof *config,
                                   .make = make,
                                   .context = &pick,
                                   .facts = true,
                                   .score = score_setting};
    enum od_status st = od_climb(&climb, config, err);
    od_setting_rates_done(&pick.rates);
    return st;
}

/* --- the part --- */

static enum od_status parse(struct od_str text, struct od_setting_config *out, struct od_error *err)
{
    static const double most = 1e6;
    double shrink;
    if (!od_lesson_numbers(text, &most, 1, &shrink) || !(shrink > 0))
        return od_fail(err, OD_CORRUPT, "\"%.*s\" is no configuration of a model of settings.",
                       OD_STR_ARG(text));
    out->shrink = (float)shrink;
    return OD_OK;
}

static enum od_status put(const struct od_part_task *task, const struct od_setting_sums *sums,
                          const float *share, const struct od_setting_config *config,
                          struct od_image_writer *image, struct od_error *err)
{
    struct od_setting_rates rates;
    enum od_status st = od_setting_rates_init(&rates, sums, config->shrink, task->input->threads);
    if (st == OD_OK) {
        struct od_setting_model model = model_of(sums, &rates, share);
        st = od_setting_write(&model, image);
        od_setting_rates_done(&rates);
    }
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    const struct od_training *training = task->input->training;
    struct od_setting_config config = od_setting_config_default();
    struct od_setting_sums sums;
    od_math_init();
    enum od_status st = task->lesson.len ? parse(task->lesson, &config, err) : OD_OK;
    if (st == OD_OK)
        st = od_progress_report(&task->input->progress, 0, "reading users' records and context",
                                err);
    if (st == OD_OK)
        st = od_setting_sums_init(&sums, training, task->end, task->input->threads, err);
    if (st != OD_OK)
        return st;
    float *share = malloc(((size_t)training->item_count + 1) * sizeof *share);
    if (share)
        od_setting_shares(&sums, share);
    else
        st = od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK && sums.words)
        st = pick_by(task, &sums, share, &config, err);
    if (st == OD_OK)
        st = put(task, &sums, share, &config, image, err);
    free(share);
    od_setting_sums_done(&sums);
    od_buf_printf(out_lesson, "%g", (double)config.shrink);
    return st;
}

static bool applies(const struct od_training *training)
{
    return training->user_table != NULL || training->context_count > 0;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "setting", &section);
}

struct opened {
    struct od_words names;
    struct od_setting_model model;
};

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct opened *opened = calloc(1, sizeof *opened);
    if (!opened)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_setting_read(image, item_count, &opened->names, &opened->model, err);
    if (st == OD_OK)
        *out = opened;
    else
        free(opened);
    return st;
}

static void close_part(void *part)
{
    struct opened *opened = part;
    od_words_done(&opened->names);
    free(opened);
}

/* Logarithms of rates alone: popularity is for the blend to weigh. */
static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    (void)scratch;
    (void)err;
    const struct opened *opened = part;
    od_setting_score_rates(&opened->model, query, scores, out_personal);
    if (*out_personal)
        od_nn_vector_best()->log(scores, scores, 1, opened->model.items);
    return OD_OK;
}

static void rates(const void *part, const struct od_query *query, float *out, bool *out_any)
{
    const struct opened *opened = part;
    od_setting_score_rates(&opened->model, query, out, out_any);
}

const struct od_part od_part_setting = {
    .name = "setting",
    .applies = applies,
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
    .rates = rates,
};
