/* Lessons: the weights of one training, to start another from.
 *
 * Layout: struct head; uint64 hash of each item's id, of each column's name, of each name of the
 * network's own rows; its tensors (od_nn_params_write); the table's rows; the columns' rows. Rows
 * are found by the hash of their name, since another training set codes its items otherwise. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "recipes/seqtrain_inner.h"

#define MAGIC 0x324e53534c514553u /* "SEQLSSN2" */

struct head {
    uint64_t magic;
    uint32_t items, columns, rows, width, epochs, zero;
    double ndcg;
    uint64_t params_bytes;
};

static uint64_t name_hash(const struct od_dict *names, uint32_t code)
{
    struct od_str text = od_dict_text(names, code);
    return od_hash(text.ptr, text.len, 0);
}

/* met: [count] whose rows have learnt something, NULL: all. Nobody finds the others. */
static void put_hashes(const struct od_dict *names, uint32_t count, const bool *met,
                       struct od_buf *out)
{
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = met && !met[i] ? 0 : name_hash(names, i);
        od_buf_put(out, &hash, sizeof hash);
    }
}

void od_seq_lesson_write(const struct od_nn_params *params, const struct od_seq_items *items,
                         const struct od_seq_names *names, uint32_t epochs, double ndcg,
                         struct od_buf *out)
{
    struct head head = {.magic = MAGIC,
                        .items = items->count,
                        .columns = items->column_count,
                        .rows = names->rows ? params->tensor[names->tensor].rows : 0,
                        .width = items->width,
                        .epochs = epochs,
                        .ndcg = ndcg};
    size_t at = out->len;
    od_buf_put(out, &head, sizeof head);
    put_hashes(names->items, head.items, items->met, out);
    put_hashes(names->columns, head.columns, NULL, out);
    put_hashes(names->rows, head.rows, NULL, out);
    size_t before = out->len;
    od_nn_params_write(params, out);
    head.params_bytes = out->len - before;
    size_t row = items->width * sizeof(float);
    od_buf_put(out, items->table.value, items->count * row);
    od_buf_put(out, items->columns.value, items->column_count * row);
    if (od_buf_status(out) == OD_OK)
        memcpy(out->ptr + at, &head, sizeof head);
}

struct place {
    uint64_t hash;
    uint32_t row;
};

static int by_hash(const void *a, const void *b)
{
    const struct place *x = a, *y = b;
    return x->hash != y->hash ? (x->hash > y->hash) - (x->hash < y->hash)
                              : (x->row > y->row) - (x->row < y->row);
}

/* to's rows from the lesson's rows of the same names. Rows without one lose their first `blank`
 * numbers, and keep the others as they are. */
static enum od_status take_rows(float *to, const struct od_dict *names, uint32_t count,
                                const char *hashes, const char *rows, uint32_t have, uint32_t width,
                                uint32_t blank)
{
    struct place *place = malloc(((size_t)have + 1) * sizeof *place);
    if (!place)
        return OD_NO_MEMORY;
    for (uint32_t i = 0; i < have; i++) {
        memcpy(&place[i].hash, hashes + i * sizeof(uint64_t), sizeof(uint64_t));
        place[i].row = i;
    }
    qsort(place, have, sizeof *place, by_hash);
    size_t bytes = width * sizeof(float);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t hash = name_hash(names, i);
        size_t low = 0, high = have;
        while (low < high) {
            size_t middle = (low + high) / 2;
            if (place[middle].hash < hash)
                low = middle + 1;
            else
                high = middle;
        }
        if (low < have && place[low].hash == hash)
            memcpy(to + (size_t)i * width, rows + place[low].row * bytes, bytes);
        else
            memset(to + (size_t)i * width, 0, blank * sizeof *to);
    }
    free(place);
    return OD_OK;
}

static bool all_finite(const char *bytes, size_t floats)
{
    for (size_t i = 0; i < floats; i++) {
        float x;
        memcpy(&x, bytes + i * sizeof x, sizeof x);
        if (!isfinite(x))
            return false;
    }
    return true;
}

/* The network's tensors; of its named rows, those whose names the lesson has. */
static enum od_status take_params(struct od_nn_params *to, const struct od_seq_names *names,
                                  struct od_str bytes, const char *hashes, uint32_t have,
                                  struct od_error *err)
{
    struct od_nn_tensor tensor[OD_NN_TENSORS];
    struct od_nn_params from;
    if (!names->rows)
        return od_nn_params_read(to, bytes, err);
    memcpy(tensor, to->tensor, sizeof tensor);
    tensor[names->tensor].rows = have;
    enum od_status st = od_nn_params_init(&from, tensor, to->count);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    st = od_nn_params_read(&from, bytes, err);
    for (uint32_t t = 0; t < to->count && st == OD_OK; t++) {
        const float *rows = od_nn_of(&from, t);
        float *own = od_nn_in(to, to->value, t);
        if (t != names->tensor)
            memcpy(own, rows, od_nn_size(to, t) * sizeof *own);
        else if (take_rows(own, names->rows, to->tensor[t].rows, hashes, (const char *)rows, have,
                           to->tensor[t].columns, 0) != OD_OK)
            st = od_fail(err, OD_NO_MEMORY, NULL);
    }
    od_nn_params_done(&from);
    return st;
}

enum od_status od_seq_lesson_read(struct od_str lesson, struct od_nn_params *params,
                                  struct od_seq_items *items, const struct od_seq_names *names,
                                  uint32_t *out_epochs, double *out_ndcg, struct od_error *err)
{
    struct head head;
    if (lesson.len < sizeof head)
        return od_fail(err, OD_CORRUPT, "The lesson is cut short.");
    memcpy(&head, lesson.ptr, sizeof head);
    uint64_t hashes = ((uint64_t)head.items + head.columns + head.rows) * sizeof(uint64_t);
    uint64_t rows = ((uint64_t)head.items + head.columns) * head.width * sizeof(float);
    uint64_t room = lesson.len - sizeof head;
    if (head.magic != MAGIC || head.width != items->width || head.params_bytes > room ||
        hashes > room || rows > room || (head.rows && !names->rows) ||
        hashes + rows + head.params_bytes != room)
        return od_fail(err, OD_CORRUPT, "The lesson is not one of this network.");
    const char *hash = lesson.ptr + sizeof head, *weights = hash + hashes;
    const char *row = weights + head.params_bytes;
    if (!all_finite(row, rows / sizeof(float)))
        return od_fail(err, OD_CORRUPT, "A weight of the lesson is not a finite number.");
    enum od_status st = take_params(params, names, (struct od_str){weights, head.params_bytes},
                                    hash + ((uint64_t)head.items + head.columns) * sizeof(uint64_t),
                                    head.rows, err);
    if (st != OD_OK)
        return st;
    /* Of an item that the lesson has not met nothing is known but its record: a vector drawn by
     * chance would be noise that a short refresh does not take away. */
    st = take_rows(items->table.value, names->items, items->count, hash, row, head.items,
                   head.width, items->plan->features ? head.width - items->plan->bias : 0);
    if (st == OD_OK && items->column_count)
        st = take_rows(items->columns.value, names->columns, items->column_count,
                       hash + head.items * sizeof(uint64_t),
                       row + (uint64_t)head.items * head.width * sizeof(float), head.columns,
                       head.width, 0);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    *out_epochs = head.epochs;
    *out_ndcg = head.ndcg;
    return OD_OK;
}
