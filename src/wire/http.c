/* The HTTP door: starting, stopping, and what the handler asks of a request.
 *
 * Threads. One door thread accepts and enforces deadlines (http_door.c). `threads` workers, each a
 * libmicrohttpd daemon with its own epoll set and a loop of ours around it (http_loop.c), read,
 * parse, call the handler and write (http_exchange.c). A handler that must wait gives its worker
 * back and has od_http_finish called later. Nothing else: no thread a connection, no queue between
 * threads.
 *
 * Stopping, in this order, so that no answer that can still be given is lost:
 *   1. stopping: the door closes the listening socket; every answer from now on closes its
 *      connection.
 *   2. up to grace_ms for the running requests to end.
 *   3. abandoning: what still waits for od_http_finish is answered 503, and nothing may wait any
 *      more. A moment for these answers to leave.
 *   4. the door thread ends, and the workers take what it handed over last: libmicrohttpd clears
 *      its queue of new connections without its lock when stopped. Then each worker's
 *      thread ends, after the handler it is in and a last call of settle, and its daemon.
 *   5. struct od_http goes with its last reference: an exchange whose handler has yet to call
 *      od_http_finish keeps it.
 *
 * Locks: http->lock may be held when libmicrohttpd takes its own (suspend, resume); http->conn_lock
 * is a leaf. Neither is taken for a request that is answered at once. */
#include "wire/http_inner.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"
#include "os/parallel.h"

#define FLUSH_MS        1000 /* for the 503s of step 3 to leave */
#define MAX_THREADS     1024
#define MAX_CONNECTIONS 1000000
#define MAX_TIMEOUT_S   86400
#define MAX_BODY_BYTES  (1 << 30)

struct od_str od_http_header(const struct od_http_request *request, const char *name)
{
    struct od_str wanted = od_str_c(name);
    for (size_t i = request->header_count; i-- > 0;)
        if (od_str_eq_nocase(request->headers[i].name, wanted))
            return request->headers[i].value;
    return OD_STR_NONE;
}

uint16_t od_http_port(const struct od_http *http)
{
    return http->port;
}

unsigned od_http_connections(const struct od_http *http)
{
    return atomic_load(&((struct od_http *)(uintptr_t)http)->connections);
}

void od_http_unref(struct od_http *http)
{
    if (atomic_fetch_sub(&http->refs, 1) != 1)
        return;
    for (size_t i = 0; i < http->conn_capacity; i++)
        free(http->conns[i]);
    free(http->conns);
    free(http->workers);
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    if (http->wake_fd >= 0)
        close(http->wake_fd);
    pthread_cond_destroy(&http->idle);
    pthread_mutex_destroy(&http->lock);
    pthread_mutex_destroy(&http->conn_lock);
    free(http);
}

static struct od_http *new_http(const struct od_http_config *config)
{
    struct od_http *http = calloc(1, sizeof *http);
    if (!http)
        return NULL;
    http->config = *config;
    http->config.host = NULL;
    if (!config->io)
        http->config.io = &od_io_real;
    if (!config->threads)
        http->config.threads = od_cpu_count();
    if (!config->max_connections)
        http->config.max_connections = OD_MAX_CONNECTIONS;
    if (!config->max_body_bytes)
        http->config.max_body_bytes = OD_MAX_BODY_BYTES;
    if (!config->timeout_s)
        http->config.timeout_s = OD_REQUEST_TIMEOUT_S;
    http->listen_fd = http->wake_fd = -1;
    atomic_init(&http->refs, 1);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&http->idle, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&http->lock, NULL);
    pthread_mutex_init(&http->conn_lock, NULL);
    return http;
}

static void stop_workers(struct od_http *http)
{
    od_http_workers_stop(http->workers, http->worker_count);
    http->worker_count = 0;
}

static enum od_status start_threads(struct od_http *http, struct od_error *err)
{
    http->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (http->wake_fd < 0)
        return od_fail_errno(err, "cannot make an eventfd for the HTTP server");
    http->workers = calloc(http->config.threads, sizeof *http->workers);
    if (!http->workers)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (unsigned i = 0; i < http->config.threads; i++) {
        enum od_status status = od_http_worker_start(&http->workers[i], http, err);
        if (status != OD_OK)
            return status;
        http->worker_count = i + 1;
    }
    int failed = pthread_create(&http->door, NULL, od_http_door, http);
    if (failed) {
        errno = failed;
        return od_fail_errno(err, "cannot start the thread that accepts connections");
    }
    return OD_OK;
}

/* Bounds that keep the sums made of these values in range. */
static enum od_status check_config(const struct od_http_config *config, struct od_error *err)
{
    assert(config->handle);
    if (config->threads > MAX_THREADS)
        return od_fail(err, OD_INVALID_INPUT, "HTTP threads %u: at most %d are possible.",
                       config->threads, MAX_THREADS);
    if (config->max_connections > MAX_CONNECTIONS)
        return od_fail(err, OD_INVALID_INPUT, "HTTP connections %u: at most %d are possible.",
                       config->max_connections, MAX_CONNECTIONS);
    if (config->timeout_s > MAX_TIMEOUT_S)
        return od_fail(err, OD_INVALID_INPUT, "HTTP timeout %u s: at most %d s are possible.",
                       config->timeout_s, MAX_TIMEOUT_S);
    if (config->max_body_bytes > MAX_BODY_BYTES)
        return od_fail(err, OD_INVALID_INPUT, "HTTP body limit %zu: at most %d are possible.",
                       config->max_body_bytes, MAX_BODY_BYTES);
    return OD_OK;
}

enum od_status od_http_start(const struct od_http_config *config, struct od_http **out,
                             struct od_error *err)
{
    enum od_status checked = check_config(config, err);
    if (checked != OD_OK)
        return checked;
    struct od_http *http = new_http(config);
    if (!http)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status status =
        od_http_listen(config->host, config->port, &http->listen_fd, &http->port, err);
    if (status == OD_OK)
        status = start_threads(http, err);
    if (status != OD_OK) {
        stop_workers(http);
        od_http_unref(http);
        return status;
    }
    *out = http;
    return OD_OK;
}

/* Waits until no request is running, at most for ms; the lock is held. */
static void wait_idle(struct od_http *http, int ms)
{
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (atomic_load(&http->running) > 0)
        if (pthread_cond_timedwait(&http->idle, &http->lock, &until) == ETIMEDOUT)
            return;
}

void od_http_stop(struct od_http *http, int grace_ms)
{
    if (!http)
        return;
    atomic_store(&http->stopping, true);
    od_http_wake(http->wake_fd);
    pthread_mutex_lock(&http->lock);
    wait_idle(http, grace_ms > 0 ? grace_ms : 0);
    http->abandoning = true;
    if (http->waiting) {
        od_http_abandon_waiting(http);
        wait_idle(http, FLUSH_MS);
    }
    pthread_mutex_unlock(&http->lock);
    atomic_store(&http->door_quits, true);
    od_http_wake(http->wake_fd);
    pthread_join(http->door, NULL);
    od_http_settle(http);
    stop_workers(http);
    od_http_unref(http);
}
