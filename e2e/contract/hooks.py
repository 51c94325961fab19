"""What schemathesis has to know about Flightline beside its OpenAPI document.

Who calls, how a call that would end the caller is made by somebody else, and which answers are right although the
document alone does not foretell them. Nothing here leaves an operation out.

Settings: FLIGHTLINE_URL, FLIGHTLINE_PASSWORD (of the first admin), FLIGHTLINE_ROLE (as whom to call), and FLIGHTLINE_CALLS (a file
to which the number of answered calls is added as a line; none: nowhere).
"""

import atexit
import base64
import json
import os
import re
import threading
import uuid

import requests
import schemathesis
from requests.adapters import HTTPAdapter

URL = os.environ["FLIGHTLINE_URL"]
PASSWORD = os.environ["FLIGHTLINE_PASSWORD"]
ROLE = os.environ["FLIGHTLINE_ROLE"]


class OtherAddress(HTTPAdapter):
    """Log-ins that are guessed under test slow down their address; ours come from another."""

    def init_poolmanager(self, *args, **kwargs):
        super().init_poolmanager(*args, source_address=("127.0.0.2", 0), **kwargs)


class User:
    """Somebody with an account and a session."""

    def __init__(self, suite, user):
        self.suite, self.id, self.name = suite, user["id"], user["username"]
        self.log_in()

    def log_in(self):
        body = {"username": self.name, "password": PASSWORD}
        self.token = self.suite.call("POST", "/api/token", None, body)["access"]
        claims = self.token.split(".")[1]
        claims = base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4))
        self.session_id = json.loads(claims)["sid"]

    @property
    def bearer(self):
        return f"Bearer {self.token}"


class Suite:
    """The suite as its first admin knows it, who makes the accounts that the tests need."""

    def __init__(self):
        self.lock = threading.Lock()
        self.session = requests.Session()
        self.session.mount("http://", OtherAddress())
        token = self.call("POST", "/api/token", None, {"username": "admin", "password": PASSWORD})
        me = self.call("GET", "/api/users/me", token["access"])
        self.admin = User(self, me)
        self.caller = self.new_user()

    def call(self, method, path, token, body=None):
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = self.session.request(method, URL + path, json=body, headers=headers, timeout=30)
        answer.raise_for_status()
        return answer.json()

    def new_user(self):
        """Somebody of the role under test whom nobody misses."""
        name = f"spare-{uuid.uuid4()}"
        user = {"username": name, "email": f"{name}@example.org", "password": PASSWORD, "role": ROLE}
        return User(self, self.call("POST", "/api/users", self.admin.token, user))


suite = Suite()


@schemathesis.auth(refresh_interval=120)
class Caller:
    """Access tokens are good for five minutes."""

    def get(self, case, context):
        with suite.lock:
            suite.admin.log_in()
            suite.caller.log_in()
            return suite.caller.bearer

    def set(self, case, data, context):
        case.headers = {**(case.headers or {}), "Authorization": data}


def is_caller(case):
    return (case.headers or {}).get("Authorization") == suite.caller.bearer


@schemathesis.hook
def before_call(context, case, kwargs):
    path, method = case.operation.path, case.method.upper()
    if path.endswith("/watch"):
        # A stream has no end: it is read for as long as schemathesis.toml allows.
        case.headers["Accept"] = "text/event-stream"
    if not is_caller(case):
        return
    ids = case.path_parameters or {}
    with suite.lock:
        if path == "/api/logout":
            case.headers["Authorization"] = suite.new_user().bearer
        elif path == "/api/users/me/sessions/{id}" and ids.get("id") == suite.caller.session_id:
            spare = suite.new_user()
            ids["id"], case.headers["Authorization"] = spare.session_id, spare.bearer
        elif path.startswith(("/api/users/{id}", "/api/technicians/{id}")) and method != "GET":
            # Who calls must neither go nor change: somebody else does it to themselves.
            if ids.get("id") in ("me", suite.caller.id):
                spare = suite.new_user()
                case.headers["Authorization"] = spare.bearer
                ids["id"] = ids["id"] if ids["id"] == "me" else spare.id
            elif ids.get("id") == suite.admin.id:
                ids["id"] = suite.new_user().id


calls = 0


@schemathesis.hook
def after_call(context, case, response):
    global calls
    with suite.lock:
        calls += 1


@atexit.register
def say_how_many():
    if path := os.environ.get("FLIGHTLINE_CALLS"):
        with open(path, "a") as file:
            print(calls, file=file)


@schemathesis.check
def the_caller_is_let_in(context, response, case):
    """A run whose caller fell out would find nothing and say so in green."""
    is_public = case.operation.definition.raw.get("security") == []
    if response.status_code == 401 and not is_public and is_caller(case):
        raise AssertionError("the caller's session has ended")


# What a field may be wrong for that its schema can't tell, because other fields, other data, the caller or the time decide it: a
# 400 with nothing but these is right for a request that keeps to the document. The field and the whole message, as regular
# expressions.
BEYOND_SCHEMAS = (
    # Other data.
    (r"(rule\.)?equipment_id|equipment_ids\[\d+\]|parent_id", "there is no such equipment|is decommissioned"),
    ("task_id", "there is no such task"),
    ("assignee_id", "there is no such user|may not work on tasks"),
    ("parent_id", "is the equipment itself, or a part of it"),
    ("equipment_id", "is not the task's equipment|is required, unless the task has one"),
    ("page_token", "is not a page token of this list"),
    ("resume_token|last-event-id", "is not a resume token"),
    ("current_password", "is wrong"),
    # Other fields.
    ("end_time", "must be after start_time|must be at most 3660 days after start_time"),
    ("start_time", "must lie before end_time and before now|must lie before now, if there is no end_time"),
    ("max_points", "give either interval or max_points"),
    ("finished_at", "lies before started_at"),
    (r"(rule\.)?equipment_id", "give either equipment_id or equipment_type"),
    (r"(rule\.)?threshold", "is required"),
    (r"(rule\.)?on_delay", "must be at least 1s: how long nothing may come"),
    ("(new_)?password", "is little more than the username or e-mail address"),
    # What was there before, and who calls.
    ("equipment_id|recorded_at", "cannot change; send another reading and delete this one"),
    ("equipment_id|task_id", "can't change"),
    ("status", "is changed by SetTaskStatus, PATCH /api/tasks/{id}/status"),
    ("assignee_id", "is changed by ClaimTask, ReleaseTask and AssignTask, POST /api/tasks/{id}/claim and so on|an admin gives tasks to others"),
    # The time.
    ("expires_at", "must lie ahead"),
    ("started_at|finished_at", "lies in the future"),
    ("recorded_at|raised_at", "is more than ten minutes ahead"),
    # What the document says in words: of text, of passwords, of buckets.
    (r".*", "must not contain the character NUL"),
    ("(new_)?password", "is among the first that a guesser tries|must have 12 to 128 characters"),
    ("interval", "must be at least a millisecond"),
    ("interval|max_points|equipment_ids", r"\d+ series of \d+ buckets are \d+; one query answers at most \d+"),
    ("(full_)?name|email", "must have nothing that can't be seen or that changes the direction of text"),
)


# The head of a request may be so long.
HEAD_BYTES = 60_000


def is_beyond_schemas(error):
    return any(
        re.fullmatch(field, error["field"]) and re.fullmatch(message, error["message"])
        for field, message in BEYOND_SCHEMAS
    )


def is_beyond_formats(message, value):
    """Whether it is no value, although it has the form of one."""
    if "must be an id" in message:
        # A link with an empty id (of an alert that no rule raised, say) may lead to a filter.
        return value == ""
    # With its offset, a time of the first day there is may lie before it, and one of the last day behind it.
    return "must be a time" in message and str(value)[:10] in ("0001-01-01", "9999-12-31")


def lies_beyond_schemas(case, response):
    """Whether the refusal of a request that keeps to the document is right all the same."""
    given = {**(case.query or {}), **(case.body if isinstance(case.body, dict) else {})}
    if response.status_code == 412:
        return "etag" in given or any(name.lower() == "if-match" for name in case.headers or {})
    if response.status_code == 405:
        # A link with an empty id (of an alert that no rule raised, say) leads to the collection.
        return "" in (case.path_parameters or {}).values()
    errors = response.json().get("errors") or []
    return bool(errors) and all(
        is_beyond_schemas(error) or is_beyond_formats(error["message"], given.get(error["field"])) for error in errors
    )


def is_taken_on_purpose(failure, case, response):
    """Whether what breaks the document is taken because it can do no harm."""
    message = failure.message
    if "Value is not allowed" in message:
        # Fields that the service gives are ignored, so that a client can send back what it has read.
        return True
    if case.operation.path == "/api/data/batch":
        # Each reading is judged alone: the bad one is refused in an answer of success.
        return bool(response.json().get("refused"))
    if "resume_token" in message:
        # The header wins: a browser that comes back sends both.
        return any(name.lower() == "last-event-id" for name in case.headers or {})
    return False


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """Keeps the failures that are the suite's fault."""
    kind = type(failure).__name__
    if response.status_code == 431 and HEAD_BYTES < len(response.request.url):
        # HTTP itself refuses it, before anybody knows what was asked.
        return False
    if kind == "RejectedPositiveData":
        return not lies_beyond_schemas(case, response)
    if kind == "AcceptedNegativeData":
        return not is_taken_on_purpose(failure, case, response)
    if "" in (case.path_parameters or {}).values():
        # The answer is the collection's.
        return kind not in ("UndefinedStatusCode", "JsonSchemaError")
    return True
