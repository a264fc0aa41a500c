/* Parallel parts: threads take the next index from a shared counter. See parallel.h. */
#include "os/parallel.h"

#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdlib.h>

unsigned od_cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0)
        return 1;
    int n = CPU_COUNT(&set);
    return n > 0 ? (unsigned)n : 1;
}

struct team {
    enum od_status (*part)(void *context, size_t index, unsigned thread);
    void *context;
    size_t count;
    atomic_size_t next;
    atomic_uint next_thread;
    pthread_mutex_t lock; /* guards the two below */
    size_t failed_index;
    enum od_status failed;
};

static void note_failure(struct team *team, size_t index, enum od_status status)
{
    pthread_mutex_lock(&team->lock);
    if (team->failed == OD_OK || index < team->failed_index) {
        team->failed = status;
        team->failed_index = index;
    }
    pthread_mutex_unlock(&team->lock);
    atomic_store(&team->next, team->count);
}

static void *run(void *arg)
{
    struct team *team = arg;
    unsigned thread = atomic_fetch_add(&team->next_thread, 1);
    for (;;) {
        size_t index = atomic_fetch_add(&team->next, 1);
        if (index >= team->count)
            return NULL;
        enum od_status s = team->part(team->context, index, thread);
        if (s != OD_OK)
            note_failure(team, index, s);
    }
}

enum od_status od_parallel(unsigned threads, size_t count,
                           enum od_status (*part)(void *context, size_t index, unsigned thread),
                           void *context)
{
    enum { MOST = 256 };
    pthread_t ids[MOST];
    struct team team = {.part = part, .context = context, .count = count};
    if (threads == 0)
        threads = od_cpu_count();
    if (threads > MOST)
        threads = MOST;
    if (threads > count)
        threads = count ? (unsigned)count : 1;
    pthread_mutex_init(&team.lock, NULL);
    unsigned started = 0;
    while (started + 1 < threads && pthread_create(&ids[started], NULL, run, &team) == 0)
        started++;
    run(&team);
    for (unsigned i = 0; i < started; i++)
        pthread_join(ids[i], NULL);
    pthread_mutex_destroy(&team.lock);
    return team.failed;
}

struct with_arena {
    enum od_status (*part)(void *context, size_t index, struct od_arena *arena);
    void *context;
};

static enum od_status run_with_arena(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct with_arena *with = context;
    struct od_arena arena;
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = with->part(with->context, index, &arena);
    od_arena_done(&arena);
    return s;
}

enum od_status od_parallel_arenas(unsigned threads, size_t count,
                                  enum od_status (*part)(void *context, size_t index,
                                                         struct od_arena *arena),
                                  void *context)
{
    struct with_arena with = {part, context};
    return od_parallel(threads, count, run_with_arena, &with);
}
