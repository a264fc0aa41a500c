/* Scans: a column in, a bitmap out, 64 rows a word. The only code of the filter room whose time
 * grows with the catalogue.
 *
 * A comparison is one range check without a branch, so that the compiler may use vector registers:
 * 64 results go to bytes first, then eight bytes at a time to eight bits by one multiplication
 * (each byte is 0 or 1; the constant moves byte i to bit 56 + i and lets no carry meet another). */
#include "filter/compiled.h"

#include <string.h>

static uint64_t pack(const uint8_t *flags)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < 8; i++) {
        uint64_t eight;
        memcpy(&eight, flags + i * 8, sizeof eight);
        word |= eight * 0x0102040810204080ULL >> 56 << (i * 8);
    }
    return word;
}

/* Defines NAME, which sets the bit of each row for which TEST holds of the row's index i. */
#define SCAN_BODY(TEST)                                                                            \
    uint8_t flags[64];                                                                             \
    for (size_t from = 0; from < count; from += 64) {                                              \
        size_t some = count - from < 64 ? count - from : 64;                                       \
        if (some < 64)                                                                             \
            memset(flags, 0, sizeof flags);                                                        \
        for (size_t k = 0; k < some; k++) {                                                        \
            size_t i = from + k;                                                                   \
            flags[k] = (TEST);                                                                     \
        }                                                                                          \
        out[from / 64] = pack(flags);                                                              \
    }

void od_scan_integers(const int64_t *values, size_t count, int64_t low, int64_t high, uint64_t *out)
{
    /* low <= v <= high by one unsigned comparison */
    uint64_t base = (uint64_t)low, span = (uint64_t)high - base;
    SCAN_BODY((uint64_t)values[i] - base <= span)
}

static void scan_doubles(const double *values, size_t count, double low, double high, uint64_t *out)
{
    SCAN_BODY((values[i] >= low) & (values[i] <= high))
}

static void scan_floats(const double *values, size_t count, float low, float high, uint64_t *out)
{
    SCAN_BODY(((float)values[i] >= low) & ((float)values[i] <= high))
}

void od_scan_reals(const double *values, size_t count, bool as_float, double low, double high,
                   uint64_t *out)
{
    if (as_float)
        scan_floats(values, count, (float)low, (float)high, out);
    else
        scan_doubles(values, count, low, high, out);
}

static bool has_integer(const int64_t *members, size_t count, int64_t value)
{
    size_t from = 0;
    for (size_t len = count; len > 1; len -= len / 2)
        from += members[from + len / 2] <= value ? len / 2 : 0;
    return members[from] == value;
}

static bool has_real(const double *members, size_t count, double value)
{
    size_t from = 0;
    for (size_t len = count; len > 1; len -= len / 2)
        from += members[from + len / 2] <= value ? len / 2 : 0;
    return members[from] == value;
}

void od_scan_integer_set(const int64_t *values, size_t count, const int64_t *members,
                         size_t member_count, uint64_t *out)
{
    SCAN_BODY(has_integer(members, member_count, values[i]))
}

void od_scan_real_set(const double *values, size_t count, bool as_float, const double *members,
                      size_t member_count, uint64_t *out)
{
    SCAN_BODY(has_real(members, member_count, as_float ? (double)(float)values[i] : values[i]))
}

/* Lists are short and hits hard to foresee: looking at every code costs less than leaving early. */
static bool any_in_set(const uint32_t *codes, uint32_t count, const uint64_t *set)
{
    uint64_t hit = 0;
    for (uint32_t i = 0; i < count; i++)
        hit |= set[codes[i] / 64] >> (codes[i] % 64);
    return hit & 1;
}

void od_scan_lists(const struct od_table_column *column, size_t count, const uint64_t *set,
                   uint64_t *out)
{
    const uint32_t *at = column->list_at, *len = column->list_len;
    SCAN_BODY(len[i] && any_in_set(column->codes + at[i], len[i], set))
}

void od_scan_code(const struct od_table_column *column, size_t count, uint32_t code, uint64_t *out)
{
    const uint32_t *at = column->list_at, *len = column->list_len, *codes = column->codes;
    SCAN_BODY(len[i] && codes[at[i]] == code)
}
