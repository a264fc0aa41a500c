/* Cutting a training set out of another. See training_subset.h.
 *
 * Codes keep their order, so the parts' dictionaries are in byte order as the whole's are, and no
 * id is hashed more than once. */
#include "data/training_subset.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "data/training_build.h"

/* Codes in use, in order: used[i] becomes its new code or OD_NO_CODE; dict gets their texts. */
static enum od_status recode(const struct od_dict *from, uint32_t *used, uint32_t count,
                             struct od_dict **out)
{
    struct od_dict *dict = od_dict_new();
    enum od_status s = dict ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < count; i++) {
        if (used[i])
            s = od_dict_add(dict, od_dict_text(from, i), &used[i]);
        else
            used[i] = OD_NO_CODE;
    }
    if (s == OD_OK)
        *out = dict;
    else
        od_dict_free(dict);
    return s;
}

static enum od_status copy_users(const struct od_training *from, const uint64_t *keep,
                                 struct od_training_owned *to)
{
    uint32_t *used = malloc(((size_t)from->user_count + 1) * sizeof *used);
    to->user_start = calloc((size_t)from->user_count + 1, sizeof *to->user_start);
    if (!used || !to->user_start) {
        free(used);
        return OD_NO_MEMORY;
    }
    for (uint32_t u = 0; u < from->user_count; u++)
        used[u] = keep[u] > 0;
    enum od_status s = recode(from->users, used, from->user_count, &to->users);
    for (uint32_t u = 0; s == OD_OK && u < from->user_count; u++)
        if (keep[u])
            to->user_start[used[u] + 1] = to->user_start[used[u]] + keep[u];
    to->view.user_count = s == OD_OK ? od_dict_count(to->users) : 0;
    free(used);
    return s;
}

static void mark_used(const struct od_training *from, const uint64_t *keep, uint32_t *items)
{
    for (uint32_t u = 0; u < from->user_count; u++)
        for (uint64_t i = 0; i < keep[u]; i++)
            items[from->item[from->user_start[u] + i]] = 1;
}

/* Types keep their codes, whether an event is left or not: queries carry them. */
static enum od_status copy_types(const struct od_training *from, struct od_training_owned *to)
{
    uint32_t code;
    to->types = od_dict_new();
    enum od_status s = to->types ? OD_OK : OD_NO_MEMORY;
    for (uint32_t i = 0; s == OD_OK && i < from->type_count; i++)
        s = od_dict_add(to->types, od_dict_text(from->types, i), &code);
    if (s != OD_OK || !from->type_weight)
        return s;
    to->type_weight = malloc((size_t)from->type_count * sizeof *to->type_weight);
    if (!to->type_weight)
        return OD_NO_MEMORY;
    memcpy(to->type_weight, from->type_weight, from->type_count * sizeof *to->type_weight);
    return OD_OK;
}

static enum od_status copy_events(const struct od_training *from, const uint64_t *keep,
                                  const uint32_t *items, struct od_training_owned *to)
{
    size_t count = to->user_start[to->view.user_count] + 1;
    to->item = malloc(count * sizeof *to->item);
    to->time = malloc(count * sizeof *to->time);
    to->type = malloc(count * sizeof *to->type);
    to->value = from->value ? malloc(count * sizeof *to->value) : NULL;
    if (!to->item || !to->time || !to->type || (from->value && !to->value))
        return OD_NO_MEMORY;
    uint64_t at = 0;
    for (uint32_t u = 0; u < from->user_count; u++) {
        uint64_t start = from->user_start[u], n = keep[u];
        assert(n <= from->user_start[u + 1] - start);
        for (uint64_t i = 0; i < n; i++)
            to->item[at + i] = items[from->item[start + i]];
        memcpy(to->type + at, from->type + start, n * sizeof *to->type);
        memcpy(to->time + at, from->time + start, n * sizeof *to->time);
        if (to->value)
            memcpy(to->value + at, from->value + start, n * sizeof *to->value);
        at += n;
    }
    return OD_OK;
}

static enum od_status cut(const struct od_training *from, const uint64_t *keep,
                          struct od_training_owned *to, uint32_t *items)
{
    mark_used(from, keep, items);
    enum od_status s = copy_users(from, keep, to);
    if (s == OD_OK)
        s = recode(from->items, items, from->item_count, &to->items);
    if (s != OD_OK)
        return s;
    to->view.item_count = od_dict_count(to->items);
    s = copy_types(from, to);
    if (s == OD_OK)
        s = copy_events(from, keep, items, to);
    return s == OD_OK ? od_context_cut(from, keep, items, to) : s;
}

enum od_status od_training_subset(const struct od_training *from, const uint64_t *keep,
                                  struct od_training **out, uint32_t **out_item_map,
                                  struct od_error *err)
{
    struct od_training_owned *to = calloc(1, sizeof *to);
    uint32_t *items = calloc((size_t)from->item_count + 1, sizeof *items);
    enum od_status s = to && items ? cut(from, keep, to, items) : OD_NO_MEMORY;
    if (s == OD_OK) {
        to->view.item_table = from->item_table;
        to->view.user_table = from->user_table;
        to->view.dealt = from->dealt;
        od_training_seal(to);
        *out = &to->view;
    } else if (to) {
        od_training_owned_free(to);
    }
    if (s == OD_OK && out_item_map)
        *out_item_map = items;
    else
        free(items);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* --- without some items --- */

static enum od_status add_visible(const struct od_training *from, const bool *hidden,
                                  struct od_training_builder *builder)
{
    enum od_status s = OD_OK;
    for (uint32_t u = 0; s == OD_OK && u < from->user_count; u++)
        for (uint64_t e = from->user_start[u]; s == OD_OK && e < from->user_start[u + 1]; e++) {
            if (hidden[from->item[e]])
                continue;
            float value = from->value ? from->value[e] : 0;
            bool has_value = from->value && value == value;
            struct od_str type = od_dict_text(from->types, from->type[e]);
            s = od_training_add_event(
                builder, od_dict_text(from->users, u), od_dict_text(from->items, from->item[e]),
                type.len ? type : OD_STR_NONE, from->time[e], has_value, (double)value);
        }
    return s;
}

enum od_status od_training_hide(const struct od_training *from, const bool *hidden,
                                struct od_training **out, struct od_error *err)
{
    struct od_training_builder *builder = od_training_builder_new(NULL);
    enum od_status s = builder ? add_visible(from, hidden, builder) : OD_NO_MEMORY;
    if (s != OD_OK)
        od_fail(err, s, NULL);
    else
        s = od_training_finish(builder, out, err);
    od_training_builder_free(builder);
    if (s == OD_OK) {
        (*out)->item_table = from->item_table;
        (*out)->user_table = from->user_table;
    }
    return s;
}
