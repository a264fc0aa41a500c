/* From line to answer.
 *
 * A runtime request is bound and checked in the handler (op_runtime.c), and put in line there. When
 * the HTTP thread has handled all that had come, a helping is taken from the line: the requests of
 * each campaign are answered together where that saves work (od_serve_recommend_many), else one
 * after the other, and what that took is settled with the campaign's account. A request that came
 * alone is the whole helping, in the same round.
 *
 * A campaign's ceiling is asked before the line. So is whether it is served at all: what is not has
 * no account, and its error needs no waiting. */
#include "api/answering.h"

#include "api/door.h"

static struct od_ask_call *ask_of(struct od_line_item *item)
{
    return (struct od_ask_call *)item;
}

static void serve_one(struct od_app *app, struct od_ask_call *ask)
{
    struct od_call *call = ask->call;
    enum od_status (*one)(struct od_serve *, const struct od_recommend_query *, struct od_arena *,
                          struct od_recommend_answer *, struct od_error *) =
        ask->one ? ask->one : od_serve_recommend;
    ask->status = one(app->serve, &ask->query, call->arena, &ask->answer, &call->err);
}

/* Ends the call; ask and call are gone. */
static void answer(struct od_ask_call *ask)
{
    enum od_status s = ask->status;
    if (s == OD_OK)
        s = ask->fill(ask->call, &ask->answer);
    od_call_answer(ask->call, s, false);
}

enum od_status od_answering_wait(struct od_ask_call *ask)
{
    struct od_call *call = ask->call;
    struct od_app *app = call->app;
    struct od_account *account = od_capacity_find(app->capacity, ask->query.campaign_arn);
    if (!account) {
        serve_one(app, ask);
        if (ask->status != OD_OK)
            return ask->status;
        answer(ask); /* it has been created in this moment */
        return OD_OK;
    }
    int64_t now_ns = app->io->monotonic_ns(app->io);
    od_account_asked(account);
    if (atomic_load_explicit(&account->ceiling.rate, memory_order_relaxed) &&
        !od_bucket_take(&account->ceiling, now_ns)) {
        od_account_refused(account, OD_OVER_CEILING);
        od_account_unref(account);
        return od_fail(&call->err, OD_THROTTLED, NULL);
    }
    ask->item.account = account;
    ask->item.since_ns = now_ns;
    od_line_add(&app->lines[od_http_thread(call->exchange)], &ask->item);
    return OD_OK;
}

static void serve_together(struct od_app *app, struct od_line_item *const *items, size_t count)
{
    struct od_recommend_job jobs[OD_LINE_BATCH];
    struct od_ask_call *of[OD_LINE_BATCH];
    size_t together = 0;
    for (size_t i = 0; i < count; i++) {
        struct od_ask_call *ask = ask_of(items[i]);
        if (ask->one) {
            serve_one(app, ask);
            continue;
        }
        jobs[together] = (struct od_recommend_job){.query = &ask->query, .arena = ask->call->arena};
        of[together++] = ask;
    }
    if (together)
        od_serve_recommend_many(app->serve, jobs, together);
    for (size_t i = 0; i < together; i++) {
        of[i]->status = jobs[i].status;
        of[i]->answer = jobs[i].answer;
        if (jobs[i].status != OD_OK)
            of[i]->call->err = jobs[i].error;
    }
}

/* What items of one campaign come to. */
struct bill {
    uint32_t answers, failures;
    size_t charged_count;
    int64_t charged_ns;
};

static void answer_together(struct od_app *app, struct od_line_item *const *items, size_t count,
                            struct bill *bill)
{
    serve_together(app, items, count);
    for (size_t i = 0; i < count; i++) {
        struct od_ask_call *ask = ask_of(items[i]);
        bill->charged_count += !ask->item.reserved;
        bill->charged_ns += ask->item.charged_ns;
        (*(ask->status == OD_OK ? &bill->answers : &bill->failures))++;
        od_account_unref(ask->item.account);
        answer(ask);
    }
}

/* Items of one campaign. Their answers are part of what they cost. */
static void serve_campaign(struct od_app *app, struct od_line_item *const *items, size_t count)
{
    struct od_account *account = items[0]->account;
    struct bill bill = {0};
    int64_t begun_ns = app->io->monotonic_ns(app->io);
    bool shares = od_serve_shares(app->serve, account->arn);
    atomic_store_explicit(&account->shares, shares, memory_order_relaxed);
    atomic_fetch_add_explicit(&account->refs, 1, memory_order_relaxed);
    for (size_t i = 0, some; i < count; i += some) {
        some = shares ? count : 1;
        answer_together(app, items + i, some, &bill);
    }
    int64_t busy_ns = app->io->monotonic_ns(app->io) - begun_ns;
    od_line_settle(account, count, bill.charged_count, bill.charged_ns, busy_ns);
    od_account_served(account, bill.answers, bill.failures, busy_ns, app->io->now_ms(app->io));
    od_account_unref(account);
}

/* text NULL: the error's own. */
static void refuse(struct od_line_item *list, enum od_status status, const char *text)
{
    while (list) {
        struct od_ask_call *ask = ask_of(list);
        list = list->next;
        if (status == OD_THROTTLED)
            od_account_refused(ask->item.account, OD_OVERLOADED);
        od_account_unref(ask->item.account);
        struct od_error *err = &ask->call->err;
        od_call_answer(ask->call,
                       text ? od_fail(err, status, "%s", text) : od_fail(err, status, NULL), false);
    }
}

bool od_answering_settle(void *context, unsigned thread, bool closing)
{
    struct od_app *app = context;
    struct od_line *line = &app->lines[thread];
    struct od_line_item *items[OD_LINE_BATCH];
    if (!line->length)
        return false;
    if (closing) {
        refuse(od_line_clear(line), OD_UNAVAILABLE, "The server is stopping.");
        return false;
    }
    int64_t now_ns = app->io->monotonic_ns(app->io);
    size_t count = od_line_take(line, now_ns, items);
    refuse(od_line_expire(line, now_ns, app->config.overload_wait_ms * 1000000LL), OD_THROTTLED,
           NULL);
    for (size_t i = 0, end; i < count; i = end) {
        for (end = i + 1; end < count && items[end]->account == items[i]->account; end++)
            ;
        serve_campaign(app, &items[i], end - i);
    }
    return line->length > 0;
}
