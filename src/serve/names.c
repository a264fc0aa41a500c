/* Sorted array with binary search: a server has tens of campaigns and filters, read on every query
 * and changed a few times a day. Removal leaves nothing behind, unlike a dictionary of all ARNs
 * ever seen. */
#include "serve/names.h"

#include <stdlib.h>
#include <string.h>

void od_names_done(struct od_names *names)
{
    free(names->list);
    *names = (struct od_names){NULL, 0, 0};
}

/* Where name is, or where it belongs. */
static size_t place(const struct od_names *names, struct od_str name, bool *out_found)
{
    size_t low = 0, high = names->count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = od_str_cmp(names->list[middle].name, name);
        if (order == 0) {
            *out_found = true;
            return middle;
        }
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    *out_found = false;
    return low;
}

void *od_names_find(const struct od_names *names, struct od_str name)
{
    bool found;
    size_t at = place(names, name, &found);
    return found ? names->list[at].value : NULL;
}

enum od_status od_names_put(struct od_names *names, struct od_str name, void *value, void **out_old)
{
    bool found;
    size_t at = place(names, name, &found);
    if (found) {
        *out_old = names->list[at].value;
        names->list[at] = (struct od_names_entry){name, value};
        return OD_OK;
    }
    if (names->count == names->cap) {
        size_t cap = names->cap ? names->cap * 2 : 8;
        struct od_names_entry *list = realloc(names->list, cap * sizeof *list);
        if (!list)
            return OD_NO_MEMORY;
        names->list = list;
        names->cap = cap;
    }
    memmove(names->list + at + 1, names->list + at, (names->count - at) * sizeof *names->list);
    names->list[at] = (struct od_names_entry){name, value};
    names->count++;
    *out_old = NULL;
    return OD_OK;
}

void *od_names_take(struct od_names *names, struct od_str name)
{
    bool found;
    size_t at = place(names, name, &found);
    if (!found)
        return NULL;
    void *value = names->list[at].value;
    names->count--;
    memmove(names->list + at, names->list + at + 1, (names->count - at) * sizeof *names->list);
    return value;
}
