/* What a model hears of a query besides items: event types in its own codes, the context of the
 * request, and the record of the user.
 *
 * A group folds types that differ only in case into one; training does not. So a group's type is
 * looked up as it is spelt here, then in any case. Most users have few types: the last few answers
 * are remembered for the length of a query. */
#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/ask.h"

enum { SCANNED = 256 }; /* types compared without regard to case; a model has a handful */

static uint16_t find_type(const struct od_campaign *campaign, struct od_str type)
{
    const struct od_image_dict *types = &campaign->types;
    uint32_t code = od_image_dict_find(types, type);
    for (uint32_t i = 0; code == OD_NO_CODE && i < types->count && i < SCANNED; i++)
        if (od_str_eq_nocase(od_image_dict_text(types, i), type))
            code = i;
    return code < OD_NO_TYPE ? (uint16_t)code : OD_NO_TYPE;
}

uint16_t od_inputs_type(struct od_type_memo *memo, const struct od_campaign *campaign,
                        const struct od_live *live, uint16_t type)
{
    if (!campaign->has_types)
        return OD_NO_TYPE;
    struct od_type_memo_entry *entry = &memo->entries[type % OD_TYPE_MEMO];
    if (!entry->known || entry->live != type)
        *entry =
            (struct od_type_memo_entry){true, type, find_type(campaign, live->types.texts[type])};
    return entry->model;
}

bool od_inputs_counts(const struct od_campaign *campaign, uint16_t model_type)
{
    return !campaign->types_counted ||
           (model_type != OD_NO_TYPE && campaign->types_counted[model_type]);
}

/* The request's context under the names of the Interactions schema; others have no effect. */
static enum od_status gather_context(struct od_ask *ask)
{
    const struct od_recommend_query *query = ask->query;
    const struct od_dataset *interactions = ask->campaign->group->datasets[OD_INTERACTIONS];
    struct od_query_value *values =
        OD_NEW_ARRAY(ask->arena, struct od_query_value, query->context_count);
    if (!values)
        return OD_NO_MEMORY;
    ask->model_query.context = values;
    for (size_t i = 0; interactions && i < query->context_count; i++) {
        size_t field = od_schema_find_property(&interactions->schema, query->context[i].name);
        if (field == SIZE_MAX)
            continue;
        struct od_str name = od_arena_str(ask->arena, interactions->schema.fields[field].name);
        if (!name.ptr)
            return OD_NO_MEMORY;
        values[ask->model_query.context_count++] =
            (struct od_query_value){name, query->context[i].value};
    }
    return OD_OK;
}

static enum od_status gather_record(struct od_ask *ask)
{
    const struct od_table *users = ask->campaign->group->users;
    size_t columns = users ? od_table_column_count(users) : 0;
    if (ask->user_row == OD_NO_ROW || columns == 0)
        return OD_OK;
    struct od_query_value *values = OD_NEW_ARRAY(ask->arena, struct od_query_value, columns);
    struct od_buf text;
    enum od_status status = values ? OD_OK : OD_NO_MEMORY;
    od_buf_init(&text, OD_MAX_METADATA_BYTES);
    for (size_t c = 0; status == OD_OK && c < columns; c++) {
        struct od_table_column column;
        od_table_column(users, c, &column);
        od_buf_clear(&text);
        if (od_str_eq_c(column.field->name, "USER_ID") ||
            !od_table_cell_text(users, c, ask->user_row, &text))
            continue;
        struct od_str name = od_arena_str(ask->arena, column.field->name);
        struct od_str value = od_arena_str(ask->arena, text.ptr ? od_buf_view(&text) : OD_STR(""));
        if (!name.ptr || !value.ptr)
            status = OD_NO_MEMORY;
        else
            values[ask->model_query.user_value_count++] = (struct od_query_value){name, value};
    }
    od_buf_done(&text);
    ask->model_query.user = values;
    return status;
}

enum od_status od_inputs_gather(struct od_ask *ask)
{
    enum od_status status = gather_context(ask);
    return status == OD_OK ? gather_record(ask) : status;
}
