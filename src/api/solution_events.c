/* Which events a solution trains on: eventType and eventValueThreshold, or eventsConfig (recipes.md
 * section 3). What the solution asks for, the Interactions schema must be able to tell. */
#include "api/attach.h"
#include "api/solution.h"

static enum od_status needs_column(struct od_call *call, const struct od_schema *schema,
                                   const char *member, const char *column)
{
    if (!schema || od_schema_find(schema, od_str_c(column)) != SIZE_MAX)
        return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT, "%s needs a column %s in the Interactions schema.",
                   member, column);
}

static enum od_status check_event(struct od_call *call, const struct od_schema *schema,
                                  const struct od_personalize_event_parameters_list *list,
                                  size_t index)
{
    const struct od_personalize_event_parameters *event = &list->items[index];
    if (!event->event_type.ptr || event->event_type.len == 0)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "eventsConfig: entry %zu of eventParametersList has no eventType.",
                       index + 1);
    for (size_t i = 0; i < index; i++)
        if (od_str_eq(list->items[i].event_type, event->event_type))
            return od_fail(&call->err, OD_INVALID_INPUT,
                           "eventsConfig: eventType %.*s is given twice.",
                           OD_STR_ARG(event->event_type));
    return event->event_value_threshold.set
               ? needs_column(call, schema, "eventsConfig: eventValueThreshold", "EVENT_VALUE")
               : OD_OK;
}

enum od_status od_events_config_check(struct od_call *call, struct od_str group,
                                      const struct od_personalize_events_config *config,
                                      const struct od_recipe_spec *spec)
{
    const struct od_personalize_event_parameters_list *list = &config->event_parameters_list;
    struct od_dataset_info info;
    double sum = 0;
    if (!spec->supports_events_config)
        return od_fail(&call->err, OD_INVALID_INPUT, "eventsConfig is not supported by recipe %s.",
                       spec->name);
    if (list->count == 0)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "eventsConfig: eventParametersList must name at least one eventType.");
    enum od_status s = od_group_dataset(call, group, OD_INTERACTIONS, &info);
    if (s == OD_OK)
        s = needs_column(call, info.schema, "eventsConfig", "EVENT_TYPE");
    for (size_t i = 0; s == OD_OK && i < list->count; i++) {
        s = check_event(call, info.schema, list, i);
        sum += list->items[i].weight.set ? list->items[i].weight.value : 1;
    }
    if (s == OD_OK && !(sum > 0))
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "eventsConfig: at least one weight must be above 0.");
    return s;
}

enum od_status od_solution_events_check(struct od_call *call,
                                        const struct od_personalize_create_solution_request *in,
                                        const struct od_recipe_spec *spec)
{
    const struct od_personalize_solution_config *config = in->solution_config;
    struct od_str threshold = config ? config->event_value_threshold : OD_STR_NONE;
    struct od_dataset_info info;
    double number;
    enum od_status s = od_group_dataset(call, in->dataset_group_arn, OD_INTERACTIONS, &info);
    if (s == OD_OK && in->event_type.ptr)
        s = needs_column(call, info.schema, "eventType", "EVENT_TYPE");
    if (s == OD_OK && threshold.ptr && !od_str_to_double(threshold, &number))
        return od_fail(&call->err, OD_INVALID_INPUT, "eventValueThreshold: %.*s is not a number.",
                       OD_STR_ARG(threshold));
    if (s == OD_OK && threshold.ptr)
        s = needs_column(call, info.schema, "eventValueThreshold", "EVENT_VALUE");
    if (s != OD_OK || !config || !config->events_config)
        return s;
    if (in->event_type.ptr || threshold.ptr)
        return od_fail(&call->err, OD_INVALID_INPUT,
                       "eventsConfig cannot be used together with eventType or "
                       "eventValueThreshold.");
    return od_events_config_check(call, in->dataset_group_arn, config->events_config, spec);
}

bool od_solution_needs_column(struct od_str event_type,
                              const struct od_personalize_solution_config *config,
                              struct od_str column)
{
    bool by_type = event_type.ptr != NULL, by_value = config && config->event_value_threshold.ptr;
    if (config && config->events_config) {
        const struct od_personalize_event_parameters_list *list =
            &config->events_config->event_parameters_list;
        by_type |= list->count > 0;
        for (size_t i = 0; i < list->count; i++)
            by_value |= list->items[i].event_value_threshold.set;
    }
    return (by_type && od_str_eq_c(column, "EVENT_TYPE")) ||
           (by_value && od_str_eq_c(column, "EVENT_VALUE"));
}
