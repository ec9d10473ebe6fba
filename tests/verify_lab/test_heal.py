"""`heal` on real apps: what went down with its gateway, by itself or off its network comes back in order; what somebody stopped stays."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable

import pytest

from tests.lab.local import Local, docker
from tests.verify_lab.test_faults import broken, off_its_network

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
WELL = ("runs", "shares", "fence", "answers", "ports")


def until(true: Callable[[], bool], seconds: float = 60) -> float:
    """Wait; the seconds that it took."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() - began < seconds, "it did not come about"
        time.sleep(0.2)
    return time.monotonic() - began


def healed(local: Local) -> list[str]:
    """What `heal` did, as `diff` would tell it; everything is well afterwards."""
    changes = [line for line in local.portable("heal", "--dry-run", code=None).out.splitlines() if ": " in line]
    local.portable("heal", "--timeout", "90")
    assert broken(local, *WELL) == {}
    assert local.portable("heal", "--dry-run").code == 0, "nothing is left to heal"
    return changes


def test_a_gateway_that_was_restarted_from_outside(local: Local) -> None:
    docker("restart", local.container("seal"))
    local.portable("status", code=1)
    until(lambda: local.inspected()["seal"]["State"]["Health"]["Status"] == "healthy")
    assert healed(local) == ["restart qbittorrent: it shares the network of seal, which was restarted"]


def test_a_gateway_that_was_recreated_from_outside(local: Local) -> None:
    docker("rm", "-f", local.container("seal"))
    document = local.state / "portable" / local.project / "compose.yaml"
    subprocess.run(
        ["docker", "compose", "-p", local.project, "-f", document, "up", "-d", "--no-deps", "--wait", "seal"],
        check=True,
        capture_output=True,
        env={**os.environ, **dict.fromkeys(variables(document.read_text()), "x")},
    )
    assert healed(local) == ["recreate qbittorrent: it shares the network of seal, which was recreated from outside"]


def variables(document: str) -> set[str]:
    """The variables that Compose wants, for services that this call does not touch."""
    return {word.strip("'\"}:") for word in document.replace("{", " ").split() if word.startswith("PORTABLE_SECRET_")}


def test_a_gateways_process_that_was_killed(local: Local) -> None:
    """The engine starts the gateway again by itself, and leaves who shared its network on one that is gone."""
    before = local.inspected()["seal"]["State"]["StartedAt"]
    os.kill(local.inspected()["seal"]["State"]["Pid"], signal.SIGKILL)  # a process of this test's own stack
    until(lambda: local.inspected()["seal"]["State"]["StartedAt"] != before)
    until(lambda: local.inspected()["seal"]["State"]["Health"]["Status"] == "healthy")
    assert [line.split(":")[0] for line in healed(local)] == ["restart qbittorrent"]


def test_a_gateway_that_docker_kill_ended(local: Local) -> None:
    """The engine never starts it again, and the app behind it goes on in a namespace whose firewall nobody looks after."""
    docker("kill", local.container("seal"))
    until(lambda: local.inspected()["seal"]["State"]["Status"] == "exited")
    assert healed(local) == [
        "start seal: it was killed (exit code 137)",
        "restart qbittorrent: it shares the network of seal, which was killed",
    ]
    seen = local.inspected()
    assert seen["qbittorrent"]["State"]["StartedAt"] > seen["seal"]["State"]["StartedAt"]


def test_a_gateway_that_somebody_stopped_stays_down(local: Local) -> None:
    docker("stop", local.container("seal"))
    assert local.inspected()["seal"]["State"]["ExitCode"] == 0
    assert local.portable("heal", "--dry-run").code == 0
    local.portable("up")


def test_a_gateway_that_somebody_stopped_stays_down_though_it_did_not_end_in_time(local: Local) -> None:
    """The engine knows that it was a stop, but only for its last 256 events; the healer remembers for longer."""
    os.kill(local.inspected()["seal"]["State"]["Pid"], signal.SIGSTOP)  # a process of this test's own stack, which can't end in time now
    watching = local.start("heal", "--watch", "--every", "1")
    try:
        docker("stop", "--time", "0", local.container("seal"))
        assert local.inspected()["seal"]["State"]["ExitCode"] == 137
        assert local.portable("heal", "--dry-run").code == 0
        time.sleep(5)
        for _ in range(90):  # each makes three events
            local.inside("webdav", "true")
        time.sleep(3)
        assert local.inspected()["seal"]["State"]["Status"] == "exited"
    finally:
        watching.terminate()
        assert watching.wait(timeout=60) == 130
    assert "it was killed" in local.portable("heal", "--dry-run", code=3).out, "the engine has forgotten"
    local.portable("up")


def test_an_app_behind_a_gateway_that_crashed(local: Local) -> None:
    local.inside("qbittorrent", "sh", "-c", "kill -SEGV -1", user="1000:1000")  # all of that user but the first process
    until(lambda: local.inspected()["qbittorrent"]["State"]["Status"] == "exited")
    assert healed(local) == ["start qbittorrent: it crashed (exit code 139)"]


def test_what_somebody_stopped_stays_down(local: Local) -> None:
    docker("stop", local.container("qbittorrent"))
    assert local.portable("heal", "--dry-run").code == 0
    local.portable("heal")
    assert local.inspected()["qbittorrent"]["State"]["Status"] == "exited"
    local.portable("up")


def test_an_app_off_its_network(local: Local) -> None:
    off_its_network(local)
    assert healed(local) == ["recreate webdav: it was taken off the network default from outside"]


def test_it_goes_on_looking_until_it_is_ended(local: Local) -> None:
    """Twice the same: what heals once must heal again; each app comes back only when its gateway stands."""
    watching = local.start("heal", "--watch", "--every", "1")
    took = []
    try:
        for _ in range(2):
            before = local.inspected()["qbittorrent"]["State"]["StartedAt"]
            docker("kill", local.container("qbittorrent"))
            docker("restart", local.container("seal"))
            took.append(until(lambda was=before: local.inspected()["qbittorrent"]["State"]["StartedAt"] > was))  # type: ignore[misc]
            seen = local.inspected()
            assert seen["qbittorrent"]["State"]["StartedAt"] > seen["seal"]["State"]["StartedAt"]
    finally:
        watching.terminate()  # as systemd does; Ctrl-C is ignored by what a shell started in the background
        assert watching.wait(timeout=60) == 130
    print(f"healed after {', '.join(f'{seconds:.1f} s' for seconds in took)}")
    log = (local.folder / "started.log").read_text()
    assert log.count("qbittorrent: start: it stopped with seal, which is running again") == 2
    local.portable("up")
    assert broken(local, *WELL) == {}


def test_another_command_comes_first(local: Local) -> None:
    """It does not wait for the lock: whoever has it does what is to be done."""
    import fcntl

    with (local.state / "portable" / local.project / "lock").open("r+") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        assert "[file.locked]" in local.portable("heal", code=1).err


def test_bad_calls(local: Local) -> None:
    assert "[usage.options-conflict]" in local.portable("heal", "--watch", "--dry-run", code=2).err
    assert "--every" in local.portable("heal", "--watch", "--every", "0", code=2).err
    assert json.loads(local.portable("heal", "--dry-run", "--format", "json").out)["changes"] == []
