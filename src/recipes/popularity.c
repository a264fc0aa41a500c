/* aws-popularity-count: the items that most different users interacted with, one list for all. The
 * domain recipes of that kind (most viewed, best sellers, most popular) count each event instead:
 * their parameter count_by, which aws-popularity-count has not, says so.
 *
 * Counting is exact: events are grouped by user, so an item is new to the user being read exactly
 * when the last user seen with it is another one. Equal counts are ordered by the later last event,
 * then by id, so that the list is the same on every machine.
 *
 * Sections: items, popularity, rank (docs/formats/image.md). Scores are places, so that the order,
 * ties included, survives any filter. */
#include "recipes/popularity.h"

#include <stdlib.h>
#include <string.h>

#include "recipes/metrics.h"
#include "recipes/registry.h"

/* --- counting --- */

struct tally {
    const uint32_t *users;
    const int64_t *last;
};

static int compare_items(const void *a, const void *b, void *context)
{
    const struct tally *tally = context;
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    if (tally->users[x] != tally->users[y])
        return tally->users[x] > tally->users[y] ? -1 : 1;
    if (tally->last[x] != tally->last[y])
        return tally->last[x] > tally->last[y] ? -1 : 1;
    return (x > y) - (x < y);
}

static void count_items(const struct od_training *t, bool events, uint32_t *users, int64_t *last,
                        uint32_t *seen)
{
    for (uint32_t i = 0; i < t->item_count; i++) {
        users[i] = 0;
        last[i] = INT64_MIN;
        seen[i] = OD_NO_CODE;
    }
    for (uint32_t u = 0; u < t->user_count; u++)
        for (uint64_t e = t->user_start[u]; e < t->user_start[u + 1]; e++) {
            uint32_t item = t->item[e];
            users[item] += events || seen[item] != u;
            seen[item] = u;
            if (t->time[e] > last[item])
                last[item] = t->time[e];
        }
}

static enum od_status count(const struct od_training *training, bool events,
                            struct od_popularity *out, struct od_error *err)
{
    size_t items = (size_t)training->item_count + 1;
    uint32_t *users = malloc(items * sizeof *users), *rank = malloc(items * sizeof *rank);
    uint32_t *order = malloc(items * sizeof *order); /* first: the last user seen */
    int64_t *last = malloc(items * sizeof *last);
    bool enough = users && rank && order && last;
    if (enough) {
        count_items(training, events, users, last, order);
        for (uint32_t i = 0; i < training->item_count; i++)
            order[i] = i;
        struct tally tally = {users, last};
        qsort_r(order, training->item_count, sizeof *order, compare_items, &tally);
        for (uint32_t place = 0; place < training->item_count; place++)
            rank[order[place]] = place;
        *out = (struct od_popularity){users, rank};
    } else {
        free(users);
        free(rank);
    }
    free(order);
    free(last);
    return enough ? OD_OK : od_fail(err, OD_NO_MEMORY, NULL);
}

enum od_status od_popularity_count(const struct od_training *training, struct od_popularity *out,
                                   struct od_error *err)
{
    return count(training, false, out, err);
}

void od_popularity_done(struct od_popularity *popularity)
{
    free(popularity->users);
    free(popularity->rank);
    *popularity = (struct od_popularity){0};
}

/* --- the image --- */

enum od_status od_popularity_write(struct od_popularity *popularity,
                                   const struct od_training *training,
                                   struct od_image_writer *image, struct od_error *err)
{
    uint64_t bytes = (uint64_t)training->item_count * sizeof(uint32_t);
    enum od_status s = od_image_add_dict(image, "items", training->items);
    if (s == OD_OK) {
        s = od_image_give(image, "popularity", popularity->users, bytes);
        popularity->users = NULL;
    }
    if (s == OD_OK) {
        s = od_image_give(image, "rank", popularity->rank, bytes);
        popularity->rank = NULL;
    }
    return s == OD_OK ? OD_OK : od_fail(err, s, NULL);
}

enum od_status od_popularity_open(const struct od_image *image, struct od_popularity_view *out,
                                  struct od_error *err)
{
    struct od_popularity_view view;
    const void *users, *rank;
    enum od_status s = od_image_dict_open(image, "items", &view.items, err);
    if (s == OD_OK)
        s = od_image_array(image, "popularity", view.items.count, sizeof *view.users, &users, err);
    if (s == OD_OK)
        s = od_image_array(image, "rank", view.items.count, sizeof *view.rank, &rank, err);
    if (s != OD_OK)
        return s;
    view.users = users;
    view.rank = rank;
    *out = view;
    return OD_OK;
}

void od_popularity_scores(const struct od_popularity_view *view, float *scores)
{
    for (uint32_t i = 0; i < view->items.count; i++)
        scores[i] = -1.0f - (float)view->rank[i];
}

/* --- the recipe --- */

/* count_by: "users", "events". */
static bool counts_events(const struct od_train_input *input)
{
    size_t at = od_recipe_param_find(input->spec, OD_PARAM_ALGORITHM, OD_STR("count_by"));
    return at != SIZE_MAX && input->params[at].number > 0;
}

static enum od_status fit(const struct od_train_input *input, struct od_image_writer *image,
                          struct od_error *err)
{
    struct od_popularity popularity;
    enum od_status s = od_progress_report(&input->progress, 0, "counting", err);
    if (s == OD_OK)
        s = count(input->training, counts_events(input), &popularity, err);
    if (s != OD_OK)
        return s;
    s = od_popularity_write(&popularity, input->training, image, err);
    od_popularity_done(&popularity);
    return s;
}

static enum od_status train(const struct od_train_input *input, struct od_image_writer *image,
                            struct od_metrics *metrics, struct od_error *err)
{
    struct od_progress_scale scale;
    struct od_train_input whole = *input;
    whole.progress = od_progress_scaled(&scale, input->progress, 0.7, 1);
    enum od_status s = od_evaluate_fit(&od_recipe_popularity, input, fit, 0, 0.7, metrics, err);
    return s == OD_OK ? fit(&whole, image, err) : s;
}

static enum od_status open_model(const struct od_image *image, struct od_model **out,
                                 struct od_error *err)
{
    struct od_popularity_view *view = malloc(sizeof *view);
    if (!view)
        return od_fail(err, OD_NO_MEMORY, NULL);
    enum od_status s = od_popularity_open(image, view, err);
    if (s == OD_OK)
        *out = (struct od_model *)view;
    else
        free(view);
    return s;
}

static void close_model(struct od_model *model)
{
    free(model);
}

static const struct od_image_dict *items(const struct od_model *model)
{
    return &((const struct od_popularity_view *)model)->items;
}

static enum od_status score(const struct od_model *model, const struct od_query *query,
                            struct od_arena *scratch, float *scores, bool *out_personal,
                            struct od_error *err)
{
    (void)query; /* everybody gets the same list */
    (void)scratch;
    (void)err;
    od_popularity_scores((const struct od_popularity_view *)model, scores);
    *out_personal = false;
    return OD_OK;
}

const struct od_recipe od_recipe_popularity = {
    .name = "aws-popularity-count",
    .train = train,
    .open = open_model,
    .close = close_model,
    .items = items,
    .score = score,
    .temperature = NULL,
};
