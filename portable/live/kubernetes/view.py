"""A stack on a cluster, in the form that contracts check."""

from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from portable.backends.common import PlacedContainer
from portable.backends.kubernetes.names import GROUP_LABEL, dns_label
from portable.backends.kubernetes.scope import scope_of
from portable.engines.kubernetes.cluster import Cluster
from portable.engines.kubernetes.errors import ClusterError
from portable.engines.kubernetes.inside import LateError, exec_in, log_lines
from portable.engines.kubernetes.verdict import KubernetesObject, containers_of, spec_of, status_of
from portable.live.kubernetes.desired import template_of
from portable.live.kubernetes.look import pods_of
from portable.live.kubernetes.rights import claim_source, mounts, references, rights, settings, variables
from portable.live.kubernetes.stack import KubernetesStack
from portable.live.kubernetes.status import PodContainerState, container_state
from portable.live.kubernetes.waiting import GroupState, look_at_groups
from portable.live.view import CommandResult, ContainerState, ExtraContainer, HostFolder, PublishedAddress
from portable.model.folders import folder_of
from portable.model.moments import seconds_of
from portable.model.plan import Claim, Plan, Volume
from portable.model.rights import ImageSettings, PlannedContainer
from portable.model.shell import script

_IDENTITY_SECONDS: Final = 20.0
_ENDED: Final = ("Succeeded", "Failed")


class _Instance:
    """A container of the plan in one pod. A cloud has one in the pod of each reader."""

    def __init__(self, group: GroupState, name: str) -> None:
        self.group, self.name = group, name

    @property
    def pod(self) -> KubernetesObject | None:
        """The pod that counts."""
        return self.group.pod

    def state(self) -> PodContainerState:
        """How it is."""
        return container_state(self.group, self.name)

    def is_running(self) -> bool:
        """Whether commands can run in it."""
        return self.pod is not None and self.state().state == "running"


class ClusterView:
    """The containers of a plan on a cluster. They are looked up once, so that all contracts see the same moment."""

    here = False
    one_host = False
    host = ""
    lan: tuple[str, ...] = ()
    names: tuple[str, ...] = ()

    def __init__(self, cluster: Cluster, stack: KubernetesStack, plan: Plan) -> None:
        self.plan, self._cluster, self._stack = plan, cluster, stack
        self._users: dict[tuple[str, str], str] = {}

    def look(self, placed: PlacedContainer) -> ContainerState:
        """The state of a container; of a cloud, that of the instance that is least well."""
        found = self._instances.get(placed.path)
        if not found:
            return ContainerState(state="missing")
        instance = min(found, key=lambda each: (each.is_running(), each.state().health == "healthy"))
        return self._scheduled(instance) if instance.group.group.is_scheduled else self._state(instance)

    def _state(self, instance: _Instance) -> ContainerState:
        seen, pod = instance.state(), instance.pod
        reason = "" if seen.health == "healthy" else instance.group.verdict.reason
        body = _container(spec_of(pod), instance.name) if pod is not None else None
        if pod is None or body is None:
            return ContainerState(state=seen.state, said=reason)
        spec, metadata = spec_of(pod), pod["metadata"]
        annotations: dict[str, str] = metadata.get("annotations") or {}
        return ContainerState(
            state=seen.state,
            health=seen.health if seen.health != "-" else "",
            said=reason,
            since=seconds_of(seen.since),
            environment=variables(body),
            secret_env=references(body),
            has_image_variables=False,
            labels={**(metadata.get("labels") or {}), **annotations},
            mounts=mounts(spec, body),
            published=tuple(_published(body)),
            entrypoint=tuple(body.get("command") or ()),
            command=tuple(body.get("args") or ()),
            rights=rights(spec, body, annotations),
            image=ImageSettings(),
        )

    def _scheduled(self, instance: _Instance) -> ContainerState:
        """A job that runs at times: only a failure of its last run is a fault."""
        workload = instance.group.workload
        if workload is None:
            return ContainerState(state="missing")
        told = status_of(workload)
        begun, done = str(told.get("lastScheduleTime") or ""), str(told.get("lastSuccessfulTime") or "")
        if begun and not told.get("active") and seconds_of(done) < seconds_of(begun):
            return ContainerState(state="exited", said=f"its run of {begun} failed")
        return ContainerState(state="scheduled", said=f"ran successfully at {done}" if done else "has not run yet")

    def planned(self, placed: PlacedContainer) -> PlannedContainer:
        """The settings in its rendered workload."""
        for instance in self._instances.get(placed.path, ()):
            template = self._templates.get(instance.group.group.selector, {})
            pod = template.get("spec") or {}
            if (body := _container(pod, instance.name)) is not None:
                return settings(pod, body, (template.get("metadata") or {}).get("annotations") or {})
        return PlannedContainer()

    def source(self, volume: Volume) -> str | None:
        """The claim and folder, or the node's folder, of a volume."""
        if isinstance(volume.place, Claim):
            source = claim_source(dns_label(volume.place.name))
            return f"{source}/{volume.folder}" if volume.folder else source
        return folder_of(volume)

    def guests(self, placed: PlacedContainer) -> tuple[str, ...]:
        """Names of the running containers that `kubectl debug` added to its pod."""
        pod = next((instance.pod for instance in self._instances.get(placed.path, ()) if instance.pod is not None), None)
        told = status_of(pod).get("ephemeralContainerStatuses") or () if pod is not None else ()
        return tuple(each["name"] for each in told if "running" in (each.get("state") or {}))

    def guest_remedy(self, placed: PlacedContainer, name: str) -> str:
        """A new pod has none."""
        del name
        return f"replace its pod with `portable restart -p {self.plan.profile} {placed.app.name if placed.app else ''}`"

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        """None: nodes cannot be read from here."""
        del folders
        return None

    def others(self) -> tuple[ExtraContainer, ...]:
        """Pods of the stack that the plan does not have, second pods, and containers that something added to a pod."""
        return tuple(self._extra())

    def _extra(self) -> Iterator[ExtraContainer]:
        by_label = {group.group.selector.partition("=")[2]: group for group in self._groups}
        for pod in self._pods:
            name, phase = str(pod["metadata"]["name"]), str(status_of(pod).get("phase") or "unknown")
            group = by_label.get((pod["metadata"].get("labels") or {}).get(GROUP_LABEL, ""))
            if phase in _ENDED or pod["metadata"].get("deletionTimestamp") or (group is not None and group.group.is_scheduled):
                continue
            if group is None or group.pod is None or name != group.pod["metadata"]["name"]:
                yield ExtraContainer(name=f"pod {name}", state=phase.lower())
                continue
            planned = {each["name"] for each in containers_of(self._templates.get(group.group.selector, {}).get("spec") or {})}
            for body in containers_of(spec_of(pod)):
                if body["name"] not in planned:
                    remedy = "find out which webhook or operator added it, and exclude this namespace there"
                    yield ExtraContainer(
                        name=f"{body['name']} in pod {name}", state="running", published=tuple(_published(body)), remedy=remedy
                    )

    def inside(self, placed: PlacedContainer, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> CommandResult:
        """Run a command in that container. The API takes no user, so a container of root switches by a program of its image."""
        instance = next((each for each in self._instances.get(placed.path, ()) if each.is_running()), None)
        if instance is None:
            return CommandResult(code=None, text="the container does not run")
        if user is not None:
            uid, _, gid = str(user).partition(":")
            own = self._user(instance)
            if own == "0" and uid != "0":
                command = ["sh", "-c", script(__name__, "as_user.sh"), "sh", uid, gid or uid, *command]
            elif own != uid:
                return CommandResult(code=None, text=f"the cluster runs commands as user {own or 'unknown'} only, not as {uid}")
        return self._run(instance, command, seconds)

    def _user(self, instance: _Instance) -> str:
        """The user of commands in a container; empty if unknown."""
        assert instance.pod is not None
        key = (str(instance.pod["metadata"]["uid"]), instance.name)
        if key not in self._users:
            answer = self._run(instance, ["id", "-u"], _IDENTITY_SECONDS)
            self._users[key] = answer.text.strip() if answer.done else ""
        return self._users[key]

    def _run(self, instance: _Instance, command: Sequence[str], seconds: float) -> CommandResult:
        assert instance.pod is not None
        output: list[bytes] = []
        try:
            code = exec_in(
                self._cluster,
                self._stack.namespace,
                str(instance.pod["metadata"]["name"]),
                instance.name,
                command,
                lambda _channel, data: output.append(data),
                seconds=seconds,
            )
        except LateError:
            return CommandResult(code=None, text=f"it did not end within {seconds:g} s", hangs=True)
        except ClusterError as error:
            return CommandResult(code=None, text=error.text)
        return CommandResult(code=code, text=b"".join(output).decode(errors="replace").strip())

    def logs(self, placed: PlacedContainer, lines: int) -> str:
        """The last lines of the logs of its instances, secrets included."""
        return "\n".join(text for _, text in self._log(placed, lines))

    def dated_logs(self, placed: PlacedContainer, lines: int) -> Sequence[tuple[float, str]]:
        """The last lines of its log since its start. A container that restarted has a new log."""
        return tuple((seconds_of(moment), text) for moment, text in self._log(placed, lines))

    def _log(self, placed: PlacedContainer, lines: int) -> Iterator[tuple[str, str]]:
        for instance in self._instances.get(placed.path, ()):
            if instance.is_running() and instance.pod is not None:
                pod = str(instance.pod["metadata"]["name"])
                for line in log_lines(self._cluster, self._stack.namespace, pod, instance.name, tail=lines, hidden=False):
                    moment, _, text = line.partition(" ")
                    yield moment, text

    @cached_property
    def _pods(self) -> tuple[KubernetesObject, ...]:
        return pods_of(self._cluster, self._stack)

    @cached_property
    def _groups(self) -> tuple[GroupState, ...]:
        return look_at_groups(self._cluster, self._stack)

    @cached_property
    def _instances(self) -> Mapping[str, tuple[_Instance, ...]]:
        """By path in the plan."""
        groups = {group.group.name: group for group in self._groups}
        found: dict[str, tuple[_Instance, ...]] = {}
        for name, parts in scope_of(self.plan).pods.items():
            for part in parts:
                if part.kind != "init" and name in groups:
                    found[part.path] = (*found.get(part.path, ()), _Instance(groups[name], part.name))
        return found

    @cached_property
    def _templates(self) -> Mapping[str, Mapping[str, Any]]:
        """The rendered pod templates, by the selector of their pods."""
        found = {}
        for document in self._stack.documents:
            template = template_of(document.body)
            label = ((template.get("metadata") or {}).get("labels") or {}).get(GROUP_LABEL)
            if label is not None:
                found[f"{GROUP_LABEL}={label}"] = template
        return found


def _container(pod: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    return next((body for body in containers_of(pod) if body["name"] == name), None)


def _published(body: Mapping[str, Any]) -> Iterator[PublishedAddress]:
    for port in body.get("ports") or ():
        if number := port.get("hostPort"):
            protocol = str(port.get("protocol") or "TCP").lower()
            yield PublishedAddress(address=port.get("hostIP") or "", number=number, protocol=protocol, inside=port["containerPort"])
