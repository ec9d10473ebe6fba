"""A registry's answers about a tag: digests, logins, redirects, and every way of not answering. One server is real."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from portable.engines import registry
from portable.engines.registry import Account, Answer, offered
from portable.model.registry import not_offered, split_reference

DIGEST = f"sha256:{'a' * 64}"
FOUND = Answer(status=200, headers={"docker-content-digest": DIGEST})
BEARER = {"www-authenticate": 'Bearer realm="https://auth.test/token",service="registry.test",scope="repository:team/app:pull"'}


class Asked:
    """Answers by method and URL, and what was asked with which login."""

    def __init__(self, answers: Mapping[str, Answer | Callable[[Mapping[str, str]], Answer]]) -> None:
        self.answers, self.asked = dict(answers), list[tuple[str, str]]()

    def __call__(self, method: str, url: str, headers: Mapping[str, str]) -> Answer:
        self.asked.append((f"{method} {url}", headers.get("Authorization", "")))
        answer = self.answers.get(f"{method} {url}", Answer(status=404, headers={}))
        return answer if isinstance(answer, Answer) else answer(headers)


def nobody(_: str) -> Account | None:
    return None


@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("registry.test/team/app:1", "https://registry.test/v2/team/app/manifests/1"),
        ("registry.test:5000/app:1", "https://registry.test:5000/v2/app/manifests/1"),
        ("localhost:5000/app:1", "http://localhost:5000/v2/app/manifests/1"),
        ("127.0.0.1:5000/app:1", "http://127.0.0.1:5000/v2/app/manifests/1"),
        ("docker.io/linuxserver/sonarr:4", "https://registry-1.docker.io/v2/linuxserver/sonarr/manifests/4"),
        ("linuxserver/sonarr:4", "https://registry-1.docker.io/v2/linuxserver/sonarr/manifests/4"),
        ("docker.io/busybox:1", "https://registry-1.docker.io/v2/library/busybox/manifests/1"),
    ],
)
def test_the_address_of_a_manifest(reference: str, url: str) -> None:
    ask = Asked({f"HEAD {url}": FOUND})
    found = offered(reference, ask, nobody)
    assert (found.digest, found.why) == (DIGEST, ""), ask.asked


@pytest.mark.parametrize("account", [None, Account("me", "secret")])
def test_a_registry_that_wants_a_token_gets_one(account: Account | None) -> None:
    url = "https://registry.test/v2/team/app/manifests/1"
    token = "GET https://auth.test/token?scope=repository%3Ateam%2Fapp%3Apull&service=registry.test"

    def manifest(headers: Mapping[str, str]) -> Answer:
        return FOUND if headers.get("Authorization") == "Bearer t0ken" else Answer(status=401, headers=BEARER)

    ask = Asked({f"HEAD {url}": manifest, token: Answer(status=200, headers={}, body=json.dumps({"token": "t0ken"}).encode())})
    assert offered("registry.test/team/app:1", ask, lambda _: account).digest == DIGEST
    basic = f"Basic {base64.b64encode(b'me:secret').decode()}" if account else ""
    assert ask.asked == [(f"HEAD {url}", ""), (token, basic), (f"HEAD {url}", "Bearer t0ken")]


def test_a_login_is_never_sent_in_clear_text_nor_to_another_host() -> None:
    url = "https://registry.test/v2/app/manifests/1"
    clear = {"www-authenticate": 'Bearer realm="http://auth.test/token"'}
    ask = Asked({f"HEAD {url}": Answer(status=401, headers=clear)})
    assert offered("registry.test/app:1", ask, lambda _: Account("me", "secret")).why == "refused"
    assert ask.asked == [(f"HEAD {url}", "")]

    def login(headers: Mapping[str, str]) -> Answer:
        moved = {"location": "https://other.test/manifest"}
        return (
            Answer(status=307, headers=moved) if headers.get("Authorization") else Answer(status=401, headers={"www-authenticate": "Basic"})
        )

    ask = Asked({f"HEAD {url}": login, "HEAD https://other.test/manifest": FOUND})
    assert offered("registry.test/app:1", ask, lambda _: Account("me", "secret")).digest == DIGEST
    assert ask.asked[-1] == ("HEAD https://other.test/manifest", "")
    ask = Asked({f"HEAD {url}": Answer(status=302, headers={"location": "http://registry.test/v2/app"})})
    assert offered("registry.test/app:1", ask, nobody).why == "unknown"


@pytest.mark.parametrize(
    ("answer", "why"),
    [
        (Answer(status=404, headers={}), "absent"),
        (Answer(status=401, headers={}), "refused"),
        (Answer(status=403, headers={}), "refused"),
        (Answer(status=429, headers={}), "refused"),
        (Answer(status=500, headers={}), "unknown"),
        (Answer(status=200, headers={"docker-content-digest": "md5:x"}), "unknown"),
        (Answer(status=302, headers={"location": "/v2/app/manifests/1"}), "unknown"),
    ],
)
def test_why_nothing_is_offered(answer: Answer, why: str) -> None:
    found = offered("registry.test/app:1", Asked({"HEAD https://registry.test/v2/app/manifests/1": answer}), nobody)
    assert (found.digest, found.why) == ("", why)


def test_a_registry_that_is_away_is_an_answer_with_the_machine_that_asked() -> None:
    def away(*_: object) -> Answer:
        raise OSError("timed out")

    found = offered("registry.test/app:1", away, nobody)
    assert (found.why, found.said) == ("unknown", "timed out")
    assert "check that this machine can reach it" in not_offered(found, split_reference("registry.test/app:1")[0])


class Handler(BaseHTTPRequestHandler):
    """A registry that knows GET only, and names no digest."""

    def do_HEAD(self) -> None:
        self.send_response(405)
        self.end_headers()

    def do_GET(self) -> None:
        assert "application/vnd.oci.image.index.v1+json" in self.headers["Accept"]
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def port() -> Iterator[int]:
    """A registry on loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def test_a_real_connection_and_the_digest_of_the_manifest_itself(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_login", nobody)
    assert offered(f"127.0.0.1:{port}/app:1").digest == f"sha256:{hashlib.sha256(b'{}').hexdigest()}"


def test_the_login_of_docker_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    auth = base64.b64encode(b"me:secret").decode()
    (tmp_path / "config.json").write_text(json.dumps({"auths": {"registry.test": {"auth": auth}}}))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert registry._login("registry.test") == Account("me", "secret")
    assert registry._login("other.test") is None
    (tmp_path / "config.json").write_text("{")
    assert registry._login("registry.test") is None
