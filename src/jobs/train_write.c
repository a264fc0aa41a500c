/* The files a training leaves: image and card, both whole or not there.
 *
 * The image is first written beside its place; when the card has got its place too, the image is
 * renamed into its own. So whoever sees an image sees its card. */
#include "jobs/image_file.h"
#include "jobs/train_inner.h"
#include "recipes/registry.h"

static struct od_str image_path(struct od_run *run)
{
    return od_arena_str(&run->arena, od_json_get_str(run->spec, "image", OD_STR("")));
}

static struct od_str temporary_path(struct od_run *run)
{
    return od_arena_printf(&run->arena, "%.*s.tmp", OD_STR_ARG(image_path(run)));
}

static struct od_str card_path(struct od_run *run)
{
    struct od_str image = image_path(run);
    if (od_str_ends(image, OD_STR(".image")))
        image = od_str_sub(image, 0, image.len - 6);
    return od_arena_printf(&run->arena, "%.*s.card.json", OD_STR_ARG(image));
}

enum od_status od_run_write_image(struct od_run *run, struct od_image_writer *image)
{
    struct od_str temporary = temporary_path(run);
    return temporary.ptr ? od_image_file_write(run->io, temporary.ptr, image, run->err)
                         : od_fail(run->err, OD_NO_MEMORY, NULL);
}

enum od_status od_run_describe_parts(struct od_run *run, struct od_buf *out)
{
    struct od_str temporary = temporary_path(run);
    struct od_io_map file;
    struct od_image image;
    struct od_buf text;
    if (!temporary.ptr)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = run->io->map(run->io, temporary.ptr, &file, run->err);
    if (s != OD_OK)
        return s;
    od_buf_init(&text, 1u << 16);
    s = od_image_open((struct od_str){file.ptr, file.bytes}, false, &image, run->err);
    if (s == OD_OK && od_recipe_describe(&image, &text)) {
        od_buf_puts(out, ",\"parts\":");
        od_buf_json(out, od_buf_view(&text));
    }
    od_buf_done(&text);
    run->io->unmap(run->io, &file);
    return s;
}

enum od_status od_run_publish(struct od_run *run, const struct od_buf *card)
{
    struct od_str temporary = temporary_path(run), path = image_path(run), beside = card_path(run);
    if (od_buf_status(card) != OD_OK || !temporary.ptr || !path.ptr || !beside.ptr)
        return od_fail(run->err, OD_NO_MEMORY, NULL);
    enum od_status s = od_io_write_file(run->io, beside.ptr, od_buf_view(card), run->err);
    return s == OD_OK ? run->io->rename(run->io, temporary.ptr, path.ptr, run->err) : s;
}

void od_run_discard(struct od_run *run)
{
    struct od_str temporary = temporary_path(run), beside = card_path(run);
    if (temporary.ptr)
        (void)run->io->remove(run->io, temporary.ptr, NULL);
    if (beside.ptr)
        (void)run->io->remove(run->io, beside.ptr, NULL);
}
