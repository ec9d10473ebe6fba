"""The texts of engines, Compose and ssh, word for word, and the errors that a person reads instead."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from portable.engines.docker.error_rule import Kind, Rule
from portable.engines.docker.error_rules import RULES
from portable.engines.docker.errors import DockerError, classify, explain, one_line, statement_of, translate
from tests.unit.engines.docker.engine_texts import TEXTS

LOG = Path(__file__).parents[4] / "docs" / "facts" / "reports.md"
WHERE = "unix:///var/run/docker.sock"


@pytest.mark.parametrize(
    ("said", "kind", "code", "shows"),
    [
        (
            "Error response from daemon: Bind for 0.0.0.0:8080 failed: port is already allocated",
            "port",
            "host.port",
            "port 8080",
        ),
        (
            "Error response from daemon: Error starting userland proxy: listen tcp4 127.0.0.1:9000: bind: address already in use",
            "port",
            "host.port",
            "port 9000",
        ),
        ("failed to register layer: write /usr/lib/x: no space left on device", "space", "host.full", "disk"),
        ("Error response from daemon: No such image: registry.test/x:1", "image", "engine.image", "registry.test/x:1"),
        ("Error response from daemon: pull access denied for x, repository does not exist", "image", "engine.image", "pull access denied"),
        (
            'invalid mount config for type "bind": bind source path does not exist: /mnt/storage',
            "mount",
            "host.missing-folder",
            "/mnt/storage",
        ),
        ("path /mnt/clouds is mounted on / but it is not a shared mount", "mount", "host.mount", "/mnt/clouds"),
        (
            "permission denied while trying to connect to the Docker daemon socket at unix:///var/run/docker.sock",
            "refused",
            "engine.denied",
            "usermod -aG docker",
        ),
        ("root@host: Permission denied (publickey).", "refused", "engine.ssh-denied", "ssh-copy-id"),
        ("Host key verification failed.", "refused", "engine.ssh-host-key", "host key"),
        ("client version 1.50 is too new. Maximum supported API version is 1.40", "old", "engine.old", "1.41"),
        ("client version 1.24 is too old. Minimum supported API version is 1.44", "old", "engine.client-old", "client"),
        ("tls: failed to verify certificate: x509: certificate signed by unknown authority", "tls", "engine.tls", "TLS"),
        ('Conflict. The container name "/sonarr" is already in use by container "ab"', "name", "engine.name", "/sonarr"),
        ("Something nobody foresaw", "failed", "engine.failed", "Something nobody foresaw"),
    ],
)
def test_a_foreign_text_becomes_an_error_for_a_person(said: str, kind: str, code: str, shows: str) -> None:
    trouble = translate(said, where=WHERE, doing="starting the apps", answered=True)
    assert (trouble.kind, trouble.code) == (kind, code)
    assert shows in str(trouble)
    assert str(trouble).startswith(WHERE) == (kind not in ("port", "mount", "image", "name"))
    assert trouble.remedy


def test_a_port_without_a_number_is_an_error_all_the_same() -> None:
    trouble = translate("Ports are not available", where=WHERE, doing="x", answered=True)
    assert (trouble.code, "{" in str(trouble)) == ("host.port", False)


def test_an_engine_that_answered_before_can_only_have_gone() -> None:
    said = "Cannot connect to the Docker daemon at tcp://127.0.0.1:1. Is the docker daemon running?"
    assert translate(said, where=WHERE, doing="x").kind == "absent"
    assert translate(said, where=WHERE, doing="x", answered=True).kind == "gone"
    assert translate("Connection reset by peer", where=WHERE, doing="x").kind == "absent"
    assert translate("Connection reset by peer", where=WHERE, doing="x", answered=True).kind == "gone"


def test_what_the_engine_itself_answers_never_means_that_it_is_away() -> None:
    said = 'Get "https://registry.test/v2/": dial tcp: lookup registry.test: no such host'
    assert translate(said, where=WHERE, doing="x", responded=True).code == "registry.unreachable"
    assert translate("dial tcp: lookup app.test: no such host", where=WHERE, doing="x", responded=True).kind == "failed"
    assert classify("dial tcp: lookup app.test: no such host") == "absent"


@pytest.mark.parametrize(("code", "source", "said"), TEXTS, ids=[f"{code} {source}" for code, source, _ in TEXTS])
def test_a_reported_text_has_its_cause_and_a_remedy(code: str, source: str, said: str) -> None:
    assert re.fullmatch(r"[\w.-]+/[\w.-]+#\d+", source)
    for answered, responded in ((True, False), (False, True), (True, True)):
        trouble = translate(said, where=WHERE, doing="starting the apps", answered=answered, responded=responded)
        assert (trouble.code, trouble.kind == "failed") == (code, False)
        assert trouble.remedy
        # The cause stands at the end of a text; nothing of it is lost where the text is shown.
        if "{line}" in _rule(code).text:
            assert statement_of(said) in str(trouble)


def _rule(code: str) -> Rule:
    return next(rule for rule in RULES if rule.code == code or (not rule.code and DockerError(rule.kind, "").code == code))


def test_at_least_forty_texts_are_known_and_each_rule_has_one() -> None:
    assert len(TEXTS) >= 40
    assert len({said for _, _, said in TEXTS}) == len(TEXTS)
    untested = {rule.code for rule in RULES if rule.code} - {code for code, _, _ in TEXTS}
    # ssh and Podman's socket have tests of their own here; nobody published the text of a host without memory.
    assert untested == {"host.memory", "engine.ssh-denied", "engine.ssh-host-key", "engine.podman-socket", "engine.compose-absent"}


def test_the_log_of_reports_has_each_text_with_its_verdict(record_property: Callable[[str, object], None]) -> None:
    rows = [line for line in LOG.read_text(encoding="utf-8").splitlines() if re.match(r"\| [\w.-]+/[\w.-]+#\d+ \|", line)]
    record_property("reports", len(rows))
    assert len(rows) >= 60
    for code, source, _ in TEXTS:
        assert [row for row in rows if row.startswith(f"| {source} |") and f"`{code}`" in row], source


def test_each_rule_about_hosts_networks_and_registries_has_a_code_of_its_own() -> None:
    codes = [rule.code for rule in RULES if rule.kind in ("host", "network", "registry")]
    assert all(codes)
    assert len(set(codes)) == len(codes)


def test_a_text_is_never_cut_before_its_cause() -> None:
    steps = "failed to create task for container: failed to create shim task: OCI runtime create failed: " * 4
    said = f"Error response from daemon: {steps}the very cause that nobody foresaw"
    assert str(translate(said, where=WHERE, doing="x", answered=True).text).endswith("the very cause that nobody foresaw")


def test_an_unknown_text_passes_whole_with_all_its_lines() -> None:
    said = """ Container media-x-1  Creating
 ✘ Network media_default  Error  0.0s
Error response from daemon: the first line
of three lines,
 (exit status 3)
"""
    text = translate(said, where=WHERE, doing="starting the apps", answered=True).text
    assert text == "starting the apps failed: the first line of three lines, (exit status 3)"


@pytest.mark.parametrize(
    ("said", "code"),
    [
        ("fork/exec /usr/bin/runc: cannot allocate memory", "host.memory"),
        ("dial unix /run/podman/podman.sock: connect: permission denied", "engine.podman-socket"),
        ("docker: 'compose' is not a docker command.", "engine.compose-absent"),
        ("unknown shorthand flag: 'f' in -f", "engine.compose-absent"),
    ],
)
def test_texts_without_a_report(said: str, code: str) -> None:
    assert translate(said, where=WHERE, doing="x", answered=True).code == code


def test_a_client_that_is_too_new_is_not_an_old_engine() -> None:
    new = "client version 1.53 is too new. Maximum supported API version is {}"
    assert translate(new.format("1.41"), where=WHERE, doing="x").code == "engine.client-new"
    assert translate(new.format("1.40"), where=WHERE, doing="x").code == "engine.old"


@pytest.mark.parametrize(
    ("socket", "step"),
    [
        ("/var/run/docker.sock", "systemctl start docker"),
        ("/run/user/1000/docker.sock", "systemctl --user start docker"),
        ("/run/podman/podman.sock", "systemctl enable --now podman.socket"),
        ("/run/user/1000/podman/podman.sock", "systemctl --user enable --now podman.socket"),
    ],
)
def test_an_absent_engine_is_started_by_its_own_command(socket: str, step: str) -> None:
    trouble = translate("Cannot connect to the Docker daemon", where=f"unix://{socket}", doing="x")
    assert (trouble.code, f"`{step}`" in str(trouble.remedy)) == ("engine.absent", True)


def test_only_asked_kinds_are_explained() -> None:
    asked: tuple[Kind, ...] = ("registry",)
    limit = explain("toomanyrequests: You have reached your pull rate limit", asked)
    assert limit is not None
    assert limit.code == "registry.rate-limit"
    assert explain("manifest unknown", asked) is None
    assert explain("nobody foresaw this", asked) is None


def test_one_line_of_many() -> None:
    said = """ Container media-x-1  Creating
time="2026-01-01" level=warning msg="something else"
 Container media-x-1  Created
Error response from daemon: it is broken
"""
    assert one_line(said) == statement_of(said) == "it is broken"
    assert one_line("") == statement_of("") == ""
    assert one_line("x" * 1000) == "x" * 1000
    long = f"begin {'x' * 10_000} cause"
    assert (one_line(long)[:5], one_line(long)[-5:], len(one_line(long)) < 4100) == ("begin", "cause", True)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("ssh: Could not resolve hostname nas: Name or service not known", "absent"),
        ("ssh: connect to host nas port 22: Connection refused", "absent"),
        ("me@nas: Permission denied (publickey,password).", "refused"),
        ("Host key verification failed.", "refused"),
        ("bash: line 1: docker: command not found", "absent"),
    ],
)
def test_ssh_is_quoted(said: str, kind: str) -> None:
    trouble = translate("ConnectionError: Connection aborted", where="ssh://me@nas:22", doing="connecting", ssh=said)
    assert trouble.kind == kind
    assert trouble.text.endswith(f", while connecting: {said}")
    if kind == "absent":
        assert str(trouble.remedy).startswith("check with `ssh -p 22 me@nas docker version`, or name another one in the profile")
    assert said not in str(translate("No such image: x", where="ssh://nas", doing="x", responded=True, ssh=said))


@pytest.mark.parametrize(
    ("named_by", "says"),
    [
        ("DOCKER_HOST", "unset DOCKER_HOST"),
        ("the docker context far", "another docker context"),
        ("the default socket", "profile's `engine`"),
    ],
)
def test_the_hint_is_about_who_named_the_engine(named_by: str, says: str) -> None:
    trouble = translate("Cannot connect to the Docker daemon", where=WHERE, doing="x", named_by=named_by)
    assert says in str(trouble.remedy)
    assert ("`engine`" in str(trouble.remedy)) == (named_by == "the default socket")
