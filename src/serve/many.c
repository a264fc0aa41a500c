/* Several queries at once: those of one campaign in vector form share a pass over its items.
 *
 * Each query is opened and gathered by itself, so each is as of its own moment, and one that fails
 * fails alone. Those that need scores of all items are answered at once; those that wait for a pass
 * hold their references a little longer. One at a time is the same with a batch of one. */
#include "serve/ask.h"

enum { TOGETHER = 64 }; /* queries at a time: what waits is bounded */

/* A query under way; ask NULL: answered, or failed. */
struct waiting {
    struct od_ask *ask;
    struct od_recommend_job *job;
};

static void end(struct waiting *waiting, enum od_status status)
{
    waiting->job->status = status;
    od_ask_close(waiting->ask);
    waiting->ask = NULL;
}

/* The list from what was found, and the answer. */
static void answer(struct waiting *waiting)
{
    struct od_pick *list;
    size_t count;
    struct od_recommend_job *job = waiting->job;
    enum od_status status = od_recommend_pick(waiting->ask, &list, &count, &job->error);
    if (status == OD_OK)
        status = od_ask_answer(waiting->ask, list, count, &job->answer, &job->error);
    end(waiting, status);
}

/* Leaves it waiting only for a scan. */
static void begin(struct od_serve *serve, struct od_recommend_job *job, struct waiting *out)
{
    bool by_score = true;
    struct od_error *err = &job->error;
    *out = (struct waiting){OD_NEW(job->arena, struct od_ask), job};
    if (!out->ask) {
        job->status = od_fail(err, OD_NO_MEMORY, NULL);
        return;
    }
    enum od_status status = od_ask_open(out->ask, serve, job->query, OD_ASK_ITEMS, job->arena, err);
    if (status == OD_OK)
        status = od_ask_gather(out->ask, err);
    if (status == OD_OK)
        status = od_vector_open(out->ask, &by_score, err);
    if (status == OD_OK && by_score)
        status = od_ask_score(out->ask, err);
    if (status != OD_OK)
        end(out, status);
    else if (by_score)
        answer(out);
}

/* The first waiting one, and all others of its campaign's image. */
static void scan_together(struct waiting *waiting, size_t count)
{
    struct od_ask *asks[TOGETHER];
    const struct od_campaign *campaign = waiting[0].ask->campaign;
    struct waiting *mine[TOGETHER];
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        if (waiting[i].ask && waiting[i].ask->campaign == campaign) {
            mine[total] = &waiting[i];
            asks[total++] = waiting[i].ask;
        }
    enum od_status status = od_vector_scan(asks, total);
    for (size_t i = 0; i < total; i++)
        if (status == OD_OK)
            answer(mine[i]);
        else
            end(mine[i], od_fail(&mine[i]->job->error, status, NULL));
}

void od_serve_recommend_many(struct od_serve *serve, struct od_recommend_job *jobs, size_t count)
{
    struct waiting waiting[TOGETHER];
    for (size_t from = 0; from < count; from += TOGETHER) {
        size_t some = count - from < TOGETHER ? count - from : TOGETHER;
        for (size_t i = 0; i < some; i++)
            begin(serve, &jobs[from + i], &waiting[i]);
        for (size_t i = 0; i < some; i++)
            if (waiting[i].ask)
                scan_together(waiting + i, some - i);
    }
}

enum od_status od_serve_recommend(struct od_serve *serve, const struct od_recommend_query *query,
                                  struct od_arena *arena, struct od_recommend_answer *out,
                                  struct od_error *err)
{
    struct od_recommend_job job = {.query = query, .arena = arena};
    od_serve_recommend_many(serve, &job, 1);
    if (job.status == OD_OK)
        *out = job.answer;
    else
        od_error_copy(err, &job.error);
    return job.status;
}
