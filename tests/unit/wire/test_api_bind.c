/* Binding requests: kinds, constraints one at a time and together, times, properties, hostility. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "base/limits.h"
#include "wire/gen/api_shapes.h"

struct kit {
    struct od_arena arena;
    struct od_error err;
    _Alignas(16) char out[1024]; /* any request's struct */
};

static int setup(void **state)
{
    static struct kit kit;
    memset(&kit, 0, sizeof kit);
    od_arena_init(&kit.arena, 256u << 20);
    *state = &kit;
    return 0;
}

static int teardown(void **state)
{
    struct kit *kit = *state;
    od_arena_done(&kit->arena);
    return 0;
}

static enum od_status bind_str(struct kit *kit, const struct od_shape *shape, struct od_str body)
{
    struct od_json json;
    assert_true(shape->size <= sizeof kit->out);
    memset(kit->out, 0xA5, sizeof kit->out);
    memset(&kit->err, 0, sizeof kit->err);
    enum od_status status = od_json_parse(&kit->arena, body, &json, &kit->err);
    if (status != OD_OK)
        return status;
    return od_api_bind(shape, &json, &kit->arena, kit->out, &kit->err);
}

static enum od_status bind(struct kit *kit, const struct od_shape *shape, const char *body)
{
    return bind_str(kit, shape, od_str_c(body));
}

static void assert_refused(struct kit *kit, const struct od_shape *shape, const char *body,
                           enum od_status code, const char *message)
{
    assert_int_equal(bind(kit, shape, body), code);
    assert_int_equal(kit->err.code, code);
    assert_string_equal(kit->err.message, message);
    for (size_t i = 0; i < shape->size; i++)
        assert_int_equal((unsigned char)kit->out[i], 0xA5); /* untouched */
}

#define CAMPAIGN_ARN "arn:aws:personalize:us-east-1:111122223333:campaign/c"
#define VERSION_ARN  "arn:aws:personalize:us-east-1:111122223333:solution/s/0123abcd"
#define GROUP_ARN    "arn:aws:personalize:us-east-1:111122223333:dataset-group/g"

static void a_request_fills_its_struct(void **state)
{
    struct kit *kit = *state;
    assert_int_equal(
        bind(kit, &od_shape_personalize_create_campaign_request,
             "{\"name\":\"c\",\"solutionVersionArn\":\"" VERSION_ARN "\",\"minProvisionedTPS\":2,"
             "\"campaignConfig\":{\"itemExplorationConfig\":{\"explorationWeight\":\"0.3\"},"
             "\"enableMetadataWithRecommendations\":true,\"rankingInfluence\":{\"POPULARITY\":0.5}"
             "},\"tags\":[{\"tagKey\":\"k\",\"tagValue\":\"\"}]}"),
        OD_OK);
    struct od_personalize_create_campaign_request *r = (void *)kit->out;
    assert_true(od_str_eq_c(r->name, "c"));
    assert_true(od_str_eq_c(r->solution_version_arn, VERSION_ARN));
    assert_true(r->min_provisioned_tps.set);
    assert_int_equal(r->min_provisioned_tps.value, 2);
    assert_non_null(r->campaign_config);
    assert_int_equal(r->campaign_config->item_exploration_config.count, 1);
    assert_true(
        od_str_eq_c(r->campaign_config->item_exploration_config.items[0].key, "explorationWeight"));
    assert_true(od_str_eq_c(r->campaign_config->item_exploration_config.items[0].value, "0.3"));
    assert_true(r->campaign_config->enable_metadata_with_recommendations.set);
    assert_true(r->campaign_config->enable_metadata_with_recommendations.value);
    assert_false(r->campaign_config->sync_with_latest_solution_version.set);
    assert_int_equal(r->campaign_config->ranking_influence.count, 1);
    assert_true(r->campaign_config->ranking_influence.items[0].value == 0.5);
    assert_int_equal(r->tags.count, 1);
    assert_true(od_str_eq_c(r->tags.items[0].tag_key, "k"));
    assert_non_null(r->tags.items[0].tag_value.ptr);
    assert_int_equal(r->tags.items[0].tag_value.len, 0);
}

static void unknown_null_and_duplicate_members(void **state)
{
    struct kit *kit = *state;
    const struct od_shape *shape = &od_shape_personalize_create_dataset_group_request;
    struct od_personalize_create_dataset_group_request *r = (void *)kit->out;
    assert_int_equal(bind(kit, shape,
                          "{\"name\":\"first\",\"new\":{\"a\":[1]},\"domain\":null,\"name\":\"g\","
                          "\"tags\":[]}"),
                     OD_OK);
    assert_true(od_str_eq_c(r->name, "g"));
    assert_null(r->domain.ptr);
    assert_null(r->role_arn.ptr);
    assert_non_null(r->tags.items); /* empty is not absent */
    assert_int_equal(r->tags.count, 0);
    assert_int_equal(bind(kit, shape, "{\"name\":\"g\",\"tags\":null}"), OD_OK);
    assert_null(r->tags.items);
    /* the last one counts even when it says "absent" */
    assert_refused(kit, shape, "{\"name\":\"g\",\"name\":null}", OD_INVALID_INPUT,
                   "1 validation error detected: Value null at 'name' failed to satisfy "
                   "constraint: Member must not be null");
}

static void map_entries_keep_the_last_of_equal_keys(void **state)
{
    struct kit *kit = *state;
    assert_int_equal(bind(kit, &od_shape_runtime_get_recommendations_request,
                          "{\"context\":{\"B\":\"1\",\"A\":\"2\",\"B\":\"3\",\"C\":null}}"),
                     OD_OK);
    struct od_runtime_get_recommendations_request *r = (void *)kit->out;
    assert_int_equal(r->context.count, 2);
    assert_true(od_str_eq_c(r->context.items[0].key, "A"));
    assert_true(od_str_eq_c(r->context.items[1].key, "B"));
    assert_true(od_str_eq_c(r->context.items[1].value, "3"));
}

static void wrong_kinds_are_serialization_errors_that_name_the_member(void **state)
{
    struct kit *kit = *state;
    const struct {
        const struct od_shape *shape;
        const char *body, *message;
    } cases[] = {
        {&od_shape_personalize_list_schemas_request, "[]",
         "The request body must be an object, not an array."},
        {&od_shape_personalize_list_schemas_request, "{\"maxResults\":\"5\"}",
         "Member 'maxResults' must be a whole number, not a string."},
        {&od_shape_personalize_list_schemas_request, "{\"maxResults\":5.5}",
         "Member 'maxResults' must be a whole number of 32 bits, not 5.5."},
        {&od_shape_personalize_list_schemas_request, "{\"maxResults\":3000000000}",
         "Member 'maxResults' must be a whole number of 32 bits, not 3000000000."},
        {&od_shape_personalize_list_schemas_request, "{\"nextToken\":7}",
         "Member 'nextToken' must be a string, not a number."},
        {&od_shape_personalize_create_solution_request, "{\"performHPO\":\"true\"}",
         "Member 'performHPO' must be true or false, not a string."},
        {&od_shape_personalize_create_solution_request, "{\"solutionConfig\":[]}",
         "Member 'solutionConfig' must be an object, not an array."},
        {&od_shape_personalize_create_solution_request,
         "{\"solutionConfig\":{\"hpoConfig\":{\"hpoResourceConfig\":{\"maxNumberOfTrainingJobs\":"
         "4}}}}",
         "Member 'solutionConfig.hpoConfig.hpoResourceConfig.maxNumberOfTrainingJobs' must be a "
         "string, not a number."},
        {&od_shape_personalize_create_solution_request, "{\"tags\":{}}",
         "Member 'tags' must be an array, not an object."},
        {&od_shape_personalize_create_solution_request, "{\"tags\":[{},7]}",
         "Member 'tags.2.member' must be an object, not a number."},
        {&od_shape_runtime_get_recommendations_request, "{\"context\":{\"A\":1}}",
         "Member 'context.A.member' must be a string, not a number."},
        {&od_shape_runtime_get_recommendations_request, "{\"context\":\"A\"}",
         "Member 'context' must be an object, not a string."},
        {&od_shape_personalize_create_campaign_request,
         "{\"campaignConfig\":{\"rankingInfluence\":{\"POPULARITY\":\"0.5\"}}}",
         "Member 'campaignConfig.rankingInfluence.POPULARITY.member' must be a number, not a "
         "string."},
        {&od_shape_events_put_events_request, "{\"eventList\":[{\"eventValue\":1e300}]}",
         "Member 'eventList.1.member.eventValue' must fit a 32-bit floating point number, not "
         "1e+300."},
        {&od_shape_events_put_events_request, "{\"eventList\":[{\"sentAt\":true}]}",
         "Member 'eventList.1.member.sentAt' must be a time (seconds since 1970, or ISO 8601), not "
         "a boolean."},
        {&od_shape_events_put_items_request, "{\"items\":[{\"properties\":[1]}]}",
         "Member 'items.1.member.properties' must be a string that holds a JSON object, not an "
         "array."},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(kit, cases[i].shape, cases[i].body, OD_SERIALIZATION, cases[i].message);
}

static void whole_numbers_may_be_written_as_doubles(void **state)
{
    struct kit *kit = *state;
    assert_int_equal(bind(kit, &od_shape_personalize_list_schemas_request, "{\"maxResults\":5.0}"),
                     OD_OK);
    struct od_personalize_list_schemas_request *r = (void *)kit->out;
    assert_int_equal(r->max_results.value, 5);
    assert_int_equal(bind(kit, &od_shape_personalize_list_schemas_request, "{\"maxResults\":1e2}"),
                     OD_OK);
    assert_int_equal(r->max_results.value, 100);
}

#define ONE   "1 validation error detected: "
#define FAILS " failed to satisfy constraint: "

struct refusal {
    const struct od_shape *shape;
    const char *body, *message;
};

static void each_constraint_of_a_scalar_alone(void **state)
{
    struct kit *kit = *state;
    const struct refusal cases[] = {
        /* required */
        {&od_shape_personalize_create_schema_request, "{\"name\":\"s\"}",
         ONE "Value null at 'schema'" FAILS "Member must not be null"},
        /* length of a string */
        {&od_shape_personalize_create_schema_request, "{\"name\":\"\",\"schema\":\"{}\"}",
         "2 validation errors detected: Value '' at 'name'" FAILS
         "Member must have length greater than or equal to 1; Value '' at 'name'" FAILS
         "Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\\-_]*"},
        {&od_shape_personalize_create_schema_request,
         "{\"schema\":\"{}\",\"name\":"
         "\"a123456789b123456789c123456789d123456789e123456789f123456789g123\"}",
         ONE
         "Value 'a123456789b123456789c123456789d123456789e123456789f123456789g123' at 'name'" FAILS
         "Member must have length less than or equal to 63"},
        /* pattern, whole value */
        {&od_shape_personalize_create_schema_request, "{\"name\":\"a b\",\"schema\":\"{}\"}",
         ONE "Value 'a b' at 'name'" FAILS
             "Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\\-_]*"},
        /* enum */
        {&od_shape_personalize_create_dataset_group_request,
         "{\"name\":\"g\",\"domain\":\"MUSIC\"}",
         ONE "Value 'MUSIC' at 'domain'" FAILS
             "Member must satisfy enum value set: [ECOMMERCE, VIDEO_ON_DEMAND]"},
        /* numbers */
        {&od_shape_personalize_list_schemas_request, "{\"maxResults\":101}",
         ONE "Value '101' at 'maxResults'" FAILS
             "Member must have value less than or equal to 100"},
        {&od_shape_personalize_list_schemas_request, "{\"maxResults\":0}",
         ONE "Value '0' at 'maxResults'" FAILS "Member must have value greater than or equal to 1"},
        {&od_shape_personalize_create_campaign_request,
         "{\"name\":\"c\",\"solutionVersionArn\":\"" VERSION_ARN "\",\"campaignConfig\":{"
         "\"rankingInfluence\":{\"FRESHNESS\":1.25}}}",
         ONE "Value '1.25' at 'campaignConfig.rankingInfluence.FRESHNESS.member'" FAILS
             "Member must have value less than or equal to 1"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(kit, cases[i].shape, cases[i].body, OD_INVALID_INPUT, cases[i].message);
}

static void each_constraint_of_a_container_alone(void **state)
{
    struct kit *kit = *state;
    const struct refusal cases[] = {
        /* a map's key and value */
        {&od_shape_personalize_create_campaign_request,
         "{\"name\":\"c\",\"solutionVersionArn\":\"" VERSION_ARN "\",\"campaignConfig\":{"
         "\"rankingInfluence\":{\"NOVELTY\":1}}}",
         ONE "Value 'NOVELTY' at 'campaignConfig.rankingInfluence'" FAILS
             "Map keys must satisfy constraint: [Member must satisfy enum value set: [POPULARITY, "
             "FRESHNESS]]"},
        {&od_shape_runtime_get_recommendations_request, "{\"context\":{\"a b\":\"x\"}}",
         ONE "Value 'a b' at 'context'" FAILS "Map keys must satisfy constraint: [Member must "
             "satisfy regular expression pattern: [A-Za-z\\d_]+]"},
        /* lists */
        {&od_shape_events_put_items_request, "{\"datasetArn\":\"" GROUP_ARN "\",\"items\":[]}",
         ONE "Value '[0 elements]' at 'items'" FAILS
             "Member must have length greater than or equal to 1"},
        {&od_shape_events_put_users_request,
         "{\"datasetArn\":\"" GROUP_ARN "\",\"users\":[1,2,3,4,5,6,7,8,9,10,11]}",
         ONE "Value '[11 elements]' at 'users'" FAILS
             "Member must have length less than or equal to 10"},
        {&od_shape_events_put_users_request, "{\"datasetArn\":\"" GROUP_ARN "\",\"users\":[null]}",
         ONE "Value null at 'users.1.member'" FAILS "Member must not be null"},
        /* nested in a list of structures */
        {&od_shape_personalize_tag_resource_request,
         "{\"resourceArn\":\"" GROUP_ARN "\",\"tags\":[{\"tagKey\":\"k\",\"tagValue\":\"v\"},{"
         "\"tagValue\":\"v\"}]}",
         ONE "Value at 'tags.2.member.tagKey'" FAILS "Member must not be null"},
        /* a map of lists */
        {&od_shape_runtime_get_recommendations_request,
         "{\"metadataColumns\":{\"ITEMS\":[\"A\"],\"USERS\":[]}}",
         ONE "Value '[2 elements]' at 'metadataColumns'" FAILS
             "Member must have length less than or equal to 1"},
        {&od_shape_personalize_create_recommender_request,
         "{\"name\":\"r\",\"datasetGroupArn\":\"" GROUP_ARN "\",\"recipeArn\":\"" GROUP_ARN
         "\",\"recommenderConfig\":{\"trainingDataConfig\":{\"excludedDatasetColumns\":{\"ITEMS\":"
         "[\"A\",\"1B\"]}}}}",
         ONE
         "Value '1B' at "
         "'recommenderConfig.trainingDataConfig.excludedDatasetColumns.ITEMS.member.2.member'" FAILS
         "Member must satisfy regular expression pattern: [A-Za-z_][A-Za-z\\d_]*"},
        /* a time no clock shows */
        {&od_shape_events_put_events_request,
         "{\"trackingId\":\"t\",\"sessionId\":\"s\",\"eventList\":[{\"eventType\":\"e\","
         "\"sentAt\":1e300}]}",
         ONE "Value at 'eventList.1.member.sentAt'" FAILS
             "Member must be a time in seconds between the years 1 and 9999"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_refused(kit, cases[i].shape, cases[i].body, OD_INVALID_INPUT, cases[i].message);
}

static void several_violations_are_told_together(void **state)
{
    struct kit *kit = *state;
    assert_refused(
        kit, &od_shape_personalize_create_solution_version_request,
        "{\"trainingMode\":\"HALF\",\"tags\":[{\"tagKey\":\"a#b\",\"tagValue\":\"v\"}],"
        "\"name\":\"-x\"}",
        OD_INVALID_INPUT,
        "4 validation errors detected: Value '-x' at 'name'" FAILS
        "Member must satisfy regular expression pattern: ^[a-zA-Z0-9][a-zA-Z0-9\\-_]*; Value null "
        "at 'solutionArn'" FAILS "Member must not be null; Value 'HALF' at 'trainingMode'" FAILS
        "Member must satisfy enum value set: [FULL, UPDATE, AUTOTRAIN]; Value at "
        "'tags.1.member.tagKey'" FAILS "Member must satisfy regular expression pattern: "
        "^([\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*)$");
}

static void sensitive_values_never_show(void **state)
{
    struct kit *kit = *state;
    char body[6000];
    char secret[2600];
    memset(secret, 'S', sizeof secret - 1);
    secret[sizeof secret - 1] = '\0';
    snprintf(body, sizeof body,
             "{\"name\":\"f\",\"datasetGroupArn\":\"" GROUP_ARN "\",\"filterExpression\":\"%s\"}",
             secret);
    assert_refused(kit, &od_shape_personalize_create_filter_request, body, OD_INVALID_INPUT,
                   ONE "Value at 'filterExpression'" FAILS
                       "Member must have length less than or equal to 2500");
    secret[300] = '\0';
    /* Event is sensitive as a whole, so its event type is too */
    snprintf(body, sizeof body,
             "{\"trackingId\":\"t\",\"sessionId\":\"s\",\"userId\":\"%s\",\"eventList\":[{"
             "\"eventType\":\"%s\",\"sentAt\":1}]}",
             secret, secret);
    assert_refused(kit, &od_shape_events_put_events_request, body, OD_INVALID_INPUT,
                   "2 validation errors detected: Value at 'userId'" FAILS
                   "Member must have length less than or equal to 256; Value at "
                   "'eventList.1.member.eventType'" FAILS
                   "Member must have length less than or equal to 256");
}

static void lengths_count_characters_not_bytes(void **state)
{
    struct kit *kit = *state;
    char body[2048], id[1100];
    size_t len = 0;
    for (int i = 0; i < 256; i++, len += 4)
        memcpy(id + len, "\xF0\x9F\x8E\xB8", 4);
    id[len] = '\0';
    snprintf(body, sizeof body, "{\"userId\":\"%s\"}", id);
    assert_int_equal(bind(kit, &od_shape_runtime_get_recommendations_request, body), OD_OK);
    snprintf(body, sizeof body, "{\"userId\":\"x%s\"}", id);
    assert_int_equal(bind(kit, &od_shape_runtime_get_recommendations_request, body),
                     OD_INVALID_INPUT);
    /* shown: 64 characters, whole ones */
    const char *dots = strstr(kit->err.message, "...'");
    assert_non_null(dots);
    assert_int_equal(dots - strstr(kit->err.message, "'x") - 1, 1 + 63 * 4);
}

static void messages_hold_whole_entries_however_many_there_are(void **state)
{
    struct kit *kit = *state;
    char body[8192];
    size_t len = (size_t)snprintf(body, sizeof body, "{\"resourceArn\":\"x\",\"tagKeys\":[");
    for (int i = 0; i < 150; i++)
        len += (size_t)snprintf(body + len, sizeof body - len, "%s\"#%d\"", i ? "," : "", i);
    snprintf(body + len, sizeof body - len, "]}");
    assert_int_equal(bind(kit, &od_shape_personalize_untag_resource_request, body),
                     OD_INVALID_INPUT);
    assert_int_equal(strncmp(kit->err.message, "151 validation errors detected: Value 'x' at ", 45),
                     0);
    assert_true(strlen(kit->err.message) > 1900);
    assert_true(strlen(kit->err.message) < sizeof kit->err.message - 1);
    const char *places = strstr(kit->err.message, "*)$; also at 'tagKeys.");
    assert_non_null(places);
    assert_null(strstr(places + 4, "failed"));
    assert_string_equal(kit->err.message + strlen(kit->err.message) - 8, ".member'");
}

/* What has no room for its rule is named at least, once however much is wrong with it. */
static void later_violations_are_named(void **state)
{
    struct kit *kit = *state;
    char body[8192], tags[4096] = "";
    for (int i = 0; i < 12; i++)
        snprintf(tags + strlen(tags), sizeof tags - strlen(tags),
                 "%s{\"tagKey\":\"#%d\",\"tagValue\":\"v\"}", i ? "," : "", i);
    snprintf(body, sizeof body, "{\"tags\":[%s,{\"tagKey\":\"\"}]}", tags);
    assert_int_equal(bind(kit, &od_shape_personalize_tag_resource_request, body), OD_INVALID_INPUT);
    char path[64];
    for (int i = 0; i < 13; i++) {
        snprintf(path, sizeof path, "'tags.%d.member.tagKey'", i + 1);
        const char *at = strstr(kit->err.message, path);
        assert_non_null(at);
        assert_null(strstr(at + 1, path));
    }
    assert_non_null(strstr(kit->err.message, "'tags.13.member.tagValue'"));
}

static void values_in_messages_are_cleaned(void **state)
{
    struct kit *kit = *state;
    assert_refused(kit, &od_shape_personalize_create_dataset_group_request,
                   "{\"name\":\"g\",\"domain\":\"a\\u0000b\\nc\"}", OD_INVALID_INPUT,
                   ONE "Value 'a?b?c' at 'domain'" FAILS
                       "Member must satisfy enum value set: [ECOMMERCE, VIDEO_ON_DEMAND]");
}

static void times_in_every_spelling(void **state)
{
    struct kit *kit = *state;
    const struct {
        const char *json;
        int64_t ms;
    } cases[] = {
        {"1698431822", 1698431822000},
        {"1698431822.857", 1698431822857},
        {"1.698431822857E9", 1698431822857},
        {"1.7e9", 1700000000000},
        {"-1.5", -1500},
        {"0", 0},
        {"\"1698431822.857\"", 1698431822857},
        {"\"1698431822\"", 1698431822000},
        {"\"2023-10-27T18:37:02.857Z\"", 1698431822857},
        {"\"2023-10-28T03:37:02+09:00\"", 1698431822000},
        {"253402300799", 253402300799000},
    };
    struct od_events_put_action_interactions_request *r = (void *)kit->out;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "{\"trackingId\":\"t\",\"actionInteractions\":[{\"actionId\":\"a\",\"sessionId\":"
                 "\"s\",\"eventType\":\"e\",\"timestamp\":%s}]}",
                 cases[i].json);
        assert_int_equal(bind(kit, &od_shape_events_put_action_interactions_request, body), OD_OK);
        assert_true(r->action_interactions.items[0].timestamp.set);
        assert_int_equal(r->action_interactions.items[0].timestamp.value, cases[i].ms);
    }
}

static void times_that_are_none(void **state)
{
    struct kit *kit = *state;
    const struct {
        const char *json;
        enum od_status status;
    } cases[] = {
        {"\"yesterday\"", OD_SERIALIZATION},
        {"\"\"", OD_SERIALIZATION},
        {"\"2023-02-29T00:00:00Z\"", OD_SERIALIZATION},
        {"\"nan\"", OD_SERIALIZATION},
        {"\"inf\"", OD_SERIALIZATION},
        {"{}", OD_SERIALIZATION},
        {"253402300800", OD_INVALID_INPUT},
        {"1698431822857000", OD_INVALID_INPUT},
        {"-1e18", OD_INVALID_INPUT},
        {"9223372036854775807", OD_INVALID_INPUT},
        {"\"1e300\"", OD_INVALID_INPUT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char body[256];
        snprintf(body, sizeof body,
                 "{\"trackingId\":\"t\",\"sessionId\":\"s\",\"eventList\":[{\"eventType\":\"e\","
                 "\"sentAt\":%s}]}",
                 cases[i].json);
        assert_int_equal(bind(kit, &od_shape_events_put_events_request, body), cases[i].status);
        assert_non_null(strstr(kit->err.message, "'eventList.1.member.sentAt'"));
    }
}

#define ITEMS(properties)                                                                          \
    "{\"datasetArn\":\"" GROUP_ARN "\",\"items\":[{\"itemId\":\"i\",\"properties\":" properties    \
    "}]}"

static void properties_are_unwrapped_to_their_object(void **state)
{
    struct kit *kit = *state;
    const struct {
        const char *body, *text;
    } cases[] = {
        {ITEMS("\"{\\\"a\\\": 1}\""), "{\"a\": 1}"},
        {ITEMS("\"\\\"{\\\\\\\"a\\\\\\\":1}\\\"\""), "{\"a\":1}"},
        {ITEMS("{\"a\": 1, \"b\":[true,null,\"\\n\"], \"c\":{\"d\":2.5}}"),
         "{\"a\":1,\"b\":[true,null,\"\\n\"],\"c\":{\"d\":2.5}}"},
        {ITEMS("\"{}\""), "{}"},
        {ITEMS("{}"), "{}"},
    };
    struct od_events_put_items_request *r = (void *)kit->out;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_int_equal(bind(kit, &od_shape_events_put_items_request, cases[i].body), OD_OK);
        struct od_api_json p = r->items.items[0].properties;
        assert_true(od_str_eq_c(p.text, cases[i].text));
        assert_int_equal(p.value->kind, OD_JSON_OBJECT);
        if (p.value->count > 0)
            assert_int_equal(od_json_get_i64(p.value, "a", 0), 1);
    }
    assert_int_equal(bind(kit, &od_shape_events_put_items_request, ITEMS("null")), OD_OK);
    assert_null(r->items.items[0].properties.text.ptr);
}

static void properties_that_hold_no_object(void **state)
{
    struct kit *kit = *state;
    const char *const bodies[] = {ITEMS("\"\""),     ITEMS("\"{\""), ITEMS("\"[1]\""),
                                  ITEMS("\"null\""), ITEMS("\"7\""), ITEMS("\"\\\"a\\\"\""),
                                  ITEMS("\"{} {}\"")};
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++)
        assert_refused(kit, &od_shape_events_put_items_request, bodies[i], OD_INVALID_INPUT,
                       "Invalid properties JSON. " ONE "Value at 'items.1.member.properties'" FAILS
                       "Member must be a JSON object");
}

static void properties_too_long(void **state)
{
    struct kit *kit = *state;
    char body[2048];
    char text[1100];
    memset(text, 'x', sizeof text);
    for (int extra = 0; extra < 2; extra++) {
        snprintf(body, sizeof body,
                 "{\"trackingId\":\"t\",\"sessionId\":\"s\",\"eventList\":[{\"eventType\":\"e\","
                 "\"sentAt\":1,\"properties\":{\"k\":\"%.*s\"}}]}",
                 1024 - 8 + extra, text);
        assert_int_equal(bind(kit, &od_shape_events_put_events_request, body),
                         extra ? OD_INVALID_INPUT : OD_OK);
    }
    assert_string_equal(kit->err.message, ONE "Value at 'eventList.1.member.properties'" FAILS
                                              "Member must have length less than or equal to 1024");
}

/* ---- hostile bodies ---- */

static struct od_str repeat(struct kit *kit, const char *head, const char *part, size_t times,
                            const char *tail)
{
    struct od_buf buf;
    od_buf_init(&buf, 64u << 20);
    od_buf_puts(&buf, head);
    for (size_t i = 0; i < times; i++)
        od_buf_puts(&buf, part);
    od_buf_puts(&buf, tail);
    struct od_str copy = od_arena_str(&kit->arena, od_buf_view(&buf));
    od_buf_done(&buf);
    assert_non_null(copy.ptr);
    return copy;
}

static void oversize_lists_are_told_without_being_bound(void **state)
{
    struct kit *kit = *state;
    struct od_str body = repeat(kit, "{\"trackingId\":\"t\",\"sessionId\":\"s\",\"eventList\":[{}",
                                ",{}", 100000, "]}");
    struct od_json json;
    assert_int_equal(od_json_parse(&kit->arena, body, &json, NULL), OD_OK);
    size_t before = kit->arena.used;
    assert_int_equal(
        od_api_bind(&od_shape_events_put_events_request, &json, &kit->arena, kit->out, &kit->err),
        OD_INVALID_INPUT);
    assert_string_equal(kit->err.message, ONE "Value '[100001 elements]' at 'eventList'" FAILS
                                              "Member must have length less than or equal to 10");
    assert_true(kit->arena.used - before < 4096);
}

static void oversize_maps_are_told_without_sorting(void **state)
{
    struct kit *kit = *state;
    struct od_str body = repeat(kit, "{\"context\":{\"a\":\"b\"", ",\"a\":\"b\"", 100000, "}}");
    assert_int_equal(bind_str(kit, &od_shape_runtime_get_recommendations_request, body),
                     OD_INVALID_INPUT);
    assert_string_equal(kit->err.message, ONE "Value '[100001 elements]' at 'context'" FAILS
                                              "Member must have length less than or equal to 150");
    body = repeat(kit,
                  "{\"name\":\"c\",\"solutionVersionArn\":\"" VERSION_ARN
                  "\",\"campaignConfig\":{\"rankingInfluence\":{\"POPULARITY\":1",
                  ",\"POPULARITY\":1", OD_MAX_MAP_ENTRIES, "}}}");
    assert_int_equal(bind_str(kit, &od_shape_personalize_create_campaign_request, body),
                     OD_INVALID_INPUT);
    assert_non_null(strstr(kit->err.message, "less than or equal to 1000"));
    /* as many duplicates as that are still one entry */
    body = repeat(kit,
                  "{\"name\":\"c\",\"solutionVersionArn\":\"" VERSION_ARN
                  "\",\"campaignConfig\":{\"rankingInfluence\":{\"POPULARITY\":1",
                  ",\"POPULARITY\":1", OD_MAX_MAP_ENTRIES - 1, "}}}");
    assert_int_equal(bind_str(kit, &od_shape_personalize_create_campaign_request, body), OD_OK);
}

static void deep_bodies_are_refused(void **state)
{
    struct kit *kit = *state;
    struct od_str body = repeat(kit, "{\"x\":", "[", 100000, "");
    assert_int_equal(bind_str(kit, &od_shape_personalize_list_schemas_request, body),
                     OD_SERIALIZATION);
    /* deep inside an unknown member is nobody's business */
    body = repeat(kit, "{\"x\":", "[", OD_MAX_JSON_DEPTH - 2, "");
    body = repeat(kit, body.ptr, "]", OD_MAX_JSON_DEPTH - 2, "}");
    assert_int_equal(bind_str(kit, &od_shape_personalize_list_schemas_request, body), OD_OK);
    /* and inside properties it is no object */
    body = repeat(
        kit, "{\"datasetArn\":\"" GROUP_ARN "\",\"users\":[{\"userId\":\"u\",\"properties\":\"",
        "[", 10000, "\"}]}");
    assert_int_equal(bind_str(kit, &od_shape_events_put_users_request, body), OD_INVALID_INPUT);
}

static void short_memory_is_a_status(void **state)
{
    struct kit *kit = *state;
    struct od_json json;
    struct od_str body =
        repeat(kit, "{\"campaignArn\":\"" CAMPAIGN_ARN "\",\"userId\":\"u\",\"inputList\":[\"i\"",
               ",\"i\"", 500, "]}");
    assert_int_equal(od_json_parse(&kit->arena, body, &json, NULL), OD_OK);
    bool refused = false, done = false;
    for (size_t max = 0; max < 64u << 10 && !done; max += 512) {
        struct od_arena small;
        od_arena_init(&small, max);
        enum od_status status = od_api_bind(&od_shape_runtime_get_personalized_ranking_request,
                                            &json, &small, kit->out, &kit->err);
        assert_true(status == OD_OK || status == OD_NO_MEMORY);
        refused = refused || status == OD_NO_MEMORY;
        done = status == OD_OK;
        od_arena_done(&small);
    }
    assert_true(refused);
    assert_true(done);
}

static void no_error_struct_is_needed(void **state)
{
    struct kit *kit = *state;
    struct od_json json;
    assert_int_equal(od_json_parse(&kit->arena, OD_STR("{\"maxResults\":0}"), &json, NULL), OD_OK);
    assert_int_equal(
        od_api_bind(&od_shape_personalize_list_schemas_request, &json, &kit->arena, kit->out, NULL),
        OD_INVALID_INPUT);
}

static void loading_skips_constraints_but_not_kinds(void **state)
{
    struct kit *kit = *state;
    struct od_json json;
    struct od_personalize_solution_version v;
    const struct od_shape *shape = &od_shape_personalize_solution_version;
    assert_int_equal(od_json_parse(&kit->arena,
                                   OD_STR("{\"name\":\"s/0123abcd\",\"trainingHours\":-1}"), &json,
                                   NULL),
                     OD_OK);
    assert_int_equal(od_api_bind(shape, &json, &kit->arena, &v, &kit->err), OD_INVALID_INPUT);
    assert_int_equal(od_api_load(shape, &json, &kit->arena, &v, &kit->err), OD_OK);
    assert_true(od_str_eq_c(v.name, "s/0123abcd"));
    assert_int_equal(od_json_parse(&kit->arena, OD_STR("{\"name\":7}"), &json, NULL), OD_OK);
    assert_int_equal(od_api_load(shape, &json, &kit->arena, &v, &kit->err), OD_SERIALIZATION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_request_fills_its_struct, setup, teardown),
        cmocka_unit_test_setup_teardown(unknown_null_and_duplicate_members, setup, teardown),
        cmocka_unit_test_setup_teardown(map_entries_keep_the_last_of_equal_keys, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_kinds_are_serialization_errors_that_name_the_member,
                                        setup, teardown),
        cmocka_unit_test_setup_teardown(whole_numbers_may_be_written_as_doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(each_constraint_of_a_scalar_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(each_constraint_of_a_container_alone, setup, teardown),
        cmocka_unit_test_setup_teardown(several_violations_are_told_together, setup, teardown),
        cmocka_unit_test_setup_teardown(sensitive_values_never_show, setup, teardown),
        cmocka_unit_test_setup_teardown(lengths_count_characters_not_bytes, setup, teardown),
        cmocka_unit_test_setup_teardown(messages_hold_whole_entries_however_many_there_are, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(later_violations_are_named, setup, teardown),
        cmocka_unit_test_setup_teardown(values_in_messages_are_cleaned, setup, teardown),
        cmocka_unit_test_setup_teardown(times_in_every_spelling, setup, teardown),
        cmocka_unit_test_setup_teardown(times_that_are_none, setup, teardown),
        cmocka_unit_test_setup_teardown(properties_are_unwrapped_to_their_object, setup, teardown),
        cmocka_unit_test_setup_teardown(properties_that_hold_no_object, setup, teardown),
        cmocka_unit_test_setup_teardown(properties_too_long, setup, teardown),
        cmocka_unit_test_setup_teardown(oversize_lists_are_told_without_being_bound, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(oversize_maps_are_told_without_sorting, setup, teardown),
        cmocka_unit_test_setup_teardown(deep_bodies_are_refused, setup, teardown),
        cmocka_unit_test_setup_teardown(short_memory_is_a_status, setup, teardown),
        cmocka_unit_test_setup_teardown(no_error_struct_is_needed, setup, teardown),
        cmocka_unit_test_setup_teardown(loading_skips_constraints_but_not_kinds, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
