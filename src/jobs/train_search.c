/* The search part of a training job: what the spec asks to be tuned, becomes entries of a search;
 * what the search finds becomes the run's recipe and parameters, and a part of its result.
 *
 * AutoML is the same search over several recipes, each with its own default ranges; a recipe whose
 * datasets are missing does not take part. */
#include <math.h>
#include <string.h>

#include "jobs/search.h"
#include "jobs/train_inner.h"
#include "recipes/metrics.h"

#define DEFAULT_JOBS   8 /* of performHPO */
#define AUTO_JOBS      2 /* of each recipe of performAutoML: recipes differ more than their values */
#define DEFAULT_METRIC "normalized_discounted_cumulative_gain_at_25"
#define SEARCH_SHARE   0.6 /* of the training's part of the progress bar */

/* --- ranges --- */

static enum od_status range_from(struct od_run *run, const struct od_recipe_spec *spec,
                                 const struct od_json *json, struct od_search_range *out)
{
    const struct od_json *values = od_json_get(json, OD_STR("values"));
    struct od_str name = od_json_get_str(json, "name", OD_STR(""));
    size_t at = od_recipe_param_find(spec, OD_PARAM_ALGORITHM, name);
    if (at == SIZE_MAX)
        return od_fail(run->err, OD_INVALID_INPUT, "Recipe %s has no hyperparameter %.*s.",
                       spec->name, OD_STR_ARG(name));
    *out = (struct od_search_range){
        .param = at,
        .min = od_json_get_double(json, "min", spec->params[at].min),
        .max = od_json_get_double(json, "max", spec->params[at].max),
    };
    if (!values)
        return OD_OK;
    struct od_str *choices = OD_NEW_ARRAY(&run->arena, struct od_str, values->count);
    if (!choices)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < values->count; i++)
        choices[i] = values->items[i].text;
    out->choices = choices;
    out->choice_count = values->count;
    return OD_OK;
}

/* The ranges given; without any, those of every parameter that may be tuned. */
static enum od_status set_ranges(struct od_run *run, const struct od_json *given,
                                 struct od_search_entry *entry)
{
    const struct od_recipe_spec *spec = entry->spec;
    size_t count = given ? given->count : 0;
    size_t room = count > spec->param_count ? count : spec->param_count;
    struct od_search_range *ranges = OD_NEW_ARRAY(&run->arena, struct od_search_range, room);
    if (!ranges)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = OD_OK;
    entry->ranges = ranges;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = range_from(run, spec, &given->items[i], &ranges[entry->range_count++]);
    for (size_t p = 0; s == OD_OK && count == 0 && p < spec->param_count; p++)
        if (spec->params[p].tunable &&
            od_search_range_of(spec, p, &run->arena, &ranges[entry->range_count++]) != OD_OK)
            s = od_fail(run->err, OD_NO_MEMORY, NULL);
    return s;
}

/* --- entries --- */

/* What would end in failure after the search fails before it. */
static enum od_status one_recipe(struct od_run *run, const struct od_train_input *input,
                                 const struct od_json *hpo, unsigned jobs,
                                 struct od_search_entry *out)
{
    enum od_status s = run->recipe->check ? run->recipe->check(input, run->err) : OD_OK;
    if (s != OD_OK)
        return s;
    *out = (struct od_search_entry){
        .recipe = run->recipe, .spec = run->recipe_spec, .fixed = run->params, .jobs = jobs};
    return set_ranges(run, od_json_get(hpo, OD_STR("ranges")), out);
}

/* *out_able false: the recipe cannot be trained on this data, run->err says why. */
static enum od_status auto_recipe(struct od_run *run, const struct od_train_input *input,
                                  struct od_str name, unsigned jobs, struct od_search_entry *out,
                                  bool *out_able)
{
    const struct od_recipe *recipe = od_recipe_find(name);
    const struct od_recipe_spec *spec = od_recipe_spec_find(name);
    *out_able = false;
    if (!recipe || !spec)
        return od_fail(run->err, OD_INVALID_INPUT, "Recipe %.*s cannot be trained by this version.",
                       OD_STR_ARG(name));
    run->recipe_spec = spec;
    if (od_run_check_inputs(run) != OD_OK)
        return OD_OK;
    struct od_param_value *fixed =
        OD_NEW_ARRAY(&run->arena, struct od_param_value, spec->param_count);
    if (!fixed || od_recipe_params_default(spec, fixed) != OD_OK)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    struct od_train_input asked = *input;
    asked.spec = spec;
    asked.params = fixed;
    enum od_status s = recipe->check ? recipe->check(&asked, run->err) : OD_OK;
    if (s != OD_OK)
        return s == OD_INVALID_INPUT ? OD_OK : s;
    *out = (struct od_search_entry){.recipe = recipe, .spec = spec, .fixed = fixed};
    out->jobs = spec->supports_hpo ? jobs : 1;
    *out_able = true;
    return spec->supports_hpo ? set_ranges(run, NULL, out) : OD_OK;
}

static enum od_status auto_entries(struct od_run *run, const struct od_train_input *input,
                                   const struct od_json *recipes, unsigned jobs,
                                   struct od_search_entry **out, size_t *out_count)
{
    struct od_search_entry *entries =
        OD_NEW_ARRAY(&run->arena, struct od_search_entry, recipes->count);
    if (!entries)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    unsigned each = recipes->count && jobs / recipes->count ? jobs / (unsigned)recipes->count : 1;
    size_t count = 0;
    for (size_t i = 0; i < recipes->count; i++) {
        bool able;
        enum od_status s =
            auto_recipe(run, input, recipes->items[i].text, each, &entries[count], &able);
        if (s != OD_OK)
            return s;
        count += able;
    }
    *out = entries;
    *out_count = count;
    return count ? OD_OK : run->err->code;
}

/* --- what was found --- */

static void put_params(struct od_buf *out, const struct od_search_entry *entry,
                       const struct od_param_value *params)
{
    od_buf_char(out, '{');
    for (size_t r = 0; r < entry->range_count; r++) {
        size_t p = entry->ranges[r].param;
        od_buf_puts(out, r ? "," : "");
        od_buf_json(out, od_str_c(entry->spec->params[p].name));
        od_buf_char(out, ':');
        od_buf_json(out, params[p].text);
    }
    od_buf_char(out, '}');
}

static enum od_status keep_text(struct od_run *run, struct od_buf *text, struct od_str *out)
{
    *out = od_arena_str(&run->arena, od_buf_view(text));
    enum od_status s = od_buf_status(text) == OD_OK && out->ptr ? OD_OK : OD_NO_MEMORY;
    od_buf_done(text);
    return s == OD_OK ? OD_OK : od_fail(run->err, s, NULL);
}

static enum od_status take_result(struct od_run *run, const struct od_search_ask *ask,
                                  const struct od_search_result *result)
{
    const struct od_search_trial *best = &result->trials[result->best];
    const struct od_search_entry *entry = &ask->entries[best->entry];
    struct od_buf tuned, search;
    run->recipe = entry->recipe;
    run->recipe_spec = entry->spec;
    run->params = best->params;
    od_buf_init(&tuned, 1u << 16);
    od_buf_init(&search, 1u << 18);
    put_params(&tuned, entry, best->params);
    od_buf_printf(&search, "{\"metric\":\"%s\",\"best\":%zu,\"trials\":[", ask->metric,
                  result->best);
    for (size_t t = 0; t < result->count; t++) {
        const struct od_search_trial *trial = &result->trials[t];
        od_buf_printf(&search, "%s{\"recipe\":\"%s\",\"parameters\":", t ? "," : "",
                      ask->entries[trial->entry].spec->name);
        put_params(&search, &ask->entries[trial->entry], trial->params);
        od_buf_printf(&search, ",\"share\":%.4f,\"value\":", trial->share);
        if (isfinite(trial->value))
            od_buf_double(&search, trial->value);
        else
            od_buf_puts(&search, "null");
        od_buf_printf(&search, ",\"seconds\":%.3f}", trial->seconds);
    }
    od_buf_puts(&search, "]}");
    enum od_status s = keep_text(run, &tuned, &run->tuned);
    return s == OD_OK ? keep_text(run, &search, &run->search) : s;
}

enum od_status od_run_search(struct od_run *run, const struct od_train_input *input)
{
    const struct od_json *hpo = od_json_get(run->spec, OD_STR("hpo"));
    const struct od_json *recipes = od_json_get(run->spec, OD_STR("automl"));
    struct od_progress_scale scale;
    struct od_train_input mine = *input;
    struct od_search_entry one, *entries = &one;
    struct od_search_result result;
    size_t count = 1;
    int64_t jobs = od_json_get_i64(hpo, "jobs", 0), parallel = od_json_get_i64(hpo, "parallel", 1);
    if (jobs <= 0)
        jobs = recipes ? (int64_t)recipes->count * AUTO_JOBS : DEFAULT_JOBS;
    enum od_status s = recipes ? auto_entries(run, input, recipes, (unsigned)jobs, &entries, &count)
                               : one_recipe(run, input, hpo, (unsigned)jobs, &one);
    struct od_str metric = od_json_get_str(hpo, "metric", OD_STR(DEFAULT_METRIC));
    metric = od_arena_str(&run->arena, metric);
    if (s != OD_OK || !metric.ptr)
        return s != OD_OK ? s : od_fail(run->err, OD_NO_MEMORY, NULL);
    mine.progress = od_progress_scaled(&scale, input->progress, 0, SEARCH_SHARE);
    struct od_search_ask ask = {
        .input = &mine,
        .entries = entries,
        .entry_count = count,
        .metric = metric.ptr,
        .parallel = parallel > 0 ? (unsigned)parallel : 1,
        .io = run->io,
    };
    s = od_search(&ask, &run->arena, &result, run->err);
    if (s == OD_OK)
        s = take_result(run, &ask, &result);
    run->done = SEARCH_SHARE;
    return s;
}

enum od_status od_run_take_tuned(struct od_run *run)
{
    const struct od_json *tuned = od_json_get(run->spec, OD_STR("tuned"));
    struct od_buf text;
    enum od_status s = OD_OK;
    if (!tuned)
        return OD_OK;
    od_buf_init(&text, 1u << 16);
    od_buf_char(&text, '{');
    for (size_t i = 0; s == OD_OK && i < tuned->count; i++) {
        const struct od_json_member *m = &tuned->members[i];
        size_t at = od_recipe_param_find(run->recipe_spec, OD_PARAM_ALGORITHM, m->key);
        s = at == SIZE_MAX
                ? od_fail(run->err, OD_INVALID_INPUT, "Recipe %s has no hyperparameter %.*s.",
                          run->recipe_spec->name, OD_STR_ARG(m->key))
                : od_recipe_param_parse(&run->recipe_spec->params[at], m->value.text,
                                        &run->params[at], run->err);
        od_buf_puts(&text, i ? "," : "");
        od_buf_json(&text, m->key);
        od_buf_char(&text, ':');
        od_buf_json(&text, m->value.text);
    }
    od_buf_char(&text, '}');
    if (s == OD_OK)
        return keep_text(run, &text, &run->tuned);
    od_buf_done(&text);
    return s;
}
