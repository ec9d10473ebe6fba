"""What an API server and its client complain about becomes one family of errors."""

import json
import ssl

import pytest

from portable.engines.kubernetes.errors import ClusterError, field_owners, translate

CONFLICT = (
    'Apply failed with 2 conflicts: conflict with "kubectl-edit" using apps/v1: .spec.replicas\n'
    'conflicts with "argocd-controller" using v1:\n- .metadata.labels.app'
)


class Answer(Exception):  # noqa: N818
    """What the client raises for an HTTP status."""

    def __init__(self, status: int, body: object = None, reason: str = "") -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason
        self.body = json.dumps({"kind": "Status", "message": body}).encode() if isinstance(body, str) else body


class ConfigException(Exception):  # noqa: N818
    """As the client calls it."""


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        *((400, "invalid"), (401, "refused"), (403, "refused"), (404, "missing"), (409, "conflict"), (410, "gone"), (422, "invalid")),
        *((429, "busy"), (500, "failed"), (502, "failed"), (503, "busy"), (504, "slow"), (418, "failed")),
    ],
)
def test_a_status_decides_the_kind(status: int, kind: str) -> None:
    error = translate(Answer(status, "the server's words"), "applying Deployment sonarr", where="lab (https://192.0.2.6)")
    assert (error.kind, error.status, error.where) == (kind, status, "lab (https://192.0.2.6)")
    assert "the server's words" in error.text
    assert "applying Deployment sonarr" in error.text


def test_a_conflict_names_the_other_owners() -> None:
    assert field_owners(CONFLICT) == ("argocd-controller", "kubectl-edit (.spec.replicas)")
    error = translate(Answer(409, CONFLICT), "applying Deployment sonarr", where="lab")
    assert "kubectl-edit (.spec.replicas)" in error.text
    assert error.remedy


def test_a_conflict_of_versions_has_no_owner() -> None:
    error = translate(Answer(409, "the object has been modified"), "writing Lease x", where="lab")
    assert (error.kind, field_owners(error.text)) == ("conflict", ())


def test_a_page_of_a_proxy_is_cut() -> None:
    error = translate(Answer(502, b"<html>\n" + b"x" * 5000), "reading", where="lab")
    assert len(error.text) < 300


def test_an_answer_without_words_has_its_reason() -> None:
    assert "Forbidden" in translate(Answer(403, None, "Forbidden"), "reading", where="lab").text
    assert "HTTP status 418" in translate(Answer(418), "reading", where="lab").text


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ConfigException("Invalid kube-config file. No configuration found."), "settings"),
        (TimeoutError("timed out"), "slow"),
        (ssl.SSLError("[SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed"), "refused"),
        (ConnectionRefusedError("Connection refused"), "absent"),
    ],
)
def test_without_an_answer_the_error_says_what_is_wrong(error: Exception, kind: str) -> None:
    told = translate(error, "connecting", where="lab")
    assert isinstance(told, ClusterError)
    assert (told.kind, told.status) == (kind, 0)
    assert told.remedy
