/* Updating a version instead of training one (trainingMode UPDATE, automatic updates): the image of
 * a trained version, with the items that came since. No minimum of interactions applies: the model
 * was trained already. Its metrics stay those of its training, since it is the same model. */
#include "jobs/card.h"
#include "recipes/metrics.h"
#include "recipes/updated.h"

static void take_metrics(const struct od_json *json, struct od_metrics *out)
{
    for (size_t i = 0; json && i < json->count; i++) {
        struct od_metric metric = {.value = json->members[i].value.number};
        struct od_str name = od_str_sub(json->members[i].key, 0, sizeof metric.name - 1);
        for (size_t c = 0; c < name.len; c++)
            metric.name[c] = name.ptr[c];
        (void)od_metrics_add(out, metric.name, metric.value);
    }
}

/* What the trained version's card said of comparisons holds for the same model: taken over from the
 * file beside its image, when there is one. */
static void keep_comparisons(struct od_run *run, struct od_str image, struct od_buf *out)
{
    static const char *const kept[] = {"search",     "trainingSeconds", "parts",
                                       "popularity", "serving",         "ablation"};
    struct od_buf text;
    struct od_json card;
    struct od_error why;
    struct od_str stem = od_str_ends(image, OD_STR(".image"))
                             ? od_str_sub(image, 0, image.len - (sizeof ".image" - 1))
                             : image;
    struct od_str path = od_arena_printf(&run->arena, "%.*s.card.json", OD_STR_ARG(stem));
    od_buf_init(&text, 4u << 20);
    if (path.ptr && od_io_exists(run->io, path.ptr) &&
        od_io_read_file(run->io, path.ptr, &text, &why) == OD_OK &&
        od_json_parse(&run->arena, od_buf_view(&text), &card, &why) == OD_OK)
        for (size_t i = 0; i < sizeof kept / sizeof *kept; i++) {
            const struct od_json *value = od_json_get(&card, od_str_c(kept[i]));
            if (!value)
                continue;
            od_buf_printf(out, ",\"%s\":", kept[i]);
            od_json_write(value, out);
        }
    od_buf_done(&text);
}

static enum od_status write_updated(struct od_run *run, const struct od_train_input *input,
                                    const struct od_image *old, const struct od_metrics *metrics,
                                    struct od_buf *card)
{
    uint32_t fresh = 0;
    int64_t to_s;
    struct od_image_writer *image = od_image_writer_new(old->recipe, old->recipe_version);
    if (!image)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_updated_make(input, old, image, &fresh, run->err);
    od_card_inherit(run, old, &to_s);
    if (s == OD_OK)
        s = od_card_write(run, image, metrics, card);
    od_buf_printf(card, ",\"update\":{\"newItems\":%u", fresh);
    if (to_s != INT64_MAX)
        od_buf_printf(card, ",\"trainedToSeconds\":%lld", (long long)to_s);
    od_buf_puts(card, "}}");
    if (s == OD_OK && od_image_add(image, "card", card->ptr, card->len, false) != OD_OK)
        s = od_fail(run->err, OD_NO_MEMORY, NULL);
    if (s == OD_OK)
        s = od_run_report(run, OD_SHARE_READING + OD_SHARE_TRAINING, "writing");
    if (s == OD_OK)
        s = od_run_write_image(run, image);
    od_image_writer_free(image);
    return s;
}

enum od_status od_run_update(struct od_run *run, const struct od_train_input *input,
                             struct od_metrics *metrics)
{
    const struct od_json *update = od_json_get(run->spec, OD_STR("update"));
    struct od_str path = od_arena_str(&run->arena, od_json_get_str(update, "image", OD_STR("")));
    struct od_io_map file;
    struct od_image old;
    struct od_buf card;
    if (!path.ptr)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = run->io->map(run->io, path.ptr, &file, run->err);
    if (s != OD_OK)
        return s;
    od_buf_init(&card, 4u << 20);
    take_metrics(od_json_get(update, OD_STR("metrics")), metrics);
    s = od_image_open((struct od_str){file.ptr, file.bytes}, true, &old, run->err);
    if (s == OD_OK)
        s = write_updated(run, input, &old, metrics, &card);
    if (s == OD_OK) {
        card.len--; /* the object goes on */
        keep_comparisons(run, path, &card);
        od_buf_puts(&card, "}\n");
        s = od_run_publish(run, &card);
    }
    if (s != OD_OK)
        od_run_discard(run);
    od_buf_done(&card);
    run->io->unmap(run->io, &file);
    return s;
}
