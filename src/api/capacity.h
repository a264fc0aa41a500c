/* Capacity: what each served campaign (or recommender) is promised, allowed and has used.
 *
 * An account a campaign: made when it is attached, gone when it is detached. Its floor is
 * minProvisionedTPS (minRecommendationRequestsPerSecond), its ceiling an operator's own
 * (`ondol campaign ceiling`). Who is answered when not all can be is line.h; what is shown is
 * docs/capacity.md.
 *
 * Threads: accounts are made, changed and removed on the store thread (at the start: the main
 * thread) and used by all. What is written down of an account is one setting, "capacity:" and the
 * ARN: {"ceiling":N,"until":ms,"floor":N,"total":TPS-hours,"count":N}. It is written when ceiling
 * or floor change, after a window above the floor, and when the server stops: at most once in five
 * minutes else, and never for a campaign that is idle. A crash forgets the running window's excess
 * over the floor. The resource's deletion deletes it, in the same commit. */
#ifndef OD_API_CAPACITY_H
#define OD_API_CAPACITY_H

#include <pthread.h>

#include "api/app.h"
#include "api/bucket.h"
#include "api/usage.h"

#define OD_CAPACITY_SETTING "capacity:"

struct od_call;
struct od_line_item;
struct od_lane {
    struct od_account *account;
    struct od_line_item *head, **tail;
    struct od_lane *next, **link; /* among those of the line that are not empty */
};

struct od_account {
    atomic_uint refs;
    struct od_capacity *capacity;
    struct od_str arn;
    struct od_bucket floor, ceiling; /* a ceiling of rate 0: none */
    atomic_uint waiting;             /* requests in line, on all threads */
    _Atomic int64_t spare_ns;        /* virtual time: of service beyond the floor (line.h) */
    _Atomic int64_t cost_ns;         /* of one request, a moving average; 0: none yet */
    atomic_bool shares;              /* its requests share work when they are answered together */

    pthread_mutex_t lock; /* guards what follows */
    uint64_t asked, answered, failed, over_ceiling, overloaded;
    int64_t busy_ns;
    struct od_recent recent;
    struct od_tps_hours hours;
    bool changed; /* since it was written down */

    struct od_lane lanes[]; /* one an HTTP thread, which alone touches it */
};

struct od_capacity {
    pthread_rwlock_t lock; /* guards the list */
    struct od_account **list;
    size_t count, room;
    unsigned threads;
    _Atomic int64_t spare_ns; /* virtual time of the whole: line.h */
};

struct od_capacity *od_capacity_new(unsigned threads); /* HTTP threads; NULL: no memory */
void od_capacity_free(struct od_capacity *capacity);

/* A reference; NULL: not served. Any thread. */
struct od_account *od_capacity_find(struct od_capacity *capacity, struct od_str arn);
void od_account_unref(struct od_account *account);

/* It is served no more. Store thread. */
void od_capacity_remove(struct od_capacity *capacity, struct od_str arn);
/* Makes an account of which nothing is known yet; a reference of the list's. NULL: no memory. */
struct od_account *od_capacity_add(struct od_capacity *capacity, struct od_str arn, int64_t floor,
                                   int64_t now_ms);

/* --- store thread (capacity_store.c) --- */
/* The account of a campaign that is served from now on, or its new floor. */
enum od_status od_capacity_set(struct od_call *call, struct od_str arn, int64_t floor) OD_MUST_USE;
/* It is stopped for a time, which costs nothing: writes its account down and removes it. */
enum od_status od_capacity_pause(struct od_call *call, struct od_str arn) OD_MUST_USE;
/* ceiling 0: none. OD_NOT_FOUND: not served. Written down when it returns OD_OK. */
enum od_status od_capacity_set_ceiling(struct od_app *app, struct od_str arn, int64_t ceiling,
                                       struct od_error *err) OD_MUST_USE;
/* Writes down the accounts that need it; all: also running windows. */
enum od_status od_capacity_save(struct od_app *app, bool all, struct od_error *err) OD_MUST_USE;

/* --- any thread --- */
/* What an account has seen; times of the wall clock. Any thread. */
enum od_refusal { OD_OVER_CEILING, OD_OVERLOADED };
void od_account_asked(struct od_account *account);
void od_account_refused(struct od_account *account, enum od_refusal why);
void od_account_served(struct od_account *account, uint32_t answers, uint32_t failures,
                       int64_t busy_ns, int64_t now_ms);

struct od_account_view {
    int64_t floor, ceiling; /* ceiling 0: none */
    uint64_t asked, answered, failed, over_ceiling, overloaded;
    double busy_s, tps, busy, tps_hours; /* tps and busy: of the last five minutes */
};
void od_account_read(struct od_account *account, int64_t now_ms, struct od_account_view *out);

/* Appends the families ondol_campaign_... (capacity_metrics.c). */
void od_capacity_write(struct od_app *app, struct od_buf *out);
/* Appends the accounts as JSON, {"campaigns":[...]}, for `ondol campaign list`. */
void od_capacity_list(struct od_app *app, struct od_buf *out);

#endif
