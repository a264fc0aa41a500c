/* Questions of a training set, and of requests, as entries: see seq_ask.h.
 *
 * A text of a context column has a column a distinct category (pieces between '|'); a number one a
 * decile of the events before end. Users' records are od_features' categories and bins. With the
 * names of an earlier training, values keep their columns and numbers their bins, and what that
 * training did not meet has no entry. */
#include "recipes/seq_ask.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BINS = 10, SAMPLE = 20000, LONGEST_NAME = 8192 };

enum { HOURS = 24, DAYS = 7 };

uint32_t od_seq_gap(int64_t from_s, int64_t to_s)
{
    uint64_t x = to_s > from_s ? (uint64_t)to_s - (uint64_t)from_s : 0;
    x += x < UINT64_MAX;
    uint32_t power = 63 - (uint32_t)__builtin_clzll(x);
    uint32_t half = power ? (uint32_t)(x >> (power - 1)) & 1 : 0;
    uint32_t gap = 2 * power + half;
    return gap < OD_SEQ_GAPS ? gap : OD_SEQ_GAPS - 1;
}

bool od_seq_times_real(const struct od_training *t, const uint64_t *end)
{
    uint64_t usual = 0, steps = 0, other = 0;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u] + 1; e < end[u]; e++) {
            uint64_t gap = (uint64_t)t->time[e] - (uint64_t)t->time[e - 1];
            usual = steps ? usual : gap;
            steps++;
            other += gap != usual;
        }
    return other * 100 > steps;
}

size_t od_seq_ask_time(int64_t time, int64_t asked, struct od_word *out)
{
    if (asked <= time)
        return 0;
    int64_t hour = asked / 3600, day = asked / 86400;
    uint32_t h = (uint32_t)((hour % HOURS + HOURS) % HOURS);
    uint32_t d = (uint32_t)((day % DAYS + DAYS) % DAYS);
    out[0] = (struct od_word){od_seq_gap(time, asked), 1};
    out[1] = (struct od_word){OD_SEQ_GAPS + h, 1};
    out[2] = (struct od_word){OD_SEQ_GAPS + HOURS + d, 1};
    return 3;
}

/* --- names --- */

struct edges {
    float edge[BINS - 1]; /* ascending, distinct */
    uint32_t bins;        /* edges and one; 0: no numbers */
};

static int by_number(const void *a, const void *b)
{
    float x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

/* Numbers of the events before end, every `stride`th of them. */
static size_t sample_numbers(const struct od_training *t, const uint64_t *end, const float *number,
                             float *out)
{
    size_t n = 0;
    uint64_t seen = 0, stride = t->event_count / SAMPLE + 1;
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++)
            if (isfinite(number[e]) && seen++ % stride == 0 && n < SAMPLE)
                out[n++] = number[e];
    return n;
}

static struct edges edges_of(float *number, size_t n)
{
    struct edges b = {.bins = n ? 1 : 0};
    qsort(number, n, sizeof *number, by_number);
    for (size_t q = 1; n && q < BINS; q++) {
        float edge = number[n * q / BINS];
        float before = b.bins > 1 ? b.edge[b.bins - 2] : number[0];
        if (edge > before)
            b.edge[b.bins++ - 1] = edge;
    }
    return b;
}

static enum od_status add_name(struct od_dict *names, struct od_buf *text)
{
    uint32_t code;
    enum od_status st = od_buf_status(text);
    if (st == OD_OK)
        st = od_dict_add(names, od_buf_view(text), &code);
    od_buf_clear(text);
    return st;
}

static void put_edge(struct od_buf *out, const struct edges *b, uint32_t place)
{
    if (place == 0 || place == b->bins)
        od_buf_puts(out, place ? "inf" : "-inf");
    else
        od_buf_printf(out, "%.17g", (double)b->edge[place - 1]);
}

static enum od_status name_texts(const struct od_training_column *column, struct od_dict *names,
                                 struct od_buf *text)
{
    uint32_t count = od_dict_count(column->values);
    enum od_status st = OD_OK;
    for (uint32_t i = 0; i < count && count <= OD_SEQ_VALUES && st == OD_OK; i++) {
        struct od_str rest = od_dict_text(column->values, i), piece;
        for (unsigned p = 0; p < OD_WORDS_PIECES && st == OD_OK && od_str_cut(&rest, '|', &piece);
             p++) {
            od_buf_printf(text, "C:%.*s=", OD_STR_ARG(column->name));
            od_buf_str(text, piece);
            st = add_name(names, text);
        }
    }
    return st;
}

static enum od_status name_numbers(const struct od_training *t, const uint64_t *end,
                                   const struct od_training_column *column, struct od_dict *names,
                                   struct od_buf *text)
{
    float *number = malloc(SAMPLE * sizeof *number);
    enum od_status st = number ? OD_OK : OD_NO_MEMORY;
    struct edges b = {0};
    if (number)
        b = edges_of(number, sample_numbers(t, end, column->number, number));
    free(number);
    for (uint32_t i = 0; i < b.bins && st == OD_OK; i++) {
        od_buf_printf(text, "C:%.*s in [", OD_STR_ARG(column->name));
        put_edge(text, &b, i);
        od_buf_puts(text, ", ");
        put_edge(text, &b, i + 1);
        od_buf_puts(text, ")");
        st = add_name(names, text);
    }
    return st;
}

static void user_name(const struct od_features *users, uint32_t column, struct od_buf *text)
{
    od_buf_clear(text);
    od_buf_puts(text, "U:");
    od_buf_str(text, od_dict_text(users->names, column));
}

static enum od_status name_all(const struct od_training *t, const uint64_t *end,
                               const struct od_features *users, struct od_dict *names,
                               struct od_buf *text)
{
    enum od_status st = OD_OK;
    for (size_t c = 0; c < t->context_count && st == OD_OK; c++)
        st = t->context[c].values ? name_texts(&t->context[c], names, text)
                                  : name_numbers(t, end, &t->context[c], names, text);
    for (uint32_t c = 0; c < users->columns && st == OD_OK; c++) {
        user_name(users, c, text);
        st = add_name(names, text);
    }
    return st;
}

/* --- the columns of a set among the names --- */

static enum od_status find_context(struct od_seq_ask *ask)
{
    const struct od_training *t = ask->training;
    size_t values = 0, contexts = t->context_count;
    ask->context_at = malloc((contexts + 1) * sizeof *ask->context_at);
    for (size_t c = 0; ask->context_at && c < contexts; c++) {
        ask->context_at[c] = (uint32_t)values;
        values += t->context[c].values ? od_dict_count(t->context[c].values) : 0;
    }
    ask->word_at = malloc((values + 1) * sizeof *ask->word_at);
    ask->context_word = malloc((values * OD_WORDS_PIECES + 1) * sizeof *ask->context_word);
    if (!ask->context_at || !ask->word_at || !ask->context_word)
        return OD_NO_MEMORY;
    uint32_t v = 0, n = 0;
    for (size_t c = 0; c < contexts; c++) {
        const struct od_training_column *column = &t->context[c];
        uint32_t count = column->values ? od_dict_count(column->values) : 0;
        for (uint32_t code = 0; code < count; code++) {
            const struct od_query_value value = {column->name, od_dict_text(column->values, code)};
            ask->word_at[v++] = n;
            n += (uint32_t)od_words_value(&ask->words, 'C', &value, 0, ask->context_word + n,
                                          OD_WORDS_PIECES);
        }
    }
    ask->word_at[v] = n;
    return OD_OK;
}

static enum od_status find_columns(struct od_seq_ask *ask, struct od_buf *text)
{
    ask->user_column = malloc(((size_t)ask->users.columns + 1) * sizeof *ask->user_column);
    enum od_status st = ask->user_column ? find_context(ask) : OD_NO_MEMORY;
    for (uint32_t c = 0; c < ask->users.columns && st == OD_OK; c++) {
        user_name(&ask->users, c, text);
        st = od_buf_status(text);
        if (st == OD_OK)
            ask->user_column[c] = od_words_like(&ask->words, od_buf_view(text));
    }
    return st;
}

uint32_t od_seq_ask_named(bool times)
{
    return times ? OD_SEQ_GAPS + HOURS + DAYS : 0;
}

enum od_status od_seq_ask_init(struct od_seq_ask *out, const struct od_training *training,
                               const uint64_t *end, bool times, struct od_dict *names,
                               unsigned threads, struct od_error *err)
{
    struct od_feature_options options = od_feature_options_default();
    struct od_seq_ask ask = {
        .training = training, .times = times, .named = od_seq_ask_named(times)};
    struct od_buf text;
    bool given = names;
    od_buf_init(&text, LONGEST_NAME);
    options.text = false;
    options.most_words = OD_SEQ_VALUES;
    options.threads = threads;
    names = given ? names : od_dict_new();
    enum od_status st = names ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK)
        st = od_features_make(training->user_table, training->users, &options, &ask.users, err);
    if (st == OD_OK && !given)
        st = name_all(training, end, &ask.users, names, &text);
    if (st == OD_OK) {
        st = od_words_init(&ask.words, names, err);
        names = NULL;
    }
    if (st == OD_OK)
        st = find_columns(&ask, &text);
    od_buf_done(&text);
    od_dict_free(names);
    if (st != OD_OK) {
        od_seq_ask_done(&ask);
        return od_fail(err, st, NULL);
    }
    ask.columns = ask.named + od_dict_count(ask.words.names);
    *out = ask;
    return OD_OK;
}

void od_seq_ask_done(struct od_seq_ask *ask)
{
    od_words_done(&ask->words);
    od_features_done(&ask->users);
    free(ask->context_at);
    free(ask->word_at);
    free(ask->context_word);
    free(ask->user_column);
    *ask = (struct od_seq_ask){0};
}

/* --- rows of the training set --- */

static size_t add_context(const struct od_seq_ask *ask, uint64_t event, struct od_word *out)
{
    const struct od_training *t = ask->training;
    size_t n = 0;
    for (size_t c = 0; c < t->context_count && n < OD_SEQ_ENTRIES; c++) {
        const struct od_training_column *column = &t->context[c];
        if (column->values && column->code[event] != OD_NO_VALUE) {
            const uint32_t *at = ask->word_at + ask->context_at[c] + column->code[event];
            for (uint32_t k = at[0]; k < at[1] && n < OD_SEQ_ENTRIES; k++)
                out[n++] = ask->context_word[k];
        }
        if (column->values || !isfinite(column->number[event]))
            continue;
        uint32_t at =
            od_words_number(&ask->words, 'C', column->name, (double)column->number[event]);
        if (at != OD_NO_CODE)
            out[n++] = (struct od_word){at, 1};
    }
    return n;
}

size_t od_seq_ask_words(const struct od_seq_ask *ask, uint32_t user, uint64_t event,
                        struct od_word *out)
{
    const struct od_features *f = &ask->users;
    size_t n = add_context(ask, event, out);
    if (!f->columns)
        return n;
    for (uint64_t i = f->at[user]; i < f->at[user + 1] && n < OD_SEQ_ENTRIES; i++)
        if (ask->user_column[f->column[i]] != OD_NO_CODE)
            out[n++] = (struct od_word){ask->user_column[f->column[i]], f->value[i]};
    return n;
}

static uint32_t sequence_of(const struct od_nn_packed *packed, uint32_t r)
{
    uint32_t low = 0, high = packed->steps;
    while (high - low > 1) {
        uint32_t middle = (low + high) / 2;
        *(packed->at[middle] <= r ? &low : &high) = middle;
    }
    return r - packed->at[low];
}

size_t od_seq_ask_row(const struct od_seq_ask *ask, const struct od_seq_rows *rows, uint32_t r,
                      unsigned see, struct od_word *out)
{
    struct od_word named[OD_SEQ_ENTRIES];
    size_t n = 0;
    if (ask->times && see & OD_SEQ_SEE_TIME)
        n = od_seq_ask_time(rows->time[r], rows->asked[r], out);
    if (ask->columns == ask->named || !(see & OD_SEQ_SEE_NAMED))
        return n;
    uint32_t user = ask->users.columns ? rows->user[sequence_of(&rows->packed, r)] : 0;
    size_t count = od_seq_ask_words(ask, user, rows->event[r] + 1, named);
    for (size_t i = 0; i < count && n < OD_SEQ_ENTRIES; i++)
        out[n++] = (struct od_word){ask->named + named[i].column, named[i].value};
    return n;
}
