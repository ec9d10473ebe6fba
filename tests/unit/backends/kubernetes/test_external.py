"""ExternalSecrets: which Secrets the operator makes, from where, and what is told about them."""

from typing import Any

import pytest

from portable.backends.kubernetes import prerequisites, render
from portable.backends.registry import back_end
from portable.model import plan as p
from portable.model.exposures import Exposure, Ingress
from portable.model.external import ExternalSecrets, RemoteValue
from portable.model.secret_refs import SecretRef, Text
from tests.factories import claim, one, plan, with_volume
from tests.unit.backends.reasons import Reason, reason_of

MAIN = "apps.demo.containers.main"
STORE = Reason("secrets", "external_secrets.store", "function", code="kubernetes.secret-store")
ROTATION = Reason("secrets.rotation", "external_secrets.refresh", "function", code="kubernetes.secret-rotation")
FETCHED = Reason("secrets", "external_secrets.values", "function", code="kubernetes.secret-fetched")


def store(*keys: tuple[str, str], **changes: Any) -> dict[str, Any]:
    """Changes of a plan: a store that has these values."""
    values = tuple(RemoteValue(secret=secret, key=key, remote=f"at/{secret}", field=key) for secret, key in keys)
    return {"plan": {"external_secrets": ExternalSecrets(**({"store": "vault", "values": values} | changes))}}


def made(plan_: p.Plan) -> dict[str, Any]:
    """The specs of the ExternalSecrets, by name."""
    return {d.body["metadata"]["name"]: d.body["spec"] for d in render(plan_).documents if d.body["kind"] == "ExternalSecret"}


def whole_file(*body: Text, keys: tuple[tuple[str, str], ...] = (("a", "value"),)) -> p.Plan:
    within = store(*keys)
    within["plan"]["files"] = (p.File(id="conf", body=body),)
    return one(files=(p.FileMount(file="conf", path="/etc/x.conf"),), within=within)


def template(plan_: p.Plan) -> str:
    text = made(plan_)["conf"]["target"]["template"]["data"]["x.conf"]
    assert isinstance(text, str)
    return text


def test_a_value_is_fetched_into_the_secret_that_the_pod_names() -> None:
    having = one(env={"A": SecretRef(name="s", key="k")}, within=store(("s", "k"), refresh="5m", kind="ClusterSecretStore"))
    assert made(having) == {
        "s": {
            "refreshInterval": "5m",
            "secretStoreRef": {"kind": "ClusterSecretStore", "name": "vault"},
            "target": {
                "name": "s",
                "creationPolicy": "Owner",
                "deletionPolicy": "Retain",
                "template": {
                    "engineVersion": "v2",
                    "type": "Opaque",
                    "metadata": {
                        "labels": {
                            "app.kubernetes.io/instance": "media-test",
                            "app.kubernetes.io/managed-by": "external-secrets",
                            "app.kubernetes.io/name": "s",
                            "app.kubernetes.io/part-of": "media",
                        }
                    },
                },
            },
            "data": [{"secretKey": "k", "remoteRef": {"key": "at/s", "property": "k"}}],
        }
    }
    assert [reason_of(f) for f in prerequisites(having)] == [STORE, FETCHED, ROTATION]


def test_without_a_store_nothing_is_fetched() -> None:
    assert made(one(env={"A": SecretRef(name="s")})) == {}


def test_a_secret_that_exists_keeps_its_type_and_labels() -> None:
    having = one(env={"A": SecretRef(name="s")}, within=store(("s", "value"), creation="Merge"))
    assert made(having)["s"]["target"] == {"name": "s", "creationPolicy": "Merge", "deletionPolicy": "Retain"}
    (finding,) = [f for f in prerequisites(having) if f.code == "kubernetes.secret-fetched"]
    assert finding.text.endswith("It must exist already.")


def test_a_secret_of_another_name_is_fetched_under_that_name() -> None:
    within = store(("s", "value"))
    within["plan"]["secret_names"] = {"s": "theirs"}
    assert set(made(one(env={"A": SecretRef(name="s")}, within=within))) == {"theirs"}


def test_two_containers_share_one_external_secret() -> None:
    within = store(("s", "a"), ("s", "b"))
    having = one(env={"A": SecretRef(name="s", key="a"), "B": SecretRef(name="s", key="b")}, within=within)
    assert [item["secretKey"] for item in made(having)["s"]["data"]] == ["a", "b"]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (("x", SecretRef(name="a")), "x{{ .s_a_value }}"),
        (("{{ x }}", SecretRef(name="a")), '{{ "{{" }} x }}{{ .s_a_value }}'),
        (("{", SecretRef(name="a"), "}"), '{{ "{" }}{{ .s_a_value }}}'),
        (("{{{", SecretRef(name="a")), '{{ "{{" }}{{ "{" }}{{ .s_a_value }}'),
        ((SecretRef(name="a"), SecretRef(name="a")), "{{ .s_a_value }}{{ .s_a_value }}"),
        ((SecretRef(name="a"), "-", SecretRef(name="b", optional=True)), "{{ .s_a_value }}-"),
    ],
)
def test_a_file_is_a_template_whose_own_braces_stay_text(body: tuple[Text, ...], text: str) -> None:
    assert template(whole_file(*body)) == text


def test_names_that_differ_in_punctuation_stay_apart_in_a_template() -> None:
    having = whole_file(SecretRef(name="a-b"), SecretRef(name="a", key="b-value"), keys=(("a-b", "value"), ("a", "b-value")))
    assert template(having) == "{{ .s_a_b_value }}{{ .s_a_b_value_1 }}"
    assert [item["secretKey"] for item in made(having)["conf"]["data"]] == ["s_a_b_value", "s_a_b_value_1"]


def test_logins_of_shares_and_certificates_are_fetched_too() -> None:
    share = p.Share(protocol="smb", server="s", export="e", login="nas")
    keys = (("nas", "username"), ("nas", "password"))
    assert set(made(with_volume(claim(shared=True, share=share), within=store(*keys)))) == {"nas"}
    within = store(("tls", "tls.crt"), ("tls", "tls.key"))
    within["plan"]["exposures"] = (Exposure(app="demo", port="web", how=Ingress(host="h", tls_secret="tls")),)
    having = one(within=within)
    assert made(having)["tls"]["target"]["template"]["type"] == "kubernetes.io/tls"
    assert [reason_of(f) for f in prerequisites(having)] == [STORE, FETCHED, ROTATION]


@pytest.mark.parametrize(
    ("ref", "keys", "reason"),
    [
        (SecretRef(name="s"), (), Reason("secrets", f"{MAIN}.env.A", "function", "demo", "refused", code="kubernetes.secret-place")),
        (
            SecretRef(name="s", optional=True),
            (),
            Reason("secrets.optional", f"{MAIN}.env.A", "function", "demo", code="kubernetes.secret-unfetched"),
        ),
        (SecretRef(name="s", optional=True), (("s", "value"),), None),
    ],
)
def test_a_value_without_a_place_is_told(ref: SecretRef, keys: tuple[tuple[str, str], ...], reason: Reason | None) -> None:
    told = [reason_of(f) for f in prerequisites(one(env={"A": ref}, within=store(*keys)))]
    assert [r for r in told if r.code in ("kubernetes.secret-place", "kubernetes.secret-unfetched")] == ([reason] if reason else [])


def test_a_form_is_a_value_of_its_own() -> None:
    having = whole_file(SecretRef(name="a", form="qbittorrent"), keys=(("a", "value-qbittorrent"),))
    assert made(having)["conf"]["data"][0]["remoteRef"] == {"key": "at/a", "property": "value-qbittorrent"}
    (finding,) = [f for f in prerequisites(having) if f.field == "secrets.form"]
    assert reason_of(finding) == Reason("secrets.form", "files.conf", "function", code="kubernetes.secret-form")
    assert "portable secrets convert qbittorrent" in finding.remedy


def test_on_an_engine_the_source_is_refused() -> None:
    rendering = back_end("compose").render(plan(external_secrets=ExternalSecrets(store="vault")))
    without = back_end("compose").render(plan())
    (finding,) = set(rendering.findings) - set(without.findings)
    wanted = Reason("secrets.source", "external_secrets", "function", None, "refused", code="compose.external-secrets")
    assert reason_of(finding) == wanted
