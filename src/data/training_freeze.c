/* Context and lists of a training set at its end: moved with their events, then coded by the order
 * of their texts, so that the same events give the same codes.
 *
 * Lists keep the numbers of their arrival (events of one chunk with equal cells share one); nothing
 * but of_event refers to those, and the hash follows it, so a list's number is no part of what the
 * set says. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/training_build.h"
#include "data/training_ids.h"

/* --- moving --- */

static int compare_columns(const void *a, const void *b)
{
    return od_str_cmp(((const struct od_built_column *)a)->name,
                      ((const struct od_built_column *)b)->name);
}

static void copy_entry(void *to, uint64_t to_at, const void *from, uint64_t from_at, size_t width)
{
    if (width == sizeof(uint16_t))
        ((uint16_t *)to)[to_at] = ((const uint16_t *)from)[from_at];
    else
        ((uint32_t *)to)[to_at] = ((const uint32_t *)from)[from_at];
}

static enum od_status move_array(struct od_training_owned *o, struct od_event_array *from,
                                 const struct od_training_builder *builder, uint64_t *cursor)
{
    void *to = malloc((builder->count + 1) * from->width);
    if (!to)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < builder->count; i++)
        copy_entry(to, cursor[builder->user[i]]++, from->data, i, from->width);
    free(from->data);
    from->data = NULL;
    o->arrays[o->array_count++] = (struct od_event_array){to, from->width};
    return OD_OK;
}

enum od_status od_context_move(struct od_training_owned *owned, struct od_training_builder *builder,
                               void (*rewind)(const struct od_training_owned *owned,
                                              const uint32_t *map, uint64_t *cursor),
                               const uint32_t *user_map, uint64_t *cursor)
{
    struct od_built_context *context = &builder->context;
    enum od_status s = OD_OK;
    qsort(context->columns, context->count, sizeof *context->columns, compare_columns);
    for (size_t i = 0; s == OD_OK && i < context->count; i++) {
        if (context->columns[i].left_out)
            continue;
        rewind(owned, user_map, cursor);
        s = move_array(owned, &context->columns[i].array, builder, cursor);
    }
    if (s == OD_OK && context->has_lists) {
        rewind(owned, user_map, cursor);
        s = move_array(owned, &context->lists, builder, cursor);
    }
    return s;
}

void od_context_place(struct od_training_owned *owned, uint64_t to, uint64_t from)
{
    for (size_t i = 0; i < owned->array_count; i++)
        copy_entry(owned->arrays[i].data, to, owned->arrays[i].data, from, owned->arrays[i].width);
}

void od_context_permute(struct od_training_owned *owned, uint64_t start, const uint64_t *order,
                        size_t stride, uint64_t count, uint32_t *scratch)
{
    for (size_t i = 0; i < owned->array_count; i++) {
        size_t width = owned->arrays[i].width;
        for (uint64_t e = 0; e < count; e++)
            copy_entry(scratch, e, owned->arrays[i].data, start + order[e * stride], width);
        memcpy((char *)owned->arrays[i].data + start * width, scratch, count * width);
    }
}

/* --- freezing --- */

static enum od_status freeze_texts(struct od_built_column *from, uint64_t events, uint16_t *code,
                                   const struct od_dict **out)
{
    struct od_dict *sorted;
    uint32_t *map;
    enum od_status s = od_training_sort_ids(from->values, &sorted, &map);
    if (s != OD_OK)
        return s;
    for (uint64_t i = 0; i < events; i++)
        if (code[i] != OD_NO_VALUE)
            code[i] = (uint16_t)map[code[i]];
    free(map);
    *out = sorted;
    return OD_OK;
}

static enum od_status freeze_column(struct od_training_owned *o, struct od_built_column *from,
                                    const struct od_event_array *array)
{
    struct od_training_column *to = &o->context[o->view.context_count++];
    *to = (struct od_training_column){.name = from->name};
    from->name = OD_STR_NONE; /* the set's now */
    if (!from->text) {
        to->number = array->data;
        return OD_OK;
    }
    to->code = array->data;
    return freeze_texts(from, o->user_start[o->view.user_count], array->data, &to->values);
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Lists through a map of their items: those without a new code go, each stays once, in order.
 * start and item are rewritten in place. */
static void recode_lists(uint64_t *start, uint32_t *item, uint32_t count, const uint32_t *map)
{
    uint64_t to = 0, from = 0;
    for (uint32_t list = 0; list < count; list++) {
        uint64_t first = to, end = start[list + 1];
        for (; from < end; from++)
            if (map[item[from]] != OD_NO_CODE)
                item[to++] = map[item[from]];
        qsort(item + first, to - first, sizeof *item, compare_codes);
        uint64_t kept = first;
        for (uint64_t i = first; i < to; i++)
            if (i == first || item[i] != item[i - 1])
                item[kept++] = item[i];
        to = kept;
        start[list + 1] = to;
    }
}

static enum od_status count_impressions(struct od_training_owned *o, uint64_t events)
{
    const struct od_training_lists *lists = &o->lists;
    o->impressions = calloc((size_t)o->view.item_count + 1, sizeof *o->impressions);
    if (!o->impressions)
        return OD_NO_MEMORY;
    for (uint64_t e = 0; e < events; e++) {
        uint32_t list = lists->of_event[e];
        for (uint64_t i = list == OD_NO_CODE ? 0 : lists->start[list];
             list != OD_NO_CODE && i < lists->start[list + 1]; i++)
            o->impressions[lists->item[i]]++;
    }
    o->view.lists = lists;
    o->view.impressions = o->impressions;
    return OD_OK;
}

static enum od_status freeze_lists(struct od_training_owned *o, struct od_built_context *context)
{
    uint32_t ids = od_dict_count(context->shown_ids);
    uint32_t *map = malloc(((size_t)ids + 1) * sizeof *map);
    if (!map)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < ids; i++)
        map[i] = od_dict_find(o->items, od_dict_text(context->shown_ids, i));
    recode_lists(context->list_start, context->shown, context->list_count, map);
    free(map);
    o->lists = (struct od_training_lists){.count = context->list_count,
                                          .of_event = o->arrays[o->array_count - 1].data,
                                          .start = context->list_start,
                                          .item = context->shown};
    context->list_start = NULL;
    context->shown = NULL;
    return count_impressions(o, o->user_start[o->view.user_count]);
}

enum od_status od_context_freeze(struct od_training_owned *owned,
                                 struct od_training_builder *builder)
{
    struct od_built_context *context = &builder->context;
    enum od_status s = OD_OK;
    size_t at = 0;
    for (size_t i = 0; s == OD_OK && i < context->count; i++)
        if (!context->columns[i].left_out)
            s = freeze_column(owned, &context->columns[i], &owned->arrays[at++]);
    owned->view.context = owned->context;
    return s == OD_OK && context->has_lists ? freeze_lists(owned, context) : s;
}

/* --- parts --- */

static enum od_status cut_array(const struct od_training *from, const uint64_t *keep,
                                const void *data, size_t width, struct od_training_owned *to)
{
    uint64_t at = 0, events = to->user_start[to->view.user_count];
    char *copy = malloc((events + 1) * width);
    if (!copy)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < from->user_count; u++) {
        memcpy(copy + at * width, (const char *)data + from->user_start[u] * width,
               keep[u] * width);
        at += keep[u];
    }
    assert(at == events);
    to->arrays[to->array_count++] = (struct od_event_array){copy, width};
    return OD_OK;
}

static enum od_status copy_dict(const struct od_dict *from, const struct od_dict **out)
{
    struct od_dict *dict = od_dict_new();
    enum od_status s = dict ? OD_OK : OD_NO_MEMORY;
    uint32_t code;
    for (uint32_t i = 0; s == OD_OK && i < od_dict_count(from); i++)
        s = od_dict_add(dict, od_dict_text(from, i), &code);
    if (s == OD_OK)
        *out = dict;
    else
        od_dict_free(dict);
    return s;
}

static enum od_status cut_column(const struct od_training *from, const uint64_t *keep, size_t index,
                                 struct od_training_owned *to)
{
    const struct od_training_column *column = &from->context[index];
    struct od_training_column *copy = &to->context[to->view.context_count++];
    char *name = malloc(column->name.len + 1);
    *copy = (struct od_training_column){.name = {name, column->name.len}};
    if (!name)
        return OD_NO_MEMORY;
    memcpy(name, column->name.ptr, column->name.len);
    if (column->number) {
        enum od_status s = cut_array(from, keep, column->number, sizeof(float), to);
        copy->number = s == OD_OK ? to->arrays[to->array_count - 1].data : NULL;
        return s;
    }
    enum od_status s = cut_array(from, keep, column->code, sizeof(uint16_t), to);
    copy->code = s == OD_OK ? to->arrays[to->array_count - 1].data : NULL;
    return s == OD_OK ? copy_dict(column->values, &copy->values) : s;
}

static enum od_status cut_lists(const struct od_training *from, const uint64_t *keep,
                                const uint32_t *items, struct od_training_owned *to)
{
    const struct od_training_lists *lists = from->lists;
    uint64_t shown = lists->start[lists->count];
    enum od_status s = cut_array(from, keep, lists->of_event, sizeof(uint32_t), to);
    if (s != OD_OK)
        return s;
    uint64_t *start = malloc(((size_t)lists->count + 1) * sizeof *start);
    uint32_t *item = malloc((shown + 1) * sizeof *item);
    to->lists =
        (struct od_training_lists){lists->count, to->arrays[to->array_count - 1].data, start, item};
    if (!start || !item)
        return OD_NO_MEMORY;
    memcpy(start, lists->start, ((size_t)lists->count + 1) * sizeof *start);
    if (shown)
        memcpy(item, lists->item, shown * sizeof *item);
    recode_lists(start, item, lists->count, items);
    return count_impressions(to, to->user_start[to->view.user_count]);
}

enum od_status od_context_cut(const struct od_training *from, const uint64_t *keep,
                              const uint32_t *items, struct od_training_owned *to)
{
    enum od_status s = OD_OK;
    for (size_t i = 0; s == OD_OK && i < from->context_count; i++)
        s = cut_column(from, keep, i, to);
    to->view.context = to->context;
    return s == OD_OK && from->lists ? cut_lists(from, keep, items, to) : s;
}

void od_context_owned_free(struct od_training_owned *owned)
{
    for (size_t i = 0; i < owned->view.context_count; i++) {
        free((char *)owned->context[i].name.ptr);
        od_dict_free((struct od_dict *)owned->context[i].values);
    }
    for (size_t i = 0; i < owned->array_count; i++)
        free(owned->arrays[i].data);
    free((uint64_t *)owned->lists.start);
    free((uint32_t *)owned->lists.item);
    free(owned->impressions);
}

/* --- identity --- */

static uint64_t hash_lists(const struct od_training *t, uint64_t hash)
{
    const struct od_training_lists *lists = t->lists;
    for (uint64_t e = 0; e < t->event_count; e++) {
        uint32_t list = lists->of_event[e];
        if (list == OD_NO_CODE) {
            hash = od_hash_mix(hash, UINT64_MAX);
            continue;
        }
        uint64_t n = lists->start[list + 1] - lists->start[list];
        hash = od_hash_mix(hash, n);
        hash = od_hash(lists->item + lists->start[list], n * sizeof *lists->item, hash);
    }
    return hash;
}

uint64_t od_context_hash(const struct od_training *training, uint64_t hash)
{
    uint64_t n = training->event_count;
    for (size_t i = 0; i < training->context_count; i++) {
        const struct od_training_column *column = &training->context[i];
        hash = od_hash(column->name.ptr, column->name.len, hash);
        if (column->number) {
            hash = od_hash(column->number, n * sizeof *column->number, hash);
            continue;
        }
        for (uint32_t v = 0; v < od_dict_count(column->values); v++) {
            struct od_str text = od_dict_text(column->values, v);
            hash = od_hash(text.ptr, text.len, od_hash_mix(hash, v));
        }
        hash = od_hash(column->code, n * sizeof *column->code, hash);
    }
    return training->lists ? hash_lists(training, hash) : hash;
}
