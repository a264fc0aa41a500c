/* Classes and lower case of characters, by ranges of the Unicode blocks.
 *
 * Not the whole character database: which characters are letters, and the case pairs of the scripts
 * that have case and are in common use. A letter missing here only splits a word. */
#include <stddef.h>

#include "recipes/text.h"

struct range {
    uint32_t first, last;
    enum od_char_class class;
};

/* Ascending, disjoint. */
static const struct range ranges[] = {
    {'0', '9', OD_CHAR_DIGIT},
    {'A', 'Z', OD_CHAR_LETTER},
    {'a', 'z', OD_CHAR_LETTER},
    {0xAA, 0xAA, OD_CHAR_LETTER},
    {0xB5, 0xB5, OD_CHAR_LETTER},
    {0xBA, 0xBA, OD_CHAR_LETTER},
    {0xC0, 0xD6, OD_CHAR_LETTER},
    {0xD8, 0xF6, OD_CHAR_LETTER},
    {0xF8, 0x2AF, OD_CHAR_LETTER}, /* Latin-1, Extended-A and -B, IPA */
    {0x300, 0x36F, OD_CHAR_MARK},
    {0x370, 0x373, OD_CHAR_LETTER},
    {0x376, 0x377, OD_CHAR_LETTER},
    {0x37B, 0x37D, OD_CHAR_LETTER},
    {0x37F, 0x37F, OD_CHAR_LETTER},
    {0x386, 0x386, OD_CHAR_LETTER},
    {0x388, 0x3FF, OD_CHAR_LETTER}, /* Greek */
    {0x400, 0x481, OD_CHAR_LETTER}, /* Cyrillic */
    {0x483, 0x489, OD_CHAR_MARK},
    {0x48A, 0x52F, OD_CHAR_LETTER},
    {0x531, 0x556, OD_CHAR_LETTER}, /* Armenian */
    {0x561, 0x587, OD_CHAR_LETTER},
    {0x591, 0x5BD, OD_CHAR_MARK},
    {0x5D0, 0x5EA, OD_CHAR_LETTER}, /* Hebrew */
    {0x620, 0x63F, OD_CHAR_LETTER}, /* Arabic */
    {0x641, 0x64A, OD_CHAR_LETTER},
    {0x64B, 0x65F, OD_CHAR_MARK},
    {0x660, 0x669, OD_CHAR_DIGIT},
    {0x66E, 0x6D3, OD_CHAR_LETTER},
    {0x6F0, 0x6F9, OD_CHAR_DIGIT},
    {0x904, 0x963, OD_CHAR_LETTER}, /* Devanagari, with its vowel signs */
    {0x966, 0x96F, OD_CHAR_DIGIT},
    {0x971, 0xDF3, OD_CHAR_LETTER}, /* the scripts of India and Sri Lanka */
    {0xE01, 0xE4E, OD_CHAR_DENSE},  /* Thai */
    {0xE50, 0xE59, OD_CHAR_DIGIT},
    {0xE81, 0xEDF, OD_CHAR_DENSE},    /* Lao */
    {0x1000, 0x109F, OD_CHAR_DENSE},  /* Burmese */
    {0x10A0, 0x10FF, OD_CHAR_LETTER}, /* Georgian */
    {0x1100, 0x11FF, OD_CHAR_DENSE},  /* Hangul Jamo */
    {0x1200, 0x135A, OD_CHAR_LETTER}, /* Ethiopic */
    {0x1780, 0x17D3, OD_CHAR_DENSE},  /* Khmer */
    {0x1E00, 0x1FBC, OD_CHAR_LETTER}, /* Latin Extended Additional, Greek Extended */
    {0x1FC2, 0x1FCC, OD_CHAR_LETTER},
    {0x1FD0, 0x1FDB, OD_CHAR_LETTER},
    {0x1FE0, 0x1FEC, OD_CHAR_LETTER},
    {0x1FF2, 0x1FFC, OD_CHAR_LETTER},
    {0x20D0, 0x20F0, OD_CHAR_MARK},
    {0x3005, 0x3007, OD_CHAR_DENSE},
    {0x3041, 0x3096, OD_CHAR_DENSE}, /* hiragana */
    {0x3099, 0x309A, OD_CHAR_MARK},
    {0x309D, 0x309F, OD_CHAR_DENSE},
    {0x30A1, 0x30FA, OD_CHAR_DENSE}, /* katakana */
    {0x30FC, 0x30FF, OD_CHAR_DENSE},
    {0x3105, 0x312F, OD_CHAR_DENSE}, /* bopomofo */
    {0x3131, 0x318E, OD_CHAR_DENSE}, /* Hangul letters */
    {0x3400, 0x4DBF, OD_CHAR_DENSE}, /* Han */
    {0x4E00, 0x9FFF, OD_CHAR_DENSE},
    {0xAC00, 0xD7A3, OD_CHAR_DENSE}, /* Hangul syllables */
    {0xF900, 0xFAFF, OD_CHAR_DENSE},
    {0xFE00, 0xFE0F, OD_CHAR_MARK},
    {0xFF10, 0xFF19, OD_CHAR_DIGIT}, /* full width */
    {0xFF21, 0xFF3A, OD_CHAR_LETTER},
    {0xFF41, 0xFF5A, OD_CHAR_LETTER},
    {0xFF66, 0xFFDC, OD_CHAR_DENSE}, /* half-width katakana and Hangul */
    {0x20000, 0x323AF, OD_CHAR_DENSE},
};

enum od_char_class od_char_class(uint32_t c)
{
    size_t low = 0, high = sizeof ranges / sizeof *ranges;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (c > ranges[middle].last)
            low = middle + 1;
        else if (c < ranges[middle].first)
            high = middle;
        else
            return ranges[middle].class;
    }
    return OD_CHAR_OTHER;
}

/* --- lower case --- */

/* Blocks where a capital stands right before its small letter: on even places, or on odd ones. */
static bool pairs_even(uint32_t c)
{
    return (c >= 0x100 && c <= 0x12F) || (c >= 0x132 && c <= 0x137) || (c >= 0x14A && c <= 0x177) ||
           (c >= 0x1DE && c <= 0x1EF) || (c >= 0x1F8 && c <= 0x21F) || (c >= 0x222 && c <= 0x233) ||
           (c >= 0x3D8 && c <= 0x3EF) || (c >= 0x460 && c <= 0x481) || (c >= 0x48A && c <= 0x4BF) ||
           (c >= 0x4D0 && c <= 0x52F) || (c >= 0x1E00 && c <= 0x1E95) ||
           (c >= 0x1EA0 && c <= 0x1EFF);
}

static bool pairs_odd(uint32_t c)
{
    return (c >= 0x139 && c <= 0x148) || (c >= 0x179 && c <= 0x17E) || (c >= 0x1CD && c <= 0x1DC) ||
           (c >= 0x4C1 && c <= 0x4CE);
}

static uint32_t lower_greek(uint32_t c)
{
    if (c >= 0x391 && c <= 0x3AB && c != 0x3A2)
        return c + 0x20;
    if (c == 0x386)
        return 0x3AC;
    if (c >= 0x388 && c <= 0x38A)
        return c + 0x25;
    if (c == 0x38C)
        return 0x3CC;
    if (c == 0x38E || c == 0x38F)
        return c + 0x3F;
    return c == 0x3C2 ? 0x3C3 : c; /* final sigma: the same letter */
}

uint32_t od_char_lower(uint32_t c)
{
    if (c < 0x80)
        return c >= 'A' && c <= 'Z' ? c + 0x20 : c;
    if (c >= 0xC0 && c <= 0xDE)
        return c == 0xD7 ? c : c + 0x20;
    if (c == 0x130)
        return 'i';
    if (c == 0x178)
        return 0xFF;
    if (pairs_even(c))
        return c | 1;
    if (pairs_odd(c))
        return c + (c & 1);
    if (c >= 0x386 && c <= 0x3CE)
        return lower_greek(c);
    if (c >= 0x400 && c <= 0x42F)
        return c + (c < 0x410 ? 0x50 : 0x20);
    if (c >= 0x531 && c <= 0x556)
        return c + 0x30;
    if (c >= 0xFF10 && c <= 0xFF5A) { /* full width to ASCII */
        uint32_t narrow = c - 0xFEE0;
        return narrow >= 'A' && narrow <= 'Z' ? narrow + 0x20 : narrow;
    }
    return c;
}

/* --- UTF-8 --- */

static bool is_tail(struct od_str text, size_t at, unsigned count)
{
    for (unsigned i = 1; i <= count; i++)
        if (at + i >= text.len || ((unsigned char)text.ptr[at + i] & 0xC0) != 0x80)
            return false;
    return true;
}

/* RFC 3629: no overlong form, no surrogate, at most U+10FFFF. */
uint32_t od_char_decode(struct od_str text, size_t at, unsigned *out_bytes)
{
    const unsigned char *p = (const unsigned char *)text.ptr + at;
    unsigned tail = *p < 0x80 ? 0 : *p < 0xE0 ? 1 : *p < 0xF0 ? 2 : 3;
    *out_bytes = 1;
    if (tail == 0)
        return *p;
    if (*p < 0xC2 || *p > 0xF4 || !is_tail(text, at, tail))
        return OD_CHAR_BROKEN;
    static const uint32_t lead_bits[] = {0, 0x1F, 0x0F, 0x07}, least[] = {0, 0x80, 0x800, 0x10000};
    uint32_t c = *p & lead_bits[tail];
    for (unsigned i = 1; i <= tail; i++)
        c = c << 6 | (p[i] & 0x3Fu);
    if (c < least[tail] || c > 0x10FFFF || (c >= 0xD800 && c <= 0xDFFF))
        return OD_CHAR_BROKEN;
    *out_bytes = tail + 1;
    return c;
}
