/* The three files of lodging data: see lodging.h.
 *
 * Each is written beside its final name; only when all three are complete do they take their names,
 * so a failure leaves the folder's old data and no half file. */
#include "cli/lodging.h"

#include <stdio.h>
#include <string.h>

#include "base/time.h"
#include "cli/lodging_world.h"

#define BLOCK_EVENTS 32768 /* about so many rows a block: one or two MB of text */
#define BLOCK_ROWS   16384 /* users and items */
#define PATH_MOST    4096

static enum od_status check(const char *name, int64_t value, int64_t min, int64_t max,
                            struct od_error *err)
{
    if (value >= min && value <= max)
        return OD_OK;
    return od_fail(err, OD_INVALID_INPUT, "%s is %lld; it must be between %lld and %lld.", name,
                   (long long)value, (long long)min, (long long)max);
}

enum od_status od_lodging_check(const struct od_lodging_config *config, struct od_error *err)
{
    struct od_civil first = {.year = OD_LODGING_MIN_YEAR, .month = 1, .day = 1};
    struct od_civil last = {.year = OD_LODGING_MAX_YEAR, .month = 1, .day = 1};
    enum od_status s = check("users", config->users, 1, OD_LODGING_MAX_USERS, err);
    if (s == OD_OK)
        s = check("items", config->items, 1, OD_LODGING_MAX_ITEMS, err);
    if (s == OD_OK)
        s = check("days", config->days, 1, OD_LODGING_MAX_DAYS, err);
    if (s == OD_OK)
        s = check("events-per-user", config->events_per_user, 1, OD_LODGING_MAX_EVENTS_PER_USER,
                  err);
    if (s == OD_OK && (config->end_s < od_time_unix(&first) || config->end_s > od_time_unix(&last)))
        s = od_fail(err, OD_INVALID_INPUT,
                    "end is %lld seconds after 1970; it must lie in the years %d to %d.",
                    (long long)config->end_s, OD_LODGING_MIN_YEAR, OD_LODGING_MAX_YEAR - 1);
    if (s == OD_OK &&
        (!config->folder || !*config->folder || strlen(config->folder) + 32 > PATH_MOST))
        s = od_fail(err, OD_INVALID_INPUT,
                    "out must name a folder with a path of 1 to %d characters.", PATH_MOST - 32);
    return s;
}

/* --- blocks of each file --- */

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t fill_users(const void *context, uint64_t block, struct od_buf *out)
{
    const struct od_lodging_world *world = context;
    uint64_t from = block * BLOCK_ROWS, to = min_u64(from + BLOCK_ROWS, world->users);
    for (uint64_t u = from; u < to; u++)
        od_lodging_user_row(world, u, out);
    return to - from;
}

static uint64_t fill_items(const void *context, uint64_t block, struct od_buf *out)
{
    const struct od_lodging_world *world = context;
    uint64_t from = block * BLOCK_ROWS, to = min_u64(from + BLOCK_ROWS, world->item_count);
    for (uint64_t i = from; i < to; i++)
        od_lodging_item_row(world, world->file_order[i], out);
    return to - from;
}

struct interactions {
    const struct od_lodging_world *world;
    uint64_t users_per_block;
};

static uint64_t fill_interactions(const void *context, uint64_t block, struct od_buf *out)
{
    const struct interactions *in = context;
    uint64_t from = block * in->users_per_block, rows = 0;
    uint64_t to = min_u64(from + in->users_per_block, in->world->users);
    for (uint64_t u = from; u < to; u++) {
        struct od_random rng;
        struct od_lodging_user user;
        od_lodging_user_draw(in->world, u, &rng, &user);
        od_lodging_trips(in->world, &user, &rng, out);
        rows += user.events;
    }
    return rows;
}

/* --- the three files --- */

enum { USERS, ITEMS, INTERACTIONS, FILES };

struct names {
    char final[PATH_MOST], temporary[PATH_MOST];
};

static void name_files(const char *folder, struct names names[FILES])
{
    static const char *const files[FILES] = {"users.csv", "items.csv", "interactions.csv"};
    for (int f = 0; f < FILES; f++) {
        snprintf(names[f].final, PATH_MOST, "%s/%s", folder, files[f]);
        snprintf(names[f].temporary, PATH_MOST, "%s/%s.tmp", folder, files[f]);
    }
}

static uint64_t blocks_of(uint64_t count, uint64_t per_block)
{
    return (count + per_block - 1) / per_block;
}

static enum od_status write_files(const struct od_io *io, const struct od_lodging_config *config,
                                  const struct od_lodging_world *world, struct names names[FILES],
                                  struct od_lodging_summary *out, struct od_error *err)
{
    struct interactions in = {world, 1 + BLOCK_EVENTS / (uint64_t)config->events_per_user};
    const struct od_lodging_file files[FILES] = {
        [USERS] = {io, names[USERS].temporary, "USER_ID,TIER\n",
                   blocks_of(world->users, BLOCK_ROWS), config->threads, fill_users, world},
        [ITEMS] = {io, names[ITEMS].temporary,
                   "ITEM_ID,CREATION_TIMESTAMP,GRADE,LOCATION,RATING,FACILITY,FAVORITE\n",
                   blocks_of(world->item_count, BLOCK_ROWS), config->threads, fill_items, world},
        [INTERACTIONS] = {io, names[INTERACTIONS].temporary,
                          "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n",
                          blocks_of(world->users, in.users_per_block), config->threads,
                          fill_interactions, &in},
    };
    enum od_status s = OD_OK;
    uint64_t rows = 0, bytes = 0;
    for (int f = 0; s == OD_OK && f < FILES; f++) {
        s = od_lodging_file_write(&files[f], &rows, &bytes, err);
        out->bytes += s == OD_OK ? bytes : 0;
    }
    for (int f = 0; s == OD_OK && f < FILES; f++)
        s = io->rename(io, names[f].temporary, names[f].final, err);
    out->interactions = rows;
    return s;
}

enum od_status od_lodging_generate(const struct od_io *io, const struct od_lodging_config *config,
                                   struct od_lodging_summary *out, struct od_error *err)
{
    struct od_lodging_world world;
    struct names names[FILES];
    struct od_lodging_summary summary = {0};
    int64_t begun = io->monotonic_ns(io);
    enum od_status s = od_lodging_check(config, err);
    if (s == OD_OK)
        s = io->make_folder(io, config->folder, err);
    if (s != OD_OK)
        return s;
    name_files(config->folder, names);
    s = od_lodging_world_init(&world, config, err);
    if (s == OD_OK)
        s = write_files(io, config, &world, names, &summary, err);
    od_lodging_world_done(&world);
    if (s != OD_OK) {
        for (int f = 0; f < FILES; f++)
            (void)io->remove(io, names[f].temporary, NULL);
        return s;
    }
    summary.elapsed_ns = io->monotonic_ns(io) - begun;
    *out = summary;
    return OD_OK;
}
