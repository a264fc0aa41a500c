/* A campaign: an open model image, how its items relate to the group's, and how to answer from it.
 * A campaign of actions has actions for items; what its model calls events are on items proper.
 *
 * Immutable once opened, but for its two caches, which lock by themselves. Counted by reference: an
 * update opens another one beside and swaps the name; the old one goes when its last query ends. */
#ifndef OD_SERVE_CAMPAIGN_H
#define OD_SERVE_CAMPAIGN_H

#include "recipes/recipe.h"
#include "serve/keep.h"
#include "serve/young.h"

struct od_campaign {
    atomic_uint refs;
    struct od_str arn;
    struct od_live *group; /* a reference */
    char *image_path;
    const struct od_io *io;
    struct od_io_map file; /* the mapped image; ptr NULL: none */
    struct od_image image;
    int64_t
        wake_ns; /* what opening takes, about: told by its size, so that it is always the same */
    const struct od_recipe *recipe;
    const struct od_recipe_spec *spec;
    struct od_model *model;
    const struct od_image_dict *items; /* item code to id, in byte order */
    bool has_types;                    /* the image tells the types it was trained on */
    struct od_image_dict types;        /* code to type */
    const uint8_t *types_counted; /* [types.count] 1: trained on; NULL: all, unknown ones too */
    float *objective;             /* [items of the model] added to scores; NULL: none */
    const struct od_vector_form *vectors; /* what answers are found by; NULL: by scores */
    bool of_actions;                      /* items and map are of actions */
    struct od_item_map map;
    struct od_item_map event_map; /* of the items of past events; of_actions alone */
    bool has_scores;              /* answers carry probabilities */
    float temperature;
    bool metadata;                                   /* metadataColumns allowed */
    double explore_share;                            /* of the places of an answer; 0: none */
    float popularity_influence, freshness_influence; /* handed to the recipe with each query */
    int64_t explore_cutoff_s;
    struct od_keep_cache keeps;
    struct od_young_place young;
};

/* Opens the image and gives every item of the model a row in the group. The recipe is found with
 * find_recipe and find_spec. Failures: OD_IO, OD_CORRUPT (not an image, or one that its recipe
 * cannot serve), OD_NO_MEMORY. */
enum od_status od_campaign_open(const struct od_io *io, struct od_live *group,
                                const struct od_campaign_setup *setup,
                                const struct od_recipe *(*find_recipe)(struct od_str),
                                const struct od_recipe_spec *(*find_spec)(struct od_str),
                                struct od_campaign **out, struct od_error *err) OD_MUST_USE;
struct od_campaign *od_campaign_ref(struct od_campaign *campaign);
void od_campaign_unref(struct od_campaign *campaign);
/* The model's code of an item row; OD_NO_CODE when the model does not know it (OD_NO_ROW too). */
uint32_t od_campaign_item(const struct od_campaign *campaign, uint32_t row);
/* The model's code of the item of an interaction. */
uint32_t od_campaign_event_item(const struct od_campaign *campaign, uint32_t row);

#endif
