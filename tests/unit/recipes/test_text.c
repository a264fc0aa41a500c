/* Tokens of text in several scripts, and of text that is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recipes/text.h"

static void collect(void *context, struct od_str token, bool gram)
{
    struct od_buf *out = context;
    if (out->len)
        od_buf_char(out, ' ');
    if (gram)
        od_buf_char(out, '*');
    od_buf_str(out, token);
}

static void check(const char *text, bool grams, const char *expected)
{
    struct od_buf out;
    od_buf_init(&out, 1u << 20);
    od_buf_puts(&out, "");
    od_text_tokens(od_str_c(text), grams, collect, &out);
    struct od_str got = od_buf_view(&out);
    char copy[4096];
    snprintf(copy, sizeof copy, "%.*s", OD_STR_ARG(got));
    assert_string_equal(copy, expected);
    od_buf_done(&out);
}

static void words_are_lower_cased_and_lone_letters_dropped(void **state)
{
    (void)state;
    check("Toy Story, Part 2 (1995): Andy's MP3", false, "toy story part 2 1995 andy mp3");
    check("ÉCOLE Straße ŁÓDŹ ŽIŽEK ŸVES İzmir", false, "école straße łódź žižek ÿves izmir");
    check("МОСКВА Ёлка ЇЖАК", false, "москва ёлка їжак");
    check("ΑΘΗΝΑΣ Ώρα", false, "αθηνασ ώρα");
    check("ＡＢＣ１２", false, "abc12");
    check("", false, "");
    check("- ... !", true, "");
}

static void scripts_without_spaces_give_ngrams(void **state)
{
    (void)state;
    check("제주 호텔에", false, "제주 호텔에 *호텔 *텔에");
    check("東京", false, "東京");
    check("東京タワー", false,
          "東京タワー *東京 *京タ *タワ *ワー *東京タ *京タワ *タワー *東京タワ *京タワー");
    check("K팝 2호선", false, "팝 2 호선");
}

static void ngrams_of_words_are_asked_for(void **state)
{
    (void)state;
    check("cat", true, "cat *_ca *cat *at_ *_cat *cat_");
    check("to", true, "to");
    check("żółw", true, "żółw *_żó *żół *ółw *łw_ *_żół *żółw *ółw_ *_żółw *żółw_");
}

static void markup_and_broken_bytes_separate(void **state)
{
    (void)state;
    check("<b>warm</b>&nbsp;bed<br/>room", false, "warm bed room");
    check("a1 < b2 & c3; d4 &amp", false, "a1 b2 c3 d4 amp");
    check("ab\xFF\xFE"
          "cd \xC0\x80 ef\xE2\x82",
          false, "ab cd ef");
    check("x1\xED\xA0\x80y2 \xF4\x90\x80\x80z3", false, "x1 y2 z3");
}

struct tally {
    size_t tokens, longest;
};

static void tally(void *context, struct od_str token, bool gram)
{
    struct tally *t = context;
    (void)gram;
    t->tokens++;
    if (token.len > t->longest)
        t->longest = token.len;
}

static void a_megabyte_of_one_letter_is_cut(void **state)
{
    (void)state;
    size_t size = 1u << 20;
    char *text = malloc(size);
    memset(text, 'a', size);
    struct tally t = {0};
    od_text_tokens((struct od_str){text, size}, false, tally, &t);
    assert_int_equal(t.tokens, OD_TEXT_BYTES / 64);
    assert_int_equal(t.longest, 64);
    for (size_t i = 0; i + 4 <= size; i += 4)
        memcpy(text + i, "\xF0\xA0\x80\x80", 4); /* Han beyond the first plane: 4 bytes each */
    t = (struct tally){0};
    od_text_tokens((struct od_str){text, size}, true, tally, &t);
    assert_int_equal(t.longest, 16);
    free(text);
}

static void decoding_never_reads_past_the_end(void **state)
{
    (void)state;
    const unsigned char leads[] = {0xC3, 0xE2, 0xF0, 0x80, 0xFF};
    for (size_t i = 0; i < sizeof leads; i++) {
        char *one = malloc(1); /* its own block, so that a sanitizer sees the byte after */
        one[0] = (char)leads[i];
        unsigned bytes;
        assert_int_equal(od_char_decode((struct od_str){one, 1}, 0, &bytes), OD_CHAR_BROKEN);
        assert_int_equal(bytes, 1);
        free(one);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_are_lower_cased_and_lone_letters_dropped),
        cmocka_unit_test(scripts_without_spaces_give_ngrams),
        cmocka_unit_test(ngrams_of_words_are_asked_for),
        cmocka_unit_test(markup_and_broken_bytes_separate),
        cmocka_unit_test(a_megabyte_of_one_letter_is_cut),
        cmocka_unit_test(decoding_never_reads_past_the_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
