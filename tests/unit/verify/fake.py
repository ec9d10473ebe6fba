"""A fake stack, whose state each test sets."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import msgspec

from portable.backends.common import PlacedContainer, containers
from portable.live.compose.rights import planned
from portable.live.view import CommandResult, ContainerState, ExtraContainer, HostFolder, PublishedAddress
from portable.model.contracts import ContractResult
from portable.model.folders import folder_of
from portable.model.plan import Ephemeral, Library, Plan, Volume
from portable.model.rights import ImageSettings, PlannedContainer
from portable.model.secret_refs import Text
from portable.verify.contract import Contract, about, mounts_of
from tests.factories import full_plan

Answer = Callable[[str, Sequence[str]], CommandResult | None]
"""Answers a command in a container, by the container's name; None for the answer of a healthy one."""

STATUS = """\
Name:	app
Umask:	0002
Pid:	7
PPid:	1
Uid:	1000	1000	1000	1000
Gid:	1000	1000	1000	1000
Groups:	44 1000
Name:	sh
Umask:	0022
Pid:	99
PPid:	0
Uid:	0	0	0	0
Gid:	0	0	0	0
"""
SHUT = """\
iptables iptables -P OUTPUT DROP
iptables iptables -A OUTPUT -o lo -j ACCEPT
iptables iptables -A OUTPUT -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT
iptables iptables -A OUTPUT -d 198.51.100.7/32 -o eth0 -p udp -m udp --dport 51820 -j ACCEPT
iptables iptables -A OUTPUT -o tun0 -j ACCEPT
iptables iptables -A OUTPUT -s 172.20.0.2/32 -d 172.20.0.0/16 -o eth0 -j ACCEPT
iptables iptables -A OUTPUT -d 10.1.0.0/16 -o eth0 -j ACCEPT
iptables iptables mangle -P POSTROUTING ACCEPT
iptables iptables mangle -N PORTABLE
iptables iptables mangle -N PORTABLE-IN
iptables iptables mangle -A INPUT -j PORTABLE-IN
iptables iptables mangle -A POSTROUTING -j PORTABLE
iptables iptables mangle -A PORTABLE ! -o lo -m addrtype ! --src-type LOCAL --limit-iface-out -j DROP
iptables iptables mangle -A PORTABLE -o lo -j ACCEPT
iptables iptables mangle -A PORTABLE -o tun0 -j ACCEPT
iptables iptables mangle -A PORTABLE -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT
iptables iptables mangle -A PORTABLE -p udp -m mark --mark 0xca6c -j ACCEPT
iptables iptables mangle -A PORTABLE -d 172.20.0.0/16 -j ACCEPT
iptables iptables mangle -A PORTABLE -j DROP
ip6tables ip6tables -P OUTPUT DROP
ip6tables ip6tables -A OUTPUT -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
ip6tables ip6tables -A OUTPUT -d ff02::1:ff/104 -o eth0 -j ACCEPT
ip6tables ip6tables mangle -P POSTROUTING ACCEPT
ip6tables ip6tables mangle -N PORTABLE
ip6tables ip6tables mangle -N PORTABLE-IN
ip6tables ip6tables mangle -A INPUT -j PORTABLE-IN
ip6tables ip6tables mangle -A POSTROUTING -j PORTABLE
ip6tables ip6tables mangle -A PORTABLE ! -o lo -m addrtype ! --src-type LOCAL --limit-iface-out -j DROP
ip6tables ip6tables mangle -A PORTABLE -o lo -j ACCEPT
ip6tables ip6tables mangle -A PORTABLE -o tun0 -j ACCEPT
ip6tables ip6tables mangle -A PORTABLE -m conntrack --ctstate RELATED,ESTABLISHED --ctdir REPLY -j ACCEPT
ip6tables ip6tables mangle -A PORTABLE -p udp -m mark --mark 0xca6c -j ACCEPT
ip6tables ip6tables mangle -A PORTABLE -p ipv6-icmp -m icmp6 --icmpv6-type 135 -j ACCEPT
ip6tables ip6tables mangle -A PORTABLE -j DROP
ipv6
own eth0 172.20.0.2/16
"""
"""Gluetun's closed firewall (its internal/firewall/enable.go) with the catalog's guard: each line with its family and program."""
LISTENS = """\
now 1795997415
forwarded
device tun0 2
tunnel tun0 10.64.0.2
call 6881 accepted
listens tcp 0200400A:1AE1
listens udp 0200400A:1AE1
"""
"""The output of the script of `portable.live.listening` for qBittorrent behind Gluetun."""
TRAFFIC = """\
now 1795997415
before tun0 1000 2000
asked
after tun0 1300 2200
"""
"""The output of the script of `portable.live.tunnel` for a tunnel through which an answer came."""
HEALTHY = {
    "counted before": TRAFFIC,
    "/tmp/gluetun/forwarded_port": LISTENS,
    "/proc/self/ns/net": "net:[1]",
    "-S OUTPUT": SHUT,
    "ip route get 192.0.2.1": "192.0.2.1 dev tun0 table 51820 src 10.64.0.2 uid 0",
    "/etc/resolv.conf": "nameserver 127.0.0.1\n# portable: nameserver 127.0.0.11\noptions ndots:0",
    "wc -l": "25000",
    "/proc/[0-9]*/status": STATUS,
    "stat -c %d:%i": "64:256",
    "stat -c %a %u %g %F": "660 0 44 character special file",
    "/proc/self/mountinfo": "1 0 8:1 / / rw - overlay overlay rw\n2 1 8:2 / /config rw - btrfs /dev/sda rw",
    "ls -A": "",
    "/gluetun/wireguard/wg0.conf": "/gluetun/servers.json",
}
"""The output of a healthy container, by a part of the command."""


IMAGE = ImageSettings(environment={"PATH": "/bin", "FLAVOUR": "vanilla"}, entrypoint=("/start",), command=("run",))


class FakeStack:
    """All of `full_plan` runs as promised, except for `changes` and `answer`."""

    def __init__(
        self, plan: Plan | None = None, *, answer: Answer = lambda _name, _command: None, here: bool = False, host: str = ""
    ) -> None:
        self.plan = plan or _planned()
        self.here, self.host, self.one_host = here, host, True
        self.names: tuple[str, ...] = ()
        self.lan: tuple[str, ...] = ()
        self.changes: dict[str, dict[str, object]] = {}
        """Changed fields of `ContainerState`, by the container's name."""
        self.written = ""
        self.dated: tuple[tuple[float, str], ...] = ()
        self.left: tuple[ExtraContainer, ...] = ()
        """Containers that are not in the plan."""
        self.strangers: tuple[str, ...] = ()
        """Containers in the gateway's network that do not belong to the stack."""
        self._answer = answer

    def look(self, placed: PlacedContainer) -> ContainerState:
        """Return a running container with the mounts of the plan."""
        mounts = {
            path: folder_of(volume) or ""
            for volume, path, _ in mounts_of(self, placed.container)
            if not isinstance(volume.place, Ephemeral)
        }
        planned = self.planned(placed)
        healthy = ContainerState(
            state="running",
            health="healthy",
            mounts=mounts,
            published=PUBLISHED.get(about(placed), ()),
            image=IMAGE,
            environment={**IMAGE.environment, **{name: _value(value) for name, value in planned.environment.items()}},
            entrypoint=IMAGE.entrypoint if planned.entrypoint is None else planned.entrypoint,
            command=planned.command if planned.command is not None else IMAGE.command if planned.entrypoint is None else (),
            rights=planned.rights,
        )
        return msgspec.structs.replace(healthy, **self.changes.get(about(placed), {}))

    def planned(self, placed: PlacedContainer) -> PlannedContainer:
        """Return the settings of the Compose project."""
        return planned(placed, self.plan)

    def guests(self, placed: PlacedContainer) -> tuple[str, ...]:
        """Return the test's containers, for the gateway."""
        return self.strangers if about(placed) == "gateway" else ()

    def source(self, volume: Volume) -> str | None:
        """Return the folder of the host."""
        return folder_of(volume)

    def guest_remedy(self, placed: PlacedContainer, name: str) -> str:
        """Return a command with both names."""
        return f"remove {name} from {about(placed)}"

    def on_host(self, folders: Sequence[str]) -> Mapping[str, HostFolder] | None:
        """Return the folders of this machine, if the stack runs on it."""
        if not self.here:
            return None
        return {folder: _lying(Path(folder)) for folder in folders}

    def others(self) -> tuple[ExtraContainer, ...]:
        """Return the test's containers."""
        return self.left

    def inside(self, placed: PlacedContainer, command: Sequence[str], *, user: str | None = None, seconds: float = 20.0) -> CommandResult:
        """Return the test's answer, or that of a healthy container."""
        del user, seconds
        text = " ".join(command)
        if answered := self._answer(about(placed), command):
            return answered
        if text == "cat /proc/1/environ":
            return CommandResult(code=0, text=first_process(self.look(placed).environment))
        return CommandResult(code=0, text=next((said for part, said in HEALTHY.items() if part in text), ""))

    def dated_logs(self, placed: PlacedContainer, lines: int) -> Sequence[tuple[float, str]]:
        """Return the test's lines."""
        del placed, lines
        return self.dated

    def logs(self, placed: PlacedContainer, lines: int) -> str:
        """Return the same text for each container."""
        del placed, lines
        return self.written


def first_process(environment: Mapping[str, str]) -> str:
    """Return the variables of a container's first process in the kernel's format."""
    return "".join(f"{name}={value}\0" for name, value in {**environment, "HOSTNAME": "some", "HOME": "/root"}.items())


def _value(text: Text) -> str:
    """Return a text; secrets have no known value."""
    return text if isinstance(text, str) else ""


def _lying(folder: Path) -> HostFolder:
    found = folder.stat()
    return HostFolder(identity=f"{found.st_dev}:{found.st_ino}", mounted=folder.is_mount())


def _planned() -> Plan:
    """Return the full plan with the parents of the apps' folders, as planning makes it."""
    plan = full_plan("compose")
    library = Library(volume="library", folders=("downloads", "downloads/torrents", "media", "media/tv"))
    return msgspec.structs.replace(plan, library=msgspec.structs.replace(library, links=plan.library.links if plan.library else ()))


PUBLISHED = {
    "gateway": (PublishedAddress(address="0.0.0.0", number=8080, protocol="tcp", inside=8080),),
    "player": (
        PublishedAddress(address="127.0.0.1", number=32400, protocol="tcp", inside=32400),
        PublishedAddress(address="0.0.0.0", number=443, protocol="tcp", inside=8443),
    ),
}


def says(part: str, said: CommandResult, *only: str) -> Answer:
    """Answer commands that contain a text, in those containers or in all."""
    return lambda name, command: said if part in " ".join(command) and (not only or name in only) else None


def verdicts(contract: Contract, stack: FakeStack) -> dict[str, str]:
    """Return the worst verdict of each subject."""
    order = ("holds", "unknown", "broken")
    found: dict[str, str] = {}
    for held in contract.tried(stack):
        found[held.subject] = max(found.get(held.subject, "holds"), held.verdict, key=order.index)
    return found


def one(contract: Contract, stack: FakeStack, verdict: str = "broken") -> ContractResult:
    """Return the only result with that verdict; only a broken one has a remedy."""
    (held,) = [h for h in contract.tried(stack) if h.verdict == verdict]
    assert held.contract == contract.name
    assert bool(held.remedy) == (verdict == "broken")
    return held


def everything(plan: Plan) -> list[str]:
    """Return the names of all containers."""
    return [about(placed) for placed in containers(plan)]
