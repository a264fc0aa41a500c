/* Protocols over random sets: nothing that is asked for was learnt from, and who is asked what. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "eval/protocol.h"
#include "recipes/toy.h"

static struct od_protocol_input input_of(const struct od_training *full)
{
    return (struct od_protocol_input){.full = full, .seed = 7, .folds = 1, .cut = 0.9};
}

static uint64_t length_of(const struct od_training *t, uint32_t user)
{
    return t->user_start[user + 1] - t->user_start[user];
}

/* Events of a user (by id) in a training set: 0 when it is not there. */
static uint64_t trained_of(const struct od_training *train, struct od_str id, uint64_t *out_start)
{
    uint32_t user = od_dict_find(train->users, id);
    if (user == OD_NO_CODE)
        return 0;
    *out_start = train->user_start[user];
    return length_of(train, user);
}

static bool is_relevant(const struct od_exam *exam, const struct od_question *q, uint32_t item)
{
    for (uint32_t r = 0; r < q->relevant_count; r++)
        if (exam->relevant[q->relevant_at + r] == item)
            return true;
    return false;
}

/* What every question of a user must keep: its input is the first part of the user's events, its
 * relevant items are exactly those of the rest, what is trained of the user is at most the input,
 * and the same events; codes are those of the catalogue. */
static void check_question(const struct od_exam *exam, const struct od_training *full,
                           const struct od_question *q, bool target_time)
{
    uint64_t start = full->user_start[q->user], n = length_of(full, q->user), trained_at = 0;
    uint64_t trained = trained_of(exam->train, od_dict_text(full->users, q->user), &trained_at);
    assert_true(q->event_count < n && trained <= q->event_count);
    for (uint32_t e = 0; e < q->event_count; e++) {
        const struct od_past_event *event = &exam->events[q->event_at + e];
        struct od_str id = od_dict_text(full->items, full->item[start + e]);
        assert_true(od_str_eq(od_dict_text(exam->items, event->item), id));
        assert_int_equal(event->time, full->time[start + e]);
        if (e < trained) {
            uint32_t item = exam->train->item[trained_at + e];
            assert_true(od_str_eq(od_dict_text(exam->train->items, item), id));
        }
    }
    for (uint64_t e = start + q->event_count; e < start + n; e++) {
        uint32_t item = od_dict_find(exam->items, od_dict_text(full->items, full->item[e]));
        assert_true(is_relevant(exam, q, item));
    }
    assert_in_range(q->relevant_count, 1, n - q->event_count);
    for (uint32_t r = 1; r < q->relevant_count; r++)
        assert_true(exam->relevant[q->relevant_at + r - 1] < exam->relevant[q->relevant_at + r]);
    if (target_time)
        assert_int_equal(q->now_s, full->time[start + q->event_count]);
}

static void external_holds_out_the_newest_tenth_of_everybody(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 20; seed++) {
        struct od_training *full = toy_random(60, 30, 25, seed);
        struct od_protocol_input input = input_of(full);
        struct od_exam exam;
        assert_int_equal(od_protocol_aws_external.make(&input, 0, &exam, NULL), OD_OK);
        assert_int_equal(exam.question_count + exam.skipped, full->user_count);
        uint64_t kept = 0;
        for (uint32_t q = 0; q < exam.question_count; q++) {
            const struct od_question *question = &exam.questions[q];
            check_question(&exam, full, question, false);
            uint64_t n = length_of(full, question->user);
            assert_int_equal(question->event_count, n * 9 / 10);
            assert_int_equal(question->now_s,
                             exam.events[question->event_at + question->event_count - 1].time);
            kept += question->event_count;
        }
        assert_int_equal(exam.train->event_count, kept);
        od_exam_done(&exam);
        od_training_free(full);
    }
}

static void internal_folds_ask_every_user_once_and_never_train_on_the_asked(void **state)
{
    (void)state;
    struct od_training *full = toy_random(95, 30, 25, 3);
    struct od_protocol_input input = input_of(full);
    uint32_t asked[95] = {0}, total = 0;
    for (uint32_t fold = 0; fold < 10; fold++) {
        struct od_exam exam;
        assert_int_equal(od_protocol_aws_internal.make(&input, fold, &exam, NULL), OD_OK);
        total += exam.question_count + exam.skipped;
        assert_in_range(exam.question_count + exam.skipped, 9, 10);
        assert_int_equal(exam.train->user_count, 95 - exam.question_count - exam.skipped);
        for (uint32_t q = 0; q < exam.question_count; q++) {
            const struct od_question *question = &exam.questions[q];
            uint64_t at;
            asked[question->user]++;
            check_question(&exam, full, question, false);
            assert_int_equal(trained_of(exam.train, od_dict_text(full->users, question->user), &at),
                             0);
            assert_true(question->groups & 1u << OD_GROUP_COLD);
        }
        od_exam_done(&exam);
    }
    assert_int_equal(total, 95);
    for (uint32_t u = 0; u < 95; u++)
        assert_true(asked[u] <= 1);
    od_training_free(full);
}

static void internal_last_asks_the_same_users_for_one_event(void **state)
{
    (void)state;
    struct od_training *full = toy_random(95, 30, 25, 3);
    struct od_protocol_input input = input_of(full);
    for (uint32_t fold = 0; fold < 3; fold++) {
        struct od_exam tenth, last;
        assert_int_equal(od_protocol_aws_internal.make(&input, fold, &tenth, NULL), OD_OK);
        assert_int_equal(od_protocol_aws_internal_last.make(&input, fold, &last, NULL), OD_OK);
        assert_true(tenth.train->hash == last.train->hash);
        assert_int_equal(last.relevant_count, last.question_count);
        for (uint32_t q = 0; q < last.question_count; q++) {
            const struct od_question *question = &last.questions[q];
            uint64_t end = full->user_start[question->user + 1];
            assert_int_equal(question->event_count, end - full->user_start[question->user] - 1);
            assert_int_equal(last.relevant[question->relevant_at], full->item[end - 1]);
        }
        od_exam_done(&tenth);
        od_exam_done(&last);
    }
    od_training_free(full);
}

static void internal_folds_depend_on_the_seed_alone(void **state)
{
    (void)state;
    struct od_training *full = toy_random(200, 30, 25, 3);
    struct od_protocol_input input = input_of(full), other = input;
    struct od_exam a, b, c;
    other.seed = 8;
    assert_int_equal(od_protocol_aws_internal.make(&input, 2, &a, NULL), OD_OK);
    assert_int_equal(od_protocol_aws_internal.make(&input, 2, &b, NULL), OD_OK);
    assert_int_equal(od_protocol_aws_internal.make(&other, 2, &c, NULL), OD_OK);
    assert_true(a.train->hash == b.train->hash);
    assert_true(a.train->hash != c.train->hash);
    od_exam_done(&a);
    od_exam_done(&b);
    od_exam_done(&c);
    od_training_free(full);
}

static void leave_one_out_is_strict_and_does_not_tell_the_time_unless_asked(void **state)
{
    (void)state;
    for (int told = 0; told < 2; told++) {
        struct od_training *full = toy_random(80, 30, 12, 4);
        struct od_protocol_input input = input_of(full);
        struct od_exam exam;
        input.target_time = told;
        assert_int_equal(od_protocol_loo.make(&input, 0, &exam, NULL), OD_OK);
        uint32_t few = 0;
        for (uint32_t u = 0; u < full->user_count; u++)
            few += length_of(full, u) < 3;
        assert_true(few > 0);
        assert_int_equal(exam.skipped, few);
        assert_int_equal(exam.train->event_count, full->event_count - 2 * exam.question_count);
        for (uint32_t q = 0; q < exam.question_count; q++) {
            const struct od_question *question = &exam.questions[q];
            check_question(&exam, full, question, told);
            uint64_t end = full->user_start[question->user + 1];
            assert_int_equal(question->relevant_count, 1);
            assert_int_equal(question->now_s, full->time[told ? end - 1 : end - 2]);
            assert_int_equal(question->context_event, told ? end - 1 : end - 2);
        }
        uint32_t asked = exam.question_count;
        od_exam_done(&exam);
        input.relaxed = true;
        assert_int_equal(od_protocol_loo.make(&input, 0, &exam, NULL), OD_OK);
        assert_int_equal(exam.question_count, asked);
        assert_int_equal(exam.train->event_count, full->event_count - asked);
        for (uint32_t q = 0; q < exam.question_count; q++)
            check_question(&exam, full, &exam.questions[q], told);
        od_exam_done(&exam);
        od_training_free(full);
    }
}

/* Users and items that appear late, so that some are cold. */
static struct od_training *drifting(uint64_t seed)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, seed);
    for (int64_t t = 0; t < 3000; t++)
        toy_add(b, (unsigned)(t / 30 + od_random_below(&rng, 40)),
                (unsigned)(t / 60 + od_random_below(&rng, 30)), 100000 + t * 3600);
    return toy_finish(b);
}

static void a_cut_in_time_never_trains_on_what_comes_after_it(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed < 8; seed++) {
        struct od_training *full = drifting(seed);
        struct od_protocol_input input = input_of(full);
        struct od_exam exam;
        assert_int_equal(od_protocol_time.make(&input, 0, &exam, NULL), OD_OK);
        uint32_t cold = 0;
        uint64_t later = 0;
        for (uint64_t e = 0; e < full->event_count; e++)
            later += full->time[e] > exam.train->last_time;
        assert_int_equal(exam.train->event_count + later, full->event_count);
        assert_in_range(later, 295, 305);
        for (uint32_t q = 0; q < exam.question_count; q++) {
            const struct od_question *question = &exam.questions[q];
            check_question(&exam, full, question, false);
            uint64_t at = full->user_start[question->user] + question->event_count;
            assert_true(full->time[at] > exam.train->last_time);
            assert_true(question->now_s > exam.train->last_time);
            assert_true(question->now_s <= full->time[at]);
            bool is_cold = question->event_count == 0;
            assert_int_equal(!!(question->groups & 1u << OD_GROUP_COLD), is_cold);
            assert_int_equal(!!(question->groups & 1u << OD_GROUP_KNOWN), !is_cold);
            cold += is_cold;
        }
        assert_true(cold > 0 && cold < exam.question_count);
        od_exam_done(&exam);
        od_training_free(full);
    }
}

static void a_set_of_one_moment_cannot_be_cut(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 30; u++)
        for (unsigned i = 0; i < 4; i++)
            toy_add(b, u, u + i, 1000);
    struct od_training *full = toy_finish(b);
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    struct od_error err = {0};
    assert_int_equal(od_protocol_time.make(&input, 0, &exam, &err), OD_INVALID_INPUT);
    assert_non_null(strstr(err.message, "1000"));
    od_training_free(full);
}

static void users_with_one_event_are_never_asked(void **state)
{
    (void)state;
    const struct od_protocol *const protocols[] = {&od_protocol_aws_internal,
                                                   &od_protocol_aws_external, &od_protocol_loo};
    struct od_training_builder *b = od_training_builder_new(NULL);
    for (unsigned u = 0; u < 40; u++)
        toy_add(b, u, u % 5, u);
    struct od_training *full = toy_finish(b);
    struct od_protocol_input input = input_of(full);
    for (size_t p = 0; p < 3; p++) {
        struct od_exam exam;
        struct od_error err = {0};
        assert_int_equal(protocols[p]->make(&input, 0, &exam, &err), OD_INVALID_INPUT);
        assert_non_null(strstr(err.message, "enough events"));
    }
    od_training_free(full);
}

static void questions_may_be_thinned_evenly(void **state)
{
    (void)state;
    struct od_training *full = toy_random(300, 30, 25, 3);
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    input.most = 10;
    assert_int_equal(od_protocol_aws_external.make(&input, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.question_count, 10);
    assert_int_equal(exam.possible + exam.skipped, 300);
    for (uint32_t q = 1; q < 10; q++)
        assert_in_range(exam.questions[q].user - exam.questions[q - 1].user, 28, 32);
    assert_true(exam.train->user_count > 250); /* training is whole */
    od_exam_done(&exam);
    od_training_free(full);
}

static void growth_is_the_day_after_less_the_days_before(void **state)
{
    (void)state;
    /* item 1: four events a day for ten days; item 2: one, then nine on the day after; the rest
     * later, so that the moment of fold 0 is the end of day ten */
    struct od_training_builder *b = od_training_builder_new(NULL);
    unsigned user = 0;
    for (int64_t d = 0; d < 10; d++)
        for (unsigned k = 0; k < 4; k++)
            toy_add(b, user++ % 50, 1, d * 86400 + k);
    toy_add(b, 3, 2, 10 * 86400 - 1);
    int64_t moment = 10 * 86400;
    toy_add(b, 4, 1, moment);
    for (unsigned k = 0; k < 9; k++)
        toy_add(b, k, 2, moment + 60 + k);
    toy_add(b, 5, 1, moment + 2 * 86400); /* after the day: does not count */
    struct od_training *full = toy_finish(b);
    assert_int_equal(full->event_count, 52);
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    assert_int_equal(od_protocol_trend.make(&input, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.question_count, 1);
    assert_int_equal(exam.questions[0].now_s, moment);
    assert_int_equal(exam.train->event_count, 42);
    assert_int_equal(exam.train->last_time, moment);
    float one = exam.gain[od_dict_find(exam.items, OD_STR("i00001"))];
    float two = exam.gain[od_dict_find(exam.items, OD_STR("i00002"))];
    assert_true(one > -4.11f && one < -4.09f); /* 41 events in ten days, none on the day */
    assert_true(two > 8.899f && two < 8.901f); /* 9 less 0.1 */
    assert_int_equal(exam.questions[0].relevant_count, 1);
    assert_true(exam.best_gain > 8.899 && exam.best_gain < 8.901);
    od_exam_done(&exam);
    od_training_free(full);
}

/* --- cold items --- */

static struct od_table *table_of(unsigned items)
{
    static struct od_field fields[] = {
        {.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
        {.name = OD_STR("KIND"), .type = OD_FIELD_STRING, .nullable = true, .categorical = true},
        {.name = OD_STR("CREATION_TIMESTAMP"), .type = OD_FIELD_LONG}};
    struct od_schema schema = {
        .name = OD_STR("Items"), .type = OD_ITEMS, .field_count = 3, .fields = fields};
    struct od_table *table = od_table_new(&schema);
    for (unsigned i = 0; i < items; i++) {
        char id[16];
        snprintf(id, sizeof id, "i%05u", i);
        struct od_value values[] = {{.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
                                    {.kind = OD_VALUE_TEXT, .text = OD_STR("a|b")},
                                    {.kind = OD_VALUE_INTEGER, .integer = 17}};
        assert_int_equal(od_table_put(table, values), OD_OK);
    }
    return table;
}

static void hidden_items_are_in_no_event_and_are_all_that_is_ranked(void **state)
{
    (void)state;
    struct od_training *full = toy_random(120, 41, 25, 9);
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    assert_int_equal(od_protocol_cold.make(&input, 0, &exam, NULL), OD_INVALID_INPUT);
    struct od_table *table = table_of(60); /* some in no event */
    full->item_table = table;
    input.items = table;
    assert_int_equal(od_protocol_cold.make(&input, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.item_count, 60);
    assert_int_equal(od_bitmap_count(exam.candidates, 60), full->item_count / 2);
    assert_ptr_equal(exam.train->item_table, table);
    for (uint32_t i = 0; i < exam.item_count; i++)
        if (od_bitmap_get(exam.candidates, i)) {
            assert_false(exam.known[i]);
            assert_int_equal(od_dict_find(exam.train->items, od_dict_text(exam.items, i)),
                             OD_NO_CODE);
        }
    struct od_table_column created; /* the hidden ones when the data end */
    od_table_column(table, 2, &created);
    for (uint32_t i = 0; i < exam.item_count; i++) {
        uint32_t row = od_table_find(table, od_dict_text(exam.items, i));
        assert_int_equal(created.integers[row],
                         od_bitmap_get(exam.candidates, i) ? full->last_time : 17);
    }
    uint64_t events = 0;
    for (uint32_t q = 0; q < exam.question_count; q++) {
        const struct od_question *question = &exam.questions[q];
        assert_true(question->event_count > 0 && question->relevant_count > 0);
        for (uint32_t e = 0; e < question->event_count; e++)
            assert_true(exam.known[exam.events[question->event_at + e].item]);
        for (uint32_t r = 0; r < question->relevant_count; r++)
            assert_true(od_bitmap_get(exam.candidates, exam.relevant[question->relevant_at + r]));
        events += question->event_count;
    }
    assert_true(events <= exam.train->event_count);
    od_exam_done(&exam);
    od_training_free(full);
    od_table_free(table);
}

/* --- files --- */

static void add_row(struct od_test_file *file, const char *left, const char *right)
{
    uint32_t code;
    struct od_str rest = od_str_c(left), item;
    file->rows = realloc(file->rows, (file->count + 1) * sizeof *file->rows);
    file->rows[file->count++] = (struct od_test_row){od_str_c(left), od_str_c(right)};
    assert_int_equal(od_dict_add(file->items, od_str_c(right), &code), OD_OK);
    while (file->kind == OD_TEST_SESSIONS && od_str_cut(&rest, '|', &item))
        assert_int_equal(od_dict_add(file->items, item, &code), OD_OK);
}

static void sessions_are_asked_as_the_file_has_them(void **state)
{
    (void)state;
    struct od_training *full = toy_random(40, 20, 5, 2);
    struct od_test_file test = {.kind = OD_TEST_SESSIONS, .items = od_dict_new()};
    add_row(&test, "i00003|i00001|i00003", "i00003");
    add_row(&test, "unheard", "new");
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    input.test = &test;
    assert_int_equal(od_protocol_session.make(&input, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.question_count, 2);
    assert_ptr_equal(exam.train, full);
    const struct od_question *q = &exam.questions[0];
    assert_int_equal(q->event_count, 3);
    assert_true(od_str_eq_c(od_dict_text(exam.items, exam.events[1].item), "i00001"));
    assert_int_equal(exam.events[0].time, full->last_time + 1);
    assert_int_equal(exam.events[2].time, full->last_time + 3);
    assert_int_equal(q->now_s, full->last_time + 3);
    assert_int_equal(q->user, OD_NO_CODE);
    q = &exam.questions[1];
    assert_true(od_str_eq_c(od_dict_text(exam.items, exam.relevant[q->relevant_at]), "new"));
    assert_false(exam.known[exam.relevant[q->relevant_at]]);
    od_exam_done(&exam);
    od_test_file_done(&test);
    od_training_free(full);
}

static void pairs_are_gathered_by_user(void **state)
{
    (void)state;
    struct od_training *full = toy_random(40, 20, 5, 2);
    struct od_test_file test = {.kind = OD_TEST_PAIRS, .items = od_dict_new()};
    add_row(&test, "u00007", "i00019");
    add_row(&test, "stranger", "i00001");
    add_row(&test, "u00003", "i00002");
    add_row(&test, "u00007", "i00000");
    add_row(&test, "u00007", "i00019");
    struct od_protocol_input input = input_of(full);
    struct od_exam exam;
    input.test = &test;
    assert_int_equal(od_protocol_cf.make(&input, 0, &exam, NULL), OD_OK);
    assert_int_equal(exam.question_count, 2);
    assert_int_equal(exam.skipped, 1);
    assert_int_equal(exam.questions[0].user, 3);
    assert_int_equal(exam.questions[1].user, 7);
    assert_int_equal(exam.questions[1].relevant_count, 2);
    assert_int_equal(exam.questions[1].event_count, length_of(full, 7));
    od_exam_done(&exam);
    od_test_file_done(&test);
    od_training_free(full);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(external_holds_out_the_newest_tenth_of_everybody),
        cmocka_unit_test(internal_folds_ask_every_user_once_and_never_train_on_the_asked),
        cmocka_unit_test(internal_last_asks_the_same_users_for_one_event),
        cmocka_unit_test(internal_folds_depend_on_the_seed_alone),
        cmocka_unit_test(leave_one_out_is_strict_and_does_not_tell_the_time_unless_asked),
        cmocka_unit_test(a_cut_in_time_never_trains_on_what_comes_after_it),
        cmocka_unit_test(a_set_of_one_moment_cannot_be_cut),
        cmocka_unit_test(users_with_one_event_are_never_asked),
        cmocka_unit_test(questions_may_be_thinned_evenly),
        cmocka_unit_test(growth_is_the_day_after_less_the_days_before),
        cmocka_unit_test(hidden_items_are_in_no_event_and_are_all_that_is_ranked),
        cmocka_unit_test(sessions_are_asked_as_the_file_has_them),
        cmocka_unit_test(pairs_are_gathered_by_user),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
