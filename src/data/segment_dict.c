/* A small open-addressing dictionary: see segment_dict.h.
 *
 * Three look-ups a row make this the hot spot of an import, hence its shape: a slot is 4 bytes (16
 * bits of hash, 16 bits of code), so that the table of a column with few values stays in the first
 * cache and that of 65,536 distinct ids fits the second; texts of up to 16 bytes, nearly all ids,
 * are hashed and compared in line with two loads each; a batch goes over its values once for each
 * step of the way from hash to text and asks for the memory of the next, so that the waits overlap.
 *
 * A slot is free when it is EMPTY; a hash tag of 0xFFFF is stored as 0xFFFE, so that no taken slot
 * looks free. The table is at most half full. */
#include "data/segment_dict.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define EMPTY       UINT32_MAX
#define MOST        65536u
#define FIRST_SLOTS 256u
#define SPREAD      0x9E3779B97F4A7C15ULL

void od_segment_dict_init(struct od_segment_dict *dict, uint64_t seed)
{
    *dict = (struct od_segment_dict){.seed = seed};
}

void od_segment_dict_done(struct od_segment_dict *dict)
{
    free(dict->slots);
    free(dict->offsets);
    free(dict->text);
    *dict = (struct od_segment_dict){0};
}

void od_segment_dict_clear(struct od_segment_dict *dict)
{
    if (dict->slots)
        memset(dict->slots, 0xFF, dict->slot_count * sizeof *dict->slots);
    dict->count = 0;
}

size_t od_segment_dict_text_bytes(const struct od_segment_dict *dict)
{
    return dict->count ? dict->offsets[dict->count] : 0;
}

static uint64_t hash_of(const struct od_segment_dict *dict, struct od_str s)
{
    uint64_t a = 0, b = 0;
    if (s.len > 16)
        return od_hash(s.ptr, s.len, dict->seed);
    if (s.len >= 8) {
        memcpy(&a, s.ptr, 8);
        memcpy(&b, s.ptr + s.len - 8, 8);
    } else if (s.len >= 4) {
        uint32_t lo, hi;
        memcpy(&lo, s.ptr, 4);
        memcpy(&hi, s.ptr + s.len - 4, 4);
        a = lo;
        b = hi;
    } else if (s.len) {
        a = (unsigned char)s.ptr[0] | (uint64_t)(unsigned char)s.ptr[s.len / 2] << 8 |
            (uint64_t)(unsigned char)s.ptr[s.len - 1] << 16;
    }
    __uint128_t m = (__uint128_t)(a ^ dict->seed) * (b ^ SPREAD ^ (uint64_t)s.len << 56);
    return (uint64_t)m ^ (uint64_t)(m >> 64);
}

static uint32_t tag_of(uint64_t hash)
{
    uint32_t tag = (uint32_t)(hash >> 48);
    return tag == 0xFFFF ? 0xFFFE0000u : tag << 16;
}

/* Equal lengths. Up to 16 bytes two overlapping words cover the text. */
static bool same_bytes(const char *a, const char *b, size_t len)
{
    uint64_t a1, a2, b1, b2;
    if (len > 16 || len < 4)
        return memcmp(a, b, len) == 0;
    if (len >= 8) {
        memcpy(&a1, a, 8);
        memcpy(&b1, b, 8);
        memcpy(&a2, a + len - 8, 8);
        memcpy(&b2, b + len - 8, 8);
        return ((a1 ^ b1) | (a2 ^ b2)) == 0;
    }
    uint32_t c1, c2, d1, d2;
    memcpy(&c1, a, 4);
    memcpy(&d1, b, 4);
    memcpy(&c2, a + len - 4, 4);
    memcpy(&d2, b + len - 4, 4);
    return ((c1 ^ d1) | (c2 ^ d2)) == 0;
}

static bool holds(const struct od_segment_dict *dict, uint32_t code, struct od_str s)
{
    uint32_t from = dict->offsets[code];
    return dict->offsets[code + 1] - from == s.len && same_bytes(dict->text + from, s.ptr, s.len);
}

static enum od_status grow_slots(struct od_segment_dict *dict, size_t count)
{
    uint32_t *slots = malloc(count * sizeof *slots);
    if (!slots)
        return OD_NO_MEMORY;
    memset(slots, 0xFF, count * sizeof *slots);
    for (uint32_t code = 0; code < dict->count; code++) {
        struct od_str s = {dict->text + dict->offsets[code],
                           dict->offsets[code + 1] - dict->offsets[code]};
        uint64_t hash = hash_of(dict, s);
        size_t at = hash & (count - 1);
        while (slots[at] != EMPTY)
            at = (at + 1) & (count - 1);
        slots[at] = tag_of(hash) | code;
    }
    free(dict->slots);
    dict->slots = slots;
    dict->slot_count = count;
    return OD_OK;
}

static enum od_status grow_offsets(struct od_segment_dict *dict, size_t need)
{
    size_t cap = dict->offset_cap ? dict->offset_cap : 128;
    while (cap < need)
        cap *= 2;
    uint32_t *grown = realloc(dict->offsets, cap * sizeof *grown);
    if (!grown)
        return OD_NO_MEMORY;
    grown[0] = 0;
    dict->offsets = grown;
    dict->offset_cap = cap;
    return OD_OK;
}

static enum od_status grow_text(struct od_segment_dict *dict, size_t need)
{
    size_t cap = dict->text_cap ? dict->text_cap : 1024;
    while (cap < need)
        cap *= 2;
    char *grown = realloc(dict->text, cap);
    if (!grown)
        return OD_NO_MEMORY;
    dict->text = grown;
    dict->text_cap = cap;
    return OD_OK;
}

/* Room for count more texts of bytes together: adding them cannot fail then. */
static enum od_status room_for(struct od_segment_dict *dict, size_t count, size_t bytes)
{
    size_t texts = dict->count + count, used = od_segment_dict_text_bytes(dict);
    enum od_status s = OD_OK;
    if (texts > MOST || bytes > UINT32_MAX - used)
        return OD_LIMIT;
    if (texts + 1 > dict->offset_cap)
        s = grow_offsets(dict, texts + 1);
    if (s == OD_OK && (used + bytes > dict->text_cap || !dict->text))
        s = grow_text(dict, used + bytes);
    size_t slots = dict->slot_count ? dict->slot_count : FIRST_SLOTS;
    while (slots < 2 * texts)
        slots *= 2;
    if (s == OD_OK && slots != dict->slot_count)
        s = grow_slots(dict, slots);
    return s;
}

/* The code of a text for which there is room. */
static uint16_t code_of(struct od_segment_dict *dict, struct od_str s, uint64_t hash)
{
    uint32_t tag = tag_of(hash);
    size_t mask = dict->slot_count - 1, at = hash & mask;
    for (; dict->slots[at] != EMPTY; at = (at + 1) & mask) {
        uint32_t slot = dict->slots[at];
        if ((slot & 0xFFFF0000u) == tag && holds(dict, slot & 0xFFFFu, s))
            return (uint16_t)slot;
    }
    uint32_t code = dict->count++, from = dict->offsets[code];
    memcpy(dict->text + from, s.ptr, s.len);
    dict->offsets[code + 1] = from + (uint32_t)s.len;
    dict->slots[at] = tag | code;
    return (uint16_t)code;
}

/* Whether s is in; needs no room. */
static bool find(const struct od_segment_dict *dict, struct od_str s, uint64_t hash,
                 uint16_t *out_code)
{
    size_t mask = dict->slot_count - 1;
    for (size_t at = hash & mask; dict->slot_count && dict->slots[at] != EMPTY;
         at = (at + 1) & mask) {
        uint32_t slot = dict->slots[at];
        if ((slot & 0xFFFF0000u) == tag_of(hash) && holds(dict, slot & 0xFFFFu, s)) {
            *out_code = (uint16_t)slot;
            return true;
        }
    }
    return false;
}

enum od_status od_segment_dict_add(struct od_segment_dict *dict, struct od_str text,
                                   uint16_t *out_code)
{
    uint64_t hash = hash_of(dict, text);
    if (find(dict, text, hash, out_code))
        return OD_OK;
    enum od_status s = room_for(dict, 1, text.len);
    if (s == OD_OK)
        *out_code = code_of(dict, text, hash);
    return s;
}

/* Asks for the texts that the batch will be compared with: a slot's first guess is mostly right. */
static void fetch_texts(const struct od_segment_dict *dict, const struct od_value *values,
                        uint32_t count, const uint64_t *hashes)
{
    uint32_t guesses[OD_SEGMENT_DICT_BATCH], n = 0;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].kind == OD_VALUE_NULL)
            continue;
        uint32_t slot = dict->slots[hashes[i] & (dict->slot_count - 1)];
        if (slot == EMPTY)
            continue;
        guesses[n++] = slot & 0xFFFFu;
        __builtin_prefetch(&dict->offsets[slot & 0xFFFFu]);
    }
    for (uint32_t i = 0; i < n; i++)
        __builtin_prefetch(dict->text + dict->offsets[guesses[i]]);
}

enum od_status od_segment_dict_add_batch(struct od_segment_dict *dict,
                                         const struct od_value *values, uint32_t count,
                                         uint16_t *out_codes)
{
    uint64_t hashes[OD_SEGMENT_DICT_BATCH];
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += values[i].kind == OD_VALUE_NULL ? 0 : values[i].text.len;
    enum od_status s = room_for(dict, count, bytes);
    if (s != OD_OK)
        return s;
    for (uint32_t i = 0; i < count; i++) {
        if (values[i].kind == OD_VALUE_NULL)
            continue;
        hashes[i] = hash_of(dict, values[i].text);
        __builtin_prefetch(&dict->slots[hashes[i] & (dict->slot_count - 1)]);
    }
    fetch_texts(dict, values, count, hashes);
    for (uint32_t i = 0; i < count; i++)
        out_codes[i] =
            values[i].kind == OD_VALUE_NULL ? 0 : code_of(dict, values[i].text, hashes[i]);
    return OD_OK;
}
