"""A cluster as contracts see it: nothing is broken where all is as promised, and each change by hand is seen."""

import copy
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from portable.backends.registry import back_end
from portable.engines.kubernetes.cluster import reference_of
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.inside import LateError
from portable.engines.kubernetes.verdict import containers_of
from portable.live.kubernetes import view as views
from portable.live.kubernetes.desired import template_of
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.live.kubernetes.view import ClusterView
from portable.model import plan as p
from portable.model.shell import script
from portable.verify import contracts, down, verify
from portable.verify.contract import parts
from tests import factories
from tests.factories import full_plan
from tests.unit.live.kubernetes.fake_cluster import MOMENT, FakeCluster
from tests.unit.verify.fake import HEALTHY

EVERY = {contract.name: contract for contract in contracts()}
Pod = dict[str, Any]
Answer = Callable[[str, Sequence[str]], tuple[int, str]]


def made(plan: p.Plan | None = None) -> KubernetesStack:
    plan = plan or full_plan("kubernetes")
    return stack_of(plan, back_end("kubernetes").render(plan))


class World:
    """A stack that runs as rendered; a test changes its objects."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, stack: KubernetesStack | None = None) -> None:
        self.stack = stack or made()
        self.cluster = FakeCluster()
        self.asked: list[tuple[str, str, tuple[str, ...], float | None]] = []
        """Pod, container, command and seconds."""
        self.answers: dict[str, tuple[int, str]] = {}
        """Code and output, by a part of the command."""
        self.log = f"{MOMENT} a line"
        for document in self.stack.documents:
            template = template_of(document.body)
            if template:
                self._run(copy.deepcopy(dict(document.body)), copy.deepcopy(dict(template)))
        monkeypatch.setattr(views, "exec_in", self._exec)
        monkeypatch.setattr(views, "log_lines", lambda *_rest, **_options: iter(self.log.splitlines()))

    def _run(self, workload: dict[str, Any], template: dict[str, Any]) -> None:
        workload["metadata"] = {**workload["metadata"], "uid": f"uid-{workload['metadata']['name']}"}
        workload["status"] = {"replicas": 1, "updatedReplicas": 1, "readyReplicas": 1, "availableReplicas": 1}
        self.cluster.objects[reference_of(workload)] = workload
        if workload["kind"] == "CronJob":
            workload["status"] = {"lastScheduleTime": MOMENT, "lastSuccessfulTime": MOMENT}
            return
        seen = [
            {"name": body["name"], "ready": True, "started": True, "restartCount": 0, "state": {"running": {"startedAt": MOMENT}}}
            for body in containers_of(template["spec"])
        ]
        name = f"{workload['metadata']['name']}-0"
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": self.stack.namespace,
                "uid": f"uid-{name}",
                "labels": template["metadata"]["labels"],
                "annotations": dict(template["metadata"].get("annotations") or {}),
                "creationTimestamp": MOMENT,
            },
            "spec": template["spec"],
            "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}], "containerStatuses": seen},
        }
        self.cluster.objects[reference_of(pod)] = pod

    def pod(self, container: str) -> Pod:
        """The pod with that container."""
        pods = [item for item in self.cluster.objects.values() if item["kind"] == "Pod"]
        return next(pod for pod in pods if container in {body["name"] for body in containers_of(pod["spec"])})

    def body(self, container: str) -> dict[str, Any]:
        """A container of a running pod."""
        found = next(body for body in containers_of(self.pod(container)["spec"]) if body["name"] == container)
        assert isinstance(found, dict)
        return found

    def seen(self, container: str) -> dict[str, Any]:
        """The status of a container."""
        found: dict[str, Any] = next(s for s in self.pod(container)["status"]["containerStatuses"] if s["name"] == container)
        return found

    @property
    def view(self) -> ClusterView:
        assert self.stack.plan is not None
        return ClusterView(self.cluster, self.stack, self.stack.plan)

    def _exec(
        self,
        _connection: object,
        _namespace: str,
        pod: str,
        container: str,
        command: Sequence[str],
        on_output: Callable[[int, bytes], None],
        *,
        seconds: float | None = None,
    ) -> int:
        self.asked.append((pod, container, tuple(command), seconds))
        text = " ".join(command)
        if answered := next((answer for part, answer in self.answers.items() if part in text), None):
            if answered[0] < 0:
                raise LateError
            on_output(1, answered[1].encode())
            return answered[0]
        if text == "cat /proc/1/environ":
            on_output(1, self._process(container).encode())
        elif text == "id -u":
            on_output(1, str((self.body(container).get("securityContext") or {}).get("runAsUser", 0)).encode())
        elif text == "stat -c %i /mnt/media":
            on_output(1, b"256")
        else:
            on_output(1, next((said for part, said in HEALTHY.items() if part in text), "").encode())
        return 0

    def _process(self, container: str) -> str:
        body = self.body(container)
        values = {v["name"]: v.get("value", "secret").replace("$$", "$") for v in body.get("env") or ()}
        return "".join(f"{name}={value}\0" for name, value in {"HOME": "/", "FROM_IMAGE": "x", **values}.items())


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    return World(monkeypatch)


def broken(world: World, *names: str) -> dict[tuple[str, str], str]:
    """What is broken: its texts by contract and subject."""
    found: dict[tuple[str, str], str] = {}
    for held in verify(world.view, [EVERY[name] for name in names or EVERY]):
        if held.verdict == "broken":
            found[held.contract, held.subject] = f"{found.get((held.contract, held.subject), '')}{held.text}\n"
    return found


def test_nothing_is_broken_where_all_is_as_rendered(world: World) -> None:
    assert broken(world, *(name for name in EVERY if name not in ("fence", "clouds"))) == {}
    holding = {held.contract for held in verify(world.view, list(EVERY.values())) if held.verdict == "holds"}
    assert holding >= {"runs", "shares", "environment", "privileges", "paths", "identity", "privacy", "answers", "secrecy", "names"}


def set_env(name: str, value: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.body("gateway")["env"].append({"name": name, "value": value})

    return change


def pod_wide(**fields: object) -> Callable[[World], None]:
    return lambda world: world.pod("gateway")["spec"].update(fields)


def secured(**fields: object) -> Callable[[World], None]:
    return lambda world: world.body("player").setdefault("securityContext", {}).update(fields)


def mounted(volume: Mapping[str, object], path: str) -> Callable[[World], None]:
    def change(world: World) -> None:
        world.pod("player")["spec"].setdefault("volumes", []).append({"name": "added", **volume})
        world.body("player").setdefault("volumeMounts", []).append({"name": "added", "mountPath": path})

    return change


CHANGES: dict[str, tuple[Callable[[World], None], str, str, str]] = {
    "a proxy": (set_env("HTTPS_PROXY", "http://198.51.100.1"), "environment", "gateway", "HTTPS_PROXY"),
    "another variable": (set_env("SOMETHING", "1"), "environment", "gateway", "SOMETHING"),
    "variables from a ConfigMap": (
        lambda w: w.body("gateway").update(envFrom=[{"configMapRef": {"name": "more"}}]),
        "environment",
        "gateway",
        "envFrom",
    ),
    "a proxy of the image": (
        lambda w: w.answers.update({"cat /proc/1/environ": (0, "ALL_PROXY=socks5://198.51.100.1\0")}),
        "environment",
        "gateway",
        "ALL_PROXY",
    ),
    "another command": (lambda w: w.body("player").update(command=["sleep"]), "environment", "player", "command"),
    "the node's network": (pod_wide(hostNetwork=True), "privileges", "gateway", "the host's network"),
    "the node's processes": (pod_wide(hostPID=True), "privileges", "gateway", "PID of the node"),
    "the node's name servers": (pod_wide(dnsPolicy="Default"), "privileges", "gateway", "name servers"),
    "another name server": (pod_wide(dnsConfig={"nameservers": ["198.51.100.53"]}), "privileges", "gateway", "198.51.100.53"),
    "a second network": (
        lambda w: w.pod("gateway")["metadata"]["annotations"].update({"k8s.v1.cni.cncf.io/networks": "lan"}),
        "privileges",
        "gateway",
        "lan",
    ),
    "a privileged container": (secured(privileged=True), "privileges", "player", "privileged"),
    "a capability": (secured(capabilities={"drop": ["ALL"], "add": ["NET_ADMIN"]}), "privileges", "player", "NET_ADMIN"),
    "the default capabilities": (secured(capabilities={}), "privileges", "player", "default capabilities"),
    "more privileges later": (secured(allowPrivilegeEscalation=True), "privileges", "player", "may gain privileges"),
    "no seccomp": (secured(seccompProfile={"type": "Unconfined"}), "privileges", "player", "seccomp:unconfined"),
    "a token": (mounted({"projected": {}}, "/var/run/secrets/kubernetes.io/serviceaccount"), "privileges", "player", "a token"),
    "a folder of the node": (mounted({"hostPath": {"path": "/etc"}}, "/host"), "privileges", "player", "/etc at /host"),
    "a port of the node": (
        lambda w: w.body("player").update(ports=[{"containerPort": 1, "hostPort": 99}]),
        "ports",
        "player",
        "port 99/tcp",
    ),
    "an injected container": (
        lambda w: w.pod("player")["spec"]["containers"].append({"name": "proxy", "image": "x"}),
        "runs",
        "proxy in pod player-0",
        "not in the plan",
    ),
    "a debug container": (
        lambda w: w.pod("gateway")["status"].update(ephemeralContainerStatuses=[{"name": "debugger-x", "state": {"running": {}}}]),
        "privileges",
        "gateway",
        "debugger-x",
    ),
    "a container that crashed": (
        lambda w: w.seen("player").update(ready=False, state={"terminated": {"exitCode": 1}}),
        "runs",
        "player",
        "exited",
    ),
    "an unhealthy container": (lambda w: w.seen("player").update(ready=False), "runs", "player", "health check fails"),
}


@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_by_hand_is_seen(world: World, kind: str) -> None:
    change, contract, subject, text = CHANGES[kind]
    before = broken(world, contract)
    change(world)
    found = broken(world, contract)
    assert (contract, subject) not in before
    assert text in found[contract, subject]


def test_fewer_rights_break_nothing(world: World) -> None:
    secured(readOnlyRootFilesystem=True, runAsUser=1000650000, seLinuxOptions={"level": "s0"})(world)
    world.pod("player")["spec"]["securityContext"]["fsGroup"] = 1000650000
    assert broken(world, "privileges") == {}


def test_a_mount_of_another_claim_is_seen(world: World) -> None:
    body = world.body("player")
    claims = {v["name"] for v in world.pod("player")["spec"]["volumes"] if "persistentVolumeClaim" in v}
    mount = next(m for m in body["volumeMounts"] if m["name"] in claims)
    mount["subPath"] = "somewhere/else"
    (text,) = [text for (_, subject), text in broken(world, "paths").items() if subject == "player"]
    assert f"{mount['mountPath']} is claim" in text


def test_a_second_pod_of_a_group_and_a_foreign_pod_are_seen(world: World) -> None:
    for name, group in (("player-again", None), ("stranger", "nobody")):
        pod = copy.deepcopy(world.pod("player"))
        pod["metadata"] |= {"name": name, "uid": name, "creationTimestamp": "2025-01-01T00:00:00Z"}
        pod["metadata"]["labels"] = {**pod["metadata"]["labels"], **({"portable/group": group} if group else {})}
        world.cluster.objects[reference_of(pod)] = pod
    assert {subject for _, subject in broken(world, "runs")} == {"pod player-again", "pod stranger"}


def test_pods_that_ended_and_pods_of_others_do_not_count(world: World) -> None:
    for name, phase in (("evicted", "Failed"), ("done", "Succeeded")):
        pod = copy.deepcopy(world.pod("player"))
        pod["metadata"] |= {"name": name, "uid": name, "creationTimestamp": "2025-01-01T00:00:00Z"}
        pod["status"] = {"phase": phase}
        world.cluster.objects[reference_of(pod)] = pod
    assert broken(world, "runs") == {}


def test_an_app_without_a_pod_is_missing_or_created(world: World) -> None:
    del world.cluster.objects[reference_of(world.pod("player"))]
    assert "created" in broken(world, "runs")["runs", "player"]


def test_a_stack_without_workloads_is_down(world: World) -> None:
    assert down(world.view) is None
    world.cluster.objects.clear()
    result = down(world.view)
    assert result is not None
    assert result.text == "the stack is down"


def scheduled(monkeypatch: pytest.MonkeyPatch, **status: object) -> World:
    app = factories.app("job", ports=(), schedule=p.Schedule(minutes=(30,), hours=(3,)))
    plan = factories.plan(app, namespace="media")
    world = World(monkeypatch, made(plan))
    for item in world.cluster.objects.values():
        if item["kind"] == "CronJob":
            item["status"] = status
    return world


@pytest.mark.parametrize(
    ("status", "verdict", "text"),
    [
        ({}, "holds", "has not run yet"),
        ({"lastScheduleTime": MOMENT, "lastSuccessfulTime": MOMENT}, "holds", "ran successfully"),
        ({"lastScheduleTime": MOMENT, "active": [{}]}, "holds", "has not run yet"),
        ({"lastScheduleTime": MOMENT, "lastSuccessfulTime": "2025-01-01T00:00:00Z"}, "broken", "failed"),
        ({"lastScheduleTime": MOMENT}, "broken", "failed"),
    ],
)
def test_a_job_is_judged_by_its_last_run(monkeypatch: pytest.MonkeyPatch, status: dict[str, object], verdict: str, text: str) -> None:
    world = scheduled(monkeypatch, **status)
    found = [held for held in verify(world.view, [EVERY["runs"]]) if held.subject == "job"]
    assert [(held.verdict, text in held.text) for held in found] == [(verdict, True)]
    is_told = [held for held in verify(world.view, [EVERY["identity"]]) if "not checked" in held.text]
    assert bool(is_told) == (verdict == "broken")


def test_a_command_runs_as_the_user_that_is_asked_for(world: World) -> None:
    view = world.view
    placed = {part.path: part for part in parts(view)}
    player = placed["apps.player.containers.main"]
    world.body("player")["securityContext"] = {"runAsUser": 0}
    view.inside(player, ["true"], user="1000:44", seconds=3)
    assert world.asked[-1][2][-4:] == ("sh", "1000", "44", "true")
    assert world.asked[-1][3] == 3
    for user in (None, "0"):
        view.inside(player, ["true"], user=user)
        assert world.asked[-1][2] == ("true",)


def test_a_container_of_a_user_runs_commands_as_that_user_only(world: World) -> None:
    world.body("player")["securityContext"] = {"runAsUser": 1000}
    view = world.view
    player = next(part for part in parts(view) if part.path == "apps.player.containers.main")
    assert view.inside(player, ["true"], user="1000:1000").code == 0
    assert world.asked[-1][2] == ("true",)
    answer = view.inside(player, ["true"], user="7:7")
    assert (answer.code, answer.text) == (None, "the cluster runs commands as user 1000 only, not as 7")
    assert view.inside(player, ["cat", "/proc/1/environ"], user="0").code is None


def test_a_command_that_hangs_and_a_broken_connection_are_told(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.answers["sleep"] = (-1, "")
    view = world.view
    player = next(part for part in parts(view) if part.path == "apps.player.containers.main")
    late = view.inside(player, ["sleep", "60"], seconds=2)
    assert (late.code, late.hangs, late.text) == (None, True, "it did not end within 2 s")

    def gone(*_rest: object, **_options: object) -> int:
        raise ClusterError("gone", "the connection broke")

    monkeypatch.setattr(views, "exec_in", gone)
    assert view.inside(player, ["true"]).code is None


def test_the_log_has_its_times(world: World) -> None:
    world.log = "2026-01-01T00:00:00.123456789Z first\n2026-01-01T00:00:01Z second hunter2"
    view = world.view
    player = next(part for part in parts(view) if part.path == "apps.player.containers.main")
    assert view.dated_logs(player, 5) == ((pytest.approx(1767225600.123456), "first"), (1767225601.0, "second hunter2"))
    assert view.logs(player, 5) == "first\nsecond hunter2"
    assert view.look(player).since == 1767225600.0


def test_variables_of_an_image_that_cannot_be_read_are_unknown_behind_a_gateway(world: World) -> None:
    world.answers["cat /proc/1/environ"] = (1, "Permission denied")
    found = {held.subject: held.verdict for held in verify(world.view, [EVERY["environment"]])}
    assert (found["torrents"], found["player"]) == ("unknown", "holds")


def test_the_first_process_of_a_user_is_read_as_that_user(world: World) -> None:
    for name in ("gateway", "torrents"):
        world.body(name).setdefault("securityContext", {})["runAsUser"] = 1000
    found = {held.subject: held.verdict for held in verify(world.view, [EVERY["environment"]]) if held.subject == "torrents"}
    assert found == {"torrents": "holds"}


def test_the_question_for_a_library_tells_folders_apart(tmp_path: Path) -> None:
    """Another root, another file system, and other names in the root."""
    text = script("portable.verify.paths", "paths.sh")

    def said(path: Path) -> str:
        return subprocess.run(["sh", "-c", text, "sh", str(path)], capture_output=True, text=True, check=True).stdout

    for name in ("one", "two"):
        (tmp_path / name / "media").mkdir(parents=True)
    assert said(tmp_path / "one") == said(tmp_path / "one")
    assert said(tmp_path / "one") != said(tmp_path / "two")
    before = said(tmp_path / "one")
    (tmp_path / "one" / "media").rmdir()
    assert said(tmp_path / "one") != before
    assert len(before.splitlines()) == 3
