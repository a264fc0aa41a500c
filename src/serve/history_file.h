/* A file of histories: what is known of a dataset's events up to a mark, mapped and never changed.
 *
 * Layout in docs/formats/history.md. It is a copy of what segments and log say and nothing else: a
 * file that is missing, damaged or of another state of the data is made again from them. */
#ifndef OD_SERVE_HISTORY_FILE_H
#define OD_SERVE_HISTORY_FILE_H

#include "os/io.h"
#include "serve/history.h"

struct od_activity;
struct od_history_file;

/* Which state of the data the file is of. */
struct od_history_mark {
    uint64_t stamp; /* of all that was there besides the log: the caller's */
    int64_t event;  /* seq of the last event of the log in it */
};

/* OD_NOT_FOUND: no file, or one of another stamp. OD_CORRUPT: not whole. */
enum od_status od_history_file_open(const struct od_io *io, const char *path, uint64_t stamp,
                                    struct od_history_file **out, struct od_history_mark *out_mark,
                                    struct od_error *err) OD_MUST_USE;
void od_history_file_close(struct od_history_file *file);

/* What the file calls item and type, for the opener to number. */
uint32_t od_history_file_items(const struct od_history_file *file);
uint32_t od_history_file_types(const struct od_history_file *file);
struct od_str od_history_file_item(const struct od_history_file *file, uint32_t code);
struct od_str od_history_file_type(const struct od_history_file *file, uint32_t code);
/* Row of each item and code of each type in the group, from malloc; the file's from now on. Before
 * any event is read. */
void od_history_file_number(struct od_history_file *file, uint32_t *rows, uint16_t *types);
/* Facts of the items into an activity without any. Numbered before. */
enum od_status od_history_file_facts(const struct od_history_file *file,
                                     struct od_activity *activity) OD_MUST_USE;

/* ---- names ---- */
struct od_history_filed {
    uint32_t node, parent, owner;
    uint8_t rank, count;
};
uint32_t od_history_file_names(const struct od_history_file *file);
uint32_t od_history_file_find(const struct od_history_file *file,
                              struct od_str id); /* OD_NO_CODE */
struct od_str od_history_file_text(const struct od_history_file *file, uint32_t name);
struct od_history_filed od_history_file_entry(const struct od_history_file *file, uint32_t name);
/* Events from to from + count - 1 of a node, oldest first. */
void od_history_file_events(const struct od_history_file *file, uint32_t node, uint32_t from,
                            uint32_t count, struct od_history_event *out);
uint64_t od_history_file_event_count(const struct od_history_file *file);
uint64_t od_history_file_heap(const struct od_history_file *file); /* bytes that are not mapped */

/* ---- writing ---- */
/* The texts of rows first to first + count - 1, valid until the next call. */
struct od_history_texts {
    enum od_status (*rows)(void *context, uint32_t first, uint32_t count, struct od_str *out);
    void *context;
    const struct od_str *types; /* [type_count] by code */
    uint32_t type_count;
};
/* Writes all of an activity that nobody changes meanwhile; the file appears whole at its path. */
enum od_status od_history_file_write(const struct od_io *io, const char *path,
                                     const struct od_activity *activity,
                                     const struct od_history_texts *texts,
                                     const struct od_history_mark *mark,
                                     struct od_error *err) OD_MUST_USE;

#endif
