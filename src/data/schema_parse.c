/* Avro JSON to a schema: shape, names, types and attributes (data.md section 2).
 *
 * The JSON tree lives in an arena of its own and is dropped; the schema's strings are copied to the
 * caller's arena. Attributes nobody knows are ignored, attributes we know must have their type. */
#include "data/schema_inner.h"

#include "base/json.h"
#include "base/limits.h"
#include "data/value.h"

#define TREE_MAX (16u << 20) /* 20,000 characters of JSON make a tree well below */
#define NAME_MAX 150         /* (AWS) ColumnName */
#define SHOWN    100         /* bytes of a user's text repeated in a message */

static struct od_str shown(struct od_str s)
{
    return od_value_excerpt(s, SHOWN);
}

static const char *kind_name(const struct od_json *node)
{
    static const char *const names[] = {
        [OD_JSON_NULL] = "null",       [OD_JSON_BOOL] = "a boolean", [OD_JSON_NUMBER] = "a number",
        [OD_JSON_STRING] = "a string", [OD_JSON_ARRAY] = "a list",   [OD_JSON_OBJECT] = "an object",
    };
    return node ? names[node->kind] : "absent";
}

/* --- the record --- */

static enum od_status check_record(const struct od_json *root, struct od_error *err)
{
    if (root->kind != OD_JSON_OBJECT)
        return od_schema_refuse(err, "the schema is %s and must be a JSON object", kind_name(root));
    const struct od_json *type = od_json_get(root, OD_STR("type"));
    if (!type || type->kind != OD_JSON_STRING)
        return od_schema_refuse(err, "\"type\" is %s and must be \"record\"", kind_name(type));
    if (!od_str_eq_c(type->text, "record"))
        return od_schema_refuse(err, "\"type\" is \"%.*s\" and must be \"record\"",
                                OD_STR_ARG(shown(type->text)));
    const struct od_json *space = od_json_get(root, OD_STR("namespace"));
    if (space && space->kind != OD_JSON_STRING)
        return od_schema_refuse(err, "\"namespace\" is %s and must be a string", kind_name(space));
    const struct od_json *version = od_json_get(root, OD_STR("version"));
    if (version && version->kind != OD_JSON_STRING)
        return od_schema_refuse(err, "\"version\" is %s and must be the string \"1.0\"",
                                kind_name(version));
    if (version && !od_str_eq_c(version->text, "1.0") && !od_str_eq_c(version->text, "1.1"))
        return od_schema_refuse(err, "\"version\" is \"%.*s\" and must be \"1.0\"",
                                OD_STR_ARG(shown(version->text)));
    return OD_OK;
}

static enum od_status read_name(struct od_arena *arena, const struct od_json *root,
                                struct od_schema *schema, struct od_error *err)
{
    const struct od_json *name = od_json_get(root, OD_STR("name"));
    if (!name || name->kind != OD_JSON_STRING)
        return od_schema_refuse(err, "\"name\" is %s and must be a string", kind_name(name));
    if (!od_dataset_type_parse(name->text, &schema->type))
        return od_schema_refuse(err,
                                "\"name\" is \"%.*s\" and must be one of Interactions, Items, "
                                "Users, Actions, ActionInteractions",
                                OD_STR_ARG(shown(name->text)));
    schema->name = od_arena_str(arena, name->text);
    return schema->name.ptr ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

/* --- a field's name --- */

static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static enum od_status check_field_name(struct od_str name, struct od_error *err)
{
    if (name.len == 0 || name.len > NAME_MAX)
        return od_schema_refuse(err, "field name \"%.*s\" has %zu characters and must have 1 to %d",
                                OD_STR_ARG(shown(name)), od_utf8_count(name), NAME_MAX);
    bool ok = !is_digit(name.ptr[0]);
    bool has_content = false;
    for (size_t i = 0; i < name.len; i++) {
        bool content = is_letter(name.ptr[i]) || is_digit(name.ptr[i]);
        ok = ok && (content || name.ptr[i] == '_');
        has_content = has_content || content;
    }
    if (ok && has_content)
        return OD_OK;
    return od_schema_refuse(err,
                            "field name \"%.*s\" must consist of letters, digits and _, and start "
                            "with a letter or _",
                            OD_STR_ARG(shown(name)));
}

/* --- a field's type --- */

static bool type_named(struct od_str name, enum od_field_type *out)
{
    for (int t = OD_FIELD_STRING; t <= OD_FIELD_BOOLEAN; t++) {
        if (od_str_eq_c(name, od_field_type_name((enum od_field_type)t))) {
            *out = (enum od_field_type)t;
            return true;
        }
    }
    return false;
}

static enum od_status refuse_type(const struct od_field *field, struct od_str type,
                                  struct od_error *err)
{
    return od_schema_refuse(err,
                            "field %.*s has type \"%.*s\" and must have one of string, int, long, "
                            "float, double, boolean, or a list of one of them and null",
                            OD_STR_ARG(shown(field->name)), OD_STR_ARG(shown(type)));
}

static enum od_status read_union(const struct od_json *list, struct od_field *field,
                                 struct od_error *err)
{
    size_t types = 0;
    for (size_t i = 0; i < list->count; i++) {
        const struct od_json *part = &list->items[i];
        if (part->kind != OD_JSON_STRING)
            return od_schema_refuse(
                err, "field %.*s has %s in its list of types; nested types are not supported",
                OD_STR_ARG(field->name), kind_name(part));
        if (od_str_eq_c(part->text, "null") && !field->nullable) {
            field->nullable = true;
            continue;
        }
        if (!type_named(part->text, &field->type))
            return refuse_type(field, part->text, err);
        types++;
    }
    if (types == 1)
        return OD_OK;
    return od_schema_refuse(err,
                            "field %.*s lists %zu types other than null and must list exactly one",
                            OD_STR_ARG(field->name), types);
}

static enum od_status read_type(const struct od_json *type, struct od_field *field,
                                struct od_error *err)
{
    if (type && type->kind == OD_JSON_ARRAY)
        return read_union(type, field, err);
    if (!type || type->kind != OD_JSON_STRING)
        return od_schema_refuse(
            err,
            "the type of field %.*s is %s and must be a string or a list of strings; nested "
            "types are not supported",
            OD_STR_ARG(field->name), kind_name(type));
    if (!type_named(type->text, &field->type))
        return refuse_type(field, type->text, err);
    return OD_OK;
}

/* --- a field's attributes --- */

static enum od_status read_flag(const struct od_json *node, const char *key,
                                const struct od_field *field, bool *out, struct od_error *err)
{
    const struct od_json *flag = od_json_get(node, od_str_c(key));
    if (flag && flag->kind != OD_JSON_BOOL)
        return od_schema_refuse(err, "\"%s\" of field %.*s is %s and must be true or false", key,
                                OD_STR_ARG(field->name), kind_name(flag));
    *out = flag && flag->boolean;
    if (*out && field->type != OD_FIELD_STRING)
        return od_schema_refuse(err, "field %.*s has type %s and must be a string to be %s",
                                OD_STR_ARG(field->name), od_field_type_name(field->type), key);
    return OD_OK;
}

static enum od_status read_flags(const struct od_json *node, struct od_field *field,
                                 struct od_error *err)
{
    enum od_status s = read_flag(node, "categorical", field, &field->categorical, err);
    if (s == OD_OK)
        s = read_flag(node, "textual", field, &field->textual, err);
    if (s == OD_OK)
        s = read_flag(node, "itemName", field, &field->item_name, err);
    if (s == OD_OK && field->categorical && field->textual)
        s = od_schema_refuse(err, "field %.*s is categorical and textual; it can be one of them",
                             OD_STR_ARG(field->name));
    return s;
}

static enum od_status read_field(struct od_arena *arena, const struct od_json *node, size_t index,
                                 struct od_field *field, struct od_error *err)
{
    const struct od_json *name = od_json_get(node, OD_STR("name"));
    if (node->kind != OD_JSON_OBJECT)
        return od_schema_refuse(err, "entry %zu of \"fields\" is %s and must be an object",
                                index + 1, kind_name(node));
    if (!name || name->kind != OD_JSON_STRING)
        return od_schema_refuse(err,
                                "the name of entry %zu of \"fields\" is %s and must be a "
                                "string",
                                index + 1, kind_name(name));
    enum od_status s = check_field_name(name->text, err);
    if (s != OD_OK)
        return s;
    field->name = od_arena_str(arena, name->text);
    if (!field->name.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    s = read_type(od_json_get(node, OD_STR("type")), field, err);
    return s == OD_OK ? read_flags(node, field, err) : s;
}

/* --- all fields --- */

static enum od_status check_unique(const struct od_schema *schema, struct od_error *err)
{
    for (size_t i = 1; i < schema->field_count; i++) {
        for (size_t j = 0; j < i; j++) {
            struct od_str a = schema->fields[j].name, b = schema->fields[i].name;
            if (od_str_eq(a, b))
                return od_schema_refuse(err, "field %.*s appears twice", OD_STR_ARG(a));
            if (od_schema_same_key(a, b))
                return od_schema_refuse(err,
                                        "fields %.*s and %.*s differ only in case or underscores, "
                                        "which property names do not keep",
                                        OD_STR_ARG(a), OD_STR_ARG(b));
        }
    }
    return OD_OK;
}

static enum od_status check_attribute_counts(const struct od_schema *schema, struct od_error *err)
{
    const struct od_field *textual = NULL, *item_name = NULL;
    for (size_t i = 0; i < schema->field_count; i++) {
        const struct od_field *f = &schema->fields[i];
        if ((f->textual || f->item_name) && schema->type != OD_ITEMS)
            return od_schema_refuse(err, "field %.*s is %s, which only Items schemas may have",
                                    OD_STR_ARG(f->name), f->textual ? "textual" : "itemName");
        if (f->textual && textual)
            return od_schema_refuse(err, "fields %.*s and %.*s are textual; one field may be",
                                    OD_STR_ARG(textual->name), OD_STR_ARG(f->name));
        if (f->item_name && item_name)
            return od_schema_refuse(err, "fields %.*s and %.*s are itemName; one field may be",
                                    OD_STR_ARG(item_name->name), OD_STR_ARG(f->name));
        textual = f->textual ? f : textual;
        item_name = f->item_name ? f : item_name;
    }
    return OD_OK;
}

static enum od_status read_fields(struct od_arena *arena, const struct od_json *root,
                                  struct od_schema *schema, struct od_error *err)
{
    const struct od_json *list = od_json_get(root, OD_STR("fields"));
    if (!list || list->kind != OD_JSON_ARRAY)
        return od_schema_refuse(err, "\"fields\" is %s and must be a list", kind_name(list));
    if (list->count == 0 || list->count > OD_MAX_SCHEMA_FIELDS)
        return od_schema_refuse(err, "\"fields\" has %zu entries and must have 1 to %d",
                                list->count, OD_MAX_SCHEMA_FIELDS);
    schema->fields = OD_NEW_ARRAY(arena, struct od_field, list->count);
    if (!schema->fields)
        return od_fail(err, OD_NO_MEMORY, NULL);
    schema->field_count = list->count;
    for (size_t i = 0; i < list->count; i++) {
        enum od_status s = read_field(arena, &list->items[i], i, &schema->fields[i], err);
        if (s != OD_OK)
            return s;
    }
    enum od_status s = check_unique(schema, err);
    return s == OD_OK ? check_attribute_counts(schema, err) : s;
}

static enum od_status read_schema(struct od_arena *arena, struct od_arena *tree, struct od_str text,
                                  struct od_schema *schema, struct od_error *err)
{
    struct od_json root;
    struct od_error inner = {0};
    if (!text.ptr || text.len == 0)
        return od_schema_refuse(err, "the text is empty");
    if (od_utf8_check(text) != text.len)
        return od_schema_refuse(err, "the text is not well-formed UTF-8 at byte %zu",
                                od_utf8_check(text) + 1);
    if (od_utf8_count(text) > OD_MAX_SCHEMA_CHARS)
        return od_schema_refuse(err, "the text has %zu characters and may have at most %d",
                                od_utf8_count(text), OD_MAX_SCHEMA_CHARS);
    enum od_status s = od_json_parse(tree, text, &root, &inner);
    if (s == OD_NO_MEMORY)
        return od_fail(err, s, NULL);
    if (s != OD_OK)
        return od_schema_refuse(err, "the text is not JSON (%.200s)", inner.message);
    s = check_record(&root, err);
    if (s == OD_OK)
        s = read_name(arena, &root, schema, err);
    return s == OD_OK ? read_fields(arena, &root, schema, err) : s;
}

enum od_status od_schema_read(struct od_arena *arena, struct od_str text, struct od_schema *out,
                              struct od_error *err)
{
    struct od_schema schema = {0};
    struct od_arena tree;
    od_arena_init(&tree, TREE_MAX);
    enum od_status s = read_schema(arena, &tree, text, &schema, err);
    od_arena_done(&tree);
    if (s == OD_OK)
        *out = schema;
    return s;
}

enum od_status od_schema_parse(struct od_arena *arena, struct od_str text, enum od_domain domain,
                               struct od_schema *out, struct od_error *err)
{
    struct od_schema schema;
    enum od_status s = od_schema_read(arena, text, &schema, err);
    if (s == OD_OK)
        s = od_schema_check(&schema, domain, err);
    if (s == OD_OK)
        *out = schema;
    return s;
}
