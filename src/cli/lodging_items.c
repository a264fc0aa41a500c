/* The lodgings: how many in which region, how popular, and what each one is.
 *
 * Items of a region are stored most popular first. The popularity of rank r = 1, 2, ... is
 * (r + 2)^-0.9, a power law with a slightly rounded head (Zipf-Mandelbrot), drawn in constant time
 * with Walker's alias table as built by Vose 1991. Ids are numbered in another, shuffled order: an
 * id says nothing about popularity.
 *
 * The most popular item of a region is always older than the window, so that there is something to
 * look at in each region at any moment. */
#include "cli/lodging_world.h"

#include <math.h>
#include <string.h>

#define DAY_S          86400
#define RANK_OFFSET    2.0
#define RANK_EXPONENT  0.9
#define NEW_PERCENT    12 /* of items are created inside the window */
#define OLDEST_S       (5 * 365 * (int64_t)DAY_S)
#define RATING_SCALE   9.1 /* of the gamma(2) that is taken off 100 */
#define FAVORITE_SCALE 12000.0

enum { STREAM_ITEMS = 1, STREAM_ORDER = 100 }; /* users have their own: lodging_user.c */

/* Largest remainders, so that the items are exactly as many as asked. */
static void share_out(struct od_lodging_world *world)
{
    uint32_t count[OD_REGIONS], given = 0;
    uint64_t rest[OD_REGIONS];
    for (int r = 0; r < OD_REGIONS; r++) {
        uint64_t exact = (uint64_t)world->item_count * (unsigned)od_lodging_regions[r].share;
        count[r] = (uint32_t)(exact / 100);
        rest[r] = exact % 100 + 1;
        given += count[r];
    }
    for (; given < world->item_count; given++) {
        int most = 0;
        for (int r = 1; r < OD_REGIONS; r++)
            if (rest[r] > rest[most])
                most = r;
        count[most]++;
        rest[most] = 0;
    }
    world->first[0] = 0;
    for (int r = 0; r < OD_REGIONS; r++)
        world->first[r + 1] = world->first[r] + count[r];
}

static void shuffle(uint32_t *list, uint32_t count, struct od_random *rng)
{
    for (uint32_t i = count; i > 1; i--) {
        uint32_t other = (uint32_t)od_random_below(rng, i), kept = list[i - 1];
        list[i - 1] = list[other];
        list[other] = kept;
    }
}

static double popularity(uint32_t rank)
{
    return pow((double)rank + RANK_OFFSET, -RANK_EXPONENT);
}

/* share is scratch for the region's count items, stack for as many indices. */
static void make_alias(struct od_lodging_item *items, uint32_t count, double *share,
                       uint32_t *stack)
{
    double sum = 0;
    uint32_t low = 0, high = count; /* indices under 1 grow from the front, others from the back */
    for (uint32_t i = 0; i < count; i++)
        sum += share[i] = popularity(i + 1);
    for (uint32_t i = 0; i < count; i++) {
        share[i] *= count / sum;
        if (share[i] < 1)
            stack[low++] = i;
        else
            stack[--high] = i;
    }
    while (low > 0 && high < count) {
        uint32_t small = stack[--low], large = stack[high];
        items[small].threshold = (uint32_t)(share[small] * 4294967295.0);
        items[small].alias = large;
        share[large] -= 1 - share[small];
        if (share[large] < 1) {
            high++;
            stack[low++] = large;
        }
    }
    /* what is left is 1 but for rounding */
    for (uint32_t i = 0; i < low; i++)
        items[stack[i]].threshold = UINT32_MAX, items[stack[i]].alias = stack[i];
    for (uint32_t i = high; i < count; i++)
        items[stack[i]].threshold = UINT32_MAX, items[stack[i]].alias = stack[i];
}

static uint16_t draw_facilities(const struct od_lodging_region *region, int grade,
                                struct od_random *rng)
{
    unsigned mask = 0;
    for (int f = 0; f < OD_FACILITIES; f++) {
        const struct od_lodging_facility *facility = &od_lodging_facilities[f];
        int percent = facility->base + facility->per_grade * grade + facility->kind[region->kind];
        if (f == OD_FACILITY_HANOK)
            percent = region->hanok;
        if ((int)od_random_below(rng, 100) < (percent > 95 ? 95 : percent))
            mask |= 1u << f;
    }
    return (uint16_t)(mask ? mask : 1u << OD_FACILITY_PARKING);
}

/* 100 less a gamma(2) variable: most guests are content, few are not. Dearer and better known
 * lodgings are rated a little higher. */
static uint8_t draw_rating(int grade, bool is_known, struct od_random *rng)
{
    double scale = RATING_SCALE * (1.2 - 0.1 * grade) * (is_known ? 0.85 : 1.0);
    double rating = 100 - scale * (od_random_exponential(rng) + od_random_exponential(rng));
    return rating > 0 ? (uint8_t)(rating + 0.5) : 0;
}

static void make_item(struct od_lodging_world *world, int r, uint32_t rank, uint32_t count,
                      struct od_random *rng)
{
    const struct od_lodging_region *region = &od_lodging_regions[r];
    struct od_lodging_item *item = &world->items[world->first[r] + rank];
    struct od_lodging_details *details = &world->details[world->first[r] + rank];
    int grade = od_lodging_draw(rng, od_lodging_grade_share, OD_GRADES, 100);
    if ((int)od_random_below(rng, 100) < region->upscale && grade < OD_GRADES - 1)
        grade++;
    item->grade = (uint8_t)grade;
    item->facilities = draw_facilities(region, grade, rng);
    item->rating = draw_rating(grade, rank < count / 10, rng);
    bool is_new = od_random_below(rng, 100) < NEW_PERCENT && rank > 0;
    uint64_t age = DAY_S + od_random_below(rng, (uint64_t)OLDEST_S);
    uint64_t since = 1 + od_random_below(rng, world->window_s - 1);
    item->available = is_new ? (uint32_t)since : 0;
    details->created_s = world->start_s + (is_new ? (int64_t)since : -(int64_t)age);
    double years =
        (double)(world->start_s + world->window_s - details->created_s) / (365.0 * DAY_S);
    details->favorite = (uint32_t)(FAVORITE_SCALE * popularity(rank + 1) * (years / (years + 1)) *
                                   exp(0.4 * od_random_normal(rng)));
}

enum od_status od_lodging_items_init(struct od_lodging_world *world)
{
    uint32_t total = world->item_count;
    world->items = OD_NEW_ARRAY(&world->arena, struct od_lodging_item, total);
    world->details = OD_NEW_ARRAY(&world->arena, struct od_lodging_details, total);
    world->file_order = OD_NEW_ARRAY(&world->arena, uint32_t, total);
    struct od_arena scratch;
    od_arena_init(&scratch, SIZE_MAX);
    double *share = OD_NEW_ARRAY(&scratch, double, total);
    uint32_t *order = world->file_order; /* scratch until the end */
    enum od_status s = OD_NO_MEMORY;
    if (!world->items || !world->details || !order || !share)
        goto out;
    share_out(world);
    for (int r = 0; r < OD_REGIONS; r++) {
        struct od_random rng;
        uint32_t first = world->first[r], count = world->first[r + 1] - first;
        od_random_init2(&rng, world->seed, STREAM_ITEMS + (uint64_t)r);
        make_alias(world->items + first, count, share, order);
        for (uint32_t i = 0; i < count; i++)
            order[i] = i + 1;
        shuffle(order, count, &rng);
        for (uint32_t i = 0; i < count; i++) {
            world->details[first + i].number = order[i];
            make_item(world, r, i, count, &rng);
        }
    }
    struct od_random rng;
    od_random_init2(&rng, world->seed, STREAM_ORDER);
    for (uint32_t i = 0; i < total; i++)
        order[i] = i;
    shuffle(order, total, &rng);
    s = OD_OK;
out:
    od_arena_done(&scratch);
    return s;
}

int od_lodging_region_of(const struct od_lodging_world *world, uint32_t item)
{
    int region = 0;
    while (item >= world->first[region + 1])
        region++;
    return region;
}

uint32_t od_lodging_item_draw(const struct od_lodging_world *world, int region,
                              struct od_random *rng)
{
    uint32_t first = world->first[region], count = world->first[region + 1] - first;
    uint64_t bits = od_random_u64(rng);
    uint32_t column = (uint32_t)((bits >> 32) * count >> 32);
    const struct od_lodging_item *item = &world->items[first + column];
    return first + ((uint32_t)bits <= item->threshold ? column : item->alias);
}

static char *put_text(char *at, const char *text)
{
    size_t len = strlen(text);
    memcpy(at, text, len);
    return at + len;
}

void od_lodging_item_row(const struct od_lodging_world *world, uint32_t item, struct od_buf *out)
{
    char row[256]; /* all facilities together take 99 bytes, the other cells 90 at most */
    const struct od_lodging_item *it = &world->items[item];
    const struct od_lodging_details *details = &world->details[item];
    int region = od_lodging_region_of(world, item);
    char *at = od_lodging_put_item(world, row, region, item);
    *at++ = ',';
    at =
        od_lodging_put_number(at, (uint64_t)details->created_s, 1); /* after 1970: see the limits */
    *at++ = ',';
    at = put_text(at, od_lodging_grades[it->grade]);
    *at++ = ',';
    at = put_text(at, od_lodging_regions[region].name);
    *at++ = ',';
    at = od_lodging_put_number(at, it->rating, 1);
    char separator = ',';
    for (int f = 0; f < OD_FACILITIES; f++) {
        if (!(it->facilities >> f & 1))
            continue;
        *at++ = separator;
        at = put_text(at, od_lodging_facilities[f].name);
        separator = '|';
    }
    *at++ = ',';
    at = od_lodging_put_number(at, details->favorite, 1);
    *at++ = '\n';
    od_buf_put(out, row, (size_t)(at - row));
}
