#!/usr/bin/env python3
"""Takes the facts of the three service models out of botocore and writes them to spec/api/*.json.

Facts only: operations, shapes, constraints, error codes; no documentation text. Run it when a newer
botocore brings new operations or members, review the difference, then run api_tables.py. Also writes
spec/api/letters.json: the code points of Unicode's categories L, Z and N, which tag keys may use, so
that the generated C does not change with the Python that generates it.

    pip install botocore && python3 tools/gen/api_spec.py
"""
import gzip
import json
import pathlib
import sys
import unicodedata

OUT = pathlib.Path(__file__).resolve().parents[2] / "spec" / "api"
SERVICES = ("personalize", "personalize-runtime", "personalize-events")
SCALARS = {"string", "integer", "long", "float", "double", "boolean", "timestamp"}
# What a shape may say. Anything else in a newer model stops the script instead of being lost.
KNOWN_SHAPE = {"type", "documentation", "members", "required", "min", "max", "pattern", "enum", "sensitive",
               "member", "key", "value", "exception", "error", "box"}
KNOWN_MEMBER = {"shape", "documentation", "jsonvalue"}
KNOWN_OPERATION = {"name", "http", "input", "output", "errors", "documentation", "idempotent"}


def unknown(what, found, known):
    extra = set(found) - known
    if extra:
        sys.exit(f"{what}: the model says {sorted(extra)}, which this script does not know")


def read_model(service):
    import botocore

    folder = pathlib.Path(botocore.__path__[0]) / "data" / service
    version = sorted(p.name for p in folder.iterdir() if p.is_dir())[-1]
    packed = folder / version / "service-2.json.gz"
    if packed.exists():
        return json.loads(gzip.decompress(packed.read_bytes()))
    return json.loads((folder / version / "service-2.json").read_text(encoding="utf-8"))


def shape_facts(name, shape):
    unknown(name, shape, KNOWN_SHAPE)
    kind = shape["type"]
    facts = {"kind": kind}
    for key in ("min", "max", "pattern", "enum", "sensitive", "box"):
        if key in shape:
            facts[key] = shape[key]
    if kind == "structure":
        required = set(shape.get("required", ()))
        facts["members"] = []
        for member, ref in shape["members"].items():
            unknown(f"{name}.{member}", ref, KNOWN_MEMBER)
            fact = {"name": member, "shape": ref["shape"]}
            if member in required:
                fact["required"] = True
            if ref.get("jsonvalue"):
                fact["jsonvalue"] = True
            facts["members"].append(fact)
    elif kind == "list":
        facts["element"] = shape["member"]["shape"]
    elif kind == "map":
        facts["key"], facts["value"] = shape["key"]["shape"], shape["value"]["shape"]
    elif kind not in SCALARS:
        sys.exit(f"{name}: unknown kind {kind}")
    return facts


def operation_facts(name, op):
    unknown(name, op, KNOWN_OPERATION)
    unknown(f"{name}.http", op["http"], {"method", "requestUri"})
    return {
        "method": op["http"]["method"],
        "uri": op["http"]["requestUri"],
        "input": op["input"]["shape"],
        "output": op["output"]["shape"] if "output" in op else None,
        "errors": [e["shape"] for e in op["errors"]],
    }


def facts_of(model):
    meta = model["metadata"]
    exceptions = {n: s for n, s in model["shapes"].items() if s.get("exception")}
    return {
        "service": meta["endpointPrefix"],
        "serviceId": meta["serviceId"],
        "apiVersion": meta["apiVersion"],
        "protocol": meta["protocol"],
        "signingName": meta["signingName"],
        "targetPrefix": meta.get("targetPrefix"),
        "operations": {n: operation_facts(n, op) for n, op in sorted(model["operations"].items())},
        "errors": {n: {"http": s.get("error", {}).get("httpStatusCode", 400)} for n, s in sorted(exceptions.items())},
        "shapes": {n: shape_facts(n, s) for n, s in sorted(model["shapes"].items()) if n not in exceptions},
    }


def letters():
    ranges = []
    for point in range(0x110000):
        if unicodedata.category(chr(point))[0] not in "LZN":
            continue
        if ranges and ranges[-1][1] == point - 1:
            ranges[-1][1] = point
        else:
            ranges.append([point, point])
    return {"unicode": unicodedata.unidata_version, "categories": "L Z N", "ranges": ranges}


def one_line(value):
    return json.dumps(value, ensure_ascii=False)


def pretty(value, depth=0):
    """JSON with anything that fits on one line of 100 characters on one line: small differences."""
    if len(one_line(value)) + depth <= 100 or not isinstance(value, (dict, list)):
        return one_line(value)
    pad = " " * (depth + 1)
    if isinstance(value, dict):
        inner = [f"{pad}{one_line(k)}: {pretty(v, depth + 1)}" for k, v in value.items()]
        return "{\n" + ",\n".join(inner) + "\n" + " " * depth + "}"
    inner = [pad + pretty(v, depth + 1) for v in value]
    return "[\n" + ",\n".join(inner) + "\n" + " " * depth + "]"


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    for service in SERVICES:
        (OUT / f"{service}.json").write_text(pretty(facts_of(read_model(service))) + "\n", encoding="utf-8")
    (OUT / "letters.json").write_text(pretty(letters()) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
