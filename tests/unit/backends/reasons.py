"""Compares a plan with one reason for a finding to the same plan without it: the reason alone must make the difference."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from portable.model.codes import Code
from portable.model.findings import Class, Finding, Verdict
from portable.model.plan import Plan
from portable.model.rendering import Rendering

Render = Callable[[Plan], Rendering]


class Reason(NamedTuple):
    """A finding without its wording."""

    field: str
    path: str
    class_: Class
    app: str | None = None
    verdict: Verdict = "noted"
    code: Code = ""


def refused(field: str, path: str, class_: Class, app: str | None = None, code: Code = "") -> Reason:
    """A finding that stops the command."""
    return Reason(field, path, class_, app, "refused", code)


def reason_of(finding: Finding) -> Reason:
    """The finding without its wording, which must be there."""
    assert finding.text.strip()
    assert finding.remedy.strip()
    return Reason(finding.field, finding.path, finding.class_, finding.app, finding.verdict, finding.code)


def reasons(render: Render, plan: Plan) -> set[Reason]:
    """The findings of a plan."""
    return {reason_of(finding) for finding in render(plan).findings}


def difference(render: Render, without: Plan, having: Plan) -> tuple[set[Reason], set[Reason]]:
    """(findings that come, findings that go) between two plans."""
    before, after = reasons(render, without), reasons(render, having)
    return after - before, before - after


def consequences(render: Render, without: Plan, having: Plan) -> dict[str, Any]:
    """The leaves of the documents that differ, by their path; None where one is gone. Entries of a list go by their name, else by number.

    `Deployment demo: spec.template.spec.containers.demo.image`
    """
    before, after = _leaves(render(without)), _leaves(render(having))
    return {path: after.get(path) for path in sorted(before.keys() | after.keys()) if before.get(path) != after.get(path)}


def _leaves(rendering: Rendering) -> dict[str, Any]:
    found: dict[str, Any] = {}

    def walk(path: str, value: Any) -> None:
        if isinstance(value, Mapping) and value:
            for key, inner in value.items():
                walk(f"{path}.{key}" if path[-1] != " " else f"{path}{key}", inner)
        elif isinstance(value, list) and value and all(isinstance(entry, Mapping) for entry in value):
            for number, entry in enumerate(value):
                walk(f"{path}.{_called(entry) or number}", entry)
        else:
            found[path] = value

    for document in rendering.documents:
        body = document.body
        head = f"{body['kind']} {body.get('metadata', {}).get('name', '')}: " if "kind" in body else f"{document.file}: "
        walk(head, body)
    return found


def _called(entry: Mapping[str, Any]) -> str | None:
    keys = ("mountPath", "target", "name")
    return next((str(entry[key]) for key in keys if key in entry), None)
