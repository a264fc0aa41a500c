/* What /metrics shows of each served campaign and recommender, and `ondol campaign list`.
 *
 * The page is bounded: beyond OD_MAX_METRIC_SERIES campaigns the further ones are one line of each
 * family, campaign="other", their sums. A campaign that is deleted or stopped leaves the page. */
#include "api/capacity.h"
#include "base/limits.h"
#include "wire/metrics.h"

#include <stdlib.h>
#include <string.h>

enum what {
    REQUESTS,
    ANSWERS,
    FAILURES,
    OVER_CEILING,
    OVERLOADED,
    FLOOR,
    CEILING,
    TPS,
    UTILISATION,
    BUSY,
    BUSY_TOTAL,
    TPS_HOURS
};

static double value_of(const struct od_account_view *view, enum what what)
{
    switch (what) {
    case REQUESTS:
        return (double)view->asked;
    case ANSWERS:
        return (double)view->answered;
    case FAILURES:
        return (double)view->failed;
    case OVER_CEILING:
        return (double)view->over_ceiling;
    case OVERLOADED:
        return (double)view->overloaded;
    case FLOOR:
        return (double)view->floor;
    case CEILING:
        return (double)view->ceiling;
    case TPS:
        return view->tps;
    case UTILISATION:
        return view->floor ? view->tps / (double)view->floor : 0;
    case BUSY:
        return view->busy;
    case BUSY_TOTAL:
        return view->busy_s;
    case TPS_HOURS:
        return view->tps_hours;
    }
    return 0;
}

/* A name that is there twice is one family whose lines differ by reason. */
static const struct {
    const char *name, *type, *help, *reason;
    enum what what;
} families[] = {
    {"ondol_campaign_requests_total", "counter", "Requests that reached the campaign.", NULL,
     REQUESTS},
    {"ondol_campaign_answers_total", "counter", "Of them, answered with a list.", NULL, ANSWERS},
    {"ondol_campaign_failures_total", "counter", "Of them, answered with an error of their own.",
     NULL, FAILURES},
    {"ondol_campaign_throttled_total", "counter", "Of them, refused with ThrottlingException.",
     "ceiling", OVER_CEILING},
    {"ondol_campaign_throttled_total", "counter", NULL, "overload", OVERLOADED},
    {"ondol_campaign_floor_tps", "gauge", "minProvisionedTPS, which is reserved.", NULL, FLOOR},
    {"ondol_campaign_ceiling_tps", "gauge", "The ceiling; 0 when there is none.", NULL, CEILING},
    {"ondol_campaign_tps", "gauge", "Answers a second, over the last five minutes.", NULL, TPS},
    {"ondol_campaign_utilisation", "gauge", "The same, as a multiple of minProvisionedTPS.", NULL,
     UTILISATION},
    {"ondol_campaign_busy_cores", "gauge", "Cores busy with it, over the last five minutes.", NULL,
     BUSY},
    {"ondol_campaign_busy_seconds_total", "counter", "Time spent on answering.", NULL, BUSY_TOTAL},
    {"ondol_campaign_tps_hours_total", "counter",
     "TPS-hours: of each five minutes the larger of minProvisionedTPS and average TPS.", NULL,
     TPS_HOURS},
};

/* References to all accounts, in order of ARNs; NULL: no memory. */
static struct od_account **all_of(struct od_capacity *capacity, size_t *out_count)
{
    pthread_rwlock_rdlock(&capacity->lock);
    struct od_account **list = calloc(capacity->count + 1, sizeof(struct od_account *));
    *out_count = list ? capacity->count : 0;
    for (size_t i = 0; i < *out_count; i++) {
        list[i] = capacity->list[i];
        atomic_fetch_add_explicit(&list[i]->refs, 1, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&capacity->lock);
    return list;
}

static void free_all(struct od_account **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        od_account_unref(list[i]);
    free(list);
}

static void write_line(struct od_buf *out, size_t family, struct od_str arn, double value)
{
    od_buf_printf(out, "%s{", families[family].name);
    od_registry_write_label(out, OD_STR("campaign"), arn);
    if (families[family].reason) {
        od_buf_char(out, ',');
        od_registry_write_label(out, OD_STR("reason"), od_str_c(families[family].reason));
    }
    od_buf_puts(out, "} ");
    od_buf_double(out, value);
    od_buf_char(out, '\n');
}

static void write_family(struct od_buf *out, size_t family, struct od_account *const *list,
                         const struct od_account_view *views, size_t count)
{
    double others = 0;
    if (families[family].help)
        od_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", families[family].name,
                      families[family].help, families[family].name, families[family].type);
    for (size_t i = 0; i < count; i++) {
        double value = value_of(&views[i], families[family].what);
        if (i < OD_MAX_METRIC_SERIES)
            write_line(out, family, list[i]->arn, value);
        else
            others += value;
    }
    if (count > OD_MAX_METRIC_SERIES)
        write_line(out, family, OD_STR("other"), others);
}

void od_capacity_write(struct od_app *app, struct od_buf *out)
{
    size_t count;
    struct od_account **list = all_of(app->capacity, &count);
    struct od_account_view *views = calloc(count + 1, sizeof *views);
    int64_t now_ms = app->io->now_ms(app->io);
    for (size_t i = 0; views && i < count; i++)
        od_account_read(list[i], now_ms, &views[i]);
    for (size_t f = 0; views && f < sizeof families / sizeof *families; f++)
        write_family(out, f, list, views, count);
    free(views);
    free_all(list, count);
}

void od_capacity_list(struct od_app *app, struct od_buf *out)
{
    size_t count;
    struct od_account **list = all_of(app->capacity, &count);
    int64_t now_ms = app->io->now_ms(app->io);
    od_buf_puts(out, "{\"campaigns\":[");
    for (size_t i = 0; i < count; i++) {
        struct od_account_view view;
        od_account_read(list[i], now_ms, &view);
        od_buf_puts(out, i ? ",{\"arn\":" : "{\"arn\":");
        od_buf_json(out, list[i]->arn);
        od_buf_printf(out, ",\"floor\":%lld,\"ceiling\":%lld,\"throttled\":%llu,\"tps\":",
                      (long long)view.floor, (long long)view.ceiling,
                      (unsigned long long)(view.over_ceiling + view.overloaded));
        od_buf_double(out, view.tps);
        od_buf_puts(out, ",\"busy\":");
        od_buf_double(out, view.busy);
        od_buf_puts(out, ",\"tps_hours\":");
        od_buf_double(out, view.tps_hours);
        od_buf_char(out, '}');
    }
    od_buf_puts(out, "]}");
    free_all(list, count);
}
