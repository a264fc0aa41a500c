/* The list of recipes that can be trained here. Adding one: its file, and its line below. */
#include "recipes/registry.h"

#include "recipes/blend.h"
#include "recipes/hrnn.h"

static const struct od_recipe *const recipes[] = {
    &od_recipe_external_vectors,        //
    &od_recipe_hrnn,                    //
    &od_recipe_hrnn_coldstart,          //
    &od_recipe_hrnn_metadata,           //
    &od_recipe_item_affinity,           //
    &od_recipe_item_attribute_affinity, //
    &od_recipe_next_best_action,        //
    &od_recipe_personalized_ranking,    //
    &od_recipe_personalized_ranking_v2, //
    &od_recipe_popularity,              //
    &od_recipe_semantic_similarity,     //
    &od_recipe_similar_items,           //
    &od_recipe_sims,                    //
    &od_recipe_trending_now,            //
    &od_recipe_user_personalization,    //
    &od_recipe_user_personalization_v2, //
};

const struct od_recipe *od_recipe_at(size_t index)
{
    return index < sizeof recipes / sizeof *recipes ? recipes[index] : NULL;
}

const struct od_recipe *od_recipe_find(struct od_str name)
{
    const struct od_recipe_spec *spec = od_recipe_spec_find(name);
    if (spec && spec->base)
        name = od_str_c(spec->base);
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        if (od_str_eq_c(name, recipes[i]->name))
            return recipes[i];
    return NULL;
}

bool od_recipe_describe(const struct od_image *image, struct od_buf *out)
{
    return od_blend_describe(image, out) || od_hrnn_describe(image, out);
}
