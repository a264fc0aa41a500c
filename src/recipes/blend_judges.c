/* Who holds out what of the data. See blend_train.h. */
#include <stdlib.h>

#include "base/hash.h"
#include "recipes/blend_train.h"

enum {
    LEAST_EVENTS = 3,      /* of a user that judges: one is held out, two are a transition */
    LEAST_SHARE = 300,     /* judges that small data sets can do without more easily than choices */
    REST_S = 6 * 3600,     /* after which somebody comes back */
    MOST_RETURNS = 3,      /* one judge in so many at most is asked about a return */
    MOST_LOST = 24,        /* events after it, which nothing learns from */
    BACK_SALT = 0x6261636b /* "back" */
};

/* Whether a user's last usable event can be asked for. */
static bool can_judge(const struct od_training *training, uint64_t start, uint64_t end)
{
    return end - start >= LEAST_EVENTS && od_training_weight(training, end - 1) > 0;
}

static bool returned(const struct od_training *training, uint64_t event)
{
    return od_training_pause(training, event) >= REST_S;
}

/* The event that a user's last visit began with, or that of the longest pause before it, where it
 * is not far from end; else the last one. */
static uint64_t last_return(const struct od_training *training, uint64_t start, uint64_t end,
                            bool longest)
{
    uint64_t least = start + LEAST_EVENTS - 1, found = end - 1;
    least = end - start > LEAST_EVENTS + MOST_LOST ? end - 1 - MOST_LOST : least;
    int64_t most = REST_S - 1;
    for (uint64_t e = end; e-- > least;) {
        int64_t pause = od_training_pause(training, e);
        if (pause <= most || od_training_weight(training, e) <= 0)
            continue;
        found = e;
        most = longest ? pause : INT64_MAX;
    }
    return found;
}

size_t od_blend_asked(uint32_t items, size_t most)
{
    size_t asked = OD_JUDGED_SCORES / ((size_t)items + 1);
    return asked > most ? most : asked < OD_JUDGES_LEAST ? OD_JUDGES_LEAST : asked;
}

/* Judges at most, for how much of the data they take: of able users with so many events. */
static size_t share_of(uint64_t events, size_t able)
{
    uint64_t share = events / OD_JUDGED_EVENTS + LEAST_SHARE;
    return share < able ? (size_t)share : able;
}

enum od_status od_blend_judges(const struct od_training *training, uint64_t *end,
                               struct od_judge **out, size_t *out_count, struct od_error *err)
{
    const uint64_t *start = training->user_start;
    size_t able = 0, seen = 0, count = 0;
    uint64_t events = 0, returns = 0;
    for (size_t u = 0; u < training->user_count; u++) {
        events += end[u] - start[u];
        able += can_judge(training, start[u], end[u]);
        for (uint64_t e = start[u] + 1; e < end[u]; e++)
            returns += returned(training, e);
    }
    /* Each visit asks before its first event too, so returns are twice their share of the events.
     */
    uint64_t every = returns ? events / (2 * returns) : UINT64_MAX;
    every = every < MOST_RETURNS ? MOST_RETURNS : every;
    size_t want = od_blend_asked(training->item_count, OD_JUDGES), share = share_of(events, able);
    want = share < want ? share : want;
    struct od_judge *judges = malloc((want + 1) * sizeof *judges);
    if (!judges)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t u = 0; u < training->user_count; u++) {
        if (!can_judge(training, start[u], end[u]))
            continue;
        size_t turn = seen++;
        if (turn * want / able == (turn + 1) * want / able)
            continue;
        /* One of every so many, at a place by chance: whoever then takes every second judge, or
         * every third, has as many of them. */
        uint64_t block = count / every;
        bool back = count % every == od_hash_mix(block, BACK_SALT) % every, longest = block % 2;
        end[u] = back ? last_return(training, start[u], end[u], longest) : end[u] - 1;
        judges[count++] = (struct od_judge){start[u], end[u]};
    }
    *out = judges;
    *out_count = count;
    return OD_OK;
}

/* --- returns beside them --- */

/* Users that judge nothing yet, one after the other. */
struct others {
    const struct od_training *training;
    const uint64_t *end;
    const struct od_judge *judges;
    size_t judge_count;
    size_t user, judge; /* next ones */
};

/* The next that comes back before some event; user_count when there is none. */
static size_t next_other(struct others *o)
{
    const struct od_training *t = o->training;
    for (; o->user < t->user_count; o->user++) {
        uint64_t start = t->user_start[o->user], end = o->end[o->user];
        if (o->judge < o->judge_count && o->judges[o->judge].start == start &&
            o->judges[o->judge].end == end)
            o->judge++;
        else if (can_judge(t, start, end) && returned(t, last_return(t, start, end, false)))
            return o->user++;
    }
    return o->user;
}

/* How many of them are asked: what is lacking, and what the data can do without. */
static size_t lacking(const struct others *o, size_t *out_able)
{
    const struct od_training *t = o->training;
    uint64_t events = 0;
    size_t share, want = od_blend_asked(t->item_count, OD_RETURNS);
    struct others all = *o;
    for (*out_able = 0; next_other(&all) < t->user_count;)
        ++*out_able;
    for (size_t u = 0; u < t->user_count; u++)
        events += o->end[u] - t->user_start[u];
    for (size_t j = 0; j < o->judge_count && want; j++)
        want -= returned(t, o->judges[j].end);
    share = share_of(events, *out_able + o->judge_count);
    share = share > o->judge_count ? share - o->judge_count : 0;
    want = want < share ? want : share;
    return want < *out_able ? want : *out_able;
}

enum od_status od_blend_judges_who_return(const struct od_training *training, uint64_t *end,
                                          const struct od_judge *judges, size_t judge_count,
                                          struct od_judge **out, size_t *out_count,
                                          struct od_error *err)
{
    struct others others = {training, end, judges, judge_count, 0, 0};
    size_t able, count = 0, want = lacking(&others, &able);
    struct od_judge *returns = malloc((want + 1) * sizeof *returns);
    if (!returns)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t turn = 0; turn < able; turn++) {
        size_t u = next_other(&others);
        if (turn * want / able == (turn + 1) * want / able)
            continue;
        uint64_t start = training->user_start[u];
        end[u] = last_return(training, start, end[u], count % 2);
        returns[count++] = (struct od_judge){start, end[u]};
    }
    *out = returns;
    *out_count = count;
    return OD_OK;
}
