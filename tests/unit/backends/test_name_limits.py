"""Every generated name fits its limit, however long the names are from which it is made: an API server or engine would refuse it."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from portable.backends import compose, kubernetes, openshift
from portable.catalog.facts import NAME
from portable.model import plan as p
from portable.model.exposures import Exposure, Lan, LoadBalancer, Route
from portable.model.secret_refs import SecretRef
from tests.factories import app, claim, container, plan

LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
SUBDOMAIN = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([a-z0-9.-]*[a-z0-9])?")
PORT = re.compile(r"(?=.*[a-z])(?!.*--)[a-z0-9]([a-z0-9-]{0,13}[a-z0-9])?")
QUALIFIED = re.compile(r"(?:[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?")
"""The key of a label or annotation: its name has at most 63 characters."""
VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")
SERVICE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
SHORT = {"Deployment": 52, "StatefulSet": 52, "CronJob": 52, "Service": 63, "Namespace": 63, "Job": 63}
"""Kinds whose names become part of others: those of pods, of revisions and of host names."""
LETTERS = "abcdefghijk"


def word(letter: str, length: int) -> str:
    """A name of that length, or one less: it ends in no dash."""
    return f"{letter}{'x-y' * 14}"[:length].rstrip("-")


def is_name(text: str) -> bool:
    """Whether a file may have that name."""
    return re.search(NAME, text) is not None


def made(words: list[str], how: str) -> p.Plan:
    """Two apps in one group, with two ports, a sidecar and volumes each, and one that runs at times; all named by those words."""
    first, second, sweeper, web, other, side, state, file, secret, stack, profile = words

    def of(name: str, number: int) -> p.App:
        mounts = (p.Mount(volume=f"{name}-{state}", path="/config"),)
        env: dict[str, str | SecretRef] = {"KEY": SecretRef(name=secret)}
        return app(
            name,
            ports=(
                p.Port(name=web, number=number, serves="http"),
                p.Port(name=other, number=number + 1, serves="http"),
            ),
            containers=(
                container(mounts=mounts, env=env, files=(p.FileMount(file=f"{name}-{file}", path="/etc/x"),)),
                container(side, role="sidecar"),
            ),
        )

    apps = (of(first, 8000), of(second, 8010), app(sweeper, ports=(), schedule=p.Schedule(minutes=(1,)), containers=(container(),)))
    places: dict[str, Any] = {"compose": p.Folder(path="/srv/x")}
    volumes = tuple(
        p.Volume(id=f"{name}-{state}", holds="state", place=places.get(how) or claim(name=f"{name}-{state}")) for name in (first, second)
    )
    reach = {
        "compose": Lan(number=0),
        "kubernetes": LoadBalancer(number=0),
        "openshift": Route(host=None, termination="edge", auth="oauth-proxy"),
    }
    exposures = tuple(
        Exposure(app=one.name, port=port.name, how=Lan(number=port.number) if how == "compose" else reach[how])
        for one in apps
        for port in one.ports
    )
    return plan(
        *apps,
        stack=stack,
        profile=profile,
        groups=(p.Group(name=first, apps=(first, second)), p.Group(name=sweeper, apps=(sweeper,))),
        volumes=volumes,
        files=tuple(p.File(id=f"{name}-{file}", body=("x",)) for name in (first, second)),
        exposures=exposures,
    )


def wrong_metadata(kind: str, metadata: dict[str, Any]) -> Iterator[str]:
    name = metadata.get("name", "x")
    if len(name) > SHORT.get(kind, 253) or not (LABEL if kind in SHORT else SUBDOMAIN).fullmatch(name.replace(":", "-")):
        yield f"{kind} {name}"
    for field in ("labels", "annotations"):
        for key, value in metadata.get(field, {}).items():
            if not QUALIFIED.fullmatch(key):
                yield f"{kind} {name}: {field} key {key}"
            if field == "labels" and not VALUE.fullmatch(value):
                yield f"{kind} {name}: label {key}={value}"


def wrong_pod(spec: dict[str, Any]) -> Iterator[str]:
    containers = [*spec.get("initContainers", []), *spec["containers"]]
    volumes = [volume["name"] for volume in spec.get("volumes", [])]
    for what, found in (("container", [one["name"] for one in containers]), ("volume", volumes)):
        yield from (f"{what} {name}" for name in found if not LABEL.fullmatch(name))
        yield from (f"{what} {name} twice" for name in sorted({name for name in found if found.count(name) > 1}))
    ports = [port["name"] for one in containers for port in one.get("ports", []) if "name" in port]
    yield from (f"port {name}" for name in ports if not PORT.fullmatch(name))
    yield from (f"port {name} twice" for name in sorted({name for name in ports if ports.count(name) > 1}))
    for one in containers:
        yield from (f"mount of {m['name']}" for m in one.get("volumeMounts", []) if m["name"] not in volumes)


def wrong_object(body: dict[str, Any]) -> Iterator[str]:
    """Names of an object for a cluster that its API would refuse."""
    kind = body["kind"]
    yield from wrong_metadata(kind, body.get("metadata", {}))
    spec = body.get("spec") or {}
    if kind == "Service":
        yield from (f"port {port['name']} of a Service" for port in spec.get("ports", []) if not LABEL.fullmatch(port["name"]))
    template = spec.get("jobTemplate", {}).get("spec", spec).get("template")
    if isinstance(template, dict) and "spec" in template and kind in ("Deployment", "StatefulSet", "CronJob"):
        yield from wrong_metadata("pod", template["metadata"])
        yield from wrong_pod(template["spec"])


def wrong_project(body: dict[str, Any]) -> Iterator[str]:
    """Names of a Compose project that DNS or the engine would refuse."""
    if not re.fullmatch(r"[a-z0-9][a-z0-9_-]*", body["name"]):
        yield f"project {body['name']}"
    for name, service in body["services"].items():
        if not SERVICE.fullmatch(name):
            yield f"service {name}"
        networks = service.get("networks") or {}
        aliases = [alias for network in networks.values() for alias in (network or {}).get("aliases", [])]
        for host in (*aliases, *([service["hostname"]] if "hostname" in service else []), *([] if "network_mode" in service else [name])):
            if not LABEL.fullmatch(host):
                yield f"host name {host}"
        yield from (f"label {key}" for key in service.get("labels", {}) if len(key) > 253)


def wrong(how: str, words: list[str]) -> list[str]:
    back_end = {"compose": compose, "kubernetes": kubernetes, "openshift": openshift}[how]
    documents = back_end.render(made(words, how)).documents
    if how == "compose":
        return [*wrong_project(documents[0].body)]
    return [one for document in documents for one in wrong_object(document.body)]


LONGEST = [f"{letter}{'x' * 39}" for letter in LETTERS]
HOWS = ("compose", "kubernetes", "openshift")


@pytest.mark.parametrize("how", HOWS)
def test_the_longest_names_fit(how: str) -> None:
    assert all(is_name(word) for word in LONGEST)
    assert wrong(how, LONGEST) == []


@settings(max_examples=20, phases=[Phase.explicit, Phase.generate])
@given(lengths=st.lists(st.integers(min_value=1, max_value=40), min_size=len(LETTERS), max_size=len(LETTERS)), how=st.sampled_from(HOWS))
def test_names_of_any_length_fit(lengths: list[int], how: str) -> None:
    words = [word(letter, length) for letter, length in zip(LETTERS, lengths, strict=True)]
    assert all(is_name(one) for one in words)
    assert wrong(how, words) == []


def test_the_check_sees_what_is_wrong() -> None:
    long = "x" * 64
    metadata = {"name": long, "labels": {"a": long}, "annotations": {f"a/{long}": ""}}
    assert len([*wrong_metadata("Service", metadata)]) == 3
    pod = {
        "containers": [{"name": long, "ports": [{"name": "x" * 16}], "volumeMounts": [{"name": "gone"}]}],
        "volumes": [{"name": "a"}] * 2,
    }
    assert len([*wrong_pod(pod)]) == 4
