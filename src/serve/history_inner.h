/* What the files that make up history.h share. */
#ifndef OD_SERVE_HISTORY_INNER_H
#define OD_SERVE_HISTORY_INNER_H

#include "serve/history_file.h"

/* A name, which is a node too, in memory. */
struct od_history_entry {
    struct od_history_event *ring;
    uint32_t node;   /* of the name with this number */
    uint32_t parent; /* of the node with this number; itself: a root */
    uint32_t owner;  /* name it was joined to; itself: none */
    uint8_t count, cap, head;
    uint8_t rank; /* bound of the height of the node's tree */
};

/* Where a name of the file has its entry in memory. */
struct od_history_slot {
    uint32_t name; /* OD_NO_CODE: free */
    uint32_t at;   /* in copies */
};

/* An event added in bulk whose turn has not come. */
struct od_history_pending {
    struct od_history_event event;
    uint32_t name;
};

struct od_histories {
    struct od_history_file *file; /* NULL: all is in memory */
    uint32_t filed;               /* names in the file: their numbers come first */
    struct od_dict *names;        /* the others: number = filed + code */
    struct od_history_entry *own; /* [name - filed] */
    uint32_t own_cap;
    struct od_history_entry *copies; /* of names of the file that something happened to since */
    uint32_t copy_count, copy_cap;
    struct od_history_slot *slots; /* [slot_count] open addressing by name; a power of two, or 0 */
    uint32_t slot_count;
    uint64_t events;                    /* of all, in memory and in the file */
    uint64_t slots_of_rings, rings;     /* allocated for events */
    struct od_history_pending *pending; /* [OD_HISTORY_PENDING]; NULL: none were ever */
    uint32_t pending_count;
};

#define OD_HISTORY_PENDING (1u << 21)

/* The entry of a name in memory; NULL: what the file says holds. */
const struct od_history_entry *od_history_entry_of(const struct od_histories *histories,
                                                   uint32_t name);
/* The same, copied from the file where it is not in memory yet. Moves other entries of the file. */
enum od_status od_history_touch(struct od_histories *histories, uint32_t name,
                                struct od_history_entry **out) OD_MUST_USE;
/* The node that holds the history of a name. */
uint32_t od_history_root(const struct od_histories *histories, uint32_t name);
struct od_history_event *od_history_at(const struct od_history_entry *entry, uint32_t index);
bool od_history_same(const struct od_history_event *a, const struct od_history_event *b);
/* Whether the entry has the very same event. */
bool od_history_holds(const struct od_history_entry *entry, const struct od_history_event *event);
/* Of events in order of time, what a history keeps, in their order from the first place on; returns
 * how many. seen: [OD_MAX_EVENT_TYPES + 1] zeros, and zeros again afterwards. */
uint32_t od_history_keep(struct od_history_event *events, uint32_t count, uint8_t *seen);
/* The size of ring that holds count events. */
uint32_t od_history_ring_size(uint32_t count);
/* Puts ring, from malloc, in place of the entry's. */
void od_history_set_ring(struct od_histories *histories, struct od_history_entry *entry,
                         struct od_history_event *ring, uint32_t cap, uint32_t count);

#endif
