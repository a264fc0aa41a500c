/* What the lodging world is made of: see docs/lodging.md, which prints the same figures.
 *
 * Shares are percents of our own choosing, shaped after where Koreans travel at home; they are no
 * statistics. No region has more than 14 %, so that a model cannot win by one region alone. */
#include "cli/lodging_world.h"

const struct od_lodging_region od_lodging_regions[OD_REGIONS] = {
    /* name, prefix, kind, share, near, upscale, hanok, population */
    {"Jeju", "jeju", OD_LAND_ISLAND, 14, 13, 30, 2, 2},
    {"Seoul", "seoul", OD_LAND_CITY, 13, 8, 30, 8, 40},
    {"Busan", "busan", OD_LAND_SEA, 10, 5, 25, 0, 14},
    {"Gangneung", "gangneung", OD_LAND_SEA, 8, 4, 10, 3, 2},
    {"Sokcho", "sokcho", OD_LAND_SEA, 7, 3, 10, 0, 1},
    {"Gyeongju", "gyeongju", OD_LAND_CITY, 6, 2, 10, 28, 2},
    {"Yeosu", "yeosu", OD_LAND_SEA, 6, 13, 15, 0, 2},
    {"Gapyeong", "gapyeong", OD_LAND_MOUNTAIN, 7, 10, 15, 0, 1},
    {"Incheon", "incheon", OD_LAND_SEA, 5, 1, 10, 0, 18},
    {"Jeonju", "jeonju", OD_LAND_CITY, 5, 15, 0, 35, 6},
    {"Pocheon", "pocheon", OD_LAND_MOUNTAIN, 4, 7, 5, 0, 2},
    {"Tongyeong", "tongyeong", OD_LAND_SEA, 4, 2, 5, 0, 1},
    {"Pyeongchang", "pyeongchang", OD_LAND_MOUNTAIN, 4, 3, 25, 0, 1},
    {"Namhae", "namhae", OD_LAND_SEA, 3, 6, 15, 0, 1},
    {"Danyang", "danyang", OD_LAND_MOUNTAIN, 2, 12, 0, 0, 4},
    {"Mokpo", "mokpo", OD_LAND_SEA, 2, 6, 0, 0, 3},
};

const struct od_lodging_facility od_lodging_facilities[OD_FACILITIES] = {
    /* name, base, per grade, {sea, island, city, mountain}, liked */
    {"pool", 4, 11, {0, 8, 0, 4}, 20},
    {"spa", 6, 7, {0, 0, 0, 6}, 12},
    {"ondol", 30, -2, {0, 0, 0, 10}, 6},
    {"bbq", 18, -2, {12, 12, -10, 30}, 14},
    {"pet", 12, -1, {0, 2, 0, 8}, 8},
    {"parking", 62, 6, {0, 0, -20, 6}, 3},
    {"ocean-view", 0, 2, {34, 30, -20, -20}, 16},
    {"breakfast", 10, 14, {0, 0, 4, 0}, 10},
    {"kids", 10, 4, {0, 6, 0, 4}, 9},
    {"karaoke", 8, 0, {0, 0, 0, 8}, 3},
    {"kitchen", 34, -4, {8, 8, -8, 8}, 5},
    {"fitness", 0, 9, {0, 0, 6, 0}, 3},
    {"sauna", 4, 6, {0, 0, 2, 2}, 4},
    {"hanok", 0, 0, {0, 0, 0, 0}, 3},
};

const char *const od_lodging_grades[OD_GRADES] = {"budget", "standard", "comfort", "premium",
                                                  "luxury"};
const char *const od_lodging_tiers[OD_TIERS] = {"bronze", "silver", "gold", "vip"};
const int od_lodging_grade_share[OD_GRADES] = {20, 36, 25, 13, 6};
const int od_lodging_tier_share[OD_TIERS] = {55, 28, 13, 4};
const int od_lodging_tier_grade[OD_TIERS][OD_GRADES] = {
    {30, 38, 20, 9, 3},
    {15, 32, 30, 16, 7},
    {6, 18, 32, 29, 15},
    {3, 8, 20, 34, 35},
};
const double od_lodging_season[OD_LAND_KINDS][OD_SEASONS] = {
    [OD_LAND_SEA] = {0.90, 1.50, 0.95, 0.75},
    [OD_LAND_ISLAND] = {1.15, 1.20, 1.10, 0.80},
    [OD_LAND_CITY] = {1.10, 0.80, 1.20, 1.10},
    [OD_LAND_MOUNTAIN] = {0.95, 1.10, 1.20, 1.20},
};

int od_lodging_draw(struct od_random *rng, const int *weights, int count, int total)
{
    int left = (int)od_random_below(rng, (uint64_t)total);
    for (int i = 0; i < count - 1; i++) {
        left -= weights[i];
        if (left < 0)
            return i;
    }
    return count - 1;
}
