"""Hooks of schemathesis: it asks as an admin of the demonstration's organization, as the manager is, and how often each operation
answered what is counted. tests/examine loads it.

What is made up for `/accounts/{id}` means account 1, which is the manager's own: its password, its roles, and that it may sign in
are changed in the run. So the one who asks is another admin of the same organization. Whatever ends that one's session, it signs in
again; when it can't any more, or may no longer do everything, the next admin takes over.

Environment: EXAMINE_GATEWAY is an address, EXAMINE_OPERATOR the operator's token, EXAMINE_COUNTS a file to be written at the end.
"""

import atexit
import collections
import json
import os
import urllib.error
import urllib.request
import uuid

import schemathesis
from schemathesis.openapi.checks import RejectedPositiveData

GATEWAY = "http://" + os.environ["EXAMINE_GATEWAY"]
PASSWORD = "correct horse"


def post(path, body, token=None):
    headers = {"Content-Type": "application/json"}
    if token:
        headers["Authorization"] = "Bearer " + token
    asked = urllib.request.Request(GATEWAY + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(asked, timeout=10) as answer:
        return json.load(answer)["data"]


def enter():
    """Enters another admin of the demonstration's organization: its address."""
    email = f"{uuid.uuid4()}@demo.example"
    account = {"organization_id": 1, "email": email, "password": PASSWORD, "full_name": "Examiner", "roles": ["admin"]}
    post("/api/v1/accounts", account, os.environ["EXAMINE_OPERATOR"])
    return email


@schemathesis.auth(refresh_interval=60)
class Admin:
    """Signs in again where an answer is 401, and once a minute."""

    def __init__(self):
        self.email = None

    def get(self, case, context):
        return self.sign_in() or self.take_over()

    def set(self, case, token, context):
        case.headers["Authorization"] = "Bearer " + token

    def sign_in(self):
        if self.email is None:
            return None
        try:
            tokens = post("/auth/login", {"email": self.email, "password": PASSWORD})
        except urllib.error.HTTPError as refused:
            # 429 is after too many guesses of its password.
            if refused.code not in (401, 429):
                raise
            return None
        return tokens["access_token"] if tokens["permissions"] == ["*"] else None

    def take_over(self):
        self.email = enter()
        counts["admins"]["in all"] += 1
        return self.sign_in()


counts = collections.defaultdict(collections.Counter)


@schemathesis.hook
def before_add_examples(context, examples):
    """What can't be made up: passwords and tokens that are right."""
    path = context.operation.path.removeprefix("/api/v1")
    if path not in ("/auth/login", "/auth/refresh"):
        return
    right = {"email": enter(), "password": PASSWORD}
    if path == "/auth/refresh":
        right = {"refresh_token": post("/auth/login", right)["refresh_token"]}
    examples.append(context.operation.Case(body=right, media_type="application/json"))


@schemathesis.hook
def before_call(context, case, kwargs):
    """A key that fits is one of its own: what is made up is short, and comes again with another body, which is refused."""
    if case.meta and case.meta.generation.mode.is_positive and "Idempotency-Key" in (case.headers or {}):
        case.headers["Idempotency-Key"] = str(uuid.uuid4())


@schemathesis.hook
def filter_failure(context, failure, case, response):
    """What fits the description, and is refused all the same."""
    return not (isinstance(failure, RejectedPositiveData) and (wants_no_stream(case, response) or names_no_role(case, response)))


def wants_no_stream(case, response):
    """A stream of events is for who asks for one: whoever takes anything, as schemathesis does (`Accept: */*`), would wait for its end."""
    return response.status_code == 406 and "text/event-stream" in case.operation.definition.raw["responses"]["200"]["content"]


def names_no_role(case, response):
    """The items of a list have no format, by which the description would tell the names of roles."""
    return response.status_code == 422 and [fault["field"] for fault in response.json()["error"]["details"].get("faults", [])] == ["roles"]


@schemathesis.hook
def after_call(context, case, response):
    # Methods that an operation isn't of are tried too.
    if case.method.upper() != case.operation.method.upper():
        return
    counts[case.operation.label][response.status_code] += 1


@atexit.register
def write():
    with open(os.environ["EXAMINE_COUNTS"], "w") as file:
        json.dump(counts, file)
