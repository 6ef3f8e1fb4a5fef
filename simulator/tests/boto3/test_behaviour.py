"""The switches for what AWS leaves unsaid, and the passing of time."""

import datetime
import time

import pytest
from botocore.exceptions import ClientError

from simulator import GROUP


def metadata(sim, session="s"):
    return sim.get(session).get("ExportFilesMetadata")


def refused(call, *arguments):
    with pytest.raises(ClientError) as caught:
        call(*arguments)
    return caught.value.response["Error"]["Code"]


def listed(sim, **filters):
    items = sim.client.list_stream_sessions(Identifier=GROUP, **filters)["Items"]
    return {item["Arn"].rsplit("/", 1)[1]: item.get("ExportFilesMetadata") for item in items}


def test_a_what_a_pending_export_shows(sim):
    sim.seed("s")
    sim.export("s", "s3://exports/p/")
    assert metadata(sim)["OutputUri"] == "s3://exports/p/"
    sim.behave(pendingOutputUri="absent")
    assert metadata(sim) == {"Status": "PENDING"}
    sim.behave(pendingOutputUri="finalKey")
    shown = metadata(sim)["OutputUri"]
    assert shown.endswith(f"-{GROUP}-s.zip")
    sim.terminate("s")
    assert sim.wait_exported("s")["OutputUri"] == shown, "what was announced is what comes"


def test_b_a_second_uri(sim):
    for rule, expected in [("replace", "s3://exports/2/"), ("ignore", "s3://exports/1/"), ("refuse", "s3://exports/1/")]:
        sim.behave(secondExport=rule)
        sim.seed(rule)
        sim.export(rule, "s3://exports/1/")
        if rule == "refuse":
            assert refused(sim.export, rule, "s3://exports/2/") == "ValidationException"
        else:
            sim.export(rule, "s3://exports/2/")
        sim.export(rule, metadata(sim, rule)["OutputUri"])
        assert metadata(sim, rule)["OutputUri"] == expected


def test_c_when_the_bucket_is_checked(sim):
    sim.seed("late", "early", "both", "good")
    sim.export("late", "s3://nowhere-at-all/")
    for rule, session in [("atCall", "early"), ("both", "both")]:
        sim.behave(bucketCheck=rule)
        assert refused(sim.export, session, "s3://nowhere-at-all/") == "ValidationException"
        assert refused(sim.export, session, "s3://denied/") == "ValidationException"
        assert metadata(sim, session) is None
    sim.export("good", "s3://exports/")


def test_c_a_bucket_that_vanishes_after_the_call(sim):
    for rule, status in [("both", "FAILED"), ("atCall", "PENDING")]:
        sim.s3.create_bucket(Bucket=f"fleeting-{rule.lower()}")
        sim.behave(bucketCheck=rule)
        sim.seed(rule)
        sim.export(rule, f"s3://fleeting-{rule.lower()}/")
        sim.s3.delete_bucket(Bucket=f"fleeting-{rule.lower()}")
        sim.terminate(rule)
        sim.wait(rule, lambda _: sim.control("GET", f"journal?kind=upload&session={rule}")["records"])
        time.sleep(0.1)
        assert metadata(sim, rule)["Status"] == status


def test_d_ended_sessions_are_forgotten(sim):
    sim.seed("s")
    sim.terminate("s")
    sim.wait("s", lambda s: s["Status"] == "TERMINATED")
    sim.control("POST", "time", {"seconds": 89 * 86400})
    assert sim.get("s")
    sim.behave(retentionMs=1000)
    assert refused(sim.get, "s") == "ResourceNotFoundException"
    assert listed(sim) == {}


def test_e_reads_lag(sim):
    sim.behave(getLagMs=60_000, listLagMs=120_000)
    sim.seed("s", ageSeconds=600)
    sim.export("s")
    assert metadata(sim) is None and listed(sim)["s"] is None
    assert listed(sim, ExportFilesStatus="PENDING") == {}
    sim.control("POST", "time", {"seconds": 60})
    assert metadata(sim)["Status"] == "PENDING" and listed(sim)["s"] is None
    sim.control("POST", "time", {"seconds": 60})
    assert listed(sim)["s"]["Status"] == "PENDING"
    assert list(listed(sim, ExportFilesStatus="PENDING")) == ["s"]


def test_e_filters_lag_behind_what_lists_show(sim):
    sim.behave(listFilterLagMs=60_000)
    sim.seed("s", ageSeconds=600)
    sim.export("s")
    assert listed(sim)["s"]["Status"] == "PENDING"
    assert listed(sim, ExportFilesStatus="PENDING") == {}
    sim.control("POST", "time", {"seconds": 60})
    assert list(listed(sim, ExportFilesStatus="PENDING")) == ["s"]


def test_e_new_sessions_appear_late(sim):
    sim.behave(newSessionLagMs=60_000)
    arn = sim.start_session()["Arn"]
    assert refused(sim.get, arn) == "ResourceNotFoundException"
    assert listed(sim) == {}
    sim.control("POST", "time", {"seconds": 60})
    assert sim.get(arn)["Status"] == "ACTIVE"


@pytest.mark.parametrize("rule, status", [("upload", "SUCCEEDED"), ("fail", "FAILED")])
def test_f_credentials_expired_by_the_time_of_the_upload(sim, rule, status):
    sim.behave(expiredCaller=rule)
    key = {"accessKeyId": "ASIATEMP", "secretAccessKey": "s", "sessionToken": "t", "expiresInSeconds": 3600}
    sim.control("POST", "keys", key)
    client = sim.connect(aws_access_key_id="ASIATEMP", aws_secret_access_key="s", aws_session_token="t")
    sim.seed("s")
    sim.export("s", client=client)
    sim.control("POST", "time", {"seconds": 7200})
    sim.terminate("s")
    export = sim.wait_exported("s")
    assert export["Status"] == status
    if status == "FAILED":
        assert export["StatusReason"].startswith("ExpiredToken: The provided token has expired.")


@pytest.mark.parametrize("rule, status", [("upload", "SUCCEEDED"), ("fail", "FAILED"), ("pending", "PENDING")])
def test_h_a_session_that_ends_in_error(sim, rule, status):
    sim.behave(errorExport=rule)
    sim.seed("s")
    sim.export("s", "s3://exports/s.zip")
    sim.control("PATCH", "sessions/s", {"status": "ERROR", "statusReason": "internalError"})
    export = sim.wait("s", lambda s: s["ExportFilesMetadata"]["Status"] == status)["ExportFilesMetadata"]
    assert export.get("StatusReason") == ("The stream session ended in ERROR status." if rule == "fail" else None)
    time.sleep(0.2)
    assert metadata(sim)["Status"] == status
    uploads = sim.control("GET", "journal?kind=upload&session=s")["records"]
    assert len(uploads) == (1 if rule == "upload" else 0)


def test_overrides_are_for_the_sessions_of_a_pattern(sim):
    override = {"session": "odd-*", "set": {"pendingOutputUri": "absent"}}
    answer = sim.control("PUT", "behaviour", {"defaults": {"uploadDelayMs": 20}, "overrides": [override]})
    assert answer["defaults"]["uploadDelayMs"] == 20
    assert answer["defaults"]["activationDelayMs"] == 1000, "PUT goes back to the defaults"
    sim.seed("odd-1", "even-1")
    for session in ("odd-1", "even-1"):
        sim.export(session)
    assert metadata(sim, "odd-1") == {"Status": "PENDING"}
    assert "OutputUri" in metadata(sim, "even-1")
    status, why = sim.refused("PATCH", "behaviour", {"defaults": {"pendingOutputUrl": "absent"}})
    assert status == 400 and "pendingOutputUrl" in why


def test_time_ends_sessions_and_delivers_their_files(sim):
    sim.seed("s", sessionLengthSeconds=3600)
    sim.export("s")
    before = sim.get("s")["CreatedAt"]
    sim.control("POST", "time", {"seconds": 3600})
    assert sim.wait_exported("s")["Status"] == "SUCCEEDED"
    ended = sim.get("s")
    assert (ended["Status"], ended["StatusReason"]) == ("TERMINATED", "maxSessionLengthTimeout")
    assert ended["LastUpdatedAt"] - before >= datetime.timedelta(hours=1)


def test_sessions_can_be_forced(sim):
    sim.seed("s", status="ACTIVATING")
    change = lambda body: sim.control("PATCH", "sessions/s", body)
    assert change({"status": "CONNECTED"})["status"] == "CONNECTED"
    assert "StreamingStartedAt" in sim.get("s")
    change({"export": {"outputUri": "s3://foreign/x.zip"}})
    assert metadata(sim)["OutputUri"] == "s3://foreign/x.zip"
    change({"clearExport": True})
    assert metadata(sim) is None
    sim.control("POST", "sessions/s/end", {"reason": "applicationExit"})
    ended = sim.wait("s", lambda s: s["Status"] == "TERMINATED")
    assert ended["StatusReason"] == "applicationExit"
    assert sim.refused("PATCH", "sessions/none", {"status": "ACTIVE"})[0] == 404
    assert sim.refused("PATCH", "sessions/s", {"status": "GONE"})[0] == 400
    assert sim.refused("POST", "sessions", {"ids": ["s"]})[0] == 409


@pytest.mark.parametrize(
    "status, reason",
    [
        ("ERROR", "internalError"),
        ("ERROR", "invalidSignalRequest"),
        ("ERROR", "placementTimeout"),
        ("ERROR", "applicationLogS3DestinationError"),
        ("ERROR", "assumeRoleFailed"),
        ("TERMINATED", "applicationExit"),
        ("TERMINATED", "connectionTimeout"),
        ("TERMINATED", "reconnectionTimeout"),
        ("TERMINATED", "maxSessionLengthTimeout"),
        ("TERMINATED", "idleTimeout"),
        ("TERMINATED", "apiTerminated"),
    ],
)
def test_every_status_reason_of_the_model_is_served(sim, status, reason):
    sim.seed("seeded", status=status, statusReason=reason)
    sim.seed("changed")
    sim.control("PATCH", "sessions/changed", {"status": status, "statusReason": reason})
    for session in ("seeded", "changed"):
        shown = sim.get(session)
        assert (shown["Status"], shown["StatusReason"]) == (status, reason)
    items = sim.client.list_stream_sessions(Identifier=GROUP, Status=status)["Items"]
    assert [item["StatusReason"] for item in items] == [reason] * 2


def test_a_status_reason_that_the_model_does_not_know_is_refused(sim):
    sim.seed("s")
    for method, path, body in [
        ("POST", "sessions", {"status": "ERROR", "statusReason": "crashed"}),
        ("PATCH", "sessions/s", {"status": "ERROR", "statusReason": "crashed"}),
        ("PATCH", "sessions/s", {"end": "crashed"}),
        ("POST", "sessions/s/end", {"reason": "crashed"}),
    ]:
        status, why = sim.refused(method, path, body)
        assert status == 400 and "crashed" in why, (method, path)
    assert sim.get("s")["Status"] == "ACTIVE"


def test_a_client_that_leaves_may_come_back(sim):
    sim.seed("s", status="CONNECTED")
    assert sim.control("POST", "sessions/s/disconnect")["status"] == "PENDING_CLIENT_RECONNECTION"
    sim.export("s")
    status, why = sim.refused("POST", "sessions/s/disconnect")
    assert status == 409 and "PENDING_CLIENT_RECONNECTION" in why
    assert sim.refused("POST", "sessions/none/disconnect")[0] == 404
    sim.control("POST", "time", {"seconds": 120})
    ended = sim.wait("s", lambda s: s["Status"] == "TERMINATED")
    assert ended["StatusReason"] == "reconnectionTimeout"


def test_a_session_of_a_stream_url_ends_when_its_client_leaves(sim):
    sim.seed("s", status="CONNECTED", endsOnDisconnect=True)
    sim.export("s", "s3://exports/s.zip")
    sim.control("POST", "sessions/s/disconnect")
    assert refused(sim.export, "s", "s3://exports/other.zip") == "ValidationException"
    assert sim.wait_exported("s")["Status"] == "SUCCEEDED"
    states = sim.control("GET", "journal?kind=session&session=s")["records"]
    assert [state["to"] for state in states] == ["CONNECTED", "TERMINATING", "TERMINATED"]
    status, why = sim.refused("POST", "sessions", {"endsOnDisconnect": True, "status": "RECONNECTING"})
    assert status == 409 and "RECONNECTING" in why


def test_where_the_log_files_are(sim):
    sim.seed("seeded", logFileLocationUri="s3://logs/seeded/")
    sim.seed("changed", "without")
    sim.control("PATCH", "sessions/changed", {"logFileLocationUri": "s3://logs/changed/"})
    assert sim.get("seeded")["LogFileLocationUri"] == "s3://logs/seeded/"
    assert sim.get("changed")["LogFileLocationUri"] == "s3://logs/changed/"
    assert "LogFileLocationUri" not in sim.get("without")
    items = sim.client.list_stream_sessions(Identifier=GROUP)["Items"]
    assert not any("LogFileLocationUri" in item for item in items), "summaries have no such field"


def test_an_export_that_is_set_by_hand(sim):
    sim.seed("s", status="TERMINATED")
    export = {"status": "FAILED", "outputUri": "s3://b/x.zip", "statusReason": "because"}
    sim.control("PATCH", "sessions/s", {"export": export})
    assert metadata(sim) == {"Status": "FAILED", "OutputUri": "s3://b/x.zip", "StatusReason": "because"}
