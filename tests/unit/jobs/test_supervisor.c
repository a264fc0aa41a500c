/* The supervisor against worker processes of every temper: shell scripts stand in for the worker
 * and do what the job's spec (their standard input) says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "jobs/jobs.h"

struct outcome {
    int64_t id;
    enum od_status status;
    char text[256]; /* "rows" of the result, or the error's message */
};

struct fixture {
    char script[64];
    struct od_jobs *jobs;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct outcome done[16];
    size_t done_count;
    unsigned progress_count;
    unsigned started_count;
    int64_t refuse; /* a job id `started` says no to */
};

static bool on_started(void *context, int64_t id)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    f->started_count++;
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
    return id != f->refuse;
}

static void on_progress(void *context, int64_t id, double fraction, struct od_str stage)
{
    struct fixture *f = context;
    (void)id;
    pthread_mutex_lock(&f->lock);
    f->progress_count += fraction > 0 && od_str_eq_c(stage, "working");
    pthread_mutex_unlock(&f->lock);
}

static void on_finished(void *context, int64_t id, enum od_status status,
                        const struct od_json *result, const struct od_error *err)
{
    struct fixture *f = context;
    pthread_mutex_lock(&f->lock);
    struct outcome *o = &f->done[f->done_count++];
    o->id = id;
    o->status = status;
    if (status == OD_OK)
        snprintf(o->text, sizeof o->text, "%lld", (long long)od_json_get_i64(result, "rows", -1));
    else
        snprintf(o->text, sizeof o->text, "%.200s", err->message);
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->lock);
}

static int setup(void **state)
{
    struct fixture *f = calloc(1, sizeof *f);
    pthread_mutex_init(&f->lock, NULL);
    pthread_cond_init(&f->changed, NULL);
    f->refuse = -1;
    snprintf(f->script, sizeof f->script, "/tmp/ondol-test-worker-XXXXXX");
    int fd = mkstemp(f->script);
    const char *text = "#!/bin/sh\neval \"$(cat)\"\n";
    if (fd < 0 || write(fd, text, strlen(text)) < 0 || fchmod(fd, 0700) < 0)
        return -1;
    close(fd);
    struct od_jobs_config config = {.io = &od_io_real,
                                    .program = f->script,
                                    .at_once = 2,
                                    .started = on_started,
                                    .progress = on_progress,
                                    .finished = on_finished,
                                    .context = f};
    *state = f;
    return od_jobs_new(&config, &f->jobs, NULL) == OD_OK ? 0 : -1;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    od_jobs_free(f->jobs);
    unlink(f->script);
    free(f);
    return 0;
}

static void submit(struct fixture *f, int64_t id, const char *script)
{
    assert_int_equal(od_jobs_submit(f->jobs, id, od_str_c(script)), OD_OK);
}

static const struct outcome *wait_for(struct fixture *f, int64_t id)
{
    pthread_mutex_lock(&f->lock);
    for (;;) {
        for (size_t i = 0; i < f->done_count; i++)
            if (f->done[i].id == id) {
                pthread_mutex_unlock(&f->lock);
                return &f->done[i];
            }
        pthread_cond_wait(&f->changed, &f->lock);
    }
}

static void a_result_comes_back_after_its_progress(void **state)
{
    struct fixture *f = *state;
    submit(f, 1,
           "echo '{\"progress\":0.5,\"stage\":\"working\"}' >&3; echo '{\"result\":{\"rows\":7}}' "
           ">&3");
    const struct outcome *o = wait_for(f, 1);
    assert_int_equal(o->status, OD_OK);
    assert_string_equal(o->text, "7");
    assert_int_equal(f->progress_count, 1);
}

static void a_line_in_pieces_is_one_line(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "printf '{\"result\":{\"ro' >&3; sleep 0.1; printf 'ws\":8}}\\n' >&3");
    assert_string_equal(wait_for(f, 1)->text, "8");
}

static void an_error_keeps_its_code_and_text(void **state)
{
    struct fixture *f = *state;
    submit(f, 1,
           "echo '{\"error\":{\"code\":\"INVALID_INPUT\",\"message\":\"Too few rows.\"}}' >&3; "
           "exit 1");
    const struct outcome *o = wait_for(f, 1);
    assert_int_equal(o->status, OD_INVALID_INPUT);
    assert_string_equal(o->text, "Too few rows.");
}

static void a_killed_worker_is_a_failed_job(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "kill -9 $$");
    const struct outcome *o = wait_for(f, 1);
    assert_int_equal(o->status, OD_INTERNAL);
    assert_non_null(strstr(o->text, "signal 9"));
}

static void a_worker_that_says_nothing_is_a_failed_job(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "exit 3");
    const struct outcome *o = wait_for(f, 1);
    assert_int_equal(o->status, OD_INTERNAL);
    assert_non_null(strstr(o->text, "exit status 3"));
}

static void nonsense_kills_the_worker_and_fails_the_job(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "echo 'hello' >&3; exec sleep 60");
    const struct outcome *o = wait_for(f, 1);
    assert_int_equal(o->status, OD_CORRUPT);
    assert_non_null(strstr(o->text, "nonsense"));
}

static void an_endless_line_kills_the_worker(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "exec tr '\\0' x </dev/zero >&3");
    assert_non_null(strstr(wait_for(f, 1)->text, "endless"));
}

static void stopping_a_running_job_ends_it(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "exec sleep 60");
    pthread_mutex_lock(&f->lock);
    while (!f->started_count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    assert_true(od_jobs_stop(f->jobs, 1));
    assert_int_equal(wait_for(f, 1)->status, OD_STOPPED);
    assert_false(od_jobs_stop(f->jobs, 1));
}

static void a_stopped_waiting_job_never_starts(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "sleep 0.4; echo '{\"result\":{}}' >&3");
    submit(f, 2, "sleep 0.4; echo '{\"result\":{}}' >&3");
    submit(f, 3, "echo '{\"result\":{\"rows\":3}}' >&3");
    assert_true(od_jobs_stop(f->jobs, 3));
    assert_int_equal(wait_for(f, 3)->status, OD_STOPPED);
    wait_for(f, 1);
    wait_for(f, 2);
    assert_int_equal(f->started_count, 2);
}

static void a_refused_job_is_dropped_without_a_word(void **state)
{
    struct fixture *f = *state;
    f->refuse = 1;
    submit(f, 1, "echo '{\"result\":{}}' >&3");
    submit(f, 2, "echo '{\"result\":{\"rows\":2}}' >&3");
    assert_string_equal(wait_for(f, 2)->text, "2");
    unsigned running;
    assert_int_equal(od_jobs_waiting(f->jobs, &running), 0);
    assert_int_equal(f->done_count, 1);
}

static void a_spec_larger_than_a_pipe_arrives_whole(void **state)
{
    struct fixture *f = *state;
    struct od_buf spec;
    od_buf_init(&spec, 1 << 20);
    od_buf_puts(&spec, "#");
    for (int i = 0; i < 200000; i++)
        od_buf_char(&spec, 'x');
    od_buf_puts(&spec, "\necho '{\"result\":{\"rows\":9}}' >&3");
    assert_int_equal(od_jobs_submit(f->jobs, 1, od_buf_view(&spec)), OD_OK);
    assert_string_equal(wait_for(f, 1)->text, "9");
    od_buf_done(&spec);
}

static void freeing_kills_what_runs(void **state)
{
    struct fixture *f = *state;
    submit(f, 1, "exec sleep 60");
    pthread_mutex_lock(&f->lock);
    while (!f->started_count)
        pthread_cond_wait(&f->changed, &f->lock);
    pthread_mutex_unlock(&f->lock);
    /* teardown frees: it would wait a minute if the child lived on */
    assert_int_equal(f->done_count, 0);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
    const struct CMUnitTest tests[] = {
        T(a_result_comes_back_after_its_progress),
        T(a_line_in_pieces_is_one_line),
        T(an_error_keeps_its_code_and_text),
        T(a_killed_worker_is_a_failed_job),
        T(a_worker_that_says_nothing_is_a_failed_job),
        T(nonsense_kills_the_worker_and_fails_the_job),
        T(an_endless_line_kills_the_worker),
        T(stopping_a_running_job_ends_it),
        T(a_stopped_waiting_job_never_starts),
        T(a_refused_job_is_dropped_without_a_word),
        T(a_spec_larger_than_a_pipe_arrives_whole),
        T(freeing_kills_what_runs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
