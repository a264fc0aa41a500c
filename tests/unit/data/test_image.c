/* The model image: what is written is read back; any damage is found. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "data/image.h"

struct file {
    char *bytes; /* at a multiple of 64 */
    size_t len;
};

static enum od_status put(void *to, const void *bytes, size_t len)
{
    struct file *file = to;
    assert_true(file->len + len <= 65536);
    memcpy(file->bytes + file->len, bytes, len);
    file->len += len;
    return OD_OK;
}

static void file_init(struct file *file)
{
    file->bytes = aligned_alloc(64, 65536);
    assert_non_null(file->bytes);
    memset(file->bytes, 0xAA, 65536);
    file->len = 0;
}

static const uint32_t numbers[] = {3, 1, 4, 1, 5};

static void write_small(struct file *file)
{
    struct od_dict *dict = od_dict_new();
    uint32_t code;
    assert_int_equal(od_dict_add(dict, OD_STR("apple"), &code), OD_OK);
    assert_int_equal(od_dict_add(dict, OD_STR("apples"), &code), OD_OK);
    assert_int_equal(od_dict_add(dict, OD_STR("pear"), &code), OD_OK);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("aws-sims"), 7);
    assert_non_null(writer);
    char text[] = "copied";
    assert_int_equal(od_image_add(writer, "note", text, 6, false), OD_OK);
    memset(text, 'x', 6);
    assert_int_equal(od_image_add(writer, "numbers", numbers, sizeof numbers, true), OD_OK);
    assert_int_equal(od_image_add(writer, "empty", NULL, 0, false), OD_OK);
    assert_int_equal(od_image_add_dict(writer, "items", dict), OD_OK);
    file_init(file);
    assert_int_equal(od_image_finish(writer, put, file), OD_OK);
    od_image_writer_free(writer);
    od_dict_free(dict);
}

static void what_is_written_is_read_back(void **state)
{
    (void)state;
    struct file file;
    write_small(&file);
    assert_int_equal(file.len % 64, 0);
    struct od_image image;
    struct od_error err = {0};
    assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, &err),
                     OD_OK);
    assert_true(od_str_eq_c(image.recipe, "aws-sims"));
    assert_int_equal(image.recipe_version, 7);
    assert_int_equal(image.section_count, 5);
    struct od_str s;
    assert_true(od_image_section(&image, "note", &s));
    assert_true(od_str_eq_c(s, "copied"));
    assert_int_equal((uintptr_t)s.ptr % 64, 0);
    assert_true(od_image_section(&image, "empty", &s));
    assert_int_equal(s.len, 0);
    assert_false(od_image_section(&image, "absent", &s));
    assert_true(od_str_eq_c(od_image_section_name(&image, 3), "items.at"));
    assert_null(od_image_section_name(&image, 5).ptr);
    const void *array;
    assert_int_equal(od_image_array(&image, "numbers", 5, 4, &array, &err), OD_OK);
    assert_memory_equal(array, numbers, sizeof numbers);
    free(file.bytes);
}

static void arrays_of_another_size_are_corrupt(void **state)
{
    (void)state;
    struct file file;
    write_small(&file);
    struct od_image image;
    struct od_error err = {0};
    const void *array;
    assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, &err),
                     OD_OK);
    assert_int_equal(od_image_array(&image, "numbers", 4, 4, &array, &err), OD_CORRUPT);
    assert_non_null(strstr(err.message, "numbers"));
    assert_int_equal(od_image_array(&image, "absent", 0, 4, &array, &err), OD_CORRUPT);
    /* 2^62 + 5 entries of 4 bytes wrap to 20 */
    assert_int_equal(od_image_array(&image, "numbers", (1ull << 62) + 5, 4, &array, &err),
                     OD_CORRUPT);
    free(file.bytes);
}

static void dictionaries_find_both_ways(void **state)
{
    (void)state;
    struct file file;
    write_small(&file);
    struct od_image image;
    struct od_image_dict dict;
    assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, NULL),
                     OD_OK);
    assert_int_equal(od_image_dict_open(&image, "items", &dict, NULL), OD_OK);
    assert_int_equal(dict.count, 3);
    for (uint32_t i = 0; i < dict.count; i++)
        assert_int_equal(od_image_dict_find(&dict, od_image_dict_text(&dict, i)), i);
    assert_true(od_str_eq_c(od_image_dict_text(&dict, 1), "apples"));
    assert_int_equal(od_image_dict_find(&dict, OD_STR("appl")), OD_NO_CODE);
    assert_int_equal(od_image_dict_find(&dict, OD_STR("zoo")), OD_NO_CODE);
    assert_int_equal(od_image_dict_find(&dict, OD_STR("")), OD_NO_CODE);
    assert_int_equal(od_image_dict_open(&image, "users", &dict, NULL), OD_CORRUPT);
    assert_int_equal(od_image_dict_open(&image, "a name that is far too long", &dict, NULL),
                     OD_CORRUPT);
    free(file.bytes);
}

static void same_content_gives_the_same_bytes(void **state)
{
    (void)state;
    struct file a, b;
    write_small(&a);
    write_small(&b);
    assert_int_equal(a.len, b.len);
    assert_memory_equal(a.bytes, b.bytes, a.len);
    free(a.bytes);
    free(b.bytes);
}

static void every_flipped_bit_is_found(void **state)
{
    (void)state;
    struct file file;
    write_small(&file);
    struct od_image image;
    for (size_t at = 0; at < file.len; at++) {
        file.bytes[at] ^= (char)(1 << at % 8);
        struct od_error err = {0};
        assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, &err),
                         OD_CORRUPT);
        assert_true(err.message[0] != 0);
        file.bytes[at] ^= (char)(1 << at % 8);
    }
    assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, NULL),
                     OD_OK);
    free(file.bytes);
}

static void every_other_length_is_refused(void **state)
{
    (void)state;
    struct file file;
    write_small(&file);
    struct od_image image;
    for (size_t len = 0; len < file.len; len++) {
        char *exact = aligned_alloc(64, (len + 64) & ~(size_t)63); /* so that ASan sees overreads */
        memcpy(exact, file.bytes, len);
        assert_int_equal(od_image_open((struct od_str){exact, len}, false, &image, NULL),
                         OD_CORRUPT);
        free(exact);
    }
    assert_int_equal(od_image_open((struct od_str){file.bytes, file.len + 64}, false, &image, NULL),
                     OD_CORRUPT);
    assert_int_equal(od_image_open((struct od_str){file.bytes + 8, file.len}, false, &image, NULL),
                     OD_CORRUPT);
    free(file.bytes);
}

static void a_dictionary_with_wild_places_is_refused(void **state)
{
    (void)state;
    const uint64_t wild[][3] = {{1, 2, 4}, {0, 5, 4}, {0, 2, 5}, {0, UINT64_MAX, 4}};
    for (size_t k = 0; k < 4; k++) {
        struct od_image_writer *writer = od_image_writer_new(OD_STR("x"), 1);
        assert_int_equal(od_image_add(writer, "items.at", wild[k], sizeof wild[k], true), OD_OK);
        assert_int_equal(od_image_add(writer, "items.text", "abcd", 4, true), OD_OK);
        struct file file;
        file_init(&file);
        assert_int_equal(od_image_finish(writer, put, &file), OD_OK);
        od_image_writer_free(writer);
        struct od_image image;
        struct od_image_dict dict;
        assert_int_equal(od_image_open((struct od_str){file.bytes, file.len}, true, &image, NULL),
                         OD_OK);
        assert_int_equal(od_image_dict_open(&image, "items", &dict, NULL), OD_CORRUPT);
        free(file.bytes);
    }
}

static void the_writer_refuses_bad_names(void **state)
{
    (void)state;
    assert_null(od_image_writer_new(OD_STR(""), 1));
    char long_name[65];
    memset(long_name, 'r', 64);
    assert_null(od_image_writer_new((struct od_str){long_name, 64}, 1));
    struct od_image_writer *writer = od_image_writer_new((struct od_str){long_name, 63}, 1);
    assert_non_null(writer);
    assert_int_equal(od_image_add(writer, "", "x", 1, false), OD_TOO_LARGE);
    assert_int_equal(od_image_add(writer, "a name of 24 characters.", "x", 1, false), OD_TOO_LARGE);
    assert_int_equal(od_image_add(writer, "once", "x", 1, false), OD_OK);
    assert_int_equal(od_image_add(writer, "once", "y", 1, false), OD_EXISTS);
    enum od_status s = OD_OK;
    int count = 1;
    for (; s == OD_OK; count++) {
        char name[8] = {'s', (char)('0' + count / 100), (char)('0' + count / 10 % 10),
                        (char)('0' + count % 10)};
        s = od_image_add(writer, name, "x", 1, true);
    }
    assert_int_equal(s, OD_LIMIT);
    assert_int_equal(count - 1, OD_IMAGE_SECTIONS);
    od_image_writer_free(writer);
}

static enum od_status refuse_third(void *to, const void *bytes, size_t len)
{
    (void)bytes;
    (void)len;
    return ++*(int *)to == 3 ? OD_IO : OD_OK;
}

static void a_failing_disk_stops_the_writer(void **state)
{
    (void)state;
    struct od_image_writer *writer = od_image_writer_new(OD_STR("x"), 1);
    assert_int_equal(od_image_add(writer, "a", "x", 1, true), OD_OK);
    assert_int_equal(od_image_add(writer, "b", "x", 1, true), OD_OK);
    int calls = 0;
    assert_int_equal(od_image_finish(writer, refuse_third, &calls), OD_IO);
    assert_int_equal(calls, 3);
    od_image_writer_free(writer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(arrays_of_another_size_are_corrupt),
        cmocka_unit_test(dictionaries_find_both_ways),
        cmocka_unit_test(same_content_gives_the_same_bytes),
        cmocka_unit_test(every_flipped_bit_is_found),
        cmocka_unit_test(every_other_length_is_refused),
        cmocka_unit_test(a_dictionary_with_wild_places_is_refused),
        cmocka_unit_test(the_writer_refuses_bad_names),
        cmocka_unit_test(a_failing_disk_stops_the_writer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
