"""The program: flags, configuration, journal, signals."""

import json
import os
import signal
import socket
import subprocess

import pytest
from botocore.exceptions import ClientError

from simulator import ACCOUNT, GROUP, REGION, SECRET, binary


def run(*arguments):
    done = subprocess.run([binary(), *arguments], capture_output=True, text=True, timeout=10)
    return done.returncode, done.stderr


def test_it_says_where_it_listens(sim):
    assert sim.address["account"] == ACCOUNT
    assert sim.address["region"] == REGION
    assert sim.address["aws"].startswith("http://127.0.0.1:")
    assert sim.address["s3"].startswith("http://127.0.0.1:")
    assert sim.control("GET", "healthz")["ok"] is True
    groups = sim.control("GET", "groups")["groups"]
    assert [group["id"] for group in groups] == [GROUP]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_signals_end_it_at_once(start, number, tmp_path):
    sim = start(TMPDIR=str(tmp_path))
    assert os.listdir(tmp_path)
    sim.fault({"type": "latency", "ms": 60_000})
    with socket.create_connection(sim.address["aws"].removeprefix("http://").split(":")) as stuck:
        stuck.sendall(b"GET /streamsessions HTTP/1.1\r\n")
        sim.process.send_signal(number)
        assert sim.process.wait(timeout=2) == 0
    assert os.listdir(tmp_path) == [], "its folder is gone"


@pytest.mark.parametrize(
    "arguments, words",
    [
        (["--nonsense"], "--nonsense"),
        (["--port", "70000"], "70000"),
        (["--account", "12"], "twelve digits"),
        (["--host", "0.0.0.0"], "--allow-remote"),
        (["--s3-endpoint", "https://x"], "http://"),
        (["--bucket", "Not_A_Bucket"], "Not_A_Bucket"),
        (["--config", "/nonexistent"], "/nonexistent"),
    ],
)
def test_bad_flags_exit_2(arguments, words):
    code, stderr = run(*arguments)
    assert code == 2
    assert words in stderr


def test_a_taken_port_exits_1(sim):
    port = sim.address["aws"].rsplit(":", 1)[1]
    code, stderr = run("--port", port)
    assert code == 1
    assert f"127.0.0.1:{port}" in stderr


def test_the_configuration_file(start, tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text(
        """
account: "444455556666"
regions: [eu-central-1, us-west-2]
groups: [{id: sg-eu, region: eu-central-1}]
s3: {buckets: [one-bucket], folder: %s}
behaviour: {secondExport: refuse}
overrides: [{session: "x-*", set: {endDelayMs: 0}}]
quota: {perSecond: 5}
faults: [{operation: GetStreamSession, action: {type: throttle}}]
sessions: [{ids: [x-1], group: sg-eu, export: {outputUri: "s3://one-bucket/"}}]
"""
        % tmp_path
    )
    sim = start("--config", str(path))
    assert sim.address["regions"] == ["eu-central-1", "us-west-2"]
    client = sim.connect(region_name="eu-central-1")
    item = client.list_stream_sessions(Identifier="sg-eu")["Items"][0]
    assert item["Arn"] == "arn:aws:gameliftstreams:eu-central-1:444455556666:streamsession/sg-eu/x-1"
    assert sim.client.list_stream_sessions_by_account()["Items"] == [], "the other Region has its own"
    assert (tmp_path / "one-bucket").is_dir()
    assert sim.control("GET", "quota")["enabled"] is False, "the flag goes over the file"
    assert sim.control("GET", "behaviour")["defaults"]["secondExport"] == "refuse"
    assert len(sim.control("GET", "faults")["faults"]) == 1


def test_a_mistake_in_the_file_names_its_place(tmp_path):
    path = tmp_path / "config.yaml"
    path.write_text("port: 0\nbehaviour:\n  secondExport: maybe\n")
    code, stderr = run("--config", str(path))
    assert code == 2
    assert "config.yaml" in stderr and "line 3" in stderr and "maybe" in stderr


def test_flags_can_come_from_the_environment(start):
    sim = start(GAMELIFTSTREAMS_SIMULATOR_GROUP="sg-a,sg-b")
    assert [group["id"] for group in sim.control("GET", "groups")["groups"]] == ["sg-a", "sg-b"]


def test_the_journal_tells_everything_but_secrets(start, tmp_path):
    path = tmp_path / "journal.jsonl"
    sim = start("--journal", str(path))
    arn = sim.start_session(
        SignalRequest="secret-offer",
        UserId="secret-user",
        AdditionalEnvironmentVariables={"A": "secret-environment"},
        AdditionalLaunchArgs=["secret-argument"],
    )["Arn"]
    session = arn.rsplit("/", 1)[1]
    sim.wait(session, lambda s: s["Status"] == "ACTIVE")
    sim.export(session, "s3://exports/p/")
    sim.terminate(session)
    sim.wait_exported(session)
    sim.client.list_stream_sessions(Identifier=GROUP, ExportFilesStatus="SUCCEEDED")
    text = path.read_text()
    assert "secret-" not in text and SECRET not in text and "Signature=" not in text
    records = [json.loads(line) for line in text.splitlines()]
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    states = [r["to"] for r in records if r["kind"] == "session"]
    assert states == ["ACTIVATING", "ACTIVE", "TERMINATING", "TERMINATED"]
    exports = [(r.get("from"), r["to"]) for r in records if r["kind"] == "export"]
    assert exports == [(None, "PENDING"), ("PENDING", "SUCCEEDED")]
    upload = next(r for r in records if r["kind"] == "upload")
    assert upload["status"] == 200 and upload["bytes"] > 100
    call = next(r for r in records if r.get("operation") == "ExportStreamSessionFiles")
    assert (call["session"], call["group"], call["region"], call["account"]) == (session, GROUP, REGION, ACCOUNT)
    assert call["outputUri"] == "s3://exports/p/" and call["status"] == 200
    assert "Boto3" in call["userAgent"] and call["accessKeyId"].startswith("AKIA")
    listed = next(r for r in records if r.get("operation") == "ListStreamSessions")
    assert (listed["items"], listed["query"]) == (1, "ExportFilesStatus=SUCCEEDED")
    assert listed["sessions"] == [session]
    times = [r["ms"] for r in records if r["kind"] != "call"]
    assert times == sorted(times)
    assert sim.control("GET", "journal")["last"] >= len(records)
    since = sim.control("GET", f"journal?since={records[-1]['seq']}")["records"]
    assert all(record["seq"] > records[-1]["seq"] for record in since)


def test_another_s3(start):
    store = start("--bucket", "far-away")
    sim = start("--s3-endpoint", store.address["s3"])
    assert sim.address["s3"] == store.address["s3"]
    sim.seed("s")
    sim.export("s", "s3://far-away/p/")
    sim.terminate("s")
    assert sim.wait_exported("s")["Status"] == "SUCCEEDED"
    assert store.s3.list_objects_v2(Bucket="far-away")["KeyCount"] == 1


def test_an_s3_that_cannot_be_reached(start):
    sim = start("--s3-endpoint", "http://127.0.0.1:9")
    sim.seed("s")
    sim.export("s")
    sim.terminate("s")
    export = sim.wait_exported("s")
    assert export["Status"] == "FAILED"
    assert export["StatusReason"].startswith("ServiceUnavailable: the bucket cannot be reached")


def test_unknown_endpoints_and_bad_bodies(sim):
    assert sim.refused("GET", "nonsense")[0] == 404
    assert sim.refused("POST", "time", {"seconds": -1})[0] == 400
    assert sim.refused("PUT", "quota", {"perMinute": 1})[0] == 400
    assert sim.refused("POST", "sessions", {"group": "sg-none"})[0] == 409


def test_strangers_get_no_bucket(sim):
    client = sim.connect("s3", aws_access_key_id="AKIAUNKNOWN")
    with pytest.raises(ClientError) as caught:
        client.list_objects_v2(Bucket="exports")
    assert caught.value.response["Error"]["Code"] == "InvalidAccessKeyId"
