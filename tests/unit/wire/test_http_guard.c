/* The guard over request heads: what is believed and what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "base/limits.h"
#include "wire/http_guard.h"

#define S(literal) OD_STR(literal)
#define H(n, v)                                                                                    \
    {                                                                                              \
        OD_STR(n), OD_STR(v)                                                                       \
    }

/* The guard's answer to a head with these headers; bytes are made to agree. */
static int guard(const char *method, const char *target, const char *version,
                 const struct od_http_header *headers, size_t count, struct od_http_checked *out,
                 struct od_error *err)
{
    struct od_http_head head = {
        .method = od_str_c(method),
        .target = od_str_c(target),
        .version = od_str_c(version),
        .headers = headers,
        .header_count = count,
        .bytes_received = 100,
        .bytes_explained = 100,
    };
    return od_http_guard(&head, out, err);
}

#define GUARD(headers, out, err)                                                                   \
    guard("POST", "/a", "HTTP/1.1", headers, sizeof(headers) / sizeof *(headers), out, err)

static void a_sound_head_passes_with_its_framing(void **state)
{
    (void)state;
    struct od_http_checked out = {0};
    struct od_error err;
    const struct od_http_header plain[] = {H("Host", "a:80"), H("content-LENGTH", "12")};
    assert_int_equal(GUARD(plain, &out, &err), 0);
    assert_int_equal(out.content_length, 12);
    assert_false(out.chunked);
    assert_false(out.expects_continue);
    const struct od_http_header chunked[] = {H("host", "a"), H("Transfer-Encoding", "Chunked"),
                                             H("Expect", "100-Continue")};
    assert_int_equal(GUARD(chunked, &out, &err), 0);
    assert_true(out.chunked);
    assert_true(out.expects_continue);
    assert_int_equal(out.content_length, 0);
    const struct od_http_header bytes[] = {H("Host", "a"), H("X", "tab\there \xEC\xA0\x9C\xFF"),
                                           H("Empty", "")};
    assert_int_equal(GUARD(bytes, &out, &err), 0);
}

static void smuggling_shapes_are_refused_naming_the_header(void **state)
{
    (void)state;
    static const struct {
        struct od_http_header headers[4];
        size_t count;
        const char *named;
    } cases[] = {
        {{H("Host", "a"), H("Content-Length", "5"), H("Content-Length", "6")}, 3, "Content-Length"},
        {{H("Host", "a"), H("Content-Length", "5"), H("Content-Length", "5")}, 3, "Content-Length"},
        {{H("Host", "a"), H("Content-Length", "5"), H("Transfer-Encoding", "chunked")},
         3,
         "together"},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked"), H("Transfer-Encoding", "chunked")},
         3,
         "Transfer-Encoding"},
        {{H("Host", "a"), H("Transfer-Encoding", "gzip, chunked")}, 2, "gzip, chunked"},
        {{H("Host", "a"), H("Transfer-Encoding", "identity")}, 2, "identity"},
        {{H("Host", "a"), H("Transfer-Encoding", "chunked ")}, 2, "chunked "},
        {{H("Host", "a"), H("Transfer-Encoding", "xchunked")}, 2, "xchunked"},
        {{H("Host", "a"), H("Transfer-Encoding", "")}, 2, "Transfer-Encoding"},
        {{H("Host", "a"), H("Content-Length", "+5")}, 2, "+5"},
        {{H("Host", "a"), H("Content-Length", "-5")}, 2, "-5"},
        {{H("Host", "a"), H("Content-Length", "5, 5")}, 2, "5, 5"},
        {{H("Host", "a"), H("Content-Length", "0x5")}, 2, "0x5"},
        {{H("Host", "a"), H("Content-Length", "5 ")}, 2, "5 "},
        {{H("Host", "a"), H("Content-Length", "")}, 2, "Content-Length"},
        {{H("Host", "a"), H("Content-Length", "99999999999999999999")}, 2, "99999999999999999999"},
        {{H("Host", "a"), H("Content-Length ", "5")}, 2, "Content-Length "},
        {{H("Host", "a"), H("Transfer Encoding", "chunked")}, 2, "token"},
        {{H("Host", "a"), H("", "5")}, 2, "token"},
        {{H("Host", "a"), H("X", "a\rContent-Length: 5")}, 2, "control"},
        {{H("Host", "a"), H("X", "a\x01")}, 2, "control"},
        {{H("Host", "a"), H("X", "a\x7f")}, 2, "control"},
        {{H("Host", "a"), H("Host", "a")}, 2, "Host"},
        {{H("Host", "a b")}, 1, "Host"},
        {{H("X", "a")}, 1, "Host"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_http_checked out = {.content_length = 77};
        struct od_error err = {0};
        int status = guard("POST", "/a", "HTTP/1.1", cases[i].headers, cases[i].count, &out, &err);
        if (status != 400 || !strstr(err.message, cases[i].named))
            fail_msg("case %zu: %d '%s'", i, status, err.message);
        assert_int_equal(out.content_length, 77); /* untouched */
    }
}

static void bytes_the_parser_did_not_explain_are_refused(void **state)
{
    (void)state;
    const struct od_http_header host[] = {H("Host", "a")};
    struct od_http_head head = {.method = S("GET"),
                                .target = S("/"),
                                .version = S("HTTP/1.1"),
                                .headers = host,
                                .header_count = 1};
    struct od_http_checked out;
    struct od_error err;
    head.bytes_received = head.bytes_explained = 27;
    assert_int_equal(od_http_guard(&head, &out, &err), 0);
    head.bytes_received = 28;
    assert_int_equal(od_http_guard(&head, &out, &err), 400);
    head.bytes_received = 26;
    assert_int_equal(od_http_guard(&head, &out, &err), 400);
    head.bytes_received = head.bytes_explained = OD_MAX_HEADER_BYTES;
    assert_int_equal(od_http_guard(&head, &out, &err), 0);
    head.bytes_received = head.bytes_explained = OD_MAX_HEADER_BYTES + 1;
    assert_int_equal(od_http_guard(&head, &out, &err), 431);
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    struct od_http_header many[OD_MAX_HEADER_COUNT + 1];
    for (size_t i = 0; i <= OD_MAX_HEADER_COUNT; i++)
        many[i] = (struct od_http_header){S("X"), S("y")};
    many[0] = (struct od_http_header){S("Host"), S("a")};
    struct od_http_checked out;
    struct od_error err;
    assert_int_equal(guard("GET", "/", "HTTP/1.1", many, OD_MAX_HEADER_COUNT, &out, &err), 0);
    assert_int_equal(guard("GET", "/", "HTTP/1.1", many, OD_MAX_HEADER_COUNT + 1, &out, &err), 431);
}

static void versions_and_methods(void **state)
{
    (void)state;
    const struct od_http_header host[] = {H("Host", "a")};
    const struct od_http_header te[] = {H("Host", "a"), H("Transfer-Encoding", "chunked")};
    struct od_http_checked out;
    struct od_error err;
    assert_int_equal(guard("GET", "/", "HTTP/1.0", NULL, 0, &out, &err), 0); /* needs no Host */
    assert_int_equal(guard("GET", "/", "HTTP/1.0", te, 2, &out, &err), 400);
    assert_int_equal(guard("GET", "/", "HTTP/1.2", host, 1, &out, &err), 505);
    assert_int_equal(guard("GET", "/", "HTTP/2.0", host, 1, &out, &err), 505);
    assert_int_equal(guard("BREW-2", "/", "HTTP/1.1", host, 1, &out, &err), 0);
    assert_int_equal(guard("G(T", "/", "HTTP/1.1", host, 1, &out, &err), 400);
    assert_int_equal(guard("", "/", "HTTP/1.1", host, 1, &out, &err), 400);
    assert_int_equal(
        guard("ABCDEFGHIJKLMNOPQRSTUVWXYZABCDEFG", "/", "HTTP/1.1", host, 1, &out, &err), 400);
    const struct od_http_header expect[] = {H("Host", "a"), H("Expect", "a-pony")};
    assert_int_equal(guard("GET", "/", "HTTP/1.1", expect, 2, &out, &err), 417);
}

static void targets_are_split_into_path_and_query(void **state)
{
    (void)state;
    static const struct {
        const char *method, *target;
        int status;
        const char *path, *query;
    } cases[] = {
        {"GET", "/a/b%2Fc", 0, "/a/b%2Fc", ""},
        {"GET", "/a?x=1?y", 0, "/a", "x=1?y"},
        {"GET", "/?", 0, "/", ""},
        {"OPTIONS", "*", 0, "*", ""},
        {"GET", "http://A.example:8/p?q", 0, "/p", "q"},
        {"GET", "https://a.example:8/", 0, "/", ""},
        {"GET", "*", 400, NULL, NULL},
        {"GET", "", 400, NULL, NULL},
        {"GET", "a", 400, NULL, NULL},
        {"GET", "/a b", 400, NULL, NULL},
        {"GET", "/\xC3\xA9", 400, NULL, NULL},
        {"GET", "/a\x7f", 400, NULL, NULL},
        {"GET", "http://other/", 400, NULL, NULL},
        {"GET", "http://a.example:8", 400, NULL, NULL},
        {"GET", "http://a.example:8?q", 400, NULL, NULL},
        {"CONNECT", "a.example:8", 400, NULL, NULL},
        {"GET", "ftp://a.example:8/", 400, NULL, NULL},
    };
    const struct od_http_header host[] = {H("Host", "a.example:8")};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct od_http_checked out = {0};
        struct od_error err;
        int status = guard(cases[i].method, cases[i].target, "HTTP/1.1", host, 1, &out, &err);
        if (status != cases[i].status)
            fail_msg("case %zu: %d", i, status);
        if (status)
            continue;
        assert_true(od_str_eq_c(out.path, cases[i].path));
        assert_true(od_str_eq_c(out.query, cases[i].query));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_sound_head_passes_with_its_framing),
        cmocka_unit_test(smuggling_shapes_are_refused_naming_the_header),
        cmocka_unit_test(bytes_the_parser_did_not_explain_are_refused),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(versions_and_methods),
        cmocka_unit_test(targets_are_split_into_path_and_query),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
