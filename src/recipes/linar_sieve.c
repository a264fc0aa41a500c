/* See linar_sieve.h. */
#include "recipes/linar_sieve.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/topk.h"

enum od_status od_linar_sieve_init(struct od_linar_sieve *s, uint32_t columns, uint32_t keep)
{
    *s = (struct od_linar_sieve){.vector = od_kernels_best(), .keep = keep};
    s->room = keep > columns / 2 ? columns : 2 * keep;
    size_t top = od_topk_scratch(keep), room = (size_t)s->room;
    s->memory = malloc(top * sizeof *s->top + (OD_PANEL * 2 + 1) * room * sizeof *s->value);
    s->top = s->memory;
    if (!s->memory)
        return OD_NO_MEMORY;
    s->column = (uint32_t *)(void *)(s->top + top);
    s->value = (float *)(void *)(s->column + OD_PANEL * room);
    s->size = s->value + OD_PANEL * room;
    return OD_OK;
}

void od_linar_sieve_done(struct od_linar_sieve *s)
{
    free(s->memory);
    *s = (struct od_linar_sieve){0};
}

void od_linar_sieve_reset(struct od_linar_sieve *s, size_t rows)
{
    memset(s->count, 0, sizeof s->count);
    for (size_t l = 0; l < OD_PANEL; l++)
        s->limit[l] = l < rows ? 0 : INFINITY;
}

/* Leaves the keep largest of a row. */
static void thin(struct od_linar_sieve *s, size_t row)
{
    uint32_t *column = s->column + row * s->room, put = 0;
    float *value = s->value + row * s->room, least;
    for (uint32_t i = 0; i < s->count[row]; i++)
        s->size[i] = fabsf(value[i]);
    size_t equal = od_topk_cut(s->vector, s->size, s->count[row], s->keep, s->top, &least);
    for (uint32_t i = 0; i < s->count[row]; i++) {
        if (s->size[i] < least || (s->size[i] <= least && equal == 0))
            continue;
        equal -= s->size[i] <= least;
        column[put] = column[i];
        value[put++] = value[i];
    }
    s->count[row] = put;
    s->limit[row] = least;
}

enum od_status od_linar_sieve_add(struct od_linar_sieve *s, uint32_t first, const float *panel,
                                  size_t lines)
{
    uint32_t mask = 0;
    for (size_t j = 0; (j = s->vector->beyond(panel, j, lines, s->limit, &mask)) < lines; j++)
        for (; mask; mask &= mask - 1) {
            size_t row = (size_t)__builtin_ctz(mask);
            float value = panel[j * OD_PANEL + row];
            if (!isfinite(value))
                return OD_INVALID_INPUT;
            if (s->count[row] == s->room)
                thin(s, row);
            if (fabsf(value) > s->limit[row]) {
                size_t at = row * s->room + s->count[row]++;
                s->column[at] = first + (uint32_t)j;
                s->value[at] = value;
            }
        }
    return OD_OK;
}
