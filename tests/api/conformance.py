"""Every answer that the API tests get, held against the API model of the client they use.

The model is botocore's service-2.json, of the very package whose clients drive the server. What comes back is noted
here by the clients of harness.py, by its raw requests, and by the relay that commands and other SDKs talk through
(relay.py); only sockets that a test opens for itself, to try the framing of HTTP, are not listened to. For each answer of one of the 79 operations:

* a success has status 200 and exactly the modelled body: no unknown member, the JSON type of each, no null, the
  required ones there, timestamps as numbers, one of an enum's values; where no output is modelled, no body at all;
* an error is one that the operation declares, or one that any AWS service may give, with its HTTP status in this
  service, and says something.

What is wrong fails the test that saw it. After a run of the whole suite, each operation must have succeeded once and
given each of its declared errors once, but for the two short tables below (test_conformance.py).
"""
import collections
import json
import threading

import botocore.session

SERVICES = ("personalize", "personalize-runtime", "personalize-events")
TARGET = "AmazonPersonalize."
II, RNF, RAE = "InvalidInputException", "ResourceNotFoundException", "ResourceAlreadyExistsException"
RIU, LE, INT = "ResourceInUseException", "LimitExceededException", "InvalidNextTokenException"
TMT, TMTK = "TooManyTagsException", "TooManyTagKeysException"
SHORT = {II: "II", RNF: "RNF", RAE: "RAE", RIU: "RIU", LE: "LE", INT: "INT", TMT: "TMT", TMTK: "TMTK"}
# HTTP status in the order of SERVICES: spec api.md section 6.
STATUS = {code: (400, 400, 400) for code in SHORT} | {RNF: (400, 404, 404), RIU: (400, None, 409)}
# Errors of the frame around all operations, which none of them declares: errors.md section 2. A 500 is none of them.
FRAMEWORK = {
    "SerializationException": {400},
    "MissingAuthenticationTokenException": {400, 403},
    "IncompleteSignatureException": {400, 403},
    "UnrecognizedClientException": {400, 403},
    "InvalidSignatureException": {400, 403},
    "AccessDeniedException": {400, 403},
    "ThrottlingException": {400},
    "RequestEntityTooLarge": {413},
    "ServiceUnavailableException": {503},
}
# A broken constraint is told as InvalidInputException by every operation (errors.md section 3), also by the two that do
# not declare it; its text says so.
VALIDATION = " detected: "

# Declared errors that cannot come about here: (operation, error) -> why. A row that did come about must go.
_AT_ONCE = "what it names is ACTIVE when its creation is answered, and gone when its deletion is (docs/differences.md)"
_ONE = "the only quota is one of a kind, which is told as ResourceAlreadyExistsException (api.md 10)"
UNREACHABLE = {
    ("CreateDataDeletionJob", RIU): _AT_ONCE,
    ("CreateDatasetExportJob", RIU): _AT_ONCE,
    ("CreateDatasetExportJob", LE): "no quota counts exports (api.md 15)",
    ("CreateMetricAttribution", RIU): _AT_ONCE,
    ("CreateMetricAttribution", LE): _ONE,
    ("UpdateMetricAttribution", RIU): _AT_ONCE,
    ("DeleteMetricAttribution", RIU): _AT_ONCE,
    ("CreateRecommender", RIU): _AT_ONCE,
    ("CreateDataset", LE): _ONE,
    ("CreateEventTracker", LE): _ONE,
    ("CreateDataset", RIU): _AT_ONCE,
    ("CreateDatasetImportJob", RIU): _AT_ONCE,
    ("CreateEventTracker", RIU): _AT_ONCE,
    ("CreateSolution", RIU): _AT_ONCE,
    ("CreateSolutionVersion", RIU): _AT_ONCE,
    ("DeleteCampaign", RIU): _AT_ONCE,
    ("DeleteEventTracker", RIU): _AT_ONCE,
    ("UpdateSolution", RIU): _AT_ONCE,
    ("UpdateSolution", LE): "no quota counts updates (api.md 15)",
    ("ListTagsForResource", RIU): "tags may be read and changed in every state (api.md 12)",
    ("TagResource", RIU): "tags may be read and changed in every state (api.md 12)",
    ("UntagResource", RIU): "tags may be read and changed in every state (api.md 12)",
    ("TagResource", LE): "more than 50 tags are TooManyTagsException (api.md 12)",
    ("PutItems", RIU): "a dataset takes records from its creation to its deletion, also while it imports (data.md 12)",
    ("PutUsers", RIU): "a dataset takes records from its creation to its deletion, also while it imports (data.md 12)",
    ("PutActions", RIU): "a dataset takes records from its creation to its deletion, also while it imports (data.md 12)",
    ("PutActionInteractions", RIU): "a dataset takes records from its creation to its deletion, also while it imports (data.md 12)",
}


def _models():
    session = botocore.session.Session()
    return {service: session.get_service_model(service) for service in SERVICES}


MODELS = _models()
# name -> (service, botocore's model of the operation); no name is in two services
OPERATIONS = {
    name: (service, MODELS[service].operation_model(name)) for service in SERVICES for name in MODELS[service].operation_names
}
PATHS = {model.http["requestUri"]: name for name, (service, model) in OPERATIONS.items() if service != SERVICES[0]}


def declared(name):
    return [shape.name for shape in OPERATIONS[name][1].error_shapes]


def operation_of(method, path, headers):
    """Which operation a request asks for, from its head; None for none. Header names in any case."""
    target = next((value for name, value in headers.items() if name.lower() == "x-amz-target"), None)
    name = target.removeprefix(TARGET) if target and target.startswith(TARGET) else PATHS.get(path.rstrip("/"))
    return name if method == "POST" and name in OPERATIONS else None


# --- one answer


def _is_number(value):
    return isinstance(value, (int, float)) and not isinstance(value, bool)


KINDS = {
    "string": ("a string", lambda v: isinstance(v, str)),
    "integer": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "long": ("a whole number", lambda v: isinstance(v, int) and not isinstance(v, bool)),
    "float": ("a number", _is_number),
    "double": ("a number", _is_number),
    "boolean": ("true or false", lambda v: isinstance(v, bool)),
    "timestamp": ("a number of seconds", _is_number),
    "structure": ("an object", lambda v: isinstance(v, dict)),
    "map": ("an object", lambda v: isinstance(v, dict)),
    "list": ("an array", lambda v: isinstance(v, list)),
}


def value_faults(shape, value, path="the body"):
    """What is wrong with a value of an answer by its shape; sentences that name the member."""
    expected, holds = KINDS[shape.type_name]
    if not holds(value):
        yield f"{path} is {json.dumps(value)[:60]}, not {expected}"
    elif shape.type_name == "structure":
        for name in value:
            if name not in shape.members:
                yield f"{path}.{name} is not in the model's {shape.name}"
            else:
                yield from value_faults(shape.members[name], value[name], f"{path}.{name}")
        for name in shape.required_members:
            if name not in value:
                yield f"{path}.{name} is required and missing"
    elif shape.type_name == "list":
        for number, element in enumerate(value):
            yield from value_faults(shape.member, element, f"{path}[{number}]")
    elif shape.type_name == "map":
        for key, element in value.items():
            yield from value_faults(shape.key, key, f"{path}'s key {key}")
            yield from value_faults(shape.value, element, f"{path}[{key}]")
    elif shape.type_name == "string" and shape.enum and value not in shape.enum:
        yield f"{path} is {value}, none of {shape.enum}"


def _list_faults(name, body):
    """Clients index the list of a List operation without looking (api.md section 2)."""
    lists = [m for m, s in OPERATIONS[name][1].output_shape.members.items() if s.type_name == "list"]
    if name.startswith("List"):
        yield from (f"the body.{m} is missing, though empty lists are sent" for m in lists if m not in body)


def _parsed(body):
    try:
        return json.loads(body)
    except ValueError:
        return None


def success_faults(name, status, body):
    shape = OPERATIONS[name][1].output_shape
    if status != 200:
        yield f"HTTP status {status}, not 200"
    if shape is None:
        if body:
            yield f"a body where the model has none: {body[:60]!r}"
        return
    value = _parsed(body)
    if not isinstance(value, dict):
        yield f"the body is no JSON object: {body[:60]!r}"
        return
    yield from value_faults(shape, value)
    yield from _list_faults(name, value)


def error_code(service, headers, body):
    """The error's name as an SDK of this service reads it; None when there is none."""
    if service == SERVICES[0]:
        text = (_parsed(body) or {}).get("__type", "") if body else ""
    else:
        text = {k.lower(): v for k, v in headers.items()}.get("x-amzn-errortype", "")
    return text.split(":")[0].split("#")[-1] or None


def error_faults(name, status, headers, body):
    service = OPERATIONS[name][0]
    code = error_code(service, headers, body)
    value = _parsed(body)
    if code is None or not isinstance(value, dict):
        yield f"HTTP status {status} without the name of an error: {body[:60]!r}"
        return
    if not value.get("message") or not isinstance(value["message"], str):
        yield f"{code} without a message"
    if code in declared(name) or (code == II and VALIDATION in value.get("message", "")):
        expected = {STATUS[code][SERVICES.index(service)]}
    elif code in FRAMEWORK:
        expected = FRAMEWORK[code]
    else:
        yield f"{code} is not declared by this operation, which declares {', '.join(declared(name))}"
        return
    if status not in expected:
        yield f"{code} with HTTP status {status}, not {' or '.join(map(str, sorted(expected)))}"


# --- all answers


class Recorder:
    """Notes answers from any thread. Faults wait here for the test that is running; the counts stay."""

    def __init__(self):
        self._lock = threading.Lock()
        self._faults = []
        self.successes = collections.Counter()
        self.errors = collections.Counter()  # (operation, error)

    def note(self, name, status, headers, body):
        """One answer of an operation (None: of none, and nothing is noted)."""
        if name is None:
            return
        good = status < 300
        found = list(success_faults(name, status, body) if good else error_faults(name, status, headers, body))
        with self._lock:
            self._faults += [f"{name}: {text}" for text in found]
            if good:
                self.successes[name] += 1
            else:
                self.errors[name, error_code(OPERATIONS[name][0], headers, body)] += 1

    def note_botocore(self, response_dict, event_name, **_):
        """Handler of a client's response-received event; without a response when the connection broke."""
        if response_dict is None:
            return
        body = response_dict["body"]
        self.note(event_name.rsplit(".", 1)[1], response_dict["status_code"], response_dict["headers"], body)

    def watch(self, client):
        """Clients of other services (s3, iam, sts) are none of the model's."""
        if client.meta.service_model.service_name in SERVICES:
            client.meta.events.register("response-received.*", self.note_botocore)
        return client

    def take_faults(self):
        with self._lock:
            faults, self._faults = self._faults, []
        return list(dict.fromkeys(faults))

    # --- from process to process

    def counts(self):
        """What was noted, as JSON."""
        return [list(self.successes.items()), [[*key, n] for key, n in self.errors.items()]]

    def add(self, counts):
        """What another noted; None: nothing."""
        for name, n in counts[0] if counts else []:
            self.successes[name] += n
        for name, code, n in counts[1] if counts else []:
            self.errors[name, code] += n

    # --- what a whole run must have seen

    def lacks(self):
        """What was never exercised and is not excused: sentences. Also excuses that are not needed."""
        for name in OPERATIONS:
            if not self.successes[name]:
                yield f"{name} never succeeded"
            for code in declared(name):
                seen, excused = self.errors[name, code], (name, code) in UNREACHABLE
                if not seen and not excused:
                    yield f"{name} never gave {code}"
                if seen and excused:
                    yield f"{name} gave {code}: its row in conformance.py must go"

    def table(self):
        """Lines: operation, successes, declared errors with their counts; - marks what was not seen."""
        seen = sum(1 for name in OPERATIONS for code in declared(name) if self.errors[name, code])
        total = sum(len(declared(name)) for name in OPERATIONS)
        done = sum(1 for name in OPERATIONS if self.successes[name])
        yield f"{done} of {len(OPERATIONS)} operations, {seen} of {total} declared errors"
        for name in OPERATIONS:
            counts = " ".join(f"{SHORT[code]}:{self.errors[name, code] or '-'}" for code in declared(name))
            yield f"{name:<32}{self.successes[name] or '-':>7}  {counts}"


RECORDER = Recorder()
