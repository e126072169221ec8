"""How schemathesis asks: as the manager of the demonstration, and with keys that are not made up twice."""

import json
import os
import urllib.request
import uuid

import schemathesis

WHO = {"email": "manager@demo.example", "password": "manager-demo"}


@schemathesis.auth(refresh_interval=5)
class Manager:
    """Signs in again and again, since some of the requests end sessions."""

    def get(self, case, context):
        asked = urllib.request.Request(
            f"http://{os.environ['GATEWAY']}/auth/login", json.dumps(WHO).encode(), {"Content-Type": "application/json"})
        with urllib.request.urlopen(asked) as answer:
            return json.load(answer)["data"]["access_token"]

    def set(self, case, data, context):
        case.headers["Authorization"] = f"Bearer {data}"


@schemathesis.hook
def map_headers(context, headers):
    """What is made up of a key is short and comes again, with other bodies."""
    if headers and "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    return headers
