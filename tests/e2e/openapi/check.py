"""Checks an OpenAPI document, and answers against what it says of them.

Usage: check.py DOCUMENT ANSWERS

ANSWERS is a JSON list of objects: `what` was asked, the `schema` of the answer as a pointer into the document, and the
`body` that came. Numbers are read as decimals: 25.99 is a multiple of 0.01, which binary fractions can't tell.
"""

import json
import sys
from decimal import Decimal

from jsonschema import Draft202012Validator, FormatChecker
from openapi_spec_validator import OpenAPIV31SpecValidator


def read(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file, parse_float=Decimal)


document, answers = read(sys.argv[1]), read(sys.argv[2])
with open(sys.argv[1], encoding="utf-8") as file:
    faults = [str(error) for error in OpenAPIV31SpecValidator(json.load(file)).iter_errors()]
for answer in answers:
    validator = Draft202012Validator({**document, "$ref": "#" + answer["schema"]}, format_checker=FormatChecker())
    for error in validator.iter_errors(answer["body"]):
        faults.append(f"{answer['what']}: {error.json_path}: {error.message}")
print("\n".join(faults))
sys.exit(1 if faults else 0)
