"""Where a cluster is reached: a context of a kubeconfig. Reads files only."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from portable.model.base import Struct
from portable.model.errors import UsageError

_DEFAULT = Path(".kube") / "config"


class ClusterAddress(Struct, frozen=True, kw_only=True):
    """A context, and the files that it comes from."""

    files: tuple[Path, ...]
    context: str
    server: str
    """URL of the API server."""
    user: str = ""

    @property
    def where(self) -> str:
        """The cluster, as messages name it."""
        return f"{self.context} ({self.server})"


def resolve(context: str | None, environment: Mapping[str, str], home: Path) -> ClusterAddress:
    """Find the cluster as kubectl does: `KUBECONFIG`, else `~/.kube/config`; the context named by the profile, else the current one.

    Raises UsageError where no file is there, or the context does not exist or is incomplete.
    """
    named = [Path(part) for part in environment.get("KUBECONFIG", "").split(":") if part] or [home / _DEFAULT]
    files = tuple(path for path in named if path.is_file())
    if not files:
        places = ", ".join(str(path) for path in named)
        raise UsageError(
            f"no kubeconfig: {places} does not exist",
            code="cluster.kubeconfig-absent",
            where="cluster",
            remedy="export KUBECONFIG=/path/to/kubeconfig",
        )
    contexts: dict[str, Any] = {}
    clusters: dict[str, Any] = {}
    current = ""
    for file in files:
        read = _read(file)
        current = current or str(read.get("current-context") or "")
        for into, key, inner in ((contexts, "contexts", "context"), (clusters, "clusters", "cluster")):
            for entry in read.get(key) or ():
                into.setdefault(str(entry.get("name")), entry.get(inner) or {})
    name = context or current
    known = ", ".join(sorted(contexts)) or "none"
    if name not in contexts:
        text = f"the kubeconfig has no context {name!r}" if name else "the kubeconfig has no current context"
        raise UsageError(
            text, code="cluster.context", where=str(files[0]), remedy=f"write `engine: CONTEXT` in the profile; known: {known}"
        )
    server = str((clusters.get(str(contexts[name].get("cluster"))) or {}).get("server") or "")
    if not server:
        raise UsageError(
            f"the context {name!r} names no server",
            code="cluster.context-server",
            where=str(files[0]),
            remedy="correct its cluster in that file",
        )
    return ClusterAddress(files=files, context=name, server=server, user=str(contexts[name].get("user") or ""))


def _read(file: Path) -> Mapping[str, Any]:
    import yaml  # only for a cluster; foreign files need none of the checks that the project's own loader makes

    try:
        read = yaml.safe_load(file.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UsageError(
            f"the kubeconfig cannot be read: {error}",
            code="cluster.kubeconfig-unreadable",
            where=str(file),
            remedy="correct it, or name another by KUBECONFIG",
        ) from None
    return read if isinstance(read, Mapping) else {}
