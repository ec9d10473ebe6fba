"""`verify` on real apps: nothing is broken on a healthy stack, and the right contract reports each injected fault.

Faults are injected from outside, as they happen in reality: by the engine, inside a container's namespaces, in the host's folders. Where
the running stack cannot be changed, the plan is changed instead, so that both differ.
"""

import contextlib
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import pytest

from portable.engines.docker.observed import PROJECT
from portable.verify import contracts
from tests.lab.local import CLOUD, UNKNOWN, Local, docker

pytestmark = [pytest.mark.compose_lab, pytest.mark.timeout(600)]
Act = Callable[[Local], object]
CONTRACTS = tuple(contract.name for contract in contracts())
READERS = {f"gerbera cloud {CLOUD}", f"stream-links cloud {CLOUD}"}
WRITERS = {"old-downloads", "qbittorrent", "sabnzbd", "stream-links"}


@dataclass(frozen=True)
class Fault:
    """The action, the action that undoes it, and the exact subjects that must be broken, by contract."""

    put: Act
    mend: Act
    broken: dict[str, set[str]]
    arguments: tuple[str, ...] = ()
    """Arguments of `verify`: the contracts to check, or changes of the profile."""


def broken(local: Local, *arguments: str) -> dict[str, set[str]]:
    """Return the broken subjects of each contract; exit 3 if there are any, else 0."""
    ran = local.portable("verify", "--format", "json", *arguments, code=None)
    found: dict[str, set[str]] = {}
    for row in json.loads(ran.out)["verify"]:
        if row["verdict"] == "broken":
            assert row["remedy"], row
            assert row["code"] == f"verify.{row['contract']}", row
            found.setdefault(row["contract"], set()).add(row["subject"])
    assert ran.code == (3 if found else 0), str(ran)
    return found


def engine(verb: str, service: str) -> Act:
    """The engine's own command on a container."""
    return lambda local: docker(verb, local.container(service))


def within(service: str, *command: str, namespaces: tuple[str, ...] = ("--mount", "--pid")) -> Act:
    """A command in a container's namespaces, as the host's root may."""

    def run(local: Local) -> None:
        pid = str(local.inspected()[service]["State"]["Pid"])
        subprocess.run(["nsenter", "--target", pid, *namespaces, *command], check=True, capture_output=True)

    return run


def processes(sign: signal.Signals) -> Act:
    """Send a signal to all processes of the gateway, which would repair its firewall every few seconds, even during the check."""

    def run(local: Local) -> None:
        for pid in docker("top", local.container("seal"), "-eo", "pid").split()[1:]:
            with contextlib.suppress(ProcessLookupError):
                os.kill(int(pid), sign)

    return run


def in_turn(*acts: Act) -> Act:
    """One after the other."""
    return lambda local: [act(local) for act in acts]


def up(local: Local) -> None:
    """Run the command of the remedies."""
    local.portable("up")


def off_its_network(local: Local) -> None:
    docker("network", "disconnect", *local.networks(), local.container("webdav"))
    assert "recreate webdav" in local.portable("diff", code=3).out, "`up` is the remedy, so it must see what there is to mend"


def stray(local: Local) -> None:
    """Add a container like that of an interrupted change: it belongs to the project, but not to a service of the plan."""
    image = local.inspected()["stream-links"]["Config"]["Image"]
    labels = ["--label", f"{PROJECT}={local.project}", "--label", "com.docker.compose.service=stray"]
    docker("run", "-d", "--name", f"{local.project}-stray", "--network", "none", *labels, image, "sleep", "600")


def by_hand(service: str, *flags: str) -> Act:
    """Replace a service by a hand-made container with everything that Compose compares, and with additional flags."""

    def run(local: Local) -> None:
        found = local.inspected()[service]
        config, host = found["Config"], found["HostConfig"]
        given = [
            *(word for name, value in config["Labels"].items() for word in ("--label", f"{name}={value}")),
            *(word for variable in config["Env"] for word in ("--env", variable)),
            *(word for m in found["Mounts"] for word in ("--volume", f"{m['Source']}:{m['Destination']}{'' if m['RW'] else ':ro'}")),
            *(word for name in host["CapAdd"] or () for word in ("--cap-add", name)),
            *(word for option in host["SecurityOpt"] or () for word in ("--security-opt", option)),
        ]
        docker("rm", "--force", found["Id"])
        name = found["Name"].lstrip("/")
        docker("run", "-d", "--name", name, "--network", host["NetworkMode"], "--cap-drop", "ALL", *given, *flags, config["Image"])
        local.portable("diff")  # exit 0: by all that Compose compares it is the service's own

    return run


def as_the_remedy_says(service: str) -> Act:
    """Recreate a service that Compose would not recreate."""

    def run(local: Local) -> None:
        local.portable("down", service)
        local.portable("up")

    return run


def override_by_files(local: Local) -> None:
    """Add files that Gluetun would prefer to its variables."""
    put = "mkdir -p /iptables /gluetun; echo >/iptables/post-rules.txt; echo off >/gluetun/firewall"
    local.inside("seal", "sh", "-c", put)


def guest(local: Local) -> None:
    """Add a foreign container that may change the rules of the gateway whose network it shares."""
    image = local.inspected()["stream-links"]["Config"]["Image"]
    joined = ["--network", f"container:{local.container('seal')}", "--cap-add", "NET_ADMIN"]
    docker("run", "-d", "--name", f"{local.project}-guest", *joined, image, "sleep", "600")


def swapped(local: Local) -> None:
    """Swap the folder of SABnzbd's state with a copy, as a restore by hand does while the app runs."""
    folder = local.folder / "config" / "sabnzbd"
    copy = folder.with_name("sabnzbd.copy")
    if not copy.exists():
        shutil.copytree(folder, copy)
        os.chown(copy, 1000, 1000)
    aside = folder.with_name("sabnzbd.aside")
    folder.rename(aside)
    copy.rename(folder)
    aside.rename(copy)


def of_somebody_else(local: Local) -> None:
    os.chown(local.library / "downloads", 0, 0)
    (local.library / "downloads").chmod(0o755)


def spoilt(local: Local) -> Path:
    return local.folder / "config" / "sabnzbd" / "admin" / "spoilt.db"


def spoil(local: Local) -> None:
    """Write a database that has lost two blocks."""
    path = spoilt(local)
    with sqlite3.connect(path) as made:
        made.execute("create table t (x)")
        made.executemany("insert into t values (?)", [("x" * 500,) for _ in range(200)])
    made.close()
    content = bytearray(path.read_bytes())
    content[4096:12288] = b"\xff" * 8192
    path.write_bytes(content)


def host_closes(verb: str) -> Act:
    """A rule of this machine's firewall, for one port of its loopback."""

    def run(local: Local) -> None:
        rule = ["-p", "tcp", "-d", "127.0.0.1", "--dport", str(local.ports["gerbera"]), "-j", "REJECT"]
        subprocess.run(["iptables", verb, "INPUT", *rule], check=True)

    return run


def tell_the_log(local: Local) -> None:
    """Write a secret to the log, like an app that logs its requests."""
    local.inside("stream-links", "sh", "-c", 'echo "apikey=$1" >/proc/1/fd/1', "sh", local.secret("sabnzbd-api-key"))


def sealed_again(local: Local) -> None:
    """Wait until a health check that began after this moment has passed.

    The seal needs up to 5 s for rules that fit its networks. Health checks fall into this time when a network comes and when it goes;
    two of them make it unhealthy until the next check, which `up` reports.
    """
    seal = local.container("seal")
    began, deadline = datetime.now(UTC), time.monotonic() + 60
    while time.monotonic() < deadline:
        health = json.loads(docker("inspect", "--format", "{{json .State.Health}}", seal))
        later = [entry for entry in health["Log"] if datetime.fromisoformat(entry["Start"]) > began]
        if later and later[-1]["ExitCode"] == 0 and health["Status"] == "healthy":
            return
        time.sleep(0.5)
    pytest.fail(f"the seal did not become healthy again within 60 s: {health}")


def differs(setting: str, broken: dict[str, set[str]], *names: str) -> Fault:
    """Check the running stack against a changed profile."""
    return Fault(put=lambda _: None, mend=lambda _: None, broken=broken, arguments=(*names, "--set", setting))


OURS = "uid=1000,gid=1000"
FAULTS: dict[str, Fault] = {
    "an app that ended": Fault(engine("stop", "gerbera"), up, {"runs": {"gerbera"}, "ports": {"gerbera"}}),
    "an app that is gone": Fault(
        engine("kill", "webdav"),
        in_turn(engine("rm", "webdav"), up),
        {"runs": {"webdav"}, "ports": {"webdav"}},
        ("runs", "shares", "ports"),
    ),
    "an app that stands still": Fault(
        engine("pause", "sabnzbd"), in_turn(engine("unpause", "sabnzbd"), up), {"runs": {"sabnzbd"}, "ports": {"sabnzbd"}}
    ),
    "a gateway that ended": Fault(
        engine("stop", "seal"),
        up,
        {"runs": {"seal"}, "shares": {"qbittorrent"}, "fence": {"seal"}, "ports": {"qbittorrent"}},
        ("runs", "shares", "fence", "ports"),
    ),
    "a gateway that was restarted": Fault(
        engine("restart", "seal"), up, {"shares": {"qbittorrent"}}, ("shares", "fence", "clouds", "links", "privacy")
    ),
    "a firewall that is open": Fault(
        in_turn(processes(signal.SIGSTOP), within("seal", "iptables", "-P", "OUTPUT", "ACCEPT", namespaces=("--net",))),
        in_turn(within("seal", "iptables", "-P", "OUTPUT", "DROP", namespaces=("--net",)), processes(signal.SIGCONT), up),
        {"fence": {"seal"}},
        ("shares", "fence", "answers"),
    ),
    "a firewall with a hole": Fault(
        in_turn(processes(signal.SIGSTOP), within("seal", "iptables", "-I", "OUTPUT", "-o", "eth0", "-j", "ACCEPT", namespaces=("--net",))),
        in_turn(
            within("seal", "iptables", "-D", "OUTPUT", "-o", "eth0", "-j", "ACCEPT", namespaces=("--net",)), processes(signal.SIGCONT), up
        ),
        {"fence": {"seal"}},
        ("shares", "fence", "answers"),
    ),
    "an app that somebody made by hand, with a proxy and the right to change rules": Fault(
        by_hand("qbittorrent", "--env", "http_proxy=http://192.0.2.9:3128", "--cap-add", "NET_ADMIN"),
        as_the_remedy_says("qbittorrent"),
        {"environment": {"qbittorrent"}, "privileges": {"qbittorrent"}},
        ("shares", "fence", "environment", "privileges", "secrecy"),
    ),
    "a container of somebody's in the network of the gateway": Fault(
        guest, lambda local: docker("rm", "-f", f"{local.project}-guest"), {"privileges": {"seal"}}, ("runs", "environment", "privileges")
    ),
    "a gateway on another network as well": Fault(
        lambda local: docker("network", "connect", "bridge", local.container("seal")),
        in_turn(lambda local: docker("network", "disconnect", "bridge", local.container("seal")), sealed_again, up),
        {"privileges": {"seal"}},
        ("environment", "privileges"),
    ),
    "files that override the gateway": Fault(
        override_by_files,
        lambda local: local.inside("seal", "rm", "-r", "/iptables", "/gluetun"),
        {"environment": {"seal"}},
        ("environment", "privileges"),
    ),
    "a gateway with other settings": differs(
        "override.seal.containers.main.environment.LOCAL_NETWORKS=198.51.100.0/24",
        {"environment": {"seal"}},
        "environment",
        "privileges",
    ),
    "a container that nobody knows": Fault(
        stray, lambda local: docker("rm", "-f", f"{local.project}-stray"), {"runs": {"{project}-stray"}}, ("runs", "ports")
    ),
    "a folder that was put in another's place": Fault(
        swapped, in_turn(swapped, engine("restart", "sabnzbd"), up), {"paths": {"backup", "sabnzbd"}}, ("paths", "privacy")
    ),
    "an app off its network": Fault(
        off_its_network,
        up,
        {"answers": {"webdav from gerbera", "webdav from qbittorrent"}, "ports": {"webdav"}},
        ("shares", "fence", "paths", "links", "answers", "ports"),
    ),
    "a mounter that ended": Fault(engine("stop", f"cloud-{CLOUD}"), up, {"runs": {f"cloud {CLOUD}"}, "clouds": READERS}),
    "a cloud that one app lost": Fault(
        within("gerbera", "umount", "--lazy", f"/mnt/clouds/{CLOUD}"),
        in_turn(engine("restart", "gerbera"), up),
        {"clouds": {f"gerbera cloud {CLOUD}"}},
    ),
    "a cloud that hangs": Fault(
        engine("pause", f"cloud-{CLOUD}"),
        in_turn(engine("unpause", f"cloud-{CLOUD}"), up),
        {"clouds": {f"gerbera cloud {CLOUD}"}},
        ("clouds",),
    ),
    "downloads on another disk": Fault(
        within("qbittorrent", "mount", "-t", "tmpfs", "-o", OURS, "tmpfs", "/mnt/media/downloads"),
        within("qbittorrent", "umount", "/mnt/media/downloads"),
        {"links": {"qbittorrent"}},
    ),
    "downloads of somebody else": Fault(
        of_somebody_else, lambda local: os.chown(local.library / "downloads", 1000, 1000), {"links": WRITERS}
    ),
    "a library that is covered in one app": Fault(
        within("sabnzbd", "mount", "-t", "tmpfs", "-o", OURS, "tmpfs", "/mnt/media"),
        within("sabnzbd", "umount", "/mnt/media"),
        {"paths": {"sabnzbd"}},
    ),
    "a device node that is gone": Fault(
        within(f"cloud-{CLOUD}", "mv", "/dev/fuse", "/dev/away"),
        within(f"cloud-{CLOUD}", "mv", "-f", "/dev/away", "/dev/fuse"),
        {"devices": {f"cloud {CLOUD}"}},
    ),
    "a database that is spoilt": Fault(spoil, lambda local: spoilt(local).unlink(), {"databases": {"sabnzbd"}}),
    "a port that the host closes": Fault(host_closes("-I"), host_closes("-D"), {"ports": {"gerbera"}}),
    "a secret in a log": Fault(
        tell_the_log, in_turn(lambda local: docker("rm", "-f", local.container("stream-links")), up), {"secrecy": {"stream-links"}}
    ),
    "apps that run as another user": differs(
        "stack.uid=1234",
        {
            "environment": {f"cloud {CLOUD}", "gerbera", "qbittorrent", "sabnzbd"},
            "identity": {"gerbera", "webdav", "capacity", *WRITERS},
            "links": WRITERS,
        },
    ),
    "a port that nobody asked for": differs("exposure.apps.gerbera.web.loopback=null", {"ports": {"gerbera"}}),
    "state that lies elsewhere": differs(
        "storage.state.folder=/srv/elsewhere", {"paths": {"backup", "gerbera", "qbittorrent", "sabnzbd", "webdav"}}
    ),
}


def settled(local: Local) -> list[dict[str, str]]:
    """The results once none is unknown, or after 90 s: an app of the lab that runs each minute may end while it is asked."""
    until = time.monotonic() + 90
    while True:
        rows: list[dict[str, str]] = json.loads(local.portable("verify", "--format", "json").out)["verify"]
        if time.monotonic() > until or all(row["verdict"] != "unknown" for row in rows):
            return rows
        time.sleep(1)


def test_nothing_is_broken_or_unknown_on_a_healthy_stack(local: Local) -> None:
    rows = settled(local)
    assert {row["contract"] for row in rows} == set(CONTRACTS) - {"egress", "listener", "names", "tunnel"}, "there is no tunnel here"
    assert [row for row in rows if row["verdict"] == "broken"] == []
    assert {(row["contract"], row["subject"], row["text"]) for row in rows if row["verdict"] == "unknown"} == UNKNOWN
    assert {row["text"] for row in rows if row["contract"] == "clouds"} == {"OK (1 entries)"}
    assert list(local.library.rglob(".portable-verify*")) == [], "it cleans up after itself"
    assert local.portable("diff").code == 0


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_named_by_its_contract(local: Local, name: str) -> None:
    fault = FAULTS[name]
    fault.put(local)
    try:
        expected = {contract: {name.format(project=local.project) for name in names} for contract, names in fault.broken.items()}
        assert broken(local, *fault.arguments) == expected
    finally:
        fault.mend(local)


def test_all_is_well_again_afterwards(local: Local) -> None:
    local.portable("up")
    assert broken(local) == {}
    local.assert_well()


def test_what_is_asked_for_wrongly(local: Local) -> None:
    said = local.portable("verify", "wrong", code=2).err
    assert "[verify.unknown-contract]" in said
    assert ": wrong " in said
    assert shutil.which("nsenter"), "the faults of this file need it"
