/* ondol explain: why an answer is what it is, asked of a running server through its control
 * socket. What the server says is docs/explain.md; this prints it for people. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "api/control.h"
#include "base/json.h"
#include "cli/cli.h"

#define USAGE       "ondol explain --campaign ARN [OPTIONS] [ITEM ...]"
#define REPLY_BYTES (8u << 20)
#define MOST_EVENTS 10 /* shown of an item: those that did most */

enum { OPTIONS = 13 };

static struct od_str text_of(const struct od_json *node, const char *key)
{
    return od_json_get_str(node, key, OD_STR(""));
}

static void print_day(double seconds)
{
    time_t at = (time_t)seconds;
    struct tm day;
    char text[40] = "?";
    if (gmtime_r(&at, &day))
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M:%S", &day);
    printf("%s", text);
}

static void print_whole(const struct od_json *told)
{
    const struct od_json *model = od_json_get(told, OD_STR("model"));
    const struct od_json *data = od_json_get(model, OD_STR("data"));
    const struct od_json *user = od_json_get(told, OD_STR("user"));
    const struct od_json *counts = od_json_get(told, OD_STR("counts"));
    printf("model   %.*s, %.*s\n", OD_STR_ARG(text_of(model, "recipe")),
           OD_STR_ARG(od_json_get_str(model, "solutionVersionArn", OD_STR("just replaced"))));
    if (od_json_get(model, OD_STR("trainedAt"))) {
        printf("        trained ");
        print_day(od_json_get_double(model, "trainedAt", 0));
        if (data)
            printf(" on %lld interactions from %.*s to %.*s",
                   (long long)od_json_get_i64(data, "interactions", 0),
                   OD_STR_ARG(text_of(data, "from")), OD_STR_ARG(text_of(data, "to")));
        printf("\n");
    }
    printf("user    %.*s: %s, %lld events, %lld used; the answer is %s\n",
           OD_STR_ARG(od_json_get_str(user, "userId", OD_STR("(none)"))),
           od_json_get_bool(user, "known", false) ? "known" : "not known",
           (long long)od_json_get_i64(user, "events", 0),
           (long long)od_json_get_i64(user, "eventsUsed", 0),
           od_json_get_bool(user, "personal", false) ? "personal" : "what is popular");
    printf("items   %lld met, %lld in the model, %lld dropped by the automatic filter, %lld by the "
           "filter,\n        %lld eligible, %lld in the answer\n",
           (long long)od_json_get_i64(counts, "catalogue", 0),
           (long long)od_json_get_i64(counts, "model", 0),
           (long long)od_json_get_i64(counts, "droppedByAutomaticFilter", 0),
           (long long)od_json_get_i64(counts, "droppedByFilter", 0),
           (long long)od_json_get_i64(counts, "eligible", 0),
           (long long)od_json_get_i64(counts, "answer", 0));
}

static void print_stage(const struct od_json *item)
{
    static const struct {
        const char *stage, *words;
    } all[] = {
        {"NOT_IN_CATALOGUE", "not in the catalogue"},
        {"NOT_IN_INPUT_LIST", "not in the input list"},
        {"NOT_IN_MODEL", "not known to the model"},
        {"ITEM_ITSELF", "the item that was asked about"},
        {"AUTOMATIC_FILTER", "dropped by the automatic filter: the user had it"},
        {"NEVER_RECOMMENDED", "never recommended by this model"},
        {"FILTER", "dropped by the filter"},
        {"RANKED_BELOW", "ranked too low"},
    };
    struct od_str stage = text_of(item, "stage");
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (od_str_eq_c(stage, all[i].stage))
            printf("%s", all[i].words);
    if (od_str_eq_c(stage, "IN_ANSWER"))
        printf("place %lld of the answer", (long long)od_json_get_i64(item, "place", 0));
    if (od_json_get_bool(item, "explored", false))
        printf(", put there by exploration");
    if (text_of(item, "promotionName").len)
        printf(", promoted by %.*s", OD_STR_ARG(text_of(item, "promotionName")));
    if (text_of(item, "reason").len)
        printf(" (%.*s)", OD_STR_ARG(text_of(item, "reason")));
    printf("\n");
}

static void print_why(const struct od_json *item)
{
    const struct od_json *why = od_json_get(item, OD_STR("droppedBy"));
    for (size_t c = 0; why && c < why->count; c++) {
        const struct od_json *conditions = od_json_get(&why->items[c], OD_STR("conditions"));
        printf("    dropped by %.*s\n", OD_STR_ARG(text_of(&why->items[c], "clause")));
        for (size_t i = 0; conditions && i < conditions->count; i++)
            printf("        for %.*s\n", OD_STR_ARG(conditions->items[i].text));
    }
}

static void print_terms(const struct od_json *item)
{
    const struct od_json *terms = od_json_get(item, OD_STR("terms"));
    for (size_t i = 0; terms && i < terms->count; i++) {
        const struct od_json *term = &terms->items[i];
        printf("    %+10.4f  %-5s %-16.*s %10.4f x %.4f\n",
               od_json_get_double(term, "contribution", 0),
               od_json_get_bool(term, "isPart", false) ? "part" : "term",
               OD_STR_ARG(text_of(term, "name")), od_json_get_double(term, "weight", 0),
               od_json_get_double(term, "value", 0));
    }
}

static double effect(const struct od_json *event)
{
    double value = od_json_get_double(event, "contribution", 0);
    return value < 0 ? -value : value;
}

static int by_effect(const void *a, const void *b)
{
    double left = effect(a), right = effect(b);
    return left < right ? 1 : left > right ? -1 : 0;
}

static void print_events(const struct od_json *told, const struct od_json *item)
{
    const struct od_json *user = od_json_get(told, OD_STR("user"));
    const struct od_json *history = od_json_get(user, OD_STR("history"));
    const struct od_json *events = od_json_get(item, OD_STR("events"));
    if (!history || !events)
        return;
    qsort(events->items, events->count, sizeof *events->items, by_effect);
    for (size_t i = 0; i < events->count && i < MOST_EVENTS && effect(&events->items[i]) > 0; i++) {
        int64_t at = od_json_get_i64(&events->items[i], "event", 0);
        if (at < 0 || (size_t)at >= history->count)
            continue;
        const struct od_json *event = &history->items[at];
        printf("    %+10.4f  event %.*s %.*s%.*s, ",
               od_json_get_double(&events->items[i], "contribution", 0),
               OD_STR_ARG(text_of(event, "eventType")), OD_STR_ARG(text_of(event, "itemId")),
               OD_STR_ARG(text_of(event, "actionId")));
        print_day(od_json_get_double(event, "timestamp", 0));
        printf("\n");
    }
}

static bool is_eligible(const struct od_json *item)
{
    struct od_str stage = text_of(item, "stage");
    return od_str_eq_c(stage, "IN_ANSWER") || od_str_eq_c(stage, "RANKED_BELOW");
}

static void print_all(const struct od_json *told)
{
    const struct od_json *items = od_json_get(told, OD_STR("items"));
    if (!items)
        items = od_json_get(told, OD_STR("actions"));
    print_whole(told);
    for (size_t i = 0; items && i < items->count; i++) {
        const struct od_json *item = &items->items[i];
        printf("\n%.*s%.*s  ", OD_STR_ARG(text_of(item, "itemId")),
               OD_STR_ARG(text_of(item, "actionId")));
        print_stage(item);
        if (od_json_get(item, OD_STR("score")))
            printf("    %10.4f  score", od_json_get_double(item, "score", 0));
        if (od_json_get(item, OD_STR("normalizedScore")))
            printf(", printed as %.7f", od_json_get_double(item, "normalizedScore", 0));
        if (od_json_get(item, OD_STR("rank")))
            printf(", %s %lld among the eligible", is_eligible(item) ? "rank" : "would rank",
                   (long long)od_json_get_i64(item, "rank", 0));
        if (od_json_get(item, OD_STR("score")))
            printf("\n");
        print_why(item);
        print_terms(item);
        print_events(told, item);
    }
}

static void put_member(struct od_buf *out, const char *key, const char *value)
{
    if (!*value)
        return;
    od_buf_printf(out, "%s\"%s\":", out->ptr[out->len - 1] == '{' ? "" : ",", key);
    od_buf_json(out, od_str_c(value));
}

/* A value that is JSON already. */
static void put_raw(struct od_buf *out, const char *key, const char *value)
{
    if (*value)
        od_buf_printf(out, "%s\"%s\":%s", out->ptr[out->len - 1] == '{' ? "" : ",", key, value);
}

static void write_request(struct od_option *options, char **items, int count, struct od_buf *out)
{
    static const struct {
        const char *option, *member;
    } texts[] = {{"campaign", "campaignArn"}, {"recommender", "recommenderArn"},
                 {"user", "userId"},          {"item", "itemId"},
                 {"filter", "filterArn"},     {"recommendation-id", "recommendationId"}},
      raw[] = {{"num-results", "numResults"},
               {"filter-values", "filterValues"},
               {"context", "context"},
               {"promotions", "promotions"},
               {"input-list", "inputList"}};
    od_buf_puts(out, "{\"do\":\"explain\",\"request\":{");
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        put_member(out, texts[i].member, od_option_value(options, OPTIONS, texts[i].option));
    for (size_t i = 0; i < sizeof raw / sizeof *raw; i++)
        put_raw(out, raw[i].member, od_option_value(options, OPTIONS, raw[i].option));
    for (int i = 0; i < count; i++) {
        od_buf_puts(out, i ? "," : ",\"itemIds\":[");
        od_buf_json(out, od_str_c(items[i]));
    }
    od_buf_puts(out, count ? "]}}" : "}}");
}

static enum od_status ask(struct od_option *options, char **items, int count, struct od_buf *reply,
                          struct od_arena *arena, struct od_json *out, struct od_error *err)
{
    struct od_buf request;
    struct od_json checked;
    od_buf_init(&request, 1u << 20);
    write_request(options, items, count, &request);
    enum od_status s = od_buf_status(&request);
    if (s == OD_OK) /* JSON given on the command line must not break the line */
        s = od_json_parse(arena, od_buf_view(&request), &checked, err);
    od_buf_clear(&request);
    if (s == OD_OK) {
        od_json_write(&checked, &request);
        s = od_control_read(od_option_value(options, OPTIONS, "data"), od_buf_view(&request), arena,
                            reply, out, err);
    }
    od_buf_done(&request);
    return s;
}

static int run(struct od_option *options, char **items, int count)
{
    struct od_buf reply;
    struct od_arena arena;
    struct od_json told;
    struct od_error err;
    od_buf_init(&reply, REPLY_BYTES);
    od_arena_init(&arena, 512u << 20);
    enum od_status s = ask(options, items, count, &reply, &arena, &told, &err);
    if (s != OD_OK)
        fprintf(stderr, "ondol: %s\n", err.message);
    else if (od_option_flag(options, OPTIONS, "json"))
        printf("%.*s", OD_STR_ARG(od_buf_view(&reply)));
    else
        print_all(&told);
    od_arena_done(&arena);
    od_buf_done(&reply);
    return s == OD_OK ? 0 : 1;
}

int od_cmd_explain(int argc, char **argv)
{
    struct od_option options[OPTIONS] = {
        {"data", "ondol-data", "the server's data folder", "DIR", false, 0, NULL},
        {"campaign", "", "the campaign that answers", "ARN", false, 0, NULL},
        {"recommender", "", "or the recommender", "ARN", false, 0, NULL},
        {"user", "", "userId of the request", "ID", false, 0, NULL},
        {"item", "", "itemId of the request, for related items", "ID", false, 0, NULL},
        {"num-results", "", "numResults of the request", "N", false, 0, NULL},
        {"filter", "", "filterArn of the request", "ARN", false, 0, NULL},
        {"filter-values", "", "its filterValues", "JSON", false, 0, NULL},
        {"context", "", "its context", "JSON", false, 0, NULL},
        {"promotions", "", "its promotions", "JSON", false, 0, NULL},
        {"input-list", "", "its inputList, for rankings", "JSON", false, 0, NULL},
        {"recommendation-id", "", "repeat the chance of this answer", "ID", false, 0, NULL},
        {"json", "false", "print what the server says", NULL, false, 0, NULL},
    };
    int rest, status = 2;
    if (od_options_read(USAGE, options, OPTIONS, argc, argv, &rest))
        status = run(options, argv + rest, argc - rest);
    od_options_done(options, OPTIONS);
    return status;
}
