/* Interactions.EVENT_TYPE and Action_Interactions.EVENT_TYPE: the items or actions on which the
 * requesting user has an event of a type; or, of a filter over UserID, the users who have one.
 *
 * The cost is that of the user's history, not of the catalogue. Of each type, compared ignoring
 * case as everywhere, only the newest OD_FILTER_EVENTS_PER_TYPE (OD_FILTER_ACTION_EVENTS) count;
 * a condition with WITHIN sees the whole live history, and by a span of it what is not older.
 * The types of action interactions are written in several ways ("Not Taken", NOT_TAKEN), so there
 * spaces and underscores do not count either (data.md section 3). */
#include "base/bitmap.h"
#include "base/hash.h"
#include "base/limits.h"
#include "filter/compiled.h"

struct seen {
    struct od_str type; /* absent: free */
    uint32_t count;
};

static struct od_str fold(struct od_str type, struct od_arena *scratch)
{
    char *text = od_arena_alloc(scratch, type.len);
    for (size_t i = 0; text && i < type.len; i++) {
        char c = type.ptr[i];
        text[i] = (char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
    }
    return (struct od_str){text, type.len};
}

enum od_status od_filter_visible(const struct od_filter_context *context, uint32_t most,
                                 struct od_arena *scratch, const uint64_t **out,
                                 struct od_error *err)
{
    size_t count = context->event_count, slots = 64;
    *out = NULL;
    if (count <= most)
        return OD_OK;
    while (slots < count * 2)
        slots *= 2;
    struct seen *seen = OD_NEW_ARRAY(scratch, struct seen, slots);
    uint64_t *visible = OD_NEW_ARRAY(scratch, uint64_t, od_bitmap_words(count));
    if (!seen || !visible)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < count; i++) {
        struct od_str type = fold(context->events[i].type, scratch);
        if (!type.ptr)
            return od_fail(err, OD_NO_MEMORY, NULL);
        size_t at = od_hash(type.ptr, type.len, 0) & (slots - 1);
        while (seen[at].type.ptr && !od_str_eq(seen[at].type, type))
            at = (at + 1) & (slots - 1);
        seen[at].type = type;
        if (seen[at].count++ < most)
            od_bitmap_set(visible, i);
    }
    *out = visible;
    return OD_OK;
}

static size_t skip_blanks(struct od_str s, size_t at)
{
    while (at < s.len && (s.ptr[at] == ' ' || s.ptr[at] == '_'))
        at++;
    return at;
}

/* Ignoring case, spaces and underscores. */
static bool same_action_type(struct od_str a, struct od_str b)
{
    size_t i = skip_blanks(a, 0), j = skip_blanks(b, 0);
    while (i < a.len && j < b.len && od_str_eq_nocase(od_str_sub(a, i, 1), od_str_sub(b, j, 1))) {
        i = skip_blanks(a, i + 1);
        j = skip_blanks(b, j + 1);
    }
    return i == a.len && j == b.len;
}

static bool names_type(const struct od_filter_test *test, const struct od_filter_set *set,
                       struct od_str type)
{
    bool of_actions = test->dataset == OD_ACTION_INTERACTIONS;
    for (size_t i = 0; i < set->count; i++) {
        if (of_actions ? same_action_type(set->texts[i], type)
                       : od_str_eq_nocase(set->texts[i], type))
            return true;
    }
    return set->any;
}

/* The time from which on events count. */
static int64_t since(const struct od_filter_test *test, int64_t now_s)
{
    int64_t at;
    if (test->window != OD_WINDOW_SPAN || __builtin_sub_overflow(now_s, test->window_s, &at))
        return INT64_MIN;
    return at;
}

void od_filter_test_events(const struct od_filter_test *test, const struct od_filter_set *set,
                           const struct od_filter_context *context, const uint64_t *visible,
                           uint64_t *out)
{
    size_t row_count = od_table_row_count(context->items);
    int64_t from_s = since(test, context->now_s);
    bool all = !visible || test->window != OD_WINDOW_NEWEST;
    od_bitmap_fill(out, row_count, false);
    for (size_t i = 0; i < context->event_count; i++) {
        const struct od_filter_event *event = &context->events[i];
        if (event->item_row < row_count && (all || od_bitmap_get(visible, i)) &&
            event->time_s >= from_s && names_type(test, set, event->type))
            od_bitmap_set(out, event->item_row);
    }
    if (test->negated)
        od_bitmap_not(out, row_count);
}

enum od_status od_filter_test_people(const struct od_filter_test *test,
                                     const struct od_filter_set *set,
                                     const struct od_filter_people *people,
                                     struct od_arena *scratch, uint64_t *out, struct od_error *err)
{
    size_t row_count = od_table_row_count(people->users);
    bool *meant = OD_NEW_ARRAY(scratch, bool, people->type_count);
    if (!meant)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < people->type_count; i++)
        meant[i] = names_type(test, set, people->types[i]);
    od_bitmap_fill(out, row_count, false);
    int64_t from_s = since(test, people->now_s);
    for (size_t i = 0; i < people->event_count; i++)
        if (meant[people->event_type[i]] &&
            (test->window != OD_WINDOW_SPAN || people->event_s[i] >= from_s))
            od_bitmap_set(out, people->event_row[i]);
    if (test->negated)
        od_bitmap_not(out, row_count);
    return OD_OK;
}
