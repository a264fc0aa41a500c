/* Arenas, dictionaries, bitmaps, hashing and random numbers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include <math.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/bitmap.h"
#include "base/dict.h"
#include "base/hash.h"
#include "base/random.h"

static void an_arena_gives_aligned_zeroed_memory_up_to_its_maximum(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 100000);
    for (size_t size = 0; size < 200; size++) {
        unsigned char *p = od_arena_alloc(&arena, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        for (size_t i = 0; i < size; i++)
            assert_int_equal(p[i], 0);
        memset(p, 0xAA, size);
    }
    assert_null(od_arena_alloc(&arena, 100000));
    assert_null(od_arena_alloc(&arena, SIZE_MAX));
    assert_null(od_arena_array(&arena, SIZE_MAX / 2, 3));
    od_arena_reset(&arena);
    assert_non_null(od_arena_alloc(&arena, 99000));
    od_arena_done(&arena);
}

static void many_texts_at_once_get_the_codes_that_one_by_one_get(void **state)
{
    (void)state;
    enum { COUNT = 5000 };
    static char texts[COUNT][16];
    struct od_str list[COUNT];
    uint32_t codes[COUNT], found[COUNT], code;
    struct od_dict *one = od_dict_new(), *many = od_dict_new();
    for (uint32_t i = 0; i < COUNT; i++) { /* each about three times, near and far */
        snprintf(texts[i], sizeof texts[i], "t%u", i % 3 ? i * 7919 % 1700 : i / 5);
        list[i] = od_str_c(texts[i]);
    }
    list[17] = OD_STR("");
    for (uint32_t from = 0, some = 1; from < COUNT; from += some, some = some * 3 + 1) {
        some = some < COUNT - from ? some : COUNT - from;
        assert_int_equal(od_dict_add_many(many, list + from, some, codes + from), OD_OK);
    }
    for (uint32_t i = 0; i < COUNT; i++) {
        assert_int_equal(od_dict_add(one, list[i], &code), OD_OK);
        assert_int_equal(codes[i], code);
    }
    assert_int_equal(od_dict_count(one), od_dict_count(many));
    list[3] = OD_STR("absent");
    list[4] = OD_STR_NONE; /* like the empty text */
    od_dict_find_many(many, list, COUNT, found);
    for (uint32_t i = 0; i < COUNT; i++)
        assert_int_equal(found[i], i == 3 ? OD_NO_CODE : i == 4 ? codes[17] : codes[i]);
    od_dict_free(one);
    od_dict_free(many);
}

static void a_dictionary_gives_dense_codes_in_order_of_arrival(void **state)
{
    (void)state;
    struct od_dict *dict = od_dict_new();
    char text[32];
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t code;
        snprintf(text, sizeof text, "id-%u", i);
        assert_int_equal(od_dict_add(dict, od_str_c(text), &code), OD_OK);
        assert_int_equal(code, i);
    }
    for (uint32_t i = 0; i < 50000; i++) {
        uint32_t code;
        snprintf(text, sizeof text, "id-%u", i);
        assert_int_equal(od_dict_find(dict, od_str_c(text)), i);
        assert_int_equal(od_dict_add(dict, od_str_c(text), &code), OD_OK);
        assert_int_equal(code, i);
        assert_true(od_str_eq_c(od_dict_text(dict, i), text));
    }
    assert_int_equal(od_dict_count(dict), 50000);
    assert_int_equal(od_dict_find(dict, OD_STR("absent")), OD_NO_CODE);
    uint32_t empty;
    assert_int_equal(od_dict_add(dict, OD_STR(""), &empty), OD_OK);
    assert_int_equal(od_dict_find(dict, OD_STR("")), empty);
    od_dict_free(dict);
}

static void bitmaps_of_odd_sizes_keep_their_tail_clear(void **state)
{
    (void)state;
    uint64_t a[3], b[3];
    for (size_t bits = 1; bits < 180; bits += 7) {
        size_t words = od_bitmap_words(bits);
        assert_int_equal(words, (bits + 63) / 64);
        od_bitmap_fill(a, bits, true);
        assert_int_equal(od_bitmap_count(a, bits), bits);
        od_bitmap_fill(b, bits, false);
        od_bitmap_set(b, bits - 1);
        od_bitmap_andnot(a, b, bits);
        assert_int_equal(od_bitmap_count(a, bits), bits - 1);
        od_bitmap_not(a, bits);
        assert_int_equal(od_bitmap_count(a, bits), 1);
        assert_true(od_bitmap_get(a, bits - 1));
        od_bitmap_or(a, b, bits);
        od_bitmap_and(a, b, bits);
        assert_int_equal(od_bitmap_count(a, bits), 1);
        od_bitmap_clear(a, bits - 1);
        assert_int_equal(od_bitmap_count(a, bits), 0);
    }
}

static void hashes_differ_by_every_bit_and_length(void **state)
{
    (void)state;
    unsigned char bytes[100] = {0};
    for (size_t len = 1; len <= sizeof bytes; len++) {
        uint64_t base = od_hash(bytes, len, 1);
        assert_true(base != od_hash(bytes, len - 1, 1));
        assert_true(base != od_hash(bytes, len, 2));
        for (size_t bit = 0; bit < len * 8; bit++) {
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
            uint64_t other = od_hash(bytes, len, 1);
            int flipped = __builtin_popcountll(base ^ other);
            assert_in_range(flipped, 8, 56);
            bytes[bit / 8] ^= (unsigned char)(1u << bit % 8);
        }
    }
}

static void random_numbers_repeat_by_seed_and_are_fair(void **state)
{
    (void)state;
    struct od_random a, b;
    od_random_init(&a, 7);
    od_random_init(&b, 7);
    for (int i = 0; i < 100; i++)
        assert_true(od_random_u64(&a) == od_random_u64(&b));
    od_random_init2(&a, 7, 1);
    od_random_init2(&b, 7, 2);
    assert_true(od_random_u64(&a) != od_random_u64(&b));
    int count[10] = {0};
    double sum = 0, square = 0;
    for (int i = 0; i < 100000; i++) {
        count[od_random_below(&a, 10)]++;
        double n = od_random_normal(&a);
        sum += n;
        square += n * n;
    }
    for (int i = 0; i < 10; i++)
        assert_in_range(count[i], 9500, 10500); /* five sigma */
    assert_true(fabs(sum / 100000) < 0.02);
    assert_true(fabs(square / 100000 - 1) < 0.03);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_arena_gives_aligned_zeroed_memory_up_to_its_maximum),
        cmocka_unit_test(a_dictionary_gives_dense_codes_in_order_of_arrival),
        cmocka_unit_test(many_texts_at_once_get_the_codes_that_one_by_one_get),
        cmocka_unit_test(bitmaps_of_odd_sizes_keep_their_tail_clear),
        cmocka_unit_test(hashes_differ_by_every_bit_and_length),
        cmocka_unit_test(random_numbers_repeat_by_seed_and_are_fair),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
