"""The ledger: every field of a plan that Kubernetes does not plainly translate, with what follows and what to do."""

from collections.abc import Iterator

from portable.backends.kubernetes.scope import Scope
from portable.model.findings import Finding


def findings(scope: Scope) -> Iterator[Finding]:
    """All findings of a plan."""
    yield from ()
