/* Counting the rows of P (walk.h).
 *
 * A row is counted alone: for each user of its item, 1 / n_u is added to every item of that user. A
 * row needs one sum an item and nothing of other rows, so rows go to all cores, and users come in
 * order, so no thread count changes a bit. Which sums were touched is kept as bits, whose words are
 * then read in order: no sorting, and no pass over the whole catalogue's sums.
 *
 * The work is the sum over users of the square of their items. Users with the longest histories,
 * whose pairs weigh least, are left out until OD_WALK_PAIRS hold the rest. */
#include "recipes/walk.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"

enum { PART = 32 };

struct scratch {
    float *sum;      /* [items] all 0 between rows */
    uint64_t *found; /* bitmap over items, all 0 between rows */
    uint32_t *column;
    float *value;
    struct od_linar_scratch *put;
};

struct count {
    const struct od_als_matrix *matrix;
    struct od_walk_fit *fit;
    bool *heard;             /* [users] */
    const float *damp;       /* [items] n^-OD_WALK_CUT */
    struct scratch *scratch; /* [threads] */
};

static uint64_t size_of(const struct od_als_side *side, uint32_t row)
{
    return side->at[row + 1] - side->at[row];
}

static int by_size(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* out[users]: who is heard, the shortest histories first, of equal ones the first. */
static enum od_status choose_users(const struct od_als_side *users, bool *out)
{
    uint64_t *size = malloc(((size_t)users->rows + 1) * sizeof *size);
    if (!size)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < users->rows; u++)
        size[u] = size_of(users, u);
    qsort(size, users->rows, sizeof *size, by_size);
    double pairs = 0;
    uint32_t heard = 0, equal = 0;
    for (; heard < users->rows; heard++) {
        pairs += (double)size[heard] * (double)size[heard];
        if (pairs > OD_WALK_PAIRS)
            break;
        equal = heard && size[heard] == size[heard - 1] ? equal + 1 : 1;
    }
    uint64_t most = heard ? size[heard - 1] : 0;
    for (uint32_t u = 0; u < users->rows; u++) {
        uint64_t n = size_of(users, u);
        out[u] = n < most || (n == most && equal > 0);
        equal -= n == most && equal > 0;
    }
    free(size);
    return OD_OK;
}

static bool scratch_init(struct scratch *s, const struct od_linar_rows *rows)
{
    size_t n = (size_t)rows->items + 64;
    *s = (struct scratch){.sum = calloc(n, sizeof *s->sum),
                          .found = calloc(n / 64 + 1, sizeof *s->found),
                          .column = malloc(n * sizeof *s->column),
                          .value = malloc(n * sizeof *s->value),
                          .put = od_linar_scratch_new(rows)};
    return s->sum && s->found && s->column && s->value && s->put;
}

static void scratch_done(struct scratch *s)
{
    free(s->sum);
    free(s->found);
    free(s->column);
    free(s->value);
    free(s->put);
}

static void add_users(const struct count *c, uint32_t item, struct scratch *s)
{
    const struct od_als_side *users = &c->matrix->users, *items = &c->matrix->items;
    for (uint64_t k = items->at[item]; k < items->at[item + 1]; k++) {
        uint32_t user = items->col[k];
        if (!c->heard[user])
            continue;
        float says = 1 / (float)size_of(users, user);
        for (uint64_t e = users->at[user]; e < users->at[user + 1]; e++) {
            uint32_t other = users->col[e];
            s->sum[other] += says;
            s->found[other / 64] |= UINT64_C(1) << other % 64;
        }
    }
}

/* The row's entries in order of their columns; leaves the scratch at 0. */
static uint32_t collect(const struct count *c, uint32_t item, struct scratch *s)
{
    float per = 1 / (float)size_of(&c->matrix->items, item);
    uint32_t count = 0;
    for (size_t w = 0; w <= c->fit->rows.items / 64; w++)
        for (; s->found[w]; s->found[w] &= s->found[w] - 1) {
            uint32_t other = (uint32_t)(w * 64) + (uint32_t)__builtin_ctzll(s->found[w]);
            if (other != item) {
                s->column[count] = other;
                s->value[count++] = s->sum[other] * per * c->damp[other];
            }
            s->sum[other] = 0;
        }
    return count;
}

static enum od_status count_part(void *context, size_t index, unsigned thread)
{
    const struct count *c = context;
    struct scratch *s = &c->scratch[thread];
    struct od_linar_rows *rows = &c->fit->rows;
    if (!s->sum && !scratch_init(s, rows))
        return OD_NO_MEMORY;
    enum od_status st = OD_OK;
    for (size_t i = index * PART; i < (index + 1) * PART && i < rows->items && st == OD_OK; i++) {
        add_users(c, (uint32_t)i, s);
        uint32_t count = collect(c, (uint32_t)i, s);
        st = od_linar_rows_put(rows, i, s->column, s->value, count, s->put);
    }
    return st;
}

static enum od_status count_all(struct count *c, unsigned threads)
{
    uint32_t items = c->matrix->items.rows;
    unsigned all = threads ? threads : od_cpu_count();
    float *damp = malloc(((size_t)items + 1) * sizeof *damp);
    c->damp = damp;
    c->heard = malloc(((size_t)c->matrix->users.rows + 1) * sizeof *c->heard);
    c->scratch = calloc(all, sizeof *c->scratch);
    enum od_status st = OD_NO_MEMORY;
    if (damp && c->heard && c->scratch)
        st = choose_users(&c->matrix->users, c->heard);
    for (uint32_t i = 0; i < items && st == OD_OK; i++) {
        c->fit->users[i] = (uint32_t)size_of(&c->matrix->items, i);
        damp[i] = powf((float)c->fit->users[i] + !c->fit->users[i], -OD_WALK_CUT);
    }
    if (st == OD_OK)
        st = od_parallel(all, ((size_t)items + PART - 1) / PART, count_part, c);
    for (unsigned t = 0; c->scratch && t < all; t++)
        scratch_done(&c->scratch[t]);
    free(c->scratch);
    free(c->heard);
    free(damp);
    return st;
}

enum od_status od_walk_fit_init(struct od_walk_fit *out, const struct od_als_matrix *matrix,
                                uint32_t entries, unsigned threads, struct od_error *err)
{
    enum { LEAST = 50, MOST = 1000 };
    uint32_t items = matrix->items.rows, keep = items ? entries / items : 0;
    struct od_walk_fit fit = {0};
    keep = keep < LEAST ? LEAST : keep > MOST ? MOST : keep;
    enum od_status st = od_linar_rows_init(&fit.rows, items, 1, keep, err);
    if (st != OD_OK)
        return st;
    fit.users = malloc(((size_t)items + 1) * sizeof *fit.users);
    struct count count = {.matrix = matrix, .fit = &fit};
    st = fit.users ? count_all(&count, threads) : OD_NO_MEMORY;
    if (st == OD_OK)
        *out = fit;
    else
        od_walk_fit_done(&fit);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_walk_fit_done(struct od_walk_fit *fit)
{
    od_linar_rows_done(&fit->rows);
    free(fit->users);
    *fit = (struct od_walk_fit){0};
}
