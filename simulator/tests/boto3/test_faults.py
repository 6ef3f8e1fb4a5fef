"""Faults by rule."""

import contextlib
import email.utils
import http.client
import json
import time
import types
import urllib.parse

import pytest
from botocore.awsrequest import AWSResponse
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError, ReadTimeoutError
from botocore.parsers import ResponseParserError

import model
from simulator import GROUP, session_arn


def error(call, *arguments):
    with pytest.raises(ClientError) as caught:
        call(*arguments)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


@pytest.fixture
def sim(start):
    simulator = start()
    simulator.seed("s", "other")
    return simulator


@pytest.mark.parametrize(
    "action, expected",
    [
        ("throttle", ("ThrottlingException", 429)),
        ("accessDenied", ("AccessDeniedException", 403)),
        ("expiredToken", ("ExpiredTokenException", 403)),
        ("notFound", ("ResourceNotFoundException", 404)),
        ({"type": "validation", "message": "no"}, ("ValidationException", 400)),
        ("error5xx", ("InternalServerException", 500)),
    ],
)
def test_errors_without_effect(sim, action, expected):
    sim.fault(action, operation="ExportStreamSessionFiles")
    assert error(sim.export, "s") == expected
    assert "ExportFilesMetadata" not in sim.get("s")
    record = sim.calls(operation="ExportStreamSessionFiles")[0]
    assert record["faults"] == [action if isinstance(action, str) else action["type"]]
    assert "effectMs" not in record


def test_errors_after_the_effect(sim):
    sim.fault({"type": "error5xx", "status": 503, "code": "ServiceUnavailableException", "afterEffect": True}, first=1)
    unchecked = sim.connect(checked=False)
    assert error(lambda: sim.export("s", client=unchecked)) == ("ServiceUnavailableException", 503)
    assert sim.get("s")["ExportFilesMetadata"]["Status"] == "PENDING"


def test_a_proxys_page(sim):
    sim.fault("html503", operation="GetStreamSession", first=1)
    client = sim.connect(checked=False)
    with pytest.raises((ClientError, ResponseParserError)) as caught:
        client.get_stream_session(Identifier=GROUP, StreamSessionIdentifier="s")
    if isinstance(caught.value, ClientError):
        assert caught.value.response["ResponseMetadata"]["HTTPStatusCode"] == 503
    assert sim.get("s")


def test_a_body_that_breaks_off(sim):
    sim.fault("brokenJson", operation="GetStreamSession", first=1)
    raw = []
    client = sim.connect(checked=False)
    client.meta.events.register("before-parse.gameliftstreams.*", lambda response_dict, **_: raw.append(response_dict))
    # botocore takes what it cannot read for an empty answer.
    assert "Status" not in client.get_stream_session(Identifier=GROUP, StreamSessionIdentifier="s")
    assert raw[0]["status_code"] == 200
    with pytest.raises(json.JSONDecodeError):
        json.loads(raw[0]["body"])
    record = sim.calls(operation="GetStreamSession")[0]
    assert record["status"] == 200 and record["faults"] == ["brokenJson"]


def test_a_body_as_long_as_told(sim):
    sim.fault({"type": "oversizedBody", "bytes": 3_000_000}, operation="GetStreamSession")
    answer = sim.get("s")
    assert answer["Status"] == "ACTIVE"
    assert answer["ResponseMetadata"]["HTTPHeaders"]["content-length"] == "3000000"


def test_a_body_without_an_end(sim):
    sim.fault("endlessBody", operation="ExportStreamSessionFiles")
    sim.fault("endlessBody", operation="ListStreamSessions")
    read = []

    def read_some(request, **_):
        """Sends the signed request, reads 50 MB of the answer and closes the connection."""
        connection = http.client.HTTPConnection(urllib.parse.urlsplit(request.url).netloc, timeout=10)
        headers = {name: value for name, value in request.headers.items()}
        connection.request(request.method, request.url, request.body, headers)
        with contextlib.closing(connection), connection.getresponse() as answer:
            assert (answer.status, answer.getheader("content-length")) == (200, None)
            read.append(answer.read(50_000_000))
        return AWSResponse(request.url, 200, {}, types.SimpleNamespace(stream=lambda: [b"{}"]))

    client = sim.connect(checked=False)
    client.meta.events.register("before-send.gameliftstreams.*", read_some)
    sim.export("s", client=client)
    client.list_stream_sessions(Identifier=GROUP)
    assert [len(body) for body in read] == [50_000_000] * 2
    assert (json.loads(read[0]), json.loads(read[1])["Items"][0]["Status"]) == ({}, "ACTIVE")
    assert sim.get("s")["ExportFilesMetadata"]["Status"] == "PENDING"
    assert [call["faults"] for call in sim.calls(operation="ExportStreamSessionFiles")] == [["endlessBody"]]


@pytest.mark.parametrize("action, effect", [("resetBefore", False), ("resetAfter", True)])
def test_resets(sim, action, effect):
    sim.fault(action, operation="ExportStreamSessionFiles", first=1)
    with pytest.raises(ConnectionClosedError) as caught:
        sim.export("s")
    assert "ConnectionResetError" in repr(caught.value.__context__) + repr(caught.value.kwargs), caught.value.kwargs
    assert ("ExportFilesMetadata" in sim.get("s")) is effect
    record = sim.calls(operation="ExportStreamSessionFiles")[0]
    assert "status" not in record
    assert ("effectMs" in record) is effect
    assert sim.control("GET", "counts")["ExportStreamSessionFiles"]["errors"] == {"reset": 1}
    sim.export("s")


def test_an_effect_comes_although_the_caller_has_gone(sim):
    sim.fault({"type": "latency", "ms": 1500}, operation="ExportStreamSessionFiles")
    impatient = sim.connect(config=Config(read_timeout=0.3, retries={"total_max_attempts": 1}))
    with pytest.raises(ReadTimeoutError):
        sim.export("s", client=impatient)
    assert "ExportFilesMetadata" not in sim.get("s")
    sim.wait("s", lambda s: "ExportFilesMetadata" in s)


def test_latency_after_the_effect(sim):
    sim.fault({"type": "latency", "ms": 300, "afterEffect": True}, operation="ExportStreamSessionFiles")
    before = time.monotonic()
    sim.export("s")
    assert time.monotonic() - before >= 0.3
    record = sim.calls(operation="ExportStreamSessionFiles")[0]
    assert record["durationMs"] >= 300
    effect_after = record["effectMs"] - record["ms"]
    assert record["durationMs"] - effect_after >= 299, "the delay comes after the effect"


@pytest.mark.parametrize("field, name", [("session", "Status"), ("export", "ExportFilesMetadata")])
def test_unknown_words(sim, monkeypatch, field, name):
    monkeypatch.setattr(model, "tolerated", {"Status"})
    sim.export("s")
    sim.fault({"type": "unknownEnum", "field": field, "value": "ASLEEP"}, session="s")
    unknown = lambda answer: (answer["Status"], answer.get("ExportFilesMetadata", {}).get("Status"))
    expected = ("ASLEEP", "PENDING") if field == "session" else ("ACTIVE", "ASLEEP")
    assert unknown(sim.get("s")) == expected
    items = sim.client.list_stream_sessions(Identifier=GROUP)["Items"]
    listed = {item["Arn"]: unknown(item) for item in items}
    assert listed == {session_arn("s"): expected, session_arn("other"): ("ACTIVE", None)}


def test_hostile_reasons(sim, monkeypatch):
    monkeypatch.setattr(model, "tolerated", {"StatusReason"})
    sim.control("PATCH", "sessions/s", {"export": {"status": "FAILED", "outputUri": "s3://b/"}})
    sim.fault({"type": "statusReason"}, session="s")
    reason = sim.get("s")["ExportFilesMetadata"]["StatusReason"]
    assert len(reason) == 1024
    assert {"\x1b", "\n", "\u202e", "\x00"} <= set(reason)
    sim.control("DELETE", "faults")
    sim.fault({"type": "statusReason", "field": "session", "value": "x\u2066y"}, session="s")
    assert sim.get("s")["StatusReason"] == "x\u2066y"


def test_metadata_that_is_missing(sim):
    sim.export("s", "s3://exports/p/")
    for action, expected in [
        ("omitOutputUri", {"Status": "PENDING"}),
        ("emptyExportMetadata", {}),
        ("omitExportMetadata", None),
        ({"type": "outputUri", "value": "s3://other/"}, {"Status": "PENDING", "OutputUri": "s3://other/"}),
    ]:
        rule = sim.fault(action, session="s")
        assert sim.get("s").get("ExportFilesMetadata") == expected
        sim.control("DELETE", f"faults/{rule}")
    assert sim.get("s")["ExportFilesMetadata"]["OutputUri"] == "s3://exports/p/"


def test_another_arn(sim):
    sim.fault({"type": "arn", "value": session_arn("elsewhere")}, session="s")
    assert sim.get("s")["Arn"] == session_arn("elsewhere")
    items = sim.client.list_stream_sessions(Identifier=GROUP)["Items"]
    assert {item["Arn"] for item in items} == {session_arn("elsewhere"), session_arn("other")}


def test_a_single_read_that_lags(sim):
    sim.export("s")
    sim.fault({"type": "readLag", "ms": 60_000}, operation="GetStreamSession", first=1)
    assert "ExportFilesMetadata" not in sim.get("s")
    assert "ExportFilesMetadata" in sim.get("s")


@pytest.mark.parametrize("hours", [-10, 10])
def test_a_wrong_date(sim, hours):
    sim.fault({"type": "wrongDate", "offsetSeconds": hours * 3600})
    headers = sim.get("s")["ResponseMetadata"]["HTTPHeaders"]
    sent = email.utils.parsedate_to_datetime(headers["date"]).timestamp()
    assert abs(sent - time.time() - hours * 3600) < 60


def test_which_call_goes_wrong(sim):
    sim.fault("throttle", operation="GetStreamSession", session="s", nth=2)
    sim.get("other")
    sim.get("s")
    assert error(sim.get, "s")[0] == "ThrottlingException"
    sim.get("s")
    rule = sim.control("GET", "faults")["faults"][0]
    assert (rule["matched"], rule["applied"]) == (3, 1)
    sim.control("DELETE", "faults")
    sim.fault("throttle", every=2)
    sim.get("s")
    assert error(sim.get, "other")[0] == "ThrottlingException"


def test_rules_that_make_no_sense_are_refused(sim):
    for rule in [
        {},
        {"action": {"type": "nonsense"}},
        {"action": {"type": "latency"}},
        {"action": {"type": "oversizedBody"}},
        {"action": {"type": "throttle"}, "opration": "GetStreamSession"},
        {"action": {"type": "throttle"}, "nth": 0},
        {"action": {"type": "error5xx", "status": 200}},
    ]:
        assert sim.refused("POST", "faults", rule)[0] == 400, rule
    two = [{"action": {"type": "throttle"}}, {"action": {"type": "nonsense"}}]
    assert sim.refused("POST", "faults", two)[0] == 400
    assert sim.control("GET", "faults")["faults"] == [], "all or none"
    assert sim.refused("DELETE", "faults/7")[0] == 404
