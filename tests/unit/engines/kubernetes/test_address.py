"""Which cluster a kubeconfig leads to."""

from pathlib import Path

import pytest

from portable.engines.kubernetes.address import resolve
from portable.model.errors import UsageError

TEXT = """\
apiVersion: v1
kind: Config
current-context: {current}
contexts:
  - {{name: {name}, context: {{cluster: c-{name}, user: u-{name}}}}}
clusters:
  - {{name: c-{name}, cluster: {{server: "https://{name}.test:6443"}}}}
"""


def written(path: Path, name: str, current: str | None = None) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT.format(name=name, current=name if current is None else current))
    return path


def test_the_default_file_and_its_current_context(tmp_path: Path) -> None:
    written(tmp_path / ".kube" / "config", "home")
    found = resolve(None, {}, tmp_path)
    assert (found.context, found.server, found.user) == ("home", "https://home.test:6443", "u-home")
    assert found.where == "home (https://home.test:6443)"


def test_the_environment_names_files_and_the_first_decides(tmp_path: Path) -> None:
    one, two = written(tmp_path / "one", "one"), written(tmp_path / "two", "two")
    named = {"KUBECONFIG": f"{tmp_path / 'absent'}:{one}:{two}"}
    assert resolve(None, named, tmp_path).context == "one"
    assert resolve(None, named, tmp_path).files == (one, two)
    assert resolve("two", named, tmp_path).server == "https://two.test:6443"


def test_a_context_that_does_not_exist_is_refused_with_the_known_ones(tmp_path: Path) -> None:
    named = {"KUBECONFIG": str(written(tmp_path / "one", "one"))}
    with pytest.raises(UsageError) as refused:
        resolve("other", named, tmp_path)
    assert "'other'" in refused.value.text
    assert "one" in (refused.value.remedy or "")


@pytest.mark.parametrize("current", ["", "gone"])
def test_a_file_without_a_usable_current_context_is_refused(tmp_path: Path, current: str) -> None:
    named = {"KUBECONFIG": str(written(tmp_path / "one", "one", current))}
    with pytest.raises(UsageError, match="context"):
        resolve(None, named, tmp_path)


def test_no_file_is_refused_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        resolve(None, {}, tmp_path)
    assert str(tmp_path / ".kube" / "config") in refused.value.text


@pytest.mark.parametrize("text", ["a: [", "- list", "\x00", "contexts: [{name: x, context: {cluster: c}}]\ncurrent-context: x\n"])
def test_a_broken_file_is_refused_with_its_name(tmp_path: Path, text: str) -> None:
    file = tmp_path / "one"
    file.write_text(text)
    with pytest.raises(UsageError) as refused:
        resolve(None, {"KUBECONFIG": str(file)}, tmp_path)
    assert refused.value.where == str(file)
