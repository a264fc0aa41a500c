/* What a question says besides its events: when it is asked, its context, and the user's record,
 * as entries of a sparse row the network weighs its state by.
 *
 * Columns, in this order: with real times, the time since the newest event (OD_SEQ_GAPS classes),
 * the hour and the weekday asked at; then, each under a name, the values of Interactions' context
 * columns and of users' records ("C:FIELD=value", "U:FIELD in [a, b)": features.h's names with a
 * letter before). What is not known has no entry, so the network meets missing values in training
 * as in serving. */
#ifndef OD_RECIPES_SEQ_ASK_H
#define OD_RECIPES_SEQ_ASK_H

#include "recipes/features.h"
#include "recipes/words.h"
#include "recipes/seqtrain.h"

#define OD_SEQ_GAPS    56 /* classes of the time between two events: two to a power of two */
#define OD_SEQ_ENTRIES 64 /* most entries of a question; users' records of more are cut */
/* Values of a context column told apart; a column of more identifies rather than describes, and is
 * left out of the network. */
#define OD_SEQ_VALUES 1024

/* The class of the time from one second to another; less than 0 is as 0. */
uint32_t od_seq_gap(int64_t from_s, int64_t to_s);
/* Whether the times of the events before end tell more than their order: false when (nearly) all
 * steps between events are equally long, as in files whose times were made up. */
bool od_seq_times_real(const struct od_training *training, const uint64_t *end);

/* The questions of a training set. Everything is borrowed from the set but what init makes. */
struct od_seq_ask {
    const struct od_training *training;
    bool times;
    uint32_t named;   /* columns before the named ones */
    uint32_t columns; /* altogether */
    struct od_words words;
    struct od_features users;
    uint32_t *user_column; /* [users.columns] among the named ones, OD_NO_CODE: none */
    /* A value of a context column of texts is number v = context_at[c] + code, and its entries are
     * context_word[word_at[v]] and on, before word_at[v + 1]. */
    uint32_t *context_at, *word_at;
    struct od_word *context_word;
};
/* names: the named columns of an earlier training, taken, also when this fails; NULL: those of this
 * set, bins of context numbers coming from the events before end. */
enum od_status od_seq_ask_init(struct od_seq_ask *ask, const struct od_training *training,
                               const uint64_t *end, bool times, struct od_dict *names,
                               unsigned threads, struct od_error *err) OD_MUST_USE;
void od_seq_ask_done(struct od_seq_ask *ask);
/* The named entries of a question whose answer is that event of that user, columns counted from the
 * first named one. out has room for OD_SEQ_ENTRIES. */
size_t od_seq_ask_words(const struct od_seq_ask *ask, uint32_t user, uint64_t event,
                        struct od_word *out);
enum od_seq_see { OD_SEQ_SEE_TIME = 1, OD_SEQ_SEE_NAMED = 2 };
/* The entries of the prediction that follows row r of rows, made of the training set's events; see:
 * bits of od_seq_see. out has room for OD_SEQ_ENTRIES. */
size_t od_seq_ask_row(const struct od_seq_ask *ask, const struct od_seq_rows *rows, uint32_t r,
                      unsigned see, struct od_word *out);
/* The time's entries alone, of a question asked `asked` with the newest event at `time`; none when
 * asked is not later: such a question tells no time. */
size_t od_seq_ask_time(int64_t time, int64_t asked, struct od_word *out);

/* The columns that come before the named ones. */
uint32_t od_seq_ask_named(bool times);

#endif
