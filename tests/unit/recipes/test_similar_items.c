/* aws-similar-items: the logit, cold items, parameters, damaged images, threads. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "fitted.h"
#include "recipes/registry.h"
#include "recipes/similar.h"
#include "shelf.h"
#include "toy.h"

static void the_logit_finds_the_weights_of_choices(void **state)
{
    (void)state;
    enum { CASES = 4000, CHOICES = 6 };
    struct od_random rng;
    od_random_init(&rng, 1);
    float *x = malloc(CASES * CHOICES * 3 * sizeof *x);
    const double truth[] = {1.5, -0.7, 0};
    for (size_t c = 0; c < CASES; c++) {
        float *of = x + c * CHOICES * 3;
        size_t best = 0;
        double most = -INFINITY;
        for (size_t a = 0; a < CHOICES; a++) {
            double utility = -log(od_random_exponential(&rng)); /* Gumbel */
            for (int i = 0; i < 3; i++) {
                of[3 * a + (size_t)i] = i == 2 ? 0 : (float)od_random_normal(&rng);
                utility += truth[i] * of[3 * a + (size_t)i];
            }
            if (utility > most) {
                most = utility;
                best = a;
            }
        }
        for (int i = 0; i < 3; i++) { /* the chosen one comes first */
            float swap = of[i];
            of[i] = of[3 * best + (size_t)i];
            of[3 * best + (size_t)i] = swap;
        }
    }
    double w[3];
    od_similar_logit(x, CASES, CHOICES, w);
    assert_true(fabs(w[0] - 1.5) < 0.1 && fabs(w[1] + 0.7) < 0.1);
    assert_true(w[2] == 0); /* never varies */
    free(x);
}

#define GENRES ",{\"name\":\"GENRES\",\"type\":[\"null\",\"string\"],\"categorical\":true}"

/* 200 users walk rings of ten items: i goes to i + 1 within its ring. Rings 0 to 3 have genres of
 * their own; items 40 to 43 have a record alone, of genre 0 to 3; 44 has an empty one. */
static struct od_training *rings(struct shelf *s)
{
    struct od_training_builder *b = od_training_builder_new(NULL);
    struct od_random rng;
    od_random_init(&rng, 2);
    for (unsigned u = 0; u < 200; u++) {
        unsigned ring = (unsigned)od_random_below(&rng, 4),
                 at = (unsigned)od_random_below(&rng, 10);
        for (unsigned k = 0; k < 8; k++) {
            unsigned item = od_random_below(&rng, 10) ? ring * 10 + (at + k) % 10
                                                      : (unsigned)od_random_below(&rng, 40);
            toy_add(b, u, item, 100 * u + k);
        }
    }
    shelf_init(s, GENRES);
    for (unsigned i = 0; i < 45; i++) {
        char id[8], genre[8];
        snprintf(id, sizeof id, "i%05u", i);
        snprintf(genre, sizeof genre, "g%u", i < 40 ? i / 10 : i - 40);
        const char *cell = i < 44 ? genre : NULL;
        shelf_put(s, id, &cell);
    }
    struct od_training *t = toy_finish(b);
    t->item_table = s->table;
    return t;
}

static void the_next_of_the_ring_is_nearest(void **state)
{
    (void)state;
    struct shelf s;
    struct od_training *t = rings(&s);
    struct fitted f;
    fitted_init(&f, "aws-similar-items", t);
    assert_int_equal(fitted_run(&f, true), OD_OK);
    float scores[64];
    for (unsigned i = 0; i < 40; i++) {
        char id[8];
        snprintf(id, sizeof id, "i%05u", i);
        assert_true(fitted_scores(&f, id, 0, scores));
        assert_true(scores[i] == -INFINITY);
        assert_int_equal(fitted_best(scores, 45), i / 10 * 10 + (i + 1) % 10);
    }
    assert_true(*od_metrics_find(&f.metrics, "mean_reciprocal_rank_at_25") > 0.5);
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static void an_item_with_a_record_alone_is_found_by_it(void **state)
{
    (void)state;
    struct shelf s;
    struct od_training *t = rings(&s);
    struct fitted f;
    fitted_init(&f, "aws-similar-items", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    float scores[64], other[64];
    assert_true(fitted_scores(&f, "i00042", 0, scores));
    assert_int_equal(fitted_best(scores, 45) / 10, 2);
    assert_true(fitted_scores(&f, "i00007", 0, scores));
    assert_true(scores[40] > scores[41] && scores[40] > scores[44]); /* and it is listed */
    assert_false(fitted_scores(&f, "i00044", 0, scores));            /* nothing is known */
    assert_false(fitted_scores(&f, "unheard of", 0, other));
    assert_true(scores[44] == -INFINITY && other[44] < 0 && other[44] > -INFINITY);
    assert_int_equal(fitted_best(scores, 45), fitted_best(other, 45)); /* popular items */
    fitted_done(&f);
    od_training_free(t);
    shelf_done(&s);
}

static void the_discount_and_the_dimensions_have_effect(void **state)
{
    (void)state;
    struct shelf s;
    struct od_training *t = rings(&s);
    struct fitted plain, discounted, narrow;
    fitted_init(&plain, "aws-similar-items", t);
    assert_int_equal(fitted_run(&plain, false), OD_OK);
    fitted_init(&discounted, "aws-similar-items", t);
    fitted_set(&discounted, "popularity_discount_factor", "1");
    assert_int_equal(fitted_run(&discounted, false), OD_OK);
    fitted_init(&narrow, "aws-similar-items", t);
    fitted_set(&narrow, "item_id_hidden_dim", "30");
    assert_int_equal(fitted_run(&narrow, false), OD_OK);
    struct od_str dim;
    assert_true(od_image_section(&plain.model.image, "id.dim", &dim));
    assert_int_equal(*(const uint32_t *)dim.ptr, 40); /* 100 asked, as many as there are */
    assert_true(od_image_section(&narrow.model.image, "id.dim", &dim));
    assert_int_equal(*(const uint32_t *)dim.ptr, 30);
    assert_true(od_image_section(&plain.model.image, "meta.dim", &dim));
    assert_int_equal(*(const uint32_t *)dim.ptr, 4);
    float a[64], b[64];
    fitted_scores(&plain, "i00003", 0, a);
    fitted_scores(&discounted, "i00003", 0, b);
    assert_true(b[40] == a[40]);   /* no user at all: divided by 1 */
    assert_true(b[4] < a[4] / 20); /* some forty users */
    fitted_done(&plain);
    fitted_done(&discounted);
    fitted_done(&narrow);
    od_training_free(t);
    shelf_done(&s);
}

static void tables_without_anything_still_train(void **state)
{
    (void)state;
    struct od_training *t = toy_random(60, 20, 6, 8); /* no item table */
    struct fitted f;
    float scores[32];
    fitted_init(&f, "aws-similar-items", t);
    assert_int_equal(fitted_run(&f, true), OD_OK);
    assert_true(fitted_scores(&f, "i00000", 0, scores));
    for (uint32_t i = 1; i < t->item_count; i++)
        assert_true(isfinite(scores[i]) && scores[i] > 0);
    fitted_done(&f);
    od_training_free(t);
    t = toy_finish(od_training_builder_new(NULL)); /* no event */
    fitted_init(&f, "aws-similar-items", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    assert_int_equal(f.model.recipe->items(f.model.model)->count, 0);
    fitted_done(&f);
    od_training_free(t);
}

static void one_thread_or_two_write_the_same_image(void **state)
{
    (void)state;
    struct shelf s;
    struct od_training *t = rings(&s);
    struct fitted f[2];
    for (unsigned k = 0; k < 2; k++) {
        fitted_init(&f[k], "aws-similar-items", t);
        f[k].input.threads = k + 1;
        assert_int_equal(fitted_run(&f[k], false), OD_OK);
    }
    assert_int_equal(f[0].model.image.bytes.len, f[1].model.image.bytes.len);
    assert_memory_equal(f[0].model.bytes, f[1].model.bytes, f[0].model.image.bytes.len);
    fitted_done(&f[0]);
    fitted_done(&f[1]);
    od_training_free(t);
    shelf_done(&s);
}

static void a_pair_outside_the_catalogue_is_refused(void **state)
{
    (void)state;
    struct od_training *t = toy_random(60, 20, 6, 8);
    struct fitted f;
    fitted_init(&f, "aws-similar-items", t);
    assert_int_equal(fitted_run(&f, false), OD_OK);
    struct od_str items;
    assert_true(od_image_section(&f.model.image, "pair.item", &items));
    uint32_t *first = (uint32_t *)(uintptr_t)items.ptr, kept = *first;
    *first = 20;
    struct od_model *model;
    struct od_error err;
    assert_int_equal(f.model.recipe->open(&f.model.image, &model, &err), OD_CORRUPT);
    *first = kept;
    fitted_done(&f);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_logit_finds_the_weights_of_choices),
        cmocka_unit_test(the_next_of_the_ring_is_nearest),
        cmocka_unit_test(an_item_with_a_record_alone_is_found_by_it),
        cmocka_unit_test(the_discount_and_the_dimensions_have_effect),
        cmocka_unit_test(tables_without_anything_still_train),
        cmocka_unit_test(one_thread_or_two_write_the_same_image),
        cmocka_unit_test(a_pair_outside_the_catalogue_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
