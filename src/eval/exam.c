/* Making exams. Input events and relevant items of all questions lie in one array each, because
 * there may be a hundred thousand questions and most are short. */
#include "eval/exam.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "data/training_ids.h"

void od_exam_done(struct od_exam *exam)
{
    od_training_free(exam->owned);
    od_dict_free(exam->items);
    free(exam->candidates);
    free(exam->gain);
    free(exam->known);
    free(exam->events);
    free(exam->relevant);
    free(exam->questions);
    *exam = (struct od_exam){0};
}

/* --- the catalogue --- */

static enum od_status add_all(struct od_dict *to, const struct od_dict *from)
{
    enum od_status s = OD_OK;
    uint32_t code;
    for (uint32_t i = 0; s == OD_OK && from && i < od_dict_count(from); i++)
        s = od_dict_add(to, od_dict_text(from, i), &code);
    return s;
}

static enum od_status add_rows(struct od_dict *to, const struct od_table *table)
{
    enum od_status s = OD_OK;
    uint32_t code, rows = table ? od_table_row_count(table) : 0;
    for (uint32_t row = 0; s == OD_OK && row < rows; row++)
        s = od_dict_add(to, od_table_id(table, row), &code);
    return s;
}

static enum od_status make_catalogue(struct od_exam *exam, const struct od_training *full,
                                     const struct od_dict *more)
{
    struct od_dict *all = od_dict_new();
    uint32_t *map = NULL;
    enum od_status s = all ? add_all(all, full->items) : OD_NO_MEMORY;
    if (s == OD_OK)
        s = add_all(all, more);
    if (s == OD_OK)
        s = add_rows(all, full->item_table);
    if (s == OD_OK)
        s = od_training_sort_ids(all, &exam->items, &map);
    od_dict_free(all);
    free(map);
    if (s == OD_OK)
        exam->item_count = od_dict_count(exam->items);
    return s;
}

static enum od_status mark_known(struct od_exam *exam)
{
    const struct od_dict *items = exam->train->items;
    exam->known = calloc((size_t)exam->item_count + 1, sizeof *exam->known);
    if (!exam->known)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < exam->train->item_count; i++)
        exam->known[od_dict_find(exam->items, od_dict_text(items, i))] = true;
    return OD_OK;
}

enum od_status od_exam_begin(struct od_exam *exam, const struct od_training *full,
                             const struct od_dict *more, struct od_training *train, bool owned,
                             struct od_error *err)
{
    *exam = (struct od_exam){.full = full, .train = train, .owned = owned ? train : NULL};
    enum od_status s = make_catalogue(exam, full, more);
    if (s == OD_OK)
        s = mark_known(exam);
    if (s == OD_OK)
        return OD_OK;
    od_exam_done(exam);
    return od_fail(err, s, NULL);
}

/* --- questions --- */

/* Room for one more element of size bytes in *array. */
static enum od_status grow(void *array, uint64_t count, uint64_t *cap, size_t size)
{
    if (count < *cap)
        return OD_OK;
    uint64_t wanted = *cap ? *cap * 2 : 1024;
    void **at = array;
    void *bigger = reallocarray(*at, wanted, size);
    if (!bigger)
        return OD_NO_MEMORY;
    *at = bigger;
    *cap = wanted;
    return OD_OK;
}

enum od_status od_exam_question(struct od_exam *exam, uint32_t user, uint64_t context_event)
{
    uint64_t cap = exam->question_cap;
    enum od_status s = grow(&exam->questions, exam->question_count, &cap, sizeof *exam->questions);
    exam->question_cap = (uint32_t)cap;
    if (s == OD_OK)
        exam->questions[exam->question_count] =
            (struct od_question){.user = user,
                                 .context_event = context_event,
                                 .event_at = exam->event_count,
                                 .relevant_at = exam->relevant_count};
    return s;
}

enum od_status od_exam_event(struct od_exam *exam, const struct od_past_event *event)
{
    enum od_status s =
        grow(&exam->events, exam->event_count, &exam->event_cap, sizeof *exam->events);
    if (s == OD_OK)
        exam->events[exam->event_count++] = *event;
    return s;
}

enum od_status od_exam_relevant(struct od_exam *exam, uint32_t item)
{
    enum od_status s =
        grow(&exam->relevant, exam->relevant_count, &exam->relevant_cap, sizeof *exam->relevant);
    if (s == OD_OK)
        exam->relevant[exam->relevant_count++] = item;
    return s;
}

static int by_code(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t distinct(uint32_t *codes, size_t count)
{
    uint32_t kept = 0;
    qsort(codes, count, sizeof *codes, by_code);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || codes[i] != codes[i - 1])
            codes[kept++] = codes[i];
    return kept;
}

void od_exam_close(struct od_exam *exam, int64_t now_s, uint32_t groups)
{
    struct od_question *q = &exam->questions[exam->question_count++];
    uint32_t *relevant = exam->relevant + q->relevant_at;
    q->event_count = (uint32_t)(exam->event_count - q->event_at);
    if (exam->relevant_count > q->relevant_at)
        q->relevant_count = distinct(relevant, exam->relevant_count - q->relevant_at);
    exam->relevant_count = q->relevant_at + q->relevant_count;
    q->now_s = now_s;
    q->groups = groups | 1u << OD_GROUP_ALL;
}

uint32_t od_exam_spread(uint32_t index, uint32_t count, uint32_t most)
{
    return most == 0 || count <= most ? index : (uint32_t)((uint64_t)index * count / most);
}

/* --- questions of a training set's users --- */

/* Codes of full in the exam's terms. */
struct maps {
    uint32_t *item;
    uint16_t *type;
};

static enum od_status make_maps(const struct od_exam *exam, const struct od_training *full,
                                struct maps *out)
{
    out->item = malloc(((size_t)full->item_count + 1) * sizeof *out->item);
    out->type = malloc(((size_t)full->type_count + 1) * sizeof *out->type);
    if (!out->item || !out->type)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < full->item_count; i++)
        out->item[i] = od_dict_find(exam->items, od_dict_text(full->items, i));
    for (uint32_t i = 0; i < full->type_count; i++) {
        uint32_t code = od_dict_find(exam->train->types, od_dict_text(full->types, i));
        out->type[i] = code == OD_NO_CODE ? OD_NO_TYPE : (uint16_t)code;
    }
    return OD_OK;
}

static int64_t now_of(const struct od_training *full, const struct od_exam_user *who,
                      const struct od_exam_asking *asking)
{
    if (asking->clock == OD_NOW_TARGET)
        return full->time[who->input_end];
    if (asking->clock == OD_NOW_FIXED || who->input_end == full->user_start[who->user])
        return asking->fixed_now_s;
    return full->time[who->input_end - 1];
}

static uint64_t context_of(const struct od_training *full, const struct od_exam_user *who,
                           const struct od_exam_asking *asking)
{
    if (asking->clock == OD_NOW_TARGET)
        return who->input_end;
    return who->input_end == full->user_start[who->user] ? OD_NO_EVENT : who->input_end - 1;
}

static enum od_status ask_user(struct od_exam *exam, const struct od_training *full,
                               const struct maps *maps, const struct od_exam_user *who,
                               const struct od_exam_asking *asking)
{
    struct od_str id = od_dict_text(full->users, who->user);
    assert(who->input_end < who->relevant_end);
    enum od_status s = od_exam_question(exam, who->user, context_of(full, who, asking));
    for (uint64_t e = full->user_start[who->user]; s == OD_OK && e < who->input_end; e++)
        s = od_exam_event(exam, &(struct od_past_event){.item = maps->item[full->item[e]],
                                                        .type = maps->type[full->type[e]],
                                                        .time = full->time[e]});
    for (uint64_t e = who->input_end; s == OD_OK && e < who->relevant_end; e++)
        s = od_exam_relevant(exam, maps->item[full->item[e]]);
    bool known = od_dict_find(exam->train->users, id) != OD_NO_CODE;
    if (s == OD_OK)
        od_exam_close(exam, now_of(full, who, asking),
                      1u << (known ? OD_GROUP_KNOWN : OD_GROUP_COLD));
    return s;
}

enum od_status od_exam_ask_users(struct od_exam *exam, const struct od_training *full,
                                 const struct od_exam_user *users, uint32_t count,
                                 const struct od_exam_asking *asking, struct od_error *err)
{
    struct maps maps = {0};
    uint32_t asked = asking->most && asking->most < count ? asking->most : count;
    enum od_status s = make_maps(exam, full, &maps);
    for (uint32_t i = 0; s == OD_OK && i < asked; i++)
        s = ask_user(exam, full, &maps, &users[od_exam_spread(i, count, asking->most)], asking);
    free(maps.item);
    free(maps.type);
    exam->possible += count;
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
