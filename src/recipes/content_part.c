/* Records of items as a part of a model (content.h): the numbers chosen on held-out events, and the
 * part. The lesson is the configuration. */
#include "recipes/content.h"

#include <math.h>
#include <stdlib.h>

#include "recipes/climb.h"
#include "recipes/lesson.h"
#include "recipes/metrics.h"

#define NAME       "content"
#define PAST_RIDGE 10.0f /* 3 and 30 are as good */
#define POWER      .5f   /* of items' events, in their weight */
/* Bytes that a fit takes for two features: what sums take while they are made, the sums, and what
 * the map is solved with. */
#define PAIR_BYTES 96

struct od_content_config od_content_config_default(void)
{
    return (struct od_content_config){.decay = .5f, .next = 30};
}

/* What a fit of any configuration needs. */
struct ground {
    const struct od_part_task *task;
    struct od_content_rows rows;
    struct od_matrix spread;
    struct od_work work;
};

static void ground_done(struct ground *g)
{
    od_content_rows_done(&g->rows);
    od_matrix_free(&g->spread);
}

/* As many features as a quarter of the memory has pairs for; texts have another. */
static uint32_t columns_within(uint64_t memory_bytes)
{
    double most = sqrt((double)memory_bytes / 4 / PAIR_BYTES);
    return memory_bytes && most < OD_CONTENT_COLUMNS ? (uint32_t)most : OD_CONTENT_COLUMNS;
}

static enum od_status ground_init(struct ground *g, const struct od_part_task *task,
                                  struct od_error *err)
{
    const struct od_train_input *input = task->input;
    *g = (struct ground){.task = task, .work = {.threads = input->threads}};
    enum od_status st = od_progress_report(&input->progress, 0, "reading records", err);
    if (st == OD_OK)
        st = od_content_rows_init(&g->rows, input->training, columns_within(input->memory_bytes),
                                  input->memory_bytes / 4, input->threads, err);
    if (st == OD_OK && g->rows.columns &&
        od_content_spread(&g->rows, input->training, task->end, POWER, &g->spread) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    if (st != OD_OK)
        ground_done(g);
    return st;
}

/* Regressed sums for a decay. */
static enum od_status regress(const struct ground *g, const struct od_content_config *config,
                              double work, struct od_content_sums *out, float *out_same,
                              struct od_error *err)
{
    const struct od_train_input *input = g->task->input;
    const struct od_content_steps steps = {.decay = config->decay, .work = work};
    if (od_content_sums_init(out, &g->rows, input->training, g->task->end, &steps,
                             input->threads) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_content_regress(out, &g->spread, PAST_RIDGE, &g->work, out_same, err);
    if (st != OD_OK)
        od_content_sums_done(out);
    return st;
}

/* --- choosing --- */

struct pick {
    const struct ground *ground;
    struct od_content_sums sums; /* regressed, for a decay */
    float decay, same;
    float *map;
    struct od_content_model model;
};

static enum od_status make(void *context, const void *from, const void **out_model,
                           struct od_error *err)
{
    struct pick *pick = context;
    const struct od_content_config *config = from;
    const struct ground *g = pick->ground;
    enum od_status st = OD_OK;
    if (!pick->sums.step.at || fabsf(config->decay - pick->decay) > 0) {
        od_content_sums_done(&pick->sums);
        pick->decay = config->decay;
        st = regress(g, config, OD_CONTENT_TRIAL_WORK, &pick->sums, &pick->same, err);
    }
    if (st == OD_OK)
        st = od_content_map(pick->same, &pick->sums.step, &g->spread, config->next, &g->work,
                            pick->map, err);
    pick->model = od_content_model_of(&g->rows, pick->map, config->decay);
    *out_model = &pick->model;
    return st;
}

static enum od_status score_content(const void *model, const struct od_query *query,
                                    struct od_arena *scratch, float *scores, bool *out_any)
{
    return od_content_score(model, query, scratch, scores, out_any);
}

static const struct od_choice choices[] = {
    {offsetof(struct od_content_config, next), {1, 3, 10, 30, 100, 300, 1000}, 7, 3},
    {offsetof(struct od_content_config, decay), {0, .3f, .5f, .7f, .85f, .93f, .97f}, 7, 2},
};

static enum od_status pick_by(const struct ground *g, struct od_content_config *config,
                              struct od_error *err)
{
    size_t n = g->rows.columns;
    struct pick pick = {.ground = g, .map = malloc((n * n + 1) * sizeof *pick.map)};
    const struct od_climb climb = {.task = g->task,
                                   .stage = "choosing by records",
                                   .expected = 8,
                                   .choices = choices,
                                   .choice_count = sizeof choices / sizeof *choices,
                                   .config_bytes = sizeof *config,
                                   .make = make,
                                   .context = &pick,
                                   .newest = OD_CONTENT_HISTORY,
                                   .score = score_content};
    enum od_status st = pick.map ? od_climb(&climb, config, err) : od_fail(err, OD_NO_MEMORY, NULL);
    od_content_sums_done(&pick.sums);
    free(pick.map);
    return st;
}

/* --- the part --- */

static enum od_status parse(struct od_str text, struct od_content_config *out, struct od_error *err)
{
    enum { NUMBERS = 2 };
    static const double most[NUMBERS] = {(double)OD_CONTENT_MOST_DECAY, 1e6};
    double x[NUMBERS];
    if (!od_lesson_numbers(text, most, NUMBERS, x))
        return od_fail(err, OD_CORRUPT, "\"%.*s\" is no configuration of a model of records.",
                       OD_STR_ARG(text));
    *out = (struct od_content_config){(float)x[0], (float)x[1]};
    return OD_OK;
}

/* Records that tell nothing make a model without columns, which knows nobody. */
static enum od_status put(const struct ground *g, const struct od_content_config *config,
                          struct od_image_writer *image, struct od_error *err)
{
    size_t n = g->rows.columns;
    float *map = malloc((n * n + 1) * sizeof *map);
    struct od_content_sums sums = {0};
    float same = 0;
    enum od_status st = map ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK && n)
        st = regress(g, config, OD_CONTENT_WORK, &sums, &same, err);
    if (st == OD_OK && n)
        st = od_content_map(same, &sums.step, &g->spread, config->next, &g->work, map, err);
    if (st == OD_OK) {
        struct od_content_model model = od_content_model_of(&g->rows, map, config->decay);
        st = od_content_write(&model, NAME, image);
        if (st != OD_OK)
            od_fail(err, st, NULL);
    }
    od_content_sums_done(&sums);
    free(map);
    return st;
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    struct od_content_config config = od_content_config_default();
    struct ground ground;
    enum od_status st = task->lesson.len ? parse(task->lesson, &config, err) : OD_OK;
    if (st != OD_OK)
        return st;
    st = ground_init(&ground, task, err);
    if (st != OD_OK)
        return st;
    if (ground.rows.columns)
        st = pick_by(&ground, &config, err);
    if (st == OD_OK)
        st = put(&ground, &config, image, err);
    ground_done(&ground);
    od_buf_printf(out_lesson, "%g %g", (double)config.decay, (double)config.next);
    return st;
}

static bool applies(const struct od_training *training)
{
    return training->item_table != NULL;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, NAME, &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_content_model *model = calloc(1, sizeof *model);
    if (!model)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_content_read(image, NAME, item_count, model, err);
    if (st == OD_OK)
        *out = model;
    else
        free(model);
    return st;
}

static void close_part(void *part)
{
    free(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    enum od_status st = od_content_score(part, query, scratch, scores, out_personal);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

const struct od_part od_part_content = {
    .name = NAME,
    .applies = applies,
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
