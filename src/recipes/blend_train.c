/* Training a blend, in order.
 *
 *   1. A tenth of the users is kept for the metrics (recipes.md 9.1). Of the others, judges hold
 *      out their last event.
 *   2. Every part of the recipe is trained on the rest and learns about the data with the judges'
 *      help (its lesson).
 *   3. The judges say which parts serve and with what weights (blend_choose.c).
 *   4. Users kept out set this model's temperature, judges who came back say what answers those
 *      who do (blend_away.c), and users kept out tell the metrics.
 *   5. The parts that serve are trained again, with their lessons, on everybody.
 *
 * Where the data have no order (unordered.h) all this happens with every user's events in an order
 * by chance, and with the parts that do not listen to it.
 *
 * So choices, metrics and temperature come from events no fit has seen, and what is deployed has
 * seen all. The metrics are those of a model that missed the judges' last events and a tenth of the
 * users: if anything, too low. History length percentiles (min/max_user_history_length_percentile)
 * say whose events parts learn from and who judges; the others still count for popularity, and are
 * served like anybody. */
#include "recipes/blend_train.h"

#include <stdlib.h>
#include <string.h>

#include "math/cholesky.h"
#include "recipes/linar_events.h"
#include "recipes/unordered.h"

/* Shares of the progress. Step 2 takes as long as its parts, beside which steps 3 and 4 take as
 * long as so many of the short ones. */
#define LEARNT  0.85 /* steps 1 to 4 */
#define WEIGHED 3.0  /* step 3 */
#define ENDED   2.0  /* step 4 */
#define LESSON_BYTES                                                                               \
    ((size_t)2 << 30) /* most that a part may learn: networks keep their items' vectors */

struct blend_run {
    const struct od_train_input *input;              /* the whole */
    const struct od_part *parts[OD_BLEND_PARTS + 1]; /* those that apply, NULL-terminated */
    uint32_t part_count;
    struct od_buf lesson[OD_BLEND_PARTS];
    int64_t returning_pause_s; /* od_returning_choose's */
    struct od_blend_header header;
};

/* --- what the data say without a model --- */

static enum od_status count_items(const struct od_training *training, uint32_t **out,
                                  struct od_error *err)
{
    uint32_t *count = calloc((size_t)training->item_count + 1, sizeof *count);
    if (!count)
        return od_fail(err, OD_NO_MEMORY, NULL);
    for (uint64_t e = 0; e < training->event_count; e++)
        count[training->item[e]]++; /* events are fewer than 2^32 (linar_events.c) */
    *out = count;
    return OD_OK;
}

static double percentile(const struct od_train_input *input, const char *name, double usual)
{
    size_t i = od_recipe_param_find(input->spec, OD_PARAM_FEATURIZATION, od_str_c(name));
    return i == SIZE_MAX ? usual : input->params[i].number;
}

/* Ends of the users that are learnt from. */
static enum od_status make_ends(const struct od_train_input *input, uint64_t **out,
                                struct od_error *err)
{
    struct od_linar_rule rule = {percentile(input, "min_user_history_length_percentile", 0),
                                 percentile(input, "max_user_history_length_percentile", 1)};
    uint64_t *end = malloc(((size_t)input->training->user_count + 1) * sizeof *end);
    if (!end)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = od_linar_ends(input->training, &rule, end, err);
    if (st == OD_OK)
        *out = end;
    else
        free(end);
    return st;
}

/* --- parts into an image --- */

static double length_of(const struct od_part *part)
{
    return part->length ? part->length : 1;
}

/* The share of the progress at which step 2 is done, and step 3. */
struct shares {
    double fitted, weighed;
};

static struct shares shares_of(const struct blend_run *run)
{
    double fitted = 0;
    for (uint32_t p = 0; p < run->part_count; p++)
        fitted += length_of(run->parts[p]);
    double all = fitted + WEIGHED + ENDED;
    return (struct shares){fitted / all, (fitted + WEIGHED) / all};
}

/* Fits the serving parts (all, while the header is the default and judges are to be asked); their
 * progress fills [from, to] of input's. */
static enum od_status fit_parts(struct blend_run *run, const struct od_train_input *input,
                                const uint64_t *end, const struct od_judge *judges,
                                size_t judge_count, bool all, double from, double to,
                                struct od_image_writer *image, struct od_error *err)
{
    enum od_status st = OD_OK;
    double whole = 0, done = 0;
    for (uint32_t p = 0; p < run->part_count; p++)
        whole += all || run->header.part[p].serves ? length_of(run->parts[p]) : 0;
    for (uint32_t p = 0; p < run->part_count && st == OD_OK; p++) {
        if (!all && !run->header.part[p].serves)
            continue;
        struct od_progress_scale scale;
        struct od_train_input part = *input;
        double begun = done;
        done += length_of(run->parts[p]);
        part.progress =
            od_progress_scaled(&scale, input->progress, from + (to - from) * begun / whole,
                               from + (to - from) * done / whole);
        struct od_buf learnt;
        od_buf_init(&learnt, LESSON_BYTES);
        struct od_part_task task = {.input = &part,
                                    .end = end,
                                    .judges = judges,
                                    .judge_count = judge_count,
                                    .lesson = od_buf_view(&run->lesson[p])};
        st = run->parts[p]->fit(&task, image, &learnt, err);
        if (st == OD_OK && od_buf_status(&learnt) != OD_OK)
            st = od_fail(err, OD_NO_MEMORY, NULL);
        od_buf_done(&run->lesson[p]);
        run->lesson[p] = learnt;
    }
    return st;
}

static enum od_status add_items(const struct od_training *training, struct od_image_writer *image,
                                struct od_error *err)
{
    enum od_status st = od_image_add_dict(image, "items", training->items);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

/* --- learning from a part of the users --- */

struct learning {
    const struct od_train_input *input; /* the training part */
    uint64_t *end;
    struct od_judge *judges, *returns;
    size_t judge_count, return_count;
    uint32_t *count;
    struct od_recent recent;
    struct od_returning returning;
    void *bytes;
    struct od_image image;
};

static void learning_done(struct learning *l)
{
    free(l->end);
    free(l->judges);
    free(l->returns);
    free(l->count);
    od_recent_done(&l->recent);
    od_returning_done(&l->returning);
    free(l->bytes);
}

/* Trains all parts into l->image. */
static enum od_status fit_judged(struct blend_run *run, struct learning *l, struct od_error *err)
{
    size_t len = 0;
    struct od_image_writer *writer = od_image_writer_new(od_str_c(run->input->spec->name), 1);
    if (!writer)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status st = add_items(l->input->training, writer, err);
    if (st == OD_OK)
        st = fit_parts(run, l->input, l->end, l->judges, l->judge_count, true, 0,
                       shares_of(run).fitted, writer, err);
    if (st == OD_OK && od_memory_image(writer, &l->bytes, &len) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    od_image_writer_free(writer);
    return st == OD_OK ? od_image_open((struct od_str){l->bytes, len}, false, &l->image, err) : st;
}

static enum od_status weigh(struct blend_run *run, struct learning *l, struct od_error *err)
{
    struct od_blend_candidate parts[OD_BLEND_PARTS] = {0};
    struct od_blend_sample sample = {0};
    struct od_progress_scale scale;
    struct shares shares = shares_of(run);
    struct od_progress progress =
        od_progress_scaled(&scale, l->input->progress, shares.fitted, shares.weighed);
    enum od_status st = od_progress_report(&progress, 0, "weighing the parts", err);
    for (uint32_t p = 0; p < run->part_count && st == OD_OK; p++) {
        parts[p].part = run->parts[p];
        st = parts[p].part->open(&l->image, l->input->training->item_count, &parts[p].opened, err);
    }
    if (st == OD_OK && l->judge_count)
        st = od_blend_sample_init(&sample, l->input, l->judges, l->judge_count, parts,
                                  run->part_count, l->count, &l->recent, err);
    if (st == OD_OK && l->judge_count)
        st = od_blend_choose(&sample, l->input->threads, &progress, &run->header, err);
    od_blend_sample_done(&sample);
    for (uint32_t p = 0; p < run->part_count; p++)
        if (parts[p].opened)
            parts[p].part->close(parts[p].opened);
    return st;
}

static enum od_status ask_model(void *context, const struct od_query *query,
                                struct od_arena *scratch, float *scores, struct od_error *err)
{
    bool personal;
    return od_blend_score(context, query, scratch, scores, &personal, err);
}

static enum od_status rates_of_model(void *context, const struct od_query *query,
                                     struct od_arena *scratch, float *out, bool *out_any)
{
    (void)scratch;
    uint32_t serving;
    *out_any = od_blend_rates(context, query, out, &serving);
    return OD_OK;
}

static enum od_status assemble(const struct blend_run *run, const struct learning *l,
                               struct od_model **out, struct od_error *err)
{
    const struct od_blend_away *away = &run->header.away;
    const struct od_content_model returning = od_returning_model(&l->returning);
    bool tilts = away->serves && away->tilts;
    const struct od_blend_making of = {&run->header, l->count, &l->recent,
                                       tilts ? &returning : NULL};
    return od_blend_assemble(&l->image, &of, out, err);
}

/* What records and context say to newcomers. A part may serve for that alone. */
static enum od_status fit_tilt(struct blend_run *run, const struct learning *l,
                               const struct od_split *split, struct od_error *err)
{
    struct od_blend_header with = run->header;
    struct od_model *model = NULL;
    uint32_t p = 0;
    while (p < run->part_count && !run->parts[p]->rates)
        p++;
    if (p == run->part_count)
        return OD_OK;
    with.part[p].serves = 1;
    const struct od_blend_making of = {&with, l->count, &l->recent, NULL};
    enum od_status st = od_blend_assemble(&l->image, &of, &model, err);
    if (st != OD_OK)
        return st;
    const struct od_newcomer_model asked = {
        {ask_model, model, run->header.items, split ? split->item_map : NULL},
        rates_of_model,
        od_blend_temperature(model)};
    st = od_blend_tilt_fit(&asked, split, l->input->threads, &run->header.newcomers, err);
    if (run->header.newcomers.tilt > 0)
        run->header.part[p].serves = 1;
    od_blend_close(model);
    return st;
}

static struct od_returning_task returning_task(const struct od_train_input *input,
                                               const uint64_t *end)
{
    return (struct od_returning_task){input->training, end, input->memory_bytes / 4,
                                      input->threads};
}

/* What tilts popular sources after a long pause. */
static enum od_status fit_returning(struct blend_run *run, struct learning *l, struct od_error *err)
{
    const struct od_returning_task task = returning_task(l->input, l->end);
    float gain;
    if (!od_recent_real(l->input->training))
        return OD_OK;
    enum od_status st = od_returning_choose(&task, &run->returning_pause_s, &gain, err);
    if (st == OD_OK)
        st = od_returning_fit(&l->returning, &task, run->returning_pause_s, err);
    if (st == OD_OK && l->returning.map) {
        run->header.away.tilts = 1;
        run->header.away.tilt_gain = gain;
    }
    return st;
}

static struct od_blend_facts facts_of(const struct learning *l)
{
    return (struct od_blend_facts){.training = l->input->training,
                                   .judges = l->judges,
                                   .judge_count = l->judge_count,
                                   .returns = l->returns,
                                   .return_count = l->return_count,
                                   .count = l->count,
                                   .recent = &l->recent};
}

/* What answers those who come back, asked with the blend alone. */
static enum od_status fit_away(struct blend_run *run, struct learning *l,
                               const struct od_model *model, struct od_error *err)
{
    struct od_blend_header *header = &run->header;
    enum od_status st = fit_returning(run, l, err);
    if (st != OD_OK)
        return st;
    const struct od_content_model returning = od_returning_model(&l->returning);
    struct od_blend_facts facts = facts_of(l);
    facts.returning = l->returning.map ? &returning : NULL;
    return od_blend_away_fit(&facts, model, header->temperature, l->input->threads, &header->away,
                             err);
}

/* The temperature from users kept out, then what answers those who come back, and those who are
 * new. */
static enum od_status finish_header(struct blend_run *run, struct learning *l,
                                    const struct od_split *split, struct od_error *err)
{
    const struct od_blend_facts facts = facts_of(l);
    struct od_model *model = NULL;
    struct od_blend_header *header = &run->header;
    enum od_status st = assemble(run, l, &model, err);
    if (st != OD_OK)
        return st;
    if (split) {
        struct od_scorer scorer = od_scorer_of_part(ask_model, model, split);
        st = od_blend_heat(&scorer, split, l->input->threads, &header->temperature, err);
    }
    if (st == OD_OK)
        st = fit_away(run, l, model, err);
    if (st == OD_OK)
        st = od_blend_newcomers_fit(&facts, &header->newcomers, err);
    od_blend_close(model);
    return st == OD_OK ? fit_tilt(run, l, split, err) : st;
}

static enum od_status measure(const struct blend_run *run, const struct learning *l,
                              const struct od_split *split, struct od_metrics *metrics,
                              struct od_error *err)
{
    struct od_model *model = NULL;
    enum od_status st = assemble(run, l, &model, err);
    if (st != OD_OK)
        return st;
    struct od_scorer scorer = od_scorer_of_part(ask_model, model, split);
    st = od_evaluate(&scorer, split, l->input->threads, metrics, err);
    od_blend_close(model);
    return st;
}

/* Counts would tell the judges' answers: what they hold out is taken from them. */
static void discount(struct learning *l, const struct od_judge *judges, size_t judge_count)
{
    const struct od_training *training = l->input->training;
    const uint64_t *user_end = training->user_start + 1;
    for (size_t j = 0; j < judge_count; j++) {
        while (*user_end <= judges[j].end)
            user_end++;
        for (uint64_t e = judges[j].end; e < *user_end; e++)
            l->count[training->item[e]]--;
    }
}

/* split NULL: there is nobody to ask. */
static enum od_status learn(struct blend_run *run, const struct od_train_input *input,
                            const struct od_split *split, struct od_metrics *metrics,
                            struct od_error *err)
{
    struct learning l = {.input = input};
    enum od_status st = make_ends(input, &l.end, err);
    if (st == OD_OK)
        st = od_blend_judges(input->training, l.end, &l.judges, &l.judge_count, err);
    if (st == OD_OK && od_recent_real(input->training))
        st = od_blend_judges_who_return(input->training, l.end, l.judges, l.judge_count, &l.returns,
                                        &l.return_count, err);
    if (st == OD_OK)
        st = count_items(input->training, &l.count, err);
    if (st == OD_OK) {
        discount(&l, l.judges, l.judge_count);
        discount(&l, l.returns, l.return_count);
    }
    if (st == OD_OK)
        st = od_recent_make(input->training, &l.recent, err);
    run->header = od_blend_default(run->parts, input->training->item_count);
    if (st == OD_OK)
        st = fit_judged(run, &l, err);
    if (st == OD_OK)
        st = weigh(run, &l, err);
    if (st == OD_OK)
        st = od_progress_report(&input->progress, shares_of(run).weighed, "evaluating", err);
    if (st == OD_OK)
        st = finish_header(run, &l, split, err);
    if (st == OD_OK && split && metrics)
        st = measure(run, &l, split, metrics, err);
    learning_done(&l);
    return st;
}

static enum od_status learn_from_some(struct blend_run *run, struct od_metrics *metrics,
                                      struct od_error *err)
{
    struct od_split split;
    enum od_status st = od_split_users(run->input->training, run->input->seed, &split, err);
    if (st != OD_OK)
        return st;
    struct od_progress_scale scale;
    struct od_train_input part = *run->input;
    part.progress = od_progress_scaled(&scale, run->input->progress, 0, LEARNT);
    if (split.test_count)
        part.training = split.train;
    st = learn(run, &part, split.test_count ? &split : NULL, metrics, err);
    od_split_done(&split);
    return st;
}

/* --- what is deployed --- */

static enum od_status put_returning(struct blend_run *run, const uint64_t *end,
                                    struct od_image_writer *image, struct od_error *err)
{
    const struct od_train_input *input = run->input;
    const struct od_returning_task task = returning_task(input, end);
    struct od_returning returning;
    enum od_status st = od_returning_fit(&returning, &task, run->returning_pause_s, err);
    if (st != OD_OK)
        return st;
    const struct od_content_model model = od_returning_model(&returning);
    if (model.columns)
        st = od_returning_write(&model, image);
    else
        run->header.away.tilts = 0;
    od_returning_done(&returning);
    return st == OD_OK ? OD_OK : od_fail(err, st, NULL);
}

static enum od_status fit_all(struct blend_run *run, const uint64_t *end,
                              struct od_image_writer *image, struct od_error *err)
{
    const struct od_training *training = run->input->training;
    uint32_t *count = NULL;
    struct od_recent recent = {0};
    run->header.items = training->item_count;
    enum od_status st = add_items(training, image, err);
    if (st == OD_OK)
        st = fit_parts(run, run->input, end, NULL, 0, false, LEARNT, 1, image, err);
    if (st == OD_OK && run->header.away.serves && run->header.away.tilts)
        st = put_returning(run, end, image, err);
    if (st == OD_OK)
        st = count_items(training, &count, err);
    if (st == OD_OK)
        st = od_recent_make(training, &recent, err);
    if (st == OD_OK && od_blend_write(&run->header, count, &recent, image) != OD_OK)
        st = od_fail(err, OD_NO_MEMORY, NULL);
    free(count);
    od_recent_done(&recent);
    return st;
}

static enum od_status train_ordered(const struct od_part *const *parts,
                                    const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_metrics *metrics,
                                    struct od_error *err)
{
    struct blend_run run = {.input = input};
    for (; *parts && run.part_count < OD_BLEND_PARTS; parts++)
        if (!(*parts)->applies || (*parts)->applies(input->training)) {
            run.parts[run.part_count] = *parts;
            od_buf_init(&run.lesson[run.part_count++], LESSON_BYTES);
        }
    uint64_t *end = NULL;
    enum od_status st = make_ends(input, &end, err);
    if (st == OD_OK)
        st = learn_from_some(&run, metrics, err);
    if (st == OD_OK)
        st = fit_all(&run, end, image, err);
    for (uint32_t p = 0; p < run.part_count; p++)
        od_buf_done(&run.lesson[p]);
    free(end);
    return st;
}

enum od_status od_blend_train_parts(const struct od_part *const *parts,
                                    const struct od_train_input *input,
                                    struct od_image_writer *image, struct od_metrics *metrics,
                                    struct od_error *err)
{
    od_math_init();
    enum od_status st = od_recipe_params_check(input->spec, input->params, err);
    if (st != OD_OK || input->training->dealt || !od_unordered(input->training))
        return st == OD_OK ? train_ordered(parts, input, image, metrics, err) : st;
    struct od_shuffled shuffled;
    struct od_train_input mixed = *input;
    if (od_shuffled_init(&shuffled, input->training, input->seed) != OD_OK)
        return od_fail(err, OD_NO_MEMORY, NULL);
    mixed.training = &shuffled.training;
    st = train_ordered(parts, &mixed, image, metrics, err);
    od_shuffled_done(&shuffled);
    return st;
}

enum od_status od_blend_train(const struct od_train_input *input, struct od_image_writer *image,
                              struct od_metrics *metrics, struct od_error *err)
{
    const struct od_part *const *parts = od_blend_parts(od_str_c(input->spec->name));
    if (!parts)
        return od_fail(err, OD_INVALID_INPUT, "Recipe %s has no parts to blend.",
                       input->spec->name);
    if (od_unordered(input->training))
        parts = od_blend_orderless();
    return od_blend_train_parts(parts, input, image, metrics, err);
}

/* --- for people --- */

/* What answers somebody with seven events after a day, a week and a month. */
static void describe_away(const struct od_blend_away *away, struct od_buf *out)
{
    enum { DAY_S = 86400 };
    static const struct {
        const char *after;
        int64_t pause_s;
    } when[] = {{"a day", DAY_S}, {"a week", 7 * DAY_S}, {"a month", 30 * DAY_S}};
    if (away->judges)
        od_buf_printf(out, "    after a pause %s: log p %+.4f by %u held-out events\n",
                      away->serves ? "a mixture answers" : "the same answers", (double)away->gain,
                      away->judges);
    for (size_t i = 0; i < sizeof when / sizeof *when && away->serves; i++) {
        float share[OD_BLEND_SOURCES];
        od_blend_shares(away, od_blend_pause_between(0, when[i].pause_s), 0, share);
        od_buf_printf(out,
                      "      of %-7s  blend %.3f, the past %.3f, popular of the day %.3f, week "
                      "%.3f, 30 days %.3f, always %.3f\n",
                      when[i].after, (double)share[OD_BLEND_OWN], (double)share[OD_BLEND_OF_PAST],
                      (double)share[OD_BLEND_OF_DAY], (double)share[OD_BLEND_OF_WEEK],
                      (double)share[OD_BLEND_OF_MONTH], (double)share[OD_BLEND_OF_ALL]);
    }
    if (away->serves)
        od_buf_printf(out, "      the blend's scores times %.2f\n", (double)away->sharp);
    if (away->serves && away->tilts)
        od_buf_printf(
            out,
            "      from 10 days on popular times what the records of a history say; sqrt p "
            "%+.1f %%\n",
            100 * (double)away->tilt_gain);
}

static void describe_newcomers(const struct od_blend_newcomers *newcomers, struct od_buf *out)
{
    const float *share = newcomers->share;
    od_buf_printf(
        out, "    without a history: popular of the day %.3f, week %.3f, 30 days %.3f, always %.3f",
        (double)share[0], (double)share[OD_BLEND_OF_WEEK - OD_BLEND_OF_DAY],
        (double)share[OD_BLEND_OF_MONTH - OD_BLEND_OF_DAY],
        (double)share[OD_BLEND_OF_ALL - OD_BLEND_OF_DAY]);
    if (newcomers->asked)
        od_buf_printf(out, "; log p %+.4f by %u first events", (double)newcomers->gain,
                      newcomers->asked);
    od_buf_char(out, '\n');
    if (newcomers->tilt > 0 || newcomers->tilt_asked)
        od_buf_printf(
            out, "      times rates of record and context^%.1f; log p %+.4f by %u first events\n",
            (double)newcomers->tilt, (double)newcomers->tilt_gain, newcomers->tilt_asked);
}

bool od_blend_describe(const struct od_image *image, struct od_buf *out)
{
    static const char *const features[OD_BLEND_FEATURES] = {
        "repeat",   "steps since", "times before", "hours since", "popularity",
        "last day", "last week",   "last 30 days", "on return"};
    static const char *const shapes[OD_BLEND_SHAPES] = {"linear", "log .1", "log .01", "log .001"};
    const void *p;
    struct od_blend_header h;
    struct od_error err;
    if (od_image_array(image, "blend", 1, sizeof h, &p, &err) != OD_OK)
        return false;
    memcpy(&h, p, sizeof h);
    if (h.version != OD_BLEND_VERSION || h.part_count > OD_BLEND_PARTS)
        return false;
    od_buf_printf(out,
                  "  blend, weighed by %u held-out events, focus %.1f; mean 1/log2(1+rank) %.4f\n",
                  h.judges, (double)h.focus, (double)h.together);
    for (uint32_t i = 0; i < h.part_count; i++)
        od_buf_printf(out,
                      "    part %-8.8s %-11s weight %8.4f, longer %+.4f, rested %+.4f  %-8s alone "
                      "%.4f, without it %.4f\n",
                      h.part[i].name, h.part[i].serves ? "serves" : "was dropped",
                      (double)h.part[i].weight, (double)h.part[i].longer, (double)h.part[i].rested,
                      h.part[i].shape < OD_BLEND_SHAPES ? shapes[h.part[i].shape] : "",
                      (double)h.part[i].alone, (double)h.part[i].without);
    for (size_t f = 0; f < OD_BLEND_FEATURES; f++)
        if (h.weight[f] < 0 || h.weight[f] > 0)
            od_buf_printf(out, "    %-13s weight %8.4f\n", features[f], (double)h.weight[f]);
    od_buf_printf(out, "    temperature %.4f\n", (double)h.temperature);
    describe_away(&h.away, out);
    describe_newcomers(&h.newcomers, out);
    return true;
}
