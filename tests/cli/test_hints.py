"""Commands that texts tell a person to type."""

from pathlib import Path

import pytest

from portable.cli.hints import DEFAULT, remember, typed
from tests.cli import run


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("`portable secrets set token` asks", "`portable secrets set -p nas token` asks"),
        ("`portable up` heals it; `portable logs demo` shows", "`portable up -p nas` heals it; `portable logs -p nas demo` shows"),
        ("`portable up -p other` and `portable render --profile x`", "`portable up -p other` and `portable render --profile x`"),
        ("`portable profiles new mine`, `portable --debug` before", "`portable profiles new mine`, `portable --debug` before"),
        ("`portable up` (process 3, since 10:00:00) is at work", "`portable up` (process 3, since 10:00:00) is at work"),
    ],
)
def test_commands_carry_the_profile(text: str, expected: str) -> None:
    try:
        assert typed(text) == text
        remember("nas")
        assert typed(text) == expected
        remember("my place.yaml")
        assert typed("`portable up`") == "`portable up -p 'my place.yaml'`"
    finally:
        remember(DEFAULT)


@pytest.mark.parametrize("by", ["option", "environment"])
def test_an_error_in_a_profile_names_it_in_its_remedy(by: str, tmp_path: Path) -> None:
    given = ("-p", "zimaboard") if by == "option" else ()
    done = run("diff", *given, cwd=tmp_path, env={"PORTABLE_PROFILE": "zimaboard"} if by == "environment" else {})
    assert done.returncode == 2
    assert "(`portable secrets set -p zimaboard wireguard-key.addresses` asks for its value)" in done.stderr
