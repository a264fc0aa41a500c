/* ARNs: see arn.h.
 *
 * Clients build these names themselves and compare them byte for byte, so each kind has one form
 * and nothing else is recognised: a path one letter off has kind "". */
#include "wire/arn.h"

#include "wire/api_internal.h"

#include <string.h>

#define MAX_ARN_BYTES  2048 /* the longest the model knows: a KMS key */
#define MAX_NAME_BYTES 63

static const struct {
    const char *kind;
    bool of_service; /* no region and no account */
} kinds[] = {
    {"dataset-group", false},
    {"schema", false},
    {"dataset", false},
    {"dataset-import-job", false},
    {"dataset-export-job", false},
    {"data-deletion-job", false},
    {"solution", false},
    {"solution-version", false},
    {"solution-latest", false},
    {"campaign", false},
    {"recommender", false},
    {"filter", false},
    {"event-tracker", false},
    {"batch-inference-job", false},
    {"batch-segment-job", false},
    {"metric-attribution", false},
    {"recipe", true},
    {"algorithm", true},
    {"feature-transformation", true},
};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

static const char *const dataset_types[] = {"INTERACTIONS", "ITEMS", "USERS", "ACTIONS",
                                            "ACTION_INTERACTIONS"};

static bool is_name(struct od_str text)
{
    return text.len <= MAX_NAME_BYTES && od_match_name(text);
}

static bool is_version_id(struct od_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!memchr("0123456789abcdef", text.ptr[i], 16))
            return false;
    return text.len == 8;
}

static bool is_dataset_type(struct od_str text)
{
    for (size_t i = 0; i < sizeof dataset_types / sizeof dataset_types[0]; i++)
        if (od_str_eq_c(text, dataset_types[i]))
            return true;
    return false;
}

/* The kind that the path's words make; "" for none. third is absent when there are two words. */
static struct od_str kind_of(struct od_str first, struct od_str third)
{
    if (od_str_eq_c(first, "dataset"))
        return third.ptr && is_dataset_type(third) ? first : OD_STR("");
    if (od_str_eq_c(first, "solution") && third.ptr) {
        if (od_str_eq_c(third, "$LATEST"))
            return OD_STR("solution-latest");
        return is_version_id(third) ? OD_STR("solution-version") : OD_STR("");
    }
    /* These two are names for paths, not words in them. */
    if (third.ptr || od_str_eq_c(first, "solution-version") ||
        od_str_eq_c(first, "solution-latest"))
        return OD_STR("");
    for (size_t i = 0; i < KIND_COUNT; i++)
        if (od_str_eq_c(first, kinds[i].kind))
            return first;
    return OD_STR("");
}

static void recognise(struct od_arn *arn)
{
    struct od_str rest = arn->path, first, name, third = OD_STR_NONE;
    arn->kind = arn->name = arn->part = OD_STR("");
    if (!od_str_eq_c(arn->service, "personalize") || !od_str_cut(&rest, '/', &first) ||
        !od_str_cut(&rest, '/', &name) || !is_name(name))
        return;
    if (od_str_cut(&rest, '/', &third) && rest.ptr)
        return;
    arn->kind = kind_of(first, third);
    if (arn->kind.len == 0)
        return;
    arn->name = name;
    if (third.ptr)
        arn->part = third;
}

/* Graphic ASCII only: names, regions and accounts have nothing else. */
static bool is_graphic(struct od_str text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.ptr[i] <= ' ' || text.ptr[i] > '~')
            return false;
    return true;
}

bool od_arn_parse(struct od_str text, struct od_arn *out)
{
    struct od_arn arn;
    struct od_str rest = text, scheme;
    if (text.len > MAX_ARN_BYTES || !is_graphic(text))
        return false;
    if (!od_str_cut(&rest, ':', &scheme) || !od_str_eq_c(scheme, "arn") ||
        !od_str_cut(&rest, ':', &arn.partition) || !od_str_cut(&rest, ':', &arn.service) ||
        !od_str_cut(&rest, ':', &arn.region) || !od_str_cut(&rest, ':', &arn.account))
        return false;
    if (!rest.ptr || rest.len == 0 || arn.partition.len == 0 || arn.service.len == 0)
        return false;
    arn.path = rest;
    recognise(&arn);
    *out = arn;
    return true;
}

const char *od_arn_partition(struct od_str region)
{
    if (od_str_starts(region, OD_STR("cn-")))
        return "aws-cn";
    return od_str_starts(region, OD_STR("us-gov-")) ? "aws-us-gov" : "aws";
}

struct od_str od_arn_make(struct od_arena *arena, struct od_str region, struct od_str account,
                          const char *kind, struct od_str name, struct od_str part)
{
    size_t i = 0;
    while (i < KIND_COUNT && strcmp(kinds[i].kind, kind) != 0)
        i++;
    if (i == KIND_COUNT)
        return OD_STR_NONE;
    if (kinds[i].of_service)
        return od_arena_printf(arena, "arn:aws:personalize:::%s/%.*s", kind, OD_STR_ARG(name));
    const char *word = strncmp(kind, "solution-", 9) == 0 ? "solution" : kind;
    if (strcmp(kind, "solution-latest") == 0)
        part = OD_STR("$LATEST");
    return od_arena_printf(arena, "arn:%s:personalize:%.*s:%.*s:%s/%.*s%s%.*s",
                           od_arn_partition(region), OD_STR_ARG(region), OD_STR_ARG(account), word,
                           OD_STR_ARG(name), part.len ? "/" : "", OD_STR_ARG(part));
}
