/* How fast the live history is rebuilt at a start, and what it takes in memory.
 *
 *   bench_history [EVENTS [USERS [ITEMS]]]          10,000,000 events, 1,000,000 users, 100,000
 * items
 *
 * Segments as an import writes them, in two orders: by time, where neighbours are of different
 * users, and by user. Each is read chunk by chunk from memory, checked, and made live by the calls
 * that the server makes, on one thread. Then the same from the file of histories that it leaves for
 * the next start, written to the current folder (its bytes are in the page cache). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/random.h"
#include "data/segment.h"
#include "os/io.h"
#include "serve/serve.h"

#define GROUP OD_STR("arn:aws:personalize:us-east-1:000000000000:dataset-group/bench")

static const char schema_text[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"namespace\":\"n\",\"version\":\"1.0\","
    "\"fields\":[{\"name\":\"USER_ID\",\"type\":\"string\"},{\"name\":\"ITEM_ID\",\"type\":"
    "\"string\"},{\"name\":\"EVENT_TYPE\",\"type\":\"string\"},{\"name\":\"TIMESTAMP\",\"type\":"
    "\"long\"}]}";

static double now_s(void)
{
    return (double)od_io_real.monotonic_ns(&od_io_real) * 1e-9;
}

/* Of this thread: what others do on the machine does not count. */
static double cpu_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void check(enum od_status s)
{
    if (s == OD_OK)
        return;
    fprintf(stderr, "bench_history: failed with %d\n", s);
    exit(1);
}

struct world {
    uint64_t events;
    uint32_t users, items;
    bool by_user;
};

static void add(struct od_chunk_writer *writer, const struct world *w, uint64_t n,
                struct od_random *random)
{
    char user[24], item[24];
    uint64_t u = w->by_user ? n * w->users / w->events : od_random_below(random, w->users);
    double skew = od_random_double(random);
    int ul = snprintf(user, sizeof user, "user-%08llx", (unsigned long long)(u * 2654435761u));
    int il = snprintf(item, sizeof item, "item-%u", (unsigned)(w->items * skew * skew));
    const struct od_value values[] = {
        {.kind = OD_VALUE_TEXT, .text = {user, (size_t)ul}},
        {.kind = OD_VALUE_TEXT, .text = {item, (size_t)il}},
        {.kind = OD_VALUE_TEXT, .text = n % 7 ? OD_STR("view") : OD_STR("buy")},
        {.kind = OD_VALUE_INTEGER, .integer = 1600000000 + (int64_t)n},
    };
    check(od_chunk_writer_add(writer, values));
}

static void make_segment(const struct world *w, const struct od_schema *schema, struct od_buf *out)
{
    struct od_chunk_writer *writer = od_chunk_writer_new(schema);
    struct od_chunk_place *places = calloc(w->events / OD_CHUNK_ROWS + 1, sizeof *places);
    struct od_random random;
    size_t count = 0;
    od_random_init(&random, 7);
    check(writer && places ? od_segment_head(schema, out) : OD_NO_MEMORY);
    for (uint64_t n = 0; n < w->events;) {
        for (uint32_t i = 0; i < OD_CHUNK_ROWS && n < w->events; i++, n++)
            add(writer, w, n, &random);
        struct od_chunk_place *place = &places[count++];
        *place = (struct od_chunk_place){out->len, 0, od_chunk_writer_rows(writer)};
        check(od_chunk_writer_finish(writer, out));
        place->bytes = out->len - place->offset;
    }
    check(od_segment_tail(places, count, out->len, out));
    check(od_buf_status(out));
    od_chunk_writer_free(writer);
    free(places);
}

static void read_segment(struct od_reload *reload, struct od_str bytes)
{
    struct od_arena arena;
    struct od_segment segment;
    struct od_error err;
    od_arena_init(&arena, SIZE_MAX);
    check(od_segment_open(&arena, bytes, &segment, &err));
    for (size_t i = 0; i < segment.chunk_count; i++) {
        struct od_arena piece;
        struct od_chunk chunk;
        od_arena_init(&piece, SIZE_MAX);
        check(od_segment_chunk(&segment, i, &piece, &chunk, &err));
        check(od_reload_chunk(reload, &segment.schema, &chunk));
        od_arena_done(&piece);
    }
    od_arena_done(&arena);
}

static struct od_serve *new_serve(struct od_reload **out)
{
    struct od_error err;
    struct od_serve *serve = od_serve_new(&od_io_real);
    check(od_serve_group_add(serve, GROUP, &err));
    check(od_serve_dataset_set(serve, GROUP, OD_INTERACTIONS, od_str_c(schema_text), OD_DOMAIN_NONE,
                               &err));
    check(od_reload_begin(serve, GROUP, OD_INTERACTIONS, out, &err));
    return serve;
}

/* From bytes, or from the file when they are NULL; then, write: leaves the file. */
static void measure(const struct world *w, const char *what, const struct od_buf *bytes,
                    const char *path, bool write)
{
    struct od_error err;
    struct od_reload *reload;
    struct od_serve *serve = new_serve(&reload);
    int64_t mark;
    double began = now_s(), busy = cpu_s();
    if (bytes)
        read_segment(reload, od_buf_view(bytes));
    else
        check(od_reload_resume(reload, path, 1, &mark, &err));
    if (!write)
        check(od_reload_commit(reload, &err));
    double took = now_s() - began;
    busy = cpu_s() - busy;
    if (write) {
        began = now_s();
        busy = cpu_s();
        check(od_reload_fold(reload, path, 1, 0, &err));
        took = now_s() - began;
        busy = cpu_s() - busy;
        printf("| %-12s | %11llu | %9s | %6.2f | %6.2f | %11.0f | %8s | %7s |\n", "writing it",
               (unsigned long long)w->events, "", took, busy, (double)w->events / busy, "", "");
        od_reload_abort(reload);
        od_serve_free(serve);
        return;
    }
    struct od_serve_counts counts;
    od_serve_counts(serve, &counts);
    printf("| %-12s | %11llu | %9llu | %6.2f | %6.2f | %11.0f | %8.1f | %7.1f |\n", what,
           (unsigned long long)w->events, (unsigned long long)counts.users, took, busy,
           (double)w->events / busy, (double)counts.history_bytes / 1e6,
           (double)counts.history_bytes / (double)counts.history_events);
    od_serve_free(serve);
}

static void measure_all(const struct world *w, const struct od_schema *schema)
{
    static const char path[] = "bench-history.hist";
    struct od_buf bytes;
    od_buf_init(&bytes, SIZE_MAX);
    make_segment(w, schema, &bytes);
    measure(w, w->by_user ? "by user" : "by time", &bytes, path, false);
    if (w->by_user) {
        measure(w, "", &bytes, path, true);
        measure(w, "the file", NULL, path, false);
        check(od_io_real.remove(&od_io_real, path, NULL));
    }
    od_buf_done(&bytes);
}

int main(int argc, char **argv)
{
    struct world w = {argc > 1 ? strtoull(argv[1], NULL, 10) : 10000000,
                      argc > 2 ? (uint32_t)strtoul(argv[2], NULL, 10) : 1000000,
                      argc > 3 ? (uint32_t)strtoul(argv[3], NULL, 10) : 100000, false};
    struct od_arena arena;
    struct od_schema schema;
    struct od_error err;
    if (!w.events || !w.users || !w.items)
        return 2;
    od_arena_init(&arena, 1u << 20);
    check(od_schema_parse(&arena, od_str_c(schema_text), OD_DOMAIN_NONE, &schema, &err));
    printf("| order        | events      | users     | s      | CPU s  | events/s    | MB       | "
           "B/event |\n"
           "|--------------|------------:|----------:|-------:|-------:|------------:|---------:|--"
           "------:|\n");
    for (int by_user = 0; by_user < 2; by_user++) {
        w.by_user = by_user;
        measure_all(&w, &schema);
    }
    od_arena_done(&arena);
    return 0;
}
