/* The bytes of a file of histories: docs/formats/history.md. */
#ifndef OD_SERVE_HISTORY_LAYOUT_H
#define OD_SERVE_HISTORY_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>

#define OD_HISTORY_MAGIC   "ODHIST1\n"
#define OD_HISTORY_VERSION 2u /* 1: sessions and users of one id were one, no value */
#define OD_HISTORY_ALIGN   64u
#define OD_HISTORY_BLOCK   (1u << 20) /* bytes a step of the body's checksum */
#define OD_HISTORY_SEED    0x4F44484953543101ULL

struct od_history_head {
    char magic[8];
    uint32_t version, names;
    uint64_t file_bytes;
    uint64_t head_sum; /* of the head with this field as 0 */
    uint64_t body_sum;
    uint64_t stamp;
    int64_t event_mark;
    uint64_t seed; /* of the table of names */
    uint64_t events, name_bytes, item_bytes, type_bytes;
    uint32_t slots, items, types, any;
    int64_t latest_time;
    uint64_t impressions, chosen, changes;
    uint64_t zero[2];
};

struct od_history_name_record {
    uint32_t node, parent, owner;
    uint8_t rank, count;
    uint16_t zero;
};

struct od_history_event_record {
    int64_t time;
    uint32_t item;
    uint16_t type, value; /* od_history_value */
};

struct od_history_fact_record {
    uint32_t interactions, impressions, chosen, zero;
    int64_t first_time;
};

/* Where the sections start, in the order of the file. */
enum od_history_section {
    OD_HISTORY_NAME_AT,
    OD_HISTORY_NAME_TEXT,
    OD_HISTORY_SLOTS,
    OD_HISTORY_ENTRIES,
    OD_HISTORY_EVENT_AT,
    OD_HISTORY_RINGS, /* events */
    OD_HISTORY_ITEM_AT,
    OD_HISTORY_ITEM_TEXT,
    OD_HISTORY_FACTS,
    OD_HISTORY_TYPE_AT,
    OD_HISTORY_TYPE_TEXT,
    OD_HISTORY_SECTIONS
};
/* False: sizes that no file has. at[OD_HISTORY_SECTIONS] is the end of the file. */
bool od_history_layout(const struct od_history_head *head, uint64_t at[OD_HISTORY_SECTIONS + 1]);

#endif
