r"""Every pattern that a value must match stops at the value's end: `$` alone also matches before a trailing newline.

`\Z` is not part of JSON Schema, which editors read, so the patterns of types end in `$(?!\n)`.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from re import _constants as of  # type: ignore[attr-defined]  # no other way to see what a pattern consists of
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

import msgspec
import pytest

import portable
from portable.catalog.facts import AbsolutePath, AppFacts, CloudFacts, Name, RelativePath
from portable.formats.load import read
from portable.formats.schema import schema
from portable.model.errors import InputError
from portable.profiles.images import Images
from portable.profiles.types import Profile, StackFile

PACKAGE = Path(portable.__file__).parent
KINDS = (AppFacts, CloudFacts, Profile, StackFile, Images)
_NO_NEWLINE = [(of.LITERAL, 10)]


def patterns(of_schema: Any) -> Iterator[str]:
    """All patterns in a schema."""
    if isinstance(of_schema, dict):
        found = of_schema.get("pattern")
        if isinstance(found, str):
            yield found
        yield from (one for value in of_schema.values() for one in patterns(value))
    elif isinstance(of_schema, list):
        yield from (one for value in of_schema for one in patterns(value))


def is_open(pattern: str, flags: int = 0) -> bool:
    """Whether a `$` of the pattern would match before a newline at the end; one inside a look-ahead or of many lines is none."""

    def looks(parts: Any) -> bool:
        for place, (kind, value) in enumerate(parts):
            if kind is of.AT and value is of.AT_END:
                after: Any = parts[place + 1] if place + 1 < len(parts) else (None, None)
                if after[0] is not of.ASSERT_NOT or [*after[1][1]] != _NO_NEWLINE:
                    return True
            if kind is of.SUBPATTERN and looks(value[3]):
                return True
            if kind is of.BRANCH and any(looks(branch) for branch in value[1]):
                return True
            if kind in (of.MAX_REPEAT, of.MIN_REPEAT) and looks(value[2]):
                return True
        return False

    parsed = parser.parse(pattern, flags)
    return not parsed.state.flags & re.MULTILINE and looks([*parsed])


@pytest.mark.parametrize("kind", KINDS)
def test_no_value_of_a_file_has_a_trailing_newline(kind: type) -> None:
    found = set(patterns(schema(kind)))
    assert found
    assert [pattern for pattern in found if is_open(pattern)] == []
    assert [pattern for pattern in found if "\\Z" in pattern] == [], "editors do not know it"


def called(text: str) -> Iterator[tuple[int, str, int]]:
    """(line, pattern, flags) of each call of `re` that does not match the whole text by itself, for patterns that are plain text."""
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.Call) or not ast.unparse(node.func).startswith("re.") or not node.args:
            continue
        if ast.unparse(node.func) in ("re.fullmatch", "re.sub", "re.escape", "re.split"):
            continue
        first = node.args[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            words = " ".join(ast.unparse(part) for part in (*node.args[1:], *(keyword.value for keyword in node.keywords)))
            yield node.lineno, first.value, re.MULTILINE if "MULTILINE" in words else 0


@pytest.mark.parametrize("file", sorted(PACKAGE.rglob("*.py")), ids=lambda file: str(file.relative_to(PACKAGE)))
def test_no_pattern_in_the_code_ends_before_a_newline(file: Path) -> None:
    assert [(line, pattern) for line, pattern, flags in called(file.read_text(encoding="utf-8")) if is_open(pattern, flags)] == []


@pytest.mark.parametrize(("kind", "value"), [(Name, "sonarr"), (AbsolutePath, "/config"), (RelativePath, "media/tv")])
def test_a_trailing_newline_is_a_mistake(kind: Any, value: str) -> None:
    assert msgspec.convert(value, kind) == value
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(f"{value}\n", kind)


def test_its_remedy_says_how_it_is_written(tmp_path: Path) -> None:
    file = tmp_path / "app.yaml"
    file.write_text("portable: 1\nname: |\n  one\ntitle: One\n")
    with pytest.raises(InputError) as caught:
        read(file, AppFacts)
    mistake = next(one for one in caught.value.mistakes if one.path == "name")
    assert "without `|`" in mistake.remedy
    assert "(?!" not in mistake.text


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        (r"^a$", True),
        (r"^a$(?!\n)", False),
        (r"a\Z", False),
        (r"(?m)^a$", False),
        (r"^(?!a$)b\Z", False),
        (r"^(a$|b)\Z", True),
        (r"(?:a$)?", True),
        (r"\$", False),
        (r"[$]", False),
    ],
)
def test_the_check_sees_what_is_wrong(pattern: str, expected: bool) -> None:
    assert is_open(pattern) == expected
