"""Secrets: sources, mistakes told without values, storing, hiding, and digests."""

import logging
import os
import pickle
import stat
import string
import traceback
from pathlib import Path

import pytest

from portable.model import plan as p
from portable.model.errors import PortableError, Refused, UsageError
from portable.model.secret_refs import SecretRef
from portable.secrets.digests import digest
from portable.secrets.environment import environment
from portable.secrets.generate import generate_missing
from portable.secrets.lookup import check, examine, resolve
from portable.secrets.needs import Need, needs_of
from portable.secrets.remedies import how_to_store
from portable.secrets.sources import CommandSource, EnvironmentSource, ExternalSource, FileSource, SopsSource, Source, refuse_external
from portable.secrets.store import generate, set_secret
from portable.secrets.values import Resolved, Secret
from tests.factories import app, container, full_plan, plan

CANARY = "canary-5e1f"


def need(name: str, key: str = "value", *, optional: bool = False) -> Need:
    return Need(name=name, key=key, optional=optional, apps=("demo",))


def private(path: Path, text: str, mode: int = 0o600) -> FileSource:
    path.write_text(text)
    path.chmod(mode)
    return FileSource(path=str(path))


def test_a_value_shows_itself_nowhere(caplog: pytest.LogCaptureFixture) -> None:
    secret = Secret(CANARY)
    shown = [
        repr(secret),
        str(secret),
        f"{secret}",
        f"{secret:>20}",
        repr([secret]),
        repr({"a": secret}),
        repr(Resolved({("a", "b"): secret})),
    ]
    logging.getLogger("test").warning("%s %r", secret, secret)
    try:
        raise ValueError(secret)
    except ValueError as error:
        shown.append("".join(traceback.TracebackException.from_exception(error, capture_locals=True).format()))
    assert CANARY not in "".join(shown).replace(f"CANARY = '{CANARY}'", "") + caplog.text
    with pytest.raises(TypeError):
        pickle.dumps(secret)
    assert secret.reveal() == CANARY
    assert secret == Secret(CANARY)
    assert secret != Secret("other")


def test_a_file_gives_every_value_as_it_is_written(tmp_path: Path) -> None:
    source = private(tmp_path / "s.yaml", 'vpn:\n  private: 1e3\n  on: yes\nplain: 0o17\nquoted: "a: # b"\nblock: |\n  two\n  lines\n')
    keys = [("vpn", "private"), ("vpn", "on"), ("plain", "value"), ("quoted", "value"), ("block", "value")]
    found = resolve([need(*key) for key in keys], source)
    assert [found.of(*key) for key in keys] == ["1e3", "yes", "0o17", "a: # b", "two\nlines\n"]


@pytest.mark.parametrize(("mode", "who"), [(0o644, "everybody"), (0o604, "everybody"), (0o640, "its group"), (0o620, "its group")])
def test_a_file_that_others_can_read_or_write_is_refused(tmp_path: Path, mode: int, who: str) -> None:
    source = private(tmp_path / "s.yaml", f"a: {CANARY}\n", mode)
    for call in (
        lambda: resolve([need("a")], source),
        lambda: set_secret(source, "b", "value", Secret("x")),
        lambda: check([need("a")], source),
    ):
        with pytest.raises(Refused, match=who) as caught:
            call()
        assert (caught.value.code, caught.value.where) == ("secret.file-mode", source.path)
        assert f"`chmod 600 {source.path}`" in str(caught.value.remedy)
        assert CANARY not in str(caught.value)
    assert Path(source.path).read_text() == f"a: {CANARY}\n"


@pytest.mark.skipif(os.getuid() != 0, reason="only root can give a file away")
def test_a_file_of_somebody_else_is_refused(tmp_path: Path) -> None:
    source = private(tmp_path / "s.yaml", "a: b\n")
    os.chown(source.path, 12345, 12345)
    with pytest.raises(Refused) as caught:
        resolve([need("a")], source)
    assert (caught.value.code, caught.value.where) == ("secret.file-owner", source.path)


def test_no_ordinary_file_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo", 0o600)
    for path in (tmp_path / "fifo", tmp_path):
        with pytest.raises(Refused) as caught:
            resolve([need("a")], FileSource(path=str(path)))
        assert (caught.value.code, caught.value.where) == ("secret.file-kind", str(path))
    (tmp_path / "file").touch()
    with pytest.raises(PortableError) as failed:
        resolve([need("a")], FileSource(path=str(tmp_path / "file" / "below")))
    assert (failed.value.code, failed.value.where) == ("secret.file-unreadable", str(tmp_path / "file" / "below"))


@pytest.mark.parametrize(
    ("text", "place", "says"),
    [
        (f"a: *{CANARY}\n", "1", "YAML"),
        (f"a: b\na: {CANARY}\n", "2:1", "duplicate .*'a'"),
        (f"a: b\nc:\n  d: 1\n  d: {CANARY}\n", "4:3", "duplicate .*'d'"),
        (f"- {CANARY}\n", "1:1", "mapping"),
        (f"a:\n  b:\n    c: {CANARY}\n", "3:5", "text"),
        (f"a: [{CANARY}]\n", "1:4", "text"),
        (f"a: \t{CANARY}: x\n\tb: y", "1", "YAML"),
        (f'a: "{CANARY}\n', "", "YAML"),
    ],
)
def test_mistakes_are_told_by_place_and_without_the_value(tmp_path: Path, text: str, place: str, says: str) -> None:
    source = private(tmp_path / "s.yaml", text)
    with pytest.raises(UsageError, match=says) as caught:
        resolve([need("a")], source)
    assert caught.value.code == "secret.file-syntax"
    assert f"{source.path}:{place}" in str(caught.value)
    assert CANARY not in "".join(traceback.format_exception(caught.value))
    assert caught.value.__context__ is None or CANARY not in str(caught.value.__context__)


def test_all_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    source = private(tmp_path / "s.yaml", "a: b\n")
    with pytest.raises(UsageError, match=r"2 secrets are missing: vpn.private \(for demo\); z \(for demo\)") as caught:
        resolve([need("a"), need("vpn", "private"), need("z"), need("o", optional=True)], source)
    assert (caught.value.code, caught.value.where) == ("secret.missing", source.path)
    assert caught.value.remedy == "run `portable secrets set vpn.private`, `portable secrets set z`, which ask for their values"
    with pytest.raises(UsageError) as caught:
        resolve([need("a"), need("z")], EnvironmentSource())
    assert "`export PORTABLE_SECRET_A_VALUE=VALUE PORTABLE_SECRET_Z_VALUE=VALUE`" in str(caught.value.remedy)
    with pytest.raises(UsageError, match=r"^[^ ]+: 1 secret is missing: a .*\[secret\.missing\]"):
        resolve([need("a")], FileSource(path=str(tmp_path / "none")))
    assert [r.present for r in check([need("a")], FileSource(path=str(tmp_path / "none")))] == [False]
    assert [r.present for r in check([need("a"), need("z")], source)] == [True, False]


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PORTABLE_SECRET_VPN_KEY_PRIVATE", "1")
    monkeypatch.setenv("PORTABLE_SECRET_PLAIN", "2")
    found = resolve([need("vpn-key", "private"), need("plain")], EnvironmentSource())
    assert (found.of("vpn-key", "private"), found.of("plain")) == ("1", "2")
    with pytest.raises(UsageError) as caught:
        resolve([need("other", "k")], EnvironmentSource())
    assert caught.value.code == "secret.missing"
    assert "`export PORTABLE_SECRET_OTHER_K=" in str(caught.value.remedy)


def test_a_command(tmp_path: Path) -> None:
    program = tmp_path / "get"
    program.write_text('#!/bin/sh\ncase $1 in */bad) echo "no $SECRET" >&2; exit 3;; */empty) ;; *) printf "%s \\n\\n" "$1";; esac\n')
    program.chmod(0o755)
    source = CommandSource(command=(str(program), "media/{name}/{key}"))
    assert resolve([need("a", "b; rm -rf /")], source).of("a", "b; rm -rf /") == "media/a/b; rm -rf / \n"
    with pytest.raises(UsageError, match=r"a.bad \(for demo\): .* exit code 3; a.empty \(for demo\): .* printed nothing") as caught:
        resolve([need("a", "bad"), need("a", "empty")], source)
    assert caught.value.code == "secret.missing"
    with pytest.raises(UsageError, match=r"a .*: the program /nonexistent/pass does not exist") as caught:
        resolve([need("a")], CommandSource(command=("/nonexistent/pass",)))
    assert caught.value.code == "secret.missing"
    with pytest.raises(UsageError) as caught:
        resolve([need("a")], CommandSource(command=()))
    assert caught.value.code == "secret.command-empty"


def test_setting_is_atomic_private_and_keeps_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "new" / "s.yaml"
    source = FileSource(path=str(path))
    set_secret(source, "vpn", "private", Secret("1e3"))
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    path.write_text("# mine\n\n" + path.read_text().partition("\n")[2])
    for value in ("yes", "a: # '\" $x ü\n", " lead", "-", "*x", "null", "1_000"):
        set_secret(source, "plain", "value", Secret(value))
        set_secret(source, "vpn", "public", Secret(value))
        found = resolve([need("plain"), need("vpn", "public"), need("vpn", "private")], source)
        assert (found.of("plain"), found.of("vpn", "public"), found.of("vpn", "private")) == (value, value, "1e3")
    assert path.read_text().startswith("# mine\n")
    assert [p.name for p in path.parent.iterdir()] == ["s.yaml"]
    with pytest.raises(UsageError) as caught:
        set_secret(source, "a", "value", Secret(""))
    assert (caught.value.code, caught.value.where) == ("secret.empty", "a")
    with pytest.raises(UsageError, match="environment") as caught:
        set_secret(EnvironmentSource(), "a", "value", Secret("x"))
    assert caught.value.code == "secret.read-only"


def test_generated_values_differ_and_fit_everywhere() -> None:
    values = {generate().reveal() for _ in range(50)}
    assert len(values) == 50
    assert all(value.isalnum() and len(value) == 32 for value in values)
    assert set(generate(10_000).reveal()) == {*string.ascii_letters, *string.digits}


@pytest.mark.parametrize(
    ("stored", "text"),
    [
        ([("a", "value")], "a: x\n"),
        ([("a", "k")], "a:\n  k: x\n"),
        ([("a", "value"), ("b", "value")], "a: x\nb: x\n"),
        ([("a", "value"), ("a", "k")], "a:\n  k: x\n  value: x\n"),
        ([("a", "value"), ("b", "k")], "a: x\nb:\n  k: x\n"),
    ],
)
def test_a_lone_value_needs_no_key(tmp_path: Path, stored: list[tuple[str, str]], text: str) -> None:
    source = FileSource(path=str(tmp_path / "secrets.yaml"))
    for name, key in stored:
        set_secret(source, name, key, Secret("x"))
    head, _, written = Path(source.path).read_text().partition("\n")
    assert (head[:1], written) == ("#", text)


def test_needs_of_a_plan_name_every_reference_once() -> None:
    needs = {(n.name, n.key): n for n in needs_of(full_plan("compose"))}
    assert set(needs) >= {
        ("vpn-key", "private"),
        ("torrents-login", "hash"),
        ("shelf-login", "pass"),
        ("player-claim", "value"),
        ("player-tls", "tls.crt"),
    }
    assert needs["torrents-login", "hash"].apps == ("torrents",)
    assert not needs["torrents-login", "hash"].optional
    assert needs["player-tls", "tls.key"].optional


def test_the_environment_for_compose_holds_keys_and_whole_files() -> None:
    made = plan(
        app(containers=(container(env={"K": SecretRef(name="api-key")}, files=(p.FileMount(file="demo-conf", path="/c"),)),)),
        files=(p.File(id="demo-conf", body=("user=", SecretRef(name="login", key="user"), "\n", SecretRef(name="gone", optional=True))),),
    )
    values = {("api-key", "value"): Secret("k"), ("login", "user"): Secret("$u")}
    assert environment(made, Resolved(values)) == {
        "PORTABLE_SECRET_API_KEY_VALUE": "k",
        "PORTABLE_SECRET_LOGIN_USER": "$u",
        "PORTABLE_SECRET_GONE_VALUE": "",
        "PORTABLE_SECRET_DEMO_CONF": "user=$u\n",
    }
    for bad, code in (("a\0b", "secret.zero-byte"), ("x" * 140_000, "secret.too-long")):
        with pytest.raises(PortableError, match="api-key") as caught:
            environment(made, Resolved({**values, ("api-key", "value"): Secret(bad)}))
        assert caught.value.code == code
        assert "xxx" not in str(caught.value)


def test_values_are_taken_out_of_texts_in_the_forms_programs_repeat() -> None:
    resolved = Resolved(
        {("a", "value"): Secret('p@ss "$w/1'), ("b", "value"): Secret("first-line\nsecond-line\n"), ("c", "value"): Secret("abc")}
    )
    for text in ('p@ss "$w/1', 'x p@ss \\"$w/1', "p%40ss%20%22%24w%2F1", "cEBzcyAiJHcvMQ==", "first-line", "second-line", 'p@ss "$$w/1'):
        hidden = resolved.hide(f"before {text} after")
        assert "<secret>" in hidden
        assert text not in hidden
    assert resolved.hide("abc is too short to be told from a word") == "abc is too short to be told from a word"


def test_a_digest_is_kept_while_it_is_true_and_salted_anew_otherwise() -> None:
    first = digest({"A": "1", "B": "2"})
    assert digest({"B": "2", "A": "1"}, first) == first
    assert digest({"A": "1", "B": "2"}) != first
    assert digest({"A": "1", "B": "3"}, first) != first
    assert digest({"A": "1B", "": "2"}, first) != first
    for broken in ("", "x", "zz-1", first[:-1], "0" * 16):
        assert digest({"A": "1"}, broken) != broken


def test_a_store_of_the_cluster_is_neither_read_nor_written() -> None:
    source = ExternalSource(store="vault", kind="ClusterSecretStore")
    rows, resolved = examine([need("a")], source)
    assert [(row.present, row.reason) for row in rows] == [(False, "`portable` does not read the ClusterSecretStore vault")]
    assert resolved.of("a") == ""
    with pytest.raises(UsageError, match="does not read") as missing:
        resolve([need("a")], source)
    assert (missing.value.where, missing.value.code) == ("ClusterSecretStore vault", "secret.missing")
    assert "`portable secrets list`" in (missing.value.remedy or "")
    with pytest.raises(Refused) as refused:
        refuse_external(source, "do it", "do that")
    assert (refused.value.code, refused.value.where, refused.value.remedy) == ("secret.external", "secrets", "do that")
    refuse_external(EnvironmentSource(), "do it", "do that")


def _emptied(kind: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> FileSource | EnvironmentSource:
    if kind == "variable":
        monkeypatch.setenv("PORTABLE_SECRET_TOKEN", "\n")
        return EnvironmentSource()
    return private(folder / "s.yaml", {"value": 'token: ""\n', "nothing": "token:\n", "blank": 'token: "  "\n'}[kind])


@pytest.mark.parametrize("kind", ["value", "nothing", "blank", "variable"])
def test_an_empty_value_is_missing_and_says_why(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = _emptied(kind, tmp_path, monkeypatch)
    rows, resolved = examine([need("token")], source)
    assert [(row.present, "is empty" in row.reason) for row in rows] == [(False, True)]
    assert resolved.of("token") == ""
    with pytest.raises(UsageError, match="is empty") as caught:
        resolve([need("token")], source)
    assert (caught.value.code, caught.value.exit_code) == ("secret.missing", 2)
    assert resolve([need("token", optional=True)], source).of("token") == ""


def test_an_empty_value_that_may_be_generated_is(tmp_path: Path) -> None:
    source = private(tmp_path / "s.yaml", 'token: ""\nother: kept\n')
    generate_missing([need("token"), need("other")], {"token": "hex", "other": "hex"}, source)
    found = resolve([need("token"), need("other")], source)
    assert (len(found.of("token")), found.of("other")) == (32, "kept")


@pytest.mark.parametrize("value", ["", " ", "\t"])
def test_an_empty_value_is_not_stored(tmp_path: Path, value: str) -> None:
    with pytest.raises(UsageError) as caught:
        set_secret(private(tmp_path / "s.yaml", ""), "token", "value", Secret(value))
    assert caught.value.code == "secret.empty"


def test_a_misspelled_name_in_the_file_is_told_where_one_is_missing(tmp_path: Path) -> None:
    source = private(tmp_path / "s.yaml", f"qbittorent-password: {CANARY}\nvpn: {{privat: {CANARY}}}\nplain: x\n")
    needs = [need("qbittorrent-password"), need("vpn", "private"), need("plain")]
    with pytest.raises(UsageError) as caught:
        resolve(needs, source)
    assert "no app uses qbittorent-password, which is there" in caught.value.text
    assert "no app uses vpn.privat, which is there" in caught.value.text
    assert CANARY not in str(caught.value)
    assert examine(needs, source)[1].others == ("qbittorent-password", "vpn.privat")
    assert [row.reason for row in examine([need("sabnzbd-password")], source)[0]] == [""], "another secret is no misspelled one"
    assert examine([need("plain")], source)[1].others == ("qbittorent-password", "vpn.privat")


@pytest.mark.parametrize(
    ("source", "command"),
    [
        (FileSource(path="/s.yaml"), "`portable secrets set a`, `portable secrets set b.c`"),
        (EnvironmentSource(), "`export PORTABLE_SECRET_A_VALUE=VALUE PORTABLE_SECRET_B_C=VALUE`"),
        (SopsSource(path="/my home/s.yaml"), "`sops edit '/my home/s.yaml'`"),
        (CommandSource(command=("pass", "{name}/{key}")), "pass a/value; pass b/c"),
        (ExternalSource(store="vault", kind="SecretStore"), "`portable secrets list`"),
        (None, "`portable secrets set a`, `portable secrets set b.c`"),
    ],
)
def test_a_remedy_names_every_secret_in_the_words_of_its_source(source: Source | None, command: str) -> None:
    assert command in how_to_store([("a", "value"), ("b", "c")], source)


@pytest.mark.parametrize("source", [SopsSource(path="/s.yaml"), EnvironmentSource(), CommandSource(command=("pass", "{name}"))])
def test_what_cannot_be_stored_says_how_it_is(source: Source) -> None:
    with pytest.raises(UsageError) as caught:
        set_secret(source, "token", "value", Secret("x"))
    assert (caught.value.code, caught.value.remedy) == ("secret.read-only", how_to_store([("token", "value")], source))
