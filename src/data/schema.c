/* Schemas: names, look-ups and the text form. See schema.h.
 *
 * schema_parse.c turns Avro JSON into the struct, schema_rules.c holds what each dataset type asks
 * for. Field counts are at most OD_MAX_SCHEMA_FIELDS, so every look-up is a plain scan. */
#include "data/schema_inner.h"

#include <stdio.h>

static const char *const type_names[OD_DATASET_TYPES] = {
    [OD_INTERACTIONS] = "INTERACTIONS",
    [OD_ITEMS] = "ITEMS",
    [OD_USERS] = "USERS",
    [OD_ACTIONS] = "ACTIONS",
    [OD_ACTION_INTERACTIONS] = "ACTION_INTERACTIONS",
};

static const char *const field_type_names[] = {
    [OD_FIELD_STRING] = "string", [OD_FIELD_INT] = "int",       [OD_FIELD_LONG] = "long",
    [OD_FIELD_FLOAT] = "float",   [OD_FIELD_DOUBLE] = "double", [OD_FIELD_BOOLEAN] = "boolean",
};

const char *od_dataset_type_name(enum od_dataset_type type)
{
    return (unsigned)type < OD_DATASET_TYPES ? type_names[type] : "";
}

const char *od_field_type_name(enum od_field_type type)
{
    return (unsigned)type <= OD_FIELD_BOOLEAN ? field_type_names[type] : "";
}

static char lower(char c)
{
    return (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

static char upper(char c)
{
    return (char)(c >= 'a' && c <= 'z' ? c - ('a' - 'A') : c);
}

static size_t skip_bars(struct od_str s, size_t at)
{
    while (at < s.len && s.ptr[at] == '_')
        at++;
    return at;
}

bool od_schema_same_key(struct od_str a, struct od_str b)
{
    size_t i = skip_bars(a, 0), j = skip_bars(b, 0);
    while (i < a.len && j < b.len) {
        if (lower(a.ptr[i]) != lower(b.ptr[j]))
            return false;
        i = skip_bars(a, i + 1);
        j = skip_bars(b, j + 1);
    }
    return i >= a.len && j >= b.len;
}

bool od_dataset_of_events(enum od_dataset_type type)
{
    return type == OD_INTERACTIONS || type == OD_ACTION_INTERACTIONS;
}

bool od_dataset_type_parse(struct od_str name, enum od_dataset_type *out)
{
    for (int i = 0; i < OD_DATASET_TYPES; i++) {
        if (od_schema_same_key(name, od_str_c(type_names[i]))) {
            *out = (enum od_dataset_type)i;
            return true;
        }
    }
    return false;
}

static size_t find(const struct od_schema *schema, struct od_str name,
                   bool (*same)(struct od_str a, struct od_str b))
{
    for (size_t i = 0; i < schema->field_count; i++)
        if (same(schema->fields[i].name, name))
            return i;
    return SIZE_MAX;
}

size_t od_schema_find(const struct od_schema *schema, struct od_str name)
{
    return find(schema, name, od_str_eq);
}

size_t od_schema_find_nocase(const struct od_schema *schema, struct od_str name)
{
    return find(schema, name, od_str_eq_nocase);
}

size_t od_schema_find_property(const struct od_schema *schema, struct od_str key)
{
    return find(schema, key, od_schema_same_key);
}

struct od_str od_schema_property_name(struct od_arena *arena, struct od_str field_name)
{
    char *text = od_arena_alloc(arena, field_name.len + 1);
    if (!text)
        return OD_STR_NONE;
    size_t n = 0;
    bool raise = false;
    for (size_t i = 0; i < field_name.len; i++) {
        if (field_name.ptr[i] == '_') {
            raise = n > 0;
            continue;
        }
        text[n++] = raise ? upper(field_name.ptr[i]) : lower(field_name.ptr[i]);
        raise = false;
    }
    text[n] = '\0';
    return (struct od_str){text, n};
}

static void write_field(const struct od_field *field, struct od_buf *out)
{
    const char *type = od_field_type_name(field->type);
    od_buf_puts(out, "{\"name\":");
    od_buf_json(out, field->name);
    if (field->nullable)
        od_buf_printf(out, ",\"type\":[\"null\",\"%s\"]", type);
    else
        od_buf_printf(out, ",\"type\":\"%s\"", type);
    if (field->categorical)
        od_buf_puts(out, ",\"categorical\":true");
    if (field->textual)
        od_buf_puts(out, ",\"textual\":true");
    if (field->item_name)
        od_buf_puts(out, ",\"itemName\":true");
    od_buf_char(out, '}');
}

void od_schema_write(const struct od_schema *schema, struct od_buf *out)
{
    od_buf_puts(out, "{\"type\":\"record\",\"name\":");
    od_buf_json(out, schema->name);
    od_buf_puts(out, ",\"namespace\":\"com.amazonaws.personalize.schema\",\"fields\":[");
    for (size_t i = 0; i < schema->field_count; i++) {
        od_buf_puts(out, i ? "," : "");
        write_field(&schema->fields[i], out);
    }
    od_buf_puts(out, "],\"version\":\"1.0\"}");
}

enum od_status od_schema_refuse(struct od_error *err, const char *fmt, ...)
{
    char reason[900];
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(reason, sizeof reason, fmt, ap);
    va_end(ap);
    return od_fail(err, OD_INVALID_INPUT, "Invalid schema: %s.", reason);
}
