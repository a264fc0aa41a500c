/* Answering a line (serving.md sections 13 and 14).
 *
 *   {"input":{"userId":"7"},"output":{"recommendedItems":["3","9"],"scores":[0.2,0.1]},"error":null}
 *   {"input":{"itemId":"3"},"output":{"usersList":["7","8"]},"error":null}
 *   {"input":{"userid":"7"},"output":null,"error":"Line 3: ..."}
 *
 * The input is repeated byte for byte; of a line that is no JSON its text is, as a string. Scores
 * are there for recipes that have scores, 0 for an item of a ranked list that the model does not
 * know. aws-user-personalization-v2 gives its reasons beside each item. */
#include "batch/answer.h"

#include <stdio.h>

#include "base/json.h"
#include "base/limits.h"

#define SHOWN_BYTES 1000u /* of a line that is no JSON */

static void write_ids(struct od_buf *out, const char *key, const struct od_str *ids, size_t count)
{
    od_buf_printf(out, "\"%s\":[", key);
    for (size_t i = 0; i < count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, ids[i]);
    }
    od_buf_char(out, ']');
}

static void write_items(struct od_buf *out, const struct od_recipe_spec *spec,
                        const struct od_ranked_item *items, size_t count)
{
    bool reasons = od_str_eq_c(od_str_c(spec->name), "aws-user-personalization-v2");
    od_buf_puts(out, "\"recommendedItems\":[");
    for (size_t i = 0; i < count; i++) {
        od_buf_puts(out, i ? "," : "");
        od_buf_json(out, items[i].id);
    }
    od_buf_char(out, ']');
    if (spec->has_scores) {
        od_buf_puts(out, ",\"scores\":[");
        for (size_t i = 0; i < count; i++) {
            od_buf_puts(out, i ? "," : "");
            od_buf_double(out, items[i].has_score ? items[i].score : 0);
        }
        od_buf_char(out, ']');
    }
    if (!reasons)
        return;
    od_buf_puts(out, ",\"reasons\":[");
    for (size_t i = 0; i < count; i++) {
        od_buf_puts(out, i ? ",[" : "[");
        if (items[i].reason.ptr)
            od_buf_json(out, items[i].reason);
        od_buf_char(out, ']');
    }
    od_buf_char(out, ']');
}

static enum od_status answer_items(const struct od_batch_group *group,
                                   const struct od_batch_job *job, const struct od_batch_text *text,
                                   const struct od_batch_line *line, struct od_arena *scratch,
                                   struct od_buf *out, struct od_error *err)
{
    bool ranking = group->spec->type == OD_PERSONALIZED_RANKING;
    const struct od_recommend_query query = {
        .campaign_arn = job->name,
        .user = line->user,
        .item = line->item,
        .num_results = ranking ? -1 : job->results,
        .context = line->context,
        .context_count = line->context_count,
        .filter_arn = job->filter_arn,
        .filter_values = line->values,
        .filter_value_count = line->value_count,
        .input_list = line->list,
        .input_count = line->list_count,
        .now_ms = job->now_ms,
        .seed = &text->seed,
    };
    struct od_recommend_answer answer;
    enum od_status s = ranking ? od_serve_rank(group->serve, &query, scratch, &answer, err)
                               : od_serve_recommend(group->serve, &query, scratch, &answer, err);
    if (s != OD_OK)
        return s;
    size_t count = answer.count;
    if (ranking && job->results >= 0 && count > (size_t)job->results)
        count = (size_t)job->results;
    write_items(out, group->spec, answer.items, count);
    return OD_OK;
}

static enum od_status answer_users(const struct od_batch_group *group,
                                   const struct od_batch_job *job, const struct od_batch_line *line,
                                   struct od_arena *scratch, struct od_buf *out,
                                   struct od_error *err)
{
    const struct od_segment_ask ask = {
        .item = line->item,
        .attributes = line->attributes,
        .filter_values = line->values,
        .filter_value_count = line->value_count,
        .now_ms = job->now_ms,
        .most = (uint32_t)(job->results < 0 ? OD_DEFAULT_RESULTS : job->results),
    };
    struct od_str *users;
    size_t count;
    enum od_status s = od_segments_find(group->segments, &ask, scratch, &users, &count, err);
    if (s == OD_OK)
        write_ids(out, "usersList", users, count);
    return s;
}

/* What the next line may do better. */
static bool is_the_lines_fault(enum od_status s)
{
    return s == OD_INVALID_INPUT || s == OD_TOO_LARGE || s == OD_NOT_FOUND;
}

static void write_error(const struct od_batch_text *line, const struct od_error *why,
                        struct od_arena *scratch, struct od_buf *out)
{
    struct od_json root;
    struct od_error ignored;
    char number[32];
    od_arena_reset(scratch);
    od_buf_puts(out, "{\"input\":");
    if (line->text.len <= OD_MAX_BATCH_LINE_BYTES &&
        od_json_parse(scratch, line->text, &root, &ignored) == OD_OK)
        od_buf_str(out, line->text);
    else
        od_buf_json(out, od_str_sub(line->text, 0, SHOWN_BYTES));
    od_buf_puts(out, ",\"output\":null,\"error\":");
    snprintf(number, sizeof number, "Line %llu: ", (unsigned long long)line->number);
    struct od_str text = od_arena_printf(scratch, "%s%s", number, why->message);
    od_buf_json(out, text.ptr ? text : od_str_c(number));
    od_buf_puts(out, "}\n");
}

enum od_status od_batch_answer(const struct od_batch_group *group, const struct od_batch_job *job,
                               const struct od_batch_text *line, struct od_arena *scratch,
                               struct od_buf *out, bool *out_error, struct od_error *err)
{
    struct od_batch_line read;
    struct od_error why;
    size_t before = out->len;
    enum od_status s = od_batch_line_read(line->text, group->spec, scratch, &read, &why);
    if (s == OD_OK) {
        od_buf_puts(out, "{\"input\":");
        od_buf_str(out, line->text);
        od_buf_puts(out, ",\"output\":{");
        s = job->segments ? answer_users(group, job, &read, scratch, out, &why)
                          : answer_items(group, job, line, &read, scratch, out, &why);
        od_buf_puts(out, "},\"error\":null}\n");
    }
    if (s != OD_OK && !is_the_lines_fault(s))
        return od_error_copy(err, &why);
    *out_error = s != OD_OK;
    if (s != OD_OK && od_buf_status(out) == OD_OK) {
        out->len = before;
        write_error(line, &why, scratch, out);
    }
    s = od_buf_status(out);
    return s == OD_OK
               ? OD_OK
               : od_fail(err, s, "The answers to line %llu and those beside it are too large.",
                         (unsigned long long)line->number);
}
