/* Binding: the filterValues of a request to the tests of a filter (serving.md section 9).
 *
 * Each value text is split once; each test that uses the parameter takes from the list what its
 * field needs, texts or numbers. A test whose parameter has no value fails the request when it is
 * in an INCLUDE; in an EXCLUDE its whole expression is skipped.
 *
 * "value1, value2" in ONE pair of quotes is published as two values, yet it may as well be one
 * value with a comma ("Salt, pepper"). The set then holds the whole and the parts; evaluation takes
 * the whole when the column knows it, else the parts. Only a list (IN) with exactly one quoted
 * value is read this way: with "Salt, pepper","Bread" the client has shown that it separates
 * values. */
#include "filter/compiled.h"

struct binder {
    const struct od_filter *filter;
    struct od_filter_list *lists; /* one a parameter; count 0: no value */
    struct od_arena *arena;
    struct od_error *err;
};

static enum od_status no_memory(struct od_error *err)
{
    return od_fail(err, OD_NO_MEMORY, NULL);
}

static enum od_status split_values(struct binder *b, const struct od_filter_value *values,
                                   size_t count)
{
    for (size_t i = 0; i < count; i++) {
        size_t param = 0;
        while (param < b->filter->param_count &&
               !od_str_eq(b->filter->params[param], values[i].name))
            param++;
        if (param == b->filter->param_count)
            return od_fail(b->err, OD_INVALID_INPUT,
                           "The filter has no parameter %.*s; parameter names are case-sensitive.",
                           OD_STR_ARG(values[i].name));
        enum od_status status =
            od_filter_split(values[i].name, values[i].text, b->arena, &b->lists[param], b->err);
        if (status != OD_OK)
            return status;
    }
    return OD_OK;
}

/* The whole, then its parts, each trimmed; parts that are empty are left out. */
static enum od_status split_whole(struct binder *b, struct od_filter_list *list)
{
    struct od_str rest = list->texts[0], part;
    size_t most = 2;
    for (size_t at = 0; (at = od_str_find(rest, ',', at)) != SIZE_MAX; at++)
        most++;
    struct od_str *texts = OD_NEW_ARRAY(b->arena, struct od_str, most);
    if (!texts)
        return no_memory(b->err);
    texts[0] = rest;
    list->count = 1;
    while (od_str_cut(&rest, ',', &part)) {
        part = od_str_trim(part);
        if (part.len)
            texts[list->count++] = part;
    }
    list->texts = texts;
    return OD_OK;
}

static enum od_status bind_numbers(struct binder *b, const struct od_filter_test *test,
                                   const struct od_filter_list *list, struct od_filter_set *set)
{
    struct od_filter_number *numbers = OD_NEW_ARRAY(b->arena, struct od_filter_number, list->count);
    if (!numbers)
        return no_memory(b->err);
    size_t first = set->whole_or_parts ? 1 : 0; /* the whole is no number: it holds a comma */
    for (size_t i = first; i < list->count; i++) {
        bool boolean = test->type == OD_FIELD_BOOLEAN;
        if (!od_filter_read(test->type, list->texts[i], &numbers[i - first]))
            return od_fail(b->err, OD_INVALID_INPUT,
                           "The value '%.*s' of filter parameter %.*s is not %s, but %.*s is %s.",
                           OD_STR_ARG(list->texts[i]), OD_STR_ARG(b->filter->params[test->param]),
                           boolean ? "true or false" : "a number", OD_STR_ARG(test->name),
                           boolean ? "boolean" : "numeric");
    }
    set->count = list->count - first;
    set->numbers = numbers;
    set->texts = NULL;
    set->whole_or_parts = false;
    return OD_OK;
}

static enum od_status bind_param(struct binder *b, const struct od_filter_test *test,
                                 struct od_filter_set *out)
{
    struct od_filter_list list = b->lists[test->param];
    struct od_filter_set set = {.count = list.count, .texts = list.texts};
    if (test->op != OD_OP_IN && list.count > 1)
        return od_fail(b->err, OD_INVALID_INPUT,
                       "Filter parameter %.*s has %zu values, but %.*s is compared with one.",
                       OD_STR_ARG(b->filter->params[test->param]), list.count,
                       OD_STR_ARG(test->name));
    enum od_status status = OD_OK;
    if (test->op == OD_OP_IN && list.one_quoted && od_str_find(list.texts[0], ',', 0) != SIZE_MAX) {
        status = split_whole(b, &list);
        set = (struct od_filter_set){list.count, list.texts, .whole_or_parts = true};
    }
    if (status == OD_OK && od_filter_is_kept_as_number(test->type))
        status = bind_numbers(b, test, &list, &set);
    if (status != OD_OK)
        return status;
    bool events = test->dataset == OD_INTERACTIONS || test->dataset == OD_ACTION_INTERACTIONS;
    for (size_t i = 0; events && test->op == OD_OP_IN && i < set.count; i++)
        set.any |= od_str_eq_c(set.texts[i], "*");
    *out = set;
    return OD_OK;
}

static enum od_status bind_part(struct binder *b, const struct od_filter_part *part,
                                struct od_filter_set *sets, bool *out_skipped)
{
    for (int run = 0; run < 2; run++) {
        size_t from = run ? part->only_if : part->where;
        size_t to = from + (run ? part->only_if_count : part->where_count);
        for (size_t i = from; i < to; i++) {
            const struct od_filter_test *test = &b->filter->tests[i];
            enum od_status status = OD_OK;
            if (test->source == OD_FROM_LITERALS)
                sets[i] = test->literals;
            if (test->source != OD_FROM_PARAM)
                continue;
            if (b->lists[test->param].count)
                status = bind_param(b, test, &sets[i]);
            else if (part->include)
                status =
                    od_fail(b->err, OD_INVALID_INPUT, "Missing value for filter parameter %.*s.",
                            OD_STR_ARG(b->filter->params[test->param]));
            else
                *out_skipped = true;
            if (status != OD_OK)
                return status;
        }
    }
    return OD_OK;
}

enum od_status od_filter_bind(const struct od_filter *filter, const struct od_filter_value *values,
                              size_t count, struct od_arena *arena,
                              const struct od_filter_values **out, struct od_error *err)
{
    struct binder b = {.filter = filter, .arena = arena, .err = err};
    struct od_filter_values *bound = OD_NEW(arena, struct od_filter_values);
    struct od_filter_set *sets = OD_NEW_ARRAY(arena, struct od_filter_set, filter->test_count);
    bool *skipped = OD_NEW_ARRAY(arena, bool, filter->part_count);
    b.lists = OD_NEW_ARRAY(arena, struct od_filter_list, filter->param_count);
    if (!bound || !sets || !skipped || !b.lists)
        return no_memory(err);
    enum od_status status = split_values(&b, values, count);
    for (size_t i = 0; i < filter->part_count && status == OD_OK; i++)
        status = bind_part(&b, &filter->parts[i], sets, &skipped[i]);
    if (status != OD_OK)
        return status;
    *bound = (struct od_filter_values){.skipped = skipped, .sets = sets};
    *out = bound;
    return OD_OK;
}
