"""Images: which source wins, how failures of registries are told apart, and recipes' digests; with an engine made by hand."""

import re
import tarfile
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import IO, cast

import pytest

from portable.engines.docker.address import Address
from portable.engines.docker.engine import Engine
from portable.live import heartbeat
from portable.live.compose import registries
from portable.live.compose.images import build, foresee, resolve, table
from portable.live.compose.recipes import BASE_IMAGE, Recipes, bases_of, built_reference, shipped_recipe
from portable.live.compose.registries import pull_failure
from portable.live.image_needs import ImageNeed, needed_images
from portable.local.lock import locked
from portable.model.errors import EngineError, UsageError
from portable.model.progress import Event
from portable.model.registry import split_reference
from tests.factories import app, container, image, plan

UNREACHABLE = 'Get "https://registry.test/v2/": dial tcp: lookup registry.test: no such host'


class FakeEngine:
    """Has images, and a registry that says one thing."""

    def __init__(self, *there: str, says: str | None = UNREACHABLE) -> None:
        self.there, self.says = set(there), says
        self.calls: list[str] = []
        self.contexts: list[dict[str, bytes]] = []
        """The files of each build, by path."""
        self.address = Address(url="unix:///fake", named_by="test")

    def image_ids(self, references: Iterable[str]) -> dict[str, str]:
        return {r: f"sha256:{r}" for r in references if r in self.there}

    def pull(self, repository: str, tag: str, on_line: Callable[[str], None]) -> None:
        self.calls.append(f"pull {repository} {tag}")
        on_line(f"Pulling from {repository}")
        if self.says is not None:
            raise RuntimeError(self.says)
        self.there.add(f"{repository}:{tag}")

    def build(
        self,
        context: IO[bytes],
        tag: str,
        labels: Mapping[str, str],
        arguments: Mapping[str, str],
        on_line: Callable[[str], None],
        *,
        fresh: bool = False,
    ) -> None:
        self.calls.append(f"build {tag}{' fresh' if fresh else ''}")
        with tarfile.open(fileobj=context) as tar:
            self.contexts.append({e.name: data.read() for e in tar if (data := tar.extractfile(e))})
        self.there.add(tag)

    def import_image(self, archive: IO[bytes], repository: str, tag: str, changes: Sequence[str]) -> None:
        self.calls.append(f"import {repository}:{tag}")
        self.there.add(f"{repository}:{tag}")


def engine(*there: str, says: str | None = UNREACHABLE) -> tuple[Engine, FakeEngine]:
    fake = FakeEngine(*there, says=says)
    return cast(Engine, fake), fake


@pytest.fixture(autouse=True)
def _state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def recipes(tmp_path: Path) -> Recipes:
    for name, text in (("demo", "FROM debian:trixie-slim AS made\nRUN true\nFROM made\n"), ("other", "FROM scratch\n")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "Dockerfile").write_text(text)
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "make.sh").write_text('#!/bin/sh\necho tar > "$1"\n')
    return lambda name: tmp_path / name if (tmp_path / name).is_dir() else None


DEMO = ImageNeed(reference="registry.test/demo:1", recipe="demo", apps=("demo",))
PLAIN = ImageNeed(reference="registry.test/plain:1", apps=("plain", "more"))


def test_what_is_there_is_used_and_nobody_is_asked(recipes: Recipes) -> None:
    real, fake = engine(DEMO.reference)
    assert resolve(real, [DEMO], recipes=recipes).effective == {DEMO.reference: DEMO.reference}
    assert fake.calls == []


def test_what_was_built_is_used_and_nobody_is_asked(recipes: Recipes) -> None:
    built = built_reference("demo", recipes)
    assert built is not None
    real, fake = engine(built)
    assert resolve(real, [DEMO], recipes=recipes).effective == {DEMO.reference: built}
    assert fake.calls == []


def test_a_registry_that_answers_is_preferred_to_a_recipe(recipes: Recipes) -> None:
    real, fake = engine(says=None)
    found = resolve(real, [DEMO], recipes=recipes)
    assert found.effective == {DEMO.reference: DEMO.reference}
    assert [c.sentence() for c in found.changes] == ["pull registry.test/demo:1: it was missing"]
    assert fake.calls == ["pull registry.test/demo 1"]


def test_where_no_registry_answers_it_is_built_with_its_base(recipes: Recipes) -> None:
    real, fake = engine()
    found = resolve(real, [DEMO, ImageNeed(reference="registry.test/demo:2", recipe="other", apps=("x",))], recipes=recipes)
    assert found.effective[DEMO.reference] == built_reference("demo", recipes)
    assert found.changes[0].sentence() == "build registry.test/demo:1: the registry registry.test cannot be reached"
    # One host is asked once a run.
    assert fake.calls == [
        "pull registry.test/demo 1",
        "pull debian trixie-slim",
        "import debian:trixie-slim",
        f"build {built_reference('demo', recipes)}",
        f"build {built_reference('other', recipes)}",
    ]


def test_without_recipe_all_that_is_lost_is_named_before_anything_is_built(recipes: Recipes) -> None:
    real, fake = engine()
    with pytest.raises(EngineError, match=r"^1 image .*: registry.test/plain:1 \(for plain, more\): .*registry.test") as caught:
        resolve(real, [DEMO, PLAIN], recipes=recipes)
    assert caught.value.code == "build.no-image"
    assert DEMO.reference not in str(caught.value)
    assert not [call for call in fake.calls if call.startswith("build")]


def test_a_registry_that_stays_silent_counts_as_unreachable(recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registries, "_FIRST_WORD_SECONDS", 0.3)
    real, fake = engine()
    release = threading.Event()
    monkeypatch.setattr(fake, "pull", lambda *_: release.wait(20))
    with pytest.raises(EngineError, match=f"{PLAIN.reference} .*cannot be reached") as caught:
        resolve(real, [PLAIN], recipes=recipes)
    assert caught.value.code == "build.no-image"
    release.set()


def test_base_that_cannot_be_made_says_what_it_needs(recipes: Recipes, tmp_path: Path) -> None:
    (tmp_path / "base" / "make.sh").write_text("echo 'mmdebstrap: not found' >&2; exit 1\n")
    real, _ = engine()
    with pytest.raises(EngineError, match=r"mmdebstrap: not found") as caught:
        resolve(real, [DEMO], recipes=recipes)
    assert (caught.value.code, caught.value.where) == ("build.own-base", str(tmp_path / "base" / "make.sh"))
    assert "scripts/bootstrap.sh image-tools" in str(caught.value.remedy)


def test_build_always_builds(recipes: Recipes) -> None:
    built = built_reference("demo", recipes)
    real, fake = engine(DEMO.reference, "debian:trixie-slim", str(built))
    events: list[Event] = []
    assert [c.sentence() for c in build(real, [], [DEMO, PLAIN], recipes=recipes, progress=events.append)] == [f"build {built}: requested"]
    assert fake.calls == [f"build {built} fresh"]
    with pytest.raises(UsageError, match=r"\bwrong\b.*\bdemo\b") as caught:
        build(real, ["wrong"], [DEMO], recipes=recipes)
    assert caught.value.code == "build.unknown-recipe"


def test_the_table_asks_no_registry(recipes: Recipes) -> None:
    real, fake = engine(PLAIN.reference)
    assert [(r.reference, r.present, r.recipe, r.outcome) for r in table(real, [DEMO, PLAIN], recipes)] == [
        (DEMO.reference, False, "demo", "pull or build"),
        (PLAIN.reference, True, None, "there"),
    ]
    assert len(foresee(real, [DEMO, PLAIN], recipes).changes) == 1
    assert fake.calls == []


def test_a_digest_follows_every_file_of_recipe_and_base(recipes: Recipes, tmp_path: Path) -> None:
    seen = {built_reference("demo", recipes)}
    (tmp_path / "demo" / "more").write_text("1")
    seen.add(built_reference("demo", recipes))
    (tmp_path / "demo" / "more").chmod(0o755)
    seen.add(built_reference("demo", recipes))
    (tmp_path / "base" / "make.sh").write_text("2")
    seen.add(built_reference("demo", recipes))
    assert len(seen) == 4
    (tmp_path / "demo" / "__pycache__").mkdir()
    (tmp_path / "demo" / "__pycache__" / "program.pyc").write_text("made when a test imports it")
    assert built_reference("demo", recipes) in seen
    assert built_reference("none", recipes) is None


def test_shipped_recipes_are_found_and_nothing_outside() -> None:
    folder = shipped_recipe("tools")
    assert folder is not None
    assert (folder / "Dockerfile").is_file()
    assert shipped_recipe("../../live") is None
    assert shipped_recipe("nowhere") is None


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        (UNREACHABLE, "unreachable"),
        ("dial tcp 127.0.0.1:1: connect: connection refused", "unreachable"),
        ("net/http: TLS handshake timeout", "unreachable"),
        ("Get https://x/v2/: context deadline exceeded", "unreachable"),
        ("manifest for x:1 not found: manifest unknown: manifest unknown", "not found"),
        ("pull access denied for x, repository does not exist or may require 'docker login'", "not found"),
        ("unauthorized: authentication required", "unauthorised"),
        ("denied: requested access to the resource is denied", "unauthorised"),
        ("toomanyrequests: You have reached your pull rate limit", "failed"),
    ],
)
def test_failures_of_registries(said: str, kind: str) -> None:
    assert pull_failure(said, "registry.test/x:1").kind == kind


@pytest.mark.parametrize(
    ("said", "kind", "code"),
    [
        ("no matching manifest for linux/arm64/v8 in the manifest list entries", "failed", "registry.platform"),
        ("toomanyrequests: You have reached your pull rate limit", "failed", "registry.rate-limit"),
        ('Get "https://x/v2/": tls: failed to verify certificate: x509: certificate has expired', "unreachable", "registry.certificate"),
        ("failed to register layer: write /usr/lib/x: no space left on device", "failed", "host.full"),
        ('failed to Lchown "/x" for UID 1, GID 1 (try increasing the number of subordinate IDs)', "failed", "host.subordinate-ids"),
    ],
)
def test_a_failed_pull_with_a_known_cause_names_it_and_its_remedy(said: str, kind: str, code: str) -> None:
    failed = pull_failure(said, "registry.test/x:1")
    assert (failed.kind, failed.text.endswith(f"[{code}]")) == (kind, True)


def test_an_unknown_failure_of_a_pull_passes_whole() -> None:
    said = f"Error response from daemon: {'step: ' * 100}the cause\nand its second line"
    assert pull_failure(said, "registry.test/x:1").text.endswith("the cause and its second line")


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("debian:trixie-slim", ("docker.io", "debian", "trixie-slim")),
        ("linuxserver/sonarr", ("docker.io", "linuxserver/sonarr", "latest")),
        ("lscr.io/linuxserver/sonarr:4@sha256:ab", ("lscr.io", "lscr.io/linuxserver/sonarr", "sha256:ab")),
        ("host:5000/a/b", ("host:5000", "host:5000/a/b", "latest")),
        ("localhost/portable/x:1", ("localhost", "localhost/portable/x", "1")),
    ],
)
def test_references(reference: str, parts: tuple[str, str, str]) -> None:
    assert split_reference(reference) == parts


def test_bases_are_what_a_dockerfile_stands_on() -> None:
    text = "ARG X\nFROM --platform=linux/amd64 debian:trixie-slim AS made\nfrom MADE as second\nFROM scratch\nCOPY --from=made / /\n"
    assert bases_of(text) == ("debian:trixie-slim",)


def test_needed_images_of_a_plan() -> None:
    made = plan(app("a", containers=(container(image=image(recipe="a")),)), app("b", containers=(container(image=image()),)))
    found = {n.reference: n for n in needed_images(made)}
    assert found["registry.test/app:1.0"].apps == ("a", "b")
    assert found["registry.test/app:1.0"].recipe == "a"
    assert found["registry.test/tools:1.0"].apps == ("init",)


def test_a_build_trusts_what_the_machine_trusts(recipes: Recipes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only a recipe that has a place for certificates gets them, and they are no part of its digest."""
    mine, place = tmp_path / "mine.pem", tmp_path / "demo" / "trust.pem"
    mine.write_text(
        "-----BEGIN PRIVATE KEY-----\nkey\n-----END PRIVATE KEY-----\nnote\n-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"
    )
    place.write_text("# nothing\n")
    before = built_reference("demo", recipes)
    real, fake = engine("debian:trixie-slim")

    def given(path: str) -> bytes | None:
        monkeypatch.setenv("SSL_CERT_FILE", path)
        build(real, ["demo"], [DEMO], recipes=recipes)
        return fake.contexts[-1].get("trust.pem")

    assert given(str(mine)) == b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n", "a proxy's bundle may hold its key"
    assert given("") == b"# nothing\n"
    assert (place.read_text(), built_reference("demo", recipes)) == ("# nothing\n", before)
    with pytest.raises(UsageError, match="No such file") as caught:
        given(str(tmp_path / "nowhere.pem"))
    assert (caught.value.code, caught.value.where) == ("build.certificates", f"SSL_CERT_FILE={tmp_path}/nowhere.pem")
    (tmp_path / "empty.pem").write_text("nothing\n")
    with pytest.raises(UsageError) as caught:
        given(str(tmp_path / "empty.pem"))
    assert (caught.value.code, caught.value.where) == ("build.certificates", f"SSL_CERT_FILE={tmp_path}/empty.pem")
    place.unlink()
    assert given(str(mine)) is None


def test_a_project_called_images_does_not_wait_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))

    def never(_seconds: float) -> None:
        raise AssertionError("it waits")

    monkeypatch.setattr(time, "sleep", never)
    with locked("images", "up"):
        resolve(cast(Engine, FakeEngine(says=None)), [ImageNeed(reference="registry.test/x:1")])


def test_a_build_gives_signs_of_life_and_says_why_it_is(recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(heartbeat, "_SIGN_OF_LIFE_SECONDS", 0.05)
    client, fake = engine(BASE_IMAGE)
    monkeypatch.setattr(fake, "build", lambda *_, **__: time.sleep(0.3))
    events: list[Event] = []
    resolve(client, [DEMO], recipes=recipes, progress=events.append)
    assert not [event for event in events if event.what not in ("note", "beat", "line")]
    beats = [event.sentence() for event in events if event.what == "beat"]
    assert re.fullmatch(r"demo: building its image \(\d+ s\)", beats[0])
    assert len(beats) < 8
    time.sleep(0.1)
    assert events[-1].what == "note", "nothing beats on"


def test_each_image_has_one_line_with_a_count_and_its_time_after_an_estimate(recipes: Recipes, monkeypatch: pytest.MonkeyPatch) -> None:
    client, fake = engine(BASE_IMAGE)
    fake.says = None
    pulled = [ImageNeed(reference=f"registry.test/{name}:1", apps=(name,)) for name in ("one", "two")]
    real = fake.pull

    def pull(repository: str, tag: str, on_line: Callable[[str], None]) -> None:
        monkeypatch.setattr(fake, "says", "manifest unknown" if repository in DEMO.reference else None)
        real(repository, tag, on_line)

    monkeypatch.setattr(fake, "pull", pull)
    events: list[Event] = []
    resolve(client, [pulled[0], DEMO, pulled[1]], recipes=recipes, progress=events.append)
    notes = [event.sentence() for event in events if event.what == "note"]
    assert notes[0] == "3 images are missing here, and pulled or built now"
    assert re.fullmatch(r"\[1/3\] registry\.test/one:1: pulled in \d+ s", notes[1])
    assert re.fullmatch(r"\[2/3\] registry\.test/two:1: pulled in \d+ s", notes[2])
    assert notes[3].startswith("1 cannot be pulled (")
    assert notes[3].endswith("takes about 2 min")
    assert re.fullmatch(r"\[3/3\] demo: built in \d+ s", notes[4])
    assert len(notes) == 5
