/* A load generator for one Ondol server: signed requests over keep-alive connections from a single
 * thread, and what they took.
 *
 *   load recommend --target HOST:PORT --key-id ID --secret S --campaign ARN [--filter ARN]
 *   load events    --target HOST:PORT --key-id ID --secret S --tracking ID
 *   load visible   --target HOST:PORT --key-id ID --secret S --campaign ARN --filter ARN
 *                  --tracking ID
 *     [--connections N] [--seconds S] [--rate R] [--users N] [--items N] [--results N] [--pool N]
 *
 * Requests are made and signed before the clock starts, so that the generator's core is left with
 * sending and reading; the server checks every signature. Recommendations come from a pool that is
 * gone through again and again; batches of events are stored once only, so there are as many as
 * will be sent, and the run ends early when they are all used up.
 *
 * Without --rate each connection sends the next request when it has the answer (closed loop: the
 * most that the server can do). With --rate requests are due at fixed times, R a second, and wait
 * for a free connection where none is; what they took is counted from when they were due. A server
 * that stops for a second is thereby charged for all who would have come in that second, which a
 * generator that waits for it leaves out ("coordinated omission", G. Tene).
 *
 * visible: for fresh users, one after the other, an event for the item that everybody is shown
 * first, then questions with a filter that drops what the user has seen, until the item is gone.
 * From the acknowledgement to that answer, read.
 *
 * One JSON object on standard output; latencies in milliseconds. */
#include <arpa/inet.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/tcp.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/str.h"
#include "base/random.h"
#include "wire/sigv4.h"

enum { ANSWER_BYTES = 1 << 17, MOST_CONNECTIONS = 1024, BATCH = 10 };

struct options {
    const char *workload, *key_id, *secret, *campaign, *filter, *tracking;
    char host[256];
    uint16_t port;
    unsigned connections, users, items, results, pool;
    double seconds, rate;
    uint64_t seed;
};

/* Whole HTTP requests, one behind the other. */
struct pool {
    char *bytes;
    size_t len, cap;
    size_t *at; /* [count + 1] */
    size_t count;
};

struct connection {
    int fd;
    bool busy, waits_to_write;
    size_t request; /* in the pool */
    size_t sent;
    int64_t due_ns;
    char *answer; /* [ANSWER_BYTES] */
    size_t len;
};

struct outcome {
    uint32_t *took; /* of each answer, in units of 100 ns */
    size_t count, cap;
    uint64_t errors, bytes, checked, short_answers;
    int first_error;
    double seconds;
};

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    return od_io_real.monotonic_ns(&od_io_real);
}

static void *need(void *p)
{
    if (!p)
        die("load: memory");
    return p;
}

/* ---- signing ---- */

struct signer {
    const struct options *given;
    char host[300], time[20], scope[64];
    unsigned char key[32];
};

static void hmac(const void *key, size_t key_len, const char *text, unsigned char out[32])
{
    unsigned len = 32;
    if (!HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), out,
              &len))
        die("load: HMAC");
}

static void signer_init(struct signer *s, const struct options *given)
{
    time_t now = time(NULL);
    struct tm tm;
    char text[300], day[9];
    s->given = given;
    gmtime_r(&now, &tm);
    strftime(s->time, sizeof s->time, "%Y%m%dT%H%M%SZ", &tm);
    snprintf(day, sizeof day, "%.8s", s->time);
    snprintf(s->host, sizeof s->host, "%s:%u", given->host, given->port);
    snprintf(s->scope, sizeof s->scope, "%s/us-east-1/personalize/aws4_request", day);
    snprintf(text, sizeof text, "AWS4%s", given->secret);
    hmac(text, strlen(text), day, s->key);
    hmac(s->key, 32, "us-east-1", s->key);
    hmac(s->key, 32, "personalize", s->key);
    hmac(s->key, 32, "aws4_request", s->key);
}

static void pool_add(struct pool *pool, const struct signer *s, const char *path, const char *body,
                     size_t body_len)
{
    static const char names[] = "content-type;host;x-amz-date";
    char text[1024], hash[65], signature[65];
    unsigned char mac[32];
    od_sha256_hex((struct od_str){body, body_len}, hash);
    int n = snprintf(text, sizeof text,
                     "POST\n%s\n\ncontent-type:application/json\nhost:%s\nx-amz-date:%s\n\n%s\n%s",
                     path, s->host, s->time, names, hash);
    od_sha256_hex((struct od_str){text, (size_t)n}, hash);
    snprintf(text, sizeof text, "AWS4-HMAC-SHA256\n%s\n%s\n%s", s->time, s->scope, hash);
    hmac(s->key, 32, text, mac);
    for (size_t i = 0; i < 32; i++)
        snprintf(signature + 2 * i, 3, "%02x", mac[i]);
    if (pool->len + body_len + 1024 > pool->cap) {
        pool->cap = pool->cap * 2 + body_len + 4096;
        pool->bytes = need(realloc(pool->bytes, pool->cap));
    }
    pool->at[pool->count++] = pool->len;
    n = snprintf(pool->bytes + pool->len, 1024,
                 "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n"
                 "X-Amz-Date: %s\r\nAuthorization: AWS4-HMAC-SHA256 Credential=%s/%s, "
                 "SignedHeaders=%s, Signature=%s\r\nContent-Length: %zu\r\n\r\n",
                 path, s->host, s->time, s->given->key_id, s->scope, names, signature, body_len);
    pool->len += (size_t)n;
    memcpy(pool->bytes + pool->len, body, body_len);
    pool->len += body_len;
    pool->at[pool->count] = pool->len;
}

/* ---- what is asked ---- */

static void put_question(struct pool *pool, const struct signer *s, const char *user,
                         const char *filter)
{
    const struct options *o = s->given;
    char body[2048], more[600] = "";
    if (filter)
        snprintf(more, sizeof more, ",\"filterArn\":\"%s\"", filter);
    int n = snprintf(body, sizeof body,
                     "{\"campaignArn\":\"%s\",\"userId\":\"%s\",\"numResults\":%u%s}", o->campaign,
                     user, o->results, more);
    pool_add(pool, s, "/recommendations", body, (size_t)n);
}

static void put_batch(struct pool *pool, const struct signer *s, struct od_random *random,
                      uint64_t serial)
{
    const struct options *o = s->given;
    char body[4096];
    /* A visit of four requests: the session says which, so no two batches are equal. */
    size_t n = (size_t)snprintf(
        body, sizeof body,
        "{\"trackingId\":\"%s\",\"userId\":\"u%llu\",\"sessionId\":\"s%llx-%llu\",\"eventList\":[",
        o->tracking, (unsigned long long)od_random_below(random, o->users),
        (unsigned long long)o->seed, (unsigned long long)(serial / 4));
    for (int i = 0; i < BATCH; i++)
        n += (size_t)snprintf(body + n, sizeof body - n,
                              "%s{\"eventType\":\"view\",\"sentAt\":%llu,\"itemId\":\"i%llu\"}",
                              i ? "," : "",
                              (unsigned long long)(1700000000 + serial * BATCH + (unsigned)i),
                              (unsigned long long)od_random_below(random, o->items));
    n += (size_t)snprintf(body + n, sizeof body - n, "]}");
    pool_add(pool, s, "/events", body, n);
}

static void make_pool(struct pool *pool, const struct options *o)
{
    struct signer signer;
    struct od_random random;
    char user[32];
    signer_init(&signer, o);
    od_random_init(&random, o->seed);
    pool->at = need(calloc(o->pool + 1, sizeof *pool->at));
    for (unsigned i = 0; i < o->pool; i++) {
        snprintf(user, sizeof user, "u%llu",
                 (unsigned long long)od_random_below(&random, o->users));
        if (strcmp(o->workload, "events") == 0)
            put_batch(pool, &signer, &random, i);
        else
            put_question(pool, &signer, user, o->filter);
    }
}

/* ---- connections ---- */

static void open_connection(struct connection *c, const struct options *o)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(o->port)};
    int one = 1;
    if (inet_pton(AF_INET, o->host, &to.sin_addr) != 1)
        die("load: --target must be an IPv4 address and a port");
    *c = (struct connection){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                             .answer = need(malloc(ANSWER_BYTES))};
    if (c->fd < 0 || connect(c->fd, (struct sockaddr *)&to, sizeof to) != 0)
        die("load: connect");
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

/* The bytes of the answer at the head of text, 0 while it is not whole. */
static size_t answer_length(const char *text, size_t len, int *out_status, size_t *out_body)
{
    const char *end = memmem(text, len, "\r\n\r\n", 4);
    if (!end)
        return 0;
    size_t head = (size_t)(end - text) + 4, body = 0;
    for (const char *at = text; at < end; at++) {
        if (*at == '\n' && strncasecmp(at + 1, "content-length:", 15) == 0)
            body = strtoul(at + 16, NULL, 10);
    }
    *out_status = head > 12 ? (int)strtol(text + 9, NULL, 10) : 0;
    *out_body = head;
    if (head + body > ANSWER_BYTES - 1) {
        fprintf(stderr, "load: an answer of %zu bytes\n", head + body);
        exit(1);
    }
    return len >= head + body ? head + body : 0;
}

static void try_to_write(struct connection *c, const struct pool *pool, int poll)
{
    size_t from = pool->at[c->request], len = pool->at[c->request + 1] - from;
    while (c->sent < len) {
        ssize_t n = send(c->fd, pool->bytes + from + c->sent, len - c->sent, MSG_NOSIGNAL);
        if (n < 0 && errno == EAGAIN)
            break;
        if (n < 0)
            die("load: send");
        c->sent += (size_t)n;
    }
    bool waits = c->sent < len;
    if (waits != c->waits_to_write) {
        struct epoll_event e = {.events = EPOLLIN | (waits ? EPOLLOUT : 0), .data.ptr = c};
        epoll_ctl(poll, EPOLL_CTL_MOD, c->fd, &e);
        c->waits_to_write = waits;
    }
}

static unsigned count_items(const char *body, size_t len)
{
    unsigned count = 0;
    for (const char *at = body, *end = body + len;
         (at = memmem(at, (size_t)(end - at), "\"itemId\"", 8)) != NULL; at++)
        count++;
    return count;
}

static void note(struct outcome *out, const struct options *o, int status, const char *body,
                 size_t body_len, int64_t took_ns)
{
    if (status != 200) {
        out->errors++;
        out->first_error = out->first_error ? out->first_error : status;
        return;
    }
    if (out->count == out->cap) {
        out->cap = out->cap ? out->cap * 2 : 1 << 16;
        out->took = need(realloc(out->took, out->cap * sizeof *out->took));
    }
    int64_t units = took_ns / 100;
    out->took[out->count++] = units > UINT32_MAX ? UINT32_MAX : (uint32_t)units;
    out->bytes += body_len;
    if (strcmp(o->workload, "recommend") == 0 && out->count % 64 == 1) {
        out->checked++;
        out->short_answers += count_items(body, body_len) != o->results;
    }
}

/* True when an answer is whole. */
static bool read_answer(struct connection *c, struct outcome *out, const struct options *o)
{
    ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_BYTES - 1 - c->len, 0);
    if (n < 0 && errno == EAGAIN)
        return false;
    if (n <= 0) {
        fprintf(stderr, "load: the server closed a connection\n");
        exit(1);
    }
    c->len += (size_t)n;
    int status;
    size_t body, whole = answer_length(c->answer, c->len, &status, &body);
    if (!whole)
        return false;
    note(out, o, status, c->answer + body, whole - body, now_ns() - c->due_ns);
    memmove(c->answer, c->answer + whole, c->len - whole);
    c->len -= whole;
    c->busy = false;
    return true;
}

/* ---- the two loops ---- */

struct run {
    const struct options *o;
    const struct pool *pool;
    struct connection *list;
    struct connection *idle[MOST_CONNECTIONS];
    size_t idle_count, busy_count, next; /* request */
    int64_t began_ns, end_ns;
    bool once; /* each request is sent once */
    int poll;
};

static bool more(const struct run *r)
{
    return !r->once || r->next < r->pool->count;
}

static void start(struct run *r, struct connection *c, int64_t due_ns)
{
    c->request = r->next++ % r->pool->count;
    c->sent = 0;
    c->due_ns = due_ns;
    c->busy = true;
    r->busy_count++;
    try_to_write(c, r->pool, r->poll);
}

/* Sends what is due; the time to wait at most, in ms (0: something is due soon). */
static int send_due(struct run *r, int64_t now)
{
    if (r->o->rate <= 0) {
        while (r->idle_count && more(r) && now < r->end_ns)
            start(r, r->idle[--r->idle_count], now);
        return 100;
    }
    while (r->idle_count && more(r)) {
        int64_t due = r->began_ns + (int64_t)((double)r->next * 1e9 / r->o->rate);
        if (due > now || due >= r->end_ns)
            break;
        start(r, r->idle[--r->idle_count], due);
    }
    return r->idle_count && now < r->end_ns ? 0 : 100;
}

static void drive(struct run *r, struct outcome *out)
{
    struct epoll_event events[256];
    r->began_ns = now_ns();
    r->end_ns = r->began_ns + (int64_t)(r->o->seconds * 1e9);
    int64_t last = r->began_ns;
    while (true) {
        int64_t now = now_ns();
        int wait = send_due(r, now);
        bool over = now >= r->end_ns || !more(r);
        /* Those due before the end are waited for, however late they are sent. */
        if (over && r->o->rate > 0 && more(r) &&
            r->began_ns + (int64_t)((double)r->next * 1e9 / r->o->rate) < r->end_ns)
            over = false;
        if (over && r->busy_count == 0)
            break;
        int n = epoll_wait(r->poll, events, 256, wait);
        for (int i = 0; i < n; i++) {
            struct connection *c = events[i].data.ptr;
            if (events[i].events & EPOLLOUT)
                try_to_write(c, r->pool, r->poll);
            if ((events[i].events & ~(unsigned)EPOLLOUT) && read_answer(c, out, r->o)) {
                r->busy_count--;
                r->idle[r->idle_count++] = c;
                last = now_ns();
            }
        }
        if (now > r->end_ns + 30000000000) {
            fprintf(stderr, "load: no answer for half a minute\n");
            exit(1);
        }
    }
    out->seconds = (double)(last - r->began_ns) * 1e-9;
}

static void run_loops(const struct options *o, struct outcome *out)
{
    struct pool pool = {0};
    make_pool(&pool, o);
    struct run r = {.o = o,
                    .pool = &pool,
                    .list = need(calloc(o->connections, sizeof *r.list)),
                    .once = strcmp(o->workload, "events") == 0,
                    .poll = epoll_create1(EPOLL_CLOEXEC)};
    for (unsigned i = 0; i < o->connections; i++) {
        struct connection *c = &r.list[i];
        open_connection(c, o);
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        struct epoll_event e = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(r.poll, EPOLL_CTL_ADD, c->fd, &e);
        r.idle[r.idle_count++] = c;
    }
    drive(&r, out);
    for (unsigned i = 0; i < o->connections; i++) {
        close(r.list[i].fd);
        free(r.list[i].answer);
    }
    close(r.poll);
    free(r.list);
    free(pool.bytes);
    free(pool.at);
}

/* ---- from acknowledged to visible ---- */

/* One request and its answer, whose body is given as text. */
static const char *round_trip(struct connection *c, const struct pool *pool, size_t request,
                              int *out_status)
{
    size_t from = pool->at[request], len = pool->at[request + 1] - from, body, whole;
    if (send(c->fd, pool->bytes + from, len, MSG_NOSIGNAL) != (ssize_t)len)
        die("load: send");
    c->len = 0;
    do {
        ssize_t n = recv(c->fd, c->answer + c->len, ANSWER_BYTES - 1 - c->len, 0);
        if (n <= 0)
            die("load: recv");
        c->len += (size_t)n;
        whole = answer_length(c->answer, c->len, out_status, &body);
    } while (!whole);
    c->answer[whole] = '\0';
    return c->answer + body;
}

static void first_item(const char *body, char *out, size_t size)
{
    const char *at = strstr(body, "\"itemId\":\""), *end = at ? strchr(at + 10, '"') : NULL;
    if (!end || (size_t)(end - at) >= size) {
        fprintf(stderr, "load: no item in %.200s\n", body);
        exit(1);
    }
    snprintf(out, size, "%.*s", (int)(end - at - 10), at + 10);
}

static void put_event(struct pool *pool, const struct signer *s, const char *user, const char *item)
{
    char body[1024];
    int n =
        snprintf(body, sizeof body,
                 "{\"trackingId\":\"%s\",\"userId\":\"%s\",\"sessionId\":\"%s-s\",\"eventList\":"
                 "[{\"eventType\":\"view\",\"sentAt\":1700000000,\"itemId\":\"%s\"}]}",
                 s->given->tracking, user, user, item);
    pool_add(pool, s, "/events", body, (size_t)n);
}

static void run_visible(const struct options *o, struct outcome *out)
{
    struct connection c;
    struct signer signer;
    struct pool pool = {.at = need(calloc(2 * (size_t)o->pool + 2, sizeof *pool.at))};
    char user[64], item[512], quoted[600];
    int status;
    open_connection(&c, o);
    signer_init(&signer, o);
    snprintf(user, sizeof user, "fresh-%llx", (unsigned long long)o->seed);
    put_question(&pool, &signer, user, o->filter);
    first_item(round_trip(&c, &pool, 0, &status), item, sizeof item);
    snprintf(quoted, sizeof quoted, "\"itemId\":\"%s\"", item);
    for (unsigned i = 0; i < o->pool; i++) {
        snprintf(user, sizeof user, "fresh-%llx-%u", (unsigned long long)o->seed, i);
        put_event(&pool, &signer, user, item);
        put_question(&pool, &signer, user, o->filter);
    }
    int64_t began = now_ns();
    for (unsigned i = 0; i < o->pool && now_ns() - began < (int64_t)(o->seconds * 1e9); i++) {
        (void)round_trip(&c, &pool, 1 + 2 * (size_t)i, &status);
        int64_t acknowledged = now_ns();
        if (status != 200) {
            note(out, o, status, "", 0, 0);
            continue;
        }
        const char *body = round_trip(&c, &pool, 2 + 2 * (size_t)i, &status);
        while (status == 200 && strstr(body, quoted) && now_ns() - acknowledged < 10000000000) {
            out->short_answers++; /* did not show it yet */
            body = round_trip(&c, &pool, 2 + 2 * (size_t)i, &status);
        }
        note(out, o, status, "", 0, now_ns() - acknowledged);
    }
    out->seconds = (double)(now_ns() - began) * 1e-9;
    close(c.fd);
    free(c.answer);
    free(pool.bytes);
    free(pool.at);
}

/* ---- options and the report ---- */

static int by_value(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static double quantile(const struct outcome *out, double q)
{
    if (!out->count)
        return 0;
    size_t at = (size_t)(q * (double)out->count);
    return out->took[at < out->count ? at : out->count - 1] * 1e-4;
}

static void report(const struct options *o, struct outcome *out)
{
    if (out->count)
        qsort(out->took, out->count, sizeof *out->took, by_value);
    printf("{\"workload\":\"%s\",\"connections\":%u,\"rate\":%.1f,\"seconds\":%.3f,\"answers\":%zu,"
           "\"per_second\":%.1f,\"errors\":%llu,\"first_error\":%d,\"checked\":%llu,"
           "\"not_as_expected\":%llu,\"body_bytes\":%.0f,\"p50_ms\":%.4f,\"p95_ms\":%.4f,"
           "\"p99_ms\":%.4f,\"p999_ms\":%.4f,\"max_ms\":%.4f}\n",
           o->workload, o->connections, o->rate, out->seconds, out->count,
           (double)out->count / (out->seconds > 0 ? out->seconds : 1),
           (unsigned long long)out->errors, out->first_error, (unsigned long long)out->checked,
           (unsigned long long)out->short_answers,
           out->count ? (double)out->bytes / (double)out->count : 0, quantile(out, .5),
           quantile(out, .95), quantile(out, .99), quantile(out, .999), quantile(out, 1));
}

static void read_target(struct options *o, const char *text)
{
    const char *colon = strrchr(text, ':');
    if (!colon || (size_t)(colon - text) >= sizeof o->host) {
        fprintf(stderr, "load: --target is HOST:PORT\n");
        exit(2);
    }
    snprintf(o->host, sizeof o->host, "%.*s", (int)(colon - text), text);
    o->port = (uint16_t)strtoul(colon + 1, NULL, 10);
}

static void read_option(struct options *o, const char *name, const char *value)
{
    const struct {
        const char *name;
        const char **text;
        unsigned *number;
        double *real;
    } all[] = {{"key-id", &o->key_id, NULL, NULL},     {"secret", &o->secret, NULL, NULL},
               {"campaign", &o->campaign, NULL, NULL}, {"filter", &o->filter, NULL, NULL},
               {"tracking", &o->tracking, NULL, NULL}, {"connections", NULL, &o->connections, NULL},
               {"users", NULL, &o->users, NULL},       {"items", NULL, &o->items, NULL},
               {"results", NULL, &o->results, NULL},   {"pool", NULL, &o->pool, NULL},
               {"seconds", NULL, NULL, &o->seconds},   {"rate", NULL, NULL, &o->rate}};
    if (strcmp(name, "target") == 0) {
        read_target(o, value);
        return;
    }
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(name, all[i].name) != 0)
            continue;
        if (all[i].text)
            *all[i].text = value;
        else if (all[i].number)
            *all[i].number = (unsigned)strtoul(value, NULL, 10);
        else
            *all[i].real = strtod(value, NULL);
        return;
    }
    fprintf(stderr, "load: there is no option --%s\n", name);
    exit(2);
}

static bool is_complete(const struct options *o)
{
    bool asks = o->workload && strcmp(o->workload, "events") != 0;
    bool tells = o->workload && strcmp(o->workload, "recommend") != 0;
    bool known = o->workload &&
                 (strcmp(o->workload, "events") == 0 || strcmp(o->workload, "recommend") == 0 ||
                  (strcmp(o->workload, "visible") == 0 && o->filter));
    return known && o->port && o->key_id && o->secret && (!asks || o->campaign) &&
           (!tells || o->tracking) && o->connections && o->connections <= MOST_CONNECTIONS &&
           o->users && o->items && o->pool && o->seconds > 0;
}

int main(int argc, char **argv)
{
    struct options o = {.connections = 8,
                        .seconds = 5,
                        .users = 10000,
                        .items = 10000,
                        .results = 25,
                        .pool = 20000,
                        .workload = argc > 1 ? argv[1] : NULL};
    struct outcome out = {0};
    od_io_real.random(&od_io_real, &o.seed, sizeof o.seed);
    for (int i = 2; i + 1 < argc; i += 2)
        read_option(&o, strncmp(argv[i], "--", 2) == 0 ? argv[i] + 2 : argv[i], argv[i + 1]);
    if (!is_complete(&o)) {
        fprintf(stderr, "usage: load recommend|events|visible --target HOST:PORT --key-id ID "
                        "--secret S ... (see the head of the source)\n");
        return 2;
    }
    if (strcmp(o.workload, "visible") == 0)
        run_visible(&o, &out);
    else
        run_loops(&o, &out);
    report(&o, &out);
    free(out.took);
    return 0;
}
