#!/usr/bin/env python3
"""Draws the queries of the chart's dashboard over a run of the real operator under load.

A real API server, the simulator in AWS's place, the operator as a process, and a real Prometheus that scrapes it and
answers the dashboard's own queries. Everything it starts ends with it. Called by ../dashboard-picture.sh.
"""

import contextlib
import json
import os
import pathlib
import re
import subprocess
import sys
import time
import urllib.parse
import urllib.request

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[2]
DASHBOARD = ROOT / "charts/session-export-operator/files/dashboard.json"
OUTPUT = ROOT / "docs/images/dashboard.png"
PANELS = [
    "Exports by phase",
    "Not accepted, by reason",
    "Not accepted, by time left",
    "Time from creation to acceptance",
    "Calls to AWS per second",
    "Quota: share in force",
    "Scans for the sessions of policies",
    "Exports made by policies per minute",
]
POLICY_GROUP = "sg-9JK0L1Mn2"
SECONDS = int(os.environ.get("SECONDS_OF_LOAD", "240"))
KEYS = {
    "AWS_ACCESS_KEY_ID": "AKIAIOSFODNN7EXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "AWS_EC2_METADATA_DISABLED": "true",
}


def http(url, body=None, method=None):
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, method=method)
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.read().decode()


def until(what, ready, patience=60):
    end = time.time() + patience
    while time.time() < end:
        with contextlib.suppress(OSError):
            found = ready()
            if found:
                return found
        time.sleep(0.2)
    sys.exit(f"dashboard-picture: {what} did not start")


class Stage:
    """Processes that die with this one, and their logs."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []

    def start(self, name, command, env=None, stdin=subprocess.DEVNULL):
        log = open(self.folder / f"{name}.log", "wb")
        own = {"PATH": os.environ["PATH"], "HOME": os.environ["HOME"], **(env or {})}
        tied = ["setpriv", "--pdeathsig", "KILL", *map(str, command)]
        self.processes.append(subprocess.Popen(tied, stdin=stdin, stdout=log, stderr=log, env=own))
        return self.processes[-1]

    def log(self, name):
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def end(self):
        for process in reversed(self.processes):
            process.terminate()
        for process in self.processes:
            process.wait()


def control_plane(stage, binaries):
    place = stage.folder / "control-plane"
    script = ROOT / "tools/control-plane/run.sh"
    stage.start("control-plane", [script, place], {"CONTROL_PLANE_BIN": str(binaries)}, subprocess.PIPE)
    until("the control plane", (place / "kubeconfig").exists, 120)

    def kubectl(*arguments, text=None):
        command = [binaries / "kubectl", "--kubeconfig", place / "kubeconfig", *arguments]
        subprocess.run(command, check=True, input=text, text=True, stdout=subprocess.DEVNULL)

    kubectl("apply", "--server-side", "-f", str(ROOT / "crds"))
    kubectl("wait", "--for=condition=Established", "crd/sessionexports.sessionexport.dev")
    for namespace in ("team-a", "team-b"):
        kubectl("create", "namespace", namespace)
    return place / "kubeconfig", kubectl


def simulator(stage):
    program = ROOT / "target/debug/gameliftstreams-simulator"
    groups = ["--group", "sg-1AB2C3De4", "--group", POLICY_GROUP]
    stage.start("simulator", [program, "--port", "0", "--s3-port", "0", "--upload-delay-ms", "3000", *groups])
    return until("the simulator", lambda: re.search(r'"aws":"([^"]+)"', stage.log("simulator"))).group(1)


def operator(stage, kubeconfig, aws):
    config = {
        "aws": {"region": "us-west-2", "accountId": "111122223333"},
        "rules": [
            {"namespaces": ["team-*"], "streamGroups": ["*"], "outputPrefixes": ["s3://exports/"], "policies": True},
        ],
        "lease": {"namespace": "default"},
    }
    (stage.folder / "config.yaml").write_text(json.dumps(config))
    env = {"KUBECONFIG": str(kubeconfig), "AWS_ENDPOINT_URL_GAMELIFTSTREAMS": aws, "POD_UUID": "operator-0", **KEYS}
    program = ROOT / "target/debug/session-export-operator"
    arguments = ["run", "--config", stage.folder / "config.yaml", "--log-format", "json"]
    listen = ["--listen", "127.0.0.1:0", "--health-listen", "127.0.0.1:0"]
    stage.start("operator", [program, *arguments, *listen], env)
    probes = until("the probes", lambda: logged_address(stage, "serving probes"))
    until("the operator's lead", lambda: "leading" in http(f"http://{probes}/readyz"))
    return until("the metrics", lambda: logged_address(stage, "serving metrics"))


def logged_address(stage, message):
    found = re.search(rf'"message":"{message}","address":"([0-9.:]+)"', stage.log("operator"))
    return found and found.group(1)


def prometheus(stage, program, target):
    labels = {"namespace": "ops", "job": "exports-metrics", "pod": "operator-0"}
    config = {
        "global": {"scrape_interval": "2s"},
        "scrape_configs": [{"job_name": "x", "static_configs": [{"targets": [target], "labels": labels}]}],
    }
    (stage.folder / "prometheus.yaml").write_text(json.dumps(config))
    address = "127.0.0.1:" + os.environ.get("PROMETHEUS_PORT", "19099")
    options = [f"--config.file={stage.folder}/prometheus.yaml", f"--storage.tsdb.path={stage.folder}/tsdb"]
    stage.start("prometheus", [program, *options, f"--web.listen-address={address}"])
    until("Prometheus", lambda: http(f"http://{address}/-/ready"))
    return f"http://{address}"


def create(kubectl, aws, names, namespace, length=86400):
    http(f"{aws}/_simulator/sessions", {"ids": names, "sessionLengthSeconds": length}, "POST")
    items = [
        {
            "apiVersion": "sessionexport.dev/v1alpha1",
            "kind": "SessionExport",
            "metadata": {"name": name.lower(), "namespace": namespace},
            "spec": {
                "streamGroupIdentifier": "sg-1AB2C3De4",
                "streamSessionIdentifier": name,
                "outputUri": "s3://exports/",
            },
        }
        for name in names
    ]
    kubectl("create", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": items}))


def policy(kubectl, aws):
    """Sessions of a second stream group start by themselves; a policy exports them."""
    spec = {
        "streamGroupIdentifier": POLICY_GROUP,
        "template": {"spec": {"outputUri": "s3://exports/{policy}/{sessionId}.zip"}},
    }
    manifest = {
        "apiVersion": "sessionexport.dev/v1alpha1",
        "kind": "SessionExportPolicy",
        "metadata": {"name": "every-session", "namespace": "team-a"},
        "spec": spec,
    }
    kubectl("create", "-f", "-", text=json.dumps(manifest))
    arrivals = {"perSecond": 0.5, "forSeconds": SECONDS, "lifetimeSeconds": [30, 60], "groups": [POLICY_GROUP]}
    http(f"{aws}/_simulator/arrivals", arrivals, "POST")


def load(kubectl, aws, begun):
    """A steady trickle; then a burst while the customer's backend uses up the quota; then IAM refuses for a while."""
    policy(kubectl, aws)

    def at(share):
        time.sleep(max(0, begun + share * SECONDS - time.time()))

    def fault(action):
        return http(f"{aws}/_simulator/faults", {"operation": "ExportStreamSessionFiles", "action": action}, "POST")

    for n in range(6):
        at(0.03 * n)
        create(kubectl, aws, [f"calm{n}x{i}" for i in range(8)], "team-a")
    at(0.2)
    fault({"type": "throttle"})
    create(kubectl, aws, [f"burst{i}" for i in range(250)], "team-b")
    create(kubectl, aws, [f"soon{i}" for i in range(12)], "team-a", 840)
    at(0.4)
    http(f"{aws}/_simulator/faults", method="DELETE")
    at(0.6)
    for i in range(120):
        http(f"{aws}/_simulator/sessions/burst{i}/end", {}, "POST")
    at(0.65)
    fault({"type": "accessDenied"})
    create(kubectl, aws, [f"denied{i}" for i in range(30)], "team-b")
    at(0.85)
    http(f"{aws}/_simulator/faults", method="DELETE")
    at(1.0)


def curves(server, query, begun, ended):
    filled = query.replace("$__rate_interval", "20s").replace("$namespace", "ops").replace("$job", ".+")
    parameters = urllib.parse.urlencode({"query": filled, "start": begun, "end": ended, "step": 2})
    answer = json.loads(http(f"{server}/api/v1/query_range?{parameters}"))
    for result in answer["data"]["result"]:
        points = [(float(at) - begun, float(value)) for at, value in result["values"] if value != "NaN"]
        yield result["metric"], points


def legend(template, labels):
    return re.sub(r"{{(\w+)}}", lambda match: labels.get(match.group(1), ""), template)


def draw(server, begun, ended):
    panels = {panel["title"]: panel for panel in json.loads(DASHBOARD.read_text())["panels"]}
    figure, axes = plt.subplots(4, 2, figsize=(11, 10.5), dpi=80, constrained_layout=True)
    for title, axis in zip(PANELS, axes.flat):
        axis.set_title(title, fontsize=10)
        for target in panels[title]["targets"]:
            for labels, points in curves(server, target["expr"], begun, ended):
                axis.plot(*zip(*points), label=legend(target["legendFormat"], labels), linewidth=1.4)
        if not axis.lines:
            sys.exit(f"dashboard-picture: {title} shows nothing")
        axis.set_ylim(bottom=0)
        axis.set_xlim(0, ended - begun)
        axis.grid(alpha=0.3)
        axis.tick_params(labelsize=8)
        axis.legend(fontsize=7, loc="best")
        axis.set_xlabel("seconds" + (", y: seconds" if panels[title]["fieldConfig"]["defaults"]["unit"] == "s" else ""), fontsize=8)
    OUTPUT.parent.mkdir(exist_ok=True)
    figure.savefig(OUTPUT, metadata={"Software": None}, pil_kwargs={"optimize": True})


def main():
    folder, binaries, program = map(pathlib.Path, sys.argv[1:])
    stage = Stage(folder)
    try:
        kubeconfig, kubectl = control_plane(stage, binaries)
        aws = simulator(stage)
        server = prometheus(stage, program, operator(stage, kubeconfig, aws))
        time.sleep(5)
        begun = time.time()
        load(kubectl, aws, begun)
        draw(server, begun, time.time())
    finally:
        stage.end()


main()
