/* The sums and the rates of setting.h.
 *
 * Events are listed by item, and an item's words are summed anew for each fit: what an event's
 * words are is quickly said, and sums of all items and words would be many. G is summed in parts
 * that do not depend on the threads, added in order. */
#include "recipes/setting.h"

#include <cblas.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "math/eigen.h"
#include "os/parallel.h"

enum { PARTS = 4, BLOCK = 64 /* items of a part of the rates */ };

/* --- words --- */

/* The kept words of an event; room for OD_SEQ_ENTRIES. */
static size_t words_of(const struct od_setting_sums *s, uint32_t user, uint64_t event,
                       struct od_word *out)
{
    size_t count = od_seq_ask_words(&s->ask, user, event, out), n = 0;
    for (size_t i = 0; i < count; i++)
        if (s->word[out[i].column] != OD_NO_CODE)
            out[n++] = (struct od_word){s->word[out[i].column], out[i].value};
    for (size_t i = 0; i < n; i++) { /* as od_words_value, which knows of no others */
        size_t same = 0;
        for (size_t k = 0; k < n; k++)
            same += s->field[out[k].column] == s->field[out[i].column];
        out[i].value = 1 / sqrtf((float)same);
    }
    return n;
}

struct heard {
    uint32_t users, column, newest; /* newest: user, the last counted */
};

static int most_users_first(const void *a, const void *b)
{
    const struct heard *x = a, *y = b;
    return x->users != y->users ? (x->users < y->users) - (x->users > y->users)
                                : (x->column > y->column) - (x->column < y->column);
}

/* order[named]: how many users have an event with the column. */
static void count_users(const struct od_setting_sums *s, const uint64_t *end, struct heard *order)
{
    const struct od_training *t = s->training;
    struct od_word entry[OD_SEQ_ENTRIES];
    for (uint32_t u = 0; u < t->user_count; u += s->stride)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++) {
            size_t n = od_seq_ask_words(&s->ask, u, e, entry);
            for (size_t i = 0; i < n; i++) {
                struct heard *of = &order[entry[i].column];
                of->users += of->newest != u;
                of->newest = u;
            }
        }
}

/* "U:AGE" of "U:AGE=30" and "U:AGE in [18, 25)". */
static struct od_str field_of(struct od_str name)
{
    size_t end = 0;
    while (end < name.len && name.ptr[end] != '=' && name.ptr[end] != ' ')
        end++;
    return od_str_sub(name, 0, end);
}

static enum od_status find_fields(struct od_setting_sums *s)
{
    s->field = malloc(((size_t)s->words + 1) * sizeof *s->field);
    if (!s->field)
        return OD_NO_MEMORY;
    for (uint32_t w = 0; w < s->words; w++) {
        uint32_t first = 0;
        struct od_str field = field_of(od_dict_text(s->names.names, w));
        while (!od_str_eq(field_of(od_dict_text(s->names.names, first)), field))
            first++;
        s->field[w] = first;
    }
    return OD_OK;
}

static enum od_status choose_words(struct od_setting_sums *s, const uint64_t *end,
                                   struct od_error *err)
{
    const struct od_dict *all = s->ask.words.names;
    uint32_t named = od_dict_count(all), code;
    struct heard *order = calloc((size_t)named + 1, sizeof *order);
    s->word = malloc(((size_t)named + 1) * sizeof *s->word);
    struct od_dict *names = od_dict_new();
    enum od_status st = order && s->word && names ? OD_OK : OD_NO_MEMORY;
    for (uint32_t c = 0; c < named && st == OD_OK; c++) {
        order[c] = (struct heard){.column = c, .newest = OD_NO_CODE};
        s->word[c] = OD_NO_CODE;
    }
    if (st == OD_OK) {
        count_users(s, end, order);
        qsort(order, named, sizeof *order, most_users_first);
    }
    for (uint32_t k = 0; k < named && k < OD_SETTING_WORDS && st == OD_OK; k++)
        if (order[k].users >= OD_SETTING_LEAST)
            s->word[order[k].column] = 0;
    for (uint32_t c = 0; c < named && st == OD_OK; c++)
        if (s->word[c] == 0) {
            s->word[c] = s->words++;
            st = od_dict_add(names, od_dict_text(all, c), &code);
        }
    free(order);
    if (st == OD_OK) {
        st = od_words_init(&s->names, names, err);
        return st == OD_OK ? find_fields(s) : st;
    }
    od_dict_free(names);
    return st;
}

/* --- events by item --- */

static enum od_status list_events(struct od_setting_sums *s, const uint64_t *end)
{
    const struct od_training *t = s->training;
    uint64_t events = 0;
    s->at = calloc((size_t)s->items + 2, sizeof *s->at);
    if (!s->at)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < t->user_count; u++)
        events += end[u] - t->user_start[u];
    s->stride = (uint32_t)(events / OD_SETTING_EVENTS) + 1;
    for (uint32_t u = 0; u < t->user_count; u += s->stride)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++)
            s->at[t->item[e] + 2] += od_training_weight(t, e) > 0;
    for (uint32_t i = 0; i < s->items; i++)
        s->at[i + 2] += s->at[i + 1];
    s->event = malloc((s->at[s->items + 1] + 1) * sizeof *s->event);
    s->user = malloc((s->at[s->items + 1] + 1) * sizeof *s->user);
    if (!s->event || !s->user)
        return OD_NO_MEMORY;
    for (uint32_t u = 0; u < t->user_count; u += s->stride)
        for (uint64_t e = t->user_start[u]; e < end[u]; e++) {
            if (!(od_training_weight(t, e) > 0))
                continue;
            uint64_t k = s->at[t->item[e] + 1]++;
            s->event[k] = (uint32_t)e; /* events are fewer than 2^32 (linar_events.c) */
            s->user[k] = u;
        }
    return OD_OK;
}

static enum od_status share_out(struct od_setting_sums *s)
{
    double sum = 0;
    s->share = calloc((size_t)s->items + 1, sizeof *s->share);
    if (!s->share)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < s->items; i++) {
        double own = 0;
        for (uint64_t k = s->at[i]; k < s->at[i + 1]; k++)
            own += (double)od_training_weight(s->training, s->event[k]);
        s->share[i] = (float)own;
        sum += own;
    }
    for (uint32_t i = 0; i < s->items && sum > 0; i++)
        s->share[i] = (float)((double)s->share[i] / sum);
    return OD_OK;
}

/* --- G --- */

struct summing {
    struct od_setting_sums *s;
    double *gram; /* [PARTS][words][words] */
    double *mass; /* [PARTS][words] */
};

static enum od_status sum_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct summing *g = context;
    const struct od_setting_sums *s = g->s;
    size_t n = s->words;
    double *gram = g->gram + index * n * n, *mass = g->mass + index * n;
    uint64_t count = s->at[s->items];
    struct od_word word[OD_SEQ_ENTRIES];
    for (uint64_t k = count * index / PARTS; k < count * (index + 1) / PARTS; k++) {
        size_t m = words_of(s, s->user[k], s->event[k], word);
        double weight = (double)od_training_weight(s->training, s->event[k]);
        for (size_t a = 0; a < m; a++) {
            double x = weight * (double)word[a].value, *row = gram + word[a].column * n;
            mass[word[a].column] += x;
            for (size_t b = 0; b < m; b++)
                row[word[b].column] += x * (double)word[b].value;
        }
    }
    return OD_OK;
}

static enum od_status decompose(struct od_setting_sums *s, unsigned threads)
{
    size_t n = s->words;
    struct summing g = {s, calloc(PARTS * n * n + 1, sizeof *g.gram),
                        calloc(PARTS * n + 1, sizeof *g.mass)};
    double *value = calloc(n + 1, sizeof *value);
    s->mass = calloc(n + 1, sizeof *s->mass);
    s->turn = malloc((n * n + 1) * sizeof *s->turn);
    s->value = malloc((n + 1) * sizeof *s->value);
    enum od_status st =
        g.gram && g.mass && value && s->mass && s->turn && s->value ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK)
        st = od_parallel(threads, PARTS, sum_part, &g);
    for (size_t p = 0; p < PARTS && st == OD_OK; p++) {
        for (size_t i = 0; i < n; i++)
            s->mass[i] += g.mass[p * n + i];
        for (size_t i = 0; i < n * n && p > 0; i++)
            g.gram[i] += g.gram[p * n * n + i];
    }
    if (st == OD_OK)
        st = od_eigen(g.gram, n, value);
    for (size_t i = 0; i < n && st == OD_OK; i++)
        s->value[i] = value[i] > 0 ? (float)value[i] : 0;
    for (size_t i = 0; i < n * n && st == OD_OK; i++)
        s->turn[i] = (float)g.gram[i];
    free(g.gram);
    free(g.mass);
    free(value);
    return st;
}

enum od_status od_setting_sums_init(struct od_setting_sums *out, const struct od_training *training,
                                    const uint64_t *end, unsigned threads, struct od_error *err)
{
    struct od_setting_sums s = {.training = training, .items = training->item_count};
    enum od_status st = od_seq_ask_init(&s.ask, training, end, false, NULL, threads, err);
    if (st != OD_OK)
        return st;
    st = list_events(&s, end);
    if (st == OD_OK)
        st = share_out(&s);
    if (st == OD_OK)
        st = choose_words(&s, end, err);
    if (st == OD_OK)
        st = decompose(&s, threads);
    if (st == OD_OK)
        *out = s;
    else
        od_setting_sums_done(&s);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

void od_setting_sums_done(struct od_setting_sums *s)
{
    od_seq_ask_done(&s->ask);
    od_words_done(&s->names);
    free(s->word);
    free(s->field);
    free(s->at);
    free(s->event);
    free(s->user);
    free(s->share);
    free(s->mass);
    free(s->turn);
    free(s->value);
    *s = (struct od_setting_sums){0};
}

void od_setting_shares(const struct od_setting_sums *s, float *out)
{
    float events = (float)s->at[s->items], items = (float)s->items;
    for (uint32_t i = 0; i < s->items; i++)
        out[i] = (s->share[i] * events + .5f) / (events + .5f * items);
}

/* --- rates --- */

struct entry {
    float value;
    uint32_t word;
};

struct rating {
    const struct od_setting_sums *s;
    float shrink;
    struct entry *entry; /* [items][OD_SETTING_VALUES] */
    uint8_t *count;      /* [items] */
};

/* row := sum over the item's events of words, less what its share would have. */
static void sum_item(const struct od_setting_sums *s, uint32_t item, float *row)
{
    struct od_word word[OD_SEQ_ENTRIES];
    for (uint32_t w = 0; w < s->words; w++)
        row[w] = (float)(-(double)s->share[item] * s->mass[w]);
    for (uint64_t k = s->at[item]; k < s->at[item + 1]; k++) {
        size_t n = words_of(s, s->user[k], s->event[k], word);
        float weight = od_training_weight(s->training, s->event[k]);
        for (size_t i = 0; i < n; i++)
            row[word[i].column] += weight * word[i].value;
    }
}

static int strongest_first(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    float p = fabsf(x->value), q = fabsf(y->value);
    return p > q ? -1 : p < q ? 1 : (x->word > y->word) - (x->word < y->word);
}

static int by_word(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    return (x->word > y->word) - (x->word < y->word);
}

static uint8_t keep_item(const float *row, uint32_t words, struct entry *out)
{
    struct entry all[OD_SETTING_WORDS];
    uint32_t n = 0;
    for (uint32_t w = 0; w < words; w++)
        if (fabsf(row[w]) >= OD_SETTING_FAINT)
            all[n++] = (struct entry){row[w], w};
    if (n > OD_SETTING_VALUES) {
        qsort(all, n, sizeof *all, strongest_first);
        n = OD_SETTING_VALUES;
        qsort(all, n, sizeof *all, by_word);
    }
    memcpy(out, all, n * sizeof *out);
    return (uint8_t)n;
}

static enum od_status rate_block(void *context, size_t index, unsigned thread)
{
    (void)thread;
    const struct rating *r = context;
    const struct od_setting_sums *s = r->s;
    int n = (int)s->words;
    uint32_t first = (uint32_t)index * BLOCK;
    uint32_t count = s->items - first < BLOCK ? s->items - first : BLOCK;
    float *row = calloc((size_t)BLOCK * s->words * 2 + 1, sizeof *row);
    if (!row)
        return OD_NO_MEMORY;
    float *turned = row + (size_t)BLOCK * s->words;
    for (uint32_t i = 0; i < count; i++)
        sum_item(s, first + i, row + (size_t)i * s->words);
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, (int)count, n, n, 1, row, n, s->turn, n, 0,
                turned, n);
    for (uint32_t i = 0; i < count; i++)
        for (uint32_t w = 0; w < s->words; w++)
            turned[(size_t)i * s->words + w] /= s->share[first + i] * s->value[w] + r->shrink;
    cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)count, n, n, 1, turned, n, s->turn,
                n, 0, row, n);
    for (uint32_t i = 0; i < count; i++)
        r->count[first + i] = keep_item(row + (size_t)i * s->words, s->words,
                                        r->entry + (size_t)(first + i) * OD_SETTING_VALUES);
    free(row);
    return OD_OK;
}

/* From items' words to words' items. */
static enum od_status turn_over(const struct rating *r, struct od_setting_rates *out)
{
    const struct od_setting_sums *s = r->s;
    uint64_t count = 0;
    out->at = calloc((size_t)s->words + 2, sizeof *out->at);
    for (uint32_t i = 0; i < s->items; i++)
        count += r->count[i];
    out->item = malloc((count + 1) * sizeof *out->item);
    out->value = malloc((count + 1) * sizeof *out->value);
    if (!out->at || !out->item || !out->value)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < s->items; i++)
        for (uint32_t k = 0; k < r->count[i]; k++)
            out->at[r->entry[(size_t)i * OD_SETTING_VALUES + k].word + 2]++;
    for (uint32_t w = 0; w < s->words; w++)
        out->at[w + 2] += out->at[w + 1];
    for (uint32_t i = 0; i < s->items; i++)
        for (uint32_t k = 0; k < r->count[i]; k++) {
            struct entry entry = r->entry[(size_t)i * OD_SETTING_VALUES + k];
            uint64_t to = out->at[entry.word + 1]++;
            out->item[to] = i;
            out->value[to] = entry.value;
        }
    return OD_OK;
}

enum od_status od_setting_rates_init(struct od_setting_rates *out,
                                     const struct od_setting_sums *sums, float shrink,
                                     unsigned threads)
{
    struct rating r = {sums, shrink, NULL, calloc((size_t)sums->items + 1, 1)};
    *out = (struct od_setting_rates){0};
    r.entry = malloc(((size_t)sums->items * OD_SETTING_VALUES + 1) * sizeof *r.entry);
    enum od_status st = r.count && r.entry ? OD_OK : OD_NO_MEMORY;
    if (st == OD_OK && sums->words)
        st = od_parallel(threads, (sums->items + BLOCK - 1) / BLOCK, rate_block, &r);
    if (st == OD_OK)
        st = turn_over(&r, out);
    free(r.count);
    free(r.entry);
    if (st != OD_OK)
        od_setting_rates_done(out);
    return st;
}

void od_setting_rates_done(struct od_setting_rates *rates)
{
    free(rates->at);
    free(rates->item);
    free(rates->value);
    *rates = (struct od_setting_rates){0};
}
