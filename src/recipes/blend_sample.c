/* Judges' candidates. See blend_train.h.
 *
 * A judge's query is what the server would have got just before the held-out event, at its time.
 * Candidates are in the order of their codes, so nothing depends on which part named them. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/random.h"
#include "math/nn/vector.h"
#include "math/topk.h"
#include "os/parallel.h"
#include "recipes/blend_train.h"

enum { BLOCK = 16 }; /* judges of a part of the work */

/* What one thread works with. */
struct bench {
    struct od_arena arena;
    float *scores[OD_BLEND_PARTS]; /* [items] */
    float *mark;                   /* [items] */
    uint32_t *counts;              /* [OD_RECENT_WINDOWS * items] */
    uint64_t *top;
    uint32_t *best;
    struct od_past_event *events;
    struct od_blend_repeat *repeat;
    void *memory;
    bool ready;
};

struct asking {
    struct od_blend_sample *sample;
    const struct od_training *training;
    const struct od_judge *judges;
    size_t judge_count; /* of the task; the sample takes an even share */
    const struct od_blend_candidate *parts;
    const uint32_t *count;
    const struct od_recent *recent;
    const struct od_kernels *kernels;
    uint64_t longest; /* history of a judge */
    struct bench *bench;
    struct od_error *errors; /* of each thread */
};

static bool bench_open(struct bench *b, const struct asking *a)
{
    if (b->ready)
        return true;
    size_t n = a->training->item_count, top = od_topk_scratch(OD_BLEND_TOP);
    size_t floats = n * (a->sample->parts + 1 + OD_RECENT_WINDOWS) + a->sample->room;
    size_t bytes = top * 8 + a->longest * (sizeof *b->events + sizeof *b->repeat) + floats * 4;
    b->memory = malloc(bytes + 64);
    if (!b->memory)
        return false;
    b->top = b->memory;
    b->events = (struct od_past_event *)(void *)(b->top + top);
    b->repeat = (struct od_blend_repeat *)(void *)(b->events + a->longest);
    float *next = (float *)(void *)(b->repeat + a->longest);
    for (uint32_t p = 0; p < a->sample->parts; p++, next += n)
        b->scores[p] = next;
    b->mark = next;
    b->counts = (uint32_t *)(void *)(next + n);
    b->best = b->counts + n * OD_RECENT_WINDOWS;
    od_arena_init(&b->arena, SIZE_MAX);
    b->ready = true;
    return true;
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

enum od_status od_blend_query(const struct od_training *t, const struct od_judge *judge,
                              struct od_past_event *events, struct od_arena *arena,
                              struct od_query *out)
{
    for (uint64_t e = judge->start; e < judge->end; e++)
        events[e - judge->start] = (struct od_past_event){
            .item = t->item[e],
            .type = t->type[e],
            .time = t->time[e],
        };
    *out = (struct od_query){.events = events,
                             .event_count = judge->end - judge->start,
                             .item = t->item[judge->end - 1],
                             .now_s = t->time[judge->end]};
    return od_query_at(t, od_training_user_of(t, judge->start), judge->end, arena, out);
}

/* Distinct candidates in order of their codes; returns how many. */
static uint32_t gather(const struct asking *a, struct bench *b, size_t j, size_t repeats,
                       uint32_t *out)
{
    uint32_t n = 0;
    for (uint32_t p = 0; p < a->sample->parts; p++)
        if (a->sample->knows[p][j] && !a->parts[p].part->rates)
            n += (uint32_t)od_topk(a->kernels, b->scores[p], a->training->item_count, NULL,
                                   OD_BLEND_TOP, b->top, b->best + n);
    if (a->sample->real_times) { /* what a user may have come back for */
        const uint32_t *week = b->counts + (size_t)OD_RECENT_WEEK * a->training->item_count;
        for (uint32_t i = 0; i < a->training->item_count; i++)
            b->mark[i] = (float)week[i];
        n += (uint32_t)od_topk(a->kernels, b->mark, a->training->item_count, NULL, OD_BLEND_LATELY,
                               b->top, b->best + n);
    }
    for (size_t r = 0; r < repeats && r < OD_BLEND_PAST; r++)
        b->best[n++] = b->repeat[r].item;
    struct od_random rng;
    od_random_init2(&rng, j, 0x6368616e6365); /* "chance" */
    for (size_t r = 0; r < OD_BLEND_CHANCE && a->training->item_count; r++)
        b->best[n++] = (uint32_t)od_random_below(&rng, a->training->item_count);
    qsort(b->best, n, sizeof *b->best, by_code);
    uint32_t put = 0;
    for (uint32_t i = 0; i < n; i++)
        if (i == 0 || b->best[i] != b->best[i - 1])
            out[put++] = b->best[i];
    return put;
}

/* The terms that are no part's, of candidates first .. first + count. */
static void fill_terms(const struct asking *a, struct bench *b, size_t repeats, size_t first,
                       uint32_t count)
{
    struct od_blend_sample *s = a->sample;
    size_t n = a->training->item_count;
    const uint32_t *item = s->item + first;
    for (uint32_t i = 0; i < count; i++) {
        s->x[OD_BLEND_PARTS + OD_BLEND_POPULAR][first + i] =
            od_nn_log(1 + (float)a->count[item[i]]);
        for (size_t w = 0; w < OD_RECENT_WINDOWS && s->real_times; w++)
            s->x[OD_BLEND_PARTS + OD_BLEND_DAY + w][first + i] =
                od_nn_log(1 + (float)b->counts[w * n + item[i]]);
    }
    for (size_t r = 0; r < repeats; r++) {
        const uint32_t *at = bsearch(&b->repeat[r].item, item, count, sizeof *item, by_code);
        for (size_t f = 0; f < OD_BLEND_REPEATS && at; f++)
            s->x[OD_BLEND_PARTS + f][first + (size_t)(at - item)] = b->repeat[r].feature[f];
    }
}

static enum od_status ask(const struct asking *a, struct bench *b, size_t j, struct od_error *err)
{
    struct od_blend_sample *s = a->sample;
    const struct od_judge *judge = &a->judges[j * a->judge_count / s->judges];
    struct od_query query;
    if (od_blend_query(a->training, judge, b->events, &b->arena, &query) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t p = 0; p < s->parts; p++) {
        bool knows = false;
        enum od_status st = a->parts[p].part->score(a->parts[p].opened, &query, &b->arena,
                                                    b->scores[p], &knows, err);
        if (st != OD_OK)
            return st;
        s->knows[p][j] = knows;
    }
    size_t repeats = od_blend_repeats(&query, a->training->item_count, b->mark, b->repeat);
    size_t first = j * s->room;
    if (s->real_times)
        od_recent_count(a->recent, query.now_s, a->training->item_count, b->counts);
    s->count[j] = gather(a, b, j, repeats, s->item + first);
    for (uint32_t p = 0; p < s->parts; p++)
        for (uint32_t i = 0; i < s->count[j]; i++)
            s->raw[p][first + i] = s->knows[p][j] ? b->scores[p][s->item[first + i]] : 0;
    s->pause[j] = od_blend_pause(&query);
    fill_terms(a, b, repeats, first, s->count[j]);
    uint32_t target = a->training->item[judge->end];
    const uint32_t *at = bsearch(&target, s->item + first, s->count[j], sizeof *s->item, by_code);
    s->length[j] = od_blend_length(query.event_count);
    s->weight[j] = od_training_weight(a->training, judge->end);
    s->target[j] = at ? (uint32_t)(at - (s->item + first)) : OD_NO_CODE;
    od_arena_reset(&b->arena);
    return OD_OK;
}

static enum od_status ask_block(void *context, size_t index, unsigned thread)
{
    const struct asking *a = context;
    struct bench *b = &a->bench[thread];
    if (!bench_open(b, a))
        return od_fail(&a->errors[thread], OD_NO_MEMORY, NULL);
    for (size_t j = index * BLOCK; j < (index + 1) * BLOCK && j < a->sample->judges; j++) {
        enum od_status st = ask(a, b, j, &a->errors[thread]);
        if (st != OD_OK)
            return st;
    }
    return OD_OK;
}

static enum od_status ask_all(struct asking *a, unsigned threads, struct od_error *err)
{
    threads = threads ? threads : od_cpu_count();
    a->bench = calloc(threads, sizeof *a->bench);
    a->errors = calloc(threads, sizeof *a->errors);
    enum od_status st = a->bench && a->errors ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK) {
        size_t blocks = (a->sample->judges + BLOCK - 1) / BLOCK;
        st = od_parallel(threads, blocks, ask_block, a);
        for (unsigned t = 0; st != OD_OK && t < threads; t++)
            if (a->errors[t].code == st) {
                od_error_copy(err, &a->errors[t]);
                break;
            }
    }
    for (unsigned t = 0; a->bench && t < threads; t++)
        if (a->bench[t].ready) {
            od_arena_done(&a->bench[t].arena);
            free(a->bench[t].memory);
        }
    free(a->bench);
    free(a->errors);
    return st;
}

static enum od_status allocate(struct od_blend_sample *s)
{
    size_t places = s->judges * s->room + 1;
    s->count = calloc(s->judges + 1, sizeof *s->count);
    s->target = calloc(s->judges + 1, sizeof *s->target);
    s->weight = calloc(s->judges + 1, sizeof *s->weight);
    s->length = calloc(s->judges + 1, sizeof *s->length);
    s->pause = calloc(s->judges + 1, sizeof *s->pause);
    s->item = calloc(places, sizeof *s->item);
    bool all = s->count && s->target && s->weight && s->length && s->pause && s->item;
    for (uint32_t p = 0; p < s->parts; p++) {
        s->raw[p] = calloc(places, sizeof *s->raw[p]);
        s->knows[p] = calloc(s->judges + 1, 1);
        s->x[p] = calloc(places, sizeof *s->x[p]);
        all = all && s->raw[p] && s->knows[p] && s->x[p];
    }
    for (size_t f = OD_BLEND_PARTS; f < OD_BLEND_PARTS + OD_BLEND_RETURN; f++) {
        s->x[f] = calloc(places, sizeof *s->x[f]);
        all = all && s->x[f];
    }
    return all ? OD_OK : OD_NO_MEMORY;
}

static size_t room_of(uint32_t parts)
{
    return (size_t)parts * OD_BLEND_TOP + OD_BLEND_PAST + OD_BLEND_LATELY + OD_BLEND_CHANCE;
}

/* Judges whose candidates take no more than a quarter of the memory a recipe may use. */
static size_t affordable(const struct od_train_input *input, size_t judges, uint32_t parts)
{
    size_t each = room_of(parts) * sizeof(float) * ((size_t)parts * 2 + OD_BLEND_FEATURES);
    uint64_t most = input->memory_bytes / 4 / each;
    return input->memory_bytes && judges > most ? (size_t)most : judges;
}

enum od_status od_blend_sample_init(struct od_blend_sample *out, const struct od_train_input *input,
                                    const struct od_judge *judges, size_t judge_count,
                                    const struct od_blend_candidate *parts, uint32_t part_count,
                                    const uint32_t *count, const struct od_recent *recent,
                                    struct od_error *err)
{
    *out = (struct od_blend_sample){
        .judges = affordable(input, judge_count < OD_BLEND_JUDGES ? judge_count : OD_BLEND_JUDGES,
                             part_count),
        .room = room_of(part_count),
        .parts = part_count,
        .real_times = od_recent_real(input->training),
    };
    for (uint32_t p = 0; p < part_count; p++)
        out->steady |= parts[p].part->rates ? 1u << p : 0;
    struct asking asking = {.sample = out,
                            .training = input->training,
                            .judges = judges,
                            .judge_count = judge_count,
                            .parts = parts,
                            .count = count,
                            .recent = recent,
                            .kernels = od_kernels_best()};
    for (size_t j = 0; j < judge_count; j++)
        if (judges[j].end - judges[j].start > asking.longest)
            asking.longest = judges[j].end - judges[j].start;
    enum od_status st = allocate(out);
    if (st != OD_OK)
        (void)od_fail(err, st, NULL);
    else
        st = ask_all(&asking, input->threads, err);
    if (st != OD_OK)
        od_blend_sample_done(out);
    return st;
}

void od_blend_sample_done(struct od_blend_sample *sample)
{
    free(sample->count);
    free(sample->target);
    free(sample->weight);
    free(sample->length);
    free(sample->pause);
    free(sample->item);
    for (uint32_t p = 0; p < OD_BLEND_PARTS; p++) {
        free(sample->raw[p]);
        free(sample->knows[p]);
    }
    for (size_t f = 0; f < OD_BLEND_COLUMNS; f++)
        free(sample->x[f]);
    *sample = (struct od_blend_sample){0};
}
