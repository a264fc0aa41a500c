/* Data sets without an order, such as dumps of a table of pairs, come sorted by item. Whoever is
 * then asked for the "last" item of a user is asked for the highest id, and everything that is
 * learnt from that is wrong: which parts serve, what decays, what a repeat means. With events in a
 * random order the held-out ones are a fair sample, order-bound parts see that order tells nothing,
 * and the unordered ones get their due. */
#include "recipes/unordered.h"

#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "recipes/blend_recent.h"

enum { LEAST_STEPS = 200 };
#define SORTED 0.99 /* share of the steps */

static bool rises(struct od_str a, struct od_str b, bool by_length)
{
    if (by_length && a.len != b.len)
        return a.len < b.len;
    size_t n = a.len < b.len ? a.len : b.len;
    int order = n ? memcmp(a.ptr, b.ptr, n) : 0;
    return order ? order < 0 : a.len < b.len;
}

/* Whether so many of the steps rise that the set is sorted if all that may follow do too. */
static bool sorted(uint64_t up, uint64_t steps, uint64_t following)
{
    return (double)(up + following) >= SORTED * (double)(steps + following);
}

bool od_unordered(const struct od_training *t)
{
    uint64_t steps = 0, up[2] = {0};
    if (t->dealt || t->context_count || t->lists)
        return t->dealt;
    for (uint32_t u = 0; u < t->user_count; u++) {
        for (uint64_t e = t->user_start[u] + 1; e < t->user_start[u + 1]; e++) {
            if (t->item[e] == t->item[e - 1])
                continue;
            struct od_str a = od_dict_text(t->items, t->item[e - 1]);
            struct od_str b = od_dict_text(t->items, t->item[e]);
            steps++;
            up[0] += rises(a, b, false);
            up[1] += rises(a, b, true);
        }
        uint64_t following = t->event_count - t->user_start[u + 1];
        if (!sorted(up[0], steps, following) && !sorted(up[1], steps, following))
            return false;
    }
    return steps >= LEAST_STEPS && !od_recent_real(t);
}

void od_shuffled_done(struct od_shuffled *s)
{
    free(s->item);
    free(s->type);
    free(s->value);
    *s = (struct od_shuffled){0};
}

static void shuffle_user(struct od_shuffled *s, uint64_t start, uint64_t end, struct od_random *rng)
{
    for (uint64_t n = end - start; n > 1; n--) {
        uint64_t a = start + n - 1, b = start + od_random_below(rng, n);
        uint32_t item = s->item[a];
        uint16_t type = s->type[a];
        float value = s->value ? s->value[a] : 0;
        s->item[a] = s->item[b];
        s->type[a] = s->type[b];
        s->item[b] = item;
        s->type[b] = type;
        if (!s->value)
            continue;
        s->value[a] = s->value[b];
        s->value[b] = value;
    }
}

enum od_status od_shuffled_init(struct od_shuffled *out, const struct od_training *from,
                                uint64_t seed)
{
    size_t n = (size_t)from->event_count;
    struct od_shuffled s = {*from, malloc((n + 1) * sizeof *s.item),
                            malloc((n + 1) * sizeof *s.type),
                            from->value ? malloc((n + 1) * sizeof *s.value) : NULL};
    *out = (struct od_shuffled){0};
    if (!s.item || !s.type || (from->value && !s.value)) {
        od_shuffled_done(&s);
        return OD_NO_MEMORY;
    }
    memcpy(s.item, from->item, n * sizeof *s.item);
    memcpy(s.type, from->type, n * sizeof *s.type);
    if (s.value)
        memcpy(s.value, from->value, n * sizeof *s.value);
    struct od_random rng;
    od_random_init2(&rng, seed, 0x73687566); /* "shuf" */
    for (uint32_t u = 0; u < from->user_count; u++)
        shuffle_user(&s, from->user_start[u], from->user_start[u + 1], &rng);
    s.training.item = s.item;
    s.training.type = s.type;
    s.training.value = s.value;
    s.training.dealt = true;
    *out = s;
    return OD_OK;
}
