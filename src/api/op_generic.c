/* Describe and List, once for all kinds of resources. */
#include <string.h>

#include "api/resource.h"

enum od_status od_op_describe(struct od_call *call)
{
    const struct od_kind *kind = od_kind_by_op(call->op);
    struct od_str arn;
    struct od_resource resource;
    (void)od_api_get_str(call->op->input, call->in, kind->arn_member, &arn);
    enum od_status s = od_resource_get(call, kind, arn, &resource);
    if (s != OD_OK)
        return s;
    void *value = od_arena_alloc(call->arena, kind->shape->size);
    if (!value)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    s = od_resource_read(call, kind, &resource, value);
    if (s == OD_OK && kind->decorate)
        s = kind->decorate(call, &resource, value);
    if (s == OD_OK && !od_api_set_struct(call->op->output, call->out, kind->wrapper, value))
        s = od_fail(&call->err, OD_INTERNAL, "%s has no member %s", call->op->name, kind->wrapper);
    return s;
}

/* One resource as its summary, at place. */
static enum od_status summarise(struct od_call *call, const struct od_kind *kind,
                                const struct od_resource *resource, void *place)
{
    void *value = od_arena_alloc(call->arena, kind->shape->size);
    if (!value)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_resource_read(call, kind, resource, value);
    if (s == OD_OK)
        od_api_copy(kind->summary, place, kind->shape, value);
    return s;
}

static enum od_status list_query(struct od_call *call, const struct od_kind *kind,
                                 struct od_catalog_query *query, struct od_str *salt, size_t *page)
{
    struct od_str token = OD_STR_NONE;
    struct od_opt_i64 most = {0};
    *salt = OD_STR_NONE;
    (void)od_api_get_str(call->op->input, call->in, "nextToken", &token);
    (void)od_api_get_i64(call->op->input, call->in, "maxResults", &most);
    if (kind->list_arg)
        (void)od_api_get_str(call->op->input, call->in, kind->list_arg, salt);
    *query = (struct od_catalog_query){.kind = od_str_c(kind->name)};
    if (kind->list_by == OD_LIST_BY_PARENT)
        query->parent = *salt;
    else if (kind->list_by == OD_LIST_BY_GROUP)
        query->group = *salt;
    *page = most.set ? (size_t)most.value : OD_PAGE_DEFAULT;
    query->newest_first = kind->newest_first;
    query->limit = *page + 1; /* one more tells whether another page follows */
    return od_page_open(call, token, *salt, &query->after_seq);
}

enum od_status od_op_list(struct od_call *call)
{
    const struct od_kind *kind = od_kind_by_op(call->op);
    struct od_catalog_query query;
    struct od_str salt;
    size_t page, count;
    struct od_resource *list, parent;
    enum od_status s = list_query(call, kind, &query, &salt, &page);
    if (s == OD_OK && kind == &od_kind_solution_version && salt.ptr)
        s = od_resource_get(call, &od_kind_solution, salt,
                            &parent); /* the one list that declares RNF */
    if (s == OD_OK)
        s = od_catalog_list(call->app->store, &query, call->arena, &list, &count, &call->err);
    if (s != OD_OK)
        return s;
    size_t shown = count > page ? page : count;
    char *items = od_arena_array(call->arena, shown, kind->summary->size);
    if (!items)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; s == OD_OK && i < shown; i++)
        s = summarise(call, kind, &list[i], items + i * kind->summary->size);
    if (s == OD_OK &&
        !od_api_set_list(call->op->output, call->out, kind->list_member, items, shown))
        s = od_fail(&call->err, OD_INTERNAL, "%s has no member %s", call->op->name,
                    kind->list_member);
    if (s == OD_OK && count > page)
        (void)od_api_set_str(call->op->output, call->out, "nextToken",
                             od_page_token(call, salt, list[page - 1].seq));
    return s;
}
