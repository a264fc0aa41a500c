/* The HTTP door over real sockets: what it serves, what it refuses, and its limits. */
#include "wire/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

#include "base/limits.h"
#include "base/random.h"

#define BODY_LIMIT 100000

static atomic_int handled;

/* Echo: path, query, body length and two of the headers, as text. */
static bool echo(void *context, struct od_http_exchange *exchange)
{
    (void)context;
    const struct od_http_request *r = od_http_request(exchange);
    struct od_http_response *answer = od_http_response(exchange);
    atomic_fetch_add(&handled, 1);
    answer->content_type = OD_STR("text/plain");
    answer->extra[answer->extra_count++] = (struct od_http_header){OD_STR("x-made"), OD_STR("yes")};
    if (od_str_eq(r->path, OD_STR("/bad-header")))
        answer->extra[answer->extra_count++] =
            (struct od_http_header){OD_STR("x-evil"), OD_STR("a\r\nb: c")};
    if (od_str_eq(r->path, OD_STR("/bad-status")))
        answer->status = 7;
    if (od_str_eq(r->path, OD_STR("/overflow")))
        answer->body.max = 4;
    if (od_str_eq(r->path, OD_STR("/empty"))) {
        answer->content_type = OD_STR_NONE;
        answer->status = 204;
        return true;
    }
    struct od_str x = od_http_header(r, "x-test");
    od_buf_printf(&answer->body, "%.*s %.*s?%.*s x-test=%.*s body=%zu:", OD_STR_ARG(r->method),
                  OD_STR_ARG(r->path), OD_STR_ARG(r->query), OD_STR_ARG(x), r->body.len);
    od_buf_put(&answer->body, r->body.ptr, r->body.len < 20 ? r->body.len : 20);
    od_buf_puts(&answer->body, r->from_loopback ? " loop" : " far");
    return true;
}

static struct od_http *server;
static uint16_t port;

static int start_server(void **state)
{
    (void)state;
    server = test_start((struct od_http_config){.handle = echo, .max_body_bytes = BODY_LIMIT});
    port = od_http_port(server);
    return 0;
}

static int stop_server(void **state)
{
    (void)state;
    od_http_stop(server, 1000);
    return 0;
}

static void ask(const char *request, struct test_answer *out)
{
    test_ask(port, request, strlen(request), out);
}

static void a_request_is_seen_as_sent_and_the_answer_has_its_headers(void **state)
{
    (void)state;
    struct test_answer a;
    char value[256];
    ask("GET /a%2Fb/c?x=%20&y=1?z HTTP/1.1\r\nHost: h\r\nX-Test: one\r\nx-test:  two\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "GET /a%2Fb/c?x=%20&y=1?z x-test=two body=0: loop");
    assert_string_equal(test_header(&a, "Content-Type", value), "text/plain");
    assert_string_equal(test_header(&a, "x-made", value), "yes");
    assert_non_null(test_header(&a, "Date", value));
    assert_int_equal(strlen(value), strlen("Wed, 31 Jan 2024 23:59:59 GMT"));
    assert_null(test_header(&a, "Transfer-Encoding", value));
    ask("POST /empty HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n", &a);
    assert_int_equal(a.status, 204);
    assert_null(test_header(&a, "Content-Type", value));
    ask("GET http://H/p HTTP/1.1\r\nHost: h\r\n\r\n", &a);
    assert_string_equal(a.body, "GET /p? x-test= body=0: loop");
}

static void a_connection_is_kept_for_the_next_request(void **state)
{
    (void)state;
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    int fd = test_connect(port);
    for (int i = 0; i < 5; i++) {
        test_send(fd, "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab");
        test_sleep_ms(5);
        test_send(fd, "cde");
        assert_true(test_answer_from(fd, &buf, &a, false));
        assert_string_equal(a.body, "POST /x? x-test= body=5:abcde loop");
    }
    test_send(fd, "GET /x HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n");
    assert_true(test_answer_from(fd, &buf, &a, false));
    test_read_to_end(fd, &buf, PATIENCE_MS);
    close(fd);
    fd = test_connect(port);
    test_send(fd, "GET /old HTTP/1.0\r\n\r\n");
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 200);
    test_read_to_end(fd, &buf, PATIENCE_MS);
    close(fd);
    od_buf_done(&buf);
}

static void ten_requests_in_one_write_get_ten_answers_in_order(void **state)
{
    (void)state;
    struct od_buf all, buf;
    struct test_answer a;
    od_buf_init(&all, 1 << 20);
    od_buf_init(&buf, 1 << 20);
    for (int i = 0; i < 10; i++)
        od_buf_printf(&all,
                      i % 2 ? "GET /n%d HTTP/1.1\r\nHost: h\r\n\r\n"
                            : "POST /n%d HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc",
                      i);
    int fd = test_connect(port);
    test_send(fd, all.ptr);
    for (int i = 0; i < 10; i++) {
        char expected[64];
        snprintf(expected, sizeof expected, i % 2 ? "GET /n%d? " : "POST /n%d? ", i);
        assert_true(test_answer_from(fd, &buf, &a, false));
        assert_int_equal(a.status, 200);
        if (strncmp(a.body, expected, strlen(expected)))
            fail_msg("answer %d is %s", i, a.body);
    }
    assert_int_equal(buf.len, 0);
    close(fd);
    od_buf_done(&all);
    od_buf_done(&buf);
}

static void chunked_bodies_are_put_together(void **state)
{
    (void)state;
    struct test_answer a;
    ask("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
        "3\r\nabc\r\n2;ext=1\r\nde\r\n0\r\nTrailer: t\r\n\r\n",
        &a);
    assert_string_equal(a.body, "POST /c? x-test= body=5:abcde loop");
    ask("POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", &a);
    assert_int_equal(a.status, 400);
}

static void head_options_and_other_methods_reach_the_handler(void **state)
{
    (void)state;
    struct test_answer a;
    char value[256];
    ask("HEAD /h HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
    assert_string_equal(test_header(&a, "Content-Length", value), "29");
    assert_int_equal(a.body_len, 0);
    ask("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", &a);
    assert_string_equal(a.body, "OPTIONS *? x-test= body=0: loop");
    ask("BREW /tea HTTP/1.1\r\nHost: h\r\n\r\n", &a);
    assert_string_equal(a.body, "BREW /tea? x-test= body=0: loop");
}

static void expect_continue_is_answered_before_the_body(void **state)
{
    (void)state;
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    int fd = test_connect(port);
    test_send(fd, "POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\n"
                  "Expect: 100-continue\r\n\r\n");
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 100);
    test_send(fd, "ok");
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_string_equal(a.body, "POST /e? x-test= body=2:ok loop");
    close(fd);
    od_buf_done(&buf);
    ask("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 100001\r\nExpect: 100-continue\r\n\r\n",
        &a);
    assert_int_equal(a.status, 413); /* without a 100 before */
    ask("POST /e HTTP/1.1\r\nHost: h\r\nContent-Length: 2\r\nExpect: tea\r\n\r\nok", &a);
    assert_int_equal(a.status, 417);
}

static void large_heads_get_431(void **state)
{
    (void)state;
    struct test_answer a;
    struct od_buf request;
    od_buf_init(&request, 1 << 20);
    static const size_t sizes[] = {20000, 31000, 33000, 47000, 200000};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        od_buf_clear(&request);
        od_buf_puts(&request, "GET / HTTP/1.1\r\nHost: h\r\nX-Long: ");
        memset(od_buf_reserve(&request, sizes[i]), 'x', sizes[i]);
        od_buf_commit(&request, sizes[i]);
        od_buf_puts(&request, "\r\n\r\n");
        test_ask(port, request.ptr, request.len, &a);
        assert_int_equal(a.status, sizes[i] < 32000 ? 200 : 431);
    }
    od_buf_clear(&request);
    od_buf_puts(&request, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        od_buf_printf(&request, "X-%d: y\r\n", i);
    od_buf_puts(&request, "\r\n");
    test_ask(port, request.ptr, request.len, &a);
    assert_int_equal(a.status, 431);
    assert_non_null(strstr(a.body, "headers"));
    od_buf_done(&request);
}

/* A body of len bytes, by Content-Length, wholly sent before the answer is read. */
static void post(size_t len, struct test_answer *out)
{
    struct od_buf request;
    od_buf_init(&request, 1 << 24);
    od_buf_printf(&request, "POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", len);
    memset(od_buf_reserve(&request, len), 'b', len);
    od_buf_commit(&request, len);
    test_ask(port, request.ptr, request.len, out);
    od_buf_done(&request);
}

static void large_bodies_get_413_that_the_client_can_read(void **state)
{
    (void)state;
    struct test_answer a;
    char value[256];
    post(BODY_LIMIT, &a);
    assert_int_equal(a.status, 200);
    assert_non_null(strstr(a.body, "body=100000:bbbb"));
    static const size_t sizes[] = {BODY_LIMIT + 1, 500000, 1000000};
    int before = atomic_load(&handled);
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        post(sizes[i], &a);
        assert_int_equal(a.status, 413);
        assert_string_equal(test_header(&a, "x-amzn-ErrorType", value), "RequestEntityTooLarge");
        assert_string_equal(test_header(&a, "Connection", value), "close");
        assert_non_null(strstr(a.body, "\"__type\":\"RequestEntityTooLarge\""));
    }
    /* Far too large: refused at the head, without a byte of the body. */
    ask("POST /b HTTP/1.1\r\nHost: h\r\nContent-Length: 9000000000000000000\r\n\r\n", &a);
    assert_int_equal(a.status, 413);
    assert_int_equal(atomic_load(&handled), before);
}

static void endless_chunked_bodies_get_413_and_are_cut(void **state)
{
    (void)state;
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    char chunk[4096 + 16] = "1000\r\n";
    memset(chunk + 6, 'c', 4096);
    memcpy(chunk + 6 + 4096, "\r\n", 3);
    int fd = test_connect(port);
    test_send(fd, "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    int sent = 0;
    while (sent < 10000 && test_send_bytes(fd, chunk, strlen(chunk)))
        sent++;
    assert_true(sent < 10000); /* 40 MB were not taken */
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 413);
    close(fd);
    /* One that ends soon after the limit is answered in order. */
    fd = test_connect(port);
    test_send(fd, "POST /b HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n");
    for (int i = 0; i < 100; i++)
        test_send(fd, chunk);
    test_send(fd, "0\r\n\r\n");
    od_buf_clear(&buf);
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 413);
    test_read_to_end(fd, &buf, PATIENCE_MS);
    close(fd);
    od_buf_done(&buf);
}

#define HOST     "Host: h\r\n"
#define SMUGGLED "GET /smuggled HTTP/1.1\r\n" HOST "\r\n"

static const struct {
    const char *name, *request;
    size_t len; /* 0: its strlen */
} smuggling[] = {
    {"two lengths",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 44\r\n\r\n" SMUGGLED, 0},
    {"two equal lengths",
     "POST / HTTP/1.1\r\n" HOST "Content-Length: 0\r\nContent-Length: 0\r\n\r\n" SMUGGLED, 0},
    {"length and chunked",
     "POST / HTTP/1.1\r\n" HOST
     "Content-Length: 44\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"chunked and length",
     "POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"list of codings",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: identity, chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"two codings",
     "POST / HTTP/1.1\r\n" HOST
     "Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"spaced coding",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"tabbed length", "POST / HTTP/1.1\r\n" HOST "Content-Length\t: 5\r\n\r\nabcde" SMUGGLED, 0},
    {"coding with vertical tab",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding: \x0b"
     "chunked\r\n\r\n0\r\n\r\n" SMUGGLED,
     0},
    {"signed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: +44\r\n\r\n" SMUGGLED, 0},
    {"hex length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0x2c\r\n\r\n" SMUGGLED, 0},
    {"listed length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 0, 44\r\n\r\n" SMUGGLED, 0},
    {"length with a space", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4 4\r\n\r\n" SMUGGLED, 0},
    {"folded length", "POST / HTTP/1.1\r\n" HOST "Content-Length: 4\r\n 4\r\n\r\n" SMUGGLED, 0},
    {"folded coding",
     "POST / HTTP/1.1\r\n" HOST "Transfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"folded other", "POST / HTTP/1.1\r\nX: 1\r\n\tContent-Length: 44\r\n" HOST "\r\n" SMUGGLED, 0},
    {"bare line feed", "POST / HTTP/1.1\r\n" HOST "X: 1\nContent-Length: 44\r\n\r\n" SMUGGLED, 0},
    {"bare line feeds only", "GET / HTTP/1.1\nHost: h\n\n" SMUGGLED, 0},
    {"bare carriage return", "POST / HTTP/1.1\r\n" HOST "X: 1\rContent-Length: 44\r\n\r\n" SMUGGLED,
     0},
    {"NUL in a value", "POST / HTTP/1.1\r\n" HOST "X: 1\0002\r\n\r\n", 37},
    {"no Host", "GET / HTTP/1.1\r\nX: 1\r\n\r\n", 0},
    {"two Hosts", "GET / HTTP/1.1\r\n" HOST "Host: g\r\n\r\n", 0},
    {"doubled space", "GET  / HTTP/1.1\r\n" HOST "\r\n", 0},
    {"coding in 1.0",
     "POST / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n" SMUGGLED, 0},
    {"no colon", "GET / HTTP/1.1\r\n" HOST "what is this\r\n\r\n", 0},
    {"no name", "GET / HTTP/1.1\r\n" HOST ": value\r\n\r\n", 0},
    {"control character",
     "GET / HTTP/1.1\r\n" HOST "X: a\x01"
     "b\r\n\r\n",
     0},
    {"escape in the name", "GET / HTTP/1.1\r\n" HOST "X\x1b: b\r\n\r\n", 0},
    {"high byte in the target", "GET /\xff HTTP/1.1\r\n" HOST "\r\n", 0},
};

static void smuggling_shapes_get_400_and_the_connection_closes(void **state)
{
    (void)state;
    int before = atomic_load(&handled);
    for (size_t i = 0; i < sizeof smuggling / sizeof *smuggling; i++) {
        struct od_buf buf;
        struct test_answer a;
        od_buf_init(&buf, 1 << 20);
        int fd = test_connect(port);
        size_t len = smuggling[i].len ? smuggling[i].len : strlen(smuggling[i].request);
        assert_true(test_send_bytes(fd, smuggling[i].request, len));
        if (!test_answer_from(fd, &buf, &a, false) || a.status != 400)
            fail_msg("%s: %s", smuggling[i].name, a.head);
        test_read_to_end(fd, &buf, PATIENCE_MS);
        if (buf.len && strstr(buf.ptr, "200 OK"))
            fail_msg("%s: a second answer: %s", smuggling[i].name, buf.ptr);
        close(fd);
        od_buf_done(&buf);
    }
    assert_int_equal(atomic_load(&handled), before);
}

static void other_versions_and_broken_lines_are_refused(void **state)
{
    (void)state;
    struct test_answer a;
    ask("GET / HTTP/2.0\r\nHost: h\r\n\r\n", &a);
    assert_int_equal(a.status, 505);
    ask("GET / HTTP/1.7\r\nHost: h\r\n\r\n", &a);
    assert_int_equal(a.status, 505);
    ask("GET / HTTP/0.9\r\nHost: h\r\n\r\n", &a);
    assert_int_equal(a.status, 505);
    ask("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", &a);
    assert_int_equal(a.status, 505);
    int before = atomic_load(&handled);
    ask("GET\r\n\r\n", &a); /* closed without a word: there is no request */
    assert_int_equal(a.status, 0);
    ask("GET /a b HTTP/1.1\r\nHost: h\r\n\r\n", &a);
    assert_true(a.status == 0 || a.status == 400);
    ask("\x16\x03\x01\x02\x01\x01\r\n\r\n", &a); /* somebody speaks TLS */
    assert_true(a.status == 0 || a.status == 400);
    assert_int_equal(atomic_load(&handled), before);
}

static void an_answer_that_cannot_be_sent_is_a_500(void **state)
{
    (void)state;
    static const char *const paths[] = {"/bad-header", "/bad-status", "/overflow"};
    for (int i = 0; i < 3; i++) {
        struct test_answer a;
        char request[128], value[256];
        snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: h\r\n\r\n", paths[i]);
        ask(request, &a);
        assert_int_equal(a.status, 500);
        assert_string_equal(test_header(&a, "x-amzn-ErrorType", value), "InternalServerException");
        assert_null(strstr(a.head, "x-evil"));
    }
}

static void many_connections_at_once_are_all_served(void **state)
{
    (void)state;
    enum { N = 200, ROUNDS = 5 };
    int fds[N];
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    for (int i = 0; i < N; i++)
        fds[i] = test_connect(port);
    for (int round = 0; round < ROUNDS; round++) {
        char text[128];
        for (int i = 0; i < N; i++) {
            snprintf(text, sizeof text, "GET /c%d-%d HTTP/1.1\r\nHost: h\r\n\r\n", i, round);
            test_send(fds[i], text);
        }
        for (int i = 0; i < N; i++) {
            od_buf_clear(&buf);
            assert_true(test_answer_from(fds[i], &buf, &a, false));
            snprintf(text, sizeof text, "GET /c%d-%d? x-test= body=0: loop", i, round);
            assert_string_equal(a.body, text);
        }
        assert_true(od_http_connections(server) >= N);
    }
    for (int i = 0; i < N; i++)
        close(fds[i]);
    for (int ms = 0; od_http_connections(server) > 0 && ms < PATIENCE_MS; ms += 10)
        test_sleep_ms(10);
    assert_int_equal(od_http_connections(server), 0);
    od_buf_done(&buf);
}

/* Sound requests with a few bytes changed, cut, doubled or dropped: whatever happens, the server
 * lives and serves the next one. */
static void garbage_does_no_harm(void **state)
{
    (void)state;
    static const char seed[] = "POST /a/b?x=1&y=2 HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n"
                               "Cookie: a=b; c=d\r\nX-Test: t\r\n\r\nhello"
                               "POST /c HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n"
                               "5\r\nhello\r\n0\r\n\r\n";
    struct od_random rng;
    od_random_init(&rng, 7);
    struct test_answer a;
    for (int round = 0; round < 400; round++) {
        char text[sizeof seed];
        size_t len = sizeof seed - 1;
        memcpy(text, seed, sizeof seed);
        for (uint64_t k = od_random_below(&rng, 4) + 1; k > 0; k--) {
            size_t at = od_random_below(&rng, len);
            static const char bytes[] = "\r\n\t :;,\0=&%?/*0aZ\x7f\xff\x80";
            switch (od_random_below(&rng, 3)) {
            case 0:
                text[at] = bytes[od_random_below(&rng, sizeof bytes)];
                break;
            case 1:
                memmove(text + at, text + at + 1, len - at - 1);
                len--;
                break;
            default:
                text[at] = (char)od_random_below(&rng, 256);
            }
        }
        int fd = test_connect(port);
        assert_true(test_send_bytes(fd, text, len));
        struct pollfd p = {.fd = fd, .events = POLLIN};
        poll(&p, 1, 10);
        struct linger reset = {.l_onoff = 1};
        setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        close(fd);
    }
    for (int ms = 0; od_http_connections(server) > 0 && ms < PATIENCE_MS; ms += 10)
        test_sleep_ms(10);
    assert_int_equal(od_http_connections(server), 0);
    ask("GET /alive HTTP/1.1\r\nHost: h\r\n\r\n", &a);
    assert_int_equal(a.status, 200);
}

/* --- servers with limits of their own --- */

static void slow_clients_are_closed(void **state)
{
    (void)state;
    struct od_http *http = test_start((struct od_http_config){.handle = echo, .timeout_s = 1});
    struct od_buf buf;
    od_buf_init(&buf, 1 << 20);
    int silent = test_connect(od_http_port(http));
    int half = test_connect(od_http_port(http));
    test_send(half, "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 9\r\n\r\nab");
    int64_t from = test_now_ms();
    test_read_to_end(silent, &buf, PATIENCE_MS);
    test_read_to_end(half, &buf, PATIENCE_MS);
    assert_int_equal(buf.len, 0);
    assert_true(test_now_ms() - from >= 900);
    close(silent);
    close(half);

    /* One byte at a time, never silent for long: no request takes more than twice the timeout. */
    int drip = test_connect(od_http_port(http));
    from = test_now_ms();
    test_send(drip, "GET / HTTP/1.1\r\nX: ");
    while (test_now_ms() - from < PATIENCE_MS && test_send_bytes(drip, "x", 1)) {
        struct pollfd p = {.fd = drip, .events = POLLIN};
        if (poll(&p, 1, 100) > 0)
            break;
    }
    int64_t took = test_now_ms() - from;
    assert_true(took >= 1900 && took < PATIENCE_MS);
    close(drip);
    od_buf_done(&buf);
    od_http_stop(http, 1000);
}

static void connections_beyond_the_limit_get_503(void **state)
{
    (void)state;
    struct od_http *http =
        test_start((struct od_http_config){.handle = echo, .max_connections = 2});
    struct od_buf buf;
    struct test_answer a;
    char value[256];
    od_buf_init(&buf, 1 << 20);
    int fds[2];
    for (int i = 0; i < 2; i++) {
        fds[i] = test_connect(od_http_port(http));
        test_send(fds[i], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        assert_true(test_answer_from(fds[i], &buf, &a, false));
        assert_int_equal(a.status, 200);
    }
    static const char third[] = "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nhello";
    test_ask(od_http_port(http), third, strlen(third), &a);
    assert_int_equal(a.status, 503);
    assert_string_equal(test_header(&a, "x-amzn-ErrorType", value), "ServiceUnavailableException");
    /* The first two are not disturbed, and a place given up can be taken. */
    test_send(fds[0], "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
    assert_true(test_answer_from(fds[0], &buf, &a, false));
    assert_int_equal(a.status, 200);
    close(fds[1]);
    for (int ms = 0; od_http_connections(http) > 1 && ms < PATIENCE_MS; ms += 5)
        test_sleep_ms(5);
    test_ask(od_http_port(http), third, strlen(third), &a);
    assert_int_equal(a.status, 200);

    /* Far beyond, they are closed at once. */
    int many[2 + OD_HTTP_OVERFLOW_CONNECTIONS + 10];
    size_t n = sizeof many / sizeof *many;
    for (size_t i = 0; i < n; i++)
        many[i] = test_connect(od_http_port(http));
    od_buf_clear(&buf);
    test_read_to_end(many[n - 1], &buf, PATIENCE_MS);
    assert_int_equal(buf.len, 0);
    for (size_t i = 0; i < n; i++)
        close(many[i]);
    close(fds[0]);
    od_buf_done(&buf);
    od_http_stop(http, 1000);
}

static void addresses_are_checked_and_errors_name_them(void **state)
{
    (void)state;
    struct od_http *http = NULL;
    struct od_error err = {0};
    struct od_http_config config = {.host = "127.0.0.1", .port = port, .handle = echo};
    assert_int_equal(od_http_start(&config, &http, &err), OD_IN_USE);
    char text[64];
    snprintf(text, sizeof text, "127.0.0.1:%u", port);
    assert_non_null(strstr(err.message, text));
    static const char *const bad[] = {"",         "example.org", "127.0.0.1.5", "[127.0.0.1]",
                                      "[::1",     "300.1.1.1",   "[]",          "::g",
                                      "192.0.2.1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        config = (struct od_http_config){.host = bad[i], .handle = echo};
        assert_int_equal(od_http_start(&config, &http, &err), OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, bad[i]));
    }
    config = (struct od_http_config){.handle = echo};
    assert_int_equal(od_http_start(&config, &http, &err), OD_INVALID_INPUT);
    config = (struct od_http_config){.host = "127.0.0.1", .handle = echo, .threads = 5000};
    assert_int_equal(od_http_start(&config, &http, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "5000"));
    assert_null(http);
}

static void ipv6_and_localhost_can_be_listened_on(void **state)
{
    (void)state;
    static const char *const hosts[] = {"localhost", "0.0.0.0", "[::1]", "::1", "::"};
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        struct od_http *http = NULL;
        struct od_error err;
        struct od_http_config config = {.host = hosts[i], .handle = echo, .threads = 1};
        enum od_status status = od_http_start(&config, &http, &err);
        if (status != OD_OK && i >= 2) { /* a machine without IPv6 */
            print_message("no IPv6: %s\n", err.message);
            continue;
        }
        assert_int_equal(status, OD_OK);
        struct sockaddr_in6 a = {.sin6_family = AF_INET6, .sin6_port = htons(od_http_port(http))};
        a.sin6_addr = in6addr_loopback;
        struct test_answer answer;
        if (i < 2 || i == 4) {
            static const char get[] = "GET / HTTP/1.1\r\nHost: h\r\n\r\n";
            test_ask(od_http_port(http), get, strlen(get), &answer);
            assert_int_equal(answer.status, 200);
            assert_non_null(strstr(answer.body, "loop"));
        } else {
            int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
            assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
            struct od_buf buf;
            od_buf_init(&buf, 1 << 20);
            test_send(fd, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
            assert_true(test_answer_from(fd, &buf, &answer, false));
            assert_non_null(strstr(answer.body, "loop"));
            close(fd);
            od_buf_done(&buf);
        }
        od_http_stop(http, 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_seen_as_sent_and_the_answer_has_its_headers),
        cmocka_unit_test(a_connection_is_kept_for_the_next_request),
        cmocka_unit_test(ten_requests_in_one_write_get_ten_answers_in_order),
        cmocka_unit_test(chunked_bodies_are_put_together),
        cmocka_unit_test(head_options_and_other_methods_reach_the_handler),
        cmocka_unit_test(expect_continue_is_answered_before_the_body),
        cmocka_unit_test(large_heads_get_431),
        cmocka_unit_test(large_bodies_get_413_that_the_client_can_read),
        cmocka_unit_test(endless_chunked_bodies_get_413_and_are_cut),
        cmocka_unit_test(smuggling_shapes_get_400_and_the_connection_closes),
        cmocka_unit_test(other_versions_and_broken_lines_are_refused),
        cmocka_unit_test(an_answer_that_cannot_be_sent_is_a_500),
        cmocka_unit_test(many_connections_at_once_are_all_served),
        cmocka_unit_test(garbage_does_no_harm),
        cmocka_unit_test(slow_clients_are_closed),
        cmocka_unit_test(connections_beyond_the_limit_get_503),
        cmocka_unit_test(addresses_are_checked_and_errors_name_them),
        cmocka_unit_test(ipv6_and_localhost_can_be_listened_on),
    };
    return cmocka_run_group_tests(tests, start_server, stop_server);
}
