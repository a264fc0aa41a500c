/* What metric attributions counted: totals, open cells, and reports that wait to be written. */
#include "store/fixture.inc"

#define PLACE OD_STR("s3://bucket/reports")

static struct od_attribution_cell cell(int64_t period_s, const char *metric, const char *source,
                                       double value)
{
    return (struct od_attribution_cell){.period_s = period_s,
                                        .metric = str(metric),
                                        .source = str(source),
                                        .event_type = OD_STR("click"),
                                        .math_function = OD_STR("sum"),
                                        .value = value};
}

static void add(struct fixture *f, int64_t attribution, struct od_attribution_cell c, bool open)
{
    begin(f);
    ok(f, od_attribution_add(f->store, attribution, &c, open, &f->err));
    commit(f);
}

static void seal(struct fixture *f, int64_t attribution, int64_t now_s)
{
    begin(f);
    ok(f, od_attribution_seal(f->store, attribution, PLACE, now_s, &f->err));
    commit(f);
}

/* Totals as "metric/source=value ..." */
static void expect_totals(struct fixture *f, int64_t attribution, const char *expect)
{
    struct od_attribution_cell *cells;
    size_t count;
    struct od_buf text;
    od_buf_init(&text, 1 << 16);
    od_buf_puts(&text, "");
    ok(f, od_attribution_totals(f->store, attribution, &f->arena, &cells, &count, &f->err));
    for (size_t i = 0; i < count; i++)
        od_buf_printf(&text, "%s%.*s/%.*s=%g", i ? " " : "", OD_STR_ARG(cells[i].metric),
                      OD_STR_ARG(cells[i].source), cells[i].value);
    assert_string_equal(text.ptr ? text.ptr : "", expect);
    od_buf_done(&text);
}

static enum od_status note(void *context, const struct od_attribution_cell *c)
{
    od_buf_printf(context, "%lld:%.*s/%.*s=%g ", (long long)c->period_s, OD_STR_ARG(c->metric),
                  OD_STR_ARG(c->source), c->value);
    assert_text(c->event_type, "click");
    assert_text(c->math_function, "sum");
    return OD_OK;
}

static struct od_attribution_report *reports(struct fixture *f, size_t expect)
{
    struct od_attribution_report *list;
    size_t count;
    ok(f, od_attribution_reports(od_store_as_reader(f->store), &f->arena, &list, &count, &f->err));
    assert_int_equal(count, expect);
    return list;
}

static void expect_cells(struct fixture *f, const struct od_attribution_report *report,
                         const char *expect)
{
    struct od_buf text;
    od_buf_init(&text, 1 << 16);
    ok(f, od_attribution_cells(od_store_as_reader(f->store), report, note, &text, &f->err));
    assert_string_equal(text.ptr ? text.ptr : "", expect);
    od_buf_done(&text);
}

static void totals_add_up_and_survive_a_restart(void **state)
{
    struct fixture *f = *state;
    add(f, 1, cell(900, "m", "a", 2), true);
    add(f, 1, cell(1800, "m", "a", 0.5), true);
    add(f, 1, cell(900, "m", "b", -1), false);
    add(f, 2, cell(900, "m", "a", 100), true);
    reopen(f);
    expect_totals(f, 1, "m/a=2.5 m/b=-1");
    begin(f);
    ok(f, od_attribution_drop_totals(f->store, 1, OD_STR("m"), &f->err));
    commit(f);
    expect_totals(f, 1, "");
    expect_totals(f, 2, "m/a=100");
}

static void what_is_rolled_back_was_never_counted(void **state)
{
    struct fixture *f = *state;
    struct od_attribution_cell c = cell(900, "m", "a", 2);
    begin(f);
    ok(f, od_attribution_add(f->store, 1, &c, true, &f->err));
    od_store_rollback(f->store);
    expect_totals(f, 1, "");
    seal(f, 1, 1000);
    reports(f, 0);
}

static void report_holds_what_was_open_when_it_was_sealed(void **state)
{
    struct fixture *f = *state;
    add(f, 1, cell(1800, "m", "b", 1), true);
    add(f, 1, cell(900, "n", "a", 4), true);
    add(f, 1, cell(1800, "m", "a", 2), true);
    add(f, 1, cell(1800, "m", "a", 3), true);
    add(f, 1, cell(900, "closed", "a", 9), false);
    add(f, 2, cell(900, "m", "other", 9), true);
    seal(f, 1, 5000);
    add(f, 1, cell(1800, "m", "a", 7), true);
    reopen(f);
    struct od_attribution_report *first = reports(f, 1);
    assert_int_equal(first->attribution, 1);
    assert_int_equal(first->stamp_s, 5000);
    assert_text(first->location, "s3://bucket/reports");
    expect_cells(f, first, "900:n/a=4 1800:m/a=5 1800:m/b=1 ");
    seal(f, 1, 6000);
    expect_cells(f, &reports(f, 2)[1], "1800:m/a=7 ");
}

static void written_report_is_forgotten_with_its_cells_alone(void **state)
{
    struct fixture *f = *state;
    add(f, 1, cell(900, "m", "a", 1), true);
    seal(f, 1, 5000);
    add(f, 1, cell(900, "m", "a", 2), true);
    struct od_attribution_report *first = reports(f, 1);
    for (int twice = 0; twice < 2; twice++) {
        begin(f);
        ok(f, od_attribution_written(f->store, first, &f->err));
        commit(f);
        reports(f, 0);
    }
    expect_cells(f, first, "");
    expect_totals(f, 1, "m/a=3");
    seal(f, 1, 6000);
    expect_cells(f, reports(f, 1), "900:m/a=2 ");
}

static void no_two_stamps_are_equal_whatever_the_clock_says(void **state)
{
    struct fixture *f = *state;
    static const int64_t now[] = {100, 100, 50, 200}, expect[] = {100, 101, 102, 200};
    for (size_t i = 0; i < 4; i++) {
        int64_t stamp_s;
        begin(f);
        ok(f, od_attribution_stamp(f->store, now[i], &stamp_s, &f->err));
        commit(f);
        assert_int_equal(stamp_s, expect[i]);
        reopen(f);
    }
}

#define T(test) cmocka_unit_test_setup_teardown(test, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(totals_add_up_and_survive_a_restart),
        T(what_is_rolled_back_was_never_counted),
        T(report_holds_what_was_open_when_it_was_sealed),
        T(written_report_is_forgotten_with_its_cells_alone),
        T(no_two_stamps_are_equal_whatever_the_clock_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
