/* Outcomes of actions, from events that come as they like: Viewed without an end, Taken without a
 * view, several views of one offer. See action.h.
 *
 * One row is one offer: it opens with the first event and closes when the action is taken (1), is
 * declined (0) or the period is over (0). A row that the data cut short weighs as much as the share
 * F(d) of takes that come within the d seconds that it was watched: with takes of weight 1, a share
 * p that is taken in the end shows as p F / (p F + (1 - p F) F), which is p but for terms of p
 * squared. F is counted on the offers whose period is over; with few takes there, it is d over the
 * period. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/action.h"

#define OPEN_MOST    1000 /* offers of one user open at once, as many as a group has actions */
#define LEAST_DELAYS 20

/* Lower case without space and "_": as data.md section 3 compares. */
static size_t plain(struct od_str text, char *out, size_t most)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len && n < most; i++) {
        char c = text.ptr[i];
        if (c != ' ' && c != '_')
            out[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return n;
}

uint8_t od_action_type(struct od_str type)
{
    static const char *const names[] = {"taken", "nottaken", "viewed"};
    char text[16];
    size_t n = plain(type, text, sizeof text);
    for (uint8_t k = 0; k < 3; k++)
        if (strlen(names[k]) == n && memcmp(names[k], text, n) == 0)
            return k;
    return OD_ACTION_OTHER;
}

void od_action_types(const struct od_training *actions, uint8_t *out)
{
    for (uint32_t t = 0; t < actions->type_count; t++)
        out[t] = od_action_type(od_dict_text(actions->types, t));
}

struct walk {
    const struct od_training *actions;
    const uint8_t *type;
    int64_t period_s, since_s;
    struct od_action_row *rows;
    size_t count;
    size_t open[OPEN_MOST]; /* rows of the user being read */
    size_t open_count;
    double *delay; /* from seen to taken, of offers whose period is over */
    size_t delay_count;
};

static void close_at(struct walk *w, size_t place)
{
    memmove(w->open + place, w->open + place + 1, (--w->open_count - place) * sizeof *w->open);
}

/* The difference of two times, as far as it matters. */
static double since(int64_t later, int64_t earlier)
{
    return (double)later - (double)earlier;
}

static size_t find_open(struct walk *w, uint32_t action, int64_t now)
{
    for (size_t i = 0; i < w->open_count;) {
        const struct od_action_row *row = &w->rows[w->open[i]];
        if (since(now, row->time) > (double)w->period_s)
            close_at(w, i); /* over: not taken */
        else if (row->action == action)
            return i;
        else
            i++;
    }
    return SIZE_MAX;
}

/* Of a row that is not watched to its end; what that weighs is known later. */
static void leave(struct walk *w, size_t place, int64_t now)
{
    struct od_action_row *row = &w->rows[w->open[place]];
    row->weight = -1 - (float)since(now, row->time);
}

static void add_event(struct walk *w, uint32_t user, uint64_t e)
{
    const struct od_training *t = w->actions;
    uint8_t type = w->type[t->type[e]];
    if (type == OD_ACTION_OTHER || t->time[e] < w->since_s)
        return;
    size_t place = find_open(w, t->item[e], t->time[e]);
    if (place == SIZE_MAX) {
        if (w->open_count == OPEN_MOST) { /* the oldest */
            leave(w, 0, t->time[e]);
            close_at(w, 0);
        }
        place = w->open_count;
        w->rows[w->count] = (struct od_action_row){
            .user = user, .action = t->item[e], .event = e, .time = t->time[e], .weight = 1};
        w->open[w->open_count++] = w->count++;
    }
    if (type != OD_ACTION_VIEWED) {
        struct od_action_row *row = &w->rows[w->open[place]];
        row->taken = type == OD_ACTION_TAKEN;
        if (row->taken > 0 && row->event < e &&
            since(t->last_time, row->time) >= (double)w->period_s)
            w->delay[w->delay_count++] = since(t->time[e], row->time);
        close_at(w, place);
    }
}

/* What is open when the data end. */
static void leave_open(struct walk *w)
{
    for (size_t i = 0; i < w->open_count; i++)
        leave(w, i, w->actions->last_time);
    w->open_count = 0;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* F, see above. */
static double share_within(const struct walk *w, double seconds)
{
    if (w->delay_count < LEAST_DELAYS)
        return fmin(seconds / (double)w->period_s, 1);
    size_t low = 0, high = w->delay_count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (w->delay[middle] <= seconds)
            low = middle + 1;
        else
            high = middle;
    }
    return (double)low / (double)w->delay_count;
}

static void weigh_left(struct walk *w)
{
    qsort(w->delay, w->delay_count, sizeof *w->delay, by_size);
    for (size_t r = 0; r < w->count; r++)
        if (w->rows[r].weight < 0)
            w->rows[r].weight = (float)share_within(w, -1 - (double)w->rows[r].weight);
}

enum od_status od_action_rows(const struct od_training *actions, int64_t period_s, int64_t since_s,
                              struct od_action_row **out, size_t *out_count)
{
    uint8_t *type = malloc((size_t)actions->type_count + 1);
    struct walk *w = calloc(1, sizeof *w);
    if (w)
        *w = (struct walk){.actions = actions,
                           .type = type,
                           .period_s = period_s,
                           .since_s = since_s,
                           .rows = malloc((actions->event_count + 1) * sizeof *w->rows),
                           .delay = malloc((actions->event_count + 1) * sizeof *w->delay)};
    bool good = w && type && w->rows && w->delay;
    if (good)
        od_action_types(actions, type);
    for (uint32_t u = 0; good && u < actions->user_count; u++) {
        for (uint64_t e = actions->user_start[u]; e < actions->user_start[u + 1]; e++)
            add_event(w, u, e);
        leave_open(w);
    }
    if (good) {
        weigh_left(w);
        *out = w->rows;
        *out_count = w->count;
    } else if (w) {
        free(w->rows);
    }
    if (w)
        free(w->delay);
    free(type);
    free(w);
    return good ? OD_OK : OD_NO_MEMORY;
}
