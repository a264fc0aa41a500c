/* Sorting millions of ids by their bytes.
 *
 * Most comparisons of a string sort read bytes that all ids share ("user_0000..."), through two
 * pointers that miss the cache. So the longest common prefix is skipped once, the next eight bytes
 * of each id become a big-endian number beside its code, and those pairs are sorted without
 * touching a text. Only runs of equal numbers look at their texts again, eight bytes further on.
 *
 * Invariant: inside a run all texts agree on the bytes before depth (a text that ended earlier
 * counts as followed by zero bytes; od_str_cmp settles such ties in the end). */
#include "data/training_ids.h"

#include <stdlib.h>
#include <string.h>

#define SMALL_RUN 24   /* up to here comparing whole texts is cheaper than keys */
#define MAX_DEPTH 2048 /* past this many bytes runs are compared whole: bounds the recursion */

struct entry {
    uint64_t key;
    uint32_t code;
    uint32_t pad;
};

struct sorter {
    const struct od_dict *dict;
    struct entry *entries;
    struct entry *spare;
};

static uint64_t key_at(struct od_str text, size_t depth)
{
    unsigned char bytes[8] = {0};
    if (depth < text.len) {
        size_t left = text.len - depth;
        memcpy(bytes, text.ptr + depth, left < 8 ? left : 8);
    }
    uint64_t key = 0;
    for (int i = 0; i < 8; i++)
        key = key << 8 | bytes[i];
    return key;
}

static int compare_texts(const void *a, const void *b, void *context)
{
    const struct od_dict *dict = context;
    return od_str_cmp(od_dict_text(dict, ((const struct entry *)a)->code),
                      od_dict_text(dict, ((const struct entry *)b)->code));
}

static int compare_keys(const void *a, const void *b)
{
    uint64_t x = ((const struct entry *)a)->key, y = ((const struct entry *)b)->key;
    return (x > y) - (x < y);
}

/* One stable counting pass a byte, from the last; bytes equal in all keys cost only the count. */
static void radix_keys(struct sorter *sorter, size_t from, size_t count)
{
    struct entry *a = sorter->entries + from, *b = sorter->spare + from;
    for (unsigned shift = 0; shift < 64; shift += 8) {
        size_t at[257] = {0};
        for (size_t i = 0; i < count; i++)
            at[(a[i].key >> shift & 255) + 1]++;
        if (at[(a[0].key >> shift & 255) + 1] == count)
            continue;
        for (int i = 0; i < 256; i++)
            at[i + 1] += at[i];
        for (size_t i = 0; i < count; i++)
            b[at[a[i].key >> shift & 255]++] = a[i];
        struct entry *swap = a;
        a = b;
        b = swap;
    }
    if (a != sorter->entries + from)
        memcpy(sorter->entries + from, a, count * sizeof *a);
}

static void sort_run(struct sorter *sorter, size_t from, size_t count, size_t depth)
{
    struct entry *run = sorter->entries + from;
    if (count <= SMALL_RUN || depth > MAX_DEPTH) {
        qsort_r(run, count, sizeof *run, compare_texts, (void *)sorter->dict);
        return;
    }
    for (size_t i = 0; i < count; i++)
        run[i].key = key_at(od_dict_text(sorter->dict, run[i].code), depth);
    if (count >= 512)
        radix_keys(sorter, from, count);
    else
        qsort(run, count, sizeof *run, compare_keys);
    for (size_t i = 0; i < count;) {
        size_t end = i + 1;
        while (end < count && run[end].key == run[i].key)
            end++;
        if (end - i > 1)
            sort_run(sorter, from + i, end - i, depth + 8);
        i = end;
    }
}

static size_t common_prefix(const struct od_dict *dict)
{
    struct od_str first = od_dict_text(dict, 0);
    size_t common = first.len;
    for (uint32_t i = 1; i < od_dict_count(dict); i++) {
        struct od_str text = od_dict_text(dict, i);
        size_t n = 0;
        while (n < common && n < text.len && text.ptr[n] == first.ptr[n])
            n++;
        common = n;
    }
    return common;
}

static enum od_status rebuild(const struct sorter *sorter, struct od_dict *to, uint32_t *map)
{
    for (uint32_t i = 0; i < od_dict_count(sorter->dict); i++) {
        uint32_t old = sorter->entries[i].code;
        enum od_status s = od_dict_add(to, od_dict_text(sorter->dict, old), &map[old]);
        if (s != OD_OK)
            return s;
    }
    return OD_OK;
}

enum od_status od_training_sort_ids(const struct od_dict *from, struct od_dict **out,
                                    uint32_t **out_map)
{
    uint32_t count = od_dict_count(from);
    struct sorter sorter = {.dict = from};
    enum od_status s = OD_NO_MEMORY;
    struct od_dict *dict = od_dict_new();
    uint32_t *map = malloc(((size_t)count + 1) * sizeof *map);
    sorter.entries = malloc(((size_t)count + 1) * sizeof *sorter.entries);
    sorter.spare = malloc(((size_t)count + 1) * sizeof *sorter.spare);
    if (!dict || !map || !sorter.entries || !sorter.spare)
        goto out;
    for (uint32_t i = 0; i < count; i++)
        sorter.entries[i] = (struct entry){.code = i};
    if (count > 1)
        sort_run(&sorter, 0, count, common_prefix(from));
    s = rebuild(&sorter, dict, map);
    if (s == OD_OK) {
        *out = dict;
        *out_map = map;
        dict = NULL;
        map = NULL;
    }
out:
    od_dict_free(dict);
    free(map);
    free(sorter.entries);
    free(sorter.spare);
    return s;
}
