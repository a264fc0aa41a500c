/* What a solution may ask to be tuned: hpoConfig and autoMLConfig (recipes.md sections 2 and 3),
 * and which values an automatic training takes over from an earlier one. */
#include "api/attach.h"
#include "api/solution.h"

#define REUSE_MS      (90LL * 86400 * 1000) /* automatic trainings tune at most so often */
#define MOST_JOBS     40
#define MOST_PARALLEL 10

static enum od_status check_count(struct od_call *call, struct od_str value, const char *name,
                                  int64_t most)
{
    int64_t number;
    if (!value.ptr || (od_str_to_i64(value, &number) && number >= 1 && number <= most))
        return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT,
                   "%s must be at most %lld, and a whole number from 1.", name, (long long)most);
}

/* --- metrics --- */

static enum od_status check_metric(struct od_call *call, const char *member, struct od_str name)
{
    static const char *const known[] = {"mean_reciprocal_rank_at_25",
                                        "normalized_discounted_cumulative_gain_at_5",
                                        "normalized_discounted_cumulative_gain_at_10",
                                        "normalized_discounted_cumulative_gain_at_25",
                                        "precision_at_5",
                                        "precision_at_10",
                                        "precision_at_25",
                                        "coverage"};
    if (!name.ptr)
        return OD_OK;
    for (size_t i = 0; i < sizeof known / sizeof *known; i++)
        if (od_str_eq_c(name, known[i]))
            return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT,
                   "%s: %.*s is no metric to choose by; use one of mean_reciprocal_rank_at_25, "
                   "normalized_discounted_cumulative_gain_at_5, _at_10, _at_25, precision_at_5, "
                   "_at_10, _at_25, coverage.",
                   member, OD_STR_ARG(name));
}

/* --- ranges --- */

/* The parameter a range is for: one of the recipe's that may be tuned, of the range's kind. */
static enum od_status find_param(struct od_call *call, const struct od_recipe_spec *spec,
                                 struct od_str name, const char *kind,
                                 bool (*fits)(enum od_param_type type),
                                 const struct od_param_spec **out)
{
    size_t at = od_recipe_param_find(spec, OD_PARAM_ALGORITHM, name);
    if (at == SIZE_MAX || !spec->params[at].tunable)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "hpoConfig: %.*s is not a hyperparameter of recipe %s that can be tuned.",
                       OD_STR_ARG(name), spec->name);
    if (!fits(spec->params[at].type))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "hpoConfig: hyperparameter %s cannot have a %s range.",
                       spec->params[at].name, kind);
    *out = &spec->params[at];
    return OD_OK;
}

static bool is_integer(enum od_param_type type)
{
    return type == OD_PARAM_INTEGER;
}

static bool is_number(enum od_param_type type)
{
    return type == OD_PARAM_CONTINUOUS;
}

static bool is_category(enum od_param_type type)
{
    return type == OD_PARAM_CATEGORICAL || type == OD_PARAM_BOOLEAN;
}

static enum od_status check_bounds(struct od_call *call, const struct od_param_spec *param,
                                   bool has_min, double min, bool has_max, double max)
{
    double low = has_min ? min : param->min, high = has_max ? max : param->max;
    struct od_buf expected;
    if (low <= high && low >= param->min && high <= param->max)
        return OD_OK;
    od_buf_init(&expected, 512);
    od_recipe_param_range(param, &expected);
    struct od_str e = od_buf_view(&expected);
    enum od_status s = od_fail(&call->err, OD_INVALID_INPUT,
                               "hpoConfig: invalid range %g to %g for hyperparameter %s; expected "
                               "%.*s.",
                               low, high, param->name, OD_STR_ARG(e));
    od_buf_done(&expected);
    return s;
}

static enum od_status
check_category(struct od_call *call, const struct od_recipe_spec *spec,
               const struct od_personalize_categorical_hyper_parameter_range *range)
{
    const struct od_param_spec *param;
    struct od_param_value value;
    enum od_status s = find_param(call, spec, range->name, "categorical", is_category, &param);
    if (s == OD_OK && range->values.count == 0)
        s = od_fail(&call->err, OD_INVALID_INPUT, "hpoConfig: hyperparameter %s has no values.",
                    param->name);
    for (size_t i = 0; s == OD_OK && i < range->values.count; i++)
        s = od_recipe_param_parse(param, range->values.items[i], &value, &call->err);
    return s;
}

static enum od_status check_ranges(struct od_call *call, const struct od_recipe_spec *spec,
                                   const struct od_personalize_hyper_parameter_ranges *ranges)
{
    const struct od_param_spec *param;
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < ranges->integer_hyper_parameter_ranges.count; i++) {
        const struct od_personalize_integer_hyper_parameter_range *r =
            &ranges->integer_hyper_parameter_ranges.items[i];
        s = find_param(call, spec, r->name, "integer", is_integer, &param);
        if (s == OD_OK)
            s = check_bounds(call, param, r->min_value.set, (double)r->min_value.value,
                             r->max_value.set, (double)r->max_value.value);
    }
    for (size_t i = 0; s == OD_OK && i < ranges->continuous_hyper_parameter_ranges.count; i++) {
        const struct od_personalize_continuous_hyper_parameter_range *r =
            &ranges->continuous_hyper_parameter_ranges.items[i];
        s = find_param(call, spec, r->name, "continuous", is_number, &param);
        if (s == OD_OK)
            s = check_bounds(call, param, r->min_value.set, r->min_value.value, r->max_value.set,
                             r->max_value.value);
    }
    for (size_t i = 0; s == OD_OK && i < ranges->categorical_hyper_parameter_ranges.count; i++)
        s = check_category(call, spec, &ranges->categorical_hyper_parameter_ranges.items[i]);
    return s;
}

enum od_status od_hpo_check(struct od_call *call, const struct od_personalize_hpo_config *config,
                            const struct od_recipe_spec *spec)
{
    const struct od_personalize_hpo_resource_config *resources = config->hpo_resource_config;
    enum od_status s = OD_OK;
    if (resources)
        s = check_count(call, resources->max_number_of_training_jobs,
                        "hpoResourceConfig.maxNumberOfTrainingJobs", MOST_JOBS);
    if (s == OD_OK && resources)
        s = check_count(call, resources->max_parallel_training_jobs,
                        "hpoResourceConfig.maxParallelTrainingJobs", MOST_PARALLEL);
    if (s == OD_OK && config->hpo_objective)
        s = check_metric(call, "hpoObjective.metricName", config->hpo_objective->metric_name);
    return s == OD_OK && config->algorithm_hyper_parameter_ranges
               ? check_ranges(call, spec, config->algorithm_hyper_parameter_ranges)
               : s;
}

/* --- AutoML --- */

bool od_automl_may_try(const struct od_recipe_spec *spec)
{
    return spec->type == OD_USER_PERSONALIZATION && !spec->domain &&
           od_recipe_find(od_str_c(spec->name));
}

enum od_status od_automl_check(struct od_call *call,
                               const struct od_personalize_auto_ml_config *config)
{
    if (!config)
        return OD_OK;
    enum od_status s = check_metric(call, "autoMLConfig.metricName", config->metric_name);
    for (size_t i = 0; s == OD_OK && i < config->recipe_list.count; i++) {
        const struct od_recipe_spec *spec;
        s = od_recipe_by_arn(call, config->recipe_list.items[i], &spec);
        if (s == OD_OK && !od_automl_may_try(spec))
            s = od_fail(&call->err, OD_INVALID_INPUT,
                        "autoMLConfig: recipe %.*s cannot take part; recipes of type "
                        "USER_PERSONALIZATION can.",
                        OD_STR_ARG(config->recipe_list.items[i]));
    }
    return s;
}

/* --- taking over --- */

enum od_status od_tuning_to_reuse(struct od_call *call, const struct od_resource *solution,
                                  struct od_json *out, bool *out_found)
{
    struct od_resource *versions;
    size_t count;
    enum od_status s = od_resource_list(call, &od_kind_solution_version, solution->arn, OD_STR_NONE,
                                        OD_STR("ACTIVE"), &versions, &count);
    *out_found = false;
    for (size_t i = count; s == OD_OK && !*out_found && i-- > 0;) {
        s = od_json_parse(call->arena, versions[i].extra, out, &call->err);
        int64_t tuned_ms = s == OD_OK ? od_json_get_i64(out, "tuned_ms", INT64_MIN) : INT64_MIN;
        *out_found = tuned_ms != INT64_MIN && call->now_ms - tuned_ms < REUSE_MS &&
                     od_json_get(out, OD_STR("tuned"));
    }
    return s;
}
