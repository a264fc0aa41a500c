/* ondol jobs: what a running server's workers are doing, asked through its control socket.
 *
 * --watch asks every second and draws the list again over the last one where the output is a
 * terminal; it ends when nothing runs any more, so a script can wait by it. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "api/control.h"
#include "cli/cli.h"

#define USAGE     "ondol jobs [OPTIONS]"
#define BAR_CHARS 20

static void print_time(double seconds)
{
    long whole = seconds < 0 ? 0 : (long)(seconds + 0.5);
    if (whole >= 3600)
        printf("%ld:%02ld:%02ld", whole / 3600, whole / 60 % 60, whole % 60);
    else
        printf("%ld:%02ld", whole / 60, whole % 60);
}

static void print_job(const struct od_json *job)
{
    double fraction = od_json_get_double(job, "progress", 0);
    int full = (int)(fraction * BAR_CHARS + 0.5);
    printf("%.*s\n  [", OD_STR_ARG(od_json_get_str(job, "arn", OD_STR(""))));
    for (int i = 0; i < BAR_CHARS; i++)
        printf("%c", i < full ? '#' : '.');
    printf("] %3.0f %%  ", fraction * 100);
    print_time(od_json_get_double(job, "seconds", 0));
    if (od_json_get(job, OD_STR("secondsLeft"))) {
        printf(", ");
        print_time(od_json_get_double(job, "secondsLeft", 0));
        printf(" left");
    }
    printf("  %.*s: %.*s\n", OD_STR_ARG(od_json_get_str(job, "kind", OD_STR(""))),
           OD_STR_ARG(od_json_get_str(job, "stage", OD_STR(""))));
}

/* Asks once. *out_count: jobs there are. */
static enum od_status show(const char *folder, bool as_json, size_t *out_count,
                           struct od_error *err)
{
    struct od_buf reply;
    struct od_arena arena;
    struct od_json json;
    od_arena_init(&arena, 16u << 20);
    od_buf_init(&reply, 1u << 20);
    enum od_status s =
        od_control_read(folder, OD_STR("{\"do\":\"list-jobs\"}"), &arena, &reply, &json, err);
    if (s == OD_OK) {
        const struct od_json *jobs = od_json_get(&json, OD_STR("jobs"));
        *out_count = jobs ? jobs->count : 0;
        if (as_json)
            printf("%.*s", OD_STR_ARG(od_buf_view(&reply)));
        for (size_t i = 0; !as_json && i < *out_count; i++)
            print_job(&jobs->items[i]);
        if (!as_json && *out_count == 0)
            printf("nothing runs\n");
        fflush(stdout);
    }
    od_buf_done(&reply);
    od_arena_done(&arena);
    return s;
}

static int run(const char *folder, bool watch, bool as_json)
{
    struct od_error err;
    size_t count = 0, lines;
    bool over = isatty(STDOUT_FILENO) && !as_json;
    for (;;) {
        enum od_status s = show(folder, as_json, &count, &err);
        if (s != OD_OK) {
            fprintf(stderr, "ondol: %s\n", err.message);
            return 1;
        }
        if (!watch || count == 0)
            return 0;
        struct timespec second = {.tv_sec = 1};
        nanosleep(&second, NULL);
        lines = 2 * count;
        if (over)
            printf("\033[%zuA\033[J", lines);
    }
}

int od_cmd_jobs(int argc, char **argv)
{
    struct od_option options[] = {
        {"data", "ondol-data", "the server's data folder", "DIR", false, 0, NULL},
        {"watch", "false", "ask every second until nothing runs", NULL, false, 0, NULL},
        {"json", "false", "print what the server says", NULL, false, 0, NULL},
    };
    int rest, status = 2;
    if (od_options_read(USAGE, options, 3, argc, argv, &rest)) {
        if (rest < argc)
            fprintf(stderr, "ondol: unexpected \"%s\"\nusage: " USAGE "\n", argv[rest]);
        else
            status = run(od_option_value(options, 3, "data"), od_option_flag(options, 3, "watch"),
                         od_option_flag(options, 3, "json"));
    }
    od_options_done(options, 3);
    return status;
}
