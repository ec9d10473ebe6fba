"""The file of images that are newer than the files of a place say: where it lies, what it says, and that it says it again when read."""

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from portable.formats.load import read
from portable.model.errors import InputError
from portable.profiles.images import BACK, Images, PinnedImageFacts, UpdateFacts
from portable.profiles.load import SHIPPED, images_file, load_images, profile_files, profile_folders

OLD, NEW, OTHER = (f"sha256:{digit * 64}" for digit in "012")
names = st.sampled_from(["one", "two", "a-longer-name", "x2", "main"])
digests = st.integers(0, 16**64 - 1).map("sha256:{:064x}".format)
repositories = st.sampled_from(["registry.test/one", "127.0.0.1:5000/a/b_c", "x", "lscr.io/linuxserver/sonarr"])
tags = st.sampled_from(["1", "latest", "v1.2.3-ls4", "_", "1e3", "0.10"])
taken = st.builds(
    PinnedImageFacts, instead_of=st.builds("{}:{}@{}".format, repositories, tags, digests), digest=digests, before=st.none() | digests
)
updates = st.builds(
    UpdateFacts,
    at=st.just("2026-11-21T03:00:00Z"),
    backup=st.none() | st.just("2026-11-21T030000.123Z"),
    step=st.sampled_from([None, "taking", *BACK]),
    containers=st.dictionaries(names, taken, min_size=1, max_size=3),
)


def update(**more: Any) -> UpdateFacts:
    entry = PinnedImageFacts(instead_of=f"registry.test/one:1@{OLD}", digest=NEW, before=OLD)
    return UpdateFacts(**{"at": "2026-11-21T03:00:00Z", "containers": {"main": entry}, **more})


@given(st.dictionaries(names, updates, max_size=4))
def test_what_is_written_is_read_again(apps: dict[str, UpdateFacts]) -> None:
    images = Images().replaced(apps)
    assert images.images == apps
    again, _ = read(("test.images.yaml", images.text().encode()), Images)
    assert again == images
    assert again.text() == images.text()


@given(updates, st.sampled_from(BACK))
def test_going_back_means_what_was_there_before(made: UpdateFacts, step: Any) -> None:
    ahead, back = msgspec.structs.replace(made, step=None), msgspec.structs.replace(made, step=step)
    assert ahead.runs == {name: entry.digest for name, entry in made.containers.items()}
    assert back.runs == {name: entry.before or entry.digest for name, entry in made.containers.items()}


def test_the_file_as_a_person_sees_it() -> None:
    lines = Images().replaced({"one": update(backup="2026-11-21T025900.123Z", step="taking")}).text().splitlines(keepends=True)
    assert [line[:2] for line in lines[:2]] == ["# ", "# "]
    assert "`portable update`" in lines[0]
    assert "".join(lines[2:]) == (
        "portable: 1\n"
        "images:\n"
        "  one:\n"
        '    at: "2026-11-21T03:00:00Z"\n'
        '    backup: "2026-11-21T025900.123Z"\n'
        "    step: taking\n"
        "    containers:\n"
        "      main:\n"
        f"        before: {OLD}\n"
        f"        digest: {NEW}\n"
        f"        instead-of: registry.test/one:1@{OLD}\n"
    )


def test_entries_of_others_stay_and_none_takes_one_out() -> None:
    images = Images().replaced({"two": update(), "one": update(step="taking")})
    assert list(images.unfinished()) == ["one"]
    assert images.replaced({"one": None}) == Images().replaced({"two": update()})
    assert images.replaced({"one": None, "two": None}) == Images()


ENTRY = f"{{instead-of: 'registry.test/one:1@{OLD}', digest: '{NEW}'}}"
APP = f"at: '2026-11-21T03:00:00Z', containers: {{main: {ENTRY}}}"


@pytest.mark.parametrize(
    ("text", "told", "code"),
    [
        ("portable: 2\n", ":1:11: portable: expected `1`, found integer `2`", "value.choice"),
        (
            "portable: 1\nimage: {}\n",
            ":2:1: image: unknown key `image`; known: portable, images (did you mean `images`?)",
            "value.unknown-key",
        ),
        ("images: {one: {containers: {}}}", ":1:10: images.one: the key `at` is missing", "value.missing-key"),
        (f"images: {{one: {{at: today, containers: {{main: {ENTRY}}}}}}}", "images.one.at: string `today`", "value.format"),
        (f"images: {{one: {{{APP.replace(NEW, 'sha256:1')}}}}}", "images.one.containers.main.digest: string `sha256:1`", "value.format"),
        (
            f"images: {{one: {{{APP.replace(f'@{OLD}', '')}}}}}",
            "images.one.containers.main.instead-of: string `registry.test/one:1`",
            "value.format",
        ),
        (f"images: {{one: {{step: done, {APP}}}}}", "images.one.step: expected one of", "value.choice"),
        (f"images: {{one: {{backup: ../x, {APP}}}}}", "images.one.backup: string `../x`", "value.format"),
        (f"images: {{One: {{{APP}}}}}", ":1:10: images.One: ", "value.key"),
        ("", ":1:1: ", "yaml.empty"),
    ],
)
def test_bad_content_is_told_with_its_place(tmp_path: Path, text: str, told: str, code: str) -> None:
    file = tmp_path / "home.images.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        load_images(file)
    assert told in str(caught.value)
    assert f"[{code}]" in str(caught.value)
    assert str(caught.value).startswith(str(file))


def test_it_lies_beside_the_profile_and_is_none_itself(tmp_path: Path) -> None:
    stack, folder = tmp_path / "portable.yaml", tmp_path / "profiles"
    folder.mkdir()
    (folder / "home.yaml").write_text("portable: 1\nname: home\nextends: local\n")
    (folder / "home.images.yaml").write_text("portable: 1\n")
    (tmp_path / "flat.yaml").write_text("portable: 1\nname: flat\nextends: local\n")
    (tmp_path / "flat.images.yaml").write_text("portable: 1\n")
    files = profile_files(profile_folders(stack))
    assert not [name for name in files if "images" in name]
    assert images_file("home", files, stack) == folder / "home.images.yaml"
    assert images_file(str(folder / "home.yaml"), files, stack) == folder / "home.images.yaml"
    assert images_file("flat", files, stack) == tmp_path / "flat.images.yaml"
    assert images_file("nothing", files, stack) is None


def test_a_shipped_profile_has_it_beside_the_stack_or_nowhere(tmp_path: Path) -> None:
    stack = tmp_path / "portable.yaml"
    assert images_file("zimaboard", profile_files(profile_folders(stack)), stack) == tmp_path / "profiles" / "zimaboard.images.yaml"
    assert images_file(str(SHIPPED / "zimaboard.yaml"), profile_files((SHIPPED,)), stack) == tmp_path / "profiles" / "zimaboard.images.yaml"
    assert images_file("zimaboard", profile_files((SHIPPED,)), None) is None
    assert load_images(None) == load_images(tmp_path / "none.images.yaml") == (Images(), None)


def test_a_link_that_leads_nowhere_is_told(tmp_path: Path) -> None:
    (tmp_path / "home.images.yaml").symlink_to("gone")
    with pytest.raises(InputError, match=r"\[file\.unreadable\]$"):
        load_images(tmp_path / "home.images.yaml")
