"""Nothing is dropped in silence: change any leaf of a full plan, and the documents change, or a finding names the leaf."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec
import pytest

from portable.backends.kubernetes.files import DIGEST, SEEDS
from portable.backends.registry import BACK_ENDS, BackEnd
from portable.model.findings import Finding
from portable.model.leaves import leaves
from portable.model.plan import Container, Plan, Resources
from portable.model.rendering import Rendering
from tests.factories import full_plan
from tests.render.mutations import Mutation, mutations, spots

DIGESTS = {"portable.digest", DIGEST, SEEDS}
Render = Callable[[Plan], Rendering]
every_back_end = pytest.mark.parametrize("back_end", BACK_ENDS, ids=lambda back_end: back_end.name)


def untranslated(render: Render, plan: Plan, part: str = "") -> list[str]:
    """Every mutation that neither changes the documents nor has a finding, as a line."""
    base = render(plan)
    secret_files = tuple(f"files.{file.id}.body" for file in plan.files if file.is_secret)
    lines = []
    for mutation in mutations(plan, part):
        try:
            mutant = render(mutation.plan)
        except Exception as error:  # noqa: BLE001  a back end never crashes: planning refuses, rendering tells
            lines.append(f"{mutation.path}: {mutation.what}: {type(error).__name__}: {error}")
            continue
        # What a secret file holds is never rendered: there a digest is all that can change.
        digests = mutation.path.startswith(secret_files)
        same = said(mutant, digests=digests) == said(base, digests=digests)
        if same and not covered(mutation, (*base.findings, *mutant.findings)):
            lines.append(f"{mutation.path}: {mutation.what}")
    return lines


def said(rendering: Rendering, *, digests: bool) -> list[Any]:
    """The documents; without digests, what changes nothing but a digest counts as dropped."""
    return [(document.file, document.body if digests else _without_digests(document.body)) for document in rendering.documents]


def _without_digests(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _without_digests(item) for key, item in value.items() if key not in DIGESTS}
    return [_without_digests(item) for item in value] if isinstance(value, list) else value


def covers(finding: Finding, leaf: str) -> bool:
    """Whether a finding accounts for the leaf at that path: one on a record accounts for every leaf below it, `*` stands for any name."""
    if "*" not in finding.path:
        return leaf == finding.path or leaf.startswith(finding.path + ".")
    steps, there = finding.path.split("."), leaf.split(".")
    return len(steps) <= len(there) and all(step in ("*", name) for step, name in zip(steps, there, strict=False))


def covered(mutation: Mutation, findings: Iterable[Finding]) -> bool:
    return any(covers(finding, path) for finding in findings for path in (mutation.path, mutation.item))


def pointless(rendering: Rendering, plan: Plan) -> list[str]:
    """The findings whose path leads to nothing in the plan."""
    paths = [path for path, _, _ in leaves(plan)]
    return [f"{finding.path}: {finding.text}" for finding in rendering.findings if not any(covers(finding, path) for path in paths)]


@every_back_end
def test_every_leaf_is_translated_or_found(back_end: BackEnd) -> None:
    missing = untranslated(back_end.render, full_plan(back_end.name))
    assert not missing, f"{len(missing)} changes of the plan are dropped in silence:\n" + "\n".join(missing)


@every_back_end
def test_every_finding_leads_to_a_leaf(back_end: BackEnd) -> None:
    plan = full_plan(back_end.name)
    base = back_end.render(plan)
    wrong = dict.fromkeys(pointless(base, plan))
    for mutation in mutations(plan):
        mutant = back_end.render(mutation.plan)
        if more := set(mutant.findings) - set(base.findings):
            new = msgspec.structs.replace(mutant, findings=tuple(more))
            wrong |= dict.fromkeys(f"{mutation.path} {mutation.what}: {line}" for line in pointless(new, mutation.plan))
    assert not wrong, "findings that lead nowhere:\n" + "\n".join(wrong)


@every_back_end
def test_mutations_reach_every_leaf(back_end: BackEnd) -> None:
    plan = full_plan(back_end.name)
    walked = {path for path, _, _ in leaves(plan)}
    assert walked <= {spot.path for spot in spots(plan)}
    assert walked - {mutation.path for mutation in mutations(plan)} == set()


@pytest.mark.parametrize("field", [name for name in Container.__struct_fields__ if name not in ("name", "role", "image", "identity")])
@every_back_end
def test_a_back_end_that_drops_a_field_is_caught(back_end: BackEnd, field: str) -> None:
    """The check can fail: a renderer that forgets one field of the player's container."""
    default = Resources(memory_request=1, memory_limit=1) if field == "resources" else getattr(_BARE, field)

    def forgetful(plan: Plan) -> Rendering:
        apps = tuple(
            msgspec.structs.replace(app, containers=tuple(msgspec.structs.replace(c, **{field: default}) for c in app.containers))
            for app in plan.apps
        )
        changed = msgspec.structs.replace(plan, apps=apps)
        rendering = back_end.render(changed)
        return msgspec.structs.replace(rendering, findings=tuple(f for f in rendering.findings if f".{field}" not in f.path))

    plan = full_plan(back_end.name)
    small = msgspec.structs.replace(plan, volumes=plan.volumes[:3], clouds=(), files=())
    assert any(f".{field}" in line for line in untranslated(forgetful, small, f".containers.main.{field}"))


_BARE = Container(
    name="main",
    image=full_plan("compose").tools.image,
    identity=full_plan("compose").tools.identity,
    resources=Resources(memory_request=1, memory_limit=1),
)


@pytest.mark.parametrize(
    ("path", "leaf", "is_covered"),
    [
        ("apps.sonarr.title", "apps.sonarr.title", True),
        ("apps.sonarr", "apps.sonarr.title", True),
        ("apps.sonarr", "apps.sonarr2.title", False),
        ("apps.sonarr.title", "apps.sonarr", False),
        ("apps.*.title", "apps.sonarr.title", True),
        ("apps.*.title", "apps.sonarr.zone", False),
        ("apps.*", "apps.sonarr.title", True),
        ("apps.*.containers.*.fetch", "apps.a.containers.main.fetch", True),
        ("apps.*.title", "apps.sonarr", False),
    ],
)
def test_what_a_finding_covers(path: str, leaf: str, is_covered: bool) -> None:
    finding = Finding(verdict="noted", field="title", path=path, class_="cosmetic", text="t", remedy="r")
    assert covers(finding, leaf) is is_covered
