/* ondol show of a file of histories: what it is of, and the first of its users. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "cli/cli.h"
#include "serve/history_file.h"
#include "serve/history_layout.h"

#define NAMES_SHOWN  10
#define EVENTS_SHOWN 5

static void show_events(const struct od_history_file *file, uint32_t name)
{
    struct od_history_event events[OD_HISTORY_EVENTS];
    uint32_t count = od_history_file_entry(file, name).count, from = 0;
    if (count > EVENTS_SHOWN)
        from = count - EVENTS_SHOWN;
    od_history_file_events(file, name, from, count - from, events);
    for (uint32_t i = 0; i < count - from; i++)
        printf("    %lld  %.*s  %.*s\n", (long long)events[i].time,
               OD_STR_ARG(od_history_file_type(file, events[i].type)),
               OD_STR_ARG(od_history_file_item(file, events[i].item_row)));
}

static void show_names(const struct od_history_file *file)
{
    uint32_t count = od_history_file_names(file);
    for (uint32_t name = 0; name < count && name < NAMES_SHOWN; name++) {
        struct od_history_filed entry = od_history_file_entry(file, name);
        struct od_str text = od_history_file_text(file, name);
        bool session = text.len && text.ptr[0] == '\0';
        printf("  %s%.*s", session ? "session " : "",
               OD_STR_ARG(od_str_sub(text, session, text.len)));
        if (entry.owner != name)
            printf(", joined to %.*s", OD_STR_ARG(od_history_file_text(file, entry.owner)));
        printf(": %u events\n", entry.count);
        show_events(file, name);
    }
}

/* Items and types stay the file's own. */
static bool number(struct od_history_file *file)
{
    uint32_t items = od_history_file_items(file), types = od_history_file_types(file);
    uint32_t *rows = malloc(((size_t)items + 1) * sizeof *rows);
    uint16_t *codes = malloc(((size_t)types + 1) * sizeof *codes);
    for (uint32_t i = 0; rows && i < items; i++)
        rows[i] = i;
    for (uint32_t i = 0; codes && i < types; i++)
        codes[i] = (uint16_t)i;
    od_history_file_number(file, rows, codes);
    return rows && codes;
}

enum od_status od_show_history(const char *path, struct od_str bytes, struct od_error *err)
{
    struct od_history_head head;
    struct od_history_file *file;
    struct od_history_mark mark;
    if (bytes.len < sizeof head || memcmp(bytes.ptr, OD_HISTORY_MAGIC, 8) != 0)
        return od_fail(err, OD_CORRUPT, "It is no file of histories.");
    memcpy(&head, bytes.ptr, sizeof head);
    enum od_status s = od_history_file_open(&od_io_real, path, head.stamp, &file, &mark, err);
    if (s != OD_OK)
        return s;
    printf("histories of %u users and sessions: %llu events, %u items, %u event types, up to event "
           "%lld of the log; %zu bytes, every checksum right\n",
           head.names, (unsigned long long)head.events, head.items, head.types,
           (long long)mark.event, bytes.len);
    if (number(file))
        show_names(file);
    else
        s = od_fail(err, OD_NO_MEMORY, NULL);
    od_history_file_close(file);
    return s;
}
