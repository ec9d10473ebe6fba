"""What the cases share: the same thing as a host, a cluster or OpenShift offers it, and the parts of a rendering that checks look at."""

from typing import Any

from portable.model import plan as p
from portable.model.devices import Devices, HostDevice, PluginDevice
from portable.model.exposures import Exposure, Ingress, Lan, Reach, Route
from portable.model.rendering import Rendering
from tests.factories import GI
from tests.kinds import is_host, of_kind
from tests.render.invariants_kubernetes import template_of


def library_on(back_end: str, **changes: Any) -> p.Volume:
    """The library: a folder of the host, or an existing claim that all pods share."""
    claim = p.Claim(name="media-library", size=100 * GI, shared=True, existing=True)
    defaults: dict[str, Any] = {
        "id": "library",
        "holds": "library",
        "place": p.Folder(path="/mnt/storage") if is_host(back_end) else claim,
    }
    return p.Volume(**(defaults | changes))


def state_on(back_end: str, app: str) -> p.Volume:
    """An app's own folder: beside the library on a host, a claim of its own on a cluster."""
    name = f"{app}-config"
    if is_host(back_end):
        return p.Volume(id=name, holds="state", place=p.Folder(path="/mnt/storage/appdata"), folder=app)
    return p.Volume(id=name, holds="state", place=p.Claim(name=name, size=GI, storage_class="fast"))


def reach_on(back_end: str, app: str, port: str, number: int) -> Exposure:
    """A port on the LAN of a host, behind the Ingress of a cluster, or behind OpenShift's router."""
    how: dict[str, Reach] = {
        "compose": Lan(number=number),
        "kubernetes": Ingress(host=f"{app}.example.test"),
        "openshift": Route(host=f"{app}.apps.example.test"),
    }
    return Exposure(app=app, port=port, how=of_kind(back_end, how))


def devices_on(back_end: str) -> Devices:
    """Device nodes of a host; device plug-ins of a cluster."""
    if is_host(back_end):
        return Devices(
            tun=HostDevice(path="/dev/net/tun"),
            fuse=HostDevice(path="/dev/fuse"),
            gpu=HostDevice(path="/dev/dri/renderD128", group=105),
        )
    return Devices(
        tun=PluginDevice(resource="squat.ai/tun"),
        fuse=HostDevice(path="/dev/fuse"),
        gpu=PluginDevice(resource="gpu.intel.com/i915"),
    )


def services(rendering: Rendering) -> dict[str, Any]:
    """The services of a Compose project."""
    found: dict[str, Any] = rendering.documents[0].body["services"]
    return found


def pods(rendering: Rendering) -> dict[str, Any]:
    """Every pod of a cluster by the name of what runs it."""
    return {
        document.body["metadata"]["name"]: template_of(document.body)["spec"]
        for document in rendering.documents
        if document.body.get("kind") in ("CronJob", "Deployment", "StatefulSet")
    }


def pod_containers(pod: dict[str, Any]) -> dict[str, Any]:
    """All containers of a pod by name, those that only start first too."""
    return {container["name"]: container for container in (*pod.get("initContainers", ()), *pod["containers"])}
