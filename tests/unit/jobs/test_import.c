/* Imports: files to a segment, bad rows to a report, the same whatever the threads and blocks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/random.h"
#include "data/segment.h"
#include "jobs/import.h"

#define EVENTS                                                                                     \
    "{\"type\":\"record\",\"name\":\"Interactions\",\"fields\":["                                  \
    "{\"name\":\"USER_ID\",\"type\":\"string\"},"                                                  \
    "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"                                                  \
    "{\"name\":\"TIMESTAMP\",\"type\":\"long\"},"                                                  \
    "{\"name\":\"EVENT_TYPE\",\"type\":[\"null\",\"string\"]}],\"version\":\"1.0\"}"
#define ITEMS                                                                                      \
    "{\"type\":\"record\",\"name\":\"Items\",\"fields\":["                                         \
    "{\"name\":\"ITEM_ID\",\"type\":\"string\"},"                                                  \
    "{\"name\":\"TEXT\",\"type\":\"string\",\"textual\":true},"                                    \
    "{\"name\":\"PRICE\",\"type\":[\"null\",\"double\"]}],\"version\":\"1.0\"}"

static char folder[64];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/od-import-XXXXXX");
    return mkdtemp(folder) ? 0 : 1;
}

static int tear_down(void **state)
{
    (void)state;
    return od_io_remove_tree(&od_io_real, folder, NULL) == OD_OK ? 0 : 1;
}

/* Lives as long as the test: one place a name. */
static const char *path_of(const char *name)
{
    static char paths[16][128];
    char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    size_t i = 0;
    while (paths[i][0] && strcmp(paths[i], path) != 0)
        i++;
    assert_true(i < 16);
    memcpy(paths[i], path, sizeof path);
    return paths[i];
}

static void put_file(const char *name, struct od_str bytes)
{
    assert_int_equal(od_io_write_file(&od_io_real, path_of(name), bytes, NULL), OD_OK);
}

static void get_file(const char *name, struct od_buf *out)
{
    od_buf_init(out, 1u << 30);
    assert_int_equal(od_io_read_file(&od_io_real, path_of(name), out, NULL), OD_OK);
}

static struct od_import_spec spec_of(const char *schema, enum od_dataset_type type,
                                     struct od_str *files, size_t count)
{
    return (struct od_import_spec){.schema_text = od_str_c(schema),
                                   .type = type,
                                   .files = files,
                                   .file_count = count,
                                   .segment_path = od_str_c(path_of("out.seg")),
                                   .report_path = od_str_c(path_of("report.txt")),
                                   .threads = 2};
}

static enum od_status import_one(const char *schema, enum od_dataset_type type, struct od_str csv,
                                 size_t block_bytes, struct od_import_result *out,
                                 struct od_error *err)
{
    put_file("in.csv", csv);
    (void)unlink(path_of("out.seg"));
    (void)unlink(path_of("report.txt"));
    struct od_str file = od_str_c(path_of("in.csv"));
    struct od_import_spec spec = spec_of(schema, type, &file, 1);
    spec.block_bytes = block_bytes;
    return od_import_run(&spec, &od_io_real, out, err);
}

/* Nothing may be left but the report. */
static void nothing_is_left(void)
{
    assert_false(od_io_exists(&od_io_real, path_of("out.seg")));
    assert_false(od_io_exists(&od_io_real, path_of("out.seg.tmp")));
}

static void fails_with(const char *schema, enum od_dataset_type type, const char *csv,
                       const char *message)
{
    struct od_import_result r;
    struct od_error err = {0};
    for (size_t block = 0; block < 40; block += 13) {
        if (import_one(schema, type, od_str_c(csv), block, &r, &err) != OD_INVALID_INPUT)
            fail_msg("accepted: %s", csv);
        char want[1500];
        snprintf(want, sizeof want, "Failed to create a data import job for %s dataset. %s",
                 od_dataset_type_name(type), message);
        const char *place = strstr(want, "REPORT");
        if (place) {
            char full[1500];
            snprintf(full, sizeof full, "%.*s%s/report.txt.", (int)(place - want), want,
                     strrchr(folder, '/') + 1);
            snprintf(want, sizeof want, "%s", full);
        }
        assert_string_equal(err.message, want);
        nothing_is_left();
    }
}

/* The segment's rows as text: cells joined by commas, null as "-". */
static void rows_of(const char *name, struct od_buf *out)
{
    struct od_buf file;
    struct od_arena arena;
    struct od_segment seg;
    struct od_error err = {0};
    get_file(name, &file);
    od_buf_init(out, 1u << 30);
    od_arena_init(&arena, 1u << 28);
    if (od_segment_open(&arena, od_buf_view(&file), &seg, &err) != OD_OK)
        fail_msg("%s", err.message);
    for (size_t c = 0; c < seg.chunk_count; c++) {
        struct od_chunk chunk;
        assert_int_equal(od_segment_chunk(&seg, c, &arena, &chunk, &err), OD_OK);
        for (uint32_t r = 0; r < chunk.row_count; r++) {
            for (size_t k = 0; k < chunk.column_count; k++) {
                struct od_value v;
                od_chunk_value(&chunk, k, r, &v);
                od_buf_puts(out, k ? "," : "");
                if (v.kind == OD_VALUE_TEXT)
                    od_buf_str(out, v.text);
                else if (v.kind == OD_VALUE_REAL)
                    od_buf_double(out, v.real);
                else if (v.kind == OD_VALUE_NULL)
                    od_buf_char(out, '-');
                else
                    od_buf_printf(out, "%lld", (long long)v.integer);
            }
            od_buf_char(out, '\n');
        }
    }
    od_arena_done(&arena);
    od_buf_done(&file);
}

static void imports_to(const char *schema, enum od_dataset_type type, const char *csv,
                       const char *rows)
{
    struct od_import_result r = {0};
    struct od_error err = {0};
    for (size_t block = 0; block < 50; block += 7) {
        if (import_one(schema, type, od_str_c(csv), block, &r, &err) != OD_OK)
            fail_msg("%s", err.message);
        struct od_buf got, file;
        rows_of("out.seg", &got);
        assert_string_equal(got.ptr, rows);
        get_file("out.seg", &file);
        assert_int_equal(r.bytes, file.len);
        assert_false(od_io_exists(&od_io_real, path_of("out.seg.tmp")));
        od_buf_done(&got);
        od_buf_done(&file);
    }
}

static void good_files_become_segments(void **state)
{
    (void)state;
    imports_to(EVENTS, OD_INTERACTIONS, "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\nu1,i1,10,view\n",
               "u1,i1,10,view\n");
    imports_to(EVENTS, OD_INTERACTIONS,
               "\xEF\xBB\xBF"
               "TIMESTAMP , ITEM_ID,EXTRA,EVENT_TYPE,USER_ID\r\n1700000000000,i1,x,,u1\r\n\r\n"
               "-5,\"i,\n2\",\"\xed\x95\x9c\",view,\"u\"\"2\"",
               "u1,i1,1700000000000,-\nu\"2,i,\n2,-5,view\n");
    imports_to(ITEMS, OD_ITEMS,
               "ITEM_ID,TEXT,PRICE\na,\"two\nlines, one \\\"quote\\\"\",1.5\nb,\xed\x95\x9c,\n",
               "a,two\nlines, one \"quote\",1.5\nb,\xed\x95\x9c,-\n");
}

#define EVENT_HEADER "USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n"

static void bad_cells_fail_the_job_and_name_the_place(void **state)
{
    (void)state;
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "u,i,1,v\nu,i,abc,v\nu,i,2,v\nu,,3,v\n",
               "Invalid value 'abc' for column TIMESTAMP at line 3: The value must be a whole "
               "number without fraction, blanks or separators, in 64 bits (type long). 2 bad rows "
               "in all; the report lists them: REPORT");
    struct od_buf report;
    get_file("report.txt", &report);
    assert_non_null(strstr(report.ptr, "\"in.csv\"\t3\t\"TIMESTAMP\"\t\"abc\"\tThe value must be"));
    assert_non_null(strstr(report.ptr, "\"in.csv\"\t5\t\"ITEM_ID\"\t\"\"\tThe value is empty"));
    assert_non_null(strstr(report.ptr, "# 2 bad rows in all, 2 good.\n"));
    od_buf_done(&report);
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "\"u\n\nx\",\"\n\",1 2,v\n",
               "Invalid value '1 2' for column TIMESTAMP at line 5: The value must be a whole "
               "number without fraction, blanks or separators, in 64 bits (type long). 1 bad row "
               "in all; the report lists them: REPORT");
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "u,\xff\xfe,1,v\n",
               "Invalid value '\xEF\xBF\xBD\xEF\xBF\xBD' for column ITEM_ID at line 2: The text is "
               "not well-formed UTF-8. 1 bad row in all; the report lists them: REPORT");
    fails_with(EVENTS, OD_INTERACTIONS, "X,USER_ID,ITEM_ID,TIMESTAMP,EVENT_TYPE\n\xC3(,u,i,1,v\n",
               "Invalid value '\xEF\xBF\xBD(' for column X at line 2: The text is not well-formed "
               "UTF-8. 1 bad row in all; the report lists them: REPORT");
}

static void bad_records_fail_the_job_and_name_the_place(void **state)
{
    (void)state;
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "\n\nu,i,1\n",
               "Invalid record at line 4: The record has 3 cells and the header 4 columns; "
               "EVENT_TYPE is missing. 1 bad row in all; the report lists them: REPORT");
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "u,i,1,v,w\n",
               "Invalid record at line 2: The record has 5 cells and the header 4 columns; a value "
               "with a comma must be in quotes. 1 bad row in all; the report lists them: REPORT");
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "u,i,1,v\nu,i,2,\"v\nu,i,3,v\n",
               "Invalid record at line 3: The quote that opens here is never closed. 1 bad row in "
               "all; the report lists them: REPORT");
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "u,\"i\nj\"k,2,v\n",
               "Invalid record at line 3: Behind a closing quote must come a comma or the line's "
               "end; a quote inside a value is written \\\". 1 bad row in all; the report lists "
               "them: REPORT");
}

static void too_long_values_use_the_documented_words(void **state)
{
    (void)state;
    char csv[1000];
    int n = snprintf(csv, sizeof csv, EVENT_HEADER "u,i,1,v\n");
    memset(csv + n, 'x', 257);
    snprintf(csv + n + 257, sizeof csv - (size_t)n - 257, ",i,1,v\n");
    fails_with(EVENTS, OD_INTERACTIONS, csv,
               "Length cannot be more than 256 characters for USER_ID. If no values exceed the "
               "character limit, make sure your data follows the formatting guidelines listed in "
               "https://docs.aws.amazon.com/personalize/latest/dg/data-prep-formatting.html. First "
               "at line 3. 1 bad row in all; the report lists them: REPORT");
    struct od_buf report;
    get_file("report.txt", &report);
    assert_non_null(strstr(report.ptr, "xxx...\"\tLength"));
    od_buf_done(&report);
}

static void headers_and_counts_are_checked(void **state)
{
    (void)state;
    fails_with(EVENTS, OD_INTERACTIONS, "USER_ID,TIMESTAMP\nu,1\n",
               "Input CSV is missing the following columns: [ITEM_ID, EVENT_TYPE].");
    fails_with(EVENTS, OD_INTERACTIONS, "", "Invalid header at line 1: the file has none.");
    fails_with(EVENTS, OD_INTERACTIONS, "USER_ID,USER_ID\n",
               "Invalid header at line 1: two columns have the name USER_ID.");
    fails_with(EVENTS, OD_INTERACTIONS, EVENT_HEADER "\r\n\n", "Input CSV has no records.");
    fails_with(EVENTS, OD_ITEMS, EVENT_HEADER "u,i,1,v\n", "The schema is one of INTERACTIONS.");
    fails_with("{}", OD_ITEMS, "A\n", "Invalid schema: \"type\" is absent and must be \"record\".");
}

/* Rows with quotes, escapes, newlines and nulls; expected (may be NULL) gets what rows_of says. */
static void many_rows(unsigned rows, unsigned seed, struct od_buf *csv, struct od_buf *expected)
{
    struct od_random rng;
    od_random_init(&rng, seed);
    od_buf_init(csv, 1u << 30);
    od_buf_puts(csv, EVENT_HEADER);
    for (unsigned i = 0; i < rows; i++) {
        unsigned user = (unsigned)od_random_below(&rng, 5000);
        unsigned item = (unsigned)od_random_below(&rng, 900);
        const char *type = i % 3 ? "view" : "";
        bool odd = i % 50 > 30;
        od_buf_printf(csv, odd ? "user%u,\"item\\\"\n%u\",%u,%s\n" : "user%u,\"item,%u\",%u,%s\n",
                      user, item, i, type);
        if (expected)
            od_buf_printf(expected, odd ? "user%u,item\"\n%u,%u,%s\n" : "user%u,item,%u,%u,%s\n",
                          user, item, i, i % 3 ? type : "-");
    }
}

static void a_minimum_of_rows_is_asked_for(void **state)
{
    (void)state;
    struct od_buf csv;
    struct od_import_result r;
    struct od_error err = {0};
    for (unsigned rows = 999; rows <= 1000; rows++) {
        many_rows(rows, 1, &csv, NULL);
        put_file("in.csv", od_buf_view(&csv));
        struct od_str file = od_str_c(path_of("in.csv"));
        struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, &file, 1);
        spec.minimum_rows = 1000;
        enum od_status s = od_import_run(&spec, &od_io_real, &r, &err);
        assert_int_equal(s, rows == 1000 ? OD_OK : OD_INVALID_INPUT);
        od_buf_done(&csv);
    }
    assert_string_equal(err.message, "Failed to create a data import job for INTERACTIONS dataset. "
                                     "Input CSV has fewer than 1000 records.");
    assert_int_equal(r.rows, 1000);
}

static void import_bytes(struct od_import_spec *spec, unsigned threads, size_t block,
                         struct od_buf *out)
{
    struct od_import_result r;
    struct od_error err = {0};
    spec->threads = threads;
    spec->block_bytes = block;
    if (od_import_run(spec, &od_io_real, &r, &err) != OD_OK)
        fail_msg("%s", err.message);
    get_file("out.seg", out);
}

static void threads_change_no_byte_and_blocks_no_row(void **state)
{
    (void)state;
    struct od_buf csv, one, expected;
    od_buf_init(&expected, 1u << 30);
    many_rows(150000, 2, &csv, &expected);
    put_file("a.csv", od_buf_view(&csv));
    od_buf_done(&csv);
    many_rows(3000, 3, &csv, &expected);
    put_file("b.csv", od_buf_view(&csv));
    od_buf_done(&csv);
    struct od_str files[] = {od_str_c(path_of("a.csv")), od_str_c(path_of("b.csv"))};
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, files, 2);
    static const size_t blocks[] = {0, 1u << 20, 100003, 777};
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        import_bytes(&spec, 1, blocks[b], &one);
        for (unsigned threads = 2; threads <= 5; threads += 3) {
            struct od_buf more;
            import_bytes(&spec, threads, blocks[b], &more);
            assert_int_equal(one.len, more.len);
            assert_memory_equal(one.ptr, more.ptr, one.len);
            od_buf_done(&more);
        }
        struct od_buf now;
        rows_of("out.seg", &now);
        assert_true(od_str_eq(od_buf_view(&expected), od_buf_view(&now)));
        od_buf_done(&now);
        od_buf_done(&one);
    }
    od_buf_done(&expected);
}

static void reports_are_the_same_whatever_threads_and_blocks(void **state)
{
    (void)state;
    struct od_buf csv, want;
    od_buf_init(&csv, 1u << 28);
    od_buf_puts(&csv, EVENT_HEADER);
    for (unsigned i = 0; i < 30000; i++)
        od_buf_printf(&csv, i % 2 ? "u,i\n" : "u%u,\"x\ny\",%s,v\n", i, i % 5 ? "1" : "1.0");
    put_file("a.csv", od_buf_view(&csv));
    put_file("b.csv", OD_STR(EVENT_HEADER "u,i,x,v\n"));
    struct od_str files[] = {od_str_c(path_of("a.csv")), od_str_c(path_of("b.csv"))};
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, files, 2);
    static const size_t blocks[] = {0, 60000, 500};
    char message[sizeof((struct od_error *)0)->message] = "";
    for (size_t b = 0; b < sizeof blocks / sizeof blocks[0]; b++) {
        struct od_import_result r;
        struct od_error err = {0};
        struct od_buf report;
        spec.block_bytes = blocks[b];
        spec.threads = 1 + (unsigned)b * 2;
        assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_INVALID_INPUT);
        get_file("report.txt", &report);
        if (b == 0) {
            want = report;
            snprintf(message, sizeof message, "%s", err.message);
            continue;
        }
        assert_string_equal(err.message, message);
        assert_string_equal(report.ptr, want.ptr);
        od_buf_done(&report);
    }
    assert_non_null(strstr(message, "'1.0' for column TIMESTAMP at line 3 of a.csv: "));
    assert_non_null(strstr(message, " 18001 bad rows in all"));
    assert_non_null(strstr(want.ptr, "# 8001 more are not listed.\n"));
    assert_non_null(strstr(want.ptr, "\"a.csv\"\t4\t\"TIMESTAMP\"\t\"u,i\"\tThe record has 2"));
    size_t lines = 0;
    for (size_t i = 0; i < want.len; i++)
        lines += want.ptr[i] == '\n';
    assert_int_equal(lines, 10000 + 4);
    od_buf_done(&want);
    od_buf_done(&csv);
}

struct told {
    double last;
    int calls, stop_at;
};

static enum od_status tell(void *context, double fraction)
{
    struct told *t = context;
    assert_true(fraction >= t->last && fraction <= 1);
    t->last = fraction;
    return ++t->calls == t->stop_at ? OD_STOPPED : OD_OK;
}

static void progress_rises_to_one_and_may_stop_the_work(void **state)
{
    (void)state;
    struct od_buf csv;
    struct od_import_result r;
    struct od_error err = {0};
    many_rows(20000, 4, &csv, NULL);
    put_file("in.csv", od_buf_view(&csv));
    od_buf_done(&csv);
    struct od_str file = od_str_c(path_of("in.csv"));
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, &file, 1);
    struct told told = {0};
    (void)unlink(path_of("out.seg"));
    spec.progress = tell;
    spec.progress_context = &told;
    spec.block_bytes = 1000;
    spec.threads = 3;
    assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_OK);
    assert_true(told.last == 1);
    assert_true(told.calls > 100 && told.calls < 300);
    (void)unlink(path_of("out.seg"));
    told = (struct told){.stop_at = 50};
    assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_STOPPED);
    assert_int_equal(told.calls, 50);
    nothing_is_left();
}

static enum od_status replace(void *context, double fraction)
{
    int *calls = context;
    if (++*calls == 20) /* another file of the same size takes the name, as PutObject does it */
        assert_int_equal(rename(path_of("other.csv"), path_of("in.csv")), 0);
    return fraction >= 0 ? OD_OK : OD_STOPPED;
}

static void a_file_that_is_replaced_while_it_is_read_fails_the_job(void **state)
{
    (void)state;
    struct od_buf csv;
    struct od_import_result r;
    struct od_error err = {0};
    int calls = 0;
    many_rows(20000, 4, &csv, NULL);
    put_file("in.csv", od_buf_view(&csv));
    put_file("other.csv", od_buf_view(&csv));
    od_buf_done(&csv);
    struct od_str file = od_str_c(path_of("in.csv"));
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, &file, 1);
    (void)unlink(path_of("out.seg"));
    spec.progress = replace;
    spec.progress_context = &calls;
    spec.block_bytes = 1000;
    spec.threads = 1;
    assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_IO);
    assert_true(calls > 20);
    assert_non_null(strstr(err.message, "changed while it was read"));
    nothing_is_left();
}

/* A disk on which the n-th call of read_at, write_at, sync or rename fails. */
struct faulty {
    struct od_io io;
    int countdown;
};

static bool fault_now(const struct od_io *io)
{
    struct faulty *f = io->state;
    return __atomic_sub_fetch(&f->countdown, 1, __ATOMIC_RELAXED) == 0;
}

static enum od_status faulty_read(const struct od_io *io, int fd, void *to, size_t len, uint64_t at,
                                  size_t *out_len, struct od_error *err)
{
    if (fault_now(io))
        return od_fail(err, OD_IO, "the disk is on fire");
    return od_io_real.read_at(&od_io_real, fd, to, len, at, out_len, err);
}

static enum od_status faulty_write(const struct od_io *io, int fd, const void *from, size_t len,
                                   uint64_t at, struct od_error *err)
{
    if (fault_now(io))
        return od_fail(err, OD_IO, "the disk is on fire");
    return od_io_real.write_at(&od_io_real, fd, from, len, at, err);
}

static enum od_status faulty_sync(const struct od_io *io, int fd, struct od_error *err)
{
    if (fault_now(io))
        return od_fail(err, OD_IO, "the disk is on fire");
    return od_io_real.sync(&od_io_real, fd, err);
}

static enum od_status faulty_rename(const struct od_io *io, const char *from, const char *to,
                                    struct od_error *err)
{
    if (fault_now(io))
        return od_fail(err, OD_IO, "the disk is on fire");
    return od_io_real.rename(&od_io_real, from, to, err);
}

static void any_disk_fault_fails_the_job_and_leaves_nothing(void **state)
{
    (void)state;
    struct od_buf csv;
    many_rows(2000, 5, &csv, NULL);
    put_file("in.csv", od_buf_view(&csv));
    od_buf_done(&csv);
    struct od_str file = od_str_c(path_of("in.csv"));
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, &file, 1);
    spec.block_bytes = 3000;
    struct faulty f = {.io = od_io_real};
    f.io.read_at = faulty_read;
    f.io.write_at = faulty_write;
    f.io.sync = faulty_sync;
    f.io.rename = faulty_rename;
    f.io.state = &f;
    int n = 1;
    for (; n < 1000; n++) {
        struct od_import_result r;
        struct od_error err = {0};
        f.countdown = n;
        (void)unlink(path_of("out.seg"));
        enum od_status s = od_import_run(&spec, &f.io, &r, &err);
        if (s == OD_OK)
            break;
        assert_int_equal(s, OD_IO);
        assert_string_equal(err.message, "Failed to create a data import job for INTERACTIONS "
                                         "dataset. the disk is on fire");
        nothing_is_left();
    }
    assert_true(n > 40 && n < 1000);
}

static void a_missing_file_is_told_as_documented(void **state)
{
    (void)state;
    struct od_str file = od_str_c(path_of("absent.csv"));
    struct od_import_spec spec = spec_of(EVENTS, OD_INTERACTIONS, &file, 1);
    struct od_import_result r;
    struct od_error err = {0};
    assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_IO);
    assert_non_null(strstr(err.message, "INTERACTIONS dataset. Insufficient privileges for "
                                        "accessing data in Amazon S3."));
    spec.file_count = 0;
    assert_int_equal(od_import_run(&spec, &od_io_real, &r, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "No CSV files"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(good_files_become_segments),
        cmocka_unit_test(bad_cells_fail_the_job_and_name_the_place),
        cmocka_unit_test(bad_records_fail_the_job_and_name_the_place),
        cmocka_unit_test(too_long_values_use_the_documented_words),
        cmocka_unit_test(headers_and_counts_are_checked),
        cmocka_unit_test(a_minimum_of_rows_is_asked_for),
        cmocka_unit_test(threads_change_no_byte_and_blocks_no_row),
        cmocka_unit_test(reports_are_the_same_whatever_threads_and_blocks),
        cmocka_unit_test(progress_rises_to_one_and_may_stop_the_work),
        cmocka_unit_test(a_file_that_is_replaced_while_it_is_read_fails_the_job),
        cmocka_unit_test(any_disk_fault_fails_the_job_and_leaves_nothing),
        cmocka_unit_test(a_missing_file_is_told_as_documented),
    };
    return cmocka_run_group_tests_name("import", tests, set_up, tear_down);
}
