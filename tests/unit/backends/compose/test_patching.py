"""What a profile may patch in a Compose project, setting by setting."""

import pytest

from portable.backends.compose import render
from portable.backends.compose.patching import PATCHING
from portable.backends.patch import ABSENT, Reason, Target, parsed
from portable.model import plan as p
from portable.model.findings import Class
from portable.model.secret_refs import SecretRef
from tests.factories import app, behind, container, plan, with_cloud


def asked(kind: str, path: str, *, is_fenced: bool = True) -> Reason | None:
    """Why a patch may not set this; None if it may."""
    steps = tuple(int(step) if step.isdigit() else step for step in parsed(path))
    return PATCHING.reason(Target(kind=kind, name="demo", document=0, is_fenced=is_fenced), (steps, ABSENT, "new"))


FREE = (
    ("service", "/labels/team"),
    ("service", "/labels/portable"),
    ("service", "/logging/options/max-size"),
    ("service", "/cpus"),
    ("service", "/healthcheck/interval"),
    ("service", "/x-team"),
    ("network", "/x-team"),
    ("network", "/labels/team"),
    ("network", "/driver_opts/com.docker.network.driver.mtu"),
)
REFUSED: dict[str, tuple[Class, tuple[tuple[str, str], ...]]] = {
    "a volume": ("data", (("volume", "/driver"), ("volume", "/labels/team"), ("volume", ""))),
    "a secret": ("security", (("secret", "/content"), ("secret", "/labels/team"), ("secret", "/x-team"))),
    "a file": ("security", (("config", "/content"), ("config", "/labels/team"), ("config", "/x-team"))),
    "a label of the engine": (
        "security",
        (
            *(
                (kind, f"/labels/{domain}.x")
                for kind in ("service", "network")
                for domain in ("portable", "com.docker.compose", "io.docker")
            ),
            ("service", "/labels/desktop.docker.io"),
        ),
    ),
    "an extension of portable": ("data", (("service", "/x-portable-thing"), ("network", "/x-portable"), ("service", "/x-portable/deep"))),
    "the network": ("security", (("network", "/external"), ("network", "/ipam/config/0/subnet"), ("network", "/labels"), ("network", ""))),
    "another network": ("security", (("service", "/network_mode"), ("service", "/pid"))),
    "rights": ("security", (("service", "/privileged"), ("service", "/cap_add/0"))),
    "names": ("security", (("service", "/dns/0"),)),
    "ports": ("security", (("service", "/ports/0/published"), ("service", "/expose/0"))),
    "variables": ("security", (("service", "/environment/TZ"),)),
    "where data is": ("data", (("service", "/volumes/0/source"),)),
    "the time to end": ("data", (("service", "/stop_grace_period"),)),
    "what the app's file sets": ("function", (("service", "/image"), ("service", "/healthcheck/test/0"))),
    "when it runs": ("function", (("service", "/restart"), ("service", "/depends_on/other/condition"))),
    "an unknown setting": (
        "security",
        (("service", "/novelty"), ("service", "/labels"), ("service", "/labels/portable.x/deep"), ("service", "")),
    ),
}


@pytest.mark.parametrize(("kind", "path"), FREE)
def test_what_is_safe_may_be_patched(kind: str, path: str) -> None:
    assert asked(kind, path) is None


@pytest.mark.parametrize("cause", REFUSED)
def test_each_cause_has_one_reason(cause: str) -> None:
    class_, rows = REFUSED[cause]
    first = asked(*rows[0])
    assert first is not None
    assert first.class_ == class_
    assert [(row, asked(*row)) for row in rows] == [(row, first) for row in rows]


def test_each_cause_has_a_reason_of_its_own() -> None:
    assert len({asked(*rows[0]) for _, rows in REFUSED.values()}) == len(REFUSED)


def test_only_a_service_outside_the_fence_may_open_ports() -> None:
    assert asked("service", "/ports/0/published", is_fenced=False) is None
    assert asked("service", "/expose/0", is_fenced=False) is not None
    assert asked("network", "/ports/0", is_fenced=False) is not None


def test_what_a_patch_can_name_and_whether_it_is_fenced() -> None:
    gated, cloudy = behind(p.Tunnel(gateway="gate")), with_cloud()
    reader = app(
        "free",
        clouds=("shelf",),
        containers=(
            container(secrets=(p.SecretMount(secret="s", keys=("k",), path="/run/s"),), files=(p.FileMount(file="conf", path="/etc/x"),)),
            container("side", role="sidecar"),
        ),
    )
    groups = (*gated.groups, p.Group(name="free", apps=("free",)))
    files = (p.File(id="conf", body=("a", SecretRef(name="t"))), p.File(id="plain", body=("x",)))
    made = plan(*gated.apps, reader, groups=groups, clouds=cloudy.clouds, files=files)
    targets = PATCHING.targets(made, render(made))
    (document,) = render(made).documents
    sections = {"service": "services", "network": "networks", "config": "configs", "secret": "secrets"}
    assert [target.document for target in targets] == [0] * len(targets)
    assert [target.steps for target in targets] == [(sections[target.kind], target.name) for target in targets]
    assert {target.steps for target in targets} == {(section, name) for section in sections.values() for name in document.body[section]}
    assert {(target.kind, target.name): (target.app, target.is_fenced) for target in targets} == {
        ("service", "gate"): ("gate", True),
        ("service", "demo"): ("demo", True),
        ("service", "free"): ("free", False),
        ("service", "free-side"): ("free", False),
        ("service", "cloud-shelf"): ("cloud-shelf", True),
        ("service", "init"): ("init", True),
        ("network", "default"): (None, True),
        ("config", "init-script"): (None, True),
        ("secret", "conf"): (None, True),
        ("secret", "s-k"): (None, True),
    }
