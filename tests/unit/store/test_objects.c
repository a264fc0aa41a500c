/* Locations: what is served, and the many ways out that are not. */
#include "store/fixture.inc"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "store/objects.h"

struct tree {
    struct fixture f;
    struct od_objects *objects;
};

static const char *in(struct tree *t, const char *path)
{
    return od_arena_printf(&t->f.arena, "%s/%s", t->f.folder, path).ptr;
}

static void make_file(struct tree *t, const char *path)
{
    ok(&t->f, od_io_write_file(io, in(t, path), OD_STR("USER_ID\n"), &t->f.err));
}

static void make_folder(struct tree *t, const char *path)
{
    ok(&t->f, io->make_folder(io, in(t, path), &t->f.err));
}

static void make_link(struct tree *t, const char *to, const char *path)
{
    assert_int_equal(symlink(to, in(t, path)), 0);
}

/* objects/ is the root, open/ an allowed folder, openly/ and secret/ beside them are not. */
static int begin_tree(void **state)
{
    struct tree *t = calloc(1, sizeof *t);
    assert_non_null(t);
    fixture_begin(&t->f);
    make_folder(t, "objects/bucket/sub");
    make_folder(t, "objects/bucket/empty");
    make_folder(t, "objects/bucket/mixed/deeper.csv");
    make_folder(t, "open");
    make_folder(t, "openly");
    make_folder(t, "secret");
    make_file(t, "objects/bucket/a.csv");
    make_file(t, "objects/bucket/sub/b.csv");
    make_file(t, "objects/bucket/mixed/z.csv");
    make_file(t, "objects/bucket/mixed/B.CSV");
    make_file(t, "objects/bucket/mixed/a.Csv");
    make_file(t, "objects/bucket/mixed/notes.txt");
    make_file(t, "objects/bucket/mixed/csv");
    make_file(t, "objects/bucket/back\\slash.csv");
    make_file(t, "objects/bucket/%2e%2e.csv");
    make_file(t, "open/o.csv");
    make_file(t, "openly/p.csv");
    make_file(t, "secret/s.csv");
    const char *allowed[] = {in(t, "open")};
    ok(&t->f, od_objects_new(io, in(t, "objects"), allowed, 1, &t->objects, &t->f.err));
    *state = t;
    return 0;
}

static int end_tree(void **state)
{
    struct tree *t = *state;
    od_objects_free(t->objects);
    fixture_end(&t->f);
    free(t);
    return 0;
}

static enum od_status list(struct tree *t, struct od_str location, struct od_str **out,
                           size_t *out_count)
{
    return od_objects_list(t->objects, location, &t->f.arena, out, out_count, &t->f.err);
}

static void expect_one(struct tree *t, const char *location, const char *path)
{
    struct od_str *files;
    size_t count;
    ok(&t->f, od_objects_check(t->objects, str(location), &t->f.err));
    ok(&t->f, list(t, str(location), &files, &count));
    assert_int_equal(count, 1);
    char *real = realpath(in(t, path), NULL);
    assert_text(files[0], real);
    free(real);
}

static void s3_is_a_file_below_the_root(void **state)
{
    struct tree *t = *state;
    expect_one(t, "s3://bucket/a.csv", "objects/bucket/a.csv");
    expect_one(t, "s3://bucket/sub/b.csv", "objects/bucket/sub/b.csv");
    expect_one(t, "s3://bucket/sub/", "objects/bucket/sub/b.csv");
    expect_one(t, "s3://bucket/back\\slash.csv", "objects/bucket/back\\slash.csv");
    expect_one(t, "s3://bucket/%2e%2e.csv", "objects/bucket/%2e%2e.csv");
}

static void file_is_a_file_below_an_allowed_folder(void **state)
{
    struct tree *t = *state;
    expect_one(t, od_arena_printf(&t->f.arena, "file://%s", in(t, "open/o.csv")).ptr, "open/o.csv");
    expect_one(t, od_arena_printf(&t->f.arena, "file://%s", in(t, "open/")).ptr, "open/o.csv");
}

static void folder_gives_its_csv_files_in_byte_order(void **state)
{
    struct tree *t = *state;
    struct od_str *files;
    size_t count;
    ok(&t->f, list(t, OD_STR("s3://bucket/mixed/"), &files, &count));
    assert_int_equal(count, 3);
    assert_true(od_str_ends(files[0], OD_STR("/B.CSV")));
    assert_true(od_str_ends(files[1], OD_STR("/a.Csv")));
    assert_true(od_str_ends(files[2], OD_STR("/z.csv")));
}

static void any_files_of_a_folder_are_all_but_hidden_ones(void **state)
{
    struct tree *t = *state;
    struct od_str *files;
    size_t count;
    ok(&t->f, io->make_folder(io, in(t, "objects/bucket/lines/deeper"), &t->f.err));
    ok(&t->f, od_io_write_file(io, in(t, "objects/bucket/lines/.b.tmp"), OD_STR("x"), &t->f.err));
    ok(&t->f, od_io_write_file(io, in(t, "objects/bucket/lines/b.json"), OD_STR("x"), &t->f.err));
    ok(&t->f, od_io_write_file(io, in(t, "objects/bucket/lines/a"), OD_STR("x"), &t->f.err));
    ok(&t->f, od_objects_list_any(t->objects, OD_STR("s3://bucket/lines/"), &t->f.arena, &files,
                                  &count, &t->f.err));
    assert_int_equal(count, 2);
    assert_true(od_str_ends(files[0], OD_STR("/lines/a")));
    assert_true(od_str_ends(files[1], OD_STR("/lines/b.json")));
    ok(&t->f, io->make_folder(io, in(t, "objects/bucket/nothing"), &t->f.err));
    assert_int_equal(od_objects_list_any(t->objects, OD_STR("s3://bucket/nothing/"), &t->f.arena,
                                         &files, &count, &t->f.err),
                     OD_NOT_FOUND);
}

/* Every way out that a text can spell: refused without touching the disk. */
static void hostile_locations_are_refused(void **state)
{
    struct tree *t = *state;
    static const char *const locations[] = {
        "",
        "s3://",
        "s3:///",
        "s3:///etc/passwd",
        "s3://bucket",
        "s3://..",
        "s3://../secret/s.csv",
        "s3://./bucket/a.csv",
        "s3://bucket/../../secret/s.csv",
        "s3://bucket/..",
        "s3://bucket/../",
        "s3://bucket/../bucket/a.csv",
        "s3://bucket/sub/../a.csv",
        "s3://bucket/sub/..",
        "s3://bucket/./a.csv",
        "s3://bucket/.",
        "s3://bucket//a.csv",
        "s3://bucket/sub//",
        "s3://bucket//",
        "s3://bucket/a.csv/..",
        "s3://bu/a.csv",
        "s3://Bucket/a.csv",
        "s3://buc_ket/a.csv",
        "s3://-bucket/a.csv",
        "s3://bucket-/a.csv",
        "s3://bu..cket/a.csv",
        "s3://.bucket/a.csv",
        "s3://b%2e%2e/a.csv",
        "s3://buc ket/a.csv",
        "s3://bucket\\..\\..\\secret/s.csv",
        "s3://user@bucket/a.csv",
        "s3://bucket:80/a.csv",
        "s3://aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa/a.csv",
        "S3://bucket/a.csv",
        "s3:/bucket/a.csv",
        "s3:bucket/a.csv",
        " s3://bucket/a.csv",
        "bucket/a.csv",
        "/etc/passwd",
        "../secret/s.csv",
        "http://bucket/a.csv",
        "https://bucket.s3.amazonaws.com/a.csv",
        "ftp://bucket/a.csv",
        "file://etc/passwd",
        "file://localhost/etc/passwd",
        "file:///etc/passwd",
        "file:////etc/passwd",
        "file:///",
        "file:///../etc/passwd",
        "file:/etc/passwd",
        "file://",
        "s3://bucket/a.csv\n",
        "s3://bucket/a\tb.csv",
        "s3://bucket/\x7F.csv",
        "s3://bucket/\x1B[31m.csv",
        "s3://bucket/\xFF.csv",
        "s3://bucket/\xC0\xAE\xC0\xAE/secret", /* overlong dots */
        "s3://bucket/\xED\xA0\x80.csv",        /* half a surrogate pair */
    };
    for (size_t i = 0; i < sizeof locations / sizeof *locations; i++) {
        struct od_str *files;
        size_t count;
        if (od_objects_check(t->objects, str(locations[i]), &t->f.err) != OD_INVALID_INPUT)
            fail_msg("%s was not refused", locations[i]);
        assert_message(&t->f, "Invalid Data location. ");
        assert_int_equal(list(t, str(locations[i]), &files, &count), OD_INVALID_INPUT);
    }
    assert_int_equal(
        od_objects_check(t->objects, (struct od_str){"s3://bucket/a\0b.csv", 20}, &t->f.err),
        OD_INVALID_INPUT);
    assert_int_equal(od_objects_check(t->objects, OD_STR_NONE, &t->f.err), OD_INVALID_INPUT);
}

static void neighbours_of_an_allowed_folder_are_outside(void **state)
{
    struct tree *t = *state;
    static const char *const outside[] = {"openly/p.csv",        "openly/", "ope",
                                          "secret/s.csv",        "",        "open/../secret/s.csv",
                                          "objects/bucket/a.csv"};
    for (size_t i = 0; i < sizeof outside / sizeof *outside; i++) {
        struct od_str location = od_arena_printf(&t->f.arena, "file://%s", in(t, outside[i]));
        assert_int_equal(od_objects_check(t->objects, location, &t->f.err), OD_INVALID_INPUT);
    }
}

static void without_allowed_folders_no_file_is_served(void **state)
{
    struct tree *t = *state;
    struct od_objects *closed;
    ok(&t->f, od_objects_new(io, in(t, "objects"), NULL, 0, &closed, &t->f.err));
    assert_int_equal(od_objects_check(closed, OD_STR("file:///etc/passwd"), &t->f.err),
                     OD_INVALID_INPUT);
    assert_message(&t->f, "allows no folder");
    od_objects_free(closed);
}

static void length_is_counted_in_characters(void **state)
{
    struct tree *t = *state;
    struct od_buf text;
    od_buf_init(&text, 1000);
    od_buf_puts(&text, "s3://bucket/");
    for (int chars = 12; chars < 256; chars++) /* three parts of up to 250 bytes */
        od_buf_puts(&text, chars == 90 || chars == 170 ? "/" : "\xEA\xB0\x80");
    ok(&t->f, od_objects_check(t->objects, od_buf_view(&text), &t->f.err));
    od_buf_char(&text, 'x');
    assert_int_equal(od_objects_check(t->objects, od_buf_view(&text), &t->f.err), OD_INVALID_INPUT);
    assert_message(&t->f, "has 257 characters; at most 256");
    od_buf_clear(&text);
    od_buf_puts(&text, "s3://bucket/");
    for (int i = 0; i < 86; i++) /* few characters, but a file name of 258 bytes */
        od_buf_puts(&text, "\xEA\xB0\x80");
    assert_int_equal(od_objects_check(t->objects, od_buf_view(&text), &t->f.err), OD_INVALID_INPUT);
    assert_message(&t->f, "258 bytes; at most 255");
    od_buf_done(&text);
}

static void expect_missing(struct tree *t, const char *location, const char *part)
{
    struct od_str *files = NULL;
    size_t count = 0;
    ok(&t->f, od_objects_check(t->objects, str(location), &t->f.err));
    assert_int_equal(list(t, str(location), &files, &count), OD_NOT_FOUND);
    assert_message(&t->f, part);
    assert_null(files);
}

static void missing_objects_are_told_in_awss_words(void **state)
{
    struct tree *t = *state;
    static const char aws[] = "Insufficient privileges for accessing data in Amazon S3.";
    expect_missing(t, "s3://bucket/none.csv", aws);
    assert_message(&t->f, "s3://bucket/none.csv: No such file");
    assert_null(strstr(t->f.err.message, t->f.folder)); /* nor where this machine keeps it */
    expect_missing(t, "s3://no-bucket/a.csv", aws);
    expect_missing(t, "s3://no-bucket/", aws);
    expect_missing(t, "s3://bucket/a.csv/b.csv", aws);
    expect_missing(t, "s3://bucket/a.csv/", aws);
    expect_missing(t, "s3://bucket/sub", "ends in '/'");
    expect_missing(t, "s3://bucket/empty/", "No CSV files found at s3://bucket/empty/.");
}

/* As somebody who is not root, whom no mode stops. Exits 0 when the refusal is as it should be. */
static void try_as_nobody(struct tree *t)
{
    struct od_str *files;
    size_t count;
    if (geteuid() == 0 && (setgid(65534) < 0 || setuid(65534) < 0))
        _exit(2);
    enum od_status s = list(t, OD_STR("s3://bucket/a.csv"), &files, &count);
    bool told = strstr(t->f.err.message, "a.csv: Permission denied. Insufficient privileges");
    _exit(s == OD_NOT_FOUND && told ? 0 : 1);
}

static void unreadable_file_is_told(void **state)
{
    struct tree *t = *state;
    static const char *const way[] = {"", "objects", "objects/bucket"};
    for (size_t i = 0; i < 3; i++)
        assert_int_equal(chmod(in(t, way[i]), 0755), 0);
    assert_int_equal(chmod(in(t, "objects/bucket/a.csv"), 0), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        try_as_nobody(t);
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
}

static void special_files_are_refused(void **state)
{
    struct tree *t = *state;
    assert_int_equal(mkfifo(in(t, "objects/bucket/pipe.csv"), 0600), 0);
    expect_missing(t, "s3://bucket/pipe.csv", "not a file");
    expect_missing(t, "s3://bucket/", "not a file"); /* and no folder with one is half read */
}

static void links_may_not_lead_outside(void **state)
{
    struct tree *t = *state;
    static const char out[] = "leads outside";
    make_link(t, in(t, "secret/s.csv"), "objects/bucket/absolute.csv");
    make_link(t, "../../secret/s.csv", "objects/bucket/relative.csv");
    make_link(t, in(t, "secret"), "objects/bucket/folder");
    make_link(t, in(t, "secret"), "objects/linked-bucket");
    make_link(t, in(t, ""), "objects/everything");
    make_link(t, "absolute.csv", "objects/bucket/chain.csv");
    make_link(t, in(t, "openly"), "open/near");
    make_link(t, "../..", "objects/bucket/up");
    expect_missing(t, "s3://bucket/absolute.csv", out);
    expect_missing(t, "s3://bucket/relative.csv", out);
    expect_missing(t, "s3://bucket/chain.csv", out);
    expect_missing(t, "s3://bucket/folder/s.csv", out);
    expect_missing(t, "s3://bucket/folder/", out);
    expect_missing(t, "s3://linked-bucket/s.csv", out);
    expect_missing(t, "s3://linked-bucket/", out);
    expect_missing(t, "s3://everything/secret/s.csv", out);
    expect_missing(t, "s3://bucket/up/secret/s.csv", out);
    expect_missing(t, od_arena_printf(&t->f.arena, "file://%s", in(t, "open/near/p.csv")).ptr, out);
    make_link(t, "loop.csv", "objects/bucket/loop.csv");
    expect_missing(t, "s3://bucket/loop.csv", "symbolic links");
    make_folder(t, "objects/bucket/trap");
    make_file(t, "objects/bucket/trap/good.csv");
    make_link(t, in(t, "secret/s.csv"), "objects/bucket/trap/bad.csv");
    expect_missing(t, "s3://bucket/trap/", out);
}

static void links_inside_are_followed(void **state)
{
    struct tree *t = *state;
    make_link(t, "../a.csv", "objects/bucket/sub/again.csv");
    make_link(t, "bucket", "objects/other-bucket");
    expect_one(t, "s3://bucket/sub/again.csv", "objects/bucket/a.csv");
    expect_one(t, "s3://other-bucket/a.csv", "objects/bucket/a.csv");
}

static void names_that_are_not_text_are_refused(void **state)
{
    struct tree *t = *state;
    make_file(t, "objects/bucket/sub/\xFF.csv");
    expect_missing(t, "s3://bucket/sub/", "not valid UTF-8");
}

static void root_may_itself_be_a_link_or_relative(void **state)
{
    struct tree *t = *state;
    char back[4096];
    assert_non_null(getcwd(back, sizeof back));
    make_link(t, "objects", "link");
    make_link(t, "open", "open-link");
    const char *allowed[] = {"open-link/"};
    struct od_objects *objects;
    assert_int_equal(chdir(t->f.folder), 0);
    enum od_status s = od_objects_new(io, "link", allowed, 1, &objects, &t->f.err);
    assert_int_equal(chdir(back), 0);
    assert_int_equal(s, OD_OK);
    od_objects_free(t->objects);
    t->objects = objects;
    expect_one(t, "s3://bucket/a.csv", "objects/bucket/a.csv");
    expect_one(t, od_arena_printf(&t->f.arena, "file://%s", in(t, "open-link/o.csv")).ptr,
               "open/o.csv");
    expect_one(t, od_arena_printf(&t->f.arena, "file://%s", in(t, "open/o.csv")).ptr, "open/o.csv");
}

static void missing_root_is_made_and_missing_allowed_folder_refused(void **state)
{
    struct tree *t = *state;
    struct od_objects *objects;
    ok(&t->f, od_objects_new(io, in(t, "new/objects"), NULL, 0, &objects, &t->f.err));
    od_objects_free(objects);
    assert_true(od_io_exists(io, in(t, "new/objects")));
    const char *none[] = {in(t, "open"), in(t, "nowhere")};
    assert_int_equal(od_objects_new(io, in(t, "objects"), none, 2, &objects, &t->f.err), OD_IO);
    assert_message(&t->f, "nowhere");
    const char *file[] = {in(t, "open/o.csv")};
    assert_int_equal(od_objects_new(io, in(t, "objects"), file, 1, &objects, &t->f.err),
                     OD_INVALID_INPUT);
}

/* Names below the objects folder, joined by spaces. */
static const char *tree_of(struct tree *t, const char *location)
{
    struct od_str *files;
    size_t count, root = strlen(in(t, "objects/"));
    struct od_buf text;
    ok(&t->f,
       od_objects_tree(t->objects, od_str_c(location), &t->f.arena, &files, &count, &t->f.err));
    od_buf_init(&text, 10000);
    for (size_t i = 0; i < count; i++)
        od_buf_printf(&text, "%s%s", i ? " " : "", files[i].ptr + root);
    const char *kept = od_arena_printf(&t->f.arena, "%s", text.ptr).ptr;
    od_buf_done(&text);
    return kept;
}

static void a_tree_has_the_files_of_sub_folders_too(void **state)
{
    struct tree *t = *state;
    make_folder(t, "objects/bucket/mixed/deeper.csv/x/y");
    make_file(t, "objects/bucket/mixed/deeper.csv/x/y/c.csv");
    make_file(t, "objects/bucket/mixed/deeper.csv/no.txt");
    assert_string_equal(tree_of(t, "s3://bucket/mixed/"),
                        "bucket/mixed/B.CSV bucket/mixed/a.Csv "
                        "bucket/mixed/deeper.csv/x/y/c.csv bucket/mixed/z.csv");
    assert_string_equal(tree_of(t, "s3://bucket/a.csv"), "bucket/a.csv");
}

static void a_tree_stays_inside(void **state)
{
    struct tree *t = *state;
    struct od_str *files;
    size_t count;
    assert_int_equal(od_objects_tree(t->objects, OD_STR("s3://bucket/empty/"), &t->f.arena, &files,
                                     &count, &t->f.err),
                     OD_NOT_FOUND);
    make_link(t, in(t, "secret"), "objects/bucket/sub/out"); /* a link is no folder */
    assert_string_equal(tree_of(t, "s3://bucket/sub/"), "bucket/sub/b.csv");
    make_link(t, in(t, "secret/s.csv"), "objects/bucket/sub/s.csv");
    assert_int_equal(od_objects_tree(t->objects, OD_STR("s3://bucket/sub/"), &t->f.arena, &files,
                                     &count, &t->f.err),
                     OD_NOT_FOUND);
    assert_message(&t->f, "outside");
}

static enum od_status output(struct tree *t, const char *location, struct od_str *out)
{
    return od_objects_output(t->objects, od_str_c(location), &t->f.arena, out, &t->f.err);
}

static void outputs_are_folders_made_when_missing(void **state)
{
    struct tree *t = *state;
    struct od_str with, without, bucket;
    ok(&t->f, output(t, "s3://fresh/year/month/", &with));
    ok(&t->f, output(t, "s3://fresh/year/month", &without));
    ok(&t->f, output(t, "s3://bucket/", &bucket));
    assert_true(od_str_eq(with, without));
    assert_string_equal(with.ptr, in(t, "objects/fresh/year/month"));
    assert_string_equal(bucket.ptr, in(t, "objects/bucket"));
    struct stat st;
    assert_int_equal(stat(with.ptr, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
}

static void outputs_stay_inside(void **state)
{
    struct tree *t = *state;
    struct od_str path;
    struct stat st;
    make_link(t, in(t, "secret"), "objects/bucket/out");
    assert_int_equal(output(t, "s3://bucket/out/deep/", &path), OD_NOT_FOUND);
    assert_int_not_equal(stat(in(t, "secret/deep"), &st), 0);
    assert_int_equal(output(t, "s3://bucket/../x/", &path), OD_INVALID_INPUT);
    assert_int_equal(output(t, "file:///etc/ondol/", &path), OD_INVALID_INPUT);
    assert_int_not_equal(output(t, "s3://bucket/a.csv/", &path), OD_OK); /* a file is in the way */
}

#define T(name) cmocka_unit_test_setup_teardown(name, begin_tree, end_tree)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(s3_is_a_file_below_the_root),
        T(file_is_a_file_below_an_allowed_folder),
        T(folder_gives_its_csv_files_in_byte_order),
        T(any_files_of_a_folder_are_all_but_hidden_ones),
        T(hostile_locations_are_refused),
        T(neighbours_of_an_allowed_folder_are_outside),
        T(without_allowed_folders_no_file_is_served),
        T(length_is_counted_in_characters),
        T(missing_objects_are_told_in_awss_words),
        T(unreadable_file_is_told),
        T(special_files_are_refused),
        T(links_may_not_lead_outside),
        T(links_inside_are_followed),
        T(names_that_are_not_text_are_refused),
        T(a_tree_has_the_files_of_sub_folders_too),
        T(a_tree_stays_inside),
        T(outputs_are_folders_made_when_missing),
        T(outputs_stay_inside),
        T(root_may_itself_be_a_link_or_relative),
        T(missing_root_is_made_and_missing_allowed_folder_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
