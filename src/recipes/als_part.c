/* Factors of the unordered matrix as a part of a model: als.h. The lesson is the configuration that
 * was chosen, as its numbers in the order of the struct; dims and sweeps follow from size anew. */
#include "recipes/als.h"

#include <stdlib.h>

#include "recipes/lesson.h"
#include "recipes/metrics.h"

/* Gowalla: more sweeps only fit the noise, and twice the factors gained nothing. */
enum { MOST_DIMS = 128, LEAST_DIMS = OD_ALS_BLOCK, SWEEPS = 8 };

#define USUAL_WEIGHT 400.0f /* of all pairs of a user together: near the best on Gowalla */

/* A multiply-add is two: per pair and factor its share of a Hessian and of predictions; per row and
 * factor of a factorisation and of a product with the Gram matrix. */
double od_als_operations(const struct od_als_config *config, uint64_t pairs, uint64_t rows)
{
    double b = OD_ALS_BLOCK, d = config->dims;
    return config->sweeps *
           (2 * (double)pairs * d * (b + 6) + (double)rows * d * (b * b / 3 + 2 * b + 2 * d));
}

struct od_als_config od_als_config_default(const struct od_als_matrix *matrix,
                                           uint64_t memory_bytes)
{
    uint64_t pairs = matrix->users.at[matrix->users.rows];
    uint64_t rows = (uint64_t)matrix->users.rows + matrix->items.rows;
    float items = matrix->items.rows ? (float)matrix->items.rows : 1;
    struct od_als_config c = {.kind = OD_ALS_FACTORS,
                              .dims = MOST_DIMS,
                              .sweeps = SWEEPS,
                              .unobserved = USUAL_WEIGHT / items,
                              .ridge = .003f,
                              .power = 1,
                              .ease_ridge = 300};
    while (c.dims > LEAST_DIMS && (od_als_operations(&c, pairs, rows) > OD_ALS_MOST_OPERATIONS ||
                                   (memory_bytes && 6 * rows * c.dims > memory_bytes)))
        c.dims /= 2;
    return c;
}

static void print(const struct od_als_config *c, struct od_buf *out)
{
    od_buf_printf(out, "%u %g %g %g %g", c->kind, (double)c->unobserved, (double)c->ridge,
                  (double)c->power, (double)c->ease_ridge);
}

static enum od_status parse(struct od_str text, struct od_als_config *out, struct od_error *err)
{
    enum { NUMBERS = 5 };
    static const double most[NUMBERS] = {OD_ALS_EASE, 1e6, 1e6, 2, 1e6};
    double x[NUMBERS];
    if (!od_lesson_numbers(text, most, NUMBERS, x))
        return od_fail(err, OD_CORRUPT, "\"%.*s\" is no configuration of a factor model.",
                       OD_STR_ARG(text));
    out->kind = (uint32_t)x[0];
    out->unobserved = (float)x[1];
    out->ridge = (float)x[2];
    out->power = (float)x[3];
    out->ease_ridge = (float)x[4];
    return OD_OK;
}

static enum od_status make(const struct od_als_matrix *matrix, const struct od_als_config *config,
                           const struct od_train_input *input, struct od_als_model *out,
                           struct od_error *err)
{
    enum od_status st;
    if (config->kind == OD_ALS_EASE) {
        struct od_matrix b;
        st = od_ease_fit(matrix, config->ease_ridge, input->threads, &b, err);
        if (st != OD_OK)
            return st;
        st = od_als_model_of_ease(&b, config, out);
        od_matrix_free(&b);
    } else {
        struct od_als_fit fit;
        st = od_als_train(matrix, config, input, &fit, err);
        if (st != OD_OK)
            return st;
        st = od_als_model_of_factors(&fit, input->threads, out);
        od_als_fit_done(&fit);
    }
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status fit_matrix(const struct od_part_task *task,
                                 const struct od_als_matrix *matrix, struct od_image_writer *image,
                                 struct od_buf *out_lesson, struct od_error *err)
{
    const struct od_train_input *input = task->input;
    struct od_als_config config = od_als_config_default(matrix, input->memory_bytes);
    struct od_train_input inner = *input;
    struct od_progress_scale scale;
    struct od_als_model model = {0};
    enum od_status st = task->lesson.len ? parse(task->lesson, &config, err) : OD_OK;
    double share = task->judge_count ? .5 : 0;
    inner.progress = od_progress_scaled(&scale, input->progress, 0, share);
    struct od_part_task judged = *task;
    judged.input = &inner;
    if (st == OD_OK)
        st = od_als_pick(&judged, &config, err);
    if (matrix->items.rows > OD_EASE_ITEMS) /* whatever another catalogue taught */
        config.kind = OD_ALS_FACTORS;
    inner.progress = od_progress_scaled(&scale, input->progress, share, 1);
    if (st == OD_OK)
        st = make(matrix, &config, &inner, &model, err);
    if (st != OD_OK)
        return st;
    st = od_als_model_write(&model, image);
    od_als_model_done(&model);
    print(&config, out_lesson);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    struct od_als_matrix matrix;
    enum od_status st = od_als_matrix_init(&matrix, task->input->training, task->end, err);
    if (st != OD_OK)
        return st;
    st = fit_matrix(task, &matrix, image, out_lesson, err);
    od_als_matrix_done(&matrix);
    return st;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "als", &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_als_model *model = calloc(1, sizeof *model);
    if (!model)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_als_model_read(image, item_count, model, err);
    if (st == OD_OK)
        *out = model;
    else
        free(model);
    return st;
}

static void close_part(void *part)
{
    if (part)
        od_als_model_done(part);
    free(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    enum od_status st = od_als_score(part, query, scratch, scores, out_personal);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

const struct od_part od_part_als = {
    .name = "als",
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
