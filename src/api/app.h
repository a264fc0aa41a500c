/* The running server: what ties store, jobs, serving and the door together.
 *
 * Threads (docs/locks.md):
 *   HTTP threads   parse, verify, bind and validate; answer queries by themselves, at the end of a
 *                  round (answering.h)
 *   store thread   owns struct od_store; runs every control operation, one at a time, and groups
 *                  concurrent Put* calls into one commit
 *   loader thread  the slow preparations: replacing live data after an import, folding events into
 *                  segments before a training
 *   explainer      answers POST /ondol/explain, one at a time (explain.h)
 *   supervisor     watches worker processes (jobs/) and posts what happened to the store thread
 * Work is handed over as struct od_task; nothing else is shared but what is listed in
 * docs/locks.md. */
#ifndef OD_API_APP_H
#define OD_API_APP_H

#include <pthread.h>
#include <stdatomic.h>

#include "base/arena.h"
#include "jobs/jobs.h"
#include "os/io.h"
#include "serve/serve.h"
#include "store/objects.h"
#include "store/store.h"
#include "wire/http.h"
#include "wire/sigv4.h"

struct od_app_config {
    const struct od_io *io;
    const char *data_folder;
    const char *objects_folder;
    const char *s3_endpoint; /* "": s3:// is objects_folder; else the URL of an endpoint */
    const char *s3_region, *s3_key_id, *s3_secret;
    const char *s3_ca; /* "": the system's certificates alone */
    bool s3_virtual_host;
    const char *const *file_folders; /* file:// is allowed below these */
    size_t file_folder_count;
    const char *host;
    uint16_t port;
    unsigned threads;    /* HTTP threads; 0: one a core */
    bool no_auth;        /* loopback only */
    bool encrypted_disk; /* the operator says so (encryption.h) */
    bool strict;         /* AWS's own quotas and filter language */
    const char *region;  /* for requests without a signature */
    const char *account; /* 12 digits */
    uint64_t worker_memory_bytes;
    unsigned worker_threads; /* of one job; 0: all cores */
    unsigned jobs_at_once;
    unsigned card_s;               /* of a training's comparisons for its model card */
    unsigned auto_update_s;        /* between automatic updates of a deployed version; 0: none */
    unsigned attribution_report_s; /* between reports of metric attributions */
    unsigned put_queue_calls;      /* Put* calls that may wait for a commit; beyond, throttled */
    size_t put_queue_bytes;        /* memory of these calls; beyond, throttled */
    uint64_t history_bytes;        /* of histories in memory; beyond, they move to files */
    unsigned rest_after_s;         /* without a request, before a campaign sleeps; 0: never */
    unsigned overload_wait_ms;     /* in line, before a request beyond its floor is refused */
};

/* A piece of work for the store or the loader thread. Embed it first in a larger struct. */
struct od_app;
struct od_task {
    struct od_task *next;
    void (*run)(struct od_app *app, struct od_task *task);
    bool is_put; /* store thread: belongs into a grouped commit (puts.h) */
};

/* A thread with a list of tasks, oldest first. */
struct od_queue {
    pthread_t thread;
    pthread_mutex_t lock; /* guards the rest */
    pthread_cond_t changed;
    struct od_task *head, **tail;
    bool quit;
};

struct od_capacity;     /* capacity.h */
struct od_line;         /* line.h */
struct od_targets;      /* targets.h */
struct od_attributions; /* attribution.h */
struct od_runner;       /* runner.h */
struct od_control;      /* control.h */
struct od_s3;           /* s3/s3.h */
struct od_remote;       /* s3/remote.h */
struct od_registry;     /* wire/metrics.h */

struct od_app {
    struct od_app_config config;
    const struct od_io *io;
    struct od_store *store;         /* store thread only, once threads run */
    struct od_store_reader *reader; /* loader thread only */
    struct od_objects *objects;
    struct od_serve *serve;
    struct od_jobs *jobs;
    struct od_runner *runner;
    struct od_sigv4 *sigv4;
    struct od_registry *registry;
    struct od_door_metrics *door_metrics; /* door_metrics.c */
    struct od_capacity *capacity;         /* what is promised to what is served; own locks */
    struct od_line *lines;                /* one an HTTP thread */
    struct od_targets *targets;           /* where Put* calls go; own lock */
    struct od_s3 *s3;                     /* NULL with a remote endpoint */
    struct od_remote *remote;             /* NULL without one; io is its own then */
    struct od_attributions *attributions; /* store thread, but for what has its own lock */
    struct od_http *http;
    struct od_control *control; /* control.h */
    struct od_queue store_queue, loader_queue, explain_queue;
    atomic_uint waiting_explanations;
    bool store_running, loader_running,
        explain_running; /* the threads of the queues were started */
    atomic_uint queued_puts;
    atomic_size_t queued_put_bytes; /* of these */
    atomic_bool folding;            /* histories move to their files */
    _Atomic int64_t fold_after_ns;  /* not before */
    atomic_bool ready;              /* live data is loaded */
    atomic_bool draining;           /* no new work is taken */
    pthread_rwlock_t keys_lock;     /* guards keys */
    struct od_arena keys_arena;
    struct od_key *keys; /* a copy of the store's, for HTTP threads */
    size_t key_count;
    struct od_arena first_key_arena;
    struct od_key first_key; /* made by this start, to be shown once; id absent: none was */
};

/* Opens the data folder, loads what is live, takes up unfinished jobs, opens the door. On the first
 * start of a folder a key is made and *out_first_key says so (its strings live as long as the app).
 */
enum od_status od_app_start(const struct od_app_config *config, struct od_app **out,
                            const struct od_key **out_first_key, struct od_error *err) OD_MUST_USE;
/* Drains: answers what is under way, stops workers (their jobs go on at the next start), closes. */
void od_app_stop(struct od_app *app);

/* --- queues --- */
enum od_status od_queue_start(struct od_queue *queue, void *(*main)(void *app),
                              struct od_app *app) OD_MUST_USE;
void od_queue_stop(struct od_queue *queue); /* finishes what is queued, then joins */
void od_queue_post(struct od_queue *queue, struct od_task *task);
/* The whole list, oldest first; waits for work until wait_ms have passed (NULL then) or forever
 * when negative; *out_quit when the queue is empty and was stopped. */
struct od_task *od_queue_take(struct od_queue *queue, int wait_ms, bool *out_quit);

/* Runs fn on the store thread and waits for it. From any other thread. */
enum od_status od_app_on_store(struct od_app *app,
                               enum od_status (*fn)(struct od_app *app, void *context,
                                                    struct od_error *err),
                               void *context, struct od_error *err) OD_MUST_USE;

/* The same, tried again while the disk fails (OD_IO) and the server does not stop. The thread
 * waits: for the loader and the supervisor, whose next steps would need the disk too. */
enum od_status od_app_on_store_patiently(struct od_app *app,
                                         enum od_status (*fn)(struct od_app *app, void *context,
                                                              struct od_error *err),
                                         void *context, struct od_error *err) OD_MUST_USE;

/* Between two attempts: sleeps half a second. False: the server stops, do not try again. */
bool od_app_nap(struct od_app *app);

/* A path below the data folder, in arena: od_app_path(app, arena, "images/%s.image", id). */
OD_PRINTF(3, 4)
struct od_str od_app_path(const struct od_app *app, struct od_arena *arena, const char *fmt, ...);

/* The keys HTTP threads check against, read again from the store (store thread). */
enum od_status od_app_reload_keys(struct od_app *app, struct od_error *err) OD_MUST_USE;
/* What a worker must know to reach the endpoint, appended to a job's spec (one JSON object). */
void od_app_add_remote(const struct od_app *app, int64_t job_id, struct od_buf *spec);
bool od_app_find_key(void *app, struct od_str key_id,
                     struct od_sigv4_secret *out); /* od_sigv4_lookup */

/* mains of the threads with a queue */
void *od_explain_thread(void *app);
void *od_store_thread(void *app);
void *od_loader_thread(void *app);

#endif
