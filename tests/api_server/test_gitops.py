"""What Flux and Argo CD own: their objects as rendered, and objects of the stack that they applied, taken over by a word."""

from typing import Any

import msgspec
import pytest

from portable.backends.registry import back_end
from portable.live.kubernetes.owners import other_tool
from portable.model.errors import Refused
from portable.model.gitops import ArgoCd, Flux, GitOps
from portable.model.plan import Plan
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack
from tests.api_server.test_profiles import define, put, until_known

SECONDS = 120.0
KINDS = (
    ("kustomize.toolkit.fluxcd.io/v1", "Kustomization"),
    ("argoproj.io/v1alpha1", "Application"),
    ("bitnami.com/v1alpha1", "SealedSecret"),
)


@pytest.mark.parametrize("name", ["flux", "argo-cd"])
def test_the_objects_of_the_controllers_are_stored_as_rendered(server: Server, namespace: str, name: str) -> None:
    define(server)
    for kind in KINDS:
        until_known(server, *kind)
    put(server, namespace, {"kind": "ConfigMap", "metadata": {"name": "some"}})
    argo = ArgoCd(repository="https://git.example.test/home.git", namespace=namespace)
    controller = Flux(namespace=namespace) if name == "flux" else argo
    gitops = GitOps(path="k8s/home", controller=controller, secrets="sops" if name == "flux" else "sealed-secrets")
    rendering = back_end("kubernetes").render(plan(namespace, gitops=gitops))
    own = [document.body for document in rendering.documents if document.file.startswith("gitops") and "spec" in document.body]
    assert len(own) == 6
    for body in own:
        stored = server.cluster("other").apply(body)
        assert {**stored["spec"], **body["spec"]} == stored["spec"]  # the API server adds defaults, such as `force` of Flux
        assert {key: stored["metadata"].get(key) for key in body["metadata"]} == body["metadata"]


def as_flux(server: Server, made: Plan, namespace: str) -> None:
    """Apply the objects of a plan as Flux does: with its labels, and as its field manager."""
    cluster = server.cluster("other")
    marks = {"kustomize.toolkit.fluxcd.io/name": "apps", "kustomize.toolkit.fluxcd.io/namespace": "flux-system"}
    for document in stack(made).documents:
        metadata: dict[str, Any] = document.body["metadata"]
        body = {**document.body, "metadata": {**metadata, "labels": {**metadata["labels"], **marks}}}
        path = cluster.path_of(body["apiVersion"], body["kind"], metadata["name"], metadata.get("namespace") or None)
        assert path is not None
        query = {"content_type": "application/apply-patch+yaml", "field_manager": "kustomize-controller", "force": True}
        cluster.request("patch", path, doing="applying as Flux", body=body, query=query)


def test_what_flux_applied_is_taken_over_once_and_for_good(server: Server, namespace: str, secret_file: FileSource) -> None:
    made = plan(namespace)
    as_flux(server, made, namespace)
    with driver(server, stack(made), secret_file) as chosen:
        before = len(server.writes())
        with pytest.raises(Refused, match="managed by Flux"):
            chosen.up(deadline=SECONDS)
        assert server.writes()[before:] == []
    with driver(server, msgspec.structs.replace(stack(made), is_taking_over=True), secret_file) as taking:
        assert "it is taken over from Flux (apps)" in {change.cause for change in taking.up(deadline=SECONDS).changes}
    with driver(server, stack(made), secret_file) as chosen:
        before = len(server.writes())
        assert chosen.up(deadline=SECONDS).changes == ()
        assert server.writes()[before:] == []
        for api, kind in (("apps/v1", "StatefulSet"), ("v1", "Service"), ("v1", "PersistentVolumeClaim")):
            for item in server.cluster("other").list(api, kind, namespace=namespace):
                assert other_tool(item) == ""
                assert "kustomize-controller" not in {entry["manager"] for entry in item["metadata"]["managedFields"]}
    changed = stack(msgspec.structs.replace(made, timezone="Asia/Tokyo"))
    with driver(server, changed, secret_file) as chosen:  # no field is Flux's any more, so none conflicts
        assert chosen.up(deadline=SECONDS).changes
        assert {change.service for change in chosen.down() if change.app} == {"one", "two"}
