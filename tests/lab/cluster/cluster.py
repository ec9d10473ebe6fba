"""The cluster: two nodes in the lab's closed network, with its internet, registry and VPN provider; taken away whatever happens."""

import contextlib
import json
import subprocess
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from portable.engines.docker.engine import Engine
from portable.model.progress import Event, Progress, silent
from tests.lab import standins
from tests.lab.cluster.programs import bring_programs
from tests.lab.engine import LABEL, LabError, random_project
from tests.lab.home.box import DOOR, NET, NODES, REGISTRY, RESOLVER, ROUTER, TRANSLATED, Box, all_rights, bring, docker, only_here
from tests.lab.home.internet import Cloud, Internet, Provider, Registry
from tests.lab.home.leftovers import clean, marks, take_away

AT = f"{REGISTRY}:5000"
NAMES = ("node1", "node2")
"""The first has the API server, too."""
PODS = {name: f"10.244.{number}" for number, name in enumerate(NAMES, 1)}
"""The first three numbers of the pods' addresses, by node."""
SHARE = "/srv/share"
"""A folder that all nodes have in common, as a share of a server: static volumes in it stand in for those of a CSI driver."""
TUN = "squat.ai/tun"
"""The resource by which pods ask for /dev/net/tun. Nodes offer it by their status alone: no device plug-in runs."""
_COREDNS = 'FROM scratch\nCOPY coredns /coredns\nENTRYPOINT ["/coredns"]\n'
_READY_SECONDS = 240.0


@dataclass(kw_only=True)
class Node(Box):
    """A machine of the cluster: containerd, kubelet and kube-proxy; the first also etcd, the API server, controllers and scheduler."""

    number: int = 0
    programs: Path
    seconds: float = _READY_SECONDS

    def __post_init__(self) -> None:
        others = {name: address for name, address in zip(NAMES, NODES, strict=True) if name != self.role}
        self.environment = {
            "CONTROL": NODES[0],
            "ADDRESS": self.address,
            "NODES": " ".join(NAMES),
            "OTHERS": " ".join(f"{address}={PODS[name]}" for name, address in others.items()),
            "PODS": PODS[self.role],
            "ROUTER": ROUTER,
            "RESOLVER": RESOLVER,
            "PUBLIC": TRANSLATED,
            "REGISTRY": AT,
        }
        # Control groups of its own: kubelets that shared the machine's would end one another's pods as orphans.
        self.rights = {**all_rights(), "cgroupns": "private"}
        self.volumes = {
            f"{self.lab}-keys": "/var/lib/lab/keys",
            f"{self.lab}-{self.role}": "/var/lib/containerd",
            f"{self.lab}-{self.role}-kubelet": "/var/lib/kubelet",
            f"{self.lab}-share": SHARE,
            str(self.programs): "/opt/kubernetes",
        }

    def is_well(self) -> bool:
        """Whether its kubelet runs; the cluster itself says when it is ready."""
        return self.ends_well("kill -0 $(cat /run/kubelet.pid)")

    def end(self, program: str) -> None:
        """End a program of the node by its process id; it is started again, as its unit would."""
        self.sh(f"kill -KILL $(cat /run/{program}.pid)")

    def stop(self, program: str) -> None:
        """Stop a program of the node until `resume_program`."""
        self.sh(f"touch /run/stopped-{program}; kill -TERM $(cat /run/{program}.pid)")

    def log_of(self, program: str) -> str:
        """The log of a program of the node."""
        return self.sh(f"cat /var/log/k/{program}.log")


@dataclass
class Cluster:
    """The parts, and the way to the API server."""

    internet: Internet
    provider: Provider
    registry: Registry
    cloud: Cloud
    nodes: Sequence[Node]
    folder: Path
    programs: Path
    images: dict[str, str] = field(default_factory=dict)

    @property
    def parts(self) -> tuple[Box, ...]:
        """All of them, in the order in which they start."""
        return (self.internet, self.registry, *self.nodes, self.provider, self.cloud)

    @cached_property
    def kubeconfig(self) -> Path:
        """Of the administrator."""
        return self.kubeconfig_of("admin")

    def kubeconfig_of(self, user: str) -> Path:
        """A kubeconfig of a user that the cluster knows: `admin`, or `owner`, who has no rights until a test gives some."""
        path = self.folder / f"{user}.kubeconfig"
        path.touch(0o600)
        path.write_text(self.nodes[0].sh(f"cat /var/lib/lab/keys/{user}.kubeconfig"))
        return path

    def kubectl(self, *arguments: str, given: str | None = None, code: int | None = 0, seconds: float = 120) -> str:
        """Run the kubectl that was built with the cluster, as its administrator; LabError where it does not end with `code`."""
        done = subprocess.run(
            [self.programs / "kubectl", f"--kubeconfig={self.kubeconfig}", *arguments],
            input=given,
            capture_output=True,
            text=True,
            timeout=seconds,
            check=False,
        )
        if code is not None and done.returncode != code:
            raise LabError(f"kubectl {' '.join(arguments)[:300]}: exit {done.returncode}: {done.stderr[-2000:]}")
        return done.stdout

    def objects(self, kind: str, *arguments: str) -> list[dict[str, Any]]:
        """Objects of a kind."""
        found: list[dict[str, Any]] = json.loads(self.kubectl("get", kind, "-o", "json", *arguments))["items"]
        return found

    def are_ready(self) -> bool:
        """Whether the API server answers and every node is ready."""
        done = self.kubectl("get", "nodes", "-o", "json", code=None)
        nodes = json.loads(done)["items"] if done else []
        conditions = [c for node in nodes for c in node["status"].get("conditions", ()) if c["type"] == "Ready"]
        return len(conditions) == len(NAMES) and all(c["status"] == "True" for c in conditions)

    def persisted(self) -> list[dict[str, Any]]:
        """The audit log: the requests of people that changed something. Dry runs and questions about permissions change nothing."""
        events = [json.loads(line) for line in self.nodes[0].sh("cat /var/log/k/audit.log").splitlines() if line.endswith("}")]
        return [
            event
            for event in events
            if "dryRun=All" not in event["requestURI"]
            and not str((event.get("objectRef") or {}).get("resource")).endswith("subjectaccessreviews")
            and (event.get("responseStatus") or {}).get("code", 500) < 400
        ]

    def push(self, images: Mapping[str, str]) -> None:
        """Give the registry images of the machine's engine, each under the name and tag that it has for the cluster."""
        self.registry.push(images)


@contextlib.contextmanager
def cluster_up(engine: Engine, folder: Path, failed: Callable[[], int], progress: Progress = silent) -> Iterator[Cluster]:
    """A cluster whose nodes are ready and whose names resolve; it is taken away whatever happens, logs kept where a test failed.

    So is what earlier runs left that were killed.
    """
    for left in clean():
        progress(Event(what="note", subject=left, text="was left by a run that was killed, and is taken away"))
    only_here()
    programs = bring_programs()
    lab = random_project()
    internet, node, pause = (bring(engine, name, progress) for name in ("lab-internet", "lab-node", "lab-pause"))
    cluster = Cluster(
        internet=Internet(lab=lab, image=internet),
        provider=Provider(lab=lab, image=internet),
        registry=Registry(lab=lab, image=internet),
        cloud=Cloud(lab=lab, image=internet),
        nodes=[
            Node(lab=lab, image=node, role=name, number=number, address=NODES[number], programs=programs)
            for number, name in enumerate(NAMES)
        ],
        folder=folder,
        programs=programs,
    )
    before = failed()
    with contextlib.ExitStack() as closing:
        closing.callback(take_away, lab)
        closing.callback(take_away, lab)  # twice: a signal that comes while all is taken away ends one of them
        closing.callback(lambda: _keep_logs(cluster) if failed() > before else None)
        docker("network", "create", "--internal", "--subnet", NET, "--gateway", DOOR, *marks(lab, folder), lab)
        for name in {name for each in cluster.nodes for name in each.volumes if not name.startswith("/")}:
            docker("volume", "create", "--label", f"{LABEL}={lab}", name)
        for part in cluster.parts:
            part.start()
        cluster.push({pause: "pause:1", coredns_image(engine, programs): "coredns:1"})
        cluster.nodes[0].until(cluster.are_ready, "the nodes are not ready", _READY_SECONDS)
        cluster.kubectl("apply", "-f", "-", given=(Path(__file__).parent / "names.yaml").read_text().replace("REGISTRY", AT))
        cluster.kubectl("rollout", "status", "-n", "kube-system", "deployment/coredns", "--timeout=60s")
        for name in NAMES:
            offered = json.dumps({"status": {"capacity": {TUN: "8"}, "allocatable": {TUN: "8"}}})
            cluster.kubectl("patch", "node", name, "--subresource=status", "--type=merge", "-p", offered)
        yield cluster


def coredns_image(engine: Engine, programs: Path) -> str:
    """The name server of the cluster as an image, built from the program."""
    tag = f"{standins.REPOSITORY}/coredns:{programs.name.rpartition('-')[2]}"
    if not engine.image_ids([tag]):
        standins.build(engine, tag, {"Dockerfile": _COREDNS.encode(), "coredns": (programs / "coredns").read_bytes()}, "coredns")
    return tag


def _keep_logs(cluster: Cluster) -> None:
    """The logs of each part, and of each node's programs, for a person who looks for the cause."""
    for part in cluster.parts:
        print(f"log of {part.role}: {part.keep_log()}")
    for node in cluster.nodes:
        print(node.sh("tail -n 5 /var/log/k/*.log", code=None))
