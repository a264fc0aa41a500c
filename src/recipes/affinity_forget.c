/* An affinity image without some of its users: the sections that have a row a user are written
 * again, all others stay byte for byte. Responses and shares are sums over everybody; they change
 * with the next training. */
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "recipes/affinity.h"

/* A section with a row of fixed size for each entry of a history (at NULL: for each user). */
struct rows {
    const char *name;
    size_t size;
};

static const struct rows of_entries[] = {
    {"affinity.item", 4}, {"affinity.fast", 4}, {"affinity.slow", 4}};
static const struct rows of_users = {"affinity.user", 3 * sizeof(float)};

struct old {
    const struct od_image *image;
    const uint64_t *gone; /* bitmap over users */
    struct od_image_dict users;
    const uint64_t *at; /* [users + 1] */
    struct od_image_writer *out;
    struct od_error *err;
};

static bool stays(const struct old *old, uint32_t user)
{
    return !od_bitmap_get(old->gone, user);
}

static enum od_status give(struct old *old, const char *name, void *bytes, uint64_t len)
{
    if (!bytes)
        return od_fail(old->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_image_give(old->out, name, bytes, len);
    return s == OD_OK ? OD_OK : od_fail(old->err, s, NULL);
}

static enum od_status add_names(struct old *old)
{
    struct od_dict *names = od_dict_new();
    uint32_t code;
    enum od_status s = names ? OD_OK : OD_NO_MEMORY;
    for (uint32_t u = 0; s == OD_OK && u < old->users.count; u++)
        if (stays(old, u))
            s = od_dict_add(names, od_image_dict_text(&old->users, u), &code);
    if (s == OD_OK)
        s = od_image_add_dict(old->out, "users", names);
    od_dict_free(names);
    return s == OD_OK ? OD_OK : od_fail(old->err, s, NULL);
}

static enum od_status add_starts(struct old *old)
{
    uint64_t *at = malloc(((uint64_t)old->users.count + 1) * sizeof *at), n = 0;
    if (at)
        at[0] = 0;
    for (uint32_t u = 0; at && u < old->users.count; u++) {
        if (!stays(old, u))
            continue;
        at[n + 1] = at[n] + (old->at[u + 1] - old->at[u]);
        n++;
    }
    return give(old, "affinity.at", at, (n + 1) * sizeof *at);
}

static enum od_status add_rows(struct old *old, const struct rows *rows, bool by_entry)
{
    const void *from;
    uint64_t count = by_entry ? old->at[old->users.count] : old->users.count, n = 0;
    enum od_status s = od_image_array(old->image, rows->name, count, rows->size, &from, old->err);
    if (s != OD_OK)
        return s;
    char *to = malloc(count * rows->size + 1);
    for (uint32_t u = 0; to && u < old->users.count; u++) {
        if (!stays(old, u))
            continue;
        uint64_t first = by_entry ? old->at[u] : u;
        uint64_t bytes = (by_entry ? old->at[u + 1] - first : 1) * rows->size;
        memcpy(to + n, (const char *)from + first * rows->size, bytes);
        n += bytes;
    }
    return give(old, rows->name, to, n);
}

static enum od_status add_section(struct old *old, const char *name, struct od_str bytes)
{
    if (strcmp(name, "users.at") == 0)
        return add_names(old);
    if (strcmp(name, "users.text") == 0)
        return OD_OK; /* written with users.at */
    if (strcmp(name, "affinity.at") == 0)
        return add_starts(old);
    if (strcmp(name, of_users.name) == 0)
        return add_rows(old, &of_users, false);
    for (size_t i = 0; i < sizeof of_entries / sizeof *of_entries; i++)
        if (strcmp(name, of_entries[i].name) == 0)
            return add_rows(old, &of_entries[i], true);
    enum od_status s = od_image_add(old->out, name, bytes.ptr, bytes.len, true);
    return s == OD_OK ? OD_OK : od_fail(old->err, s, NULL);
}

/* The image was opened by od_affinity_open, which checked its sections. */
enum od_status od_affinity_forget(const struct od_image *image, const uint64_t *users,
                                  struct od_image_writer *out, struct od_error *err)
{
    struct old old = {.image = image, .gone = users, .out = out, .err = err};
    const void *at;
    enum od_status s = od_image_dict_open(image, "users", &old.users, err);
    if (s == OD_OK)
        s = od_image_array(image, "affinity.at", (uint64_t)old.users.count + 1, sizeof *old.at, &at,
                           err);
    if (s != OD_OK)
        return s;
    old.at = at;
    for (uint32_t i = 0; s == OD_OK && i < image->section_count; i++) {
        struct od_str name = od_image_section_name(image, i), bytes;
        char text[OD_IMAGE_NAME] = "";
        memcpy(text, name.ptr, name.len < sizeof text ? name.len : sizeof text - 1);
        if (!od_image_section(image, text, &bytes))
            return od_fail(err, OD_CORRUPT, "The model image's section %s is not well formed.",
                           text);
        s = add_section(&old, text, bytes);
    }
    return s;
}
