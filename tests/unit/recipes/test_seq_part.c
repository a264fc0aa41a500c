/* The sequence network as a part: it learns an order, gives the same bytes for any number of
 * threads, goes on from a lesson, and refuses damaged images. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "recipes/registry.h"
#include "recipes/seq_plan.h"
#include "fitted.h"
#include "toy.h"

enum { USERS = 150, FEW = 30, ITEMS = 24, LENGTH = 12 };

/* Each user walks the circle of items with strides of their own: the next item follows from the
 * newest two, and from no popularity. */
static struct od_training *walks(unsigned users, int64_t spacing)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (unsigned u = 0; u < users; u++) {
        unsigned item = (unsigned)od_random_below(&rng, ITEMS);
        unsigned stride = 1 + (unsigned)od_random_below(&rng, 2);
        int64_t time = 1000 * u;
        for (unsigned k = 0; k < LENGTH; k++) {
            toy_add(b, u, item, time);
            item = (item + stride) % ITEMS;
            time += spacing ? spacing : 1 + (int64_t)od_random_below(&rng, 4000);
        }
    }
    return toy_finish(b);
}

struct fit {
    struct od_training *training;
    uint64_t *end;
    struct od_judge *judges;
    size_t judge_count;
    struct od_param_value params[8];
    struct od_train_input input;
    struct od_buf lesson, bytes;
};

static enum od_status append(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

static void set_up(struct fit *f, unsigned users, int64_t spacing)
{
    memset(f, 0, sizeof *f);
    od_math_init();
    f->training = walks(users, spacing);
    f->end = malloc(users * sizeof *f->end);
    f->judges = malloc(users * sizeof *f->judges);
    for (uint32_t u = 0; u < users; u++) {
        f->end[u] = f->training->user_start[u + 1] - 1;
        f->judges[f->judge_count++] = (struct od_judge){f->training->user_start[u], f->end[u]};
    }
    const struct od_recipe_spec *spec = od_recipe_spec_find(OD_STR("aws-user-personalization-v2"));
    assert_true(spec->param_count <= 8);
    assert_int_equal(od_recipe_params_default(spec, f->params), OD_OK);
    f->input = (struct od_train_input){
        .training = f->training, .spec = spec, .params = f->params, .seed = 7, .threads = 1};
    od_buf_init(&f->lesson, 64 << 20);
    od_buf_init(&f->bytes, 64 << 20);
}

static void tear_down(struct fit *f)
{
    od_training_free(f->training);
    free(f->end);
    free(f->judges);
    od_buf_done(&f->lesson);
    od_buf_done(&f->bytes);
}

/* Fits into f->bytes, whose memory is not moved afterwards; the lesson replaces f->lesson. */
static void run(struct fit *f, size_t judges, bool with_lesson)
{
    struct od_error err = {0};
    struct od_buf learnt;
    od_buf_init(&learnt, 64 << 20);
    struct od_part_task task = {
        .input = &f->input, .end = f->end, .judges = f->judges, .judge_count = judges};
    if (with_lesson)
        task.lesson = od_buf_view(&f->lesson);
    struct od_image_writer *writer = od_image_writer_new(OD_STR("test"), 1);
    if (od_part_seq.fit(&task, writer, &learnt, &err) != OD_OK)
        fail_msg("%s", err.message);
    od_buf_clear(&f->bytes);
    assert_int_equal(od_image_finish(writer, append, &f->bytes), OD_OK);
    od_image_writer_free(writer);
    od_buf_done(&f->lesson);
    f->lesson = learnt;
}

/* Opens a copy of the bytes, aligned as a mapped file is. */
static void *open_image(const struct fit *f, struct od_image *image, void **part,
                        enum od_status expected)
{
    void *copy = aligned_alloc(64, (f->bytes.len + 63) / 64 * 64);
    memcpy(copy, f->bytes.ptr, f->bytes.len);
    assert_int_equal(od_image_open((struct od_str){copy, f->bytes.len}, false, image, NULL), OD_OK);
    assert_true(od_part_seq.present(image));
    assert_int_equal(od_part_seq.open(image, ITEMS, part, NULL), expected);
    return copy;
}

/* Share of judges whose event is scored best. */
static double first_places(const struct fit *f)
{
    struct od_image image;
    void *part;
    void *copy = open_image(f, &image, &part, OD_OK);
    struct od_arena scratch;
    size_t hits = 0;
    od_arena_init(&scratch, SIZE_MAX);
    for (size_t j = 0; j < f->judge_count; j++) {
        struct od_past_event events[LENGTH];
        float scores[ITEMS];
        bool personal = false;
        uint64_t start = f->judges[j].start, end = f->judges[j].end;
        for (uint64_t e = start; e < end; e++)
            events[e - start] = (struct od_past_event){f->training->item[e], f->training->type[e],
                                                       f->training->time[e]};
        struct od_query q = {
            .events = events, .event_count = end - start, .now_s = f->training->time[end]};
        od_arena_reset(&scratch);
        assert_int_equal(od_part_seq.score(part, &q, &scratch, scores, &personal, NULL), OD_OK);
        assert_true(personal);
        uint32_t best = 0;
        for (uint32_t i = 1; i < ITEMS; i++)
            best = scores[i] > scores[best] ? i : best;
        hits += best == f->training->item[end];
        events[0].item = ITEMS + 7; /* nothing but what the model does not know */
        q.event_count = 1;
        assert_int_equal(od_part_seq.score(part, &q, &scratch, scores, &personal, NULL), OD_OK);
        assert_false(personal);
        q.event_count = 0;
        assert_int_equal(od_part_seq.score(part, &q, &scratch, scores, &personal, NULL), OD_OK);
        assert_false(personal);
    }
    od_arena_done(&scratch);
    od_part_seq.close(part);
    free(copy);
    return (double)hits / (double)f->judge_count;
}

static void learns_an_order_and_goes_on_from_a_lesson(void **state)
{
    (void)state;
    struct fit f;
    for (int64_t spacing = 0; spacing <= 60; spacing += 60) {
        set_up(&f, USERS, spacing);
        run(&f, f.judge_count, false);
        double judged = first_places(&f);
        if (!(judged > .85))
            fail_msg("%g of the judges' events came first", judged);
        run(&f, 0, true);
        assert_true(first_places(&f) > judged - .05);
        tear_down(&f);
    }
}

/* Another width could not go on from the lesson's weights. */
static void a_lesson_keeps_its_width(void **state)
{
    (void)state;
    struct fit f;
    set_up(&f, FEW, 0);
    f.input.memory_bytes = ITEMS * 128 * 32 - 1;
    run(&f, f.judge_count, false);
    size_t narrow = f.lesson.len;
    f.input.memory_bytes = 0;
    run(&f, 0, true);
    assert_int_equal(f.lesson.len, narrow);
    run(&f, f.judge_count, false);
    assert_true(f.lesson.len > narrow);
    tear_down(&f);
}

static void same_bytes_for_any_number_of_threads(void **state)
{
    (void)state;
    struct fit one, two;
    set_up(&one, FEW, 0);
    set_up(&two, FEW, 0);
    two.input.threads = 2;
    run(&one, one.judge_count, false);
    run(&two, two.judge_count, false);
    assert_int_equal(one.bytes.len, two.bytes.len);
    assert_memory_equal(one.bytes.ptr, two.bytes.ptr, one.bytes.len);
    assert_int_equal(one.lesson.len, two.lesson.len);
    assert_memory_equal(one.lesson.ptr, two.lesson.ptr, one.lesson.len);
    two.input.seed = 8;
    run(&two, two.judge_count, false);
    assert_true(two.bytes.len != one.bytes.len ||
                memcmp(one.bytes.ptr, two.bytes.ptr, one.bytes.len) != 0);
    tear_down(&one);
    tear_down(&two);
}

/* Where a section's bytes lie in the image. */
static char *section(struct fit *f, const char *name)
{
    struct od_image image;
    struct od_str found;
    void *copy = aligned_alloc(64, (f->bytes.len + 63) / 64 * 64);
    memcpy(copy, f->bytes.ptr, f->bytes.len);
    assert_int_equal(od_image_open((struct od_str){copy, f->bytes.len}, false, &image, NULL),
                     OD_OK);
    assert_true(od_image_section(&image, name, &found));
    char *at = f->bytes.ptr + (found.ptr - (const char *)copy);
    free(copy);
    return at;
}

static void damaged_images_are_refused(void **state)
{
    (void)state;
    struct fit f;
    set_up(&f, FEW, 60);
    run(&f, f.judge_count, false);
    static const struct {
        const char *section;
        size_t at;
        uint32_t word;
    } damage[] = {
        {"seq", 0, 99},                /* version */
        {"seq", 4, ITEMS + 1},         /* items */
        {"seq", 8, 65},                /* width */
        {"seq", 12, 0},                /* layers */
        {"seq", 16, 1},                /* hidden */
        {"seq", 24, 1},                /* times */
        {"seq.weights", 0, 3},         /* tensors */
        {"seq.planes", 0, 0x7c007c00}, /* infinite */
    };
    struct od_image image;
    void *part;
    for (size_t d = 0; d < sizeof damage / sizeof *damage; d++) {
        char *at = section(&f, damage[d].section) + damage[d].at;
        uint32_t kept;
        memcpy(&kept, at, sizeof kept);
        memcpy(at, &damage[d].word, sizeof kept);
        free(open_image(&f, &image, &part, OD_CORRUPT));
        memcpy(at, &kept, sizeof kept);
    }
    void *copy = open_image(&f, &image, &part, OD_OK);
    od_part_seq.close(part);
    free(copy);
    tear_down(&f);
}

static void a_strange_lesson_is_refused(void **state)
{
    (void)state;
    struct fit f;
    set_up(&f, FEW, 60);
    od_buf_puts(&f.lesson, "nothing that this network has ever learnt from anybody");
    struct od_buf learnt;
    od_buf_init(&learnt, 1 << 20);
    struct od_part_task task = {.input = &f.input, .end = f.end, .lesson = od_buf_view(&f.lesson)};
    struct od_image_writer *writer = od_image_writer_new(OD_STR("test"), 1);
    assert_int_equal(od_part_seq.fit(&task, writer, &learnt, NULL), OD_CORRUPT);
    od_image_writer_free(writer);
    od_buf_done(&learnt);
    tear_down(&f);
}

static void plans_follow_the_data(void **state)
{
    (void)state;
    struct fit f;
    struct od_seq_setting s;
    struct od_seq_wish wish = {.columns = 90, .times = true};
    set_up(&f, FEW, 0);
    struct od_part_task task = {.input = &f.input, .end = f.end};
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.candidates, 0);
    assert_true(fabsf(s.dropout - .5f) < .02f); /* eleven events a user */
    assert_non_null(s.weight);                  /* apply_recency_bias is on */
    uint64_t old = f.training->user_start[0], new = f.training->user_start[FEW] - 1;
    assert_true(s.weight[old] < s.weight[new] && s.weight[old] > .3f);
    od_seq_setting_done(&s);
    f.params[od_recipe_param_find(f.input.spec, OD_PARAM_ALGORITHM, OD_STR("apply_recency_bias"))]
        .number = 0;
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_null(s.weight);
    assert_int_equal(s.plan.width, 128);
    od_seq_setting_done(&s);
    f.input.memory_bytes = ITEMS * 128 * 32 - 1;
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.width, 64);
    assert_int_equal(s.shape.width, 64);
    od_seq_setting_done(&s);
    wish.width = 32; /* of an earlier fit */
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.width, 32);
    od_seq_setting_done(&s);
    tear_down(&f);
}

/* Only numbers are looked at: no event has an item. */
static void large_data_are_learnt_faster(void **state)
{
    (void)state;
    enum { EVENTS = 20000000, FEWER = EVENTS / 100 };
    struct fit f;
    struct od_seq_setting s;
    const struct od_seq_wish wish = {.columns = 90, .times = true};
    set_up(&f, FEW, 0);
    uint64_t start[] = {0, EVENTS / 4, EVENTS}, end[] = {EVENTS / 4, EVENTS};
    struct od_training large = {
        .user_count = 2, .user_start = start, .event_count = EVENTS, .item_count = 100000};
    f.input.training = &large;
    f.input.memory_bytes = 0;
    struct od_part_task task = {.input = &f.input, .end = end};
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.candidates, 2048);
    assert_int_equal(s.plan.width, 64); /* there is no room for one pass of 128 */
    assert_int_equal(s.plan.epochs, 1);
    assert_true(s.end[0] == EVENTS / 4 && s.end[1] == start[1]); /* nor of 64: one is left out */
    od_seq_setting_done(&s);
    start[1] = end[0] = FEWER;
    start[2] = end[1] = 2 * FEWER;
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.width, 128);
    assert_true(s.plan.epochs > 4);
    od_seq_setting_done(&s);
    large.item_count = 3000000; /* vectors of 1.4 GiB */
    assert_int_equal(od_seq_setting_make(&task, &wish, &s, NULL), OD_OK);
    assert_int_equal(s.plan.width, 64);
    od_seq_setting_done(&s);
    f.input.training = f.training;
    tear_down(&f);
}

struct spans {
    double last, of_network;
};

static enum od_status add_span(void *context, double fraction, const char *stage)
{
    struct spans *s = context;
    s->of_network += strncmp(stage, "epoch ", 6) == 0 ? fraction - s->last : 0;
    s->last = fraction;
    return OD_OK;
}

/* Who watches a training sees how long it will take: most of it is the network's. */
static void most_of_the_progress_is_the_networks(void **state)
{
    (void)state;
    struct od_training *t = walks(USERS, 0);
    struct fitted f;
    struct spans spans = {0};
    fitted_init(&f, "aws-user-personalization-v2", t);
    f.input.progress = (struct od_progress){add_span, &spans};
    assert_int_equal(fitted_run(&f, false), OD_OK);
    assert_true(spans.of_network > .6);
    fitted_done(&f);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(learns_an_order_and_goes_on_from_a_lesson),
        cmocka_unit_test(a_lesson_keeps_its_width),
        cmocka_unit_test(same_bytes_for_any_number_of_threads),
        cmocka_unit_test(damaged_images_are_refused),
        cmocka_unit_test(a_strange_lesson_is_refused),
        cmocka_unit_test(plans_follow_the_data),
        cmocka_unit_test(large_data_are_learnt_faster),
        cmocka_unit_test(most_of_the_progress_is_the_networks),
    };
    return cmocka_run_group_tests_name("recipes/seq_part", tests, NULL, NULL);
}
