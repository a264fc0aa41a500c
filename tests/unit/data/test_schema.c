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

/* "NAME type attribute...": a|b is a list of types, and text in {} or [] stands as it is. */
static void put_field(struct od_buf *out, struct od_str field)
{
    struct od_str word, part;
    if (field.ptr[0] == '{' || field.ptr[0] == '[') {
        od_buf_str(out, field);
        return;
    }
    od_str_cut(&field, ' ', &word);
    od_buf_printf(out, "{\"name\":\"%.*s\",\"type\":", OD_STR_ARG(word));
    od_str_cut(&field, ' ', &word);
    bool list = od_str_find(word, '|', 0) != SIZE_MAX;
    if (word.ptr[0] == '{' || word.ptr[0] == '[') {
        od_buf_str(out, word);
    } else {
        od_buf_puts(out, list ? "[\"" : "\"");
        for (int i = 0; od_str_cut(&word, '|', &part); i++) {
            od_buf_puts(out, i ? "\",\"" : "");
            od_buf_str(out, part);
        }
        od_buf_puts(out, list ? "\"]" : "\"");
    }
    while (od_str_cut(&field, ' ', &word))
        od_buf_printf(out, ",\"%.*s\":true", OD_STR_ARG(word));
    od_buf_char(out, '}');
}

/* A record's JSON from fields separated by "; ". Lives in the arena. */
static const char *record(const char *name, const char *fields)
{
    struct od_buf out;
    struct od_str rest = od_str_c(fields), field;
    od_buf_init(&out, 1u << 20);
    od_buf_printf(&out,
                  "{\"type\":\"record\",\"name\":\"%s\","
                  "\"namespace\":\"com.amazonaws.personalize.schema\",\"fields\":[",
                  name);
    for (int i = 0; rest.len && od_str_cut(&rest, ';', &field); i++) {
        od_buf_puts(&out, i ? "," : "");
        put_field(&out, od_str_trim(field));
    }
    od_buf_puts(&out, "],\"version\":\"1.0\"}");
    struct od_str text = od_arena_str(&arena, od_buf_view(&out));
    od_buf_done(&out);
    assert_non_null(text.ptr);
    return text.ptr;
}

#define EVENT_IDS "USER_ID string; ITEM_ID string; TIMESTAMP long"

static const char *interactions(const char *more)
{
    char fields[4000];
    snprintf(fields, sizeof fields, EVENT_IDS "; %s", more);
    return record("Interactions", fields);
}

static const char *items(const char *more)
{
    char fields[4000];
    snprintf(fields, sizeof fields, "ITEM_ID string; %s", more);
    return record("Items", fields);
}

static struct od_schema accepts(const char *text, enum od_domain domain)
{
    struct od_schema schema = {0};
    struct od_error err = {0};
    if (od_schema_parse(&arena, od_str_c(text), domain, &schema, &err) != OD_OK)
        fail_msg("%s\n%s", text, err.message);
    return schema;
}

static void refuses(const char *text, enum od_domain domain, const char *part)
{
    struct od_error err = {0};
    struct od_schema schema;
    if (od_schema_parse(&arena, od_str_c(text), domain, &schema, &err) != OD_INVALID_INPUT)
        fail_msg("accepted: %s", text);
    if (strncmp(err.message, "Invalid schema: ", 16) != 0 || !strstr(err.message, part))
        fail_msg("\"%s\" lacks \"%s\"", err.message, part);
    assert_int_equal(err.message[strlen(err.message) - 1], '.');
}

static void the_documented_examples_are_accepted(void **state)
{
    (void)state;
    struct od_schema s =
        accepts(interactions("EVENT_TYPE string; EVENT_VALUE null|float; IMPRESSION null|string; "
                             "DEVICE null|string categorical"),
                OD_DOMAIN_NONE);
    assert_int_equal(s.type, OD_INTERACTIONS);
    assert_int_equal(s.field_count, 7);
    assert_true(od_str_eq_c(s.fields[4].name, "EVENT_VALUE"));
    assert_int_equal(s.fields[4].type, OD_FIELD_FLOAT);
    assert_true(s.fields[4].nullable);
    assert_true(s.fields[6].categorical);
    assert_false(s.fields[3].nullable);

    s = accepts(items("TITLE null|string itemName; GENRES null|string categorical; "
                      "DESCRIPTION null|string textual; PRICE float|null; CREATION_TIMESTAMP long"),
                OD_DOMAIN_NONE);
    assert_true(s.fields[1].item_name);
    assert_true(s.fields[3].textual);
    assert_int_equal(s.fields[5].type, OD_FIELD_LONG);

    s = accepts(record("Users", "USER_ID string; AGE null|int; GENDER null|string categorical"),
                OD_DOMAIN_NONE);
    assert_int_equal(s.type, OD_USERS);
    s = accepts(record("Actions", "ACTION_ID string; VALUE long|null; MEMBERSHIP_LEVEL null|string "
                                  "categorical; CREATION_TIMESTAMP long; REPEAT_FREQUENCY "
                                  "long|null"),
                OD_DOMAIN_NONE);
    assert_int_equal(s.type, OD_ACTIONS);
    s = accepts(record("ActionInteractions",
                       "USER_ID string; ACTION_ID string; EVENT_TYPE string; TIMESTAMP long"),
                OD_DOMAIN_NONE);
    assert_int_equal(s.type, OD_ACTION_INTERACTIONS);
}

static void loose_forms_are_accepted(void **state)
{
    (void)state;
    struct od_schema s = accepts(
        record("action_interactions",
               "USER_ID string; ACTION_ID [\"string\"]; EVENT_TYPE string; "
               "{\"name\":\"TIMESTAMP\",\"doc\":\"when\",\"type\":\"long\",\"default\":[1]}"),
        OD_DOMAIN_NONE);
    assert_int_equal(s.type, OD_ACTION_INTERACTIONS);
    assert_int_equal(s.fields[1].type, OD_FIELD_STRING);
    assert_false(s.fields[1].nullable);
    s = accepts(items("{\"name\":\"A\",\"type\":\"string\",\"categorical\":false}; B_C boolean; "
                      "_d1 double|null"),
                OD_DOMAIN_NONE);
    assert_false(s.fields[1].categorical);
    accepts("{\"type\":\"record\",\"name\":\"Items\",\"version\":\"1.1\",\"fields\":[{\"name\":"
            "\"ITEM_ID\",\"type\":\"string\"},{\"name\":\"A\",\"type\":\"int\"}]}",
            OD_DOMAIN_NONE);
}

static void what_is_no_record_is_refused(void **state)
{
    (void)state;
    refuses("", OD_DOMAIN_NONE, "empty");
    refuses("{\"type\":", OD_DOMAIN_NONE, "not JSON");
    refuses("[1]", OD_DOMAIN_NONE, "must be a JSON object");
    refuses("{\"type\":\"enum\",\"name\":\"Items\"}", OD_DOMAIN_NONE, "\"enum\"");
    refuses("{\"name\":\"Items\"}", OD_DOMAIN_NONE, "\"type\" is absent");
    refuses(record("Things", "A string"), OD_DOMAIN_NONE, "\"Things\"");
    refuses("{\"type\":\"record\",\"name\":7,\"fields\":[]}", OD_DOMAIN_NONE,
            "\"name\" is a number");
    refuses("{\"type\":\"record\",\"name\":\"Items\",\"version\":\"2.0\",\"fields\":[]}",
            OD_DOMAIN_NONE, "\"2.0\"");
    refuses("{\"type\":\"record\",\"name\":\"Items\",\"fields\":{}}", OD_DOMAIN_NONE,
            "\"fields\" is an object");
    refuses(record("Items", ""), OD_DOMAIN_NONE, "has 0 entries");
    refuses(record("Items", "[3]"), OD_DOMAIN_NONE, "entry 1 of \"fields\" is a list");
    refuses("\xff\xfe", OD_DOMAIN_NONE, "UTF-8");
}

static void a_schema_over_the_length_limit_is_refused(void **state)
{
    (void)state;
    static char text[30000];
    size_t n = (size_t)snprintf(text, sizeof text, "%s", items("A string"));
    memset(text + n, ' ', 20000 - n);
    text[20000] = '\0';
    accepts(text, OD_DOMAIN_NONE);
    text[20000] = ' ';
    text[20001] = '\0';
    refuses(text, OD_DOMAIN_NONE, "20001 characters");
}

static void field_names_are_checked(void **state)
{
    (void)state;
    refuses(items("1A string"), OD_DOMAIN_NONE, "\"1A\"");
    refuses(items("A-B string"), OD_DOMAIN_NONE, "\"A-B\"");
    refuses(items("A\xc3\xa9 string"), OD_DOMAIN_NONE, "letters, digits");
    refuses(items("___ string"), OD_DOMAIN_NONE, "\"___\"");
    refuses(items("{\"name\":\"\",\"type\":\"string\"}"), OD_DOMAIN_NONE, "0 characters");
    refuses(items("{\"type\":\"string\"}"), OD_DOMAIN_NONE, "entry 2");
    char field[200];
    snprintf(field, sizeof field, "%0150d string", 0);
    field[0] = 'N';
    accepts(items(field), OD_DOMAIN_NONE);
    snprintf(field, sizeof field, "%0151d string", 0);
    field[0] = 'N';
    refuses(items(field), OD_DOMAIN_NONE, "151 characters");
}

static void names_are_unique_ignoring_underscores_and_case(void **state)
{
    (void)state;
    refuses(items("A string; A long"), OD_DOMAIN_NONE, "appears twice");
    refuses(items("GENRES_FIELD_1 string; GENRESFIELD1 string"), OD_DOMAIN_NONE,
            "GENRES_FIELD_1 and GENRESFIELD1");
    refuses(items("Tag string; TAG string"), OD_DOMAIN_NONE, "Tag and TAG");
}

static void types_are_checked(void **state)
{
    (void)state;
    refuses(items("A bytes"), OD_DOMAIN_NONE, "\"bytes\"");
    refuses(items("A null"), OD_DOMAIN_NONE, "\"null\"");
    refuses(items("A [\"null\"]"), OD_DOMAIN_NONE, "lists 0 types");
    refuses(items("A null|null"), OD_DOMAIN_NONE, "\"null\"");
    refuses(items("A []"), OD_DOMAIN_NONE, "lists 0 types");
    refuses(items("A string|long"), OD_DOMAIN_NONE, "lists 2 types");
    refuses(items("A [\"null\",{\"type\":\"array\",\"items\":\"string\"}]"), OD_DOMAIN_NONE,
            "nested types");
    refuses(items("A {\"type\":\"array\",\"items\":\"string\"}"), OD_DOMAIN_NONE, "nested types");
    refuses(items("{\"name\":\"A\"}"), OD_DOMAIN_NONE, "field A is absent");
}

static void attributes_are_checked(void **state)
{
    (void)state;
    refuses(items("A long categorical"), OD_DOMAIN_NONE, "must be a string");
    refuses(items("A long textual"), OD_DOMAIN_NONE, "must be a string");
    refuses(items("{\"name\":\"A\",\"type\":\"string\",\"categorical\":\"yes\"}"), OD_DOMAIN_NONE,
            "must be true or false");
    refuses(items("A string categorical textual"), OD_DOMAIN_NONE, "categorical and textual");
    refuses(items("A string textual; B string textual"), OD_DOMAIN_NONE, "A and B are textual");
    refuses(items("A string itemName; B string itemName"), OD_DOMAIN_NONE, "A and B are itemName");
    refuses(interactions("A string textual"), OD_DOMAIN_NONE, "only Items schemas");
    refuses(record("Users", "USER_ID string; A string itemName"), OD_DOMAIN_NONE,
            "only Items schemas");
}

static void required_fields_must_be_there_with_their_type(void **state)
{
    (void)state;
    refuses(record("Interactions", "USER_ID string; ITEM_ID string"), OD_DOMAIN_NONE,
            "TIMESTAMP is missing");
    refuses(record("Interactions", "user_id string; ITEM_ID string; TIMESTAMP long"),
            OD_DOMAIN_NONE, "USER_ID is missing");
    refuses(record("Interactions", "USER_ID long; ITEM_ID string; TIMESTAMP long"), OD_DOMAIN_NONE,
            "USER_ID has type long");
    refuses(record("Interactions", "USER_ID string; ITEM_ID string; TIMESTAMP string"),
            OD_DOMAIN_NONE, "must have type long");
    refuses(record("Interactions", "USER_ID string; ITEM_ID string; TIMESTAMP null|long"),
            OD_DOMAIN_NONE, "TIMESTAMP may not be null");
    refuses(record("Items", "ITEM_ID null|string; A string"), OD_DOMAIN_NONE,
            "ITEM_ID may not be null");
    refuses(record("Items", "ITEM_ID string categorical; A string"), OD_DOMAIN_NONE,
            "reserved and may not be categorical");
    refuses(record("ActionInteractions", "USER_ID string; ACTION_ID string; TIMESTAMP long"),
            OD_DOMAIN_NONE, "EVENT_TYPE is missing");
    refuses(record("Actions", "VALUE long"), OD_DOMAIN_NONE, "ACTION_ID is missing");
}

static void reserved_fields_must_have_their_type(void **state)
{
    (void)state;
    refuses(interactions("EVENT_VALUE double"), OD_DOMAIN_NONE, "must have type float");
    refuses(interactions("EVENT_TYPE string categorical"), OD_DOMAIN_NONE,
            "EVENT_TYPE is reserved");
    refuses(interactions("IMPRESSION string categorical"), OD_DOMAIN_NONE,
            "IMPRESSION is reserved");
    refuses(interactions("RECOMMENDATION_ID long"), OD_DOMAIN_NONE, "must have type string");
    refuses(interactions("EVENT_ATTRIBUTION_SOURCE string categorical"), OD_DOMAIN_NONE,
            "EVENT_ATTRIBUTION_SOURCE is reserved");
    refuses(items("CREATION_TIMESTAMP int"), OD_DOMAIN_NONE, "must have type long");
    refuses(record("Actions", "ACTION_ID string; REPEAT_FREQUENCY string"), OD_DOMAIN_NONE,
            "REPEAT_FREQUENCY has type string");
    refuses(record("Actions", "ACTION_ID string; EXPIRATION_TIMESTAMP long; "
                              "ACTION_EXPIRATION_TIMESTAMP long"),
            OD_DOMAIN_NONE, "the same field");
    accepts(record("Actions", "ACTION_ID string; ACTION_EXPIRATION_TIMESTAMP long"),
            OD_DOMAIN_NONE);
}

/* first and count fields M0, M1, ... behind it. part NULL: is accepted. */
static void counts(const char *name, const char *first, const char *attributes, int count,
                   const char *part)
{
    static char fields[20000];
    int n = snprintf(fields, sizeof fields, "%s", first);
    for (int i = 0; i < count; i++)
        n += snprintf(fields + n, sizeof fields - (size_t)n, "; M%d string%s", i, attributes);
    if (part)
        refuses(record(name, fields), OD_DOMAIN_NONE, part);
    else
        accepts(record(name, fields), OD_DOMAIN_NONE);
}

static void metadata_is_counted(void **state)
{
    (void)state;
    const char *item = "ITEM_ID string; CREATION_TIMESTAMP long";
    counts("Interactions", EVENT_IDS "; EVENT_TYPE string", "", 5, NULL);
    counts("Interactions", EVENT_IDS "; EVENT_TYPE string", "", 6, "at most 5");
    counts("Items", item, "", 100, NULL);
    counts("Items", item, "", 101, "at most 100");
    counts("Items", item, "", 109, "has 111 entries");
    counts("Users", "USER_ID string", " categorical", 25, NULL);
    counts("Users", "USER_ID string", " categorical", 26, "at most 25");
    counts("Actions", "ACTION_ID string", "", 10, NULL);
    counts("Actions", "ACTION_ID string", "", 11, "at most 10");
}

static void items_users_and_actions_need_metadata(void **state)
{
    (void)state;
    refuses(record("Items", "ITEM_ID string"), OD_DOMAIN_NONE, "at least one metadata field");
    refuses(record("Actions", "ACTION_ID string"), OD_DOMAIN_NONE, "at least one metadata field");
    refuses(record("Users", "USER_ID string; NAME string"), OD_DOMAIN_NONE,
            "categorical string or a number");
    refuses(record("Users", "USER_ID string; OK boolean"), OD_DOMAIN_NONE,
            "categorical string or a number");
    accepts(record("Items", "ITEM_ID string; CREATION_TIMESTAMP long"), OD_DOMAIN_NONE);
}

static void domains_have_their_own_rules(void **state)
{
    (void)state;
    refuses(record("Interactions", EVENT_IDS), OD_ECOMMERCE, "EVENT_TYPE is missing");
    refuses(interactions("EVENT_TYPE null|string"), OD_VIDEO_ON_DEMAND,
            "EVENT_TYPE may not be null");
    accepts(interactions("EVENT_TYPE string"), OD_ECOMMERCE);
    refuses(items("PRICE float"), OD_ECOMMERCE, "CATEGORY_L1 is missing");
    refuses(items("PRICE float; CATEGORY_L1 string"), OD_ECOMMERCE,
            "CATEGORY_L1 must be categorical");
    refuses(items("PRICE double; CATEGORY_L1 string categorical"), OD_ECOMMERCE,
            "PRICE has type double");
    refuses(items("PRICE float; CATEGORY_L1 string categorical; PRODUCT_DESCRIPTION string"),
            OD_ECOMMERCE, "PRODUCT_DESCRIPTION must be textual");
    accepts(items("PRICE float; CATEGORY_L1 [\"string\"] categorical; CATEGORY_L2 string|null "
                  "categorical; PRODUCT_DESCRIPTION string textual"),
            OD_ECOMMERCE);
    refuses(items("CREATION_TIMESTAMP long"), OD_VIDEO_ON_DEMAND, "GENRES is missing");
    accepts(items("CREATION_TIMESTAMP long; GENRES_L1 string categorical"), OD_VIDEO_ON_DEMAND);
    refuses(record("Users", "USER_ID string; SUBSCRIPTION_MODEL string"), OD_VIDEO_ON_DEMAND,
            "SUBSCRIPTION_MODEL must be categorical");
    refuses(record("Actions", "ACTION_ID string; VALUE long"), OD_ECOMMERCE,
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
    struct od_schema s =
        accepts(items("CREATION_TIMESTAMP long; CATEGORY_L1 string"), OD_DOMAIN_NONE);
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
    struct od_schema again;
    struct od_buf text;
    od_buf_init(&text, 1u << 20);
    struct od_schema s = accepts(items("TITLE string|null itemName; D string textual; "
                                       "G string categorical; B [\"boolean\"]; P double"),
                                 OD_DOMAIN_NONE);
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
