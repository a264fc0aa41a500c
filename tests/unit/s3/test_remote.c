/* Objects of an endpoint as files: the client side against our own S3 subset, in one process. A
 * handler in between can lose answers and break bodies off, as networks do. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/limits.h"
#include "s3/client.h"
#include "s3/remote.h"
#include "s3/s3.h"

#define KEY    "ODTESTTESTTESTTEST00"
#define SECRET "testtesttesttesttesttesttesttesttesttest"

static struct world {
    char root[64], staging[80];
    struct od_sigv4 *verifier;
    struct od_s3 *s3;
    struct od_http *http;
    struct od_remote *remote;
    const struct od_io *io;
    atomic_int refuse; /* so many requests are answered 503 */
    atomic_int asked;
    struct od_io recording; /* the server's: the machine, and what is synced is noted */
    pthread_mutex_t lock;   /* guards synced */
    char synced[16384];     /* paths below the root, each with a '\n' behind it */
} w;

static enum od_status note_sync(const struct od_io *io, int fd, struct od_error *err)
{
    char link[64], path[256];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, sizeof path - 1);
    pthread_mutex_lock(&w.lock);
    size_t at = strlen(w.synced);
    if (len > (ssize_t)strlen(w.root) - 1)
        snprintf(w.synced + at, sizeof w.synced - at, "%.*s\n", (int)len - (int)strlen(w.root),
                 path + strlen(w.root));
    pthread_mutex_unlock(&w.lock);
    return od_io_real.sync(io, fd, err);
}

/* Was the folder (of what follows the root: "" or "/...") synced since the last question? */
static bool was_synced(const char *folder)
{
    char line[128];
    snprintf(line, sizeof line, "\n%s\n", folder);
    pthread_mutex_lock(&w.lock);
    char all[sizeof w.synced + 1];
    snprintf(all, sizeof all, "\n%s", w.synced);
    bool found = strstr(all, line) != NULL;
    w.synced[0] = '\0';
    pthread_mutex_unlock(&w.lock);
    return found;
}

static bool lookup(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    (void)context;
    memcpy(out->text, SECRET, sizeof SECRET - 1);
    out->len = sizeof SECRET - 1;
    return od_str_eq_c(key_id, KEY);
}

static enum od_http_intake begin(void *context, struct od_http_exchange *exchange)
{
    (void)context;
    atomic_fetch_add(&w.asked, 1);
    if (atomic_load(&w.refuse) > 0) {
        atomic_fetch_sub(&w.refuse, 1);
        od_http_response(exchange)->status = 503;
        return OD_HTTP_REFUSE;
    }
    assert_true(od_s3_claims(od_http_request(exchange), false));
    return od_s3_begin(w.s3, exchange);
}

static bool handle(void *context, struct od_http_exchange *exchange)
{
    (void)context;
    return od_s3_handle(w.s3, exchange);
}

static struct od_remote *connect_with(const char *secret)
{
    char url[64];
    struct od_error err;
    struct od_remote *remote = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", od_http_port(w.http));
    struct od_s3_endpoint endpoint = {.url = od_str_c(url),
                                      .region = OD_STR("us-east-1"),
                                      .key_id = OD_STR(KEY),
                                      .secret = od_str_c(secret)};
    assert_int_equal(od_remote_new(&od_io_real, &endpoint, w.staging, &remote, &err), OD_OK);
    return remote;
}

static int set_up(void **state)
{
    struct od_error err;
    char bucket[96];
    (void)state;
    snprintf(w.root, sizeof w.root, "/tmp/ondol-remote-XXXXXX");
    assert_non_null(mkdtemp(w.root));
    snprintf(w.staging, sizeof w.staging, "%s-staging", w.root);
    snprintf(bucket, sizeof bucket, "%s/bucket", w.root);
    assert_int_equal(od_io_real.make_folder(&od_io_real, bucket, NULL), OD_OK);
    w.verifier = od_sigv4_new(lookup, NULL);
    pthread_mutex_init(&w.lock, NULL);
    w.recording = od_io_real;
    w.recording.sync = note_sync;
    struct od_s3_config s3 = {.io = &w.recording,
                              .root = w.root,
                              .verifier = w.verifier,
                              .lookup = lookup,
                              .region = "us-east-1",
                              .account = "000000000000"};
    assert_int_equal(od_s3_new(&s3, &w.s3, &err), OD_OK);
    struct od_http_config http = {
        .host = "127.0.0.1", .threads = 2, .handle = handle, .begin = begin};
    assert_int_equal(od_http_start(&http, &w.http, &err), OD_OK);
    w.remote = connect_with(SECRET);
    w.io = od_remote_io(w.remote);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    od_remote_free(w.remote);
    od_http_stop(w.http, 1000);
    od_s3_free(w.s3);
    od_sigv4_free(w.verifier);
    assert_int_equal(od_io_remove_tree(&od_io_real, w.root, NULL), OD_OK);
    assert_int_equal(od_io_remove_tree(&od_io_real, w.staging, NULL), OD_OK);
    return 0;
}

static void put(const char *path, struct od_str bytes)
{
    struct od_error err;
    if (od_io_write_file(w.io, path, bytes, &err) != OD_OK)
        fail_msg("%s", err.message);
}

static void assert_staging_empty(void)
{
    struct od_arena arena;
    struct od_io_entry *entries;
    size_t count;
    od_arena_init(&arena, 1u << 20);
    assert_int_equal(od_io_real.list(&od_io_real, w.staging, &arena, &entries, &count, NULL),
                     OD_OK);
    assert_int_equal(count, 0);
    od_arena_done(&arena);
}

static void a_file_written_is_an_object_and_comes_back(void **state)
{
    (void)state;
    struct od_buf text;
    struct od_io_stat stat;
    put("s3://bucket/deep er/\xC3\xBC+%.json", OD_STR("{\"a\":1}"));
    assert_staging_empty();
    od_buf_init(&text, 100);
    assert_int_equal(od_io_read_file(w.io, "s3://bucket/deep er/\xC3\xBC+%.json", &text, NULL),
                     OD_OK);
    assert_string_equal(text.ptr, "{\"a\":1}");
    od_buf_done(&text);
    assert_int_equal(w.io->stat(w.io, "s3://bucket/deep er/\xC3\xBC+%.json", &stat, NULL), OD_OK);
    assert_int_equal(stat.bytes, 7);
    assert_int_equal(w.io->remove(w.io, "s3://bucket/deep er/\xC3\xBC+%.json", NULL), OD_OK);
    assert_false(od_io_exists(w.io, "s3://bucket/deep er/\xC3\xBC+%.json"));
}

static void what_is_never_renamed_is_no_object(void **state)
{
    (void)state;
    int fd;
    struct od_error err;
    assert_int_equal(w.io->open(w.io, "s3://bucket/half.tmp", OD_OPEN_CREATE, &fd, &err), OD_OK);
    assert_int_equal(w.io->write_at(w.io, fd, "abc", 3, 0, &err), OD_OK);
    w.io->close(w.io, fd);
    assert_false(od_io_exists(w.io, "s3://bucket/half.tmp"));
    assert_int_equal(w.io->remove(w.io, "s3://bucket/half.tmp", &err), OD_OK);
    assert_staging_empty();
}

static void ranges_and_maps_read_what_was_written(void **state)
{
    (void)state;
    char bytes[1000], got[10];
    struct od_io_map map;
    int fd;
    size_t len;
    for (size_t i = 0; i < sizeof bytes; i++)
        bytes[i] = (char)i;
    put("s3://bucket/range", (struct od_str){bytes, sizeof bytes});
    assert_int_equal(w.io->open(w.io, "s3://bucket/range", OD_OPEN_READ, &fd, NULL), OD_OK);
    assert_int_equal(w.io->read_at(w.io, fd, got, 10, 500, &len, NULL), OD_OK);
    assert_int_equal(len, 10);
    assert_memory_equal(got, bytes + 500, 10);
    assert_int_equal(w.io->read_at(w.io, fd, got, 10, 995, &len, NULL), OD_OK);
    assert_int_equal(len, 5);
    assert_int_equal(w.io->read_at(w.io, fd, got, 10, 2000, &len, NULL), OD_OK);
    assert_int_equal(len, 0);
    w.io->close(w.io, fd);
    assert_int_equal(w.io->map(w.io, "s3://bucket/range", &map, NULL), OD_OK);
    assert_int_equal(map.bytes, sizeof bytes);
    assert_memory_equal(map.ptr, bytes, sizeof bytes);
    w.io->unmap(w.io, &map);
}

static void an_object_that_changes_is_not_mixed(void **state)
{
    (void)state;
    char got[4];
    struct od_error err;
    size_t len;
    int fd;
    put("s3://bucket/changes", OD_STR("before"));
    assert_int_equal(w.io->open(w.io, "s3://bucket/changes", OD_OPEN_READ, &fd, NULL), OD_OK);
    put("s3://bucket/changes", OD_STR("behind"));
    assert_int_equal(w.io->read_at(w.io, fd, got, 4, 0, &len, &err), OD_IO);
    assert_non_null(strstr(err.message, "was changed"));
    w.io->close(w.io, fd);
}

static void an_endpoint_that_says_later_is_asked_again(void **state)
{
    (void)state;
    struct od_error err;
    atomic_store(&w.refuse, 2);
    int before = atomic_load(&w.asked);
    put("s3://bucket/later", OD_STR("x"));
    assert_int_equal(atomic_load(&w.asked) - before, 3);
    struct od_remote *stranger = connect_with("wrong");
    const struct od_io *io = od_remote_io(stranger);
    before = atomic_load(&w.asked);
    assert_int_equal(od_io_write_file(io, "s3://bucket/later", OD_STR("y"), &err), OD_NOT_FOUND);
    assert_non_null(strstr(err.message, "SignatureDoesNotMatch"));
    /* the put, and the removal of a temporary that was none */
    assert_int_equal(atomic_load(&w.asked) - before, 2);
    od_remote_free(stranger);
}

static void lists_go_on_over_pages(void **state)
{
    (void)state;
    struct od_arena arena;
    struct od_io_entry *entries;
    size_t count;
    char path[128];
    snprintf(path, sizeof path, "%s/bucket/many/sub", w.root);
    assert_int_equal(od_io_real.make_folder(&od_io_real, path, NULL), OD_OK);
    snprintf(path, sizeof path, "%s/bucket/many/sub/x.csv", w.root);
    assert_int_equal(od_io_write_file(&od_io_real, path, OD_STR("x"), NULL), OD_OK);
    for (int i = 0; i < 2300; i++) {
        int fd;
        snprintf(path, sizeof path, "%s/bucket/many/%04d & \xC3\xBC.csv", w.root, i);
        assert_int_equal(od_io_real.open(&od_io_real, path, OD_OPEN_CREATE, &fd, NULL), OD_OK);
        od_io_real.close(&od_io_real, fd);
    }
    od_arena_init(&arena, 64u << 20);
    assert_int_equal(w.io->list(w.io, "s3://bucket/many", &arena, &entries, &count, NULL), OD_OK);
    assert_int_equal(count, 2301);
    assert_true(od_str_eq_c(entries[0].name, "0000 & \xC3\xBC.csv"));
    assert_true(od_str_eq_c(entries[2299].name, "2299 & \xC3\xBC.csv"));
    assert_true(od_str_eq_c(entries[2300].name, "sub") && entries[2300].is_folder);
    od_arena_done(&arena);
}

static void a_large_file_goes_in_parts(void **state)
{
    (void)state;
    struct od_error err;
    struct od_io_stat stat;
    char block[1 << 16], got[1 << 16], path[128];
    size_t len;
    int fd, half;
    const uint64_t bytes = OD_S3_PART_BYTES + sizeof block;
    assert_int_equal(w.io->open(w.io, "s3://bucket/large.tmp", OD_OPEN_CREATE, &fd, &err), OD_OK);
    for (uint64_t at = 0; at < bytes; at += sizeof block) {
        memset(block, (int)(at / sizeof block % 251), sizeof block);
        assert_int_equal(w.io->write_at(w.io, fd, block, sizeof block, at, &err), OD_OK);
    }
    assert_int_equal(w.io->sync(w.io, fd, &err), OD_OK);
    w.io->close(w.io, fd);
    if (w.io->rename(w.io, "s3://bucket/large.tmp", "s3://bucket/large", &err) != OD_OK)
        fail_msg("%s", err.message);
    assert_staging_empty();
    assert_int_equal(w.io->stat(w.io, "s3://bucket/large", &stat, NULL), OD_OK);
    assert_int_equal(stat.bytes, bytes);
    snprintf(path, sizeof path, "%s/bucket/large", w.root);
    assert_int_equal(od_io_real.open(&od_io_real, path, OD_OPEN_READ, &half, NULL), OD_OK);
    assert_int_equal(
        od_io_real.read_at(&od_io_real, half, got, sizeof got, bytes - sizeof got, &len, NULL),
        OD_OK);
    assert_memory_equal(got, block, sizeof got);
    od_io_real.close(&od_io_real, half);
}

static void endpoints_that_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const urls[] = {"ftp://host", "host:9000",        "http://",
                                       "http://a/b", "http://user@host", "https://host?x"};
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        struct od_s3_endpoint endpoint = {.url = od_str_c(urls[i]),
                                          .region = OD_STR("r"),
                                          .key_id = OD_STR("k"),
                                          .secret = OD_STR("s")};
        struct od_remote *remote = NULL;
        struct od_error err;
        assert_int_equal(od_remote_new(&od_io_real, &endpoint, w.staging, &remote, &err),
                         OD_INVALID_INPUT);
    }
}

static struct od_s3_client *new_client(unsigned tries, const atomic_bool *stop)
{
    char url[64];
    struct od_error err;
    struct od_s3_client *client = NULL;
    snprintf(url, sizeof url, "http://127.0.0.1:%u", od_http_port(w.http));
    struct od_s3_endpoint endpoint = {.url = od_str_c(url),
                                      .region = OD_STR("us-east-1"),
                                      .key_id = OD_STR(KEY),
                                      .secret = OD_STR(SECRET),
                                      .tries = tries,
                                      .stop = stop};
    assert_int_equal(od_s3_client_new(&od_io_real, &endpoint, &client, &err), OD_OK);
    return client;
}

/* key NULL: the bucket itself. */
static enum od_status ask(struct od_s3_client *client, const char *method, const char *bucket,
                          const char *key, const char *query)
{
    struct od_error err;
    struct od_s3_upload_body body = {.text = OD_STR("")};
    struct od_s3_ask one = {.method = method,
                            .bucket = od_str_c(bucket),
                            .key = key ? od_str_c(key) : OD_STR_NONE,
                            .query = query,
                            .body = *method == 'P' ? &body : NULL};
    struct od_s3_answer answer = {0};
    return od_s3_ask(client, &one, &answer, &err);
}

static void a_request_is_tried_as_often_as_said_and_not_when_stopped(void **state)
{
    (void)state;
    atomic_bool stop = false;
    struct od_s3_client *client = new_client(2, &stop);
    atomic_store(&w.refuse, 3);
    atomic_store(&w.asked, 0);
    assert_int_equal(ask(client, "GET", "bucket", NULL, "list-type=2"), OD_IO);
    assert_int_equal(atomic_load(&w.asked), 2);
    assert_int_equal(ask(client, "GET", "bucket", NULL, "list-type=2"), OD_OK);
    assert_int_equal(atomic_load(&w.asked), 4);
    atomic_store(&w.refuse, 1);
    atomic_store(&stop, true);
    assert_int_equal(ask(client, "GET", "bucket", NULL, "list-type=2"), OD_IO);
    assert_true(atomic_load(&w.asked) <= 5);
    atomic_store(&w.refuse, 0);
    od_s3_client_free(client);
}

/* Those that come are make_folder's and rename's affair. */
static void names_that_go_are_synced(void **state)
{
    (void)state;
    struct od_s3_client *client = new_client(1, NULL);
    assert_int_equal(ask(client, "PUT", "synced", NULL, ""), OD_OK);
    assert_int_equal(ask(client, "PUT", "synced", "folder/", ""), OD_OK);
    (void)was_synced("");
    assert_int_equal(ask(client, "DELETE", "synced", "folder/", ""), OD_OK);
    assert_true(was_synced("/.ondol/meta/synced"));
    assert_int_equal(ask(client, "DELETE", "synced", NULL, ""), OD_OK);
    assert_true(was_synced(""));
    od_s3_client_free(client);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_written_is_an_object_and_comes_back),
        cmocka_unit_test(what_is_never_renamed_is_no_object),
        cmocka_unit_test(ranges_and_maps_read_what_was_written),
        cmocka_unit_test(an_object_that_changes_is_not_mixed),
        cmocka_unit_test(an_endpoint_that_says_later_is_asked_again),
        cmocka_unit_test(lists_go_on_over_pages),
        cmocka_unit_test(a_large_file_goes_in_parts),
        cmocka_unit_test(endpoints_that_are_none_are_refused),
        cmocka_unit_test(a_request_is_tried_as_often_as_said_and_not_when_stopped),
        cmocka_unit_test(names_that_go_are_synced),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
