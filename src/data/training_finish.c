/* From collected events to the training set.
 *
 *   1. ids are sorted by their bytes, giving each builder code its canonical one;
 *   2. a counting sort by user moves one column after the other to its final place and frees the
 *      collected one, so that at most one column exists twice: 22 bytes an event at the peak, and
 * the context;
 *   3. each user's events are put in time order, keeping the order of arrival among equal times;
 *      users whose events already are in order (the usual case) cost one pass;
 *   4. events equal in every field are kept once, the first;
 *   5. times far outside the others' are bounded (training_times.c);
 *   6. everything is hashed in this canonical order.
 *
 * Step 3 needs 36 bytes for each event of the largest user that is out of order. */
#include "data/training.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "data/training_build.h"
#include "data/training_ids.h"

struct timed {
    int64_t time;
    uint64_t at;
};

void od_training_owned_free(struct od_training_owned *o)
{
    free(o->user_start);
    free(o->item);
    free(o->time);
    free(o->type);
    free(o->value);
    free(o->type_weight);
    od_context_owned_free(o);
    od_dict_free(o->users);
    od_dict_free(o->items);
    od_dict_free(o->types);
    free(o);
}

static uint64_t lists_bytes(const struct od_training *t)
{
    const struct od_training_lists *l = t->lists;
    return l ? t->event_count * sizeof *l->of_event + (l->count + 1) * sizeof *l->start +
                   l->start[l->count] * sizeof *l->item
             : 0;
}

uint64_t od_training_bytes(const struct od_training *t)
{
    uint64_t each = sizeof *t->item + sizeof *t->time + sizeof *t->type;
    uint64_t dicts = od_dict_bytes(t->users) + od_dict_bytes(t->items) + od_dict_bytes(t->types);
    each += t->value ? sizeof *t->value : 0;
    for (size_t c = 0; c < t->context_count; c++) {
        const struct od_training_column *column = &t->context[c];
        each += column->values ? sizeof *column->code : sizeof *column->number;
        dicts += column->values ? od_dict_bytes(column->values) : 0;
    }
    return t->event_count * each + lists_bytes(t) + dicts +
           (t->user_count + 1ull) * sizeof *t->user_start;
}

float od_training_weight(const struct od_training *training, uint64_t event)
{
    return training->type_weight ? training->type_weight[training->type[event]] : 1;
}

uint32_t od_training_user_of(const struct od_training *training, uint64_t event)
{
    uint32_t low = 0, high = training->user_count;
    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;
        if (training->user_start[middle] <= event)
            low = middle;
        else
            high = middle;
    }
    return low;
}

int64_t od_training_pause(const struct od_training *training, uint64_t event)
{
    int64_t pause;
    bool more = __builtin_sub_overflow(training->time[event], training->time[event - 1], &pause);
    return more ? INT64_MAX : pause;
}

void od_training_free(struct od_training *training)
{
    if (training)
        od_training_owned_free((struct od_training_owned *)training);
}

/* --- sorting by user --- */

/* Fills cursor with where the next event of each builder user goes. */
static void rewind_cursor(const struct od_training_owned *o, const uint32_t *map, uint64_t *cursor)
{
    for (uint32_t old = 0; old < o->view.user_count; old++)
        cursor[old] = o->user_start[map[old]];
}

static enum od_status count_users(struct od_training_owned *o, const struct od_training_builder *b,
                                  const uint32_t *map)
{
    uint32_t users = o->view.user_count;
    o->user_start = calloc((size_t)users + 2, sizeof *o->user_start);
    if (!o->user_start)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < b->count; i++)
        o->user_start[map[b->user[i]] + 1]++;
    for (uint32_t u = 0; u < users; u++)
        o->user_start[u + 1] += o->user_start[u];
    return OD_OK;
}

static enum od_status move_items(struct od_training_owned *o, struct od_training_builder *b,
                                 const uint32_t *user_map, const uint32_t *item_map,
                                 uint64_t *cursor)
{
    o->item = malloc((b->count + 1) * sizeof *o->item);
    if (!o->item)
        return OD_NO_MEMORY;
    rewind_cursor(o, user_map, cursor);
    for (uint64_t i = 0; i < b->count; i++)
        o->item[cursor[b->user[i]]++] = item_map[b->item[i]];
    free(b->item);
    b->item = NULL;
    return OD_OK;
}

static enum od_status move_types(struct od_training_owned *o, struct od_training_builder *b,
                                 const uint32_t *user_map, const uint32_t *type_map,
                                 uint64_t *cursor)
{
    o->type = malloc((b->count + 1) * sizeof *o->type);
    if (!o->type)
        return OD_NO_MEMORY;
    rewind_cursor(o, user_map, cursor);
    for (uint64_t i = 0; i < b->count; i++)
        o->type[cursor[b->user[i]]++] = (uint16_t)type_map[b->type[i]];
    free(b->type);
    b->type = NULL;
    return OD_OK;
}

static enum od_status move_values(struct od_training_owned *o, struct od_training_builder *b,
                                  const uint32_t *user_map, uint64_t *cursor)
{
    if (!b->value)
        return OD_OK;
    o->value = malloc((b->count + 1) * sizeof *o->value);
    if (!o->value)
        return OD_NO_MEMORY;
    rewind_cursor(o, user_map, cursor);
    for (uint64_t i = 0; i < b->count; i++)
        o->value[cursor[b->user[i]]++] = b->value[i];
    free(b->value);
    b->value = NULL;
    return OD_OK;
}

/* The narrow form is sorted narrow and widened when all else is freed. */
static enum od_status move_times(struct od_training_owned *o, struct od_training_builder *b,
                                 const uint32_t *user_map, uint64_t *cursor)
{
    rewind_cursor(o, user_map, cursor);
    uint32_t *sorted = NULL;
    if (b->time64)
        o->time = malloc((b->count + 1) * sizeof *o->time);
    else
        sorted = malloc((b->count + 1) * sizeof *sorted);
    if (!o->time && !sorted)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < b->count; i++) {
        uint64_t to = cursor[b->user[i]]++;
        if (sorted)
            sorted[to] = b->time32[i];
        else
            o->time[to] = b->time64[i];
    }
    free(b->user);
    free(b->time32);
    free(b->time64);
    b->user = b->time32 = NULL;
    b->time64 = NULL;
    if (!sorted)
        return OD_OK;
    o->time = malloc((b->count + 1) * sizeof *o->time);
    for (uint64_t i = 0; o->time && i < b->count; i++)
        o->time[i] = b->base + (int64_t)sorted[i];
    free(sorted);
    return o->time ? OD_OK : OD_NO_MEMORY;
}

static enum od_status move_columns(struct od_training_owned *o, struct od_training_builder *b,
                                   const uint32_t *user_map, const uint32_t *item_map,
                                   const uint32_t *type_map)
{
    uint64_t *cursor = malloc(((size_t)o->view.user_count + 1) * sizeof *cursor);
    enum od_status s = cursor ? count_users(o, b, user_map) : OD_NO_MEMORY;
    if (s == OD_OK)
        s = move_types(o, b, user_map, type_map, cursor);
    if (s == OD_OK)
        s = move_items(o, b, user_map, item_map, cursor);
    if (s == OD_OK)
        s = move_values(o, b, user_map, cursor);
    if (s == OD_OK)
        s = od_context_move(o, b, rewind_cursor, user_map, cursor);
    if (s == OD_OK)
        s = move_times(o, b, user_map, cursor);
    free(cursor);
    return s;
}

/* --- ordering one user's events --- */

static int compare_timed(const void *a, const void *b)
{
    const struct timed *x = a, *y = b;
    if (x->time != y->time)
        return x->time < y->time ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static bool in_order(const int64_t *time, uint64_t count)
{
    for (uint64_t i = 1; i < count; i++)
        if (time[i] < time[i - 1])
            return false;
    return true;
}

/* Moves event order[i].at to place i, for all i, along the cycles of the permutation. */
static void permute(struct od_training_owned *o, uint64_t start, struct timed *order,
                    uint64_t count)
{
    for (uint64_t i = 0; i < count; i++) {
        uint64_t to = i;
        uint32_t item = o->item[start + i];
        uint16_t type = o->type[start + i];
        float value = o->value ? o->value[start + i] : 0;
        while (order[to].at != i) {
            uint64_t from = order[to].at;
            o->item[start + to] = o->item[start + from];
            o->type[start + to] = o->type[start + from];
            if (o->value)
                o->value[start + to] = o->value[start + from];
            order[to].at = to;
            to = from;
        }
        o->item[start + to] = item;
        o->type[start + to] = type;
        if (o->value)
            o->value[start + to] = value;
        order[to].at = to;
        o->time[start + i] = order[i].time;
    }
}

static enum od_status order_users(struct od_training_owned *o)
{
    uint64_t most = 0;
    for (uint32_t u = 0; u < o->view.user_count; u++) {
        uint64_t start = o->user_start[u], n = o->user_start[u + 1] - start;
        if (n > most && !in_order(o->time + start, n))
            most = n;
    }
    if (most == 0)
        return OD_OK;
    struct timed *order = malloc(most * sizeof *order);
    uint32_t *scratch = malloc(most * sizeof *scratch);
    if (!order || !scratch) {
        free(order);
        free(scratch);
        return OD_NO_MEMORY;
    }
    for (uint32_t u = 0; u < o->view.user_count; u++) {
        uint64_t start = o->user_start[u], n = o->user_start[u + 1] - start;
        if (in_order(o->time + start, n))
            continue;
        for (uint64_t i = 0; i < n; i++)
            order[i] = (struct timed){o->time[start + i], i};
        qsort(order, n, sizeof *order, compare_timed);
        od_context_permute(o, start, &order->at, sizeof *order / sizeof order->at, n, scratch);
        permute(o, start, order, n);
    }
    free(order);
    free(scratch);
    return OD_OK;
}

/* --- dropping what was said twice --- */

struct event_key {
    uint32_t item;
    uint16_t type;
    uint32_t value; /* the bits */
    uint64_t at;
};

static struct event_key key_of(const struct od_training_owned *o, uint64_t at)
{
    struct event_key key = {.item = o->item[at], .type = o->type[at], .at = at};
    if (o->value)
        memcpy(&key.value, &o->value[at], sizeof key.value);
    return key;
}

static bool same_event(const struct event_key *a, const struct event_key *b)
{
    return a->item == b->item && a->type == b->type && a->value == b->value;
}

static int compare_events(const void *a, const void *b)
{
    const struct event_key *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    if (x->type != y->type)
        return x->type < y->type ? -1 : 1;
    if (x->value != y->value)
        return x->value < y->value ? -1 : 1;
    return (x->at > y->at) - (x->at < y->at);
}

static int compare_places(const void *a, const void *b)
{
    uint64_t x = ((const struct event_key *)a)->at, y = ((const struct event_key *)b)->at;
    return (x > y) - (x < y);
}

static void place(struct od_training_owned *o, uint64_t to, uint64_t from)
{
    o->item[to] = o->item[from];
    o->time[to] = o->time[from];
    o->type[to] = o->type[from];
    if (o->value)
        o->value[to] = o->value[from];
    od_context_place(o, to, from);
}

/* A run of equal (user, time), short: compare each with those kept. Returns the end of the kept. */
static uint64_t keep_short(struct od_training_owned *o, uint64_t from, uint64_t end, uint64_t to)
{
    uint64_t first = to;
    for (uint64_t i = from; i < end; i++) {
        struct event_key key = key_of(o, i);
        bool seen = false;
        for (uint64_t k = first; k < to && !seen; k++) {
            struct event_key other = key_of(o, k);
            seen = same_event(&key, &other);
        }
        if (!seen)
            place(o, to++, i);
    }
    return to;
}

/* A long run: sorted beside, so that one second full of events stays n log n. */
static enum od_status keep_long(struct od_training_owned *o, uint64_t from, uint64_t end,
                                uint64_t *to)
{
    uint64_t n = end - from, kept = 0;
    struct event_key *keys = malloc(n * sizeof *keys);
    if (!keys)
        return OD_NO_MEMORY;
    for (uint64_t i = 0; i < n; i++)
        keys[i] = key_of(o, from + i);
    qsort(keys, n, sizeof *keys, compare_events);
    for (uint64_t i = 0; i < n; i++)
        if (i == 0 || !same_event(&keys[i], &keys[kept - 1]))
            keys[kept++] = keys[i];
    qsort(keys, kept, sizeof *keys, compare_places);
    for (uint64_t i = 0; i < kept; i++)
        place(o, (*to)++, keys[i].at);
    free(keys);
    return OD_OK;
}

static enum od_status drop_repeats(struct od_training_owned *o)
{
    enum { SHORT_RUN = 32 };
    uint64_t to = 0, from = 0;
    for (uint32_t u = 0; u < o->view.user_count; u++) {
        uint64_t end = o->user_start[u + 1];
        o->user_start[u] = to;
        while (from < end) {
            uint64_t run = from + 1;
            while (run < end && o->time[run] == o->time[from])
                run++;
            if (run - from == 1) {
                place(o, to++, from);
            } else if (run - from <= SHORT_RUN) {
                to = keep_short(o, from, run, to);
            } else {
                enum od_status s = keep_long(o, from, run, &to);
                if (s != OD_OK)
                    return s;
            }
            from = run;
        }
    }
    o->user_start[o->view.user_count] = to;
    return OD_OK;
}

/* --- the whole --- */

static uint64_t hash_dict(const struct od_dict *dict, uint64_t hash)
{
    hash = od_hash_mix(hash, od_dict_count(dict));
    for (uint32_t i = 0; i < od_dict_count(dict); i++) {
        struct od_str text = od_dict_text(dict, i);
        hash = od_hash(text.ptr, text.len, hash);
    }
    return hash;
}

static uint64_t hash_all(const struct od_training_owned *o)
{
    uint64_t n = o->view.event_count;
    uint64_t hash = hash_dict(o->users, 1);
    hash = hash_dict(o->items, hash);
    hash = hash_dict(o->types, hash);
    hash = od_hash(o->user_start, ((size_t)o->view.user_count + 1) * sizeof *o->user_start, hash);
    hash = od_hash(o->item, n * sizeof *o->item, hash);
    hash = od_hash(o->time, n * sizeof *o->time, hash);
    hash = od_hash(o->type, n * sizeof *o->type, hash);
    if (o->value)
        hash = od_hash(o->value, n * sizeof *o->value, hash);
    if (o->type_weight)
        hash = od_hash(o->type_weight, o->view.type_count * sizeof *o->type_weight, hash);
    return od_context_hash(&o->view, hash);
}

void od_training_seal(struct od_training_owned *o)
{
    struct od_training *view = &o->view;
    view->event_count = o->user_start[view->user_count];
    view->type_count = od_dict_count(o->types);
    view->user_start = o->user_start;
    view->item = o->item;
    view->time = o->time;
    view->type = o->type;
    view->value = o->value;
    view->type_weight = o->type_weight;
    view->users = o->users;
    view->items = o->items;
    view->types = o->types;
    for (uint64_t i = 0; i < view->event_count; i++) {
        if (i == 0 || o->time[i] < view->first_time)
            view->first_time = o->time[i];
        if (i == 0 || o->time[i] > view->last_time)
            view->last_time = o->time[i];
    }
    view->hash = hash_all(o);
}

static enum od_status sort_dict(struct od_dict **from, struct od_dict **out, uint32_t **out_map)
{
    enum od_status s = od_training_sort_ids(*from, out, out_map);
    if (s == OD_OK) {
        od_dict_free(*from);
        *from = NULL;
    }
    return s;
}

static enum od_status build(struct od_training_owned *o, struct od_training_builder *b)
{
    uint32_t *user_map = NULL, *item_map = NULL, *type_map = NULL;
    enum od_status s = sort_dict(&b->users, &o->users, &user_map);
    if (s == OD_OK)
        s = sort_dict(&b->items, &o->items, &item_map);
    if (s == OD_OK)
        s = sort_dict(&b->types, &o->types, &type_map);
    if (s == OD_OK) {
        o->view.user_count = od_dict_count(o->users);
        o->view.item_count = od_dict_count(o->items);
        s = move_columns(o, b, user_map, item_map, type_map);
    }
    free(user_map);
    free(item_map);
    free(type_map);
    if (s == OD_OK)
        s = order_users(o);
    if (s == OD_OK)
        s = drop_repeats(o);
    if (s == OD_OK)
        s = od_training_bound_times(o);
    if (s == OD_OK)
        s = od_context_freeze(o, b);
    return s == OD_OK ? od_rules_weigh(b, o->types, &o->type_weight) : s;
}

enum od_status od_training_finish(struct od_training_builder *builder, struct od_training **out,
                                  struct od_error *err)
{
    struct od_training_owned *o = calloc(1, sizeof *o);
    enum od_status s = o ? od_training_builder_open(builder) : OD_NO_MEMORY;
    if (s == OD_OK)
        s = build(o, builder);
    od_training_builder_empty(builder);
    if (s != OD_OK) {
        if (o)
            od_training_owned_free(o);
        return od_fail(err, s, NULL);
    }
    od_training_seal(o);
    *out = &o->view;
    return OD_OK;
}
