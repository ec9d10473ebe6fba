"""The verdict on a pod: which container it waits for, and why. Pure: knows the pod and its events only."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from portable.engines.kubernetes.verdict import (
    READY,
    KubernetesObject,
    ObjectVerdict,
    conditions_of,
    failed,
    newest_event,
    sentence,
    spec_of,
    status_of,
    waiting,
)

_PULLING: Final = ("ImagePullBackOff", "ErrImagePull", "RegistryUnavailable", "ImageInspectError")
_NEVER_PULLED: Final = ("InvalidImageName", "ErrImageNeverPull")
PULL_FAILURES: Final = (*_PULLING, *_NEVER_PULLED)
"""Reasons of a container that waits because its image cannot be pulled."""
_WRONG_SETTINGS: Final = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
_NO_SUCH_IMAGE: Final = ("not found", "manifest unknown", "unauthorized", "denied", "403 forbidden", "no match for platform")
"""A registry's words after which the same pull fails again."""
_SIGNALS: Final = {137: "SIGKILL", 139: "SIGSEGV", 143: "SIGTERM", 134: "SIGABRT"}
_CRASHES: Final = 3
"""So many restarts after which a crash counts as final, so that `up` need not wait for the deadline."""


def judge_pod(pod: KubernetesObject, events: Sequence[KubernetesObject] = ()) -> ObjectVerdict:
    """Judge a pod by its status and the events about it.

    The order is the order of a pod's life: schedule, volumes, init containers, images, start, readiness.
    """
    status = status_of(pod)
    phase = status.get("phase")
    if pod["metadata"].get("deletionTimestamp"):
        return ObjectVerdict(state="ending", reason=_why_ending(pod))
    if phase == "Succeeded":
        return READY
    if phase == "Failed":
        return failed(_why_failed(pod), is_final=spec_of(pod).get("restartPolicy") == "Never")
    conditions = conditions_of(pod)
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return waiting(sentence("no node can run it", scheduled.get("message") or scheduled.get("reason")))
    inits, mains = spec_of(pod).get("initContainers") or (), spec_of(pod).get("containers") or ()
    by_name = {seen["name"]: seen for key in ("initContainerStatuses", "containerStatuses") for seen in status.get(key) or ()}
    for number, container in enumerate(inits, 1):
        seen = by_name.get(container["name"], {})
        if not _is_past(container, seen):
            return _judge_container(container, seen, events, f"Init:{number}/{len(inits)} ")
    for container in (*mains, *(init for init in inits if init.get("restartPolicy") == "Always")):
        seen = by_name.get(container["name"], {})
        if not seen.get("ready") and not _has_ended_well(pod, seen):
            return _judge_container(container, seen, events, "")
    if conditions.get("Ready", {}).get("status") == "False":  # a readiness gate, or the node's own word
        return waiting(sentence("not ready", conditions["Ready"].get("message") or conditions["Ready"].get("reason")))
    return READY if phase == "Running" else waiting(f"its phase is {phase or 'unknown'}")


def _is_past(container: Mapping[str, Any], seen: Mapping[str, Any]) -> bool:
    """Whether an init container lets the next one begin: a sidecar once it started, others once they ended well."""
    if container.get("restartPolicy") == "Always":
        return bool(seen.get("started"))
    return bool((seen.get("state") or {}).get("terminated", {}).get("exitCode") == 0)


def _has_ended_well(pod: KubernetesObject, seen: Mapping[str, Any]) -> bool:
    ended = (seen.get("state") or {}).get("terminated")
    return ended is not None and ended.get("exitCode") == 0 and spec_of(pod).get("restartPolicy") in ("Never", "OnFailure")


def _judge_container(
    container: Mapping[str, Any], seen: Mapping[str, Any], events: Sequence[KubernetesObject], prefix: str
) -> ObjectVerdict:
    name = f"{prefix}{container['name']}"
    events = _about_container(container["name"], events)
    state = seen.get("state") or {}
    if ended := state.get("terminated"):
        return failed(sentence(name, _ending(ended)))
    if "running" in state:
        return waiting(sentence(name, _why_not_ready(container, seen, events)))
    paused = state.get("waiting") or {}
    reason, message = paused.get("reason") or "", paused.get("message") or ""
    if reason == "CrashLoopBackOff":
        last = (seen.get("lastState") or {}).get("terminated") or {}
        restarts = int(seen.get("restartCount") or 0)
        text = sentence(name, f"crashed {restarts} times", _ending(last) if last else message)
        return failed(text, is_final=restarts >= _CRASHES)
    if reason in _PULLING:
        event = newest_event(events, "Failed")
        why = (event or {}).get("message") or message
        gone = any(word in why.lower() for word in _NO_SUCH_IMAGE)
        return failed(sentence(name, f"cannot pull the image {container.get('image')}", why), is_final=gone)
    if reason in _NEVER_PULLED:
        return failed(sentence(name, reason, message or container.get("image")), is_final=True)
    if reason in _WRONG_SETTINGS:
        return failed(sentence(name, reason, message), is_final=reason == "CreateContainerConfigError")
    if mounting := newest_event(events, "FailedMount", "FailedAttachVolume", "FailedMapVolume"):
        return waiting(sentence(name, "cannot mount a volume", mounting.get("message")))
    if sandbox := newest_event(events, "FailedCreatePodSandBox"):
        return waiting(sentence(name, "the node cannot prepare the pod", sandbox.get("message")))
    if newest_event(events, "Pulling") and not newest_event(events, "Pulled"):
        return waiting(sentence(name, f"pulling the image {container.get('image')}"))
    return waiting(sentence(name, reason or "not started yet", message))


def _about_container(name: str, events: Sequence[KubernetesObject]) -> tuple[KubernetesObject, ...]:
    """The events about that container or the whole pod, but not those about its neighbours: `spec.containers{sonarr}`."""
    paths = ((event, str((event.get("involvedObject") or {}).get("fieldPath") or "")) for event in events)
    return tuple(event for event, path in paths if "{" not in path or path.endswith(f"{{{name}}}"))


def _why_not_ready(container: Mapping[str, Any], seen: Mapping[str, Any], events: Sequence[KubernetesObject]) -> str:
    """What a running container is asked, and what its probe said last."""
    kind = "startup probe" if container.get("startupProbe") and not seen.get("started") else "readiness probe"
    past = ("startup probe",) if seen.get("started") else ()
    event = newest_event([event for event in events if not str(event.get("message")).lower().startswith(past)], "Unhealthy")
    return sentence(f"its {kind} does not succeed yet", (event or {}).get("message"))


def _ending(ended: Mapping[str, Any]) -> str:
    """How a container ended: `out of memory (exit code 137)`, `exit code 1: its last words`."""
    code = int(ended.get("exitCode") or 0)
    if ended.get("reason") == "OOMKilled":
        return f"out of memory (exit code {code})"
    named = f"exit code {code}" + (f", {_SIGNALS[code]}" if code in _SIGNALS else "")
    return sentence(named, ended.get("message"))


def _why_failed(pod: KubernetesObject) -> str:
    status = status_of(pod)
    ended = next(
        (seen for seen in status.get("containerStatuses") or () if (seen.get("state") or {}).get("terminated", {}).get("exitCode")), None
    )
    if status.get("reason") or status.get("message"):  # Evicted, NodeLost, DeadlineExceeded, ...
        return sentence(status.get("reason"), status.get("message"))
    return sentence(ended["name"], _ending(ended["state"]["terminated"])) if ended else "the pod failed"


def _why_ending(pod: KubernetesObject) -> str:
    kept = pod["metadata"].get("finalizers")
    return f"its deletion waits for {', '.join(kept)}" if kept else "it is being deleted"
