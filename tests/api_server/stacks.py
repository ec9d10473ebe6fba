"""Small stacks for the ring, made from plans, and the driver for them."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from portable.backends.registry import back_end
from portable.live.kubernetes.driver import KubernetesDriver, KubernetesReader
from portable.live.kubernetes.stack import KubernetesStack, stack_of
from portable.model import plan as p
from portable.model.secret_refs import SecretRef
from portable.secrets.sources import FileSource
from tests import factories
from tests.api_server.server import Server

TOKEN = "canary-7d21f0c4"
"""The value of the secret `token`."""


def app(name: str, **changes: Any) -> p.App:
    """An app with a file of its own, state on a claim, and a web port."""
    container = factories.container(
        mounts=(p.Mount(volume=f"{name}-state", path="/config"),),
        files=(p.FileMount(file=f"{name}-conf", path=f"/etc/{name}.conf"),),
        **changes.pop("container", {}),
    )
    return factories.app(name, containers=(container,), **changes)


def plan(namespace: str, *names: str, profile: str = "test", **changes: Any) -> p.Plan:
    """A plan of those apps, each in a group of its own; `two` takes the secret `token`."""
    names = names or ("one", "two")
    secret = {"container": {"env": {"TOKEN": SecretRef(name="token")}}}
    apps = tuple(app(name, **(secret if name == "two" else {})) for name in names)
    volumes = tuple(p.Volume(id=f"{name}-state", holds="state", place=factories.claim(name=f"{name}-state")) for name in names)
    files = tuple(p.File(id=f"{name}-conf", body=(f"name = {name}\n",)) for name in names)
    return factories.plan(*apps, namespace=namespace, profile=profile, volumes=volumes, files=files, **changes)


def stack(made: p.Plan, name: str = "kubernetes") -> KubernetesStack:
    """The stack of a plan."""
    return stack_of(made, back_end(name).render(made))


def source(folder: Path, values: Mapping[str, Any]) -> FileSource:
    """A private file with these secrets."""
    path = folder / "secrets.yaml"
    path.touch(0o600)
    path.write_text(yaml.safe_dump(dict(values)))
    return FileSource(path=str(path))


def driver(server: Server, made: KubernetesStack, secrets: FileSource, user: str = "admin") -> KubernetesDriver:
    """The driver of a stack."""
    return KubernetesDriver(server.cluster(user), made, secrets)


def reader(server: Server, made: KubernetesStack, secrets: FileSource, user: str = "admin") -> KubernetesReader:
    """The reader of a stack."""
    return KubernetesReader(server.reader(user), made, secrets)


def versions(server: Server, namespace: str, kinds: Sequence[tuple[str, str]]) -> dict[str, str]:
    """The resource version of each object of these kinds in a namespace, by kind and name."""
    cluster = server.cluster("other")
    return {
        f"{kind} {item['metadata']['name']}": item["metadata"]["resourceVersion"]
        for api, kind in kinds
        for item in cluster.list(api, kind, namespace=namespace)
    }
