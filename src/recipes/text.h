/* Text to tokens: words and character n-grams of any script, lower-cased.
 *
 * A word is a run of letters and digits. Scripts written without spaces between words, or whose
 * words grow endings (Hangul, Han, kana, Thai, Lao, Khmer, Burmese), also give the 2- to 4-grams of
 * each run, which is how their words are found without a dictionary; the others give 3- to 5-grams
 * of a word with its ends marked by _ when asked (Bojanowski et al. 2017, section 3.2). Markup
 * (<b>, &amp;) and ill-formed UTF-8 separate words. */
#ifndef OD_RECIPES_TEXT_H
#define OD_RECIPES_TEXT_H

#include "base/str.h"

enum od_char_class {
    OD_CHAR_OTHER,  /* separates words */
    OD_CHAR_LETTER, /* of a script whose words are set apart */
    OD_CHAR_DIGIT,
    OD_CHAR_DENSE, /* of a script without spaces, or Hangul */
    OD_CHAR_MARK   /* combining: belongs to the letter before it and is dropped */
};
enum od_char_class od_char_class(uint32_t code_point);
/* Lower case of ASCII, Latin, Greek, Cyrillic, Armenian and full-width letters (the last become
 * ASCII); others as they are. */
uint32_t od_char_lower(uint32_t code_point);
/* The code point at text.ptr[at] and its bytes; OD_CHAR_BROKEN and 1 byte where the text is not
 * well-formed UTF-8. at < text.len. */
#define OD_CHAR_BROKEN UINT32_MAX
uint32_t od_char_decode(struct od_str text, size_t at, unsigned *out_bytes);

/* Called for each token in order of the text; token is valid during the call. */
typedef void od_text_take(void *context, struct od_str token, bool gram);
/* grams: also n-grams of scripts with spaces. Looks at the first OD_TEXT_BYTES of text. */
#define OD_TEXT_BYTES (80u * 1024) /* 20,000 characters (data.md) of up to four bytes */
void od_text_tokens(struct od_str text, bool grams, od_text_take *take, void *context);

#endif
