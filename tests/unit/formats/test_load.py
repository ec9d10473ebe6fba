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
from portable.formats.load import convert, load, read
from portable.formats.parse import DEEPEST, LARGEST_FILE, MOST_NODES
from portable.formats.schema import schema
from portable.model.errors import InputError

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


def told(text: str | bytes, kind: type[Any] | None = None) -> list[str]:
    """Return what is said about a file `f`, line by line; fails where nothing is."""
    error = mistakes(text.encode() if isinstance(text, str) else text, kind)
    assert error is not None
    return str(error).splitlines()


def container(text: str) -> list[str]:
    """Return what is said about a container that has an image and these lines, the first of which is line 5."""
    indented = "".join(f"    {line}\n" for line in text.splitlines())
    return told(f"name: a\ncontainers:\n  main:\n    image: {{repository: r, tag: t}}\n{indented}", App)


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
    told("a: [")
    assert gc.isenabled()
    gc.disable()
    try:
        load(("f", GOOD))
        assert not gc.isenabled()
    finally:
        gc.enable()


# --- mistakes of the file


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (b"", "f:1:1: the file is empty"),
        (b"\n# only a comment\n", "f:1:1: the file is empty"),
        (b"---\n", "f:1:1: the file is empty"),
        (b"- a\n", "f:1:1: expected a mapping at the top, found list (begin with `key: value`)"),
        (b"\nhello\n", "f:2:1: expected a mapping at the top, found string `hello` (begin with `key: value`)"),
        (b"a: 1\n---\nb: 1\n", "f:2:1: a second document begins here (one file holds one document: remove the `---`, or split the file)"),
        (b"a: b\xff\n", "f:1:5: the file is no UTF-8 text: byte 0xff (save it as UTF-8)"),
        ("a: ä\nb: c".encode("utf-16"), "f:1:1: the file is no UTF-8 text: byte 0xff (save it as UTF-8)"),
        (b"a: b\nc: \0\n", 'f:2:4: the character U+0000 can\'t stand in YAML (write it as "\\u...." in double quotes)'),
        (b"\x89PNG\r\n\x1a\n", "f:1:1: the file is no UTF-8 text: byte 0x89 (save it as UTF-8)"),
        (b"a:\n\tb: 1\n", "f:2:1: a tab stands where the line is indented (indent with spaces)"),
        (b"a:\n  - b\n\t- c\n", "f:3:1: a tab stands where the line is indented (indent with spaces)"),
        (b"a: |\n\tb\n", "f:2:1: a tab stands where the line is indented (indent with spaces)"),
        (b"a: b: c\n", "f:1:5: a `:` stands where no key can be (check the indentation; a value that contains `: ` needs quotes)"),
        (b"a: 1\n  b: 2\n", "f:2:4: a `:` stands where no key can be (check the indentation; a value that contains `: ` needs quotes)"),
        (b"a: @b\n", "f:1:4: no value can begin with `@` (put the value in quotes)"),
        (b"a: `b`\n", "f:1:4: no value can begin with ``` (put the value in quotes)"),
        (b"a: - b\n", "f:1:4: a `-` stands where no list can begin (begin the list on a line of its own)"),
        (
            b"a: 1\n- b\n",
            "f:2:1: this fits nowhere: a key of the mapping above was expected (check the indentation, and the quotes before)",
        ),
        (b"a: 1\nb\n", "f:3:1: a key without a `:` (write `key: value`, and check the indentation)"),
        (b"a:\n  - b\n  c: 1\n", "f:3:3: this is no item of the list above (check the indentation)"),
        (b"  a: 1\n b: 2\n", "f:2:2: this is outside the mapping that the file begins with (check the indentation)"),
        (b"a: [1\nb: 2\n", "f:2:2: the list in brackets is not closed (add `]`, or a `,` between items)"),
        (b"a: {b: 1\n", "f:2:1: the mapping in braces is not closed (add `}`, or a `,` between entries)"),
        (b"a: [1,\n", "f:2:1: a value is missing here (close the bracket or brace, or write the value)"),
        (b"a: 'b\n", "f:2:1: the file ends inside a quoted text (close the quotes)"),
        (b'a: "\\q"\n', "f:1:5: an unknown `\\` sequence in a text in double quotes (double the `\\`, or use single quotes)"),
        (b'a: "\\ud83d\\ude00"\n', "f:1:7: a `\\u` escape that is no character (write the character itself)"),
        (b"%YAML 9.9\n---\na: 1\n", "f:1:1: the file asks for a version of YAML that is unknown here (remove the %YAML line)"),
        (b"a: !x!y z\n", "f:1:4: a value begins with an unknown `!` tag (remove it, or put the value in quotes)"),
        (b"a: !x b\n", "f:1:4: a: the tag `!x` is unknown (remove it)"),
        (b"a: !!python/object:os.system {}\n", "f:1:4: a: the tag `!!python/object:os.system` is unknown (remove it)"),
        (b"a: !!timestamp 2001-01-01\n", "f:1:4: a: the tag `!!timestamp` is unknown (remove it)"),
        (b"a: !!seq {}\n", "f:1:4: a: the tag `!!seq` is unknown (remove it)"),
        (b"a: !!int b\n", "f:1:4: a: `b` is not what its tag `!!int` says (remove the tag)"),
        (b"a: [{<<: {b: 1}}]\n", "f:1:6: a[0]: merge keys (`<<`) are not supported (write the keys out)"),
        (b"a: {80: b}\n", 'f:1:5: a: a key must be a string, not integer `80` (put it in quotes: "80")'),
        (b"true: b\n", 'f:1:1: a key must be a string, not boolean `true` (put it in quotes: "true")'),
        (b"a: {~: b}\n", 'f:1:5: a: a key must be a string, not nothing (put it in quotes: "~")'),
        (b"a: *\n", "f:1:5: a name must follow `&` or `*` (put a text that begins so in quotes)"),
        (b"a: !!\n", "f:1:6: a tag must follow `!` (put a text that begins so in quotes)"),
        (b"a: |x\n", "f:1:5: only a line break can follow `|` or `>` (put a text that begins so in quotes)"),
        (b"a: {{ b }}\n", "f:1:5: a: a key must be a string, not a mapping (put a text that begins with `{` or `[` in quotes)"),
        (b"? [a]\n: b\n", "f:1:3: a key must be a string, not a list (put a text that begins with `{` or `[` in quotes)"),
        (b"a: &x [1]\n*x : b\n", "f:2:1: a key must be a string, not list (put a text that begins with `{` or `[` in quotes)"),
        (b"a: *x\n", "f:1:4: a: the alias `*x` names nothing above it (put a text that begins with `*` in quotes)"),
        (b"a: &x [1, *x]\n", "f:1:11: a[1]: the alias `*x` stands inside what it names (write it out)"),
        (b"a: 9223372036854775808\n", "f:1:4: a: a number beyond 64 bits (put it in quotes if it is a name)"),
        (b"a: " + b"9" * 6000, "f:1:4: a: a number beyond 64 bits (put it in quotes if it is a name)"),
        (b"a: 1e400\n", "f:1:4: a: a number too large (put it in quotes if it is a name)"),
    ],
)
def test_a_mistake_of_the_file(text: bytes, said: str) -> None:
    assert told(text) == [said]


def test_every_key_that_stands_twice_is_told() -> None:
    assert told("a: 1\nb: {c: 1, c: 2}\na: 2\nd: [{e: 1, e: 1}]\na: 3\n") == [
        "f:2:11: b.c: the key `c` stands here for a second time (the first is in line 2: keep one)",
        "f:3:1: a: the key `a` stands here for a second time (the first is in line 1: keep one)",
        "f:4:12: d[0].e: the key `e` stands here for a second time (the first is in line 4: keep one)",
        "f:5:1: a: the key `a` stands here for a second time (the first is in line 3: keep one)",
    ]


def test_mistakes_before_broken_syntax_are_told_with_it() -> None:
    assert [line.split(": ", 1)[0] for line in told("a: 1\na: 2\nb: @\n")] == ["f:2:1", "f:3:4"]


@pytest.mark.parametrize("name", ["/no/such/file.yaml", "/", "a\0b"])
def test_a_file_that_cannot_be_read_is_a_mistake(name: str) -> None:
    with pytest.raises(InputError, match="the file can't be read") as caught:
        load(Path(name))
    assert caught.value.mistakes[0].source.line == 1


def test_a_file_that_is_too_large_is_refused() -> None:
    content = b"a: 1\n" + b"#" * LARGEST_FILE
    assert told(content) == ["f:1:1: the file is larger than 4 MiB (split it, or check that it's the right file)"]


def test_nesting_is_bounded() -> None:
    deepest = DEEPEST
    assert load(("f", b"a: " + b"[" * (deepest - 1) + b"]" * (deepest - 1))).data["a"]
    for text in (
        "a: " + "[" * deepest,
        "a: " + "[" * 1_000_000,
        "a: " + "{a: " * deepest,
        "".join(" " * i + "a:\n" for i in range(deepest + 1)),
    ):
        (line,) = told(text)
        assert line.endswith(f"nested deeper than {deepest} levels")
    chain = "a0: &a0 [x]\n" + "".join(f"a{i}: &a{i} [*a{i - 1}]\n" for i in range(1, 200))
    (line,) = told(chain)
    assert line == f"f:{deepest}:12: a{deepest - 1}[0]: nested deeper than {deepest} levels by an alias"


class Scripted:
    """A parser that fails at once, with a sentence."""

    said = MarkedYAMLError()

    def __init__(self, _text: str) -> None:
        pass

    def get_event(self) -> object:
        raise self.said


@pytest.mark.parametrize(
    ("context", "problem", "text"),
    [
        (None, "frobnicated the widget", "this is not valid YAML: frobnicated the widget"),
        ("while frobnicating", "found a widget", "this is not valid YAML: found a widget, while frobnicating"),
        ("while frobnicating", None, "this is not valid YAML: no reason given, while frobnicating"),
    ],
)
def test_an_unknown_sentence_of_libyaml_has_a_place_and_a_remedy(
    context: str | None, problem: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    mark = Mark("f", 8, 1, 2, None, 0)
    monkeypatch.setattr(Scripted, "said", MarkedYAMLError(context, None, problem, mark))
    monkeypatch.setattr(parse, "CParser", Scripted)
    with pytest.raises(InputError) as caught:
        load(("f", b"a: 1\nb: 2\n"))
    (mistake,) = caught.value.mistakes
    assert (mistake.source.line, mistake.source.column, mistake.text) == (2, 3, text)
    assert mistake.remedy.startswith("check the indentation")


def test_the_limit_of_libyaml_is_told_as_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of libyaml 0.2.6, which PyYAML 6.0.4 brings."""
    problem = "exceeded maximum nesting depth"
    monkeypatch.setattr(Scripted, "said", MarkedYAMLError("while increasing flow level", None, problem, Mark("f", 0, 0, 1003, None, 0)))
    monkeypatch.setattr(parse, "CParser", Scripted)
    assert told("a: 1\n") == [f"f:1:1004: nested deeper than {DEEPEST} levels"]


def test_aliases_cannot_multiply_without_bound() -> None:
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 10)}]\n" for i in range(1, 12))
    (line,) = told(bomb)
    assert line.endswith(f"more than {MOST_NODES} values, aliases written out")
    assert line.startswith("f:6:")
    (line,) = told("a:\n" + "- b\n" * (MOST_NODES + 1))
    assert "more than" in line


# --- mistakes of a type


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("imge: x", "f:5:5: containers.main.imge: unknown key `imge`; known: image, root-start, env, args, ports, "
                    "place, after, weight (did you mean `image`?)"),
        ("root-strat: true", "f:5:5: containers.main.root-strat: unknown key `root-strat`; known: image, root-start, env, args, ports, "
                             "place, after, weight (did you mean `root-start`?)"),
        ("root-start: yes", "f:5:17: containers.main.root-start: expected true or false, found string `yes` (write true or false)"),
        ("root-start: 1", "f:5:17: containers.main.root-start: expected true or false, found integer `1`"),
        ("root-start:", "f:5:5: containers.main.root-start: expected true or false, found nothing (write a value, or remove the key)"),
        ("args: a b", "f:5:11: containers.main.args: expected list, found string `a b` (write it as an item of a list: [...])"),
        ("args: [a, 5]", "f:5:15: containers.main.args[1]: expected string, found integer `5` (put it in quotes)"),
        ("args: {a: b}", "f:5:11: containers.main.args: expected list, found mapping"),
        ("args:\n  - a\n  - [b]", "f:7:9: containers.main.args[1]: expected string, found list"),
        ("weight: heavy", "f:5:13: containers.main.weight: expected number, found string `heavy`"),
        ("weight: '5.5'", "f:5:13: containers.main.weight: expected number, found string `5.5` (write it without quotes)"),
        ("ports: {web: {number: '80'}}", "f:5:27: containers.main.ports.web.number: expected integer, found string `80` "
                                        "(write it without quotes)"),
        ("ports: {web: {number: 80.0}}", "f:5:27: containers.main.ports.web.number: expected integer, found number `80.0`"),
        ("ports: {web: {number: 0}}", "f:5:27: containers.main.ports.web.number: it must be at least 1, found integer `0`"),
        ("ports: {web: {number: 65536}}", "f:5:27: containers.main.ports.web.number: it must be at most 65535, found integer `65536`"),
        ("ports: {web: {}}", "f:5:13: containers.main.ports.web: the key `number` is missing (add `number:`)"),
        ("ports: {Web: {number: 1}}", "f:5:13: containers.main.ports.Web: not a key that can stand here: string `Web` does not match "
                                      "`^[a-z][a-z0-9-]*$` (lower case letters, digits and dashes)"),
        ("env: {A: 5}", "f:5:14: containers.main.env.A: expected string or mapping, found integer `5` (put it in quotes)"),
        ("env: {A: [x]}", "f:5:14: containers.main.env.A: expected string or mapping, found list"),
        ("env: {A: {secret: x, kye: y}}", "f:5:26: containers.main.env.A.kye: unknown key `kye`; known: secret"),
        ("env: {A: {secret: X}}", "f:5:23: containers.main.env.A.secret: string `X` does not match `^[a-z][a-z0-9-]*$` "
                                  "(lower case letters, digits and dashes)"),
        ("place: /mnt", "f:5:12: containers.main.place: expected mapping, found string `/mnt`"),
        ("place: {path: /mnt}", "f:5:5: containers.main.place: the key `type` is missing (one of `folder`, `share`)"),
        ("place: {type: shared}", "f:5:19: containers.main.place.type: expected one of `folder`, `share`, found string `shared` "
                                  "(did you mean `share`?)"),
        ("place: {type: 5}", "f:5:19: containers.main.place.type: expected one of `folder`, `share`, found integer `5`"),
        ("place: {type: share, server: 5}", "f:5:34: containers.main.place.server: expected string, found integer `5` (put it in quotes)"),
        ("place: {type: share, server: a, protocol: ftp}", "f:5:47: containers.main.place.protocol: expected one of `nfs`, `smb`, "
                                                            "found string `ftp`"),
        ("place: {type: folder, path: a, server: b}", "f:5:36: containers.main.place.server: unknown key `server`; known: type, path"),
        ("after: redy", "f:5:12: containers.main.after: expected one of `ready`, `started`, found string `redy` (did you mean `ready`?)"),
        ("after: [started, rdy]", "f:5:22: containers.main.after[1]: expected one of `ready`, `started`, found string `rdy` "
                                  "(did you mean `ready`?)"),
        ("after: 5", "f:5:12: containers.main.after: expected `ready`, `started` or list, found integer `5` "
                     "(write it as an item of a list: [...])"),
        ("ports: {web: {number: 80, public: true}}", "f:5:13: containers.main.ports.web: a public port is above 1023"),
    ],
)  # fmt: skip
def test_a_mistake_of_a_value(text: str, said: str) -> None:
    assert container(text) == [said]


def test_a_missing_key_is_told_where_its_mapping_is_named() -> None:
    assert told("containers:\n  main:\n    image:\n      tag: t\n", App) == [
        "f:1:1: the key `name` is missing (lower case letters, digits and dashes)",
        "f:3:5: containers.main.image: the key `repository` is missing (without a tag)",
    ]


def test_all_mistakes_of_a_file_are_told_at_once_in_order_of_line() -> None:
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
    assert told(text, App) == [
        "f:1:1: the key `name` is missing (lower case letters, digits and dashes)",
        "f:1:1: egres: unknown key `egres`; known: name, egress, containers, about (did you mean `egress`?)",
        "f:4:25: containers.main.image.repository: it must not be empty (without a tag)",
        "f:4:34: containers.main.image.tag: expected string, found number `5.1` (put it in quotes)",
        "f:5:17: containers.main.root-start: expected true or false, found string `on` (write true or false)",
        "f:6:20: containers.main.env.A: the key `A` stands here for a second time (the first is in line 6: keep one)",
        "f:7:3: containers.Side: not a key that can stand here: string `Side` does not match `^[a-z][a-z0-9-]*$` "
        "(lower case letters, digits and dashes)",
        "f:8:12: containers.Side.image: expected mapping, found string `lscr.io/x`",
        "f:9:8: about: expected string, found list",
    ]


def test_what_a_type_checks_in_code_is_told_with_the_entry_that_it_is_about() -> None:
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
    assert told(text, App) == ["f:9:7: containers.d.ports.y: a public port is above 1023"]


def test_a_mistake_that_is_repeated_by_an_alias_is_told_once_for_each_place() -> None:
    text = "name: a\ncontainers:\n  b: &b {image: {repository: r, tag: 1}}\n  c: *b\n"
    assert [line.split(": ")[1] for line in told(text, App)] == ["containers.b.image.tag", "containers.c.image.tag"]


def test_long_values_are_shortened_and_hidden_characters_shown() -> None:
    (line,) = told(f'name: "{"X" * 500}\\n\\u202e"\n', App)
    assert len(line) < 250
    (line,) = told('name: "a\\nb\\u202e"\n', App)
    assert "`a\\nb\\u202e`" in line
    assert all(line.isprintable() for line in told('"\\e[31m": {"\\e": 1, "\\e": 2}\na: !%1b[0m x\n', App))


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
def test_wrong_values_anywhere_are_told_and_nothing_is_lost(data: st.DataObject, keys: list[str], value: Any) -> None:
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
