/* A recipe trained and opened in a test, with parameters by name. */
#ifndef OD_TESTS_RECIPES_FITTED_H
#define OD_TESTS_RECIPES_FITTED_H

#include "recipes/metrics.h"

#define FITTED_PARAMS 16

struct fitted {
    struct od_param_value params[FITTED_PARAMS];
    struct od_train_input input;
    struct od_metrics metrics;
    struct od_memory_model model;
    struct od_error err;
};

static bool fitted_with_metrics;
static struct od_metrics *fitted_metrics;

static inline enum od_status fitted_train(const struct od_train_input *input,
                                          struct od_image_writer *image, struct od_error *err)
{
    return od_recipe_find(od_str_c(input->spec->name))
        ->train(input, image, fitted_with_metrics ? fitted_metrics : NULL, err);
}

/* The input of a recipe with its defaults; set parameters by fitted_set, then fitted_run. */
static inline void fitted_init(struct fitted *f, const char *recipe, const struct od_training *t)
{
    memset(f, 0, sizeof *f);
    const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipe));
    assert_non_null(spec);
    assert_non_null(od_recipe_find(od_str_c(recipe)));
    assert_true(spec->param_count <= FITTED_PARAMS);
    assert_int_equal(od_recipe_params_default(spec, f->params), OD_OK);
    f->input = (struct od_train_input){
        .training = t, .spec = spec, .params = f->params, .seed = 1, .threads = 1};
}

/* Any place, tunable-only ones too. */
static inline void fitted_set(struct fitted *f, const char *name, const char *value)
{
    const struct od_recipe_spec *spec = f->input.spec;
    for (size_t i = 0; i < spec->param_count; i++)
        if (strcmp(spec->params[i].name, name) == 0) {
            assert_int_equal(
                od_recipe_param_parse(&spec->params[i], od_str_c(value), &f->params[i], NULL),
                OD_OK);
            return;
        }
    fail_msg("no parameter %s", name);
}

static inline enum od_status fitted_run(struct fitted *f, bool with_metrics)
{
    fitted_with_metrics = with_metrics;
    fitted_metrics = &f->metrics;
    f->input.params = f->params;
    return od_memory_model_fit(od_recipe_find(od_str_c(f->input.spec->name)), fitted_train,
                               &f->input, &f->model, &f->err);
}

/* Scores for a query; the item by its id, NULL for none. Returns whether personal. */
static inline bool fitted_scores(const struct fitted *f, const char *item, int64_t now_s,
                                 float *scores)
{
    struct od_arena scratch;
    struct od_query query = {.item = OD_NO_CODE, .now_s = now_s};
    if (item)
        query.item = od_image_dict_find(f->model.recipe->items(f->model.model), od_str_c(item));
    bool personal;
    od_arena_init(&scratch, SIZE_MAX);
    assert_int_equal(
        f->model.recipe->score(f->model.model, &query, &scratch, scores, &personal, NULL), OD_OK);
    od_arena_done(&scratch);
    return personal;
}

static inline uint32_t fitted_best(const float *scores, uint32_t count)
{
    uint32_t best = 0;
    for (uint32_t i = 1; i < count; i++)
        if (scores[i] > scores[best])
            best = i;
    return best;
}

static inline void fitted_done(struct fitted *f)
{
    od_memory_model_done(&f->model);
}

#endif
