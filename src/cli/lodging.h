/* Made lodging data: users, lodgings and 90 days of browsing, wishing and booking in Korea.
 *
 * What is planted (regions, trips, tastes, calendar, popularity) is told with its constants in
 * docs/lodging.md; the tests measure the written files against it. */
#ifndef OD_CLI_LODGING_H
#define OD_CLI_LODGING_H

#include "os/io.h"

/* An item costs 32 bytes of memory, a user none: 10 M items are 320 MB, and ids keep ten digits. */
#define OD_LODGING_MAX_USERS 1000000000
#define OD_LODGING_MAX_ITEMS 10000000
#define OD_LODGING_MAX_DAYS  3650 /* seconds of the window fit 32 bits, hours a small table */
#define OD_LODGING_MAX_EVENTS_PER_USER                                                             \
    10000 /* one user's rows are held in memory: 20 times as many */
#define OD_LODGING_MIN_YEAR 2000
#define OD_LODGING_MAX_YEAR 2100

struct od_lodging_config {
    const char
        *folder; /* made when absent; its users.csv, items.csv, interactions.csv are replaced */
    int64_t users;
    int64_t items;
    int64_t days;            /* the window is [end - days, end) */
    int64_t end_s;           /* unix time */
    int64_t events_per_user; /* about; every user has at least one */
    uint64_t seed;
    unsigned threads; /* 0: all cores; the bytes do not depend on it */
};

struct od_lodging_summary {
    uint64_t interactions; /* rows of interactions.csv */
    uint64_t bytes;        /* of the three files */
    int64_t elapsed_ns;
};

/* The ranges above, each with a message that names the option, its value and the rule. */
enum od_status od_lodging_check(const struct od_lodging_config *config,
                                struct od_error *err) OD_MUST_USE;

/* Writes the three files; all are complete and synced before the first takes its name, so that a
 * full disk leaves what was there. Memory: 32 bytes an item and a few MB a thread. */
enum od_status od_lodging_generate(const struct od_io *io, const struct od_lodging_config *config,
                                   struct od_lodging_summary *out,
                                   struct od_error *err) OD_MUST_USE;

#endif
