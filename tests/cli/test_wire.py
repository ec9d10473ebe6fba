"""What `portable wire` says where nothing can be told; on real stacks it is tried in tests/verify_lab."""

import json
from pathlib import Path

import pytest

from tests.cli import run


def test_a_place_where_nobody_has_anybody_to_be_told_of(tmp_path: Path) -> None:
    """That is known without an engine."""
    done = run("wire", cwd=tmp_path, env={"DOCKER_HOST": "unix:///nowhere.sock"})
    assert (done.returncode, done.stdout) == (0, "no apps to connect\n")
    done = run("wire", "--format", "json", cwd=tmp_path)
    assert json.loads(done.stdout) == {"schema": "portable/changes/1", "changes": []}


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("wire", "plex"), 2, "wire: unknown app plex (use one of: gerbera, qbittorrent, sabnzbd, seal, webdav) [usage.unknown-app]"),
        (("wire", "-p", "samba"), 2, "[cluster.kubeconfig-absent]"),
        (("wire", "-p", "zimaboard", "--timeout", "0"), 2, "must be greater than 0"),
        (("wire", "-p", "zimaboard", "--dry-run"), 1, "/nowhere.sock"),
    ],
)
def test_what_can_not_be_done(words: tuple[str, ...], code: int, said: str, tmp_path: Path) -> None:
    done = run(*words, cwd=tmp_path, env={"DOCKER_HOST": "unix:///nowhere.sock", "KUBECONFIG": str(tmp_path / "absent")})
    assert done.returncode == code, done.stderr
    assert said in done.stderr
    assert done.stdout == ""
    assert not list(tmp_path.glob("**/secrets.yaml")), "no secret is made by it"
