/* How fast interactions are imported: CSV rows checked, encoded and written as a segment.
 *
 *   bench_import                             makes a million rows in a new folder and imports them
 *   bench_import generate FILE ROWS          writes the rows, the same ones every time
 *   bench_import run FILE SEGMENT THREADS    imports them; one line of JSON
 *   bench_import read FILE                   only reads the bytes; one line of JSON
 *
 * bench/import.py puts the figures beside those of a peer. The rows look like an event log: users
 * drawn evenly from a million, items from 100,000 by a power law, times that rise, four event types
 * of which views are most. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/random.h"
#include "jobs/import.h"

#define USERS      1000000
#define ITEMS      100000
#define FLUSH      (1u << 20)
#define READ_BLOCK (8u << 20)

static const struct od_io *const io = &od_io_real;
static const char schema[] =
    "{\"type\":\"record\",\"name\":\"Interactions\",\"fields\":["
    "{\"name\":\"USER_ID\",\"type\":\"string\"},{\"name\":\"ITEM_ID\",\"type\":\"string\"},"
    "{\"name\":\"TIMESTAMP\",\"type\":\"long\"},{\"name\":\"EVENT_TYPE\",\"type\":\"string\"}],"
    "\"version\":\"1.0\"}";

static void check(enum od_status s, const struct od_error *err)
{
    if (s == OD_OK)
        return;
    fprintf(stderr, "bench_import: %s\n", err->message);
    exit(1);
}

static void put_row(struct od_random *rng, unsigned long i, struct od_buf *out)
{
    static const char *const types[] = {"view", "view", "view", "view",
                                        "view", "wish", "cart", "book"};
    double x = od_random_double(rng);
    od_buf_printf(out, "u%u,i%u,%lu,%s\n", (unsigned)od_random_below(rng, USERS),
                  (unsigned)(x * x * x * ITEMS), 1700000000 + i / 4,
                  types[od_random_below(rng, 8)]);
}

static void generate(const char *path, unsigned long rows)
{
    struct od_random rng;
    struct od_buf out;
    struct od_error err = {0};
    uint64_t at = 0;
    int fd;
    od_random_init(&rng, 1);
    od_buf_init(&out, 2 * FLUSH);
    check(io->open(io, path, OD_OPEN_CREATE, &fd, &err), &err);
    od_buf_puts(&out, "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n");
    for (unsigned long i = 0; i < rows; i++) {
        put_row(&rng, i, &out);
        if (out.len < FLUSH && i + 1 < rows)
            continue;
        check(io->write_at(io, fd, out.ptr, out.len, at, &err), &err);
        at += out.len;
        od_buf_clear(&out);
    }
    check(io->sync(io, fd, &err), &err);
    io->close(io, fd);
    od_buf_done(&out);
}

static uint64_t size_of(const char *path)
{
    struct od_error err = {0};
    uint64_t size;
    int fd;
    check(io->open(io, path, OD_OPEN_READ, &fd, &err), &err);
    check(io->size(io, fd, &size, &err), &err);
    io->close(io, fd);
    return size;
}

static void say(const char *path, const struct od_import_result *r)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    printf("{\"rows\":%llu,\"csv_bytes\":%llu,\"segment_bytes\":%llu,\"seconds\":%.3f,"
           "\"cpu_seconds\":%.3f,\"peak_rss_mb\":%.1f}\n",
           (unsigned long long)r->rows, (unsigned long long)size_of(path),
           (unsigned long long)r->bytes, r->seconds,
           (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
               (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) * 1e-6,
           (double)use.ru_maxrss / 1024);
}

static struct od_import_result run(const char *path, const char *segment, unsigned threads)
{
    struct od_import_result result = {0};
    struct od_error err = {0};
    struct od_str file = od_str_c(path);
    struct od_import_spec spec = {.schema_text = od_str_c(schema),
                                  .type = OD_INTERACTIONS,
                                  .files = &file,
                                  .file_count = 1,
                                  .segment_path = od_str_c(segment),
                                  .report_path = OD_STR("bench_import_report.txt"),
                                  .minimum_rows = 1000,
                                  .threads = threads};
    check(od_import_run(&spec, io, &result, &err), &err);
    return result;
}

static void read_only(const char *path)
{
    struct od_import_result r = {0};
    struct od_error err = {0};
    char *bytes = malloc(READ_BLOCK);
    size_t len = bytes ? READ_BLOCK : 0;
    int fd;
    int64_t began = io->monotonic_ns(io);
    check(io->open(io, path, OD_OPEN_READ, &fd, &err), &err);
    for (uint64_t at = 0; len == READ_BLOCK; at += len)
        check(io->read_at(io, fd, bytes, READ_BLOCK, at, &len, &err), &err);
    io->close(io, fd);
    free(bytes);
    r.seconds = (double)(io->monotonic_ns(io) - began) * 1e-9;
    say(path, &r);
}

static void run_by_itself(void)
{
    char folder[] = "bench_import_XXXXXX", csv[64], segment[64];
    struct od_error err = {0};
    if (!mkdtemp(folder)) {
        perror("bench_import");
        exit(1);
    }
    snprintf(csv, sizeof csv, "%s/events.csv", folder);
    snprintf(segment, sizeof segment, "%s/events.seg", folder);
    generate(csv, 1000000);
    for (unsigned threads = 1; threads <= 2; threads++) {
        struct od_import_result r = run(csv, segment, threads);
        printf("%u thread%s: %.1f million rows a second, %.0f MB/s\n", threads,
               threads == 1 ? "" : "s", (double)r.rows / r.seconds * 1e-6,
               (double)size_of(csv) / r.seconds * 1e-6);
    }
    check(od_io_remove_tree(io, folder, &err), &err);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "generate") == 0) {
        generate(argv[2], strtoul(argv[3], NULL, 10));
    } else if (argc == 5 && strcmp(argv[1], "run") == 0) {
        struct od_import_result r = run(argv[2], argv[3], (unsigned)strtoul(argv[4], NULL, 10));
        say(argv[2], &r);
    } else if (argc == 3 && strcmp(argv[1], "read") == 0) {
        read_only(argv[2]);
    } else if (argc == 1) {
        run_by_itself();
    } else {
        fprintf(stderr, "usage: bench_import [generate FILE ROWS | run FILE SEGMENT THREADS | read "
                        "FILE]\n");
        return 2;
    }
    return 0;
}
