/* Recipes, algorithms, feature transformations: facts from spec/recipes.json. */
#include <math.h>
#include <string.h>

#include "api/resource.h"
#include "api/solution.h"
#include "wire/arn.h"

static struct od_str service_arn(struct od_call *call, const char *kind, const char *name)
{
    return od_arn_make(call->arena, OD_STR_NONE, OD_STR_NONE, kind, od_str_c(name), OD_STR_NONE);
}

static struct od_opt_i64 day(int64_t unix_s)
{
    return (struct od_opt_i64){true, unix_s * 1000};
}

static enum od_status not_found(struct od_call *call, struct od_str arn, const char *kind,
                                const char *title)
{
    enum od_status s = od_arn_check(call, arn, kind, title);
    if (s != OD_OK)
        return s;
    return od_fail(&call->err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.", OD_STR_ARG(arn));
}

enum od_status od_op_describe_recipe(struct od_call *call)
{
    const struct od_recipe_spec *spec;
    enum od_status s =
        od_recipe_by_arn(call, OD_IN(call, describe_recipe_request)->recipe_arn, &spec);
    if (s != OD_OK)
        return s;
    struct od_personalize_recipe *recipe = OD_NEW(call->arena, struct od_personalize_recipe);
    if (!recipe)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    *recipe = (struct od_personalize_recipe){
        .name = od_str_c(spec->name),
        .recipe_arn = service_arn(call, "recipe", spec->name),
        .algorithm_arn = service_arn(call, "algorithm", spec->algorithm),
        .status = OD_STR("ACTIVE"),
        .description = od_str_c(spec->description),
        .creation_date_time = day(spec->created_s),
        .recipe_type = od_str_c(spec->type_name),
        .last_updated_date_time = day(spec->created_s),
    };
    if (spec->feature_transformation)
        recipe->feature_transformation_arn =
            service_arn(call, "feature-transformation", spec->feature_transformation);
    OD_OUT(call, describe_recipe_response)->recipe = recipe;
    return OD_OK;
}

static bool is_listed(const struct od_recipe_spec *spec, struct od_str domain)
{
    return !spec->legacy && !spec->extension &&
           (!domain.ptr || od_str_eq(domain, od_str_c(spec->domain)));
}

enum od_status od_op_list_recipes(struct od_call *call)
{
    const struct od_personalize_list_recipes_request *in = OD_IN(call, list_recipes_request);
    struct od_personalize_list_recipes_response *out = OD_OUT(call, list_recipes_response);
    size_t page = in->max_results.set ? (size_t)in->max_results.value : OD_PAGE_DEFAULT;
    int64_t after;
    enum od_status s = od_page_open(call, in->next_token, in->domain, &after);
    if (s != OD_OK)
        return s;
    out->recipes.items = OD_NEW_ARRAY(call->arena, struct od_personalize_recipe_summary, page);
    if (!out->recipes.items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    const struct od_recipe_spec *spec;
    for (size_t i = (size_t)after; (spec = od_recipe_spec_at(i)) != NULL; i++) {
        if (!is_listed(spec, in->domain))
            continue;
        if (out->recipes.count == page) {
            out->next_token = od_page_token(call, in->domain, (int64_t)i);
            break;
        }
        out->recipes.items[out->recipes.count++] = (struct od_personalize_recipe_summary){
            .name = od_str_c(spec->name),
            .recipe_arn = service_arn(call, "recipe", spec->name),
            .status = OD_STR("ACTIVE"),
            .creation_date_time = day(spec->created_s),
            .last_updated_date_time = day(spec->created_s),
            .domain = od_str_c(spec->domain),
        };
    }
    return OD_OK;
}

/* ---- algorithms ---- */

static enum od_status set_defaults(struct od_call *call, const struct od_recipe_spec *spec,
                                   struct od_api_string_map *map)
{
    map->items = OD_NEW_ARRAY(call->arena, struct od_api_string_entry, spec->param_count);
    if (!map->items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < spec->param_count; i++)
        if (spec->params[i].place == OD_PARAM_ALGORITHM && spec->params[i].default_value)
            map->items[map->count++] = (struct od_api_string_entry){
                od_str_c(spec->params[i].name), od_str_c(spec->params[i].default_value)};
    return OD_OK;
}

static enum od_status add_categorical(struct od_call *call, const struct od_param_spec *param,
                                      struct od_personalize_default_hyper_parameter_ranges *ranges)
{
    static const char *const booleans[] = {"true", "false", NULL};
    const char *const *choices = param->choices ? param->choices : booleans;
    size_t count = 0;
    while (choices[count])
        count++;
    struct od_str *values = OD_NEW_ARRAY(call->arena, struct od_str, count);
    if (!values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++)
        values[i] = od_str_c(choices[i]);
    ranges->categorical_hyper_parameter_ranges
        .items[ranges->categorical_hyper_parameter_ranges.count++] =
        (struct od_personalize_default_categorical_hyper_parameter_range){
            od_str_c(param->name), {values, count}, {true, param->tunable}};
    return OD_OK;
}

static enum od_status add_range(struct od_call *call, const struct od_param_spec *param,
                                struct od_personalize_default_hyper_parameter_ranges *ranges)
{
    struct od_opt_bool tunable = {true, param->tunable};
    if (param->type == OD_PARAM_INTEGER)
        ranges->integer_hyper_parameter_ranges
            .items[ranges->integer_hyper_parameter_ranges.count++] =
            (struct od_personalize_default_integer_hyper_parameter_range){
                od_str_c(param->name),
                {true, (int64_t)param->min},
                {isfinite(param->max), isfinite(param->max) ? (int64_t)param->max : 0},
                tunable};
    else if (param->type == OD_PARAM_CONTINUOUS)
        ranges->continuous_hyper_parameter_ranges
            .items[ranges->continuous_hyper_parameter_ranges.count++] =
            (struct od_personalize_default_continuous_hyper_parameter_range){
                od_str_c(param->name),
                {true, param->min},
                {isfinite(param->max), param->max},
                tunable};
    else
        return add_categorical(call, param, ranges);
    return OD_OK;
}

static enum od_status set_ranges(struct od_call *call, const struct od_recipe_spec *spec,
                                 struct od_personalize_algorithm *algorithm)
{
    struct od_arena *a = call->arena;
    size_t most = spec->param_count;
    struct od_personalize_default_hyper_parameter_ranges *r =
        OD_NEW(a, struct od_personalize_default_hyper_parameter_ranges);
    if (!r)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    r->integer_hyper_parameter_ranges.items =
        OD_NEW_ARRAY(a, struct od_personalize_default_integer_hyper_parameter_range, most);
    r->continuous_hyper_parameter_ranges.items =
        OD_NEW_ARRAY(a, struct od_personalize_default_continuous_hyper_parameter_range, most);
    r->categorical_hyper_parameter_ranges.items =
        OD_NEW_ARRAY(a, struct od_personalize_default_categorical_hyper_parameter_range, most);
    if (!r->integer_hyper_parameter_ranges.items || !r->continuous_hyper_parameter_ranges.items ||
        !r->categorical_hyper_parameter_ranges.items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < most; i++)
        if (spec->params[i].place == OD_PARAM_ALGORITHM)
            s = add_range(call, &spec->params[i], r);
    algorithm->default_hyper_parameter_ranges = r;
    return s;
}

static struct od_str last_part(struct od_str arn, const char *kind)
{
    struct od_arn parsed;
    return od_arn_parse(arn, &parsed) && od_str_eq_c(parsed.kind, kind) && parsed.account.len == 0
               ? parsed.name
               : OD_STR("");
}

enum od_status od_op_describe_algorithm(struct od_call *call)
{
    static struct od_api_string_entry resources[] = {{{"maxNumberOfTrainingJobs", 23}, {"40", 2}},
                                                     {{"maxParallelTrainingJobs", 23}, {"10", 2}}};
    struct od_str arn = OD_IN(call, describe_algorithm_request)->algorithm_arn;
    const struct od_recipe_spec *spec = od_recipe_spec_by_algorithm(last_part(arn, "algorithm"));
    if (!spec)
        return not_found(call, arn, "algorithm", "algorithm");
    struct od_personalize_algorithm *algorithm =
        OD_NEW(call->arena, struct od_personalize_algorithm);
    if (!algorithm)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    *algorithm = (struct od_personalize_algorithm){
        .name = od_str_c(spec->algorithm),
        .algorithm_arn = arn,
        .default_resource_config = {resources, 2},
        .training_input_mode = OD_STR("File"),
        .creation_date_time = day(spec->created_s),
        .last_updated_date_time = day(spec->created_s),
    };
    enum od_status s = set_defaults(call, spec, &algorithm->default_hyper_parameters);
    if (s == OD_OK)
        s = set_ranges(call, spec, algorithm);
    OD_OUT(call, describe_algorithm_response)->algorithm = algorithm;
    return s;
}

enum od_status od_op_describe_feature_transformation(struct od_call *call)
{
    struct od_str arn =
        OD_IN(call, describe_feature_transformation_request)->feature_transformation_arn;
    const struct od_feature_spec *spec =
        od_feature_spec_find(last_part(arn, "feature-transformation"));
    if (!spec)
        return not_found(call, arn, "feature-transformation", "feature transformation");
    struct od_personalize_feature_transformation *feature =
        OD_NEW(call->arena, struct od_personalize_feature_transformation);
    struct od_api_string_entry *defaults =
        OD_NEW_ARRAY(call->arena, struct od_api_string_entry, spec->default_count);
    if (!feature || !defaults)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < spec->default_count; i++)
        defaults[i] = (struct od_api_string_entry){od_str_c(spec->defaults[i].name),
                                                   od_str_c(spec->defaults[i].value)};
    *feature = (struct od_personalize_feature_transformation){
        .name = od_str_c(spec->name),
        .feature_transformation_arn = arn,
        .default_parameters = {defaults, spec->default_count},
        .creation_date_time = day(spec->created_s),
        .last_updated_date_time = day(spec->created_s),
        .status = OD_STR("ACTIVE"),
    };
    OD_OUT(call, describe_feature_transformation_response)->feature_transformation = feature;
    return OD_OK;
}
