#!/usr/bin/env python3
"""Writes docs/api: a page for each operation, and an index, from spec/api and src/api/handlers.c.

    python3 tools/gen/reference_tables.py            write
    python3 tools/gen/reference_tables.py --check    exit 1 when a page is stale

What differs from AWS is kept in spec/api/differences.json, once each: under "operations" for an operation as a whole,
under "members" for one member of one operation ("CreateCampaign.minProvisionedTPS", dotted further down), under "shapes"
for a type wherever it stands. What belongs to no operation is in docs/differences.md. A name that the model does not
have stops this script.
"""
import json
import re
import sys

import api_model

OUT = api_model.ROOT / "docs" / "api"
HANDLERS = api_model.ROOT / "src" / "api" / "handlers.c"
DIFFERENCES = api_model.SPEC / "differences.json"
UNITS = {"string": "characters", "json": "characters", "list": "elements", "map": "entries"}
TITLES = {
    "personalize": "Control plane: `personalize`",
    "personalize-runtime": "Runtime: `personalize-runtime`",
    "personalize-events": "Events: `personalize-events`",
}


def fail(text):
    sys.exit(f"{DIFFERENCES.relative_to(api_model.ROOT)}: {text}")


def implemented():
    rows = re.findall(r"\[OD_OP_(\w+)\]\s*=\s*\{\s*OD_PLACE_(\w+)", HANDLERS.read_text(encoding="utf-8"))
    return {name for name, place in rows if place != "NONE"}


def cell(text):
    return text.replace("|", "\\|").replace("\n", " ")


def span(shape, unit):
    low, high = shape.get("min"), shape.get("max")
    if low is None and high is None:
        return []
    unit = f" {unit}" if unit else ""
    if low is None or (low == 0 and unit):
        return [f"at most {high:,}{unit}"] if high is not None else []
    return [f"at least {low:,}{unit}"] if high is None else [f"{low:,} to {high:,}{unit}"]


class Page:
    """One operation's. Rows of tables come in the model's order, members of members below them with dotted names."""

    def __init__(self, model, service, name, differences, is_implemented):
        self.model, self.service, self.name = model, service, name
        self.operation = model.operations[name]
        self.differences, self.implemented = differences, is_implemented
        self.members = {}  # dotted name -> shape, of the input
        self.used = set()  # keys of differences.json

    def kind(self, name):
        shape = self.model.shapes[name]
        if shape["kind"] == "list":
            return f"list of {self.kind(shape['element'])}"
        if shape["kind"] == "map":
            return f"map of {self.kind(shape['key'])} to {self.kind(shape['value'])}"
        return {"structure": "object", "json": "JSON object in a string", "timestamp": "time"}.get(shape["kind"], shape["kind"])

    def rules(self, name):
        """The constraints of a value, those of its elements, keys and values after its own."""
        shape = self.model.shapes[name]
        found = span(shape, UNITS.get(shape["kind"], ""))
        if "enum" in shape:
            found.append("one of " + ", ".join(f"`{v}`" for v in shape["enum"]))
        if "pattern" in shape:
            found.append(f"`{shape['pattern']}`")
        inner = {"list": [("each", "element")], "map": [("keys", "key"), ("values", "value")]}.get(shape["kind"], [])
        for what, part in inner:
            below = self.rules(shape[part])
            if below:
                found.append(f"{what}: {', '.join(below)}")
        return found

    def rows(self, name, prefix=""):
        for member in self.model.shapes[name]["members"]:
            path, below = prefix + member["name"], member["shape"]
            yield path, below, member.get("required", False)
            mark = ""
            while self.model.kind(below) in ("list", "map"):
                shape = self.model.shapes[below]
                below, mark = (shape["element"], mark + "[]") if shape["kind"] == "list" else (shape["value"], mark + "{}")
            if self.model.kind(below) == "structure":
                yield from self.rows(below, f"{path}{mark}.")

    def table(self, shape, with_rules):
        yield "| member | type |" + (" constraints |" if with_rules else "")
        yield "|---|---|" + ("---|" if with_rules else "")
        for path, below, required in self.rows(shape):
            shown = f"**{path}**" if required else path
            rules = cell("; ".join(self.rules(below)))
            yield f"| {shown} | {self.kind(below)} |" + (f" {rules} |" if with_rules else "")

    def section(self, title, shape, with_rules, none):
        yield f"\n## {title}"
        if shape is None:
            yield none
        elif not self.model.shapes[shape]["members"]:
            yield "`{}`"
        else:
            yield from self.table(shape, with_rules)

    def notes(self):
        """What differs, as list entries; notes which keys of differences.json were for this page."""
        for text in self.differences["operations"].get(self.name, []):
            self.used.add(("operations", self.name))
            yield f"- {text}"
        for path, shape, _ in self.rows(self.operation["input"]):
            for table, key in (("members", f"{self.name}.{path}"), ("shapes", shape)):
                if key in self.differences[table]:
                    self.used.add((table, key))
                    yield f"- `{path}`: {self.differences[table][key]}"

    def head(self):
        if self.service == "personalize":
            how = f"`POST /`, `X-Amz-Target: {self.model.facts['targetPrefix']}.{self.name}` (awsJson1.1)"
        else:
            how = f"`{self.operation['method']} {self.operation['uri']}` (rest-json)"
        yield f"# {self.name}"
        yield f"`{self.service}`: {how}. All operations: [index](README.md)."
        if not self.implemented:
            yield "\n**Not implemented**: answers `NotImplementedException`, HTTP 501."

    def text(self):
        lines = list(self.head())
        lines += self.section("Input", self.operation["input"], True, "")
        if any(required for _, _, required in self.rows(self.operation["input"])):
            lines.append("\nBold: required.")
        lines += self.section("Output", self.operation["output"], False, "None: the body is empty.")
        lines.append("\n## Errors")
        rest = self.service != "personalize"
        for code in self.operation["errors"]:
            status = self.model.facts["errors"][code]["http"] if rest else 400
            lines.append(f"- `{code}` ({status})")
        notes = list(self.notes())
        if notes:
            lines += ["\n## Differs from AWS", *notes]
        return "\n".join(lines) + "\n"


def index(pages):
    lines = [
        "# The operations",
        "Generated from `spec/api`: `make gen`. Each page has members, constraints, errors, and what differs from AWS; what",
        "differs everywhere is in [differences.md](../differences.md). Any operation may also answer with an error of the",
        "frame: a body that is no JSON or has a member of the wrong type (`SerializationException`), a missing or wrong",
        "signature, `ServiceUnavailableException` while the server loads its data. A broken constraint is",
        "`InvalidInputException` and names every member that breaks one.",
    ]
    for service, title in TITLES.items():
        lines += ["", f"## {title}", "| operation | |", "|---|---|"]
        for page in pages:
            if page.service == service:
                state = "differs" if list(page.notes()) else ""
                lines.append(f"| [{page.name}]({page.name}.md) | {state if page.implemented else 'not implemented'} |")
    return "\n".join(lines) + "\n"


def read_differences():
    facts = json.loads(DIFFERENCES.read_text(encoding="utf-8"))
    if set(facts) != {"operations", "members", "shapes"}:
        fail("the parts are operations, members and shapes")
    return facts


def make_pages():
    differences, there = read_differences(), implemented()
    pages = []
    for model in api_model.models():
        service = next(file for file, prefix, _ in api_model.SERVICES if prefix == model.prefix)
        for name in model.operations:
            pages.append(Page(model, service, name, differences, api_model.snake(name).upper() in there))
    files = {f"{page.name}.md": page.text() for page in pages}
    used = set().union(*(page.used for page in pages))
    for table, entries in differences.items():
        for key in entries:
            if (table, key) not in used:
                fail(f"{table}: the model has no {key}")
    return {**files, "README.md": index(pages)}


def main():
    check, stale = "--check" in sys.argv[1:], []
    files = make_pages()
    OUT.mkdir(parents=True, exist_ok=True)
    for path in sorted(OUT.glob("*.md")):
        if path.name not in files:
            stale.append(path.name)
            if not check:
                path.unlink()
    for name, text in files.items():
        path = OUT / name
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(name)
            if not check:
                path.write_text(text, encoding="utf-8")
    if stale and check:
        sys.exit("stale, run make gen: " + " ".join(f"docs/api/{name}" for name in sorted(stale)[:10]))


if __name__ == "__main__":
    main()
