"""A connection to an API server: requests with plain mappings, retries of what may pass, and errors in one family."""

import contextlib
import hashlib
import logging
import os
import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar

from portable.engines.kubernetes.address import ClusterAddress
from portable.engines.kubernetes.errors import RETRIED, ClusterError, translate
from portable.engines.kubernetes.verdict import KubernetesObject

if TYPE_CHECKING:
    from kubernetes.dynamic import DynamicClient

T = TypeVar("T")
OLDEST: Final = (1, 29)
"""The first version with native sidecars switched on."""
ANSWER_SECONDS: Final = (10, 60)
"""How long an API server may take to accept a connection, and to answer."""
_TRIES: Final = 5
_PAUSE: Final = 0.25
"""Seconds before the second try; each further pause is twice as long, with chance added so that clients do not come together."""
log = logging.getLogger("portable.cluster")


class ClusterConnection:
    """What everything that speaks with a cluster shares. Connects on first use."""

    def __init__(self, address: ClusterAddress, *, cache: Path, hide: Callable[[str], str] = lambda text: text) -> None:
        """`cache` is a private folder for the list of kinds that the server has; `hide` takes secrets out of every foreign text."""
        self.address = address
        self.hide = hide
        self._cache = cache

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        """Close connections; the cluster stays as it is."""
        if "_client" in self.__dict__:
            with contextlib.suppress(Exception):
                self._client.client.close()

    @cached_property
    def _client(self) -> "DynamicClient":
        from kubernetes.config import new_client_from_config
        from kubernetes.dynamic import DynamicClient

        with self.doing("connecting"):
            files = os.pathsep.join(str(file) for file in self.address.files)
            client = new_client_from_config(  # type: ignore[no-untyped-call]
                config_file=files, context=self.address.context
            )
            # Errors are counted and told here; a second layer of retries below would multiply the waiting.
            client.configuration.retries = False
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            digest = hashlib.sha256(f"{self.address.server}\0{self.address.user}".encode()).hexdigest()[:16]
            return DynamicClient(  # type: ignore[no-untyped-call]
                client, cache_file=str(self._cache / f"kinds-{digest}.json")
            )

    @contextlib.contextmanager
    def doing(self, what: str) -> Iterator[None]:
        """Turn every foreign error into a ClusterError that says what was tried."""
        try:
            yield
        except ClusterError:
            raise
        except Exception as error:
            foreign = type(error).__module__.split(".")[0] in ("kubernetes", "urllib3", "requests", "websocket", "http", "ssl")
            if not foreign and not isinstance(error, OSError):
                raise
            log.debug("%s: %s", what, self.hide(str(error)))
            trouble = translate(error, what, where=self.address.where)
            trouble.text = self.hide(trouble.text)
            raise trouble from None

    def request(
        self, method: str, path: str, *, doing: str, body: KubernetesObject | None = None, query: Mapping[str, Any] | None = None
    ) -> KubernetesObject:
        """Send one request and return the answer. Retries after a temporary error or a broken connection.

        This is safe, because every request of `portable` can be repeated: reads, server-side apply, deletion by the object's UID.
        """
        parameters = {"_request_timeout": ANSWER_SECONDS, "serializer": lambda _, data: data, **(query or {})}

        def send() -> KubernetesObject:
            # The client appends to this list.
            own = {key: list(value) if key == "query_params" else value for key, value in parameters.items()}
            answer: KubernetesObject = self._client.request(method, path, body=body, **own)
            return answer

        return self._retried(doing, send)

    def _retried(self, doing: str, send: Callable[[], T]) -> T:
        """Call `send`, again after faults that may pass, and return its result."""
        for number in range(1, _TRIES + 1):
            try:
                with self.doing(doing):
                    return send()
            except ClusterError as trouble:
                passes = trouble.status in RETRIED or (trouble.status == 0 and trouble.kind in ("absent", "slow"))
                if not passes or number == _TRIES:
                    raise
                time.sleep(_PAUSE * 2 ** (number - 1) * (1 + random.random()))  # noqa: S311  # spreads load, guards nothing
        raise AssertionError("unreachable")

    def raw(self, method: str, path: str, **parameters: Any) -> Any:
        """Send one request and return the response of the HTTP client, to be read piece by piece."""
        return self._client.request(method, path, **parameters)

    def open_exec(self, namespace: str, pod: str, container: str, command: Sequence[str], *, stdin: bool, terminal: bool) -> Any:
        """Open the streams of a command in a container, in bytes."""
        from kubernetes.client import ApiClient, CoreV1Api
        from kubernetes.stream import stream

        # A client of its own: `stream` changes the client while it connects, and other threads use the shared one.
        return stream(
            CoreV1Api(ApiClient(configuration=self._client.configuration)).connect_get_namespaced_pod_exec,
            pod,
            namespace,
            container=container,
            command=list(command),
            stdin=stdin,
            stdout=True,
            stderr=not terminal,
            tty=terminal,
            _preload_content=False,
            binary=True,
        )

    def open_forward(self, namespace: str, pod: str, port: int) -> Any:
        """Open a connection to a port of a pod; its `socket(port)` is a socket, its `error(port)` tells why the pod refused it."""
        from kubernetes.client import ApiClient, CoreV1Api
        from kubernetes.stream import portforward

        api = CoreV1Api(ApiClient(configuration=self._client.configuration))
        return portforward(api.connect_get_namespaced_pod_portforward, pod, namespace, ports=str(port))

    def path_of(self, api_version: str, kind: str, name: str | None = None, namespace: str | None = None) -> str | None:
        """The path of a kind, or of an object of it; None where the server does not have that kind."""
        doing = f"asking for the kind {kind}"
        for _ in range(_TRIES):
            resource = self._retried(doing, lambda: self._resource(api_version, kind))
            if resource is not None:
                path: str = resource.path(name=name, namespace=namespace if resource.namespaced else None)
                return path
            if not self._serves(api_version, kind):
                return None
        raise ClusterError("busy", f"the API server does not list its kinds, while {doing}", where=self.address.where)

    def _resource(self, api_version: str, kind: str) -> Any:
        from kubernetes.dynamic.exceptions import ResourceNotFoundError

        group, _, version = api_version.rpartition("/")
        # Without the prefix the client asks for the kinds of every group that has this version.
        where = {"prefix": "apis", "group": group} if group else {"prefix": "api"}
        try:
            return self._client.resources.get(**where, api_version=version, kind=kind)
        except ResourceNotFoundError:
            return None

    def _serves(self, api_version: str, kind: str) -> bool:
        """Whether the server has a kind, from the server itself: the client takes a list that it could not get for an empty one."""
        path = f"/apis/{api_version}" if "/" in api_version else f"/api/{api_version}"
        try:
            answer = self.request("get", path, doing=f"asking for the kinds of {api_version}")
        except ClusterError as trouble:
            if trouble.status == 404:
                return False
            raise
        return any(resource.get("kind") == kind for resource in answer.get("resources") or ())

    def version(self) -> tuple[int, int]:
        """The major and minor version of the API server."""
        told = self.request("get", "/version", doing="asking for the version")
        return int(told["major"]), int("".join(digit for digit in str(told["minor"]) if digit.isdigit()) or 0)
