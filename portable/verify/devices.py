"""Device nodes that an app needs open where it asks for them."""

from collections.abc import Iterator

from portable.model.plan import HostDevice
from portable.verify.contract import Contract, Found, about, broken, holds, running, writer
from portable.verify.stack import Stack

# For reading only: opened for writing too, a node that is gone would be made a file.
_OPEN = '[ -c "$1" ] || { echo "there is no such node"; exit 3; }; exec 3<"$1"'


def check(stack: Stack) -> Iterator[Found]:
    """Opened inside, as the user that the app has when it does so."""
    devices = stack.plan.devices
    for placed in running(stack):
        needs, container = placed.container.needs, placed.container
        for wanted, device, user in (
            (needs.tun, devices.tun, None),
            (needs.fuse, devices.fuse, None),
            (bool(needs.gpu), devices.gpu, None if container.identity.how == "fixed" else writer(container)),
        ):
            if not wanted or not isinstance(device, HostDevice):
                continue
            said = stack.inside(placed, ["sh", "-c", _OPEN, "sh", device.path], user=user)
            if said.done:
                yield holds(about(placed), f"{device.path} opens")
            else:
                remedy = f"`ls -l {device.path}` on the host; its group is `devices` of the profile"
                yield broken(about(placed), f"{device.path} does not open: {said.text or said.code}", remedy)


CONTRACT = Contract(name="devices", promise="device nodes open where apps need them", check=check)
