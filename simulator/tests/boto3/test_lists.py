"""Lists: pages, filters, and what summaries carry."""

import time

import pytest
from botocore.exceptions import ClientError

from simulator import GROUP


def ids(items):
    return [item["Arn"].rsplit("/", 1)[1] for item in items]


def test_pages_of_25_and_of_up_to_100(sim):
    made = sim.control("POST", "sessions", {"count": 230})["ids"]
    first = sim.client.list_stream_sessions(Identifier=GROUP)
    assert len(first["Items"]) == 25 and first["NextToken"]
    paginator = sim.client.get_paginator("list_stream_sessions")
    pages = list(paginator.paginate(Identifier=GROUP, PaginationConfig={"PageSize": 100}))
    assert [len(page["Items"]) for page in pages] == [100, 100, 30]
    assert sorted(item for page in pages for item in ids(page["Items"])) == sorted(made)
    by_account = sim.client.get_paginator("list_stream_sessions_by_account").paginate()
    assert sum(len(page["Items"]) for page in by_account) == 230


def test_filters_by_status_and_export(sim):
    sim.seed("active")
    sim.seed("connected", status="CONNECTED")
    sim.seed("armed", export={"outputUri": "s3://b/"})
    sim.seed("done", status="TERMINATED", export={"status": "SUCCEEDED", "outputUri": "s3://b/x.zip"})
    sim.seed("lost", status="TERMINATED", export={"status": "FAILED", "statusReason": "no", "outputUri": "s3://b/"})
    for filters, expected in [
        ({}, {"active", "connected", "armed", "done", "lost"}),
        ({"Status": "ACTIVE"}, {"active", "armed"}),
        ({"Status": "TERMINATED"}, {"done", "lost"}),
        ({"ExportFilesStatus": "PENDING"}, {"armed"}),
        ({"ExportFilesStatus": "SUCCEEDED"}, {"done"}),
        ({"ExportFilesStatus": "FAILED", "Status": "TERMINATED"}, {"lost"}),
        ({"ExportFilesStatus": "FAILED", "Status": "ACTIVE"}, set()),
    ]:
        items = sim.client.list_stream_sessions(Identifier=GROUP, **filters)["Items"]
        assert set(ids(items)) == expected, filters
        account = sim.client.list_stream_sessions_by_account(**filters)["Items"]
        assert set(ids(account)) == expected, filters


def test_groups_are_apart_and_the_account_list_has_all(sim):
    sim.control("POST", "groups", {"id": "sg-2"})
    sim.seed("one")
    sim.seed("two", group="sg-2")
    assert ids(sim.client.list_stream_sessions(Identifier=GROUP)["Items"]) == ["one"]
    assert ids(sim.client.list_stream_sessions(Identifier="sg-2")["Items"]) == ["two"]
    assert ids(sim.client.list_stream_sessions_by_account()["Items"]) == ["one", "two"]


def test_what_summaries_carry_of_an_export(sim):
    export = {"status": "FAILED", "statusReason": "no", "outputUri": "s3://b/x.zip"}
    sim.seed("s", status="TERMINATED", export=export)
    full = {"Status": "FAILED", "StatusReason": "no", "OutputUri": "s3://b/x.zip"}
    group = lambda: sim.client.list_stream_sessions(Identifier=GROUP)["Items"][0]["ExportFilesMetadata"]
    account = lambda: sim.client.list_stream_sessions_by_account()["Items"][0]["ExportFilesMetadata"]
    assert group() == full
    assert account() == {"Status": "FAILED"}, "as AWS documents it"
    sim.behave(listMetadata="statusOnly", accountListMetadata="full")
    assert group() == {"Status": "FAILED"}
    assert account() == full
    assert sim.get("s")["ExportFilesMetadata"] == full


@pytest.mark.parametrize("token", ["x", "zz", "", "31"])
def test_a_made_up_token_is_refused(sim, token):
    with pytest.raises(ClientError) as caught:
        sim.client.list_stream_sessions(Identifier=GROUP, NextToken=token)
    assert caught.value.response["Error"]["Code"] == "ValidationException"


@pytest.mark.parametrize("token, missed, twice", [("session", 0, 0), ("offset", 10, 5)])
def test_pages_that_shift_while_they_are_read(sim, token, missed, twice):
    sim.behave(pageToken=token)
    waiting = sim.control("POST", "sessions", {"count": 5, "status": "CONNECTED"})["ids"]
    made = sim.control("POST", "sessions", {"count": 60})["ids"]

    def scan(change):
        pages = sim.client.get_paginator("list_stream_sessions").paginate(Identifier=GROUP, Status="ACTIVE")
        seen = []
        for page in pages:
            seen += ids(page["Items"])
            change()
            change = lambda: None
        return seen

    def leave():
        for session in made[:10]:
            sim.terminate(session)

    seen = scan(leave)
    assert len(set(made) - set(seen)) == missed and len(seen) == len(set(seen))

    def enter():
        for session in waiting:
            sim.control("PATCH", f"sessions/{session}", {"status": "ACTIVE"})

    seen = scan(enter)
    assert len(seen) - len(set(seen)) == twice and set(made[10:]) <= set(seen)


def test_a_token_belongs_to_its_query(sim):
    sim.control("POST", "sessions", {"count": 30})
    token = sim.client.list_stream_sessions(Identifier=GROUP)["NextToken"]
    with pytest.raises(ClientError) as caught:
        sim.client.list_stream_sessions(Identifier=GROUP, NextToken=token, Status="ACTIVE")
    assert caught.value.response["Error"]["Code"] == "ValidationException"


def test_arrivals_are_found_by_their_lists_only(sim):
    sim.behave(activationDelayMs=0)
    for group in ("sg-a", "sg-b"):
        sim.control("POST", "groups", {"id": group})
    plan = {
        "perSecond": 100,
        "count": 30,
        "groups": ["sg-a", "sg-b"],
        "applications": ["a-1", "a-2"],
        "locations": ["us-east-1", "eu-west-1"],
        "lifetimeSeconds": [600, 600],
        "connectSeconds": [0.01, 0.01],
        "endsOnDisconnect": True,
    }
    number = sim.control("POST", "arrivals", plan)["id"]
    shown = wait_for(lambda: sim.control("GET", f"arrivals/{number}"), lambda shown: shown["live"] == 30)
    found = {}
    for group in ("sg-a", "sg-b"):
        for status in ("ACTIVE", "CONNECTED"):
            pages = sim.client.get_paginator("list_stream_sessions").paginate(Identifier=group, Status=status)
            for item in (item for page in pages for item in page["Items"]):
                found[item["Arn"]] = item
    assert set(found) == {session["arn"] for session in shown["sessions"]}
    for session in shown["sessions"]:
        item = found[session["arn"]]
        assert (item["Location"], item["ApplicationArn"].rsplit("/", 1)[1]) == (session["location"], session["application"])
        assert round(item["CreatedAt"].timestamp() * 1000) == session["createdAtMs"]

    first = shown["sessions"][0]
    sim.export(first["id"], "s3://exports/first.zip", group=first["group"])
    sim.control("POST", "time", {"seconds": 600})
    done = lambda shown: shown["ended"] == 30 and shown["sessions"][0]["exportStatus"] == "SUCCEEDED"
    shown = wait_for(lambda: sim.control("GET", f"arrivals/{number}"), done)
    assert shown["exportsAccepted"] == 1
    first = shown["sessions"][0]
    assert 0 <= first["acceptedAfterMs"] == first["exportAcceptedAtMs"] - first["activeAtMs"]
    assert all(session["endedAtMs"] - session["activeAtMs"] == 600_000 for session in shown["sessions"])
    assert sim.get(first["id"], first["group"])["StatusReason"] == "reconnectionTimeout"


def test_arrivals_that_cannot_be_are_refused(sim):
    assert sim.refused("POST", "arrivals", {"perSecond": 0})[0] == 400
    assert sim.refused("POST", "arrivals", {"lifetime": [1, 2]})[0] == 400
    assert sim.refused("POST", "arrivals", {"groups": ["sg-none"]})[0] == 409
    assert sim.refused("GET", "arrivals/1")[0] == 404
    assert sim.refused("DELETE", "arrivals/1")[0] == 404


def wait_for(read, condition, seconds=60):
    end = time.monotonic() + seconds
    while True:
        shown = read()
        if condition(shown):
            return shown
        assert time.monotonic() < end, shown
        time.sleep(0.02)
