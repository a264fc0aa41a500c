/* What is written down of accounts: see capacity.h. Store thread. */
#include "api/capacity.h"

#include <stdlib.h>

#include "api/call.h"

#define SETTING_MAX 4096

/* The account as it is to be written, in the arena; absent: no memory. */
static struct od_str text_of(struct od_account *account, struct od_arena *arena, int64_t now_ms)
{
    struct od_buf text;
    od_buf_init(&text, SETTING_MAX);
    pthread_mutex_lock(&account->lock);
    (void)od_tps_hours_advance(&account->hours, now_ms);
    od_buf_printf(
        &text, "{\"ceiling\":%lld,\"until\":%lld,\"floor\":%lld,\"count\":%llu,\"total\":",
        (long long)atomic_load(&account->ceiling.rate), (long long)account->hours.until_ms,
        (long long)account->hours.floor, (unsigned long long)account->hours.count);
    od_buf_double(&text, account->hours.total);
    account->changed = false;
    pthread_mutex_unlock(&account->lock);
    od_buf_char(&text, '}');
    struct od_str kept =
        od_buf_status(&text) == OD_OK ? od_arena_str(arena, od_buf_view(&text)) : OD_STR_NONE;
    od_buf_done(&text);
    return kept;
}

static void set_changed(struct od_account *account)
{
    pthread_mutex_lock(&account->lock);
    account->changed = true;
    pthread_mutex_unlock(&account->lock);
}

static struct od_str setting_of(struct od_arena *arena, struct od_str arn)
{
    return od_arena_printf(arena, OD_CAPACITY_SETTING "%.*s", OD_STR_ARG(arn));
}

/* Within a transaction. */
static enum od_status put(struct od_app *app, struct od_account *account, struct od_error *err)
{
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_str name = setting_of(&arena, account->arn);
    struct od_str text = text_of(account, &arena, app->io->now_ms(app->io));
    enum od_status s = name.ptr && text.ptr ? od_settings_set(app->store, name, text, err)
                                            : od_fail(err, OD_NO_MEMORY, NULL);
    od_arena_done(&arena);
    return s;
}

/* One commit for all of them; what fails is tried again at the next call. */
static enum od_status write_down(struct od_app *app, struct od_account *const *list, size_t count,
                                 struct od_error *err)
{
    if (!count)
        return OD_OK;
    enum od_status s = od_store_begin(app->store, err);
    if (s != OD_OK)
        return s;
    for (size_t i = 0; s == OD_OK && i < count; i++)
        s = put(app, list[i], err);
    if (s == OD_OK)
        s = od_store_commit(app->store, err);
    else
        od_store_rollback(app->store);
    for (size_t i = 0; s != OD_OK && i < count; i++)
        set_changed(list[i]);
    return s;
}

static bool is_due(struct od_account *account, int64_t now_ms, bool all)
{
    pthread_mutex_lock(&account->lock);
    account->changed |= od_tps_hours_advance(&account->hours, now_ms);
    bool due = account->changed || (all && account->hours.count);
    pthread_mutex_unlock(&account->lock);
    return due;
}

/* The list changes on this thread alone, so it may be read without its lock. */
enum od_status od_capacity_save(struct od_app *app, bool all, struct od_error *err)
{
    struct od_capacity *capacity = app->capacity;
    int64_t now_ms = app->io->now_ms(app->io);
    struct od_account **due = calloc(capacity->count + 1, sizeof(struct od_account *));
    size_t count = 0;
    if (!due)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (size_t i = 0; i < capacity->count; i++)
        if (is_due(capacity->list[i], now_ms, all))
            due[count++] = capacity->list[i];
    enum od_status s = write_down(app, due, count, err);
    free(due);
    return s;
}

/* Goes on from what was written down before, if anything was. */
static enum od_status read_back(struct od_call *call, struct od_account *account)
{
    struct od_str text;
    struct od_json json;
    struct od_str name = setting_of(call->arena, account->arn);
    if (!name.ptr)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_settings_get(call->app->store, name, call->arena, &text, &call->err);
    if (s != OD_OK || !text.ptr)
        return s;
    s = od_json_parse(call->arena, text, &json, &call->err);
    if (s != OD_OK)
        return s;
    int64_t floor = account->hours.floor, count = od_json_get_i64(&json, "count", 0);
    account->hours =
        (struct od_tps_hours){.until_ms = od_json_get_i64(&json, "until", call->now_ms),
                              .floor = od_json_get_i64(&json, "floor", floor),
                              .total = od_json_get_double(&json, "total", 0),
                              .count = count > 0 ? (uint64_t)count : 0};
    account->changed = od_tps_hours_advance(&account->hours, call->now_ms);
    if (account->hours.floor != floor) {
        od_tps_hours_set_floor(&account->hours, floor, call->now_ms);
        account->changed = true;
    }
    od_bucket_set_rate(&account->ceiling, od_json_get_i64(&json, "ceiling", 0));
    return OD_OK;
}

static void set_floor(struct od_account *account, int64_t floor, int64_t now_ms)
{
    pthread_mutex_lock(&account->lock);
    if (account->hours.floor != floor) {
        od_tps_hours_set_floor(&account->hours, floor, now_ms);
        account->changed = true;
    }
    pthread_mutex_unlock(&account->lock);
    od_bucket_set_rate(&account->floor, floor);
}

enum od_status od_capacity_set(struct od_call *call, struct od_str arn, int64_t floor)
{
    struct od_capacity *capacity = call->app->capacity;
    struct od_account *account = od_capacity_find(capacity, arn);
    if (account) {
        set_floor(account, floor, call->now_ms);
        od_account_unref(account);
        return OD_OK;
    }
    account = od_capacity_add(capacity, arn, floor, call->now_ms);
    if (!account)
        return od_fail(&call->err, OD_NO_MEMORY, NULL);
    enum od_status s = read_back(call, account);
    if (s != OD_OK)
        od_capacity_remove(capacity, arn);
    return s;
}

enum od_status od_capacity_pause(struct od_call *call, struct od_str arn)
{
    struct od_account *account = od_capacity_find(call->app->capacity, arn);
    if (!account)
        return OD_OK;
    set_floor(account, 0, call->now_ms);
    enum od_status s = write_down(call->app, &account, 1, &call->err);
    od_capacity_remove(call->app->capacity, arn);
    od_account_unref(account);
    return s;
}

enum od_status od_capacity_set_ceiling(struct od_app *app, struct od_str arn, int64_t ceiling,
                                       struct od_error *err)
{
    struct od_account *account = od_capacity_find(app->capacity, arn);
    if (!account)
        return od_fail(err, OD_NOT_FOUND, "No campaign or recommender %.*s is served.",
                       OD_STR_ARG(arn));
    int64_t before = atomic_load(&account->ceiling.rate);
    od_bucket_set_rate(&account->ceiling, ceiling);
    enum od_status s = write_down(app, &account, 1, err);
    if (s != OD_OK)
        od_bucket_set_rate(&account->ceiling, before);
    od_account_unref(account);
    return s;
}
