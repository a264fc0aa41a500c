/* Opening a campaign. All of it happens beside the serving one, on the caller's thread: mapping,
 * checking every checksum (unless it was done before), and the maps between model items and table
 * rows. Rows are stable for the life of the group, so the maps never change: a row given out after
 * the campaign was opened is an item its model does not know.
 *
 * Exploration (recipes.md section 7): the weight w gives a share of w / 4 of the places of an
 * answer to young items, one in four at w = 1 and 7.5 % at the default of 0.3.
 * aws-user-personalization-v2 has no weight and gives 0.1 %. */
#include "serve/campaign.h"

#include "base/limits.h"
#include "recipes/updated.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define DEFAULT_WEIGHT      0.3
#define DEFAULT_CUTOFF_DAYS 30.0
#define SHARE_OF_WEIGHT     0.25
#define SHARE_V2            0.001
#define MOST_CUTOFF_DAYS    36500.0 /* a hundred years: keeps seconds far from overflow */

/* type: of the catalogue that the model's items are in. */
static enum od_status map_items(struct od_campaign *campaign, enum od_dataset_type type,
                                const struct od_image_dict *items, struct od_item_map *map,
                                struct od_error *err)
{
    uint32_t count = items->count;
    struct od_str *ids = calloc((size_t)count + 1, sizeof *ids);
    uint32_t *row_of = malloc(((size_t)count + 1) * sizeof *row_of), *item_of;
    if (!ids || !row_of) {
        free(ids);
        free(row_of);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    map->row_of = row_of;
    map->item_count = count;
    for (uint32_t i = 0; i < count; i++)
        ids[i] = od_image_dict_text(items, i);
    enum od_status status = od_live_rows(campaign->group, type, ids, count, row_of);
    free(ids);
    if (status != OD_OK)
        return od_fail(err, status, NULL);
    uint32_t row_count = 0;
    for (uint32_t i = 0; i < count; i++)
        row_count = row_of[i] >= row_count ? row_of[i] + 1 : row_count;
    if (!(item_of = malloc(((size_t)row_count + 1) * sizeof *item_of)))
        return od_fail(err, OD_NO_MEMORY, NULL);
    memset(item_of, 0xFF, (size_t)row_count * sizeof *item_of);
    for (uint32_t i = 0; i < count; i++)
        item_of[row_of[i]] = i;
    map->item_of = item_of;
    map->row_count = row_count;
    return OD_OK;
}

static enum od_status map_all(struct od_campaign *campaign, struct od_error *err)
{
    if (!campaign->of_actions)
        return map_items(campaign, OD_ITEMS, campaign->items, &campaign->map, err);
    const struct od_image_dict *of_events = campaign->recipe->event_items(campaign->model);
    enum od_status status = map_items(campaign, OD_ACTIONS, campaign->items, &campaign->map, err);
    return status == OD_OK ? map_items(campaign, OD_ITEMS, of_events, &campaign->event_map, err)
                           : status;
}

static double share_of(const struct od_recipe_spec *spec, double weight)
{
    if (od_str_eq_c(od_str_c(spec->name), "aws-user-personalization-v2"))
        return SHARE_V2;
    if (!spec->supports_exploration)
        return 0;
    if (!(weight >= 0))
        weight = DEFAULT_WEIGHT;
    return SHARE_OF_WEIGHT * (weight < 1 ? weight : 1);
}

static void configure(struct od_campaign *campaign, const struct od_campaign_setup *setup)
{
    struct od_str name = od_str_c(campaign->spec->name);
    double days = setup->exploration_cutoff_days;
    if (!(days >= 0))
        days = DEFAULT_CUTOFF_DAYS;
    campaign->explore_cutoff_s =
        (int64_t)((days < MOST_CUTOFF_DAYS ? days : MOST_CUTOFF_DAYS) * 86400);
    campaign->explore_share = share_of(campaign->spec, setup->exploration_weight);
    campaign->popularity_influence = (float)setup->popularity_influence;
    campaign->freshness_influence = (float)setup->freshness_influence;
    campaign->metadata = setup->enable_metadata || od_str_ends(name, OD_STR("-v2")) ||
                         od_str_eq_c(name, "aws-semantic-similarity");
}

/* Sections the training job adds to every image (jobs/train.c). */
static enum od_status open_types(struct od_campaign *campaign, struct od_error *err)
{
    struct od_str section;
    const void *counted;
    if (!od_image_section(&campaign->image, "types.at", &section))
        return OD_OK;
    enum od_status status = od_image_dict_open(&campaign->image, "types", &campaign->types, err);
    campaign->has_types = status == OD_OK;
    if (status != OD_OK || !od_image_section(&campaign->image, "types.counted", &section))
        return status;
    status =
        od_image_array(&campaign->image, "types.counted", campaign->types.count, 1, &counted, err);
    campaign->types_counted = status == OD_OK ? counted : NULL;
    return status;
}

/* What an optimisation objective adds to the score of each item (jobs/objective.h), by the model's
 * codes; an item that came with an update has none. */
static enum od_status open_objective(struct od_campaign *campaign, struct od_error *err)
{
    struct od_str section;
    struct od_image_dict items;
    const void *added;
    if (!od_image_section(&campaign->image, "objective", &section))
        return OD_OK;
    enum od_status status = od_image_dict_open(&campaign->image, "objective.items", &items, err);
    if (status == OD_OK)
        status =
            od_image_array(&campaign->image, "objective", items.count, sizeof(float), &added, err);
    if (status != OD_OK)
        return status;
    campaign->objective = calloc((size_t)campaign->items->count + 1, sizeof(float));
    if (!campaign->objective)
        return od_fail(err, OD_NO_MEMORY, NULL);
    float unit = campaign->has_scores ? campaign->temperature : 1;
    for (uint32_t i = 0; i < items.count; i++) {
        uint32_t code = od_image_dict_find(campaign->items, od_image_dict_text(&items, i));
        float value = unit * ((const float *)added)[i];
        if (code != OD_NO_CODE && isfinite(value))
            campaign->objective[code] = value;
    }
    return OD_OK;
}

static enum od_status open_model(struct od_campaign *campaign,
                                 const struct od_recipe *(*find_recipe)(struct od_str),
                                 const struct od_recipe_spec *(*find_spec)(struct od_str),
                                 struct od_error *err)
{
    struct od_str bytes = {campaign->file.ptr, campaign->file.bytes};
    enum od_status status = od_image_open(bytes, false, &campaign->image, err);
    if (status != OD_OK)
        return status;
    campaign->recipe =
        od_updated_is(&campaign->image) ? &od_recipe_updated : find_recipe(campaign->image.recipe);
    campaign->spec = find_spec(campaign->image.recipe);
    if (!campaign->recipe || !campaign->spec || !campaign->recipe->open)
        return od_fail(err, OD_CORRUPT,
                       "The model image is of recipe %.*s, which is not known here.",
                       OD_STR_ARG(campaign->image.recipe));
    status = campaign->recipe->open(&campaign->image, &campaign->model, err);
    if (status != OD_OK)
        return status;
    status = open_types(campaign, err);
    if (status != OD_OK)
        return status;
    campaign->items = campaign->recipe->items(campaign->model);
    campaign->of_actions = campaign->spec->type == OD_PERSONALIZED_ACTIONS;
    if (campaign->of_actions && (!campaign->recipe->event_items || !campaign->recipe->scored))
        return od_fail(err, OD_CORRUPT, "The model image of recipe %s is not one of actions.",
                       campaign->spec->name);
    campaign->has_scores = campaign->spec->has_scores && campaign->recipe->temperature;
    if (campaign->has_scores)
        campaign->temperature = campaign->recipe->temperature(campaign->model);
    if (campaign->has_scores && !(isfinite(campaign->temperature) && campaign->temperature > 0))
        return od_fail(err, OD_CORRUPT, "The model image has temperature %g; it must be above 0.",
                       (double)campaign->temperature);
    return open_objective(campaign, err);
}

/* Where an answer needs nothing of the items that are not in it; vector.c. */
static void offer_vectors(struct od_campaign *campaign)
{
    const struct od_recipe *recipe = campaign->recipe;
    if (recipe->vectors && !campaign->has_scores && !campaign->objective &&
        !(campaign->explore_share > 0))
        campaign->vectors = recipe->vectors(campaign->model);
}

/* Compares every checksum, which reads the whole file, by a mapping of its own: none of its pages
 * stays in the process until a query wants it. */
static enum od_status verify(const struct od_io *io, const char *path, struct od_error *err)
{
    struct od_io_map file;
    struct od_image image;
    enum od_status status = io->map(io, path, &file, err);
    if (status != OD_OK)
        return status;
    status = od_image_open((struct od_str){file.ptr, file.bytes}, true, &image, err);
    io->unmap(io, &file);
    return status;
}

enum od_status od_campaign_open(const struct od_io *io, struct od_live *group,
                                const struct od_campaign_setup *setup,
                                const struct od_recipe *(*find_recipe)(struct od_str),
                                const struct od_recipe_spec *(*find_spec)(struct od_str),
                                struct od_campaign **out, struct od_error *err)
{
    struct od_campaign *campaign = calloc(1, sizeof *campaign);
    char *arn = malloc(setup->campaign_arn.len + 1), *path = strdup(setup->image_path);
    bool keeps = campaign && od_keep_cache_init(&campaign->keeps);
    if (!arn || !path || !keeps || !od_young_init(&campaign->young)) {
        if (keeps)
            od_keep_cache_done(&campaign->keeps);
        free(campaign);
        free(arn);
        free(path);
        return od_fail(err, OD_NO_MEMORY, NULL);
    }
    memcpy(arn, setup->campaign_arn.ptr, setup->campaign_arn.len);
    campaign->arn = (struct od_str){arn, setup->campaign_arn.len};
    campaign->image_path = path;
    atomic_init(&campaign->refs, 1);
    campaign->group = od_live_ref(group);
    campaign->io = io;
    enum od_status status = setup->was_verified ? OD_OK : verify(io, setup->image_path, err);
    if (status == OD_OK)
        status = io->map(io, setup->image_path, &campaign->file, err);
    if (status == OD_OK)
        status = open_model(campaign, find_recipe, find_spec, err);
    if (status == OD_OK)
        status = map_all(campaign, err);
    if (status != OD_OK) {
        od_campaign_unref(campaign);
        return status;
    }
    configure(campaign, setup);
    offer_vectors(campaign);
    campaign->wake_ns =
        (int64_t)(campaign->file.bytes / 1024) * OD_WAKE_NS_PER_KIB +
        ((int64_t)campaign->map.item_count + campaign->event_map.item_count) * OD_WAKE_NS_PER_ITEM;
    *out = campaign;
    return OD_OK;
}

struct od_campaign *od_campaign_ref(struct od_campaign *campaign)
{
    atomic_fetch_add_explicit(&campaign->refs, 1, memory_order_relaxed);
    return campaign;
}

void od_campaign_unref(struct od_campaign *campaign)
{
    if (!campaign || atomic_fetch_sub_explicit(&campaign->refs, 1, memory_order_acq_rel) != 1)
        return;
    if (campaign->model)
        campaign->recipe->close(campaign->model);
    if (campaign->file.ptr)
        campaign->io->unmap(campaign->io, &campaign->file);
    od_keep_cache_done(&campaign->keeps);
    od_young_done(&campaign->young);
    od_live_unref(campaign->group);
    free(campaign->objective);
    free((uint32_t *)campaign->map.row_of);
    free((uint32_t *)campaign->map.item_of);
    free((uint32_t *)campaign->event_map.row_of);
    free((uint32_t *)campaign->event_map.item_of);
    free((char *)campaign->arn.ptr);
    free(campaign->image_path);
    free(campaign);
}

uint32_t od_campaign_item(const struct od_campaign *campaign, uint32_t row)
{
    return row < campaign->map.row_count ? campaign->map.item_of[row] : OD_NO_CODE;
}

uint32_t od_campaign_event_item(const struct od_campaign *campaign, uint32_t row)
{
    const struct od_item_map *map = &campaign->event_map;
    if (!campaign->of_actions)
        return od_campaign_item(campaign, row);
    return row < map->row_count ? map->item_of[row] : OD_NO_CODE;
}
