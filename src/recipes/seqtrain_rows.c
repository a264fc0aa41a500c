/* From histories to rows: windows of an epoch, and the packed rows of some windows.
 *
 * A user's predictions are cut from the newest backwards into windows of plan->window; the newest
 * window is shortened by a random number of predictions, so that boundaries move from epoch to
 * epoch and every prediction is made with longer and shorter pasts. Before its predictions a window
 * shows up to plan->context events without loss. */
#include <stdlib.h>
#include <string.h>

#include "math/nn/softmax.h"
#include "recipes/seqtrain_inner.h"

static size_t cut_user(const struct od_seq_plan *plan, uint64_t start, uint64_t end, uint32_t user,
                       struct od_random *rng, struct od_seq_window *out)
{
    size_t n = 0;
    uint64_t to = end - 1, room = plan->window;
    if (to - start > room)
        room -= od_random_below(rng, room);
    while (to > start) {
        uint64_t learn = to - start > room ? to - room : start;
        uint64_t from = learn - start > plan->context ? learn - plan->context : start;
        if (out)
            out[n] = (struct od_seq_window){from, learn, to, user};
        n++;
        to = learn;
        room = plan->window;
    }
    return n;
}

/* Cuts every user; out NULL: only counts. */
static size_t cut_all(const struct od_training *training, const uint64_t *end,
                      const struct od_seq_plan *plan, uint64_t seed, uint64_t epoch,
                      struct od_seq_window *out)
{
    size_t n = 0;
    struct od_random rng;
    od_random_init2(&rng, seed, epoch);
    for (uint32_t u = 0; u < training->user_count; u++) {
        uint64_t start = training->user_start[u];
        if (end[u] > start + 1)
            n += cut_user(plan, start, end[u], u, &rng, out ? out + n : NULL);
    }
    return n;
}

enum od_status od_seq_windows_make(const struct od_training *training, const uint64_t *end,
                                   const struct od_seq_plan *plan, uint64_t seed, uint64_t epoch,
                                   struct od_seq_windows *out)
{
    size_t n = cut_all(training, end, plan, seed, epoch, NULL);
    struct od_seq_windows w = {malloc((n + 1) * sizeof *w.list), n, 0};
    if (!w.list)
        return OD_NO_MEMORY;
    cut_all(training, end, plan, seed, epoch, w.list);
    struct od_random rng;
    od_random_init2(&rng, seed ^ 0x5851f42d4c957f2du, epoch);
    for (size_t i = n; i-- > 0;) {
        size_t j = (size_t)od_random_below(&rng, i + 1);
        struct od_seq_window kept = w.list[i];
        w.list[i] = w.list[j];
        w.list[j] = kept;
        w.predictions += w.list[i].to - w.list[i].learn;
    }
    *out = w;
    return OD_OK;
}

void od_seq_windows_done(struct od_seq_windows *windows)
{
    free(windows->list);
    *windows = (struct od_seq_windows){0};
}

/* --- rows --- */

void od_seq_block_done(struct od_seq_block *b)
{
    void *all[] = {b->at,   b->length, b->item,  b->target, b->last,
                   b->user, b->time,   b->asked, b->weight, b->event};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        free(all[i]);
    *b = (struct od_seq_block){0};
}

static bool grow(void *array, size_t count, size_t size)
{
    void **p = array;
    free(*p);
    *p = malloc(count * size);
    return *p;
}

static bool make_room(struct od_seq_block *b, size_t rows, size_t sequences, size_t steps)
{
    bool good = true;
    if (rows > b->row_room) {
        size_t n = b->row_room = rows + rows / 4;
        good = grow(&b->item, n, 4) && grow(&b->target, n, 4) && grow(&b->weight, n, 4) &&
               grow(&b->time, n, 8) && grow(&b->asked, n, 8) && grow(&b->event, n, 8);
    }
    if (good && sequences > b->sequence_room) {
        size_t n = b->sequence_room = sequences + sequences / 4;
        good = grow(&b->length, n, 4) && grow(&b->last, n, 4) && grow(&b->user, n, 4);
    }
    if (good && steps + 1 > b->step_room) {
        b->step_room = steps + 1;
        good = grow(&b->at, b->step_room, 4);
    }
    return good;
}

static void fill_sequence(struct od_seq_block *b, const struct od_training *t,
                          const struct od_seq_window *w, uint32_t s, const float *weight)
{
    b->user[s] = w->user;
    for (uint32_t step = 0; step < b->length[s]; step++) {
        uint32_t r = b->at[step] + s;
        uint64_t e = w->from + step;
        float by = e < w->learn ? 0 : weight ? weight[e + 1] : 1;
        b->item[r] = t->item[e];
        b->event[r] = e;
        b->time[r] = t->time[e];
        b->asked[r] = t->time[e + 1];
        b->target[r] = by > 0 ? t->item[e + 1] : OD_NO_CODE;
        b->weight[r] = by > 0 ? by : 0;
        b->last[s] = r;
    }
}

enum od_status od_seq_block_fill(struct od_seq_block *b, const struct od_training *training,
                                 const struct od_seq_window *const *list, uint32_t count,
                                 const float *weight)
{
    size_t rows = 0, steps = count ? list[0]->to - list[0]->from : 0;
    for (uint32_t s = 0; s < count; s++)
        rows += list[s]->to - list[s]->from;
    if (!make_room(b, rows + 1, count + 1, steps)) {
        od_seq_block_done(b);
        return OD_NO_MEMORY;
    }
    for (uint32_t s = 0; s < count; s++)
        b->length[s] = (uint32_t)(list[s]->to - list[s]->from);
    b->rows = (struct od_seq_rows){
        .packed = od_nn_pack(b->length, count, b->at),
        .sequences = count,
        .rows = (uint32_t)rows,
        .item = b->item,
        .event = b->event,
        .time = b->time,
        .asked = b->asked,
        .target = b->target,
        .weight = b->weight,
        .last = b->last,
        .user = b->user,
    };
    for (uint32_t s = 0; s < count; s++)
        fill_sequence(b, training, list[s], s, weight);
    b->weights = 0;
    b->targets = 0;
    for (size_t r = 0; r < rows; r++) {
        b->weights += (double)b->weight[r];
        b->targets += b->weight[r] > 0;
    }
    return OD_OK;
}

/* --- the loss --- */

size_t od_seq_loss_floats(uint32_t rows, uint32_t candidates, uint32_t width)
{
    return (size_t)rows * (2 * (size_t)width + 3) + od_nn_softmax_scratch(candidates);
}

double od_seq_loss(const struct od_seq_rows *rows, uint32_t width, float scale, const float *v,
                   const float *h, float *dh, float *dv, float *work)
{
    size_t most = rows->rows, n = 0;
    float *own = work, *down = own + most * width, *weight = down + most * width;
    uint32_t *target = (uint32_t *)(void *)(weight + most), *from = target + most;
    float *scratch = (float *)(void *)(from + most);
    for (size_t r = 0; r < most; r++)
        if (rows->target[r] != OD_NO_CODE) {
            memcpy(own + n * width, h + r * width, width * sizeof *own);
            target[n] = rows->target[r];
            weight[n] = rows->weight[r];
            from[n++] = (uint32_t)r;
        }
    struct od_nn_softmax softmax = {
        .items = rows->candidates, .width = width, .v = v, .offset = rows->offset, .scale = scale};
    double loss = od_nn_softmax_loss(&softmax, own, target, weight, n, down, dv, NULL, scratch);
    memset(dh, 0, most * width * sizeof *dh);
    for (size_t i = 0; i < n; i++)
        memcpy(dh + (size_t)from[i] * width, down + i * width, width * sizeof *dh);
    return loss;
}
