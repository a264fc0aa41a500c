/* Neighbouring sessions as a part of a model: see knn.h for the model, knn_image.c for its
 * sections. The lesson is the configuration that was chosen. */
#include "recipes/knn.h"

#include <stdlib.h>

#include "recipes/metrics.h"

struct part {
    struct od_knn_index index; /* borrows the image */
    struct od_knn_scorer scorer;
};

static enum od_status write(const struct od_part_task *task, const struct od_knn_config *config,
                            struct od_image_writer *image, struct od_error *err)
{
    struct od_knn_index index;
    enum od_status st =
        od_knn_index_init(&index, task->input->training, task->end, config->cut != 0,
                          config->sample, task->input->memory_bytes, err);
    if (st != OD_OK)
        return st;
    st = od_knn_write(&index, config, image);
    od_knn_index_done(&index);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    struct od_knn_config config = od_knn_config_default();
    enum od_status st = OD_OK;
    if (task->lesson.len)
        st = od_knn_config_parse(task->lesson, &config, err);
    if (st == OD_OK)
        st = od_knn_pick(task, &config, err);
    if (st == OD_OK)
        st = write(task, &config, image, err);
    if (st == OD_OK)
        od_knn_config_print(&config, out_lesson);
    return st == OD_OK ? od_progress_report(&task->input->progress, 1, "choosing neighbours", err)
                       : st;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "knn", &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_knn_config config;
    struct part *part = calloc(1, sizeof *part);
    if (!part)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_knn_read(image, item_count, &part->index, &config, err);
    if (st == OD_OK && od_knn_scorer_init(&part->scorer, &part->index, &config) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    if (st == OD_OK)
        *out = part;
    else
        free(part);
    return st;
}

static void close_part(void *part)
{
    if (part)
        od_knn_scorer_done(&((struct part *)part)->scorer);
    free(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    const struct part *p = part;
    enum od_status st = od_knn_score(&p->scorer, query, scratch, scores, out_personal);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

const struct od_part od_part_knn = {
    .name = "knn",
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
