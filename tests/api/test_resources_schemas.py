"""CreateSchema against data.md sections 2 to 4: a table of good schemas and one of bad ones."""
import json

import pytest
from harness import field, new_schema, refused, schema, unique

USER = field("USER_ID", "string")
ITEM = field("ITEM_ID", "string")
TIME = field("TIMESTAMP", "long")
BASE = [USER, ITEM, TIME]
NULLABLE = ["null", "string"]
NESTED = {"type": "record", "name": "Inner", "fields": [field("A", "string")]}


def interactions(*more):
    return schema("Interactions", *BASE, *more)


def items(*more):
    return schema("Items", ITEM, *more)


def users(*more):
    return schema("Users", USER, *more)


GOOD = {
    "interactions": interactions(),
    "no namespace": {k: v for k, v in interactions().items() if k != "namespace"},
    "version 1.1": dict(interactions(), version="1.1"),
    "event columns": interactions(
        field("EVENT_TYPE", "string"),
        field("EVENT_VALUE", ["float", "null"]),
        field("IMPRESSION", ["null", "string"]),
        field("RECOMMENDATION_ID", NULLABLE),
        field("EVENT_ATTRIBUTION_SOURCE", NULLABLE),
    ),
    "null last": interactions(field("DEVICE", ["string", "null"], categorical=True)),
    "a union of one": interactions(field("DEVICE", ["string"])),
    "every type": items(*[field(f"F_{t}", t) for t in ("float", "double", "int", "long", "string", "boolean")]),
    "a textual field": items(field("STORY", NULLABLE, textual=True)),
    "an item name": items(field("TITLE", NULLABLE, itemName=True)),
    "lower case": items(field("genre", "string", categorical=True)),
    "users": users(field("AGE", "int")),
    "actions": schema("Actions", field("ACTION_ID", "string"), field("VALUE", ["long", "null"])),
    "action interactions": schema(
        "ActionInteractions", USER, field("ACTION_ID", "string"), field("EVENT_TYPE", "string"), field("TIMESTAMP", "long")
    ),
    "five own columns": interactions(*[field(f"C{n}", "string") for n in range(5)]),
    "25 columns of users": users(*[field(f"C{n}", "int") for n in range(25)]),
    "categorical false": items(field("A", "string", categorical=False)),
}

BAD = {
    "not JSON": "{",
    "no JSON at all": "USER_ID,ITEM_ID",
    "a list": [],
    "not a record": dict(interactions(), type="enum"),
    "no type": {k: v for k, v in interactions().items() if k != "type"},
    "no fields": {k: v for k, v in interactions().items() if k != "fields"},
    "fields not a list": dict(interactions(), fields={"USER_ID": "string"}),
    "no name": {k: v for k, v in interactions().items() if k != "name"},
    "an unknown name": dict(interactions(), name="Movies"),
    "empty fields": dict(interactions(), fields=[]),
    "a field without a name": interactions({"type": "string"}),
    "a field without a type": interactions({"name": "X"}),
    "a field that is text": dict(interactions(), fields=["USER_ID"]),
    "USER_ID missing": schema("Interactions", ITEM, TIME),
    "ITEM_ID missing": schema("Interactions", USER, TIME),
    "TIMESTAMP missing": schema("Interactions", USER, ITEM),
    "TIMESTAMP as text": schema("Interactions", USER, ITEM, field("TIMESTAMP", "string")),
    "TIMESTAMP nullable": schema("Interactions", USER, ITEM, field("TIMESTAMP", ["null", "long"])),
    "USER_ID a number": schema("Interactions", field("USER_ID", "int"), ITEM, TIME),
    "ITEM_ID nullable": schema("Interactions", USER, field("ITEM_ID", NULLABLE), TIME),
    "EVENT_VALUE as text": interactions(field("EVENT_VALUE", "string")),
    "EVENT_TYPE a number": interactions(field("EVENT_TYPE", "int")),
    "EVENT_TYPE categorical": interactions(field("EVENT_TYPE", "string", categorical=True)),
    "IMPRESSION categorical": interactions(field("IMPRESSION", NULLABLE, categorical=True)),
    "RECOMMENDATION_ID categorical": interactions(field("RECOMMENDATION_ID", NULLABLE, categorical=True)),
    "six own columns": interactions(*[field(f"C{n}", "string") for n in range(6)]),
    "an unknown type": interactions(field("X", "decimal")),
    "a type that is a number": interactions(field("X", 5)),
    "an array": interactions(field("X", {"type": "array", "items": "string"})),
    "a map": interactions(field("X", {"type": "map", "values": "string"})),
    "an enum": interactions(field("X", {"type": "enum", "name": "E", "symbols": ["a"]})),
    "a record inside": interactions(field("X", NESTED)),
    "a union of two types": interactions(field("X", ["int", "string"])),
    "a union of three": interactions(field("X", ["null", "int", "string"])),
    "a union of null alone": interactions(field("X", ["null"])),
    "an empty union": interactions(field("X", [])),
    "one name twice": interactions(field("X", "string"), field("X", "int")),
    "names alike but for _": interactions(field("GENRES_FIELD_1", "string"), field("GENRESFIELD1", "string")),
    "a digit first": interactions(field("1ST", "string")),
    "a space in a name": interactions(field("MY FIELD", "string")),
    "a dash in a name": interactions(field("MY-FIELD", "string")),
    "a name of 151": interactions(field("X" * 151, "string")),
    "an empty name": interactions(field("", "string")),
    "a categorical number": items(field("YEAR", "int", categorical=True)),
    "categorical not a boolean": items(field("A", "string", categorical="yes")),
    "two textual fields": items(field("A", "string", textual=True), field("B", "string", textual=True)),
    "a textual number": items(field("A", "int", textual=True)),
    "text in users": users(field("BIO", "string", textual=True)),
    "text in interactions": interactions(field("NOTE", "string", textual=True)),
    "an item name in users": users(field("NAME", "string", itemName=True)),
    "items with an id only": items(),
    "users with an id only": users(),
    "items without ITEM_ID": schema("Items", field("A", "string")),
    "CREATION_TIMESTAMP as text": items(field("CREATION_TIMESTAMP", "string")),
    "101 columns of items": items(*[field(f"C{n}", "string") for n in range(101)]),
    "26 columns of users": users(*[field(f"C{n}", "int") for n in range(26)]),
    "actions without ACTION_ID": schema("Actions", field("VALUE", "long")),
    "action VALUE as text": schema("Actions", field("ACTION_ID", "string"), field("VALUE", "string")),
    "action interactions without EVENT_TYPE": schema("ActionInteractions", USER, field("ACTION_ID", "string"), TIME),
}

EVENT = field("EVENT_TYPE", "string")
DOMAIN_GOOD = {
    "shop interactions": ("ECOMMERCE", interactions(EVENT)),
    "shop items": ("ECOMMERCE", items(field("PRICE", "float"), field("CATEGORY_L1", "string", categorical=True))),
    "films": ("VIDEO_ON_DEMAND", items(field("CREATION_TIMESTAMP", "long"), field("GENRES", "string", categorical=True))),
    "films by the printed schema": (
        "VIDEO_ON_DEMAND",
        items(field("CREATION_TIMESTAMP", "long"), field("GENRES_L1", "string", categorical=True)),
    ),
}
DOMAIN_BAD = {
    "shop without EVENT_TYPE": ("ECOMMERCE", interactions()),
    "shop items without PRICE": ("ECOMMERCE", items(field("CATEGORY_L1", "string", categorical=True))),
    "shop items, category not categorical": ("ECOMMERCE", items(field("PRICE", "float"), field("CATEGORY_L1", "string"))),
    "films without genres": ("VIDEO_ON_DEMAND", items(field("CREATION_TIMESTAMP", "long"))),
    "actions in a domain": ("ECOMMERCE", GOOD["actions"]),
}


@pytest.mark.parametrize("name", GOOD)
def test_good(server, name):
    new_schema(server, GOOD[name])


@pytest.mark.parametrize("name", BAD)
def test_bad(server, name):
    text = BAD[name] if isinstance(BAD[name], str) else json.dumps(BAD[name])
    schema_name = unique("bad")
    with refused("InvalidInputException", "Invalid schema"):
        server.control.create_schema(name=schema_name, schema=text)
    new_schema(server, GOOD["interactions"], schema_name)  # nothing was left behind


@pytest.mark.parametrize("name", DOMAIN_GOOD)
def test_good_in_a_domain(server, name):
    domain, body = DOMAIN_GOOD[name]
    server.control.create_schema(name=unique("good"), schema=json.dumps(body), domain=domain)


@pytest.mark.parametrize("name", DOMAIN_BAD)
def test_bad_in_a_domain(server, name):
    domain, body = DOMAIN_BAD[name]
    with refused("InvalidInputException", "Invalid schema"):
        server.control.create_schema(name=unique("bad"), schema=json.dumps(body), domain=domain)


def test_hostile_schemas(server):
    for text in ("[" * 15000, '{"a":' * 3000, '{"type":"record","fields":' + "[" * 5000, '"\\u0000"', "1e999999"):
        with refused("InvalidInputException"):
            server.control.create_schema(name=unique("bad"), schema=text)
