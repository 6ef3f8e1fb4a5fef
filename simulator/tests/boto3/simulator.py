"""The simulator as a process, its own endpoints, and boto3 pointed at it."""

import json
import os
import subprocess
import time
import urllib.error
import urllib.request

import boto3
from botocore.config import Config

import model

KEY_ID = "AKIAIOSFODNN7EXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
ACCOUNT = "111122223333"
REGION = "us-west-2"
GROUP = "sg-1AB2C3De4"
APPLICATION = "a-9ZY8X7Wv6"
QUICK = ["--port", "0", "--s3-port", "0", "--quota", "0"]
PACE = ["--activation-delay-ms", "50", "--end-delay-ms", "50", "--upload-delay-ms", "50"]


def binary():
    return os.environ["SIMULATOR_BIN"]


class Simulator:
    def __init__(self, arguments=(), environment=None):
        self.process = subprocess.Popen(
            [binary(), *defaults(arguments), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, **(environment or {})},
        )
        line = self.process.stdout.readline()
        assert line, f"the simulator ended with {self.process.wait()}"
        self.address = json.loads(line)
        self.client = self.connect()

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
        code = self.process.wait(timeout=10)
        self.process.stdout.close()
        return code

    def connect(self, service="gameliftstreams", checked=True, parameter_validation=True, **options):
        """A boto3 client; `checked` holds every answer against botocore's model."""
        settings = {
            "region_name": REGION,
            "aws_access_key_id": KEY_ID,
            "aws_secret_access_key": SECRET,
            "endpoint_url": self.address["s3" if service == "s3" else "aws"],
            "config": Config(
                retries={"total_max_attempts": 1},
                connect_timeout=5,
                read_timeout=10,
                parameter_validation=parameter_validation,
                s3={"addressing_style": "path"},
            ),
            **options,
        }
        client = boto3.Session().client(service, **settings)
        if checked and service == "gameliftstreams":
            model.watch(client)
        return client

    @property
    def s3(self):
        return self.connect("s3")

    # The simulator's own endpoints.

    def control(self, method, path, body=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.address['aws']}/_simulator/{path}", data=data, method=method)
        with urllib.request.urlopen(request, timeout=10) as answer:
            return json.load(answer)

    def refused(self, method, path, body=None):
        """Status and text of an endpoint's refusal."""
        try:
            answer = self.control(method, path, body)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)["error"]
        raise AssertionError(f"accepted: {answer}")

    def seed(self, *ids, **fields):
        return self.control("POST", "sessions", {"ids": list(ids), **fields})["ids"]

    def fault(self, action, **rule):
        action = {"type": action} if isinstance(action, str) else action
        return self.control("POST", "faults", {"action": action, **rule})["id"]

    def behave(self, **switches):
        self.control("PATCH", "behaviour", {"defaults": switches})

    def calls(self, **filters):
        query = "&".join(f"{name}={value}" for name, value in {"kind": "call", **filters}.items())
        return self.control("GET", f"journal?{query}")["records"]

    # Short forms of the operations.

    def start_session(self, **changes):
        return self.client.start_stream_session(**start_input(**changes))

    def get(self, session, group=GROUP):
        return self.client.get_stream_session(Identifier=group, StreamSessionIdentifier=session)

    def export(self, session, uri="s3://exports/prefix/", group=GROUP, client=None):
        client = client or self.client
        return client.export_stream_session_files(
            Identifier=group, StreamSessionIdentifier=session, OutputUri=uri
        )

    def terminate(self, session, group=GROUP):
        return self.client.terminate_stream_session(Identifier=group, StreamSessionIdentifier=session)

    def wait(self, session, condition, seconds=60):
        """Reads the session until the condition holds."""
        end = time.monotonic() + seconds
        while True:
            answer = self.get(session)
            if condition(answer):
                return answer
            assert time.monotonic() < end, answer
            time.sleep(0.02)

    def wait_exported(self, session):
        return self.wait(session, lambda s: s["ExportFilesMetadata"]["Status"] != "PENDING")["ExportFilesMetadata"]


def defaults(arguments):
    """The quick settings that the test has not set itself."""
    settings = [*QUICK, *PACE]
    pairs = zip(settings[::2], settings[1::2])
    return [part for flag, value in pairs if flag not in arguments for part in (flag, value)]


def start_input(**changes):
    fields = {
        "Identifier": GROUP,
        "Protocol": "WebRTC",
        "SignalRequest": "offer",
        "ApplicationIdentifier": APPLICATION,
        **changes,
    }
    return {name: value for name, value in fields.items() if value is not None}


def group_arn(group=GROUP, region=REGION, account=ACCOUNT):
    return f"arn:aws:gameliftstreams:{region}:{account}:streamgroup/{group}"


def session_arn(session, group=GROUP, region=REGION, account=ACCOUNT):
    path = f"{group}/{session}" if group else session
    return f"arn:aws:gameliftstreams:{region}:{account}:streamsession/{path}"
