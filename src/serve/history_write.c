/* Writing a file of histories: see history_file.h.
 *
 * Section after section goes through one buffer to a temporary file, so what is written may be far
 * larger than memory: the events of a user who is in the last file are read from there and written
 * here. In memory are the code of each row of the catalogue, and the table of names (at most 12
 * bytes a name). The head comes last, when the sums are known; then the file is synced and takes
 * its name. */
#include "serve/history_layout.h"

#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "serve/activity.h"
#include "serve/history_inner.h"

#define TEXTS 1024u /* asked for at a time */

struct writer {
    const struct od_io *io;
    int fd;
    uint64_t at;  /* of the buffer's start */
    char *buffer; /* [OD_HISTORY_BLOCK] */
    size_t len;
    uint64_t sum;
    struct od_error *err;
    const struct od_activity *activity;
    const struct od_history_texts *texts;
    uint32_t *code_of; /* [fact_count] OD_NO_CODE: an item that nothing happened to */
    uint32_t *row_of;  /* [items] */
    struct od_history_head head;
};

/* ---- bytes ---- */

static enum od_status flush(struct writer *w)
{
    if (w->len == 0)
        return OD_OK;
    w->sum = od_hash(w->buffer, w->len, w->sum);
    enum od_status status = w->io->write_at(w->io, w->fd, w->buffer, w->len, w->at, w->err);
    w->at += w->len;
    w->len = 0;
    return status;
}

static enum od_status put(struct writer *w, const void *bytes, size_t len)
{
    enum od_status status = OD_OK;
    while (len > 0 && status == OD_OK) {
        size_t room = OD_HISTORY_BLOCK - w->len, some = len < room ? len : room;
        memcpy(w->buffer + w->len, bytes, some);
        w->len += some;
        bytes = (const char *)bytes + some;
        len -= some;
        if (w->len == OD_HISTORY_BLOCK)
            status = flush(w);
    }
    return status;
}

static enum od_status align(struct writer *w)
{
    static const char zeros[OD_HISTORY_ALIGN];
    uint64_t over = (w->at + w->len) % OD_HISTORY_ALIGN;
    return over ? put(w, zeros, (size_t)(OD_HISTORY_ALIGN - over)) : OD_OK;
}

/* ---- texts: their places, then themselves ---- */

struct source {
    struct od_str (*text)(struct writer *w, uint32_t index);
    uint32_t count;
    uint64_t *out_bytes;
};

static struct od_str name_text(struct writer *w, uint32_t name)
{
    return od_histories_text(w->activity->histories, name);
}

static struct od_str type_text(struct writer *w, uint32_t type)
{
    return w->texts->types[type];
}

static enum od_status put_places(struct writer *w, const struct source *source)
{
    uint64_t place = 0;
    enum od_status status = align(w);
    for (uint32_t i = 0; i <= source->count && status == OD_OK; i++) {
        status = put(w, &place, sizeof place);
        if (i < source->count)
            place += source->text(w, i).len;
    }
    *source->out_bytes = place;
    return status;
}

static enum od_status put_texts(struct writer *w, const struct source *source)
{
    enum od_status status = align(w);
    for (uint32_t i = 0; i < source->count && status == OD_OK; i++) {
        struct od_str text = source->text(w, i);
        status = put(w, text.ptr, text.len);
    }
    return status;
}

/* ---- names ---- */

static enum od_status put_slots(struct writer *w)
{
    uint32_t names = w->head.names, count = 4;
    while (count < UINT32_MAX / 2 && (uint64_t)count * 2 < (uint64_t)names * 3)
        count *= 2;
    uint32_t *slots = count > names ? malloc(count * sizeof *slots) : NULL;
    if (!slots)
        return od_fail(w->err, OD_NO_MEMORY, NULL);
    memset(slots, 0xFF, count * sizeof *slots);
    for (uint32_t name = 0; name < names; name++) {
        struct od_str text = name_text(w, name);
        uint32_t i = (uint32_t)od_hash(text.ptr, text.len, w->head.seed) & (count - 1);
        while (slots[i] != OD_NO_CODE)
            i = (i + 1) & (count - 1);
        slots[i] = name;
    }
    w->head.slots = count;
    enum od_status status = align(w);
    if (status == OD_OK)
        status = put(w, slots, count * sizeof *slots);
    free(slots);
    return status;
}

static struct od_history_filed entry_of(const struct od_histories *h, uint32_t name)
{
    const struct od_history_entry *e = od_history_entry_of(h, name);
    if (!e)
        return od_history_file_entry(h->file, name);
    return (struct od_history_filed){e->node, e->parent, e->owner, e->rank, e->count};
}

static enum od_status put_entries(struct writer *w)
{
    const struct od_histories *h = w->activity->histories;
    enum od_status status = align(w);
    for (uint32_t name = 0; name < w->head.names && status == OD_OK; name++) {
        struct od_history_filed e = entry_of(h, name);
        const struct od_history_name_record record = {e.node, e.parent, e.owner,
                                                      e.rank, e.count,  0};
        status = put(w, &record, sizeof record);
    }
    uint64_t place = 0;
    if (status == OD_OK)
        status = align(w);
    for (uint32_t name = 0; name <= w->head.names && status == OD_OK; name++) {
        status = put(w, &place, sizeof place);
        if (name < w->head.names)
            place += entry_of(h, name).count;
    }
    w->head.events = place;
    return status;
}

static enum od_status put_ring(struct writer *w, uint32_t node)
{
    const struct od_histories *h = w->activity->histories;
    const struct od_history_entry *e = od_history_entry_of(h, node);
    struct od_history_event events[OD_HISTORY_EVENTS];
    struct od_history_event_record records[OD_HISTORY_EVENTS];
    uint32_t count = entry_of(h, node).count;
    if (!e)
        od_history_file_events(h->file, node, 0, count, events);
    for (uint32_t i = 0; i < count; i++) {
        const struct od_history_event *event = e ? od_history_at(e, i) : &events[i];
        records[i] = (struct od_history_event_record){event->time, w->code_of[event->item_row],
                                                      event->type, event->value};
    }
    return put(w, records, count * sizeof *records);
}

static enum od_status put_rings(struct writer *w)
{
    enum od_status status = align(w);
    for (uint32_t node = 0; node < w->head.names && status == OD_OK; node++)
        status = put_ring(w, node);
    return status;
}

/* ---- items ---- */

/* Codes for the rows that something happened to: every event's item is among them. */
static enum od_status number_items(struct writer *w)
{
    const struct od_activity *a = w->activity;
    w->code_of = malloc(((size_t)a->fact_count + 1) * sizeof *w->code_of);
    w->row_of = malloc(((size_t)a->fact_count + 1) * sizeof *w->row_of);
    if (!w->code_of || !w->row_of)
        return od_fail(w->err, OD_NO_MEMORY, NULL);
    for (uint32_t row = 0; row < a->fact_count; row++) {
        bool any = a->facts[row].interactions > 0 || a->facts[row].impressions > 0;
        w->code_of[row] = any ? w->head.items : OD_NO_CODE;
        if (any)
            w->row_of[w->head.items++] = row;
    }
    return OD_OK;
}

/* What each item is called, some at a time: their places, or themselves. */
static enum od_status put_items(struct writer *w, bool places)
{
    struct od_str *texts = malloc(TEXTS * sizeof *texts);
    uint64_t place = 0;
    enum od_status status = texts ? align(w) : od_fail(w->err, OD_NO_MEMORY, NULL);
    uint32_t first = UINT32_MAX, some = 0; /* rows whose texts are here */
    if (status == OD_OK && places)
        status = put(w, &place, sizeof place);
    for (uint32_t i = 0; i < w->head.items && status == OD_OK; i++) {
        uint32_t row = w->row_of[i], left = w->activity->fact_count - row;
        if (some == 0 || row - first >= some) {
            first = row;
            some = w->row_of[w->head.items - 1] - row + 1;
            some = some < TEXTS ? some : TEXTS;
            some = some < left ? some : left;
            status = w->texts->rows(w->texts->context, first, some, texts);
        }
        if (status != OD_OK)
            break;
        struct od_str text = texts[row - first];
        place += text.len;
        status = places ? put(w, &place, sizeof place) : put(w, text.ptr, text.len);
    }
    w->head.item_bytes = place;
    free(texts);
    return status;
}

static enum od_status put_facts(struct writer *w)
{
    enum od_status status = align(w);
    for (uint32_t i = 0; i < w->head.items && status == OD_OK; i++) {
        const struct od_item_facts *f = &w->activity->facts[w->row_of[i]];
        const struct od_history_fact_record record = {f->interactions, f->impressions, f->chosen, 0,
                                                      f->first_time};
        status = put(w, &record, sizeof record);
    }
    return status;
}

/* ---- the file ---- */

static enum od_status put_sections(struct writer *w)
{
    const struct source names = {name_text, w->head.names, &w->head.name_bytes};
    const struct source types = {type_text, w->head.types, &w->head.type_bytes};
    enum od_status status = number_items(w);
    if (status == OD_OK)
        status = put_places(w, &names);
    if (status == OD_OK)
        status = put_texts(w, &names);
    if (status == OD_OK)
        status = put_slots(w);
    if (status == OD_OK)
        status = put_entries(w);
    if (status == OD_OK)
        status = put_rings(w);
    if (status == OD_OK)
        status = put_items(w, true);
    if (status == OD_OK)
        status = put_items(w, false);
    if (status == OD_OK)
        status = put_facts(w);
    if (status == OD_OK)
        status = put_places(w, &types);
    if (status == OD_OK)
        status = put_texts(w, &types);
    return status == OD_OK ? flush(w) : status;
}

static enum od_status put_head(struct writer *w, const struct od_history_mark *mark)
{
    const struct od_activity *a = w->activity;
    struct od_history_head *head = &w->head;
    memcpy(head->magic, OD_HISTORY_MAGIC, 8);
    head->version = OD_HISTORY_VERSION;
    head->file_bytes = w->at;
    head->body_sum = w->sum;
    head->stamp = mark->stamp;
    head->event_mark = mark->event;
    head->any = a->any;
    head->latest_time = a->latest_time;
    head->impressions = a->impressions;
    head->chosen = a->chosen;
    head->changes = a->changes;
    head->head_sum = od_hash(head, sizeof *head, OD_HISTORY_SEED);
    return w->io->write_at(w->io, w->fd, head, sizeof *head, 0, w->err);
}

static enum od_status write_to(struct writer *w, const char *temporary,
                               const struct od_history_mark *mark)
{
    enum od_status status = w->io->open(w->io, temporary, OD_OPEN_CREATE, &w->fd, w->err);
    if (status != OD_OK)
        return status;
    status = put_sections(w);
    if (status == OD_OK)
        status = put_head(w, mark);
    if (status == OD_OK)
        status = w->io->sync(w->io, w->fd, w->err);
    w->io->close(w->io, w->fd);
    return status;
}

enum od_status od_history_file_write(const struct od_io *io, const char *path,
                                     const struct od_activity *activity,
                                     const struct od_history_texts *texts,
                                     const struct od_history_mark *mark, struct od_error *err)
{
    struct writer w = {.io = io,
                       .at = sizeof w.head,
                       .sum = OD_HISTORY_SEED,
                       .err = err,
                       .activity = activity,
                       .texts = texts,
                       .buffer = malloc(OD_HISTORY_BLOCK)};
    struct od_arena arena;
    od_arena_init(&arena, 1u << 16);
    struct od_str temporary = od_arena_printf(&arena, "%s.tmp", path);
    enum od_status status = od_histories_settle(activity->histories);
    if (!w.buffer || !temporary.ptr)
        status = OD_NO_MEMORY;
    if (status == OD_OK)
        status = io->random(io, &w.head.seed, sizeof w.head.seed);
    w.head.names = od_histories_count(activity->histories);
    w.head.types = texts->type_count;
    if (status == OD_OK) {
        status = write_to(&w, temporary.ptr, mark);
        if (status == OD_OK)
            status = io->rename(io, temporary.ptr, path, err);
        if (status != OD_OK) /* the failure is what counts */
            (void)!io->remove(io, temporary.ptr, NULL);
    } else {
        od_fail(err, status, NULL);
    }
    free(w.buffer);
    free(w.code_of);
    free(w.row_of);
    od_arena_done(&arena);
    return status;
}
