"""Device nodes that an app needs open where it asks for them."""

from collections.abc import Iterator

from portable.backends.common import Placed
from portable.live.view import View
from portable.model.plan import HostDevice
from portable.model.shell import script
from portable.verify.contract import PROCESSES, Contract, Found, about, broken, holds, processes, running, unknown, untried
from portable.verify.identity import ids

_ROOT = 0


def check(stack: View) -> Iterator[Found]:
    """What the container's first user opens is opened; a GPU is compared with what the app's processes may do."""
    devices = stack.plan.devices
    for placed in running(stack):
        needs = placed.container.needs
        for wanted, device in ((needs.tun, devices.tun), (needs.fuse, devices.fuse)):
            if wanted and isinstance(device, HostDevice):
                said = stack.inside(placed, ["sh", "-c", script(__name__, "devices.sh"), "sh", device.path])
                if said.done:
                    yield holds(about(placed), f"{device.path} opens")
                elif untried(said):
                    yield unknown(about(placed), f"{device.path} was not tried: {said.text or said.code}")
                else:
                    yield broken(about(placed), f"{device.path} does not open: {said.text or said.code}", _remedy(device))
        if needs.gpu and isinstance(devices.gpu, HostDevice):
            yield _gpu(stack, placed, devices.gpu)


def _gpu(stack: View, placed: Placed, device: HostDevice) -> Found:
    """By the groups of its processes: an image that changes its user by itself may drop those that the container was given."""
    subject = about(placed)
    node = stack.inside(placed, ["stat", "-c", "%a %u %g %F", device.path])
    said = stack.inside(placed, PROCESSES)
    if untried(node) or not said.done:
        return unknown(subject, f"{device.path} was not tried: {node.text if untried(node) else said.text}")
    if not node.done:
        return broken(subject, f"{device.path} is not there: {node.text}", _remedy(device))
    mode, owner, group, kind = node.text.split(" ", 3)
    if "directory" in kind:
        return unknown(subject, f"{device.path} is a folder of nodes: name one, as /dev/dri/renderD128")
    uid = placed.container.identity.uid
    for fields in processes(said.text):
        user, main = ids(fields)
        if user != uid and placed.container.identity.how != "fixed":
            continue
        groups = {main, *map(int, fields.get("Groups", "").split())}
        bits = int(mode, 8)
        if (
            user == _ROOT
            or (user == int(owner) and bits & 0o600 == 0o600)
            or (int(group) in groups and bits & 0o060 == 0o060)
            or bits & 0o006 == 6
        ):
            return holds(subject, f"{device.path} may be opened by its processes")
    return broken(subject, f"{device.path} belongs to group {group}, mode {mode}, and none of its processes may open it", _remedy(device))


def _remedy(device: HostDevice) -> str:
    return f"`ls -l {device.path}` on the host; its group is `devices` of the profile"


CONTRACT = Contract(name="devices", promise="device nodes open where apps need them", check=check)
