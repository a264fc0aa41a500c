/* Parts of models fitted on toys, and their images. */
#ifndef OD_TESTS_RECIPES_TOY_PART_H
#define OD_TESTS_RECIPES_TOY_PART_H

#include <string.h>

#include "recipes/part.h"
#include "toy.h"

static inline enum od_status toy_put(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

struct toy_bytes {
    char *ptr;
    size_t len;
};

static inline struct toy_bytes toy_image(struct od_image_writer *writer)
{
    struct od_buf out;
    od_buf_init(&out, 1 << 26);
    assert_int_equal(od_image_finish(writer, toy_put, &out), OD_OK);
    od_image_writer_free(writer);
    struct toy_bytes b = {aligned_alloc(64, (out.len + 63) & ~(size_t)63), out.len};
    assert_non_null(b.ptr);
    memcpy(b.ptr, out.ptr, out.len);
    od_buf_done(&out);
    return b;
}

/* Users like one of four groups of items. */
static inline struct od_training *toy_groups(void)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 3);
    for (unsigned u = 0; u < 300; u++)
        for (unsigned k = 0; k < 8; k++)
            toy_add(b, u, (unsigned)(u % 4 * 20 + od_random_below(&rng, 20)), k);
    return toy_finish(b);
}

/* Fits by judges, then with the lesson alone; returns the second image and whether they agree. */
static inline struct toy_bytes toy_fit_twice(const struct od_part *part, struct od_training *t,
                                             unsigned threads, bool *out_same)
{
    uint64_t *end = malloc(t->user_count * sizeof *end);
    struct od_judge *judges = malloc(t->user_count * sizeof *judges);
    assert_true(end && judges);
    for (uint32_t u = 0; u < t->user_count; u++) {
        end[u] = t->user_start[u + 1] - 1;
        judges[u] = (struct od_judge){t->user_start[u], end[u]};
    }
    struct od_train_input input = {.training = t, .seed = 7, .threads = threads};
    struct od_part_task task = {
        .input = &input, .end = end, .judges = judges, .judge_count = t->user_count};
    struct od_buf lesson, again;
    od_buf_init(&lesson, 4096);
    od_buf_init(&again, 4096);
    struct od_error err = {0};
    struct toy_bytes image[2];
    for (int way = 0; way < 2; way++) {
        struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
        if (part->fit(&task, writer, way ? &again : &lesson, &err) != OD_OK)
            fail_msg("%s", err.message);
        image[way] = toy_image(writer);
        task.judge_count = 0;
        task.lesson = od_buf_view(&lesson);
    }
    *out_same = image[0].len == image[1].len &&
                memcmp(image[0].ptr, image[1].ptr, image[0].len) == 0 &&
                od_str_eq(od_buf_view(&lesson), od_buf_view(&again));
    free(image[0].ptr);
    od_buf_done(&lesson);
    od_buf_done(&again);
    free(end);
    free(judges);
    return image[1];
}

/* Checks that judges and lessons agree, for any number of threads; returns the image. */
static inline struct toy_bytes toy_fit_steadily(const struct od_part *part, struct od_training *t)
{
    struct toy_bytes b[2];
    for (unsigned i = 0; i < 2; i++) {
        bool same;
        b[i] = toy_fit_twice(part, t, i + 1, &same);
        assert_true(same);
    }
    assert_int_equal(b[0].len, b[1].len);
    assert_memory_equal(b[0].ptr, b[1].ptr, b[0].len);
    free(b[1].ptr);
    return b[0];
}

static inline void toy_refuses_lessons(const struct od_part *part, const char *const *lesson,
                                       size_t count)
{
    struct od_training *t = toy_groups();
    struct od_train_input input = {.training = t, .threads = 1};
    for (size_t k = 0; k < count; k++) {
        struct od_part_task task = {
            .input = &input, .end = t->user_start + 1, .lesson = od_str_c(lesson[k])};
        struct od_image_writer *writer = od_image_writer_new(OD_STR("toy"), 1);
        struct od_buf out;
        od_buf_init(&out, 4096);
        assert_int_equal(part->fit(&task, writer, &out, NULL), OD_CORRUPT);
        od_buf_done(&out);
        od_image_writer_free(writer);
    }
    od_training_free(t);
}

#endif
