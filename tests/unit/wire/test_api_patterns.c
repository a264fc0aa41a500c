/* The hand-written matchers against what Python's re said of the same patterns (whole value, \d as
 * ASCII, dots without line terminators), precomputed; and tag characters against unicodedata. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "wire/api_internal.h"

/* Bit i of a row: the i-th matcher accepts. */
static bool (*const matchers[])(struct od_str) = {
    od_match_arn,         od_match_role_arn,     od_match_kms_key_arn, od_match_name,
    od_match_column_name, od_match_dataset_type, od_match_word,        od_match_ascii_1500,
    od_match_location,    od_match_rate,         od_match_printable,
};
#define MATCHER_COUNT (sizeof matchers / sizeof matchers[0])

static const struct {
    struct od_str text;
    unsigned accepted;
} rows[] = {
    {OD_STR(""), 0x080},
    {OD_STR("a"), 0x4F8},
    {OD_STR("A"), 0x4F8},
    {OD_STR("_"), 0x4F0},
    {OD_STR("-"), 0x480},
    {OD_STR("0"), 0x4C8},
    {OD_STR("a b"), 0x480},
    {OD_STR("a-b"), 0x488},
    {OD_STR("a_b"), 0x4F8},
    {OD_STR("-a"), 0x480},
    {OD_STR("_a"), 0x4F0},
    {OD_STR("9a"), 0x4C8},
    {OD_STR("a9"), 0x4D8},
    {OD_STR("\303\244"), 0x000},
    {OD_STR("a\012"), 0x080},
    {OD_STR("\012"), 0x080},
    {OD_STR(" "), 0x080},
    {OD_STR("  "), 0x080},
    {OD_STR(" a "), 0x480},
    {OD_STR("a\177"), 0x080},
    {OD_STR("~"), 0x480},
    {OD_STR("\011"), 0x080},
    {OD_STR("abc\000"), 0x080},
    {OD_STR("Interactions"), 0x4F8},
    {OD_STR("ACTION_INTERACTIONS"), 0x4F8},
    {OD_STR("ITEMS2"), 0x4D8},
    {OD_STR("arn:aws:personalize:us-east-1:111122223333:campaign/c"), 0x481},
    {OD_STR("arn:aws:personalize:::recipe/r"), 0x481},
    {OD_STR("arn:aws:personalize:::"), 0x480},
    {OD_STR("arn:aws:personalize::"), 0x480},
    {OD_STR("arn:aws:personalize:a:b"), 0x480},
    {OD_STR("arn:aws:personalize::::"), 0x481},
    {OD_STR("arn::personalize:a:b:c"), 0x480},
    {OD_STR("arn:AWS:personalize:a:b:c"), 0x480},
    {OD_STR("arn:aws-us-gov:personalize:a:b:c"), 0x481},
    {OD_STR("arn:aws:personalise:a:b:c"), 0x480},
    {OD_STR("arn:aws:personalize:a:b:c\012"), 0x080},
    {OD_STR("arn:aws:personalize:a:b:\342\200\250"), 0x000},
    {OD_STR("arn:aws:personalize:a:b:c\302\205d"), 0x000},
    {OD_STR("arn:aws:personalize:a:b:\303\274"), 0x001},
    {OD_STR("xarn:aws:personalize:a:b:c"), 0x480},
    {OD_STR("arn:aws:personalize:a\015b:b:c"), 0x080},
    {OD_STR("arn:aws:personalize:a:b:c:d:e"), 0x481},
    {OD_STR("arn:"), 0x480},
    {OD_STR("arn:aws:iam::123456789012:role/r"), 0x482},
    {OD_STR("arn:aws:iam::123456789012:role/"), 0x482},
    {OD_STR("arn:aws:iam::123456789012:role"), 0x480},
    {OD_STR("arn:aws:iam::123456789012:rolex"), 0x482},
    {OD_STR("arn:aws:iam::12345678901:role/r"), 0x480},
    {OD_STR("arn:aws:iam::1234567890123:role/r"), 0x480},
    {OD_STR("arn:aws:iam::123456789012:role//a/b=c,d.e@f-g_h+i"), 0x482},
    {OD_STR("arn:aws:iam::123456789012:role/a b"), 0x480},
    {OD_STR("arn:aws:iam:x:123456789012:role/r"), 0x480},
    {OD_STR("arn:aws:iam::123456789012:role/r\012"), 0x080},
    {OD_STR("arn:aws:iam::123456789012:user/r"), 0x480},
    {OD_STR("arn:aws:kms:us-east-1:123456789012:key/abc"), 0x484},
    {OD_STR("arn:aws:kms:us-east-1:123456789012:key/"), 0x484},
    {OD_STR("arn:aws:kms:123456789012:key/x"), 0x480},
    {OD_STR("arn:aws:kms::123456789012:key/x"), 0x484},
    {OD_STR("arn:aws-cn:kms:a:b:c:123456789012:key/x:y"), 0x484},
    {OD_STR("arn:aws:kms:kms:x:kms:a:123456789012:key/x"), 0x484},
    {OD_STR("arn:aws:kms:a:12345678901:key/x"), 0x480},
    {OD_STR("arn:aws:kms:a:1234567890123:key/x"), 0x480},
    {OD_STR("arn:aws:kms:a:123456789012:key"), 0x480},
    {OD_STR("arn:aws:kms:a:123456789012:key/x\012y"), 0x080},
    {OD_STR("arn:awskms:a:123456789012:key/x"), 0x480},
    {OD_STR("arn:aws:kms:a:111111111111:x:222222222222:key/"), 0x484},
    {OD_STR("arn:aws::kms:a::123456789012:key/x"), 0x484},
    {OD_STR("s3://b/k"), 0x580},
    {OD_STR("s3://"), 0x480},
    {OD_STR("s3:/b"), 0x480},
    {OD_STR("http://x"), 0x580},
    {OD_STR("https://x"), 0x580},
    {OD_STR("httpss://x"), 0x480},
    {OD_STR("S3://b"), 0x480},
    {OD_STR("s3://a b"), 0x580},
    {OD_STR("s3://a\012b"), 0x080},
    {OD_STR("s3:// "), 0x580},
    {OD_STR(" s3://b"), 0x480},
    {OD_STR("ftp://x"), 0x480},
    {OD_STR("s3://\303\274"), 0x100},
    {OD_STR("rate(1 day)"), 0x680},
    {OD_STR("rate(7 days)"), 0x680},
    {OD_STR("rate(7 dayss)"), 0x480},
    {OD_STR("rate( 7 days)"), 0x480},
    {OD_STR("rate(7days)"), 0x480},
    {OD_STR("rate(days)"), 0x480},
    {OD_STR("rate(07 day)"), 0x680},
    {OD_STR("rate(7 days) "), 0x480},
    {OD_STR("rate(-7 days)"), 0x480},
    {OD_STR("rate(7 hours)"), 0x480},
    {OD_STR("rate(7 days"), 0x480},
    {OD_STR("cron(7 days)"), 0x480},
    {OD_STR("rate(\331\247 days)"), 0x000},
    {OD_STR("caf\303\251"), 0x000},
    {OD_STR("hello, world!"), 0x480},
    {OD_STR("a\302\240b"), 0x000},
};

static unsigned accepted_by(struct od_str text)
{
    unsigned bits = 0;
    for (size_t i = 0; i < MATCHER_COUNT; i++)
        bits |= (unsigned)matchers[i](text) << i;
    return bits;
}

static void matchers_agree_with_the_patterns(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (accepted_by(rows[i].text) != rows[i].accepted)
            fail_msg("row %zu: %.*s gives %03X, not %03X", i, OD_STR_ARG(rows[i].text),
                     accepted_by(rows[i].text), rows[i].accepted);
}

static void tokens_end_at_1500_characters(void **state)
{
    (void)state;
    char text[1501];
    memset(text, 'a', sizeof text);
    assert_int_equal(accepted_by((struct od_str){text, 1500}), 0x4F8);
    assert_int_equal(accepted_by((struct od_str){text, 1501}), 0x478);
}

static size_t encode(uint32_t code, char out[4])
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    size_t len = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--, code >>= 6)
        out[i] = (char)(0x80 | (code & 0x3F));
    out[0] = (char)(code | (0xF0u << (4 - len)));
    return len;
}

/* Every code point there is: how many may stand in a tag, and which (FNV-1a over their numbers). */
static void tag_characters_are_exactly_letters_separators_numbers_and_signs(void **state)
{
    (void)state;
    size_t count = 0;
    uint32_t hash = 2166136261u;
    for (uint32_t code = 0; code < 0x110000; code++) {
        char text[4];
        if (code >= 0xD800 && code < 0xE000)
            continue;
        if (od_match_tag((struct od_str){text, encode(code, text)})) {
            count++;
            hash = (hash ^ code) * 16777619u;
        }
    }
    assert_int_equal(count, 133574);
    assert_int_equal(hash, 0x5C04064F);
}

static void tags_are_matched_whole(void **state)
{
    (void)state;
    assert_true(od_match_tag(OD_STR("")));
    assert_true(od_match_tag(OD_STR("caf\303\251 = \346\227\245\346\234\254/@home")));
    assert_false(od_match_tag(OD_STR("good#")));
    assert_false(od_match_tag(OD_STR("#good")));
    assert_false(od_match_tag(OD_STR("a\0b")));
    assert_false(od_match_tag(OD_STR("a\n")));
    assert_false(od_match_tag(OD_STR("\360\237\216\270"))); /* a guitar is a symbol */
}

static void every_matcher_is_linear(void **state)
{
    (void)state;
    /* Texts that make a backtracking matcher quadratic or worse: half a megabyte each. */
    static char text[1 << 19];
    const char *const units[] = {"arn:aws:kms:", ":", "a", ":123456789012:key",    "rate(1",
                                 "http://",      "1", " ", "arn:aws:personalize:", "/"};
    for (size_t u = 0; u < sizeof units / sizeof units[0]; u++) {
        size_t unit = strlen(units[u]);
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = units[u][i % unit];
        unsigned bits = accepted_by((struct od_str){text, sizeof text});
        assert_int_equal(bits & 1u << 9, 0);
    }
    /* one that is accepted only at its very end */
    memset(text, ':', sizeof text);
    memcpy(text, "arn:aws:kms:", 12);
    memcpy(text + sizeof text - 18, ":123456789012:key/", 18);
    assert_true(od_match_kms_key_arn((struct od_str){text, sizeof text}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(matchers_agree_with_the_patterns),
        cmocka_unit_test(tokens_end_at_1500_characters),
        cmocka_unit_test(tag_characters_are_exactly_letters_separators_numbers_and_signs),
        cmocka_unit_test(tags_are_matched_whole),
        cmocka_unit_test(every_matcher_is_linear),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
