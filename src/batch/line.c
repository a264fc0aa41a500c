/* Reading a line: which members a recipe's line may have, which it must have, and of what kind.
 *
 * Lengths of ids and what filterValues and context may hold are rules of serving, which checks them
 * for every query; here is only what differs from a request: the names of members (itemList, not
 * inputList), and that a member nobody knows is told instead of being skipped, since a misspelt
 * "filterValues" would otherwise give an answer to another question. A member that is null counts
 * as not given. */
#include "batch/line.h"

#include "base/json.h"
#include "base/limits.h"

#define SHOWN_BYTES 100u /* of a member's name in a message */

enum kind { TEXT, LIST, CONTEXT, VALUES };
enum form { USER, RELATED, RANKING, SEGMENT_ITEM, SEGMENT_ATTRIBUTES };

#define IN(form)   (1u << (form))
#define ASKS_ITEMS (IN(USER) | IN(RELATED) | IN(RANKING))

static const struct member {
    const char *name;
    enum kind kind;
    unsigned may, must; /* forms */
} members[] = {
    {"userId", TEXT, ASKS_ITEMS, IN(USER) | IN(RANKING)},
    {"itemId", TEXT, IN(RELATED) | IN(SEGMENT_ITEM), IN(RELATED) | IN(SEGMENT_ITEM)},
    {"itemList", LIST, IN(RANKING), IN(RANKING)},
    {"itemAttributes", TEXT, IN(SEGMENT_ATTRIBUTES), IN(SEGMENT_ATTRIBUTES)},
    {"context", CONTEXT, ASKS_ITEMS, 0},
    {"filterValues", VALUES, ASKS_ITEMS | IN(SEGMENT_ITEM) | IN(SEGMENT_ATTRIBUTES), 0},
};
#define MEMBERS (sizeof members / sizeof *members)

static enum form form_of(const struct od_recipe_spec *spec)
{
    if (spec->type == OD_USER_SEGMENTATION)
        return od_str_eq_c(od_str_c(spec->name), "aws-item-attribute-affinity") ? SEGMENT_ATTRIBUTES
                                                                                : SEGMENT_ITEM;
    if (spec->type == OD_RELATED_ITEMS)
        return RELATED;
    return spec->type == OD_PERSONALIZED_RANKING ? RANKING : USER;
}

/* The beginning of a name, for messages; whole characters. */
static struct od_str shown(struct od_str name)
{
    struct od_str begin = od_str_sub(name, 0, SHOWN_BYTES);
    return od_str_sub(begin, 0, od_utf8_check(begin));
}

static enum od_status unknown_member(struct od_str name, enum form form, struct od_error *err)
{
    struct od_buf known;
    od_buf_init(&known, 200);
    for (size_t i = 0; i < MEMBERS; i++)
        if (members[i].may & IN(form))
            od_buf_printf(&known, "%s%s", known.len ? ", " : "", members[i].name);
    enum od_status s = od_fail(err, OD_INVALID_INPUT,
                               "\"%.*s\" is no member of a line for this recipe; known: %s.",
                               OD_STR_ARG(shown(name)), known.ptr ? known.ptr : "");
    od_buf_done(&known);
    return s;
}

static enum od_status read_text(const struct member *member, const struct od_json *value,
                                struct od_batch_line *out, struct od_error *err)
{
    struct od_str *to = member == &members[0]   ? &out->user
                        : member == &members[1] ? &out->item
                                                : &out->attributes;
    if (value->kind != OD_JSON_STRING)
        return od_fail(err, OD_INVALID_INPUT, "%s must be a string.", member->name);
    *to = value->text;
    return OD_OK;
}

static enum od_status read_list(const struct od_json *value, struct od_arena *arena,
                                struct od_batch_line *out, struct od_error *err)
{
    if (value->kind != OD_JSON_ARRAY)
        return od_fail(err, OD_INVALID_INPUT, "itemList must be a list of strings.");
    if (value->count == 0 || value->count > OD_MAX_RESULTS)
        return od_fail(err, OD_INVALID_INPUT, "itemList must have 1 to %d items, not %zu.",
                       OD_MAX_RESULTS, value->count);
    struct od_str *list = OD_NEW_ARRAY(arena, struct od_str, value->count);
    if (!list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < value->count; i++) {
        const struct od_json *item = &value->items[i];
        if (item->kind != OD_JSON_STRING || item->text.len == 0 ||
            od_utf8_count(item->text) > OD_MAX_ID_CHARS)
            return od_fail(err, OD_INVALID_INPUT,
                           "Item %zu of itemList must be a string of 1 to %d characters.", i + 1,
                           OD_MAX_ID_CHARS);
        list[i] = item->text;
    }
    out->list = list;
    out->list_count = value->count;
    return OD_OK;
}

/* context and filterValues: an object of strings. */
static enum od_status check_map(const struct member *member, const struct od_json *value,
                                struct od_error *err)
{
    if (value->kind != OD_JSON_OBJECT)
        return od_fail(err, OD_INVALID_INPUT, "%s must be an object of strings.", member->name);
    for (size_t i = 0; i < value->count; i++)
        if (value->members[i].value.kind != OD_JSON_STRING)
            return od_fail(err, OD_INVALID_INPUT, "\"%.*s\" in %s must be a string.",
                           OD_STR_ARG(shown(value->members[i].key)), member->name);
    return OD_OK;
}

static enum od_status read_context(const struct od_json *value, struct od_arena *arena,
                                   struct od_batch_line *out, struct od_error *err)
{
    struct od_name_value *list = OD_NEW_ARRAY(arena, struct od_name_value, value->count);
    if (!list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < value->count; i++)
        list[i] = (struct od_name_value){value->members[i].key, value->members[i].value.text};
    out->context = list;
    out->context_count = value->count;
    return OD_OK;
}

static enum od_status read_values(const struct od_json *value, struct od_arena *arena,
                                  struct od_batch_line *out, struct od_error *err)
{
    struct od_filter_value *list = OD_NEW_ARRAY(arena, struct od_filter_value, value->count);
    if (!list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < value->count; i++)
        list[i] = (struct od_filter_value){value->members[i].key, value->members[i].value.text};
    out->values = list;
    out->value_count = value->count;
    return OD_OK;
}

static enum od_status read_member(const struct member *member, const struct od_json *value,
                                  struct od_arena *arena, struct od_batch_line *out,
                                  struct od_error *err)
{
    enum od_status s;
    switch (member->kind) {
    case TEXT:
        return read_text(member, value, out, err);
    case LIST:
        return read_list(value, arena, out, err);
    case CONTEXT:
        s = check_map(member, value, err);
        return s == OD_OK ? read_context(value, arena, out, err) : s;
    case VALUES:
        break;
    }
    s = check_map(member, value, err);
    return s == OD_OK ? read_values(value, arena, out, err) : s;
}

static enum od_status parse(struct od_str text, struct od_arena *arena, struct od_json *root,
                            struct od_error *err)
{
    struct od_error why;
    if (text.len > OD_MAX_BATCH_LINE_BYTES)
        return od_fail(err, OD_TOO_LARGE, "The line has %zu bytes; at most %u are read.", text.len,
                       OD_MAX_BATCH_LINE_BYTES);
    enum od_status s = od_json_parse(arena, text, root, &why);
    if (s == OD_NO_MEMORY)
        return od_error_copy(err, &why);
    if (s != OD_OK)
        return od_fail(err, OD_INVALID_INPUT, "The line is no JSON: %s", why.message);
    if (root->kind != OD_JSON_OBJECT)
        return od_fail(err, OD_INVALID_INPUT, "The line must be a JSON object.");
    return OD_OK;
}

enum od_status od_batch_line_read(struct od_str text, const struct od_recipe_spec *spec,
                                  struct od_arena *arena, struct od_batch_line *out,
                                  struct od_error *err)
{
    enum form form = form_of(spec);
    struct od_batch_line line = {.user = OD_STR_NONE};
    unsigned given = 0;
    struct od_json root;
    enum od_status s = parse(text, arena, &root, err);
    for (size_t i = 0; s == OD_OK && i < root.count; i++) {
        size_t m = 0;
        while (m < MEMBERS &&
               !(od_str_eq_c(root.members[i].key, members[m].name) && (members[m].may & IN(form))))
            m++;
        if (m == MEMBERS)
            return unknown_member(root.members[i].key, form, err);
        if (root.members[i].value.kind == OD_JSON_NULL)
            continue;
        if (given & 1u << m)
            return od_fail(err, OD_INVALID_INPUT, "%s stands twice in the line.", members[m].name);
        given |= 1u << m;
        s = read_member(&members[m], &root.members[i].value, arena, &line, err);
    }
    for (size_t m = 0; s == OD_OK && m < MEMBERS; m++)
        if ((members[m].must & IN(form)) && !(given & 1u << m))
            s = od_fail(err, OD_INVALID_INPUT, "%s is required for this recipe.", members[m].name);
    if (s == OD_OK)
        *out = line;
    return s;
}
