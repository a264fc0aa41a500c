/* The task queues that connect the threads of the server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "api/app.h"

#define POSTERS 4
#define EACH    500

struct numbered {
    struct od_task task;
    int poster, number;
};

/* What the worker thread saw. */
struct seen {
    struct od_app app; /* first: the thread's argument */
    int count;
    int last[POSTERS]; /* the highest number seen of each poster */
    bool in_order;
};

static void note(struct od_app *app, struct od_task *task)
{
    struct seen *seen = (struct seen *)app;
    struct numbered *n = (struct numbered *)task;
    seen->count++;
    seen->in_order &= n->number == seen->last[n->poster] + 1;
    seen->last[n->poster] = n->number;
    free(n);
}

static void *work(void *arg)
{
    struct od_app *app = arg;
    bool quit = false;
    while (!quit) {
        struct od_task *list = od_queue_take(&app->store_queue, -1, &quit);
        while (list) {
            struct od_task *next = list->next;
            list->run(app, list);
            list = next;
        }
    }
    return NULL;
}

static struct seen *begin(void)
{
    struct seen *seen = calloc(1, sizeof *seen);
    assert_non_null(seen);
    seen->in_order = true;
    for (int p = 0; p < POSTERS; p++)
        seen->last[p] = -1;
    assert_int_equal(od_queue_start(&seen->app.store_queue, work, &seen->app), OD_OK);
    return seen;
}

struct poster {
    struct seen *seen;
    int number;
};

static void *post_many(void *arg)
{
    const struct poster *p = arg;
    for (int i = 0; i < EACH; i++) {
        struct numbered *n = calloc(1, sizeof *n);
        if (!n)
            return NULL;
        *n = (struct numbered){.task.run = note, .poster = p->number, .number = i};
        od_queue_post(&p->seen->app.store_queue, &n->task);
    }
    return NULL;
}

static void every_task_runs_once_in_its_posters_order(void **state)
{
    (void)state;
    struct seen *seen = begin();
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (int i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){seen, i};
        assert_int_equal(pthread_create(&threads[i], NULL, post_many, &posters[i]), 0);
    }
    for (int i = 0; i < POSTERS; i++)
        pthread_join(threads[i], NULL);
    od_queue_stop(&seen->app.store_queue); /* finishes what is queued */
    assert_int_equal(seen->count, POSTERS * EACH);
    assert_true(seen->in_order);
    free(seen);
}

static enum od_status double_it(struct od_app *app, void *context, struct od_error *err)
{
    int *number = context;
    (void)app;
    *number *= 2;
    return *number > 10 ? od_fail(err, OD_LIMIT, "%d is too much.", *number) : OD_OK;
}

static void call_on_the_store_thread_gives_its_result_and_error(void **state)
{
    (void)state;
    struct seen *seen = begin();
    struct od_error err;
    int number = 4;
    assert_int_equal(od_app_on_store(&seen->app, double_it, &number, &err), OD_OK);
    assert_int_equal(number, 8);
    assert_int_equal(od_app_on_store(&seen->app, double_it, &number, &err), OD_LIMIT);
    assert_string_equal(err.message, "16 is too much.");
    od_queue_stop(&seen->app.store_queue);
    free(seen);
}

static void taking_waits_no_longer_than_asked(void **state)
{
    (void)state;
    struct od_queue queue;
    bool quit = true;
    pthread_mutex_init(&queue.lock, NULL);
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue.changed, &attributes);
    pthread_condattr_destroy(&attributes);
    queue.head = NULL;
    queue.tail = &queue.head;
    queue.quit = false;
    int64_t begun = od_io_real.monotonic_ns(&od_io_real);
    assert_null(od_queue_take(&queue, 30, &quit));
    int64_t waited = od_io_real.monotonic_ns(&od_io_real) - begun;
    assert_false(quit);
    assert_true(waited >= 29 * 1000000LL);
    pthread_cond_destroy(&queue.changed);
    pthread_mutex_destroy(&queue.lock);
}

static void stopped_queue_gives_what_is_left_before_it_says_so(void **state)
{
    (void)state;
    struct od_queue queue = {.quit = true};
    struct od_task task = {0};
    bool quit;
    pthread_mutex_init(&queue.lock, NULL);
    pthread_cond_init(&queue.changed, NULL);
    queue.tail = &queue.head;
    od_queue_post(&queue, &task);
    assert_ptr_equal(od_queue_take(&queue, -1, &quit), &task);
    assert_false(quit);
    assert_null(od_queue_take(&queue, -1, &quit));
    assert_true(quit);
    pthread_cond_destroy(&queue.changed);
    pthread_mutex_destroy(&queue.lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_task_runs_once_in_its_posters_order),
        cmocka_unit_test(call_on_the_store_thread_gives_its_result_and_error),
        cmocka_unit_test(taking_waits_no_longer_than_asked),
        cmocka_unit_test(stopped_queue_gives_what_is_left_before_it_says_so),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
