"""A collector of OpenTelemetry: takes spans by OTLP over HTTP, and prints each as a line of JSON.

Usage: sink.py PORT
"""

import json
import logging
import sys

from google.protobuf.json_format import MessageToDict
from oteltest.sink import HttpSink
from oteltest.sink.handler import RequestHandler


def plain(attributes):
    """Attributes by name."""
    return {each["key"]: next(iter(each["value"].values()), "") for each in attributes}


class Printing(RequestHandler):
    """Prints spans with the attributes of the process that they come from."""

    def handle_trace(self, request, context):
        for of_resource in request.resource_spans:
            resource = plain(MessageToDict(of_resource.resource)["attributes"])
            for of_scope in of_resource.scope_spans:
                for span in of_scope.spans:
                    shown = MessageToDict(span)
                    shown["attributes"] = plain(shown["attributes"])
                    for name in ("trace_id", "span_id", "parent_span_id"):
                        shown[name] = getattr(span, name).hex()
                    shown["resource"] = resource
                    shown["headers"] = {name.lower(): value for name, value in context.items()}
                    print(json.dumps(shown), flush=True)

    def handle_metrics(self, request, context):
        raise NotImplementedError

    def handle_logs(self, request, context):
        raise NotImplementedError


sink = HttpSink(Printing(), logging.getLogger(), int(sys.argv[1]), daemon=False)
sink.start()
print("ready", flush=True)
