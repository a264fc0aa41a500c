/* A small open-addressing dictionary: see segment_dict.h.
 *
 * Three look-ups a row make this the hot spot of an import, hence its shape: a slot is 4 bytes (16
 * bits of hash, 16 bits of code), so that the table of a column with few values stays in the first
 * cache and that of 65,536 distinct ids fits the second; texts of up to 16 bytes, nearly all ids,
 * are hashed in line with two loads and one multiplication.
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

static bool holds(const struct od_segment_dict *dict, uint32_t code, struct od_str s)
{
    uint32_t from = dict->offsets[code];
    return dict->offsets[code + 1] - from == s.len && memcmp(dict->text + from, s.ptr, s.len) == 0;
}

static enum od_status grow_slots(struct od_segment_dict *dict)
{
    size_t count = dict->slot_count ? 2 * dict->slot_count : FIRST_SLOTS;
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

static enum od_status room_for(struct od_segment_dict *dict, size_t len)
{
    size_t used = od_segment_dict_text_bytes(dict);
    if (dict->count == MOST || len > UINT32_MAX - used)
        return OD_LIMIT;
    if (dict->count + 2 > dict->offset_cap) {
        size_t cap = dict->offset_cap ? 2 * dict->offset_cap : 128;
        uint32_t *grown = realloc(dict->offsets, cap * sizeof *grown);
        if (!grown)
            return OD_NO_MEMORY;
        grown[0] = 0;
        dict->offsets = grown;
        dict->offset_cap = cap;
    }
    if (used + len > dict->text_cap) {
        size_t cap = dict->text_cap ? dict->text_cap : 1024;
        while (cap < used + len)
            cap *= 2;
        char *grown = realloc(dict->text, cap);
        if (!grown)
            return OD_NO_MEMORY;
        dict->text = grown;
        dict->text_cap = cap;
    }
    return OD_OK;
}

static enum od_status add_new(struct od_segment_dict *dict, struct od_str s, uint64_t hash,
                              uint16_t *out_code)
{
    enum od_status status = room_for(dict, s.len);
    if (status == OD_OK && 2 * ((size_t)dict->count + 1) > dict->slot_count)
        status = grow_slots(dict);
    if (status != OD_OK)
        return status;
    size_t mask = dict->slot_count - 1, at = hash & mask;
    while (dict->slots[at] != EMPTY)
        at = (at + 1) & mask;
    uint32_t code = dict->count++;
    memcpy(dict->text + dict->offsets[code], s.ptr, s.len);
    dict->offsets[code + 1] = dict->offsets[code] + (uint32_t)s.len;
    dict->slots[at] = tag_of(hash) | code;
    *out_code = (uint16_t)code;
    return OD_OK;
}

enum od_status od_segment_dict_add(struct od_segment_dict *dict, struct od_str text,
                                   uint16_t *out_code)
{
    uint64_t hash = hash_of(dict, text);
    if (!dict->slot_count)
        return add_new(dict, text, hash, out_code);
    uint32_t tag = tag_of(hash);
    size_t mask = dict->slot_count - 1;
    for (size_t at = hash & mask; dict->slots[at] != EMPTY; at = (at + 1) & mask) {
        uint32_t slot = dict->slots[at];
        if ((slot & 0xFFFF0000u) == tag && holds(dict, slot & 0xFFFFu, text)) {
            *out_code = (uint16_t)slot;
            return OD_OK;
        }
    }
    return add_new(dict, text, hash, out_code);
}
