/* Is there enough to learn from? Every answer here becomes a version's failureReason. */
#include "base/limits.h"
#include "jobs/train_inner.h"

/* The event types asked for, "View, Purchase"; "" when all are taken. */
static struct od_str wanted_types(struct od_run *run)
{
    const struct od_json *events = od_json_get(run->spec, OD_STR("events"));
    struct od_str list = OD_STR("");
    for (size_t i = 0; events && i < events->count; i++) {
        struct od_str type = od_json_get_str(&events->items[i], "type", OD_STR(""));
        struct od_str longer = od_arena_printf(&run->arena, "%.*s%s%.*s", OD_STR_ARG(list),
                                               list.len ? ", " : "", OD_STR_ARG(type));
        list = longer.ptr ? longer : list;
    }
    return list;
}

static enum od_status check_events(struct od_run *run)
{
    const struct od_training *t = run->training;
    struct od_str types = wanted_types(run);
    if (t->event_count < OD_MIN_TRAIN_INTERACTIONS && types.len)
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Dataset has fewer than %d interactions after filtering by event type: %.*s",
                       OD_MIN_TRAIN_INTERACTIONS, OD_STR_ARG(types));
    if (t->event_count < OD_MIN_TRAIN_INTERACTIONS)
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. Dataset has fewer than %d interactions.",
                       OD_MIN_TRAIN_INTERACTIONS);
    uint32_t users = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        users += t->user_start[u + 1] - t->user_start[u] >= 2;
    if (users < OD_MIN_TRAIN_USERS)
        return od_fail(
            run->err, OD_INVALID_INPUT,
            "Create failed. Dataset has fewer than %d users with at least 2 interactions each.",
            OD_MIN_TRAIN_USERS);
    return OD_OK;
}

/* --- attributes --- */

static bool is_attribute(const struct od_field *field)
{
    return !field->textual && !od_str_eq_c(field->name, "ITEM_ID") &&
           !od_str_eq_c(field->name, "USER_ID") && !od_str_eq_c(field->name, "CREATION_TIMESTAMP");
}

/* Whether the values of a column tell rows apart without naming each: at least two of them, and one
 * that two rows share. Rows are read until both are found. */
static bool tells_apart(const struct od_table *table, size_t index)
{
    struct od_table_column column;
    struct od_dict *seen = od_dict_new();
    struct od_buf text;
    bool shared = false, differs = false;
    od_table_column(table, index, &column);
    od_buf_init(&text, OD_MAX_METADATA_BYTES);
    uint32_t rows = od_table_row_count(table);
    for (uint32_t row = 0; seen && row < rows && !(shared && differs); row++) {
        uint32_t before = od_dict_count(seen), code;
        od_buf_clear(&text);
        if (!od_table_cell_text(table, index, row, &text) || od_buf_status(&text) != OD_OK)
            continue;
        if (od_dict_add(seen, text.ptr ? od_buf_view(&text) : OD_STR(""), &code) != OD_OK)
            break;
        shared |= code < before;
        differs |= code == before && before > 0;
    }
    od_buf_done(&text);
    od_dict_free(seen);
    return shared && differs;
}

static bool has_attribute(const struct od_table *table)
{
    const struct od_schema *schema = table ? od_table_schema(table) : NULL;
    for (size_t f = 0; schema && f < schema->field_count; f++)
        if (is_attribute(&schema->fields[f]) && tells_apart(table, f))
            return true;
    return false;
}

/* --- the whole --- */

static enum od_status check_datasets(struct od_run *run)
{
    const struct od_recipe_spec *spec = run->recipe_spec;
    if (!spec->interactions_optional && !od_json_get(run->spec, OD_STR("interactions")))
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. The dataset group has no Interactions dataset.");
    if (spec->needs_items && (!run->items || od_table_row_count(run->items) == 0))
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. Recipe %s needs an Items dataset with data.", spec->name);
    if (spec->needs_actions && (!run->action_table || od_table_row_count(run->action_table) == 0))
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Create failed. Recipe %s needs an Actions dataset with data.", spec->name);
    bool of_users = spec->type != OD_USER_SEGMENTATION && has_attribute(run->users);
    if (spec->needs_attributes && !has_attribute(run->items) && !of_users)
        return od_fail(run->err, OD_INVALID_INPUT,
                       "Did not find any attribute to train on. There may not be any attribute in "
                       "the items dataset, or all attribute values either have same or all "
                       "distinct values.");
    return OD_OK;
}

enum od_status od_run_check_inputs(struct od_run *run)
{
    enum od_status s = check_datasets(run);
    return s == OD_OK && !run->recipe_spec->interactions_optional ? check_events(run) : s;
}
