"""Shipped YAML is read by other readers too: editors, linters, GitOps controllers, PyYAML's own loader."""

from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[3]
FILES = sorted(
    file.relative_to(ROOT).as_posix()
    for folder in (".ci", ".github", "compose", "k8s", "portable", "profiles")
    for pattern in ("*.yaml", "*.yml")
    for file in (ROOT / folder).rglob(pattern)
)


@pytest.mark.parametrize("file", FILES)
def test_pyyaml_reads_it(file: str) -> None:
    """The pure Python loader, which is stricter than libyaml: a plain `?` inside braces is an error in it."""
    for document in yaml.load_all((ROOT / file).read_text(), Loader=yaml.SafeLoader):
        assert document is None or isinstance(document, dict | list)


def test_every_kind_of_shipped_file_is_among_them() -> None:
    assert {"portable/catalog/apps/sabnzbd/app.yaml", "profiles/zimaboard.yaml", "compose/local/compose.yaml"} <= set(FILES)
    assert any(file.startswith("k8s/openshift/apps/") for file in FILES)
