"""Faults between the driver and the API server: they are retried or told, and never end in a false "done"."""

import random
from collections.abc import Callable
from typing import Any

import pytest

from portable.engines.kubernetes.errors import ClusterError
from portable.live.kubernetes.driver import KubernetesDriver
from portable.secrets.sources import FileSource
from tests.api_server.server import Server
from tests.api_server.stacks import driver, plan, stack

SECONDS = 120.0
Fault = Callable[[], Exception]


def status(number: int) -> Fault:
    """An answer with this status."""

    def made() -> Exception:
        import kubernetes.client.exceptions
        import kubernetes.dynamic.exceptions

        error = kubernetes.client.exceptions.ApiException(status=number, reason="injected")
        error.body, error.headers = '{"message": "injected"}', {}
        answer: Exception = kubernetes.dynamic.exceptions.api_exception(error)  # type: ignore[no-untyped-call]
        return answer

    return made


def reset() -> Exception:
    """A connection that broke."""
    from urllib3.exceptions import ProtocolError

    return ProtocolError("Connection aborted.", ConnectionResetError(104, "Connection reset by peer"))


def timeout() -> Exception:
    """An answer that did not come in time."""
    from urllib3.exceptions import ReadTimeoutError

    return ReadTimeoutError(None, "/", "Read timed out.")  # type: ignore[arg-type]


def faulty(chosen: KubernetesDriver, fault: Fault, chance: float, after: bool) -> None:
    """Let requests fail by chance, before they are sent or after the server has carried them out."""
    client = chosen._writer._client
    original, numbers = client.request, random.Random(7)

    def request(*arguments: Any, **parameters: Any) -> Any:
        fails = numbers.random() < chance
        if fails and not after:
            raise fault()
        answer = original(*arguments, **parameters)
        if fails:
            raise fault()
        return answer

    client.request = request


@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("fault", [status(500), status(429), status(503), reset, timeout], ids=["500", "429", "503", "reset", "timeout"])
def test_faults_that_pass_are_retried(
    server: Server, namespace: str, secret_file: FileSource, fault: Fault, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portable.engines.kubernetes.connection._PAUSE", 0.02)
    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        faulty(chosen, fault, 0.15, after)
        chosen.up(deadline=SECONDS)
    with driver(server, made, secret_file) as again:
        assert again.diff() == ()
        assert [row.state for row in again.status()] == ["running"]


@pytest.mark.parametrize("fault", [status(500), status(403), status(410), reset], ids=["500", "403", "410", "reset"])
def test_faults_that_stay_are_told(
    server: Server, namespace: str, secret_file: FileSource, fault: Fault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portable.engines.kubernetes.connection._PAUSE", 0.01)
    made = stack(plan(namespace, "one"))
    with driver(server, made, secret_file) as chosen:
        chosen.check()
        faulty(chosen, fault, 1.0, False)
        with pytest.raises(ClusterError):
            chosen.up(deadline=SECONDS)
