/* Walks as a part of a model (walk.h): the numbers chosen on held-out events, and the part. The
 * lesson is the configuration. */
#include "recipes/walk.h"

#include <stdlib.h>
#include <string.h>

#include "recipes/climb.h"
#include "recipes/lesson.h"
#include "recipes/metrics.h"

struct od_walk_config od_walk_config_default(void)
{
    return (struct od_walk_config){.decay = 1, .source = .15f, .target = .2f};
}

/* --- choosing --- */

struct pick {
    const struct od_walk_fit *fit;
    struct od_walk_scorer scorer;
};

static enum od_status make(void *context, const void *config, const void **out_model,
                           struct od_error *err)
{
    struct pick *pick = context;
    od_walk_scorer_done(&pick->scorer);
    *out_model = &pick->scorer;
    enum od_status st = od_walk_scorer_init(&pick->scorer, pick->fit, config);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status score_walk(const void *scorer, const struct od_query *query,
                                 struct od_arena *scratch, float *scores, bool *out_any)
{
    return od_walk_score(scorer, query, scratch, scores, out_any);
}

static const struct od_choice choices[] = {
    {offsetof(struct od_walk_config, decay), {.3f, .6f, .8f, .9f, .97f, 1}, 6, 5},
    {offsetof(struct od_walk_config, target), {0, .1f, .2f, .3f, .45f, .6f}, 6, 2},
    {offsetof(struct od_walk_config, source), {0, .15f, .3f, .5f}, 4, 1},
};

static enum od_status pick_by(const struct od_part_task *task, const struct od_walk_fit *fit,
                              struct od_walk_config *config, struct od_error *err)
{
    struct pick pick = {.fit = fit};
    const struct od_climb climb = {.task = task,
                                   .stage = "choosing walks",
                                   .expected = 12,
                                   .choices = choices,
                                   .choice_count = sizeof choices / sizeof *choices,
                                   .config_bytes = sizeof *config,
                                   .make = make,
                                   .context = &pick,
                                   .newest = OD_WALK_HISTORY,
                                   .score = score_walk};
    enum od_status st = od_climb(&climb, config, err);
    od_walk_scorer_done(&pick.scorer);
    return st;
}

/* --- the part --- */

static enum od_status parse(struct od_str text, struct od_walk_config *out, struct od_error *err)
{
    enum { NUMBERS = 3 };
    static const double most[NUMBERS] = {1, 1, 1};
    double x[NUMBERS];
    if (!od_lesson_numbers(text, most, NUMBERS, x))
        return od_fail(err, OD_CORRUPT, "\"%.*s\" is no configuration of walks.", OD_STR_ARG(text));
    *out = (struct od_walk_config){(float)x[0], (float)x[1], (float)x[2]};
    return OD_OK;
}

/* Entries of all rows: as they are counted and as the image takes them, a quarter of the memory. */
static uint32_t affordable(const struct od_train_input *input)
{
    uint64_t most = input->memory_bytes / 4 / (2 * OD_WALK_ENTRY_BYTES);
    return input->memory_bytes && most < OD_WALK_ENTRIES ? (uint32_t)most : OD_WALK_ENTRIES;
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    const struct od_train_input *input = task->input;
    struct od_walk_config config = od_walk_config_default();
    struct od_als_matrix matrix;
    struct od_walk_fit rows;
    enum od_status st = task->lesson.len ? parse(task->lesson, &config, err) : OD_OK;
    if (st == OD_OK)
        st = od_progress_report(&input->progress, 0, "counting walks", err);
    if (st == OD_OK)
        st = od_als_matrix_init(&matrix, input->training, task->end, err);
    if (st != OD_OK)
        return st;
    st = od_walk_fit_init(&rows, &matrix, affordable(input), input->threads, err);
    od_als_matrix_done(&matrix);
    if (st != OD_OK)
        return st;
    st = pick_by(task, &rows, &config, err);
    if (st == OD_OK && od_walk_write(&rows, &config, image) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    od_walk_fit_done(&rows);
    od_buf_printf(out_lesson, "%g %g %g", (double)config.decay, (double)config.source,
                  (double)config.target);
    return st;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "walk", &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_walk_scorer *scorer = calloc(1, sizeof *scorer);
    if (!scorer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_walk_read(image, item_count, scorer, err);
    if (st == OD_OK)
        *out = scorer;
    else
        free(scorer);
    return st;
}

static void close_part(void *part)
{
    if (part)
        od_walk_scorer_done(part);
    free(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    enum od_status st = od_walk_score(part, query, scratch, scores, out_personal);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

const struct od_part od_part_walk = {
    .name = "walk",
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
