/* The report as JSON. Numbers that do not exist are null. */
#include <math.h>

#include "eval/report.h"

static void put_interval(struct od_buf *out, const struct od_interval *interval)
{
    od_buf_puts(out, "{\"mean\":");
    od_buf_double(out, interval->mean);
    od_buf_puts(out, ",\"low\":");
    od_buf_double(out, interval->low);
    od_buf_puts(out, ",\"high\":");
    od_buf_double(out, interval->high);
    od_buf_printf(out, ",\"count\":%u}", interval->count);
}

static void put_figures(const struct od_eval_row *row, struct od_buf *out)
{
    od_buf_puts(out, "\"figures\":[");
    for (size_t f = 0; f < row->figure_count; f++) {
        const struct od_eval_figure *figure = &row->figures[f];
        od_buf_printf(out, "%s{\"lists\":\"%s\",\"group\":\"%s\",\"metric\":\"%s\",\"value\":",
                      f ? "," : "", od_list_variant_name(figure->variant),
                      od_exam_group_name(figure->group), figure->metric->name);
        put_interval(out, &figure->value);
        od_buf_puts(out, ",\"times_all_time\":");
        od_buf_double(out, figure->times);
        od_buf_puts(out, ",\"above_last_7_days\":");
        if (isnan(figure->above.mean))
            od_buf_puts(out, "null}");
        else {
            put_interval(out, &figure->above);
            od_buf_char(out, '}');
        }
    }
    od_buf_char(out, ']');
}

static void put_row(const struct od_eval_result *result, const struct od_eval_row *row,
                    struct od_buf *out)
{
    od_buf_puts(out, "{\"name\":");
    od_buf_json(out, od_str_c(row->name));
    od_buf_printf(out, ",\"kind\":\"%s\",\"given\":", row->recipe ? "recipe" : "baseline");
    od_buf_json(out, od_str_c(row->recipe ? row->recipe->given : ""));
    od_buf_puts(out, ",\"training_seconds\":");
    od_buf_double(out, row->recipe ? row->fit.seconds : NAN);
    od_buf_puts(out, ",\"gflops\":");
    od_buf_double(out,
                  row->fit.operations > 0 ? row->fit.operations / row->fit.seconds * 1e-9 : NAN);
    od_buf_printf(out, ",\"peak_bytes\":%llu,\"image_bytes\":%llu,\"answers_per_second\":",
                  (unsigned long long)row->fit.peak_bytes, (unsigned long long)row->image_bytes);
    od_buf_double(out, row->answers.score_s > 0
                           ? (double)row->answers.question_count / row->answers.score_s
                           : NAN);
    od_buf_puts(out, ",\"coverage\":{");
    bool first = true;
    for (int v = 0; v < OD_LIST_VARIANTS; v++) {
        if (!(result->plan->protocol->variants & 1u << v))
            continue;
        od_buf_printf(out, "%s\"%s\":", first ? "" : ",",
                      od_list_variant_name((enum od_list_variant)v));
        od_buf_double(out, row->answers.coverage[v]);
        first = false;
    }
    od_buf_puts(out, "},");
    put_figures(row, out);
    od_buf_char(out, '}');
}

void od_report_json(const struct od_eval_result *result, struct od_buf *out)
{
    const struct od_eval_plan *plan = result->plan;
    const struct od_training *full = plan->input.full;
    const struct od_test_file *test = plan->input.test;
    od_buf_printf(out, "{\"protocol\":\"%s\",\"shown\":{\"metric\":\"%s\",\"lists\":\"%s\"},",
                  plan->protocol->name, plan->protocol->metrics[plan->protocol->shown_metric].name,
                  od_list_variant_name(plan->protocol->shown_lists));
    od_buf_printf(out,
                  "\"data\":{\"hash\":\"%016llx\",\"records\":\"%016llx\",\"test\":\"%016llx\","
                  "\"events\":%llu,\"users\":%u,\"items\":%u,"
                  "\"catalogue\":%u,\"first_time\":%lld,\"last_time\":%lld},",
                  (unsigned long long)full->hash, (unsigned long long)plan->records,
                  (unsigned long long)(test ? test->hash : 0),
                  (unsigned long long)full->event_count, full->user_count, full->item_count,
                  result->catalogue, (long long)full->first_time, (long long)full->last_time);
    od_buf_printf(out,
                  "\"seed\":%llu,\"threads\":%u,\"folds\":%u,\"target_time\":%s,\"relaxed\":%s,"
                  "\"dealt\":%s,"
                  "\"trained_events\":%llu,\"questions\":%u,\"possible\":%u,\"skipped\":%u,"
                  "\"relevant\":%llu,\"repeats\":%llu,\"cold_relevant\":%llu,\"rows\":[",
                  (unsigned long long)plan->input.seed, plan->threads, result->folds,
                  plan->input.target_time ? "true" : "false",
                  plan->input.relaxed ? "true" : "false", full->dealt ? "true" : "false",
                  (unsigned long long)result->train_events, result->questions, result->possible,
                  result->skipped, (unsigned long long)result->relevant,
                  (unsigned long long)result->rows[0].answers.repeats,
                  (unsigned long long)result->cold_relevant);
    for (size_t r = 0; r < result->row_count; r++) {
        if (r)
            od_buf_char(out, ',');
        put_row(result, &result->rows[r], out);
    }
    od_buf_puts(out, "]}\n");
}
