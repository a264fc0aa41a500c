/* Counting and reporting on a store of its own, with a clock that stands where the test puts it. */
#include "store/fixture.inc"

#include <pthread.h>

#include "api/attach.h"
#include "api/attribution_inner.h"

#define GROUP OD_STR("arn:aws:personalize:us-east-1:1:dataset-group/g")
#define ARN   OD_STR("arn:aws:personalize:us-east-1:1:metric-attribution/a")
#define DATA  OD_STR("arn:aws:personalize:us-east-1:1:dataset/g/INTERACTIONS")
#define NOON  INT64_C(1700000100) /* a whole number of quarters of hours since 1970 */

static int64_t clock_ms;

static int64_t now_ms(const struct od_io *unused)
{
    (void)unused;
    return clock_ms;
}

struct world {
    struct fixture *f;
    struct od_io io;
    struct od_app app;
    struct od_call call;
};

static const char extra[] = "{\"lastNumber\":2,\"metrics\":["
                            "{\"number\":1,\"metricName\":\"views\",\"eventType\":\"View\","
                            "\"expression\":\"SAMPLECOUNT()\"},"
                            "{\"number\":2,\"metricName\":\"paid\",\"eventType\":\"buy\","
                            "\"expression\":\"SUM(Interactions.EVENT_VALUE)\"}]}";

static void attach(struct world *w, const char *config)
{
    struct od_resource resource = {.arn = ARN,
                                   .kind = OD_STR("metric-attribution"),
                                   .name = OD_STR("a"),
                                   .group = GROUP,
                                   .status = OD_STR("ACTIVE"),
                                   .body = od_str_c(config),
                                   .extra = od_str_c(extra)};
    begin(w->f);
    ok(w->f, od_catalog_insert(w->f->store, &resource, &w->f->err));
    commit(w->f);
    ok(w->f, od_catalog_get(w->f->store, ARN, &w->f->arena, &resource, &w->f->err));
    assert_int_equal(od_attach_attribution(&w->call, &resource), OD_OK);
}

static void open_world(struct world *w, struct fixture *f)
{
    *w = (struct world){.f = f, .io = od_io_real};
    clock_ms = NOON * 1000;
    w->io.now_ms = now_ms;
    w->app = (struct od_app){.io = &w->io,
                             .store = f->store,
                             .serve = od_serve_new(&w->io),
                             .attributions = od_attributions_new(),
                             .config = {.io = &w->io, .attribution_report_s = 900}};
    od_call_internal(&w->call, &w->app, &f->arena);
}

static void close_world(struct world *w)
{
    od_attributions_free(w->app.attributions);
    od_serve_free(w->app.serve);
}

/* A batch like that of one PutEvents in a commit of its own. */
static void put(struct world *w, const char *type, const char *source, int64_t time_s, double value,
                const char *id, bool commits)
{
    struct od_events_metric_attribution attribution = {.event_attribution_source = str(source)};
    struct od_events_event in = {.event_type = str(type),
                                 .metric_attribution = source ? &attribution : NULL};
    struct od_events_put_events_request request = {.event_list = {&in, 1}};
    struct od_event event = {.user = OD_STR("u"),
                             .item = OD_STR("i"),
                             .type = str(type),
                             .event_id = str(id),
                             .time_s = time_s,
                             .arrived_ms = clock_ms,
                             .has_value = true,
                             .value = value};
    bool fresh;
    w->call.in = &request;
    begin(w->f);
    ok(w->f, od_events_append(w->f->store, DATA, &event, 1, &fresh, &w->f->err));
    assert_int_equal(od_attribution_count(&w->call, GROUP, &event, &fresh, 1), OD_OK);
    ok(w->f, od_attributions_store(&w->app, &w->f->err));
    if (commits)
        commit(w->f);
    else
        od_store_rollback(w->f->store);
    od_attributions_settle(&w->app, commits);
}

static void expect_shown(struct world *w, const char *expect)
{
    struct od_buf page, text;
    od_buf_init(&page, 1 << 20);
    od_buf_init(&text, 1 << 20);
    od_attributions_write(&w->app, &page);
    struct od_str rest = od_buf_view(&page), line;
    while (od_str_cut(&rest, '\n', &line)) {
        const char *metric = strstr(line.ptr, "metric=\"");
        if (od_str_starts(line, OD_STR("ondol_attribution{")))
            od_buf_printf(&text, "%.*s\n", (int)(line.ptr + line.len - metric), metric);
    }
    assert_string_equal(text.ptr ? text.ptr : "", expect);
    od_buf_done(&page);
    od_buf_done(&text);
}

static size_t reports(struct world *w, struct od_attribution_report **out)
{
    size_t count;
    ok(w->f, od_attribution_reports(od_store_as_reader(w->f->store), &w->f->arena, out, &count,
                                    &w->f->err));
    return count;
}

static const char with_folder[] =
    "{\"metricsOutputConfig\":{\"roleArn\":\"r\",\"s3DataDestination\":{\"path\":\"s3://b/p\"}}}";
static const char without_folder[] = "{\"metricsOutputConfig\":{\"roleArn\":\"r\"}}";

static void committed_events_are_shown_and_others_never_were(void **state)
{
    struct world w;
    open_world(&w, *state);
    attach(&w, without_folder);
    put(&w, "view", "mail", NOON, 0, "1", true);
    put(&w, "VIEW", "mail", NOON, 0, "2", true);
    put(&w, "buy", NULL, NOON, 2.5, "3", true);
    put(&w, "buy", "lost", NOON, 100, "4", false);
    put(&w, "view", "mail", NOON, 0, "1", true); /* again */
    put(&w, "rate", "mail", NOON, 0, "5", true); /* no metric's */
    expect_shown(&w, "metric=\"VIEWS\",event_type=\"VIEW\",math_function=\"samplecount\","
                     "source=\"mail\"} 2\n"
                     "metric=\"PAID\",event_type=\"BUY\",math_function=\"sum\","
                     "source=\"SOURCE_NAME_UNDEFINED\"} 2.5\n");
    close_world(&w);
}

static void age_is_counted_from_arrival(void **state)
{
    struct world w;
    struct od_attribution_report *list;
    open_world(&w, *state);
    attach(&w, with_folder);
    int64_t oldest = NOON - OD_ATTRIBUTION_AGE_S;
    put(&w, "view", "a", oldest, 0, "1", true);
    put(&w, "view", "a", INT64_MIN, 0, "2", true);
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 0);
    put(&w, "view", "a", oldest + 1, 0, "3", true);
    put(&w, "view", "a", INT64_MAX, 0, "4", true);
    clock_ms += 900 * 1000;
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 1);
    close_world(&w);
}

static void periods_begin_at_quarters_of_hours_also_before_1970(void **state)
{
    (void)state;
    assert_int_equal(od_attribution_period(NOON), NOON);
    assert_int_equal(od_attribution_period(NOON + 899), NOON);
    assert_int_equal(od_attribution_period(0), 0);
    assert_int_equal(od_attribution_period(-1), -900);
    assert_int_equal(od_attribution_period(-900), -900);
}

static void reports_are_made_once_a_period_and_only_of_news(void **state)
{
    struct world w;
    struct od_attribution_report *list;
    open_world(&w, *state);
    attach(&w, with_folder);
    od_attribution_tick(&w.app);
    put(&w, "view", "a", NOON, 0, "1", true);
    clock_ms += 899 * 1000;
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 0);
    clock_ms += 1000;
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 1);
    assert_int_equal(list[0].stamp_s, NOON + 900);
    assert_true(od_str_eq_c(list[0].location, "s3://b/p"));
    clock_ms += 900 * 1000; /* nothing new */
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 1);
    put(&w, "view", "a", NOON, 0, "2", true);
    clock_ms -= 3600 * 1000; /* somebody set the clock back */
    od_attribution_tick(&w.app);
    assert_int_equal(reports(&w, &list), 2);
    assert_int_equal(list[1].stamp_s, NOON + 901);
    close_world(&w);
}

static void sources_beyond_the_limit_are_one(void **state)
{
    (void)state;
    struct od_source_names names;
    char text[16];
    od_source_names_init(&names);
    for (uint32_t i = 0; i < OD_MAX_ATTRIBUTION_SOURCES; i++) {
        snprintf(text, sizeof text, "s%u", i);
        assert_int_equal(od_source_names_number(&names, od_str_c(text)), OD_SOURCE_OTHER + 1 + i);
    }
    assert_int_equal(od_source_names_number(&names, OD_STR("one more")), OD_SOURCE_OTHER);
    assert_int_equal(od_source_names_number(&names, OD_STR("s0")), OD_SOURCE_OTHER + 1);
    assert_int_equal(od_source_names_number(&names, OD_STR("SOURCE_NAME_UNDEFINED")),
                     OD_SOURCE_UNDEFINED);
    od_source_names_cut(&names, OD_SOURCE_OTHER + 2);
    assert_int_equal(od_source_names_number(&names, OD_STR("s5")), OD_SOURCE_OTHER + 2);
    od_source_names_cut(&names, OD_SOURCE_OTHER + 1);
}

static void totals_come_back_with_the_attribution(void **state)
{
    struct world w, again;
    struct od_resource resource;
    open_world(&w, *state);
    attach(&w, with_folder);
    put(&w, "view", "mail \"a\"", NOON, 0, "1", true);
    close_world(&w);
    open_world(&again, *state);
    ok(again.f, od_catalog_get(again.f->store, ARN, &again.f->arena, &resource, &again.f->err));
    assert_int_equal(od_attach_attribution(&again.call, &resource), OD_OK);
    put(&again, "view", "mail \"a\"", NOON, 0, "2", true);
    expect_shown(&again, "metric=\"VIEWS\",event_type=\"VIEW\",math_function=\"samplecount\","
                         "source=\"mail \\\"a\\\"\"} 2\n");
    od_detach_attribution(&again.app, ARN);
    expect_shown(&again, "");
    put(&again, "view", "x", NOON, 0, "3", true); /* nobody counts */
    close_world(&again);
}

#define T(test) cmocka_unit_test_setup_teardown(test, with_store, end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        T(committed_events_are_shown_and_others_never_were),
        T(age_is_counted_from_arrival),
        cmocka_unit_test(periods_begin_at_quarters_of_hours_also_before_1970),
        T(reports_are_made_once_a_period_and_only_of_news),
        cmocka_unit_test(sources_beyond_the_limit_are_one),
        T(totals_come_back_with_the_attribution),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
