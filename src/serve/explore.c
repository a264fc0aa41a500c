/* Exploration: a few places of an answer go to young items, so that the next model can learn of
 * them (recipes.md section 7).
 *
 * Which places: the campaign's share e of them, evenly spread from a random start (a place p is
 * taken when floor(u + e (p + 1)) > floor(u + e p), u uniform): never more than e k + 1 of the
 * first k, so a single answer cannot be flooded, while every place has the same chance. At the
 * default e = 0.075 a list of ten has one in three of four answers.
 *
 * Which items: up to OD_EXPLORE_POOL of the young ones, a random stretch of the list, then drawn
 * without replacement in proportion to doubt x relevance, by the smallest Exp(1) / weight
 * (Efraimidis and Spirakis 2006). Doubt falls with interactions and impressions (young.c).
 * Relevance compares the model's score with the answer's own: exp of the distance to its last item
 * in units of its spread, from e^-3 to e; an item the model does not know counts as one a spread
 * below the list. An item drawn takes the place only with a chance of its doubt: where all young
 * items are well known, exploring ends by itself.
 *
 * The item gets the probability of the one whose place it takes (its bonus is what it lacked), so
 * lists stay sorted by score. Without young items, or with weight 0, nothing is changed. All chance
 * comes from the recommendation id. */
#include <math.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/ask.h"

struct drawn {
    struct od_young_item young;
    uint32_t item;
    double key;
};

/* The places of wanted that are explored, ascending; returns how many. */
static size_t choose_places(struct od_ask *ask, size_t wanted, size_t *out)
{
    double share = ask->campaign->explore_share, at = od_random_double(&ask->rng);
    size_t count = 0;
    for (size_t place = 0; place < wanted; place++) {
        double next = at + share;
        if (floor(next) > floor(at))
            out[count++] = place;
        at = next;
    }
    return count;
}

/* The scores that relevance is measured by. */
struct yardstick {
    double last, spread;
};

static struct yardstick measure(const struct od_ask *ask, const struct od_pick *picks, size_t count)
{
    struct yardstick yardstick = {0, 0};
    if (count == 0)
        return yardstick;
    yardstick.last = (double)ask->scores[picks[count - 1].item];
    yardstick.spread = (double)ask->scores[picks[0].item] - yardstick.last;
    return yardstick;
}

static double relevance(const struct od_ask *ask, const struct yardstick *yardstick, uint32_t item)
{
    if (item == OD_NO_CODE || !(yardstick->spread > 0))
        return exp(-1);
    double distance = ((double)ask->scores[item] - yardstick->last) / yardstick->spread;
    return exp(distance < -3 ? -3 : distance > 1 ? 1 : distance);
}

static bool eligible(const struct od_ask *ask, const uint64_t *taken, uint32_t row, uint32_t item)
{
    if (ask->keep && !(row < ask->keep->row_count && od_bitmap_get(ask->keep->rows, row)))
        return false;
    return item == OD_NO_CODE || (!od_bitmap_get(taken, item) && ask->scores[item] > -INFINITY);
}

/* Draws up to most items into out, smallest key first. */
static size_t draw(struct od_ask *ask, const uint64_t *taken, const struct yardstick *yardstick,
                   size_t most, struct drawn *out)
{
    const struct od_young *young = ask->young;
    size_t pool = young->count < OD_EXPLORE_POOL ? young->count : OD_EXPLORE_POOL, count = 0;
    size_t at = (size_t)od_random_below(&ask->rng, young->count);
    for (size_t i = 0; i < pool; i++, at = at + 1 == young->count ? 0 : at + 1) {
        struct drawn one = {young->list[at], od_campaign_item(ask->campaign, young->list[at].row),
                            0};
        if (!eligible(ask, taken, one.young.row, one.item))
            continue;
        one.key = od_random_exponential(&ask->rng) /
                  ((double)one.young.doubt * relevance(ask, yardstick, one.item));
        if (count == most && one.key >= out[count - 1].key)
            continue;
        size_t place = count < most ? count++ : count - 1;
        for (; place > 0 && out[place - 1].key > one.key; place--)
            out[place] = out[place - 1];
        out[place] = one;
    }
    return count;
}

/* Inserts the item at place, the last one falling off a full list. */
static void insert(struct od_ask *ask, struct od_pick *picks, size_t *count, size_t wanted,
                   size_t place, const struct drawn *drawn)
{
    if (place > *count)
        place = *count;
    struct od_pick pick = {.row = drawn->young.row, .item = drawn->item, .explored = true};
    pick.scored = ask->campaign->has_scores;
    if (*count > 0)
        pick.probability = picks[place < *count ? place : *count - 1].probability;
    if (*count < wanted)
        ++*count;
    for (size_t i = *count - 1; i > place; i--)
        picks[i] = picks[i - 1];
    picks[place] = pick;
}

enum od_status od_explore(struct od_ask *ask, const uint64_t *taken, size_t wanted,
                          struct od_pick *picks, size_t *count)
{
    if (!ask->young || ask->young->count == 0 || wanted == 0)
        return OD_OK;
    size_t *places = OD_NEW_ARRAY(ask->arena, size_t, wanted);
    struct drawn *drawn = OD_NEW_ARRAY(ask->arena, struct drawn, wanted);
    if (!places || !drawn)
        return OD_NO_MEMORY;
    size_t place_count = choose_places(ask, wanted, places);
    if (place_count == 0)
        return OD_OK;
    struct yardstick yardstick = measure(ask, picks, *count);
    size_t drawn_count = draw(ask, taken, &yardstick, place_count, drawn);
    for (size_t i = 0; i < drawn_count; i++) {
        if (od_random_double(&ask->rng) < (double)drawn[i].young.doubt)
            insert(ask, picks, count, wanted, places[i], &drawn[i]);
    }
    return OD_OK;
}
