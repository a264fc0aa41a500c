/* Answers that wait: both orders of the race, clients that leave, and stopping the server. */
#include "wire/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

enum when { AT_ONCE, BEFORE_RETURN, RACING, LATER, NEVER, BLOCKED };

struct hall {
    enum when when;
    int delay_ms; /* of LATER and BLOCKED */
    atomic_int handled, finished;
    _Atomic(struct od_http_exchange *) held; /* of NEVER */
    _Atomic(struct od_http_exchange *) racing;
    atomic_bool quit;
};

struct later {
    struct od_http_exchange *exchange;
    struct hall *hall;
};

static void fill(struct od_http_exchange *exchange)
{
    struct od_http_response *answer = od_http_response(exchange);
    const struct od_http_request *request = od_http_request(exchange);
    answer->content_type = od_arena_str(od_http_arena(exchange), OD_STR("text/plain"));
    od_buf_printf(&answer->body, "%.*s %.*s", OD_STR_ARG(request->path), OD_STR_ARG(request->body));
}

static void *finish_later(void *context)
{
    struct later *l = context;
    test_sleep_ms(l->hall->delay_ms);
    fill(l->exchange);
    atomic_fetch_add(&l->hall->finished, 1);
    od_http_finish(l->exchange);
    free(l);
    return NULL;
}

static bool handle(void *context, struct od_http_exchange *exchange)
{
    struct hall *hall = context;
    atomic_fetch_add(&hall->handled, 1);
    switch (hall->when) {
    case AT_ONCE:
        fill(exchange);
        return true;
    case BEFORE_RETURN:
        fill(exchange);
        od_http_finish(exchange);
        return false;
    case RACING:
        fill(exchange);
        atomic_store(&hall->racing, exchange); /* the racer may take it before we return */
        return false;
    case LATER: {
        struct later *l = malloc(sizeof *l);
        *l = (struct later){exchange, hall};
        pthread_t thread;
        pthread_create(&thread, NULL, finish_later, l);
        pthread_detach(thread);
        return false;
    }
    case NEVER:
        atomic_store(&hall->held, exchange);
        return false;
    case BLOCKED:
        test_sleep_ms(hall->delay_ms);
        fill(exchange);
        return true;
    }
    return false;
}

static struct od_http *open_hall(struct hall *hall, unsigned threads)
{
    return test_start(
        (struct od_http_config){.handle = handle, .context = hall, .threads = threads});
}

static const char post[] = "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";

static void ask(struct od_http *http, struct test_answer *out)
{
    test_ask(od_http_port(http), post, strlen(post), out);
}

static void an_answer_may_come_before_or_after_the_handler_returns(void **state)
{
    (void)state;
    static const enum when orders[] = {AT_ONCE, BEFORE_RETURN, LATER};
    for (size_t i = 0; i < sizeof orders / sizeof *orders; i++) {
        struct hall hall = {.when = orders[i], .delay_ms = 20};
        struct od_http *http = open_hall(&hall, 1);
        struct test_answer a;
        char value[256];
        for (int n = 0; n < 3; n++) {
            ask(http, &a);
            assert_int_equal(a.status, 200);
            assert_string_equal(a.body, "/p abc");
            assert_string_equal(test_header(&a, "Content-Type", value), "text/plain");
        }
        od_http_stop(http, 1000);
        assert_int_equal(atomic_load(&hall.handled), 3);
    }
}

static void a_waiting_request_holds_up_no_other_connection(void **state)
{
    (void)state;
    struct hall hall = {.when = LATER, .delay_ms = 300};
    struct od_http *http = open_hall(&hall, 1); /* one thread: it must be given back */
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    int fds[20];
    int64_t from = test_now_ms();
    for (int i = 0; i < 20; i++) {
        fds[i] = test_connect(od_http_port(http));
        test_send(fds[i], post);
    }
    for (int i = 0; i < 20; i++) {
        assert_true(test_answer_from(fds[i], &buf, &a, false));
        assert_int_equal(a.status, 200);
        close(fds[i]);
    }
    assert_true(test_now_ms() - from < 20 * 300);
    od_buf_done(&buf);
    od_http_stop(http, 1000);
}

static void *racer(void *context)
{
    struct hall *hall = context;
    while (!atomic_load(&hall->quit)) {
        struct od_http_exchange *exchange = atomic_exchange(&hall->racing, NULL);
        if (exchange)
            od_http_finish(exchange);
    }
    return NULL;
}

static void finishing_while_the_handler_returns_never_loses_an_answer(void **state)
{
    (void)state;
    struct hall hall = {.when = RACING};
    struct od_http *http = open_hall(&hall, 1);
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    pthread_t thread;
    pthread_create(&thread, NULL, racer, &hall);
    int fd = test_connect(od_http_port(http));
    for (int i = 0; i < 1000; i++) {
        test_send(fd, post);
        assert_true(test_answer_from(fd, &buf, &a, false));
        assert_string_equal(a.body, "/p abc");
    }
    /* Pipelined: each waits for the one before. */
    for (int i = 0; i < 10; i++)
        test_send(fd, post);
    for (int i = 0; i < 10; i++) {
        assert_true(test_answer_from(fd, &buf, &a, false));
        assert_int_equal(a.status, 200);
    }
    close(fd);
    od_http_stop(http, 1000);
    atomic_store(&hall.quit, true);
    pthread_join(thread, NULL);
    assert_int_equal(atomic_load(&hall.handled), 1010);
    od_buf_done(&buf);
}

static void await_handled(struct hall *hall, int count)
{
    for (int ms = 0; atomic_load(&hall->handled) < count && ms < PATIENCE_MS; ms++)
        test_sleep_ms(1);
    assert_int_equal(atomic_load(&hall->handled), count);
}

static struct od_http_exchange *await_held(struct hall *hall)
{
    for (int ms = 0; !atomic_load(&hall->held) && ms < PATIENCE_MS; ms++)
        test_sleep_ms(1);
    assert_non_null(atomic_load(&hall->held));
    return atomic_load(&hall->held);
}

static void a_client_that_left_does_not_matter(void **state)
{
    (void)state;
    struct hall hall = {.when = NEVER};
    struct od_http *http = open_hall(&hall, 1);
    int fd = test_connect(od_http_port(http));
    test_send(fd, post);
    struct od_http_exchange *held = await_held(&hall);
    struct linger reset = {.l_onoff = 1};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
    close(fd);
    test_sleep_ms(20);
    assert_true(od_str_eq(od_http_request(held)->body, OD_STR("abc")));
    fill(held);
    od_http_finish(held);
    for (int ms = 0; od_http_connections(http) > 0 && ms < PATIENCE_MS; ms++)
        test_sleep_ms(1);
    assert_int_equal(od_http_connections(http), 0);
    od_http_stop(http, 1000);
}

static void stopping_answers_503_to_what_still_waits(void **state)
{
    (void)state;
    struct hall hall = {.when = NEVER};
    struct od_http *http = open_hall(&hall, 2);
    struct od_buf buf;
    struct test_answer a;
    char value[256];
    od_buf_init(&buf, 1 << 20);
    int fd = test_connect(od_http_port(http));
    test_send(fd, post);
    struct od_http_exchange *held = await_held(&hall);
    int64_t from = test_now_ms();
    od_http_stop(http, 50);
    assert_true(test_now_ms() - from >= 50);
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 503);
    assert_string_equal(test_header(&a, "Connection", value), "close");
    test_read_to_end(fd, &buf, PATIENCE_MS);
    close(fd);
    /* The handler's side comes too late, and may still read and fill everything. */
    assert_true(od_str_eq(od_http_request(held)->body, OD_STR("abc")));
    assert_true(od_str_eq(od_http_header(od_http_request(held), "host"), OD_STR("h")));
    fill(held);
    od_http_finish(held);
    od_buf_done(&buf);
}

struct stopper {
    struct od_http *http;
    int grace_ms;
};

static void *stop_thread(void *context)
{
    struct stopper *s = context;
    od_http_stop(s->http, s->grace_ms);
    return NULL;
}

static void stopping_lets_running_requests_finish_and_takes_no_new_ones(void **state)
{
    (void)state;
    struct hall hall = {.when = LATER, .delay_ms = 400};
    struct od_http *http = open_hall(&hall, 2);
    uint16_t port = od_http_port(http);
    struct od_buf buf;
    struct test_answer a;
    char value[256];
    od_buf_init(&buf, 1 << 20);
    int fd = test_connect(port);
    test_send(fd, post);
    await_handled(&hall, 1);
    pthread_t thread;
    struct stopper stopper = {http, PATIENCE_MS};
    pthread_create(&thread, NULL, stop_thread, &stopper);
    /* The listening socket goes at once. */
    int late = 0;
    for (int ms = 0; late >= 0 && ms < PATIENCE_MS; ms++) {
        late = test_try_connect(port);
        if (late >= 0)
            close(late);
        test_sleep_ms(1);
    }
    assert_int_equal(late, -1);
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, "/p abc");
    assert_string_equal(test_header(&a, "Connection", value), "close");
    close(fd);
    int64_t from = test_now_ms();
    pthread_join(thread, NULL);
    assert_true(test_now_ms() - from < PATIENCE_MS / 2); /* grace was not waited out */
    od_buf_done(&buf);
}

static void stopping_waits_for_a_handler_that_is_busy(void **state)
{
    (void)state;
    struct hall hall = {.when = BLOCKED, .delay_ms = 300};
    struct od_http *http = open_hall(&hall, 1);
    int fd = test_connect(od_http_port(http));
    test_send(fd, post);
    await_handled(&hall, 1);
    int64_t from = test_now_ms();
    od_http_stop(http, 0); /* no grace, but the handler's stack and context are in use */
    assert_true(test_now_ms() - from >= 200);
    close(fd);
}

static void stopping_under_load_is_clean(void **state)
{
    (void)state;
    for (int round = 0; round < 10; round++) {
        struct hall hall = {.when = LATER, .delay_ms = round};
        struct od_http *http = open_hall(&hall, 2);
        int fds[30];
        for (int i = 0; i < 30; i++) {
            fds[i] = test_connect(od_http_port(http));
            test_send(fds[i], post);
        }
        test_sleep_ms(round % 3);
        od_http_stop(http, round % 2 ? 0 : 5);
        for (int i = 0; i < 30; i++) {
            struct od_buf buf;
            struct test_answer a;
            od_buf_init(&buf, 1 << 20);
            if (test_answer_from(fds[i], &buf, &a, false))
                assert_true(a.status == 200 || a.status == 503);
            od_buf_done(&buf);
            close(fds[i]);
        }
        for (int ms = 0; atomic_load(&hall.finished) < atomic_load(&hall.handled); ms++) {
            assert_true(ms < PATIENCE_MS);
            test_sleep_ms(1);
        }
        test_sleep_ms(20); /* the detached threads still touch hall after counting */
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_answer_may_come_before_or_after_the_handler_returns),
        cmocka_unit_test(a_waiting_request_holds_up_no_other_connection),
        cmocka_unit_test(finishing_while_the_handler_returns_never_loses_an_answer),
        cmocka_unit_test(a_client_that_left_does_not_matter),
        cmocka_unit_test(stopping_answers_503_to_what_still_waits),
        cmocka_unit_test(stopping_lets_running_requests_finish_and_takes_no_new_ones),
        cmocka_unit_test(stopping_waits_for_a_handler_that_is_busy),
        cmocka_unit_test(stopping_under_load_is_clean),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
