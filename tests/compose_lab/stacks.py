"""Small stacks of a hand-made Compose document, for tests of the live layer."""

import copy
import os
from typing import Any

from portable.formats.emit import Interpolated
from portable.live.compose.desired import ComposeStack
from portable.live.image_needs import ImageNeed
from portable.secrets.needs import Need
from portable.secrets.sources import EnvironmentSource
from tests.by_hand import by_hand
from tests.lab.engine import BUSYBOX

SOURCE = EnvironmentSource()
SLEEP = ["sh", "-c", "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done"]
HEALTH = {"test": ["CMD", "test", "-e", "/etc/ready"], "interval": "1s", "timeout": "2s", "retries": 5}


def service(**more: Any) -> dict[str, Any]:
    """A service that runs until it is told to stop."""
    return {"image": BUSYBOX, "command": SLEEP, "stop_grace_period": "5s", "restart": "unless-stopped", **more}


def body(project: str) -> dict[str, Any]:
    """A gateway with two sharers, a lone app with data, and a one-shot: every relation that live knows."""
    on_gateway = {"gateway": {"condition": "service_healthy"}, "init": {"condition": "service_completed_successfully"}}
    return {
        "name": project,
        "services": {
            "init": {"image": BUSYBOX, "command": ["sh", "-c", "echo prepared"], "labels": {"portable.app": "init"}},
            "gateway": service(
                labels={"portable.app": "gateway"},
                configs=[{"source": "gateway-ready", "target": "/etc/ready"}],
                healthcheck=HEALTH,
                networks={"default": {"aliases": ["one", "two"]}},
                depends_on={"init": {"condition": "service_completed_successfully"}},
            ),
            "one": service(
                labels={"portable.app": "one"},
                network_mode="service:gateway",
                depends_on=on_gateway,
                configs=[{"source": "one-conf", "target": "/etc/one"}],
            ),
            "two": service(
                labels={"portable.app": "two"},
                network_mode="service:gateway",
                depends_on=on_gateway,
                environment={"TOKEN": Interpolated("${PORTABLE_SECRET_TOKEN:?the secret token}")},
            ),
            "lone": service(
                labels={"portable.app": "lone"},
                configs=[{"source": "lone-conf", "target": "/etc/lone"}],
                secrets=[{"source": "whole", "target": "/etc/whole"}],
                volumes=[{"type": "volume", "source": "lone-data", "target": "/data"}],
            ),
        },
        "networks": {"default": {}},
        "volumes": {"lone-data": {}},
        "configs": {"gateway-ready": {"content": "yes\n"}, "one-conf": {"content": "a $x ${y}\n"}, "lone-conf": {"content": "1\n"}},
        "secrets": {"whole": {"environment": "PORTABLE_SECRET_WHOLE"}},
    }


def stack(document: dict[str, Any]) -> ComposeStack:
    """The stack of a document."""
    return by_hand(
        project=document["name"],
        body=document,
        images=tuple(ImageNeed(reference=r, apps=("some",)) for r in sorted({s["image"] for s in document["services"].values()})),
        secrets=tuple(Need(name=name, key="value", optional=False, apps=("two",)) for name in ("token", "whole")),
    )


def changed(document: dict[str, Any], *steps: str, to: Any) -> dict[str, Any]:
    """A copy with one thing changed."""
    new = copy.deepcopy(document)
    at = new
    for step in steps[:-1]:
        at = at[step]
    at[steps[-1]] = to
    return new


def set_secrets(token: str = "canary-token-7f3a", whole: str = "canary-whole-9c1e\n") -> None:
    """Put the values where the source looks for them."""
    os.environ["PORTABLE_SECRET_TOKEN"] = token
    os.environ["PORTABLE_SECRET_WHOLE"] = whole
