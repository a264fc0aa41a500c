/* Places of campaigns, and who sleeps: see place.h. */
#include "serve/place.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "serve/state.h"

struct od_place *od_place_new(const struct od_campaign_setup *setup, struct od_live *group,
                              struct od_campaign *campaign, int64_t now_ns)
{
    size_t arn = setup->campaign_arn.len, name = setup->group_arn.len;
    size_t path = strlen(setup->image_path) + 1;
    struct od_place *place = malloc(sizeof *place + arn + name + path);
    if (!place)
        return NULL;
    *place = (struct od_place){
        .setup = *setup, .group = od_live_ref(group), .open = campaign, .cooled_ns = -1};
    char *at = place->texts;
    memcpy(at, setup->campaign_arn.ptr, arn);
    memcpy(at + arn, setup->group_arn.ptr, name);
    memcpy(at + arn + name, setup->image_path, path);
    place->arn = place->setup.campaign_arn = (struct od_str){at, arn};
    place->setup.group_arn = (struct od_str){at + arn, name};
    place->setup.image_path = at + arn + name;
    place->setup.was_verified = true;
    atomic_init(&place->refs, 1);
    atomic_init(&place->used_ns, now_ns);
    pthread_mutex_init(&place->waking, NULL);
    return place;
}

struct od_place *od_place_ref(struct od_place *place)
{
    atomic_fetch_add_explicit(&place->refs, 1, memory_order_relaxed);
    return place;
}

void od_place_unref(struct od_place *place)
{
    if (!place || atomic_fetch_sub_explicit(&place->refs, 1, memory_order_acq_rel) != 1)
        return;
    od_campaign_unref(place->open);
    od_live_unref(place->group);
    pthread_mutex_destroy(&place->waking);
    free(place);
}

/* The open campaign, a reference, and a mark that it was used; NULL: asleep. The lock is held. */
static struct od_campaign *used(struct od_serve *serve, struct od_place *place)
{
    if (!place->open)
        return NULL;
    atomic_store_explicit(&place->used_ns, serve->io->monotonic_ns(serve->io),
                          memory_order_relaxed);
    return od_campaign_ref(place->open);
}

static enum od_status open_anew(struct od_serve *serve, struct od_place *place,
                                struct od_campaign **out, struct od_error *err)
{
    struct od_campaign *campaign;
    enum od_status status = od_campaign_open(serve->io, place->group, &place->setup,
                                             serve->find_recipe, serve->find_spec, &campaign, err);
    if (status != OD_OK)
        return status;
    pthread_rwlock_wrlock(&serve->lock);
    place->open = campaign;
    *out = used(serve, place);
    pthread_rwlock_unlock(&serve->lock);
    return OD_OK;
}

static enum od_status wake(struct od_serve *serve, struct od_place *place, struct od_campaign **out,
                           struct od_error *err)
{
    enum od_status status = OD_OK;
    pthread_mutex_lock(&place->waking);
    pthread_rwlock_rdlock(&serve->lock);
    *out = used(serve, place);
    pthread_rwlock_unlock(&serve->lock);
    if (!*out)
        status = open_anew(serve, place, out, err);
    pthread_mutex_unlock(&place->waking);
    return status;
}

enum od_status od_serve_campaign(struct od_serve *serve, struct od_str campaign_arn,
                                 struct od_campaign **out, struct od_error *err)
{
    pthread_rwlock_rdlock(&serve->lock);
    struct od_place *place = od_names_find(&serve->campaigns, campaign_arn);
    struct od_campaign *campaign = place ? used(serve, place) : NULL;
    if (place && !campaign)
        od_place_ref(place);
    pthread_rwlock_unlock(&serve->lock);
    if (!place)
        return od_fail(err, OD_NOT_FOUND, "Resource Arn %.*s does not exist.",
                       OD_STR_ARG(campaign_arn));
    enum od_status status = OD_OK;
    if (!campaign) {
        status = wake(serve, place, &campaign, err);
        od_place_unref(place);
    }
    if (status == OD_OK)
        *out = campaign;
    return status;
}

bool od_serve_shares(struct od_serve *serve, struct od_str campaign_arn)
{
    pthread_rwlock_rdlock(&serve->lock);
    const struct od_place *place = od_names_find(&serve->campaigns, campaign_arn);
    bool shares = place && place->open && place->open->vectors;
    pthread_rwlock_unlock(&serve->lock);
    return shares;
}

struct idle {
    struct od_campaign *campaign; /* a reference; NULL: no more */
    bool stays;                   /* it takes too long to open */
};

/* The next from *at on. One at a time: the lock is not kept from queries while a model is freed. */
static struct idle take_idle(struct od_serve *serve, size_t *at, int64_t before_ns)
{
    struct idle idle = {NULL, false};
    pthread_rwlock_wrlock(&serve->lock);
    for (; *at < serve->campaigns.count && !idle.campaign; ++*at) {
        struct od_place *place = serve->campaigns.list[*at].value;
        int64_t used_ns = atomic_load_explicit(&place->used_ns, memory_order_relaxed);
        if (!place->open || used_ns > before_ns || used_ns == place->cooled_ns)
            continue;
        idle.stays = place->open->wake_ns > OD_MAX_WAKE_NS;
        idle.campaign = idle.stays ? od_campaign_ref(place->open) : place->open;
        place->cooled_ns = used_ns;
        if (!idle.stays)
            place->open = NULL;
    }
    pthread_rwlock_unlock(&serve->lock);
    return idle;
}

void od_serve_rest(struct od_serve *serve, int64_t idle_ns)
{
    int64_t before_ns = serve->io->monotonic_ns(serve->io) - idle_ns;
    struct idle idle;
    size_t at = 0;
    bool freed = false;
    while ((idle = take_idle(serve, &at, before_ns)).campaign) {
        if (idle.stays && serve->io->cool)
            serve->io->cool(serve->io, &idle.campaign->file);
        od_campaign_unref(idle.campaign);
        freed |= !idle.stays;
    }
#ifdef __GLIBC__
    if (freed)
        malloc_trim(0); /* or the allocator keeps it for times to come */
#endif
}
