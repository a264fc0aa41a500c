/* Filter results. Evaluating a filter reads the whole item table; most filters ("in stock") do not
 * depend on who asks, so their result is kept until the table changes: the key is the compiled
 * filter's serial and the values as the client wrote them, the state of the table is its epoch and
 * version. The first entry of a new state empties the cache, so that it never holds what cannot be
 * used again; beyond OD_KEEP_CACHE_BYTES or _ENTRIES the least recently used goes.
 *
 * A result may have a subset of the model's vectors besides (subset.c). Its bytes are counted
 * apart, and go with the entry.
 *
 * Results that depend on the user, on the user's events or on the current item are made anew each
 * time. One that depends on the clock ($NOW) serves the requests of its second; the next second's
 * takes its place, so that such filters do not push out the others. Turning rows into item codes
 * costs by what is rarer: an "already seen" filter takes out at most 200 items from a full bitmap.
 */
#include "serve/keep.h"

#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/hash.h"
#include "base/limits.h"
#include "math/scan.h"

#define LONG 1000 /* uses of the cache after which an entry makes room for another's subset */

bool od_keep_cache_init(struct od_keep_cache *cache)
{
    *cache = (struct od_keep_cache){.rule = od_subset_usual};
    return pthread_mutex_init(&cache->lock, NULL) == 0;
}

void od_keep_unref(struct od_keep *keep)
{
    if (keep && atomic_fetch_sub_explicit(&keep->refs, 1, memory_order_acq_rel) == 1) {
        od_scan_subset_free(keep->subset.made);
        free(keep);
    }
}

static void drop(struct od_keep_cache *cache, size_t at)
{
    struct od_keep_slot *slot = &cache->slots[at];
    cache->bytes -= slot->keep->bytes + slot->key_len;
    cache->subset_bytes -= slot->keep->subset.bytes;
    od_keep_unref(slot->keep);
    free(slot->key);
    *slot = cache->slots[--cache->count];
}

void od_keep_cache_done(struct od_keep_cache *cache)
{
    while (cache->count)
        drop(cache, cache->count - 1);
    free(cache->slots);
    pthread_mutex_destroy(&cache->lock);
}

static struct od_keep *new_keep(const struct od_item_map *map, uint32_t row_count)
{
    size_t rows = od_bitmap_words(row_count), items = od_bitmap_words(map->item_count);
    size_t bytes = sizeof(struct od_keep) + (rows + items) * sizeof(uint64_t);
    struct od_keep *keep = malloc(bytes);
    if (!keep)
        return NULL;
    atomic_init(&keep->refs, 1);
    keep->subset = (struct od_keep_subset){.busy = ATOMIC_FLAG_INIT};
    keep->row_count = row_count;
    keep->rows = (uint64_t *)(keep + 1);
    keep->items = keep->rows + rows;
    keep->bytes = bytes;
    od_bitmap_fill(keep->rows, row_count, false);
    return keep;
}

/* Sets or clears the bit of every model item whose row has the given bit. */
static void mark(struct od_keep *keep, const struct od_item_map *map, bool value)
{
    for (size_t word = 0, n = od_bitmap_words(keep->row_count); word < n; word++) {
        uint64_t bits = value ? keep->rows[word] : ~keep->rows[word];
        for (; bits; bits &= bits - 1) {
            size_t row = word * 64 + (size_t)__builtin_ctzll(bits);
            uint32_t item = row < map->row_count ? map->item_of[row] : OD_NO_CODE;
            if (item == OD_NO_CODE)
                continue;
            if (value)
                od_bitmap_set(keep->items, item);
            else
                od_bitmap_clear(keep->items, item);
        }
    }
}

static enum od_status evaluate(const struct od_item_map *map, const struct od_keep_ask *ask,
                               struct od_arena *scratch, struct od_keep **out, struct od_error *err)
{
    const struct od_filter *filter = ask->filter->compiled;
    const struct od_filter_values *bound;
    enum od_status status =
        od_filter_bind(filter, ask->values, ask->value_count, scratch, &bound, err);
    if (status != OD_OK)
        return status;
    uint32_t row_count = od_table_row_count(ask->context->items);
    struct od_keep *keep = new_keep(map, row_count);
    if (!keep)
        return od_fail(err, OD_NO_MEMORY, NULL);
    status = od_filter_eval(filter, bound, ask->context, scratch, keep->rows, err);
    if (status != OD_OK) {
        od_keep_unref(keep);
        return status;
    }
    bool many = od_bitmap_count(keep->rows, row_count) > row_count / 2;
    od_bitmap_fill(keep->items, map->item_count, many);
    mark(keep, map, !many);
    *out = keep;
    return OD_OK;
}

static enum od_status make_key(const struct od_keep_ask *ask, struct od_buf *key)
{
    od_buf_put(key, &ask->filter->serial, sizeof ask->filter->serial);
    for (size_t i = 0; i < ask->value_count; i++) {
        const struct od_str parts[2] = {ask->values[i].name, ask->values[i].text};
        for (int part = 0; part < 2; part++) {
            od_buf_put(key, &parts[part].len, sizeof parts[part].len);
            od_buf_str(key, parts[part]);
        }
    }
    return od_buf_status(key);
}

/* With the cache's lock held. NULL when it has no such entry; empties it when it is of the past. */
static struct od_keep *look_up(struct od_keep_cache *cache, const struct od_live *live,
                               const struct od_table *table, struct od_str key, uint64_t hash,
                               int64_t now_s)
{
    uint64_t version = od_table_version(table);
    uint64_t epoch = table == live->actions ? live->actions_epoch : live->items_epoch;
    if (cache->epoch != epoch || cache->version != version) {
        while (cache->count)
            drop(cache, cache->count - 1);
        cache->epoch = epoch;
        cache->version = version;
        return NULL;
    }
    for (size_t i = 0; i < cache->count; i++) {
        struct od_keep_slot *slot = &cache->slots[i];
        if (slot->key_hash != hash ||
            !od_str_eq((struct od_str){(const char *)slot->key, slot->key_len}, key))
            continue;
        if (slot->now_s != now_s) {
            drop(cache, i);
            return NULL;
        }
        slot->used = ++cache->tick;
        atomic_fetch_add_explicit(&slot->keep->refs, 1, memory_order_relaxed);
        return slot->keep;
    }
    return NULL;
}

static void drop_least_used(struct od_keep_cache *cache)
{
    size_t least = 0;
    for (size_t i = 1; i < cache->count; i++) {
        if (cache->slots[i].used < cache->slots[least].used)
            least = i;
    }
    drop(cache, least);
}

/* With the cache's lock held. Failing to remember is no failure. */
static void remember(struct od_keep_cache *cache, struct od_keep *keep, struct od_str key,
                     uint64_t hash, int64_t now_s)
{
    size_t bytes = keep->bytes + key.len;
    if (bytes > OD_KEEP_CACHE_BYTES)
        return;
    while (cache->count &&
           (cache->count >= OD_KEEP_CACHE_ENTRIES || cache->bytes + bytes > OD_KEEP_CACHE_BYTES))
        drop_least_used(cache);
    if (cache->count == cache->cap) {
        size_t cap = cache->cap ? cache->cap * 2 : 8;
        struct od_keep_slot *slots = realloc(cache->slots, cap * sizeof *slots);
        if (!slots)
            return;
        cache->slots = slots;
        cache->cap = cap;
    }
    uint8_t *copy = malloc(key.len);
    if (!copy)
        return;
    memcpy(copy, key.ptr, key.len);
    atomic_fetch_add_explicit(&keep->refs, 1, memory_order_relaxed);
    cache->slots[cache->count++] =
        (struct od_keep_slot){keep, copy, key.len, hash, now_s, ++cache->tick};
    cache->bytes += bytes;
}

static enum od_status get_cached(struct od_keep_cache *cache, const struct od_live *live,
                                 const struct od_item_map *map, const struct od_keep_ask *ask,
                                 struct od_arena *scratch, struct od_str key, struct od_keep **out,
                                 struct od_error *err)
{
    uint64_t hash = od_hash(key.ptr, key.len, 0);
    pthread_mutex_lock(&cache->lock);
    const struct od_table *table = ask->context->items;
    int64_t now_s = od_filter_uses_now(ask->filter->compiled) ? ask->context->now_s : 0;
    struct od_keep *keep = look_up(cache, live, table, key, hash, now_s);
    if (keep)
        cache->hits++;
    else
        cache->misses++;
    pthread_mutex_unlock(&cache->lock);
    if (keep) {
        *out = keep;
        return OD_OK;
    }
    enum od_status status = evaluate(map, ask, scratch, &keep, err);
    if (status != OD_OK)
        return status;
    pthread_mutex_lock(&cache->lock);
    struct od_keep *twin = look_up(cache, live, table, key, hash, now_s);
    if (twin)
        od_keep_unref(twin);
    else
        remember(cache, keep, key, hash, now_s);
    pthread_mutex_unlock(&cache->lock);
    *out = keep;
    return OD_OK;
}

enum od_status od_keep_get(struct od_keep_cache *cache, const struct od_live *live,
                           const struct od_item_map *map, const struct od_keep_ask *ask,
                           struct od_arena *scratch, struct od_keep **out, struct od_error *err)
{
    const struct od_filter *filter = ask->filter->compiled;
    if (od_filter_uses_current_item(filter) || od_filter_uses_current_user(filter) ||
        od_filter_uses_interactions(filter))
        return evaluate(map, ask, scratch, out, err);
    struct od_buf key;
    od_buf_init(&key, OD_KEEP_CACHE_BYTES);
    enum od_status status = make_key(ask, &key);
    if (status == OD_OK)
        status = get_cached(cache, live, map, ask, scratch, od_buf_view(&key), out, err);
    else
        status = od_fail(err, status, NULL);
    od_buf_done(&key);
    return status;
}

static size_t slot_of(const struct od_keep_cache *cache, const struct od_keep *keep)
{
    size_t i = 0;
    while (i < cache->count && cache->slots[i].keep != keep)
        i++;
    return i;
}

/* The entry with a subset that was used least lately, cache->count when there is none. */
static size_t least_used_subset(const struct od_keep_cache *cache)
{
    size_t least = cache->count;
    for (size_t i = 0; i < cache->count; i++)
        if (cache->slots[i].keep->subset.bytes &&
            (least == cache->count || cache->slots[i].used < cache->slots[least].used))
            least = i;
    return least;
}

bool od_keep_cache_grant(struct od_keep_cache *cache, struct od_keep *keep, size_t bytes,
                         size_t most)
{
    bool granted = false;
    pthread_mutex_lock(&cache->lock);
    while (bytes <= most && cache->subset_bytes > most - bytes) {
        size_t least = least_used_subset(cache);
        if (cache->slots[least].used + LONG > cache->tick)
            break;
        drop(cache, least);
    }
    if (bytes <= most && cache->subset_bytes <= most - bytes &&
        slot_of(cache, keep) < cache->count) {
        keep->subset.bytes = bytes;
        cache->subset_bytes += bytes;
        granted = true;
    }
    pthread_mutex_unlock(&cache->lock);
    return granted;
}
