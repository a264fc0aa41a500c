/* Exploration: a few places of an answer go to young items, so that the next model can learn of
 * them (recipes.md section 7).
 *
 * Which places: the campaign's share e of them, evenly spread from a random start (a place p is
 * taken when floor(u + e (p + 1)) > floor(u + e p), u uniform): never more than e k + 1 of the
 * first k, so a single answer cannot be flooded, while every place has the same chance. At the
 * default e = 0.075 a list of ten has one in three of four answers.
 *
 * Which items: Thompson sampling (Thompson 1933; Chapelle and Li 2011). Of up to OD_EXPLORE_POOL of
 * the young ones, a random stretch of the list, each gets an appeal drawn from what is known of it
 * (young.c) times its relevance, and the best take the places. Relevance compares the model's score
 * with the answer's own: exp of half the distance to its last item in units of its spread, from
 * e^-1.5 to e^0.5; an item the model does not know counts as one a spread below the list. An item
 * takes its place only when its drawn appeal exceeds 1 - doubt: an unknown one always, a known one
 * when it is likely to be chosen more than what is shown on the average. So where all young items
 * are known and none is better, exploring ends by itself.
 *
 * The item gets the probability of the one whose place it takes (its bonus is what it lacked), so
 * lists stay sorted by score. Without young items, or with weight 0, nothing is changed. All chance
 * comes from the recommendation id.
 *
 * Propensities: the chance that the place would have shown what it shows, given the state of the
 * moment, for off-policy estimates later. Explored places move what stands behind them down, so a
 * place p that was not explored shows its item when it is not chosen and as many places before it
 * are as were, n:
 *     P(floor(u + e p) = floor(u + e (p + 1)) = n)
 * and 1 when nothing could have taken a place. (Whether something could is looked at only where a
 * place is chosen; elsewhere it counts as if.) An explored place has the share of the places times
 * the share of OD_PROPENSITY_DRAWS repeated drawings in which its item took one (one added to both
 * counts, so that none is 0), times the chance of the item to be in the pool. */
#include <math.h>

#include "base/bitmap.h"
#include "base/limits.h"
#include "serve/ask.h"

struct drawn {
    struct od_young_item young;
    uint32_t item;
    double appeal; /* as drawn */
    double key;    /* appeal x relevance */
};

/* A young item that may be shown in this answer. */
struct candidate {
    const struct od_young_item *young;
    uint32_t item;
    double relevance;
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
        return exp(-0.5);
    double distance = ((double)ask->scores[item] - yardstick->last) / yardstick->spread;
    return exp((distance < -3 ? -3 : distance > 1 ? 1 : distance) / 2);
}

static bool eligible(const struct od_ask *ask, const uint64_t *taken, uint32_t row, uint32_t item)
{
    if (od_ask_consumed(ask, row))
        return false;
    if (ask->keep && !(row < ask->keep->row_count && od_bitmap_get(ask->keep->rows, row)))
        return false;
    return item == OD_NO_CODE || (!od_bitmap_get(taken, item) && ask->scores[item] > -INFINITY);
}

static size_t find_candidates(struct od_ask *ask, const uint64_t *taken,
                              const struct yardstick *yardstick, struct candidate *out)
{
    const struct od_young *young = ask->young;
    size_t pool = young->count < OD_EXPLORE_POOL ? young->count : OD_EXPLORE_POOL, count = 0;
    size_t at = (size_t)od_random_below(&ask->rng, young->count);
    for (size_t i = 0; i < pool; i++, at = at + 1 == young->count ? 0 : at + 1) {
        const struct od_young_item *one = &young->list[at];
        uint32_t item = od_campaign_item(ask->campaign, one->row);
        if (eligible(ask, taken, one->row, item))
            out[count++] = (struct candidate){one, item, relevance(ask, yardstick, item)};
    }
    return count;
}

/* Gamma(shape, 1), shape >= 1 (Marsaglia and Tsang 2000). */
static double draw_gamma(struct od_random *rng, double shape)
{
    double d = shape - 1.0 / 3, c = 1 / sqrt(9 * d);
    if (shape == 1)
        return od_random_exponential(rng);
    for (;;) {
        double x = od_random_normal(rng), v = 1 + c * x;
        if (v <= 0)
            continue;
        v = v * v * v;
        if (log(1 - od_random_double(rng)) < 0.5 * x * x + d - d * v + d * log(v))
            return d * v;
    }
}

/* Draws the up to most best candidates into out, best first; those whose appeal is too small for
 * what is known of them keep their rank and are left out by the caller. */
static size_t draw(struct od_random *rng, const struct candidate *candidates,
                   size_t candidate_count, size_t most, struct drawn *out)
{
    size_t count = 0;
    for (size_t i = 0; i < candidate_count; i++) {
        const struct candidate *c = &candidates[i];
        struct drawn one = {.young = *c->young, .item = c->item};
        one.appeal = draw_gamma(rng, (double)c->young->shape) / (double)c->young->rate;
        one.key = one.appeal * c->relevance;
        if (count == most && one.key <= out[count - 1].key)
            continue;
        size_t place = count < most ? count++ : count - 1;
        for (; place > 0 && out[place - 1].key < one.key; place--)
            out[place] = out[place - 1];
        out[place] = one;
    }
    return count;
}

static bool is_worth_it(const struct drawn *drawn)
{
    return drawn->appeal > 1 - (double)drawn->young.doubt;
}

/* Of a place that n explored ones stand before, not to be chosen while they are; see the head. */
static double chance_to_stay(double share, size_t place, size_t n)
{
    double low = fmax(0, (double)n - share * (double)place);
    double high = fmin(1, (double)n + 1 - share * (double)(place + 1));
    return fmax(high - low, 0);
}

/* The chance of each explored item to take a place, by drawing again; see the head. */
static void set_propensities(struct od_ask *ask, const struct candidate *candidates,
                             size_t candidate_count, struct drawn *again, size_t place_count,
                             struct od_pick *picks, size_t count)
{
    double share = ask->campaign->explore_share;
    double pooled = fmin(1, OD_EXPLORE_POOL / (double)ask->young->count);
    bool none = place_count && !candidate_count;
    size_t explored = 0;
    for (size_t i = 0; i < count; i++) {
        picks[i].propensity = none ? 1 : chance_to_stay(share, i, explored);
        explored += picks[i].explored;
    }
    if (!explored)
        return;
    for (size_t i = 0; i < count; i++)
        if (picks[i].explored)
            picks[i].propensity = 1;
    for (int k = 0; k < OD_PROPENSITY_DRAWS; k++) {
        size_t drawn = draw(&ask->rng, candidates, candidate_count, place_count, again);
        for (size_t d = 0; d < drawn; d++)
            for (size_t i = 0; i < count && is_worth_it(&again[d]); i++)
                picks[i].propensity += picks[i].explored && picks[i].row == again[d].young.row;
    }
    for (size_t i = 0; i < count; i++)
        if (picks[i].explored)
            picks[i].propensity *=
                pooled * share / (double)(place_count * (OD_PROPENSITY_DRAWS + 1));
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
    struct candidate *candidates = OD_NEW_ARRAY(ask->arena, struct candidate, OD_EXPLORE_POOL);
    if (!places || !drawn || !candidates)
        return OD_NO_MEMORY;
    size_t place_count = choose_places(ask, wanted, places);
    struct yardstick yardstick = measure(ask, picks, *count);
    size_t candidate_count = place_count ? find_candidates(ask, taken, &yardstick, candidates) : 0;
    size_t drawn_count = draw(&ask->rng, candidates, candidate_count, place_count, drawn);
    for (size_t i = 0; i < drawn_count; i++)
        if (is_worth_it(&drawn[i]))
            insert(ask, picks, count, wanted, places[i], &drawn[i]);
    set_propensities(ask, candidates, candidate_count, drawn, place_count, picks, *count);
    return OD_OK;
}
