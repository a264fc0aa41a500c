/* Models in vector form: what is refused at open, and both recipes' vectors against their scores.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>

#include "math/topk.h"
#include "recipes/registry.h"
#include "recipes/vector_image.inc"

enum { ITEMS = 150, DIMS = 20 };

static enum od_status put_bytes(void *to, const void *bytes, size_t len)
{
    od_buf_put(to, bytes, len);
    return od_buf_status(to);
}

/* The image in aligned memory, of the caller. */
static struct od_str make_image(struct vector_model *m)
{
    struct od_random rng;
    struct od_buf bytes;
    struct od_dict *ids = od_dict_new();
    struct od_image_writer *writer = od_image_writer_new(OD_STR("ondol-external-vectors"), 1);
    char id[16];
    uint32_t code;
    od_random_init(&rng, 4);
    for (uint32_t i = 0; i < ITEMS; i++) {
        snprintf(id, sizeof id, "i%05u", i);
        assert_int_equal(od_dict_add(ids, od_str_c(id), &code), OD_OK);
    }
    vector_model_init(m, ITEMS, DIMS, V_LENGTHS, 80, &rng);
    vector_model_add(m, ids, writer);
    od_buf_init(&bytes, SIZE_MAX);
    assert_int_equal(od_image_finish(writer, put_bytes, &bytes), OD_OK);
    struct od_str view = od_buf_view(&bytes);
    char *copy = aligned_alloc(64, (view.len + 63) & ~(size_t)63);
    memcpy(copy, view.ptr, view.len);
    od_buf_done(&bytes);
    od_image_writer_free(writer);
    od_dict_free(ids);
    return (struct od_str){copy, view.len};
}

static void give_back(struct vector_model *m, struct od_str bytes)
{
    vector_model_done(m);
    free((char *)(uintptr_t)bytes.ptr);
}

/* Opens the image without looking at checksums, as if it had been made so on purpose. */
static void open_refused(struct od_str bytes, const char *words)
{
    struct od_image image;
    struct od_model *model;
    struct od_error err = {0};
    assert_int_equal(od_image_open(bytes, false, &image, &err), OD_OK);
    const struct od_recipe *recipe = od_recipe_find(image.recipe);
    assert_int_equal(recipe->open(&image, &model, &err), OD_CORRUPT);
    if (!strstr(err.message, words))
        fail_msg("\"%s\" lacks \"%s\"", err.message, words);
}

/* Copies the sections of an image, but `name` with other bytes; NULL bytes: without it. */
static void check_replaced(struct od_str from, const char *name, const void *bytes, size_t len,
                           const char *words)
{
    struct od_image image;
    struct od_buf out;
    struct od_image_writer *writer = od_image_writer_new(OD_STR("ondol-external-vectors"), 1);
    assert_int_equal(od_image_open(from, true, &image, NULL), OD_OK);
    for (uint32_t i = 0; i < image.section_count; i++) {
        struct od_str section_name = od_image_section_name(&image, i), section;
        assert_true(od_image_section(&image, section_name.ptr, &section));
        bool other = od_str_eq_c(section_name, name);
        if (!other || bytes)
            assert_int_equal(od_image_add(writer, section_name.ptr, other ? bytes : section.ptr,
                                          other ? len : section.len, false),
                             OD_OK);
    }
    od_buf_init(&out, SIZE_MAX);
    assert_int_equal(od_image_finish(writer, put_bytes, &out), OD_OK);
    struct od_str view = od_buf_view(&out);
    char *copy = aligned_alloc(64, (view.len + 63) & ~(size_t)63);
    memcpy(copy, view.ptr, view.len);
    open_refused((struct od_str){copy, view.len}, words);
    free(copy);
    od_buf_done(&out);
    od_image_writer_free(writer);
}

static void a_section_that_is_missing_or_of_another_size_is_refused(void **state)
{
    (void)state;
    static const char *const names[] = {"vectors.dim",   "vectors.rows",   "vectors.cells",
                                        "vectors.steps", "vectors.bounds", "vectors.order",
                                        "vectors.set",   "vectors.center", "decay"};
    struct vector_model m;
    struct od_str bytes = make_image(&m), section;
    struct od_image image;
    assert_int_equal(od_image_open(bytes, true, &image, NULL), OD_OK);
    for (size_t n = 0; n < sizeof names / sizeof *names; n++) {
        assert_true(od_image_section(&image, names[n], &section));
        check_replaced(bytes, names[n], NULL, 0, names[n]);
        check_replaced(bytes, names[n], section.ptr, section.len - 1, names[n]);
    }
    check_replaced(bytes, "vectors.steps", NULL, 0, "train the solution version again");
    give_back(&m, bytes);
}

static void claims_that_cannot_be_are_refused(void **state)
{
    (void)state;
    struct vector_model m;
    struct od_str bytes = make_image(&m), section;
    struct od_image image;
    uint32_t dims = OD_SCAN_DIMS + 1;
    assert_int_equal(od_image_open(bytes, true, &image, NULL), OD_OK);
    check_replaced(bytes, "vectors.dim", &dims, sizeof dims, "4097 dimensions");
    dims = DIMS + 4;
    check_replaced(bytes, "vectors.dim", &dims, sizeof dims, "vectors.cells");

    uint32_t order[ITEMS];
    assert_true(od_image_section(&image, "vectors.order", &section));
    memcpy(order, section.ptr, sizeof order);
    order[3] = order[4];
    check_replaced(bytes, "vectors.order", order, sizeof order, "inverse");
    memcpy(order, section.ptr, sizeof order);
    order[3] = ITEMS;
    check_replaced(bytes, "vectors.order", order, sizeof order, "inverse");

    float bounds[3 * 2];
    assert_true(od_image_section(&image, "vectors.bounds", &section));
    assert_int_equal(section.len, sizeof bounds);
    memcpy(bounds, section.ptr, sizeof bounds);
    bounds[0] = NAN;
    check_replaced(bytes, "vectors.bounds", bounds, sizeof bounds, "bounds");

    uint16_t *rows = malloc(ITEMS * od_scan_width(DIMS) * sizeof *rows);
    for (size_t i = 0; i < 2; i++) {
        memcpy(rows, m.rows, ITEMS * od_scan_width(DIMS) * sizeof *rows);
        rows[77] = i ? 0xfe00 : 0x3c01; /* NaN; the next after 1 */
        check_replaced(bytes, "vectors.rows", rows, ITEMS * od_scan_width(DIMS) * sizeof *rows,
                       "beyond what training writes");
    }
    free(rows);

    float steps[3] = {1, 1, INFINITY};
    check_replaced(bytes, "vectors.steps", steps, sizeof steps, "steps");
    steps[2] = 0;
    check_replaced(bytes, "vectors.steps", steps, sizeof steps, "steps");
    give_back(&m, bytes);
}

/* Which items the query's vector finds, and the order of the rest, are those of score. */
static void vectors_say_what_scores_say(void **state)
{
    (void)state;
    static const struct od_recipe *const recipes[] = {&od_recipe_external_vectors,
                                                      &od_recipe_semantic_similarity};
    struct vector_model m;
    struct od_str bytes = make_image(&m);
    for (size_t r = 0; r < 2; r++) {
        struct od_image image;
        struct od_model *model;
        struct od_arena arena;
        assert_int_equal(od_image_open(bytes, true, &image, NULL), OD_OK);
        assert_int_equal(recipes[r]->open(&image, &model, NULL), OD_OK);
        const struct od_vector_form *form = recipes[r]->vectors(model);
        for (uint32_t item = 0; item < ITEMS; item++) {
            struct od_past_event event = {.item = item};
            struct od_query query = {.events = &event, .event_count = 1, .item = item};
            float scores[ITEMS], u[DIMS];
            uint32_t best[ITEMS], expected[ITEMS];
            uint64_t scratch[2000];
            enum od_vector_kind kind;
            bool personal;
            od_arena_init(&arena, SIZE_MAX);
            assert_int_equal(recipes[r]->score(model, &query, &arena, scores, &personal, NULL),
                             OD_OK);
            assert_int_equal(recipes[r]->vector(model, &query, u, &kind, NULL), OD_OK);
            assert_int_equal(kind, personal ? OD_BY_VECTOR : OD_BY_ORDER);
            if (r == 0)
                assert_int_equal(personal, od_bitmap_get(m.present, item));
            else /* asked about */
                scores[item] = -INFINITY;
            size_t n = od_topk(&od_kernels_reference, scores, ITEMS, NULL, ITEMS, scratch,
                               expected),
                   at = 0;
            struct od_scan_query scan = {
                .vector = u, .keep = form->present, .k = personal ? ITEMS : 0, .out = best};
            assert_int_equal(od_scan_best(od_scan_kernels_best(), &form->matrix, &scan, 1, &arena),
                             OD_OK);
            for (uint32_t i = 0; i < scan.found; i++)
                if (r == 0 || best[i] != item)
                    assert_int_equal(best[i], expected[at++]);
            for (uint32_t i = 0; i < ITEMS; i++) {
                uint32_t next = form->order[i];
                bool later = !personal || (form->present && !od_bitmap_get(form->present, next));
                if (later && (r == 0 || next != item))
                    assert_int_equal(next, expected[at++]);
            }
            assert_int_equal(at, n);
            od_arena_done(&arena);
        }
        recipes[r]->close(model);
    }
    give_back(&m, bytes);
}

/* Influence orders the best anew: scores alone know. */
static void influence_is_no_vector(void **state)
{
    (void)state;
    struct vector_model m;
    struct od_str bytes = make_image(&m);
    struct od_image image;
    struct od_model *model;
    float u[DIMS];
    enum od_vector_kind kind;
    assert_int_equal(od_image_open(bytes, true, &image, NULL), OD_OK);
    const struct od_recipe *recipe = &od_recipe_semantic_similarity;
    assert_int_equal(recipe->open(&image, &model, NULL), OD_OK);
    struct od_query query = {.item = 0, .freshness_influence = 0.1f};
    assert_int_equal(recipe->vector(model, &query, u, &kind, NULL), OD_OK);
    assert_int_equal(kind, OD_BY_SCORE);
    recipe->close(model);
    give_back(&m, bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_section_that_is_missing_or_of_another_size_is_refused),
        cmocka_unit_test(claims_that_cannot_be_are_refused),
        cmocka_unit_test(vectors_say_what_scores_say),
        cmocka_unit_test(influence_is_no_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
