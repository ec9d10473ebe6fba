"""Translates the complaints of an API server and of its client into one family of errors, at this one place. Does no I/O."""

import json
import re
from typing import Any, Final, Literal

from portable.model.codes import Code
from portable.model.errors import EngineError

Kind = Literal["absent", "refused", "old", "gone", "slow", "busy", "conflict", "invalid", "missing", "settings", "failed"]
_CODES: Final[dict[Kind, Code]] = {
    "absent": "cluster.absent",
    "refused": "cluster.refused",
    "old": "cluster.old",
    "gone": "cluster.gone",
    "slow": "cluster.slow",
    "busy": "cluster.busy",
    "conflict": "cluster.conflict",
    "invalid": "cluster.invalid",
    "missing": "cluster.missing",
    "settings": "cluster.settings",
    "failed": "cluster.failed",
}
AGAIN: Final = "then run the same command again: it goes on where it stopped"
RETRIED: Final = (429, 500, 502, 503, 504)
"""Answers after which the same request may succeed."""
_BY_STATUS: Final[dict[int, Kind]] = {
    401: "refused",
    403: "refused",
    404: "missing",
    409: "conflict",
    410: "gone",
    422: "invalid",
    400: "invalid",
    429: "busy",
    503: "busy",
    504: "slow",
}
_REMEDIES: Final[dict[Kind, str]] = {
    "absent": f"check the address with `kubectl cluster-info`, {AGAIN}",
    "refused": "log in again, or ask an administrator of the cluster for this permission",
    "busy": f"wait until the API server is less busy, {AGAIN}",
    "slow": f"check the API server with `kubectl get --raw /readyz`, {AGAIN}",
    "gone": AGAIN.removeprefix("then "),
    "failed": f"check the API server with `kubectl get --raw /readyz`, {AGAIN}",
}
_OWNER: Final = re.compile(r'conflicts? with "([^"]+)"[^:]*(?:: (\S+))?')


class ClusterError(EngineError):
    """An EngineError of a cluster, whose kind a program can tell."""

    def __init__(
        self,
        kind: Kind,
        text: str,
        *,
        where: str | None = None,
        remedy: str | None = None,
        status: int = 0,
        owners: tuple[str, ...] = (),
    ) -> None:
        super().__init__(text, code=_CODES[kind], where=where, remedy=remedy)
        self.kind: Kind = kind
        self.status = status
        """The HTTP status; 0 where no answer came."""
        self.owners = owners
        """The names of the field managers that a conflict is with."""


def translate(error: Exception, doing: str, *, where: str) -> ClusterError:
    """Return the error for a person. `doing` says what was tried: `applying Deployment sonarr`."""
    status = int(getattr(error, "status", 0) or 0)
    if status:
        told = _message(getattr(error, "body", None)) or str(getattr(error, "reason", "")) or f"HTTP status {status}"
        kind = _BY_STATUS.get(status, "failed")
        if kind == "conflict" and (owners := field_owners(told)):
            text = f"another owner manages these fields, while {doing}: {', '.join(owners)}"
            names = tuple(sorted({owner for owner, _ in _OWNER.findall(told)}))
            remedy = "let that owner give them up, or take them over by name"
            return ClusterError("conflict", text, where=where, remedy=remedy, status=status, owners=names)
        return ClusterError(kind, f"{told}, while {doing}", where=where, remedy=_REMEDIES.get(kind), status=status)
    name = type(error).__name__
    told = _last_line(str(error)) or name
    if name == "ConfigException":
        return ClusterError("settings", told, where=where, remedy="name a kubeconfig by KUBECONFIG, and a context of it by `engine`")
    if "timed out" in told.lower() or "Timeout" in name:
        return ClusterError("slow", f"no answer in time, while {doing}", where=where, remedy=_REMEDIES["slow"])
    if "CERTIFICATE_VERIFY_FAILED" in str(error) or "SSLError" in name:
        return ClusterError(
            "refused", f"the certificate of the API server is not trusted, while {doing}", where=where, remedy="correct the kubeconfig"
        )
    return ClusterError("absent", f"no API server answers, while {doing}", where=where, remedy=_REMEDIES["absent"])


def field_owners(message: str) -> tuple[str, ...]:
    """The other owners that a conflict of server-side apply names, each with its first field: `kubectl-edit (.spec.replicas)`."""
    found = {owner: field or "" for owner, field in _OWNER.findall(message)}
    return tuple(f"{owner} ({field})" if field else owner for owner, field in sorted(found.items()))


def _message(body: Any) -> str:
    """The words of a `Status` that an API server returned; other bodies are a proxy's pages, of which a line is enough."""
    text = body.decode(errors="replace") if isinstance(body, bytes) else str(body or "")
    try:
        told = json.loads(text)
    except ValueError:
        return _last_line(text)[:200]
    return str(told.get("message") or "") if isinstance(told, dict) else ""


def _last_line(text: str) -> str:
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1] if lines else ""
