/* Which events count, and how much: the rules of a training set.
 *
 * A rule names a type and may ask for a least EVENT_VALUE; an event counts when the rule of its
 * type accepts it. There are at most ten, so they are searched in a row. Types are compared byte by
 * byte, for data says View or view and a solution says which; but for the use cases of a domain,
 * which mean every spelling (any_case). */
#include <stdlib.h>
#include <string.h>

#include "data/training_build.h"

static enum od_status copy_text(struct od_str from, struct od_str *out)
{
    char *copy = malloc(from.len + 1);
    if (!copy)
        return OD_NO_MEMORY;
    memcpy(copy, from.ptr, from.len);
    *out = (struct od_str){copy, from.len};
    return OD_OK;
}

enum od_status od_rules_copy(struct od_training_builder *builder,
                             const struct od_training_rule *rule)
{
    if (!rule || rule->event_count == 0)
        return OD_OK;
    builder->rules = calloc(rule->event_count, sizeof *builder->rules);
    if (!builder->rules)
        return OD_NO_MEMORY;
    builder->weighted = rule->weighted;
    for (size_t i = 0; i < rule->event_count; i++) {
        struct od_event_rule *to = &builder->rules[builder->rule_count++];
        *to = rule->events[i];
        to->type = OD_STR_NONE;
        if (!rule->events[i].type.ptr)
            builder->any_type = true;
        else if (copy_text(rule->events[i].type, &to->type) != OD_OK)
            return OD_NO_MEMORY;
    }
    return OD_OK;
}

void od_rules_free(struct od_training_builder *builder)
{
    for (size_t i = 0; i < builder->rule_count; i++)
        free((char *)builder->rules[i].type.ptr);
    free(builder->rules);
}

size_t od_rules_find(const struct od_training_builder *builder, struct od_str type)
{
    if (builder->any_type)
        return 0;
    for (size_t i = 0; i < builder->rule_count; i++) {
        const struct od_event_rule *rule = &builder->rules[i];
        if (rule->any_case ? od_str_eq_nocase(rule->type, type) : od_str_eq(rule->type, type))
            return i;
    }
    return SIZE_MAX;
}

bool od_rules_accept(const struct od_training_builder *builder, size_t rule, bool has_value,
                     double value)
{
    if (rule == SIZE_MAX)
        return false;
    const struct od_event_rule *r = &builder->rules[rule];
    return !r->has_threshold || (has_value && value >= r->threshold);
}

enum od_status od_rules_weigh(const struct od_training_builder *builder,
                              const struct od_dict *types, float **out)
{
    *out = NULL;
    if (!builder->weighted)
        return OD_OK;
    double mean = 0;
    for (size_t i = 0; i < builder->rule_count; i++)
        mean += builder->rules[i].weight / (double)builder->rule_count;
    uint32_t count = od_dict_count(types);
    float *weight = calloc((size_t)count + 1, sizeof *weight);
    if (!weight)
        return OD_NO_MEMORY;
    for (uint32_t code = 0; code < count; code++) {
        size_t rule = od_rules_find(builder, od_dict_text(types, code));
        if (rule != SIZE_MAX && mean > 0)
            weight[code] = (float)(builder->rules[rule].weight / mean);
    }
    *out = weight;
    return OD_OK;
}
