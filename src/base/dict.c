/* The dictionary: open addressing with linear probing over (hash, code) pairs; texts in blocks that
 * never move, so views stay valid. See dict.h. */
#include "base/dict.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "base/arena.h"
#include "base/hash.h"

#define AHEAD 96u /* lookups under way at a time */

struct slot {
    uint64_t hash;
    uint32_t code; /* OD_NO_CODE marks a free slot */
    uint32_t pad;
};

struct od_dict {
    struct slot *slots;
    size_t slot_count; /* a power of two */
    struct od_str *texts;
    uint32_t count;
    uint32_t text_cap;
    struct od_arena bytes;
};

static uint64_t process_seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void)
{
    if (getrandom(&process_seed, sizeof process_seed, GRND_NONBLOCK) != sizeof process_seed)
        process_seed = (uintptr_t)&process_seed;
}

static struct slot *new_slots(size_t count)
{
    struct slot *slots = malloc(count * sizeof *slots);
    if (slots)
        memset(slots, 0xFF, count * sizeof *slots);
    return slots;
}

struct od_dict *od_dict_new(void)
{
    pthread_once(&seed_once, make_seed);
    struct od_dict *dict = calloc(1, sizeof *dict);
    if (!dict)
        return NULL;
    dict->slot_count = 64;
    dict->slots = new_slots(dict->slot_count);
    od_arena_init(&dict->bytes, SIZE_MAX);
    if (!dict->slots) {
        free(dict);
        return NULL;
    }
    return dict;
}

void od_dict_free(struct od_dict *dict)
{
    if (!dict)
        return;
    free(dict->slots);
    free(dict->texts);
    od_arena_done(&dict->bytes);
    free(dict);
}

/* The slot holding s, or the free slot where it belongs. */
static struct slot *probe(const struct od_dict *dict, struct od_str s, uint64_t hash)
{
    size_t mask = dict->slot_count - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct slot *slot = &dict->slots[i];
        if (slot->code == OD_NO_CODE)
            return slot;
        if (slot->hash == hash && od_str_eq(dict->texts[slot->code], s))
            return slot;
    }
}

static bool grow_slots(struct od_dict *dict)
{
    size_t count = dict->slot_count * 2;
    struct slot *slots = new_slots(count);
    if (!slots)
        return false;
    for (size_t i = 0; i < dict->slot_count; i++) {
        if (dict->slots[i].code == OD_NO_CODE)
            continue;
        size_t at = dict->slots[i].hash & (count - 1);
        while (slots[at].code != OD_NO_CODE)
            at = (at + 1) & (count - 1);
        slots[at] = dict->slots[i];
    }
    free(dict->slots);
    dict->slots = slots;
    dict->slot_count = count;
    return true;
}

static bool grow_texts(struct od_dict *dict)
{
    uint32_t cap = dict->text_cap ? dict->text_cap * 2 : 64;
    if (cap < dict->text_cap)
        cap = UINT32_MAX;
    struct od_str *texts = realloc(dict->texts, (size_t)cap * sizeof *texts);
    if (!texts)
        return false;
    dict->texts = texts;
    dict->text_cap = cap;
    return true;
}

static enum od_status add(struct od_dict *dict, struct od_str s, uint64_t hash, uint32_t *out_code)
{
    struct slot *slot = probe(dict, s, hash);
    if (slot->code != OD_NO_CODE) {
        *out_code = slot->code;
        return OD_OK;
    }
    if (dict->count == OD_NO_CODE - 1)
        return OD_LIMIT;
    if (dict->count == dict->text_cap && !grow_texts(dict))
        return OD_NO_MEMORY;
    if (((size_t)dict->count + 1) * 4 > dict->slot_count * 3) {
        if (!grow_slots(dict))
            return OD_NO_MEMORY;
        slot = probe(dict, s, hash);
    }
    struct od_str text = od_arena_str(&dict->bytes, s.ptr ? s : OD_STR(""));
    if (!text.ptr)
        return OD_NO_MEMORY;
    dict->texts[dict->count] = text;
    *slot = (struct slot){.hash = hash, .code = dict->count};
    *out_code = dict->count++;
    return OD_OK;
}

enum od_status od_dict_add(struct od_dict *dict, struct od_str s, uint32_t *out_code)
{
    return add(dict, s, od_hash(s.ptr, s.len, process_seed), out_code);
}

/* Hashes of some texts, and the cache lines that looking them up will touch on their way: first all
 * slots, then what the slots point to. Waiting for one at a time is most of what a lookup in a
 * large dictionary costs. */
static void fetch_ahead(const struct od_dict *dict, const struct od_str *texts, uint32_t count,
                        uint64_t *hashes)
{
    size_t mask = dict->slot_count - 1;
    for (uint32_t i = 0; i < count; i++) {
        hashes[i] = od_hash(texts[i].ptr ? texts[i].ptr : "", texts[i].len, process_seed);
        __builtin_prefetch(&dict->slots[hashes[i] & mask]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = dict->slots[hashes[i] & mask].code;
        if (code != OD_NO_CODE)
            __builtin_prefetch(&dict->texts[code]);
    }
    for (uint32_t i = 0; i < count; i++) {
        uint32_t code = dict->slots[hashes[i] & mask].code;
        if (code != OD_NO_CODE)
            __builtin_prefetch(dict->texts[code].ptr);
    }
}

enum od_status od_dict_add_many(struct od_dict *dict, const struct od_str *texts, uint32_t count,
                                uint32_t *out_codes)
{
    uint64_t hashes[AHEAD];
    enum od_status status = OD_OK;
    for (uint32_t from = 0; from < count && status == OD_OK; from += AHEAD) {
        uint32_t some = count - from < AHEAD ? count - from : AHEAD;
        fetch_ahead(dict, texts + from, some, hashes);
        for (uint32_t i = 0; i < some && status == OD_OK; i++)
            status = add(dict, texts[from + i], hashes[i], &out_codes[from + i]);
    }
    return status;
}

void od_dict_find_many(const struct od_dict *dict, const struct od_str *texts, uint32_t count,
                       uint32_t *out_codes)
{
    uint64_t hashes[AHEAD];
    for (uint32_t from = 0; from < count; from += AHEAD) {
        uint32_t some = count - from < AHEAD ? count - from : AHEAD;
        fetch_ahead(dict, texts + from, some, hashes);
        for (uint32_t i = 0; i < some; i++)
            out_codes[from + i] = probe(dict, texts[from + i], hashes[i])->code;
    }
}

uint32_t od_dict_find(const struct od_dict *dict, struct od_str s)
{
    return probe(dict, s, od_hash(s.ptr, s.len, process_seed))->code;
}

struct od_str od_dict_text(const struct od_dict *dict, uint32_t code)
{
    return dict->texts[code];
}

uint32_t od_dict_count(const struct od_dict *dict)
{
    return dict->count;
}

size_t od_dict_bytes(const struct od_dict *dict)
{
    return dict->slot_count * sizeof(struct slot) + dict->text_cap * sizeof(struct od_str) +
           dict->bytes.used;
}
