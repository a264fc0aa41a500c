/* The recurrent network as a part that recipes blend: ids alone. See gru_model.h. */
#include "recipes/gru_model.h"

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    struct od_gru_wish wish = od_gru_wish_of(task->input);
    return od_gru_fit(task, &wish, image, out_lesson, err);
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "gru", &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_gru_model *model;
    enum od_status st = od_gru_open(image, item_count, &model, err);
    if (st == OD_OK)
        *out = model;
    return st;
}

static void close_part(void *part)
{
    od_gru_close(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    return od_gru_score(part, query, scratch, scores, out_personal, err);
}

const struct od_part od_part_gru = {
    .name = "gru",
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
