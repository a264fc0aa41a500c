/* The report as text. A row has up to three lines: the figures, their 95 % intervals, and the
 * interval of the difference to popularity of the last 7 days. */
#include <math.h>
#include <stdio.h>

#include "eval/report.h"

#define NAME_WIDTH 26
#define CELL_WIDTH 18

/* A number between -1 and 1 with four decimals and no leading zero, as ranking papers print it. */
static void put_figure(struct od_buf *out, double value)
{
    char text[32];
    if (isnan(value)) {
        od_buf_char(out, '-');
        return;
    }
    int n = snprintf(text, sizeof text, "%.4f", fabs(value));
    const char *digits = text[0] == '0' && n > 1 ? text + 1 : text;
    if (value < 0)
        od_buf_char(out, '-');
    od_buf_puts(out, digits);
}

/* text, right-aligned to CELL_WIDTH. */
static void put_cell(struct od_buf *out, const struct od_buf *text)
{
    for (size_t i = text->len; i < CELL_WIDTH; i++)
        od_buf_char(out, ' ');
    od_buf_str(out, od_buf_view(text));
}

static void put_name(struct od_buf *out, const char *name)
{
    od_buf_printf(out, "%-*s", NAME_WIDTH, name);
}

enum line { MEANS, INTERVALS, DIFFERENCES, TIMES };

static void cell_text(const struct od_eval_figure *figure, enum line line, struct od_buf *text)
{
    const struct od_interval *value = line == DIFFERENCES ? &figure->above : &figure->value;
    od_buf_clear(text);
    if (line == MEANS) {
        put_figure(text, value->mean);
        return;
    }
    if (line == TIMES) {
        if (!isnan(figure->times))
            od_buf_printf(text, "%.2f", figure->times);
        return;
    }
    if (isnan(value->low))
        return;
    put_figure(text, value->low);
    od_buf_puts(text, line == DIFFERENCES ? " to " : "-");
    put_figure(text, value->high);
}

static bool shows(const struct od_eval_figure *figure, int variant, int group)
{
    return (int)figure->variant == variant && (int)figure->group == group;
}

static void put_line(const struct od_eval_row *row, int variant, int group, enum line line,
                     struct od_buf *out)
{
    static const char *const names[] = {NULL, "  95 %", "  above last 7 days, 95 %",
                                        "  times all time"};
    struct od_buf text;
    od_buf_init(&text, 256);
    put_name(out, line == MEANS ? row->name : names[line]);
    for (size_t f = 0; f < row->figure_count; f++)
        if (shows(&row->figures[f], variant, group)) {
            cell_text(&row->figures[f], line, &text);
            put_cell(out, &text);
        }
    od_buf_clear(&text);
    if (line == MEANS && group == OD_GROUP_ALL)
        put_figure(&text, row->answers.coverage[variant]);
    put_cell(out, &text);
    if (line == MEANS && row->recipe && row->recipe->given[0])
        od_buf_printf(out, "  %s", row->recipe->given);
    od_buf_char(out, '\n');
    od_buf_done(&text);
}

static uint32_t group_count(const struct od_eval_result *result, int variant, int group)
{
    const struct od_eval_row *row = &result->rows[0];
    for (size_t f = 0; f < row->figure_count; f++)
        if (shows(&row->figures[f], variant, group))
            return row->figures[f].value.count;
    return 0;
}

static void put_table(const struct od_eval_result *result, int variant, int group,
                      struct od_buf *out)
{
    const char *const lists[] = {result->plan->protocol->segments ? "lists of users" : "raw lists",
                                 "lists without past items"};
    static const char *const groups[] = {"", ", users known to training",
                                         ", users unknown to training"};
    struct od_buf text;
    od_buf_init(&text, 256);
    od_buf_printf(out, "\n%s%s", lists[variant], groups[group]);
    if (group != OD_GROUP_ALL)
        od_buf_printf(out, " (%u questions)", group_count(result, variant, group));
    od_buf_char(out, '\n');
    put_name(out, "");
    for (const struct od_list_metric *m = result->plan->protocol->metrics; m->name; m++) {
        od_buf_clear(&text);
        od_buf_puts(&text, m->title);
        put_cell(out, &text);
    }
    od_buf_clear(&text);
    od_buf_puts(&text, group == OD_GROUP_ALL ? "coverage" : "");
    put_cell(out, &text);
    od_buf_char(out, '\n');
    od_buf_done(&text);
    for (size_t r = 0; r < result->row_count; r++) {
        put_line(&result->rows[r], variant, group, MEANS, out);
        put_line(&result->rows[r], variant, group, INTERVALS, out);
        if (r != OD_EVAL_LATELY)
            put_line(&result->rows[r], variant, group, DIFFERENCES, out);
        if (result->rows[r].recipe)
            put_line(&result->rows[r], variant, group, TIMES, out);
    }
}

static void put_relevant(const struct od_eval_result *result, struct od_buf *out)
{
    double all = result->relevant ? (double)result->relevant : 1;
    od_buf_printf(
        out,
        "; %u users had too few events; relevant items: %llu, %.1f %% in the user's past, "
        "%.1f %% without an event in training\n",
        result->skipped, (unsigned long long)result->relevant,
        100 * (double)result->rows[0].answers.repeats / all,
        100 * (double)result->cold_relevant / all);
}

static void put_head(const struct od_eval_result *result, struct od_buf *out)
{
    const struct od_eval_plan *plan = result->plan;
    const struct od_training *full = plan->input.full;
    od_buf_printf(out, "protocol %s: %s\n", plan->protocol->name, plan->protocol->summary);
    od_buf_printf(out, "data %016llx: %llu events, %u users, %u items; %llu events trained on",
                  (unsigned long long)full->hash, (unsigned long long)full->event_count,
                  full->user_count, result->catalogue, (unsigned long long)result->train_events);
    if (result->folds > 1)
        od_buf_printf(out, ", %u folds", result->folds);
    od_buf_printf(out, "\n%u questions", result->questions);
    if (result->questions < result->possible)
        od_buf_printf(out, " of %u, evenly spread", result->possible);
    if (plan->protocol->segments)
        od_buf_printf(out, "; %llu users came back, %llu came who were new and are not counted\n",
                      (unsigned long long)result->relevant,
                      (unsigned long long)result->cold_relevant);
    else
        put_relevant(result, out);
    od_buf_printf(out, "seed %llu, %u threads; queries %s%s\n",
                  (unsigned long long)plan->input.seed, plan->threads,
                  plan->input.target_time ? "know the time of the event to be predicted"
                                          : "do not know the time of the event to be predicted",
                  plan->input.relaxed ? "; relaxed: trained on all but the last event" : "");
    if (full->dealt)
        od_buf_puts(out,
                    "the interactions come in the order of their item ids, which is none: each "
                    "user's were dealt by chance\n");
}

static void put_costs(const struct od_eval_result *result, struct od_buf *out)
{
    od_buf_char(out, '\n');
    put_name(out, "cost");
    od_buf_printf(out, "%15s%15s%15s%15s%15s\n", "training, s", "GFLOP/s", "peak MiB", "image MiB",
                  "answers/s");
    for (size_t r = 0; r < result->row_count; r++) {
        const struct od_eval_row *row = &result->rows[r];
        put_name(out, row->name);
        if (row->recipe)
            od_buf_printf(out, "%15.2f", row->fit.seconds);
        else
            od_buf_printf(out, "%15s", "-");
        if (row->fit.operations > 0)
            od_buf_printf(out, "%15.1f", row->fit.operations / row->fit.seconds * 1e-9);
        else
            od_buf_printf(out, "%15s", "-");
        if (row->fit.peak_bytes)
            od_buf_printf(out, "%15.1f", (double)row->fit.peak_bytes / 1048576);
        else
            od_buf_printf(out, "%15s", "-");
        if (row->recipe)
            od_buf_printf(out, "%15.1f", (double)row->image_bytes / 1048576);
        else
            od_buf_printf(out, "%15s", "-");
        od_buf_printf(out, "%15.0f\n",
                      row->answers.score_s > 0
                          ? (double)row->answers.question_count / row->answers.score_s
                          : 0.0);
    }
}

void od_report_text(const struct od_eval_result *result, struct od_buf *out)
{
    put_head(result, out);
    for (int v = 0; v < OD_LIST_VARIANTS; v++)
        for (int g = 0; g < OD_EXAM_GROUPS; g++)
            if (result->plan->protocol->variants & 1u << v &&
                result->plan->protocol->groups & 1u << g)
                put_table(result, v, g, out);
    put_costs(result, out);
}
