/* The report as a picture: quality against training time, one point a recipe with its 95 %
 * interval, both popularities as lines across, because they need no training.
 *
 * Quality is the metric, over the lists, that the protocol is known by (shown_metric, shown_lists
 * of struct od_protocol). Time is on a logarithmic scale. Labels stand beside their points and are
 * moved apart where they would overlap. */
#include <math.h>
#include <stdlib.h>

#include "eval/report.h"

#define WIDTH       1140.0
#define HEIGHT      560.0
#define LEFT        80.0
#define RIGHT       220.0
#define TOP         70.0
#define BOTTOM      70.0
#define LABEL_GAP   17.0 /* least distance of two labels' lines */
#define LABEL_WIDTH 250.0
#define HALO        "stroke=\"#fff\" stroke-width=\"4\"" /* drawn below a label: keeps lines off it */
#define LEAST_S     0.01                                 /* the shortest training time shown */

struct point {
    const struct od_eval_row *row;
    const struct od_interval *value;
    double x, y, label_y;
};
struct picture {
    const struct od_eval_result *result;
    struct od_buf *out;
    struct point points[OD_EVAL_RECIPES];
    size_t count;
    double top;         /* quality at the upper end of the scale; the lower end is 0 */
    double first, last; /* powers of ten of seconds */
};

static const struct od_interval *shown(const struct od_eval_result *result,
                                       const struct od_eval_row *row)
{
    const struct od_protocol *protocol = result->plan->protocol;
    for (size_t f = 0; f < row->figure_count; f++) {
        const struct od_eval_figure *figure = &row->figures[f];
        if (figure->variant == protocol->shown_lists && figure->group == OD_GROUP_ALL &&
            figure->metric == &protocol->metrics[protocol->shown_metric])
            return &figure->value;
    }
    return NULL;
}

static double x_of(const struct picture *p, double seconds)
{
    double at = log10(seconds > LEAST_S ? seconds : LEAST_S);
    return LEFT + (at - p->first) / (p->last - p->first) * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct picture *p, double quality)
{
    return HEIGHT - BOTTOM - quality / p->top * (HEIGHT - TOP - BOTTOM);
}

/* --- scales --- */

/* 1, 2 or 5 times a power of ten, so that at most eight steps reach top. */
static double nice_step(double top)
{
    double power = pow(10, floor(log10(top / 8)));
    double step = top / 8 / power;
    return (step <= 1 ? 1 : step <= 2 ? 2 : step <= 5 ? 5 : 10) * power;
}

static void measure(struct picture *p)
{
    double high = 0, low_s = INFINITY, high_s = 0;
    for (size_t r = 0; r < p->result->row_count; r++) {
        const struct od_eval_row *row = &p->result->rows[r];
        const struct od_interval *value = shown(p->result, row);
        if (!value || isnan(value->mean))
            continue;
        high = fmax(high, isnan(value->high) ? value->mean : value->high);
        if (!row->recipe)
            continue;
        p->points[p->count++] = (struct point){.row = row, .value = value};
        low_s = fmin(low_s, row->fit.seconds);
        high_s = fmax(high_s, row->fit.seconds);
    }
    high = high > 0 ? high : 1;
    double step = nice_step(high);
    p->top = ceil(high * 1.02 / step) * step;
    p->first = floor(log10(fmin(fmax(low_s, LEAST_S), 1)));
    p->last = ceil(log10(fmax(high_s, 1) * 1.05));
    p->last = p->last > p->first + 1 ? p->last : p->first + 2;
}

static int by_height(const void *a, const void *b)
{
    const struct point *x = a, *y = b;
    return (x->y > y->y) - (x->y < y->y);
}

static void place(struct picture *p)
{
    for (size_t i = 0; i < p->count; i++) {
        p->points[i].x = x_of(p, p->points[i].row->fit.seconds);
        p->points[i].y = y_of(p, p->points[i].value->mean);
    }
    qsort(p->points, p->count, sizeof *p->points, by_height);
    for (size_t i = 0; i < p->count; i++) {
        p->points[i].label_y = p->points[i].y;
        for (size_t k = 0; k < i; k++)
            if (fabs(p->points[k].x - p->points[i].x) < LABEL_WIDTH &&
                p->points[i].label_y < p->points[k].label_y + LABEL_GAP)
                p->points[i].label_y = p->points[k].label_y + LABEL_GAP;
    }
}

/* --- drawing --- */

static void put_line(struct picture *p, double x1, double y1, double x2, double y2,
                     const char *style)
{
    od_buf_printf(p->out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" %s/>\n", x1, y1,
                  x2, y2, style);
}

static void put_text(struct picture *p, double x, double y, const char *style, const char *text)
{
    od_buf_printf(p->out, "<text x=\"%.1f\" y=\"%.1f\" %s>", x, y, style);
    for (const char *c = text; *c; c++)
        if (*c == '<')
            od_buf_puts(p->out, "&lt;");
        else if (*c == '&')
            od_buf_puts(p->out, "&amp;");
        else
            od_buf_char(p->out, *c);
    od_buf_puts(p->out, "</text>\n");
}

static void draw_scales(struct picture *p)
{
    struct od_buf text;
    od_buf_init(&text, 256);
    double step = nice_step(p->top);
    for (int i = 0; i * step <= p->top * 1.0001; i++) {
        double y = y_of(p, i * step);
        put_line(p, LEFT, y, WIDTH - RIGHT, y, "stroke=\"#e4e4e4\"");
        od_buf_clear(&text);
        od_buf_printf(&text, "%.3g", i * step);
        put_text(p, LEFT - 8, y + 4, "text-anchor=\"end\" fill=\"#555\"", text.ptr);
    }
    for (int power = (int)p->first; power <= (int)p->last; power++) {
        double x = LEFT + (power - p->first) / (p->last - p->first) * (WIDTH - LEFT - RIGHT);
        put_line(p, x, TOP, x, HEIGHT - BOTTOM, "stroke=\"#e4e4e4\"");
        od_buf_clear(&text);
        bool shortest = pow(10, power) <= LEAST_S; /* shorter times stand there too */
        od_buf_printf(&text, "%s%g s", shortest ? "up to " : "", pow(10, power));
        put_text(p, x, HEIGHT - BOTTOM + 18, "text-anchor=\"middle\" fill=\"#555\"", text.ptr);
    }
    od_buf_done(&text);
    put_text(p, (LEFT + WIDTH - RIGHT) / 2, HEIGHT - 24, "text-anchor=\"middle\"",
             "training time, seconds (logarithmic)");
}

static void draw_head(struct picture *p)
{
    const struct od_eval_plan *plan = p->result->plan;
    const struct od_protocol *protocol = plan->protocol;
    struct od_buf text;
    od_buf_init(&text, 512);
    od_buf_printf(&text, "%s, %s: quality against training time",
                  protocol->metrics[protocol->shown_metric].title,
                  protocol->segments                          ? "lists of users"
                  : protocol->shown_lists == OD_LISTS_REMOVED ? "past items removed"
                                                              : "raw lists");
    put_text(p, LEFT, 28, "font-size=\"18\" font-weight=\"bold\"", text.ptr);
    od_buf_clear(&text);
    od_buf_printf(
        &text,
        "protocol %s; %llu events, %u users, %u items (data %016llx); %u questions; bars: "
        "95 %% intervals",
        protocol->name, (unsigned long long)plan->input.full->event_count,
        plan->input.full->user_count, p->result->catalogue,
        (unsigned long long)plan->input.full->hash, p->result->questions);
    put_text(p, LEFT, 50, "fill=\"#555\"", text.ptr);
    od_buf_done(&text);
}

static int lowest_first(const void *a, const void *b)
{
    return -by_height(a, b);
}

/* Lines across, labelled in the right margin, from the lowest up and apart. */
static void draw_baselines(struct picture *p)
{
    struct point lines[OD_EVAL_BASELINES];
    size_t count = 0;
    struct od_buf text;
    od_buf_init(&text, 256);
    for (size_t r = 0; r < p->result->row_count && !p->result->rows[r].recipe; r++) {
        const struct od_interval *value = shown(p->result, &p->result->rows[r]);
        if (value && !isnan(value->mean))
            lines[count++] = (struct point){
                .row = &p->result->rows[r], .value = value, .y = y_of(p, value->mean)};
    }
    qsort(lines, count, sizeof *lines, lowest_first);
    for (size_t i = 0; i < count; i++) {
        double y = lines[i].y, at = y + 4;
        if (i > 0)
            at = fmin(at, lines[i - 1].label_y - LABEL_GAP);
        lines[i].label_y = at;
        put_line(p, LEFT, y, WIDTH - RIGHT, y, "stroke=\"#b5532a\" stroke-dasharray=\"6 4\"");
        od_buf_clear(&text);
        od_buf_printf(&text, "%s %.4f", lines[i].row->name, lines[i].value->mean);
        put_text(p, WIDTH - RIGHT + 8, at, "fill=\"#b5532a\"", text.ptr);
    }
    od_buf_done(&text);
}

static void draw_point(struct picture *p, const struct point *point)
{
    struct od_buf text;
    double low = y_of(p, point->value->low), high = y_of(p, point->value->high);
    if (!isnan(low) && !isnan(high)) {
        put_line(p, point->x, low, point->x, high, "stroke=\"#1f5f99\" stroke-width=\"2\"");
        put_line(p, point->x - 5, low, point->x + 5, low, "stroke=\"#1f5f99\" stroke-width=\"2\"");
        put_line(p, point->x - 5, high, point->x + 5, high,
                 "stroke=\"#1f5f99\" stroke-width=\"2\"");
    }
    od_buf_printf(p->out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"5\" fill=\"#1f5f99\"/>\n", point->x,
                  point->y);
    bool left = point->x > WIDTH - RIGHT - LABEL_WIDTH;
    od_buf_init(&text, 1024);
    od_buf_printf(&text, "%s %.4f, %.2g s", point->row->name, point->value->mean,
                  point->row->fit.seconds);
    if (point->row->recipe->given[0])
        od_buf_printf(&text, " (%s)", point->row->recipe->given);
    double x = point->x + (left ? -12 : 12), y = point->label_y + 4;
    put_text(p, x, y, left ? "text-anchor=\"end\" " HALO : "text-anchor=\"start\" " HALO, text.ptr);
    put_text(p, x, y, left ? "text-anchor=\"end\"" : "text-anchor=\"start\"", text.ptr);
    od_buf_done(&text);
}

void od_report_svg(const struct od_eval_result *result, struct od_buf *out)
{
    struct picture p = {.result = result, .out = out};
    measure(&p);
    place(&p);
    od_buf_printf(out,
                  "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f %.0f\" "
                  "width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" font-size=\"13\">\n"
                  "<rect width=\"100%%\" height=\"100%%\" fill=\"#fff\"/>\n",
                  WIDTH, HEIGHT, WIDTH, HEIGHT);
    draw_head(&p);
    draw_scales(&p);
    draw_baselines(&p);
    for (size_t i = 0; i < p.count; i++)
        draw_point(&p, &p.points[i]);
    od_buf_puts(out, "</svg>\n");
}
