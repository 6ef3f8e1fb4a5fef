"""The six operations, as somebody uses them who knows only AWS's documents."""

import csv
import datetime
import io
import re
import zipfile

import pytest
from botocore.exceptions import ClientError

from simulator import ACCOUNT, APPLICATION, GROUP, REGION, group_arn, session_arn, start_input


def code(call, *arguments, **fields):
    with pytest.raises(ClientError) as caught:
        call(*arguments, **fields)
    response = caught.value.response
    return response["Error"]["Code"], response["ResponseMetadata"]["HTTPStatusCode"]


def objects(sim, bucket="exports"):
    return [entry["Key"] for entry in sim.s3.list_objects_v2(Bucket=bucket).get("Contents", [])]


def test_from_start_to_zip(sim):
    started = sim.start_session(Description="a b", UserId="u-1", SessionLengthSeconds=600)
    arn = started["Arn"]
    session = arn.rsplit("/", 1)[1]
    assert arn == session_arn(session)
    assert started["Status"] == "ACTIVATING"
    assert (started["StreamGroupId"], started["SessionLengthSeconds"]) == (GROUP, 600)
    assert started["ConnectionTimeoutSeconds"] == 120, "AWS's default"

    active = sim.wait(session, lambda s: s["Status"] == "ACTIVE")
    assert "ExportFilesMetadata" not in active
    assert active["ApplicationArn"].endswith(f"application/{APPLICATION}")
    assert active["Location"] == REGION
    age = datetime.datetime.now(datetime.timezone.utc) - active["CreatedAt"]
    assert age < datetime.timedelta(seconds=30)

    exported = sim.export(session, "s3://exports/team-a/")
    assert set(exported) == {"ResponseMetadata"}
    pending = sim.get(session)["ExportFilesMetadata"]
    assert pending == {"Status": "PENDING", "OutputUri": "s3://exports/team-a/"}

    sim.terminate(session)
    done = sim.wait_exported(session)
    assert done["Status"] == "SUCCEEDED"
    name = rf"s3://exports/team-a/\d{{8}}-\d{{6}}-{APPLICATION}-{GROUP}-{session}\.zip"
    assert re.fullmatch(name, done["OutputUri"]), done
    ended = sim.get(session)
    assert (ended["Status"], ended["StatusReason"]) == ("TERMINATED", "apiTerminated")
    # A read may come too late to see each of them.
    states = sim.control("GET", f"journal?kind=session&session={session}")["records"]
    assert [state["to"] for state in states] == ["ACTIVATING", "ACTIVE", "TERMINATING", "TERMINATED"]

    key = done["OutputUri"].removeprefix("s3://exports/")
    assert objects(sim) == [key]
    with zipfile.ZipFile(io.BytesIO(sim.s3.get_object(Bucket="exports", Key=key)["Body"].read())) as archive:
        assert archive.testzip() is None, "every CRC holds"
        names = archive.namelist()
        assert {name.split("/")[0] for name in names} == {"application", "profile", "temp", "stats"}
        assert sizes(archive) == [4096] * 6


STATS = "stats/perf_stats_v1.csv"
COLUMNS = [
    "timestamp",
    "app_cpu_normalized",
    "app_mem_mb",
    "app_mem_normalized",
    "shared_sys_cpu_pct",
    "shared_sys_mem_mb",
    "shared_sys_mem_pct",
    "shared_sys_gpu_pct",
    "shared_sys_vram_mb",
    "shared_sys_vram_pct",
]


def sizes(archive):
    """Of the files that the application left behind."""
    return [info.file_size for info in archive.infolist() if not info.is_dir() and info.filename != STATS]


def stats(sim, key):
    """The rows of the performance stats, by the columns that AWS documents."""
    body = sim.s3.get_object(Bucket="exports", Key=key)["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        rows = csv.DictReader(io.TextIOWrapper(archive.open(STATS), encoding="utf-8"))
        assert rows.fieldnames == COLUMNS
        return list(rows)


@pytest.mark.parametrize("most, expected", [(600, 180), (7, 7)])
def test_the_zip_has_performance_stats_of_every_second(sim, most, expected):
    sim.behave(statsRows=most)
    sim.seed("s", ageSeconds=60, sessionLengthSeconds=180)
    sim.export("s", "s3://exports/s.zip")
    sim.control("POST", "time", {"seconds": 200})
    assert sim.wait_exported("s")["Status"] == "SUCCEEDED"
    rows = stats(sim, "s.zip")
    assert len(rows) == expected
    times = [datetime.datetime.fromisoformat(row["timestamp"].replace("Z", "+00:00")) for row in rows]
    created = sim.get("s")["CreatedAt"]
    assert [round((time - created).total_seconds()) for time in times] == list(range(1, len(rows) + 1))
    for row in rows:
        assert all(float(row[name]) >= 0 for name in COLUMNS[1:]), row


def test_a_zip_of_its_own_name_and_size(start):
    sim = start("--files-per-folder", "1", "--file-bytes", "100000")
    sim.seed("s")
    sim.export("s", "s3://exports/my/own name+ü.zip")
    sim.terminate("s")
    assert sim.wait_exported("s") == {"Status": "SUCCEEDED", "OutputUri": "s3://exports/my/own name+ü.zip"}
    body = sim.s3.get_object(Bucket="exports", Key="my/own name+ü.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert sizes(archive) == [100_000] * 3


@pytest.mark.parametrize("length, status", [(161, "SUCCEEDED"), (162, "FAILED"), (1000, "FAILED")])
def test_the_longest_key_of_the_embedded_s3(sim, length, status):
    sim.seed("s")
    key = ("d" * 49 + "/") * (length // 50 - 1)
    key += "k" * (length - len(key) - len(".zip")) + ".zip"
    assert len(key) == length
    sim.export("s", f"s3://exports/{key}")
    sim.terminate("s")
    export = sim.wait_exported("s")
    assert export["Status"] == status, export
    if status == "FAILED":
        assert export["StatusReason"].startswith("KeyTooLongError: "), export


def test_a_second_export_to_the_same_key_overwrites(sim):
    for session in ("first", "second"):
        sim.seed(session)
        sim.export(session, "s3://exports/same.zip")
        sim.terminate(session)
        assert sim.wait_exported(session)["Status"] == "SUCCEEDED"
    body = sim.s3.get_object(Bucket="exports", Key="same.zip")["Body"].read()
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        assert b" second " in archive.read("application/logs/game.log")


@pytest.mark.parametrize(
    "uri, reason",
    [
        ("s3://no-such-bucket/p/", "NoSuchBucket: The specified bucket does not exist"),
        ("s3://denied/p/", "AccessDenied: Access Denied"),
        ("s3://Not_A_Bucket/p/", "InvalidBucketName"),
        ("s3:///p/", ""),
    ],
)
def test_a_refused_upload_is_failed_with_its_reason(sim, uri, reason):
    sim.seed("s")
    sim.export("s", uri)
    sim.terminate("s")
    export = sim.wait_exported("s")
    assert export["Status"] == "FAILED"
    assert export["StatusReason"].startswith(reason), export


@pytest.mark.parametrize("form", ["id", "arn", "older arn"])
def test_identifiers_are_ids_or_arns(sim, form):
    group = GROUP if form == "id" else group_arn()
    session = {"id": "s", "arn": session_arn("s"), "older arn": session_arn("s", group=None)}[form]
    sim.seed("s")
    assert sim.get(session, group)["Arn"] == session_arn("s")
    sim.export(session, group=group)
    assert sim.client.list_stream_sessions(Identifier=group)["Items"][0]["Arn"] == session_arn("s")
    sim.terminate(session, group)
    assert sim.wait_exported("s")["Status"] == "SUCCEEDED"
    records = sim.calls(operation="ExportStreamSessionFiles")
    assert [(r["group"], r["session"]) for r in records] == [(GROUP, "s")], "the journal knows ids only"


def test_what_is_unknown_is_not_found(sim):
    sim.seed("s")
    not_found = ("ResourceNotFoundException", 404)
    assert code(sim.get, "other") == not_found
    assert code(sim.get, "S") == not_found, "ids are case-sensitive"
    assert code(sim.get, "s", "sg-other") == not_found
    assert code(sim.export, "other") == not_found
    assert code(sim.terminate, "other") == not_found
    assert code(sim.client.list_stream_sessions, Identifier="sg-other") == not_found
    assert code(sim.start_session, Identifier="sg-other") == not_found
    assert code(sim.get, session_arn("s", region="eu-central-1")) == not_found
    assert code(sim.get, session_arn("s", group="sg-other")) == not_found
    sim.control("POST", "groups", {"id": "sg-2"})
    assert code(sim.get, "s", "sg-2") == not_found, "it is in the other group"


def test_a_stream_group_is_in_its_own_region_only(start):
    sim = start("--region", "us-west-2,eu-central-1", "--group", "sg-us@us-west-2,sg-eu@eu-central-1")
    regions = {"us": sim.client, "eu": sim.connect(region_name="eu-central-1")}
    for here, elsewhere in (("us", "eu"), ("eu", "us")):
        group, session = f"sg-{here}", f"s-{here}"
        region = regions[here].meta.region_name
        sim.seed(session, group=group, region=region)
        named = {"Identifier": group, "StreamSessionIdentifier": session}
        assert regions[here].get_stream_session(**named)["Arn"] == session_arn(session, group=group, region=region)
        for identifier in (group, group_arn(group, region=region)):
            named = {"Identifier": identifier, "StreamSessionIdentifier": session}
            stranger = regions[elsewhere]
            for call, fields in [
                (stranger.get_stream_session, named),
                (stranger.list_stream_sessions, {"Identifier": identifier}),
                (stranger.export_stream_session_files, {**named, "OutputUri": "s3://exports/"}),
                (stranger.terminate_stream_session, named),
                (stranger.start_stream_session, start_input(Identifier=identifier)),
            ]:
                assert code(call, **fields) == ("ResourceNotFoundException", 404), (call, fields)
        seen = regions[here].list_stream_sessions_by_account()["Items"]
        assert [item["Arn"] for item in seen] == [session_arn(session, group=group, region=region)]
        assert sim.control("GET", f"sessions/{session}")["status"] == "ACTIVE", "nothing has touched it"


def test_another_account_is_denied(sim):
    sim.seed("s")
    foreign = group_arn(account="999988887777")
    with pytest.raises(ClientError) as caught:
        sim.export("s", group=foreign)
    error = caught.value.response
    assert error["Error"]["Code"] == "AccessDeniedException"
    assert error["ResponseMetadata"]["HTTPStatusCode"] == 403
    assert error["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/simulator is not authorized to perform: "
        f"gameliftstreams:ExportStreamSessionFiles on resource: {foreign}"
    )


@pytest.mark.parametrize("status", ["ACTIVATING", "TERMINATING", "TERMINATED", "ERROR"])
def test_no_export_unless_live(sim, status):
    sim.seed("s", status=status)
    assert code(sim.export, "s") == ("ValidationException", 400)
    shown = sim.get("s")
    assert shown["Status"] == status and "ExportFilesMetadata" not in shown


@pytest.mark.parametrize("status", ["ACTIVE", "CONNECTED", "PENDING_CLIENT_RECONNECTION", "RECONNECTING"])
def test_export_while_live(sim, status):
    sim.seed("s", status=status)
    sim.export("s")
    assert sim.get("s")["ExportFilesMetadata"]["Status"] == "PENDING"


def test_terminate_is_idempotent_but_not_while_activating(sim):
    sim.seed("starting", status="ACTIVATING")
    assert code(sim.terminate, "starting") == ("ValidationException", 400)
    sim.seed("s")
    for _ in range(2):
        assert sim.terminate("s")["ResponseMetadata"]["HTTPStatusCode"] == 204


def test_the_client_token_makes_start_idempotent(sim):
    token = "0123456789abcdef0123456789abcdef"
    first = sim.start_session(ClientToken=token)
    assert sim.start_session(ClientToken=token)["Arn"] == first["Arn"]
    assert sim.start_session()["Arn"] != first["Arn"]
    assert code(sim.start_session, ClientToken=token, Description="other") == ("ConflictException", 409)


def test_everything_given_at_the_start_is_told_again(sim):
    given = {
        "Description": "d",
        "UserId": "u",
        "Locations": ["eu-central-1", "us-west-2"],
        "ConnectionTimeoutSeconds": 60,
        "AdditionalLaunchArgs": ["-x", "1"],
        "AdditionalEnvironmentVariables": {"A": "b"},
        "PerformanceStatsConfiguration": {"SharedWithClient": True},
        "RoleArn": "arn:aws:iam::111122223333:role/GameLiftStreams-x",
        "DisplayConfiguration": {"Resolution": {"Width": 1280, "Height": 720}},
    }
    arn = sim.start_session(**given)["Arn"]
    told = sim.get(arn)
    assert told["Location"] == "eu-central-1"
    for name in set(given) - {"Locations"}:
        assert told[name] == given[name], name


def test_applications_of_a_group_can_be_limited(sim):
    sim.control("POST", "groups", {"id": "sg-2", "applications": ["a-1"]})
    assert sim.start_session(Identifier="sg-2", ApplicationIdentifier="a-1")["StreamGroupId"] == "sg-2"
    call = start_input(Identifier="sg-2", ApplicationIdentifier="a-2")
    assert code(sim.client.start_stream_session, **call) == ("ResourceNotFoundException", 404)
