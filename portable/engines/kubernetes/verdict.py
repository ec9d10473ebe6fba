"""The verdict on an object of a cluster: whether it is ready, and if not, the reason in words of a person."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, Literal, TypeAlias

from portable.model.base import Struct

KubernetesObject: TypeAlias = Mapping[str, Any]
"""An object as the API server returns it, as a plain mapping."""
State = Literal["ready", "waiting", "failed", "suspended", "ending"]
"""waiting: on its way, `reason` says for what. ending: its deletion began."""
NOT_OBSERVED: Final = "its controller has not seen the newest settings yet"


class ObjectVerdict(Struct, frozen=True, kw_only=True):
    """How an object stands. `reason` is empty only where it is ready."""

    state: State
    reason: str = ""
    is_final: bool = False
    """Whether waiting cannot help: somebody has to change something first."""

    @property
    def is_ready(self) -> bool:
        """Whether nothing is left to wait for."""
        return self.state == "ready"


READY: Final = ObjectVerdict(state="ready")


def waiting(reason: str) -> ObjectVerdict:
    """A verdict on an object that is on its way."""
    return ObjectVerdict(state="waiting", reason=reason)


def failed(reason: str, *, is_final: bool = False) -> ObjectVerdict:
    """A verdict on an object that does not work."""
    return ObjectVerdict(state="failed", reason=reason, is_final=is_final)


def status_of(item: KubernetesObject) -> Mapping[str, Any]:
    """The status; empty where the API server has none yet."""
    return item.get("status") or {}


def spec_of(item: KubernetesObject) -> Mapping[str, Any]:
    """The spec; empty where the kind has none."""
    return item.get("spec") or {}


def containers_of(pod: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Yield the containers in the spec of a pod, init containers first; not those that `kubectl debug` adds."""
    yield from pod.get("initContainers") or ()
    yield from pod.get("containers") or ()


def conditions_of(item: KubernetesObject) -> Mapping[str, Mapping[str, Any]]:
    """Conditions by type."""
    return {condition["type"]: condition for condition in status_of(item).get("conditions") or ()}


def sentence(*parts: str | None) -> str:
    """Join what is known of a cause into one line: `ImagePullBackOff: Back-off pulling image "x"`."""
    return ": ".join(" ".join(part.split()) for part in parts if part and part.strip())


def is_observed(item: KubernetesObject) -> bool:
    """Whether the controller has seen the newest settings; True where it does not tell."""
    seen = status_of(item).get("observedGeneration")
    return seen is None or int(seen) >= int(item["metadata"].get("generation") or 0)


def newest_event(events: Sequence[KubernetesObject], *reasons: str) -> KubernetesObject | None:
    """The last event of one of these reasons."""
    chosen = [event for event in events if event.get("reason") in reasons]
    return max(chosen, key=_moment, default=None)


def warnings(events: Sequence[KubernetesObject]) -> Iterator[KubernetesObject]:
    """Events that warn, the newest first."""
    yield from sorted((event for event in events if event.get("type") == "Warning"), key=_moment, reverse=True)


def _moment(event: KubernetesObject) -> str:
    series = event.get("series") or {}
    moments = (
        series.get("lastObservedTime"),
        event.get("lastTimestamp"),
        event.get("eventTime"),
        event["metadata"].get("creationTimestamp"),
    )
    return str(next((moment for moment in moments if moment), ""))
