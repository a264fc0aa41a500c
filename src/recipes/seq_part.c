/* The sequence network as a part that recipes blend (part.h): from a task to sections.
 *
 * A lesson is struct head, the names of the questions' columns (a length and the text, each), and
 * the trainer's own lesson: a later fit keeps width and columns and goes on from the weights.
 * Repeats are the blend's: it weighs what lies in the user's own history (blend_terms.c), whichever
 * part speaks for it; the network itself forbids none. */
#include <stdlib.h>
#include <string.h>

#include "recipes/seq_model.h"
#include "recipes/seq_plan.h"

#define MAGIC 0x3253534c514553ull /* "SEQLSS2" */
enum { NAME_BYTES = 4096, COLUMNS = 1 << 20, KAPPA = 10 };
#define ID_DROPOUT .1f /* enough for records to speak alone; more costs items that have both */

struct head {
    uint64_t magic;
    uint32_t names, times, width, zero;
};
/* What a fit must keep of an earlier one; names NULL and width 0: nothing. */
struct kept {
    struct od_dict *names;
    uint32_t width;
    bool times;
};

/* --- lessons --- */

static void write_lesson_head(const struct od_seq_ask *ask, uint32_t width, struct od_buf *out)
{
    const struct od_dict *names = ask->words.names;
    struct head head = {MAGIC, od_dict_count(names), ask->times, width, 0};
    od_buf_put(out, &head, sizeof head);
    for (uint32_t i = 0; i < head.names; i++) {
        struct od_str name = od_dict_text(names, i);
        uint32_t len = (uint32_t)name.len;
        od_buf_put(out, &len, sizeof len);
        od_buf_str(out, name);
    }
}

static bool take_bytes(struct od_str *from, void *to, size_t len)
{
    if (from->len < len)
        return false;
    memcpy(to, from->ptr, len);
    *from = od_str_sub(*from, len, from->len);
    return true;
}

/* *lesson becomes what is left of it: the trainer's. */
static enum od_status read_lesson_head(struct od_str *lesson, struct kept *out,
                                       struct od_error *err)
{
    struct head head = {0};
    struct od_dict *names = od_dict_new();
    enum od_status st = names ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
    bool good = take_bytes(lesson, &head, sizeof head) && head.magic == MAGIC &&
                head.names <= COLUMNS && head.times <= 1 && head.width &&
                head.width <= OD_SEQ_MOST_WIDTH;
    for (uint32_t i = 0, len, code; st == OD_OK && good && i < head.names; i++) {
        good = take_bytes(lesson, &len, sizeof len) && len <= NAME_BYTES && len <= lesson->len;
        if (!good)
            break;
        st = od_dict_add(names, od_str_sub(*lesson, 0, len), &code);
        *lesson = od_str_sub(*lesson, len, lesson->len);
    }
    if (st == OD_OK && !good)
        st = od_fail(err, OD_CORRUPT, "The lesson is not one of this network.");
    if (st != OD_OK) {
        od_dict_free(names);
        return st;
    }
    *out = (struct kept){names, head.width, head.times};
    return OD_OK;
}

/* --- one fit --- */

struct fit {
    struct od_part_task task; /* with ends of our own and the trainer's lesson */
    struct od_seq_net_of net;
    struct od_seq_setting setting;
    struct od_features features;
    struct od_seq_model model;
    float *vectors;
};

static void fit_done(struct fit *f)
{
    od_seq_ask_done(&f->net.ask);
    od_seq_setting_done(&f->setting);
    od_features_done(&f->features);
    od_seq_model_done(&f->model);
    free(f->vectors);
}

static enum od_status prepare(struct fit *f, struct od_error *err)
{
    const struct od_training *t = f->task.input->training;
    struct kept kept = {.times = od_seq_times_real(t, f->task.end)};
    enum od_status st = OD_OK;
    if (f->task.lesson.len)
        st = read_lesson_head(&f->task.lesson, &kept, err);
    if (st == OD_OK)
        st = od_seq_ask_init(&f->net.ask, t, f->task.end, kept.times, kept.names,
                             f->task.input->threads, err);
    const struct od_seq_wish wish = {f->net.ask.columns, kept.width, kept.times};
    if (st == OD_OK)
        st = od_seq_setting_make(&f->task, &wish, &f->setting, err);
    if (st != OD_OK)
        return st;
    f->net.shape = f->setting.shape;
    f->net.dropout = f->setting.dropout;
    f->task.end = f->setting.end;
    struct od_feature_options options = od_feature_options_default();
    options.threads = f->task.input->threads;
    st = od_features_make(t->item_table, t->items, &options, &f->features, err);
    if (st == OD_OK && f->features.columns) {
        f->setting.plan.features = &f->features;
        f->setting.plan.kappa = KAPPA;
        f->setting.plan.id_dropout = ID_DROPOUT;
    }
    return st;
}

static enum od_status make_vectors(struct fit *f)
{
    const struct od_training *t = f->task.input->training;
    uint32_t *seen = calloc((size_t)t->item_count + 1, sizeof *seen);
    f->vectors = malloc(((size_t)t->item_count * f->model.width + 1) * sizeof *f->vectors);
    if (seen && f->vectors) {
        for (uint32_t u = 0; u < t->user_count; u++)
            for (uint64_t e = t->user_start[u]; e < f->task.end[u]; e++)
                seen[t->item[e]]++;
        od_seq_vectors(&f->model, &f->setting.plan, seen, f->vectors);
    }
    enum od_status st = seen && f->vectors ? OD_OK : OD_NO_MEMORY;
    free(seen);
    return st;
}

static enum od_status train(struct fit *f, struct od_buf *out_lesson, struct od_error *err)
{
    struct od_nn_params params;
    enum od_status st = od_seq_net_init(&f->net.shape, f->task.input->seed, &params);
    if (st != OD_OK)
        return od_fail(err, st, NULL);
    if (out_lesson)
        write_lesson_head(&f->net.ask, f->net.shape.width, out_lesson);
    return od_seq_train(&f->task, &f->setting.plan, &od_seq_net_functions, &f->net, &params,
                        &f->model, out_lesson, err);
}

static enum od_status fit(const struct od_part_task *task, struct od_image_writer *image,
                          struct od_buf *out_lesson, struct od_error *err)
{
    struct fit f = {.task = *task};
    enum od_status st = prepare(&f, err);
    if (st == OD_OK)
        st = train(&f, out_lesson, err);
    if (st == OD_OK) {
        st = make_vectors(&f);
        if (st == OD_OK)
            st = od_seq_write(&f.net.shape, &f.model, f.net.ask.words.names, f.vectors, image);
        if (st != OD_OK)
            od_fail(err, st, NULL);
    }
    fit_done(&f);
    return st;
}

static bool present(const struct od_image *image)
{
    struct od_str section;
    return od_image_section(image, "seq", &section);
}

static enum od_status open_part(const struct od_image *image, uint32_t item_count, void **out,
                                struct od_error *err)
{
    struct od_seq_view *view = NULL;
    enum od_status st = od_seq_open(image, item_count, &view, err);
    if (st == OD_OK)
        *out = view;
    return st;
}

static void close_part(void *part)
{
    od_seq_close(part);
}

static enum od_status score(const void *part, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    return od_seq_score(part, query, scratch, scores, out_personal, err);
}

const struct od_part od_part_seq = {
    .name = "seq",
    .length = 60,
    .fit = fit,
    .present = present,
    .open = open_part,
    .close = close_part,
    .score = score,
};
