/* The store thread: takes all tasks that wait, in order. Neighbouring Put* calls become one commit;
 * everything else runs by itself. Once a minute it looks whether a training, an update or a
 * report is due, and more often where one is wanted more often than every other minute. */
#include "api/attribution.h"
#include "api/puts.h"
#include "api/solution.h"

#define TICK_MS 60000

/* Half of the shortest interval at which something is due, at most TICK_MS; 0 is never due. */
static int tick_ms(const struct od_app *app)
{
    const unsigned every_s[] = {app->config.auto_update_s, app->config.attribution_report_s};
    unsigned least_s = 2 * TICK_MS / 1000;
    for (size_t i = 0; i < sizeof every_s / sizeof *every_s; i++)
        if (every_s[i] && every_s[i] < least_s)
            least_s = every_s[i];
    return (int)least_s * 500;
}

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
        struct od_task *list = od_queue_take(&app->store_queue, tick_ms(app), &quit);
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
            od_update_tick(app);
            od_attribution_tick(app);
            next_tick = now + tick_ms(app) * 1000000LL;
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
