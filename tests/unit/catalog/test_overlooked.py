"""What lies in a catalog of a person's own like an app or a cloud, and would not be read."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from portable.catalog.catalog import Catalog
from portable.catalog.overlooked import overlooked

APP = "portable: 1\nname: sonarr\n"


def put(root: Path, name: str, text: str = APP) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def link(root: Path, name: str) -> Path:
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.symlink_to("nowhere")
    return path


def folder(root: Path, name: str) -> Path:
    (root / name).mkdir(parents=True)
    return root / name


@pytest.mark.parametrize(
    ("lay", "name", "command"),
    [
        (put, "apps/sonarr/app.yml", "mv {0}/apps/sonarr/app.yml {0}/apps/sonarr/app.yaml"),
        (put, "apps/sonarr/App.yaml", "mv {0}/apps/sonarr/App.yaml {0}/apps/sonarr/app.yaml"),
        (put, "apps/sonarr/app.yaml.txt", "mv {0}/apps/sonarr/app.yaml.txt {0}/apps/sonarr/app.yaml"),
        (put, "sonarr/app.yml", "mv {0}/sonarr/app.yml {0}/sonarr/app.yaml"),
        (put, "clouds/shelf/cloud.yml", "mv {0}/clouds/shelf/cloud.yml {0}/clouds/shelf/cloud.yaml"),
        (put, "apps/sonarr.yaml", "mkdir -p {0}/apps/sonarr && mv {0}/apps/sonarr.yaml {0}/apps/sonarr/app.yaml"),
        (put, "clouds/shelf.yml", "mkdir -p {0}/clouds/shelf && mv {0}/clouds/shelf.yml {0}/clouds/shelf/cloud.yaml"),
        (put, "clouds/sonarr/app.yaml", "mkdir -p {0}/apps && mv {0}/clouds/sonarr {0}/apps/sonarr"),
        (put, "apps/shelf/cloud.yaml", "mkdir -p {0}/clouds && mv {0}/apps/shelf {0}/clouds/shelf"),
        (link, "apps/sonarr/app.yaml", "rm {0}/apps/sonarr/app.yaml"),
        (link, "apps/sonarr", "rm {0}/apps/sonarr"),
        (link, "clouds/shelf", "rm {0}/clouds/shelf"),
        (link, "sonarr", "rm {0}/sonarr"),
        (folder, "apps/sonarr/app.yaml", "move it away"),
    ],
)
def test_what_would_be_ignored_is_a_mistake(tmp_path: Path, lay: Callable[[Path, str], Path], name: str, command: str) -> None:
    root = tmp_path / "catalog"
    path = lay(root, name)
    (mistake,) = overlooked((root,))
    assert (mistake.source.file, mistake.code) == (str(path), "catalog.file-name")
    assert command.format(root) in mistake.remedy
    assert Catalog((root,)).overlooked() == (mistake,)


@pytest.mark.parametrize("name", ["Apps/sonarr/app.yaml", "app/sonarr/app.yaml", "Clouds/shelf/cloud.yaml", "cloud/shelf/cloud.yml"])
def test_a_folder_that_is_nearly_that_of_apps_or_clouds(tmp_path: Path, name: str) -> None:
    root = tmp_path / "catalog"
    put(root, name)
    near = root / name.partition("/")[0]
    mistakes = list(overlooked((root,)))
    assert [(mistake.source.file, f"mv {near} {root}/{near.name.lower().rstrip('s')}s" in mistake.remedy) for mistake in mistakes] == [
        (str(near), True)
    ]


def test_a_second_file_and_links_in_the_folder_of_an_app(tmp_path: Path) -> None:
    put(tmp_path, "apps/sonarr/app.yaml")
    put(tmp_path, "apps/sonarr/app.yml")
    link(tmp_path, "apps/sonarr/image/Dockerfile")
    link(tmp_path, "apps/sonarr/config.xml.j2")
    found = {mistake.source.file.removeprefix(f"{tmp_path}/apps/sonarr/"): mistake.remedy for mistake in overlooked((tmp_path,))}
    assert set(found) == {"app.yml", "image/Dockerfile", "config.xml.j2"}
    assert "keep one of them" in found["app.yml"]


def test_other_files_are_nobody_s_mistake(tmp_path: Path) -> None:
    """A folder that is named on the command line may be a whole checkout."""
    put(tmp_path, "apps/sonarr/app.yaml")
    put(tmp_path, "apps/sonarr/values.yml", "x: 1\n")
    put(tmp_path, "apps/README", "portable: 1\n")
    put(tmp_path, "apps/values.yaml", "x: 1\n")
    put(tmp_path, "apps/shared/image/Dockerfile", "FROM scratch\n")
    put(tmp_path, "clouds/shelf/cloud.yaml")
    put(tmp_path, "spring/app.yml", "server: {}\n")
    put(tmp_path, "app/main.py", "")
    (tmp_path / "result").symlink_to("nowhere")
    assert list(overlooked((tmp_path, tmp_path / "absent"))) == []
    os.mkfifo(tmp_path / "spring" / "app.yaml.txt")
    assert list(overlooked((tmp_path,))) == []
    assert Catalog(()).overlooked() == ()
    put(tmp_path, "sonarr/app.yml")
    assert [mistake.source.file for mistake in overlooked((tmp_path,))] == [str(tmp_path / "sonarr/app.yml")]


@pytest.mark.parametrize(
    "name", [".#sonarr.yaml", "sonarr/.#app.yaml", "apps/radarr/.#app.yaml", "apps/.#radarr", "apps/radarr/image/.#Dockerfile"]
)
def test_the_lock_of_an_editor_is_nobody_s_mistake(tmp_path: Path, name: str) -> None:
    """Emacs makes such a link while a file has changes that are not saved."""
    root = tmp_path / "catalog"
    put(root, "apps/radarr/app.yaml")
    put(root, "sonarr/app.yaml")
    link(root, name)
    assert list(overlooked((root,))) == []


def test_a_folder_that_cannot_be_read_is_a_mistake_unless_it_is_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = tmp_path / "catalog"
    closed = [folder(root, name) for name in ("lost+found", "apps/sonarr", "clouds/shelf")]

    def denied(path: Path) -> bool:
        return any(path == one or one in path.parents for one in closed)

    def closing(of: Callable[..., object]) -> Callable[..., object]:
        def called(path: Path, *rest: object) -> object:
            if denied(Path(path)):
                raise PermissionError(13, "Permission denied", str(path))
            return of(path, *rest)

        return called

    monkeypatch.setattr(os, "scandir", closing(os.scandir))
    monkeypatch.setattr(Path, "iterdir", closing(Path.iterdir))
    monkeypatch.setattr(Path, "is_file", closing(Path.is_file))
    found = {mistake.source.file: mistake.remedy for mistake in overlooked((root,))}
    assert found == {str(path): f"check its owner and mode: `ls -ld {path}`" for path in closed[1:]}
    assert list(overlooked((root / "apps",))) == [], "a folder of another name may hold more than a catalog"
