/* Trips: what one user looks at, wishes for and books, in order of time.
 *
 * The user's time is cut into as many equal slots as there are trips, so trips never mix. A trip
 * has one region, one to four sessions within two weeks, and perhaps a booking as its last event.
 * In a session nearly every look is at a lodging of the trip's region: new ones drawn by popularity
 * and kept by taste, or one of the shortlist (the newest seen) again; a few stray next door or
 * anywhere. A wish follows a look at once. A booking takes what fits the user best of the
 * shortlist, so it always follows a look at the same one.
 *
 * Invariants: exactly user->events rows; times never go back, lie in [user->start, window_s), and
 * no row names an item before its creation. Nothing here calls libm: the costs are random numbers.
 */
#include "cli/lodging_world.h"

#include <string.h>

#define DAY_S 86400u

enum {
    TRIP_EVENTS = 15,   /* mean */
    TRIP_MOST = 40,     /* so that what a trip saw fits an array */
    SESSION_EVENTS = 6, /* about */
    SESSION_MOST = 4,   /* sessions of a trip */
    TRIES = 8,          /* lodgings drawn before the last one is taken whatever the taste */
    LOVED_MOST = 4,     /* booked lodgings a user comes back to */
    STRAY = 4,          /* percent of looks outside the trip's region, half of them next door */
    SHORTLIST = 3,      /* newest lodgings of the trip that are looked at again and booked */
    AGAIN = 12,         /* percent of looks at one of the shortlist again */
    WISH = 9,           /* percent of looks followed by a wish */
    BOOK = 55,          /* percent of trips with BOOK_LEAST events and more that end in a booking */
    BOOK_LEAST = 4,
    LOOK_BEFORE_BOOK = 60, /* percent of bookings right after one more look at the same */
    RETURN = 4,            /* percent of trips that go back to a loved lodging, when there is one */
    ROW_MOST = 96          /* bytes of a row: two ids, a time, an event type */
};

enum event { VIEW, WISH_EVENT, BOOK_EVENT };

struct loved {
    uint32_t item;
    int region;
};

/* One user's way through the window. */
struct walk {
    const struct od_lodging_world *world;
    const struct od_lodging_user *user;
    struct od_random *rng;
    struct od_buf *out;
    char id[OD_LODGING_ID_BYTES]; /* the user's, with the comma after it */
    size_t id_len;
    uint32_t now;   /* of the last event */
    uint32_t limit; /* the present trip's events lie before */
    int last_region;
    struct loved loved[LOVED_MOST];
    unsigned loved_count;
};

struct trip {
    int region;
    uint32_t seen[TRIP_MOST]; /* lodgings of the region that were looked at */
    unsigned seen_count;
    uint32_t wanted; /* the loved lodging this trip goes back to, or NO_ITEM */
    bool books;
    uint32_t left; /* events still to come */
};
#define NO_ITEM UINT32_MAX

static bool chance(struct walk *w, unsigned percent)
{
    return od_random_below(w->rng, 100) < percent;
}

static void emit(struct walk *w, uint32_t item, enum event type)
{
    static const struct {
        char text[8];
        size_t len;
    } names[] = {{",view\n", 6}, {",wish\n", 6}, {",book\n", 6}};
    char *row = od_buf_reserve(w->out, ROW_MOST);
    if (!row)
        return; /* the buffer remembers; its reader asks */
    memcpy(row, w->id, w->id_len);
    char *at =
        od_lodging_put_item(w->world, row + w->id_len, od_lodging_region_of(w->world, item), item);
    *at++ = ',';
    at = od_lodging_put_number(at, (uint64_t)(w->world->start_s + w->now), 1);
    memcpy(at, names[type].text, names[type].len);
    od_buf_commit(w->out, (size_t)(at - row) + names[type].len);
}

static bool has_items(const struct od_lodging_world *world, int region)
{
    return world->first[region + 1] > world->first[region];
}

static void pass(struct walk *w, uint32_t seconds)
{
    w->now = w->now + seconds < w->limit ? w->now + seconds : w->limit - 1;
}

/* A lodging of the region that is there by now: by popularity, kept by taste. */
static uint32_t pick(struct walk *w, int region)
{
    const struct od_lodging_world *world = w->world;
    uint32_t last = world->first[region]; /* always old: lodging_items.c */
    for (int i = 0; i < TRIES; i++) {
        uint32_t item = od_lodging_item_draw(world, region, w->rng);
        if (world->items[item].available > w->now)
            continue;
        last = item;
        if (od_random_u64(w->rng) >> 48 < od_lodging_taste(w->user, &world->items[item]))
            break;
    }
    return last;
}

static uint32_t pick_stray(struct walk *w, int region)
{
    int other = od_lodging_regions[region].near;
    if (chance(w, 50) || !has_items(w->world, other))
        other =
            od_lodging_region_of(w->world, (uint32_t)od_random_below(w->rng, w->world->item_count));
    return pick(w, other);
}

static void remember(struct trip *trip, uint32_t item)
{
    trip->seen[trip->seen_count++] = item;
}

/* How many of the newest seen lodgings are still thought of. */
static unsigned shortlist(const struct trip *trip)
{
    return trip->seen_count < SHORTLIST ? trip->seen_count : SHORTLIST;
}

/* What would be booked now: the lodging one came back for, or the shortlist's best by taste. */
static uint32_t choose(const struct walk *w, const struct trip *trip)
{
    uint32_t best = NO_ITEM, best_taste = 0;
    if (trip->wanted != NO_ITEM)
        return trip->wanted;
    for (unsigned i = 0; i < shortlist(trip); i++) {
        uint32_t item = trip->seen[trip->seen_count - 1 - i];
        uint32_t taste = od_lodging_taste(w->user, &w->world->items[item]);
        if (best == NO_ITEM || taste > best_taste) {
            best = item;
            best_taste = taste;
        }
    }
    return best;
}

/* The next lodging looked at. */
static uint32_t look(struct walk *w, struct trip *trip)
{
    if (trip->wanted != NO_ITEM && trip->seen_count == 0) {
        remember(trip, trip->wanted);
        return trip->wanted;
    }
    if (trip->seen_count > 0 && chance(w, STRAY))
        return pick_stray(w, trip->region);
    if (trip->seen_count > 0 && chance(w, AGAIN))
        return trip->seen[trip->seen_count - 1 - od_random_below(w->rng, shortlist(trip))];
    uint32_t item = pick(w, trip->region);
    remember(trip, item);
    return item;
}

static void book(struct walk *w, struct trip *trip, uint32_t item)
{
    pass(w, 60 + (uint32_t)od_random_below(w->rng, 240));
    emit(w, item, BOOK_EVENT);
    trip->left--;
    unsigned slot = w->loved_count < LOVED_MOST ? w->loved_count++
                                                : (unsigned)od_random_below(w->rng, LOVED_MOST);
    w->loved[slot] = (struct loved){item, trip->region};
}

/* count events from w->now on; the trip's last session ends with its booking. */
static void session(struct walk *w, struct trip *trip, uint32_t count)
{
    uint32_t end = trip->left - count;
    while (trip->left > end) {
        if (trip->books && trip->left == 1) {
            book(w, trip, choose(w, trip));
            continue;
        }
        bool is_last_look = trip->books && trip->left == 2 && chance(w, LOOK_BEFORE_BOOK);
        uint32_t item = is_last_look ? choose(w, trip) : look(w, trip);
        emit(w, item, VIEW);
        trip->left--;
        uint32_t reserved = trip->books ? 1 : 0;
        if (trip->left > end + reserved && chance(w, WISH)) {
            pass(w, 2 + (uint32_t)od_random_below(w->rng, 18));
            emit(w, item, WISH_EVENT);
            trip->left--;
        }
        if (trip->left > end)
            pass(w, 15 + (uint32_t)od_random_below(w->rng, 106));
    }
}

/* Where to: the season, home, likings, and not where one has just been. */
static int choose_region(struct walk *w, uint32_t moment)
{
    double sum = 0, upto[OD_REGIONS];
    unsigned season = w->world->calendar.season[moment / DAY_S];
    for (int r = 0; r < OD_REGIONS; r++) {
        const struct od_lodging_region *region = &od_lodging_regions[r];
        double weight = region->share * od_lodging_season[region->kind][season];
        weight *= (r == w->user->home ? 0.25 : 1) * (r == w->user->loved_region ? 2 : 1);
        weight *= (region->kind == (enum od_lodging_kind)w->user->kind ? 2 : 1);
        weight *= (r == w->last_region ? 0.15 : 1) * has_items(w->world, r);
        upto[r] = sum += weight;
    }
    double at = od_random_double(w->rng) * sum;
    int r = 0;
    while (r < OD_REGIONS - 1 && (at >= upto[r] || !has_items(w->world, r)))
        r++;
    return r;
}

static void open_trip(struct walk *w, struct trip *trip, uint32_t moment, uint32_t size)
{
    trip->seen_count = 0;
    trip->wanted = NO_ITEM;
    trip->left = size;
    trip->books = size >= BOOK_LEAST && chance(w, BOOK);
    if (w->loved_count > 0 && chance(w, RETURN)) {
        const struct loved *loved = &w->loved[od_random_below(w->rng, w->loved_count)];
        trip->region = loved->region;
        trip->wanted = loved->item;
    } else {
        trip->region = choose_region(w, moment);
    }
    w->last_region = trip->region;
}

/* Begins of the trip's sessions, in order. */
static unsigned plan_sessions(struct walk *w, uint32_t first, uint32_t end, uint32_t size,
                              uint32_t out[SESSION_MOST])
{
    unsigned count = 1 + (unsigned)od_random_below(w->rng, 1 + size / SESSION_EVENTS);
    if (count > SESSION_MOST)
        count = SESSION_MOST;
    out[0] = first;
    for (unsigned i = 1; i < count; i++) {
        uint32_t moment = od_lodging_moment(&w->world->calendar, w->rng, first, end);
        unsigned at = i;
        for (; out[at - 1] > moment; at--)
            out[at] = out[at - 1];
        out[at] = moment;
    }
    return count;
}

/* A part of left for one of parts, about even, none with more than most. Needs left <= parts * most
 * and leaves it so. */
static uint32_t split(struct walk *w, uint32_t left, uint32_t parts, uint32_t most)
{
    if (parts == 1)
        return left;
    uint64_t mean = left / parts;
    uint32_t size = (uint32_t)(mean / 2 + od_random_below(w->rng, mean + 2));
    uint32_t least = left > (parts - 1) * most ? left - (parts - 1) * most : 1;
    uint32_t highest = left - (parts - 1) < most ? left - (parts - 1) : most;
    if (size > highest)
        size = highest;
    return size < least ? least : size;
}

/* One trip of size events in [from, to). */
static void run_trip(struct walk *w, uint32_t from, uint32_t to, uint32_t size)
{
    struct trip trip;
    uint32_t begins[SESSION_MOST];
    uint32_t rest = (to - from) / 8 < 3600 ? (to - from) / 8 : 3600; /* trips stay apart */
    uint32_t first = od_lodging_moment(&w->world->calendar, w->rng, from, to - rest);
    uint32_t length = DAY_S * (1 + (uint32_t)od_random_below(w->rng, 14));
    uint32_t end = to - rest - first < length ? to - rest : first + length;
    unsigned sessions = plan_sessions(w, first, end, size, begins);
    if (sessions > size)
        sessions = size;
    open_trip(w, &trip, first, size);
    w->limit = to;
    for (unsigned i = 0; i < sessions; i++) {
        if (begins[i] > w->now)
            w->now = begins[i];
        session(w, &trip, split(w, trip.left, sessions - i, TRIP_MOST));
    }
}

void od_lodging_trips(const struct od_lodging_world *world, const struct od_lodging_user *user,
                      struct od_random *rng, struct od_buf *out)
{
    struct walk w = {.world = world, .user = user, .rng = rng, .out = out, .last_region = -1};
    char *end = od_lodging_put_user(world, w.id, user->index);
    *end++ = ',';
    w.id_len = (size_t)(end - w.id);
    w.now = user->start;
    uint32_t left = user->events;
    uint32_t trips = (left + (uint32_t)od_random_below(rng, TRIP_EVENTS)) / TRIP_EVENTS;
    uint32_t span = world->window_s - user->start;
    if (trips == 0)
        trips = 1;
    for (uint32_t i = 0; i < trips; i++) {
        uint32_t from = user->start + (uint32_t)((uint64_t)span * i / trips);
        uint32_t to = user->start + (uint32_t)((uint64_t)span * (i + 1) / trips);
        uint32_t size = split(&w, left, trips - i, TRIP_MOST);
        run_trip(&w, from, to, size);
        left -= size;
    }
}
