/* Fuzzing filters: any expression is refused with a message or becomes a filter, any filterValues
 * bind or are refused, and what binds evaluates.
 *
 * Input: the expression, then the value texts of its parameters in order, each after a NUL. The
 * catalogue, the user and the history are fixed and made once. What AWS's language accepts is
 * accepted beyond it too and keeps the same rows, and a report adds up to what is kept. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "filter/filter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerInitialize(int *argc, char ***argv);

#define FIELD(text, kind, ...)                                                                     \
    {                                                                                              \
        .name = OD_STR(text), .type = (kind), __VA_ARGS__                                          \
    }
static struct od_field interaction_fields[] = {FIELD("USER_ID", OD_FIELD_STRING),
                                               FIELD("EVENT_TYPE", OD_FIELD_STRING)};
static struct od_field item_fields[] = {FIELD("ITEM_ID", OD_FIELD_STRING),
                                        FIELD("G", OD_FIELD_STRING, .categorical = true),
                                        FIELD("OWNER", OD_FIELD_STRING),
                                        FIELD("Y", OD_FIELD_INT),
                                        FIELD("P", OD_FIELD_FLOAT),
                                        FIELD("D", OD_FIELD_DOUBLE),
                                        FIELD("B", OD_FIELD_BOOLEAN, .nullable = true),
                                        FIELD("T", OD_FIELD_STRING, .textual = true)};
static struct od_field user_fields[] = {FIELD("USER_ID", OD_FIELD_STRING),
                                        FIELD("AGE", OD_FIELD_INT),
                                        FIELD("C", OD_FIELD_STRING, .categorical = true)};
static struct od_field action_fields[] = {FIELD("ACTION_ID", OD_FIELD_STRING),
                                          FIELD("V", OD_FIELD_LONG)};

#define SCHEMA(kind, array)                                                                        \
    {                                                                                              \
        .type = (kind), .field_count = sizeof(array) / sizeof(array)[0], .fields = (array)         \
    }
static const struct od_schema schemas[] = {
    SCHEMA(OD_INTERACTIONS, interaction_fields), SCHEMA(OD_ITEMS, item_fields),
    SCHEMA(OD_USERS, user_fields), SCHEMA(OD_ACTIONS, action_fields),
    SCHEMA(OD_ACTION_INTERACTIONS, interaction_fields)};
static const struct od_filter_schemas known = {
    .by_type = {&schemas[0], &schemas[1], &schemas[2], &schemas[3], &schemas[4]}};
static const struct od_filter_schemas more = {
    .by_type = {&schemas[0], &schemas[1], &schemas[2], &schemas[3], &schemas[4]}, .extended = true};

#define ITEMS 70u
static struct od_table *items, *users, *actions;
static struct od_filter_event events[130];

static void check(bool holds)
{
    if (!holds)
        abort();
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    static const struct od_str genres[] = {OD_STR("a"), OD_STR("a|b"), OD_STR("x, y"), OD_STR("")};
    static const struct od_str types[] = {OD_STR("view"), OD_STR("BUY"), OD_STR("")};
    items = od_table_new(&schemas[1]);
    users = od_table_new(&schemas[2]);
    actions = od_table_new(&schemas[3]);
    check(items && users && actions);
    for (uint32_t i = 0; i < 3; i++) {
        struct od_value values[2] = {{.kind = OD_VALUE_TEXT, .text = genres[i]},
                                     {.kind = OD_VALUE_INTEGER, .integer = (int64_t)i}};
        check(od_table_put(actions, values) == OD_OK);
    }
    for (uint32_t i = 0; i < ITEMS; i++) {
        char id[2] = {(char)('0' + i % 70), '\0'};
        uint32_t row;
        struct od_value values[8] = {
            {.kind = OD_VALUE_TEXT, .text = {id, 1}},
            {.kind = OD_VALUE_TEXT, .text = genres[i % 4]},
            {.kind = i % 3 ? OD_VALUE_TEXT : OD_VALUE_NULL, .text = genres[i % 3]},
            {.kind = OD_VALUE_INTEGER, .integer = (int64_t)i - 35},
            {.kind = OD_VALUE_REAL, .real = i / 10.0},
            {.kind = i % 5 ? OD_VALUE_REAL : OD_VALUE_NULL, .real = i / 8.0},
            {.kind = i % 4 ? OD_VALUE_BOOLEAN : OD_VALUE_NULL, .integer = i % 2}};
        if (i % 7 == 0)
            check(od_table_row(items, values[0].text, &row) == OD_OK);
        else
            check(od_table_put(items, values) == OD_OK);
    }
    struct od_value user[3] = {{.kind = OD_VALUE_TEXT, .text = OD_STR("u")},
                               {.kind = OD_VALUE_INTEGER, .integer = 20},
                               {.kind = OD_VALUE_TEXT, .text = OD_STR("k|j")}};
    check(od_table_put(users, user) == OD_OK);
    for (uint32_t i = 0; i < 130; i++)
        events[i] = (struct od_filter_event){i % 75, types[i % 11 % 3], 130 - (int64_t)i};
    return 0;
}

/* The sums of a report are those of the result. */
static void explain(const struct od_filter *filter, const struct od_filter_values *values,
                    const struct od_filter_context *context, const uint64_t *keep,
                    struct od_arena *arena)
{
    const uint64_t asked[2] = {0xF0F0F0F0F0F0F0F1ULL, 0x2A};
    struct od_filter_report report;
    struct od_error err;
    uint32_t rows = od_table_row_count(context->items);
    size_t kept = 0, dropped = 0;
    check(od_filter_explain(filter, values, context, asked, arena, &report, &err) == OD_OK);
    for (uint32_t row = 0; row < rows; row++)
        kept += od_bitmap_get(asked, row) && od_bitmap_get(keep, row);
    for (size_t i = 0; i < report.step_count; i++) {
        check(od_utf8_check(report.steps[i].text) == report.steps[i].text.len);
        dropped += report.steps[i].drops;
        for (size_t k = 0; k < report.steps[i].condition_count; k++)
            check(report.steps[i].conditions[k].text.len > 0);
    }
    check(report.kept == kept && report.rows == kept + report.outside + dropped);
}

/* Whether the filter keeps items (actions): then *keep says which. */
static bool evaluate(const struct od_filter *filter, struct od_str texts, uint64_t *keep)
{
    struct od_filter_value given[32];
    struct od_arena arena;
    const struct od_filter_values *values;
    struct od_error err = {.message = ""};
    size_t count = 0;
    for (struct od_str text;
         count < od_filter_param_count(filter) && od_str_cut(&texts, '\0', &text); count++)
        given[count] = (struct od_filter_value){od_filter_param_name(filter, count), text};
    enum od_filter_target target = od_filter_target(filter);
    bool of_actions = target == OD_TARGET_ACTION;
    struct od_filter_context context = {
        of_actions ? actions : items,
        users,
        0,
        3,
        events,
        130,
        of_actions ? OD_TARGET_ACTION : OD_TARGET_ITEM,
        100,
    };
    od_arena_init(&arena, 16u << 20);
    enum od_status status = od_filter_bind(filter, given, count, &arena, &values, &err);
    check(status == OD_OK || (status == OD_INVALID_INPUT && err.message[0]));
    if (status == OD_OK) {
        status = od_filter_eval(filter, values, &context, &arena, keep, &err);
        check(status == (target == OD_TARGET_USER ? OD_INVALID_INPUT : OD_OK));
        check(status != OD_OK || of_actions || keep[1] >> (ITEMS - 64) == 0);
        check(status != OD_OK || !of_actions || keep[0] >> 3 == 0);
        if (status == OD_OK)
            explain(filter, values, &context, keep, &arena);
    }
    od_arena_done(&arena);
    return status == OD_OK;
}

static enum od_status make(struct od_str expression, const struct od_filter_schemas *schemas_of,
                           size_t size, struct od_filter **out)
{
    struct od_error err = {.message = ""};
    enum od_status status = od_filter_new(expression, schemas_of, 10, out, &err);
    if (status == OD_OK)
        return status;
    struct od_str message = {err.message, strlen(err.message)};
    check(status == OD_INVALID_INPUT && message.len > 25);
    check(od_utf8_check(message) == message.len);
    const char *text = strchr(err.message, '\n'), *carets = text ? strchr(text + 1, '\n') : NULL;
    check(!text || (carets && strchr(carets, '^') && !strchr(carets + 1, '\n')));
    check(err.column <= size + 1);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct od_str rest = {(const char *)data, size}, expression;
    struct od_filter *aws = NULL, *extended = NULL;
    uint64_t keep[2][(ITEMS + 63) / 64] = {0};
    if (!data || !od_str_cut(&rest, '\0', &expression))
        return 0;
    bool narrow = make(expression, &known, size, &aws) == OD_OK;
    bool wide = make(expression, &more, size, &extended) == OD_OK;
    check(wide || !narrow);
    bool kept = wide && evaluate(extended, rest, keep[0]);
    if (narrow)
        check(evaluate(aws, rest, keep[1]) == kept && !memcmp(keep[0], keep[1], sizeof keep[0]));
    od_filter_free(aws);
    od_filter_free(extended);
    return 0;
}
