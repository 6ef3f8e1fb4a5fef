"""Holds every answer against botocore's model of the service: first the raw body, because the
parser drops what it does not know, then what the parser made of it, with botocore's validator."""

import json
import re

from botocore.validate import ParamValidator

# Fields that a fault has falsified on purpose are not judged.
tolerated = set()


def watch(client):
    prefix = "gameliftstreams.*"
    client.meta.events.register(f"before-parse.{prefix}", check_raw)
    client.meta.events.register(f"after-call.{prefix}", check_parsed)


def check_raw(operation_model, response_dict, **_):
    headers = {name.lower(): value for name, value in response_dict["headers"].items()}
    assert "x-amzn-requestid" in headers, headers
    status, body = response_dict["status_code"], response_dict["body"]
    if status >= 300:
        return check_error(operation_model, status, headers, body)
    assert status == operation_model.http.get("responseCode", 200), status
    shape = operation_model.output_shape
    if shape is None:
        assert body == b"", body
    else:
        check_value(json.loads(body), shape, operation_model.name)


def check_error(operation_model, status, headers, body):
    code = headers["x-amzn-errortype"]
    content = json.loads(body)
    for shape in operation_model.error_shapes:
        if shape.name == code:
            assert status == shape.metadata["error"]["httpStatusCode"], (code, status)
            check_value(content, shape, code)
            return
    assert list(content) == ["message"], content


def check_value(value, shape, where):
    if where.split(".")[-1] in tolerated:
        return
    kind = shape.type_name
    if kind == "structure":
        assert isinstance(value, dict), where
        unknown = set(value) - set(shape.members)
        assert not unknown, f"{where} has {unknown}, which the model does not know"
        missing = set(shape.required_members) - set(value)
        assert not missing, f"{where} lacks {missing}"
        for name, member in value.items():
            check_value(member, shape.members[name], f"{where}.{name}")
    elif kind == "list":
        assert isinstance(value, list), where
        for item in value:
            check_value(item, shape.member, where)
    elif kind == "map":
        assert isinstance(value, dict), where
    elif kind == "string":
        check_text(value, shape, where)
    elif kind == "timestamp":
        assert isinstance(value, (int, float)) and value > 1e9, f"{where}: {value}"
    elif kind == "integer":
        assert isinstance(value, int), where
    elif kind == "boolean":
        assert isinstance(value, bool), where
    else:
        raise AssertionError(f"{where}: unexpected {kind}")


def check_text(value, shape, where):
    assert isinstance(value, str), f"{where}: {value!r}"
    if shape.enum:
        assert value in shape.enum, f"{where}: {value!r} is none of {shape.enum}"
    limits = shape.metadata
    assert limits.get("min", 0) <= len(value) <= limits.get("max", len(value)), f"{where}: {value!r}"
    if "pattern" in limits:
        assert re.fullmatch(limits["pattern"], value), f"{where}: {value!r} is not {limits['pattern']}"


def check_parsed(parsed, model, http_response, **_):
    if http_response.status_code >= 300 or model.output_shape is None:
        return
    content = {name: value for name, value in parsed.items() if name != "ResponseMetadata"}
    report = ParamValidator().validate(content, model.output_shape)
    assert not report.has_errors(), report.generate_report()
