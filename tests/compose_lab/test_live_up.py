"""Up, again, changed, healed, pruned and down on a real engine: what is touched, and what is not."""

import copy
import os
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from portable.engines.docker.engine import Engine
from portable.engines.docker.errors import DockerError
from portable.engines.docker.observed import PROJECT, Observed
from portable.live.compose import verbs as compose
from portable.live.compose.desired import current
from portable.model.changes import Change
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.progress import Event
from tests.compose_lab.stacks import SOURCE, body, changed, service, set_secrets, stack
from tests.lab.engine import BUSYBOX
from tests.lab.local import free_ports

pytestmark = pytest.mark.compose_lab


@pytest.fixture(autouse=True)
def _secrets() -> None:
    set_secrets()


def docker(*command: str) -> str:
    return subprocess.run(["docker", *command], capture_output=True, text=True, check=True).stdout


def up(engine: Engine, document: dict[str, Any], **more: Any) -> tuple[Change, ...]:
    return compose.up(engine, stack(document), SOURCE, deadline=60, **more).changes


def told(changes: tuple[Change, ...]) -> dict[str, str]:
    return {c.service: f"{c.kind}: {c.cause}" for c in changes}


def lives(observed: Observed) -> dict[str, tuple[str, str]]:
    """What changes when a container is touched at all."""
    return {name: (seen.id, seen.started_at) for name, seen in current(observed).items()}


def touched(before: Observed, after: Observed) -> set[str]:
    """Services that have another container, or one that was started anew. The one-shot is Compose's to repeat."""
    old, new = lives(before), lives(after)
    return {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)} - {"init"}


@pytest.fixture
def running(engine: Engine, project: str) -> dict[str, Any]:
    document = body(project)
    up(engine, document)
    return document


def test_up_says_why_it_waits_and_ends_with_all_well(engine: Engine, project: str) -> None:
    events: list[Event] = []
    outcome = compose.up(engine, stack(body(project)), SOURCE, progress=events.append, deadline=60)
    assert {c.sentence() for c in outcome.changes} == {
        f"create {s}: it does not exist yet" for s in ("init", "gateway", "one", "two", "lone")
    }
    assert {r.service: (r.state, r.health, r.reason) for r in outcome.rows} == {
        "init": ("finished", "-", ""),
        "gateway": ("running", "healthy", ""),
        "one": ("running", "-", ""),
        "two": ("running", "-", ""),
        "lone": ("running", "-", ""),
    }
    waits = [e.subject.split(", ") for e in events if e.text == "waiting for gateway to be healthy"]
    assert any("one" in names for names in waits)


def test_up_again_changes_nothing(engine: Engine, running: dict[str, Any]) -> None:
    before = engine.observe(running["name"])
    assert compose.diff(engine, stack(running), SOURCE) == ()
    assert up(engine, running) == ()
    assert up(engine, copy.deepcopy(running)) == ()
    assert engine.observe(running["name"]) == before


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda b: changed(b, "configs", "lone-conf", "content", to="2\n"), {"lone": "recreate: its config file lone-conf changed"}),
        (lambda b: changed(b, "configs", "one-conf", "content", to="b\n"), {"one": "recreate: its config file one-conf changed"}),
        (lambda b: changed(b, "services", "lone", "environment", to={"TZ": "UTC"}), {"lone": "recreate: its environment TZ changed"}),
        (
            lambda b: changed(b, "configs", "gateway-ready", "content", to="2\n"),
            {
                "gateway": "recreate: its config file gateway-ready changed",
                "one": "recreate: it shares the network of gateway, which is recreated",
                "two": "recreate: it shares the network of gateway, which is recreated",
            },
        ),
    ],
)
def test_a_change_touches_exactly_its_users(
    engine: Engine, running: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]], expected: dict[str, str]
) -> None:
    before, new = engine.observe(running["name"]), change(running)
    foreseen = compose.diff(engine, stack(new), SOURCE)
    changes = up(engine, new)
    assert changes == foreseen
    assert told(changes) == expected
    assert touched(before, engine.observe(running["name"])) == set(expected)
    assert up(engine, new) == ()


def test_a_changed_secret_recreates_exactly_its_user(engine: Engine, running: dict[str, Any]) -> None:
    before = engine.observe(running["name"])
    set_secrets(whole="other\n")
    assert told(up(engine, running)) == {"lone": "recreate: its secret whole changed"}
    assert touched(before, engine.observe(running["name"])) == {"lone"}
    assert docker("exec", current(engine.observe(running["name"]))["lone"].id, "cat", "/etc/whole") == "other"
    set_secrets(token="fresh", whole="other\n")
    assert told(up(engine, running)) == {"two": "recreate: its secret token changed"}
    assert up(engine, running) == ()


def test_config_files_arrive_as_they_were_written(engine: Engine, running: dict[str, Any]) -> None:
    seen = current(engine.observe(running["name"]))
    assert docker("exec", seen["one"].id, "cat", "/etc/one") == "a $x ${y}\n"
    assert docker("exec", seen["two"].id, "sh", "-c", "echo $TOKEN") == "canary-token-7f3a\n"


def test_sharers_see_the_network_of_the_gateway_that_is_there_now(engine: Engine, running: dict[str, Any]) -> None:
    new = changed(running, "configs", "gateway-ready", "content", to="2\n")
    up(engine, new)
    seen = current(engine.observe(running["name"]))
    addresses = {
        docker("exec", seen[s].id, "ip", "-4", "addr", "show", "eth0").split("inet ")[1].split("/")[0] for s in ("gateway", "one", "two")
    }
    assert len(addresses) == 1


def test_a_gateway_restarted_from_outside_is_noticed_and_healed(engine: Engine, running: dict[str, Any]) -> None:
    before = engine.observe(running["name"])
    docker("restart", "-t", "2", current(before)["gateway"].id)
    assert "network namespace" in next(r.reason for r in compose.status(engine, stack(running)) if r.service == "one")
    cause = "restart: it shares the network of gateway, which was restarted from outside"
    assert told(up(engine, running)) == {"one": cause, "two": cause}
    after = engine.observe(running["name"])
    assert touched(before, after) == {"gateway", "one", "two"}
    assert {s: current(after)[s].id for s in ("one", "two")} == {s: current(before)[s].id for s in ("one", "two")}
    assert "eth0" in docker("exec", current(after)["one"].id, "ip", "addr")
    assert up(engine, running) == ()


def test_a_gateway_recreated_from_outside_is_noticed_and_healed(engine: Engine, running: dict[str, Any]) -> None:
    before = current(engine.observe(running["name"]))
    docker("rm", "-f", before["gateway"].id)
    changes = told(up(engine, running))
    assert changes["gateway"] == "create: it does not exist yet"
    assert set(changes) == {"gateway", "one", "two"}
    assert up(engine, running) == ()


def test_a_stopped_app_is_started(engine: Engine, running: dict[str, Any]) -> None:
    before = engine.observe(running["name"])
    docker("stop", "-t", "1", current(before)["lone"].id)
    assert told(up(engine, running))["lone"].startswith("start: it is not running (exit code")
    assert touched(before, engine.observe(running["name"])) == {"lone"}
    docker("stop", "-t", "1", current(before)["gateway"].id)
    changes = told(up(engine, running))
    assert {s: c.split(":")[0] for s, c in changes.items()} == {"gateway": "start", "one": "restart", "two": "restart"}
    assert up(engine, running) == ()
    docker("pause", current(before)["lone"].id)
    assert told(up(engine, running)) == {"lone": "start: it is paused"}


def test_an_app_that_left_is_removed_and_its_data_kept(engine: Engine, running: dict[str, Any]) -> None:
    project = running["name"]
    docker("exec", current(engine.observe(project))["lone"].id, "sh", "-c", "echo precious > /data/file")
    new = copy.deepcopy(running)
    for kind, name in (("services", "lone"), ("configs", "lone-conf"), ("secrets", "whole"), ("volumes", "lone-data")):
        del new[kind][name]
    before = engine.observe(project)
    assert told(up(engine, new)) == {"lone": "remove: it is no longer part of the stack; its data stays"}
    assert touched(before, engine.observe(project)) == {"lone"}
    assert f"{project}_lone-data" in docker("volume", "ls", "-q")
    up(engine, running)
    assert docker("exec", current(engine.observe(project))["lone"].id, "cat", "/data/file") == "precious\n"


def test_down_keeps_data_and_needs_no_secrets(engine: Engine, running: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    project = running["name"]
    docker("exec", current(engine.observe(project))["lone"].id, "sh", "-c", "echo precious > /data/file")
    monkeypatch.delenv("PORTABLE_SECRET_TOKEN")
    monkeypatch.delenv("PORTABLE_SECRET_WHOLE")
    changes = compose.down(engine, stack(running))
    assert [c.service for c in changes][-2:] == ["init", "network default"] or "network default" in told(changes)
    assert engine.observe(project) == Observed()
    assert compose.down(engine, stack(running)) == ()
    set_secrets()
    up(engine, running)
    assert docker("exec", current(engine.observe(project))["lone"].id, "cat", "/data/file") == "precious\n"


def test_only_the_apps_that_are_named_and_what_they_need(engine: Engine, project: str) -> None:
    document = body(project)
    assert set(told(up(engine, document, apps=("one",)))) == {"init", "gateway", "one"}
    assert set(current(engine.observe(project))) == {"init", "gateway", "one"}
    assert {r.service for r in compose.status(engine, stack(document)) if r.state == "missing"} == {"lone", "two"}
    with pytest.raises(UsageError, match=r"\bwrong\b.*\[up\.unknown-app\]"):
        up(engine, document, apps=("wrong",))


def test_restart_of_a_gateway_takes_its_sharers_along(engine: Engine, running: dict[str, Any]) -> None:
    before = engine.observe(running["name"])
    outcome = compose.restart(engine, stack(running), apps=("gateway",), deadline=60)
    assert [c.service for c in outcome.changes] == ["gateway", "one", "two"]
    after = engine.observe(running["name"])
    assert touched(before, after) == {"gateway", "one", "two"}
    assert {s: c.id for s, c in current(after).items()} == {s: c.id for s, c in current(before).items()}
    assert up(engine, running) == ()


def test_a_container_that_was_never_started_is_made_anew(engine: Engine, running: dict[str, Any]) -> None:
    """Compose copies config files in after making a container: killed in between, it would run without them."""
    project = running["name"]
    lone = current(engine.observe(project))["lone"]
    labels = [f"--label={key}={value}" for key, value in _labels(lone.id).items()]
    docker("rm", "-f", lone.id)
    docker("create", "--name", f"{project}-lone-1", *labels, lone.image, "sleep", "100")
    assert told(up(engine, running)) == {"lone": "recreate: its container was created but never started"}
    assert docker("exec", current(engine.observe(project))["lone"].id, "cat", "/etc/lone") == "1\n"


def _labels(container: str) -> dict[str, str]:
    import json

    labels: dict[str, str] = json.loads(docker("inspect", "-f", "{{json .Config.Labels}}", container))
    return labels


def test_a_half_replaced_app_is_completed(engine: Engine, running: dict[str, Any]) -> None:
    """What a Compose killed while it recreates leaves: the old one running, the new one under a name of its own."""
    project = running["name"]
    lone = current(engine.observe(project))["lone"]
    labels = {**_labels(lone.id), "com.docker.compose.replace": lone.id}
    docker(
        "create", "--name", f"{lone.id[:12]}_{project}-lone-1", *[f"--label={k}={v}" for k, v in labels.items()], lone.image, "sleep", "100"
    )
    before = engine.observe(project)
    changes = up(engine, running)
    assert [c.kind for c in changes] == ["remove"]
    assert len(engine.containers(project)) == 5
    assert touched(before, engine.observe(project)) == set()


def test_a_half_replaced_app_keeps_its_anonymous_volume(engine: Engine, project: str) -> None:
    """Killed between removing the old container and naming the new one: the new one alone knows the volume that the image asked for."""
    document = body(project)
    document["services"]["lone"]["volumes"].append({"type": "volume", "target": "/anonymous"})
    up(engine, document)
    lone = current(engine.observe(project))["lone"]
    docker("exec", lone.id, "sh", "-c", "echo precious > /anonymous/file")
    labels = [f"--label={k}={v}" for k, v in {**_labels(lone.id), "com.docker.compose.replace": lone.id}.items()]
    docker("create", "--name", f"{lone.id[:12]}_{project}-lone-1", "--volumes-from", lone.id, *labels, lone.image, "sleep", "100")
    docker("rm", "-f", lone.id)
    assert told(up(engine, document)) == {"lone": "recreate: its container was created but never started"}
    seen = current(engine.observe(project))["lone"]
    assert docker("exec", seen.id, "cat", "/anonymous/file") == "precious\n"
    assert docker("exec", seen.id, "cat", "/etc/lone") == "1\n"
    assert up(engine, document) == ()


def test_a_crashing_app_fails_at_once_with_its_last_words(engine: Engine, project: str) -> None:
    document = changed(body(project), "services", "lone", "command", to=["sh", "-c", "echo canary-whole-9c1e is wrong; exit 3"])
    with pytest.raises(DockerError) as caught:
        compose.up(engine, stack(document), SOURCE, deadline=90)
    assert "lone: restarting" in str(caught.value)
    assert "exit code 3" in str(caught.value)
    assert "<secret> is wrong" in str(caught.value)
    assert "canary" not in str(caught.value)


def test_an_unhealthy_gateway_is_told_with_those_that_wait(engine: Engine, project: str) -> None:
    document = changed(body(project), "services", "gateway", "healthcheck", "test", to=["CMD-SHELL", "echo no tunnel; exit 1"])
    with pytest.raises(DockerError, match=r"gateway: unhealthy: no tunnel(.|\n)*\[up\.unhealthy\]"):
        compose.up(engine, stack(document), SOURCE, deadline=90)
    assert up(engine, body(project))
    assert up(engine, body(project)) == ()


def test_a_job_that_fails_is_told_with_its_last_words(engine: Engine, project: str) -> None:
    document = changed(body(project), "services", "init", "command", to=["sh", "-c", "echo no such folder; exit 4"])
    with pytest.raises(DockerError, match=r"init: stopped with exit code 4\n +no such folder"):
        compose.up(engine, stack(document), SOURCE, deadline=60)


def test_a_deadline_says_what_is_late(engine: Engine, project: str) -> None:
    document = changed(
        body(project), "services", "gateway", "healthcheck", to={"test": ["CMD", "false"], "interval": "1s", "retries": 1000}
    )
    with pytest.raises(DockerError, match=r": gateway: starting.*\[up\.timeout\]"):
        compose.up(engine, stack(document), SOURCE, deadline=9)


def test_a_taken_port_is_named_with_its_holder_before_anything_starts(engine: Engine, project: str) -> None:
    import socket

    document = body(project)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        document["services"]["lone"]["ports"] = [{"target": 80, "published": str(port), "host_ip": "127.0.0.1", "protocol": "tcp"}]
        with pytest.raises(DockerError, match=rf"port {port}/tcp of lone is in use by .+ \(process {os.getpid()}\)") as caught:
            up(engine, document)
        assert (caught.value.kind, caught.value.code) == ("port", "host.port")
        assert engine.observe(project) == Observed()
    up(engine, document)
    assert up(engine, document) == ()


def test_a_port_of_another_project_is_named(engine: Engine, project: str) -> None:
    document, (port,) = body(project), free_ports(1)
    document["services"]["lone"]["ports"] = [{"target": 80, "published": str(port), "host_ip": "127.0.0.1"}]
    name = f"{project}-holder"
    docker("run", "-d", "--rm", "--name", name, "-p", f"127.0.0.1:{port}:80", document["services"]["lone"]["image"], "sleep", "60")
    try:
        with pytest.raises(DockerError, match=f"port {port}/tcp of lone .*{name}") as caught:
            up(engine, document)
        assert caught.value.code == "host.port"
    finally:
        docker("rm", "-f", name)


def test_data_that_another_container_writes_is_refused_before_anything_starts(engine: Engine, project: str, tmp_path: Path) -> None:
    document = body(project)
    bind = {"type": "bind", "source": str(tmp_path), "target": "/config", "bind": {"create_host_path": True}}
    document["services"]["lone"]["volumes"].append(bind)
    image, name = document["services"]["lone"]["image"], f"{project}-holder"
    docker("run", "-d", "--rm", "--name", name, "-v", f"{tmp_path}:/x:ro", image, "sleep", "60")
    try:
        up(engine, document)
        compose.down(engine, stack(document))
        docker("rm", "-f", name)
        docker("run", "-d", "--rm", "--name", name, "-v", f"{tmp_path}:/x", image, "sleep", "60")
        with pytest.raises(Refused, match=f"the container {name} has {tmp_path}, the data of lone") as caught:
            up(engine, document)
        assert caught.value.code == "up.shared-data"
    finally:
        docker("rm", "-f", name)
    assert engine.observe(project) == Observed()


def test_an_image_that_can_be_had_in_no_way_is_named_before_anything_starts(engine: Engine, project: str) -> None:
    document = body(project)
    document["services"]["lone"]["image"] = "127.0.0.1:1/none/such:1"
    document["services"]["one"]["image"] = "127.0.0.1:1/none/other:2"
    with pytest.raises(PortableError, match=r"2 images .*none/other:2 .*cannot be reached.*none/such:1") as caught:
        up(engine, document)
    assert caught.value.code == "build.no-image"
    assert engine.observe(project) == Observed()


def test_missing_secrets_are_all_named_before_anything_starts(engine: Engine, project: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PORTABLE_SECRET_TOKEN")
    monkeypatch.delenv("PORTABLE_SECRET_WHOLE")
    with pytest.raises(UsageError, match=r"2 secrets .*: token .*; whole") as caught:
        up(engine, body(project))
    assert caught.value.code == "secret.missing"
    assert engine.observe(project) == Observed()


def test_a_missing_folder_is_explained(engine: Engine, project: str) -> None:
    document = body(project)
    document["services"]["lone"]["volumes"] = [
        {"type": "bind", "source": "/nowhere/at/all", "target": "/x", "bind": {"create_host_path": False}}
    ]
    with pytest.raises(DockerError) as caught:
        up(engine, document)
    assert caught.value.kind == "mount"
    assert "/nowhere/at/all" in str(caught.value)


@pytest.mark.parametrize("name", ["lone", "init"])
def test_an_app_that_could_not_mount_is_well_once_that_is_mended(engine: Engine, project: str, tmp_path: Path, name: str) -> None:
    document, folder = body(project), tmp_path / "data"
    folder.write_text("a file where a folder must be")
    document["services"][name]["volumes"] = [{"type": "bind", "source": str(folder), "target": "/etc", "bind": {"create_host_path": True}}]
    for _ in range(2):
        with pytest.raises(DockerError) as caught:
            up(engine, document)
        assert caught.value.kind == "mount", str(caught.value)
    folder.unlink()
    changes = told(up(engine, document))
    assert changes[name].startswith("recreate: ")
    assert up(engine, document) == ()


def test_a_paused_app_goes_on(engine: Engine, project: str) -> None:
    document = body(project)
    document["services"]["lone"]["healthcheck"] = {"test": ["CMD", "sleep", "0.5"], "interval": "1s", "timeout": "1s", "retries": 1}
    up(engine, document)
    lone = current(engine.observe(project))["lone"]
    docker("pause", lone.id)
    deadline = time.monotonic() + 6
    while time.monotonic() < deadline and current(engine.observe(project))["lone"].health != "unhealthy":
        time.sleep(0.3)
    assert told(up(engine, document)) == {"lone": "start: it is paused"}
    assert current(engine.observe(project))["lone"].id == lone.id
    assert up(engine, document) == ()


@pytest.mark.parametrize("app", [None, "one"], ids=["nothing to change", "somebody waits for it"])
def test_who_was_unhealthy_and_is_well_again_is_asked_anew(engine: Engine, project: str, app: str | None) -> None:
    """The engine's last word is as old as its last check."""
    document = body(project)
    document["services"]["gateway"]["healthcheck"] = {"test": ["CMD", "test", "!", "-e", "/tmp/sick"], "interval": "3s", "retries": 1}
    up(engine, document)
    gateway = current(engine.observe(project))["gateway"]
    docker("exec", gateway.id, "touch", "/tmp/sick")
    deadline = time.monotonic() + 9
    while time.monotonic() < deadline and current(engine.observe(project))["gateway"].health != "unhealthy":
        time.sleep(0.1)
    docker("exec", gateway.id, "rm", "/tmp/sick")
    assert current(engine.observe(project))["gateway"].health == "unhealthy"
    if app:
        document = changed(document, "services", app, "environment", to={"NEW": "1"})
    changes = told(up(engine, document))
    assert list(changes) == ([app] if app else [])
    assert current(engine.observe(project))["gateway"].id == gateway.id
    assert up(engine, document) == ()


def test_a_changed_subnet_makes_the_network_anew(engine: Engine, project: str) -> None:
    first = changed(body(project), "networks", "default", to={"ipam": {"config": [{"subnet": "10.213.7.0/24"}]}})
    up(engine, first)
    second = changed(first, "networks", "default", to={"ipam": {"config": [{"subnet": "10.213.8.0/24"}]}})
    changes = told(up(engine, second))
    assert changes["network default"] == "recreate: its subnet changed from 10.213.7.0/24 to 10.213.8.0/24"
    assert engine.networks(project)[0].subnets == ("10.213.8.0/24",)
    assert up(engine, second) == ()


def test_a_network_that_somebody_is_just_leaving_is_removed_then(engine: Engine, project: str) -> None:
    """Somebody who stays, as one that a person connected by hand, is told."""
    docker("network", "create", "--label", f"{PROJECT}={project}", project)
    leaver = docker("run", "-d", "--label", f"{PROJECT}={project}", "--network", project, BUSYBOX, "sleep", "1000").strip()
    (network,) = engine.networks(project)
    with pytest.raises(DockerError, match="has active endpoints"):
        engine.remove_network(network.id)
    leaving = threading.Timer(0.5, docker, ("network", "disconnect", project, leaver))
    leaving.start()
    engine.remove_network(network.id)
    leaving.join()
    assert engine.networks(project) == ()


def test_logs_are_merged_by_time_and_hide_secrets(engine: Engine, project: str) -> None:
    document = body(project)
    document["services"]["lone"]["command"] = ["sh", "-c", "echo first; echo key=$$(cat /etc/whole); exec sleep 1000"]
    document["services"]["lone"]["command"][2] = document["services"]["lone"]["command"][2].replace("$$", "$")
    up(engine, document)
    from portable.secrets.lookup import resolve

    lines = list(compose.logs(engine, stack(document), resolved=resolve(stack(document).secrets, SOURCE)))
    assert [line.text for line in lines if line.service == "lone"] == ["first", "key=<secret>"]
    assert [line.moment for line in lines] == sorted(line.moment for line in lines)


def test_two_ups_at_a_time_do_not_interleave(engine: Engine, project: str, tmp_path: Path) -> None:
    from portable.local.lock import locked

    events: list[Event] = []
    with (
        locked(project, "up"),
        pytest.raises(PortableError, match=r"`portable up` \(process \d+, since [\d:]+\).*\[file\.locked\]$"),
        locked(project, "down", progress=events.append, wait=0.3),
    ):
        pass
    assert events[0].text.startswith("waiting: ")
    assert "`portable up` (process" in events[0].text


def test_service_without_restart_policy_that_ends_is_a_failure(engine: Engine, project: str) -> None:
    document = body(project)
    document["services"]["lone"] = {**service(command=["sh", "-c", "echo bye; exit 0"]), "restart": "no"}
    with pytest.raises(DockerError, match="lone: stopped with exit code 0"):
        up(engine, document)
