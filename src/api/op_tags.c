/* Tags: TagResource, UntagResource, ListTagsForResource (api.md section 12). */
#include "api/resource.h"
#include "base/limits.h"
#include "wire/arn.h"

static enum od_status check_key(struct od_call *call, const struct od_personalize_tag *tags,
                                size_t at)
{
    struct od_str key = tags[at].tag_key;
    if (od_str_eq_nocase(od_str_sub(key, 0, 4), OD_STR("aws:")))
        return od_fail(&call->err, OD_INVALID_INPUT, "Tag key %.*s: keys may not start with aws:.",
                       OD_STR_ARG(key));
    for (size_t i = 0; i < at; i++)
        if (od_str_eq(key, tags[i].tag_key))
            return od_fail(&call->err, OD_INVALID_INPUT, "Tag key %.*s is given twice.",
                           OD_STR_ARG(key));
    return OD_OK;
}

enum od_status od_tags_check(struct od_call *call)
{
    const void *items;
    size_t count;
    if (!od_api_get_list(call->op->input, call->in, "tags", &items, &count))
        return OD_OK;
    const struct od_personalize_tag *tags = items;
    if (count > OD_MAX_TAGS)
        return od_fail(&call->err, OD_TOO_MANY_TAGS,
                       "A resource can have at most %d tags; %zu were given.", OD_MAX_TAGS, count);
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = check_key(call, tags, i);
    return s;
}

static enum od_status find_taggable(struct od_call *call, struct od_str arn)
{
    struct od_resource resource;
    struct od_arn parsed;
    if (od_arn_parse(arn, &parsed) && parsed.account.len == 0)
        return od_fail(&call->err, OD_INVALID_INPUT, "%.*s cannot have tags.", OD_STR_ARG(arn));
    enum od_status s = od_catalog_get(call->app->store, arn, call->arena, &resource, &call->err);
    if (s != OD_OK)
        return s;
    const struct od_kind *kind = od_kind_by_name(resource.kind);
    if (!kind || !kind->taggable)
        return od_fail(&call->err, OD_INVALID_INPUT, "%.*s cannot have tags.", OD_STR_ARG(arn));
    return OD_OK;
}

/* How many tags the resource would have. */
static enum od_status count_after(struct od_call *call, struct od_str arn,
                                  const struct od_personalize_tags *more, size_t *out)
{
    struct od_tag *have;
    enum od_status s = od_tags_list(call->app->store, arn, call->arena, &have, out, &call->err);
    size_t had = s == OD_OK ? *out : 0;
    for (size_t i = 0; s == OD_OK && i < more->count; i++) {
        bool known = false;
        for (size_t j = 0; j < had; j++)
            known |= od_str_eq(have[j].key, more->items[i].tag_key);
        *out += !known;
    }
    return s;
}

static enum od_status finish(struct od_call *call, enum od_status s)
{
    if (s == OD_OK)
        return od_store_commit(call->app->store, &call->err);
    od_store_rollback(call->app->store);
    return s;
}

enum od_status od_op_tag_resource(struct od_call *call)
{
    const struct od_personalize_tag_resource_request *in = OD_IN(call, tag_resource_request);
    struct od_tag tags[OD_MAX_TAGS];
    size_t count = 0;
    enum od_status s = find_taggable(call, in->resource_arn);
    if (s == OD_OK)
        s = count_after(call, in->resource_arn, &in->tags, &count);
    if (s == OD_OK && count > OD_MAX_TAGS)
        s = od_fail(&call->err, OD_TOO_MANY_TAGS,
                    "A resource can have at most %d tags; this would make %zu.", OD_MAX_TAGS,
                    count);
    if (s == OD_OK)
        s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; i < in->tags.count; i++)
        tags[i] = (struct od_tag){in->tags.items[i].tag_key, in->tags.items[i].tag_value};
    return finish(
        call, od_tags_put(call->app->store, in->resource_arn, tags, in->tags.count, &call->err));
}

enum od_status od_op_untag_resource(struct od_call *call)
{
    const struct od_personalize_untag_resource_request *in = OD_IN(call, untag_resource_request);
    if (in->tag_keys.count > OD_MAX_TAGS)
        return od_fail(&call->err, OD_TOO_MANY_TAG_KEYS,
                       "A request can name at most %d tag keys; %zu were given.", OD_MAX_TAGS,
                       in->tag_keys.count);
    enum od_status s = find_taggable(call, in->resource_arn);
    if (s == OD_OK)
        s = od_store_begin(call->app->store, &call->err);
    if (s != OD_OK)
        return s;
    return finish(call, od_tags_remove(call->app->store, in->resource_arn, in->tag_keys.items,
                                       in->tag_keys.count, &call->err));
}

enum od_status od_op_list_tags_for_resource(struct od_call *call)
{
    const struct od_personalize_list_tags_for_resource_request *in =
        OD_IN(call, list_tags_for_resource_request);
    struct od_personalize_list_tags_for_resource_response *out =
        OD_OUT(call, list_tags_for_resource_response);
    struct od_tag *tags;
    size_t count;
    enum od_status s = find_taggable(call, in->resource_arn);
    if (s == OD_OK)
        s = od_tags_list(call->app->store, in->resource_arn, call->arena, &tags, &count,
                         &call->err);
    if (s != OD_OK)
        return s;
    out->tags.items = OD_NEW_ARRAY(call->arena, struct od_personalize_tag, count);
    if (!out->tags.items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    out->tags.count = count;
    for (size_t i = 0; i < count; i++)
        out->tags.items[i] = (struct od_personalize_tag){tags[i].key, tags[i].value};
    return OD_OK;
}
