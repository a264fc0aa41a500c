/* The columns a recommender trains on: those its datasets had when it was created, or when an
 * update changed trainingDataConfig, less what that leaves out (data.md section 9). They are kept
 * as JSON,
 * {"INTERACTIONS": [...], "ITEMS": [...], "USERS": [...]}, so that a column that a schema gets
 * later stays out of the weekly trainings until somebody asks for it. */
#include "api/attach.h"
#include "api/recommender.h"

#define COLUMNS_MAX (1u << 18) /* three schemas' names */

static void add_columns(struct od_buf *text, const struct od_personalize_solution_version *version,
                        const char *type, const struct od_schema *schema)
{
    bool any = false;
    for (size_t f = 0; schema && f < schema->field_count; f++) {
        if (od_training_leaves_out(version, type, schema->fields[f].name))
            continue;
        od_buf_puts(text, any ? "," : "");
        od_buf_json(text, schema->fields[f].name);
        any = true;
    }
}

enum od_status od_columns_now(struct od_call *call, struct od_str group,
                              const struct od_recipe_spec *spec,
                              struct od_personalize_training_data_config *config,
                              struct od_str *out)
{
    struct od_personalize_solution_config training = {.training_data_config = config};
    struct od_personalize_solution_version version = {.event_type = od_str_c(spec->event),
                                                      .solution_config = &training};
    struct od_buf text;
    enum od_status s = OD_OK;
    od_buf_init(&text, COLUMNS_MAX);
    for (int t = OD_INTERACTIONS; s == OD_OK && t <= OD_USERS; t++) {
        const char *type = od_dataset_type_name((enum od_dataset_type)t);
        struct od_dataset_info info;
        s = od_group_dataset(call, group, (enum od_dataset_type)t, &info);
        od_buf_printf(&text, "%s\"%s\":[", t == OD_INTERACTIONS ? "{" : ",", type);
        if (s == OD_OK)
            add_columns(&text, &version, type, info.schema);
        od_buf_char(&text, ']');
    }
    od_buf_char(&text, '}');
    if (s == OD_OK && od_buf_status(&text) == OD_OK)
        *out = od_arena_str(call->arena, od_buf_view(&text));
    if (s == OD_OK && (od_buf_status(&text) != OD_OK || !out->ptr))
        s = od_fail(&call->err, OD_NO_MEMORY, NULL);
    od_buf_done(&text);
    return s;
}

static bool holds(const struct od_json *list, struct od_str name)
{
    for (size_t i = 0; list && i < list->count; i++)
        if (od_str_eq(list->items[i].text, name))
            return true;
    return false;
}

enum od_status od_columns_same(struct od_call *call, const struct od_json *before,
                               struct od_str after_text, bool *out)
{
    struct od_json after;
    enum od_status s = od_json_parse(call->arena, after_text, &after, &call->err);
    *out = s == OD_OK && before && before->count == after.count;
    for (size_t i = 0; *out && i < after.count; i++) {
        const struct od_json *list = &after.members[i].value;
        const struct od_json *old = od_json_get(before, after.members[i].key);
        *out = old && old->count == list->count;
        for (size_t c = 0; *out && c < list->count; c++)
            *out = holds(old, list->items[c].text);
    }
    return s;
}

enum od_status od_columns_config(struct od_call *call, const struct od_json *columns,
                                 struct od_personalize_training_data_config **out)
{
    struct od_personalize_training_data_config *config =
        OD_NEW(call->arena, struct od_personalize_training_data_config);
    struct od_api_strings_entry *entries =
        OD_NEW_ARRAY(call->arena, struct od_api_strings_entry, columns->count);
    if (!config || !entries)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < columns->count; i++) {
        const struct od_json *list = &columns->members[i].value;
        struct od_str *names = OD_NEW_ARRAY(call->arena, struct od_str, list->count);
        if (!names)
            return od_fail(&call->err, OD_NO_MEMORY, NULL);
        for (size_t c = 0; c < list->count; c++)
            names[c] = list->items[c].text;
        entries[i] = (struct od_api_strings_entry){columns->members[i].key, {names, list->count}};
    }
    config->included_dataset_columns = (struct od_api_strings_map){entries, columns->count};
    *out = config;
    return OD_OK;
}

enum od_status od_recommender_columns(struct od_call *call, const struct od_resource *resource,
                                      const struct od_json **out)
{
    struct od_json *extra = OD_NEW(call->arena, struct od_json);
    if (!extra)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_recommender_extra(call, resource, extra);
    if (s == OD_OK)
        *out = od_json_get(extra, OD_STR("columns"));
    return s;
}
