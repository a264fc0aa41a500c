/* The distinct pairs of user and item, sorted both ways.
 *
 * A user's items are written as they come, sorted and made distinct in place; the transposed side
 * follows by a counting sort over users in order, so its columns ascend without sorting. */
#include "recipes/als.h"

#include <stdlib.h>
#include <string.h>

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void fill_users(struct od_als_side *users, const struct od_training *t, const uint64_t *end)
{
    uint64_t at = 0;
    for (uint32_t u = 0; u < users->rows; u++) {
        uint64_t first = t->user_start[u], count = end[u] - first, kept = 0;
        uint32_t *col = users->col + at;
        memcpy(col, t->item + first, count * sizeof *col);
        qsort(col, count, sizeof *col, by_code);
        for (uint64_t k = 0; k < count; k++)
            if (k == 0 || col[k] != col[kept - 1])
                col[kept++] = col[k];
        users->at[u] = at;
        at += kept;
    }
    users->at[users->rows] = at;
}

static void fill_items(struct od_als_side *items, const struct od_als_side *users)
{
    uint64_t *at = items->at;
    for (uint64_t k = 0; k < users->at[users->rows]; k++)
        at[users->col[k] + 1]++;
    for (uint32_t i = 0; i < items->rows; i++)
        at[i + 1] += at[i];
    for (uint32_t u = 0; u < users->rows; u++)
        for (uint64_t k = users->at[u]; k < users->at[u + 1]; k++)
            items->col[at[users->col[k]]++] = u;
    memmove(at + 1, at, items->rows * sizeof *at);
    at[0] = 0;
}

enum od_status od_als_matrix_init(struct od_als_matrix *out, const struct od_training *t,
                                  const uint64_t *end, struct od_error *err)
{
    struct od_als_matrix m = {.users = {.rows = t->user_count}, .items = {.rows = t->item_count}};
    uint64_t events = 1;
    for (uint32_t u = 0; u < t->user_count; u++)
        events += end[u] - t->user_start[u];
    m.users.at = calloc((size_t)m.users.rows + 1, sizeof *m.users.at);
    m.items.at = calloc((size_t)m.items.rows + 1, sizeof *m.items.at);
    m.users.col = malloc(events * sizeof *m.users.col);
    if (m.users.at && m.items.at && m.users.col) {
        fill_users(&m.users, t, end);
        m.items.col = malloc((m.users.at[m.users.rows] + 1) * sizeof *m.items.col);
    }
    if (!m.items.col) {
        od_als_matrix_done(&m);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    fill_items(&m.items, &m.users);
    *out = m;
    return OD_OK;
}

void od_als_matrix_done(struct od_als_matrix *matrix)
{
    free(matrix->users.at);
    free(matrix->users.col);
    free(matrix->items.at);
    free(matrix->items.col);
    *matrix = (struct od_als_matrix){0};
}
