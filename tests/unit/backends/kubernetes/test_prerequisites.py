"""Every Secret that the rendering refers to and nothing makes is named, with its keys."""

import re
from typing import Any

import pytest

from portable.backends.kubernetes.prerequisites import prerequisites
from portable.backends.registry import back_end
from tests.factories import full_plan


def referred(value: Any) -> set[str]:
    """Names of Secrets that documents refer to without `optional`."""
    found: set[str] = set()
    if isinstance(value, dict):
        if "secretKeyRef" in value and not value["secretKeyRef"].get("optional"):
            found.add(value["secretKeyRef"]["name"])
        if "secretName" in value and not value.get("optional"):
            found.add(value["secretName"])
        if "nodeStageSecretRef" in value:
            found.add(value["nodeStageSecretRef"]["name"])
        for inner in value.values():
            found |= referred(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            found |= referred(inner)
    return found


@pytest.mark.parametrize("name", ["kubernetes", "openshift"])
def test_every_secret_that_is_referred_to_is_named(name: str) -> None:
    plan = full_plan(name)
    asked = set().union(*(referred(d.body) for d in back_end(name).render(plan).documents))
    named = {match[1] for f in prerequisites(plan) if (match := re.match(r"Secret (\S+) \(keys ", f.text))}
    assert asked
    # The login before a Route and the serving certificate have findings of their own, or are made by the cluster.
    assert {secret for secret in asked - named if "-login" not in secret} == set()


def test_values_are_told_how_to_come() -> None:
    (finding,) = [f for f in prerequisites(full_plan("kubernetes")) if "torrents-conf" in f.text]
    assert "torrents-login filled in" in finding.text
    assert finding.remedy.startswith(
        "`portable secrets write -p full -o FOLDER`, then `kubectl create secret generic -n media-test torrents-conf"
    )
