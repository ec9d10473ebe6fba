"""The whole catalog in every place: each app alone, the apps that read the clouds, pods under Pod Security, and stacks made at random."""

import os
import random
from pathlib import Path
from typing import Any

import kubernetes_validate
import pytest

from portable.backends.output import texts
from portable.backends.prepare import Prepared, prepare
from portable.catalog.catalog import Catalog
from portable.formats.emit import dump
from portable.model.errors import InputError
from portable.model.plan import CLOUDS, LIBRARY
from tests.golden.places import pods as pods_of
from tests.render.invariants import check_compose
from tests.render.invariants_kubernetes import check_kubernetes
from tests.render.test_mutation import untranslated
from tests.shipped import PROFILES

CATALOG = Catalog()
FACTS = {name: CATALOG.app(name)[0] for name in CATALOG.names()}
APPS = [name for name, facts in FACTS.items() if not (facts.fuse_mount or facts.tools or facts.gateway == "seal")]
PLACE_OF = {"compose": "zimaboard", "kubernetes": "samba", "openshift": "openshift"}
STACKS = int(os.environ.get("PORTABLE_STACKS", "15"))
SEED = int(os.environ.get("PORTABLE_SEED", "20261121"))
READERS = ("bazarr", "plex", "radarr", "rdt-client", "riven", "sonarr")
"""Who reads the clouds in the owner's OpenShift (docs/facts/home.md#clouds).

SABnzbd needs none, and reading them would make it privileged.
"""
every_back_end = pytest.mark.parametrize("back_end", sorted(PLACE_OF))


def place(folder: Path, base: str, apps: list[str], **more: Any) -> Prepared:
    """Those apps in that place, with nothing that only its own apps need."""
    changes = {"apps": apps, "waive": [], "addresses": None, "memory": None, "override": None, **more}
    (folder / "profiles").mkdir(exist_ok=True)
    file = folder / "profiles" / "mine.yaml"
    file.write_text(dump({"portable": 1, "name": "mine", "extends": base, "back-end": _back_end(base), **changes}))
    return prepare(str(file), folder=folder)


def _back_end(base: str) -> str:
    return next((back_end for back_end, name in PLACE_OF.items() if base.startswith(name)), "compose")


def broken(prepared: Prepared) -> list[str]:
    """What is wrong with a rendering: invariants, and Kubernetes' schemas."""
    plan, documents = prepared.planned.plan, prepared.rendering.documents
    if prepared.back_end.name == "compose":
        return check_compose(documents[0].body, plan)
    for document in documents:
        if document.body["apiVersion"].split("/")[0] in ("v1", "apps", "batch", "networking.k8s.io"):
            kubernetes_validate.validate(document.body, "1.33", strict=True)
    return check_kubernetes(documents, plan)


def pods(name: str, folder: Path) -> dict[str, dict[str, Any]]:
    """The pods of a shipped profile by the name of what runs them."""
    return pods_of(prepare(name, folder=folder).rendering)


@every_back_end
@pytest.mark.parametrize("app", APPS)
def test_nothing_of_an_app_is_dropped_in_silence(app: str, back_end: str, tmp_path: Path) -> None:
    prepared = place(tmp_path, PLACE_OF[back_end], [app])
    assert broken(prepared) == []
    dropped = untranslated(prepared.back_end.render, prepared.planned.plan, f"apps.{app}.")
    assert not dropped, "\n".join(dropped)


@pytest.mark.parametrize("app", APPS)
def test_every_image_is_pinned(app: str) -> None:
    for container in FACTS[app].containers.values():
        assert container.image.tag not in ("latest", "nightly", "develop", "stable", "edge")
        assert "." in container.image.repository.split("/")[0] or container.image.repository.startswith("localhost/")


@pytest.mark.parametrize("app", READERS)
def test_who_reads_the_clouds_keeps_the_owners_checklist(app: str, tmp_path: Path) -> None:
    """docs/facts/home.md#checklist-of-an-app-that-reads-clouds-on-openshift; the mounts lie in the pod's own /mnt/clouds."""
    pod = pods("openshift", tmp_path)[app]
    before = {container["name"]: container for container in pod["initContainers"]}
    main = next(container for container in pod["containers"] if container["name"] == app)
    seen = {mount["mountPath"]: mount for mount in main["volumeMounts"]}
    assert next(iter(before)) == "init-dirs"
    for cloud in ("cloud-zurg", "cloud-torbox"):
        sidecar = before[cloud]
        assert sidecar["restartPolicy"] == "Always"
        assert sidecar["securityContext"]["privileged"] is True
        assert {"memory"} <= sidecar["resources"]["limits"].keys()
        assert [m.get("mountPropagation") for m in sidecar["volumeMounts"] if m["mountPath"] == CLOUDS] == ["Bidirectional"]
        assert sidecar["startupProbe"]["exec"]["command"][-1] == "started"
    assert seen[CLOUDS]["mountPropagation"] == "HostToContainer"
    assert not main["securityContext"].get("privileged")
    assert main["securityContext"]["allowPrivilegeEscalation"] is False
    assert "subPath" not in seen[LIBRARY]
    claims = {v["name"]: v["persistentVolumeClaim"]["claimName"] for v in pod["volumes"] if "persistentVolumeClaim" in v}
    assert claims[seen[LIBRARY]["name"]] == "media-library-pvc"
    preferred = pod["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert [(p["weight"], p["preference"]["matchExpressions"][0]["values"]) for p in preferred] == [
        (100, ["wow-ocp-node2", "wow-ocp-node3"])
    ]
    assert "requiredDuringSchedulingIgnoredDuringExecution" not in pod["affinity"]["nodeAffinity"]
    secrets = {v["secret"]["secretName"] for v in pod["volumes"] if "secret" in v}
    # The other of the two, rclone's configuration for zurg, has no secret in it here: zurg asks for no login.
    assert "rclone-config" in secrets
    assert pod["serviceAccountName"].endswith("-fuse") or pod["serviceAccountName"] == "plex"


@pytest.mark.parametrize("name", ["samba", "openshift"])
def test_pods_that_need_nothing_are_restricted(name: str, tmp_path: Path, record_property: Any) -> None:
    """Pod Security "restricted" but for those with a VPN, FUSE, or an image that starts as root."""
    kept, exempt = [], []
    for group, pod in pods(name, tmp_path).items():
        containers = [*pod.get("initContainers", ()), *pod["containers"]]
        contexts = [container["securityContext"] for container in containers]
        root = [c["name"] for c in containers if c["securityContext"].get("runAsUser") == 0 or c["securityContext"].get("privileged")]
        if root:
            exempt.append(f"{group}: {', '.join(root)}")
            continue
        assert all(context["runAsNonRoot"] is True and context["allowPrivilegeEscalation"] is False for context in contexts), group
        assert all(context["capabilities"] == {"drop": ["ALL"]} for context in contexts), group
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        assert not [v for v in pod.get("volumes", ()) if "hostPath" in v], group
        kept.append(group)
    assert kept
    record_property(f"restricted_{name}", f"{len(kept)} of {len(kept) + len(exempt)} pods; not: {'; '.join(exempt)}")


@pytest.mark.parametrize(("name", "total"), [("zimaboard", 14 * 2**30), ("zimaboard-8gb", 6 * 2**30)])
def test_the_limits_fit_the_hosts_share(name: str, total: int, tmp_path: Path, record_property: Any) -> None:
    plan = prepare(name, folder=tmp_path).planned.plan
    limits = sum(container.resources.memory_limit for app in plan.apps for container in app.containers)
    assert limits <= total
    record_property(f"memory_{name}", f"{limits / 2**30:.2f} of {total / 2**30:.0f} GiB")


def test_tube_archivist_is_refused_on_8_gb_with_the_figures(tmp_path: Path) -> None:
    (tmp_path / "profiles").mkdir()
    text = dump({"portable": 1, "name": "mine", "extends": "zimaboard-8gb", "back-end": "compose", "without": ["ipfs"]})
    (tmp_path / "profiles" / "mine.yaml").write_text(text)
    refused = [f for f in prepare(str(tmp_path / "profiles" / "mine.yaml"), folder=tmp_path).ledger if f.verdict == "refused"]
    assert [(f.field, f.app) for f in refused] == [("memory", "tubearchivist")]
    assert "tubearchivist 4Gi" in refused[0].text
    assert refused[0].code == "memory.exceeded"
    assert "6Gi, 3.34Gi" in refused[0].text


def random_stack(number: int, folder: Path) -> tuple[Prepared, Prepared, str]:
    """A stack of random apps, overrides and place, rendered twice; apps that can't be together are left out one by one."""
    dice = random.Random(f"{SEED}/{number}")
    base = dice.choice(PROFILES)
    apps = dice.sample(APPS, dice.randint(1, 14))
    stack: dict[str, Any] = {
        "portable": 1,
        "name": f"stack-{number}",
        "uid": dice.choice([1000, 1001, 65534]),
        "gid": dice.choice([100, 1000, 65534]),
        "timezone": dice.choice(["Etc/UTC", "Europe/Berlin"]),
        "umask": dice.choice(["002", "022", "0077"]),
    }
    (folder / "portable.yaml").write_text(dump(stack))
    changed = {
        app: {"containers": {"main": {"resources": {"memory": {"request": "1Mi", "limit": f"{dice.randint(64, 4096)}Mi"}}}}}
        for app in apps
        if dice.random() < 0.4
    }
    while True:
        try:
            more = {"override": {app: change for app, change in changed.items() if app in apps} or None}
            first = place(folder, base, apps, **more)
            return first, place(folder, base, apps, **more), f"{base}: {', '.join(apps)}"
        except InputError:  # two want one port, or one wants what this place has not
            if len(apps) == 1:
                apps, base = [dice.choice(APPS)], dice.choice(PROFILES)
            else:
                apps.remove(dice.choice(apps))
            changed = {}


@pytest.mark.parametrize("number", range(STACKS))
def test_a_random_stack_renders_and_holds(number: int, tmp_path: Path) -> None:
    first, second, what = random_stack(number, tmp_path)
    compose = first.planned.given.profile.traits.interpolates
    assert texts(first.rendering, first.ledger, compose=compose, profile="mine") == texts(
        second.rendering, second.ledger, compose=compose, profile="mine"
    )
    assert broken(first) == [], f"seed {SEED}/{number}: {what}"
