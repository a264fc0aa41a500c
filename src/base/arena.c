/* Arenas: a list of blocks, each twice the last up to 1 MiB. See arena.h. */
#include "base/arena.h"

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_BLOCK   4096
#define LARGEST_BLOCK (1u << 20)

struct od_arena_block {
    struct od_arena_block *next; /* older */
    size_t size;                 /* bytes after this header */
    size_t used;
    size_t pad; /* keeps the bytes 16-byte aligned */
};

static void free_blocks(struct od_arena_block *block)
{
    while (block) {
        struct od_arena_block *next = block->next;
        free(block);
        block = next;
    }
}

void od_arena_init(struct od_arena *arena, size_t max_bytes)
{
    *arena = (struct od_arena){.max = max_bytes};
}

void od_arena_done(struct od_arena *arena)
{
    free_blocks(arena->head);
    arena->head = NULL;
    arena->used = 0;
}

void od_arena_reset(struct od_arena *arena)
{
    if (arena->head) {
        free_blocks(arena->head->next);
        arena->head->next = NULL;
        arena->head->used = 0;
    }
    arena->used = 0;
    arena->full = false;
}

static struct od_arena_block *grow(struct od_arena *arena, size_t size)
{
    size_t want = arena->head ? arena->head->size * 2 : FIRST_BLOCK;
    if (want > LARGEST_BLOCK)
        want = LARGEST_BLOCK;
    if (want < size)
        want = size;
    struct od_arena_block *block = malloc(sizeof *block + want);
    if (!block)
        return NULL;
    *block = (struct od_arena_block){.next = arena->head, .size = want};
    arena->head = block;
    return block;
}

void *od_arena_alloc(struct od_arena *arena, size_t size)
{
    if (size > SIZE_MAX - 16)
        return NULL;
    size = size ? (size + 15) & ~(size_t)15 : 16;
    if (size > arena->max || arena->used > arena->max - size) {
        arena->full = true;
        return NULL;
    }
    struct od_arena_block *block = arena->head;
    if (!block || block->size - block->used < size) {
        block = grow(arena, size);
        if (!block)
            return NULL;
    }
    char *piece = (char *)(block + 1) + block->used;
    block->used += size;
    arena->used += size;
    return memset(piece, 0, size);
}

void *od_arena_array(struct od_arena *arena, size_t count, size_t size)
{
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    return od_arena_alloc(arena, bytes);
}

struct od_str od_arena_str(struct od_arena *arena, struct od_str s)
{
    if (!s.ptr || s.len == SIZE_MAX)
        return OD_STR_NONE;
    char *copy = od_arena_alloc(arena, s.len + 1);
    if (!copy)
        return OD_STR_NONE;
    memcpy(copy, s.ptr, s.len);
    return (struct od_str){copy, s.len};
}

struct od_str od_arena_printf(struct od_arena *arena, const char *fmt, ...)
{
    va_list ap, again;
    va_start(ap, fmt);
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    char *text = n >= 0 ? od_arena_alloc(arena, (size_t)n + 1) : NULL;
    if (text)
        vsnprintf(text, (size_t)n + 1, fmt, again);
    va_end(again);
    return text ? (struct od_str){text, (size_t)n} : OD_STR_NONE;
}
