/* The door thread: accepts connections, deals them out to the workers, and closes the slow.
 *
 * libmicrohttpd could accept by itself, but then (0.9.75) every worker wakes for every connection,
 * a worker at its own share of the limit leaves callers hanging in the kernel's queue while another
 * worker is idle, and stopping to accept under load can race into its panic. So each worker is a
 * daemon of its own without a listening socket, and this one thread hands each connection to the
 * worker that has the fewest.
 *
 * Limits on connections. Up to max_connections are served. The next OD_HTTP_OVERFLOW_CONNECTIONS
 * are accepted too, only to answer their first request with a 503 that a client can read. Beyond
 * that they are closed at once.
 *
 * Limits on time. libmicrohttpd closes a connection that moved no byte for timeout_s. A client that
 * sends one byte every now and then would defeat that, so this thread also looks, a few times a
 * timeout, for connections that have been reading one request or writing one answer for more than
 * twice timeout_s, and shuts their sockets down; libmicrohttpd then sees the end of the stream. A
 * client that is idle for less than timeout_s and sends its request within timeout_s is never hit.
 *
 * The table of connections is indexed by file descriptor. Invariants: an entry that is `started`
 * has an open fd, because libmicrohttpd reports a close before it closes; an entry that waits to be
 * taken has one too; entries are added by this thread only, and removed by the workers. */
#include "wire/http_inner.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/limits.h"

#define NS_PER_MS        1000000LL
#define ACCEPT_BATCH     64
#define SHORTAGE_WAIT_MS 50 /* no file descriptors or memory: let some connection end */
#define SETTLE_MS        1000

static int64_t now_ns(const struct od_http *http)
{
    return http->config.io->monotonic_ns(http->config.io);
}

void od_http_enter_phase(const struct od_http *http, struct od_http_conn *conn,
                         enum od_http_phase phase)
{
    atomic_store_explicit(&conn->since_ns, now_ns(http), memory_order_relaxed);
    atomic_store_explicit(&conn->phase, phase, memory_order_release);
}

/* Room for fd in the table; the lock is held. */
static bool reserve_entry(struct od_http *http, size_t fd)
{
    if (fd < http->conn_capacity)
        return true;
    size_t capacity = http->conn_capacity ? http->conn_capacity : 64;
    while (capacity <= fd)
        capacity *= 2;
    struct od_http_conn **grown = realloc(http->conns, capacity * sizeof(struct od_http_conn *));
    if (!grown)
        return false;
    memset(grown + http->conn_capacity, 0,
           (capacity - http->conn_capacity) * sizeof(struct od_http_conn *));
    http->conns = grown;
    http->conn_capacity = capacity;
    return true;
}

/* Counts conn out and frees it; the lock is held. */
static void remove_entry(struct od_http *http, struct od_http_conn *conn)
{
    http->conns[conn->fd] = NULL;
    atomic_fetch_sub(&http->connections, 1);
    atomic_fetch_sub(&http->workers[conn->daemon].connections, 1);
    free(conn);
}

static unsigned least_loaded(const struct od_http *http)
{
    unsigned best = 0;
    for (unsigned i = 1; i < http->worker_count; i++)
        if (atomic_load(&http->workers[i].connections) <
            atomic_load(&http->workers[best].connections))
            best = i;
    return best;
}

static struct od_http_conn *add_entry(struct od_http *http, int fd)
{
    struct od_http_conn *conn = calloc(1, sizeof *conn);
    if (!conn)
        return NULL;
    conn->fd = fd;
    conn->serial = ++http->serials;
    conn->daemon = least_loaded(http);
    conn->overflow = atomic_load(&http->connections) >= http->config.max_connections;
    od_http_enter_phase(http, conn, OD_HTTP_READING);
    pthread_mutex_lock(&http->conn_lock);
    bool ok = reserve_entry(http, (size_t)fd);
    if (ok) {
        /* An entry may be left of a connection libmicrohttpd dropped for lack of memory before it
         * told us of it; its fd is free again, or we would not have got it. */
        if (http->conns[fd])
            remove_entry(http, http->conns[fd]);
        http->conns[fd] = conn;
        atomic_fetch_add(&http->connections, 1);
        atomic_fetch_add(&http->workers[conn->daemon].connections, 1);
    }
    pthread_mutex_unlock(&http->conn_lock);
    if (!ok)
        free(conn);
    return ok ? conn : NULL;
}

static void hand_over(struct od_http *http, int fd, const struct sockaddr_storage *address,
                      socklen_t len)
{
    unsigned most = http->config.max_connections + OD_HTTP_OVERFLOW_CONNECTIONS;
    struct od_http_conn *conn = atomic_load(&http->connections) < most ? add_entry(http, fd) : NULL;
    if (!conn) {
        close(fd);
        return;
    }
    struct od_http_worker *worker = &http->workers[conn->daemon];
    conn->address = *address;
    conn->address_len = len;
    pthread_mutex_lock(&http->conn_lock);
    conn->next_handed = worker->handed;
    worker->handed = conn;
    pthread_mutex_unlock(&http->conn_lock);
    od_http_wake(worker->wake_fd);
}

/* A failure closes the fd, which may come back as another connection's at once: the entry is known
 * by its serial number. */
static void take(struct od_http_worker *worker, struct od_http_conn *conn)
{
    struct od_http *http = worker->http;
    int fd = conn->fd;
    uint64_t serial = conn->serial;
    struct sockaddr_storage address = conn->address;
    if (MHD_add_connection(worker->daemon, fd, (const struct sockaddr *)&address,
                           conn->address_len) == MHD_YES)
        return;
    pthread_mutex_lock(&http->conn_lock);
    if (http->conns[fd] && http->conns[fd]->serial == serial)
        remove_entry(http, http->conns[fd]);
    pthread_mutex_unlock(&http->conn_lock);
}

void od_http_take_handed(struct od_http_worker *worker)
{
    pthread_mutex_lock(&worker->http->conn_lock);
    struct od_http_conn *list = worker->handed;
    worker->handed = NULL;
    pthread_mutex_unlock(&worker->http->conn_lock);
    while (list) {
        struct od_http_conn *conn = list;
        list = conn->next_handed; /* conn may be gone once it is taken */
        take(worker, conn);
    }
}

void od_http_close_handed(struct od_http_worker *worker)
{
    for (struct od_http_conn *conn = worker->handed; conn; conn = conn->next_handed)
        close(conn->fd); /* the table frees the entry */
    worker->handed = NULL;
}

void od_http_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code)
{
    struct od_http *http = context;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    pthread_mutex_lock(&http->conn_lock);
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        struct od_http_conn *conn = http->conns[info->connect_fd];
        conn->started = true;
        *socket_context = conn;
    } else {
        remove_entry(http, *socket_context);
        *socket_context = NULL;
    }
    pthread_mutex_unlock(&http->conn_lock);
}

/* Milliseconds to wait before accepting again; 0 when all went well. */
static int accept_batch(struct od_http *http)
{
    for (int i = 0; i < ACCEPT_BATCH; i++) {
        struct sockaddr_storage address = {0};
        socklen_t len = sizeof address;
        int fd = accept4(http->listen_fd, (struct sockaddr *)&address, &len,
                         SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0)
            hand_over(http, fd, &address, len);
        else if (errno == EAGAIN || errno == EWOULDBLOCK)
            return 0;
        else if (errno != EINTR && errno != ECONNABORTED)
            return SHORTAGE_WAIT_MS;
    }
    return 0;
}

static void close_slow(struct od_http *http)
{
    int64_t now = now_ns(http);
    int64_t longest = 2000 * NS_PER_MS * http->config.timeout_s;
    pthread_mutex_lock(&http->conn_lock);
    for (size_t fd = 0; fd < http->conn_capacity; fd++) {
        struct od_http_conn *conn = http->conns[fd];
        if (!conn || !conn->started)
            continue;
        int phase = atomic_load_explicit(&conn->phase, memory_order_acquire);
        int64_t since = atomic_load_explicit(&conn->since_ns, memory_order_relaxed);
        if (phase != OD_HTTP_HANDLING && now - since > longest)
            shutdown(conn->fd, SHUT_RDWR);
    }
    pthread_mutex_unlock(&http->conn_lock);
}

static bool all_started(struct od_http *http)
{
    bool all = true;
    pthread_mutex_lock(&http->conn_lock);
    for (size_t fd = 0; fd < http->conn_capacity && all; fd++)
        all = !http->conns[fd] || http->conns[fd]->started;
    pthread_mutex_unlock(&http->conn_lock);
    return all;
}

void od_http_settle(struct od_http *http)
{
    const struct timespec nap = {0, NS_PER_MS};
    for (int ms = 0; ms < SETTLE_MS && !all_started(http); ms++)
        nanosleep(&nap, NULL);
}

void od_http_wake(int wake_fd)
{
    while (eventfd_write(wake_fd, 1) && errno == EINTR)
        ;
}

static void stop_listening(struct od_http *http)
{
    if (http->listen_fd >= 0)
        close(http->listen_fd);
    http->listen_fd = -1;
}

void *od_http_door(void *context)
{
    struct od_http *http = context;
    int64_t tick_ms = http->config.timeout_s >= 4 ? 1000 : 250;
    int64_t next_sweep = now_ns(http) + tick_ms * NS_PER_MS;
    int shortage_ms = 0;
    while (!atomic_load(&http->door_quits)) {
        if (atomic_load(&http->stopping))
            stop_listening(http);
        int64_t wait_ms = (next_sweep - now_ns(http)) / NS_PER_MS + 1;
        if (shortage_ms && wait_ms > shortage_ms)
            wait_ms = shortage_ms;
        /* poll ignores negative descriptors: the listening one while short of resources or closed
         */
        struct pollfd fds[2] = {{.fd = http->wake_fd, .events = POLLIN},
                                {.fd = shortage_ms ? -1 : http->listen_fd, .events = POLLIN}};
        int ready = poll(fds, 2, wait_ms > 0 ? (int)wait_ms : 0);
        shortage_ms = ready > 0 && fds[1].revents ? accept_batch(http) : 0;
        if (now_ns(http) >= next_sweep) {
            close_slow(http);
            next_sweep = now_ns(http) + tick_ms * NS_PER_MS;
        }
        eventfd_t drained;
        if (ready > 0 && fds[0].revents)
            eventfd_read(http->wake_fd, &drained);
    }
    stop_listening(http);
    return NULL;
}
