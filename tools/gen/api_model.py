"""Reads spec/api/*.json and answers what the C generator asks: names, C types, flags."""
import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parents[2]
SPEC = ROOT / "spec" / "api"
# file, C prefix, enum od_service
SERVICES = (
    ("personalize", "personalize", "OD_SERVICE_PERSONALIZE"),
    ("personalize-runtime", "runtime", "OD_SERVICE_RUNTIME"),
    ("personalize-events", "events", "OD_SERVICE_EVENTS"),
)
SCALAR_TYPES = {
    "string": "struct od_str",
    "integer": "struct od_opt_i64",
    "long": "struct od_opt_i64",
    "timestamp": "struct od_opt_i64",
    "float": "struct od_opt_double",
    "double": "struct od_opt_double",
    "boolean": "struct od_opt_bool",
    "json": "struct od_api_json",
}
# (kind of key, kind of value) of a map -> C type; entries are <type minus _map>_entry
MAP_TYPES = {
    ("string", "string"): ("struct od_api_string_map", "struct od_api_string_entry"),
    ("string", "double"): ("struct od_api_double_map", "struct od_api_double_entry"),
    ("string", "list"): ("struct od_api_strings_map", "struct od_api_strings_entry"),
}
C_KEYWORDS = set("""auto break case char const continue default do double else enum extern float for goto if inline
int long register restrict return short signed sizeof static struct switch typedef union unsigned void volatile while
asm bool true false""".split())


def snake(name):
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    return re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name).lower()


def c_name(member):
    name = snake(member)
    return name + "_" if name in C_KEYWORDS else name


class Model:
    """One service."""

    def __init__(self, file, prefix, enum):
        self.facts = json.loads((SPEC / f"{file}.json").read_text(encoding="utf-8"))
        self.prefix, self.enum = prefix, enum
        self.shapes = self.facts["shapes"]
        self.operations = self.facts["operations"]
        self._mark_json_shapes()

    def _mark_json_shapes(self):
        """A jsonvalue member's string shape becomes a shape of kind json; it must have no other use."""
        uses = [m for s in self.shapes.values() for m in s.get("members", ())]
        wrapped = {m["shape"] for m in uses if m.get("jsonvalue")}
        for m in uses:
            if m["shape"] in wrapped and not m.get("jsonvalue"):
                raise SystemExit(f"{m['shape']} is used both as jsonvalue and as plain string")
        for name in wrapped:
            assert self.shapes[name]["kind"] == "string"
            self.shapes[name]["kind"] = "json"

    def tag(self, shape):
        return f"od_{self.prefix}_{snake(shape)}"

    def symbol(self, shape):
        return f"od_shape_{self.prefix}_{snake(shape)}"

    def kind(self, name):
        return self.shapes[name]["kind"]

    def list_type(self, name):
        element = self.shapes[name]["element"]
        if self.kind(element) == "string":
            return "struct od_api_strings"
        if self.kind(element) != "structure":
            raise SystemExit(f"{name}: lists of {self.kind(element)} have no C type yet")
        return f"struct {self.tag(name)}"

    def map_types(self, name):
        shape = self.shapes[name]
        kinds = (self.kind(shape["key"]), self.kind(shape["value"]))
        if kinds not in MAP_TYPES:
            raise SystemExit(f"{name}: maps of {kinds} have no C type yet")
        if kinds[1] == "list" and self.list_type(shape["value"]) != "struct od_api_strings":
            raise SystemExit(f"{name}: maps of lists hold strings only")
        return MAP_TYPES[kinds]

    def value_type(self, name):
        """The C type of the shape itself."""
        kind = self.kind(name)
        if kind in SCALAR_TYPES:
            return SCALAR_TYPES[kind]
        if kind == "list":
            return self.list_type(name)
        if kind == "map":
            return self.map_types(name)[0]
        return f"struct {self.tag(name)}"

    def member_type(self, name):
        """The C type of a member of this shape, ready to be followed by the member's name."""
        star = "*" if self.kind(name) == "structure" else ""
        return f"{self.value_type(name)} {star}"

    def structures(self):
        return [n for n, s in self.shapes.items() if s["kind"] == "structure"]

    def structure_lists(self):
        return [n for n, s in self.shapes.items() if s["kind"] == "list" and self.kind(s["element"]) == "structure"]

    def always_written(self):
        """(structure, member) of the lists that a client indexes without looking: api.md section 2."""
        found = set()
        for name, op in self.operations.items():
            if not op["output"] or not (name.startswith("List") or self.prefix == "runtime"):
                continue
            for member in self.shapes[op["output"]]["members"]:
                if self.kind(member["shape"]) == "list":
                    found.add((op["output"], member["name"]))
        return found

    def constraint_note(self, name):
        shape = self.shapes[name]
        low, high = shape.get("min"), shape.get("max")
        notes = []
        if low is not None or high is not None:
            notes.append(f"{'' if low is None else low}..{'' if high is None else high}")
        if "enum" in shape:
            notes.append("|".join(shape["enum"]))
        return ", ".join(notes)


def models():
    return [Model(*service) for service in SERVICES]
