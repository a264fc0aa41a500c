/* The schemas the filter tests share, made by hand: every kind of field in every dataset. */
#ifndef OD_TEST_FILTER_SHOP_H
#define OD_TEST_FILTER_SHOP_H

#include "filter/filter.h"

#define TEXT(field)                                                                                \
    {                                                                                              \
        .name = OD_STR(field), .type = OD_FIELD_STRING, .nullable = true                           \
    }
#define CATEGORICAL(field)                                                                         \
    {                                                                                              \
        .name = OD_STR(field), .type = OD_FIELD_STRING, .nullable = true, .categorical = true      \
    }
#define NUMBER(field, kind)                                                                        \
    {                                                                                              \
        .name = OD_STR(field), .type = (kind), .nullable = true                                    \
    }

static struct od_field interaction_fields[] = {TEXT("USER_ID"), TEXT("ITEM_ID"),
                                               NUMBER("TIMESTAMP", OD_FIELD_LONG),
                                               TEXT("EVENT_TYPE"), CATEGORICAL("DEVICE")};
static struct od_field item_fields[] = {
    TEXT("ITEM_ID"),
    CATEGORICAL("GENRE"),
    CATEGORICAL("CATEGORY"),
    CATEGORICAL("CATEGORY_L1"),
    CATEGORICAL("CATEGORY_L2"),
    TEXT("OWNER"),
    TEXT("OUT_OF_STOCK"),
    TEXT("AVAILABLE"),
    TEXT("DESCRIPTION"),
    NUMBER("PRICE", OD_FIELD_FLOAT),
    NUMBER("YEAR", OD_FIELD_INT),
    NUMBER("CREATION_TIMESTAMP", OD_FIELD_LONG),
    NUMBER("WEIGHT", OD_FIELD_DOUBLE),
    NUMBER("IS_NEW", OD_FIELD_BOOLEAN),
    {.name = OD_STR("DESCRIPTION_TEXT"), .type = OD_FIELD_STRING, .textual = true}};
static struct od_field user_fields[] = {TEXT("USER_ID"),
                                        NUMBER("AGE", OD_FIELD_INT),
                                        TEXT("MEMBERSHIP"),
                                        CATEGORICAL("MEMBERSHIP_STATUS"),
                                        CATEGORICAL("COUNTRY"),
                                        NUMBER("SCORE", OD_FIELD_FLOAT),
                                        NUMBER("VIP", OD_FIELD_BOOLEAN)};
static struct od_field action_fields[] = {TEXT("ACTION_ID"), NUMBER("VALUE", OD_FIELD_LONG),
                                          NUMBER("REPEAT_FREQUENCY", OD_FIELD_LONG),
                                          NUMBER("EXPIRATION_TIMESTAMP", OD_FIELD_LONG)};
static struct od_field action_interaction_fields[] = {
    TEXT("USER_ID"), TEXT("ACTION_ID"), TEXT("EVENT_TYPE"), NUMBER("TIMESTAMP", OD_FIELD_LONG)};

#define SCHEMA(kind, array)                                                                        \
    {                                                                                              \
        .type = (kind), .field_count = sizeof(array) / sizeof(array)[0], .fields = (array)         \
    }
static const struct od_schema shop[OD_DATASET_TYPES] = {
    [OD_INTERACTIONS] = SCHEMA(OD_INTERACTIONS, interaction_fields),
    [OD_ITEMS] = SCHEMA(OD_ITEMS, item_fields),
    [OD_USERS] = SCHEMA(OD_USERS, user_fields),
    [OD_ACTIONS] = SCHEMA(OD_ACTIONS, action_fields),
    [OD_ACTION_INTERACTIONS] = SCHEMA(OD_ACTION_INTERACTIONS, action_interaction_fields),
};
static const struct od_filter_schemas shop_schemas = {
    .by_type = {&shop[0], &shop[1], &shop[2], &shop[3], &shop[4]}};
/* The same with the language beyond AWS. */
static const struct od_filter_schemas extended_shop = {
    .by_type = {&shop[0], &shop[1], &shop[2], &shop[3], &shop[4]}, .extended = true};

#endif
