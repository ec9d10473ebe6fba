"""The verdict on pods: state, whether waiting helps, and what the reason has to name."""

from typing import Any

import pytest

from portable.engines.kubernetes.pods import judge_pod
from tests.unit.engines.kubernetes.objects import (
    condition,
    container,
    ended,
    event,
    last,
    paused,
    pod,
    running,
    seen,
    sidecar,
)

Case = tuple[dict[str, Any], list[dict[str, Any]], str, bool, list[str]]
UNSCHEDULED = condition("PodScheduled", "False", "Unschedulable", "0/2 nodes are available: 2 Insufficient squat.ai/tun.")
UNREADY = condition("Ready", "False", "ReadinessGatesNotReady", "the status of pod readiness gate x is not True")
DENIED = 'failed to pull image "registry.test/main:1": unauthorized'
SLOW = 'failed to pull image "registry.test/main:1": i/o timeout'

CASES: dict[str, Case] = {
    "runs and is ready": (pod(running()), [], "ready", False, []),
    "two containers ready": (pod(running("app"), running("helper")), [], "ready", False, []),
    "ended well, once": (pod(ended(0, reason="Completed"), phase="Succeeded", restart="Never"), [], "ready", False, []),
    "one of two ended well, once": (pod(ended(0), running("b"), restart="OnFailure"), [], "ready", False, []),
    "no node has the device": (pod(conditions=(UNSCHEDULED,), phase="Pending"), [], "waiting", False, ["squat.ai/tun", "node"]),
    "no node, without a message": (
        pod(conditions=(condition("PodScheduled", "False", "SchedulerError"),), phase="Pending"),
        [],
        "waiting",
        False,
        ["SchedulerError"],
    ),
    "nothing known yet": (pod(containers=(container(),), phase="Pending"), [], "waiting", False, ["main", "not started yet"]),
    "container is made": (pod(paused("ContainerCreating"), phase="Pending"), [], "waiting", False, ["main", "ContainerCreating"]),
    "image is pulled": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [event("Pulling", kind="Normal")],
        "waiting",
        False,
        ["pulling", "registry.test/main:1"],
    ),
    "image was pulled": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [event("Pulling", kind="Normal"), event("Pulled", kind="Normal")],
        "waiting",
        False,
        ["ContainerCreating"],
    ),
    "volume cannot be mounted": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [event("FailedMount", 'MountVolume.SetUp failed for volume "library"')],
        "waiting",
        False,
        ["volume", '"library"'],
    ),
    "volume cannot be attached": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [event("FailedAttachVolume", "Multi-Attach error")],
        "waiting",
        False,
        ["Multi-Attach error"],
    ),
    "the newest mount error counts": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [
            event("FailedMount", "old", at="2026-11-30T09:00:00Z"),
            event("FailedMount", "new"),
            event("FailedMount", "older", at="2026-11-30T08:00:00Z"),
        ],
        "waiting",
        False,
        ["new"],
    ),
    "node cannot prepare the pod": (
        pod(paused("ContainerCreating"), phase="Pending"),
        [event("FailedCreatePodSandBox", "no IP addresses available")],
        "waiting",
        False,
        ["no IP addresses available"],
    ),
    "registry is slow": (pod(paused("ErrImagePull"), phase="Pending"), [event("Failed", SLOW)], "failed", False, ["pull", "i/o timeout"]),
    "registry refuses": (pod(paused("ImagePullBackOff"), phase="Pending"), [event("Failed", DENIED)], "failed", True, ["unauthorized"]),
    "no such tag": (
        pod(paused("ErrImagePull", "manifest unknown"), phase="Pending"),
        [],
        "failed",
        True,
        ["registry.test/main:1", "manifest unknown"],
    ),
    "another architecture": (
        pod(paused("ErrImagePull", "no match for platform in manifest"), phase="Pending"),
        [],
        "failed",
        True,
        ["platform"],
    ),
    "pull backs off": (pod(paused("ImagePullBackOff", "Back-off pulling image"), phase="Pending"), [], "failed", False, ["Back-off"]),
    "no valid image name": (pod(paused("InvalidImageName"), phase="Pending"), [], "failed", True, ["InvalidImageName"]),
    "image never pulled": (pod(paused("ErrImageNeverPull"), phase="Pending"), [], "failed", True, ["ErrImageNeverPull"]),
    "secret is missing": (
        pod(paused("CreateContainerConfigError", 'secret "wireguard-key" not found'), phase="Pending"),
        [],
        "failed",
        True,
        ["wireguard-key"],
    ),
    "no such program": (
        pod(paused("RunContainerError", 'exec: "sonar": executable file not found')),
        [],
        "failed",
        False,
        ["RunContainerError", "sonar"],
    ),
    "crashed once": (
        pod(paused("CrashLoopBackOff", "back-off 10s", restartCount=1, **last(1))),
        [],
        "failed",
        False,
        ["crashed 1 times", "exit code 1"],
    ),
    "crashes on": (pod(paused("CrashLoopBackOff", restartCount=5, **last(2))), [], "failed", True, ["crashed 5 times", "exit code 2"]),
    "out of memory": (pod(paused("CrashLoopBackOff", restartCount=3, **last(137, "OOMKilled"))), [], "failed", True, ["out of memory"]),
    "killed": (pod(paused("CrashLoopBackOff", restartCount=1, **last(137))), [], "failed", False, ["SIGKILL"]),
    "segmentation fault": (pod(paused("CrashLoopBackOff", restartCount=1, **last(139))), [], "failed", False, ["SIGSEGV"]),
    "crashed, cause unknown": (pod(paused("CrashLoopBackOff", "back-off 40s", restartCount=1)), [], "failed", False, ["back-off 40s"]),
    "just ended": (pod(ended(3)), [], "failed", False, ["main", "exit code 3"]),
    "just ended, with last words": (pod(ended(1, message="database is locked")), [], "failed", False, ["database is locked"]),
    "just ran out of memory": (pod(ended(137, reason="OOMKilled")), [], "failed", False, ["out of memory"]),
    "ended well but should run": (pod(ended(0, reason="Completed")), [], "failed", False, ["exit code 0"]),
    "not ready yet": (
        pod(running(ready=False)),
        [event("Unhealthy", "Readiness probe failed: HTTP 503")],
        "waiting",
        False,
        ["readiness probe", "HTTP 503"],
    ),
    "still starting": (
        pod(running(ready=False, started=False), containers=(container(startupProbe={"exec": {}}),)),
        [event("Unhealthy", "Startup probe failed: no such file")],
        "waiting",
        False,
        ["startup probe", "no such file"],
    ),
    "started, with a startup probe": (
        pod(running(ready=False), containers=(container(startupProbe={"exec": {}}),)),
        [],
        "waiting",
        False,
        ["readiness probe"],
    ),
    "second container not ready": (pod(running("app"), running("helper", ready=False)), [], "waiting", False, ["helper"]),
    "readiness gate": (pod(running(), conditions=(UNREADY,)), [], "waiting", False, ["readiness gate"]),
    "ready, and its node is lost": (
        pod(running(), conditions=(condition("Ready", "False", "NodeNotReady"),)),
        [],
        "waiting",
        False,
        ["NodeNotReady"],
    ),
    "phase unknown": (pod(running(), phase="Unknown"), [], "waiting", False, ["Unknown"]),
    "evicted": (
        pod(phase="Failed", reason="Evicted", message="The node was low on resource: ephemeral-storage."),
        [],
        "failed",
        False,
        ["Evicted", "ephemeral-storage"],
    ),
    "failed, once": (pod(ended(4), phase="Failed", restart="Never"), [], "failed", True, ["main", "exit code 4"]),
    "failed, nothing known": (pod(phase="Failed"), [], "failed", False, ["failed"]),
    "is deleted": (pod(running(), metadata={"deletionTimestamp": "2026-11-30T10:00:00Z"}), [], "ending", False, ["deleted"]),
    "deletion waits": (
        pod(running(), metadata={"deletionTimestamp": "2026-11-30T10:00:00Z", "finalizers": ["example.test/keep"]}),
        [],
        "ending",
        False,
        ["example.test/keep"],
    ),
}


def init_case(*statuses: dict[str, Any], main: dict[str, Any] | None = None) -> dict[str, Any]:
    """A pod with an init container and a mount as sidecar before its main container."""
    return pod(
        main or paused("PodInitializing"),
        containers=(container(),),
        inits=(container("init-dirs"), sidecar("zurg")),
        init_statuses=statuses,
        phase="Pending" if main is None else "Running",
    )


CASES |= {
    "first init runs": (init_case(running("init-dirs", ready=False)), [], "waiting", False, ["Init:1/2", "init-dirs"]),
    "first init crashes": (
        init_case(paused("CrashLoopBackOff", name="init-dirs", restartCount=4, **last(1))),
        [],
        "failed",
        True,
        ["Init:1/2", "init-dirs", "exit code 1"],
    ),
    "mount starts": (
        init_case(ended(0, "init-dirs"), running("zurg", ready=False, started=False)),
        [event("Unhealthy", "Startup probe failed: not a mountpoint")],
        "waiting",
        False,
        ["Init:2/2", "zurg", "not a mountpoint"],
    ),
    "mount cannot be pulled": (
        init_case(ended(0, "init-dirs"), paused("ImagePullBackOff", "denied", name="zurg")),
        [],
        "failed",
        True,
        ["Init:2/2", "registry.test/zurg:1"],
    ),
    "mount started, app starts": (init_case(ended(0, "init-dirs"), running("zurg")), [], "waiting", False, ["main"]),
    "all run": (init_case(ended(0, "init-dirs"), running("zurg"), main=running()), [], "ready", False, []),
    "mount broke later": (
        init_case(ended(0, "init-dirs"), seen("zurg", {"running": {}}, started=True), main=running()),
        [],
        "waiting",
        False,
        ["zurg"],
    ),
    "no init has a status": (init_case(), [], "waiting", False, ["Init:1/2", "init-dirs"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_pod_is_judged_with_a_reason(name: str) -> None:
    item, events, state, is_final, words = CASES[name]
    verdict = judge_pod(item, events)
    assert (verdict.state, verdict.is_final) == (state, is_final), verdict.reason
    assert [word for word in words if word not in verdict.reason] == []
    assert bool(verdict.reason) == (state != "ready")
    assert verdict.is_ready == (state == "ready")


def test_events_about_another_container_or_another_probe_are_not_the_reason() -> None:
    waiting = pod(running("app"), running("helper", ready=False))
    events = [
        event("Unhealthy", "Readiness probe failed: of the app", container="app"),
        event("Unhealthy", "Startup probe failed: before\nit began", container="helper"),
    ]
    assert judge_pod(waiting, events).reason == "helper: its readiness probe does not succeed yet"
    events.append(event("Unhealthy", "Readiness probe failed: of the\nhelper", container="helper"))
    assert judge_pod(waiting, events).reason.endswith("Readiness probe failed: of the helper")
