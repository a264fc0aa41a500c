/* Task queues: a list behind a lock, a thread that takes all of it at once. See app.h. */
#include "api/app.h"

#include <errno.h>
#include <time.h>

enum od_status od_queue_start(struct od_queue *queue, void *(*main)(void *app), struct od_app *app)
{
    pthread_condattr_t attributes;
    *queue = (struct od_queue){0};
    queue->tail = &queue->head;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&queue->changed, &attributes);
    pthread_condattr_destroy(&attributes);
    return pthread_create(&queue->thread, NULL, main, app) == 0 ? OD_OK : OD_NO_MEMORY;
}

void od_queue_stop(struct od_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    queue->quit = true;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
    pthread_join(queue->thread, NULL);
    pthread_cond_destroy(&queue->changed);
    pthread_mutex_destroy(&queue->lock);
}

void od_queue_post(struct od_queue *queue, struct od_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->tail = task;
    queue->tail = &task->next;
    pthread_cond_signal(&queue->changed);
    pthread_mutex_unlock(&queue->lock);
}

static struct timespec deadline(int wait_ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += wait_ms / 1000;
    t.tv_nsec += (long)(wait_ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_sec++;
        t.tv_nsec -= 1000000000;
    }
    return t;
}

struct od_task *od_queue_take(struct od_queue *queue, int wait_ms, bool *out_quit)
{
    struct timespec until = deadline(wait_ms < 0 ? 0 : wait_ms);
    pthread_mutex_lock(&queue->lock);
    while (!queue->head && !queue->quit) {
        if (wait_ms < 0)
            pthread_cond_wait(&queue->changed, &queue->lock);
        else if (pthread_cond_timedwait(&queue->changed, &queue->lock, &until) == ETIMEDOUT)
            break;
    }
    struct od_task *list = queue->head;
    queue->head = NULL;
    queue->tail = &queue->head;
    *out_quit = !list && queue->quit;
    pthread_mutex_unlock(&queue->lock);
    return list;
}

/* --- calling the store thread --- */

struct store_call {
    struct od_task task;
    enum od_status (*fn)(struct od_app *app, void *context, struct od_error *err);
    void *context;
    struct od_error *err;
    enum od_status status;
    pthread_mutex_t lock;
    pthread_cond_t done_changed;
    bool done;
};

static void run_store_call(struct od_app *app, struct od_task *task)
{
    struct store_call *call = (struct store_call *)task;
    call->status = call->fn(app, call->context, call->err);
    pthread_mutex_lock(&call->lock);
    call->done = true;
    pthread_cond_signal(&call->done_changed);
    pthread_mutex_unlock(&call->lock);
}

enum od_status od_app_on_store(struct od_app *app,
                               enum od_status (*fn)(struct od_app *app, void *context,
                                                    struct od_error *err),
                               void *context, struct od_error *err)
{
    struct store_call call = {.task.run = run_store_call, .fn = fn, .context = context, .err = err};
    pthread_mutex_init(&call.lock, NULL);
    pthread_cond_init(&call.done_changed, NULL);
    od_queue_post(&app->store_queue, &call.task);
    pthread_mutex_lock(&call.lock);
    while (!call.done)
        pthread_cond_wait(&call.done_changed, &call.lock);
    pthread_mutex_unlock(&call.lock);
    pthread_cond_destroy(&call.done_changed);
    pthread_mutex_destroy(&call.lock);
    return call.status;
}

#define PATIENCE_MS 500
#define NAP_MS      20

bool od_app_nap(struct od_app *app)
{
    const struct timespec nap = {.tv_nsec = NAP_MS * 1000000L};
    for (int ms = 0; ms < PATIENCE_MS && !atomic_load(&app->draining); ms += NAP_MS)
        nanosleep(&nap, NULL);
    return !atomic_load(&app->draining);
}

enum od_status od_app_on_store_patiently(struct od_app *app,
                                         enum od_status (*fn)(struct od_app *app, void *context,
                                                              struct od_error *err),
                                         void *context, struct od_error *err)
{
    enum od_status s;
    do
        s = od_app_on_store(app, fn, context, err);
    while (s == OD_IO && od_app_nap(app));
    return s;
}
