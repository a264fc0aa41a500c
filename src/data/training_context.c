/* The context of events and the lists shown with them, while a training set is collected.
 *
 * Columns are found by name in each chunk and may begin late: events before have null. A text
 * becomes a 16-bit code, a list the number of a list; both are looked up once a distinct cell of a
 * chunk, at the first event that counts. What happens to them at the end is in training_freeze.c;
 * training_finish.c moves them with their events through od_event_array, knowing nothing of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "data/training_build.h"

enum od_status od_context_copy_excluded(struct od_built_context *context,
                                        const struct od_training_rule *rule)
{
    if (!rule || rule->excluded_count == 0)
        return OD_OK;
    context->excluded = calloc(rule->excluded_count, sizeof *context->excluded);
    if (!context->excluded)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < rule->excluded_count; i++) {
        struct od_str from = rule->excluded[i];
        char *copy = malloc(from.len + 1);
        if (!copy)
            return OD_NO_MEMORY;
        memcpy(copy, from.ptr, from.len);
        context->excluded[context->excluded_count++] = (struct od_str){copy, from.len};
    }
    return OD_OK;
}

bool od_context_excludes(const struct od_built_context *context, struct od_str column)
{
    for (size_t i = 0; i < context->excluded_count; i++)
        if (od_str_eq(column, context->excluded[i]))
            return true;
    return false;
}

void od_context_free_excluded(struct od_built_context *context)
{
    for (size_t i = 0; i < context->excluded_count; i++)
        free((char *)context->excluded[i].ptr);
    free(context->excluded);
    free(context->maps);
}

void od_context_empty(struct od_built_context *context)
{
    for (size_t i = 0; i < context->count; i++) {
        free((char *)context->columns[i].name.ptr);
        free(context->columns[i].array.data);
        od_dict_free(context->columns[i].values);
    }
    free(context->lists.data);
    free(context->shown);
    free(context->list_start);
    od_dict_free(context->shown_ids);
    struct od_built_context kept = {.excluded = context->excluded,
                                    .excluded_count = context->excluded_count,
                                    .maps = context->maps};
    *context = kept;
}

/* --- room --- */

static enum od_status grow(struct od_event_array *array, uint64_t cap)
{
    void *bigger = array->data ? realloc(array->data, cap * array->width) : NULL;
    if (bigger)
        array->data = bigger;
    return bigger || !array->data ? OD_OK : OD_NO_MEMORY;
}

enum od_status od_context_reserve(struct od_built_context *context, uint64_t cap)
{
    enum od_status s = grow(&context->lists, cap);
    for (size_t i = 0; s == OD_OK && i < context->count; i++)
        s = grow(&context->columns[i].array, cap);
    return s;
}

static void set_null(const struct od_event_array *array, bool number, uint64_t at)
{
    static const uint16_t no_value = OD_NO_VALUE;
    static const uint32_t no_list = OD_NO_CODE;
    const float nan_value = NAN;
    const void *null = array->width == 2 ? (const void *)&no_value
                       : number          ? (const void *)&nan_value
                                         : (const void *)&no_list;
    memcpy((char *)array->data + at * array->width, null, array->width);
}

static enum od_status begin(struct od_event_array *array, size_t width, bool number, uint64_t used,
                            uint64_t cap)
{
    *array = (struct od_event_array){malloc((cap + 1) * width), width};
    if (!array->data)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < used; i++)
        set_null(array, number, i);
    return OD_OK;
}

/* --- a chunk's columns --- */

/* Booleans are for no training (data.md section 2): no request could say them as an event does. */
static bool is_context(const struct od_built_context *context, const struct od_field *field)
{
    struct od_str name = field->name;
    static const char *const reserved[] = {
        "USER_ID",     "ITEM_ID",           "TIMESTAMP",  "EVENT_TYPE",
        "EVENT_VALUE", "RECOMMENDATION_ID", "IMPRESSION", "EVENT_ATTRIBUTION_SOURCE",
        "ACTION_ID"};
    for (size_t i = 0; i < sizeof reserved / sizeof *reserved; i++)
        if (od_str_eq_c(name, reserved[i]))
            return false;
    return field->type != OD_FIELD_BOOLEAN && !od_context_excludes(context, name);
}

static enum od_status add_column(struct od_built_context *context, struct od_str name, bool text,
                                 uint64_t used, uint64_t cap)
{
    struct od_built_column *column = &context->columns[context->count];
    char *copy = malloc(name.len + 1);
    if (!copy)
        return OD_NO_MEMORY;
    memcpy(copy, name.ptr, name.len);
    *column = (struct od_built_column){.name = {copy, name.len}, .text = text};
    context->count++;
    if (text && !(column->values = od_dict_new()))
        return OD_NO_MEMORY;
    return begin(&column->array, text ? sizeof(uint16_t) : sizeof(float), !text, used, cap);
}

static size_t find_column(const struct od_built_context *context, struct od_str name)
{
    size_t i = 0;
    while (i < context->count && !od_str_eq(context->columns[i].name, name))
        i++;
    return i;
}

static enum od_status open_column(struct od_built_context *context, const struct od_field *field,
                                  const struct od_chunk_column *cells, uint64_t used, uint64_t cap,
                                  struct od_context_view *out, struct od_error *err)
{
    bool text = cells->type == OD_FIELD_STRING;
    size_t at = find_column(context, field->name);
    if (at == OD_MAX_CONTEXT_COLUMNS)
        return od_fail(err, OD_LIMIT, "Interactions have more than %d columns of context.",
                       OD_MAX_CONTEXT_COLUMNS);
    if (at == context->count && add_column(context, field->name, text, used, cap) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    if (context->columns[at].text != text)
        return od_fail(err, OD_CORRUPT, "Column %.*s of the interactions changes its type.",
                       OD_STR_ARG(field->name));
    if (text && (cells->dict_count > OD_CHUNK_ROWS || (!cells->codes && cells->dict_count)))
        return od_fail(err, OD_CORRUPT, "Column %.*s of the interactions is damaged.",
                       OD_STR_ARG(field->name));
    uint32_t *map = context->maps + out->count * OD_CHUNK_ROWS;
    for (uint32_t i = 0; text && i < cells->dict_count; i++)
        map[i] = OD_NO_CODE;
    out->columns[out->count].column = cells;
    out->columns[out->count].at = at;
    out->count++;
    return OD_OK;
}

static enum od_status open_lists(struct od_built_context *context,
                                 const struct od_chunk_column *cells, uint64_t used, uint64_t cap,
                                 struct od_context_view *out)
{
    uint32_t *map = context->maps + OD_MAX_CONTEXT_COLUMNS * OD_CHUNK_ROWS;
    if (!cells || cells->type != OD_FIELD_STRING || cells->dict_count > OD_CHUNK_ROWS)
        return OD_OK;
    if (!context->has_lists) {
        context->shown_ids = od_dict_new();
        context->list_start = calloc(1, sizeof *context->list_start);
        context->has_lists = true;
        if (!context->shown_ids || !context->list_start ||
            begin(&context->lists, sizeof(uint32_t), false, used, cap) != OD_OK)
            return OD_NO_MEMORY;
    }
    for (uint32_t i = 0; i < cells->dict_count; i++)
        map[i] = OD_NO_CODE;
    out->impression = cells;
    return OD_OK;
}

enum od_status od_context_open(struct od_built_context *context, const struct od_schema *schema,
                               const struct od_chunk *chunk, uint64_t used, uint64_t cap,
                               struct od_context_view *out, struct od_error *err)
{
    out->count = 0;
    out->impression = NULL;
    if (!context->maps)
        context->maps = malloc((size_t)OD_MAX_EVENT_ARRAYS * OD_CHUNK_ROWS * sizeof *context->maps);
    if (!context->maps)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = OD_OK;
    for (size_t f = 0; s == OD_OK && f < schema->field_count && f < chunk->column_count; f++)
        if (is_context(context, &schema->fields[f]))
            s = open_column(context, &schema->fields[f], &chunk->columns[f], used, cap, out, err);
    size_t shown = od_schema_find(schema, OD_STR("IMPRESSION"));
    bool wanted = !od_context_excludes(context, OD_STR("IMPRESSION"));
    if (s == OD_OK && wanted && shown < chunk->column_count &&
        open_lists(context, &chunk->columns[shown], used, cap, out) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return s;
}

/* --- cells --- */

static bool is_null(const struct od_chunk_column *cells, uint32_t row)
{
    return cells->nulls && od_bitmap_get(cells->nulls, row);
}

/* The builder's code of a text; beyond OD_MAX_CONTEXT_VALUES the column is given up. */
static enum od_status text_code(struct od_built_column *column, const struct od_chunk_column *cells,
                                uint32_t *map, uint32_t row, uint16_t *out)
{
    uint32_t code = cells->codes[row];
    *out = OD_NO_VALUE;
    if (code >= cells->dict_count)
        return OD_CORRUPT;
    if (map[code] == OD_NO_CODE) {
        enum od_status s = od_dict_add(column->values, od_chunk_text(cells, code), &map[code]);
        if (s != OD_OK)
            return s;
        if (map[code] >= OD_MAX_CONTEXT_VALUES) {
            column->left_out = true;
            od_dict_free(column->values);
            free(column->array.data);
            column->values = NULL;
            column->array.data = NULL;
            return OD_OK;
        }
    }
    *out = (uint16_t)map[code];
    return OD_OK;
}

static enum od_status put_cell(struct od_built_column *column, const struct od_chunk_column *cells,
                               uint32_t *map, uint32_t row, uint64_t at)
{
    if (column->left_out)
        return OD_OK;
    if (is_null(cells, row)) {
        set_null(&column->array, !column->text, at);
        return OD_OK;
    }
    if (column->text) {
        uint16_t code;
        enum od_status s = text_code(column, cells, map, row, &code);
        if (s == OD_OK && !column->left_out)
            ((uint16_t *)column->array.data)[at] = code;
        return s;
    }
    double number = cells->reals ? cells->reals[row] : (double)cells->integers[row];
    ((float *)column->array.data)[at] = (float)number;
    return OD_OK;
}

static enum od_status room_for_list(struct od_built_context *context, uint64_t items)
{
    if (context->list_count == context->list_cap) {
        uint32_t cap = context->list_cap ? context->list_cap + context->list_cap / 2 : 1024;
        uint64_t *more = realloc(context->list_start, ((size_t)cap + 1) * sizeof *more);
        if (!more)
            return OD_NO_MEMORY;
        context->list_start = more;
        context->list_cap = cap;
    }
    if (context->shown_count + items <= context->shown_cap)
        return OD_OK;
    uint64_t cap = context->shown_cap + context->shown_cap / 2 + items + 1024;
    uint32_t *more = realloc(context->shown, cap * sizeof *more);
    if (!more)
        return OD_NO_MEMORY;
    context->shown = more;
    context->shown_cap = cap;
    return OD_OK;
}

/* A new list from its text, "a|b|c"; OD_NO_CODE when it is empty or there is no room for it. */
static enum od_status add_list(struct od_built_context *context, struct od_str text, uint32_t *out)
{
    struct od_str rest = text, id;
    uint64_t items = 1;
    for (size_t i = 0; i < text.len; i++)
        items += text.ptr[i] == '|';
    *out = OD_NO_CODE;
    if (text.len == 0 || context->shown_count + items > OD_MAX_SHOWN_ITEMS)
        return OD_OK;
    enum od_status s = room_for_list(context, items);
    while (s == OD_OK && od_str_cut(&rest, '|', &id))
        if (id.len)
            s = od_dict_add(context->shown_ids, id, &context->shown[context->shown_count++]);
    if (s != OD_OK)
        return s;
    *out = context->list_count++;
    context->list_start[context->list_count] = context->shown_count;
    return OD_OK;
}

static enum od_status put_list(struct od_built_context *context,
                               const struct od_chunk_column *cells, uint32_t row, uint64_t at)
{
    uint32_t *map = context->maps + OD_MAX_CONTEXT_COLUMNS * OD_CHUNK_ROWS;
    uint32_t code = is_null(cells, row) ? OD_NO_CODE : cells->codes[row];
    if (code == OD_NO_CODE || code >= cells->dict_count) {
        set_null(&context->lists, false, at);
        return OD_OK;
    }
    enum od_status s = OD_OK;
    if (map[code] == OD_NO_CODE)
        s = add_list(context, od_chunk_text(cells, code), &map[code]);
    ((uint32_t *)context->lists.data)[at] = map[code];
    return s;
}

enum od_status od_context_put(struct od_built_context *context, const struct od_context_view *view,
                              uint32_t row, uint64_t at)
{
    for (size_t i = 0; i < context->count; i++)
        if (context->columns[i].array.data)
            set_null(&context->columns[i].array, !context->columns[i].text, at);
    if (context->has_lists)
        set_null(&context->lists, false, at);
    enum od_status s = OD_OK;
    for (size_t i = 0; view && s == OD_OK && i < view->count; i++)
        s = put_cell(&context->columns[view->columns[i].at], view->columns[i].column,
                     context->maps + i * OD_CHUNK_ROWS, row, at);
    if (s == OD_OK && view && view->impression)
        s = put_list(context, view->impression, row, at);
    return s;
}
