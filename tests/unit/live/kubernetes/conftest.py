"""A stack of a gateway with an app behind it, an app by itself, and an app that runs at times."""

from pathlib import Path

import pytest

from portable.backends.registry import back_end
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model import plan as p
from portable.model.secret_refs import SecretRef
from portable.secrets.sources import FileSource
from tests import factories

TOKEN = "canary-7d21f0c4"


def made(*names: str, profile: str = "test", stack: str = "media", token: bool = True) -> KubernetesStack:
    """The stack of these apps, each in a pod of its own; `two` takes the secret `token`."""
    apps = []
    for name in names or ("one", "two"):
        env = {"TOKEN": SecretRef(name="token")} if name == "two" and token else {}
        files = (p.FileMount(file=f"{name}-conf", path="/etc/conf"),)
        mounts = (p.Mount(volume=f"{name}-state", path="/config"),)
        apps.append(factories.app(name, containers=(factories.container(env=env, files=files, mounts=mounts),)))
    plan = factories.plan(
        *apps,
        stack=stack,
        profile=profile,
        namespace="media",
        files=tuple(p.File(id=f"{app.name}-conf", body=("text\n",)) for app in apps),
        volumes=tuple(p.Volume(id=f"{app.name}-state", holds="state", place=factories.claim(name=f"{app.name}-state")) for app in apps),
    )
    return stack_of(plan, back_end("kubernetes").render(plan))


def grouped() -> KubernetesStack:
    """The stack of two apps in one pod, and one by itself that needs them."""
    apps = (factories.app("one"), factories.app("two", ports=()), factories.app("lone", after=(p.After(app="two"),)))
    groups = (p.Group(name="pair", apps=("one", "two")), p.Group(name="lone", apps=("lone",)))
    plan = factories.plan(*apps, groups=groups, namespace="media")
    return stack_of(plan, back_end("kubernetes").render(plan))


@pytest.fixture(autouse=True)
def own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The state of this machine lies in a folder of the test."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setattr("portable.live.kubernetes.waiting.POLL_SECONDS", 0.01)
    monkeypatch.setattr("portable.live.kubernetes.apply.POLL_SECONDS", 0.01)


@pytest.fixture
def source(tmp_path: Path) -> FileSource:
    """A source with the value of `token`."""
    return secrets_file(tmp_path, TOKEN)


def secrets_file(folder: Path, value: str) -> FileSource:
    """A source with a value of `token`."""
    path = folder / "secrets.yaml"
    path.touch(0o600)
    path.write_text(f"token: {value}\n")
    return FileSource(path=str(path))
