/* The supervisor: one thread that starts worker processes and listens to them.
 *
 * It sleeps in poll() over the report pipes of the running children and one eventfd that wakes it
 * for new work. Everything about jobs is guarded by one lock; the callbacks run without it, so they
 * may submit or stop jobs.
 *
 * 1. A job is in exactly one of: the waiting list, the running list, finished (forgotten).
 * 2. `finished` is called exactly once for each job whose `started` said true.
 * 3. A child's end is its pipe's end: only then is it reaped, so no report is lost.
 * 4. The child dies with this process (the worker asks for that: worker.c), so after a crash of the
 *    server no orphan writes into the data folder. */
#include "jobs/jobs.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "jobs/report.h"

#define MOST_AT_ONCE 16

extern char **environ;

struct job {
    struct job *next;
    int64_t id;
    char *spec;
    size_t spec_len;
    pid_t pid;
    int pipe;              /* -1 while waiting */
    atomic_bool stop;      /* set by any thread, seen by the supervisor without the lock */
    struct od_buf partial; /* bytes of an unfinished line */
    struct od_arena arena; /* holds the result */
    const struct od_json *result;
    struct od_error error; /* code OD_OK until something failed */
};

struct od_jobs {
    struct od_jobs_config config;
    char *program;
    pthread_t thread;
    int wake;
    pthread_mutex_t lock; /* guards all below */
    bool quit;
    struct job *waiting; /* oldest first */
    struct job *running;
    unsigned running_count;
};

static void job_free(struct job *job)
{
    if (job->pipe >= 0)
        close(job->pipe);
    od_buf_done(&job->partial);
    od_arena_done(&job->arena);
    free(job->spec);
    free(job);
}

static void wake(struct od_jobs *jobs)
{
    uint64_t one = 1;
    ssize_t n = write(jobs->wake, &one, sizeof one);
    (void)n; /* a full counter wakes as well */
}

/* The spec as the child's standard input: a memory file, so that no size can block us. */
static int spec_file(const struct job *job)
{
    int fd = memfd_create("ondol-spec", MFD_CLOEXEC);
    size_t put = 0;
    while (fd >= 0 && put < job->spec_len) {
        ssize_t n = write(fd, job->spec + put, job->spec_len - put);
        if (n <= 0) {
            close(fd);
            return -1;
        }
        put += (size_t)n;
    }
    if (fd >= 0 && lseek(fd, 0, SEEK_SET) != 0) {
        close(fd);
        return -1;
    }
    return fd;
}

static int spawn_child(const struct od_jobs *jobs, struct job *job, int spec_fd, int report_fd)
{
    char memory[32];
    snprintf(memory, sizeof memory, "%llu", (unsigned long long)jobs->config.memory_bytes);
    char *argv[] = {"ondol", "worker", "--memory", memory, NULL};
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none, defaults;
    sigemptyset(&none);
    sigemptyset(&defaults);
    sigaddset(&defaults, SIGTERM);
    sigaddset(&defaults, SIGINT);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &defaults);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    posix_spawn_file_actions_adddup2(&actions, spec_fd, 0);
    posix_spawn_file_actions_adddup2(&actions, report_fd, 3);
    int rc = posix_spawn(&job->pid, jobs->program, &actions, &attributes, argv, environ);
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return rc;
}

static enum od_status start_child(const struct od_jobs *jobs, struct job *job)
{
    int ends[2];
    int spec_fd = spec_file(job);
    if (spec_fd < 0)
        return od_fail_errno(&job->error, "cannot hand the job to a worker");
    if (pipe2(ends, O_CLOEXEC) < 0) {
        close(spec_fd);
        return od_fail_errno(&job->error, "cannot make a pipe to a worker");
    }
    /* dup2(x, x) would leave close-on-exec set: keep the child's end away from descriptor 3 */
    int report_fd = ends[1] == 3 ? fcntl(ends[1], F_DUPFD_CLOEXEC, 4) : ends[1];
    int rc = spawn_child(jobs, job, spec_fd, report_fd);
    if (report_fd != ends[1])
        close(report_fd);
    close(ends[1]);
    close(spec_fd);
    if (rc != 0) {
        close(ends[0]);
        errno = rc;
        return od_fail_errno(&job->error, "cannot start a worker");
    }
    job->pipe = ends[0];
    fcntl(job->pipe, F_SETFL, O_NONBLOCK);
    return OD_OK;
}

/* How the child ended, for a job that gave neither result nor error. */
static void note_exit(struct job *job, int wstatus)
{
    if (atomic_load(&job->stop))
        od_fail(&job->error, OD_STOPPED, "The job was stopped.");
    else if (job->error.code != OD_OK)
        return;
    else if (WIFSIGNALED(wstatus))
        od_fail(&job->error, OD_INTERNAL, "The worker process was killed by signal %d (%s).",
                WTERMSIG(wstatus), strsignal(WTERMSIG(wstatus)));
    else if (!job->result)
        od_fail(&job->error, OD_INTERNAL,
                "The worker process ended without a result (exit status %d).",
                WEXITSTATUS(wstatus));
}

static void finish(struct od_jobs *jobs, struct job *job)
{
    const struct od_jobs_config *c = &jobs->config;
    if (job->error.code == OD_OK)
        c->finished(c->context, job->id, OD_OK, job->result, NULL);
    else
        c->finished(c->context, job->id, job->error.code, NULL, &job->error);
    job_free(job);
}

static void take_line(struct od_jobs *jobs, struct job *job, struct od_str line)
{
    struct od_report report;
    struct od_error err;
    if (od_report_parse(&job->arena, line, &report, &err) != OD_OK) {
        if (job->error.code == OD_OK)
            job->error = err;
        kill(job->pid, SIGKILL);
        return;
    }
    if (report.kind == OD_REPORT_PROGRESS) {
        jobs->config.progress(jobs->config.context, job->id, report.fraction, report.stage);
        od_arena_reset(&job->arena); /* nothing is kept before the result, which is last */
    } else if (report.kind == OD_REPORT_RESULT) {
        job->result = report.result;
    } else {
        job->error = report.error;
    }
}

static void take_lines(struct od_jobs *jobs, struct job *job)
{
    struct od_str rest = od_buf_view(&job->partial);
    size_t end;
    while ((end = od_str_find(rest, '\n', 0)) != SIZE_MAX) {
        if (!job->result)
            take_line(jobs, job, od_str_sub(rest, 0, end));
        rest = od_str_sub(rest, end + 1, rest.len);
    }
    if (job->partial.len) {
        memmove(job->partial.ptr, rest.ptr, rest.len);
        job->partial.len = rest.len;
    }
}

/* Reads what there is. False at the end of the pipe. */
static bool listen_to(struct od_jobs *jobs, struct job *job)
{
    for (;;) {
        char *room = od_buf_reserve(&job->partial, 4096);
        if (!room) {
            if (job->error.code == OD_OK)
                od_fail(&job->error, OD_INTERNAL, "The worker process reported an endless line.");
            kill(job->pid, SIGKILL);
            od_buf_clear(&job->partial);
            continue;
        }
        ssize_t n = read(job->pipe, room, 4096);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return true;
        if (n == 0)
            return false;
        od_buf_commit(&job->partial, (size_t)n);
        take_lines(jobs, job);
    }
}

static void unlink_running(struct od_jobs *jobs, struct job *job)
{
    pthread_mutex_lock(&jobs->lock);
    struct job **at = &jobs->running;
    while (*at != job)
        at = &(*at)->next;
    *at = job->next;
    jobs->running_count--;
    pthread_mutex_unlock(&jobs->lock);
}

static void reap(struct od_jobs *jobs, struct job *job)
{
    int wstatus = 0;
    while (waitpid(job->pid, &wstatus, 0) < 0 && errno == EINTR) {
    }
    unlink_running(jobs, job);
    note_exit(job, wstatus);
    finish(jobs, job);
}

/* A waiting job that was asked to stop, taken out of the list; NULL: none. */
static struct job *take_stopped(struct od_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    struct job **at = &jobs->waiting;
    while (*at && !atomic_load(&(*at)->stop))
        at = &(*at)->next;
    struct job *job = jobs->quit ? NULL : *at;
    if (job)
        *at = job->next;
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

/* They end now, however long the jobs before them take. */
static void end_stopped(struct od_jobs *jobs)
{
    struct job *job;
    while ((job = take_stopped(jobs)) != NULL) {
        note_exit(job, 0);
        finish(jobs, job);
    }
}

/* The next waiting job, moved to the running list, or NULL. */
static struct job *take_waiting(struct od_jobs *jobs)
{
    struct job *job = NULL;
    pthread_mutex_lock(&jobs->lock);
    if (!jobs->quit && jobs->waiting && jobs->running_count < jobs->config.at_once) {
        job = jobs->waiting;
        jobs->waiting = job->next;
        job->next = jobs->running;
        jobs->running = job;
        jobs->running_count++;
    }
    pthread_mutex_unlock(&jobs->lock);
    return job;
}

static void start_waiting(struct od_jobs *jobs)
{
    struct job *job;
    while ((job = take_waiting(jobs)) != NULL) {
        if (atomic_load(&job->stop)) {
            unlink_running(jobs, job);
            note_exit(job, 0);
            finish(jobs, job);
        } else if (!jobs->config.started(jobs->config.context, job->id)) {
            unlink_running(jobs, job);
            job_free(job);
        } else if (start_child(jobs, job) != OD_OK) {
            unlink_running(jobs, job);
            finish(jobs, job);
        }
    }
}

/* Children that were asked to stop are killed: what they wrote is temporary by construction. */
static void kill_stopped(struct od_jobs *jobs)
{
    pthread_mutex_lock(&jobs->lock);
    for (struct job *job = jobs->running; job; job = job->next)
        if (atomic_load(&job->stop) && job->pipe >= 0)
            kill(job->pid, SIGKILL);
    pthread_mutex_unlock(&jobs->lock);
}

static void *supervise(void *arg)
{
    struct od_jobs *jobs = arg;
    for (;;) {
        end_stopped(jobs);
        start_waiting(jobs);
        kill_stopped(jobs);
        struct pollfd fds[MOST_AT_ONCE + 1] = {{.fd = jobs->wake, .events = POLLIN}};
        struct job *of[MOST_AT_ONCE + 1] = {0};
        nfds_t count = 1;
        pthread_mutex_lock(&jobs->lock);
        bool quit = jobs->quit;
        for (struct job *job = jobs->running; job; job = job->next) {
            fds[count] = (struct pollfd){.fd = job->pipe, .events = POLLIN};
            of[count++] = job;
        }
        pthread_mutex_unlock(&jobs->lock);
        if (quit)
            return NULL;
        if (poll(fds, count, -1) < 0)
            continue;
        if (fds[0].revents) {
            uint64_t drained;
            ssize_t n = read(jobs->wake, &drained, sizeof drained);
            (void)n;
        }
        for (nfds_t i = 1; i < count; i++)
            if (fds[i].revents && !listen_to(jobs, of[i]))
                reap(jobs, of[i]);
    }
}

enum od_status od_jobs_new(const struct od_jobs_config *config, struct od_jobs **out,
                           struct od_error *err)
{
    struct od_jobs *jobs = calloc(1, sizeof *jobs);
    if (!jobs)
        return od_fail(err, OD_NO_MEMORY, NULL);
    jobs->config = *config;
    if (jobs->config.at_once == 0)
        jobs->config.at_once = 1;
    if (jobs->config.at_once > MOST_AT_ONCE)
        jobs->config.at_once = MOST_AT_ONCE;
    jobs->program = strdup(config->program ? config->program : "/proc/self/exe");
    jobs->wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    pthread_mutex_init(&jobs->lock, NULL);
    if (!jobs->program || jobs->wake < 0 ||
        pthread_create(&jobs->thread, NULL, supervise, jobs) != 0) {
        if (jobs->wake >= 0)
            close(jobs->wake);
        pthread_mutex_destroy(&jobs->lock);
        free(jobs->program);
        free(jobs);
        return od_fail(err, OD_NO_MEMORY, "cannot start the job supervisor");
    }
    *out = jobs;
    return OD_OK;
}

void od_jobs_free(struct od_jobs *jobs)
{
    if (!jobs)
        return;
    pthread_mutex_lock(&jobs->lock);
    jobs->quit = true;
    pthread_mutex_unlock(&jobs->lock);
    wake(jobs);
    pthread_join(jobs->thread, NULL);
    struct job *job, *next;
    for (job = jobs->running; job; job = next) {
        next = job->next;
        kill(job->pid, SIGKILL);
        while (waitpid(job->pid, NULL, 0) < 0 && errno == EINTR) {
        }
        job_free(job);
    }
    for (job = jobs->waiting; job; job = next) {
        next = job->next;
        job_free(job);
    }
    close(jobs->wake);
    pthread_mutex_destroy(&jobs->lock);
    free(jobs->program);
    free(jobs);
}

enum od_status od_jobs_submit(struct od_jobs *jobs, int64_t job_id, struct od_str spec)
{
    struct job *job = calloc(1, sizeof *job);
    if (!job)
        return OD_NO_MEMORY;
    job->id = job_id;
    job->pipe = -1;
    job->spec = malloc(spec.len + 1);
    if (!job->spec) {
        free(job);
        return OD_NO_MEMORY;
    }
    memcpy(job->spec, spec.ptr, spec.len);
    job->spec_len = spec.len;
    od_buf_init(&job->partial, OD_REPORT_LINE_MAX);
    od_arena_init(&job->arena, 64u << 20);
    pthread_mutex_lock(&jobs->lock);
    struct job **at = &jobs->waiting;
    while (*at)
        at = &(*at)->next;
    *at = job;
    pthread_mutex_unlock(&jobs->lock);
    wake(jobs);
    return OD_OK;
}

bool od_jobs_stop(struct od_jobs *jobs, int64_t job_id)
{
    bool found = false;
    pthread_mutex_lock(&jobs->lock);
    struct job *lists[] = {jobs->waiting, jobs->running};
    for (size_t i = 0; i < 2; i++)
        for (struct job *job = lists[i]; job; job = job->next)
            if (job->id == job_id) {
                atomic_store(&job->stop, true);
                found = true;
            }
    pthread_mutex_unlock(&jobs->lock);
    wake(jobs);
    return found;
}

unsigned od_jobs_waiting(struct od_jobs *jobs, unsigned *out_running)
{
    unsigned waiting = 0;
    pthread_mutex_lock(&jobs->lock);
    for (struct job *job = jobs->waiting; job; job = job->next)
        waiting++;
    *out_running = jobs->running_count;
    pthread_mutex_unlock(&jobs->lock);
    return waiting;
}
