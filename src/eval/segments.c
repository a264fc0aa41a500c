/* Asking for segments: a recipe's, and the most active users'. */
#include "eval/segments.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "os/parallel.h"

enum { RECALL, HITS, PRECISION, METRICS };

const struct od_list_metric od_metrics_segment[] = {
    [RECALL] = {OD_LIST_RECALL, 0, false, "recall_at_1_percent", "recall@1%"},
    [HITS] = {OD_LIST_HIT, 0, false, "hits_at_1_percent", "hits@1%"},
    [PRECISION] = {OD_LIST_PRECISION, 0, false, "precision_at_1_percent", "precision@1%"},
    [METRICS] = {.name = NULL},
};

struct asking {
    const struct od_segment_exam *exam;
    const struct od_recipe *recipe;
    const struct od_model *model;
    const struct od_io *io;
    struct od_answers *answers;
    uint32_t *to_model,
        *to_train;           /* the exam's items to the model's; the model's users to train's */
    struct od_error *errors; /* one a question */
    uint64_t **listed;       /* [thread] bitmap over users of train */
    int64_t *ns;             /* [question] */
};

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* list: users of train, OD_NO_CODE for one that is not known. */
static void judge(const struct od_segment_exam *exam, uint32_t question, const uint32_t *list,
                  uint32_t count, float *out)
{
    const struct od_segment_question *q = &exam->questions[question];
    uint32_t hits = 0, reachable = q->user_count < exam->most ? q->user_count : exam->most;
    for (uint32_t i = 0; i < count; i++)
        hits += bsearch(&list[i], exam->users + q->user_at, q->user_count, sizeof *list, by_code) !=
                NULL;
    out[RECALL] = (float)hits / (float)reachable;
    out[HITS] = (float)hits;
    out[PRECISION] = (float)hits / (float)exam->most;
}

static enum od_status answers_init(const struct od_segment_exam *exam, struct od_answers *out)
{
    *out = (struct od_answers){
        .question_count = exam->question_count, .metric_count = METRICS, .exams = 1};
    out->value[OD_LISTS_RAW] = calloc((size_t)exam->question_count * METRICS + 1, sizeof(float));
    return out->value[OD_LISTS_RAW] ? OD_OK : OD_NO_MEMORY;
}

/* --- a recipe --- */

static enum od_status ask_segment(const struct asking *a, uint32_t question, struct od_arena *arena,
                                  uint64_t *listed, struct od_error *err)
{
    const struct od_segment_question *q = &a->exam->questions[question];
    uint32_t model_items = a->recipe->items(a->model)->count, most = a->exam->most, count = 0;
    uint64_t *items = OD_NEW_ARRAY(arena, uint64_t, od_bitmap_words(model_items) + 1);
    struct od_segment_user *users = OD_NEW_ARRAY(arena, struct od_segment_user, most);
    uint32_t *list = OD_NEW_ARRAY(arena, uint32_t, most);
    bool any = false;
    if (!items || !users || !list)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t i = 0; i < q->item_count; i++) {
        uint32_t item = a->to_model[a->exam->items[q->item_at + i]];
        if (item == OD_NO_CODE)
            continue;
        od_bitmap_set(items, item);
        any = true;
    }
    struct od_segment_query query = {.items = items, .most = most};
    enum od_status s =
        any ? a->recipe->segment(a->model, &query, arena, users, &count, err) : OD_OK;
    for (uint32_t i = 0; s == OD_OK && i < count; i++) {
        list[i] = a->to_train[users[i].user];
        if (list[i] != OD_NO_CODE)
            od_bitmap_set(listed, list[i]);
    }
    if (s == OD_OK)
        judge(a->exam, question, list, count,
              a->answers->value[OD_LISTS_RAW] + (size_t)question * METRICS);
    return s;
}

static enum od_status ask_part(void *context, size_t question, unsigned thread)
{
    const struct asking *a = context;
    struct od_arena arena;
    int64_t begun = a->io->monotonic_ns(a->io);
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s =
        ask_segment(a, (uint32_t)question, &arena, a->listed[thread], &a->errors[question]);
    od_arena_done(&arena);
    a->ns[question] = a->io->monotonic_ns(a->io) - begun;
    return s;
}

static enum od_status make_maps(struct asking *a)
{
    const struct od_training *train = a->exam->train;
    const struct od_image_dict *items = a->recipe->items(a->model);
    const struct od_image_dict *users = a->recipe->users(a->model);
    uint32_t item_count = od_dict_count(a->exam->catalogue);
    a->to_model = malloc(((size_t)item_count + 1) * sizeof *a->to_model);
    a->to_train = malloc(((size_t)users->count + 1) * sizeof *a->to_train);
    if (!a->to_model || !a->to_train)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < item_count; i++)
        a->to_model[i] = od_image_dict_find(items, od_dict_text(a->exam->catalogue, i));
    for (uint32_t i = 0; i < users->count; i++)
        a->to_train[i] = od_dict_find(train->users, od_image_dict_text(users, i));
    return OD_OK;
}

static enum od_status ask_all(struct asking *a, unsigned threads, struct od_error *err)
{
    uint32_t users = a->exam->train->user_count, questions = a->exam->question_count;
    enum od_status s = make_maps(a);
    a->errors = calloc((size_t)questions + 1, sizeof *a->errors);
    a->ns = calloc((size_t)questions + 1, sizeof *a->ns);
    a->listed = calloc(threads, sizeof *a->listed);
    if (s != OD_OK || !a->errors || !a->ns || !a->listed)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (unsigned t = 0; t < threads; t++) {
        a->listed[t] = calloc(od_bitmap_words(users) + 1, sizeof **a->listed);
        if (!a->listed[t])
            return od_fail(err, OD_NO_MEMORY, NULL);
    }
    s = od_parallel(threads, questions, ask_part, a);
    for (uint32_t q = 0; s != OD_OK && q < questions; q++)
        if (a->errors[q].code == s)
            return od_error_copy(err, &a->errors[q]);
    int64_t ns = 0;
    for (uint32_t q = 0; q < questions; q++)
        ns += a->ns[q];
    for (unsigned t = 1; t < threads; t++)
        od_bitmap_or(a->listed[0], a->listed[t], users);
    a->answers->coverage[OD_LISTS_RAW] =
        (double)od_bitmap_count(a->listed[0], users) / (double)users;
    a->answers->score_s = (double)ns * 1e-9 / (double)(questions < threads ? questions : threads);
    return s;
}

enum od_status od_segment_ask_recipe(const struct od_segment_exam *exam,
                                     const struct od_recipe *recipe, const struct od_model *model,
                                     unsigned threads, const struct od_io *io,
                                     struct od_answers *out, struct od_error *err)
{
    struct asking a = {.exam = exam, .recipe = recipe, .model = model, .io = io, .answers = out};
    threads = threads ? threads : od_cpu_count();
    enum od_status s = answers_init(exam, out);
    s = s == OD_OK ? ask_all(&a, threads, err) : od_fail(err, s, NULL);
    for (unsigned t = 0; a.listed && t < threads; t++)
        free(a.listed[t]);
    free(a.listed);
    free(a.errors);
    free(a.ns);
    free(a.to_model);
    free(a.to_train);
    if (s != OD_OK)
        od_answers_done(out);
    return s;
}

/* --- the most active users --- */

struct activity {
    uint32_t user;
    uint64_t events, ever;
};

/* More events in the window, then of all time, then by code. */
static int most_active(const void *a, const void *b)
{
    const struct activity *x = a, *y = b;
    if (x->events != y->events)
        return x->events > y->events ? -1 : 1;
    if (x->ever != y->ever)
        return x->ever > y->ever ? -1 : 1;
    return (x->user > y->user) - (x->user < y->user);
}

enum od_status od_segment_ask_active(const struct od_segment_exam *exam, int64_t window_s,
                                     struct od_answers *out, struct od_error *err)
{
    const struct od_training *train = exam->train;
    uint32_t users = train->user_count, most = exam->most < users ? exam->most : users;
    struct activity *active = calloc((size_t)users + 1, sizeof *active);
    uint32_t *list = malloc(((size_t)most + 1) * sizeof *list);
    enum od_status s = answers_init(exam, out);
    if (s != OD_OK || !active || !list) {
        od_answers_done(out);
        free(active);
        free(list);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    for (uint32_t u = 0; u < users; u++) {
        active[u].user = u;
        active[u].ever = train->user_start[u + 1] - train->user_start[u];
        for (uint64_t e = train->user_start[u]; e < train->user_start[u + 1]; e++)
            active[u].events += !window_s || (uint64_t)train->last_time - (uint64_t)train->time[e] <
                                                 (uint64_t)window_s;
    }
    qsort(active, users, sizeof *active, most_active);
    for (uint32_t i = 0; i < most; i++)
        list[i] = active[i].user;
    for (uint32_t q = 0; q < exam->question_count; q++)
        judge(exam, q, list, most, out->value[OD_LISTS_RAW] + (size_t)q * METRICS);
    out->coverage[OD_LISTS_RAW] = users ? (double)most / users : 0;
    free(active);
    free(list);
    return OD_OK;
}
