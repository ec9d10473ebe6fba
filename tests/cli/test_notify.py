"""`portable notify`, and commands with a channel, where no engine is: a real process, and a stand-in for ntfy on loopback."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli import run, write
from tests.lab.ntfy import TOKEN, TOPIC, NtfyStandIn, ntfy

PROFILE = """\
portable: 1
name: nas
extends: local
back-end: compose
apps: [gerbera]
clouds: []
secrets: {source: environment}
notify:
  url: {secret: notify-url}
  ping: {verify: {secret: ping, key: verify}}
"""
FILES: dict[str, str | bytes] = {"portable.yaml": "portable: 1\n", "profiles/nas.yaml": PROFILE}
NOWHERE = {"DOCKER_HOST": "unix:///nowhere/docker.sock"}


@pytest.fixture
def server() -> Iterator[NtfyStandIn]:
    with ntfy() as stand_in:
        yield stand_in


def environment(url: str) -> dict[str, str]:
    return {**NOWHERE, "PORTABLE_SECRET_NOTIFY_URL": url}


def test_a_test_message_arrives_and_no_part_of_the_url_is_printed(server: NtfyStandIn, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    done = run("notify", "test", "-p", "nas", cwd=tmp_path, env=environment(server.url))
    assert done.returncode == 0, done.stderr
    assert done.stdout == "sent a test message through ntfy\n"
    assert server.titles == ["media-nas: test"]
    server.status = 403
    refused = run("notify", "test", "-p", "nas", cwd=tmp_path, env=environment(server.url))
    assert refused.returncode == 1
    assert "[notify.undelivered]" in refused.stderr
    assert [part for part in (TOKEN, TOPIC, str(server.port)) if part in done.stdout + done.stderr + refused.stdout + refused.stderr] == []


def test_a_fault_is_sent_once_and_listed_and_the_exit_code_stays(server: NtfyStandIn, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    silent = run("verify", "-p", "nas", cwd=tmp_path, env=environment("ntfy://127.0.0.1:9/x"))
    assert "[notify.undelivered]" in silent.stderr
    codes = [run("verify", "-p", "nas", cwd=tmp_path, env=environment(server.url)).returncode for _ in range(2)]
    assert codes == [silent.returncode] * 2
    assert server.titles == ["media-nas: verify: run: fault"]
    assert "What to do: " in server.published[0]["message"]
    listed = run("notify", "list", "-p", "nas", "--format", "json", cwd=tmp_path, env=NOWHERE)
    document = json.loads(listed.stdout)
    assert listed.returncode == 0
    assert [fault["subject"] for fault in document["faults"]] == ["verify: run"]
    assert document["queued"] == []
    assert server.pings == [], "a command that failed does not call its ping"
    assert run("notify", "forget", "-p", "nas", cwd=tmp_path, env=NOWHERE).stdout == "forgot 1 open faults and 0 undelivered messages\n"


def test_a_dead_channel_is_listed_with_its_messages_and_fails_the_list_only(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    dead = environment(f"ntfy://{TOKEN}@127.0.0.1:9/{TOPIC}")
    without = run("heal", "-p", "nas", "--set", "notify=null", cwd=tmp_path, env=dead)
    with_channel = run("heal", "-p", "nas", cwd=tmp_path, env=dead)
    assert with_channel.returncode == without.returncode == 1
    listed = run("notify", "list", "-p", "nas", cwd=tmp_path, env=NOWHERE)
    assert listed.returncode == 1
    assert "1 message is not delivered" in listed.stdout
    everything = with_channel.stdout + with_channel.stderr + listed.stdout + listed.stderr
    assert TOKEN not in everything
    assert TOPIC not in everything


def test_a_wrong_command_line_is_nobodys_fault(server: NtfyStandIn, tmp_path: Path) -> None:
    write(tmp_path, FILES)
    for words in (("backup", "nosuch"), ("upkeep", "--task", "nosuch"), ("verify", "nosuch")):
        assert run(*words, "-p", "nas", cwd=tmp_path, env=environment(server.url)).returncode == 2
    assert server.published == []


def test_a_missing_or_wrong_secret_is_named(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    missing = run("notify", "test", "-p", "nas", cwd=tmp_path)
    assert (missing.returncode, "[secret.missing]" in missing.stderr) == (2, True)
    wrong = run("notify", "test", "-p", "nas", cwd=tmp_path, env=environment("nosuch://topic-of-mine"))
    assert (wrong.returncode, "[notify.url]" in wrong.stderr, "topic-of-mine" in wrong.stderr) == (1, True, False)


@pytest.mark.parametrize(
    ("url", "ping", "invalid"),
    [
        ("nonsense-of-mine", "https://hc.example/x", {"notify-url"}),
        ("ntfy://localhost/topic", "nonsense-of-mine", {"ping"}),
        ("ntfy://localhost/topic", "file:///nonsense-of-mine", {"ping"}),
        ("nonsense-of-mine", "nonsense-of-mine", {"notify-url", "ping"}),
        ("ntfy://localhost/topic\n", "https://hc.example/x\n", set()),
    ],
)
def test_a_check_names_values_that_are_no_urls_and_shows_none(url: str, ping: str, invalid: set[str], tmp_path: Path) -> None:
    write(tmp_path, FILES)
    values = {**environment(url), "PORTABLE_SECRET_PING_VERIFY": ping}
    ran = run("secrets", "check", "-p", "nas", "--format", "json", cwd=tmp_path, env=values)
    rows = [row for row in json.loads(ran.stdout)["secrets"] if row["apps"] == ["notify"]]
    assert ({row["secret"] for row in rows if row["reason"]}, ran.returncode) == (invalid, 1 if invalid else 0)
    assert "of-mine" not in ran.stdout + ran.stderr


def test_the_secrets_are_listed_and_rendered_nowhere(tmp_path: Path) -> None:
    write(tmp_path, FILES)
    listed = json.loads(run("secrets", "list", "-p", "nas", "--format", "json", cwd=tmp_path).stdout)
    assert {(row["secret"], row["key"]) for row in listed["secrets"] if row["apps"] == ["notify"]} == {
        ("notify-url", "value"),
        ("ping", "verify"),
    }
    rendered = run("render", "-p", "nas", cwd=tmp_path, env=environment(f"ntfy://{TOKEN}@127.0.0.1/{TOPIC}"))
    assert rendered.returncode == 0
    assert "notify-url" not in rendered.stdout
    assert TOKEN not in rendered.stdout
    told = run("explain", "-p", "nas", "--all", cwd=tmp_path).stdout
    assert "[compose.notify]" in told


def test_an_empty_section_is_a_mistake_and_none_is_no_channel(tmp_path: Path) -> None:
    write(tmp_path, {**FILES, "profiles/nas.yaml": PROFILE.split("notify:")[0] + "notify: {}\n"})
    assert "[notify.empty]" in run("render", "-p", "nas", cwd=tmp_path).stderr
    assert "[notify.not-set-up]" in run("notify", "test", cwd=tmp_path).stderr
