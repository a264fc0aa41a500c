/* What a filter costs on a catalogue of a million items: one line an expression, the least time of
 * several evaluations. The speed of filling the table and its size are told too.
 *
 *   bench_filter [ITEMS] */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bitmap.h"
#include "base/random.h"
#include "filter/filter.h"
#include "os/io.h"

#define TRIES 15

static struct od_field fields[] = {
    {.name = OD_STR("ITEM_ID"), .type = OD_FIELD_STRING},
    {.name = OD_STR("YEAR"), .type = OD_FIELD_INT},
    {.name = OD_STR("PRICE"), .type = OD_FIELD_FLOAT},
    {.name = OD_STR("OWNER"), .type = OD_FIELD_STRING},
    {.name = OD_STR("GENRES"), .type = OD_FIELD_STRING, .categorical = true}};
static struct od_field event_fields[] = {{.name = OD_STR("EVENT_TYPE"), .type = OD_FIELD_STRING}};
static const struct od_schema items_schema = {OD_STR("Items"), OD_ITEMS, 5, fields};
static const struct od_schema events_schema = {OD_STR("Interactions"), OD_INTERACTIONS, 1,
                                               event_fields};
static const struct od_filter_schemas schemas = {
    .by_type = {&events_schema, &items_schema, NULL, NULL, NULL}};

static const char *const expressions[] = {
    "INCLUDE ItemID WHERE Items.YEAR >= 1990",
    "INCLUDE ItemID WHERE Items.PRICE <= 90",
    "INCLUDE ItemID WHERE Items.OWNER = \"o7\"",
    "INCLUDE ItemID WHERE Items.GENRES IN (\"g1\", \"g5\")",
    "INCLUDE ItemID WHERE Items.GENRES NOT IN (\"g1\")",
    "INCLUDE ItemID WHERE Items.YEAR IN (1950,1960,1970,1980,1990,2000)",
    "INCLUDE ItemID WHERE Items.YEAR >= 1990 AND Items.PRICE < 50 OR Items.GENRES IN (\"g2\")",
    "EXCLUDE ItemID WHERE Interactions.EVENT_TYPE IN (\"*\")",
};

static void check(enum od_status status, const char *what)
{
    if (status == OD_OK)
        return;
    fprintf(stderr, "bench_filter: %s: %s\n", what, od_status_info(status)->name);
    exit(1);
}

static double now_ms(void)
{
    return (double)od_io_real.monotonic_ns(&od_io_real) / 1e6;
}

static void fill(struct od_table *items, uint32_t count)
{
    struct od_random rng;
    char id[16], owner[16], genres[48];
    od_random_init(&rng, 1);
    for (uint32_t i = 0; i < count; i++) {
        snprintf(id, sizeof id, "item%u", i);
        snprintf(owner, sizeof owner, "o%u", (unsigned)od_random_below(&rng, 1000));
        snprintf(genres, sizeof genres, "g%u|g%u|g%u", (unsigned)od_random_below(&rng, 10),
                 10 + (unsigned)od_random_below(&rng, 10),
                 20 + (unsigned)od_random_below(&rng, 10));
        struct od_value values[5] = {
            {.kind = OD_VALUE_TEXT, .text = od_str_c(id)},
            {.kind = OD_VALUE_INTEGER, .integer = 1930 + (int64_t)od_random_below(&rng, 100)},
            {.kind = i % 9 ? OD_VALUE_REAL : OD_VALUE_NULL, .real = od_random_double(&rng) * 100},
            {.kind = OD_VALUE_TEXT, .text = od_str_c(owner)},
            {.kind = OD_VALUE_TEXT, .text = od_str_c(genres)}};
        check(od_table_put(items, values), "put");
    }
}

static void measure(const char *expression, const struct od_filter_context *context)
{
    struct od_filter *filter;
    const struct od_filter_values *values;
    struct od_arena arena;
    uint32_t rows = od_table_row_count(context->items);
    uint64_t *keep = malloc((od_bitmap_words(rows) + 1) * sizeof *keep);
    double least = 1e9;
    check(keep ? od_filter_new(od_str_c(expression), &schemas, 0, &filter, NULL) : OD_NO_MEMORY,
          expression);
    od_arena_init(&arena, 64u << 20);
    for (int i = 0; i < TRIES; i++) {
        double from = now_ms();
        od_arena_reset(&arena);
        check(od_filter_bind(filter, NULL, 0, &arena, &values, NULL), expression);
        check(od_filter_eval(filter, values, context, &arena, keep, NULL), expression);
        double took = now_ms() - from;
        least = took < least ? took : least;
    }
    printf("%8.3f ms  %8zu kept  %s\n", least, od_bitmap_count(keep, rows), expression);
    od_arena_done(&arena);
    od_filter_free(filter);
    free(keep);
}

int main(int argc, char **argv)
{
    uint64_t count = 1000000;
    if (argc > 1 && (!od_str_to_u64(od_str_c(argv[1]), &count) || count == 0 || count > 1u << 30)) {
        fprintf(stderr, "usage: bench_filter [ITEMS]\n");
        return 2;
    }
    struct od_table *items = od_table_new(&items_schema);
    struct od_filter_event events[200];
    check(items ? OD_OK : OD_NO_MEMORY, "table");
    double from = now_ms();
    fill(items, (uint32_t)count);
    printf("%.0f records a second put, %.1f bytes an item\n",
           (double)count / (now_ms() - from) * 1000, (double)od_table_bytes(items) / (double)count);
    for (uint32_t i = 0; i < 200; i++)
        events[i] = (struct od_filter_event){.item_row = (uint32_t)(i * 7919u % count),
                                             .type = OD_STR("view")};
    struct od_filter_context context = {.items = items,
                                        .user_row = OD_NO_ROW,
                                        .current_item_row = OD_NO_ROW,
                                        .events = events,
                                        .event_count = 200,
                                        .target = OD_TARGET_ITEM};
    for (size_t i = 0; i < sizeof expressions / sizeof expressions[0]; i++)
        measure(expressions[i], &context);
    od_table_free(items);
    return 0;
}
