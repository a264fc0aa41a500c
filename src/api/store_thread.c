/* The store thread: takes all tasks that wait, in order. Neighbouring Put* calls become one commit;
 * everything else runs by itself. Once a minute it looks whether a training is due. */
#include "api/puts.h"
#include "api/solution.h"

#define TICK_MS 60000

/* Cuts the Put* tasks at the head of the list off; *rest is what follows them. */
static struct od_task *cut_puts(struct od_task *list, struct od_task **rest)
{
    struct od_task *last = list;
    while (last->next && last->next->is_put)
        last = last->next;
    *rest = last->next;
    last->next = NULL;
    return list;
}

void *od_store_thread(void *arg)
{
    struct od_app *app = arg;
    int64_t next_tick = 0;
    bool quit = false;
    while (!quit) {
        struct od_task *list = od_queue_take(&app->store_queue, TICK_MS, &quit);
        while (list) {
            struct od_task *rest;
            if (list->is_put) {
                od_puts_commit(app, cut_puts(list, &rest));
            } else {
                rest = list->next;
                list->run(app, list);
            }
            list = rest;
        }
        int64_t now = app->io->monotonic_ns(app->io);
        if (!quit && now >= next_tick && atomic_load(&app->ready) && !atomic_load(&app->draining)) {
            od_training_tick(app);
            next_tick = now + TICK_MS * 1000000LL;
        }
    }
    return NULL;
}

void *od_loader_thread(void *arg)
{
    struct od_app *app = arg;
    bool quit = false;
    while (!quit) {
        struct od_task *list = od_queue_take(&app->loader_queue, -1, &quit);
        while (list) {
            struct od_task *next = list->next;
            list->run(app, list);
            list = next;
        }
    }
    return NULL;
}
