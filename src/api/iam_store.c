/* Roles and policies in the store: see iam.h. Names are the same in any case, as in IAM, so the
 * setting's name is in lower case. */
#include "api/iam.h"

#include <ctype.h>
#include <string.h>

#define PAGE       20 /* things read at once: each has up to 0.3 MB of documents */
#define PAGE_BYTES (64u << 20)

static struct od_str setting_of(struct od_query *query, bool is_policy, struct od_str name)
{
    struct od_str text = od_arena_printf(query->arena, "iam/%s/%.*s", is_policy ? "policy" : "role",
                                         OD_STR_ARG(name));
    for (size_t i = 0; i < text.len; i++)
        ((char *)(uintptr_t)text.ptr)[i] = (char)tolower((unsigned char)text.ptr[i]);
    return text;
}

static void put_text(struct od_buf *out, const char *key, struct od_str text)
{
    if (!text.ptr)
        return;
    od_buf_printf(out, ",\"%s\":", key);
    od_buf_json(out, text);
}

static void put_list(struct od_buf *out, const char *key, const struct od_iam_list *list)
{
    od_buf_printf(out, ",\"%s\":[", key);
    for (size_t i = 0; i < list->count; i++) {
        od_buf_puts(out, i ? ",[" : "[");
        od_buf_json(out, list->items[i].name);
        od_buf_char(out, ',');
        od_buf_json(out, list->items[i].value);
        od_buf_char(out, ']');
    }
    od_buf_char(out, ']');
}

static void write_thing(const struct od_iam_thing *t, struct od_buf *out)
{
    od_buf_printf(out, "{\"created\":%lld,\"session\":%lld", (long long)t->created_ms,
                  (long long)t->session_s);
    put_text(out, "name", t->name);
    put_text(out, "path", t->path);
    put_text(out, "id", t->id);
    put_text(out, "arn", t->arn);
    put_text(out, "description", t->description);
    put_text(out, "document", t->document);
    put_text(out, "boundary", t->boundary);
    put_list(out, "inline", &t->inline_policies);
    put_list(out, "attached", &t->attached);
    put_list(out, "tags", &t->tags);
    od_buf_char(out, '}');
}

static bool read_list(struct od_arena *arena, const struct od_json *json, const char *key,
                      struct od_iam_list *out)
{
    const struct od_json *list = od_json_get(json, od_str_c(key));
    *out = (struct od_iam_list){OD_NEW_ARRAY(arena, struct od_iam_pair, OD_IAM_MAX_PAIRS + 1), 0};
    for (size_t i = 0; out->items && list && i < list->count && i < OD_IAM_MAX_PAIRS; i++)
        if (list->items[i].count == 2)
            out->items[out->count++] =
                (struct od_iam_pair){list->items[i].items[0].text, list->items[i].items[1].text};
    return out->items != NULL;
}

static enum od_status read_thing(struct od_arena *arena, bool is_policy, struct od_str text,
                                 struct od_iam_thing *out, struct od_error *err)
{
    struct od_json json;
    enum od_status s = od_json_parse(arena, text, &json, err);
    if (s != OD_OK)
        return s;
    *out = (struct od_iam_thing){
        .is_policy = is_policy,
        .name = od_json_get_str(&json, "name", OD_STR("")),
        .path = od_json_get_str(&json, "path", OD_STR("/")),
        .id = od_json_get_str(&json, "id", OD_STR("")),
        .arn = od_json_get_str(&json, "arn", OD_STR("")),
        .description = od_json_get_str(&json, "description", OD_STR_NONE),
        .document = od_json_get_str(&json, "document", OD_STR("")),
        .boundary = od_json_get_str(&json, "boundary", OD_STR_NONE),
        .created_ms = od_json_get_i64(&json, "created", 0),
        .session_s = od_json_get_i64(&json, "session", 3600),
    };
    return read_list(arena, &json, "inline", &out->inline_policies) &&
                   read_list(arena, &json, "attached", &out->attached) &&
                   read_list(arena, &json, "tags", &out->tags)
               ? OD_OK
               : od_fail(err, OD_NO_MEMORY, NULL);
}

enum od_status od_iam_load(struct od_query *query, bool is_policy, struct od_str name,
                           struct od_iam_thing *out, bool *out_there)
{
    struct od_str text = OD_STR_NONE, setting = setting_of(query, is_policy, name);
    if (!setting.ptr)
        return od_fail(&query->err, OD_NO_MEMORY, NULL);
    enum od_status s =
        od_settings_get(query->app->store, setting, query->arena, &text, &query->err);
    *out_there = s == OD_OK && text.ptr;
    return *out_there ? read_thing(query->arena, is_policy, text, out, &query->err) : s;
}

enum od_status od_iam_each(struct od_query *query, bool is_policy, struct od_str after,
                           enum od_status (*show)(void *context, const struct od_iam_thing *thing,
                                                  bool *out_end),
                           void *context)
{
    struct od_str prefix = is_policy ? OD_STR("iam/policy/") : OD_STR("iam/role/");
    struct od_str from = after.len ? setting_of(query, is_policy, after) : OD_STR("");
    struct od_arena arena;
    enum od_status s = from.ptr ? OD_OK : od_fail(&query->err, OD_NO_MEMORY, NULL);
    bool end = false;
    od_arena_init(&arena, PAGE_BYTES);
    while (s == OD_OK && !end) {
        struct od_str *texts;
        struct od_iam_thing thing;
        size_t count;
        od_arena_reset(&arena);
        s = od_settings_list(query->app->store, prefix, from, PAGE, &arena, &texts, &count,
                             &query->err);
        if (s != OD_OK || !count)
            break;
        for (size_t i = 0; s == OD_OK && !end && i < count; i++) {
            s = read_thing(&arena, is_policy, texts[i], &thing, &query->err);
            if (s == OD_OK)
                s = show(context, &thing, &end);
        }
        if (s == OD_OK && !end) {
            from = setting_of(query, is_policy, thing.name);
            s = from.ptr ? OD_OK : od_fail(&query->err, OD_NO_MEMORY, NULL);
        }
    }
    od_arena_done(&arena);
    return s;
}

/* absent text: remove. */
static enum od_status change(struct od_query *query, const struct od_iam_thing *thing,
                             struct od_str text)
{
    struct od_store *store = query->app->store;
    struct od_str setting = setting_of(query, thing->is_policy, thing->name);
    if (!setting.ptr)
        return od_fail(&query->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_store_begin(store, &query->err);
    if (s != OD_OK)
        return s;
    s = text.ptr ? od_settings_set(store, setting, text, &query->err)
                 : od_settings_delete(store, setting, &query->err);
    if (s == OD_OK)
        return od_store_commit(store, &query->err);
    od_store_rollback(store);
    return s;
}

enum od_status od_iam_save(struct od_query *query, const struct od_iam_thing *thing)
{
    struct od_buf text;
    od_buf_init(&text, 16u << 20);
    write_thing(thing, &text);
    enum od_status s = od_buf_status(&text);
    s = s == OD_OK ? change(query, thing, od_buf_view(&text)) : od_fail(&query->err, s, NULL);
    od_buf_done(&text);
    return s;
}

enum od_status od_iam_remove(struct od_query *query, const struct od_iam_thing *thing)
{
    return change(query, thing, OD_STR_NONE);
}
