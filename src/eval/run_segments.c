/* Protocol segment through recipes and the most active users. */
#include <stdlib.h>

#include "eval/popular.h"
#include "eval/run_inner.h"
#include "eval/segments.h"

static enum od_status take_recipe(struct od_eval *run, const struct od_segment_exam *exam,
                                  struct od_eval_row *row, struct od_error *err)
{
    struct od_memory_model model = {0};
    struct od_error inner = {0};
    enum od_status s = od_eval_train(run, exam->train, row, &model, &inner);
    if (s == OD_OK)
        s = od_segment_ask_recipe(exam, row->recipe->recipe, model.model, run->plan->threads,
                                  run->plan->io, &row->answers, &inner);
    od_memory_model_done(&model);
    return s == OD_OK ? OD_OK : od_fail(err, s, "%s: %s", row->name, inner.message);
}

static void count_exam(struct od_eval_result *result, const struct od_segment_exam *exam)
{
    result->catalogue = od_dict_count(exam->catalogue);
    result->train_events = exam->train->event_count;
    result->questions = exam->question_count;
    result->possible = exam->possible;
    result->cold_relevant = exam->unknown_users;
    for (uint32_t q = 0; q < exam->question_count; q++)
        result->relevant += exam->questions[q].user_count;
}

enum od_status od_eval_segments(struct od_eval *run, struct od_eval_questions *out,
                                struct od_error *err)
{
    struct od_segment_exam exam;
    struct od_eval_result *result = run->result;
    struct od_eval_row *rows = result->rows;
    const struct od_protocol_input *input = &run->plan->input;
    enum od_status s =
        od_segment_exam_make(input->full, input->segment_column, input->most, &exam, err);
    if (s != OD_OK)
        return s;
    count_exam(result, &exam);
    out->groups = malloc(((size_t)exam.question_count + 1) * sizeof *out->groups);
    out->user = malloc(((size_t)exam.question_count + 1) * sizeof *out->user);
    if (!out->groups || !out->user)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    for (uint32_t q = 0; s == OD_OK && q < exam.question_count; q++) {
        out->groups[q] = 1u << OD_GROUP_ALL;
        out->user[q] = OD_NO_CODE; /* they are about items */
    }
    if (s == OD_OK)
        s = od_segment_ask_active(&exam, 0, &rows[OD_EVAL_EVER].answers, err);
    if (s == OD_OK)
        s = od_segment_ask_active(&exam, OD_POPULAR_WINDOW_S, &rows[OD_EVAL_LATELY].answers, err);
    for (size_t r = 0; s == OD_OK && r < result->row_count; r++)
        if (rows[r].recipe)
            s = take_recipe(run, &exam, &rows[r], err);
    od_segment_exam_done(&exam);
    return s;
}
