/* Splits. Training keeps a first part of each user's events (od_training_subset), so a split is two
 * numbers a user: how many events are trained on, and where the input ends.
 *
 * Choosing a tenth of the users is sampling without replacement in one pass over the users in
 * canonical order (Knuth, The Art of Computer Programming 2, algorithm 3.4.2 S): the choice
 * depends on the seed and the ids alone. */
#include "recipes/split.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "data/training_subset.h"

#define TEST_SHARE 10 /* one user in ten */

void od_split_done(struct od_split *split)
{
    od_training_free(split->train);
    free(split->item_map);
    free(split->test_user);
    free(split->input_end);
    *split = (struct od_split){0};
}

static void add_test_user(struct od_split *split, uint32_t user, uint64_t input_end)
{
    uint64_t n = split->full->user_start[user + 1] - split->full->user_start[user];
    split->test_user[split->test_count] = user;
    split->input_end[split->test_count] = input_end;
    split->test_count++;
    if (n > split->most_events)
        split->most_events = n;
}

/* One user of the tenth: nothing of it is trained on. */
static void hold_out(struct od_split *split, uint32_t user, uint64_t *keep)
{
    uint64_t start = split->full->user_start[user];
    uint64_t n = split->full->user_start[user + 1] - start;
    uint64_t input = n / 10 * 9 + n % 10 * 9 / 10;
    keep[user] = 0;
    if (input == 0)
        split->skipped++;
    else
        add_test_user(split, user, start + input);
}

static void choose_users(struct od_split *split, uint64_t seed, uint64_t *keep)
{
    uint32_t users = split->full->user_count;
    uint32_t wanted = users / TEST_SHARE;
    if (wanted == 0 && users >= 2)
        wanted = 1;
    struct od_random rng;
    od_random_init(&rng, seed);
    for (uint32_t u = 0; u < users; u++) {
        keep[u] = split->full->user_start[u + 1] - split->full->user_start[u];
        if (od_random_below(&rng, users - u) < wanted) {
            wanted--;
            hold_out(split, u, keep);
        }
    }
}

enum od_status od_split_users(const struct od_training *full, uint64_t seed, struct od_split *out,
                              struct od_error *err)
{
    struct od_split split = {.full = full};
    size_t users = (size_t)full->user_count + 1;
    uint64_t *keep = malloc(users * sizeof *keep);
    split.test_user = malloc(users * sizeof *split.test_user);
    split.input_end = malloc(users * sizeof *split.input_end);
    enum od_status s = OD_NO_MEMORY;
    if (keep && split.test_user && split.input_end) {
        choose_users(&split, seed, keep);
        s = od_training_subset(full, keep, &split.train, &split.item_map, err);
    } else {
        od_fail(err, OD_NO_MEMORY, NULL);
    }
    free(keep);
    if (s == OD_OK)
        *out = split;
    else
        od_split_done(&split);
    return s;
}

void od_split_query(const struct od_split *split, const uint32_t *item_map, uint32_t index,
                    struct od_past_event *events, struct od_query *out)
{
    const struct od_training *full = split->full;
    assert(index < split->test_count);
    uint64_t start = full->user_start[split->test_user[index]];
    uint64_t end = split->input_end[index];
    for (uint64_t i = start; i < end; i++)
        events[i - start] = (struct od_past_event){
            .item = item_map[full->item[i]],
            .type = full->type[i],
            .time = full->time[i],
        };
    *out = (struct od_query){
        .events = events,
        .event_count = end - start,
        .item = events[end - start - 1].item,
        .now_s = full->time[od_split_context(split, index)],
    };
}

uint64_t od_split_context(const struct od_split *split, uint32_t index)
{
    return split->input_end[index] - (split->clock == OD_CLOCK_LAST_INPUT);
}
