/* What a metric attribution asks of live data: which campaign an event goes back to, and a number
 * of the event's item. */
#include "base/bitmap.h"
#include "serve/state.h"

/* Answers that are still remembered name their campaign even when it has been deleted since. */
static struct od_str remembered(struct od_serve *serve, const struct od_live *own,
                                const uint8_t rid[OD_RID_BYTES], struct od_arena *arena)
{
    struct od_shown_answer answer;
    if (od_shown_find(&serve->shown, rid, arena, &answer) != OD_OK)
        return OD_STR_NONE;
    bool is_own = answer.group == own;
    od_live_unref(answer.group);
    return is_own ? answer.campaign_arn : OD_STR_NONE;
}

static struct od_str signed_by(struct od_serve *serve, const struct od_live *own,
                               const uint8_t rid[OD_RID_BYTES], struct od_arena *arena)
{
    struct od_str found = OD_STR_NONE;
    pthread_rwlock_rdlock(&serve->lock);
    for (size_t i = 0; i < serve->campaigns.count && !found.ptr; i++) {
        const struct od_place *place = serve->campaigns.list[i].value;
        if (place->group == own && od_rid_is_of(rid, place->arn))
            found = od_arena_str(arena, place->arn);
    }
    pthread_rwlock_unlock(&serve->lock);
    return found;
}

struct od_str od_serve_source(struct od_serve *serve, struct od_str group_arn,
                              struct od_str recommendation_id, struct od_arena *arena)
{
    uint8_t rid[OD_RID_BYTES];
    struct od_live *own = od_serve_live(serve, group_arn);
    if (!own || !od_rid_parse(recommendation_id, rid)) {
        od_live_unref(own);
        return OD_STR_NONE;
    }
    struct od_str campaign = remembered(serve, own, rid, arena);
    if (!campaign.ptr)
        campaign = signed_by(serve, own, rid, arena);
    od_live_unref(own);
    return campaign;
}

/* With the group's lock held for reading. */
static bool number_of(const struct od_table *items, uint32_t row, struct od_str name, double *out)
{
    struct od_table_column column;
    for (size_t i = 0, n = od_table_column_count(items); i < n; i++) {
        od_table_column(items, i, &column);
        if (!od_str_eq_nocase(column.field->name, name))
            continue;
        if (od_bitmap_get(column.nulls, row) || (!column.reals && !column.integers))
            return false;
        *out = column.reals ? column.reals[row] : (double)column.integers[row];
        return column.field->type != OD_FIELD_BOOLEAN;
    }
    return false;
}

bool od_serve_item_number(struct od_serve *serve, struct od_str group_arn, struct od_str item,
                          struct od_str column, double *out)
{
    struct od_live *live = od_serve_live(serve, group_arn);
    if (!live)
        return false;
    pthread_rwlock_rdlock(&live->lock);
    uint32_t row = od_table_find(live->items, item);
    bool found = row != OD_NO_ROW && number_of(live->items, row, column, out);
    pthread_rwlock_unlock(&live->lock);
    od_live_unref(live);
    return found;
}
