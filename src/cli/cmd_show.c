/* ondol show FILE: what is in a segment, a model image or a file of histories, for people and for
 * bug reports. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "cli/cli.h"
#include "data/image.h"
#include "data/segment.h"
#include "os/io.h"
#include "recipes/registry.h"

#define ROWS_SHOWN 10

static void print_value(const struct od_value *value)
{
    switch (value->kind) {
    case OD_VALUE_NULL:
        break;
    case OD_VALUE_INTEGER:
        printf("%lld", (long long)value->integer);
        break;
    case OD_VALUE_REAL:
        printf("%.9g", value->real);
        break;
    case OD_VALUE_TEXT:
        printf("%.*s", OD_STR_ARG(value->text));
        break;
    case OD_VALUE_BOOLEAN:
        printf("%s", value->integer ? "true" : "false");
        break;
    }
}

static void print_rows(const struct od_segment *segment, const struct od_chunk *chunk)
{
    for (size_t f = 0; f < segment->schema.field_count; f++)
        printf("%s%.*s", f ? "\t" : "", OD_STR_ARG(segment->schema.fields[f].name));
    printf("\n");
    for (uint32_t row = 0; row < chunk->row_count && row < ROWS_SHOWN; row++) {
        for (size_t f = 0; f < segment->schema.field_count; f++) {
            struct od_value value;
            od_chunk_value(chunk, f, row, &value);
            printf("%s", f ? "\t" : "");
            print_value(&value);
        }
        printf("\n");
    }
}

static enum od_status show_segment(struct od_str bytes, struct od_arena *arena,
                                   struct od_error *err)
{
    struct od_segment segment;
    struct od_chunk first = {0};
    enum od_status s = od_segment_open(arena, bytes, &segment, err);
    for (size_t i = 0; s == OD_OK && i < segment.chunk_count; i++) {
        struct od_chunk chunk;
        s = od_segment_chunk(&segment, i, arena, &chunk, err);
        if (s == OD_OK && i == 0)
            first = chunk;
    }
    if (s != OD_OK)
        return s;
    printf("segment of %s: %llu rows in %zu chunks, %zu bytes, every checksum right\n",
           od_dataset_type_name(segment.schema.type), (unsigned long long)segment.row_count,
           segment.chunk_count, bytes.len);
    print_rows(&segment, &first);
    return OD_OK;
}

/* The card, a line a member. */
static void show_card(const struct od_image *image)
{
    struct od_str text;
    struct od_arena arena;
    struct od_json card;
    struct od_error err;
    if (!od_image_section(image, "card", &text))
        return;
    od_arena_init(&arena, 16u << 20);
    if (od_json_parse(&arena, text, &card, &err) == OD_OK) {
        printf("card:\n");
        for (size_t i = 0; i < card.count; i++) {
            struct od_buf value;
            od_buf_init(&value, 16u << 20);
            od_json_write(&card.members[i].value, &value);
            printf("  %.*s: %.*s\n", OD_STR_ARG(card.members[i].key),
                   OD_STR_ARG(od_buf_view(&value)));
            od_buf_done(&value);
        }
    }
    od_arena_done(&arena);
}

static enum od_status show_image(struct od_str bytes, struct od_error *err)
{
    struct od_image image;
    enum od_status s = od_image_open(bytes, true, &image, err);
    if (s != OD_OK)
        return s;
    printf(
        "model image of recipe %.*s (version %u): %u sections, %zu bytes, every checksum right\n",
        OD_STR_ARG(image.recipe), image.recipe_version, image.section_count, bytes.len);
    for (uint32_t i = 0; i < image.section_count; i++) {
        struct od_str content;
        struct od_str name = od_image_section_name(&image, i);
        char text[OD_IMAGE_NAME];
        snprintf(text, sizeof text, "%.*s", OD_STR_ARG(name));
        if (od_image_section(&image, text, &content))
            printf("  %-24s %12zu bytes\n", text, content.len);
    }
    struct od_buf blend;
    od_buf_init(&blend, 1 << 16);
    if (od_recipe_describe(&image, &blend))
        printf("%.*s", OD_STR_ARG(od_buf_view(&blend)));
    od_buf_done(&blend);
    show_card(&image);
    return OD_OK;
}

int od_cmd_show(int argc, char **argv)
{
    int rest;
    struct od_io_map map;
    struct od_arena arena;
    struct od_error err, second, third;
    if (!od_options_read("ondol show FILE", NULL, 0, argc, argv, &rest))
        return 2;
    if (rest + 1 != argc) {
        fprintf(stderr, "usage: ondol show FILE\n");
        return 2;
    }
    if (od_io_real.map(&od_io_real, argv[rest], &map, &err) != OD_OK) {
        fprintf(stderr, "ondol: %s\n", err.message);
        return 1;
    }
    struct od_str bytes = {map.ptr, map.bytes};
    od_arena_init(&arena, SIZE_MAX);
    enum od_status s = show_segment(bytes, &arena, &err);
    if (s != OD_OK && show_image(bytes, &second) == OD_OK)
        s = OD_OK;
    if (s != OD_OK && od_show_history(argv[rest], bytes, &third) == OD_OK)
        s = OD_OK;
    if (s != OD_OK)
        fprintf(
            stderr,
            "ondol: %s is neither a sound segment (%s) nor a sound model image (%s) nor a sound "
            "file of histories (%s)\n",
            argv[rest], err.message, second.message, third.message);
    od_arena_done(&arena);
    od_io_real.unmap(&od_io_real, &map);
    return s == OD_OK ? 0 : 1;
}
