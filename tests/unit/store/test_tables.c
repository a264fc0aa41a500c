/* The catalogue and the small tables: what goes in comes out, also after a restart. */
#include "store/fixture.inc"

static struct od_resource campaign(const char *arn, const char *parent, const char *status)
{
    return (struct od_resource){.arn = str(arn),
                                .kind = OD_STR("campaign"),
                                .name = OD_STR("c"),
                                .parent = str(parent),
                                .group = OD_STR("group-1"),
                                .status = str(status),
                                .created_ms = 1700000000123,
                                .updated_ms = 1700000000456,
                                .body = OD_STR("{\"a\":\"\xED\x95\x9C\"}"),
                                .extra = OD_STR("{}")};
}

static void insert(struct fixture *f, const char *arn, const char *parent, const char *status)
{
    struct od_resource r = campaign(arn, parent, status);
    begin(f);
    ok(f, od_catalog_insert(f->store, &r, &f->err));
    commit(f);
}

static void resource_survives_a_restart_whole(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "solution-1", "CREATE PENDING");
    reopen(f);
    struct od_resource r;
    ok(f, od_catalog_get(f->store, OD_STR("arn:1"), &f->arena, &r, &f->err));
    assert_text(r.arn, "arn:1");
    assert_text(r.kind, "campaign");
    assert_text(r.name, "c");
    assert_text(r.parent, "solution-1");
    assert_text(r.group, "group-1");
    assert_text(r.status, "CREATE PENDING");
    assert_text(r.failure_reason, ""); /* absent going in */
    assert_text(r.body, "{\"a\":\"\xED\x95\x9C\"}");
    assert_text(r.extra, "{}");
    assert_int_equal(r.created_ms, 1700000000123);
    assert_int_equal(r.updated_ms, 1700000000456);
    assert_int_equal(r.seq, 1);
}

static void second_of_an_arn_is_refused_and_the_transaction_goes_on(void **state)
{
    struct fixture *f = *state;
    struct od_resource r = campaign("arn:1", "", "ACTIVE");
    r.kind = OD_STR("dataset-group");
    begin(f);
    ok(f, od_catalog_insert(f->store, &r, &f->err));
    assert_int_equal(od_catalog_insert(f->store, &r, &f->err), OD_EXISTS);
    assert_string_equal(f->err.message, "Another dataset group with Arn arn:1 already exists.");
    r.arn = OD_STR("arn:2");
    ok(f, od_catalog_insert(f->store, &r, &f->err));
    commit(f);
    ok(f, od_catalog_get(f->store, OD_STR("arn:2"), &f->arena, &r, &f->err));
}

static void unknown_arn_is_named(void **state)
{
    struct fixture *f = *state;
    struct od_resource r = campaign("arn:none", "", "");
    assert_int_equal(od_catalog_get(f->store, r.arn, &f->arena, &r, &f->err), OD_NOT_FOUND);
    assert_string_equal(f->err.message, "Resource Arn arn:none does not exist.");
    begin(f);
    assert_int_equal(od_catalog_update(f->store, &r, &f->err), OD_NOT_FOUND);
    assert_int_equal(od_catalog_delete(f->store, r.arn, &f->err), OD_NOT_FOUND);
    commit(f);
}

static void update_changes_all_but_identity(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "p", "CREATE PENDING");
    struct od_resource r = {.arn = OD_STR("arn:1"),
                            .kind = OD_STR("filter"),
                            .name = OD_STR("n2"),
                            .parent = OD_STR("p2"),
                            .group = OD_STR("g2"),
                            .status = OD_STR("CREATE FAILED"),
                            .failure_reason = OD_STR("why"),
                            .created_ms = 9,
                            .updated_ms = 10,
                            .body = OD_STR("{\"b\":1}"),
                            .extra = OD_STR("{\"x\":1}"),
                            .seq = 77};
    begin(f);
    ok(f, od_catalog_update(f->store, &r, &f->err));
    commit(f);
    ok(f, od_catalog_get(f->store, OD_STR("arn:1"), &f->arena, &r, &f->err));
    assert_text(r.kind, "campaign");
    assert_int_equal(r.created_ms, 1700000000123);
    assert_int_equal(r.seq, 1);
    assert_text(r.name, "n2");
    assert_text(r.parent, "p2");
    assert_text(r.group, "g2");
    assert_text(r.status, "CREATE FAILED");
    assert_text(r.failure_reason, "why");
    assert_int_equal(r.updated_ms, 10);
    assert_text(r.body, "{\"b\":1}");
    assert_text(r.extra, "{\"x\":1}");
}

static void list_filters_by_each_column(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "p1", "ACTIVE");
    insert(f, "arn:2", "p2", "ACTIVE");
    insert(f, "arn:3", "p1", "CREATE FAILED");
    static const struct {
        const char *kind, *parent, *group, *status;
        int64_t after;
        size_t limit, expect;
    } cases[] = {
        {"campaign", NULL, NULL, NULL, 0, 0, 3},   {"campaign", "p1", NULL, NULL, 0, 0, 2},
        {"campaign", "", "", "", 0, 0, 3},         {"campaign", "p1", "group-1", "ACTIVE", 0, 0, 1},
        {"campaign", NULL, "none", NULL, 0, 0, 0}, {"filter", NULL, NULL, NULL, 0, 0, 0},
        {NULL, NULL, "group-1", NULL, 0, 0, 3},    {"campaign", NULL, NULL, "ACTIVE", 1, 0, 1},
        {"campaign", NULL, NULL, NULL, 0, 2, 2},   {"campaign", NULL, NULL, NULL, 3, 9, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const struct od_catalog_query q = {.kind = str(cases[i].kind),
                                           .parent = str(cases[i].parent),
                                           .group = str(cases[i].group),
                                           .status = str(cases[i].status),
                                           .after_seq = cases[i].after,
                                           .limit = cases[i].limit};
        struct od_resource *list;
        size_t count, counted;
        ok(f, od_catalog_list(f->store, &q, &f->arena, &list, &count, &f->err));
        ok(f, od_catalog_count(f->store, &q, &counted, &f->err));
        assert_int_equal(count, cases[i].expect);
        assert_int_equal(counted, cases[i].expect);
    }
}

static void delete_arn(struct fixture *f, const char *arn)
{
    begin(f);
    ok(f, od_catalog_delete(f->store, str(arn), &f->err));
    commit(f);
}

/* Pages of two over ten, with deletions before and after the cursor and insertions between them. */
static void paging_neither_repeats_nor_skips(void **state)
{
    struct fixture *f = *state;
    char arn[16], seen[256] = "";
    for (int i = 0; i < 10; i++) {
        snprintf(arn, sizeof arn, "a%d", i);
        insert(f, arn, "", "ACTIVE");
    }
    struct od_catalog_query q = {.kind = OD_STR("campaign"), .limit = 2};
    for (int page = 0;; page++) {
        struct od_resource *list;
        size_t count;
        ok(f, od_catalog_list(f->store, &q, &f->arena, &list, &count, &f->err));
        for (size_t i = 0; i < count; i++) {
            snprintf(seen + strlen(seen), sizeof seen - strlen(seen), "%.*s ",
                     OD_STR_ARG(list[i].arn));
            q.after_seq = list[i].seq;
        }
        if (count < 2)
            break;
        if (page == 0)
            delete_arn(f, "a1"); /* the cursor's own row */
        if (page == 1) {
            delete_arn(f, "a0");
            delete_arn(f, "a5"); /* not yet seen: not to be seen */
            insert(f, "late", "", "ACTIVE");
        }
        if (page == 2)
            delete_arn(f, "late"); /* the newest: its seq must not come again */
        if (page == 3)
            insert(f, "later", "", "ACTIVE");
    }
    assert_string_equal(seen, "a0 a1 a2 a3 a4 a6 a7 a8 a9 later ");
}

static void seq_is_never_used_again(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "", "ACTIVE");
    insert(f, "arn:2", "", "ACTIVE");
    delete_arn(f, "arn:2");
    reopen(f);
    insert(f, "arn:3", "", "ACTIVE");
    struct od_resource r;
    ok(f, od_catalog_get(f->store, OD_STR("arn:3"), &f->arena, &r, &f->err));
    assert_int_equal(r.seq, 3);
}

static void tags_are_put_replaced_removed_and_go_with_their_resource(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "", "ACTIVE");
    const struct od_tag tags[] = {{OD_STR("team"), OD_STR("blue")}, {OD_STR("env"), OD_STR("")}};
    const struct od_tag again = {OD_STR("team"), OD_STR("red")};
    const struct od_str gone[] = {OD_STR("env"), OD_STR("never-there")};
    struct od_tag *list;
    size_t count;
    begin(f);
    ok(f, od_tags_put(f->store, OD_STR("arn:1"), tags, 2, &f->err));
    commit(f);
    reopen(f);
    ok(f, od_tags_list(f->store, OD_STR("arn:1"), &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 2);
    assert_text(list[0].key, "env");
    assert_text(list[0].value, "");
    assert_text(list[1].value, "blue");
    begin(f);
    ok(f, od_tags_put(f->store, OD_STR("arn:1"), &again, 1, &f->err));
    ok(f, od_tags_remove(f->store, OD_STR("arn:1"), gone, 2, &f->err));
    commit(f);
    ok(f, od_tags_list(f->store, OD_STR("arn:1"), &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 1);
    assert_text(list[0].value, "red");
    delete_arn(f, "arn:1");
    insert(f, "arn:1", "", "ACTIVE"); /* the same name once more */
    ok(f, od_tags_list(f->store, OD_STR("arn:1"), &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 0);
}

static void tags_of_an_unknown_resource_are_refused(void **state)
{
    struct fixture *f = *state;
    const struct od_tag tag = {OD_STR("k"), OD_STR("v")};
    struct od_tag *list;
    size_t count;
    begin(f);
    assert_int_equal(od_tags_put(f->store, OD_STR("arn:x"), &tag, 1, &f->err), OD_NOT_FOUND);
    assert_string_equal(f->err.message, "Resource Arn arn:x does not exist.");
    assert_int_equal(od_tags_remove(f->store, OD_STR("arn:x"), &tag.key, 1, &f->err), OD_NOT_FOUND);
    commit(f);
    assert_int_equal(od_tags_list(f->store, OD_STR("arn:x"), &f->arena, &list, &count, &f->err),
                     OD_NOT_FOUND);
}

static void jobs_survive_and_count_their_attempts(void **state)
{
    struct fixture *f = *state;
    const struct od_job job = {.kind = OD_STR("train"),
                               .arn = OD_STR("arn:sv"),
                               .spec = OD_STR("{\"seed\":1}"),
                               .created_ms = 5};
    int64_t a, b, c;
    begin(f);
    ok(f, od_jobs_insert(f->store, &job, &a, &f->err));
    ok(f, od_jobs_insert(f->store, &job, &b, &f->err));
    ok(f, od_jobs_begin(f->store, a, &f->err));
    ok(f, od_jobs_begin(f->store, a, &f->err));
    ok(f, od_jobs_delete(f->store, b, &f->err));
    commit(f);
    reopen(f);
    struct od_job *list;
    size_t count;
    ok(f, od_jobs_list(f->store, &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 1);
    assert_int_equal(list[0].id, a);
    assert_true(list[0].running);
    assert_int_equal(list[0].attempts, 2);
    assert_int_equal(list[0].created_ms, 5);
    assert_text(list[0].kind, "train");
    assert_text(list[0].arn, "arn:sv");
    assert_text(list[0].spec, "{\"seed\":1}");
    begin(f);
    ok(f, od_jobs_insert(f->store, &job, &c, &f->err));
    assert_true(c > b);
    assert_int_equal(od_jobs_delete(f->store, b, &f->err), OD_NOT_FOUND);
    assert_string_equal(f->err.message, "Job 2 does not exist.");
    assert_int_equal(od_jobs_begin(f->store, b, &f->err), OD_NOT_FOUND);
    ok(f, od_jobs_put_back(f->store, &f->err));
    ok(f, od_jobs_put_back(f->store, &f->err)); /* what does not run has nothing to give back */
    commit(f);
    ok(f, od_jobs_list(f->store, &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 2);
    assert_false(list[0].running || list[1].running);
    assert_int_equal(list[0].attempts, 1);
    assert_int_equal(list[1].attempts, 0);
}

static void keys_look_like_aws_ones_and_differ(void **state)
{
    struct fixture *f = *state;
    struct od_key a, b;
    begin(f);
    ok(f, od_keys_create(f->store, OD_STR("admin"), 7, &f->arena, &a, &f->err));
    ok(f, od_keys_create(f->store, OD_STR_NONE, 8, &f->arena, &b, &f->err));
    commit(f);
    assert_int_equal(a.id.len, 20);
    assert_int_equal(a.secret.len, 40);
    assert_true(od_str_starts(a.id, OD_STR("OD")));
    assert_int_equal(strspn(a.id.ptr, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), 20);
    assert_int_equal(strspn(a.secret.ptr, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                          "0123456789/+"),
                     40);
    assert_false(od_str_eq(a.id, b.id));
    assert_false(od_str_eq(a.secret, b.secret));
    reopen(f);
    struct od_key *list;
    size_t count;
    begin(f);
    ok(f, od_keys_revoke(f->store, a.id, 100, &f->err));
    ok(f, od_keys_revoke(f->store, a.id, 200, &f->err));
    assert_int_equal(od_keys_revoke(f->store, OD_STR("ODNONE"), 100, &f->err), OD_NOT_FOUND);
    assert_string_equal(f->err.message, "Access key ODNONE does not exist.");
    commit(f);
    ok(f, od_keys_list(f->store, &f->arena, &list, &count, &f->err));
    assert_int_equal(count, 2);
    assert_true(od_str_eq(list[0].secret, a.secret));
    assert_text(list[0].note, "admin");
    assert_int_equal(list[0].created_ms, 7);
    assert_int_equal(list[0].revoked_ms, 100); /* the first time counts */
    assert_int_equal(list[1].revoked_ms, 0);
    assert_text(list[1].note, "");
}

static enum od_status no_random(const struct od_io *self, void *to, size_t len)
{
    (void)self, (void)to, (void)len;
    return OD_IO;
}

static void key_needs_randomness(void **state)
{
    struct fixture *f = *state;
    struct od_io broken = od_io_real;
    broken.random = no_random;
    f->store->io = &broken;
    struct od_key key;
    begin(f);
    assert_int_equal(od_keys_create(f->store, OD_STR(""), 1, &f->arena, &key, &f->err), OD_IO);
    od_store_rollback(f->store);
    f->store->io = io;
}

static void settings_are_set_and_replaced(void **state)
{
    struct fixture *f = *state;
    struct od_str value = OD_STR("x");
    ok(f, od_settings_get(f->store, OD_STR("account"), &f->arena, &value, &f->err));
    assert_null(value.ptr);
    begin(f);
    ok(f, od_settings_set(f->store, OD_STR("account"), OD_STR("1"), &f->err));
    ok(f, od_settings_set(f->store, OD_STR("account"), OD_STR("000000000000"), &f->err));
    ok(f, od_settings_set(f->store, OD_STR("empty"), OD_STR(""), &f->err));
    commit(f);
    reopen(f);
    ok(f, od_settings_get(f->store, OD_STR("account"), &f->arena, &value, &f->err));
    assert_text(value, "000000000000");
    ok(f, od_settings_get(f->store, OD_STR("empty"), &f->arena, &value, &f->err));
    assert_non_null(value.ptr);
    assert_int_equal(value.len, 0);
}

static void add_bulk(struct fixture *f, const char *dataset, const char *path, bool replace)
{
    const struct od_bulk bulk = {.dataset = str(dataset),
                                 .path = str(path),
                                 .rows = 1000,
                                 .arrived_ms = 3,
                                 .job = OD_STR("arn:job")};
    begin(f);
    ok(f, od_bulk_add(f->store, &bulk, replace, &f->err));
    commit(f);
}

static size_t bulk_count(struct fixture *f, struct od_str dataset, struct od_bulk **list)
{
    size_t count;
    ok(f, od_bulk_list(f->store, dataset, &f->arena, list, &count, &f->err));
    return count;
}

static void full_import_replaces_that_dataset_alone(void **state)
{
    struct fixture *f = *state;
    struct od_bulk *list;
    add_bulk(f, "d1", "s1", true);
    add_bulk(f, "d1", "s2", false);
    add_bulk(f, "d2", "s3", true);
    assert_int_equal(bulk_count(f, OD_STR("d1"), &list), 2);
    assert_text(list[0].path, "s1");
    assert_text(list[1].path, "s2");
    add_bulk(f, "d1", "s4", true);
    reopen(f);
    assert_int_equal(bulk_count(f, OD_STR("d1"), &list), 1);
    assert_text(list[0].path, "s4");
    assert_text(list[0].job, "arn:job");
    assert_int_equal(list[0].rows, 1000);
    assert_int_equal(list[0].arrived_ms, 3);
    assert_int_equal(bulk_count(f, OD_STR_NONE, &list), 2);
    begin(f);
    ok(f, od_bulk_delete(f->store, OD_STR("d1"), &f->err));
    assert_int_equal(od_bulk_delete(f->store, OD_STR_NONE, &f->err), OD_INVALID_INPUT);
    commit(f);
    assert_int_equal(bulk_count(f, OD_STR_NONE, &list), 1);
    assert_text(list[0].dataset, "d2");
}

static void lack_of_memory_is_told(void **state)
{
    struct fixture *f = *state;
    insert(f, "arn:1", "", "ACTIVE");
    struct od_arena small;
    struct od_resource r, *list;
    size_t count;
    const struct od_catalog_query all = {0};
    for (size_t bytes = 0; bytes < 512; bytes += 64) {
        od_arena_init(&small, bytes);
        assert_int_equal(od_catalog_get(f->store, OD_STR("arn:1"), &small, &r, &f->err),
                         OD_NO_MEMORY);
        assert_int_equal(od_catalog_list(f->store, &all, &small, &list, &count, &f->err),
                         OD_NO_MEMORY);
        od_arena_done(&small);
    }
    ok(f, od_catalog_get(f->store, OD_STR("arn:1"), &f->arena, &r, &f->err));
}

#define T(name) cmocka_unit_test_setup_teardown(name, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(resource_survives_a_restart_whole),
        T(second_of_an_arn_is_refused_and_the_transaction_goes_on),
        T(unknown_arn_is_named),
        T(update_changes_all_but_identity),
        T(list_filters_by_each_column),
        T(paging_neither_repeats_nor_skips),
        T(seq_is_never_used_again),
        T(tags_are_put_replaced_removed_and_go_with_their_resource),
        T(tags_of_an_unknown_resource_are_refused),
        T(jobs_survive_and_count_their_attempts),
        T(keys_look_like_aws_ones_and_differ),
        T(key_needs_randomness),
        T(settings_are_set_and_replaced),
        T(full_import_replaces_that_dataset_alone),
        T(lack_of_memory_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
