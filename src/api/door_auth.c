/* Who asks: SigV4 against the keys of this server. */
#include <string.h>

#include "api/door.h"

#define KEYS_ARENA_MAX (16u << 20)

enum od_status od_app_reload_keys(struct od_app *app, struct od_error *err)
{
    struct od_arena arena;
    struct od_key *keys;
    size_t count;
    od_arena_init(&arena, KEYS_ARENA_MAX);
    enum od_status s = od_keys_list(app->store, &arena, &keys, &count, err);
    if (s != OD_OK) {
        od_arena_done(&arena);
        return s;
    }
    pthread_rwlock_wrlock(&app->keys_lock);
    od_arena_done(&app->keys_arena);
    app->keys_arena = arena;
    app->keys = keys;
    app->key_count = count;
    pthread_rwlock_unlock(&app->keys_lock);
    od_sigv4_flush(app->sigv4);
    return OD_OK;
}

bool od_app_find_key(void *context, struct od_str key_id, struct od_sigv4_secret *out)
{
    struct od_app *app = context;
    bool found = false;
    pthread_rwlock_rdlock(&app->keys_lock);
    for (size_t i = 0; i < app->key_count && !found; i++) {
        const struct od_key *key = &app->keys[i];
        found = key->revoked_ms == 0 && od_str_eq(key->id, key_id) &&
                key->secret.len <= sizeof out->text;
        if (found) {
            memcpy(out->text, key->secret.ptr, key->secret.len);
            out->len = key->secret.len;
        }
    }
    pthread_rwlock_unlock(&app->keys_lock);
    return found;
}

/* The region of a signature nobody checks: clients build ARNs with their own. */
static struct od_str claimed_region(const struct od_app *app, const struct od_http_request *request)
{
    struct od_str rest = od_http_header(request, "authorization"), part = OD_STR_NONE;
    for (int i = 0; i < 3; i++)
        if (!od_str_cut(&rest, '/', &part))
            return od_str_c(app->config.region);
    bool plain = part.len > 0 && part.len <= 32;
    for (size_t i = 0; i < part.len; i++)
        plain &= (part.ptr[i] >= 'a' && part.ptr[i] <= 'z') ||
                 (part.ptr[i] >= '0' && part.ptr[i] <= '9') || part.ptr[i] == '-';
    return plain ? part : od_str_c(app->config.region);
}

enum od_status od_door_verify(struct od_app *app, struct od_http_exchange *exchange,
                              struct od_str *out_region, struct od_error *err)
{
    const struct od_http_request *request = od_http_request(exchange);
    struct od_sigv4_claim claim;
    if (app->config.no_auth) {
        *out_region = claimed_region(app, request);
        return OD_OK;
    }
    enum od_status s = od_sigv4_verify(app->sigv4, request, OD_STR("personalize"),
                                       app->io->now_ms(app->io) / 1000, &claim, err);
    if (s == OD_OK)
        *out_region = claim.region;
    return s;
}
