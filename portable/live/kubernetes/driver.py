"""The driver for clusters: the protocol of `portable.live.driver`, each method by the module that is named after it."""

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Self

from portable.engines import registry
from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.cluster import Cluster, ClusterReader
from portable.engines.kubernetes.lease import lease_held
from portable.engines.kubernetes.verdict import containers_of, spec_of, status_of
from portable.live.driver import StackReader
from portable.live.drivers import OpenedStack
from portable.live.image_needs import ImageNeed
from portable.live.kubernetes import backup_run, diagnose, down, execute, heal, logs, pausing, pulling, restart, scheduled_run, status, up
from portable.live.kubernetes.apply import ApplyContext
from portable.live.kubernetes.backup_jobs import BackupRequest
from portable.live.kubernetes.look import pods_of
from portable.live.kubernetes.network import ClusterNetwork
from portable.live.kubernetes.secrets_owner import record_owner, recorded_owner, refuse_other_secrets
from portable.live.kubernetes.stack import KubernetesStack, apps_of, lease_name
from portable.live.kubernetes.unsupported import UnsupportedWriting
from portable.live.kubernetes.view import ClusterView
from portable.live.kubernetes.waiting import look_at_groups
from portable.live.network import Network
from portable.live.restoring import copies_ended
from portable.live.results import ImageStatus, LogLine, Outcome, Repairs, ServiceStatus
from portable.live.stack import Stack
from portable.live.view import View
from portable.local.lock import Lock
from portable.model.changes import Change
from portable.model.contracts import Diagnosis
from portable.model.plan import Plan
from portable.model.ports import PublishedPort
from portable.model.progress import Progress, silent
from portable.model.registry import Offered
from portable.secrets.generate import known_values
from portable.secrets.owner import recordable
from portable.secrets.sources import FileSource, Source
from portable.secrets.values import Resolved


class KubernetesReader(StackReader):
    """A stack in a cluster, to look at only."""

    stack: KubernetesStack
    is_local = False
    has_host = False
    can_list_backups = False

    def __init__(self, cluster: ClusterReader, stack: KubernetesStack, source: Source) -> None:
        """Connects to nothing yet."""
        self._cluster, self.stack, self.source = cluster, stack, source
        self.where = cluster.address.where

    def rebound(self, stack: Stack, source: Source) -> Self:
        """The same connection, for the stack as its files say it now."""
        assert isinstance(stack, KubernetesStack)
        again = copy.copy(self)
        again.stack, again.source = stack, source
        return again

    def close(self) -> None:
        """Close the connection; the stack stays as it is."""
        self._cluster.close()

    def hide(self, text: str) -> str:
        """The text without the values of secrets."""
        return self._cluster.hide(text)

    def check(self) -> str:
        """The version of the API server, as a sentence."""
        return f"Kubernetes {up.check_version(self._cluster)} at {self.where}"

    def apps(self) -> tuple[str, ...]:
        """The names of the stack's apps."""
        return apps_of(self.stack)

    def diff(self, *, apps: tuple[str, ...] = (), resolved: Resolved | None = None) -> tuple[Change, ...]:
        """The changes that `up` would make."""
        return up.diff(self._cluster, self.stack, resolved if resolved is not None else self.source, apps=apps)

    def rehearse(self, *, apps: tuple[str, ...] = (), resolved: Resolved) -> tuple[Change, ...]:
        """The changes that `up` would make. Raises every problem that would stop it: every object is tried on the API server."""
        return up.diff(self._cluster, self.stack, resolved, apps=apps)

    def status(self, *, inside: bool = False) -> tuple[ServiceStatus, ...]:
        """The state of every service. Gateways are not asked for their tunnels yet."""
        del inside
        return status.status(self._cluster, self.stack)

    def has_logs(self, apps: tuple[str, ...] = ()) -> bool:
        """Whether one of these apps was ever started."""
        return logs.has_logs(self._cluster, self.stack, apps)

    def logs(self, *, apps: tuple[str, ...] = (), tail: int | None = None, follow: bool = False) -> Iterator[LogLine]:
        """Lines that the apps wrote, in order of time, without secrets."""
        return logs.logs(self._cluster, self.stack, apps=apps, tail=tail, follow=follow)

    def state_of(self, app: str) -> str:
        """The state of an app's main container, or missing."""
        standing = status.groups_by_app(look_at_groups(self._cluster, self.stack)).get(app)
        return status.state_of(standing, app) if standing is not None else status.MISSING

    def running_with(self, app: str) -> set[str]:
        """The apps that share a pod with that one, and run."""
        standing = status.groups_by_app(look_at_groups(self._cluster, self.stack)).get(app)
        return {other for other in standing.group.apps if status.is_up(standing, other)} if standing is not None else set()

    def images_in_use(self) -> set[tuple[str, str]]:
        """App and image of each container that exists."""
        return set(self.service_images().values())

    def service_images(self) -> dict[str, tuple[str, str]]:
        """App and image of each container that exists, by workload and container. A new pod that is about to come counts."""
        return status.images_of(look_at_groups(self._cluster, self.stack))

    def offered(self, reference: str) -> Offered:
        """The digest that a registry has under a repository and tag, asked from this machine: nodes only pull."""
        return registry.offered(reference)

    def image_table(self) -> tuple[ImageStatus, ...]:
        """The state of each image that the stack needs. One counts as present where a pod of the stack has started it."""
        started: set[str] = set()
        for pod in pods_of(self._cluster, self.stack):
            images = {c["name"]: c["image"] for c in containers_of(spec_of(pod))}
            for key in ("initContainerStatuses", "containerStatuses"):
                started |= {
                    images[seen["name"]] for seen in status_of(pod).get(key) or () if seen.get("imageID") and seen["name"] in images
                }
        return tuple(
            ImageStatus(
                reference=need.reference,
                apps=need.apps,
                present=need.reference in started,
                recipe=need.recipe,
                built=None,
                outcome="there" if need.reference in started else "pull",
            )
            for need in self.stack.images
        )

    def examine(self) -> Repairs:
        """The pods that `heal` would replace."""
        return heal.examine(self._cluster, self.stack)

    def diagnose(self) -> tuple[Diagnosis, ...]:
        """The checks of `doctor` in a cluster."""
        return diagnose.diagnose(self._cluster, self.stack, self.source)

    def name_servers(self) -> Mapping[str, tuple[str, ...]]:
        """Empty: pods use the name servers of the cluster."""
        return {}

    def published_ports(self) -> tuple[PublishedPort, ...]:
        """A cluster publishes no port of a host for the stack."""
        return ()

    def secrets_owner(self) -> str:
        """The user and the file whose secrets the stack was started with; empty if unknown."""
        return recorded_owner(self._cluster, self.stack)

    def refuse_other_values(self, resolved: Resolved) -> None:
        """Compare the Secrets that `portable` manages with these values."""
        refuse_other_secrets(self._cluster, self.stack, self.source, resolved)

    def data_folder(self) -> str:
        """A cluster has no folder of this kind."""
        return ""

    def engine_facts(self) -> None:
        """None: each node of a cluster has an engine of its own."""
        return


class KubernetesDriver(KubernetesReader, UnsupportedWriting):
    """A stack in a cluster, with the methods that write."""

    def __init__(self, cluster: Cluster, stack: KubernetesStack, source: Source) -> None:
        """Connects to nothing yet."""
        super().__init__(cluster, stack, source)
        self._writer = cluster

    def up(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Apply what differs from the files, and wait until all is ready. Refuses another user's secrets."""
        if isinstance(self.source, FileSource):  # another source has no owner, and may be slow or ask a person
            self.refuse_other_values(known_values(self.stack.secrets, self.source))
        return up.up(self._writer, self.stack, self.source, apps=apps, deadline=deadline, progress=progress, held=held)

    def record_secrets_owner(self, owner: str) -> None:
        """Store whose secrets the stack runs on. A record of another file, or of this machine under another name, is replaced."""
        if owner and (line := recordable(self.source, self.secrets_owner())):
            record_owner(self._writer, self.stack, line)

    def down(self, *, apps: tuple[str, ...] = (), progress: Progress = silent, held: Lock | None = None) -> tuple[Change, ...]:
        """Delete workloads and what leads to them."""
        return down.down(self._writer, self.stack, apps=apps, progress=progress, held=held)

    def restart(
        self, *, apps: tuple[str, ...] = (), deadline: float | None = None, progress: Progress = silent, held: Lock | None = None
    ) -> Outcome:
        """Restart the pods of apps; wait until they are ready."""
        return restart.restart(self._writer, self.stack, apps=apps, deadline=deadline, progress=progress, held=held)

    def execute(self, app: str, command: Sequence[str], *, interactive: bool, terminal: bool, user: str | None) -> int:
        """Run a command in an app with this process's own input and output."""
        return execute.execute(self._writer, self.stack, app, command, interactive=interactive, terminal=terminal, user=user)

    def exec_stream(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, beats: str = "") -> int:
        """Run a command in an app to its end, each line that it prints to `on_line`. `beats` is not used yet."""
        del beats
        return execute.exec_stream(self._writer, self.stack, app, command, on_line)

    def heal(self, *, deadline: float | None = None, progress: Progress = silent) -> Outcome:
        """Replace the pods of apps that crash again and again."""
        return heal.heal(self._writer, self.stack, deadline=deadline, progress=progress)

    def view(self, plan: Plan) -> View:
        """The stack in the form that contracts check."""
        return ClusterView(self._writer, self.stack, plan)

    def network(self, plan: Plan) -> AbstractContextManager[Network]:
        """The pods of the stack, reached through the API server."""
        del plan
        return ClusterNetwork(self._writer, self.stack)

    def run_backup(
        self,
        runner: str,
        verb: str,
        apps: Sequence[str],
        options: Sequence[str],
        on_line: Callable[[str], None],
        *,
        progress: Progress = silent,
    ) -> int:
        """Run a command of the backup program in a Job."""
        request = BackupRequest(runner=runner, verb=verb, apps=tuple(apps), options=tuple(options))
        return backup_run.run_backup(self._writer, self.stack, request, on_line, progress)

    def run_scheduled(self, app: str, command: Sequence[str], on_line: Callable[[str], None], *, progress: Progress = silent) -> int:
        """Run a scheduled app now: in a Job made from its CronJob, which has the command."""
        del command
        return scheduled_run.run_now(self._writer, self.stack, app, on_line, progress)

    def bring(self, needs: Sequence[ImageNeed], *, progress: Progress = silent) -> None:
        """Let the nodes pull images while the apps run."""
        pulling.pull_images(self._writer, self.stack, needs, progress)

    def refuse_backup(self, runner: str, apps: Sequence[str]) -> None:
        """Raise an error where no Job could copy the state of these apps."""
        request = BackupRequest(runner=runner, verb="backup", apps=tuple(apps), options=("--stopped",))
        backup_run.refuse_impossible(self._writer, self.stack, request)

    def refuse_stop(self, apps: tuple[str, ...]) -> None:
        """Raise Refused for apps that a GitOps controller or a schedule would start again."""
        pausing.refuse_stop(self._writer, self.stack, apps)

    def stop(self, *, apps: tuple[str, ...], why: str, progress: Progress = silent, held: Lock | None = None) -> None:
        """Scale the pods of apps to 0, and wait until they are gone."""
        pausing.stop(self._writer, self.stack, apps=apps, why=why, progress=progress, held=held)

    def start_again(self, apps: tuple[str, ...], *, progress: Progress = silent, held: Lock | None = None) -> None:
        """Scale the pods of apps that `stop` ended to 1, as they were."""
        pausing.start_again(self._writer, self.stack, apps=apps, progress=progress, held=held)

    def paused_with(self, app: str) -> set[str]:
        """The apps in an app's pod that `stop` ended, from whatever machine."""
        return pausing.paused_with(self._cluster, self.stack, app)

    def note_restore(self, app: str, at: str | None) -> None:
        """Note in the cluster that an app is being restored, or that it may run."""
        pausing.note_restore(self._writer, self.stack, app, at)

    def noted_restore(self, app: str) -> str:
        """The backup from which an app is being restored, from whatever machine."""
        return pausing.noted_restore(self._cluster, self.stack, app)

    def exclusive(self, doing: str) -> AbstractContextManager[object]:
        """Hold the Leases of the stack and of the store of backups."""
        return pausing.exclusive(self._writer, self.stack, doing)

    def end_copies(self, apps: tuple[str, ...], *, held: Lock, progress: Progress = silent) -> None:
        """Delete the Jobs that work on the state of these apps while they are stopped, and wait until their pods are gone."""
        del held
        with lease_held(self._writer, self.stack.namespace, lease_name(self.stack), "backup --stop", dict(self.stack.labels)) as lost:
            work = ApplyContext(self._writer, self.stack, lost, progress)
            backup_run.end_jobs(work, backup_run.backup_jobs(self._writer, self.stack, for_apps=apps))
        copies_ended(self.stack.project, apps)


def opened(stack: KubernetesStack, source: Source, address: ClusterAddress, cache: Path) -> OpenedStack:
    """A stack in the cluster at that address, to which nothing is connected yet."""
    return OpenedStack(
        stack=stack,
        where=address.where,
        is_local=False,
        reader=lambda hide: KubernetesReader(ClusterReader(address, cache=cache, hide=hide), stack, source),
        driver=lambda hide: KubernetesDriver(Cluster(address, cache=cache, hide=hide), stack, source),
    )
