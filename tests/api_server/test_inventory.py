"""The inventory: what leaves the stack is pruned, what holds data or is somebody else's never, and two stacks never touch one another."""

from typing import Any

import pytest

from portable.engines.kubernetes.cluster import Reference
from portable.live.kubernetes.inventory import inventory_reference, read_inventory
from portable.live.kubernetes.stack import KubernetesStack
from portable.model import plan as p
from portable.model.errors import Refused, UsageError
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack, versions
from tests.api_server.test_drift import merge
from tests.api_server.test_profiles import define

SECONDS = 120.0
KINDS = (("apps/v1", "StatefulSet"), ("v1", "Service"), ("v1", "ConfigMap"), ("networking.k8s.io/v1", "NetworkPolicy"))


def names(server: Server, namespace: str, api: str, kind: str) -> set[str]:
    """The names of the objects of a kind."""
    return {item["metadata"]["name"] for item in server.cluster("other").list(api, kind, namespace=namespace)}


def recorded(server: Server, made: KubernetesStack) -> dict[Reference, str]:
    """The inventory of a stack, by reference."""
    return {entry.reference: entry.uid for entry in read_inventory(server.cluster("other").get(inventory_reference(made)))}


def test_what_leaves_the_stack_is_removed_and_its_data_stays(server: Server, namespace: str, secret_file: FileSource) -> None:
    both, alone = stack(plan(namespace)), stack(plan(namespace, "one"))
    with driver(server, both, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        inventory = recorded(server, both)
        assert all(inventory.values())
        less = chosen.rebound(alone, secret_file)
        assert [(row.app, row.state) for row in less.status()] == [("one", "running"), ("two", "orphan")]
        changes = less.up(deadline=SECONDS).changes
        assert [(change.kind, change.service) for change in changes] == [("remove", "two")]
        for api, kind in KINDS:
            assert not {name for name in names(server, namespace, api, kind) if name.startswith("two")}
        assert "two-state" in names(server, namespace, "v1", "PersistentVolumeClaim")
        assert "token" in names(server, namespace, "v1", "Secret")
        assert Reference("v1", "PersistentVolumeClaim", namespace, "two-state") in recorded(server, alone)
        assert less.up(deadline=SECONDS).changes == ()


def test_an_object_that_somebody_made_anew_is_not_removed(server: Server, namespace: str, secret_file: FileSource) -> None:
    with driver(server, stack(plan(namespace)), secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        cluster = server.cluster("other")
        reference = Reference("v1", "Service", namespace, "two")
        old = cluster.get(reference)
        assert old is not None
        cluster.delete(reference, old["metadata"]["uid"], propagation="Background")
        cluster.create({**body_of(old), "metadata": {"name": "two", "namespace": namespace, "labels": old["metadata"]["labels"]}})
        less = chosen.rebound(stack(plan(namespace, "one")), secret_file)
        less.up(deadline=SECONDS)
        assert "two" in names(server, namespace, "v1", "Service")


def body_of(item: Any) -> dict[str, Any]:
    """What a person would apply of a Service."""
    spec = {key: value for key, value in item["spec"].items() if key not in ("clusterIP", "clusterIPs")}
    return {"apiVersion": item["apiVersion"], "kind": item["kind"], "spec": spec}


def test_a_damaged_inventory_is_told(server: Server, namespace: str, secret_file: FileSource) -> None:
    from portable.model.errors import PortableError

    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        chosen.up(deadline=SECONDS)
        name = inventory_reference(made).name
        merge("v1", "ConfigMap", name, {"data": {"objects": "nonsense\n"}})(server.cluster("other"), namespace)
        with pytest.raises(PortableError, match="inventory of applied objects is damaged"):
            chosen.diff()


def test_two_stacks_side_by_side_never_touch_one_another(server: Server, namespace: str, secret_file: FileSource) -> None:
    first, second = stack(plan(namespace, "one", stack="first")), stack(plan(namespace, "two", stack="second"))
    with driver(server, first, secret_file) as here, driver(server, second, secret_file) as there:
        here.up(deadline=SECONDS)
        there.up(deadline=SECONDS)
        assert here.up(deadline=SECONDS).changes == there.up(deadline=SECONDS).changes == ()
        before = {name: version for name, version in versions(server, namespace, KINDS).items() if " one" in name}
        there.down()
        assert {name: version for name, version in versions(server, namespace, KINDS).items() if " one" in name} == before
        assert [row.state for row in here.status()] == ["running"]
        there.rebound(stack(plan(namespace, "three", stack="second")), secret_file).up(deadline=SECONDS)
        assert {name: version for name, version in versions(server, namespace, KINDS).items() if " one" in name} == before


def test_two_stacks_with_one_name_for_an_object(server: Server, namespace: str, secret_file: FileSource) -> None:
    first, second = stack(plan(namespace, "one", profile="first")), stack(plan(namespace, "one", profile="second"))
    with driver(server, first, secret_file) as here, driver(server, second, secret_file) as there:
        here.up(deadline=SECONDS)
        with pytest.raises(Refused, match="belongs to the stack media-first"):
            there.up(deadline=SECONDS)
        assert there.down() == ()
        assert here.diff() == ()


def test_objects_of_the_whole_cluster_are_shared_and_stay(server: Server, namespace: str, secret_file: FileSource) -> None:
    define(server)
    made = [with_gateway(f"{namespace}-{number}", profile) for number, profile in enumerate(("first", "second"))]
    with driver(server, made[0], secret_file) as here, driver(server, made[1], secret_file) as there:
        here.up(deadline=SECONDS)
        cluster = server.cluster("other")
        shared = [item for item in rendered_kinds(made[0]) if item[0] in ("ClusterRole", "SecurityContextConstraints")]
        assert shared, "the plan needs an SCC of its own"
        there.up(deadline=SECONDS)
        assert here.up(deadline=SECONDS).changes == there.up(deadline=SECONDS).changes == ()
        there.down()
        here.down()
        apis = {"ClusterRole": "rbac.authorization.k8s.io/v1", "SecurityContextConstraints": "security.openshift.io/v1"}
        assert all(cluster.get(Reference(apis[kind], kind, "", name)) is not None for kind, name in shared)


def rendered_kinds(made: KubernetesStack) -> list[tuple[str, str]]:
    """Kind and name of each rendered object."""
    return [(document.body["kind"], document.body["metadata"]["name"]) for document in made.documents]


def with_gateway(namespace: str, profile: str) -> KubernetesStack:
    """A stack for OpenShift with a container that starts as root, which needs an SCC that the stack brings."""
    from tests import factories
    from tests.api_server.stacks import app

    root = app("one", container={"needs": p.Needs(root_start=True), "identity": p.Identity(how="puid-pgid")})
    volumes = (p.Volume(id="one-state", holds="state", place=factories.claim(name="one-state")),)
    files = (p.File(id="one-conf", body=("name = one\n",)),)
    return stack(factories.plan(root, namespace=namespace, profile=profile, volumes=volumes, files=files), "openshift")


def test_an_unknown_app_is_refused(server: Server, namespace: str, secret_file: FileSource) -> None:
    with driver(server, stack(plan(namespace)), secret_file) as chosen:
        for verb in (chosen.up, chosen.down, chosen.restart, chosen.diff, chosen.has_logs):
            with pytest.raises(UsageError, match="stranger"):
                verb(apps=("stranger",))


def test_one_app_alone(server: Server, namespace: str, secret_file: FileSource) -> None:
    with driver(server, stack(plan(namespace)), secret_file) as chosen:
        chosen.up(apps=("one",), deadline=SECONDS)
        assert {row.app: row.state for row in chosen.status()} == {"one": "running", "two": "missing"}
        assert chosen.state_of("one") == "running"
        assert chosen.running_with("one") == {"one"}
        chosen.up(deadline=SECONDS)
        restarted = chosen.restart(apps=("one",), deadline=SECONDS)
        assert [(change.kind, change.service) for change in restarted.changes] == [("restart", "one")]
        assert chosen.diff() == ()
        assert {change.service for change in chosen.down(apps=("one",))} == {"one"}
        assert {row.app: row.state for row in chosen.status()} == {"one": "missing", "two": "running"}
        assert {app for app, _ in chosen.images_in_use()} == {"two"}
