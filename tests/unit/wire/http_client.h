/* A raw HTTP client for the tests of the door: what is sent is what the test wrote, byte for byte.
 * Included by one test program at a time. */
#ifndef OD_TEST_HTTP_CLIENT_H
#define OD_TEST_HTTP_CLIENT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "wire/http.h"

#define TEST_FN     static __attribute__((unused))
#define PATIENCE_MS 20000 /* far above what a loaded machine needs */

TEST_FN int64_t test_now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

TEST_FN void test_sleep_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    while (nanosleep(&t, &t) && errno == EINTR)
        ;
}

TEST_FN int test_try_connect(uint16_t port)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
    a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    if (!connect(fd, (struct sockaddr *)&a, sizeof a))
        return fd;
    close(fd);
    return -1;
}

TEST_FN int test_connect(uint16_t port)
{
    int fd = test_try_connect(port);
    assert_true(fd >= 0);
    return fd;
}

/* False when the peer closed before all was taken. */
TEST_FN bool test_send_bytes(int fd, const char *bytes, size_t len)
{
    while (len) {
        ssize_t n = send(fd, bytes, len, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return false;
        bytes += n;
        len -= (size_t)n;
    }
    return true;
}

TEST_FN void test_send(int fd, const char *text)
{
    assert_true(test_send_bytes(fd, text, strlen(text)));
}

/* Adds what arrives within ms to buf: > 0 bytes, 0 end of stream (or reset), -1 nothing came. */
TEST_FN ssize_t test_receive(int fd, struct od_buf *buf, int ms)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, ms) <= 0)
        return -1;
    char *room = od_buf_reserve(buf, 65536);
    assert_non_null(room);
    ssize_t n = recv(fd, room, 65536, 0);
    if (n <= 0)
        return 0;
    od_buf_commit(buf, (size_t)n);
    return n;
}

struct test_answer {
    int status;
    char head[4096]; /* with its blank line */
    char body[65536];
    size_t body_len;
};

TEST_FN const char *test_header(const struct test_answer *answer, const char *name, char out[256])
{
    size_t len = strlen(name);
    for (const char *line = strstr(answer->head, "\r\n"); line; line = strstr(line, "\r\n")) {
        line += 2;
        if (!strncasecmp(line, name, len) && line[len] == ':') {
            const char *value = line + len + 1 + strspn(line + len + 1, " ");
            snprintf(out, 256, "%.*s", (int)strcspn(value, "\r"), value);
            return out;
        }
    }
    return NULL;
}

/* Takes one answer off the front of buf when it is whole. */
TEST_FN bool test_take_answer(struct od_buf *buf, struct test_answer *out, bool to_head)
{
    char *end = buf->ptr ? strstr(buf->ptr, "\r\n\r\n") : NULL;
    if (!end)
        return false;
    size_t head = (size_t)(end + 4 - buf->ptr);
    assert_true(head < sizeof out->head);
    memcpy(out->head, buf->ptr, head);
    out->head[head] = '\0';
    char value[256];
    const char *length = test_header(out, "Content-Length", value);
    size_t body = length && !to_head ? (size_t)strtoul(length, NULL, 10) : 0;
    if (buf->len < head + body)
        return false;
    assert_true(body < sizeof out->body);
    memcpy(out->body, buf->ptr + head, body);
    out->body[body] = '\0';
    out->body_len = body;
    out->status = (int)strtol(out->head + strlen("HTTP/1.1 "), NULL, 10);
    memmove(buf->ptr, buf->ptr + head + body, buf->len - head - body);
    buf->len -= head + body;
    buf->ptr[buf->len] = '\0';
    return true;
}

/* Reads one answer; buf keeps what came beyond it. False when the stream ended before. */
TEST_FN bool test_answer_from(int fd, struct od_buf *buf, struct test_answer *out, bool to_head)
{
    while (!test_take_answer(buf, out, to_head)) {
        ssize_t n = test_receive(fd, buf, PATIENCE_MS);
        assert_true(n >= 0); /* otherwise the server is silent */
        if (n == 0)
            return false;
    }
    return true;
}

/* Sends a request on a connection of its own and gives the first answer; .status 0 when the
 * connection was closed without one. */
TEST_FN void test_ask(uint16_t port, const char *request, size_t len, struct test_answer *out)
{
    struct od_buf buf;
    od_buf_init(&buf, 1 << 24);
    *out = (struct test_answer){0};
    int fd = test_connect(port);
    test_send_bytes(fd, request, len);
    if (!test_answer_from(fd, &buf, out, !strncmp(request, "HEAD ", 5)))
        out->status = 0;
    close(fd);
    od_buf_done(&buf);
}

/* Reads until the end of the stream; fails when the server keeps it open for ms. */
TEST_FN void test_read_to_end(int fd, struct od_buf *buf, int ms)
{
    int64_t until = test_now_ms() + ms;
    for (;;) {
        int64_t left = until - test_now_ms();
        ssize_t n = test_receive(fd, buf, left > 0 ? (int)left : 0);
        assert_true(n >= 0);
        if (n == 0)
            return;
    }
}

TEST_FN struct od_http *test_start(struct od_http_config config)
{
    struct od_http *http = NULL;
    struct od_error err = {0};
    if (!config.host)
        config.host = "127.0.0.1";
    if (!config.threads)
        config.threads = 2;
    enum od_status status = od_http_start(&config, &http, &err);
    if (status != OD_OK)
        print_error("%s\n", err.message);
    assert_int_equal(status, OD_OK);
    assert_true(od_http_port(http) != 0);
    return http;
}

#endif
