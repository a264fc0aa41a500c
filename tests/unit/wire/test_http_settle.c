/* What a handler puts aside is answered at the end of the round, on its own thread. */
#include "wire/http_client.h"

#include <pthread.h>
#include <stdatomic.h>

#define THREADS 2
#define ASIDE   256

struct shelf {
    struct od_http_exchange *list[ASIDE];
    size_t count;
    pthread_t thread;
    size_t largest; /* how many lay there at once */
};

struct room {
    struct shelf shelves[THREADS];
    size_t helping; /* answered in one call of settle; 0: none until closing */
    int dawdle_ms;  /* of a handler, so that others arrive meanwhile */
    atomic_int handled, answered, dropped;
    atomic_bool on_other_threads;
};

static bool handle(void *context, struct od_http_exchange *exchange)
{
    struct room *room = context;
    struct shelf *shelf = &room->shelves[od_http_thread(exchange)];
    if (room->dawdle_ms)
        test_sleep_ms(room->dawdle_ms);
    shelf->thread = pthread_self();
    shelf->list[shelf->count++] = exchange;
    shelf->largest = shelf->count > shelf->largest ? shelf->count : shelf->largest;
    atomic_fetch_add(&room->handled, 1);
    return false;
}

static void answer(struct room *room, struct od_http_exchange *exchange)
{
    const struct od_http_request *request = od_http_request(exchange);
    od_buf_printf(&od_http_response(exchange)->body, "%.*s", OD_STR_ARG(request->body));
    atomic_fetch_add(&room->answered, 1);
    od_http_finish(exchange);
}

static bool settle(void *context, unsigned thread, bool closing)
{
    struct room *room = context;
    struct shelf *shelf = &room->shelves[thread];
    size_t count = shelf->count;
    if (!count)
        return false;
    if (!pthread_equal(shelf->thread, pthread_self()))
        atomic_store(&room->on_other_threads, true);
    if (closing)
        atomic_fetch_add(&room->dropped, (int)count);
    else if (count > room->helping)
        count = room->helping;
    for (size_t i = 0; i < count; i++)
        answer(room, shelf->list[i]);
    shelf->count -= count;
    memmove(shelf->list, shelf->list + count, shelf->count * sizeof shelf->list[0]);
    return shelf->count > 0 && room->helping;
}

static struct od_http *open_room(struct room *room)
{
    return test_start((struct od_http_config){
        .handle = handle, .settle = settle, .context = room, .threads = THREADS});
}

static void send_number(int fd, int number)
{
    char text[128];
    snprintf(text, sizeof text, "POST /p HTTP/1.1\r\nHost: h\r\nContent-Length: 4\r\n\r\n%04d",
             number);
    test_send(fd, text);
}

static void expect_number(int fd, int number)
{
    char text[8];
    struct od_buf buf;
    struct test_answer a;
    od_buf_init(&buf, 1 << 20);
    snprintf(text, sizeof text, "%04d", number);
    assert_true(test_answer_from(fd, &buf, &a, false));
    assert_int_equal(a.status, 200);
    assert_string_equal(a.body, text);
    od_buf_done(&buf);
}

static void a_lone_request_is_answered_without_company(void **state)
{
    (void)state;
    struct room room = {.helping = ASIDE};
    struct od_http *http = open_room(&room);
    int fd = test_connect(od_http_port(http));
    for (int i = 0; i < 50; i++) {
        send_number(fd, i);
        expect_number(fd, i);
    }
    close(fd);
    od_http_stop(http, 1000);
    assert_int_equal(atomic_load(&room.answered), 50);
    assert_false(atomic_load(&room.on_other_threads));
}

static void ask_all(const int *fds, int count, int from)
{
    for (int i = 0; i < count; i++)
        send_number(fds[i], from + i);
}

static void expect_all(const int *fds, int count, int from)
{
    for (int i = 0; i < count; i++)
        expect_number(fds[i], from + i);
}

/* Several helpings a round of asking: each gets its own answer, once. */
static void what_is_left_over_is_answered_in_the_next_rounds(void **state)
{
    (void)state;
    struct room room = {.helping = 3, .dawdle_ms = 1};
    struct od_http *http = open_room(&room);
    int fds[40];
    for (int i = 0; i < 40; i++)
        fds[i] = test_connect(od_http_port(http));
    for (int round = 0; round < 5; round++) {
        ask_all(fds, 40, round * 40);
        expect_all(fds, 40, round * 40);
    }
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    od_http_stop(http, 1000);
    assert_int_equal(atomic_load(&room.handled), 200);
    assert_int_equal(atomic_load(&room.answered), 200);
    assert_int_equal(atomic_load(&room.dropped), 0);
    assert_false(atomic_load(&room.on_other_threads));
    assert_true(room.shelves[0].largest > 3); /* they did come together */
}

static void clients_that_left_do_not_matter(void **state)
{
    (void)state;
    struct room room = {.helping = 2, .dawdle_ms = 1};
    struct od_http *http = open_room(&room);
    for (int i = 0; i < 30; i++) {
        int fd = test_connect(od_http_port(http));
        send_number(fd, i);
        close(fd);
    }
    int fd = test_connect(od_http_port(http));
    send_number(fd, 77);
    expect_number(fd, 77);
    close(fd);
    for (int ms = 0; od_http_connections(http) > 0 && ms < PATIENCE_MS; ms++)
        test_sleep_ms(1);
    assert_int_equal(od_http_connections(http), 0);
    od_http_stop(http, 1000);
    assert_int_equal(atomic_load(&room.handled), atomic_load(&room.answered));
}

static void stopping_finishes_what_is_aside_and_its_clients_hear_of_it(void **state)
{
    (void)state;
    struct room room = {.helping = 0};
    struct od_http *http = open_room(&room);
    int fds[40];
    for (int i = 0; i < 40; i++) {
        fds[i] = test_connect(od_http_port(http));
        send_number(fds[i], i);
    }
    for (int ms = 0; atomic_load(&room.handled) < 40; ms++) {
        assert_true(ms < PATIENCE_MS);
        test_sleep_ms(1);
    }
    od_http_stop(http, 20);
    assert_int_equal(atomic_load(&room.dropped), 40);
    assert_int_equal(atomic_load(&room.answered), 40);
    for (int i = 0; i < 40; i++) {
        struct od_buf buf;
        struct test_answer a;
        od_buf_init(&buf, 1 << 20);
        assert_true(test_answer_from(fds[i], &buf, &a, false));
        assert_int_equal(a.status, 503);
        test_read_to_end(fds[i], &buf, PATIENCE_MS);
        od_buf_done(&buf);
        close(fds[i]);
    }
}

static void stopping_waits_for_helpings_within_its_grace(void **state)
{
    (void)state;
    struct room room = {.helping = 1, .dawdle_ms = 2};
    struct od_http *http = open_room(&room);
    int fds[40];
    for (int i = 0; i < 40; i++)
        fds[i] = test_connect(od_http_port(http));
    ask_all(fds, 40, 0);
    for (int ms = 0; atomic_load(&room.handled) < 40; ms++) {
        assert_true(ms < PATIENCE_MS);
        test_sleep_ms(1);
    }
    od_http_stop(http, PATIENCE_MS);
    expect_all(fds, 40, 0);
    for (int i = 0; i < 40; i++)
        close(fds[i]);
    assert_int_equal(atomic_load(&room.dropped), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lone_request_is_answered_without_company),
        cmocka_unit_test(what_is_left_over_is_answered_in_the_next_rounds),
        cmocka_unit_test(clients_that_left_do_not_matter),
        cmocka_unit_test(stopping_finishes_what_is_aside_and_its_clients_hear_of_it),
        cmocka_unit_test(stopping_waits_for_helpings_within_its_grace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
