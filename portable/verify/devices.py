"""The device nodes that apps need can be opened inside them."""

from collections.abc import Iterator

from portable.backends.common import PlacedContainer
from portable.live.view import View
from portable.model.devices import HostDevice
from portable.model.shell import script
from portable.verify.contract import PROCESSES, Contract, Found, about, broken, holds, processes, running, unknown, untried
from portable.verify.identity import ids

_ROOT = 0


def check(stack: View) -> Iterator[Found]:
    """Open each node as the container's default user; compare a GPU with the rights of the app's processes."""
    devices = stack.plan.devices
    for placed in running(stack):
        needs = placed.container.needs
        for wanted, device in ((needs.tun, devices.tun), (needs.fuse, devices.fuse)):
            if wanted and isinstance(device, HostDevice):
                answer = stack.inside(placed, ["sh", "-c", script(__name__, "devices.sh"), "sh", device.path])
                if answer.done:
                    yield holds(about(placed), f"{device.path} can be opened")
                elif untried(answer):
                    yield unknown(about(placed), f"{device.path} could not be tried: {answer.text or answer.code}")
                else:
                    yield broken(about(placed), f"{device.path} cannot be opened: {answer.text or answer.code}", _remedy(device))
        if needs.gpu and isinstance(devices.gpu, HostDevice):
            yield _gpu(stack, placed, devices.gpu)


def _gpu(stack: View, placed: PlacedContainer, device: HostDevice) -> Found:
    """Check by the groups of its processes: an image that switches its user may drop the groups of its container."""
    subject = about(placed)
    node = stack.inside(placed, ["stat", "-c", "%a %u %g %F", device.path])
    answer = stack.inside(placed, PROCESSES)
    if untried(node) or not answer.done:
        return unknown(subject, f"{device.path} could not be tried: {node.text if untried(node) else answer.text}")
    if not node.done:
        return broken(subject, f"{device.path} does not exist: {node.text}", _remedy(device))
    mode, owner, group, kind = node.text.split(" ", 3)
    if "directory" in kind:
        return unknown(subject, f"{device.path} is a folder: set a single node in the profile, for example /dev/dri/renderD128")
    uid = placed.container.identity.uid
    for fields in processes(answer.text):
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
            return holds(subject, f"its processes have permission to open {device.path}")
    return broken(
        subject, f"none of its processes has permission to open {device.path} (its group is {group}, its mode {mode})", _remedy(device)
    )


def _remedy(device: HostDevice) -> str:
    return f"run `ls -l {device.path}` on the host, and set that group in `devices` of the profile"


CONTRACT = Contract(name="devices", promise="the device nodes that apps need can be opened", check=check)
