/* Schemas: every rule of data.md sections 2 to 4, and the look-ups by name. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "data/schema_inner.h"

static struct od_arena arena;

static int set_up(void **state)
{
    (void)state;
    od_arena_init(&arena, 64u << 20);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    od_arena_done(&arena);
    return 0;
}

#define RECORD(name, fields)                                                                       \
    "{\"type\":\"record\",\"name\":\"" name "\",\"namespace\":\"com.amazonaws.personalize."        \
    "schema\",\"fields\":[" fields "],\"version\":\"1.0\"}"
#define F(name, type)           "{\"name\":\"" name "\",\"type\":" type "}"
#define FA(name, type, attrs)   "{\"name\":\"" name "\",\"type\":" type "," attrs "}"
#define STRING                  "\"string\""
#define LONG                    "\"long\""
#define FLOAT                   "\"float\""
#define CATEGORICAL             "\"categorical\":true"
#define EVENT_IDS               F("USER_ID", STRING) "," F("ITEM_ID", STRING) "," F("TIMESTAMP", LONG)
#define INTERACTIONS_WITH(more) RECORD("Interactions", EVENT_IDS "," more)
#define ITEMS_WITH(more)        RECORD("Items", F("ITEM_ID", STRING) "," more)

static void accepts(const char *text, enum od_domain domain, struct od_schema *out)
{
    struct od_error err = {0};
    enum od_status s = od_schema_parse(&arena, od_str_c(text), domain, out, &err);
    if (s != OD_OK)
        fail_msg("%s", err.message);
}

static void refuses(const char *text, enum od_domain domain, const char *part)
{
    struct od_error err = {0};
    struct od_schema schema;
    assert_int_equal(od_schema_parse(&arena, od_str_c(text), domain, &schema, &err),
                     OD_INVALID_INPUT);
    if (strncmp(err.message, "Invalid schema: ", 16) != 0 || !strstr(err.message, part))
        fail_msg("\"%s\" lacks \"%s\"", err.message, part);
    assert_int_equal(err.message[strlen(err.message) - 1], '.');
}

static void the_documented_examples_are_accepted(void **state)
{
    (void)state;
    struct od_schema s;
    accepts(INTERACTIONS_WITH(
                F("EVENT_TYPE", STRING) "," F("EVENT_VALUE", "[\"null\",\"float\"]") "," F(
                    "IMPRESSION", "[\"null\",\"string\"]") "," FA("DEVICE",
                                                                  "[\"null\","
                                                                  "\"string\"]",
                                                                  CATEGORICAL)),
            OD_DOMAIN_NONE, &s);
    assert_int_equal(s.type, OD_INTERACTIONS);
    assert_int_equal(s.field_count, 7);
    assert_true(od_str_eq_c(s.fields[4].name, "EVENT_VALUE"));
    assert_int_equal(s.fields[4].type, OD_FIELD_FLOAT);
    assert_true(s.fields[4].nullable);
    assert_true(s.fields[6].categorical);
    assert_false(s.fields[3].nullable);

    accepts(ITEMS_WITH(FA("TITLE", "[\"null\",\"string\"]", "\"itemName\":true") "," FA(
                "GENRES", "[\"null\",\"string\"]",
                CATEGORICAL) "," FA("DESCRIPTION", "[\"null\",\"string\"]",
                                    "\"textual\":true") "," F("PRICE",
                                                              "[\"float\",\"null\"]") "," F("CREATI"
                                                                                            "ON_"
                                                                                            "TIMEST"
                                                                                            "AMP",
                                                                                            LONG)),
            OD_DOMAIN_NONE, &s);
    assert_true(s.fields[1].item_name);
    assert_true(s.fields[3].textual);
    assert_int_equal(s.fields[5].type, OD_FIELD_LONG);

    accepts(RECORD("Users", F("USER_ID", STRING) "," F("AGE", "[\"null\",\"int\"]")),
            OD_DOMAIN_NONE, &s);
    assert_int_equal(s.type, OD_USERS);
    accepts(RECORD("Actions", F("ACTION_ID", STRING) "," F("VALUE", "[\"long\",\"null\"]") "," F(
                                  "CREATION_TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, &s);
    assert_int_equal(s.type, OD_ACTIONS);
    accepts(RECORD("ActionInteractions", F("USER_ID", STRING) "," F("ACTION_ID", STRING) "," F(
                                             "EVENT_TYPE", STRING) "," F("TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, &s);
    assert_int_equal(s.type, OD_ACTION_INTERACTIONS);
}

static void loose_forms_are_accepted(void **state)
{
    (void)state;
    struct od_schema s;
    accepts("{\"type\":\"record\",\"name\":\"action_interactions\",\"fields\":[" F(
                "USER_ID",
                STRING) "," F("ACTION_ID",
                              "[\"string\"]") "," F("EVENT_TYPE",
                                                    STRING) "," FA("TIMESTAMP", LONG,
                                                                   "\"doc\":\"when\",\"default\":{"
                                                                   "\"a\":[1]}") "]}",
            OD_DOMAIN_NONE, &s);
    assert_int_equal(s.type, OD_ACTION_INTERACTIONS);
    assert_int_equal(s.fields[1].type, OD_FIELD_STRING);
    assert_false(s.fields[1].nullable);
    accepts(ITEMS_WITH(FA("A", STRING, "\"categorical\":false") "," F("B_C", "\"boolean\"") "," F(
                "_d1", "[\"double\",\"null\"]")),
            OD_DOMAIN_NONE, &s);
    assert_false(s.fields[1].categorical);
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    refuses("", OD_DOMAIN_NONE, "empty");
    refuses("{\"type\":", OD_DOMAIN_NONE, "not JSON");
    refuses("[1]", OD_DOMAIN_NONE, "must be a JSON object");
    refuses("{\"type\":\"enum\",\"name\":\"Items\"}", OD_DOMAIN_NONE, "\"enum\"");
    refuses("{\"name\":\"Items\"}", OD_DOMAIN_NONE, "\"type\" is absent");
    refuses(RECORD("Things", F("A", STRING)), OD_DOMAIN_NONE, "\"Things\"");
    refuses("{\"type\":\"record\",\"name\":7,\"fields\":[]}", OD_DOMAIN_NONE,
            "\"name\" is a number");
    refuses("{\"type\":\"record\",\"name\":\"Items\",\"version\":\"2.0\",\"fields\":[]}",
            OD_DOMAIN_NONE, "\"2.0\"");
    refuses("{\"type\":\"record\",\"name\":\"Items\",\"fields\":{}}", OD_DOMAIN_NONE,
            "\"fields\" is an object");
    refuses(RECORD("Items", ""), OD_DOMAIN_NONE, "has 0 entries");
    refuses(RECORD("Items", "3"), OD_DOMAIN_NONE, "entry 1 of \"fields\" is a number");
    refuses("\xff\xfe", OD_DOMAIN_NONE, "UTF-8");
}

static void a_schema_over_the_length_limit_is_refused(void **state)
{
    (void)state;
    static char text[30000];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", ITEMS_WITH(F("A", STRING)));
    memset(text + n, ' ', 20000 - n);
    text[20000] = '\0';
    struct od_schema s;
    accepts(text, OD_DOMAIN_NONE, &s);
    text[20000] = ' ';
    text[20001] = '\0';
    refuses(text, OD_DOMAIN_NONE, "20001 characters");
}

static void field_names_are_checked(void **state)
{
    (void)state;
    refuses(ITEMS_WITH(F("1A", STRING)), OD_DOMAIN_NONE, "\"1A\"");
    refuses(ITEMS_WITH(F("A-B", STRING)), OD_DOMAIN_NONE, "\"A-B\"");
    refuses(ITEMS_WITH(F("A\xc3\xa9", STRING)), OD_DOMAIN_NONE, "letters, digits");
    refuses(ITEMS_WITH(F("___", STRING)), OD_DOMAIN_NONE, "\"___\"");
    refuses(ITEMS_WITH(F("", STRING)), OD_DOMAIN_NONE, "0 characters");
    refuses(ITEMS_WITH("{\"type\":\"string\"}"), OD_DOMAIN_NONE, "entry 2");
    char text[1000], name[152];
    memset(name, 'N', 151);
    name[151] = '\0';
    snprintf(text, sizeof text, ITEMS_WITH(F("%s", STRING)), name);
    refuses(text, OD_DOMAIN_NONE, "151 characters");
    name[150] = '\0';
    snprintf(text, sizeof text, ITEMS_WITH(F("%s", STRING)), name);
    struct od_schema s;
    accepts(text, OD_DOMAIN_NONE, &s);
}

static void names_are_unique_ignoring_underscores_and_case(void **state)
{
    (void)state;
    refuses(ITEMS_WITH(F("A", STRING) "," F("A", LONG)), OD_DOMAIN_NONE, "appears twice");
    refuses(ITEMS_WITH(F("GENRES_FIELD_1", STRING) "," F("GENRESFIELD1", STRING)), OD_DOMAIN_NONE,
            "GENRES_FIELD_1 and GENRESFIELD1");
    refuses(ITEMS_WITH(F("Tag", STRING) "," F("TAG", STRING)), OD_DOMAIN_NONE, "Tag and TAG");
}

static void types_are_checked(void **state)
{
    (void)state;
    refuses(ITEMS_WITH(F("A", "\"bytes\"")), OD_DOMAIN_NONE, "\"bytes\"");
    refuses(ITEMS_WITH(F("A", "\"null\"")), OD_DOMAIN_NONE, "\"null\"");
    refuses(ITEMS_WITH(F("A", "[\"null\"]")), OD_DOMAIN_NONE, "lists 0 types");
    refuses(ITEMS_WITH(F("A", "[\"null\",\"null\"]")), OD_DOMAIN_NONE, "\"null\"");
    refuses(ITEMS_WITH(F("A", "[]")), OD_DOMAIN_NONE, "lists 0 types");
    refuses(ITEMS_WITH(F("A", "[\"string\",\"long\"]")), OD_DOMAIN_NONE, "lists 2 types");
    refuses(ITEMS_WITH(F("A", "[\"null\",{\"type\":\"array\",\"items\":\"string\"}]")),
            OD_DOMAIN_NONE, "nested types");
    refuses(ITEMS_WITH(F("A", "{\"type\":\"array\",\"items\":\"string\"}")), OD_DOMAIN_NONE,
            "nested types");
    refuses(ITEMS_WITH("{\"name\":\"A\"}"), OD_DOMAIN_NONE, "field A is absent");
}

static void attributes_are_checked(void **state)
{
    (void)state;
    refuses(ITEMS_WITH(FA("A", LONG, CATEGORICAL)), OD_DOMAIN_NONE, "must be a string");
    refuses(ITEMS_WITH(FA("A", LONG, "\"textual\":true")), OD_DOMAIN_NONE, "must be a string");
    refuses(ITEMS_WITH(FA("A", STRING, "\"categorical\":\"yes\"")), OD_DOMAIN_NONE,
            "must be true or false");
    refuses(ITEMS_WITH(FA("A", STRING, CATEGORICAL ",\"textual\":true")), OD_DOMAIN_NONE,
            "categorical and textual");
    refuses(ITEMS_WITH(FA("A", STRING, "\"textual\":true") "," FA("B", STRING, "\"textual\":true")),
            OD_DOMAIN_NONE, "A and B are textual");
    refuses(
        ITEMS_WITH(FA("A", STRING, "\"itemName\":true") "," FA("B", STRING, "\"itemName\":true")),
        OD_DOMAIN_NONE, "A and B are itemName");
    refuses(INTERACTIONS_WITH(FA("A", STRING, "\"textual\":true")), OD_DOMAIN_NONE,
            "only Items schemas");
    refuses(RECORD("Users", F("USER_ID", STRING) "," FA("A", STRING, "\"itemName\":true")),
            OD_DOMAIN_NONE, "only Items schemas");
}

static void required_fields_must_be_there_with_their_type(void **state)
{
    (void)state;
    refuses(RECORD("Interactions", F("USER_ID", STRING) "," F("ITEM_ID", STRING)), OD_DOMAIN_NONE,
            "TIMESTAMP is missing");
    refuses(RECORD("Interactions",
                   F("user_id", STRING) "," F("ITEM_ID", STRING) "," F("TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, "USER_ID is missing");
    refuses(RECORD("Interactions",
                   F("USER_ID", LONG) "," F("ITEM_ID", STRING) "," F("TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, "USER_ID has type long");
    refuses(RECORD("Interactions",
                   F("USER_ID", STRING) "," F("ITEM_ID", STRING) "," F("TIMESTAMP", STRING)),
            OD_DOMAIN_NONE, "must have type long");
    refuses(RECORD("Interactions", F("USER_ID", STRING) "," F("ITEM_ID", STRING) "," F(
                                       "TIMESTAMP", "[\"null\",\"long\"]")),
            OD_DOMAIN_NONE, "TIMESTAMP may not be null");
    refuses(RECORD("Items", F("ITEM_ID", "[\"null\",\"string\"]") "," F("A", STRING)),
            OD_DOMAIN_NONE, "ITEM_ID may not be null");
    refuses(RECORD("Items", FA("ITEM_ID", STRING, CATEGORICAL) "," F("A", STRING)), OD_DOMAIN_NONE,
            "reserved and may not be categorical");
    refuses(RECORD("ActionInteractions",
                   F("USER_ID", STRING) "," F("ACTION_ID", STRING) "," F("TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, "EVENT_TYPE is missing");
    refuses(RECORD("Actions", F("VALUE", LONG)), OD_DOMAIN_NONE, "ACTION_ID is missing");
}

static void reserved_fields_must_have_their_type(void **state)
{
    (void)state;
    refuses(INTERACTIONS_WITH(F("EVENT_VALUE", "\"double\"")), OD_DOMAIN_NONE,
            "must have type float");
    refuses(INTERACTIONS_WITH(FA("EVENT_TYPE", STRING, CATEGORICAL)), OD_DOMAIN_NONE,
            "EVENT_TYPE is reserved");
    refuses(INTERACTIONS_WITH(FA("IMPRESSION", STRING, CATEGORICAL)), OD_DOMAIN_NONE, "IMPRESSION");
    refuses(INTERACTIONS_WITH(F("RECOMMENDATION_ID", LONG)), OD_DOMAIN_NONE,
            "must have type string");
    refuses(INTERACTIONS_WITH(FA("EVENT_ATTRIBUTION_SOURCE", STRING, CATEGORICAL)), OD_DOMAIN_NONE,
            "EVENT_ATTRIBUTION_SOURCE");
    refuses(ITEMS_WITH(F("CREATION_TIMESTAMP", "\"int\"")), OD_DOMAIN_NONE, "must have type long");
    refuses(RECORD("Actions", F("ACTION_ID", STRING) "," F("REPEAT_FREQUENCY", STRING)),
            OD_DOMAIN_NONE, "REPEAT_FREQUENCY");
    refuses(RECORD("Actions", F("ACTION_ID", STRING) "," F("EXPIRATION_TIMESTAMP", LONG) "," F(
                                  "ACTION_EXPIRATION_TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, "the same field");
    struct od_schema s;
    accepts(RECORD("Actions", F("ACTION_ID", STRING) "," F("ACTION_EXPIRATION_TIMESTAMP", LONG)),
            OD_DOMAIN_NONE, &s);
}

static void accepts_or_counts(const char *name, const char *ids, const char *attrs, int count,
                              const char *part)
{
    static char text[20000];
    int n = snprintf(text, sizeof text, "{\"type\":\"record\",\"name\":\"%s\",\"fields\":[%s", name,
                     ids);
    for (int i = 0; i < count; i++)
        n += snprintf(text + n, sizeof text - (size_t)n,
                      ",{\"name\":\"M%d\",\"type\":\"string\"%s}", i, attrs);
    snprintf(text + n, sizeof text - (size_t)n, "]}");
    struct od_schema s;
    if (part)
        refuses(text, OD_DOMAIN_NONE, part);
    else
        accepts(text, OD_DOMAIN_NONE, &s);
}

static void metadata_is_counted(void **state)
{
    (void)state;
    const char *item = F("ITEM_ID", STRING) "," F("CREATION_TIMESTAMP", LONG);
    accepts_or_counts("Interactions", EVENT_IDS "," F("EVENT_TYPE", STRING), "", 5, NULL);
    accepts_or_counts("Interactions", EVENT_IDS "," F("EVENT_TYPE", STRING), "", 6, "at most 5");
    accepts_or_counts("Items", item, "", 100, NULL);
    accepts_or_counts("Items", item, "", 101, "at most 100");
    accepts_or_counts("Items", item, "", 109, "has 111 entries");
    accepts_or_counts("Users", F("USER_ID", STRING), ",\"categorical\":true", 25, NULL);
    accepts_or_counts("Users", F("USER_ID", STRING), ",\"categorical\":true", 26, "at most 25");
    accepts_or_counts("Actions", F("ACTION_ID", STRING), "", 11, "at most 10");
}

static void items_users_and_actions_need_metadata(void **state)
{
    (void)state;
    refuses(RECORD("Items", F("ITEM_ID", STRING)), OD_DOMAIN_NONE, "at least one metadata field");
    refuses(RECORD("Actions", F("ACTION_ID", STRING)), OD_DOMAIN_NONE,
            "at least one metadata field");
    refuses(RECORD("Users", F("USER_ID", STRING) "," F("NAME", STRING)), OD_DOMAIN_NONE,
            "categorical string or a number");
    refuses(RECORD("Users", F("USER_ID", STRING) "," F("OK", "\"boolean\"")), OD_DOMAIN_NONE,
            "categorical string or a number");
    struct od_schema s;
    accepts(RECORD("Items", F("ITEM_ID", STRING) "," F("CREATION_TIMESTAMP", LONG)), OD_DOMAIN_NONE,
            &s);
}

static void domains_have_their_own_rules(void **state)
{
    (void)state;
    struct od_schema s;
    refuses(RECORD("Interactions", EVENT_IDS), OD_ECOMMERCE, "EVENT_TYPE is missing");
    refuses(INTERACTIONS_WITH(F("EVENT_TYPE", "[\"null\",\"string\"]")), OD_VIDEO_ON_DEMAND,
            "EVENT_TYPE may not be null");
    accepts(INTERACTIONS_WITH(F("EVENT_TYPE", STRING)), OD_ECOMMERCE, &s);
    refuses(ITEMS_WITH(F("PRICE", FLOAT)), OD_ECOMMERCE, "CATEGORY_L1 is missing");
    refuses(ITEMS_WITH(F("PRICE", FLOAT) "," F("CATEGORY_L1", STRING)), OD_ECOMMERCE,
            "CATEGORY_L1 must be categorical");
    refuses(ITEMS_WITH(F("PRICE", "\"double\"") "," FA("CATEGORY_L1", STRING, CATEGORICAL)),
            OD_ECOMMERCE, "PRICE has type double");
    refuses(ITEMS_WITH(F("PRICE", FLOAT) "," FA("CATEGORY_L1", STRING,
                                                CATEGORICAL) "," F("PRODUCT_DESCRIPTION", STRING)),
            OD_ECOMMERCE, "PRODUCT_DESCRIPTION must be textual");
    accepts(ITEMS_WITH(F("PRICE", FLOAT) "," FA("CATEGORY_L1", "[\"string\"]", CATEGORICAL) "," FA(
                "CATEGORY_L2", "[\"string\",\"null\"]",
                CATEGORICAL) "," FA("PRODUCT_DESCRIPTION", STRING, "\"textual\":true")),
            OD_ECOMMERCE, &s);
    refuses(ITEMS_WITH(F("CREATION_TIMESTAMP", LONG)), OD_VIDEO_ON_DEMAND, "GENRES is missing");
    accepts(ITEMS_WITH(F("CREATION_TIMESTAMP", LONG) "," FA("GENRES_L1", STRING, CATEGORICAL)),
            OD_VIDEO_ON_DEMAND, &s);
    refuses(RECORD("Users", F("USER_ID", STRING) "," F("SUBSCRIPTION_MODEL", STRING)),
            OD_VIDEO_ON_DEMAND, "SUBSCRIPTION_MODEL must be categorical");
    refuses(RECORD("Actions", F("ACTION_ID", STRING) "," F("VALUE", LONG)), OD_ECOMMERCE,
            "domain dataset groups do not have");
}

static void dataset_types_parse_in_any_case(void **state)
{
    (void)state;
    enum od_dataset_type t = OD_ITEMS;
    assert_true(od_dataset_type_parse(OD_STR("interactions"), &t));
    assert_int_equal(t, OD_INTERACTIONS);
    assert_true(od_dataset_type_parse(OD_STR("Action_Interactions"), &t));
    assert_int_equal(t, OD_ACTION_INTERACTIONS);
    assert_true(od_dataset_type_parse(OD_STR("ACTIONINTERACTIONS"), &t));
    assert_false(od_dataset_type_parse(OD_STR("ITEM"), &t));
    assert_false(od_dataset_type_parse(OD_STR(""), &t));
    assert_string_equal(od_dataset_type_name(OD_ACTION_INTERACTIONS), "ACTION_INTERACTIONS");
}

static void look_ups_by_name_case_and_property(void **state)
{
    (void)state;
    struct od_schema s;
    accepts(ITEMS_WITH(F("CREATION_TIMESTAMP", LONG) "," F("CATEGORY_L1", STRING)), OD_DOMAIN_NONE,
            &s);
    assert_int_equal(od_schema_find(&s, OD_STR("CATEGORY_L1")), 2);
    assert_int_equal(od_schema_find(&s, OD_STR("category_l1")), SIZE_MAX);
    assert_int_equal(od_schema_find_nocase(&s, OD_STR("category_l1")), 2);
    assert_int_equal(od_schema_find_nocase(&s, OD_STR("categoryl1")), SIZE_MAX);
    assert_int_equal(od_schema_find_property(&s, OD_STR("categoryL1")), 2);
    assert_int_equal(od_schema_find_property(&s, OD_STR("CATEGORY_L1")), 2);
    assert_int_equal(od_schema_find_property(&s, OD_STR("creationTimestamp")), 1);
    assert_int_equal(od_schema_find_property(&s, OD_STR("creationTimestam")), SIZE_MAX);
    assert_int_equal(od_schema_find_property(&s, OD_STR("")), SIZE_MAX);
}

static void property_names_are_camel_case(void **state)
{
    (void)state;
    static const char *const pairs[][2] = {{"NUM_RATINGS", "numRatings"},
                                           {"GENRES", "genres"},
                                           {"CREATION_TIMESTAMP", "creationTimestamp"},
                                           {"CATEGORY_L1", "categoryL1"},
                                           {"_A__b_", "aB"}};
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++)
        assert_string_equal(od_schema_property_name(&arena, od_str_c(pairs[i][0])).ptr,
                            pairs[i][1]);
}

static void the_written_form_reads_back(void **state)
{
    (void)state;
    struct od_schema s, again;
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    accepts(ITEMS_WITH(FA("TITLE", "[\"string\",\"null\"]", "\"itemName\":true") "," FA(
                "D", STRING,
                "\"textual\":true") "," FA("G", STRING,
                                           CATEGORICAL) "," F("B", "[\"boolean\"]") "," F("P",
                                                                                          "\"dou"
                                                                                          "ble\"")),
            OD_DOMAIN_NONE, &s);
    od_schema_write(&s, &text);
    assert_int_equal(od_schema_read(&arena, od_buf_view(&text), &again, NULL), OD_OK);
    assert_int_equal(again.field_count, s.field_count);
    for (size_t i = 0; i < s.field_count; i++) {
        const struct od_field *a = &s.fields[i], *b = &again.fields[i];
        assert_true(od_str_eq(a->name, b->name));
        assert_int_equal(a->type, b->type);
        assert_int_equal(a->nullable, b->nullable);
        assert_int_equal(a->categorical, b->categorical);
        assert_int_equal(a->textual, b->textual);
        assert_int_equal(a->item_name, b->item_name);
    }
    od_buf_done(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_documented_examples_are_accepted),
        cmocka_unit_test(loose_forms_are_accepted),
        cmocka_unit_test(what_is_no_record_is_refused),
        cmocka_unit_test(a_schema_over_the_length_limit_is_refused),
        cmocka_unit_test(field_names_are_checked),
        cmocka_unit_test(names_are_unique_ignoring_underscores_and_case),
        cmocka_unit_test(types_are_checked),
        cmocka_unit_test(attributes_are_checked),
        cmocka_unit_test(required_fields_must_be_there_with_their_type),
        cmocka_unit_test(reserved_fields_must_have_their_type),
        cmocka_unit_test(metadata_is_counted),
        cmocka_unit_test(items_users_and_actions_need_metadata),
        cmocka_unit_test(domains_have_their_own_rules),
        cmocka_unit_test(dataset_types_parse_in_any_case),
        cmocka_unit_test(look_ups_by_name_case_and_property),
        cmocka_unit_test(property_names_are_camel_case),
        cmocka_unit_test(the_written_form_reads_back),
    };
    return cmocka_run_group_tests_name("schema", tests, set_up, tear_down);
}
