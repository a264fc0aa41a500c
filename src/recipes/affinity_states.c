/* Histories as distributions over items. See affinity.h.
 *
 * Two decays, by place in the history: the fast one is what the user does these days, the slow one
 * what the user is like. Places instead of dates, because a user who comes back after a year comes
 * back with the same tastes; how likely a user is to come back is the rate's business
 * (affinity_rate.c). */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/affinity.h"

#define PART_USERS 1024

const double od_affinity_decay[OD_AFFINITY_KERNELS] = {0.8, 0.99};

struct entry {
    uint32_t item;
    float weight[OD_AFFINITY_KERNELS];
};

struct job {
    struct od_affinity_states *states;
    const struct od_training *training;
    const uint64_t *end;
    uint32_t *count; /* [user_count] distinct items */
};

static int compare_entries(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->item != y->item)
        return x->item < y->item ? -1 : 1;
    return (x->weight[1] < y->weight[1]) - (x->weight[1] > y->weight[1]); /* newer first */
}

/* The entries of one user, merged by item; returns how many. */
static uint32_t user_entries(const struct od_training *t, uint32_t u, uint64_t end,
                             struct entry *out, double sum[OD_AFFINITY_KERNELS])
{
    uint64_t start = t->user_start[u];
    uint32_t n = 0, distinct = 0;
    double weight[OD_AFFINITY_KERNELS];
    for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
        weight[k] = 1;
        sum[k] = 0;
    }
    for (uint64_t e = end; e > start && n < OD_AFFINITY_EVENTS; e--, n++) {
        out[n].item = t->item[e - 1];
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
            out[n].weight[k] = (float)weight[k];
            sum[k] += weight[k];
            weight[k] *= od_affinity_decay[k];
        }
    }
    qsort(out, n, sizeof *out, compare_entries);
    for (uint32_t i = 0; i < n; i++) {
        struct entry next = out[i]; /* out[distinct] may be the same place */
        if (!distinct || out[distinct - 1].item != next.item)
            out[distinct++] = (struct entry){.item = next.item};
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++)
            out[distinct - 1].weight[k] += next.weight[k] / (float)sum[k];
    }
    return distinct;
}

static enum od_status fill_part(void *context, size_t part, unsigned thread)
{
    (void)thread;
    struct job *job = context;
    struct od_affinity_states *s = job->states;
    struct entry entries[OD_AFFINITY_EVENTS];
    double sum[OD_AFFINITY_KERNELS];
    size_t last = (part + 1) * PART_USERS;
    for (size_t u = part * PART_USERS; u < last && u < s->user_count; u++) {
        uint32_t n = user_entries(job->training, (uint32_t)u, job->end[u], entries, sum);
        job->count[u] = n;
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++)
            s->size[k][u] = (float)sqrt(sum[k]);
        for (uint32_t i = 0; i < n; i++) {
            s->item[s->at[u] + i] = entries[i].item;
            for (int k = 0; k < OD_AFFINITY_KERNELS; k++)
                s->weight[k][s->at[u] + i] = entries[i].weight[k];
        }
    }
    return OD_OK;
}

/* Closes the gaps that repeated items left. */
static void compact(struct od_affinity_states *s, const uint32_t *count)
{
    uint64_t to = 0;
    for (uint32_t u = 0; u < s->user_count; u++) {
        uint64_t from = s->at[u];
        memmove(s->item + to, s->item + from, count[u] * sizeof *s->item);
        for (int k = 0; k < OD_AFFINITY_KERNELS; k++)
            memmove(s->weight[k] + to, s->weight[k] + from, count[u] * sizeof *s->weight[k]);
        s->at[u] = to;
        to += count[u];
    }
    s->at[s->user_count] = to;
}

enum od_status od_affinity_states_init(struct od_affinity_states *out,
                                       const struct od_training *training, const uint64_t *end,
                                       unsigned threads)
{
    struct od_affinity_states s = {.user_count = training->user_count};
    uint32_t *count = malloc(((size_t)s.user_count + 1) * sizeof *count);
    s.at = malloc(((size_t)s.user_count + 1) * sizeof *s.at);
    uint64_t most = 0;
    for (uint32_t u = 0; s.at && u < s.user_count; u++) {
        uint64_t n = end[u] - training->user_start[u];
        s.at[u] = most;
        most += n < OD_AFFINITY_EVENTS ? n : OD_AFFINITY_EVENTS;
    }
    s.item = malloc((most + 1) * sizeof *s.item);
    bool room = count && s.at && s.item;
    for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
        s.weight[k] = malloc((most + 1) * sizeof *s.weight[k]);
        s.size[k] = malloc(((size_t)s.user_count + 1) * sizeof *s.size[k]);
        room = room && s.weight[k] && s.size[k];
    }
    enum od_status st = OD_NO_MEMORY;
    if (room) {
        struct job job = {&s, training, end, count};
        st = od_parallel(threads, (s.user_count + PART_USERS - 1) / PART_USERS, fill_part, &job);
        compact(&s, count);
    }
    free(count);
    if (st == OD_OK)
        *out = s;
    else
        od_affinity_states_done(&s);
    return st;
}

void od_affinity_states_done(struct od_affinity_states *states)
{
    free(states->at);
    free(states->item);
    for (int k = 0; k < OD_AFFINITY_KERNELS; k++) {
        free(states->weight[k]);
        free(states->size[k]);
    }
    *states = (struct od_affinity_states){0};
}
