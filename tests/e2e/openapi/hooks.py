"""How schemathesis asks: with keys that are not made up twice, since what is made up is short and comes again with other bodies."""

import uuid

import schemathesis


@schemathesis.hook
def map_headers(context, headers):
    """Each request that has a key has one of its own."""
    if headers and "Idempotency-Key" in headers:
        headers["Idempotency-Key"] = str(uuid.uuid4())
    return headers
