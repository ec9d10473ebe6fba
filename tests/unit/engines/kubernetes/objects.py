"""Objects as an API server returns them, with only what a verdict looks at."""

from typing import Any

Object = dict[str, Any]


def item(kind: str, *, status: Object | None = None, spec: Object | None = None, **metadata: Any) -> Object:
    """An object of a kind."""
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": "sonarr", **metadata}, "spec": spec or {}, "status": status or {}}


def condition(kind: str, status: str, reason: str = "", message: str = "") -> Object:
    """A condition."""
    return {"type": kind, "status": status, "reason": reason, "message": message}


def event(reason: str, message: str = "", *, at: str = "2026-11-30T10:00:00Z", kind: str = "Warning", container: str = "") -> Object:
    """An event about the object, or about a container of it."""
    about = {"fieldPath": f"spec.containers{{{container}}}"} if container else {}
    body = {"kind": "Event", "metadata": {"creationTimestamp": at}, "involvedObject": about}
    return {**body, "reason": reason, "message": message, "type": kind}


def container(name: str = "main", **more: Any) -> Object:
    """A container of a pod's spec."""
    return {"name": name, "image": f"registry.test/{name}:1", **more}


def sidecar(name: str) -> Object:
    """A native sidecar."""
    return container(name, restartPolicy="Always")


def seen(name: str = "main", state: Object | None = None, **more: Any) -> Object:
    """The status of a container."""
    return {"name": name, "ready": False, "started": False, "restartCount": 0, "state": state or {}, "lastState": {}, **more}


def running(name: str = "main", *, ready: bool = True, started: bool = True, **more: Any) -> Object:
    """The status of a container that runs."""
    return seen(name, {"running": {"startedAt": "2026-11-30T10:00:00Z"}}, ready=ready, started=started, **more)


def paused(reason: str, message: str = "", name: str = "main", **more: Any) -> Object:
    """The status of a container that waits."""
    return seen(name, {"waiting": {"reason": reason, "message": message}}, **more)


def ended(code: int, name: str = "main", *, reason: str = "Error", message: str = "", **more: Any) -> Object:
    """The status of a container that ended."""
    return seen(name, {"terminated": {"exitCode": code, "reason": reason, "message": message}}, **more)


def last(code: int, reason: str = "Error") -> Object:
    """How a container that waits ended before."""
    return {"lastState": {"terminated": {"exitCode": code, "reason": reason}}}


def pod(
    *statuses: Object,
    inits: tuple[Object, ...] = (),
    init_statuses: tuple[Object, ...] = (),
    containers: tuple[Object, ...] | None = None,
    conditions: tuple[Object, ...] = (),
    phase: str = "Running",
    restart: str = "Always",
    metadata: Object | None = None,
    **status: Any,
) -> Object:
    """A pod whose containers stand like this."""
    mains = containers if containers is not None else tuple(container(each["name"]) for each in statuses)
    return item(
        "Pod",
        spec={"containers": list(mains), "initContainers": list(inits), "restartPolicy": restart},
        status={
            "phase": phase,
            "conditions": list(conditions),
            "containerStatuses": list(statuses),
            "initContainerStatuses": list(init_statuses),
            **status,
        },
        **(metadata or {}),
    )
