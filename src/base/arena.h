/* A region of memory freed at once. Pieces are 16-byte aligned and zeroed.
 *
 * Lifetimes (docs/memory.md): process, model image, request, batch. A request allocates from its
 * own arena only. Not thread-safe: an arena belongs to one thread at a time. */
#ifndef OD_BASE_ARENA_H
#define OD_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct od_arena_block;
struct od_arena {
    struct od_arena_block *head; /* newest block */
    size_t used;                 /* bytes handed out since init or reset */
    size_t max;                  /* od_arena_alloc gives NULL beyond */
    bool full;                   /* and has done so since init or reset */
};

void od_arena_init(struct od_arena *arena, size_t max_bytes);
void od_arena_done(struct od_arena *arena);
void od_arena_reset(struct od_arena *arena); /* frees all but one block, for reuse */

/* NULL when out of memory or past max. size 0 gives a valid pointer. */
void *od_arena_alloc(struct od_arena *arena, size_t size) __attribute__((malloc));
/* count * size with overflow check. */
void *od_arena_array(struct od_arena *arena, size_t count, size_t size) __attribute__((malloc));
/* A NUL-terminated copy; OD_STR_NONE stays absent and is returned for lack of memory too. */
struct od_str od_arena_str(struct od_arena *arena, struct od_str s);
OD_PRINTF(2, 3) struct od_str od_arena_printf(struct od_arena *arena, const char *fmt, ...);

#define OD_NEW(arena, type)              ((type *)od_arena_alloc((arena), sizeof(type)))
#define OD_NEW_ARRAY(arena, type, count) ((type *)od_arena_array((arena), (count), sizeof(type)))

#endif
