/* Any bytes as a line of a batch job: for every recipe it is refused with a reason, or it has what
 * the recipe needs and nothing longer than is allowed. */
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "batch/line.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool holds)
{
    if (!holds)
        abort();
}

static void check_line(const struct od_recipe_spec *spec, const struct od_batch_line *line)
{
    bool segments = spec->type == OD_USER_SEGMENTATION;
    bool related = spec->type == OD_RELATED_ITEMS, ranking = spec->type == OD_PERSONALIZED_RANKING;
    check(!related || line->item.ptr);
    check(segments || related || line->user.ptr);
    check(!segments || line->item.ptr || line->attributes.ptr);
    check(ranking == (line->list_count > 0) && line->list_count <= OD_MAX_RESULTS);
    for (size_t i = 0; i < line->list_count; i++)
        check(line->list[i].len && od_utf8_count(line->list[i]) <= OD_MAX_ID_CHARS);
    for (size_t i = 0; i < line->value_count; i++)
        check(line->values[i].name.ptr && line->values[i].text.ptr);
    for (size_t i = 0; i < line->context_count; i++)
        check(line->context[i].name.ptr && line->context[i].value.ptr);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const recipes[] = {"aws-user-personalization", "aws-sims",
                                          "aws-personalized-ranking", "aws-item-affinity",
                                          "aws-item-attribute-affinity"};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        const struct od_recipe_spec *spec = od_recipe_spec_find(od_str_c(recipes[i]));
        struct od_arena arena;
        struct od_batch_line line;
        struct od_error err = {.message = ""};
        od_arena_init(&arena, 64u << 20);
        enum od_status s = od_batch_line_read((struct od_str){data ? (const char *)data : "", size},
                                              spec, &arena, &line, &err);
        if (s == OD_OK)
            check_line(spec, &line);
        else
            check((s == OD_INVALID_INPUT || s == OD_TOO_LARGE) && err.message[0] &&
                  od_utf8_check(od_str_c(err.message)) == strlen(err.message));
        od_arena_done(&arena);
    }
    return 0;
}
