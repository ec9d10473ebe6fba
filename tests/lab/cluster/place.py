"""A stack of an owner's in the lab's cluster, driven by the command line from this machine: what cannot be had here is a stand-in.

Stand-ins: images of upstream apps and of Gluetun; static volumes in a folder of the nodes for those of a CSI driver; /dev/net/tun without a
device plug-in. Ingresses and LoadBalancers are validated, not served: no controller for them runs.
"""

import contextlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from portable.backends.prepare import prepare
from portable.engines.docker.engine import Engine
from portable.formats.merge import merged
from portable.model.progress import Progress, silent
from tests.lab import standins
from tests.lab.cluster.cluster import AT, SHARE, Cluster
from tests.lab.home.box import bring
from tests.lab.home.home import GATEWAY, OUTSIDE, by_wireguard, gateway_image
from tests.lab.local import Local

LIBRARY = "media-shared-storage"
_ELSEWHERE = ("storage.share-options", "egress.tunnel")
"""Fields of waivers about the owner's share and VPN provider, which the lab does not have."""


@dataclass
class Place:
    """A stack in a namespace of the cluster."""

    cluster: Cluster
    stack: Local
    namespace: str

    def take(
        self, engine: Engine, profile: str, more: Mapping[str, Any] | None = None, progress: Progress = silent, *, library: str = LIBRARY
    ) -> None:
        """Let the stack be one of the owner's profiles: its images are brought to the registry, and the profile `lab` is written."""
        planned = prepare(profile, folder=self.stack.folder).planned
        behind = [app for group in planned.plan.groups if getattr(group.egress, "gateway", None) for app in group.apps if app != "gluetun"]
        images = standins.bring(engine, planned, outside=dict.fromkeys(behind, OUTSIDE), progress=progress)
        self.cluster.push({local: standins.at_registry(local, "")[1:] for local in images.values()})
        self.cluster.push({gateway_image(engine, bring(engine, "lab-gateway", progress), self.cluster.internet.authority): GATEWAY})
        taken = {reference: standins.at_registry(local, AT) for reference, local in images.items()}
        taken |= {c.image.reference: f"{AT}/{GATEWAY}" for app in planned.plan.apps if app.name == "gluetun" for c in app.containers}
        own = {
            "namespace": self.namespace,
            "vpn": by_wireguard(self.cluster.provider.public_key),
            "storage": {"library": {"claim": {"name": library, "existing": True, "share": None}}},
            "secrets": {"names": None},
            "waive": [waiver for waiver in msgspec.to_builtins(planned.given.profile.waive) if waiver["field"] not in _ELSEWHERE],
        }
        text = standins.profile(planned, taken, "lab", merged(own, more or {}, changes=("override",)))
        (self.stack.folder / "profiles" / "lab.yaml").write_text(text)
        for key, value in self.cluster.provider.wireguard().items():
            self.stack.portable("secrets", "set", f"wireguard-key.{key}", given=f"{value}\n")
        self._share(library)

    def _share(self, claim: str) -> None:
        """The claim of the library, as the owner of a cluster has it: bound to a folder that all nodes have in common."""
        self.volume(claim, "1Ti", mode="ReadWriteMany")
        request = {"resources": {"requests": {"storage": "1Ti"}}, "volumeName": f"{self.namespace}-{claim}"}
        spec = {"accessModes": ["ReadWriteMany"], "storageClassName": "", **request}
        metadata = {"name": claim, "namespace": self.namespace}
        self._apply(
            {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": self.namespace}},
            {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec},
        )

    def volume(self, claim: str, size: str, *, mode: str = "ReadWriteOnce") -> None:
        """A volume for a claim, in a folder that all nodes have in common: it stands in for the one that a CSI driver provisions."""
        name = f"{self.namespace}-{claim}"
        path = f"{SHARE}/{name}"
        self.cluster.nodes[0].sh(f"install -d -o 1000 -g 1000 -m 2775 {path}")
        spec = {
            "accessModes": [mode],
            "storageClassName": "",
            "capacity": {"storage": size},
            "hostPath": {"path": path},
            "persistentVolumeReclaimPolicy": "Retain",
            "claimRef": {"name": claim, "namespace": self.namespace},
        }
        self._apply({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": spec})

    def _apply(self, *items: Mapping[str, Any]) -> None:
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items})
        self.cluster.kubectl("apply", "--server-side", "-f", "-", given=text)

    def pods(self) -> list[dict[str, Any]]:
        """The pods of its namespace."""
        return self.cluster.objects("pods", "-n", self.namespace)


@contextlib.contextmanager
def place_in(
    cluster: Cluster, engine: Engine, folder: Path, namespace: str, profile: str, more: Mapping[str, Any] | None = None, **options: Any
) -> Iterator[Place]:
    """A stack of an owner's profile, nothing of it applied yet; its namespace and volumes are taken away afterwards."""
    stack = Local(folder, stack="media", text="", published=())
    stack.engine["KUBECONFIG"] = str(cluster.kubeconfig)
    place = Place(cluster, stack, namespace)
    try:
        place.take(engine, profile, more, **options)
        yield place
    finally:
        cluster.kubectl("delete", "namespace", namespace, "--ignore-not-found", "--wait=false")
        for volume in cluster.objects("pv"):
            if (volume["spec"].get("claimRef") or {}).get("namespace") == namespace:
                cluster.kubectl("delete", "pv", volume["metadata"]["name"], "--wait=false")
