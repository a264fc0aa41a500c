/* ARNs taken apart and made. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include <string.h>

#include "wire/arn.h"

#define HERE "arn:aws:personalize:us-east-1:111122223333:"

static void each_kind_is_made_and_recognised(void **state)
{
    (void)state;
    static const struct {
        const char *kind, *name, *part, *arn;
    } cases[] = {
        {"dataset-group", "g", "", HERE "dataset-group/g"},
        {"schema", "s", "", HERE "schema/s"},
        {"dataset", "g", "INTERACTIONS", HERE "dataset/g/INTERACTIONS"},
        {"dataset", "g", "ITEMS", HERE "dataset/g/ITEMS"},
        {"dataset", "g", "USERS", HERE "dataset/g/USERS"},
        {"dataset", "g", "ACTIONS", HERE "dataset/g/ACTIONS"},
        {"dataset", "g", "ACTION_INTERACTIONS", HERE "dataset/g/ACTION_INTERACTIONS"},
        {"dataset-import-job", "j", "", HERE "dataset-import-job/j"},
        {"dataset-export-job", "j", "", HERE "dataset-export-job/j"},
        {"data-deletion-job", "j", "", HERE "data-deletion-job/j"},
        {"solution", "s", "", HERE "solution/s"},
        {"solution-version", "s", "0123abcd", HERE "solution/s/0123abcd"},
        {"solution-latest", "s", "$LATEST", HERE "solution/s/$LATEST"},
        {"campaign", "c_1-x", "", HERE "campaign/c_1-x"},
        {"recommender", "r", "", HERE "recommender/r"},
        {"filter", "f", "", HERE "filter/f"},
        {"event-tracker", "d2e7ccdc", "", HERE "event-tracker/d2e7ccdc"},
        {"batch-inference-job", "b", "", HERE "batch-inference-job/b"},
        {"batch-segment-job", "b", "", HERE "batch-segment-job/b"},
        {"metric-attribution", "m", "", HERE "metric-attribution/m"},
        {"recipe", "aws-user-personalization", "",
         "arn:aws:personalize:::recipe/aws-user-personalization"},
        {"algorithm", "aws-hrnn", "", "arn:aws:personalize:::algorithm/aws-hrnn"},
        {"feature-transformation", "JSON-percentile-filtering", "",
         "arn:aws:personalize:::feature-transformation/JSON-percentile-filtering"},
    };
    struct od_arena arena;
    od_arena_init(&arena, 1u << 20);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct od_str part = cases[i].part[0] ? od_str_c(cases[i].part) : OD_STR_NONE;
        struct od_str made = od_arn_make(&arena, OD_STR("us-east-1"), OD_STR("111122223333"),
                                         cases[i].kind, od_str_c(cases[i].name), part);
        struct od_arn arn;
        assert_string_equal(made.ptr, cases[i].arn);
        assert_true(od_arn_parse(made, &arn));
        assert_true(od_str_eq_c(arn.kind, cases[i].kind));
        assert_true(od_str_eq_c(arn.name, cases[i].name));
        assert_true(od_str_eq_c(arn.part, cases[i].part));
        assert_true(od_str_eq_c(arn.partition, "aws"));
        assert_true(od_str_eq_c(arn.service, "personalize"));
        bool ours = strncmp(cases[i].arn, HERE, sizeof HERE - 1) == 0;
        assert_true(od_str_eq_c(arn.region, ours ? "us-east-1" : ""));
        assert_true(od_str_eq_c(arn.account, ours ? "111122223333" : ""));
    }
    od_arena_done(&arena);
}

static void paths_of_no_resource_have_no_kind(void **state)
{
    (void)state;
    const char *const arns[] = {
        HERE "campaign",
        HERE "campaign/",
        HERE "campaign/a/b",
        HERE "campaign/-a",
        HERE "campaign/a/",
        HERE "Campaign/a",
        HERE "solution/s/0123abcx",
        HERE "solution/s/0123ABCD",
        HERE "solution/s/0123abc",
        HERE "solution/s/0123abcd/x",
        HERE "solution/s/$latest",
        HERE "solution/s/",
        HERE "solution-version/s",
        HERE "solution-latest/s",
        HERE "dataset/g",
        HERE "dataset/g/items",
        HERE "dataset/g/ITEMS/x",
        HERE "dataset/g/THINGS",
        HERE "campaign/a123456789b123456789c123456789d123456789e123456789f123456789g1234",
        HERE "anything",
        "arn:aws:iam::111122223333:role/campaign",
        "arn:aws:other:us-east-1:111122223333:campaign/c",
    };
    for (size_t i = 0; i < sizeof arns / sizeof arns[0]; i++) {
        struct od_arn arn;
        assert_true(od_arn_parse(od_str_c(arns[i]), &arn));
        if (arn.kind.len || arn.name.len || arn.part.len)
            fail_msg("%s is taken for a %.*s", arns[i], OD_STR_ARG(arn.kind));
        assert_true(arn.path.len > 0);
    }
}

static void texts_that_are_no_arn(void **state)
{
    (void)state;
    char endless[3000];
    memset(endless, 'a', sizeof endless);
    memcpy(endless, HERE, sizeof HERE - 1);
    const struct od_str texts[] = {
        OD_STR(""),
        OD_STR_NONE,
        OD_STR("arn"),
        OD_STR("arn:aws:personalize:us-east-1:111122223333"),
        OD_STR("arn:aws:personalize:us-east-1:111122223333:"),
        OD_STR("ARN:aws:personalize:us-east-1:111122223333:campaign/c"),
        OD_STR("arn::personalize:us-east-1:111122223333:campaign/c"),
        OD_STR("arn:aws::us-east-1:111122223333:campaign/c"),
        OD_STR(HERE "campaign/a b"),
        OD_STR(HERE "campaign/a\n"),
        OD_STR(HERE "campaign/a\0"),
        OD_STR(HERE "campaign/\xC3\xA4"),
        {endless, sizeof endless},
    };
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        struct od_arn arn = {.name = OD_STR("untouched")};
        assert_false(od_arn_parse(texts[i], &arn));
        assert_true(od_str_eq_c(arn.name, "untouched"));
    }
}

static void partitions_follow_the_region(void **state)
{
    (void)state;
    struct od_arena arena;
    od_arena_init(&arena, 1u << 20);
    assert_string_equal(od_arn_partition(OD_STR("eu-west-1")), "aws");
    assert_string_equal(od_arn_partition(OD_STR("cn-north-1")), "aws-cn");
    struct od_str made = od_arn_make(&arena, OD_STR("us-gov-west-1"), OD_STR("1"), "filter",
                                     OD_STR("f"), OD_STR_NONE);
    assert_string_equal(made.ptr, "arn:aws-us-gov:personalize:us-gov-west-1:1:filter/f");
    struct od_arn arn;
    assert_true(od_arn_parse(made, &arn));
    assert_true(od_str_eq_c(arn.kind, "filter"));
    assert_null(
        od_arn_make(&arena, OD_STR("r"), OD_STR("a"), "sandwich", OD_STR("n"), OD_STR_NONE).ptr);
    od_arena_done(&arena);
    od_arena_init(&arena, 0);
    assert_null(
        od_arn_make(&arena, OD_STR("r"), OD_STR("a"), "filter", OD_STR("n"), OD_STR_NONE).ptr);
    od_arena_done(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_is_made_and_recognised),
        cmocka_unit_test(paths_of_no_resource_have_no_kind),
        cmocka_unit_test(texts_that_are_no_arn),
        cmocka_unit_test(partitions_follow_the_region),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
