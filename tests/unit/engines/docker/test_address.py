"""Which engine is meant: profile before environment before context before the default socket."""

import hashlib
import json
from pathlib import Path

import pytest

from portable.engines.docker.address import DEFAULT_SOCKET, resolve
from portable.model.errors import EngineError, UsageError


@pytest.mark.parametrize(
    "url",
    [
        *("foo://me:hush@nas", "tcp://me:hush@nas", "tcp://me:hush@nas:99999", "unix://me:hush@nas", "ssh://me:hush@", "me:hush@nas"),
        *("ssh:me:hush@nas", "ssh:/me:hush@nas", "ssh://me:hu#sh@nas", "tcp://me:hu/sh@nas:2", "tcp://me:hush]x@nas:1"),
        *("tcp://[me:hush@nas:1", "tls://me:hush@sh@nas"),
    ],
)
def test_a_password_in_an_address_is_never_quoted(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(url, {}, tmp_path)
    assert raised.value.code == "engine.address-password"
    assert "sh@" not in str(raised.value)


@pytest.mark.parametrize("url", ["tcp://[nas:2376", "tcp://nas]:2376"])
def test_brackets_that_do_not_match_are_no_address(tmp_path: Path, url: str) -> None:
    with pytest.raises(UsageError) as raised:
        resolve(url, {}, tmp_path)
    assert raised.value.code == "engine.address"


def test_the_order_of_who_names_it(tmp_path: Path) -> None:
    folder = hashlib.sha256(b"nas").hexdigest()
    config = tmp_path / ".docker"
    (config / "contexts" / "meta" / folder).mkdir(parents=True)
    (config / "contexts" / "meta" / folder / "meta.json").write_text(
        json.dumps({"Name": "nas", "Endpoints": {"docker": {"Host": "ssh://me@nas"}}})
    )
    assert resolve(None, {}, tmp_path).url == DEFAULT_SOCKET
    (config / "config.json").write_text('{"currentContext": "nas"}')
    assert resolve(None, {}, tmp_path).url == "ssh://me@nas"
    assert resolve(None, {}, tmp_path).named_by == "the docker context nas"
    assert resolve(None, {"DOCKER_CONTEXT": "default"}, tmp_path).url == DEFAULT_SOCKET
    assert resolve(None, {"DOCKER_HOST": "tcp://h:1"}, tmp_path).url == "tcp://h:1"
    assert resolve("unix:///x.sock", {"DOCKER_HOST": "tcp://h:1"}, tmp_path).url == "unix:///x.sock"
    for wrong in ("npipe:////./pipe/docker_engine", "ssh://-oProxyCommand=x"):
        (config / "contexts" / "meta" / folder / "meta.json").write_text(json.dumps({"Endpoints": {"docker": {"Host": wrong}}}))
        with pytest.raises(UsageError) as invalid:
            resolve(None, {}, tmp_path)
        assert (invalid.value.code, invalid.value.where) == ("engine.address", "the docker context nas")
    with pytest.raises(EngineError, match=r"\bgone\b") as missing:
        resolve(None, {"DOCKER_CONTEXT": "gone"}, tmp_path)
    assert missing.value.code == "engine.context"


def test_tls_is_for_tcp_only(tmp_path: Path) -> None:
    tls = {"DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": "/certs"}
    assert (resolve("tcp://h:2376", tls, tmp_path).certificates, resolve("tcp://h:2376", tls, tmp_path).verify) == ("/certs", True)
    assert resolve("ssh://h", tls, tmp_path).certificates is None
    assert resolve("tcp://h:2375", {}, tmp_path).certificates is None
    assert resolve("tcp://h:2376", {"DOCKER_TLS_VERIFY": "1"}, tmp_path).certificates == str(tmp_path / ".docker")


@pytest.mark.parametrize(
    "url", ["h:2375", "http://h", "tcp://h", "tcp://h:x", "tcp://:1", "ssh://", "unix://x", "ssh://-oProxyCommand=x", ""]
)
def test_an_invalid_address_is_named(url: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(url or "x", {}, tmp_path)
    assert caught.value.code == "engine.address"
    assert repr(url or "x") in caught.value.text


def test_an_address_with_a_password_is_refused_and_not_shown(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as caught:
        resolve("ssh://u:canary@h", {}, tmp_path)
    assert caught.value.code == "engine.address-password"
    assert "canary" not in str(caught.value)


def test_where_ports_are_reached(tmp_path: Path) -> None:
    assert [resolve(url, {}, tmp_path).host for url in ("unix:///x", "tcp://nas:1", "ssh://me@nas.lan:22", "tcp://[fd00::1]:1")] == [
        "127.0.0.1",
        "nas",
        "nas.lan",
        "[fd00::1]",
    ]
