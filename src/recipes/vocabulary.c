/* Counting tokens over a column of texts and choosing those worth a feature.
 *
 * Tokens are known by a 64-bit hash of their bytes. Rows are cut into parts of about a megabyte of
 * text by their lengths alone; threads count parts into tables of their own, which are merged into
 * the common one in part order, so neither the counts nor what is forgotten depends on the threads.
 * Each count remembers one row that has the token: its text is read back from there, for names. */
#include "recipes/vocabulary.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "os/parallel.h"

#define PART_BYTES (1u << 20)
#define GRAM_SEED  1 /* a gram is another token than the word of the same letters */
#define ROUND      8 /* parts counted before their tables are merged */

struct tally {
    uint64_t key;  /* 0: free */
    uint32_t rows; /* that have the token */
    uint32_t row;  /* the last one counted */
};
struct table {
    struct tally *slots;
    uint64_t mask, used;
};

static uint64_t token_key(struct od_str token, bool gram)
{
    uint64_t key = od_hash(token.ptr, token.len, gram ? GRAM_SEED : 0);
    return key ? key : 1;
}

/* --- tables of counts --- */

static bool table_init(struct table *t, uint64_t slots)
{
    *t = (struct table){calloc(slots, sizeof *t->slots), slots - 1, 0};
    return t->slots != NULL;
}

static struct tally *table_slot(const struct table *t, uint64_t key)
{
    uint64_t at = key & t->mask;
    while (t->slots[at].key && t->slots[at].key != key)
        at = (at + 1) & t->mask;
    return &t->slots[at];
}

/* Everything above `least` rows into a table of `slots`. */
static bool table_rebuild(struct table *t, uint64_t slots, uint32_t least)
{
    struct table next;
    if (!table_init(&next, slots))
        return false;
    for (uint64_t i = 0; i <= t->mask; i++)
        if (t->slots[i].key && t->slots[i].rows > least) {
            *table_slot(&next, t->slots[i].key) = t->slots[i];
            next.used++;
        }
    free(t->slots);
    *t = next;
    return true;
}

/* Adds rows to a key's count; at most 3/4 full. */
static bool table_add(struct table *t, uint64_t key, uint32_t rows, uint32_t row)
{
    struct tally *slot = table_slot(t, key);
    if (!slot->key) {
        if (4 * (t->used + 1) > 3 * (t->mask + 1)) {
            if (!table_rebuild(t, 2 * (t->mask + 1), 0))
                return false;
            slot = table_slot(t, key);
        }
        slot->key = key;
        t->used++;
    }
    slot->rows += rows;
    slot->row = row;
    return true;
}

/* --- parts --- */

struct part {
    uint32_t from, to;
    uint32_t texts;
    struct table table;
};

struct count {
    const struct od_texts *texts;
    const struct od_vocabulary_rule *rule;
    struct part *parts;
    size_t part_count, first; /* first: of the round */
    struct table all;
    uint32_t text_count, forgotten; /* tokens on so few rows may be missing */
};

struct taker {
    struct table *table;
    uint32_t row;
    bool failed;
};

static void take(void *context, struct od_str token, bool gram)
{
    struct taker *t = context;
    uint64_t key = token_key(token, gram);
    struct tally *slot = table_slot(t->table, key);
    if (slot->key && slot->row == t->row)
        return;
    t->failed |= !table_add(t->table, key, 1, t->row);
}

static enum od_status count_part(void *context, size_t index, unsigned thread)
{
    (void)thread;
    struct count *count = context;
    struct part *part = &count->parts[count->first + index];
    if (!table_init(&part->table, 1u << 12))
        return OD_NO_MEMORY;
    struct taker taker = {.table = &part->table};
    for (uint32_t row = part->from; row < part->to && !taker.failed; row++) {
        struct od_str text = count->texts->text(count->texts->context, row);
        taker.row = row;
        part->texts += text.len > 0;
        if (text.len)
            od_text_tokens(text, count->rule->grams, take, &taker);
    }
    return taker.failed ? OD_NO_MEMORY : OD_OK;
}

static bool merge_part(struct count *count, struct part *part)
{
    count->text_count += part->texts;
    for (uint64_t i = 0; i <= part->table.mask; i++) {
        const struct tally *slot = &part->table.slots[i];
        if (!slot->key)
            continue;
        if (!table_add(&count->all, slot->key, slot->rows, slot->row))
            return false;
        while (count->all.used >= OD_VOCABULARY_COUNTED)
            if (!table_rebuild(&count->all, count->all.mask + 1, ++count->forgotten))
                return false;
    }
    free(part->table.slots);
    part->table.slots = NULL;
    return true;
}

static bool cut_parts(struct count *count)
{
    const struct od_texts *texts = count->texts;
    size_t cap = 0;
    for (uint32_t row = 0; row < texts->rows;) {
        if (count->part_count == cap) {
            cap = 2 * cap + 16;
            struct part *grown = realloc(count->parts, cap * sizeof *grown);
            if (!grown)
                return false;
            count->parts = grown;
        }
        uint32_t from = row;
        for (size_t bytes = 0; row < texts->rows && bytes < PART_BYTES; row++) {
            size_t len = texts->text(texts->context, row).len;
            bytes += 16 + (len < OD_TEXT_BYTES ? len : OD_TEXT_BYTES);
        }
        count->parts[count->part_count++] = (struct part){.from = from, .to = row};
    }
    return true;
}

static enum od_status count_all(struct count *count, unsigned threads)
{
    if (!cut_parts(count) || !table_init(&count->all, 1u << 12))
        return OD_NO_MEMORY;
    for (; count->first < count->part_count; count->first += ROUND) {
        size_t left = count->part_count - count->first, n = left < ROUND ? left : ROUND;
        enum od_status s = od_parallel(threads, n, count_part, count);
        for (size_t i = 0; s == OD_OK && i < n; i++)
            if (!merge_part(count, &count->parts[count->first + i]))
                s = OD_NO_MEMORY;
        if (s != OD_OK)
            return s;
    }
    return OD_OK;
}

static void count_done(struct count *count)
{
    for (size_t i = 0; i < count->part_count; i++)
        free(count->parts[i].table.slots);
    free(count->parts);
    free(count->all.slots);
}

/* --- choosing --- */

static int compare_tallies(const void *a, const void *b)
{
    const struct tally *x = a, *y = b;
    if (x->rows != y->rows)
        return x->rows > y->rows ? -1 : 1;
    return (x->key > y->key) - (x->key < y->key);
}

/* Moves the chosen tallies, best first, to the front of the table's slots; returns how many. */
static uint32_t choose(struct count *count)
{
    const struct od_vocabulary_rule *rule = count->rule;
    struct tally *slots = count->all.slots;
    double most = rule->most_share * count->text_count;
    uint64_t kept = 0;
    for (uint64_t i = 0; i <= count->all.mask; i++)
        if (slots[i].key && slots[i].rows >= rule->least_rows && slots[i].rows <= most)
            slots[kept++] = slots[i];
    qsort(slots, kept, sizeof *slots, compare_tallies);
    return (uint32_t)(kept < rule->most_tokens ? kept : rule->most_tokens);
}

static enum od_status build(const struct count *count, struct od_vocabulary *v)
{
    uint64_t slots = 16;
    while (slots < 2 * (uint64_t)v->count)
        slots *= 2;
    v->slot_mask = slots - 1;
    v->slot_key = calloc(slots, sizeof *v->slot_key);
    v->slot_token = malloc(slots * sizeof *v->slot_token);
    v->idf = malloc(((size_t)v->count + 1) * sizeof *v->idf);
    if (!v->slot_key || !v->slot_token || !v->idf)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < v->count; i++) {
        const struct tally *tally = &count->all.slots[i];
        uint64_t at = tally->key & v->slot_mask;
        while (v->slot_key[at])
            at = (at + 1) & v->slot_mask;
        v->slot_key[at] = tally->key;
        v->slot_token[at] = i;
        v->idf[i] = (float)(log((1.0 + count->text_count) / (1.0 + tally->rows)) + 1);
    }
    return OD_OK;
}

static uint32_t find(const struct od_vocabulary *v, uint64_t key)
{
    for (uint64_t at = key & v->slot_mask; v->slot_key[at]; at = (at + 1) & v->slot_mask)
        if (v->slot_key[at] == key)
            return v->slot_token[at];
    return UINT32_MAX;
}

/* --- names --- */

struct namer {
    uint64_t key;
    struct od_buf *names;
    bool done;
};

static void name_token(void *context, struct od_str token, bool gram)
{
    struct namer *n = context;
    if (n->done || token_key(token, gram) != n->key)
        return;
    if (gram)
        od_buf_char(n->names, '*');
    od_buf_str(n->names, token);
    n->done = true;
}

static enum od_status name_tokens(const struct count *count, struct od_vocabulary *v)
{
    v->name_at = calloc((size_t)v->count + 1, sizeof *v->name_at);
    if (!v->name_at)
        return OD_NO_MEMORY;
    od_buf_init(&v->names, SIZE_MAX);
    for (uint32_t i = 0; i < v->count; i++) {
        const struct tally *tally = &count->all.slots[i];
        struct namer namer = {.key = tally->key, .names = &v->names};
        od_text_tokens(count->texts->text(count->texts->context, tally->row), v->grams, name_token,
                       &namer);
        v->name_at[i + 1] = v->names.len;
    }
    return od_buf_status(&v->names);
}

struct od_str od_vocabulary_token(const struct od_vocabulary *v, uint32_t token)
{
    return od_str_sub(od_buf_view(&v->names), v->name_at[token],
                      v->name_at[token + 1] - v->name_at[token]);
}

void od_vocabulary_done(struct od_vocabulary *v)
{
    od_buf_done(&v->names);
    free(v->name_at);
    free(v->idf);
    free(v->slot_key);
    free(v->slot_token);
    *v = (struct od_vocabulary){0};
}

enum od_status od_vocabulary_make(const struct od_texts *texts,
                                  const struct od_vocabulary_rule *rule, unsigned threads,
                                  struct od_vocabulary *out, struct od_error *err)
{
    struct count count = {.texts = texts, .rule = rule};
    struct od_vocabulary v = {.grams = rule->grams};
    enum od_status s = count_all(&count, threads);
    if (s == OD_OK) {
        v.count = choose(&count);
        s = build(&count, &v);
    }
    if (s == OD_OK)
        s = name_tokens(&count, &v);
    count_done(&count);
    if (s == OD_OK)
        *out = v;
    else
        od_vocabulary_done(&v);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

/* --- a text's row --- */

void od_vocabulary_scratch_done(struct od_vocabulary_scratch *scratch)
{
    free(scratch->token);
    *scratch = (struct od_vocabulary_scratch){0};
}

static void take_known(void *context, struct od_str token, bool gram)
{
    struct od_vocabulary_scratch *scratch = context;
    uint32_t code = find(scratch->vocabulary, token_key(token, gram));
    if (code == UINT32_MAX || scratch->failed)
        return;
    if (scratch->count == scratch->cap) {
        size_t cap = 2 * scratch->cap + 256;
        uint32_t *grown = realloc(scratch->token, cap * sizeof *grown);
        if (!grown) {
            scratch->failed = true;
            return;
        }
        scratch->token = grown;
        scratch->cap = cap;
    }
    scratch->token[scratch->count++] = code;
}

static int compare_codes(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* The place of the weakest of the row's entries: the smallest weight, the last such one. */
static uint32_t weakest(const float *value, uint32_t count)
{
    uint32_t at = 0;
    for (uint32_t i = 1; i < count; i++)
        if (value[i] <= value[at])
            at = i;
    return at;
}

static void scale_to_one(float *value, uint32_t count)
{
    double square = 0;
    for (uint32_t i = 0; i < count; i++)
        square += (double)value[i] * value[i];
    float scale = square > 0 ? (float)(1 / sqrt(square)) : 0;
    for (uint32_t i = 0; i < count; i++)
        value[i] *= scale;
}

enum od_status od_vocabulary_row(const struct od_vocabulary *vocabulary, struct od_str text,
                                 uint32_t most, struct od_vocabulary_scratch *scratch,
                                 uint32_t *out_token, float *out_value, uint32_t *out_count)
{
    scratch->count = 0;
    scratch->vocabulary = vocabulary;
    if (text.len)
        od_text_tokens(text, vocabulary->grams, take_known, scratch);
    if (scratch->failed)
        return OD_NO_MEMORY;
    if (scratch->count)
        qsort(scratch->token, scratch->count, sizeof *scratch->token, compare_codes);
    uint32_t count = 0, weak = 0;
    for (size_t i = 0, next; i < scratch->count; i = next) {
        uint32_t token = scratch->token[i];
        for (next = i + 1; next < scratch->count && scratch->token[next] == token;)
            next++;
        float value = (1 + logf((float)(next - i))) * vocabulary->idf[token];
        if (count == most) { /* full: the weakest makes room, the order stays */
            if (value <= out_value[weak])
                continue;
            memmove(out_token + weak, out_token + weak + 1, (count - weak - 1) * sizeof *out_token);
            memmove(out_value + weak, out_value + weak + 1, (count - weak - 1) * sizeof *out_value);
            count--;
        }
        out_token[count] = token;
        out_value[count++] = value;
        if (count == most)
            weak = weakest(out_value, count);
    }
    scale_to_one(out_value, count);
    *out_count = count;
    return OD_OK;
}
