#!/usr/bin/env python3
"""Writes src/recipes/gen/recipes_tables.c from spec/recipes.json.

    python3 tools/gen/recipes_tables.py            write
    python3 tools/gen/recipes_tables.py --check    exit 1 when the generated file is stale

Everything in the specification is checked here, so that the C code may trust its tables: unknown
members, names used twice, defaults outside their range, defaults of a feature transformation that
differ from the parameters of the recipes that use it.
"""
import datetime
import json
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SPEC = ROOT / "spec" / "recipes.json"
OUT = ROOT / "src" / "recipes" / "gen" / "recipes_tables.c"

TYPES = ["USER_PERSONALIZATION", "PERSONALIZED_RANKING", "RELATED_ITEMS", "POPULAR_ITEMS", "USER_SEGMENTATION",
         "PERSONALIZED_ACTIONS"]
PARAM_TYPES = ["integer", "continuous", "boolean", "categorical", "text"]
PLACES = ["algorithm", "featurization", "campaign"]
PARAM_MEMBERS = {"name", "alias", "type", "place", "default", "range", "min_open", "choices", "tunable", "only_tunable"}
FLAGS = {  # member of the specification -> member of struct od_recipe_spec
    "legacy": "legacy", "scores": "has_scores", "real_time": "real_time", "update": "supports_update",
    "hpo": "supports_hpo", "events_config": "supports_events_config", "objective": "supports_objective",
    "exploration": "supports_exploration", "extension": "extension", "needs_items": "needs_items",
    "needs_actions": "needs_actions", "needs_attributes": "needs_attributes", "interactions_optional": "interactions_optional",
    "fields": "uses_fields", "auto_update": "auto_update", "auto_recount": "auto_recount",
    "incremental": "incremental_update",
    "user_optional": "user_optional",
}
TEXTS = ["base", "event", "consumed"]  # of domain recipes
RECIPE_MEMBERS = {"name", "type", "algorithm", "feature_transformation", "description", "domain", "created",
                  "parameters", "defaults", *TEXTS} | set(FLAGS)


def fail(text):
    sys.exit(f"{SPEC.relative_to(ROOT)}: {text}")


def require(condition, text):
    if not condition:
        fail(text)


def quoted(text):
    if text is None:
        return "NULL"
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def boolean(value):
    return "true" if value else "false"


def identifier(text):
    return "".join(c if c.isalnum() else "_" for c in text).lower()


def day(text):
    date = datetime.date.fromisoformat(text)
    return (date - datetime.date(1970, 1, 1)).days * 86400


def number(value):
    return "INFINITY" if value is None else repr(float(value))


# ---- checks ----


def check_param(where, p):
    require(set(p) <= PARAM_MEMBERS, f"{where}: unknown members {sorted(set(p) - PARAM_MEMBERS)}")
    require(p["type"] in PARAM_TYPES, f"{where}: type {p['type']}")
    require(p["place"] in PLACES, f"{where}: place {p['place']}")
    default = p["default"]
    if p["type"] == "boolean":
        require(default.lower() in ("true", "false"), f"{where}: default {default}")
    elif p["type"] == "categorical":
        require(default in p["choices"], f"{where}: default {default}")
    elif p["type"] == "text":
        require(isinstance(default, str), f"{where}: default {default}")
    else:
        value = int(default) if p["type"] == "integer" else float(default)
        low, high = p["range"]
        require((value > low if p.get("min_open") else value >= low) and (high is None or value <= high),
                f"{where}: default {default} outside {p['range']}")
    require(("range" in p) == (p["type"] in ("integer", "continuous")), f"{where}: range")
    require(("choices" in p) == (p["type"] == "categorical"), f"{where}: choices")
    require(p.get("tunable") or not p.get("only_tunable"), f"{where}: only_tunable needs tunable")
    require(not p.get("tunable") or p["place"] == "algorithm", f"{where}: only algorithm parameters are tuned")


def inherited(spec, recipe):
    """What the base's code asks for: its parameters but those of campaigns, at the recipe's own defaults, for nobody
    to tune."""
    base = next(r for r in spec["recipes"] if r["name"] == recipe["base"])
    defaults = recipe.get("defaults", {})
    out = []
    for p in expand(spec, base):
        if p["place"] != "campaign":
            kept = {k: v for k, v in p.items() if k not in ("tunable", "only_tunable")}
            out.append({**kept, "default": defaults.get(p["name"], p["default"])})
    require(set(defaults) <= {p["name"] for p in out}, f"{recipe['name']}: defaults of unknown parameters")
    return out


def expand(spec, recipe):
    out = inherited(spec, recipe) if "base" in recipe else []
    for entry in recipe["parameters"]:
        out += spec["parameter_sets"][entry] if isinstance(entry, str) else [entry]
    return out


def check_recipe(spec, r, features):
    name = r["name"]
    require(set(r) <= RECIPE_MEMBERS, f"{name}: unknown members {sorted(set(r) - RECIPE_MEMBERS)}")
    require(r["type"] in TYPES, f"{name}: type {r['type']}")
    require(r.get("domain") in (None, "ECOMMERCE", "VIDEO_ON_DEMAND"), f"{name}: domain {r.get('domain')}")
    names = {other["name"] for other in spec["recipes"] if "domain" not in other}
    require(("domain" in r) == (r.get("base") in names), f"{name}: a recipe of a domain, and no other, has a base")
    require("domain" in r or not set(r) & {"defaults", *TEXTS}, f"{name}: members of domain recipes")
    params = expand(spec, r)
    seen = set()
    for p in params:
        check_param(f"{name}.{p['name']}", p)
        for n in [p["name"]] + ([p["alias"]] if "alias" in p else []):
            require(n not in seen, f"{name}: parameter {n} twice")
            seen.add(n)
    require(bool(r.get("hpo")) == any(p.get("tunable") for p in params), f"{name}: hpo and tunable disagree")
    feature = r.get("feature_transformation")
    require(feature is None or feature in features, f"{name}: feature transformation {feature}")
    own = {p["name"]: p["default"] for p in params if p["place"] == "featurization"}
    if feature and own:
        require(own == features[feature]["defaults"], f"{name}: defaults differ from {feature}")


def unique(what, names):
    for n in names:
        require(names.count(n) == 1, f"{what} {n} twice")


# ---- writing ----


def param_rows(params):
    rows = []
    for p in params:
        low, high = p.get("range", [0, 0])
        choices = f"choices_{identifier(p['name'])}" if "choices" in p else "NULL"
        rows += [
            "    {",
            f"        .name = {quoted(p['name'])},",
            f"        .type = OD_PARAM_{p['type'].upper()},",
            f"        .place = OD_PARAM_{p['place'].upper()},",
            f"        .default_value = {quoted(p['default'])},",
            f"        .min = {number(low)},",
            f"        .max = {number(high)},",
            f"        .choices = {choices},",
            f"        .tunable = {boolean(p.get('tunable'))},",
            f"        .only_tunable = {boolean(p.get('only_tunable'))},",
            f"        .min_open = {boolean(p.get('min_open'))},",
            f"        .alias = {quoted(p.get('alias'))},",
            "    },",
        ]
    return rows


def recipe_rows(spec, r):
    count = len(expand(spec, r))
    rows = [
        "    {",
        f"        .name = {quoted(r['name'])},",
        f"        .algorithm = {quoted(r.get('algorithm', r['name']))},",
        f"        .feature_transformation = {quoted(r.get('feature_transformation'))},",
        f"        .description = {quoted(r['description'])},",
        f"        .type = OD_{r['type']},",
        f"        .type_name = {quoted(r['type'])},",
        f"        .domain = {quoted(r.get('domain'))},",
    ]
    rows += [f"        .{text} = {quoted(r.get(text))}," for text in TEXTS]
    rows += [f"        .{member} = {boolean(r.get(flag))}," for flag, member in FLAGS.items()]
    rows += [
        f"        .created_s = {day(r['created'])},",
        f"        .params = {'params_' + identifier(r['name']) if count else 'NULL'},",
        f"        .param_count = {count},",
        "    },",
    ]
    return rows


def generate(spec):
    features = {f["name"]: f for f in spec["feature_transformations"]}
    unique("feature transformation", [f["name"] for f in spec["feature_transformations"]])
    unique("recipe", [r["name"] for r in spec["recipes"]])
    unique("algorithm", [r.get("algorithm", r["name"]) for r in spec["recipes"]])
    recipes = sorted(spec["recipes"], key=lambda r: r["name"])
    lines = [
        "/* clang-format off */",
        "/* Generated by tools/gen/recipes_tables.py from spec/recipes.json; do not edit. */",
        '#include "recipes/gen/recipes_tables.h"',
        "",
        "#include <math.h>",
        "",
    ]
    choices = {}
    for r in recipes:
        check_recipe(spec, r, features)
        for p in expand(spec, r):
            if "choices" in p:
                require(choices.setdefault(p["name"], p["choices"]) == p["choices"], f"choices of {p['name']} differ")
    for name, values in sorted(choices.items()):
        lines.append(f"static const char *const choices_{identifier(name)}[] = {{")
        lines += [f"    {quoted(v)}," for v in values] + ["    NULL,", "};"]
    for r in recipes:
        if expand(spec, r):
            lines.append(f"static const struct od_param_spec params_{identifier(r['name'])}[] = {{")
            lines += param_rows(expand(spec, r)) + ["};"]
    lines += ["", "const struct od_recipe_spec od_recipe_specs[] = {"]
    for r in recipes:
        lines += recipe_rows(spec, r)
    lines += ["};", f"const size_t od_recipe_spec_count = {len(recipes)};", ""]
    for f in features.values():
        if f["defaults"]:
            lines.append(f"static const struct od_feature_default defaults_{identifier(f['name'])}[] = {{")
            lines += [f"    {{{quoted(k)}, {quoted(v)}}}," for k, v in f["defaults"].items()] + ["};"]
    lines += ["", "const struct od_feature_spec od_feature_specs[] = {"]
    for f in sorted(features.values(), key=lambda f: f["name"]):
        defaults = f"defaults_{identifier(f['name'])}" if f["defaults"] else "NULL"
        lines.append(f"    {{{quoted(f['name'])}, {defaults}, {len(f['defaults'])}, {day(f['created'])}}},")
    lines += ["};", f"const size_t od_feature_spec_count = {len(features)};"]
    return "\n".join(lines) + "\n"


def main():
    text = generate(json.loads(SPEC.read_text()))
    if sys.argv[1:] == ["--check"]:
        if not OUT.exists() or OUT.read_text() != text:
            sys.exit(f"{OUT.relative_to(ROOT)} is stale: run python3 tools/gen/recipes_tables.py")
    elif sys.argv[1:]:
        sys.exit(__doc__)
    else:
        OUT.parent.mkdir(parents=True, exist_ok=True)
        OUT.write_text(text)


if __name__ == "__main__":
    main()
