/* kill -9 at random moments while a server commits: what it acknowledged is there, once; what it
 * was committing is there whole or not at all; nothing else is. */
#include "store/fixture.inc"

#include <signal.h>
#include <sys/wait.h>

#define ROUNDS  15
#define LARGEST 24 /* events of a commit */
#define DATASET OD_STR("arn:dataset/crash")

/* A commit's events are a pure function of its number, so both sides know them. */
static size_t commit_size(uint64_t number)
{
    return 1 + (size_t)(number * 7919 % LARGEST);
}

struct words {
    char user[24], session[24], item[24], id[32], body[600];
};

static struct od_event make(uint64_t number, size_t k, struct words *w)
{
    snprintf(w->user, sizeof w->user, "user-%llu", (unsigned long long)number % 50);
    snprintf(w->session, sizeof w->session, "session-%llu", (unsigned long long)number % 200);
    snprintf(w->item, sizeof w->item, "item-%zu", k);
    snprintf(w->id, sizeof w->id, "%llu/%zu", (unsigned long long)number, k);
    size_t len = (size_t)((number * 31 + k * 17) % (sizeof w->body - 1));
    memset(w->body, 'b', len);
    w->body[len] = '\0';
    return (struct od_event){.user = number % 3 ? str(w->user) : OD_STR_NONE,
                             .session = str(w->session),
                             .item = str(w->item),
                             .type = OD_STR("view"),
                             .event_id = str(w->id),
                             .time_s = (int64_t)number,
                             .arrived_ms = 1,
                             .body = str(w->body)};
}

static enum od_status commit_number(struct od_store *store, uint64_t number, struct od_error *err)
{
    static struct words words[LARGEST];
    struct od_event events[LARGEST];
    bool fresh[LARGEST];
    size_t count = commit_size(number);
    for (size_t k = 0; k < count; k++)
        events[k] = make(number, k, &words[k]);
    enum od_status s = od_store_begin(store, err);
    if (s == OD_OK)
        s = od_events_append(store, DATASET, events, count, fresh, err);
    for (size_t k = 0; s == OD_OK && k < count; k++)
        if (!fresh[k])
            s = OD_EXISTS;
    return s == OD_OK ? od_store_commit(store, err) : s;
}

/* The child: commits from number on, and says each number when it is durable. */
static void serve(struct fixture *f, uint64_t number, int say)
{
    if (od_store_open(io, f->folder, &f->store, &f->err) != OD_OK)
        _exit(1);
    /* Every other child checkpoints all the time, so that some kills fall into the middle of one.
     */
    if (number % 2 &&
        od_sql_execute(f->store->sql, "PRAGMA wal_autocheckpoint=20", &f->err) != OD_OK)
        _exit(4);
    for (;; number++) {
        if (commit_number(f->store, number, &f->err) != OD_OK)
            _exit(2);
        if (write(say, &number, sizeof number) != sizeof number)
            _exit(3);
    }
}

/* What the log says, commit by commit. */
struct audit {
    uint64_t number; /* of the commit being read */
    size_t k;        /* its next event */
    int64_t last_seq;
    const char *wrong;
};

static enum od_status audit_event(void *context, const struct od_event *e)
{
    struct audit *a = context;
    struct words w;
    if (a->k == commit_size(a->number)) {
        a->number++;
        a->k = 0;
    }
    struct od_event expect = make(a->number, a->k, &w);
    if (!od_str_eq(e->event_id, expect.event_id))
        a->wrong = "an event is missing, doubled or out of order";
    else if (!od_str_eq(e->body, expect.body) || !od_str_eq(e->session, expect.session) ||
             !od_str_eq(e->item, expect.item) || e->time_s != expect.time_s)
        a->wrong = "an event is not what was sent";
    else if (expect.user.ptr && !od_str_eq(e->user, expect.user))
        a->wrong = "an event has another user";
    else if (e->seq <= a->last_seq)
        a->wrong = "seq did not grow";
    a->last_seq = e->seq;
    a->k++;
    return a->wrong ? OD_CORRUPT : OD_OK;
}

/* The number of commits in the log, each whole. */
static uint64_t audit_log(struct fixture *f)
{
    struct audit a = {0};
    enum od_status s =
        od_events_read(od_store_as_reader(f->store), DATASET, 0, 0, audit_event, &a, &f->err);
    if (a.wrong)
        fail_msg("commit %llu, event %zu: %s", (unsigned long long)a.number, a.k, a.wrong);
    ok(f, s);
    if (a.k == 0)
        return 0;
    assert_int_equal(a.k, commit_size(a.number)); /* the last commit is whole */
    return a.number + 1;
}

static useconds_t random_us(useconds_t most)
{
    uint32_t n;
    assert_int_equal(io->random(io, &n, sizeof n), OD_OK);
    return n % most;
}

/* Runs a child from commit number next, kills it, and gives the count it acknowledged in all. */
static uint64_t run_and_kill(struct fixture *f, uint64_t next)
{
    int pipe_fd[2], status;
    assert_int_equal(pipe(pipe_fd), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(pipe_fd[0]);
        serve(f, next, pipe_fd[1]);
    }
    close(pipe_fd[1]);
    usleep(random_us(120000));
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status))
        fail_msg("the child ended with %d", WEXITSTATUS(status));
    uint64_t said, acknowledged = next;
    while (read(pipe_fd[0], &said, sizeof said) == sizeof said) {
        assert_int_equal(said, acknowledged);
        acknowledged++;
    }
    close(pipe_fd[0]);
    return acknowledged;
}

static void acknowledged_events_survive_kill_9(void **state)
{
    struct fixture *f = *state;
    uint64_t next = 0, unsaid = 0;
    for (int round = 0; round < ROUNDS; round++) {
        uint64_t acknowledged = run_and_kill(f, next);
        ok(f, od_store_open(io, f->folder, &f->store, &f->err)); /* by itself, with no repair */
        uint64_t stored = audit_log(f);
        if (stored < acknowledged || stored > acknowledged + 1)
            fail_msg("round %d: %llu commits acknowledged, %llu stored", round,
                     (unsigned long long)acknowledged, (unsigned long long)stored);
        unsaid += stored - acknowledged;
        next = stored;
        od_store_close(f->store);
        f->store = NULL;
    }
    assert_true(next > ROUNDS); /* the child did get to work */
    print_message("%llu commits over %d kills, %llu of them committed but not yet said\n",
                  (unsigned long long)next, ROUNDS, (unsigned long long)unsaid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(acknowledged_events_survive_kill_9, without_store, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
