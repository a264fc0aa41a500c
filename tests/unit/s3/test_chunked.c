/* The aws-chunked decoder: every cut of the same bytes gives the same, and nothing else is taken.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "s3/chunked.h"

#define SIGNATURE "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define EMPTY     "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
#define OF_ABC    "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"

struct heard {
    struct od_buf data, events;
};

static enum od_status data(void *context, const char *bytes, size_t len, struct od_error *err)
{
    struct heard *heard = context;
    (void)err;
    od_buf_put(&heard->data, bytes, len);
    return OD_OK;
}

static enum od_status chunk(void *context, const char sha256[65], struct od_str signature,
                            struct od_error *err)
{
    struct heard *heard = context;
    (void)err;
    od_buf_printf(&heard->events, "[%s %.*s]", sha256, OD_STR_ARG(signature));
    return OD_OK;
}

static enum od_status trailer(void *context, struct od_str name, struct od_str value,
                              struct od_error *err)
{
    struct heard *heard = context;
    (void)err;
    od_buf_printf(&heard->events, "(%.*s=%.*s)", OD_STR_ARG(name), OD_STR_ARG(value));
    return OD_OK;
}

/* Feeds text in steps; what was heard must be freed. */
static enum od_status feed(const char *text, size_t step, bool is_signed, bool has_trailer,
                           struct heard *heard, bool *out_complete)
{
    struct od_chunked decoder;
    struct od_error err;
    enum od_status s = OD_OK;
    od_buf_init(&heard->data, 1000);
    od_buf_init(&heard->events, 10000);
    od_buf_put(&heard->data, "", 0);
    od_buf_put(&heard->events, "", 0);
    struct od_chunked_events events = {data, chunk, trailer, heard};
    assert_int_equal(od_chunked_init(&decoder, is_signed, has_trailer, events), OD_OK);
    for (size_t at = 0, len = strlen(text); s == OD_OK && at < len; at += step)
        s = od_chunked_feed(&decoder, text + at, len - at < step ? len - at : step, &err);
    *out_complete = s == OD_OK && od_chunked_complete(&decoder);
    od_chunked_done(&decoder);
    return s;
}

static void done(struct heard *heard)
{
    od_buf_done(&heard->data);
    od_buf_done(&heard->events);
}

static void pieces_of_any_size_give_the_same(void **state)
{
    (void)state;
    static const char text[] =
        "3\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
    for (size_t step = 1; step < sizeof text; step++) {
        struct heard heard;
        bool complete;
        assert_int_equal(feed(text, step, false, true, &heard, &complete), OD_OK);
        assert_true(complete);
        assert_string_equal(heard.data.ptr, "abc0123456789");
        assert_string_equal(heard.events.ptr, "(x-amz-checksum-crc32=AAAA)");
        done(&heard);
    }
}

static void each_signed_chunk_is_told_with_its_hash(void **state)
{
    (void)state;
    static const char text[] = "3;chunk-signature=" SIGNATURE "\r\nabc\r\n"
                               "0;chunk-signature=" SIGNATURE "\r\n\r\n";
    for (size_t step = 1; step < sizeof text; step += 7) {
        struct heard heard;
        bool complete;
        assert_int_equal(feed(text, step, true, false, &heard, &complete), OD_OK);
        assert_true(complete);
        assert_string_equal(heard.events.ptr,
                            "[" OF_ABC " " SIGNATURE "][" EMPTY " " SIGNATURE "]");
        done(&heard);
    }
}

static void what_is_malformed_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool is_signed, has_trailer;
    } cases[] = {
        {"\r\n", false, false},
        {"x\r\n", false, false},
        {"-1\r\n", false, false},
        {" 3\r\nabc\r\n", false, false},
        {"3 \r\nabc\r\n", false, false},
        {"3\nabc\r\n", false, false},
        {"3\r\nabcd\r\n", false, false},
        {"3\r\nabc\n0\r\n\r\n", false, false},
        {"1000000000000000\r\n", false, false},
        {"0\r\na:b\r\n\r\n", false, false},
        {"0\r\nno colon\r\n\r\n", false, true},
        {"0\r\n:b\r\n\r\n", false, true},
        {"0\r\n\r\nmore", false, false},
        {"3;chunk-signature=" SIGNATURE "\r\n", false, false},
        {"3\r\nabc\r\n", true, false},
        {"3;chunk-signature=short\r\n", true, false},
        {"3;other=" SIGNATURE "\r\n", true, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct heard heard;
        bool complete;
        enum od_status s =
            feed(cases[i].text, 1, cases[i].is_signed, cases[i].has_trailer, &heard, &complete);
        if (s != OD_INVALID_INPUT)
            fail_msg("case %zu: %d", i, s);
        done(&heard);
    }
}

static void an_end_that_does_not_come_is_noticed(void **state)
{
    (void)state;
    static const char text[] = "3\r\nabc\r\n0\r\na:b\r\n\r\n";
    for (size_t len = 0; len < sizeof text - 1; len++) {
        char cut[sizeof text];
        struct heard heard;
        bool complete;
        memcpy(cut, text, len);
        cut[len] = '\0';
        assert_int_equal(feed(cut, 100, false, true, &heard, &complete), OD_OK);
        assert_false(complete);
        done(&heard);
    }
}

static void a_line_without_end_is_bounded(void **state)
{
    (void)state;
    char text[3000];
    struct heard heard;
    bool complete;
    memset(text, '0', sizeof text - 1);
    text[sizeof text - 1] = '\0';
    assert_int_equal(feed(text, 100, false, false, &heard, &complete), OD_INVALID_INPUT);
    done(&heard);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_of_any_size_give_the_same),
        cmocka_unit_test(each_signed_chunk_is_told_with_its_hash),
        cmocka_unit_test(what_is_malformed_is_refused),
        cmocka_unit_test(an_end_that_does_not_come_is_noticed),
        cmocka_unit_test(a_line_without_end_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
