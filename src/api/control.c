/* The control socket: see control.h. One thread, one connection at a time. */
#include "api/control.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "api/attach.h"
#include "api/capacity.h"
#include "api/explain.h"
#include "api/runner.h"
#include "base/limits.h"

#define SOCKET_NAME     "control.sock"
#define LINE_MAX_BYTES  65536
#define REPLY_MAX_BYTES (8u << 20) /* an explanation of 100 items is the longest */
#define ARENA_MAX_BYTES (64u << 20)
#define MOST_CEILING    1000000000
#define PATIENCE_S      5  /* of the server, for a slow other side */
#define ASK_PATIENCE_S  60 /* of the command: a server may be busy with a commit */

struct od_control {
    struct od_app *app;
    pthread_t thread;
    int listener, quit;
    struct sockaddr_un address;
};

static bool set_address(const char *folder, struct sockaddr_un *out)
{
    *out = (struct sockaddr_un){.sun_family = AF_UNIX};
    int n = snprintf(out->sun_path, sizeof out->sun_path, "%s/" SOCKET_NAME, folder);
    return n > 0 && n < (int)sizeof out->sun_path;
}

static void set_patience(int fd, time_t seconds)
{
    struct timeval t = {.tv_sec = seconds};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &t, sizeof t);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &t, sizeof t);
}

static bool read_line(int fd, struct od_buf *line)
{
    for (;;) {
        char *room = od_buf_reserve(line, 4096);
        ssize_t n = room ? recv(fd, room, 4096, 0) : 0;
        if (n <= 0)
            return false;
        od_buf_commit(line, (size_t)n);
        if (line->ptr[line->len - 1] == '\n')
            return true;
    }
}

static bool send_line(int fd, struct od_str text)
{
    struct od_buf line;
    od_buf_init(&line, REPLY_MAX_BYTES + 1);
    od_buf_str(&line, text);
    od_buf_char(&line, '\n');
    size_t put = 0;
    while (od_buf_status(&line) == OD_OK && put < line.len) {
        ssize_t n = send(fd, line.ptr + put, line.len - put, MSG_NOSIGNAL);
        if (n <= 0)
            break;
        put += (size_t)n;
    }
    bool whole = put && put == line.len;
    od_buf_done(&line);
    return whole;
}

/* ---- what is asked for ---- */

static void add_key(struct od_buf *reply, const struct od_key *key)
{
    od_buf_puts(reply, "{\"id\":");
    od_buf_json(reply, key->id);
    od_buf_puts(reply, ",\"note\":");
    od_buf_json(reply, key->note);
    od_buf_printf(reply, ",\"created\":%lld,\"revoked\":%lld}", (long long)key->created_ms,
                  (long long)key->revoked_ms);
}

static enum od_status create_key(struct od_store *store, const struct od_io *io,
                                 const struct od_json *request, struct od_arena *arena,
                                 struct od_buf *reply, struct od_error *err)
{
    struct od_key key;
    enum od_status s = od_store_begin(store, err);
    if (s != OD_OK)
        return s;
    s = od_keys_create(store, od_json_get_str(request, "note", OD_STR("")), io->now_ms(io), arena,
                       &key, err);
    if (s != OD_OK) {
        od_store_rollback(store);
        return s;
    }
    od_buf_puts(reply, "{\"id\":");
    od_buf_json(reply, key.id);
    od_buf_puts(reply, ",\"secret\":");
    od_buf_json(reply, key.secret);
    od_buf_char(reply, '}');
    return od_store_commit(store, err);
}

static enum od_status revoke_key(struct od_store *store, const struct od_io *io,
                                 const struct od_json *request, struct od_buf *reply,
                                 struct od_error *err)
{
    enum od_status s = od_store_begin(store, err);
    if (s != OD_OK)
        return s;
    s = od_keys_revoke(store, od_json_get_str(request, "id", OD_STR("")), io->now_ms(io), err);
    od_buf_puts(reply, "{}");
    if (s == OD_OK)
        return od_store_commit(store, err);
    od_store_rollback(store);
    return s;
}

static enum od_status list_keys(struct od_store *store, struct od_arena *arena,
                                struct od_buf *reply, struct od_error *err)
{
    struct od_key *keys;
    size_t count;
    enum od_status s = od_keys_list(store, arena, &keys, &count, err);
    od_buf_puts(reply, "{\"keys\":[");
    for (size_t i = 0; s == OD_OK && i < count; i++) {
        od_buf_puts(reply, i ? "," : "");
        add_key(reply, &keys[i]);
    }
    od_buf_puts(reply, "]}");
    return s;
}

enum od_status od_control_do(struct od_store *store, const struct od_io *io,
                             const struct od_json *request, struct od_buf *reply,
                             struct od_error *err)
{
    struct od_arena arena;
    struct od_str verb = od_json_get_str(request, "do", OD_STR(""));
    enum od_status s;
    od_arena_init(&arena, 16u << 20);
    if (od_str_eq_c(verb, "create-key"))
        s = create_key(store, io, request, &arena, reply, err);
    else if (od_str_eq_c(verb, "list-keys"))
        s = list_keys(store, &arena, reply, err);
    else if (od_str_eq_c(verb, "revoke-key"))
        s = revoke_key(store, io, request, reply, err);
    else
        s = od_fail(err, OD_INVALID_INPUT, "Unknown request \"%.*s\".", OD_STR_ARG(verb));
    od_arena_done(&arena);
    return s;
}

/* ---- the server's side ---- */

struct question {
    const struct od_json *request;
    struct od_buf *reply;
};

static enum od_status answer_on_store(struct od_app *app, void *context, struct od_error *err)
{
    struct question *q = context;
    enum od_status s = od_control_do(app->store, app->io, q->request, q->reply, err);
    return s == OD_OK ? od_app_reload_keys(app, err) : s;
}

static enum od_status set_ceiling(struct od_app *app, void *context, struct od_error *err)
{
    const struct question *q = context;
    int64_t ceiling = od_json_get_i64(q->request, "ceiling", -1);
    if (ceiling < 0 || ceiling > MOST_CEILING)
        return od_fail(err, OD_INVALID_INPUT,
                       "ceiling is a number of requests a second up to %d, or 0 for none.",
                       MOST_CEILING);
    od_buf_puts(q->reply, "{}");
    return od_capacity_set_ceiling(app, od_json_get_str(q->request, "arn", OD_STR("")), ceiling,
                                   err);
}

static enum od_status try_filter(struct od_app *app, const struct question *q,
                                 struct od_arena *arena, struct od_error *err)
{
    struct od_filter_value given[OD_MAX_FILTER_VALUES];
    const struct od_json *values = od_json_get(q->request, OD_STR("values"));
    size_t count = values ? values->count : 0;
    struct od_filter_try query = {.filter_arn = od_json_get_str(q->request, "filter", OD_STR_NONE),
                                  .group_arn = od_json_get_str(q->request, "group", OD_STR("")),
                                  .expression =
                                      od_json_get_str(q->request, "expression", OD_STR("")),
                                  .user = od_json_get_str(q->request, "user", OD_STR_NONE),
                                  .item = od_json_get_str(q->request, "item", OD_STR_NONE),
                                  .values = given,
                                  .value_count = count,
                                  .now_ms = app->io->now_ms(app->io)};
    if (!atomic_load(&app->ready))
        return od_fail(err, OD_UNAVAILABLE, "The server is loading its data.");
    if (values && (values->kind != OD_JSON_OBJECT || count > OD_MAX_FILTER_VALUES))
        return od_fail(err, OD_INVALID_INPUT, "values is an object of at most %d texts.",
                       OD_MAX_FILTER_VALUES);
    for (size_t i = 0; i < count; i++) {
        const struct od_json_member *member = &values->members[i];
        if (member->value.kind != OD_JSON_STRING)
            return od_fail(err, OD_INVALID_INPUT, "The value of %.*s is no text.",
                           OD_STR_ARG(member->key));
        given[i] = (struct od_filter_value){member->key, member->value.text};
    }
    return od_serve_filter_try(app->serve, &query, arena, q->reply, err);
}

static enum od_status explain(struct od_app *app, struct question *q, struct od_arena *arena,
                              struct od_error *err)
{
    const struct od_json *body = od_json_get(q->request, OD_STR("request"));
    struct od_call call;
    od_call_internal(&call, app, arena);
    if (!body)
        return od_fail(err, OD_INVALID_INPUT, "request is required.");
    enum od_status s = od_explain(&call, body, q->reply);
    return s == OD_OK ? OD_OK : od_error_copy(err, &call.err);
}

/* What runs, and what is served, is known without the store. */
static enum od_status answer(struct od_app *app, struct question *q, struct od_arena *arena,
                             struct od_error *err)
{
    struct od_str verb = od_json_get_str(q->request, "do", OD_STR(""));
    if (od_str_eq_c(verb, "try-filter"))
        return try_filter(app, q, arena, err);
    if (od_str_eq_c(verb, "explain"))
        return explain(app, q, arena, err);
    if (od_str_eq_c(verb, "set-ceiling"))
        return od_app_on_store(app, set_ceiling, q, err);
    if (od_str_eq_c(verb, "list-campaigns")) {
        od_capacity_list(app, q->reply);
        return OD_OK;
    }
    if (!od_str_eq_c(verb, "list-jobs"))
        return od_app_on_store(app, answer_on_store, q, err);
    od_buf_puts(q->reply, "{\"jobs\":");
    od_runner_progress(app, q->reply);
    od_buf_char(q->reply, '}');
    return OD_OK;
}

static void serve_one(struct od_app *app, int fd)
{
    struct od_arena arena;
    struct od_buf line, reply;
    struct od_json request;
    struct od_error err;
    set_patience(fd, PATIENCE_S);
    od_arena_init(&arena, ARENA_MAX_BYTES);
    od_buf_init(&line, LINE_MAX_BYTES);
    od_buf_init(&reply, REPLY_MAX_BYTES);
    if (read_line(fd, &line)) {
        struct question q = {&request, &reply};
        enum od_status s = od_json_parse(&arena, od_buf_view(&line), &request, &err);
        if (s == OD_OK)
            s = answer(app, &q, &arena, &err);
        if (s != OD_OK) {
            od_buf_clear(&reply);
            od_buf_puts(&reply, "{\"error\":");
            od_buf_json(&reply, od_str_c(err.message));
            od_buf_char(&reply, '}');
        }
        if (od_buf_status(&reply) != OD_OK) {
            od_buf_clear(&reply);
            od_buf_puts(&reply, "{\"error\":\"The answer is too long.\"}");
        }
        (void)send_line(fd, od_buf_view(&reply));
    }
    od_buf_done(&line);
    od_buf_done(&reply);
    od_arena_done(&arena);
}

static void *listen_main(void *arg)
{
    struct od_control *control = arg;
    for (;;) {
        struct pollfd fds[2] = {{.fd = control->listener, .events = POLLIN},
                                {.fd = control->quit, .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            continue;
        if (fds[1].revents)
            return NULL;
        int fd = accept4(control->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd >= 0) {
            serve_one(control->app, fd);
            close(fd);
        }
    }
}

static enum od_status open_socket(struct od_control *control, struct od_error *err)
{
    control->listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    control->quit = eventfd(0, EFD_CLOEXEC);
    if (control->listener < 0 || control->quit < 0)
        return od_fail_errno(err, "cannot make the control socket");
    (void)unlink(control->address.sun_path); /* ours: the folder is locked */
    if (bind(control->listener, (struct sockaddr *)&control->address, sizeof control->address) <
            0 ||
        chmod(control->address.sun_path, 0600) < 0 || listen(control->listener, 8) < 0)
        return od_fail_errno(err, "cannot open %s", control->address.sun_path);
    if (pthread_create(&control->thread, NULL, listen_main, control) != 0)
        return od_fail(err, OD_NO_MEMORY, "cannot start the control thread");
    return OD_OK;
}

enum od_status od_control_start(struct od_app *app, struct od_control **out, struct od_error *err)
{
    struct od_control *control = calloc(1, sizeof *control);
    if (!control)
        return od_fail(err, OD_NO_MEMORY, NULL);
    control->app = app;
    control->listener = control->quit = -1;
    enum od_status s =
        set_address(app->config.data_folder, &control->address)
            ? open_socket(control, err)
            : od_fail(err, OD_INVALID_INPUT, "The data folder's path is too long for a socket: %s",
                      app->config.data_folder);
    if (s == OD_OK) {
        *out = control;
        return OD_OK;
    }
    if (control->listener >= 0)
        close(control->listener);
    if (control->quit >= 0)
        close(control->quit);
    free(control);
    return s;
}

void od_control_stop(struct od_control *control)
{
    if (!control)
        return;
    uint64_t one = 1;
    ssize_t n = write(control->quit, &one, sizeof one);
    (void)n;
    pthread_join(control->thread, NULL);
    close(control->listener);
    close(control->quit);
    (void)unlink(control->address.sun_path);
    free(control);
}

/* ---- the command's side ---- */

enum od_status od_control_ask(const char *data_folder, struct od_str request, struct od_buf *reply,
                              struct od_error *err)
{
    struct sockaddr_un address;
    if (!set_address(data_folder, &address))
        return od_fail(err, OD_UNAVAILABLE, "The data folder's path is too long for a socket: %s",
                       data_folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return od_fail_errno(err, "cannot make a socket");
    set_patience(fd, ASK_PATIENCE_S);
    enum od_status s = OD_OK;
    if (connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        s = od_fail(err, OD_UNAVAILABLE, "No server listens at %s.", address.sun_path);
    else if (!send_line(fd, request) || !read_line(fd, reply))
        s = od_fail(err, OD_IO, "The server at %s did not answer.", address.sun_path);
    close(fd);
    return s;
}

enum od_status od_control_read(const char *data_folder, struct od_str request,
                               struct od_arena *arena, struct od_buf *reply, struct od_json *out,
                               struct od_error *err)
{
    enum od_status s = od_control_ask(data_folder, request, reply, err);
    if (s == OD_OK)
        s = od_json_parse(arena, od_buf_view(reply), out, err);
    if (s == OD_OK && od_json_get(out, OD_STR("error")))
        s = od_fail(err, OD_INVALID_INPUT, "%.*s",
                    OD_STR_ARG(od_json_get_str(out, "error", OD_STR(""))));
    return s;
}
