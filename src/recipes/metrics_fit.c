/* Models trained into memory, to be asked before the real one is trained.
 *
 * An image is laid out twice: once to learn its size, once into one block of that size at a
 * multiple of 64, as a mapped file would be. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"

#define IMAGE_ALIGN 64u

/* --- progress --- */

static enum od_status report_scaled(void *context, double fraction, const char *stage)
{
    const struct od_progress_scale *scale = context;
    double whole = scale->from + (scale->to - scale->from) * fraction;
    return scale->outer.report(scale->outer.context, whole, stage);
}

struct od_progress od_progress_scaled(struct od_progress_scale *scale, struct od_progress outer,
                                      double from, double to)
{
    *scale = (struct od_progress_scale){outer, from, to};
    if (!outer.report)
        return (struct od_progress){0};
    return (struct od_progress){report_scaled, scale};
}

enum od_status od_progress_report(const struct od_progress *progress, double fraction,
                                  const char *stage, struct od_error *err)
{
    if (!progress->report || progress->report(progress->context, fraction, stage) == OD_OK)
        return OD_OK;
    return od_fail(err, OD_STOPPED, "The training was stopped.");
}

/* --- a model in memory --- */

struct sink {
    char *bytes; /* NULL: only count */
    size_t len;
};

static enum od_status put(void *to, const void *bytes, size_t len)
{
    struct sink *sink = to;
    if (sink->bytes)
        memcpy(sink->bytes + sink->len, bytes, len);
    sink->len += len;
    return OD_OK;
}

enum od_status od_memory_image(struct od_image_writer *writer, void **out_bytes, size_t *out_len)
{
    struct sink sink = {0};
    enum od_status s = od_image_finish(writer, put, &sink);
    if (s != OD_OK)
        return s;
    sink.bytes = aligned_alloc(IMAGE_ALIGN, sink.len);
    sink.len = 0;
    if (!sink.bytes)
        return OD_NO_MEMORY;
    s = od_image_finish(writer, put, &sink);
    if (s == OD_OK) {
        *out_bytes = sink.bytes;
        *out_len = sink.len;
    } else {
        free(sink.bytes);
    }
    return s;
}

void od_memory_model_done(struct od_memory_model *model)
{
    if (model->model)
        model->recipe->close(model->model);
    free(model->bytes);
    *model = (struct od_memory_model){0};
}

/* What writes the sections: a fit, or without one the recipe's train. */
static enum od_status make_model(const struct od_recipe *recipe, od_fit *fit,
                                 const struct od_train_input *input, struct od_memory_model *out,
                                 struct od_error *err)
{
    struct od_image_writer *writer = od_image_writer_new(od_str_c(recipe->name), 1);
    if (!writer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    void *bytes = NULL;
    size_t len = 0;
    enum od_status s = fit ? fit(input, writer, err) : recipe->train(input, writer, NULL, err);
    if (s == OD_OK) {
        s = od_memory_image(writer, &bytes, &len);
        if (s != OD_OK)
            od_fail(err, s, NULL);
    }
    od_image_writer_free(writer);
    if (s != OD_OK)
        return s;
    struct od_memory_model model = {.bytes = bytes, .recipe = recipe};
    s = od_image_open((struct od_str){bytes, len}, false, &model.image, err);
    if (s == OD_OK) {
        *out = model; /* open keeps the address of the image */
        s = recipe->open(&out->image, &out->model, err);
        model = *out;
    }
    if (s != OD_OK) {
        model.model = NULL;
        od_memory_model_done(&model);
        *out = model;
    }
    return s;
}

enum od_status od_memory_model_fit(const struct od_recipe *recipe, od_fit *fit,
                                   const struct od_train_input *input, struct od_memory_model *out,
                                   struct od_error *err)
{
    return make_model(recipe, fit, input, out, err);
}

enum od_status od_memory_model_train(const struct od_recipe *recipe,
                                     const struct od_train_input *input,
                                     struct od_memory_model *out, struct od_error *err)
{
    return make_model(recipe, NULL, input, out, err);
}

/* --- asking an opened model --- */

static bool same_items(const struct od_image_dict *dict, const struct od_dict *items)
{
    if (dict->count != od_dict_count(items))
        return false;
    for (uint32_t i = 0; i < dict->count; i++)
        if (!od_str_eq(od_image_dict_text(dict, i), od_dict_text(items, i)))
            return false;
    return true;
}

static bool knows_more(const struct od_image_dict *dict, const struct od_dict *items)
{
    for (uint32_t i = 0; i < dict->count; i++)
        if (od_dict_find(items, od_image_dict_text(dict, i)) == OD_NO_CODE)
            return true;
    return false;
}

/* The model's items that the training part has not, behind those it has. */
static enum od_status widen(struct od_recipe_scorer *scorer, const struct od_image_dict *dict,
                            const struct od_split *split)
{
    const struct od_dict *items = split->train->items, *all = split->full->items;
    struct od_dict *own = scorer->own_items = od_dict_new();
    scorer->own_map = malloc(((size_t)split->full->item_count + 1) * sizeof *scorer->own_map);
    enum od_status s = own && scorer->own_map ? OD_OK : OD_NO_MEMORY;
    uint32_t code;
    for (uint32_t i = 0; s == OD_OK && i < od_dict_count(items); i++)
        s = od_dict_add(own, od_dict_text(items, i), &code);
    for (uint32_t i = 0; s == OD_OK && i < dict->count; i++)
        s = od_dict_add(own, od_image_dict_text(dict, i), &code);
    for (uint32_t i = 0; s == OD_OK && i < split->full->item_count; i++)
        scorer->own_map[i] = od_dict_find(own, od_dict_text(all, i));
    scorer->items = own;
    scorer->item_map = scorer->own_map;
    scorer->item_count = s == OD_OK ? od_dict_count(own) : 0;
    return s;
}

static enum od_status recode(struct od_recipe_scorer *scorer, const struct od_image_dict *dict)
{
    scorer->to_model = malloc(((size_t)scorer->item_count + 1) * sizeof *scorer->to_model);
    if (!scorer->to_model)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < scorer->item_count; i++)
        scorer->to_model[i] = od_image_dict_find(dict, od_dict_text(scorer->items, i));
    return OD_OK;
}

enum od_status od_recipe_scorer_init(struct od_recipe_scorer *scorer,
                                     const struct od_recipe *recipe, const struct od_model *model,
                                     const struct od_split *split, struct od_error *err)
{
    const struct od_image_dict *dict = recipe->items(model);
    const struct od_training *train = split->train;
    struct od_recipe_scorer own = {.recipe = recipe,
                                   .model = model,
                                   .item_count = train->item_count,
                                   .item_map = split->item_map,
                                   .items = train->items};
    enum od_status s = OD_OK;
    if (!same_items(dict, train->items)) {
        s = knows_more(dict, train->items) ? widen(&own, dict, split) : OD_OK;
        s = s == OD_OK ? recode(&own, dict) : s;
    }
    if (s != OD_OK)
        od_recipe_scorer_done(&own);
    *scorer = own;
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

void od_recipe_scorer_done(struct od_recipe_scorer *scorer)
{
    free(scorer->to_model);
    free(scorer->own_map);
    od_dict_free(scorer->own_items);
    *scorer = (struct od_recipe_scorer){0};
}

static uint32_t model_code(const struct od_recipe_scorer *scorer, uint32_t item)
{
    return item == OD_NO_CODE || !scorer->to_model ? item : scorer->to_model[item];
}

/* The query in the model's codes, and the model's scores back in the scorer's. */
static enum od_status score_mapped(const struct od_recipe_scorer *scorer,
                                   const struct od_query *query, struct od_arena *scratch,
                                   float *scores, struct od_error *err)
{
    struct od_past_event *events = OD_NEW_ARRAY(scratch, struct od_past_event, query->event_count);
    float *own = OD_NEW_ARRAY(scratch, float, scorer->recipe->items(scorer->model)->count);
    if (!events || !own)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < query->event_count; i++) {
        events[i] = query->events[i];
        events[i].item = model_code(scorer, events[i].item);
        if (scorer->to_type && events[i].type != OD_NO_TYPE)
            events[i].type = scorer->to_type[events[i].type];
    }
    struct od_query mapped = *query;
    mapped.events = events;
    mapped.item = model_code(scorer, query->item);
    bool personal;
    enum od_status s = scorer->recipe->score(scorer->model, &mapped, scratch, own, &personal, err);
    for (uint32_t i = 0; s == OD_OK && i < scorer->item_count; i++) {
        uint32_t code = model_code(scorer, i);
        scores[i] = code == OD_NO_CODE ? -INFINITY : own[code];
    }
    return s;
}

static enum od_status score(void *context, const struct od_query *query, struct od_arena *scratch,
                            float *scores, struct od_error *err)
{
    const struct od_recipe_scorer *scorer = context;
    if (scorer->to_model || scorer->to_type)
        return score_mapped(scorer, query, scratch, scores, err);
    bool personal;
    return scorer->recipe->score(scorer->model, query, scratch, scores, &personal, err);
}

struct od_scorer od_recipe_scorer_of(struct od_recipe_scorer *scorer)
{
    return (struct od_scorer){score, scorer, scorer->item_count, scorer->item_map};
}

/* --- split, fit, ask --- */

static enum od_status fit_and_ask(const struct od_recipe *recipe,
                                  const struct od_train_input *input, od_fit *fit,
                                  const struct od_split *split, struct od_metrics *metrics,
                                  struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_recipe_scorer scorer = {0};
    enum od_status s = od_memory_model_fit(recipe, fit, input, &model, err);
    if (s == OD_OK)
        s = od_progress_report(&input->progress, 1, "evaluating", err);
    if (s == OD_OK)
        s = od_recipe_scorer_init(&scorer, recipe, model.model, split, err);
    if (s == OD_OK) {
        struct od_scorer ask = od_recipe_scorer_of(&scorer);
        s = od_evaluate(&ask, split, input->threads, metrics, err);
    }
    od_recipe_scorer_done(&scorer);
    od_memory_model_done(&model);
    return s;
}

enum od_status od_evaluate_fit(const struct od_recipe *recipe, const struct od_train_input *input,
                               od_fit *fit, double from, double to, struct od_metrics *metrics,
                               struct od_error *err)
{
    if (!metrics)
        return OD_OK;
    struct od_split split;
    enum od_status s = od_split_users(input->training, input->seed, &split, err);
    if (s != OD_OK)
        return s;
    struct od_progress_scale scale;
    struct od_train_input part = *input;
    part.training = split.train;
    part.progress = od_progress_scaled(&scale, input->progress, from, to);
    if (split.test_count)
        s = fit_and_ask(recipe, &part, fit, &split, metrics, err);
    od_split_done(&split);
    return s;
}
