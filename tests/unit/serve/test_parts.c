/* The small parts: names, recommendation ids, the log of what was shown, softmax, event types. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/random.h"
#include "serve/names.h"
#include "serve/shown.h"
#include "serve/softmax.h"
#include "serve/types.h"

static void names_are_found_replaced_and_taken(void **state)
{
    (void)state;
    struct od_names names = {NULL, 0, 0};
    char text[100][8];
    void *old;
    for (int i = 0; i < 100; i++) {
        snprintf(text[i], sizeof text[i], "n%d", (i * 37) % 100);
        assert_int_equal(od_names_put(&names, od_str_c(text[i]), text[i], &old), OD_OK);
        assert_null(old);
    }
    assert_int_equal(names.count, 100);
    for (size_t i = 1; i < names.count; i++)
        assert_true(od_str_cmp(names.list[i - 1].name, names.list[i].name) < 0);
    for (int i = 0; i < 100; i++)
        assert_ptr_equal(od_names_find(&names, od_str_c(text[i])), text[i]);
    assert_null(od_names_find(&names, OD_STR("n")));
    assert_int_equal(od_names_put(&names, OD_STR("n5"), &names, &old), OD_OK);
    assert_string_equal((char *)old, "n5");
    assert_ptr_equal(od_names_take(&names, OD_STR("n5")), &names);
    assert_null(od_names_take(&names, OD_STR("n5")));
    assert_int_equal(names.count, 99);
    od_names_done(&names);
}

static void recommendation_ids_go_there_and_back(void **state)
{
    (void)state;
    uint8_t rid[OD_RID_BYTES], back[OD_RID_BYTES];
    char text[41];
    for (int i = 0; i < OD_RID_BYTES; i++)
        rid[i] = (uint8_t)(i * 17);
    od_rid_format(rid, text);
    assert_string_equal(text, "RID-00112233-4455-4677-8899-aabbccddeeff");
    assert_true(od_rid_parse(od_str_c(text), back));
    assert_memory_equal(rid, back, sizeof rid);
    const char *bad[] = {"",
                         "RID-",
                         "RID-00112233-4455-4677-8899-aabbccddeef",
                         "RID-00112233-4455-4677-8899-aabbccddeeffa",
                         "RID_00112233-4455-4677-8899-aabbccddeeff",
                         "RID-00112233-4455-4677-8899-aabbccddeefg",
                         "RID-00112233-4455-4677-8899-AABBCCDDEEFF",
                         "RID-001122334-455-4677-8899-aabbccddeeff"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(od_rid_parse(od_str_c(bad[i]), back));
}

static void rid_of(uint32_t number, uint8_t out[OD_RID_BYTES])
{
    memset(out, 0, OD_RID_BYTES);
    memcpy(out, &number, sizeof number);
}

static bool is_known(struct od_shown *shown, uint32_t number, size_t *out_count)
{
    struct od_arena arena;
    struct od_shown_answer answer;
    uint8_t rid[OD_RID_BYTES];
    rid_of(number, rid);
    od_arena_init(&arena, 1 << 20);
    enum od_status status = od_shown_find(shown, rid, &arena, &answer);
    if (status == OD_OK) {
        size_t count = *out_count = answer.count;
        assert_true(od_str_eq(answer.campaign_arn, OD_STR("arn:campaign")));
        assert_true(answer.actions == (number % 3 == 0));
        assert_true(count == 0 || answer.places[count - 1].row == number + count - 1);
        assert_true(count == 0 || answer.places[count - 1].propensity == 0.25F);
        od_live_unref(answer.group);
    }
    od_arena_done(&arena);
    return status == OD_OK;
}

static void show(struct od_shown *shown, struct od_live *group, uint32_t number, size_t count,
                 int64_t now_s)
{
    struct od_shown_place rows[100];
    uint8_t rid[OD_RID_BYTES];
    rid_of(number, rid);
    for (uint32_t i = 0; i < count; i++)
        rows[i] = (struct od_shown_place){number + i, 0.25F};
    od_shown_add(shown, rid, group, OD_STR("arn:campaign"), number % 3 == 0, rows, count, now_s);
}

static void lists_shown_are_bounded_by_bytes_and_age(void **state)
{
    (void)state;
    struct od_shown shown;
    struct od_live *group = od_live_new(OD_STR("g")), *other = od_live_new(OD_STR("h"));
    size_t count;
    assert_true(od_shown_init(&shown));
    assert_false(is_known(&shown, 1, &count));
    for (uint32_t i = 0; i < 3000; i++)
        show(&shown, i % 2 ? group : other, i, i % 50, 1000 + i);
    for (uint32_t i = 0; i < 3000; i++) {
        assert_true(is_known(&shown, i, &count));
        assert_int_equal(count, i % 50);
    }
    shown.max_bytes = shown.bytes / 2;
    show(&shown, group, 5000, 3, 4000);
    assert_true(shown.bytes <= shown.max_bytes);
    assert_false(is_known(&shown, 0, &count));
    assert_true(is_known(&shown, 2999, &count));
    assert_true(is_known(&shown, 5000, &count));
    od_shown_forget(&shown, group);
    assert_false(is_known(&shown, 2999, &count));
    assert_false(is_known(&shown, 5000, &count));
    assert_true(is_known(&shown, 2998, &count));
    show(&shown, other, 6000, 1, 2998 + 1000 + shown.max_age_s);
    assert_true(is_known(&shown, 2998, &count));
    show(&shown, other, 6001, 1, 2998 + 1001 + shown.max_age_s);
    assert_false(is_known(&shown, 2998, &count));
    assert_true(is_known(&shown, 6000, &count));
    assert_true(od_shown_bytes(&shown) > 0);
    od_shown_forget(&shown, other);
    assert_int_equal(shown.count, 0);
    assert_int_equal(shown.bytes, 0);
    show(&shown, other, 1, 2, 1);
    assert_true(is_known(&shown, 1, &count));
    od_shown_done(&shown);
    od_live_unref(group);
    od_live_unref(other);
}

static void softmax_matches_the_definition(void **state)
{
    (void)state;
    enum { MOST = 1000 };
    float scores[MOST];
    struct od_random rng;
    od_random_init(&rng, 3);
    for (size_t n = 1; n < MOST; n = n * 3 / 2 + 1) {
        for (int spread = 1; spread <= 1000; spread *= 10) {
            double total = 0, top = -INFINITY;
            for (size_t i = 0; i < n; i++) {
                scores[i] = (float)(od_random_normal(&rng) * spread);
                if (i % 7 == 6)
                    scores[i] = -INFINITY;
                top = scores[i] > top ? scores[i] : top;
            }
            for (size_t i = 0; i < n; i++)
                total += exp((scores[i] - top) / 2);
            struct od_softmax softmax;
            od_softmax_init(&softmax, scores, n, 2);
            assert_true(fabs(softmax.total - total) < 1e-6 * total);
            assert_true(softmax.top == top);
            for (size_t i = 0; i < n; i++)
                assert_true(fabs(od_softmax(&softmax, scores[i]) -
                                 exp((scores[i] - top) / 2) / total) < 1e-6);
        }
    }
}

static void softmax_of_nothing_is_nothing(void **state)
{
    (void)state;
    struct od_softmax softmax;
    const float none[2] = {-INFINITY, -INFINITY};
    od_softmax_init(&softmax, none, 2, 1);
    assert_true(od_softmax(&softmax, -INFINITY) == 0);
    od_softmax_init(&softmax, NULL, 0, 1);
    assert_true(od_softmax(&softmax, 1) == 0);
    assert_true(od_softmax_printed(0.12345675) == 0.1234568);
    assert_true(od_softmax_printed(1) == 1);
}

static void event_types_fold_case_and_keep_the_first_text(void **state)
{
    (void)state;
    struct od_event_types types;
    uint16_t code, again;
    char text[400];
    assert_int_equal(od_event_types_init(&types), OD_OK);
    assert_int_equal(od_event_types_code(&types, OD_STR_NONE, &code), OD_OK);
    assert_int_equal(code, 0);
    assert_int_equal(od_event_types_code(&types, OD_STR("Watch"), &code), OD_OK);
    assert_int_equal(od_event_types_code(&types, OD_STR("WATCH"), &again), OD_OK);
    assert_int_equal(code, again);
    assert_true(od_str_eq(types.texts[code], OD_STR("Watch")));
    memset(text, 'Z', sizeof text);
    assert_int_equal(od_event_types_code(&types, (struct od_str){text, 400}, &code), OD_OK);
    memset(text, 'z', sizeof text);
    assert_int_equal(od_event_types_code(&types, (struct od_str){text, 400}, &again), OD_OK);
    assert_int_equal(code, again);
    for (uint32_t i = types.count; i < OD_MAX_EVENT_TYPES; i++) {
        snprintf(text, sizeof text, "type-%u", i);
        assert_int_equal(od_event_types_code(&types, od_str_c(text), &code), OD_OK);
    }
    assert_int_equal(od_event_types_code(&types, OD_STR("one too many"), &code), OD_LIMIT);
    assert_int_equal(od_event_types_code(&types, OD_STR("watch"), &code), OD_OK);
    od_event_types_done(&types);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_are_found_replaced_and_taken),
        cmocka_unit_test(recommendation_ids_go_there_and_back),
        cmocka_unit_test(lists_shown_are_bounded_by_bytes_and_age),
        cmocka_unit_test(softmax_matches_the_definition),
        cmocka_unit_test(softmax_of_nothing_is_nothing),
        cmocka_unit_test(event_types_fold_case_and_keep_the_first_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
