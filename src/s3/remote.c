/* Objects of an endpoint behind struct od_io: see remote.h. Uploading is send.c.
 *
 * Descriptors from REMOTE_FD on are ours: an index into a table of open objects. The lock guards
 * the table; an entry's contents belong to whoever opened it, as with any descriptor. */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/hash.h"
#include "s3/remote_inner.h"

#define REMOTE_FD (1 << 28)
#define MAP_STEP  (8u << 20)
#define MAX_PAGE  (8u << 20) /* bytes of one list answer: 1,000 keys of 1,024 bytes, escaped */

static struct od_remote *of(const struct od_io *io)
{
    return io->state;
}

bool od_remote_path(const char *path)
{
    return strncmp(path, "s3://", 5) == 0;
}

void od_remote_split(const char *path, struct od_str *out_bucket, struct od_str *out_key)
{
    struct od_str rest = od_str_sub(od_str_c(path), 5, SIZE_MAX);
    od_str_cut(&rest, '/', out_bucket);
    *out_key = rest.ptr && rest.len ? rest : OD_STR_NONE;
}

/* ---- the table ---- */

static enum od_status add_handle(struct od_remote *r, const struct handle *handle, int *out_fd,
                                 struct od_error *err)
{
    size_t i = 0;
    pthread_mutex_lock(&r->lock);
    while (i < r->count && r->handles[i])
        i++;
    if (i == r->count) {
        struct handle **grown = realloc(r->handles, (r->count + 64) * sizeof(struct handle *));
        if (grown) {
            memset(grown + r->count, 0, 64 * sizeof(struct handle *));
            r->handles = grown;
            r->count += 64;
        }
    }
    struct handle *kept = i < r->count ? malloc(sizeof *kept) : NULL;
    if (kept) {
        *kept = *handle;
        r->handles[i] = kept;
        *out_fd = REMOTE_FD + (int)i;
    }
    pthread_mutex_unlock(&r->lock);
    return kept ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

/* NULL: a descriptor of the machine's own. */
static struct handle *find_handle(struct od_remote *r, int fd)
{
    if (fd < REMOTE_FD)
        return NULL;
    pthread_mutex_lock(&r->lock);
    struct handle *handle = r->handles[fd - REMOTE_FD];
    pthread_mutex_unlock(&r->lock);
    return handle;
}

/* ---- reading ---- */

static enum od_status ask_head(struct od_remote *r, const char *path, struct od_s3_answer *answer,
                               struct od_error *err)
{
    struct od_s3_ask ask = {.method = "HEAD", .query = ""};
    od_remote_split(path, &ask.bucket, &ask.key);
    *answer = (struct od_s3_answer){0};
    return od_s3_ask(r->client, &ask, answer, err);
}

static enum od_status open_read(struct od_remote *r, const char *path, int *out_fd,
                                struct od_error *err)
{
    struct od_s3_answer answer;
    enum od_status s = ask_head(r, path, &answer, err);
    if (s != OD_OK)
        return s;
    struct handle handle = {.path = strdup(path), .local = -1, .bytes = answer.content_length};
    snprintf(handle.etag, sizeof handle.etag, "%s", answer.etag);
    s = handle.path ? add_handle(r, &handle, out_fd, err) : od_fail(err, OD_NO_MEMORY, NULL);
    if (s != OD_OK)
        free(handle.path);
    return s;
}

static enum od_status remote_open(const struct od_io *io, const char *path, enum od_open_mode mode,
                                  int *out_fd, struct od_error *err)
{
    struct od_remote *r = of(io);
    if (!od_remote_path(path))
        return r->base->open(r->base, path, mode, out_fd, err);
    if (mode == OD_OPEN_READ)
        return open_read(r, path, out_fd, err);
    if (mode == OD_OPEN_APPEND || mode == OD_OPEN_UPDATE)
        return od_fail(err, OD_INTERNAL, "A part of an object cannot be written: %s", path);
    struct handle handle = {.path = strdup(path)};
    enum od_status s = handle.path ? od_remote_stage(r, path, &handle.local, err)
                                   : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = add_handle(r, &handle, out_fd, err);
    if (s != OD_OK)
        free(handle.path);
    return s;
}

static enum od_status remote_read_at(const struct od_io *io, int fd, void *to, size_t len,
                                     uint64_t at, size_t *out_len, struct od_error *err)
{
    struct od_remote *r = of(io);
    const struct handle *h = find_handle(r, fd);
    if (!h || h->local >= 0)
        return r->base->read_at(r->base, h ? h->local : fd, to, len, at, out_len, err);
    uint64_t left = at < h->bytes ? h->bytes - at : 0;
    if (len > left)
        len = (size_t)left;
    *out_len = 0;
    if (!len)
        return OD_OK;
    struct od_s3_ask ask = {.method = "GET", .query = "", .from = at, .len = len};
    struct od_s3_answer answer = {.to = to};
    od_remote_split(h->path, &ask.bucket, &ask.key);
    ask.if_match = od_str_c(h->etag);
    enum od_status s = od_s3_ask(r->client, &ask, &answer, err);
    if (s == OD_IN_USE)
        return od_fail(err, OD_IO, "%s was changed while it was read.", h->path);
    if (s == OD_OK)
        *out_len = answer.got;
    return s;
}

static enum od_status remote_write_at(const struct od_io *io, int fd, const void *from, size_t len,
                                      uint64_t at, struct od_error *err)
{
    struct od_remote *r = of(io);
    const struct handle *h = find_handle(r, fd);
    if (h && h->local < 0)
        return od_fail(err, OD_INTERNAL, "%s is open for reading.", h->path);
    return r->base->write_at(r->base, h ? h->local : fd, from, len, at, err);
}

static enum od_status remote_size(const struct od_io *io, int fd, uint64_t *out,
                                  struct od_error *err)
{
    struct od_remote *r = of(io);
    const struct handle *h = find_handle(r, fd);
    if (!h || h->local >= 0)
        return r->base->size(r->base, h ? h->local : fd, out, err);
    *out = h->bytes;
    return OD_OK;
}

static enum od_status remote_sync(const struct od_io *io, int fd, struct od_error *err)
{
    struct od_remote *r = of(io);
    const struct handle *h = find_handle(r, fd);
    if (h && h->local < 0)
        return OD_OK;
    return r->base->sync(r->base, h ? h->local : fd, err);
}

static void remote_close(const struct od_io *io, int fd)
{
    struct od_remote *r = of(io);
    struct handle *h = find_handle(r, fd);
    if (!h) {
        r->base->close(r->base, fd);
        return;
    }
    if (h->local >= 0)
        r->base->close(r->base, h->local);
    pthread_mutex_lock(&r->lock);
    r->handles[fd - REMOTE_FD] = NULL;
    pthread_mutex_unlock(&r->lock);
    free(h->path);
    free(h);
}

static enum od_status read_all(const struct od_io *io, int fd, char *to, uint64_t bytes,
                               struct od_error *err)
{
    enum od_status s = OD_OK;
    for (uint64_t at = 0; s == OD_OK && at < bytes;) {
        size_t want = bytes - at < MAP_STEP ? (size_t)(bytes - at) : MAP_STEP, got;
        s = io->read_at(io, fd, to + at, want, at, &got, err);
        at += want;
    }
    return s;
}

static enum od_status remote_map(const struct od_io *io, const char *path, struct od_io_map *out,
                                 struct od_error *err)
{
    struct od_remote *r = of(io);
    uint64_t bytes = 0;
    int fd;
    if (!od_remote_path(path))
        return r->base->map(r->base, path, out, err);
    enum od_status s = open_read(r, path, &fd, err);
    if (s != OD_OK)
        return s;
    s = io->size(io, fd, &bytes, err);
    void *ptr = "";
    if (s == OD_OK && bytes)
        ptr = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (ptr == MAP_FAILED)
        s = od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = read_all(io, fd, ptr, bytes, err);
    io->close(io, fd);
    if (s != OD_OK && bytes && ptr != MAP_FAILED)
        munmap(ptr, (size_t)bytes);
    if (s == OD_OK)
        *out = (struct od_io_map){ptr, (size_t)bytes};
    return s;
}

static void remote_unmap(const struct od_io *io, struct od_io_map *map)
{
    const struct od_io *base = of(io)->base;
    base->unmap(base, map); /* anonymous memory goes the same way */
}

static enum od_status remote_stat(const struct od_io *io, const char *path, struct od_io_stat *out,
                                  struct od_error *err)
{
    struct od_remote *r = of(io);
    struct od_s3_answer answer;
    if (!od_remote_path(path))
        return r->base->stat(r->base, path, out, err);
    enum od_status s = ask_head(r, path, &answer, err);
    if (s == OD_OK) /* dates are whole seconds: the ETag tells two objects of one apart */
        *out = (struct od_io_stat){OD_IO_FILE, answer.content_length, answer.modified_ms * 1000000,
                                   od_hash(answer.etag, strlen(answer.etag), 0)};
    return s;
}

/* ---- names ---- */

static enum od_status remote_make_folder(const struct od_io *io, const char *path,
                                         struct od_error *err)
{
    const struct od_io *base = of(io)->base;
    return od_remote_path(path) ? OD_OK : base->make_folder(base, path, err);
}

static enum od_status remote_remove(const struct od_io *io, const char *path, struct od_error *err)
{
    struct od_remote *r = of(io);
    struct od_s3_ask ask = {.method = "DELETE", .query = ""};
    struct od_s3_answer answer = {0};
    if (!od_remote_path(path))
        return r->base->remove(r->base, path, err);
    if (od_remote_unstage(r, path))
        return OD_OK;
    od_remote_split(path, &ask.bucket, &ask.key);
    return od_s3_ask(r->client, &ask, &answer, err);
}

/* ---- lists ---- */

struct listing {
    struct od_remote *remote;
    struct od_arena *arena;
    struct od_str bucket, prefix; /* "" or ending in "/" */
    struct od_io_entry *entries;
    size_t count, room;
    struct od_error *err;
};

static enum od_status add_entry(struct listing *l, struct od_str key, bool is_folder,
                                uint64_t bytes)
{
    struct od_str name = od_str_sub(key, l->prefix.len, key.len);
    if (is_folder && od_str_ends(name, OD_STR("/")))
        name = od_str_sub(name, 0, name.len - 1);
    if (!name.len)
        return OD_OK; /* the folder put as an object */
    if (l->count == l->room) {
        size_t room = l->room ? 2 * l->room : 256;
        struct od_io_entry *grown = OD_NEW_ARRAY(l->arena, struct od_io_entry, room);
        if (!grown)
            return od_fail(l->err, OD_NO_MEMORY, NULL);
        if (l->count)
            memcpy(grown, l->entries, l->count * sizeof *grown);
        l->entries = grown;
        l->room = room;
    }
    l->entries[l->count] = (struct od_io_entry){od_arena_str(l->arena, name), is_folder, bytes};
    return l->entries[l->count++].name.ptr ? OD_OK : od_fail(l->err, OD_NO_MEMORY, NULL);
}

static enum od_status read_page(struct listing *l, struct od_arena *arena, struct od_str text,
                                struct od_str *out_token)
{
    struct od_xml *page;
    struct od_str decoded;
    enum od_status s = od_xml_parse(arena, text, &page, l->err);
    if (s != OD_OK)
        return od_fail(l->err, OD_IO, "The S3 endpoint's list of s3://%.*s cannot be read.",
                       OD_STR_ARG(l->bucket));
    for (const struct od_xml *e = page->first; s == OD_OK && e; e = e->next) {
        bool object = od_str_eq_c(e->name, "Contents");
        if (!object && !od_str_eq_c(e->name, "CommonPrefixes"))
            continue;
        const struct od_xml *key = od_xml_child(e, object ? "Key" : "Prefix");
        uint64_t bytes = 0;
        (void)od_str_to_u64(od_xml_text(e, "Size"), &bytes);
        s = od_percent_decode(key ? key->text : OD_STR(""), true, arena, &decoded, l->err);
        if (s == OD_OK && od_str_starts(decoded, l->prefix))
            s = add_entry(l, decoded, !object, bytes);
    }
    bool more = od_str_eq(od_xml_text(page, "IsTruncated"), OD_STR("true"));
    *out_token = more ? od_xml_text(page, "NextContinuationToken") : OD_STR_NONE;
    if (s == OD_OK && more && !out_token->len)
        s = od_fail(l->err, OD_IO, "The S3 endpoint's list says there is more, but not where.");
    return s;
}

/* One page after another; the token is kept in *token between them. */
static enum od_status list_page(struct listing *l, struct od_buf *token)
{
    struct od_arena arena;
    struct od_buf query, text;
    struct od_str next = OD_STR_NONE;
    struct od_s3_ask ask = {.method = "GET", .bucket = l->bucket};
    struct od_s3_answer answer = {.body = &text};
    od_arena_init(&arena, 256u << 20);
    od_buf_init(&query, 32768);
    od_buf_init(&text, MAX_PAGE);
    if (token->len) {
        od_buf_puts(&query, "continuation-token=");
        od_percent_encode(&query, od_buf_view(token), "");
        od_buf_char(&query, '&');
    }
    od_buf_puts(&query, "delimiter=%2F&encoding-type=url&list-type=2&prefix=");
    od_percent_encode(&query, l->prefix, "");
    ask.query = query.ptr;
    enum od_status s = od_buf_status(&query);
    s = s == OD_OK ? od_s3_ask(l->remote->client, &ask, &answer, l->err) : od_fail(l->err, s, NULL);
    if (s == OD_OK)
        s = read_page(l, &arena, od_buf_view(&text), &next);
    od_buf_clear(token);
    od_buf_str(token, next);
    od_buf_done(&query);
    od_buf_done(&text);
    od_arena_done(&arena);
    return s;
}

static int by_name(const void *a, const void *b)
{
    return od_str_cmp(((const struct od_io_entry *)a)->name, ((const struct od_io_entry *)b)->name);
}

static enum od_status remote_list(const struct od_io *io, const char *path, struct od_arena *arena,
                                  struct od_io_entry **out, size_t *out_count, struct od_error *err)
{
    struct od_remote *r = of(io);
    struct listing l = {.remote = r, .arena = arena, .err = err};
    struct od_buf token;
    if (!od_remote_path(path))
        return r->base->list(r->base, path, arena, out, out_count, err);
    od_remote_split(path, &l.bucket, &l.prefix);
    if (!l.prefix.ptr)
        l.prefix = OD_STR("");
    else if (!od_str_ends(l.prefix, OD_STR("/")))
        l.prefix = od_arena_printf(arena, "%.*s/", OD_STR_ARG(l.prefix));
    if (!l.prefix.ptr)
        return od_fail(err, OD_NO_MEMORY, NULL);
    od_buf_init(&token, 16384);
    enum od_status s;
    do
        s = list_page(&l, &token);
    while (s == OD_OK && token.len);
    if (s == OD_OK && od_buf_status(&token) != OD_OK)
        s = od_fail(err, OD_IO, "The S3 endpoint's continuation token is too long.");
    od_buf_done(&token);
    if (s != OD_OK)
        return s;
    if (l.count)
        qsort(l.entries, l.count, sizeof *l.entries, by_name);
    *out = l.entries ? l.entries : OD_NEW_ARRAY(arena, struct od_io_entry, 0);
    *out_count = l.count;
    return *out ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

/* ---- what others do as well ---- */

static int64_t remote_now_ms(const struct od_io *io)
{
    const struct od_io *base = of(io)->base;
    return base->now_ms(base);
}

static int64_t remote_monotonic_ns(const struct od_io *io)
{
    const struct od_io *base = of(io)->base;
    return base->monotonic_ns(base);
}

static enum od_status remote_random(const struct od_io *io, void *to, size_t len)
{
    const struct od_io *base = of(io)->base;
    return base->random(base, to, len);
}

static const struct od_io methods = {
    .name = "remote",
    .open = remote_open,
    .read_at = remote_read_at,
    .write_at = remote_write_at,
    .size = remote_size,
    .sync = remote_sync,
    .close = remote_close,
    .map = remote_map,
    .unmap = remote_unmap,
    .rename = od_remote_rename,
    .remove = remote_remove,
    .make_folder = remote_make_folder,
    .list = remote_list,
    .stat = remote_stat,
    .now_ms = remote_now_ms,
    .monotonic_ns = remote_monotonic_ns,
    .random = remote_random,
};

enum od_status od_remote_new(const struct od_io *base, const struct od_s3_endpoint *endpoint,
                             const char *staging, struct od_remote **out, struct od_error *err)
{
    struct od_remote *r = calloc(1, sizeof *r);
    if (!r)
        return od_fail(err, OD_NO_MEMORY, NULL);
    r->base = base;
    r->io = methods;
    r->io.state = r;
    r->staging = strdup(staging);
    pthread_mutex_init(&r->lock, NULL);
    enum od_status s = r->staging ? od_s3_client_new(base, endpoint, &r->client, err)
                                  : od_fail(err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = base->make_folder(base, staging, err);
    if (s == OD_OK)
        *out = r;
    else
        od_remote_free(r);
    return s;
}

enum od_status od_remote_encrypt(struct od_remote *remote, struct od_str kms_key,
                                 struct od_error *err)
{
    char *kept = strndup(kms_key.ptr, kms_key.len);
    if (!kept)
        return od_fail(err, OD_NO_MEMORY, NULL);
    free(remote->kms_key);
    remote->kms_key = kept;
    return OD_OK;
}

void od_remote_free(struct od_remote *remote)
{
    if (!remote)
        return;
    while (remote->staged)
        od_remote_unstage(remote, remote->staged->path);
    od_s3_client_free(remote->client);
    pthread_mutex_destroy(&remote->lock);
    free(remote->handles);
    free(remote->staging);
    free(remote->kms_key);
    free(remote);
}

const struct od_io *od_remote_io(const struct od_remote *remote)
{
    return &remote->io;
}
