/* What affinity recipes hold out inside training to choose by. See affinity.h.
 *
 * The last horizon of the training set is what the model will be asked about next, so the mixture
 * and the ridge are chosen on it. Where it holds too few events of users with a past (no times,
 * artificial times, data that end with new users alone) the last tenth of every user's events is
 * the next best: it asks the same question without its calendar. */
#include <stdlib.h>

#include "recipes/affinity.h"

#define LEAST 500    /* judges: below, five weights a group are noise */
#define MOST  200000 /* judges: the standard error of a weight is then below 0.2 % */
#define TENTH 10
#define LONG  3 /* events of a user that one can be taken from */

static uint64_t count_judges(const struct od_training *t, const uint64_t *end)
{
    uint64_t count = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        if (end[u] > t->user_start[u])
            count += t->user_start[u + 1] - end[u];
    return count;
}

static void cut_by_time(const struct od_training *t, int64_t now_s, uint64_t *end)
{
    for (uint32_t u = 0; u < t->user_count; u++) {
        end[u] = t->user_start[u + 1];
        while (end[u] > t->user_start[u] && t->time[end[u] - 1] > now_s)
            end[u]--;
    }
}

static void cut_by_place(const struct od_training *t, uint64_t *end)
{
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t n = t->user_start[u + 1] - t->user_start[u];
        end[u] = t->user_start[u + 1] - (n < LONG ? 0 : (n + TENTH - 1) / TENTH);
    }
}

/* Users evenly spread when there are too many judges. */
static void list_judges(const struct od_training *t, const uint64_t *end, uint64_t count,
                        struct od_affinity_judges *out)
{
    uint32_t stride = (uint32_t)(count / MOST) + 1;
    for (uint32_t u = 0; u < t->user_count; u += stride)
        for (uint64_t e = end[u]; end[u] > t->user_start[u] && e < t->user_start[u + 1]; e++) {
            out->event[out->count] = e;
            out->user[out->count++] = u;
        }
}

enum od_status od_affinity_cut_init(struct od_affinity_cut *out, const struct od_training *training,
                                    int64_t last_s)
{
    struct od_affinity_cut cut = {.now_s = last_s > INT64_MIN + OD_AFFINITY_HORIZON_S
                                               ? last_s - OD_AFFINITY_HORIZON_S
                                               : INT64_MIN};
    cut.end = malloc(((size_t)training->user_count + 1) * sizeof *cut.end);
    if (!cut.end)
        return OD_NO_MEMORY;
    cut_by_time(training, cut.now_s, cut.end);
    uint64_t count = count_judges(training, cut.end);
    if (count < LEAST || count > training->event_count / 2) {
        cut_by_place(training, cut.end);
        cut.now_s = last_s;
        count = count_judges(training, cut.end);
    }
    cut.judges.event = malloc((count + 1) * sizeof *cut.judges.event);
    cut.judges.user = malloc((count + 1) * sizeof *cut.judges.user);
    bool room = cut.judges.event && cut.judges.user;
    if (room) {
        list_judges(training, cut.end, count, &cut.judges);
        *out = cut;
    } else {
        od_affinity_cut_done(&cut);
    }
    return room ? OD_OK : OD_NO_MEMORY;
}

void od_affinity_cut_done(struct od_affinity_cut *cut)
{
    free(cut->end);
    free(cut->judges.event);
    free(cut->judges.user);
    *cut = (struct od_affinity_cut){0};
}
