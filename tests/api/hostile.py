"""Malformed requests made from the API model: each constraint of each member broken, alone.

For every operation there is one request that is right and has every member the model knows, down to nested lists and
maps; a `Fault` is one place in it and one way to break that place: a required member absent or null, a text too long,
too short, off its pattern or enum, a number out of range, a list or map of too many or too few, a null in a list, a
value of another JSON type. Values are drawn from a seeded generator, so the same seed makes the same requests.
"""
import copy
import dataclasses
import json
import random
import re

from conformance import OPERATIONS
from harness import arn

ABSENT = object()
INVALID, WRONG_TYPE = "InvalidInputException", "SerializationException"
TEXTS = {
    "Arn": arn("solution/nothing"),
    "RoleArn": "arn:aws:iam::000000000000:role/r",
    "KmsKeyArn": "arn:aws:kms:us-east-1:000000000000:key/k",
    "S3Location": "s3://bucket/nothing.csv",
    "DatasetType": "INTERACTIONS",
    "SchedulingExpression": "rate(7 days)",
}
# Patterns in words that Python's re does not know, in its own.
PATTERNS = {
    r"\p{ASCII}{0,1500}": r"[\x00-\x7f]{0,1500}",
    r"^([\p{L}\p{Z}\p{N}_.:/=+\-@]*)$": r"[\w .:/=+\-@]*",
}
# Something here breaks every pattern of the model; which, is tried out.
OFF_PATTERN = ["", "-", "nothing", "a b", "a;b", "né", "<x>", "a\nb", "arn:aws:s3:::b", "ftp://b/k", "rate(x)", "   ", "1a", "a*"]


def text_of(shape):
    if shape.enum:
        return shape.enum[0]
    text = TEXTS.get(shape.name, "nothing")
    return text if len(text) <= shape.metadata.get("max", 1 << 30) else text[: shape.metadata["max"]]


def right(shape, whole=True, is_json=False):
    """A value that keeps every rule of the shape and has every member, or only those that are required."""
    kind = shape.type_name
    if is_json:
        return '{"a":"b"}'
    if kind == "structure":
        chosen = {name: m for name, m in shape.members.items() if whole or name in shape.required_members}
        return {name: right(m, whole, "jsonvalue" in m.serialization) for name, m in chosen.items()}
    if kind == "list":
        return [right(shape.member, whole)]
    if kind == "map":
        return {text_of(shape.key): right(shape.value, whole)}
    if kind in ("integer", "long"):
        return max(1, shape.metadata.get("min", 1))
    simple = {"double": 0.5, "float": 0.5, "timestamp": 1.5e9, "boolean": False}
    return simple[kind] if kind in simple else text_of(shape)


@dataclasses.dataclass
class Fault:
    operation: str
    steps: tuple  # into the body
    path: str  # as the server tells it
    what: str
    code: str
    make: object  # rng -> the value to put there, or ABSENT

    def put_into(self, body, rng):
        """Breaks the body in place."""
        at = body
        for step in self.steps[:-1]:
            at = at[step]
        value = self.make(rng)
        if value is ABSENT:
            del at[self.steps[-1]]
        else:
            at[self.steps[-1]] = value


def right_body(operation, whole=True):
    return right(OPERATIONS[operation][1].input_shape, whole)


# --- the ways to break one value: (what, code, make)


def of_other_types(*makers):
    """One way a wrong JSON type, so that each is tried."""
    kinds = {
        "a number": lambda rng: rng.choice([0, -1, 7, 1.5, 1e300]),
        "a boolean": lambda rng: rng.random() < 0.5,
        "a string": lambda rng: rng.choice(["", "7", "true", "x" * rng.randrange(1, 300)]),
        "an array": lambda rng: [[], ["x"], [[]], [None]][rng.randrange(4)],
        "an object": lambda rng: [{}, {"a": 1}, {"": None}][rng.randrange(3)],
    }
    return [(f"{kind} for it", WRONG_TYPE, kinds[kind]) for kind in makers]


def longer(shape, text):
    """Too long, and nothing else: a right text, grown where its pattern lets it grow."""
    cut, more = (text.index("7"), "7") if "(7 " in text else (len(text), "a")
    least = shape.metadata["max"] + 1 - len(text)
    return lambda rng: text[:cut] + more * (least + rng.randrange(200)) + text[cut:]


def keeps_pattern(shape, text):
    pattern = shape.metadata.get("pattern")
    return pattern is None or re.fullmatch(PATTERNS.get(pattern, pattern), text) is not None


def string_faults(shape):
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    if shape.enum:
        yield "none of the enum", INVALID, lambda rng: rng.choice(["", "nothing", shape.enum[0].lower(), shape.enum[0] + " "])
        return
    if high is not None:
        yield "too long", INVALID, longer(shape, text_of(shape))
    if low > 0 and keeps_pattern(shape, ""):
        yield "too short", INVALID, lambda rng: ""
    if "pattern" in shape.metadata:
        bad = [t for t in OFF_PATTERN if not keeps_pattern(shape, t) and low <= len(t) <= (high or len(t))]
        assert bad, f"{shape.name}: nothing here breaks {shape.metadata['pattern']}"
        yield "off its pattern", INVALID, lambda rng: rng.choice(bad)


def json_faults(shape):
    yield "no JSON", INVALID, lambda rng: rng.choice(["", "nothing", '{"a":', "{'a':1}", '{"a":1}}'])
    yield "JSON of another kind", INVALID, lambda rng: rng.choice(["[]", "7", "null", '"text"', "[{}]"])
    yield "too long", INVALID, lambda rng: json.dumps({"a": "b" * (shape.metadata["max"] + rng.randrange(100))})
    yield from of_other_types("a number", "a boolean", "an array")


def number_faults(shape):
    low, high = shape.metadata.get("min"), shape.metadata.get("max")
    if low is not None:
        yield "too small", INVALID, lambda rng: low - 1 - rng.randrange(1000)
    if high is not None:
        yield "too large", INVALID, lambda rng: high + 1 + rng.randrange(1000)
    if shape.type_name in ("integer", "long"):
        yield "a fraction", WRONG_TYPE, lambda rng: rng.randrange(1, 1000) + 0.5
        bits = 31 if shape.type_name == "integer" else 63
        yield "beyond its bits", WRONG_TYPE, lambda rng: rng.choice([-1.0, 1.0]) * 2.0 ** rng.randrange(bits + 1, 1000)
    yield from of_other_types("a boolean", "a string", "an array", "an object")


def time_faults(_):
    yield "no time", WRONG_TYPE, lambda rng: rng.choice(["yesterday", "", "2024-13-45T00:00:00Z", "nan", "inf"])
    yield "beyond the calendar", INVALID, lambda rng: rng.choice([-1, 1]) * 10 ** rng.randrange(12, 18)
    yield from of_other_types("a boolean", "an array", "an object")


def list_faults(shape):
    low, high = shape.metadata.get("min", 0), shape.metadata.get("max")
    if high is not None:
        yield "too many", INVALID, lambda rng: [right(shape.member)] * (high + 1 + rng.randrange(20))
    if low > 0:
        yield "too few", INVALID, lambda rng: []
    yield from of_other_types("a number", "a boolean", "a string", "an object")


def map_faults(shape):
    high = shape.metadata.get("max")
    if high is not None:
        yield "too many", INVALID, lambda rng: {f"k{n}": right(shape.value) for n in range(high + 1 + rng.randrange(20))}
    for what, code, make in string_faults(shape.key):
        yield f"a key {what}", code, lambda rng, make=make: {make(rng): right(shape.value)}
    yield from of_other_types("a number", "a boolean", "a string", "an array")


KINDS = {
    "string": lambda shape: [*string_faults(shape), *of_other_types("a number", "a boolean", "an array", "an object")],
    "integer": number_faults,
    "long": number_faults,
    "float": number_faults,
    "double": number_faults,
    "timestamp": time_faults,
    "boolean": lambda _: of_other_types("a number", "a string", "an array", "an object"),
    "list": list_faults,
    "map": map_faults,
    "structure": lambda _: of_other_types("a number", "a boolean", "a string", "an array"),
}


# --- all places of a request


def faults_at(operation, shape, steps, path, is_json=False):
    if steps:
        for what, code, make in (json_faults if is_json else KINDS[shape.type_name])(shape):
            yield Fault(operation, steps, path, what, code, make)
    dot = path + "." if path else ""
    if shape.type_name == "structure":
        for name, member in shape.members.items():
            place = (*steps, name), dot + name
            if name in shape.required_members:
                yield Fault(operation, *place, "absent", INVALID, lambda rng: ABSENT)
                yield Fault(operation, *place, "null", INVALID, lambda rng: None)
            yield from faults_at(operation, member, *place, "jsonvalue" in member.serialization)
    elif shape.type_name == "list":
        place = (*steps, 0), f"{dot}1.member"
        yield Fault(operation, *place, "null in a list", INVALID, lambda rng: None)
        yield from faults_at(operation, shape.member, *place)
    elif shape.type_name == "map":
        key = text_of(shape.key)
        yield from faults_at(operation, shape.value, (*steps, key), f"{dot}{key}.member")


def all_faults():
    return [fault for name, (_, model) in OPERATIONS.items() for fault in faults_at(name, model.input_shape, (), "")]


def alone(count, seed):
    """(fault, body): every fault at least once, then again with other values, in a shuffled order."""
    rng = random.Random(seed)
    faults = all_faults()
    assert len(faults) <= count, len(faults)
    rounds = [fault for _ in range(-(-count // len(faults))) for fault in rng.sample(faults, len(faults))]
    for fault in rounds[:count]:
        body = right_body(fault.operation)
        fault.put_into(body, rng)
        yield fault, body


def apart(one, other):
    """Neither place lies in the other, so both can be broken in one request."""
    shared = min(len(one.steps), len(other.steps))
    return one.steps[:shared] != other.steps[:shared]


def together(count, seed):
    """(faults, body): several constraints broken in one request, each of which is to be told."""
    rng = random.Random(seed)
    by_operation = {}
    for fault in all_faults():
        if fault.code == INVALID:
            by_operation.setdefault(fault.operation, []).append(fault)
    names = sorted(name for name, faults in by_operation.items() if any(apart(faults[0], f) for f in faults))
    for _ in range(count):
        faults = by_operation[rng.choice(names)]
        chosen = []
        for fault in rng.sample(faults, min(len(faults), rng.randrange(2, 16))):
            if all(apart(fault, other) for other in chosen):
                chosen.append(fault)
        body = copy.deepcopy(right_body(faults[0].operation))
        for fault in chosen:
            fault.put_into(body, rng)
        yield chosen, body
