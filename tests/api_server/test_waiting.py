"""What `up` and `status` say of pods that are not well. The test writes their status, as a kubelet would."""

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes.waiting import AppsNotReady
from portable.model.progress import Event
from portable.secrets.sources import FileSource
from tests.api_server.kubelet import ready_status, write_status
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack


@pytest.fixture
def quiet(namespace: str) -> str:
    """A namespace that the stand-in kubelet leaves alone."""
    return f"quiet-{namespace}"


def scheduled(**status: Any) -> dict[str, Any]:
    """The status of a pod on a node."""
    return {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "True"}], **status}


def of(container: str, **state: Any) -> dict[str, Any]:
    """The status of a container."""
    return {"name": container, "image": "x", "imageID": "", "ready": False, "started": False, "restartCount": 0, "state": state}


CRASHED = {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}
STATUSES: Mapping[str, tuple[dict[str, Any], str, bool]] = {
    "no node": (
        {
            "phase": "Pending",
            "conditions": [
                {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/2 nodes: Insufficient gpu"}
            ],
        },
        "no node can run it: 0/2 nodes: Insufficient gpu",
        False,
    ),
    "pull": (
        scheduled(
            initContainerStatuses=[of("init-dirs", waiting={"reason": "ErrImagePull", "message": "manifest unknown"})],
        ),
        "cannot pull the image registry.test/tools:1.0: manifest unknown",
        True,
    ),
    "crash loop": (
        scheduled(
            phase="Running",
            initContainerStatuses=[{**of("init-dirs", terminated={"exitCode": 0}), "ready": True}],
            containerStatuses=[{**of("one", waiting={"reason": "CrashLoopBackOff"}), "restartCount": 5, "lastState": CRASHED}],
        ),
        "one: crashed 5 times: out of memory (exit code 137)",
        True,
    ),
    "probe": (
        scheduled(
            phase="Running",
            initContainerStatuses=[{**of("init-dirs", terminated={"exitCode": 0}), "ready": True}],
            containerStatuses=[of("one", running={"startedAt": "2026-01-01T00:00:00Z"})],
        ),
        "its readiness probe does not succeed yet",
        False,
    ),
}


@contextmanager
def kubelet(server: Server, namespace: str, status: Mapping[str, Any]) -> Iterator[None]:
    """Write one status to every pod of a namespace while the block runs."""
    stop = threading.Event()

    def work() -> None:
        with server.cluster("other") as cluster:
            while not stop.wait(0.2):
                for pod in cluster.list("v1", "Pod", namespace=namespace):
                    if not (pod.get("status") or {}).get("conditions"):
                        try:
                            write_status(cluster, dict(pod), dict(status) or ready_status(dict(pod)))
                        except ClusterError:
                            continue

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", STATUSES)
def test_the_reason_is_told_and_what_is_final_ends_the_waiting(
    server: Server, quiet: str, secret_file: FileSource, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portable.live.kubernetes.waiting._FINAL_SECONDS", 1.0)
    status, reason, is_final = STATUSES[kind]
    events: list[Event] = []
    with driver(server, stack(plan(quiet, "one")), secret_file) as chosen, kubelet(server, quiet, status):
        with pytest.raises(AppsNotReady, match="one") as failed:
            chosen.up(deadline=60 if is_final else 4, progress=events.append)
        assert reason in failed.value.text
        assert failed.value.apps == {"one"}
        assert ("not ready within" in failed.value.text) is not is_final
        assert any(event.what == "waiting" and reason in event.text for event in events)
        assert {row.app: row.reason for row in chosen.status()}["one"].endswith(reason) or reason in chosen.status()[0].reason


def test_a_claim_that_nobody_binds_is_told(server: Server, quiet: str, secret_file: FileSource) -> None:
    message = "0/2 nodes are available: pod has unbound immediate PersistentVolumeClaims."
    status = {"phase": "Pending", "conditions": [{"type": "PodScheduled", "status": "False", "message": message}]}
    with (
        driver(server, stack(plan(quiet, "one")), secret_file) as chosen,
        kubelet(server, quiet, status),
        pytest.raises(AppsNotReady, match="claim one-state: no volume is bound to it"),
    ):
        chosen.up(deadline=5)


def test_the_next_up_goes_on_waiting(server: Server, quiet: str, secret_file: FileSource) -> None:
    with driver(server, stack(plan(quiet, "one")), secret_file) as chosen:
        with pytest.raises(AppsNotReady, match="not ready within"):
            chosen.up(deadline=0.1)
        with kubelet(server, quiet, {}):
            assert chosen.up(deadline=60).changes == ()
        assert [(row.state, row.health) for row in chosen.status()] == [("running", "healthy")]
