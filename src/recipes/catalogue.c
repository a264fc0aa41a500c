/* The union of the items of events and of records, in byte order. See catalogue.h. */
#include "recipes/catalogue.h"

#include <stdlib.h>

static int compare_ids(const void *a, const void *b)
{
    return od_str_cmp(*(const struct od_str *)a, *(const struct od_str *)b);
}

/* Ids of records that no event names, sorted. */
static struct od_str *find_more(const struct od_training *training, uint32_t *out_count)
{
    const struct od_table *table = training->item_table;
    uint32_t rows = table ? od_table_row_count(table) : 0, count = 0;
    struct od_str *more = malloc(((size_t)rows + 1) * sizeof *more);
    if (!more)
        return NULL;
    for (uint32_t row = 0; row < rows; row++) {
        struct od_str id = od_table_id(table, row);
        if (od_table_has_record(table, row) && od_dict_find(training->items, id) == OD_NO_CODE)
            more[count++] = id;
    }
    qsort(more, count, sizeof *more, compare_ids);
    *out_count = count;
    return more;
}

/* Both sorted lists into one dictionary; new_code[old code of the training set]. */
static enum od_status merge(const struct od_dict *items, const struct od_str *more,
                            uint32_t more_count, struct od_dict *to, uint32_t *new_code)
{
    enum od_status s = OD_OK;
    uint32_t at = 0, count = od_dict_count(items), code;
    for (uint32_t i = 0; s == OD_OK && i < count; i++) {
        struct od_str id = od_dict_text(items, i);
        while (s == OD_OK && at < more_count && od_str_cmp(more[at], id) < 0)
            s = od_dict_add(to, more[at++], &code);
        if (s == OD_OK)
            s = od_dict_add(to, id, &new_code[i]);
    }
    while (s == OD_OK && at < more_count)
        s = od_dict_add(to, more[at++], &code);
    return s;
}

static enum od_status widen(const struct od_training *training, const struct od_str *more,
                            uint32_t more_count, struct od_catalogue *to)
{
    uint32_t *new_code = malloc(((size_t)training->item_count + 1) * sizeof *new_code);
    to->items = od_dict_new();
    to->item = malloc((training->event_count + 1) * sizeof *to->item);
    enum od_status s = new_code && to->items && to->item ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK)
        s = merge(training->items, more, more_count, to->items, new_code);
    for (uint64_t e = 0; s == OD_OK && e < training->event_count; e++)
        to->item[e] = new_code[training->item[e]];
    free(new_code);
    return s;
}

void od_catalogue_done(struct od_catalogue *catalogue)
{
    od_dict_free(catalogue->items);
    free(catalogue->item);
    *catalogue = (struct od_catalogue){0};
}

enum od_status od_catalogue_make(const struct od_training *training, struct od_catalogue *out,
                                 struct od_error *err)
{
    struct od_catalogue catalogue = {.training = *training};
    uint32_t more_count = 0;
    struct od_str *more = find_more(training, &more_count);
    enum od_status s = more ? OD_OK : OD_NO_MEMORY;
    if (s == OD_OK && more_count) {
        s = widen(training, more, more_count, &catalogue);
        catalogue.training.items = catalogue.items;
        catalogue.training.item = catalogue.item;
        catalogue.training.item_count = training->item_count + more_count;
    }
    free(more);
    if (s == OD_OK)
        *out = catalogue;
    else
        od_catalogue_done(&catalogue);
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}
