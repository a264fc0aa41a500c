/* ondol generate: data sets made to order. There is one kind, lodging (docs/lodging.md). */
#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/cli.h"
#include "cli/lodging.h"

#define USAGE       "ondol generate lodging --out DIR [OPTIONS]"
#define MOST_SEED   INT64_MAX
#define MOST_THREAD 256 /* od_parallel starts no more */

/* A date, or a date with a time: 2026-11-01, 2026-11-01T09:00:00+09:00. */
static bool read_end(const char *text, int64_t *out_s)
{
    char full[64];
    int64_t ms;
    snprintf(full, sizeof full, strchr(text, 'T') ? "%s" : "%sT00:00:00Z", text);
    if (strlen(text) < 40 && od_time_parse_iso(od_str_c(full), &ms)) {
        *out_s = (ms - (ms % 1000 + 1000) % 1000) / 1000;
        return true;
    }
    fprintf(
        stderr,
        "ondol: --end must be a date such as 2026-11-01 or 2026-11-01T09:00:00+09:00, not \"%s\"\n",
        text);
    return false;
}

static bool read_config(const struct od_option *options, size_t count,
                        struct od_lodging_config *out)
{
    int64_t seed, threads;
    if (!od_option_number(options, count, "users", 1, OD_LODGING_MAX_USERS, &out->users) ||
        !od_option_number(options, count, "items", 1, OD_LODGING_MAX_ITEMS, &out->items) ||
        !od_option_number(options, count, "days", 1, OD_LODGING_MAX_DAYS, &out->days) ||
        !od_option_number(options, count, "events-per-user", 1, OD_LODGING_MAX_EVENTS_PER_USER,
                          &out->events_per_user) ||
        !od_option_number(options, count, "seed", 0, MOST_SEED, &seed) ||
        !od_option_number(options, count, "threads", 0, MOST_THREAD, &threads) ||
        !read_end(od_option_value(options, count, "end"), &out->end_s))
        return false;
    out->seed = (uint64_t)seed;
    out->threads = (unsigned)threads;
    out->folder = od_option_value(options, count, "out");
    if (!*out->folder) {
        fprintf(stderr, "ondol: --out DIR is needed: the folder for users.csv, items.csv and "
                        "interactions.csv\n");
        return false;
    }
    return true;
}

static int generate(const struct od_lodging_config *config)
{
    struct od_lodging_summary made;
    struct od_error err;
    enum od_status s = od_lodging_generate(&od_io_real, config, &made, &err);
    if (s != OD_OK) {
        fprintf(stderr, "ondol: %s\n", err.message);
        return s == OD_INVALID_INPUT ? 2 : 1;
    }
    double seconds = (double)made.elapsed_ns * 1e-9;
    printf(
        "%s: %lld users, %lld items, %llu interactions; %.1f MB in %.2f s, %.0f interactions/s\n",
        config->folder, (long long)config->users, (long long)config->items,
        (unsigned long long)made.interactions, (double)made.bytes * 1e-6, seconds,
        (double)made.interactions / (seconds > 0 ? seconds : 1e-9));
    return 0;
}

/* argv[0] is the kind of data. */
static int read_and_run(struct od_option *options, size_t count, int argc, char **argv)
{
    struct od_lodging_config config;
    int rest;
    if (!od_options_read(USAGE, options, count, argc, argv, &rest))
        return 2;
    if (rest < argc) {
        fprintf(stderr, "ondol: generate lodging takes options alone, not \"%s\"\n", argv[rest]);
        return 2;
    }
    return read_config(options, count, &config) ? generate(&config) : 2;
}

int od_cmd_generate(int argc, char **argv)
{
    struct od_option options[] = {
        {"users", "50000", "users, each with at least one interaction", "N", false, 0, NULL},
        {"items", "5000", "lodgings", "N", false, 0, NULL},
        {"days", "90", "length of the window", "N", false, 0, NULL},
        {"end", "2026-11-01", "the window's end: a date (UTC) or a date with time", "DATE", false,
         0, NULL},
        {"events-per-user", "30", "interactions of a user, about, on average", "N", false, 0, NULL},
        {"seed", "1", "the same seed gives the same bytes", "S", false, 0, NULL},
        {"threads", "0", "threads, 0 for all cores; the bytes stay the same", "N", false, 0, NULL},
        {"out", "", "folder for the three files, made when absent", "DIR", false, 0, NULL},
    };
    enum { COUNT = sizeof options / sizeof *options };
    if (argc < 2 || (strcmp(argv[1], "lodging") != 0 && strcmp(argv[1], "--help") != 0)) {
        fprintf(stderr, "usage: " USAGE "\n");
        return 2;
    }
    if (strcmp(argv[1], "--help") == 0) {
        argc++; /* the options' reader skips one word, here the missing kind */
        argv--;
    }
    int status = read_and_run(options, COUNT, argc - 1, argv + 1);
    od_options_done(options, COUNT);
    return status;
}
