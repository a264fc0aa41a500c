/* Leave one out: the place of each user's last item among all items.
 *
 * Candidates are all items of the full set but those of the user's input; the test item always
 * takes part, even when the user had it before. Items that the model scores -INFINITY or does not
 * know stand behind all others, so a tie counts against the model and an unknown test item is a
 * miss. Each user's place goes to its own slot; sums are in user order. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "os/parallel.h"
#include "recipes/metrics.h"

#define BLOCK 32
#define TOP   10

struct loo {
    const struct od_scorer *scorer;
    const struct od_split *split;
    uint64_t *place;         /* [test_count] from 1; 0: a miss */
    struct od_error *errors; /* one a part */
};

struct bench {
    struct od_arena arena;
    float *scores;
    struct od_past_event *events;
};

static uint64_t place_of(const struct loo *loo, uint32_t index, float *scores)
{
    const struct od_training *full = loo->split->full;
    uint32_t test = loo->split->item_map[full->item[loo->split->input_end[index]]];
    if (test == OD_NO_CODE || !(scores[test] > -INFINITY))
        return 0;
    float bar = scores[test];
    uint64_t start = full->user_start[loo->split->test_user[index]];
    for (uint64_t i = start; i < loo->split->input_end[index]; i++)
        if (loo->split->item_map[full->item[i]] != OD_NO_CODE)
            scores[loo->split->item_map[full->item[i]]] = -INFINITY;
    scores[test] = -INFINITY;
    uint64_t place = 1;
    for (uint32_t i = 0; i < loo->split->train->item_count; i++)
        place += !(scores[i] < bar);
    return place;
}

static enum od_status ask_block(void *context, size_t block, unsigned thread)
{
    (void)thread;
    struct loo *loo = context;
    const struct od_split *split = loo->split;
    struct bench bench = {
        .scores = malloc(((size_t)split->train->item_count + 1) * sizeof *bench.scores),
        .events = malloc((split->most_events + 1) * sizeof *bench.events),
    };
    od_arena_init(&bench.arena, SIZE_MAX);
    enum od_status s = OD_OK;
    if (!bench.scores || !bench.events)
        s = od_fail(&loo->errors[block], OD_NO_MEMORY, NULL);
    for (uint32_t i = (uint32_t)block * BLOCK;
         s == OD_OK && i < (block + 1) * BLOCK && i < split->test_count; i++) {
        struct od_query query;
        od_arena_reset(&bench.arena);
        od_split_query(split, i, bench.events, &query);
        s = loo->scorer->score(loo->scorer->context, &query, &bench.arena, bench.scores,
                               &loo->errors[block]);
        if (s == OD_OK)
            loo->place[i] = place_of(loo, i, bench.scores);
    }
    od_arena_done(&bench.arena);
    free(bench.scores);
    free(bench.events);
    return s;
}

static void sum_up(const struct loo *loo, struct od_loo_result *out)
{
    uint32_t users = loo->split->test_count;
    double hits = 0, gain = 0;
    for (uint32_t i = 0; i < users; i++) {
        if (loo->place[i] == 0 || loo->place[i] > TOP)
            continue;
        hits += 1;
        gain += 1 / log2((double)loo->place[i] + 1);
    }
    *out = (struct od_loo_result){
        .hit_rate_at_10 = users ? hits / users : 0,
        .ndcg_at_10 = users ? gain / users : 0,
        .users = users,
        .skipped = loo->split->skipped,
    };
}

enum od_status od_eval_loo(const struct od_scorer *scorer, const struct od_split *split,
                           unsigned threads, struct od_loo_result *out, struct od_error *err)
{
    size_t blocks = ((size_t)split->test_count + BLOCK - 1) / BLOCK;
    struct loo loo = {
        .scorer = scorer,
        .split = split,
        .place = calloc((size_t)split->test_count + 1, sizeof *loo.place),
        .errors = calloc(blocks + 1, sizeof *loo.errors),
    };
    enum od_status s = OD_NO_MEMORY;
    if (loo.place && loo.errors)
        s = od_parallel(threads, blocks, ask_block, &loo);
    else
        od_fail(err, s, NULL);
    for (size_t i = 0; s != OD_OK && loo.errors && i < blocks; i++)
        if (loo.errors[i].code == s) {
            od_error_copy(err, &loo.errors[i]);
            break;
        }
    if (s == OD_OK)
        sum_up(&loo, out);
    free(loo.place);
    free(loo.errors);
    return s;
}
