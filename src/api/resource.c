/* Resources in general: see resource.h. */
#include "api/resource.h"

#include <assert.h>
#include <string.h>

#include "api/capacity.h"
#include "base/hash.h"
#include "base/limits.h"
#include "wire/arn.h"

#define BODY_MAX (1u << 20)

enum od_status od_arn_check(struct od_call *call, struct od_str arn, const char *kind,
                            const char *title)
{
    struct od_arn parsed;
    if (od_arn_parse(arn, &parsed) && od_str_eq_c(parsed.kind, kind))
        return OD_OK;
    return od_fail(&call->err, OD_INVALID_INPUT, "%.*s is not a valid %s ARN.", OD_STR_ARG(arn),
                   title);
}

enum od_status od_resource_get(struct od_call *call, const struct od_kind *kind, struct od_str arn,
                               struct od_resource *out)
{
    enum od_status s = od_arn_check(call, arn, kind->name, kind->title);
    if (s != OD_OK)
        return s;
    return od_catalog_get(call->app->store, arn, call->arena, out, &call->err);
}

static void overlay(const struct od_kind *kind, const struct od_resource *resource, void *value)
{
    /* a shape without one of these members (schemas have no status) simply has no place for it */
    (void)od_api_set_time(kind->shape, value, "creationDateTime", resource->created_ms);
    (void)od_api_set_time(kind->shape, value, "lastUpdatedDateTime", resource->updated_ms);
    if (resource->status.len)
        (void)od_api_set_str(kind->shape, value, "status", resource->status);
    if (resource->failure_reason.len)
        (void)od_api_set_str(kind->shape, value, "failureReason", resource->failure_reason);
}

enum od_status od_resource_read(struct od_call *call, const struct od_kind *kind,
                                const struct od_resource *resource, void *value)
{
    struct od_json body;
    enum od_status s = od_json_parse(call->arena, resource->body, &body, &call->err);
    if (s == OD_OK)
        s = od_api_load(kind->shape, &body, call->arena, value, &call->err);
    if (s == OD_SERIALIZATION || s == OD_INVALID_INPUT)
        return od_fail(&call->err, OD_CORRUPT, "The stored %s %.*s cannot be read.", kind->title,
                       OD_STR_ARG(resource->arn));
    if (s == OD_OK)
        overlay(kind, resource, value);
    return s;
}

enum od_status od_resource_pack(struct od_call *call, const struct od_kind *kind, const void *value,
                                struct od_resource *resource)
{
    char *copy = od_arena_alloc(call->arena, kind->shape->size);
    if (!copy)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    memcpy(copy, value, kind->shape->size);
    static const char *const columns[] = {"status", "failureReason", "creationDateTime",
                                          "lastUpdatedDateTime"};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) {
        const struct od_member *member = od_api_member(kind->shape, columns[i]);
        if (member)
            memset(copy + member->offset, 0, member->shape->size);
    }
    struct od_buf text;
    od_buf_init(&text, BODY_MAX);
    od_api_write(kind->shape, copy, &text);
    enum od_status s = od_buf_status(&text);
    if (s == OD_OK)
        resource->body = od_arena_str(call->arena, od_buf_view(&text));
    od_buf_done(&text);
    if (s == OD_OK && !resource->body.ptr)
        s = OD_NO_MEMORY;
    return s == OD_OK ? OD_OK : od_fail(&call->err, s, NULL);
}

struct od_str od_call_arn(struct od_call *call, const struct od_kind *kind, struct od_str name,
                          struct od_str part)
{
    return od_arn_make(call->arena, call->region, call->account, kind->name, name, part);
}

enum od_status od_resource_absent(struct od_call *call, const struct od_kind *kind,
                                  struct od_str arn)
{
    struct od_resource old;
    struct od_error err;
    enum od_status s = od_catalog_get(call->app->store, arn, call->arena, &old, &err);
    if (s == OD_NOT_FOUND)
        return OD_OK;
    if (s == OD_OK)
        return od_fail(&call->err, OD_EXISTS, "Another %s with Arn %.*s already exists.",
                       kind->title, OD_STR_ARG(arn));
    return od_error_copy(&call->err, &err);
}

static enum od_status put_tags(struct od_call *call, struct od_str arn,
                               const struct od_personalize_tags *tags)
{
    struct od_tag list[OD_MAX_TAGS];
    if (!tags || !tags->count)
        return OD_OK;
    assert(tags->count <= OD_MAX_TAGS); /* od_tags_check */
    for (size_t i = 0; i < tags->count; i++)
        list[i] = (struct od_tag){tags->items[i].tag_key, tags->items[i].tag_value};
    return od_tags_put(call->app->store, arn, list, tags->count, &call->err);
}

enum od_status od_resource_insert(struct od_call *call, const struct od_kind *kind,
                                  const void *value, const struct od_personalize_tags *tags,
                                  struct od_resource *resource)
{
    resource->kind = od_str_c(kind->name);
    resource->created_ms = resource->updated_ms = call->now_ms;
    enum od_status s = od_resource_pack(call, kind, value, resource);
    if (s == OD_OK)
        s = od_catalog_insert(call->app->store, resource, &call->err);
    if (s == OD_EXISTS)
        return od_fail(&call->err, OD_EXISTS, "Another %s with Arn %.*s already exists.",
                       kind->title, OD_STR_ARG(resource->arn));
    return s == OD_OK ? put_tags(call, resource->arn, tags) : s;
}

/* Ends a transaction that began with s. */
static enum od_status finish(struct od_call *call, enum od_status s)
{
    if (s == OD_OK)
        s = od_store_commit(call->app->store, &call->err);
    else
        od_store_rollback(call->app->store);
    return s;
}

enum od_status od_resource_create(struct od_call *call, const struct od_kind *kind,
                                  const void *value, const struct od_personalize_tags *tags,
                                  struct od_resource *resource)
{
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    return finish(call, od_resource_insert(call, kind, value, tags, resource));
}

enum od_status od_resource_save(struct od_call *call, struct od_resource *resource)
{
    resource->updated_ms = call->now_ms;
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    return finish(call, od_catalog_update(call->app->store, resource, &call->err));
}

enum od_status od_resource_remove(struct od_call *call, struct od_str arn)
{
    enum od_status s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    s = od_catalog_delete(call->app->store, arn, &call->err);
    struct od_str capacity =
        od_arena_printf(call->arena, OD_CAPACITY_SETTING "%.*s", OD_STR_ARG(arn));
    if (s == OD_OK)
        s = capacity.ptr ? od_settings_delete(call->app->store, capacity, &call->err)
                         : od_fail(&call->err, OD_NO_MEMORY, NULL);
    return finish(call, s);
}

enum od_status od_resource_active(struct od_call *call, const struct od_resource *resource)
{
    if (od_str_eq_c(resource->status, "ACTIVE"))
        return OD_OK;
    return od_fail(&call->err, OD_IN_USE, "%.*s is in %.*s state.", OD_STR_ARG(resource->arn),
                   OD_STR_ARG(resource->status));
}

enum od_status od_resource_list(struct od_call *call, const struct od_kind *kind,
                                struct od_str parent, struct od_str group, struct od_str status,
                                struct od_resource **out, size_t *out_count)
{
    struct od_catalog_query query = {
        .kind = od_str_c(kind->name), .parent = parent, .group = group, .status = status};
    return od_catalog_list(call->app->store, &query, call->arena, out, out_count, &call->err);
}

enum od_status od_resource_any(struct od_call *call, const struct od_kind *kind,
                               struct od_str parent, struct od_str group, struct od_str status,
                               const struct od_resource **out)
{
    struct od_catalog_query query = {.kind = od_str_c(kind->name),
                                     .parent = parent,
                                     .group = group,
                                     .status = status,
                                     .limit = 1};
    struct od_resource *list;
    size_t count;
    enum od_status s =
        od_catalog_list(call->app->store, &query, call->arena, &list, &count, &call->err);
    if (s == OD_OK)
        *out = count ? &list[0] : NULL;
    return s;
}

enum od_status od_resource_unfinished(struct od_call *call, const struct od_kind *kind,
                                      struct od_str parent, struct od_str group,
                                      const struct od_resource **out)
{
    static const char *const words[] = {"CREATE PENDING", "CREATE IN_PROGRESS", "PENDING",
                                        "IN_PROGRESS"}; /* the last two: data deletion jobs */
    enum od_status s = OD_OK;
    *out = NULL;
    for (size_t i = 0; s == OD_OK && !*out && i < sizeof words / sizeof *words; i++)
        s = od_resource_any(call, kind, parent, group, od_str_c(words[i]), out);
    return s;
}

/* A token is the place in hexadecimal and a check that binds it to the operation and its filter. */
static uint64_t token_check(struct od_call *call, struct od_str salt, int64_t after)
{
    uint64_t h = od_hash(call->op->name, strlen(call->op->name), 0x6F6E646F6CULL);
    h = od_hash(salt.ptr ? salt.ptr : "", salt.len, h);
    return od_hash_mix(h, (uint64_t)after);
}

struct od_str od_page_token(struct od_call *call, struct od_str salt, int64_t after)
{
    return od_arena_printf(call->arena, "%016llx%016llx", (unsigned long long)after,
                           (unsigned long long)token_check(call, salt, after));
}

static bool hex16(const char *text, uint64_t *out)
{
    static const char digits[] = "0123456789abcdef";
    uint64_t v = 0;
    for (int i = 0; i < 16; i++) {
        const char *digit = memchr(digits, text[i], 16);
        if (!digit)
            return false;
        v = v << 4 | (uint64_t)(digit - digits);
    }
    *out = v;
    return true;
}

enum od_status od_page_open(struct od_call *call, struct od_str token, struct od_str salt,
                            int64_t *out_after)
{
    uint64_t after, check;
    if (!token.ptr) {
        *out_after = 0;
        return OD_OK;
    }
    if (token.len != 32 || !hex16(token.ptr, &after) || !hex16(token.ptr + 16, &check) ||
        check != token_check(call, salt, (int64_t)after))
        return od_fail(&call->err, OD_BAD_TOKEN, "The token is not valid.");
    *out_after = (int64_t)after;
    return OD_OK;
}
