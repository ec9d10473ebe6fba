"""The powers that an app asks for in its file. Read them before you use an app that another person wrote."""

from collections.abc import Iterator
from typing import Literal

from portable.catalog.facts import AppFacts, CloudFacts, ContainerFacts
from portable.model.base import Struct

Weight = Literal["grave", "usual"]


class Power(Struct, frozen=True, kw_only=True):
    """One thing that an app or a profile may do."""

    owner: str
    container: str = ""
    text: str
    weight: Weight = "usual"
    """Grave: it reaches beyond the app's own data and network, or runs commands on this machine."""


def powers_of_app(facts: AppFacts) -> Iterator[Power]:
    """Yield what the containers of an app may do, grave things and usual ones."""
    if facts.gateway is not None:
        yield Power(owner=facts.name, text="is the gateway through which other apps reach the internet", weight="grave")
    elif facts.egress == "direct" and not (facts.fuse_mount or facts.tools):
        yield Power(owner=facts.name, text="reaches the internet directly, past the VPN")
    if facts.fuse_mount or facts.tools:
        text = "mounts clouds for other apps" if facts.fuse_mount else "prepares the folders of all apps as root"
        yield Power(owner=facts.name, text=text, weight="grave")
    if facts.clouds:
        yield Power(owner=facts.name, text=f"reads the clouds {', '.join(facts.clouds)}")
    for name, container in facts.containers.items():
        for text, weight in _container(container):
            yield Power(owner=facts.name, container=name, text=text, weight=weight)


def _container(facts: ContainerFacts) -> Iterator[tuple[str, Weight]]:
    needs = facts.needs
    asked: tuple[tuple[bool, str, Weight], ...] = (
        (needs.engine, "controls the engine, which is root access to the host", "grave"),
        (needs.net_admin, "changes the firewall and the routes of its network", "grave"),
        (needs.tun, "opens a tunnel (/dev/net/tun)", "grave"),
        (needs.fuse, "mounts file systems (/dev/fuse), as a privileged container", "grave"),
        (needs.root_start, "starts as root", "grave"),
        (facts.identity == "fixed", "runs as the user of its image, which may be root", "usual"),
        (needs.gpu != "none", "uses the GPU", "usual"),
        (facts.backs_up, "reads the state of every app, with the secrets in it", "grave"),
        (facts.library == "rw", "writes the whole library", "usual"),
        (facts.library == "ro", "reads the whole library", "usual"),
        (facts.recipe is not None, "is built on this machine: its recipe runs commands as root in a container", "grave"),
        (facts.image.digest is None, "has an image without a digest: whoever owns the tag can replace it", "usual"),
    )
    yield from ((text, weight) for is_asked, text, weight in asked if is_asked)


def powers_of_cloud(facts: CloudFacts) -> Iterator[Power]:
    """Yield what a cloud may do."""
    yield Power(owner=f"cloud {facts.name}", text=f"shows {facts.remote} of its own rclone.conf as files to every app that reads it")
