/* How many durable events a second one thread stores, and how fast they are read back.
 *
 *   bench_store [FOLDER [SECONDS [none|growing|random]]]
 *
 * An event is about 200 bytes. Each line commits (WAL, synchronous=FULL) once a group: what is
 * counted is on the disk. FOLDER (default: a new one below the current folder) should be on the
 * disk to be measured; the database made there is removed. The third word leaves the other kinds of
 * event ids out. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/hash.h"
#include "store/store.h"

#define MOST 1000

static const struct od_io *const io = &od_io_real;

static void check(enum od_status s, const struct od_error *err)
{
    if (s == OD_OK)
        return;
    fprintf(stderr, "bench_store: %s\n", err->message);
    exit(1);
}

static double now(void)
{
    return (double)io->monotonic_ns(io) * 1e-9;
}

static double cpu(void)
{
    struct rusage u;
    getrusage(RUSAGE_SELF, &u);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
           (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) * 1e-6;
}

/* Texts of the events of one commit, remade for each. */
struct batch {
    struct od_event events[MOST];
    char texts[MOST][4][40];
    bool fresh[MOST];
};

static const char body[] = "{\"DEVICE\":\"phone\",\"recommendationId\":\"RID-4f3c-11ee-be56\","
                           "\"impression\":[\"item-12\",\"item-99\",\"item-7\"]}";

static struct od_str text(char *to, const char *format, uint64_t n)
{
    int len = snprintf(to, 40, format, (unsigned long long)n);
    return (struct od_str){to, (size_t)len};
}

enum ids { NO_ID, GROWING_ID, RANDOM_ID };

static struct od_str event_id(char *to, enum ids ids, uint64_t n)
{
    if (ids == NO_ID)
        return OD_STR_NONE;
    return text(to, "%016llx-1c2d-4e5f", ids == GROWING_ID ? n : od_hash_mix(n, 1));
}

/* A session is eight requests long, and a thousand of them go on at a time. */
static void make(struct batch *batch, size_t count, size_t per_request, enum ids ids,
                 uint64_t serial)
{
    for (size_t i = 0; i < count; i++) {
        uint64_t n = serial + i, request = n / per_request;
        uint64_t session = od_hash_mix(request / 8000 * 1000 + request % 1000, 2);
        uint64_t visitor = session % 100000;
        batch->events[i] = (struct od_event){
            .user = text(batch->texts[i][0], "user-%llu", visitor),
            .session = text(batch->texts[i][1], "%016llx", session),
            .item = text(batch->texts[i][2], "item-%llu", n * 40503 % 5000),
            .type = OD_STR("view"),
            .event_id = event_id(batch->texts[i][3], ids, n),
            .time_s = 1700000000 + (int64_t)(n / 100),
            .arrived_ms = 1700000000000 + (int64_t)n,
            .body = {body, sizeof body - 1},
        };
    }
}

/* requests of per_request events each, in one commit, again and again for some seconds */
static void write_line(struct od_store *store, size_t per_request, size_t requests, enum ids ids,
                       double seconds, uint64_t *serial)
{
    static const struct od_str dataset =
        OD_STR("arn:aws:personalize:us-east-1:123456789012:dataset/bench/INTERACTIONS");
    struct batch *batch = malloc(sizeof *batch);
    if (!batch)
        exit(1);
    struct od_error err;
    uint64_t done = 0, commits = 0;
    double start = now(), busy = cpu(), slowest = 0;
    while (now() - start < seconds) {
        size_t count = per_request * requests;
        make(batch, count, per_request, ids, *serial + done);
        double from = now();
        check(od_store_begin(store, &err), &err);
        for (size_t r = 0; r < requests; r++)
            check(od_events_append(store, dataset, batch->events + r * per_request, per_request,
                                   batch->fresh + r * per_request, &err),
                  &err);
        check(od_store_commit(store, &err), &err);
        double took = now() - from;
        slowest = took > slowest ? took : slowest;
        done += count;
        commits++;
    }
    double took = now() - start;
    busy = cpu() - busy;
    *serial += done;
    printf("| %6zu | %8zu | %10.0f | %9.0f | %7.2f | %8.1f |\n", per_request, requests,
           (double)done / took, (double)commits / took, busy * 1e6 / (double)done, slowest * 1e3);
    free(batch);
}

static enum od_status count_event(void *context, const struct od_event *event)
{
    (void)event;
    ++*(uint64_t *)context;
    return OD_OK;
}

static void read_all(const char *folder)
{
    struct od_error err;
    struct od_store_reader *reader;
    check(od_store_reader_open(io, folder, &reader, &err), &err);
    uint64_t count = 0;
    double start = now();
    check(od_events_read(
              reader,
              OD_STR("arn:aws:personalize:us-east-1:123456789012:dataset/bench/INTERACTIONS"), 0, 0,
              count_event, &count, &err),
          &err);
    double took = now() - start;
    printf("read back %llu events in %.2f s: %.0f a second\n", (unsigned long long)count, took,
           (double)count / took);
    od_store_reader_close(reader);
}

int main(int argc, char **argv)
{
    static const size_t lines[][2] = {{1, 1}, {10, 1}, {100, 1}, {1, 100}, {10, 100}};
    static const char *const names[] = {"none", "growing", "random"};
    char folder[4096] = "bench-store-XXXXXX";
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 3;
    if (argc > 1)
        snprintf(folder, sizeof folder, "%s/bench-store-XXXXXX", argv[1]);
    if (!mkdtemp(folder)) {
        perror(folder);
        return 1;
    }
    struct od_error err;
    struct od_store *store;
    check(od_store_open(io, folder, &store, &err), &err);
    printf("| event ids | events | requests | events/s   | commits/s | us CPU  | slowest  |\n"
           "|           | a req. | a commit | durable    |           | an ev.  | commit ms|\n"
           "|-----------|-------:|---------:|-----------:|----------:|--------:|---------:|\n");
    uint64_t serial = 0;
    for (enum ids ids = NO_ID; ids <= RANDOM_ID; ids++) {
        if (argc > 3 && strcmp(argv[3], names[ids]) != 0)
            continue;
        for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
            printf("| %-9s ", names[ids]);
            write_line(store, lines[i][0], lines[i][1], ids, seconds, &serial);
        }
    }
    read_all(folder);
    od_store_close(store);
    check(od_io_remove_tree(io, folder, &err), &err);
    return 0;
}
