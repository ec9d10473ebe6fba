"""The loader: what a file says and where, and each mistake with its place, all of a file at once."""

import gc
import json
from pathlib import Path
from typing import Annotated, Any, Literal

import jsonschema
import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Meta
from yaml import Mark, MarkedYAMLError

from portable.formats import parse
from portable.formats.document import LARGEST_FILE
from portable.formats.load import convert, load, read
from portable.formats.parse import DEEPEST, MOST_NODES
from portable.formats.schema import schema
from portable.model.errors import InputError
from portable.model.source import Mistake

Name = Annotated[str, Meta(pattern="^[a-z][a-z0-9-]*$", description="lower case letters, digits and dashes")]


class Facts(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    """Base."""


class Image(Facts, frozen=True, kw_only=True):
    """What runs."""

    repository: Annotated[str, Meta(min_length=1, description="without a tag")]
    tag: str


class Folder(Facts, tag="folder", frozen=True, kw_only=True):
    """A directory."""

    path: str


class Share(Facts, tag="share", frozen=True, kw_only=True):
    """A share of a server."""

    server: str
    protocol: Literal["smb", "nfs"] = "smb"


class Secret(Facts, frozen=True, kw_only=True):
    """A value from elsewhere."""

    secret: Name


class Port(Facts, frozen=True, kw_only=True):
    """A port; a public one has a number above 1023."""

    number: Annotated[int, Meta(ge=1, le=65535)]
    public: bool = False

    def __post_init__(self) -> None:
        if self.public and self.number < 1024:
            raise ValueError("a public port is above 1023")


class Container(Facts, frozen=True, kw_only=True):
    """A container."""

    image: Image
    root_start: bool = False
    env: dict[str, str | Secret] = {}
    args: tuple[str, ...] = ()
    ports: dict[Name, Port] = {}
    place: Folder | Share | None = None
    after: Literal["started", "ready"] | tuple[Literal["started", "ready"], ...] | None = None
    weight: float = 1.0


class App(Facts, frozen=True, kw_only=True):
    """An app."""

    name: Name
    egress: Literal["vpn", "direct"] = "direct"
    containers: dict[Name, Container] = {}
    about: str | None = None


GOOD = b"""\
# an app
name: sonarr
egress: vpn
containers:
  main:
    image: {repository: lscr.io/linuxserver/sonarr, tag: "4.0"}
    root-start: true
    env:
      A: "1"
      B: {secret: key}
    args: [a, 'b']
    ports:
      web: {number: 8989}
    place: {type: share, server: nas}
    after: ready
    weight: 2
"""


def mistakes(content: bytes, kind: type[Any] | None = None) -> InputError | None:
    """Return what is wrong with a file `f`, read alone or as a `kind`."""
    try:
        if kind is None:
            load(("f", content))
        else:
            read(("f", content), kind)
    except InputError as error:
        return error
    return None


def found(text: str | bytes, kind: type[Any] | None = None) -> tuple[Mistake, ...]:
    """Return the mistakes of a file `f`; fails where there are none."""
    error = mistakes(text.encode() if isinstance(text, str) else text, kind)
    assert error is not None
    return error.mistakes


def listed(text: str, kind: type[Any] | None = None) -> list[str]:
    """Return place, path and code of each mistake of a file `f`."""
    return [f"{mistake.source} {mistake.path} {mistake.code}" for mistake in found(text, kind)]


def container(text: str) -> tuple[Mistake, ...]:
    """Return the mistakes of a container that has an image and these lines, the first of which is line 5."""
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return found(f"name: a\ncontainers:\n  main:\n    image: {{repository: r, tag: t}}\n{indented}", App)


# --- what a file says


def test_a_good_file_becomes_its_type() -> None:
    app, document = read(("f", GOOD), App)
    main = app.containers["main"]
    assert (app.name, app.egress, app.about) == ("sonarr", "vpn", None)
    assert main == Container(
        image=Image(repository="lscr.io/linuxserver/sonarr", tag="4.0"),
        root_start=True,
        env={"A": "1", "B": Secret(secret="key")},
        args=("a", "b"),
        ports={"web": Port(number=8989)},
        place=Share(server="nas"),
        after="ready",
        weight=2.0,
    )
    assert convert(document, App) == app


def test_every_key_and_value_has_its_place() -> None:
    document = load(("f", GOOD))
    assert str(document.source()) == "f:2:1"
    assert str(document.key(("name",))) == "f:2:1"
    assert str(document.source(("name",))) == "f:2:7"
    assert str(document.key(("containers", "main", "image"))) == "f:6:5"
    assert str(document.source(("containers", "main", "image", "tag"))) == "f:6:58"
    assert str(document.source(("containers", "main", "args", 1))) == "f:11:15"
    assert str(document.key(("containers", "main", "args", 1))) == "f:11:15"
    assert document.mistake(("containers", "main", "args", 1), "no").path == "containers.main.args[1]"


def test_what_is_not_there_has_the_place_of_what_is_around_it() -> None:
    document = load(("f", GOOD))
    assert document.key(("containers", "main", "absent", "x")) == document.key(("containers", "main"))
    assert document.source(("containers", "main", "args", 7)) == document.source(("containers", "main", "args"))
    assert document.source(("name", "x")) == document.source(("name",))


def test_a_place_after_characters_of_several_bytes_counts_characters() -> None:
    assert str(load(("f", "ä: {日本: 😀, b: c}\n".encode())).source(("ä", "b"))) == "f:1:15"


def test_a_file_is_read_from_disk(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_bytes(b"\xef\xbb\xbfname: a\r\negress: b\r\n")
    document = load(file)
    assert document.data == {"name": "a", "egress": "b"}
    assert document.file == str(file)
    assert str(document.source(("egress",))) == f"{file}:2:9"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *[("true", True), ("false", False), ("null", None), ("~", None), ("", None)],
        *[(text, text) for text in ("yes", "no", "on", "off", "y", "n", "Yes", "True", "FALSE", "Null", "NULL", "None")],
        *[("0", 0), ("-0", 0), ("12", 12), ("-12", -12), ("+5", 5), ("9223372036854775807", 2**63 - 1)],
        *[("1.5", 1.5), ("-0.5", -0.5), (".5", 0.5), ("1.", 1.0), ("1e3", 1000.0), ("1.5E-3", 0.0015), ("1e-400", 0.0)],
        *[(text, text) for text in ("017", "0o17", "0x1F", "0b11", "1_000", "12:30", "12:30:45", "2001-01-01", "2001-12-14t21:59:43Z")],
        *[(text, text) for text in (".inf", "-.inf", ".nan", "inf", "1e", "e3", "+", "-x", ".", "1.2.3", "=", "a:b", "5Gi", "01.5")],
        *[("'true'", "true"), ('"1"', "1"), ("! 1", "1"), ("!!str 1", "1"), ("!!int 1", 1), ("!!float 1.5", 1.5), ("!!bool true", True)],
        *[
            ("!!null", None),
            ("''", ""),
            ("|\n  a\n  b\n", "a\nb\n"),
            (">-\n  a\n  b\n", "a b"),
            ("[]", []),
            ("!!seq []", []),
            ("!!map {}", {}),
        ],
        *[('"\\u00e4\\U0001f600"', "ä😀"), ("a # b", "a"), ("a#b", "a#b")],
    ],
)
def test_values(text: str, value: Any) -> None:
    found = load(("f", f"k: {text}".encode())).data["k"]
    assert type(found) is type(value)
    assert found == value


def test_an_alias_is_what_it_names() -> None:
    document = load(("f", b"a: &x {b: [1]}\nc: *x\nd: [*x]\n&k e: *k\n"))
    assert document.data == {"a": {"b": [1]}, "c": {"b": [1]}, "d": [{"b": [1]}], "e": "e"}
    assert str(document.source(("c",))) == "f:2:4"
    assert str(document.source(("c", "b", 0))) == "f:1:12"


def test_the_collector_is_left_as_it_was() -> None:
    load(("f", GOOD))
    assert gc.isenabled()
    found("a: [")
    assert gc.isenabled()
    gc.disable()
    try:
        load(("f", GOOD))
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- mistakes of the file


@pytest.mark.parametrize(
    ("text", "place", "code", "names"),
    [
        (b"", "f:1:1", "yaml.empty", ()),
        (b"\n# only a comment\n", "f:1:1", "yaml.empty", ()),
        (b"---\n", "f:1:1", "yaml.empty", ()),
        (b"- a\n", "f:1:1", "yaml.top-level", ("list",)),
        (b"\nhello\n", "f:2:1", "yaml.top-level", ("`hello`",)),
        (b"a: 1\n---\nb: 1\n", "f:2:1", "yaml.several-documents", ("`---`",)),
        (b"a: b\xff\n", "f:1:5", "yaml.encoding", ("0xff",)),
        ("a: ä\nb: c".encode("utf-16"), "f:1:1", "yaml.encoding", ("0xff",)),
        (b"a: b\nc: \x00\n", "f:2:4", "yaml.character", ("U+0000",)),
        (b"\x89PNG\r\n\x1a\n", "f:1:1", "yaml.encoding", ("0x89",)),
        (b"a:\n\tb: 1\n", "f:2:1", "yaml.tab", ("spaces",)),
        (b"a:\n  - b\n\t- c\n", "f:3:1", "yaml.tab", ()),
        (b"a: |\n\tb\n", "f:2:1", "yaml.tab", ()),
        (b"a: b: c\n", "f:1:5", "yaml.indentation", ("`:`",)),
        (b"a: 1\n  b: 2\n", "f:2:4", "yaml.indentation", ("`:`",)),
        (b"a: @b\n", "f:1:4", "yaml.special-character", ("`@`",)),
        (b"a: `b`\n", "f:1:4", "yaml.special-character", ("```",)),
        (b"a: - b\n", "f:1:4", "yaml.indentation", ("list", "line of its own")),
        (b"a: 1\n- b\n", "f:2:1", "yaml.indentation", ("mapping above",)),
        (b"a: 1\nb\n", "f:3:1", "yaml.indentation", ("`:`", "`key: value`")),
        (b"a:\n  - b\n  c: 1\n", "f:3:3", "yaml.indentation", ("list above",)),
        (b"  a: 1\n b: 2\n", "f:2:2", "yaml.indentation", ("first mapping",)),
        (b"a: [1\nb: 2\n", "f:2:2", "yaml.unclosed", ("`]`", "`,`")),
        (b"a: {b: 1\n", "f:2:1", "yaml.unclosed", ("`}`", "`,`")),
        (b"a: [1,\n", "f:2:1", "yaml.unclosed", ("value is missing",)),
        (b"a: 'b\n", "f:2:1", "yaml.unclosed", ("quotes",)),
        (b'a: "\\q"\n', "f:1:5", "yaml.escape", ("`\\`",)),
        (b'a: "\\ud83d\\ude00"\n', "f:1:7", "yaml.escape", ("`\\u`",)),
        (b"%YAML 9.9\n---\na: 1\n", "f:1:1", "yaml.version", ("%YAML",)),
        (b"a: !x!y z\n", "f:1:4", "yaml.tag", ("`!`",)),
        (b"a: !x b\n", "f:1:4 a", "yaml.tag", ("`!x`",)),
        (b"a: !!python/object:os.system {}\n", "f:1:4 a", "yaml.tag", ("`!!python/object:os.system`",)),
        (b"a: !!timestamp 2001-01-01\n", "f:1:4 a", "yaml.tag", ("`!!timestamp`",)),
        (b"a: !!seq {}\n", "f:1:4 a", "yaml.tag", ("`!!seq`",)),
        (b"a: !!int b\n", "f:1:4 a", "yaml.tag", ("`b`", "`!!int`")),
        (b"a: [{<<: {b: 1}}]\n", "f:1:6 a[0]", "yaml.merge-key", ("`<<`",)),
        (b"a: {80: b}\n", "f:1:5 a", "yaml.key-type", ('"80"', "`80`")),
        (b"true: b\n", "f:1:1", "yaml.key-type", ('"true"', "`true`")),
        (b"a: {~: b}\n", "f:1:5 a", "yaml.key-type", ("nothing", '"~"')),
        (b"a: *\n", "f:1:5", "yaml.alias", ("`&`", "`*`")),
        (b"a: !!\n", "f:1:6", "yaml.tag", ("`!`",)),
        (b"a: |x\n", "f:1:5", "yaml.special-character", ("`|`", "`>`")),
        (b"a: {{ b }}\n", "f:1:5 a", "yaml.key-type", ("not a mapping",)),
        (b"? [a]\n: b\n", "f:1:3", "yaml.key-type", ("not a list",)),
        (b"a: &x [1]\n*x : b\n", "f:2:1", "yaml.key-type", ("not list",)),
        (b"a: *x\n", "f:1:4 a", "yaml.alias", ("`*x`", "`&x`", "`*`")),
        (b"a: &x [1, *x]\n", "f:1:11 a[1]", "yaml.alias", ("`*x`",)),
        (b"a: 9223372036854775808\n", "f:1:4 a", "yaml.number", ("64 bits",)),
        (b"a: " + b"9" * 6000, "f:1:4 a", "yaml.number", ("64 bits",)),
        (b"a: 1e400\n", "f:1:4 a", "yaml.number", ("too large",)),
    ],
)
def test_a_mistake_of_the_file(text: bytes, place: str, code: str, names: tuple[str, ...]) -> None:
    (mistake,) = found(text)
    assert (f"{mistake.source} {mistake.path}".strip(), mistake.code) == (place, code)
    assert [name for name in names if name not in str(mistake)] == []
    assert mistake.remedy


def test_every_duplicate_key_is_reported_with_the_line_of_the_first() -> None:
    mistakes = found("a: 1\nb: {c: 1, c: 2}\na: 2\nd: [{e: 1, e: 1}]\na: 3\n")
    assert {mistake.code for mistake in mistakes} == {"yaml.duplicate-key"}
    assert [(str(mistake.source), mistake.path, mistake.remedy.rpartition(" ")[2]) for mistake in mistakes] == [
        ("f:2:11", "b.c", "2"),
        ("f:3:1", "a", "1"),
        ("f:4:12", "d[0].e", "4"),
        ("f:5:1", "a", "3"),
    ]
    assert all(f"`{mistake.path[-1]}`" in mistake.text for mistake in mistakes)


def test_mistakes_before_broken_syntax_are_reported_with_it() -> None:
    assert listed("a: 1\na: 2\nb: @\n") == ["f:2:1 a yaml.duplicate-key", "f:3:4  yaml.special-character"]


@pytest.mark.parametrize("name", ["/no/such/file.yaml", "/", "a\0b"])
def test_a_file_that_cannot_be_read_is_a_mistake(name: str) -> None:
    with pytest.raises(InputError) as caught:
        load(Path(name))
    (mistake,) = caught.value.mistakes
    assert (mistake.source.file, mistake.source.line, mistake.code) == (str(Path(name)), 1, "file.unreadable")


def test_a_file_that_is_too_large_is_refused() -> None:
    content = b"a: 1\n" + b"#" * LARGEST_FILE
    (mistake,) = found(content)
    assert (str(mistake.source), mistake.code) == ("f:1:1", "yaml.size")
    assert "4 MiB" in mistake.text


def test_nesting_is_bounded() -> None:
    deepest = DEEPEST
    assert load(("f", b"a: " + b"[" * (deepest - 1) + b"]" * (deepest - 1))).data["a"]
    for text in (
        "a: " + "[" * deepest,
        "a: " + "[" * 1_000_000,
        "a: " + "{a: " * deepest,
        "".join(" " * i + "a:\n" for i in range(deepest + 1)),
    ):
        (mistake,) = found(text)
        assert mistake.code == "yaml.nesting"
        assert f"{deepest} levels" in mistake.text
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    (mistake,) = found(chain)
    assert (str(mistake.source), mistake.path, mistake.code) == (f"f:{deepest}:12", f"a{deepest - 1}[0]", "yaml.nesting")
    assert f"{deepest} levels by an alias" in mistake.text


class Scripted:
    """A parser that fails at once, with a sentence."""

    said = MarkedYAMLError()

    def __init__(self, _text: str) -> None:
        pass

    def get_event(self) -> object:
        raise self.said


@pytest.mark.parametrize(
    ("context", "problem", "message"),
    [
        (None, "frobnicated the widget", "frobnicated the widget"),
        ("while frobnicating", "found a widget", "found a widget, while frobnicating"),
        ("while frobnicating", None, "no reason given, while frobnicating"),
    ],
)
def test_an_unknown_sentence_of_libyaml_has_a_place_and_a_remedy(
    context: str | None, problem: str | None, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark("f", 8, 1, 2, None, 0)
    monkeypatch.setattr(Scripted, "said", MarkedYAMLError(context, None, problem, mark))
    monkeypatch.setattr(parse, "CParser", Scripted)
    with pytest.raises(InputError) as caught:
        load(("f", b"a: 1\nb: 2\n"))
    (mistake,) = caught.value.mistakes
    assert (mistake.source.line, mistake.source.column, mistake.code) == (2, 3, "yaml.syntax")
    assert mistake.text.endswith(message)
    assert "indentation" in mistake.remedy


def test_the_limit_of_libyaml_is_reported_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of libyaml 0.2.6, which PyYAML 6.0.4 brings."""
    problem = "exceeded maximum nesting depth"
    monkeypatch.setattr(Scripted, "said", MarkedYAMLError("while increasing flow level", None, problem, Mark("f", 0, 0, 1003, None, 0)))
    monkeypatch.setattr(parse, "CParser", Scripted)
    (mistake,) = found("a: 1\n")
    assert (str(mistake.source), mistake.code) == ("f:1:1004", "yaml.nesting")
    assert f"{DEEPEST} levels" in mistake.text


def test_aliases_cannot_multiply_without_bound() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    (mistake,) = found(bomb)
    assert (mistake.source.line, mistake.code) == (6, "yaml.size")
    assert str(MOST_NODES) in mistake.text
    (mistake,) = found("a:\n" + "- b\n" * (MOST_NODES + 1))
    assert mistake.code == "yaml.size"
    assert str(MOST_NODES) in mistake.text


# --- mistakes of a type


@pytest.mark.parametrize(
    ("text", "place", "code", "names", "hint"),
    [
        ("imge: x", "f:5:5 imge", "value.unknown-key", ("`imge`", "image, root-start, env, args, ports, place, after, weight"), "`image`"),
        ("root-strat: true", "f:5:5 root-strat", "value.unknown-key", ("`root-strat`", "image, root-start, env"), "`root-start`"),
        ("root-start: yes", "f:5:17 root-start", "value.type", ("true or false", "string `yes`"), "write true or false"),
        ("root-start: 1", "f:5:17 root-start", "value.type", ("true or false", "integer `1`"), ""),
        ("root-start:", "f:5:5 root-start", "value.type", ("true or false", "nothing"), "remove the key"),
        ("args: a b", "f:5:11 args", "value.type", ("list", "string `a b`"), "list: [...]"),
        ("args: [a, 5]", "f:5:15 args[1]", "value.type", ("string", "integer `5`"), "in quotes"),
        ("args: {a: b}", "f:5:11 args", "value.type", ("list", "mapping"), ""),
        ("args:\n  - a\n  - [b]", "f:7:9 args[1]", "value.type", ("string", "list"), ""),
        ("weight: heavy", "f:5:13 weight", "value.type", ("number", "string `heavy`"), ""),
        ("weight: '5.5'", "f:5:13 weight", "value.type", ("number", "string `5.5`"), "without quotes"),
        ("ports: {web: {number: '80'}}", "f:5:27 ports.web.number", "value.type", ("integer", "string `80`"), "without quotes"),
        ("ports: {web: {number: 80.0}}", "f:5:27 ports.web.number", "value.type", ("integer", "number `80.0`"), ""),
        ("ports: {web: {number: 0}}", "f:5:27 ports.web.number", "value.range", ("at least 1", "`0`"), ""),
        ("ports: {web: {number: 65536}}", "f:5:27 ports.web.number", "value.range", ("at most 65535", "`65536`"), ""),
        ("ports: {web: {}}", "f:5:13 ports.web", "value.missing-key", ("`number`",), "add `number:`"),
        ("ports: {Web: {number: 1}}", "f:5:13 ports.Web", "value.key", ("`Web`", "`^[a-z][a-z0-9-]*$`"), "letters, digits and dashes"),
        ("env: {A: 5}", "f:5:14 env.A", "value.type", ("string or mapping", "integer `5`"), "in quotes"),
        ("env: {A: [x]}", "f:5:14 env.A", "value.type", ("string or mapping", "list"), ""),
        ("env: {A: {secret: x, kye: y}}", "f:5:26 env.A.kye", "value.unknown-key", ("`kye`", "secret"), ""),
        ("env: {A: {secret: X}}", "f:5:23 env.A.secret", "value.format", ("`X`", "`^[a-z][a-z0-9-]*$`"), "letters, digits and dashes"),
        ("place: /mnt", "f:5:12 place", "value.type", ("mapping", "string `/mnt`"), ""),
        ("place: {path: /mnt}", "f:5:5 place", "value.missing-key", ("`type`",), "add `type:`, one of `folder`, `share`"),
        ("place: {type: shared}", "f:5:19 place.type", "value.choice", ("`folder`", "`share`", "`shared`"), "`share`"),
        ("place: {type: 5}", "f:5:19 place.type", "value.choice", ("`folder`", "`share`", "`5`"), ""),
        ("place: {type: share, server: 5}", "f:5:34 place.server", "value.type", ("string", "integer `5`"), "in quotes"),
        ("place: {type: share, server: a, protocol: ftp}", "f:5:47 place.protocol", "value.choice", ("`nfs`", "`smb`", "`ftp`"), ""),
        ("place: {type: folder, path: a, server: b}", "f:5:36 place.server", "value.unknown-key", ("`server`", "type, path"), ""),
        ("after: redy", "f:5:12 after", "value.choice", ("`ready`", "`started`", "`redy`"), "`ready`"),
        ("after: [started, rdy]", "f:5:22 after[1]", "value.choice", ("`ready`", "`started`", "`rdy`"), "`ready`"),
        ("after: 5", "f:5:12 after", "value.type", ("`ready`, `started` or list", "integer `5`"), "list: [...]"),
        ("ports: {web: {number: 80, public: true}}", "f:5:13 ports.web", "value.rule", ("above 1023",), ""),
    ],
)  # fmt: skip
def test_a_mistake_of_a_value(text: str, place: str, code: str, names: tuple[str, ...], hint: str) -> None:
    """`place` is without `containers.main`; the text has the names in that order; without a hint there is no remedy."""
    (mistake,) = container(text)
    where, _, steps = place.partition(" ")
    assert (str(mistake.source), mistake.code) == (where, code)
    assert mistake.path == f"containers.main.{steps}"
    positions = [mistake.text.find(name) for name in names]
    assert positions == sorted(positions)
    assert -1 not in positions
    assert (hint in mistake.remedy) if hint else not mistake.remedy


def test_a_missing_key_is_reported_where_its_mapping_is_named() -> None:
    name, repository = found("containers:\n  main:\n    image:\n      tag: t\n", App)
    assert (str(name.source), name.path, name.code) == ("f:1:1", "", "value.missing-key")
    assert (str(repository.source), repository.path, repository.code) == ("f:3:5", "containers.main.image", "value.missing-key")
    assert "`name`" in name.text
    assert "lower case letters" in name.remedy
    assert "`repository`" in repository.text
    assert "without a tag" in repository.remedy


def test_all_mistakes_of_a_file_are_reported_at_once_in_order_of_line() -> None:
    text = """\
egres: vpn
containers:
  main:
    image: {repository: "", tag: 5.10}
    root-start: on
    env: {A: true, A: b}
  Side:
    image: lscr.io/x
about: [x]
"""
    assert listed(text, App) == [
        "f:1:1  value.missing-key",
        "f:1:1 egres value.unknown-key",
        "f:4:25 containers.main.image.repository value.length",
        "f:4:34 containers.main.image.tag value.type",
        "f:5:17 containers.main.root-start value.type",
        "f:6:20 containers.main.env.A yaml.duplicate-key",
        "f:7:3 containers.Side value.key",
        "f:8:12 containers.Side.image value.type",
        "f:9:8 about value.type",
    ]


def test_a_check_in_code_is_reported_with_its_entry() -> None:
    text = """\
name: a
containers:
  b:
    image: {repository: r, tag: t}
  d:
    image: {repository: r, tag: t}
    ports:
      x: {number: 80}
      y: {number: 80, public: true}
"""
    (mistake,) = found(text, App)
    assert (str(mistake.source), mistake.path, mistake.code) == ("f:9:7", "containers.d.ports.y", "value.rule")
    assert mistake.text == "a public port is above 1023"  # the sentence of the type Port above


def test_a_mistake_that_is_repeated_by_an_alias_is_reported_once_for_each_place() -> None:
    text = "name: a\ncontainers:\n  b: &b {image: {repository: r, tag: 1}}\n  c: *b\n"
    assert [mistake.path for mistake in found(text, App)] == ["containers.b.image.tag", "containers.c.image.tag"]


def test_long_values_are_shortened_and_hidden_characters_shown() -> None:
    (mistake,) = found(f'name: "{"X" * 500}\\n\\u202e"\n', App)
    assert len(str(mistake)) < 250
    (mistake,) = found('name: "a\\nb\\u202e"\n', App)
    assert "`a\\nb\\u202e`" in mistake.text
    assert all(str(mistake).isprintable() for mistake in found('"\\e[31m": {"\\e": 1, "\\e": 2}\na: !%1b[0m x\n', App))


# --- for editors


def test_the_schema_has_title_and_texts_and_agrees_with_the_reader() -> None:
    made = schema(App)
    assert made["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert (made["title"], made["description"]) == ("App", "An app.")
    assert made["$defs"]["Share"]["description"] == "A share of a server."
    assert made["$defs"]["Image"]["properties"]["repository"]["description"] == "without a tag"
    jsonschema.Draft202012Validator.check_schema(made)
    assert json.loads(json.dumps(made)) == made
    jsonschema.Draft202012Validator(made).validate(load(("f", GOOD)).data)


# --- anything at all


def check(content: bytes) -> None:
    """Read arbitrary bytes: they are an App, or their mistakes each have a place."""
    for error in (mistakes(content), mistakes(content, App)):
        if error is not None:
            assert error.mistakes
            assert all(mistake.source.line >= 1 and mistake.source.column >= 1 and mistake.text for mistake in error.mistakes)
            assert list(error.mistakes) == sorted(error.mistakes, key=lambda mistake: (mistake.source.line, mistake.source.column))


@given(st.binary(max_size=200))
@settings(max_examples=500, deadline=None)
@example(b"a: *b")
@example(b"*a : b")
@example(b"? ? ? a")
def test_arbitrary_bytes_are_no_surprise(content: bytes) -> None:
    check(content)


CRUMBS = (
    *(
        "a",
        "b: ",
        ": ",
        "- ",
        "? ",
        "[",
        "]",
        "{",
        "}",
        ",",
        "\n",
        "\n  ",
        "\t",
        "&x ",
        "*x",
        "!!str ",
        "!t ",
        "<<",
        "'",
        '"',
        "|",
        ">",
        "#",
    ),
    *("%", "@", "---\n", "...\n", "1", "1e3", "~", "\\", "ä", "\u2028", "\ufeff", "\r"),
)


@given(st.lists(st.sampled_from(CRUMBS), max_size=30).map("".join))
@settings(max_examples=1000, deadline=None)
def test_arbitrary_yaml_is_no_surprise(text: str) -> None:
    check(text.encode())


@given(st.data())
@settings(max_examples=500, deadline=None)
def test_a_damaged_file_is_no_surprise(data: st.DataObject) -> None:
    content = bytearray(GOOD)
    for _ in range(data.draw(st.integers(1, 6))):
        at = data.draw(st.integers(0, len(content) - 1))
        end = at + data.draw(st.integers(0, 12))
        content[at:end] = data.draw(
            st.sampled_from([b"", b"\n", b"\t", b":", b"'", b"{", b"}", b"- ", b"\xff", b"5", b"true", b"&a ", b"*a", b"  "])
        )
    check(bytes(content))


values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-10, 70000)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.sampled_from(["a", "", "share", "ready", "R"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["image", "type", "tag", "path", "server", "secret", "A", "main", "number", "public"]), inner, max_size=3
        )
    ),
    max_leaves=6,
)


@given(st.data(), st.lists(st.sampled_from(["name", "egress", "containers", "about"]), min_size=1, max_size=2), values)
@settings(max_examples=300, deadline=None)
def test_wrong_values_anywhere_are_reported(data: st.DataObject, keys: list[str], value: Any) -> None:
    good = load(("f", GOOD)).data
    main: dict[str, Any] = {**good["containers"]["main"], data.draw(st.sampled_from(list(Container.__struct_encode_fields__))): value}
    changed = {**good, "containers": {"main": main}, **(dict.fromkeys(keys, value) if data.draw(st.booleans()) else {})}
    try:
        msgspec.convert(changed, App)
        right = True
    except msgspec.ValidationError:
        right = False
    error = mistakes(json.dumps(changed, indent=1).encode(), App)
    assert (error is None) == right
    assert error is None or all(mistake.source.line >= 1 for mistake in error.mistakes)
