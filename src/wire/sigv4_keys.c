/* Signing keys: deriving them, and remembering the derived ones.
 *
 * Deriving takes four HMACs (ten digests) and depends only on key id, day, region and service, so
 * the result is kept. What keeps the cache safe:
 *
 *   1. bounded: SETS x WAYS entries of fixed size; a full set replaces its oldest.
 *   2. only keys whose signature was found right are put in, so a stranger who knows a key id and
 *      invents regions cannot push the real ones out.
 *   3. a flush (a key was revoked) raises the generation; a key derived from a secret looked up
 *      before the flush is not put in after it.
 *   4. entries are wiped when replaced, flushed or freed.
 *
 * Readers share a lock; only the first request of a key, day and region takes it for writing. */
#include "wire/sigv4_inner.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"

#define WAYS        4
#define SETS        (OD_SIGV4_CACHED_KEYS / WAYS)
#define SCOPE_CHARS 256 /* longer scopes are not cached */

struct entry {
    uint64_t hash;
    uint64_t age; /* 0: free; larger is younger */
    size_t scope_len;
    char scope[SCOPE_CHARS];
    unsigned char key[OD_SHA256_BYTES];
};

struct od_sigv4_cache {
    pthread_rwlock_t lock;
    uint64_t generation; /* flushes so far */
    uint64_t age;        /* of the youngest entry */
    struct entry entries[SETS][WAYS];
};

struct od_sigv4_cache *od_sigv4_cache_new(void)
{
    struct od_sigv4_cache *cache = calloc(1, sizeof *cache);
    if (cache && pthread_rwlock_init(&cache->lock, NULL)) {
        free(cache);
        return NULL;
    }
    return cache;
}

void od_sigv4_cache_free(struct od_sigv4_cache *cache)
{
    if (!cache)
        return;
    pthread_rwlock_destroy(&cache->lock);
    OPENSSL_cleanse(cache, sizeof *cache);
    free(cache);
}

void od_sigv4_cache_flush(struct od_sigv4_cache *cache)
{
    pthread_rwlock_wrlock(&cache->lock);
    OPENSSL_cleanse(cache->entries, sizeof cache->entries);
    cache->generation++;
    pthread_rwlock_unlock(&cache->lock);
}

static struct entry *find(struct entry set[WAYS], uint64_t hash, struct od_str scope)
{
    for (int i = 0; i < WAYS; i++)
        if (set[i].age && set[i].hash == hash &&
            od_str_eq((struct od_str){set[i].scope, set[i].scope_len}, scope))
            return &set[i];
    return NULL;
}

bool od_sigv4_cache_get(struct od_sigv4_cache *cache, struct od_str scope,
                        unsigned char out_key[OD_SHA256_BYTES], uint64_t *out_generation)
{
    uint64_t hash = od_hash(scope.ptr, scope.len, 0);
    pthread_rwlock_rdlock(&cache->lock);
    struct entry *found = find(cache->entries[hash % SETS], hash, scope);
    if (found)
        memcpy(out_key, found->key, OD_SHA256_BYTES);
    *out_generation = cache->generation;
    pthread_rwlock_unlock(&cache->lock);
    return found != NULL;
}

void od_sigv4_cache_put(struct od_sigv4_cache *cache, struct od_str scope,
                        const unsigned char key[OD_SHA256_BYTES], uint64_t generation)
{
    if (scope.len > SCOPE_CHARS)
        return;
    uint64_t hash = od_hash(scope.ptr, scope.len, 0);
    struct entry *set = cache->entries[hash % SETS];
    pthread_rwlock_wrlock(&cache->lock);
    if (cache->generation == generation && !find(set, hash, scope)) {
        struct entry *oldest = &set[0];
        for (int i = 1; i < WAYS; i++)
            if (set[i].age < oldest->age)
                oldest = &set[i];
        OPENSSL_cleanse(oldest, sizeof *oldest);
        oldest->hash = hash;
        oldest->age = ++cache->age;
        oldest->scope_len = scope.len;
        memcpy(oldest->scope, scope.ptr, scope.len);
        memcpy(oldest->key, key, OD_SHA256_BYTES);
    }
    pthread_rwlock_unlock(&cache->lock);
}

enum od_status od_sigv4_derive(struct od_sha256 *sha, const struct od_sigv4_secret *secret,
                               const struct od_sigv4_words *words,
                               unsigned char out[OD_SHA256_BYTES])
{
    char first[4 + OD_MAX_SECRET_CHARS] = "AWS4";
    unsigned char step[OD_SHA256_BYTES];
    memcpy(first + 4, secret->text, secret->len);
    const struct od_str parts[] = {words->date, words->region, words->service, words->terminator};
    struct od_str key = {first, 4 + secret->len};
    enum od_status status = OD_OK;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && status == OD_OK; i++) {
        status = od_hmac_sha256(sha, key, parts[i], out);
        memcpy(step, out, sizeof step);
        key = (struct od_str){(const char *)step, sizeof step};
    }
    OPENSSL_cleanse(first, sizeof first);
    OPENSSL_cleanse(step, sizeof step);
    return status;
}
