/* A listening TCP socket from the host and port an operator wrote.
 *
 * Only literal addresses and the word localhost are taken: a name would make the start depend on a
 * resolver, and could bind somewhere the operator did not mean. TCP_NODELAY is set on the listening
 * socket because Linux hands it down to every accepted one. */
#include "wire/http_inner.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_host(struct od_str host, uint16_t port, union address *out, socklen_t *out_len)
{
    char text[INET6_ADDRSTRLEN];
    bool bracketed = host.len >= 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (bracketed)
        host = od_str_sub(host, 1, host.len - 2);
    if (od_str_eq_nocase(host, OD_STR("localhost")) && !bracketed)
        host = OD_STR("127.0.0.1");
    if (!host.len || host.len >= sizeof text)
        return false;
    memcpy(text, host.ptr, host.len);
    text[host.len] = '\0';
    *out = (union address){0};
    if (!bracketed && inet_pton(AF_INET, text, &out->v4.sin_addr) == 1) {
        out->v4.sin_family = AF_INET;
        out->v4.sin_port = htons(port);
        *out_len = sizeof out->v4;
        return true;
    }
    if (inet_pton(AF_INET6, text, &out->v6.sin6_addr) == 1) {
        out->v6.sin6_family = AF_INET6;
        out->v6.sin6_port = htons(port);
        *out_len = sizeof out->v6;
        return true;
    }
    return false;
}

/* True when fd listens on address; errno tells otherwise. */
static bool bind_and_listen(int fd, const union address *address, socklen_t len)
{
    int on = 1, off = 0;
    if (address->any.sa_family == AF_INET6 &&
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off))
        return false;
    return !setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) &&
           !setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on) &&
           !bind(fd, &address->any, len) && !listen(fd, SOMAXCONN);
}

static bool bound_port(int fd, uint16_t *out)
{
    union address bound;
    socklen_t len = sizeof bound;
    if (getsockname(fd, &bound.any, &len))
        return false;
    *out = ntohs(bound.any.sa_family == AF_INET ? bound.v4.sin_port : bound.v6.sin6_port);
    return true;
}

enum od_status od_http_listen(const char *host, uint16_t port, int *out_fd, uint16_t *out_port,
                              struct od_error *err)
{
    union address address;
    socklen_t len;
    if (!parse_host(od_str_c(host), port, &address, &len))
        return od_fail(err, OD_INVALID_INPUT,
                       "Cannot listen on host '%s': it must be an IPv4 or IPv6 address or "
                       "localhost.",
                       host ? host : "");
    int fd = socket(address.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return od_fail_errno(err, "cannot open a socket for %s:%u", host, port);
    uint16_t bound = 0;
    if (bind_and_listen(fd, &address, len) && bound_port(fd, &bound)) {
        *out_fd = fd;
        *out_port = bound;
        return OD_OK;
    }
    int reason = errno;
    close(fd);
    if (reason == EADDRINUSE)
        return od_fail(err, OD_IN_USE,
                       "Cannot listen on %s:%u: another program already uses this address.", host,
                       port);
    if (reason == EADDRNOTAVAIL)
        return od_fail(err, OD_INVALID_INPUT,
                       "Cannot listen on %s:%u: this machine has no such address.", host, port);
    errno = reason;
    return od_fail_errno(err, "cannot listen on %s:%u", host, port);
}
