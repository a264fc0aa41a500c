/* What each dataset type asks of its fields: data.md section 3, with a domain section 4.
 *
 * The rules are a table, a row a named field. A row says whether the field is required, its type,
 * whether it may be null and which attribute it must or may carry. Every field without a row is the
 * user's own metadata and only counted. */
#include "data/schema_inner.h"

enum need { REQUIRED, RESERVED };
enum nullness { NEVER_NULL, MAYBE_NULL };
enum mark { PLAIN, ANY_MARK, CATEGORICAL, TEXTUAL };

struct rule {
    const char *name;
    const char *other_name; /* a second spelling of the same field, or NULL */
    enum od_field_type type;
    enum need need;
    enum nullness nullness;
    enum mark mark;
};

struct rule_set {
    enum od_dataset_type type;
    enum od_domain domain;
    size_t most_metadata; /* own columns at most */
    const struct rule *rules;
    size_t rule_count;
};

#define ID(n)                                                                                      \
    {                                                                                              \
        n, NULL, OD_FIELD_STRING, REQUIRED, NEVER_NULL, PLAIN                                      \
    }
#define MOMENT(n)                                                                                  \
    {                                                                                              \
        n, NULL, OD_FIELD_LONG, REQUIRED, NEVER_NULL, PLAIN                                        \
    }
#define TEXT(n)                                                                                    \
    {                                                                                              \
        n, NULL, OD_FIELD_STRING, RESERVED, MAYBE_NULL, PLAIN                                      \
    }
#define NUMBER(n)                                                                                  \
    {                                                                                              \
        n, NULL, OD_FIELD_FLOAT, RESERVED, MAYBE_NULL, PLAIN                                       \
    }
#define WHOLE(n)                                                                                   \
    {                                                                                              \
        n, NULL, OD_FIELD_LONG, RESERVED, MAYBE_NULL, PLAIN                                        \
    }
#define CLASS(n)                                                                                   \
    {                                                                                              \
        n, NULL, OD_FIELD_STRING, RESERVED, MAYBE_NULL, CATEGORICAL                                \
    }
#define PROSE(n)                                                                                   \
    {                                                                                              \
        n, NULL, OD_FIELD_STRING, RESERVED, MAYBE_NULL, TEXTUAL                                    \
    }

#define EVENT_COLUMNS                                                                              \
    ID("USER_ID"), ID("ITEM_ID"), MOMENT("TIMESTAMP"), NUMBER("EVENT_VALUE"), TEXT("IMPRESSION"),  \
        TEXT("RECOMMENDATION_ID"), TEXT("EVENT_ATTRIBUTION_SOURCE")

static const struct rule interactions[] = {EVENT_COLUMNS, TEXT("EVENT_TYPE")};
static const struct rule domain_interactions[] = {EVENT_COLUMNS, ID("EVENT_TYPE")};
static const struct rule items[] = {ID("ITEM_ID"), WHOLE("CREATION_TIMESTAMP")};
static const struct rule users[] = {ID("USER_ID")};
static const struct rule actions[] = {
    ID("ACTION_ID"),
    WHOLE("CREATION_TIMESTAMP"),
    WHOLE("VALUE"),
    {"TYPE", NULL, OD_FIELD_STRING, RESERVED, MAYBE_NULL, ANY_MARK},
    {"EXPIRATION_TIMESTAMP", "ACTION_EXPIRATION_TIMESTAMP", OD_FIELD_LONG, RESERVED, MAYBE_NULL,
     PLAIN},
    WHOLE("REPEAT_FREQUENCY"),
};
static const struct rule action_interactions[] = {
    ID("USER_ID"),       ID("ACTION_ID"),    ID("EVENT_TYPE"),
    MOMENT("TIMESTAMP"), TEXT("IMPRESSION"), TEXT("RECOMMENDATION_ID"),
};
static const struct rule ecommerce_items[] = {
    ID("ITEM_ID"),
    {"PRICE", NULL, OD_FIELD_FLOAT, REQUIRED, MAYBE_NULL, PLAIN},
    {"CATEGORY_L1", NULL, OD_FIELD_STRING, REQUIRED, MAYBE_NULL, CATEGORICAL},
    CLASS("CATEGORY_L2"),
    CLASS("CATEGORY_L3"),
    PROSE("PRODUCT_DESCRIPTION"),
    WHOLE("CREATION_TIMESTAMP"),
    CLASS("AGE_GROUP"),
    CLASS("ADULT"),
    CLASS("GENDER"),
};
static const struct rule video_items[] = {
    ID("ITEM_ID"),
    {"CREATION_TIMESTAMP", NULL, OD_FIELD_LONG, REQUIRED, MAYBE_NULL, PLAIN},
    {"GENRES", "GENRES_L1", OD_FIELD_STRING, REQUIRED, MAYBE_NULL, CATEGORICAL},
    NUMBER("PRICE"),
    NUMBER("DURATION"),
    NUMBER("AVERAGE_RATING"),
    CLASS("GENRE_L2"),
    CLASS("GENRE_L3"),
    PROSE("PRODUCT_DESCRIPTION"),
    CLASS("CONTENT_OWNER"),
    CLASS("CONTENT_CLASSIFICATION"),
};
static const struct rule video_users[] = {ID("USER_ID"), CLASS("SUBSCRIPTION_MODEL")};

#define SET(type, domain, most, rules)                                                             \
    {                                                                                              \
        type, domain, most, rules, sizeof(rules) / sizeof(rules)[0]                                \
    }

static const struct rule_set rule_sets[] = {
    SET(OD_INTERACTIONS, OD_DOMAIN_NONE, 5, interactions),
    SET(OD_ITEMS, OD_DOMAIN_NONE, 100, items),
    SET(OD_USERS, OD_DOMAIN_NONE, 25, users),
    SET(OD_ACTIONS, OD_DOMAIN_NONE, 10, actions),
    SET(OD_ACTION_INTERACTIONS, OD_DOMAIN_NONE, 5, action_interactions),
    SET(OD_INTERACTIONS, OD_ECOMMERCE, 5, domain_interactions),
    SET(OD_ITEMS, OD_ECOMMERCE, 100, ecommerce_items),
    SET(OD_USERS, OD_ECOMMERCE, 25, users),
    SET(OD_INTERACTIONS, OD_VIDEO_ON_DEMAND, 5, domain_interactions),
    SET(OD_ITEMS, OD_VIDEO_ON_DEMAND, 100, video_items),
    SET(OD_USERS, OD_VIDEO_ON_DEMAND, 25, video_users),
};

static const struct rule_set *rules_of(enum od_dataset_type type, enum od_domain domain)
{
    for (size_t i = 0; i < sizeof rule_sets / sizeof rule_sets[0]; i++)
        if (rule_sets[i].type == type && rule_sets[i].domain == domain)
            return &rule_sets[i];
    return NULL;
}

static const struct od_field *field_of(const struct od_schema *schema, const char *name)
{
    size_t at = name ? od_schema_find(schema, od_str_c(name)) : SIZE_MAX;
    return at == SIZE_MAX ? NULL : &schema->fields[at];
}

static bool has_rule(const struct rule_set *set, const struct od_field *field)
{
    for (size_t i = 0; i < set->rule_count; i++) {
        const struct rule *r = &set->rules[i];
        if (od_str_eq_c(field->name, r->name) ||
            (r->other_name && od_str_eq_c(field->name, r->other_name)))
            return true;
    }
    return false;
}

static enum od_status check_mark(const struct rule *rule, const struct od_field *field,
                                 struct od_error *err)
{
    struct od_str name = field->name;
    if (rule->mark == CATEGORICAL && !field->categorical)
        return od_schema_refuse(err, "field %.*s must be categorical", OD_STR_ARG(name));
    if (rule->mark == TEXTUAL && !field->textual)
        return od_schema_refuse(err, "field %.*s must be textual", OD_STR_ARG(name));
    if (rule->mark == PLAIN && (field->categorical || field->textual || field->item_name))
        return od_schema_refuse(err, "field %.*s is reserved and may not be %s", OD_STR_ARG(name),
                                field->categorical ? "categorical"
                                : field->textual   ? "textual"
                                                   : "itemName");
    return OD_OK;
}

static enum od_status check_rule(const struct od_schema *schema, const struct rule *rule,
                                 struct od_error *err)
{
    const struct od_field *field = field_of(schema, rule->name);
    const struct od_field *other = field_of(schema, rule->other_name);
    if (field && other)
        return od_schema_refuse(err, "fields %s and %s are the same field; have one of them",
                                rule->name, rule->other_name);
    field = field ? field : other;
    if (!field && rule->need == REQUIRED)
        return od_schema_refuse(err, "required field %s is missing from the %.*s schema",
                                rule->name, OD_STR_ARG(schema->name));
    if (!field)
        return OD_OK;
    if (field->type != rule->type)
        return od_schema_refuse(err, "field %.*s has type %s and must have type %s",
                                OD_STR_ARG(field->name), od_field_type_name(field->type),
                                od_field_type_name(rule->type));
    if (field->nullable && rule->nullness == NEVER_NULL)
        return od_schema_refuse(err, "field %.*s may not be null", OD_STR_ARG(field->name));
    return check_mark(rule, field, err);
}

static enum od_status check_metadata_count(const struct od_schema *schema,
                                           const struct rule_set *set, struct od_error *err)
{
    size_t own = 0;
    for (size_t i = 0; i < schema->field_count; i++)
        own += !has_rule(set, &schema->fields[i]);
    if (own > set->most_metadata)
        return od_schema_refuse(
            err, "the %.*s schema has %zu metadata fields of its own and may have at most %zu",
            OD_STR_ARG(schema->name), own, set->most_metadata);
    return OD_OK;
}

/* Users train on categories and numbers alone, so plain strings do not count there. */
static bool is_metadata(const struct od_schema *schema, const struct od_field *field)
{
    if (od_str_eq_c(field->name, "ITEM_ID") || od_str_eq_c(field->name, "USER_ID") ||
        od_str_eq_c(field->name, "ACTION_ID"))
        return false;
    if (schema->type != OD_USERS)
        return true;
    return field->type == OD_FIELD_STRING ? field->categorical : field->type != OD_FIELD_BOOLEAN;
}

static enum od_status check_has_metadata(const struct od_schema *schema, struct od_error *err)
{
    if (schema->type == OD_INTERACTIONS || schema->type == OD_ACTION_INTERACTIONS)
        return OD_OK;
    for (size_t i = 0; i < schema->field_count; i++)
        if (is_metadata(schema, &schema->fields[i]))
            return OD_OK;
    if (schema->type == OD_USERS)
        return od_schema_refuse(err,
                                "the %.*s schema needs at least one metadata field that is a "
                                "categorical string or a number",
                                OD_STR_ARG(schema->name));
    return od_schema_refuse(err, "the %.*s schema needs at least one metadata field",
                            OD_STR_ARG(schema->name));
}

enum od_status od_schema_check(const struct od_schema *schema, enum od_domain domain,
                               struct od_error *err)
{
    const struct rule_set *set = rules_of(schema->type, domain);
    if (!set)
        return od_schema_refuse(err,
                                "\"name\" is \"%.*s\", a dataset type that domain dataset "
                                "groups do not have",
                                OD_STR_ARG(schema->name));
    for (size_t i = 0; i < set->rule_count; i++) {
        enum od_status s = check_rule(schema, &set->rules[i], err);
        if (s != OD_OK)
            return s;
    }
    enum od_status s = check_metadata_count(schema, set, err);
    return s == OD_OK ? check_has_metadata(schema, err) : s;
}
