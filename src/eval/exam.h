/* An exam: what a recipe may learn from, what it is asked then, and what would have been right.
 *
 * Items are coded over the catalogue: every item of the interactions, of the test file and of the
 * item table, in byte order of ids. What was held out is in no event of the training part.
 * Read-only once made, so threads share it. */
#ifndef OD_EVAL_EXAM_H
#define OD_EVAL_EXAM_H

#include "data/training.h"
#include "recipes/recipe.h"

/* Whose results are averaged together; a question may be in several. */
enum od_exam_group {
    OD_GROUP_ALL,
    OD_GROUP_KNOWN, /* users with events in the training part */
    OD_GROUP_COLD,  /* users without */
    OD_EXAM_GROUPS
};

#define OD_NO_EVENT UINT64_MAX
struct od_question {
    uint32_t user;          /* code of full, for its record; OD_NO_CODE: nobody's */
    uint64_t context_event; /* of full: the query's context is that event's; OD_NO_EVENT: none */
    uint64_t event_at;      /* the input, oldest first: exam->events[event_at ...] */
    uint32_t event_count;
    uint32_t relevant_count;
    uint64_t relevant_at; /* distinct codes, ascending: exam->relevant[relevant_at ...] */
    int64_t now_s;        /* what the query says the time is */
    uint32_t groups;      /* bits, 1 << enum od_exam_group; OD_GROUP_ALL is always set */
};

struct od_exam {
    const struct od_training *full; /* borrowed: records and context of queries */
    const struct od_training *train;
    struct od_training *owned; /* train when it is the exam's to free, else NULL */
    struct od_dict *items;     /* the catalogue */
    uint32_t item_count;
    uint64_t *candidates; /* bitmap over the catalogue of the items that are ranked; NULL: all */
    float *gain;      /* [item_count] what listing an item is worth; NULL: relevant or not is all */
    double best_gain; /* of OD_LIST_MOST items at most */
    bool *known;      /* [item_count] has an event in the training part */
    struct od_past_event *events; /* item: catalogue code; type: the training part's code */
    uint64_t event_count, event_cap;
    uint32_t *relevant;
    uint64_t relevant_count, relevant_cap;
    struct od_question *questions;
    uint32_t question_count, question_cap;
    uint32_t possible; /* questions there would be if none were left out for being too many */
    uint32_t skipped;  /* users that could not be asked: too few events */
};

/* out is zeroed on failure; _done frees what it owns. */
void od_exam_done(struct od_exam *exam);

/* --- making one: used by the protocols --- */

/* The catalogue of full (and of more, which may be NULL), and the training part: train, which
 * becomes the exam's even on failure when owned is true. */
enum od_status od_exam_begin(struct od_exam *exam, const struct od_training *full,
                             const struct od_dict *more, struct od_training *train, bool owned,
                             struct od_error *err) OD_MUST_USE;

/* Events of one user of full: input [start, input_end), relevant [input_end, relevant_end). */
struct od_exam_user {
    uint32_t user;
    uint64_t input_end, relevant_end;
};
/* Which clock questions have. With the target's time comes the target's context, else the last
 * input event's: a request carries where and on what device it is made, but the columns of the
 * event to be predicted may give it away. */
enum od_exam_clock { OD_NOW_LAST_INPUT, OD_NOW_TARGET, OD_NOW_FIXED };
struct od_exam_asking {
    enum od_exam_clock clock;
    int64_t fixed_now_s; /* OD_NOW_FIXED, and users without input */
    uint32_t most;       /* questions at most, spread evenly over the users; 0: all */
};
/* A question for each of users (in that order). */
enum od_status od_exam_ask_users(struct od_exam *exam, const struct od_training *full,
                                 const struct od_exam_user *users, uint32_t count,
                                 const struct od_exam_asking *asking,
                                 struct od_error *err) OD_MUST_USE;

/* One question piece by piece: begin (user and context_event as in struct od_question), events
 * oldest first, relevant items (each may be given more than once), end. */
enum od_status od_exam_question(struct od_exam *exam, uint32_t user,
                                uint64_t context_event) OD_MUST_USE;
enum od_status od_exam_event(struct od_exam *exam, const struct od_past_event *event) OD_MUST_USE;
enum od_status od_exam_relevant(struct od_exam *exam, uint32_t item) OD_MUST_USE;
void od_exam_close(struct od_exam *exam, int64_t now_s, uint32_t groups);

/* Number index of count things that `most` (0: all) are taken from, evenly spread. */
uint32_t od_exam_spread(uint32_t index, uint32_t count, uint32_t most);

#endif
