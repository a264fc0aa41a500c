/* A batch job from its spec to its files, on a model trained here: the same bytes on any number of
 * threads, all files or none. */
#include "jobs/train.inc"

#include "jobs/batch.h"

static char in_path[96], out_path[96], hidden_path[96];

static int train_once(void **state)
{
    struct trained t = {0};
    struct od_buf spec;
    if (set_up(state) != 0)
        return 1;
    write_walks(120, 20);
    make_spec(&spec, "aws-user-personalization", "model", false, "");
    run_spec(&spec, &t);
    assert_int_equal(t.status, OD_OK);
    trained_done(&t);
    struct od_buf lines;
    od_buf_init(&lines, 1u << 20);
    for (uint32_t u = 0; u < 700; u++)
        od_buf_printf(&lines, u % 50 ? "{\"userId\":\"u%04u\"}\n" : "nonsense %u\r\n\n", u);
    snprintf(in_path, sizeof in_path, "%s/in.json", folder);
    snprintf(out_path, sizeof out_path, "%s/out.json.out", folder);
    snprintf(hidden_path, sizeof hidden_path, "%s/.out.json.out.tmp", folder);
    assert_int_equal(od_io_write_file(&od_io_real, in_path, od_buf_view(&lines), NULL), OD_OK);
    od_buf_done(&lines);
    return 0;
}

struct outcome {
    enum od_status status;
    struct od_error err;
    struct od_buf result;
    double last;
    int64_t stop_after; /* reports; 0: never */
};

static enum od_status hear(void *context, double fraction, const char *stage)
{
    struct outcome *o = context;
    assert_non_null(stage);
    assert_true(fraction >= o->last && fraction <= 1);
    o->last = fraction;
    return o->stop_after && --o->stop_after == 0 ? OD_STOPPED : OD_OK;
}

static void run_batch(const struct od_io *io, unsigned threads, struct outcome *out)
{
    struct od_buf spec;
    struct od_arena arena;
    struct od_json json;
    struct od_progress progress = {hear, out};
    od_arena_init(&arena, SIZE_MAX);
    od_buf_init(&spec, 1u << 20);
    od_buf_init(&out->result, 1000);
    od_buf_printf(&spec,
                  "{\"kind\":\"batch\",\"job\":\"arn:job\",\"group\":\"arn:group\",\"results\":8,"
                  "\"image\":\"%s/model.image\",\"threads\":%u,\"seed\":5,\"now_ms\":1700100000000,"
                  "\"exploration_weight\":1,\"exploration_cutoff_days\":30,"
                  "\"files\":[{\"in\":\"%s\",\"out\":\"%s\"}]",
                  folder, threads, in_path, out_path);
    add_source(&spec, "interactions", INTERACTIONS);
    od_buf_char(&spec, '}');
    assert_int_equal(od_json_parse(&arena, od_buf_view(&spec), &json, &out->err), OD_OK);
    out->last = 0;
    out->status = od_batch_job_run(io, &json, &progress, &arena, &out->result, &out->err);
    od_buf_done(&spec);
    od_arena_done(&arena);
}

static struct od_buf output(void)
{
    struct od_buf text;
    od_buf_init(&text, 1u << 24);
    assert_int_equal(od_io_read_file(&od_io_real, out_path, &text, NULL), OD_OK);
    return text;
}

static void the_output_has_the_same_bytes_on_any_number_of_threads(void **state)
{
    (void)state;
    struct od_buf first = {0};
    for (unsigned threads = 1; threads <= 5; threads += 2) {
        struct outcome o = {0};
        run_batch(&od_io_real, threads, &o);
        if (o.status != OD_OK)
            fail_msg("%s", o.err.message);
        assert_true(o.last > 0.99);
        assert_non_null(strstr(o.result.ptr, "\"lines\":700,\"errors\":14,"));
        struct od_buf text = output();
        if (threads == 1) {
            first = text;
        } else {
            assert_int_equal(text.len, first.len);
            assert_memory_equal(text.ptr, first.ptr, text.len);
            od_buf_done(&text);
        }
        od_buf_done(&o.result);
        assert_int_equal(access(hidden_path, F_OK), -1);
    }
    struct od_str rest = od_buf_view(&first), line;
    for (uint32_t u = 0; u < 700; u++) {
        char begin[64];
        assert_true(od_str_cut(&rest, '\n', &line));
        snprintf(begin, sizeof begin,
                 u % 50 ? "{\"input\":{\"userId\":\"u%04u\"},\"output\":{"
                        : "{\"input\":\"nonsense %u\"",
                 u);
        assert_true(od_str_starts(line, od_str_c(begin)));
        assert_true(u % 50 ? od_str_ends(line, OD_STR("]},\"error\":null}"))
                           : od_str_ends(line, OD_STR("\"}")));
    }
    assert_int_equal(rest.len, 0);
    od_buf_done(&first);
    unlink(out_path);
}

static void a_job_that_is_stopped_leaves_nothing(void **state)
{
    (void)state;
    for (int64_t after = 1; after <= 2; after++) {
        struct outcome o = {.stop_after = after};
        run_batch(&od_io_real, 2, &o);
        assert_int_equal(o.status, OD_STOPPED);
        assert_int_equal(access(out_path, F_OK), -1);
        assert_int_equal(access(hidden_path, F_OK), -1);
        od_buf_done(&o.result);
    }
}

static enum od_status full_disk(const struct od_io *io, int fd, const void *from, size_t len,
                                uint64_t at, struct od_error *err)
{
    (void)io;
    (void)fd;
    (void)from;
    (void)len;
    (void)at;
    return od_fail(err, OD_IO, "No space left on device.");
}

static void a_full_disk_fails_the_job_and_leaves_the_last_output(void **state)
{
    (void)state;
    struct od_io io = od_io_real;
    struct outcome o = {0};
    io.write_at = full_disk;
    assert_int_equal(od_io_write_file(&od_io_real, out_path, OD_STR("earlier"), NULL), OD_OK);
    run_batch(&io, 2, &o);
    assert_int_equal(o.status, OD_IO);
    assert_non_null(strstr(o.err.message, "No space"));
    assert_int_equal(access(hidden_path, F_OK), -1);
    struct od_buf text = output();
    assert_string_equal(text.ptr, "earlier");
    od_buf_done(&text);
    od_buf_done(&o.result);
    unlink(out_path);
}

static void a_damaged_image_fails_the_job(void **state)
{
    (void)state;
    char path[96];
    struct od_buf bytes;
    struct outcome o = {0};
    snprintf(path, sizeof path, "%s/model.image", folder);
    od_buf_init(&bytes, 1u << 28);
    assert_int_equal(od_io_read_file(&od_io_real, path, &bytes, NULL), OD_OK);
    bytes.ptr[bytes.len / 2] ^= 1;
    assert_int_equal(od_io_write_file(&od_io_real, path, od_buf_view(&bytes), NULL), OD_OK);
    run_batch(&od_io_real, 2, &o);
    assert_int_equal(o.status, OD_CORRUPT);
    assert_int_equal(access(out_path, F_OK), -1);
    bytes.ptr[bytes.len / 2] ^= 1;
    assert_int_equal(od_io_write_file(&od_io_real, path, od_buf_view(&bytes), NULL), OD_OK);
    od_buf_done(&bytes);
    od_buf_done(&o.result);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_output_has_the_same_bytes_on_any_number_of_threads),
        cmocka_unit_test(a_job_that_is_stopped_leaves_nothing),
        cmocka_unit_test(a_full_disk_fails_the_job_and_leaves_the_last_output),
        cmocka_unit_test(a_damaged_image_fails_the_job),
    };
    return cmocka_run_group_tests(tests, train_once, tear_down);
}
