"""The emitter: what it writes is read back unchanged by PyYAML, by Docker Compose and by Kubernetes."""

import json
import os
import random
import re
import shutil
import string
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from portable.formats.emit import Data, Interpolated, dump, dump_all

# Strings that some YAML reader takes for something else, or that break a careless writer.
TRAPS = (
    *("y", "Y", "n", "N", "yes", "No", "ON", "off", "true", "False", "tRuE", "null", "Null", "NULL", "~", "", "=", "<<", "nil", "none"),
    *("1e3", "1E3", "1.5e3", "1_000", "0o17", "017", "0x1F", "0b101", "12:30:45", "190:20:30", "1:2", "2001-01-01"),
    *("2001-12-14t21:59:43.10-05:00", "0", "-0", "+1", "1.", ".5", "-.5", ".inf", "-.INF", ".nan", ".NaN", "inf", "nan", "NaN"),
    *("_", "_1", "1_", "0_", "e3", "Infinity", "1e", "0x", "- a", "-", "--", "---", "--- a", "...", "?", "? a", ":", "a:", "a: b", ": "),
    *("# ", "a #b", "a# b", "#", "!a", "!!int 3", "&a", "*a", "|", ">", "%YAML 1.1", "@a", "`a", "[a", "a]", "{a", "}", ","),
    *("'", '"', "''", '""', "\\", "\\n", "a\\", "a'b", 'a"b', "\\x41", "\\u0041"),
    *("$", "$$", "$a", "${a}", "${a:-b}", "$${a}", "${", "a$", "$(a)", "$1", "${PORTABLE_ABSENT:?missing}", "$$$"),
    *(" a", "a ", " ", "  ", "\t", "\ta", "a\t", "a\tb", "\n", "\n\n", "a\n", "a\n\n", "\na", "a\nb", "a\n\nb", "a\n \nb", "a \nb"),
    *("a\n b", " a\nb", "a\n\tb\n", "a\n# b\n", "a\n---\nb\n", "a\n...\n", '#!/bin/sh\nset -eu\nexec "$@"\n', "a: b\nc:\n  - d\n"),
    *("\r", "a\r\nb", "a\rb", "a\n\n\n", "ä", "日本語", "😀", "a😀\nb\n", "\u00a0", "\u0085", "a\u0085b", "\u2028", "a\u2029\nb"),
    *("\ufeff", "\ufeffa", "a\ufeff\nb", "\ufffe", "\uffff", "\u200b", "\x01", "\x07\x08\x0b\x0c", "\x1b[0m", "\x7f", "\x80\x9f"),
    *("é\n\u202eb", "\U0001fffe", "\U0010ffff", "a" * 5000, "a\n" * 700, " " * 1100),
)
PIECES = (
    *TRAPS[:-3],
    *string.printable,
    *"äß日😀\u00a0\u0085\u2028\ufeff",
    "a",
    "b",
    "word",
    "/path/to",
    "http://a:80/",
    "\n",
    " ",
    "$",
    ": ",
    " #",
)
# Left out: NUL, which ends a string in the environment and the arguments of a process, so that neither engine can hand it on (YAML itself
# could carry it as `\0`); and lone surrogates, which UTF-8 has no form for (the emitter refuses them).


def bulk() -> list[str]:
    """Return the 2,000 strings of the bulk tests: all different: every trap, then pieces put together, the same in every run."""
    dice = random.Random(3)
    texts = list(dict.fromkeys(TRAPS))
    seen = set(texts)
    while len(texts) < 2000:
        text = "".join(dice.choice(PIECES) for _ in range(dice.randint(1, 8)))
        if text not in seen:
            texts.append(text)
            seen.add(text)
    assert not any("\0" in text for text in texts)
    return texts


texts = (
    st.text(st.characters(exclude_categories=["Cs"])) | st.sampled_from(TRAPS) | st.lists(st.sampled_from(PIECES), max_size=8).map("".join)
)
scalars = texts | st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4) | st.tuples(inner, inner), max_leaves=20
)


def plain(data: Any) -> Any:
    """Return `data` as a reader gives it back: tuples as lists."""
    if isinstance(data, dict):
        return {key: plain(value) for key, value in data.items()}
    if isinstance(data, list | tuple):
        return [plain(value) for value in data]
    return data


def same(left: Any, right: Any) -> bool:
    """Equal, and of the same types: `1 == True` is not the same."""
    if isinstance(left, dict):
        return isinstance(right, dict) and left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list):
        return isinstance(right, list) and len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


@given(documents)
@settings(max_examples=500, deadline=None)
def test_both_readers_of_pyyaml_give_back_what_was_written(document: Data) -> None:
    text = dump(document)
    assert text.endswith("\n")
    assert same(yaml.load(text, yaml.SafeLoader), plain(document))
    assert same(yaml.load(text, yaml.CSafeLoader), plain(document))


@given(st.lists(documents, min_size=1, max_size=4))
@settings(max_examples=100, deadline=None)
def test_documents_stay_apart(written: list[Data]) -> None:
    assert same(list(yaml.load_all(dump_all(written), yaml.CSafeLoader)), plain(written))


@given(documents)
@settings(max_examples=100, deadline=None)
def test_doubling_is_all_that_compose_changes(document: Data) -> None:
    def doubled(data: Any) -> Any:
        if isinstance(data, dict):
            return {key: doubled(value) for key, value in data.items()}
        if isinstance(data, list):
            return [doubled(value) for value in data]
        return data.replace("$", "$$") if isinstance(data, str) else data

    assert same(yaml.load(dump(document, compose=True), yaml.CSafeLoader), doubled(plain(document)))


def test_2000_strings_as_values_items_and_keys() -> None:
    texts = bulk()
    document: dict[str, Any] = {"map": {f"k{i}": text for i, text in enumerate(texts)}, "list": texts, "nested": [[text] for text in texts]}
    document["keys"] = {text: {text: [text]} for text in texts}
    assert same(yaml.load(dump(document), yaml.CSafeLoader), document)
    assert same(yaml.load(dump(document), yaml.SafeLoader), document)


@pytest.mark.parametrize(
    "text", ["a", "_", "/config", "lscr.io/linuxserver/sonarr:4.0.1@sha256:ab", "http://sonarr:8989/", "a-b_c.d", "yess", "None"]
)
def test_a_harmless_string_is_plain(text: str) -> None:
    assert dump({"k": text}) == f"k: {text}\n"


@pytest.mark.parametrize(
    "text", ["1e3", "0o17", "y", "NO", "1_000", "12:30:45", "2001-01-01", "a b", "a:", "-a", ".5", "", "ä", "${A}", "nUlL"]
)
def test_any_other_string_is_quoted_as_json(text: str) -> None:
    assert dump({"k": text}) == f"k: {json.dumps(text, ensure_ascii=False)}\n"


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a\nb\n", "k: |\n  a\n  b\n"),
        ("a\n\nb", "k: |-\n  a\n\n  b\n"),
        ("a\n b\n\n\n", "k: |+\n  a\n   b\n\n\n"),
        ("a\n\tb\n", "k: |\n  a\n  \tb\n"),
        ("---\n# a\n...\n", "k: |\n  ---\n  # a\n  ...\n"),
        (" a\nb\n", 'k: " a\\nb\\n"\n'),
        ("\na\n", 'k: "\\na\\n"\n'),
        ("a \nb\n", 'k: "a \\nb\\n"\n'),
        ("a\r\nb\n", 'k: "a\\r\\nb\\n"\n'),
        ("a\u2028\nb\n", 'k: "a\\u2028\\nb\\n"\n'),
    ],
)
def test_a_text_of_several_lines_is_a_block_where_that_is_safe(text: str, written: str) -> None:
    assert dump({"k": text}) == written


def test_what_an_eye_cannot_see_is_escaped() -> None:
    assert dump(["a\u0085\u2028\ufeff\x7f\u200b\u202e😀"]) == '- "a\\u0085\\u2028\\ufeff\\u007f\\u200b\\u202e😀"\n'


def test_layout() -> None:
    document: Data = {
        "b": [{"z": 1, "a": ["x", []]}, ["p", ("q",)], "s", {"t": "u\nv\n", "w": {}}],
        "a": {"c": None, "b": {"d": True, "e": 1.5, "f": -3}, "e": {}, "l": []},
        "t": "l\nm",
    }
    assert dump(document) == (
        "a:\n  b:\n    d: true\n    e: 1.5\n    f: -3\n  c: null\n  e: {}\n  l: []\n"
        "b:\n  - a:\n      - x\n      - []\n    z: 1\n  - - p\n    - - q\n  - s\n  - t: |\n      u\n      v\n    w: {}\n"
        "t: |-\n  l\n  m\n"
    )


def test_leading_keys_lead_at_every_level_and_the_rest_is_sorted() -> None:
    document: Data = {
        "spec": {"z": [{"image": "i", "name": "p", "args": []}], "metadata": {"labels": {}, "name": "a"}},
        "kind": "K",
        "apiVersion": "v1",
    }
    assert dump(document, first=("apiVersion", "kind", "metadata", "name")) == (
        "apiVersion: v1\nkind: K\nspec:\n  metadata:\n    name: a\n    labels: {}\n  z:\n    - name: p\n      args: []\n      image: i\n"
    )


def test_the_order_of_entries_in_the_data_does_not_matter() -> None:
    entries = [(text, text) for text in bulk()]
    assert dump(dict(entries)) == dump(dict(reversed(entries)))


@pytest.mark.parametrize(
    ("document", "written"),
    [
        (None, "null\n"),
        ({}, "{}\n"),
        ([], "[]\n"),
        ("a", "a\n"),
        ("a\nb", "|-\n  a\n  b\n"),
        (True, "true\n"),
        (1e16, "1.0e+16\n"),
        (1e-7, "1.0e-07\n"),
    ],
)
def test_a_document_that_is_no_mapping(document: Data, written: str) -> None:
    assert dump(document) == written
    assert same(yaml.safe_load(written), document)


def test_the_mark_keeps_a_dollar_single_for_compose_alone() -> None:
    document: Data = {"$k": ["$a", Interpolated("${A:?missing}")], "b": Interpolated("x\n${A}\n")}
    assert dump(document, compose=True) == '"$k":\n  - "$$a"\n  - "${A:?missing}"\nb: |\n  x\n  ${A}\n'
    assert dump(document) == '"$k":\n  - "$a"\n  - "${A:?missing}"\nb: |\n  x\n  ${A}\n'


class Other(str):
    """A string of a type that the emitter does not know."""


@pytest.mark.parametrize(
    ("document", "kind", "path", "name"),
    [
        ({"a": [{"b": {1}}]}, TypeError, "a[0].b", "set "),
        ({"a": {"b": b"x"}}, TypeError, "a.b", "bytes "),
        ([[object()]], TypeError, "[0][0]", "object "),
        (Path("/"), TypeError, "the document", "PosixPath "),
        ({"a": Other("x")}, TypeError, "a", "Other "),
        ({"a": {1: "x"}}, TypeError, "a.1", "not int"),
        ({"a": {None: "x"}}, TypeError, "a.None", "not NoneType"),
        ({"a": {1: "x", "b": "y"}}, TypeError, "a", "keys"),
        ({"a": "\ud83d"}, ValueError, "a", "surrogate pair"),
        ({"a": "\ud83d\nb"}, ValueError, "a", "surrogate pair"),
        ({"a": [2**63]}, ValueError, "a[0]", "64 bits"),
        ({"a": float("inf")}, ValueError, "a", "inf "),
        ({"a": float("nan")}, ValueError, "a", "nan "),
    ],
)
def test_what_cannot_be_written_is_refused_with_its_path(document: Any, kind: type[Exception], path: str, name: str) -> None:
    with pytest.raises(kind) as refused:
        dump(document)
    assert type(refused.value) is kind
    assert str(refused.value).startswith(f"{path}: ")
    assert name in str(refused.value)


def tool(*command: str, given: str, folder: Path, **environment: str) -> str:
    """Return what a platform's own tool prints about `given`; a tool that is missing or refuses is a failure, never a skip."""
    name = shutil.which(command[0])
    if name is None:
        pytest.fail(f"{command[0]} is not installed: these tests need Docker Compose and kubectl, neither needs an engine")
    done = subprocess.run(
        [name, *command[1:]],
        input=given.encode(),
        capture_output=True,
        cwd=folder,
        timeout=50,
        # Nothing of this machine's own settings: no kubeconfig, no .env, no Docker context.
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "KUBECONFIG": os.devnull, **environment},
    )
    if done.returncode != 0:
        pytest.fail(f"{' '.join(command)} failed, or is not installed: {done.stderr.decode(errors='replace')[:2000]}")
    return done.stdout.decode()


def compose_config(document: Data, folder: Path, **environment: str) -> dict[str, Any]:
    """Return the project as Compose understands it; it prints every `$` doubled, of keys too, so that its output can be its input."""
    text = tool(
        "docker", "compose", "-f", "-", "config", "--format", "json", given=dump(document, compose=True), folder=folder, **environment
    )
    assert re.search(r"(?<!\$)(\$\$)*\$(?!\$)", text) is None
    project = json.loads(text.replace("$$", "$"))
    assert isinstance(project, dict)
    return project


@pytest.mark.render
def test_2000_strings_reach_compose_unchanged(tmp_path: Path) -> None:
    texts = bulk()
    named = {f"K{i}": text for i, text in enumerate(texts)}
    # Compose takes a key that begins with `x-` for an extension, hence the `k` before each.
    service = {"image": "a", "environment": named, "labels": named, "command": texts, "entrypoint": texts}
    document: dict[str, Any] = {
        "name": "bulk",
        "services": {
            "list": service,
            "keys": {"image": "a", "labels": {f"k{text}": text for text in texts}, "configs": [f"c{i}" for i in range(len(texts))]},
        },
        "configs": {f"c{i}": {"content": text} for i, text in enumerate(texts)},
        "x-keys": {text: [text] for text in texts},
    }
    project = compose_config(document, tmp_path)
    read = project["services"]["list"]
    assert read["environment"] == named
    assert read["labels"] == named
    assert read["command"] == texts
    assert read["entrypoint"] == texts
    assert project["services"]["keys"]["labels"] == document["services"]["keys"]["labels"]
    # An empty content is left out of the output.
    assert {name: config.get("content", "") for name, config in project["configs"].items()} == {
        f"c{i}": text for i, text in enumerate(texts)
    }
    assert project["x-keys"] == document["x-keys"]


@pytest.mark.render
def test_compose_fills_in_what_is_marked(tmp_path: Path) -> None:
    named = {"A": Interpolated("${PORTABLE_A:?missing}"), "B": "${PORTABLE_A:?missing}", "C": Interpolated("x\n$PORTABLE_A\n")}
    project = compose_config({"name": "marked", "services": {"a": {"image": "a", "environment": named}}}, tmp_path, PORTABLE_A="1e3 $$ 'x'")
    assert project["services"]["a"]["environment"] == {"A": "1e3 $$ 'x'", "B": "${PORTABLE_A:?missing}", "C": "x\n1e3 $$ 'x'\n"}


@pytest.mark.render
def test_2000_strings_reach_kubernetes_unchanged(tmp_path: Path) -> None:
    texts = bulk()
    environment = [{"name": f"K{i}", "value": text} for i, text in enumerate(texts)]
    container = {"name": "a", "image": "a", "args": texts, "command": texts, "env": environment}
    written: list[Any] = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {f"k{i}": text for i, text in enumerate(texts)}},
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": "b", "annotations": {text: text for text in texts}},
            "data": {"k": "v"},
        },
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [container]}},
    ]
    # `kubectl label --local` reads and prints objects without a server; most verbs, even with a client's dry run, ask one first.
    command = ("kubectl", "label", "--local", "--dry-run=client", "-f", "-", "-o", "json", "portable=test")
    printed = tool(*command, given=dump_all(written, first=("apiVersion", "kind", "metadata", "name")), folder=tmp_path)
    decoder, read, place = json.JSONDecoder(), [], 0
    while place < len(printed.rstrip()):
        item, place = decoder.raw_decode(printed, place)
        read.append(item)
        place = len(printed) - len(printed[place:].lstrip())
    assert [(item["kind"], item["metadata"]["name"]) for item in read] == [("ConfigMap", "a"), ("ConfigMap", "b"), ("Pod", "a")]
    assert read[0]["data"] == {f"k{i}": text for i, text in enumerate(texts)}
    assert read[1]["metadata"]["annotations"] == {text: text for text in texts}
    pod = read[2]["spec"]["containers"][0]
    assert pod["args"] == texts
    assert pod["command"] == texts
    # An empty value is left out of an object, which means the same.
    assert [(entry["name"], entry.get("value", "")) for entry in pod["env"]] == [(entry["name"], entry["value"]) for entry in environment]
