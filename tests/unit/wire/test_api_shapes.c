/* The tables as a whole: every operation, every shape from a generated instance and back, the
 * bodies recorded from the real service, copying, and access by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "wire/gen/api_shapes.h"
#include "wire/api_internal.h"

struct kit {
    struct od_arena arena;
    struct od_error err;
    struct od_buf buf;
    _Alignas(16) char out[1024];
};

static int setup(void **state)
{
    static struct kit kit;
    memset(&kit, 0, sizeof kit);
    od_arena_init(&kit.arena, 64u << 20);
    od_buf_init(&kit.buf, 1u << 20);
    *state = &kit;
    return 0;
}

static int teardown(void **state)
{
    struct kit *kit = *state;
    od_arena_done(&kit->arena);
    od_buf_done(&kit->buf);
    return 0;
}

static const char *text_of(struct kit *kit, const struct od_shape *shape, const void *value)
{
    od_buf_clear(&kit->buf);
    od_api_write(shape, value, &kit->buf);
    assert_int_equal(od_buf_status(&kit->buf), OD_OK);
    return kit->buf.ptr;
}

/* ---- operations ---- */

static void every_operation_is_found_by_its_target_or_path(void **state)
{
    (void)state;
    assert_int_equal(OD_OP_COUNT, 79);
    for (size_t i = 0; i < OD_OP_COUNT; i++) {
        const struct od_operation *op = &od_operations[i];
        char target[100];
        snprintf(target, sizeof target, "AmazonPersonalize.%s", op->name);
        if (op->service == OD_SERVICE_PERSONALIZE) {
            assert_ptr_equal(od_operation_by_target(od_str_c(target)), op);
            assert_string_equal(op->uri, "/");
        } else {
            assert_null(od_operation_by_target(od_str_c(target)));
            assert_ptr_equal(od_operation_by_path(OD_STR("POST"), od_str_c(op->uri)), op);
        }
        assert_string_equal(op->method, "POST");
        assert_int_equal(op->input->kind, OD_SHAPE_STRUCTURE);
        assert_true(op->error_count > 0);
        bool wordless = strncmp(op->name, "Delete", 6) == 0 || strncmp(op->name, "Put", 3) == 0 ||
                        strcmp(op->name, "StopSolutionVersionCreation") == 0;
        assert_int_equal(op->output == NULL, wordless);
    }
}

static void names_match_their_enum(void **state)
{
    (void)state;
    assert_string_equal(od_operations[OD_OP_CREATE_CAMPAIGN].name, "CreateCampaign");
    assert_string_equal(od_operations[OD_OP_UPDATE_SOLUTION].name, "UpdateSolution");
    assert_string_equal(od_operations[OD_OP_GET_RECOMMENDATIONS].name, "GetRecommendations");
    assert_string_equal(od_operations[OD_OP_PUT_USERS].name, "PutUsers");
    assert_string_equal(od_operations[OD_OP_PUT_USERS].uri, "/users");
    assert_ptr_equal(od_operations[OD_OP_CREATE_CAMPAIGN].input,
                     &od_shape_personalize_create_campaign_request);
}

static void unknown_targets_and_paths(void **state)
{
    (void)state;
    const char *const targets[] = {"",
                                   "CreateCampaign",
                                   "AmazonPersonalize.",
                                   "AmazonPersonalize.createCampaign",
                                   "AmazonPersonalize.CreateCampaignX",
                                   "AmazonPersonalize.CreateCampaig",
                                   "amazonpersonalize.ListSchemas",
                                   "AmazonPersonalize.AAAA",
                                   "AmazonPersonalize.zzzz"};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_null(od_operation_by_target(od_str_c(targets[i])));
    assert_null(od_operation_by_target(OD_STR_NONE));
    struct od_str post = OD_STR("POST");
    assert_null(od_operation_by_path(post, OD_STR("/")));
    assert_null(od_operation_by_path(post, OD_STR("")));
    assert_null(od_operation_by_path(post, OD_STR("/event")));
    assert_null(od_operation_by_path(post, OD_STR("/events//")));
    assert_null(od_operation_by_path(post, OD_STR("/personalized-ranking")));
    assert_null(od_operation_by_path(OD_STR("GET"), OD_STR("/events")));
    assert_ptr_equal(od_operation_by_path(post, OD_STR("/events/")),
                     &od_operations[OD_OP_PUT_EVENTS]);
}

static void errors_carry_their_status(void **state)
{
    (void)state;
    const struct od_operation *op = &od_operations[OD_OP_PUT_ITEMS];
    assert_int_equal(op->error_count, 3);
    assert_string_equal(op->errors[1].name, "ResourceNotFoundException");
    assert_int_equal(op->errors[1].http_status, 404);
    assert_int_equal(op->errors[2].http_status, 409);
    op = &od_operations[OD_OP_CREATE_CAMPAIGN];
    for (size_t i = 0; i < op->error_count; i++)
        assert_int_equal(op->errors[i].http_status, 400);
}

/* ---- an instance of every shape ---- */

static const char *sample_text(const struct od_shape *shape)
{
    static const struct {
        bool (*matches)(struct od_str);
        const char *text;
    } samples[] = {
        {od_match_arn, "arn:aws:personalize:us-east-1:111122223333:campaign/c"},
        {od_match_role_arn, "arn:aws:iam::111122223333:role/r"},
        {od_match_kms_key_arn, "arn:aws:kms:us-east-1:111122223333:key/k"},
        {od_match_location, "s3://bucket/key"},
        {od_match_rate, "rate(7 days)"},
    };
    for (size_t i = 0; i < sizeof samples / sizeof samples[0]; i++)
        if (shape->matches == samples[i].matches)
            return samples[i].text;
    return "X";
}

static void sample_string(const struct od_shape *shape, struct od_buf *out)
{
    if (shape->value_count > 0)
        od_buf_json(out, shape->values[shape->value_count - 1]);
    else
        od_buf_json(out, od_str_c(sample_text(shape)));
}

/* Canonical JSON that fulfils the shape; full: all members, else the required ones. */
static void sample(const struct od_shape *shape, bool full, struct od_buf *out)
{
    bool first = true;
    switch (shape->kind) {
    case OD_SHAPE_STRING:
        sample_string(shape, out);
        return;
    case OD_SHAPE_INTEGER:
    case OD_SHAPE_LONG:
        od_buf_printf(out, "%lld", (long long)(shape->has_min && shape->min > 1 ? shape->min : 1));
        return;
    case OD_SHAPE_FLOAT:
    case OD_SHAPE_DOUBLE:
        od_buf_puts(out, "0.25");
        return;
    case OD_SHAPE_BOOLEAN:
        od_buf_puts(out, "false");
        return;
    case OD_SHAPE_TIMESTAMP:
        od_buf_puts(out, "1698431822.857");
        return;
    case OD_SHAPE_JSON:
        od_buf_puts(out, "\"{\\\"a\\\":1}\"");
        return;
    case OD_SHAPE_LIST:
        od_buf_char(out, '[');
        sample(shape->element, full, out);
        od_buf_char(out, ']');
        return;
    case OD_SHAPE_MAP:
        od_buf_char(out, '{');
        sample_string(shape->key, out);
        od_buf_char(out, ':');
        sample(shape->element, full, out);
        od_buf_char(out, '}');
        return;
    case OD_SHAPE_STRUCTURE:
        od_buf_char(out, '{');
        for (size_t i = 0; i < shape->member_count; i++) {
            const struct od_member *m = &shape->members[i];
            if (!full && !m->required && !m->always)
                continue;
            od_buf_puts(out, first ? "" : ",");
            first = false;
            od_buf_json(out, m->name);
            od_buf_char(out, ':');
            if (!full && !m->required)
                od_buf_puts(out, "[]");
            else
                sample(m->shape, full, out);
        }
        od_buf_char(out, '}');
        return;
    }
}

static void every_structure_binds_and_writes_back(void **state)
{
    struct kit *kit = *state;
    size_t count = 0;
    for (int service = 0; service < OD_SERVICE_COUNT; service++) {
        for (size_t i = 0; i < od_shape_indexes[service].count; i++) {
            const struct od_shape *shape = od_shape_indexes[service].shapes[i];
            if (shape->kind != OD_SHAPE_STRUCTURE)
                continue;
            for (int full = 0; full < 2; full++, count++) {
                struct od_buf body;
                struct od_json json;
                od_buf_init(&body, 1u << 20);
                sample(shape, full, &body);
                assert_true(shape->size <= sizeof kit->out);
                assert_int_equal(od_json_parse(&kit->arena, od_buf_view(&body), &json, NULL),
                                 OD_OK);
                if (od_api_bind(shape, &json, &kit->arena, kit->out, &kit->err) != OD_OK)
                    fail_msg("%s: %s\n%s", shape->name, kit->err.message, body.ptr);
                assert_string_equal(text_of(kit, shape, kit->out), body.ptr);
                od_buf_done(&body);
                od_arena_reset(&kit->arena);
            }
        }
    }
    assert_true(count > 400);
}

static void every_required_member_is_missed_by_name(void **state)
{
    struct kit *kit = *state;
    struct od_json empty;
    assert_int_equal(od_json_parse(&kit->arena, OD_STR("{}"), &empty, NULL), OD_OK);
    for (size_t i = 0; i < OD_OP_COUNT; i++) {
        const struct od_shape *shape = od_operations[i].input;
        size_t required = 0;
        for (size_t k = 0; k < shape->member_count; k++)
            required += shape->members[k].required;
        enum od_status status = od_api_bind(shape, &empty, &kit->arena, kit->out, &kit->err);
        assert_int_equal(status, required ? OD_INVALID_INPUT : OD_OK);
        for (size_t k = 0; k < shape->member_count; k++) {
            char place[100];
            snprintf(place, sizeof place, " at '%.*s'", OD_STR_ARG(shape->members[k].name));
            if (required && shape->members[k].required)
                assert_non_null(strstr(kit->err.message, place));
        }
    }
}

/* ---- writing ---- */

static void lists_of_list_responses_are_always_there(void **state)
{
    struct kit *kit = *state;
    struct od_personalize_list_campaigns_response campaigns = {0};
    struct od_personalize_list_filters_response filters = {0};
    struct od_personalize_list_tags_for_resource_response tags = {0};
    struct od_runtime_get_recommendations_response items = {0};
    struct od_runtime_get_personalized_ranking_response ranking = {0};
    struct od_runtime_get_action_recommendations_response actions = {0};
    assert_string_equal(text_of(kit, &od_shape_personalize_list_campaigns_response, &campaigns),
                        "{\"campaigns\":[]}");
    assert_string_equal(text_of(kit, &od_shape_personalize_list_filters_response, &filters),
                        "{\"Filters\":[]}");
    assert_string_equal(text_of(kit, &od_shape_personalize_list_tags_for_resource_response, &tags),
                        "{\"tags\":[]}");
    assert_string_equal(text_of(kit, &od_shape_runtime_get_recommendations_response, &items),
                        "{\"itemList\":[]}");
    assert_string_equal(text_of(kit, &od_shape_runtime_get_personalized_ranking_response, &ranking),
                        "{\"personalizedRanking\":[]}");
    assert_string_equal(
        text_of(kit, &od_shape_runtime_get_action_recommendations_response, &actions),
        "{\"actionList\":[]}");
    size_t marked = 0;
    for (size_t i = 0; i < OD_OP_COUNT; i++)
        for (size_t k = 0; od_operations[i].output && k < od_operations[i].output->member_count;
             k++)
            marked += od_operations[i].output->members[k].always;
    assert_int_equal(marked, 18 + 3); /* 17 that page, tags, and the runtime's */
}

static void absent_empty_and_odd_values(void **state)
{
    struct kit *kit = *state;
    struct od_personalize_solution s = {0};
    struct od_personalize_solution_config none = {0};
    assert_string_equal(text_of(kit, &od_shape_personalize_solution, &s), "{}");
    s.name = OD_STR("");
    s.solution_config = &none;
    s.perform_hpo = (struct od_opt_bool){true, false};
    s.creation_date_time = (struct od_opt_i64){true, 1560124800000};
    s.last_updated_date_time = (struct od_opt_i64){true, -1};
    assert_string_equal(text_of(kit, &od_shape_personalize_solution, &s),
                        "{\"name\":\"\",\"performHPO\":false,\"solutionConfig\":{},"
                        "\"creationDateTime\":1560124800.000,\"lastUpdatedDateTime\":-0.001}");
    struct od_api_string_entry no_entries[1] = {0};
    none.algorithm_hyper_parameters = (struct od_api_string_map){no_entries, 0};
    assert_string_equal(text_of(kit, &od_shape_personalize_solution_config, &none),
                        "{\"algorithmHyperParameters\":{}}");
    struct od_runtime_predicted_item item = {.item_id = OD_STR("\xC3\xA9\"\n"),
                                             .score = {true, 0.1234567}};
    assert_string_equal(text_of(kit, &od_shape_runtime_predicted_item, &item),
                        "{\"itemId\":\"\xC3\xA9\\\"\\n\",\"score\":0.1234567}");
    struct od_personalize_tag_resource_response tagged = {0};
    assert_string_equal(text_of(kit, &od_shape_personalize_tag_resource_response, &tagged), "{}");
}

static void doubles_read_back_exactly(void **state)
{
    struct kit *kit = *state;
    const double odd[] = {0.0,
                          -0.0,
                          1.0,
                          -1.0,
                          0.5,
                          1e-7,
                          -1e-7,
                          1.5e-7,
                          0.1,
                          1e-20,
                          1e20,
                          99999999,
                          1e8,
                          1e15,
                          123456.789,
                          0.0379,
                          1.0 / 3,
                          5e-324,
                          1.7976931348623157e308,
                          0.1234567,
                          99999999.9999999,
                          2.5e-8};
    struct od_personalize_solution_version v = {0};
    const char *head = "{\"trainingHours\":";
    for (size_t i = 0; i < sizeof odd / sizeof odd[0] + 200000; i++) {
        uint64_t mixed = (i + 1) * 0x9E3779B97F4A7C15u;
        double random = (double)(mixed >> 40) / 1e7 * (i % 3 ? 1 : -1);
        double value = i < sizeof odd / sizeof odd[0] ? odd[i] : i % 5 ? random : random / 3;
        v.training_hours = (struct od_opt_double){true, value};
        const char *text = text_of(kit, &od_shape_personalize_solution_version, &v);
        char *end;
        double back = strtod(text + strlen(head), &end);
        if (back != value || strcmp(end, "}") != 0)
            fail_msg("%.17g became %s", value, text);
    }
    const char *const short_texts[] = {"0.0379", "0.1234567", "99999999", "-0.0000001",
                                       "123456.789"};
    for (size_t i = 0; i < sizeof short_texts / sizeof short_texts[0]; i++) {
        v.training_hours = (struct od_opt_double){true, strtod(short_texts[i], NULL)};
        const char *text = text_of(kit, &od_shape_personalize_solution_version, &v);
        assert_int_equal(strncmp(text + strlen(head), short_texts[i], strlen(short_texts[i])), 0);
        assert_string_equal(text + strlen(head) + strlen(short_texts[i]), "}");
    }
}

/* ---- bodies recorded from the real service ---- */

#define ACCOUNT "arn:aws:personalize:us-east-1:111122223333:"

static void recorded_bodies_come_back_in_canonical_form(void **state)
{
    struct kit *kit = *state;
    const struct {
        const struct od_shape *shape;
        const char *body, *canonical; /* NULL: the body is */
    } cases[] = {
        {&od_shape_personalize_describe_solution_response,
         "{\"solution\":{\"name\":\"s\",\"solutionArn\":\"" ACCOUNT "solution/s\",\"performHPO\":"
         "false,\"performAutoML\":false,\"recipeArn\":\"arn:aws:personalize:::recipe/"
         "aws-item-affinity\",\"datasetGroupArn\":\"" ACCOUNT "dataset-group/g\",\"status\":"
         "\"ACTIVE\",\"creationDateTime\":1.636398112357E9,\"lastUpdatedDateTime\":"
         "1.636398112357E9}}",
         "{\"solution\":{\"name\":\"s\",\"solutionArn\":\"" ACCOUNT "solution/s\",\"performHPO\":"
         "false,\"performAutoML\":false,\"recipeArn\":\"arn:aws:personalize:::recipe/"
         "aws-item-affinity\",\"datasetGroupArn\":\"" ACCOUNT "dataset-group/g\",\"status\":"
         "\"ACTIVE\",\"creationDateTime\":1636398112.357,\"lastUpdatedDateTime\":1636398112.357}}"},
        {&od_shape_personalize_describe_solution_version_response,
         "{\"solutionVersion\":{\"name\":\"s/83cc95fc\",\"solutionVersionArn\":\"" ACCOUNT
         "solution/s/83cc95fc\",\"performHPO\":false,\"solutionConfig\":{},\"trainingHours\":1.073,"
         "\"trainingMode\":\"FULL\",\"status\":\"ACTIVE\",\"creationDateTime\":1698421316.283,"
         "\"lastUpdatedDateTime\":1698422524.818}}",
         NULL},
        {&od_shape_personalize_describe_dataset_response,
         "{\"dataset\":{\"name\":\"items-ds\",\"datasetArn\":\"" ACCOUNT "dataset/g/ITEMS\","
         "\"datasetType\":\"ITEMS\",\"status\":\"ACTIVE\",\"creationDateTime\":1698431822.857,"
         "\"latestDatasetUpdate\":{\"schemaArn\":\"" ACCOUNT "schema/x2\",\"status\":\"ACTIVE\","
         "\"creationDateTime\":1698435651.836,\"lastUpdatedDateTime\":1698435760.001}}}",
         NULL},
        {&od_shape_personalize_list_recipes_response,
         "{\"nextToken\":\"t\",\"recipes\":[{\"name\":\"aws-ecomm-x\",\"creationDateTime\":"
         "1.5601248E9,\"lastUpdatedDateTime\":1.7E9,\"domain\":\"ECOMMERCE\"}]}",
         "{\"recipes\":[{\"name\":\"aws-ecomm-x\",\"creationDateTime\":1560124800.000,"
         "\"lastUpdatedDateTime\":1700000000.000,\"domain\":\"ECOMMERCE\"}],\"nextToken\":\"t\"}"},
        {&od_shape_personalize_list_dataset_groups_response, "{\"datasetGroups\":[]}", NULL},
        {&od_shape_personalize_create_dataset_group_response,
         "{\"datasetGroupArn\":\"" ACCOUNT "dataset-group/g\",\"domain\":\"ECOMMERCE\"}", NULL},
        {&od_shape_personalize_get_solution_metrics_response,
         "{\"metrics\":{\"coverage\":0.27,\"mean_reciprocal_rank_at_25\":0.0379}}", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct od_json json;
        assert_int_equal(od_json_parse(&kit->arena, od_str_c(cases[i].body), &json, NULL), OD_OK);
        if (od_api_load(cases[i].shape, &json, &kit->arena, kit->out, &kit->err) != OD_OK)
            fail_msg("%s: %s", cases[i].shape->name, kit->err.message);
        assert_string_equal(text_of(kit, cases[i].shape, kit->out),
                            cases[i].canonical ? cases[i].canonical : cases[i].body);
    }
}

/* ---- copying ---- */

static void a_summary_from_a_campaign(void **state)
{
    (void)state;
    struct od_personalize_campaign c = {.name = OD_STR("c"),
                                        .campaign_arn = OD_STR("arn"),
                                        .solution_version_arn = OD_STR("sv"),
                                        .status = OD_STR("ACTIVE"),
                                        .creation_date_time = {true, 5},
                                        .min_provisioned_tps = {true, 3}};
    struct od_personalize_campaign_summary s = {.failure_reason = OD_STR("kept")};
    od_api_copy(&od_shape_personalize_campaign_summary, &s, &od_shape_personalize_campaign, &c);
    assert_true(od_str_eq_c(s.name, "c"));
    assert_true(od_str_eq_c(s.campaign_arn, "arn"));
    assert_true(od_str_eq_c(s.status, "ACTIVE"));
    assert_true(s.creation_date_time.set);
    assert_int_equal(s.creation_date_time.value, 5);
    assert_false(s.last_updated_date_time.set);
    assert_true(od_str_eq_c(s.failure_reason, "kept"));
}

static void a_campaign_from_its_request(void **state)
{
    (void)state;
    struct od_personalize_campaign_config config = {0};
    struct od_personalize_create_campaign_request r = {
        .name = OD_STR("c"), .solution_version_arn = OD_STR("sv"), .campaign_config = &config};
    struct od_personalize_campaign c = {.min_provisioned_tps = {true, 1}};
    od_api_copy(&od_shape_personalize_campaign, &c, &od_shape_personalize_create_campaign_request,
                &r);
    assert_true(od_str_eq_c(c.name, "c"));
    assert_ptr_equal(c.campaign_config, &config);
    assert_int_equal(c.min_provisioned_tps.value, 1);
}

static void copying_crosses_services_only_where_types_agree(void **state)
{
    (void)state;
    struct od_str names[2] = {OD_STR("a"), OD_STR("b")};
    struct od_events_metric_attribution attribution = {.event_attribution_source = OD_STR("x")};
    struct od_events_event event = {
        .item_id = OD_STR("i"), .impression = {names, 2}, .metric_attribution = &attribution};
    struct od_events_action_interaction action = {0};
    struct od_runtime_predicted_item item = {0};
    od_api_copy(&od_shape_events_action_interaction, &action, &od_shape_events_event, &event);
    assert_ptr_equal(action.impression.items, names);
    assert_int_equal(action.impression.count, 2);
    od_api_copy(&od_shape_runtime_predicted_item, &item, &od_shape_events_event, &event);
    assert_true(od_str_eq_c(item.item_id, "i"));
    /* one name, two structures: DescribeFilterResponse.filter is no FilterSummary */
    struct od_personalize_metric_attribution other = {0};
    struct od_personalize_describe_metric_attribution_response response = {.metric_attribution =
                                                                               &other};
    struct od_events_event untouched = {0};
    od_api_copy(&od_shape_events_event, &untouched,
                &od_shape_personalize_describe_metric_attribution_response, &response);
    assert_null(untouched.metric_attribution);
}

/* ---- by name ---- */

static void shapes_and_members_are_found_by_name(void **state)
{
    (void)state;
    assert_ptr_equal(od_shape_find(OD_SERVICE_PERSONALIZE, "Campaign"),
                     &od_shape_personalize_campaign);
    assert_ptr_equal(od_shape_find(OD_SERVICE_EVENTS, "Event"), &od_shape_events_event);
    assert_int_equal(od_shape_find(OD_SERVICE_PERSONALIZE, "Name")->max, 63);
    assert_null(od_shape_find(OD_SERVICE_RUNTIME, "Campaign"));
    assert_null(od_shape_find(OD_SERVICE_PERSONALIZE, "campaign"));
    assert_null(od_shape_find(OD_SERVICE_COUNT, "Campaign"));
    for (int service = 0; service < OD_SERVICE_COUNT; service++)
        for (size_t i = 0; i < od_shape_indexes[service].count; i++) {
            const struct od_shape *shape = od_shape_indexes[service].shapes[i];
            assert_ptr_equal(od_shape_find((enum od_service)service, shape->name), shape);
            assert_int_equal(shape->service, service);
        }
    assert_int_equal(od_api_member(&od_shape_personalize_campaign, "status")->offset,
                     offsetof(struct od_personalize_campaign, status));
    assert_null(od_api_member(&od_shape_personalize_campaign, "Status"));
}

static void members_are_set_and_got_by_name(void **state)
{
    (void)state;
    const struct od_shape *shape = &od_shape_personalize_campaign;
    struct od_personalize_campaign c = {0};
    struct od_personalize_campaign_update_summary update = {0};
    struct od_str text = OD_STR("before");
    struct od_opt_i64 number = {false, 9};
    const void *inner = &c;
    assert_true(od_api_get_str(shape, &c, "name", &text));
    assert_null(text.ptr);
    assert_true(od_api_set_str(shape, &c, "name", OD_STR("n")));
    assert_true(od_str_eq_c(c.name, "n"));
    assert_true(od_api_get_str(shape, &c, "name", &text));
    assert_true(od_str_eq_c(text, "n"));
    assert_true(od_api_set_time(shape, &c, "creationDateTime", 77));
    assert_true(od_api_get_i64(shape, &c, "creationDateTime", &number));
    assert_true(number.set);
    assert_int_equal(number.value, 77);
    assert_true(od_api_set_i64(shape, &c, "minProvisionedTPS", 4));
    assert_int_equal(c.min_provisioned_tps.value, 4);
    assert_true(od_api_get_struct(shape, &c, "latestCampaignUpdate", &inner));
    assert_null(inner);
    assert_true(od_api_set_struct(shape, &c, "latestCampaignUpdate", &update));
    assert_ptr_equal(c.latest_campaign_update, &update);
    assert_true(od_api_get_struct(shape, &c, "latestCampaignUpdate", &inner));
    assert_ptr_equal(inner, &update);
    struct od_personalize_solution s = {0};
    struct od_opt_bool flag = {0};
    assert_true(od_api_set_bool(&od_shape_personalize_solution, &s, "performHPO", true));
    assert_true(od_api_get_bool(&od_shape_personalize_solution, &s, "performHPO", &flag));
    assert_true(flag.set && flag.value);
    struct od_personalize_list_campaigns_response list = {0};
    struct od_personalize_campaign_summary items[2] = {0};
    const void *got = NULL;
    size_t count = 0;
    shape = &od_shape_personalize_list_campaigns_response;
    assert_true(od_api_set_list(shape, &list, "campaigns", items, 2));
    assert_ptr_equal(list.campaigns.items, items);
    assert_true(od_api_get_list(shape, &list, "campaigns", &got, &count));
    assert_ptr_equal(got, items);
    assert_int_equal(count, 2);
}

static void members_of_another_name_or_type_are_refused(void **state)
{
    (void)state;
    const struct od_shape *shape = &od_shape_personalize_campaign;
    struct od_personalize_campaign c = {0}, zero = {0};
    struct od_str text = OD_STR("kept");
    assert_false(od_api_set_str(shape, &c, "nme", OD_STR("n")));
    assert_false(od_api_set_str(shape, &c, "creationDateTime", OD_STR("n")));
    assert_false(od_api_set_time(shape, &c, "name", 1));
    assert_false(od_api_set_time(shape, &c, "minProvisionedTPS", 1));
    assert_false(od_api_set_i64(shape, &c, "creationDateTime", 1));
    assert_false(od_api_set_bool(shape, &c, "name", true));
    assert_false(od_api_set_struct(shape, &c, "name", &c));
    assert_false(od_api_set_list(shape, &c, "campaignConfig", &c, 1));
    assert_false(od_api_get_str(shape, &c, "campaignConfig", &text));
    assert_true(od_str_eq_c(text, "kept"));
    assert_memory_equal(&c, &zero, sizeof c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_operation_is_found_by_its_target_or_path),
        cmocka_unit_test(names_match_their_enum),
        cmocka_unit_test(unknown_targets_and_paths),
        cmocka_unit_test(errors_carry_their_status),
        cmocka_unit_test_setup_teardown(every_structure_binds_and_writes_back, setup, teardown),
        cmocka_unit_test_setup_teardown(every_required_member_is_missed_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_of_list_responses_are_always_there, setup, teardown),
        cmocka_unit_test_setup_teardown(absent_empty_and_odd_values, setup, teardown),
        cmocka_unit_test_setup_teardown(doubles_read_back_exactly, setup, teardown),
        cmocka_unit_test_setup_teardown(recorded_bodies_come_back_in_canonical_form, setup,
                                        teardown),
        cmocka_unit_test(a_summary_from_a_campaign),
        cmocka_unit_test(a_campaign_from_its_request),
        cmocka_unit_test(copying_crosses_services_only_where_types_agree),
        cmocka_unit_test(shapes_and_members_are_found_by_name),
        cmocka_unit_test(members_are_set_and_got_by_name),
        cmocka_unit_test(members_of_another_name_or_type_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
