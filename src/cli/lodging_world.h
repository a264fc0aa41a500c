/* Inside the lodging generator: the tables, the world made from them, and who lives in it.
 *
 * A world is built once on one thread and then only read. Times inside are seconds since the
 * window's start, 32 bits; dates and hours are Korean (UTC+9, no summer time). */
#ifndef OD_CLI_LODGING_WORLD_H
#define OD_CLI_LODGING_WORLD_H

#include "base/arena.h"
#include "base/random.h"
#include "cli/lodging.h"

#define OD_KST_S 32400

/* --- tables (lodging_tables.c) --- */

enum od_lodging_kind { OD_LAND_SEA, OD_LAND_ISLAND, OD_LAND_CITY, OD_LAND_MOUNTAIN, OD_LAND_KINDS };
enum {
    OD_REGIONS = 16,
    OD_GRADES = 5,
    OD_TIERS = 4,
    OD_FACILITIES = 14,
    OD_SEASONS = 4 /* spring, summer, autumn, winter */
};

struct od_lodging_region {
    const char *name;   /* LOCATION */
    const char *prefix; /* of item ids */
    enum od_lodging_kind kind;
    int share;      /* percent of all items, and the weight of a trip there */
    int near;       /* the region next door */
    int upscale;    /* shifts grades upwards: percent of items moved up one grade */
    int hanok;      /* percent of items that are traditional houses */
    int population; /* weight as a home of users */
};

struct od_lodging_facility {
    const char *name;
    int base;                /* percent of items of the lowest grade */
    int per_grade;           /* added a grade */
    int kind[OD_LAND_KINDS]; /* added by kind of region */
    int liked;               /* weight among what users look for */
};

extern const struct od_lodging_region od_lodging_regions[OD_REGIONS];
extern const struct od_lodging_facility od_lodging_facilities[OD_FACILITIES];
extern const char *const od_lodging_grades[OD_GRADES];       /* GRADE, cheapest first */
extern const char *const od_lodging_tiers[OD_TIERS];         /* TIER, lowest first */
extern const int od_lodging_grade_share[OD_GRADES];          /* percent of items, before upscale */
extern const int od_lodging_tier_share[OD_TIERS];            /* percent of users */
extern const int od_lodging_tier_grade[OD_TIERS][OD_GRADES]; /* percent preferring a grade */
extern const double od_lodging_season[OD_LAND_KINDS][OD_SEASONS]; /* weight of a trip */
#define OD_FACILITY_PARKING 5  /* what a lodging with nothing else has */
#define OD_FACILITY_HANOK   13 /* given by the region's hanok */

/* Index drawn by whole-number weights that sum to total. */
int od_lodging_draw(struct od_random *rng, const int *weights, int count, int total);

/* --- calendar (lodging_calendar.c) --- */

struct od_lodging_calendar {
    uint32_t hours;        /* of the window, rounded up */
    const double *before;  /* [hours + 1]: weight of all hours before one */
    const uint8_t *season; /* [days + 1], of the day that holds a moment */
};

/* A public holiday in Korea, substitute days included, by its Korean date as days since 1970. Lunar
 * holidays are known for 2020-2030; outside, only those with a fixed date. */
bool od_lodging_holiday(int64_t day);
/* How much is browsed on that day, 1 on an average one. */
double od_lodging_day_weight(int64_t day);
enum od_status od_lodging_calendar_init(struct od_lodging_calendar *calendar, int64_t start_s,
                                        int64_t days, struct od_arena *arena) OD_MUST_USE;
/* A moment of [from, to), or from when that is empty, by the hours' weights. */
uint32_t od_lodging_moment(const struct od_lodging_calendar *calendar, struct od_random *rng,
                           uint32_t from, uint32_t to);

/* --- items (lodging_items.c) --- */

/* What a trip reads of an item. Items of a region lie together, most popular first; threshold and
 * alias are Walker's table for drawing one of them by popularity. */
struct od_lodging_item {
    uint32_t threshold;
    uint32_t alias;      /* index in the region */
    uint32_t available;  /* seconds after the start; 0 for items older than the window */
    uint16_t facilities; /* bit by index of od_lodging_facilities */
    uint8_t grade;
    uint8_t rating;
};

struct od_lodging_details {
    int64_t created_s; /* unix time */
    uint32_t favorite;
    uint32_t number; /* of the id, 1-based within the region */
};

struct od_lodging_world {
    struct od_arena arena;
    uint64_t seed;
    uint64_t users;
    int64_t start_s; /* unix time */
    uint32_t window_s;
    double activity;     /* scale of the events a user has: lodging_user.c */
    unsigned user_width; /* digits of a user's id */
    struct od_lodging_calendar calendar;
    uint32_t item_count;
    uint32_t first[OD_REGIONS + 1]; /* items of region r: first[r] .. first[r + 1] - 1 */
    struct od_lodging_item *items;
    struct od_lodging_details *details;
    uint32_t *file_order; /* items as items.csv lists them */
};

/* done is right after a failed init too. */
enum od_status od_lodging_world_init(struct od_lodging_world *world,
                                     const struct od_lodging_config *config,
                                     struct od_error *err) OD_MUST_USE;
void od_lodging_world_done(struct od_lodging_world *world);
enum od_status od_lodging_items_init(struct od_lodging_world *world) OD_MUST_USE;
int od_lodging_region_of(const struct od_lodging_world *world, uint32_t item);
/* By popularity among the region's items (it has some). */
uint32_t od_lodging_item_draw(const struct od_lodging_world *world, int region,
                              struct od_random *rng);
void od_lodging_item_row(const struct od_lodging_world *world, uint32_t item, struct od_buf *out);

/* --- users (lodging_user.c) --- */

struct od_lodging_user {
    uint64_t index; /* 0-based; the id has index + 1 */
    int tier, home, loved_region, kind, grade;
    uint16_t wants[2]; /* facilities looked for, one bit each */
    uint32_t start;    /* no event before */
    uint32_t events;   /* exactly so many */
};

/* The user with that index, and the random stream the user's trips go on with. */
void od_lodging_user_draw(const struct od_lodging_world *world, uint64_t index,
                          struct od_random *out_rng, struct od_lodging_user *out);
void od_lodging_user_row(const struct od_lodging_world *world, uint64_t index, struct od_buf *out);
/* How much the user likes an item: 0..65536, the chance in 65536 that a look at it counts. */
uint32_t od_lodging_taste(const struct od_lodging_user *user, const struct od_lodging_item *item);

/* --- trips (lodging_trip.c) --- */

/* The user's rows of interactions.csv in order of time, appended to out. */
void od_lodging_trips(const struct od_lodging_world *world, const struct od_lodging_user *user,
                      struct od_random *rng, struct od_buf *out);

/* --- text (lodging_text.c): each returns the end of what it wrote, no NUL --- */

#define OD_LODGING_ID_BYTES 32                                         /* the longest id */
char *od_lodging_put_number(char *at, uint64_t value, unsigned width); /* zeros up to width */
char *od_lodging_put_user(const struct od_lodging_world *world, char *at, uint64_t user);
char *od_lodging_put_item(const struct od_lodging_world *world, char *at, int region,
                          uint32_t item);

/* --- files (lodging_file.c) --- */

/* A file written by all cores at once: block b's text comes from fill and lies after those of the
 * blocks before it. */
struct od_lodging_file {
    const struct od_io *io;
    const char *path; /* written whole as path, synced, to be renamed by the caller */
    const char *header;
    uint64_t blocks;
    unsigned threads;
    /* Appends block's text; returns its rows. Called on any thread. */
    uint64_t (*fill)(const void *context, uint64_t block, struct od_buf *out);
    const void *context;
};
enum od_status od_lodging_file_write(const struct od_lodging_file *file, uint64_t *out_rows,
                                     uint64_t *out_bytes, struct od_error *err) OD_MUST_USE;

#endif
