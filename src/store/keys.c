/* Access keys, shaped like AWS's so that every client takes them: an id of 20 capitals and digits
 * and a secret of 40 characters (240 random bits). Both come from od_io's randomness, for secrets.
 *
 * The secret lies in the clear: SigV4 computes with it, a hash would not do. That is why the
 * database may be read by its owner alone (store.c). Revoked keys stay, so that an id is never
 * given again and `keys list` tells when it ended. */
#include "store/internal.h"

#include <string.h>

#define ID_CHARS     20
#define SECRET_CHARS 40

static const char id_alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
static const char secret_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/+";

/* Both alphabets' sizes divide 256, so that each character is equally likely. */
static void spell(const uint8_t *random, size_t len, const char *alphabet, size_t alphabet_size,
                  char *out)
{
    for (size_t i = 0; i < len; i++)
        out[i] = alphabet[random[i] % alphabet_size];
}

static enum od_status make_key(const struct od_io *io, struct od_arena *arena, struct od_key *key,
                               struct od_error *err)
{
    uint8_t random[ID_CHARS - 2 + SECRET_CHARS];
    char id[ID_CHARS] = "OD", secret[SECRET_CHARS];
    if (io->random(io, random, sizeof random) != OD_OK)
        return od_fail(err, OD_IO, "The system gives no random numbers for an access key.");
    spell(random, ID_CHARS - 2, id_alphabet, sizeof id_alphabet - 1, id + 2);
    spell(random + ID_CHARS - 2, SECRET_CHARS, secret_alphabet, sizeof secret_alphabet - 1, secret);
    key->id = od_arena_str(arena, (struct od_str){id, sizeof id});
    key->secret = od_arena_str(arena, (struct od_str){secret, sizeof secret});
    explicit_bzero(random, sizeof random);
    explicit_bzero(secret, sizeof secret);
    if (!key->id.ptr || !key->secret.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    return OD_OK;
}

enum od_status od_keys_create(struct od_store *store, struct od_str note, int64_t now_ms,
                              struct od_arena *arena, struct od_key *out, struct od_error *err)
{
    struct od_key key = {.created_ms = now_ms};
    key.note = od_arena_str(arena, note.ptr ? note : OD_STR(""));
    if (!key.note.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = make_key(store->io, arena, &key, err);
    struct od_sql_stmt *stmt;
    if (s == OD_OK)
        s = od_store_change(store,
                            "INSERT INTO access_key (id, secret, note, created_ms, revoked_ms) "
                            "VALUES ($1, $2, $3, $4, 0)",
                            &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_text(stmt, 1, key.id);
    od_sql_text(stmt, 2, key.secret);
    od_sql_text(stmt, 3, key.note);
    od_sql_i64(stmt, 4, now_ms);
    s = od_store_run(store, stmt, NULL, err);
    if (s == OD_OK)
        *out = key;
    return s;
}

static void fill_key(struct od_sql_copier *row, void *item)
{
    struct od_key *key = item;
    key->id = od_sql_copy(row, 0);
    key->secret = od_sql_copy(row, 1);
    key->note = od_sql_copy(row, 2);
    key->created_ms = od_sql_get_i64(row->stmt, 3);
    key->revoked_ms = od_sql_get_i64(row->stmt, 4);
}

enum od_status od_keys_list(struct od_store *store, struct od_arena *arena, struct od_key **out,
                            size_t *out_count, struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s = od_sql_prepare(
        store->sql, "SELECT id, secret, note, created_ms, revoked_ms FROM access_key ORDER BY seq",
        &stmt, err);
    void *rows;
    size_t count;
    if (s == OD_OK)
        s = od_sql_collect(stmt, arena, sizeof **out, fill_key, &rows, &count, err);
    if (s != OD_OK)
        return s;
    *out = rows;
    *out_count = count;
    return OD_OK;
}

enum od_status od_keys_revoke(struct od_store *store, struct od_str id, int64_t now_ms,
                              struct od_error *err)
{
    struct od_sql_stmt *stmt;
    enum od_status s =
        od_store_change(store,
                        "UPDATE access_key SET revoked_ms = "
                        "CASE WHEN revoked_ms = 0 THEN $1 ELSE revoked_ms END WHERE id = $2",
                        &stmt, err);
    if (s != OD_OK)
        return s;
    od_sql_i64(stmt, 1, now_ms);
    od_sql_text_or_empty(stmt, 2, id);
    int64_t changes;
    s = od_store_run(store, stmt, &changes, err);
    if (s == OD_OK && changes == 0)
        return od_fail(err, OD_NOT_FOUND, "Access key %.*s does not exist.", OD_STR_ARG(id));
    return s;
}
