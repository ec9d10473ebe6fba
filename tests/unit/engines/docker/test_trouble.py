"""The texts of engines, Compose and ssh, word for word, and the errors that a person reads instead."""

import pytest

from portable.engines.docker.errors import classify, one_line, translate

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
        ('invalid mount config for type "bind": bind source path does not exist: /mnt/storage', "mount", "host.mount", "/mnt/storage"),
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
    assert translate(said, where=WHERE, doing="x", responded=True).kind == "failed"
    assert classify(said) == "absent"


def test_one_line_of_many() -> None:
    said = """ Container media-x-1  Creating
time="2026-01-01" level=warning msg="something else"
 Container media-x-1  Created
Error response from daemon: it is broken
"""
    assert one_line(said) == "it is broken"
    assert one_line("") == ""
    assert len(one_line("x" * 1000)) == 300


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
