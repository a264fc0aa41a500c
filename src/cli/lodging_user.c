/* Users: who they are, what they like, how active they are.
 *
 * A user is never stored. Everything about user u comes from the random stream (seed, u), whose
 * first draws make the profile and whose later draws make the trips; so users.csv and
 * interactions.csv agree without sharing anything, in any order and on any thread.
 *
 * Activity is Lomax (Pareto II): events = scale * ((1 - v)^(-1 / EXPONENT) - 1) for v even in
 * [0, 1), cut at CUT times the mean, and less in proportion for who came during the window. The
 * scale is chosen so that the mean over all users is what was asked. */
#include "cli/lodging_world.h"

#include <math.h>

#define STREAM_USERS ((uint64_t)1 << 32) /* items use small numbers */
#define EXPONENT     2.2
#define CUT          20.0
#define NEW_PERCENT  20   /* of users come during the window, at a moment drawn evenly */
#define LAST_S       3600 /* nobody comes in the window's last hour */

/* Taste, in 65536ths: for the grade by its distance from the preferred one, then for each of the
 * two facilities wanted and missing. */
static const uint32_t grade_taste[OD_GRADES] = {65536, 26214, 9830, 5243, 3277};
#define WITHOUT_FIRST  32768
#define WITHOUT_SECOND 49152

static double activity_scale(double mean)
{
    /* E[min(X, c)] of Lomax(k, scale) = scale / (k - 1) * (1 - (1 + c / scale)^(1 - k)); at
     * c = CUT * scale / (k - 1) the bracket does not depend on the scale. */
    double kept = 1 - pow(1 + CUT / (EXPONENT - 1), 1 - EXPONENT);
    double present = 1 - NEW_PERCENT / 100.0 / 2;
    return mean * (EXPONENT - 1) / (kept * present);
}

static void draw_wants(struct od_random *rng, uint16_t wants[2])
{
    int weights[OD_FACILITIES], total = 0;
    for (int f = 0; f < OD_FACILITIES; f++)
        total += weights[f] = od_lodging_facilities[f].liked;
    int first = od_lodging_draw(rng, weights, OD_FACILITIES, total);
    total -= weights[first];
    weights[first] = 0;
    int second = od_lodging_draw(rng, weights, OD_FACILITIES, total);
    wants[0] = (uint16_t)(1u << first);
    wants[1] = (uint16_t)(1u << second);
}

static uint32_t draw_events(const struct od_lodging_world *world, uint32_t start,
                            struct od_random *rng)
{
    double scale = world->activity;
    double events = scale * (pow(1 - od_random_double(rng), -1 / EXPONENT) - 1);
    double most = CUT * scale / (EXPONENT - 1);
    if (events > most)
        events = most;
    events *= (double)(world->window_s - start) / world->window_s;
    uint32_t whole = (uint32_t)(events + od_random_double(rng));
    return whole ? whole : 1;
}

void od_lodging_user_draw(const struct od_lodging_world *world, uint64_t index,
                          struct od_random *out_rng, struct od_lodging_user *out)
{
    static const int evenly[OD_LAND_KINDS] = {30, 20, 25, 25};
    int population[OD_REGIONS], share[OD_REGIONS];
    for (int r = 0; r < OD_REGIONS; r++) {
        population[r] = od_lodging_regions[r].population;
        share[r] = od_lodging_regions[r].share;
    }
    od_random_init2(out_rng, world->seed, STREAM_USERS + index);
    out->index = index;
    out->tier = od_lodging_draw(out_rng, od_lodging_tier_share, OD_TIERS, 100);
    out->grade = od_lodging_draw(out_rng, od_lodging_tier_grade[out->tier], OD_GRADES, 100);
    out->home = od_lodging_draw(out_rng, population, OD_REGIONS, 100);
    out->loved_region = od_lodging_draw(out_rng, share, OD_REGIONS, 100);
    out->kind = od_lodging_draw(out_rng, evenly, OD_LAND_KINDS, 100);
    draw_wants(out_rng, out->wants);
    bool is_new = od_random_below(out_rng, 100) < NEW_PERCENT;
    uint32_t start = (uint32_t)od_random_below(out_rng, world->window_s - LAST_S);
    out->start = is_new ? start : 0;
    out->events = draw_events(world, out->start, out_rng);
}

void od_lodging_user_row(const struct od_lodging_world *world, uint64_t index, struct od_buf *out)
{
    char id[OD_LODGING_ID_BYTES];
    struct od_random rng;
    struct od_lodging_user user;
    od_lodging_user_draw(world, index, &rng, &user);
    char *end = od_lodging_put_user(world, id, index);
    od_buf_put(out, id, (size_t)(end - id));
    od_buf_char(out, ',');
    od_buf_puts(out, od_lodging_tiers[user.tier]);
    od_buf_char(out, '\n');
}

uint32_t od_lodging_taste(const struct od_lodging_user *user, const struct od_lodging_item *item)
{
    int distance =
        user->grade > item->grade ? user->grade - item->grade : item->grade - user->grade;
    uint64_t taste = grade_taste[distance];
    if (!(item->facilities & user->wants[0]))
        taste = taste * WITHOUT_FIRST >> 16;
    if (!(item->facilities & user->wants[1]))
        taste = taste * WITHOUT_SECOND >> 16;
    return (uint32_t)taste;
}

enum od_status od_lodging_world_init(struct od_lodging_world *world,
                                     const struct od_lodging_config *config, struct od_error *err)
{
    *world = (struct od_lodging_world){
        .seed = config->seed,
        .users = (uint64_t)config->users,
        .start_s = config->end_s - config->days * 86400,
        .window_s = (uint32_t)(config->days * 86400),
        .activity = activity_scale((double)config->events_per_user),
        .user_width = 7,
        .item_count = (uint32_t)config->items,
    };
    for (uint64_t most = 10000000; most <= world->users; most *= 10)
        world->user_width++;
    od_arena_init(&world->arena, SIZE_MAX);
    enum od_status s =
        od_lodging_calendar_init(&world->calendar, world->start_s, config->days, &world->arena);
    if (s == OD_OK)
        s = od_lodging_items_init(world);
    return s == OD_OK ? OD_OK
                      : od_fail(err, s, "Out of memory for %lld items.", (long long)config->items);
}

void od_lodging_world_done(struct od_lodging_world *world)
{
    od_arena_done(&world->arena);
}
