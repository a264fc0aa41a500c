/* Accounts of what is served: see capacity.h. The list is in order of ARNs, for one binary search a
 * request; it changes when a campaign comes or goes. */
#include "api/capacity.h"

#include <stdlib.h>
#include <string.h>

struct od_capacity *od_capacity_new(unsigned threads)
{
    struct od_capacity *capacity = calloc(1, sizeof *capacity);
    if (capacity)
        pthread_rwlock_init(&capacity->lock, NULL);
    if (capacity)
        capacity->threads = threads;
    return capacity;
}

void od_account_unref(struct od_account *account)
{
    if (!account || atomic_fetch_sub_explicit(&account->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&account->lock);
    free((char *)account->arn.ptr);
    free(account);
}

void od_capacity_free(struct od_capacity *capacity)
{
    if (!capacity)
        return;
    for (size_t i = 0; i < capacity->count; i++)
        od_account_unref(capacity->list[i]);
    free(capacity->list);
    pthread_rwlock_destroy(&capacity->lock);
    free(capacity);
}

/* The place of arn in the list; the lock is held. */
static size_t place_of(const struct od_capacity *capacity, struct od_str arn, bool *out_found)
{
    size_t from = 0, to = capacity->count;
    *out_found = false;
    while (from < to) {
        size_t middle = from + (to - from) / 2;
        int order = od_str_cmp(capacity->list[middle]->arn, arn);
        if (order < 0)
            from = middle + 1;
        else
            to = middle;
        *out_found |= order == 0;
    }
    return from;
}

struct od_account *od_capacity_find(struct od_capacity *capacity, struct od_str arn)
{
    bool found;
    struct od_account *account = NULL;
    pthread_rwlock_rdlock(&capacity->lock);
    size_t at = place_of(capacity, arn, &found);
    if (found) {
        account = capacity->list[at];
        atomic_fetch_add_explicit(&account->refs, 1, memory_order_relaxed);
    }
    pthread_rwlock_unlock(&capacity->lock);
    return account;
}

static struct od_account *new_account(struct od_capacity *capacity, struct od_str arn,
                                      int64_t floor, int64_t now_ms)
{
    struct od_account *account =
        calloc(1, sizeof *account + capacity->threads * sizeof account->lanes[0]);
    char *text = malloc(arn.len + 1);
    if (!account || !text) {
        free(account);
        free(text);
        return NULL;
    }
    memcpy(text, arn.ptr, arn.len);
    account->arn = (struct od_str){text, arn.len};
    account->capacity = capacity;
    atomic_init(&account->refs, 1);
    od_bucket_init(&account->floor, floor);
    od_bucket_init(&account->ceiling, 0);
    pthread_mutex_init(&account->lock, NULL);
    od_recent_init(&account->recent, now_ms);
    account->hours = (struct od_tps_hours){.until_ms = now_ms, .floor = floor};
    account->changed = true;
    for (unsigned i = 0; i < capacity->threads; i++) {
        account->lanes[i].account = account;
        account->lanes[i].tail = &account->lanes[i].head;
    }
    return account;
}

struct od_account *od_capacity_add(struct od_capacity *capacity, struct od_str arn, int64_t floor,
                                   int64_t now_ms)
{
    struct od_account *account = new_account(capacity, arn, floor, now_ms);
    bool found;
    pthread_rwlock_wrlock(&capacity->lock);
    if (account && capacity->count == capacity->room) {
        size_t room = capacity->room ? 2 * capacity->room : 16;
        struct od_account **grown = realloc(capacity->list, room * sizeof(struct od_account *));
        if (grown) {
            capacity->list = grown;
            capacity->room = room;
        } else {
            od_account_unref(account);
            account = NULL;
        }
    }
    if (account) {
        size_t at = place_of(capacity, arn, &found);
        memmove(&capacity->list[at + 1], &capacity->list[at],
                (capacity->count - at) * sizeof(struct od_account *));
        capacity->list[at] = account;
        capacity->count++;
    }
    pthread_rwlock_unlock(&capacity->lock);
    return account;
}

void od_capacity_remove(struct od_capacity *capacity, struct od_str arn)
{
    bool found;
    struct od_account *account = NULL;
    pthread_rwlock_wrlock(&capacity->lock);
    size_t at = place_of(capacity, arn, &found);
    if (found) {
        account = capacity->list[at];
        capacity->count--;
        memmove(&capacity->list[at], &capacity->list[at + 1],
                (capacity->count - at) * sizeof(struct od_account *));
    }
    pthread_rwlock_unlock(&capacity->lock);
    od_account_unref(account); /* requests in line keep theirs */
}

/* --- what an account has seen --- */

void od_account_asked(struct od_account *account)
{
    pthread_mutex_lock(&account->lock);
    account->asked++;
    pthread_mutex_unlock(&account->lock);
}

void od_account_refused(struct od_account *account, enum od_refusal why)
{
    pthread_mutex_lock(&account->lock);
    (*(why == OD_OVER_CEILING ? &account->over_ceiling : &account->overloaded))++;
    pthread_mutex_unlock(&account->lock);
}

void od_account_served(struct od_account *account, uint32_t answers, uint32_t failures,
                       int64_t busy_ns, int64_t now_ms)
{
    pthread_mutex_lock(&account->lock);
    account->answered += answers;
    account->failed += failures;
    account->busy_ns += busy_ns;
    od_recent_add(&account->recent, now_ms, answers, busy_ns);
    account->changed |= od_tps_hours_advance(&account->hours, now_ms);
    account->hours.count += answers;
    pthread_mutex_unlock(&account->lock);
}

void od_account_read(struct od_account *account, int64_t now_ms, struct od_account_view *out)
{
    pthread_mutex_lock(&account->lock);
    account->changed |= od_tps_hours_advance(&account->hours, now_ms);
    *out = (struct od_account_view){.floor = account->hours.floor,
                                    .ceiling = atomic_load(&account->ceiling.rate),
                                    .asked = account->asked,
                                    .answered = account->answered,
                                    .failed = account->failed,
                                    .over_ceiling = account->over_ceiling,
                                    .overloaded = account->overloaded,
                                    .busy_s = (double)account->busy_ns / 1e9,
                                    .tps_hours = od_tps_hours_now(&account->hours, now_ms)};
    od_recent_read(&account->recent, now_ms, &out->tps, &out->busy);
    pthread_mutex_unlock(&account->lock);
}
