/* Put* targets: see targets.h. A list suffices: there is one tracker and at most four writable
 * datasets a group, and groups are counted in tens.
 *
 * Counts of events go from a target to the one that replaces it, so that a new schema starts none
 * of them again. */
#include "api/targets_inner.h"

#include <stdlib.h>

#define TARGET_ARENA_MAX (1u << 20) /* a schema is at most 20,000 characters */

struct od_targets *od_targets_new(void)
{
    struct od_targets *targets = calloc(1, sizeof *targets);
    if (targets)
        pthread_rwlock_init(&targets->lock, NULL);
    return targets;
}

static void counts_unref(struct od_event_counts *counts)
{
    if (counts && atomic_fetch_sub(&counts->refs, 1) == 1)
        free(counts);
}

void od_target_unref(struct od_target *target)
{
    if (target && atomic_fetch_sub(&target->refs, 1) == 1) {
        counts_unref(target->counts);
        od_arena_done(&target->arena);
        free(target);
    }
}

void od_targets_free(struct od_targets *targets)
{
    if (!targets)
        return;
    while (targets->first) {
        struct od_target *next = targets->first->next;
        od_target_unref(targets->first);
        targets->first = next;
    }
    pthread_rwlock_destroy(&targets->lock);
    free(targets);
}

static enum od_status fill(struct od_target *target, struct od_str name, struct od_str dataset,
                           struct od_str group, struct od_str schema_text, enum od_domain domain,
                           struct od_error *err)
{
    target->name = od_arena_str(&target->arena, name);
    target->dataset = od_arena_str(&target->arena, dataset);
    target->group = od_arena_str(&target->arena, group);
    struct od_str text = od_arena_str(&target->arena, schema_text);
    if (!target->name.ptr || !target->group.ptr || !target->dataset.ptr != !dataset.ptr ||
        !text.ptr != !schema_text.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return text.ptr ? od_schema_parse(&target->arena, text, domain, &target->schema, err) : OD_OK;
}

/* With the lock held for writing. What takes its place (may be NULL) goes on with its counts. */
static void take_out(struct od_targets *targets, struct od_str name, struct od_target *next)
{
    for (struct od_target **at = &targets->first; *at; at = &(*at)->next) {
        struct od_target *target = *at;
        if (!od_str_eq(target->name, name))
            continue;
        *at = target->next;
        if (next && next->counts && target->counts) {
            counts_unref(next->counts);
            next->counts = target->counts;
            atomic_fetch_add(&next->counts->refs, 1);
        }
        atomic_store(&target->replaced, next != NULL);
        atomic_store(&target->gone, true);
        od_target_unref(target);
        break;
    }
}

void od_targets_remove(struct od_targets *targets, struct od_str name)
{
    pthread_rwlock_wrlock(&targets->lock);
    take_out(targets, name, NULL);
    pthread_rwlock_unlock(&targets->lock);
}

static bool takes_events(enum od_dataset_type type)
{
    return type == OD_INTERACTIONS || type == OD_ACTION_INTERACTIONS;
}

enum od_status od_targets_put(struct od_targets *targets, struct od_str name, struct od_str dataset,
                              struct od_str group, enum od_dataset_type type,
                              struct od_str schema_text, enum od_domain domain,
                              struct od_error *err)
{
    struct od_target *target = calloc(1, sizeof *target);
    if (!target)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_init(&target->arena, TARGET_ARENA_MAX);
    atomic_init(&target->refs, 1);
    target->type = type;
    enum od_status s = fill(target, name, dataset, group, schema_text, domain, err);
    if (s == OD_OK && takes_events(type)) {
        target->counts = calloc(1, sizeof *target->counts);
        s = target->counts ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
        if (target->counts)
            atomic_init(&target->counts->refs, 1);
    }
    if (s != OD_OK) {
        od_target_unref(target);
        return s;
    }
    pthread_rwlock_wrlock(&targets->lock);
    take_out(targets, name, target); /* under one lock: the name is known at every moment */
    target->next = targets->first;
    targets->first = target;
    pthread_rwlock_unlock(&targets->lock);
    return OD_OK;
}

struct od_target *od_targets_find(struct od_targets *targets, struct od_str name)
{
    pthread_rwlock_rdlock(&targets->lock);
    struct od_target *target = targets->first;
    while (target && !od_str_eq(target->name, name))
        target = target->next;
    if (target)
        atomic_fetch_add(&target->refs, 1);
    pthread_rwlock_unlock(&targets->lock);
    return target;
}
