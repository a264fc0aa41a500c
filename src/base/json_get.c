/* Looking into a parsed JSON tree: see json.h. */
#include "base/json.h"

const struct od_json *od_json_get(const struct od_json *node, struct od_str key)
{
    if (!node || node->kind != OD_JSON_OBJECT)
        return NULL;
    for (size_t i = node->count; i-- > 0;)
        if (od_str_eq(node->members[i].key, key))
            return &node->members[i].value;
    return NULL;
}

struct od_str od_json_get_str(const struct od_json *node, const char *key, struct od_str fallback)
{
    const struct od_json *v = od_json_get(node, od_str_c(key));
    return v && v->kind == OD_JSON_STRING ? v->text : fallback;
}

int64_t od_json_get_i64(const struct od_json *node, const char *key, int64_t fallback)
{
    const struct od_json *v = od_json_get(node, od_str_c(key));
    return v && v->kind == OD_JSON_NUMBER && v->is_integer ? v->integer : fallback;
}

double od_json_get_double(const struct od_json *node, const char *key, double fallback)
{
    const struct od_json *v = od_json_get(node, od_str_c(key));
    return v && v->kind == OD_JSON_NUMBER ? v->number : fallback;
}

bool od_json_get_bool(const struct od_json *node, const char *key, bool fallback)
{
    const struct od_json *v = od_json_get(node, od_str_c(key));
    return v && v->kind == OD_JSON_BOOL ? v->boolean : fallback;
}
