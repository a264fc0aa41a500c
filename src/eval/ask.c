/* Asking in blocks: questions in order of their time (which answerers that look at a moving window
 * of time need), a block a part, every figure to its question's own place. */
#include "eval/ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "os/parallel.h"

#define BLOCK 32 /* questions a part: amortises its buffers, small enough to share out evenly */

struct asking {
    const struct od_exam *exam;
    const struct od_answerer *answerer;
    const struct od_asking *how;
    struct od_answers *answers;
    uint32_t *order;        /* questions by time */
    uint32_t most_relevant; /* of one question */
    unsigned threads;
    struct od_error *errors; /* one a part */
    uint64_t *repeats;       /* one a part */
    int64_t *score_ns;       /* one a part */
    uint64_t **listed;       /* [thread * OD_LIST_VARIANTS + variant]; a union, so order is no
                                matter */
};

/* What one part works with. */
struct bench {
    struct od_arena arena;
    float *scores, *held, *raw;
    uint64_t *past; /* bitmap over the catalogue, empty between questions */
    uint64_t *topk_scratch;
    void *state;
};

/* --- one question --- */

static uint32_t cold_only(const struct od_exam *exam, const struct od_question *q,
                          const struct od_list *list, struct od_list *out)
{
    uint32_t count = 0;
    *out = *list;
    for (uint32_t i = 0; i < list->count; i++)
        out->hit[i] = list->hit[i] && !exam->known[list->item[i]];
    for (uint32_t r = 0; r < q->relevant_count; r++)
        count += !exam->known[exam->relevant[q->relevant_at + r]];
    return count;
}

static float gained(const struct od_exam *exam, const struct od_list *list, uint32_t k)
{
    double sum = 0;
    for (uint32_t i = 0; i < k && i < list->count; i++)
        sum += (double)exam->gain[list->item[i]];
    return sum > 0 ? (float)(sum / exam->best_gain) : 0;
}

static void judge(const struct asking *a, uint32_t question, const struct od_list *list, float *out)
{
    const struct od_question *q = &a->exam->questions[question];
    struct od_list cold;
    for (size_t m = 0; m < a->how->metric_count; m++) {
        const struct od_list_metric *metric = &a->how->metrics[m];
        const struct od_list *judged = list;
        uint32_t count = q->relevant_count;
        if (metric->cold) {
            count = cold_only(a->exam, q, list, &cold);
            judged = &cold;
        }
        if (metric->kind == OD_LIST_GAIN)
            out[m] = gained(a->exam, list, metric->k);
        else
            out[m] = count ? (float)od_list_metric(metric, judged, count) : NAN;
    }
}

static void list_variant(const struct asking *a, const struct bench *bench, uint32_t question,
                         enum od_list_variant variant, uint64_t *listed)
{
    const struct od_exam *exam = a->exam;
    const struct od_question *q = &exam->questions[question];
    struct od_list_ranker ranker = {od_kernels_best(), bench->topk_scratch};
    struct od_list list;
    memcpy(bench->scores, bench->raw, exam->item_count * sizeof *bench->scores);
    if (variant == OD_LISTS_REMOVED)
        for (uint32_t e = 0; e < q->event_count; e++)
            bench->scores[exam->events[q->event_at + e].item] = -INFINITY;
    od_list_rank(&ranker, bench->scores, exam->item_count, exam->candidates,
                 exam->relevant + q->relevant_at, q->relevant_count, bench->held, &list);
    for (uint32_t i = 0; i < list.count; i++)
        od_bitmap_set(listed, list.item[i]);
    judge(a, question, &list, a->answers->value[variant] + question * a->how->metric_count);
}

static uint64_t count_repeats(const struct od_exam *exam, const struct od_question *q,
                              uint64_t *past)
{
    uint64_t repeats = 0;
    for (uint32_t e = 0; e < q->event_count; e++)
        od_bitmap_set(past, exam->events[q->event_at + e].item);
    for (uint32_t r = 0; r < q->relevant_count; r++)
        repeats += od_bitmap_get(past, exam->relevant[q->relevant_at + r]);
    for (uint32_t e = 0; e < q->event_count; e++)
        od_bitmap_clear(past, exam->events[q->event_at + e].item);
    return repeats;
}

static enum od_status ask_question(const struct asking *a, struct bench *bench, uint32_t question,
                                   size_t part, unsigned thread)
{
    const struct od_io *io = a->how->io;
    od_arena_reset(&bench->arena);
    int64_t begun = io->monotonic_ns(io);
    enum od_status s = a->answerer->score(a->answerer->context, bench->state, question,
                                          &bench->arena, bench->raw, &a->errors[part]);
    a->score_ns[part] += io->monotonic_ns(io) - begun;
    if (s != OD_OK)
        return s;
    a->repeats[part] += count_repeats(a->exam, &a->exam->questions[question], bench->past);
    for (int v = 0; v < OD_LIST_VARIANTS; v++)
        if (a->how->variants & 1u << v)
            list_variant(a, bench, question, (enum od_list_variant)v,
                         a->listed[thread * OD_LIST_VARIANTS + v]);
    return OD_OK;
}

/* --- parts --- */

static void bench_done(const struct asking *a, struct bench *bench)
{
    od_arena_done(&bench->arena);
    free(bench->scores);
    free(bench->held);
    free(bench->raw);
    free(bench->past);
    free(bench->topk_scratch);
    if (bench->state)
        a->answerer->end(bench->state);
}

static enum od_status bench_init(const struct asking *a, struct bench *bench, struct od_error *err)
{
    size_t items = (size_t)a->exam->item_count + 1;
    *bench = (struct bench){
        .scores = malloc(items * sizeof *bench->scores),
        .raw = malloc(items * sizeof *bench->raw),
        .held = malloc(((size_t)a->most_relevant + 1) * sizeof *bench->held),
        .past = calloc(od_bitmap_words(items), sizeof *bench->past),
        .topk_scratch = malloc(od_topk_scratch(OD_LIST_MOST) * sizeof *bench->topk_scratch),
    };
    od_arena_init(&bench->arena, SIZE_MAX);
    if (!bench->scores || !bench->raw || !bench->held || !bench->past || !bench->topk_scratch)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return a->answerer->begin ? a->answerer->begin(a->answerer->context, &bench->state, err)
                              : OD_OK;
}

static enum od_status ask_block(void *context, size_t part, unsigned thread)
{
    const struct asking *a = context;
    struct bench bench;
    enum od_status s = bench_init(a, &bench, &a->errors[part]);
    for (size_t i = part * BLOCK;
         s == OD_OK && i < (part + 1) * BLOCK && i < a->exam->question_count; i++)
        s = ask_question(a, &bench, a->order[i], part, thread);
    bench_done(a, &bench);
    return s;
}

static int by_time(const void *x, const void *y, void *questions)
{
    uint32_t a = *(const uint32_t *)x, b = *(const uint32_t *)y;
    const struct od_question *q = questions;
    if (q[a].now_s != q[b].now_s)
        return q[a].now_s < q[b].now_s ? -1 : 1;
    return (a > b) - (a < b);
}

/* --- the whole --- */

static enum od_status open_asking(struct asking *a, size_t parts)
{
    const struct od_exam *exam = a->exam;
    size_t questions = (size_t)exam->question_count + 1;
    size_t words = od_bitmap_words(exam->item_count) + 1, lists = a->threads * OD_LIST_VARIANTS;
    bool enough = true;
    a->order = malloc(questions * sizeof *a->order);
    a->errors = calloc(parts + 1, sizeof *a->errors);
    a->repeats = calloc(parts + 1, sizeof *a->repeats);
    a->score_ns = calloc(parts + 1, sizeof *a->score_ns);
    a->listed = calloc(lists, sizeof *a->listed);
    if (!a->order || !a->errors || !a->repeats || !a->score_ns || !a->listed)
        return OD_NO_MEMORY;
    for (size_t i = 0; i < lists; i++)
        enough &= (a->listed[i] = calloc(words, sizeof **a->listed)) != NULL;
    for (int v = 0; v < OD_LIST_VARIANTS; v++) {
        if (!(a->how->variants & 1u << v))
            continue;
        a->answers->value[v] = malloc(questions * (a->how->metric_count + 1) * sizeof(float));
        enough &= a->answers->value[v] != NULL;
    }
    for (uint32_t q = 0; q < exam->question_count; q++) {
        a->order[q] = q;
        if (exam->questions[q].relevant_count > a->most_relevant)
            a->most_relevant = exam->questions[q].relevant_count;
    }
    qsort_r(a->order, exam->question_count, sizeof *a->order, by_time, exam->questions);
    return enough ? OD_OK : OD_NO_MEMORY;
}

static void close_asking(struct asking *a)
{
    for (size_t i = 0; a->listed && i < a->threads * OD_LIST_VARIANTS; i++)
        free(a->listed[i]);
    free(a->listed);
    free(a->order);
    free(a->errors);
    free(a->repeats);
    free(a->score_ns);
}

static void sum_up(struct asking *a, size_t parts)
{
    int64_t ns = 0;
    for (size_t i = 0; i < parts; i++) {
        a->answers->repeats += a->repeats[i];
        ns += a->score_ns[i];
    }
    size_t busy = parts < a->threads ? parts : a->threads;
    a->answers->score_s = (double)ns * 1e-9 / (double)(busy ? busy : 1);
    for (size_t i = OD_LIST_VARIANTS; i < a->threads * OD_LIST_VARIANTS; i++)
        od_bitmap_or(a->listed[i % OD_LIST_VARIANTS], a->listed[i], a->exam->item_count);
    for (int v = 0; v < OD_LIST_VARIANTS; v++)
        if (a->exam->item_count)
            a->answers->coverage[v] = (double)od_bitmap_count(a->listed[v], a->exam->item_count) /
                                      (double)a->exam->item_count;
    a->answers->exams = 1;
}

enum od_status od_ask(const struct od_exam *exam, const struct od_answerer *answerer,
                      const struct od_asking *asking, struct od_answers *out, struct od_error *err)
{
    size_t parts = ((size_t)exam->question_count + BLOCK - 1) / BLOCK;
    *out = (struct od_answers){.question_count = exam->question_count,
                               .metric_count = asking->metric_count};
    struct asking a = {.exam = exam,
                       .answerer = answerer,
                       .how = asking,
                       .answers = out,
                       .threads = asking->threads ? asking->threads : od_cpu_count()};
    enum od_status s = open_asking(&a, parts);
    if (s == OD_OK)
        s = od_parallel(a.threads, parts, ask_block, &a);
    if (s == OD_OK) {
        sum_up(&a, parts);
    } else {
        od_fail(err, s, NULL);
        for (size_t i = 0; a.errors && i < parts; i++)
            if (a.errors[i].code == s) {
                od_error_copy(err, &a.errors[i]);
                break;
            }
        od_answers_done(out);
    }
    close_asking(&a);
    return s;
}

void od_answers_done(struct od_answers *answers)
{
    for (int v = 0; v < OD_LIST_VARIANTS; v++)
        free(answers->value[v]);
    *answers = (struct od_answers){0};
}

static enum od_status append_variant(struct od_answers *to, const struct od_answers *more, int v)
{
    size_t had = to->question_count * to->metric_count;
    size_t got = more->question_count * more->metric_count;
    float *value = realloc(to->value[v], (had + got + 1) * sizeof *value);
    if (!value)
        return OD_NO_MEMORY;
    memcpy(value + had, more->value[v], got * sizeof *value);
    to->value[v] = value;
    to->coverage[v] =
        (to->coverage[v] * to->exams + more->coverage[v] * more->exams) / (to->exams + more->exams);
    return OD_OK;
}

enum od_status od_answers_append(struct od_answers *answers, struct od_answers *more,
                                 struct od_error *err)
{
    enum od_status s = OD_OK;
    if (answers->exams == 0) {
        *answers = *more;
        *more = (struct od_answers){0};
        return OD_OK;
    }
    for (int v = 0; s == OD_OK && v < OD_LIST_VARIANTS; v++)
        if (more->value[v])
            s = append_variant(answers, more, v);
    if (s == OD_OK) {
        answers->question_count += more->question_count;
        answers->exams += more->exams;
        answers->repeats += more->repeats;
        answers->score_s += more->score_s;
    }
    od_answers_done(more);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
