/* What CreateSolution refuses: options the recipe does not know, values out of range, columns that
 * cannot be left out. Texts: errors.md section 6. */
#include "api/attach.h"
#include "api/solution.h"

static enum od_status unsupported(struct od_call *call, const char *option,
                                  const struct od_recipe_spec *spec)
{
    return od_fail(&call->err, OD_INVALID_INPUT, "%s is not supported by recipe %s.", option,
                   spec->name);
}

static enum od_status check_params(struct od_call *call, const struct od_recipe_spec *spec,
                                   enum od_param_place place, const struct od_api_string_map *map,
                                   struct od_param_value *values)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < map->count; i++)
        s = od_recipe_params_set(spec, place, map->items[i].key, map->items[i].value, values,
                                 &call->err);
    return s;
}

static enum od_status check_all_params(struct od_call *call, const struct od_recipe_spec *spec,
                                       const struct od_personalize_solution_config *config)
{
    struct od_param_value *values =
        OD_NEW_ARRAY(call->arena, struct od_param_value, spec->param_count);
    if (!values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_recipe_params_default(spec, values);
    if (s == OD_OK)
        s = check_params(call, spec, OD_PARAM_ALGORITHM, &config->algorithm_hyper_parameters,
                         values);
    if (s == OD_OK)
        s = check_params(call, spec, OD_PARAM_FEATURIZATION,
                         &config->feature_transformation_parameters, values);
    if (s == OD_OK)
        s = od_recipe_params_check(spec, values, &call->err);
    size_t location = od_recipe_param_find(spec, OD_PARAM_ALGORITHM, OD_STR("location"));
    if (s == OD_OK && location != SIZE_MAX)
        s = od_objects_check(call->app->objects, values[location].text, &call->err);
    return s;
}

enum od_status od_exploration_check(struct od_call *call, const struct od_api_string_map *map,
                                    const struct od_recipe_spec *spec)
{
    if (map->count && !spec->supports_exploration)
        return unsupported(call, "itemExplorationConfig", spec);
    struct od_param_value *values =
        OD_NEW_ARRAY(call->arena, struct od_param_value, spec->param_count);
    if (!values)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    return check_params(call, spec, OD_PARAM_CAMPAIGN, map, values);
}

enum od_status od_schedule_check(struct od_call *call,
                                 const struct od_personalize_auto_training_config *config,
                                 int64_t *out_days)
{
    *out_days = 7;
    if (!config || !config->scheduling_expression.ptr)
        return OD_OK;
    /* the model's pattern has made sure of "rate(N day)" or "rate(N days)" */
    struct od_str rest = od_str_sub(config->scheduling_expression, 5,
                                    config->scheduling_expression.len),
                  number;
    int64_t days;
    if (!od_str_cut(&rest, ' ', &number) || !od_str_to_i64(number, &days) || days < 1 || days > 30)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "Invalid schedulingExpression. %.*s is not between 1 and 30 days.",
                       OD_STR_ARG(config->scheduling_expression));
    *out_days = days;
    return OD_OK;
}

/* Columns no model can do without; EVENT_TYPE and EVENT_VALUE only where events are chosen by them.
 */
static bool is_required(enum od_dataset_type type, struct od_str column,
                        const struct od_personalize_create_solution_request *in)
{
    switch (type) {
    case OD_INTERACTIONS:
        return od_str_eq_c(column, "USER_ID") || od_str_eq_c(column, "ITEM_ID") ||
               od_str_eq_c(column, "TIMESTAMP") ||
               od_solution_needs_column(in->event_type, in->solution_config, column);
    case OD_ITEMS:
        return od_str_eq_c(column, "ITEM_ID");
    case OD_ACTIONS:
        return od_str_eq_c(column, "ACTION_ID");
    case OD_ACTION_INTERACTIONS:
        return od_str_eq_c(column, "USER_ID") || od_str_eq_c(column, "ACTION_ID") ||
               od_str_eq_c(column, "TIMESTAMP") || od_str_eq_c(column, "EVENT_TYPE");
    default:
        return od_str_eq_c(column, "USER_ID");
    }
}

static enum od_status check_columns(struct od_call *call,
                                    const struct od_personalize_create_solution_request *in,
                                    const struct od_api_strings_entry *entry, bool excluded)
{
    enum od_dataset_type type;
    struct od_dataset_info info;
    if (!od_dataset_type_parse(entry->key, &type))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "trainingDataConfig: %.*s is not a dataset type with columns.",
                       OD_STR_ARG(entry->key));
    enum od_status s = od_group_dataset(call, in->dataset_group_arn, type, &info);
    for (size_t i = 0; s == OD_OK && i < entry->value.count; i++) {
        struct od_str column = entry->value.items[i];
        if (info.schema && od_schema_find(info.schema, column) == SIZE_MAX)
            s = od_fail(&call->err, OD_INVALID_INPUT,
                        "trainingDataConfig: dataset %s has no column %.*s.",
                        od_dataset_type_name(type), OD_STR_ARG(column));
        else if (excluded && is_required(type, column, in))
            s = od_fail(&call->err, OD_INVALID_INPUT,
                        "trainingDataConfig: column %.*s of %s cannot be excluded.",
                        OD_STR_ARG(column), od_dataset_type_name(type));
    }
    return s;
}

enum od_status od_training_data_check(struct od_call *call,
                                      const struct od_personalize_create_solution_request *in)
{
    const struct od_personalize_training_data_config *config =
        in->solution_config->training_data_config;
    if (!config)
        return OD_OK;
    if (config->excluded_dataset_columns.count && config->included_dataset_columns.count)
        return od_fail(
            &call->err, OD_INVALID_INPUT,
            "trainingDataConfig: give excludedDatasetColumns or includedDatasetColumns, not both.");
    const struct od_api_strings_map *maps[] = {&config->excluded_dataset_columns,
                                               &config->included_dataset_columns};
    enum od_status s = OD_OK;
    for (size_t m = 0; m < 2; m++)
        for (size_t i = 0; s == OD_OK && i < maps[m]->count; i++)
            s = check_columns(call, in, &maps[m]->items[i], m == 0);
    return s;
}

/* One numeric column of Items without nulls (recipes.md section 3); with OFF nothing is asked of
 * it.
 */
static enum od_status check_objective(struct od_call *call,
                                      const struct od_personalize_create_solution_request *in)
{
    const struct od_personalize_optimization_objective *objective =
        in->solution_config->optimization_objective;
    struct od_str name = objective->item_attribute;
    struct od_dataset_info info;
    if (od_str_eq_c(objective->objective_sensitivity, "OFF"))
        return OD_OK;
    if (!name.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "optimizationObjective: itemAttribute is required.");
    enum od_status s = od_group_dataset(call, in->dataset_group_arn, OD_ITEMS, &info);
    if (s != OD_OK)
        return s;
    size_t at = info.schema ? od_schema_find(info.schema, name) : SIZE_MAX;
    const struct od_field *field = at == SIZE_MAX ? NULL : &info.schema->fields[at];
    bool number = field && field->type != OD_FIELD_STRING && field->type != OD_FIELD_BOOLEAN;
    if (!number || field->nullable)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "optimizationObjective: %.*s is not a numeric column of the Items dataset "
                       "that cannot be null.",
                       OD_STR_ARG(name));
    const struct od_personalize_solution_version trained = {.solution_config = in->solution_config};
    if (od_training_leaves_out(&trained, "ITEMS", name))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "optimizationObjective: itemAttribute %.*s is a column that "
                       "trainingDataConfig leaves out.",
                       OD_STR_ARG(name));
    return OD_OK;
}

enum od_status od_solution_check(struct od_call *call,
                                 const struct od_personalize_create_solution_request *in,
                                 const struct od_recipe_spec *spec)
{
    const struct od_personalize_solution_config *config = in->solution_config;
    int64_t days;
    if (in->perform_incremental_update.value && !spec->incremental_update)
        return unsupported(call, "performIncrementalUpdate", spec);
    if ((in->perform_hpo.value || (config && config->hpo_config)) && !spec->supports_hpo)
        return unsupported(call, "HPO", spec);
    enum od_status s = od_solution_events_check(call, in, spec);
    if (s != OD_OK || !config)
        return s;
    if (config->optimization_objective && !spec->supports_objective)
        return unsupported(call, "optimizationObjective", spec);
    if (config->optimization_objective)
        s = check_objective(call, in);
    if (s != OD_OK)
        return s;
    if (config->hpo_config)
        s = od_hpo_check(call, config->hpo_config, spec);
    if (s == OD_OK)
        s = check_all_params(call, spec, config);
    if (s == OD_OK)
        s = od_schedule_check(call, config->auto_training_config, &days);
    return s == OD_OK ? od_training_data_check(call, in) : s;
}
