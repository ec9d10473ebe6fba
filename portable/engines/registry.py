"""Asks a registry of images for the digest under a tag, from this machine: for clusters, whose nodes pull and answer no questions.

The requests are those of the OCI distribution specification, with the tokens of Docker's registries. Nothing is downloaded.
"""

import base64
import http.client
import json
import re
import ssl
from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple
from urllib.parse import urlencode, urljoin, urlsplit

from portable.model.registry import Offered, split_reference

_SECONDS: Final = 20.0
_LARGEST_ANSWER: Final = 1 << 20
_REDIRECTS: Final = 3
_DOCKER_HUB: Final = "registry-1.docker.io"
_DOCKER_HUB_LOGIN: Final = "https://index.docker.io/v1/"
"""The name under which `docker login` stores the account of Docker Hub."""
_ACCEPT: Final = ", ".join(
    (
        "application/vnd.oci.image.index.v1+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
"""An index first: its digest is the one that a pull of the tag pins, on every architecture."""
_DIGEST: Final = re.compile(r"sha256:[0-9a-f]{64}")
_PARAMETER: Final = re.compile(r'([a-z]+)="([^"]*)"', re.IGNORECASE)


class Answer(NamedTuple):
    """An answer over HTTP."""

    status: int
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes = b""


class Account(NamedTuple):
    """What `docker login` stored for a registry."""

    user: str
    password: str

    @property
    def basic(self) -> str:
        """The value of a header with it."""
        return f"Basic {base64.b64encode(f'{self.user}:{self.password}'.encode()).decode()}"


Method = Literal["HEAD", "GET"]
Request = Callable[[Method, str, Mapping[str, str]], Answer]
"""Arguments: method, URL and headers. Raises OSError or http.client.HTTPException if nothing answers."""
Login = Callable[[str], Account | None]
"""The account for a registry; None to ask without one."""


def offered(reference: str, request: Request | None = None, login: Login | None = None) -> Offered:
    """The digest that a registry has under `repository:tag`, or why none. Never raises: a registry that is away is an answer."""
    host, repository, tag = split_reference(reference)
    try:
        found = _asked(host, repository, tag, request or _request, login or _login)
    except (OSError, http.client.HTTPException, ValueError) as error:
        found = Offered(why="unknown", said=" ".join(str(error).split())[:200] or type(error).__name__)
    return Offered(digest=found.digest, why=found.why, said=found.said, asked_from="this machine")


def _asked(host: str, repository: str, tag: str, request: Request, login: Login) -> Offered:
    path = repository.removeprefix(f"{host}/")
    if host == "docker.io":
        path = path if "/" in path else f"library/{path}"
    scheme = "http" if _is_loopback(host) else "https"  # as Docker does; no other registry is asked in clear text
    url = f"{scheme}://{_DOCKER_HUB if host == 'docker.io' else host}/v2/{path}/manifests/{tag}"
    account = login(_DOCKER_HUB_LOGIN if host == "docker.io" else host)
    headers = {"Accept": _ACCEPT}
    answer = _followed("HEAD", url, headers, request)
    if answer.status == 401 and (authorization := _authorization(answer, path, account, request, is_clear=scheme == "http")):
        headers = {**headers, "Authorization": authorization}
        answer = _followed("HEAD", url, headers, request)
    digest = answer.headers.get("docker-content-digest", "")
    if answer.status == 405 or (answer.status == 200 and not digest):  # some registries know GET only
        answer = _followed("GET", url, headers, request)
        digest = answer.headers.get("docker-content-digest", "") or _digest_of(answer.body)
    if answer.status == 200:
        if _DIGEST.fullmatch(digest):
            return Offered(digest=digest)
        return Offered(why="unknown", said="it answered without a digest")
    if answer.status == 404:
        return Offered(why="absent")
    if answer.status in (401, 403, 429):
        return Offered(why="refused", said=f"HTTP status {answer.status}")
    return Offered(why="unknown", said=f"HTTP status {answer.status}")


def _digest_of(body: bytes) -> str:
    """The digest of a manifest, which is that of its bytes."""
    import hashlib

    return f"sha256:{hashlib.sha256(body).hexdigest()}" if body else ""


def _authorization(answer: Answer, path: str, account: Account | None, request: Request, *, is_clear: bool) -> str:
    """The header with which a registry that demands a login is asked again; empty if there is none."""
    scheme, _, rest = answer.headers.get("www-authenticate", "").partition(" ")
    if scheme.lower() == "basic":
        return account.basic if account is not None else ""
    parameters = {name.lower(): value for name, value in _PARAMETER.findall(rest)}
    realm = parameters.get("realm", "")
    if scheme.lower() != "bearer" or not realm or (urlsplit(realm).scheme != "https" and not is_clear):
        return ""
    query = {"scope": parameters.get("scope") or f"repository:{path}:pull"}
    if service := parameters.get("service"):
        query["service"] = service
    joined = f"{realm}{'&' if '?' in realm else '?'}{urlencode(query)}"
    told = request("GET", joined, {"Authorization": account.basic} if account is not None else {})
    if told.status != 200:
        return ""
    found = json.loads(told.body)
    token = (found.get("token") or found.get("access_token")) if isinstance(found, dict) else None
    return f"Bearer {token}" if isinstance(token, str) and token.isprintable() else ""


def _followed(method: Method, url: str, headers: Mapping[str, str], request: Request) -> Answer:
    """The answer, after redirects. Another host gets no login."""
    for _ in range(_REDIRECTS + 1):
        answer = request(method, url, headers)
        if answer.status not in (301, 302, 303, 307, 308) or not answer.headers.get("location"):
            return answer
        there = urljoin(url, answer.headers["location"])
        if urlsplit(there).scheme != urlsplit(url).scheme:
            raise ValueError("it redirects to an address of another kind")
        if urlsplit(there).netloc != urlsplit(url).netloc:
            headers = {name: value for name, value in headers.items() if name != "Authorization"}
        url = there
    raise ValueError("it redirects in a circle")


def _is_loopback(host: str) -> bool:
    name = urlsplit(f"//{host}").hostname or ""
    return name in ("localhost", "::1") or re.fullmatch(r"127(\.\d+){3}", name) is not None


def _request(method: Method, url: str, headers: Mapping[str, str]) -> Answer:
    parts = urlsplit(url)
    connection: http.client.HTTPConnection
    if parts.scheme == "https":
        connection = http.client.HTTPSConnection(parts.netloc, timeout=_SECONDS, context=ssl.create_default_context())
    elif parts.scheme == "http":
        connection = http.client.HTTPConnection(parts.netloc, timeout=_SECONDS)
    else:
        raise ValueError(f"{parts.scheme}: is not an address of a registry")
    try:
        connection.request(method, f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}", headers=dict(headers))
        response = connection.getresponse()
        body = response.read(_LARGEST_ANSWER) if method == "GET" else b""
        return Answer(status=response.status, headers={name.lower(): value for name, value in response.getheaders()}, body=body)
    finally:
        connection.close()


def _login(registry: str) -> Account | None:
    """What `docker login` stored, also by a helper; None if that is nothing, or cannot be read."""
    from docker import auth
    from docker.errors import DockerException

    try:
        found = auth.load_config().resolve_authconfig(None if registry == _DOCKER_HUB_LOGIN else registry)
    except (DockerException, OSError, ValueError):
        return None
    if not found or not found.get("username") or not found.get("password"):
        return None
    return Account(user=str(found["username"]), password=str(found["password"]))
