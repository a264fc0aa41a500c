/* Deleting users from the log, and that nothing of them is left in the database's files. */
#include "store/fixture.inc"

#include <dirent.h>

#define EVENTS OD_STR("arn:dataset/g/INTERACTIONS")
#define USERS  OD_STR("arn:dataset/g/USERS")
#define OTHER  OD_STR("arn:dataset/h/INTERACTIONS")

static void append(struct fixture *f, struct od_str dataset, const char *user, const char *session,
                   const char *item)
{
    struct od_event event = {.user = str(user),
                             .session = str(session),
                             .item = str(item),
                             .type = OD_STR("view"),
                             .time_s = 1700000000,
                             .arrived_ms = 1,
                             .body = OD_STR("{}")};
    bool fresh;
    begin(f);
    ok(f, od_events_append(f->store, dataset, &event, 1, &fresh, &f->err));
    commit(f);
    assert_true(fresh);
}

static void put(struct fixture *f, struct od_str dataset, const char *id)
{
    struct od_record record = {.id = str(id), .body = OD_STR("{\"AGE\":3}"), .arrived_ms = 1};
    begin(f);
    ok(f, od_records_put(f->store, dataset, &record, 1, &f->err));
    commit(f);
}

static struct od_deleted doom(struct fixture *f, const char *const *users, struct od_str dataset,
                              bool of_users)
{
    struct od_deleted deleted;
    begin(f);
    ok(f, od_doomed_begin(f->store, &f->err));
    for (; *users; users++)
        ok(f, od_doomed_add(f->store, str(*users), &f->err));
    ok(f, od_doomed_delete(f->store, dataset, of_users, &deleted, &f->err));
    ok(f, od_doomed_end(f->store, &f->err));
    commit(f);
    return deleted;
}

static enum od_status note(void *context, const struct od_event *e)
{
    od_buf_printf(context, "%.*s/%.*s/%.*s ", OD_STR_ARG(e->user), OD_STR_ARG(e->session),
                  OD_STR_ARG(e->item));
    return OD_OK;
}

static void assert_events(struct fixture *f, struct od_str dataset, const char *expect)
{
    struct od_buf text;
    od_buf_init(&text, 100000);
    od_buf_puts(&text, "");
    ok(f, od_events_read(od_store_as_reader(f->store), dataset, 0, 0, note, &text, &f->err));
    assert_string_equal(text.ptr, expect);
    od_buf_done(&text);
}

static void a_users_events_go_and_others_stay(void **state)
{
    struct fixture *f = *state;
    static const char *const users[] = {"ann", "ann", "nobody", NULL};
    append(f, EVENTS, "ann", "s1", "i1");
    append(f, EVENTS, "bob", "s2", "i1");
    append(f, EVENTS, "annabel", "s3", "i1");
    append(f, OTHER, "ann", "s1", "i1");
    put(f, EVENTS, "ann"); /* of items, say */
    struct od_deleted deleted = doom(f, users, EVENTS, false);
    assert_true(deleted.events == 1 && deleted.links == 1 && deleted.records == 0);
    assert_events(f, EVENTS, "bob/s2/i1 annabel/s3/i1 ");
    assert_events(f, OTHER, "ann/s1/i1 ");
}

static void sessions_joined_to_a_user_go_with_it(void **state)
{
    struct fixture *f = *state;
    static const char *const users[] = {"ann", NULL};
    append(f, EVENTS, NULL, "hers", "before");   /* hers once she signs in */
    append(f, EVENTS, NULL, "shared", "before"); /* in the end of somebody else */
    append(f, EVENTS, NULL, "ann", "named");     /* one name space for users and sessions */
    append(f, EVENTS, NULL, "stranger", "i");
    append(f, EVENTS, "ann", "hers", "i");
    append(f, EVENTS, "ann", "shared", "i");
    append(f, EVENTS, "bob", "shared", "i");
    append(f, EVENTS, "bob", "ann", "odd");
    struct od_deleted deleted = doom(f, users, EVENTS, false);
    assert_int_equal(deleted.events, 4);
    assert_events(f, EVENTS, "bob/shared/before /stranger/i bob/shared/i bob//odd ");
}

static void records_go_where_they_are_users(void **state)
{
    struct fixture *f = *state;
    static const char *const users[] = {"ann", "eve", NULL};
    int64_t events, records;
    put(f, USERS, "ann");
    put(f, USERS, "bob");
    put(f, USERS, "eve");
    assert_int_equal(doom(f, users, USERS, true).records, 2);
    ok(f, od_events_last_seq(od_store_as_reader(f->store), USERS, &events, &records, &f->err));
    assert_int_equal(records, 2); /* bob's */
}

static void a_dataset_without_a_log_has_nothing_to_delete(void **state)
{
    struct fixture *f = *state;
    static const char *const users[] = {"ann", NULL};
    struct od_deleted deleted = doom(f, users, OD_STR("arn:dataset/unknown"), true);
    assert_true(deleted.events == 0 && deleted.links == 0 && deleted.records == 0);
}

static void a_rollback_keeps_everything(void **state)
{
    struct fixture *f = *state;
    struct od_deleted deleted;
    append(f, EVENTS, "ann", "s", "i");
    begin(f);
    ok(f, od_doomed_begin(f->store, &f->err));
    ok(f, od_doomed_add(f->store, OD_STR("ann"), &f->err));
    ok(f, od_doomed_delete(f->store, EVENTS, false, &deleted, &f->err));
    od_store_rollback(f->store);
    assert_events(f, EVENTS, "ann/s/i ");
    assert_int_equal(od_doomed_begin(f->store, &f->err), OD_INTERNAL);
}

/* Bytes of all files of the data folder together, and whether the text is in one of them. */
static bool on_disk(struct fixture *f, const char *text, size_t *out_bytes)
{
    DIR *folder = opendir(f->folder);
    struct dirent *entry;
    bool found = false;
    *out_bytes = 0;
    assert_non_null(folder);
    while ((entry = readdir(folder))) {
        char path[600];
        struct od_buf bytes;
        snprintf(path, sizeof path, "%s/%s", f->folder, entry->d_name);
        od_buf_init(&bytes, 1u << 28);
        if (strncmp(entry->d_name, "ondol.db", 8) == 0 &&
            od_io_read_file(io, path, &bytes, NULL) == OD_OK && bytes.len) {
            *out_bytes += bytes.len;
            found |= memmem(bytes.ptr, bytes.len, text, strlen(text)) != NULL;
        }
        od_buf_done(&bytes);
    }
    closedir(folder);
    return found;
}

static void fill(struct fixture *f, int from, int to)
{
    begin(f);
    for (int i = from; i < to; i++) {
        char user[64], item[64];
        bool fresh;
        snprintf(user, sizeof user, i % 3 ? "stays-%d" : "Zx99-goes-%d", i % 90);
        snprintf(item, sizeof item, "item-%d", i);
        struct od_event event = {.user = str(user),
                                 .session = str(user),
                                 .item = str(item),
                                 .time_s = 1700000000 + i * 7919 % 10007,
                                 .arrived_ms = i};
        ok(f, od_events_append(f->store, EVENTS, &event, 1, &fresh, &f->err));
    }
    commit(f);
}

static void scrubbing_leaves_no_byte_of_what_was_deleted(void **state)
{
    struct fixture *f = *state;
    size_t bytes;
    static char names[30][64];
    const char *users[31] = {NULL};
    for (int round = 0; round < 20; round++)
        fill(f, round * 1000, round * 1000 + 1000);
    for (int i = 0; i < 30; i++) {
        snprintf(names[i], sizeof names[i], "Zx99-goes-%d", i * 3);
        users[i] = names[i];
    }
    assert_true(on_disk(f, "Zx99", &bytes));
    assert_true(doom(f, users, EVENTS, false).events > 6000);
    assert_true(on_disk(f, "Zx99", &bytes));
    ok(f, od_store_scrub(f->store, &f->err));
    assert_false(on_disk(f, "Zx99", &bytes));
    assert_true(on_disk(f, "stays-", &bytes));
    reopen(f);
    assert_false(on_disk(f, "Zx99", &bytes));
    fill(f, 20000, 20010); /* the store goes on working */
}

static enum od_status scrub_inside(void *context, const struct od_event *e)
{
    struct fixture *f = context;
    (void)e;
    return od_store_scrub(f->store, &f->err);
}

static void a_reader_in_the_way_is_told(void **state)
{
    struct fixture *f = *state;
    struct od_store_reader *reader;
    struct od_error err;
    append(f, EVENTS, "ann", "s", "i");
    ok(f, od_store_reader_open(io, f->folder, &reader, &f->err));
    assert_int_equal(od_events_read(reader, EVENTS, 0, 0, scrub_inside, f, &err), OD_UNAVAILABLE);
    ok(f, od_store_scrub(f->store, &f->err));
    assert_events(f, EVENTS, "ann/s/i ");
    od_store_reader_close(reader);
    begin(f);
    assert_int_equal(od_store_scrub(f->store, &f->err), OD_INTERNAL);
    commit(f);
}

static void space_is_given_back_when_most_is_free(void **state)
{
    struct fixture *f = *state;
    size_t before, after, full;
    fill(f, 0, 20000);
    ok(f, od_store_scrub(f->store, &f->err));
    (void)on_disk(f, "x", &full);
    ok(f, od_store_trim(f->store, &f->err)); /* nothing is free */
    (void)on_disk(f, "x", &before);
    assert_int_equal(before, full);
    begin(f);
    ok(f, od_events_delete(f->store, EVENTS, &f->err));
    commit(f);
    ok(f, od_store_trim(f->store, &f->err));
    (void)on_disk(f, "x", &after);
    assert_true(after < full / 4);
}

static void a_segment_takes_another_file_in_its_place(void **state)
{
    struct fixture *f = *state;
    struct od_bulk *list;
    size_t count;
    begin(f);
    for (int i = 0; i < 3; i++)
        ok(f, od_bulk_add(f->store,
                          &(struct od_bulk){.dataset = EVENTS,
                                            .path = str((const char *[]){"a", "b", "c"}[i]),
                                            .rows = 5},
                          false, &f->err));
    ok(f, od_bulk_list(f->store, EVENTS, &f->arena, &list, &count, &f->err));
    ok(f, od_bulk_replace(f->store, list[0].id, OD_STR("new"), 4, &f->err));
    ok(f, od_bulk_replace(f->store, list[1].id, OD_STR("none"), 0, &f->err));
    assert_int_equal(od_bulk_replace(f->store, list[1].id, OD_STR("x"), 1, &f->err), OD_NOT_FOUND);
    assert_int_equal(od_bulk_replace(f->store, 999, OD_STR("x"), 0, &f->err), OD_NOT_FOUND);
    commit(f);
    ok(f, od_bulk_list(f->store, EVENTS, &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 2);
    assert_text(list[0].path, "new");
    assert_int_equal(list[0].rows, 4);
    assert_text(list[1].path, "c");
}

static void a_job_notes_how_far_it_is(void **state)
{
    struct fixture *f = *state;
    struct od_job *list;
    size_t count;
    int64_t id;
    begin(f);
    ok(f, od_jobs_insert(f->store, &(struct od_job){.kind = OD_STR("deletion")}, &id, &f->err));
    ok(f, od_jobs_set_spec(f->store, id, OD_STR("{\"deleted\":3}"), &f->err));
    assert_int_equal(od_jobs_set_spec(f->store, id + 1, OD_STR("{}"), &f->err), OD_NOT_FOUND);
    commit(f);
    ok(f, od_jobs_list(f->store, &f->arena, &list, &count, &f->err));
    assert_text(list[0].spec, "{\"deleted\":3}");
}

#define T(name) cmocka_unit_test_setup_teardown(name, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(a_users_events_go_and_others_stay),
        T(sessions_joined_to_a_user_go_with_it),
        T(records_go_where_they_are_users),
        T(a_dataset_without_a_log_has_nothing_to_delete),
        T(a_rollback_keeps_everything),
        T(scrubbing_leaves_no_byte_of_what_was_deleted),
        T(a_reader_in_the_way_is_told),
        T(space_is_given_back_when_most_is_free),
        T(a_segment_takes_another_file_in_its_place),
        T(a_job_notes_how_far_it_is),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
