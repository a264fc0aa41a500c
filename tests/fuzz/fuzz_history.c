/* Fuzzing the reader of files of histories: any bytes are opened or refused; of what opens every
 * name may be looked up and read. Sums are repaired, or nothing would get past them. */
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/limits.h"
#include "serve/activity.h"
#include "serve/history_file.h"
#include "serve/history_layout.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct input {
    char *bytes;
    size_t size;
};

static enum od_status map(const struct od_io *io, const char *path, struct od_io_map *out,
                          struct od_error *err)
{
    const struct input *input = io->state;
    (void)path, (void)err;
    *out = (struct od_io_map){input->bytes, input->size};
    return OD_OK;
}

static void unmap(const struct od_io *io, struct od_io_map *mapped)
{
    (void)io, (void)mapped;
}

static enum od_status open_it(const struct od_io *io, const char *path, enum od_open_mode mode,
                              int *out_fd, struct od_error *err)
{
    (void)io, (void)path, (void)mode, (void)err;
    *out_fd = -1;
    return OD_OK;
}

static void close_it(const struct od_io *io, int fd)
{
    (void)io, (void)fd;
}

static void repair(const struct input *input)
{
    struct od_history_head *head = (void *)input->bytes;
    uint64_t sum = OD_HISTORY_SEED;
    if (input->size < sizeof *head)
        return;
    memcpy(head->magic, OD_HISTORY_MAGIC, 8);
    head->version = OD_HISTORY_VERSION;
    head->file_bytes = input->size;
    head->stamp = 1;
    for (size_t at = sizeof *head; at < input->size; at += OD_HISTORY_BLOCK) {
        size_t some = input->size - at < OD_HISTORY_BLOCK ? input->size - at : OD_HISTORY_BLOCK;
        sum = od_hash(input->bytes + at, some, sum);
    }
    head->body_sum = sum;
    head->head_sum = 0;
    head->head_sum = od_hash(head, sizeof *head, OD_HISTORY_SEED);
}

/* Everything is read, something is changed, and all of it is freed. */
static void use(struct od_history_file *file)
{
    uint32_t items = od_history_file_items(file), types = od_history_file_types(file);
    uint32_t *rows = calloc((size_t)items + 1, sizeof *rows);
    uint16_t *codes = calloc((size_t)types + 1, sizeof *codes);
    struct od_history_event events[OD_HISTORY_EVENTS];
    if (!rows || !codes)
        abort();
    for (uint32_t i = 0; i < items; i++)
        rows[i] = i % 1000;
    od_history_file_number(file, rows, codes);
    struct od_activity *activity = od_activity_new_from(file);
    if (!activity)
        abort();
    struct od_histories *h = activity->histories;
    uint32_t names = od_histories_count(h);
    for (uint32_t name = 0; name < names && name < 2000; name++) {
        (void)od_histories_find(h, od_histories_text(h, name));
        (void)od_histories_text(h, od_histories_owner(h, name));
        od_histories_copy(h, name, od_histories_length(h, name), events);
        const struct od_history_event event = {.time = name};
        if (name % 3 == 0 && od_histories_add(h, name, &event) != OD_OK)
            abort();
        if (name % 5 == 0 && od_histories_link(h, name / 2, name) != OD_OK)
            abort();
    }
    od_activity_free(activity);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input input = {aligned_alloc(64, (size + 64) & ~(size_t)63), size};
    struct od_io io = od_io_real;
    struct od_history_file *file;
    struct od_history_mark mark;
    if (!input.bytes)
        return 0;
    memcpy(input.bytes, data, size);
    io.map = map;
    io.unmap = unmap;
    io.open = open_it;
    io.close = close_it;
    io.state = &input;
    for (int way = 0; way < 2; way++) {
        if (od_history_file_open(&io, "x", 1, &file, &mark, NULL) == OD_OK)
            use(file);
        repair(&input);
    }
    free(input.bytes);
    return 0;
}
