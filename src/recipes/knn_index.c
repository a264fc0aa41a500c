/* Sessions and the inverted index item -> newest sessions.
 *
 * Steps: (1) cut the histories into pieces, a piece being a session or OD_KNN_LONGEST events of a
 * longer one; pieces of one event say nothing about neighbours and are left out; (2) order them by
 * the time of their last event, equal times by place in the training set, which is in user order;
 * (3) from the newest piece to the oldest, give each of its distinct items a posting as long as the
 * item has fewer than `sample`; (4) number anew the pieces that got a posting, copy them, and write
 * the postings.
 *
 * So an item's postings are its newest sessions, and the index is bounded by items * sample
 * postings and the sessions they name, however long the log is.
 *
 * Invariants: start, post_at ascend from 0; every item of a session below items; postings of an
 * item fall strictly; each names a session that has the item.
 * Runs on the calling thread; the result depends on the training set alone. */
#include "recipes/knn.h"

#include <stdlib.h>
#include <string.h>

#define LEAST_SAMPLE 50 /* below this neighbours are chance; memory asks for less only in vain */

/* A session, or a piece of one, in the training set's events. */
struct piece {
    int64_t last_time;
    uint64_t first;
    uint32_t length;
    uint32_t number; /* in the index; OD_NO_CODE: not kept */
};

struct build {
    const struct od_training *training;
    struct piece *pieces;
    size_t piece_count;
    uint32_t *count; /* [items] */
    uint32_t *seen;  /* [items] the last piece that had the item */
    uint32_t *posts; /* [items] postings given */
};

static bool paused(const struct od_training *t, uint64_t earlier)
{
    int64_t gap;
    return __builtin_sub_overflow(t->time[earlier + 1], t->time[earlier], &gap) ||
           gap > OD_KNN_PAUSE_S;
}

bool od_knn_has_sessions(const struct od_training *t, const uint64_t *end)
{
    uint64_t events = 0, sessions = 0, histories = 0;
    for (uint32_t u = 0; u < t->user_count; u++) {
        uint64_t start = t->user_start[u];
        if (end[u] == start)
            continue;
        events += end[u] - start;
        histories++;
        sessions++;
        for (uint64_t e = start; e + 1 < end[u]; e++)
            sessions += paused(t, e);
    }
    return sessions > histories && events >= 2 * sessions;
}

/* Calls for every piece of a user; pieces NULL: only counts. */
static void cut_user(struct build *b, uint64_t start, uint64_t end, bool cut, bool store)
{
    const struct od_training *t = b->training;
    for (uint64_t first = start; first < end;) {
        uint64_t e = first + 1;
        while (e < end && e - first < OD_KNN_LONGEST && !(cut && paused(t, e - 1)))
            e++;
        if (e - first >= 2) {
            if (store)
                b->pieces[b->piece_count] =
                    (struct piece){t->time[e - 1], first, (uint32_t)(e - first), OD_NO_CODE};
            b->piece_count++;
        }
        first = e;
    }
}

static int by_time(const void *a, const void *b)
{
    const struct piece *x = a, *y = b;
    if (x->last_time != y->last_time)
        return x->last_time < y->last_time ? -1 : 1;
    return (x->first > y->first) - (x->first < y->first);
}

static enum od_status cut_all(struct build *b, const uint64_t *end, bool cut)
{
    const struct od_training *t = b->training;
    for (uint32_t u = 0; u < t->user_count; u++)
        cut_user(b, t->user_start[u], end[u], cut, false);
    b->pieces = malloc((b->piece_count + 1) * sizeof *b->pieces);
    if (!b->pieces)
        return OD_NO_MEMORY;
    b->piece_count = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        cut_user(b, t->user_start[u], end[u], cut, true);
    qsort(b->pieces, b->piece_count, sizeof *b->pieces, by_time);
    return OD_OK;
}

/* Steps 3 and 4 without writing: what is kept at this sample, as sizes of *out. */
static void choose(struct build *b, uint32_t sample, struct od_knn_index *out)
{
    const struct od_training *t = b->training;
    memset(b->count, 0, t->item_count * sizeof *b->count);
    memset(b->posts, 0, t->item_count * sizeof *b->posts);
    memset(b->seen, 0xff, t->item_count * sizeof *b->seen);
    out->items = t->item_count;
    out->sessions = out->events = out->posts = 0;
    for (size_t p = b->piece_count; p-- > 0;) {
        struct piece *piece = &b->pieces[p];
        bool kept = false;
        for (uint64_t e = piece->first; e < piece->first + piece->length; e++) {
            uint32_t i = t->item[e];
            if (b->seen[i] == (uint32_t)p)
                continue;
            b->seen[i] = (uint32_t)p;
            b->count[i]++;
            if (b->posts[i] < sample) {
                b->posts[i]++;
                out->posts++;
                kept = true;
            }
        }
        piece->number = kept ? 0 : OD_NO_CODE;
        out->sessions += kept;
        out->events += kept ? piece->length : 0;
    }
}

static uint64_t bytes_of(const struct od_knn_index *x)
{
    return 4 * ((uint64_t)x->sessions + x->events + x->posts + 2 * (uint64_t)x->items + 2);
}

/* Sessions in order, then postings: walking sessions from the newest writes an item's postings
 * falling. */
static void write(const struct build *b, struct od_knn_index *x, uint32_t *start, uint32_t *item,
                  uint32_t *post_at, uint32_t *post, uint32_t *fill)
{
    uint32_t number = 0, events = 0;
    for (size_t p = 0; p < b->piece_count; p++) {
        struct piece *piece = &b->pieces[p];
        if (piece->number == OD_NO_CODE)
            continue;
        start[number] = events;
        memcpy(item + events, b->training->item + piece->first, piece->length * sizeof *item);
        events += piece->length;
        piece->number = number++;
    }
    start[number] = events;
    post_at[0] = 0;
    for (uint32_t i = 0; i < x->items; i++) {
        post_at[i + 1] = post_at[i] + b->posts[i];
        fill[i] = post_at[i];
    }
    for (uint32_t s = number; s-- > 0;)
        for (uint32_t e = start[s]; e < start[s + 1]; e++) {
            uint32_t i = item[e];
            if (fill[i] < post_at[i + 1] && (fill[i] == post_at[i] || post[fill[i] - 1] != s))
                post[fill[i]++] = s;
        }
}

/* Where the events of the kept sessions return to: the newest distinct items before each event are
 * kept as a list moved to front. */
static void count_returns(const struct od_knn_index *x, float *returns)
{
    uint64_t asked[OD_KNN_WINDOW] = {0}, hits[OD_KNN_WINDOW] = {0};
    for (uint32_t s = 0; s < x->sessions; s++) {
        uint32_t recent[OD_KNN_WINDOW], n = 0;
        for (uint32_t e = x->start[s]; e < x->start[s + 1]; e++) {
            uint32_t place = 0;
            while (place < n && recent[place] != x->item[e])
                place++;
            for (uint32_t k = 0; k < n; k++)
                asked[k]++;
            if (place < n)
                hits[place]++;
            else if (n < OD_KNN_WINDOW)
                n++;
            else
                place--;
            memmove(recent + 1, recent, place * sizeof *recent);
            recent[0] = x->item[e];
        }
    }
    for (uint32_t k = 0; k < OD_KNN_WINDOW; k++)
        returns[k] = (float)hits[k] / (float)(asked[k] + 10);
}

static enum od_status build(struct build *b, const uint64_t *end, bool cut, uint32_t sample,
                            uint64_t memory_bytes, struct od_knn_index *out)
{
    size_t items = (size_t)b->training->item_count + 1;
    b->count = malloc(items * sizeof *b->count);
    b->seen = malloc(items * sizeof *b->seen);
    b->posts = malloc(items * sizeof *b->posts);
    if (!b->count || !b->seen || !b->posts || cut_all(b, end, cut) != OD_OK)
        return OD_NO_MEMORY;
    choose(b, sample, out);
    while (memory_bytes && bytes_of(out) > memory_bytes && sample > LEAST_SAMPLE) {
        sample = sample / 2 > LEAST_SAMPLE ? sample / 2 : LEAST_SAMPLE;
        choose(b, sample, out);
    }
    uint32_t *start = malloc(((size_t)out->sessions + 1) * sizeof *start);
    uint32_t *item = malloc(((size_t)out->events + 1) * sizeof *item);
    uint32_t *post_at = malloc(items * sizeof *post_at);
    uint32_t *post = malloc(((size_t)out->posts + 1) * sizeof *post);
    float *returns = malloc(OD_KNN_WINDOW * sizeof *returns);
    out->returns = returns;
    out->start = start;
    out->item = item;
    out->post_at = post_at;
    out->post = post;
    out->count = b->count;
    b->count = NULL;
    if (!start || !item || !post_at || !post || !returns)
        return OD_NO_MEMORY;
    write(b, out, start, item, post_at, post, b->seen);
    count_returns(out, returns);
    return OD_OK;
}

enum od_status od_knn_index_init(struct od_knn_index *out, const struct od_training *training,
                                 const uint64_t *end, bool cut, uint32_t sample,
                                 uint64_t memory_bytes, struct od_error *err)
{
    struct build b = {.training = training};
    uint64_t events = 0;
    for (uint32_t u = 0; u < training->user_count; u++)
        events += end[u] - training->user_start[u];
    *out = (struct od_knn_index){0};
    if (events >= UINT32_MAX - 1)
        return od_fail(err, OD_LIMIT,
                       "%llu interactions are more than the session index can hold: the limit is "
                       "%u.",
                       (unsigned long long)events, UINT32_MAX - 2);
    enum od_status st = build(&b, end, cut, sample, memory_bytes, out);
    free(b.pieces);
    free(b.count);
    free(b.seen);
    free(b.posts);
    if (st == OD_OK)
        return OD_OK;
    od_knn_index_done(out);
    return od_fail(err, st, NULL);
}

void od_knn_index_done(struct od_knn_index *index)
{
    free((void *)index->start);
    free((void *)index->item);
    free((void *)index->post_at);
    free((void *)index->post);
    free((void *)index->count);
    free((void *)index->returns);
    *index = (struct od_knn_index){0};
}
