/* When people browse: weekdays, Korean public holidays and hours of the day.
 *
 * Every hour of the window has a weight, that of its day times that of its hour in Korea; a moment
 * is drawn by inverting the running sum, so any part of the window gives its own share of weekends
 * and evenings.
 *
 * Holidays follow the Korean regulation on public holidays as it stands since 2023: New Year, 1
 * March, Children's Day, Memorial Day, 15 August, 3 and 9 October, Christmas, Buddha's Birthday,
 * and the three days each of Seollal and Chuseok. A holiday that falls on a weekend moves to the
 * next free weekday, except New Year and Memorial Day; Seollal and Chuseok move for a Sunday alone.
 * Lunar dates come from a table. */
#include "cli/lodging_world.h"

#include "base/time.h"

#define DAY_S 86400

struct lunar {
    uint16_t seollal, buddha, chuseok; /* month * 100 + day */
};

static const struct lunar lunar_table[] = {
    {125, 430, 1001}, {212, 519, 921},  {201, 508, 910}, {122, 527, 929},
    {210, 515, 917},  {129, 505, 1006}, {217, 524, 925}, {207, 513, 915},
    {127, 502, 1003}, {213, 520, 922},  {203, 509, 912},
};
#define LUNAR_FIRST 2020
#define LUNAR_COUNT (int64_t)(sizeof lunar_table / sizeof *lunar_table)

/* Holidays with a date of the solar calendar; moved ones have substitutes. */
static const struct {
    uint16_t date;
    bool moves;
} solar_table[] = {
    {101, false}, {301, true},  {505, true},  {606, false},
    {815, true},  {1003, true}, {1009, true}, {1225, true},
};
#define SOLAR_COUNT (sizeof solar_table / sizeof *solar_table)

/* One holiday of a year: its days, and whether it moves for a Saturday, a Sunday or neither. */
struct feast {
    int64_t first;
    int days;
    bool for_saturday, for_sunday;
};
#define MOST_FEASTS (SOLAR_COUNT + 3)

static int64_t day_of(int64_t year, unsigned date)
{
    struct od_civil civil = {.year = year, .month = (int)(date / 100), .day = (int)(date % 100)};
    return od_time_unix(&civil) / DAY_S;
}

/* 0 = Sunday; day 0 was a Thursday. Days before 1970 do not occur. */
static int weekday(int64_t day)
{
    return (int)((day + 4) % 7);
}

static size_t feasts_of(int64_t year, struct feast out[MOST_FEASTS])
{
    size_t count = 0;
    for (size_t i = 0; i < SOLAR_COUNT; i++)
        out[count++] = (struct feast){day_of(year, solar_table[i].date), 1, solar_table[i].moves,
                                      solar_table[i].moves};
    if (year >= LUNAR_FIRST && year < LUNAR_FIRST + LUNAR_COUNT) {
        const struct lunar *lunar = &lunar_table[year - LUNAR_FIRST];
        out[count++] = (struct feast){day_of(year, lunar->seollal) - 1, 3, false, true};
        out[count++] = (struct feast){day_of(year, lunar->buddha), 1, true, true};
        out[count++] = (struct feast){day_of(year, lunar->chuseok) - 1, 3, false, true};
    }
    return count;
}

static bool in_feast(const struct feast *feasts, size_t count, size_t but, int64_t day)
{
    for (size_t i = 0; i < count; i++)
        if (i != but && day >= feasts[i].first && day < feasts[i].first + feasts[i].days)
            return true;
    return false;
}

/* Whether a day of the feast is lost to a weekend, or to another feast when this one moves. */
static bool is_lost(const struct feast *feasts, size_t which)
{
    const struct feast *feast = &feasts[which];
    if (!feast->for_sunday)
        return false;
    for (int64_t day = feast->first; day < feast->first + feast->days; day++) {
        if (weekday(day) == 0 || (weekday(day) == 6 && feast->for_saturday))
            return true;
        /* of two feasts on one day, the later in the list is the one that moves */
        if (in_feast(feasts, which, which, day))
            return true;
    }
    return false;
}

bool od_lodging_holiday(int64_t day)
{
    struct feast feasts[MOST_FEASTS];
    struct od_civil civil;
    int64_t taken[MOST_FEASTS];
    size_t taken_count = 0;
    od_time_civil(day * DAY_S, &civil);
    size_t count = feasts_of(civil.year, feasts);
    if (in_feast(feasts, count, SIZE_MAX, day))
        return true;
    for (size_t i = 0; i < count; i++) {
        if (!is_lost(feasts, i))
            continue;
        int64_t moved = feasts[i].first + feasts[i].days;
        bool busy = true;
        while (busy) {
            busy = weekday(moved) == 0 || weekday(moved) == 6 ||
                   in_feast(feasts, count, SIZE_MAX, moved);
            for (size_t k = 0; k < taken_count; k++)
                busy = busy || taken[k] == moved;
            moved += busy;
        }
        if (moved == day)
            return true;
        taken[taken_count++] = moved;
    }
    return false;
}

double od_lodging_day_weight(int64_t day)
{
    static const double by_weekday[7] = {1.35, 0.80, 0.75, 0.80, 0.92, 1.20, 1.45};
    double weight = by_weekday[weekday(day)];
    if (od_lodging_holiday(day) && weight < 1.60)
        weight = 1.60;
    else if (od_lodging_holiday(day + 1) && weight < 1.25)
        weight = 1.25;
    return weight;
}

static double hour_weight(int hour)
{
    static const double by_hour[24] = {0.45, 0.28, 0.16, 0.10, 0.08, 0.10, 0.20, 0.38,
                                       0.55, 0.70, 0.80, 0.88, 1.00, 0.95, 0.85, 0.82,
                                       0.85, 0.90, 1.00, 1.25, 1.55, 1.75, 1.60, 0.95};
    return by_hour[hour];
}

enum od_status od_lodging_calendar_init(struct od_lodging_calendar *calendar, int64_t start_s,
                                        int64_t days, struct od_arena *arena)
{
    size_t hours = (size_t)days * 24;
    double *before = OD_NEW_ARRAY(arena, double, hours + 1);
    uint8_t *season = OD_NEW_ARRAY(arena, uint8_t, (size_t)days + 1);
    if (!before || !season)
        return OD_NO_MEMORY;
    int64_t known_day = -1;
    double weight = 0;
    for (size_t i = 0; i < hours; i++) {
        int64_t local = start_s + (int64_t)i * 3600 + OD_KST_S;
        if (local / DAY_S != known_day) {
            known_day = local / DAY_S;
            weight = od_lodging_day_weight(known_day);
        }
        before[i + 1] = before[i] + weight * hour_weight((int)(local % DAY_S / 3600));
    }
    for (int64_t d = 0; d <= days; d++) {
        struct od_civil civil;
        od_time_civil(start_s + d * DAY_S + OD_KST_S, &civil);
        season[d] = (uint8_t)((civil.month + 9) % 12 / 3); /* March opens spring */
    }
    *calendar = (struct od_lodging_calendar){(uint32_t)hours, before, season};
    return OD_OK;
}

static double weight_before(const struct od_lodging_calendar *calendar, uint32_t moment)
{
    uint32_t hour = moment / 3600;
    if (hour >= calendar->hours)
        return calendar->before[calendar->hours];
    double part = (double)(moment % 3600) / 3600;
    return calendar->before[hour] + part * (calendar->before[hour + 1] - calendar->before[hour]);
}

uint32_t od_lodging_moment(const struct od_lodging_calendar *calendar, struct od_random *rng,
                           uint32_t from, uint32_t to)
{
    if (to <= from + 1)
        return from;
    double low = weight_before(calendar, from);
    double at = low + od_random_double(rng) * (weight_before(calendar, to) - low);
    uint32_t first = from / 3600, last = (to - 1) / 3600;
    while (first < last) {
        uint32_t middle = first + (last - first + 1) / 2;
        if (calendar->before[middle] <= at)
            first = middle;
        else
            last = middle - 1;
    }
    double width = calendar->before[first + 1] - calendar->before[first];
    double moment = first * 3600.0 + (at - calendar->before[first]) / width * 3600.0;
    if (moment < from)
        return from;
    return moment < to ? (uint32_t)moment : to - 1;
}
