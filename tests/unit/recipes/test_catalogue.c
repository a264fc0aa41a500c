/* The catalogue: items of events and items of records, in one byte order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdlib.h>

#include "recipes/catalogue.h"
#include "shelf.h"
#include "toy.h"

static void records_add_items_and_events_keep_theirs(void **state)
{
    (void)state;
    struct od_training_builder *b = od_training_builder_new(NULL);
    toy_add(b, 0, 3, 1);
    toy_add(b, 0, 1, 2);
    struct od_training *t = toy_finish(b);
    struct shelf s;
    shelf_init(&s, ",{\"name\":\"X\",\"type\":[\"null\",\"int\"]}");
    const char *cell = "1";
    const char *ids[] = {"i00009", "i00002", "i00003", "a"};
    for (int i = 0; i < 4; i++)
        shelf_put(&s, ids[i], &cell);
    uint32_t row; /* an id without a record adds nothing */
    assert_int_equal(od_table_row(s.table, OD_STR("b"), &row), OD_OK);
    t->item_table = s.table;
    struct od_catalogue c;
    assert_int_equal(od_catalogue_make(t, &c, NULL), OD_OK);
    const char *expected[] = {"a", "i00001", "i00002", "i00003", "i00009"};
    assert_int_equal(c.training.item_count, 5);
    for (uint32_t i = 0; i < 5; i++)
        assert_true(od_str_eq_c(od_dict_text(c.training.items, i), expected[i]));
    assert_int_equal(c.training.item[0], 3);
    assert_int_equal(c.training.item[1], 1);
    assert_int_equal(c.training.event_count, 2);
    od_catalogue_done(&c);
    shelf_done(&s);
    od_training_free(t);
}

static void without_new_records_nothing_is_copied(void **state)
{
    (void)state;
    struct od_training *t = toy_random(5, 5, 5, 1);
    struct od_catalogue c;
    assert_int_equal(od_catalogue_make(t, &c, NULL), OD_OK);
    assert_ptr_equal(c.training.item, t->item);
    assert_ptr_equal(c.training.items, t->items);
    od_catalogue_done(&c);
    od_training_free(t);
    t = toy_finish(od_training_builder_new(NULL));
    assert_int_equal(od_catalogue_make(t, &c, NULL), OD_OK);
    assert_int_equal(c.training.item_count, 0);
    od_catalogue_done(&c);
    od_training_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_add_items_and_events_keep_theirs),
        cmocka_unit_test(without_new_records_nothing_is_copied),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
