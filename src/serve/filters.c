/* Filters follow the schemas of their group. A compiled filter knows columns by place, so when a
 * dataset gets another schema or goes away, its filters are compiled again under the same write
 * lock: a query never sees a filter and a table that do not belong together. A filter that no
 * longer compiles stays, and tells why when it is used. */
#include "serve/filters.h"

#include <stdlib.h>
#include <string.h>

#include "base/limits.h"

static struct od_str copy(struct od_str s)
{
    char *bytes = malloc(s.len + 1);
    if (!bytes)
        return OD_STR_NONE;
    memcpy(bytes, s.ptr, s.len);
    bytes[s.len] = '\0';
    return (struct od_str){bytes, s.len};
}

static enum od_status compile(const struct od_serve_filter *filter, struct od_filter **out,
                              struct od_error *err)
{
    const struct od_live *group = filter->group;
    struct od_filter_schemas schemas = {.extended = filter->extended};
    for (int type = 0; type < OD_DATASET_TYPES; type++)
        schemas.by_type[type] = group->datasets[type] ? &group->datasets[type]->schema : NULL;
    return od_filter_new(filter->expression, &schemas, OD_MAX_FILTER_FIELDS, out, err);
}

void od_filters_recompile(struct od_serve_filter *filter)
{
    struct od_filter *compiled = NULL;
    od_filter_free(filter->compiled);
    filter->compiled = NULL;
    if (compile(filter, &compiled, &filter->broken) == OD_OK)
        filter->compiled = compiled;
    filter->serial = ++filter->group->filter_serials;
}

static enum od_status register_filter(struct od_live *group, struct od_serve_filter *filter,
                                      struct od_error *err)
{
    if (group->filter_count == group->filter_cap) {
        size_t cap = group->filter_cap ? group->filter_cap * 2 : 8;
        struct od_serve_filter **filters = realloc(group->filters, cap * sizeof *filters);
        if (!filters)
            return od_fail(err, OD_NO_MEMORY, NULL);
        group->filters = filters;
        group->filter_cap = cap;
    }
    enum od_status status = compile(filter, &filter->compiled, err);
    if (status != OD_OK)
        return status;
    filter->serial = ++group->filter_serials;
    group->filters[group->filter_count++] = filter;
    return OD_OK;
}

enum od_status od_filters_new(struct od_live *group, struct od_str arn, struct od_str expression,
                              bool extended, struct od_serve_filter **out, struct od_error *err)
{
    struct od_serve_filter *filter = calloc(1, sizeof *filter);
    if (!filter)
        return od_fail(err, OD_NO_MEMORY, NULL);
    atomic_init(&filter->refs, 1);
    filter->group = od_live_ref(group);
    filter->arn = copy(arn);
    filter->expression = copy(expression);
    filter->extended = extended;
    enum od_status status = OD_OK;
    if (!filter->arn.ptr || !filter->expression.ptr) {
        status = od_fail(err, OD_NO_MEMORY, NULL);
    } else {
        pthread_rwlock_wrlock(&group->lock);
        status = register_filter(group, filter, err);
        pthread_rwlock_unlock(&group->lock);
    }
    if (status == OD_OK)
        *out = filter;
    else
        od_filters_unref(filter);
    return status;
}

struct od_serve_filter *od_filters_ref(struct od_serve_filter *filter)
{
    atomic_fetch_add_explicit(&filter->refs, 1, memory_order_relaxed);
    return filter;
}

void od_filters_unref(struct od_serve_filter *filter)
{
    if (!filter || atomic_fetch_sub_explicit(&filter->refs, 1, memory_order_acq_rel) != 1)
        return;
    od_filter_free(filter->compiled);
    od_live_unref(filter->group);
    free((char *)filter->arn.ptr);
    free((char *)filter->expression.ptr);
    free(filter);
}

void od_filters_retire(struct od_serve_filter *filter)
{
    struct od_live *group = filter->group;
    pthread_rwlock_wrlock(&group->lock);
    for (size_t i = 0; i < group->filter_count; i++) {
        if (group->filters[i] != filter)
            continue;
        memmove(group->filters + i, group->filters + i + 1,
                (group->filter_count - i - 1) * sizeof *group->filters);
        group->filter_count--;
        break;
    }
    struct od_filter *compiled = filter->compiled;
    filter->compiled = NULL;
    (void)od_fail(&filter->broken, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                  OD_STR_ARG(filter->arn));
    pthread_rwlock_unlock(&group->lock);
    od_filter_free(compiled);
}
