/* The log of lists shown: one block of memory an answer, in a queue by age and in a hash table by
 * id.
 *
 * 25 items take about 330 bytes, so OD_SHOWN_BYTES hold some 200,000 answers; the table has as many
 * slots as lists, at least. The ids are random and ours, so their first bytes are the hash. */
#include "serve/shown.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"

struct od_shown_list {
    struct od_shown_list *newer; /* in the queue */
    struct od_shown_list *next;  /* in the chain */
    struct od_live *group;       /* a reference */
    int64_t time_s;
    size_t bytes; /* of this block */
    size_t count;
    size_t arn_len;
    uint8_t rid[OD_RID_BYTES];
    struct od_shown_place places[]; /* [count], then the campaign's ARN */
};

bool od_shown_init(struct od_shown *shown)
{
    *shown = (struct od_shown){.max_bytes = OD_SHOWN_BYTES, .max_age_s = OD_SHOWN_SECONDS};
    return pthread_mutex_init(&shown->lock, NULL) == 0;
}

static struct od_shown_list **chain(struct od_shown *shown, const uint8_t *rid)
{
    uint64_t hash;
    memcpy(&hash, rid, sizeof hash);
    return &shown->slots[hash & (shown->slot_count - 1)];
}

static void unchain(struct od_shown *shown, struct od_shown_list *list)
{
    struct od_shown_list **at = chain(shown, list->rid);
    while (*at != list)
        at = &(*at)->next;
    *at = list->next;
    shown->count--;
    shown->bytes -= list->bytes;
    od_live_unref(list->group);
    free(list);
}

static void drop_oldest(struct od_shown *shown)
{
    struct od_shown_list *list = shown->oldest;
    shown->oldest = list->newer;
    if (!shown->oldest)
        shown->newest = NULL;
    unchain(shown, list);
}

void od_shown_done(struct od_shown *shown)
{
    while (shown->oldest)
        drop_oldest(shown);
    free(shown->slots);
    pthread_mutex_destroy(&shown->lock);
}

/* Doubles the table when every slot has a list on average. */
static bool widen(struct od_shown *shown)
{
    if (shown->count < shown->slot_count)
        return true;
    size_t count = shown->slot_count ? shown->slot_count * 2 : 1024;
    struct od_shown_list **slots = calloc(count, sizeof(struct od_shown_list *));
    if (!slots)
        return shown->slot_count > 0;
    free(shown->slots);
    shown->slots = slots;
    shown->slot_count = count;
    for (struct od_shown_list *list = shown->oldest; list; list = list->newer) {
        struct od_shown_list **at = chain(shown, list->rid);
        list->next = *at;
        *at = list;
    }
    return true;
}

void od_shown_add(struct od_shown *shown, const uint8_t rid[OD_RID_BYTES], struct od_live *group,
                  struct od_str campaign_arn, const struct od_shown_place *places, size_t count,
                  int64_t now_s)
{
    struct od_shown_list *list;
    size_t bytes = sizeof *list + count * sizeof *places + campaign_arn.len;
    if (!(list = malloc(bytes)))
        return;
    *list = (struct od_shown_list){.group = od_live_ref(group),
                                   .time_s = now_s,
                                   .bytes = bytes,
                                   .count = count,
                                   .arn_len = campaign_arn.len};
    memcpy(list->rid, rid, OD_RID_BYTES);
    if (count)
        memcpy(list->places, places, count * sizeof *places);
    memcpy(list->places + count, campaign_arn.ptr, campaign_arn.len);
    pthread_mutex_lock(&shown->lock);
    while (shown->oldest && (shown->bytes + bytes > shown->max_bytes ||
                             now_s - shown->oldest->time_s > shown->max_age_s))
        drop_oldest(shown);
    if (!widen(shown)) {
        pthread_mutex_unlock(&shown->lock);
        od_live_unref(group);
        free(list);
        return;
    }
    struct od_shown_list **at = chain(shown, rid);
    list->next = *at;
    *at = list;
    if (shown->newest)
        shown->newest->newer = list;
    else
        shown->oldest = list;
    shown->newest = list;
    shown->count++;
    shown->bytes += bytes;
    pthread_mutex_unlock(&shown->lock);
}

static enum od_status copy_out(const struct od_shown_list *list, struct od_arena *arena,
                               struct od_live **out_group, struct od_str *out_campaign,
                               const struct od_shown_place **out_places, size_t *out_count)
{
    struct od_shown_place *places = OD_NEW_ARRAY(arena, struct od_shown_place, list->count);
    struct od_str arn = od_arena_str(
        arena, (struct od_str){(const char *)(list->places + list->count), list->arn_len});
    if (!places || !arn.ptr)
        return OD_NO_MEMORY;
    memcpy(places, list->places, list->count * sizeof *places);
    *out_group = od_live_ref(list->group);
    *out_campaign = arn;
    *out_places = places;
    *out_count = list->count;
    return OD_OK;
}

enum od_status od_shown_find(struct od_shown *shown, const uint8_t rid[OD_RID_BYTES],
                             struct od_arena *arena, struct od_live **out_group,
                             struct od_str *out_campaign, const struct od_shown_place **out_places,
                             size_t *out_count)
{
    enum od_status status = OD_NOT_FOUND;
    pthread_mutex_lock(&shown->lock);
    struct od_shown_list *list = shown->slot_count ? *chain(shown, rid) : NULL;
    while (list && memcmp(list->rid, rid, OD_RID_BYTES) != 0)
        list = list->next;
    if (list)
        status = copy_out(list, arena, out_group, out_campaign, out_places, out_count);
    pthread_mutex_unlock(&shown->lock);
    return status;
}

void od_shown_forget(struct od_shown *shown, const struct od_live *group)
{
    pthread_mutex_lock(&shown->lock);
    struct od_shown_list **at = &shown->oldest, *last = NULL;
    while (*at) {
        struct od_shown_list *list = *at;
        if (list->group != group) {
            last = list;
            at = &list->newer;
            continue;
        }
        *at = list->newer;
        unchain(shown, list);
    }
    shown->newest = last;
    pthread_mutex_unlock(&shown->lock);
}

size_t od_shown_bytes(struct od_shown *shown)
{
    pthread_mutex_lock(&shown->lock);
    size_t bytes = shown->bytes + shown->slot_count * sizeof(struct od_shown_list *);
    pthread_mutex_unlock(&shown->lock);
    return bytes;
}

static void set_version(uint8_t rid[OD_RID_BYTES])
{
    rid[6] = (uint8_t)((rid[6] & 0x0F) | 0x40);
    rid[8] = (uint8_t)((rid[8] & 0x3F) | 0x80);
}

/* 62 bits of a hash over the ARN, seeded by the first half: by chance, two campaigns share it once
 * in 4 * 10^18 answers. It is no secret: who can send an event can name any source anyway. */
void od_rid_sign(uint8_t rid[OD_RID_BYTES], struct od_str campaign_arn)
{
    uint64_t seed, tag;
    set_version(rid);
    memcpy(&seed, rid, sizeof seed);
    tag = od_hash(campaign_arn.ptr, campaign_arn.len, seed);
    memcpy(rid + sizeof seed, &tag, sizeof tag);
    set_version(rid);
}

bool od_rid_is_of(const uint8_t rid[OD_RID_BYTES], struct od_str campaign_arn)
{
    uint8_t expect[OD_RID_BYTES];
    memcpy(expect, rid, sizeof expect);
    od_rid_sign(expect, campaign_arn);
    return memcmp(expect, rid, sizeof expect) == 0;
}

void od_rid_format(uint8_t rid[OD_RID_BYTES], char out[41])
{
    static const char digits[] = "0123456789abcdef";
    set_version(rid);
    memcpy(out, "RID-", 4);
    char *to = out + 4;
    for (int i = 0; i < OD_RID_BYTES; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            *to++ = '-';
        *to++ = digits[rid[i] >> 4];
        *to++ = digits[rid[i] & 15];
    }
    *to = '\0';
}

static int digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return -1;
}

bool od_rid_parse(struct od_str text, uint8_t out[OD_RID_BYTES])
{
    uint8_t rid[OD_RID_BYTES];
    if (text.len != 40 || !od_str_starts(text, OD_STR("RID-")))
        return false;
    const char *from = text.ptr + 4;
    for (int i = 0; i < OD_RID_BYTES; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *from++ != '-')
            return false;
        int high = digit(from[0]), low = digit(from[1]);
        if (high < 0 || low < 0)
            return false;
        rid[i] = (uint8_t)(high << 4 | low);
        from += 2;
    }
    memcpy(out, rid, sizeof rid);
    return true;
}
