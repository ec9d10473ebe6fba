"""Every document of a full plan is one that its API accepts: by the schemas of Kubernetes, the Gateway API and OpenShift."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import kubernetes_validate
import pytest
import yaml

from portable.backends import kubernetes, openshift
from portable.model.rendering import RenderedDocument
from tests.factories import full_plan
from tests.render.invariants_kubernetes import CRDS, check_kubernetes

_OPENAPI = ("nullable", "format")
VERSION = "1.33"
"""Of OpenShift 4.20; the schemas of later versions only add."""
OPENSHIFT = {"Route": "routes.crd.yaml", "SecurityContextConstraints": "securitycontextconstraints.crd.yaml"}
GATEWAY_API = Path(__file__).parents[1] / "api_server" / "definitions" / "httproutes.crd.yaml"
_TEXT = {"type": "string"}
_NAME = {"type": "string", "pattern": r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$", "maxLength": 253}


def closed(required: tuple[str, ...] = (), **properties: Any) -> dict[str, Any]:
    """The schema of an object that has no other field."""
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


EXTERNAL_SECRET = closed(
    ("secretStoreRef", "target", "data"),
    refreshInterval={"type": "string", "pattern": r"^([0-9]+(s|m|h))+$"},
    secretStoreRef=closed(("name",), kind={"enum": ["SecretStore", "ClusterSecretStore"]}, name=_NAME),
    target=closed(
        name=_NAME,
        creationPolicy={"enum": ["Owner", "Orphan", "Merge", "None"]},
        deletionPolicy={"enum": ["Delete", "Merge", "Retain"]},
        template=closed(
            engineVersion={"enum": ["v2"]},
            type=_TEXT,
            metadata=closed(labels={"type": "object", "additionalProperties": _TEXT}),
            data={"type": "object", "additionalProperties": _TEXT},
        ),
    ),
    data={
        "type": "array",
        "items": closed(
            ("secretKey", "remoteRef"),
            secretKey={"type": "string", "pattern": r"^[-._a-zA-Z0-9]+$", "minLength": 1, "maxLength": 253},
            remoteRef=closed(("key",), key=_TEXT, property=_TEXT, version=_TEXT),
        ),
    },
)
"""The fields of `external-secrets.io/v1` that are rendered here (docs/facts/secrets.md#external-secrets)."""
OTHERS = ("Application", "Component", "ExternalSecret", "HTTPRoute", "Kustomization")
"""Kinds that are checked by tests of their own."""
RENDERINGS = {"kubernetes": kubernetes.render(full_plan("kubernetes")), "openshift": openshift.render(full_plan("openshift"))}


def cases(*, of_openshift: bool) -> Iterator[Any]:
    for back_end, rendering in RENDERINGS.items():
        for number, document in enumerate(rendering.documents):
            kind = document.body["kind"]
            if kind not in OTHERS and (kind in OPENSHIFT) == of_openshift:
                yield pytest.param(document, id=f"{back_end}-{number}-{kind}-{document.body['metadata']['name']}")


@pytest.mark.parametrize("document", list(cases(of_openshift=False)))
def test_kubernetes_accepts(document: RenderedDocument) -> None:
    kubernetes_validate.validate(document.body, VERSION, strict=True)


def test_the_gateway_api_accepts() -> None:
    documents = [d for d in RENDERINGS["kubernetes"].documents if d.body["kind"] == "HTTPRoute"]
    definition = yaml.safe_load(GATEWAY_API.read_text())
    assert documents
    for document in documents:
        jsonschema.Draft202012Validator(schema_of(definition, document.body["apiVersion"])).validate(document.body)


@pytest.mark.parametrize(("back_end", "name"), [("kubernetes", "kustomizations"), ("openshift", "applications")])
def test_flux_and_argo_cd_accept(back_end: str, name: str) -> None:
    definition = yaml.safe_load((GATEWAY_API.parent / f"{name}.crd.yaml").read_text())
    documents = [d for d in RENDERINGS[back_end].documents if d.file.startswith("gitops") and "spec" in d.body]
    assert len(documents) > 5
    for document in documents:
        validator = jsonschema.Draft202012Validator(schema_of(definition, document.body["apiVersion"]))
        validator.validate(document.body)
        with pytest.raises(jsonschema.ValidationError):
            validator.validate({**document.body, "spec": {**document.body["spec"], "unknown": 1}})


def test_external_secrets_have_the_fields_of_their_definition() -> None:
    documents = [d for rendering in RENDERINGS.values() for d in rendering.documents if d.body["kind"] == "ExternalSecret"]
    assert {document.body["apiVersion"] for document in documents} == {"external-secrets.io/v1"}
    for document in documents:
        jsonschema.Draft202012Validator(EXTERNAL_SECRET).validate(document.body["spec"])
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.Draft202012Validator(EXTERNAL_SECRET).validate(documents[0].body["spec"] | {"store": "vault"})


@pytest.mark.parametrize("document", list(cases(of_openshift=True)))
def test_openshift_accepts(document: RenderedDocument) -> None:
    kind = document.body["kind"]
    file = CRDS / OPENSHIFT[kind]
    if not file.is_file():
        pytest.skip(
            f"OpenShift's schemas lie in ../shared/crds, which is not beside this checkout: {kind} is checked by our own invariants only"
        )
    jsonschema.Draft202012Validator(schema_of(yaml.safe_load(file.read_text()), document.body["apiVersion"])).validate(document.body)


@pytest.mark.parametrize("back_end", RENDERINGS)
def test_invariants_hold(back_end: str) -> None:
    assert check_kubernetes(RENDERINGS[back_end].documents, full_plan(back_end)) == []


def test_the_schemas_would_notice_a_mistake() -> None:
    deployment = next(d.body for d in RENDERINGS["kubernetes"].documents if d.body["kind"] in ("Deployment", "StatefulSet"))
    wrong = deployment | {"spec": deployment["spec"] | {"replica": 1}}
    with pytest.raises(kubernetes_validate.ValidationError):
        kubernetes_validate.validate(wrong, VERSION, strict=True)


def schema_of(crd: dict[str, Any], api_version: str) -> dict[str, Any]:
    """The schema of a CRD's version as plain JSON Schema, which refuses fields that it does not know."""
    version = next(v for v in crd["spec"]["versions"] if v["name"] == api_version.rpartition("/")[2])
    plain = _plain(version["schema"]["openAPIV3Schema"])
    assert isinstance(plain, dict)
    return plain


def _plain(schema: Any) -> Any:
    """OpenAPI's `nullable` and Kubernetes' extensions as JSON Schema; what these mean beyond that is left to the API server."""
    if isinstance(schema, list):
        return [_plain(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    kept = {key: value for key, value in schema.items() if key not in _OPENAPI and not key.startswith("x-kubernetes-")}
    plain = {key: _plain(value) for key, value in kept.items() if value is not None}
    if schema.get("nullable") and isinstance(schema.get("type"), str):
        plain["type"] = [schema["type"], "null"]
        if "enum" in plain:
            plain["enum"] = [*plain["enum"], None]
    if isinstance(schema.get("properties"), dict) and schema["properties"] and not schema.get("x-kubernetes-preserve-unknown-fields"):
        plain["properties"] = {name: _plain(value) for name, value in schema["properties"].items()}
        if "additionalProperties" not in schema:
            plain["additionalProperties"] = False
    return plain
