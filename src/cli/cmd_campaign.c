/* ondol campaign: what each served campaign and recommender is promised, allowed and uses, and its
 * ceiling. Asked of a running server through its control socket. */
#include <stdio.h>
#include <string.h>

#include "api/control.h"
#include "cli/cli.h"

#define USAGE "ondol campaign list|ceiling [OPTIONS]"

static void print_list(const struct od_json *reply)
{
    const struct od_json *list = od_json_get(reply, OD_STR("campaigns"));
    printf("%9s %9s %9s %6s %10s %12s  %s\n", "MIN TPS", "CEILING", "TPS", "CORES", "THROTTLED",
           "TPS-HOURS", "CAMPAIGN");
    for (size_t i = 0; list && i < list->count; i++) {
        const struct od_json *c = &list->items[i];
        char ceiling[32] = "none";
        if (od_json_get_i64(c, "ceiling", 0))
            snprintf(ceiling, sizeof ceiling, "%lld", (long long)od_json_get_i64(c, "ceiling", 0));
        printf("%9lld %9s %9.2f %6.2f %10lld %12.2f  %.*s\n",
               (long long)od_json_get_i64(c, "floor", 0), ceiling, od_json_get_double(c, "tps", 0),
               od_json_get_double(c, "busy", 0), (long long)od_json_get_i64(c, "throttled", 0),
               od_json_get_double(c, "tps_hours", 0),
               OD_STR_ARG(od_json_get_str(c, "arn", OD_STR(""))));
    }
}

static enum od_status ask(const char *folder, struct od_str request, bool as_list,
                          struct od_error *err)
{
    struct od_buf reply;
    struct od_arena arena;
    struct od_json json;
    od_arena_init(&arena, 64u << 20);
    od_buf_init(&reply, 16u << 20);
    enum od_status s = od_control_read(folder, request, &arena, &reply, &json, err);
    if (s == OD_OK && as_list)
        print_list(&json);
    else if (s == OD_OK)
        printf("%.*s", OD_STR_ARG(od_buf_view(&reply)));
    od_buf_done(&reply);
    od_arena_done(&arena);
    return s;
}

static int run(const char *folder, struct od_str request, bool as_list)
{
    struct od_error err;
    if (ask(folder, request, as_list, &err) == OD_OK)
        return 0;
    fprintf(stderr, "ondol: %s\n", err.message);
    return 1;
}

static int set_ceiling(const char *folder, const char *arn, const char *number)
{
    int64_t ceiling = 0;
    if (strcmp(number, "none") != 0 &&
        (!od_str_to_i64(od_str_c(number), &ceiling) || ceiling < 1 || ceiling > 1000000000)) {
        fprintf(stderr,
                "ondol: a ceiling is a number of requests a second from 1 to 1000000000, or none, "
                "not \"%s\"\n",
                number);
        return 2;
    }
    struct od_buf request;
    od_buf_init(&request, 65536);
    od_buf_puts(&request, "{\"do\":\"set-ceiling\",\"arn\":");
    od_buf_json(&request, od_str_c(arn));
    od_buf_printf(&request, ",\"ceiling\":%lld}", (long long)ceiling);
    int status = 1;
    if (od_buf_status(&request) == OD_OK)
        status = run(folder, od_buf_view(&request), false);
    else
        fprintf(stderr, "ondol: the ARN is too long\n");
    od_buf_done(&request);
    return status;
}

/* argv[0] is what to do. */
static int read_and_run(struct od_option *options, size_t count, int argc, char **argv)
{
    int rest;
    if (!od_options_read(USAGE, options, count, argc, argv, &rest))
        return 2;
    const char *folder = od_option_value(options, count, "data");
    if (strcmp(argv[0], "list") == 0 && rest == argc)
        return run(folder, OD_STR("{\"do\":\"list-campaigns\"}"),
                   !od_option_flag(options, count, "json"));
    if (strcmp(argv[0], "ceiling") == 0 && rest + 2 == argc)
        return set_ceiling(folder, argv[rest], argv[rest + 1]);
    fprintf(stderr, "usage: ondol campaign list [OPTIONS]\n"
                    "       ondol campaign ceiling [OPTIONS] ARN REQUESTS-A-SECOND|none\n");
    return 2;
}

int od_cmd_campaign(int argc, char **argv)
{
    struct od_option options[] = {
        {"data", "ondol-data", "the server's data folder", "DIR", false, 0, NULL},
        {"json", "false", "list: print what the server says", NULL, false, 0, NULL},
    };
    if (argc < 2) {
        fprintf(stderr, "usage: " USAGE "\n");
        return 2;
    }
    int status = read_and_run(options, 2, argc - 1, argv + 1);
    od_options_done(options, 2);
    return status;
}
