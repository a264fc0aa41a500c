/* The tables of recipes_tables.c, sorted by name. Used by recipes/params.c alone. */
#ifndef OD_RECIPES_GEN_RECIPES_TABLES_H
#define OD_RECIPES_GEN_RECIPES_TABLES_H

#include "recipes/recipe.h"

extern const struct od_recipe_spec od_recipe_specs[];
extern const size_t od_recipe_spec_count;
extern const struct od_feature_spec od_feature_specs[];
extern const size_t od_feature_spec_count;

#endif
