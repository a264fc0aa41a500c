/* What the files of the HTTP door share; nobody else includes this. Overview: http.c. */
#ifndef OD_WIRE_HTTP_INNER_H
#define OD_WIRE_HTTP_INNER_H

#include <microhttpd.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>

#include "wire/http.h"

/* What a connection is busy with; only READING and WRITING have a deadline. */
enum od_http_phase { OD_HTTP_READING, OD_HTTP_HANDLING, OD_HTTP_WRITING };

/* One accepted connection. Owned by the table of struct od_http, from accept until libmicrohttpd
 * says it is closed. */
struct od_http_conn {
    int fd;
    unsigned daemon; /* index of the daemon that serves it */
    bool overflow;   /* beyond max_connections: its requests get a 503 */
    bool started;    /* libmicrohttpd has taken it: the fd is surely open */
    _Atomic int phase;
    _Atomic int64_t since_ns; /* when the phase began */
    uint64_t serial;          /* no other connection's */
    struct sockaddr_storage address;
    socklen_t address_len;
    struct od_http_conn *next_handed;
};

/* An HTTP thread and its daemon. */
struct od_http_worker {
    struct od_http *http;
    struct MHD_Daemon *daemon;
    pthread_t thread;
    atomic_bool quits;
    int epoll_fd; /* the daemon's */
    int wake_fd;  /* eventfd: something was handed over or resumed, or the thread is to end */
    bool resumed; /* by the thread itself, which is not to sleep before its next round */
    atomic_uint connections;
    struct od_http_conn *handed; /* by the door, yet to be taken; http->conn_lock */
};

struct od_http {
    struct od_http_config config; /* defaults filled in; host is NULL */
    uint16_t port;
    int listen_fd; /* closed by the door thread when stopping; -1 after */
    int wake_fd;   /* eventfd: wakes the door thread */
    pthread_t door;
    uint64_t serials; /* given to connections; door thread */
    struct od_http_worker *workers;
    unsigned worker_count;
    atomic_uint connections;
    atomic_uint running;    /* requests between their head and the last byte of the answer */
    atomic_bool stopping;   /* no new connection; answers close theirs */
    atomic_bool door_quits; /* the door thread ends */
    atomic_uint refs;       /* the owner, and each exchange a handler may still finish */

    pthread_mutex_t lock; /* guards the three below, and every suspend and resume */
    pthread_cond_t idle;  /* running fell to 0 */
    bool abandoning;      /* grace is over: nothing may wait any more */
    struct od_http_exchange *waiting;

    pthread_mutex_t conn_lock;   /* guards the table; a leaf */
    struct od_http_conn **conns; /* by fd */
    size_t conn_capacity;
};

/* http_listen.c: a listening, non-blocking socket. */
enum od_status od_http_listen(const char *host, uint16_t port, int *out_fd, uint16_t *out_port,
                              struct od_error *err) OD_MUST_USE;

/* http_door.c: the thread that accepts and enforces deadlines. context: struct od_http. */
void *od_http_door(void *context);
/* Writes to an eventfd: the door's or a worker's. */
void od_http_wake(int wake_fd);
/* Gives the daemon the connections that were handed to the worker. Its thread. */
void od_http_take_handed(struct od_http_worker *worker);
/* Closes them instead; no thread runs any more. */
void od_http_close_handed(struct od_http_worker *worker);
/* Waits, for a second at most, until the workers have taken every connection handed to them. The
 * door thread must have ended. */
void od_http_settle(struct od_http *http);
/* MHD_NotifyConnectionCallback. */
void od_http_on_connection(void *context, struct MHD_Connection *connection, void **socket_context,
                           enum MHD_ConnectionNotificationCode code);
void od_http_enter_phase(const struct od_http *http, struct od_http_conn *conn,
                         enum od_http_phase phase);

/* http_loop.c: starts a worker's daemon and thread; on failure nothing of it is left. */
enum od_status od_http_worker_start(struct od_http_worker *worker, struct od_http *http,
                                    struct od_error *err) OD_MUST_USE;
/* A connection of the daemon was resumed. Any thread. */
void od_http_worker_resumed(struct od_http_worker *worker);
/* Ends the threads, then the daemons. Of workers that were started. */
void od_http_workers_stop(struct od_http_worker *workers, unsigned count);

/* http_exchange.c: libmicrohttpd's callbacks of a request. context: struct od_http. */
void *od_http_on_target(void *context, const char *target, struct MHD_Connection *connection);
enum MHD_Result od_http_on_access(void *context, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *upload,
                                  size_t *upload_size, void **exchange);
void od_http_on_completed(void *context, struct MHD_Connection *connection, void **exchange,
                          enum MHD_RequestTerminationCode code);
/* Answers 503 to every waiting exchange; the lock is held. */
void od_http_abandon_waiting(struct od_http *http);

/* http_answer.c */
/* The response as libmicrohttpd has it; its body's memory, or its source, moves there. arena: for
 * copies that may go once this returns. NULL: it could not be built. Any thread. */
struct MHD_Response *od_http_make(const struct od_http *http, struct od_http_conn *conn,
                                  struct od_http_response *response, struct od_arena *arena);
/* Gives made, which stays the caller's, to libmicrohttpd; for NULL a 500. MHD_NO: close the
 * connection. */
enum MHD_Result od_http_send(struct MHD_Connection *connection, int status,
                             struct MHD_Response *made, bool close);
/* A refusal of the door's own; the connection is closed after it. */
enum MHD_Result od_http_send_refusal(struct MHD_Connection *connection, int status,
                                     const char *message);
/* The same, written to the socket at once, for when libmicrohttpd takes no answer; the caller
 * closes the connection. */
void od_http_force_refusal(struct MHD_Connection *connection, int status, const char *message,
                           int64_t now_ms);
/* A whole response of the handler's likewise; its body is short. */
void od_http_force_response(struct MHD_Connection *connection,
                            const struct od_http_response *response, int64_t now_ms);

/* http.c */
void od_http_unref(struct od_http *http);

#endif
