/* A worker: a thread of ours that runs one libmicrohttpd daemon, round by round.
 *
 * A round is: sleep until something has come (unless work is left over), take the connections the
 * door handed over, let libmicrohttpd read, parse, call the handler and write, and then call
 * settle.
 *
 * Why the loop is ours and not libmicrohttpd's. Whoever answers many requests wants to know that
 * all that had come is at hand: then requests can be answered together, and chosen among when there
 * are too many. That moment is the end of a round. A handler puts its request aside and returns
 * false; settle answers some of what was put aside, with od_http_finish, on the same thread: no
 * other thread is asked, and nobody waits for company, because a round ends as soon as nothing more
 * has come. While settle says that more is left, rounds follow each other without sleep, so that
 * new requests are seen, and answers of other kinds leave, between two helpings.
 *
 * libmicrohttpd (0.9.75) without a thread of its own processes a connection on the thread that adds
 * it, so the door hands connections over in a list, and they are added here. Neither does a resume
 * wake it: who resumes, hands over or ends writes to an eventfd that the sleep watches beside the
 * daemon's epoll set. A resume on this thread, from settle, is a flag and costs no system call.
 *
 * The end: after the last round settle is called once more, closing; it finishes all that was put
 * aside. The daemons are stopped when every thread has ended. */
#include "wire/http_inner.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/limits.h"

/* A connection's memory: the head as it is read, its parsed list, and the answer's head. */
#define CONNECTION_MEMORY (OD_MAX_HEADER_BYTES + 16 * 1024)

/* libmicrohttpd decodes targets in place; the exchange took its copy before, so save the work. */
static size_t keep_encoded(void *context, struct MHD_Connection *connection, char *text)
{
    (void)context, (void)connection;
    return strlen(text);
}

static struct MHD_Daemon *start_daemon(struct od_http *http)
{
    unsigned most = http->config.max_connections + OD_HTTP_OVERFLOW_CONNECTIONS;
    return MHD_start_daemon(
        MHD_USE_EPOLL | MHD_USE_NO_LISTEN_SOCKET | MHD_ALLOW_SUSPEND_RESUME, 0, NULL, NULL,
        od_http_on_access, http, MHD_OPTION_URI_LOG_CALLBACK, od_http_on_target, http,
        MHD_OPTION_NOTIFY_COMPLETED, od_http_on_completed, http, MHD_OPTION_NOTIFY_CONNECTION,
        od_http_on_connection, http, MHD_OPTION_UNESCAPE_CALLBACK, keep_encoded, NULL,
        MHD_OPTION_STRICT_FOR_CLIENT, 0, MHD_OPTION_CONNECTION_TIMEOUT, http->config.timeout_s,
        MHD_OPTION_CONNECTION_LIMIT, most, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
        (size_t)CONNECTION_MEMORY, MHD_OPTION_END);
}

/* Until something has come, or a connection's time is over; not at all when work is left. */
static void sleep_until_ready(struct od_http_worker *worker, bool more)
{
    MHD_UNSIGNED_LONG_LONG ms = 0;
    bool resumed = worker->resumed;
    worker->resumed = false;
    if (more || resumed)
        return;
    bool bounded = MHD_get_timeout(worker->daemon, &ms) == MHD_YES;
    if (bounded && ms == 0)
        return;
    struct pollfd fds[2] = {{.fd = worker->epoll_fd, .events = POLLIN},
                            {.fd = worker->wake_fd, .events = POLLIN}};
    int ready = poll(fds, 2, !bounded ? -1 : ms < INT_MAX ? (int)ms : INT_MAX);
    eventfd_t drained;
    if (ready > 0 && fds[1].revents)
        eventfd_read(worker->wake_fd, &drained);
}

void od_http_worker_resumed(struct od_http_worker *worker)
{
    if (pthread_equal(pthread_self(), worker->thread))
        worker->resumed = true;
    else
        od_http_wake(worker->wake_fd);
}

static bool settle(struct od_http_worker *worker, bool closing)
{
    const struct od_http_config *config = &worker->http->config;
    unsigned index = (unsigned)(worker - worker->http->workers);
    return config->settle && config->settle(config->context, index, closing);
}

static void *run(void *context)
{
    struct od_http_worker *worker = context;
    bool more = false;
    while (!atomic_load(&worker->quits)) {
        sleep_until_ready(worker, more);
        od_http_take_handed(worker);
        MHD_run(worker->daemon);
        more = settle(worker, false);
    }
    while (settle(worker, true))
        ;
    return NULL;
}

enum od_status od_http_worker_start(struct od_http_worker *worker, struct od_http *http,
                                    struct od_error *err)
{
    worker->http = http;
    worker->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    worker->daemon = worker->wake_fd >= 0 ? start_daemon(http) : NULL;
    int failed = worker->daemon ? 0 : errno;
    if (worker->daemon) {
        worker->epoll_fd = MHD_get_daemon_info(worker->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
        failed = pthread_create(&worker->thread, NULL, run, worker);
        if (!failed)
            return OD_OK;
        MHD_stop_daemon(worker->daemon);
    }
    if (worker->wake_fd >= 0)
        close(worker->wake_fd);
    errno = failed;
    return od_fail_errno(err, "cannot start HTTP thread %u of %u",
                         (unsigned)(worker - http->workers) + 1, http->config.threads);
}

void od_http_workers_stop(struct od_http_worker *workers, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        atomic_store(&workers[i].quits, true);
        od_http_wake(workers[i].wake_fd);
    }
    for (unsigned i = 0; i < count; i++)
        pthread_join(workers[i].thread, NULL);
    for (unsigned i = 0; i < count; i++) {
        MHD_stop_daemon(workers[i].daemon);
        od_http_close_handed(&workers[i]);
        close(workers[i].wake_fd);
    }
}
