/* Collecting events for a training set.
 *
 * Events are kept as columns of builder codes in order of arrival: 14 bytes an event, 18 with
 * values, and what context takes (training_context.c). A time is stored as a 32-bit offset from the
 * first one (less 2^31, so that earlier times fit too); the first time that does not fit turns the
 * column into 64-bit numbers. A chunk's own dictionary is mapped to builder codes at the first row
 * that uses an entry, so an id costs one hash a chunk and an id of refused rows alone never enters
 * the training set.
 *
 * Columns grow by an eighth: large blocks are moved by the kernel, not copied, and the slack stays
 * small against a memory cap. One thread owns a builder. What happens at the end is in
 * training_finish.c. */
#include "data/training.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "data/training_build.h"

#define FIRST_CAP   4096u
#define SLOW_GROWTH (1u << 20) /* events; below it columns double */

struct od_training_builder *od_training_builder_new(const struct od_training_rule *rule)
{
    struct od_training_builder *builder = calloc(1, sizeof *builder);
    if (builder && (od_rules_copy(builder, rule) != OD_OK ||
                    od_context_copy_excluded(&builder->context, rule) != OD_OK)) {
        od_training_builder_free(builder);
        return NULL;
    }
    return builder;
}

void od_training_builder_empty(struct od_training_builder *builder)
{
    od_dict_free(builder->users);
    od_dict_free(builder->items);
    od_dict_free(builder->types);
    free(builder->user);
    free(builder->item);
    free(builder->time32);
    free(builder->time64);
    free(builder->type);
    free(builder->value);
    od_context_empty(&builder->context);
    struct od_training_builder kept = {
        .rules = builder->rules,
        .rule_count = builder->rule_count,
        .weighted = builder->weighted,
        .any_type = builder->any_type,
        .context = builder->context,
        .code_map = builder->code_map,
    };
    *builder = kept;
}

void od_training_builder_free(struct od_training_builder *builder)
{
    if (!builder)
        return;
    od_training_builder_empty(builder);
    od_rules_free(builder);
    od_context_free_excluded(&builder->context);
    free(builder->code_map);
    free(builder);
}

/* Dictionaries are made at the first event, so that an emptied builder holds nothing. */
enum od_status od_training_builder_open(struct od_training_builder *builder)
{
    if (builder->types)
        return OD_OK;
    if (!builder->users)
        builder->users = od_dict_new();
    if (!builder->items)
        builder->items = od_dict_new();
    struct od_dict *types = od_dict_new();
    uint32_t none;
    if (!builder->users || !builder->items || !types ||
        od_dict_add(types, OD_STR(""), &none) != OD_OK) {
        od_dict_free(types);
        return OD_NO_MEMORY;
    }
    builder->types = types;
    return OD_OK;
}

static bool grow(void *column, size_t cap, size_t size)
{
    void **at = column;
    void *bigger = realloc(*at, cap * size);
    if (bigger)
        *at = bigger;
    return bigger != NULL;
}

static enum od_status reserve(struct od_training_builder *builder, uint64_t more)
{
    uint64_t need = builder->count + more;
    if (need <= builder->cap)
        return OD_OK;
    uint64_t cap = builder->cap + (builder->cap < SLOW_GROWTH ? builder->cap : builder->cap / 8);
    cap = cap < need ? need : cap;
    cap = cap < FIRST_CAP ? FIRST_CAP : cap;
    if (!grow(&builder->user, cap, sizeof *builder->user) ||
        !grow(&builder->item, cap, sizeof *builder->item) ||
        !grow(&builder->type, cap, sizeof *builder->type))
        return OD_NO_MEMORY;
    if (builder->time64 ? !grow(&builder->time64, cap, sizeof *builder->time64)
                        : !grow(&builder->time32, cap, sizeof *builder->time32))
        return OD_NO_MEMORY;
    if (builder->value && !grow(&builder->value, cap, sizeof *builder->value))
        return OD_NO_MEMORY;
    if (od_context_reserve(&builder->context, cap) != OD_OK)
        return OD_NO_MEMORY;
    builder->cap = cap;
    return OD_OK;
}

static enum od_status want_values(struct od_training_builder *builder)
{
    if (builder->value)
        return OD_OK;
    enum od_status s = reserve(builder, 1);
    if (s != OD_OK)
        return s;
    builder->value = malloc(builder->cap * sizeof *builder->value);
    if (!builder->value)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < builder->count; i++)
        builder->value[i] = NAN;
    return OD_OK;
}

static enum od_status widen_times(struct od_training_builder *builder)
{
    builder->time64 = malloc(builder->cap * sizeof *builder->time64);
    if (!builder->time64)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < builder->count; i++)
        builder->time64[i] = builder->base + (int64_t)builder->time32[i];
    free(builder->time32);
    builder->time32 = NULL;
    return OD_OK;
}

static enum od_status put_time(struct od_training_builder *builder, uint64_t at, int64_t time)
{
    if (!builder->has_base) {
        builder->base = time < INT64_MIN + INT32_MAX ? INT64_MIN : time - INT32_MAX;
        builder->has_base = true;
    }
    int64_t offset;
    bool fits = !__builtin_sub_overflow(time, builder->base, &offset) && offset >= 0 &&
                offset <= UINT32_MAX;
    if (!builder->time64 && !fits) {
        enum od_status s = widen_times(builder);
        if (s != OD_OK)
            return s;
    }
    if (builder->time64)
        builder->time64[at] = time;
    else
        builder->time32[at] = (uint32_t)offset;
    return OD_OK;
}

float od_training_value(bool has_value, double value)
{
    if (!has_value || isnan(value))
        return NAN;
    if (value > FLT_MAX)
        return FLT_MAX;
    if (value < -FLT_MAX)
        return -FLT_MAX;
    float f = (float)value;
    return f == 0 ? 0.0f : f;
}

/* Room has been reserved. */
static enum od_status append(struct od_training_builder *builder, uint32_t user, uint32_t item,
                             uint32_t type, int64_t time, float value)
{
    uint64_t at = builder->count;
    enum od_status s = put_time(builder, at, time);
    if (s != OD_OK)
        return s;
    builder->user[at] = user;
    builder->item[at] = item;
    builder->type[at] = (uint16_t)type;
    if (builder->value)
        builder->value[at] = value;
    builder->count = at + 1;
    return OD_OK;
}

static enum od_status type_code(struct od_training_builder *builder, struct od_str type,
                                uint32_t *out, struct od_error *err)
{
    uint32_t code;
    enum od_status s = od_dict_add(builder->types, type.ptr ? type : OD_STR(""), &code);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    if (code >= OD_MAX_EVENT_TYPES)
        return od_fail(err, OD_LIMIT, "EVENT_TYPE has more than %u distinct values.",
                       OD_MAX_EVENT_TYPES - 1u);
    *out = code;
    return OD_OK;
}

/* --- chunks --- */

struct text_column {
    const struct od_chunk_column *column; /* NULL: the schema has none */
    struct od_dict *dict;
    uint32_t *map; /* chunk code to builder code, OD_NO_CODE: not asked yet */
};

struct chunk_view {
    struct text_column user, item, type;
    const struct od_chunk_column *time, *value;
    uint32_t *rule; /* chunk code of a type to its rule, OD_NO_CODE: does not count */
    uint32_t no_type_rule;
    struct od_context_view context;
};

static const struct od_chunk_column *find_column(const struct od_schema *schema,
                                                 const struct od_chunk *chunk, struct od_str name)
{
    size_t at = od_schema_find(schema, name);
    return at < chunk->column_count ? &chunk->columns[at] : NULL;
}

static bool is_null(const struct od_chunk_column *column, uint32_t row)
{
    return column->nulls && od_bitmap_get(column->nulls, row);
}

static enum od_status open_text(struct text_column *text, const struct od_chunk_column *column,
                                struct od_dict *dict, uint32_t *map, const char *name,
                                struct od_error *err)
{
    *text = (struct text_column){column, dict, map};
    if (!column)
        return OD_OK;
    if (!column->codes && column->dict_count)
        return od_fail(err, OD_CORRUPT, "Column %s of the interactions holds no text.", name);
    if (column->dict_count > OD_CHUNK_ROWS)
        return od_fail(err, OD_CORRUPT, "Column %s has %u distinct values in one chunk.", name,
                       column->dict_count);
    for (uint32_t i = 0; i < column->dict_count; i++)
        map[i] = OD_NO_CODE;
    return OD_OK;
}

/* Which rule each type of the chunk falls under. */
static void open_rules(const struct od_training_builder *builder,
                       const struct od_chunk_column *type, uint32_t *map, struct chunk_view *view)
{
    view->rule = map;
    view->no_type_rule = (uint32_t)od_rules_find(builder, OD_STR(""));
    for (uint32_t i = 0; type && i < type->dict_count; i++)
        map[i] = (uint32_t)od_rules_find(builder, od_chunk_text(type, i));
}

static enum od_status open_chunk(struct od_training_builder *builder,
                                 const struct od_schema *schema, const struct od_chunk *chunk,
                                 struct chunk_view *view, struct od_error *err)
{
    const struct od_chunk_column *user = find_column(schema, chunk, OD_STR("USER_ID"));
    bool of_actions = schema->type == OD_ACTION_INTERACTIONS;
    const struct od_chunk_column *item =
        find_column(schema, chunk, of_actions ? OD_STR("ACTION_ID") : OD_STR("ITEM_ID"));
    const struct od_chunk_column *type = NULL;
    view->time = find_column(schema, chunk, OD_STR("TIMESTAMP"));
    view->value = NULL;
    if (!od_context_excludes(&builder->context, OD_STR("EVENT_TYPE")))
        type = find_column(schema, chunk, OD_STR("EVENT_TYPE"));
    if (!od_context_excludes(&builder->context, OD_STR("EVENT_VALUE")))
        view->value = find_column(schema, chunk, OD_STR("EVENT_VALUE"));
    if (!user || !item || !view->time || (!view->time->integers && chunk->row_count))
        return od_fail(err, OD_CORRUPT, "Interactions need USER_ID, ITEM_ID and TIMESTAMP.");
    if (view->value && !view->value->reals && !view->value->integers)
        return od_fail(err, OD_CORRUPT, "Column EVENT_VALUE of the interactions holds no numbers.");
    if (!builder->code_map)
        builder->code_map = malloc(4u * OD_CHUNK_ROWS * sizeof *builder->code_map);
    if (!builder->code_map)
        return od_fail(err, OD_NO_MEMORY, NULL);
    uint32_t *map = builder->code_map;
    enum od_status s = open_text(&view->user, user, builder->users, map, "USER_ID", err);
    if (s == OD_OK)
        s = open_text(&view->item, item, builder->items, map + OD_CHUNK_ROWS, "ITEM_ID", err);
    if (s == OD_OK)
        s = open_text(&view->type, type, builder->types, map + 2 * OD_CHUNK_ROWS, "EVENT_TYPE",
                      err);
    if (s == OD_OK && builder->rule_count)
        open_rules(builder, type, map + 3 * OD_CHUNK_ROWS, view);
    return s;
}

/* The builder's code of a row's id. */
static enum od_status id_code(struct text_column *text, uint32_t row, const char *name,
                              uint32_t *out, struct od_error *err)
{
    uint32_t code = is_null(text->column, row) ? OD_NO_CODE : text->column->codes[row];
    if (code >= text->column->dict_count)
        return od_fail(err, OD_CORRUPT, "An interaction has no %s.", name);
    if (text->map[code] == OD_NO_CODE) {
        enum od_status s =
            od_dict_add(text->dict, od_chunk_text(text->column, code), &text->map[code]);
        if (s != OD_OK)
            return od_fail(err, s, "%s has too many distinct values.", name);
    }
    *out = text->map[code];
    return OD_OK;
}

static enum od_status row_type(struct od_training_builder *builder, struct text_column *text,
                               uint32_t row, uint32_t *out, struct od_error *err)
{
    *out = 0;
    if (!text->column || is_null(text->column, row))
        return OD_OK;
    uint32_t code = text->column->codes[row];
    if (code >= text->column->dict_count)
        return od_fail(err, OD_CORRUPT, "An interaction has a damaged EVENT_TYPE.");
    if (text->map[code] == OD_NO_CODE) {
        enum od_status s =
            type_code(builder, od_chunk_text(text->column, code), &text->map[code], err);
        if (s != OD_OK)
            return s;
    }
    *out = text->map[code];
    return OD_OK;
}

static bool row_counts(const struct od_training_builder *builder, const struct chunk_view *view,
                       uint32_t row, bool has_value, double value)
{
    const struct od_chunk_column *type = view->type.column;
    if (builder->rule_count == 0)
        return true;
    uint32_t rule = view->no_type_rule;
    if (type && !is_null(type, row))
        rule = type->codes[row] < type->dict_count ? view->rule[type->codes[row]] : OD_NO_CODE;
    return od_rules_accept(builder, rule == OD_NO_CODE ? SIZE_MAX : rule, has_value, value);
}

static enum od_status add_row(struct od_training_builder *builder, struct chunk_view *view,
                              uint32_t row, struct od_error *err)
{
    bool has_value = view->value && !is_null(view->value, row);
    double value = 0;
    if (has_value)
        value = view->value->reals ? view->value->reals[row] : (double)view->value->integers[row];
    if (!row_counts(builder, view, row, has_value, value))
        return OD_OK;
    if (is_null(view->time, row))
        return od_fail(err, OD_CORRUPT, "An interaction has no TIMESTAMP.");
    uint32_t user, item, type;
    enum od_status s = id_code(&view->user, row, "USER_ID", &user, err);
    if (s == OD_OK)
        s = id_code(&view->item, row, "ITEM_ID", &item, err);
    if (s == OD_OK)
        s = row_type(builder, &view->type, row, &type, err);
    if (s != OD_OK)
        return s;
    s = od_context_put(&builder->context, &view->context, row, builder->count);
    if (s == OD_OK)
        s = append(builder, user, item, type, view->time->integers[row],
                   od_training_value(has_value, value));
    return s == OD_OK ? s : od_fail(err, s, NULL);
}

enum od_status od_training_add_chunk(struct od_training_builder *builder,
                                     const struct od_schema *schema, const struct od_chunk *chunk,
                                     struct od_error *err)
{
    if (chunk->row_count == 0)
        return OD_OK;
    struct chunk_view view;
    enum od_status s = od_training_builder_open(builder);
    if (s == OD_OK)
        s = reserve(builder, chunk->row_count);
    if (s != OD_OK)
        return od_fail(err, s, NULL);
    s = open_chunk(builder, schema, chunk, &view, err);
    if (s != OD_OK)
        return s;
    if (view.value && want_values(builder) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = od_context_open(&builder->context, schema, chunk, builder->count, builder->cap,
                        &view.context, err);
    if (s != OD_OK)
        return s;
    for (uint32_t row = 0; row < chunk->row_count; row++) {
        s = add_row(builder, &view, row, err);
        if (s != OD_OK)
            return s;
    }
    return OD_OK;
}

enum od_status od_training_add_event(struct od_training_builder *builder, struct od_str user,
                                     struct od_str item, struct od_str type, int64_t time,
                                     bool has_value, double value)
{
    struct od_str type_text = type.ptr ? type : OD_STR("");
    if (builder->rule_count &&
        !od_rules_accept(builder, od_rules_find(builder, type_text), has_value, value))
        return OD_OK;
    uint32_t user_code, item_code, code;
    enum od_status s = od_training_builder_open(builder);
    if (s == OD_OK)
        s = reserve(builder, 1);
    if (s == OD_OK && has_value)
        s = want_values(builder);
    if (s == OD_OK)
        s = od_dict_add(builder->users, user, &user_code);
    if (s == OD_OK)
        s = od_dict_add(builder->items, item, &item_code);
    if (s == OD_OK)
        s = type_code(builder, type_text, &code, NULL);
    if (s == OD_OK)
        s = od_context_put(&builder->context, NULL, 0, builder->count);
    if (s != OD_OK)
        return s;
    return append(builder, user_code, item_code, code, time, od_training_value(has_value, value));
}
