"""Validation, signatures, permissions and quotas: AWS's errors, as boto3 sees them."""

import datetime
import json
import threading
import urllib.request

import botocore.auth
import pytest
from botocore.exceptions import ClientError

from simulator import GROUP, KEY_ID, SECRET, start_input


def error(call, *arguments, **fields):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **fields)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"], response["Error"]["Message"]


@pytest.fixture
def careless(sim):
    """A client that leaves the judging of parameters to the service."""
    return sim.connect(parameter_validation=False)


@pytest.mark.parametrize(
    "change, member",
    [
        ({"Protocol": None}, "protocol"),
        ({"Protocol": "RTMP"}, "protocol"),
        ({"SignalRequest": None}, "signalRequest"),
        ({"SignalRequest": ""}, "signalRequest"),
        ({"ApplicationIdentifier": None}, "applicationIdentifier"),
        ({"ApplicationIdentifier": "a_b"}, "applicationIdentifier"),
        ({"ClientToken": "short"}, "clientToken"),
        ({"Description": "#"}, "description"),
        ({"UserId": "a b"}, "userId"),
        ({"Locations": []}, "locations"),
        ({"Locations": ["x" * 21]}, "locations.1.member"),
        ({"ConnectionTimeoutSeconds": 0}, "connectionTimeoutSeconds"),
        ({"ConnectionTimeoutSeconds": 3601}, "connectionTimeoutSeconds"),
        ({"SessionLengthSeconds": 86401}, "sessionLengthSeconds"),
        ({"AdditionalLaunchArgs": ["x"] * 101}, "additionalLaunchArgs"),
        ({"AdditionalEnvironmentVariables": {"1": "x"}}, "additionalEnvironmentVariables"),
        ({"RoleArn": "arn:aws:iam::1:role/x-x-x-x"}, "roleArn"),
        ({"Identifier": "sg_1"}, "identifier"),
    ],
)
def test_start_is_validated(careless, change, member):
    code, status, message = error(careless.start_stream_session, **start_input(**change))
    assert (code, status) == ("ValidationException", 400)
    assert f"at '{member}" in message


@pytest.mark.parametrize(
    "group, session, uri, member",
    [
        ("..", "s", "s3://b/", "identifier"),
        (GROUP, "..", "s3://b/", "streamSessionIdentifier"),
        (GROUP, "a/b", "s3://b/", "streamSessionIdentifier"),
        (GROUP, "x" * 129, "s3://b/", "streamSessionIdentifier"),
        (GROUP, "s", "s3://b", "outputUri"),
        (GROUP, "s", "", "outputUri"),
        (GROUP, "s", "s3://b/x.Zip", "outputUri"),
        (GROUP, "s", "s3://" + "b" * 1019 + "/", "outputUri"),
        (GROUP, "s", None, "outputUri"),
    ],
)
def test_export_is_validated(sim, careless, group, session, uri, member):
    sim.seed("s")
    fields = {} if uri is None else {"OutputUri": uri}
    code, status, message = error(
        careless.export_stream_session_files, Identifier=group, StreamSessionIdentifier=session, **fields
    )
    assert (code, status) == ("ValidationException", 400)
    assert f"at '{member}' failed to satisfy constraint: Member must" in message


def test_lists_are_validated(careless):
    for fields, member in [
        ({"MaxResults": 0}, "maxResults"),
        ({"MaxResults": 101}, "maxResults"),
        ({"Status": "GONE"}, "status"),
        ({"ExportFilesStatus": "DONE"}, "exportFilesStatus"),
    ]:
        code, status, message = error(careless.list_stream_sessions, Identifier=GROUP, **fields)
        assert (code, status) == ("ValidationException", 400)
        assert f"at '{member}'" in message
        assert error(careless.list_stream_sessions_by_account, **fields)[0] == "ValidationException"


def test_several_violations_come_together(careless):
    message = error(careless.list_stream_sessions, Identifier="a_b", MaxResults=0)[2]
    assert message.startswith("2 validation errors detected: Value 'a_b' at 'identifier' failed")


def test_a_body_of_wrong_types_is_a_serialization_error(careless):
    code, status, _ = error(
        careless.export_stream_session_files, Identifier=GROUP, StreamSessionIdentifier="s", OutputUri=5
    )
    assert (code, status) == ("SerializationException", 400)


def test_nothing_that_was_refused_has_had_an_effect(sim, careless):
    sim.seed("s")
    with pytest.raises(ClientError):
        sim.export("s", "s3://nowhere", client=careless)
    assert all("effectMs" not in record for record in sim.calls(operation="ExportStreamSessionFiles"))
    assert "ExportFilesMetadata" not in sim.get("s")


@pytest.mark.parametrize(
    "options, expected, words",
    [
        ({"aws_secret_access_key": "wrong"}, "InvalidSignatureException", "does not match"),
        ({"aws_access_key_id": "AKIAUNKNOWN"}, "UnrecognizedClientException", "invalid"),
        ({"aws_session_token": "surplus"}, "UnrecognizedClientException", "invalid"),
        ({"region_name": "eu-central-1"}, "InvalidSignatureException", "valid region"),
    ],
)
def test_a_wrong_signature_is_refused(sim, options, expected, words):
    client = sim.connect(**options)
    code, status, message = error(client.list_stream_sessions_by_account)
    assert (code, status) == (expected, 403)
    assert words in message


def test_an_unsigned_request_is_refused(sim):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(f"{sim.address['aws']}/streamsessions")
    with caught.value as answer:
        assert answer.code == 403
        assert answer.headers["x-amzn-ErrorType"] == "MissingAuthenticationTokenException"
        assert json.load(answer) == {"message": "Missing Authentication Token"}


@pytest.mark.parametrize("minutes, words", [(-6, "Signature expired"), (6, "Signature not yet current")])
def test_a_skewed_clock_is_refused(sim, monkeypatch, minutes, words):
    now = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(minutes=minutes)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda *_, **__: now.replace(tzinfo=None), raising=True)
    code, status, message = error(sim.client.list_stream_sessions_by_account)
    assert (code, status) == ("InvalidSignatureException", 403)
    assert words in message


def test_unknown_operations(sim):
    with pytest.raises(ClientError) as caught:
        sim.connect(checked=False).list_applications()
    assert caught.value.response["Error"]["Code"] == "UnknownOperationException"


def test_keys_of_other_accounts_see_their_own_world(sim):
    sim.control("POST", "keys", {"accessKeyId": "AKIAOTHER", "secretAccessKey": "s", "account": "444455556666"})
    other = sim.connect(aws_access_key_id="AKIAOTHER", aws_secret_access_key="s")
    assert error(other.list_stream_sessions, Identifier=GROUP)[0] == "ResourceNotFoundException"
    sim.control("POST", "groups", {"id": GROUP, "account": "444455556666"})
    arn = other.start_stream_session(**start_input())["Arn"]
    assert ":444455556666:" in arn
    assert sim.client.list_stream_sessions_by_account()["Items"] == []


def test_temporary_credentials_expire(sim):
    key = {"accessKeyId": "ASIATEMP", "secretAccessKey": "s", "sessionToken": "t", "expiresInSeconds": 3600}
    sim.control("POST", "keys", key)
    client = sim.connect(aws_access_key_id="ASIATEMP", aws_secret_access_key="s", aws_session_token="t")
    assert client.list_stream_sessions_by_account()["Items"] == []
    sim.control("POST", "time", {"seconds": 3600})
    code, status, message = error(client.list_stream_sessions_by_account)
    assert (code, status) == ("ExpiredTokenException", 403)
    assert message == "The security token included in the request is expired"
    assert "secret" not in json.dumps(sim.control("GET", "keys")).lower()


def test_denied_operations(sim):
    sim.control(
        "POST",
        "keys",
        {"accessKeyId": KEY_ID, "secretAccessKey": SECRET, "deny": ["ExportStreamSessionFiles"],
         "principal": "arn:aws:sts::111122223333:assumed-role/r/s"},
    )
    sim.seed("s")
    assert sim.get("s")
    code, status, message = error(sim.export, "s")
    assert (code, status) == ("AccessDeniedException", 403)
    assert message == (
        "User: arn:aws:sts::111122223333:assumed-role/r/s is not authorized to perform: "
        "gameliftstreams:ExportStreamSessionFiles on resource: "
        "arn:aws:gameliftstreams:us-west-2:111122223333:streamgroup/sg-1AB2C3De4"
    )


def hammer(sim, times):
    """Calls as fast as four threads can; returns (answered, throttled)."""
    outcomes = []

    def work():
        client = sim.connect()
        for _ in range(times // 4):
            try:
                client.list_stream_sessions_by_account()
                outcomes.append(200)
            except ClientError as caught:
                assert caught.response["Error"]["Code"] == "ThrottlingException"
                assert caught.response["Error"]["Message"] == "Rate exceeded"
                outcomes.append(caught.response["ResponseMetadata"]["HTTPStatusCode"])

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes.count(200), outcomes.count(429)


def test_more_requests_than_the_quota_are_throttled(sim):
    # So few that the slowest machine calls faster.
    sim.control("PUT", "quota", {"perSecond": 2})
    answered, throttled = hammer(sim, 60)
    assert answered >= 2 and throttled >= 1
    assert answered + throttled == 60
    counts = sim.control("GET", "counts")["ListStreamSessionsByAccount"]
    assert counts["ok"] == answered
    assert counts["errors"] == {"ThrottlingException": throttled}
    # Other operations have their own.
    sim.client.list_stream_sessions(Identifier=GROUP)


def test_the_quota_can_be_switched_off(start):
    sim = start("--quota", "20")
    assert sim.control("GET", "quota") == {"enabled": True, "perSecond": 20, "operations": {}}
    sim.control("PUT", "quota", {"enabled": False})
    assert hammer(sim, 80) == (80, 0)
