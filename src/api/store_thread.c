/* The store thread: takes all tasks that wait, in order. Neighbouring Put* calls become one commit;
 * everything else runs by itself. Once a minute it looks whether a training, an update, a report or
 * a writing down of capacity is due, and which campaigns may sleep; more often where one is wanted
 * more often than every other minute. */
#include <stdio.h>

#include "api/attribution.h"
#include "api/capacity.h"
#include "api/fold.h"
#include "api/puts.h"
#include "api/solution.h"

#define TICK_MS  60000
#define PROBE_MS 1000 /* between looks at a disk that failed */

/* Half of the shortest interval at which something is due, at most TICK_MS; 0 is never due. */
static int tick_ms(const struct od_app *app)
{
    const unsigned every_s[] = {app->config.auto_update_s, app->config.attribution_report_s,
                                app->config.rest_after_s};
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

/* What cannot be written now is tried again at the next tick. */
static void save_capacity(struct od_app *app)
{
    struct od_error err;
    if (od_capacity_save(app, false, &err) != OD_OK && !od_store_health(app->store).failing)
        fprintf(stderr, "ondol: %s\n", err.message);
}

struct disk_watch {
    bool failing;       /* as it was told */
    int64_t next_probe; /* monotonic, ns */
};

/* Says when the disk begins and ceases to fail, once each, and looks every second whether it still
 * does: the metric is true while nobody wants anything stored. */
static void watch_disk(struct od_app *app, struct disk_watch *watch)
{
    int64_t now = app->io->monotonic_ns(app->io);
    bool failing = od_store_health(app->store).failing;
    if (failing && watch->failing && now >= watch->next_probe) {
        (void)!od_store_probe(app->store, app->io->now_ms(app->io), NULL);
        failing = od_store_health(app->store).failing;
        watch->next_probe = now + PROBE_MS * 1000000LL;
    }
    if (failing && !watch->failing) {
        fprintf(
            stderr,
            "ondol: the disk fails: nothing can be stored until it is back; what is served goes "
            "on. %s\n",
            od_store_disk_error(app->store));
        watch->next_probe = now + PROBE_MS * 1000000LL;
    } else if (!failing && watch->failing) {
        fprintf(stderr, "ondol: the disk is back\n");
    }
    watch->failing = failing;
}

void *od_store_thread(void *arg)
{
    struct od_app *app = arg;
    int64_t next_tick = 0;
    bool quit = false;
    struct disk_watch watch = {0};
    while (!quit) {
        int wait_ms = watch.failing && tick_ms(app) > PROBE_MS ? PROBE_MS : tick_ms(app);
        struct od_task *list = od_queue_take(&app->store_queue, wait_ms, &quit);
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
        if (!quit)
            watch_disk(app, &watch);
        if (!quit && atomic_load(&app->ready) && !atomic_load(&app->draining))
            od_fold_tick(app);
        int64_t now = app->io->monotonic_ns(app->io);
        if (!quit && now >= next_tick && atomic_load(&app->ready) && !atomic_load(&app->draining)) {
            od_training_tick(app);
            od_update_tick(app);
            od_attribution_tick(app);
            save_capacity(app);
            if (app->config.rest_after_s)
                od_serve_rest(app->serve, app->config.rest_after_s * 1000000000LL);
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
