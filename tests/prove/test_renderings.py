"""Full forms of the claims on renderings, with the figures that they are told by."""

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jsonschema
import kubernetes_validate
import pytest
import yaml

from portable.backends.output import texts
from portable.backends.prepare import prepare
from portable.backends.registry import BACK_ENDS, BackEnd
from portable.model.leaves import leaves
from portable.model.rendering import RenderedDocument, Rendering
from tests.factories import full_plan
from tests.prove.running import ROOT
from tests.render.invariants_kubernetes import CRDS
from tests.render.mutations import mutations
from tests.render.test_compose_config import composed
from tests.render.test_golden import FEATURES, load
from tests.render.test_mutation import untranslated
from tests.render.test_schemas import GATEWAY_API, OPENSHIFT, OTHERS, VERSION, schema_of
from tests.shipped import PROFILES
from tests.unit.formats.test_emit import bulk

pytestmark = pytest.mark.prove
Record = Callable[[str, object], None]
SEEDS = ("0", "1", "2", "random", "random")


def accepted(document: RenderedDocument) -> str:
    """By whom a cluster's document was accepted; raises where it is not."""
    kind = document.body["kind"]
    if kind in OPENSHIFT:
        if not (file := CRDS / OPENSHIFT[kind]).is_file():
            return "nobody, since OpenShift's definitions are not here"
        jsonschema.Draft202012Validator(schema_of(yaml.safe_load(file.read_text()), document.body["apiVersion"])).validate(document.body)
        return "OpenShift's definitions"
    if kind == "HTTPRoute":
        definition = yaml.safe_load(GATEWAY_API.read_text())
        jsonschema.Draft202012Validator(schema_of(definition, document.body["apiVersion"])).validate(document.body)
        return "the Gateway API's definitions"
    if kind in OTHERS:
        return "nobody, since the definitions of Argo CD and External Secrets are not here"
    kubernetes_validate.validate(document.body, VERSION, strict=True)
    return "Kubernetes' schemas"


def kustomized(back_end: BackEnd, rendering: Rendering, profile: str, folder: Path) -> int:
    """How many folders of a rendering kubectl puts together, each from files that are there."""
    for name, text in texts(rendering, rendering.findings, compose=False, profile=profile).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    found = sorted(folder.rglob("kustomization.yaml"))
    for file in found:
        done = subprocess.run(["kubectl", "kustomize", str(file.parent)], capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{back_end.name}: {done.stderr}"
    shutil.rmtree(folder)
    return len(found)


def test_every_rendering_is_accepted(tmp_path: Path, record_property: Record) -> None:
    """The shipped profiles, every feature on its back ends, and the full plan."""
    by: dict[str, int] = {}
    prepared = [prepare(profile, folder=tmp_path) for profile in PROFILES]
    plans = [(p.back_end, p.planned.plan) for p in prepared]
    for back_end in BACK_ENDS:
        plans.append((back_end, full_plan(back_end.name)))
        cases = [load(feature) for feature in FEATURES]
        plans += [(back_end, case.plan(back_end.name)) for case in cases if back_end.name not in getattr(case, "NOT_FOR", ())]
    for back_end, plan in plans:
        if back_end.name == "compose":
            composed(plan)
            by["docker compose config"] = by.get("docker compose config", 0) + 1
            continue
        rendering = back_end.render(plan)
        for document in rendering.documents:
            if document.body["kind"] != "Kustomization":  # no API takes one; kubectl reads it, below
                who = accepted(document)
                by[who] = by.get(who, 0) + 1
        by["kubectl kustomize"] = by.get("kubectl kustomize", 0) + kustomized(back_end, rendering, plan.profile, tmp_path / str(len(by)))
    assert {"docker compose config", "Kubernetes' schemas"} <= by.keys()
    record_property(
        "accepted", f"{len(plans)} plans; documents by who accepts them: " + ", ".join(f"{n} {who}" for who, n in sorted(by.items()))
    )


def test_same_input_same_bytes(tmp_path: Path, record_property: Record) -> None:
    """Fresh processes, each with another order of sets and another time zone."""
    size = 0
    for profile in PROFILES:
        digests = set()
        for number, seed in enumerate(SEEDS):
            out = tmp_path / f"{profile}-{number}"
            environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": str(ROOT), "TZ": f"Etc/GMT+{number}", "LC_ALL": "C.UTF-8"}
            command = [sys.executable, "-m", "portable", "render", "-p", profile, "-o", str(out)]
            subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True)
            whole = b"".join(f"{p.relative_to(out)}\0".encode() + p.read_bytes() for p in sorted(out.rglob("*")) if p.is_file())
            digests.add(hashlib.sha256(whole).hexdigest())
        size += len(whole)
        assert len(digests) == 1, profile
        prepared = prepare(profile, folder=tmp_path)
        files = texts(prepared.rendering, prepared.ledger, compose=prepared.planned.given.profile.traits.interpolates, profile=profile)
        assert all((out / name).read_text() == text for name, text in files.items())
    record_property("bytes", f"{len(PROFILES)} profiles, {len(SEEDS)} processes each, {size} bytes")


@pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda back_end: back_end.name)
def test_every_leaf(back_end: BackEnd, record_property: Record) -> None:
    plan = full_plan(back_end.name)
    assert untranslated(back_end.render, plan) == []
    tried = sum(1 for _ in mutations(plan, ""))
    assert tried > 0
    record_property(f"leaves_{back_end.name}", f"{len(list(leaves(plan)))} leaves, {tried} changes, 0 dropped")


def test_the_strings_are_2000(record_property: Record) -> None:
    strings = bulk()
    assert len(set(strings)) == len(strings) >= 2000
    record_property("strings", f"{len(strings)} different strings")
