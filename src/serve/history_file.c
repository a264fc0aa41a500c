/* Reading a file of histories: see history_file.h.
 *
 * Everything is checked once, at opening: the sums over all bytes, then that every number stays
 * within what it points into. After that nothing is looked at again until it is asked for: a
 * history that nobody asks for costs address space and, once the kernel wants its page back, no
 * memory.
 *
 * Items and types are numbered in the file by itself, as rows of a group are given out anew at each
 * start; the opener says which row and type each of them is (4 bytes an item). */
#include "serve/history_layout.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "serve/activity.h"
#include "serve/history_file.h"

static_assert(sizeof(struct od_history_head) == 160, "the head has no holes");
static_assert(sizeof(struct od_history_name_record) == 16, "a name takes 16 bytes");
static_assert(sizeof(struct od_history_event_record) == 16, "an event takes 16 bytes");
static_assert(sizeof(struct od_history_fact_record) == 24, "an item's facts take 24 bytes");

struct od_history_file {
    const struct od_io *io;
    struct od_io_map map;
    struct od_history_head head;
    const uint64_t *name_at, *event_at, *item_at, *type_at;
    const char *name_text, *item_text, *type_text;
    const uint32_t *slots;
    const struct od_history_name_record *entries;
    const struct od_history_event_record *events;
    const struct od_history_fact_record *facts;
    uint32_t *row_of;  /* [items] */
    uint16_t *type_of; /* [types] */
};

bool od_history_layout(const struct od_history_head *head, uint64_t at[OD_HISTORY_SECTIONS + 1])
{
    const uint64_t sizes[OD_HISTORY_SECTIONS] = {
        [OD_HISTORY_NAME_AT] = ((uint64_t)head->names + 1) * 8,
        [OD_HISTORY_NAME_TEXT] = head->name_bytes,
        [OD_HISTORY_SLOTS] = (uint64_t)head->slots * 4,
        [OD_HISTORY_ENTRIES] = (uint64_t)head->names * sizeof(struct od_history_name_record),
        [OD_HISTORY_EVENT_AT] = ((uint64_t)head->names + 1) * 8,
        [OD_HISTORY_RINGS] = head->events * sizeof(struct od_history_event_record),
        [OD_HISTORY_ITEM_AT] = ((uint64_t)head->items + 1) * 8,
        [OD_HISTORY_ITEM_TEXT] = head->item_bytes,
        [OD_HISTORY_FACTS] = (uint64_t)head->items * sizeof(struct od_history_fact_record),
        [OD_HISTORY_TYPE_AT] = ((uint64_t)head->types + 1) * 8,
        [OD_HISTORY_TYPE_TEXT] = head->type_bytes,
    };
    const uint64_t most = UINT64_C(1) << 48;
    uint64_t end = sizeof *head;
    if (head->events > most / 16 || head->name_bytes > most || head->item_bytes > most ||
        head->type_bytes > most)
        return false;
    for (size_t i = 0; i < OD_HISTORY_SECTIONS; i++) {
        end = (end + OD_HISTORY_ALIGN - 1) / OD_HISTORY_ALIGN * OD_HISTORY_ALIGN;
        at[i] = end;
        end += sizes[i];
    }
    at[OD_HISTORY_SECTIONS] = end;
    return true;
}

/* ---- opening ---- */

static enum od_status corrupt(const char *path, const char *what, struct od_error *err)
{
    return od_fail(err, OD_CORRUPT, "The file of histories %s is damaged: %s.", path, what);
}

static uint64_t body_sum(const char *bytes, size_t len)
{
    uint64_t sum = OD_HISTORY_SEED;
    for (size_t at = 0; at < len; at += OD_HISTORY_BLOCK) {
        size_t some = len - at < OD_HISTORY_BLOCK ? len - at : OD_HISTORY_BLOCK;
        sum = od_hash(bytes + at, some, sum);
    }
    return sum;
}

static enum od_status read_head(struct od_history_file *file, const char *path, uint64_t stamp,
                                struct od_error *err)
{
    struct od_history_head *head = &file->head, zeroed;
    if (file->map.bytes < sizeof *head)
        return corrupt(path, "it ends early", err);
    memcpy(head, file->map.ptr, sizeof *head);
    zeroed = *head;
    zeroed.head_sum = 0;
    if (memcmp(head->magic, OD_HISTORY_MAGIC, 8) != 0 || head->version != OD_HISTORY_VERSION)
        return od_fail(err, OD_NOT_FOUND, "%s is of another version.", path);
    if (head->head_sum != od_hash(&zeroed, sizeof zeroed, OD_HISTORY_SEED))
        return corrupt(path, "its head has a wrong sum", err);
    return head->stamp == stamp
               ? OD_OK
               : od_fail(err, OD_NOT_FOUND, "%s is of another state of the data.", path);
}

static enum od_status find_sections(struct od_history_file *file, const char *path,
                                    struct od_error *err)
{
    uint64_t at[OD_HISTORY_SECTIONS + 1];
    const char *bytes = file->map.ptr;
    const size_t body = sizeof file->head;
    if (!od_history_layout(&file->head, at) || at[OD_HISTORY_SECTIONS] != file->map.bytes ||
        file->head.file_bytes != file->map.bytes)
        return corrupt(path, "its size is wrong", err);
    if (file->head.body_sum != body_sum(bytes + body, file->map.bytes - body))
        return corrupt(path, "it has a wrong sum", err);
    file->name_at = (const void *)(bytes + at[OD_HISTORY_NAME_AT]);
    file->name_text = bytes + at[OD_HISTORY_NAME_TEXT];
    file->slots = (const void *)(bytes + at[OD_HISTORY_SLOTS]);
    file->entries = (const void *)(bytes + at[OD_HISTORY_ENTRIES]);
    file->event_at = (const void *)(bytes + at[OD_HISTORY_EVENT_AT]);
    file->events = (const void *)(bytes + at[OD_HISTORY_RINGS]);
    file->item_at = (const void *)(bytes + at[OD_HISTORY_ITEM_AT]);
    file->item_text = bytes + at[OD_HISTORY_ITEM_TEXT];
    file->facts = (const void *)(bytes + at[OD_HISTORY_FACTS]);
    file->type_at = (const void *)(bytes + at[OD_HISTORY_TYPE_AT]);
    file->type_text = bytes + at[OD_HISTORY_TYPE_TEXT];
    return OD_OK;
}

/* Offsets that start at 0, never fall and end at the end. */
static bool rises(const uint64_t *at, uint32_t count, uint64_t end)
{
    bool good = at[0] == 0 && at[count] == end;
    for (uint32_t i = 0; i < count; i++)
        good &= at[i] <= at[i + 1];
    return good;
}

/* Ranks rise towards the root, so that no chain of parents goes in a circle. */
static bool is_forest(const struct od_history_file *file)
{
    uint32_t names = file->head.names;
    bool good = true;
    for (uint32_t i = 0; i < names && good; i++) {
        const struct od_history_name_record *e = &file->entries[i];
        good = e->node < names && e->parent < names && e->owner < names &&
               e->count == file->event_at[i + 1] - file->event_at[i] &&
               e->count <= OD_HISTORY_EVENTS &&
               (e->parent == i || (file->entries[e->parent].rank > e->rank && e->count == 0));
    }
    return good;
}

static bool are_slots(const struct od_history_file *file)
{
    const struct od_history_head *head = &file->head;
    bool good = head->slots > head->names && (head->slots & (head->slots - 1)) == 0;
    uint32_t used = 0;
    for (uint32_t i = 0; i < head->slots && good; i++) {
        used += file->slots[i] != OD_NO_CODE;
        good = file->slots[i] == OD_NO_CODE || file->slots[i] < head->names;
    }
    return good && used == head->names;
}

static bool are_events(const struct od_history_file *file)
{
    bool good = true;
    for (uint64_t i = 0; i < file->head.events; i++)
        good &= file->events[i].item < file->head.items && file->events[i].type < file->head.types;
    return good;
}

static enum od_status check(const struct od_history_file *file, const char *path,
                            struct od_error *err)
{
    const struct od_history_head *head = &file->head;
    if (head->names > OD_NO_CODE - 1 || head->types > OD_MAX_EVENT_TYPES ||
        !rises(file->name_at, head->names, head->name_bytes) ||
        !rises(file->event_at, head->names, head->events) ||
        !rises(file->item_at, head->items, head->item_bytes) ||
        !rises(file->type_at, head->types, head->type_bytes))
        return corrupt(path, "places of texts are wrong", err);
    if (!is_forest(file) || !are_slots(file))
        return corrupt(path, "names are wrong", err);
    return are_events(file) ? OD_OK : corrupt(path, "events are wrong", err);
}

void od_history_file_close(struct od_history_file *file)
{
    if (!file)
        return;
    if (file->map.ptr)
        file->io->unmap(file->io, &file->map);
    free(file->row_of);
    free(file->type_of);
    free(file);
}

enum od_status od_history_file_open(const struct od_io *io, const char *path, uint64_t stamp,
                                    struct od_history_file **out, struct od_history_mark *out_mark,
                                    struct od_error *err)
{
    if (!od_io_exists(io, path))
        return od_fail(err, OD_NOT_FOUND, "There is no %s.", path);
    struct od_history_file *file = calloc(1, sizeof *file);
    if (!file)
        return od_fail(err, OD_NO_MEMORY, NULL);
    file->io = io;
    enum od_status status = io->map(io, path, &file->map, err);
    if (status == OD_OK)
        status = read_head(file, path, stamp, err);
    if (status == OD_OK)
        status = find_sections(file, path, err);
    if (status == OD_OK)
        status = check(file, path, err);
    if (status != OD_OK) {
        od_history_file_close(file);
        return status;
    }
    *out_mark = (struct od_history_mark){file->head.stamp, file->head.event_mark};
    *out = file;
    return OD_OK;
}

/* ---- items and types ---- */

static struct od_str text_of(const uint64_t *at, const char *text, uint32_t code)
{
    return (struct od_str){text + at[code], (size_t)(at[code + 1] - at[code])};
}

uint32_t od_history_file_items(const struct od_history_file *file)
{
    return file->head.items;
}

uint32_t od_history_file_types(const struct od_history_file *file)
{
    return file->head.types;
}

struct od_str od_history_file_item(const struct od_history_file *file, uint32_t code)
{
    return text_of(file->item_at, file->item_text, code);
}

struct od_str od_history_file_type(const struct od_history_file *file, uint32_t code)
{
    return text_of(file->type_at, file->type_text, code);
}

void od_history_file_number(struct od_history_file *file, uint32_t *rows, uint16_t *types)
{
    file->row_of = rows;
    file->type_of = types;
}

enum od_status od_history_file_facts(const struct od_history_file *file,
                                     struct od_activity *activity)
{
    const struct od_history_head *head = &file->head;
    enum od_status status = OD_OK;
    for (uint32_t i = 0; i < head->items && status == OD_OK; i++) {
        const struct od_history_fact_record *from = &file->facts[i];
        status = od_activity_reserve(activity, file->row_of[i]);
        if (status == OD_OK)
            activity->facts[file->row_of[i]] = (struct od_item_facts){
                from->interactions, from->impressions, from->chosen, from->first_time};
    }
    activity->any = head->any != 0;
    activity->latest_time = head->latest_time;
    activity->impressions = head->impressions;
    activity->chosen = head->chosen;
    activity->changes = head->changes;
    return status;
}

/* ---- names ---- */

uint32_t od_history_file_names(const struct od_history_file *file)
{
    return file->head.names;
}

struct od_str od_history_file_text(const struct od_history_file *file, uint32_t name)
{
    return text_of(file->name_at, file->name_text, name);
}

uint32_t od_history_file_find(const struct od_history_file *file, struct od_str id)
{
    uint32_t mask = file->head.slots - 1;
    uint32_t i = (uint32_t)od_hash(id.ptr, id.len, file->head.seed) & mask;
    while (file->slots[i] != OD_NO_CODE &&
           !od_str_eq(od_history_file_text(file, file->slots[i]), id))
        i = (i + 1) & mask;
    return file->slots[i];
}

struct od_history_filed od_history_file_entry(const struct od_history_file *file, uint32_t name)
{
    const struct od_history_name_record *e = &file->entries[name];
    return (struct od_history_filed){e->node, e->parent, e->owner, e->rank, e->count};
}

void od_history_file_events(const struct od_history_file *file, uint32_t node, uint32_t from,
                            uint32_t count, struct od_history_event *out)
{
    const struct od_history_event_record *in = file->events + file->event_at[node] + from;
    for (uint32_t i = 0; i < count; i++)
        out[i] = (struct od_history_event){.time = in[i].time,
                                           .item_row = file->row_of[in[i].item],
                                           .type = file->type_of[in[i].type],
                                           .value = in[i].value};
}

uint64_t od_history_file_event_count(const struct od_history_file *file)
{
    return file->head.events;
}

uint64_t od_history_file_heap(const struct od_history_file *file)
{
    return sizeof *file + (uint64_t)file->head.items * sizeof(uint32_t) +
           (uint64_t)file->head.types * sizeof(uint16_t);
}
