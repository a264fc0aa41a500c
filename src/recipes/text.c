/* Tokens of a text. See text.h for what they are.
 *
 * A word is gathered in a buffer of its lower-cased bytes with the place of each character, from
 * which n-grams are slices. Words longer than the buffer are cut into several: no language has
 * them, and hostile text then costs no more than other text. Pure functions of their input. */
#include "recipes/text.h"

#include <string.h>

#define WORD_CHARS  64  /* characters of a word; longer runs are cut */
#define DENSE_WORD  8   /* a longer run of a script without spaces is a sentence, not a word */
#define TAG_BYTES   256 /* a '<' without its '>' within so much is no tag */
#define ENTITY_MOST 10

struct word {
    char bytes[4 * (WORD_CHARS + 2)];
    uint16_t at[WORD_CHARS + 3]; /* of each character, and the end */
    unsigned count;
    enum od_char_class class; /* OD_CHAR_DENSE or not */
    bool digit;               /* holds one */
};

struct reader {
    bool grams;
    od_text_take *take;
    void *context;
    struct word word;
};

static unsigned encode(uint32_t c, char *to)
{
    if (c < 0x80) {
        to[0] = (char)c;
        return 1;
    }
    unsigned tail = c < 0x800 ? 1 : c < 0x10000 ? 2 : 3;
    static const unsigned lead[] = {0, 0xC0, 0xE0, 0xF0};
    to[0] = (char)(lead[tail] | c >> (6 * tail));
    for (unsigned i = 1; i <= tail; i++)
        to[i] = (char)(0x80 | (c >> (6 * (tail - i)) & 0x3F));
    return tail + 1;
}

static void append(struct word *word, uint32_t c)
{
    uint16_t at = word->at[word->count];
    word->at[++word->count] = (uint16_t)(at + encode(c, word->bytes + at));
}

static void give_grams(const struct reader *r, unsigned least, unsigned most)
{
    const struct word *w = &r->word;
    for (unsigned n = least; n <= most; n++)
        for (unsigned i = 0; i + n <= w->count; i++)
            r->take(r->context,
                    (struct od_str){w->bytes + w->at[i], (size_t)(w->at[i + n] - w->at[i])}, true);
}

/* The same word between marks of its ends. */
static void give_marked_grams(struct reader *r)
{
    struct word *w = &r->word;
    append(w, '_');
    memmove(w->bytes + 1, w->bytes, w->at[w->count]);
    w->bytes[0] = '_';
    for (unsigned i = ++w->count; i > 0; i--)
        w->at[i] = (uint16_t)(w->at[i - 1] + 1);
    give_grams(r, 3, w->count - 1 < 5 ? w->count - 1 : 5); /* all of it would be the word again */
}

static void end_word(struct reader *r)
{
    struct word *w = &r->word;
    struct od_str all = {w->bytes, w->at[w->count]};
    bool dense = w->class == OD_CHAR_DENSE;
    if (dense && w->count) {
        unsigned most = w->count > DENSE_WORD ? 4 : w->count - 1;
        if (w->count <= DENSE_WORD)
            r->take(r->context, all, false);
        give_grams(r, 2, most < 4 ? most : 4);
    } else if (w->count > 1 || (w->count && w->digit)) { /* a lone letter says nothing */
        r->take(r->context, all, false);
        if (r->grams && w->count > 2)
            give_marked_grams(r);
    }
    w->count = 0;
    w->digit = false;
}

/* Bytes of markup at text[at], which is '<' or '&'; 0 when it is none. */
static size_t markup(struct od_str text, size_t at)
{
    bool tag = text.ptr[at] == '<';
    size_t most = tag ? TAG_BYTES : ENTITY_MOST, i = at + 1;
    if (i >= text.len)
        return 0;
    unsigned char first = (unsigned char)text.ptr[i];
    bool name = od_char_class(first) == OD_CHAR_LETTER;
    if (!(name || (tag && (first == '/' || first == '!')) || (!tag && first == '#')))
        return 0;
    for (; i < text.len && i - at < most; i++) {
        if (text.ptr[i] == (tag ? '>' : ';'))
            return i + 1 - at;
        if (!tag && (unsigned char)text.ptr[i] <= ' ')
            return 0;
    }
    return 0;
}

void od_text_tokens(struct od_str text, bool grams, od_text_take *take, void *context)
{
    struct reader r = {.grams = grams, .take = take, .context = context};
    struct word *w = &r.word;
    w->at[0] = 0;
    if (text.len > OD_TEXT_BYTES)
        text.len = OD_TEXT_BYTES;
    for (size_t at = 0; at < text.len;) {
        size_t skip = text.ptr[at] == '<' || text.ptr[at] == '&' ? markup(text, at) : 0;
        unsigned bytes;
        uint32_t c = od_char_decode(text, at, &bytes);
        at += skip ? skip : bytes;
        enum od_char_class class = skip || c == OD_CHAR_BROKEN ? OD_CHAR_OTHER : od_char_class(c);
        if (class == OD_CHAR_MARK)
            continue;
        bool digit = class == OD_CHAR_DIGIT;
        if (digit)
            class = OD_CHAR_LETTER; /* "mp3" is one word */
        if (class == OD_CHAR_OTHER || class != w->class || w->count == WORD_CHARS)
            end_word(&r);
        w->class = class;
        if (class == OD_CHAR_OTHER)
            continue;
        append(w, od_char_lower(c));
        w->digit |= digit;
    }
    end_word(&r);
}
